# Offheap.IdGenerator against the same generator by hand, on one cell of :atomics, and against a NIF that
# only fetches its resource. Twenty bits of sequence, which no loop here uses up within a millisecond,
# and two of node: ids below 2^59, as those of the default layout are.
defmodule Offheap.Bench.Scenarios.IdGenerator do
  use Offheap.Bench
  import Bitwise
  alias Offheap.{Counter, IdGenerator}

  @epoch_ms 1_704_067_200_000
  @node 3
  @node_bits 2
  @sequence_bits 20
  @now_ms 1_800_000_000_000

  defloop(next(gen, _i), do: IdGenerator.next(gen))
  defloop(otp_next(ref, _i), do: otp_take(ref, 1))

  defloop(next_at(gen, _i), do: IdGenerator.next(gen, @now_ms))

  defloop(next_n(gen, _i), do: IdGenerator.next_n(gen, 100))
  defloop(otp_next_n(ref, _i), do: otp_list(otp_take(ref, 100), 100))

  defloop(unique(_state, _i), do: :erlang.unique_integer([:monotonic, :positive]))
  defloop(size(ref, _i), do: Counter.size(ref))

  # The first of count ids. The cell holds the first slot not given out.
  defp otp_take(ref, count) do
    now = (System.os_time(:millisecond) - @epoch_ms) <<< @sequence_bits
    otp_take(ref, count, now, :atomics.get(ref, 1))
  end

  defp otp_take(ref, count, now, next) do
    first = max(now, next)

    case :atomics.compare_exchange(ref, 1, next, first + count) do
      :ok -> otp_id(first)
      changed -> otp_take(ref, count, now, changed)
    end
  end

  defp otp_id(slot) do
    ms = slot >>> @sequence_bits
    sequence = slot &&& (1 <<< @sequence_bits) - 1
    ms <<< (@node_bits + @sequence_bits) ||| @node <<< @sequence_bits ||| sequence
  end

  defp otp_list(_id, 0), do: []
  defp otp_list(id, count), do: [id | otp_list(id + 1, count - 1)]

  def scenarios do
    by_hand = "by hand on :atomics"

    rows = [
      {"next", by_hand, :all, &__MODULE__.next/2, &__MODULE__.otp_next/2},
      {"next_n, 100 ids", by_hand, 1, &__MODULE__.next_n/2, &__MODULE__.otp_next_n/2},
      {"next", ":erlang.unique_integer, no time, no node", 1, &__MODULE__.next/2,
       &__MODULE__.unique/2}
    ]

    floor = [
      {"next", &__MODULE__.next/2},
      {"next at a given time", &__MODULE__.next_at/2}
    ]

    for {name, peer, parallel, ours, theirs} <- rows do
      %{
        component: "id_generator",
        name: name,
        peer: peer,
        parallel: parallel,
        quick: parallel == :all,
        ours: ours,
        theirs: theirs,
        setup: fn -> {generator(), :atomics.new(1, [])} end
      }
    end ++
      for {name, ours} <- floor do
        %{
          component: "id_generator",
          name: name,
          peer: "a NIF that only fetches its resource",
          floor: true,
          ours: ours,
          theirs: &__MODULE__.size/2,
          setup: fn -> {generator(), Counter.new(1)} end
        }
      end
  end

  # A day to borrow: at a given time, what a loop takes is all of one millisecond.
  defp generator do
    IdGenerator.new(@node,
      node_bits: @node_bits,
      sequence_bits: @sequence_bits,
      exhaustion: {:borrow, 86_400_000}
    )
  end
end

Offheap.Bench.Scenarios.IdGenerator.scenarios()
