# Offheap.Bitset against the same written over :atomics: a look and a compare-and-swap loop for what
# changes a bit, a scan from the first word on for a claim. Words of 32 bits, which is faster than 64:
# from 2^59 on each value read is a bignum. The floor is a NIF that fetches
# its resource and returns a number it holds.
defmodule Offheap.Bench.Scenarios.Bitset do
  use Offheap.Bench
  import Bitwise
  alias Offheap.Bitset

  @size 1_000_000
  @words div(@size + 31, 32)
  @full 0xFFFFFFFF

  # --- What OTP's user would write ---

  defmodule Otp do
    import Bitwise

    @full 0xFFFFFFFF

    def test(ref, i), do: (:atomics.get(ref, (i >>> 5) + 1) >>> (i &&& 31) &&& 1) == 1

    def set(ref, i) do
      word = (i >>> 5) + 1
      set(ref, word, 1 <<< (i &&& 31), :atomics.get(ref, word))
    end

    defp set(_ref, _word, mask, old) when (old &&& mask) != 0, do: true

    defp set(ref, word, mask, old) do
      case :atomics.compare_exchange(ref, word, old, old ||| mask) do
        :ok -> false
        now -> set(ref, word, mask, now)
      end
    end

    def clear(ref, i) do
      word = (i >>> 5) + 1
      clear(ref, word, 1 <<< (i &&& 31), :atomics.get(ref, word))
    end

    defp clear(_ref, _word, mask, old) when (old &&& mask) == 0, do: false

    defp clear(ref, word, mask, old) do
      case :atomics.compare_exchange(ref, word, old, bxor(old, mask)) do
        :ok -> true
        now -> clear(ref, word, mask, now)
      end
    end

    def flip(ref, i) do
      word = (i >>> 5) + 1
      flip(ref, word, 1 <<< (i &&& 31), :atomics.get(ref, word))
    end

    defp flip(ref, word, mask, old) do
      case :atomics.compare_exchange(ref, word, old, bxor(old, mask)) do
        :ok -> (old &&& mask) != 0
        now -> flip(ref, word, mask, now)
      end
    end

    def claim(ref, words), do: claim(ref, 1, words)

    defp claim(_ref, word, words) when word > words, do: :full

    defp claim(ref, word, words) do
      case :atomics.get(ref, word) do
        @full -> claim(ref, word + 1, words)
        old -> claim(ref, word, words, old, bnot(old) &&& old + 1)
      end
    end

    defp claim(ref, word, words, old, mask) do
      case :atomics.compare_exchange(ref, word, old, old ||| mask) do
        :ok -> (word - 1) * 32 + log2(mask, 0)
        _changed -> claim(ref, word, words)
      end
    end

    defp log2(mask, n) when mask >= 1 <<< 16, do: log2(mask >>> 16, n + 16)
    defp log2(mask, n) when mask >= 1 <<< 8, do: log2(mask >>> 8, n + 8)
    defp log2(mask, n) when mask >= 1 <<< 4, do: log2(mask >>> 4, n + 4)
    defp log2(mask, n) when mask >= 1 <<< 2, do: log2(mask >>> 2, n + 2)
    defp log2(mask, n), do: n + (mask >>> 1)

    def count(_ref, 0, sum), do: sum
    def count(ref, word, sum), do: count(ref, word - 1, sum + ones(:atomics.get(ref, word)))

    defp ones(x) do
      x = x - (x >>> 1 &&& 0x55555555)
      x = (x &&& 0x33333333) + (x >>> 2 &&& 0x33333333)
      x = x + (x >>> 4) &&& 0x0F0F0F0F
      (x * 0x01010101 &&& 0xFFFFFFFF) >>> 24
    end

    def union(_ref, _other, 0), do: :ok

    def union(ref, other, word) do
      or_word(ref, word, :atomics.get(other, word), :atomics.get(ref, word))
      union(ref, other, word - 1)
    end

    defp or_word(_ref, _word, bits, old) when (old ||| bits) == old, do: :ok

    defp or_word(ref, word, bits, old) do
      case :atomics.compare_exchange(ref, word, old, old ||| bits) do
        :ok -> :ok
        now -> or_word(ref, word, bits, now)
      end
    end

    def to_binary(ref, words), do: to_binary(ref, words, [])
    defp to_binary(_ref, 0, tail), do: :erlang.iolist_to_binary(tail)

    defp to_binary(ref, word, tail),
      do: to_binary(ref, word - 1, [<<:atomics.get(ref, word)::32-little>> | tail])
  end

  # --- Loops ---

  defloop(floor(set, _i), do: :offheap_nif.bitset_size(set))

  defloop(test(set, i), do: Bitset.test(set, i &&& 0xFFFF))
  defloop(otp_test(ref, i), do: Otp.test(ref, i &&& 0xFFFF))

  defloop(set(set, i), do: Bitset.set(set, i &&& 0xFFFF))
  defloop(otp_set(ref, i), do: Otp.set(ref, i &&& 0xFFFF))

  defloop(clear(set, i), do: Bitset.clear(set, i &&& 0xFFFF))
  defloop(otp_clear(ref, i), do: Otp.clear(ref, i &&& 0xFFFF))

  defloop(flip(set, i), do: Bitset.flip(set, i &&& 0xFFFF))
  defloop(otp_flip(ref, i), do: Otp.flip(ref, i &&& 0xFFFF))

  defloop(set_clear(set, i)) do
    Bitset.set(set, i &&& 0xFFFF)
    Bitset.clear(set, i &&& 0xFFFF)
  end

  defloop(otp_set_clear(ref, i)) do
    Otp.set(ref, i &&& 0xFFFF)
    Otp.clear(ref, i &&& 0xFFFF)
  end

  defloop(floor_twice(set, _i)) do
    :offheap_nif.bitset_size(set)
    :offheap_nif.bitset_size(set)
  end

  defloop(claim_release(set, _i), do: Bitset.release(set, Bitset.claim(set)))
  defloop(otp_claim_release(ref, _i), do: Otp.clear(ref, Otp.claim(ref, @words)))

  defloop(claim_full(set, _i), do: Bitset.claim(set))
  defloop(otp_claim_full(ref, _i), do: Otp.claim(ref, @words))

  defloop(count(set, _i), do: Bitset.count(set))
  defloop(otp_count(ref, _i), do: Otp.count(ref, @words, 0))

  defloop(union({set, other}, _i), do: Bitset.union(set, other))
  defloop(otp_union({ref, other}, _i), do: Otp.union(ref, other, @words))

  defloop(to_binary(set, _i), do: Bitset.to_binary(set))
  defloop(otp_to_binary(ref, _i), do: Otp.to_binary(ref, @words))

  # --- States ---

  def empty, do: {Bitset.new(@size), :atomics.new(@words, [])}

  def twice(fun) do
    {set, ref} = fun.()
    {set2, ref2} = fun.()
    {{set, set2}, {ref, ref2}}
  end

  # A random half of the bits.
  def half do
    :rand.seed(:exsss, 1)
    words = for _ <- 1..@words, do: :rand.uniform(1 <<< 32) - 1
    ref = :atomics.new(@words, [])
    for {word, i} <- Enum.with_index(words, 1), do: :atomics.put(ref, i, word)
    binary = for word <- words, into: <<>>, do: <<word::32-little>>
    {Bitset.from_binary(binary, @size), ref}
  end

  # All taken, but for some slots at the end.
  def but_last(clear) do
    {set, ref} = empty()
    for i <- 0..(@size - 1 - clear)//1, do: Bitset.set(set, i)
    for i <- 1..@words, do: :atomics.put(ref, i, @full)
    for i <- (@size - clear)..(@size - 1)//1, do: Otp.clear(ref, i)
    {set, ref}
  end

  def floors do
    set = Bitset.new(@size)
    {set, set}
  end

  def scenarios do
    m = __MODULE__
    otp = ":atomics"
    empty = &m.empty/0
    floor = "NIF that fetches its resource"

    rows = [
      {"test", otp, &m.test/2, &m.otp_test/2, empty},
      {"set", otp, &m.set/2, &m.otp_set/2, empty},
      {"clear", otp, &m.clear/2, &m.otp_clear/2, empty},
      {"flip", otp, &m.flip/2, &m.otp_flip/2, empty},
      {"set, clear", otp, &m.set_clear/2, &m.otp_set_clear/2, empty},
      {"claim, release", otp, &m.claim_release/2, &m.otp_claim_release/2, empty},
      {"claim, release, 1 slot of 1,000,000 clear", otp, &m.claim_release/2,
       &m.otp_claim_release/2, fn -> m.but_last(1) end},
      {"claim, 1,000,000 slots full", otp, &m.claim_full/2, &m.otp_claim_full/2,
       fn -> m.but_last(0) end},
      {"count of 1,000,000", otp, &m.count/2, &m.otp_count/2, &m.half/0},
      {"union of 1,000,000, no change", otp, &m.union/2, &m.otp_union/2,
       fn -> m.twice(&m.half/0) end},
      {"to_binary of 1,000,000", otp, &m.to_binary/2, &m.otp_to_binary/2, &m.half/0},
      {"test", floor, &m.test/2, &m.floor/2, &m.floors/0},
      {"set", floor, &m.set/2, &m.floor/2, &m.floors/0},
      {"clear", floor, &m.clear/2, &m.floor/2, &m.floors/0},
      {"flip", floor, &m.flip/2, &m.floor/2, &m.floors/0},
      {"set, clear", floor <> ", twice", &m.set_clear/2, &m.floor_twice/2, &m.floors/0},
      {"claim, release", floor <> ", twice", &m.claim_release/2, &m.floor_twice/2, &m.floors/0}
    ]

    for {name, peer, ours, theirs, setup} <- rows do
      %{
        component: "bitset",
        name: name,
        peer: peer,
        parallel: if(peer == otp and name in ["set, clear", "claim, release"], do: :all, else: 1),
        quick: peer == otp and name in ["test", "claim, release", "count of 1,000,000"],
        floor: peer != otp,
        ours: ours,
        theirs: theirs,
        setup: setup
      }
    end
  end
end

Offheap.Bench.Scenarios.Bitset.scenarios()
