defmodule Offheap.StoreMapTest do
  @moduledoc "The names of Map, streams, views and the process that owns a table."
  use ExUnit.Case, async: true

  doctest Offheap.Store.View

  alias Offheap.Store
  alias Offheap.Store.View

  setup do: {:ok, s: Store.new(:map_test, [:public])}

  describe "pairs" do
    test "update and its kin make a value of the one that is there", %{s: s} do
      for key <- [:a, "key", {:k, 1}, 1.5, -0.0, [1]] do
        assert Store.update(s, key, 1, &(&1 + 1)) == 1
        assert Store.update(s, key, 1, &(&1 + 1)) == 2
        assert Store.update!(s, key, &[&1]) == [2]
        assert Store.get_and_update(s, key, &{&1, %{was: &1}}) == [2]
        assert Store.fetch!(s, key) == %{was: [2]}
        assert Store.get_and_update(s, key, fn _ -> :pop end) == %{was: [2]}
        assert Store.get_and_update(s, key, fn nil -> :pop end) == nil
        refute Store.has_key?(s, key)
        assert_raise KeyError, fn -> Store.update!(s, key, & &1) end
        assert_raise KeyError, fn -> Store.fetch!(s, key) end
        assert_raise KeyError, fn -> Store.pop!(s, key) end
      end
    end

    test "a key that is equal and looks different is the same", %{s: s} do
      Store.put(s, 0.0, 1)

      if 0.0 === -0.0 do
        assert Store.update!(s, -0.0, &(&1 + 1)) == 2
        assert Store.get(s, 0.0) == 2
      else
        assert_raise KeyError, fn -> Store.update!(s, -0.0, &(&1 + 1)) end
      end
    end

    test "functions that fail change nothing", %{s: s} do
      Store.put(s, :a, 1)
      assert_raise RuntimeError, fn -> Store.update(s, :a, 0, fn _ -> raise "no" end) end
      assert_raise ArgumentError, fn -> Store.get_and_update(s, :a, fn _ -> :no end) end
      assert_raise RuntimeError, fn -> Store.put_new_lazy(s, :b, fn -> raise "no" end) end
      assert Store.to_list(s) == [a: 1]
    end

    test "an object that is no pair is refused", %{s: s} do
      Store.insert(s, {:a, 1, 2})
      assert_raise ArgumentError, fn -> Store.update(s, :a, 0, & &1) end
      assert_raise ArgumentError, fn -> Store.get(s, :a) end
      assert Store.lookup(s, :a) == [{:a, 1, 2}]
    end

    test "updates of many processes are all there", %{s: s} do
      together(4, fn n ->
        for(i <- 1..200, do: Store.update(s, :list, [{n, i}], &[{n, i} | &1]))
      end)

      list = Store.fetch!(s, :list)
      assert Enum.sort(list) == for(n <- 1..4, i <- 1..200, do: {n, i})
      # Each process's own are in its order.
      for n <- 1..4, do: assert(for({^n, i} <- list, do: i) == Enum.to_list(200..1//-1))
    end

    test "what one pops, no other does", %{s: s} do
      Store.merge(s, for(i <- 1..3000, do: {i, i}))

      popped =
        together(4, fn n ->
          for i <- 1..3000 do
            if rem(n, 2) == 0,
              do: Store.pop(s, i),
              else: Store.get_and_update(s, i, fn _ -> :pop end)
          end
        end)

      assert popped |> Enum.concat() |> Enum.filter(& &1) |> Enum.sort() == Enum.to_list(1..3000)
      assert Store.count(s) == 0
    end

    test "pop beside update: no update is lost, none is popped twice", %{s: s} do
      sums =
        together(4, fn
          1 ->
            for(_ <- 1..3000, do: Store.get_and_update(s, :n, fn _ -> :pop end) || 0)
            |> Enum.sum()

          _ ->
            for(_ <- 1..3000, do: Store.update(s, :n, 1, &(&1 + 1))) && 0
        end)

      assert Enum.sum(sums) + Store.get(s, :n, 0) == 9000
    end

    test "of many who put a new value one does", %{s: s} do
      won =
        together(4, fn n ->
          for i <- 1..1000 do
            if rem(i, 2) == 0,
              do: Store.put_new(s, i, n),
              else: Store.put_new_lazy(s, i, fn -> n end)
          end
        end)

      for {i, wins} <- Enum.zip(1..1000, Enum.zip(won)) do
        assert wins |> Tuple.to_list() |> Enum.count(& &1) == 1
        assert elem(wins, Store.get(s, i) - 1)
      end
    end

    test "keys, values, drop, merge", %{s: s} do
      assert Store.merge(s, %{a: 1, b: 2}) == :ok
      assert Store.merge(s, c: 3) == :ok
      assert Store.merge(s, []) == :ok
      assert Enum.sort(Store.keys(s)) == [:a, :b, :c]
      assert Enum.sort(Store.values(s)) == [1, 2, 3]
      assert Store.drop(s, [:a, :none]) == :ok
      assert Enum.sort(Store.to_list(s)) == [b: 2, c: 3]
      assert_raise FunctionClauseError, fn -> Store.merge(s, [{:d, 4}, :no_pair]) end
      assert Store.count(s) == 2
      t = Store.new(:t, keypos: 2)
      Store.insert(t, [{1, :a}, {2, :b}])
      assert Enum.sort(Store.keys(t)) == [:a, :b]
    end

    test "functions on a deleted table", %{s: s} do
      Store.delete(s)

      for call <- [
            &Store.count/1,
            &Store.keys/1,
            &Store.values/1,
            &Enum.to_list(Store.stream(&1)),
            &Store.update(&1, :a, 1, fn n -> n end),
            &Store.pop(&1, :a),
            &Store.get_lazy(&1, :a, fn -> 1 end),
            &Store.remove(&1, {1})
          ] do
        assert_raise ArgumentError, fn -> call.(s) end
      end
    end
  end

  describe "remove" do
    test "deletes the very object", %{s: s} do
      for object <- [{1, 2}, {:a, {:b, 1}}, {"k", [1.5]}, {{:t, "k"}, 1, 2}, {1.0, %{}}, {2}] do
        Store.insert(s, object)
        refute Store.remove(s, List.to_tuple(Tuple.to_list(object) ++ [:more]))
        refute Store.remove(s, {elem(object, 0), :other})
        assert Store.lookup(s, elem(object, 0)) == [object]
        assert Store.remove(s, object)
        refute Store.remove(s, object)
      end

      large = {:large, Enum.to_list(1..20_000)}
      Store.insert(s, large)
      refute Store.remove(s, put_elem(large, 1, []))
      assert Store.remove(s, large)
      for bad <- [:none, {}, []], do: assert_raise(ArgumentError, fn -> Store.remove(s, bad) end)
    end
  end

  describe "streams and views" do
    test "a stream beside writers has each object that stays once", %{s: s} do
      stays = for i <- 1..3000, do: {{:stays, i}, i}
      Store.insert(s, stays)

      writer =
        Task.async(fn ->
          for(i <- 1..30_000, do: Store.put(s, i, i) && Store.delete(s, i - 50))
        end)

      for _ <- 1..10 do
        assert Enum.sort(for {{:stays, _}, _} = o <- Store.stream(s), do: o) == stays
      end

      Task.await(writer, :infinity)
    end

    test "a stream goes on with the table it began with, whoever has its name", %{} do
      name = Store.new(:"streamed_#{System.unique_integer([:positive])}", [:named_table])
      for i <- 1..5000, do: Store.put(name, i, i)

      seen =
        name
        |> Store.stream()
        |> Stream.with_index()
        |> Stream.map(fn {object, index} ->
          if index == 0 do
            Store.rename(name, :"#{name}_old")
            Store.new(name, [:named_table])
          end

          object
        end)
        |> Enum.count()

      assert seen == 5000
      assert Store.count(name) == 0
    end

    test "a stream of a match specification's results, and a bad one", %{s: s} do
      for i <- 1..3000, do: Store.put(s, i, rem(i, 10))
      spec = [{{:"$1", 3}, [{:>, :"$1", 2900}], [:"$1"]}]
      assert s |> Store.stream(spec) |> Enum.sort() == Enum.to_list(2903..2993//10)
      assert_raise ArgumentError, fn -> s |> Store.stream([:bad]) |> Enum.to_list() end
    end

    test "Enum and for over a view", %{s: s} do
      view = Store.view(s)
      assert %View{store: ^s} = view
      assert Enum.to_list(view) == []
      assert Enum.into([a: 1, b: 2], view) == view
      assert for({k, v} <- [c: 3], into: view, do: {k, v}) == view
      assert Enum.count(view) == 3
      assert {:a, 1} in view
      refute {:a, 2} in view
      refute {:x, 1} in view
      refute :a in view
      refute {} in view
      assert Enum.map(view, &elem(&1, 1)) |> Enum.sum() == 6
      assert view |> Enum.take(2) |> length() == 2
      assert view |> Enum.zip(1..3) |> length() == 3
      assert view |> Enum.sort() |> Enum.at(1) == {:b, 2}
      assert_raise ArgumentError, fn -> Enum.into([:no_object], view) end
    end

    test "inspect never shows the objects", %{s: s} do
      for i <- 1..1000, do: Store.put(s, i, :secret)
      assert inspect(Store.view(s)) == "#Offheap.Store<:map_test, :set, 1000 objects>"
      Store.delete(s)
      assert inspect(Store.view(s)) == "#Offheap.Store<deleted>"
    end
  end

  describe "a process that owns a table" do
    test "is supervised, and makes the table anew when it is started again" do
      name = :"owned_#{System.unique_integer([:positive])}"
      start_supervised!({Store, name: name, options: [keypos: 2]})
      owner = Store.info(name, :owner)
      assert {Store.info(name, :protection), Store.info(name, :keypos)} == {:public, 2}
      assert Store.insert(name, {1, :a})
      monitor = Process.monitor(owner)
      Process.exit(owner, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^owner, :killed}, 60_000
      await(fn -> Store.info(name, :owner) not in [owner, :undefined] end)
      assert Store.lookup(name, :a) == []
      stop_supervised!({Store, name})
      await(fn -> Store.whereis(name) == :undefined end)
    end

    test "passes its table to an heir, and keeps what it is given", %{s: s} do
      name = :"owned_#{System.unique_integer([:positive])}"
      start_supervised!({Store, name: name, options: [{:heir, self(), :data}]})
      owner = Store.info(name, :owner)
      Store.give_away(s, owner, :gift)
      Store.put(name, :a, 1)
      stop_supervised!({Store, name})
      assert_receive {:"ETS-TRANSFER", ^name, ^owner, :data}, 60_000
      assert Store.get(name, :a) == 1
    end

    test "does not start without a name, with a taken name or unknown options" do
      Process.flag(:trap_exit, true)
      assert_raise KeyError, fn -> Store.child_spec([]) end
      name = :"owned_#{System.unique_integer([:positive])}"
      Store.new(name, [:named_table])

      ExUnit.CaptureLog.capture_log(fn ->
        assert {:error, _} = Store.start_link(name: name)
        assert {:error, _} = Store.start_link(name: :other, protected: true)
        assert {:error, _} = Store.start_link([])
      end)
    end
  end

  # Runs the function in processes numbered from 1.
  defp together(count, fun) do
    1..count |> Enum.map(&Task.async(fn -> fun.(&1) end)) |> Task.await_many(:infinity)
  end

  defp await(condition), do: condition.() || (:erlang.yield() && await(condition))
end
