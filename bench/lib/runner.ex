defmodule Offheap.Bench.Runner do
  @moduledoc """
  Measures a scenario: ours and the peer's in turns in one emulator, each round in fresh processes.

  A pair of rounds gives a ratio (theirs / ours), and the ratios' quartiles tell how far it can be
  trusted: drift of the machine's clock rate hits both halves of a pair.
  """

  @doc """
  Runs the scenarios and gives a result for each to `report`, in order. Scenarios with the same
  `fixture` in a row share one setup.
  """
  def run(scenarios, opts, report) do
    scenarios
    |> Enum.chunk_by(&(&1.fixture || make_ref()))
    |> Enum.flat_map(fn [first | _] = group ->
      states = if first.setup, do: first.setup.(), else: {nil, nil}

      results =
        for scenario <- group do
          result = measure(scenario, states, opts)
          report.(result)
          result
        end

      if first.teardown, do: first.teardown.(states)
      :erlang.garbage_collect()
      results
    end)
  end

  defp measure(%{kind: :once} = scenario, _states, _opts) do
    summarize(scenario, [{fresh_vm(scenario, :ours), fresh_vm(scenario, :theirs)}])
  end

  defp measure(%{kind: :loop} = scenario, {ours, theirs}, opts) do
    ours = {scenario.ours, ours, scenario.parallel}
    theirs = {scenario.theirs, theirs, scenario.parallel}
    n_ours = calibrate(ours, opts.round_ms)
    n_theirs = calibrate(theirs, opts.round_ms)

    pairs = for _ <- 1..opts.rounds, do: {round(ours, n_ours), round(theirs, n_theirs)}
    summarize(scenario, pairs)
  end

  defp summarize(scenario, pairs) do
    ratios = Enum.sort(for {ours, theirs} <- pairs, do: theirs / ours)
    ours = median(Enum.map(pairs, &elem(&1, 0)))
    theirs = median(Enum.map(pairs, &elem(&1, 1)))

    %{
      component: scenario.component,
      name: scenario.name,
      peer: scenario.peer,
      parallel: scenario.parallel,
      unit: scenario.unit,
      note: scenario.note,
      ours: ours,
      theirs: theirs,
      ratio: theirs / ours,
      quartiles: {quantile(ratios, 0.25), quantile(ratios, 0.75)},
      rounds: length(pairs)
    }
  end

  # The count of operations that takes about round_ms; finding it also warms up.
  defp calibrate(side, round_ms), do: calibrate(side, round_ms * 1_000_000, 100)

  defp calibrate(side, target_ns, n) do
    took = max(round(side, n) * n, 1)

    cond do
      took >= target_ns / 2 -> max(1, trunc(n * target_ns / took))
      took < target_ns / 100 -> calibrate(side, target_ns, n * 10)
      true -> calibrate(side, target_ns, trunc(n * target_ns / took) + 1)
    end
  end

  # ns for one operation of one process: with several processes at once, the wall time from the first
  # one's start to the last one's end, times the processes, by the operations of all.
  defp round({fun, state, processes}, n) do
    runner = self()

    workers =
      for number <- 1..processes do
        spawn_monitor(fn ->
          send(runner, {self(), :ready})
          receive do: (:go -> :ok)
          start = System.monotonic_time(:nanosecond)
          call(fun, state, n, number)
          stop = System.monotonic_time(:nanosecond)
          exit({:shutdown, {start, stop}})
        end)
      end

    for {pid, _} <- workers, do: receive(do: ({^pid, :ready} -> :ok))
    for {pid, _} <- workers, do: send(pid, :go)

    times =
      for {pid, monitor} <- workers do
        receive do
          {:DOWN, ^monitor, :process, ^pid, {:shutdown, {start, stop}}} -> {start, stop}
          {:DOWN, ^monitor, :process, ^pid, reason} -> exit(reason)
        end
      end

    wall =
      (times |> Enum.map(&elem(&1, 1)) |> Enum.max()) -
        (times |> Enum.map(&elem(&1, 0)) |> Enum.min())

    wall * processes / (n * processes)
  end

  defp call(fun, state, n, _number) when is_function(fun, 2), do: fun.(state, n)
  defp call(fun, state, n, number) when is_function(fun, 3), do: fun.(state, n, number)

  # Memory is measured in an emulator of its own: freed memory of earlier rounds would be used again
  # and hide what is taken.
  defp fresh_vm(scenario, side) do
    paths = Enum.flat_map([:offheap, :elixir, :logger], &["-pa", Application.app_dir(&1, "ebin")])

    eval =
      "{ok, _} = application:ensure_all_started(elixir), " <>
        "{ok, _} = application:ensure_all_started(offheap), " <>
        "[Lib | _] = init:get_plain_arguments(), " <>
        "'Elixir.Code':eval_file(unicode:characters_to_binary([Lib, \"/child.exs\"])), halt(0)."

    args =
      ["-noshell", "-eval", eval] ++
        paths ++
        ["-extra", __DIR__, scenario.file, Offheap.Bench.title(scenario), to_string(side)]

    {text, 0} =
      System.cmd("erl", args, stderr_to_stdout: true, env: [{"ERL_CRASH_DUMP_SECONDS", "0"}])

    text |> String.split() |> List.last() |> String.to_float()
  end

  defp median(list), do: quantile(Enum.sort(list), 0.5)

  defp quantile(sorted, q) do
    at = q * (length(sorted) - 1)
    low = Enum.at(sorted, floor(at))
    high = Enum.at(sorted, ceil(at))
    low + (high - low) * (at - floor(at))
  end
end
