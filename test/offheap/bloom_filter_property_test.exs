defmodule Offheap.BloomFilterPropertyTest do
  @moduledoc "A Bloom filter against a set of the keys that were added."
  use ExUnit.Case, async: true

  # A soak run (PROPER_TESTS) takes as long as it takes.
  @moduletag timeout: if(System.get_env("PROPER_TESTS"), do: :infinity, else: 600_000)

  import Offheap.Property
  import :proper_types, only: [list: 1, oneof: 1]
  alias Offheap.TermGenerator

  # So low that no wrong yes is to be expected, but for keys whose hashes are equal.
  @rate 1.0e-9

  test "adding, asking, merging and storing agree with a set" do
    check(
      forall(list(command()), fn commands ->
        filters = {filter(), filter()}
        Enum.reduce(commands, {filters, {%{}, %{}}}, &step/2)
        true
      end),
      tests: 300
    )
  end

  test "keys are told apart as the emulator does" do
    check(
      forall({TermGenerator.key(), TermGenerator.key()}, fn {a, b} ->
        filter = filter()
        :offheap_bloom_filter.add(filter, a)

        :offheap_bloom_filter.member(filter, a) and
          :offheap_bloom_filter.member(filter, b) == (a === b)
      end),
      tests: 2000
    )
  end

  test "a key that went through the external format is the same key" do
    check(
      forall(TermGenerator.term(), fn key ->
        filter = filter()
        :offheap_bloom_filter.add(filter, key)
        copy = :erlang.binary_to_term(:erlang.term_to_binary(key))
        :offheap_bloom_filter.member(filter, copy)
      end),
      tests: 1000
    )
  end

  # Keys are those of a map, which tells them apart by ===.
  defp step({:add, key}, {{filter, other}, {keys, others}}) do
    true = :offheap_bloom_filter.add(filter, key) == is_map_key(keys, key)
    {{filter, other}, {Map.put(keys, key, true), others}}
  end

  defp step({:member, key}, {{filter, _}, {keys, _}} = state) do
    true = :offheap_bloom_filter.member(filter, key) == is_map_key(keys, key)
    state
  end

  defp step(:swap, {{filter, other}, {keys, others}}), do: {{other, filter}, {others, keys}}

  defp step(:merge, {{filter, other}, {keys, others}}) do
    :ok = :offheap_bloom_filter.merge(filter, other)
    {{filter, other}, {Map.merge(keys, others), others}}
  end

  defp step(:store, {{filter, other}, keys}) do
    copy = :offheap_bloom_filter.from_binary(:offheap_bloom_filter.to_binary(filter))
    {{copy, other}, keys}
  end

  defp filter, do: :offheap_bloom_filter.new(200, [{:false_positive_rate, @rate}])

  defp command do
    oneof([
      {:add, TermGenerator.key()},
      {:add, TermGenerator.key()},
      {:member, TermGenerator.key()},
      {:member, TermGenerator.key()},
      :swap,
      :merge,
      :store
    ])
  end
end
