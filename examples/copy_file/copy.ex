defmodule CopyFile.Copy do
  @moduledoc """
  Copies a file through one leased buffer, and hashes what it copies: no byte of it becomes a binary.
  """

  alias Offheap.{Buffer, Hash, Pool}

  # Large enough that the system calls do not show, and as much as is read on the spot.
  @chunk_bytes 1024 * 1024

  @doc """
  Copies `from` to `to`, which is made or emptied; returns the size and the BLAKE2b digest of 64 bytes,
  the one that b2sum prints.

  Whatever happens, files are closed and the buffer is released. A copy that fails leaves what it had
  written.

  ## Options

    * `:chunk_bytes` - the size of the buffer. Default 1 MiB.
    * `:pool` - where it is leased. Default: a pool of its own.
  """
  @spec copy(Path.t(), Path.t(), chunk_bytes: pos_integer(), pool: Pool.t()) ::
          {:ok, {size :: non_neg_integer(), Hash.digest()}} | {:error, term()}
  def copy(from, to, opts \\ []) do
    chunk_bytes = Keyword.get(opts, :chunk_bytes, @chunk_bytes)
    pool = Keyword.get_lazy(opts, :pool, &Pool.new/0)

    with_file(from, [:read], fn input ->
      with_file(to, [:write], fn output ->
        Buffer.with_lease(pool, chunk_bytes, fn buffer ->
          chunks(input, output, buffer, chunk_bytes, Hash.init({:blake2b, 64}), 0)
        end)
      end)
    end)
  end

  defp chunks(input, output, buffer, length, hash, at) do
    case Offheap.File.pread(input, at, buffer, 0, length) do
      {:ok, count} ->
        with :ok <- Hash.update(hash, {buffer, 0, count}),
             :ok <- Offheap.File.pwrite(output, at, buffer, 0, count),
             do: chunks(input, output, buffer, length, hash, at + count)

      :eof ->
        {:ok, {at, Hash.final(hash)}}

      error ->
        error
    end
  end

  # What the close of a file that was written says counts: it may be the first to know that the disk is
  # full.
  defp with_file(path, modes, fun) do
    with {:ok, file} <- Offheap.File.open(path, modes) do
      try do
        fun.(file)
      rescue
        error ->
          Offheap.File.close(file)
          reraise error, __STACKTRACE__
      else
        result -> with :ok <- Offheap.File.close(file), do: result
      end
    end
  end
end
