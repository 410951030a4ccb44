# offheap_store against ETS, as a plain table, for reading (read_concurrency) and for both
# (read_concurrency, write_concurrency: auto). Objects are {key, {integer, atom, integer}}. Keys are drawn
# in an order without pattern, so that a large table does not sit in the processor's cache. "Integers" and
# "tuples" are the keys: 7, or {:user, <<7::96>>}.
defmodule Offheap.Bench.Scenarios.Store do
  use Offheap.Bench

  @peers [
    {":ets", []},
    {":ets read", [read_concurrency: true]},
    {":ets read+write", [read_concurrency: true, write_concurrency: :auto]}
  ]

  @sizes [{1_000, "1,000"}, {1_000_000, "1,000,000"}]
  @memory_entries 1_000_000

  def scenarios do
    table_scenarios() ++ fill_scenarios() ++ memory_scenarios()
  end

  # --- Operations: state is {table, keys, where a worker starts} ---

  defloop get_int({table, size, start}, i) do
    key = scatter(i + start, size)
    :offheap_store.lookup_element(table, key, 2)
  end

  defloop ets_get_int({table, size, start}, i) do
    key = scatter(i + start, size)
    :ets.lookup_element(table, key, 2)
  end

  defloop put_int({table, size, start}, i) do
    key = scatter(i + start, size)
    :offheap_store.insert(table, {key, {i, :value, i}})
  end

  defloop ets_put_int({table, size, start}, i) do
    key = scatter(i + start, size)
    :ets.insert(table, {key, {i, :value, i}})
  end

  defloop mixed_int({table, size, start}, i) do
    key = scatter(i + start, size)

    if rem(i, 10) == 0,
      do: :offheap_store.insert(table, {key, {i, :value, i}}),
      else: :offheap_store.lookup_element(table, key, 2)
  end

  defloop ets_mixed_int({table, size, start}, i) do
    key = scatter(i + start, size)

    if rem(i, 10) == 0,
      do: :ets.insert(table, {key, {i, :value, i}}),
      else: :ets.lookup_element(table, key, 2)
  end

  defloop get_tuple({table, size, start}, i) do
    key = user(scatter(i + start, size))
    :offheap_store.lookup_element(table, key, 2)
  end

  defloop ets_get_tuple({table, size, start}, i) do
    key = user(scatter(i + start, size))
    :ets.lookup_element(table, key, 2)
  end

  defloop put_tuple({table, size, start}, i) do
    key = user(scatter(i + start, size))
    :offheap_store.insert(table, {key, {i, :value, i}})
  end

  defloop ets_put_tuple({table, size, start}, i) do
    key = user(scatter(i + start, size))
    :ets.insert(table, {key, {i, :value, i}})
  end

  defloop mixed_tuple({table, size, start}, i) do
    key = user(scatter(i + start, size))

    if rem(i, 10) == 0,
      do: :offheap_store.insert(table, {key, {i, :value, i}}),
      else: :offheap_store.lookup_element(table, key, 2)
  end

  defloop ets_mixed_tuple({table, size, start}, i) do
    key = user(scatter(i + start, size))

    if rem(i, 10) == 0,
      do: :ets.insert(table, {key, {i, :value, i}}),
      else: :ets.lookup_element(table, key, 2)
  end

  defp table_scenarios do
    for {kind, kind_name} <- [int: "integers", tuple: "tuples"],
        {size, size_name} <- @sizes,
        {peer, options} <- @peers,
        op <- [:get, :put, :mixed] do
      %{
        component: "store",
        name: op_name(op),
        input: "#{size_name} #{kind_name}",
        peer: peer,
        parallel: :all,
        quick: size == 1_000 and kind == :int,
        fixture: {kind, size, peer},
        setup: fn -> tables(kind, size, options) end,
        teardown: &delete_tables/1,
        ours: Function.capture(__MODULE__, :"#{op}_#{kind}", 2) |> by_worker(),
        theirs: Function.capture(__MODULE__, :"ets_#{op}_#{kind}", 2) |> by_worker()
      }
    end
  end

  defp op_name(:mixed), do: "90 get/10 put"
  defp op_name(op), do: to_string(op)

  # Workers that counted down together would touch the same keys at the same time.
  defp by_worker(loop) do
    fn {table, size, _}, n, worker -> loop.({table, size, worker * 7919}, n) end
  end

  defp tables(kind, size, options) do
    ours = :offheap_store.new(:bench, [:set, :public])
    theirs = :ets.new(:bench, [:set, :public | options])

    for i <- 1..size//1 do
      object = {make_key(kind, i - 1), {i, :value, i}}
      :offheap_store.insert(ours, object)
      :ets.insert(theirs, object)
    end

    {{ours, size, 0}, {theirs, size, 0}}
  end

  defp delete_tables({{ours, _, _}, {theirs, _, _}}) do
    :offheap_store.delete(ours)
    :ets.delete(theirs)
  end

  defp make_key(:int, n), do: n
  defp make_key(:tuple, n), do: user(n)

  defp user(n), do: {:user, <<n::96>>}

  # --- From empty: what growing costs ---

  @fill 100_000

  def fill_ours(_state, n),
    do:
      fill(
        n,
        fn -> :offheap_store.new(:bench, [:set]) end,
        &:offheap_store.insert/2,
        &:offheap_store.delete/1
      )

  def fill_ets(_state, n),
    do: fill(n, fn -> :ets.new(:bench, [:set]) end, &:ets.insert/2, &:ets.delete/1)

  # n inserts, in tables of at most @fill.
  defp fill(0, _new, _insert, _delete), do: :ok

  defp fill(n, new, insert, delete) do
    count = min(n, @fill)
    table = new.()
    fill_table(table, count, insert)
    delete.(table)
    fill(n - count, new, insert, delete)
  end

  defp fill_table(_table, 0, _insert), do: :ok

  defp fill_table(table, i, insert) do
    insert.(table, {i, {i, :value, i}})
    fill_table(table, i - 1, insert)
  end

  defp fill_scenarios do
    [
      %{
        component: "store",
        name: "put, from empty to 100,000 integers",
        peer: ":ets",
        quick: true,
        ours: &__MODULE__.fill_ours/2,
        theirs: &__MODULE__.fill_ets/2,
        note: "with making and deleting the table"
      }
    ]
  end

  # --- Memory ---

  def total_ours, do: per_entry(fn -> :erlang.memory(:total) end, &fill_for_memory/1, :ours)
  def total_ets, do: per_entry(fn -> :erlang.memory(:total) end, &fill_for_memory/1, :ets)
  def rss_ours, do: per_entry(&rss/0, &fill_for_memory/1, :ours)
  def rss_ets, do: per_entry(&rss/0, &fill_for_memory/1, :ets)

  def info_ours,
    do: :offheap_store.info(fill_for_memory(:ours), :memory) * word() / @memory_entries

  def info_ets, do: :ets.info(fill_for_memory(:ets), :memory) * word() / @memory_entries

  defp per_entry(measure, fill, side) do
    settle()
    before = measure.()
    table = fill.(side)
    settle()
    bytes = measure.() - before
    # Used once more, so that it is not collected before.
    true = is_list(info(side, table))
    bytes / @memory_entries
  end

  defp info(:ours, table), do: :offheap_store.info(table)
  defp info(:ets, table), do: :ets.info(table)

  # Lets the processes' own garbage and what the tables have retired go.
  defp settle do
    for _ <- 1..3 do
      for pid <- Process.list(), do: :erlang.garbage_collect(pid)
      Process.sleep(100)
    end
  end

  defp fill_for_memory(:ours) do
    table = :offheap_store.new(:bench, [:set, :public])
    for i <- 1..@memory_entries//1, do: :offheap_store.insert(table, {i, {i, :value, i}})
    table
  end

  defp fill_for_memory(:ets) do
    table = :ets.new(:bench, [:set, :public])
    for i <- 1..@memory_entries//1, do: :ets.insert(table, {i, {i, :value, i}})
    table
  end

  defp rss do
    [_, pages | _] = "/proc/self/statm" |> File.read!() |> String.split()
    String.to_integer(pages) * 4096
  end

  defp word, do: :erlang.system_info(:wordsize)

  defp memory_scenarios do
    for {name, ours, theirs} <- [
          {"resident memory", &__MODULE__.rss_ours/0, &__MODULE__.rss_ets/0},
          {"memory(total)", &__MODULE__.total_ours/0, &__MODULE__.total_ets/0},
          {"info(memory)", &__MODULE__.info_ours/0, &__MODULE__.info_ets/0}
        ] do
      %{
        component: "store",
        name: "#{name} an entry of 1,000,000",
        peer: ":ets",
        quick: name == "info(memory)",
        kind: :once,
        unit: "B",
        ours: ours,
        theirs: theirs
      }
    end
  end
end

Offheap.Bench.Scenarios.Store.scenarios()
