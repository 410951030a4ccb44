defmodule Offheap.Atomics do
  @moduledoc """
  Arrays of 64-bit integers in shared memory, each cell read and changed atomically.

  The functions, their errors and their arithmetic are those of OTP's `:atomics`; `sum/1` and
  `to_list/1` are beyond it. Any process that holds the reference may use the array. It lives as
  long as some process, message or table holds its reference.

    * Indices are one-based. A cell is zero at first.
    * Values are integers of `-2^63..2^63-1` (signed) or `0..2^64-1` (unsigned). Arithmetic wraps
      around at these limits.
    * Every write is atomic and a full memory barrier (sequentially consistent). `get/2` is an
      acquire load: who reads a value also sees all that its writer did before.
    * `ArgumentError` is raised for a wrong reference, an index outside the array, a value outside
      its range.

  All functions take constant time but `sum/1` and `to_list/1`.

      iex> ref = Offheap.Atomics.new(3)
      iex> Offheap.Atomics.put(ref, 1, 40)
      :ok
      iex> Offheap.Atomics.add_get(ref, 1, 2)
      42
      iex> Offheap.Atomics.to_list(ref)
      [42, 0, 0]

  > #### Where OTP's module is faster {: .info}
  >
  > `:atomics` is compiled into the emulator: its `add/3` costs less than any call of a library. Take
  > it where single adds are all there is; take this module for cheap reads, sums and snapshots.
  """

  @typedoc "The reference of an array."
  @type t :: :offheap_atomics.atomics_ref()

  @typedoc "A cell: `1..size`."
  @type index :: pos_integer()

  @doc """
  Makes an array of `arity` zeros.

  Raises `ArgumentError` for an arity that is not a positive integer or for an unknown option, and
  `SystemLimitError` for more cells than memory can hold (at most 2^40). Memory is taken page by page
  as cells are first written, so a big array is made in constant time.

  ## Options

    * `:signed` - whether cells hold `-2^63..2^63-1` or `0..2^64-1`. Default `true`.

  ## Examples

      iex> ref = Offheap.Atomics.new(10, signed: false)
      iex> Offheap.Atomics.sub_get(ref, 10, 1)
      18_446_744_073_709_551_615
  """
  @spec new(pos_integer(), signed: boolean()) :: t()
  def new(arity, opts \\ []), do: :offheap_atomics.new(arity, opts)

  @doc """
  Sets the cell to `value`.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.put(ref, 1, -7)
      :ok
      iex> Offheap.Atomics.get(ref, 1)
      -7
  """
  @spec put(t(), index(), integer()) :: :ok
  defdelegate put(ref, index, value), to: :offheap_nif, as: :atomics_put

  @doc """
  The cell's value.

      iex> Offheap.Atomics.get(Offheap.Atomics.new(1), 1)
      0
      iex> Offheap.Atomics.get(Offheap.Atomics.new(1), 2)
      ** (ArgumentError) argument error
  """
  @spec get(t(), index()) :: integer()
  defdelegate get(ref, index), to: :offheap_nif, as: :atomics_get

  @doc """
  Adds `increment`, an integer of `-2^63..2^64-1`.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.add(ref, 1, 5)
      :ok
      iex> Offheap.Atomics.get(ref, 1)
      5
  """
  @spec add(t(), index(), integer()) :: :ok
  defdelegate add(ref, index, increment), to: :offheap_nif, as: :atomics_add

  @doc """
  Adds `increment` and returns the new value.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.add_get(ref, 1, 9_223_372_036_854_775_807)
      9_223_372_036_854_775_807
      iex> Offheap.Atomics.add_get(ref, 1, 1)
      -9_223_372_036_854_775_808
  """
  @spec add_get(t(), index(), integer()) :: integer()
  defdelegate add_get(ref, index, increment), to: :offheap_nif, as: :atomics_add_get

  @doc """
  Subtracts `decrement`, an integer of `-(2^64-1)..2^63`.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.sub(ref, 1, 5)
      :ok
      iex> Offheap.Atomics.get(ref, 1)
      -5
  """
  @spec sub(t(), index(), integer()) :: :ok
  defdelegate sub(ref, index, decrement), to: :offheap_atomics

  @doc """
  Subtracts `decrement` and returns the new value.

      iex> Offheap.Atomics.sub_get(Offheap.Atomics.new(1), 1, 3)
      -3
  """
  @spec sub_get(t(), index(), integer()) :: integer()
  defdelegate sub_get(ref, index, decrement), to: :offheap_atomics

  @doc """
  Sets the cell to `desired` and returns the value that was there.

      iex> Offheap.Atomics.exchange(Offheap.Atomics.new(1), 1, 8)
      0
  """
  @spec exchange(t(), index(), integer()) :: integer()
  defdelegate exchange(ref, index, desired), to: :offheap_nif, as: :atomics_exchange

  @doc """
  Sets the cell to `desired` if it holds `expected`, and returns `:ok`; else returns what it holds.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.compare_exchange(ref, 1, 0, 8)
      :ok
      iex> Offheap.Atomics.compare_exchange(ref, 1, 0, 9)
      8
  """
  @spec compare_exchange(t(), index(), integer(), integer()) :: :ok | integer()
  defdelegate compare_exchange(ref, index, expected, desired),
    to: :offheap_nif,
    as: :atomics_compare_exchange

  @doc """
  The number of cells, the largest and smallest value they can hold, the memory in bytes.

      iex> %{size: 4, max: max, min: 0} = Offheap.Atomics.info(Offheap.Atomics.new(4, signed: false))
      iex> max
      18_446_744_073_709_551_615
  """
  @spec info(t()) :: %{
          size: pos_integer(),
          max: integer(),
          min: integer(),
          memory: pos_integer()
        }
  defdelegate info(ref), to: :offheap_nif, as: :atomics_info

  @doc """
  The sum of all cells, wrapped around as `add/3` would.

  Each cell is read atomically; all together they are not one instant. About 0.3 ns a cell; yields.

      iex> ref = Offheap.Atomics.new(1000)
      iex> for i <- 1..1000, do: Offheap.Atomics.put(ref, i, i)
      iex> Offheap.Atomics.sum(ref)
      500_500
  """
  @spec sum(t()) :: integer()
  defdelegate sum(ref), to: :offheap_nif, as: :atomics_sum

  @doc """
  All cells in order.

  Each is read atomically; all together they are not one instant. Works in chunks that let other
  processes run.

      iex> Offheap.Atomics.to_list(Offheap.Atomics.new(3))
      [0, 0, 0]
  """
  @spec to_list(t()) :: [integer(), ...]
  defdelegate to_list(ref), to: :offheap_atomics
end
