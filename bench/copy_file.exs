# What copying and hashing a large file through one buffer costs. From the top of the tree:
#
#     mix run bench/copy_file.exs [MIB] [ROUNDS]
#
# Makes a file of MIB (default 1024) in the temporary folder, and
#
# 1. copies it through one buffer of 1 MiB (examples/copy_file/copy.ex), hashing it on the way, while
#    another process looks at the emulator's memory, its resident set and the pool's blocks every 5 ms;
# 2. hashes it ROUNDS (default 5) times, in turns, by Offheap.Hash.file and by b2sum, which must agree,
#    and copies it by the example and by :file.copy. The file is in the page cache; every side uses one
#    thread at a time.
Code.require_file("../examples/copy_file/copy.ex", __DIR__)

defmodule Offheap.Bench.CopyFile do
  alias CopyFile.Copy
  alias Offheap.{Hash, Pool}

  @mib 1024 * 1024

  def main(mib, rounds) do
    folder = Path.join(System.tmp_dir!(), "offheap_copy_#{System.pid()}")
    File.mkdir_p!(folder)

    try do
      from = Path.join(folder, "from")
      write(from, mib)
      memory(from, Path.join(folder, "to"), mib)
      time(from, Path.join(folder, "to"), mib, rounds)
    after
      File.rm_rf!(folder)
    end
  end

  defp write(path, mib) do
    block = :crypto.strong_rand_bytes(@mib)
    {:ok, file} = Offheap.File.open(path, [:write])

    for i <- 0..(mib - 1),
        do:
          :ok = Offheap.File.pwrite(file, i * @mib, [<<i::64>>, binary_part(block, 8, @mib - 8)])

    :ok = Offheap.File.close(file)
  end

  # --- Memory ---

  defp memory(from, to, mib) do
    pool = Pool.new()
    # A first one, of a small file, brings in code and threads.
    small = to <> ".small"
    write(small, 4)
    {:ok, _} = Copy.copy(small, to, pool: pool)
    Pool.trim(pool)
    :erlang.garbage_collect()

    before = look(pool)
    sampler = spawn_link(fn -> sample(pool, before) end)
    {:ok, {size, _digest}} = Copy.copy(from, to, pool: pool)
    send(sampler, {:stop, self()})
    most = receive do: ({:sampled, most} -> most)
    ^size = mib * @mib

    IO.puts("copied #{mib} MiB through one buffer of 1 MiB; the most seen meanwhile:\n")

    for {key, text} <- [
          total: "erlang:memory(total)",
          pool: "the pool's blocks",
          resident: "resident set"
        ] do
      IO.puts(
        pad(text, 24) <>
          "#{mib_text(most[key])}, #{mib_text(most[key] - before[key])} more than before"
      )
    end
  end

  defp sample(pool, most) do
    receive do
      {:stop, from} -> send(from, {:sampled, most})
    after
      5 -> sample(pool, Map.merge(most, look(pool), fn _key, a, b -> max(a, b) end))
    end
  end

  defp look(pool) do
    [_, kib] = Regex.run(~r/VmRSS:\s*(\d+) kB/, File.read!("/proc/self/status"))

    %{
      total: :erlang.memory(:total),
      pool: Pool.info(pool).bytes,
      resident: String.to_integer(kib) * 1024
    }
  end

  # --- Time ---

  defp time(from, to, mib, rounds) do
    pool = Pool.new()

    sides = [
      {"Offheap.Hash.file", fn -> elem(Hash.file({:blake2b, 64}, from, pool), 1) |> elem(0) end},
      {"b2sum", fn -> b2sum(from) end},
      {"copied and hashed", fn -> elem(Copy.copy(from, to, pool: pool), 1) |> elem(1) end},
      {":file.copy", fn -> file_copy(from, to, mib) end}
    ]

    results =
      for _ <- 1..rounds, {name, fun} <- sides do
        {us, result} = :timer.tc(fun)
        {name, us / 1000, result}
      end

    digests = for {_, _, digest} when is_binary(digest) <- results, do: digest
    [_same] = Enum.uniq(digests)

    IO.puts(
      "\n#{mib} MiB, BLAKE2b of 64 bytes, #{rounds} rounds in turns, ms: median (least..most)\n"
    )

    for {name, _} <- sides do
      times = Enum.sort(for {^name, ms, _} <- results, do: ms)
      [least, median, most] = for i <- [0, div(rounds, 2), -1], do: times |> Enum.at(i) |> round()
      IO.puts(pad(name, 24) <> "#{median} (#{least}..#{most})")
    end
  end

  defp b2sum(path) do
    {text, 0} = System.cmd("b2sum", [path])
    text |> String.split() |> hd() |> Base.decode16!(case: :lower)
  end

  defp file_copy(from, to, mib) do
    {:ok, size} = :file.copy(from, to)
    ^size = mib * @mib
    nil
  end

  defp mib_text(bytes), do: "#{:erlang.float_to_binary(bytes / @mib, decimals: 2)} MiB"
  defp pad(text, width), do: String.pad_trailing(text, width)
end

case Enum.map(System.argv(), &String.to_integer/1) do
  [] -> Offheap.Bench.CopyFile.main(1024, 5)
  [mib] -> Offheap.Bench.CopyFile.main(mib, 5)
  [mib, rounds] -> Offheap.Bench.CopyFile.main(mib, rounds)
end
