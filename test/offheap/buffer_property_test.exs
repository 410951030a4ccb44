defmodule Offheap.BufferPropertyTest do
  use ExUnit.Case, async: true

  import Offheap.Property
  import :proper_types, only: [binary: 0, integer: 2, list: 1, oneof: 1]

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
          :freeze,
          :release
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

  defp step({:append, data}, {buffer, {_, bytes}} = model, pool) do
    true = Buffer.size(buffer) == byte_size(bytes)
    put(Buffer.append(buffer, data), byte_size(bytes), data, model, pool)
  end

  defp step({:write, offset, data}, {buffer, _} = model, pool) do
    put(Buffer.write(buffer, offset, data), offset, data, model, pool)
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
