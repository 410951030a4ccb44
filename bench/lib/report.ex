defmodule Offheap.Bench.Report do
  @moduledoc "Prints results as they come, and writes them as JSON."

  def header(machine, opts) do
    IO.puts("""
    #{machine.cpu}, #{machine.architecture}, #{machine.cores} cores
    OTP #{machine.otp} (#{machine.emulator}), #{machine.schedulers} schedulers, Elixir #{machine.elixir}, Offheap #{machine.offheap}
    #{opts.rounds} pairs of rounds of about #{opts.round_ms} ms; medians; the loop's own cost is in both columns.
    With several processes: wall time * processes / operations of all processes.
    Ratio: peer / Offheap, above 1 = Offheap is better; in brackets the quartiles of the pairs' ratios.
    """)

    IO.puts(line("scenario", "peer", "Offheap", "peer", "ratio", "", ""))
    IO.puts(String.duplicate("-", 130))
  end

  def row(r) do
    {low, high} = r.quartiles

    IO.puts(
      line(
        "#{r.component}: #{r.name}",
        r.peer,
        "#{number(r.ours)} #{r.unit}",
        "#{number(r.theirs)} #{r.unit}",
        number(r.ratio),
        "(#{number(low)}..#{number(high)})",
        mark(verdict(r))
      )
    )
  end

  @doc "`:slower` when even the upper quartile of the ratios is below 1, `:faster` the other way."
  def verdict(%{quartiles: {_low, high}}) when high < 0.97, do: :slower
  def verdict(%{quartiles: {low, _high}}) when low > 1.03, do: :faster
  def verdict(_), do: :even

  def footer(results) do
    counts = Enum.frequencies_by(results, &verdict/1)

    IO.puts(
      "\n#{length(results)} rows: better in #{counts[:faster] || 0}, even in #{counts[:even] || 0}, " <>
        "worse in #{counts[:slower] || 0} (marked)."
    )
  end

  def write(path, machine, results) do
    File.mkdir_p!(Path.dirname(path))

    rows =
      for r <- results do
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
         verdict: verdict(r),
         note: r.note}
      end

    File.write!(path, [
      Offheap.Bench.Json.encode({:object, machine: {:object, Enum.sort(machine)}, results: rows}),
      "\n"
    ])

    IO.puts("written: #{path}")
  end

  defp mark(:slower), do: "<- peer wins"
  defp mark(_), do: ""

  defp line(scenario, peer, ours, theirs, ratio, spread, mark) do
    [
      String.pad_trailing(scenario, 50),
      " ",
      String.pad_trailing(peer, 24),
      String.pad_leading(ours, 12),
      String.pad_leading(theirs, 12),
      String.pad_leading(ratio, 8),
      "  ",
      String.pad_trailing(spread, 15),
      mark
    ]
    |> IO.iodata_to_binary()
    |> String.trim_trailing()
  end

  # Three digits that mean something.
  defp number(x) when x >= 100, do: x |> round() |> Integer.to_string()
  defp number(x) when x >= 10, do: :erlang.float_to_binary(x * 1.0, decimals: 1)
  defp number(x), do: :erlang.float_to_binary(x * 1.0, decimals: 2)
end
