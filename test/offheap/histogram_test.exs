defmodule Offheap.HistogramTest do
  use ExUnit.Case, async: true

  import Bitwise
  alias Offheap.Histogram

  doctest Offheap.Histogram

  @word (1 <<< 63) - 1
  @quantiles [0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 1]

  describe "HDR values" do
    test "at the edges of the range and of representations count as they are" do
      h = Histogram.new(highest: @word, out_of_range: :error)

      values =
        [0, 1, 2047, 2048, @word - 1, @word] ++
          for(bits <- [28, 32, 59, 60, 62], offset <- -1..1, do: (1 <<< bits) + offset)

      for value <- values, do: assert(Histogram.record(h, value) == :ok)
      assert Histogram.count(h) == length(values)
      assert Histogram.sum(h) == Enum.sum(values)
      assert Histogram.min(h) == 0
      assert Histogram.max(h) == @word

      for value <- values do
        {low, high} = Histogram.equivalent_range(h, value)
        assert low <= value and value <= high
      end
    end

    test "out of range raise and change nothing, as chosen" do
      h = Histogram.new(highest: 1000, out_of_range: :error)
      assert Histogram.record(h, 1000) == :ok

      for value <- [1001, -1, 1 <<< 59, 1 <<< 63, 1 <<< 64, 1 <<< 100, -(1 <<< 63), -(1 <<< 100)] do
        assert_raise ArgumentError, fn -> Histogram.record(h, value) end
        assert_raise ArgumentError, fn -> Histogram.record_n(h, value, 2) end
        assert_raise ArgumentError, fn -> Histogram.record_many(h, [1, value]) end
      end

      assert Histogram.buckets(h) |> Enum.map(&elem(&1, 1)) == [1]
    end

    test "out of range count as the nearest one in it, as chosen" do
      h = Histogram.new(highest: 1000, digits: 5)
      high = [1000, 1001, 1 <<< 59, 1 <<< 63, 1 <<< 64, 1 <<< 100]
      low = [0, -1, -(1 <<< 59), -(1 <<< 63), -(1 <<< 64), -(1 <<< 100)]
      for value <- high ++ low, do: assert(Histogram.record(h, value) == :ok)
      assert Histogram.buckets(h) == [{0, 6}, {1000, 6}]
      assert Histogram.sum(h) == 6000
      assert Histogram.record_many(h, high ++ low) == :ok
      assert Histogram.buckets(h) == [{0, 12}, {1000, 12}]
    end

    test "that are no integers are refused" do
      for h <- [Histogram.new(), Histogram.new(out_of_range: :error)],
          value <- [1.0, 0.0, :a, nil, "1", [1], {1}, self(), make_ref(), %{}] do
        assert_raise ArgumentError, fn -> Histogram.record(h, value) end
        assert_raise ArgumentError, fn -> Histogram.record_n(h, value, 1) end
        assert_raise ArgumentError, fn -> Histogram.record_many(h, [1, value]) end
        assert Histogram.count(h) == 0
      end
    end
  end

  describe "explicit values" do
    test "count up to and with each bound" do
      h = Histogram.new(buckets: [-1.5, 0, 2])
      values = [-2, -1.5, -1.49, -0.0, 0, 5.0e-324, 2, 2.0000001, 1.0e308, (1 <<< 64) - 1]
      for value <- values, do: assert(Histogram.record(h, value) == :ok)
      assert Histogram.buckets(h) == [{-1.5, 2}, {0.0, 3}, {2.0, 2}, {:infinity, 3}]
      assert Histogram.min(h) == -2.0
      assert Histogram.max(h) == 1.0e308
      assert Histogram.count(h) == 10
    end

    test "that are no numbers, or too large for a float, are refused" do
      h = Histogram.new(buckets: [1])

      for value <- [:a, nil, "1", [1], 1 <<< 64, -(1 <<< 63) - 1, :infinity] do
        assert_raise ArgumentError, fn -> Histogram.record(h, value) end
        assert_raise ArgumentError, fn -> Histogram.record_many(h, [1, value]) end
      end

      assert Histogram.count(h) == 0
    end

    test "beyond what a float can sum up leave numbers" do
      h = Histogram.new(buckets: [1])
      for value <- [1.0e308, 1.7e308, -1.0e308], do: Histogram.record_n(h, value, @word)
      summary = Histogram.summary(h)
      assert Enum.all?(Map.values(summary), &is_number/1)
    end

    test "have the mean and the deviation of the values themselves" do
      h = Histogram.new(buckets: Histogram.exponential_buckets(0.001, 2, 16))
      values = for i <- 1..1000, do: :math.exp(:math.sin(i) * 3) / 100
      Histogram.record_many(h, values)
      mean = Enum.sum(values) / 1000
      deviation = :math.sqrt(Enum.sum(for v <- values, do: (v - mean) * (v - mean)) / 1000)
      assert_in_delta Histogram.mean(h), mean, 1.0e-12
      assert_in_delta Histogram.stddev(h), deviation, 1.0e-9
    end
  end

  describe "new" do
    test "refuses what makes no sense" do
      for options <- [
            :highest,
            [:highest],
            [highest: 1],
            [highest: 0],
            [highest: -5],
            [highest: 1.0],
            [highest: nil],
            [lowest: 0],
            [lowest: -1],
            [lowest: 1 <<< 70],
            [lowest: 501, highest: 1001],
            [lowest: 1 <<< 58, highest: @word, digits: 1],
            [digits: 0],
            [digits: 6],
            [digits: -1],
            [digits: 1 <<< 32],
            [digits: (1 <<< 32) + 1],
            [digits: 2.0],
            [out_of_range: true],
            [unknown: 1],
            [buckets: []],
            [buckets: [2, 1]],
            [buckets: [1, 1.0]],
            [buckets: [1, :infinity]],
            [buckets: [1 | 2]],
            [buckets: [1 <<< 64]],
            [buckets: :default],
            [buckets: [1], digits: 3],
            [digits: 3, buckets: [1]],
            %{}
          ] do
        assert_raise ArgumentError, fn -> Histogram.new(options) end
      end
    end

    test "raises system_limit for what is too large" do
      for highest <- [1 <<< 63, 1 <<< 64, 1 <<< 100] do
        assert_raise SystemLimitError, fn -> Histogram.new(highest: highest) end
      end

      assert_raise SystemLimitError, fn -> Histogram.new(buckets: Enum.to_list(1..4097)) end
      h = Histogram.new(buckets: Enum.to_list(1..4096))
      Histogram.record_many(h, Enum.to_list(1..5000))
      assert Histogram.buckets(h) |> List.last() == {:infinity, 904}
      assert length(Histogram.info(h).buckets) == 4096
    end

    test "buckets are computed as asked, or refused" do
      assert Histogram.exponential_buckets(1, 10, 1) == [1.0]
      assert length(Histogram.linear_buckets(-5, 0.5, 4096)) == 4096

      for {start, factor, count} <-
            [{0, 2, 3}, {-1, 2, 3}, {1, 1, 3}, {1, 2, 0}, {1, 2, 3.0}] ++
              [{1, 1.0e300, 3}, {:a, 2, 3}, {1, nil, 3}, {1 <<< 2000, 2, 3}] do
        assert_raise ArgumentError, fn -> Histogram.exponential_buckets(start, factor, count) end
      end

      for {start, width, count} <- [{0, 0, 3}, {0, -1, 3}, {0, 1, 0}, {:a, 1, 3}, {0, :a, 3}] do
        assert_raise ArgumentError, fn -> Histogram.linear_buckets(start, width, count) end
      end

      assert_raise SystemLimitError, fn -> Histogram.exponential_buckets(1, 1.001, 4097) end
      assert_raise SystemLimitError, fn -> Histogram.linear_buckets(1, 1, 4097) end
    end

    test "info tells how a histogram was made" do
      h = Histogram.new(lowest: 10, highest: 5000, digits: 2, out_of_range: :error)

      assert %{lowest: 10, highest: 5000, digits: 2, out_of_range: :error, stripes: 0} =
               Histogram.info(h)

      Histogram.record(h, 1)
      assert %{stripes: 1, cells: cells, memory: memory} = Histogram.info(h)
      assert memory > 2 * 8 * cells
      assert Histogram.info(Histogram.new(buckets: [1, 2])).buckets == [1.0, 2.0]
    end
  end

  describe "record_n and record_many" do
    test "a count is 0..2^63-1" do
      h = Histogram.new()
      assert Histogram.record_n(h, 5, 0) == :ok
      assert Histogram.summary(h).min == :undefined
      assert Histogram.record_n(h, 5, @word) == :ok
      assert Histogram.sum(h) == 5 * @word

      for n <- [-1, @word + 1, 1 <<< 64, 1.0, :a, nil] do
        assert_raise ArgumentError, fn -> Histogram.record_n(h, 5, n) end
      end

      assert Histogram.count(h) == @word
    end

    test "a count that wraps around leaves numbers, or a histogram without any" do
      for h <- [Histogram.new(), Histogram.new(buckets: [1])] do
        for n <- [@word, @word, 2], do: assert(Histogram.record_n(h, 5, n) == :ok)
        assert %{count: 0, mean: :undefined, stddev: :undefined} = Histogram.summary(h)
        assert Histogram.quantiles(h, [0.5]) == [:undefined]
        Histogram.record(h, 5)
        assert Enum.all?(Map.values(Histogram.summary(h)), &is_number/1)
        assert Histogram.quantiles(h, [0, 0.5, 1]) == [5, 5, 5]
      end
    end

    test "lists of every length count whole" do
      for length <- [0, 1, 255, 256, 257, 511, 512, 513, 4096, 4097, 100_000] do
        h = Histogram.new()
        list = Enum.map(1..length//1, &rem(&1 * 7919, 100_000))
        assert Histogram.record_many(h, list) == :ok
        assert {Histogram.count(h), Histogram.sum(h)} == {length, Enum.sum(list)}
      end
    end

    test "a list with one wrong value, or none at its end, counts nothing" do
      h = Histogram.new()

      for length <- [1, 256, 257, 5000, 100_000], wrong <- [:a, 1.0] do
        list = List.duplicate(7, length)
        assert_raise ArgumentError, fn -> Histogram.record_many(h, list ++ [wrong]) end
        assert_raise ArgumentError, fn -> Histogram.record_many(h, list ++ wrong) end
        assert_raise ArgumentError, fn -> Histogram.record_many(h, [wrong | list]) end
      end

      for wrong <- [:a, 1, {}, %{}, "ab", nil] do
        assert_raise ArgumentError, fn -> Histogram.record_many(h, wrong) end
      end

      assert Histogram.count(h) == 0
    end

    test "a long list lets other processes run" do
      h = Histogram.new()
      list = List.duplicate(7, 300_000)
      {:reductions, before} = Process.info(self(), :reductions)
      assert Histogram.record_many(h, list) == :ok
      {:reductions, later} = Process.info(self(), :reductions)
      assert later - before > 4000
    end
  end

  describe "measure" do
    test "records the time that passed, in the unit asked for" do
      for {unit, factor} <- [nanosecond: 1, microsecond: 1000, millisecond: 1_000_000] do
        hdr = Histogram.new()
        explicit = Histogram.new(buckets: [1.0])
        {start, spin} = spin(3_000_000)
        assert Histogram.measure(hdr, spin, unit) == :spun
        assert Histogram.measure(explicit, spin, unit) == :spun
        all = System.monotonic_time(:nanosecond) - start
        for h <- [hdr, explicit], do: assert(Histogram.count(h) == 1)
        assert Histogram.sum(hdr) in div(3_000_000, factor)..div(all, factor)
        assert Histogram.sum(explicit) >= 3_000_000 / factor
        assert Histogram.sum(explicit) <= all / factor
      end
    end

    test "is in nanoseconds for HDR and in seconds for explicit histograms" do
      {_start, spin} = spin(1_000_000)
      hdr = Histogram.new()
      explicit = Histogram.new(buckets: [1.0])
      assert Histogram.measure(hdr, spin) == :spun
      assert Histogram.measure(explicit, spin) == :spun
      assert Histogram.sum(hdr) >= 1_000_000
      assert Histogram.sum(explicit) >= 0.001
      assert Histogram.sum(explicit) < 1000
    end

    test "records nothing of what raises, and does not run what it cannot record" do
      h = Histogram.new()
      assert catch_throw(Histogram.measure(h, fn -> throw(:out) end)) == :out
      assert_raise RuntimeError, fn -> Histogram.measure(h, fn -> raise "no" end) end
      assert Histogram.count(h) == 0

      forbidden = fn -> flunk("ran") end
      assert_raise ArgumentError, fn -> Histogram.measure(make_ref(), forbidden) end
      assert_raise ArgumentError, fn -> Histogram.measure(h, forbidden, :hour) end
      assert_raise ArgumentError, fn -> Histogram.measure(h, fn _ -> :ok end) end
      assert_raise ArgumentError, fn -> Histogram.measure(h, :not_a_function) end
    end

    test "raises after the call for a time that the histogram refuses" do
      h = Histogram.new(highest: 2, out_of_range: :error)
      {_start, spin} = spin(1000)
      assert_raise ArgumentError, fn -> Histogram.measure(h, spin) end
      assert Histogram.count(h) == 0
    end

    # Keeps the processor for so long; sleeping would take longer.
    defp spin(ns) do
      fun = fn ->
        until = System.monotonic_time(:nanosecond) + ns
        Enum.find(Stream.cycle([1]), fn _ -> System.monotonic_time(:nanosecond) >= until end)
        :spun
      end

      {System.monotonic_time(:nanosecond), fun}
    end
  end

  describe "readings" do
    test "of an empty histogram have no values" do
      for h <- [Histogram.new(), Histogram.new(buckets: [1])] do
        assert %{count: 0, min: :undefined, max: :undefined, mean: :undefined, stddev: :undefined} =
                 Histogram.summary(h)

        assert Histogram.quantiles(h, [0, 0.5, 1]) == [:undefined, :undefined, :undefined]
        for f <- [:min, :max, :mean, :stddev], do: assert(apply(Histogram, f, [h]) == :undefined)
      end

      assert Histogram.sum(Histogram.new()) === 0
      assert Histogram.sum(Histogram.new(buckets: [1])) === 0.0
      assert Histogram.buckets(Histogram.new()) == []
      assert Histogram.buckets(Histogram.new(buckets: [1])) == [{1.0, 0}, {:infinity, 0}]
    end

    test "of single functions are those of the summary" do
      for h <- [Histogram.new(), Histogram.new(buckets: [10, 100])] do
        Histogram.record_many(h, [3, 50, 700, 700])

        for {key, value} <- Histogram.summary(h) do
          assert apply(Histogram, key, [h]) === value
        end
      end
    end

    test "quantiles are of 0..1, up to 1024 of them" do
      h = Histogram.new()
      Histogram.record_many(h, Enum.to_list(1..1000))
      assert Histogram.quantiles(h, []) == []
      assert Histogram.quantiles(h, for(i <- 1..1000, do: i / 1000)) == Enum.to_list(1..1000)

      assert Histogram.quantiles(h, for(i <- 1000..1//-1, do: i / 1000)) ==
               Enum.to_list(1000..1//-1)

      assert Histogram.quantiles(h, List.duplicate(0.5, 1024)) == List.duplicate(500, 1024)
      assert_raise SystemLimitError, fn -> Histogram.quantiles(h, List.duplicate(0.5, 1025)) end

      for wrong <- [0.5, [-0.1], [1.1], [2], [:a], [nil], [0.5 | 0.6], :a, [1 <<< 70]] do
        assert_raise ArgumentError, fn -> Histogram.quantiles(h, wrong) end
      end
    end

    test "the stub knows its statistics only" do
      for wrong <- [:median, nil, 1, "count"] do
        assert_raise ArgumentError, fn ->
          :offheap_nif.histogram_statistic(Histogram.new(), wrong)
        end
      end

      for {histogram_end, tail} <- [{-1, []}, {:a, []}, {1, :tail}] do
        assert_raise ArgumentError, fn ->
          :offheap_nif.histogram_buckets(Histogram.new(), histogram_end, tail)
        end
      end

      for start <- [:a, System.monotonic_time(:nanosecond) + 1_000_000_000_000_000, 1 <<< 64] do
        assert_raise ArgumentError, fn ->
          :offheap_nif.histogram_stop(Histogram.new(), start, 1)
        end
      end
    end

    test "equivalent ranges are HDR's" do
      assert_raise ArgumentError, fn ->
        Histogram.equivalent_range(Histogram.new(buckets: [1]), 1)
      end

      h = Histogram.new(highest: 100_000, digits: 3, out_of_range: :error)
      assert Histogram.equivalent_range(h, 2047) == {2047, 2047}
      assert Histogram.equivalent_range(h, 2048) == {2048, 2049}
      assert_raise ArgumentError, fn -> Histogram.equivalent_range(h, 100_001) end
    end
  end

  describe "a million values" do
    # Shapes that are met in practice; each a list of integers.
    defp log_normal, do: fn -> trunc(:math.exp(13 + 1.2 * :rand.normal())) end

    # A cache before a database: most answers fast, some slow, few very slow.
    defp three_modes do
      fn ->
        case :rand.uniform(1000) do
          n when n <= 850 -> 80_000 + :rand.uniform(40_000)
          n when n <= 990 -> trunc(5_000_000 + 800_000 * :rand.normal())
          _ -> 250_000_000 + :rand.uniform(100_000_000)
        end
      end
    end

    # A heavy tail that reaches the highest value.
    defp pareto,
      do: fn -> min(trunc(20_000 / :math.pow(:rand.uniform(), 1 / 0.9)), 60_000_000_000) end

    for {shape, digits} <- [log_normal: 3, three_modes: 2, pareto: 4] do
      test "#{shape}: quantiles are those of the sorted values to #{digits} digits, parts make the whole" do
        :rand.seed(:exsss, {1, 2, 3})
        draw = unquote(shape)()
        values = for _ <- 1..1_000_000, do: max(draw.(), 0)
        new = fn -> Histogram.new(highest: 60_000_000_000, digits: unquote(digits)) end

        whole = new.()
        Histogram.record_many(whole, values)
        sorted = values |> Enum.sort() |> List.to_tuple()

        for {q, got} <- Enum.zip(@quantiles, Histogram.quantiles(whole, @quantiles)) do
          exact = elem(sorted, max(ceil_exact(q, 1_000_000), 1) - 1)
          {_low, high} = Histogram.equivalent_range(whole, exact)
          expected = if q == 0, do: exact, else: min(high, Histogram.max(whole))
          assert got == expected
          assert got >= exact and got - exact <= exact * :math.pow(10, -unquote(digits))
        end

        assert Histogram.sum(whole) == Enum.sum(values)
        assert_in_delta Histogram.mean(whole), Enum.sum(values) / 1_000_000, 1.0e-3
        assert_in_delta Histogram.stddev(whole) / deviation(values), 1, 0.005

        merged = new.()

        for part <- Enum.chunk_every(values, 300_000) do
          h = new.()
          Histogram.record_many(h, part)
          assert Histogram.merge(merged, h) == :ok
        end

        assert Histogram.buckets(merged) == Histogram.buckets(whole)
        assert Histogram.summary(merged) == Histogram.summary(whole)
        assert Histogram.quantiles(merged, @quantiles) == Histogram.quantiles(whole, @quantiles)
        assert Histogram.export(merged) == Histogram.export(whole)
      end
    end

    # ceil(q * n), where q has at most four decimals.
    defp ceil_exact(q, n), do: div(round(q * 10_000) * n + 9_999, 10_000)

    defp deviation(values) do
      mean = Enum.sum(values) / length(values)
      squares = Enum.reduce(values, 0, fn v, sum -> sum + (v - mean) * (v - mean) end)
      :math.sqrt(squares / length(values))
    end
  end

  describe "merge" do
    test "takes histograms of the same buckets only, and changes nothing else" do
      h = Histogram.new(highest: 1000, digits: 2)
      Histogram.record(h, 1)
      large = Histogram.new(highest: 1_000_000, digits: 2)
      Histogram.record(large, 500)
      assert Histogram.merge(h, large) == :ok
      Histogram.record(large, 900_000)

      for other <- [
            large,
            Histogram.new(highest: 1000, digits: 3),
            Histogram.new(highest: 1000, digits: 2, lowest: 4),
            Histogram.new(buckets: [1])
          ] do
        assert_raise ArgumentError, fn -> Histogram.merge(h, other) end
      end

      assert Histogram.buckets(h) == [{1, 1}, {501, 1}]
      assert Histogram.merge(large, h) == :ok
      assert Histogram.count(large) == 4
    end

    test "adds up explicit histograms, and a histogram to itself" do
      a = Histogram.new(buckets: [1, 2])
      b = Histogram.new(buckets: [1.0, 2.0])
      Histogram.record_many(a, [0.5, 1.5])
      Histogram.record_many(b, [1.5, 7])
      assert Histogram.merge(a, b) == :ok
      assert Histogram.buckets(a) == [{1.0, 1}, {2.0, 2}, {:infinity, 1}]
      assert Histogram.merge(a, a) == :ok
      assert Histogram.buckets(a) == [{1.0, 2}, {2.0, 4}, {:infinity, 2}]
      assert Histogram.sum(a) == 21.0
      assert_raise ArgumentError, fn -> Histogram.merge(a, Histogram.new(buckets: [1, 2.5])) end
    end

    test "both ways at once ends" do
      a = Histogram.new(digits: 1)
      b = Histogram.new(digits: 1)
      Histogram.record(a, 1)

      [{a, b}, {b, a}, {a, b}, {b, a}]
      |> Enum.map(fn {to, from} ->
        Task.async(fn -> for _ <- 1..20, do: :ok = Histogram.merge(to, from) end)
      end)
      |> Task.await_many(:infinity)

      for h <- [a, b], do: assert(Histogram.sum(h) == Histogram.count(h))
    end
  end

  describe "several processes" do
    # Each value is its own bucket, so that the buckets of a reading tell what sum it must have.
    defp consistent(h) do
      buckets = Histogram.buckets(h)
      summary = Histogram.summary(h)
      assert summary.count == Enum.sum(for {_, n} <- buckets, do: n)
      assert summary.sum == Enum.sum(for {value, n} <- buckets, do: value * n)
      if buckets != [], do: assert(summary.max == buckets |> List.last() |> elem(0))
      summary
    end

    test "record while others take snapshots: each recording is in exactly one" do
      h = Histogram.new(highest: 100_000)

      recorders =
        for worker <- 1..4 do
          Task.async(fn ->
            for i <- 1..20_000, do: :ok = Histogram.record(h, rem(i * worker, 2000))
            for _ <- 1..100, do: :ok = Histogram.record_many(h, Enum.to_list(1..100))
            20_000 + 10_000
          end)
        end

      readers =
        for _ <- 1..2 do
          Task.async(fn ->
            take_until_told(fn -> consistent(Histogram.snapshot_reset(h)) end, {0, 0})
          end)
        end

      watcher =
        Task.async(fn -> take_until_told(fn -> consistent(Histogram.snapshot(h)) end, {0, 0}) end)

      count = recorders |> Task.await_many(:infinity) |> Enum.sum()
      for task <- [watcher | readers], do: send(task.pid, :stop)
      Task.await(watcher, :infinity)
      left = consistent(Histogram.snapshot_reset(h))
      taken = Task.await_many(readers, :infinity)

      sum =
        Enum.sum(for worker <- 1..4, i <- 1..20_000, do: rem(i * worker, 2000)) + 4 * 100 * 5050

      assert left.count + Enum.sum(Enum.map(taken, &elem(&1, 0))) == count
      assert left.sum + Enum.sum(Enum.map(taken, &elem(&1, 1))) == sum
      assert Histogram.count(h) == 0
    end

    defp take_until_told(take, {count, sum}) do
      summary = take.()
      total = {count + summary.count, sum + summary.sum}

      receive do
        :stop -> total
      after
        0 -> take_until_told(take, total)
      end
    end

    test "a reading has all that was recorded before it" do
      h = Histogram.new()

      1..4
      |> Enum.map(fn _ ->
        Task.async(fn ->
          for i <- 1..2000 do
            before = Histogram.count(h)
            Histogram.record(h, i)
            assert Histogram.count(h) > before
          end
        end)
      end)
      |> Task.await_many(:infinity)

      assert Histogram.count(h) == 8000
    end

    test "explicit histograms keep the sum with the count" do
      h = Histogram.new(buckets: [1, 2, 3])

      tasks =
        for _ <- 1..3 do
          Task.async(fn -> for _ <- 1..20_000, do: Histogram.record(h, 2.5) end)
        end

      reader =
        Task.async(fn ->
          take_until_told(
            fn ->
              summary = Histogram.summary(h)
              assert summary.sum == summary.count * 2.5
              summary
            end,
            {0, 0}
          )
        end)

      Task.await_many(tasks, :infinity)
      send(reader.pid, :stop)
      Task.await(reader, :infinity)
      assert Histogram.sum(h) == 150_000.0
    end
  end

  describe "a large histogram" do
    setup do
      h = Histogram.new(highest: @word, digits: 5)
      values = for i <- 0..62, do: (1 <<< i) + div(1 <<< i, 3)
      values = Enum.filter(values, &(&1 <= @word))
      Histogram.record_many(h, [0, @word | values])
      %{h: h, values: Enum.sort([0, @word | values])}
    end

    test "answers as a small one", %{h: h, values: values} do
      count = length(values)
      assert Histogram.info(h).cells == 6_160_384
      assert Histogram.summary(h).count == count
      assert Histogram.quantiles(h, [0, 1]) == [0, @word]
      [median] = Histogram.quantiles(h, [0.5])
      exact = Enum.at(values, ceil(count / 2) - 1)
      assert median >= exact and median - exact <= exact * 1.0e-5
      buckets = Histogram.buckets(h)
      assert Enum.sum(for {_, n} <- buckets, do: n) == count
      assert buckets == Enum.sort(buckets)

      {:ok, copy} = Histogram.import(Histogram.export(h))
      assert Histogram.buckets(copy) == buckets
      assert Histogram.merge(copy, h) == :ok
      assert Histogram.count(copy) == 2 * count
      assert Histogram.count(Histogram.snapshot_reset(h)) == count
      assert Histogram.count(h) == 0
    end

    test "whose reader is killed can be read by others", %{h: h, values: values} do
      test = self()

      for _ <- 1..10 do
        {pid, monitor} =
          spawn_monitor(fn ->
            send(test, :started)
            for _ <- Stream.cycle([1]), do: Histogram.quantiles(h, [0.5])
          end)

        assert_receive :started
        Process.exit(pid, :kill)
        assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
        assert Histogram.count(h) == length(values)
      end
    end

    test "is read by several at once", %{h: h, values: values} do
      1..4
      |> Enum.map(fn _ -> Task.async(fn -> for _ <- 1..5, do: Histogram.count(h) end) end)
      |> Task.await_many(:infinity)
      |> Enum.each(&assert &1 == List.duplicate(length(values), 5))
    end
  end

  describe "the V2 encoding" do
    # A histogram of 2 digits up to 1000000: cells 0..255 are single values, then 128 a power of two.
    # Once 0, 3 x 1, none of 2..9, 64 x 10; ZigZag, seven bits a byte.
    @known <<0x1C849313::32, 5::32, 0::32, 2::32, 1::64, 1_000_000::64, 1.0::float-64>> <>
             <<0x02, 0x06, 0x0F, 0x80, 0x01>>

    test "is the one written by hand" do
      h = Histogram.new(highest: 1_000_000, digits: 2)
      Histogram.record_many(h, [0, 1, 1, 1 | List.duplicate(10, 64)])
      assert Histogram.export(h) == @known
      assert {:ok, copy} = Histogram.import(@known)
      assert Histogram.buckets(copy) == [{0, 1}, {1, 3}, {10, 64}]
      assert Histogram.summary(copy) == Histogram.summary(h)
      assert Histogram.info(copy).out_of_range == :saturate
    end

    test "of an empty histogram has no payload" do
      h = Histogram.new(highest: 1_000_000, digits: 2)
      assert <<_::32, 0::32, _::binary-size(32)>> = Histogram.export(h)
      {:ok, copy} = Histogram.import(Histogram.export(h))
      assert Histogram.summary(copy) == Histogram.summary(h)
    end

    test "keeps what it cannot have within the digits" do
      h = Histogram.new()
      Histogram.record_many(h, for(i <- 1..1000, do: i * i * i * 1000))
      {:ok, copy} = Histogram.import(Histogram.export(h))

      for key <- [:sum, :min, :max, :mean, :stddev] do
        assert_in_delta Map.get(Histogram.summary(copy), key) /
                          Map.get(Histogram.summary(h), key),
                        1,
                        0.001
      end
    end

    test "is refused where it is none" do
      for size <- 0..(byte_size(@known) - 1) do
        assert Histogram.import(binary_part(@known, 0, size)) == {:error, :malformed}
      end

      assert Histogram.import(@known <> <<0>>) == {:error, :malformed}

      for wrong <- [:a, 1, nil, [@known], <<1::7>>] do
        assert_raise ArgumentError, fn -> Histogram.import(wrong) end
      end

      assert_raise ArgumentError, fn -> Histogram.export(Histogram.new(buckets: [1])) end
    end

    test "of a count beyond 2^63 - 1 does not exist" do
      h = Histogram.new()
      for _ <- 1..2, do: Histogram.record_n(h, 1, @word)
      assert_raise SystemLimitError, fn -> Histogram.export(h) end
    end
  end

  describe "Prometheus text" do
    test "has cumulative buckets, sum and count" do
      h = Histogram.new(buckets: [0.005, 0.5, 1, 1.0e6])
      Histogram.record_many(h, [0.001, 0.3, 0.4, 7, 2.0e6])

      assert Histogram.to_prometheus(h, "http_request_duration_seconds",
               help: "Time.\nAll \\ of it."
             ) ==
               ~S"""
               # HELP http_request_duration_seconds Time.\nAll \\ of it.
               # TYPE http_request_duration_seconds histogram
               http_request_duration_seconds_bucket{le="0.005"} 1
               http_request_duration_seconds_bucket{le="0.5"} 3
               http_request_duration_seconds_bucket{le="1"} 3
               http_request_duration_seconds_bucket{le="1.0e6"} 4
               http_request_duration_seconds_bucket{le="+Inf"} 5
               http_request_duration_seconds_sum 2000007.701
               http_request_duration_seconds_count 5
               """
    end

    test "of HDR has the powers of two, or the bounds asked for, divided" do
      h = Histogram.new(lowest: 2, highest: 100, digits: 1)
      Histogram.record_many(h, [1, 3, 4, 5, 100])

      assert Histogram.to_prometheus(h, :h) == """
             # TYPE h histogram
             h_bucket{le="3"} 2
             h_bucket{le="7"} 4
             h_bucket{le="15"} 4
             h_bucket{le="31"} 4
             h_bucket{le="63"} 4
             h_bucket{le="127"} 5
             h_bucket{le="+Inf"} 5
             h_sum 113
             h_count 5
             """

      assert Histogram.to_prometheus(h, :h, divisor: 2, buckets: [-1, 1.5, 2, 1000], header: false) ==
               """
               h_bucket{le="-1"} 0
               h_bucket{le="1.5"} 2
               h_bucket{le="2"} 4
               h_bucket{le="1000"} 5
               h_bucket{le="+Inf"} 5
               h_sum 56.5
               h_count 5
               """
    end

    test "of nanoseconds is in seconds" do
      h = Histogram.new()
      Histogram.record_many(h, [4_000_000, 5_000_000, 6_000_000])

      assert Histogram.to_prometheus(h, :wait, divisor: 1_000_000_000, buckets: [0.005, 1]) == """
             # TYPE wait histogram
             wait_bucket{le="0.005"} 2
             wait_bucket{le="1"} 3
             wait_bucket{le="+Inf"} 3
             wait_sum 0.015
             wait_count 3
             """
    end

    test "escapes labels" do
      h = Histogram.new(buckets: [1])
      labels = [{"path", "a\\b\"c\nd"}, {:code, 200}, {~c"p", :ok}, {:text, ["ä", 252]}]
      text = Histogram.to_prometheus(h, "x:y_1", labels: labels)
      assert text =~ ~S'x:y_1_sum{path="a\\b\"c\nd",code="200",p="ok",text="äü"} 0' <> "\n"

      assert Histogram.to_prometheus(h, :x, labels: %{a: 1.5}) =~
               ~S'x_bucket{a="1.5",le="+Inf"} 0'
    end

    test "is refused for what Prometheus or the histogram does not have" do
      h = Histogram.new(buckets: [1])
      hdr = Histogram.new(out_of_range: :error)

      for name <- ["", "1a", "a-b", "ä", "a\n", " a", {}] do
        assert_raise ArgumentError, fn -> Histogram.to_prometheus(h, name) end
      end

      for options <- [
            [labels: [le: 1]],
            [labels: ["a:b": 1]],
            [labels: [{"", 1}]],
            [labels: [:a]],
            [labels: :a],
            [labels: [a: {}]],
            [labels: [a: <<255>>]],
            [buckets: [1]],
            [divisor: 0],
            [divisor: :a],
            [divisor: -1],
            [header: 1],
            [unknown: 1],
            [help: {}],
            :a
          ] do
        assert_raise ArgumentError, fn -> Histogram.to_prometheus(h, :h, options) end
      end

      for buckets <- [[], [2, 1], [:a], :a, [1, 1]] do
        assert_raise ArgumentError, fn -> Histogram.to_prometheus(hdr, :h, buckets: buckets) end
      end

      assert Histogram.to_prometheus(hdr, :h, buckets: [1.0e300]) =~ ~S'h_bucket{le="1.0e300"} 0'
      Histogram.record(h, 1.0e300)
      assert_raise ArgumentError, fn -> Histogram.to_prometheus(h, :h, divisor: 1.0e-300) end
      assert_raise ArgumentError, fn -> Histogram.to_prometheus(make_ref(), :h) end
    end
  end

  describe "life cycle" do
    test "what is no reference of a histogram is refused by every function" do
      h = Histogram.new()

      for wrong <- [make_ref(), Offheap.Atomics.new(1), :counters.new(1, []), self(), 1, :a, nil] do
        refute Histogram.histogram?(wrong)

        for {f, args} <- calls() do
          assert_raise ArgumentError, fn -> apply(Histogram, f, [wrong | args]) end
        end

        assert_raise ArgumentError, fn -> Histogram.merge(wrong, h) end
        assert_raise ArgumentError, fn -> Histogram.merge(h, wrong) end
        assert_raise ArgumentError, fn -> :offheap_nif.histogram_stop(wrong, 0, 1) end
      end
    end

    test "a histogram lives in a message and in a table when no process holds it" do
      table = :ets.new(:holder, [:public])

      Task.await(
        Task.async(fn ->
          h = Histogram.new()
          Histogram.record(h, 99)
          :ets.insert(table, {:h, h, Histogram.snapshot(h)})
        end)
      )

      :erlang.garbage_collect()
      [{:h, h, snapshot}] = :ets.lookup(table, :h)
      for h <- [h, snapshot], do: assert(Histogram.sum(h) == 99)
    end

    defp calls do
      for f <-
            ~w(count sum min max mean stddev summary buckets info snapshot snapshot_reset export)a do
        {f, []}
      end ++
        [
          record: [1],
          record_n: [1, 1],
          record_many: [[1]],
          measure: [fn -> :ok end],
          quantiles: [[0.5]],
          equivalent_range: [1],
          to_prometheus: [:h]
        ]
    end
  end
end

defmodule Offheap.HistogramMemoryTest do
  # Not async: the emulator counts memory for all together.
  use ExUnit.Case

  @moduletag :emulator_memory

  import Offheap.Memory

  alias Offheap.Histogram

  test "memory goes with the last reference" do
    before = :erlang.memory(:system)

    histograms =
      for _ <- 1..200 do
        h = Histogram.new(digits: 2, highest: 1_000_000_000)
        Histogram.record(h, 1)
        h
      end

    bytes = Histogram.info(hd(histograms)).memory
    assert :erlang.memory(:system) - before > 150 * bytes

    collect_until(fn -> :erlang.memory(:system) - before < 100 * bytes end)
  end

  test "memory of snapshots goes with them" do
    h = Histogram.new(digits: 2, highest: 1_000_000_000)
    bytes = Histogram.info(h).memory
    before = :erlang.memory(:system)

    for _ <- 1..5000 do
      Histogram.record(h, 1)
      Histogram.snapshot_reset(h)
    end

    collect_until(fn -> :erlang.memory(:system) - before < 1000 * bytes end)
  end
end
