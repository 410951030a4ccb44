defmodule Offheap.Top do
  @moduledoc """
  What a node holds, as a table for people: stores, pools, leases that are old, the lanes of jobs.

  `mix offheap.top` shows it live, of this node or another. In a shell without Mix, say that of a release:

      Offheap.Top.snapshot() |> Offheap.Top.render() |> IO.puts()

  Of tables without a name, the type and owner are not known; histograms and other handles are counted, not
  listed.
  """

  @typedoc """
  What was seen. `:info` is `Offheap.info/0`, `:jobs` `Offheap.Jobs.stats/0` and `:memory`
  `:erlang.memory/0` of the node, or empty where the emulator keeps no such account (`+Mea min`); `:pools`
  are as `Offheap.Pool.info/1` tells, with `:name` and `:oldest_ms`, the age of the oldest lease. Owners are
  texts. Of old leases the oldest 100 are listed, all are counted.
  """
  @type snapshot :: %{
          node: node(),
          otp_release: String.t(),
          time_ms: integer(),
          uptime_ms: non_neg_integer(),
          memory: %{atom() => non_neg_integer()},
          info: map(),
          stores: [
            %{
              name: atom(),
              type: atom(),
              size: non_neg_integer(),
              bytes: non_neg_integer(),
              owner: String.t()
            }
          ],
          pools: [%{atom() => term()}],
          old_leases: [
            %{
              pool: atom(),
              owner: String.t(),
              tag: atom(),
              age_ms: non_neg_integer(),
              bytes: pos_integer(),
              state: :writable | :frozen
            }
          ],
          old_leases_count: non_neg_integer(),
          older_than_ms: non_neg_integer(),
          jobs: map()
        }

  @doc """
  Looks at a node.

  ## Options

    * `:node` - default: this one. It needs Offheap and no Elixir. Raises as `:erpc.call/5` if it cannot be
      reached, or has no Offheap.
    * `:older_than_ms` - leases of at least this age are listed. Default 60000.
    * `:timeout` - milliseconds to wait for another node. Default 5000.

  Takes as long as `Offheap.info/0` and `Offheap.leases/1`; waits for no process.

      iex> pool = Offheap.Pool.new()
      iex> {:ok, buffer} = Offheap.Buffer.lease(pool, 100, tag: :seen)
      iex> snapshot = Offheap.Top.snapshot(older_than_ms: 0)
      iex> :seen in Enum.map(snapshot.old_leases, & &1.tag)
      true
      iex> Offheap.Buffer.release(buffer)
      :ok
      iex> Offheap.Pool.close(pool)
      :ok
  """
  @spec snapshot(node: node(), older_than_ms: non_neg_integer(), timeout: timeout()) :: snapshot()
  def snapshot(options \\ []) do
    node = Keyword.get(options, :node, node())
    older_than_ms = Keyword.get(options, :older_than_ms, 60_000)

    if node == node(),
      do: :offheap_top.snapshot(older_than_ms),
      else:
        :erpc.call(
          node,
          :offheap_top,
          :snapshot,
          [older_than_ms],
          Keyword.get(options, :timeout, 5000)
        )
  end

  @doc """
  The snapshot as lines of text, each ended by a line feed.

  ## Options

    * `:columns` - lines are cut there. Default 100.
    * `:rows` - no more lines than that: lists are cut, and their titles still count all. Default: all.
    * `:previous` - an earlier snapshot, for jobs a second.

  ## Example

      iex> Offheap.Top.snapshot() |> Offheap.Top.render() |> IO.iodata_to_binary() =~ "STORES"
      true
  """
  @spec render(snapshot(), columns: pos_integer(), rows: pos_integer(), previous: snapshot() | nil) ::
          iodata()
  def render(snapshot, options \\ []) do
    columns = Keyword.get(options, :columns, 100)
    head = head(snapshot)
    lanes = lanes(snapshot, options[:previous])
    lists = [stores(snapshot), pools(snapshot), old_leases(snapshot), workers(snapshot)]
    lists = Enum.reject(lists, &(&1 == []))

    # What is fixed comes first; the lists share the rest, the shorter ones whole.
    room =
      case Keyword.get(options, :rows) do
        nil -> :infinity
        rows -> max(rows - length(head) - length(lanes) - 1, 0)
      end

    [head, lanes | fit(lists, room)]
    |> Enum.intersperse([""])
    |> Enum.concat()
    |> take(Keyword.get(options, :rows))
    |> Enum.map(&[&1 |> String.slice(0, columns) |> String.trim_trailing(), "\n"])
  end

  defp take(lines, nil), do: lines
  defp take(lines, rows), do: Enum.take(lines, rows)

  # --- The parts, as lists of lines ---

  defp head(%{info: info, memory: memory} = snapshot) do
    version = if info.version == :undefined, do: "", else: " #{info.version}"

    handles =
      for {kind, %{count: count, bytes: bytes}} <- Enum.sort(info),
          kind not in [:stores, :pools],
          count > 0,
          do: "#{kind} #{number(count)} (#{bytes(bytes)})"

    [
      "offheap#{version} on #{snapshot.node}, OTP #{snapshot.otp_release}, " <>
        "up #{duration(snapshot.uptime_ms)}, #{clock(snapshot.time_ms)} UTC",
      "memory  offheap #{bytes(info.bytes)}: stores #{bytes(info.stores.bytes)}, " <>
        "pools #{bytes(info.pools.bytes)}, retired #{bytes(info.retired_bytes)}",
      "        OTP " <> otp_memory(memory),
      "handles " <> if(handles == [], do: "none", else: Enum.join(handles, ", "))
    ]
  end

  defp otp_memory(%{total: total} = memory) do
    "#{bytes(total)}: processes #{bytes(memory.processes)}, " <>
      "system #{bytes(memory.system)}, binary #{bytes(memory.binary)}, ets #{bytes(memory.ets)}"
  end

  defp otp_memory(_none), do: "not counted"

  defp lanes(%{jobs: jobs} = snapshot, previous) do
    head =
      columns([{"LANES", 10}, {"jobs", -12}, {"a second", -10}, {"p50 us", -10}, {"p99 us", -10}]) <>
        "  dirty #{jobs.dirty_in_use} of #{jobs.dirty_limit}, " <>
        "waiting #{jobs.dirty_cpu_queue} (io #{jobs.dirty_io_queue})"

    [head | for(lane <- [:inline, :yielding, :dirty, :port], do: lane(lane, snapshot, previous))]
  end

  defp lane(lane, snapshot, previous) do
    latency = Map.get(snapshot.jobs.latency_us, lane, %{})

    columns([
      {"#{lane}", 10},
      {number(snapshot.jobs[lane]), -12},
      {rate(lane, snapshot, previous), -10},
      {number(latency[:p50]), -10},
      {number(latency[:p99]), -10}
    ])
  end

  defp rate(_lane, _snapshot, nil), do: ""

  defp rate(lane, snapshot, previous) do
    elapsed_ms = max(snapshot.time_ms - previous.time_ms, 1)
    number(div((snapshot.jobs[lane] - previous.jobs[lane]) * 1000, elapsed_ms))
  end

  defp stores(%{stores: stores}) do
    rows =
      for store <- Enum.sort_by(stores, &{-&1.bytes, &1.name}) do
        type = if store.type == :unknown, do: "", else: "#{store.type}"

        columns([
          {inspect(store.name), 30},
          {type, 13},
          {number(store.size), -13},
          {bytes(store.bytes), -10}
        ]) <> "  " <> store.owner
      end

    title = [{"STORES #{length(stores)}", 30}, {"type", 13}, {"size", -13}, {"memory", -10}]
    [columns(title) <> "  owner" | rows]
  end

  defp pools(%{pools: pools, info: %{pools: sums}}) do
    lingering = if sums.lingering == 0, do: "", else: " (#{sums.lingering} lingering)"

    title = [
      {"POOLS #{length(pools)}#{lingering}", 24},
      {"leased", -8},
      {"bytes", -9},
      {"frozen", -9},
      {"kept", -9},
      {"in all", -9},
      {"cap", -9},
      {"refused", -9},
      {"oldest", -9}
    ]

    rows =
      for pool <- Enum.sort_by(pools, &{-&1.bytes, &1.name}) do
        columns([
          {if(pool.name == :none, do: "-", else: inspect(pool.name)), 24},
          {number(pool.leased), -8},
          {bytes(pool.leased_bytes), -9},
          {bytes(pool.frozen_bytes), -9},
          {bytes(pool.cached_bytes), -9},
          {bytes(pool.bytes), -9},
          {bytes(pool.max_bytes), -9},
          {number(pool.refused), -9},
          {duration(pool.oldest_ms), -9}
        ])
      end

    [columns(title) | rows]
  end

  defp old_leases(%{old_leases_count: 0}), do: []

  defp old_leases(%{old_leases: leases} = snapshot) do
    title = [
      {"LEASES over #{duration(snapshot.older_than_ms)}: #{snapshot.old_leases_count}", 24},
      {"age", -8},
      {"bytes", -9}
    ]

    rows =
      for lease <- leases do
        pool = if lease.pool == :none, do: "-", else: inspect(lease.pool)
        tag = if lease.tag == :undefined, do: "", else: ", tag #{inspect(lease.tag)}"

        columns([{pool, 24}, {duration(lease.age_ms), -8}, {bytes(lease.bytes), -9}]) <>
          "  #{lease.owner}#{tag}, #{lease.state}"
      end

    [columns(title) <> "  owner" | rows]
  end

  defp workers(%{info: %{port_pools: []}}), do: []

  defp workers(%{info: %{port_pools: pools}}) do
    rows =
      for pool <- Enum.sort_by(pools, & &1.names) do
        name = Enum.find(pool.names, &is_atom/1) || hd(pool.names)

        columns([
          {inspect(name), 30},
          {"#{pool.running} of #{pool.size}", 13},
          {number(pool.requests), -13}
        ])
      end

    [columns([{"WORKERS #{length(pools)}", 30}, {"running", 13}, {"requests", -13}]) | rows]
  end

  # --- Room ---

  # Shortens lists so that they, and an empty line before each, take no more lines than that.
  defp fit(lists, :infinity), do: lists

  defp fit(lists, room) do
    room = room - length(lists)

    {fitted, _left, _lists} =
      lists
      |> Enum.with_index()
      |> Enum.sort_by(fn {list, _} -> length(list) end)
      |> Enum.reduce({[], room, length(lists)}, fn {list, at}, {fitted, room, lists} ->
        list = Enum.take(list, max(div(room, lists), 1))
        {[{at, list} | fitted], room - length(list), lists - 1}
      end)

    fitted |> Enum.sort() |> Enum.map(&elem(&1, 1))
  end

  # --- Cells ---

  # A width below 0 puts the text to the right.
  defp columns(cells) do
    cells
    |> Enum.map_join(fn
      {text, width} when width < 0 -> String.pad_leading(cut(text, -width - 1), -width)
      {text, width} -> String.pad_trailing(cut(text, width - 1), width)
    end)
  end

  defp cut(text, width) do
    if String.length(text) > width, do: String.slice(text, 0, width - 1) <> "~", else: text
  end

  defp number(nil), do: ""
  defp number(value) when is_float(value), do: value |> round() |> number()

  defp number(value) do
    value
    |> Integer.to_string()
    |> String.reverse()
    |> String.replace(~r/(\d{3})(?=\d)/, "\\1,")
    |> String.reverse()
  end

  defp bytes(:infinity), do: "none"
  defp bytes(count) when count < 10_000, do: "#{count} B"

  defp bytes(count) do
    {unit, size} =
      Enum.find([{"GB", 10 ** 9}, {"MB", 10 ** 6}], {"kB", 1000}, &(count >= elem(&1, 1) * 10))

    "#{div(count, size)}.#{div(rem(count, size) * 10, size)} #{unit}"
  end

  defp duration(:none), do: ""
  defp duration(ms) when ms < 1_000, do: "#{ms} ms"
  defp duration(ms) when ms < 120_000, do: "#{div(ms, 1_000)} s"
  defp duration(ms) when ms < 7_200_000, do: "#{div(ms, 60_000)} min"
  defp duration(ms) when ms < 172_800_000, do: "#{div(ms, 3_600_000)} h"
  defp duration(ms), do: "#{div(ms, 86_400_000)} days"

  defp clock(ms) do
    ms
    |> DateTime.from_unix!(:millisecond)
    |> DateTime.truncate(:second)
    |> DateTime.to_time()
    |> to_string()
  end
end
