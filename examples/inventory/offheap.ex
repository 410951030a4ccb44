defmodule Inventory.Offheap do
  @moduledoc """
  The inventory on Offheap: file contents live in leased buffers, never in binaries; results live in
  stores, sums in atomics, latencies in a histogram.

  Any number of processes may call `next/1` and `add/2` at once: nothing here is owned by one of
  them.
  """
  @behaviour Inventory.Runner

  alias Offheap.{Atomics, Buffer, Hash, Histogram, Jobs, Pool, Store}

  # What is read and hashed at a time. Up to 48 KiB a hash is computed where the caller runs, with
  # no change of thread, and the bytes that were just read are still in the processor's cache: on
  # most machines larger buffers only cost more memory (--buffer-kib tries others).
  @buffer_bytes 48 * 1024

  # Larger files are a job of their own, by path, that reads and hashes in one go: on a dirty
  # scheduler, or beyond 8 MiB in a worker program, where it holds no scheduler at all.
  @large_bytes 1024 * 1024

  # Cells of the sums.
  @next 1
  @files 2
  @bytes 3
  @duplicates 4

  @impl true
  def title, do: "Offheap"

  @impl true
  def new(opts \\ []) do
    %{
      pool: Pool.new(),
      buffer_bytes: Keyword.get(opts, :buffer_bytes, @buffer_bytes),
      large_bytes: Keyword.get(opts, :large_bytes, @large_bytes),
      files: Store.new(:files, [:public]),
      contents: Store.new(:contents, [:public]),
      sums: Atomics.new(4),
      latencies: Histogram.new(digits: 2)
    }
  end

  @impl true
  def next(inventory), do: Atomics.add_get(inventory.sums, @next, 1)

  @impl true
  def add(inventory, path) do
    start = System.monotonic_time()

    with {:ok, digest, size} <- digest(inventory, path) do
      elapsed = System.convert_time_unit(System.monotonic_time() - start, :native, :nanosecond)
      Histogram.record(inventory.latencies, elapsed)
      record(inventory, path, digest, size)
    end
  end

  defp record(inventory, path, digest, size) do
    Store.insert(inventory.files, {path, digest, size})

    # {digest, how many files, their size, the first one}: who comes first inserts, the others count.
    if not Store.insert_new(inventory.contents, {digest, 1, size, path}) do
      Store.update_counter(inventory.contents, digest, 1)
      Atomics.add(inventory.sums, @duplicates, 1)
    end

    Atomics.add(inventory.sums, @files, 1)
    Atomics.add(inventory.sums, @bytes, size)
  end

  @doc "The digest and size of a file, or why it cannot be read."
  def digest(inventory, path) do
    with {:ok, file} <- Offheap.File.open(path) do
      try do
        digest_open(inventory, path, file)
      after
        Offheap.File.close(file)
      end
    end
  end

  # A file that fits the buffer is read at once and hashed by a job, which picks its lane by size. The
  # size that counts is what was read: a file may grow while one looks at it.
  defp digest_open(%{pool: pool, buffer_bytes: length} = inventory, path, file) do
    Buffer.with_lease(pool, length, fn buffer ->
      case Offheap.File.pread(file, 0, buffer, :append, length) do
        {:ok, ^length} -> digest_rest(inventory, path, file, buffer, length)
        {:ok, size} -> whole(buffer, size)
        :eof -> whole(buffer, 0)
        error -> error
      end
    end)
  end

  # Of a larger one the rest goes through the same buffer. Only now it pays to ask for the size: the
  # answer comes from a dirty scheduler.
  defp digest_rest(%{large_bytes: large_bytes}, path, file, buffer, length) do
    case Offheap.File.size(file) do
      {:ok, size} when size > large_bytes ->
        digest_large(path)

      {:ok, _size} ->
        hash = Hash.init()
        :ok = Hash.update(hash, buffer)

        with {:ok, rest} <- Hash.update_file(hash, file, length, :infinity, buffer),
             do: {:ok, Hash.final(hash), length + rest}

      error ->
        error
    end
  end

  defp digest_large(path) do
    with {:ok, {digest, size}} <- Jobs.run(:blake2b_file, path), do: {:ok, digest, size}
  end

  defp whole(buffer, size) do
    with {:ok, digest} <- Jobs.run(:blake2b, buffer), do: {:ok, digest, size}
  end

  @impl true
  def progress(inventory) do
    {Atomics.get(inventory.sums, @files), Atomics.get(inventory.sums, @bytes)}
  end

  @impl true
  def held_bytes(inventory), do: Pool.info(inventory.pool).bytes

  @impl true
  def result(inventory) do
    [_next, files, bytes, duplicates] = Atomics.to_list(inventory.sums)

    %{
      files: files,
      bytes: bytes,
      duplicates: duplicates,
      entries: Store.to_list(inventory.files),
      contents: Store.to_list(inventory.contents),
      timed: Histogram.count(inventory.latencies),
      percentile: &percentile(inventory.latencies, &1),
      table_bytes: table_bytes(inventory.files) + table_bytes(inventory.contents),
      pool: Pool.info(inventory.pool)
    }
  end

  defp percentile(latencies, part) do
    case Histogram.quantiles(latencies, [part]) do
      [:undefined] -> 0
      [nanoseconds] -> nanoseconds
    end
  end

  defp table_bytes(store), do: Store.info(store, :memory) * :erlang.system_info(:wordsize)

  @impl true
  def delete(inventory) do
    Store.delete(inventory.files)
    Store.delete(inventory.contents)
    Pool.close(inventory.pool)
  end
end
