defmodule Offheap.File do
  @moduledoc """
  Regular files that are read into buffers and written from them (`Offheap.Buffer`), at positions,
  without a binary in between.

      iex> path = Path.join(System.tmp_dir!(), "offheap_file_doc")
      iex> {:ok, file} = Offheap.File.open(path, [:read, :write])
      iex> Offheap.File.pwrite(file, 0, ["some ", "bytes"])
      :ok
      iex> {:ok, buffer} = Offheap.Buffer.lease(Offheap.Pool.new(), 4096)
      iex> Offheap.File.pread(file, 5, buffer, 0, 4096)
      {:ok, 5}
      iex> Offheap.Buffer.read(buffer)
      "bytes"
      iex> Offheap.File.pwrite(file, 0, buffer, 0, 4)
      :ok
      iex> Offheap.File.close(file)
      :ok
      iex> File.read!(path)
      "byte bytes"

    * A file has no current position. Any process that holds it may use it, several at once.
    * It is closed by `close/1`, or when nobody holds it any more. Who closes it while others read or
      write lets them finish first; so does who releases a buffer, or the death of its owner. After that
      calls with the file return `{:error, :einval}`, as those of `:file` do.
    * Reading beyond a buffer's size extends it, as `Offheap.Buffer.write/3` does, and is one process's
      at a time: the second gets `{:error, :busy}`. Reads and writes of the same bytes at the same time
      may mix them.

  ## Where it runs

  Reads take what the system has in its page cache on the spot; what must come from the disk, and all
  writes, run on a dirty I/O scheduler. More than 1 MiB, or more than 1,024 pieces, always do. Options of
  all calls that move bytes:

    * `:dirty` - reads always go to a dirty I/O scheduler.
    * `:inline` - reads and writes are always done on the spot, which saves a change of thread (1 to 20
      us), but holds up a normal scheduler as long as the disk takes, if it has to be asked: for files
      known to be in memory.

  ## Errors

  Those of the file system, as in `:file`. `ArgumentError` is raised for what is no file, buffer, data or
  option, for a buffer that was released, and for offsets and lengths that are not integers of
  `0..2^64-1`. After a failed read, bytes below the buffer's size may have been overwritten.
  """

  alias Offheap.{Buffer, Pool}

  @typedoc "An open file."
  @type t :: :offheap_file.file()

  @typedoc "How to open; see `open/2`."
  @type mode :: :offheap_file.mode()

  @typedoc "Where to run; see above."
  @type option :: :offheap_file.option()

  @typedoc "Iodata, what is written of a buffer, or a range of it."
  @type data :: :offheap_file.data()

  @typedoc "`{written, reason}`: the error came after so many bytes."
  @type write_error :: :offheap_file.write_error()

  @typedoc "How many bytes were read, or that there are none."
  @type read_result ::
          {:ok, non_neg_integer()}
          | :eof
          | {:error, :enospc | :frozen | :busy | :enomem | File.posix()}

  @doc """
  Opens a regular file, with the modes of `File.open/2`:

    * `:read` - the default if there is no other.
    * `:write` - the file is created if it is not there. Without `:read` it is emptied.
    * `:append` - as `:write`, but nothing is emptied, and all writes go to the end of the file, whatever
      their offset.
    * `:exclusive` - as `:write`, but a file that is there is `{:error, :eexist}`.
    * `:sync` - a write returns when it is on the disk.

  Errors are those of `File.open/2`: `:eisdir` for a directory; and `:einval` for what is not a regular
  file, which is neither waited for nor changed. Runs on a dirty I/O scheduler.

      iex> Offheap.File.open("no/such/file")
      {:error, :enoent}
      iex> Offheap.File.open("mix.exs", [:exclusive])
      {:error, :eexist}
  """
  @spec open(Path.t(), [mode()]) :: {:ok, t()} | {:error, File.posix()}
  def open(path, modes \\ [:read]),
    do: path |> IO.chardata_to_string() |> :offheap_file.open(modes)

  @doc """
  Closes the file; what is under way ends first, on its own.

  `{:error, :einval}`: it was closed already. Another error: the system lost earlier writes; the file is
  closed all the same. On a dirty I/O scheduler.
  """
  @spec close(t()) :: :ok | {:error, File.posix()}
  defdelegate close(file), to: :offheap_nif, as: :file_close

  @doc "The file's size at this moment. On a dirty I/O scheduler."
  @spec size(t()) :: {:ok, non_neg_integer()} | {:error, File.posix()}
  defdelegate size(file), to: :offheap_nif, as: :file_size

  @doc "Makes the file `size` bytes long: cuts it, or adds zeros. On a dirty I/O scheduler."
  @spec truncate(t(), non_neg_integer()) :: :ok | {:error, File.posix()}
  defdelegate truncate(file, size), to: :offheap_nif, as: :file_truncate

  @doc "Returns when what was written is on the disk. On a dirty I/O scheduler."
  @spec sync(t()) :: :ok | {:error, File.posix()}
  defdelegate sync(file), to: :offheap_nif, as: :file_sync

  @doc "As `sync/1`, without what is not needed to read the bytes again, such as times."
  @spec datasync(t()) :: :ok | {:error, File.posix()}
  defdelegate datasync(file), to: :offheap_nif, as: :file_datasync

  @doc """
  Reads `length` bytes of the file from `file_offset` on, or as many as there are, into the buffer at
  `offset` (`:append`: at its end). Returns how many, or `:eof` if there are none.

  `{:error, :enospc}`: `length` bytes do not fit the buffer; nothing was read.

      iex> {:ok, file} = Offheap.File.open("mix.exs")
      iex> {:ok, buffer} = Offheap.Buffer.lease(Offheap.Pool.new(), 100)
      iex> Offheap.File.pread(file, 0, buffer, :append, 9)
      {:ok, 9}
      iex> Offheap.Buffer.read(buffer)
      "defmodule"
      iex> Offheap.File.pread(file, 1_000_000, buffer, :append, 9)
      :eof
  """
  @spec pread(t(), non_neg_integer(), Buffer.t(), non_neg_integer() | :append, non_neg_integer()) ::
          read_result()
  def pread(file, file_offset, buffer, offset, length),
    do: :offheap_nif.file_pread(file, file_offset, buffer, offset, length, :auto)

  @doc "The same, with options."
  @spec pread(
          t(),
          non_neg_integer(),
          Buffer.t(),
          non_neg_integer() | :append,
          non_neg_integer(),
          [option()]
        ) :: read_result()
  defdelegate pread(file, file_offset, buffer, offset, length, opts), to: :offheap_file

  @doc """
  Reads the file from `file_offset` on into ranges of buffers, `{buffer, offset, length}`, one after the
  other. Returns how many bytes, less than the ranges have only at the end of the file.

  All ranges must fit their buffers, or nothing is read. A buffer may occur more than once; but only one
  of its ranges may lie beyond its size, else it is `{:error, :busy}`.

      iex> {:ok, file} = Offheap.File.open("mix.exs")
      iex> pool = Offheap.Pool.new()
      iex> {:ok, head} = Offheap.Buffer.lease(pool, 9)
      iex> {:ok, rest} = Offheap.Buffer.lease(pool, 9)
      iex> Offheap.File.readv(file, 0, [{head, 0, 9}, {rest, 0, 8}])
      {:ok, 17}
      iex> {Offheap.Buffer.read(head), Offheap.Buffer.read(rest)}
      {"defmodule", " Offheap"}
  """
  @spec readv(t(), non_neg_integer(), [Buffer.range()], [option()]) :: read_result()
  def readv(file, file_offset, ranges, opts \\ []),
    do: :offheap_file.readv(file, file_offset, ranges, opts)

  @doc """
  Writes data to the file at `file_offset`: iodata, what is written of a buffer, or a range of it,
  `{buffer, offset, length}`.

  All of it, or an error, which says how much was written if it is not nothing. A range must lie below
  the buffer's size (else `ArgumentError`). What lies between the file's end and `file_offset` becomes
  zeros.
  """
  @spec pwrite(t(), non_neg_integer(), data(), [option()]) :: :ok | write_error()
  def pwrite(file, file_offset, data, opts \\ []),
    do: :offheap_file.pwrite(file, file_offset, data, opts)

  @doc "Writes `length` bytes at `offset` of a buffer, as `pwrite/4` of the range does."
  @spec pwrite(t(), non_neg_integer(), Buffer.t(), non_neg_integer(), non_neg_integer()) ::
          :ok | write_error()
  def pwrite(file, file_offset, buffer, offset, length),
    do: :offheap_nif.file_pwrite(file, file_offset, buffer, offset, length, :dirty)

  @doc "The same, with options."
  @spec pwrite(t(), non_neg_integer(), Buffer.t(), non_neg_integer(), non_neg_integer(), [
          option()
        ]) ::
          :ok | write_error()
  defdelegate pwrite(file, file_offset, buffer, offset, length, opts), to: :offheap_file

  @doc """
  Writes pieces one after the other to the file at `file_offset`: binaries, what is written of buffers,
  and ranges of them, in any mixture and number. All of them, or an error, as `pwrite/4`.

      iex> path = Path.join(System.tmp_dir!(), "offheap_file_doc_v")
      iex> {:ok, file} = Offheap.File.open(path, [:write])
      iex> {:ok, buffer} = Offheap.Buffer.lease(Offheap.Pool.new(), 0, "one two")
      iex> Offheap.File.writev(file, 0, ["<", {buffer, 4, 3}, ", ", buffer, ">"])
      :ok
      iex> File.read!(path)
      "<two, one two>"
  """
  @spec writev(t(), non_neg_integer(), [binary() | Buffer.t() | Buffer.range()], [option()]) ::
          :ok | write_error()
  def writev(file, file_offset, pieces, opts \\ []),
    do: :offheap_file.writev(file, file_offset, pieces, opts)

  @doc """
  A stream of the file's bytes in binaries of `chunk_bytes`, the last one of what is left.

  Each is read into a buffer from the pool and frozen: beyond 64 KiB the binary is the pool's own block
  and nothing was copied. The blocks of binaries that are kept count as the pool's.

  The file is open while the stream is enumerated, and closed also when that ends early. `File.Error` is
  raised if the file cannot be opened or read, `RuntimeError` if the pool has no buffer. Options: as
  above.

      iex> Offheap.File.stream!("mix.exs", Offheap.Pool.new(), 9) |> Enum.take(2)
      ["defmodule", " Offheap."]
  """
  @spec stream!(Path.t(), Pool.t(), pos_integer(), [option()]) :: Enumerable.t()
  def stream!(path, pool, chunk_bytes, opts \\ [])
      when is_integer(chunk_bytes) and chunk_bytes > 0 do
    Stream.resource(
      fn -> {open!(path), 0} end,
      fn {file, at} ->
        buffer = lease!(pool, chunk_bytes)

        try do
          case read!(path, file, at, buffer, chunk_bytes, opts) do
            0 -> {:halt, {file, at}}
            count -> {[Buffer.freeze(buffer)], {file, at + count}}
          end
        after
          Buffer.release(buffer)
        end
      end,
      fn {file, _at} -> close(file) end
    )
  end

  @doc """
  A stream of the file's bytes in ranges `{buffer, 0, length}` of one and the same buffer, of
  `chunk_bytes` each but the last.

  The fastest and smallest way: no more than `chunk_bytes` of memory for any file. **A range holds its
  bytes only until the next one is asked for**, so it must be used up before: hashed
  (`Offheap.Hash.update/2`), written on (`pwrite/4`), copied out (`Offheap.Buffer.read/3`). Not for what
  keeps elements or is ahead of its consumer, such as `Enum.to_list/1` or `Task.async_stream/3`.

  The buffer is the enumerating process's. It is released and the file closed when the enumeration ends,
  also early. Errors and options: as `stream!/4`.

      iex> pool = Offheap.Pool.new()
      iex> state = Offheap.Hash.init(:sha256)
      iex> for range <- Offheap.File.stream_buffer!("mix.exs", pool, 512),
      ...>   do: :ok = Offheap.Hash.update(state, range)
      iex> Offheap.Hash.final(state) == :crypto.hash(:sha256, File.read!("mix.exs"))
      true
      iex> Offheap.Pool.info(pool).leased
      0
  """
  @spec stream_buffer!(Path.t(), Pool.t(), pos_integer(), [option()]) :: Enumerable.t()
  def stream_buffer!(path, pool, chunk_bytes, opts \\ [])
      when is_integer(chunk_bytes) and chunk_bytes > 0 do
    Stream.resource(
      fn ->
        file = open!(path)

        try do
          {file, lease!(pool, chunk_bytes), 0}
        rescue
          error ->
            close(file)
            reraise error, __STACKTRACE__
        end
      end,
      fn {file, buffer, at} ->
        case read!(path, file, at, buffer, chunk_bytes, opts) do
          0 -> {:halt, {file, buffer, at}}
          count -> {[{buffer, 0, count}], {file, buffer, at + count}}
        end
      end,
      fn {file, buffer, _at} ->
        Buffer.release(buffer)
        close(file)
      end
    )
  end

  defp open!(path) do
    case open(path) do
      {:ok, file} -> file
      {:error, reason} -> raise File.Error, reason: reason, action: "stream", path: path
    end
  end

  defp lease!(pool, bytes) do
    case Buffer.lease(pool, bytes) do
      {:ok, buffer} -> buffer
      {:error, reason} -> raise "no buffer of #{bytes} bytes: #{reason}"
    end
  end

  defp read!(path, file, at, buffer, length, opts) do
    case pread(file, at, buffer, 0, length, opts) do
      {:ok, count} -> count
      :eof -> 0
      {:error, reason} -> raise File.Error, reason: reason, action: "stream", path: path
    end
  end
end
