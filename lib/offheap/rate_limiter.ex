defmodule Offheap.RateLimiter do
  @moduledoc """
  Rate limiters: buckets of units that fill at a constant rate, one for each of a fixed number of
  indices (`new/2`), or for each key that comes (`new_keyed/1`).

  A bucket holds `burst` units at most and is full at first. `take/4` takes units out if they are there
  and tells how many remain, or else tells in how many milliseconds they will be. A bucket fills at one
  unit an interval, which is `period_ms / rate`, rounded up to whole nanoseconds.

      iex> limiter = Offheap.RateLimiter.new_keyed(rate: 2, period_ms: 60_000)
      iex> Offheap.RateLimiter.take(limiter, "ada")
      {:ok, 1}
      iex> Offheap.RateLimiter.take(limiter, "ada")
      {:ok, 0}
      iex> {:error, retry_after_ms} = Offheap.RateLimiter.take(limiter, "ada")
      iex> retry_after_ms in 1..30_000
      true
      iex> Offheap.RateLimiter.take(limiter, "alan")
      {:ok, 1}

    * Between any two times `a` and `b` a bucket gives at most `burst + (b - a) / interval` units,
      whichever processes take them; what is given back by `refund/3` or `reset/2` counts anew.
    * Each call is atomic for its bucket, and buckets are apart. On an array, take and refund are a
      compare-and-swap (acquire and release order), which is tried again if another process was faster;
      a keyed limiter locks the part of its table that the key belongs to, some hundred neighbours, for
      less than a microsecond. Peek takes no lock on either.
    * Time is Erlang's monotonic time in nanoseconds. The caller may give it, `now_ns` of
      `-2^62..2^62-1`: `System.monotonic_time(:nanosecond)`, read once for several calls, or any clock
      of his own, if all calls for a bucket go by it. The limiter's own reading costs 20 ns more, and may
      differ from the emulator's by 20 microseconds. Times may come out of order: an earlier one sees
      what was taken at later ones, and not what has come in since.
    * A cost is an integer of `0..burst`: more could never be granted. A cost of 0 takes nothing.
    * Indices are one-based. Keys are any terms, compared by `===`.
    * A keyed limiter makes a key's bucket at the key's first take, in the same instant: of two processes
      that come first, one takes from what the other left. A key takes the memory of an entry of
      `Offheap.Store`, about 25 bytes if it is a small integer or an atom, 70 if it is a short
      binary or tuple, until it is pruned: see `prune/2`.
    * `ArgumentError` is raised for a wrong reference, an index outside the array, a cost or a time
      outside its range, and nothing changes.

  A limiter belongs to no process. It lives as long as some process, message or table holds its
  reference, and any process that does may use it. All functions take constant time but `info/1` and
  `prune/1` on keyed limiters, which let other processes run. Keys beyond about 64 KB are handled on a
  dirty scheduler.

  The generic cell rate algorithm: ATM Forum, "Traffic Management Specification 4.0", 1996, 4.4.2, virtual
  scheduling. A bucket is one 64-bit word: the time at which it will be full.
  """

  @typedoc "The reference of a limiter."
  @type t :: :offheap_rate_limiter.limiter()

  @typedoc "A bucket: of an array an index, `1..size`; else a key, any term."
  @type index_or_key :: pos_integer() | term()

  @typedoc "Units: `0..burst`."
  @type cost :: non_neg_integer()

  @typedoc "A time in nanoseconds: `-2^62..2^62-1`."
  @type now_ns :: integer()

  @typedoc "The whole units that remain in the bucket, or when to try again."
  @type answer ::
          {:ok, remaining :: non_neg_integer()} | {:error, retry_after_ms :: pos_integer()}

  @type option :: {:rate, pos_integer()} | {:period_ms, pos_integer()} | {:burst, pos_integer()}

  @doc """
  Makes a limiter of `size` full buckets that share one rate.

  Raises `ArgumentError` for a size that is not a positive integer and for other options or values, and
  `SystemLimitError` for more buckets than memory can hold (at most 2^40). Memory is taken page by page
  as buckets are first used, 8 bytes each.

  ## Options

    * `:rate` - units that come in each period. Must be given; at most 10^6 a millisecond.
    * `:period_ms` - the period. Default `1000`.
    * `:burst` - units that a bucket holds. Default: the rate's. It must fill within 2^62 ns (146 years).

  ## Examples

      iex> limiter = Offheap.RateLimiter.new(8, rate: 100, burst: 10)
      iex> Offheap.RateLimiter.take(limiter, 8, 4, 0)
      {:ok, 6}
      iex> Offheap.RateLimiter.take(limiter, 8, 7, 0)
      {:error, 10}
      iex> Offheap.RateLimiter.take(limiter, 8, 7, 10_000_000)
      {:ok, 0}
  """
  @spec new(pos_integer(), [option()]) :: t()
  defdelegate new(size, opts), to: :offheap_rate_limiter

  @doc """
  Makes a limiter with a bucket for each key, none at first. Options and errors are those of `new/2`.

      iex> limiter = Offheap.RateLimiter.new_keyed(rate: 100)
      iex> Offheap.RateLimiter.take(limiter, {:user, 7}, 30, 0)
      {:ok, 70}
      iex> Offheap.RateLimiter.info(limiter).size
      1
  """
  @spec new_keyed([option()]) :: t()
  defdelegate new_keyed(opts), to: :offheap_rate_limiter

  @doc """
  Takes one unit, by the limiter's clock.

      iex> limiter = Offheap.RateLimiter.new(1, rate: 5)
      iex> Offheap.RateLimiter.take(limiter, 1)
      {:ok, 4}
  """
  @spec take(t(), index_or_key()) :: answer()
  defdelegate take(limiter, index_or_key), to: :offheap_nif, as: :rate_limiter_take

  @doc """
  Takes `cost` units, by the limiter's clock.

      iex> limiter = Offheap.RateLimiter.new(1, rate: 5)
      iex> Offheap.RateLimiter.take(limiter, 1, 5)
      {:ok, 0}
      iex> Offheap.RateLimiter.take(limiter, 1, 6)
      ** (ArgumentError) argument error
  """
  @spec take(t(), index_or_key(), cost()) :: answer()
  defdelegate take(limiter, index_or_key, cost), to: :offheap_nif, as: :rate_limiter_take

  @doc """
  Takes `cost` units at the time `now_ns`: `{:ok, remaining}`, with the whole units that remain in the
  bucket, or `{:error, retry_after_ms}` and no change.

  After so many milliseconds, rounded up, the cost would be granted if nobody else took before.

      iex> limiter = Offheap.RateLimiter.new(1, rate: 5)
      iex> now = System.monotonic_time(:nanosecond)
      iex> Offheap.RateLimiter.take(limiter, 1, 5, now)
      {:ok, 0}
      iex> Offheap.RateLimiter.take(limiter, 1, 2, now)
      {:error, 400}
      iex> Offheap.RateLimiter.take(limiter, 1, 2, now + 400_000_000)
      {:ok, 0}
  """
  @spec take(t(), index_or_key(), cost(), now_ns()) :: answer()
  defdelegate take(limiter, index_or_key, cost, now_ns), to: :offheap_nif, as: :rate_limiter_take

  @doc "What `take/2` would answer."
  @spec peek(t(), index_or_key()) :: answer()
  defdelegate peek(limiter, index_or_key), to: :offheap_nif, as: :rate_limiter_peek

  @doc """
  What `take/3` would answer. A cost of 0 asks what is in the bucket.

      iex> limiter = Offheap.RateLimiter.new(1, rate: 5)
      iex> Offheap.RateLimiter.peek(limiter, 1, 0)
      {:ok, 5}
  """
  @spec peek(t(), index_or_key(), cost()) :: answer()
  defdelegate peek(limiter, index_or_key, cost), to: :offheap_nif, as: :rate_limiter_peek

  @doc """
  What `take/4` would answer. Changes nothing.

      iex> limiter = Offheap.RateLimiter.new(1, rate: 5)
      iex> Offheap.RateLimiter.peek(limiter, 1, 3, 0)
      {:ok, 2}
      iex> Offheap.RateLimiter.peek(limiter, 1, 3, 0)
      {:ok, 2}
  """
  @spec peek(t(), index_or_key(), cost(), now_ns()) :: answer()
  defdelegate peek(limiter, index_or_key, cost, now_ns), to: :offheap_nif, as: :rate_limiter_peek

  @doc """
  Gives `cost` units back, for what was taken and not used.

  A bucket never holds more than its burst: what is beyond is lost. A refund needs no time, since it moves
  the time at which the bucket is full.

      iex> limiter = Offheap.RateLimiter.new(1, rate: 5)
      iex> Offheap.RateLimiter.take(limiter, 1, 4, 0)
      {:ok, 1}
      iex> Offheap.RateLimiter.refund(limiter, 1, 2)
      :ok
      iex> Offheap.RateLimiter.peek(limiter, 1, 0, 0)
      {:ok, 3}
      iex> Offheap.RateLimiter.refund(limiter, 1, 5)
      :ok
      iex> Offheap.RateLimiter.peek(limiter, 1, 0, 0)
      {:ok, 5}
  """
  @spec refund(t(), index_or_key(), cost()) :: :ok
  def refund(limiter, index_or_key, cost \\ 1),
    do: :offheap_nif.rate_limiter_refund(limiter, index_or_key, cost)

  @doc """
  Fills the bucket: its index goes to another user, say. A key's memory is given back.

      iex> limiter = Offheap.RateLimiter.new_keyed(rate: 5)
      iex> Offheap.RateLimiter.take(limiter, :ada, 4, 0)
      {:ok, 1}
      iex> Offheap.RateLimiter.reset(limiter, :ada)
      :ok
      iex> Offheap.RateLimiter.take(limiter, :ada, 4, 0)
      {:ok, 1}
  """
  @spec reset(t(), index_or_key()) :: :ok
  defdelegate reset(limiter, index_or_key), to: :offheap_nif, as: :rate_limiter_reset

  @doc """
  Removes from a keyed limiter the keys whose buckets are full now, and returns how many they were. See
  `prune/2`.
  """
  @spec prune(t()) :: non_neg_integer()
  defdelegate prune(limiter), to: :offheap_rate_limiter

  @doc """
  Removes from a keyed limiter the keys whose buckets were full two milliseconds before `now_ns`, and
  returns how many they were.

  `now_ns` must not be later than that of a take that is under way or yet to come: to those, a removed
  key is what it would be had it stayed.

  A limiter whose keys keep changing grows until it is pruned: prune it now and then, say once in the time
  that a bucket takes to fill. About 100 ns a key, in steps of a thousand keys, between which other
  processes run; other calls are served all the while. Raises `ArgumentError` for an array, which has no
  keys.

      iex> limiter = Offheap.RateLimiter.new_keyed(rate: 5)
      iex> for i <- 1..5, do: Offheap.RateLimiter.take(limiter, {:user, i}, i, 0)
      iex> Offheap.RateLimiter.prune(limiter, 700_000_000)
      3
      iex> Offheap.RateLimiter.info(limiter).size
      2
  """
  @spec prune(t(), now_ns()) :: non_neg_integer()
  defdelegate prune(limiter, now_ns), to: :offheap_rate_limiter

  @doc """
  The number of buckets (of an array, its size; else of keys that the limiter holds), what a bucket holds at
  most, how long a unit takes to come, the memory in bytes, which for keys is an estimate. Exact if nobody
  takes meanwhile.

      iex> limiter = Offheap.RateLimiter.new(1000, rate: 3)
      iex> %{size: 1000, burst: 3, interval_ns: 333_333_334} = Offheap.RateLimiter.info(limiter)
      iex> Offheap.RateLimiter.info(limiter).memory >= 8000
      true
  """
  @spec info(t()) :: %{
          size: non_neg_integer(),
          burst: pos_integer(),
          interval_ns: pos_integer(),
          memory: pos_integer()
        }
  defdelegate info(limiter), to: :offheap_rate_limiter
end
