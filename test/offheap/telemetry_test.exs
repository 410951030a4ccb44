defmodule Offheap.TelemetryTest do
  # Not async: the module telemetry comes and goes.
  use ExUnit.Case, async: false

  alias Offheap.{Buffer, Pool}

  doctest Offheap.Telemetry

  @stub quote(
          do:
            def execute(event, measurements, metadata) do
              send(:telemetry_test, {event, measurements, metadata})
              :ok
            end
        )

  setup do
    refute Code.ensure_loaded?(:telemetry)
    Process.register(self(), :telemetry_test)
    on_exit(&unload/0)
  end

  defp load(body) do
    Module.create(:telemetry, body, Macro.Env.location(__ENV__))
    Offheap.Telemetry.init()
  end

  defp unload do
    :code.delete(:telemetry)
    :code.purge(:telemetry)
    false = Offheap.Telemetry.init()
  end

  test "nothing happens without telemetry" do
    refute Offheap.Telemetry.init()
    assert :ok = Offheap.Telemetry.execute([:offheap, :test], %{count: 1}, %{})
    assert :ok = Offheap.Telemetry.measure()
    refute_received _
  end

  test "events reach telemetry where it is" do
    assert load(@stub)
    assert :ok = Offheap.Telemetry.execute([:offheap, :test], %{count: 1}, %{pool: :p})
    assert_received {[:offheap, :test], %{count: 1}, %{pool: :p}}
    assert :ok = Offheap.Telemetry.execute([:offheap, :test], %{count: 2})
    assert_received {[:offheap, :test], %{count: 2}, metadata} when metadata == %{}
  end

  test "what is loaded later is seen when one looks again" do
    refute Offheap.Telemetry.init()
    assert load(@stub)
    Offheap.Telemetry.execute([:offheap, :test], %{})
    assert_received {[:offheap, :test], _, _}
  end

  test "it is found out at the first event, too" do
    :persistent_term.erase(:offheap_telemetry)
    assert :ok = Offheap.Telemetry.execute([:offheap, :test], %{})
    assert :persistent_term.get(:offheap_telemetry) == false
  end

  test "a module of that name with nothing in it is none" do
    refute load(quote(do: def(hello, do: :world)))
    assert :ok = Offheap.Telemetry.execute([:offheap, :test], %{})
  end

  test "a named pool reports refused leases, many at once" do
    load(@stub)
    start_supervised!({Pool, name: :telemetry_test_pool, sweep_ms: 20, max_bytes: 1024})
    {:ok, held} = Buffer.lease(:telemetry_test_pool, 1024)
    for _ <- 1..50, do: {:error, :exhausted} = Buffer.lease(:telemetry_test_pool, 64)
    assert refused(0) == 50
    refute_received {[:offheap, :pool | _], _, _}
    :ok = Buffer.release(held)
  end

  defp refused(50), do: 50

  defp refused(sum) do
    assert_receive {[:offheap, :pool, :refused] = event, measurements, metadata}, 5000
    assert event in Offheap.Telemetry.events()
    assert %{bytes: 1024, waiting: 0, count: count} = measurements
    assert metadata == %{pool: :telemetry_test_pool, max_bytes: 1024}
    refused(sum + count)
  end

  test "jobs begin and end on their lanes, but for inline ones" do
    load(@stub)
    :ok = :offheap_nif.job_allow_test_jobs()
    {:ok, _} = Offheap.Jobs.run(:blake2b, "x")
    refute_received _

    for {job, input, options, lane, reason} <- [
          {:spin, 1, [], :yielding, :medium},
          {:blake2b, "x", [lane: :dirty], :dirty, :forced},
          {:blake2b, "x", [lane: :port], :port, :forced},
          {:blake2b_file, "/no/such/file", [lane: :dirty], :dirty, :forced}
        ] do
      {outcome, _} = Offheap.Jobs.run(job, input, options)
      about = %{job: job, lane: lane, reason: reason}
      assert_received {[:offheap, :job, :start] = start, %{cost_ns: cost_ns} = first, ^about}
      stopped = Map.put(about, :outcome, outcome)
      assert_received {[:offheap, :job, :stop] = stop, %{cost_ns: ^cost_ns} = last, ^stopped}
      assert first.system_time > 0 and last.duration > 0
      assert [start, stop] -- Offheap.Telemetry.events() == []
    end

    refute_received _
  end

  test "the load of the lanes is measured" do
    load(@stub)
    assert :ok = Offheap.Telemetry.measure()
    assert_received {[:offheap, :jobs] = event, measurements, %{}}
    assert event in Offheap.Telemetry.events()

    assert Enum.sort(Map.keys(measurements)) ==
             ~w(dirty dirty_cpu_queue dirty_in_use dirty_io_queue dirty_limit in_flight inline port
                yielding)a

    assert Enum.all?(Map.values(measurements), &is_integer/1)
  end

  test "memory is measured" do
    load(@stub)
    store = :offheap_store.new(:telemetry_test, [])
    :offheap_store.insert(store, {1, 2})
    assert :ok = Offheap.Telemetry.measure()
    assert_received {[:offheap, :memory] = event, measurements, metadata}
    assert metadata == %{}
    assert event in Offheap.Telemetry.events()

    assert Enum.sort(Map.keys(measurements)) ==
             ~w(bytes cached_bytes frozen_bytes leased_bytes other_bytes pool_bytes store_bytes
                store_entries)a

    assert measurements.store_entries >= 1
    assert :offheap_store.info(store, :size) == 1
    sum = measurements.pool_bytes + measurements.store_bytes + measurements.other_bytes
    assert sum == measurements.bytes
  end
end
