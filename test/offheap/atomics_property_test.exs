defmodule Offheap.AtomicsPropertyTest do
  @moduledoc """
  Offheap's atomics and OTP's, given the same commands, answer the same; and what OTP has not answers
  as the model says (test/support/atomics_model.ex), for every kind of cell.
  """
  use ExUnit.Case, async: true

  # A soak run (PROPER_TESTS) takes as long as it takes.
  @moduletag timeout: if(System.get_env("PROPER_TESTS"), do: :infinity, else: 600_000)

  import Bitwise
  import Offheap.Property
  import :proper_types, only: [oneof: 1, weighted_union: 1, integer: 2, list: 1]
  alias Offheap.AtomicsModel

  @cells 3

  @integers for signed <- [true, false], bits <- [8, 16, 32, 64], do: [signed: signed, bits: bits]
  @floats [[type: :float], [type: :float, overflow: :saturate]]
  @kinds @integers ++ Enum.map(@integers, &(&1 ++ [overflow: :saturate])) ++ @floats

  for opts <- @kinds, layout <- [:packed, :padded] do
    test "any sequence of calls on an array of #{inspect(opts)}, #{layout}" do
      opts = unquote(opts)

      check(
        forall(list(call(AtomicsModel.new(@cells, opts))), fn calls ->
          ref = :offheap_atomics.new(@cells, [{:layout, unquote(layout)} | opts])

          Enum.reduce(calls, AtomicsModel.new(@cells, opts), fn {function, args}, model ->
            {expected, model} = AtomicsModel.call(model, function, args)
            got = outcome(fn -> apply(:offheap_atomics, function, [ref | args]) end)
            same!({function, args, expected}, {function, args, got})
            same!(AtomicsModel.cells(model), :offheap_atomics.to_list(ref))
            model
          end)
        end)
      )
    end
  end

  # Bit for bit: 0.0 is not -0.0.
  defp same!(expected, got) do
    if :erlang.term_to_binary(expected) != :erlang.term_to_binary(got) do
      raise "expected #{inspect(expected)}, got #{inspect(got)}"
    end
  end

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

  # --- Calls of every function, for the model ---

  defp call(model) do
    value = operand(model)
    family = for op <- AtomicsModel.operations() -- [:put], do: [op, :"#{op}_get", :"fetch_#{op}"]

    one =
      for function <- List.flatten([:put, :exchange, :sub, :sub_get, :fetch_sub | family]) do
        {function, [index(), value]}
      end

    range = [first(), integer(0, @cells)]
    item = {index(), value}

    operation =
      weighted_union([{8, oneof(AtomicsModel.operations())}, {1, oneof([:sub, :get, 1])}])

    many =
      for function <- [:sum, :minimum, :maximum, :to_list, :snapshot], args <- [[], range] do
        {function, args}
      end

    others = [
      {:size, []},
      {:get, [index()]},
      {:compare_exchange, [index(), value, value]},
      {:add_bounded, [index(), value, value, value]},
      {:get_many, [many(index())]},
      {:put_many, [many(item)]},
      {:add_many, [many(item)]},
      {:update_many, [many({index(), operation, value})]},
      {:fill, [value]},
      {:fill, range ++ [value]},
      {:exchange_all, [value]},
      {:exchange_all, range ++ [value]},
      {:load, [binary(model)]},
      {:load, [first(), binary(model)]},
      {:merge, [binary(model)]},
      {:merge, [first(), binary(model)]}
    ]

    oneof(one ++ many ++ others)
  end

  defp first, do: weighted_union([{9, integer(1, @cells + 1)}, {1, index()}])

  defp many(type) do
    weighted_union([
      {12, list(type)},
      {1, oneof([:a, {}, :proper_types.exactly([{1, 1} | 2]), :proper_types.exactly([1 | 2])])}
    ])
  end

  # Bytes of a few cells, mostly whole ones; of floats, some that are not finite.
  defp binary(%{float?: true}) do
    float = oneof([:proper_types.float(), oneof(float_edges())])
    finite = let(list(float), &for(f <- &1, into: <<>>, do: <<f::float-native>>))

    infinite =
      for sign <- [0, 1], tail <- [0, 1], do: <<sign <<< 63 ||| 0x7FF <<< 52 ||| tail::native-64>>

    some = let({finite, oneof(infinite), finite}, fn {a, b, c} -> a <> b <> c end)
    weighted_union([{6, finite}, {2, some}, {1, oneof([:a, <<1::1>>, "1234567"])}])
  end

  defp binary(%{bits: bits}) do
    whole = let(integer(0, @cells + 1), &:proper_types.binary(&1 * div(bits, 8)))
    weighted_union([{6, whole}, {1, :proper_types.binary()}, {1, oneof([:a, <<1::1>>, []])}])
  end

  defp let(type, fun), do: :proper_types.bind(type, fun, false)

  defp operand(%{float?: true}) do
    weighted_union([
      {6, oneof([-1.0, 0.0, -0.0, 0.5, 1.0])},
      {4, :proper_types.float()},
      {4, oneof(float_edges())},
      {3, value()}
    ])
  end

  # Those at the cell's own edges too.
  defp operand(model) do
    own = for edge <- [model.least, model.greatest], offset <- -2..2, do: edge + offset
    weighted_union([{2, oneof(own)}, {3, value()}])
  end

  defp float_edges do
    for f <- [5.0e-324, 2.0e-308, 1.0e16, 9.2e18, 1.0e308, 1.7976931348623157e308],
        sign <- [1, -1] do
      sign * f
    end
  end

  defp edges do
    for bits <- [31, 32, 59, 60, 63, 64], offset <- -1..1, sign <- [1, -1] do
      sign * ((1 <<< bits) + offset)
    end
  end
end
