defmodule Offheap.StorePropertyTest do
  @moduledoc "The store and ETS, given the same commands, answer the same."
  use ExUnit.Case, async: true

  # A soak run (PROPER_TESTS) takes as long as it takes.
  @moduletag timeout: if(System.get_env("PROPER_TESTS"), do: :infinity, else: 600_000)

  import Bitwise
  import Offheap.Property
  import :proper_types, only: [oneof: 1, weighted_union: 1, integer: 2, list: 1, bind: 3]
  alias Offheap.TermGenerator

  for keypos <- 1..3 do
    test "any sequence of commands on tables with the key at #{keypos}" do
      keypos = unquote(keypos)
      check(forall(commands(keypos), &same_answers(&1, keypos)), tests: 100)
    end
  end

  test "any sequence of counter updates" do
    check(forall(list(counter_command(1)), &same_answers(&1, 1)), tests: 1500)
  end

  test "long sequences over few keys, so that entries are replaced, deleted and come again" do
    commands = bind(integer(100, 300), &:proper_types.vector(&1, command(1)), false)
    check(forall(commands, &same_answers(&1, 1)), tests: 20)
  end

  test "a term comes back as it was, down to its external format" do
    check(
      forall({TermGenerator.term(), TermGenerator.term()}, fn {key, value} ->
        table = :offheap_store.new(:round_trip, [:set])
        :offheap_store.insert(table, {key, value})
        [{^key, ^value} = object] = :offheap_store.lookup(table, key)
        :erlang.term_to_binary(object) == :erlang.term_to_binary({key, value})
      end),
      tests: 1500
    )
  end

  test "keys are told apart as the emulator does" do
    check(
      forall({TermGenerator.key(), TermGenerator.key()}, fn {a, b} ->
        table = :offheap_store.new(:keys, [:set])
        :offheap_store.insert(table, {a, 1})
        :offheap_store.member(table, b) == (a === b) and :offheap_store.member(table, a)
      end),
      tests: 1500
    )
  end

  test "a list of many objects is inserted as ETS does, the last of equal keys staying" do
    check(
      forall(list(object(1)), fn objects ->
        objects = for o <- objects, tuple?(o, 1), _ <- 1..3, do: o
        commands = [{:insert, [objects]}, {:insert_new, [objects]}, {:tab2list, []}]
        same_answers(commands, 1)
      end),
      tests: 300
    )
  end

  test "new/2 refuses what ETS refuses" do
    options =
      list(
        TermGenerator.one_of_values([
          :set,
          :public,
          {:keypos, 1},
          {:keypos, 2},
          {:keypos, 0},
          {:keypos, -1},
          {:keypos, :a},
          {:keypos, 1.0},
          {:keypos, 1 <<< 40},
          {:keypos, 1 <<< 59},
          {:keypos, 1 <<< 64},
          {:no_such_option, true},
          :no_such_option,
          1,
          "set"
        ])
      )

    names = TermGenerator.one_of_values([:name, "name", 1, nil, {}])
    tails = TermGenerator.one_of_values([[], [], [], :tail])

    check(
      forall({names, options, tails}, fn {name, options, tail} ->
        made?(:offheap_store, name, options ++ tail) == made?(:ets, name, options ++ tail)
      end),
      tests: 1000
    )
  end

  defp made?(module, name, options) do
    case outcome(fn -> module.new(name, options) end) do
      {:value, table} -> is_reference(table) and module.delete(table)
      error -> error
    end
  end

  # --- Running ---

  defp same_answers(commands, keypos) do
    run(:offheap_store, commands, keypos) === run(:ets, commands, keypos)
  end

  defp run(module, commands, keypos) do
    table = module.new(:oracle, [:set, :public, {:keypos, keypos}])

    answers =
      for {function, args} <- commands, do: outcome(fn -> call(module, function, table, args) end)

    rest = outcome(fn -> call(module, :tab2list, table, []) end)
    outcome(fn -> module.delete(table) end)
    {answers, rest}
  end

  # The order of a set's objects is nobody's business. Sorted by their external format, and not by their
  # values, 1 and 1.0 stay apart.
  defp call(module, :tab2list, table, []) do
    Enum.sort_by(module.tab2list(table), &:erlang.term_to_binary/1)
  end

  # When OTP 25's ETS runs out of its time slice within a list, the first of equal keys stays, not the
  # last. Given each key once, it has no choice.
  defp call(:ets, function, table, [[_ | _] = objects]) when function in [:insert, :insert_new] do
    apply(:ets, function, [table, last_of_equal_keys(objects, :ets.info(table, :keypos))])
  end

  defp call(module, :size, table, []), do: module.info(table, :size)

  # The name of the table's type and the place of its key stand in both descriptions.
  defp call(module, :info, table, []) do
    case module.info(table) do
      :undefined -> :undefined
      list -> Keyword.take(list, [:size, :type, :keypos]) |> Enum.sort()
    end
  end

  # OTP 25 has no lookup_element/4.
  if not function_exported?(:ets, :lookup_element, 4) do
    defp call(:ets, :lookup_element, table, [key, position, default]) do
      cond do
        not is_integer(position) or position < 1 or position >= 1 <<< 59 -> :erlang.error(:badarg)
        :ets.member(table, key) -> :ets.lookup_element(table, key, position)
        true -> default
      end
    end
  end

  defp call(module, function, table, args), do: apply(module, function, [table | args])

  # What is no list of objects stays as it is, for ETS to refuse; so does a deleted table's.
  defp last_of_equal_keys(objects, keypos) do
    if keypos != :undefined and not List.improper?(objects) and
         Enum.all?(objects, &tuple?(&1, keypos)) do
      objects
      |> Enum.reverse()
      |> Enum.uniq_by(&:erlang.element(keypos, &1))
      |> Enum.reverse()
    else
      objects
    end
  end

  defp outcome(fun) do
    {:value, fun.()}
  catch
    class, reason -> {class, reason}
  end

  # --- Commands ---

  defp commands(keypos) do
    # Rarely, the table is deleted and the commands go on.
    oneof([
      list(command(keypos)),
      list(command(keypos)),
      list(command(keypos)),
      bind(
        {list(command(keypos)), list(command(keypos))},
        fn {some, more} ->
          :proper_types.exactly(some ++ [{:delete, []} | more])
        end,
        false
      )
    ])
  end

  defp command(keypos) do
    key = TermGenerator.key()
    object = object(keypos)

    weighted_union([
      {8, {:insert, [object]}},
      {2, {:insert, [objects(object)]}},
      {3, {:insert_new, [object]}},
      {2, {:insert_new, [objects(object)]}},
      {4, {:lookup, [key]}},
      {3, {:lookup_element, [key, position()]}},
      {3, {:lookup_element, [key, position(), TermGenerator.leaf()]}},
      {3, {:member, [key]}},
      {3, {:delete, [key]}},
      {3, {:take, [key]}},
      {2, counter_command(keypos)},
      {1, {:tab2list, []}},
      {1, {:size, []}},
      {1, {:info, []}}
    ])
  end

  # A default object has the table's key position: OTP 25's ETS corrupts its memory over shorter ones.
  defp counter_command(keypos) do
    key = integer(1, 3)

    weighted_union([
      {2, {:insert, [counters(key)]}},
      {3, {:update_counter, [key, update()]}},
      {2, {:update_counter, [key, updates()]}},
      {3, {:update_counter, [key, update(), default(keypos, key)]}},
      {2, {:update_counter, [key, updates(), default(keypos, key)]}},
      {1, {:update_counter, [key, update(), TermGenerator.one_of_values([:none, [], 1])]}},
      {1, {:lookup, [key]}},
      {1, {:delete, [key]}}
    ])
  end

  # --- Objects ---

  defp object(keypos) do
    weighted_union([
      {12, keyed(keypos, TermGenerator.key())},
      {3, counters(integer(1, 3))},
      {1,
       TermGenerator.one_of_values([
         {},
         {1},
         {1, 2},
         :none,
         1,
         %{},
         "text",
         [{1, 2} | :improper],
         [[{1, 2}]]
       ])}
    ])
  end

  defp keyed(keypos, key) do
    term = TermGenerator.term()

    bind(
      {key, :proper_types.vector(keypos - 1, TermGenerator.leaf()), few(term)},
      fn {key, left, right} ->
        :proper_types.exactly(List.to_tuple(left ++ [key | right]))
      end,
      false
    )
  end

  defp few(type), do: bind(integer(0, 3), &:proper_types.vector(&1, type), false)

  defp counters(key) do
    value =
      weighted_union([
        {6, integer(-5, 5)},
        {2, oneof([1 <<< 59, -(1 <<< 59), (1 <<< 63) - 1, 1 <<< 64, -(1 <<< 64), 1 <<< 300])},
        {1, oneof([1.0, :a, "1", nil])}
      ])

    bind(
      {key, few(value)},
      fn {key, values} ->
        :proper_types.exactly(List.to_tuple([key | values]))
      end,
      false
    )
  end

  defp default(keypos, key) do
    bind(
      {:proper_types.vector(keypos - 1, integer(0, 3)), counters(key)},
      fn {left, counters} ->
        :proper_types.exactly(List.to_tuple(left ++ Tuple.to_list(counters)))
      end,
      false
    )
  end

  defp objects(object) do
    weighted_union([
      {8, list(object)},
      {1, bind(object, &:proper_types.exactly([&1 | :tail]), false)}
    ])
  end

  defp tuple?(term, size), do: is_tuple(term) and tuple_size(term) >= size

  # --- Arguments ---

  defp position do
    weighted_union([
      {10, integer(1, 4)},
      {1, oneof([0, -1, 1 <<< 60, 1 <<< 64, :a, 1.0, nil])}
    ])
  end

  # In a list, all integers are small: those of more than 60 bits corrupt the memory of OTP 25's ETS.
  defp updates do
    weighted_union([
      {8,
       list(
         update(small_increment(), oneof([integer(-4, 4), :a, 1.0]), oneof([integer(-4, 4), :a]))
       )},
      {1, TermGenerator.one_of_values([[1 | :tail], [:a], :a, [[1]]])}
    ])
  end

  defp update, do: update(increment(), threshold(), set_value())

  defp update(increment, threshold, set_value) do
    weighted_union([
      {6, increment},
      {6, {position(), increment}},
      {6, {position(), increment, threshold, set_value}},
      {1, TermGenerator.one_of_values([{}, {2}, {2, 1, 3}, {2, 1, 3, 4, 5}, :a, 1.0, "1", nil])}
    ])
  end

  defp increment do
    weighted_union([
      {8, small_increment()},
      {2, oneof([1 <<< 59, -(1 <<< 59), 1 <<< 63, 1 <<< 64, -(1 <<< 64)])}
    ])
  end

  defp small_increment, do: weighted_union([{8, integer(-3, 3)}, {1, oneof([1.0, :a])}])

  defp threshold, do: oneof([integer(-4, 4), 1 <<< 59, 1 <<< 64, -(1 <<< 64), :a, 1.0])
  defp set_value, do: oneof([integer(-4, 4), 0, 1 <<< 64, :a])
end
