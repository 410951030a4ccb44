defmodule Offheap.Hash do
  @moduledoc """
  Digests of iodata, of buffers' bytes where they are (`Offheap.Buffer`) and of files, by libsodium:
  BLAKE2b, SHA-256, SHA-512.

      iex> state = Offheap.Hash.init()
      iex> Offheap.Hash.update(state, "ab")
      :ok
      iex> Offheap.Hash.update(state, ["c"])
      :ok
      iex> digest = Offheap.Hash.digest(:blake2b, "abc")
      iex> Offheap.Hash.final(state) == digest
      true
      iex> Offheap.Jobs.run(:blake2b, "abc") == {:ok, digest}
      true

  Algorithms:

    * `:blake2b` - 32 bytes; `{:blake2b, bytes}` - so many of `16..64`; `{:blake2b, bytes, key}` - also
      with a key of 16 to 64 bytes, which makes it a code that only who knows the key can compute.
    * `:sha256` - 32 bytes; `:sha512` - 64.

  The digest of a state is that of all pieces one after the other. A state may be passed to any process,
  but works for one at a time: a call that meets another one's update gets `{:error, :busy}` and changes
  nothing.

  BLAKE2b takes about 1 ns a byte, SHA-512 2, SHA-256 up to 5 (`:crypto` is faster at SHA-2 where the
  processor has instructions for it, but needs binaries). Up to 48 KiB are hashed where they are, more on
  a dirty CPU scheduler.

  `ArgumentError` is raised for another algorithm, for what is no data, for a range beyond what is written
  of its buffer, for a buffer that was released, and for a state after `final/1`.
  """

  @type state :: :offheap_hash.state()
  @type algorithm :: :offheap_hash.algorithm()
  @typedoc "Iodata, or what is written of a buffer, or a range of it; buffers are read in place."
  @type data :: :offheap_hash.data()
  @type digest :: :offheap_hash.digest()

  @doc """
  The digest of one piece. (`Offheap.Jobs.run/3` does the same in a worker program where it takes long.)

  `{:error, :busy}`: 8191 other calls are working on the buffer.

      iex> Offheap.Hash.digest(:sha256, ["a", "bc"]) == :crypto.hash(:sha256, "abc")
      true
      iex> {:ok, buffer} = Offheap.Buffer.lease(Offheap.Pool.new(), 0, "xabcx")
      iex> Offheap.Hash.digest({:blake2b, 64}, {buffer, 1, 3}) == :crypto.hash(:blake2b, "abc")
      true
  """
  @spec digest(algorithm(), data()) :: digest() | {:error, :busy}
  defdelegate digest(algorithm, data), to: :offheap_hash

  @doc "A new state: the hash of nothing yet."
  @spec init(algorithm()) :: state()
  def init(algorithm \\ :blake2b), do: :offheap_hash.init(algorithm)

  @doc """
  Adds a piece.

  `{:error, :busy}`: another process is in the middle of a call with this state.
  """
  @spec update(state(), data()) :: :ok | {:error, :busy}
  defdelegate update(state, data), to: :offheap_hash

  @doc """
  Adds `length` bytes of a file (`Offheap.File`) from `file_offset` on, or as many as there are; returns
  how many.

  They pass through the buffer, as many at a time as it has capacity: no other memory is used, and the
  buffer holds the last of them after. The whole runs on a dirty I/O scheduler, and ends early if the
  caller is killed.

  `{:error, :busy}`: another process is in the middle of a call with this state, or extending the buffer;
  nothing was added. After an error of the file system (`:einval`: the file was closed) the state has
  taken in what was read before.
  """
  @spec update_file(
          state(),
          Offheap.File.t(),
          non_neg_integer(),
          non_neg_integer() | :infinity,
          Offheap.Buffer.t()
        ) :: {:ok, non_neg_integer()} | {:error, :busy | :frozen | File.posix()}
  defdelegate update_file(state, file, file_offset, length, buffer),
    to: :offheap_nif,
    as: :hash_update_file

  @doc "The digest. It ends the state."
  @spec final(state()) :: digest() | {:error, :busy}
  defdelegate final(state), to: :offheap_nif, as: :hash_final

  @doc """
  The digest of a file, from its first byte on, and its size: by its path, or of one that is open.

  It is read through one buffer of `chunk_bytes`, leased from the pool: no other memory is used, however
  large the file is. Runs as `update_file/5`.

      iex> pool = Offheap.Pool.new()
      iex> {:ok, {digest, size}} = Offheap.Hash.file(:sha512, "mix.exs", pool)
      iex> size == File.stat!("mix.exs").size
      true
      iex> digest == :crypto.hash(:sha512, File.read!("mix.exs"))
      true
      iex> Offheap.Hash.file(:sha512, "no/such/file", pool)
      {:error, :enoent}
  """
  @spec file(algorithm(), Path.t() | Offheap.File.t(), Offheap.Pool.t(), pos_integer()) ::
          {:ok, {digest(), size :: non_neg_integer()}}
          | {:error, :exhausted | :enomem | File.posix()}
  def file(algorithm, path_or_file, pool, chunk_bytes \\ 131_072)

  def file(algorithm, path, pool, chunk_bytes) when is_binary(path) or is_list(path),
    do: :offheap_hash.file(algorithm, IO.chardata_to_string(path), pool, chunk_bytes)

  def file(algorithm, file, pool, chunk_bytes),
    do: :offheap_hash.file(algorithm, file, pool, chunk_bytes)
end
