# How long single inserts take while a table grows. From the top of the tree:
#
#     mix run bench/growth.exs [ENTRIES]
#
# Each of ENTRIES (default 5,000,000) inserts is timed by itself, into Offheap's store, into ETS, and
# into nothing: what the machine itself takes from a process shows in the last. Beside the calls of over
# a millisecond stand the emulator's own reports of processes that ran as long without a break
# (long_schedule), which count whole time slices and not calls.
defmodule Offheap.Bench.Growth do
  @limit_ns 1_000_000

  def main(entries) do
    IO.puts("#{entries} inserts of {i, {i, :value, i}}, each timed by itself\n")

    IO.puts(
      pad("") <>
        Enum.map_join(["over 1 ms", "longest", "long_schedule"], &String.pad_leading(&1, 15))
    )

    for {name, insert} <- [
          {"Offheap.Store", store()},
          {"ets", ets()},
          {"nothing", fn object -> object end}
        ] do
      {over, longest, reports} = run(insert, entries)

      IO.puts(
        pad(name) <>
          Enum.map_join(
            [over, "#{div(longest, 1000)} us", reports],
            &String.pad_leading("#{&1}", 15)
          )
      )
    end
  end

  defp store do
    table = :offheap_store.new(:growth, [:set, :public])
    &:offheap_store.insert(table, &1)
  end

  defp ets do
    table = :ets.new(:growth, [:set, :public])
    &:ets.insert(table, &1)
  end

  # In a process of its own, whose heap holds nothing; another one counts the emulator's reports.
  defp run(insert, entries) do
    {pid, monitor} =
      spawn_monitor(fn ->
        receive do: (:go -> :ok)
        exit({:shutdown, loop(insert, entries, 0, 0)})
      end)

    :erlang.system_monitor(self(), [{:long_schedule, 1}])
    send(pid, :go)
    {over, longest} = receive do: ({:DOWN, ^monitor, _, _, {:shutdown, result}} -> result)
    :erlang.system_monitor(:undefined)
    {over, longest, reports(pid, 0)}
  end

  defp loop(_insert, 0, over, longest), do: {over, longest}

  defp loop(insert, i, over, longest) do
    object = {i, {i, :value, i}}
    start = System.monotonic_time(:nanosecond)
    insert.(object)
    took = System.monotonic_time(:nanosecond) - start
    over = if took > @limit_ns, do: over + 1, else: over
    loop(insert, i - 1, over, max(took, longest))
  end

  defp reports(pid, count) do
    receive do
      {:monitor, ^pid, :long_schedule, _} -> reports(pid, count + 1)
      {:monitor, _, :long_schedule, _} -> reports(pid, count)
    after
      0 -> count
    end
  end

  defp pad(name), do: String.pad_trailing(name, 16)
end

case System.argv() do
  [] -> Offheap.Bench.Growth.main(5_000_000)
  [entries] -> Offheap.Bench.Growth.main(String.to_integer(entries))
end
