# Offheap.File against raw files of :file, everything in the page cache.
#
# :file.pread makes a binary. One that is dropped at once is the emulator's cheapest case: the next
# one gets its memory again. One that is kept for a while needs memory of its own; "kept" rows have
# the last 32 results alive, in binaries there and in 32 buffers here.
defmodule Offheap.Bench.Scenarios.File do
  use Offheap.Bench
  alias Offheap.{Buffer, Pool}

  @kept 32

  # --- Reading ---

  def pread(state, n), do: pread(state, n, [])
  def pread_inline(state, n), do: pread(state, n, [:inline])
  def pread_dirty(state, n), do: pread(state, n, [:dirty])

  # A buffer of the process's own: each use of another's also looks whether its owner is alive.
  defp pread({path, pool, length}, n, opts) do
    {:ok, file} = Offheap.File.open(path)
    Buffer.with_lease(pool, length, &pread_loop(file, &1, length, opts, n))
    :ok = Offheap.File.close(file)
  end

  defp pread_loop(_file, _buffer, _length, _opts, 0), do: :ok

  defp pread_loop(file, buffer, length, opts, n) do
    {:ok, ^length} = Offheap.File.pread(file, 0, buffer, 0, length, opts)
    pread_loop(file, buffer, length, opts, n - 1)
  end

  # A raw file serves only the process that opened it.
  def file_pread({path, _pool, length}, n) do
    {:ok, raw} = :file.open(path, [:read, :raw, :binary])
    file_pread_loop(raw, length, n)
    :ok = :file.close(raw)
  end

  defp file_pread_loop(_raw, _length, 0), do: :ok

  defp file_pread_loop(raw, length, n) do
    {:ok, _bytes} = :file.pread(raw, 0, length)
    file_pread_loop(raw, length, n - 1)
  end

  # --- Reading, and keeping what was read for a while ---

  def pread_kept({path, pool, length}, n) do
    {:ok, file} = Offheap.File.open(path)
    buffers = for _ <- 1..@kept, do: elem(Buffer.lease(pool, length), 1)
    pread_kept_loop(file, List.to_tuple(buffers), length, n)
    Enum.each(buffers, &Buffer.release/1)
    :ok = Offheap.File.close(file)
  end

  defp pread_kept_loop(_file, _buffers, _length, 0), do: :ok

  defp pread_kept_loop(file, buffers, length, n) do
    buffer = elem(buffers, rem(n, @kept))
    {:ok, ^length} = Offheap.File.pread(file, 0, buffer, 0, length, [:inline])
    pread_kept_loop(file, buffers, length, n - 1)
  end

  def file_pread_kept({path, _pool, length}, n) do
    {:ok, raw} = :file.open(path, [:read, :raw, :binary])
    file_pread_kept_loop(raw, :erlang.make_tuple(@kept, nil), length, n)
    :ok = :file.close(raw)
  end

  defp file_pread_kept_loop(_raw, _kept, _length, 0), do: :ok

  defp file_pread_kept_loop(raw, kept, length, n) do
    {:ok, bytes} = :file.pread(raw, 0, length)
    file_pread_kept_loop(raw, put_elem(kept, rem(n, @kept), bytes), length, n - 1)
  end

  # --- Writing: of a range that is held, and of @pieces pieces at once ---

  @pieces 16

  def pwrite(state, n), do: pwrite(state, n, [])
  def pwrite_inline(state, n), do: pwrite(state, n, [:inline])

  defp pwrite({path, pool, length}, n, opts) do
    {:ok, file} = Offheap.File.open(path, [:read, :write])
    {:ok, buffer} = Buffer.lease(pool, 0, :binary.copy("x", length))
    pwrite_loop(file, buffer, length, opts, n)
    :ok = Buffer.release(buffer)
    :ok = Offheap.File.close(file)
  end

  defp pwrite_loop(_file, _buffer, _length, _opts, 0), do: :ok

  defp pwrite_loop(file, buffer, length, opts, n) do
    :ok = Offheap.File.pwrite(file, 0, buffer, 0, length, opts)
    pwrite_loop(file, buffer, length, opts, n - 1)
  end

  def file_pwrite({path, _pool, length}, n) do
    file_pwrite(path, :binary.copy("x", length), n)
  end

  defp file_pwrite(path, data, n) do
    {:ok, raw} = :file.open(path, [:read, :write, :raw, :binary])
    file_pwrite_loop(raw, data, n)
    :ok = :file.close(raw)
  end

  defp file_pwrite_loop(_raw, _data, 0), do: :ok

  defp file_pwrite_loop(raw, data, n) do
    :ok = :file.pwrite(raw, 0, data)
    file_pwrite_loop(raw, data, n - 1)
  end

  def writev(state, n), do: writev(state, n, [])
  def writev_inline(state, n), do: writev(state, n, [:inline])

  defp writev({path, pool, length}, n, opts) do
    {:ok, file} = Offheap.File.open(path, [:read, :write])
    size = div(length, @pieces)
    buffers = for _ <- 1..@pieces, do: elem(Buffer.lease(pool, 0, :binary.copy("x", size)), 1)
    writev_loop(file, for(buffer <- buffers, do: {buffer, 0, size}), opts, n)
    Enum.each(buffers, &Buffer.release/1)
    :ok = Offheap.File.close(file)
  end

  defp writev_loop(_file, _pieces, _opts, 0), do: :ok

  defp writev_loop(file, pieces, opts, n) do
    :ok = Offheap.File.writev(file, 0, pieces, opts)
    writev_loop(file, pieces, opts, n - 1)
  end

  def file_pwrite_iolist({path, _pool, length}, n) do
    pieces = for _ <- 1..@pieces, do: :binary.copy("x", div(length, @pieces))
    file_pwrite(path, pieces, n)
  end

  # --- The rows ---

  @sizes [{"512 B", 512}, {"64 KiB", 65_536}, {"1 MiB", 1_048_576}]

  def scenarios do
    Enum.concat([
      rows(
        [
          {"pread", &__MODULE__.pread/2},
          {"pread inline", &__MODULE__.pread_inline/2},
          {"pread dirty", &__MODULE__.pread_dirty/2}
        ],
        {":file.pread, dropped", &__MODULE__.file_pread/2}
      ),
      rows(
        [{"pread inline, kept", &__MODULE__.pread_kept/2}],
        {":file.pread, kept", &__MODULE__.file_pread_kept/2}
      ),
      rows(
        [{"pwrite", &__MODULE__.pwrite/2}, {"pwrite inline", &__MODULE__.pwrite_inline/2}],
        {":file.pwrite", &__MODULE__.file_pwrite/2}
      ),
      rows(
        [
          {"writev of 16", &__MODULE__.writev/2},
          {"writev of 16 inline", &__MODULE__.writev_inline/2}
        ],
        {":file.pwrite of iolist", &__MODULE__.file_pwrite_iolist/2}
      )
    ])
  end

  defp rows(ours, {peer, theirs}) do
    for {text, length} <- @sizes, {name, fun} <- ours do
      %{
        component: "file",
        name: name,
        input: text,
        peer: peer,
        quick: length == 65_536,
        ours: fun,
        theirs: theirs,
        setup: fn ->
          path =
            Path.join(System.tmp_dir!(), "offheap_bench_#{System.unique_integer([:positive])}")

          File.write!(path, :crypto.strong_rand_bytes(length))
          state = {path, Pool.new(), length}
          {state, state}
        end,
        teardown: fn {{path, _, _}, _} -> File.rm!(path) end
      }
    end
  end
end

Offheap.Bench.Scenarios.File.scenarios()
