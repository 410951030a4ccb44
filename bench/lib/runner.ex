defmodule Offheap.Bench.Runner do
  @moduledoc """
  Measures a scenario: ours and the peer's in turns in one emulator, each round in fresh processes.

  A pair of rounds gives a ratio (theirs / ours). Their median is the result and their quartiles tell
  how far it can be trusted: drift of the machine's clock rate hits both halves of a pair.
  """

  @footprint_operations 1000
  # So much heap that nothing is collected while a footprint is taken.
  @footprint_words 4_000_000

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

    Map.merge(summarize(scenario, pairs), %{
      ours_footprint: footprint(ours, min(n_ours, @footprint_operations)),
      theirs_footprint: footprint(theirs, min(n_theirs, @footprint_operations))
    })
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
      floor: scenario.floor,
      ours: ours,
      theirs: theirs,
      ratio: quantile(ratios, 0.5),
      quartiles: {quantile(ratios, 0.25), quantile(ratios, 0.75)},
      rounds: length(pairs),
      ours_footprint: nil,
      theirs_footprint: nil
    }
  end

  @doc """
  How many operations of `side`, `{fun, state, processes}`, take about `round_ms`. Finding it also warms
  up.
  """
  def calibrate(side, round_ms), do: calibrate(side, round_ms * 1_000_000, 1)

  defp calibrate(side, target_ns, n) do
    took = max(round(side, n) * n, 1)
    # What else the machine did may have taken the time: seen again, it was the operations.
    took = if took >= target_ns / 2, do: min(took, max(round(side, n) * n, 1)), else: took

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

  @doc """
  What an operation takes of its process besides time: reductions, and words of the heap that it uses
  up; the mean of `n`, or of fewer if there is no room for as many, and nil if there is none for one.
  """
  # Both are read from outside: a process that runs does not see the top of its own heap.
  def footprint({fun, state, _processes}, n) do
    runner = self()

    {pid, monitor} =
      :erlang.spawn_opt(
        fn ->
          step = fn ->
            send(runner, {self(), :waits})
            receive do: (:go -> :ok)
          end

          step.()
          call(fun, state, n, 1)
          step.()
        end,
        [
          :monitor,
          fullsweep_after: 65_535,
          min_heap_size: @footprint_words,
          min_bin_vheap_size: @footprint_words
        ]
      )

    before = footprint_step(pid, monitor)
    later = footprint_step(pid, monitor)
    Process.demonitor(monitor, [:flush])

    cond do
      not later.collected ->
        %{
          reductions: (later.reductions - before.reductions) / n,
          words: (later.words - before.words) / n
        }

      n > 1 ->
        footprint({fun, state, 1}, max(1, div(n, 10)))

      true ->
        nil
    end
  end

  defp footprint_step(pid, monitor) do
    receive do
      {^pid, :waits} -> :ok
      {:DOWN, ^monitor, :process, ^pid, reason} -> exit(reason)
    end

    info = Process.info(pid, [:reductions, :garbage_collection, :garbage_collection_info])
    heap = info[:garbage_collection_info]
    send(pid, :go)

    %{
      reductions: info[:reductions],
      words: heap[:heap_size] + heap[:mbuf_size],
      # A collection of everything sets the count of the others back, and leaves what is not recent.
      collected: info[:garbage_collection][:minor_gcs] > 0 or heap[:recent_size] > 0
    }
  end

  @doc "Runs `fun`, whose `number` among several processes is told if it wants it, `n` times."
  def call(fun, state, n, _number) when is_function(fun, 2), do: fun.(state, n)
  def call(fun, state, n, number) when is_function(fun, 3), do: fun.(state, n, number)

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
