defmodule Offheap.Histogram do
  @moduledoc """
  Histograms in shared memory: values counted by bucket, with their sum, recorded by any number of
  processes in one call of some 20 ns each.

  Two kinds:

    * *HDR* (`new(highest: h, digits: d)`) counts integers of 0 to `highest` in log-linear buckets,
      after G. Tene's HdrHistogram: what a bucket counts differs by less than one unit of the last of
      `digits` significant digits. For latencies of every size.
    * *Explicit* (`new(buckets: bounds)`) counts numbers, as floats, in the buckets between the given
      bounds, each with its upper bound, as Prometheus does; what is above the last bound is counted
      too.

        iex> latency = Offheap.Histogram.new(highest: 60_000_000_000, digits: 2)
        iex> for ms <- 1..1000, do: Offheap.Histogram.record(latency, ms * 1_000_000)
        iex> Offheap.Histogram.quantiles(latency, [0.5, 0.99])
        [501_219_327, 994_050_047]
        iex> Offheap.Histogram.summary(latency) |> Map.take([:count, :min, :max, :mean])
        %{count: 1000, min: 1_000_000, max: 1_000_000_000, mean: 500_500_000.0}

  ## What a reading tells

  Count, sum, lowest, highest and buckets of one reading always belong to the same recordings: each
  is in it whole or not at all, and of readings by `snapshot_reset/1` in exactly one. A reading has
  every recording that ended before it began, and none that begins after it ended. It is not one
  instant: of what is recorded meanwhile by several processes, a later one may be in it and an earlier
  one not. To ask several questions of the same recordings, take a `snapshot/1`: a histogram of its
  own, and ask that.

  A recording is an acquire and a release of the stripe of memory it goes to; do not synchronise by
  it. Counts are of 64 bits and wrap around beyond 2^64 - 1; sums of integers have 128 bits; sums of
  floats end at the largest float.

  ## Time and memory

  `record/2`, `record_n/3` and `measure/2` take constant time (explicit: the logarithm of the number
  of bounds) and never wait for another process. Readings take about 2 ns for each bucket between the
  lowest and the highest value, in each of the sets below; with more than 32,768 of them they run on a
  dirty scheduler. One process reads a histogram at a time: others try again when they are next
  scheduled.

  A bucket takes 8 bytes, in one set of them for the whole and one more for each scheduler that
  records (rarely for one more); large sets take pages of memory only where values fall. `info/1`
  tells. A histogram, a snapshot too, lives as long as some process, message or table holds its
  reference: a process that takes many snapshots and makes no other garbage holds them until it
  collects.

  `ArgumentError` is raised for a wrong reference and for a value that cannot be counted.
  """

  @typedoc "The reference of a histogram."
  @type t :: :offheap_histogram.histogram()

  @type option ::
          {:lowest, pos_integer()}
          | {:highest, pos_integer()}
          | {:digits, 1..5}
          | {:out_of_range, :saturate | :error}
          | {:buckets, [number(), ...]}

  @typedoc "What `measure/3` counts in."
  @type unit :: :nanosecond | :microsecond | :millisecond | :second

  @doc """
  Makes an empty histogram.

  Raises `ArgumentError` for options that make no sense, and `SystemLimitError` for a `:highest`
  beyond 2^63 - 1, too many bounds, or memory that is not there.

  ## Options of the HDR kind

    * `:highest` - the highest value that is counted as it is, up to 2^63 - 1. Default: an hour in
      nanoseconds.
    * `:lowest` - values that differ by less may share a bucket; 1 to half of `:highest`. Default 1.
      A larger one saves memory.
    * `:digits` - significant digits that buckets tell apart, 1 to 5. Default 3. One more makes about
      ten times as many buckets: 33,792 by default, 6,160,384 at most.
    * `:out_of_range` - `:saturate`: integers below 0 or above `:highest` are counted as 0 or
      `:highest`, also in the sum. `:error`: they raise `ArgumentError`. Default `:saturate`.

  ## Option of the explicit kind

    * `:buckets` - up to 4096 upper bounds in strictly ascending order (see `exponential_buckets/3`).

  ## Examples

      iex> h = Offheap.Histogram.new(highest: 1000, digits: 1, out_of_range: :error)
      iex> Offheap.Histogram.record(h, 1001)
      ** (ArgumentError) argument error

      iex> h = Offheap.Histogram.new(buckets: [0.1, 1, 10])
      iex> Offheap.Histogram.record_many(h, [0.05, 1, 1.5, 200])
      :ok
      iex> Offheap.Histogram.buckets(h)
      [{0.1, 1}, {1.0, 1}, {10.0, 1}, {:infinity, 1}]
  """
  @spec new([option()]) :: t()
  def new(options \\ []), do: :offheap_histogram.new(options)

  @doc """
  `count` bounds, the first `start`, each `factor` times the one before.

  Raises `ArgumentError` unless `start` is above 0, `factor` above 1 and all bounds are floats' size.

      iex> Offheap.Histogram.exponential_buckets(0.5, 2, 4)
      [0.5, 1.0, 2.0, 4.0]
  """
  @spec exponential_buckets(number(), number(), pos_integer()) :: [float(), ...]
  defdelegate exponential_buckets(start, factor, count), to: :offheap_histogram

  @doc """
  `count` bounds, the first `start`, each `width` above the one before.

  Raises `ArgumentError` unless `width` is above 0 and all bounds are floats' size.

      iex> Offheap.Histogram.linear_buckets(0, 25, 4)
      [0.0, 25.0, 50.0, 75.0]
  """
  @spec linear_buckets(number(), number(), pos_integer()) :: [float(), ...]
  defdelegate linear_buckets(start, width, count), to: :offheap_histogram

  @doc """
  Whether the term is the reference of a histogram.

      iex> Offheap.Histogram.histogram?(Offheap.Histogram.new())
      true
      iex> Offheap.Histogram.histogram?(make_ref())
      false
  """
  @spec histogram?(term()) :: boolean()
  defdelegate histogram?(term), to: :offheap_nif, as: :is_histogram

  @doc """
  Counts a value: HDR an integer, explicit a number (an integer of `-2^63..2^64-1` or a float).

  `{:error, :enomem}`: it is the scheduler's first value and memory is out; nothing is counted.

      iex> h = Offheap.Histogram.new()
      iex> Offheap.Histogram.record(h, 1500)
      :ok
      iex> Offheap.Histogram.count(h)
      1
  """
  @spec record(t(), number()) :: :ok | {:error, :enomem}
  defdelegate record(histogram, value), to: :offheap_nif, as: :histogram_record

  @doc """
  Counts a value `n` times, `0..2^63-1`.

      iex> h = Offheap.Histogram.new()
      iex> Offheap.Histogram.record_n(h, 7, 100)
      :ok
      iex> {Offheap.Histogram.count(h), Offheap.Histogram.sum(h)}
      {100, 700}
  """
  @spec record_n(t(), number(), non_neg_integer()) :: :ok | {:error, :enomem}
  defdelegate record_n(histogram, value, n), to: :offheap_nif, as: :histogram_record_n

  @doc """
  Counts each value of a list; if one cannot be counted, `ArgumentError` is raised and none is.

  Each is counted by itself: a reading meanwhile may have a part of them. Yields in long lists.

      iex> h = Offheap.Histogram.new()
      iex> Offheap.Histogram.record_many(h, [1, 2, 3])
      :ok
      iex> Offheap.Histogram.mean(h)
      2.0
  """
  @spec record_many(t(), [number()]) :: :ok | {:error, :enomem}
  defdelegate record_many(histogram, values), to: :offheap_nif, as: :histogram_record_many

  @doc """
  Calls `fun` and records how long it took, by the monotonic clock: HDR in nanoseconds, explicit in
  seconds.

  Returns what `fun` returned. Nothing is recorded if it raises.

      iex> h = Offheap.Histogram.new()
      iex> Offheap.Histogram.measure(h, fn -> :result end)
      :result
      iex> Offheap.Histogram.count(h)
      1
  """
  @spec measure(t(), (() -> result)) :: result when result: term()
  defdelegate measure(histogram, fun), to: :offheap_histogram

  @doc """
  As `measure/2`, in a unit of choice: HDR whole ones, explicit with the fraction.

  Where the time is out of range and the histogram made with `out_of_range: :error`, `ArgumentError`
  is raised after the call.

      iex> h = Offheap.Histogram.new(highest: 60_000)
      iex> Offheap.Histogram.measure(h, fn -> 1 + 1 end, :millisecond)
      2
  """
  @spec measure(t(), (() -> result), unit()) :: result when result: term()
  defdelegate measure(histogram, fun, unit), to: :offheap_histogram

  @doc """
  How many values were recorded: always the sum of the buckets.

      iex> Offheap.Histogram.count(Offheap.Histogram.new())
      0
  """
  @spec count(t()) :: non_neg_integer()
  defdelegate count(histogram), to: :offheap_histogram

  @doc """
  The sum of the values recorded. HDR: exact. Explicit: a float, rounded as additions are.

      iex> h = Offheap.Histogram.new(highest: 9_223_372_036_854_775_807)
      iex> Offheap.Histogram.record_n(h, 9_223_372_036_854_775_807, 3)
      iex> Offheap.Histogram.sum(h)
      27_670_116_110_564_327_421
  """
  @spec sum(t()) :: number()
  defdelegate sum(histogram), to: :offheap_histogram

  @doc """
  The lowest value recorded, exact; `:undefined` for an empty histogram.

      iex> h = Offheap.Histogram.new()
      iex> Offheap.Histogram.min(h)
      :undefined
      iex> Offheap.Histogram.record(h, 1_234_567)
      iex> Offheap.Histogram.min(h)
      1_234_567
  """
  @spec min(t()) :: number() | :undefined
  defdelegate min(histogram), to: :offheap_histogram

  @doc """
  The highest value recorded, exact; `:undefined` for an empty histogram.

      iex> h = Offheap.Histogram.new()
      iex> Offheap.Histogram.record_many(h, [1_234_567, 3])
      iex> Offheap.Histogram.max(h)
      1_234_567
  """
  @spec max(t()) :: number() | :undefined
  defdelegate max(histogram), to: :offheap_histogram

  @doc """
  The sum by the count; `:undefined` for an empty histogram.

      iex> h = Offheap.Histogram.new()
      iex> Offheap.Histogram.record_many(h, [1, 2])
      iex> Offheap.Histogram.mean(h)
      1.5
  """
  @spec mean(t()) :: float() | :undefined
  defdelegate mean(histogram), to: :offheap_histogram

  @doc """
  The standard deviation of the values recorded (of all, not of a sample); `:undefined` for an empty
  histogram.

  HDR: of the middles of the buckets, as HdrHistogram computes it. Explicit: from the sum of the
  squares, which is kept around the middle bound: exact but for rounding, of which there is more the
  further the values are from there against their deviation.

      iex> h = Offheap.Histogram.new()
      iex> Offheap.Histogram.record_many(h, [2, 4, 4, 4, 5, 5, 7, 9])
      iex> Offheap.Histogram.stddev(h)
      2.0
  """
  @spec stddev(t()) :: float() | :undefined
  defdelegate stddev(histogram), to: :offheap_histogram

  @doc """
  Count, sum, lowest, highest, mean and standard deviation in one reading.

      iex> h = Offheap.Histogram.new()
      iex> Offheap.Histogram.record_many(h, [1, 3])
      iex> Offheap.Histogram.summary(h)
      %{count: 2, sum: 4, min: 1, max: 3, mean: 2.0, stddev: 1.0}
  """
  @spec summary(t()) :: %{
          count: non_neg_integer(),
          sum: number(),
          min: number() | :undefined,
          max: number() | :undefined,
          mean: float() | :undefined,
          stddev: float() | :undefined
        }
  defdelegate summary(histogram), to: :offheap_nif, as: :histogram_summary

  @doc """
  The values of up to 1024 quantiles of 0..1, in any order, in one reading.

  The value of quantile `q` is that of rank `ceil(q * count)` of the values in ascending order, taken
  as the highest value of its bucket, as HdrHistogram does, or as the highest recorded where that is
  lower. So it is never below the true one, and HDR above it by less than a unit of the last
  significant digit. Quantile 0 is the lowest value recorded, 1 the highest, both exact. `:undefined`
  for each quantile of an empty histogram. Raises `SystemLimitError` for more quantiles.

      iex> h = Offheap.Histogram.new()
      iex> Offheap.Histogram.record_many(h, Enum.to_list(1..100))
      iex> Offheap.Histogram.quantiles(h, [0.99, 0.5, 0, 1])
      [99, 50, 1, 100]
  """
  @spec quantiles(t(), [number()]) :: [number() | :undefined]
  defdelegate quantiles(histogram, quantiles), to: :offheap_nif, as: :histogram_quantiles

  @doc """
  The buckets in ascending order, each with the highest value it counts and how many values it has
  (not cumulative).

  HDR: those that have any. Explicit: all, the last with `:infinity`.

      iex> h = Offheap.Histogram.new(digits: 2)
      iex> Offheap.Histogram.record_many(h, [3, 3, 1000])
      iex> Offheap.Histogram.buckets(h)
      [{3, 2}, {1003, 1}]
  """
  @spec buckets(t()) :: [{number() | :infinity, non_neg_integer()}]
  defdelegate buckets(histogram), to: :offheap_histogram

  @doc """
  The lowest and the highest of the values that a HDR histogram counts in the bucket of `value`.

      iex> Offheap.Histogram.equivalent_range(Offheap.Histogram.new(digits: 2), 1000)
      {1000, 1003}
  """
  @spec equivalent_range(t(), integer()) :: {non_neg_integer(), non_neg_integer()}
  defdelegate equivalent_range(histogram, value), to: :offheap_nif, as: :histogram_equivalent

  @doc """
  How the histogram was made, and: the number of buckets (`:cells`), how many sets of them there are
  for schedulers by now (`:stripes`), and the memory of all in bytes, of which pages that no value
  fell in are not taken.

      iex> info = Offheap.Histogram.info(Offheap.Histogram.new())
      iex> {info.highest, info.digits, info.cells, info.stripes}
      {3_600_000_000_000, 3, 33_792, 0}
  """
  @spec info(t()) :: %{
          required(:cells) => pos_integer(),
          required(:stripes) => non_neg_integer(),
          required(:memory) => pos_integer(),
          optional(:lowest) => pos_integer(),
          optional(:highest) => pos_integer(),
          optional(:digits) => 1..5,
          optional(:out_of_range) => :saturate | :error,
          optional(:buckets) => [float(), ...]
        }
  defdelegate info(histogram), to: :offheap_nif, as: :histogram_info

  @doc """
  A histogram of its own with all that was recorded.

  Raises `SystemLimitError` when memory is out.

      iex> h = Offheap.Histogram.new()
      iex> Offheap.Histogram.record(h, 1)
      iex> snapshot = Offheap.Histogram.snapshot(h)
      iex> Offheap.Histogram.record(h, 2)
      iex> {Offheap.Histogram.count(snapshot), Offheap.Histogram.count(h)}
      {1, 2}
  """
  @spec snapshot(t()) :: t()
  defdelegate snapshot(histogram), to: :offheap_nif, as: :histogram_snapshot

  @doc """
  As `snapshot/1`, and empties this histogram: each recording is in exactly one such snapshot, or left.

      iex> h = Offheap.Histogram.new()
      iex> Offheap.Histogram.record(h, 1)
      iex> snapshot = Offheap.Histogram.snapshot_reset(h)
      iex> {Offheap.Histogram.count(snapshot), Offheap.Histogram.count(h)}
      {1, 0}
  """
  @spec snapshot_reset(t()) :: t()
  defdelegate snapshot_reset(histogram), to: :offheap_nif, as: :histogram_snapshot_reset

  @doc """
  Adds to `histogram` all that `from` has recorded; `from` keeps it.

  Both must have the same buckets (HDR: the same digits, and the same `:lowest` or one in the same
  power of two), and HDR must have a bucket for the highest value of `from`: else `ArgumentError` is
  raised. A histogram merged into itself counts twice.

      iex> total = Offheap.Histogram.new()
      iex> part = Offheap.Histogram.new()
      iex> Offheap.Histogram.record(part, 5)
      iex> Offheap.Histogram.merge(total, part)
      :ok
      iex> Offheap.Histogram.count(total)
      1
  """
  @spec merge(t(), t()) :: :ok
  defdelegate merge(histogram, from), to: :offheap_nif, as: :histogram_merge

  @doc """
  A HDR histogram in the encoding V2 of HdrHistogram, not compressed.

  It has the buckets and how they were made, but no sum, lowest and highest value. Raises
  `ArgumentError` for an explicit histogram, and `SystemLimitError` for a count beyond 2^63 - 1 or
  memory that is not there.

      iex> h = Offheap.Histogram.new(highest: 1000, digits: 1)
      iex> Offheap.Histogram.record_many(h, [1, 1, 4])
      iex> <<_header::binary-size(40), payload::binary>> = Offheap.Histogram.export(h)
      iex> payload
      <<0, 4, 3, 2>>
  """
  @spec export(t()) :: binary()
  defdelegate export(histogram), to: :offheap_nif, as: :histogram_export

  @doc """
  Makes a histogram of what `export/1` or another HdrHistogram encoded.

  Values out of range saturate. Sum and mean are those of the buckets' middles, lowest and highest
  value the ends of the first and the last bucket: all within the significant digits.

  `{:error, :malformed}` for a binary that is nothing of the kind, was cut short or has bytes too
  many, and for what has no integers: an offset, or a ratio other than 1.0.

      iex> h = Offheap.Histogram.new()
      iex> Offheap.Histogram.record_many(h, [1, 20, 300])
      iex> {:ok, copy} = Offheap.Histogram.import(Offheap.Histogram.export(h))
      iex> Offheap.Histogram.buckets(copy) == Offheap.Histogram.buckets(h)
      true
      iex> Offheap.Histogram.import("something else")
      {:error, :malformed}
  """
  @spec import(binary()) :: {:ok, t()} | {:error, :malformed | :enomem}
  defdelegate import(binary), to: :offheap_nif, as: :histogram_import

  @doc """
  The histogram in the text format of Prometheus: `# TYPE`, a cumulative `_bucket` for each bound and
  for `+Inf`, `_sum`, `_count`, all of one reading.

  Raises `ArgumentError` for names that Prometheus does not allow.

  ## Options

    * `:help` - a line `# HELP` before.
    * `:labels` - a list or map of names and values. Values may be any text, atom or number.
    * `:divisor` - what bounds and sum are divided by: 1_000_000_000 shows nanoseconds as the seconds
      that are usual in Prometheus. Default 1.
    * `:buckets` - HDR only: the bounds to show, as divided, in ascending order. Values that share a bucket
      with a bound count as not above it. Default: the powers of two less one, which are exact.
    * `:header` - `false`: no `# TYPE` and `# HELP`, for the second and further histograms of a name.

  ## Examples

      iex> h = Offheap.Histogram.new(buckets: [0.5, 1])
      iex> Offheap.Histogram.record_many(h, [0.25, 0.75, 3])
      iex> Offheap.Histogram.to_prometheus(h, :wait_seconds, labels: [queue: "mail"])
      ~S'''
      # TYPE wait_seconds histogram
      wait_seconds_bucket{queue="mail",le="0.5"} 1
      wait_seconds_bucket{queue="mail",le="1"} 2
      wait_seconds_bucket{queue="mail",le="+Inf"} 3
      wait_seconds_sum{queue="mail"} 4
      wait_seconds_count{queue="mail"} 3
      '''
  """
  @spec to_prometheus(t(), atom() | String.t(), [:offheap_histogram.text_option()]) :: String.t()
  def to_prometheus(histogram, name, options \\ []),
    do: :offheap_histogram.to_prometheus(histogram, name, options)
end
