defmodule Offheap.Bench.RatioPage do
  @moduledoc """
  The results of a run as one HTML page: a bar a row for the ratio to the peer, on one logarithmic scale
  for all, and the numbers in tables.
  """
  import Offheap.Bench.Html, only: [escape: 1]
  import Offheap.Bench.Number, only: [quantity: 2, short: 1]
  alias Offheap.Bench.{Html, Report}

  # What lies beyond either end is cut there, with its number beside it.
  @widest 10
  @ticks [{0.1, "1/10"}, {0.2, "1/5"}, {0.5, "1/2"}, {1, "1"}, {2, "2"}, {5, "5"}, {10, "10"}]

  @style """
  .row, .axis { display: grid; grid-template-columns: minmax(0, 24rem) 1fr 8.5rem; gap: 0 1rem;
    align-items: center; }
  .row { padding: 0.2rem 0; }
  .row:nth-child(even) { background: var(--band); }
  .name { font-size: 0.9rem; line-height: 1.25; overflow-wrap: anywhere; }
  .name small { display: block; color: var(--quiet); font-size: 0.8rem; }
  .plot { position: relative; height: 1.1rem; }
  .plot i { position: absolute; top: 0; bottom: 0; }
  .plot .tick { width: 1px; background: var(--line); }
  .plot .unity { width: 2px; margin-left: -1px; background: var(--unity); top: -0.35rem;
    bottom: -0.35rem; }
  .plot .bar { top: 0.15rem; bottom: 0.15rem; background: var(--even); }
  .faster .bar { background: var(--better); } .slower .bar { background: var(--worse); }
  .plot .spread { top: 0.5rem; bottom: 0.5rem; min-width: 1px; background: var(--text);
    outline: 1px solid var(--ground); }
  .plot .cut { width: 0; border: 0.4rem solid transparent; top: 0.15rem; bottom: auto; }
  .plot .cut.high { right: -0.4rem; border-left-color: var(--better); border-right: 0; }
  .plot .cut.low { left: -0.4rem; border-right-color: var(--worse); border-left: 0; }
  .ratio { font-size: 0.9rem; font-variant-numeric: tabular-nums; line-height: 1.2; }
  .ratio small { color: var(--quiet); white-space: nowrap; }
  .slower .ratio b { color: var(--worse); } .faster .ratio b { color: var(--better); }
  .axis .plot { color: var(--quiet); font-size: 0.75rem; }
  .axis .plot span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
  .axis .ratio { color: var(--quiet); }
  @media (max-width: 44rem) {
    .row, .axis { grid-template-columns: 1fr 6.5rem; }
    .row .name { grid-column: 1 / -1; }
    .axis > :first-child { display: none; }
    .plot { margin: 0 0.4rem; }
    .plot .unity { top: 0; bottom: 0; }
  }
  """

  @doc "The page, as iodata."
  def render(machine, settings, results) do
    groups =
      for component <- results |> Enum.map(& &1.component) |> Enum.uniq(),
          do: Enum.filter(results, &(&1.component == component))

    Html.document("Offheap beside OTP", @style, [
      introduction(results, settings),
      Html.machine(machine, measured(settings)),
      contents(groups),
      Enum.map(groups, &section/1)
    ])
  end

  defp introduction(results, settings) do
    """
    <p><b>#{escape(Report.summary(results))}.</b> A bar shows the time (or the memory) of what OTP offers,
    divided by Offheap's: to the <b class="better">right of 1 Offheap is better</b>, to the
    <b class="worse">left of it OTP is, and its own is to be taken</b>. A grey bar is even, or stands beside the floor: what any
    call of a native function costs. The scale is logarithmic and the same
    for all rows; a bar that ends in an arrow goes on beyond it. The thin line over a bar, and the two
    numbers beside it, are the quartiles of the pairs: how far the ratio can be trusted.</p>
    #{if settings[:quick], do: "<p><b>A quick run: few and short rounds of some of the rows. A look, not a measurement.</b></p>\n"}
    """
  end

  defp measured(settings) do
    [
      {"Measured",
       "both sides in turns, #{settings.rounds} pairs of rounds of about #{settings.round_ms} ms; " <>
         "a ratio is the median of the pairs'. The loop around an operation counts on both sides"}
    ]
  end

  defp contents(groups) do
    links =
      for [first | _] = group <- groups do
        worse = Enum.count(group, &(Report.verdict(&1) == :slower))

        "<li><a href=\"##{anchor(first.component)}\">#{escape(first.component)}</a> " <>
          "<span class=\"quiet\">#{length(group)}#{if worse > 0, do: ", #{worse} worse"}</span></li>\n"
      end

    ["<nav aria-label=\"Components\"><ul>\n", links, "</ul></nav>\n"]
  end

  defp section([%{component: component} | _] = group) do
    summary = "#{component}: #{Report.summary(group)}"

    [
      "<section id=\"#{anchor(component)}\">\n<h2>#{escape(component)}</h2>\n",
      "<div role=\"img\" aria-label=\"#{escape("Bars of ratios. #{summary}. The table below has the numbers.")}\">\n",
      axis(),
      "<div>\n",
      Enum.map(group, &row/1),
      "</div>\n</div>\n<details><summary>The numbers</summary>\n",
      numbers(summary, group),
      "</details>\n</section>\n"
    ]
  end

  defp axis do
    labels =
      for {at, label} <- @ticks, do: "<span style=\"left:#{percent(place(at))}\">#{label}</span>"

    "<div class=\"axis\"><div></div><div class=\"plot\">#{labels}</div>" <>
      "<div class=\"ratio\"><small>peer / Offheap</small></div></div>\n"
  end

  defp row(r) do
    {low, high} = r.quartiles
    at = place(r.ratio)

    ticks =
      for {t, _} <- @ticks,
          t != 1,
          do: "<i class=\"tick\" style=\"left:#{percent(place(t))}\"></i>"

    """
    <div class="row #{Report.verdict(r)}"><div class="name">#{escape(r.name)}<small>#{times(r)}, #{escape(r.peer)}</small></div>\
    <div class="plot">#{ticks}<i class="bar" style="#{span(min(at, 0.5), max(at, 0.5))}"></i>#{cut(r.ratio)}\
    #{whisker(place(low), place(high))}<i class="unity" style="left:50%"></i></div>\
    <div class="ratio"><b>#{short(r.ratio)}</b> <small>#{spread(r)}</small>#{winner(r)}</div></div>
    """
  end

  defp times(r),
    do: escape("#{quantity(r.ours, r.unit)} against #{quantity(r.theirs, r.unit)}")

  # Nothing of one that lies beyond the end.
  defp whisker(same, same), do: ""
  defp whisker(from, to), do: "<i class=\"spread\" style=\"#{span(from, to)}\"></i>"

  defp spread(%{rounds: 1}), do: "once"
  defp spread(%{quartiles: {low, high}}), do: "#{short(low)}–#{short(high)}"

  defp winner(r) do
    case Report.verdict(r) do
      :slower -> "<br><small class=\"worse\">the peer is better</small>"
      :floor -> "<br><small>beside the floor</small>"
      _ -> ""
    end
  end

  defp cut(ratio) when ratio > @widest, do: "<i class=\"cut high\"></i>"
  defp cut(ratio) when ratio < 1 / @widest, do: "<i class=\"cut low\"></i>"
  defp cut(_), do: ""

  # Where a ratio stands between the ends, 0.0 to 1.0; 1 is in the middle.
  defp place(ratio) do
    at = :math.log(ratio) / :math.log(@widest)
    (max(-1.0, min(1.0, at)) + 1) / 2
  end

  defp span(from, to), do: "left:#{percent(from)};width:#{percent(to - from)}"
  defp percent(x), do: :erlang.float_to_binary(x * 100.0, [:compact, decimals: 2]) <> "%"

  defp numbers(caption, group) do
    columns =
      [{"operation", :text}, {"peer", :text}] ++
        for name <- [
              "Offheap",
              "peer's",
              "ratio",
              "quartiles",
              "reductions, Offheap",
              "peer's",
              "heap words, Offheap",
              "peer's"
            ],
            do: {name, :number}

    rows =
      for r <- group do
        {if(Report.verdict(r) == :slower, do: "worse", else: ""),
         [
           if(r.note, do: "#{r.name} (#{r.note})", else: r.name),
           r.peer,
           quantity(r.ours, r.unit),
           quantity(r.theirs, r.unit),
           short(r.ratio),
           spread(r),
           footprint(r.ours_footprint[:reductions]),
           footprint(r.theirs_footprint[:reductions]),
           footprint(r.ours_footprint[:words]),
           footprint(r.theirs_footprint[:words])
         ]}
      end

    Html.table(caption, columns, rows)
  end

  defp footprint(nil), do: ""
  defp footprint(x), do: short(x)

  defp anchor(component), do: String.replace(component, ~r/\W+/, "-")
end
