defmodule Inventory.Histogram do
  @moduledoc """
  What plain OTP has to do itself: latencies counted in log-linear cells, 16 equal steps in each
  power of two.

  A cell is at most 1/16 wide of what it counts, so a percentile is exact to about 6 %, and the
  whole range from a nanosecond to hours takes 720 cells, whatever the number of values. The cells
  themselves are the caller's `:counters` array: counting is one atomic add, by any number of
  processes.
  """

  @powers 45
  @steps 16

  @doc "How many cells an array must have."
  def cells, do: @powers * @steps

  @doc """
  The cell, from 1 on, that counts this many nanoseconds.

  The bits of a float are just what is looked for: its exponent is the power of two, and the first
  four bits of its fraction are the step.
  """
  def cell(nanoseconds) do
    <<_sign::1, exponent::11, step::4, _::48>> = <<max(nanoseconds, 1)::float>>
    min((exponent - 1023) * @steps + step + 1, cells())
  end

  @doc "The largest value that a cell counts."
  def upper(cell) do
    power = div(cell - 1, @steps)
    step = rem(cell - 1, @steps)
    trunc(Bitwise.bsl(1, power) * (1 + (step + 1) / @steps))
  end

  @doc "The value, in nanoseconds, that this part (`0.0..1.0`) of all values does not exceed."
  def percentile(counts, part) do
    rank = max(ceil(Enum.sum(counts) * part), 1)

    counts
    |> Enum.with_index(1)
    |> Enum.reduce_while(0, fn {count, cell}, seen ->
      if seen + count >= rank, do: {:halt, {:found, upper(cell)}}, else: {:cont, seen + count}
    end)
    |> case do
      {:found, value} -> value
      _no_values -> 0
    end
  end
end
