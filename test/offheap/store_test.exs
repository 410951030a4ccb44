defmodule Offheap.StoreTest do
  use ExUnit.Case, async: true

  import Bitwise

  doctest Offheap.Store

  test "an object takes the place of one with an equal key, key and all" do
    for module <- [:ets, :offheap_store],
        {old, new} <- [{0.0, -0.0}, {{0.0, "k"}, {-0.0, "k"}}] do
      table = module.new(:zeros, [:public])
      module.insert(table, {old, 1})
      module.insert(table, {new, 2})
      encoded = for object <- module.tab2list(table), do: :erlang.term_to_binary(object)
      assert :erlang.term_to_binary({new, 2}) in encoded
    end
  end

  # What these say holds for ETS too.
  for module <- [:ets, :offheap_store] do
    describe "#{inspect(module)}" do
      @describetag subject: module

      setup %{subject: m}, do: {:ok, t: m.new(:test, [:set, :public])}

      test "insert replaces, lookup finds", %{subject: m, t: t} do
        assert m.lookup(t, :a) == []
        assert m.insert(t, {:a, 1}) == true
        assert m.insert(t, {:a, 2, "more"}) == true
        assert m.lookup(t, :a) == [{:a, 2, "more"}]
        assert m.info(t, :size) == 1
      end

      # Offheap keeps short tuples and binaries as words: these stand on both sides of each limit.
      test "keys and values of every small shape, replaced by each other", %{subject: m} do
        for keypos <- 1..2 do
          t = m.new(:shapes, [:set, :public, {:keypos, keypos}])
          keys = small_keys()

          for value <- small_values(), key <- keys do
            object = if keypos == 1, do: {key, value}, else: {value, key, value}
            assert m.insert(t, object) == true
            assert m.lookup(t, key) == [object]
            assert m.lookup_element(t, key, 3 - keypos) === value
            assert m.lookup_element(t, key, keypos) === key
          end

          assert m.info(t, :size) == length(keys)

          assert m.tab2list(t) |> Enum.map(&elem(&1, keypos - 1)) |> Enum.sort() ==
                   Enum.sort(keys)

          for key <- keys, do: assert([_] = m.take(t, key))
          for key <- keys, do: refute(m.member(t, key))
          assert m.info(t, :size) == 0
        end
      end

      test "objects of every arity", %{subject: m, t: t} do
        for arity <- 1..40, filler <- [1, :a, "b", 2.5] do
          object = List.to_tuple([{:key, arity} | List.duplicate(filler, arity - 1)])
          assert m.insert(t, object) == true
          assert m.lookup(t, {:key, arity}) == [object]
        end

        assert m.info(t, :size) == 40
      end

      test "counters in objects of every small shape", %{subject: m, t: t} do
        for key <- [1, :a, "key", {:tuple, 1}, {:t, "b"}, {1, 2.5}, [1]],
            rest <- [[5], [5, :a], [5, "binary"], [5, {:nested, 1}], List.duplicate(5, 30)] do
          m.insert(t, List.to_tuple([key | rest]))
          assert m.update_counter(t, key, 2) == 7
          assert m.update_counter(t, key, {2, -8}) == -1
          assert m.update_counter(t, key, {2, 1 <<< 60}) == (1 <<< 60) - 1
          assert m.update_counter(t, key, {2, -(1 <<< 60)}) == -1
          assert m.update_counter(t, key, [{2, 1}, {2, 1}]) == [0, 1]
          assert m.lookup(t, key) == [List.to_tuple([key, 1 | tl(rest)])]
          assert_raise ArgumentError, fn -> m.update_counter(t, key, {1, 1}) end
          assert_raise ArgumentError, fn -> m.update_counter(t, key, {60, 1}) end

          if length(rest) == 2,
            do: assert_raise(ArgumentError, fn -> m.update_counter(t, key, {3, 1}) end)
        end
      end

      test "an integer and a float of its value are two keys", %{subject: m, t: t} do
        m.insert(t, [{1, :integer}, {1.0, :float}])
        assert m.lookup(t, 1) == [{1, :integer}]
        assert m.lookup(t, 1.0) == [{1.0, :float}]
        assert m.info(t, :size) == 2
      end

      test "insert of a list; of equal keys the last one stays", %{subject: m, t: t} do
        assert m.insert(t, [{1, :a}, {2, :b}, {1, :c}]) == true
        assert Enum.sort(m.tab2list(t)) == [{1, :c}, {2, :b}]
        assert m.insert(t, []) == true
      end

      test "a list with one bad object changes nothing", %{subject: m, t: t} do
        for bad <- [[{1}, :no_tuple], [{1}, {}], [{1} | :tail], [{1}, [{2}]]] do
          assert_raise ArgumentError, fn -> m.insert(t, bad) end
          assert_raise ArgumentError, fn -> m.insert_new(t, bad) end
        end

        assert m.tab2list(t) == []
      end

      test "insert_new inserts all or none", %{subject: m, t: t} do
        assert m.insert_new(t, {1, :a}) == true
        assert m.insert_new(t, {1, :b}) == false
        assert m.insert_new(t, [{2, :c}, {1, :d}]) == false
        assert m.insert_new(t, [{2, :c}, {3, :d}]) == true
        assert Enum.sort(m.tab2list(t)) == [{1, :a}, {2, :c}, {3, :d}]
      end

      test "lookup_element", %{subject: m, t: t} do
        m.insert(t, {:a, 1, [2]})
        assert m.lookup_element(t, :a, 1) == :a
        assert m.lookup_element(t, :a, 3) == [2]
        assert_raise ArgumentError, fn -> m.lookup_element(t, :a, 4) end
        assert_raise ArgumentError, fn -> m.lookup_element(t, :a, 0) end
        assert_raise ArgumentError, fn -> m.lookup_element(t, :b, 2) end
      end

      test "delete and take", %{subject: m, t: t} do
        m.insert(t, [{1, :a}, {2, :b}])
        assert m.delete(t, 1) == true
        assert m.delete(t, 1) == true
        assert m.take(t, 2) == [{2, :b}]
        assert m.take(t, 2) == []
        assert m.info(t, :size) == 0
        assert m.insert(t, {1, :again}) == true
        assert m.lookup(t, 1) == [{1, :again}]
      end

      test "update_counter", %{subject: m, t: t} do
        m.insert(t, {:a, 0, 10})
        assert m.update_counter(t, :a, 5) == 5
        assert m.update_counter(t, :a, {3, -3}) == 7
        assert m.update_counter(t, :a, {2, 6, 10, 0}) == 0
        assert m.update_counter(t, :a, {2, -6, 0, 9}) == 9

        assert m.update_counter(t, :a, [{2, 1}, {2, 1}, {3, 1 <<< 64}]) == [
                 10,
                 11,
                 (1 <<< 64) + 7
               ]

        assert m.update_counter(t, :a, []) == []
        assert m.lookup(t, :a) == [{:a, 11, (1 <<< 64) + 7}]
        assert m.update_counter(t, :b, 3, {:other, 4}) == 7
        assert m.lookup(t, :b) == [{:b, 7}]
      end

      test "update_counter of several elements is all or nothing", %{subject: m, t: t} do
        m.insert(t, {:a, 1, :no_integer})

        for bad <- [[{2, 1}, {3, 1}], {1, 1}, {4, 1}, {2, 1.0}, [1, :a], {2, 1, :x, 0}] do
          assert_raise ArgumentError, fn -> m.update_counter(t, :a, bad) end
        end

        assert_raise ArgumentError, fn -> m.update_counter(t, :missing, 1) end
        assert m.lookup(t, :a) == [{:a, 1, :no_integer}]
      end

      test "the key may stand elsewhere", %{subject: m} do
        t = m.new(:test, [:set, :public, keypos: 3])
        assert_raise ArgumentError, fn -> m.insert(t, {1, 2}) end
        m.insert(t, {1, 2, :key})
        assert m.lookup(t, :key) == [{1, 2, :key}]
        assert m.update_counter(t, :key, {1, 1}) == 2
      end

      test "every function refuses a deleted table and what is no table", %{subject: m, t: t} do
        m.insert(t, {1, 1})
        assert m.delete(t) == true
        other = if m == :ets, do: :offheap_store.new(:other, []), else: :ets.new(:other, [])

        for wrong <- [t, other, make_ref(), :atomics.new(1, []), 1, "t", {}, self()] do
          for {function, args} <- calls() do
            assert_raise ArgumentError, fn -> apply(m, function, [wrong | args]) end
          end
        end
      end

      test "a hundred thousand entries come and go", %{subject: m, t: t} do
        n = 100_000
        for i <- 1..n, do: m.insert(t, {i, i * 2})
        assert m.info(t, :size) == n
        assert Enum.all?(1..n, &(m.lookup_element(t, &1, 2) == &1 * 2))
        for i <- 1..n, rem(i, 10) != 0, do: m.delete(t, i)
        assert m.info(t, :size) == div(n, 10)
        assert Enum.sort(m.tab2list(t)) == for(i <- 1..div(n, 10), do: {i * 10, i * 20})
        for i <- 1..n, do: m.insert(t, {i, i})
        assert Enum.all?(1..n, &(m.lookup(t, &1) == [{&1, &1}]))
      end

      test "large keys and values", %{subject: m, t: t} do
        large = Enum.to_list(1..200_000)
        key = {:binary.copy("k", 1_000_000), Enum.to_list(1..50_000)}
        m.insert(t, {key, large})
        assert m.lookup(t, key) == [{key, large}]
        same_key = {:binary.copy("k", 1_000_000), Enum.to_list(1..50_000)}
        assert m.lookup_element(t, same_key, 2) == large
        refute m.member(t, {:binary.copy("k", 1_000_000), Enum.to_list(1..49_999)})
        assert m.take(t, key) == [{key, large}]
        assert m.tab2list(t) == []
      end

      test "a value survives its replacement in whoever has read it", %{subject: m, t: t} do
        binary = :crypto.strong_rand_bytes(100_000)
        m.insert(t, {1, %{list: Enum.to_list(1..1000), binary: binary}})
        [{1, value}] = m.lookup(t, 1)
        for i <- 1..10_000, do: m.insert(t, {1, i})
        m.delete(t)
        :erlang.garbage_collect()
        assert value == %{list: Enum.to_list(1..1000), binary: binary}
      end

      test "a deep term", %{subject: m, t: t} do
        deep = Enum.reduce(1..100_000, [], fn _, inner -> [inner] end)
        m.insert(t, {:deep, deep})
        assert m.lookup(t, :deep) == [{:deep, deep}]
        tuples = Enum.reduce(1..100_000, {}, fn _, inner -> {inner} end)
        m.insert(t, {tuples, 1})
        assert m.lookup(t, tuples) == [{tuples, 1}]
      end

      test "writers of different keys", %{subject: m, t: t} do
        together(for w <- 0..3, do: fn -> for(i <- 1..5000, do: m.insert(t, {{w, i}, i})) end)
        assert m.info(t, :size) == 20_000
        assert Enum.all?(0..3, fn w -> Enum.all?(1..5000, &m.member(t, {w, &1})) end)
      end

      test "readers see only what some writer wrote", %{subject: m, t: t} do
        writers =
          for w <- 1..2 do
            fn ->
              for(i <- 1..20_000, do: m.insert(t, {rem(i, 50), {w, i}, [i, w], "#{w}/#{i}"}))
            end
          end

        reader = fn stop ->
          until(stop, fn ->
            for key <- 0..49, {^key, {w, i}, [i2, w2], text} <- m.lookup(t, key) do
              assert {w, i} == {w2, i2}
              assert text == "#{w}/#{i}"
              assert rem(i, 50) == key
            end
          end)
        end

        beside(writers, [reader, reader])
      end

      test "a short tuple that is overwritten is read whole", %{subject: m, t: t} do
        writers =
          for w <- 1..2 do
            fn ->
              for i <- 1..50_000, key <- [rem(i, 5), {:key, "#{rem(i, 5)}"}] do
                m.insert(t, {key, {w, i, w * i}})
              end
            end
          end

        reader = fn stop ->
          until(stop, fn ->
            for n <- 0..4,
                key <- [n, {:key, "#{n}"}],
                {^key, {w, i, product}} <- m.lookup(t, key) do
              assert w * i == product
              assert rem(i, 5) == n
            end
          end)
        end

        beside(writers, [reader, reader])
      end

      test "counters lose nothing", %{subject: m, t: t} do
        m.insert(t, {:counter, 0, 0})

        together(
          for _ <- 1..8 do
            fn ->
              for _ <- 1..5000 do
                [_, _] = m.update_counter(t, :counter, [{2, 1}, {3, -2}])
                m.update_counter(t, :made, 1, {:made, 0})
              end
            end
          end
        )

        assert m.lookup(t, :counter) == [{:counter, 40_000, -80_000}]
        assert m.lookup(t, :made) == [{:made, 40_000}]
      end

      test "while the table grows and shrinks, no key that stays is ever missed", %{
        subject: m,
        t: t
      } do
        for i <- 1..500, do: m.insert(t, {{:stays, i}, i})

        writer = fn ->
          for round <- 1..3 do
            for i <- 1..30_000, do: m.insert(t, {{round, i}, i})
            for i <- 1..30_000, do: m.delete(t, {round, i})
          end
        end

        reader = fn stop ->
          until(stop, fn ->
            for i <- 1..500, do: assert(m.lookup(t, {:stays, i}) == [{{:stays, i}, i}])
          end)
        end

        beside([writer], [reader, reader])
        assert m.info(t, :size) == 500
      end

      test "tab2list beside writers has each object that stays once", %{subject: m, t: t} do
        stays = for i <- 1..500, do: {{:stays, i}, i}
        m.insert(t, stays)
        writer = fn -> for(i <- 1..30_000, do: m.insert(t, {i, i}) && m.delete(t, i - 100)) end

        reader = fn stop ->
          until(stop, fn ->
            found = for {{:stays, _}, _} = object <- m.tab2list(t), do: object
            assert Enum.sort(found) == stays
          end)
        end

        beside([writer], [reader])
      end

      test "one process takes an object, one inserts a new key", %{subject: m, t: t} do
        for i <- 1..2000, do: m.insert(t, {i, i})

        taken = together(for _ <- 1..4, do: fn -> for(i <- 1..2000, o <- m.take(t, i), do: o) end)

        assert taken |> Enum.concat() |> Enum.sort() == for(i <- 1..2000, do: {i, i})

        made =
          together(
            for w <- 1..4, do: fn -> for(i <- 1..2000, m.insert_new(t, {i, w}), do: {i, w}) end
          )

        assert made |> Enum.concat() |> Enum.sort() == Enum.sort(m.tab2list(t))
        assert m.info(t, :size) == 2000
      end

      test "a list is inserted as one change", %{subject: m, t: t} do
        m.insert(t, [{:a, 0}, {:b, 0}])
        writer = fn -> for(i <- 1..20_000, do: m.insert(t, [{:a, i}, {:b, i}])) end

        reader = fn stop ->
          until(stop, fn ->
            a = m.lookup_element(t, :a, 2)
            b = m.lookup_element(t, :b, 2)
            assert b >= a
            assert m.lookup_element(t, :a, 2) >= b
          end)
        end

        beside([writer], [reader, reader])
      end

      test "readers and writers meet the deletion of the table", %{subject: m} do
        for round <- 1..20 do
          t = m.new(:test, [:set, :public])
          for i <- 1..2000, do: m.insert(t, {i, "value #{i}"})
          test = self()

          workers =
            for work <- [&m.lookup(t, &1), &m.insert(t, {&1, "value #{&1}"}), &m.tab2list/1] do
              arg = if work == (&m.tab2list/1), do: fn _ -> t end, else: & &1

              spawn_monitor(fn ->
                work.(arg.(1))
                send(test, :started)

                try do
                  for i <- Stream.cycle(1..2000), do: work.(arg.(i))
                rescue
                  ArgumentError -> exit(:refused)
                end
              end)
            end

          for _ <- workers, do: assert_receive(:started, 60_000)
          if rem(round, 2) == 0, do: :erlang.yield()
          assert m.delete(t) == true

          for {pid, monitor} <- workers do
            assert_receive {:DOWN, ^monitor, :process, ^pid, :refused}, 60_000
          end
        end
      end

      test "the table may be given away in a message", %{subject: m, t: t} do
        m.insert(t, {1, :a})
        pid = self()
        Task.await(Task.async(fn -> m.insert(t, {2, m.lookup(t, 1), pid}) end))
        assert m.lookup(t, 2) == [{2, [{1, :a}], pid}]
      end

      test "killed writers leave the table usable", %{subject: m, t: t} do
        for _ <- 1..30 do
          test = self()

          {pid, monitor} =
            spawn_monitor(fn ->
              send(test, :started)

              for i <- Stream.cycle(1..1000) do
                m.insert(t, [{i, List.duplicate(i, 50)}, {-i, List.duplicate(i, 50)}])
              end
            end)

          assert_receive :started, 60_000
          assert wait_for(fn -> m.member(t, 1) end)
          Process.exit(pid, :kill)
          assert_receive {:DOWN, ^monitor, _, _, :killed}, 60_000

          for {i, list} <- m.tab2list(t) do
            assert list == List.duplicate(abs(i), 50)
            assert m.lookup_element(t, -i, 2) |> hd() == abs(i)
          end
        end
      end
    end
  end

  defp small_keys do
    bytes = for n <- 0..300, into: <<>>, do: <<n>>
    <<_::3, unaligned::binary-20, _::bits>> = bytes
    binaries = for size <- [0, 1, 7, 8, 9, 63, 64, 65, 200], do: binary_part(bytes, 5, size)
    immediates = [0, -1, (1 <<< 59) - 1, -(1 <<< 59), :atom, nil, self(), []]

    (binaries ++
       immediates ++
       [
         unaligned,
         <<1::1>>,
         1 <<< 59,
         2.5,
         make_ref(),
         %{},
         [1],
         {},
         {[]},
         {self()},
         {make_ref()}
       ] ++
       [
         {1 <<< 59},
         {2.5},
         {<<1::1>>},
         {{1}},
         {unaligned, 1},
         {"", ""},
         {"a"},
         {"a", ""},
         {"", "a"}
       ] ++
       for(b <- binaries, do: {:user, b}) ++
       for(b <- binaries, do: {b, b}) ++
       for(n <- 1..8, do: List.to_tuple(List.duplicate(n, n))))
    |> Enum.uniq()
  end

  defp small_values do
    immediates = [0, (1 <<< 59) - 1, :atom, self(), []]

    immediates ++
      [1 <<< 59, -(1 <<< 60), 2.5, "binary", {}, {1.5}, {"binary"}, {{1}}, %{a: 1}, [1], <<1::1>>] ++
      for n <- [1, 2, 13, 14, 15, 16, 29, 30, 31, 600] do
        List.to_tuple(Enum.take(Stream.cycle(immediates), n))
      end
  end

  describe "beyond ETS" do
    test "lookup_element/4 gives the default when there is no object" do
      t = :offheap_store.new(:test, [:set])
      assert :offheap_store.lookup_element(t, :a, 2, :default) == :default
      :offheap_store.insert(t, {:a, 1})
      assert :offheap_store.lookup_element(t, :a, 2, :default) == 1
      assert_raise ArgumentError, fn -> :offheap_store.lookup_element(t, :a, 3, :default) end
    end

    test "a table goes with its owner, wherever its reference is" do
      test = self()

      {owner, monitor} =
        spawn_monitor(fn ->
          t = :offheap_store.new(:test, [:set, :public])
          :offheap_store.insert(t, {:a, 1})
          send(test, {:table, t})
          receive do: (:end -> :ok)
        end)

      assert_receive {:table, t}, 60_000
      assert :offheap_store.lookup(t, :a) == [{:a, 1}]
      send(owner, :end)
      assert_receive {:DOWN, ^monitor, :process, ^owner, :normal}, 60_000
      # The library's notice may come a little after the monitor's.
      assert wait_for(fn -> :offheap_store.info(t) == :undefined end)
      assert_raise ArgumentError, fn -> :offheap_store.lookup(t, :a) end
    end

    test "who may read and write a table, its protection says" do
      for {protection, reads?, writes?} <- [
            {:public, true, true},
            {:protected, true, false},
            {:private, false, false}
          ] do
        t = :offheap_store.new(:test, [:set, protection])
        :offheap_store.insert(t, {:a, 1})
        may? = fn fun -> Task.await(Task.async(fn -> allowed?(fun) end)) end
        assert may?.(fn -> :offheap_store.lookup(t, :a) end) == reads?
        assert may?.(fn -> :offheap_store.tab2list(t) end) == reads?
        assert may?.(fn -> :offheap_store.insert(t, {:b, 1}) end) == writes?
        assert may?.(fn -> :offheap_store.take(t, :a) end) == writes?
        assert may?.(fn -> :offheap_store.delete(t) end) == writes?
      end
    end

    test "a table may be an entry of another, and of itself" do
      t = :offheap_store.new(:test, [:set, :public])
      u = :offheap_store.new(:test, [:set, :public])
      :offheap_store.insert(t, [{:other, u}, {:self, t}])
      :offheap_store.insert(:offheap_store.lookup_element(t, :other, 2), {1, :found})
      assert :offheap_store.lookup(u, 1) == [{1, :found}]
      assert :offheap_store.lookup_element(t, :self, 2) == t
      :offheap_store.delete(t)
      assert :offheap_store.lookup(u, 1) == [{1, :found}]
    end
  end

  # --- Helpers ---

  defp calls do
    [
      insert: [{1, 1}],
      insert: [[{1, 1}]],
      insert_new: [{1, 1}],
      lookup: [1],
      lookup_element: [1, 1],
      member: [1],
      delete: [1],
      delete: [],
      take: [1],
      update_counter: [1, 1],
      update_counter: [1, 1, {1, 1}],
      tab2list: []
    ]
  end

  # Runs the functions at once and gives what they returned.
  defp together(functions), do: functions |> Enum.map(&Task.async/1) |> Task.await_many(:infinity)

  # Runs the writers beside readers, which go on until all writers are done.
  defp beside(writers, readers) do
    stop = :atomics.new(1, [])
    readers = for reader <- readers, do: Task.async(fn -> reader.(stop) end)
    together(writers)
    :atomics.put(stop, 1, 1)
    Task.await_many(readers, :infinity)
  end

  defp until(stop, fun) do
    fun.()
    if :atomics.get(stop, 1) == 0, do: until(stop, fun)
  end

  defp allowed?(fun) do
    fun.()
    true
  rescue
    ArgumentError -> false
  end

  defp wait_for(condition), do: condition.() || (:erlang.yield() && wait_for(condition))
end

defmodule Offheap.StoreMemoryTest do
  # Not async: the emulator counts memory for all together.
  use ExUnit.Case

  @moduletag :emulator_memory

  @mib 1_048_576

  setup do: {:ok, t: :offheap_store.new(:memory, [:set, :public])}

  test "a large binary is gone when its entry is deleted, its neighbours being there", %{t: t} do
    before = :erlang.memory(:binary)
    # Made elsewhere, so that only the table holds them.
    run(fn -> for i <- 1..10, do: :offheap_store.insert(t, [{{:small, i}, i}, {i, big()}]) end)
    assert :erlang.memory(:binary) - before > 90 * @mib
    for i <- 1..5, do: :offheap_store.delete(t, i)
    settles(fn -> :erlang.memory(:binary) - before < 55 * @mib end)
    run(fn -> for i <- 6..8, do: :offheap_store.insert(t, {i, :small}) end)
    settles(fn -> :erlang.memory(:binary) - before < 25 * @mib end)
    run(fn -> for i <- 9..10, do: [{^i, _}] = :offheap_store.take(t, i) end)
    settles(fn -> :erlang.memory(:binary) - before < 5 * @mib end)
    for i <- 1..10, do: assert(:offheap_store.lookup(t, {:small, i}) == [{{:small, i}, i}])
  end

  test "deleting the table frees what it held, while the handle lives", %{t: t} do
    before = :erlang.memory(:binary)
    run(fn -> for i <- 1..10, do: :offheap_store.insert(t, {i, big()}) end)
    assert :erlang.memory(:binary) - before > 90 * @mib
    :offheap_store.delete(t)
    settles(fn -> :erlang.memory(:binary) - before < 5 * @mib end)
    assert_raise ArgumentError, fn -> :offheap_store.lookup(t, 1) end
  end

  test "a table that nobody holds any more is freed" do
    before = {:erlang.memory(:binary), :erlang.memory(:system)}

    run(fn ->
      t = :offheap_store.new(:dropped, [:set])
      for i <- 1..10, do: :offheap_store.insert(t, {i, big()})
      for i <- 1..50_000, do: :offheap_store.insert(t, {{:some, "key", i}, {:value, i, [i]}})
    end)

    settles(fn ->
      :erlang.memory(:binary) - elem(before, 0) < 5 * @mib and
        :erlang.memory(:system) - elem(before, 1) < 2 * @mib
    end)
  end

  test "entries that are replaced again and again take no more memory", %{t: t} do
    round = fn ->
      for i <- 1..2000,
          do: :offheap_store.insert(t, {i, {:value, make_ref(), List.duplicate(i, 20)}})
    end

    for _ <- 1..5, do: round.()
    before = :erlang.memory(:system)
    for _ <- 1..100, do: round.()
    settles(fn -> :erlang.memory(:system) - before < 4 * @mib end)
  end

  test "a table that was emptied gives its memory back", %{t: t} do
    before = :erlang.memory(:system)
    for i <- 1..100_000, do: :offheap_store.insert(t, {i, {:value, i, [i]}})
    full = :erlang.memory(:system) - before
    for i <- 1..100_000, do: :offheap_store.delete(t, i)
    assert :offheap_store.info(t, :size) == 0
    settles(fn -> :erlang.memory(:system) - before < div(full, 3) end)
  end

  defp big, do: :binary.copy(<<1>>, 10 * @mib)

  # In a process of its own, whose heap is gone afterwards.
  defp run(fun) do
    {pid, monitor} = spawn_monitor(fn -> fun.() end)
    assert_receive {:DOWN, ^monitor, :process, ^pid, :normal}, 60_000
  end

  # Memory goes when the last reader has moved on and the background has come round: look again and
  # again, as long as it may take on a loaded machine.
  defp settles(condition, tries \\ 200_000) do
    cond do
      condition.() ->
        :ok

      tries == 0 ->
        flunk("memory was not given back: #{inspect(:erlang.memory())}")

      true ->
        :erlang.garbage_collect()
        :erlang.yield()
        settles(condition, tries - 1)
    end
  end
end
