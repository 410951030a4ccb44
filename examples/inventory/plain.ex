defmodule Inventory.Plain do
  @moduledoc """
  The same inventory with what Erlang/OTP has: `File.read/1`, `:crypto`, `:ets` and `:counters`.

  OTP's BLAKE2b gives 64 bytes and cannot be asked for 32, so the digests are not Offheap's; which
  files are equal must be the same.
  """
  @behaviour Inventory.Runner

  alias Inventory.Histogram

  @files 1
  @bytes 2
  @duplicates 3

  @impl true
  def title, do: "plain OTP"

  @impl true
  def new(_opts \\ []) do
    options = [:public, write_concurrency: true]

    %{
      # Not :counters, whose add does not tell the new value.
      next: :atomics.new(1, []),
      files: :ets.new(:files, options),
      contents: :ets.new(:contents, options),
      sums: :counters.new(3, [:write_concurrency]),
      latencies: :counters.new(Histogram.cells(), [:write_concurrency])
    }
  end

  @impl true
  def next(inventory), do: :atomics.add_get(inventory.next, 1, 1)

  @impl true
  def add(inventory, path) do
    start = System.monotonic_time()

    with {:ok, digest, size} <- digest(path) do
      elapsed = System.convert_time_unit(System.monotonic_time() - start, :native, :nanosecond)
      :counters.add(inventory.latencies, Histogram.cell(elapsed), 1)
      record(inventory, path, digest, size)
    end
  end

  defp record(inventory, path, digest, size) do
    :ets.insert(inventory.files, {path, digest, size})

    if not :ets.insert_new(inventory.contents, {digest, 1, size, path}) do
      :ets.update_counter(inventory.contents, digest, 1)
      :counters.add(inventory.sums, @duplicates, 1)
    end

    :counters.add(inventory.sums, @files, 1)
    :counters.add(inventory.sums, @bytes, size)
  end

  defp digest(path) do
    with {:ok, data} <- File.read(path) do
      {:ok, :crypto.hash(:blake2b, data), byte_size(data)}
    end
  end

  @impl true
  def progress(inventory) do
    {:counters.get(inventory.sums, @files), :counters.get(inventory.sums, @bytes)}
  end

  # Contents are binaries here: the runner sees them in the emulator's own figures.
  @impl true
  def held_bytes(_inventory), do: 0

  @impl true
  def result(inventory) do
    latencies = for cell <- 1..Histogram.cells(), do: :counters.get(inventory.latencies, cell)

    %{
      files: :counters.get(inventory.sums, @files),
      bytes: :counters.get(inventory.sums, @bytes),
      duplicates: :counters.get(inventory.sums, @duplicates),
      entries: :ets.tab2list(inventory.files),
      contents: :ets.tab2list(inventory.contents),
      timed: Enum.sum(latencies),
      percentile: &Histogram.percentile(latencies, &1),
      table_bytes: table_bytes(inventory.files) + table_bytes(inventory.contents)
    }
  end

  defp table_bytes(table), do: :ets.info(table, :memory) * :erlang.system_info(:wordsize)

  @impl true
  def delete(inventory) do
    :ets.delete(inventory.files)
    :ets.delete(inventory.contents)
  end
end
