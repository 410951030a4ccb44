defmodule Offheap.InfoTest do
  # Not async: counts are those of all processes together.
  use ExUnit.Case, async: false
  doctest Offheap

  import Offheap.Memory

  alias Offheap.{Atomics, Bitset, BloomFilter, Buffer, Counter, Histogram, HyperLogLog}
  alias Offheap.{IdGenerator, Pool}

  @mib 1024 * 1024

  # What other tests left may end meanwhile, and nothing tells when: it is collected first, a sum is
  # compared again if it is not what it should be, and after the end of all it may be less than before.
  setup do
    for pid <- Process.list(), do: :erlang.garbage_collect(pid)
    :ok
  end

  # Used after a look at the sums: what nobody uses any more may be collected before it.
  defp in_use?(handles), do: :erlang.phash2(handles) >= 0

  defp no_more?(now, before) do
    now.count <= before.count and now.bytes <= before.bytes
  end

  # Makes a handle in a process of its own, which keeps it until it is told to end.
  defp keep(make) do
    test = self()

    pid =
      spawn_link(fn ->
        kept = make.()
        send(test, {:kept, self(), kept})
        receive do: (:end -> kept)
      end)

    receive do: ({:kept, ^pid, _kept} -> pid)
  end

  defp let_go(pid) do
    monitor = Process.monitor(pid)
    send(pid, :end)
    receive do: ({:DOWN, ^monitor, :process, ^pid, _} -> :ok)
  end

  defp count(kind), do: Offheap.info()[kind]

  describe "counts" do
    for {kind, make, memory} <- [
          {:atomics, quote(do: Atomics.new(100_000)), quote(do: &Atomics.info(&1).memory)},
          {:atomics, quote(do: Atomics.new(3)), quote(do: &Atomics.info(&1).memory)},
          {:counters, quote(do: Counter.new(1000)), quote(do: &Counter.info(&1).memory)},
          {:bitsets, quote(do: Bitset.new(1_000_000)), quote(do: &Bitset.info(&1).memory)},
          {:bloom_filters, quote(do: BloomFilter.new(1000)),
           quote(do: &BloomFilter.info(&1).memory)},
          {:hyperloglogs, quote(do: HyperLogLog.new()), quote(do: &HyperLogLog.info(&1).memory)},
          {:id_generators, quote(do: IdGenerator.new(7)),
           quote(do: &IdGenerator.info(&1).memory)},
          {:histograms, quote(do: Histogram.new()), quote(do: &Histogram.info(&1).memory)},
          {:concurrency_limiters, quote(do: Offheap.ConcurrencyLimiter.new(5)),
           quote(do: fn _ -> 16 end)},
          {:hashes, quote(do: :offheap_hash.init()), nil},
          {:files, quote(do: elem(Offheap.File.open(__ENV__.file), 1)), nil},
          {:rate_limiters, quote(do: :offheap_rate_limiter.new(1000, rate: 1, period_ms: 1)), nil}
        ] do
      test "of #{kind} by #{Macro.to_string(make)} go up and come back" do
        kind = unquote(kind)
        before = count(kind)
        make = fn -> unquote(make) end
        collect_until(fn -> grows?(kind, make, unquote(memory)) end)
        keeper = keep(fn -> for _ <- 1..10, do: make.() end)
        collect_until(fn -> count(kind).count >= 10 end)
        let_go(keeper)
        collect_until(fn -> no_more?(count(kind), before) end)
      end
    end

    # The handle of a try that failed ends, mostly, before the next one.
    defp grows?(kind, make, memory) do
      for _ <- 1..10, do: :erlang.yield()
      before = count(kind)
      handle = make.()
      now = count(kind)

      in_use?(handle) and now.count == before.count + 1 and
        if memory,
          do: now.bytes == before.bytes + memory.(handle),
          else: now.bytes > before.bytes
    end

    test "of a histogram grow with its stripes" do
      collect_until(fn ->
        before = count(:histograms)
        histogram = Histogram.new()
        empty = Histogram.info(histogram).memory
        Histogram.record(histogram, 1)
        full = Histogram.info(histogram).memory
        assert full > empty
        now = count(:histograms)
        in_use?(histogram) and now.bytes == before.bytes + full
      end)

      before = count(:histograms)
      histogram = Histogram.new()
      for i <- 1..100, do: Histogram.record(histogram, i)
      assert Histogram.count(Histogram.snapshot_reset(histogram)) == 100
      assert {:ok, _} = Histogram.import(Histogram.export(histogram))
      collect_until(fn -> no_more?(count(:histograms), before) end)
    end

    test "are left alone by what could not be made" do
      before = Offheap.info()
      assert_raise ArgumentError, fn -> Atomics.new(0) end
      assert_raise SystemLimitError, fn -> Bitset.new(1_000_000_000_000_000) end
      assert_raise ArgumentError, fn -> :offheap_nif.hyperloglog_new(99, 0) end
      assert_raise ArgumentError, fn -> :offheap_nif.bloom_filter_new(0, 1, 0) end
      assert_raise ArgumentError, fn -> :offheap_nif.concurrency_limiter_new(0) end
      assert_raise ArgumentError, fn -> :offheap_nif.id_generator_new(1, 0, 99, 99, 0) end
      assert {:error, :malformed} = :offheap_nif.histogram_import("no histogram")
      assert {:error, :enoent} = Offheap.File.open("/nonexistent")

      collect_until(fn ->
        now = Offheap.info()

        Enum.all?(for {kind, %{count: _} = counts} <- before, do: no_more?(now[kind], counts))
      end)
    end

    test "come out exact when many processes make and drop handles" do
      before = count(:atomics)

      1..8
      |> Enum.map(fn _ ->
        Task.async(fn -> for i <- 1..2000, do: Atomics.put(Atomics.new(i), i, i) end)
      end)
      |> Task.await_many(:infinity)

      collect_until(fn -> no_more?(count(:atomics), before) end)
    end
  end

  describe "stores" do
    test "are listed with entries and memory until they end" do
      store = :offheap_store.new(:info_test, [:set, :public])
      for i <- 1..5000, do: :offheap_store.insert(store, {i, {:value, i}})
      %{count: count, size: size, bytes: sum, tables: tables} = Offheap.info().stores
      assert count == length(tables)
      assert size == tables |> Enum.map(& &1.size) |> Enum.sum()
      assert sum == tables |> Enum.map(& &1.bytes) |> Enum.sum()
      assert [%{size: 5000, bytes: bytes}] = Enum.filter(tables, &(&1.name == :info_test))
      assert bytes == :offheap_store.info(store, :memory) * :erlang.system_info(:wordsize)
      # Deleted: the entries are gone, the handle is left.
      true = :offheap_store.delete(store)
      refute listed_store?(:info_test)
    end

    defp listed_store?(name), do: Enum.any?(Offheap.info().stores.tables, &(&1.name == name))

    test "are listed by the names that they have now" do
      named = :offheap_store.new(:info_test_named, [:named_table])
      :offheap_store.rename(named, :info_test_renamed)
      unnamed = :offheap_store.new(:info_test_shown, [])
      :offheap_store.rename(unnamed, :info_test_shown_again)
      assert listed_store?(:info_test_renamed) and listed_store?(:info_test_shown_again)
      refute listed_store?(:info_test_named) or listed_store?(:info_test_shown)
      :offheap_store.delete(:info_test_renamed)
      refute listed_store?(:info_test_renamed)
      assert :offheap_store.info(unnamed, :size) == 0
    end

    test "go with their last handle" do
      keeper = keep(fn -> :offheap_store.new(:info_test_dropped, []) end)
      assert listed_store?(:info_test_dropped)
      let_go(keeper)
      collect_until(fn -> not listed_store?(:info_test_dropped) end)
    end

    test "do not include the keys of rate limiters, which count with these" do
      collect_until(fn ->
        before = Offheap.info()
        limiter = :offheap_rate_limiter.new_keyed(rate: 1, period_ms: 1000, burst: 10)
        for key <- 1..5000, do: :offheap_rate_limiter.take(limiter, {:user, key})
        now = Offheap.info()
        assert {:ok, _} = :offheap_rate_limiter.take(limiter, 0)

        now.stores == before.stores and
          now.rate_limiters.count == before.rate_limiters.count + 1 and
          now.rate_limiters.bytes > before.rate_limiters.bytes + 5000 * 16
      end)
    end

    test "can be asked for while they are made, filled and dropped" do
      writers =
        for _ <- 1..4 do
          Task.async(fn ->
            for _ <- 1..100 do
              store = :offheap_store.new(:info_test_churn, [])
              for i <- 1..100, do: :offheap_store.insert(store, {i, i})
              if :rand.uniform(2) == 1, do: :offheap_store.delete(store)
            end
          end)
        end

      reader = Task.async(fn -> for _ <- 1..200, do: assert(Offheap.info().stores.size >= 0) end)
      Task.await_many([reader | writers], :infinity)

      collect_until(fn -> not listed_store?(:info_test_churn) end)
    end
  end

  describe "pools" do
    # A try that fails leaves a pool, whose end would spoil the next one.
    test "are summed up" do
      collect_until(fn -> listed_pools(7 * @mib) == [] and summed_up?(7 * @mib) end)
    end

    defp summed_up?(max_bytes) do
      before = Offheap.info().pools
      pool = Pool.new(max_bytes: max_bytes)
      {:ok, a} = Buffer.lease(pool, 4096)
      {:ok, b} = Buffer.lease(pool, @mib, :binary.copy("x", 200_000))
      frozen = Buffer.freeze(b)
      {:ok, c} = Buffer.lease(pool, 100)
      Buffer.release(c)
      info = Pool.info(pool)
      now = Offheap.info()
      assert now.bytes >= now.pools.bytes

      in_use?([pool, a, b, frozen]) and
        now.pools.count == before.count + 1 and
        now.pools.bytes == before.bytes + info.memory and
        now.pools.leased == before.leased + 2 and
        now.pools.frozen_bytes == before.frozen_bytes + @mib and
        now.pools.cached_bytes == before.cached_bytes + info.cached_bytes
    end

    # The pools in the registry with this cap, which the tests tell them by: {handles left?, info}.
    defp listed_pools(max_bytes) do
      for {name, generation, held} <- list(0),
          %{max_bytes: ^max_bytes} = info <- [:offheap_nif.pool_info(name, generation)],
          do: {held, info}
    end

    test "linger without a handle as long as a binary shows them" do
      keeper =
        keep(fn ->
          {:ok, buffer} =
            Buffer.lease(Pool.new(max_bytes: 5 * @mib), @mib, :binary.copy("x", 200_000))

          frozen = Buffer.freeze(buffer)
          Buffer.release(buffer)
          frozen
        end)

      collect_until(fn ->
        :erlang.garbage_collect(keeper)
        match?([{false, %{closed: true, frozen_bytes: @mib}}], listed_pools(5 * @mib))
      end)

      assert Offheap.info().pools.lingering >= 1
      let_go(keeper)
      collect_until(fn -> listed_pools(5 * @mib) == [] end)
    end

    test "give handles that are as good as the first" do
      pool = Pool.new(max_bytes: 123_456)
      [other] = Enum.filter(Offheap.pools(), &(Pool.info(&1).max_bytes == 123_456))
      {:ok, buffer} = Buffer.lease(other, 100, "text")
      assert Buffer.read(buffer) == "text"
      assert Pool.info(pool).leased == 1
    end

    test "live as long as any of their handles" do
      test = self()

      keeper =
        keep(fn ->
          pool = Pool.new(max_bytes: 234_567)
          send(test, :made)
          pool
        end)

      assert_receive :made
      [other] = Enum.filter(Offheap.pools(), &(Pool.info(&1).max_bytes == 234_567))
      let_go(keeper)
      :erlang.garbage_collect()
      refute Pool.info(other).closed
      assert {:ok, buffer} = Buffer.lease(other, 100)
      assert :ok = Buffer.release(buffer)
    end

    test "whose last handle is gone give none that could lease" do
      test = self()

      keeper =
        keep(fn ->
          {:ok, buffer} = Buffer.lease(Pool.new(max_bytes: 3 * @mib), @mib)
          :erlang.garbage_collect()
          send(test, :made)
          buffer
        end)

      assert_receive :made
      collect_until(fn -> match?([{false, %{leased: 1}}], listed_pools(3 * @mib)) end)
      assert Enum.all?(Offheap.pools(), &(Pool.info(&1).max_bytes != 3 * @mib))

      # By the internal call they can be looked at all the same.
      handles =
        for {name, generation, false} <- list(0), do: :offheap_nif.pool_at(name, generation)

      [handle] = Enum.filter(handles, &(Pool.info(&1).max_bytes == 3 * @mib))
      assert %{closed: true, leased: 1} = Pool.info(handle)
      assert_raise ArgumentError, fn -> Buffer.lease(handle, 100) end
      let_go(keeper)
    end

    defp list(:done), do: []

    defp list(name) do
      {next, entries} = :offheap_nif.pool_list(name)
      entries ++ list(next)
    end

    test "can be asked for while they come and go" do
      makers =
        for _ <- 1..4 do
          Task.async(fn ->
            for _ <- 1..300 do
              {:ok, buffer} = Buffer.lease(Pool.new(), 100_000, :binary.copy("x", 70_000))
              if :rand.uniform(2) == 1, do: Buffer.freeze(buffer), else: Buffer.release(buffer)
            end
          end)
        end

      looker =
        Task.async(fn ->
          for _ <- 1..300 do
            for pool <- Offheap.pools(), do: assert(Pool.info(pool).bytes >= 0)
            assert Offheap.info().pools.count >= 0
          end
        end)

      Task.await_many([looker | makers], :infinity)
    end
  end

  test "names of entries that never were, or are no longer, are gone" do
    assert :offheap_nif.pool_info(4_000_000_000, 1) == :gone
    assert :offheap_nif.pool_at(4_000_000_000, 1) == :gone
    assert :offheap_nif.registry_stats(:stores, 4_000_000_000, 1, 0) == :gone
    assert {:done, []} = :offheap_nif.registry_list(:stores, 4_000_000_000)
    assert {:done, [:tail]} = :offheap_nif.registry_frozen(4_000_000_000, [:tail])
  end

  test "bad arguments are refused" do
    for call <- [
          fn -> :offheap_nif.pool_list(-1) end,
          fn -> :offheap_nif.pool_list(:x) end,
          fn -> :offheap_nif.pool_at(1, :x) end,
          fn -> :offheap_nif.pool_info(1.0, 1) end,
          fn -> :offheap_nif.registry_list(:atomics, 0) end,
          fn -> :offheap_nif.registry_list(:stores, <<>>) end,
          fn -> :offheap_nif.registry_stats(:stores, 0, [], 0) end,
          fn -> :offheap_nif.registry_frozen(0, :tail) end,
          fn -> :offheap_nif.registry_find(:x) end,
          fn -> :offheap_nif.binary_address(<<1::3>>) end
        ] do
      assert_raise ArgumentError, call
    end
  end

  describe "port pools" do
    test "are listed under all their names" do
      {:ok, pid} = Offheap.PortPool.start_link(name: :info_test_ports, size: 2)
      [pool] = Enum.filter(Offheap.info().port_pools, &(pid in &1.names))
      assert Enum.sort(pool.names) == Enum.sort([pid, :info_test_ports])
      assert pool.size == 2
      assert {:ok, "hello"} = Offheap.PortPool.call(pid, :echo, "hello")
      Supervisor.stop(pid)
      assert Enum.all?(Offheap.info().port_pools, &(pid not in &1.names))
    end
  end
end
