defmodule Offheap.Bench.LinePage do
  @moduledoc """
  Costs against sizes as one HTML page: a small chart for each operation and count of processes, a line
  for each side, on logarithmic scales that the charts of a kind share, and the numbers in tables.

  A point is `%{kind:, operation:, processes:, entries:, side:, ns:}`.
  """
  import Offheap.Bench.Html, only: [escape: 1]
  alias Offheap.Bench.{Html, Number}

  # A chart's own coordinates.
  @width 360
  @height 214
  @left 54
  @right 10
  @top 10
  @bottom 36

  # Told apart by colour, dashes and marks.
  @lines ["first", "second", "third"]

  @style """
  .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr));
    gap: 0 3rem; }
  figure { margin: 1rem 0 0; } figcaption { font-weight: bold; font-size: 0.9rem; }
  svg { width: 100%; height: auto; display: block; overflow: visible; }
  svg text { font: 11px system-ui, sans-serif; fill: var(--quiet); }
  .grid { stroke: var(--line); stroke-width: 1; }
  .line { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
  .mark { stroke: var(--ground); stroke-width: 1; }
  .first .line { stroke: var(--better); } .first .mark { fill: var(--better); }
  .second .line { stroke: var(--worse); stroke-dasharray: 7 4; } .second .mark { fill: var(--worse); }
  .third .line { stroke: var(--third); stroke-dasharray: 2 4; } .third .mark { fill: var(--third); }
  .legend { display: flex; flex-wrap: wrap; gap: 0.2rem 1.5rem; padding: 0; list-style: none;
    font-size: 0.9rem; }
  .legend svg { display: inline-block; width: 40px; height: 12px; vertical-align: middle;
    margin-right: 0.4rem; }
  """

  @doc "The page, as iodata."
  def render(machine, settings, points) do
    measured =
      "both sides in turns, #{settings.rounds} rounds of about #{settings.round_ms} ms; medians. " <>
        "Keys in no order; the loop around an operation counts on both sides"

    Html.document("What an operation costs as tables grow", @style, [
      """
      <p>Time an operation of one process, by the entries of the table. Both scales are logarithmic: a
      level line is a cost that does not grow, and where one line is below another by the same distance,
      it is faster by the same factor. With several processes, all do the same at once.</p>
      """,
      Html.machine(machine, [{"Measured", measured}]),
      for(kind <- values(points, :kind), do: section(kind, where(points, kind: kind)))
    ])
  end

  defp section(kind, points) do
    sides = points |> values(:side) |> Enum.zip(@lines)
    scales = {scale(points, :entries), scale(points, :ns)}

    charts =
      for operation <- values(points, :operation),
          processes <- values(points, :processes),
          some = where(points, operation: operation, processes: processes),
          do: chart(title(operation, processes), some, sides, scales)

    [
      "<section>\n<h2>#{escape(kind)}</h2>\n",
      legend(sides),
      "<div class=\"charts\">\n",
      charts,
      "</div>\n<details><summary>The numbers</summary>\n",
      table(kind, points, sides),
      "</details>\n</section>\n"
    ]
  end

  defp title(operation, 1), do: operation
  defp title(operation, processes), do: "#{operation}, #{processes} processes"

  defp legend(sides) do
    items =
      for {side, class} <- sides do
        "<li><svg class=\"#{class}\" viewBox=\"0 0 40 12\" aria-hidden=\"true\">" <>
          "<path class=\"line\" d=\"M0 6H40\"/>#{mark(class, 20, 6)}</svg>#{escape(side)}</li>\n"
      end

    ["<ul class=\"legend\">\n", items, "</ul>\n"]
  end

  defp chart(title, points, sides, {x, y} = scales) do
    [
      "<figure>\n<figcaption>#{escape(title)}</figcaption>\n",
      "<svg viewBox=\"0 0 #{@width} #{@height}\" role=\"img\" aria-label=\"#{escape(description(title, points, sides))}\">\n",
      for t <- ticks(y) do
        at = place_y(t, y)

        "<path class=\"grid\" d=\"M#{@left} #{at}H#{@width - @right}\"/>" <>
          "<text x=\"#{@left - 6}\" y=\"#{at + 4}\" text-anchor=\"end\">#{Number.quantity(t, "ns") |> short()}</text>\n"
      end,
      for t <- powers(x) do
        at = place_x(t, x)

        "<path class=\"grid\" d=\"M#{at} #{@top}V#{@height - @bottom}\"/>" <>
          "<text x=\"#{at}\" y=\"#{@height - @bottom + 16}\" text-anchor=\"middle\">#{count(t)}</text>\n"
      end,
      "<text x=\"#{@width - @right}\" y=\"#{@height - 4}\" text-anchor=\"end\">entries</text>\n",
      for({side, class} <- sides, do: line(class, where(points, side: side), scales)),
      "</svg>\n</figure>\n"
    ]
  end

  # For who does not see the chart: what the ends are.
  defp description(title, points, sides) do
    ends =
      for {side, _} <- sides, [first | _] = line = where(points, side: side) do
        last = List.last(line)

        "#{side} from #{Number.quantity(first.ns, "ns")} at #{Number.grouped(first.entries)} entries " <>
          "to #{Number.quantity(last.ns, "ns")} at #{Number.grouped(last.entries)}"
      end

    "#{title}: #{Enum.join(ends, "; ")}. The table below has all numbers."
  end

  defp line(class, points, {x, y}) do
    places = for p <- points, do: {place_x(p.entries, x), place_y(p.ns, y)}

    [
      "<g class=\"#{class}\"><path class=\"line\" d=\"M",
      Enum.map_join(places, "L", fn {at_x, at_y} -> "#{at_x} #{at_y}" end),
      "\"/>",
      for({at_x, at_y} <- places, do: mark(class, at_x, at_y)),
      "</g>\n"
    ]
  end

  defp mark("first", x, y), do: "<circle class=\"mark\" cx=\"#{x}\" cy=\"#{y}\" r=\"4\"/>"

  defp mark("second", x, y),
    do: "<rect class=\"mark\" x=\"#{x - 4}\" y=\"#{y - 4}\" width=\"8\" height=\"8\"/>"

  defp mark("third", x, y), do: "<path class=\"mark\" d=\"M#{x} #{y - 5}l5 9h-10z\"/>"

  defp table(kind, points, sides) do
    columns =
      [{"operation", :text}, {"processes", :number}, {"entries", :number}] ++
        for {side, _} <- sides, do: {side, :number}

    rows =
      for operation <- values(points, :operation),
          processes <- values(points, :processes),
          entries <- values(points, :entries),
          [_ | _] = some <- [
            where(points, operation: operation, processes: processes, entries: entries)
          ] do
        times = for {side, _} <- sides, do: some |> where(side: side) |> hd()

        {"",
         [operation, processes, Number.grouped(entries)] ++
           for(p <- times, do: Number.quantity(p.ns, "ns"))}
      end

    Html.table("#{kind}: time an operation", columns, rows)
  end

  # --- Scales: the logarithms of both ends ---

  defp scale(points, key) do
    {least, most} = points |> Enum.map(& &1[key]) |> Enum.min_max()
    low = floor(:math.log10(least) * 3) / 3
    {low, max(ceil(:math.log10(most) * 3) / 3, low + 1 / 3)}
  end

  # 1, 2 and 5 times the powers of ten that lie on the scale.
  defp ticks(scale), do: for(t <- powers(scale, -1), m <- [1, 2, 5], on?(t * m, scale), do: t * m)
  defp powers(scale), do: for(t <- powers(scale, 0), on?(t, scale), do: t)

  defp powers({low, high}, from),
    do: for(e <- max(0, floor(low) + from)..ceil(high)//1, do: Integer.pow(10, e))

  defp on?(t, {low, high}), do: :math.log10(t) >= low - 0.01 and :math.log10(t) <= high + 0.01

  defp place_x(value, scale), do: place(value, scale, @left, @width - @right)
  defp place_y(value, scale), do: place(value, scale, @height - @bottom, @top)

  defp place(value, {low, high}, from, to) do
    Float.round(from + (:math.log10(value) - low) / (high - low) * (to - from), 1)
  end

  # Labels without the digits after the point.
  defp short(text), do: String.replace(text, ~r/\.0+(?= )/, "")

  defp count(n) when n >= 1_000_000, do: "#{div(n, 1_000_000)} M"
  defp count(n), do: Number.grouped(n)

  defp values(points, key), do: points |> Enum.map(& &1[key]) |> Enum.uniq()

  defp where(points, equal),
    do: Enum.filter(points, &Enum.all?(equal, fn {k, v} -> &1[k] == v end))
end
