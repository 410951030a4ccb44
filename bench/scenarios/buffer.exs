# What Offheap.Buffer does with bytes in place, against what makes a new binary or looks through one. The
# buffer is the process's own and leased once: each use of another's also looks whether its owner is
# alive.
defmodule Offheap.Bench.Scenarios.Buffer do
  use Offheap.Bench
  alias Offheap.{Buffer, Pool}

  @sizes [{"128 B", 128}, {"4 KiB", 4096}, {"64 KiB", 65_536}, {"1 MiB", 1_048_576}]
  @total 10_485_760

  # Runs a loop on a buffer that holds the bytes.
  defp held({bytes, pool}, loop) do
    {:ok, buffer} = Buffer.lease(pool, 0, bytes)
    loop.(buffer, byte_size(bytes))
    :ok = Buffer.release(buffer)
  end

  # --- Numbers ---

  def put(state, n), do: held(state, fn buffer, size -> put_loop(n, buffer, size - 8) end)
  defp put_loop(0, _, _), do: :ok

  defp put_loop(n, buffer, most) do
    :ok = Buffer.put(buffer, rem(n, most), :u64_be, n)
    put_loop(n - 1, buffer, most)
  end

  # The next round's binary is this one's, as it would be with a buffer.
  def rebuild({bytes, _pool}, n), do: rebuild_loop(n, bytes, byte_size(bytes) - 8)
  defp rebuild_loop(0, _, _), do: :ok

  defp rebuild_loop(n, bytes, most) do
    offset = rem(n, most)
    <<head::binary-size(offset), _::binary-size(8), tail::binary>> = bytes
    rebuild_loop(n - 1, <<head::binary, n::64, tail::binary>>, most)
  end

  def get(state, n), do: held(state, fn buffer, size -> get_loop(n, buffer, size - 8, 0) end)
  defp get_loop(0, _, _, sum), do: sum

  defp get_loop(n, buffer, most, sum) do
    value = Buffer.get(buffer, rem(n, most), :u32_be)
    get_loop(n - 1, buffer, most, Bitwise.bxor(sum, value))
  end

  def match({bytes, _pool}, n), do: match_loop(n, bytes, byte_size(bytes) - 8, 0)
  defp match_loop(0, _, _, sum), do: sum

  defp match_loop(n, bytes, most, sum) do
    offset = rem(n, most)
    <<_::binary-size(offset), value::32, _::binary>> = bytes
    match_loop(n - 1, bytes, most, Bitwise.bxor(sum, value))
  end

  def put_list(state, n) do
    held(state, fn buffer, size -> put_list_loop(n, buffer, Enum.to_list(1..div(size, 8))) end)
  end

  defp put_list_loop(0, _, _), do: :ok

  defp put_list_loop(n, buffer, values) do
    :ok = Buffer.put_list(buffer, 0, :u64_be, values)
    put_list_loop(n - 1, buffer, values)
  end

  def comprehension({bytes, _pool}, n) do
    comprehension_loop(n, Enum.to_list(1..div(byte_size(bytes), 8)))
  end

  defp comprehension_loop(0, _), do: :ok

  defp comprehension_loop(n, values) do
    true = is_binary(for value <- values, into: <<>>, do: <<value::64>>)
    comprehension_loop(n - 1, values)
  end

  def get_list(state, n) do
    held(state, fn buffer, size -> get_list_loop(n, buffer, div(size, 4)) end)
  end

  defp get_list_loop(0, _, _), do: :ok

  defp get_list_loop(n, buffer, count) do
    _ = Buffer.get_list(buffer, 0, :u32_be, count)
    get_list_loop(n - 1, buffer, count)
  end

  defloop match_list({bytes, _pool}, _i) do
    # Used, or the compiler makes no list.
    true = is_list(for <<value::32 <- bytes>>, do: value)
  end

  # --- Ranges ---

  def fill(state, n), do: held(state, fn buffer, size -> fill_loop(n, buffer, size) end)
  defp fill_loop(0, _, _), do: :ok

  defp fill_loop(n, buffer, size) do
    :ok = Buffer.fill(buffer, 0, size, 0)
    fill_loop(n - 1, buffer, size)
  end

  # Of a block of zeros: quicker than of one byte, and than <<0::size(size)-unit(8)>>.
  def zeros({bytes, _pool}, n) do
    size = byte_size(bytes)
    block = :binary.copy(<<0>>, min(size, 4096))
    zeros_loop(n, block, div(size, byte_size(block)))
  end

  defp zeros_loop(0, _, _), do: :ok

  defp zeros_loop(n, block, times) do
    _ = :binary.copy(block, times)
    zeros_loop(n - 1, block, times)
  end

  def copy({_, pool} = state, n) do
    held(state, fn buffer, size ->
      Buffer.with_lease(pool, size, &copy_loop(n, buffer, size, &1))
    end)
  end

  defp copy_loop(0, _, _, _), do: :ok

  defp copy_loop(n, from, size, to) do
    :ok = Buffer.copy(from, 0, size, to, 0)
    copy_loop(n - 1, from, size, to)
  end

  defloop(binary_copy({bytes, _pool}, _i), do: :binary.copy(bytes))

  def find(state, n), do: held(state, fn buffer, _ -> find_loop(n, buffer, "\r\n") end)

  def find_long(state, n) do
    held(state, fn buffer, _ -> find_loop(n, buffer, "a pattern that is not there") end)
  end

  defp find_loop(0, _, _), do: :ok

  defp find_loop(n, buffer, pattern) do
    :nomatch = Buffer.find(buffer, 0, pattern)
    find_loop(n - 1, buffer, pattern)
  end

  defloop(binary_match({bytes, _pool}, _i), do: :binary.match(bytes, "\r\n"))

  defloop binary_match_long({bytes, _pool}, _i) do
    :binary.match(bytes, "a pattern that is not there")
  end

  def bxor(state, n), do: held(state, fn buffer, size -> bxor_loop(n, buffer, size, "mask") end)

  defp bxor_loop(0, _, _, _), do: :ok

  defp bxor_loop(n, buffer, size, key) do
    :ok = Buffer.bxor(buffer, 0, size, key)
    bxor_loop(n - 1, buffer, size, key)
  end

  # crypto wants a mask of the same length: made once, which is kind to it.
  def exor({bytes, _pool}, n) do
    exor_loop(n, bytes, :binary.copy("mask", div(byte_size(bytes), 4)))
  end

  defp exor_loop(0, _, _), do: :ok

  defp exor_loop(n, bytes, mask) do
    _ = :crypto.exor(bytes, mask)
    exor_loop(n - 1, bytes, mask)
  end

  def crc32c(state, n), do: held(state, fn buffer, size -> crc32c_loop(n, buffer, size) end)
  defp crc32c_loop(0, _, _), do: :ok

  defp crc32c_loop(n, buffer, size) do
    _ = Buffer.crc32c(buffer, 0, size)
    crc32c_loop(n - 1, buffer, size)
  end

  defloop(crc32({bytes, _pool}, _i), do: :erlang.crc32(bytes))

  # --- Building 10 MiB ---

  def append_iodata({parts, pool}, n) do
    Buffer.with_lease(pool, @total, &append_iodata_loop(n, &1, parts))
  end

  defp append_iodata_loop(0, _, _), do: :ok

  defp append_iodata_loop(n, buffer, parts) do
    :ok = Buffer.reset(buffer)
    :ok = Buffer.append(buffer, parts)
    append_iodata_loop(n - 1, buffer, parts)
  end

  defloop(iolist_to_binary({parts, _pool}, _i), do: :erlang.iolist_to_binary(parts))

  def append_each({parts, pool}, n) do
    Buffer.with_lease(pool, @total, &append_each_loop(n, &1, parts))
  end

  defp append_each_loop(0, _, _), do: :ok

  defp append_each_loop(n, buffer, parts) do
    :ok = Buffer.reset(buffer)
    append_parts(buffer, parts)
    append_each_loop(n - 1, buffer, parts)
  end

  defp append_parts(_, []), do: :ok

  defp append_parts(buffer, [part | parts]) do
    :ok = Buffer.append(buffer, part)
    append_parts(buffer, parts)
  end

  defloop(binary_append({parts, _pool}, _i), do: append_binary(parts, <<>>))

  defp append_binary([], acc), do: acc
  defp append_binary([part | parts], acc), do: append_binary(parts, <<acc::binary, part::binary>>)

  # --- Scenarios ---

  # Printable bytes: neither pattern is there.
  defp bytes_state(size) do
    fn ->
      bytes = for _ <- 1..size, into: <<>>, do: <<:rand.uniform(26) + ?a - 1>>
      state = {bytes, Pool.new()}
      {state, state}
    end
  end

  # The pool keeps the block over the rounds, as the emulator keeps its own.
  defp parts_state(size) do
    fn ->
      parts = for _ <- 1..div(@total, size), do: :crypto.strong_rand_bytes(size)
      pool = Pool.new(largest: 2 * @total)
      Buffer.with_lease(pool, @total, &Buffer.fill(&1, 0, @total, 0))
      state = {parts, pool}
      {state, state}
    end
  end

  def scenarios, do: number_scenarios() ++ range_scenarios() ++ build_scenarios()

  defp number_scenarios do
    for {name, peer, ours, theirs} <- [
          {"put 8 bytes in 4 KiB", "rebuilt binary", &__MODULE__.put/2, &__MODULE__.rebuild/2},
          {"get 4 bytes in 4 KiB", "binary match", &__MODULE__.get/2, &__MODULE__.match/2},
          {"put_list of 512, 64 bits", "comprehension", &__MODULE__.put_list/2,
           &__MODULE__.comprehension/2},
          {"get_list of 1024, 32 bits", "comprehension", &__MODULE__.get_list/2,
           &__MODULE__.match_list/2}
        ] do
      Map.put(scenario(name, peer, ours, theirs, bytes_state(4096)), :quick, true)
    end
  end

  defp range_scenarios do
    for {text, size} <- @sizes,
        {name, peer, ours, theirs} <- [
          {"fill with zeros", ":binary.copy of a block", &__MODULE__.fill/2, &__MODULE__.zeros/2},
          {"copy", ":binary.copy", &__MODULE__.copy/2, &__MODULE__.binary_copy/2},
          {"find 2 bytes", ":binary.match", &__MODULE__.find/2, &__MODULE__.binary_match/2},
          {"find 27 bytes", ":binary.match", &__MODULE__.find_long/2,
           &__MODULE__.binary_match_long/2},
          {"bxor with 4 bytes", ":crypto.exor", &__MODULE__.bxor/2, &__MODULE__.exor/2},
          {"crc32c", ":erlang.crc32", &__MODULE__.crc32c/2, &__MODULE__.crc32/2}
        ] do
      Map.merge(scenario(name, peer, ours, theirs, bytes_state(size)), %{
        input: text,
        quick: size == 4096
      })
    end
  end

  defp build_scenarios do
    for {text, size} <- [{"16 B", 16}, {"1 KiB", 1024}, {"10 KiB", 10_240}],
        {name, peer, ours, theirs} <- [
          {"append iolist", ":erlang.iolist_to_binary", &__MODULE__.append_iodata/2,
           &__MODULE__.iolist_to_binary/2},
          {"append each", "append to a binary", &__MODULE__.append_each/2,
           &__MODULE__.binary_append/2}
        ] do
      Map.put(scenario(name, peer, ours, theirs, parts_state(size)), :input, "10 MiB by #{text}")
    end
  end

  defp scenario(name, peer, ours, theirs, setup) do
    %{component: "buffer", name: name, peer: peer, ours: ours, theirs: theirs, setup: setup}
  end
end

Offheap.Bench.Scenarios.Buffer.scenarios()
