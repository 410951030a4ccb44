# Offheap.Counter against :counters. Single operations against OTP's on both of its kinds, and against
# a NIF that only fetches its resource (size): what any call of a library costs. What OTP has not is
# held against the loop that its users write.
defmodule Offheap.Bench.Scenarios.Counters do
  use Offheap.Bench
  alias Offheap.Counter

  @counters 1000

  defloop(add(ref, _i), do: Counter.add(ref, 1, 1))
  defloop(otp_add(ref, _i), do: :counters.add(ref, 1, 1))

  defloop(sub(ref, _i), do: Counter.sub(ref, 1, 1))
  defloop(otp_sub(ref, _i), do: :counters.sub(ref, 1, 1))

  defloop(get(ref, _i), do: Counter.get(ref, 1))
  defloop(otp_get(ref, _i), do: :counters.get(ref, 1))

  defloop(put(ref, i), do: Counter.put(ref, 1, i))
  defloop(otp_put(ref, i), do: :counters.put(ref, 1, i))

  defloop(size(ref, _i), do: Counter.size(ref))

  defloop sum_reset(ref, _i) do
    Counter.add(ref, 1, 1)
    Counter.sum_reset(ref, 1)
  end

  # Loses nothing either: what is taken off is what was read.
  defloop otp_sum_reset(ref, _i) do
    :counters.add(ref, 1, 1)
    value = :counters.get(ref, 1)
    :counters.sub(ref, 1, value)
    value
  end

  defloop(sum(ref, _i), do: Counter.sum(ref))
  defloop(otp_sum(ref, _i), do: otp_sum_all(ref, @counters, 0))

  defloop(to_list(ref, _i), do: Counter.to_list(ref))
  defloop(to_binary(ref, _i), do: Counter.to_binary(ref))
  defloop(otp_to_list(ref, _i), do: otp_list_all(ref, @counters, []))

  defp otp_sum_all(_ref, 0, sum), do: sum
  defp otp_sum_all(ref, i, sum), do: otp_sum_all(ref, i - 1, sum + :counters.get(ref, i))

  defp otp_list_all(_ref, 0, list), do: list
  defp otp_list_all(ref, i, list), do: otp_list_all(ref, i - 1, [:counters.get(ref, i) | list])

  def scenarios, do: single() ++ floor() ++ all()

  defp single do
    for {kind, options} <- kinds(), {name, ours, theirs} <- operations() do
      %{
        component: "counters",
        name: "#{name}, one counter",
        peer: ":counters.#{name}, #{kind}",
        parallel: if(name in ["add", "get"], do: :all, else: 1),
        quick: name == "add",
        ours: ours,
        theirs: theirs,
        setup: setup(options)
      }
    end ++
      [
        %{
          component: "counters",
          name: "add, sum_reset",
          peer: ":counters.add, get and sub, write_concurrency",
          ours: &__MODULE__.sum_reset/2,
          theirs: &__MODULE__.otp_sum_reset/2,
          setup: setup([:write_concurrency])
        }
      ]
  end

  # The peer is our own NIF that fetches its resource and no more.
  defp floor do
    for {name, ours, _theirs} <- operations() do
      %{
        component: "counters",
        name: name,
        peer: "a NIF that only fetches its resource",
        floor: true,
        ours: ours,
        theirs: &__MODULE__.size/2,
        setup: fn ->
          ref = Counter.new(@counters)
          {ref, ref}
        end
      }
    end
  end

  defp all do
    for {kind, options} <- kinds(),
        {name, ours, theirs} <- [
          {"sum of 1000 counters", &__MODULE__.sum/2, &__MODULE__.otp_sum/2},
          {"binary of 1000 counters", &__MODULE__.to_binary/2, &__MODULE__.otp_to_list/2},
          {"list of 1000 counters", &__MODULE__.to_list/2, &__MODULE__.otp_to_list/2}
        ] do
      %{
        component: "counters",
        name: name,
        peer: "loop over :counters.get, #{kind}",
        quick: name == "sum of 1000 counters",
        ours: ours,
        theirs: theirs,
        setup: setup(options)
      }
    end
  end

  defp operations do
    [
      {"add", &__MODULE__.add/2, &__MODULE__.otp_add/2},
      {"sub", &__MODULE__.sub/2, &__MODULE__.otp_sub/2},
      {"get", &__MODULE__.get/2, &__MODULE__.otp_get/2},
      {"put", &__MODULE__.put/2, &__MODULE__.otp_put/2}
    ]
  end

  defp kinds, do: [{"atomics", [:atomics]}, {"write_concurrency", [:write_concurrency]}]

  defp setup(options) do
    fn -> {Counter.new(@counters, options), :counters.new(@counters, options)} end
  end
end

Offheap.Bench.Scenarios.Counters.scenarios()
