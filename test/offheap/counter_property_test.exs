defmodule Offheap.CounterPropertyTest do
  @moduledoc "Offheap's counters and OTP's, given the same commands, answer the same."
  use ExUnit.Case, async: true

  # A soak run (PROPER_TESTS) takes as long as it takes.
  @moduletag timeout: if(System.get_env("PROPER_TESTS"), do: :infinity, else: 600_000)

  import Bitwise
  import Offheap.Property
  import :proper_types, only: [oneof: 1, weighted_union: 1, integer: 2, list: 1]

  @counters 3

  for {ours, theirs} <- [
        {[], []},
        {[:atomics], [:atomics]},
        {[:write_concurrency], [:write_concurrency]},
        {[stripes: 8], [:write_concurrency]}
      ] do
    test "any sequence of commands with #{inspect(ours)}" do
      check(
        forall(list(command()), fn commands ->
          run(:offheap_counters, unquote(ours), commands) ==
            run(:counters, unquote(theirs), commands)
        end),
        tests: 1000
      )
    end
  end

  test "Elixir's functions are Erlang's" do
    check(
      forall(list(command()), fn commands ->
        run(Offheap.Counter, [:write_concurrency], commands) ==
          run(:offheap_counters, [:write_concurrency], commands)
      end)
    )
  end

  # Each command in a process of its own: with four schedulers' worth of stripes and more than one
  # scheduler at work, increments of one counter spread over several cells.
  test "what processes add one after the other is what OTP's counters hold" do
    check(
      forall(list(command()), fn commands ->
        spread = fn module, function, args ->
          {pid, monitor} =
            spawn_monitor(fn -> exit({:answer, outcome(module, function, args)}) end)

          receive do: ({:DOWN, ^monitor, :process, ^pid, {:answer, answer}} -> answer)
        end

        run(:offheap_counters, [stripes: 4], commands, spread) ==
          run(:counters, [:write_concurrency], commands)
      end),
      tests: 100
    )
  end

  test "sums, lists, binaries and resets are what the counters hold" do
    check(
      forall(
        list({integer(1, 20), weighted_union([{4, integer(-9, 9)}, {1, oneof(values())}])}),
        fn
          adds ->
            ref = :offheap_counters.new(20, stripes: 4)
            for {index, increment} <- adds, do: :offheap_counters.add(ref, index, increment)
            model = for i <- 1..20, do: wrap(Enum.sum(for {^i, n} <- adds, do: n))
            binary = for value <- model, into: "", do: <<value::64-native>>

            :offheap_counters.to_list(ref) == model and
              :offheap_counters.to_binary(ref) == binary and
              :offheap_counters.sum(ref) == wrap(Enum.sum(model)) and
              :offheap_counters.sum_reset(ref, 7) == Enum.at(model, 6) and
              :offheap_counters.to_list_reset(ref) == List.replace_at(model, 6, 0) and
              :offheap_counters.sum(ref) == 0
        end
      )
    )
  end

  test "new/2 takes and refuses the same options and sizes" do
    sizes = oneof([1, 2, 65, 0, -1, 1.0, :a, "1", nil, {}, 1 <<< 64, 1 <<< 70, -(1 <<< 64)])
    option = oneof([:atomics, :write_concurrency, :signed, 1])
    tail = :proper_types.exactly([:atomics | :tail])
    options = oneof([list(option), [option], tail, :none, :proper_types.exactly(%{})])

    check(
      forall({sizes, options}, fn {size, options} ->
        shape(:offheap_counters, size, options) == shape(:counters, size, options)
      end),
      tests: 1000
    )
  end

  defp shape(module, size, options) do
    with {:value, ref} <- outcome(module, :new, [size, options]), do: module.info(ref).size
  end

  defp run(module, options, commands, call \\ &outcome/3) do
    ref = module.new(@counters, options)
    answers = for {function, args} <- commands, do: call.(module, function, [ref | args])
    {answers, for(i <- 1..@counters, do: module.get(ref, i))}
  end

  defp outcome(module, function, args) do
    {:value, apply(module, function, args)}
  catch
    class, reason -> {class, reason}
  end

  defp wrap(integer) do
    <<wrapped::signed-64>> = <<integer::64>>
    wrapped
  end

  defp command do
    oneof([
      {:put, [index(), value()]},
      {:get, [index()]},
      {:add, [index(), value()]},
      {:sub, [index(), value()]}
    ])
  end

  defp index do
    weighted_union([
      {20, integer(1, @counters)},
      {1,
       oneof([
         0,
         -1,
         @counters + 1,
         1 <<< 63,
         1 <<< 64,
         1.0,
         :a,
         nil,
         "1",
         :proper_types.exactly([1])
       ])}
    ])
  end

  defp value do
    weighted_union([
      {8, integer(-2, 2)},
      {8, oneof(edges())},
      {2, :proper_types.largeint()},
      {1, oneof([1.0, :a, nil, "1", [], 1 <<< 70, -(1 <<< 70)])}
    ])
  end

  defp values, do: Enum.filter(edges(), &(&1 in -(1 <<< 63)..((1 <<< 63) - 1)))

  defp edges do
    for bits <- [31, 32, 59, 60, 63, 64], offset <- -1..1, sign <- [1, -1] do
      sign * ((1 <<< bits) + offset)
    end
  end
end
