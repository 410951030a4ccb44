defmodule Offheap.BitsetTest do
  use ExUnit.Case, async: true

  import Bitwise
  alias Offheap.Bitset

  doctest Offheap.Bitset

  # On both sides of a byte, a word, a node of the summary (2048 bits), two levels of it (65,536), and
  # of the size whose binary is made on a dirty scheduler (524,288).
  @sizes [1, 2, 7, 8, 9, 63, 64, 65, 127, 128, 129, 2047, 2048, 2049, 65_535, 65_536, 65_537] ++
           [524_287, 524_288, 524_289]

  describe "one bit" do
    test "a new set is clear" do
      for size <- @sizes do
        set = Bitset.new(size)
        assert Bitset.size(set) == size
        assert Bitset.count(set) == 0
        assert Bitset.to_binary(set) == <<0::size(div(size + 7, 8) * 8)>>
      end
    end

    test "set, clear and flip tell what was there, at both ends and at the borders of words" do
      for size <- @sizes,
          index <- [0, 1, 62, 63, 64, 65, size - 2, size - 1],
          index in 0..(size - 1) do
        set = Bitset.new(size)
        assert Bitset.set(set, index) == false
        assert Bitset.set(set, index) == true
        assert Bitset.test(set, index) == true
        assert Bitset.count(set) == 1
        assert Bitset.clear(set, index) == true
        assert Bitset.clear(set, index) == false
        assert Bitset.test(set, index) == false
        assert Bitset.flip(set, index) == false
        assert Bitset.flip(set, index) == true
        assert Bitset.count(set) == 0
      end
    end

    test "a bit outside the set is refused by every function and changes nothing" do
      for size <- [1, 63, 64, 65] do
        set = Bitset.new(size)

        for f <- [:test, :set, :clear, :flip, :release],
            index <- [size, size + 1, 64 * 2, -1, 1 <<< 40, 1 <<< 63, 1 <<< 64, 1.0, :a, nil, "1"] do
          assert_raise ArgumentError, fn -> apply(Bitset, f, [set, index]) end
        end

        assert Bitset.count(set) == 0
      end
    end
  end

  describe "slots" do
    test "are claimed in order until the set is full" do
      for size <- @sizes do
        set = Bitset.new(size)
        assert Enum.all?(0..(size - 1), &(Bitset.claim(set) == &1))
        assert Bitset.claim(set) == :full
        assert Bitset.count(set) == size
      end
    end

    test "the lowest one released is claimed next" do
      for size <- @sizes do
        set = full(size)
        slots = Enum.uniq([0, div(size, 3), div(size, 2), size - 1])
        for slot <- Enum.reverse(slots), do: assert(Bitset.release(set, slot) == :ok)
        assert for(_ <- slots, do: Bitset.claim(set)) == slots
        assert Bitset.claim(set) == :full
      end
    end

    test "a slot cannot be released twice" do
      set = Bitset.new(10)
      assert Bitset.release(set, 3) == :not_claimed
      assert Bitset.claim(set) == 0
      assert Bitset.release(set, 0) == :ok
      assert Bitset.release(set, 0) == :not_claimed
    end

    test "bits set by number are taken, bits cleared in any way are there again" do
      for {clear, i} <- Enum.with_index([:clear, :flip, :release]) do
        set = full(3000)
        apply(Bitset, clear, [set, 2000 + i])
        assert Bitset.claim(set) == 2000 + i
        assert Bitset.claim(set) == :full
      end

      set = Bitset.new(130)

      for i <- 0..129,
          i != 70,
          do: if(rem(i, 2) == 0, do: Bitset.set(set, i), else: Bitset.flip(set, i))

      assert Bitset.claim(set) == 70
      assert Bitset.claim(set) == :full
    end

    test "what whole sets do counts, too" do
      set = Bitset.new(70_000)
      assert Bitset.union(set, full(70_000)) == :ok
      assert Bitset.claim(set) == :full
      one = Bitset.new(70_000)
      Bitset.set(one, 69_000)
      assert Bitset.difference(set, one) == :ok
      assert Bitset.claim(set) == 69_000
      assert Bitset.claim(set) == :full
      assert Bitset.intersection(set, one) == :ok
      assert Bitset.claim(set) == 0
      assert Bitset.claim(Bitset.from_binary(:binary.copy(<<255>>, 8750), 70_000)) == :full
    end
  end

  describe "ranges" do
    test "counts keep to their range, empty ones included" do
      set = Bitset.new(300)
      for i <- 0..299//3, do: Bitset.set(set, i)

      for from <- [0, 1, 2, 62, 63, 64, 65, 128, 299, 300],
          length <- [0, 1, 2, 63, 64, 65, 129, 300],
          from + length <= 300 do
        assert Bitset.count(set, from, length) ==
                 Enum.count(from..(from + length - 1)//1, &(rem(&1, 3) == 0))
      end
    end

    test "a range that is not inside the set is refused" do
      set = Bitset.new(100)

      for {from, length} <- [
            {0, 101},
            {100, 1},
            {101, 0},
            {99, 2},
            {-1, 1},
            {1, -1},
            {1, (1 <<< 64) - 1},
            {(1 <<< 64) - 1, 2},
            {1 <<< 64, 0},
            {0.0, 1},
            {0, :all}
          ] do
        assert_raise ArgumentError, fn -> Bitset.count(set, from, length) end
      end
    end
  end

  describe "whole sets" do
    test "sets of different sizes are refused and stay as they are" do
      a = full(64)

      for b <- [Bitset.new(63), Bitset.new(65), Bitset.new(128)],
          f <- [:union, :intersection, :difference] do
        assert_raise ArgumentError, fn -> apply(Bitset, f, [a, b]) end
        assert_raise ArgumentError, fn -> apply(Bitset, f, [b, a]) end
        assert Bitset.count(a) == 64
        assert Bitset.count(b) == 0
      end
    end

    test "a set with itself" do
      for size <- @sizes do
        set = full(size)
        assert Bitset.union(set, set) == :ok
        assert Bitset.intersection(set, set) == :ok
        assert Bitset.count(set) == size
        assert Bitset.difference(set, set) == :ok
        assert Bitset.count(set) == 0
      end
    end

    test "bytes come back; those that are no set of that size are refused" do
      for size <- @sizes do
        bytes = div(size + 7, 8)
        set = Bitset.new(size)
        for i <- 0..(size - 1)//5, do: Bitset.set(set, i)
        binary = Bitset.to_binary(set)
        assert byte_size(binary) == bytes
        copy = Bitset.from_binary(binary, size)
        assert Bitset.to_binary(copy) == binary
        assert Bitset.count(copy) == Bitset.count(set)

        for wrong <- [binary <> <<0>>, binary_part(binary, 0, bytes - 1)] do
          assert_raise ArgumentError, fn -> Bitset.from_binary(wrong, size) end
        end

        if rem(size, 8) != 0 do
          wrong = binary_part(binary, 0, bytes - 1) <> <<1 <<< rem(size, 8)>>
          assert_raise ArgumentError, fn -> Bitset.from_binary(wrong, size) end
        end
      end
    end

    test "from_binary refuses what is no binary and no size" do
      for wrong <- [<<1::7>>, [1], :a, nil, 1],
          do: assert_raise(ArgumentError, fn -> Bitset.from_binary(wrong, 8) end)

      for wrong <- [0, -1, 1 <<< 63, (1 <<< 64) - 1, 1 <<< 64, 8.0, :a, nil],
          do: assert_raise(ArgumentError, fn -> Bitset.from_binary(<<0>>, wrong) end)

      assert_raise ArgumentError, fn -> Bitset.from_binary("", 0) end
      assert_raise ArgumentError, fn -> Bitset.from_binary(:binary.copy(<<0>>, 70_000), 1) end
    end

    test "a part of a larger binary is read as it is" do
      <<_::binary-3, part::binary-2, _::binary>> = "xyz" <> <<5, 1>> <> "end"
      assert Bitset.count(Bitset.from_binary(part, 9)) == 3
    end
  end

  describe "sizes" do
    test "that are none are refused" do
      for size <- [0, -1, 1.0, :a, nil, "8", [8], -(1 <<< 70)] do
        assert_raise ArgumentError, fn -> Bitset.new(size) end
      end
    end

    test "that memory cannot hold raise and leave the emulator up" do
      for size <- [(1 <<< 40) + 1, 1 <<< 60, (1 <<< 64) - 1, 1 <<< 64, 1 <<< 100] do
        assert_raise SystemLimitError, fn -> Bitset.new(size) end
      end
    end

    test "2^40 bits are refused or usable at both ends, as the machine allows" do
      try do
        set = Bitset.new(1 <<< 40)
        assert Bitset.set(set, (1 <<< 40) - 1) == false
        assert Bitset.claim(set) == 0
        assert Bitset.count(set, (1 <<< 40) - 100, 100) == 1
      rescue
        SystemLimitError -> :ok
      end
    end

    test "memory is a bit and a little a bit" do
      assert Bitset.info(Bitset.new(1_000_000)).memory in 125_000..132_000
      assert Bitset.info(Bitset.new(7)) |> Map.fetch!(:size) == 7
    end
  end

  test "what is no reference of a set is refused by every function" do
    set = Bitset.new(10)

    for wrong <- [make_ref(), Offheap.BloomFilter.new(10), :atomics.new(1, []), 1, nil, []] do
      for f <- [:size, :info, :claim, :count, :to_binary] do
        assert_raise ArgumentError, fn -> apply(Bitset, f, [wrong]) end
      end

      for f <- [:test, :set, :clear, :flip, :release] do
        assert_raise ArgumentError, fn -> apply(Bitset, f, [wrong, 0]) end
      end

      for f <- [:union, :intersection, :difference] do
        assert_raise ArgumentError, fn -> apply(Bitset, f, [wrong, set]) end
        assert_raise ArgumentError, fn -> apply(Bitset, f, [set, wrong]) end
      end

      assert_raise ArgumentError, fn -> Bitset.count(wrong, 0, 0) end
    end
  end

  describe "processes" do
    test "N of them share N slots: none is refused, no slot has two holders" do
      for size <- [4, 64, 65, 2049] do
        set = Bitset.new(size)
        for i <- 0..(size - 5)//1, do: Bitset.set(set, i)
        holders = :atomics.new(size, [])

        parallel(4, fn _ ->
          for _ <- 1..5000 do
            slot = Bitset.claim(set)
            assert is_integer(slot)
            assert :atomics.add_get(holders, slot + 1, 1) == 1
            :atomics.sub(holders, slot + 1, 1)
            assert Bitset.release(set, slot) == :ok
          end
        end)

        assert Bitset.count(set) == size - 4
      end
    end

    test "all slots are claimed once" do
      set = Bitset.new(20_000)

      slots =
        parallel(4, fn _ ->
          Stream.repeatedly(fn -> Bitset.claim(set) end) |> Enum.take_while(&(&1 != :full))
        end)

      assert slots |> List.flatten() |> Enum.sort() == Enum.to_list(0..19_999)
    end

    test "of sets and clears of one bit, each change is told to one" do
      set = Bitset.new(100)

      changes =
        parallel(4, fn worker ->
          for i <- 1..20_000, reduce: 0 do
            sum ->
              bit = rem(i * worker, 100)

              if rem(i + worker, 2) == 0,
                do: if(Bitset.set(set, bit), do: sum, else: sum + 1),
                else: if(Bitset.clear(set, bit), do: sum - 1, else: sum)
          end
        end)

      assert Enum.sum(changes) == Bitset.count(set)
    end

    test "no flip is lost" do
      set = Bitset.new(130)

      parallel(4, fn _ ->
        for _ <- 1..500, i <- 0..129, do: Bitset.flip(set, i)
      end)

      assert Bitset.count(set) == 0
      parallel(3, fn _ -> for _ <- 1..501, i <- 0..129, do: Bitset.flip(set, i) end)
      assert Bitset.count(set) == 130
    end

    test "unions of many processes hold all bits" do
      set = Bitset.new(5000)

      parallel(4, fn worker ->
        for i <- 0..4999//40 do
          one = Bitset.new(5000)
          for j <- (worker * 10 - 10)..(worker * 10 - 1), do: Bitset.set(one, i + j)
          Bitset.union(set, one)
        end
      end)

      assert Bitset.count(set) == 5000
      assert Bitset.claim(set) == :full
    end
  end

  describe "large sets" do
    test "counting and combining let other processes of the scheduler run" do
      size = 1 <<< 28
      set = Bitset.new(size)
      other = Bitset.new(size)
      for i <- [0, 1 <<< 27, size - 1], do: Bitset.set(other, i)

      assert reductions(fn -> assert Bitset.count(other) == 3 end) > 8000
      assert reductions(fn -> assert Bitset.union(set, other) == :ok end) > 8000
      assert Bitset.count(set, 1 <<< 27, 1 <<< 27) == 2
      assert Bitset.difference(set, other) == :ok
      assert Bitset.count(set) == 0
    end

    test "to_binary and from_binary of 32 MiB" do
      size = 1 <<< 28
      set = Bitset.new(size)
      for i <- [0, 12_345_678, size - 1], do: Bitset.set(set, i)
      binary = Bitset.to_binary(set)
      assert byte_size(binary) == 1 <<< 25
      copy = Bitset.from_binary(binary, size)
      assert Bitset.count(copy) == 3
      assert Bitset.test(copy, 12_345_678)
    end

    test "a killed process may leave a count under way" do
      set = Bitset.new(1 <<< 28)
      test = self()

      {pid, monitor} =
        spawn_monitor(fn ->
          send(test, :started)
          for _ <- Stream.cycle([1]), do: Bitset.count(set)
        end)

      assert_receive :started
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
      assert Bitset.count(set, 0, 100) == 0
    end
  end

  describe "life cycle" do
    test "a set lives in a message when its maker is dead" do
      test = self()

      {maker, monitor} =
        spawn_monitor(fn ->
          set = Bitset.new(3000)
          Bitset.set(set, 2999)
          send(test, {:set, set})
        end)

      assert_receive {:set, set}
      assert_receive {:DOWN, ^monitor, :process, ^maker, _}
      assert Bitset.test(set, 2999)
      assert Bitset.claim(set) == 0
    end

    test "sets that are dropped while they are combined" do
      for _ <- 1..20 do
        parallel(2, fn _ ->
          Bitset.union(Bitset.new(100_000), full(100_000))
          :erlang.garbage_collect()
        end)
      end
    end
  end

  defp full(size) do
    bytes = div(size + 7, 8)
    <<head::binary-size(bytes - 1), last>> = :binary.copy(<<255>>, bytes)
    Bitset.from_binary(head <> <<last >>> (bytes * 8 - size)>>, size)
  end

  defp parallel(count, fun) do
    1..count
    |> Enum.map(fn worker -> Task.async(fn -> fun.(worker) end) end)
    |> Task.await_many(:infinity)
  end

  defp reductions(fun) do
    {:reductions, before} = Process.info(self(), :reductions)
    fun.()
    {:reductions, later} = Process.info(self(), :reductions)
    later - before
  end
end

defmodule Offheap.BitsetMemoryTest do
  # Not async: the emulator counts memory for all together.
  use ExUnit.Case

  @moduletag :emulator_memory

  import Offheap.Memory

  test "memory goes with the last reference" do
    # Below the size that is mapped from the operating system, bits count as system memory.
    bytes = 200_000
    before = :erlang.memory(:system)
    sets = for _ <- 1..200, do: Offheap.Bitset.new(bytes * 8)
    assert :erlang.memory(:system) - before > 150 * bytes
    assert length(sets) == 200

    collect_until(fn -> :erlang.memory(:system) - before < 100 * bytes end)
  end
end
