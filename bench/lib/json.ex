defmodule Offheap.Bench.Json do
  @moduledoc "As much of JSON as a file of results needs, without a package: objects keep their order."

  def encode(term), do: value(term, 0)

  defp value({:object, pairs}, depth) do
    wrap(
      "{",
      "}",
      for({k, v} <- pairs, do: [string(to_string(k)), ": ", value(v, depth + 1)]),
      depth
    )
  end

  defp value(list, depth) when is_list(list) do
    wrap("[", "]", Enum.map(list, &value(&1, depth + 1)), depth)
  end

  defp value(nil, _), do: "null"
  defp value(x, _) when is_boolean(x), do: to_string(x)
  defp value(x, _) when is_integer(x), do: Integer.to_string(x)
  defp value(x, _) when is_float(x), do: :erlang.float_to_binary(x, [:compact, decimals: 4])
  defp value(x, _) when is_atom(x), do: string(Atom.to_string(x))
  defp value(x, _) when is_binary(x), do: string(x)

  defp wrap(open, close, [], _depth), do: [open, close]

  defp wrap(open, close, items, depth) do
    indent = String.duplicate("  ", depth + 1)

    [open, "\n", items |> Enum.map(&[indent, &1]) |> Enum.intersperse(",\n")] ++
      ["\n", String.duplicate("  ", depth), close]
  end

  defp string(text) do
    escaped =
      for <<c::utf8 <- text>>, into: "" do
        case c do
          ?" -> "\\\""
          ?\\ -> "\\\\"
          c when c < 32 -> "\\u" <> String.pad_leading(Integer.to_string(c, 16), 4, "0")
          c -> <<c::utf8>>
        end
      end

    [?", escaped, ?"]
  end
end
