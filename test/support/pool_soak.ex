defmodule Offheap.PoolSoak do
  @moduledoc """
  Processes use one pool in every way there is, for as long as one likes, and are killed at random.

  `run/1` raises if anything is wrong: a binary that changed, bytes that are counted twice or lost, a
  lease that does not come back. What a worker writes is a part of one random binary, so that every
  byte that is read later can be compared.

  Options: `:duration_ms`, `:workers` (8), `:max_bytes`, `:largest`, `:seed`, `:report` (a function that
  is called about once a minute with a line of text).
  """

  alias Offheap.{Buffer, Pool}

  @source_bytes 4 * 1024 * 1024
  @held_max 6
  # Binaries that are kept until the end, and those that are kept for a while.
  @kept_max 24
  @passing_max 8
  @kill_every_ms 7

  def run(opts) do
    duration_ms = Keyword.fetch!(opts, :duration_ms)
    workers = Keyword.get(opts, :workers, 8)
    report = Keyword.get(opts, :report, fn _line -> :ok end)
    :rand.seed(:exsss, Keyword.get(opts, :seed, 1))

    pool =
      Pool.new(
        max_bytes: Keyword.get(opts, :max_bytes, 16 * 1024 * 1024),
        largest: Keyword.get(opts, :largest, 1024 * 1024)
      )

    source = :rand.bytes(@source_bytes)
    counts = :counters.new(8, [])
    started_rss = rss_bytes()
    keeper = spawn_link(fn -> keep([], []) end)

    context = %{
      pool: pool,
      source: source,
      counts: counts,
      keeper: keeper,
      until_ms: now_ms() + duration_ms
    }

    running = for i <- 1..workers, into: %{}, do: start(context, i)
    supervise(context, running, report, now_ms() + 60_000)
    settle(context, started_rss, report)
  end

  # --- Workers ---

  @counted [:leases, :refused, :frozen, :split, :dropped, :given, :killed, :checked]

  defp count(%{counts: counts}, what, by \\ 1) do
    :counters.add(counts, Enum.find_index(@counted, &(&1 == what)) + 1, by)
  end

  defp start(context, i) do
    {pid, monitor} =
      spawn_monitor(fn ->
        :rand.seed(:exsss, {i, now_ms(), System.unique_integer()})
        work(context, [])
      end)

    {monitor, {pid, i}}
  end

  # Kills one of the running now and then, and starts another in its place.
  defp supervise(context, running, _report, _at) when map_size(running) == 0, do: context

  defp supervise(context, running, report, report_at) do
    receive do
      {:DOWN, monitor, :process, _pid, :normal} ->
        supervise(context, Map.delete(running, monitor), report, report_at)

      {:DOWN, monitor, :process, _pid, :killed} ->
        {_pid, i} = running[monitor]
        count(context, :killed)
        {monitor_2, entry} = start(context, i)
        running = running |> Map.delete(monitor) |> Map.put(monitor_2, entry)
        supervise(context, running, report, report_at)

      {:DOWN, _monitor, :process, _pid, reason} ->
        raise "a worker failed: #{inspect(reason)}"
    after
      @kill_every_ms ->
        if now_ms() < context.until_ms do
          {pid, _} = running |> Map.values() |> Enum.random()
          Process.exit(pid, :kill)
        end

        supervise(context, running, report, report_now(context, report, report_at))
    end
  end

  defp report_now(context, report, report_at) do
    if now_ms() < report_at do
      report_at
    else
      %{leased_bytes: leased, frozen_bytes: frozen, cached_bytes: cached, bytes: bytes} =
        Pool.info(context.pool)

      report.(
        "#{inspect(totals(context))} leased #{leased} frozen #{frozen} cached #{cached} " <>
          "of #{bytes}, RSS #{mib(rss_bytes())} MiB"
      )

      report_at + 60_000
    end
  end

  # Held: [{buffer, bytes written}].
  defp work(context, held) do
    if now_ms() < context.until_ms do
      work(context, step(:rand.uniform(12), held, context))
    else
      for {buffer, bytes} <- held, do: :ok = released(buffer, bytes)
    end
  end

  defp step(n, held, context) when n <= 3 or held == [] do
    if length(held) < @held_max, do: lease(context) ++ held, else: held
  end

  defp step(4, [{buffer, bytes} | rest], context) do
    {_, _, more} = part(context, 2000)

    case Buffer.append(buffer, more) do
      :ok -> [{buffer, bytes <> more} | rest]
      {:error, :enospc} -> [{buffer, bytes} | rest]
    end
  end

  defp step(5, [{buffer, bytes} | rest], context) do
    {_, _, over} = part(context, byte_size(bytes))
    :ok = Buffer.write(buffer, 0, over)
    size = byte_size(over)
    [{buffer, over <> binary_part(bytes, size, byte_size(bytes) - size)} | rest]
  end

  defp step(6, [{buffer, bytes} | rest], _context) do
    equal!(Buffer.read(buffer), bytes)
    rest ++ [{buffer, bytes}]
  end

  defp step(7, [{buffer, bytes} | rest], context) do
    frozen = Buffer.freeze(buffer)
    equal!(frozen, bytes)
    count(context, :frozen)
    send(context.keeper, {:keep, frozen, :erlang.crc32(bytes)})
    :ok = Buffer.release(buffer)
    rest
  end

  defp step(8, [{buffer, bytes} | rest], context) do
    length = :rand.uniform(byte_size(bytes) + 1) - 1
    front = Buffer.split_to(buffer, length)
    <<expected::binary-size(length), left::binary>> = bytes
    equal!(front, expected)
    count(context, :split)
    send(context.keeper, {:keep, front, :erlang.crc32(expected)})
    [{buffer, :binary.copy(left)} | rest]
  end

  defp step(9, [_forgotten | rest], context) do
    count(context, :dropped)
    :erlang.garbage_collect()
    rest
  end

  # The keeper releases it, whether it was made its owner or not.
  defp step(10, [{buffer, _} | rest], context) do
    count(context, :given)
    if :rand.uniform(2) == 1, do: :ok = Buffer.give_away(buffer, context.keeper)
    send(context.keeper, {:hold, buffer})
    rest
  end

  defp step(_, [{buffer, bytes} | rest], _context) do
    :ok = released(buffer, bytes)
    rest
  end

  defp released(buffer, bytes) do
    equal!(Buffer.read(buffer), bytes)
    Buffer.release(buffer)
  end

  defp lease(context) do
    {_, _, bytes} = part(context, size())
    room = byte_size(bytes) + :rand.uniform(4000)

    case Buffer.lease(context.pool, room, bytes, timeout: Enum.random([0, 0, 5, 50])) do
      {:ok, buffer} ->
        count(context, :leases)
        [{buffer, :binary.copy(bytes)}]

      {:error, reason} when reason in [:exhausted, :timeout] ->
        count(context, :refused)
        []
    end
  end

  # As many of each magnitude, up to 2 MiB.
  defp size, do: :rand.uniform(Bitwise.bsl(1, :rand.uniform(22) - 1))

  defp part(%{source: source}, at_most) do
    length = :rand.uniform(at_most + 1) - 1
    offset = :rand.uniform(@source_bytes - length + 1) - 1
    {offset, length, binary_part(source, offset, length)}
  end

  # --- The keeper: binaries and buffers that outlive those who made them ---

  defp keep(kept, passing) do
    receive do
      {:keep, binary, crc} ->
        cond do
          length(kept) < @kept_max ->
            keep([{binary, crc} | kept], passing)

          length(passing) < @passing_max ->
            keep(kept, [{binary, crc} | passing])

          true ->
            check!(passing)
            :erlang.garbage_collect()
            keep(kept, [{binary, crc}])
        end

      {:hold, buffer} ->
        # Or it has ended with its owner.
        case Buffer.release(buffer) do
          :ok -> keep(kept, passing)
          {:error, :released} -> keep(kept, passing)
        end

      {:check, from} ->
        send(from, {:checked, check!(kept) + check!(passing)})
        keep(kept, passing)

      {:drop, from} ->
        :erlang.garbage_collect()
        send(from, :dropped)
        keep([], [])
    end
  end

  defp check!(kept) do
    for {binary, crc} <- kept, do: equal!(:erlang.crc32(binary), crc)
    length(kept)
  end

  defp equal!(same, same), do: :ok
  defp equal!(_, _), do: raise("bytes changed")

  # --- The end ---

  defp settle(%{pool: pool, keeper: keeper} = context, started_rss, report) do
    busy = Pool.info(pool)
    busy_rss = rss_bytes()
    until!(pool, "leases come back", &(&1.leased == 0))
    send(keeper, {:check, self()})

    checked =
      receive do
        {:checked, checked} -> checked
      end

    count(context, :checked, checked)
    # Nobody leases: what there is, is shown by kept binaries or cached.
    %{frozen_bytes: frozen, cached_bytes: cached, bytes: bytes} = Pool.info(pool)
    if frozen + cached != bytes, do: raise("#{frozen} + #{cached} bytes are not #{bytes}")
    send(keeper, {:drop, self()})

    receive do
      :dropped -> :ok
    end

    # What the keeper referred to goes at its next collection but one.
    send(keeper, {:drop, self()})

    receive do
      :dropped -> :ok
    end

    until!(pool, "frozen bytes come back", &(&1.frozen == 0))
    %{cached_bytes: cached, bytes: bytes} = Pool.info(pool)
    if cached != bytes, do: raise("#{cached} bytes are not #{bytes}")
    Pool.trim(pool)
    if Pool.info(pool).bytes != 0, do: raise("not all was trimmed")
    :erlang.garbage_collect()
    result = Map.merge(totals(context), %{waited: busy.waited, reclaimed: busy.reclaimed})

    report.(
      "#{inspect(result)}\nRSS #{mib(started_rss)} MiB before, #{mib(busy_rss)} at the end, " <>
        "#{mib(rss_bytes())} trimmed; blocks #{mib(busy.bytes)} MiB at the end, 0 trimmed"
    )

    Process.unlink(keeper)
    Process.exit(keeper, :kill)
    result
  end

  # Leases of the dead go by a sweep, those that were forgotten by destructors, soon.
  defp until!(pool, what, condition, tries \\ 5000) do
    Pool.sweep(pool)

    cond do
      condition.(Pool.info(pool)) -> :ok
      tries == 0 -> raise("in vain: #{what}: #{inspect(Pool.info(pool))}")
      true -> receive(do: (:never -> :ok), after: (1 -> until!(pool, what, condition, tries - 1)))
    end
  end

  defp totals(%{counts: counts}) do
    for {what, i} <- Enum.with_index(@counted, 1), into: %{}, do: {what, :counters.get(counts, i)}
  end

  @doc "The emulator's resident set, in bytes; 0 where the system does not tell."
  def rss_bytes do
    with {:ok, text} <- File.read("/proc/self/status"),
         [_, kib] <- Regex.run(~r/VmRSS:\s+(\d+) kB/, text) do
      String.to_integer(kib) * 1024
    else
      _ -> 0
    end
  end

  defp mib(bytes), do: div(bytes, 1024 * 1024)
  defp now_ms, do: System.monotonic_time(:millisecond)
end
