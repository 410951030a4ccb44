defmodule Offheap.HashTest do
  use ExUnit.Case, async: true

  alias Offheap.{Buffer, Hash, Pool}

  doctest Offheap.Hash

  @algorithms [:blake2b, {:blake2b, 16}, {:blake2b, 64}, {:blake2b, 64, "a key of 16 byte"}] ++
                [:sha256, :sha512]

  # Those that OTP has.
  @same_as_otp [{{:blake2b, 64}, :blake2b}, {:sha256, :sha256}, {:sha512, :sha512}]

  setup do
    path = Path.join(System.tmp_dir!(), "offheap_hash_#{System.unique_integer([:positive])}")
    on_exit(fn -> File.rm(path) end)
    %{path: path, pool: Pool.new()}
  end

  defp lease(pool, data) do
    {:ok, buffer} = Buffer.lease(pool, 0, data)
    buffer
  end

  test "digests are OTP's, whatever the data come in", %{pool: pool} do
    for {ours, otp} <- @same_as_otp, size <- [0, 1, 100, 49_152, 49_153, 1_000_000] do
      data = :crypto.strong_rand_bytes(size)
      expected = :crypto.hash(otp, data)
      buffer = lease(pool, ["before", data, "after"])
      assert Hash.digest(ours, data) == expected
      assert Hash.digest(ours, lease(pool, data)) == expected
      assert Hash.digest(ours, {buffer, 6, size}) == expected
      half = div(size, 2)
      pieces = [binary_part(data, 0, half), binary_part(data, half, size - half)]
      assert Hash.digest(ours, pieces) == expected
    end
  end

  test "digests have the bytes that were asked for" do
    for bytes <- 16..64, do: assert(byte_size(Hash.digest({:blake2b, bytes}, "abc")) == bytes)
    digests = for a <- @algorithms, do: Hash.digest(a, "abc")
    assert Enum.map(digests, &byte_size/1) == [32, 16, 64, 64, 32, 64]
    assert Enum.uniq(digests) == digests
    assert Hash.digest(:blake2b, "abc") == Hash.digest({:blake2b, 32}, "abc")
  end

  # The last vector of the authors' blake2-kat.h: the key is 0..63, the data 0..254.
  test "a key makes it another function" do
    range = fn last -> 0..last |> Enum.to_list() |> :binary.list_to_bin() end

    assert Hash.digest({:blake2b, 64, range.(63)}, range.(254)) |> Base.encode16(case: :lower) ==
             "142709d62e28fcccd0af97fad0f8465b971e82201dc51070faa0372aa43e92484b" <>
               "e1c1e73ba10906d5d1853db6a4106e0a7bf9800d373d6dee2d46d62ef2a461"
  end

  test "pieces of every kind give the digest of the whole", %{pool: pool} do
    for algorithm <- @algorithms do
      data = :crypto.strong_rand_bytes(300_000)
      buffer = lease(pool, data)
      state = Hash.init(algorithm)
      assert Hash.update(state, {buffer, 0, 100}) == :ok
      assert Hash.update(state, {buffer, 100, 0}) == :ok
      assert Hash.update(state, binary_part(data, 100, 100)) == :ok
      assert Hash.update(state, {buffer, 200, 200_000}) == :ok
      assert Hash.update(state, [[binary_part(data, 200_200, 50_000)], []]) == :ok
      assert Hash.update(state, {buffer, 250_200, 49_800}) == :ok
      assert Hash.update(state, buffer) == :ok
      assert Hash.final(state) == Hash.digest(algorithm, [data, data])
      assert_raise ArgumentError, fn -> Hash.final(state) end
    end
  end

  test "lists of any length are hashed, or refused for what stands at their end" do
    for count <- [1023, 1024, 1025, 5000] do
      list = for i <- 1..count, do: :binary.copy(<<i::16>>, 33)
      expected = :crypto.hash(:sha256, list)
      assert Hash.digest(:sha256, list) == expected
      state = Hash.init(:sha256)
      assert Hash.update(state, list) == :ok

      for wrong <- [list ++ [:a], list ++ [<<1::1>>]],
          do: assert_raise(ArgumentError, fn -> Hash.update(state, wrong) end)

      for wrong <- [list ++ [:a], list ++ :a],
          do: assert_raise(ArgumentError, fn -> :offheap_nif.hash_update(state, wrong) end)

      assert Hash.final(state) == expected
    end
  end

  test "other algorithms, states and data are refused", %{pool: pool, path: path} do
    File.write!(path, "abc")
    {:ok, file} = Offheap.File.open(path)
    buffer = lease(pool, "0123456789")
    gone = lease(pool, "0123456789")
    :ok = Buffer.release(gone)

    for algorithm <-
          [:md5, nil, {:blake2b, 15}, {:blake2b, 65}, {:blake2b, -1}, {:blake2b, 32.0}] ++
            [{:blake2b, 32, ""}, {:blake2b, 32, "short"}, {:blake2b, 32, 1}] ++
            [{:blake2b, 32, :binary.copy("k", 65)}, {:sha256, 32}, {:sha512, 64, "key"}] do
      assert_raise ArgumentError, fn -> Hash.digest(algorithm, "x") end
      assert_raise ArgumentError, fn -> Hash.digest(algorithm, :binary.copy("x", 100_000)) end
      assert_raise ArgumentError, fn -> Hash.init(algorithm) end
      assert_raise ArgumentError, fn -> Hash.file(algorithm, path, pool) end
    end

    for data <-
          [:a, 1, {}, <<1::1>>, [:a], ["a" | 1], gone, {gone, 0, 1}, {buffer, 0}, pool] ++
            [{buffer, 0, 11}, {buffer, 11, 0}, {buffer, 2 ** 64 - 1, 2}, {buffer, -1, 1}] do
      assert_raise ArgumentError, fn -> Hash.digest(:sha256, data) end
      state = Hash.init()
      assert_raise ArgumentError, fn -> Hash.update(state, data) end
      assert Hash.final(state) == Hash.digest(:blake2b, "")
    end

    for {state, file, at, length, buffer} <- [
          {make_ref(), file, 0, 1, buffer},
          {Hash.init(), make_ref(), 0, 1, buffer},
          {Hash.init(), file, -1, 1, buffer},
          {Hash.init(), file, 0, -1, buffer},
          {Hash.init(), file, 0, :all, buffer},
          {Hash.init(), file, 0, 1, gone},
          {Hash.init(), file, 0, 1, {buffer, 0, 1}}
        ],
        do:
          assert_raise(ArgumentError, fn -> Hash.update_file(state, file, at, length, buffer) end)

    assert Buffer.freeze(buffer) == "0123456789"
  end

  describe "files" do
    test "have the digests of their bytes, through a buffer of any size", context do
      %{path: path, pool: pool} = context

      for size <- [0, 1, 1000, 131_072, 300_001] do
        data = :crypto.strong_rand_bytes(size)
        File.write!(path, data)
        {:ok, file} = Offheap.File.open(path)

        for algorithm <- @algorithms do
          expected = {:ok, {Hash.digest(algorithm, data), size}}
          assert Hash.file(algorithm, path, pool) == expected
          assert Hash.file(algorithm, String.to_charlist(path), pool, 100) == expected
          assert Hash.file(algorithm, file, pool, 1_000_000) == expected
        end
      end

      assert %{leased: 0} = Pool.info(pool)
    end

    test "are read in parts", %{path: path, pool: pool} do
      data = :crypto.strong_rand_bytes(10_000)
      File.write!(path, data)
      {:ok, file} = Offheap.File.open(path)
      {:ok, buffer} = Buffer.lease(pool, 1024)
      state = Hash.init(:sha512)
      assert Hash.update_file(state, file, 5000, :infinity, buffer) == {:ok, 5000}
      assert Hash.update_file(state, file, 0, 0, buffer) == {:ok, 0}
      assert Hash.update_file(state, file, 10_000, 5, buffer) == {:ok, 0}
      assert Hash.update_file(state, file, 2 ** 63, 5, buffer) == {:error, :einval}
      assert Hash.update(state, "between") == :ok
      assert Hash.update_file(state, file, 100, 4000, buffer) == {:ok, 4000}
      parts = [binary_part(data, 5000, 5000), "between", binary_part(data, 100, 4000)]
      assert Hash.final(state) == :crypto.hash(:sha512, parts)
      assert_raise ArgumentError, fn -> Hash.update_file(state, file, 0, 1, buffer) end
      assert Buffer.size(buffer) == 1024
    end

    test "and buffers that cannot be used say why", %{path: path, pool: pool} do
      File.write!(path, "abc")
      {:ok, file} = Offheap.File.open(path)
      frozen = lease(pool, "x")
      Buffer.freeze(frozen)
      assert Hash.update_file(Hash.init(), file, 0, 3, frozen) == {:error, :frozen}
      :ok = Offheap.File.close(file)
      assert Hash.update_file(Hash.init(), file, 0, 3, lease(pool, "x")) == {:error, :einval}
      assert Hash.file(:blake2b, file, pool) == {:error, :einval}
      assert Hash.file(:blake2b, path <> ".no", pool) == {:error, :enoent}
      assert Hash.file(:blake2b, System.tmp_dir!(), pool) == {:error, :eisdir}
      assert Hash.file(:blake2b, path, Pool.new(max_bytes: 10)) == {:error, :exhausted}
      assert_raise ArgumentError, fn -> Hash.file(:blake2b, path, :no_pool) end
    end

    test "that are closed, buffers released, callers killed meanwhile do no harm", context do
      %{path: path, pool: pool} = context
      data = :crypto.strong_rand_bytes(1_000_000)
      File.write!(path, data)

      for i <- 1..30 do
        {:ok, file} = Offheap.File.open(path)
        {:ok, buffer} = Buffer.lease(pool, 10_000)
        state = Hash.init()
        test = self()

        {pid, monitor} =
          spawn_monitor(fn ->
            send(test, :started)
            send(test, {:result, i, update_file(state, file, buffer)})
          end)

        assert_receive :started

        case rem(i, 3) do
          0 -> Process.exit(pid, :kill)
          1 -> Buffer.release(buffer)
          2 -> Offheap.File.close(file)
        end

        assert_receive {:DOWN, ^monitor, _, ^pid, _}

        receive do
          {:result, ^i, {:ok, 1_000_000}} ->
            assert Hash.final(state) == Hash.digest(:blake2b, data)

          {:result, ^i, other} ->
            assert other in [:refused, {:error, :einval}]
        after
          0 -> assert rem(i, 3) == 0
        end

        Buffer.release(buffer)
      end

      assert Pool.info(pool).leased == 0
    end

    defp update_file(state, file, buffer) do
      Hash.update_file(state, file, 0, :infinity, buffer)
    rescue
      ArgumentError -> :refused
    end
  end
end
