defmodule Offheap.IdGeneratorPropertyTest do
  @moduledoc "Generators, by clocks that wander, do what a model in Elixir does."
  use ExUnit.Case, async: true

  # A soak run (PROPER_TESTS) takes as long as it takes.
  @moduletag timeout: if(System.get_env("PROPER_TESTS"), do: :infinity, else: 600_000)

  import Bitwise
  import Offheap.Property
  import :proper_types, only: [oneof: 1, weighted_union: 1, integer: 2, list: 1]

  alias Offheap.IdGenerator

  @epoch_ms 1000

  test "any sequence of calls is what the model says" do
    check(
      forall({layout(), list(command())}, fn {layout, commands} ->
        gen = generator(layout)

        Enum.reduce(commands, {model(layout), @epoch_ms}, fn {step, n}, {model, now} ->
          now = max(now + step, 0)
          n = min(n, batch_max(layout))
          {expected, model} = take(model, n, now)

          answer =
            if n == 1, do: IdGenerator.next(gen, now), else: IdGenerator.next_n(gen, n, now)

          if answer != expected, do: raise("#{inspect(answer)}, not #{inspect(expected)}")
          {model, now}
        end)
      end),
      tests: 1000
    )
  end

  test "a refused call succeeds when it has waited, and not before" do
    check(
      forall({layout(), list(command())}, fn {layout, commands} ->
        gen = generator(layout)

        Enum.reduce(commands, @epoch_ms, fn {step, n}, now ->
          now = max(now + step, 0)
          n = min(n, batch_max(layout))

          with {:error, {:exhausted, wait_ms}} <- IdGenerator.next_n(gen, n, now) do
            if wait_ms > 1 do
              {:error, {:exhausted, 1}} = IdGenerator.next_n(gen, n, now + wait_ms - 1)
            end

            ^n = length(IdGenerator.next_n(gen, n, now + wait_ms))
          end

          now
        end)
      end),
      tests: 500
    )
  end

  test "decode undoes what an id is made of" do
    check(
      forall({layout(), integer(0, 1_000_000_000)}, fn {layout, ms} ->
        id = IdGenerator.next(generator(layout), @epoch_ms + ms)
        {node, options} = options(layout)

        IdGenerator.decode(options, id) ==
          %{timestamp_ms: @epoch_ms + ms, node: node, sequence: 0}
      end)
    )
  end

  # The model: the last id's millisecond and sequence number, as the text of the module has it.

  defp model({node_bits, sequence_bits, ahead_ms}) do
    %{
      node_bits: node_bits,
      node: (1 <<< node_bits) - 1,
      all: 1 <<< sequence_bits,
      sequence_bits: sequence_bits,
      ahead_ms: ahead_ms,
      last: {-1, (1 <<< sequence_bits) - 1}
    }
  end

  defp take(model, n, now_ms) do
    now = now_ms - @epoch_ms

    case candidates(model, n, now) do
      {:ok, slots} ->
        ids = for {ms, sequence} <- slots, do: id(model, ms, sequence)
        {if(n == 1, do: hd(ids), else: ids), %{model | last: List.last(slots)}}

      :refused ->
        wait_ms = Enum.find(Stream.iterate(1, &(&1 + 1)), &free?(model, n, now + &1))
        {{:error, {:exhausted, wait_ms}}, model}
    end
  end

  defp free?(model, n, now), do: candidates(model, n, now) != :refused

  # The n slots that follow the last one, or that begin with the clock's millisecond.
  defp candidates(%{last: {last_ms, _}} = model, n, now) do
    {ms, sequence} = start = max(following(model, model.last), {max(now, 0), 0})
    {end_ms, _} = advance(model, start, n - 1)

    if end_ms <= max(now + model.ahead_ms, last_ms) do
      {:ok, for(i <- 0..(n - 1), do: advance(model, {ms, sequence}, i))}
    else
      :refused
    end
  end

  defp following(model, slot), do: advance(model, slot, 1)

  defp advance(%{all: all}, {ms, sequence}, by) do
    {ms + div(sequence + by, all), rem(sequence + by, all)}
  end

  defp id(model, ms, sequence) do
    ms * (1 <<< (model.node_bits + model.sequence_bits)) + model.node * model.all + sequence
  end

  defp generator(layout) do
    {node, options} = options(layout)
    IdGenerator.new(node, options)
  end

  defp options({node_bits, sequence_bits, ahead_ms}) do
    {(1 <<< node_bits) - 1,
     [
       epoch_ms: @epoch_ms,
       node_bits: node_bits,
       sequence_bits: sequence_bits,
       exhaustion: {:borrow, ahead_ms}
     ]}
  end

  defp batch_max({_node_bits, sequence_bits, ahead_ms}), do: (1 + ahead_ms) <<< sequence_bits

  # Few sequence numbers, so that they are used up.
  defp layout, do: {integer(0, 10), integer(1, 4), oneof([0, 0, 1, 2, 7])}

  # By how much the clock moves, and how many ids are asked for.
  defp command do
    {weighted_union([{6, 0}, {6, integer(-2, 3)}, {1, integer(-2000, 2000)}]),
     weighted_union([{3, 1}, {3, integer(1, 20)}])}
  end
end
