# Offheap.Histogram against what one writes with :counters: the index of a cell computed in Elixir, an
# add to the cell and an add to the sum, the same cells on both sides (3 significant digits). Two ways to
# find the power of two are known, and both stand here: the exponent of a float, and comparisons.
#
# The row "over the floor" holds a call that records against one that only fetches its resource and
# returns a word of it: a ratio of 0.74 is 1.35 times the floor.
defmodule Offheap.Bench.Scenarios.Histogram do
  use Offheap.Bench
  import Bitwise
  alias Offheap.{Atomics, Histogram}

  # An hour in nanoseconds, as Histogram.new/1 has it: 33 rows of 1024 cells; the last cell is the sum.
  @rows 33
  @cells @rows * 1024
  @sum @cells + 1
  @buckets [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]

  # Values all over the usual range, up to 2^24, from a loop's counter.
  defmacrop spread(i), do: quote(do: unquote(i) * 7919 &&& 0xFFFFFF)

  # --- One call ---

  defloop(record(h, i), do: Histogram.record(h, spread(i)))

  defloop otp_record_exponent(ref, i) do
    value = spread(i)
    :counters.add(ref, cell_by_exponent(value), 1)
    :counters.add(ref, @sum, value)
  end

  defloop otp_record_compare(ref, i) do
    value = spread(i)
    :counters.add(ref, cell_by_comparing(value), 1)
    :counters.add(ref, @sum, value)
  end

  defloop(record_same(h, _i), do: Histogram.record(h, 1_234_567))
  defloop(size(ref, _i), do: Atomics.size(ref))

  defloop(record_n(h, i), do: Histogram.record_n(h, spread(i), 3))

  defloop otp_record_n(ref, i) do
    value = spread(i)
    :counters.add(ref, cell_by_comparing(value), 3)
    :counters.add(ref, @sum, value * 3)
  end

  @hundred for i <- 1..100, do: rem(i * 7_368_787, 1 <<< 24)

  defloop(record_many({h, values}, _i), do: Histogram.record_many(h, values))
  defloop(otp_record_many({ref, values}, _i), do: otp_record_each(ref, values))

  defp otp_record_each(_ref, []), do: :ok

  defp otp_record_each(ref, [value | rest]) do
    :counters.add(ref, cell_by_comparing(value), 1)
    :counters.add(ref, @sum, value)
    otp_record_each(ref, rest)
  end

  defloop(measure({h, f}, _i), do: Histogram.measure(h, f))

  defloop otp_measure({ref, f}, _i) do
    start = :erlang.monotonic_time()
    f.()
    value = :erlang.monotonic_time() - start
    :counters.add(ref, cell_by_comparing(value), 1)
    :counters.add(ref, @sum, value)
  end

  # --- Explicit buckets: the sum, a float, is kept in whole microseconds by hand. ---

  defloop(record_bucket(h, i), do: Histogram.record(h, (i &&& 1023) * 0.01))

  defloop otp_record_bucket({ref, bounds, sum}, i) do
    value = (i &&& 1023) * 0.01
    :counters.add(ref, bucket(bounds, value, 1), 1)
    :counters.add(ref, sum, trunc(value * 1_000_000))
  end

  defp bucket([bound | bounds], value, i) when value > bound, do: bucket(bounds, value, i + 1)
  defp bucket(_bounds, _value, i), do: i

  # --- Readings ---

  @quantiles [0.5, 0.9, 0.99, 0.999]

  defloop(quantiles(h, _i), do: Histogram.quantiles(h, @quantiles))

  defloop otp_quantiles(ref, _i) do
    counts = otp_counts(ref, @cells, [])
    count = Enum.sum(counts)
    otp_quantiles_of(counts, 1, 0, for(q <- @quantiles, do: ceil(q * count)))
  end

  defp otp_counts(_ref, 0, list), do: list
  defp otp_counts(ref, i, list), do: otp_counts(ref, i - 1, [:counters.get(ref, i) | list])

  defp otp_quantiles_of(_counts, _i, _seen, []), do: []

  defp otp_quantiles_of([n | _] = counts, i, seen, [rank | ranks]) when seen + n >= rank,
    do: [i | otp_quantiles_of(counts, i, seen, ranks)]

  defp otp_quantiles_of([n | counts], i, seen, ranks),
    do: otp_quantiles_of(counts, i + 1, seen + n, ranks)

  # --- The index, by hand ---

  # The first two powers of two, below 2048, have steps of 1, as in Offheap.Histogram.
  defp cell_by_exponent(value) when value < 2048, do: value + 1

  defp cell_by_exponent(value) do
    <<_sign::1, exponent::11, step::10, _::42>> = <<value::float>>
    (exponent - 1032) * 1024 + step + 1
  end

  defp cell_by_comparing(value) when value < 2048, do: value + 1

  defp cell_by_comparing(value) do
    power = power(value)
    (power <<< 10) + (value >>> power) + 1
  end

  # floor(log2(value)) - 10 for 2^11 <= value < 2^42, by five comparisons.
  defp power(v) when v < 1 <<< 27, do: power_11(v)
  defp power(v), do: power_27(v)

  for {name, from, next} <- [
        {:power_11, 11, [:power_11a, :power_19]},
        {:power_27, 27, [:power_27a, :power_35]}
      ] do
    [low, high] = next
    defp unquote(name)(v) when v < unquote(1 <<< (from + 8)), do: unquote(low)(v)
    defp unquote(name)(v), do: unquote(high)(v)
  end

  for {name, from} <- [power_11a: 11, power_19: 19, power_27a: 27, power_35: 35] do
    defp unquote(name)(v) when v < unquote(1 <<< (from + 4)) do
      if v < unquote(1 <<< (from + 2)) do
        if v < unquote(1 <<< (from + 1)), do: unquote(from - 10), else: unquote(from - 9)
      else
        if v < unquote(1 <<< (from + 3)), do: unquote(from - 8), else: unquote(from - 7)
      end
    end

    defp unquote(name)(v) do
      if v < unquote(1 <<< (from + 6)) do
        if v < unquote(1 <<< (from + 5)), do: unquote(from - 6), else: unquote(from - 5)
      else
        if v < unquote(1 <<< (from + 7)), do: unquote(from - 4), else: unquote(from - 3)
      end
    end
  end

  # --- The list ---

  defp counters, do: :counters.new(@sum, [])
  defp striped_counters, do: :counters.new(@sum, [:write_concurrency])

  def scenarios do
    hand = "cell by comparisons, 2 x :counters.add"
    float = "cell by a float's exponent, 2 x :counters.add"

    for scenario <- recording(hand, float) ++ readings(hand) do
      Map.merge(
        %{
          component: "histogram",
          quick:
            scenario.name in ["record", "record_many of 100", "4 quantiles of #{@cells} cells"]
        },
        scenario
      )
    end
  end

  defp recording(hand, float) do
    plain = fn -> {Histogram.new(), counters()} end

    for {name, peer, ours, theirs, setup} <- [
          {"record", float, &__MODULE__.record/2, &__MODULE__.otp_record_exponent/2, plain},
          {"record", hand, &__MODULE__.record/2, &__MODULE__.otp_record_compare/2, plain},
          {"record", hand <> ", write_concurrency", &__MODULE__.record/2,
           &__MODULE__.otp_record_compare/2, fn -> {Histogram.new(), striped_counters()} end},
          {"record, 14 buckets", "linear search, 2 x :counters.add", &__MODULE__.record_bucket/2,
           &__MODULE__.otp_record_bucket/2,
           fn ->
             {Histogram.new(buckets: @buckets), {:counters.new(16, []), @buckets, 16}}
           end}
        ] do
      %{name: name, peer: peer, parallel: :all, ours: ours, theirs: theirs, setup: setup}
    end
  end

  defp readings(hand) do
    [
      %{
        name: "record, over the floor",
        peer: "Offheap.Atomics.size",
        floor: true,
        ours: &__MODULE__.record_same/2,
        theirs: &__MODULE__.size/2,
        note: "0.74 is 1.35 times the floor",
        setup: fn -> {Histogram.new(), Atomics.new(1)} end
      },
      %{
        name: "record_n",
        peer: hand,
        ours: &__MODULE__.record_n/2,
        theirs: &__MODULE__.otp_record_n/2,
        setup: fn -> {Histogram.new(), counters()} end
      },
      %{
        name: "record_many of 100",
        peer: "a loop: " <> hand,
        ours: &__MODULE__.record_many/2,
        theirs: &__MODULE__.otp_record_many/2,
        setup: fn -> {{Histogram.new(), @hundred}, {counters(), @hundred}} end
      },
      %{
        name: "measure",
        peer: "2 x monotonic_time, " <> hand,
        ours: &__MODULE__.measure/2,
        theirs: &__MODULE__.otp_measure/2,
        setup: fn -> {{Histogram.new(), fn -> :ok end}, {counters(), fn -> :ok end}} end
      },
      %{
        name: "4 quantiles of #{@cells} cells",
        peer: "loop over :counters.get",
        ours: &__MODULE__.quantiles/2,
        theirs: &__MODULE__.otp_quantiles/2,
        setup: fn ->
          h = Histogram.new()
          ref = counters()
          record(h, 100_000)
          otp_record_compare(ref, 100_000)
          {h, ref}
        end
      }
    ]
  end
end

Offheap.Bench.Scenarios.Histogram.scenarios()
