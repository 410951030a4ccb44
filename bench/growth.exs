# A table of ten million objects: how long its calls take while it grows, is walked, emptied, and goes with
# its owner; and its memory. From the top of the tree, with 4 GiB of memory to spare:
#
#     mix run bench/growth.exs [--entries 10000000] [--only set|ordered_set|bag]
#
# The same program runs over Offheap's store, over ETS, and over nothing: what the machine itself takes from
# a process shows in the last. Each runs in an emulator of its own. Calls that are one step are timed one by
# one. Beside those of over a millisecond stand the emulator's own reports of processes that ran as long
# without a break (long_schedule), which count whole time slices and not calls.
defmodule Offheap.Bench.Growth do
  @limit_ns 1_000_000
  @types ["set", "ordered_set", "bag"]
  @sides ["offheap_store", "ets", "nothing"]
  @columns ["", "s", "over 1 ms", "longest ms", "long_schedule", "worst ms"]

  def main(argv) do
    {opts, []} =
      OptionParser.parse!(argv, strict: [entries: :integer, only: :string, side: :string])

    entries = Keyword.get(opts, :entries, 10_000_000)

    case opts[:side] do
      nil -> for type <- List.wrap(opts[:only] || @types), do: compare(type, entries)
      side -> run(side, opts[:only], entries)
    end
  end

  defp compare(type, entries) do
    IO.puts("\n#{entries} objects {i, {i, :value, i}}, #{type}\n\n#{row(@columns)}")

    for side <- @sides do
      args = ["--entries", "#{entries}", "--only", type, "--side", side]
      {_, 0} = System.cmd("mix", ["run", __ENV__.file | args], into: IO.stream())
    end
  end

  # --- One side, in this emulator ---

  defp run(side, type, entries) do
    {pid, monitor} = spawn_monitor(fn -> owner(side, type, entries) end)
    :erlang.system_monitor(self(), [{:long_schedule, 1}])
    before = resident()
    report(side, pid, :grow)

    if side != "nothing" do
      said = "#{div(ask(pid, :memory), entries)} by info/2"
      IO.puts("    bytes an object: #{said}, #{div(resident() - before, entries)} resident")
    end

    for phase <- [:walk, :chunks, :select, :select_count, :delete_all, :grow],
        do: report(side, pid, phase)

    start = now()
    Process.exit(pid, :kill)
    receive do: ({:DOWN, ^monitor, _, _, _} -> :ok)
    show(side, pid, :owner_ends, now() - start, {"", ""})
  end

  defp report(side, pid, phase) do
    start = now()

    case ask(pid, phase) do
      :none -> :ok
      calls -> show(side, pid, phase, now() - start, calls)
    end
  end

  defp ask(pid, what) do
    send(pid, {self(), what})
    receive do: ({^pid, answer} -> answer)
  end

  defp show(side, pid, phase, took, {over, longest}) do
    {reports, worst} = reports(pid, 0, 0)
    IO.puts(row(["#{side} #{phase}", ms(took) / 1000, over, longest, reports, worst]))
  end

  # The emulator's reports of the process, so far: how many, and the longest in milliseconds.
  defp reports(pid, count, worst) do
    receive do
      {:monitor, ^pid, :long_schedule, info} ->
        reports(pid, count + 1, max(worst, info[:timeout]))

      {:monitor, _, :long_schedule, _} ->
        reports(pid, count, worst)
    after
      0 -> {count, worst}
    end
  end

  defp row([first | rest]) do
    rest = for value <- rest, do: value |> text() |> String.pad_leading(14)
    String.pad_trailing(first, 28) <> Enum.join(rest)
  end

  defp text(value) when is_float(value), do: :erlang.float_to_binary(value, decimals: 2)
  defp text(value), do: "#{value}"

  defp resident do
    [_, kb] = Regex.run(~r/VmRSS:\s+(\d+) kB/, File.read!("/proc/self/status"))
    String.to_integer(kb) * 1024
  end

  defp now, do: System.monotonic_time(:nanosecond)
  defp ms(ns), do: ns / 1_000_000

  # --- The owner ---

  defp owner("nothing", _type, entries), do: serve(&idle(&1, entries))

  defp owner(side, type, entries) do
    module = String.to_atom(side)
    table = module.new(:growth, [String.to_atom(type), :public])
    serve(&phase(&1, module, table, entries))
  end

  # Each phase begins with a heap that holds nothing.
  defp serve(phase) do
    receive do
      {from, what} ->
        send(from, {self(), phase.(what)})
        :erlang.garbage_collect()
        serve(phase)
    end
  end

  defp phase(:grow, module, table, n), do: each(n, &module.insert(table, object(&1)))
  defp phase(:walk, module, table, _), do: follow(module.first(table), &module.next(table, &1))

  defp phase(:chunks, :offheap_store = module, table, _) do
    follow(:start, fn position ->
      {_objects, next} = module.scan(table, position)
      if next == :done, do: :"$end_of_table", else: next
    end)
  end

  defp phase(:chunks, module, table, _) do
    follow(module.select(table, [{:"$1", [], [:"$1"]}], 1000), fn {_objects, continuation} ->
      module.select(continuation)
    end)
  end

  defp phase(:select, module, table, _), do: whole(fn -> module.select(table, spec(:"$1")) end)

  defp phase(:select_count, module, table, _),
    do: whole(fn -> module.select_count(table, spec(true)) end)

  defp phase(:delete_all, module, table, _), do: once(fn -> module.delete_all_objects(table) end)
  defp phase(:memory, module, table, _), do: module.info(table, :memory) * 8

  defp idle(phase, n) when phase in [:grow, :walk], do: each(n, &object/1)
  defp idle(_phase, _n), do: :none

  # Keys in no order.
  defp object(i), do: {rem(i * 7_368_787, 1_073_741_789), {i, :value, i}}

  # One in a thousand.
  defp spec(body), do: [{{:"$1", {:"$2", :_, :_}}, [{:==, {:rem, :"$2", 1000}, 0}], [body]}]

  # --- Loops, which return how many calls took over a millisecond, and the longest ---

  defp each(n, fun), do: each(n, fun, 0, 0)

  defp each(0, _fun, over, longest), do: {over, ms(longest)}

  defp each(i, fun, over, longest) do
    start = now()
    fun.(i)
    took = now() - start
    each(i - 1, fun, over(over, took), max(longest, took))
  end

  defp follow(first, fun), do: follow(first, fun, 0, 0)

  defp follow(:"$end_of_table", _fun, over, longest), do: {over, ms(longest)}

  defp follow(at, fun, over, longest) do
    start = now()
    next = fun.(at)
    took = now() - start
    follow(next, fun, over(over, took), max(longest, took))
  end

  defp once(fun), do: follow(:start, fn :start -> fun.() && :"$end_of_table" end)

  # A call of many steps.
  defp whole(fun) do
    fun.()
    {"", ""}
  end

  defp over(over, took) when took > @limit_ns, do: over + 1
  defp over(over, _took), do: over
end

Offheap.Bench.Growth.main(System.argv())
