defmodule Offheap.StoreSelectPropertyTest do
  use ExUnit.Case, async: true
  import Offheap.Property
  alias Offheap.MatchSpecGenerator

  # In an ordered set the order of results is compared, too, and what each chunk has.
  for type <- [:set, :ordered_set, :bag, :duplicate_bag] do
    test "#{type}: select and its like are what ETS's are" do
      check(
        forall(MatchSpecGenerator.input(), fn input ->
          {objects, _, _} = input = input_for(unquote(type), input)
          pair = tables(unquote(type), objects)

          for _ <- 1..20, spec = match_spec(input), not keyed_by_map?(spec) do
            same(:select, pair, spec)
            same(:select_reverse, pair, spec)
            same(:select_count, pair, spec)
            same_chunks(:select, pair, spec)
            same_chunks(:select_reverse, pair, spec)
          end

          delete(pair)
        end),
        tests: 100
      )
    end

    test "#{type}: match and match_object are what ETS's are" do
      check(
        forall(MatchSpecGenerator.input(), fn input ->
          {objects, _, _} = input = input_for(unquote(type), input)
          pair = tables(unquote(type), objects)

          for _ <- 1..10,
              head = MatchSpecGenerator.head(input),
              not keyed_by_map?([{head, [], []}]),
              function <- [:match, :match_object] do
            same(function, pair, head)
            same_chunks(function, pair, head)
          end

          delete(pair)
        end),
        tests: 50
      )
    end

    test "#{type}: select_delete, select_replace and match_delete leave what ETS's leave" do
      check(
        forall(MatchSpecGenerator.input(), fn input ->
          {objects, _, _} = input = input_for(unquote(type), input)
          spec = match_spec(input)
          head = MatchSpecGenerator.head(input)

          for {function, argument} <- [
                select_delete: spec,
                select_delete: truths(spec),
                select_replace: spec,
                select_replace: replacement(head),
                match_delete: head
              ],
              # Not ours to do in a duplicate bag.
              unquote(type) != :duplicate_bag or function != :select_replace,
              not keyed_by_map?(
                if(function == :match_delete, do: [{head, [], []}], else: argument)
              ) do
            pair = tables(unquote(type), objects)
            same(function, pair, argument)
            same(:tab2list, pair)
            delete(pair)
          end
        end),
        tests: 100
      )
    end
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

  # Seeds the draw of specifications. Every other bag has many objects a key, and equal ones. Before OTP 27, -0.0 is
  # 0.0, and the library keeps one of several equal objects.
  defp input_for(:duplicate_bag, {objects, terms, seed}),
    do: input_for(:many, {Enum.reject(objects, &negative_zero?/1), terms, seed})

  defp input_for(type, {objects, terms, _} = input) do
    MatchSpecGenerator.seed(input)

    if type in [:bag, :many] and :rand.uniform(2) == 1 do
      many =
        for object <- objects, tuple_size(object) > 0, i <- 1..8 do
          key = if :rand.uniform(4) == 1, do: elem(object, 0), else: :key
          object |> put_elem(0, key) |> Tuple.append(rem(i, 5))
        end

      {many, terms, 0}
    else
      input
    end
  end

  defp negative_zero?(object),
    do: :binary.match(:erlang.term_to_binary(object), <<?F, 0x8000000000000000::64>>) != :nomatch

  # Half of the specifications compare the key with some that there are, so that a part of an ordered set matches.
  defp match_spec({objects, _, _} = input) do
    spec = MatchSpecGenerator.match_spec(input)

    if objects == [] or :rand.uniform(2) == 1,
      do: spec,
      else: bounded(spec, for(object <- objects, tuple_size(object) > 0, do: elem(object, 0)))
  end

  defp bounded(spec, keys) when is_list(spec) and keys != [] do
    if List.improper?(spec) do
      spec
    else
      for clause <- spec do
        case clause do
          {head, guards, body} when is_tuple(head) and tuple_size(head) > 0 and is_list(guards) ->
            {head, bounds(keys) ++ guards, body}

          other ->
            other
        end
      end
    end
  end

  defp bounded(spec, _keys), do: spec

  defp bounds(keys) do
    for _ <- 1..:rand.uniform(2) do
      {Enum.random([:<, :"=<", :>, :>=, :==, :"=:="]), {:element, 1, :"$_"},
       {:const, Enum.random(keys)}}
    end
  end

  # --- ETS beside ours: pairs are {type, store, table, objects} ---

  defp same(function, {type, store, table, objects}, argument \\ nil) do
    arguments = if function == :tab2list, do: [], else: [argument]
    theirs = outcome(type, fn -> apply(:ets, function, [table | arguments]) end)
    ours = outcome(type, fn -> apply(:offheap_store, function, [store | arguments]) end)
    assert_equal(ours, theirs, {type, function, argument}, objects)
  end

  # All chunks together are what select gives, and all but the last are of the size that was asked for; those of
  # an ordered set have each what ETS's have.
  defp same_chunks(function, {type, store, table, objects}, spec) do
    limit = :rand.uniform(4)

    [ours, theirs] =
      for {module, table} <- [offheap_store: store, ets: table] do
        outcome(type, fn ->
          chunks = chunks(module, function, apply(module, function, [table, spec, limit]))

          if module == :offheap_store,
            do: assert(Enum.all?(Enum.drop(chunks, -1), &(length(&1) == limit)))

          if type == :ordered_set, do: chunks, else: Enum.concat(chunks)
        end)
      end

    assert_equal(ours, theirs, {type, function, limit, spec}, objects)
  end

  defp chunks(_module, _function, :"$end_of_table"), do: []

  defp chunks(module, function, {results, continuation}),
    do: [results | chunks(module, function, apply(module, function, [continuation]))]

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

  defp tables(type, objects) do
    store = :offheap_store.new(:store, [type, :public])
    table = :ets.new(:table, [type, :public])

    for object <- objects do
      :offheap_store.insert(store, object)
      :ets.insert(table, object)
    end

    {type, store, table, objects}
  end

  defp delete({_type, store, table, _objects}) do
    :offheap_store.delete(store)
    :ets.delete(table)
  end

  defp outcome(type, fun) do
    case fun.() do
      list when is_list(list) and type != :ordered_set -> {:list, Enum.sort(exact(list))}
      list when is_list(list) -> {:list, exact(list)}
      other -> {:value, other}
    end
  catch
    class, reason -> {class, reason}
  end

  defp exact(list), do: Enum.map(list, &:erlang.term_to_binary(&1, [:deterministic]))

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
