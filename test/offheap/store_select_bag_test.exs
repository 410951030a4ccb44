defmodule Offheap.StoreSelectBagTest do
  @moduledoc "Selections from bags: of keys with few objects, with many, and with equal ones."
  use ExUnit.Case, async: true
  import Bitwise
  alias :offheap_store, as: Store

  @all [{:_, [], [:"$_"]}]
  @count [{:_, [], [true]}]

  defp store(objects, type \\ :bag) do
    store = Store.new(:store, [type, :public])
    Store.insert(store, objects)
    store
  end

  defp chunks(:"$end_of_table"), do: []
  defp chunks({results, next}), do: [results | chunks(Store.select(next))]

  defp counted(objects), do: objects |> Enum.frequencies() |> Enum.sort()

  # Keys of every form, with 1 to 200 objects.
  defp mixed do
    for key <- [1, :a, "binary", {:user, "name", 7}, 1 <<< 70, [1, 2], 1.5, {%{a: 1}}],
        {count, part} <- [{1, 0}, {5, 1}, {20, 2}, {200, 3}],
        i <- 1..count,
        value <- [i, {i, :value}, %{i => "text"}] |> Enum.take(1 + rem(i, 3)) do
      {{key, part} |> then(&if(part == 3, do: key, else: &1)), value, i}
    end
  end

  test "every object of every key" do
    objects = mixed()

    for type <- [:bag, :duplicate_bag] do
      store = store(objects, type)
      assert counted(Store.select(store, @all)) == counted(objects)
      assert Store.select_count(store, @count) == length(objects)

      assert Store.select(store, [{{:_, :_, 7}, [], [:"$_"]}]) |> counted() ==
               counted(for {_, _, 7} = object <- objects, do: object)

      for limit <- [1, 7, 100, 2000] do
        parts = chunks(Store.select(store, @all, limit))
        assert Enum.all?(Enum.drop(parts, -1), &(length(&1) == limit))
        assert counted(Enum.concat(parts)) == counted(objects)
      end

      for key <- [1, "binary", {:user, "name", 7}, 1 <<< 70, {[1, 2], 2}, {1.5, 1}, :none] do
        of_key = for {^key, _, _} = object <- objects, do: object
        assert counted(Store.select(store, [{{key, :_, :_}, [], [:"$_"]}])) == counted(of_key)
        parts = chunks(Store.select(store, [{{key, :_, :_}, [], [:"$_"]}], 3))
        assert counted(Enum.concat(parts)) == counted(of_key)
      end
    end
  end

  test "one key of 100,000 objects" do
    store = store(for i <- 1..100_000, do: {:key, i, rem(i, 100)})
    assert Store.select_count(store, @count) == 100_000
    found = Store.select(store, [{{:_, :"$1", 7}, [], [:"$1"]}])
    assert Enum.sort(found) == Enum.to_list(7..100_000//100)
    parts = chunks(Store.select(store, [{{:key, :"$1", :_}, [], [:"$1"]}], 3001))
    assert Enum.map(parts, &length/1) == List.duplicate(3001, 33) ++ [967]
    assert Enum.sort(Enum.concat(parts)) == Enum.to_list(1..100_000)
    assert Store.select_delete(store, [{{:_, :_, :"$1"}, [{:>=, :"$1", 50}], [true]}]) == 50_000
    assert Store.info(store, :size) == 50_000
    assert Store.match_delete(store, {:key, :_, :_})
    assert Store.select(store, @all) == []
  end

  test "equal objects each count, and a chunk may end between them" do
    store = store(List.duplicate({:a, 1}, 10_000) ++ [{:a, 2}, {:b, 1}, {:b, 1}], :duplicate_bag)
    assert Store.select_count(store, @count) == 10_003
    assert Store.select(store, [{{:a, 1}, [], [:x]}]) == List.duplicate(:x, 10_000)
    parts = chunks(Store.select(store, @all, 300))
    assert Enum.map(parts, &length/1) == List.duplicate(300, 33) ++ [103]
    assert Enum.concat(parts) |> counted() == [{{:a, 1}, 10_000}, {{:a, 2}, 1}, {{:b, 1}, 2}]

    {first, next} = Store.select(store, [{{:a, 1}, [], [:"$_"]}], 300)
    assert first == List.duplicate({:a, 1}, 300)
    Store.delete_object(store, {:a, 1})
    assert Store.select(next) == :"$end_of_table"
    assert Store.select_delete(store, @count) == 3
  end

  test "what is deleted between chunks does not come, what stays comes once" do
    for count <- [6, 25, 5000] do
      store = store(for i <- 1..count, do: {:key, i})
      {first, next} = Store.select(store, @all, div(count, 3))
      gone = for i <- 1..count//2, {:key, i} not in first, do: {:key, i}
      for object <- gone, do: Store.delete_object(store, object)
      for i <- 1..count, do: Store.insert(store, {:key, {:new, i}})
      rest = Enum.concat(chunks(Store.select(next)))
      old = for {:key, i} = object <- rest, is_integer(i), do: object
      assert Enum.sort(first ++ old) == Enum.sort(for(i <- 1..count, do: {:key, i}) -- gone)
      assert rest == Enum.uniq(rest)
    end
  end

  test "a key that goes and comes again" do
    store = store(for i <- 1..5000, do: {:key, i})
    {_, next} = Store.select(store, @all, 1000)
    Store.delete(store, :key)
    assert Store.select(next) == :"$end_of_table"
    Store.insert(store, for(i <- 1..20, do: {:key, -i}))
    assert Store.select(next) |> chunks() |> Enum.concat() |> Enum.all?(&(elem(&1, 1) < 0))
  end

  test "what the library does not compile, the emulator runs" do
    objects = for i <- 1..3000, do: {rem(i, 2), <<i::32>>, 1 <<< 62}
    part = [{{:_, :"$2", :_}, [], [{:binary_part, :"$2", 2, 2}]}]
    big = [{{:_, :"$1", :"$2"}, [{:>, {:*, :"$2", 2}, 1 <<< 62}], [:"$1"]}]

    for type <- [:bag, :duplicate_bag] do
      store = store(objects, type)
      assert Enum.sort(Store.select(store, part)) == for(i <- 1..3000, do: <<i::16>>)
      assert Enum.sort(Store.select(store, big)) == for(i <- 1..3000, do: <<i::32>>)

      assert Store.select(store, part, 700) |> chunks() |> Enum.map(&length/1) == [
               700,
               700,
               700,
               700,
               200
             ]

      sevens = [{{:_, :"$1", :_}, [], [{:"=:=", {:binary_part, :"$1", 3, 1}, <<7>>}]}]
      assert Store.select_count(store, sevens) == 12
      assert Store.select_delete(store, sevens) == 12
      assert Store.info(store, :size) == 2988
    end

    # Equal ones beyond what the emulator is given at once.
    store = store(List.duplicate({:a, "text"}, 1200) ++ [{:a, "test"}], :duplicate_bag)
    text = [{{:_, :"$1"}, [], [{:"=:=", {:binary_part, :"$1", 2, 1}, "x"}]}]
    assert Store.select_count(store, text) == 1200
    assert Store.select_delete(store, text) == 1200
    assert Store.tab2list(store) == [{:a, "test"}]
  end

  test "large objects and keys" do
    large = Enum.to_list(1..20_000)

    for count <- [3, 12, 50] do
      store = store(for i <- 1..count, key <- [1, {:key, large}], do: {key, large, i})
      lengths = Store.select(store, [{{:_, :"$1", :"$2"}, [{:<, :"$2", 3}], [{:length, :"$1"}]}])
      assert lengths == List.duplicate(20_000, 4)

      assert Store.select(store, [{{:_, :_, :"$1"}, [], [:"$1"]}], 1)
             |> chunks()
             |> Enum.concat()
             |> counted() ==
               for(i <- 1..count, do: {i, 2})

      assert {[{_, ^large, _}, {_, ^large, _}], _} = Store.select(store, @all, 2)
      assert Store.select_delete(store, [{{:_, large, 1}, [], [true]}]) == 2
      assert Store.select_delete(store, [{{{:key, :_}, :_, :_}, [], [true]}]) == count - 1
    end

    # Its size only the external format tells.
    fun = fn -> large end
    store = store([{1, fun}, {1, fun, 2}, {1, 3}])
    assert Store.select_delete(store, [{{1, :"$1"}, [{:is_function, :"$1"}], [true]}]) == 1
    assert counted(Store.tab2list(store)) == counted([{1, fun, 2}, {1, 3}])
  end

  test "bad input" do
    for type <- [:bag, :duplicate_bag] do
      store = store([{1, 2}, {1, 3}, {1, 4}], type)
      assert_raise ArgumentError, fn -> Store.select_replace(store, @all) end
      {_, continuation} = Store.select(store, @all, 1)

      for left <- [
            [:a],
            [{}],
            [{1}],
            [{:a, :b}],
            [{1, -1}],
            [{1, 1 <<< 40}],
            [{:"$_", {1, 2}, 0}],
            [{:"$_", {1, 2}, :a}],
            [{:"$_", :a, 1}],
            [{:"$_", {}, 1}],
            [{:x, {1, 2}, 1}],
            [{1, 0} | :a],
            [{1, 2, 3, 4}]
          ] do
        assert_raise ArgumentError, fn ->
          Store.select(put_elem(continuation, 4, left)) |> chunks()
        end
      end

      Store.delete(store)

      for function <- [:select, :select_count, :select_delete, :select_replace],
          do: assert_raise(ArgumentError, fn -> apply(Store, function, [store, @all]) end)

      assert_raise ArgumentError, fn -> Store.select(continuation) end
    end
  end

  test "rights" do
    store = Store.new(:store, [:bag, :protected])
    Store.insert(store, for(i <- 1..100, do: {:key, i}))

    Task.async(fn ->
      assert Store.select_count(store, @count) == 100
      assert_raise ArgumentError, fn -> Store.select_delete(store, @count) end
    end)
    |> Task.await()
  end

  describe "while others write" do
    test "what stays is seen exactly once, within a key and among keys" do
      stays = for i <- 1..2000, do: {:key, {:stays, i}}
      store = store(stays ++ for(i <- 1..1000, do: {i, {:stays, 0}}))

      writer =
        spawn_link(fn ->
          Stream.iterate(1, &(&1 + 1))
          |> Enum.each(fn i ->
            Store.insert(store, [{:key, {:comes, i}}, {rem(i, 1000), {:comes, i}}])

            if i > 5000 do
              Store.delete_object(store, {:key, {:comes, i - 5000}})
              Store.delete_object(store, {rem(i - 5000, 1000), {:comes, i - 5000}})
            end
          end)
        end)

      spec = [{{:"$1", {:stays, :"$2"}}, [], [{{:"$1", :"$2"}}]}]
      expected = Enum.sort(for(i <- 1..2000, do: {:key, i}) ++ for(i <- 1..1000, do: {i, 0}))

      for _ <- 1..20 do
        assert Enum.sort(Store.select(store, spec)) == expected

        assert Store.select(store, spec, 333) |> chunks() |> Enum.concat() |> Enum.sort() ==
                 expected

        assert Store.select_count(store, [{{:key, {:stays, :_}}, [], [true]}]) == 2000
      end

      Process.unlink(writer)
      Process.exit(writer, :kill)
    end

    test "each object is deleted by one caller" do
      for {type, copies} <- [bag: 1, duplicate_bag: 3] do
        objects = for i <- 1..5000, key <- [:key, i], _ <- 1..copies, do: {key, i}
        store = store(objects, type)
        even = [{{:_, :"$1"}, [{:"=:=", {:rem, :"$1", 2}, 0}], [true]}]

        deleted =
          for(_ <- 1..4, do: Task.async(fn -> Store.select_delete(store, even) end))
          |> Task.await_many()

        assert Enum.sum(deleted) == 5000 * copies
        assert Store.info(store, :size) == 5000 * copies
      end
    end
  end
end
