defmodule Offheap.AtomicsPropertyTest do
  @moduledoc "Offheap's atomics and OTP's, given the same commands, answer the same."
  use ExUnit.Case, async: true

  # A soak run (PROPER_TESTS) takes as long as it takes.
  @moduletag timeout: :infinity

  import Bitwise
  import Offheap.Property
  import :proper_types, only: [oneof: 1, weighted_union: 1, integer: 2, list: 1]

  @cells 3

  for signed <- [true, false] do
    test "any sequence of commands on #{if signed, do: "signed", else: "unsigned"} arrays" do
      check(
        forall(list(command()), fn commands ->
          run(:offheap_atomics, unquote(signed), commands) ==
            run(:atomics, unquote(signed), commands)
        end),
        tests: 2000
      )
    end
  end

  test "a sum is the cells' sum, wrapped; the list is the cells" do
    check(
      forall(:proper_types.non_empty(list(value())), fn values ->
        values = Enum.filter(values, &(&1 in -(1 <<< 63)..((1 <<< 63) - 1))) ++ [0]
        ref = :offheap_atomics.new(length(values), [])
        for {value, i} <- Enum.with_index(values, 1), do: :offheap_atomics.put(ref, i, value)
        <<sum::signed-64>> = <<Enum.sum(values)::64>>

        :offheap_atomics.to_list(ref) == values and :offheap_atomics.sum(ref) == sum
      end)
    )
  end

  test "Elixir's functions are Erlang's" do
    check(
      forall(list(command()), fn commands ->
        run(Offheap.Atomics, true, commands) == run(:offheap_atomics, true, commands)
      end)
    )
  end

  test "new/2 takes and refuses the same options and sizes" do
    sizes = oneof([1, 2, 65, 0, -1, 1.0, :a, "1", nil, {}, 1 <<< 64, 1 <<< 70, -(1 <<< 64)])
    pair = {oneof([:signed, :unsigned, 1]), oneof([true, false, nil, 1])}
    tail = :proper_types.exactly([{:signed, true} | :tail])
    options = oneof([list(oneof([pair, :signed])), tail, :none, :proper_types.exactly(%{})])

    check(
      forall({sizes, options}, fn {size, options} ->
        shape(:offheap_atomics, size, options) == shape(:atomics, size, options)
      end),
      tests: 1000
    )
  end

  defp shape(module, size, options) do
    outcome(fn -> Map.take(module.info(module.new(size, options)), [:size, :min, :max]) end)
  end

  defp run(module, signed, commands) do
    ref = module.new(@cells, signed: signed)

    answers =
      for {function, args} <- commands do
        outcome(fn -> apply(module, function, [ref | args]) end)
      end

    {answers, for(i <- 1..@cells, do: module.get(ref, i))}
  end

  defp outcome(fun) do
    {:value, fun.()}
  catch
    class, reason -> {class, reason}
  end

  defp command do
    oneof([
      {:put, [index(), value()]},
      {:get, [index()]},
      {:add, [index(), value()]},
      {:add_get, [index(), value()]},
      {:sub, [index(), value()]},
      {:sub_get, [index(), value()]},
      {:exchange, [index(), value()]},
      {:compare_exchange, [index(), value(), value()]}
    ])
  end

  defp index do
    weighted_union([
      {20, integer(1, @cells)},
      {1,
       oneof([
         0,
         -1,
         @cells + 1,
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

  # Few and small ones, so that compare_exchange meets what it expects; all the edges; what is no
  # integer, or none of 64 bits.
  defp value do
    weighted_union([
      {8, integer(-2, 2)},
      {8, oneof(edges())},
      {2, :proper_types.largeint()},
      {1, oneof([1.0, :a, nil, "1", [], 1 <<< 70, -(1 <<< 70)])}
    ])
  end

  defp edges do
    for bits <- [31, 32, 59, 60, 63, 64], offset <- -1..1, sign <- [1, -1] do
      sign * ((1 <<< bits) + offset)
    end
  end
end
