# The scenarios under Benchee, from this folder: BENCHEE=1 mix do deps.get, run benchee.exs [--quick] [TEXT]
#
# One Benchee job a side and, where scenarios differ in nothing but their input, one run for all inputs.
# A call does so many operations that the slower side takes about a millisecond, so that the call itself
# does not count: time, memory and reductions are those of that many.
defmodule Offheap.Bench.Benchee do
  alias Offheap.Bench.Runner

  def main(argv) do
    {opts, texts, []} = OptionParser.parse(argv, strict: [quick: :boolean])
    quick = opts[:quick] == true
    scenarios = Offheap.Bench.scenarios(Enum.join(texts, " "))
    scenarios = if quick, do: Offheap.Bench.quick(scenarios), else: scenarios
    loops = Enum.filter(scenarios, &(&1.kind == :loop))
    groups = Enum.group_by(loops, &group/1)

    for key <- loops |> Enum.map(&group/1) |> Enum.uniq(), do: run(groups[key], times(quick))
  end

  defp group(s), do: {s.component, s.operation, s.peer, s.parallel}

  defp times(true), do: [warmup: 0.1, time: 0.5, memory_time: 0.1, reduction_time: 0.1]
  defp times(false), do: [warmup: 1, time: 3, memory_time: 0.5, reduction_time: 0.5]

  defp run([first | _] = scenarios, times) do
    states = for s <- scenarios, do: if(s.setup, do: s.setup.(), else: {nil, nil})
    inputs = for {s, state} <- Enum.zip(scenarios, states), do: input(s, state)
    workers = :counters.new(1, [])

    Benchee.run(
      %{
        "Offheap" => fn {s, {ours, _}, n, worker} -> Runner.call(s.ours, ours, n, worker) end,
        first.peer => fn {s, {_, theirs}, n, worker} ->
          Runner.call(s.theirs, theirs, n, worker)
        end
      },
      [
        title: "#{first.component}: #{first.operation}",
        inputs: inputs,
        parallel: first.parallel,
        # Once in each of the processes: gives them their numbers.
        before_scenario: fn {s, state, n} ->
          :counters.add(workers, 1, 1)
          {s, state, n, rem(:counters.get(workers, 1), s.parallel) + 1}
        end,
        print: [fast_warning: false]
      ] ++ times
    )

    for {s, state} <- Enum.zip(scenarios, states), s.teardown, do: s.teardown.(state)
  end

  defp input(s, {ours, theirs} = state) do
    sides = [{s.ours, ours, s.parallel}, {s.theirs, theirs, s.parallel}]
    n = sides |> Enum.map(&Runner.calibrate(&1, 1)) |> Enum.min()
    {"#{s.input || s.operation}, #{n} operations a call", {s, state, n}}
  end
end

Offheap.Bench.Benchee.main(System.argv())
