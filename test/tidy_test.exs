# The rules of CONTRIBUTING.md that a program can check: layers, sizes, names, and that the lists which
# several layers share agree.
defmodule Offheap.TidyTest do
  use ExUnit.Case, async: true

  @top Path.expand("..", __DIR__)

  # Erlang modules that are no component of their own.
  @internal ~w(app nif sup histogram_text port_log port_registry port_shared port_worker
               store_errors store_file store_i store_qlc store_select
               telemetry top)

  # Components whose Elixir name is not the Erlang one in camel case.
  @elixir_names %{"counters" => "counter", "buffer_cursor" => "buffer/cursor"}
  @elixir_modules %{
    "counters" => "Counter",
    "hyperloglog" => "HyperLogLog",
    "buffer_cursor" => "Buffer.Cursor"
  }

  # Functions that Elixir has under another name or need not have: what shells and parse transforms use.
  @erlang_only %{
    "store" => ~w(init_table i is_compiled_ms match_spec_compile match_spec_run test_ms
                  fun2ms scan tab2list)a
  }

  # What a behaviour or another Erlang module asks of an Erlang module, not its user.
  @callbacks ~w(init handle_call handle_cast handle_info terminate module_info
                default_executable libraries max_frame)a

  # Components that another scenario file measures.
  @measured_in %{
    "buffer_cursor" => "buffer",
    "concurrency_limiter" => "rate_limiter",
    "jobs" => "ports",
    "port_pool" => "ports"
  }

  defp files(pattern), do: Path.wildcard(Path.join(@top, pattern))
  defp name(path), do: Path.relative_to(path, @top)
  defp lines(path), do: path |> File.read!() |> String.split("\n")
  defp exists?(path), do: File.exists?(Path.join(@top, path))

  defp components do
    for path <- files("src/offheap_*.erl"),
        "offheap_" <> component = Path.basename(path, ".erl"),
        component not in @internal,
        do: component
  end

  defp elixir_name(component), do: Map.get(@elixir_names, component, component)

  describe "layers" do
    test "the core knows neither Erlang nor the layers above it" do
      assert includes("c_src/{core,include}/*.[ch]", ~r/erl_nif|ei\.h|nif\/|port\//) == []
    end

    test "the glue and the worker program do not know each other" do
      assert includes("c_src/nif/*.[ch]", ~r/ei\.h|port\//) == []
      assert includes("c_src/port/*.[ch]", ~r/erl_nif|nif\//) == []
    end

    test "shared words of the core are touched through oh_atomic.h alone" do
      for path <- files("c_src/*/*.[ch]"), Path.basename(path) != "oh_atomic.h" do
        refute File.read!(path) =~
                 ~r/\batomic_(load|store|fetch|exchange|compare)|__atomic_|__sync_/,
               name(path)
      end
    end

    defp includes(pattern, forbidden) do
      for path <- files(pattern),
          line <- lines(path),
          line =~ ~r/^#include/,
          line =~ forbidden,
          do: {name(path), line}
    end
  end

  describe "sizes" do
    test "core files have up to 800 lines, glue 300 and a quarter at the most" do
      assert too_long("c_src/core/*.[ch]", 800) == []
      assert too_long("c_src/nif/*.[ch]", 375) == []
      assert too_long("c_src/port/*.[ch]", 375) == []
    end

    test "lines have up to 100 columns in C, 120 elsewhere" do
      assert too_wide("c_src/*/*.{c,h}", 100) == []
      assert too_wide("test/c/*.{c,h}", 100) == []
      assert too_wide("{src,lib}/**/*.{erl,ex}", 120) == []
    end

    test "C functions have up to about 70 lines" do
      for path <- files("c_src/*/*.[ch]"), {function, length} <- functions(lines(path)) do
        assert length <= 75, "#{name(path)}: #{function}: #{length} lines"
      end
    end

    defp too_long(pattern, max) do
      for path <- files(pattern),
          count = length(lines(path)),
          count > max,
          do: {name(path), count}
    end

    defp too_wide(pattern, max) do
      for path <- files(pattern),
          {line, number} <- Enum.with_index(lines(path), 1),
          String.length(line) > max,
          not table_row?(line),
          do: {name(path), number}
    end

    # A row of a table: it has columns.
    defp table_row?(line),
      do: (line =~ ~r/^ \* .*\S  +\S/ and String.length(line) <= 110) or line =~ ~r/^ *\|/

    # A function begins with a line that ends its head and stands at the margin, and ends with the next
    # brace there.
    defp functions(lines) do
      {done, _} =
        lines
        |> Enum.with_index()
        |> Enum.reduce({[], nil}, fn
          {"}" <> _, at}, {done, {head, from}} -> {[{head, at - from} | done], nil}
          {line, at}, {done, nil} -> {done, if(line =~ ~r/^\w.*\) \{$/, do: {line, at})}
          _, state -> state
        end)

      done
    end
  end

  describe "text" do
    @text "{c_src,src,lib,test,bench,examples,doc,guides}/**/*.{c,h,erl,hrl,ex,exs,sh,mk,md,pml}"

    test "no line ends with a space" do
      for path <- files(@text) ++ files("*.{md,mk,exs}") ++ files("Makefile"),
          {line, number} <- Enum.with_index(lines(path), 1) do
        refute line =~ ~r/[ \t\r]$/, "#{name(path)}:#{number}"
      end
    end

    test "nothing is left for later, no test is skipped" do
      later = ~r/\bTO[D]O\b|\bFIX[M]E\b|\bXX[X]\b|@(module|describe)?tag :?[s]kip\b/

      for path <- files(@text), {line, number} <- Enum.with_index(lines(path), 1) do
        refute line =~ later, "#{name(path)}:#{number}"
      end
    end

    test "links between documents lead somewhere" do
      for path <- files("*.md") ++ files("{doc,guides,bench,examples}/**/*.md"),
          [_, link] <- Regex.scan(~r/\]\(([^)\s]+)\)/, File.read!(path)),
          not (link =~ ~r/^[a-z]+:/) do
        [file | anchor] = String.split(link, "#", parts: 2)
        target = if file == "", do: path, else: Path.expand(file, Path.dirname(path))
        assert File.exists?(target), "#{name(path)}: #{link}"

        if anchor != [] do
          assert hd(anchor) in anchors(target), "#{name(path)}: #{link}"
        end
      end
    end

    # What a heading is called in links.
    defp anchors(path) do
      for [_, heading] <- Regex.scan(~r/^#+ (.*)$/m, File.read!(path)) do
        heading
        |> String.downcase()
        |> String.replace(~r/[^\w\- ]/u, "")
        |> String.replace(" ", "-")
      end
    end
  end

  describe "headers" do
    # Lists that are read once for each use, and code that is read once for each type of cell.
    @without_guard ~w(nif_atoms.h nif_resources.h nif_table.h oh_atomics_cell.h)

    test "a header is read once" do
      for path <- files("{c_src,test}/*/*.h"), Path.basename(path) not in @without_guard do
        guard = path |> Path.basename(".h") |> String.upcase() |> Kernel.<>("_H")
        text = File.read!(path)
        assert text =~ ~r/^#ifndef #{guard}\n#define #{guard}\n/m, name(path)
      end
    end

    test "what a header of the core offers is described" do
      undescribed =
        for path <- files("c_src/{core,include}/*.h"),
            paragraph <- path |> File.read!() |> without_bodies() |> String.split(~r/\n\s*\n/),
            not (paragraph =~ ~r{/\*}),
            [_, function] <-
              Regex.scan(~r/^(?!typedef|static|#)\w[^;{}()=]*\b([a-z]\w+)\(/m, paragraph),
            do: "#{name(path)}: #{function}"

      assert undescribed == []
    end

    # Function bodies have empty lines of their own.
    defp without_bodies(text), do: String.replace(text, ~r/ \{\n.*?^\}/ms, " {}")
  end

  describe "names" do
    test "a component has its Elixir module and its tests" do
      for component <- components() do
        elixir = elixir_name(component)
        assert exists?("lib/offheap/#{elixir}.ex"), component
        test = String.replace(elixir, "/", "_")
        assert exists?("test/offheap/#{test}_test.exs"), component
      end
    end

    test "a component is measured" do
      for component <- components() do
        scenario = Map.get(@measured_in, component, component)
        assert exists?("bench/scenarios/#{scenario}.exs"), component
      end
    end

    test "a component is described in doc/" do
      text = Enum.map_join(files("doc/*.md"), &File.read!/1)

      for component <- components() do
        elixir = Map.get(@elixir_modules, component, Macro.camelize(component))
        assert text =~ ~r/\b((?:offheap|oh|nif)_#{component}|Offheap\.#{elixir})/, component
      end
    end

    test "a suite checks a file of the core, and a stress too" do
      for kind <- ["check", "stress"], path <- files("test/c/#{kind}_*.c") do
        component = path |> Path.basename(".c") |> String.replace_prefix(kind <> "_", "")

        assert exists?("c_src/core/oh_#{component}.h") or exists?("c_src/core/oh_#{component}.c"),
               name(path)
      end
    end

    test "what an Erlang module offers, its Elixir module does" do
      for component <- components() do
        elixir =
          Module.concat(Offheap, Map.get(@elixir_modules, component, Macro.camelize(component)))

        erlang = :"offheap_#{component}"
        assert Code.ensure_loaded?(elixir), inspect(elixir)

        offered =
          for {name, _} <- elixir.__info__(:functions), into: MapSet.new(), do: to_string(name)

        missing =
          for {name, arity} <- erlang.module_info(:exports),
              name not in @callbacks,
              name not in Map.get(@erlang_only, component, []),
              name = to_string(name),
              names = [name, name <> "?", String.replace_prefix(name, "is_", "") <> "?"],
              Enum.all?(names, &(&1 not in offered)),
              do: "#{name}/#{arity}"

        assert missing == [], "#{inspect(elixir)} lacks #{inspect(missing)}"
      end
    end
  end

  describe "lists that layers share" do
    test "the stubs are the functions of the C table" do
      table =
        for [_, name, arity] <-
              Regex.scan(
                ~r/^NIF\((\w+), (\d+),/m,
                File.read!(Path.join(@top, "c_src/nif/nif_table.h"))
              ),
            into: MapSet.new(),
            do: {String.to_atom(name), String.to_integer(arity)}

      stubs = MapSet.new(:offheap_nif.module_info(:exports))
      others = MapSet.new(module_info: 0, module_info: 1, library_path: 0)
      assert MapSet.difference(table, stubs) == MapSet.new()
      assert stubs |> MapSet.difference(table) |> MapSet.difference(others) == MapSet.new()
    end
  end

  describe "labels of memory orders" do
    # A label stands behind the line whose order it names, `/* A1: pairs with R1 */`, or, at further
    # lines and where a header says it as `A1-R1: ...`, `/* A1 */`.
    test "each has its partner in the same component, and both stand beside code" do
      wrong =
        for {{layer, word}, texts} <- label_groups(),
            text = Enum.join(texts, "\n"),
            beside = MapSet.new(labels_beside_code(text)),
            pairs = label_pairs(text),
            label <- MapSet.union(beside, MapSet.new(pairs, &elem(&1, 0))),
            label not in beside or not Enum.any?(pairs, &(elem(&1, 0) == label)),
            do: "#{label} of #{layer}_#{word}"

      assert wrong == []
    end

    # Files by the first word of their names, but what a table is made of is one.
    defp label_groups do
      Enum.group_by(
        files("c_src/{core,nif,port}/*.[ch]"),
        fn path ->
          [layer, word | _] = path |> Path.basename() |> String.split(~r/[_.]/)
          {layer, if(word == "segment", do: "table", else: word)}
        end,
        &File.read!/1
      )
    end

    defp labels_beside_code(text) do
      for [_, comment] <- Regex.scan(~r{/\*((?:[^*]|\*(?!/))*)\*/}, text),
          not (comment =~ ~r/ of oh_\w+\.h/),
          [said] <- Regex.scan(~r/^ (?:[A-Z][1-9](?:, | and )?)+/, comment),
          [label] <- Regex.scan(~r/[A-Z][1-9]/, said),
          do: label
    end

    defp label_pairs(text) do
      said =
        for [_, one, others] <-
              Regex.scan(
                ~r/([A-Z][1-9])(?:,|:)[^:*.;]{0,20}? pairs with (?:the (?:release )?)?([A-Z][1-9](?:(?:,| and) [A-Z][1-9])*)(?! of its user)/,
                text
              ),
            [other] <- Regex.scan(~r/[A-Z][1-9]/, others),
            do: {one, other}

      short =
        for [_, one, other] <- Regex.scan(~r/\b([A-Z][1-9])-([A-Z][1-9])\b/, text),
            do: {one, other}

      both = Enum.flat_map(said ++ short, fn {one, other} -> [{one, other}, {other, one}] end)

      elsewhere =
        for [_, one] <- Regex.scan(~r/([A-Z][1-9]): pairs with the [A-Z][1-9] of its user/, text),
            do: {one, :user}

      Enum.uniq(both ++ elsewhere)
    end
  end
end
