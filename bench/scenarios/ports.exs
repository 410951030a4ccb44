# Round trips through Offheap.PortPool and the lanes of Offheap.Jobs.
#
# The pool's peer is a plain port to the same worker program, owned by the measuring process: no other
# process in between, no limit, no monitor, no restart. At greater depths it keeps as many requests in
# flight as the pool does. Depth 64 is compared with depth 1 too, and with a port that a pool process hands to
# one caller at a time, as NimblePool does. The lanes' peer is :crypto.hash(:blake2b, ..): the same
# compression function with a longer digest. The peer of bytes that cross in shared memory is the same
# pool with shared: false, whose way is the pipe: a binary in, a binary out, nothing copied but by the pipe.
defmodule Offheap.Bench.Scenarios.Ports do
  use Offheap.Bench
  alias Offheap.{Buffer, Jobs, Pool, PortPool}

  @data :binary.copy("x", 16)

  defloop(call({pool, _depth}, _i), do: {:ok, @data} = PortPool.call(pool, :echo, @data))

  # n requests, depth of them in flight.
  def pipeline({pool, depth}, n) do
    first = for _ <- 1..min(depth, n), do: PortPool.request(pool, :echo, @data)
    pipeline(pool, first, [], n - length(first))
  end

  defp pipeline(_pool, [], [], 0), do: :ok
  defp pipeline(pool, [], back, left), do: pipeline(pool, Enum.reverse(back), [], left)

  defp pipeline(pool, [request | front], back, left) do
    {:ok, @data} = PortPool.await(request, 5000)

    if left > 0 do
      pipeline(pool, front, [PortPool.request(pool, :echo, @data) | back], left - 1)
    else
      pipeline(pool, front, back, 0)
    end
  end

  # The same through a port that the measuring process owns while it measures. The port was opened before,
  # as the pool was started.
  def plain({port, owner, depth}, n) do
    true = Port.connect(port, self())
    first = min(depth, n)
    for i <- 1..first, do: plain_send(port, i)
    plain_loop(port, n - first, n)
    true = Port.connect(port, owner)
    true = Process.unlink(port)
  end

  defp plain_send(port, i), do: Port.command(port, :erlang.term_to_binary({i, :echo, @data}))

  defp plain_loop(_port, _left, 0), do: :ok

  defp plain_loop(port, left, waiting) do
    receive do
      {^port, {:data, frame}} ->
        answered = plain_count(frame, 0)
        more = min(answered, left)
        for i <- 1..more//1, do: plain_send(port, i)
        plain_loop(port, left - more, waiting - answered)
    end
  end

  defp plain_count("", count), do: count

  defp plain_count(frame, count) do
    {{_, :ok, @data}, used} = :erlang.binary_to_term(frame, [:used])
    plain_count(binary_part(frame, used, byte_size(frame) - used), count + 1)
  end

  # From a buffer, or a binary that is copied into shared memory, into a buffer.
  defloop shared({pool, from, into, size}, _i) do
    :ok = Buffer.resize(into, 0)
    {:ok, ^size} = PortPool.call(pool, :echo, from, into: into)
  end

  defloop(piped({pool, data}, _i), do: {:ok, _} = PortPool.call(pool, :echo, data, []))

  # A port that is checked out for each request: the pool process makes the caller its owner, and gets it
  # back.
  defmodule OneAtATime do
    use GenServer

    def start_link(executable), do: GenServer.start_link(__MODULE__, executable)

    def echo(pool, data) do
      port = GenServer.call(pool, :checkout, :infinity)
      Port.command(port, :erlang.term_to_binary({1, :echo, data}))

      receive do
        {^port, {:data, reply}} ->
          true = Port.connect(port, pool)
          Process.unlink(port)
          GenServer.cast(pool, :checkin)
          {1, :ok, ^data} = :erlang.binary_to_term(reply)
      end
    end

    @impl true
    def init(executable) do
      port = Port.open({:spawn_executable, executable}, [:binary, :exit_status, packet: 4])
      {:ok, {port, false, :queue.new()}}
    end

    @impl true
    def handle_call(:checkout, from, {port, false, waiting}), do: hand_out(port, from, waiting)

    def handle_call(:checkout, from, {port, true, w}),
      do: {:noreply, {port, true, :queue.in(from, w)}}

    @impl true
    def handle_cast(:checkin, {port, true, waiting}) do
      case :queue.out(waiting) do
        {{:value, from}, rest} -> hand_out(port, from, rest)
        {:empty, _} -> {:noreply, {port, false, waiting}}
      end
    end

    defp hand_out(port, {caller, _} = from, waiting) do
      Port.connect(port, caller)
      Process.unlink(port)
      GenServer.reply(from, port)
      {:noreply, {port, true, waiting}}
    end
  end

  defloop(one_at_a_time(pool, _i), do: OneAtATime.echo(pool, @data))

  defloop(hash({data, lane}, _i), do: {:ok, _} = Jobs.run(:blake2b, data, lane: lane))
  defloop(hash_auto({data, _lane}, _i), do: {:ok, _} = Jobs.run(:blake2b, data))
  defloop(crypto_hash({data, _lane}, _i), do: :crypto.hash(:blake2b, data))

  def scenarios, do: round_trips() ++ depth_64() ++ shared_memory() ++ lanes()

  defp executable do
    Path.join(Path.dirname(to_string(:offheap_nif.library_path())), "offheap_port")
  end

  # One worker on both sides.
  defp round_trips do
    for depth <- [1, 8, 64] do
      %{
        component: "ports",
        name: "echo of 16 bytes, depth #{depth}",
        quick: true,
        peer: "plain port, depth #{depth}",
        ours: if(depth == 1, do: &__MODULE__.call/2, else: &__MODULE__.pipeline/2),
        theirs: &__MODULE__.plain/2,
        setup: fn ->
          {:ok, pool} = PortPool.start_link(size: 1)
          options = [:binary, :exit_status, packet: 4]
          port = Port.open({:spawn_executable, executable()}, options)
          {{pool, depth}, {port, self(), depth}}
        end,
        teardown: fn {{pool, _}, {port, _, _}} ->
          PortPool.stop(pool)
          Port.close(port)
        end
      }
    end
  end

  # One worker on both sides; a buffer that crosses as it is, or a binary that is copied first.
  defp shared_memory do
    for {size, name} <- [{65_536, "64 KiB"}, {1_048_576, "1 MiB"}, {4_194_304, "4 MiB"}],
        from <- [:buffer, :binary] do
      %{
        component: "ports",
        name: "echo of #{name}, #{from} to buffer in shared memory",
        peer: "the same through the pipe",
        quick: size == 1_048_576,
        ours: &__MODULE__.shared/2,
        theirs: &__MODULE__.piped/2,
        setup: fn ->
          {:ok, pool} = PortPool.start_link(size: 1)
          {:ok, pipe} = PortPool.start_link(size: 1, shared: false)
          buffers = Pool.new(shared: true, largest: size)
          data = :crypto.strong_rand_bytes(size)
          {:ok, buffer} = Buffer.lease(buffers, size, data)
          {:ok, into} = Buffer.lease(buffers, size)
          input = if from == :buffer, do: buffer, else: data
          {{pool, input, into, size}, {pipe, data}}
        end,
        teardown: fn {{pool, _, _, _}, {pipe, _}} ->
          PortPool.stop(pool)
          PortPool.stop(pipe)
        end
      }
    end
  end

  defp depth_64 do
    start = fn -> PortPool.start_link(size: 1) |> elem(1) end

    [
      %{
        component: "ports",
        name: "echo of 16 bytes, depth 64",
        peer: "the same pool, depth 1",
        ours: &__MODULE__.pipeline/2,
        theirs: &__MODULE__.call/2,
        setup: fn ->
          pool = start.()
          {{pool, 64}, {pool, 1}}
        end,
        teardown: fn {{pool, _}, _} -> PortPool.stop(pool) end
      },
      %{
        component: "ports",
        name: "echo of 16 bytes, depth 64",
        peer: "a port checked out by turns",
        ours: &__MODULE__.pipeline/2,
        theirs: &__MODULE__.one_at_a_time/2,
        setup: fn ->
          {:ok, other} = OneAtATime.start_link(executable())
          {{start.(), 64}, other}
        end,
        teardown: fn {{pool, _}, other} ->
          PortPool.stop(pool)
          GenServer.stop(other)
        end
      }
    ]
  end

  defp lanes do
    for {size, name} <- [{1024, "1 KiB"}, {65_536, "64 KiB"}, {1_048_576, "1 MiB"}],
        lane <- [:auto, :inline, :dirty, :port],
        lane != :inline or size <= 49_152 do
      %{
        component: "jobs",
        name: "blake2b, lane #{lane}",
        input: name,
        quick: size == 65_536,
        peer: ":crypto.hash(:blake2b)",
        ours: if(lane == :auto, do: &__MODULE__.hash_auto/2, else: &__MODULE__.hash/2),
        theirs: &__MODULE__.crypto_hash/2,
        setup: fn ->
          {:ok, _} = Application.ensure_all_started(:crypto)
          {:ok, _} = PortPool.default()
          state = {:crypto.strong_rand_bytes(size), lane}
          {state, state}
        end
      }
    end
  end
end

Offheap.Bench.Scenarios.Ports.scenarios()
