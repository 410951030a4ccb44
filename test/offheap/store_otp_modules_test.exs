defmodule Offheap.StoreOtpModulesTest do
  @moduledoc "Modules of OTP that keep their data in ETS, beside the same ones over Offheap's tables."
  use ExUnit.Case, async: true

  import Offheap.Property
  import :proper_types, only: [integer: 2, list: 1, bind: 3, weighted_union: 1, exactly: 1]

  @moduletag timeout: if(System.get_env("PROPER_TESTS"), do: :infinity, else: 600_000)

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

  # --- Graphs ---

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
