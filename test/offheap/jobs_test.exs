defmodule Offheap.JobsTest do
  use ExUnit.Case, async: false

  alias Offheap.{Buffer, Hash, Jobs, Pool, PortPool}

  doctest Offheap.Jobs
  doctest Offheap.Hash

  @lanes [:inline, :dirty, :port]

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

  for {size, hex} <- @known do
    test "#{size} bytes have the known digest in every lane and form" do
      data = pattern(unquote(size))
      expected = {:ok, digest(unquote(hex))}
      assert Jobs.run(:blake2b, data) == expected
      assert Jobs.run(:blake2b, iodata(data)) == expected
      assert Jobs.run(:blake2b, buffer(data)) == expected

      for lane <- @lanes, lane != :inline or unquote(size) <= 49_152 do
        assert Jobs.run(:blake2b, data, lane: lane) == expected
        assert Jobs.run(:blake2b, iodata(data), %{lane: lane}) == expected
        assert Jobs.run(:blake2b, buffer(data), lane: lane) == expected
      end
    end
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
              Path.join(List.duplicate("..", 30) ++ [path])
            ] do
          assert Jobs.run(:blake2b, {:file, name}, options) == {:ok, {digest(hex), size}}
        end
      end
    end

    test "that cannot be read say why, the same in every lane", %{tmp_dir: dir} do
      for lane <- [:dirty, :port] do
        missing = Path.join(dir, "missing")
        assert Jobs.run(:blake2b, {:file, missing}, lane: lane) == {:error, :enoent}
        assert Jobs.run(:blake2b, {:file, dir}, lane: lane) == {:error, :eisdir}
        assert Jobs.run(:blake2b, {:file, "/dev/zero"}, lane: lane) == {:error, :einval}

        under = Path.join(["/etc/hostname", "x"])
        assert Jobs.run(:blake2b, {:file, under}, lane: lane) == {:error, :enotdir}
      end
    end

    test "larger than the dirty lane takes go to a worker", %{tmp_dir: dir} do
      path = Path.join(dir, "large")
      File.write!(path, :binary.copy("x", 8 * 1024 * 1024 + 1))
      assert %{lane: :port, reason: :large} = Jobs.explain(:blake2b, {:file, path})
      {:ok, {digest, size}} = Jobs.run(:blake2b, {:file, path})
      assert size == 8 * 1024 * 1024 + 1
      assert Jobs.run(:blake2b, {:file, path}, lane: :dirty) == {:ok, {digest, size}}
      assert Jobs.run(:blake2b, File.read!(path)) == {:ok, digest}
    end
  end

  test "the lane is picked by size" do
    reasons = fn input -> Jobs.explain(:blake2b, input) |> Map.take([:lane, :reason]) end
    assert reasons.("") == %{lane: :inline, reason: :small}
    assert reasons.(pattern(49_152)) == %{lane: :inline, reason: :small}
    assert reasons.([pattern(49_152), 1]) == %{lane: :dirty, reason: :medium}
    assert reasons.(pattern(8_388_608)) == %{lane: :dirty, reason: :medium}
    assert reasons.(pattern(8_388_609)) == %{lane: :port, reason: :large}
    assert reasons.(pattern(67_108_864)) == %{lane: :dirty, reason: :too_large_for_port}
    assert reasons.(buffer(pattern(100_000))) == %{lane: :dirty, reason: :medium}
    assert %{lane: :port, reason: :forced} = Jobs.explain(:blake2b, "", lane: :port)
  end

  test "stats count each lane" do
    before = Jobs.stats()
    for lane <- @lanes, do: Jobs.run(:blake2b, "x", lane: lane)
    Jobs.run(:blake2b, "x")
    later = Jobs.stats()
    assert for(lane <- @lanes, do: later[lane] - before[lane]) == [2, 1, 1]
  end

  test "wrong input raises" do
    for {job, input, options} <- [
          {:no_such_job, "", []},
          {"blake2b", "", []},
          {:blake2b, 1, []},
          {:blake2b, :a, []},
          {:blake2b, {}, []},
          {:blake2b, {:offheap_buffer, make_ref(), 1}, []},
          {:blake2b, [256], []},
          {:blake2b, [:a], []},
          {:blake2b, ["a" | 1], []},
          {:blake2b, <<1::1>>, []},
          {:blake2b, {:file, 1}, []},
          {:blake2b, {:file, "a\0b"}, []},
          {:blake2b, {:file, ~c"a\0b"}, []},
          {:blake2b, "", [lane: :no_such_lane]},
          {:blake2b, "", [timeout: -1]},
          {:blake2b, "", [no_such_option: 1]},
          {:blake2b, "", [:lane]},
          {:blake2b, "", :lane},
          {:blake2b, {:file, "/etc/hostname"}, [lane: :inline]},
          {:blake2b, :binary.copy("x", 49_153), [lane: :inline]}
        ] do
      assert_raise ArgumentError, fn -> Jobs.run(job, input, options) end
      assert_raise ArgumentError, fn -> Jobs.explain(job, input, options) end
    end
  end

  test "a released buffer raises in every lane" do
    buffer = buffer("abc")
    Buffer.release(buffer)

    for lane <- @lanes,
        do: assert_raise(ArgumentError, fn -> Jobs.run(:blake2b, buffer, lane: lane) end)

    assert_raise ArgumentError, fn -> Hash.update(Hash.init(), buffer) end
  end

  test "a timeout in the port lane is an error" do
    {:ok, _} = PortPool.default()
    assert Jobs.run(:blake2b, pattern(5_000_000), lane: :port, timeout: 0) == {:error, :timeout}
    assert {:messages, []} = Process.info(self(), :messages)
  end

  test "without the application the port lane says so and large jobs are done by dirty" do
    ebin = Path.dirname(to_string(:code.which(:offheap_jobs)))

    code = """
    Big = binary:copy(<<1>>, 9000000),
    {ok, _} = offheap_jobs:run(blake2b, <<1>>),
    {error, not_started} = offheap_jobs:run(blake2b, <<1>>, [{lane, port}]),
    \#{lane := dirty, reason := no_port} = offheap_jobs:explain(blake2b, Big),
    {ok, _} = offheap_jobs:run(blake2b, Big),
    \#{inline := 1, dirty := 1, port := 1} = offheap_jobs:stats(),
    io:format(\"fine\"), halt(0).
    """

    assert {"fine", 0} =
             System.cmd("erl", ["-noshell", "-pa", ebin, "-eval", code], stderr_to_stdout: true)
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
