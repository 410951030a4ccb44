defmodule Offheap.JobsTest do
  use ExUnit.Case, async: false
  import Bitwise

  alias Offheap.{Buffer, Hash, Jobs, Pool, PortPool}

  doctest Offheap.Jobs

  setup_all do
    :ok = :offheap_nif.job_allow_test_jobs()
  end

  # b2sum -l 256 of the bytes 0, 1 .. 250, 0, 1 ..
  @known [
    {0, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"},
    {1, "03170a2e7597b7b7e3d84c05391d139a62b157e78786d8c082f29dcf4c111314"},
    {127, "f2fe67ff342e21b8f45e8f2e0bcd1d9243245d50ee6c78042e9c491388791c72"},
    {128, "c3582f71ebb2be66fa5dd750f80baae97554f3b015663c8be377cfcb2488c1d1"},
    {129, "f7f3c46ba2564ff4c4c162da1f5b605f9f1c4aa6a20652a9f9a337c1a2f5b9c9"},
    {256, "582f782226018ec33076bd8d1c42413530ac7e1126260ffc0f306ba3befc3f24"},
    {65536, "e4f2b5871e75b1993cd3cd4663ca4879794dbe50152c522dcbc66ee1bfecffa6"},
    {1_000_003, "5dd13c21d5d15ee3672fffd056431873359dc5c1f0221b5ef13c4693aa8d13d1"}
  ]

  @lanes [:inline, :yielding, :dirty, :port]

  describe "run" do
    for {size, hex} <- @known do
      test "#{size} bytes have the known digest in every lane and form" do
        data = pattern(unquote(size))
        expected = {:ok, digest(unquote(hex))}

        for form <- [data, iodata(data), buffer(data)],
            input <- [form, %{data: form}, %{data: form, size: 32}] do
          assert Jobs.run(:blake2b, input) == expected

          for lane <- @lanes, lane != :inline or unquote(size) <= 256 do
            assert Jobs.run(:blake2b, input, lane: lane) == expected
          end
        end
      end
    end

    test "is the same as OTP's and libsodium's, with all arguments" do
      for lane <- [:yielding, :dirty, :port], size <- [0, 1, 100_000] do
        data = :crypto.strong_rand_bytes(size)
        assert Jobs.run(:sha256, data, lane: lane) == {:ok, :crypto.hash(:sha256, data)}

        assert Jobs.run(:blake2b, %{data: data, size: 64}, lane: lane) ==
                 {:ok, :crypto.hash(:blake2b, data)}
      end
    end

    # The first keyed vector of the BLAKE2 reference.
    test "BLAKE2b takes a key" do
      key = for i <- 0..63, into: <<>>, do: <<i>>

      expected =
        "10ebb67700b1868efb4417987acf4690ae9d972fb7a590c2f02871799aaa4786" <>
          "b5e996e8f0f4eb981fc214b005f42d2ff4233499391653df7aefcbc13fc51568"

      for lane <- @lanes do
        assert Jobs.run(:blake2b, %{data: "", size: 64, key: key}, lane: lane) ==
                 {:ok, digest(expected)}
      end
    end

    test "says which argument is wrong, the same in every lane" do
      for {job, input, name} <- [
            {:blake2b, %{}, :data},
            {:blake2b, %{data: "", size: 15}, :size},
            {:blake2b, %{data: "", size: 65}, :size},
            {:blake2b, %{data: "", size: 1 <<< 70}, :size},
            {:blake2b, %{data: "", size: "32"}, :size},
            {:blake2b, %{data: "", key: "short"}, :key},
            {:blake2b, %{data: "", sizes: 32}, :sizes},
            {:blake2b, 1, :data},
            {:blake2b, :a, :data},
            {:blake2b, [256], :data},
            {:blake2b, ["a" | 1], :data},
            {:blake2b, <<1::1>>, :data},
            {:sha256, %{data: "", size: 32}, :size},
            {:blake2b_file, "a\0b", :path},
            {:blake2b_file, 1, :path},
            {:spin, -1, :ms},
            {:spin, 1.0, :ms}
          ],
          lane <- [nil, :dirty, :port] do
        options = if lane, do: [lane: lane], else: []
        assert Jobs.run(job, input, options) == {:error, {:badarg, name}}
        assert Jobs.explain(job, input, options) == {:error, {:badarg, name}}
      end

      for {:error, {:badarg, name}} <- [
            Jobs.run(:blake2b, %{1 => 2, data: ""}),
            Jobs.run(:blake2b, {:offheap_buffer, make_ref(), 1})
          ],
          do: assert(name in [1, :data])
    end

    test "of a job that is not there, or by wrong options" do
      assert Jobs.run(:no_such_job, "") == {:error, :unknown_job}
      assert Jobs.run(:no_such_job, "", lane: :port) == {:error, :unknown_job}
      assert Jobs.explain(:no_such_job, "") == {:error, :unknown_job}

      for {job, options} <- [
            {"blake2b", []},
            {1, []},
            {:blake2b, [lane: :no_such_lane]},
            {:blake2b, [timeout: -1]},
            {:blake2b, [no_such_option: 1]},
            {:blake2b, [into: "buffer"]},
            {:blake2b, [:lane]},
            {:blake2b, :lane}
          ] do
        assert_raise ArgumentError, fn -> Jobs.run(job, "", options) end
      end
    end

    test "in a lane that cannot be raises" do
      assert_raise ArgumentError, fn -> Jobs.run(:spin, 10, lane: :inline) end

      assert_raise ArgumentError, fn ->
        Jobs.run(:blake2b_file, "/etc/hostname", lane: :inline)
      end

      assert_raise ArgumentError, fn ->
        Jobs.run(:blake2b_file, "/etc/hostname", lane: :yielding)
      end

      assert_raise ArgumentError, fn -> Jobs.run(:sleep, 1, lane: :yielding) end

      for lane <- [:inline, :yielding, :dirty],
          do: assert_raise(ArgumentError, fn -> Jobs.run(:crash, [], lane: lane) end)
    end

    test "takes the slices it needs, and gives its process back in between" do
      other = Task.async(fn -> count_until_stopped(0) end)
      assert Jobs.run(:spin, 30, lane: :yielding) == {:ok, :ok}
      send(other.pid, :stop)
      assert Task.await(other, :infinity) > 0
    end

    defp count_until_stopped(n) do
      receive do
        :stop -> n
      after
        0 -> count_until_stopped(n + 1)
      end
    end
  end

  describe "a released buffer" do
    test "is not an argument" do
      buffer = buffer("abc")
      Buffer.release(buffer)

      for lane <- [:inline, :yielding, :dirty],
          do: assert(Jobs.run(:blake2b, buffer, lane: lane) == {:error, {:badarg, :data}})

      assert_raise ArgumentError, fn -> Jobs.run(:echo, "x", into: buffer) end
      assert_raise ArgumentError, fn -> Hash.update(Hash.init(), buffer) end
    end

    test "at whatever moment, is read whole or not at all" do
      pool = Pool.new(max_bytes: 100_000_000)
      data = pattern(3_000_000)
      zeros = :binary.copy(<<0>>, byte_size(data))
      {:ok, expected} = Jobs.run(:sha256, data)

      for lane <- [:yielding, :dirty], _ <- 1..10 do
        {:ok, buffer} = Buffer.lease(pool, 0, data)
        job = Jobs.async(:sha256, buffer, lane: lane)
        for _ <- 1..:rand.uniform(1000), do: :erlang.yield()
        assert Buffer.release(buffer) == :ok
        # The next lease must not write into what the job reads.
        {:ok, next} = Buffer.lease(pool, 0, zeros)
        assert Jobs.await(job, :infinity) in [{:ok, expected}, {:error, {:badarg, :data}}]
        Buffer.release(next)
      end

      assert Pool.info(pool).leased == 0
    end
  end

  describe "into" do
    test "a buffer, the bytes are appended in every lane" do
      for lane <- [nil | @lanes] do
        {:ok, buffer} = Buffer.lease(Pool.new(), 100, "head ")
        options = if lane, do: [lane: lane, into: buffer], else: [into: buffer]
        assert Jobs.run(:echo, "tail", options) == {:ok, 4}
        assert Buffer.read(buffer) == "head tail"
        assert {:ok, 32} = Jobs.run(:blake2b, "abc", options)
        assert Buffer.read(buffer, 9, 32) == elem(Jobs.run(:blake2b, "abc"), 1)
        big = String.duplicate("x", 1000)
        assert Jobs.run(:echo, big, options) == {:error, :enospc}
        assert Buffer.size(buffer) == 41
        Buffer.freeze(buffer)
        assert Jobs.run(:echo, "tail", options) == {:error, :frozen}
      end
    end

    test "the bytes may be any part of the result" do
      for lane <- [:inline, :yielding, :dirty], size <- [3, 1000] do
        {:ok, buffer} = Buffer.lease(Pool.new(), 2000, "head ")
        data = String.duplicate("x", size)
        assert Jobs.run(:parts, data, lane: lane, into: buffer) == {:ok, {size, size}}
        assert Buffer.read(buffer) == "head " <> data
        assert Jobs.run(:parts, data, lane: lane) == {:ok, {size, data}}
      end
    end

    test "the same buffer that is read" do
      {:ok, buffer} = Buffer.lease(Pool.new(), 64, "abc")
      assert Jobs.run(:echo, buffer, into: buffer) == {:ok, 3}
      assert Buffer.read(buffer) == "abcabc"
    end
  end

  describe "files" do
    setup :tmp_dir

    test "have the known digest in every lane", %{tmp_dir: dir} do
      for {size, hex} <- @known do
        path = Path.join(dir, "größe #{size}")
        File.write!(path, pattern(size))

        for options <- [[], [lane: :dirty], [lane: :port]],
            name <- [
              path,
              String.to_charlist(path),
              Path.join(List.duplicate("..", 30) ++ [path]),
              %{path: path},
              %{path: String.to_charlist(path)}
            ] do
          assert Jobs.run(:blake2b_file, name, options) == {:ok, {digest(hex), size}}
        end
      end
    end

    test "that cannot be read say why, the same in every lane", %{tmp_dir: dir} do
      for lane <- [:dirty, :port], job <- [:blake2b_file, :sha256_file] do
        missing = Path.join(dir, "missing")
        assert Jobs.run(job, missing, lane: lane) == {:error, :enoent}
        assert Jobs.run(job, dir, lane: lane) == {:error, :eisdir}
        assert Jobs.run(job, "/dev/zero", lane: lane) == {:error, :einval}
        under = Path.join(["/etc/hostname", "x"])
        assert Jobs.run(job, under, lane: lane) == {:error, :enotdir}
      end
    end

    test "large ones go to a worker", %{tmp_dir: dir} do
      path = Path.join(dir, "large")
      data = :binary.copy("x", 30_000_000)
      File.write!(path, data)
      assert %{lane: :port, reason: :busy} = Jobs.explain(:sha256_file, path)
      assert Jobs.run(:sha256_file, path) == {:ok, {:crypto.hash(:sha256, data), 30_000_000}}
    end

    test "are encrypted and decrypted in every lane", %{tmp_dir: dir} do
      [from, to, back] = for name <- ~w(from to back), do: Path.join(dir, name)
      key = :crypto.strong_rand_bytes(32)
      data = pattern(1_000_003)
      File.write!(from, data)

      for one <- [:dirty, :port], other <- [:dirty, :port] do
        assert Jobs.run(:encrypt_file, %{from: from, to: to, key: key}, lane: one) ==
                 {:ok, 1_000_003}

        refute File.read!(to) =~ binary_part(data, 0, 100)

        assert Jobs.run(:decrypt_file, %{from: to, to: back, key: key}, lane: other) ==
                 {:ok, 1_000_003}

        assert File.read!(back) == data
        File.rm!(back)
        wrong = :crypto.strong_rand_bytes(32)

        assert Jobs.run(:decrypt_file, %{from: to, to: back, key: wrong}, lane: other) ==
                 {:error, :bad_message}

        assert Enum.sort(File.ls!(dir)) == ["from", "to"]
      end
    end
  end

  describe "the lane" do
    test "is picked by cost" do
      lane = fn job, input -> Jobs.explain(job, input) |> Map.take([:lane, :reason]) end
      assert lane.(:spin, 0) == %{lane: :inline, reason: :short}
      assert lane.(:spin, 1) == %{lane: :yielding, reason: :medium}
      assert lane.(:sleep, 100).lane in [:dirty, :port]
      assert lane.(:blake2b_file, "/etc/hostname") == %{lane: :dirty, reason: :files}
      assert lane.(:crash, []) == %{lane: :port, reason: :untrusted}
      assert %{lane: :port, reason: :forced} = Jobs.explain(:blake2b, "", lane: :port)
    end

    test "of a long job is dirty for as many as the limit says, then a worker" do
      before = Jobs.stats()
      count = before.dirty_limit + 3
      jobs = for _ <- 1..count, do: Jobs.async(:argon2id, "secret")
      for job <- jobs, do: assert({:ok, "$argon2id$" <> _} = Jobs.await(job, :infinity))
      later = Jobs.stats()
      assert later.dirty - before.dirty + later.port - before.port == count
      assert later.dirty_in_use == 0
    end
  end

  describe "async" do
    test "gives the outcome once, what run raises too" do
      job = Jobs.async(:sha256, "abc")
      assert Jobs.await(job) == {:ok, :crypto.hash(:sha256, "abc")}
      raises = Jobs.async(:spin, 10, lane: :inline)
      assert_raise ArgumentError, fn -> Jobs.await(raises) end
      assert_raise ArgumentError, fn -> Jobs.async(:sha256, "abc", lane: 1) end
      assert_raise ArgumentError, fn -> Jobs.async("sha256", "abc") end
      assert {:messages, []} = Process.info(self(), :messages)
    end

    test "is cancelled, by a timeout too, in every lane that can be" do
      for lane <- [:yielding, :dirty] do
        before = Jobs.stats().dirty_in_use
        job = Jobs.async(:spin, 60_000, lane: lane)
        assert Jobs.await(job, 20) == {:error, :timeout}
        {_, pid, _} = job
        refute Process.alive?(pid)
        job = Jobs.async(:spin, 60_000, lane: lane)
        assert Jobs.cancel(job) == :ok
        assert Jobs.stats().dirty_in_use == before
      end

      # Both dirty schedulers are free again: this would wait for them.
      for _ <- 1..4, do: assert(Jobs.run(:spin, 1, lane: :dirty) == {:ok, :ok})
      assert {:messages, []} = Process.info(self(), :messages)
    end

    test "is linked to its caller" do
      parent = self()

      {caller, monitor} =
        spawn_monitor(fn ->
          {_, pid, _} = Jobs.async(:spin, 60_000, lane: :yielding)
          send(parent, {:job, pid})
          Process.sleep(:infinity)
        end)

      assert_receive {:job, pid}
      job_monitor = Process.monitor(pid)
      Process.exit(caller, :kill)
      assert_receive {:DOWN, ^monitor, :process, _, :killed}
      assert_receive {:DOWN, ^job_monitor, :process, _, :killed}
    end

    @tag :tmp_dir
    test "cancelled cleans up behind itself", %{tmp_dir: dir} do
      [from, to] = for name <- ~w(from to), do: Path.join(dir, name)
      File.write!(from, :binary.copy("x", 50_000_000))
      input = %{from: from, to: to, key: :crypto.strong_rand_bytes(32)}
      job = Jobs.async(:encrypt_file, input, lane: :dirty)
      wait_for(fn -> length(File.ls!(dir)) == 2 end)
      Jobs.cancel(job)
      wait_for(fn -> File.ls!(dir) == ["from"] end)
    end
  end

  defp wait_for(fun), do: fun.() || wait_for(fun)

  test "stream gives the outcomes in order" do
    assert Jobs.stream(:spin, [3, 2, 1, 0], max_concurrency: 2) |> Enum.to_list() ==
             List.duplicate({:ok, :ok}, 4)

    assert [{:error, {:badarg, :ms}}, {:ok, :ok}] = Jobs.stream(:spin, [-1, 0]) |> Enum.to_list()
  end

  test "stats count each lane" do
    before = Jobs.stats()
    for lane <- @lanes, do: Jobs.run(:blake2b, "x", lane: lane)
    Jobs.run(:blake2b, "x")
    later = Jobs.stats()
    assert for(lane <- @lanes, do: later[lane] - before[lane]) == [2, 1, 1, 1]
    assert later.latency_us.yielding.count > before.latency_us.yielding.count
    assert later.latency_us.yielding.max >= later.latency_us.yielding.p50
  end

  test "stats tell what is under way, callers that died included" do
    assert %{yielding: 0, dirty_cpu: 0} = Jobs.stats().in_flight
    jobs = for lane <- [:yielding, :dirty, :port], do: Jobs.async(:spin, 60_000, lane: lane)

    # The default pool's workers know no jobs for tests.
    assert Jobs.await(List.last(jobs)) == {:error, :unknown_job}
    wait_for(fn -> match?(%{yielding: 1, dirty_cpu: 1, port: 0}, Jobs.stats().in_flight) end)
    for job <- jobs, do: Jobs.cancel(job)
    # Runs end later than their callers.
    wait_for(fn -> match?(%{yielding: 0, dirty_cpu: 0}, Jobs.stats().in_flight) end)

    task = Task.async(fn -> Jobs.run(:argon2id, "secret", lane: :port) end)
    wait_for(fn -> Jobs.stats().in_flight.port == 1 end)
    assert {:ok, _} = Task.await(task, :infinity)
    wait_for(fn -> Jobs.stats().in_flight.port == 0 end)
  end

  test "stats tell how busy the schedulers are where that is measured" do
    assert Jobs.stats().utilisation == :undefined
    :erlang.system_flag(:scheduler_wall_time, true)
    Jobs.stats()
    {:ok, :ok} = Jobs.run(:spin, 50, lane: :dirty)
    {:ok, :ok} = Jobs.run(:spin, 50, lane: :yielding)
    busy = Jobs.stats().utilisation
    assert Enum.sort(Map.keys(busy)) == [:dirty_cpu, :dirty_io, :normal]
    assert Enum.all?(Map.values(busy), &(&1 >= 0.0 and &1 <= 1.0))
    assert busy.dirty_cpu > 0.0 and busy.normal > 0.0
    :erlang.system_flag(:scheduler_wall_time, false)
    assert Jobs.stats().utilisation == :undefined
  end

  test "a guess that is wrong is corrected by what runs" do
    for _ <- 1..60, do: Jobs.run(:spin, 1, lane: :yielding)
    before = Jobs.list().spin.ns_per_unit
    assert before > 500 and before < 5000
  end

  test "a timeout in the port lane is an error" do
    {:ok, _} = PortPool.default()
    assert Jobs.run(:blake2b, pattern(5_000_000), lane: :port, timeout: 0) == {:error, :timeout}
    assert {:messages, []} = Process.info(self(), :messages)
  end

  describe "a library of one's own" do
    # It stays loaded, and workers of later tests load it too: not in a folder that goes.
    test "is loaded by the VM and by workers" do
      dir = Path.join(Mix.Project.build_path(), "examples")
      File.mkdir_p!(dir)
      library = Path.join(dir, "word_count.so")
      source = Path.expand("../../examples/word_count/word_count.c", __DIR__)
      include = Path.expand("../../c_src/include", __DIR__)
      cc = System.get_env("CC") || "cc"

      args = [
        "-O2",
        "-shared",
        "-fPIC",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-I",
        include,
        "-o",
        library,
        source
      ]

      assert {"", 0} = System.cmd(cc, args, stderr_to_stdout: true)

      assert Jobs.run(:word_count, "a b") == {:error, :unknown_job}
      assert Jobs.load(library) == :ok
      assert Jobs.load(String.to_charlist(library)) == :ok
      assert Jobs.list().word_count.params == [data: :bytes]

      text = String.duplicate("ab  c\n", 200_000)
      assert Jobs.run(:word_count, "") == {:ok, {0, 0}}
      assert Jobs.run(:word_count, "x") == {:ok, {0, 1}}
      assert Jobs.run(:word_count, text) == {:ok, {200_000, 400_000}}

      {:ok, pool} = PortPool.start_link(size: 1)
      assert PortPool.call(pool, :word_count, text) == {:ok, {200_000, 400_000}}
      PortPool.stop(pool)

      copy = Path.join(dir, "copy.so")
      File.cp!(library, copy)
      assert Jobs.load(copy) == {:error, :exists}
      assert {:error, {:not_found, text}} = Jobs.load(source)
      assert to_string(text) =~ "word_count.c"
      assert_raise ArgumentError, fn -> Jobs.load(1) end
    end
  end

  test "without the application the port lane says so and long jobs are done by dirty" do
    ebin = Path.dirname(to_string(:code.which(:offheap_jobs)))

    code = """
    Big = binary:copy(<<1>>, 20000000),
    {ok, _} = offheap_jobs:run(blake2b, <<1>>),
    {error, not_started} = offheap_jobs:run(blake2b, <<1>>, [{lane, port}]),
    {ok, _} = offheap_jobs:run(sha256, Big),
    {ok, _} = offheap_jobs:run(argon2id, <<1>>),
    \#{inline := 1, port := 1} = offheap_jobs:stats(),
    io:format(\"fine\"), halt(0).
    """

    assert {"fine", 0} =
             System.cmd("erl", ["-noshell", "-pa", ebin, "-eval", code], stderr_to_stdout: true)
  end

  defp pattern(size) do
    block = for i <- 0..250, into: <<>>, do: <<i>>
    binary_part(:binary.copy(block, div(size, 251) + 1), 0, size)
  end

  defp digest(hex), do: Base.decode16!(hex, case: :lower)

  # The same bytes as nested iodata: bytes, binaries, sub-binaries, improper tails.
  defp iodata(data) when byte_size(data) < 4, do: :binary.bin_to_list(data)

  defp iodata(data) do
    half = div(byte_size(data), 2)
    <<first, a::binary-size(half), b::binary>> = data
    [[first], [], "", [a | binary_part(b, 0, byte_size(b))]]
  end

  defp buffer(data) do
    {:ok, buffer} = Buffer.lease(Pool.new(), 0, data)
    buffer
  end

  defp tmp_dir(_) do
    dir =
      Path.join(
        System.tmp_dir!(),
        "offheap_jobs_#{System.pid()}_#{System.unique_integer([:positive])}"
      )

    File.mkdir_p!(dir)
    on_exit(fn -> File.rm_rf!(dir) end)
    {:ok, tmp_dir: dir}
  end

  describe "hash" do
    test "of pieces is that of the whole, whatever the pieces" do
      for {size, hex} <- @known, piece <- [1000, 49_152, 49_153, 2_000_000] do
        state = Hash.init()
        feed(state, pattern(size), piece)
        assert Hash.final(state) == digest(hex)
      end
    end

    defp feed(state, data, piece) when byte_size(data) > piece do
      <<first::binary-size(piece), rest::binary>> = data

      assert Hash.update(state, if(rem(byte_size(rest), 2) == 0, do: first, else: iodata(first))) ==
               :ok

      feed(state, rest, piece)
    end

    defp feed(state, data, _piece), do: assert(Hash.update(state, buffer(data)) == :ok)

    test "states are apart" do
      [a, b] = [Hash.init(), Hash.init()]
      Hash.update(a, "abc")
      refute Hash.final(a) == Hash.final(b)
    end

    test "ends with final" do
      state = Hash.init()
      assert byte_size(Hash.final(state)) == 32
      assert_raise ArgumentError, fn -> Hash.update(state, "x") end
      assert_raise ArgumentError, fn -> Hash.final(state) end
    end

    test "raises for what is no state or no data" do
      assert_raise ArgumentError, fn -> Hash.update(make_ref(), "x") end
      assert_raise ArgumentError, fn -> Hash.final(:state) end

      for data <- [1, :a, {}, <<1::1>>, [:a], ["a" | 1]],
          do: assert_raise(ArgumentError, fn -> Hash.update(Hash.init(), data) end)
    end

    test "of two processes at once is busy or in order, never a mixture" do
      state = Hash.init()
      data = :binary.copy("x", 200_000)

      done =
        1..4
        |> Enum.map(fn _ ->
          Task.async(fn ->
            Enum.count(1..50, fn _ -> Hash.update(state, data) != {:error, :busy} end)
          end)
        end)
        |> Task.await_many(:infinity)
        |> Enum.sum()

      assert done > 0
      {:ok, expected} = Jobs.run(:blake2b, List.duplicate(data, done))
      assert Hash.final(state) == expected
    end
  end
end
