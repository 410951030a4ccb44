defmodule Offheap.Bench.Report do
  @moduledoc "Prints results as they come, and writes them as JSON."
  import Offheap.Bench.Number, only: [quantity: 2, short: 1]

  # Longer texts are cut; the page and the JSON have them whole.
  @widest_name 72
  @widest_peer 36

  @doc "Prints what comes, for the scenarios that are to be run; returns the widths for row/2."
  def header(machine, settings, scenarios) do
    widths = {
      width(scenarios, &"#{&1.component}: #{&1.name}", @widest_name),
      width(scenarios, & &1.peer, @widest_peer)
    }

    IO.puts("""
    #{machine.cpu}, #{machine.architecture}, #{machine.cores} cores
    OTP #{machine.otp} (#{machine.emulator}), #{machine.schedulers} schedulers, Elixir #{machine.elixir}, Offheap #{machine.offheap}
    #{length(scenarios)} scenarios, each of #{settings.rounds} pairs of rounds of about #{settings.round_ms} ms; medians; the loop's own cost is in both columns.
    With several processes: wall time * processes / operations of all processes.
    Ratio: peer / Offheap, above 1 = Offheap is better; in brackets the quartiles of the pairs' ratios.
    """)

    head = line(widths, ["scenario", "peer", "Offheap", "peer", "ratio", "", ""])
    IO.puts(head)
    IO.puts(String.duplicate("-", String.length(head) + 16))
    widths
  end

  def row(widths, r) do
    {low, high} = r.quartiles

    IO.puts(
      line(widths, [
        "#{r.component}: #{r.name}",
        r.peer,
        quantity(r.ours, r.unit),
        quantity(r.theirs, r.unit),
        short(r.ratio),
        "(#{short(low)}..#{short(high)})",
        mark(verdict(r))
      ])
    )
  end

  @doc """
  `:slower` when even the upper quartile of the ratios is below 1, `:faster` the other way, else `:even`.
  `:floor` where the peer is the least that a call costs.
  """
  def verdict(%{floor: true}), do: :floor
  def verdict(%{quartiles: {_low, high}}) when high < 0.97, do: :slower
  def verdict(%{quartiles: {low, _high}}) when low > 1.03, do: :faster
  def verdict(_), do: :even

  def footer(results) do
    IO.puts("\n#{summary(results)}.")
  end

  @doc "How many rows are better and worse, in words."
  def summary(results) do
    counts = Enum.frequencies_by(results, &verdict/1)

    floors = if counts[:floor], do: ", beside the floor of a call in #{counts[:floor]}", else: ""

    "#{length(results)} rows: better in #{counts[:faster] || 0}, even in #{counts[:even] || 0}, " <>
      "worse in #{counts[:slower] || 0}" <> floors
  end

  @doc "Writes the results of a run as JSON."
  def write(path, machine, settings, results) do
    write_json(path,
      machine: {:object, Enum.sort(machine)},
      settings: {:object, Enum.sort(settings)},
      results: Enum.map(results, &json/1)
    )
  end

  @doc "Writes an object of these pairs as JSON."
  def write_json(path, pairs),
    do: write_file(path, [Offheap.Bench.Json.encode({:object, pairs}), "\n"])

  @doc "Writes a file, makes its folder and says so."
  def write_file(path, content) do
    File.mkdir_p!(Path.dirname(path))
    File.write!(path, content)
    IO.puts("written: #{Path.relative_to_cwd(path)}")
  end

  defp json(r) do
    {low, high} = r.quartiles

    {:object,
     scenario: "#{r.component}: #{r.name}",
     peer: r.peer,
     parallel: r.parallel,
     unit: r.unit,
     ours: r.ours,
     theirs: r.theirs,
     ratio: r.ratio,
     ratio_lower_quartile: low,
     ratio_upper_quartile: high,
     rounds: r.rounds,
     ours_reductions: r.ours_footprint[:reductions],
     theirs_reductions: r.theirs_footprint[:reductions],
     ours_heap_words: r.ours_footprint[:words],
     theirs_heap_words: r.theirs_footprint[:words],
     verdict: verdict(r),
     note: r.note}
  end

  defp mark(:slower), do: "<- peer wins"
  defp mark(:floor), do: "(floor)"
  defp mark(_), do: ""

  defp width(scenarios, text, most) do
    scenarios |> Enum.map(&String.length(text.(&1))) |> Enum.max() |> min(most)
  end

  defp line({name_width, peer_width}, [scenario, peer, ours, theirs, ratio, spread, mark]) do
    [
      fit(scenario, name_width),
      "  ",
      fit(peer, peer_width),
      String.pad_leading(ours, 10),
      String.pad_leading(theirs, 10),
      String.pad_leading(ratio, 8),
      "  ",
      String.pad_trailing(spread, 15),
      mark
    ]
    |> IO.iodata_to_binary()
    |> String.trim_trailing()
  end

  defp fit(text, width) do
    if String.length(text) > width,
      do: String.slice(text, 0, width - 1) <> "…",
      else: String.pad_trailing(text, width)
  end
end
