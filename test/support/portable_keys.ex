defmodule Offheap.PortableKeys do
  @moduledoc "Keys of every kind that mean the same on every node, for filters and sketches that are stored."

  import Bitwise

  @salt 12_345

  @doc "The binary of a filter or sketch of the module that these keys were added to."
  def fill(module) do
    filter = new(module)
    for key <- keys(), do: module.add(filter, key)
    module.to_binary(filter)
  end

  @doc "The same, made by another emulator."
  def fill_elsewhere(module) do
    eval = "io:put_chars(binary:encode_hex('#{__MODULE__}':fill('#{module}'))), halt(0)."

    paths = Enum.flat_map([:offheap, :elixir], &["-pa", Application.app_dir(&1, "ebin")])
    {text, 0} = System.cmd("erl", ["-noshell", "-eval", eval | paths], stderr_to_stdout: true)
    Base.decode16!(text)
  end

  defp new(Offheap.BloomFilter), do: Offheap.BloomFilter.new(1000, salt: @salt)
  defp new(Offheap.HyperLogLog), do: Offheap.HyperLogLog.new(precision: 8, salt: @salt)

  defp keys do
    [0, -1, 1 <<< 62, 1 <<< 64, -(1 <<< 200), 1.5, :atom, :"löng näme", "", "binary", <<5::3>>] ++
      [[], ~c"string", [1 | 2], {}, {:a, "b", 3}, %{}, %{a: %{1.0 => "b"}}, &:erlang.abs/1] ++
      [Map.new(1..100, &{&1, &1}), String.duplicate("x", 100_000), Enum.to_list(1..10_000)]
  end
end
