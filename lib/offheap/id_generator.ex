defmodule Offheap.IdGenerator do
  @moduledoc """
  Unique, rising integers of the time, a node's number and a sequence number, in the manner of
  Twitter's Snowflake (2010), made without a process or a lock.

  An id is a positive integer below 2^63. From the highest bit down:

      milliseconds since the epoch | node | sequence

  By default the epoch is 2024-01-01T00:00:00Z (1704067200000), `:node_bits` is 8 and `:sequence_bits`
  is 10: 256 nodes of 1,024 ids a millisecond. These ids stay below 2^59, so they are small integers
  that take no memory of their own in a term, until September 2093. Snowflake's and Discord's layout
  is `node_bits: 10, sequence_bits: 12`: its ids become big integers 4 years after the epoch.

    * No generator gives an id twice, and each id is larger than all that it gave before: a process
      that got an id, or a message from one that got it, will only get larger ones.
    * Two generators give different ids if their nodes differ. Give each node of a cluster a number of
      its own, and make one generator a node.
    * A generator knows nothing of an earlier one of the same node: after a restart the clock must be
      beyond the last id's time.
    * The time is that of the operating system's clock at its last tick, 1 to 10 ms ago (4 ms on most
      systems), which takes a fourth of the time to read; it is read exactly before a call is refused.
      When the clock goes back, ids go on from the time of the last one.
    * When the sequence numbers of a millisecond are used up, the option `:exhaustion` decides: with
      `:error`, the call returns `{:error, {:exhausted, wait_ms}}`; with `{:borrow, max_ms}` it takes
      the numbers of the milliseconds that follow, as long as they are at most `max_ms` beyond the
      clock, and then returns that. A call that is refused takes nothing. `wait_ms` is after how many
      milliseconds of the clock the call would succeed if nobody else made any; `:infinity` if the bits
      for the time are used up.
    * A clock that was set back is waited for in the same way: numbers left in the last id's millisecond
      are given out, then `:exhaustion` decides.
    * `ArgumentError` is raised for a wrong reference or argument.

  All functions take constant time but `next_n/2`, which yields.

      iex> gen = Offheap.IdGenerator.new(7)
      iex> id = Offheap.IdGenerator.next(gen)
      iex> Offheap.IdGenerator.next(gen) > id
      true
      iex> Offheap.IdGenerator.decode(gen, id).node
      7
  """

  @typedoc "The reference of a generator."
  @type t :: :offheap_id_generator.generator()

  @typedoc "`0..2^63-1`."
  @type id :: :offheap_id_generator.id()

  @type option ::
          {:epoch_ms, non_neg_integer()}
          | {:node_bits, 0..23}
          | {:sequence_bits, 1..24}
          | {:exhaustion, :error | :borrow | {:borrow, 0..86_400_000}}

  @typedoc "Why there is no id now, and after how many milliseconds there would be."
  @type exhausted :: {:error, {:exhausted, pos_integer() | :infinity}}

  @doc """
  Makes a generator for the node of this number.

  Raises `ArgumentError` for a node that its bits cannot hold and for other options.

  ## Options

    * `:epoch_ms` - the time that ids count from, in milliseconds since 1970, `0..2^53`. Default
      1704067200000.
    * `:node_bits` - default 8. `node` must be within `0..2^node_bits-1`.
    * `:sequence_bits` - at least 1; default 10. With `:node_bits` at most 24, which leaves 39 bits or 17
      years for the time.
    * `:exhaustion` - `:error`, the default, `:borrow`, which is `{:borrow, 1000}`, or
      `{:borrow, max_ms}` with `max_ms` of at most 86400000, a day. A node that stops and starts again
      within `max_ms` may give ids again that it borrowed.

  Of an option that is given twice the last counts.

  ## Examples

      iex> gen = Offheap.IdGenerator.new(1, sequence_bits: 1)
      iex> for _ <- 1..3, do: Offheap.IdGenerator.next(gen, 1_704_067_200_000)
      [2, 3, {:error, {:exhausted, 1}}]

      iex> gen = Offheap.IdGenerator.new(1, sequence_bits: 1, exhaustion: {:borrow, 1})
      iex> for _ <- 1..5, do: Offheap.IdGenerator.next(gen, 1_704_067_200_000)
      [2, 3, 514, 515, {:error, {:exhausted, 1}}]
  """
  @spec new(non_neg_integer(), [option()]) :: t()
  def new(node, opts \\ []), do: :offheap_id_generator.new(node, opts)

  @doc """
  The next id.

      iex> gen = Offheap.IdGenerator.new(0)
      iex> first = Offheap.IdGenerator.next(gen)
      iex> second = Offheap.IdGenerator.next(gen)
      iex> 0 < first and first < second
      true
  """
  @spec next(t()) :: id() | exhausted()
  defdelegate next(gen), to: :offheap_nif, as: :id_generator_next

  @doc """
  The next id if the clock were at `now_ms`, milliseconds since 1970, `0..2^53`: the clock is not read.

  For tests, and for callers that have the time at hand.

      iex> gen = Offheap.IdGenerator.new(1, epoch_ms: 1000)
      iex> Offheap.IdGenerator.decode(gen, Offheap.IdGenerator.next(gen, 5000))
      %{timestamp_ms: 5000, node: 1, sequence: 0}
      iex> Offheap.IdGenerator.decode(gen, Offheap.IdGenerator.next(gen, 4000))
      %{timestamp_ms: 5000, node: 1, sequence: 1}
  """
  @spec next(t(), non_neg_integer()) :: id() | exhausted()
  defdelegate next(gen, now_ms), to: :offheap_nif, as: :id_generator_next

  @doc """
  The next `n` ids as a list, smallest first, taken at one instant: no other call's id is among them.

  All or none: when they are refused, none is lost. `n` is at most 2^20 and at most what the layout can
  give at once, `2^sequence_bits * (1 + max_ms)`: `info/1` tells it as `:batch_max`. About 5 ns an id;
  yields.

      iex> gen = Offheap.IdGenerator.new(0)
      iex> ids = Offheap.IdGenerator.next_n(gen, 100)
      iex> length(ids)
      100
      iex> ids == Enum.sort(ids)
      true
  """
  @spec next_n(t(), pos_integer()) :: [id(), ...] | exhausted()
  defdelegate next_n(gen, n), to: :offheap_nif, as: :id_generator_next_n

  @doc """
  The next `n` ids if the clock were at `now_ms`, as in `next/2`.

      iex> gen = Offheap.IdGenerator.new(0, epoch_ms: 0, node_bits: 0, sequence_bits: 2)
      iex> Offheap.IdGenerator.next_n(gen, 3, 25)
      [100, 101, 102]
      iex> Offheap.IdGenerator.next_n(gen, 3, 25)
      {:error, {:exhausted, 1}}
      iex> Offheap.IdGenerator.next_n(gen, 1, 25)
      [103]
  """
  @spec next_n(t(), pos_integer(), non_neg_integer()) :: [id(), ...] | exhausted()
  defdelegate next_n(gen, n, now_ms), to: :offheap_nif, as: :id_generator_next_n

  @doc """
  The parts of an id: its time in milliseconds since 1970, its node, its sequence number.

  The layout is that of a generator, or given by the options of `new/2`.

      iex> Offheap.IdGenerator.decode([node_bits: 10, sequence_bits: 12], 3 * 2 ** 22 + 5 * 2 ** 12 + 9)
      %{timestamp_ms: 1_704_067_200_003, node: 5, sequence: 9}
  """
  @spec decode(t() | [option()], id()) :: %{
          timestamp_ms: non_neg_integer(),
          node: non_neg_integer(),
          sequence: non_neg_integer()
        }
  defdelegate decode(gen_or_layout, id), to: :offheap_id_generator

  @doc """
  The node and the options; the most ids of one `next_n/2`; the memory in bytes.

      iex> %{node: 7, exhaustion: {:borrow, 1000}, batch_max: 1_025_024} =
      ...>   Offheap.IdGenerator.info(Offheap.IdGenerator.new(7, exhaustion: :borrow))
  """
  @spec info(t()) :: %{
          node: non_neg_integer(),
          epoch_ms: non_neg_integer(),
          node_bits: non_neg_integer(),
          sequence_bits: pos_integer(),
          exhaustion: :error | {:borrow, pos_integer()},
          batch_max: pos_integer(),
          memory: pos_integer()
        }
  defdelegate info(gen), to: :offheap_nif, as: :id_generator_info
end
