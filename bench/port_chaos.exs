# Requests to port pools while callers, workers, owners and pools are killed at random, workers stop and a
# hostile program tears its frames; then a VM under load is killed. From the top of the tree:
#
#     mix run bench/port_chaos.exs [--requests N] [--callers N] [--seed N]
#
# Raises if a request has no outcome or two, or if a message, process, descriptor, memory segment or
# operating-system process is left.
{opts, [], []} =
  OptionParser.parse(System.argv(),
    strict: [requests: :integer, callers: :integer, seed: :integer]
  )

Code.require_file("../test/support/port_chaos.ex", __DIR__)
# What dies is reported thousands of times.
Logger.configure(level: :none)
alias Offheap.PortChaos

counted = PortChaos.run(Keyword.merge([requests: 100_000, report: &IO.puts/1], opts))
for {what, count} <- Enum.sort(counted), do: IO.puts("#{what}: #{count}")
IO.puts("none alive #{PortChaos.kill_vm()} ms after kill -9 of a VM")
