defmodule Offheap.StoreOwnerPropertyTest do
  @moduledoc """
  The life of tables, in the hands of several processes: the store and ETS, given the same commands,
  answer the same and send the same messages.
  """
  use ExUnit.Case, async: true

  import Offheap.Property
  import :proper_types, only: [integer: 2, list: 1, weighted_union: 1, oneof: 1]

  @moduletag timeout: if(System.get_env("PROPER_TESTS"), do: :infinity, else: 600_000)

  @actors 3
  @names [:owner_property_a, :owner_property_b, :owner_property_c]

  test "tables are made, named, renamed, given away, inherited and deleted" do
    check(
      forall(list(command()), fn commands ->
        run(:offheap_store, commands) === run(:ets, commands)
      end),
      tests: 400
    )
  end

  test "long lives of few tables" do
    commands = :proper_types.bind(integer(50, 150), &:proper_types.vector(&1, command()), false)

    check(
      forall(commands, fn commands ->
        run(:offheap_store, commands) === run(:ets, commands)
      end),
      tests: 60
    )
  end

  # --- Running ---

  # The state: who is there (actor => pid), all pids and tables that ever were in the order of their
  # making, so that answers show the same numbers whatever the module.
  defp run(module, commands) do
    actors = for n <- 1..@actors, into: %{}, do: {n, start_actor()}
    state = %{module: module, actors: actors, pids: Map.values(actors), tables: []}

    {answers, state} = Enum.map_reduce(commands, state, &step/2)
    last = for n <- 1..@actors, do: show(log(state.actors[n]), state)

    for pid <- Map.values(state.actors), do: end_actor(pid)
    await(fn -> Enum.all?(@names, &(module.whereis(&1) == :undefined)) end)
    {answers, last}
  end

  defp step({:die, n}, state) do
    %{module: m} = state
    pid = state.actors[n]
    owned = for {tid, _} <- state.tables, m.info(tid, :owner) == pid, do: tid
    end_actor(pid)
    for tid <- owned, do: await(fn -> passed_on?(m, tid, pid) end)
    fresh = start_actor()
    {:died, %{state | actors: %{state.actors | n => fresh}, pids: state.pids ++ [fresh]}}
  end

  defp step({function, n, args}, state) do
    answer = ask(state.actors[n], state.module, function, Enum.map(args, &resolve(&1, state)))
    state = if function == :new, do: note_table(answer, state), else: state
    {show(answer, state), state}
  end

  # An heir has the table, and knows; or nobody has.
  defp passed_on?(m, tid, dead) do
    case m.info(tid, :owner) do
      ^dead -> false
      :undefined -> true
      heir -> Enum.any?(log(heir), &match?({:"ETS-TRANSFER", _, ^dead, _}, &1))
    end
  end

  defp note_table({:value, table}, state),
    do: %{state | tables: state.tables ++ [{state.module.info(table, :id), table}]}

  defp note_table(_, state), do: state

  # Symbols of commands into what they stand for now.
  defp resolve({:actor, n}, state), do: state.actors[n]
  defp resolve({:heir, n, data}, state), do: {:heir, state.actors[n], data}
  defp resolve({:table, _}, %{tables: []}), do: :no_table

  defp resolve({:table, i}, %{tables: tables}),
    do: tables |> Enum.at(rem(i, length(tables))) |> elem(1)

  defp resolve({:tid, _}, %{tables: []}), do: :no_table

  defp resolve({:tid, i}, %{tables: tables}),
    do: tables |> Enum.at(rem(i, length(tables))) |> elem(0)

  defp resolve(list, state) when is_list(list), do: Enum.map(list, &resolve(&1, state))
  defp resolve(other, _state), do: other

  # Answers with numbers for pids and tables.
  defp show(pid, state) when is_pid(pid), do: {:pid, Enum.find_index(state.pids, &(&1 == pid))}

  defp show(tid, state) when is_reference(tid),
    do: {:tid, Enum.find_index(state.tables, &(elem(&1, 0) == tid))}

  defp show(list, state) when is_list(list), do: Enum.map(list, &show(&1, state))

  defp show(tuple, state) when is_tuple(tuple),
    do: tuple |> Tuple.to_list() |> show(state) |> List.to_tuple()

  defp show(other, _state), do: other

  # --- Actors: processes that do what they are told and keep what they are sent ---

  defp start_actor, do: spawn(fn -> act([]) end)

  defp act(log) do
    receive do
      {:do, from, module, function, args} ->
        send(from, {self(), outcome(fn -> apply(module, function, args) end)})
        act(log)

      {:log, from} ->
        send(from, {self(), Enum.reverse(log)})
        act(log)

      :end ->
        :ok

      message ->
        act([message | log])
    end
  end

  defp ask(pid, module, function, args) do
    send(pid, {:do, self(), module, function, args})
    assert_receive {^pid, answer}, 60_000
    answer
  end

  defp log(pid) do
    send(pid, {:log, self()})
    assert_receive {^pid, log}, 60_000
    log
  end

  defp end_actor(pid) do
    monitor = Process.monitor(pid)
    send(pid, :end)
    assert_receive {:DOWN, ^monitor, :process, ^pid, _}, 60_000
  end

  defp outcome(fun) do
    {:value, fun.()}
  catch
    class, reason -> {class, reason}
  end

  defp await(condition), do: condition.() || (:erlang.yield() && await(condition))

  # --- Commands ---

  defp command do
    actor = integer(1, @actors)

    weighted_union([
      {5, {:new, actor, [name(), list(option())]}},
      {2, {:delete, actor, [table()]}},
      {3, {:rename, actor, [table(), name()]}},
      {5, {:give_away, actor, [table(), {:actor, actor}, integer(1, 3)]}},
      {4, {:setopts, actor, [table(), oneof([setoption(), list(setoption())])]}},
      {4, {:insert, actor, [table(), {integer(1, 3), integer(1, 9)}]}},
      {3, {:lookup, actor, [table(), integer(1, 3)]}},
      {6, {:info, actor, [table(), item()]}},
      {3, {:whereis, actor, [name()]}},
      {2, {:die, actor}}
    ])
  end

  defp name, do: oneof(@names)

  defp table do
    weighted_union([
      {5, {:table, integer(0, 20)}},
      {3, {:tid, integer(0, 20)}},
      {3, name()}
    ])
  end

  defp option do
    weighted_union([
      {6, :named_table},
      {2, protection()},
      {4, {:heir, integer(1, @actors), integer(1, 3)}},
      {1, oneof([{:heir, :none}, {:heir, :nobody}, :bad])}
    ])
  end

  defp setoption do
    weighted_union([
      {4, {:heir, integer(1, @actors), integer(1, 3)}},
      {2, {:heir, :none}},
      {3, {:protection, protection()}},
      {1, oneof([:bad, {:protection, :bad}, {:heir, :bad, 1}, {:keypos, 1}])}
    ])
  end

  defp protection, do: oneof([:public, :protected, :private])

  defp item, do: oneof([:owner, :heir, :name, :named_table, :protection, :size, :id, :type, :bad])
end
