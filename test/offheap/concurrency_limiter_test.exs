defmodule Offheap.ConcurrencyLimiterTest do
  use ExUnit.Case, async: true

  import Bitwise
  alias Offheap.ConcurrencyLimiter

  doctest Offheap.ConcurrencyLimiter

  for module <- [:offheap_concurrency_limiter, Offheap.ConcurrencyLimiter] do
    describe "#{inspect(module)}" do
      @describetag subject: module

      test "permits go out up to the limit and come back", %{subject: m} do
        limiter = m.new(3)
        permits = for _ <- 1..3, do: acquire!(m, limiter)
        assert m.in_use(limiter) == 3
        assert m.acquire(limiter) == {:error, :limit}
        assert m.release(hd(permits)) == :ok
        assert m.in_use(limiter) == 2
        assert {:ok, permit} = m.acquire(limiter)
        assert m.acquire(limiter) == {:error, :limit}
        for permit <- [permit | tl(permits)], do: assert(m.release(permit) == :ok)
        assert m.in_use(limiter) == 0
      end

      test "a permit is released once", %{subject: m} do
        limiter = m.new(2)
        permit = acquire!(m, limiter)
        assert m.release(permit) == :ok
        other = acquire!(m, limiter)
        assert m.release(permit) == {:error, :released}
        assert m.release(permit) == {:error, :released}
        assert m.in_use(limiter) == 1
        assert m.release(other) == :ok
      end

      test "a permit may be released by another process", %{subject: m} do
        limiter = m.new(1)
        permit = acquire!(m, limiter)
        assert Task.await(Task.async(fn -> m.release(permit) end)) == :ok
        assert m.release(permit) == {:error, :released}
        assert m.in_use(limiter) == 0
      end

      test "limits that make no sense are refused", %{subject: m} do
        for limit <- [0, -1, 1.0, :a, nil, "1", [], 1 <<< 64, -(1 <<< 64)] do
          assert_raise ArgumentError, fn -> m.new(limit) end
        end

        for limit <- [1, (1 <<< 59) - 1, 1 <<< 59, (1 <<< 59) + 1, (1 <<< 63) - 1, (1 <<< 64) - 1] do
          limiter = m.new(limit)
          assert m.limit(limiter) == limit
          assert m.release(acquire!(m, limiter)) == :ok
        end
      end

      test "what is no limiter or no permit is refused", %{subject: m} do
        limiter = m.new(1)
        permit = acquire!(m, limiter)

        for wrong <- [permit, make_ref(), Offheap.Atomics.new(1), self(), 1, nil, []] do
          for f <- [:acquire, :in_use, :limit] do
            assert_raise ArgumentError, fn -> apply(m, f, [wrong]) end
          end
        end

        for wrong <- [limiter, make_ref(), Offheap.Atomics.new(1), self(), 1, nil, []] do
          assert_raise ArgumentError, fn -> m.release(wrong) end
        end

        assert m.release(permit) == :ok
      end
    end
  end

  describe "the owner's end" do
    for {name, reason} <- [{"a normal end", :normal}, {"a crash", :oops}, {"a kill", :kill}] do
      test "releases its permits: #{name}" do
        limiter = ConcurrencyLimiter.new(3)
        test = self()

        # The permits are held here too, so that collecting them is not what releases them.
        {owner, monitor} =
          spawn_monitor(fn ->
            send(test, {:permits, for(_ <- 1..3, do: acquire!(ConcurrencyLimiter, limiter))})
            receive do: (:end -> exit(unquote(reason)))
          end)

        assert_receive {:permits, permits}
        assert ConcurrencyLimiter.acquire(limiter) == {:error, :limit}

        if unquote(reason) == :kill, do: Process.exit(owner, :kill), else: send(owner, :end)
        assert_receive {:DOWN, ^monitor, :process, ^owner, _}
        await(fn -> ConcurrencyLimiter.in_use(limiter) == 0 end)

        for permit <- permits do
          assert ConcurrencyLimiter.release(permit) == {:error, :released}
        end

        assert ConcurrencyLimiter.in_use(limiter) == 0
      end
    end

    test "releases what it still holds, and nothing that it released before" do
      limiter = ConcurrencyLimiter.new(10)
      mine = acquire!(ConcurrencyLimiter, limiter)
      test = self()

      {owner, monitor} =
        spawn_monitor(fn ->
          [a | _] = permits = for _ <- 1..3, do: acquire!(ConcurrencyLimiter, limiter)
          :ok = ConcurrencyLimiter.release(a)
          send(test, {:permits, permits})
          receive do: (:end -> :ok)
        end)

      assert_receive {:permits, [_, b, _]}
      assert ConcurrencyLimiter.in_use(limiter) == 3
      assert ConcurrencyLimiter.release(b) == :ok
      send(owner, :end)
      assert_receive {:DOWN, ^monitor, :process, ^owner, _}
      await(fn -> ConcurrencyLimiter.in_use(limiter) == 1 end)
      assert ConcurrencyLimiter.release(mine) == :ok
      assert ConcurrencyLimiter.in_use(limiter) == 0
    end

    test "and release at the same time give a permit back once" do
      limiter = ConcurrencyLimiter.new(500)
      test = self()

      for _ <- 1..20 do
        {owner, monitor} =
          spawn_monitor(fn ->
            send(test, {:permits, for(_ <- 1..20, do: acquire!(ConcurrencyLimiter, limiter))})
            receive do: (:never -> :ok)
          end)

        assert_receive {:permits, permits}
        Process.exit(owner, :kill)
        for permit <- permits, do: ConcurrencyLimiter.release(permit)
        assert_receive {:DOWN, ^monitor, :process, ^owner, :killed}
        for p <- permits, do: assert(ConcurrencyLimiter.release(p) == {:error, :released})
        assert ConcurrencyLimiter.in_use(limiter) == 0
      end
    end
  end

  describe "life cycle" do
    test "a permit that nobody holds is released" do
      limiter = ConcurrencyLimiter.new(2)
      kept = acquire!(ConcurrencyLimiter, limiter)
      acquire!(ConcurrencyLimiter, limiter)

      await(fn ->
        :erlang.garbage_collect()
        ConcurrencyLimiter.in_use(limiter) == 1
      end)

      assert ConcurrencyLimiter.release(kept) == :ok
      assert ConcurrencyLimiter.in_use(limiter) == 0
    end

    test "a permit outlives its limiter's reference" do
      # The limiter is made and dropped in a process that has ended; its permit is ours.
      test = self()

      {maker, monitor} =
        spawn_monitor(fn ->
          limiter = ConcurrencyLimiter.new(1)
          send(test, {:permit, acquire!(ConcurrencyLimiter, limiter)})
        end)

      assert_receive {:permit, permit}
      assert_receive {:DOWN, ^monitor, :process, ^maker, _}
      :erlang.garbage_collect()
      await(fn -> ConcurrencyLimiter.release(permit) == {:error, :released} end)
    end

    test "permits may be sent, stored and copied" do
      limiter = ConcurrencyLimiter.new(1)
      table = :ets.new(:permits, [])
      :ets.insert(table, {:permit, acquire!(ConcurrencyLimiter, limiter)})
      :erlang.garbage_collect()
      [{:permit, permit}] = :ets.lookup(table, :permit)
      copy = :erlang.binary_to_term(:erlang.term_to_binary(permit))
      assert ConcurrencyLimiter.release(copy) == :ok
      assert ConcurrencyLimiter.release(permit) == {:error, :released}
    end
  end

  test "several processes never hold more permits than the limit, and all come back" do
    limit = 3
    limiter = ConcurrencyLimiter.new(limit)
    holders = :atomics.new(1, [])

    got =
      1..6
      |> Enum.map(fn _ ->
        Task.async(fn ->
          Enum.count(1..5000, fn _ ->
            with {:ok, permit} <- ConcurrencyLimiter.acquire(limiter) do
              assert :atomics.add_get(holders, 1, 1) <= limit
              :erlang.yield()
              :atomics.sub(holders, 1, 1)
              assert ConcurrencyLimiter.release(permit) == :ok
            else
              {:error, :limit} -> false
            end
          end)
        end)
      end)
      |> Task.await_many(:infinity)

    assert Enum.sum(got) > 1000
    assert ConcurrencyLimiter.in_use(limiter) == 0
  end

  defp acquire!(m, limiter) do
    {:ok, permit} = m.acquire(limiter)
    permit
  end

  # Notices of ends and destructors run when schedulers get to them.
  defp await(condition) do
    unless condition.() do
      :erlang.yield()
      await(condition)
    end
  end
end
