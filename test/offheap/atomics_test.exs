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

  describe "sum and to_list" do
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

  # --- Beyond OTP's module ---

  @families for op <- [:add, :sub, :saturating_add, :min, :max, :band, :bor, :bxor],
                f <- [op, :"#{op}_get", :"fetch_#{op}"],
                do: f

  # Every kind of cell, and its limits.
  @integers for signed <- [true, false], bits <- [8, 16, 32, 64], do: [signed: signed, bits: bits]
  @kinds [[type: :float] | @integers]

  defp limits(opts) do
    bits = opts[:bits]

    if opts[:signed],
      do: {-(1 <<< (bits - 1)), (1 <<< (bits - 1)) - 1},
      else: {0, (1 <<< bits) - 1}
  end

  test "both modules have the same functions, and the operations their three forms" do
    functions = fn module ->
      for {f, arity} <- module.module_info(:exports),
          f not in [:module_info, :__info__, :new],
          do: {f, arity}
    end

    assert Enum.sort(functions.(:offheap_atomics)) == Enum.sort(functions.(Atomics))
    for f <- @families, do: assert({f, 3} in functions.(Atomics))
  end

  describe "options" do
    test "what an array was made with is told by info" do
      for opts <- @integers, overflow <- [:wrap, :saturate], layout <- [:packed, :padded] do
        {min, max} = limits(opts)
        info = Atomics.info(Atomics.new(7, [overflow: overflow, layout: layout] ++ opts))
        bytes = if layout == :padded, do: 64, else: div(opts[:bits], 8)
        assert info.memory >= 7 * bytes and info.memory < 7 * bytes + 100

        assert Map.delete(info, :memory) == %{
                 size: 7,
                 min: min,
                 max: max,
                 type: :integer,
                 bits: opts[:bits],
                 overflow: overflow,
                 layout: layout
               }
      end

      max = 1.7976931348623157e308

      for overflow <- [:raise, :saturate] do
        info = Atomics.info(Atomics.new(7, type: :float, bits: 64, overflow: overflow))
        assert %{type: :float, bits: 64, overflow: ^overflow, max: ^max} = info
        assert info.min == -max
      end
    end

    test "the last of an option given twice counts" do
      ref = Atomics.new(1, bits: 8, bits: 16, signed: true, signed: false)
      assert %{bits: 16, min: 0} = Atomics.info(ref)
    end

    test "options that make no sense, or not together, are refused" do
      for opts <- [
            [bits: 7],
            [bits: 0],
            [bits: 128],
            [bits: 8.0],
            [bits: nil],
            [type: :double],
            [type: :float, signed: true],
            [type: :float, signed: false],
            [type: :float, bits: 32],
            [type: :float, overflow: :wrap],
            [overflow: :raise],
            [overflow: :error],
            [layout: :wide],
            [layout: true],
            [{:bits, 8} | :tail],
            [size: 8]
          ] do
        assert_raise ArgumentError, fn -> Atomics.new(1, opts) end
      end
    end

    test "the stub makes no other arrays either" do
      new = &apply(:offheap_nif, :atomics_new, &1)
      assert is_reference(new.([1, :signed, 64, false, false]))

      for wrong <- [
            [0, :signed, 64, false, false],
            [1, :double, 64, false, false],
            [1, :signed, 24, false, false],
            [1, :float, 32, false, false],
            [1, :signed, 1 <<< 64, false, false],
            [1, :signed, 64, 1, false],
            [1, :signed, 64, false, nil]
          ] do
        assert_raise ArgumentError, fn -> new.(wrong) end
      end
    end

    test "sizes that memory cannot hold raise, of padded cells too" do
      for opts <- [[layout: :padded], [bits: 8], [type: :float, layout: :padded]],
          size <- [(1 <<< 40) + 1, 1 <<< 58, 1 <<< 61, 1 <<< 63, 1 <<< 70] do
        assert_raise SystemLimitError, fn -> Atomics.new(size, opts) end
      end
    end
  end

  describe "every kind of cell" do
    test "holds its limits, and no more" do
      for opts <- @integers, layout <- [:packed, :padded] do
        {min, max} = limits(opts)
        ref = Atomics.new(3, [{:layout, layout} | opts])

        for value <- [min, max] do
          assert Atomics.put(ref, 2, value) == :ok
          assert Atomics.to_list(ref) == [0, value, 0]
          assert Atomics.exchange(ref, 2, value) == value
          assert Atomics.compare_exchange(ref, 2, value, value) == :ok
          assert Atomics.max_get(ref, 2, value) == value
        end

        for value <- [min - 1, max + 1, min - (1 <<< 64), max + (1 <<< 64), 0.0, :a] do
          for f <- [:put, :exchange, :min, :max, :band, :bor, :bxor, :fetch_max, :min_get] do
            assert_raise ArgumentError, fn -> apply(Atomics, f, [ref, 2, value]) end
          end

          assert_raise ArgumentError, fn -> Atomics.compare_exchange(ref, 2, value, 0) end
          assert_raise ArgumentError, fn -> Atomics.compare_exchange(ref, 2, 0, value) end
          assert_raise ArgumentError, fn -> Atomics.add_bounded(ref, 2, 1, value, max) end
          assert_raise ArgumentError, fn -> Atomics.add_bounded(ref, 2, 1, min, value) end
          assert_raise ArgumentError, fn -> Atomics.fill(ref, value) end
          assert_raise ArgumentError, fn -> Atomics.exchange_all(ref, value) end
        end

        assert Atomics.to_list(ref) == [0, max, 0]
      end
    end

    test "wraps or saturates, as it was made" do
      for opts <- @integers do
        {min, max} = limits(opts)
        wrapping = Atomics.new(1, opts)
        saturating = Atomics.new(1, [{:overflow, :saturate} | opts])

        for {from, n, wrapped, saturated} <- [
              {max, 1, min, max},
              {min, -1, max, min},
              {max - 1, 2, min, max},
              {min + 1, -2, max, min},
              {0, max, max, max},
              {max, (1 <<< 64) - 1, max - 1, max}
            ] do
          Atomics.put(wrapping, 1, from)
          Atomics.put(saturating, 1, from)
          assert Atomics.fetch_add(wrapping, 1, n) == from
          assert Atomics.get(wrapping, 1) == wrapped
          assert Atomics.add_get(saturating, 1, n) == saturated
          Atomics.put(wrapping, 1, from)
          assert Atomics.saturating_add_get(wrapping, 1, n) == saturated
        end

        Atomics.put(saturating, 1, max)
        assert Atomics.sub_get(saturating, 1, -1) == max
        assert Atomics.fetch_sub(saturating, 1, 1) == max
        assert Atomics.get(saturating, 1) == max - 1
      end
    end

    test "around 2^59, where integers leave the word, and 2^63" do
      ref = Atomics.new(1)
      unsigned = Atomics.new(1, signed: false)

      for bits <- [59, 63], offset <- [-1, 0, 1], sign <- [1, -1] do
        value = sign * ((1 <<< bits) + offset)

        if value in @signed_min..@signed_max do
          Atomics.put(ref, 1, 0)
          assert Atomics.bor_get(ref, 1, value) == value
          assert Atomics.band_get(ref, 1, value) == value
          assert Atomics.fetch_bxor(ref, 1, value) == value
          assert Atomics.saturating_add_get(ref, 1, value) == value
          assert Atomics.sum(ref) == value
          assert Atomics.minimum(ref) == value
          assert Atomics.get_many(ref, [1]) == [value]
          assert Atomics.exchange_all(ref, 0) == [value]
          assert Atomics.add_bounded(ref, 1, value, value, value) == {:ok, value}
        else
          assert_raise ArgumentError, fn -> Atomics.bor(ref, 1, value) end
        end

        if value > 0 do
          Atomics.put(unsigned, 1, 0)
          assert Atomics.max_get(unsigned, 1, value) == value
          assert Atomics.sum(unsigned) == value
          assert Atomics.maximum(unsigned) == value
          assert Atomics.add_bounded(unsigned, 1, 1 - value, 0, 1) == {:ok, 1}
        else
          assert_raise ArgumentError, fn -> Atomics.max(unsigned, 1, value) end
        end
      end

      assert Atomics.max_get(unsigned, 1, @unsigned_max) == @unsigned_max
      assert Atomics.band_get(unsigned, 1, @unsigned_max) == @unsigned_max
      assert Atomics.saturating_add_get(unsigned, 1, 1) == @unsigned_max
      assert Atomics.saturating_add_get(unsigned, 1, @signed_min) == @signed_max
      assert Atomics.saturating_add_get(unsigned, 1, @signed_min) == 0
    end
  end

  describe "add_bounded" do
    test "adds up to the bounds and no further" do
      ref = Atomics.new(1)
      assert Atomics.add_bounded(ref, 1, 5, 0, 5) == {:ok, 5}
      assert Atomics.add_bounded(ref, 1, 1, 0, 5) == {:error, :limit}
      assert Atomics.add_bounded(ref, 1, -5, 0, 5) == {:ok, 0}
      assert Atomics.add_bounded(ref, 1, -1, 0, 5) == {:error, :limit}
      assert Atomics.get(ref, 1) == 0
      assert_raise ArgumentError, fn -> Atomics.add_bounded(ref, 1, 1, 5, 4) end
    end

    test "does not wrap" do
      ref = Atomics.new(1)
      Atomics.put(ref, 1, @signed_max)

      for n <- [1, @signed_max, @unsigned_max] do
        assert Atomics.add_bounded(ref, 1, n, @signed_min, @signed_max) == {:error, :limit}
      end

      assert Atomics.add_bounded(ref, 1, @signed_min, @signed_min, @signed_max) == {:ok, -1}
    end

    test "of a value outside the bounds only comes back into them" do
      ref = Atomics.new(1)
      Atomics.put(ref, 1, 10)
      assert Atomics.add_bounded(ref, 1, -1, 0, 5) == {:error, :limit}
      assert Atomics.add_bounded(ref, 1, -5, 0, 5) == {:ok, 5}
    end
  end

  describe "floats" do
    @max 1.7976931348623157e308

    test "take integers, and nothing that is no number" do
      ref = Atomics.new(2, type: :float)
      assert Atomics.get(ref, 1) === 0.0
      assert Atomics.add_get(ref, 1, 3) === 3.0
      assert Atomics.fetch_sub(ref, 1, 0.5) === 3.0
      assert Atomics.compare_exchange(ref, 1, 2, 1) === 2.5
      assert Atomics.max_get(ref, 1, @unsigned_max) === 18_446_744_073_709_551_616.0
      assert Atomics.min_get(ref, 1, @signed_min) === -9_223_372_036_854_775_808.0

      for wrong <- [:nan, :infinity, nil, "1.0", [1.0], @unsigned_max + 1, @signed_min - 1] do
        for f <- [:put, :add, :add_get, :fetch_add, :saturating_add, :min, :fetch_max, :exchange] do
          assert_raise ArgumentError, fn -> apply(Atomics, f, [ref, 1, wrong]) end
        end
      end
    end

    test "have no bits to change" do
      ref = Atomics.new(1, type: :float)

      for f <- [:band, :bor, :bxor, :band_get, :fetch_bor], operand <- [1, 1.0] do
        assert_raise ArgumentError, fn -> apply(Atomics, f, [ref, 1, operand]) end
      end

      assert_raise ArgumentError, fn -> Atomics.update_many(ref, [{1, :bor, 1}]) end
    end

    test "compare bit by bit" do
      ref = Atomics.new(1, type: :float)
      assert bits(Atomics.compare_exchange(ref, 1, -0.0, 1.0)) == bits(0.0)
      Atomics.put(ref, 1, -0.0)
      assert bits(Atomics.compare_exchange(ref, 1, 0.0, 1.0)) == bits(-0.0)
      assert Atomics.compare_exchange(ref, 1, -0.0, 1.0) == :ok
    end

    test "stay finite: what would not be raises and changes nothing, or saturates" do
      for {opts, outcome} <- [{[], :raise}, {[overflow: :saturate], :saturate}],
          sign <- [1, -1] do
        ref = Atomics.new(1, [{:type, :float} | opts])
        Atomics.put(ref, 1, sign * @max)

        for f <- [:add_get, :fetch_add], n <- [sign * @max, sign * 1.0e300] do
          if outcome == :raise do
            assert_raise ArithmeticError, fn -> apply(Atomics, f, [ref, 1, n]) end
          else
            assert apply(Atomics, f, [ref, 1, n]) == sign * @max
          end
        end

        assert Atomics.saturating_add_get(ref, 1, sign * @max) == sign * @max
        assert Atomics.add_bounded(ref, 1, sign * @max, -@max, @max) == {:error, :limit}
        assert Atomics.get(ref, 1) == sign * @max
      end
    end

    test "a sum that is not finite raises" do
      ref = Atomics.new(3, type: :float)
      Atomics.put_many(ref, [{1, @max}, {2, @max}, {3, -@max}])
      assert_raise ArithmeticError, fn -> Atomics.sum(ref) end
      assert Atomics.sum(ref, 2, 2) == 0.0
      assert Atomics.minimum(ref) == -@max
      assert Atomics.maximum(ref) == @max
    end

    test "many items are done up to the one that is too large" do
      ref = Atomics.new(2, type: :float)
      Atomics.put(ref, 2, @max)
      items = [{1, 1}, {1, 2}, {2, @max}, {1, 4}]
      assert_raise ArithmeticError, fn -> Atomics.add_many(ref, items) end
      assert Atomics.to_list(ref) == [3.0, @max]

      long = for(_ <- 1..5000, do: {1, 1}) ++ [{2, @max}] ++ for(_ <- 1..5000, do: {1, 1})
      assert_raise ArithmeticError, fn -> Atomics.add_many(ref, long) end
      assert Atomics.to_list(ref) == [5003.0, @max]
    end

    defp bits(float), do: <<float::float>>
  end

  describe "many cells" do
    test "are got in the order of the indices, however many" do
      ref = Atomics.new(1000)
      for i <- 1..1000, do: Atomics.put(ref, i, -i)
      assert Atomics.get_many(ref, []) == []

      for count <- [1, 2, 255, 256, 257, 511, 512, 513, 10_000] do
        indices = for _ <- 1..count, do: :rand.uniform(1000)
        assert Atomics.get_many(ref, indices) == Enum.map(indices, &(-&1))
      end
    end

    test "are put, added to and updated by lists of any length" do
      for count <- [0, 1, 255, 256, 257, 511, 512, 513, 10_000], opts <- [[], [type: :float]] do
        ref = Atomics.new(10_000, opts)
        assert Atomics.put_many(ref, for(i <- 1..count//1, do: {i, i})) == :ok
        assert Atomics.add_many(ref, for(i <- 1..count//1, do: {i, 2 * i})) == :ok
        assert Atomics.update_many(ref, for(i <- 1..count//1, do: {i, :max, 100})) == :ok

        assert Atomics.to_list(ref, 1, count) ==
                 for(
                   i <- 1..count//1,
                   do: if(opts == [], do: max(100, 3 * i), else: max(100.0, 3.0 * i))
                 )

        assert Atomics.sum(ref, count + 1, 10_000 - count) == 0
      end
    end

    test "one cell, as often as it is there" do
      ref = Atomics.new(1)
      assert Atomics.add_many(ref, List.duplicate({1, 3}, 1000)) == :ok
      assert Atomics.update_many(ref, [{1, :put, 5}, {1, :add, 2}, {1, :bxor, 1}]) == :ok
      assert Atomics.get(ref, 1) == 6
    end

    test "every operation" do
      ref = Atomics.new(8, bits: 8)
      Atomics.fill(ref, 0b0101)

      assert Atomics.update_many(ref, [
               {1, :put, -1},
               {2, :add, 200},
               {3, :saturating_add, 200},
               {4, :min, -3},
               {5, :max, 6},
               {6, :band, 0b0110},
               {7, :bor, 0b0110},
               {8, :bxor, 0b0110}
             ]) == :ok

      assert Atomics.to_list(ref) == [-1, -51, 127, -3, 6, 0b0100, 0b0111, 0b0011]
    end

    test "a wrong item anywhere changes nothing" do
      wrong_pairs = [{0, 1}, {3, 1}, {1, 1 <<< 70}, {1, 1.0}, {1}, {1, 2, 3}, :a, [1, 2], nil]

      wrong_operations =
        [{1, :add}, {1, :div, 1}, {1, "add", 1}, {1, :sub, 1}, {0, :add, 1}, {3, :add, 1}] ++
          [{1, :put, 1 <<< 63}, {1, :add, :a}, {:add, 1, 1}, {1, :bor, 1.0}, 7]

      for length <- [0, 1, 100, 256, 1000],
          {f, good, wrong} <- [
            {:put_many, {1, 1}, wrong_pairs},
            {:add_many, {1, 1}, wrong_pairs},
            {:update_many, {1, :add, 1}, wrong_operations}
          ],
          item <- wrong do
        ref = Atomics.new(2)
        good = List.duplicate(good, length)
        assert_raise ArgumentError, fn -> apply(Atomics, f, [ref, good ++ [item | good]]) end
        assert_raise ArgumentError, fn -> apply(Atomics, f, [ref, good ++ item]) end
        assert Atomics.to_list(ref) == [0, 0]
      end
    end

    test "what is no list of indices is refused" do
      ref = Atomics.new(2)

      for wrong <- [[0], [3], [1.0], [:a], [1 | 2], :a, 1, %{}, {1}, [1 <<< 64]] do
        assert_raise ArgumentError, fn -> Atomics.get_many(ref, wrong) end
      end

      for length <- [255, 256, 1000], wrong <- [[0], [3], :tail] do
        indices = List.duplicate(1, length) ++ wrong
        assert_raise ArgumentError, fn -> Atomics.get_many(ref, indices) end
      end
    end
  end

  describe "ranges" do
    test "sum, minimum, maximum and fill keep to their cells" do
      for opts <- @kinds do
        ref = Atomics.new(10, opts)
        for i <- 1..10, do: Atomics.put(ref, i, i)
        assert Atomics.sum(ref, 3, 4) == 3 + 4 + 5 + 6
        assert Atomics.minimum(ref, 3, 4) == 3
        assert Atomics.maximum(ref, 3, 4) == 6
        assert Atomics.to_list(ref, 3, 4) == Enum.map(3..6, &Atomics.get(ref, &1))
        assert Atomics.fill(ref, 3, 4, 100) == :ok
        assert Enum.map(Atomics.to_list(ref), &trunc/1) == [1, 2, 100, 100, 100, 100, 7, 8, 9, 10]
        assert Atomics.sum(ref) == 437
        assert {Atomics.minimum(ref), Atomics.maximum(ref)} == {1, 100}
      end
    end

    test "the sum of narrow cells does not wrap at their limits" do
      for opts <- [[bits: 8], [bits: 8, signed: false], [bits: 16], [bits: 32, signed: false]] do
        ref = Atomics.new(1000, opts)
        %{min: min, max: max} = Atomics.info(ref)
        Atomics.fill(ref, max)
        assert Atomics.sum(ref) == 1000 * max
        Atomics.fill(ref, min)
        assert Atomics.sum(ref) == 1000 * min
      end
    end

    test "an empty one has a sum, and no minimum" do
      ref = Atomics.new(3)

      for first <- 1..4 do
        assert Atomics.sum(ref, first, 0) == 0
        assert Atomics.sum(Atomics.new(3, type: :float), first, 0) === 0.0
        assert Atomics.fill(ref, first, 0, 9) == :ok
        assert Atomics.to_list(ref, first, 0) == []
        assert Atomics.exchange_all(ref, first, 0, 9) == []
        assert Atomics.snapshot(ref, first, 0) == ""
        assert Atomics.load(ref, first, "") == :ok
        assert_raise ArgumentError, fn -> Atomics.minimum(ref, first, 0) end
        assert_raise ArgumentError, fn -> Atomics.maximum(ref, first, 0) end
      end

      assert Atomics.to_list(ref) == [0, 0, 0]
    end

    test "the stub of exchange_all refuses ranges beyond its bound, and changes nothing" do
      ref = Atomics.new(10_000)

      for {first, last, value, tail} <- [
            {1, 4097, 1, []},
            {0, 5, 1, []},
            {9999, 10_001, 1, []},
            {1, 5, 1.0, []},
            {1, 5, 1, :tail}
          ] do
        assert_raise ArgumentError, fn ->
          :offheap_nif.atomics_exchange_all(ref, first, last, value, tail)
        end
      end

      assert Atomics.sum(ref) == 0
      assert length(:offheap_nif.atomics_exchange_all(ref, 1, 4096, 1, [])) == 4096
    end

    test "those that leave the array are refused, and change nothing" do
      ref = Atomics.new(3)

      for {first, count} <-
            [{0, 0}, {0, 1}, {1, 4}, {4, 1}, {5, 0}, {3, 2}, {1, -1}, {-1, 1}, {1, 1 <<< 64}] ++
              [{1 <<< 64, 0}, {2, (1 <<< 64) - 1}, {1.0, 1}, {1, 1.0}, {:a, 1}, {1, nil}] do
        for f <- [:sum, :minimum, :maximum, :to_list, :snapshot] do
          assert_raise ArgumentError, fn -> apply(Atomics, f, [ref, first, count]) end
        end

        assert_raise ArgumentError, fn -> Atomics.fill(ref, first, count, 1) end
        assert_raise ArgumentError, fn -> Atomics.exchange_all(ref, first, count, 1) end
      end

      assert Atomics.to_list(ref) == [0, 0, 0]
    end

    test "exchange_all at the borders of its chunks" do
      for size <- [1, 4095, 4096, 4097, 8192, 8193] do
        ref = Atomics.new(size)
        for i <- 1..size, do: Atomics.put(ref, i, i)
        assert Atomics.exchange_all(ref, -1) == Enum.to_list(1..size)
        assert Atomics.minimum(ref) == -1
        assert Atomics.maximum(ref) == -1
      end
    end

    test "a million cells of each kind, and padded ones" do
      for opts <- [[], [bits: 8], [type: :float], [bits: 16, layout: :padded]] do
        size = if opts[:layout], do: 100_000, else: 1_000_000
        ref = Atomics.new(size, opts)
        assert Atomics.fill(ref, 3) == :ok
        Atomics.put(ref, size, 7)
        assert Atomics.sum(ref) == 3 * size + 4
        assert Atomics.maximum(ref) == 7
        assert Atomics.minimum(ref) == 3
        assert Atomics.sum(ref, 2, size - 2) == 3 * (size - 2)
      end
    end
  end

  describe "binaries" do
    test "hold the cells in the machine's byte order, without padding" do
      for opts <- @integers, layout <- [:packed, :padded] do
        ref = Atomics.new(3, [{:layout, layout} | opts])
        {min, max} = limits(opts)
        Atomics.put_many(ref, [{1, min}, {2, max}, {3, 1}])
        bits = opts[:bits]
        binary = <<min::native-size(bits), max::native-size(bits), 1::native-size(bits)>>
        assert Atomics.snapshot(ref) == binary
        assert Atomics.snapshot(ref, 2, 1) == <<max::native-size(bits)>>
      end

      ref = Atomics.new(2, type: :float)
      Atomics.put(ref, 2, -1.5)
      assert Atomics.snapshot(ref) == <<0.0::float-native, -1.5::float-native>>
    end

    # Around the sizes where a dirty scheduler takes over.
    test "make the same array again, of any kind and size" do
      for opts <- @kinds,
          layout <- [:packed, :padded],
          size <- [1, 2047, 2048, 2049, 8192, 8193, 65_536, 65_537],
          layout == :packed or size < 10_000 do
        opts = [{:layout, layout} | opts]
        {from, to} = {Atomics.new(size, opts), Atomics.new(size, opts)}
        Atomics.fill(from, 7)
        Atomics.put(from, size, 100)
        binary = Atomics.snapshot(from)
        assert Atomics.load(to, binary) == :ok
        assert Atomics.sum(to) == 7 * (size - 1) + 100
        assert Atomics.get(to, size) == 100
        assert Atomics.snapshot(to) == binary
      end
    end

    test "may be part of another, and start at any bit" do
      for size <- [3, 20_000] do
        cells = for i <- 1..size, into: <<>>, do: <<i::native-16>>
        ref = Atomics.new(size, bits: 16, signed: false)

        for prefix <- [8, 3, 16] do
          <<_::size(prefix), part::binary-size(2 * size), _::binary>> =
            <<0::size(prefix), cells::binary, 0::16>>

          Atomics.fill(ref, 0)
          assert Atomics.load(ref, part) == :ok
          assert Atomics.sum(ref) == div(size * (size + 1), 2)
        end
      end
    end

    test "are added cell by cell, wrapping or saturating, of any size" do
      for opts <- @kinds, size <- [1, 100, 20_000], overflow <- [:default, :saturate] do
        opts = if overflow == :default, do: opts, else: [{:overflow, :saturate} | opts]
        ref = Atomics.new(size, opts)
        max = Atomics.info(ref).max
        Atomics.fill(ref, 5)
        Atomics.put(ref, size, max)
        from = Atomics.new(size, opts)
        Atomics.fill(from, 2)
        Atomics.put(from, size, 1)
        assert Atomics.merge(ref, Atomics.snapshot(from)) == :ok
        assert Atomics.sum(ref, 1, size - 1) == 7 * (size - 1)

        expected =
          if overflow == :default and opts[:type] != :float, do: limits(opts), else: {max, 0}

        assert Atomics.get(ref, size) == elem(expected, 0)
      end
    end

    test "are added up to the float that would not be finite" do
      ref = Atomics.new(3, type: :float)
      Atomics.put(ref, 2, @max)
      binary = <<1.0::float-native, @max::float-native, 1.0::float-native>>
      assert_raise ArithmeticError, fn -> Atomics.merge(ref, binary) end
      assert Atomics.to_list(ref) == [1.0, @max, 0.0]
    end

    test "go to the cells from an index on" do
      ref = Atomics.new(4, bits: 32)
      assert Atomics.load(ref, 2, <<1::native-32, -1::native-32>>) == :ok
      assert Atomics.to_list(ref) == [0, 1, -1, 0]
    end

    test "that do not fit are refused, and change nothing" do
      for size <- [4, 40_000] do
        ref = Atomics.new(size, bits: 32)
        whole = :binary.copy(<<1::32>>, size)

        for {first, binary} <- [
              {1, whole <> <<1>>},
              {1, whole <> <<1::32>>},
              {2, whole},
              {0, whole},
              {size + 1, whole},
              {size + 2, ""},
              {1 <<< 64, whole},
              {-1, whole},
              {1.0, whole},
              {1, binary_part(whole, 0, 4 * size - 1)},
              {1, <<whole::binary, 1::1>>},
              {1, [whole]},
              {1, nil}
            ] do
          assert_raise ArgumentError, fn -> Atomics.load(ref, first, binary) end
          assert_raise ArgumentError, fn -> Atomics.merge(ref, first, binary) end
        end

        for binary <- [binary_part(whole, 0, 4 * size - 4), whole <> <<1::32>>, "", <<1::1>>, :a] do
          assert_raise ArgumentError, fn -> Atomics.load(ref, binary) end
          assert_raise ArgumentError, fn -> Atomics.merge(ref, binary) end
        end

        assert Atomics.sum(ref) == 0
      end
    end

    test "with a float that is not finite are refused, and change nothing" do
      for size <- [3, 3000],
          bad <- [0x7FF <<< 52, 0xFFF <<< 52, 0x7FF8 <<< 48, 0x7FF <<< 52 ||| 1] do
        ref = Atomics.new(size, type: :float)
        binary = :binary.copy(<<1.0::float-native>>, size - 1) <> <<bad::native-64>>
        assert_raise ArgumentError, fn -> Atomics.load(ref, binary) end
        assert_raise ArgumentError, fn -> Atomics.load(ref, 1, binary) end
        assert_raise ArgumentError, fn -> Atomics.merge(ref, binary) end
        assert Atomics.sum(ref) == 0.0
      end
    end

    test "the stubs refuse what a normal scheduler should not load" do
      ref = Atomics.new(100_000, bits: 8)

      for f <- [:atomics_load, :atomics_merge] do
        assert apply(:offheap_nif, f, [ref, 1, :binary.copy("x", 16_384)]) == :ok

        assert_raise ArgumentError, fn ->
          apply(:offheap_nif, f, [ref, 1, :binary.copy("x", 16_385)])
        end
      end
    end
  end

  describe "an index or reference that is wrong" do
    test "is refused by every function" do
      ref = Atomics.new(2)

      one = [{:add_bounded, [1, 0, 5]} | for(f <- @families, do: {f, [1]})]

      for {f, args} <- one, index <- [0, 3, -1, 1 <<< 62, 1 <<< 64, 1.0, :a, nil, "1"] do
        assert_raise ArgumentError, fn -> apply(Atomics, f, [ref, index | args]) end
      end

      assert Atomics.to_list(ref) == [0, 0]

      many =
        [size: [], sum: [], minimum: [], maximum: [], snapshot: [], info: [], fill: [1]] ++
          [sum: [1, 1], minimum: [1, 1], maximum: [1, 1], to_list: [1, 1], snapshot: [1, 1]] ++
          [fill: [1, 1, 1], exchange_all: [1], exchange_all: [1, 1, 1], get_many: [[1]]] ++
          [put_many: [[{1, 1}]], add_many: [[{1, 1}]], update_many: [[{1, :add, 1}]]] ++
          [merge: [<<1::64>>], merge: [1, <<1::64>>]] ++
          [load: [<<1::64>>], load: [1, <<1::64>>], load: [1, :binary.copy(<<1::64>>, 10_000)]]

      for wrong <- [make_ref(), :atomics.new(1, []), self(), 1, :a, nil, []] do
        for {f, args} <- many,
            do: assert_raise(ArgumentError, fn -> apply(Atomics, f, [wrong | args]) end)

        for {f, args} <- one do
          assert_raise ArgumentError, fn -> apply(Atomics, f, [wrong, 1 | args]) end
        end
      end
    end
  end

  describe "long calls let other processes run:" do
    # Were each one call, the process would count few reductions.
    for {name, opts, function, args} <- [
          {"fill", [], :fill, [1]},
          {"maximum", [], :maximum, []},
          {"sum of narrow cells", [bits: 8], :sum, []},
          {"sum of padded cells", [layout: :padded], :sum, []},
          {"put_many", [], :put_many, [{1, 1}]},
          {"update_many", [], :update_many, [{1, :max, 1}]}
        ] do
      test name do
        ref = Atomics.new(10_000_000, unquote(opts))

        args =
          for arg <- unquote(Macro.escape(args)),
              do: if(is_tuple(arg), do: List.duplicate(arg, 200_000), else: arg)

        {:reductions, before} = Process.info(self(), :reductions)
        apply(Atomics, unquote(function), [ref | args])
        {:reductions, later} = Process.info(self(), :reductions)
        assert later - before > 4000
      end
    end

    test "a list whose process is killed is done in part" do
      ref = Atomics.new(2, signed: false)
      items = List.duplicate({1, 1}, 100_000)
      test = self()

      {pid, monitor} =
        spawn_monitor(fn ->
          send(test, :started)
          for _ <- Stream.cycle([1]), do: Atomics.add_many(ref, items)
        end)

      assert_receive :started
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
      done = Atomics.get(ref, 1)
      assert Atomics.add_get(ref, 1, 1) == done + 1
      assert Atomics.get(ref, 2) == 0
    end
  end

  describe "processes at the same cells" do
    @workers 4
    @steps 2000

    defp in_parallel(fun) do
      1..@workers
      |> Enum.map(fn worker -> Task.async(fn -> for i <- 1..@steps, do: fun.(worker, i) end) end)
      |> Task.await_many(:infinity)
    end

    test "lose nothing, whatever the operation and the cell" do
      for opts <- @kinds ++ [[type: :float, layout: :padded], [bits: 8, layout: :padded]] do
        ref = Atomics.new(8, opts)

        in_parallel(fn worker, i ->
          Atomics.add(ref, worker, rem(i, 2) * 2)
          Atomics.sub(ref, worker, rem(i + 1, 2) * 2)
          Atomics.add_many(ref, [{5, 3}, {6, 1}, {5, -3}])
          Atomics.update_many(ref, [{6, :add, -1}, {7, :max, rem(i, 100)}])
          Atomics.saturating_add(ref, 8, 1)
        end)

        saturated = min(@workers * @steps, Atomics.info(ref).max)
        assert Atomics.to_list(ref) == [0, 0, 0, 0, 0, 0, 99, saturated]
      end
    end

    test "fetch_add gives each its own number" do
      for opts <- [[], [bits: 16], [type: :float]] do
        ref = Atomics.new(1, opts)
        numbers = in_parallel(fn _, _ -> Atomics.fetch_add(ref, 1, 1) end) |> List.flatten()

        assert numbers |> Enum.map(&trunc/1) |> Enum.sort() ==
                 Enum.to_list(0..(@workers * @steps - 1))
      end
    end

    test "take no more than a bounded cell has" do
      for opts <- [[], [signed: false, bits: 16], [type: :float]] do
        ref = Atomics.new(1, opts)
        Atomics.put(ref, 1, 3000)

        taken =
          in_parallel(fn _, _ -> Atomics.add_bounded(ref, 1, -1, 0, 3000) end)
          |> List.flatten()
          |> Enum.count(&match?({:ok, _}, &1))

        assert taken == 3000
        assert Atomics.get(ref, 1) == 0
      end
    end

    test "drain cells that others add to, and lose no increment" do
      for opts <- [[], [type: :float], [bits: 16]] do
        ref = Atomics.new(5000, opts)
        test = self()

        drainer =
          spawn_link(fn ->
            drain = fn drain, sum ->
              sum = sum + Enum.sum(Atomics.exchange_all(ref, 0))

              receive do
                :stop -> send(test, {:drained, sum})
              after
                0 -> drain.(drain, sum)
              end
            end

            drain.(drain, 0)
          end)

        in_parallel(fn worker, i -> Atomics.add(ref, rem(i * worker, 5000) + 1, 1) end)
        send(drainer, :stop)
        sum = receive do: ({:drained, sum} -> sum)
        assert sum + Atomics.sum(ref) == @workers * @steps
      end
    end

    test "bits of their own are nobody else's" do
      ref = Atomics.new(1, bits: 8, signed: false)

      in_parallel(fn worker, _ ->
        bit = 1 <<< worker
        assert (Atomics.fetch_bor(ref, 1, bit) &&& bit) == 0
        assert (Atomics.bxor_get(ref, 1, bit) &&& bit) == 0
        assert (Atomics.bor_get(ref, 1, bit) &&& bit) == bit
        assert (Atomics.fetch_band(ref, 1, 255 - bit) &&& bit) == bit
      end)

      assert Atomics.get(ref, 1) == 0
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

  @moduletag :emulator_memory

  import Offheap.Memory

  test "memory goes with the last reference" do
    # Below the size that is mapped from the operating system, cells count as system memory.
    bytes = 200_000
    before = :erlang.memory(:system)
    refs = for _ <- 1..200, do: Offheap.Atomics.new(div(bytes, 8))
    assert :erlang.memory(:system) - before > 150 * bytes
    assert length(refs) == 200

    collect_until(fn -> :erlang.memory(:system) - before < 100 * bytes end)
  end
end
