defmodule Offheap.FileTest do
  use ExUnit.Case, async: true

  alias Offheap.{Buffer, Pool}

  doctest Offheap.File

  @bytes 3_000_000
  @modes [[], [:inline], [:dirty]]

  setup do
    path = Path.join(System.tmp_dir!(), "offheap_file_#{System.unique_integer([:positive])}")
    bytes = :crypto.strong_rand_bytes(@bytes)
    File.write!(path, bytes)
    on_exit(fn -> File.rm_rf!(path) end)
    %{path: path, bytes: bytes, pool: Pool.new()}
  end

  setup_all do
    on_exit(fn ->
      for name <- ["offheap_file_doc", "offheap_file_doc_v"],
          do: File.rm(Path.join(System.tmp_dir!(), name))
    end)
  end

  defp open(path, modes \\ [:read]) do
    {:ok, file} = Offheap.File.open(path, modes)
    file
  end

  defp lease(pool, size, data \\ "") do
    {:ok, buffer} = Buffer.lease(pool, size, data)
    buffer
  end

  # Every call that takes a file, with arguments that fit a buffer holding "content".
  defp file_calls(buffer) do
    [
      size: &Offheap.File.size/1,
      truncate: &Offheap.File.truncate(&1, 1_000_000),
      sync: &Offheap.File.sync/1,
      datasync: &Offheap.File.datasync/1,
      pread: &Offheap.File.pread(&1, 0, buffer, 0, 1),
      pread_inline: &Offheap.File.pread(&1, 0, buffer, 0, 1, [:inline]),
      pread_dirty: &Offheap.File.pread(&1, 0, buffer, 0, 1, [:dirty]),
      readv: &Offheap.File.readv(&1, 0, [{buffer, 0, 1}]),
      pwrite: &Offheap.File.pwrite(&1, 0, buffer, 0, 1),
      pwrite_inline: &Offheap.File.pwrite(&1, 0, buffer, 0, 1, [:inline]),
      pwrite_data: &Offheap.File.pwrite(&1, 0, "x"),
      writev: &Offheap.File.writev(&1, 0, ["x", buffer], [:inline])
    ]
  end

  describe "opening" do
    test "does what :file.open does, for every combination of modes", %{path: path} do
      for there? <- [true, false],
          modes <- combinations([:read, :write, :append, :exclusive, :sync]) do
        prepare = fn -> if there?, do: File.write!(path, "there"), else: File.rm(path) end
        prepare.()
        expected = outcome(:file.open(path, [:raw, :binary | modes]), &:file.close/1, path)
        prepare.()

        assert {modes, outcome(Offheap.File.open(path, modes), &Offheap.File.close/1, path)} ==
                 {modes, expected}
      end
    end

    defp combinations([]), do: [[]]
    defp combinations([m | rest]), do: for(c <- combinations(rest), l <- [c, [m | c]], do: l)

    defp outcome({:ok, file}, close, path) do
      :ok = close.(file)
      {:ok, File.read(path)}
    end

    defp outcome(error, _close, path), do: {error, File.read(path)}

    test "refuses what is no regular file, as :file.open says it", %{path: path} do
      for modes <- [[:read], [:write], [:read, :write], [:append], [:exclusive]] do
        for wrong <- [System.tmp_dir!(), path <> "/below", path <> ".no/below"] do
          expected = if modes == [:exclusive] and wrong == System.tmp_dir!(), do: :eexist
          expected = expected || elem(:file.open(wrong, modes), 1)
          assert Offheap.File.open(wrong, modes) == {:error, expected}
        end
      end

      assert Offheap.File.open("/dev/null") == {:error, :einval}
      assert Offheap.File.open("/dev/full", [:write]) == {:error, :einval}
      assert Offheap.File.open(path <> ".missing") == {:error, :enoent}
      assert Offheap.File.open(String.duplicate("x", 5000)) == {:error, :enametoolong}
      assert_raise ArgumentError, fn -> Offheap.File.open("with\0nul") end
    end

    test "does not wait for a pipe's other end", %{path: path} do
      File.rm!(path)
      {_, 0} = System.cmd("mkfifo", [path])

      for modes <- [[:read], [:write], [:read, :write], [:append]],
          do: assert(Offheap.File.open(path, modes) == {:error, :einval})
    end

    test "takes a path as a binary or characters, and no others", %{path: path} do
      assert {:ok, _} = Offheap.File.open(String.to_charlist(path))
      assert {:ok, _} = :offheap_file.open(String.to_charlist(path))
      assert {:ok, _} = :offheap_file.open([path])

      for wrong <- [:path, 1, nil, %{}],
          do: assert_raise(ArgumentError, fn -> :offheap_nif.file_open(wrong, [:read]) end)
    end

    test "refuses unknown modes", %{path: path} do
      for modes <- [[:fast], [:read, :raw], :read, nil, [:read | :write], [1]],
          do: assert_raise(ArgumentError, fn -> Offheap.File.open(path, modes) end)
    end
  end

  describe "pread" do
    for opts <- @modes do
      test "reads at any place, options #{inspect(opts)}", context do
        %{pool: pool, bytes: bytes, path: path} = context
        file = open(path)
        opts = unquote(opts)

        for length <- [1, 511, 65_536, 1_048_576, 1_048_577, 3_000_000] do
          buffer = lease(pool, 3_000_000 + 10, "head")
          assert Offheap.File.pread(file, 0, buffer, :append, length, opts) == {:ok, length}
          assert Buffer.read(buffer) == "head" <> binary_part(bytes, 0, length)
          Buffer.release(buffer)
        end

        buffer = lease(pool, 1000)
        assert Offheap.File.pread(file, 2_999_990, buffer, 10, 20, opts) == {:ok, 10}
        assert Buffer.read(buffer) == <<0::80>> <> binary_part(bytes, 2_999_990, 10)
        assert Offheap.File.pread(file, 5, buffer, 0, 3, opts) == {:ok, 3}
        assert Buffer.size(buffer) == 20
        assert Offheap.File.pread(file, 3_000_000, buffer, 100, 20, opts) == :eof
        assert Offheap.File.pread(file, 2 ** 40, buffer, 100, 20, opts) == :eof
        assert Buffer.size(buffer) == 20
        assert Offheap.File.pread(file, 0, buffer, 0, 0, opts) == {:ok, 0}
        assert Offheap.File.pread(file, 0, buffer, 0, 2000, opts) == {:error, :enospc}
        assert Offheap.File.pread(file, 0, buffer, 2 ** 60, 1, opts) == {:error, :enospc}
        assert Offheap.File.pread(file, 2 ** 63, buffer, 0, 1, opts) == {:error, :einval}

        for {offset, at, length} <- [
              {-1, 0, 1},
              {0, -1, 1},
              {0, 0, -1},
              {:end, 0, 1},
              {0, 2 ** 64, 1}
            ] do
          assert_raise ArgumentError, fn ->
            Offheap.File.pread(file, at, buffer, offset, length, opts)
          end
        end

        Buffer.freeze(buffer)
        assert Offheap.File.pread(file, 0, buffer, 0, 1, opts) == {:error, :frozen}
      end
    end
  end

  describe "readv" do
    for opts <- @modes do
      test "scatters one range over many, options #{inspect(opts)}", context do
        %{pool: pool, bytes: bytes, path: path} = context
        file = open(path)
        opts = unquote(opts)
        [a, b] = [lease(pool, 1000, "0123456789"), lease(pool, 2_000_000)]

        assert Offheap.File.readv(file, 7, [{a, 8, 92}, {b, 5, 995}, {a, 0, 2}, {b, 0, 0}], opts) ==
                 {:ok, 1089}

        assert Buffer.read(a) ==
                 binary_part(bytes, 7 + 92 + 995, 2) <> "234567" <> binary_part(bytes, 7, 92)

        assert Buffer.read(b) == <<0::40>> <> binary_part(bytes, 7 + 92, 995)

        # More than is read on the spot.
        assert Offheap.File.readv(file, 0, [{b, 0, 900_000}, {a, 0, 100}], opts) == {:ok, 900_100}
        assert Buffer.read(b) == binary_part(bytes, 0, 900_000)
        c = lease(pool, 2_000_000)

        assert Offheap.File.readv(file, 0, [{c, 0, 1_500_000}, {a, 9, 9}], opts) ==
                 {:ok, 1_500_009}

        assert Buffer.read(c) == binary_part(bytes, 0, 1_500_000)

        assert Offheap.File.readv(file, 0, [], opts) == {:ok, 0}
        assert Offheap.File.readv(file, 0, [{a, 0, 0}], opts) == {:ok, 0}
        assert Offheap.File.readv(file, 3_000_000, [{a, 0, 1}, {b, 0, 1}], opts) == :eof
      end

      test "takes any number of pieces, options #{inspect(opts)}", context do
        %{pool: pool, bytes: bytes, path: path} = context
        file = open(path)

        for count <- [1023, 1024, 1025, 5000] do
          buffer = lease(pool, 10_000, :binary.copy("x", 10_000))
          ranges = for i <- (count - 1)..0//-1, do: {buffer, 2 * i, 2}
          assert Offheap.File.readv(file, 0, ranges, unquote(opts)) == {:ok, 2 * count}

          pairs = for <<pair::binary-2 <- binary_part(bytes, 0, 2 * count)>>, do: pair

          assert Buffer.read(buffer, 0, 2 * count) ==
                   pairs |> Enum.reverse() |> IO.iodata_to_binary()

          assert Buffer.release(buffer) == :ok
        end

        assert Pool.info(pool).leased == 0
      end
    end

    test "a long gap is not filled on a normal scheduler", context do
      file = open(context.path)
      size = 8_000_000
      pool = Pool.new()

      for opts <- @modes,
          read <- [
            &Offheap.File.pread(&1, 0, &2, size - 1, 1, opts),
            &Offheap.File.readv(&1, 0, [{&2, size - 1, 1}], opts)
          ] do
        buffer = lease(pool, size)
        assert {{:ok, 1}, true} = leaves_scheduler(fn -> read.(file, buffer) end)
        assert Buffer.read(buffer, 0, size - 1) == :binary.copy(<<0>>, size - 1)
        assert Buffer.release(buffer) == :ok
      end
    end

    # What fun returns, and whether its process was scheduled out meanwhile, as it is to get to a
    # dirty scheduler.
    defp leaves_scheduler(fun) do
      task =
        Task.async(fn ->
          receive do: (:go -> :ok)
          result = fun.()
          send(self(), :done)
          receive do: (:done -> result)
        end)

      :erlang.trace(task.pid, true, [:running])
      send(task.pid, :go)
      result = Task.await(task)
      pid = task.pid
      delivered = :erlang.trace_delivered(pid)
      receive do: ({:trace_delivered, ^pid, ^delivered} -> {result, scheduled_out?(pid)})
    end

    defp scheduled_out?(pid) do
      receive do
        {:trace, ^pid, :out, {:offheap_nif, _, _}} -> true
        {:trace, ^pid, _, _} -> scheduled_out?(pid)
      after
        0 -> false
      end
    end

    test "at the end of the file fills the first ranges and leaves the others", context do
      %{pool: pool, bytes: bytes, path: path} = context
      file = open(path)
      [a, b, c] = for _ <- 1..3, do: lease(pool, 100)
      ranges = [{a, 0, 10}, {b, 10, 10}, {c, 0, 10}]
      assert Offheap.File.readv(file, @bytes - 15, ranges) == {:ok, 15}
      assert Buffer.read(a) == binary_part(bytes, @bytes - 15, 10)
      assert Buffer.read(b) == <<0::80>> <> binary_part(bytes, @bytes - 5, 5)
      assert Buffer.size(c) == 0
    end

    test "enters all or none", %{pool: pool, path: path} do
      file = open(path)
      [a, b, gone] = for _ <- 1..3, do: lease(pool, 100, "0123456789")
      frozen = lease(pool, 100, "abc")
      Buffer.freeze(frozen)
      :ok = Buffer.release(gone)

      refuse = fn ranges, expected ->
        result =
          try do
            Offheap.File.readv(file, 0, [{a, 0, 20}, {b, 0, 5}] ++ ranges)
          rescue
            ArgumentError -> :badarg
          end

        assert result == expected
        # Nobody is inside any more: who is could not be frozen, nor extended by another.
        assert Buffer.size(a) == 10
        assert Buffer.read(a) == "0123456789"
        assert Buffer.read(b) == "0123456789"
        assert Buffer.append(a, "") == :ok
      end

      refuse.([{frozen, 0, 1}], {:error, :frozen})
      refuse.([{gone, 0, 1}], :badarg)
      refuse.([{b, 0, 1000}], {:error, :enospc})
      refuse.([{b, 2 ** 63, 2 ** 63}, {b, 0, 2 ** 63}], {:error, :enospc})
      refuse.([{b, 0, 2 ** 64 - 1}, {b, 0, 2 ** 64 - 1}], {:error, :enospc})
      # Two ranges of one buffer beyond its size.
      refuse.([{a, 10, 20}], {:error, :busy})
      # The same as the only one is fine.
      assert Offheap.File.readv(file, 0, [{a, 0, 5}, {a, 5, 20}, {a, 0, 10}]) == {:ok, 35}

      for wrong <- [
            [a],
            [{a, 0}],
            [{a, 0, -1}],
            [{a, -1, 1}],
            [{a, 0, 1} | {a, 0, 1}],
            [{pool, 0, 1}],
            :all
          ] do
        assert_raise ArgumentError, fn -> Offheap.File.readv(file, 0, wrong) end
      end

      assert byte_size(Buffer.freeze(a)) == 25
      assert byte_size(Buffer.freeze(b)) == 10
    end
  end

  describe "pwrite and writev" do
    for opts <- @modes do
      test "write at any place, options #{inspect(opts)}", %{pool: pool, path: path, bytes: bytes} do
        opts = unquote(opts)
        file = open(path, [:read, :write])
        buffer = lease(pool, 0, bytes)

        for {data, length} <- [
              {"abc", 3},
              {["a", [?b, "c"] | "d"], 4},
              {:binary.copy("z", 70), 70},
              {"", 0},
              {[], 0},
              {buffer, @bytes},
              {{buffer, 10, 20}, 20},
              {{buffer, 10, 1_048_577}, 1_048_577},
              {{buffer, @bytes, 0}, 0},
              {for(i <- 1..5000, do: :binary.copy(<<i>>, 100)), 500_000}
            ] do
          assert Offheap.File.truncate(file, 0) == :ok
          assert Offheap.File.pwrite(file, 5, data, opts) == :ok

          expected =
            case data do
              {:offheap_buffer, _, _} -> bytes
              {_, offset, length} -> binary_part(bytes, offset, length)
              iodata -> IO.iodata_to_binary(iodata)
            end

          assert byte_size(expected) == length
          assert File.read!(path) == if(length == 0, do: "", else: <<0::40>> <> expected)
        end

        assert Offheap.File.truncate(file, 0) == :ok
        assert Offheap.File.pwrite(file, 0, buffer, 100, 50, opts) == :ok
        assert Offheap.File.pwrite(file, 50, buffer, 7, 2_000_000, opts) == :ok

        assert File.read!(path) ==
                 binary_part(bytes, 100, 50) <> binary_part(bytes, 7, 2_000_000)

        pieces = ["<", buffer, {buffer, 5, 6}, :binary.copy("y", 100), {buffer, 0, 0}, "", ">"]
        assert Offheap.File.truncate(file, 0) == :ok
        assert Offheap.File.writev(file, 0, pieces, opts) == :ok

        assert File.read!(path) ==
                 IO.iodata_to_binary([
                   "<",
                   bytes,
                   binary_part(bytes, 5, 6),
                   :binary.copy("y", 100),
                   ">"
                 ])

        many = List.duplicate({buffer, 0, 3}, 3000)
        assert Offheap.File.truncate(file, 0) == :ok
        assert Offheap.File.writev(file, 0, many, opts) == :ok
        assert File.read!(path) == :binary.copy(binary_part(bytes, 0, 3), 3000)

        # A frozen buffer is read like others.
        Buffer.freeze(buffer)
        assert Offheap.File.pwrite(file, 0, buffer, 0, 10, opts) == :ok
      end

      test "refuse what is no data, and write nothing of it, options #{inspect(opts)}", context do
        %{pool: pool, path: path} = context
        opts = unquote(opts)
        file = open(path, [:write])
        buffer = lease(pool, 100, "0123456789")
        gone = lease(pool, 100, "0123456789")
        :ok = Buffer.release(gone)

        for data <-
              [:a, 1, %{}, {}, {buffer}, {buffer, 0}, <<1::1>>, [:a], ["a" | 1]] ++
                [{buffer, 0, 11}, {buffer, 11, 0}, {buffer, 2 ** 64 - 1, 2}, {buffer, -1, 1}] ++
                [gone, {gone, 0, 1}, pool, file] do
          assert_raise ArgumentError, fn -> Offheap.File.pwrite(file, 0, data, opts) end

          for pieces <- [["x", data], [{buffer, 0, 1}, buffer, data], ["x" | data]],
              do:
                assert_raise(ArgumentError, fn -> Offheap.File.writev(file, 0, pieces, opts) end)
        end

        for {offset, length} <- [{0, 11}, {11, 0}, {2 ** 64 - 1, 2}, {-1, 1}, {0, 2 ** 64}],
            do:
              assert_raise(ArgumentError, fn ->
                Offheap.File.pwrite(file, 0, buffer, offset, length, opts)
              end)

        for at <- [-1, 2 ** 64, :append, 1.0],
            do: assert_raise(ArgumentError, fn -> Offheap.File.pwrite(file, at, "x", opts) end)

        assert Offheap.File.pwrite(file, 2 ** 63 - 1, "x", opts) == {:error, :einval}
        assert Offheap.File.pwrite(file, 2 ** 64 - 1, buffer, 0, 1, opts) == {:error, :einval}
        assert File.read!(path) == ""
        # Nobody was left inside.
        assert Buffer.freeze(buffer) == "0123456789"
        assert Buffer.release(buffer) == :ok
        assert Pool.info(pool).leased == 0
      end
    end

    test "need a file that is open for it", %{pool: pool, path: path} do
      buffer = lease(pool, 100, "x")
      assert Offheap.File.pwrite(open(path), 0, "x") == {:error, :ebadf}
      assert Offheap.File.pread(open(path, [:append]), 0, buffer, 0, 1) == {:error, :ebadf}
      assert {:error, _} = Offheap.File.truncate(open(path), 0)
    end

    test "of a file for appending go to its end", %{path: path} do
      File.write!(path, "old")
      file = open(path, [:append])
      assert Offheap.File.pwrite(file, 0, "new") == :ok
      assert Offheap.File.pwrite(file, 1000, "er") == :ok
      assert File.read!(path) == "oldnewer"
    end

    test "reach the disk when asked", %{path: path} do
      file = open(path, [:write, :sync])
      assert Offheap.File.pwrite(file, 0, "x") == :ok
      assert Offheap.File.sync(file) == :ok
      assert Offheap.File.datasync(file) == :ok
      assert Offheap.File.size(file) == {:ok, 1}
    end

    # A limit of the shell's on the size of files stands for a full disk. It is a process's, so this
    # runs in an emulator of its own.
    test "that the system cuts short say how much was written", %{path: path} do
      script = """
      F = fun() ->
        {ok, P} = {ok, offheap_pool:new()},
        {ok, B} = offheap_buffer:lease(P, 0, binary:copy(<<"x">>, 3000)),
        {ok, File} = offheap_file:open("#{path}", [write]),
        [begin
           ok = offheap_file:truncate(File, 0),
           {error, {2048, efbig}} = offheap_file:pwrite(File, 0, B, [Mode]),
           {error, {1024, efbig}} = offheap_file:writev(File, 1024, [<<"y">>, B], [Mode]),
           {error, efbig} = offheap_file:pwrite(File, 2048, B, 0, 1, [Mode])
         end || Mode <- [inline, dirty]],
        {error, efbig} = offheap_file:truncate(File, 4096),
        {ok, 2048} = offheap_file:size(File),
        io:format("done~n")
      end, try F() catch C:R -> io:format("~p~n", [{C, R}]) end, halt().
      """

      paths = Application.app_dir(:offheap, "ebin")
      # bash's blocks are 1,024 bytes, as the emulator's own files need none.
      command = "trap '' XFSZ; ulimit -f 2; exec erl -noshell -pa #{paths} -eval \"$0\""
      assert {"done\n", 0} = System.cmd("bash", ["-c", command, script], stderr_to_stdout: true)
    end
  end

  describe "a file" do
    test "is closed once, and refuses all after", %{pool: pool, path: path} do
      file = open(path, [:read, :write])
      buffer = lease(pool, 10, "content")

      for {_, call} <- file_calls(buffer),
          do: assert(call.(file) in [:ok, {:ok, 1}, {:ok, @bytes}])

      assert Offheap.File.close(file) == :ok
      assert Offheap.File.close(file) == {:error, :einval}

      for {name, call} <- file_calls(buffer),
          do: assert({name, call.(file)} == {name, {:error, :einval}})

      assert Buffer.release(buffer) == :ok
    end

    test "is no buffer, pool or reference", %{pool: pool} do
      buffer = lease(pool, 100, "content")

      for wrong <- [
            buffer,
            elem(buffer, 1),
            pool,
            make_ref(),
            nil,
            "mix.exs",
            Offheap.Hash.init()
          ],
          {_, call} <- [{:close, &Offheap.File.close/1} | file_calls(buffer)] do
        assert_raise ArgumentError, fn -> call.(wrong) end
      end
    end

    test "is used only with a buffer", %{path: path, pool: pool} do
      file = open(path, [:read, :write])
      {:offheap_buffer, ref, generation} = buffer = lease(pool, 100, "content")
      gone = lease(pool, 100)
      :ok = Buffer.release(gone)

      for wrong <- [
            gone,
            file,
            pool,
            nil,
            ref,
            {:offheap_buffer, ref, generation + 1},
            {:offheap_buffer, file, 1}
          ],
          {name, call} <- file_calls(wrong),
          name not in [:size, :truncate, :sync, :datasync, :pwrite_data],
          do: assert_raise(ArgumentError, fn -> call.(file) end)

      assert Buffer.read(buffer) == "content"
    end

    test "takes only known options", %{pool: pool, path: path} do
      file = open(path, [:read, :write])
      buffer = lease(pool, 10, "content")

      for opts <- [[:fast], :inline, [inline: true], nil, [:dirty | :inline]] do
        assert_raise ArgumentError, fn -> Offheap.File.pread(file, 0, buffer, 0, 1, opts) end
        assert_raise ArgumentError, fn -> Offheap.File.readv(file, 0, [{buffer, 0, 1}], opts) end
        assert_raise ArgumentError, fn -> Offheap.File.pwrite(file, 0, "x", opts) end
        assert_raise ArgumentError, fn -> Offheap.File.pwrite(file, 0, buffer, 0, 1, opts) end
        assert_raise ArgumentError, fn -> Offheap.File.writev(file, 0, ["x"], opts) end
      end

      for mode <- [:fast, nil, []],
          do:
            assert_raise(ArgumentError, fn -> :offheap_nif.file_writev(file, 0, ["x"], mode) end)
    end

    test "that nobody holds is closed", %{path: path} do
      {pid, monitor} = spawn_monitor(fn -> open(path) end)
      assert_receive {:DOWN, ^monitor, _, ^pid, :normal}
      await(fn -> descriptors(path) == 0 end)
    end

    defp descriptors(path) do
      Enum.count(Path.wildcard("/proc/self/fd/*"), &(File.read_link(&1) == {:ok, path}))
    end

    defp await(condition) do
      unless condition.() do
        :erlang.garbage_collect()
        :erlang.yield()
        await(condition)
      end
    end
  end

  describe "while others are at work" do
    # Each process does call after call with what it was given until that is refused.
    defp work(calls, fun) do
      for call <- calls do
        Task.async(fn -> loop(fn -> fun.(call) end, 0) end)
      end
    end

    defp loop(fun, done) do
      case safely(fun) do
        :refused -> done
        {:error, :einval} -> done
        {:error, :busy} -> loop(fun, done)
        _ -> loop(fun, done + 1)
      end
    end

    defp safely(fun) do
      fun.()
    rescue
      ArgumentError -> :refused
    end

    defp moving_calls(buffer) do
      for opts <- [[:inline], [:dirty], []] do
        [
          &Offheap.File.pread(&1, 0, buffer, 0, 100_000, opts),
          &Offheap.File.readv(&1, 0, [{buffer, 0, 50_000}, {buffer, 50_000, 50_000}], opts),
          &Offheap.File.pwrite(&1, 0, buffer, 0, 100_000, opts),
          &Offheap.File.writev(&1, 0, [buffer, {buffer, 0, 10}, "x"], opts)
        ]
      end
      |> List.flatten()
    end

    test "a file is closed, and nothing goes astray", %{pool: pool, path: path, bytes: bytes} do
      for _ <- 1..30 do
        file = open(path)

        tasks =
          for i <- 1..4 do
            Task.async(fn ->
              buffer = lease(pool, 100_000)
              result = Offheap.File.pread(file, i, buffer, 0, 100_000, [:dirty])
              {i, result, Buffer.read(buffer)}
            end)
          end

        assert Offheap.File.close(file) == :ok

        for {i, result, read} <- Task.await_many(tasks) do
          case result do
            {:ok, 100_000} -> assert read == binary_part(bytes, i, 100_000)
            {:error, :einval} -> assert read == ""
          end
        end
      end
    end

    test "a file is closed under every call, and its descriptor goes", context do
      %{pool: pool, path: path} = context

      for _ <- 1..10 do
        file = open(path, [:read, :write])
        buffer = lease(pool, 100_000, :binary.copy("x", 100_000))
        tasks = work(moving_calls(buffer), & &1.(file))
        :erlang.yield()
        assert Offheap.File.close(file) == :ok
        Task.await_many(tasks)
        await(fn -> descriptors(path) == 0 end)
        assert Buffer.release(buffer) == :ok
      end

      assert Pool.info(pool).leased == 0
    end

    test "a buffer is released under every call, and comes back", %{pool: pool, path: path} do
      file = open(path, [:read, :write])

      for _ <- 1..20 do
        buffer = lease(pool, 100_000, :binary.copy("x", 100_000))
        tasks = work(moving_calls(buffer), & &1.(file))
        :erlang.yield()
        assert Buffer.release(buffer) == :ok
        Task.await_many(tasks)
      end

      assert %{leased: 0, leased_bytes: 0, leases: 20} = Pool.info(pool)
    end

    test "the owner dies under every call, and the buffer comes back", context do
      %{pool: pool, path: path} = context
      file = open(path, [:read, :write])
      test = self()

      for _ <- 1..20 do
        {owner, monitor} =
          spawn_monitor(fn ->
            send(test, {:leased, lease(pool, 100_000, :binary.copy("x", 100_000))})
            receive do: (:stop -> :ok)
          end)

        assert_receive {:leased, buffer}
        tasks = work(moving_calls(buffer), & &1.(file))
        :erlang.yield()
        send(owner, :stop)
        assert_receive {:DOWN, ^monitor, _, ^owner, :normal}
        Task.await_many(tasks)
        assert Buffer.release(buffer) == {:error, :released}
      end

      assert Pool.info(pool).leased == 0
    end

    test "the caller is killed, and the buffer comes back with nobody inside", context do
      %{pool: pool, path: path} = context
      file = open(path, [:read, :write])
      buffer = lease(pool, @bytes, :binary.copy("x", @bytes))

      for call <- moving_calls(buffer), _ <- 1..3 do
        {pid, monitor} = spawn_monitor(fn -> loop(fn -> call.(file) end, 0) end)
        :erlang.yield()
        Process.exit(pid, :kill)
        assert_receive {:DOWN, ^monitor, _, ^pid, :killed}
      end

      # The last of them may still be at work on a dirty scheduler.
      await(fn -> is_binary(Buffer.freeze(buffer)) end)
      assert Buffer.release(buffer) == :ok
      assert Pool.info(pool).leased == 0
    end

    test "one extends a buffer at a time, and the others are told", %{pool: pool, path: path} do
      file = open(path)

      results =
        for _ <- 1..20 do
          buffer = lease(pool, @bytes)

          results =
            1..3
            |> Enum.map(fn _ ->
              Task.async(fn ->
                [
                  Offheap.File.pread(file, 0, buffer, :append, 900_000, [:dirty]),
                  Offheap.File.readv(file, 0, [{buffer, 0, @bytes}], [:dirty])
                ]
              end)
            end)
            |> Task.await_many()
            |> List.flatten()

          assert Buffer.release(buffer) == :ok
          results
        end

      assert Enum.uniq(List.flatten(results)) --
               [{:ok, 900_000}, {:ok, @bytes}, {:error, :busy}, {:error, :enospc}] == []
    end
  end

  describe "streams" do
    test "give all bytes in order, and leave nothing behind", %{
      path: path,
      bytes: bytes,
      pool: pool
    } do
      for size <- [0, 1, 999, 1000, 1001, 65_536, 200_000], chunk <- [1000, 65_536, 100_000] do
        content = binary_part(bytes, 0, size)
        File.write!(path, content)
        chunks = path |> Offheap.File.stream!(pool, chunk) |> Enum.to_list()
        assert IO.iodata_to_binary(chunks) == content
        assert length(chunks) == div(size + chunk - 1, chunk)

        copied =
          path
          |> Offheap.File.stream_buffer!(pool, chunk, [:dirty])
          |> Enum.map(fn {buffer, 0, length} -> Buffer.read(buffer, 0, length) end)

        assert copied == chunks
        assert Pool.info(pool).leased == 0
        assert descriptors(path) == 0
      end
    end

    test "use one block however large the file is", %{path: path, pool: pool} do
      assert path
             |> Offheap.File.stream_buffer!(pool, 1000)
             |> Enum.reduce(0, fn {_, 0, length}, sum -> sum + length end) == @bytes

      assert %{leases: 1, bytes: 1024} = Pool.info(pool)
    end

    test "close and release when the consumer halts or raises", %{path: path, pool: pool} do
      for stream <- [
            Offheap.File.stream!(path, pool, 100_000),
            Offheap.File.stream_buffer!(path, pool, 100_000)
          ] do
        assert [_, _] = Enum.take(stream, 2)
        assert_raise RuntimeError, "no", fn -> Enum.each(stream, fn _ -> raise "no" end) end
        assert catch_throw(Enum.each(stream, fn _ -> throw(:ball) end)) == :ball
        assert stream |> Stream.zip(1..3) |> Enum.count() == 3
      end

      :erlang.garbage_collect()
      await(fn -> Pool.info(pool).frozen == 0 end)
      assert Pool.info(pool).leased == 0
      assert descriptors(path) == 0
    end

    test "binaries stay as they are, and count as the pool's", %{path: path, bytes: bytes} do
      pool = Pool.new(max_bytes: 400_000)
      stream = Offheap.File.stream!(path, pool, 100_000)
      assert_raise RuntimeError, ~r/exhausted/, fn -> Enum.to_list(stream) end
      assert descriptors(path) == 0
      :erlang.garbage_collect()
      await(fn -> Pool.info(pool).frozen == 0 end)
      kept = Enum.take(stream, 2)
      assert Enum.join(kept) == binary_part(bytes, 0, 200_000)
    end

    test "raise for what cannot be opened or read", %{path: path, pool: pool} do
      for fun <- [&Offheap.File.stream!/3, &Offheap.File.stream_buffer!/3] do
        assert_raise File.Error, ~r/no such file/, fn ->
          Enum.to_list(fun.(path <> ".no", pool, 10))
        end

        assert_raise ArgumentError, fn -> Enum.to_list(fun.(path, :no_pool, 10)) end

        for size <- [0, -1, 1.0],
            do: assert_raise(FunctionClauseError, fn -> fun.(path, pool, size) end)

        tiny = Pool.new(max_bytes: 10)
        assert_raise RuntimeError, ~r/exhausted/, fn -> Enum.to_list(fun.(path, tiny, 100)) end
        assert descriptors(path) == 0
      end
    end
  end
end
