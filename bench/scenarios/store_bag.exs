# offheap_store's bags against ETS's, and traversals of sets key by key. Objects are {key, integer}. Keys and
# objects are drawn in an order without pattern.
defmodule Offheap.Bench.Scenarios.StoreBag do
  use Offheap.Bench
  import Bitwise

  @large 100_000
  @keys 100_000
  @each 3
  @walked 1_000_000

  def scenarios, do: large_scenarios() ++ small_scenarios() ++ walks() ++ memory()

  # --- One key of 100,000 objects: state is the table ---

  # An object comes and goes, so that the key keeps its size.
  defloop turn(table, i) do
    object = {:k, @large + rem(i, 1000)}
    :offheap_store.insert(table, object)
    :offheap_store.delete_object(table, object)
  end

  defloop ets_turn(table, i) do
    object = {:k, @large + rem(i, 1000)}
    :ets.insert(table, object)
    :ets.delete_object(table, object)
  end

  # One that is there already: nothing changes.
  defloop(again(table, i), do: :offheap_store.insert(table, {:k, spread(i, @large)}))
  defloop(ets_again(table, i), do: :ets.insert(table, {:k, spread(i, @large)}))

  # Each deleted object is inserted again, at the end.
  defloop delete(table, i) do
    object = {:k, spread(i, @large)}
    :offheap_store.delete_object(table, object)
    :offheap_store.insert(table, object)
  end

  defloop ets_delete(table, i) do
    object = {:k, spread(i, @large)}
    :ets.delete_object(table, object)
    :ets.insert(table, object)
  end

  defloop(lookup(table, _i), do: :offheap_store.lookup(table, :k))
  defloop(ets_lookup(table, _i), do: :ets.lookup(table, :k))

  # One object in a hundred, by something that only the objects tell.
  @filter [{{:_, :"$1"}, [{:"=:=", {:rem, :"$1", 100}, 7}], [true]}]

  defloop(count(table, _i), do: :offheap_store.select_count(table, @filter))
  defloop(ets_count(table, _i), do: :ets.select_count(table, @filter))

  defp large_scenarios do
    for {name, ours, theirs} <- [
          {"insert a new object and delete_object it", &__MODULE__.turn/2,
           &__MODULE__.ets_turn/2},
          {"insert an object that is there", &__MODULE__.again/2, &__MODULE__.ets_again/2},
          {"delete_object of any and insert it again", &__MODULE__.delete/2,
           &__MODULE__.ets_delete/2},
          {"lookup of all", &__MODULE__.lookup/2, &__MODULE__.ets_lookup/2},
          {"select_count 1 in 100", &__MODULE__.count/2, &__MODULE__.ets_count/2}
        ] do
      %{
        component: "store bag",
        name: "one key of 100,000 objects: #{name}",
        peer: ":ets",
        fixture: :large,
        setup: &large_tables/0,
        teardown: &delete_tables/1,
        ours: ours,
        theirs: theirs
      }
    end
  end

  defp large_tables do
    ours = :offheap_store.new(:bench, [:bag, :public])
    theirs = :ets.new(:bench, [:bag, :public])
    objects = for i <- 0..(@large - 1)//1, do: {:k, i}
    for object <- objects, do: :offheap_store.insert(ours, object)
    for object <- objects, do: :ets.insert(theirs, object)
    {ours, theirs}
  end

  # --- 100,000 keys of three objects ---

  defloop(small_lookup(table, i), do: :offheap_store.lookup(table, spread(i, @keys)))
  defloop(ets_small_lookup(table, i), do: :ets.lookup(table, spread(i, @keys)))

  defloop small_turn(table, i) do
    object = {spread(i, @keys), 4}
    :offheap_store.insert(table, object)
    :offheap_store.delete_object(table, object)
  end

  defloop ets_small_turn(table, i) do
    object = {spread(i, @keys), 4}
    :ets.insert(table, object)
    :ets.delete_object(table, object)
  end

  def small_fill(_state, n), do: fill_some(:offheap_store, n)
  def ets_small_fill(_state, n), do: fill_some(:ets, n)

  # n inserts, in tables of three objects a key.
  defp fill_some(_module, 0), do: :ok

  defp fill_some(module, n) do
    count = min(n, @each * @keys)
    table = module.new(:bench, [:bag, :public])
    fill(module, table, count)
    module.delete(table)
    fill_some(module, n - count)
  end

  defp fill(_module, _table, 0), do: :ok

  defp fill(module, table, i) do
    module.insert(table, {rem(i, @keys), i})
    fill(module, table, i - 1)
  end

  defp small_scenarios do
    lookups =
      for {name, ours, theirs} <- [
            {"lookup", &__MODULE__.small_lookup/2, &__MODULE__.ets_small_lookup/2},
            {"insert a fourth and delete_object it", &__MODULE__.small_turn/2,
             &__MODULE__.ets_small_turn/2},
            {"select_count 1 in 100", &__MODULE__.count/2, &__MODULE__.ets_count/2}
          ] do
        %{
          component: "store bag",
          name: "100,000 keys of 3 objects: #{name}",
          peer: ":ets",
          quick: true,
          fixture: :small,
          setup: &small_tables/0,
          teardown: &delete_tables/1,
          ours: ours,
          theirs: theirs
        }
      end

    [
      %{
        component: "store bag",
        name: "100,000 keys of 3 objects: insert, from empty",
        peer: ":ets",
        ours: &__MODULE__.small_fill/2,
        theirs: &__MODULE__.ets_small_fill/2,
        note: "with making and deleting the table"
      }
      | lookups
    ]
  end

  defp small_tables do
    {small_table(:offheap_store), small_table(:ets)}
  end

  defp small_table(module) do
    table = module.new(:bench, [:bag, :public])
    fill(module, table, @each * @keys)
    table
  end

  defp delete_tables({ours, theirs}) do
    :offheap_store.delete(ours)
    :ets.delete(theirs)
  end

  # 0..size-1, each as often, without a pattern that a cache could use.
  defp spread(i, size), do: rem(band(i * 0x9E3779B1, 0xFFFFFFF), size)

  # --- Traversal of a set: state is {table, first key} ---

  def walk({table, first}, n), do: walk(table, first, first, n)
  defp walk(_table, _first, _key, 0), do: :ok
  defp walk(table, first, :"$end_of_table", n), do: walk(table, first, first, n)
  defp walk(table, first, key, n), do: walk(table, first, :offheap_store.next(table, key), n - 1)

  def ets_walk({table, first}, n), do: ets_walk(table, first, first, n)
  defp ets_walk(_table, _first, _key, 0), do: :ok
  defp ets_walk(table, first, :"$end_of_table", n), do: ets_walk(table, first, first, n)
  defp ets_walk(table, first, key, n), do: ets_walk(table, first, :ets.next(table, key), n - 1)

  defp walks do
    for {kind, key} <- [{"integers", & &1}, {"tuples", &{:user, <<&1::96>>}}],
        {size, size_name} <- [{1000, "1,000"}, {@walked, "1,000,000"}] do
      %{
        component: "store traversal",
        name: "next",
        input: "#{size_name} #{kind}",
        peer: ":ets",
        quick: size == 1000,
        setup: fn -> {set(:offheap_store, size, key), set(:ets, size, key)} end,
        teardown: fn {{ours, _}, {theirs, _}} -> delete_tables({ours, theirs}) end,
        ours: &__MODULE__.walk/2,
        theirs: &__MODULE__.ets_walk/2
      }
    end
  end

  defp set(module, size, key) do
    table = module.new(:bench, [:set, :public])
    for i <- 1..size//1, do: module.insert(table, {key.(i), {i, :value, i}})
    {table, module.first(table)}
  end

  # --- Memory: what info says, an object ---

  def large_ours, do: bytes(:offheap_store, large_table(:offheap_store), @large)
  # ETS's as a duplicate bag, whose objects take as much: filling the bag takes a minute.
  def large_ets, do: bytes(:ets, large_table(:ets), @large)
  def small_ours, do: bytes(:offheap_store, small_table(:offheap_store), @each * @keys)
  def small_ets, do: bytes(:ets, small_table(:ets), @each * @keys)

  defp large_table(module) do
    type = if module == :ets, do: :duplicate_bag, else: :bag
    table = module.new(:bench, [type, :public])
    for i <- 1..@large//1, do: module.insert(table, {:k, i})
    table
  end

  defp bytes(module, table, objects),
    do: module.info(table, :memory) * :erlang.system_info(:wordsize) / objects

  defp memory do
    for {name, ours, theirs} <- [
          {"one key of 100,000 objects", &__MODULE__.large_ours/0, &__MODULE__.large_ets/0},
          {"100,000 keys of 3 objects", &__MODULE__.small_ours/0, &__MODULE__.small_ets/0}
        ] do
      %{
        component: "store bag",
        name: "#{name}: info(memory) an object",
        peer: ":ets",
        kind: :once,
        unit: "B",
        ours: ours,
        theirs: theirs
      }
    end
  end
end

Offheap.Bench.Scenarios.StoreBag.scenarios()
