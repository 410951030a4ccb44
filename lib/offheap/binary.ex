defmodule Offheap.Binary do
  @moduledoc """
  Slices that pin memory: finding them, and copying them.

  A binary that was cut out of another refers to the whole of it: 80 bytes taken from a message of 1 MiB,
  and kept in a table, keep the megabyte.

      iex> message = :binary.copy("0123456789", 100_000)
      iex> slice = binary_part(message, 500, 80)
      iex> Offheap.Binary.referenced_byte_size(slice)
      1_000_000
      iex> Offheap.Binary.referenced_byte_size(Offheap.Binary.compact(slice))
      80

  OTP tells the size of what an ordinary binary refers to by `:binary.referenced_byte_size/1`. Of slices
  of frozen buffers (`Offheap.Buffer.freeze/1`) it says 64 bytes, whatever they pin; the functions here
  know these buffers, too.

  What memory a binary pins is the whole block: of an ordinary binary all its bytes, of a frozen buffer
  its capacity. If others refer to it as well, a copy frees nothing until they let go.
  """

  @typedoc "When to copy; see `compact/2`."
  @type option :: {:factor, number()} | {:min_waste_bytes, non_neg_integer()}

  @typedoc "What a term pins; see `waste/1`."
  @type waste :: :offheap_binary.waste()

  @typedoc "What a process pins; see `process_waste/1`."
  @type process_waste :: :offheap_binary.process_waste()

  @doc """
  The bytes of memory that the binary pins: as `:binary.referenced_byte_size/1`, and right for slices of
  frozen buffers. Never less than `byte_size/1`.

  Some 40 ns; where OTP tells 48 to 128 bytes, which it does of frozen buffers, about 200 ns more and 3 to
  5 ns for each frozen buffer that there is. Yields.

      iex> pool = Offheap.Pool.new()
      iex> {:ok, buffer} = Offheap.Buffer.lease(pool, 200_000)
      iex> Offheap.Buffer.append(buffer, :binary.copy("x", 200_000))
      iex> slice = binary_part(Offheap.Buffer.freeze(buffer), 500, 80)
      iex> Offheap.Binary.referenced_byte_size(slice)
      229_376
  """
  @spec referenced_byte_size(bitstring()) :: non_neg_integer()
  defdelegate referenced_byte_size(binary), to: :offheap_binary

  @doc """
  A copy of the binary if it pins much more memory than it has bytes, else the binary itself.

  ## Options

    * `:factor` - it is copied if it pins more than so many times its size; a number, at least 1. Default
      2.
    * `:min_waste_bytes` - and at least so many bytes more. Default 1024.

  Of the copy, what it pins is its size (of a bitstring, rounded up to bytes). Raises `ArgumentError` for
  other terms and options.

      iex> message = :binary.copy("0123456789", 300)
      iex> half = binary_part(message, 0, 1500)
      iex> Offheap.Binary.referenced_byte_size(Offheap.Binary.compact(half))
      3000
      iex> Offheap.Binary.referenced_byte_size(Offheap.Binary.compact(half, factor: 1.5))
      1500
  """
  @spec compact(bitstring(), [option()]) :: bitstring()
  def compact(binary, opts \\ [])
  def compact(binary, []), do: :offheap_binary.compact(binary)
  def compact(binary, opts), do: :offheap_binary.compact(binary, opts)

  @doc """
  The term with each binary in it as `compact/2` makes it: those in lists, tuples and maps, keys and
  structs included. What has nothing to copy is the same term, not a copy. Funs are left as they are.

  Each slice is looked at alone: a term that consists of many small slices of one parent, which use most
  of it, is copied too, and takes about as much memory afterwards. `waste/1` tells.

  Takes time and memory by the number of parts; a part that the term refers to twice counts twice, as
  when the term is sent to a process.

      iex> message = :binary.copy("0123456789", 100_000)
      iex> term = %{name: binary_part(message, 500, 80), tags: [:a]}
      iex> Offheap.Binary.waste(Offheap.Binary.compact_term(term)).waste
      0
  """
  @spec compact_term(term, [option()]) :: term when term: term()
  def compact_term(term, opts \\ []), do: :offheap_binary.compact_term(term, opts)

  @doc """
  What memory the binaries in a term pin, and how much of it they use.

    * `:bytes` - the memory of all binaries that parts of the term refer to, each once; `:used` - the
      bytes of it that the term shows; `:waste` - the rest.
    * `:parents` - the same of each of these binaries, the greatest waste first, with `:slices`, how many
      parts of the term refer to it, and `:kind`: `:binary`, `:frozen` for a buffer's block, or
      `:unknown` for what could not be told apart from others, as constants in code: such are reported
      for each slice that pins more than it is.

  Binaries on the process's heap do not count. Lists, tuples, maps and what funs enclose are looked into;
  as for time, see `compact_term/2`.

  Which binaries are the same is told by `Process.info(self(), :binary)`, which lists all that the
  process refers to at once. Not for use all the time.

      iex> message = :binary.copy("0123456789", 100_000)
      iex> slices = for i <- 0..9, do: binary_part(message, i * 100, 100)
      iex> Offheap.Binary.waste(slices)
      %{
        bytes: 1_000_000,
        used: 1000,
        waste: 999_000,
        parents: [%{kind: :binary, bytes: 1_000_000, used: 1000, waste: 999_000, slices: 10}]
      }
  """
  @spec waste(term()) :: waste()
  defdelegate waste(term), to: :offheap_binary

  @doc """
  What memory a local process pins; `:undefined` if it does not run.

    * `:bytes` - the memory of all binaries to which the process refers, each once.
    * `:parents` - the same of each, the largest first, with `:kind`, `:binary` or `:frozen` for a
      buffer's block, and `:references`, how many the process has.

  From outside it cannot be seen how much of a binary is used: `waste/1` tells, called by the process
  itself.

  Takes a signal to the process and back, as `Process.info(pid, :binary)`, which lists all references at
  once. Not for use all the time. Raises `ArgumentError` for other terms.

      iex> message = :binary.copy("0123456789", 100_000)
      iex> %{bytes: bytes} = Offheap.Binary.process_waste(self())
      iex> bytes >= byte_size(message)
      true
  """
  @spec process_waste(pid()) :: process_waste() | :undefined
  defdelegate process_waste(pid), to: :offheap_binary
end
