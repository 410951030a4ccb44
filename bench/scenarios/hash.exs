# Offheap.Hash against :crypto: what is in a buffer, at once and in pieces, and files. SHA-2 is OpenSSL's with
# the processor's own instructions there, and libsodium's portable code here.
defmodule Offheap.Bench.Scenarios.Hash do
  use Offheap.Bench
  alias Offheap.{Buffer, Hash, Pool}

  @mib 1_048_576
  @piece 65_536

  # --- At once: state is {bytes, pool, our algorithm, OTP's} ---

  def digest({bytes, pool, algorithm, _otp}, n) do
    Buffer.with_lease(pool, 0, bytes, &digest_loop(algorithm, {&1, 0, byte_size(bytes)}, n))
  end

  defp digest_loop(_algorithm, _range, 0), do: :ok

  defp digest_loop(algorithm, range, n) do
    _digest = Hash.digest(algorithm, range)
    digest_loop(algorithm, range, n - 1)
  end

  defloop(crypto_hash({bytes, _pool, _algorithm, otp}, _i), do: :crypto.hash(otp, bytes))

  # --- In pieces ---

  def update({bytes, pool, algorithm, _otp}, n) do
    Buffer.with_lease(pool, 0, bytes, &update_loop(algorithm, &1, byte_size(bytes), n))
  end

  defp update_loop(_algorithm, _buffer, _size, 0), do: :ok

  defp update_loop(algorithm, buffer, size, n) do
    state = Hash.init(algorithm)
    for at <- 0..(size - 1)//@piece, do: :ok = Hash.update(state, {buffer, at, @piece})
    _digest = Hash.final(state)
    update_loop(algorithm, buffer, size, n - 1)
  end

  defloop crypto_update({bytes, _pool, _algorithm, otp}, _i) do
    0..(byte_size(bytes) - 1)//@piece
    |> Enum.reduce(:crypto.hash_init(otp), fn at, state ->
      :crypto.hash_update(state, binary_part(bytes, at, @piece))
    end)
    |> :crypto.hash_final()
  end

  # --- A file: state is {path, pool} ---

  defloop file({path, pool}, _i) do
    {:ok, {_digest, _size}} = Hash.file({:blake2b, 64}, path, pool)
  end

  defloop crypto_file({path, _pool}, _i) do
    path
    |> File.stream!([], 131_072)
    |> Enum.reduce(:crypto.hash_init(:blake2b), &:crypto.hash_update(&2, &1))
    |> :crypto.hash_final()
  end

  # --- The rows ---

  def scenarios do
    digests() ++
      [
        %{
          component: "hash",
          name: "blake2b in pieces of 64 KiB",
          input: "1 MiB",
          peer: ":crypto.hash_update",
          ours: &__MODULE__.update/2,
          theirs: &__MODULE__.crypto_update/2,
          setup: bytes_state(@mib, {:blake2b, 64}, :blake2b)
        },
        %{
          component: "hash",
          name: "blake2b of a file",
          input: "16 MiB",
          peer: "File.stream!, :crypto.hash_update",
          quick: true,
          ours: &__MODULE__.file/2,
          theirs: &__MODULE__.crypto_file/2,
          setup: &file_state/0,
          teardown: fn {{path, _pool}, _} -> File.rm!(path) end
        }
      ]
  end

  defp digests do
    for {text, size} <- [{"4 KiB", 4096}, {"1 MiB", @mib}],
        {ours, otp} <- [{{:blake2b, 64}, :blake2b}, {:sha256, :sha256}, {:sha512, :sha512}] do
      %{
        component: "hash",
        name: "digest #{otp}",
        input: text,
        peer: ":crypto.hash of a binary",
        quick: size == 4096,
        ours: &__MODULE__.digest/2,
        theirs: &__MODULE__.crypto_hash/2,
        setup: bytes_state(size, ours, otp)
      }
    end
  end

  defp bytes_state(size, algorithm, otp) do
    fn ->
      state = {:crypto.strong_rand_bytes(size), Pool.new(), algorithm, otp}
      {state, state}
    end
  end

  defp file_state do
    path = Path.join(System.tmp_dir!(), "offheap_bench_#{System.unique_integer([:positive])}")
    File.write!(path, :crypto.strong_rand_bytes(16 * @mib))
    state = {path, Pool.new()}
    {state, state}
  end
end

Offheap.Bench.Scenarios.Hash.scenarios()
