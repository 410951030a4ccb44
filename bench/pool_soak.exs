# A soak of the buffer pool: leases, writes, freezes, splits and waits by processes that are killed at
# random, with every byte checked. From the top of the tree:
#
#     mix run bench/pool_soak.exs [--minutes N] [--workers N] [--seed N]
#
# Raises if a byte is lost, counted twice or changed. Prints the resident set: before, under load and
# after trimming.
{opts, [], []} =
  OptionParser.parse(System.argv(),
    strict: [minutes: :integer, workers: :integer, seed: :integer]
  )

Code.require_file("../test/support/pool_soak.ex", __DIR__)

Offheap.PoolSoak.run(
  duration_ms: Keyword.get(opts, :minutes, 1) * 60_000,
  workers: Keyword.get(opts, :workers, 8),
  seed: Keyword.get(opts, :seed, 1),
  report: &IO.puts/1
)

IO.puts("ok")
