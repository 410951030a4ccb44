# What 500 password hashes, submitted at once, do to their neighbours in the VM: a process that ticks every
# 10 ms, and one that builds a list of two million tuples (its large collections need a dirty CPU
# scheduler). Once through Offheap.Jobs, once with each hash on a dirty scheduler, as most libraries do it;
# idle beside both.
#
#     mix run bench/flood.exs [--rounds 3] [--seconds 8]
#
# Printed: the worst gap between two ticks beyond the 10 ms, the time of the list against its idle time, the
# hashes done by then, and how long a dirty scheduler is not to be had after the flood was cancelled.
defmodule Offheap.Bench.Flood do
  alias Offheap.Jobs

  @hashes 500

  def main(argv) do
    {options, []} = OptionParser.parse!(argv, strict: [rounds: :integer, seconds: :integer])
    rounds = Keyword.get(options, :rounds, 3)
    seconds = Keyword.get(options, :seconds, 8)
    {:ok, _} = Offheap.PortPool.default()
    :ok = Jobs.calibrate()

    results =
      for round <- 1..rounds, {name, flood} <- floods() do
        result = measure(flood, seconds)
        IO.puts("round #{round}, #{name}: #{describe(result)}")
        {name, result}
      end

    IO.puts("")

    for {name, _} <- floods() do
      mine = for {^name, result} <- results, do: result

      middle =
        for key <- [:gap_ms, :list_ms, :done, :free_ms], into: %{}, do: {key, median(mine, key)}

      IO.puts("median, #{name}: #{describe(middle)}")
    end
  end

  defp floods do
    [
      {"idle", fn -> [] end},
      {"always dirty", fn -> start(&:offheap_nif.job_dirty(:argon2id, &1, :none)) end},
      {"Offheap.Jobs", fn -> start(&Jobs.run(:argon2id, &1, timeout: :infinity)) end}
    ]
  end

  defp start(hash) do
    test = self()

    for i <- 1..@hashes do
      spawn(fn ->
        {:ok, _} = hash.("password #{i}")
        send(test, :done)
      end)
    end
  end

  defp measure(flood, seconds) do
    ticker = spawn_link(fn -> tick(now(), 0) end)
    list = spawn_link(fn -> build_lists([]) end)
    hashers = flood.()
    Process.sleep(seconds * 1000)
    gap_ns = ask(ticker)
    list_ns = ask(list)
    for pid <- hashers, do: Process.exit(pid, :kill)
    begun = now()
    {:ok, _} = :offheap_nif.job_dirty(:echo, "x", :none)
    free_ns = now() - begun
    drain_ports()

    %{
      gap_ms: gap_ns / 1.0e6,
      list_ms: list_ns / 1.0e6,
      done: count_done(0),
      free_ms: free_ns / 1.0e6
    }
  end

  defp now, do: System.monotonic_time(:nanosecond)

  defp ask(pid) do
    ref = Process.monitor(pid)
    send(pid, {:stop, self()})

    receive do
      {^pid, answer} ->
        receive do
          {:DOWN, ^ref, _, _, _} -> answer
        end
    end
  end

  defp tick(last, worst) do
    receive do
      {:stop, from} -> send(from, {self(), worst})
    after
      10 ->
        time = now()
        tick(time, max(worst, time - last - 10_000_000))
    end
  end

  # The median time of a list of two million tuples.
  defp build_lists(times) do
    receive do
      {:stop, from} ->
        send(from, {self(), times |> Enum.sort() |> Enum.at(div(length(times), 2))})
    after
      0 ->
        {pid, ref} =
          spawn_monitor(fn ->
            begun = now()
            2_000_000 = length(build(2_000_000, []))
            exit({:took, now() - begun})
          end)

        receive do
          {:DOWN, ^ref, :process, ^pid, {:took, ns}} -> build_lists([ns | times])
        end
    end
  end

  defp build(0, list), do: list
  defp build(n, list), do: build(n - 1, [{n, n} | list])

  defp count_done(n) do
    receive do
      :done -> count_done(n + 1)
    after
      0 -> n
    end
  end

  # The workers stop what nobody waits for before the next round.
  defp drain_ports do
    busy =
      Enum.any?(
        Offheap.PortPool.info(:offheap_port_pool).workers,
        &(&1.in_flight + &1.waiting > 0)
      )

    if busy do
      Process.sleep(20)
      drain_ports()
    end
  end

  defp describe(result) do
    "worst gap #{round(result.gap_ms)} ms, list #{round(result.list_ms)} ms, " <>
      "#{result.done} hashes, dirty scheduler free after #{Float.round(result.free_ms, 1)} ms"
  end

  defp median(results, key) do
    results |> Enum.map(& &1[key]) |> Enum.sort() |> Enum.at(div(length(results), 2))
  end
end

Offheap.Bench.Flood.main(System.argv())
