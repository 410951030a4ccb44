defmodule Offheap do
  @moduledoc """
  Structures outside the Erlang heap, in C, for Erlang and Elixir on the BEAM.

  | part | modules | what it is | take something else when |
  |---|---|---|---|
  | atomics | `Offheap.Atomics` | arrays of integers or floats with every compound operation in one call | single adds are all you need: `:atomics` is compiled into the emulator |
  | counters | `Offheap.Counter` | striped counters, read and drained all at once | you never read more than a few: `:counters` adds as fast |
  | histograms | `Offheap.Histogram` | quantiles, Prometheus buckets, exports | a few counters of your own answer the question |
  | limiters | `Offheap.RateLimiter`, `Offheap.ConcurrencyLimiter` | GCRA rate limits and permits that go with their owner | permits are given back whatever happens: a bare counter is quicker |
  | bit sets | `Offheap.Bitset`, `Offheap.BloomFilter`, `Offheap.HyperLogLog` | slots, membership and distinct counts | keys differ only in a pid or reference inside them: few bits tell those apart |
  | ids | `Offheap.IdGenerator` | Snowflake ids | uniqueness within one run is enough: `System.unique_integer/0` |
  | memory | `Offheap.Binary`, `Offheap.info/0`, `Offheap.Top`, `Offheap.Telemetry` | slices that pin more than they are; what the toolkit holds | binaries are small or whole: there is nothing to find |
  | buffers | `Offheap.Pool`, `Offheap.Buffer` | leased, mutable, recycled blocks of bytes, frozen to binaries without a copy | data are small or live short: fresh binaries are cheap |
  | files, hashes | `Offheap.File`, `Offheap.Hash` | files read into buffers and written from them, digests of both in place | you read a file once and keep it as a binary: `File.read/1`; SHA-2 of binaries: `:crypto` |
  | store | `Offheap.Store` | ETS's vocabulary with reads that take no lock | values are large and read whole, or one process alone uses the table: ETS copies such values faster |
  | jobs | `Offheap.Jobs` | work that runs inline, on a dirty scheduler or in a worker program, picked by cost | what you compute takes less than a microsecond |
  | ports | `Offheap.PortPool` | supervised worker programs with pipelined requests | a crash cannot happen and the work is short: a NIF needs no round trip |

  Each Elixir module has an Erlang twin: `Offheap.Atomics` is `:offheap_atomics`, and so on.

  ## What every part keeps

    * No call holds a normal scheduler longer than about a millisecond, whatever the size of its input.
    * Nothing that a caller passes can crash the emulator: what is wrong raises `ArgumentError` or
      returns a documented error.
    * Handles may be sent to any process, and what they refer to is freed with the last of them.

  Only `Offheap.PortPool` and the port lane of `Offheap.Jobs` need the `:offheap` application to be
  running; the rest works as soon as the modules are loaded.
  """

  @typedoc "What the toolkit holds; see `info/0`."
  @type info :: :offheap.info()

  @doc """
  What the toolkit holds now.

    * For each kind of handle, `:atomics`, `:counters`, `:histograms`, `:rate_limiters`,
      `:concurrency_limiters`, `:id_generators`, `:bitsets`, `:bloom_filters`, `:hyperloglogs`, `:hashes`
      and `:files`: `:count`, how many there are, and `:bytes`, the memory that they take with what hangs
      off them. A handle counts until its destructor has run, soon after the collection of its last
      reference. Memory that is mapped but was never touched counts too.
    * `:stores` - `:count`, `:bytes` and `:size`, the entries of all; `:tables` says the same of each.
    * `:pools` - `:count`, those that somebody has a handle of; `:lingering`, those that nobody has a
      handle of any more, but a buffer or a binary is left; `:bytes`, their memory; and the sums of what
      `Offheap.Pool.info/1` says: `:leased`, `:frozen` and `:cached` buffers, and their bytes. A frozen
      buffer that is still leased counts as both.
    * `:port_pools` - each that runs on this node: its `:names`, `:size` and `:running`, its workers and
      how many of them run, and `:requests`, what they have not answered.
    * `:retired_bytes` - what stores have taken out and readers may still see; freed in the background.
    * `:bytes` - all of these; not what worker programs take.
    * `:version` - of the library, or `:undefined` if the application is not loaded.

  Waits for no process. Each call of the library is bounded to some 100 microseconds, but that a pool with
  more than 4096 buffers is looked at on a dirty scheduler; the time of all calls grows with the number of
  pools and their buffers, and of stores and their segments. The figures are looked at one after the
  other: together they are not one instant.

      iex> atomics = Offheap.Atomics.new(1000)
      iex> %{atomics: %{count: count, bytes: bytes}} = Offheap.info()
      iex> count >= 1 and bytes >= Offheap.Atomics.info(atomics).memory
      true
  """
  @spec info() :: info()
  defdelegate info(), to: :offheap

  @doc """
  A handle of each pool that somebody has a handle of, closed ones included; in no order.

  It is as good as any other handle: the pool lives as long as it is held.

      iex> pool = Offheap.Pool.new(largest: 4096)
      iex> Enum.any?(Offheap.pools(), &(Offheap.Pool.info(&1).largest == 4096))
      true
      iex> Offheap.Pool.close(pool)
      :ok
  """
  @spec pools() :: [:offheap_pool.handle()]
  defdelegate pools(), to: :offheap

  @doc """
  The leases of all pools that somebody has a handle of, as `Offheap.Pool.leases/2` gives them, with its
  options: who holds what, and for how long.

      iex> pool = Offheap.Pool.new()
      iex> {:ok, buffer} = Offheap.Buffer.lease(pool, 100, tag: :upload)
      iex> [%{owner: owner, state: :writable}] = Enum.filter(Offheap.leases(), &(&1.tag == :upload))
      iex> owner == self()
      true
      iex> Offheap.leases(older_than_ms: 3_600_000)
      []
      iex> Offheap.Buffer.release(buffer)
      :ok
  """
  @spec leases(older_than_ms: non_neg_integer()) :: [:offheap_pool.lease()]
  defdelegate leases(options \\ []), to: :offheap
end
