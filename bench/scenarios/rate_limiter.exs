# Offheap.RateLimiter against the generic cell rate algorithm written by hand in Elixir: a loop of
# compare_exchange on :atomics, which is what OTP has for it; keyed, the cell's index is looked up in
# ETS. Both sides answer {:ok, remaining} or {:error, retry_after_ms} and check the cost.
# Offheap.ConcurrencyLimiter against a counter, which forgets holders that die, and against a process
# that monitors them.
defmodule Offheap.Bench.Scenarios.RateLimiter.Otp do
  # {cells, interval in ns, burst, window in ns}: what a library would keep in a struct.
  def new(size, interval, burst) do
    cells = :atomics.new(size, [])
    for i <- 1..size, do: :atomics.put(cells, i, -(2 ** 59))
    {cells, interval, burst, burst * interval}
  end

  def take(limiter, i, cost), do: take(limiter, i, cost, :erlang.monotonic_time())

  def take({cells, interval, burst, window}, i, cost, now)
      when is_integer(now) and cost >= 0 and cost <= burst do
    take(cells, i, cost * interval, now, interval, window, :atomics.get(cells, i))
  end

  defp take(cells, i, cost_ns, now, interval, window, tat) do
    next = max(tat, now) + cost_ns
    left = now + window - next

    if left >= 0 do
      case :atomics.compare_exchange(cells, i, tat, next) do
        :ok -> {:ok, div(left, interval)}
        tat -> take(cells, i, cost_ns, now, interval, window, tat)
      end
    else
      {:error, div(999_999 - left, 1_000_000)}
    end
  end

  def peek({cells, interval, burst, window}, i, cost, now)
      when is_integer(now) and cost >= 0 and cost <= burst do
    left = now + window - (max(:atomics.get(cells, i), now) + cost * interval)
    if left >= 0, do: {:ok, div(left, interval)}, else: {:error, div(999_999 - left, 1_000_000)}
  end

  def refund({cells, interval, burst, _window}, i, cost) when cost >= 0 and cost <= burst do
    :atomics.sub(cells, i, cost * interval)
  end

  # A key's cell is found in ETS; insert_new settles who makes it.
  def new_keyed(size, interval, burst) do
    {:ets.new(:keys, [:public, read_concurrency: true, write_concurrency: :auto]),
     :atomics.new(1, []), new(size, interval, burst)}
  end

  def take_key({keys, _, limiter} = keyed, key, cost, now) do
    take(limiter, index(keys, key, keyed), cost, now)
  end

  defp index(keys, key, keyed) do
    :ets.lookup_element(keys, key, 2)
  rescue
    ArgumentError -> make(keyed, key)
  end

  defp make({keys, next, _}, key) do
    index = :atomics.add_get(next, 1, 1)

    if :ets.insert_new(keys, {key, index}),
      do: index,
      else: :ets.lookup_element(keys, key, 2)
  end
end

defmodule Offheap.Bench.Scenarios.RateLimiter.Semaphore do
  # A limit in a process that monitors the holders.
  use GenServer

  def start(limit), do: GenServer.start(__MODULE__, limit)
  def acquire(pid), do: GenServer.call(pid, :acquire)
  def release(pid, permit), do: GenServer.call(pid, {:release, permit})

  @impl true
  def init(limit), do: {:ok, {limit, %{}}}

  @impl true
  def handle_call(:acquire, {pid, _}, {limit, holders}) when map_size(holders) < limit do
    permit = Process.monitor(pid)
    {:reply, {:ok, permit}, {limit, Map.put(holders, permit, pid)}}
  end

  def handle_call(:acquire, _from, state), do: {:reply, {:error, :limit}, state}

  def handle_call({:release, permit}, _from, {limit, holders}) do
    Process.demonitor(permit, [:flush])
    {:reply, :ok, {limit, Map.delete(holders, permit)}}
  end

  @impl true
  def handle_info({:DOWN, permit, _, _, _}, {limit, holders}) do
    {:noreply, {limit, Map.delete(holders, permit)}}
  end
end

defmodule Offheap.Bench.Scenarios.RateLimiter do
  use Offheap.Bench
  alias Offheap.{ConcurrencyLimiter, RateLimiter}
  alias Offheap.Bench.Scenarios.RateLimiter.{Otp, Semaphore}

  @keys 10_000

  defloop(take({l, now}, i), do: RateLimiter.take(l, 1, 1, now + i))
  defloop(otp_take({l, now}, i), do: Otp.take(l, 1, 1, now + i))

  defloop(take_7({l, now}, i), do: RateLimiter.take(l, 1, 7, now + i))
  defloop(otp_take_7({l, now}, i), do: Otp.take(l, 1, 7, now + i))

  defloop(take_clock({l, _}, _i), do: RateLimiter.take(l, 1, 1))
  defloop(otp_take_clock({l, _}, _i), do: Otp.take(l, 1, 1))

  defloop(peek({l, now}, i), do: RateLimiter.peek(l, 1, 1, now + i))
  defloop(otp_peek({l, now}, i), do: Otp.peek(l, 1, 1, now + i))

  defloop(refund({l, _}, _i), do: RateLimiter.refund(l, 1, 1))
  defloop(otp_refund({l, _}, _i), do: Otp.refund(l, 1, 1))

  # The floor: a function of the library that gets its resource and an integer from it.
  defloop(floor({_, c}, _i), do: ConcurrencyLimiter.limit(c))
  defloop(take_on_floor({l, _}, i), do: RateLimiter.take(l, 1, 1, i))
  defloop(reset_on_floor({l, _}, _i), do: RateLimiter.reset(l, 1))
  defloop(refund_on_floor({l, _}, _i), do: RateLimiter.refund(l, 1, 1))

  defloop(take_key({l, now}, i), do: RateLimiter.take(l, rem(i, @keys), 1, now + i))
  defloop(otp_take_key({l, now}, i), do: Otp.take_key(l, rem(i, @keys), 1, now + i))

  defloop acquire_release(limiter, _i) do
    {:ok, permit} = ConcurrencyLimiter.acquire(limiter)
    ConcurrencyLimiter.release(permit)
  end

  defloop counter_acquire_release(counter, _i) do
    if :atomics.add_get(counter, 1, 1) <= 10, do: :ok, else: :atomics.sub(counter, 1, 1)
    :atomics.sub(counter, 1, 1)
  end

  defloop process_acquire_release(pid, _i) do
    {:ok, permit} = Semaphore.acquire(pid)
    Semaphore.release(pid, permit)
  end

  def scenarios do
    rate_rows() ++ floor_rows() ++ keyed_rows() ++ concurrency_rows()
  end

  # Every take is granted: the bucket is too large to empty while the benchmark runs, at one unit a
  # nanosecond. The other: it is empty, and stays so.
  defp full, do: setup(1, 2 ** 50)
  defp empty, do: setup(3_600_000_000_000, 1)

  defp setup(interval, burst) do
    now = System.monotonic_time(:nanosecond)
    ours = RateLimiter.new(1, opts(interval, burst))
    theirs = Otp.new(1, interval, burst)
    {:ok, _} = RateLimiter.take(ours, 1, 1, now)
    {:ok, _} = Otp.take(theirs, 1, 1, now)
    {{ours, now}, {theirs, now}}
  end

  defp opts(1, burst), do: [rate: 1_000_000, period_ms: 1, burst: burst]
  defp opts(ns, burst), do: [rate: 1, period_ms: div(ns, 1_000_000), burst: burst]

  defp rate_rows do
    gcra = "compare_exchange loop on :atomics"

    for {name, peer, ours, theirs, setup, parallel} <- [
          {"take, time given", gcra, &__MODULE__.take/2, &__MODULE__.otp_take/2, &full/0, :all},
          {"take 7, time given", gcra, &__MODULE__.take_7/2, &__MODULE__.otp_take_7/2, &full/0,
           1},
          {"take, time given, denied", gcra, &__MODULE__.take/2, &__MODULE__.otp_take/2, &empty/0,
           1},
          {"take, own clock", gcra <> ", monotonic_time", &__MODULE__.take_clock/2,
           &__MODULE__.otp_take_clock/2, &full/0, :all},
          {"peek, time given", ":atomics.get", &__MODULE__.peek/2, &__MODULE__.otp_peek/2,
           &full/0, 1},
          {"refund", ":atomics.sub", &__MODULE__.refund/2, &__MODULE__.otp_refund/2, &full/0, 1}
        ] do
      %{
        component: "rate_limiter",
        name: name,
        peer: peer,
        parallel: parallel,
        quick: name == "take, time given",
        ours: ours,
        theirs: theirs,
        setup: setup
      }
    end
  end

  defp floor_rows do
    for {name, ours} <- [
          {"take, time given", &__MODULE__.take_on_floor/2},
          {"refund", &__MODULE__.refund_on_floor/2},
          {"reset", &__MODULE__.reset_on_floor/2}
        ] do
      %{
        component: "rate_limiter",
        name: name,
        peer: "the floor: a NIF that only gets its resource",
        floor: true,
        note: "below 1 by construction: the other side is the least that a call of a NIF costs",
        ours: ours,
        theirs: &__MODULE__.floor/2,
        setup: fn ->
          {state, _} = full()
          {state, {nil, ConcurrencyLimiter.new(1)}}
        end
      }
    end
  end

  defp keyed_rows do
    [
      %{
        component: "rate_limiter",
        name: "take, time given, #{@keys} keys",
        peer: "ets for the index, compare_exchange loop on :atomics",
        parallel: :all,
        quick: true,
        ours: &__MODULE__.take_key/2,
        theirs: &__MODULE__.otp_take_key/2,
        setup: fn ->
          now = System.monotonic_time(:nanosecond)
          # A process that loses the race for a key has used up an index all the same.
          theirs = Otp.new_keyed(Enum.max(parallels()) * @keys, 1, 2 ** 50)
          {{RateLimiter.new_keyed(opts(1, 2 ** 50)), now}, {theirs, now}}
        end
      }
    ]
  end

  defp concurrency_rows do
    [
      %{
        component: "concurrency_limiter",
        quick: true,
        name: "acquire and release",
        peer: "a counter in :atomics, which the owner's death does not release",
        ours: &__MODULE__.acquire_release/2,
        theirs: &__MODULE__.counter_acquire_release/2,
        setup: fn -> {ConcurrencyLimiter.new(10), :atomics.new(1, [])} end
      },
      %{
        component: "concurrency_limiter",
        quick: true,
        name: "acquire and release, released by the owner's death",
        peer: "a GenServer with monitors",
        ours: &__MODULE__.acquire_release/2,
        theirs: &__MODULE__.process_acquire_release/2,
        setup: fn ->
          {:ok, pid} = Semaphore.start(10)
          {ConcurrencyLimiter.new(10), pid}
        end,
        teardown: fn {_, pid} -> GenServer.stop(pid) end
      }
    ]
  end
end

Offheap.Bench.Scenarios.RateLimiter.scenarios()
