# Offheap.BloomFilter against the same written over :atomics and :erlang.phash2: two hashes of 32 bits,
# double hashing, a look and a compare-and-swap for each bit that is not set, words of 32 bits so that no
# value is a bignum. A million keys at a rate of
# 0.01: 9.6 million bits, 7 of them a key.
defmodule Offheap.Bench.Scenarios.BloomFilter do
  use Offheap.Bench
  alias Offheap.BloomFilter

  @capacity 1_000_000
  @bits 9_585_059
  @hashes 7

  defmodule Otp do
    import Bitwise

    def add(ref, bits, hashes, key) do
      add(ref, bits, :erlang.phash2(key, 1 <<< 32), step(key), hashes, true)
    end

    defp add(_ref, _bits, _hash, _step, 0, there), do: there

    defp add(ref, bits, hash, step, left, there) do
      i = rem(hash, bits)
      word = (i >>> 5) + 1
      mask = 1 <<< (i &&& 31)
      there = set(ref, word, mask, :atomics.get(ref, word)) and there
      add(ref, bits, hash + step, step, left - 1, there)
    end

    defp set(_ref, _word, mask, old) when (old &&& mask) != 0, do: true

    defp set(ref, word, mask, old) do
      case :atomics.compare_exchange(ref, word, old, old ||| mask) do
        :ok -> false
        now -> set(ref, word, mask, now)
      end
    end

    def member(ref, bits, hashes, key) do
      member(ref, bits, :erlang.phash2(key, 1 <<< 32), step(key), hashes)
    end

    defp member(_ref, _bits, _hash, _step, 0), do: true

    defp member(ref, bits, hash, step, left) do
      i = rem(hash, bits)

      (:atomics.get(ref, (i >>> 5) + 1) >>> (i &&& 31) &&& 1) == 1 and
        member(ref, bits, hash + step, step, left - 1)
    end

    defp step(key), do: :erlang.phash2([key], 1 <<< 32)
  end

  defloop(add(filter, i), do: BloomFilter.add(filter, i))
  defloop(otp_add(ref, i), do: Otp.add(ref, @bits, @hashes, i))

  defloop(add_tuple(filter, i), do: BloomFilter.add(filter, {:user, i}))
  defloop(otp_add_tuple(ref, i), do: Otp.add(ref, @bits, @hashes, {:user, i}))

  defloop(add_binary(filter, i), do: BloomFilter.add(filter, <<i::128>>))
  defloop(otp_add_binary(ref, i), do: Otp.add(ref, @bits, @hashes, <<i::128>>))

  defloop(hit(filter, i), do: BloomFilter.member?(filter, rem(i, @capacity) + 1))
  defloop(otp_hit(ref, i), do: Otp.member(ref, @bits, @hashes, rem(i, @capacity) + 1))

  defloop(miss(filter, i), do: BloomFilter.member?(filter, -i))
  defloop(otp_miss(ref, i), do: Otp.member(ref, @bits, @hashes, -i))

  def empty, do: {BloomFilter.new(@capacity), :atomics.new(div(@bits, 32) + 1, [])}

  def filled do
    {filter, ref} = empty()

    for i <- 1..@capacity do
      BloomFilter.add(filter, i)
      Otp.add(ref, @bits, @hashes, i)
    end

    {filter, ref}
  end

  def scenarios do
    m = __MODULE__

    rows = [
      {"add an integer", &m.add/2, &m.otp_add/2, &m.empty/0},
      {"add a tuple", &m.add_tuple/2, &m.otp_add_tuple/2, &m.empty/0},
      {"add a binary of 16 bytes", &m.add_binary/2, &m.otp_add_binary/2, &m.empty/0},
      {"member, hit", &m.hit/2, &m.otp_hit/2, &m.filled/0},
      {"member, miss", &m.miss/2, &m.otp_miss/2, &m.filled/0}
    ]

    for {name, ours, theirs, setup} <- rows do
      %{
        component: "bloom_filter",
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

Offheap.Bench.Scenarios.BloomFilter.scenarios()
