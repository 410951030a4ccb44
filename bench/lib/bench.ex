defmodule Offheap.Bench do
  @moduledoc """
  The registry of scenarios, and what a scenario file uses. README.md beside this folder describes
  the format.
  """

  @required [:component, :name, :peer, :ours, :theirs]
  @defaults %{
    parallel: 1,
    input: nil,
    quick: false,
    floor: false,
    unit: "ns",
    kind: :loop,
    fixture: nil,
    setup: nil,
    teardown: nil,
    note: nil
  }

  defmacro __using__(_opts) do
    quote do
      import Offheap.Bench, only: [defloop: 2, defsides: 1, parallels: 0, scatter: 2]
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

  @doc """
  Defines the modules `Ours` and `Theirs` with the same body, in which `@module` is `:offheap_store` and
  `:ets`: for operations that both have under one name.

      defsides do
        defloop lookup(table, i), do: @module.lookup(table, i)
      end

      alias __MODULE__.{Ours, Theirs}
  """
  defmacro defsides(do: body) do
    quote do
      for {side, module} <- [Ours: :offheap_store, Theirs: :ets] do
        defmodule Module.concat(__MODULE__, side) do
          use Offheap.Bench
          @module module
          unquote(body)
        end
      end
    end
  end

  @doc "0..size-1 for the counts `i`, each as often, in an order without a pattern that a cache could use."
  defmacro scatter(i, size) do
    quote do: rem(Bitwise.band(unquote(i) * 0x9E3779B1, 0xFFFFFFF), unquote(size))
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

  @doc "All scenarios of all files whose title contains `only`."
  def scenarios(only \\ "") do
    all = Enum.flat_map(files(), &load/1)
    titles = Enum.map(all, &title/1)

    if (twice = titles -- Enum.uniq(titles)) != [],
      do: raise(ArgumentError, "several scenarios of one title: #{inspect(twice)}")

    Enum.filter(all, &String.contains?(title(&1), only))
  end

  @doc "The representative ones, with up to two processes or as many as there are schedulers."
  def quick(scenarios) do
    Enum.filter(scenarios, &(&1.quick and &1.parallel in [1, 2, List.last(parallels())]))
  end

  @doc "The scenarios of one file, checked, completed and expanded."
  def load(file) do
    {list, _binding} = Code.eval_file(file)
    Enum.flat_map(list, &(&1 |> complete(file) |> expand()))
  end

  @doc "What a scenario is called in all outputs."
  def title(s) do
    "#{s.component}: #{s.name} [#{s.peer}]"
  end

  @doc "The counts of processes that `parallel: :all` stands for: 1, 2, 4 and so on, and the schedulers."
  def parallels do
    schedulers = System.schedulers_online()
    doubled = Stream.iterate(1, &(&1 * 2))
    Enum.uniq(Enum.take_while(doubled, &(&1 < schedulers)) ++ [schedulers])
  end

  defp files do
    __DIR__ |> Path.join("../scenarios/*.exs") |> Path.wildcard() |> Enum.sort()
  end

  defp complete(scenario, file) do
    for key <- @required, not is_map_key(scenario, key) do
      raise ArgumentError, "#{file}: scenario without #{key}: #{inspect(scenario)}"
    end

    for key <- Map.keys(scenario), key not in @required and not is_map_key(@defaults, key) do
      raise ArgumentError, "#{file}: unknown key #{inspect(key)} in scenario #{scenario.name}"
    end

    for side <- [:ours, :theirs] do
      {:module, module} = Function.info(scenario[side], :module)

      if module in [:erl_eval, :elixir] do
        raise ArgumentError,
              "#{file}: #{side} of #{scenario.name} is interpreted: define it in a module"
      end
    end

    @defaults |> Map.merge(scenario) |> Map.merge(%{file: file, operation: scenario.name})
  end

  # Those of one scenario share its setup.
  defp expand(%{parallel: :all} = s) do
    s = %{s | fixture: s.fixture || make_ref()}
    for n <- parallels(), do: named(%{s | parallel: n}, if(n > 1, do: "#{n} processes"))
  end

  defp expand(s), do: [named(s, nil)]

  # The operation is what all inputs have in common.
  defp named(s, processes) do
    join = fn parts -> parts |> Enum.reject(&is_nil/1) |> Enum.join(", ") end
    name = join.([s.operation, s.input, processes])
    %{s | name: name, operation: join.([s.operation, processes])}
  end
end
