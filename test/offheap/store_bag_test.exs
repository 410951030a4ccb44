defmodule Offheap.StoreBagTest do
  use ExUnit.Case, async: true

  @types [:bag, :duplicate_bag]

  # What these say holds for ETS too.
  for module <- [:ets, :offheap_store], type <- @types do
    describe "#{inspect(module)}, #{type}" do
      @describetag subject: module, type: type

      setup %{subject: m, type: type}, do: {:ok, t: m.new(:test, [type, :public])}

      test "objects of a key stand in the order of their insertion", %{subject: m, t: t} do
        # One, a few, some tens, many: each is kept in another way.
        for count <- [1, 2, 8, 9, 32, 33, 500] do
          objects = for i <- 1..count, do: Enum.at([{count, i}, {count, i, "text"}], rem(i, 2))
          for object <- objects, do: assert(m.insert(t, object) == true)
          assert m.lookup(t, count) == objects
          assert m.member(t, count)

          assert m.lookup_element(t, count, 2) == Enum.to_list(1..count)
          assert_raise ArgumentError, fn -> m.lookup_element(t, count, 4) end
          {odd, even} = Enum.split_with(objects, &(rem(elem(&1, 1), 2) == 1))
          for object <- odd, do: assert(m.delete_object(t, object) == true)
          assert m.lookup(t, count) == even
          for object <- odd, do: m.insert(t, object)
          assert m.lookup(t, count) == even ++ odd
          assert m.take(t, count) == even ++ odd
          assert m.lookup(t, count) == []
        end

        assert m.info(t, :size) == 0
      end

      test "a key with one object left is like any other", %{subject: m, t: t} do
        for key <- [1, "key", {:a, "tuple"}, 1.5, [:list]], count <- [2, 10] do
          for i <- 1..count, do: m.insert(t, {key, i})
          for i <- 2..count, do: m.delete_object(t, {key, i})
          assert m.tab2list(t) == [{key, 1}]
          assert m.lookup(t, key) == [{key, 1}]
          assert m.first(t) == key
          assert m.foldl(&[&1 | &2], [], t) == [{key, 1}]
          m.delete(t, key)
          assert m.tab2list(t) == []
        end
      end

      test "an object that is there again", %{subject: m, t: t, type: type} do
        again = for o <- [{:k, 1}, {:k, 1.0}, {:k, 2}, {:k, 1}], do: o
        for object <- again, do: m.insert(t, object)
        m.insert(t, again)

        expected = if type == :bag, do: Enum.uniq(again), else: again ++ again
        assert m.lookup(t, :k) === expected
        assert m.info(t, :size) == length(expected)
        m.delete_object(t, {:k, 1})
        assert m.lookup(t, :k) === Enum.reject(expected, &(&1 === {:k, 1}))
      end

      test "insert_new asks for the key alone", %{subject: m, t: t} do
        assert m.insert_new(t, [{1, :a}, {1, :b}, {2, :c}])
        refute m.insert_new(t, {1, :d})
        refute m.insert_new(t, [{3, :e}, {2, :f}])
        assert Enum.sort(m.tab2list(t)) == [{1, :a}, {1, :b}, {2, :c}]
      end

      test "no counters and no elements are updated", %{subject: m, t: t} do
        m.insert(t, {:k, 1})

        for key <- [:k, :none] do
          assert_raise ArgumentError, fn -> m.update_counter(t, key, 1) end
          assert_raise ArgumentError, fn -> m.update_counter(t, key, 1, {:k, 0}) end
          assert_raise ArgumentError, fn -> m.update_element(t, key, {2, 1}) end
        end
      end

      test "bad objects change nothing", %{subject: m, t: t} do
        for bad <- [:a, {}, [{:k, 1}, {}], [{:k, 1} | :tail]] do
          assert_raise ArgumentError, fn -> m.insert(t, bad) end
          assert_raise ArgumentError, fn -> m.insert_new(t, bad) end
        end

        for bad <- [:a, {}, [{:k, 1}]],
            do: assert_raise(ArgumentError, fn -> m.delete_object(t, bad) end)

        assert m.tab2list(t) == []
      end

      test "every function refuses a deleted table", %{subject: m, t: t} do
        m.delete(t)

        for {function, args} <- [
              first: [],
              last: [],
              next: [1],
              prev: [1],
              slot: [0],
              safe_fixtable: [true],
              delete_object: [{1}],
              delete_all_objects: [],
              update_element: [1, {2, 1}],
              foldl: [fn _, a -> a end, 0]
            ] do
          args = if function == :foldl, do: args ++ [t], else: [t | args]
          assert_raise ArgumentError, fn -> apply(m, function, args) end
        end

        assert m.info(t, :fixed) == :undefined
      end
    end
  end

  for type <- @types do
    describe "beyond ETS, #{type}" do
      @describetag type: type

      setup %{type: type}, do: {:ok, t: :offheap_store.new(:test, [type, :public])}

      test "a hundred thousand objects of one key, and none left", %{t: t} do
        numbers = Enum.to_list(1..100_000)
        for i <- numbers, do: :offheap_store.insert(t, {:k, i})
        assert :offheap_store.lookup_element(t, :k, 2) == numbers
        assert length(:offheap_store.tab2list(t)) == 100_000
        for i <- 1..99_999, do: :offheap_store.delete_object(t, {:k, i})
        assert :offheap_store.tab2list(t) == [{:k, 100_000}]
        assert :offheap_store.info(t, :size) == 1
      end

      test "the store's own functions for pairs are for sets", %{t: t} do
        :offheap_store.insert(t, {:k, 1})

        for call <- [
              fn -> :offheap_store.put(t, :k, 1) end,
              fn -> :offheap_store.get(t, :k) end,
              fn -> :offheap_store.fetch(t, :k) end,
              fn -> :offheap_store.replace(t, {:k, 1}, {:k, 2}) end
            ],
            do: assert_raise(ArgumentError, call)
      end

      # Each writer inserts pairs as one change and removes them one by one, the even one first.
      test "a reader of a large key sees a state that was", %{t: t} do
        for i <- 1..20, do: :offheap_store.insert(t, [{:k, 0, 2 * i}, {:k, 0, 2 * i + 1}])

        writers =
          for w <- 1..2 do
            Task.async(fn ->
              for i <- 1..3000 do
                :offheap_store.insert(t, [{:k, w, 2 * i}, {:k, w, 2 * i + 1}])

                if i > 50 do
                  :offheap_store.delete_object(t, {:k, w, 2 * (i - 50)})
                  :offheap_store.delete_object(t, {:k, w, 2 * (i - 50) + 1})
                end
              end
            end)
          end

        reads_while(writers, fn ->
          objects = :offheap_store.lookup(t, :k)

          for {_, numbers} <- Enum.group_by(objects, &elem(&1, 1), &elem(&1, 2)) do
            assert numbers == Enum.sort(numbers)
            # Without its first, which may be about to go, they are pairs.
            numbers = if rem(hd(numbers), 2) == 1, do: tl(numbers), else: numbers
            assert Enum.all?(Enum.chunk_every(numbers, 2), fn [a, b] -> b == a + 1 end)
          end
        end)
      end

      test "delete_all_objects leaves nothing that was there before", %{t: t} do
        writer =
          Task.async(fn ->
            for i <- 1..20_000, do: :offheap_store.insert(t, [{rem(i, 50), i}, {:last, i}])
          end)

        reads_while([writer], fn ->
          before = :offheap_store.lookup_element(t, :last, 2, [0])
          :offheap_store.delete_all_objects(t)
          for {_, i} <- :offheap_store.tab2list(t), do: assert(i >= Enum.max(before))
        end)
      end
    end
  end

  defp reads_while(tasks, read) do
    read.()

    if Enum.any?(tasks, &Process.alive?(&1.pid)),
      do: reads_while(tasks, read),
      else: Task.await_many(tasks, 60_000)
  end
end
