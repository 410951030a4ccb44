defmodule Offheap.AtomicsTest do
  use ExUnit.Case, async: true

  import Bitwise
  alias Offheap.Atomics

  doctest Offheap.Atomics

  @signed_min (1 <<< 63) * -1
  @signed_max (1 <<< 63) - 1
  @unsigned_max (1 <<< 64) - 1

  # Each test of this group runs on OTP's module too: what it says holds for both.
  for module <- [:atomics, :offheap_atomics, Offheap.Atomics] do
    describe "#{inspect(module)}" do
      @describetag subject: module

      test "a new array holds zeros", %{subject: m} do
        ref = m.new(100, [])
        assert Enum.all?(1..100, &(m.get(ref, &1) == 0))
      end

      test "put sets one cell and no other", %{subject: m} do
        ref = m.new(3, [])
        assert m.put(ref, 2, 7) == :ok
        assert for(i <- 1..3, do: m.get(ref, i)) == [0, 7, 0]
      end

      test "every value at an edge of a representation comes back", %{subject: m} do
        signed = m.new(1, signed: true)
        unsigned = m.new(1, signed: false)

        for bits <- [28, 32, 59, 60, 62, 63, 64], offset <- -2..1, sign <- [1, -1] do
          value = sign * ((1 <<< bits) + offset)

          for {ref, range} <- [
                {signed, @signed_min..@signed_max},
                {unsigned, 0..@unsigned_max}
              ] do
            if value in range do
              assert m.put(ref, 1, value) == :ok
              assert m.get(ref, 1) == value
              assert m.exchange(ref, 1, value) == value
              assert m.compare_exchange(ref, 1, value, value) == :ok
            else
              assert_raise ArgumentError, fn -> m.put(ref, 1, value) end
              assert_raise ArgumentError, fn -> m.exchange(ref, 1, value) end
              assert_raise ArgumentError, fn -> m.compare_exchange(ref, 1, value, 0) end
              assert_raise ArgumentError, fn -> m.compare_exchange(ref, 1, 0, value) end
            end
          end
        end
      end

      test "add and sub wrap around a signed cell", %{subject: m} do
        ref = m.new(1, [])
        m.put(ref, 1, @signed_max)
        assert m.add_get(ref, 1, 1) == @signed_min
        assert m.sub_get(ref, 1, 1) == @signed_max
        assert m.add_get(ref, 1, @unsigned_max) == @signed_max - 1
        assert m.add(ref, 1, @signed_min) == :ok
        assert m.get(ref, 1) == -2
        assert m.sub(ref, 1, @signed_min + 1) == :ok
        assert m.get(ref, 1) == @signed_max - 2
      end

      test "add and sub wrap around an unsigned cell", %{subject: m} do
        ref = m.new(1, signed: false)
        assert m.sub_get(ref, 1, 1) == @unsigned_max
        assert m.add_get(ref, 1, 1) == 0
        assert m.add_get(ref, 1, -1) == @unsigned_max
        assert m.add_get(ref, 1, @signed_min) == @signed_max
      end

      test "sub takes -(2^64-1)..2^63, add -2^63..2^64-1", %{subject: m} do
        ref = m.new(1, [])
        assert m.sub_get(ref, 1, -@unsigned_max) == -1
        assert m.sub_get(ref, 1, 1 <<< 63) == @signed_max
        assert m.add_get(ref, 1, @unsigned_max) == @signed_max - 1
        assert m.add_get(ref, 1, @signed_min) == -2

        for f <- [:sub, :sub_get], decrement <- [-@unsigned_max - 1, (1 <<< 63) + 1] do
          assert_raise ArgumentError, fn -> apply(m, f, [ref, 1, decrement]) end
        end

        for f <- [:add, :add_get], increment <- [@unsigned_max + 1, @signed_min - 1] do
          assert_raise ArgumentError, fn -> apply(m, f, [ref, 1, increment]) end
        end

        assert m.get(ref, 1) == -2
      end

      test "compare_exchange tells what is there when it differs", %{subject: m} do
        ref = m.new(1, [])
        assert m.compare_exchange(ref, 1, 0, -5) == :ok
        assert m.compare_exchange(ref, 1, 0, 6) == -5
        assert m.get(ref, 1) == -5
      end

      test "info tells size, range and memory", %{subject: m} do
        assert %{size: 10, min: @signed_min, max: @signed_max, memory: memory} =
                 m.info(m.new(10, []))

        assert memory >= 80
        assert %{min: 0, max: @unsigned_max} = m.info(m.new(1, signed: false))
      end

      test "an index outside the array is refused by every function", %{subject: m} do
        ref = m.new(2, [])

        for {f, args} <- calls(), index <- [0, 3, -1, 1 <<< 62, 1 <<< 64, 1.0, :a, nil, "1"] do
          assert_raise ArgumentError, fn -> apply(m, f, [ref, index | args]) end
        end
      end

      test "what is no reference of an array is refused by every function", %{subject: m} do
        other = if m == :atomics, do: Atomics.new(1), else: :atomics.new(1, [])

        for wrong <- [make_ref(), other, :counters.new(1, []), self(), 1, :a, "ref", nil, []] do
          for {f, args} <- calls() do
            assert_raise ArgumentError, fn -> apply(m, f, [wrong, 1 | args]) end
          end

          assert_raise ArgumentError, fn -> m.info(wrong) end
        end
      end

      test "sizes and options that make no sense are refused", %{subject: m} do
        for size <- [0, -1, 1.0, :a, nil, "8", [8], -(1 <<< 70)] do
          assert_raise ArgumentError, fn -> m.new(size, []) end
        end

        for options <- [:signed, [:signed], [signed: 1], [unsigned: true], [{:signed}], %{}] do
          assert_raise ArgumentError, fn -> m.new(1, options) end
        end

        for size <- [1 <<< 62, 1 <<< 64, 1 <<< 100] do
          assert_raise SystemLimitError, fn -> m.new(size, []) end
        end
      end

      test "the reference works in another process and outlives its maker", %{subject: m} do
        test = self()
        {maker, monitor} = spawn_monitor(fn -> send(test, {:ref, m.new(2, [])}) end)
        assert_receive {:ref, ref}
        assert_receive {:DOWN, ^monitor, :process, ^maker, _}
        assert m.add_get(ref, 2, 3) == 3
      end

      test "adds of several processes all count", %{subject: m} do
        ref = m.new(2, [])

        1..4
        |> Enum.map(fn _ -> Task.async(fn -> for(_ <- 1..5000, do: m.add(ref, 1, 1)) end) end)
        |> Task.await_many(:infinity)

        assert m.get(ref, 1) == 20_000
        assert m.get(ref, 2) == 0
      end

      test "compare_exchange lets one of several processes win each step", %{subject: m} do
        ref = m.new(1, [])

        wins =
          1..4
          |> Enum.map(fn _ ->
            Task.async(fn ->
              Enum.count(0..4999, &(m.compare_exchange(ref, 1, &1, &1 + 1) == :ok))
            end)
          end)
          |> Task.await_many(:infinity)

        assert Enum.sum(wins) == m.get(ref, 1)
      end
    end
  end

  describe "beyond OTP's module" do
    test "sizes that memory cannot hold raise and leave the emulator up" do
      for size <- [(1 <<< 40) + 1, (1 <<< 60) - 1, 1 <<< 60, 1 <<< 61, 1 <<< 63] do
        assert_raise SystemLimitError, fn -> Atomics.new(size) end
      end
    end

    test "2^40 cells are refused or usable at both ends, as the machine allows" do
      try do
        ref = Atomics.new(1 <<< 40)
        assert Atomics.add_get(ref, 1 <<< 40, 1) == 1
        assert Atomics.add_get(ref, 1, 2) == 2
        assert Atomics.info(ref).size == 1 <<< 40
      rescue
        SystemLimitError -> :ok
      end
    end

    test "a sum wraps like an add, and of unsigned cells is unsigned" do
      ref = Atomics.new(2)
      Atomics.put(ref, 1, @signed_max)
      Atomics.put(ref, 2, 1)
      assert Atomics.sum(ref) == @signed_min

      ref = Atomics.new(2, signed: false)
      Atomics.put(ref, 1, @unsigned_max)
      assert Atomics.sum(ref) == @unsigned_max
      Atomics.put(ref, 2, 3)
      assert Atomics.sum(ref) == 2
    end

    test "ten million cells: the sum, the list, the last cell" do
      size = 10_000_000
      ref = Atomics.new(size)
      for i <- [1, 4096, 4097, 5_000_000, size - 1, size], do: Atomics.put(ref, i, i)
      assert Atomics.sum(ref) == 1 + 4096 + 4097 + 5_000_000 + size - 1 + size

      list = Atomics.to_list(ref)
      assert length(list) == size

      assert for({v, i} <- Stream.with_index(list, 1), v != 0, do: {i, v}) ==
               for(i <- [1, 4096, 4097, 5_000_000, size - 1, size], do: {i, i})
    end

    test "to_list and sum at the borders of their chunks" do
      for size <- [1, 2, 4095, 4096, 4097, 8192, 8193, 32_767, 32_768, 32_769, 65_537] do
        ref = Atomics.new(size)
        for i <- 1..size, do: Atomics.put(ref, i, i)
        assert Atomics.to_list(ref) == Enum.to_list(1..size)
        assert Atomics.sum(ref) == div(size * (size + 1), 2)
      end
    end

    test "sum and to_list refuse what is no reference" do
      for wrong <- [make_ref(), :atomics.new(1, []), 1, nil] do
        assert_raise ArgumentError, fn -> Atomics.sum(wrong) end
        assert_raise ArgumentError, fn -> Atomics.to_list(wrong) end
      end
    end

    test "a sum over a large array lets other processes of its scheduler run" do
      # One sum takes several time slices: were it one call, the process would count few reductions.
      ref = Atomics.new(20_000_000)
      {:reductions, before} = Process.info(self(), :reductions)
      assert Atomics.sum(ref) == 0
      {:reductions, later} = Process.info(self(), :reductions)
      assert later - before > 4000
    end

    test "a killed process may leave a sum under way" do
      ref = Atomics.new(20_000_000)
      test = self()

      {pid, monitor} =
        spawn_monitor(fn ->
          send(test, :started)
          for _ <- Stream.cycle([1]), do: Atomics.sum(ref)
        end)

      assert_receive :started
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
      assert Atomics.sum(ref) == 0
    end

    test "the stub refuses ranges beyond its bound" do
      ref = Atomics.new(10_000)
      nif = &:offheap_nif.atomics_to_list(ref, &1, &2, &3)
      assert length(nif.(1, 4096, [])) == 4096
      assert nif.(5, 4, [:tail]) == [:tail]

      for {first, last, tail} <- [
            {1, 4097, []},
            {0, 5, []},
            {1, 10_001, []},
            {9999, 1 <<< 63, []},
            {1, 5, :tail},
            {-1, 5, []}
          ] do
        assert_raise ArgumentError, fn -> nif.(first, last, tail) end
      end
    end
  end

  describe "life cycle" do
    test "an array lives in a message and in a table when no process holds it" do
      table = :ets.new(:holder, [:public])

      Task.await(
        Task.async(fn ->
          ref = Atomics.new(1)
          Atomics.put(ref, 1, 99)
          :ets.insert(table, {:ref, ref})
        end)
      )

      :erlang.garbage_collect()
      [{:ref, ref}] = :ets.lookup(table, :ref)
      assert Atomics.get(ref, 1) == 99
    end

    test "a reference survives the external format within its node" do
      ref = Atomics.new(1)
      copy = :erlang.binary_to_term(:erlang.term_to_binary(ref))
      Atomics.put(copy, 1, 5)
      assert Atomics.get(ref, 1) == 5
    end
  end

  defp calls do
    [
      put: [1],
      get: [],
      add: [1],
      add_get: [1],
      sub: [1],
      sub_get: [1],
      exchange: [1],
      compare_exchange: [1, 2]
    ]
  end
end

defmodule Offheap.AtomicsMemoryTest do
  # Not async: the emulator counts memory for all together.
  use ExUnit.Case

  test "memory goes with the last reference" do
    # Below the size that is mapped from the operating system, cells count as system memory.
    bytes = 200_000
    before = :erlang.memory(:system)
    refs = for _ <- 1..200, do: Offheap.Atomics.new(div(bytes, 8))
    assert :erlang.memory(:system) - before > 150 * bytes
    assert length(refs) == 200

    drop(fn -> :erlang.memory(:system) - before < 100 * bytes end)
  end

  # Destructors run when schedulers get to them: collect until the condition holds.
  defp drop(condition, tries \\ 1000) do
    :erlang.garbage_collect()

    cond do
      condition.() -> :ok
      tries == 0 -> flunk("memory was not given back")
      true -> :erlang.yield() && drop(condition, tries - 1)
    end
  end
end
