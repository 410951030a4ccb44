defmodule Offheap.RateLimiterTest do
  use ExUnit.Case, async: true

  import Bitwise
  alias Offheap.RateLimiter

  doctest Offheap.RateLimiter

  @second 1_000_000_000
  @time_min (1 <<< 62) * -1
  @time_max (1 <<< 62) - 1

  # What holds for a bucket, whether it is an index's or a key's. Each kind is a function that makes a
  # limiter, and the buckets that the tests use.
  @kinds [
    array: {&__MODULE__.array/1, [1, 2, 3, 1000]},
    keyed: {&RateLimiter.new_keyed/1, [1, "ada", {:user, 7, <<1>>}, 1.5]}
  ]

  def array(opts), do: RateLimiter.new(1000, opts)

  for {kind, {new, [bucket | _] = buckets}} <- @kinds do
    describe "#{kind}:" do
      @describetag new: new
      @describetag bucket: bucket
      @describetag buckets: buckets

      test "a bucket empties and fills at its rate", %{new: new, buckets: buckets} do
        l = new.(rate: 10, burst: 5)

        # The emulator's own times begin near -2^59; those around it and around 0 change their form.
        for start <- [0, -(1 <<< 59), 1 <<< 59, @time_min, @time_max - 100 * @second],
            shift <- [-1, 0, 1],
            start = max(start + shift, @time_min),
            bucket <- buckets do
          assert RateLimiter.reset(l, bucket) == :ok

          for remaining <- 4..0//-1 do
            assert RateLimiter.take(l, bucket, 1, start) == {:ok, remaining}
          end

          assert RateLimiter.take(l, bucket, 1, start) == {:error, 100}
          assert RateLimiter.take(l, bucket, 3, start) == {:error, 300}
          assert RateLimiter.take(l, bucket, 1, start + 99_999_999) == {:error, 1}
          assert RateLimiter.take(l, bucket, 1, start + 100_000_000) == {:ok, 0}
          assert RateLimiter.take(l, bucket, 2, start + 400_000_000) == {:ok, 1}
          assert RateLimiter.take(l, bucket, 5, start + 60 * @second) == {:ok, 0}
        end
      end

      test "the time to wait is rounded up to milliseconds", %{new: new, bucket: b} do
        l = new.(rate: 1, burst: 1)
        assert RateLimiter.take(l, b, 1, 0) == {:ok, 0}
        assert RateLimiter.take(l, b, 1, 1) == {:error, 1000}
        assert RateLimiter.take(l, b, 1, 999_999) == {:error, 1000}
        assert RateLimiter.take(l, b, 1, 1_000_000) == {:error, 999}
        assert RateLimiter.take(l, b, 1, @second - 1) == {:error, 1}
        assert RateLimiter.take(l, b, 1, @second) == {:ok, 0}
      end

      test "buckets are apart", %{new: new, buckets: buckets} do
        l = new.(rate: 1, burst: 2)
        [first | others] = buckets
        assert RateLimiter.take(l, first, 2, 0) == {:ok, 0}
        for bucket <- others, do: assert(RateLimiter.peek(l, bucket, 0, 0) == {:ok, 2})
      end

      test "a peek and a cost of 0 change nothing", %{new: new, bucket: b} do
        l = new.(rate: 1, burst: 3)
        assert RateLimiter.take(l, b, 0, 0) == {:ok, 3}
        assert RateLimiter.peek(l, b, 3, 0) == {:ok, 0}
        assert RateLimiter.take(l, b, 2, 0) == {:ok, 1}

        for _ <- 1..3 do
          assert RateLimiter.peek(l, b, 2, 0) == {:error, 1000}
          assert RateLimiter.peek(l, b, 1, 0) == {:ok, 0}
          assert RateLimiter.peek(l, b, 0, 0) == {:ok, 1}
          assert RateLimiter.take(l, b, 0, 0) == {:ok, 1}
        end
      end

      test "a refund fills a bucket and never overfills it", %{new: new, bucket: b} do
        l = new.(rate: 1, burst: 3)
        assert RateLimiter.refund(l, b, 3) == :ok
        assert RateLimiter.take(l, b, 3, 0) == {:ok, 0}
        assert RateLimiter.refund(l, b) == :ok
        assert RateLimiter.peek(l, b, 0, 0) == {:ok, 1}
        assert RateLimiter.refund(l, b, 0) == :ok
        assert RateLimiter.peek(l, b, 0, 0) == {:ok, 1}
        for _ <- 1..5, do: assert(RateLimiter.refund(l, b, 3) == :ok)
        assert RateLimiter.take(l, b, 3, 0) == {:ok, 0}
        assert RateLimiter.take(l, b, 1, 0) == {:error, 1000}
      end

      test "a reset fills a bucket", %{new: new, bucket: b} do
        l = new.(rate: 1, burst: 3)
        assert RateLimiter.take(l, b, 3, 0) == {:ok, 0}
        assert RateLimiter.reset(l, b) == :ok
        assert RateLimiter.take(l, b, 3, 0) == {:ok, 0}
      end

      test "an earlier time sees what later ones took", %{new: new, bucket: b} do
        l = new.(rate: 1, burst: 3)
        assert RateLimiter.take(l, b, 3, 10 * @second) == {:ok, 0}
        assert RateLimiter.take(l, b, 1, 0) == {:error, 11_000}
        assert RateLimiter.peek(l, b, 0, 0) == {:error, 10_000}
      end

      test "rates and periods at their ends", %{new: new, bucket: b} do
        # One unit a nanosecond, a bucket that takes 146 years to fill.
        l = new.(rate: 1_000_000, period_ms: 1, burst: 1 <<< 62)
        assert RateLimiter.take(l, b, 1 <<< 62, @time_max) == {:ok, 0}
        assert RateLimiter.take(l, b, 1, @time_max) == {:error, 1}
        assert RateLimiter.peek(l, b, 0, @time_min) == {:error, div(1 <<< 63, 1_000_000) + 1}

        assert RateLimiter.take(l, b, 1 <<< 62, @time_min) ==
                 {:error, div(3 <<< 62, 1_000_000) + 1}

        assert RateLimiter.reset(l, b) == :ok
        assert RateLimiter.take(l, b, 5, @time_min) == {:ok, (1 <<< 62) - 5}
        assert RateLimiter.take(l, b, 1, @time_max) == {:ok, (1 <<< 62) - 1}

        # One unit in the longest period of whole milliseconds.
        period_ms = div(1 <<< 62, 1_000_000)
        l = new.(rate: 1, period_ms: period_ms)
        assert RateLimiter.take(l, b, 1, @time_min) == {:ok, 0}
        assert RateLimiter.take(l, b, 1, @time_min) == {:error, period_ms}
        assert RateLimiter.take(l, b, 1, @time_min + period_ms * 1_000_000) == {:ok, 0}

        # An interval is whole nanoseconds, rounded up: three units take a second and 2 ns.
        l = new.(rate: 3)
        assert RateLimiter.take(l, b, 3, 0) == {:ok, 0}
        assert RateLimiter.take(l, b, 3, @second + 1) == {:error, 1}
        assert RateLimiter.take(l, b, 3, @second + 2) == {:ok, 0}
      end

      test "costs and times outside their range are refused and change nothing",
           %{new: new, bucket: b} do
        l = new.(rate: 5)
        assert RateLimiter.take(l, b, 2, 0) == {:ok, 3}

        for cost <- [6, -1, 1 <<< 59, (1 <<< 59) + 1, 1 <<< 63, 1 <<< 64, 1.0, :a, nil, "1", [1]] do
          assert_raise ArgumentError, fn -> RateLimiter.take(l, b, cost, 0) end
          assert_raise ArgumentError, fn -> RateLimiter.take(l, b, cost) end
          assert_raise ArgumentError, fn -> RateLimiter.peek(l, b, cost, 0) end
          assert_raise ArgumentError, fn -> RateLimiter.peek(l, b, cost) end
          assert_raise ArgumentError, fn -> RateLimiter.refund(l, b, cost) end
        end

        for time <-
              [@time_min - 1, @time_max + 1, (1 <<< 63) - 1, -(1 <<< 63), 1 <<< 63, 1 <<< 64] ++
                [1 <<< 100, 1.0, :a, nil, "1"] do
          assert_raise ArgumentError, fn -> RateLimiter.take(l, b, 1, time) end
          assert_raise ArgumentError, fn -> RateLimiter.peek(l, b, 1, time) end
        end

        assert RateLimiter.peek(l, b, 0, 0) == {:ok, 3}
      end

      test "options that make no sense are refused", %{new: new} do
        for {name, others} <- [rate: [], period_ms: [rate: 1], burst: [rate: 1]],
            value <- [0, -1, 1.0, :a, nil, "1", 1 <<< 63, 1 <<< 64, 1 <<< 100] do
          assert_raise ArgumentError, fn -> new.([{name, value} | others]) end
        end

        for opts <- [
              [],
              [burst: 1],
              [rate: 1, foo: 1],
              [:rate],
              [{:rate}],
              %{rate: 1},
              :rate,
              nil,
              [{:rate, 1} | :tail],
              # more than one unit a nanosecond
              [rate: 1_000_001, period_ms: 1],
              [rate: (1 <<< 59) + 1],
              # a bucket that takes more than 2^62 ns to fill
              [rate: 1, burst: div(1 <<< 62, @second) + 1],
              [rate: 1, period_ms: div(1 <<< 62, 1_000_000) + 1]
            ] do
          assert_raise ArgumentError, fn -> new.(opts) end
        end
      end

      test "without a time, the clock is Erlang's monotonic time", %{new: new, bucket: b} do
        # One unit an hour: none comes while the test runs.
        l = new.(rate: 1, period_ms: 3_600_000, burst: 10)
        assert RateLimiter.take(l, b) == {:ok, 9}
        assert RateLimiter.take(l, b, 9) == {:ok, 0}
        assert {:error, ms} = RateLimiter.take(l, b)
        assert ms in 3_500_000..3_600_000
        assert {:error, ms} = RateLimiter.peek(l, b, 2)
        assert ms in 7_100_000..7_200_000
        assert {:error, _} = RateLimiter.peek(l, b)

        # A take's time lies between before and later, but for the clock's 20 microseconds. For long
        # enough that the clock is set by the emulator's several times.
        hour = 3600 * @second
        l = new.(rate: 1, period_ms: 3_600_000, burst: 1)

        for _ <- 1..3000 do
          RateLimiter.reset(l, b)
          before = System.monotonic_time(:nanosecond)
          assert RateLimiter.take(l, b) == {:ok, 0}
          later = System.monotonic_time(:nanosecond)
          assert {:error, _} = RateLimiter.peek(l, b, 1, before + hour - 20_000)
          assert RateLimiter.peek(l, b, 1, later + hour + 20_000) == {:ok, 0}
        end
      end

      test "the clock goes on while a process sleeps", %{new: new, bucket: b} do
        l = new.(rate: 1_000_000, burst: 1)
        assert RateLimiter.take(l, b) == {:ok, 0}
        assert take_until_granted(l, b) == {:ok, 0}
      end

      test "what is no limiter is refused by every function", %{bucket: b} do
        for wrong <- [make_ref(), :atomics.new(1, []), Offheap.Atomics.new(1), self(), 1, nil, []] do
          assert_raise ArgumentError, fn -> RateLimiter.take(wrong, b) end
          assert_raise ArgumentError, fn -> RateLimiter.take(wrong, b, 1) end
          assert_raise ArgumentError, fn -> RateLimiter.take(wrong, b, 1, 0) end
          assert_raise ArgumentError, fn -> RateLimiter.peek(wrong, b) end
          assert_raise ArgumentError, fn -> RateLimiter.peek(wrong, b, 1) end
          assert_raise ArgumentError, fn -> RateLimiter.peek(wrong, b, 1, 0) end
          assert_raise ArgumentError, fn -> RateLimiter.refund(wrong, b) end
          assert_raise ArgumentError, fn -> RateLimiter.refund(wrong, b, 1) end
          assert_raise ArgumentError, fn -> RateLimiter.reset(wrong, b) end
          assert_raise ArgumentError, fn -> RateLimiter.prune(wrong) end
          assert_raise ArgumentError, fn -> RateLimiter.prune(wrong, 0) end
          assert_raise ArgumentError, fn -> RateLimiter.info(wrong) end
        end
      end

      test "processes that race for a bucket get exactly what it holds", %{new: new, bucket: b} do
        l = new.(rate: 1, burst: 1000)

        for round <- 0..19 do
          # Each round's bucket is full again; the first takes of a key race for its creation.
          now = round * 2000 * @second
          assert Enum.sum(race(fn _ -> empty(l, b, now, 0) end)) == 1000
          assert RateLimiter.take(l, b, 1, now) == {:error, 1000}
          RateLimiter.reset(l, b)
        end
      end

      test "no window of the grants' times holds more than the rate allows, and the sum is exact",
           %{new: new, bucket: b} do
        burst = 50
        interval = 7_000_000
        l = new.(rate: 1, period_ms: 7, burst: burst)
        clock = :atomics.new(1, [])
        start = -(1 <<< 59) + 1000
        :atomics.put(clock, 1, start)
        assert RateLimiter.take(l, b, 1, start) == {:ok, burst - 1}

        grants =
          race(fn seed -> take_by_clock(l, b, clock, start + 400 * interval, seed, []) end)
          |> List.flatten([{start, 1}])
          |> Enum.sort()

        assert_no_window_over(grants, burst, interval)

        # The bucket was never full again: all that was granted is in its state.
        units = grants |> Enum.map(&elem(&1, 1)) |> Enum.sum()
        assert units > 400
        assert RateLimiter.peek(l, b, burst, start + units * interval) == {:ok, 0}

        assert RateLimiter.peek(l, b, burst, start + units * interval - 1) == {:error, 1}
      end

      test "refunds of several processes are all there", %{new: new, bucket: b} do
        l = new.(rate: 1, burst: 100)

        kept =
          race(fn seed ->
            Enum.count(1..5000, fn i ->
              with {:ok, _} <- RateLimiter.take(l, b, 3, 0) do
                keep? = rem(i + seed, 500) == 0
                RateLimiter.refund(l, b, if(keep?, do: 2, else: 3))
                keep?
              else
                {:error, _} -> false
              end
            end)
          end)

        assert RateLimiter.peek(l, b, 0, 0) == {:ok, 100 - Enum.sum(kept)}
      end

      test "a limiter outlives its maker and works in another process", %{new: new, bucket: b} do
        test = self()

        {maker, monitor} =
          spawn_monitor(fn ->
            l = new.(rate: 5)
            RateLimiter.take(l, b, 2, 0)
            send(test, {:limiter, l})
          end)

        assert_receive {:limiter, l}
        assert_receive {:DOWN, ^monitor, :process, ^maker, _}
        assert RateLimiter.take(l, b, 1, 0) == {:ok, 2}
        copy = :erlang.binary_to_term(:erlang.term_to_binary(l))
        assert RateLimiter.take(copy, b, 1, 0) == {:ok, 1}
      end

      test "Erlang's functions are Elixir's", %{new: new, bucket: b} do
        l = new.(rate: 5, period_ms: 3_600_000)
        assert :offheap_rate_limiter.take(l, b) == {:ok, 4}
        assert :offheap_rate_limiter.take(l, b, 2) == {:ok, 2}
        now = System.monotonic_time(:nanosecond)
        assert :offheap_rate_limiter.take(l, b, 1, now) == {:ok, 1}
        assert :offheap_rate_limiter.peek(l, b) == {:ok, 0}
        assert :offheap_rate_limiter.peek(l, b, 0) == {:ok, 1}
        assert :offheap_rate_limiter.peek(l, b, 0, now) == {:ok, 1}
        assert :offheap_rate_limiter.refund(l, b) == :ok
        assert :offheap_rate_limiter.refund(l, b, 2) == :ok
        assert :offheap_rate_limiter.peek(l, b, 0, now) == {:ok, 4}
        assert :offheap_rate_limiter.reset(l, b) == :ok
        assert :offheap_rate_limiter.peek(l, b, 0, now) == {:ok, 5}
        assert :offheap_rate_limiter.info(l) == RateLimiter.info(l)
      end
    end
  end

  describe "an array" do
    test "refuses an index outside it in every function" do
      l = RateLimiter.new(2, rate: 5)

      for index <- [0, 3, -1, 1 <<< 59, 1 <<< 63, (1 <<< 63) - 1, 1 <<< 64, 1.0, :a, nil, "1"] do
        assert_raise ArgumentError, fn -> RateLimiter.take(l, index) end
        assert_raise ArgumentError, fn -> RateLimiter.take(l, index, 1, 0) end
        assert_raise ArgumentError, fn -> RateLimiter.peek(l, index, 1, 0) end
        assert_raise ArgumentError, fn -> RateLimiter.refund(l, index, 1) end
        assert_raise ArgumentError, fn -> RateLimiter.reset(l, index) end
      end
    end

    test "refuses sizes that make no sense, and those that memory cannot hold" do
      for size <- [0, -1, 1.0, :a, nil, "8", -(1 <<< 70)] do
        assert_raise ArgumentError, fn -> RateLimiter.new(size, rate: 1) end
      end

      for size <-
            [(1 <<< 40) + 1, (1 <<< 59) - 1, 1 <<< 59, (1 <<< 59) + 1, (1 <<< 63) - 1] ++
              [1 <<< 63, 1 <<< 64, 1 <<< 100] do
        assert_raise SystemLimitError, fn -> RateLimiter.new(size, rate: 1) end
      end
    end

    test "of 2^40 buckets is refused or usable at both ends, as the machine allows" do
      try do
        l = RateLimiter.new(1 <<< 40, rate: 5)
        assert RateLimiter.take(l, 1 <<< 40, 1, 0) == {:ok, 4}
        assert RateLimiter.take(l, 1, 2, 0) == {:ok, 3}
      rescue
        SystemLimitError -> :ok
      end
    end

    test "has no keys to prune" do
      l = RateLimiter.new(2, rate: 5)
      assert_raise ArgumentError, fn -> RateLimiter.prune(l) end
      assert_raise ArgumentError, fn -> RateLimiter.prune(l, 0) end
    end

    test "tells its size and rate" do
      assert %{size: 10, burst: 7, interval_ns: 200_000_000, memory: memory} =
               RateLimiter.info(RateLimiter.new(10, rate: 5, burst: 7))

      assert memory >= 80
    end
  end

  describe "a keyed limiter" do
    test "tells keys apart as =:= does, and takes any term" do
      l = RateLimiter.new_keyed(rate: 1)

      keys =
        [1, 1.0, "1", :"1", [1], {1}, %{1 => 1}, nil, [], {}, %{}, "", 1 <<< 59, 1 <<< 63] ++
          [-(1 <<< 70), self(), make_ref(), &is_atom/1, fn x -> x end, <<1::3>>] ++
          [String.duplicate("k", 100), Enum.to_list(1..100), Enum.to_list(1..5000)]

      for key <- keys, do: assert({key, RateLimiter.take(l, key, 1, 0)} == {key, {:ok, 0}})
      for key <- keys, do: assert({key, RateLimiter.take(l, key, 1, 0)} == {key, {:error, 1000}})
      assert RateLimiter.info(l).size == length(keys)
      for key <- keys, do: assert(RateLimiter.refund(l, key, 1) == :ok)
      for key <- keys, do: assert({key, RateLimiter.take(l, key, 1, 0)} == {key, {:ok, 0}})
      assert RateLimiter.prune(l, 10 * @second) == length(keys)
      assert RateLimiter.info(l).size == 0
    end

    test "takes keys that are too large for a normal scheduler" do
      l = RateLimiter.new_keyed(rate: 2)
      list = Enum.to_list(1..20_000)
      binary = :binary.copy("x", 1_000_000)

      for key <- [list, {binary, 1}, binary] do
        assert RateLimiter.take(l, key, 1, 0) == {:ok, 1}
        assert RateLimiter.take(l, key, 1, 0) == {:ok, 0}
        assert RateLimiter.take(l, key, 1, 0) == {:error, 500}
        assert RateLimiter.peek(l, key, 1, 0) == {:error, 500}
        assert RateLimiter.refund(l, key, 1) == :ok
        assert RateLimiter.peek(l, key, 1, 0) == {:ok, 0}
        assert RateLimiter.reset(l, key) == :ok
        assert RateLimiter.take(l, key) == {:ok, 1}
        assert RateLimiter.reset(l, key) == :ok
        assert RateLimiter.take(l, key, 2, 1 <<< 61) == {:ok, 0}
      end

      assert RateLimiter.info(l).size == 3
      assert RateLimiter.prune(l, (1 <<< 61) + 2 * @second) == 3
    end

    test "holds no key that was only looked at" do
      l = RateLimiter.new_keyed(rate: 2)
      assert RateLimiter.peek(l, :a, 2, 0) == {:ok, 0}
      assert RateLimiter.take(l, :b, 0, 0) == {:ok, 2}
      assert RateLimiter.refund(l, :c, 2) == :ok
      assert RateLimiter.reset(l, :d) == :ok
      assert RateLimiter.info(l).size == 0
    end

    test "changes a state in place: memory does not grow with the number of takes" do
      l = RateLimiter.new_keyed(rate: 1_000_000_000)
      for i <- 1..1000, do: RateLimiter.take(l, i, 1, 0)
      before = RateLimiter.info(l).memory
      for round <- 1..50, i <- 1..1000, do: RateLimiter.take(l, i, 1, round)
      assert RateLimiter.info(l).memory == before
    end

    test "keeps its memory within bounds while keys come and go" do
      l = RateLimiter.new_keyed(rate: 1)
      keys = [& &1, &{:user, &1}, &Integer.to_string/1, &[&1], &(&1 / 1), &%{&1 => &1}]

      for key <- keys do
        memory =
          for round <- 1..60 do
            now = round * 10 * @second
            for i <- 1..500, do: RateLimiter.take(l, key.(round * 500 + i), 1, now)
            for i <- 1..500, do: RateLimiter.take(l, key.(round * 500 + i), 0, now)
            memory = RateLimiter.info(l).memory
            assert RateLimiter.prune(l, now + 2 * @second) == 500
            memory
          end

        assert Enum.max(memory) < 3 * (memory |> Enum.take(10) |> Enum.max())
      end
    end

    test "is pruned of full buckets and of no others" do
      l = RateLimiter.new_keyed(rate: 1, burst: 3)
      for i <- 1..5000, do: RateLimiter.take(l, {:user, i}, rem(i, 3) + 1, 0)
      assert RateLimiter.info(l).size == 5000

      # Those that took one unit are full after a second, and pruned after two milliseconds more.
      assert RateLimiter.prune(l, @second + 1_999_999) == 0
      assert RateLimiter.prune(l, @second + 2_000_000) == 1666
      assert RateLimiter.info(l).size == 3334

      for i <- 1..5000 do
        assert RateLimiter.peek(l, {:user, i}, 0, @second + 2_000_000) == {:ok, 3 - rem(i, 3)}
      end

      assert RateLimiter.prune(l, 4 * @second) == 3334
      assert RateLimiter.prune(l, 4 * @second) == 0
      assert RateLimiter.info(l).size == 0
      assert RateLimiter.take(l, {:user, 1}, 3, 0) == {:ok, 0}
    end

    test "is pruned by the clock" do
      l = RateLimiter.new_keyed(rate: 1, period_ms: 3_600_000, burst: 1)
      now = System.monotonic_time(:nanosecond)
      for i <- 1..100, do: RateLimiter.take(l, i, 1, now - (3600 + 60) * @second)
      for i <- 101..150, do: RateLimiter.take(l, i)
      assert RateLimiter.prune(l) == 100
      assert RateLimiter.info(l).size == 50
    end

    test "refuses a time to prune at that is none" do
      l = RateLimiter.new_keyed(rate: 1)

      for time <- [@time_min - 1, @time_max + 1, 1 <<< 63, 1 <<< 70, 1.0, :a, nil] do
        assert_raise ArgumentError, fn -> RateLimiter.prune(l, time) end
      end

      assert RateLimiter.prune(l, @time_min) == 0
      assert RateLimiter.prune(l, @time_max) == 0

      for position <- [-1, 1 <<< 32, 1 <<< 64, :a, nil] do
        assert_raise ArgumentError, fn -> :offheap_nif.rate_limiter_prune(l, position, 0) end
        assert_raise ArgumentError, fn -> :offheap_nif.rate_limiter_stats(l, position) end
      end
    end

    test "stays exact while it is pruned" do
      burst = 20
      interval = 500_000
      l = RateLimiter.new_keyed(rate: 2000, burst: burst)

      pruner =
        Task.async(fn ->
          Stream.repeatedly(fn -> RateLimiter.prune(l) end)
          |> Enum.reduce_while(0, fn pruned, sum ->
            receive(do: (:stop -> {:halt, sum + pruned}), after: (0 -> {:cont, sum + pruned}))
          end)
        end)

      # Each empties buckets of its own, every one at the moment from which on it may be pruned. By the
      # limiter's clock, so a grant's time is known by what stands around it.
      race(fn seed ->
        grants =
          for _ <- 1..20, i <- 1..200, reduce: %{} do
            grants ->
              wait_until_prunable(l, {seed, i})
              take_all(l, {seed, i}, 50, grants)
          end

        for {_key, grants} <- grants do
          assert length(grants) >= 20 * burst

          grants
          |> Enum.reverse()
          |> Enum.reduce({0, nil}, fn {before, later}, {sum, least} ->
            least = min(least, sum - before)
            sum = sum + interval
            assert sum - later - least <= burst * interval + 2 * 20_000
            {sum, least}
          end)
        end
      end)

      send(pruner.pid, :stop)
      assert Task.await(pruner, :infinity) > 800
    end
  end

  # Adds the grants, each with what the time was before and after it, the last one first; goes on for
  # some refusals, in which a bucket that was pruned too late would be full again.
  defp take_all(_l, _key, 0, grants), do: grants

  defp take_all(l, key, tries, grants) do
    before = System.monotonic_time(:nanosecond)

    case RateLimiter.take(l, key) do
      {:ok, _} ->
        grant = {before, System.monotonic_time(:nanosecond)}
        take_all(l, key, tries, Map.update(grants, key, [grant], &[grant | &1]))

      {:error, _} ->
        take_all(l, key, tries - 1, grants)
    end
  end

  defp wait_until_prunable(l, key) do
    then = System.monotonic_time(:nanosecond) - 2_000_000

    unless RateLimiter.peek(l, key, 0, then) == {:ok, 20} do
      :erlang.yield()
      wait_until_prunable(l, key)
    end
  end

  defp take_until_granted(l, b) do
    with {:error, _} <- RateLimiter.take(l, b), do: take_until_granted(l, b)
  end

  # Runs the function in four processes at once, each with a number of its own.
  defp race(fun) do
    1..4
    |> Enum.map(fn seed -> Task.async(fn -> fun.(seed) end) end)
    |> Task.await_many(:infinity)
  end

  defp empty(l, b, now, taken) do
    case RateLimiter.take(l, b, 1, now) do
      {:ok, _} -> empty(l, b, now, taken + 1)
      {:error, _} -> taken
    end
  end

  # Takes costs of 1 to 3 until the clock is at its end; moves it on now and then.
  defp take_by_clock(l, b, clock, finish, i, grants) do
    now = :atomics.get(clock, 1)

    if now >= finish do
      grants
    else
      cost = rem(i, 3) + 1

      grants =
        case RateLimiter.take(l, b, cost, now) do
          {:ok, _} -> [{now, cost} | grants]
          {:error, _} -> grants
        end

      if rem(i, 5) == 0, do: :atomics.add(clock, 1, 1_000_000)
      take_by_clock(l, b, clock, finish, i + 1, grants)
    end
  end

  # grants: {time, cost} in the order of times. With S(i) the time that the first i grants take, each
  # window i..j must have S(j + 1) - S(i) <= burst * interval + t(j) - t(i).
  defp assert_no_window_over(grants, burst, interval) do
    Enum.reduce(grants, {0, nil}, fn {time, cost}, {sum, least} ->
      least = min(least, sum - time)
      sum = sum + cost * interval
      assert sum - time - least <= burst * interval
      {sum, least}
    end)
  end
end

defmodule Offheap.RateLimiterMemoryTest do
  # Not async: the emulator counts memory for all together.
  use ExUnit.Case

  @moduletag :emulator_memory

  import Offheap.Memory

  alias Offheap.RateLimiter

  test "memory goes with the last reference" do
    # Below the size that is mapped from the operating system, buckets count as system memory.
    bytes = 200_000
    before = :erlang.memory(:system)

    limiters = for _ <- 1..100, do: RateLimiter.new(div(bytes, 8), rate: 1)

    keyed = RateLimiter.new_keyed(rate: 1)
    for i <- 1..200_000, do: RateLimiter.take(keyed, {:user, i}, 1, 0)
    assert :erlang.memory(:system) - before > 80 * bytes + 200_000 * 30
    assert length(limiters) == 100
    assert RateLimiter.info(keyed).size == 200_000

    collect_until(fn -> :erlang.memory(:system) - before < 30 * bytes end)
  end
end
