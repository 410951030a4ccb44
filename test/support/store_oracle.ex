defmodule Offheap.StoreOracle do
  @moduledoc """
  The store and ETS, given the same commands, side by side: all types of hash tables, with traversal, objects
  deleted one by one, and elements updated.

  Where ETS promises no order, answers are sorted, by their external format, so that 1 and 1.0 stay apart.
  The objects of one key keep their order.
  """

  import Bitwise
  import :proper_types, only: [oneof: 1, weighted_union: 1, integer: 2, list: 1, bind: 3]
  alias Offheap.TermGenerator

  @doc "Whether both answer the same, to each command and in what is left at the end."
  def same_answers?(type, keypos, commands) do
    run(:offheap_store, type, keypos, commands) === run(:ets, type, keypos, commands)
  end

  defp run(module, type, keypos, commands) do
    table = module.new(:oracle, [type, :public, {:keypos, keypos}])
    state = {module, type, table}
    answers = for {function, args} <- commands, do: outcome(fn -> call(state, function, args) end)
    rest = for function <- [:tab2list, :walk, :slots, :size], do: call(state, function, [])
    module.delete(table)
    {answers, rest}
  end

  defp outcome(fun) do
    {:value, fun.()}
  catch
    class, reason -> {class, reason}
  end

  # --- Calls ---

  defp call({module, _, table}, :tab2list, []), do: sorted(module.tab2list(table))
  defp call({module, _, table}, :size, []), do: module.info(table, :size)
  defp call({module, _, table}, :type, []), do: module.info(table, :type)
  defp call({module, _, table}, :name, []), do: module.info(table, :name)
  defp call({module, _, table}, :rename, [name]), do: module.rename(table, name) == table

  defp call({module, _, table}, fold, []) when fold in [:foldl, :foldr],
    do: sorted(apply(module, fold, [&[&1 | &2], [], table]))

  @selections [:select, :select_reverse, :match, :match_object]

  defp call({module, _, table}, selection, [spec]) when selection in @selections,
    do: sorted(apply(module, selection, [table, spec]))

  # In chunks, of which all but the last are full.
  defp call({module, _, table}, selection, [spec, limit]) when selection in @selections do
    chunks =
      Stream.unfold(apply(module, selection, [table, spec, limit]), fn
        :"$end_of_table" -> nil
        {results, continuation} -> {results, apply(module, selection, [continuation])}
      end)
      |> Enum.to_list()

    true = Enum.all?(Enum.drop(chunks, -1), &(module == :ets or length(&1) == limit))
    sorted(Enum.concat(chunks))
  end

  # All keys with their objects, by first and next. Before OTP 27, 0.0 and -0.0 are one key: which of them
  # stands for objects of both, nobody promises.
  defp call({module, type, table} = state, :walk, []) do
    keys = keys(state, :first, :next)
    ^keys = keys(state, :last, :prev) |> backwards(type)
    objects = for key <- keys, do: {key, module.lookup(table, key)}
    same_with_objects(state, objects)
    Enum.sort_by(objects, fn {_key, objects} -> :erlang.term_to_binary(objects) end)
  end

  # All slots' objects.
  defp call({module, _, table}, :slots, []) do
    slots = Stream.iterate(0, &(&1 + 1)) |> Stream.map(&module.slot(table, &1))
    sorted(slots |> Enum.take_while(&is_list/1) |> Enum.concat())
  end

  defp call({module, _, table}, :fix, []) do
    fixed = for on <- [true, false], do: {module.safe_fixtable(table, on), fixed(module, table)}
    {fixed, fixed(module, table)}
  end

  # OTP 25's ETS may insert a list in another order when its time slice ends within it.
  defp call({:ets, _, table} = state, :insert, [[_ | _] = objects] = args) do
    if objects?(objects, table),
      do: Enum.all?(objects, &:ets.insert(table, &1)),
      else: call_as_it_is(state, :insert, args)
  end

  defp call({:ets, _, table} = state, :insert_new, [[_ | _] = objects] = args) do
    keypos = :ets.info(table, :keypos)

    cond do
      not objects?(objects, table) ->
        call_as_it_is(state, :insert_new, args)

      Enum.any?(objects, &:ets.member(table, :erlang.element(keypos, &1))) ->
        false

      true ->
        Enum.all?(objects, &:ets.insert(table, &1))
    end
  end

  # What OTP 25 has not.
  if not function_exported?(:ets, :lookup_element, 4) do
    defp call({:ets, _, table}, :lookup_element, [key, position, default]) do
      cond do
        not is_integer(position) or position < 1 or position >= 1 <<< 59 -> :erlang.error(:badarg)
        :ets.member(table, key) -> :ets.lookup_element(table, key, position)
        true -> default
      end
    end
  end

  if not function_exported?(:ets, :update_element, 4) do
    defp call({:ets, type, table}, :update_element, [key, elements, default]) do
      cond do
        type not in [:set, :ordered_set] or not is_tuple(default) -> :erlang.error(:badarg)
        :ets.member(table, key) -> :ets.update_element(table, key, elements)
        true -> insert_updated(table, key, elements, default)
      end
    end
  end

  # Of a default that is too short for the key, ETS of OTP 27 takes what lies behind it, and that of OTP 29
  # refuses it also where the key is there and the default is not needed.
  if function_exported?(:ets, :update_element, 4) do
    defp call({:ets, _, table} = state, :update_element, [key, elements, default] = args)
         when is_tuple(default) do
      short = tuple_size(default) < :ets.info(table, :keypos)

      cond do
        not short -> call_as_it_is(state, :update_element, args)
        :ets.member(table, key) -> call_as_it_is(state, :update_element, [key, elements])
        true -> :erlang.error(:badarg)
      end
    end
  end

  defp call(state, function, args), do: call_as_it_is(state, function, args)

  defp call_as_it_is({module, _, table}, function, args),
    do: apply(module, function, [table | args])

  if not function_exported?(:ets, :update_element, 4) do
    defp insert_updated(table, key, elements, default) do
      keypos = :ets.info(table, :keypos)
      scratch = :ets.new(:scratch, [{:keypos, keypos}])

      try do
        :ets.insert(scratch, :erlang.setelement(keypos, default, key))
        true = :ets.update_element(scratch, key, elements)
        :ets.insert(table, :ets.lookup(scratch, key))
      after
        :ets.delete(scratch)
      end
    end
  end

  # Only ordered sets have two directions.
  defp backwards(list, :ordered_set), do: Enum.reverse(list)
  defp backwards(list, _type), do: list

  defp keys({module, _, table}, first, next) do
    Stream.unfold(apply(module, first, [table]), fn
      :"$end_of_table" -> nil
      key -> {key, apply(module, next, [table, key])}
    end)
    |> Enum.to_list()
  end

  # ETS has these from OTP 27 on.
  defp same_with_objects({:offheap_store = module, type, table}, objects) do
    walk = fn first, next ->
      Stream.unfold(apply(module, first, [table]), fn
        :"$end_of_table" -> nil
        {key, _} = met -> {met, apply(module, next, [table, key])}
      end)
      |> Enum.to_list()
    end

    ^objects = walk.(:first_lookup, :next_lookup)
    ^objects = walk.(:last_lookup, :prev_lookup) |> backwards(type)
  end

  defp same_with_objects({:ets, _, _}, _objects), do: :ok

  defp fixed(module, table) do
    times = for item <- [:safe_fixed_monotonic_time, :safe_fixed], do: module.info(table, item)
    {module.info(table, :fixed), Enum.map(times, &(&1 && elem(&1, 1)))}
  end

  defp objects?(objects, table) do
    keypos = :ets.info(table, :keypos)

    not List.improper?(objects) and
      Enum.all?(objects, &(is_tuple(&1) and tuple_size(&1) >= keypos))
  end

  # Sorting keeps the order of objects that have one key: only their keys are looked at.
  defp sorted(terms), do: Enum.sort_by(terms, &:erlang.term_to_binary/1)

  # --- Commands ---

  @doc "A list of commands for tables of a type."
  def commands(type, keypos), do: list(command(type, keypos))

  @doc "As many commands as said, on few keys: these come to many objects."
  def long_commands(type, length) do
    key = oneof([1, 1, 2, "k", {:k, 1.0}])
    object = pair(key, oneof([integer(0, 60), integer(0, 60), {integer(0, 60)}, [integer(0, 9)]]))
    many = bind(integer(10, 60), &:proper_types.vector(&1, object), false)

    command =
      weighted_union([
        {20, {:insert, [object]}},
        {3, {:insert, [many]}},
        {1, {:insert_new, [many]}},
        {12, {:delete_object, [object]}},
        {3, {:lookup, [key]}},
        {1, {:take, [key]}},
        {1, traversal()},
        {1, update_element(type, key)}
      ])

    :proper_types.vector(length, command)
  end

  defp command(type, keypos) do
    key = key()
    object = object(keypos, key)

    weighted_union([
      {10, {:insert, [object]}},
      {3, {:insert, [objects(object)]}},
      {2, {:insert_new, [object]}},
      {2, {:insert_new, [objects(object)]}},
      {5, {:delete_object, [object]}},
      {4, {:lookup, [key]}},
      {2, {:lookup_element, [key, position()]}},
      {2, {:lookup_element, [key, position(), TermGenerator.leaf()]}},
      {2, {:member, [key]}},
      {2, {:delete, [key]}},
      {2, {:take, [key]}},
      {2, update_element(type, key)},
      {1, {:update_counter, [key, {position(), 1}]}},
      {1, {:update_counter, [key, counts(), default(keypos)]}},
      {1, {:delete_all_objects, []}},
      {1, {:slot, [oneof([-1, 1.0, :a, 1 <<< 64])]}},
      {3, selection(type, key)},
      {1, {:safe_fixtable, [oneof([:yes, 1])]}},
      {3, traversal()},
      {1, named()}
    ])
  end

  # Those of which ETS of OTP 25 corrupts no memory: small ones, and defaults that have a key.
  defp counts do
    count =
      oneof([{position(), integer(-2, 2)}, {integer(1, 4), integer(-2, 2), 3, integer(0, 1)}])

    oneof([integer(-2, 2), count, list(count)])
  end

  defp default(keypos) do
    bind(
      integer(0, 2),
      &:proper_types.exactly(List.to_tuple(Enum.to_list(1..(keypos + &1)))),
      false
    )
  end

  # Ordered sets have none yet; of a duplicate bag, ETS replaces objects.
  defp selection(type, key) do
    writes =
      if type == :duplicate_bag, do: [:select_delete], else: [:select_delete, :select_replace]

    select = oneof([:select, :select_reverse])
    match = oneof([:match, :match_object])

    weighted_union([
      {2, {select, [spec(key)]}},
      {2, {select, [spec(key), integer(1, 4)]}},
      {2, {oneof([:select_count | writes]), [spec(key)]}},
      {1, {match, [pattern(key)]}},
      {1, {match, [pattern(key), integer(1, 4)]}},
      {1, {:match_delete, [pattern(key)]}}
    ])
  end

  defp pattern(key) do
    oneof([
      {:"$1", :"$2"},
      {:"$2", :"$1", :_},
      {:"$1", integer(0, 5)},
      {:"$1", :"$1"},
      :_,
      pair(without_maps(key), :"$1"),
      pair(without_maps(key), integer(0, 5))
    ])
  end

  # A map stands for more keys than one: store_select_property_test.exs.
  defp without_maps(key),
    do: bind(key, &:proper_types.exactly(if(map?(&1), do: :a, else: &1)), false)

  defp map?(%{}), do: true
  defp map?(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> map?()
  defp map?([head | tail]), do: map?(head) or map?(tail)
  defp map?(_other), do: false

  # Those in which ETS may go wrong are not among them: store_select_property_test.exs.
  defp spec(key) do
    one = pair(without_maps(key), :"$2")
    head = oneof([{:"$1", :"$2"}, {1, :"$2"}, :_, {:"$1", :"$2", :_}, one])
    guard = oneof([[], [{:>, :"$2", 2}], [{:is_integer, :"$2"}]])
    body = oneof([:"$_", true, {{:"$_"}}])

    bind(
      {head, guard, body},
      fn {head, guard, body} ->
        :proper_types.exactly([{head, if(head == :_, do: [], else: guard), [body]}])
      end,
      false
    )
  end

  # The names of tables that go by their references.
  defp named, do: oneof([{:rename, [oneof([:other, :oracle])]}, {:name, []}])

  defp traversal, do: {oneof([:walk, :tab2list, :foldl, :foldr, :slots, :size, :type, :fix]), []}

  defp update_element(type, key) do
    element = {position(), weighted_union([{3, TermGenerator.leaf()}, {1, integer(0, 3)}])}

    elements =
      weighted_union([
        {4, element},
        {3, list(element)},
        {1,
         TermGenerator.one_of_values([:a, {}, {1}, {2, 1, 1}, [{2, 1} | :tail], [:a], {2.0, 1}])}
      ])

    default =
      if type in [:set, :ordered_set],
        do: TermGenerator.one_of_values([{}, {1}, {1, 2}, {1, 2, 3, 4}, [], :none]),
        else: TermGenerator.one_of_values([{1, 2}, :none])

    oneof([
      {:update_element, [key, elements]},
      {:update_element, [key, elements, default]}
    ])
  end

  # A few keys come again and again.
  defp key, do: weighted_union([{2, oneof([1, "k", {:k, 1.0}])}, {1, TermGenerator.key()}])

  defp object(keypos, key) do
    weighted_union([
      {8, keyed(keypos, key, integer(0, 5))},
      {8, keyed(keypos, key, TermGenerator.term())},
      {1, TermGenerator.one_of_values([{}, {1}, :none, 1, %{}, [{1, 2} | :improper], [[{1, 2}]]])}
    ])
  end

  defp keyed(keypos, key, value) do
    values = bind(integer(0, 3), &:proper_types.vector(&1, value), false)

    bind(
      {key, :proper_types.vector(keypos - 1, integer(0, 2)), values},
      fn {key, left, right} -> :proper_types.exactly(List.to_tuple(left ++ [key | right])) end,
      false
    )
  end

  defp pair(key, value) do
    bind({key, value}, fn {key, value} -> :proper_types.exactly({key, value}) end, false)
  end

  defp objects(object) do
    weighted_union([
      {8, list(object)},
      {1, bind(object, &:proper_types.exactly([&1 | :tail]), false)}
    ])
  end

  defp position do
    weighted_union([
      {10, integer(1, 4)},
      {1, oneof([0, -1, 1 <<< 60, 1 <<< 64, :a, 1.0, nil])}
    ])
  end
end
