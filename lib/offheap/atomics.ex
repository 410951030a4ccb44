defmodule Offheap.Atomics do
  @moduledoc """
  Arrays of numbers in shared memory, each cell read and changed atomically.

  `new/1` makes an array as OTP's `:atomics` does, and the functions of that module are here with
  its errors and its arithmetic. Beyond it: cells of 8, 16 and 32 bits and floats; saturating
  arithmetic; minimum, maximum and bitwise operations; functions that return the old value; many
  cells in one call. Any process that holds the reference may use the array. It lives as long as
  some process, message or table holds its reference.

      iex> ref = Offheap.Atomics.new(3)
      iex> Offheap.Atomics.put(ref, 1, 40)
      :ok
      iex> Offheap.Atomics.add_get(ref, 1, 2)
      42
      iex> Offheap.Atomics.to_list(ref)
      [42, 0, 0]

      iex> latency_ms = Offheap.Atomics.new(3, type: :float)
      iex> Offheap.Atomics.update_many(latency_ms, [{1, :add, 1}, {2, :add, 3.5}, {3, :max, 3.5}])
      :ok
      iex> Offheap.Atomics.to_list(latency_ms)
      [1.0, 3.5, 3.5]

  ## Values

    * Indices are one-based. A cell is zero at first.
    * Integers have 64 bits or what the option `:bits` says: `-2^(bits-1)..2^(bits-1)-1` (signed)
      or `0..2^bits-1` (unsigned). Arithmetic wraps around at these limits or, with
      `overflow: :saturate`, stops there.
    * What is added is any integer of `-2^63..2^64-1`, however wide the cell. All other operands
      are values that the cell can hold.
    * Floats are doubles and always finite: an addition whose result is not raises
      `ArithmeticError` and changes nothing or, with `overflow: :saturate`, gives the largest
      finite float of its sign. Integers of `-2^63..2^64-1` are accepted where a float is
      expected.
    * `ArgumentError` is raised for a wrong reference, an index or a range outside the array, a
      value that a cell cannot hold, a bitwise operation on floats.

  ## Names

  An operation `x` returns `:ok`, `x_get` the new value and `fetch_x` the old one, where x is
  `add`, `sub`, `saturating_add`, `min`, `max`, `band`, `bor` or `bxor`. A range is its first cell
  and how many follow from there, with `1 <= first <= size + 1` and
  `0 <= count <= size + 1 - first`.

  ## Memory order

    * Each function of one index is one instant: no other process sees a cell half changed, or
      misses a change between the old value and the new.
    * Each write is a full memory barrier (sequentially consistent), as in OTP's module. Those of
      `fill/2`, `fill/4`, `load/2` and `load/3` are release stores: who reads such a value also
      sees what its writer did before, but they are not ordered with later reads of the writer.
    * Each read is an acquire load: who reads a value also sees all that its writer did before. A
      minimum, maximum or saturating addition that finds nothing to change, and an `add_bounded/5`
      that is refused, are such reads.
    * Functions of several cells treat each cell as above, one after the other: all together they
      are not one instant, and other processes may see some cells changed and others not yet.

  ## Time

  Functions of one index take constant time; on floats, and for `min`, `max`, saturating and
  bounded additions, bitwise ones that return a value, a few attempts more (with back-off) if
  other processes change the cell at the same moment. Functions of several cells take time in
  proportion and let other processes run in between, however many cells there are; only binaries
  of some size are made and loaded in one go, on a dirty scheduler.

  > #### Where OTP's module is faster {: .info}
  >
  > `:atomics` is compiled into the emulator: its `add/3` costs less than any call of a library.
  > Take it where single adds of integers are all there is, one at a time or in a list; take this
  > module for floats, for what would be a compare-and-swap loop, and for ranges of cells.
  """

  @typedoc "The reference of an array."
  @type t :: :offheap_atomics.atomics_ref()

  @typedoc "A cell: `1..size`."
  @type index :: pos_integer()

  @typedoc "An operation of `update_many/2`."
  @type operation :: :put | :add | :saturating_add | :min | :max | :band | :bor | :bxor

  @typedoc "An option of `new/2`."
  @type option ::
          {:signed, boolean()}
          | {:type, :integer | :float}
          | {:bits, 8 | 16 | 32 | 64}
          | {:overflow, :wrap | :raise | :saturate}
          | {:layout, :packed | :padded}

  @doc """
  Makes an array of `size` zeros.

  Raises `ArgumentError` for a size that is not a positive integer, for an unknown option, for
  options that do not go together (`:signed`, `overflow: :wrap` or `:bits` other than 64 with
  floats; `overflow: :raise` with integers), and `SystemLimitError` for more cells than memory can
  hold (at most 2^40). Memory is taken page by page as cells are first written, so a big array is
  made in constant time.

  ## Options

    * `:type` - `:integer` or `:float`. Default `:integer`.
    * `:signed` - whether integers have a sign. Default `true`.
    * `:bits` - how wide an integer is: 8, 16, 32 or 64. Default 64.
    * `:overflow` - what additions do that pass the limits of a cell: `:wrap` or `:saturate` of
      integers, `:raise` or `:saturate` of floats. Defaults `:wrap` and `:raise`.
    * `:layout` - `:packed`, cells side by side, or `:padded`, each on a cache line of its own (64
      bytes), so that processes that write to different cells do not slow each other down. Default
      `:packed`.

  ## Examples

      iex> ref = Offheap.Atomics.new(10, signed: false)
      iex> Offheap.Atomics.sub_get(ref, 10, 1)
      18_446_744_073_709_551_615

      iex> ref = Offheap.Atomics.new(10, signed: false, bits: 8, overflow: :saturate)
      iex> Offheap.Atomics.add_get(ref, 1, 1000)
      255

      iex> Offheap.Atomics.new(10, type: :float, signed: true)
      ** (ArgumentError) argument error
  """
  @spec new(pos_integer(), [option()]) :: t()
  def new(size, opts \\ []), do: :offheap_atomics.new(size, opts)

  @doc """
  The number of cells.

      iex> Offheap.Atomics.size(Offheap.Atomics.new(12))
      12
  """
  @spec size(t()) :: pos_integer()
  defdelegate size(ref), to: :offheap_nif, as: :atomics_size

  @doc """
  The number of cells, the largest and smallest value they can hold, the memory in bytes, and what
  the array was made with.

      iex> %{size: 4, max: max, min: 0} = Offheap.Atomics.info(Offheap.Atomics.new(4, signed: false))
      iex> max
      18_446_744_073_709_551_615
      iex> Offheap.Atomics.info(Offheap.Atomics.new(1, bits: 16)) |> Map.delete(:memory)
      %{size: 1, max: 32767, min: -32768, type: :integer, bits: 16, overflow: :wrap, layout: :packed}
  """
  @spec info(t()) :: %{
          size: pos_integer(),
          max: number(),
          min: number(),
          memory: pos_integer(),
          type: :integer | :float,
          bits: 8 | 16 | 32 | 64,
          overflow: :wrap | :raise | :saturate,
          layout: :packed | :padded
        }
  defdelegate info(ref), to: :offheap_nif, as: :atomics_info

  @doc """
  Sets the cell to `value`.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.put(ref, 1, -7)
      :ok
      iex> Offheap.Atomics.get(ref, 1)
      -7
  """
  @spec put(t(), index(), number()) :: :ok
  defdelegate put(ref, index, value), to: :offheap_nif, as: :atomics_put

  @doc """
  The cell's value. An acquire load.

      iex> Offheap.Atomics.get(Offheap.Atomics.new(1), 1)
      0
      iex> Offheap.Atomics.get(Offheap.Atomics.new(1), 2)
      ** (ArgumentError) argument error
  """
  @spec get(t(), index()) :: number()
  defdelegate get(ref, index), to: :offheap_nif, as: :atomics_get

  @doc """
  Sets the cell to `desired` and returns the value that was there.

      iex> Offheap.Atomics.exchange(Offheap.Atomics.new(1), 1, 8)
      0
  """
  @spec exchange(t(), index(), number()) :: number()
  defdelegate exchange(ref, index, desired), to: :offheap_nif, as: :atomics_exchange

  @doc """
  Sets the cell to `desired` if it holds `expected`, and returns `:ok`; else returns what it
  holds.

  Floats are compared bit by bit: `0.0` is not `-0.0`. A full barrier in both cases.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.compare_exchange(ref, 1, 0, 8)
      :ok
      iex> Offheap.Atomics.compare_exchange(ref, 1, 0, 9)
      8
  """
  @spec compare_exchange(t(), index(), number(), number()) :: :ok | number()
  defdelegate compare_exchange(ref, index, expected, desired),
    to: :offheap_nif,
    as: :atomics_compare_exchange

  @doc """
  Adds `increment`: to an integer an integer of `-2^63..2^64-1`, to a float a float.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.add(ref, 1, 5)
      :ok
      iex> Offheap.Atomics.get(ref, 1)
      5
  """
  @spec add(t(), index(), number()) :: :ok
  defdelegate add(ref, index, increment), to: :offheap_nif, as: :atomics_add

  @doc """
  As `add/3`; returns the new value.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.add_get(ref, 1, 9_223_372_036_854_775_807)
      9_223_372_036_854_775_807
      iex> Offheap.Atomics.add_get(ref, 1, 1)
      -9_223_372_036_854_775_808
  """
  @spec add_get(t(), index(), number()) :: number()
  defdelegate add_get(ref, index, increment), to: :offheap_nif, as: :atomics_add_get

  @doc """
  As `add/3`; returns the old value.

      iex> ref = Offheap.Atomics.new(1, type: :float)
      iex> Offheap.Atomics.fetch_add(ref, 1, 0.5)
      0.0
      iex> Offheap.Atomics.fetch_add(ref, 1, 1)
      0.5
  """
  @spec fetch_add(t(), index(), number()) :: number()
  defdelegate fetch_add(ref, index, increment), to: :offheap_nif, as: :atomics_fetch_add

  @doc """
  Subtracts `decrement`: from an integer an integer of `-(2^64-1)..2^63`, from a float a float.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.sub(ref, 1, 5)
      :ok
      iex> Offheap.Atomics.get(ref, 1)
      -5
  """
  @spec sub(t(), index(), number()) :: :ok
  defdelegate sub(ref, index, decrement), to: :offheap_atomics

  @doc """
  As `sub/3`; returns the new value.

      iex> Offheap.Atomics.sub_get(Offheap.Atomics.new(1), 1, 3)
      -3
  """
  @spec sub_get(t(), index(), number()) :: number()
  defdelegate sub_get(ref, index, decrement), to: :offheap_atomics

  @doc """
  As `sub/3`; returns the old value.

      iex> Offheap.Atomics.fetch_sub(Offheap.Atomics.new(1), 1, 3)
      0
  """
  @spec fetch_sub(t(), index(), number()) :: number()
  defdelegate fetch_sub(ref, index, decrement), to: :offheap_atomics

  @doc """
  Adds as `add/3`, but stops at the largest and the smallest value that the cell can hold,
  whatever the array's option `:overflow`. A negative `increment` subtracts.

      iex> ref = Offheap.Atomics.new(1, signed: false)
      iex> Offheap.Atomics.saturating_add(ref, 1, -5)
      :ok
      iex> Offheap.Atomics.get(ref, 1)
      0
  """
  @spec saturating_add(t(), index(), number()) :: :ok
  defdelegate saturating_add(ref, index, increment), to: :offheap_nif, as: :atomics_saturating_add

  @doc """
  As `saturating_add/3`; returns the new value.

      iex> ref = Offheap.Atomics.new(1, bits: 8)
      iex> Offheap.Atomics.saturating_add_get(ref, 1, 1000)
      127
  """
  @spec saturating_add_get(t(), index(), number()) :: number()
  defdelegate saturating_add_get(ref, index, increment),
    to: :offheap_nif,
    as: :atomics_saturating_add_get

  @doc """
  As `saturating_add/3`; returns the old value.

      iex> ref = Offheap.Atomics.new(1, bits: 8)
      iex> Offheap.Atomics.fetch_saturating_add(ref, 1, 1000)
      0
      iex> Offheap.Atomics.get(ref, 1)
      127
  """
  @spec fetch_saturating_add(t(), index(), number()) :: number()
  defdelegate fetch_saturating_add(ref, index, increment),
    to: :offheap_nif,
    as: :atomics_fetch_saturating_add

  @doc """
  Sets the cell to `value` if that is less.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.min(ref, 1, -3)
      :ok
      iex> Offheap.Atomics.get(ref, 1)
      -3
  """
  @spec min(t(), index(), number()) :: :ok
  defdelegate min(ref, index, value), to: :offheap_nif, as: :atomics_min

  @doc """
  As `min/3`; returns the new value.

      iex> Offheap.Atomics.min_get(Offheap.Atomics.new(1), 1, 3)
      0
  """
  @spec min_get(t(), index(), number()) :: number()
  defdelegate min_get(ref, index, value), to: :offheap_nif, as: :atomics_min_get

  @doc """
  As `min/3`; returns the old value.

      iex> Offheap.Atomics.fetch_min(Offheap.Atomics.new(1), 1, -3)
      0
  """
  @spec fetch_min(t(), index(), number()) :: number()
  defdelegate fetch_min(ref, index, value), to: :offheap_nif, as: :atomics_fetch_min

  @doc """
  Sets the cell to `value` if that is greater.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.max(ref, 1, 3)
      :ok
      iex> Offheap.Atomics.max(ref, 1, 2)
      :ok
      iex> Offheap.Atomics.get(ref, 1)
      3
  """
  @spec max(t(), index(), number()) :: :ok
  defdelegate max(ref, index, value), to: :offheap_nif, as: :atomics_max

  @doc """
  As `max/3`; returns the new value.

      iex> Offheap.Atomics.max_get(Offheap.Atomics.new(1, type: :float), 1, 3)
      3.0
  """
  @spec max_get(t(), index(), number()) :: number()
  defdelegate max_get(ref, index, value), to: :offheap_nif, as: :atomics_max_get

  @doc """
  As `max/3`; returns the old value.

      iex> Offheap.Atomics.fetch_max(Offheap.Atomics.new(1), 1, 3)
      0
  """
  @spec fetch_max(t(), index(), number()) :: number()
  defdelegate fetch_max(ref, index, value), to: :offheap_nif, as: :atomics_fetch_max

  @doc """
  Keeps the bits that are also set in `mask`, a value that the cell can hold. Not of floats.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.put(ref, 1, 0b1100)
      iex> Offheap.Atomics.band(ref, 1, 0b0110)
      :ok
      iex> Offheap.Atomics.get(ref, 1)
      0b0100
  """
  @spec band(t(), index(), integer()) :: :ok
  defdelegate band(ref, index, mask), to: :offheap_nif, as: :atomics_band

  @doc """
  As `band/3`; returns the new value.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.put(ref, 1, 0b1100)
      iex> Offheap.Atomics.band_get(ref, 1, 0b0110)
      0b0100
  """
  @spec band_get(t(), index(), integer()) :: integer()
  defdelegate band_get(ref, index, mask), to: :offheap_nif, as: :atomics_band_get

  @doc """
  As `band/3`; returns the old value.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.put(ref, 1, 0b1100)
      iex> Offheap.Atomics.fetch_band(ref, 1, 0b0110)
      0b1100
  """
  @spec fetch_band(t(), index(), integer()) :: integer()
  defdelegate fetch_band(ref, index, mask), to: :offheap_nif, as: :atomics_fetch_band

  @doc """
  Sets the bits that are set in `mask`, a value that the cell can hold. Not of floats.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.bor(ref, 1, 0b0110)
      :ok
      iex> Offheap.Atomics.get(ref, 1)
      0b0110
  """
  @spec bor(t(), index(), integer()) :: :ok
  defdelegate bor(ref, index, mask), to: :offheap_nif, as: :atomics_bor

  @doc """
  As `bor/3`; returns the new value.

      iex> Offheap.Atomics.bor_get(Offheap.Atomics.new(1), 1, 0b0110)
      0b0110
  """
  @spec bor_get(t(), index(), integer()) :: integer()
  defdelegate bor_get(ref, index, mask), to: :offheap_nif, as: :atomics_bor_get

  @doc """
  As `bor/3`; returns the old value.

      iex> Offheap.Atomics.fetch_bor(Offheap.Atomics.new(1), 1, 0b0110)
      0
  """
  @spec fetch_bor(t(), index(), integer()) :: integer()
  defdelegate fetch_bor(ref, index, mask), to: :offheap_nif, as: :atomics_fetch_bor

  @doc """
  Flips the bits that are set in `mask`, a value that the cell can hold. Not of floats.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.bxor(ref, 1, 0b0110)
      :ok
      iex> Offheap.Atomics.get(ref, 1)
      0b0110
  """
  @spec bxor(t(), index(), integer()) :: :ok
  defdelegate bxor(ref, index, mask), to: :offheap_nif, as: :atomics_bxor

  @doc """
  As `bxor/3`; returns the new value.

      iex> Offheap.Atomics.bxor_get(Offheap.Atomics.new(1, bits: 8), 1, -1)
      -1
  """
  @spec bxor_get(t(), index(), integer()) :: integer()
  defdelegate bxor_get(ref, index, mask), to: :offheap_nif, as: :atomics_bxor_get

  @doc """
  As `bxor/3`; returns the old value.

      iex> Offheap.Atomics.fetch_bxor(Offheap.Atomics.new(1), 1, 1)
      0
  """
  @spec fetch_bxor(t(), index(), integer()) :: integer()
  defdelegate fetch_bxor(ref, index, mask), to: :offheap_nif, as: :atomics_fetch_bxor

  @doc """
  Adds `increment` if the sum is in `low..high`: `{:ok, new}`. Else `{:error, :limit}`, and
  nothing changes.

  The sum is exact: it does not wrap around, whatever the array's option `:overflow`; of floats it
  is rounded. A negative `increment` subtracts. `low` and `high` are values that the cell can
  hold; `ArgumentError` if `low` is greater.

      iex> ref = Offheap.Atomics.new(1)
      iex> Offheap.Atomics.add_bounded(ref, 1, 3, 0, 5)
      {:ok, 3}
      iex> Offheap.Atomics.add_bounded(ref, 1, 3, 0, 5)
      {:error, :limit}
      iex> Offheap.Atomics.get(ref, 1)
      3
  """
  @spec add_bounded(t(), index(), number(), number(), number()) ::
          {:ok, number()} | {:error, :limit}
  defdelegate add_bounded(ref, index, increment, low, high),
    to: :offheap_nif,
    as: :atomics_add_bounded

  @doc """
  The values of these cells, in this order.

      iex> ref = Offheap.Atomics.new(3)
      iex> Offheap.Atomics.put(ref, 3, 7)
      iex> Offheap.Atomics.get_many(ref, [3, 1, 3])
      [7, 0, 7]
  """
  @spec get_many(t(), [index()]) :: [number()]
  defdelegate get_many(ref, indices), to: :offheap_atomics

  @doc """
  `put/3` of each item, in order.

  All items are checked before the first one is stored, so that `ArgumentError` changes nothing.

      iex> ref = Offheap.Atomics.new(3)
      iex> Offheap.Atomics.put_many(ref, [{1, 5}, {3, 7}])
      :ok
      iex> Offheap.Atomics.to_list(ref)
      [5, 0, 7]
  """
  @spec put_many(t(), [{index(), number()}]) :: :ok
  defdelegate put_many(ref, items), to: :offheap_nif, as: :atomics_put_many

  @doc """
  `add/3` of each item, in order.

  All items are checked before the first one is added, so that `ArgumentError` changes nothing.
  Where a float would not be finite, `ArithmeticError` is raised when the items before it have
  been added.

      iex> ref = Offheap.Atomics.new(3)
      iex> Offheap.Atomics.add_many(ref, [{1, 5}, {3, 7}, {1, 1}])
      :ok
      iex> Offheap.Atomics.to_list(ref)
      [6, 0, 7]
  """
  @spec add_many(t(), [{index(), number()}]) :: :ok
  defdelegate add_many(ref, items), to: :offheap_nif, as: :atomics_add_many

  @doc """
  Does the operation of each item, in order. An index may be there more than once.

  All items are checked before the first one is done, so that `ArgumentError` changes nothing.
  Where a float would not be finite, `ArithmeticError` is raised when the items before it have
  been done. A list that is not done yet when the process is killed is done in part.

      iex> ref = Offheap.Atomics.new(3)
      iex> Offheap.Atomics.update_many(ref, [{1, :add, 1}, {2, :max, 250}, {3, :bor, 0b1000}])
      :ok
      iex> Offheap.Atomics.to_list(ref)
      [1, 250, 8]
      iex> Offheap.Atomics.update_many(ref, [{1, :add, 1}, {4, :add, 1}])
      ** (ArgumentError) argument error
  """
  @spec update_many(t(), [{index(), operation(), number()}]) :: :ok
  defdelegate update_many(ref, items), to: :offheap_nif, as: :atomics_update_many

  @doc """
  Sets all cells to `value`, by release stores.

      iex> ref = Offheap.Atomics.new(3)
      iex> Offheap.Atomics.fill(ref, 9)
      :ok
      iex> Offheap.Atomics.to_list(ref)
      [9, 9, 9]
  """
  @spec fill(t(), number()) :: :ok
  defdelegate fill(ref, value), to: :offheap_nif, as: :atomics_fill

  @doc """
  Sets `count` cells from `first` on to `value`, by release stores.

      iex> ref = Offheap.Atomics.new(3)
      iex> Offheap.Atomics.fill(ref, 2, 2, 9)
      :ok
      iex> Offheap.Atomics.to_list(ref)
      [0, 9, 9]
  """
  @spec fill(t(), index(), non_neg_integer(), number()) :: :ok
  defdelegate fill(ref, first, count, value), to: :offheap_nif, as: :atomics_fill

  @doc """
  The sum of all cells, as `sum/3`.

      iex> ref = Offheap.Atomics.new(1000)
      iex> for i <- 1..1000, do: Offheap.Atomics.put(ref, i, i)
      iex> Offheap.Atomics.sum(ref)
      500_500
  """
  @spec sum(t()) :: number()
  defdelegate sum(ref), to: :offheap_nif, as: :atomics_sum

  @doc """
  The sum of `count` cells from `first` on; 0 of none.

  Integers, of whatever width, are added with 64 bits and wrap around there: signed or unsigned,
  as the cells are. Floats are added from left to right; `ArithmeticError` if the sum is not
  finite. About 0.3 ns a cell, of floats 1 ns.

      iex> ref = Offheap.Atomics.new(10, bits: 8)
      iex> Offheap.Atomics.fill(ref, 100)
      iex> Offheap.Atomics.sum(ref, 2, 5)
      500
  """
  @spec sum(t(), index(), non_neg_integer()) :: number()
  defdelegate sum(ref, first, count), to: :offheap_nif, as: :atomics_sum

  @doc """
  The least value of all cells.

      iex> ref = Offheap.Atomics.new(3)
      iex> Offheap.Atomics.put(ref, 2, -4)
      iex> Offheap.Atomics.minimum(ref)
      -4
  """
  @spec minimum(t()) :: number()
  defdelegate minimum(ref), to: :offheap_nif, as: :atomics_minimum

  @doc """
  The least value of `count` cells from `first` on; `ArgumentError` of none.

      iex> ref = Offheap.Atomics.new(3)
      iex> Offheap.Atomics.put(ref, 1, -4)
      iex> Offheap.Atomics.minimum(ref, 2, 2)
      0
  """
  @spec minimum(t(), index(), pos_integer()) :: number()
  defdelegate minimum(ref, first, count), to: :offheap_nif, as: :atomics_minimum

  @doc """
  The greatest value of all cells.

      iex> ref = Offheap.Atomics.new(3)
      iex> Offheap.Atomics.put(ref, 2, 4)
      iex> Offheap.Atomics.maximum(ref)
      4
  """
  @spec maximum(t()) :: number()
  defdelegate maximum(ref), to: :offheap_nif, as: :atomics_maximum

  @doc """
  The greatest value of `count` cells from `first` on; `ArgumentError` of none.

      iex> ref = Offheap.Atomics.new(3)
      iex> Offheap.Atomics.put(ref, 1, 4)
      iex> Offheap.Atomics.maximum(ref, 2, 2)
      0
  """
  @spec maximum(t(), index(), pos_integer()) :: number()
  defdelegate maximum(ref, first, count), to: :offheap_nif, as: :atomics_maximum

  @doc """
  All cells in order.

      iex> Offheap.Atomics.to_list(Offheap.Atomics.new(3))
      [0, 0, 0]
  """
  @spec to_list(t()) :: [number(), ...]
  defdelegate to_list(ref), to: :offheap_atomics

  @doc """
  `count` cells from `first` on, in order.

      iex> Offheap.Atomics.to_list(Offheap.Atomics.new(3), 2, 2)
      [0, 0]
  """
  @spec to_list(t(), index(), non_neg_integer()) :: [number()]
  defdelegate to_list(ref, first, count), to: :offheap_atomics

  @doc """
  Sets all cells to `value` and returns what was in them, as `exchange_all/4`.

      iex> ref = Offheap.Atomics.new(3)
      iex> Offheap.Atomics.add(ref, 2, 5)
      iex> Offheap.Atomics.exchange_all(ref, 0)
      [0, 5, 0]
      iex> Offheap.Atomics.exchange_all(ref, 0)
      [0, 0, 0]
  """
  @spec exchange_all(t(), number()) :: [number(), ...]
  defdelegate exchange_all(ref, value), to: :offheap_atomics

  @doc """
  Sets `count` cells from `first` on to `value` and returns what was in them, in order.

  Each cell is exchanged atomically, so that draining counters with a `value` of 0 loses no
  increment: what is added before the exchange is in the list, what is added after it is in the
  cell. Goes from the last cell to the first, 4096 cells at a time. Arguments are checked before
  the first exchange; what a process has taken out when it is killed goes with it.

      iex> ref = Offheap.Atomics.new(3)
      iex> Offheap.Atomics.fill(ref, 5)
      iex> Offheap.Atomics.exchange_all(ref, 1, 2, 0)
      [5, 5]
      iex> Offheap.Atomics.to_list(ref)
      [0, 0, 5]
  """
  @spec exchange_all(t(), index(), non_neg_integer(), number()) :: [number()]
  defdelegate exchange_all(ref, first, count, value), to: :offheap_atomics

  @doc """
  All cells as a binary: integers and floats of the cells' own width in the machine's byte order,
  side by side in any layout. `load/2` takes it back.

  Each cell is read atomically; all together they are not one instant. More than about 64 K cells
  (8 K padded ones) are read on a dirty scheduler. `SystemLimitError` where memory cannot hold the
  binary.

      iex> ref = Offheap.Atomics.new(2, bits: 16)
      iex> Offheap.Atomics.put(ref, 2, -1)
      iex> Offheap.Atomics.snapshot(ref)
      <<0, 0, 255, 255>>
  """
  @spec snapshot(t()) :: binary()
  defdelegate snapshot(ref), to: :offheap_nif, as: :atomics_snapshot

  @doc """
  `count` cells from `first` on as a binary, as `snapshot/1`.

      iex> Offheap.Atomics.snapshot(Offheap.Atomics.new(5, bits: 8), 2, 3)
      <<0, 0, 0>>
  """
  @spec snapshot(t(), index(), non_neg_integer()) :: binary()
  defdelegate snapshot(ref, first, count), to: :offheap_nif, as: :atomics_snapshot

  @doc """
  Sets all cells from a binary as `snapshot/1` makes it of an array of the same size, type and
  width, as `load/3`.

      iex> ref = Offheap.Atomics.new(2)
      iex> Offheap.Atomics.load(ref, <<3::native-64, 4::native-64>>)
      :ok
      iex> Offheap.Atomics.to_list(ref)
      [3, 4]
  """
  @spec load(t(), binary()) :: :ok
  defdelegate load(ref, binary), to: :offheap_atomics

  @doc """
  Sets cells from `first` on from a binary, by release stores.

  Raises `ArgumentError`, and changes nothing, if the binary is not whole cells or passes the
  array's end, or if one of its floats is infinite or no number. More than 16 KiB are loaded on a
  dirty scheduler.

      iex> ref = Offheap.Atomics.new(3, bits: 8)
      iex> Offheap.Atomics.load(ref, 2, <<1, 2>>)
      :ok
      iex> Offheap.Atomics.to_list(ref)
      [0, 1, 2]
      iex> Offheap.Atomics.load(ref, 3, <<1, 2>>)
      ** (ArgumentError) argument error
  """
  @spec load(t(), index(), binary()) :: :ok
  defdelegate load(ref, first, binary), to: :offheap_atomics

  @doc """
  Adds to all cells what a binary holds that `snapshot/1` made of an array of the same size, type
  and width, as `merge/3`.

      iex> [here, there] = for _ <- 1..2, do: Offheap.Atomics.new(2)
      iex> Offheap.Atomics.put_many(here, [{1, 10}, {2, 20}])
      iex> Offheap.Atomics.put_many(there, [{1, 1}, {2, 2}])
      iex> Offheap.Atomics.merge(here, Offheap.Atomics.snapshot(there))
      :ok
      iex> Offheap.Atomics.to_list(here)
      [11, 22]
  """
  @spec merge(t(), binary()) :: :ok
  defdelegate merge(ref, binary), to: :offheap_atomics

  @doc """
  Adds the numbers of a binary to cells from `first` on, in order: `add/3` of each.

  The quickest way to add to many cells: 2 ns for each. Raises `ArgumentError`, and changes nothing,
  where `load/3` does. Where a float would not be finite, `ArithmeticError` is raised when the cells
  before it have been added to. More than 16 KiB are merged on a dirty scheduler.

      iex> ref = Offheap.Atomics.new(3, bits: 8)
      iex> Offheap.Atomics.fill(ref, 1)
      iex> Offheap.Atomics.merge(ref, 2, <<5, -5>>)
      :ok
      iex> Offheap.Atomics.to_list(ref)
      [1, 6, -4]
  """
  @spec merge(t(), index(), binary()) :: :ok
  defdelegate merge(ref, first, binary), to: :offheap_atomics
end
