# Four processes hash for some seconds, each 1 KiB ten times and then 1 MiB: through Offheap.Jobs, and with each
# hash on a dirty scheduler, as a library with one lane does it, by turns.
#
#     mix run bench/mixed.exs [--rounds 5] [--seconds 3]
#
# Printed: what the small ones wait, and the bytes of both a second.
defmodule Offheap.Bench.Mixed do
  alias Offheap.{Histogram, Jobs}

  @small 1024
  @large 1_048_576

  def main(argv) do
    {options, []} = OptionParser.parse!(argv, strict: [rounds: :integer, seconds: :integer])
    rounds = Keyword.get(options, :rounds, 5)
    seconds = Keyword.get(options, :seconds, 3)
    {:ok, _} = Offheap.PortPool.default()
    :ok = Jobs.calibrate()

    results =
      for round <- 1..rounds, {name, hash} <- lanes() do
        result = measure(hash, seconds)
        IO.puts("round #{round}, #{name}: #{describe(result)}")
        {name, result}
      end

    [dirty, jobs] =
      for {name, _} <- lanes() do
        middle = median(for {^name, result} <- results, do: result)
        IO.puts("median, #{name}: #{describe(middle)}")
        middle
      end

    IO.puts(
      "p99 of 1 KiB: #{ratio(jobs.p99_us, dirty.p99_us)} of always dirty; " <>
        "bytes: #{ratio(jobs.mib_s, dirty.mib_s)} times"
    )
  end

  defp lanes do
    [
      {"always dirty", &:offheap_nif.job_dirty(:blake2b, &1, :none)},
      {"Offheap.Jobs", &Jobs.run(:blake2b, &1)}
    ]
  end

  defp measure(hash, seconds) do
    small = Histogram.new()
    large = Histogram.new()
    end_ns = now() + seconds * 1_000_000_000

    turn = List.duplicate({:rand.bytes(@small), small}, 10) ++ [{:rand.bytes(@large), large}]

    1..4
    |> Enum.map(fn _ -> Task.async(fn -> work(hash, turn, end_ns) end) end)
    |> Task.await_many(:infinity)

    [p50, p99] = Histogram.quantiles(small, [0.5, 0.99])
    bytes = Histogram.count(small) * @small + Histogram.count(large) * @large
    %{p50_us: p50 / 1000, p99_us: p99 / 1000, mib_s: bytes / seconds / 1_048_576}
  end

  defp work(hash, turn, end_ns) do
    for {data, histogram} <- turn do
      begun = now()
      {:ok, _} = hash.(data)
      Histogram.record(histogram, now() - begun)
    end

    if now() < end_ns, do: work(hash, turn, end_ns)
  end

  defp now, do: System.monotonic_time(:nanosecond)

  defp median(results) do
    for key <- Map.keys(hd(results)), into: %{} do
      {key, results |> Enum.map(& &1[key]) |> Enum.sort() |> Enum.at(div(length(results), 2))}
    end
  end

  defp describe(r) do
    "1 KiB waits p50 #{round_1(r.p50_us)} us, p99 #{round_1(r.p99_us)} us; #{round_1(r.mib_s)} MiB/s"
  end

  defp round_1(x), do: Float.round(x * 1.0, 1)
  defp ratio(a, b), do: Float.round(a / b, 4)
end

Offheap.Bench.Mixed.main(System.argv())
