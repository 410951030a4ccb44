defmodule Offheap.StoreOwnerTest do
  @moduledoc "Names, owners, heirs and what info tells of them. What is said of both holds for ETS too."
  use ExUnit.Case, async: true

  # Names are one space for all tests of a module.
  defp name, do: :"table_#{System.unique_integer([:positive])}"

  for module <- [:ets, :offheap_store] do
    describe "#{inspect(module)}" do
      @describetag subject: module

      setup %{subject: m} do
        {:ok, name: name(), new: &m.new/2}
      end

      test "a named table goes by its name and by its reference", %{subject: m, name: n} do
        assert m.new(n, [:named_table, :public]) == n
        assert m.insert(n, {:a, 1}) == true
        tid = m.whereis(n)
        assert is_reference(tid)
        assert m.lookup(tid, :a) == [{:a, 1}]
        assert m.lookup(n, :a) == [{:a, 1}]
        assert m.info(n, :id) == tid
        assert m.info(tid, :name) == n
        assert m.info(tid, :named_table) == true
        assert n in m.all()
        assert m.delete(n) == true
        assert m.whereis(n) == :undefined
        assert m.info(n) == :undefined
        assert m.info(tid) == :undefined
        refute n in m.all()
        assert_raise ArgumentError, fn -> m.lookup(n, :a) end
        assert_raise ArgumentError, fn -> m.lookup(tid, :a) end
        assert_raise ArgumentError, fn -> m.delete(n) end
      end

      test "a name is free at once when its table is deleted", %{subject: m, name: n} do
        for i <- 1..200 do
          ^n = m.new(n, [:named_table])
          assert m.lookup(n, :a) == []
          m.insert(n, {:a, i})
          tid = m.whereis(n)
          m.delete(if rem(i, 2) == 0, do: n, else: tid)
          assert_raise ArgumentError, fn -> m.lookup(tid, :a) end
        end
      end

      test "a taken name is refused", %{subject: m, name: n} do
        m.new(n, [:named_table])
        m.insert(n, {:a, 1})
        assert_raise ArgumentError, fn -> m.new(n, [:named_table]) end
        t = m.new(n, [])
        assert is_reference(t)
        assert m.info(t, :name) == n
        assert m.lookup(n, :a) == [{:a, 1}]
        assert m.lookup(t, :a) == []
        assert m.info(t, :named_table) == false
      end

      test "rename", %{subject: m, name: n} do
        other = name()
        m.new(n, [:named_table])
        m.insert(n, {:a, 1})
        tid = m.whereis(n)
        assert m.rename(n, other) == other
        assert m.whereis(n) == :undefined
        assert m.whereis(other) == tid
        assert m.lookup(other, :a) == [{:a, 1}]
        assert_raise ArgumentError, fn -> m.lookup(n, :a) end
        assert m.rename(tid, n) == n
        assert m.lookup(n, :a) == [{:a, 1}]
        assert_raise ArgumentError, fn -> m.rename(n, n) end
        m.new(other, [:named_table])
        assert_raise ArgumentError, fn -> m.rename(n, other) end
        for bad <- ["text", 1, nil |> List.wrap()], do: assert_badarg(fn -> m.rename(n, bad) end)
        assert_raise ArgumentError, fn -> m.rename(name(), name()) end
        t = m.new(n, [])
        assert m.rename(t, :shown) == t
        assert m.info(t, :name) == :shown
        assert m.whereis(:shown) == :undefined
      end

      test "whereis and info of what is no table", %{subject: m, name: n} do
        assert m.whereis(n) == :undefined
        assert m.info(n) == :undefined
        assert m.info(n, :size) == :undefined
        assert m.info(n, :no_such_item) == :undefined
        for bad <- ["text", 1, {}, make_ref()], do: assert_badarg(fn -> m.info(bad) end)
        for bad <- ["text", 1, {}, make_ref()], do: assert_badarg(fn -> m.info(bad, :size) end)
        for bad <- ["text", 1, {}, make_ref()], do: assert_badarg(fn -> m.whereis(bad) end)
        t = m.new(n, [])
        for bad <- [:no_such_item, "size", 1], do: assert_badarg(fn -> m.info(t, bad) end)
      end

      test "info has ETS's items in ETS's order", %{subject: m, name: n} do
        t = m.new(n, [:public, keypos: 2, read_concurrency: true, write_concurrency: :auto])
        m.insert(t, [{:v, 1}, {:w, 2}])
        shown = Keyword.drop(m.info(t), [:id, :memory])

        assert shown == [
                 decentralized_counters: true,
                 read_concurrency: true,
                 write_concurrency: :auto,
                 compressed: false,
                 owner: self(),
                 heir: :none,
                 name: n,
                 size: 2,
                 node: node(),
                 named_table: false,
                 type: :set,
                 keypos: 2,
                 protection: :public
               ]

        assert m.info(t)[:id] == t
        assert is_integer(m.info(t)[:memory])
        assert m.info(t, :memory) == m.info(t)[:memory]
        for {item, value} <- shown, do: assert(m.info(t, item) == value)
      end

      test "the options that info shows", %{subject: m, name: n} do
        flags = [
          [],
          [read_concurrency: true],
          [write_concurrency: true],
          [write_concurrency: :auto],
          [write_concurrency: :auto, write_concurrency: false],
          [write_concurrency: :auto, write_concurrency: true],
          [write_concurrency: true, decentralized_counters: true],
          [write_concurrency: :auto, decentralized_counters: false],
          [decentralized_counters: true],
          [:compressed]
        ]

        for protection <- [[], [:public], [:protected], [:private], [:private, :protected]],
            flags <- flags do
          expected = :ets.new(n, protection ++ flags)
          actual = m.new(n, protection ++ flags)

          for item <- [
                :read_concurrency,
                :write_concurrency,
                :decentralized_counters,
                :compressed,
                :protection
              ] do
            assert {flags, item, m.info(actual, item)} == {flags, item, :ets.info(expected, item)}
          end
        end
      end

      test "give_away: the message, the owner, the rights", %{subject: m, name: n} do
        t = m.new(n, [:private])
        m.insert(t, {:a, 1})
        test = self()

        other =
          start(fn ->
            assert_receive {:"ETS-TRANSFER", t, ^test, gift}, 60_000
            send(test, {:got, gift, m.lookup(t, :a), m.info(t, :owner)})
            receive do: (:give_back -> m.give_away(t, test, :back))
            receive do: (:end -> :ok)
          end)

        assert m.give_away(t, other, %{some: ["data"]}) == true
        assert_receive {:got, %{some: ["data"]}, [{:a, 1}], ^other}, 60_000
        assert_raise ArgumentError, fn -> m.lookup(t, :a) end
        assert_raise ArgumentError, fn -> m.give_away(t, self(), :gift) end
        assert m.info(t, :owner) == other
        send(other, :give_back)
        assert_receive {:"ETS-TRANSFER", ^t, ^other, :back}, 60_000
        assert m.lookup(t, :a) == [{:a, 1}]
        finish(other)
        assert m.lookup(t, :a) == [{:a, 1}]
      end

      test "what give_away refuses", %{subject: m, name: n} do
        t = m.new(n, [:public])
        dead = start(fn -> :ok end)
        await_end(dead)

        for bad <- [dead, self(), :name, "text", 1],
            do: assert_badarg(fn -> m.give_away(t, bad, 1) end)

        assert m.info(t, :owner) == self()
        # Not even the public may give away what is not its own.
        outcome =
          Task.await(Task.async(fn -> outcome(fn -> m.give_away(t, self(), 1) end) end), 60_000)

        assert outcome == {:error, :badarg}
        refute_received {:"ETS-TRANSFER", _, _, _}
      end

      test "a named table is given away by its name", %{subject: m, name: n} do
        m.new(n, [:named_table])
        test = self()

        owner =
          start(fn -> receive do: ({:"ETS-TRANSFER", t, ^test, 1} -> send(test, {:got, t})) end)

        m.give_away(n, owner, 1)
        assert_receive {:got, ^n}, 60_000
        await_end(owner)
        await(fn -> m.whereis(n) == :undefined end)
      end

      test "the heir inherits, with the data that were given", %{subject: m, name: n} do
        test = self()
        data = %{why: ["because", make_ref()], large: List.duplicate(:x, 1000)}

        owner =
          start(fn ->
            t = m.new(n, [:protected, {:heir, test, data}])
            m.insert(t, {:a, 1})
            send(test, {:table, t, m.info(t, :heir)})
            receive do: (:end -> :ok)
          end)

        assert_receive {:table, t, ^test}, 60_000
        assert_raise ArgumentError, fn -> m.insert(t, {:b, 1}) end
        finish(owner)
        assert_receive {:"ETS-TRANSFER", ^t, ^owner, ^data}, 60_000
        assert m.info(t, :owner) == self()
        assert m.info(t, :heir) == self()
        assert m.insert(t, {:b, 1}) == true
        assert m.lookup(t, :a) == [{:a, 1}]
      end

      test "the heir of a named table", %{subject: m, name: n} do
        test = self()

        owner =
          start(fn ->
            m.new(n, [:named_table, {:heir, test, :data}])
            send(test, :made)
            receive do: (:end -> :ok)
          end)

        assert_receive :made, 60_000
        finish(owner)
        assert_receive {:"ETS-TRANSFER", ^n, ^owner, :data}, 60_000
        assert m.insert(n, {1}) == true
      end

      test "without a living heir the table goes with its owner", %{subject: m, name: n} do
        test = self()
        dead = start(fn -> :ok end)
        await_end(dead)
        later = start(fn -> receive do: (:end -> :ok) end)

        for heir <- [:none, dead, :self, later] do
          owner =
            start(fn ->
              t = m.new(n, [:named_table | heir_option(heir)])
              send(test, {:table, m.whereis(t), m.info(t, :heir)})
              receive do: (:end -> :ok)
            end)

          assert_receive {:table, t, shown}, 60_000

          case heir do
            :self -> assert shown == owner
            ^later -> assert shown == later
            _ -> assert shown == :none
          end

          if heir == later, do: finish(later)
          finish(owner)
          await(fn -> m.info(t) == :undefined end)
          await(fn -> m.whereis(n) == :undefined end)
        end

        refute_received {:"ETS-TRANSFER", _, _, _}
      end

      test "setopts changes heir and protection", %{subject: m, name: n} do
        t = m.new(n, [:public])
        other = start(fn -> receive do: (:end -> :ok) end)
        assert m.setopts(t, {:heir, other, :data}) == true
        assert m.info(t, :heir) == other
        assert m.setopts(t, heir: :none) == true
        assert m.info(t, :heir) == :none
        assert m.setopts(t, []) == true
        assert m.setopts(t, [{:protection, :private}, {:heir, self(), 1}]) == true
        assert {m.info(t, :protection), m.info(t, :heir)} == {:private, self()}

        for bad <- [
              [:private],
              {:protection, :nobody},
              {:heir, :name, 1},
              [heir: :none, heir: :none],
              [protection: :public, protection: :public],
              {:keypos, 2},
              :private,
              [{:heir, :none} | :tail],
              1
              | heir_without_data(m, [{:heir, other}])
            ] do
          assert_badarg(fn -> m.setopts(t, bad) end)
          assert {m.info(t, :protection), m.info(t, :heir)} == {:private, self()}
        end

        m.setopts(t, {:protection, :public})

        outcome =
          Task.await(Task.async(fn -> outcome(fn -> m.setopts(t, heir: :none) end) end), 60_000)

        assert outcome == {:error, :badarg}
        finish(other)
      end

      test "a chain of heirs", %{subject: m, name: n} do
        test = self()

        heirs =
          for i <- 1..5 do
            start(fn ->
              receive do
                {:"ETS-TRANSFER", t, from, i} ->
                  receive do: ({:next, heir} -> m.setopts(t, {:heir, heir, i + 1}))
                  send(test, {:inherited, i, from})
                  receive do: (:end -> :ok)
              after
                60_000 -> flunk("heir #{i} waits")
              end
            end)
          end

        first =
          start(fn ->
            t = m.new(n, [{:heir, hd(heirs), 1}])
            m.insert(t, {:a, 1})
            send(test, {:table, t})
            receive do: (:end -> :ok)
          end)

        assert_receive {:table, t}, 60_000

        last =
          for {heir, next} <- Enum.zip(heirs, tl(heirs) ++ [self()]), reduce: first do
            owner ->
              finish(owner)
              send(heir, {:next, next})
              assert_receive {:inherited, _, ^owner}, 60_000
              heir
          end

        finish(last)
        assert_receive {:"ETS-TRANSFER", ^t, ^last, 6}, 60_000
        assert m.lookup(t, :a) == [{:a, 1}]
      end

      test "options that new refuses", %{subject: m, name: n} do
        for bad <- [
              [:named],
              [{:heir, :name, 1}],
              [{:heir, "pid", 1}],
              [{:heir, :none, 1}],
              [write_concurrency: :yes],
              [read_concurrency: :auto],
              [decentralized_counters: :auto],
              [compressed: true],
              [:named_table | :tail]
              | heir_without_data(m, [[{:heir, self()}]])
            ] do
          assert_badarg(fn -> m.new(n, bad) end)
        end

        assert m.whereis(n) == :undefined
        assert_badarg(fn -> m.new("name", [:named_table]) end)
      end

      test "errors say which argument is wrong", %{subject: m, name: n} do
        t = m.new(n, [:public, :named_table])
        m.insert(t, {:a, :value})
        gone = m.new(:gone, [])
        m.delete(gone)
        dead = start(fn -> :ok end)
        await_end(dead)

        calls = [
          {:lookup, [name(), 1], [1]},
          {:lookup, [gone, 1], [1]},
          {:lookup, [make_ref(), 1], [1]},
          {:lookup, ["table", 1], [1]},
          {:insert, [t, :no_tuple], [2]},
          {:insert, [t, [{1}, :no_tuple]], [2]},
          {:insert, [t, {}], [2]},
          {:insert_new, [t, :no_tuple], [2]},
          {:lookup_element, [t, :b, 2], [2]},
          {:lookup_element, [t, :a, 0], [3]},
          {:lookup_element, [t, :a, 3], [3]},
          {:update_counter, [t, :b, 1], [2]},
          {:update_counter, [t, :a, 1], [3]},
          {:update_counter, [t, :a, {1, 1}], [3]},
          {:update_counter, [t, :a, {3, 1}], [3]},
          {:update_counter, [t, :a, :one], [3]},
          {:update_counter, [t, :a, 1, :default], [4]},
          {:give_away, [t, self(), 1], [2]},
          {:give_away, [t, dead, 1], [2]},
          {:give_away, [t, :name, 1], [2]},
          {:new, [n, [:named_table]], [1]},
          {:new, [:n, [:bad_option]], [2]},
          {:new, ["name", []], [1]},
          {:rename, [t, t], [2]},
          {:rename, [t, 1], [2]},
          {:rename, [name(), :x], [1]},
          {:whereis, [1], [1]},
          {:info, [1], [1]},
          {:info, [t, :bad_item], [2]},
          {:setopts, [t, :bad], [2]},
          {:delete, [gone], [1]},
          {:take, [gone, 1], [1]},
          {:member, [gone, 1], [1]}
        ]

        for {function, args, wrong} <- calls do
          told = told(m, function, args)
          assert {function, args, Map.keys(told)} == {function, args, wrong}
          # In the words of this OTP's ETS, where the arguments mean the same there.
          if m == :offheap_store and not Enum.any?(args, &(&1 in [t, gone, n])) do
            assert told == told(:ets, function, args)
          end
        end
      end

      test "an error about rights says so", %{subject: m, name: n} do
        t = m.new(n, [:private])
        p = m.new(n, [])

        for {table, function, args} <- [
              {t, :lookup, [1]},
              {t, :insert, [{1}]},
              {t, :delete, []},
              {p, :insert, [{1}]},
              {p, :give_away, [self(), 1]},
              {p, :setopts, [[]]}
            ] do
          told = Task.await(Task.async(fn -> told(m, function, [table | args]) end), 60_000)
          assert %{1 => text} = told
          assert text =~ "insufficient access rights"
        end
      end

      test "owners die while they give away, others read and write", %{subject: m} do
        for round <- 1..100 do
          n = name()
          test = self()

          {owner, monitor} =
            spawn_monitor(fn ->
              m.new(n, [:named_table, :public, {:heir, test, :heir}])
              send(test, :made)
              receive do: ({:to, pid} -> outcome(fn -> m.give_away(n, pid, :gift) end))
            end)

          assert_receive :made, 60_000
          {receiver, monitor2} = spawn_monitor(fn -> receive do: (:never -> :ok) end)

          worker =
            Task.async(fn ->
              outcome(fn ->
                for i <- Stream.cycle(1..100) do
                  m.insert(n, {i, i})
                  if i == 1, do: send(test, :works)
                  m.lookup(n, i)
                end
              end)
            end)

          assert_receive :works, 60_000
          send(owner, {:to, receiver})
          if rem(round, 2) == 0, do: Process.exit(owner, :kill)
          Process.exit(receiver, :kill)
          assert_receive {:DOWN, ^monitor, _, _, _}, 60_000
          assert_receive {:DOWN, ^monitor2, _, _, _}, 60_000
          # Whoever had it last, it comes here.
          assert_receive {:"ETS-TRANSFER", ^n, from, :heir}, 60_000
          assert from in [owner, receiver]
          assert m.info(n, :owner) == self()
          m.delete(n)
          assert Task.await(worker, 60_000) == {:error, :badarg}
          refute_received {:"ETS-TRANSFER", _, _, _}
        end
      end

      test "owner and heir die together: the table goes", %{subject: m} do
        for _ <- 1..200 do
          n = name()
          test = self()
          {heir, monitor} = spawn_monitor(fn -> receive do: (:never -> :ok) end)

          {owner, monitor2} =
            spawn_monitor(fn ->
              m.new(n, [:named_table, {:heir, heir, :data}])
              send(test, :made)
              receive do: (:never -> :ok)
            end)

          assert_receive :made, 60_000
          for pid <- Enum.shuffle([owner, heir]), do: Process.exit(pid, :kill)
          assert_receive {:DOWN, ^monitor, _, _, _}, 60_000
          assert_receive {:DOWN, ^monitor2, _, _, _}, 60_000
          await(fn -> m.whereis(n) == :undefined end)
        end
      end

      test "a name that comes and goes while others read by it", %{subject: m, name: n} do
        test = self()
        other = name()

        readers =
          for _ <- 1..3 do
            Task.async(fn ->
              send(test, :reads)

              read = fn read, seen ->
                receive do
                  :stop -> seen
                after
                  0 ->
                    case outcome(fn -> m.lookup(Enum.random([n, other]), :round) end) do
                      {:value, [{:round, round}]} -> read.(read, max(seen, round))
                      # Deleted, or made and not yet filled.
                      {:value, []} -> read.(read, seen)
                      {:error, :badarg} -> read.(read, seen)
                    end
                end
              end

              read.(read, 0)
            end)
          end

        for _ <- readers, do: assert_receive(:reads, 60_000)

        for round <- 1..5000 do
          m.new(n, [:named_table])
          m.insert(n, {:round, round})
          if rem(round, 3) == 0, do: m.rename(n, other)
          m.delete(if rem(round, 3) == 0, do: other, else: n)
        end

        for reader <- readers, do: send(reader.pid, :stop)
        for reader <- readers, do: assert(Task.await(reader, 60_000) <= 5000)
      end

      test "one of many takes a name", %{subject: m, name: n} do
        for _ <- 1..50 do
          made =
            for _ <- 1..4 do
              Task.async(fn ->
                made = outcome(fn -> m.new(n, [:named_table, :public]) end)
                receive do: (:end -> made)
              end)
            end

          await(fn -> m.whereis(n) != :undefined end)
          for task <- made, do: send(task.pid, :end)
          outcomes = Task.await_many(made, 60_000)
          assert {:value, n} in outcomes
          await(fn -> m.whereis(n) == :undefined end)
        end
      end
    end
  end

  describe "beyond ETS" do
    test "a named table lives without any reference, a table without a name does not" do
      n = name()
      test = self()

      owner =
        start(fn ->
          :offheap_store.new(n, [:named_table, :public])
          :offheap_store.insert(n, for(i <- 1..1000, do: {i, [i]}))
          :erlang.garbage_collect()
          send(test, :made)
          receive do: (:end -> :ok)
        end)

      assert_receive :made, 60_000
      assert length(:offheap_store.tab2list(n)) == 1000
      assert :offheap_store.info(n, :size) == 1000
      finish(owner)
      await(fn -> :offheap_store.info(n) == :undefined end)
    end

    test "an atom that is no table's name is as good as a deleted table" do
      for {function, args} <- [lookup: [1], insert: [{1}], tab2list: [], update_counter: [1, 1]] do
        assert_badarg(fn -> apply(:offheap_store, function, [name() | args]) end)
      end

      assert_badarg(fn -> :offheap_store.scan(name(), :start) end)
    end

    test "functions that ETS has not say what is wrong, too" do
      t = :offheap_store.new(:t, keypos: 2)
      u = :offheap_store.new(:u, [])
      :offheap_store.insert(u, {:a, 1, 2})
      assert %{1 => _} = told(:offheap_store, :put, [t, 1, 1])
      assert %{1 => _} = told(:offheap_store, :put, [name(), 1, 1])
      assert %{2 => _} = told(:offheap_store, :get, [u, :a, 1])
      assert %{2 => _} = told(:offheap_store, :fetch, [u, :a])
      assert %{1 => _} = told(:offheap_store, :fetch, [:"no table", :a])
      assert %{general: _} = told(:offheap_store, :replace, [u, {1}, {2}])
      assert %{2 => _} = told(:offheap_store, :remove, [u, :a])
      assert %{2 => _} = told(:offheap_store, :scan, [u, -1])
    end

    test "Elixir's exception shows it" do
      error = assert_raise(ArgumentError, fn -> Offheap.Store.lookup(:no_such_table, 1) end)
      assert Exception.message(error) =~ "1st argument"
    end

    test "scan gives each object once, and can be given up" do
      t = :offheap_store.new(:t, [])
      for i <- 1..10_000, do: :offheap_store.insert(t, {i, i})
      {some, position} = :offheap_store.scan(t, :start)
      assert some != [] and position != :done
      assert t |> scan_all(:start) |> Enum.sort() == for(i <- 1..10_000, do: {i, i})
    end
  end

  # --- Helpers ---

  defp scan_all(_t, :done), do: []

  defp scan_all(t, position) do
    {objects, next} = :offheap_store.scan(t, position)
    objects ++ scan_all(t, next)
  end

  defp heir_option(:none), do: []
  defp heir_option(:self), do: [{:heir, self(), 1}]
  defp heir_option(pid), do: [{:heir, pid, 1}]

  defp start(fun), do: spawn(fun)

  # Lets a process end that waits for it, and waits.
  defp finish(pid) do
    send(pid, :end)
    await_end(pid)
  end

  defp await_end(pid) do
    monitor = Process.monitor(pid)
    assert_receive {:DOWN, ^monitor, :process, ^pid, _}, 60_000
  end

  defp await(condition), do: condition.() || (:erlang.yield() && await(condition))

  # ETS takes an heir without data from OTP 28 on.
  defp heir_without_data(:ets, bad),
    do: if(List.to_integer(:erlang.system_info(:otp_release)) < 28, do: bad, else: [])

  defp heir_without_data(_, bad), do: bad

  defp assert_badarg(fun), do: assert(outcome(fun) == {:error, :badarg})

  defp outcome(fun) do
    {:value, fun.()}
  catch
    class, reason -> {class, reason}
  end

  # What is told of the error that a call raises: texts by the argument's place.
  defp told(module, function, args) do
    apply(module, function, args)
    flunk("#{function} raised nothing for #{inspect(args)}")
  catch
    :error, :badarg ->
      [{m, ^function, _, info} | _] = __STACKTRACE__
      default = if m == :ets, do: :erl_stdlib_errors, else: m
      teller = info |> Keyword.get(:error_info, %{}) |> Map.get(:module, default)

      teller.format_error(:badarg, __STACKTRACE__)
      |> Map.reject(fn {_, text} -> text in ["", []] end)
  end
end
