# Offheap.Atomics against :atomics. Single operations on one cell: the price of a NIF call against a
# BIF's; what OTP has not is held against the loop that its users write. The rows "over the floor"
# hold an operation against size/1, a call that only fetches the array: what any NIF costs. There a
# ratio of 0.74 is 1.35 times the floor.
defmodule Offheap.Bench.Scenarios.Atomics do
  use Offheap.Bench
  import Bitwise
  alias Offheap.Atomics

  # --- One cell: OTP has it too ---

  defloop(add(ref, _i), do: Atomics.add(ref, 1, 1))
  defloop(otp_add(ref, _i), do: :atomics.add(ref, 1, 1))

  defloop(add_get(ref, _i), do: Atomics.add_get(ref, 1, 1))
  defloop(otp_add_get(ref, _i), do: :atomics.add_get(ref, 1, 1))

  defloop(get(ref, _i), do: Atomics.get(ref, 1))
  defloop(otp_get(ref, _i), do: :atomics.get(ref, 1))

  defloop(put(ref, i), do: Atomics.put(ref, 1, i))
  defloop(otp_put(ref, i), do: :atomics.put(ref, 1, i))

  defloop(exchange(ref, i), do: Atomics.exchange(ref, 1, i))
  defloop(otp_exchange(ref, i), do: :atomics.exchange(ref, 1, i))

  defloop(compare_exchange(ref, _i), do: Atomics.compare_exchange(ref, 1, 0, 0))
  defloop(otp_compare_exchange(ref, _i), do: :atomics.compare_exchange(ref, 1, 0, 0))

  # --- One cell: what OTP's users write themselves ---

  defloop(max_same(ref, _i), do: Atomics.max(ref, 1, 5))
  defloop(otp_max_same(ref, _i), do: otp_max(ref, 1, 5))

  # More than what is there: always a new maximum.
  defloop(max_new(ref, i), do: Atomics.max(ref, 1, Atomics.get(ref, 1) + i))
  defloop(otp_max_new(ref, i), do: otp_max(ref, 1, :atomics.get(ref, 1) + i))

  defloop(bor(ref, i), do: Atomics.bor(ref, 1, i))
  defloop(otp_bor(ref, i), do: otp_update(ref, 1, &(&1 ||| i)))

  defloop(saturating_add(ref, _i), do: Atomics.saturating_add(ref, 1, 1))

  defloop(otp_saturating_add(ref, _i),
    do: otp_update(ref, 1, &min(&1 + 1, 9_223_372_036_854_775_807))
  )

  defloop(add_bounded(ref, _i), do: Atomics.add_bounded(ref, 1, 1, 0, 1_000_000_000_000))

  defloop(otp_add_bounded(ref, _i),
    do: otp_bounded(ref, 1, 1, 0, 1_000_000_000_000)
  )

  defloop(float_add(ref, _i), do: Atomics.add(ref, 1, 0.25))
  defloop(otp_float_add(ref, _i), do: otp_add_float(ref, 1, 0.25))

  # --- Several cells ---

  defloop(update_many(ref, i),
    do: Atomics.update_many(ref, [{1, :add, 1}, {2, :max, i}, {3, :min, i}])
  )

  defloop otp_update_many(ref, i) do
    :atomics.add(ref, 1, 1)
    otp_max(ref, 2, i)
    otp_min(ref, 3, i)
  end

  defloop(float_update_many(ref, i),
    do: Atomics.update_many(ref, [{1, :add, 1}, {2, :add, i}, {3, :max, i}])
  )

  defloop otp_float_update_many(ref, i) do
    :atomics.add(ref, 1, 1)
    otp_add_float(ref, 2, i)
    otp_max(ref, 3, i)
  end

  @pairs for i <- 1..100, do: {i * 10, i}
  @floats for i <- 1..100, do: {i * 10, i / 4}
  @indices for i <- 1..100, do: i * 10

  defloop(add_many(ref, _i), do: Atomics.add_many(ref, @pairs))
  defloop(otp_add_many(ref, _i), do: otp_add_pairs(ref, @pairs))

  @increments for i <- 1..100, into: <<>>, do: <<i::native-64>>

  defloop(merge(ref, _i), do: Atomics.merge(ref, 1, @increments))
  defloop(otp_merge(ref, _i), do: otp_add_binary(ref, 1, @increments))

  defloop(float_add_many(ref, _i), do: Atomics.add_many(ref, @floats))
  defloop(otp_float_add_many(ref, _i), do: otp_add_floats(ref, @floats))

  defloop(put_many(ref, _i), do: Atomics.put_many(ref, @pairs))
  defloop(otp_put_many(ref, _i), do: otp_put_pairs(ref, @pairs))

  defloop(get_many(ref, _i), do: Atomics.get_many(ref, @indices))
  defloop(otp_get_many(ref, _i), do: otp_get_indices(ref, @indices))

  defloop(sum(ref, _i), do: Atomics.sum(ref))
  defloop(otp_sum(ref, _i), do: otp_sum_cells(ref, 1000, 0))

  defloop(float_sum(ref, _i), do: Atomics.sum(ref))
  defloop(otp_float_sum(ref, _i), do: otp_sum_floats(ref, 1000, 0.0))

  defloop(maximum(ref, _i), do: Atomics.maximum(ref))
  defloop(otp_maximum(ref, _i), do: otp_max_cells(ref, 1000, :atomics.get(ref, 1)))

  defloop(fill(ref, i), do: Atomics.fill(ref, i))
  defloop(otp_fill(ref, i), do: otp_fill_cells(ref, 1000, i))

  defloop(to_list(ref, _i), do: Atomics.to_list(ref))
  defloop(otp_to_list(ref, _i), do: otp_list_cells(ref, 1000, []))

  defloop(exchange_all(ref, _i), do: Atomics.exchange_all(ref, 0))
  defloop(otp_exchange_all(ref, _i), do: otp_drain_cells(ref, 1000, []))

  defloop(snapshot(ref, _i), do: Atomics.snapshot(ref))
  defloop(otp_snapshot(ref, _i), do: otp_binary(ref, 1, <<>>))

  @binary :binary.copy(<<1::64>>, 1000)

  defloop(load(ref, _i), do: Atomics.load(ref, @binary))
  defloop(otp_load(ref, _i), do: otp_load_binary(ref, 1, @binary))

  defloop(make(_state, _i), do: Atomics.new(100_000))
  defloop(otp_make(_state, _i), do: :atomics.new(100_000, []))

  # --- Neighbouring cells, a process each ---

  def neighbour(ref, n, worker), do: neighbour_loop(n, ref, worker)
  defp neighbour_loop(0, _ref, _cell), do: :ok

  defp neighbour_loop(n, ref, cell) do
    Atomics.add(ref, cell, 1)
    neighbour_loop(n - 1, ref, cell)
  end

  def otp_neighbour(ref, n, worker), do: otp_neighbour_loop(n, ref, worker)
  defp otp_neighbour_loop(0, _ref, _cell), do: :ok

  defp otp_neighbour_loop(n, ref, cell) do
    :atomics.add(ref, cell, 1)
    otp_neighbour_loop(n - 1, ref, cell)
  end

  # --- The floor ---

  defloop(size(ref, _i), do: Atomics.size(ref))

  # --- What OTP's users write ---

  defp otp_max(ref, i, value), do: otp_max(ref, i, value, :atomics.get(ref, i))
  defp otp_max(_ref, _i, value, old) when old >= value, do: :ok

  defp otp_max(ref, i, value, old) do
    case :atomics.compare_exchange(ref, i, old, value) do
      :ok -> :ok
      other -> otp_max(ref, i, value, other)
    end
  end

  defp otp_min(ref, i, value), do: otp_min(ref, i, value, :atomics.get(ref, i))
  defp otp_min(_ref, _i, value, old) when old <= value, do: :ok

  defp otp_min(ref, i, value, old) do
    case :atomics.compare_exchange(ref, i, old, value) do
      :ok -> :ok
      other -> otp_min(ref, i, value, other)
    end
  end

  defp otp_update(ref, i, fun), do: otp_update(ref, i, fun, :atomics.get(ref, i))

  defp otp_update(ref, i, fun, old) do
    case :atomics.compare_exchange(ref, i, old, fun.(old)) do
      :ok -> :ok
      other -> otp_update(ref, i, fun, other)
    end
  end

  defp otp_bounded(ref, i, n, low, high),
    do: otp_bounded(ref, i, n, low, high, :atomics.get(ref, i))

  defp otp_bounded(ref, i, n, low, high, old) do
    new = old + n

    if new >= low and new <= high do
      case :atomics.compare_exchange(ref, i, old, new) do
        :ok -> {:ok, new}
        other -> otp_bounded(ref, i, n, low, high, other)
      end
    else
      {:error, :limit}
    end
  end

  defp otp_add_float(ref, i, value), do: otp_add_float(ref, i, value, :atomics.get(ref, i))

  defp otp_add_float(ref, i, value, old) do
    <<float::float>> = <<old::64>>
    <<new::signed-64>> = <<float + value::float>>

    case :atomics.compare_exchange(ref, i, old, new) do
      :ok -> :ok
      other -> otp_add_float(ref, i, value, other)
    end
  end

  defp otp_add_pairs(_ref, []), do: :ok

  defp otp_add_pairs(ref, [{i, n} | rest]) do
    :atomics.add(ref, i, n)
    otp_add_pairs(ref, rest)
  end

  defp otp_add_binary(_ref, _i, <<>>), do: :ok

  defp otp_add_binary(ref, i, <<n::signed-native-64, rest::binary>>) do
    :atomics.add(ref, i, n)
    otp_add_binary(ref, i + 1, rest)
  end

  defp otp_put_pairs(_ref, []), do: :ok

  defp otp_put_pairs(ref, [{i, n} | rest]) do
    :atomics.put(ref, i, n)
    otp_put_pairs(ref, rest)
  end

  defp otp_add_floats(_ref, []), do: :ok

  defp otp_add_floats(ref, [{i, n} | rest]) do
    otp_add_float(ref, i, n)
    otp_add_floats(ref, rest)
  end

  defp otp_get_indices(_ref, []), do: []
  defp otp_get_indices(ref, [i | rest]), do: [:atomics.get(ref, i) | otp_get_indices(ref, rest)]

  defp otp_sum_cells(_ref, 0, sum), do: sum
  defp otp_sum_cells(ref, i, sum), do: otp_sum_cells(ref, i - 1, sum + :atomics.get(ref, i))

  defp otp_sum_floats(_ref, 0, sum), do: sum

  defp otp_sum_floats(ref, i, sum) do
    <<float::float>> = <<:atomics.get(ref, i)::64>>
    otp_sum_floats(ref, i - 1, sum + float)
  end

  defp otp_max_cells(_ref, 0, max), do: max
  defp otp_max_cells(ref, i, max), do: otp_max_cells(ref, i - 1, max(max, :atomics.get(ref, i)))

  defp otp_fill_cells(_ref, 0, _value), do: :ok

  defp otp_fill_cells(ref, i, value) do
    :atomics.put(ref, i, value)
    otp_fill_cells(ref, i - 1, value)
  end

  defp otp_list_cells(_ref, 0, list), do: list
  defp otp_list_cells(ref, i, list), do: otp_list_cells(ref, i - 1, [:atomics.get(ref, i) | list])

  defp otp_drain_cells(_ref, 0, list), do: list

  defp otp_drain_cells(ref, i, list),
    do: otp_drain_cells(ref, i - 1, [:atomics.exchange(ref, i, 0) | list])

  defp otp_binary(_ref, 1001, binary), do: binary

  defp otp_binary(ref, i, binary),
    do: otp_binary(ref, i + 1, <<binary::binary, :atomics.get(ref, i)::native-64>>)

  defp otp_load_binary(_ref, _i, <<>>), do: :ok

  defp otp_load_binary(ref, i, <<value::signed-native-64, rest::binary>>) do
    :atomics.put(ref, i, value)
    otp_load_binary(ref, i + 1, rest)
  end

  # --- The list ---

  defp integers, do: {Atomics.new(1000), :atomics.new(1000, [])}
  defp floats, do: {Atomics.new(1000, type: :float), :atomics.new(1000, [])}
  defp same, do: with(ref = Atomics.new(1000), do: {ref, ref})

  # Of several processes each has a cell of its own: ours are a cache line apart, OTP's are side by side.
  defp padded do
    most = Enum.max(parallels())
    {Atomics.new(most, layout: :padded), :atomics.new(most, [])}
  end

  defp one do
    [
      {"add", ":atomics.add", &__MODULE__.add/2, &__MODULE__.otp_add/2},
      {"add_get", ":atomics.add_get", &__MODULE__.add_get/2, &__MODULE__.otp_add_get/2},
      {"get", ":atomics.get", &__MODULE__.get/2, &__MODULE__.otp_get/2},
      {"put", ":atomics.put", &__MODULE__.put/2, &__MODULE__.otp_put/2},
      {"exchange", ":atomics.exchange", &__MODULE__.exchange/2, &__MODULE__.otp_exchange/2},
      {"compare_exchange", ":atomics.compare_exchange", &__MODULE__.compare_exchange/2,
       &__MODULE__.otp_compare_exchange/2},
      {"max, nothing to change", "get and compare", &__MODULE__.max_same/2,
       &__MODULE__.otp_max_same/2},
      {"max, a new one (and get)", "CAS loop", &__MODULE__.max_new/2, &__MODULE__.otp_max_new/2},
      {"bor", "CAS loop", &__MODULE__.bor/2, &__MODULE__.otp_bor/2},
      {"saturating_add", "CAS loop", &__MODULE__.saturating_add/2,
       &__MODULE__.otp_saturating_add/2},
      {"add_bounded", "CAS loop", &__MODULE__.add_bounded/2, &__MODULE__.otp_add_bounded/2},
      {"update_many: add, max, min", "add, CAS loops", &__MODULE__.update_many/2,
       &__MODULE__.otp_update_many/2},
      {"add_many, 100 cells", "loop over :atomics.add", &__MODULE__.add_many/2,
       &__MODULE__.otp_add_many/2},
      {"merge, 100 cells (a binary)", "loop over :atomics.add", &__MODULE__.merge/2,
       &__MODULE__.otp_merge/2},
      {"merge, 100 cells, against a list", "loop over :atomics.add", &__MODULE__.merge/2,
       &__MODULE__.otp_add_many/2},
      {"put_many, 100 cells", "loop over :atomics.put", &__MODULE__.put_many/2,
       &__MODULE__.otp_put_many/2},
      {"get_many, 100 cells", "loop over :atomics.get", &__MODULE__.get_many/2,
       &__MODULE__.otp_get_many/2},
      {"sum of 1000 cells", "loop over :atomics.get", &__MODULE__.sum/2, &__MODULE__.otp_sum/2},
      {"maximum of 1000 cells", "loop over :atomics.get", &__MODULE__.maximum/2,
       &__MODULE__.otp_maximum/2},
      {"fill 1000 cells", "loop over :atomics.put", &__MODULE__.fill/2, &__MODULE__.otp_fill/2},
      {"list of 1000 cells", "loop over :atomics.get", &__MODULE__.to_list/2,
       &__MODULE__.otp_to_list/2},
      {"exchange_all of 1000 cells", "loop over :atomics.exchange", &__MODULE__.exchange_all/2,
       &__MODULE__.otp_exchange_all/2},
      {"snapshot of 1000 cells", "loop over :atomics.get", &__MODULE__.snapshot/2,
       &__MODULE__.otp_snapshot/2},
      {"load 1000 cells", "loop over :atomics.put", &__MODULE__.load/2, &__MODULE__.otp_load/2},
      {"new, 100,000 cells", ":atomics.new", &__MODULE__.make/2, &__MODULE__.otp_make/2}
    ]
  end

  defp float do
    [
      {"float add", "CAS loop", &__MODULE__.float_add/2, &__MODULE__.otp_float_add/2},
      {"update_many: count, float sum, max", "add, CAS loops", &__MODULE__.float_update_many/2,
       &__MODULE__.otp_float_update_many/2},
      {"float add_many, 100 cells", "CAS loops", &__MODULE__.float_add_many/2,
       &__MODULE__.otp_float_add_many/2},
      {"float sum of 1000 cells", "loop over :atomics.get", &__MODULE__.float_sum/2,
       &__MODULE__.otp_float_sum/2}
    ]
  end

  @single ~w(add add_get get put exchange compare_exchange bor saturating_add add_bounded) ++
            ["max, nothing to change"]

  def scenarios do
    floor =
      for {name, _peer, ours, _theirs} <- one(), name in @single do
        {"#{name}, over the floor", "Offheap.Atomics.size", ours, &__MODULE__.size/2}
      end

    neighbours = [
      {"add, a padded cell each", ":atomics.add, neighbouring cells", &__MODULE__.neighbour/3,
       &__MODULE__.otp_neighbour/3}
    ]

    scenarios(one(), &integers/0) ++
      scenarios(float(), &floats/0) ++
      scenarios(neighbours, &padded/0) ++
      for s <- scenarios(floor, &same/0) do
        Map.merge(s, %{floor: true, note: "0.74 is 1.35 times the floor"})
      end
  end

  @parallel ["add", "get", "float add", "add, a padded cell each"]
  @quick ["add", "get", "max, a new one (and get)", "float add", "sum of 1000 cells"] ++
           ["add_many, 100 cells", "add, a padded cell each"]

  defp scenarios(list, setup) do
    for {name, peer, ours, theirs} <- list do
      %{
        component: "atomics",
        name: name,
        peer: peer,
        parallel: if(name in @parallel, do: :all, else: 1),
        quick: name in @quick,
        ours: ours,
        theirs: theirs,
        setup: setup
      }
    end
  end
end

Offheap.Bench.Scenarios.Atomics.scenarios()
