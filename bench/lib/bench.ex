defmodule Offheap.Bench do
  @moduledoc """
  The registry of scenarios, and what a scenario file uses. README.md beside this folder describes
  the format.
  """

  @defaults %{
    parallel: 1,
    unit: "ns",
    kind: :loop,
    fixture: nil,
    setup: nil,
    teardown: nil,
    note: nil
  }

  defmacro __using__(_opts) do
    quote do
      import Offheap.Bench, only: [defloop: 2]
    end
  end

  @doc """
  Defines a measured loop: `name(state, n)` matches `state` once and runs the body `n` times, with the
  second parameter counting `n..1`.

      defloop add(ref, _i) do
        :atomics.add(ref, 1, 1)
      end

      &__MODULE__.add/2
  """
  defmacro defloop({name, _meta, [state, i]}, do: body) do
    loop = :"#{name}_loop"
    vars = variables(state)

    quote do
      def unquote(name)(unquote(state), n), do: unquote(loop)(n, unquote_splicing(vars))

      defp unquote(loop)(0, unquote_splicing(Enum.map(vars, fn _ -> Macro.var(:_, nil) end))),
        do: :ok

      defp unquote(loop)(offheap_bench_n, unquote_splicing(vars)) do
        unquote(i) = offheap_bench_n
        unquote(body)
        unquote(loop)(offheap_bench_n - 1, unquote_splicing(vars))
      end
    end
  end

  # The variables that a pattern binds, each once.
  defp variables(pattern) do
    {_, found} =
      Macro.prewalk(pattern, [], fn
        {:%{}, _, _} = node, found ->
          {node, found}

        {name, meta, context} = var, found when is_atom(name) and is_atom(context) ->
          if String.starts_with?(Atom.to_string(name), "_"),
            do: {var, found},
            else: {var, [{name, meta, context} | found]}

        node, found ->
          {node, found}
      end)

    found |> Enum.reverse() |> Enum.uniq_by(&elem(&1, 0))
  end

  @doc "All scenarios of all files, or of those whose title contains `only`."
  def scenarios(only \\ "") do
    for file <- files(), scenario <- load(file), String.contains?(title(scenario), only) do
      scenario
    end
  end

  @doc "The scenarios of one file, checked and completed."
  def load(file) do
    {list, _binding} = Code.eval_file(file)
    Enum.map(list, &complete(&1, file))
  end

  @doc "What a scenario is called in all outputs."
  def title(s) do
    "#{s.component}: #{s.name} [#{s.peer}]"
  end

  defp files do
    __DIR__ |> Path.join("../scenarios/*.exs") |> Path.wildcard() |> Enum.sort()
  end

  defp complete(scenario, file) do
    for key <- [:component, :name, :peer, :ours, :theirs], not is_map_key(scenario, key) do
      raise ArgumentError, "#{file}: scenario without #{key}: #{inspect(scenario)}"
    end

    for key <- Map.keys(scenario),
        key not in [:component, :name, :peer, :ours, :theirs] and not is_map_key(@defaults, key) do
      raise ArgumentError, "#{file}: unknown key #{inspect(key)} in scenario #{scenario.name}"
    end

    for side <- [:ours, :theirs] do
      {:module, module} = Function.info(scenario[side], :module)

      if module in [:erl_eval, :elixir] do
        raise ArgumentError,
              "#{file}: #{side} of #{scenario.name} is interpreted: define it in a module"
      end
    end

    @defaults |> Map.merge(scenario) |> Map.put(:file, file)
  end
end
