# The other operations of offheap_store's sets against ETS's, on 100,000 objects {key, integer}: one call
# each, unless the name says two. Keys are drawn in an order without pattern.
defmodule Offheap.Bench.Scenarios.StoreSet do
  use Offheap.Bench

  @size 100_000
  @list 100

  # The same loops on both modules.
  defsides do
    @size 100_000
    @list 100

    defloop(lookup(table, i), do: @module.lookup(table, key(i)))
    defloop(miss(table, i), do: @module.lookup(table, {key(i), :none}))
    defloop(member(table, i), do: @module.member(table, key(i)))
    defloop(update_counter(table, i), do: @module.update_counter(table, key(i), 1))
    defloop(one_counter(table, _i), do: @module.update_counter(table, 0, 1))
    defloop(update_element(table, i), do: @module.update_element(table, key(i), {2, i}))
    defloop(tab2list(table, _i), do: @module.tab2list(table))
    defloop(foldl(table, _i), do: @module.foldl(&(elem(&1, 1) + &2), 0, table))

    defloop insert_new_delete(table, i) do
      @module.insert_new(table, {@size + key(i), i})
      @module.delete(table, @size + key(i))
    end

    defloop take_insert(table, i) do
      key = key(i)
      @module.take(table, key)
      @module.insert(table, {key, i})
    end

    defloop insert_list(table, i) do
      first = key(i)
      @module.insert(table, for(n <- 1..@list, do: {rem(first + n, @size), i}))
    end

    defp key(i), do: scatter(i, @size)
  end

  alias __MODULE__.{Ours, Theirs}

  # --- What ETS has under another name ---

  defloop(fetch(table, i), do: {:ok, _} = :offheap_store.fetch(table, rem(i, @size)))

  defloop ets_fetch(table, i) do
    {:ok, _} =
      case :ets.lookup(table, rem(i, @size)) do
        [object] -> {:ok, elem(object, 1)}
        [] -> :error
      end
  end

  defloop replace(table, i) do
    key = rem(i, @size)
    [old] = :offheap_store.lookup(table, key)
    true = :offheap_store.replace(table, old, {key, i})
  end

  defloop ets_replace(table, i) do
    key = rem(i, @size)
    [old] = :ets.lookup(table, key)
    1 = :ets.select_replace(table, [{old, [], [{{key, i}}]}])
  end

  # --- The rows ---

  @quick ["lookup", "update_counter, one key", "insert of a list of #{@list}"]

  def scenarios do
    for {peer, options} <- [
          {":ets", []},
          {":ets read+write", [read_concurrency: true, write_concurrency: :auto]}
        ],
        {name, parallel, ours, theirs} <- rows(),
        options == [] or parallel == :all do
      %{
        component: "store set",
        name: name,
        input: "100,000 integers",
        peer: peer,
        parallel: parallel,
        quick: options != [] and name in @quick,
        fixture: {:set, peer},
        setup: fn -> {table(:offheap_store, []), table(:ets, options)} end,
        teardown: fn {ours, theirs} ->
          :offheap_store.delete(ours)
          :ets.delete(theirs)
        end,
        ours: ours,
        theirs: theirs
      }
    end
  end

  defp rows do
    [
      {"lookup", :all, &Ours.lookup/2, &Theirs.lookup/2},
      {"lookup of what is not there", 1, &Ours.miss/2, &Theirs.miss/2},
      {"member", 1, &Ours.member/2, &Theirs.member/2},
      {"fetch", 1, &__MODULE__.fetch/2, &__MODULE__.ets_fetch/2},
      {"update_counter", 1, &Ours.update_counter/2, &Theirs.update_counter/2},
      {"update_counter, one key", :all, &Ours.one_counter/2, &Theirs.one_counter/2},
      {"update_element", 1, &Ours.update_element/2, &Theirs.update_element/2},
      {"lookup and compare-and-swap", 1, &__MODULE__.replace/2, &__MODULE__.ets_replace/2},
      {"insert_new and delete", 1, &Ours.insert_new_delete/2, &Theirs.insert_new_delete/2},
      {"take and insert", 1, &Ours.take_insert/2, &Theirs.take_insert/2},
      {"insert of a list of #{@list}", :all, &Ours.insert_list/2, &Theirs.insert_list/2},
      {"tab2list", 1, &Ours.tab2list/2, &Theirs.tab2list/2},
      {"foldl", 1, &Ours.foldl/2, &Theirs.foldl/2}
    ]
  end

  defp table(module, options) do
    table = module.new(:bench, [:set, :public | options])
    for i <- 0..(@size - 1), do: module.insert(table, {i, i})
    table
  end
end

Offheap.Bench.Scenarios.StoreSet.scenarios()
