defmodule Offheap.BitsetPropertyTest do
  @moduledoc "A bit set and a MapSet of the numbers of its set bits, given the same commands, answer the same."
  use ExUnit.Case, async: true

  # A soak run (PROPER_TESTS) takes as long as it takes.
  @moduletag timeout: if(System.get_env("PROPER_TESTS"), do: :infinity, else: 600_000)

  import Bitwise
  import Offheap.Property
  import :proper_types, only: [oneof: 1, weighted_union: 1, integer: 2, list: 1, bind: 3]

  for size <- [1, 5, 64, 65, 130, 2049] do
    test "any sequence of commands on sets of #{size} bits" do
      size = unquote(size)

      check(
        forall(list(command(size)), fn commands ->
          run(:offheap_bitset, size, commands) == model(size, commands)
        end),
        tests: 500
      )
    end
  end

  test "long sequences on a small set, so that it is full and empty again" do
    commands = bind(integer(200, 500), &:proper_types.vector(&1, slot_command(70)), false)

    check(forall(commands, &(run(:offheap_bitset, 70, &1) == model(70, &1))), tests: 50)
  end

  test "Elixir's functions are Erlang's" do
    check(
      forall(list(command(65)), fn commands ->
        run(Offheap.Bitset, 65, commands) == run(:offheap_bitset, 65, commands)
      end)
    )
  end

  test "the binary is the little-endian integer of the bits, and comes back" do
    check(
      forall(sized_bits(), fn {size, bits} ->
        set = make(size, bits)
        binary = :offheap_bitset.to_binary(set)
        integer = Enum.reduce(bits, 0, &(1 <<< &1 ||| &2))

        binary == <<integer::little-size(div(size + 7, 8) * 8)>> and
          members(:offheap_bitset.from_binary(binary, size)) == bits
      end),
      tests: 500
    )
  end

  test "any binary and size make a set or are refused, as its padding says" do
    check(
      forall({:proper_types.binary(), integer(-1, 200)}, fn {binary, size} ->
        fits = size > 0 and byte_size(binary) == div(size + 7, 8)
        <<integer::little-size(byte_size(binary) * 8)>> = binary

        case outcome(fn -> :offheap_bitset.from_binary(binary, size) end) do
          {:value, set} ->
            fits and integer < 1 <<< size and :offheap_bitset.to_binary(set) == binary

          {:error, :badarg} ->
            not fits or integer >= 1 <<< size
        end
      end),
      tests: 3000
    )
  end

  defp sized_bits do
    bind(
      integer(1, 300),
      fn size ->
        bind(list(integer(0, size - 1)), &:proper_types.exactly({size, MapSet.new(&1)}), false)
      end,
      false
    )
  end

  # --- The set ---

  defp run(module, size, commands) do
    set = module.new(size)
    answers = for command <- commands, do: outcome(fn -> apply_to(module, set, size, command) end)
    {answers, members(set)}
  end

  defp apply_to(module, set, _size, {op, [:itself]}), do: apply(module, op, [set, set])

  defp apply_to(module, set, size, {op, [bits]})
       when op in [:union, :intersection, :difference] do
    apply(module, op, [set, make(size, bits)])
  end

  defp apply_to(module, set, _size, {op, args}), do: apply(module, op, [set | args])

  defp make(size, bits) do
    set = :offheap_bitset.new(size)
    for bit <- bits, do: :offheap_bitset.set(set, bit)
    set
  end

  defp members(set) do
    for i <- 0..(:offheap_bitset.size(set) - 1),
        :offheap_bitset.test(set, i),
        into: MapSet.new(),
        do: i
  end

  defp outcome(fun) do
    {:value, fun.()}
  catch
    class, reason -> {class, reason}
  end

  # --- The model ---

  defp model(size, commands) do
    {answers, bits} =
      Enum.map_reduce(commands, MapSet.new(), fn command, bits -> step(command, bits, size) end)

    {answers, bits}
  end

  defp step({:claim, []}, bits, size) do
    case Enum.find(0..(size - 1), &(&1 not in bits)) do
      nil -> {{:value, :full}, bits}
      lowest -> {{:value, lowest}, MapSet.put(bits, lowest)}
    end
  end

  defp step({:count, []}, bits, _size), do: {{:value, MapSet.size(bits)}, bits}

  defp step({:count, [from, length]}, bits, size) do
    if from in 0..size and length in 0..(size - from)//1,
      do: {{:value, Enum.count(bits, &(&1 >= from and &1 < from + length))}, bits},
      else: {{:error, :badarg}, bits}
  end

  defp step({op, [other]}, bits, _size) when op in [:union, :intersection, :difference] do
    other = if other == :itself, do: bits, else: other
    {{:value, :ok}, apply(MapSet, op, [bits, other])}
  end

  defp step({op, [index]}, bits, size) when is_integer(index) and index in 0..(size - 1)//1 do
    was = index in bits

    now =
      case op do
        :test -> was
        :set -> true
        :flip -> not was
        op when op in [:clear, :release] -> false
      end

    answer =
      cond do
        op != :release -> was
        was -> :ok
        true -> :not_claimed
      end

    {{:value, answer}, if(now, do: MapSet.put(bits, index), else: MapSet.delete(bits, index))}
  end

  defp step(_command, bits, _size), do: {{:error, :badarg}, bits}

  # --- Commands ---

  defp command(size) do
    weighted_union([
      {10, slot_command(size)},
      {2, {:count, []}},
      {2, {:count, [index(size), index(size)]}},
      {1, {oneof([:union, :intersection, :difference]), [operand(size)]}}
    ])
  end

  defp slot_command(size) do
    weighted_union([
      {4, {oneof([:test, :set, :clear, :flip, :release]), [index(size)]}},
      {4, {:claim, []}}
    ])
  end

  # The bits of another set: few, or all but few; or the set itself.
  defp operand(size) do
    bits = list(integer(0, size - 1))

    oneof([
      bind(bits, &:proper_types.exactly(MapSet.new(&1)), false),
      bind(
        bits,
        &:proper_types.exactly(MapSet.difference(MapSet.new(0..(size - 1)), MapSet.new(&1))),
        false
      ),
      :itself
    ])
  end

  defp index(size) do
    weighted_union([
      {20, integer(0, size - 1)},
      {1, oneof([-1, size, size + 1, 1 <<< 63, 1 <<< 64, 1.0, :a, nil, "1"])}
    ])
  end
end
