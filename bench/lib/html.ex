defmodule Offheap.Bench.Html do
  @moduledoc "What the pages of results share: one file each, with nothing from elsewhere and no script."

  @style """
  :root { color-scheme: light dark; --ground: #ffffff; --text: #1b1f24; --quiet: #59616b;
    --line: #d9dde2; --unity: #1b1f24; --better: #1f74a8; --worse: #c4481b; --even: #7a828c;
    --third: #5d7a00; --band: #f4f6f8; }
  @media (prefers-color-scheme: dark) {
    :root { --ground: #14171a; --text: #e6e8ea; --quiet: #a3abb5; --line: #343a41;
      --unity: #e6e8ea; --better: #58b4e6; --worse: #ff8f62; --even: #9aa2ac;
      --third: #b9cc5a; --band: #1c2024; } }
  * { box-sizing: border-box; }
  html { -webkit-text-size-adjust: 100%; }
  body { margin: 0 auto; padding: 1rem; max-width: 72rem; background: var(--ground);
    color: var(--text); font: 1rem/1.45 system-ui, sans-serif; }
  h1 { font-size: 1.6rem; margin: 0.5rem 0; }
  h2 { font-size: 1.2rem; margin: 2.5rem 0 0.25rem; }
  p { max-width: 46rem; }
  a { color: inherit; }
  .quiet { color: var(--quiet); }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; margin: 1rem 0; }
  dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
  nav ul { display: flex; flex-wrap: wrap; gap: 0.3rem 1rem; padding: 0; list-style: none; }
  summary { cursor: pointer; padding: 0.5rem 0; color: var(--quiet); }
  .scroll { overflow-x: auto; }
  table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
  th, td { padding: 0.25rem 0.75rem 0.25rem 0; text-align: right; vertical-align: top;
    border-bottom: 1px solid var(--line); white-space: nowrap; }
  th.text, td.text { text-align: left; white-space: normal; min-width: 9rem; font-weight: normal; }
  thead th { color: var(--quiet); font-weight: normal; vertical-align: bottom; }
  .worse { color: var(--worse); } .better { color: var(--better); }
  """

  @doc "A whole page. `style` is what this page has of its own; `body` is iodata, already escaped."
  def document(title, style, body) do
    [
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
      "<title>#{escape(title)}</title>\n<style>\n#{@style}#{style}</style>\n</head>\n<body>\n",
      "<h1>#{escape(title)}</h1>\n",
      body,
      "</body>\n</html>\n"
    ]
  end

  @doc "Text as it may stand in an element or an attribute."
  def escape(text) do
    for <<c::utf8 <- to_string(text)>>, into: "" do
      case c do
        ?& -> "&amp;"
        ?< -> "&lt;"
        ?> -> "&gt;"
        ?" -> "&quot;"
        ?' -> "&#39;"
        c -> <<c::utf8>>
      end
    end
  end

  @doc "What the figures were measured on, as a list of terms."
  def machine(m, more) do
    pairs =
      [
        {"Machine", "#{m.cpu}, #{m.cores} cores, #{m.architecture}"},
        {"Versions",
         "Offheap #{m.offheap}, OTP #{m.otp} (#{m.emulator}, #{m.schedulers} schedulers), Elixir #{m.elixir}"},
        {"Date", m.date}
      ] ++ more

    [
      "<dl>\n",
      for({k, v} <- pairs, do: "<dt>#{escape(k)}</dt><dd>#{escape(v)}</dd>\n"),
      "</dl>\n"
    ]
  end

  @doc """
  A table. A column is `{heading, :text | :number}`, the first one the rows' headings; a row is
  the class of its line and its cells.
  """
  def table(caption, columns, rows) do
    [
      "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"#{escape(caption)}\">\n",
      "<table>\n<caption hidden>#{escape(caption)}</caption>\n<thead><tr>",
      for({name, kind} <- columns, do: "<th scope=\"col\"#{kind(kind)}>#{escape(name)}</th>"),
      "</tr></thead>\n<tbody>\n",
      for {class, cells} <- rows do
        [
          "<tr class=\"#{class}\">",
          "<th scope=\"row\" class=\"text\">#{escape(hd(cells))}</th>",
          for {{_, kind}, cell} <- tl(Enum.zip(columns, cells)) do
            "<td#{kind(kind)}>#{escape(cell)}</td>"
          end,
          "</tr>\n"
        ]
      end,
      "</tbody>\n</table>\n</div>\n"
    ]
  end

  defp kind(:text), do: " class=\"text\""
  defp kind(:number), do: ""
end
