# offheap_store's select family against ETS, as a plain table and with read_concurrency and write_concurrency:
# auto. Objects are {key, {integer, atom, integer}} unless said otherwise; a walk's time is of the whole
# table.
defmodule Offheap.Bench.Scenarios.StoreSelect do
  use Offheap.Bench

  @peers [{":ets", []}, {":ets read+write", [read_concurrency: true, write_concurrency: :auto]}]
  @sizes [{100_000, "100,000"}, {1_000_000, "1,000,000"}]

  # One object in a hundred.
  @filter [{{:"$1", {:_, :value, :"$2"}}, [{:<, :"$2", 10}], [:"$1"]}]
  @count [{{:_, {:_, :value, :"$1"}}, [{:<, :"$1", 10}], [true]}]
  @all [{:_, [], [:"$_"]}]
  @field [{{:"$1", %{group: 7}}, [], [:"$1"]}]

  def scenarios,
    do: walk_scenarios() ++ key_scenarios() ++ field_scenarios() ++ delete_scenarios()

  # --- Walks: state is {table, size}; one operation is a walk over the whole table ---

  defloop(filter({table, _}, _i), do: :offheap_store.select(table, @filter))
  defloop(ets_filter({table, _}, _i), do: :ets.select(table, @filter))
  defloop(count({table, _}, _i), do: :offheap_store.select_count(table, @count))
  defloop(ets_count({table, _}, _i), do: :ets.select_count(table, @count))
  defloop(all({table, _}, _i), do: :offheap_store.select(table, @all))
  defloop(ets_all({table, _}, _i), do: :ets.select(table, @all))
  defloop(field({table, _}, _i), do: :offheap_store.select(table, @field))
  defloop(ets_field({table, _}, _i), do: :ets.select(table, @field))

  defp walk_scenarios do
    for {size, size_name} <- @sizes,
        {peer, options} <- @peers,
        {op, name} <- [
          filter: "select 1 in 100",
          count: "select_count 1 in 100",
          all: "select all"
        ],
        op != :all or size == 100_000 do
      %{
        component: "store select",
        name: name,
        input: "of #{size_name}",
        peer: peer,
        quick: op == :filter and size == 100_000 and options == [],
        fixture: {:integers, size, peer},
        setup: fn -> tables(size, options, &{&1, {&1, :value, rem(&1 * 7919, 1000)}}) end,
        teardown: &delete_tables/1,
        ours: Function.capture(__MODULE__, op, 2),
        theirs: Function.capture(__MODULE__, :"ets_#{op}", 2)
      }
    end
  end

  defp field_scenarios do
    for {peer, options} <- @peers do
      %{
        component: "store select",
        name: "match a map's field, 1 in 100 of 100,000",
        peer: peer,
        fixture: {:maps, 100_000, peer},
        setup: fn ->
          tables(100_000, options, &{&1, %{name: "user", group: rem(&1 * 7919, 100), at: &1}})
        end,
        teardown: &delete_tables/1,
        ours: &__MODULE__.field/2,
        theirs: &__MODULE__.ets_field/2
      }
    end
  end

  # --- Bound keys ---

  defloop key({table, size}, i) do
    :offheap_store.select(table, [{{rem(i * 7919, size), :"$1"}, [], [:"$1"]}])
  end

  defloop ets_key({table, size}, i) do
    :ets.select(table, [{{rem(i * 7919, size), :"$1"}, [], [:"$1"]}])
  end

  defloop guarded({table, size}, i) do
    :offheap_store.select(table, [
      {{:"$1", :"$2"}, [{:"=:=", :"$1", rem(i * 7919, size)}], [:"$2"]}
    ])
  end

  defloop ets_guarded({table, size}, i) do
    :ets.select(table, [{{:"$1", :"$2"}, [{:"=:=", :"$1", rem(i * 7919, size)}], [:"$2"]}])
  end

  defp key_scenarios do
    for {peer, options} <- @peers,
        {op, name, size} <- [
          {:key, "select by the head's key, 100,000", 100_000},
          {:guarded, "select by a guard's key, 1,000", 1_000}
        ] do
      %{
        component: "store select",
        name: name,
        peer: peer,
        quick: op == :key and options == [],
        fixture: {:integers, size, peer},
        setup: fn -> tables(size, options, &{&1, {&1, :value, rem(&1 * 7919, 1000)}}) end,
        teardown: &delete_tables/1,
        ours: Function.capture(__MODULE__, op, 2),
        theirs: Function.capture(__MODULE__, :"ets_#{op}", 2)
      }
    end
  end

  # --- select_delete: half of a table that is filled before ---

  @half [{{:_, {:"$1", :_, :_}}, [{:"=:=", {:rem, :"$1", 2}, 0}], [true]}]

  defloop(delete({table, size}, _i), do: delete_half(table, size, :offheap_store))
  defloop(ets_delete({table, size}, _i), do: delete_half(table, size, :ets))

  defp delete_half(table, size, module) do
    module.select_delete(table, @half)
    for i <- 0..(size - 1)//2, do: module.insert(table, {i, {i, :value, 1}})
  end

  defp delete_scenarios do
    for {peer, options} <- @peers do
      %{
        component: "store select",
        name: "select_delete half of 100,000 and insert it again",
        peer: peer,
        fixture: {:deleted, 100_000, peer},
        setup: fn -> tables(100_000, options, &{&1, {&1, :value, 1}}) end,
        teardown: &delete_tables/1,
        ours: &__MODULE__.delete/2,
        theirs: &__MODULE__.ets_delete/2
      }
    end
  end

  # --- Tables ---

  defp tables(size, options, object) do
    ours = :offheap_store.new(:bench, [:set, :public])
    theirs = :ets.new(:bench, [:set, :public | options])

    for i <- 0..(size - 1) do
      object = object.(i)
      :offheap_store.insert(ours, object)
      :ets.insert(theirs, object)
    end

    {{ours, size}, {theirs, size}}
  end

  defp delete_tables({{ours, _}, {theirs, _}}) do
    :offheap_store.delete(ours)
    :ets.delete(theirs)
  end
end

Offheap.Bench.Scenarios.StoreSelect.scenarios()
