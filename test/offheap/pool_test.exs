defmodule Offheap.PoolTest do
  use ExUnit.Case, async: true

  alias Offheap.{Buffer, Pool}

  doctest Offheap.Pool

  # Destructors run soon after a collection, not in it: looks again until the condition holds.
  defp eventually(condition, tries \\ 2000) do
    cond do
      condition.() ->
        :ok

      tries == 0 ->
        flunk("did not come about")

      true ->
        :erlang.garbage_collect()
        :erlang.yield()
        receive do: (:never -> :ok), after: (1 -> eventually(condition, tries - 1))
    end
  end

  defp ended(fun) do
    {pid, monitor} = spawn_monitor(fun)
    assert_receive {:DOWN, ^monitor, _, ^pid, :normal}
    pid
  end

  test "a released block is leased again" do
    pool = Pool.new()

    for _ <- 1..100 do
      {:ok, buffer} = Buffer.lease(pool, 1000)
      :ok = Buffer.release(buffer)
    end

    assert %{leases: 100, recycled: 99, leased: 0, cached: 1, cached_bytes: 1024, bytes: 1024} =
             Pool.info(pool)
  end

  test "options out of range are refused" do
    for opts <- [
          [max_bytes: -1],
          [max_bytes: :none],
          [max_bytes: 2 ** 64],
          [largest: 63],
          [largest: 2 ** 30 + 1],
          [largest: 2 ** 70],
          [unknown: 1],
          [:max_bytes],
          %{},
          :max_bytes
        ] do
      assert_raise ArgumentError, fn -> Pool.new(opts) end
    end
  end

  test "what is no pool is refused" do
    {:ok, buffer} = Buffer.lease(Pool.new(), 10)
    {_, buffer_ref, _} = buffer

    for wrong <- [make_ref(), Offheap.Atomics.new(1), buffer, buffer_ref, nil, 1, "pool", self()],
        fun <- [&Pool.info/1, &Pool.trim/1, &Pool.sweep/1, &Pool.close/1, &Buffer.lease(&1, 1)] do
      assert_raise ArgumentError, fn -> fun.(wrong) end
    end
  end

  test "sizes of any magnitude are leased or refused, never fatal" do
    capped = Pool.new(max_bytes: 1_000_000)
    free = Pool.new(max_bytes: :infinity)

    for size <- [1_000_001, 2 ** 32, 2 ** 46, 2 ** 60, 2 ** 64 - 1] do
      assert Buffer.lease(capped, size) == {:error, :exhausted}
    end

    for size <- [2 ** 47, 2 ** 60, 2 ** 63, 2 ** 64 - 4096, 2 ** 64 - 1] do
      assert Buffer.lease(free, size) == {:error, :enomem}
    end

    for size <- [-1, 2 ** 64, 1.0, :all, "1"], pool <- [capped, free] do
      assert_raise ArgumentError, fn -> Buffer.lease(pool, size) end
    end

    assert {:ok, buffer} = Buffer.lease(capped, 0)
    assert Buffer.capacity(buffer) == 64
  end

  test "the cap refuses, and recovers when buffers come back" do
    pool = Pool.new(max_bytes: 10 * 1024, largest: 4096)
    [first | _] = all = for _ <- 1..10, do: elem({:ok, _} = Buffer.lease(pool, 1024), 1)
    assert Buffer.lease(pool, 64) == {:error, :exhausted}
    assert Buffer.lease(pool, 1024) == {:error, :exhausted}
    :ok = Buffer.release(first)
    # The block that is kept gives way to another size.
    assert {:ok, small} = Buffer.lease(pool, 64)
    assert Buffer.lease(pool, 1024) == {:error, :exhausted}
    Enum.each([small | tl(all)], &Buffer.release/1)
    assert {:ok, _} = Buffer.lease(pool, 8000)
    assert %{refused: 3, bytes: bytes} = Pool.info(pool)
    assert bytes <= 10 * 1024
  end

  test "the cap holds while processes lease at once" do
    pool = Pool.new(max_bytes: 64 * 1024, largest: 4096)

    1..4
    |> Enum.map(fn seed ->
      Task.async(fn ->
        :rand.seed(:exsss, {seed, 2, 3})

        for _ <- 1..3000 do
          case Buffer.lease(pool, :rand.uniform(10_000)) do
            {:ok, buffer} ->
              assert Pool.info(pool).bytes <= 64 * 1024
              :ok = Buffer.release(buffer)

            {:error, :exhausted} ->
              :ok
          end
        end
      end)
    end)
    |> Task.await_many(60_000)

    assert %{leased: 0, bytes: bytes, cached_bytes: bytes} = Pool.info(pool)
  end

  test "frozen bytes count until the last binary is gone" do
    pool = Pool.new(max_bytes: 1_000_000)
    {:ok, buffer} = Buffer.lease(pool, 600_000, :binary.copy("x", 600_000))
    binary = Buffer.freeze(buffer)
    :ok = Buffer.release(buffer)
    assert %{leased: 0, frozen: 1, cached: 0} = Pool.info(pool)
    assert Buffer.lease(pool, 600_000) == {:error, :exhausted}
    assert byte_size(binary) == 600_000
    eventually(fn -> Pool.info(pool).frozen == 0 end)
    assert {:ok, _} = Buffer.lease(pool, 600_000)
  end

  test "a buffer that nobody holds any more comes back" do
    pool = Pool.new(max_bytes: 100_000)

    ended(fn ->
      for _ <- 1..20, do: {:ok, _} = Buffer.lease(pool, 1000)
      :erlang.garbage_collect()
    end)

    eventually(fn -> Pool.info(pool).leased == 0 end)
    assert %{leases: 20, cached: cached, bytes: bytes} = Pool.info(pool)
    assert bytes == cached * 1024
    assert Pool.info(pool).dropped == 20
  end

  test "a dead owner's buffer that another holds is taken back by a sweep" do
    pool = Pool.new()
    test = self()

    owner =
      ended(fn ->
        {:ok, buffer} = Buffer.lease(pool, 1000, "mine")
        send(test, buffer)
      end)

    assert_receive buffer
    refute Process.alive?(owner)
    assert %{leased: 1} = Pool.info(pool)
    assert Pool.sweep(pool) == 1
    assert Pool.sweep(pool) == 0
    assert %{leased: 0, cached: 1, reclaimed: 1} = Pool.info(pool)
    assert_raise ArgumentError, fn -> Buffer.read(buffer) end
    assert Buffer.release(buffer) == {:error, :released}
  end

  test "a dead owner's buffer that another holds is taken back when the cap is reached" do
    pool = Pool.new(max_bytes: 1024)
    test = self()
    ended(fn -> send(test, elem({:ok, _} = Buffer.lease(pool, 1024), 1)) end)
    assert_receive stale
    assert {:ok, buffer} = Buffer.lease(pool, 1024)
    assert Buffer.release(stale) == {:error, :released}
    assert Buffer.release(buffer) == :ok
  end

  test "a closed pool leases nothing, and what is out works on" do
    pool = Pool.new()
    {:ok, buffer} = Buffer.lease(pool, 1000, "still")
    Buffer.with_lease(pool, 5000, fn _ -> :ok end)
    assert Pool.info(pool).bytes > 1024
    assert Pool.close(pool) == :ok
    assert Pool.close(pool) == :ok
    assert_raise ArgumentError, fn -> Buffer.lease(pool, 1) end
    assert %{closed: true, bytes: 1024} = Pool.info(pool)
    :ok = Buffer.append(buffer, " here")
    assert Buffer.read(buffer) == "still here"
    :ok = Buffer.release(buffer)
    assert Pool.info(pool).bytes == 0
  end

  test "buffers and binaries outlive their pool" do
    test = self()
    bytes = :crypto.strong_rand_bytes(200_000)

    ended(fn ->
      pool = Pool.new()
      {:ok, frozen} = Buffer.lease(pool, 0, bytes)
      {:ok, writable} = Buffer.lease(pool, 100, "abc")
      Buffer.give_away(writable, test)
      send(test, {writable, Buffer.freeze(frozen)})
      Buffer.release(frozen)
    end)

    assert_receive {writable, binary}
    :erlang.garbage_collect()
    assert Buffer.append(writable, "def") == :ok
    assert Buffer.read(writable) == "abcdef"
    assert binary == bytes
    assert Buffer.release(writable) == :ok
    assert Buffer.release(writable) == {:error, :released}
    assert binary == bytes
  end

  test "trim frees what is kept" do
    pool = Pool.new()
    all = for size <- [10, 100, 1000, 100_000], do: elem(Buffer.lease(pool, size), 1)
    Enum.each(all, &Buffer.release/1)
    assert Pool.trim(pool) == 4
    assert %{cached: 0, bytes: 0} = Pool.info(pool)
  end

  test "blocks above the largest class are not kept" do
    pool = Pool.new(largest: 4096)
    {:ok, buffer} = Buffer.lease(pool, 10_000_000)
    :ok = Buffer.write(buffer, 9_999_999, "!")
    :ok = Buffer.release(buffer)
    assert %{cached: 0, bytes: 0, leased: 0} = Pool.info(pool)
  end

  describe "a named pool" do
    test "is found by its name until its process ends" do
      start_supervised!({Pool, name: :pool_test_named, max_bytes: 10_000})
      handle = Pool.get(:pool_test_named)
      assert Pool.get(handle) == handle
      {:ok, buffer} = Buffer.lease(:pool_test_named, 100, ["io", ~c"data"])
      assert Buffer.read(buffer) == "iodata"
      assert Pool.info(:pool_test_named).leased == 1
      :ok = stop_supervised(:pool_test_named)
      assert_raise ArgumentError, fn -> Buffer.lease(:pool_test_named, 1) end
      assert_raise ArgumentError, fn -> Pool.get(:pool_test_named) end
      assert Pool.info(handle).closed
      assert Buffer.read(buffer) == "iodata"
    end

    test "takes dead processes' buffers back by itself" do
      start_supervised!({Pool, name: :pool_test_sweep, sweep_ms: 1})
      test = self()
      ended(fn -> send(test, elem({:ok, _} = Buffer.lease(:pool_test_sweep, 10), 1)) end)
      assert_receive buffer
      eventually(fn -> Pool.info(:pool_test_sweep).reclaimed == 1 end)
      assert Buffer.info(buffer).state == :released
    end

    test "wants a name and known options" do
      assert_raise ArgumentError, fn -> Pool.start_link(max_bytes: 1) end
      Process.flag(:trap_exit, true)
      assert {:error, {:badarg, _}} = Pool.start_link(name: :pool_test_bad, sweep_ms: 0)
      assert {:error, {:badarg, _}} = Pool.start_link(name: :pool_test_bad, nonsense: 0)
    end
  end
end
