defmodule Inventory.Report do
  @moduledoc "What the inventory prints."

  @doc "The lines about one inventory: what was found and what it took."
  def inventory(tree, result, jobs) do
    section("Found")
    row("files", number(result.files))
    row("bytes", "#{number(result.bytes)} (#{bytes(result.bytes)})")
    row("not followed", "#{tree.skipped} symbolic links and special files")
    unreadable(tree.unreadable ++ result.unreadable)
    duplicates(result)

    section("Took")
    row("time", "#{ms(result.elapsed_us)}, #{rate(result)}")
    row("read and hash a file", latencies(result.percentile))
    row("memory of the stores", bytes(result.table_bytes))
    pool(result.pool)
    row("jobs by lane", Enum.map_join(jobs, ", ", fn {lane, count} -> "#{lane} #{count}" end))
  end

  defp unreadable([]), do: row("not readable", "0")

  defp unreadable(list) do
    row("not readable", number(length(list)))
    for {path, reason} <- Enum.take(list, 5), do: row("", "#{shown(path)}: #{inspect(reason)}")
    :ok
  end

  defp duplicates(result) do
    groups = for {_, count, size, first} <- result.contents, count > 1, do: {count, size, first}
    waste = Enum.sum(for {count, size, _} <- groups, do: (count - 1) * size)

    row(
      "duplicates",
      "#{number(result.duplicates)} files in #{number(length(groups))} groups, #{bytes(waste)} in all"
    )

    groups
    |> Enum.sort_by(fn {count, size, first} -> {-(count - 1) * size, first} end)
    |> Enum.take(5)
    |> Enum.each(fn {count, size, first} ->
      row("", "#{pad(bytes((count - 1) * size), 10)} wasted: #{count} like #{shown(first)}")
    end)
  end

  defp pool(info) do
    row(
      "buffers",
      "leased #{number(info.leases)} times, #{number(info.recycled)} of them recycled; " <>
        "#{bytes(info.bytes)} of memory for all"
    )
  end

  defp latencies(percentile) do
    parts = [p50: 0.5, p90: 0.9, p99: 0.99, max: 1.0]

    Enum.map_join(parts, ", ", fn {name, part} ->
      "#{name} #{us(percentile.(part))}"
    end)
  end

  @doc "Two implementations side by side: medians of all rounds."
  def comparison(ours, plain, titles) do
    {left, right} = titles
    section("The same by both, medians of #{length(ours)} paired rounds")
    columns("", left, right)
    columns("time", ms(median(ours, & &1.elapsed_us)), ms(median(plain, & &1.elapsed_us)))
    columns("throughput", "#{mb_s(ours)} MB/s", "#{mb_s(plain)} MB/s")

    for {name, part} <- [{"p50 a file", 0.5}, {"p99 a file", 0.99}] do
      of = fn results -> us(median(results, & &1.percentile.(part))) end
      columns(name, of.(ours), of.(plain))
    end

    columns("contents, peak", peak(ours), peak(plain))
    columns("tables", bytes(hd(ours).table_bytes), bytes(hd(plain).table_bytes))

    ratios = Enum.zip_with(ours, plain, fn o, p -> p.elapsed_us / o.elapsed_us end)

    row(
      "plain / Offheap",
      "#{decimals(middle(ratios), 2)} in time; each pair: " <>
        Enum.map_join(ratios, ", ", &decimals(&1, 2))
    )
  end

  defp peak(results), do: bytes(median(results, & &1.peak_bytes))
  defp mb_s(results), do: decimals(median(results, &(&1.bytes / &1.elapsed_us)), 0)

  @doc """
  Says whether the two found the same, and returns it: `differing` are the parts of the summaries
  that are not equal, `sample` is what `Inventory.Runner.check_sample/2` returned.
  """
  def verdict(differing, sample) do
    row("equal results", if(differing == [], do: "yes", else: "NO: #{inspect(differing)} differ"))

    checked =
      case sample do
        :no_b2sum -> "not compared: b2sum is not installed"
        {count, []} -> "#{count} digests at random are those of b2sum -l 256"
        {_count, paths} -> "b2sum -l 256 DIFFERS: #{Enum.map_join(paths, ", ", &shown/1)}"
      end

    row("digests", checked)

    IO.puts("""

    Equal results: the same files, sizes and unreadable files, and the same sets of files with equal
    contents. Digests differ in length, 32 bytes from Offheap and 64 from OTP's :crypto, whose BLAKE2b
    has no other; the work of hashing is the same. Contents, peak: buffers and binaries together, looked
    at every 5 ms. All files were in the page cache.
    """)

    differing == [] and not match?({_, [_ | _]}, sample)
  end

  @doc "A function that shows how far a run is: on one line of a terminal, else a line every second."
  def progress(title, total) do
    if terminal?() do
      fn files, bytes ->
        IO.write("\r#{title}: #{files} of #{total} files, #{bytes(bytes)}\e[K")
      end
    else
      start = System.monotonic_time(:millisecond)

      # Called by one process, which remembers when it last had something to say.
      fn files, bytes ->
        now = System.monotonic_time(:millisecond)

        if now - Process.get(:last_line, start) >= 1000 do
          Process.put(:last_line, now)
          IO.puts("#{title}: #{files} of #{total} files, #{bytes(bytes)}")
        end
      end
    end
  end

  @doc "Clears the progress line."
  def clear, do: if(terminal?(), do: IO.write("\r\e[K"))

  defp terminal?, do: match?({:ok, _}, :io.columns())

  defp section(title), do: IO.puts("\n#{title}\n")
  defp row(name, text), do: IO.puts("  #{String.pad_trailing(name, 22)}#{text}")

  defp columns(name, left, right) do
    IO.puts("  #{String.pad_trailing(name, 22)}#{pad(left, 14)}#{pad(right, 14)}")
  end

  defp pad(text, width), do: String.pad_leading(text, width)

  # Names that are not UTF-8 are shown as they are written in Elixir.
  defp shown(path),
    do: if(String.printable?(path), do: path, else: inspect(path, binaries: :as_strings))

  defp median(results, fun), do: results |> Enum.map(fun) |> middle()
  defp middle(values), do: values |> Enum.sort() |> Enum.at(div(length(values), 2))

  defp rate(result), do: "#{decimals(result.bytes / result.elapsed_us, 0)} MB/s"
  defp ms(microseconds), do: "#{decimals(microseconds / 1000, 1)} ms"
  defp us(nanoseconds), do: "#{decimals(nanoseconds / 1000, 0)} us"
  defp decimals(value, count), do: :erlang.float_to_binary(value * 1.0, decimals: count)

  defp bytes(count) when count < 10_000, do: "#{count} B"
  defp bytes(count) when count < 10_000_000, do: "#{decimals(count / 1000, 0)} kB"
  defp bytes(count), do: "#{decimals(count / 1_000_000, 1)} MB"

  defp number(count) do
    count
    |> Integer.to_string()
    |> String.reverse()
    |> String.replace(~r/(\d{3})(?=\d)/, "\\1,")
    |> String.reverse()
  end
end
