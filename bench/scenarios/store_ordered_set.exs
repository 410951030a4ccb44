# offheap_store's ordered sets against ETS's: a plain table, and one with write_concurrency, which makes
# it a contention adapting tree. Objects are {key, {integer, atom, integer}}. Keys are drawn in an order
# without pattern, so that a large table does not sit in the processor's cache: 7, {:user, 7} or
# <<"user:", 7::64>>.
defmodule Offheap.Bench.Scenarios.StoreOrderedSet do
  use Offheap.Bench
  import Bitwise

  @peers [
    {":ets ordered_set", []},
    {":ets ordered_set write_concurrency", [write_concurrency: true]}
  ]

  @size 1_000_000
  @range 100

  def scenarios do
    table_scenarios() ++ select_scenarios() ++ ascending_scenarios() ++ memory_scenarios()
  end

  # --- Operations: state is {table, kind of key, where a worker starts} ---

  defloop lookup({table, kind, start}, i) do
    :offheap_store.lookup(table, key(kind, spread(i + start)))
  end

  defloop ets_lookup({table, kind, start}, i) do
    :ets.lookup(table, key(kind, spread(i + start)))
  end

  # Replaces objects that are there.
  defloop insert({table, kind, start}, i) do
    :offheap_store.insert(table, {key(kind, spread(i + start)), {i, :value, i}})
  end

  defloop ets_insert({table, kind, start}, i) do
    :ets.insert(table, {key(kind, spread(i + start)), {i, :value, i}})
  end

  # Two operations: an object goes, and comes again.
  defloop delete_insert({table, kind, start}, i) do
    key = key(kind, spread(i + start))
    :offheap_store.delete(table, key)
    :offheap_store.insert(table, {key, {i, :value, i}})
  end

  defloop ets_delete_insert({table, kind, start}, i) do
    key = key(kind, spread(i + start))
    :ets.delete(table, key)
    :ets.insert(table, {key, {i, :value, i}})
  end

  defloop next({table, kind, start}, i) do
    :offheap_store.next(table, key(kind, spread(i + start)))
  end

  defloop ets_next({table, kind, start}, i) do
    :ets.next(table, key(kind, spread(i + start)))
  end

  defloop range({table, kind, start}, i) do
    n = spread(i + start)
    :offheap_store.range(table, key(kind, n), key(kind, n + @range - 1))
  end

  defloop ets_range({table, kind, start}, i) do
    ets_range_of(table, kind, spread(i + start))
  end

  defp ets_range_of(table, kind, n) do
    {from, to} = {key(kind, n), key(kind, n + @range - 1)}

    case :ets.lookup(table, from) do
      [object] -> [object | ets_range_after(table, :ets.next(table, from), to)]
      [] -> ets_range_after(table, :ets.next(table, from), to)
    end
  end

  defp ets_range_after(table, key, to) when key <= to and key != :"$end_of_table" do
    :ets.lookup(table, key) ++ ets_range_after(table, :ets.next(table, key), to)
  end

  defp ets_range_after(_table, _key, _to), do: []

  # --- Match specifications ---

  defloop select({table, kind, start}, i) do
    :offheap_store.select(table, between(kind, spread(i + start)))
  end

  defloop ets_select({table, kind, start}, i) do
    :ets.select(table, between(kind, spread(i + start)))
  end

  defloop select_reverse({table, kind, start}, i) do
    :offheap_store.select_reverse(table, between(kind, spread(i + start)))
  end

  # What a user of ETS would write: its select goes through the whole table for such a range.
  defloop ets_select_reverse({table, kind, start}, i) do
    Enum.reverse(ets_range_of(table, kind, spread(i + start)))
  end

  defp between(kind, n) do
    {from, to} = {key(kind, n), key(kind, n + @range - 1)}
    [{{:"$1", :_}, [{:>=, :"$1", {:const, from}}, {:"=<", :"$1", {:const, to}}], [:"$_"]}]
  end

  # Keys {group, 0..99}: here ETS's select knows where the group begins and ends.
  defloop select_prefix({table, _, start}, i) do
    :offheap_store.select(table, [{{{div(spread(i + start), 100), :_}, :_}, [], [:"$_"]}])
  end

  defloop ets_select_prefix({table, _, start}, i) do
    :ets.select(table, [{{{div(spread(i + start), 100), :_}, :_}, [], [:"$_"]}])
  end

  defloop select_chunks({table, _, start}, i) do
    spec = [{{{div(spread(i + start), 100), :_}, :_}, [], [:"$_"]}]
    {_, next} = :offheap_store.select(table, spec, 10)
    :offheap_store.select(next)
  end

  defloop ets_select_chunks({table, _, start}, i) do
    spec = [{{{div(spread(i + start), 100), :_}, :_}, [], [:"$_"]}]
    {_, next} = :ets.select(table, spec, 10)
    :ets.select(next)
  end

  # One in a hundred of all objects, by something that only they tell.
  @filter [{{:"$1", {:"$2", :_, :_}}, [{:"=:=", {:rem, :"$2", 100}, 7}], [:"$1"]}]

  defloop(select_filter({table, _, _}, _i), do: :offheap_store.select(table, @filter))
  defloop(ets_select_filter({table, _, _}, _i), do: :ets.select(table, @filter))

  defp key(:int, n), do: n
  defp key(:tuple, n), do: {:user, n}
  defp key(:binary, n), do: <<"user:", n::64>>
  defp key(:group, n), do: {div(n, 100), rem(n, 100)}

  # 0..@size-1, each as often, without a pattern that a cache could use.
  defp spread(i), do: rem(band(i * 0x9E3779B1, 0xFFFFFFF), @size)

  defp table_scenarios do
    for {kind, kind_name} <- [int: "integers", tuple: "tuples", binary: "binaries"],
        {peer, options} <- @peers,
        op <- [:lookup, :next, :range, :insert, :delete_insert] do
      %{
        component: "store",
        name: op_name(op),
        input: "ordered set of 1,000,000 #{kind_name}",
        peer: peer,
        parallel: if(kind == :int, do: :all, else: 1),
        quick: kind == :int and options != [],
        fixture: {:ordered_set, kind, peer},
        setup: fn -> tables(kind, options) end,
        teardown: &delete_tables/1,
        ours: Function.capture(__MODULE__, op, 2) |> by_worker(),
        theirs: Function.capture(__MODULE__, :"ets_#{op}", 2) |> by_worker()
      }
    end
  end

  defp select_scenarios do
    ranges =
      for {kind, kind_name} <- [int: "integers", tuple: "tuples"],
          {peer, options} <- @peers,
          {name, ours, theirs, note} <- [
            {"select of a range of #{@range}", :select, :ets_range, "by next and lookup"},
            {"select_reverse of a range of #{@range}", :select_reverse, :ets_select_reverse,
             "by next and lookup, reversed"}
          ],
          do: select_scenario("#{name}, #{kind_name}", kind, peer, options, ours, theirs, note)

    others =
      for {peer, options} <- @peers,
          {name, kind, op} <- [
            {"select of 100 that begin alike", :group, :select_prefix},
            {"select/3 and select/1, 10 of 100 that begin alike", :group, :select_chunks},
            {"select 1 in 100", :int, :select_filter}
          ],
          do: select_scenario(name, kind, peer, options, op, :"ets_#{op}", nil)

    {peer, options} = hd(@peers)
    name = "select of a range of #{@range}, integers, by the same specification"
    note = "ets:select/2 goes through all objects"
    ranges ++ others ++ [select_scenario(name, :int, peer, options, :select, :ets_select, note)]
  end

  defp select_scenario(name, kind, peer, options, ours, theirs, note) do
    scenario = %{
      component: "store",
      name: "#{name}, ordered set of 1,000,000",
      peer: peer,
      fixture: {:ordered_set, kind, peer},
      setup: fn -> tables(kind, options) end,
      teardown: &delete_tables/1,
      ours: Function.capture(__MODULE__, ours, 2),
      theirs: Function.capture(__MODULE__, theirs, 2)
    }

    if note, do: Map.put(scenario, :note, note), else: scenario
  end

  defp op_name(:range), do: "range of #{@range}"
  defp op_name(:insert), do: "insert (replace)"
  defp op_name(:delete_insert), do: "delete and insert"
  defp op_name(op), do: to_string(op)

  # Workers that counted down together would touch the same keys at the same time.
  defp by_worker(loop) do
    fn {table, kind, _}, n, worker -> loop.({table, kind, worker * 7919}, n) end
  end

  defp tables(kind, options) do
    ours = :offheap_store.new(:bench, [:ordered_set, :public])
    theirs = :ets.new(:bench, [:ordered_set, :public | options])

    # In no order: each number below @size once.
    for i <- 0..(@size - 1)//1 do
      object = {key(kind, rem(i * 7919, @size)), {i, :value, i}}
      :offheap_store.insert(ours, object)
      :ets.insert(theirs, object)
    end

    {{ours, kind, 0}, {theirs, kind, 0}}
  end

  defp delete_tables({{ours, _, _}, {theirs, _, _}}) do
    :offheap_store.delete(ours)
    :ets.delete(theirs)
  end

  # --- From empty: what growing costs, and ascending keys ---

  @fill 100_000

  def ascending_ours(_state, n), do: fill(n, :offheap_store, & &1)
  def ascending_ets(_state, n), do: fill(n, :ets, & &1)
  def scattered_ours(_state, n), do: fill(n, :offheap_store, &rem(&1 * 7919, @fill))
  def scattered_ets(_state, n), do: fill(n, :ets, &rem(&1 * 7919, @fill))

  # n inserts, in tables of at most @fill.
  defp fill(0, _module, _key), do: :ok

  defp fill(n, module, key) do
    count = min(n, @fill)
    table = module.new(:bench, [:ordered_set])
    fill_table(table, count, module, key)
    module.delete(table)
    fill(n - count, module, key)
  end

  defp fill_table(_table, 0, _module, _key), do: :ok

  defp fill_table(table, i, module, key) do
    module.insert(table, {key.(-i), {i, :value, i}})
    fill_table(table, i - 1, module, key)
  end

  defp ascending_scenarios do
    for {name, ours, theirs} <- [
          {"ascending", &__MODULE__.ascending_ours/2, &__MODULE__.ascending_ets/2},
          {"scattered", &__MODULE__.scattered_ours/2, &__MODULE__.scattered_ets/2}
        ] do
      %{
        component: "store",
        name: "insert, ordered set from empty to 100,000 #{name} integers",
        peer: ":ets ordered_set",
        ours: ours,
        theirs: theirs,
        note: "with making and deleting the table"
      }
    end
  end

  # --- Memory ---

  def memory_ours(kind), do: resident(:offheap_store, kind)
  def memory_ets(kind), do: resident(:ets, kind)

  defp resident(module, kind) do
    settle()
    before = rss()
    table = module.new(:bench, [:ordered_set, :public])

    for i <- 0..(@size - 1)//1,
        do: module.insert(table, {key(kind, rem(i * 7919, @size)), {i, :value, i}})

    settle()
    bytes = rss() - before
    # Used once more, so that it is not collected before.
    true = is_list(module.info(table))
    bytes / @size
  end

  # Lets the processes' own garbage and what the tables have retired go.
  defp settle do
    for _ <- 1..3 do
      for pid <- Process.list(), do: :erlang.garbage_collect(pid)
      Process.sleep(100)
    end
  end

  defp rss do
    [_, pages | _] = "/proc/self/statm" |> File.read!() |> String.split()
    String.to_integer(pages) * 4096
  end

  for kind <- [:int, :tuple, :binary] do
    def unquote(:"memory_ours_#{kind}")(), do: memory_ours(unquote(kind))
    def unquote(:"memory_ets_#{kind}")(), do: memory_ets(unquote(kind))
  end

  defp memory_scenarios do
    for {kind, kind_name} <- [int: "integer", tuple: "tuple", binary: "binary"] do
      %{
        component: "store",
        name: "resident memory an entry, ordered set of 1,000,000 #{kind_name} keys",
        peer: ":ets ordered_set",
        kind: :once,
        unit: "B",
        ours: Function.capture(__MODULE__, :"memory_ours_#{kind}", 0),
        theirs: Function.capture(__MODULE__, :"memory_ets_#{kind}", 0)
      }
    end
  end
end

Offheap.Bench.Scenarios.StoreOrderedSet.scenarios()
