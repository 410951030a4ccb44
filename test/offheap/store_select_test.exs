defmodule Offheap.StoreSelectTest do
  use ExUnit.Case, async: true
  import Bitwise

  @all [{:_, [], [:"$_"]}]

  defp store(objects, options \\ []) do
    store = :offheap_store.new(:store, [:public | options])
    :offheap_store.insert(store, objects)
    store
  end

  defp numbers(count), do: store(for i <- 1..count, do: {i, {rem(i, 10), :value, i}})

  defp keys(spec, options \\ []) do
    :offheap_nif.store_match_keys(spec, options[:keypos] || 1, options[:by_order] || false)
  end

  describe "which keys can match" do
    test "the head's key, in every clause" do
      assert keys([{{1, :_}, [], [true]}, {{{:a, "b"}, :"$1"}, [], [true]}]) ==
               {:keys, [1, {:a, "b"}]}

      assert keys([{{1, :_}, [], [true]}, {{1, :a}, [], [true]}]) == {:keys, [1]}
      assert keys([{{1, :_}, [], [true]}, {{1.0, :_}, [], [true]}]) == {:keys, [1, 1.0]}

      assert keys([{{1, :_}, [], [true]}, {{1.0, :_}, [], [true]}], by_order: true) in [
               {:keys, [1]},
               {:keys, [1.0]}
             ]

      assert keys([{{:_, 5}, [], [true]}], keypos: 2) == {:keys, [5]}
      assert keys([{{1, :_}, [], [true]}, {:_, [], [true]}]) == :all
      assert keys([{{%{}, :_}, [], [true]}]) == :all
    end

    test "a key that guards compare, in conjunctions" do
      head = {:"$1", :"$2"}

      for guard <- [
            {:"=:=", :"$1", {{:a, 1}}},
            {:"=:=", {:const, {:a, 1}}, :"$1"},
            {:and, {:is_tuple, :"$1"}, {:"=:=", :"$1", {:const, {:a, 1}}}},
            {:andalso, true, {:andalso, {:"=:=", :"$1", {:const, {:a, 1}}}, true}},
            {:"=:=", {:element, 1, :"$_"}, {:const, {:a, 1}}}
          ] do
        assert keys([{head, [guard], [true]}]) == {:keys, [{:a, 1}]}
      end

      assert keys([{head, [{:==, :"$1", :a}], [true]}]) == {:keys, [:a]}
      assert {:keys, two} = keys([{head, [{:==, :"$1", 2}], [true]}])
      assert Enum.sort(two) == [2, 2.0] and Enum.any?(two, &is_float/1)
      assert keys([{head, [{:==, :"$1", 2.5}], [true]}]) == {:keys, [2.5]}
      assert keys([{head, [{:==, :"$1", 2}], [true]}], by_order: true) == {:keys, [2]}
      assert {:range, _, _, _} = keys([{head, [{:==, :"$1", {{1}}}], [true]}])
      assert keys([{head, [{:or, {:"=:=", :"$1", 1}, true}], [true]}]) == :all
      assert keys([{head, [{:"=:=", :"$2", 1}], [true]}]) == :all
    end

    test "no key where no object can be so" do
      assert keys([]) == {:keys, []}
      assert keys([{{:"$1"}, [], [true]}, {:atom, [], [true]}], keypos: 2) == {:keys, []}
    end

    test "ranges and prefixes" do
      guards = [{:>, :"$1", 3}, {:>=, 10, :"$1"}, {:>=, :"$1", 3}]
      spec = [{{:"$1", :_}, guards, [true]}]
      assert keys(spec) == {:range, {:>, 3}, {:"=<", 10}, :_}

      places = for key <- [:a, 3, 3.0, 3.5, 10, 10.0, 11], do: place(spec, key)
      assert places == [1, -1, -1, 0, 0, 0, 1]

      assert keys([{{:"$1", :_}, [{:<, :"$1", 5}], [true]}, {{7, :_}, [], [true]}]) ==
               {:range, :unbound, {:"=<", 7}, :_}

      assert keys([
               {{:"$1", :_}, [{:<, :"$1", 5}], [true]},
               {{:"$1", :_}, [{:>, :"$1", 9}], [true]}
             ]) == :all

      prefix = [{{{:a, 2, :"$1", 4}, :_}, [], [true]}]
      assert keys(prefix) == {:range, :unbound, :unbound, {:a, 2, :"$1", 4}}

      for {key, expected} <- [
            {{:a, 1, 9, 9}, -1},
            {{:a, 2, 0, 0}, 0},
            {{:a, 2, 9, 4}, 0},
            {{:a, 3, 0, 0}, 1},
            {{:b, 0, 0, 0}, 1},
            {{:a, 2, 9}, -1},
            {{:a, 1, 9, 9, 9}, 1},
            {5, -1},
            {[], 1}
          ] do
        assert place(prefix, key) == expected
      end

      list = [{{[1, 2 | :"$1"], :_}, [], [true]}]

      assert for(key <- [[], [1], [1, 2], [1, 2, 9], [1, 3], [2], "b"], do: place(list, key)) ==
               [-1, -1, 0, 0, 1, 1, 1]
    end

    defp place(spec, key), do: :offheap_nif.store_match_place(spec, 1, true, key)
  end

  test "select_plan tells look-ups from walks" do
    store = store([{1, :a}])
    assert :offheap_store.select_plan(store, [{{7, :_}, [], [true]}]) == {:keys, [7]}
    assert :offheap_store.select_plan(store, [{{:"$1", :_}, [{:>, :"$1", 7}], [true]}]) == :scan
    assert_raise ArgumentError, fn -> :offheap_store.select_plan(store, [{:_, [], []}]) end
  end

  test "map patterns as keys match part of the map" do
    store = store([{%{a: 1, b: 2}, :x}, {%{a: 2}, :y}])
    assert :offheap_store.select(store, [{{%{a: 1}, :"$1"}, [], [:"$1"]}]) == [:x]
  end

  test "expressions as map keys, of which some come again" do
    store = store([{1, 1, 2}])
    body = [%{:"$1" => 1, :"$2" => 2, :"$3" => 3}]
    spec = [{{:"$1", :"$2", :"$3"}, [], body}]
    assert [map] = :offheap_store.select(store, spec)
    assert map == %{1 => 2, 2 => 3}
  end

  test "variables that andalso and orelse skip are copied" do
    store = store([{"key", "value"}])
    spec = [{{:"$1", :"$2"}, [], [{{{:andalso, false, :"$2"}, :"$2"}}]}]
    assert :offheap_store.select(store, spec) == [{false, "value"}]
  end

  test "what the library does not compile, the emulator runs" do
    objects = for i <- 1..3000, do: {i, <<i::32>>, 1 <<< 62}
    store = store(objects)
    part = [{{:"$1", :"$2", :_}, [], [{:binary_part, :"$2", 2, 2}]}]
    big = [{{:"$1", :_, :"$2"}, [{:>, {:*, :"$2", :"$1"}, (1 <<< 62) * 2990}], [:"$1"]}]
    expected = Enum.sort(for {i, _, _} <- objects, do: <<i::16>>)
    assert Enum.sort(:offheap_store.select(store, part)) == expected
    assert Enum.sort(:offheap_store.select(store, big)) == Enum.to_list(2991..3000)
    assert chunk_sizes(:offheap_store.select(store, part, 700)) == [700, 700, 700, 700, 200]

    assert :offheap_store.select_count(store, [
             {{:_, :"$1", :_}, [], [{:"=:=", {:binary_part, :"$1", 3, 1}, <<7>>}]}
           ]) == 12

    replacing = [
      {{:"$1", :"$2", :"$3"}, [], [{{:"$1", {:binary_part, :"$2", 2, 2}, {:*, :"$3", 4}}}]}
    ]

    assert :offheap_store.select_replace(store, replacing) == 3000
    assert :offheap_store.lookup(store, 7) == [{7, <<7::16>>, 1 <<< 64}]

    even = [
      {{:"$1", :_, :"$2"}, [{:>, :"$2", 0}],
       [{:"=:=", {:rem, {:+, :"$1", {:*, 2, :"$2"}}, 2}, 0}]}
    ]

    assert :offheap_store.select_delete(store, even) == 1500
    assert Enum.all?(:offheap_store.tab2list(store), &(rem(elem(&1, 0), 2) == 1))
  end

  defp chunk_sizes(:"$end_of_table"), do: []
  defp chunk_sizes({list, next}), do: [length(list) | chunk_sizes(:offheap_store.select(next))]

  test "deep specifications end as ETS's end" do
    store = store([{1, 2}])
    deep = fn depth -> Enum.reduce(1..depth, :"$1", fn _, term -> {:abs, term} end) end
    assert :offheap_store.select(store, [{{:_, :"$1"}, [], [deep.(1000)]}]) == [2]
    pattern = Enum.reduce(1..1000, :_, fn _, term -> {term} end)
    assert :offheap_store.select(store, [{{:_, pattern}, [], [true]}]) == []
    too_deep = [{{:_, :"$1"}, [], [deep.(3_000_000)]}]
    assert_error(:system_limit, fn -> :offheap_store.select(store, too_deep) end)
    long = for i <- 1..3000, do: {{i, :_}, [], [:"$_"]}
    assert :offheap_store.select(store, long) == [{1, 2}]
  end

  defp assert_error(reason, fun) do
    fun.()
    flunk("no error")
  catch
    :error, ^reason -> :ok
  end

  test "bad input" do
    store = store([{1, 2}])

    for bad <- [
          :a,
          [:a],
          [{:_, [], []}],
          [{:_, [:a | :b], [true]}],
          [{:_, [], [:"$1"]}],
          [{:_, []}],
          [{:_, [{:no_such, 1}], [true]}],
          make_ref()
        ],
        function <- [:select, :select_reverse, :select_count, :select_delete, :select_replace] do
      assert_raise ArgumentError, fn -> apply(:offheap_store, function, [store, bad]) end
    end

    for limit <- [0, -1, 1.0, :a, 1 <<< 60] do
      assert_raise ArgumentError, fn -> :offheap_store.select(store, @all, limit) end
    end

    for bad <- [
          [{{:"$1", :"$2"}, [], [{{:"$2", :"$1"}}]}],
          [{{:"$1", :"$2"}, [], [{{1, :"$1"}}]}],
          [{:"$1", [], [:"$1"]}],
          [{{:"$1", :"$2"}, [], [:"$_", :"$_"]}]
        ] do
      assert_raise ArgumentError, fn -> :offheap_store.select_replace(store, bad) end
    end

    for bad <- [:a, {}, {store, make_ref(), 1, 0, []}, {store, make_ref(), 1, 1 <<< 40, []}] do
      assert_raise ArgumentError, fn -> :offheap_store.select(bad) end
    end

    {_, continuation} = :offheap_store.select(numbers(10), @all, 1)

    for {position, value} <- [{0, :a}, {1, :a}, {2, 0}, {3, -1}, {3, :x}, {4, :x}, {4, [1 | :x]}] do
      bad = put_elem(continuation, position, value)
      assert_raise ArgumentError, fn -> :offheap_store.select(bad) |> chunk_sizes() end
    end

    :offheap_store.delete(store)

    for function <- [:select, :select_count, :select_delete, :select_replace] do
      assert_raise ArgumentError, fn -> apply(:offheap_store, function, [store, @all]) end

      assert_raise ArgumentError, fn ->
        apply(:offheap_store, function, [store, [{{5, :_}, [], [:"$_"]}]])
      end
    end
  end

  test "rights" do
    for protection <- [:protected, :private] do
      store = :offheap_store.new(:store, [protection])
      :offheap_store.insert(store, for(i <- 1..10, do: {i}))
      {_, continuation} = :offheap_store.select(store, @all, 2)

      Task.async(fn ->
        assert_raise ArgumentError, fn -> :offheap_store.select_delete(store, @all) end
        assert_raise ArgumentError, fn -> :offheap_store.select_replace(store, @all) end

        if protection == :private do
          assert_raise ArgumentError, fn -> :offheap_store.select(store, @all) end
          assert_raise ArgumentError, fn -> :offheap_store.select(continuation) end
        else
          assert {[_, _], _} = :offheap_store.select(continuation)
        end
      end)
      |> Task.await()

      assert :offheap_store.select_count(store, [{:_, [], [true]}]) == 10
    end
  end

  test "continuations: repair, deletion meanwhile, a table that is gone" do
    store = numbers(5000)
    {first, continuation} = :offheap_store.select(store, @all, 100)
    assert :offheap_store.repair_continuation(continuation, @all) == continuation

    # On another node a reference is nobody's.
    stale = put_elem(continuation, 1, make_ref())
    assert_raise ArgumentError, fn -> :offheap_store.select(stale) end
    repaired = :offheap_store.repair_continuation(stale, @all)

    assert elem(:offheap_store.select(repaired), 0) ==
             elem(:offheap_store.select(continuation), 0)

    assert :offheap_store.repair_continuation(:"$end_of_table", @all) == :"$end_of_table"
    assert_raise ArgumentError, fn -> :offheap_store.repair_continuation(:a, @all) end

    seen = MapSet.new(first, &elem(&1, 0))
    for i <- 1..5000, i not in seen, rem(i, 2) == 0, do: :offheap_store.delete(store, i)

    rest =
      for {results, _} <- all_chunks(:offheap_store.select(continuation)),
          object <- results,
          do: elem(object, 0)

    assert Enum.sort(rest) == for(i <- 1..5000, i not in seen, rem(i, 2) == 1, do: i)

    :offheap_store.delete(store)
    assert_raise ArgumentError, fn -> :offheap_store.select(continuation) end
  end

  defp all_chunks(:"$end_of_table"), do: []
  defp all_chunks({_, next} = chunk), do: [chunk | all_chunks(:offheap_store.select(next))]

  test "a walk over a named table stays with that table" do
    name = :offheap_store.new(:store_select_test, [:named_table, :public])
    for i <- 1..2500, do: :offheap_store.insert(name, {i})
    {first, continuation} = :offheap_store.select(name, @all, 1000)
    :offheap_store.rename(name, :store_select_test_renamed)
    other = :offheap_store.new(name, [:named_table])
    rest = for {results, _} <- all_chunks(:offheap_store.select(continuation)), do: results
    assert Enum.sort(Enum.concat([first | rest])) == for(i <- 1..2500, do: {i})
    assert :offheap_store.select(other, @all) == []
    for table <- [other, :store_select_test_renamed], do: :offheap_store.delete(table)
  end

  test "large objects" do
    large = Enum.to_list(1..20_000)
    store = store(for i <- 1..20, do: {i, large})

    assert :offheap_store.select(store, [{{:"$1", :"$2"}, [{:<, :"$1", 3}], [{:length, :"$2"}]}]) ==
             [20_000, 20_000]

    assert {[{_, ^large}], next} = :offheap_store.select(store, @all, 1)
    assert {[{_, ^large}], _} = :offheap_store.select(next)

    assert :offheap_store.select_replace(store, [
             {{:"$1", :"$2"}, [], [{{:"$1", {:hd, :"$2"}, :"$2"}}]}
           ]) == 20

    assert [{7, 1, ^large}] = :offheap_store.lookup(store, 7)
    assert :offheap_store.select_delete(store, [{{:_, 1, large}, [], [true]}]) == 20
  end

  describe "while others write" do
    test "every object that stays is seen exactly once, growth and deletion or not" do
      store = store(for i <- 1..2000, do: {{:stays, i}, i})

      writer =
        spawn_link(fn ->
          Stream.iterate(1, &(&1 + 1))
          |> Enum.each(fn i ->
            :offheap_store.insert(store, {{:comes, i}, i})
            if i > 20_000, do: :offheap_store.delete(store, {:comes, i - 20_000})
          end)
        end)

      spec = [{{{:stays, :"$1"}, :_}, [], [:"$1"]}]

      for _ <- 1..30 do
        assert Enum.sort(:offheap_store.select(store, spec)) == Enum.to_list(1..2000)
        assert :offheap_store.select_count(store, [{{{:stays, :_}, :_}, [], [true]}]) == 2000
        assert 2000 == Enum.sum(chunk_sizes(:offheap_store.select(store, spec, 333)))
      end

      Process.unlink(writer)
      Process.exit(writer, :kill)
    end

    test "select_delete deletes what it matched, and each object by one caller" do
      store = numbers(20_000)
      spec = [{{:"$1", :_}, [{:"=:=", {:rem, :"$1", 2}, 0}], [true]}]

      deleted =
        for(_ <- 1..4, do: Task.async(fn -> :offheap_store.select_delete(store, spec) end))
        |> Task.await_many()

      assert Enum.sum(deleted) == 10_000
      assert :offheap_store.info(store, :size) == 10_000
    end

    test "select_replace loses no update" do
      store = store(for i <- 1..300, do: {i, 0, "some text"})
      spec = [{{:"$1", :"$2", :"$3"}, [], [{{:"$1", {:+, :"$2", 1}, :"$3"}}]}]

      replacers =
        for _ <- 1..3,
            do:
              Task.async(fn ->
                for _ <- 1..50, do: assert(:offheap_store.select_replace(store, spec) == 300)
              end)

      for _ <- 1..50, i <- 1..300, do: :offheap_store.update_counter(store, i, 1)
      Task.await_many(replacers)
      assert :offheap_store.select_count(store, [{{:_, 200, :_}, [], [true]}]) == 300
    end

    test "a table that is deleted ends the walk" do
      store = numbers(100_000)
      parent = self()

      {pid, monitor} =
        spawn_monitor(fn ->
          send(parent, :walks)
          for _ <- Stream.cycle([1]), do: :offheap_store.select(store, @all)
        end)

      receive do: (:walks -> :offheap_store.delete(store))
      assert_receive {:DOWN, ^monitor, :process, ^pid, {:badarg, _}}, 10_000
    end
  end

  test "what is ETS's own" do
    spec = [{{:"$1", :"$2"}, [], [:"$2"]}]
    compiled = :offheap_store.match_spec_compile(spec)
    assert :offheap_store.is_compiled_ms(compiled)
    refute :offheap_store.is_compiled_ms(spec)
    assert :offheap_store.match_spec_run([{1, 2}, {3}], compiled) == [2]
    assert :offheap_store.test_ms({1, 2}, spec) == {:ok, 2}

    {:value, fun, _} = :erl_eval.exprs(parse("fun({A, B}) when A > 1 -> B end."), [])
    assert :offheap_store.fun2ms(fun) == [{{:"$1", :"$2"}, [{:>, :"$1", 1}], [:"$2"]}]
  end

  defp parse(text) do
    {:ok, tokens, _} = :erl_scan.string(String.to_charlist(text))
    {:ok, expressions} = :erl_parse.parse_exprs(tokens)
    expressions
  end
end
