defmodule Offheap.RateLimiterPropertyTest do
  @moduledoc """
  Rate limiters, and a model of the generic cell rate algorithm in integers of any size, given the same
  commands, answer the same.
  """
  use ExUnit.Case, async: true

  # A soak run (PROPER_TESTS) takes as long as it takes.
  @moduletag timeout: if(System.get_env("PROPER_TESTS"), do: :infinity, else: 600_000)

  import Bitwise
  import Offheap.Property
  import :proper_types, only: [oneof: 1, weighted_union: 1, integer: 2, list: 1]

  @times ((1 <<< 62) * -1)..((1 <<< 62) - 1)

  # Units, milliseconds, burst: ordinary ones, those at the edges, and intervals that are no whole
  # number of nanoseconds.
  @rates [
    {10, 1000, 5},
    {3, 1000, 3},
    {7, 3, 2},
    {1, 1, 1},
    {1_000_000, 1, 1000},
    {999_999, 1, 1 <<< 61},
    {1, 4_611_686_018_427, 1}
  ]

  for {rate, kind} <- for(rate <- @rates, kind <- [:array, :keyed], do: {rate, kind}) do
    test "any sequence of commands on #{kind}, rate #{inspect(rate)}" do
      rate = unquote(Macro.escape(rate))
      kind = unquote(kind)

      check(
        forall(list(command(kind, rate)), fn commands ->
          run_real(kind, rate, commands) == run_model(kind, rate, commands)
        end),
        tests: 300
      )
    end
  end

  test "what the model grants, in whatever order, no window has too much of" do
    {units, period_ms, burst} = rate = {10, 1000, 5}
    interval = interval(rate)
    take = {integer(0, 5), integer(0, 3_000_000_000)}

    check(
      forall(list(take), fn takes ->
        l = :offheap_rate_limiter.new(1, rate: units, period_ms: period_ms, burst: burst)

        granted =
          for {cost, now} <- takes, {:ok, _} <- [:offheap_rate_limiter.take(l, 1, cost, now)] do
            {now, cost}
          end

        times = granted |> Enum.map(&elem(&1, 0)) |> Enum.uniq()

        for a <- times, b <- times, a <= b do
          units = Enum.sum(for {now, cost} <- granted, now in a..b, do: cost)
          units * interval <= burst * interval + b - a
        end
        |> Enum.all?()
      end)
    )
  end

  # --- The limiter ---

  defp run_real(kind, {units, period_ms, burst}, commands) do
    opts = [rate: units, period_ms: period_ms, burst: burst]

    l =
      if kind == :array,
        do: :offheap_rate_limiter.new(3, opts),
        else: :offheap_rate_limiter.new_keyed(opts)

    for {function, args} <- commands do
      try do
        apply(:offheap_rate_limiter, function, [l | args])
      rescue
        ArgumentError -> :badarg
      end
    end
  end

  # --- The model: bucket => the time at which it is full; full if absent ---

  defp run_model(kind, rate, commands) do
    {answers, _} =
      Enum.map_reduce(commands, %{}, fn {function, args}, buckets ->
        if valid?(kind, rate, function, args),
          do: model(function, args, buckets, interval(rate), elem(rate, 2)),
          else: {:badarg, buckets}
      end)

    answers
  end

  defp interval({units, period_ms, _}), do: ceil_div(period_ms * 1_000_000, units)

  defp valid?(kind, _rate, :prune, [now]), do: kind == :keyed and now in @times
  defp valid?(kind, _rate, :reset, [bucket]), do: bucket?(kind, bucket)

  defp valid?(kind, {_, _, burst}, _function, [bucket, cost | now]),
    do: bucket?(kind, bucket) and cost in 0..burst and Enum.all?(now, &(&1 in @times))

  defp bucket?(kind, bucket), do: kind == :keyed or bucket in 1..3

  defp model(:take, [bucket, cost, now], buckets, interval, burst) do
    next = max(Map.get(buckets, bucket, now), now) + cost * interval
    left = burst * interval - (next - now)

    cond do
      left < 0 -> {{:error, ceil_div(-left, 1_000_000)}, buckets}
      cost == 0 -> {{:ok, div(left, interval)}, buckets}
      true -> {{:ok, div(left, interval)}, Map.put(buckets, bucket, next)}
    end
  end

  defp model(:peek, args, buckets, interval, burst) do
    {answer, _} = model(:take, args, buckets, interval, burst)
    {answer, buckets}
  end

  # A time before all that there are is full.
  defp model(:refund, [bucket, cost], buckets, interval, _burst) do
    case buckets do
      %{^bucket => time} when time - cost * interval > (1 <<< 63) * -1 ->
        {:ok, %{buckets | bucket => time - cost * interval}}

      _ ->
        {:ok, Map.delete(buckets, bucket)}
    end
  end

  defp model(:reset, [bucket], buckets, _interval, _burst), do: {:ok, Map.delete(buckets, bucket)}

  defp model(:prune, [now], buckets, _interval, _burst) do
    {full, others} = Enum.split_with(buckets, fn {_, time} -> time <= now - 2_000_000 end)
    {length(full), Map.new(others)}
  end

  defp ceil_div(a, b), do: div(a + b - 1, b)

  # --- Generators ---

  defp command(kind, rate) do
    weighted_union([
      {8, {:take, [bucket(kind), cost(rate), now(rate)]}},
      {3, {:peek, [bucket(kind), cost(rate), now(rate)]}},
      {3, {:refund, [bucket(kind), cost(rate)]}},
      {1, {:reset, [bucket(kind)]}},
      {1, {:prune, [now(rate)]}}
    ])
  end

  defp bucket(:array) do
    weighted_union([
      {20, integer(1, 3)},
      {1, oneof([0, -1, 4, 1 <<< 63, (1 <<< 63) - 1, 1 <<< 64, 1.0, :a, nil, "1"])}
    ])
  end

  defp bucket(:keyed) do
    oneof([1, 1.0, :a, nil, "key", {:user, 1}, {:user, 1.0}, 1 <<< 63, String.duplicate("k", 99)])
  end

  defp cost({_, _, burst}) do
    weighted_union([
      {20, integer(0, burst)},
      {10, integer(0, min(burst, 3))},
      {1, oneof([burst + 1, -1, 1 <<< 59, (1 <<< 63) - 1, 1 <<< 64, 1.0, :a, nil])}
    ])
  end

  # Times near each other for the most part, so that buckets are met neither full nor empty.
  defp now({_, _, burst} = rate) do
    window = burst * interval(rate)

    weighted_union([
      {20, integer(0, min(3 * window, (1 <<< 62) - 1))},
      {5, integer(0, min(interval(rate), (1 <<< 62) - 1))},
      {2, oneof(edges())},
      {1, oneof([1.0, :a, nil, "1", 1 <<< 63, (1 <<< 63) - 1, 1 <<< 70, -(1 <<< 70)])}
    ])
  end

  defp edges do
    for bits <- [0, 59, 60, 61, 62], offset <- -1..1, sign <- [1, -1] do
      sign * ((1 <<< bits) + offset)
    end
  end
end
