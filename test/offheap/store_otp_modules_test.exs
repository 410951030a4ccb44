defmodule Offheap.StoreOtpModulesTest do
  @moduledoc "Modules of OTP that keep their data in ETS, beside the same ones over Offheap's tables."
  use ExUnit.Case, async: true

  import Offheap.Property

  import :proper_types,
    only: [integer: 2, list: 1, vector: 2, bind: 3, weighted_union: 1, oneof: 1, exactly: 1]

  @moduletag timeout: if(System.get_env("PROPER_TESTS"), do: :infinity, else: 600_000)

  # Sets of vertices and edges, a bag of what meets where.
  describe "digraph" do
    test "graphs as vertices, edges and paths come and go" do
      [digraph] = Offheap.Redirected.load([:digraph])
      commands = list(graph_command())

      check(
        forall({list(graph_option()), commands}, fn {options, commands} ->
          run_graph(digraph, options, commands) === run_graph(:digraph, options, commands)
        end),
        tests: 200
      )
    end

    test "a graph of a thousand vertices is taken apart" do
      [digraph] = Offheap.Redirected.load([:digraph])
      commands = bind(integer(1, 1000), &large_graph/1, false)

      check(
        forall(commands, &(run_graph(digraph, [], &1) === run_graph(:digraph, [], &1))),
        tests: 3
      )
    end
  end

  describe "digraph_utils over OTP's graphs" do
    test "what it finds in any graph" do
      [utils] = Offheap.Redirected.load([:digraph_utils])

      questions = [
        components: [],
        strong_components: [],
        cyclic_strong_components: [],
        topsort: [],
        preorder: [],
        postorder: [],
        loop_vertices: [],
        is_acyclic: [],
        is_arborescence: [],
        is_tree: []
      ]

      check(
        forall(graph(), fn {vertices, edges} ->
          g = :digraph.new()
          for v <- vertices, do: :digraph.add_vertex(g, v)
          for {a, b} <- edges, do: :digraph.add_edge(g, a, b)

          same =
            for {function, args} <- questions do
              apply(utils, function, [g | args]) == apply(:digraph_utils, function, [g | args])
            end

          reach =
            for function <- [:reachable, :reaching, :reachable_neighbours, :reaching_neighbours] do
              some = Enum.take(vertices, 2)
              apply(utils, function, [some, g]) == apply(:digraph_utils, function, [some, g])
            end

          :digraph.delete(g)
          Enum.all?(same ++ reach)
        end),
        tests: 150
      )
    end
  end

  # An ordered set of lists of integers.
  describe "snmp_index, a table of an SNMP agent" do
    test "rows as they come and go, met in the order of object identifiers" do
      [index] = Offheap.Redirected.load([:snmp_index])
      types = oneof([:integer, :string, :fix_string, exactly({:integer, :string, :integer})])

      check(
        forall(bind(types, &{exactly(&1), list(row_command(&1))}, false), fn {types, commands} ->
          run_index(index, types, commands) === run_index(:snmp_index, types, commands)
        end),
        tests: 300
      )
    end
  end

  describe "pg, process groups in a named table" do
    test "groups as processes join, leave and end" do
      [pg] = Offheap.Redirected.load([:pg])

      check(
        forall(list(membership()), fn commands ->
          scopes = for module <- [pg, :pg], do: {module, scope()}
          servers = for {module, scope} <- scopes, do: elem(module.start(scope), 1)
          members = for n <- 1..4, into: %{}, do: {n, spawn(fn -> receive do: (:end -> :ok) end)}

          answers =
            for {module, scope} <- scopes do
              Enum.flat_map(commands, &membership(module, scope, members, &1))
            end

          [ours, theirs] = for {module, scope} <- scopes, do: groups(module, scope)
          for pid <- Map.values(members), do: send(pid, :end)
          for {module, scope} <- scopes, do: await_empty(module, scope)
          for pid <- servers, do: stop(pid)
          [a, b] = answers
          a == b and ours == theirs
        end),
        tests: 50
      )
    end
  end

  # --- Graphs, changed ---

  defp run_graph(module, options, commands) do
    graph = module.new(options)
    answers = for {function, args} <- commands, do: ask_graph(module, graph, function, args)
    vertices = ask_graph(module, graph, :vertices, [])

    rest =
      for function <- [:vertices, :edges, :source_vertices, :sink_vertices, :info, :no_edges],
          do: ask_graph(module, graph, function, [])

    around =
      for v <- vertices,
          function <- [:vertex, :edges, :in_edges, :out_edges, :in_neighbours, :out_neighbours],
          do: ask_graph(module, graph, function, [v])

    known = for e <- ask_graph(module, graph, :edges, []), do: module.edge(graph, e)
    true = module.delete(graph)
    {answers, rest, around, known}
  end

  # Of the tables' order nothing is promised; all else follows from the order in which a bag's objects came.
  @unordered [:vertices, :edges, :source_vertices, :sink_vertices]

  defp ask_graph(module, graph, function, args) do
    case {function, apply(module, function, [graph | args])} do
      {function, list} when function in @unordered ->
        Enum.sort_by(list, &:erlang.term_to_binary/1)

      {:info, info} ->
        Keyword.delete(info, :memory)

      {_, answer} ->
        answer
    end
  catch
    class, reason -> {class, reason}
  end

  defp graph_option, do: oneof([:cyclic, :acyclic, :protected, :private])

  defp graph_command do
    v = vertex()
    e = edge()

    weighted_union([
      {12, {:add_vertex, [v]}},
      {2, {:add_vertex, [v, integer(0, 3)]}},
      {1, {:add_vertex, []}},
      {25, {:add_edge, [v, v]}},
      {5, {:add_edge, [v, v, integer(0, 3)]}},
      {5, {:add_edge, [e, v, v, integer(0, 3)]}},
      {1, {:del_vertex, [v]}},
      {1, {:del_vertices, [list(v)]}},
      {3, {:del_edge, [e]}},
      {1, {:del_edges, [list(e)]}},
      {2, {:del_path, [v, v]}},
      {6, {oneof([:get_path, :get_short_path]), [v, v]}},
      {4, {oneof([:get_cycle, :get_short_cycle]), [v]}},
      {4, {oneof([:in_neighbours, :out_neighbours, :in_edges, :out_edges, :edges]), [v]}},
      {2, {oneof([:vertex, :in_degree, :out_degree]), [v]}},
      {2, {:edge, [e]}},
      {2, {oneof([:vertices, :edges, :source_vertices, :sink_vertices]), []}},
      {2, {oneof([:no_vertices, :no_edges, :info]), []}}
    ])
  end

  # Few, of which some are equal to others by ==, and one has the name that the graph gives.
  defp vertex do
    weighted_union([
      {8, integer(1, 6)},
      {2, oneof([1.0, 2.0, "v", :v])},
      {1, exactly({:v, [1, "v" | 1.0]})},
      {1, exactly([:"$v" | 0])}
    ])
  end

  defp edge do
    weighted_union([
      {4, bind(integer(0, 20), &exactly([:"$e" | &1]), false)},
      {2, oneof([1, 1.0, "e"])},
      {1, exactly({"e", 1.0e100})}
    ])
  end

  # Edges to the next ones; then half the vertices go, and paths are looked for among the rest.
  defp large_graph(step) do
    vertices = for v <- 1..1000, do: {:add_vertex, [v, {:label, v}]}

    edges = for v <- 1..1000, by <- [1, step, 7], do: {:add_edge, [v, rem(v + by, 1000) + 1, by]}

    gone = for v <- 1..1000//2, rem(v, step + 1) > 0, do: {:del_vertex, [v]}
    paths = for v <- 1..1000//100, do: {:get_short_path, [v, 1001 - v]}
    cycles = for v <- 2..1000//100, do: {:get_cycle, [v]}
    exactly(vertices ++ edges ++ paths ++ gone ++ paths ++ cycles ++ [{:del_path, [2, 1000]}])
  end

  # --- Rows of a table ---

  defp run_index(module, types, commands) do
    index = module.new(types)

    answers =
      for {function, args} <- commands do
        case apply(module, function, [index | args]) do
          ^index -> :ok
          answer -> answer
        end
      end

    rows = rows(module, index, module.get_next(index, []))
    true = module.delete(index)
    {answers, rows}
  end

  defp rows(_module, _index, :undefined), do: []

  defp rows(module, index, {:ok, {oid, _} = row}),
    do: [row | rows(module, index, module.get_next(index, oid))]

  defp row_command(types) do
    oid = list(integer(0, 3))

    weighted_union([
      {6, {:insert, [row_key(types), integer(0, 9)]}},
      {3, {:delete, [row_key(types)]}},
      {3, {:get, [oid]}},
      {3, {:get_next, [oid]}},
      {1, {:get_last, []}}
    ])
  end

  defp row_key(:integer), do: integer(0, 20)
  defp row_key(:string), do: list(integer(0, 3))
  defp row_key(:fix_string), do: vector(3, integer(0, 3))
  defp row_key({_, _, _}), do: {integer(0, 2), list(integer(0, 3)), integer(0, 2)}

  # --- Graphs, looked at ---

  defp graph do
    bind(
      integer(1, 12),
      fn n ->
        {exactly(Enum.to_list(1..n)), list({integer(1, n), integer(1, n)})}
      end,
      false
    )
  end

  # --- Groups ---

  defp membership do
    group = integer(1, 3)

    weighted_union([
      {4, {:join, group, integer(1, 4)}},
      {2, {:leave, group, integer(1, 4)}},
      {2, {:members, group}}
    ])
  end

  defp membership(module, scope, members, {:join, group, n}),
    do: [module.join(scope, group, Map.fetch!(members, n))]

  defp membership(module, scope, members, {:leave, group, n}),
    do: [module.leave(scope, group, Map.fetch!(members, n))]

  defp membership(module, scope, _members, {:members, group}),
    do: [module.get_members(scope, group), module.get_local_members(scope, group)]

  defp groups(module, scope), do: for(group <- 1..3, do: module.get_members(scope, group))

  defp await_empty(module, scope) do
    if groups(module, scope) != [[], [], []] do
      :erlang.yield()
      await_empty(module, scope)
    end
  end

  defp stop(pid) do
    monitor = Process.monitor(pid)
    :gen_server.stop(pid)
    assert_receive {:DOWN, ^monitor, :process, ^pid, _}, 60_000
  end

  defp scope, do: :"scope_#{System.unique_integer([:positive])}"
end
