defmodule Offheap.Bench.Number do
  @moduledoc "Figures as people read them."

  @doc "Three digits that mean something."
  def short(x) when x >= 100, do: x |> round() |> Integer.to_string() |> grouped()
  def short(x) when x >= 10, do: :erlang.float_to_binary(x * 1.0, decimals: 1)
  def short(x), do: :erlang.float_to_binary(x * 1.0, decimals: 2)

  @doc "A quantity with its unit; nanoseconds in the unit that fits."
  def quantity(x, "ns") when x >= 1.0e9, do: short(x / 1.0e9) <> " s"
  def quantity(x, "ns") when x >= 1.0e6, do: short(x / 1.0e6) <> " ms"
  def quantity(x, "ns") when x >= 1.0e4, do: short(x / 1.0e3) <> " us"
  def quantity(x, unit), do: short(x) <> " " <> unit

  @doc "A whole number with its thousands apart."
  def grouped(x) when is_integer(x), do: x |> Integer.to_string() |> grouped()
  def grouped(digits), do: Regex.replace(~r/(?<=\d)(?=(\d{3})+$)/, digits, ",")
end
