defmodule Offheap.StoreFilesTest do
  @moduledoc "Tables from and to files, dets tables, functions and queries, beside ETS's."
  use ExUnit.Case, async: true

  import ExUnit.CaptureIO

  setup do
    dir = Path.join(System.tmp_dir!(), "offheap_store_#{System.pid()}_#{unique()}")
    File.mkdir_p!(dir)
    on_exit(fn -> File.rm_rf!(dir) end)
    {:ok, dir: dir, path: String.to_charlist(Path.join(dir, "table"))}
  end

  defp unique, do: System.unique_integer([:positive])

  defp objects(count), do: for(i <- 1..count//1, do: {i, {:value, i}, "text #{i}"})

  defp filled(module, options \\ [], count \\ 1000) do
    t = module.new(:filled, options)
    module.insert(t, objects(count))
    t
  end

  # --- Files ---

  for {writer, reader} <- [
        {:ets, :offheap_store},
        {:offheap_store, :ets},
        {:offheap_store, :offheap_store}
      ],
      extended <- [
        [],
        [:object_count],
        [:md5sum],
        [:object_count, :md5sum],
        [:md5sum, :object_count]
      ] do
    test "#{writer} writes with #{inspect(extended)}, #{reader} reads", %{path: file} do
      writer = unquote(writer)
      reader = unquote(reader)
      t = filled(writer, [:public, read_concurrency: true])
      options = [{:extended_info, unquote(extended)}, {:sync, true}]
      assert writer.tab2file(t, file, options) == :ok

      for verify <- [true, false] do
        # ETS looks for the version under another name when it verifies, and finds none.
        assert {:ok, read} = reader.file2tab(file, verify: verify)
        assert Enum.sort(reader.tab2list(read)) == objects(1000)

        for item <- [:name, :type, :protection, :keypos, :named_table, :read_concurrency, :size] do
          assert reader.info(read, item) == writer.info(t, item)
        end

        reader.delete(read)
      end

      assert {:ok, info} = reader.tabfile_info(file)
      assert info == elem(writer.tabfile_info(file), 1)
      assert info[:size] == 1000
      assert Enum.sort(info[:extended_info]) == Enum.sort(unquote(extended))
    end
  end

  for module <- [:ets, :offheap_store] do
    describe "#{inspect(module)}" do
      @describetag subject: module

      test "a named table comes back by its name", %{subject: m, path: file} do
        n = :"named_#{m}_#{unique()}"
        m.new(n, [:named_table, :private, keypos: 2, write_concurrency: :auto])
        m.insert(n, {1, :a})
        assert m.tab2file(n, file) == :ok
        assert m.file2tab(file) == {:error, :cannot_create_table}
        m.delete(n)
        assert m.file2tab(file) == {:ok, n}
        assert m.lookup(n, :a) == [{1, :a}]
        assert {m.info(n, :keypos), m.info(n, :protection)} == {2, :private}
      end

      test "an empty table", %{subject: m, path: file} do
        assert m.tab2file(m.new(:empty, []), file, extended_info: [:md5sum, :object_count]) == :ok
        assert {:ok, t} = m.file2tab(file, verify: true)
        assert m.tab2list(t) == []
      end

      test "bad options, tables and files", %{subject: m, path: file, dir: dir} do
        t = filled(m, [], 10)
        assert m.tab2file(t, file, [:sync]) == {:error, {:unknown_option, :sync}}

        assert m.tab2file(t, file, [{:sync, true} | :tail]) ==
                 {:error, {:malformed_option, :tail}}

        assert m.tab2file(t, file, extended_info: [:size]) ==
                 {:error, {:unknown_option, [extended_info: [:size]]}}

        assert m.tab2file(t, file, extended_info: :md5sum) ==
                 {:error, {:malformed_option, :md5sum}}

        assert m.tab2file(:no_such_table, file) == {:error, :badtab}
        refute File.exists?(file)
        assert m.tab2file(t, String.to_charlist(dir)) == {:error, :eaccess}
        assert {:error, {:file_error, _, :enoent}} = m.tab2file(t, file ++ ~c"/none/there")
        assert {:error, {:read_error, {:file_error, ^file, :enoent}}} = m.file2tab(file)
        assert {:error, {:read_error, {:file_error, ^file, :enoent}}} = m.tabfile_info(file)
        assert m.file2tab(file, [:verify]) == {:error, {:unknown_option, :verify}}
        assert m.file2tab(file, :verify) == {:error, {:malformed_option, :verify}}
        File.write!(file, "no log")
        assert {:error, {:read_error, {:not_a_log_file, ^file}}} = m.file2tab(file)
      end

      test "a file that was cut or changed is found out", %{subject: m, path: file} do
        t = filled(m)

        for extended <- [[:object_count], [:md5sum]] do
          m.tab2file(t, file, extended_info: extended)
          bytes = File.read!(file)
          place = div(byte_size(bytes), 2)
          File.write!(file, binary_part(bytes, 0, place))
          assert {:error, _} = m.file2tab(file, verify: true)
          <<before::binary-size(place), byte, rest::binary>> = bytes
          File.write!(file, [before, Bitwise.bxor(byte, 1), rest])
          if extended == [:md5sum], do: assert({:error, _} = m.file2tab(file, verify: true))
        end

        m.tab2file(t, file, extended_info: [])
        log = make_ref()
        {:ok, ^log} = :disk_log.open(name: log, file: file)
        :disk_log.log(log, {:more, 1})
        :disk_log.close(log)
        assert m.file2tab(file, verify: true) == {:error, :invalid_object_count}
        assert {:ok, t} = m.file2tab(file, verify: false)
        assert m.info(t, :size) == 1001
      end

      # --- Dets, functions ---

      test "from and to dets", %{subject: m, path: file} do
        {:ok, dets} = :dets.open_file(make_ref(), file: file, type: :set)
        t = filled(m, [], 500)
        :dets.insert(dets, {:old, 1})
        assert m.to_dets(t, dets) == dets
        assert Enum.sort(:dets.match_object(dets, :_)) == objects(500)
        u = m.new(:u, [])
        m.insert(u, [{:mine, 1}, {1, :mine}])
        assert m.from_dets(u, dets) == true
        assert Enum.sort(m.tab2list(u)) == Enum.sort([{:mine, 1} | objects(500)])
        :dets.delete_all_objects(dets)
        assert m.from_dets(u, dets) == true
        assert m.info(u, :size) == 501
        :dets.close(dets)
        assert_raise ArgumentError, fn -> m.from_dets(u, dets) end
        assert_raise ArgumentError, fn -> m.to_dets(u, dets) end
      end

      test "init_table", %{subject: m} do
        t = filled(m, [], 2000)
        assert m.init_table(t, reader([[{:a, 1}], [], [{:b, 1}, {:c, 1}]])) == true
        assert Enum.sort(m.tab2list(t)) == [a: 1, b: 1, c: 1]
        assert catch_exit(m.init_table(t, fn :read -> :broken end)) == :broken
        assert m.info(t, :size) == 0
        test = self()

        broken = fn
          :read -> {[:no_tuple], fn :close -> send(test, :closed) end}
        end

        assert {:badarg, _} = catch_exit(m.init_table(t, broken))
        assert_received :closed
      end

      # --- Queries ---

      test "queries", %{subject: m} do
        for options <- [
              [],
              [n_objects: 10],
              [traverse: :select, n_objects: :default],
              [traverse: :first_next],
              [traverse: :last_prev],
              [traverse: {:select, [{:"$1", [], [:"$1"]}]}]
            ] do
          t = filled(m, [], 3000)
          assert Enum.sort(query("[X || X <- H].", m.table(t, options))) == objects(3000)
          assert query("[V || {7, V, _} <- H].", m.table(t, options)) == [{:value, 7}]

          keys = query("[K || {K, _, _} <- H, K > 2990].", m.table(t, options))
          assert Enum.sort(keys) == Enum.to_list(2991..3000)

          two = query("[V || {K, V, _} <- H, (K =:= 3) or (K =:= 5)].", m.table(t, options))
          assert Enum.sort(two) == [{:value, 3}, {:value, 5}]
        end
      end

      test "a query over two tables, and what it shows of itself", %{subject: m} do
        t = filled(m, [], 100)
        u = m.new(:u, [])
        m.insert(u, for(i <- 1..100, rem(i, 7) == 0, do: {i, :seventh}))
        bindings = [H: m.table(t), G: m.table(u)]

        joined = qlc("[{K, V} || {K, V, _} <- H, {J, seventh} <- G, K =:= J].", bindings)

        assert Enum.sort(:qlc.eval(joined)) == for(i <- 1..14, do: {i * 7, {:value, i * 7}})
        looks_up = qlc("[V || {7, V, _} <- H].", bindings)
        assert :qlc.info(looks_up) |> to_string() =~ "#{m}:lookup"
        walks = qlc("[V || {K, V, _} <- H, K > 7].", bindings)
        assert :qlc.info(walks) |> to_string() =~ "#{m}:table"
      end

      test "bad arguments of a query's table", %{subject: m} do
        t = filled(m, [], 1)

        for bad <- [[traverse: :sideways], [n_objects: 0], [n_objects: :many], {:traverse, 1}] do
          assert_raise ArgumentError, fn -> m.table(t, bad) end
        end
      end
    end
  end

  test "looking by hand" do
    n = :looked_at
    :offheap_store.new(n, [:named_table])
    :offheap_store.insert(n, objects(50))
    assert capture_io(fn -> :offheap_store.i() end) =~ ~r/looked_at +set +50 +\d+ +<0/
    page = capture_io("q\n", fn -> :offheap_store.i(n) end)
    assert page =~ "{value,"
    assert length(Regex.scan(~r/text \d+/, page)) == 39
    both = capture_io("c\n", fn -> :offheap_store.i(n, 40) end)
    assert length(Regex.scan(~r/text \d+/, both)) == 50
    narrow = capture_io(fn -> :offheap_store.i(n, 100, 10) end)
    assert narrow |> String.split("\n") |> Enum.all?(&(String.length(&1) <= 10))
    assert_raise ArgumentError, fn -> :offheap_store.i(:no_such_table) end
  end

  # A function as init_table wants it, that gives one list after the other.
  defp reader([]), do: fn _ -> :end_of_input end
  defp reader([list | lists]), do: fn :read -> {list, reader(lists)} end

  defp query(text, handle), do: :qlc.eval(qlc(text, H: handle))

  defp qlc(text, bindings) do
    :qlc.string_to_handle(String.to_charlist(text), [], bindings)
  end
end
