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
          [align: 0],
          [align: 32],
          [align: 8192],
          [align: :page],
          [huge_pages: 1],
          [zero: true],
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

  # The copying runs on a dirty scheduler, which goes on though its process is killed.
  test "a process that is killed while it leases does not write into the next lease" do
    size = 16 * 1024 * 1024
    pool = Pool.new(largest: size)
    theirs = :binary.copy(<<1>>, size)
    ours = :binary.copy(<<0>>, size - 1) <> "x"

    for _ <- 1..20 do
      victim = spawn(fn -> Buffer.lease(pool, 0, theirs) end)
      until(fn -> Pool.info(pool).leases > 0 and Pool.leases(pool) != [] end, victim)
      Process.exit(victim, :kill)
      until(fn -> Pool.sweep(pool) >= 0 and Pool.leases(pool) == [] end, nil)
      {:ok, buffer} = Buffer.lease(pool, size)
      :ok = Buffer.write(buffer, size - 1, "x")
      for _ <- 1..3, do: assert(Buffer.read(buffer) == ours)
      :ok = Buffer.release(buffer)
    end
  end

  # Without giving way: the moment is short. Or until the process has come to its end unseen.
  defp until(condition, pid) do
    unless condition.() or (pid != nil and not Process.alive?(pid)), do: until(condition, pid)
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

  test "trim goes by target and by age" do
    pool = Pool.new()
    all = for _ <- 1..40, do: elem(Buffer.lease(pool, 1000), 1)
    Enum.each(all, &Buffer.release/1)
    {:ok, held} = Buffer.lease(pool, 1000)
    assert Pool.trim(pool, idle_ms: 3_600_000) == 0
    assert Pool.trim(pool, to_bytes: 30 * 1024) == 10
    assert Pool.info(pool).bytes == 30 * 1024
    assert Pool.trim(pool, to_bytes: 40 * 1024) == 0
    await_ms(50)
    assert Pool.trim(pool, idle_ms: 1, to_bytes: 20 * 1024) == 10
    assert Pool.trim(pool, idle_ms: 1) == 19
    assert Pool.info(pool).bytes == 1024
    Buffer.release(held)

    for wrong <- [[to_bytes: -1], [idle_ms: :long], [older: 1], :all, [:idle_ms]] do
      assert_raise ArgumentError, fn -> Pool.trim(pool, wrong) end
    end
  end

  # Until the coarse clock has gone on by so much; nothing tells of it.
  defp await_ms(ms) do
    receive do: (:never -> :ok), after: (ms -> :ok)
  end

  test "blocks of every kind of pool work alike" do
    bytes = :crypto.strong_rand_bytes(3_000_000)

    for align <- [16, 64, 4096], huge_pages <- [false, true], zero <- [:never, :on_lease] do
      pool = Pool.new(align: align, huge_pages: huge_pages, zero: zero, largest: 4_000_000)
      assert %{align: ^align, huge_pages: ^huge_pages, zero: ^zero} = Pool.info(pool)

      for size <- [1, 100, 300_000, 3_000_000], _ <- 1..2 do
        {:ok, buffer} = Buffer.lease(pool, 0, binary_part(bytes, 0, size))
        assert Buffer.freeze(buffer) == binary_part(bytes, 0, size)
        Buffer.release(buffer)
      end

      eventually(fn -> Pool.info(pool).frozen == 0 end)
      assert Pool.trim(pool) > 0
      assert Pool.info(pool).bytes == 0
    end
  end

  test "a loop that freezes and drops stays below the cap" do
    pool = Pool.new(max_bytes: 64 * 1024 * 1024)
    bytes = :binary.copy("x", 1024 * 1024)

    for _ <- 1..2000 do
      {:ok, buffer} = Buffer.lease(pool, 0, bytes, timeout: 10_000)
      frozen = Buffer.freeze(buffer)
      :ok = Buffer.release(buffer)
      assert byte_size(frozen) == 1024 * 1024
      assert Pool.info(pool).bytes <= 64 * 1024 * 1024
    end
  end

  describe "leases" do
    test "are listed with owner, tag and size" do
      pool = Pool.new()
      test = self()
      {:ok, mine} = Buffer.lease(pool, 100, "abc", tag: :mine)
      {:ok, frozen} = Buffer.lease(pool, 1000, tag: :frozen)
      Buffer.freeze(frozen)
      {:ok, untagged} = Buffer.lease(pool, 100)

      task =
        Task.async(fn ->
          {:ok, buffer} = Buffer.lease(pool, 5000, tag: :other)
          send(test, :leased)
          receive(do: (:stop -> Buffer.release(buffer)))
        end)

      assert_receive :leased
      leases = Pool.leases(pool)
      assert length(leases) == 4

      assert [%{owner: ^test, bytes: 112, size: 3, state: :writable, age_ms: age}] =
               Enum.filter(leases, &(&1.tag == :mine))

      assert age in 0..60_000
      assert [%{state: :frozen, size: 0}] = Enum.filter(leases, &(&1.tag == :frozen))
      assert [%{owner: owner, bytes: 5120}] = Enum.filter(leases, &(&1.tag == :other))
      assert owner == task.pid
      assert [_] = Enum.filter(leases, &(&1.tag == :undefined))

      assert %{^test => %{leases: 3, bytes: 1248}, ^owner => %{leases: 1, bytes: 5120}} =
               Pool.leases_by_owner(pool)

      assert Pool.leases(pool, older_than_ms: 3_600_000) == []
      await_ms(30)
      assert length(Pool.leases(pool, older_than_ms: 1)) == 4
      Buffer.release(mine)
      assert length(Pool.leases(pool)) == 3
      for buffer <- [frozen, untagged], do: assert(Buffer.release(buffer) == :ok)
      send(task.pid, :stop)
      Task.await(task)
      refute is_map_key(Pool.leases_by_owner(pool), owner)
    end

    test "by the thousands are all listed" do
      pool = Pool.new()
      all = for i <- 1..3000, do: elem(Buffer.lease(pool, rem(i, 300)), 1)
      assert length(Pool.leases(pool)) == 3000
      assert %{leases: 3000} = Pool.leases_by_owner(pool)[self()]
      Enum.each(all, &Buffer.release/1)
      assert Pool.leases(pool) == []
    end

    test "of a tag that is no atom, or with other options, are refused" do
      pool = Pool.new()

      for opts <- [[tag: "text"], [tag: 1], [timeout: -1], [timeout: 2 ** 32], [timeout: :ever]] do
        assert_raise ArgumentError, fn -> Buffer.lease(pool, 1, opts) end
        assert_raise ArgumentError, fn -> Buffer.lease(pool, 1, "", opts) end
      end

      for opts <- [[other: 1], [:tag], %{}, :tag] do
        assert_raise ArgumentError, fn -> Buffer.lease(pool, 1, "", opts) end
      end

      for opts <- [[older_than_ms: -1], [other: 1], 1] do
        assert_raise ArgumentError, fn -> Pool.leases(pool, opts) end
      end
    end
  end

  describe "waiting" do
    # A process that leases, tells so, and releases when told. Returns when it is in line.
    defp waiter(pool, size, timeout) do
      test = self()
      waiting = Pool.info(pool).waiting

      pid =
        spawn_link(fn ->
          send(test, {:outcome, self(), lease_outcome(pool, size, timeout)})
          receive do: (:stop -> :ok)
        end)

      eventually(fn -> Pool.info(pool).waiting == waiting + 1 end)
      pid
    end

    # What is in the mailbox after it must be nothing.
    defp lease_outcome(pool, size, timeout) do
      outcome = Buffer.lease(pool, size, timeout: timeout)
      receive(do: (stray -> {:stray, stray}), after: (0 -> outcome))
    end

    test "ends when bytes come back, in the order of coming" do
      pool = Pool.new(max_bytes: 1024)
      {:ok, first} = Buffer.lease(pool, 1024)
      waiters = for _ <- 1..5, do: waiter(pool, 1024, :infinity)
      assert %{waiting: 5, waited: 5} = Pool.info(pool)

      Enum.reduce(waiters, first, fn waiter, held ->
        refute_received {:outcome, _, _}
        :ok = Buffer.release(held)
        assert_receive {:outcome, ^waiter, {:ok, buffer}}, 5000
        buffer
      end)

      assert Pool.info(pool).waiting == 0
    end

    test "a large lease is not starved by small ones" do
      pool = Pool.new(max_bytes: 10 * 1024)
      {:ok, held} = Buffer.lease(pool, 4096)
      {:ok, small} = Buffer.lease(pool, 64)
      large = waiter(pool, 8 * 1024, :infinity)
      :ok = Buffer.release(small)
      # There is room for this one, but not for both.
      assert Buffer.lease(pool, 64) == {:error, :exhausted}
      behind = waiter(pool, 64, 60_000)
      assert Buffer.lease(pool, 64, timeout: 1) == {:error, :timeout}
      refute_received {:outcome, _, _}
      :ok = Buffer.release(held)
      assert_receive {:outcome, ^large, {:ok, buffer}}, 5000
      assert_receive {:outcome, ^behind, {:ok, _}}, 5000
      assert Buffer.capacity(buffer) == 8 * 1024
    end

    test "stands in nobody's way when there is enough for all" do
      pool = Pool.new(max_bytes: 10 * 1024)
      {:ok, held} = Buffer.lease(pool, 8 * 1024)
      waiter = waiter(pool, 4096, :infinity)
      true = :erlang.suspend_process(waiter)
      :ok = Buffer.release(held)
      assert Pool.info(pool).waiting == 1
      assert {:ok, _} = Buffer.lease(pool, 4096)
      assert Buffer.lease(pool, 4096) == {:error, :exhausted}
      true = :erlang.resume_process(waiter)
      assert_receive {:outcome, ^waiter, {:ok, _}}, 5000
    end

    test "ends in a timeout, without a stray message" do
      pool = Pool.new(max_bytes: 1024)
      {:ok, held} = Buffer.lease(pool, 1024)
      for _ <- 1..20, do: assert(lease_outcome(pool, 64, 1) == {:error, :timeout})
      assert %{waiting: 0, waited: 20, refused: 20} = Pool.info(pool)
      assert Buffer.lease(pool, 64, timeout: 0) == {:error, :exhausted}
      assert Buffer.lease(pool, 2000, timeout: :infinity) == {:error, :exhausted}
      :ok = Buffer.release(held)
      assert {:ok, _} = Buffer.lease(pool, 64, timeout: 1)
    end

    test "timeouts race with releases: nothing is lost, no message is left" do
      pool = Pool.new(max_bytes: 2048, largest: 1024)

      outcomes =
        1..6
        |> Enum.map(fn i ->
          Task.async(fn ->
            for n <- 1..300 do
              case lease_outcome(pool, if(rem(n + i, 3) == 0, do: 1024, else: 200), 1) do
                {:ok, buffer} ->
                  if rem(n, 7) == 0, do: :erlang.yield()
                  Buffer.release(buffer)

                {:error, :timeout} ->
                  :timeout
              end
            end
          end)
        end)
        |> Task.await_many(60_000)
        |> List.flatten()

      assert Enum.uniq(outcomes) -- [:ok, :timeout] == []
      assert %{waiting: 0, leased: 0} = Pool.info(pool)
      assert {:ok, _} = Buffer.lease(pool, 1024)
    end

    test "a waiter that dies leaves the line and passes its call on" do
      pool = Pool.new(max_bytes: 1024)
      {:ok, held} = Buffer.lease(pool, 1024)
      Process.flag(:trap_exit, true)
      [first, second, third] = for _ <- 1..3, do: waiter(pool, 1024, :infinity)
      # Called, but it cannot look.
      true = :erlang.suspend_process(first)
      :ok = Buffer.release(held)
      Process.exit(second, :kill)
      Process.exit(first, :kill)
      assert_receive {:outcome, ^third, {:ok, _}}, 5000
      eventually(fn -> Pool.info(pool).waiting == 0 end)
    end

    test "ends when an owner dies, though another holds its buffer" do
      pool = Pool.new(max_bytes: 1024)
      test = self()

      owner =
        spawn(fn ->
          send(test, elem({:ok, _} = Buffer.lease(pool, 1024), 1))
          receive do: (:stop -> :ok)
        end)

      assert_receive buffer
      waiter = waiter(pool, 1024, :infinity)
      send(owner, :stop)
      assert_receive {:outcome, ^waiter, {:ok, _}}, 10_000
      assert Buffer.release(buffer) == {:error, :released}
    end

    test "ends when the last binary goes" do
      pool = Pool.new(max_bytes: 1_000_000)
      {:ok, buffer} = Buffer.lease(pool, 600_000, :binary.copy("x", 600_000))
      Process.put(:frozen, Buffer.freeze(buffer))
      :ok = Buffer.release(buffer)
      waiter = waiter(pool, 600_000, :infinity)
      Process.delete(:frozen)
      :erlang.garbage_collect()
      assert_receive {:outcome, ^waiter, {:ok, _}}, 10_000
    end

    test "ends with the pool" do
      pool = Pool.new(max_bytes: 1024)
      {:ok, held} = Buffer.lease(pool, 1024)
      test = self()

      pids =
        for i <- 1..3 do
          pid =
            spawn(fn ->
              try do
                Buffer.lease(pool, 1024, timeout: :infinity)
              rescue
                ArgumentError -> send(test, {:closed, self()})
              end
            end)

          eventually(fn -> Pool.info(pool).waiting == i end)
          pid
        end

      :ok = Pool.close(pool)
      for pid <- pids, do: assert_receive({:closed, ^pid}, 5000)
      assert Pool.info(pool).waiting == 0
      assert Buffer.release(held) == :ok
    end

    test "the calls below accept no one else's place in line" do
      pool = Pool.new(max_bytes: 1024)
      {:ok, held} = Buffer.lease(pool, 1024)
      {:wait, waiter} = :offheap_nif.pool_lease_wait(pool, 1024, "", :tag, :wake)
      other = Pool.new(max_bytes: 1024)

      in_another =
        Task.async(fn ->
          try do
            :offheap_nif.pool_lease_leave(waiter)
          rescue
            ArgumentError -> :badarg
          end
        end)

      assert Task.await(in_another) == :badarg

      assert_raise ArgumentError, fn ->
        :offheap_nif.pool_lease_again(other, 1024, "", :tag, waiter)
      end

      assert :offheap_nif.pool_lease_again(pool, 1024, "", :tag, waiter) == :wait
      assert :offheap_nif.pool_lease_leave(waiter) == :ok
      assert_raise ArgumentError, fn -> :offheap_nif.pool_lease_leave(waiter) end
      assert_raise ArgumentError, fn -> :offheap_nif.pool_lease_leave(pool) end
      assert Buffer.release(held) == :ok
    end
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

    test "frees what is idle" do
      start_supervised!({Pool, name: :pool_test_idle, sweep_ms: 1, idle_ms: 20})
      {:ok, held} = Buffer.lease(:pool_test_idle, 1000)
      Buffer.with_lease(:pool_test_idle, 5000, fn _ -> :ok end)
      eventually(fn -> Pool.info(:pool_test_idle).bytes == 1024 end)
      assert Buffer.release(held) == :ok
      eventually(fn -> Pool.info(:pool_test_idle).bytes == 0 end)
    end

    test "wants a name and known options" do
      assert_raise ArgumentError, fn -> Pool.start_link(max_bytes: 1) end
      Process.flag(:trap_exit, true)
      assert {:error, {:badarg, _}} = Pool.start_link(name: :pool_test_bad, sweep_ms: 0)
      assert {:error, {:badarg, _}} = Pool.start_link(name: :pool_test_bad, nonsense: 0)
      assert {:error, {:badarg, _}} = Pool.start_link(name: :pool_test_bad, idle_ms: 0)
    end
  end
end
