defmodule Offheap.TermGeneratorTest do
  @moduledoc "The tests' terms are of every kind there is."
  use ExUnit.Case, async: true

  import Bitwise
  import Offheap.Property
  alias Offheap.TermGenerator

  # In terms, and in keys.
  for generator <- [:term, :key] do
    test "#{generator}/0 draws terms of every type, and of every representation that a type has" do
      drawn = collect(apply(TermGenerator, unquote(generator), []), 2000, &parts/1)

      missing =
        [:small_integer, :word_integer, :bignum, :huge_integer, :negative_bignum] ++
          [:float, :zero, :negative_zero, :atom, :nil_list, :list, :improper_list, :long_list] ++
          [:empty_tuple, :tuple, :wide_tuple, :empty_map, :map, :large_map] ++
          [:empty_binary, :binary, :large_binary, :bitstring, :external_fun, :local_fun] ++
          [
            :local_pid,
            :remote_pid,
            :local_reference,
            :remote_reference,
            :local_port,
            :remote_port
          ]

      assert missing -- drawn == []
    end
  end

  # What the function tells of as many instances.
  defp collect(type, tests, tell) do
    told = :ets.new(:told, [])

    check(forall(type, fn value -> for x <- tell.(value), do: :ets.insert(told, {x}) end),
      tests: tests
    )

    for {x} <- :ets.tab2list(told), do: x
  end

  defp parts(term) do
    inner =
      cond do
        is_list(term) -> list_parts(term)
        is_tuple(term) -> term |> Tuple.to_list() |> Enum.flat_map(&parts/1)
        is_map(term) -> term |> Map.to_list() |> Enum.flat_map(&parts/1)
        true -> []
      end

    [kind(term) | inner]
  end

  defp list_parts([head | tail]), do: parts(head) ++ list_parts(tail)
  defp list_parts([]), do: []
  defp list_parts(tail), do: parts(tail)

  defp kind(n) when is_integer(n) and n in -1000..1000, do: :small_integer
  defp kind(n) when is_integer(n) and abs(n) > 1 <<< 128, do: :huge_integer
  defp kind(n) when is_integer(n) and abs(n) < 1 <<< 63, do: :word_integer
  defp kind(n) when is_integer(n) and n < 0, do: :negative_bignum
  defp kind(n) when is_integer(n), do: :bignum
  defp kind(f) when is_float(f) and f != 0.0, do: :float

  defp kind(f) when is_float(f),
    do: if(<<f::float>> == <<0::64>>, do: :zero, else: :negative_zero)

  defp kind(a) when is_atom(a), do: :atom
  defp kind([]), do: :nil_list

  defp kind(l) when is_list(l) do
    cond do
      List.improper?(l) -> :improper_list
      length(l) > 200 -> :long_list
      true -> :list
    end
  end

  defp kind({}), do: :empty_tuple
  defp kind(t) when is_tuple(t) and tuple_size(t) > 14, do: :wide_tuple
  defp kind(t) when is_tuple(t), do: :tuple
  defp kind(m) when m == %{}, do: :empty_map
  defp kind(m) when is_map(m) and map_size(m) > 32, do: :large_map
  defp kind(m) when is_map(m), do: :map
  defp kind(""), do: :empty_binary
  defp kind(b) when is_binary(b) and byte_size(b) > 4096, do: :large_binary
  defp kind(b) when is_binary(b), do: :binary
  defp kind(b) when is_bitstring(b), do: :bitstring

  defp kind(f) when is_function(f),
    do: if(:erlang.fun_info(f, :type) == {:type, :external}, do: :external_fun, else: :local_fun)

  defp kind(p) when is_pid(p), do: if(node(p) == node(), do: :local_pid, else: :remote_pid)
  defp kind(p) when is_port(p), do: if(node(p) == node(), do: :local_port, else: :remote_port)

  defp kind(r) when is_reference(r),
    do: if(node(r) == node(), do: :local_reference, else: :remote_reference)
end
