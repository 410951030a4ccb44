defmodule Offheap.BinaryPropertyTest do
  use ExUnit.Case, async: true

  import Offheap.Property
  import :proper_types, only: [integer: 2, oneof: 1, weighted_union: 1, list: 1]

  alias Offheap.{Binary, Buffer, Pool}

  # A slice of a parent: {kind of parent, its bytes, first bit, bits}.
  defp slice do
    {oneof([:binary, :frozen, :heap]), oneof([integer(0, 200), integer(65_537, 70_000)]),
     integer(0, 4000), oneof([integer(0, 2000), integer(0, 600_000)])}
  end

  defp make({kind, size, first, bits}, pool) do
    parent = parent(kind, size, pool)
    first = min(first, bit_size(parent))
    bits = min(bits, bit_size(parent) - first)
    <<_::size(first), slice::bitstring-size(bits), _::bits>> = parent
    slice
  end

  defp parent(:heap, size, _pool), do: :crypto.strong_rand_bytes(min(size, 64))
  defp parent(:binary, size, _pool), do: :crypto.strong_rand_bytes(size)

  defp parent(:frozen, size, pool) do
    {:ok, buffer} = Buffer.lease(pool, size, :crypto.strong_rand_bytes(size))
    frozen = Buffer.freeze(buffer)
    Buffer.release(buffer)
    frozen
  end

  # A term with slices in it, as what `build/2` takes.
  defp shape, do: shape(3, oneof([{:slice, slice()}, {:term, Offheap.TermGenerator.leaf()}]))

  defp shape(0, leaf), do: leaf

  defp shape(depth, leaf) do
    part = shape(depth - 1, leaf)

    weighted_union([
      {2, leaf},
      {1, {:list, list(part)}},
      {1, {:tuple, list(part)}},
      {1, {:map, list({part, part})}}
    ])
  end

  defp build({:slice, slice}, pool), do: make(slice, pool)
  defp build({:term, term}, _pool), do: term
  defp build({:list, shapes}, pool), do: Enum.map(shapes, &build(&1, pool))
  defp build({:tuple, shapes}, pool), do: List.to_tuple(build({:list, shapes}, pool))

  defp build({:map, pairs}, pool),
    do: Map.new(pairs, fn {k, v} -> {build(k, pool), build(v, pool)} end)

  test "a compact binary is the same and pins no more than it may" do
    pool = Pool.new()

    check(
      forall({slice(), integer(10, 40), integer(0, 5000)}, fn {slice, factor, min} ->
        binary = make(slice, pool)
        before = Binary.referenced_byte_size(binary)
        compact = Binary.compact(binary, factor: factor / 10, min_waste_bytes: min)
        size = byte_size(binary)
        now = Binary.referenced_byte_size(compact)

        compact == binary and now <= before and before >= size and
          if before > factor / 10 * size and before - size >= min,
            do: now == size,
            else: now == before
      end)
    )
  end

  test "a compact term is the same and wastes no more than it may" do
    pool = Pool.new()

    check(
      forall(shape(), fn shape ->
        term = build(shape, pool)
        compact = Binary.compact_term(term, factor: 1, min_waste_bytes: 1)
        before = Binary.waste(term)
        waste = Binary.waste(compact)
        compact === term and before.waste >= 0 and wasted(waste) == 0
      end),
      max_size: 6
    )
  end

  # Funs are left as they are, and enclose nothing here but references and numbers.
  defp wasted(%{parents: parents}), do: parents |> Enum.map(& &1.waste) |> Enum.sum()

  test "waste agrees with a model of parents and slices" do
    check(
      forall(list({integer(65, 5000), list({integer(0, 4000), integer(65, 1000)})}), fn parents ->
        made = for {size, cuts} <- parents, do: {:crypto.strong_rand_bytes(size), cuts}

        cut =
          for {parent, cuts} <- made do
            for {at, length} <- cuts, at + length <= byte_size(parent), do: {parent, at, length}
          end

        slices =
          for cuts <- cut, {parent, at, length} <- cuts, do: binary_part(parent, at, length)

        used =
          for [_ | _] = cuts <- cut,
              do: cuts |> Enum.flat_map(&bytes_of/1) |> Enum.uniq() |> length()

        bytes = for [{parent, _, _} | _] <- cut, do: byte_size(parent)
        waste = Binary.waste(slices)

        waste.used == Enum.sum(used) and waste.bytes == Enum.sum(bytes) and
          Enum.sum(for p <- waste.parents, do: p.slices) == length(slices)
      end),
      max_size: 15
    )
  end

  defp bytes_of({_parent, at, length}), do: Enum.to_list(at..(at + length - 1))
end
