defmodule Offheap.IdGeneratorTest do
  use ExUnit.Case, async: true

  import Bitwise
  alias Offheap.IdGenerator

  doctest Offheap.IdGenerator

  @epoch_ms 1_704_067_200_000
  @time_max 1 <<< 53

  describe "ids" do
    test "are positive, rise, and tell the clock's time and the node" do
      gen = IdGenerator.new(200)
      from = System.os_time(:millisecond)
      ids = for _ <- 1..1000, do: IdGenerator.next(gen)
      till = System.os_time(:millisecond)

      assert ids == Enum.sort(ids)
      assert ids == Enum.uniq(ids)
      assert Enum.all?(ids, &(&1 in 1..((1 <<< 59) - 1)))

      for id <- ids do
        assert %{timestamp_ms: time, node: 200, sequence: sequence} = IdGenerator.decode(gen, id)
        # The clock's last tick was a few milliseconds ago, on a machine that is not held up.
        assert time in (from - 1000)..till
        assert sequence in 0..1023
      end
    end

    test "have the default layout that is documented, small integers until September 2093" do
      gen = IdGenerator.new(0xA5)
      {:ok, epoch, 0} = DateTime.from_iso8601("2024-01-01T00:00:00Z")
      assert DateTime.to_unix(epoch, :millisecond) == @epoch_ms
      assert IdGenerator.next(gen, @epoch_ms) == 0xA5 <<< 10
      assert IdGenerator.next(gen, @epoch_ms + 3) == (3 <<< 18 ||| 0xA5 <<< 10)
      assert IdGenerator.next(gen, @epoch_ms + 3) == (3 <<< 18 ||| 0xA5 <<< 10 ||| 1)

      {:ok, september, 0} = DateTime.from_iso8601("2093-09-01T00:00:00Z")
      id = IdGenerator.next(gen, DateTime.to_unix(september, :millisecond))
      assert id < 1 <<< 59
      assert :erts_debug.flat_size(id) == 0
      {:ok, october, 0} = DateTime.from_iso8601("2093-10-01T00:00:00Z")
      id = IdGenerator.next(gen, DateTime.to_unix(october, :millisecond))
      assert id > 1 <<< 59
      assert IdGenerator.decode(gen, id).timestamp_ms == DateTime.to_unix(october, :millisecond)
    end

    test "go on from the last one's time when the clock goes back" do
      gen = IdGenerator.new(1)
      first = IdGenerator.next(gen, @epoch_ms + 5000)
      assert IdGenerator.next(gen, @epoch_ms + 4000) == first + 1
      assert IdGenerator.next_n(gen, 2, @epoch_ms) == [first + 2, first + 3]
      assert IdGenerator.next(gen, 0) == first + 4
      assert IdGenerator.decode(gen, IdGenerator.next(gen, @epoch_ms + 5001)).sequence == 0
    end

    test "are refused when the clock that went back must be waited for" do
      gen = IdGenerator.new(1, sequence_bits: 1)
      assert is_integer(IdGenerator.next(gen, @epoch_ms + 5000))
      assert is_integer(IdGenerator.next(gen, @epoch_ms + 4000))
      assert IdGenerator.next(gen, @epoch_ms + 4000) == {:error, {:exhausted, 1001}}
      assert IdGenerator.next(gen, @epoch_ms + 5000) == {:error, {:exhausted, 1}}
      assert is_integer(IdGenerator.next(gen, @epoch_ms + 5001))
    end

    test "are refused before the epoch" do
      gen = IdGenerator.new(1, epoch_ms: 10_000)
      assert IdGenerator.next(gen, 0) == {:error, {:exhausted, 10_000}}
      assert IdGenerator.next(gen, 9999) == {:error, {:exhausted, 1}}
      assert IdGenerator.next(gen, 10_000) == 1 <<< 10
      future = IdGenerator.new(1, epoch_ms: System.os_time(:millisecond) + 3_600_000)
      assert {:error, {:exhausted, wait_ms}} = IdGenerator.next(future)
      assert wait_ms in 3_500_000..3_600_000
    end

    test "end when the bits for the time are used up" do
      options = [epoch_ms: 0, node_bits: 20, sequence_bits: 4]
      gen = IdGenerator.new(0, options)
      last = (1 <<< 39) - 1
      assert IdGenerator.next(gen, last + 1) == {:error, {:exhausted, :infinity}}
      assert IdGenerator.next(gen, last) == last <<< 24
      assert Enum.count(1..15, fn _ -> is_integer(IdGenerator.next(gen, last)) end) == 15
      assert IdGenerator.next(gen, last) == {:error, {:exhausted, :infinity}}
      assert IdGenerator.next_n(gen, 1, 0) == {:error, {:exhausted, :infinity}}
      assert IdGenerator.next(gen) == {:error, {:exhausted, :infinity}}

      gen = IdGenerator.new((1 <<< 20) - 1, options ++ [exhaustion: :borrow])
      first = last <<< 24 ||| 0xFFFFF0
      assert IdGenerator.next_n(gen, 16, last) == Enum.to_list(first..((1 <<< 63) - 1))
      assert IdGenerator.next(gen, last) == {:error, {:exhausted, :infinity}}
    end
  end

  describe "exhaustion" do
    test ":error refuses what the millisecond has not, and loses nothing" do
      gen = IdGenerator.new(0, node_bits: 0, sequence_bits: 2, epoch_ms: 0)
      assert IdGenerator.next_n(gen, 3, 10) == [40, 41, 42]
      assert IdGenerator.next_n(gen, 2, 10) == {:error, {:exhausted, 1}}
      assert IdGenerator.next(gen, 10) == 43
      assert IdGenerator.next(gen, 10) == {:error, {:exhausted, 1}}
      assert IdGenerator.next_n(gen, 4, 11) == [44, 45, 46, 47]
    end

    test "{:borrow, max_ms} runs ahead of the clock by max_ms" do
      options = [node_bits: 0, sequence_bits: 2, epoch_ms: 0, exhaustion: {:borrow, 5}]
      gen = IdGenerator.new(0, options)
      assert IdGenerator.next_n(gen, 24, 10) == Enum.to_list(40..63)
      assert IdGenerator.next(gen, 10) == {:error, {:exhausted, 1}}
      assert IdGenerator.next_n(gen, 24, 10) == {:error, {:exhausted, 6}}
      assert IdGenerator.next_n(gen, 4, 11) == Enum.to_list(64..67)
      assert IdGenerator.next_n(gen, 24, 17) == Enum.to_list(68..91)
    end

    test "is the default of a second for :borrow" do
      assert IdGenerator.info(IdGenerator.new(0, exhaustion: :borrow)).exhaustion ==
               {:borrow, 1000}

      assert IdGenerator.info(IdGenerator.new(0, exhaustion: {:borrow, 0})).exhaustion == :error
      assert IdGenerator.info(IdGenerator.new(0)).exhaustion == :error
    end

    test "by the system's clock ends after the wait" do
      gen = IdGenerator.new(0, node_bits: 0, sequence_bits: 1)
      assert_refused_and_served(gen, 20)
    end
  end

  describe "no id twice" do
    test "in a million of each of four processes" do
      # The ids of ten minutes at 4,096 a millisecond: more than these processes make meanwhile.
      gen = IdGenerator.new(1, sequence_bits: 12, exhaustion: {:borrow, 600_000})
      assert_unique(gen, 4, fn -> for _ <- 1..1_000_000, do: IdGenerator.next(gen) end, 4_000_000)
    end

    test "in a million of each of four processes, by batches" do
      gen = IdGenerator.new(1, sequence_bits: 12, exhaustion: {:borrow, 600_000})

      make = fn ->
        Enum.flat_map(1..1000, fn i -> IdGenerator.next_n(gen, rem(i, 1999) + 500) end)
      end

      assert_unique(gen, 4, make, 4 * Enum.sum(for i <- 1..1000, do: rem(i, 1999) + 500))
    end

    test "by clocks that differ and go back" do
      gen = IdGenerator.new(1, exhaustion: {:borrow, 600_000})

      make = fn ->
        for i <- 1..50_000,
            now = @epoch_ms + div(i, 10) - rem(i * 7919, 50) + 100,
            id <- IdGenerator.next_n(gen, rem(i, 3) + 1, now),
            do: id
      end

      assert_unique(gen, 4, make, 4 * Enum.sum(for i <- 1..50_000, do: rem(i, 3) + 1))
    end
  end

  describe "next_n" do
    test "at the borders of the chunks in which the list is made" do
      options = [node_bits: 0, sequence_bits: 22, epoch_ms: 0]

      for n <- [1, 2, 1023, 1024, 1025, 2048, 2049, 100_000, 1 <<< 20] do
        gen = IdGenerator.new(0, options)
        assert IdGenerator.next_n(gen, n, 1) == Enum.to_list((1 <<< 22)..((1 <<< 22) + n - 1))
        assert IdGenerator.next(gen, 1) == (1 <<< 22) + n
      end
    end

    test "refuses more than could ever be free at once" do
      gen = IdGenerator.new(0)
      assert IdGenerator.info(gen).batch_max == 1024
      assert length(IdGenerator.next_n(gen, 1024, @epoch_ms)) == 1024

      for n <- [0, -1, 1025, 1 <<< 63, 1 <<< 64, 1.0, :a, nil] do
        assert_raise ArgumentError, fn -> IdGenerator.next_n(gen, n) end
        assert_raise ArgumentError, fn -> IdGenerator.next_n(gen, n, @epoch_ms) end
      end

      big = IdGenerator.new(0, node_bits: 0, sequence_bits: 24, exhaustion: {:borrow, 86_400_000})
      assert IdGenerator.info(big).batch_max == 1 <<< 20
      assert_raise ArgumentError, fn -> IdGenerator.next_n(big, (1 <<< 20) + 1) end
    end

    test "takes several time slices for a long list" do
      gen = IdGenerator.new(0, node_bits: 0, sequence_bits: 20)
      {:reductions, before} = Process.info(self(), :reductions)
      assert length(IdGenerator.next_n(gen, 1 <<< 20, @epoch_ms)) == 1 <<< 20
      {:reductions, later} = Process.info(self(), :reductions)
      assert later - before > 8000
    end
  end

  describe "decode" do
    test "undoes any layout" do
      for {node_bits, sequence_bits} <- [{0, 1}, {0, 24}, {8, 10}, {10, 12}, {23, 1}],
          epoch_ms <- [0, @epoch_ms] do
        node = (1 <<< node_bits) - 1
        layout = [node_bits: node_bits, sequence_bits: sequence_bits, epoch_ms: epoch_ms]
        gen = IdGenerator.new(node, layout)

        for ms <- [0, 1, 1_000_000_000] do
          id = IdGenerator.next(gen, epoch_ms + ms)
          expected = %{timestamp_ms: epoch_ms + ms, node: node, sequence: 0}
          assert IdGenerator.decode(gen, id) == expected
          assert IdGenerator.decode(layout, id) == expected
          assert IdGenerator.decode(gen, IdGenerator.next(gen, epoch_ms + ms)).sequence == 1
        end
      end
    end

    test "of the smallest and the largest id" do
      assert IdGenerator.decode([], 0) == %{timestamp_ms: @epoch_ms, node: 0, sequence: 0}

      assert IdGenerator.decode([], (1 <<< 63) - 1) ==
               %{timestamp_ms: @epoch_ms + (1 <<< 45) - 1, node: 255, sequence: 1023}
    end

    test "refuses what is no id, and what is no layout" do
      for id <- [-1, 1 <<< 63, 1 <<< 64, 1.0, :a, nil, "1"] do
        assert_raise ArgumentError, fn -> IdGenerator.decode([], id) end
      end

      for layout <- [[node_bits: 24], [:node_bits], %{}, make_ref(), nil, :counters.new(1, [])] do
        assert_raise ArgumentError, fn -> IdGenerator.decode(layout, 1) end
      end
    end
  end

  describe "bad input" do
    test "is refused by new" do
      for node <- [-1, 256, 1 <<< 64, 1.0, :a, nil] do
        assert_raise ArgumentError, fn -> IdGenerator.new(node) end
      end

      for options <- [
            [node_bits: -1],
            [node_bits: 15],
            [node_bits: 1 <<< 32],
            [node_bits: 1 <<< 64],
            [node_bits: :a],
            [sequence_bits: 0],
            [sequence_bits: 17],
            [sequence_bits: 25, node_bits: 0],
            [sequence_bits: (1 <<< 32) - 1, node_bits: 2],
            [epoch_ms: -1],
            [epoch_ms: @time_max + 1],
            [epoch_ms: 1 <<< 64],
            [epoch_ms: 1.0],
            [exhaustion: :wait],
            [exhaustion: {:borrow, -1}],
            [exhaustion: {:borrow, 86_400_001}],
            [exhaustion: {:borrow, 1 <<< 64}],
            [exhaustion: {:borrow, :a}],
            [exhaustion: nil],
            [unknown: 1],
            [:exhaustion],
            [{:epoch_ms, 1} | :tail],
            :none,
            %{},
            nil
          ] do
        assert_raise ArgumentError, fn -> IdGenerator.new(0, options) end
      end

      assert %{epoch_ms: 1} = IdGenerator.info(IdGenerator.new(0, epoch_ms: 2, epoch_ms: 1))
      assert %{epoch_ms: @time_max} = IdGenerator.info(IdGenerator.new(0, epoch_ms: @time_max))
    end

    test "is refused as a time, and changes nothing" do
      gen = IdGenerator.new(0)

      for now_ms <- [-1, @time_max + 1, 1 <<< 63, 1 <<< 64, -(1 <<< 64), 1.0, :a, nil] do
        assert_raise ArgumentError, fn -> IdGenerator.next(gen, now_ms) end
        assert_raise ArgumentError, fn -> IdGenerator.next_n(gen, 1, now_ms) end
      end

      assert IdGenerator.next(gen, @time_max) == {:error, {:exhausted, :infinity}}
      assert IdGenerator.next(gen, @epoch_ms) == 0
    end

    test "is refused as a reference by every function" do
      for wrong <- [make_ref(), Offheap.Counter.new(1), :atomics.new(1, []), self(), 1, :a, nil],
          {f, args} <- [next: [], next: [1], next_n: [1], next_n: [1, 1], decode: [1], info: []] do
        assert_raise ArgumentError, fn -> apply(IdGenerator, f, [wrong | args]) end
        assert_raise ArgumentError, fn -> apply(:offheap_id_generator, f, [wrong | args]) end
      end
    end
  end

  describe "life cycle" do
    test "a generator outlives its maker, in a message and in a table" do
      table = :ets.new(:holder, [:public])

      first =
        Task.await(
          Task.async(fn ->
            gen = IdGenerator.new(9)
            :ets.insert(table, {:gen, gen})
            IdGenerator.next(gen)
          end)
        )

      :erlang.garbage_collect()
      [{:gen, gen}] = :ets.lookup(table, :gen)
      assert IdGenerator.next(gen) > first
      assert IdGenerator.info(gen).node == 9
    end

    test "a killed process may leave a list under way" do
      gen = IdGenerator.new(0, node_bits: 0, sequence_bits: 20, exhaustion: {:borrow, 86_400_000})
      test = self()

      {pid, monitor} =
        spawn_monitor(fn ->
          send(test, :started)
          for _ <- Stream.cycle([1]), do: IdGenerator.next_n(gen, 1 <<< 20)
        end)

      assert_receive :started
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
      assert is_integer(IdGenerator.next(gen))
    end

    test "Erlang's functions are Elixir's" do
      gen = :offheap_id_generator.new(3)
      first = :offheap_id_generator.next(gen, @epoch_ms)
      assert first == 3 <<< 10
      assert :offheap_id_generator.next_n(gen, 2, @epoch_ms) == [first + 1, first + 2]
      assert :offheap_id_generator.next(gen) > first + 2
      assert [_, _] = :offheap_id_generator.next_n(gen, 2)
      assert :offheap_id_generator.info(gen) == IdGenerator.info(gen)
      assert :offheap_id_generator.decode(gen, first) == IdGenerator.decode(gen, first)
    end
  end

  # Each process's ids rise; merged, all differ. count is how many there must be.
  defp assert_unique(gen, processes, make, count) do
    lists =
      1..processes
      |> Enum.map(fn _ -> Task.async(make) end)
      |> Task.await_many(:infinity)

    for ids <- lists, do: assert(rises?(ids))
    merged = :lists.merge(lists)
    assert length(merged) == count
    assert rises?(merged)
    assert IdGenerator.decode(gen, List.last(merged)).node == 1
  end

  defp rises?([a, b | rest]) when a < b, do: rises?([b | rest])
  defp rises?([a]) when is_integer(a), do: true
  defp rises?(_), do: false

  # Goes on until that many calls were refused and a later one had its id.
  defp assert_refused_and_served(gen, refusals) do
    case IdGenerator.next(gen) do
      {:error, {:exhausted, wait_ms}} ->
        assert wait_ms >= 1
        assert_refused_and_served(gen, refusals - 1)

      id when refusals > 0 ->
        assert is_integer(id)
        assert_refused_and_served(gen, refusals)

      id ->
        assert is_integer(id)
    end
  end
end
