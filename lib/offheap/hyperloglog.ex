defmodule Offheap.HyperLogLog do
  @moduledoc """
  HyperLogLog in shared memory: about how many different terms were added, in a fixed number of bytes.

      iex> sketch = Offheap.HyperLogLog.new()
      iex> for i <- 1..100, _ <- 1..3, do: Offheap.HyperLogLog.add(sketch, {:user, i})
      iex> Offheap.HyperLogLog.count(sketch) in 97..103
      true

    * With precision P it has 2^P registers of a byte, and a standard error of 1.04 / sqrt(2^P): 26 %
      for 4, 0.81 % for 14 (the default, 16 KiB), 0.2 % for 18. Two of three estimates are within one
      standard error, 19 of 20 within two. Small numbers are nearly exact.
    * Keys are any terms, told apart as by `===`. Any process that holds the reference may add.
    * An `add/2` is atomic: it raises one register. `count/1`, `merge/2` and `to_binary/1` see each
      register atomically, all together not at one instant.
    * The hash does not depend on the node, the machine or the release, so sketches may be stored,
      sent and merged elsewhere. Exceptions are keys that themselves mean something else elsewhere
      (local pids, references, ports, functions), and `-0.0`, which from OTP 27 on is not `0.0`.
    * Integers of 64 bits, floats, binaries, pids, references and ports have 64 bits of hash, others 54.
      Terms with maps have 32: beyond about a hundred millions they are undercounted. Terms that differ
      only in a pid, reference or port inside them have 18: do not add those, but what is inside, or
      their external format.
    * `ArgumentError` is raised for a wrong reference, wrong options, sketches of different precision
      or salt.

  P. Flajolet, E. Fusy, O. Gandouet, F. Meunier, "HyperLogLog: the analysis of a near-optimal
  cardinality estimation algorithm", 2007; the estimate by the improved raw estimator of O. Ertl, "New
  cardinality estimation algorithms for HyperLogLog sketches", 2017.
  """

  @typedoc "The reference of a sketch."
  @type t :: :offheap_hyperloglog.hyperloglog()

  @doc """
  Makes a sketch with nothing counted.

  Raises `ArgumentError` for wrong options, and `SystemLimitError` if memory is out.

  ## Options

    * `:precision` - `4..18`. Default `14`.
    * `:salt` - an integer of `0..0xFFFFFFFF`. Default `0`.

  ## Examples

      iex> Offheap.HyperLogLog.count(Offheap.HyperLogLog.new(precision: 10))
      0
  """
  @spec new(precision: 4..18, salt: 0..0xFFFFFFFF) :: t()
  def new(opts \\ []), do: :offheap_hyperloglog.new(opts)

  @doc """
  Adds a key. Returns whether that changed the sketch: `false` for a key that was added before, and
  for most new ones as well.

  Constant time, but for the hash of the key. Keys beyond about 32 KiB are hashed on a dirty
  scheduler.

      iex> sketch = Offheap.HyperLogLog.new()
      iex> {Offheap.HyperLogLog.add(sketch, "key"), Offheap.HyperLogLog.add(sketch, "key")}
      {true, false}
  """
  @spec add(t(), term()) :: boolean()
  defdelegate add(sketch, key), to: :offheap_nif, as: :hyperloglog_add

  @doc """
  The estimated number of different keys. Up to half a millisecond with the largest precision.

      iex> sketch = Offheap.HyperLogLog.new()
      iex> Offheap.HyperLogLog.add(sketch, "key")
      iex> Offheap.HyperLogLog.count(sketch)
      1
  """
  @spec count(t()) :: non_neg_integer()
  defdelegate count(sketch), to: :offheap_hyperloglog

  @doc """
  Makes `sketch` count all that was added to `other`, too.

  Both must have the same precision and salt. Up to half a millisecond with the largest precision.

      iex> [a, b] = for _ <- 1..2, do: Offheap.HyperLogLog.new()
      iex> Offheap.HyperLogLog.add(a, 1)
      iex> Offheap.HyperLogLog.add(b, 2)
      iex> Offheap.HyperLogLog.merge(a, b)
      :ok
      iex> Offheap.HyperLogLog.count(a)
      2
  """
  @spec merge(t(), t()) :: :ok
  defdelegate merge(sketch, other), to: :offheap_nif, as: :hyperloglog_merge

  @doc """
  The sketch as a binary that `from_binary/1` takes, on any node: a header and a byte for each
  register. Raises `SystemLimitError` if memory is out.

      iex> sketch = Offheap.HyperLogLog.new()
      iex> Offheap.HyperLogLog.add(sketch, "key")
      iex> copy = Offheap.HyperLogLog.from_binary(Offheap.HyperLogLog.to_binary(sketch))
      iex> Offheap.HyperLogLog.count(copy)
      1
  """
  @spec to_binary(t()) :: binary()
  defdelegate to_binary(sketch), to: :offheap_hyperloglog

  @doc """
  Makes a sketch of what `to_binary/1` gave. Raises `ArgumentError` for anything else.

      iex> Offheap.HyperLogLog.from_binary("no sketch")
      ** (ArgumentError) argument error
  """
  @spec from_binary(binary()) :: t()
  defdelegate from_binary(binary), to: :offheap_hyperloglog

  @doc """
  The precision, the salt, the memory in bytes.

      iex> Offheap.HyperLogLog.info(Offheap.HyperLogLog.new()).precision
      14
  """
  @spec info(t()) :: %{precision: 4..18, salt: 0..0xFFFFFFFF, memory: pos_integer()}
  defdelegate info(sketch), to: :offheap_hyperloglog
end
