# Offheap.Buffer against fresh binaries and :file.pread. A fresh binary of given bytes is what
# :binary.copy makes; the same bytes into a leased buffer, which is released again, is its counterpart.
defmodule Offheap.Bench.Scenarios.Pool do
  use Offheap.Bench
  alias Offheap.{Buffer, Pool}

  defloop(copy({bytes, _pool}, _i), do: :binary.copy(bytes))

  defloop lease_write_release({bytes, pool}, _i) do
    {:ok, buffer} = Buffer.lease(pool, byte_size(bytes))
    :ok = Buffer.write(buffer, 0, bytes)
    :ok = Buffer.release(buffer)
  end

  defloop lease_filled_release({bytes, pool}, _i) do
    {:ok, buffer} = Buffer.lease(pool, 0, bytes)
    :ok = Buffer.release(buffer)
  end

  # A buffer of the process's own: each use of another's also looks whether its owner is alive.
  def write({bytes, pool}, n) do
    Buffer.with_lease(pool, byte_size(bytes), &write_loop(&1, bytes, n))
  end

  defp write_loop(_buffer, _bytes, 0), do: :ok

  defp write_loop(buffer, bytes, n) do
    :ok = Buffer.write(buffer, 0, bytes)
    write_loop(buffer, bytes, n - 1)
  end

  defloop lease_freeze_release({bytes, pool}, _i) do
    {:ok, buffer} = Buffer.lease(pool, 0, bytes)
    _binary = Buffer.freeze(buffer)
    :ok = Buffer.release(buffer)
  end

  def pread(state, n), do: pread(state, n, [])
  def pread_inline(state, n), do: pread(state, n, [:inline])
  def pread_dirty(state, n), do: pread(state, n, [:dirty])

  defp pread({_path, file, pool, length}, n, opts) do
    Buffer.with_lease(pool, length, &pread_loop(&1, file, length, opts, n))
  end

  defp pread_loop(_buffer, _file, _length, _opts, 0), do: :ok

  defp pread_loop(buffer, file, length, opts, n) do
    {:ok, ^length} = Buffer.pread(buffer, 0, file, 0, length, opts)
    pread_loop(buffer, file, length, opts, n - 1)
  end

  # A raw file serves only the process that opened it.
  def file_pread({path, _file, _pool, length}, n) do
    {:ok, raw} = :file.open(path, [:read, :raw, :binary])
    file_pread_loop(raw, length, n)
    :file.close(raw)
  end

  defp file_pread_loop(_raw, _length, 0), do: :ok

  defp file_pread_loop(raw, length, n) do
    {:ok, _bytes} = :file.pread(raw, 0, length)
    file_pread_loop(raw, length, n - 1)
  end

  defp bytes_state(size) do
    fn ->
      pool = Pool.new()
      bytes = :crypto.strong_rand_bytes(size)
      state = {bytes, pool}
      {state, state}
    end
  end

  defp file_state(length) do
    fn ->
      path = Path.join(System.tmp_dir!(), "offheap_bench_#{System.unique_integer([:positive])}")
      File.write!(path, :crypto.strong_rand_bytes(length))
      {:ok, file} = Buffer.open(path)
      state = {path, file, Pool.new(), length}
      {state, state}
    end
  end

  def scenarios, do: bytes_scenarios() ++ file_scenarios()

  defp bytes_scenarios do
    for {text, size} <- [
          {"128 B", 128},
          {"4 KiB", 4096},
          {"64 KiB", 65_536},
          {"128 KiB", 131_072},
          {"1 MiB", 1_048_576}
        ],
        {name, ours} <- [
          {"lease, write, release", &__MODULE__.lease_write_release/2},
          {"lease filled, release", &__MODULE__.lease_filled_release/2},
          {"write again", &__MODULE__.write/2},
          {"lease filled, freeze, release", &__MODULE__.lease_freeze_release/2}
        ] do
      %{
        component: "pool",
        name: "#{name}, #{text}",
        peer: ":binary.copy",
        ours: ours,
        theirs: &__MODULE__.copy/2,
        setup: bytes_state(size)
      }
    end
  end

  defp file_scenarios do
    for {text, length} <- [{"512 B", 512}, {"64 KiB", 65_536}, {"1 MiB", 1_048_576}],
        {name, ours} <- [
          {"pread", &__MODULE__.pread/2},
          {"pread inline", &__MODULE__.pread_inline/2},
          {"pread dirty", &__MODULE__.pread_dirty/2}
        ] do
      %{
        component: "pool",
        name: "#{name}, #{text}, page cache",
        peer: ":file.pread, raw",
        ours: ours,
        theirs: &__MODULE__.file_pread/2,
        setup: file_state(length),
        teardown: fn {{path, _, _, _}, _} -> File.rm!(path) end
      }
    end
  end
end

Offheap.Bench.Scenarios.Pool.scenarios()
