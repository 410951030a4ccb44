defmodule Offheap.PortPoolTest do
  # Kills operating-system processes and counts them: not beside other tests.
  use ExUnit.Case, async: false

  import Bitwise
  import Offheap.Eventually
  alias Offheap.PortPool

  doctest Offheap.PortPool

  @sigkill 128 + 9
  @sigabrt 128 + 6

  defp start!(options \\ []) do
    options = Keyword.merge([size: 2, args: ["--test-jobs"]], options)
    {:ok, pool} = PortPool.start_link(options)
    pool
  end

  defp os_pids(pool),
    do: for(%{os_pid: pid} <- PortPool.info(pool).workers, is_integer(pid), do: pid)

  # Linux only; elsewhere ps says the same. A zombie is gone: it waits for its parent to be told.
  defp alive?(os_pid) do
    case System.cmd("ps", ["-o", "stat=", "-p", "#{os_pid}"], stderr_to_stdout: true) do
      {"Z" <> _, _} -> false
      {stat, 0} -> String.trim(stat) != ""
      {_, _} -> false
    end
  end

  defp assert_gone(os_pids), do: eventually(fn -> not Enum.any?(os_pids, &alive?/1) end)

  defp kill_9(os_pid),
    do: System.cmd("kill", ["-9", Integer.to_string(os_pid)], stderr_to_stdout: true)

  defp refute_mail, do: assert({:messages, []} = Process.info(self(), :messages))

  describe "call" do
    test "gives what the job gives" do
      pool = start!()
      assert PortPool.call(pool, :echo, "hello") == {:ok, "hello"}
      assert PortPool.call(pool, :echo, "") == {:ok, ""}

      assert {:ok, <<0xBD, 0xDD, 0x81, 0x3C, _::binary-28>>} =
               PortPool.call(pool, :blake2b, "abc")

      refute_mail()
    end

    test "by the pool's name" do
      start!(name: :port_pool_test_named)
      assert PortPool.call(:port_pool_test_named, :echo, "x") == {:ok, "x"}
      assert PortPool.call(Process.whereis(:port_pool_test_named), :echo, "x") == {:ok, "x"}
    end

    test "of a job that is not there, or with an argument it does not take, is an error" do
      pool = start!()
      assert PortPool.call(pool, :no_such_job, 1) == {:error, :unknown_job}
      assert PortPool.call(pool, :hängen, 1) == {:error, :unknown_job}

      pid = self()

      for args <-
            [1, -1, 1.5, :a, [], ~c"abc", [1 | 2], {}, {1, 2}, %{a: 1}, <<1::1>>] ++
              [pid, make_ref(), &is_atom/1, fn -> pid end, Enum.random([hd(Port.list())])] ++
              [1 <<< 70, -(1 <<< 2100), List.to_tuple(Enum.to_list(1..300))],
          job <- [:echo, :blake2b, :blake2b_file] do
        assert {:error, {:badarg, name}} = PortPool.call(pool, job, args)
        assert name in [:data, :path, :a]
      end

      assert Enum.all?(PortPool.info(pool).workers, &(&1.restarts == 0))
      refute_mail()
    end

    test "with arguments nested too deep is an error, and the worker lives" do
      pool = start!(size: 1)
      deep = Enum.reduce(1..100_000, [], fn _, acc -> [acc] end)
      assert PortPool.call(pool, :echo, deep) == {:error, :too_deep}
      assert PortPool.call(pool, :echo, "x") == {:ok, "x"}
      assert [%{restarts: 0}] = PortPool.info(pool).workers
    end

    test "raises for a job that is no atom" do
      pool = start!(size: 1)
      assert_raise ArgumentError, fn -> PortPool.call(pool, "echo", "x") end
    end

    test "of 16 MiB and back" do
      pool = start!(size: 1)
      big = :binary.copy(<<1, 2, 3, 4, 5, 6, 7, 8>>, 2 * 1024 * 1024)
      assert {:ok, ^big} = PortPool.call(pool, :echo, big, :infinity)

      requests = for i <- 1..5, do: PortPool.request(pool, :echo, <<i, big::binary>>)

      for {request, i} <- Enum.with_index(requests, 1),
          do: assert({:ok, <<^i, ^big::binary>>} = PortPool.await(request, :infinity))
    end

    test "of sizes around every limit of the way" do
      pool = start!(size: 1)

      for edge <- [64, 255, 256, 16_383, 16_384, 65_535, 65_536, 131_072],
          size <- (edge - 40)..(edge + 40)//8 do
        data = :binary.copy(<<size::8>>, size)
        assert PortPool.call(pool, :echo, data, :infinity) == {:ok, data}
      end
    end

    test "larger than a frame is refused, and what just fits is not" do
      pool = start!(size: 1, max_frame: 1000)
      assert PortPool.call(pool, :echo, :binary.copy("x", 1001)) == {:error, :too_large}
      assert {:ok, _} = PortPool.call(pool, :echo, :binary.copy("x", 980))
      requests = for _ <- 1..200, do: PortPool.request(pool, :echo, :binary.copy("x", 500))
      assert Enum.all?(requests, &match?({:ok, _}, PortPool.await(&1, :infinity)))
    end

    test "of a pool that is not there" do
      assert PortPool.call(:no_such_pool, :echo, "x") == {:error, :noproc}
      pool = start!()
      PortPool.stop(pool)
      assert PortPool.call(pool, :echo, "x") == {:error, :noproc}
    end
  end

  describe "a timeout" do
    test "leaves no late message" do
      pool = start!(size: 1)
      assert PortPool.call(pool, :sleep, 50, 0) == {:error, :timeout}
      assert PortPool.call(pool, :sleep, 50, 1) == {:error, :timeout}
      # Done after both.
      assert PortPool.call(pool, :sleep, 1, :infinity) == {:ok, :ok}
      refute_mail()
    end

    test "or a cancelled request that waits frees its place" do
      pool = start!(size: 1, credits: 1, max_queue: 3)
      hung = PortPool.request(pool, :hang, 0)

      for _ <- 1..500 do
        requests = for _ <- 1..3, do: PortPool.request(pool, :echo, "x")
        # The caller's look at the load may be older than its last cancellation.
        for request <- requests,
            do: assert(PortPool.await(request, 0) in [error: :timeout, error: :overloaded])
      end

      assert [%{in_flight: 1, waiting: 0}] = PortPool.info(pool).workers
      assert PortPool.cancel(hung) == :ok
      refute_mail()
    end
  end

  describe "overload" do
    test "is refused beyond credits and queue, and passes" do
      pool = start!(size: 1, credits: 2, max_queue: 3)
      sleeper = PortPool.request(pool, :sleep, 300)
      requests = for i <- 1..50, do: {i, PortPool.request(pool, :echo, <<i>>)}
      outcomes = for {i, request} <- requests, do: {i, PortPool.await(request, :infinity)}
      refused = Enum.count(outcomes, fn {_, outcome} -> outcome == {:error, :overloaded} end)

      assert refused == 50 - 4
      for {i, {:ok, data}} <- outcomes, do: assert(data == <<i>>)
      assert PortPool.await(sleeper, :infinity) == {:ok, :ok}
      assert PortPool.call(pool, :echo, "x") == {:ok, "x"}
      refute_mail()
    end

    test "of a worker that stopped reading holds up neither its owner nor the others" do
      pool = start!(size: 2, credits: 8, max_queue: 8)
      [stopped, _] = os_pids(pool)
      {_, 0} = System.cmd("kill", ["-STOP", Integer.to_string(stopped)])
      big = :binary.copy("x", 1_000_000)
      requests = for _ <- 1..200, do: PortPool.request(pool, :echo, big)

      eventually(fn ->
        [held, other] = PortPool.info(pool).workers
        held.os_pid == stopped and other.in_flight == 0 and other.waiting == 0
      end)

      # Answered, refused, or held by the stopped worker: at most credits + queue of these.
      outcomes = Enum.map(requests, &PortPool.await(&1, 0))
      held = Enum.count(outcomes, &(&1 == {:error, :timeout}))
      assert held > 0 and held <= 16
      {_, 0} = System.cmd("kill", ["-CONT", Integer.to_string(stopped)])
      eventually(fn -> Enum.all?(PortPool.info(pool).workers, &(&1.in_flight == 0)) end)
      assert PortPool.call(pool, :echo, "x") == {:ok, "x"}
      refute_mail()
    end
  end

  defp tmp_dir(_) do
    dir =
      Path.join(
        System.tmp_dir!(),
        "offheap_port_pool_#{System.pid()}_#{System.unique_integer([:positive])}"
      )

    File.mkdir_p!(dir)
    on_exit(fn -> File.rm_rf!(dir) end)
    {:ok, tmp_dir: dir}
  end

  describe "a worker's death" do
    test "is the outcome of its requests, once each, with the status" do
      pool = start!(size: 1)
      requests = [PortPool.request(pool, :crash, 0) | for(_ <- 1..20, do: echo(pool))]
      outcomes = Enum.map(requests, &PortPool.await(&1, :infinity))
      assert hd(outcomes) == {:error, {:worker_died, @sigabrt}}

      for outcome <- tl(outcomes),
          do: assert(outcome in [{:ok, "x"}, {:error, {:worker_died, @sigabrt}}])

      assert PortPool.call(pool, :echo, "x", :infinity) == {:ok, "x"}
      assert [%{restarts: 1}] = PortPool.info(pool).workers
      refute_mail()
    end

    test "leaves requests that waited to its successor" do
      pool = start!(size: 1, credits: 1)
      crash = PortPool.request(pool, :crash, 0)
      waiting = for _ <- 1..20, do: echo(pool)
      assert PortPool.await(crash, :infinity) == {:error, {:worker_died, @sigabrt}}
      assert Enum.all?(waiting, &(PortPool.await(&1, :infinity) == {:ok, "x"}))
    end

    test "at every start fails what waits, and does not end the pool" do
      pool = start!(size: 1, executable: System.find_executable("false"), args: [])

      for _ <- 1..6 do
        assert {:error, {:worker_died, _}} = PortPool.call(pool, :echo, "x", :infinity)
      end

      assert Process.alive?(pool)
      refute_mail()
    end

    test "by a reply that is none is a protocol error" do
      {:ok, tmp_dir: dir} = tmp_dir([])
      # Answers with the request itself.
      program = Path.join(dir, "parrot")
      File.write!(program, "#!/bin/sh\nexec cat\n")
      File.chmod!(program, 0o755)
      pool = start!(size: 1, executable: program)
      assert {:error, {:worker_died, :protocol}} = PortPool.call(pool, :echo, "x", :infinity)
    end

    test "of a program that cannot be started is said at the start" do
      Process.flag(:trap_exit, true)
      assert {:error, _} = PortPool.start_link(executable: "/no/such/program")
    end
  end

  defp echo(pool), do: PortPool.request(pool, :echo, "x")

  test "10,000 requests of several processes have one outcome each while workers are killed" do
    pool = start!(size: 2, credits: 16)
    test = self()

    killer =
      spawn_link(fn ->
        Enum.each(Stream.cycle([:kill]), fn :kill ->
          receive do
            :stop -> exit(:normal)
          after
            Enum.random(0..3) -> Enum.each(Enum.take_random(os_pids(pool), 1), &kill_9/1)
          end
        end)
      end)

    callers =
      for c <- 1..5 do
        spawn_monitor(fn ->
          counts = Enum.reduce(1..50, %{}, fn round, acc -> burst(pool, c, round, acc) end)
          {:messages, mail} = Process.info(self(), :messages)
          send(test, {:counts, counts, mail})
        end)
      end

    totals =
      for {pid, ref} <- callers, reduce: %{} do
        totals ->
          assert_receive {:DOWN, ^ref, :process, ^pid, :normal}, 120_000
          assert_received {:counts, counts, []}
          Map.merge(totals, counts, fn _, a, b -> a + b end)
      end

    send(killer, :stop)
    assert totals |> Map.values() |> Enum.sum() == 10_000
    assert totals[:ok] > 0
    assert Map.keys(totals) -- [:ok, @sigkill, :epipe] == []
    assert Enum.any?(PortPool.info(pool).workers, &(&1.restarts > 0))
    pids = os_pids(pool)
    PortPool.stop(pool)
    assert_gone(pids)
  end

  # 40 requests, each with its own data; the outcomes counted.
  defp burst(pool, caller, round, counts) do
    requests =
      for i <- 1..40 do
        data = :binary.copy(<<caller, round, i>>, Enum.random([1, 100, 10_000]))
        {data, PortPool.request(pool, :echo, data)}
      end

    for {data, request} <- requests, reduce: counts do
      counts ->
        case PortPool.await(request, :infinity) do
          {:ok, ^data} -> Map.update(counts, :ok, 1, &(&1 + 1))
          {:error, {:worker_died, status}} -> Map.update(counts, status, 1, &(&1 + 1))
        end
    end
  end

  describe "cancel" do
    test "stops the job in the worker, and the worker goes on" do
      pool = start!(size: 1)
      [before] = os_pids(pool)
      spinning = PortPool.request(pool, :spin, 600_000)
      behind = echo(pool)
      assert PortPool.cancel(spinning) == :ok
      assert PortPool.await(behind, :infinity) == {:ok, "x"}
      assert os_pids(pool) == [before]
      assert [%{in_flight: 0, restarts: 0}] = PortPool.info(pool).workers
      refute_mail()
    end

    test "keeps a request from being begun that is in the pipe behind another" do
      pool = start!(size: 1)
      first = PortPool.request(pool, :spin, 200)
      second = PortPool.request(pool, :crash, [])
      third = echo(pool)
      PortPool.cancel(second)
      assert PortPool.await(first, :infinity) == {:ok, :ok}
      assert PortPool.await(third, :infinity) == {:ok, "x"}
      refute_mail()
    end

    test "of many, in the pipe and behind, large and small, answers the rest" do
      pool = start!(size: 1, credits: 64)
      large = :binary.copy("y", 3_000_000)
      spinning = PortPool.request(pool, :spin, 600_000)

      requests =
        for i <- 1..40 do
          data = if rem(i, 10) == 0, do: large, else: <<i>>
          {i, data, PortPool.request(pool, :echo, data)}
        end

      {dropped, kept} = Enum.split_with(requests, fn {i, _, _} -> rem(i, 3) == 0 end)
      for {_, _, request} <- dropped, do: PortPool.cancel(request)
      PortPool.cancel(spinning)

      for {_, data, request} <- kept,
          do: assert(PortPool.await(request, :infinity) == {:ok, data})

      eventually(fn -> match?([%{in_flight: 0, waiting: 0}], PortPool.info(pool).workers) end)
      assert [%{restarts: 0}] = PortPool.info(pool).workers
      refute_mail()
    end

    test "ends a worker whose job does not ask, after the grace time" do
      pool = start!(size: 1, grace_ms: 50)
      [before] = os_pids(pool)
      burning = PortPool.request(pool, :burn, [])
      behind = echo(pool)
      PortPool.cancel(burning)
      assert PortPool.await(behind, :infinity) == {:error, {:worker_died, :killed}}
      assert_gone([before])
      assert PortPool.call(pool, :echo, "x", :infinity) == {:ok, "x"}
      refute_mail()
    end

    test "ends a worker that is stopped" do
      pool = start!(size: 1, grace_ms: 50)
      [before] = os_pids(pool)
      System.cmd("kill", ["-STOP", "#{before}"])
      assert PortPool.call(pool, :echo, "x", 50) == {:error, :timeout}

      assert PortPool.call(pool, :echo, "x", :infinity) in [
               {:ok, "x"},
               {:error, {:worker_died, :killed}}
             ]

      assert_gone([before])
      assert PortPool.call(pool, :echo, "x", :infinity) == {:ok, "x"}
    end

    test "comes from the caller's death, too" do
      pool = start!(size: 1)
      test = self()

      {caller, monitor} =
        spawn_monitor(fn ->
          PortPool.request(pool, :spin, 600_000)
          send(test, :sent)
          Process.sleep(:infinity)
        end)

      assert_receive :sent
      Process.exit(caller, :kill)
      assert_receive {:DOWN, ^monitor, _, _, _}
      assert PortPool.call(pool, :echo, "x", :infinity) == {:ok, "x"}
      assert [%{restarts: 0}] = PortPool.info(pool).workers
    end
  end

  describe "a request's timeout" do
    test "is its outcome, whether or not somebody awaits" do
      pool = start!(size: 1, credits: 1)
      spinning = PortPool.request(pool, :spin, 600_000, timeout: 50)
      waiting = PortPool.request(pool, :spin, 600_000, timeout: 60)
      later = PortPool.request(pool, :echo, "x", timeout: :infinity)
      assert PortPool.await(later, :infinity) == {:ok, "x"}
      assert PortPool.await(spinning, :infinity) == {:error, :timeout}
      assert PortPool.await(waiting, :infinity) == {:error, :timeout}
      assert PortPool.call(pool, :spin, 600_000, timeout: 10) == {:error, :timeout}
      assert PortPool.await(PortPool.request(pool, :echo, "x", timeout: 5000)) == {:ok, "x"}
      refute_mail()
    end

    test "and other options are checked" do
      pool = start!(size: 1)

      for options <- [[timeout: -1], [timeout: 1.0], [idempotent: 1], [other: 1], [:timeout], :x] do
        assert_raise ArgumentError, fn -> PortPool.request(pool, :echo, "x", options) end
      end

      assert_raise ArgumentError, fn -> PortPool.call(pool, :echo, "x", timeout: -1) end
    end
  end

  test "an idempotent request survives its worker, once" do
    pool = start!(size: 1)
    test = self()
    sleep = PortPool.request(pool, :sleep, 300, idempotent: true)
    [pid] = os_pids(pool)
    kill_9(pid)
    assert PortPool.await(sleep, :infinity) == {:ok, :ok}

    assert PortPool.call(pool, :crash, [], timeout: :infinity, idempotent: true) ==
             {:error, {:worker_died, @sigabrt}}

    assert [%{restarts: 3}] = PortPool.info(pool).workers
    assert test == self()
    refute_mail()
  end

  describe "max_requests" do
    test "replaces a worker, and loses nothing" do
      pool = start!(size: 1, max_requests: 10)
      [before] = os_pids(pool)
      requests = for i <- 1..105, do: {i, PortPool.request(pool, :echo, <<i>>)}
      for {i, request} <- requests, do: assert(PortPool.await(request, :infinity) == {:ok, <<i>>})
      assert [%{recycled: 10, restarts: 0}] = PortPool.info(pool).workers
      assert_gone([before])
      refute_mail()
    end
  end

  describe "limits" do
    test "of memory make jobs fail, not the worker" do
      pool = start!(size: 1, memory: 512 * 1024 * 1024)
      assert PortPool.call(pool, :eat, 100, :infinity) == {:ok, 100}
      assert PortPool.call(pool, :eat, 1000, :infinity) == {:error, :enomem}
      assert PortPool.call(pool, :echo, "x", :infinity) == {:ok, "x"}
    end

    test "of time end the worker" do
      pool = start!(size: 1, cpu: 1)
      assert PortPool.call(pool, :burn, [], :infinity) == {:error, {:worker_died, @sigkill}}
    end

    test "of files are kept" do
      pool = start!(size: 1, files: 4)
      # 0, 1, 2 and one more.
      assert {:ok, _} = PortPool.call(pool, :blake2b_file, "/etc/hostname")
      pool = start!(size: 1, files: 3)
      assert PortPool.call(pool, :blake2b_file, "/etc/hostname") == {:error, :emfile}
    end

    test "of rights are kept" do
      assert {:ok, {true, true, niceness}} = PortPool.call(start!(size: 1), :probe, [])
      pool = start!(size: 1, sandbox: true, nice: 3)
      assert PortPool.call(pool, :probe, []) == {:ok, {false, false, niceness + 3}}
      # Jobs work on.
      assert {:ok, _} = PortPool.call(pool, :blake2b_file, "/etc/hostname")

      assert {:ok, _} =
               PortPool.call(pool, :argon2id, %{password: "x", opslimit: 1, memlimit: 8192})
    end

    test "out of range are refused" do
      for option <-
            [memory: 0, cpu: 0, files: -1, nice: 20, nice: -1, sandbox: 1] ++
              [max_requests: 0, grace_ms: -1] do
        assert_raise ArgumentError, fn -> PortPool.start_link([option]) end
      end
    end
  end

  describe "what a worker writes to its standard error" do
    import ExUnit.CaptureLog

    test "is logged line by line, its last words too" do
      log =
        capture_log(fn ->
          pool = start!(size: 1)
          assert PortPool.call(pool, :complain, "one\ntwo\nthr") == {:ok, 11}
          assert PortPool.call(pool, :complain, "ee\n") == {:ok, 3}
          assert {:error, _} = PortPool.call(pool, :crash, [])
          assert PortPool.call(pool, :complain, "again\n") == {:ok, 6}
          # What is logged comes from the process that owns the worker.
          assert [%{restarts: 1}] = PortPool.info(pool).workers
          PortPool.stop(pool)
        end)

      for line <- ~w(one two three again), do: assert(log =~ "worker 1: #{line}")
    end

    test "never holds it up, however much it is" do
      log =
        capture_log(fn ->
          pool = start!(size: 1)
          text = String.duplicate(String.duplicate("z", 79) <> "\n", 500)
          for _ <- 1..200, do: assert({:ok, _} = PortPool.call(pool, :complain, text, :infinity))
          PortPool.stop(pool)
        end)

      assert log =~ "zzz"
    end
  end

  describe "a caller's death" do
    test "drops its requests that wait" do
      pool = start!(size: 1, credits: 1)
      sleeper = PortPool.request(pool, :sleep, 200)

      {pid, ref} =
        spawn_monitor(fn ->
          for _ <- 1..100, do: PortPool.request(pool, :crash, 0)
          receive do: (:never -> :ok)
        end)

      eventually(fn -> match?([%{waiting: 100}], PortPool.info(pool).workers) end)
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^ref, :process, ^pid, :killed}
      assert PortPool.await(sleeper, :infinity) == {:ok, :ok}
      assert PortPool.call(pool, :echo, "x", :infinity) == {:ok, "x"}
      assert [%{waiting: 0, restarts: 0}] = PortPool.info(pool).workers
    end

    test "in the middle of a request does not disturb others" do
      pool = start!(size: 1)

      for _ <- 1..50 do
        {pid, ref} = spawn_monitor(fn -> PortPool.call(pool, :sleep, 1, :infinity) end)
        Process.exit(pid, :kill)
        assert_receive {:DOWN, ^ref, :process, ^pid, _}
      end

      assert PortPool.call(pool, :echo, "x", :infinity) == {:ok, "x"}
      eventually(fn -> match?([%{in_flight: 0, waiting: 0}], PortPool.info(pool).workers) end)
    end
  end

  describe "stop" do
    test "ends workers, also those in the middle of a job, and answers who waits" do
      pool = start!(size: 2, credits: 1)
      requests = for _ <- 1..2, do: PortPool.request(pool, :hang, 0)
      waiting = for _ <- 1..4, do: echo(pool)
      pids = os_pids(pool)
      assert length(pids) == 2 and Enum.all?(pids, &alive?/1)
      assert PortPool.stop(pool) == :ok
      for r <- requests ++ waiting, do: assert(PortPool.await(r, :infinity) == {:error, :closed})
      assert_gone(pids)
      refute_mail()
    end

    test "and start again under the same name" do
      for _ <- 1..20 do
        pool = start!(name: :port_pool_test_again, size: 1)
        assert PortPool.call(:port_pool_test_again, :echo, "x") == {:ok, "x"}
        PortPool.stop(pool)
      end
    end

    test "a supervisor's restart brings it back" do
      options = [name: :port_pool_test_child, size: 1]
      start_supervised!({PortPool, options})
      assert PortPool.call(:port_pool_test_child, :echo, "x") == {:ok, "x"}
      # Often, since the old pool's processes may end after the new one has begun.
      for _ <- 1..10 do
        pids = os_pids(:port_pool_test_child)
        pool = Process.whereis(:port_pool_test_child)
        ref = Process.monitor(pool)
        Process.exit(pool, :kill)
        assert_receive {:DOWN, ^ref, :process, ^pool, :killed}
        assert_gone(pids)

        eventually(fn -> PortPool.call(:port_pool_test_child, :echo, "x") == {:ok, "x"} end)
      end
    end
  end

  test "kill -9 of an owner is an error for its callers and the pool goes on" do
    pool = start!(size: 1)
    pids = os_pids(pool)
    hung = PortPool.request(pool, :hang, 0)
    [{_, owner, _, _}] = for {1, _, _, _} = c <- Supervisor.which_children(pool), do: c
    waiting = Task.async(fn -> PortPool.call(pool, :hang, 0, :infinity) end)
    eventually(fn -> match?([%{in_flight: 2}], PortPool.info(pool).workers) end)
    eventually(fn -> Process.info(waiting.pid, :status) == {:status, :waiting} end)
    Process.exit(owner, :kill)
    assert Task.await(waiting, :infinity) == {:error, {:worker_died, :killed}}
    # Who did not wait then does not know how.
    assert PortPool.await(hung, :infinity) == {:error, :closed}
    eventually(fn -> PortPool.call(pool, :echo, "x") == {:ok, "x"} end)
    assert_gone(pids)
    refute_mail()
  end

  test "kill -9 of an owner ends a worker that reads no more, with requests on their way to it" do
    pool = start!(size: 1)
    [os_pid] = os_pids(pool)
    big = :binary.copy("x", 1_000_000)
    _ = PortPool.request(pool, :burn, [])
    for _ <- 1..3, do: PortPool.request(pool, :echo, big)
    [owner] = for {1, pid, _, _} <- Supervisor.which_children(pool), do: pid
    assert %{workers: [%{in_flight: 4}]} = PortPool.info(pool)
    Process.exit(owner, :kill)
    assert_gone([os_pid])
    eventually(fn -> PortPool.call(pool, :echo, "x") == {:ok, "x"} end)
  end

  test "workers that come and go leave no descriptor behind" do
    pool = start!(size: 1, max_requests: 1)
    assert PortPool.call(pool, :echo, "x") == {:ok, "x"}
    before = descriptors()
    for _ <- 1..100, do: assert(PortPool.call(pool, :echo, "x") == {:ok, "x"})
    eventually(fn -> descriptors() <= before + 5 end, 100)
  end

  # Where the system does not tell, none.
  defp descriptors do
    case File.ls("/proc/self/fd") do
      {:ok, fds} -> length(fds)
      {:error, _} -> 0
    end
  end

  test "an owner answers system messages" do
    pool = start!(size: 1)
    [owner] = for {1, pid, _, _} <- Supervisor.which_children(pool), do: pid
    :ok = :sys.suspend(owner)
    request = echo(pool)
    :ok = :sys.resume(owner)
    assert PortPool.await(request, :infinity) == {:ok, "x"}
    assert {:status, ^owner, _, _} = :sys.get_status(owner)
  end

  describe "kill -9 of the VM leaves no worker" do
    for {what, job} <- [{"idle", "{echo, <<1>>}"}, {"that computes", "{hang, 0}"}] do
      test "#{what}" do
        {vm, vm_pid, pids} = start_vm(unquote(job))
        assert length(pids) == 2 and Enum.all?(pids, &alive?/1)
        kill_9(vm_pid)
        assert_receive {^vm, {:exit_status, _}}, 30_000
        assert_gone(pids)
      end
    end
  end

  # An emulator with a pool of two workers that both do the job; its OS pid and theirs.
  defp start_vm(job) do
    ebin = Path.dirname(to_string(:code.which(:offheap_port_pool)))

    code = """
    {Job, Arg} = #{job},
    {ok, P} = offheap_port_pool:start_link([{size, 2}, {args, [\"--test-jobs\"]}]),
    _ = [offheap_port_pool:request(P, Job, Arg) || _ <- [1, 2]],
    #{"#"}{workers := W} = offheap_port_pool:info(P),
    io:format("pids ~s ~w ~w~n", [os:getpid() | [maps:get(os_pid, M) || M <- W]]),
    receive after infinity -> ok end.
    """

    erl = System.find_executable("erl")

    vm =
      Port.open({:spawn_executable, erl}, [
        :binary,
        :exit_status,
        :stderr_to_stdout,
        line: 1000,
        args: ["-noshell", "-noinput", "-pa", ebin, "-eval", code]
      ])

    assert_receive {^vm, {:data, {:eol, "pids " <> pids}}}, 30_000
    [vm_pid | workers] = pids |> String.split() |> Enum.map(&String.to_integer/1)
    {vm, vm_pid, workers}
  end

  describe "options" do
    test "that are wrong raise" do
      for options <- [
            [size: 0],
            [size: 1025],
            [credits: 0],
            [max_queue: -1],
            [max_frame: 1],
            [max_frame: (1 <<< 30) + 1],
            [name: "pool"],
            [no_such_option: 1],
            [:size],
            [args: :a],
            :size
          ] do
        assert_raise ArgumentError, fn -> PortPool.start_link(options) end
      end
    end

    test "may be a map, and show in info" do
      {:ok, pool} = PortPool.start_link(%{size: 3, credits: 5, max_queue: 7, max_frame: 4096})

      assert %{size: 3, credits: 5, max_queue: 7, max_frame: 4096, workers: [_, _, _]} =
               PortPool.info(pool)

      assert PortPool.info(:no_such_pool) == {:error, :noproc}
    end
  end
end
