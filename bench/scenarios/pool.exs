# Offheap.Buffer against fresh binaries. A fresh binary of given bytes is what
# :binary.copy makes; the same bytes into a leased buffer, which is released again, is its counterpart.
# No row compares what both sides would do to the bytes after that.
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

  defloop with_lease_filled({bytes, pool}, _i) do
    Buffer.with_lease(pool, 0, bytes, fn _buffer -> :ok end)
  end

  # Half of the bytes as a binary, the rest stays writable.
  defloop lease_split_release({bytes, pool}, _i) do
    {:ok, buffer} = Buffer.lease(pool, 0, bytes)
    _front = Buffer.split_to(buffer, div(byte_size(bytes), 2))
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

  defp bytes_state(size) do
    fn ->
      pool = Pool.new()
      bytes = :crypto.strong_rand_bytes(size)
      state = {bytes, pool}
      {state, state}
    end
  end

  # One pool for all processes, and small blocks in several at once.
  def scenarios do
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
          {"with_lease, filled", &__MODULE__.with_lease_filled/2},
          {"write again", &__MODULE__.write/2},
          {"lease filled, freeze, release", &__MODULE__.lease_freeze_release/2},
          {"lease filled, split_to half, release", &__MODULE__.lease_split_release/2}
        ] do
      %{
        component: "pool",
        name: name,
        input: text,
        peer: ":binary.copy",
        parallel: if(name == "lease filled, release" and size <= 4096, do: :all, else: 1),
        quick: size == 4096,
        ours: ours,
        theirs: &__MODULE__.copy/2,
        setup: bytes_state(size)
      }
    end
  end
end

Offheap.Bench.Scenarios.Pool.scenarios()
