defmodule Offheap.Buffer do
  @moduledoc """
  Mutable byte buffers, leased from a pool (`Offheap.Pool`) and recycled.

      lease --> writable --freeze--> frozen --release--> released
                   \\-------------------release-------------/

    * A buffer has a capacity, which does not change, and a size: the bytes written so far, from 0 on.
      Writing beyond the size fills the gap with zeros, as in a file. Bytes from an earlier lease are
      never seen.
    * `freeze/1` ends writing and makes a binary without copying (a copy if it is small). No binary ever
      changes: the block is used again only when the buffer was released and the last binary is gone.
    * The process that leased a buffer owns it. When the owner dies the lease ends, for all who hold the
      buffer: at once as far as they can tell, and for the pool at the latest when it needs the memory.
      Any process that holds the buffer may use and release it.
    * A buffer that nobody holds any more is released when the garbage collector notices. Release is
      better: it is prompt and makes the next lease cheap.
    * Several processes may read and write at once. Those that write beyond the size exclude each other:
      the second gets `{:error, :busy}`. Bytes that are read while they are written may be old and new
      mixed. A release while others are at work takes effect at once, and the block is recycled when the
      last of them is done.

  ## Errors

  `ArgumentError` is raised for what is not a buffer, for one that was released or whose owner is dead,
  and for offsets and lengths that are not integers of `0..2^64-1`.

    * `{:error, :frozen}` - it cannot be written any more.
    * `{:error, :enospc}` - the bytes do not fit the capacity; none were written.
    * `{:error, :busy}` - another process is writing beyond the size.

  Up to 1 MiB is copied on the spot, more on a dirty scheduler.

      iex> pool = Offheap.Pool.new()
      iex> {:ok, buffer} = Offheap.Buffer.lease(pool, 100)
      iex> Offheap.Buffer.write(buffer, 4, "tail")
      :ok
      iex> Offheap.Buffer.read(buffer)
      <<0, 0, 0, 0, "tail">>
      iex> Offheap.Buffer.freeze(buffer)
      <<0, 0, 0, 0, "tail">>
      iex> Offheap.Buffer.write(buffer, 0, "head")
      {:error, :frozen}
      iex> Offheap.Buffer.release(buffer)
      :ok
      iex> Offheap.Buffer.release(buffer)
      {:error, :released}
      iex> Offheap.Buffer.read(buffer)
      ** (ArgumentError) argument error
  """

  @typedoc "A lease."
  @type t :: :offheap_buffer.buffer()

  @typedoc "Bytes of a buffer, as `Offheap.File` and `Offheap.Hash` take them: `{buffer, offset, length}`."
  @type range :: :offheap_buffer.range()

  @doc """
  Leases a buffer of at least `size` bytes' capacity, size 0, owned by the caller.

  `{:error, :exhausted}`: the pool's cap is reached. `{:error, :enomem}`: the system has no memory.
  Constant time; at the cap on a dirty scheduler.

      iex> {:ok, buffer} = Offheap.Buffer.lease(Offheap.Pool.new(), 100)
      iex> Offheap.Buffer.capacity(buffer) >= 100
      true
  """
  @spec lease(Offheap.Pool.t(), non_neg_integer()) :: {:ok, t()} | {:error, :exhausted | :enomem}
  defdelegate lease(pool, size), to: :offheap_buffer

  @doc """
  Leases a buffer with `data` in it, of at least `size` bytes' capacity and what `data` needs: the same
  as `lease/2` and `append/2`, in one call.

      iex> {:ok, buffer} = Offheap.Buffer.lease(Offheap.Pool.new(), 0, "hello")
      iex> Offheap.Buffer.size(buffer)
      5
  """
  @spec lease(Offheap.Pool.t(), non_neg_integer(), iodata()) ::
          {:ok, t()} | {:error, :exhausted | :enomem}
  defdelegate lease(pool, size, data), to: :offheap_buffer

  @doc """
  Leases a buffer, calls `fun` with it and returns what `fun` returns; releases the buffer in any case.

      iex> pool = Offheap.Pool.new()
      iex> Offheap.Buffer.with_lease(pool, 100, fn buffer ->
      ...>   Offheap.Buffer.append(buffer, "abc")
      ...>   Offheap.Buffer.freeze(buffer)
      ...> end)
      "abc"
  """
  @spec with_lease(Offheap.Pool.t(), non_neg_integer(), (t() -> result)) ::
          result | {:error, :exhausted | :enomem}
        when result: term()
  def with_lease(pool, size, fun) when is_function(fun, 1) do
    with {:ok, buffer} <- lease(pool, size) do
      try do
        fun.(buffer)
      after
        release(buffer)
      end
    end
  end

  @doc """
  Ends the lease. `{:error, :released}`: it was over already.

  Binaries that were made from the buffer stay as they are. Constant time.
  """
  @spec release(t()) :: :ok | {:error, :released}
  defdelegate release(buffer), to: :offheap_nif, as: :buffer_release

  @doc """
  Writes `data` at `offset`. A gap between size and offset is filled with zeros.

      iex> {:ok, buffer} = Offheap.Buffer.lease(Offheap.Pool.new(), 64, "Hello, world")
      iex> Offheap.Buffer.write(buffer, 7, [?E, "lixi", "r"])
      :ok
      iex> Offheap.Buffer.read(buffer)
      "Hello, Elixir"
      iex> Offheap.Buffer.write(buffer, 1_000_000, "far")
      {:error, :enospc}
  """
  @spec write(t(), non_neg_integer(), iodata()) :: :ok | {:error, :enospc | :frozen | :busy}
  defdelegate write(buffer, offset, data), to: :offheap_buffer

  @doc """
  Writes `data` at the end.
  """
  @spec append(t(), iodata()) :: :ok | {:error, :enospc | :frozen | :busy}
  defdelegate append(buffer, data), to: :offheap_buffer

  @doc """
  A copy of all bytes written so far. `{:error, :enomem}` if there is no memory for it.
  """
  @spec read(t()) :: binary() | {:error, :enomem}
  defdelegate read(buffer), to: :offheap_nif, as: :buffer_read

  @doc """
  A copy of `length` bytes from `offset` on. Raises `ArgumentError` where they are not all below the
  size.

      iex> {:ok, buffer} = Offheap.Buffer.lease(Offheap.Pool.new(), 64, "Hello, world")
      iex> Offheap.Buffer.read(buffer, 7, 5)
      "world"
      iex> Offheap.Buffer.read(buffer, 7, 6)
      ** (ArgumentError) argument error
  """
  @spec read(t(), non_neg_integer(), non_neg_integer()) :: binary() | {:error, :enomem}
  defdelegate read(buffer, offset, length), to: :offheap_nif, as: :buffer_read

  @doc """
  Makes the buffer read-only for good, and returns its bytes as a binary.

  Up to 64 KiB are copied; more are not: the binary shows the buffer's own block, which is used again
  when the buffer was released and no binary made from it is left. Such a block counts as the pool's
  until then, and a small part of the binary keeps all of it: `:binary.copy/1` what is kept for long.

  May be called again. `{:error, :busy}`: another process is reading, writing or freezing right now.
  """
  @spec freeze(t()) :: binary() | {:error, :busy | :enomem}
  defdelegate freeze(buffer), to: :offheap_nif, as: :buffer_freeze

  @doc """
  `length` bytes from `offset` on of a frozen buffer, as `freeze/1` returns them; up to 64 bytes are
  copied. Raises `ArgumentError` where they are not all below the size, and for a buffer that is not
  frozen.

      iex> {:ok, buffer} = Offheap.Buffer.lease(Offheap.Pool.new(), 64, "Hello, world")
      iex> Offheap.Buffer.freeze(buffer)
      iex> Offheap.Buffer.slice(buffer, 0, 5)
      "Hello"
  """
  @spec slice(t(), non_neg_integer(), non_neg_integer()) :: binary() | {:error, :busy | :enomem}
  defdelegate slice(buffer, offset, length), to: :offheap_nif, as: :buffer_slice

  @doc "The number of bytes written so far."
  @spec size(t()) :: non_neg_integer()
  defdelegate size(buffer), to: :offheap_nif, as: :buffer_size

  @doc "The number of bytes that fit: at least what was asked for."
  @spec capacity(t()) :: pos_integer()
  defdelegate capacity(buffer), to: :offheap_nif, as: :buffer_capacity

  @doc "The process whose death ends the lease."
  @spec owner(t()) :: pid()
  defdelegate owner(buffer), to: :offheap_nif, as: :buffer_owner

  @doc """
  Makes the process `pid` the owner. As with `:ets.give_away/3`, `ArgumentError` is raised if the caller
  is not the owner, or `pid` not a local process that is alive. Sends no message.
  """
  @spec give_away(t(), pid()) :: :ok
  defdelegate give_away(buffer, pid), to: :offheap_nif, as: :buffer_give_away

  @doc """
  State and generation, and for a buffer that is not released its size, capacity and owner. Never raises
  for a released one.

      iex> {:ok, buffer} = Offheap.Buffer.lease(Offheap.Pool.new(), 64, "abc")
      iex> %{state: :writable, size: 3} = Offheap.Buffer.info(buffer)
      iex> Offheap.Buffer.release(buffer)
      iex> Offheap.Buffer.info(buffer).state
      :released
  """
  @spec info(t()) :: %{
          required(:state) => :writable | :frozen | :released,
          required(:generation) => non_neg_integer(),
          optional(:size) => non_neg_integer(),
          optional(:capacity) => pos_integer(),
          optional(:owner) => pid()
        }
  defdelegate info(buffer), to: :offheap_nif, as: :buffer_info
end
