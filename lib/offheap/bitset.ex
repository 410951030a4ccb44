defmodule Offheap.Bitset do
  @moduledoc """
  Sets of bits in shared memory, each set, cleared, flipped and tested atomically, that also hand
  out slots: `claim/1` sets the lowest clear bit and says which.

      iex> set = Offheap.Bitset.new(1_000_000)
      iex> Offheap.Bitset.set(set, 1)
      false
      iex> Offheap.Bitset.claim(set)
      0
      iex> Offheap.Bitset.claim(set)
      2
      iex> Offheap.Bitset.count(set)
      3
      iex> Offheap.Bitset.release(set, 0)
      :ok
      iex> Offheap.Bitset.release(set, 0)
      :not_claimed

  A set lives as long as some process, message or table holds its reference.

    * Bits are numbered from zero: bit `i` is the bit `1 <<< i` of an integer and bit `rem(i, 8)` of
      byte `div(i, 8)` of `to_binary/1`, and a claimed slot is an offset. (OTP's `:atomics`, and so
      `Offheap.Atomics`, are numbered from one, like elements of tuples: the cell of slot `i` is
      `i + 1`.) A bit is clear at first.
    * `set/2`, `clear/2`, `flip/2`, `claim/1` and `release/2` are atomic and full memory barriers
      (sequentially consistent); `test/2` is an acquire load. So what one holder of a slot did before
      it released it is seen by the next.
    * What passes over many bits (`count/3`, `union/2`, `to_binary/1` and so on) reads and writes words
      of 64 bits, each atomically; all together they are not one instant.
    * `ArgumentError` is raised for a wrong reference, a bit outside the set, sets of different sizes.

  Functions on one bit take constant time. The others yield or, where large binaries are made or read,
  run on a dirty scheduler.
  """

  @typedoc "The reference of a set."
  @type t :: :offheap_bitset.bitset()

  @typedoc "A bit: `0..size - 1`."
  @type index :: non_neg_integer()

  @doc """
  Makes a set of `size` clear bits.

  Raises `ArgumentError` for a size that is not a positive integer, and `SystemLimitError` for more
  bits than memory can hold (at most 2^40). Takes a bit and 1/32 of memory a bit, page by page as
  they are first written.

      iex> set = Offheap.Bitset.new(100)
      iex> Offheap.Bitset.test(set, 99)
      false
      iex> Offheap.Bitset.test(set, 100)
      ** (ArgumentError) argument error
  """
  @spec new(pos_integer()) :: t()
  defdelegate new(size), to: :offheap_bitset

  @doc """
  Makes a set of `size` bits from what `to_binary/1` gave.

  Raises `ArgumentError` unless the binary has `ceil(size / 8)` bytes and no bit set beyond the last;
  and `SystemLimitError` if memory is out.

      iex> set = Offheap.Bitset.from_binary(<<0b0000_0001, 0b0000_0010>>, 10)
      iex> for i <- 0..9, Offheap.Bitset.test(set, i), do: i
      [0, 9]
      iex> Offheap.Bitset.from_binary(<<0, 0b0000_0100>>, 10)
      ** (ArgumentError) argument error
  """
  @spec from_binary(binary(), pos_integer()) :: t()
  defdelegate from_binary(binary, size), to: :offheap_nif, as: :bitset_from_binary

  @doc """
  The number of bits, set or not.

      iex> Offheap.Bitset.size(Offheap.Bitset.new(100))
      100
  """
  @spec size(t()) :: pos_integer()
  defdelegate size(set), to: :offheap_nif, as: :bitset_size

  @doc """
  The number of bits, and the memory in bytes.

      iex> Offheap.Bitset.info(Offheap.Bitset.new(100)).size
      100
  """
  @spec info(t()) :: %{size: pos_integer(), memory: pos_integer()}
  defdelegate info(set), to: :offheap_bitset

  @doc """
  Whether the bit is set.

      iex> Offheap.Bitset.test(Offheap.Bitset.new(8), 7)
      false
  """
  @spec test(t(), index()) :: boolean()
  defdelegate test(set, index), to: :offheap_nif, as: :bitset_test

  @doc """
  Sets the bit. Returns whether it was set.

      iex> set = Offheap.Bitset.new(8)
      iex> {Offheap.Bitset.set(set, 7), Offheap.Bitset.set(set, 7)}
      {false, true}
  """
  @spec set(t(), index()) :: boolean()
  defdelegate set(set, index), to: :offheap_nif, as: :bitset_set

  @doc """
  Clears the bit. Returns whether it was set.

      iex> set = Offheap.Bitset.new(8)
      iex> Offheap.Bitset.set(set, 7)
      iex> {Offheap.Bitset.clear(set, 7), Offheap.Bitset.clear(set, 7)}
      {true, false}
  """
  @spec clear(t(), index()) :: boolean()
  defdelegate clear(set, index), to: :offheap_nif, as: :bitset_clear

  @doc """
  Clears the bit if it is set, else sets it. Returns whether it was set.

      iex> set = Offheap.Bitset.new(8)
      iex> {Offheap.Bitset.flip(set, 7), Offheap.Bitset.flip(set, 7), Offheap.Bitset.test(set, 7)}
      {false, true, false}
  """
  @spec flip(t(), index()) :: boolean()
  defdelegate flip(set, index), to: :offheap_nif, as: :bitset_flip

  @doc """
  Sets a clear bit and returns its number, or `:full`.

  It is the lowest clear bit, unless other processes change the set at the same time; in any case no
  two claims get the same bit without a release between them. `:full` is returned only if there was
  an instant during the call at which each bit was set, or was being cleared by a call that had not
  returned. So if no more than N processes share N slots, and each holds at most one, none of them is
  ever refused.

  Takes some steps down a tree, one for every power of 32 in the size, however full the set is. If
  others keep taking what it finds, it lets other processes run in between.

      iex> set = Offheap.Bitset.new(2)
      iex> {Offheap.Bitset.claim(set), Offheap.Bitset.claim(set), Offheap.Bitset.claim(set)}
      {0, 1, :full}
  """
  @spec claim(t()) :: index() | :full
  defdelegate claim(set), to: :offheap_nif, as: :bitset_claim

  @doc """
  Clears a bit that was claimed: `:ok`, or `:not_claimed` if it was clear already, which points to a
  slot that is given back twice.

      iex> set = Offheap.Bitset.new(2)
      iex> slot = Offheap.Bitset.claim(set)
      iex> {Offheap.Bitset.release(set, slot), Offheap.Bitset.release(set, slot)}
      {:ok, :not_claimed}
  """
  @spec release(t(), index()) :: :ok | :not_claimed
  defdelegate release(set, index), to: :offheap_nif, as: :bitset_release

  @doc """
  The number of bits that are set. Not one instant. Yields.

      iex> set = Offheap.Bitset.new(100)
      iex> for i <- 10..19, do: Offheap.Bitset.set(set, i)
      iex> Offheap.Bitset.count(set)
      10
  """
  @spec count(t()) :: non_neg_integer()
  defdelegate count(set), to: :offheap_bitset

  @doc """
  The number of bits set of the `length` bits from `index` on. The range must be inside the set; it
  may be empty. Not one instant. Yields.

      iex> set = Offheap.Bitset.new(100)
      iex> for i <- 10..19, do: Offheap.Bitset.set(set, i)
      iex> {Offheap.Bitset.count(set, 15, 85), Offheap.Bitset.count(set, 100, 0)}
      {5, 0}
      iex> Offheap.Bitset.count(set, 15, 86)
      ** (ArgumentError) argument error
  """
  @spec count(t(), index(), non_neg_integer()) :: non_neg_integer()
  defdelegate count(set, index, length), to: :offheap_nif, as: :bitset_count

  @doc """
  Sets in `set` all bits that are set in `other`, which has the same size and may be the same set.

  Atomic word by word, not one instant. Yields.

      iex> a = Offheap.Bitset.from_binary(<<0b0011>>, 8)
      iex> b = Offheap.Bitset.from_binary(<<0b0101>>, 8)
      iex> Offheap.Bitset.union(a, b)
      :ok
      iex> Offheap.Bitset.to_binary(a) == <<0b0111>>
      true
  """
  @spec union(t(), t()) :: :ok
  defdelegate union(set, other), to: :offheap_nif, as: :bitset_union

  @doc """
  Clears in `set` all bits that are clear in `other`; else as `union/2`.

      iex> a = Offheap.Bitset.from_binary(<<0b0011>>, 8)
      iex> b = Offheap.Bitset.from_binary(<<0b0101>>, 8)
      iex> Offheap.Bitset.intersection(a, b)
      :ok
      iex> Offheap.Bitset.to_binary(a) == <<0b0001>>
      true
  """
  @spec intersection(t(), t()) :: :ok
  defdelegate intersection(set, other), to: :offheap_nif, as: :bitset_intersection

  @doc """
  Clears in `set` all bits that are set in `other`; else as `union/2`. With itself, it clears all.

      iex> a = Offheap.Bitset.from_binary(<<0b0011>>, 8)
      iex> b = Offheap.Bitset.from_binary(<<0b0101>>, 8)
      iex> Offheap.Bitset.difference(a, b)
      :ok
      iex> Offheap.Bitset.to_binary(a) == <<0b0010>>
      true
  """
  @spec difference(t(), t()) :: :ok
  defdelegate difference(set, other), to: :offheap_nif, as: :bitset_difference

  @doc """
  All bits as a binary of `ceil(size / 8)` bytes.

  Bit `i` is bit `rem(i, 8)`, counted from the lowest, of byte `div(i, 8)`, and what is left of the
  last byte is zero. Not one instant. Beyond 64 KiB it is made on a dirty scheduler; raises
  `SystemLimitError` if memory is out.

      iex> set = Offheap.Bitset.new(10)
      iex> Offheap.Bitset.set(set, 9)
      iex> Offheap.Bitset.to_binary(set) == <<0, 2>>
      true
  """
  @spec to_binary(t()) :: binary()
  defdelegate to_binary(set), to: :offheap_nif, as: :bitset_to_binary
end
