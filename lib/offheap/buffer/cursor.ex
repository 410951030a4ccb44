defmodule Offheap.Buffer.Cursor do
  @moduledoc """
  A buffer (`Offheap.Buffer`) and a position in it, to read or write one thing after the other.

  A cursor is a value: each function returns the cursor that comes after, and the one given stays as it
  is. Several cursors may be at work on one buffer, each where it is. The bytes themselves are the
  buffer's, and change for all.

      iex> alias Offheap.Buffer.Cursor
      iex> {:ok, buffer} = Offheap.Buffer.lease(Offheap.Pool.new(), 64)
      iex> {:ok, cursor} = buffer |> Cursor.new() |> Cursor.put(:u16_be, 3)
      iex> {:ok, cursor} = Cursor.write(cursor, ["ab", ?c])
      iex> {length, cursor} = cursor |> Cursor.seek(0) |> Cursor.get(:u16_be)
      iex> {bytes, cursor} = Cursor.read(cursor, length)
      iex> {bytes, Cursor.remaining(cursor)}
      {"abc", 0}

  The functions do what those of the same name in `Offheap.Buffer` do, with the position for the offset,
  and raise and return the same errors: `ArgumentError` for reading past the size, which `remaining/1`
  tells before.

  A cursor is `Collectable`: it takes parts that are iodata and writes them one after the other. What
  cannot be written raises a `RuntimeError`. Inspecting one shows where it is and never what is in the
  buffer.

      iex> {:ok, buffer} = Offheap.Buffer.lease(Offheap.Pool.new(), 64, "abc")
      iex> Enum.into(["de", [?f]], Offheap.Buffer.into(buffer))
      #Offheap.Buffer.Cursor<writable, size: 6, position: 6>
  """

  @enforce_keys [:buffer, :position]
  defstruct [:buffer, :position]

  @type t :: %__MODULE__{buffer: Offheap.Buffer.t(), position: non_neg_integer()}

  @doc """
  A cursor at `position`, which may be beyond the size. Raises `ArgumentError` for what is no buffer, or
  was released.
  """
  @spec new(Offheap.Buffer.t(), non_neg_integer()) :: t()
  def new(buffer, position \\ 0) do
    %{buffer: buffer, position: position} = :offheap_buffer_cursor.new(buffer, position)
    %__MODULE__{buffer: buffer, position: position}
  end

  @doc "The offset at which the cursor is."
  @spec position(t()) :: non_neg_integer()
  defdelegate position(cursor), to: :offheap_buffer_cursor

  @doc "How many bytes there are from the position to the size; 0 if it is beyond the size."
  @spec remaining(t()) :: non_neg_integer()
  defdelegate remaining(cursor), to: :offheap_buffer_cursor

  @doc "The cursor at `position`."
  @spec seek(t(), non_neg_integer()) :: t()
  defdelegate seek(cursor, position), to: :offheap_buffer_cursor

  @doc "The cursor `count` bytes further on, or back if that is negative."
  @spec skip(t(), integer()) :: t()
  defdelegate skip(cursor, count), to: :offheap_buffer_cursor

  @doc "The number at the position, and the cursor after it."
  @spec get(t(), Offheap.Buffer.number_type()) :: {Offheap.Buffer.value(), t()}
  defdelegate get(cursor, type), to: :offheap_buffer_cursor

  @doc "The `count` numbers from the position on, and the cursor after them."
  @spec get_list(t(), Offheap.Buffer.number_type(), non_neg_integer()) ::
          {[Offheap.Buffer.value()], t()}
  defdelegate get_list(cursor, type, count), to: :offheap_buffer_cursor

  @doc "A copy of the `length` bytes from the position on, and the cursor after them."
  @spec read(t(), non_neg_integer()) :: {binary(), t()} | {:error, :enomem}
  defdelegate read(cursor, length), to: :offheap_buffer_cursor

  @doc "Writes a number at the position."
  @spec put(t(), Offheap.Buffer.number_type(), Offheap.Buffer.value()) ::
          {:ok, t()} | {:error, :enospc | :frozen | :busy}
  defdelegate put(cursor, type, value), to: :offheap_buffer_cursor

  @doc "Writes numbers from the position on."
  @spec put_list(t(), Offheap.Buffer.number_type(), [Offheap.Buffer.value()]) ::
          {:ok, t()} | {:error, :enospc | :frozen | :busy}
  defdelegate put_list(cursor, type, values), to: :offheap_buffer_cursor

  @doc "Writes `data` at the position."
  @spec write(t(), iodata()) :: {:ok, t()} | {:error, :enospc | :frozen | :busy}
  defdelegate write(cursor, data), to: :offheap_buffer_cursor

  defimpl Collectable do
    def into(cursor), do: {cursor, &collect/2}

    defp collect(cursor, {:cont, part}) do
      case Offheap.Buffer.Cursor.write(cursor, part) do
        {:ok, cursor} -> cursor
        {:error, reason} -> raise "cannot write to the buffer at #{cursor.position}: #{reason}"
      end
    end

    defp collect(cursor, :done), do: cursor
    defp collect(_cursor, :halt), do: :ok
  end

  defimpl Inspect do
    def inspect(cursor, _opts) do
      info = Offheap.Buffer.info(cursor.buffer)
      size = if info.state == :released, do: "", else: " size: #{info.size},"
      "#Offheap.Buffer.Cursor<#{info.state},#{size} position: #{cursor.position}>"
    end
  end
end
