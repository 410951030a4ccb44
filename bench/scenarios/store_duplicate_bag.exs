# offheap_store's duplicate bags against ETS's, objects {key, integer}: 100,000 keys of three objects, of which two
# are equal. Keys are drawn in an order without pattern.
defmodule Offheap.Bench.Scenarios.StoreDuplicateBag do
  use Offheap.Bench

  @keys 100_000
  @each 3

  # The same loops on both modules.
  defsides do
    @keys 100_000
    @each 3

    defloop(lookup(table, i), do: @module.lookup(table, key(i)))

    defloop insert_delete_object(table, i) do
      object = {key(i), 4}
      @module.insert(table, object)
      @module.delete_object(table, object)
    end

    defloop take_insert(table, i) do
      @module.insert(table, @module.take(table, key(i)))
    end

    # n inserts, in tables of three objects a key.
    def fill(_state, 0), do: :ok

    def fill(state, n) do
      count = min(n, @each * @keys)
      @module.delete(new(count))
      fill(state, n - count)
    end

    def new(count) do
      table = @module.new(:bench, [:duplicate_bag, :public])
      for i <- 1..count//1, do: @module.insert(table, {rem(i, @keys), min(div(i, @keys), 1)})
      table
    end

    defp key(i), do: scatter(i, @keys)
  end

  alias __MODULE__.{Ours, Theirs}

  def scenarios do
    for {name, parallel, ours, theirs} <- [
          {"lookup", :all, &Ours.lookup/2, &Theirs.lookup/2},
          {"insert and delete_object", :all, &Ours.insert_delete_object/2,
           &Theirs.insert_delete_object/2},
          {"take and insert of a list", 1, &Ours.take_insert/2, &Theirs.take_insert/2}
        ] do
      %{
        component: "store duplicate bag",
        name: name,
        input: "100,000 keys of 3 objects",
        peer: ":ets",
        parallel: parallel,
        quick: parallel == :all,
        fixture: :duplicate_bag,
        setup: fn -> {Ours.new(@each * @keys), Theirs.new(@each * @keys)} end,
        teardown: fn {ours, theirs} ->
          :offheap_store.delete(ours)
          :ets.delete(theirs)
        end,
        ours: ours,
        theirs: theirs
      }
    end ++
      [
        %{
          component: "store duplicate bag",
          name: "insert, from empty",
          input: "100,000 keys of 3 objects",
          peer: ":ets",
          ours: &Ours.fill/2,
          theirs: &Theirs.fill/2,
          note: "with making and deleting the table"
        }
      ]
  end
end

Offheap.Bench.Scenarios.StoreDuplicateBag.scenarios()
