defmodule Offheap.StoreSelectPropertyTest do
  use ExUnit.Case, async: true
  import Offheap.Property
  alias Offheap.MatchSpecGenerator

  test "select and its like are what ETS's are" do
    check(
      forall(MatchSpecGenerator.input(), fn {objects, _, _} = input ->
        MatchSpecGenerator.seed(input)
        {store, table} = tables(objects)

        for _ <- 1..20, spec = MatchSpecGenerator.match_spec(input), not keyed_by_map?(spec) do
          same(:select, store, table, spec, objects)
          same(:select_reverse, store, table, spec, objects)
          same(:select_count, store, table, spec, objects)
          assert_chunks(store, table, spec, objects)
        end

        :ets.delete(table)
      end),
      tests: 200
    )
  end

  test "match and match_object are what ETS's are" do
    check(
      forall(MatchSpecGenerator.input(), fn {objects, _, _} = input ->
        MatchSpecGenerator.seed(input)
        {store, table} = tables(objects)

        for _ <- 1..10,
            head = MatchSpecGenerator.head(input),
            not keyed_by_map?([{head, [], []}]) do
          same(:match, store, table, head, objects)
          same(:match_object, store, table, head, objects)
        end

        :ets.delete(table)
      end),
      tests: 100
    )
  end

  test "select_delete, select_replace and match_delete leave what ETS's leave" do
    check(
      forall(MatchSpecGenerator.input(), fn {objects, _, _} = input ->
        MatchSpecGenerator.seed(input)
        spec = MatchSpecGenerator.match_spec(input)
        head = MatchSpecGenerator.head(input)

        for {function, argument} <- [
              select_delete: spec,
              select_delete: truths(spec),
              select_replace: spec,
              select_replace: replacement(head),
              match_delete: head
            ],
            not keyed_by_map?(if(function == :match_delete, do: [{head, [], []}], else: argument)) do
          {store, table} = tables(objects)
          same(function, store, table, argument, objects)
          left = {:list, multiset(:ets.tab2list(table))}
          assert_equal({:list, multiset(:offheap_store.tab2list(store))}, left, argument, objects)
          :ets.delete(table)
        end
      end),
      tests: 200
    )
  end

  test "a key's place is where the order of terms has it" do
    check(
      forall(MatchSpecGenerator.input(), fn {objects, _, _} = input ->
        MatchSpecGenerator.seed(input)
        table = :ets.new(:table, [:ordered_set])
        for object <- objects, do: :ets.insert(table, object)

        for _ <- 1..10, spec = MatchSpecGenerator.match_spec(input), well_formed?(spec) do
          # The keys that match, in order, are all at place 0, and no key at 0 stands outside of its neighbours.
          matched = for object <- objects, matches?(object, spec), do: elem(object, 0)
          check_keys(:offheap_nif.store_match_keys(spec, 1, true), spec, matched)

          places =
            for key <- :ets.select(table, [{:"$1", [], [{:element, 1, :"$1"}]}]),
                do: :offheap_nif.store_match_place(spec, 1, true, key)

          assert places == Enum.sort(places)
        end

        :ets.delete(table)
      end),
      tests: 200
    )
  end

  defp check_keys({:keys, keys}, _spec, matched) do
    assert Enum.all?(matched, fn key -> Enum.any?(keys, &(&1 == key)) end)
  end

  defp check_keys(_, spec, matched) do
    for key <- matched, do: assert(:offheap_nif.store_match_place(spec, 1, true, key) == 0)
  end

  defp well_formed?(spec) do
    :ets.match_spec_compile(spec)
    true
  rescue
    ArgumentError -> false
  end

  defp matches?(object, spec),
    do: :ets.match_spec_run([object], :ets.match_spec_compile(spec)) != []

  # --- ETS beside ours ---

  defp same(function, store, table, argument, objects) do
    theirs = outcome(fn -> apply(:ets, function, [table, argument]) end)
    ours = outcome(fn -> apply(:offheap_store, function, [store, argument]) end)
    assert_equal(ours, theirs, {function, argument}, objects)
  end

  # All chunks together are what select gives, and all but the last are of the size that was asked for.
  defp assert_chunks(store, table, spec, objects) do
    limit = :rand.uniform(4)
    theirs = outcome(fn -> :ets.select(table, spec) end)

    ours =
      outcome(fn ->
        chunks = chunks(:offheap_store.select(store, spec, limit))
        assert Enum.all?(Enum.drop(chunks, -1), &(length(&1) == limit))
        Enum.concat(chunks)
      end)

    assert_equal(ours, theirs, {limit, spec}, objects)
  end

  defp chunks(:"$end_of_table"), do: []

  defp chunks({results, continuation}),
    do: [results | chunks(:offheap_store.select(continuation))]

  # What is true where the body was anything.
  defp truths(spec) when is_list(spec) do
    if List.improper?(spec),
      do: spec,
      else: for({head, guards, _} <- spec, do: {head, guards, [true]})
  end

  defp truths(spec), do: spec

  # The head's variables in another order behind the key.
  defp replacement(head) when is_tuple(head) and tuple_size(head) > 0 do
    [{head, [], [{{{:element, 1, :"$_"}, :"$$", :"$_"}}]}, {:_, [], [:"$_"]}]
  end

  defp replacement(head), do: [{head, [], [:"$_"]}]

  defp tables(objects) do
    store = :offheap_store.new(:store, [:public])
    table = :ets.new(:table, [:public])

    for object <- objects do
      :offheap_store.insert(store, object)
      :ets.insert(table, object)
    end

    {store, table}
  end

  defp outcome(fun) do
    case fun.() do
      list when is_list(list) -> {:list, multiset(list)}
      other -> {:value, other}
    end
  catch
    class, reason -> {class, reason}
  end

  defp multiset(list),
    do: Enum.sort(Enum.map(list, &:erlang.term_to_binary(&1, [:deterministic])))

  defp assert_equal(ours, theirs, spec, objects) do
    if ours != theirs do
      flunk("""
      spec #{inspect(spec, limit: :infinity)}
      objects #{inspect(objects, limit: :infinity)}
      ours #{show(ours)}
      ETS #{show(theirs)}
      """)
    end

    true
  end

  defp show({:list, list}),
    do: inspect(Enum.map(list, &:erlang.binary_to_term/1), limit: :infinity)

  defp show(other), do: inspect(other)

  # OTP 25 takes a map in the head's key for the key itself.
  defp keyed_by_map?(spec) when is_list(spec) do
    not List.improper?(spec) and
      Enum.any?(spec, fn clause ->
        match?({head, _, _} when is_tuple(head) and tuple_size(head) > 0, clause) and
          has_map?(elem(elem(clause, 0), 0))
      end)
  end

  defp keyed_by_map?(_), do: false

  defp has_map?(term) when is_map(term), do: true
  defp has_map?(term) when is_tuple(term), do: Enum.any?(Tuple.to_list(term), &has_map?/1)
  defp has_map?([head | tail]), do: has_map?(head) or has_map?(tail)
  defp has_map?(_), do: false
end
