defmodule Offheap.TermGenerator do
  @moduledoc """
  PropEr generators of Erlang terms of every kind, for tests that hold terms against the emulator's
  own idea of equality, order and copying.

  `term/0` nests; `leaf/0` does not; `key/1` draws from few values, so that keys collide and come
  again. References, funs and ports are made once for each generator, so that they come again too.
  """

  import Bitwise
  import :proper_types, except: [term: 0, atom: 0, number: 0]

  @big_binary 4096

  @doc "Any term."
  def term do
    leaf = leaf()
    sized(fn size -> nested(min(size, 30), leaf) end)
  end

  # A term of parts of a quarter of its size; the type of the leaves is built once, for all.
  defp nested(size, leaf) when size < 2, do: leaf

  defp nested(size, leaf) do
    part = lazy(fn -> nested(div(size, 4), leaf) end)

    resize(
      min(size, 8),
      weighted_union([
        {6, leaf},
        {1, :proper_types.list(part)},
        {1, improper_list(part)},
        {2, :proper_types.loose_tuple(part)},
        {1, small_map(part)},
        {1, closure(part)}
      ])
    )
  end

  @doc "A term without parts that are drawn; rarely a large one."
  def leaf do
    weighted_union([
      {6, number()},
      {4, atom()},
      {4, small_binary()},
      {2, :proper_types.bitstring()},
      {2, identifier()},
      {1, fun()},
      {1, exactly([])},
      {1, exactly({})},
      {1, exactly(%{})},
      {1, big_binary()},
      {1, oneof([large_map(), long_list(), wide_tuple(), bit_slice()])}
    ])
  end

  @doc """
  A number: of any size and sign, on both sides of where representations change, and pairs such as
  `1` and `1.0` that `==` and `===` tell apart.
  """
  def number do
    weighted_union([
      {4, :proper_types.integer()},
      {2, oneof(edge_integers())},
      {1, bind(oneof([64, 65, 128, 300, 2000]), &bignum/1, false)},
      {2, :proper_types.float()},
      {2, oneof([0.0, -0.0, 1.0, -1.0, 2.0, 1.0e308, 5.0e-324, 9_007_199_254_740_992.0])}
    ])
  end

  @doc "Integers at which a representation ends: small integers, signed and unsigned words."
  def edge_integers do
    for bits <- [8, 27, 28, 32, 59, 60, 63, 64, 65], offset <- -1..1, sign <- [1, -1] do
      sign * ((1 <<< bits) + offset)
    end
  end

  defp bignum(bits) do
    bind(
      :proper_types.integer(0, (1 <<< bits) - 1),
      fn low ->
        oneof([(1 <<< bits) + low, -((1 <<< bits) + low)])
      end,
      false
    )
  end

  @doc "An atom: few, or the atom table would fill."
  def atom,
    do: oneof([:ok, nil, true, false, :"", :a, :b, :undefined, :"löng näme", :erlang, Offheap])

  @doc "A binary of 0..200 bytes: on both sides of 64, where binaries leave the process's heap."
  def small_binary do
    oneof([
      :proper_types.binary(),
      bind(:proper_types.integer(0, 200), &:proper_types.binary/1, false),
      bind(oneof([63, 64, 65]), &:proper_types.binary/1, false),
      exactly(""),
      slice()
    ])
  end

  # A part of a larger binary, that refers to the whole.
  defp slice do
    whole = :binary.copy("0123456789", 30)
    bind(:proper_types.integer(0, 200), fn at -> exactly(binary_part(whole, at, 100)) end, false)
  end

  # A part of a binary that neither begins nor ends at a byte.
  defp bit_slice do
    whole = :binary.copy(<<0xA5, 0x5A, 0xFF>>, 100)

    bind(
      {:proper_types.integer(0, 30), :proper_types.integer(0, 700)},
      fn {at, size} ->
        <<_::size(at), part::bitstring-size(size), _::bitstring>> = whole
        exactly(part)
      end,
      false
    )
  end

  # What the store keeps as words has up to 6 elements as a key, up to 14 as a value.
  defp wide_tuple do
    bind(
      {:proper_types.integer(5, 17), oneof([1, :a, "word", 1 <<< 70, 0.0, -0.0])},
      fn {size, last} ->
        exactly(List.to_tuple(Enum.to_list(2..size) ++ [last]))
      end,
      false
    )
  end

  # Terms beyond 512 words have an environment of their own.
  defp long_list do
    bind(:proper_types.integer(245, 265), &exactly(Enum.to_list(1..&1)), false)
  end

  @doc "A binary of more than 4 KiB, made of few distinct contents."
  def big_binary do
    bind(
      {:proper_types.integer(1, 3000), oneof([0, 1, 255])},
      fn {extra, byte} ->
        exactly(:binary.copy(<<byte>>, @big_binary + extra))
      end,
      false
    )
  end

  @doc "Pids, references and ports, local ones and such as come from other nodes."
  def identifier do
    oneof([
      self(),
      spawn(fn -> :ok end),
      make_ref(),
      make_ref(),
      :erlang.alias(),
      hd(:erlang.ports()),
      external_pid(:a@nowhere, 1),
      external_pid(:a@nowhere, 2),
      external_pid(:b@nowhere, 1),
      external_reference(:a@nowhere, [1, 2, 3]),
      external_reference(:a@nowhere, [1, 2, 4]),
      external_reference(:a@nowhere, [9, 8, 7, 6, 5]),
      external_port(:a@nowhere, 7),
      :atomics.new(1, []),
      Offheap.Atomics.new(1)
    ])
  end

  @doc "A pid of another node, by its external format."
  def external_pid(node, id) do
    :erlang.binary_to_term(<<131, 88, node_name(node)::binary, id::32, 0::32, 1::32>>)
  end

  @doc """
  A reference of another node, of up to five words. Two of different lengths must not begin with the
  same words: no emulator makes such, and OTP 25 corrupts its memory over a large map with both as keys.
  """
  def external_reference(node, words) do
    ids = for word <- words, into: <<>>, do: <<word::32>>

    :erlang.binary_to_term(
      <<131, 90, length(words)::16, node_name(node)::binary, 1::32, ids::binary>>
    )
  end

  @doc "A port of another node."
  def external_port(node, id) do
    :erlang.binary_to_term(<<131, 120, node_name(node)::binary, id::64, 1::32>>)
  end

  defp node_name(name) do
    text = Atom.to_string(name)
    <<119, byte_size(text), text::binary>>
  end

  @doc "Funs: external ones and closures over little."
  def fun do
    captured = make_ref()

    oneof([
      &:erlang.abs/1,
      Function.capture(:no_such_module, :f, 3),
      fn -> captured end,
      fn x -> x end
    ])
  end

  defp closure(type), do: bind(type, fn value -> exactly(fn -> value end) end, false)

  defp improper_list(type) do
    bind(
      {:proper_types.non_empty(:proper_types.list(type)), type},
      fn {items, tail} ->
        exactly(items ++ tail)
      end,
      false
    )
  end

  defp small_map(type) do
    bind(
      :proper_types.list({type, type}),
      fn pairs -> exactly(Map.new(pairs)) end,
      false
    )
  end

  # More than 32 keys: the emulator keeps such a map as a tree.
  defp large_map do
    bind(
      {:proper_types.integer(33, 70), number()},
      fn {size, value} ->
        exactly(
          Map.new(1..size, fn i -> {if(rem(i, 3) == 0, do: {i, "key"}, else: i), value} end)
        )
      end,
      false
    )
  end

  @doc """
  Keys: mostly of a pool of `count` common ones, at times any term, at times one of those that
  look alike (`1` and `1.0`, `0.0` and `-0.0`, equal binaries of different make).
  """
  def key(count \\ 8) do
    weighted_union([
      {6, :proper_types.integer(1, count)},
      {2, oneof([1.0, 2.0, 0, 0.0, -0.0, 1 <<< 59, 1 <<< 64, -(1 <<< 64), (1 <<< 64) * 1.0])},
      {2, bind(:proper_types.integer(1, count), &exactly({:user, <<&1::96>>}), false)},
      {1,
       one_of_values([
         slice_of("key"),
         "key",
         :key,
         ~c"key",
         {"key"},
         [:key | :key],
         %{key: 1},
         %{key: 1.0}
       ])},
      {1, identifier()},
      {1, term()}
    ])
  end

  @doc "One of the values: they are taken as they are, where PropEr sees types in tuples and lists."
  def one_of_values(values), do: oneof(Enum.map(values, &exactly/1))

  defp slice_of(text), do: binary_part("padding " <> text <> " padding", 8, byte_size(text))
end
