# An inventory of a file tree: which files there are, which are equal, and how long they take to
# read and hash; then the same in plain Erlang/OTP, side by side.
#
#     mix run examples/inventory.exs [--rounds N] [--workers N] [--buffer-kib N] [path]
#
# The path is that of the machine's Erlang installation unless given. What uses Offheap is in
# examples/inventory/offheap.ex, its counterpart in plain.ex; runner.ex holds what both share.
# Exit status 1: the two found different things.

for name <- ~w(runner histogram tree offheap plain report) do
  Code.require_file("inventory/#{name}.ex", __DIR__)
end

defmodule Inventory do
  alias Inventory.{Report, Runner, Tree}

  def main(args) do
    {options, paths} =
      OptionParser.parse!(args,
        strict: [rounds: :integer, workers: :integer, buffer_kib: :integer]
      )

    path = List.first(paths) || to_string(:code.root_dir())
    workers = Keyword.get(options, :workers, System.schedulers_online())
    rounds = max(Keyword.get(options, :rounds, 3), 1)

    {walk_us, tree} = :timer.tc(Tree, :walk, [path])
    total = length(tree.files)
    IO.puts("#{path}: #{total} files, walked in #{div(walk_us, 1000)} ms; #{workers} workers")
    if total == 0, do: stop("no files there: #{inspect(tree.unreadable)}")

    # One pass brings all files into the page cache, and starts the worker programs that the first
    # large file would start: no round pays for that.
    run(Inventory.Plain, tree.files, "reading", workers: workers)
    {:ok, _pool} = Offheap.PortPool.default()

    before = Offheap.Jobs.stats()
    {found, plain} = round(1, tree.files, options, workers)
    later = Offheap.Jobs.stats()
    jobs = for lane <- [:inline, :yielding, :dirty, :port], do: {lane, later[lane] - before[lane]}

    further =
      for n <- 2..rounds//1 do
        {ours, plain} = round(n, tree.files, options, workers)
        {figures(ours), figures(plain)}
      end

    {ours, plain} = Enum.unzip([{figures(found), figures(plain)} | further])

    Report.inventory(tree, found, jobs)
    Report.comparison(ours, plain, {Inventory.Offheap.title(), Inventory.Plain.title()})

    all = Enum.map(ours ++ plain, & &1.fingerprint)
    differing = all |> Enum.flat_map(&Runner.differing(hd(all), &1)) |> Enum.uniq()

    if not Report.verdict(differing, Runner.check_sample(found, 50)) do
      stop("the results differ (or files changed meanwhile)")
    end
  end

  # A result holds every path; all but the first are kept without.
  defp figures(result) do
    result
    |> Map.put(:fingerprint, result |> Runner.summary() |> Runner.fingerprint())
    |> Map.drop([:entries, :contents])
  end

  # Who goes first changes from round to round, so that neither gains by its place.
  defp round(number, files, options, workers) do
    ours = fn ->
      run(Inventory.Offheap, files, "#{number}: Offheap", [workers: workers] ++ buffer(options))
    end

    plain = fn -> run(Inventory.Plain, files, "#{number}: plain OTP", workers: workers) end

    if rem(number, 2) == 1 do
      first = ours.()
      {first, plain.()}
    else
      first = plain.()
      {ours.(), first}
    end
  end

  defp buffer(options) do
    for kib <- Keyword.get_values(options, :buffer_kib), do: {:buffer_bytes, kib * 1024}
  end

  defp run(implementation, files, title, opts) do
    progress = Report.progress(title, length(files))
    result = Runner.run(implementation, files, [progress: progress] ++ opts)
    Report.clear()
    result
  end

  defp stop(message) do
    IO.puts(:stderr, "inventory: #{message}")
    exit({:shutdown, 1})
  end
end

Inventory.main(System.argv())
