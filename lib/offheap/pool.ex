defmodule Offheap.Pool do
  @moduledoc """
  Pools of recycled memory blocks, from which buffers are leased (`Offheap.Buffer`).

  A pool keeps the blocks of released buffers, in size classes, and leases them again without asking
  the system for memory. Leasing and releasing take no lock.

      iex> pool = Offheap.Pool.new(max_bytes: 1_000_000)
      iex> {:ok, buffer} = Offheap.Buffer.lease(pool, 4096)
      iex> Offheap.Buffer.append(buffer, ["some ", "bytes"])
      :ok
      iex> Offheap.Buffer.read(buffer)
      "some bytes"
      iex> Offheap.Buffer.release(buffer)
      :ok
      iex> %{leases: 1, leased: 0, cached_bytes: 4096} = Offheap.Pool.info(pool)

  `:max_bytes` caps all blocks of the pool together: leased ones, frozen ones whose binaries are still
  referred to, and those kept for the next lease. At the cap a lease first frees kept blocks, then
  takes back what dead processes have leased; if that is not enough, it returns
  `{:error, :exhausted}` and succeeds again as soon as enough has come back.

  A lease may also wait for bytes to come back (`:timeout` in `Offheap.Buffer.lease/4`). Who waits is
  served in the order of coming; meanwhile others get only what is left beside all that the waiting want,
  so that small leases cannot starve a large one.

  A pool lives as long as some process, message or table holds its handle. Buffers and binaries made
  from it live on after it.

  ## In a supervision tree

      children = [{Offheap.Pool, name: MyApp.Buffers, max_bytes: 64 * 1024 * 1024}]

  starts a process that names the pool, looks once in a while for leases of dead processes, frees blocks
  that were idle for long, and reports refused leases to `:telemetry` where that is there. Where a pool
  is expected, the name does too: `Offheap.Buffer.lease(MyApp.Buffers, 4096)`. No call goes through that
  process.

  ## Leaks

  `leases/2` lists what is out, with owner, tag and age; `leases_by_owner/1` sums it up.
  """

  @typedoc "A pool's handle, or the name of one in a supervision tree."
  @type t :: :offheap_pool.pool()

  @typedoc "What a pool holds and has done; see `info/1`."
  @type info :: :offheap_pool.info()

  @doc """
  Makes a pool.

  ## Options

    * `:max_bytes` - cap on the bytes of all blocks, or `:infinity`. Default 256 MiB.
    * `:largest` - the largest block that is kept, `64..2^30`, rounded up to a size class. What is
      larger is leased all the same, but freed when it comes back. Default 1 MiB.
    * `:align` - 16, 64 or 4096: the address of a buffer's first byte is a multiple of this. Default 64.
      What is split off moves it (`Offheap.Buffer.split_to/2`).
    * `:huge_pages` - ask the system for transparent huge pages for blocks of 2 MiB and more, and put
      them on their boundary. Default `false`. Where the system has none, or its administrator allows
      none, such blocks have ordinary pages, and nothing else changes.
    * `:zero` - `:on_lease` clears a block that was used before it is leased again, and before it is
      freed, so that no bytes are left behind in memory; a lease of more than 1 MiB then runs on a dirty
      scheduler. Default `:never`: nothing needs it, as bytes beyond a buffer's size are never shown.
      Bytes of a block that is kept stay there until it is leased or freed: `trim/1` frees it.
    * `:shared` - blocks of 64 KiB and more lie in memory that worker programs can map, so that
      `Offheap.Jobs.run/3` and `Offheap.PortPool.call/4` hand buffers to a worker without a copy through
      the pipe. Default `false`. Each such block takes a file descriptor, of which all pools together
      take a quarter at the most; where there is none left, and on systems without memory files, blocks
      are ordinary ones, and bytes go through the pipe. Such blocks have ordinary pages, whatever
      `:huge_pages` says. A new one costs more than an ordinary one: set `:largest` so that blocks are
      kept.

  Raises `ArgumentError` for other options or values.

      iex> pool = Offheap.Pool.new(max_bytes: 10_000)
      iex> Offheap.Buffer.lease(pool, 10_001)
      {:error, :exhausted}
  """
  @spec new([:offheap_pool.option()]) :: :offheap_pool.handle()
  def new(opts \\ []), do: :offheap_pool.new(opts)

  @doc """
  What the pool holds and has done. Bytes are those of whole blocks.

    * `:leases` - leases so far; `:recycled` - those that took a block that was there.
    * `:leased`, `:leased_bytes` - buffers out now, frozen ones included.
    * `:frozen`, `:frozen_bytes` - buffers that are frozen, or whose bytes binaries show: frozen ones or
      parts split off. Those that are not released count as leased too.
    * `:cached`, `:cached_bytes` - blocks kept for the next lease.
    * `:bytes` - all blocks together, what `:max_bytes` caps; `:memory` - that and the pool's own.
    * `:refused` - leases that ended in `{:error, :exhausted}` or `{:error, :timeout}`.
    * `:waited` - leases that had to wait; `:waiting` - processes that wait now.
    * `:reclaimed` - leases taken back because their owner was dead.
    * `:dropped` - leases that ended because nobody held the buffer any more.
    * `:max_bytes`, `:largest`, `:align`, `:huge_pages`, `:zero`, `:shared`, `:closed`.

  Each buffer is looked at atomically; all together they are not one instant. About 5 ns a buffer; on a
  dirty scheduler from 4096 on.

      iex> Offheap.Pool.info(Offheap.Pool.new(largest: 1000)).largest
      1024
  """
  @spec info(t()) :: info()
  defdelegate info(pool), to: :offheap_pool

  @doc """
  The leases that are out, for finding those that were forgotten.

    * `:owner` - the process whose death ends the lease.
    * `:tag` - the atom given to `Offheap.Buffer.lease/4`, or `:undefined`.
    * `:age_ms` - milliseconds since it began, give or take 10.
    * `:bytes` - of its block; `:size` - written in it; `:state` - `:writable` or `:frozen`.

  ## Options

    * `:older_than_ms` - only leases of at least this age.

  In no particular order. Each lease is looked at while it is out; all together they are not one
  instant. Looks at 512 buffers a call of the library, each of which takes 0.1 ms at the most.

      iex> pool = Offheap.Pool.new()
      iex> {:ok, buffer} = Offheap.Buffer.lease(pool, 100, tag: :upload)
      iex> [%{tag: :upload, bytes: 112, state: :writable}] = Offheap.Pool.leases(pool)
      iex> Offheap.Pool.leases(pool, older_than_ms: 60_000)
      []
      iex> Offheap.Buffer.owner(buffer) == self()
      true
  """
  @spec leases(t(), older_than_ms: non_neg_integer()) :: [:offheap_pool.lease()]
  def leases(pool, opts \\ []), do: :offheap_pool.leases(pool, opts)

  @doc """
  The leases that are out, summed up for each owner: how many, their bytes, and the age of the oldest.
  As `leases/2`.

      iex> pool = Offheap.Pool.new()
      iex> {:ok, _} = Offheap.Buffer.lease(pool, 100)
      iex> {:ok, _} = Offheap.Buffer.lease(pool, 200)
      iex> %{leases: 2, bytes: 336} = Offheap.Pool.leases_by_owner(pool)[self()]
  """
  @spec leases_by_owner(t()) :: %{
          pid() => %{
            leases: pos_integer(),
            bytes: pos_integer(),
            oldest_ms: non_neg_integer()
          }
        }
  defdelegate leases_by_owner(pool), to: :offheap_pool

  @doc """
  Frees blocks kept for the next lease, the largest first; returns how many. Blocks in all threads'
  caches are reached. Runs on a dirty scheduler.

  ## Options

    * `:to_bytes` - only until the pool's blocks, leased ones included, have no more bytes than this.
      Default 0.
    * `:idle_ms` - only blocks that were not in use during the last so many milliseconds. Default 0. A
      block was in use when a lease of it began, and when `sweep/1` saw it leased: named pools call that
      by themselves.

  ## Examples

      iex> pool = Offheap.Pool.new()
      iex> Offheap.Buffer.with_lease(pool, 100, fn _buffer -> :ok end)
      iex> Offheap.Pool.trim(pool, idle_ms: 60_000)
      0
      iex> Offheap.Pool.trim(pool)
      1
  """
  @spec trim(t(), to_bytes: non_neg_integer(), idle_ms: non_neg_integer()) :: non_neg_integer()
  def trim(pool, opts \\ []), do: :offheap_pool.trim(pool, opts)

  @doc """
  Takes back the leases of dead processes whose buffers others still hold; returns how many.

  A dead process's lease that nobody else holds comes back by itself. On a dirty scheduler from 4096
  buffers on.

      iex> pool = Offheap.Pool.new()
      iex> {:ok, _buffer} = Task.await(Task.async(fn -> Offheap.Buffer.lease(pool, 64) end))
      iex> Offheap.Pool.sweep(pool) + Offheap.Pool.info(pool).dropped
      1
  """
  @spec sweep(t()) :: non_neg_integer()
  defdelegate sweep(pool), to: :offheap_pool

  @doc """
  Closes the pool: no more leases, kept blocks are freed. Buffers that are out work on and are freed
  when they come back. Leases that wait raise `ArgumentError`. Runs on a dirty scheduler.

      iex> pool = Offheap.Pool.new()
      iex> Offheap.Pool.close(pool)
      :ok
      iex> Offheap.Buffer.lease(pool, 64)
      ** (ArgumentError) argument error
  """
  @spec close(t()) :: :ok
  defdelegate close(pool), to: :offheap_pool

  @doc """
  The handle of a named pool, or the handle itself. Raises `ArgumentError` for an unknown name.
  """
  @spec get(t()) :: :offheap_pool.handle()
  defdelegate get(pool), to: :offheap_pool

  @doc """
  Starts a process that makes a pool and keeps it under a name. The pool is closed when it ends.

  A name costs each lease about 30 ns; `get/1` gives the handle to those who care. Starting and stopping
  a named pool makes every process look whether it holds the old handle: not something to do often.

  ## Options

  Those of `new/1`, and:

    * `:name` - an atom, the name of the pool and of the process. Required.
    * `:sweep_ms` - how often `sweep/1` is called, or `:infinity`. Default 1000.
    * `:idle_ms` - blocks kept for a lease that were not in use for so long are freed, at each sweep;
      or `:infinity`. Default 60000.

  ## Telemetry

  Where telemetry is (`Offheap.Telemetry`), each sweep after which leases were refused since the last one
  emits `[:offheap, :pool, :refused]`: at most one in `:sweep_ms`, and no cost to those who lease.

  ## Examples

      iex> {:ok, _pid} = Offheap.Pool.start_link(name: :doc_pool)
      iex> {:ok, buffer} = Offheap.Buffer.lease(:doc_pool, 64)
      iex> Offheap.Buffer.release(buffer)
      :ok
      iex> Offheap.Pool.stop(:doc_pool)
      :ok
  """
  @spec start_link(keyword()) :: {:ok, pid()} | {:error, term()}
  defdelegate start_link(opts), to: :offheap_pool

  @doc "A child specification for a supervisor."
  @spec child_spec(keyword()) :: Supervisor.child_spec()
  defdelegate child_spec(opts), to: :offheap_pool

  @doc "Ends the process of a named pool."
  @spec stop(atom()) :: :ok
  defdelegate stop(name), to: :offheap_pool
end
