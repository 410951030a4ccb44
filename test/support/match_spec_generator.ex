defmodule Offheap.MatchSpecGenerator do
  @moduledoc """
  Match specifications of every kind, most of which match something: heads are made from objects by leaving
  parts out, guards and bodies by a grammar of what the emulator's compiler takes, with a little of what it
  refuses.

  The objects, and terms that the expressions take as constants, are PropEr's; a specification is drawn by
  `:rand` from a seed that is PropEr's, too: as PropEr types its parts would be as many as all heads that an
  object has.
  """

  import :proper_types, only: [list: 1, integer: 2, bind: 3, exactly: 1, weighted_union: 1]
  alias Offheap.TermGenerator

  @variables [:"$1", :"$2", :"$3", :"$0", :"$10"]
  @types ~w(atom float integer list number pid port reference tuple map binary function)a
  @unary ~w(abs hd length node round size map_size bit_size byte_size tl trunc float + - bnot not)a
  @binary ~w(element map_get is_map_key + - * / div rem band bor bxor bsl bsr > >= < =< =:= == =/= /= xor)a
  @comparisons [:>, :>=, :<, :"=<", :"=:=", :==, :"=/=", :"/="]

  @doc "A PropEr type: `{objects, terms, seed}`, for `match_spec/1` and `head/1`."
  def input do
    {objects(), list(TermGenerator.leaf()), integer(1, 1_000_000_000)}
  end

  @doc "Objects with keys that come again, some of them flat, some not."
  def objects do
    key = TermGenerator.key()
    term = TermGenerator.term()
    leaf = TermGenerator.leaf()
    small = integer(-3, 5)
    atom = TermGenerator.atom()

    list(
      weighted_union([
        {4, tuple_of([key, term])},
        {3, tuple_of([key, tuple_of([small, atom, small])])},
        {2, tuple_of([key, small, leaf])},
        {1, tuple_of([key])},
        {2,
         tuple_of([tuple_of([:user, TermGenerator.small_binary(), small]), TermGenerator.number()])},
        {1, tuple_of([small, TermGenerator.number(), TermGenerator.number(), term])}
      ])
    )
  end

  defp tuple_of(types), do: bind(types, &exactly(List.to_tuple(&1)), false)

  @doc "The specification of an input, drawn anew by each call after `seed/1`."
  def match_spec({objects, terms, _seed}) do
    case draw(40) do
      1 -> pick([[], [:a], [{:_, []}], :a, [{:_, [], [1]} | :tail], [{{:"$1"}, [], [:"$2"]}]])
      n when n < 10 -> for _ <- 1..draw(4), do: clause(objects, terms)
      _ -> [clause(objects, terms)]
    end
  end

  def seed({_, _, seed}), do: :rand.seed(:exsss, seed)

  # Expressions use the variables of the head, and rarely one that is not bound.
  defp clause(objects, terms) do
    head = head({objects, terms, 0})
    bound = for v <- @variables, occurs?(v, head), do: v
    context = %{terms: terms, variables: if(bound == [], do: [1, :"$_"], else: bound)}
    body = body(context)
    {head, guards(context), if(safe?(body), do: body, else: [:"$_"])}
  end

  # OTP 25's ETS corrupts its memory where the first use of a variable in a body is one that `andalso` or
  # `orelse` skips, or one in a map's key: it returns what is in the table, not a copy.
  defp safe?(expression) when is_tuple(expression) do
    case Tuple.to_list(expression) do
      [name, first | rest] when name in [:andalso, :orelse] ->
        safe?(first) and not variables?(rest)

      parts ->
        safe?(parts)
    end
  end

  defp safe?(map) when is_map(map) do
    not variables?(Map.keys(map)) and safe?(Map.values(map))
  end

  defp safe?([head | tail]), do: safe?(head) and safe?(tail)
  defp safe?(_), do: true

  defp variables?(expression), do: Enum.any?([:"$$" | @variables], &occurs?(&1, expression))

  defp occurs?(variable, variable), do: true
  defp occurs?(v, [head | tail]), do: occurs?(v, head) or occurs?(v, tail)
  defp occurs?(v, tuple) when is_tuple(tuple), do: occurs?(v, Tuple.to_list(tuple))
  defp occurs?(v, map) when is_map(map), do: occurs?(v, :maps.to_list(map))
  defp occurs?(_, _), do: false

  @doc "A head for one of the objects, mostly."
  def head({objects, terms, _seed}) do
    case draw(20) do
      1 -> pick(@variables)
      2 -> :_
      3 -> pattern(pick([:a, 1, {}, [] | terms]))
      _ when objects == [] -> :_
      _ -> parts(pick(objects))
    end
  end

  # A pattern that matches the term, mostly.
  defp pattern(term) do
    case draw(8) do
      n when n < 4 -> pick(@variables)
      n when n < 6 -> :_
      6 -> term
      _ -> parts(term)
    end
  end

  defp parts(tuple) when is_tuple(tuple) do
    tuple |> Tuple.to_list() |> Enum.map(&pattern/1) |> List.to_tuple()
  end

  defp parts([head | tail]) do
    [pattern(head) | if(draw(2) == 1, do: pattern(tail), else: parts(tail))]
  end

  defp parts(map) when is_map(map) do
    for {key, value} <- Enum.take(map, 40), draw(3) > 1, into: %{}, do: {key, pattern(value)}
  end

  defp parts(term), do: if(draw(12) == 1, do: pick([1, 1.0, 0.0, -0.0, :a]), else: term)

  # --- Guards and bodies ---

  defp guards(context) do
    case draw(20) do
      1 -> pick([:a, [true | :tail], [{:const, true}], [false], ["a"], [{:const}]])
      2 -> [expression(2, context)]
      n when n < 12 -> []
      n when n < 17 -> [guard(context, 3)]
      _ -> [guard(context, 3), guard(context, 3)]
    end
  end

  # What is true quite often.
  defp guard(context, depth) do
    case draw(if depth == 0, do: 11, else: 18) do
      n when n < 7 ->
        {pick(@comparisons), expression(1, context), expression(1, context)}

      n when n < 11 ->
        {:"is_#{pick(@types)}", expression(1, context)}

      11 ->
        {:is_record, expression(0, context), pick([:user, :ok, 1]), pick([0, 1, 2, 3, :a])}

      12 ->
        {pick([:and, :or, :andalso, :orelse, :xor]), guard(context, depth - 1),
         expression(1, context)}

      13 ->
        {:not, guard(context, depth - 1)}

      _ ->
        {pick([:and, :or, :andalso, :orelse]), guard(context, depth - 1),
         guard(context, depth - 1)}
    end
  end

  defp body(context) do
    case draw(20) do
      1 -> pick([[], :a, [1 | :tail]])
      2 -> [expression(2, context), expression(2, context)]
      n when n < 8 -> pick([[:"$_"], [:"$$"], [true], [variable(context)]])
      _ -> [expression(3, context)]
    end
  end

  defp expression(0, context) do
    case draw(16) do
      n when n < 8 -> variable(context)
      n when n < 10 -> draw(8) - 3
      10 -> {:const, pick([1, {}, %{a: 1}, :"$1", {:self} | context.terms])}
      11 -> pick(Enum.filter([1 | context.terms], &is_number/1))
      12 -> :"$_"
      13 -> :"$$"
      _ -> plain()
    end
  end

  defp expression(depth, context) do
    part = fn -> expression(depth - 1, context) end

    case draw(40) do
      n when n < 9 ->
        part.()

      n when n < 14 ->
        {pick(@unary), part.()}

      n when n < 22 ->
        {pick(@binary), part.(), part.()}

      22 ->
        {:element, pick([0, 1, 2, 3, 1.0]), pick([:"$_", part.()])}

      23 ->
        {:map_get, pick([:a, :key, 1]), part.()}

      24 ->
        pick([{:self}, {:node}, {:self, 1}, {}])

      25 ->
        {pick([:and, :or, :andalso, :orelse]), part.(), part.(), part.()}

      26 ->
        List.to_tuple([pick([:and, :or, :andalso, :orelse]) | parts_of(part, 2)])

      27 ->
        {:binary_part, part.(), draw(4) - 2, draw(4) - 2}

      28 ->
        pick([
          {:no_such, 1},
          {:display, 1},
          {:const, 1, 2},
          {:size, 1, 2},
          {1, 2},
          {:is_boolean, 1}
        ])

      n when n < 32 ->
        parts_of(part, 4)

      32 ->
        [part.() | part.()]

      n when n < 37 ->
        {List.to_tuple(parts_of(part, 4))}

      _ ->
        for _ <- 1..draw(4),
            into: %{},
            do: {plain(), part.()}
    end
  end

  defp parts_of(part, max), do: for(_ <- 1..(draw(max + 1) - 1)//1, do: part.())

  # Terms that stand for themselves.
  defp plain do
    pick([
      :ok,
      true,
      false,
      true,
      false,
      :a,
      nil,
      :"$a",
      :"$",
      :"$01",
      0,
      1,
      2.0,
      "",
      "key",
      [],
      %{},
      ~c"key"
    ])
  end

  defp variable(context),
    do: if(draw(60) == 1, do: pick(@variables), else: pick(context.variables))

  defp draw(n), do: :rand.uniform(n)
  defp pick(list), do: Enum.at(list, draw(length(list)) - 1)
end
