defmodule Offheap.AtomicsModel do
  @moduledoc """
  What `:offheap_atomics` should do, said with Erlang's own integers, floats and lists: an array is a
  map, and a call answers `{outcome, array}`, where the outcome is `{:value, term}` or
  `{:error, reason}`.
  """

  import Bitwise

  @greatest_float 1.7976931348623157e308
  @operations [:put, :add, :saturating_add, :min, :max, :band, :bor, :bxor]

  def operations, do: @operations

  @doc "An array of zeros. The options are those of `:offheap_atomics.new/2`, and go together."
  def new(size, opts) do
    float? = opts[:type] == :float
    bits = opts[:bits] || 64

    {least, greatest} =
      cond do
        float? -> {-@greatest_float, @greatest_float}
        opts[:signed] == false -> {0, (1 <<< bits) - 1}
        true -> {-(1 <<< (bits - 1)), (1 <<< (bits - 1)) - 1}
      end

    zero = if float?, do: 0.0, else: 0

    %{
      size: size,
      float?: float?,
      bits: bits,
      least: least,
      greatest: greatest,
      saturate?: opts[:overflow] == :saturate,
      zero: zero,
      cells: Map.new(1..size, &{&1, zero})
    }
  end

  @doc "The cells in order."
  def cells(a), do: for(i <- 1..a.size, do: a.cells[i])

  @doc "What a call of the function answers, and the array after it."
  def call(a, function, args) do
    {value, a} = run(a, function, args)
    {{:value, value}, a}
  catch
    :badarg -> {{:error, :badarg}, a}
    {:badarith, a} -> {{:error, :badarith}, a}
  end

  # --- One cell ---

  defp run(a, :size, []), do: {a.size, a}
  defp run(a, :get, [i]), do: {cell(a, i), a}

  defp run(a, :exchange, [i, v]), do: update(a, i, :put, v, :old)

  defp run(a, :compare_exchange, [i, expected, desired]) do
    old = cell(a, i)
    {expected, desired} = {value(a, expected), value(a, desired)}
    if bits(old) == bits(expected), do: {:ok, store(a, i, desired)}, else: {old, a}
  end

  defp run(a, :add_bounded, [i, n, low, high]) do
    old = cell(a, i)
    {n, low, high} = {increment(a, n), value(a, low), value(a, high)}
    if low > high, do: bad()
    new = sum(old, n)

    if new != :infinite and new >= low and new <= high,
      do: {{:ok, new}, store(a, i, new)},
      else: {{:error, :limit}, a}
  end

  for op <- @operations do
    defp run(a, unquote(op), [i, n]), do: update(a, i, unquote(op), n, :ok)
    defp run(a, unquote(:"#{op}_get"), [i, n]), do: update(a, i, unquote(op), n, :new)
    defp run(a, unquote(:"fetch_#{op}"), [i, n]), do: update(a, i, unquote(op), n, :old)
  end

  for {sub, add} <- [sub: :add, sub_get: :add_get, fetch_sub: :fetch_add] do
    defp run(a, unquote(sub), [i, n]) when is_number(n), do: run(a, unquote(add), [i, -n])
    defp run(a, unquote(sub), _), do: throw({:badarith, a})
  end

  # --- Several cells ---

  defp run(a, :get_many, [indices]), do: {for(i <- list(indices), do: cell(a, i)), a}

  defp run(a, :update_many, [items]) do
    for item <- list(items) do
      with {i, op, n} when op in @operations <- item do
        cell(a, i)
        operand(a, op, n)
      else
        _ -> bad()
      end
    end

    {:ok, Enum.reduce(items, a, fn {i, op, n}, a -> elem(update(a, i, op, n, :ok), 1) end)}
  end

  for {many, op} <- [put_many: :put, add_many: :add] do
    defp run(a, unquote(many), [items]) do
      items =
        for item <- list(items),
            do: with({i, n} <- item, do: {i, unquote(op), n}, else: (_ -> nil))

      run(a, :update_many, [items])
    end
  end

  defp run(a, :fill, [v]), do: run(a, :fill, [1, a.size, v])

  defp run(a, :fill, [first, count, v]) do
    {range, v} = {range(a, first, count), value(a, v)}
    {:ok, Enum.reduce(range, a, &store(&2, &1, v))}
  end

  for f <- [:sum, :minimum, :maximum, :to_list, :snapshot] do
    defp run(a, unquote(f), []), do: run(a, unquote(f), [1, a.size])
  end

  defp run(a, :sum, [first, count]) do
    sum = Enum.reduce(values(a, first, count), a.zero, &plus(a, &2, &1))
    {if(a.float?, do: sum, else: wrap(%{a | bits: 64}, sum)), a}
  end

  defp run(a, :minimum, [first, count]), do: {extreme(a, first, count, &Enum.min/1), a}
  defp run(a, :maximum, [first, count]), do: {extreme(a, first, count, &Enum.max/1), a}
  defp run(a, :to_list, [first, count]), do: {values(a, first, count), a}

  defp run(a, :exchange_all, [v]), do: run(a, :exchange_all, [1, a.size, v])

  defp run(a, :exchange_all, [first, count, v]) do
    values = values(a, first, count)
    {:ok, a} = run(a, :fill, [first, count, v])
    {values, a}
  end

  defp run(a, :snapshot, [first, count]) do
    {for(v <- values(a, first, count), into: <<>>, do: encode(a, v)), a}
  end

  for {f, op} <- [load: :put, merge: :add] do
    defp run(a, unquote(f), [binary]) do
      unless is_binary(binary) and bit_size(binary) == a.size * a.bits, do: bad()
      run(a, unquote(f), [1, binary])
    end

    defp run(a, unquote(f), [first, binary]) do
      unless is_binary(binary) and rem(bit_size(binary), a.bits) == 0, do: bad()
      range = range(a, first, div(bit_size(binary), a.bits))
      values = decode(a, binary)
      unless length(values) == Enum.count(range), do: bad()
      run(a, :update_many, [for({i, v} <- Enum.zip(range, values), do: {i, unquote(op), v})])
    end
  end

  # --- Operations ---

  defp update(a, i, op, operand, answer) do
    old = cell(a, i)
    new = apply_op(a, op, old, operand(a, op, operand))
    {%{ok: :ok, new: new, old: old}[answer], store(a, i, new)}
  end

  defp operand(a, op, n) when op in [:add, :saturating_add], do: increment(a, n)
  defp operand(%{float?: true}, op, _) when op in [:band, :bor, :bxor], do: bad()
  defp operand(a, _op, n), do: value(a, n)

  defp apply_op(_a, :put, _old, n), do: n
  defp apply_op(%{saturate?: true} = a, :add, old, n), do: apply_op(a, :saturating_add, old, n)
  defp apply_op(%{float?: true} = a, :add, old, n), do: plus(a, old, n)
  defp apply_op(a, :add, old, n), do: wrap(a, old + n)

  defp apply_op(a, :saturating_add, old, n) do
    case sum(old, n) do
      :infinite when n > 0 -> a.greatest
      :infinite -> a.least
      sum -> sum |> max(a.least) |> min(a.greatest)
    end
  end

  # Of equal ones, the old.
  defp apply_op(_a, :min, old, n), do: if(n < old, do: n, else: old)
  defp apply_op(_a, :max, old, n), do: if(n > old, do: n, else: old)
  defp apply_op(_a, :band, old, n), do: old &&& n
  defp apply_op(_a, :bor, old, n), do: old ||| n
  defp apply_op(_a, :bxor, old, n), do: bxor(old, n)

  defp sum(old, n) do
    old + n
  rescue
    ArithmeticError -> :infinite
  end

  # The array is that before this operation: of many, those before it are done.
  defp plus(a, old, n) do
    with :infinite <- sum(old, n), do: throw({:badarith, a})
  end

  defp wrap(a, sum) do
    if a.least < 0 do
      <<sum::signed-size(a.bits)>> = <<sum::size(a.bits)>>
      sum
    else
      <<sum::size(a.bits)>> = <<sum::size(a.bits)>>
      sum
    end
  end

  # The first one of equal ones (0.0 and -0.0), as a scan keeps it.
  defp extreme(a, first, count, choose) do
    case values(a, first, count) do
      [] -> bad()
      values -> Enum.find(values, &(&1 == choose.(values)))
    end
  end

  # --- Arguments ---

  defp cell(a, i) when is_integer(i) and i in 1..a.size//1, do: a.cells[i]
  defp cell(_a, _), do: bad()

  defp store(a, i, v), do: put_in(a.cells[i], v)

  defp range(a, first, count)
       when is_integer(first) and is_integer(count) and first >= 1 and count >= 0 and
              first + count - 1 <= a.size,
       do: first..(first + count - 1)//1

  defp range(_a, _, _), do: bad()

  defp values(a, first, count), do: for(i <- range(a, first, count), do: a.cells[i])

  defp list(list) do
    if is_list(list) and not List.improper?(list), do: list, else: bad()
  end

  defp value(%{float?: true}, v) when is_float(v), do: v
  defp value(%{float?: true} = a, v), do: 1.0 * increment(%{a | float?: false}, v)
  defp value(a, v) when is_integer(v) and v >= a.least and v <= a.greatest, do: v
  defp value(_a, _), do: bad()

  defp increment(%{float?: true} = a, n), do: value(a, n)

  defp increment(_a, n) when is_integer(n) and n >= -(1 <<< 63) and n < 1 <<< 64, do: n
  defp increment(_a, _), do: bad()

  defp encode(%{float?: true}, v), do: <<v::float-native>>
  defp encode(a, v), do: <<v::native-size(a.bits)>>

  # Floats that are not finite do not match, and are missing.
  defp decode(%{float?: true}, binary), do: for(<<v::float-native <- binary>>, do: v)

  defp decode(%{bits: bits, least: 0}, binary),
    do: for(<<v::native-size(bits) <- binary>>, do: v)

  defp decode(%{bits: bits}, binary), do: for(<<v::signed-native-size(bits) <- binary>>, do: v)

  defp bits(v), do: :erlang.term_to_binary(v)

  defp bad, do: throw(:badarg)
end
