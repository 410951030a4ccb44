defmodule Offheap.PortSharedTest do
  # Bytes that cross to a worker in shared memory. Counts descriptors: not beside other tests.
  use ExUnit.Case, async: false

  import Bitwise
  import Offheap.Eventually
  alias Offheap.{Buffer, Jobs, Pool, PortPool}

  @mib 1024 * 1024

  setup_all do
    :ok = :offheap_nif.job_allow_test_jobs()
    true = :offheap_nif.shared_is_supported()
    :ok
  end

  setup do
    %{shared: Pool.new(shared: true, largest: 8 * @mib)}
  end

  defp start!(options \\ []) do
    {:ok, pool} = PortPool.start_link(Keyword.merge([size: 1, args: ["--test-jobs"]], options))
    pool
  end

  defp lease!(pool, size, bytes \\ "") do
    {:ok, buffer} = Buffer.lease(pool, size, bytes)
    buffer
  end

  defp pattern(size),
    do:
      :binary.part(
        :binary.copy(for(i <- 0..250, into: "", do: <<i>>), div(size, 251) + 1),
        0,
        size
      )

  defp record(pool), do: :offheap_port_registry.lookup(pool)
  defp is_on?(pool), do: :offheap_port_shared.is_on(record(pool))
  defp os_pid(pool), do: hd(PortPool.info(pool).workers).os_pid
  defp signal(os_pid, name), do: {_, 0} = System.cmd("kill", ["-#{name}", "#{os_pid}"])

  defp owner(pool) do
    [{1, owner}] = :ets.tab2list(elem(record(pool), 1))
    owner
  end

  defp descriptors(os_pid) do
    for fd <- File.ls!("/proc/#{os_pid}/fd"),
        {:ok, target} <- [File.read_link("/proc/#{os_pid}/fd/#{fd}")],
        target =~ "memfd:offheap",
        do: fd
  end

  defp mappings(os_pid) do
    for line <- String.split(File.read!("/proc/#{os_pid}/maps"), "\n"),
        line =~ "memfd:offheap",
        do: line
  end

  # In flight: the worker has begun, and the buffer is in its hands.
  defp begin(pool, job, input, options) do
    task = Task.async(fn -> PortPool.call(pool, job, input, options) end)
    eventually(fn -> match?([%{in_flight: 1}], PortPool.info(pool).workers) end)
    task
  end

  describe "a call" do
    for size <- [0, 1, 4095, 65_536, 100_001, @mib, 3 * @mib + 17] do
      test "reads #{size} bytes of one buffer and writes another", %{shared: shared} do
        size = unquote(size)
        data = pattern(size)
        pool = start!()
        from = lease!(shared, max(size, 100_000), data)
        into = lease!(shared, 2 * size + 100_000, "before")

        assert PortPool.call(pool, :echo, from, into: into) == {:ok, size}
        assert Buffer.read(into) == "before" <> data
        assert PortPool.call(pool, :echo, %{data: from}, into: into) == {:ok, size}
        assert Buffer.size(into) == 6 + 2 * size
        assert Buffer.read(into, 6 + size, size) == data
        assert PortPool.call(pool, :sha256, from) == {:ok, :crypto.hash(:sha256, data)}
        assert is_on?(pool)
        assert mappings(os_pid(pool)) != []
      end
    end

    test "gives parts of a result with the number of bytes in their place", %{shared: shared} do
      pool = start!()
      from = lease!(shared, 100_000, "hello")
      into = lease!(shared, 100_000)
      assert PortPool.call(pool, :parts, from, into: into) == {:ok, {5, 5}}
      assert Buffer.read(into) == "hello"
      assert PortPool.call(pool, :sleep, 0, into: into) == {:ok, :ok}
      assert Buffer.read(into) == "hello"
    end

    test "of which the result does not fit changes nothing", %{shared: shared} do
      pool = start!()
      from = lease!(shared, 200_000, pattern(200_000))
      into = lease!(shared, 65_536, "before")
      assert PortPool.call(pool, :echo, from, into: into) == {:error, :enospc}
      assert Buffer.read(into) == "before"
      assert Buffer.append(into, "!") == :ok
    end

    test "may read and write the same buffer", %{shared: shared} do
      pool = start!()
      buffer = lease!(shared, 100_000, "again")
      assert PortPool.call(pool, :echo, buffer, into: buffer) == {:ok, 5}
      assert Buffer.read(buffer) == "againagain"
    end

    test "of bytes that were split in front takes the rest", %{shared: shared} do
      pool = start!()
      from = lease!(shared, 100_000, pattern(100_000))
      assert Buffer.split_to(from, 5000) == pattern(5000)
      assert PortPool.call(pool, :sha256, from) == {:ok, :crypto.hash(:sha256, Buffer.read(from))}
    end

    test "of a frozen buffer reads it", %{shared: shared} do
      pool = start!()
      from = lease!(shared, 100_000, pattern(100_000))
      frozen = Buffer.freeze(from)
      assert PortPool.call(pool, :sha256, from) == {:ok, :crypto.hash(:sha256, frozen)}
      assert mappings(os_pid(pool)) != []
    end

    test "copies large binaries into such memory", _ do
      pool = start!()

      for size <- [65_535, 65_536, 65_537, 2 * @mib], data = pattern(size) do
        assert PortPool.call(pool, :sha256, data) == {:ok, :crypto.hash(:sha256, data)}
        assert mappings(os_pid(pool)) != [] == size >= 65_536
      end

      data = pattern(@mib)
      key = :binary.copy("k", 32)
      {:ok, digest} = PortPool.call(pool, :blake2b, %{data: data, key: key, size: 20})
      off = start!(shared: false)
      assert PortPool.call(off, :blake2b, %{data: data, key: key, size: 20}) == {:ok, digest}
    end

    test "works in the sandbox", %{shared: shared} do
      pool = start!(sandbox: true)
      from = lease!(shared, 100_000, pattern(100_000))
      into = lease!(shared, 100_000)
      assert PortPool.call(pool, :echo, from, into: into) == {:ok, 100_000}
      assert is_on?(pool)
    end

    test "that is idempotent is done again by the next worker", %{shared: shared} do
      pool = start!()
      into = lease!(shared, 100_000)

      assert {:error, {:worker_died, _}} =
               PortPool.call(pool, :crash, 0, into: into, idempotent: true)

      assert hd(PortPool.info(pool).workers).restarts == 2
      assert Buffer.append(into, "mine") == :ok
    end

    test "raises for what is no buffer or is released", %{shared: shared} do
      pool = start!()
      released = lease!(shared, 100_000)
      Buffer.release(released)
      assert_raise ArgumentError, fn -> PortPool.call(pool, :echo, released) end
      assert_raise ArgumentError, fn -> PortPool.call(pool, :echo, "x", into: released) end
      assert_raise ArgumentError, fn -> PortPool.call(pool, :echo, "x", into: :buffer) end
      assert_raise ArgumentError, fn -> PortPool.start_link(shared: 1) end
      assert_raise ArgumentError, fn -> Pool.new(shared: 1) end
    end
  end

  describe "the pipe does the same" do
    for {how, options} <- [
          {"where sharing is off", [shared: false]},
          {"where the VM's memory cannot be found",
           [args: ["--test-jobs", "--shared", "2147483647"]]},
          {"where the worker has no descriptor left", [files: 3]}
        ] do
      test how, %{shared: shared} do
        pool = start!(unquote(options))
        data = pattern(200_000)
        from = lease!(shared, 200_000, data)
        into = lease!(shared, 300_000, "before")

        for _ <- 1..3 do
          Buffer.resize(into, 6)
          assert PortPool.call(pool, :echo, from, into: into) == {:ok, 200_000}
          assert Buffer.read(into) == "before" <> data
          assert PortPool.call(pool, :sha256, data) == {:ok, :crypto.hash(:sha256, data)}
          refute is_on?(pool)
        end

        assert [%{restarts: 0}] = PortPool.info(pool).workers
      end
    end

    test "for buffers of ordinary pools", %{shared: shared} do
      pool = start!()
      data = pattern(200_000)
      from = lease!(Pool.new(), 200_000, data)
      into = lease!(Pool.new(), 200_000)
      assert PortPool.call(pool, :echo, from, into: into) == {:ok, 200_000}
      assert Buffer.read(into) == data
      # One of each.
      assert PortPool.call(pool, :echo, from, into: lease!(shared, 200_000)) == {:ok, 200_000}
      Buffer.resize(into, 0)

      assert PortPool.call(pool, :echo, lease!(shared, 200_000, data), into: into) ==
               {:ok, 200_000}

      assert Buffer.read(into) == data
    end

    test "for a result that would stand beside bytes which a binary shows", %{shared: shared} do
      pool = start!()
      into = lease!(shared, 400_000, pattern(200_000))
      front = Buffer.split_to(into, 150_000)
      assert PortPool.call(pool, :echo, "more", into: into) == {:ok, 4}
      assert Buffer.read(into, 50_000, 4) == "more"
      assert front == pattern(150_000)
      assert mappings(os_pid(pool)) == []
    end
  end

  describe "bytes that a binary shows" do
    for size <- [70_000, 3 * @mib] do
      test "do not change, whatever becomes of buffer, pool and worker: #{size}", %{
        shared: shared
      } do
        size = unquote(size)
        pool = start!()
        data = pattern(size)
        from = lease!(shared, size, data)
        into = lease!(shared, size)
        assert PortPool.call(pool, :echo, from, into: into) == {:ok, size}
        front = Buffer.split_to(into, 66_000)
        rest = Buffer.freeze(into)
        slice = Buffer.slice(into, 0, 1000)
        [piece] = Buffer.slices(into, [{0, 3000}])
        shown = Buffer.freeze(from)
        for buffer <- [from, into], do: Buffer.release(buffer)

        # The block that was written is used again, by a worker; the one that is shown is not.
        zeros = lease!(shared, size, :binary.copy(<<0>>, size))

        for _ <- 1..3 do
          again = lease!(shared, size)
          assert PortPool.call(pool, :echo, zeros, into: again) == {:ok, size}
          Buffer.release(again)
        end

        Buffer.release(zeros)
        Pool.close(shared)
        signal(os_pid(pool), "KILL")
        PortPool.stop(pool)
        assert front <> rest == data
        assert slice == binary_part(data, 66_000, 1000)
        assert piece == binary_part(data, 66_000, 3000)
        assert shown == data
      end
    end
  end

  describe "while a worker has a buffer" do
    test "nobody else extends, freezes or splits it; reading goes on", %{shared: shared} do
      pool = start!()
      into = lease!(shared, 100_000, "before")
      from = lease!(shared, 100_000, "from")
      task = begin(pool, :spin, 60_000, into: into)
      assert Buffer.append(into, "x") == {:error, :busy}
      assert Buffer.freeze(into) == {:error, :busy}
      assert Buffer.split_to(into, 1) == {:error, :busy}
      assert Buffer.read(into) == "before"
      assert PortPool.call(pool, :echo, from, into: into, timeout: 0) == {:error, :timeout}
      Task.shutdown(task, :brutal_kill)
      # The caller is dead, so the worker is told to stop; it asks.
      eventually(fn -> Buffer.append(into, "!") == :ok end)
      assert Buffer.read(into) == "before!"
      assert [%{restarts: 0}] = PortPool.info(pool).workers
    end

    test "a released block is not used again before the worker has answered", %{shared: shared} do
      pool = start!()
      into = lease!(shared, 100_000)
      request = begin(pool, :spin, 60_000, into: into)
      assert Buffer.release(into) == :ok
      assert %{leased: 0, cached: 0, bytes: bytes} = Pool.info(shared)
      assert bytes > 0
      Task.shutdown(request, :brutal_kill)
      eventually(fn -> match?(%{cached: 1, bytes: ^bytes}, Pool.info(shared)) end)
    end

    test "a caller that dies leaves nothing behind", %{shared: shared} do
      pool = start!()
      test = self()

      pid =
        spawn(fn ->
          from = lease!(shared, 100_000, "x")
          into = lease!(shared, 100_000)
          send(test, :leased)
          PortPool.call(pool, :spin, 60_000, into: into, timeout: :infinity)
          Buffer.release(from)
        end)

      receive do: (:leased -> :ok)
      eventually(fn -> match?([%{in_flight: 1}], PortPool.info(pool).workers) end)
      Process.exit(pid, :kill)
      eventually(fn -> Pool.sweep(shared) >= 0 and Pool.info(shared).cached == 2 end)
      assert Pool.info(shared).leased == 0
    end

    test "a timeout leaves it with the worker until that has stopped", %{shared: shared} do
      pool = start!(grace_ms: 100)
      into = lease!(shared, 100_000, "before")
      # Asks, and is told.
      assert PortPool.call(pool, :spin, 60_000, into: into, timeout: 20) == {:error, :timeout}
      eventually(fn -> Buffer.append(into, "!") == :ok end)
      # Never asks, and is killed.
      assert PortPool.call(pool, :hang, 0, into: into, timeout: 20) == {:error, :timeout}
      eventually(fn -> Buffer.append(into, "!") == :ok end)
      assert Buffer.read(into) == "before!!"
      assert [%{restarts: 1}] = PortPool.info(pool).workers
      assert Buffer.release(into) == :ok
      assert %{cached: 1} = Pool.info(shared)
    end

    test "a request that still waits gives it back at once", %{shared: shared} do
      pool = start!(credits: 1)
      first = PortPool.request(pool, :spin, 60_000)
      into = lease!(shared, 100_000)
      assert PortPool.call(pool, :echo, "x", into: into, timeout: 20) == {:error, :timeout}
      eventually(fn -> Buffer.append(into, "mine") == :ok end)
      full = start!(credits: 1, max_queue: 0)
      second = PortPool.request(full, :spin, 60_000)
      assert PortPool.call(full, :echo, "x", into: into) == {:error, :overloaded}
      assert Buffer.append(into, "!") == :ok
      for request <- [first, second], do: PortPool.cancel(request)
    end

    test "the end of the pool gives it back", %{shared: shared} do
      pool = start!()
      into = lease!(shared, 100_000)
      task = begin(pool, :hang, 0, into: into)
      PortPool.stop(pool)
      assert Task.await(task) == {:error, :closed}
      assert Buffer.append(into, "mine") == :ok
    end
  end

  describe "a worker that is killed" do
    test "gives it back, unchanged", %{shared: shared} do
      pool = start!()
      into = lease!(shared, 100_000, "before")
      task = begin(pool, :hang, 0, into: into)
      signal(os_pid(pool), "KILL")
      assert Task.await(task) == {:error, {:worker_died, 137}}
      assert Buffer.append(into, "!") == :ok
      assert Buffer.read(into) == "before!"
    end

    test "at any moment: each outcome is true, and nothing is lost", %{shared: shared} do
      pool = start!()
      size = 500_000
      data = pattern(size)
      from = lease!(shared, size, data)
      into = lease!(shared, size)

      outcomes =
        for _ <- 1..60 do
          Buffer.resize(into, 0)
          eventually(fn -> is_integer(os_pid(pool)) end)
          os_pid = os_pid(pool)

          killer =
            Task.async(fn ->
              spin_until = System.monotonic_time(:microsecond) + :rand.uniform(600)
              wait_until(spin_until)
              :os.cmd('kill -9 #{os_pid}')
            end)

          outcome = PortPool.call(pool, :echo, from, into: into)
          if outcome == {:ok, size}, do: assert(Buffer.read(into) == data)
          if outcome != {:ok, size}, do: assert({Buffer.size(into), outcome} == {0, outcome})
          Task.await(killer)
          outcome
        end

      for outcome <- Enum.uniq(outcomes) do
        assert outcome == {:ok, size} or match?({:error, {:worker_died, _}}, outcome)
      end

      eventually(fn ->
        PortPool.call(pool, :sha256, from) == {:ok, :crypto.hash(:sha256, data)}
      end)

      assert Buffer.release(into) == :ok
      assert Buffer.release(from) == :ok
      assert %{leased: 0, cached: 2} = Pool.info(shared)
    end

    defp wait_until(us) do
      if System.monotonic_time(:microsecond) < us, do: wait_until(us)
    end
  end

  describe "a worker of which nothing is known any more" do
    test "may yet write the buffer, which is released, and its memory not used again", %{
      shared: shared
    } do
      into = lease!(shared, 100_000)
      segments = :offheap_nif.shared_count()
      # Some program that runs.
      port = Port.open({:spawn_executable, System.find_executable("cat")}, [:exit_status])
      {:os_pid, os_pid} = Port.info(port, :os_pid)
      process = :offheap_nif.process_open(os_pid)
      refute :offheap_nif.process_await(process, 0)
      {crossing, [], _} = :offheap_nif.crossing_new([], into)
      :ok = :offheap_nif.crossing_sent(crossing, process)
      assert_raise ArgumentError, fn -> :offheap_nif.crossing_sent(crossing, process) end
      :ok = :offheap_nif.crossing_end(crossing)
      assert_raise ArgumentError, fn -> Buffer.append(into, "mine") end
      eventually(fn -> :offheap_nif.shared_count() == segments - 1 end)
      assert %{leased: 0, cached: 0, bytes: 0} = Pool.info(shared)

      # One that has ended gives it back.
      again = lease!(shared, 100_000)
      {crossing, [], _} = :offheap_nif.crossing_new([], again)
      :ok = :offheap_nif.crossing_sent(crossing, process)
      :ok = :offheap_nif.process_kill(process)
      assert :offheap_nif.process_await(process, 10_000)
      assert_receive {^port, {:exit_status, 137}}, 10_000
      assert :offheap_nif.process_await(process, 0)
      :ok = :offheap_nif.crossing_end(crossing)
      assert Buffer.append(again, "mine") == :ok
    end

    test "because its owner was killed: one of both", %{shared: shared} do
      pool = start!()
      into = lease!(shared, 100_000)
      task = begin(pool, :hang, 0, into: into)
      Process.exit(owner(pool), :kill)
      assert Task.await(task) == {:error, {:worker_died, :killed}}

      try do
        assert Buffer.append(into, "mine") == :ok
        assert Buffer.release(into) == :ok
      rescue
        ArgumentError -> assert Pool.info(shared).cached == 0
      end

      assert Pool.info(shared).leased == 0
    end
  end

  describe "a worker that lies" do
    # What its owner would get from it.
    defp say(pool, reply) do
      owner = owner(pool)
      state = :sys.get_state(owner)
      port = Enum.find(Tuple.to_list(state), &is_port/1)
      [id] = Enum.find_value(Tuple.to_list(state), fn f -> is_map(f) and in_flight(f) end)
      send(owner, {port, {:data, :erlang.term_to_binary(reply.(id))}})
    end

    defp in_flight(map) do
      keys = Map.keys(map)
      if match?([{_, flight}] when elem(flight, 0) == :flight, Map.to_list(map)), do: keys
    end

    for {what, bytes} <- [
          {"more bytes than fit", 1_000_000},
          {"a negative number", -1},
          {"no number", :x}
        ] do
      test "about #{what} is killed, and the buffer is unchanged", %{shared: shared} do
        pool = start!()
        into = lease!(shared, 100_000, "before")
        task = begin(pool, :hang, 0, into: into)
        say(pool, &{&1, :into, unquote(bytes), 1})
        assert Task.await(task) == {:error, {:worker_died, :protocol}}
        assert Buffer.append(into, "!") == :ok
        assert Buffer.read(into) == "before!"
      end
    end

    test "about a buffer that it was not given is killed", _ do
      pool = start!()
      task = begin(pool, :hang, 0, [])
      say(pool, &{&1, :into, 5, 5})
      assert Task.await(task) == {:error, {:worker_died, :protocol}}
    end
  end

  test "a worker maps nothing but what is truly a segment", %{shared: shared} do
    pool = start!()
    buffer = lease!(shared, 100_000, pattern(100_000))
    {crossing, [range], :none} = :offheap_nif.crossing_new([buffer], :none)
    {fd, inode, id, bytes, 0, 100_000} = range
    other = id + 1_000_000
    {:ok, digest} = PortPool.call(pool, :sha256, pattern(100_000))
    assert PortPool.call(pool, :sha256, range) == {:ok, digest}

    for wrong <- [
          {fd, inode + 1_000_000, other, bytes, 0, 1},
          {fd, inode, id, bytes + 4096, 0, 1},
          {fd, inode, other, bytes - 4096, 0, 1},
          {0, inode, other, bytes, 0, 1},
          {9999, inode, other, bytes, 0, 1}
        ] do
      assert PortPool.call(pool, :sha256, wrong) == {:error, :not_shared}
    end

    for wrong <- [
          {fd, inode, id, bytes, 1, bytes},
          {fd, inode, id, bytes, bytes + 1, 0},
          {fd, inode, id, 0, 0, 0},
          {fd, inode, id, bytes, -1, 1},
          {fd, inode, id, bytes, 0, 1.0},
          {-1, inode, id, bytes, 0, 1},
          {1 <<< 40, inode, id, bytes, 0, 1},
          {fd, inode, id, bytes, 1 <<< 62, 1 <<< 62},
          {fd, inode, id, bytes, 1 <<< 70, 1},
          {fd, inode, id, bytes, 0}
        ] do
      assert PortPool.call(pool, :sha256, wrong) == {:error, {:badarg, :data}}
    end

    assert [%{restarts: 0}] = PortPool.info(pool).workers
    :ok = :offheap_nif.crossing_end(crossing)
  end

  describe "a crossing" do
    test "ends once, and takes no wrong handles", %{shared: shared} do
      into = lease!(shared, 100_000)
      {crossing, [], range} = :offheap_nif.crossing_new([], into)
      assert tuple_size(range) == 6
      assert :offheap_nif.crossing_new([:x, {1, 2, 3}, into], into) |> elem(2) == :none
      refute :offheap_nif.crossing_replied(crossing, 1 <<< 40)
      refute :offheap_nif.crossing_replied(crossing, -1)
      assert :offheap_nif.crossing_replied(crossing, 5)
      assert Buffer.size(into) == 5
      assert :offheap_nif.crossing_replied(crossing, 7)
      assert :offheap_nif.crossing_end(crossing) == :ok
      assert Buffer.size(into) == 5
      many = List.duplicate(into, 9)

      for call <- [
            fn -> :offheap_nif.crossing_new(many, :none) end,
            fn -> :offheap_nif.crossing_new(:x, :none) end,
            fn -> :offheap_nif.crossing_sent(crossing, make_ref()) end,
            fn -> :offheap_nif.crossing_sent(make_ref(), make_ref()) end,
            fn -> :offheap_nif.crossing_replied(make_ref(), 0) end,
            fn -> :offheap_nif.crossing_end(make_ref()) end,
            fn -> :offheap_nif.process_await(make_ref(), 0) end
          ],
          do: assert_raise(ArgumentError, call)
    end

    test "that nobody refers to any more gives its buffers back", %{shared: shared} do
      into = lease!(shared, 100_000)

      Task.await(Task.async(fn -> _ = :offheap_nif.crossing_new([], into) end))
      eventually(fn -> Buffer.append(into, "mine") == :ok end)
    end
  end

  test "a worker without memory for a segment says so, and lives", %{shared: shared} do
    pool = start!(memory: 64 * @mib)
    from = lease!(shared, 80 * @mib)
    Buffer.resize(from, 80 * @mib)
    assert PortPool.call(pool, :sha256, from) == {:error, :enomem}
    assert PortPool.call(pool, :echo, "x") == {:ok, "x"}
    assert [%{restarts: 0}] = PortPool.info(pool).workers
  end

  test "a thousand requests leave no descriptor, mapping or segment behind" do
    vm = System.pid()

    {fds, maps, segments} =
      {length(descriptors(vm)), length(mappings(vm)), :offheap_nif.shared_count()}

    Task.await(
      Task.async(fn ->
        shared = Pool.new(shared: true, largest: @mib, max_bytes: 4 * @mib)
        pool = start!(size: 2)

        for i <- 1..1000 do
          size = 65_536 + rem(i * 7919, 400_000)
          {:ok, from} = Buffer.lease(shared, size, :binary.copy(<<i>>, size))
          {:ok, into} = Buffer.lease(shared, size)
          {:ok, ^size} = PortPool.call(pool, :echo, from, into: into)
          true = Buffer.read(into, size - 3, 3) == <<i, i, i>>
          Buffer.release(from)
          if rem(i, 3) > 0, do: Buffer.release(into)
        end

        for %{os_pid: os_pid} <- PortPool.info(pool).workers do
          assert descriptors(os_pid) == []
          assert length(mappings(os_pid)) <= 3 * 32
        end

        PortPool.stop(pool)
      end),
      :infinity
    )

    eventually(fn ->
      length(descriptors(vm)) == fds and length(mappings(vm)) == maps and
        :offheap_nif.shared_count() == segments
    end)
  end

  describe "jobs" do
    test "go to a worker with their buffers", %{shared: shared} do
      data = pattern(@mib)
      from = lease!(shared, @mib, data)
      into = lease!(shared, @mib)
      assert Jobs.run(:echo, from, into: into, lane: :port) == {:ok, @mib}
      assert Buffer.read(into) == data
      assert Jobs.run(:sha256, %{data: from}, lane: :port) == {:ok, :crypto.hash(:sha256, data)}
      assert Jobs.run(:echo, data, into: lease!(shared, 10), lane: :port) == {:error, :enospc}
    end
  end
end
