# What the texts for users say is true: their examples run, and the functions they name are there. (Links:
# tidy_test.exs.)
defmodule Offheap.GuidesTest do
  # Not async: examples change the working directory, load jobs for good and look at what all processes hold.
  use ExUnit.Case, async: false

  alias Offheap.Guide

  @top Path.expand("..", __DIR__)
  @guides Path.wildcard(Path.join(@top, "guides/*.md"))
  @notes Enum.flat_map(~w(*.md doc/*.md bench/*.md), &Path.wildcard(Path.join(@top, &1)))

  for path <- [Path.join(@top, "README.md") | @guides], name = Path.relative_to(path, @top) do
    @tag :tmp_dir
    test "the examples in #{name} run", %{tmp_dir: dir} do
      path = unquote(path)
      blocks = path |> File.read!() |> Guide.blocks(unquote(name))

      # Where a project would find them.
      File.mkdir_p!(Path.join(dir, "deps"))
      File.mkdir_p!(Path.join(dir, "priv"))
      File.ln_s!(@top, Path.join(dir, "deps/offheap"))
      File.cp!(Path.join(@top, "mix.exs"), Path.join(dir, "mix.exs"))

      File.cd!(dir, fn -> Guide.run(blocks, unquote(name)) end)
    end
  end

  test "a block that is no example says so" do
    assert_raise RuntimeError, ~r/x.md:2: a block that does not say/, fn ->
      Guide.blocks("\n```\n1 + 1\n```\n", "x.md")
    end

    assert_raise RuntimeError, ~r/x.md:1: no such kind of block: elixer/, fn ->
      Guide.blocks("```elixer\n1 + 1\n```\n", "x.md")
    end
  end

  test "what an example gives is compared with what it says" do
    for {text, why} <- [
          {"```elixir\niex> 1 + 1\n3\n```", ~r/x.md:2: gave 2, not 3/},
          {"```elixir\n\n1 + 1  #=> 3\n```", ~r/x.md:3: gave 2, not 3/},
          {"```elixir\niex> raise \"a\"\n** (RuntimeError) b\n```",
           ~r/raised \*\* \(RuntimeError\) a, not/},
          {"```elixir\niex> 1\n** (RuntimeError) b\n```", ~r/gave 1 and raised nothing/},
          {"```elixir\nraise \"a\"\n```", ~r/x.md:2: .*RuntimeError/},
          {"```erlang\n1 = 2.\n```", ~r/x.md:2: .*no match/},
          {"```erlang\n-module(guide_wrong).\n-export([f/0]).\n```", ~r/undefined/},
          {"```sh\nfalse\n```", ~r/x.md:2: exit status 1/},
          {"```text\niex> 1 + 1\n3\n```", ~r/x.md:2: an example that is not run/}
        ] do
      assert_raise RuntimeError, why, fn -> text |> Guide.blocks("x.md") |> Guide.run("x.md") end
    end
  end

  test "functions that the texts name are there" do
    for path <- @guides ++ @notes,
        [name, module, function, arity] <-
          Regex.scan(
            ~r/\b((?:Offheap(?:\.[A-Z]\w*)*|offheap\w*)[.:])?([a-z_]\w*[?!]?)\/(\d+)\b/,
            File.read!(path)
          ),
        module != "" do
      module = module |> String.slice(0..-2//1) |> module()
      {function, arity} = {String.to_atom(function), String.to_integer(arity)}

      assert Code.ensure_loaded?(module) and function_exported?(module, function, arity),
             "#{Path.relative_to(path, @top)} names #{name}, which is not there"
    end
  end

  defp module("Offheap" <> _ = name), do: Module.concat([name])
  defp module(name), do: String.to_atom(name)

  test "all guides and notes are in the documentation that mix docs makes" do
    extras =
      for extra <- Mix.Project.config()[:docs][:extras] do
        case extra do
          {path, _options} -> path
          path -> path
        end
      end

    for path <- @guides ++ @notes, do: assert(Path.relative_to(path, @top) in extras)
  end

  describe "the page of promises" do
    @promises Path.join(@top, "guides/promises.md")

    # What other modules of the project ask of a module, not its user.
    @for_others [
      offheap_jobs: [init: 0, libraries: 0],
      offheap_port_pool: [max_frame: 1, default_executable: 0]
    ]

    test "has all functions of all Erlang modules, and no others" do
      {:ok, modules} = :application.get_key(:offheap, :modules)
      promised = promised()

      erlang = Enum.filter(modules, &(to_string(&1) =~ ~r/^offheap/ and not private?(&1)))

      assert Enum.sort(Map.keys(promised) -- ["Elixir alone"]) ==
               erlang |> Enum.map(&to_string/1) |> Enum.sort()

      for module <- erlang do
        exported =
          for {name, arity} = function <- module.module_info(:exports),
              name != :module_info,
              function not in callbacks(module),
              function not in Keyword.get(@for_others, module, []),
              do: "#{name}/#{arity}"

        assert {module, Enum.sort(promised[to_string(module)])} == {module, Enum.sort(exported)}
      end
    end

    test "has what only Elixir's modules have" do
      own =
        for module <- elixir_modules(),
            documented?(module),
            {name, arity} <- module.__info__(:functions),
            name not in [:__struct__],
            not of_erlang?(module, name),
            do: "#{inspect(module)}.#{name}/#{arity}"

      assert Enum.sort(promised()["Elixir alone"]) == Enum.sort(own)
    end

    # Not for users, says the text before its name.
    defp private?(module) do
      [head | _] =
        @top |> Path.join("src/#{module}.erl") |> File.read!() |> String.split("\n-module")

      head =~ "@private"
    end

    defp callbacks(module) do
      for behaviour <- Keyword.get(module.module_info(:attributes), :behaviour, []),
          callback <- behaviour.behaviour_info(:callbacks),
          do: callback
    end

    # {heading, functions named in the first column of its table}.
    defp promised do
      for section <- @promises |> File.read!() |> String.split(~r/^## /m) |> tl(),
          [heading | lines] = String.split(section, "\n"),
          heading != "How to read it",
          into: %{} do
        functions =
          for "| " <> row <- lines,
              [_, name] <-
                Regex.scan(~r/`([\w.]+[?!]?\/\d+)`/, row |> String.split(" | ") |> hd()),
              do: name

        {heading, functions}
      end
    end

    defp documented?(module) do
      {:docs_v1, _, _, _, doc, _, _} = Code.fetch_docs(module)
      doc != :hidden
    end

    @twins %{
      Offheap => :offheap,
      Offheap.Counter => :offheap_counters,
      Offheap.HyperLogLog => :offheap_hyperloglog,
      Offheap.Buffer.Cursor => :offheap_buffer_cursor
    }

    # Whether its Erlang module has it, by whatever arity: defaults make some more.
    defp of_erlang?(module, name) do
      erlang =
        Map.get_lazy(@twins, module, fn ->
          :"offheap_#{module |> Module.split() |> List.last() |> Macro.underscore()}"
        end)

      plain = name |> to_string() |> String.trim_trailing("?")
      names = [to_string(name), plain, "is_" <> plain]

      Code.ensure_loaded?(erlang) and not private?(erlang) and
        Enum.any?(erlang.module_info(:exports), fn {name, _} -> to_string(name) in names end)
    end
  end

  describe "module documentation" do
    test "has every function of Elixir's modules, with a type" do
      for module <- elixir_modules(),
          {:docs_v1, _, _, _, doc, _, docs} = Code.fetch_docs(module),
          doc != :hidden do
        assert is_map(doc) and map_size(doc) > 0, inspect(module)
        {:ok, specs} = Code.Typespec.fetch_specs(module)
        typed = MapSet.new(specs, fn {function, _} -> function end)

        for {{:function, name, arity}, _, _, doc, %{} = meta} <- docs, name != :__struct__ do
          assert is_map(doc), "#{inspect(module)}.#{name}/#{arity} has no doc"

          assert MapSet.member?(typed, {name, arity}) or meta[:defaults] != nil,
                 "#{inspect(module)}.#{name}/#{arity} has no spec"
        end
      end
    end
  end

  # erlang-edoc comes with Erlang's headers on Debian.
  test "module documentation has every function of Erlang's modules" do
    assert :ok = Mix.Project.get!().erlang_docs([])
    {:ok, modules} = :application.get_key(:offheap, :modules)

    for module <- modules, to_string(module) =~ ~r/^offheap/ do
      {:docs_v1, _, :erlang, _, doc, _, docs} = Code.fetch_docs(module)
      assert doc not in [:none, %{}], "#{module} has no doc"
      exports = module.module_info(:exports)

      for {{:function, name, arity}, _, _, text, _} <- docs, doc != :hidden do
        assert {name, arity} not in exports or text not in [:none, %{}],
               "#{module}:#{name}/#{arity} has no doc"
      end
    end
  end

  # Those of lib/ that are no implementation of a protocol and no task.
  defp elixir_modules do
    {:ok, modules} = :application.get_key(:offheap, :modules)

    for module <- modules,
        to_string(module) =~ ~r/^Elixir.Offheap/,
        Code.ensure_loaded?(module),
        source = to_string(module.module_info(:compile)[:source]),
        String.starts_with?(source, Path.join(@top, "lib/")),
        do: module
  end
end
