# What an operation costs as tables grow, beside ETS. From the top of the tree:
#
#     mix run bench/scaling.exs [--most ENTRIES] [--rounds N] [--round-ms N]
#
# Tables of 1,000 entries, ten times as many and so on up to ENTRIES (default 10,000,000): sets and ordered
# sets, with 1 to as many processes as there are schedulers. Ours, a plain ETS table and one for many
# processes are in memory together: about 300 bytes an entry. Writes bench/results/<machine>_scaling.json
# and .html, a page of line charts.
unless Code.ensure_loaded?(Offheap.Bench) do
  __DIR__ |> Path.join("lib/*.ex") |> Path.wildcard() |> Kernel.ParallelCompiler.compile()
end

defmodule Offheap.Bench.Scaling do
  use Offheap.Bench
  alias Offheap.Bench.{LinePage, Machine, Number, Report, Runner}

  # The same loops on both modules. The state is {table, entries}; each worker starts elsewhere.
  defsides do
    defloop(get({table, entries, start}, i),
      do: @module.lookup_element(table, key(i + start, entries), 2)
    )

    defloop(lookup({table, entries, start}, i),
      do: @module.lookup(table, key(i + start, entries))
    )

    defloop(next({table, entries, start}, i), do: @module.next(table, key(i + start, entries)))
    defloop(first({table, _entries, _start}, _i), do: @module.first(table))

    defloop put({table, entries, start}, i) do
      @module.insert(table, {key(i + start, entries), {i, :value, i}})
    end

    def run(operation),
      do: fn {table, entries}, n, worker ->
        apply(__MODULE__, operation, [{table, entries, worker * 7919}, n])
      end

    # In no order: each number below entries once.
    def fill(options, entries) do
      table = @module.new(:scaling, [:public | options])
      fill(table, entries, entries)
      {table, entries}
    end

    defp fill(_table, _entries, 0), do: :ok

    defp fill(table, entries, i) do
      @module.insert(table, {rem(i * 7919, entries), {i, :value, i}})
      fill(table, entries, i - 1)
    end

    def delete({table, _entries}), do: @module.delete(table)

    defp key(i, entries), do: scatter(i, entries)
  end

  alias __MODULE__.{Ours, Theirs}

  @kinds [
    {"set", :set, [get: "get", put: "put (replace)", next: "next", first: "first"],
     [read_concurrency: true, write_concurrency: :auto]},
    {"ordered set", :ordered_set,
     [lookup: "lookup", put: "insert (replace)", next: "next", first: "first"],
     [write_concurrency: true]}
  ]

  def main(argv) do
    {opts, []} =
      OptionParser.parse!(argv, strict: [most: :integer, rounds: :integer, round_ms: :integer])

    sizes =
      Enum.take_while(
        Stream.iterate(1000, &(&1 * 10)),
        &(&1 <= Keyword.get(opts, :most, 10_000_000))
      )

    settings = %{
      rounds: Keyword.get(opts, :rounds, 5),
      round_ms: Keyword.get(opts, :round_ms, 30),
      quick: false
    }

    machine = Machine.describe()
    IO.puts(estimate(sizes, settings))

    points = for size <- sizes, kind <- @kinds, point <- measure(kind, size, settings), do: point

    path = Path.join([__DIR__, "results", Machine.slug() <> "_scaling"])

    Report.write_json(path <> ".json",
      machine: {:object, Enum.sort(machine)},
      settings: {:object, Enum.sort(settings)},
      points: for(p <- points, do: {:object, Enum.sort(p)})
    )

    Report.write_file(path <> ".html", LinePage.render(machine, settings, points))
  end

  # Filling takes some microseconds an entry of all tables; a measurement as long as its rounds.
  defp estimate(sizes, settings) do
    operations = @kinds |> Enum.map(&length(elem(&1, 2))) |> Enum.sum()
    rows = length(sizes) * operations * length(parallels()) * 2
    measuring_s = rows * (settings.rounds + 8) * 2 * settings.round_ms / 1000
    filling_s = Enum.sum(sizes) * 9.0e-6

    "#{Number.grouped(List.last(sizes))} entries at the most: about #{ceil((measuring_s + filling_s) / 60)} " <>
      "minutes and #{ceil(List.last(sizes) * 300 / 1.0e9)} GB of memory\n"
  end

  defp measure({kind, type, operations, concurrent}, size, settings) do
    start = System.monotonic_time(:millisecond)
    ours = Ours.fill([type], size)

    peers = [
      {"ETS", Theirs.fill([type], size)},
      {"ETS, concurrent", Theirs.fill([type | concurrent], size)}
    ]

    points =
      for {operation, name} <- operations,
          processes <- parallels(),
          point <- compare({kind, name, size}, {operation, processes}, ours, peers, settings),
          do: point

    Ours.delete(ours)
    for {_name, state} <- peers, do: Theirs.delete(state)
    took_s = (System.monotonic_time(:millisecond) - start) / 1000
    IO.puts("#{kind} of #{Number.grouped(size)}: #{round(took_s)} s")
    points
  end

  # Ours is measured with each peer in turns; the line is of the first.
  defp compare({kind, name, size}, {operation, processes}, ours, peers, settings) do
    point = &%{kind: kind, operation: name, processes: processes, entries: size, side: &1, ns: &2}

    results =
      for {peer, theirs} <- peers do
        scenario = %{
          component: kind,
          name: name,
          peer: peer,
          parallel: processes,
          unit: "ns",
          note: nil,
          floor: false,
          kind: :loop,
          fixture: nil,
          setup: fn -> {ours, theirs} end,
          teardown: nil,
          ours: Ours.run(operation),
          theirs: Theirs.run(operation)
        }

        [result] = Runner.run([scenario], settings, fn _ -> :ok end)
        {peer, result}
      end

    [{_, first} | _] = results
    [point.("Offheap", first.ours) | for({peer, r} <- results, do: point.(peer, r.theirs))]
  end
end

Offheap.Bench.Scaling.main(System.argv())
