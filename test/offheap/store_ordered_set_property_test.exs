defmodule Offheap.StoreOrderedSetPropertyTest do
  @moduledoc "An ordered set and ETS's, given the same commands, answer the same."
  use ExUnit.Case, async: true

  # A soak run (PROPER_TESTS) takes as long as it takes.
  @moduletag timeout: if(System.get_env("PROPER_TESTS"), do: :infinity, else: 600_000)

  import Bitwise
  import Offheap.Property

  import :proper_types,
    only: [oneof: 1, weighted_union: 1, integer: 2, list: 1, bind: 3, vector: 2]

  alias Offheap.TermGenerator

  test "any sequence of commands" do
    check(forall(list(command(key())), &same_answers/1), tests: 200)
  end

  test "long sequences over few keys, which come and go and look different" do
    commands = bind(integer(100, 300), &vector(&1, command(TermGenerator.key())), false)
    check(forall(commands, &same_answers/1), tests: 20)
  end

  test "long sequences over keys that are numbers, equal or close together" do
    commands = bind(integer(100, 300), &vector(&1, command(number())), false)
    check(forall(commands, &same_answers/1), tests: 20)
  end

  test "keys of every kind are kept in the emulator's order, and each is found" do
    keys = bind(integer(1, 400), &vector(&1, key()), false)
    check(forall(keys, &in_order/1), tests: 20)
  end

  test "thousands of keys that begin alike" do
    for make <- [
          &{:user, &1},
          &{:user, &1 / 2},
          &{{:user, <<"a long name ", rem(&1, 10)::8>>}, &1},
          &<<"users/", &1::64>>,
          &<<"users/", &1::61>>,
          &[:user, &1],
          &%{user: &1},
          &{:user, "a name", &1, [], %{}},
          &((1 <<< 62) + &1),
          &(1.0e300 * &1),
          &<<&1::13>>,
          &{&1, :a, :b, :c, :d, :e, :f, :g}
        ] do
      keys = for i <- Enum.shuffle(1..3000), do: make.(i)
      assert in_order(keys)
    end
  end

  # --- Running ---

  # All that can be asked of a table with these keys.
  defp in_order(keys) do
    table = :offheap_store.new(:keys, [:ordered_set])
    oracle = :ets.new(:keys, [:ordered_set])

    for {key, i} <- Enum.with_index(keys) do
      assert :offheap_store.insert(table, {key, i})
      :ets.insert(oracle, {key, i})
    end

    objects = :ets.tab2list(oracle)
    assert exact(:offheap_store.tab2list(table)) == exact(objects)
    assert :offheap_store.info(table, :size) == length(objects)

    for {{key, _} = object, rank} <- Enum.with_index(objects) do
      assert :offheap_store.lookup(table, key) == [object]
      assert :offheap_store.rank(table, key) == rank
      assert :offheap_store.nth(table, rank) == [object]
      assert :offheap_store.next(table, key) === :ets.next(oracle, key)
      assert :offheap_store.prev(table, key) === :ets.prev(oracle, key)
    end

    [from, to] = Enum.sort([Enum.random(keys), Enum.random(keys)])
    expected = for {key, _} = object <- objects, key >= from, key <= to, do: object
    assert :offheap_store.range(table, from, to) === expected
    limit = :rand.uniform(length(keys))
    assert :offheap_store.range(table, from, to, limit) === Enum.take(expected, limit)
    in_bounds(table, objects, from, to)
    for key <- Enum.take_random(keys, 3), do: same_beginning(table, oracle, key)
    start = :rand.uniform(length(keys)) - 1
    assert :offheap_store.slice(table, start, limit) === Enum.slice(objects, start, limit)

    for key <- Enum.take_every(keys, 2) do
      assert :offheap_store.take(table, key) === :ets.take(oracle, key)
    end

    assert :offheap_store.tab2list(table) === :ets.tab2list(oracle)
    :offheap_store.delete(table)
    :ets.delete(oracle)
  end

  # Selections between two keys, by either kind of bound, both ways, as a whole and in chunks.
  defp in_bounds(table, objects, from, to) do
    for {lower, upper} <- [{:>=, :"=<"}, {:>, :<}, {:>=, nil}, {nil, :<}] do
      guards =
        for {operator, key} <- [{lower, from}, {upper, to}],
            operator,
            do: {operator, {:element, 1, :"$_"}, {:const, key}}

      spec = [{:_, guards, [:"$_"]}]

      expected =
        for {key, _} = object <- objects,
            lower == nil or apply(:erlang, lower, [key, from]),
            upper == nil or apply(:erlang, upper, [key, to]),
            do: object

      assert exact(:offheap_store.select(table, spec)) == exact(expected)
      reversed = Enum.reverse(expected)
      assert exact(:offheap_store.select_reverse(table, spec)) == exact(reversed)
      limit = 1 + div(length(expected), :rand.uniform(5))
      assert exact(chunks(:offheap_store, :select, table, spec, limit)) == exact(expected)
      assert exact(chunks(:offheap_store, :select_reverse, table, spec, limit)) == exact(reversed)
      count = [{:_, guards, [true]}]
      assert :offheap_store.select_count(table, count) == length(expected)
    end
  end

  # Keys that begin as this one does.
  defp same_beginning(table, oracle, key) do
    for pattern <- beginnings(key) do
      spec = [{{pattern, :"$1"}, [], [:"$_"]}]
      expected = :ets.select(oracle, spec)
      assert exact(:offheap_store.select(table, spec)) == exact(expected)
      reversed = :ets.select_reverse(oracle, spec)
      assert exact(:offheap_store.select_reverse(table, spec)) == exact(reversed)
      limit = 1 + div(length(expected), 3)
      assert exact(chunks(:offheap_store, :select, table, spec, limit)) == exact(expected)
    end
  end

  defp beginnings(key) when is_tuple(key) and tuple_size(key) > 1 do
    for place <- 1..(tuple_size(key) - 1) do
      {known, rest} = key |> Tuple.to_list() |> Enum.split(place)
      List.to_tuple(known ++ Enum.map(rest, fn _ -> :_ end))
    end
    |> Enum.reject(&has_map?/1)
  end

  defp beginnings([head | _]), do: Enum.reject([[head | :_], [head, :_]], &has_map?/1)
  defp beginnings(_key), do: []

  # OTP 25 takes a map in the head's key for the key itself.
  defp has_map?(term) when is_map(term), do: true
  defp has_map?(term) when is_tuple(term), do: Enum.any?(Tuple.to_list(term), &has_map?/1)
  defp has_map?([head | tail]), do: has_map?(head) or has_map?(tail)
  defp has_map?(_), do: false

  defp chunks(module, function, table, spec, limit) do
    Stream.unfold(apply(module, function, [table, spec, limit]), fn
      :"$end_of_table" -> nil
      {results, continuation} -> {results, apply(module, function, [continuation])}
    end)
    |> Enum.flat_map(fn results ->
      assert length(results) <= limit
      results
    end)
  end

  defp same_answers(commands) do
    exact(run(:offheap_store, commands)) == exact(run(:ets, commands))
  end

  # 0.0 and -0.0 are told apart, too.
  defp exact(term), do: :erlang.term_to_binary(term)

  defp run(module, commands) do
    table = module.new(:oracle, [:ordered_set, :public])

    answers =
      for {function, args} <- commands, do: outcome(fn -> call(module, function, table, args) end)

    rest = module.tab2list(table)
    module.delete(table)
    {answers, rest}
  end

  # When OTP 25's ETS runs out of its time slice within a list, the first of equal keys stays, not the
  # last. Given each key once, it has no choice.
  defp call(:ets, function, table, [[_ | _] = objects]) when function in [:insert, :insert_new] do
    apply(:ets, function, [table, last_of_equal_keys(objects)])
  end

  defp call(module, :size, table, []), do: module.info(table, :size)
  defp call(module, :type, table, []), do: module.info(table, :type)

  defp call(:ets, :rank, table, [key]), do: Enum.count(keys(table), &(&1 < key))
  defp call(:ets, :nth, table, [n]), do: Enum.slice(:ets.tab2list(table), n, 1)
  defp call(:ets, :slice, table, [n, count]), do: Enum.slice(:ets.tab2list(table), n, count)

  defp call(:ets, :range, table, [from, to]) do
    for object <- :ets.tab2list(table), elem(object, 0) >= from, elem(object, 0) <= to, do: object
  end

  defp call(:ets, :range, table, [from, to, limit]),
    do: Enum.take(call(:ets, :range, table, [from, to]), limit)

  # OTP 25 has none of these.
  for {function, step} <- [next_lookup: :next, prev_lookup: :prev] do
    defp call(:ets, unquote(function), table, [key]),
      do: found(table, apply(:ets, unquote(step), [table, key]))
  end

  for {function, step} <- [first_lookup: :first, last_lookup: :last] do
    defp call(:ets, unquote(function), table, []),
      do: found(table, apply(:ets, unquote(step), [table]))
  end

  defp call(module, {:chunks, function}, table, [spec, limit]),
    do: chunks(module, function, table, spec, limit)

  defp call(module, function, table, args), do: apply(module, function, [table | args])

  defp keys(table), do: for(object <- :ets.tab2list(table), do: elem(object, 0))

  defp found(_table, :"$end_of_table"), do: :"$end_of_table"
  defp found(table, key), do: {key, :ets.lookup(table, key)}

  defp last_of_equal_keys([object | rest]) do
    if Enum.any?(rest, &(elem(&1, 0) == elem(object, 0))),
      do: last_of_equal_keys(rest),
      else: [object | last_of_equal_keys(rest)]
  end

  defp last_of_equal_keys([]), do: []

  defp outcome(fun) do
    {:value, fun.()}
  catch
    class, reason -> {class, reason}
  end

  # --- Commands ---

  defp command(key) do
    weighted_union([
      {10, {:insert, [object(key)]}},
      {2, {:insert, [list(object(key))]}},
      {3, {:insert_new, [object(key)]}},
      {2, {:insert_new, [list(object(key))]}},
      {4, {:lookup, [key]}},
      {2, {:lookup_element, [key, 2]}},
      {2, {:member, [key]}},
      {4, {:delete, [key]}},
      {2, {:take, [key]}},
      {1, {:first, []}},
      {1, {:last, []}},
      {3, {:next, [key]}},
      {3, {:prev, [key]}},
      {1, {:first_lookup, []}},
      {1, {:last_lookup, []}},
      {2, {:next_lookup, [key]}},
      {2, {:prev_lookup, [key]}},
      {2, {:rank, [key]}},
      {2, {:nth, [integer(0, 20)]}},
      {1, {:slice, [integer(0, 10), integer(0, 10)]}},
      {2, {:range, [key, key]}},
      {1, {:range, [key, key, integer(0, 5)]}},
      {4, {:update_counter, [key, integer(-3, 3)]}},
      {2, {:update_counter, [key, {2, integer(-3, 3), 4, 0}]}},
      {2, {:update_counter, [key, integer(-3, 3), {:default, 0}]}},
      {2, {oneof([:select, :select_reverse]), [spec(key)]}},
      {2, {{:chunks, oneof([:select, :select_reverse])}, [spec(key), integer(1, 4)]}},
      {1, {oneof([:match, :match_object]), [head()]}},
      {1, {{:chunks, oneof([:match, :match_object])}, [head(), integer(1, 4)]}},
      {1, {oneof([:select_count, :select_delete]), [spec(key, true)]}},
      {1, {:select_replace, [spec(key, {{{:element, 1, :"$_"}, :replaced, :"$_"}})]}},
      {1, {:match_delete, [head()]}},
      {1, {:tab2list, []}},
      {1, {:size, []}},
      {1, {:type, []}}
    ])
  end

  # What selections ask for: keys between others, and such as begin with something.
  defp spec(key, body \\ :"$_") do
    weighted_union([
      {3, [{:_, [bound(key)], [body]}]},
      {3, [{:_, [bound(key), bound(key)], [body]}]},
      {1, [{:_, [bound(key)], [body]}, {head(), [], [body]}]},
      {2, [{head(), [], [body]}]},
      {1, [{:_, [], [body]}]}
    ])
  end

  defp bound(key) do
    {oneof([:<, :"=<", :>, :>=, :==, :"=:="]), {:element, 1, :"$_"}, {:const, key}}
  end

  defp head do
    weighted_union([
      {3, {number(), :_}},
      {2, {{atom(), :_}, :"$1"}},
      {2, {{TermGenerator.small_binary(), :"$1"}, :_}},
      {1, {[number() | :"$1"], :_}},
      {1, {[number(), :_], :_}},
      {1, {:"$1", :"$2"}}
    ])
  end

  defp object(key) do
    weighted_union([
      {4, {key, integer(0, 5)}},
      {2, {key, TermGenerator.term()}},
      {2, {key, integer(0, 5), TermGenerator.leaf()}},
      {1, {key}}
    ])
  end

  # Of few values, that come again; and of any kind.
  defp key do
    weighted_union([
      {3, TermGenerator.key()},
      {2, number()},
      {2, {atom(), number()}},
      {1, {TermGenerator.small_binary(), number()}},
      {1, list(number())},
      {1, atom()},
      {1, :proper_types.bitstring()},
      {1, TermGenerator.small_binary()},
      {2, TermGenerator.term()}
    ])
  end

  # Their order is that of their texts in UTF-8.
  defp atom do
    names = ["", "a", "a\0", "a\0b", "ab", "aé", "aĀ", "a日本", "é", "日本", "日本語", "z"]
    oneof(Enum.map(names, &String.to_atom/1))
  end

  defp number do
    weighted_union([
      {3, integer(-3, 3)},
      {3, oneof(for i <- -3..3, do: i / 1)},
      {1, oneof([0.5, -0.5, 1.5, -0.0, 1.0e308, -1.0e308])},
      {2, near_edges()},
      {1, TermGenerator.number()}
    ])
  end

  # Integers and floats where one can no longer tell the other's neighbours apart.
  defp near_edges do
    integers =
      for bits <- [49, 52, 53, 54, 59, 63, 64, 65, 70], by <- -1..1, do: (1 <<< bits) + by

    all = integers ++ Enum.map(integers, &(-&1))
    oneof(all ++ Enum.map(all, &(&1 * 1.0)))
  end
end
