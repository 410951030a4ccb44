defmodule Offheap.HyperLogLogTest do
  use ExUnit.Case, async: true

  import Bitwise
  alias Offheap.{HyperLogLog, PortableKeys}

  doctest Offheap.HyperLogLog

  describe "the estimate" do
    # Keys, sketches and so the outcome are the same in every run: within 4 standard errors.
    for {kind, make} <- [
          integers: quote(do: &Function.identity/1),
          binaries: quote(do: &Integer.to_string/1),
          tuples: quote(do: &{:user, &1})
        ] do
      test "is within its error, with #{kind} as keys" do
        make = unquote(make)

        for precision <- [8, 11, 14, 18] do
          error = 1.04 / :math.sqrt(1 <<< precision)
          sketch = HyperLogLog.new(precision: precision)

          Enum.reduce([1, 10, 100, 1000, 10_000, 50_000], 0, fn count, added ->
            for i <- (added + 1)..count, do: HyperLogLog.add(sketch, make.(i))
            assert_in_delta HyperLogLog.count(sketch), count, 4 * error * count + 0.5
            count
          end)
        end
      end
    end

    test "has the spread that the theory gives, over many salts" do
      count = 3000
      sketches = 100
      error = 1.04 / :math.sqrt(1 <<< 9)

      errors =
        for salt <- 1..sketches do
          sketch = HyperLogLog.new(precision: 9, salt: salt)
          for i <- 1..count, do: HyperLogLog.add(sketch, {:user, i})
          HyperLogLog.count(sketch) / count - 1
        end

      mean = Enum.sum(errors) / sketches
      spread = :math.sqrt(Enum.sum(for e <- errors, do: e * e) / sketches)
      assert_in_delta mean, 0, 4 * error / :math.sqrt(sketches)
      assert_in_delta spread, error, 0.25 * error
    end

    # References differ from run to run: within 12 standard errors. By phash2 there are 262,144 of them,
    # and 1000 pids.
    test "is about right for references and pids, which phash2 tells apart badly" do
      refs = HyperLogLog.new()
      for _ <- 1..400_000, do: HyperLogLog.add(refs, make_ref())
      assert_in_delta HyperLogLog.count(refs), 400_000, 40_000

      pids = HyperLogLog.new()
      for id <- 1..1000, serial <- 0..49, do: HyperLogLog.add(pids, :c.pid(0, id, serial))
      assert_in_delta HyperLogLog.count(pids), 50_000, 5_000
    end

    test "does not count a key twice" do
      sketch = HyperLogLog.new()
      for _ <- 1..5, i <- 1..1000, do: HyperLogLog.add(sketch, i)
      assert_in_delta HyperLogLog.count(sketch), 1000, 33
      count = HyperLogLog.count(sketch)
      refute Enum.any?(1..1000, &HyperLogLog.add(sketch, &1))
      assert HyperLogLog.count(sketch) == count
    end

    test "counts keys of every kind and size, on whatever scheduler they are hashed" do
      sketch = HyperLogLog.new()

      keys =
        [0, 1, 1.0, 1 <<< 64, :a, nil, "", "a", <<1::7>>, [], ~c"text", {}, {1}, %{}, %{a: 1}] ++
          [self(), make_ref(), fn -> :ok end, :binary.copy("x", 1_000_000), 1 <<< 100_000] ++
          [Enum.to_list(1..100_000), {:binary.copy("y", 100_000)}, Map.new(1..1000, &{&1, &1})]

      for _ <- 1..2, key <- keys, do: HyperLogLog.add(sketch, key)
      assert_in_delta HyperLogLog.count(sketch), length(keys), 1
    end

    test "of registers that are all at their end is what a hash can tell apart" do
      binary = HyperLogLog.to_binary(HyperLogLog.new(precision: 4))
      <<header::binary-10, _::binary>> = binary
      sketch = HyperLogLog.from_binary(header <> :binary.copy(<<61>>, 16))
      assert HyperLogLog.count(sketch) == 1 <<< 64
    end
  end

  describe "merge" do
    test "counts what either did; the other stays as it is" do
      for precision <- [4, 14, 18] do
        [a, b, both] = for _ <- 1..3, do: HyperLogLog.new(precision: precision)
        for i <- 1..5000, do: HyperLogLog.add(a, i)
        for i <- 3000..8000, do: HyperLogLog.add(b, i)
        for i <- 1..8000, do: HyperLogLog.add(both, i)
        before = HyperLogLog.to_binary(b)
        assert HyperLogLog.merge(a, b) == :ok
        assert HyperLogLog.to_binary(a) == HyperLogLog.to_binary(both)
        assert HyperLogLog.to_binary(b) == before
        assert HyperLogLog.merge(a, a) == :ok
        assert HyperLogLog.to_binary(a) == HyperLogLog.to_binary(both)
      end
    end

    test "refuses another precision or salt, and changes nothing" do
      a = HyperLogLog.new()

      for other <- [HyperLogLog.new(precision: 13), HyperLogLog.new(salt: 1)] do
        HyperLogLog.add(other, 1)
        assert_raise ArgumentError, fn -> HyperLogLog.merge(a, other) end
        assert HyperLogLog.count(a) == 0
      end
    end
  end

  describe "binaries" do
    test "come back" do
      for precision <- 4..18 do
        sketch = HyperLogLog.new(precision: precision, salt: 0xFFFFFFFF)
        for i <- 1..1000, do: HyperLogLog.add(sketch, i)
        binary = HyperLogLog.to_binary(sketch)
        assert byte_size(binary) == 10 + (1 <<< precision)
        copy = HyperLogLog.from_binary(binary)
        assert HyperLogLog.info(copy) == HyperLogLog.info(sketch)
        assert HyperLogLog.count(copy) == HyperLogLog.count(sketch)
        assert HyperLogLog.to_binary(copy) == binary
      end
    end

    test "that are no sketch are refused" do
      binary = HyperLogLog.to_binary(HyperLogLog.new(precision: 4))
      <<magic::binary-4, version, precision, salt::binary-4, registers::binary-16>> = binary

      for wrong <- [
            "",
            binary <> <<0>>,
            binary_part(binary, 0, 25),
            binary_part(binary, 0, 9),
            <<"XXXX", version, precision, salt::binary, registers::binary>>,
            <<magic::binary, 2, precision, salt::binary, registers::binary>>,
            <<magic::binary, version, 5, salt::binary, registers::binary>>,
            <<magic::binary, version, 3, salt::binary, 0::64>>,
            <<magic::binary, version, 255, salt::binary, registers::binary>>,
            <<magic::binary, version, precision, salt::binary, 62, 0::120>>,
            <<magic::binary, version, precision, salt::binary, 0::120, 255>>,
            :a,
            nil,
            [binary]
          ] do
        assert_raise ArgumentError, fn -> HyperLogLog.from_binary(wrong) end
      end
    end

    test "are the same in another emulator, and in every version of this library" do
      # The keys' hash is the format: stored sketches would be worthless if it changed.
      assert :erlang.crc32(PortableKeys.fill(HyperLogLog)) == 2_074_621_360
      assert PortableKeys.fill_elsewhere(HyperLogLog) == PortableKeys.fill(HyperLogLog)
    end
  end

  test "options that make no sense are refused" do
    for options <- [
          [precision: 3],
          [precision: 19],
          [precision: 14.0],
          [precision: 1 <<< 64],
          [salt: -1],
          [salt: 1 <<< 32],
          [size: 1],
          [:salt],
          :salt,
          %{}
        ] do
      assert_raise ArgumentError, fn -> HyperLogLog.new(options) end
    end
  end

  test "what is no reference of a sketch is refused by every function" do
    sketch = HyperLogLog.new()

    for wrong <- [make_ref(), Offheap.Bitset.new(128), Offheap.BloomFilter.new(1), 1, nil] do
      for f <- [:count, :to_binary, :info],
          do: assert_raise(ArgumentError, fn -> apply(HyperLogLog, f, [wrong]) end)

      assert_raise ArgumentError, fn -> HyperLogLog.add(wrong, 1) end
      assert_raise ArgumentError, fn -> HyperLogLog.merge(sketch, wrong) end
      assert_raise ArgumentError, fn -> HyperLogLog.merge(wrong, sketch) end
    end
  end

  test "what several processes add, beside merges and counts, ends as if one had added all" do
    [sketch, part, alone] = for _ <- 1..3, do: HyperLogLog.new(precision: 6)
    for i <- 1..40_000, do: HyperLogLog.add(alone, i)
    for i <- 1..1000, do: HyperLogLog.add(part, i)

    adders =
      for worker <- 0..3 do
        Task.async(fn ->
          for i <- 0..39_999, do: HyperLogLog.add(sketch, rem(i + worker * 10_000, 40_000) + 1)
        end)
      end

    others =
      Task.async(fn ->
        for _ <- 1..500, reduce: 0 do
          last ->
            HyperLogLog.merge(sketch, part)
            count = HyperLogLog.count(sketch)
            assert count >= last
            count
        end
      end)

    Task.await_many([others | adders], :infinity)
    assert HyperLogLog.to_binary(sketch) == HyperLogLog.to_binary(alone)
  end
end
