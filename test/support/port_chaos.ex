defmodule Offheap.PortChaos do
  @moduledoc """
  Requests of every kind from many processes to two pools, while all that can die does: callers, workers,
  their owners, the pools. One pool has Offheap's own worker, of which some are stopped (SIGSTOP); the other a
  hostile program (test/c/hostile_worker.c), which tears frames, exits in the middle of replies, answers
  twice or what nobody asked, and stops reading.

  `run/1` raises if anything is wrong: a request without an outcome, or with a second one; another
  request's bytes; a message that stays in a mailbox; a process, port, table, descriptor, memory segment or
  operating-system process that is left in the end. It returns how often each thing happened.

  Options: `:requests`, how many are sent at least; `:callers` (12); `:seed`; `:report`, a function that is
  called with a line of text now and then. `kill_vm/0` is another run: a second VM under load.
  """

  alias Offheap.PortPool

  @own :port_chaos_own
  @hostile :port_chaos_hostile
  @kill_every_ms 25
  @grace_ms 60

  def run(opts) do
    :rand.seed(:exsss, Keyword.get(opts, :seed, 1))
    hostile = build_hostile()
    _ = left()
    before = left()
    counts = :ets.new(:port_chaos, [:public])

    context = %{
      counts: counts,
      requests: Keyword.fetch!(opts, :requests),
      source: :rand.bytes(1_000_000),
      report: Keyword.get(opts, :report, fn _line -> :ok end)
    }

    {:ok, pools} = start_pools(hostile)
    chaos = spawn_link(fn -> chaos(context) end)
    running = for _ <- 1..Keyword.get(opts, :callers, 12), into: %{}, do: start(context)
    done = supervise(context, running, [])
    stop_chaos(chaos)
    settle()
    :ok = Supervisor.stop(pools)
    finish(done)
    totals = check_counts(context, done)
    :ets.delete(counts)
    until!("all is gone", fn -> left() == before end, fn -> inspect({before, left()}) end)
    totals
  end

  defp start_pools(hostile) do
    own = [
      name: @own,
      size: 2,
      args: ["--test-jobs"],
      credits: 16,
      max_queue: 64,
      grace_ms: @grace_ms,
      max_requests: 2000
    ]

    foreign = [
      name: @hostile,
      size: 2,
      executable: hostile,
      args: ["--odds", "200"],
      credits: 16,
      max_queue: 64
    ]

    Supervisor.start_link([{PortPool, own}, {PortPool, foreign}],
      strategy: :one_for_one,
      max_restarts: 1_000_000
    )
  end

  defp build_hostile do
    dir = Path.join(Mix.Project.build_path(), "port_chaos")
    File.mkdir_p!(dir)
    program = Path.join(dir, "hostile_worker")
    source = Path.expand("../c/hostile_worker.c", __DIR__)
    cc = System.get_env("CC") || "cc"
    {"", 0} = System.cmd(cc, ["-O1", "-o", program, source], stderr_to_stdout: true)
    program
  end

  # --- Callers ---

  defp count(%{counts: counts}, what, by \\ 1),
    do: :ets.update_counter(counts, what, by, {what, 0})

  defp start(context) do
    harness = self()

    {pid, monitor} =
      spawn_monitor(fn ->
        :rand.seed(:exsss, {System.unique_integer(), 2, 3})
        work(context)
        send(harness, {:done, self()})

        receive do
          {:finish, from} -> send(from, {:finished, self(), remains()})
        end
      end)

    {monitor, pid}
  end

  # What must be nothing: messages, and monitors of owners.
  defp remains do
    {:messages, messages} = Process.info(self(), :messages)
    {:monitors, monitors} = Process.info(self(), :monitors)
    {messages, monitors}
  end

  defp work(context) do
    if :ets.lookup_element(context.counts, :sent, 2) < context.requests do
      batch(context)
      work(context)
    end
  rescue
    # Nothing was sent yet.
    ArgumentError -> batch(context) && work(context)
  end

  defp batch(context) do
    plans = for _ <- 1..:rand.uniform(24), do: plan(:rand.uniform(1000), context)

    plans
    |> Enum.map(fn plan -> {plan, send_it(plan, context)} end)
    |> Enum.shuffle()
    |> Enum.each(fn {plan, request} -> take(plan, request, context) end)
  end

  # {pool, job, arguments, what is right, options, what the caller does then}
  defp plan(n, context) when n <= 200,
    do: {@hostile, :echo, part(context, 2000)} |> echo(limited())

  defp plan(n, context) when n <= 700, do: {@own, :echo, part(context, 100)} |> echo(options())
  defp plan(n, context) when n <= 880, do: {@own, :echo, part(context, 20_000)} |> echo(options())

  defp plan(n, context) when n <= 900,
    do: {@own, :echo, part(context, 900_000)} |> echo(options())

  defp plan(n, _context) when n <= 940,
    do: {@own, :sleep, :rand.uniform(4), [{:ok, :ok}], options(), then_what()}

  defp plan(n, _context) when n <= 970,
    do: {@own, :spin, :rand.uniform(10), [{:ok, :ok}], options(), then_what()}

  defp plan(n, _context) when n <= 980,
    do: {@own, :no_such_job, 1, [{:error, :unknown_job}], options(), then_what()}

  defp plan(n, _context) when n <= 990,
    do: {@own, :echo, 1, [{:error, {:badarg, :data}}], options(), then_what()}

  defp plan(n, _context) when n <= 996, do: {@own, :crash, [], [], options(), then_what()}
  # These never end by themselves.
  defp plan(_n, _context),
    do: {@own, Enum.random([:hang, :burn]), [], [], [timeout: :rand.uniform(20)], :await}

  defp echo({pool, :echo, data}, options),
    do: {pool, :echo, data, [{:ok, data}], options, then_what()}

  defp part(%{source: source}, at_most) do
    bytes = :rand.uniform(at_most)
    binary_part(source, :rand.uniform(byte_size(source) - bytes + 1) - 1, bytes)
  end

  defp limited, do: [timeout: :rand.uniform(100)] ++ idempotent()

  defp options do
    case :rand.uniform(3) do
      1 -> limited()
      _ -> idempotent()
    end
  end

  defp idempotent, do: Enum.random([[], [idempotent: true]])

  defp then_what do
    case :rand.uniform(10) do
      1 -> :cancel
      2 -> {:await, :rand.uniform(20) - 1}
      _ -> :await
    end
  end

  defp send_it({pool, job, args, _right, options, _then}, context) do
    count(context, :sent)
    count(context, {:sent, self()})
    PortPool.request(pool, job, args, options)
  end

  defp take({_, _, _, _, _, :cancel}, request, context) do
    :ok = PortPool.cancel(request)
    outcome(context, :cancelled)
  end

  defp take({pool, _, _, right, _, then_what} = plan, request, context) do
    timeout =
      case then_what do
        :await -> :infinity
        {:await, ms} -> ms
      end

    got = PortPool.await(request, timeout)
    if got not in right and not failure?(pool, got), do: wrong!(plan, got)
    outcome(context, class(got))
    # Who comes again at once would fill the run with refusals.
    if got in [error: :noproc, error: :closed],
      do: receive(do: (:never -> :ok), after: (2 -> :ok))
  end

  defp wrong!({pool, job, args, _, options, then_what}, got) do
    raise "#{inspect(got, limit: 20)} from #{pool} for #{inspect({job, args}, limit: 20)} #{inspect({options, then_what})}"
  end

  defp outcome(context, class) do
    count(context, {:outcome, class})
    count(context, {:got, self()})
  end

  # What may befall any request.
  defp failure?(_, {:error, reason}) when reason in [:timeout, :overloaded, :noproc, :closed],
    do: true

  # SIGKILL, abort; the owner's own end or that by the grace time; the end while it was written to.
  defp failure?(@own, {:error, {:worker_died, status}}),
    do: status in [128 + 9, 128 + 6, :killed, :epipe]

  defp failure?(@hostile, {:error, {:worker_died, status}}),
    do: status in [0, 7, 128 + 9, 128 + 11, :killed, :epipe, :protocol]

  defp failure?(_, _), do: false

  defp class({:ok, _}), do: :ok
  defp class({:error, {what, _}}), do: what
  defp class({:error, reason}), do: reason

  # Kills one of the callers now and then, and starts another in its place, until all others are done.
  defp supervise(_context, running, done) when map_size(running) == 0, do: done

  defp supervise(context, running, done) do
    receive do
      {:done, pid} ->
        {[{monitor, ^pid}], running} = Enum.split_with(running, fn {_, other} -> other == pid end)
        Process.demonitor(monitor, [:flush])
        supervise(context, Map.new(running), [pid | done])

      {:DOWN, monitor, :process, _pid, :killed} ->
        count(context, :callers_killed)
        {monitor_2, pid} = start(context)
        supervise(context, running |> Map.delete(monitor) |> Map.put(monitor_2, pid), done)

      {:DOWN, _monitor, :process, _pid, reason} ->
        raise "a caller failed: #{inspect(reason, limit: 50)}"
    after
      @kill_every_ms ->
        {_, pid} = Enum.random(running)
        Process.exit(pid, :kill)
        report_now(context)
        supervise(context, running, done)
    end
  end

  defp report_now(context) do
    sent = total(context, :sent)

    if div(sent, 10_000) > total(context, :reported) do
      count(context, :reported)
      context.report.("#{sent} sent, #{descriptors()} descriptors")
    end
  end

  # --- What dies beside them ---

  defp chaos(context) do
    receive do
      {:stop, from} -> send(from, {:stopped, self(), remains()})
    after
      :rand.uniform(20) ->
        act(:rand.uniform(40), context)
        chaos(context)
    end
  end

  defp act(n, context) when n <= 20, do: with_worker(@own, &kill/1, context, :workers_killed)
  defp act(n, context) when n <= 28, do: with_worker(@hostile, &kill/1, context, :workers_killed)
  defp act(n, context) when n <= 34, do: with_worker(@own, &stop/1, context, :workers_stopped)

  defp act(n, context) when n <= 39 do
    pool = Enum.random([@own, @hostile])

    with pid when is_pid(pid) <- Process.whereis(pool),
         [_ | _] = owners <- owners(pid) do
      Process.exit(Enum.random(owners), :kill)
      count(context, :owners_killed)
    end
  end

  defp act(_n, context) do
    with pid when is_pid(pid) <- Process.whereis(Enum.random([@own, @hostile])) do
      Process.exit(pid, :kill)
      count(context, :pools_killed)
    end
  end

  defp owners(pool) do
    for {index, pid, _, _} <- Supervisor.which_children(pool),
        is_integer(index),
        is_pid(pid),
        do: pid
  catch
    :exit, _ -> []
  end

  defp with_worker(pool, act, context, what) do
    with %{workers: workers} <- PortPool.info(pool),
         [_ | _] = pids <- for(%{os_pid: pid} when is_integer(pid) <- workers, do: pid) do
      act.(Enum.random(pids))
      count(context, what)
    end
  end

  defp kill(os_pid), do: :offheap_nif.process_kill(:offheap_nif.process_open(os_pid))
  defp stop(os_pid), do: System.cmd("kill", ["-STOP", "#{os_pid}"], stderr_to_stdout: true)

  defp stop_chaos(pid) do
    send(pid, {:stop, self()})

    receive do
      {:stopped, ^pid, {[], []}} -> :ok
      {:stopped, ^pid, remains} -> raise "left with who kills: #{inspect(remains)}"
    end
  end

  # --- The end ---

  # What dead callers left is cancelled; the hostile program is not told, and may have stopped.
  defp settle do
    with %{workers: workers} <- PortPool.info(@hostile),
         do: for(%{os_pid: pid} when is_integer(pid) <- workers, do: kill(pid))

    for pool <- [@own, @hostile] do
      until!("#{pool} is idle", fn -> idle?(pool) end, fn -> inspect(PortPool.info(pool)) end)
    end

    # It works as before.
    until!("it works", fn -> PortPool.call(@own, :echo, "x", 200) == {:ok, "x"} end)
  end

  defp idle?(pool) do
    with %{workers: [_, _] = workers} <- PortPool.info(pool),
         true <- Enum.all?(workers, &match?(%{in_flight: 0, waiting: 0}, &1)),
         pid when is_pid(pid) <- Process.whereis(pool) do
      Enum.all?(owners(pid), &(Process.info(&1, :message_queue_len) == {:message_queue_len, 0}))
    else
      _ -> false
    end
  end

  defp finish(done) do
    for pid <- done do
      monitor = Process.monitor(pid)
      send(pid, {:finish, self()})

      receive do
        {:finished, ^pid, {[], []}} -> :ok
        {:finished, ^pid, remains} -> raise "left with a caller: #{inspect(remains, limit: 20)}"
      end

      receive do
        {:DOWN, ^monitor, :process, ^pid, _} -> :ok
      end
    end
  end

  # Each request of a caller that lived has one outcome; of one that was killed, one at the most.
  defp check_counts(%{counts: counts} = context, done) do
    for pid <- done do
      sent = total(context, {:sent, pid})
      got = total(context, {:got, pid})
      if sent != got, do: raise("#{sent} requests, #{got} outcomes")
    end

    sum = fn what -> Enum.sum(for {{^what, _}, n} <- :ets.tab2list(counts), do: n) end
    sent = total(context, :sent)
    got = sum.(:got)
    if got != sum.(:outcome) or got > sent, do: raise("#{got} outcomes of #{sent} requests")

    for {what, n} <- :ets.tab2list(counts),
        key = key(what),
        into: %{lost_with_callers: sent - got} do
      {key, n}
    end
  end

  defp key({:outcome, class}), do: class
  defp key(what) when is_atom(what) and what != :reported, do: what
  defp key(_), do: nil

  defp total(%{counts: counts}, what) do
    case :ets.lookup(counts, what) do
      [{_, n}] -> n
      [] -> 0
    end
  end

  # Processes, ports, tables, descriptors, shared memory, children of the operating system.
  defp left do
    %{
      processes: length(Process.list()),
      ports: length(Port.list()),
      tables: length(:ets.all()),
      named: for({{kind, name}, _} <- :persistent_term.get(), pool_key?(kind), do: name),
      descriptors: descriptors(),
      segments: segments(),
      children: length(children())
    }
  end

  defp pool_key?(kind), do: kind in [:offheap_port_pool, :offheap_port_registry]

  defp descriptors do
    :erlang.garbage_collect()

    case File.ls("/proc/self/fd") do
      {:ok, fds} -> length(fds)
      {:error, _} -> 0
    end
  end

  defp segments do
    case File.read("/proc/self/maps") do
      {:ok, maps} -> maps |> String.split("\n") |> Enum.count(&(&1 =~ ~r/memfd:|\/dev\/shm/))
      {:error, _} -> 0
    end
  end

  # What the VM's helper erl_child_setup has started, zombies too.
  defp children, do: System.pid() |> children_of() |> Enum.flat_map(&children_of/1)

  defp children_of(pid) do
    for path <- Path.wildcard("/proc/#{pid}/task/*/children"),
        {:ok, text} <- [File.read(path)],
        child <- String.split(text),
        do: child
  end

  # Nothing tells of these things: it looks again and again, for a minute.
  defp until!(what, condition, describe \\ fn -> "" end),
    do: until!(what, condition, describe, now_ms() + 60_000)

  defp until!(what, condition, describe, end_ms) do
    cond do
      condition.() ->
        :ok

      now_ms() > end_ms ->
        raise "in vain: #{what} #{describe.()}"

      true ->
        receive(do: (:never -> :ok), after: (10 -> until!(what, condition, describe, end_ms)))
    end
  end

  defp now_ms, do: System.monotonic_time(:millisecond)

  # --- The end of the VM ---

  @doc """
  Starts a VM whose pool has much to do, kills it by SIGKILL, and returns how many milliseconds later none
  of its workers was alive. Raises after a minute.
  """
  def kill_vm do
    {vm, vm_pid, workers} = start_vm()
    :ok = kill(vm_pid)
    begun = now_ms()
    until!("the workers are gone", fn -> not Enum.any?(workers, &alive?/1) end)
    gone_ms = now_ms() - begun

    receive do
      {^vm, {:exit_status, _}} -> gone_ms
    end
  end

  # A zombie is gone: it waits for its parent to be told.
  defp alive?(os_pid) do
    case File.read("/proc/#{os_pid}/stat") do
      {:ok, text} -> not (text =~ ~r/^\d+ \(.*\) Z/s)
      {:error, _} -> false
    end
  end

  defp start_vm do
    ebin = Path.dirname(to_string(:code.which(:offheap_port_pool)))

    code = """
    {ok, P} = offheap_port_pool:start_link([{size, 3}, {args, ["--test-jobs"]}]),
    Big = binary:copy(<<7>>, 300000),
    Load = fun Load(Job, Arg) -> {ok, _} = offheap_port_pool:call(P, Job, Arg, infinity), Load(Job, Arg) end,
    _ = [spawn(fun() -> Load(Job, Arg) end)
         || {Job, Arg} <- [{echo, <<1>>}, {echo, Big}, {spin, 5}, {sleep, 3}], _ <- [1, 2, 3, 4]],
    _ = [offheap_port_pool:call(P, echo, <<I>>) || I <- lists:seq(1, 100)],
    \#{workers := W} = offheap_port_pool:info(P),
    io:format("pids ~s ~w ~w ~w~n", [os:getpid() | [maps:get(os_pid, M) || M <- W]]),
    receive after infinity -> ok end.
    """

    vm =
      Port.open({:spawn_executable, System.find_executable("erl")}, [
        :binary,
        :exit_status,
        :stderr_to_stdout,
        line: 1000,
        args: ["-noshell", "-noinput", "-pa", ebin, "-eval", code]
      ])

    receive do
      {^vm, {:data, {:eol, "pids " <> pids}}} ->
        [vm_pid | workers] = pids |> String.split() |> Enum.map(&String.to_integer/1)
        {vm, vm_pid, workers}

      {^vm, other} ->
        raise "the VM says #{inspect(other)}"
    end
  end
end
