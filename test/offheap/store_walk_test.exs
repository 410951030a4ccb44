defmodule Offheap.StoreWalkTest do
  use ExUnit.Case, async: true

  @types [:set, :bag, :duplicate_bag]

  for type <- @types do
    describe "#{type}" do
      @describetag type: type

      setup %{type: type}, do: {:ok, t: :offheap_store.new(:test, [type, :public])}

      test "first and next meet each key once, also those whose keys have gone", %{t: t} do
        keys = for i <- 1..5000, do: Enum.at([i, {:k, i}, "#{i}", i * 1.5, [i]], rem(i, 5))
        for key <- keys, do: :offheap_store.insert(t, {key, 1})

        met =
          walk(t, fn key, _ ->
            :offheap_store.delete(t, key)
            for i <- 1..2, do: :offheap_store.insert(t, {{:new, make_ref()}, i})
          end)

        old = Enum.reject(met, &match?({:new, _}, &1))
        assert Enum.sort(old) == Enum.sort(keys)
        assert Enum.uniq(met) == met
      end

      test "walks beside writers miss nothing and meet nothing twice", %{t: t} do
        stable = for i <- 1..3000, do: {:stable, i}
        :offheap_store.insert(t, for(key <- stable, do: {key, 1}))

        writers =
          for w <- 1..2 do
            Task.async(fn ->
              for _ <- 1..3 do
                for i <- 1..8000, do: :offheap_store.insert(t, {{w, i}, i})
                for i <- 1..8000, do: :offheap_store.delete(t, {w, i})
              end
            end)
          end

        walks_while(writers, fn ->
          met = t |> walk(fn _, _ -> :ok end) |> Enum.filter(&(elem(&1, 0) == :stable))
          assert Enum.sort(met) == stable
          slots = for {{:stable, _} = key, _} <- slots(t, 0), do: key
          assert Enum.sort(Enum.uniq(slots)) == stable
        end)
      end

      test "a walk that meets the clearing ends", %{t: t} do
        for i <- 1..5000, do: :offheap_store.insert(t, {i, i})

        met =
          walk(t, fn _, count -> if count == 1000, do: :offheap_store.delete_all_objects(t) end)

        assert length(met) == 1000
        assert :offheap_store.first(t) == :"$end_of_table"
        assert :offheap_store.info(t, :size) == 0
        assert :offheap_store.insert(t, {1, 1})
        assert :offheap_store.first_lookup(t) == {1, [{1, 1}]}
      end

      test "large objects are met, too", %{t: t} do
        large = {:k, Enum.to_list(1..30_000), :binary.copy("x", 100_000)}
        :offheap_store.insert(t, large)
        assert :offheap_store.first_lookup(t) == {:k, [large]}
        assert :offheap_store.next_lookup(t, :k) == :"$end_of_table"
        assert slots(t, 0) == [large]
        :offheap_store.insert(t, put_elem(large, 0, large))
        assert walk(t, fn _, _ -> :ok end) |> Enum.sort() == [:k, large]
      end

      test "who has fixed the table", %{t: t} do
        test = self()
        assert :offheap_store.info(t, :fixed) == false
        before = :erlang.monotonic_time()
        :offheap_store.safe_fixtable(t, true)
        :offheap_store.safe_fixtable(t, true)

        {pid, monitor} =
          spawn_monitor(fn ->
            :offheap_store.safe_fixtable(t, true)
            send(test, :fixed)
            receive do: (:stop -> :ok)
          end)

        assert_receive :fixed
        {since, fixers} = :offheap_store.info(t, :safe_fixed_monotonic_time)
        assert since in before..:erlang.monotonic_time()
        assert Enum.sort(fixers) == Enum.sort([{test, 2}, {pid, 1}])
        send(pid, :stop)
        assert_receive {:DOWN, ^monitor, _, _, _}
        assert {_, [{^test, 2}]} = :offheap_store.info(t, :safe_fixed)
        :offheap_store.safe_fixtable(t, false)
        :offheap_store.safe_fixtable(t, false)
        :offheap_store.safe_fixtable(t, false)
        assert :offheap_store.info(t, :safe_fixed_monotonic_time) == false
        assert_raise ArgumentError, fn -> :offheap_store.safe_fixtable(t, :yes) end
      end
    end
  end

  test "update_element beside counters loses nothing" do
    t = :offheap_store.new(:test, [:public])
    :offheap_store.insert(t, {:k, 0, 0, "text"})

    [counter, element] = [
      Task.async(fn -> for _ <- 1..5000, do: :offheap_store.update_counter(t, :k, {2, 1}) end),
      Task.async(fn ->
        for i <- 1..5000, do: :offheap_store.update_element(t, :k, [{3, i}, {4, "#{i}"}])
      end)
    ]

    Task.await_many([counter, element], 60_000)
    assert :offheap_store.lookup(t, :k) == [{:k, 5000, 5000, "5000"}]
  end

  defp walk(t, fun), do: walk(t, fun, :offheap_store.first(t), [], 1)
  defp walk(_t, _fun, :"$end_of_table", met, _count), do: Enum.reverse(met)

  defp walk(t, fun, key, met, count) do
    fun.(key, count)
    walk(t, fun, :offheap_store.next(t, key), [key | met], count + 1)
  end

  defp slots(t, index) do
    case :offheap_store.slot(t, index) do
      :"$end_of_table" -> []
      objects -> objects ++ slots(t, index + 1)
    end
  end

  defp walks_while(tasks, walk) do
    walk.()

    if Enum.any?(tasks, &Process.alive?(&1.pid)),
      do: walks_while(tasks, walk),
      else: Task.await_many(tasks, 60_000)
  end
end
