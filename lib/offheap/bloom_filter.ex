defmodule Offheap.BloomFilter do
  @moduledoc """
  Bloom filters in shared memory: sets of terms that may wrongly say yes, at a rate that is chosen,
  and never wrongly no, in a few bits a term.

      iex> filter = Offheap.BloomFilter.new(10_000)
      iex> Offheap.BloomFilter.add(filter, {:user, 1})
      false
      iex> Offheap.BloomFilter.add(filter, {:user, 1})
      true
      iex> Offheap.BloomFilter.member?(filter, {:user, 1})
      true
      iex> Offheap.BloomFilter.member?(filter, {:user, 2})
      false

    * Keys are any terms, told apart as by `===`. Any process that holds the reference may add and
      ask.
    * An `add/2` that has returned is seen by every `member?/2` that begins later. Bits are set one by
      one, each atomically.
    * With as many keys as the capacity, the share of other keys taken for members is the rate asked
      for, or a little above it (about 1 part in 20 for filters of few bits). Beyond the capacity the
      rate grows.
    * The hash does not depend on the node, the machine or the release, so a filter may be stored and
      sent (`to_binary/1`). Exceptions are keys that themselves mean something else elsewhere (local
      pids, references, ports, functions), and `-0.0`, which from OTP 27 on is not `0.0`.
    * Integers of 64 bits, floats, binaries, pids, references and ports have 64 bits of hash, others 54.
      Terms with maps have 32: no rate below keys / 2^32 is kept. Terms that differ only in a pid,
      reference or port inside them have 18: do not add those, but what is inside, or their external
      format.
    * A salt that outsiders do not know keeps them from choosing binaries that collide. Other keys are
      not protected, for their hash is not a secret function.
    * `ArgumentError` is raised for a wrong reference, wrong options, filters of different shape.

  The positions of a key come from one hash by double hashing (A. Kirsch, M. Mitzenmacher, "Less
  hashing, same performance: building a better Bloom filter", 2006).
  """

  @typedoc "The reference of a filter."
  @type t :: :offheap_bloom_filter.bloom_filter()

  @doc """
  Makes an empty filter for `capacity` keys.

  Takes `capacity * -ln(rate) / ln(2)^2` bits, which is 9.6 a key for 0.01 and 4.8 more for each
  tenth of it, and 1/32 of that again. Raises `ArgumentError` for a capacity that is not a positive
  integer and for wrong options, and `SystemLimitError` for more bits than memory can hold (at most
  2^40).

  ## Options

    * `:false_positive_rate` - a float of `1.0e-9..0.5`. Default `0.01`.
    * `:salt` - an integer of `0..0xFFFFFFFF`. Default `0`.

  ## Examples

      iex> Offheap.BloomFilter.info(Offheap.BloomFilter.new(1000)).hashes
      7
      iex> filter = Offheap.BloomFilter.new(1000, false_positive_rate: 0.001)
      iex> Offheap.BloomFilter.info(filter).bits
      14378
  """
  @spec new(pos_integer(), false_positive_rate: float(), salt: 0..0xFFFFFFFF) :: t()
  def new(capacity, opts \\ []), do: :offheap_bloom_filter.new(capacity, opts)

  @doc """
  Adds a key. Returns whether it may have been there already; `false` means it surely was not.

  Of processes that add the same new key at once, at least one gets `false`. Constant time, but for
  the hash of the key. Keys beyond about 32 KiB are hashed on a dirty scheduler.

      iex> Offheap.BloomFilter.add(Offheap.BloomFilter.new(10), "key")
      false
  """
  @spec add(t(), term()) :: boolean()
  defdelegate add(filter, key), to: :offheap_nif, as: :bloom_filter_add

  @doc """
  Whether the key may have been added; `false` means it surely was not. Time as `add/2`.

      iex> Offheap.BloomFilter.member?(Offheap.BloomFilter.new(10), "key")
      false
  """
  @spec member?(t(), term()) :: boolean()
  defdelegate member?(filter, key), to: :offheap_nif, as: :bloom_filter_member

  @doc """
  Adds to `filter` all that was added to `other`.

  Both must be made with the same capacity, rate and salt. Atomic word by word, not one instant.
  Yields.

      iex> [a, b] = for _ <- 1..2, do: Offheap.BloomFilter.new(10)
      iex> Offheap.BloomFilter.add(b, "key")
      iex> Offheap.BloomFilter.merge(a, b)
      :ok
      iex> Offheap.BloomFilter.member?(a, "key")
      true
  """
  @spec merge(t(), t()) :: :ok
  defdelegate merge(filter, other), to: :offheap_nif, as: :bloom_filter_merge

  @doc """
  About how many different keys were added, by the number of bits set (S. J. Swamidass, P. Baldi,
  "Mathematical correction for fingerprint similarity measures to improve chemical retrieval", 2007).

  Off by a few parts in a thousand for filters of 10,000 keys, less for larger ones; of a filter
  whose bits are all set it is a lower bound. Yields.

      iex> filter = Offheap.BloomFilter.new(1000)
      iex> for i <- 1..3, do: Offheap.BloomFilter.add(filter, i)
      iex> Offheap.BloomFilter.count(filter)
      3
  """
  @spec count(t()) :: non_neg_integer()
  defdelegate count(filter), to: :offheap_bloom_filter

  @doc """
  The share of keys never added that would be taken for members now. Yields.

      iex> Offheap.BloomFilter.false_positive_rate(Offheap.BloomFilter.new(1000))
      0.0
  """
  @spec false_positive_rate(t()) :: float()
  defdelegate false_positive_rate(filter), to: :offheap_bloom_filter

  @doc """
  The filter as a binary that `from_binary/1` takes, on any node: a header and all bits.

  Not one instant. Beyond 64 KiB it is made on a dirty scheduler; raises `SystemLimitError` if memory
  is out.

      iex> filter = Offheap.BloomFilter.new(1000)
      iex> Offheap.BloomFilter.add(filter, "key")
      iex> copy = Offheap.BloomFilter.from_binary(Offheap.BloomFilter.to_binary(filter))
      iex> Offheap.BloomFilter.member?(copy, "key")
      true
  """
  @spec to_binary(t()) :: binary()
  defdelegate to_binary(filter), to: :offheap_bloom_filter

  @doc """
  Makes a filter of what `to_binary/1` gave. Raises `ArgumentError` for anything else.

      iex> Offheap.BloomFilter.from_binary("no filter")
      ** (ArgumentError) argument error
  """
  @spec from_binary(binary()) :: t()
  defdelegate from_binary(binary), to: :offheap_bloom_filter

  @doc """
  The number of bits, how many of them a key has, the salt, the memory in bytes.

      iex> Offheap.BloomFilter.info(Offheap.BloomFilter.new(1000, salt: 5)).salt
      5
  """
  @spec info(t()) :: %{
          bits: pos_integer(),
          hashes: 1..64,
          salt: 0..0xFFFFFFFF,
          memory: pos_integer()
        }
  defdelegate info(filter), to: :offheap_bloom_filter
end
