defmodule Inventory.Runner do
  @moduledoc """
  Runs one inventory of a list of files with a number of worker processes, and compares two.
  """

  @type inventory :: term()

  @doc "What the report calls it."
  @callback title() :: String.t()
  @doc "An empty inventory."
  @callback new(keyword()) :: inventory()
  @doc "1 at the first call, then 2 and so on: how workers share out the files."
  @callback next(inventory()) :: pos_integer()
  @doc "Reads and hashes a file and takes it down."
  @callback add(inventory(), path :: binary()) :: :ok | {:error, reason :: term()}
  @doc "Files and bytes done."
  @callback progress(inventory()) :: {non_neg_integer(), non_neg_integer()}
  @doc "Bytes held for file contents outside Erlang's binaries."
  @callback held_bytes(inventory()) :: non_neg_integer()
  @doc "All that was found."
  @callback result(inventory()) :: map()
  @callback delete(inventory()) :: term()

  @doc """
  Runs one; returns what the implementation found, and the time, the files that could not be read,
  and how much memory contents took at most.

  Options: `:workers`; `:progress`, a function that is called now and then with files and bytes
  done; the rest is the implementation's.
  """
  @spec run(module(), [binary()], keyword()) :: map()
  def run(implementation, files, opts \\ []) do
    {workers, opts} = Keyword.pop(opts, :workers, System.schedulers_online())
    {progress, opts} = Keyword.pop(opts, :progress, fn _files, _bytes -> :ok end)

    # A tuple, so that a worker finds the file of a number at once.
    paths = List.to_tuple(files)
    inventory = implementation.new(opts)
    watcher = start_watcher(implementation, inventory, progress)
    start = System.monotonic_time(:microsecond)

    unreadable =
      1..workers
      |> Enum.map(fn _ -> Task.async(fn -> work(implementation, inventory, paths, []) end) end)
      |> Task.await_many(:infinity)
      |> Enum.concat()

    elapsed_us = max(System.monotonic_time(:microsecond) - start, 1)
    peak_bytes = stop_watcher(watcher)

    result = implementation.result(inventory)
    implementation.delete(inventory)

    Map.merge(result, %{
      elapsed_us: elapsed_us,
      peak_bytes: peak_bytes,
      unreadable: Enum.sort(unreadable)
    })
  end

  defp work(implementation, inventory, paths, unreadable) do
    number = implementation.next(inventory)

    if number > tuple_size(paths) do
      unreadable
    else
      path = elem(paths, number - 1)

      case implementation.add(inventory, path) do
        :ok -> work(implementation, inventory, paths, unreadable)
        {:error, why} -> work(implementation, inventory, paths, [{path, why} | unreadable])
      end
    end
  end

  # One process looks at memory every few milliseconds and says every tenth time how far it is.
  @look_ms 5

  defp start_watcher(implementation, inventory, progress) do
    # What earlier runs left behind is no part of this one.
    Enum.each(Process.list(), &:erlang.garbage_collect/1)
    base = :erlang.memory(:binary)

    Task.async(fn ->
      held = fn ->
        max(:erlang.memory(:binary) - base, 0) + implementation.held_bytes(inventory)
      end

      say = fn ->
        {files, bytes} = implementation.progress(inventory)
        progress.(files, bytes)
      end

      watch(held, say, 0, 1)
    end)
  end

  defp watch(held, say, peak, turn) do
    receive do
      :stop -> max(peak, held.())
    after
      @look_ms ->
        if rem(turn, 10) == 0, do: say.()
        watch(held, say, max(peak, held.()), turn + 1)
    end
  end

  defp stop_watcher(watcher) do
    send(watcher.pid, :stop)
    Task.await(watcher, :infinity)
  end

  @doc """
  What a result says about the files, whatever the digests look like: paths with sizes, the sets of
  paths with equal contents, and the paths that could not be read. Equal trees give equal summaries.
  """
  @spec summary(map()) :: map()
  def summary(result) do
    %{
      files: result.files,
      bytes: result.bytes,
      duplicates: result.duplicates,
      sizes: result.entries |> Enum.map(fn {path, _, size} -> {path, size} end) |> Enum.sort(),
      equal: equal_files(result),
      counted:
        result.contents |> Enum.map(fn {_, count, size, _} -> {count, size} end) |> Enum.sort(),
      unreadable: result.unreadable |> Enum.map(&elem(&1, 0)) |> Enum.sort()
    }
  end

  defp equal_files(result) do
    result.entries
    |> Enum.group_by(fn {_, digest, _} -> digest end, fn {path, _, _} -> path end)
    |> Enum.flat_map(fn
      {_digest, [_single]} -> []
      {_digest, paths} -> [Enum.sort(paths)]
    end)
    |> Enum.sort()
  end

  @doc "The parts of two summaries, or of their fingerprints, that are not equal."
  @spec differing(map(), map()) :: [atom()]
  def differing(one, other), do: for({part, value} <- one, other[part] != value, do: part)

  @doc "A summary with a hash for each part: small, and good for comparing."
  @spec fingerprint(map()) :: map()
  def fingerprint(summary) do
    Map.new(summary, fn {part, value} ->
      {part, :crypto.hash(:sha256, :erlang.term_to_binary(value))}
    end)
  end

  @doc """
  Compares up to `count` digests, picked at random, with those of the program b2sum of GNU coreutils.
  Returns how many were compared and the paths where they differ, or `:no_b2sum`.
  """
  @spec check_sample(map(), pos_integer()) :: {non_neg_integer(), [binary()]} | :no_b2sum
  def check_sample(result, count) do
    sample = Enum.take_random(result.entries, count)

    case System.find_executable("b2sum") do
      nil -> :no_b2sum
      program -> {length(sample), Enum.flat_map(sample, &differs(program, &1))}
    end
  end

  defp differs(program, {path, digest, _size}) do
    expected = Base.encode16(digest, case: :lower)

    # b2sum begins the line with a backslash where the name has an odd character.
    case System.cmd(program, ["-l", "256", "--", path], stderr_to_stdout: true) do
      {<<?\\, ^expected::binary-64, _::binary>>, 0} -> []
      {<<^expected::binary-64, _::binary>>, 0} -> []
      _ -> [path]
    end
  end
end
