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

  A pool lives as long as some process, message or table holds its handle. Buffers and binaries made
  from it live on after it.

  ## In a supervision tree

      children = [{Offheap.Pool, name: MyApp.Buffers, max_bytes: 64 * 1024 * 1024}]

  starts a process that names the pool and looks once in a while for leases of dead processes. Where a
  pool is expected, the name does too: `Offheap.Buffer.lease(MyApp.Buffers, 4096)`. No call goes
  through that process.
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

  Raises `ArgumentError` for other options or values.

      iex> pool = Offheap.Pool.new(max_bytes: 10_000)
      iex> Offheap.Buffer.lease(pool, 10_001)
      {:error, :exhausted}
  """
  @spec new(max_bytes: non_neg_integer() | :infinity, largest: pos_integer()) ::
          :offheap_pool.handle()
  def new(opts \\ []), do: :offheap_pool.new(opts)

  @doc """
  What the pool holds and has done. Bytes are those of whole blocks.

    * `:leases` - leases so far; `:recycled` - those that took a block that was there.
    * `:leased`, `:leased_bytes` - buffers out now, frozen ones included.
    * `:frozen`, `:frozen_bytes` - frozen buffers that are not released or whose binaries are referred
      to.
    * `:cached`, `:cached_bytes` - blocks kept for the next lease.
    * `:bytes` - all blocks together, what `:max_bytes` caps; `:memory` - that and the pool's own.
    * `:refused` - leases that ended in `{:error, :exhausted}`.
    * `:reclaimed` - leases taken back because their owner was dead.
    * `:dropped` - leases that ended because nobody held the buffer any more.
    * `:max_bytes`, `:largest`, `:closed`.

  Each buffer is looked at atomically; all together they are not one instant. About 5 ns a buffer; on a
  dirty scheduler from 4096 on.

      iex> Offheap.Pool.info(Offheap.Pool.new(largest: 1000)).largest
      1024
  """
  @spec info(t()) :: info()
  defdelegate info(pool), to: :offheap_pool

  @doc """
  Frees all blocks kept for the next lease; returns how many. Runs on a dirty scheduler.

      iex> pool = Offheap.Pool.new()
      iex> Offheap.Buffer.with_lease(pool, 100, fn _buffer -> :ok end)
      iex> Offheap.Pool.trim(pool)
      1
  """
  @spec trim(t()) :: non_neg_integer()
  defdelegate trim(pool), to: :offheap_pool

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
  when they come back. Runs on a dirty scheduler.

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
