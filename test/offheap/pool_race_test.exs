defmodule Offheap.PoolRaceTest do
  @moduledoc """
  Two processes do two things to one lease at once, for every pair of things there are, many times. What
  they get and what is left must be what some order of the two gives in the model below, or `busy` for
  one of them where the two exclude each other.
  """
  use ExUnit.Case, async: true

  import Offheap.Memory, only: [collect_until: 1]

  alias Offheap.{Buffer, Pool}

  # With the longer content, splits and freezes are not copied.
  @lengths [40, 300_000]
  @rounds 8

  @calls [
    :write,
    :append,
    :resize,
    :read,
    :freeze,
    :split_to,
    :slice,
    :give_away,
    :release,
    :death,
    :sweep,
    :drop,
    :lease,
    :trim,
    :close
  ]

  # What one gets {:error, :busy} from, while another is inside: oh_buffer.h.
  @excluded %{
    read: [:split_to],
    write: [:split_to],
    give_away: [:split_to],
    slice: [:split_to],
    append: [:split_to, :append, :resize],
    resize: [:split_to, :append, :resize],
    freeze: [:split_to, :read, :write, :append, :resize, :slice, :give_away, :freeze],
    split_to: [:split_to, :read, :write, :append, :resize, :slice, :give_away, :freeze]
  }

  setup do
    test = self()
    racers = for _ <- 1..2, do: spawn_link(fn -> race(test) end)
    %{racers: racers, barrier: :atomics.new(1, [])}
  end

  for length <- @lengths, state <- [:writable, :frozen] do
    test "two at once on #{length} bytes, #{state}", context do
      for {a, i} <- Enum.with_index(@calls), b <- Enum.drop(@calls, i), _ <- 1..@rounds do
        round(a, b, unquote(state), unquote(length), context)
      end
    end
  end

  # --- A round ---

  defp round(a, b, state, length, %{racers: racers, barrier: barrier}) do
    pool = Pool.new()
    Buffer.with_lease(pool, length * 2, fn _ -> :ok end)
    bytes = :binary.copy(<<1, 2, 3, 4>>, div(length, 4))
    owner = spawn(&own/0)
    send(owner, {:lease, pool, bytes, self()})

    buffer =
      receive do
        {:leased, buffer} -> buffer
      end

    shown = if state == :frozen, do: [{Buffer.freeze(buffer), bytes}], else: []
    context = %{pool: pool, buffer: buffer, owner: owner, length: length, test: self()}
    :atomics.put(barrier, 1, 0)

    for {racer, call} <- Enum.zip(racers, [a, b]),
        do: send(racer, {:go, call, context, barrier})

    [got_a, got_b] =
      for racer <- racers do
        receive do
          {:got, ^racer, result} -> result
        end
      end

    model = %{state: state, bytes: bytes, owner: :owner, alive: true, closed: false}
    left = look(buffer, pool)
    got = {got_a, got_b, left}
    allowed = allowed(a, b, model, length)

    unless got in allowed do
      flunk("#{a} and #{b} on a #{state} one: #{brief(got)}, allowed: #{brief(allowed)}")
    end

    settle(pool, context, shown ++ binaries([{a, got_a}, {b, got_b}]))
  end

  # Everything ends; the pool has its bytes again; no binary has changed, though the block is used.
  defp settle(pool, %{buffer: buffer, owner: owner, length: length}, shown) do
    Process.exit(owner, :kill)
    Buffer.release(buffer)
    collect_until(fn -> Pool.info(pool).leased == 0 end)

    unless Pool.info(pool).closed do
      for _ <- 1..3, do: Buffer.with_lease(pool, 0, :binary.copy(<<0xEE>>, length), & &1)
    end

    for {binary, copy} <- shown, do: assert(binary == copy)
    %{bytes: bytes, cached_bytes: cached, frozen_bytes: frozen} = Pool.info(pool)
    assert cached + frozen == bytes
  end

  defp binaries(results) do
    for {_, binary} when is_binary(binary) <- results, do: {binary, :binary.copy(binary)}
  end

  # --- The processes ---

  defp race(test) do
    receive do
      {:go, call, context, barrier} ->
        :atomics.add(barrier, 1, 1)
        meet(barrier)
        send(test, {:got, self(), outcome(call, context)})
        # Terms of this round must not keep its lease.
        :erlang.garbage_collect()
        race(test)
    end
  end

  defp meet(barrier), do: if(:atomics.get(barrier, 1) < 2, do: meet(barrier))

  defp own do
    receive do
      {:lease, pool, bytes, from} ->
        {:ok, buffer} = Buffer.lease(pool, byte_size(bytes) * 2, bytes)
        send(from, {:leased, buffer})
        own()

      {:give_away, buffer, to, from, ref} ->
        send(from, {ref, outcome(fn -> Buffer.give_away(buffer, to) end)})
        own()
    end
  end

  defp outcome(:give_away, %{owner: owner, buffer: buffer, test: test}) do
    ref = Process.monitor(owner)
    send(owner, {:give_away, buffer, test, self(), ref})

    receive do
      {:DOWN, ^ref, _, _, _} ->
        :dead

      {^ref, result} ->
        Process.demonitor(ref, [:flush])
        result
    end
  end

  defp outcome(:death, %{owner: owner}) do
    ref = Process.monitor(owner)
    Process.exit(owner, :kill)
    receive(do: ({:DOWN, ^ref, _, _, _} -> :ok))
  end

  defp outcome(call, context), do: outcome(fn -> call(call, context) end)

  defp outcome(fun) do
    fun.()
  rescue
    ArgumentError -> :badarg
  end

  defp call(:write, %{buffer: buffer}), do: Buffer.write(buffer, 0, "ww")
  defp call(:append, %{buffer: buffer}), do: Buffer.append(buffer, "aa")
  defp call(:resize, %{buffer: buffer}), do: Buffer.resize(buffer, 8)
  defp call(:read, %{buffer: buffer}), do: Buffer.read(buffer)
  defp call(:freeze, %{buffer: buffer}), do: Buffer.freeze(buffer)
  defp call(:split_to, %{buffer: b, length: length}), do: Buffer.split_to(b, split(length))
  defp call(:slice, %{buffer: buffer}), do: Buffer.slice(buffer, 0, 2)
  defp call(:release, %{buffer: buffer}), do: Buffer.release(buffer)
  defp call(:sweep, %{pool: pool}), do: Pool.sweep(pool)
  defp call(:trim, %{pool: pool}), do: Pool.trim(pool) && :ok
  defp call(:close, %{pool: pool}), do: Pool.close(pool)

  # A term is forgotten, which others have too.
  defp call(:drop, _), do: :erlang.garbage_collect() && :ok

  # Another lease never sees this one's bytes.
  defp call(:lease, %{pool: pool, length: length}) do
    Buffer.with_lease(pool, length * 2, "new", fn buffer ->
      "new" = Buffer.read(buffer)
      :ok
    end)
  end

  defp split(length), do: div(length, 10) * 4

  defp look(buffer, pool) do
    closed = Pool.info(pool).closed

    case Buffer.info(buffer) do
      %{state: :released} -> {:over, closed}
      %{state: state} -> {state, Buffer.read(buffer), closed}
    end
  end

  # --- The model ---

  defp allowed(a, b, model, length) do
    a_first =
      for {got_a, model} <- model(a, model, length), {got_b, model} <- model(b, model, length) do
        {got_a, got_b, left(model)}
      end

    b_first =
      for {got_b, model} <- model(b, model, length), {got_a, model} <- model(a, model, length) do
        {got_a, got_b, left(model)}
      end

    a_busy =
      if b in Map.get(@excluded, a, []) do
        for {got_b, model} <- model(b, model, length), do: {{:error, :busy}, got_b, left(model)}
      end

    b_busy =
      if a in Map.get(@excluded, b, []) do
        for {got_a, model} <- model(a, model, length), do: {got_a, {:error, :busy}, left(model)}
      end

    Enum.uniq(a_first ++ b_first ++ (a_busy || []) ++ (b_busy || []))
  end

  defp left(model) do
    if over?(model), do: {:over, model.closed}, else: {model.state, model.bytes, model.closed}
  end

  # The lease of a dead owner is over.
  defp over?(%{state: :released}), do: true
  defp over?(%{owner: :owner, alive: false}), do: true
  defp over?(_), do: false

  # [{result, model after}]: more than one where the model cannot know.
  defp model(:death, model, _), do: [{:ok, %{model | alive: false}}]
  defp model(:drop, model, _), do: [{:ok, model}]
  defp model(:trim, model, _), do: [{:ok, model}]
  defp model(:close, model, _), do: [{:ok, %{model | closed: true}}]
  defp model(:lease, %{closed: true} = model, _), do: [{:badarg, model}]
  defp model(:lease, model, _), do: [{:ok, model}]

  # A use may have ended the dead owner's lease before. A process that is found dead may die a little
  # later for those who wait for its end.
  defp model(:sweep, %{owner: :owner, alive: false} = model, _),
    do: [{0, model}, {1, %{model | state: :released}}]

  defp model(:sweep, model, _), do: [{0, model}]

  # Who dies may have given it away before.
  defp model(:give_away, %{alive: false} = model, _),
    do: [{:dead, model}, {:dead, %{model | owner: :other}}]

  defp model(call, model, length) do
    if over?(model), do: [{over(call), model}], else: [live(call, model, length)]
  end

  defp over(:release), do: {:error, :released}
  defp over(_), do: :badarg

  defp live(:release, model, _), do: {:ok, %{model | state: :released}}
  defp live(:give_away, %{owner: :other} = model, _), do: {:badarg, model}
  defp live(:give_away, model, _), do: {:ok, %{model | owner: :other}}
  defp live(:read, model, _), do: {model.bytes, model}
  defp live(:freeze, model, _), do: {model.bytes, %{model | state: :frozen}}
  defp live(:slice, %{state: :frozen} = model, _), do: {binary_part(model.bytes, 0, 2), model}
  defp live(:slice, model, _), do: {:badarg, model}
  defp live(_, %{state: :frozen} = model, _), do: {{:error, :frozen}, model}
  defp live(:resize, model, _), do: {:ok, %{model | bytes: binary_part(model.bytes, 0, 8)}}
  defp live(:append, model, _), do: {:ok, %{model | bytes: model.bytes <> "aa"}}

  defp live(:write, %{bytes: <<_, _, rest::binary>>} = model, _),
    do: {:ok, %{model | bytes: "ww" <> rest}}

  defp live(:split_to, model, length) do
    size = split(length)

    case model.bytes do
      <<front::binary-size(size), rest::binary>> -> {front, %{model | bytes: rest}}
      _ -> {:badarg, model}
    end
  end

  defp brief(term), do: inspect(term, limit: 12, printable_limit: 40, binaries: :as_strings)
end
