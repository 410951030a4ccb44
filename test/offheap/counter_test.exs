defmodule Offheap.CounterTest do
  use ExUnit.Case, async: true

  import Bitwise
  alias Offheap.Counter

  doctest Offheap.Counter

  @min (1 <<< 63) * -1
  @max (1 <<< 63) - 1
  @increment_max (1 <<< 64) - 1

  # Each test of this group runs on OTP's module too: what it says holds for both, and for one cell a
  # counter as for several.
  for module <- [:counters, :offheap_counters, Offheap.Counter],
      options <- [[:atomics], [:write_concurrency]] do
    describe "#{inspect(module)} with #{inspect(options)}" do
      @describetag subject: module, options: options

      test "new counters are zero", %{subject: m, options: options} do
        ref = m.new(100, options)
        assert Enum.all?(1..100, &(m.get(ref, &1) == 0))
      end

      test "add, sub and put change one counter and no other", %{subject: m, options: options} do
        ref = m.new(3, options)
        assert m.add(ref, 2, 7) == :ok
        assert values(m, ref, 3) == [0, 7, 0]
        assert m.sub(ref, 2, 9) == :ok
        assert values(m, ref, 3) == [0, -2, 0]
        assert m.put(ref, 2, 5) == :ok
        assert values(m, ref, 3) == [0, 5, 0]
      end

      test "every value at an edge of a representation comes back",
           %{subject: m, options: options} do
        ref = m.new(1, options)

        for bits <- [28, 32, 59, 60, 62, 63, 64], offset <- -2..1, sign <- [1, -1] do
          value = sign * ((1 <<< bits) + offset)

          if value in @min..@max do
            assert m.put(ref, 1, value) == :ok
            assert m.get(ref, 1) == value
          else
            assert_raise ArgumentError, fn -> m.put(ref, 1, value) end
          end
        end
      end

      test "add and sub wrap around", %{subject: m, options: options} do
        ref = m.new(1, options)
        m.put(ref, 1, @max)
        m.add(ref, 1, 1)
        assert m.get(ref, 1) == @min
        m.sub(ref, 1, 1)
        assert m.get(ref, 1) == @max
        m.add(ref, 1, @increment_max)
        assert m.get(ref, 1) == @max - 1
        m.add(ref, 1, @min)
        assert m.get(ref, 1) == -2
        m.sub(ref, 1, @min + 1)
        assert m.get(ref, 1) == @max - 2
      end

      test "sub takes -(2^64-1)..2^63, add -2^63..2^64-1", %{subject: m, options: options} do
        ref = m.new(1, options)
        assert m.sub(ref, 1, -@increment_max) == :ok
        assert m.sub(ref, 1, 1 <<< 63) == :ok
        assert m.add(ref, 1, @increment_max) == :ok
        assert m.add(ref, 1, @min) == :ok
        value = m.get(ref, 1)

        for decrement <- [-@increment_max - 1, (1 <<< 63) + 1] do
          assert_raise ArgumentError, fn -> m.sub(ref, 1, decrement) end
        end

        for increment <- [@increment_max + 1, @min - 1] do
          assert_raise ArgumentError, fn -> m.add(ref, 1, increment) end
        end

        for no_number <- [:a, nil, "1", [], {}] do
          assert_raise ArgumentError, fn -> m.add(ref, 1, no_number) end
          assert_raise ArithmeticError, fn -> m.sub(ref, 1, no_number) end
        end

        assert_raise ArgumentError, fn -> m.sub(ref, 1, 1.0) end
        assert m.get(ref, 1) == value
      end

      test "info tells size and memory", %{subject: m, options: options} do
        assert %{size: 10, memory: memory} = m.info(m.new(10, options))
        assert memory >= 80
      end

      test "an index outside the array is refused by every function",
           %{subject: m, options: options} do
        ref = m.new(2, options)

        for {f, args} <- calls(), index <- [0, 3, -1, 1 <<< 62, 1 <<< 64, 1.0, :a, nil, "1"] do
          assert_raise ArgumentError, fn -> apply(m, f, [ref, index | args]) end
        end
      end

      test "what is no reference of counters is refused by every function", %{subject: m} do
        other = if m == :counters, do: Counter.new(1), else: :counters.new(1, [])

        for wrong <- [make_ref(), other, Offheap.Atomics.new(1), self(), 1, :a, "ref", nil, []] do
          for {f, args} <- calls() do
            assert_raise ArgumentError, fn -> apply(m, f, [wrong, 1 | args]) end
          end

          assert_raise ArgumentError, fn -> m.info(wrong) end
        end
      end

      test "sizes that make no sense are refused", %{subject: m, options: options} do
        for size <- [0, -1, 1.0, :a, nil, "8", [8], -(1 <<< 70)] do
          assert_raise ArgumentError, fn -> m.new(size, options) end
        end

        for size <- [1 <<< 62, 1 <<< 64, 1 <<< 100] do
          assert_raise SystemLimitError, fn -> m.new(size, options) end
        end
      end

      test "adds of several processes all count", %{subject: m, options: options} do
        ref = m.new(2, options)

        1..4
        |> Enum.map(fn _ -> Task.async(fn -> for(_ <- 1..20_000, do: m.add(ref, 1, 3)) end) end)
        |> Task.await_many(:infinity)

        assert values(m, ref, 2) == [240_000, 0]
      end

      test "a counter that only grows is never read lower", %{subject: m, options: options} do
        ref = m.new(1, options)
        adder = Task.async(fn -> for(_ <- 1..100_000, do: m.add(ref, 1, 1)) end)
        assert grows(m, ref, 0, 100_000)
        Task.await(adder, :infinity)
      end
    end
  end

  for module <- [:counters, :offheap_counters, Offheap.Counter] do
    test "options that make no sense are refused by #{inspect(module)}" do
      m = unquote(module)

      for options <- [
            :atomics,
            [:none],
            [:atomics, :atomics],
            [:atomics, :write_concurrency],
            [:atomics | :tail],
            [stripes: 0],
            [stripes: -1],
            [stripes: 1025],
            [stripes: 1 <<< 64],
            [stripes: 1.0],
            [stripes: nil],
            [:stripes],
            %{},
            nil
          ] do
        assert_raise ArgumentError, fn -> m.new(1, options) end
      end
    end
  end

  describe "stripes" do
    test "are as many as asked for, rounded up, or as schedulers" do
      for {asked, stripes} <- [{1, 1}, {2, 2}, {3, 4}, {5, 8}, {1000, 1024}, {1024, 1024}] do
        assert Counter.info(Counter.new(1, stripes: asked)).stripes == stripes
      end

      schedulers = :erlang.system_info(:schedulers)
      assert Counter.info(Counter.new(1)).stripes in schedulers..(2 * schedulers - 1)
      assert Counter.info(Counter.new(1, [])).stripes == 1
      assert Counter.info(Counter.new(1, [:atomics])).stripes == 1
      assert Counter.info(:offheap_counters.new(1, [])).stripes == 1
    end

    test "take whole cache lines" do
      header = Counter.info(Counter.new(8, stripes: 1)).memory - 64
      assert header in 1..64

      for {size, stripes, lines} <- [{1, 1, 1}, {9, 1, 2}, {1, 4, 4}, {1000, 8, 8 * 125}] do
        memory = Counter.info(Counter.new(size, stripes: stripes)).memory
        assert memory == header + lines * 64
      end
    end

    test "in any number hold the same values" do
      for stripes <- [1, 2, 8, 1024], size <- [1, 3, 8, 9, 1000] do
        ref = Counter.new(size, stripes: stripes)

        1..3
        |> Enum.map(fn n ->
          Task.async(fn -> for i <- 1..size, do: Counter.add(ref, i, n * i) end)
        end)
        |> Task.await_many(:infinity)

        expected = for i <- 1..size, do: 6 * i
        assert values(Counter, ref, size) == expected
        assert Counter.to_list(ref) == expected
        assert binary_values(ref) == expected
        assert Counter.sum(ref) == Enum.sum(expected)
        assert Counter.size(ref) == size
        assert Counter.to_list_reset(ref) == expected
        assert Counter.sum(ref) == 0
      end
    end
  end

  describe "beyond OTP's module" do
    test "sum_reset returns the value and leaves zero" do
      for options <- [[:atomics], [:write_concurrency], [stripes: 64]] do
        ref = Counter.new(2, options)
        assert Counter.sum_reset(ref, 1) == 0
        Counter.put(ref, 1, @min)
        Counter.add(ref, 2, 1)
        assert Counter.sum_reset(ref, 1) == @min
        assert Counter.to_list(ref) == [0, 1]
      end
    end

    test "what several processes take and what is left is all that was added" do
      for options <- [[:atomics], [:write_concurrency]] do
        ref = Counter.new(2, options)

        adders =
          for _ <- 1..2 do
            Task.async(fn -> for(i <- 1..50_000, do: Counter.add(ref, 1, i)) end)
          end

        takers = [
          Task.async(fn -> Enum.sum(for _ <- 1..20_000, do: Counter.sum_reset(ref, 1)) end),
          Task.async(fn -> Enum.sum(for _ <- 1..20_000, do: hd(Counter.to_list_reset(ref))) end)
        ]

        Task.await_many(adders, :infinity)
        taken = takers |> Task.await_many(:infinity) |> Enum.sum()
        assert taken + Counter.get(ref, 1) == 2 * div(50_000 * 50_001, 2)
        assert Counter.get(ref, 2) == 0
      end
    end

    test "puts of several processes leave the value of one" do
      ref = Counter.new(1, stripes: 4)

      1..4
      |> Enum.map(fn n -> Task.async(fn -> for(_ <- 1..5000, do: Counter.put(ref, 1, n)) end) end)
      |> Task.await_many(:infinity)

      assert Counter.get(ref, 1) in 1..4
    end

    test "a sum wraps like an add" do
      ref = Counter.new(2)
      Counter.put(ref, 1, @max)
      Counter.put(ref, 2, 1)
      assert Counter.sum(ref) == @min
    end

    test "sizes that memory cannot hold raise and leave the emulator up" do
      for options <- [[:atomics], [stripes: 1024]],
          size <- [(1 <<< 40) + 1, (1 <<< 60) - 1, 1 <<< 60, 1 <<< 61, 1 <<< 63, (1 <<< 64) - 1] do
        assert_raise SystemLimitError, fn -> Counter.new(size, options) end
      end

      assert_raise SystemLimitError, fn -> Counter.new((1 <<< 30) + 1, stripes: 1024) end
    end

    test "2^40 cells are refused or usable at both ends, as the machine allows" do
      for options <- [[:atomics], [stripes: 1024]] do
        size = if options == [:atomics], do: 1 <<< 40, else: 1 <<< 30

        try do
          ref = Counter.new(size, options)
          assert Counter.add(ref, size, 1) == :ok
          assert Counter.add(ref, 1, 2) == :ok
          assert {Counter.get(ref, 1), Counter.get(ref, size)} == {2, 1}
        rescue
          SystemLimitError -> :ok
        end
      end
    end

    test "all counters at the borders of the chunks in which they are read" do
      for {size, stripes} <- [
            {1023, 1},
            {1024, 2},
            {1025, 1},
            {2048, 4},
            {4097, 8},
            {16_383, 1},
            {16_384, 1},
            {16_385, 1},
            {32_769, 2},
            {15, 1024},
            {16, 1024},
            {17, 1024}
          ] do
        ref = Counter.new(size, stripes: stripes)
        for i <- 1..size, do: Counter.add(ref, i, i)
        expected = Enum.to_list(1..size)
        assert Counter.to_list(ref) == expected
        assert binary_values(ref) == expected
        assert Counter.sum(ref) == div(size * (size + 1), 2)
        assert Counter.to_list_reset(ref) == expected
        assert Counter.to_list_reset(ref) == List.duplicate(0, size)
      end
    end

    test "two million counters: the sum, the list, the binary, the last one" do
      size = 2_000_000
      ref = Counter.new(size, stripes: 4)
      marked = [1, 1024, 1025, 16_384, 16_385, 1_000_000, size - 1, size]
      for i <- marked, do: Counter.add(ref, i, i)
      assert Counter.sum(ref) == Enum.sum(marked)
      expected = for i <- marked, do: {i, i}
      assert length(Counter.to_list(ref)) == size
      assert nonzero(Counter.to_list(ref)) == expected
      assert byte_size(Counter.to_binary(ref)) == 8 * size
      assert nonzero(binary_values(ref)) == expected
      assert nonzero(Counter.to_list_reset(ref)) == expected
      assert Counter.sum(ref) == 0
    end

    test "functions of all counters refuse what is no reference" do
      for wrong <- [make_ref(), :counters.new(1, []), 1, nil],
          f <- [:sum, :to_list, :to_list_reset, :to_binary, :size, :info] do
        assert_raise ArgumentError, fn -> apply(Counter, f, [wrong]) end
        assert_raise ArgumentError, fn -> apply(:offheap_counters, f, [wrong]) end
      end
    end

    test "reading many counters takes several time slices" do
      # Were it one call, the process would count few reductions.
      ref = Counter.new(5_000_000, stripes: 4)

      for f <- [:sum, :to_list, :to_binary] do
        {:reductions, before} = Process.info(self(), :reductions)
        apply(Counter, f, [ref])
        {:reductions, later} = Process.info(self(), :reductions)
        assert later - before > 8000
      end
    end

    test "a killed process may leave a list under way" do
      ref = Counter.new(500_000)
      test = self()

      {pid, monitor} =
        spawn_monitor(fn ->
          send(test, :started)
          for _ <- Stream.cycle([1]), do: Counter.to_list_reset(ref)
        end)

      assert_receive :started
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
      assert Counter.sum(ref) == 0
    end

    test "the stub of to_binary refuses what is no first counter" do
      ref = Counter.new(10)
      nif = &:offheap_nif.counters_to_binary(ref, &1)
      assert byte_size(nif.(1)) == 80
      assert byte_size(nif.(10)) == 8
      assert nif.(11) == ""
      assert nif.(@increment_max) == ""

      for first <- [0, -1, 1 <<< 64, :a, 1.0],
          do: assert_raise(ArgumentError, fn -> nif.(first) end)
    end
  end

  describe "life cycle" do
    test "counters outlive their maker, in a message and in a table" do
      table = :ets.new(:holder, [:public])

      Task.await(
        Task.async(fn ->
          ref = Counter.new(1)
          Counter.add(ref, 1, 99)
          :ets.insert(table, {:ref, ref})
        end)
      )

      :erlang.garbage_collect()
      [{:ref, ref}] = :ets.lookup(table, :ref)
      assert Counter.get(ref, 1) == 99
    end

    test "a reference survives the external format within its node" do
      ref = Counter.new(1)
      copy = :erlang.binary_to_term(:erlang.term_to_binary(ref))
      Counter.add(copy, 1, 5)
      assert Counter.get(ref, 1) == 5
    end
  end

  defp calls, do: [put: [1], get: [], add: [1], sub: [1]]

  defp values(m, ref, size), do: for(i <- 1..size, do: m.get(ref, i))

  defp binary_values(ref), do: for(<<v::64-signed-native <- Counter.to_binary(ref)>>, do: v)

  defp nonzero(values), do: for({v, i} <- Stream.with_index(values, 1), v != 0, do: {i, v})

  # Reads until the last value has come; false if one was lower than that before.
  defp grows(m, ref, last, stop) do
    case m.get(ref, 1) do
      ^stop -> true
      value when value >= last -> grows(m, ref, value, stop)
      _lower -> false
    end
  end
end

defmodule Offheap.CounterMemoryTest do
  # Not async: the emulator counts memory for all together.
  use ExUnit.Case

  @moduletag :emulator_memory

  import Offheap.Memory

  test "memory goes with the last reference" do
    # Below the size that is mapped from the operating system, cells count as system memory.
    bytes = 200_000
    before = :erlang.memory(:system)
    refs = for _ <- 1..200, do: Offheap.Counter.new(div(bytes, 16), stripes: 2)
    assert :erlang.memory(:system) - before > 150 * bytes
    assert length(refs) == 200

    collect_until(fn -> :erlang.memory(:system) - before < 100 * bytes end)
  end
end
