defmodule Offheap.Reload do
  @moduledoc """
  What happens to handles while `:offheap_nif` is loaded again. Each function is a scenario that
  raises when something is wrong; `run/1` starts an emulator of its own for one, since the tests
  beside it use the library too.
  """

  alias Offheap.{Atomics, Buffer, Counter, Histogram, IdGenerator, Pool}

  @doc "Runs the scenario in a new emulator; returns `{output, exit_status}`."
  def run(scenario) do
    eval =
      "try 'Elixir.Offheap.Reload':#{scenario}(), io:format(\"done~n\"), halt(0) " <>
        "catch C:R:S -> io:format(\"~p~n\", [{C, R, S}]), halt(1) end."

    paths = Enum.flat_map([:offheap, :elixir], &["-pa", Application.app_dir(&1, "ebin")])

    System.cmd("erl", ["-noshell", "-eval", eval | paths],
      stderr_to_stdout: true,
      env: [{"ERL_CRASH_DUMP_SECONDS", "0"}]
    )
  end

  @doc "The same library file, again and again; old code purged at once."
  def same_file do
    handles = make_handles()

    for _ <- 1..10 do
      reload()
      true = purge()
      use_handles(handles)
      use_handles(make_handles())
      :erlang.garbage_collect()
    end

    use_handles(handles)
  end

  @doc "A copy of the library at another path, as a new release has it, and back again."
  def copied_file do
    handles = make_handles()

    in_copies(6, fn library ->
      load(library)
      use_handles(handles)
      true = purge()
      use_handles(handles)
      use_handles(make_handles())
      :erlang.garbage_collect()
    end)

    use_handles(handles)
  end

  @doc "Handles made by each version, used by and dropped under the last."
  def handles_of_all_versions do
    test = self()

    in_copies(4, fn library ->
      load(library)

      spawn_link(fn ->
        handles = make_handles()
        send(test, {:made, self()})
        receive do: (:use -> use_handles(handles))
        send(test, {:used, self()})
      end)

      true = purge()
    end)

    pids = for _ <- 1..4, do: receive(do: ({:made, pid} -> pid))
    for pid <- pids, do: send(pid, :use)
    for pid <- pids, do: receive(do: ({:used, ^pid} -> :ok))
    :erlang.garbage_collect()
    use_handles(make_handles())
  end

  @doc "Processes work on shared handles while versions come and go."
  def under_load do
    handles = make_handles()
    counter = :counters.new(1, [])

    workers =
      for _ <- 1..2 do
        spawn_monitor(fn -> work(handles, counter) end)
      end

    in_copies(8, fn library ->
      before = :counters.get(counter, 1)
      load(library)
      await(fn -> :counters.get(counter, 1) > before + 20 end)
      await(fn -> :code.soft_purge(:offheap_nif) end)
    end)

    for {pid, _} <- workers, do: send(pid, :stop)

    for {pid, monitor} <- workers,
        do: receive(do: ({:DOWN, ^monitor, :process, ^pid, :normal} -> :ok))

    use_handles(handles)
  end

  @doc "A sum that yields goes on in the code it began in, and ends right."
  def during_a_yielding_call do
    size = 50_000_000
    ref = Atomics.new(size)
    Atomics.put(ref, size, 7)
    test = self()

    pid =
      spawn_link(fn ->
        send(test, :started)
        send(test, {:sum, Atomics.sum(ref)})
      end)

    receive do: (:started -> :ok)
    in_copies(1, &load/1)
    receive do: ({:sum, 7} -> :ok)
    monitor = Process.monitor(pid)
    receive do: ({:DOWN, ^monitor, _, _, _} -> :ok)
    true = purge()
    7 = Atomics.sum(ref)
  end

  @doc "A library that cannot be loaded leaves the one that is there at work."
  def failing_load do
    handles = make_handles()
    Application.put_env(:offheap, :nif_library, String.to_charlist("/nonexistent/offheap_nif"))
    {:module, code, file} = object_code()
    {:error, :on_load_failure} = :code.load_binary(:offheap_nif, file, code)
    use_handles(handles)
    Application.delete_env(:offheap, :nif_library)
    reload()
    true = purge()
    use_handles(handles)
  end

  @doc "The module deleted and loaded anew: old handles are refused or work, and never crash."
  def deleted_and_loaded do
    handles = make_handles()
    true = :code.delete(:offheap_nif)
    true = purge()
    {:module, :offheap_nif} = :code.ensure_loaded(:offheap_nif)

    try do
      use_handles(handles)
    rescue
      ArgumentError -> :ok
    end

    :erlang.garbage_collect()
    use_handles(make_handles())
  end

  # Handles of every kind, holding something that use_handles/1 looks for.
  defp make_handles do
    %{
      atomics: make_atomics(),
      store: make_store(),
      bag: make_bag(),
      ordered: make_ordered_set(),
      named: make_named(),
      selection: make_selection(),
      counters: make_counters(),
      ids: IdGenerator.new(7, sequence_bits: 16, exhaustion: {:borrow, 60_000}),
      limiters: make_limiters(),
      histograms: make_histograms(),
      bits: make_bits(),
      files: make_files(),
      registry: make_registry(),
      shared: make_shared(),
      buffer: make_buffer(),
      pool: make_pool()
    }
  end

  defp use_handles(handles) do
    use_atomics(handles.atomics)
    use_store(handles.store)
    use_bag(handles.bag)
    use_ordered_set(handles.ordered)
    use_named(handles.named)

    use_selection(handles.selection)
    use_counters(handles.counters)
    use_ids(handles.ids)
    use_limiters(handles.limiters)
    use_histograms(handles.histograms)
    use_bits(handles.bits)
    use_files(handles.files)
    use_registry(handles.registry)
    use_shared(handles.shared)
    use_buffer(handles.buffer)
    use_pool(handles.pool)
  end

  defp make_atomics do
    small = Atomics.new(3)
    Atomics.put(small, 2, 42)
    large = Atomics.new(100_000, signed: false)
    Atomics.put(large, 100_000, 43)
    float = Atomics.new(3, type: :float, layout: :padded)
    Atomics.put(float, 3, 4.25)
    narrow = Atomics.new(100, bits: 8, overflow: :saturate)
    Atomics.fill(narrow, 120)
    {small, large, float, narrow}
  end

  defp use_atomics({small, large, float, narrow}) do
    42 = Atomics.get(small, 2)
    Atomics.add(small, 1, 1)
    [_, 42, 0] = Atomics.to_list(small)
    43 = Atomics.sum(large)
    4.25 = Atomics.max_get(float, 3, 0.5)
    Atomics.update_many(float, [{1, :add, 0.25}, {2, :min, -1}])
    127 = Atomics.add_get(narrow, 1, 100)
    120 = Atomics.maximum(narrow, 2, 99)
    100 = byte_size(Atomics.snapshot(narrow))
  end

  defp make_store do
    table = :offheap_store.new(:reload, [:set, :public])

    for i <- 1..2000 do
      :offheap_store.insert(table, {i, {:value, i, "text #{i}"}})
      :offheap_store.insert(table, {{:flat, i}, {:value, i, -i}})
    end

    table
  end

  defp use_store(table) do
    for i <- [1, 2, 1000, 2000] do
      [{^i, {:value, ^i, _}}] = :offheap_store.lookup(table, i)
      true = :offheap_store.insert(table, {i, {:value, i, "again"}})
      [{{:flat, ^i} = key, {:value, ^i, _}}] = :offheap_store.lookup(table, {:flat, i})
      true = :offheap_store.insert(table, {key, {:value, i, i}})
    end

    :offheap_store.insert(table, {make_ref(), :binary.copy("x", 100)})
  end

  # A named table and its reference.
  defp make_named do
    name = :offheap_store.new(table_name(), [:named_table, :public])
    :offheap_store.insert(name, {:key, :value})
    {name, :offheap_store.whereis(name)}
  end

  defp use_named({name, tid}) do
    [{:key, :value}] = :offheap_store.lookup(name, :key)
    [{:key, :value}] = :offheap_store.lookup(tid, :key)
    ^tid = :offheap_store.whereis(name)
    true = :offheap_store.insert(name, {:key, :value})
    true = name in :offheap_store.all()
    user = self()

    owner =
      spawn(fn ->
        other = :offheap_store.new(table_name(), [:named_table, {:heir, user, :data}])
        :offheap_store.insert(other, {:key, name})
      end)

    receive do
      {:"ETS-TRANSFER", other, ^owner, :data} ->
        [{:key, ^name}] = :offheap_store.lookup(other, :key)
        renamed = :offheap_store.rename(other, table_name())
        [{:key, ^name}] = :offheap_store.lookup(renamed, :key)
        true = :offheap_store.delete(renamed)
        :undefined = :offheap_store.whereis(renamed)
    end
  end

  defp table_name, do: :"reload_#{System.unique_integer([:positive])}"

  # A key with one object, one with a few, and one with many.
  defp make_bag do
    table = :offheap_store.new(:reload, [:bag, :public])
    for {key, count} <- [one: 1, few: 5, many: 500], i <- 1..count, do: bag_insert(table, key, i)
    :offheap_store.safe_fixtable(table, true)
    table
  end

  # The first objects stay; others come and go.
  defp use_bag(table) do
    for {key, count} <- [one: 1, few: 5, many: 500] do
      object = bag_insert(table, key, make_ref())
      objects = :offheap_store.lookup(table, key)
      true = object in objects
      numbers = for {_, i, _} <- objects, is_integer(i), do: i
      ^numbers = Enum.to_list(1..count)
      true = :offheap_store.delete_object(table, object)
    end

    keys = [:offheap_store.first(table)]
    keys = [:offheap_store.next(table, hd(keys)) | keys]
    keys = [:offheap_store.next(table, hd(keys)) | keys]
    [:few, :many, :one] = Enum.sort(keys)
  end

  defp bag_insert(table, key, i) do
    object = {key, i, "text"}
    true = :offheap_store.insert(table, object)
    object
  end

  # A walk that is half done.
  defp make_selection do
    table = make_store()
    {_, continuation} = :offheap_store.select(table, [{{:"$1", :_}, [], [:"$1"]}], 500)
    continuation
  end

  defp use_selection(continuation) do
    {keys, next} = :offheap_store.select(continuation)
    500 = length(keys)
    {[_ | _], _} = :offheap_store.select(next)
  end

  defp make_ordered_set do
    table = :offheap_store.new(:reload, [:ordered_set, :public])

    for i <- 1..3000 do
      :offheap_store.insert(table, {i, {:value, i, "text #{i}"}})
      :offheap_store.insert(table, {{:flat, i}, {:value, i, -i}})
    end

    table
  end

  defp use_ordered_set(table) do
    1 = :offheap_store.first(table)
    {:flat, 3000} = :offheap_store.last(table)
    {:flat, 1} = :offheap_store.next(table, 3000)
    [{1500, _}, {1501, _}] = :offheap_store.range(table, 1500, 1501)
    3001 = :offheap_store.rank(table, {:flat, 2})
    true = :offheap_store.insert(table, {1500, {:value, 1500, "again"}})
    true = :offheap_store.delete(table, 2.5)
    [{{:flat, 7}, _}] = :offheap_store.nth(table, 3006)
  end

  defp make_counters do
    counters = Counter.new(3)
    Counter.put(counters, 2, 42)
    counters
  end

  # Threads may add to other stripes by one library's count than by another's.
  defp use_counters(counters) do
    Counter.add(counters, 1, 1)
    [_, 42, 0] = Counter.to_list(counters)
  end

  defp use_ids(ids) do
    [first, second] = IdGenerator.next_n(ids, 2)
    true = first < second and second < IdGenerator.next(ids)
  end

  defp make_limiters do
    concurrency = :offheap_concurrency_limiter.new(1_000_000)
    {:ok, permit} = :offheap_concurrency_limiter.acquire(concurrency)
    opts = [rate: 1, period_ms: 1000, burst: 10]
    array = :offheap_rate_limiter.new(3, opts)
    keyed = :offheap_rate_limiter.new_keyed(opts)
    for l <- [array, keyed], do: {:ok, 6} = :offheap_rate_limiter.take(l, 2, 4, 0)
    {array, keyed, concurrency, permit}
  end

  defp use_limiters({array, keyed, concurrency, permit}) do
    for l <- [array, keyed] do
      {:ok, 6} = :offheap_rate_limiter.peek(l, 2, 0, 0)
      {:ok, _} = :offheap_rate_limiter.take(l, 3, 0)
    end

    # One permit for its owner's end, one to be collected, one to be given back; the old one stays.
    spawn(fn -> :offheap_concurrency_limiter.acquire(concurrency) end)
    {:ok, _} = :offheap_concurrency_limiter.acquire(concurrency)
    {:ok, again} = :offheap_concurrency_limiter.acquire(concurrency)
    :ok = :offheap_concurrency_limiter.release(again)
    {:error, :released} = :offheap_concurrency_limiter.release(again)
    true = :offheap_concurrency_limiter.in_use(concurrency) > 0
    true = is_reference(permit)
  end

  defp make_histograms do
    histograms = [Histogram.new(), Histogram.new(buckets: [1, 2])]
    for h <- histograms, do: Histogram.record_many(h, [1, 2, 3])
    histograms
  end

  # Values of 2 on average, whoever else records them meanwhile.
  defp use_histograms(histograms) do
    for h <- histograms do
      Histogram.record(h, 2)
      %{count: count, sum: sum, mean: 2.0} = Histogram.summary(h)
      true = sum == 2 * count
      snapshot = Histogram.snapshot(h)
      :ok = Histogram.merge(snapshot, h)
      2.0 = Histogram.mean(snapshot)
    end
  end

  # A bit set that is full but for one slot at a time, a filter and a sketch.
  defp make_bits do
    set = :offheap_bitset.new(5000)
    for i <- 0..4989, do: ^i = :offheap_bitset.claim(set)
    filter = :offheap_bloom_filter.new(1000)
    sketch = :offheap_hyperloglog.new()

    for i <- 1..1000 do
      :offheap_bloom_filter.add(filter, i)
      :offheap_hyperloglog.add(sketch, i)
    end

    {set, filter, sketch}
  end

  defp use_bits({set, filter, sketch}) do
    slot = :offheap_bitset.claim(set)
    true = slot in 4990..4999
    true = :offheap_bitset.test(set, slot)
    :ok = :offheap_bitset.release(set, slot)
    4980 = :offheap_bitset.count(set, 0, 4980)
    true = Enum.all?(1..1000, &:offheap_bloom_filter.member(filter, &1))
    true = :offheap_hyperloglog.count(sketch) in 950..1050
  end

  # A file, and what was hashed of it so far.
  defp make_files do
    {:ok, file} = :offheap_file.open(:offheap_nif.library_path() ++ String.to_charlist(".so"))
    state = :offheap_hash.init({:blake2b, 64})
    :ok = :offheap_hash.update(state, "abc")
    {file, state, :offheap_pool.new()}
  end

  # Several processes may be at it: a state is then busy.
  defp use_files({file, state, pool}) do
    {:ok, buffer} = :offheap_buffer.lease(pool, 1000)
    {:ok, 4} = :offheap_file.pread(file, 0, buffer, 0, 4)
    "\x7FELF" = :offheap_buffer.read(buffer)
    true = :offheap_hash.update(state, {buffer, 1, 3}) in [:ok, {:error, :busy}]
    {:ok, 5000} = :offheap_hash.update_file(:offheap_hash.init(), file, 0, 5000, buffer)
    :ok = :offheap_buffer.release(buffer)
  end

  # A pool and a slice of a frozen buffer, which the registry finds whichever library made them.
  defp make_registry do
    pool = :offheap_pool.new(max_bytes: 1_234_567)
    {:ok, buffer} = :offheap_buffer.lease(pool, 100_000, :binary.copy("x", 100_000))
    slice = binary_part(:offheap_buffer.freeze(buffer), 10, 100)
    :ok = :offheap_buffer.release(buffer)
    {pool, slice, Atomics.new(1000), :offheap_store.new(:listed, [])}
  end

  defp use_registry({pool, slice, atomics, store}) do
    114_688 = Offheap.Binary.referenced_byte_size(slice)
    100 = Offheap.Binary.referenced_byte_size(Offheap.Binary.compact(slice))
    info = Offheap.info()
    true = info.atomics.bytes >= Atomics.info(atomics).memory
    true = Enum.any?(info.stores.tables, &(&1.name == :listed and &1.size == 0))
    0 = :offheap_store.info(store, :size)
    max_bytes = for p <- Offheap.pools(), do: :offheap_pool.info(p).max_bytes
    true = 1_234_567 in max_bytes
    %{frozen: 1} = :offheap_pool.info(pool)
  end

  # A buffer in shared memory that is in a crossing, which holds it for good, and a pool of such.
  defp make_shared do
    pool = Pool.new(shared: true)
    {:ok, buffer} = Buffer.lease(pool, 100_000, "shared")
    {crossing, [_], :none} = :offheap_nif.crossing_new([buffer], :none)
    {pool, buffer, crossing}
  end

  defp use_shared({pool, buffer, _crossing}) do
    {:ok, into} = Buffer.lease(pool, 200_000)
    {crossing, [range], into_range} = :offheap_nif.crossing_new([buffer], into)
    [0, 6] = [elem(range, 4), elem(range, 5)]
    true = elem(into_range, 5) >= 200_000
    true = :offheap_nif.crossing_replied(crossing, 10)
    10 = Buffer.size(into)
    :ok = Buffer.release(into)
    "shared" = Buffer.read(buffer)
  end

  defp make_buffer do
    {:ok, buffer} = :offheap_buffer.lease(:offheap_pool.new(), 1000, "123456789")
    buffer
  end

  # One place that all write the same to, and bytes that nobody changes.
  defp use_buffer(buffer) do
    0xE3069283 = :offheap_buffer.crc32c(buffer, 0, 9)
    :ok = :offheap_buffer.put(buffer, 1, :u16_be, 0x3233)
    [?1, ?2] = :offheap_buffer.get_list(buffer, 0, :u8, 2)
    4 = :offheap_buffer.find(buffer, 0, "5")
  end

  # A pool with leases that outlive their process, a binary that shows one, and a line at the cap.
  defp make_pool do
    pool = Pool.new(max_bytes: 4_000_000)
    {:ok, held} = Buffer.lease(pool, 400_000, :binary.copy("x", 400_000), tag: :reload)
    front = Buffer.split_to(held, 100_000)
    keeper = spawn(fn -> receive(do: (:stop -> :ok)) end)
    :ok = Buffer.give_away(held, keeper)
    {pool, held, front}
  end

  defp use_pool({pool, held, front}) do
    true = Enum.any?(Pool.leases(pool), &(&1.tag == :reload))

    frozen =
      Buffer.with_lease(pool, 0, :binary.copy("y", 70_000), [timeout: 60_000], fn buffer ->
        {:error, :timeout} = Buffer.lease(pool, 3_900_000, timeout: 1)
        Buffer.freeze(buffer)
      end)

    "y" = binary_part(frozen, 69_999, 1)
    true = is_integer(Pool.trim(pool))
    "xxx" = Buffer.read(held, 0, 3)
    "x" = binary_part(front, 99_999, 1)
  end

  defp work(handles, counter) do
    use_handles(handles)
    :counters.add(counter, 1, 1)

    receive do
      :stop -> :ok
    after
      0 -> work(handles, counter)
    end
  end

  defp in_copies(count, fun) do
    dir = Path.join(System.tmp_dir!(), "offheap_reload_#{System.pid()}")
    File.mkdir_p!(dir)

    try do
      for i <- 1..count do
        library = Path.join(dir, "offheap_nif_#{i}")
        File.cp!(to_string(:offheap_nif.library_path()) <> ".so", library <> ".so")
        fun.(library)
        # What is loaded stays so; nothing may need the file again.
        File.rm!(library <> ".so")
      end
    after
      File.rm_rf!(dir)
    end
  end

  defp load(library) do
    Application.put_env(:offheap, :nif_library, to_charlist(library))
    reload()
    Application.delete_env(:offheap, :nif_library)
  end

  defp reload do
    {:module, code, file} = object_code()
    {:module, :offheap_nif} = :code.load_binary(:offheap_nif, file, code)
  end

  defp object_code do
    {module, code, file} = :code.get_object_code(:offheap_nif)
    :offheap_nif = module
    {:module, code, file}
  end

  # True if nobody had to be killed.
  defp purge, do: not :code.purge(:offheap_nif)

  defp await(condition) do
    unless condition.() do
      :erlang.yield()
      await(condition)
    end
  end
end
