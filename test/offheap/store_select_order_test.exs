defmodule Offheap.StoreSelectOrderTest do
  @moduledoc "Selections from ordered sets: in the order of keys, from bound to bound."
  use ExUnit.Case, async: true
  import Bitwise
  alias :offheap_store, as: Store

  @all [{:_, [], [:"$_"]}]
  @keys [{{:"$1", :_}, [], [:"$1"]}]

  defp store(objects, options \\ []) do
    store = Store.new(:store, [:ordered_set, :public | options])
    Store.insert(store, objects)
    store
  end

  # 1..count, inserted in no order.
  defp numbers(count), do: store(for i <- Enum.shuffle(1..count), do: {i, {rem(i, 10), :value}})

  defp between(guards), do: [{{:"$1", :_}, guards, [:"$1"]}]

  defp chunks(:"$end_of_table"), do: []
  defp chunks({results, next}), do: [results | chunks(Store.select(next))]

  describe "order" do
    test "select ascends, select_reverse descends" do
      store = numbers(5000)
      assert Store.select(store, @keys) == Enum.to_list(1..5000)
      assert Store.select_reverse(store, @keys) == Enum.to_list(5000..1)
      assert Store.match(store, {:"$1", :_}) == for(i <- 1..5000, do: [i])

      assert Store.match_object(store, {:_, {3, :_}}) ==
               for(i <- 3..5000//10, do: {i, {3, :value}})
    end

    test "numbers < atoms < tuples < lists < binaries, integers and floats as they compare" do
      keys = [
        -(1 <<< 70),
        -1.5,
        0,
        0.5,
        1,
        1 <<< 53,
        (1 <<< 64) + 1,
        :a,
        :b,
        {},
        {1, 2},
        {:a, 1},
        %{},
        [],
        [1],
        [1, 2],
        "",
        "a",
        <<1::3>>
      ]

      sorted = Enum.sort(keys)
      store = store(for key <- Enum.shuffle(keys), do: {key, key})
      assert Store.select(store, @keys) == sorted
      assert Store.select_reverse(store, @keys) == Enum.reverse(sorted)

      for {key, i} <- Enum.with_index(sorted) do
        above = [{{:"$1", :_}, [{:>, :"$1", {:const, key}}], [:"$1"]}]
        assert Store.select(store, above) == Enum.drop(sorted, i + 1)
        upto = [{{:"$1", :_}, [{:"=<", :"$1", {:const, key}}], [:"$1"]}]
        assert Store.select_reverse(store, upto) == sorted |> Enum.take(i + 1) |> Enum.reverse()
      end
    end

    test "a list of keys is looked up in order, either way" do
      store = numbers(100)
      spec = for i <- [50, 7, 99, 7, 1000, 3], do: {{i, :_}, [], [:"$_"]}
      found = for i <- [3, 7, 50, 99], do: {i, {rem(i, 10), :value}}
      assert Store.select(store, spec) == found
      assert Store.select_reverse(store, spec) == Enum.reverse(found)
      assert chunks(Store.select(store, spec, 3)) == Enum.chunk_every(found, 3)

      assert chunks(Store.select_reverse(store, spec, 3)) ==
               found |> Enum.reverse() |> Enum.chunk_every(3)

      long = for i <- 5000..1, do: {{i, :_}, [], [i]}
      assert Store.select(store, long) == Enum.to_list(1..100)
      assert Store.select_reverse(store, long) == Enum.to_list(100..1)
    end

    test "what the emulator runs stays in order" do
      store = store(for i <- Enum.shuffle(1..3000), do: {i, <<i::32>>, 1 <<< 62})
      part = [{{:"$1", :"$2", :_}, [], [{:binary_part, :"$2", 2, 2}]}]
      parts = for i <- 1..3000, do: <<i::16>>
      assert Store.select(store, part) == parts
      assert Store.select_reverse(store, part) == Enum.reverse(parts)
      assert chunks(Store.select(store, part, 700)) == Enum.chunk_every(parts, 700)
      reversed = parts |> Enum.reverse() |> Enum.chunk_every(700)
      assert chunks(Store.select_reverse(store, part, 700)) == reversed

      # From some object on only.
      big = [
        {{:"$1", :_, :"$2"}, [{:>, {:*, :"$2", :"$1"}, (1 <<< 62) * 10}, {:<, :"$1", 2000}],
         [:"$1"]}
      ]

      assert Store.select(store, big) == Enum.to_list(11..1999)
      assert Store.select_reverse(store, big) == Enum.to_list(1999..11)
      assert Store.select(store, big, 5) |> chunks() == Enum.chunk_every(11..1999, 5)
    end
  end

  describe "bounds" do
    test "inclusive and exclusive, from either side" do
      store = numbers(3000)

      for {guards, expected} <- [
            {[{:>=, :"$1", 1000}, {:"=<", :"$1", 1100}], 1000..1100},
            {[{:>, :"$1", 1000}, {:<, :"$1", 1100}], 1001..1099},
            {[{:<, 1000, :"$1"}, {:>=, 1100, :"$1"}], 1001..1100},
            {[{:>=, :"$1", 2990}], 2990..3000},
            {[{:<, :"$1", 10}], 1..9},
            {[{:andalso, {:>, :"$1", 999.5}, {:<, :"$1", 1000.5}}], 1000..1000},
            {[{:>, :"$1", 1000.0}, {:"=<", :"$1", 1001.0}], 1001..1001},
            {[{:>, :"$1", 10}, {:<, :"$1", 10}], []},
            {[{:>, :"$1", 5000}], []},
            {[{:<, :"$1", -5}], []},
            {[{:>, :"$1", :atom}], []}
          ] do
        spec = between(guards)
        assert Store.select(store, spec) == Enum.to_list(expected)
        assert Store.select_reverse(store, spec) == Enum.reverse(expected)
        assert Store.select_count(store, [{{:"$1", :_}, guards, [true]}]) == Enum.count(expected)

        for limit <- [1, 7, 100, 101, 102] do
          assert Store.select(store, spec, limit) |> chunks() == Enum.chunk_every(expected, limit)
          reversed = expected |> Enum.reverse() |> Enum.chunk_every(limit)
          assert Store.select_reverse(store, spec, limit) |> chunks() == reversed
        end
      end
    end

    test "1 and 1.0 are one key, and a head's key is that of =:=" do
      store = store([{1.0, :a}, {2, :b}])
      assert Store.select(store, between([{:==, :"$1", 1}])) == [1.0]
      assert Store.select(store, between([{:"=:=", :"$1", 1}])) == []
      assert Store.select(store, between([{:>=, :"$1", 1}, {:"=<", :"$1", 2.0}])) == [1.0, 2]
      assert Store.select(store, between([{:>, :"$1", 1}])) == [2]
      assert Store.select(store, [{{1, :_}, [], [true]}]) == []
      assert Store.select(store, [{{1.0, :_}, [], [true]}]) == [true]
      assert Store.select_delete(store, [{{:"$1", :_}, [{:==, :"$1", 2.0}], [true]}]) == 1
    end

    test "keys that begin with something" do
      keys =
        for user <- 1..40,
            i <- 1..50,
            key <- [{:user, user, i}, {:user, <<user>>, i}, [user, :x, i]],
            do: key

      long =
        for name <- ["one", "two"],
            i <- 1..500,
            do: {{"a long beginning of a key, number " <> name, i}, i}

      keys =
        keys ++
          long ++
          [0, :user, {:user, 20}, {:user, 20, 1, 1}, {:user, 20.0, 1.0}, {:user, 20, :a}, "user"]

      store = store(for key <- Enum.shuffle(keys), do: {key, 1})

      for pattern <- [
            {:user, 20, :_},
            {:user, 20.0, :"$1"},
            {:user, <<20>>, :_},
            {:user, :_, 7},
            {:user, :_},
            {:_, 20, :_},
            [20 | :_],
            [20, :x | :_],
            [20, :x, :_],
            {{"a long beginning of a key, number two", :_}, :_},
            {{"a long beginning of a key, number ", :_}, :_}
          ] do
        spec = [{{pattern, :_}, [], [{:element, 1, :"$_"}]}]
        expected = Enum.filter(Store.select(store, @keys), &matches?(&1, pattern))
        assert Store.select(store, spec) == expected
        assert Store.select_reverse(store, spec) == Enum.reverse(expected)
        assert Store.select(store, spec, 10) |> chunks() |> Enum.concat() == expected
      end
    end

    defp matches?(key, pattern),
      do:
        :ets.match_spec_run([{key}], :ets.match_spec_compile([{{pattern}, [], [true]}])) == [true]

    test "only what lies between them is looked at" do
      store = store(for i <- 1..20_000, do: {i, i})
      {_, before} = Process.info(self(), :reductions)
      spec = between([{:>, :"$1", 10_000}, {:<, :"$1", 10_010}])
      for _ <- 1..100, do: Store.select(store, spec)
      {_, few} = Process.info(self(), :reductions)
      for _ <- 1..100, do: Store.select(store, [{{:"$1", {:"$1"}}, [], [true]}])
      {_, many} = Process.info(self(), :reductions)
      assert (few - before) * 10 < many - few
    end

    test "select_plan shows them" do
      store = store([{1, :a}])

      assert Store.select_plan(store, between([{:>, :"$1", 7}, {:"=<", :"$1", 9.0}])) ==
               {:range, {:>, 7}, {:"=<", 9.0}, :_}

      assert Store.select_plan(store, [{{{:a, :"$1"}, :_}, [], [true]}]) ==
               {:range, :unbound, :unbound, {:a, :"$1"}}

      assert Store.select_plan(store, between([{:==, :"$1", 7}])) == {:keys, [7]}
      assert Store.select_plan(store, @all) == :scan
    end
  end

  describe "limits and continuations" do
    test "a full chunk is followed by one more question, as in ETS" do
      store = numbers(10)
      assert {[_, _, _, _, _, _, _, _, _, _], next} = Store.select(store, @all, 10)
      assert Store.select(next) == :"$end_of_table"
      assert {list, :"$end_of_table"} = Store.select(store, @all, 11)
      assert length(list) == 10
      assert {[{7, _}], :"$end_of_table"} = Store.select(store, [{{7, :_}, [], [:"$_"]}], 1)

      assert Store.select(store, [{{:"$1", :_}, [{:>, :"$1", 10}], [true]}], 1) ==
               :"$end_of_table"

      assert Store.select(Store.new(:s, [:ordered_set]), @all, 1) == :"$end_of_table"
      assert Store.select_reverse(Store.new(:s, [:ordered_set]), @all) == []
    end

    test "go on behind the last key, whether it is there or not" do
      store = numbers(1000)
      {_, up} = Store.select(store, @keys, 100)
      {_, down} = Store.select_reverse(store, @keys, 100)
      for i <- [99, 100, 101, 102, 899, 900, 901, 902], do: Store.delete(store, i)
      Store.insert(store, [{100.5, :new}, {99.5, :new}, {900.5, :new}, {901.5, :new}])
      assert {[100.5, 103, 104], _} = Store.select(with_limit(up, 3))
      assert {[900.5, 898, 897], _} = Store.select_reverse(with_limit(down, 3))
      # The continuation is the same for who asks twice.
      assert Store.select(up) == Store.select(up)
    end

    defp with_limit(continuation, limit), do: put_elem(continuation, 2, limit)

    test "repair" do
      store = numbers(100)
      {_, continuation} = Store.select_reverse(store, @keys, 10)
      assert Store.repair_continuation(continuation, @keys) == continuation
      repaired = Store.repair_continuation(put_elem(continuation, 1, make_ref()), @keys)
      assert Store.select(repaired) |> elem(0) == Enum.to_list(90..81)
    end

    test "bad ones" do
      store = numbers(10)
      {_, continuation} = Store.select(store, @all, 1)

      for position <- [1, -1, :a, {}, {1, 2}, [1, 2], [1 | 2], 1.0] do
        assert_raise ArgumentError, fn -> Store.select(put_elem(continuation, 3, position)) end
      end

      assert Store.select(put_elem(continuation, 3, :done)) == :"$end_of_table"
    end
  end

  describe "writes" do
    test "select_delete and match_delete take what lies between the bounds" do
      store = numbers(10_000)
      spec = [{{:"$1", :_}, [{:>, :"$1", 100}, {:"=<", :"$1", 9000}], [true]}]
      assert Store.select_delete(store, spec) == 8900
      assert Store.select(store, @keys) == Enum.to_list(1..100) ++ Enum.to_list(9001..10_000)
      assert Store.match_delete(store, {:_, {3, :_}})
      assert Store.info(store, :size) == 990
    end

    test "select_replace keeps the key, as it looks" do
      store = store([{1.0, 1}, {2, 2}, {3, 3}])
      spec = [{{:"$1", :"$2"}, [{:<, :"$1", 3}], [{{:"$1", {:*, :"$2", 10}}}]}]
      assert Store.select_replace(store, spec) == 2
      assert Store.tab2list(store) === [{1.0, 10}, {2, 20}, {3, 3}]

      assert_raise ArgumentError, fn ->
        Store.select_replace(store, [{{:"$1", :"$2"}, [], [{{:"$2", :"$1"}}]}])
      end
    end
  end

  test "large objects and keys" do
    large = Enum.to_list(1..20_000)

    keys = [
      1,
      {:key, large},
      [2 | large],
      String.duplicate("b", 100_000),
      String.duplicate("b", 100_001)
    ]

    store = store(for key <- Enum.shuffle(keys), do: {key, large})
    assert Store.select(store, @keys) == keys

    assert Store.select_reverse(store, @keys, 2) |> chunks() ==
             keys |> Enum.reverse() |> Enum.chunk_every(2)

    assert Store.select(store, @all, 1) |> chunks() == for(key <- keys, do: [{key, large}])
    above = [{{:"$1", :_}, [{:>, :"$1", {:const, {:key, large}}}], [:"$1"]}]
    assert Store.select(store, above) == Enum.drop(keys, 2)
    assert Store.select(store, [{{{:key, :"$1"}, :_}, [], [{:hd, :"$1"}]}]) == [1]
    assert Store.select_delete(store, put_elem(hd(above), 2, [true]) |> List.wrap()) == 3
  end

  test "rights" do
    for protection <- [:protected, :private] do
      store = Store.new(:store, [:ordered_set, protection])
      Store.insert(store, for(i <- 1..10, do: {i, i}))
      {_, continuation} = Store.select(store, @all, 2)

      Task.async(fn ->
        assert_raise ArgumentError, fn -> Store.select_delete(store, @all) end
        assert_raise ArgumentError, fn -> Store.select_replace(store, @all) end

        if protection == :private do
          for function <- [:select, :select_reverse, :select_count],
              do: assert_raise(ArgumentError, fn -> apply(Store, function, [store, @all]) end)

          assert_raise ArgumentError, fn -> Store.select(continuation) end
        else
          assert {[{3, _}, {4, _}], _} = Store.select(continuation)
        end
      end)
      |> Task.await()
    end
  end

  describe "while others write" do
    test "what stays is seen exactly once and in order, either way" do
      store = store(for i <- 1..2000, do: {{i, :stays}, i})

      writer =
        spawn_link(fn ->
          Stream.iterate(1, &(&1 + 1))
          |> Enum.each(fn i ->
            key = rem(i * 7919, 2000)
            Store.insert(store, {{key, i}, i})
            if i > 20_000, do: Store.delete(store, {rem((i - 20_000) * 7919, 2000), i - 20_000})
          end)
        end)

      spec = [{{{:"$1", :stays}, :_}, [], [:"$1"]}]

      half = [
        {{{:"$1", :stays}, :_}, [{:>, {:element, 1, :"$_"}, {:const, {1000, :z}}}], [:"$1"]}
      ]

      for _ <- 1..20 do
        assert Store.select(store, spec) == Enum.to_list(1..2000)
        assert Store.select_reverse(store, spec) == Enum.to_list(2000..1)
        assert Store.select(store, half) == Enum.to_list(1001..2000)

        assert Store.select(store, spec, 333) |> chunks() |> Enum.concat() ==
                 Enum.to_list(1..2000)

        assert Store.select_count(store, [{{{:_, :stays}, :_}, [], [true]}]) == 2000
      end

      Process.unlink(writer)
      Process.exit(writer, :kill)
    end

    test "each object is deleted by one caller, and no update is lost" do
      store = store(for i <- 1..20_000, do: {i, 0})
      even = [{{:"$1", :_}, [{:"=:=", {:rem, :"$1", 2}, 0}], [true]}]

      deleted =
        for(_ <- 1..4, do: Task.async(fn -> Store.select_delete(store, even) end))
        |> Task.await_many()

      assert Enum.sum(deleted) == 10_000
      add = [{{:"$1", :"$2"}, [{:<, :"$1", 600}], [{{:"$1", {:+, :"$2", 1}}}]}]

      replacers =
        for _ <- 1..3,
            do:
              Task.async(fn ->
                for _ <- 1..50, do: assert(Store.select_replace(store, add) == 300)
              end)

      for _ <- 1..50, i <- 1..599//2, do: Store.update_counter(store, i, 1)
      Task.await_many(replacers)
      assert Store.select_count(store, [{{:_, 200}, [], [true]}]) == 300
    end

    test "a table that is deleted ends the walk" do
      store = numbers(50_000)
      parent = self()

      {pid, monitor} =
        spawn_monitor(fn ->
          send(parent, :walks)
          for _ <- Stream.cycle([1]), do: Store.select_reverse(store, @all)
        end)

      receive do: (:walks -> Store.delete(store))
      assert_receive {:DOWN, ^monitor, :process, ^pid, {:badarg, _}}, 10_000
    end
  end
end
