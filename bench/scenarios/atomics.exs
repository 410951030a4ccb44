# Offheap.Atomics against :atomics. Single operations on one cell: the price of a NIF call against a
# BIF's; what OTP has not is held against the loop that its users write.
defmodule Offheap.Bench.Scenarios.Atomics do
  use Offheap.Bench
  alias Offheap.Atomics

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

  defloop(sum(ref, _i), do: Atomics.sum(ref))
  defloop(otp_sum(ref, _i), do: otp_sum_cells(ref, 1000, 0))

  defloop(to_list(ref, _i), do: Atomics.to_list(ref))
  defloop(otp_to_list(ref, _i), do: otp_list_cells(ref, 1000, []))

  defloop(make(_state, _i), do: Atomics.new(100_000))
  defloop(otp_make(_state, _i), do: :atomics.new(100_000, []))

  defp otp_sum_cells(_ref, 0, sum), do: sum
  defp otp_sum_cells(ref, i, sum), do: otp_sum_cells(ref, i - 1, sum + :atomics.get(ref, i))

  defp otp_list_cells(_ref, 0, list), do: list
  defp otp_list_cells(ref, i, list), do: otp_list_cells(ref, i - 1, [:atomics.get(ref, i) | list])

  def scenarios do
    one = [
      {"add", ":atomics.add", &__MODULE__.add/2, &__MODULE__.otp_add/2},
      {"add_get", ":atomics.add_get", &__MODULE__.add_get/2, &__MODULE__.otp_add_get/2},
      {"get", ":atomics.get", &__MODULE__.get/2, &__MODULE__.otp_get/2},
      {"put", ":atomics.put", &__MODULE__.put/2, &__MODULE__.otp_put/2},
      {"exchange", ":atomics.exchange", &__MODULE__.exchange/2, &__MODULE__.otp_exchange/2},
      {"compare_exchange", ":atomics.compare_exchange", &__MODULE__.compare_exchange/2,
       &__MODULE__.otp_compare_exchange/2},
      {"sum of 1000 cells", "loop over :atomics.get", &__MODULE__.sum/2, &__MODULE__.otp_sum/2},
      {"list of 1000 cells", "loop over :atomics.get", &__MODULE__.to_list/2,
       &__MODULE__.otp_to_list/2},
      {"new, 100,000 cells", ":atomics.new", &__MODULE__.make/2, &__MODULE__.otp_make/2}
    ]

    two = Enum.filter(one, fn {name, _, _, _} -> name in ["add", "get"] end)

    for {parallel, list} <- [{1, one}, {2, two}], {name, peer, ours, theirs} <- list do
      %{
        component: "atomics",
        name: if(parallel == 1, do: name, else: "#{name}, #{parallel} processes, one cell"),
        peer: peer,
        parallel: parallel,
        ours: ours,
        theirs: theirs,
        setup: fn -> {Atomics.new(1000), :atomics.new(1000, [])} end
      }
    end
  end
end

Offheap.Bench.Scenarios.Atomics.scenarios()
