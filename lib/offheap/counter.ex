defmodule Offheap.Counter do
  @moduledoc """
  Counters that several processes add to at once without waiting for each other.

  The functions, their errors and their arithmetic are those of OTP's `:counters`; `sum_reset/2`,
  `sum/1`, `to_list/1`, `to_list_reset/1`, `to_binary/1`, `size/1` and the choice of stripes are beyond
  it. Any process that holds the reference may use the counters. They live as long as some process,
  message or table holds their reference.

  Each counter is kept as the sum of several cells, one in each stripe, and a scheduler adds to the
  stripe that is its own. A stripe fills whole cache lines. With the option `:atomics` a counter is
  one cell.

    * Indices are one-based. A counter is zero at first.
    * Values are integers of `-2^63..2^63-1`. Arithmetic wraps around at these limits.
    * Every `add/3` and `sub/3` is atomic and a full memory barrier (sequentially consistent). None is
      ever lost.
    * `get/2` adds up cells that it reads one after the other, each by an acquire load. No add that
      happened before is missed; of those that other processes make meanwhile, any may be counted. So
      it is exact when nobody writes. Of two adds to the same counter, one after the other, a read
      under way may see only the second.
    * `put/3` sets one cell to the value and the others to zero, one after the other. An add by
      another process meanwhile is either wiped out or counted on top; of several puts at once, one's
      value stays; a read meanwhile may mix cells of before and after. It does not scale.
    * With `:atomics`, reads and puts are one instant, and who reads a value also sees all that its
      writer did before.
    * `ArgumentError` is raised for a wrong reference, an index outside the array, a value outside
      its range; `sub/3` raises `ArithmeticError` for what is no number.

  `add/3` takes constant time; `get/2`, `put/3` and `sum_reset/2` time in proportion to the stripes,
  some 100 us for 1,024 of them at the worst; what reads all counters yields.

      iex> ref = Offheap.Counter.new(3)
      iex> Offheap.Counter.add(ref, 1, 40)
      :ok
      iex> Offheap.Counter.add(ref, 1, 2)
      :ok
      iex> Offheap.Counter.to_list(ref)
      [42, 0, 0]

  The idea is that of D. Lea's LongAdder (java.util.concurrent.atomic, 2011), as is the name of
  `sum_reset/2`.

  > #### Where OTP's module is as good {: .info}
  >
  > `:counters` with `:write_concurrency` adds as fast. Take this module to read many counters, to
  > reset them without a loss, to choose their memory, or where `get/2` is frequent.
  """

  @typedoc "The reference of an array of counters."
  @type t :: :offheap_counters.counters_ref()

  @typedoc "A counter: `1..size`."
  @type index :: pos_integer()

  @typedoc "In how many stripes counters are kept."
  @type option :: :atomics | :write_concurrency | {:stripes, 1..1024}

  @doc """
  Makes an array of `size` zeros.

  The number of stripes is rounded up to a power of two; `info/1` tells it. Each takes 8 bytes a
  counter, rounded up to 64; memory is taken page by page as counters are first written.

  Raises `ArgumentError` for a size that is not a positive integer or for other options, and
  `SystemLimitError` for more counters than memory can hold (at most 2^40 cells in all stripes).

  ## Options

  One of these, as a list. Without a list it is `:write_concurrency`; the empty list means `:atomics`,
  as in OTP.

    * `:write_concurrency` - a stripe for each scheduler thread of the emulator.
    * `stripes: n` - `n` stripes, `1..1024`. Fewer than schedulers take less memory and are read
      faster; schedulers then share some.
    * `:atomics` - one cell a counter.

  ## Examples

      iex> %{size: 10, stripes: 4} = Offheap.Counter.info(Offheap.Counter.new(10, stripes: 3))
      iex> %{size: 10, stripes: 1} = Offheap.Counter.info(Offheap.Counter.new(10, [:atomics]))
      iex> Offheap.Counter.new(0)
      ** (ArgumentError) argument error
  """
  @spec new(pos_integer(), [option()]) :: t()
  def new(size, opts \\ [:write_concurrency]), do: :offheap_counters.new(size, opts)

  @doc """
  The counter's value.

      iex> Offheap.Counter.get(Offheap.Counter.new(1), 1)
      0
      iex> Offheap.Counter.get(Offheap.Counter.new(1), 2)
      ** (ArgumentError) argument error
  """
  @spec get(t(), index()) :: integer()
  defdelegate get(ref, index), to: :offheap_nif, as: :counters_get

  @doc """
  Adds `increment`, an integer of `-2^63..2^64-1`.

      iex> ref = Offheap.Counter.new(1)
      iex> Offheap.Counter.add(ref, 1, 9_223_372_036_854_775_807)
      :ok
      iex> Offheap.Counter.add(ref, 1, 1)
      :ok
      iex> Offheap.Counter.get(ref, 1)
      -9_223_372_036_854_775_808
  """
  @spec add(t(), index(), integer()) :: :ok
  defdelegate add(ref, index, increment), to: :offheap_nif, as: :counters_add

  @doc """
  Subtracts `decrement`, an integer of `-(2^64-1)..2^63`.

      iex> ref = Offheap.Counter.new(1)
      iex> Offheap.Counter.sub(ref, 1, 5)
      :ok
      iex> Offheap.Counter.get(ref, 1)
      -5
  """
  @spec sub(t(), index(), integer()) :: :ok
  def sub(ref, index, decrement), do: :offheap_nif.counters_add(ref, index, -decrement)

  @doc """
  Sets the counter to `value`. The top of this page says what that means while others add.

      iex> ref = Offheap.Counter.new(1)
      iex> Offheap.Counter.put(ref, 1, -7)
      :ok
      iex> Offheap.Counter.get(ref, 1)
      -7
  """
  @spec put(t(), index(), integer()) :: :ok
  defdelegate put(ref, index, value), to: :offheap_nif, as: :counters_put

  @doc """
  The number of counters, the stripes in which they are kept, the memory in bytes.

      iex> %{size: 1000, stripes: 4, memory: memory} =
      ...>   Offheap.Counter.info(Offheap.Counter.new(1000, stripes: 4))
      iex> memory >= 4 * 8000
      true
  """
  @spec info(t()) :: %{size: pos_integer(), stripes: pos_integer(), memory: pos_integer()}
  defdelegate info(ref), to: :offheap_nif, as: :counters_info

  @doc """
  The number of counters.

      iex> Offheap.Counter.size(Offheap.Counter.new(7))
      7
  """
  @spec size(t()) :: pos_integer()
  defdelegate size(ref), to: :offheap_nif, as: :counters_size

  @doc """
  The sum of all counters, wrapped around as `add/3` would.

  Each cell is read atomically; all together they are not one instant. Under a nanosecond a cell;
  yields.

      iex> ref = Offheap.Counter.new(1000)
      iex> for i <- 1..1000, do: Offheap.Counter.add(ref, i, i)
      iex> Offheap.Counter.sum(ref)
      500_500
  """
  @spec sum(t()) :: integer()
  defdelegate sum(ref), to: :offheap_nif, as: :counters_sum

  @doc """
  Takes what the counter holds and leaves zero: returns its value.

  Each cell is exchanged for zero, so that each add is part of exactly one result, or still in the
  counter: the results of all `sum_reset/2`s and what is left at the end make up all that was added.
  (A `put/3` at the same time sets cells and is no add.)

      iex> ref = Offheap.Counter.new(1)
      iex> Offheap.Counter.add(ref, 1, 5)
      iex> Offheap.Counter.sum_reset(ref, 1)
      5
      iex> Offheap.Counter.get(ref, 1)
      0
  """
  @spec sum_reset(t(), index()) :: integer()
  defdelegate sum_reset(ref, index), to: :offheap_nif, as: :counters_sum_reset

  @doc """
  All counters in order.

  Each cell is read atomically; all together they are not one instant. Yields.

      iex> Offheap.Counter.to_list(Offheap.Counter.new(3))
      [0, 0, 0]
  """
  @spec to_list(t()) :: [integer(), ...]
  defdelegate to_list(ref), to: :offheap_nif, as: :counters_to_list

  @doc """
  Takes what all counters hold, each as by `sum_reset/2`, and returns it in order.

  All together they are not one instant. Yields: what a process has taken is lost with it when it is
  killed meanwhile.

      iex> ref = Offheap.Counter.new(2)
      iex> Offheap.Counter.add(ref, 2, 5)
      iex> Offheap.Counter.to_list_reset(ref)
      [0, 5]
      iex> Offheap.Counter.to_list_reset(ref)
      [0, 0]
  """
  @spec to_list_reset(t()) :: [integer(), ...]
  defdelegate to_list_reset(ref), to: :offheap_nif, as: :counters_to_list_reset

  @doc """
  All counters in order, each as 64 bits signed in the machine's byte order.

  The fastest way to read many, under a nanosecond a cell. Each cell is read atomically; all together
  they are not one instant. Works in chunks that let other processes run.

      iex> ref = Offheap.Counter.new(3)
      iex> Offheap.Counter.sub(ref, 2, 9)
      iex> binary = Offheap.Counter.to_binary(ref)
      iex> for <<value::64-signed-native <- binary>>, do: value
      [0, -9, 0]
  """
  @spec to_binary(t()) :: binary()
  defdelegate to_binary(ref), to: :offheap_counters
end
