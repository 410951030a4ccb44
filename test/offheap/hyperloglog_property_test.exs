defmodule Offheap.HyperLogLogPropertyTest do
  @moduledoc "HyperLogLog against a map of registers."
  use ExUnit.Case, async: true

  # A soak run (PROPER_TESTS) takes as long as it takes.
  @moduletag timeout: if(System.get_env("PROPER_TESTS"), do: :infinity, else: 600_000)

  import Bitwise
  import Offheap.Property
  import :proper_types, only: [list: 1, integer: 2, oneof: 1]
  alias Offheap.TermGenerator

  @word 0xFFFFFFFFFFFFFFFF

  test "registers are those of the definition, for integers" do
    check(
      forall({integer(4, 12), list(key())}, fn {precision, keys} ->
        sketch = :offheap_hyperloglog.new([{:precision, precision}])
        answers = for key <- keys, do: :offheap_hyperloglog.add(sketch, key)
        {expected, registers} = Enum.map_reduce(keys, %{}, &add(&1, &2, precision))
        <<_::binary-10, binary::binary>> = :offheap_hyperloglog.to_binary(sketch)

        answers == expected and
          :binary.bin_to_list(binary) ==
            for(i <- 0..((1 <<< precision) - 1), do: Map.get(registers, i, 0))
      end),
      tests: 500
    )
  end

  test "order and repetition do not matter, and a merge is the sketch of all" do
    check(
      forall({list(TermGenerator.key()), list(TermGenerator.key())}, fn {some, others} ->
        a = sketch(some)
        :ok = :offheap_hyperloglog.merge(a, sketch(others))
        binary = :offheap_hyperloglog.to_binary(a)

        binary == :offheap_hyperloglog.to_binary(sketch(Enum.reverse(others ++ some ++ some))) and
          binary ==
            :offheap_hyperloglog.to_binary(:offheap_hyperloglog.from_binary(binary))
      end),
      tests: 300
    )
  end

  test "few keys are counted nearly exactly" do
    check(
      forall(list(TermGenerator.key()), fn keys ->
        exact = map_size(Map.new(keys, &{&1, true}))
        abs(:offheap_hyperloglog.count(sketch(keys)) - exact) <= 1 + exact / 20
      end),
      tests: 300
    )
  end

  defp sketch(keys) do
    sketch = :offheap_hyperloglog.new()
    for key <- keys, do: :offheap_hyperloglog.add(sketch, key)
    sketch
  end

  # The hash of an integer without a salt, and what it does to the registers.
  defp add(key, registers, precision) do
    hash = mix(bxor(key &&& @word, mix(1)))
    index = hash >>> (64 - precision)
    <<rest::bitstring-size(64 - precision)>> = <<hash::size(64 - precision)>>
    rank = zeros(rest, 1)
    old = Map.get(registers, index, 0)
    {rank > old, Map.put(registers, index, max(old, rank))}
  end

  defp zeros(<<0::1, rest::bitstring>>, count), do: zeros(rest, count + 1)
  defp zeros(_, count), do: count

  defp mix(word) do
    word = bxor(word, word >>> 30) * 0xBF58476D1CE4E5B9 &&& @word
    word = bxor(word, word >>> 27) * 0x94D049BB133111EB &&& @word
    bxor(word, word >>> 31)
  end

  defp key do
    oneof([
      integer(-10, 10),
      integer(-(1 <<< 63), (1 <<< 63) - 1),
      oneof([(1 <<< 63) - 1, -(1 <<< 63), 1 <<< 59])
    ])
  end
end
