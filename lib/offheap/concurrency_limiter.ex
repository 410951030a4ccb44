defmodule Offheap.ConcurrencyLimiter do
  @moduledoc """
  Limits on how many may do something at once: permits that are released by their owner's death.

      iex> limiter = Offheap.ConcurrencyLimiter.new(1)
      iex> {:ok, permit} = Offheap.ConcurrencyLimiter.acquire(limiter)
      iex> Offheap.ConcurrencyLimiter.acquire(limiter)
      {:error, :limit}
      iex> Offheap.ConcurrencyLimiter.release(permit)
      :ok
      iex> Offheap.ConcurrencyLimiter.in_use(limiter)
      0

    * `acquire/1` gives a permit if fewer than the limit are out; it does not wait.
    * A permit is given back exactly once: by `release/1`, from any process; or when the process that
      acquired it ends, however it ends and whoever holds the permit then; or when nobody holds the
      permit any more and it is collected. The notice of an end may come a little later than a monitor's
      `DOWN` message.
    * The permits that are out never exceed the limit, not for a moment. Who acquires a permit sees what
      came before the releases that made room (acquire and release order).
    * A limiter belongs to no process. It lives as long as some process, message, table or permit holds
      it.
    * `ArgumentError` is raised for a wrong reference.

  All functions take constant time. Acquiring costs a monitor of the caller, some hundred nanoseconds.

  > #### Where OTP is faster {: .info}
  >
  > A counter in `:atomics` costs less than a tenth of it, where no holder can die without giving back.
  """

  @typedoc "The reference of a limiter."
  @type t :: :offheap_concurrency_limiter.limiter()

  @typedoc "The reference of a permit."
  @type permit :: :offheap_concurrency_limiter.permit()

  @doc """
  Makes a limiter of `limit` permits, an integer of `1..2^64-1`. Raises `ArgumentError` for others.

      iex> Offheap.ConcurrencyLimiter.limit(Offheap.ConcurrencyLimiter.new(10))
      10
      iex> Offheap.ConcurrencyLimiter.new(0)
      ** (ArgumentError) argument error
  """
  @spec new(pos_integer()) :: t()
  defdelegate new(limit), to: :offheap_nif, as: :concurrency_limiter_new

  @doc """
  A permit that belongs to the caller, or `{:error, :limit}` if all are out.
  """
  @spec acquire(t()) :: {:ok, permit()} | {:error, :limit}
  defdelegate acquire(limiter), to: :offheap_nif, as: :concurrency_limiter_acquire

  @doc """
  Gives the permit back; `{:error, :released}` if it was given back before.

      iex> {:ok, permit} = Offheap.ConcurrencyLimiter.acquire(Offheap.ConcurrencyLimiter.new(1))
      iex> Offheap.ConcurrencyLimiter.release(permit)
      :ok
      iex> Offheap.ConcurrencyLimiter.release(permit)
      {:error, :released}
  """
  @spec release(permit()) :: :ok | {:error, :released}
  defdelegate release(permit), to: :offheap_nif, as: :concurrency_limiter_release

  @doc "How many permits there are."
  @spec limit(t()) :: pos_integer()
  defdelegate limit(limiter), to: :offheap_nif, as: :concurrency_limiter_limit

  @doc """
  How many permits are out.

      iex> limiter = Offheap.ConcurrencyLimiter.new(2)
      iex> {:ok, permit} = Offheap.ConcurrencyLimiter.acquire(limiter)
      iex> Offheap.ConcurrencyLimiter.in_use(limiter)
      1
      iex> Offheap.ConcurrencyLimiter.release(permit)
      :ok
  """
  @spec in_use(t()) :: non_neg_integer()
  defdelegate in_use(limiter), to: :offheap_nif, as: :concurrency_limiter_in_use
end
