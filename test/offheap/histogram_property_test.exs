defmodule Offheap.HistogramPropertyTest do
  @moduledoc "Histograms, and lists of values that are counted, sorted and summed the long way."
  use ExUnit.Case, async: true

  # A soak run (PROPER_TESTS) takes as long as it takes.
  @moduletag timeout: if(System.get_env("PROPER_TESTS"), do: :infinity, else: 600_000)

  import Bitwise
  import Offheap.Property
  import :proper_types, only: [oneof: 1, weighted_union: 1, integer: 2, list: 1]

  alias Offheap.Histogram

  @word (1 <<< 63) - 1
  @quantiles [0, 0.001, 0.25, 0.5, 0.9, 0.99, 1]

  for out_of_range <- [:saturate, :error] do
    test "HDR histograms, #{out_of_range} out of range, are their values" do
      check(
        forall({layout(), list(command(&integer_value/0))}, fn {{lowest, highest, digits},
                                                                commands} ->
          options = [
            lowest: lowest,
            highest: highest,
            digits: digits,
            out_of_range: unquote(out_of_range)
          ]

          run(options, hdr_model(options), commands)
        end),
        tests: 1000
      )
    end
  end

  test "explicit histograms are their values" do
    check(
      forall({bounds(), list(command(&real_value/0))}, fn {bounds, commands} ->
        bounds = Enum.sort(Enum.uniq(bounds))
        run([buckets: bounds], explicit_model(bounds), commands)
      end),
      tests: 1000
    )
  end

  test "the encoding brings the buckets back" do
    check(
      forall({layout(), list({integer_value(), integer(0, 1 <<< 40)})}, fn {layout, pairs} ->
        {lowest, highest, digits} = layout
        h = Histogram.new(lowest: lowest, highest: highest, digits: digits)
        for {value, n} <- pairs, is_integer(value), do: Histogram.record_n(h, value, n)
        exported = Histogram.export(h)
        {:ok, copy} = Histogram.import(exported)

        Histogram.buckets(copy) == Histogram.buckets(h) and
          Histogram.export(copy) == exported and exported == model_export(h)
      end),
      tests: 1000
    )
  end

  test "any bytes are imported or refused" do
    h = Histogram.new(highest: 100_000, digits: 1)
    Histogram.record_many(h, [0, 5, 5, 17, 300, 99_999])
    valid = Histogram.export(h)
    change = {integer(0, byte_size(valid) - 1), integer(0, 255)}

    check(
      forall({list(change), integer(0, 8), :proper_types.binary()}, fn {changes, cut, tail} ->
        bytes = Enum.reduce(changes, valid, &put_byte/2)
        size = byte_size(bytes) - if(rem(cut, 4) == 0, do: 0, else: cut)
        payload = binary_part(bytes, 40, size - 40) <> tail
        <<cookie::32, _::32, header::binary-size(32), _::binary>> = bytes

        for input <- [
              bytes,
              payload,
              <<cookie::32, byte_size(payload)::32, header::binary, payload::binary>>
            ] do
          case Histogram.import(input) do
            {:error, :malformed} -> :ok
            {:ok, copy} -> true = Histogram.histogram?(copy)
          end
        end
      end),
      tests: 2000
    )
  end

  # --- The run of both ---

  # Three histograms and three lists of {value, n}, of which the commands take the first few.
  defp run(options, model, commands) do
    histograms = Map.new(1..3, &{&1, Histogram.new(options)})
    values = Map.new(1..3, &{&1, []})

    {histograms, values} =
      Enum.reduce(commands, {histograms, values}, fn command, {histograms, values} ->
        step(command, histograms, values, model)
      end)

    for i <- 1..3, do: compare(histograms[i], values[i], model)
    true
  end

  defp step({:record, i, value}, hs, vs, model),
    do: recorded(hs, vs, i, [{value, 1}], model, &Histogram.record(&1, value))

  defp step({:record_n, i, value, n}, hs, vs, model),
    do: recorded(hs, vs, i, [{value, n}], model, &Histogram.record_n(&1, value, n))

  defp step({:record_many, i, list}, hs, vs, model),
    do: recorded(hs, vs, i, Enum.map(list, &{&1, 1}), model, &Histogram.record_many(&1, list))

  defp step({:merge, i, j}, hs, vs, _model) do
    :ok = Histogram.merge(hs[i], hs[j])
    {hs, Map.update!(vs, i, &(&1 ++ vs[j]))}
  end

  defp step({:snapshot, i, j}, hs, vs, _model),
    do: {Map.put(hs, j, Histogram.snapshot(hs[i])), Map.put(vs, j, vs[i])}

  defp step({:snapshot_reset, i}, hs, vs, model) do
    compare(Histogram.snapshot_reset(hs[i]), vs[i], model)
    {hs, Map.put(vs, i, [])}
  end

  defp step({:read, i}, hs, vs, model) do
    compare(hs[i], vs[i], model)
    {hs, vs}
  end

  # All of the values, or none and an ArgumentError.
  defp recorded(hs, vs, i, pairs, model, record) do
    counted = Enum.map(pairs, fn {value, n} -> {model.count.(value), n} end)
    refused = Enum.any?(counted, &match?({:refused, _}, &1))
    answer = outcome(fn -> record.(hs[i]) end)

    if refused do
      :refused = answer
      {hs, vs}
    else
      :ok = answer
      {hs, Map.update!(vs, i, &(&1 ++ for({v, n} when n > 0 <- counted, do: {v, n})))}
    end
  end

  defp outcome(fun) do
    fun.()
  rescue
    ArgumentError -> :refused
  end

  defp compare(h, pairs, model) do
    count = Enum.sum(for {_, n} <- pairs, do: n)
    %{count: ^count} = summary = Histogram.summary(h)
    sum = Enum.sum(for {value, n} <- pairs, do: value * n)
    true = summary.sum == sum
    buckets = model.buckets.(pairs)
    ^buckets = Histogram.buckets(h)
    quantiles = Histogram.quantiles(h, @quantiles)

    if count == 0 do
      %{min: :undefined, max: :undefined, mean: :undefined, stddev: :undefined} = summary
      true = Enum.all?(quantiles, &(&1 == :undefined))
    else
      {min, max} = pairs |> Enum.map(&elem(&1, 0)) |> Enum.min_max()
      true = {min, max} == {summary.min, summary.max}
      true = close?(summary.mean, sum / count)
      true = close?(summary.stddev, model.stddev.(pairs, count))
      sorted = Enum.sort(pairs)

      for {q, got} <- Enum.zip(@quantiles, quantiles) do
        true = got == quantile(q, sorted, count, min, max, model)
      end
    end
  end

  defp quantile(q, _sorted, _count, min, _max, _model) when q == 0, do: min

  defp quantile(q, sorted, count, _min, max, model) do
    # Quantiles have at most three decimals: this rank is exact.
    rank = max(div(round(q * 1000) * count + 999, 1000), 1)
    min(model.upper.(ranked(sorted, rank)), max)
  end

  defp ranked([{value, n} | _], rank) when rank <= n, do: value
  defp ranked([{_, n} | rest], rank), do: ranked(rest, rank - n)

  defp close?(a, b), do: abs(a - b) <= 1.0e-6 * (1 + abs(b))

  # --- Models: what a value counts as, its bucket, the deviation ---

  defp hdr_model(options) do
    [lowest: lowest, highest: highest, digits: digits, out_of_range: out_of_range] = options
    unit = bits(lowest) - 1
    # As many steps in a power of two as it takes for twice 10^digits single units.
    steps = bits(2 * 10 ** digits - 1) - 1

    size = fn value -> 1 <<< (max(bits(value) - 1, unit + steps) - steps) end
    lower = fn value -> value - rem(value, size.(value)) end
    upper = fn value -> lower.(value) + size.(value) - 1 end
    middle = fn value -> lower.(value) + div(size.(value), 2) end

    %{
      count: fn
        value when value in 0..highest//1 -> value
        value when is_integer(value) and out_of_range == :saturate and value < 0 -> 0
        value when is_integer(value) and out_of_range == :saturate -> highest
        _ -> :refused
      end,
      upper: upper,
      buckets: fn pairs ->
        pairs
        |> Enum.group_by(fn {value, _} -> upper.(value) end, &elem(&1, 1))
        |> Enum.map(fn {upper, counts} -> {upper, Enum.sum(counts)} end)
        |> Enum.sort()
      end,
      stddev: fn pairs, count ->
        deviation(for({value, n} <- pairs, do: {middle.(value), n}), count)
      end
    }
  end

  defp explicit_model(bounds) do
    upper = fn value -> Enum.find(bounds, :infinity, &(&1 >= value)) end

    %{
      count: fn
        value when is_float(value) -> value
        value when value in -(1 <<< 63)..((1 <<< 64) - 1)//1 -> value * 1.0
        _ -> :refused
      end,
      # Atoms are above all numbers, so that min/2 takes the highest value for the last bucket.
      upper: upper,
      buckets: fn pairs ->
        for bound <- bounds ++ [:infinity] do
          {if(bound == :infinity, do: bound, else: bound * 1.0),
           Enum.sum(for {value, n} <- pairs, upper.(value) == bound, do: n)}
        end
      end,
      stddev: &deviation/2
    }
  end

  defp deviation(pairs, count) do
    mean = Enum.sum(for {value, n} <- pairs, do: value * n) / count
    :math.sqrt(Enum.sum(for {value, n} <- pairs, do: (value - mean) * (value - mean) * n) / count)
  end

  defp bits(0), do: 0
  defp bits(n), do: 1 + bits(n >>> 1)

  # The encoding, of the buckets: counts from cell 0 on, the cells found by their highest value.
  defp model_export(h) do
    info = Histogram.info(h)
    payload = for number <- numbers(h, Histogram.buckets(h), 0), into: <<>>, do: zigzag(number)

    <<0x1C849313::32, byte_size(payload)::32, 0::32, info.digits::32, info.lowest::64,
      info.highest::64, 1.0::float, payload::binary>>
  end

  # The lowest value of the next cell stands for how far one is.
  defp numbers(_h, [], _next), do: []

  defp numbers(h, [{upper, n} | rest], next) do
    {lower, ^upper} = Histogram.equivalent_range(h, min(upper, Histogram.info(h).highest))

    case empty_cells(h, next, lower, 0) do
      0 -> [n | numbers(h, rest, upper + 1)]
      1 -> [0, n | numbers(h, rest, upper + 1)]
      zeros -> [-zeros, n | numbers(h, rest, upper + 1)]
    end
  end

  # Cells of one size at a time: as many as there are up to the next power of two.
  defp empty_cells(_h, lower, lower, zeros), do: zeros

  defp empty_cells(h, next, lower, zeros) do
    {^next, last} = Histogram.equivalent_range(h, next)
    size = last - next + 1
    stop = min(lower, max(1 <<< bits(next), size))
    empty_cells(h, stop, lower, zeros + div(stop - next, size))
  end

  defp zigzag(n) when n >= 0, do: leb(2 * n, 1)
  defp zigzag(n), do: leb(-2 * n - 1, 1)

  defp leb(n, 9), do: <<n>>
  defp leb(n, _) when n < 128, do: <<n>>
  defp leb(n, i), do: <<1::1, n::7, leb(n >>> 7, i + 1)::binary>>

  defp put_byte({at, byte}, bytes) do
    <<before::binary-size(at), _, rest::binary>> = bytes
    before <> <<byte>> <> rest
  end

  # --- Generators ---

  defp command(value) do
    i = integer(1, 3)

    weighted_union([
      {8, {:record, i, value.()}},
      {4, {:record_n, i, value.(), oneof([0, 1, 2, 1000, 1 <<< 32])}},
      {4, {:record_many, i, list(value.())}},
      {1, {:merge, i, i}},
      {1, {:snapshot, i, i}},
      {2, {:snapshot_reset, i}},
      {2, {:read, i}}
    ])
  end

  defp layout do
    oneof([
      {1, 3_600_000_000, 3},
      {1, 2, 1},
      {1, 100, 2},
      {3, 1000, 1},
      {1000, 1_000_000_000, 2},
      {1024, @word, 1},
      {1, @word, 2},
      {1 <<< 40, @word, 3}
    ])
  end

  # All sizes, the edges, what is out of most ranges, and what is no integer.
  defp integer_value do
    weighted_union([
      {6, integer(0, 300)},
      {4, :proper_types.bind(integer(0, 62), &integer(0, 1 <<< &1), false)},
      {3, oneof(edges())},
      {1, oneof([-1, @word + 1, 1 <<< 64, 1 <<< 80, -(1 <<< 80), -(1 <<< 63)])},
      {1, oneof([1.0, :a, nil, "1"])}
    ])
  end

  defp edges do
    for bits <- [1, 7, 8, 11, 31, 32, 59, 60, 63], offset <- -1..0, do: (1 <<< bits) + offset
  end

  # Halves of moderate size, whose sums and squares a float holds exactly.
  defp real_value do
    weighted_union([
      {8, :proper_types.bind(integer(-2000, 2000), &:proper_types.exactly(&1 / 2), false)},
      {4, integer(-1000, 1000)},
      {1, oneof([:a, nil, "1", 1 <<< 64, -(1 <<< 64)])}
    ])
  end

  defp bounds do
    :proper_types.non_empty(
      list(:proper_types.bind(integer(-400, 400), &:proper_types.exactly(&1 / 4), false))
    )
  end
end
