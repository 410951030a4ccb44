defmodule Offheap.BufferCursorTest do
  use ExUnit.Case, async: true

  alias Offheap.{Buffer, Pool}
  alias Offheap.Buffer.Cursor

  doctest Offheap.Buffer.Cursor

  setup do
    {:ok, buffer} = Buffer.lease(Pool.new(), 100)
    %{buffer: buffer}
  end

  @types %{
    u8: 1,
    i8: 1,
    u16_be: 2,
    u16_le: 2,
    i16_be: 2,
    i16_le: 2,
    u32_be: 4,
    u32_le: 4,
    i32_be: 4,
    i32_le: 4,
    f32_be: 4,
    f32_le: 4,
    u64_be: 8,
    u64_le: 8,
    i64_be: 8,
    i64_le: 8,
    f64_be: 8,
    f64_le: 8
  }

  test "what is written comes back, and the position follows", %{buffer: buffer} do
    for {type, size} <- @types do
      assert Buffer.number_bytes(type) == size
      start = Cursor.new(buffer, 3)
      assert {:ok, cursor} = Cursor.put(start, type, 7)
      assert Cursor.position(cursor) == 3 + size
      assert {:ok, cursor} = Cursor.put_list(cursor, type, [1, 2, 3])
      assert {:ok, cursor} = Cursor.write(cursor, ["text", ?!])
      assert Cursor.position(cursor) == 8 + 4 * size
      assert Buffer.size(buffer) == Cursor.position(cursor)

      assert {value, cursor} = Cursor.get(start, type)
      assert value == 7
      assert {values, cursor} = Cursor.get_list(cursor, type, 3)
      assert values == [1, 2, 3]
      assert Cursor.remaining(cursor) == 5
      assert {"text!", cursor} = Cursor.read(cursor, 5)
      assert Cursor.remaining(cursor) == 0
      assert {"", ^cursor} = Cursor.read(cursor, 0)
      assert {[], ^cursor} = Cursor.get_list(cursor, type, 0)
      assert Cursor.position(start) == 3
      :ok = Buffer.reset(buffer)
    end
  end

  test "it moves to any place that could be one", %{buffer: buffer} do
    :ok = Buffer.write(buffer, 0, "0123456789")
    cursor = Cursor.new(buffer)
    assert cursor |> Cursor.skip(4) |> Cursor.skip(-1) |> Cursor.read(2) |> elem(0) == "34"
    assert cursor |> Cursor.seek(20) |> Cursor.remaining() == 0
    assert_raise ArgumentError, fn -> Cursor.skip(cursor, -1) end
    assert_raise ArgumentError, fn -> Cursor.seek(cursor, -1) end
    assert_raise ArgumentError, fn -> Cursor.skip(cursor, 1.0) end
    assert_raise ArgumentError, fn -> Cursor.seek(cursor, :end) end
    assert_raise ArgumentError, fn -> Cursor.new(buffer, -1) end
    assert_raise ArgumentError, fn -> Cursor.new(buffer, 1.0) end
    far = Cursor.seek(cursor, 2 ** 64)
    assert_raise ArgumentError, fn -> Cursor.get(far, :u8) end
    assert_raise ArgumentError, fn -> Cursor.write(far, "x") end
  end

  test "errors are the buffer's own", %{buffer: buffer} do
    :ok = Buffer.write(buffer, 0, "0123456789")
    cursor = Cursor.new(buffer, 8)
    assert_raise ArgumentError, fn -> Cursor.get(cursor, :u32_be) end
    assert_raise ArgumentError, fn -> Cursor.get(cursor, :u24_be) end
    assert_raise ArgumentError, fn -> Buffer.number_bytes(:u24_be) end
    assert_raise ArgumentError, fn -> Cursor.get_list(cursor, :u8, 3) end
    assert_raise ArgumentError, fn -> Cursor.read(cursor, 3) end
    assert_raise ArgumentError, fn -> Cursor.put(cursor, :u8, 256) end
    assert_raise ArgumentError, fn -> Cursor.write(cursor, [:x]) end
    full = Cursor.seek(cursor, Buffer.capacity(buffer))
    assert Cursor.put(full, :u8, 1) == {:error, :enospc}
    assert Cursor.put_list(full, :u8, [1]) == {:error, :enospc}
    assert Cursor.write(full, "x") == {:error, :enospc}
    Buffer.freeze(buffer)
    assert Cursor.put(cursor, :u8, 1) == {:error, :frozen}
    assert {"89", _} = Cursor.read(cursor, 2)
    Buffer.release(buffer)
    assert_raise ArgumentError, fn -> Cursor.read(cursor, 2) end
    assert_raise ArgumentError, fn -> Cursor.remaining(cursor) end
    assert_raise ArgumentError, fn -> Cursor.new(buffer) end
    assert_raise ArgumentError, fn -> Cursor.new(:no_buffer) end
    assert_raise ArgumentError, fn -> Buffer.into(buffer) end
  end

  test "parts are collected at the end", %{buffer: buffer} do
    :ok = Buffer.write(buffer, 0, "head")
    cursor = Enum.into(["er", [?:], ""], Buffer.into(buffer))
    assert Cursor.position(cursor) == 7
    assert for(i <- 1..3, into: cursor, do: Integer.to_string(i)) == Cursor.seek(cursor, 10)
    assert Buffer.read(buffer) == "header:123"

    parts = Stream.repeatedly(fn -> "0123456789" end)
    assert_raise RuntimeError, ~r/enospc/, fn -> Enum.into(parts, Buffer.into(buffer)) end
    assert Buffer.size(buffer) > Buffer.capacity(buffer) - 10
    assert_raise ArgumentError, fn -> Enum.into([:x], Cursor.new(buffer)) end

    halted = fn ->
      for i <- 1..3, into: Cursor.new(buffer), do: if(i == 2, do: throw(:ball), else: "x")
    end

    assert catch_throw(halted.()) == :ball
  end

  test "inspecting shows where it is, never what is there", %{buffer: buffer} do
    :ok = Buffer.write(buffer, 0, "secret")
    cursor = Cursor.new(buffer, 2)
    assert inspect(cursor) == "#Offheap.Buffer.Cursor<writable, size: 6, position: 2>"
    Buffer.freeze(buffer)
    assert inspect(cursor) == "#Offheap.Buffer.Cursor<frozen, size: 6, position: 2>"
    Buffer.release(buffer)
    assert inspect([cursor]) == "[#Offheap.Buffer.Cursor<released, position: 2>]"
    refute inspect(buffer) =~ "secret"
  end

  test "Erlang's is a map of the same keys", %{buffer: buffer} do
    assert {:ok, cursor} = :offheap_buffer_cursor.put(:offheap_buffer_cursor.new(buffer), :u8, 7)
    assert cursor == %{buffer: buffer, position: 1}
    assert {:ok, cursor} = :offheap_buffer_cursor.write(cursor, "abc")
    assert {"abc", _} = :offheap_buffer_cursor.read(:offheap_buffer_cursor.skip(cursor, -3), 3)
    assert struct!(Cursor, cursor) == Cursor.new(buffer, 4)
  end
end
