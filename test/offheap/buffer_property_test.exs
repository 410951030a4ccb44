defmodule Offheap.BufferPropertyTest do
  use ExUnit.Case, async: true

  import Offheap.Property
  import :proper_types, only: [binary: 0, float: 0, integer: 2, list: 1, oneof: 1]

  alias Offheap.{Buffer, Pool}

  # A buffer against a binary: each command has the same outcome on both.
  test "a buffer is a binary that can be written" do
    pool = Pool.new(max_bytes: 100_000)
    Buffer.release(elem(Buffer.lease(pool, 300, :binary.copy("old", 100)), 1))

    commands =
      list(
        oneof([
          {:write, integer(0, 330), binary()},
          {:write, integer(0, 330), list(binary())},
          {:append, binary()},
          {:append, list(list(integer(0, 255)))},
          {:read, integer(0, 330), integer(0, 330)},
          :read,
          {:split_to, integer(0, 100)},
          :freeze,
          :release
          | byte_commands()
        ])
      )

    check(
      forall(commands, fn commands ->
        {buffer, _} = Enum.reduce(commands, new(pool), &step(&1, &2, pool))
        Buffer.release(buffer) == :ok and Pool.info(pool).leased == 0
      end),
      tests: 500
    )
  end

  @integer_types [:u8, :i8, :u16_be, :u16_le, :i16_be, :i16_le, :u32_be, :u32_le] ++
                   [:i32_be, :i32_le, :u64_be, :u64_le, :i64_be, :i64_le]
  @float_types [:f32_be, :f32_le, :f64_be, :f64_le]

  # Offsets and lengths near what the buffer holds; values near what the types hold.
  defp byte_commands do
    at = integer(0, 330)

    value =
      oneof([integer(-130, 260), integer(-(2 ** 33), 2 ** 33), integer(-(2 ** 63), 2 ** 64)])

    [
      {:put, at, oneof(@integer_types), list(value)},
      {:put, at, oneof(@float_types), list(oneof([float(), integer(-9, 9)]))},
      {:get, at, oneof(@integer_types), integer(0, 9)},
      {:get, at, oneof(@float_types), integer(0, 9)},
      {:fill, at, at, integer(0, 255)},
      {:copy, at, at, at},
      {:copy_out, at, at},
      {:bxor, at, at, binary()},
      {:bxor_same, at, at, at},
      {:compare, at, binary()},
      {:compare_same, at, at, at},
      {:find, at, binary()},
      {:crc32c, at, at, at},
      {:resize, at}
    ]
  end

  # The buffer's numbers are the bit syntax's.
  defp bits(type) do
    {kind, rest} = type |> Atom.to_string() |> String.split_at(1)
    [bits | order] = String.split(rest, "_")
    {kind, String.to_integer(bits), order == ["le"]}
  end

  # What <<Value:Bits>> makes of the value if the type holds it.
  defp encode(type, value) do
    {kind, bits, little} = bits(type)
    big = if kind == "f", do: <<value::float-size(bits)>>, else: <<value::size(bits)>>
    if kind != "f" and decode_big(kind, bits, big) != value, do: raise(ArgumentError)
    if little, do: reverse(big), else: big
  end

  defp decode(type, bytes) do
    {kind, bits, little} = bits(type)
    decode_big(kind, bits, if(little, do: reverse(bytes), else: bytes))
  end

  defp decode_big(kind, bits, bytes) do
    case {kind, bytes} do
      {"u", <<value::size(bits)>>} -> value
      {"i", <<value::signed-size(bits)>>} -> value
      {"f", <<value::float-size(bits)>>} -> value
      {"f", _} -> not_finite(bits, bytes)
    end
  end

  defp not_finite(32, <<sign::1, 0xFF, fraction::23>>), do: not_finite_name(sign, fraction)
  defp not_finite(64, <<sign::1, 0x7FF::11, fraction::52>>), do: not_finite_name(sign, fraction)

  defp not_finite_name(0, 0), do: :infinity
  defp not_finite_name(1, 0), do: :neg_infinity
  defp not_finite_name(_, _), do: :nan

  defp reverse(bytes),
    do: bytes |> :binary.bin_to_list() |> Enum.reverse() |> :binary.list_to_bin()

  defp new(pool) do
    {:ok, buffer} = Buffer.lease(pool, 300)
    {buffer, {:writable, ""}}
  end

  defp step(:release, {buffer, _}, pool) do
    :ok = Buffer.release(buffer)
    {:error, :released} = Buffer.release(buffer)
    new(pool)
  end

  defp step(:read, {buffer, {_, bytes}} = model, _) do
    true = Buffer.read(buffer) == bytes
    true = Buffer.size(buffer) == byte_size(bytes)
    model
  end

  defp step({:read, offset, length}, {buffer, {_, bytes}} = model, _) do
    expected = outcome(fn -> binary_part(bytes, offset, length) end)
    true = outcome(fn -> Buffer.read(buffer, offset, length) end) == expected
    model
  end

  defp step(:freeze, {buffer, {_, bytes}}, _) do
    true = Buffer.freeze(buffer) == bytes
    {buffer, {:frozen, bytes}}
  end

  defp step({:split_to, _}, {buffer, {:frozen, _}} = model, _) do
    {:error, :frozen} = Buffer.split_to(buffer, 0)
    model
  end

  defp step({:split_to, length}, {buffer, {:writable, bytes}} = model, _) do
    case bytes do
      <<front::binary-size(length), rest::binary>> ->
        true = Buffer.split_to(buffer, length) == front
        {buffer, {:writable, rest}}

      _ ->
        :badarg = outcome(fn -> Buffer.split_to(buffer, length) end)
        model
    end
  end

  defp step({:append, data}, {buffer, {_, bytes}} = model, pool) do
    true = Buffer.size(buffer) == byte_size(bytes)
    put(Buffer.append(buffer, data), byte_size(bytes), data, model, pool)
  end

  defp step({:write, offset, data}, {buffer, _} = model, pool) do
    put(Buffer.write(buffer, offset, data), offset, data, model, pool)
  end

  defp step({:put, offset, type, values}, {buffer, _} = model, pool) do
    case outcome(fn -> values |> Enum.map(&encode(type, &1)) |> Enum.join() end) do
      {:ok, data} ->
        put_values(buffer, offset, type, values)
        |> put(offset, data, model, pool)

      :badarg ->
        :badarg = outcome(fn -> put_values(buffer, offset, type, values) end)
        model
    end
  end

  defp step({:get, offset, type, count}, {buffer, {_, bytes}} = model, _) do
    size = div(elem(bits(type), 1), 8)

    expected =
      outcome(fn ->
        for <<part::binary-size(size) <- binary_part(bytes, offset, count * size)>>,
          do: decode(type, part)
      end)

    true = outcome(fn -> Buffer.get_list(buffer, offset, type, count) end) === expected
    first = outcome(fn -> decode(type, binary_part(bytes, offset, size)) end)
    true = outcome(fn -> Buffer.get(buffer, offset, type) end) === first
    model
  end

  defp step({:fill, offset, length, byte}, {buffer, _} = model, pool) do
    Buffer.fill(buffer, offset, length, byte)
    |> put(offset, :binary.copy(<<byte>>, length), model, pool)
  end

  defp step({:copy, offset, length, to}, {buffer, {_, bytes}} = model, pool) do
    case outcome(fn -> binary_part(bytes, offset, length) end) do
      {:ok, part} ->
        put(Buffer.copy(buffer, offset, length, buffer, to), to, part, model, pool)

      :badarg ->
        :badarg = outcome(fn -> Buffer.copy(buffer, offset, length, buffer, to) end)
        model
    end
  end

  defp step({:copy_out, offset, length}, {buffer, {_, bytes}} = model, pool) do
    Buffer.with_lease(pool, 300, fn other ->
      expected = outcome(fn -> binary_part(bytes, offset, length) end)

      true =
        expected ==
          outcome(fn ->
            :ok = Buffer.copy(buffer, offset, length, other, 0)
            :eq = Buffer.compare(buffer, offset, length, other, 0)
            Buffer.read(other)
          end)
    end)

    model
  end

  defp step({:bxor, offset, length, key}, {buffer, {_, bytes}} = model, _) do
    combine(
      model,
      fn -> Buffer.bxor(buffer, offset, length, key) end,
      offset,
      fn ->
        if key == "", do: raise(ArgumentError)
        repeated = :binary.copy(key, div(length, byte_size(key)) + 1)
        :crypto.exor(binary_part(bytes, offset, length), binary_part(repeated, 0, length))
      end
    )
  end

  defp step({:bxor_same, offset, length, other}, {buffer, {_, bytes}} = model, _) do
    combine(
      model,
      fn -> Buffer.bxor(buffer, offset, length, buffer, other) end,
      offset,
      fn ->
        if offset != other and abs(offset - other) < length, do: raise(ArgumentError)
        :crypto.exor(binary_part(bytes, offset, length), binary_part(bytes, other, length))
      end
    )
  end

  defp step({:compare, offset, binary}, {buffer, {_, bytes}} = model, _) do
    expected = outcome(fn -> order(binary_part(bytes, offset, byte_size(binary)), binary) end)
    true = outcome(fn -> Buffer.compare(buffer, offset, binary) end) == expected
    model
  end

  defp step({:compare_same, offset, length, other}, {buffer, {_, bytes}} = model, _) do
    expected =
      outcome(fn ->
        order(binary_part(bytes, offset, length), binary_part(bytes, other, length))
      end)

    true = outcome(fn -> Buffer.compare(buffer, offset, length, buffer, other) end) == expected
    model
  end

  defp step({:find, offset, pattern}, {buffer, {_, bytes}} = model, _) do
    expected =
      outcome(fn ->
        case :binary.match(bytes, pattern, scope: {offset, byte_size(bytes) - offset}) do
          {at, _} -> at
          :nomatch -> :nomatch
        end
      end)

    true = outcome(fn -> Buffer.find(buffer, offset, pattern) end) == expected
    model
  end

  # A checksum in two parts is that of the whole.
  defp step({:crc32c, offset, length, part}, {buffer, {_, bytes}} = model, _) do
    whole = outcome(fn -> Buffer.crc32c(buffer, offset, length) end)
    true = whole == :badarg == offset + length > byte_size(bytes)

    if whole != :badarg and part <= length do
      first = Buffer.crc32c(buffer, offset, part)
      true = whole == {:ok, Buffer.crc32c(buffer, offset + part, length - part, first)}
    end

    model
  end

  defp step({:resize, size}, {buffer, {state, bytes}} = model, _) do
    case Buffer.resize(buffer, size) do
      {:error, :frozen} when state == :frozen ->
        model

      {:error, :enospc} when state == :writable ->
        true = size > Buffer.capacity(buffer)
        model

      :ok when state == :writable ->
        true = size <= Buffer.capacity(buffer)
        padded = bytes <> :binary.copy(<<0>>, max(0, size - byte_size(bytes)))
        {buffer, {state, binary_part(padded, 0, size)}}
    end
  end

  defp put_values(buffer, offset, type, [value]), do: Buffer.put(buffer, offset, type, value)
  defp put_values(buffer, offset, type, list), do: Buffer.put_list(buffer, offset, type, list)

  # In place: the result of expected replaces what is at offset, unless the buffer is frozen.
  defp combine({buffer, {state, bytes}} = model, call, offset, expected) do
    case {outcome(call), outcome(expected)} do
      {:badarg, :badarg} -> model
      {{:ok, {:error, :frozen}}, _} when state == :frozen -> model
      {{:ok, :ok}, {:ok, result}} -> {buffer, {state, put(bytes, offset, result)}}
    end
  end

  defp order(a, b) do
    cond do
      a < b -> :lt
      a > b -> :gt
      true -> :eq
    end
  end

  defp put(result, offset, data, {buffer, {state, bytes}} = model, _pool) do
    data = IO.iodata_to_binary(data)
    fits = offset + byte_size(data) <= Buffer.capacity(buffer)

    cond do
      state == :frozen and result == {:error, :frozen} -> model
      not fits and result == {:error, :enospc} -> model
      fits and state == :writable and result == :ok -> {buffer, {state, put(bytes, offset, data)}}
    end
  end

  defp put(bytes, _offset, ""), do: bytes

  defp put(bytes, offset, data) do
    padded = bytes <> :binary.copy(<<0>>, max(0, offset - byte_size(bytes)))
    end_ = offset + byte_size(data)
    rest = binary_part(padded, min(end_, byte_size(padded)), max(0, byte_size(padded) - end_))
    binary_part(padded, 0, offset) <> data <> rest
  end

  defp outcome(fun) do
    {:ok, fun.()}
  rescue
    ArgumentError -> :badarg
  end
end
