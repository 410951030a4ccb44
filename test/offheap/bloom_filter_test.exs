defmodule Offheap.BloomFilterTest do
  use ExUnit.Case, async: true

  import Bitwise
  alias Offheap.{BloomFilter, PortableKeys}

  doctest Offheap.BloomFilter

  describe "the rate of wrong yeses" do
    # Keys, filters and so the outcome are the same in every run. The bounds are 4 standard deviations
    # of the binomial law around the rate, and 5 % for the double hashing.
    for {kind, make} <- [
          integers: quote(do: &Function.identity/1),
          binaries: quote(do: &Integer.to_string/1),
          tuples: quote(do: &{:user, &1})
        ],
        rate <- [0.1, 0.01, 0.001] do
      test "is #{rate} at capacity, with #{kind} as keys" do
        make = unquote(make)
        capacity = 20_000
        probes = 100_000
        filter = BloomFilter.new(capacity, false_positive_rate: unquote(rate))
        for i <- 1..capacity, do: BloomFilter.add(filter, make.(i))
        assert Enum.all?(1..capacity, &BloomFilter.member?(filter, make.(&1)))

        wrong =
          Enum.count((capacity + 1)..(capacity + probes), &BloomFilter.member?(filter, make.(&1)))

        expected = unquote(rate) * probes
        margin = 4 * :math.sqrt(expected) + 0.05 * expected
        assert_in_delta wrong, expected, margin
        assert_in_delta BloomFilter.false_positive_rate(filter), unquote(rate), unquote(rate) / 10
        assert_in_delta BloomFilter.count(filter), capacity, capacity / 100
      end
    end

    test "is not above what is said with few keys" do
      wrong =
        for salt <- 1..200 do
          filter = BloomFilter.new(10, salt: salt, false_positive_rate: 0.05)
          for i <- 1..10, do: BloomFilter.add(filter, i)
          Enum.count(11..1010, &BloomFilter.member?(filter, &1))
        end

      assert Enum.sum(wrong) / 200_000 < 0.06
    end
  end

  describe "keys" do
    test "of every kind and size are members when added, on whatever scheduler they are hashed" do
      filter = BloomFilter.new(1000, false_positive_rate: 1.0e-9)

      for key <- keys() do
        assert BloomFilter.member?(filter, key) == false
        assert BloomFilter.add(filter, key) == false
        assert BloomFilter.member?(filter, key) == true
        assert BloomFilter.add(filter, key) == true
      end
    end

    test "that are large and equal, of different make, are the same" do
      filter = BloomFilter.new(10)
      list = Enum.to_list(1..50_000)
      BloomFilter.add(filter, list)
      assert BloomFilter.member?(filter, Enum.map(list, & &1))
      BloomFilter.add(filter, :binary.copy("ab", 50_000))
      <<_, part::binary>> = "x" <> :binary.copy("ab", 50_000)
      assert BloomFilter.member?(filter, part)
    end

    test "are told apart at every bit of an integer" do
      filter = BloomFilter.new(1000, false_positive_rate: 1.0e-9)

      integers =
        for(bit <- 0..70, sign <- [1, -1], offset <- -1..1, do: sign * ((1 <<< bit) + offset))
        |> Enum.uniq()

      for i <- integers, do: assert(BloomFilter.add(filter, i) == false)
    end

    test "with another salt fall on other bits" do
      binaries =
        for salt <- [0, 1, 0xFFFFFFFF], key <- [1, "key", {:key, 1}] do
          filter = BloomFilter.new(1000, salt: salt)
          BloomFilter.add(filter, key)
          <<_header::binary-18, bits::binary>> = BloomFilter.to_binary(filter)
          bits
        end

      assert Enum.uniq(binaries) == binaries
    end
  end

  describe "merge" do
    test "has the members of both; the other stays as it is" do
      [a, b, both] = for _ <- 1..3, do: BloomFilter.new(1000)
      for i <- 1..500, do: BloomFilter.add(a, i)
      for i <- 400..900, do: BloomFilter.add(b, i)
      for i <- 1..900, do: BloomFilter.add(both, i)
      before = BloomFilter.to_binary(b)
      assert BloomFilter.merge(a, b) == :ok
      assert BloomFilter.to_binary(a) == BloomFilter.to_binary(both)
      assert BloomFilter.to_binary(b) == before
      assert BloomFilter.merge(a, a) == :ok
      assert BloomFilter.to_binary(a) == BloomFilter.to_binary(both)
    end

    test "refuses another capacity, rate or salt, and changes nothing" do
      a = BloomFilter.new(1000)

      for other <- [
            BloomFilter.new(1001),
            BloomFilter.new(1000, false_positive_rate: 0.011),
            BloomFilter.new(1000, salt: 1),
            # as many bits, more hashes
            BloomFilter.from_binary(patch(BloomFilter.to_binary(a), 5, <<8>>))
          ] do
        BloomFilter.add(other, 1)
        assert_raise ArgumentError, fn -> BloomFilter.merge(a, other) end
        assert BloomFilter.count(a) == 0
      end
    end
  end

  describe "count" do
    test "of a full filter is a lower bound, of an empty one zero" do
      filter = BloomFilter.new(5)
      assert BloomFilter.count(filter) == 0
      for i <- 1..10_000, do: BloomFilter.add(filter, i)
      assert BloomFilter.false_positive_rate(filter) == 1.0
      assert BloomFilter.count(filter) in 10..10_000
    end
  end

  describe "binaries" do
    test "come back" do
      for capacity <- [1, 100, 10_000, 200_000] do
        filter = BloomFilter.new(capacity, salt: 77)
        for i <- 1..50, do: BloomFilter.add(filter, i)
        binary = BloomFilter.to_binary(filter)
        copy = BloomFilter.from_binary(binary)
        assert BloomFilter.info(copy) == BloomFilter.info(filter)
        assert Enum.all?(1..50, &BloomFilter.member?(copy, &1))
        assert BloomFilter.to_binary(copy) == binary
      end
    end

    test "that are no filter are refused" do
      binary = BloomFilter.to_binary(BloomFilter.new(1000))
      %{bits: bits} = BloomFilter.info(BloomFilter.new(1000))
      assert rem(bits, 8) != 0

      for wrong <- [
            "",
            binary <> <<0>>,
            binary_part(binary, 0, byte_size(binary) - 1),
            binary_part(binary, 0, 17),
            patch(binary, 0, "X"),
            patch(binary, 4, <<2>>),
            patch(binary, 5, <<0>>),
            patch(binary, 5, <<65>>),
            patch(binary, 10, <<bits + 8::64-little>>),
            patch(binary, 10, <<0::64>>),
            patch(binary, 10, <<(1 <<< 64) - 1::64-little>>),
            # a bit beyond the last
            patch(binary, byte_size(binary) - 1, <<0x80>>),
            :binary.copy(<<0>>, 100_000),
            :a,
            nil,
            [binary]
          ] do
        assert_raise ArgumentError, fn -> BloomFilter.from_binary(wrong) end
      end
    end

    test "are the same in another emulator, and in every version of this library" do
      # The keys' hash is the format: stored filters would be worthless if it changed.
      assert :erlang.crc32(PortableKeys.fill(BloomFilter)) == 1_474_878_631
      assert PortableKeys.fill_elsewhere(BloomFilter) == PortableKeys.fill(BloomFilter)
    end
  end

  describe "options" do
    test "that make no sense are refused" do
      for capacity <- [0, -1, 1.0, :a, nil, "1", -(1 <<< 70)] do
        assert_raise ArgumentError, fn -> BloomFilter.new(capacity) end
      end

      for options <- [
            [false_positive_rate: 0.0],
            [false_positive_rate: 0.6],
            [false_positive_rate: 1.0e-10],
            [false_positive_rate: 1],
            [false_positive_rate: nil],
            [salt: -1],
            [salt: 1 <<< 32],
            [salt: 1.0],
            [size: 1],
            [:salt],
            :salt,
            %{}
          ] do
        assert_raise ArgumentError, fn -> BloomFilter.new(1, options) end
      end

      assert BloomFilter.info(BloomFilter.new(1, false_positive_rate: 1.0e-9)).hashes == 30
      assert BloomFilter.info(BloomFilter.new(1, false_positive_rate: 0.5)).hashes == 1
    end

    test "that memory cannot serve raise and leave the emulator up" do
      for capacity <- [1 <<< 38, (1 <<< 40) + 1, 1 <<< 64, 1 <<< 2000] do
        assert_raise SystemLimitError, fn -> BloomFilter.new(capacity) end
      end
    end
  end

  test "what is no reference of a filter is refused by every function" do
    filter = BloomFilter.new(10)

    for wrong <- [make_ref(), Offheap.Bitset.new(128), Offheap.HyperLogLog.new(), 1, nil] do
      for f <- [:count, :false_positive_rate, :to_binary, :info],
          do: assert_raise(ArgumentError, fn -> apply(BloomFilter, f, [wrong]) end)

      for f <- [:add, :member?],
          do: assert_raise(ArgumentError, fn -> apply(BloomFilter, f, [wrong, 1]) end)

      assert_raise ArgumentError, fn -> BloomFilter.merge(filter, wrong) end
      assert_raise ArgumentError, fn -> BloomFilter.merge(wrong, filter) end
    end
  end

  test "of processes that add the same keys, at least one is told of each that it is new" do
    filter = BloomFilter.new(20_000, false_positive_rate: 1.0e-9)

    new =
      1..4
      |> Enum.map(fn _ ->
        Task.async(fn -> for i <- 1..5000, not BloomFilter.add(filter, i), do: i end)
      end)
      |> Task.await_many(:infinity)
      |> List.flatten()
      |> Enum.uniq()

    assert Enum.sort(new) == Enum.to_list(1..5000)
    assert_in_delta BloomFilter.count(filter), 5000, 50
  end

  test "adds beside merges and counts are not lost" do
    [a, b] = for _ <- 1..2, do: BloomFilter.new(20_000)

    Task.await_many(
      [
        Task.async(fn -> for i <- 1..10_000, do: BloomFilter.add(a, i) end),
        Task.async(fn -> for i <- 10_001..20_000, do: BloomFilter.add(b, i) end),
        Task.async(fn -> for _ <- 1..50, do: BloomFilter.merge(a, b) end),
        Task.async(fn -> for _ <- 1..50, do: BloomFilter.count(a) end)
      ],
      :infinity
    )

    BloomFilter.merge(a, b)
    assert Enum.all?(1..20_000, &BloomFilter.member?(a, &1))
  end

  defp keys do
    [0, 1, -1, 1.0, 0.5, 1 <<< 59, 1 <<< 63, 1 <<< 64, -(1 <<< 2000), :a, nil, "", "a", <<1::7>>] ++
      [[], [1], [1 | 2], ~c"text", {}, {1}, {1, {2}}, %{}, %{a: 1}, Map.new(1..1000, &{&1, &1})] ++
      [self(), make_ref(), fn -> :ok end, &:erlang.abs/1] ++
      [:binary.copy("x", 32_768), :binary.copy("x", 32_769), :binary.copy("x", 1_000_000)] ++
      [Enum.to_list(1..1000), Enum.to_list(1..100_000), List.to_tuple(Enum.to_list(1..10_000))] ++
      [{:binary.copy("y", 100_000), 1}, Enum.reduce(1..10_000, [], &[&1, &2]), 1 <<< 100_000]
  end

  defp patch(binary, at, bytes) do
    size = byte_size(bytes)
    <<head::binary-size(at), _::binary-size(size), tail::binary>> = binary
    head <> bytes <> tail
  end
end
