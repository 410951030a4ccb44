# What the texts for users say is true: their examples run, the functions they name are there, and so are
# the files they point to.
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

  test "files and headings that the texts point to are there" do
    for path <- @guides ++ @notes,
        [_, target] <- Regex.scan(~r/\]\(([^)\s]+)\)/, File.read!(path)),
        not (target =~ ~r/^https?:/) do
      {file, heading} =
        case String.split(target, "#") do
          [file] -> {Path.expand(file, Path.dirname(path)), nil}
          ["", heading] -> {path, heading}
          [file, heading] -> {Path.expand(file, Path.dirname(path)), heading}
        end

      assert File.exists?(file), "#{Path.relative_to(path, @top)} points to #{target}"

      assert heading == nil or heading in headings(file),
             "#{Path.relative_to(path, @top)} points to #{target}"
    end
  end

  # As GitHub makes anchors of them.
  defp headings(path) do
    for [_, heading] <- Regex.scan(~r/^#+ (.*)$/m, File.read!(path)) do
      heading
      |> String.downcase()
      |> String.replace(~r/[^\w\s-]/u, "")
      |> String.replace(" ", "-")
    end
  end
end
