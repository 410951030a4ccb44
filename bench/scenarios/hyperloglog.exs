# Offheap.HyperLogLog, precision 14, against the same written over :atomics and :erlang.phash2: two hashes
# of 32 bits, a register to a word, a look and a compare-and-swap loop that raises it.
defmodule Offheap.Bench.Scenarios.HyperLogLog do
  use Offheap.Bench
  alias Offheap.HyperLogLog

  @registers 16_384

  defmodule Otp do
    import Bitwise

    def add(ref, key) do
      index = :erlang.phash2(key, 1 <<< 14) + 1
      rank = rank(:erlang.phash2([key], 1 <<< 32), 1)
      max(ref, index, rank, :atomics.get(ref, index))
    end

    defp rank(0, _count), do: 33
    defp rank(rest, count) when (rest &&& 1) == 1, do: count
    defp rank(rest, count), do: rank(rest >>> 1, count + 1)

    defp max(_ref, _index, rank, old) when old >= rank, do: false

    defp max(ref, index, rank, old) do
      case :atomics.compare_exchange(ref, index, old, rank) do
        :ok -> true
        now -> max(ref, index, rank, now)
      end
    end

    # The raw estimate of Flajolet et al., without corrections.
    def count(ref, registers), do: count(ref, registers, registers, 0.0)

    defp count(_ref, registers, 0, sum),
      do: 0.7213 / (1 + 1.079 / registers) * registers * registers / sum

    defp count(ref, registers, i, sum),
      do: count(ref, registers, i - 1, sum + 1 / (1 <<< :atomics.get(ref, i)))

    def merge(_ref, _other, 0), do: :ok

    def merge(ref, other, i) do
      max(ref, i, :atomics.get(other, i), :atomics.get(ref, i))
      merge(ref, other, i - 1)
    end
  end

  defloop(add(sketch, i), do: HyperLogLog.add(sketch, i))
  defloop(otp_add(ref, i), do: Otp.add(ref, i))

  defloop(add_tuple(sketch, i), do: HyperLogLog.add(sketch, {:user, i}))
  defloop(otp_add_tuple(ref, i), do: Otp.add(ref, {:user, i}))

  defloop(add_binary(sketch, i), do: HyperLogLog.add(sketch, <<i::128>>))
  defloop(otp_add_binary(ref, i), do: Otp.add(ref, <<i::128>>))

  defloop(count(sketch, _i), do: HyperLogLog.count(sketch))
  defloop(otp_count(ref, _i), do: Otp.count(ref, @registers))

  defloop(merge({sketch, other}, _i), do: HyperLogLog.merge(sketch, other))
  defloop(otp_merge({ref, other}, _i), do: Otp.merge(ref, other, @registers))

  def filled do
    sketch = HyperLogLog.new()
    ref = :atomics.new(@registers, [])

    for i <- 1..1_000_000 do
      HyperLogLog.add(sketch, i)
      Otp.add(ref, i)
    end

    {sketch, ref}
  end

  def two_filled do
    {sketch, ref} = filled()
    {sketch2, ref2} = filled()
    {{sketch, sketch2}, {ref, ref2}}
  end

  def scenarios do
    m = __MODULE__

    rows = [
      {"add an integer", &m.add/2, &m.otp_add/2, &m.filled/0},
      {"add a tuple", &m.add_tuple/2, &m.otp_add_tuple/2, &m.filled/0},
      {"add a binary of 16 bytes", &m.add_binary/2, &m.otp_add_binary/2, &m.filled/0},
      {"count", &m.count/2, &m.otp_count/2, &m.filled/0},
      {"merge, no change", &m.merge/2, &m.otp_merge/2, &m.two_filled/0}
    ]

    for {name, ours, theirs, setup} <- rows do
      %{
        component: "hyperloglog",
        name: name,
        peer: "phash2 and :atomics",
        parallel: if(name == "add an integer", do: :all, else: 1),
        quick: name == "add an integer",
        ours: ours,
        theirs: theirs,
        setup: setup
      }
    end
  end
end

Offheap.Bench.Scenarios.HyperLogLog.scenarios()
