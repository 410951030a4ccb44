defmodule Offheap.StoreOrderedSetTest do
  @moduledoc "What is particular to ordered sets; what all stores do is asked of them by the properties."
  use ExUnit.Case, async: true

  alias Offheap.Store

  @end_of_table :"$end_of_table"

  defp new(objects \\ [], options \\ []) do
    store = Store.new(:ordered, [:ordered_set, :public | options])
    Store.insert(store, objects)
    store
  end

  defp numbers(range), do: for(i <- range, do: {i, i})

  test "1 and 1.0 are one key, and an insert replaces the key, too" do
    store = new([{1, :a}])
    assert [{1, :a}] = Store.lookup(store, 1.0)
    Store.insert(store, {1.0, :b})
    assert [{key, :b}] = Store.to_list(store)
    assert is_float(key)
    refute Store.insert_new(store, {1, :c})
    assert Store.update_counter(Store.put(store, 1, 5) && store, 1.0, 1) == 6
    assert [{1, 6}] === Store.to_list(store)
    assert Store.delete(store, 1.0)
    assert Store.to_list(store) == []
  end

  test "tuples that are equal by their elements are one key" do
    store = new([{{:a, 1}, :x}])
    assert Store.member?(store, {:a, 1.0})
    Store.insert(store, {{:a, 1.0}, :y})
    assert [{{:a, 1.0}, :y}] === Store.to_list(store)
    assert Store.take(store, {:a, 1}) === [{{:a, 1.0}, :y}]
  end

  test "an empty table has neither first nor last" do
    store = new()

    for function <- [:first, :last, :first_lookup, :last_lookup] do
      assert apply(Store, function, [store]) == @end_of_table
    end

    for function <- [:next, :prev, :next_lookup, :prev_lookup] do
      assert apply(Store, function, [store, 1]) == @end_of_table
    end

    assert Store.rank(store, 1) == 0
    assert Store.nth(store, 0) == []
    assert Store.slice(store, 0, 10) == []
    assert Store.range(store, 1, 2) == []
  end

  test "ranges and slices of thousands are given whole and in order" do
    store = new(numbers(1..5000))
    assert Store.range(store, 1, 5000) == numbers(1..5000)
    assert Store.range(store, 100.5, 3100.5) == numbers(101..3100)
    assert Store.range(store, 1, 5000, 1500) == numbers(1..1500)
    assert Store.range(store, 1, 5000, 500) == numbers(1..500)
    assert Store.range(store, 1, 500) == numbers(1..500)
    assert Store.range(store, 1, 5000, 0) == []
    assert Store.range(store, 3, 2) == []
    assert Store.slice(store, 1000, 3000) == numbers(1001..4000)
    assert Store.slice(store, 4990, 3000) == numbers(4991..5000)
    assert Store.slice(store, 5000, 1) == []
    assert Store.slice(store, 0, 0) == []
  end

  test "ranges go by the key's position" do
    store = new(for(i <- 1..1200, do: {:x, i}), keypos: 2)
    assert Store.range(store, 2, 1199) == for(i <- 2..1199, do: {:x, i})
  end

  test "ranks stay exact while the table grows and shrinks" do
    store = new()
    for i <- Enum.shuffle(1..20_000), do: Store.insert(store, {i, i})
    for i <- 1..20_000//997, do: assert(Store.rank(store, i) == i - 1)
    for i <- Enum.shuffle(1..20_000), rem(i, 10) != 0, do: Store.delete(store, i)
    for i <- 1..2000//97, do: assert(Store.nth(store, i - 1) == [{10 * i, 10 * i}])
    assert Store.rank(store, :atoms_come_after_numbers) == 2000
    Store.insert(store, {0, 0})
    assert Store.rank(store, 10) == 1
  end

  test "large objects and keys come back whole" do
    large = Enum.to_list(1..20_000)
    big = :binary.copy("x", 100_000)
    store = new([{1, large}, {big, big}, {large, 2}, {2, :small}])
    assert Store.first_lookup(store) == {1, [{1, large}]}
    assert Store.next(store, 2) == large
    assert Store.next_lookup(store, large) == {big, [{big, big}]}
    assert Store.prev_lookup(store, 2) == {1, [{1, large}]}
    assert Store.range(store, 0, [:zzz]) == [{1, large}, {2, :small}, {large, 2}]
    assert Store.nth(store, 0) == [{1, large}]
    assert Store.rank(store, big) == 3
    assert Store.to_list(store) == [{1, large}, {2, :small}, {large, 2}, {big, big}]
    assert Store.info(store, :large_objects) == 3
  end

  test "what only ordered sets can is refused for others, and for what is no table" do
    set = Store.new(:set)
    gone = new()
    Store.delete(gone)

    for store <- [set, gone, make_ref(), :ets.new(:e, [:ordered_set]), :a, 1],
        {function, args} <- [
          first: [],
          last: [],
          next: [1],
          prev: [1],
          first_lookup: [],
          last_lookup: [],
          next_lookup: [1],
          prev_lookup: [1],
          rank: [1],
          nth: [0],
          slice: [0, 1],
          slice: [0, 0],
          range: [1, 2],
          range: [1, 2, 3]
        ],
        # Steps are for all types.
        store != set or function in [:rank, :nth, :slice, :range] do
      assert_raise ArgumentError, fn -> apply(Store, function, [store | args]) end
    end
  end

  test "bad numbers are refused" do
    store = new(numbers(1..10))

    for {function, args} <- [
          nth: [-1],
          nth: [1.0],
          nth: [:a],
          slice: [-1, 1],
          slice: [0, -1],
          slice: [0, :a],
          slice: [0, 1.0],
          slice: [1 |> Bitwise.bsl(70), 1],
          range: [1, 2, -1],
          range: [1, 2, 1.5]
        ] do
      assert_raise ArgumentError, fn -> apply(Store, function, [store | args]) end
    end

    assert Store.nth(store, Bitwise.bsl(1, 64) - 1) == []
  end

  test "the stubs refuse what the API would not give them" do
    store = new(numbers(1..10))

    for args <- [
          [:rank, :a, [], 1],
          [:rank, 1, [], 513],
          [:from, 1, [], -1],
          [:no_mode, 1, [], 1],
          [:after, 1, [], :infinity]
        ] do
      assert_raise ArgumentError, fn -> apply(:offheap_nif, :store_range, [store | args]) end
    end

    assert_raise ArgumentError, fn -> :offheap_nif.store_scan(store, 0, :no_list) end
    assert_raise ArgumentError, fn -> :offheap_nif.store_scan(store, -1, []) end
    assert_raise ArgumentError, fn -> :offheap_nif.store_scan(store, :first, []) end
  end

  test "a scan goes in order, from either end" do
    store = new(numbers(1..3000))
    assert scan(store, :start) == numbers(1..3000)
    assert {[{1, 1} | _], position} = :offheap_store.scan(store, :start)
    Store.delete(store, 600)
    assert [{601, 601} | _] = scan(store, position) |> Enum.drop_while(&(elem(&1, 0) < 600))
    assert Store.to_list(store) == numbers(1..3000) -- [{600, 600}]
  end

  defp scan(store, position) do
    case :offheap_store.scan(store, position) do
      {objects, :done} -> objects
      {objects, next} -> objects ++ scan(store, next)
    end
  end

  test "a named table, files and queries keep the order" do
    name = :"ordered_#{System.unique_integer([:positive])}"
    ^name = Store.new(name, [:ordered_set, :named_table, :public])
    Store.insert(name, numbers(1..1500))
    assert {Store.first(name), Store.next(name, 1), Store.rank(name, 10)} == {1, 2, 9}
    assert Store.range(name, 1, 1500) == numbers(1..1500)
    path = Path.join(System.tmp_dir!(), "#{name}")
    :ok = Store.tab2file(name, path)
    Store.delete(name)
    assert {:ok, ^name} = Store.file2tab(path)
    File.rm!(path)
    assert Store.info(name, :type) == :ordered_set
    assert Store.to_list(name) == numbers(1..1500)
    query = :qlc.string_to_handle(~c"[X || {X, _} <- T, X > 1498].", [], T: Store.table(name))
    assert :qlc.eval(query) == [1499, 1500]
    assert Store.replace(name, {7, 7}, {7, 8}) and Store.remove(name, {7, 8})
    refute Store.remove(name, {8.0, 8})
    assert Store.slice(name, 5, 2) == [{6, 6}, {8, 8}]
    Store.delete(name)
  end

  test "the registry lists ordered sets" do
    title = :"listed_#{System.unique_integer([:positive])}"
    store = Store.new(title, [:ordered_set])
    Store.insert(store, numbers(1..2000))
    {name, generation} = listed(0, title)
    {:done, 2000, bytes} = :offheap_nif.registry_stats(:stores, name, generation, 0)
    assert div(bytes, :erlang.system_info(:wordsize)) == Store.info(store, :memory)
    Store.delete(store)
    assert :offheap_nif.registry_stats(:stores, name, generation, 0) == :gone
  end

  defp listed(from, title) do
    {next, tables} = :offheap_nif.registry_list(:stores, from)

    case List.keyfind(tables, title, 2) do
      {name, generation, ^title} -> {name, generation}
      nil -> listed(next, title)
    end
  end

  test "errors say what is wrong" do
    set = Store.new(:set)

    assert %{general: text} = explain(fn -> Store.nth(set, 0) end)
    assert text =~ "ordered set"
    gone = new()
    Store.delete(gone)
    assert %{1 => text} = explain(fn -> Store.first(gone) end)
    assert text =~ "does not refer to an existing"
  end

  defp explain(fun) do
    fun.()
  rescue
    ArgumentError -> :offheap_store_errors.format_error(:badarg, __STACKTRACE__)
  end

  test "private and protected hold for steps and ranges" do
    private = Store.new(:private, [:ordered_set, :private])
    Store.insert(private, {1, 1})

    Task.async(fn ->
      for {function, args} <- [first: [], next: [0], rank: [1], nth: [0], range: [1, 2]] do
        assert_raise ArgumentError, fn -> apply(Store, function, [private | args]) end
      end
    end)
    |> Task.await()

    assert Store.first(private) == 1
  end

  test "the table goes with its owner" do
    {owner, monitor} =
      spawn_monitor(fn ->
        store = new(numbers(1..3000))
        receive do: ({:give, to} -> send(to, {:store, store}))
        receive do: (:stop -> :ok)
      end)

    send(owner, {:give, self()})
    assert_receive {:store, store}
    assert Store.first(store) == 1
    send(owner, :stop)
    assert_receive {:DOWN, ^monitor, :process, ^owner, _}
    # The owner's end may be told to the table a little later than to us.
    assert gone?(store)
  end

  defp gone?(store) do
    Store.info(store) == :undefined or (:erlang.yield() && gone?(store))
  end

  test "a list is one change: no reader sees half of it" do
    store = new(for(i <- 1..2000, do: {i, 0}))

    writer =
      Task.async(fn ->
        for round <- 1..60, do: Store.insert(store, for(i <- 1..2000//37, do: {i, round}))
      end)

    reader =
      Task.async(fn ->
        for _ <- 1..3000, reduce: 0 do
          last ->
            first = Store.lookup_element(store, 1, 2)
            other = Store.lookup_element(store, 1 + 37 * 53, 2)
            assert first >= last and other >= first
            other
        end
      end)

    Task.await_many([writer, reader], 60_000)
    assert Store.lookup_element(store, 1, 2) == 60
  end

  # Keys that are there throughout are multiples of 10.
  test "traversals give what stays, once and in order, while all else comes and goes" do
    store = new(for(i <- 0..20_000//10, do: {i, i}))

    churn =
      for seed <- 1..2 do
        Task.async(fn ->
          for round <- 1..4, i <- Enum.shuffle(1..20_000), rem(i, 10) == seed do
            if rem(round, 2) == 1, do: Store.insert(store, {i, i}), else: Store.delete(store, i)
          end
        end)
      end

    walks = [
      fn -> walk(store, Store.first(store), &Store.next/2) end,
      fn -> store |> walk(Store.last(store), &Store.prev/2) |> Enum.reverse() end,
      fn -> for {i, i} <- Store.to_list(store), do: i end,
      fn -> for {i, i} <- Store.range(store, 0, 20_000), do: i end
    ]

    for _ <- 1..5, walk <- walks do
      keys = walk.()
      assert keys == Enum.sort(keys) |> Enum.dedup()
      assert for(i <- keys, rem(i, 10) == 0, do: i) == Enum.to_list(0..20_000//10)
    end

    Task.await_many(churn, 60_000)
    assert Store.to_list(store) == for(i <- 0..20_000//10, do: {i, i})
  end

  defp walk(_store, @end_of_table, _step), do: []
  defp walk(store, key, step), do: [key | walk(store, step.(store, key), step)]

  test "a traversal goes on from a key that is deleted under it" do
    store = new(numbers(1..3000))

    keys =
      Stream.unfold(Store.first(store), fn
        @end_of_table ->
          nil

        key ->
          Store.delete(store, key)
          {key, Store.next(store, key)}
      end)

    assert Enum.to_list(keys) == Enum.to_list(1..3000)
    assert Store.info(store, :size) == 0
  end

  test "counters of several processes add up" do
    store = new([{:hits, 0}])

    1..4
    |> Enum.map(fn i ->
      Task.async(fn ->
        for n <- 1..2000 do
          Store.update_counter(store, :hits, 1)
          Store.insert(store, {{i, n}, n})
        end
      end)
    end)
    |> Task.await_many(60_000)

    assert Store.lookup(store, :hits) == [{:hits, 8000}]
    assert Store.info(store, :size) == 8001
    assert Store.info(store, :type) == :ordered_set
  end
end
