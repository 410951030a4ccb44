defmodule Offheap.Guide do
  # Runs the examples of a text in Markdown, as a reader would who types them in one after the other: the
  # blocks of one language share their variables. A block's first line says what it is:
  #
  #   ```elixir   expressions. What follows `iex>`, or a comment that begins with `#=>`, is the value that
  #               the one before must have (`** (Error) text`: what it raises). With `import Config`: a
  #               configuration
  #   ```erlang   expressions, or with `-module` a module, which is compiled and loaded
  #   ```c NAME   a file, written where the commands find it
  #   ```sh       commands, run by sh in the folder of the guide
  #   ```text     no example: what some program shows
  #
  # Any other block is an error, so that none is left out by a slip.

  @kinds ~w(elixir erlang c sh text)

  @type block :: %{kind: String.t(), name: String.t(), line: pos_integer(), text: String.t()}

  @doc "The blocks of a text; `line` is that of a block's first line of text."
  @spec blocks(String.t(), Path.t()) :: [block()]
  def blocks(markdown, path) do
    {blocks, nil} =
      markdown
      |> String.split("\n")
      |> Enum.with_index(1)
      |> Enum.reduce({[], nil}, fn
        {"```", number}, {_blocks, nil} ->
          raise "#{path}:#{number}: a block that does not say what it is"

        {"```" <> head, number}, {blocks, nil} ->
          {kind, name} = head(head)
          kind in @kinds || raise "#{path}:#{number}: no such kind of block: #{head}"
          {blocks, %{kind: kind, name: name, line: number + 1, text: []}}

        {"```", _number}, {blocks, block} ->
          text = block.text |> Enum.reverse() |> Enum.map_join(&(&1 <> "\n"))
          {[%{block | text: text} | blocks], nil}

        {_line, _number}, {blocks, nil} ->
          {blocks, nil}

        {line, _number}, {blocks, block} ->
          {blocks, %{block | text: [line | block.text]}}
      end)

    Enum.reverse(blocks)
  end

  defp head(head) do
    case String.split(head, " ", parts: 2) do
      [kind] -> {kind, ""}
      [kind, name] -> {kind, name}
    end
  end

  @doc "Runs the blocks in order; raises at the first example that is not as it says."
  @spec run([block()], Path.t()) :: :ok
  def run(blocks, path) do
    state = %{
      path: path,
      elixir: {[], Code.env_for_eval(file: path)},
      erlang: :erl_eval.new_bindings()
    }

    Enum.reduce(blocks, state, &run_block/2)
    :ok
  end

  defp run_block(%{kind: "text"} = block, state) do
    if block.text =~ ~r/^iex> /m, do: failed(state, block.line, "an example that is not run")
    state
  end

  defp run_block(%{kind: "c"} = block, state) do
    if block.name == "", do: failed(state, block.line, "a file without a name")
    File.write!(block.name, block.text)
    state
  end

  defp run_block(%{kind: "sh"} = block, state) do
    case System.cmd("sh", ["-e", "-c", block.text], stderr_to_stdout: true) do
      {_output, 0} -> state
      {output, status} -> failed(state, block.line, "exit status #{status}:\n#{output}")
    end
  end

  defp run_block(%{kind: "erlang"} = block, state) do
    if block.text =~ ~r/^-module/m do
      compile_erlang(block, state)
      state
    else
      %{state | erlang: eval_erlang(block, state)}
    end
  end

  defp run_block(%{kind: "elixir"} = block, state) do
    cond do
      block.text =~ ~r/^iex> /m ->
        block |> prompts() |> eval_elixir(state)

      block.text =~ ~r/^import Config$/m ->
        eval_config(block, state)
        state

      true ->
        block |> commented(state.path) |> eval_elixir(state)
    end
  end

  # --- Elixir ---

  # {expression, its line, the value it must have or nil}, of lines as in a shell.
  defp prompts(block) do
    block.text
    |> String.split("\n", trim: true)
    |> Enum.with_index(block.line)
    |> Enum.reduce([], fn
      {"iex> " <> code, line}, steps ->
        [{code, line, nil} | steps]

      {"...> " <> code, _line}, [{before, line, nil} | steps] ->
        [{before <> "\n" <> code, line, nil} | steps]

      {"...>", _line}, [{before, line, nil} | steps] ->
        [{before <> "\n", line, nil} | steps]

      {value, _line}, [{code, line, nil} | steps] ->
        [{code, line, value} | steps]

      {value, _line}, [{code, line, before} | steps] ->
        [{code, line, before <> "\n" <> value} | steps]
    end)
    |> Enum.reverse()
  end

  # The same of a block of code: what a comment says belongs to the expression that begins last before it.
  defp commented(block, path) do
    {quoted, comments} =
      Code.string_to_quoted_with_comments!(block.text, line: block.line, file: path)

    expressions =
      case quoted do
        {:__block__, _, [_, _ | _] = list} -> list
        one -> [one]
      end

    values =
      for %{line: line, text: "#=> " <> value} <- comments,
          do: {Enum.count(expressions, &(first_line(&1) <= line)) - 1, value}

    for {expression, at} <- Enum.with_index(expressions),
        do:
          {expression, first_line(expression),
           Enum.find_value(values, &(elem(&1, 0) == at && elem(&1, 1)))}
  end

  defp first_line(quoted) do
    {_, line} =
      Macro.prewalk(quoted, :infinity, fn
        {_, meta, _} = node, line when is_list(meta) ->
          {node, min(meta[:line] || :infinity, line)}

        node, line ->
          {node, line}
      end)

    line
  end

  defp eval_elixir(steps, state) do
    Enum.reduce(steps, state, fn {code, line, expected}, state ->
      case {expected, outcome(code, line, state)} do
        {nil, {:ok, _value, evaluated}} ->
          %{state | elixir: evaluated}

        {"** " <> _ = expected, {:raised, exception, _stack}} ->
          seen = "** (#{inspect(exception.__struct__)}) #{Exception.message(exception)}"
          lines(seen) == lines(expected) || failed(state, line, "raised #{seen}, not #{expected}")
          state

        {_, {:raised, exception, stack}} ->
          reraise "#{state.path}:#{line}: #{Exception.format(:error, exception, stack)}", stack

        {"** " <> _, {:ok, value, _}} ->
          failed(state, line, "gave #{inspect(value)} and raised nothing")

        {expected, {:ok, value, evaluated}} ->
          wanted = value_of(expected, line, state)

          value === wanted ||
            failed(state, line, "gave #{inspect(value)}, not #{inspect(wanted)}")

          %{state | elixir: evaluated}
      end
    end)
  end

  defp outcome(code, line, %{elixir: {binding, env}, path: path}) do
    quoted =
      if is_binary(code), do: Code.string_to_quoted!(code, line: line, file: path), else: code

    {value, binding, env} = Code.eval_quoted_with_env(quoted, binding, env)
    {:ok, value, {binding, env}}
  rescue
    exception -> {:raised, exception, __STACKTRACE__}
  end

  # A message may have empty lines, which an example leaves out.
  defp lines(text), do: String.split(text, "\n", trim: true)

  # Values may name variables: what a process is, say.
  defp value_of(text, line, state) do
    {:ok, value, _} = outcome(text, line, state)
    value
  end

  defp eval_config(block, state) do
    File.write!("config.exs", block.text)
    [_ | _] = Config.Reader.read!("config.exs")
  rescue
    exception -> failed(state, block.line, Exception.message(exception))
  end

  # --- Erlang ---

  defp eval_erlang(block, state) do
    block
    |> forms(state)
    |> Enum.reduce(state.erlang, fn tokens, bindings ->
      {:ok, expressions} = :erl_parse.parse_exprs(tokens)

      try do
        {:value, _value, bindings} = :erl_eval.exprs(expressions, bindings)
        bindings
      rescue
        exception ->
          line = tokens |> hd() |> elem(1)
          failed(state, line, Exception.format(:error, exception, __STACKTRACE__))
      end
    end)
  end

  defp compile_erlang(block, state) do
    parsed =
      for tokens <- forms(block, state) do
        {:ok, form} = :erl_parse.parse_form(tokens)
        form
      end

    case :compile.forms(parsed, [:return, :warnings_as_errors]) do
      {:ok, module, beam, []} -> {:module, ^module} = :code.load_binary(module, ~c"guide", beam)
      errors -> failed(state, block.line, inspect(errors))
    end
  end

  # The tokens between full stops.
  defp forms(block, state) do
    case :erl_scan.string(String.to_charlist(block.text), block.line) do
      {:ok, tokens, _} -> split(tokens, [], [])
      {:error, {line, module, why}, _} -> failed(state, line, module.format_error(why))
    end
  end

  defp split([], [], forms), do: Enum.reverse(forms)

  defp split([{:dot, _} = dot | rest], form, forms),
    do: split(rest, [], [Enum.reverse([dot | form]) | forms])

  defp split([token | rest], form, forms), do: split(rest, [token | form], forms)

  defp failed(state, line, why), do: raise("#{state.path}:#{line}: #{why}")
end
