defmodule Offheap.PortProtocolTest do
  # The worker program against what no well-behaved VM sends: torn, truncated, oversized and random
  # frames. It must answer, or exit with a documented status, and never be ended by a signal.
  use ExUnit.Case, async: true

  # port_status.h
  @usage 2
  @protocol 3
  @too_large 4

  @max_frame 20_000

  defp executable do
    System.get_env("OFFHEAP_PORT") ||
      Path.join(Path.dirname(to_string(:offheap_nif.library_path())), "offheap_port")
  end

  defp open(options \\ [], args \\ ["--test-jobs", "--max-frame", "#{@max_frame}"]) do
    Port.open(
      {:spawn_executable, executable()},
      [:binary, :exit_status, :use_stdio, args: args] ++ options
    )
  end

  defp frame(body), do: [<<IO.iodata_length(body)::32>>, body]
  defp request(id, job, args), do: :erlang.term_to_binary({id, job, args})

  # Replies until the one with that id, or {:exit, status}. Bytes in acc were not decoded yet.
  defp replies(port, last, acc \\ "", seen \\ []) do
    receive do
      {^port, {:data, data}} ->
        {terms, rest} = decode(acc <> data, [])
        seen = seen ++ terms

        if Enum.any?(terms, &(elem(&1, 0) == last)),
          do: seen,
          else: replies(port, last, rest, seen)

      {^port, {:exit_status, status}} ->
        seen ++ [{:exit, status}]
    after
      30_000 -> flunk("the worker neither answers nor ends; so far #{inspect(seen)}")
    end
  end

  defp decode(<<size::32, body::binary-size(size), rest::binary>>, terms),
    do: decode(rest, terms ++ terms(body))

  defp decode(rest, terms), do: {terms, rest}

  defp terms(""), do: []

  defp terms(body) do
    {term, used} = :erlang.binary_to_term(body, [:used])
    [term | terms(binary_part(body, used, byte_size(body) - used))]
  end

  # What the worker does with bytes and, unless it exits, that it still works. One write, which a pipe
  # takes whole: a second one might meet a closed pipe, and the VM then forgets the exit status.
  defp outcome(bytes, probe \\ frame(request(-77, :echo, "probe"))) do
    port = open()
    Port.command(port, [bytes | probe])
    outcome = replies(port, -77)
    if Port.info(port), do: Port.close(port)
    outcome
  end

  defp documented!(outcome, what) do
    case List.last(outcome) do
      {-77, :ok, "probe"} -> :ok
      {:exit, status} when status in [@protocol, @too_large] -> :ok
      other -> flunk("#{inspect(other)} after #{inspect(what, limit: :infinity)}")
    end
  end

  test "a frame holds one or more requests; replies come in order" do
    port = open()
    batch = for i <- 1..300, do: request(i, :echo, <<i::32>>)
    Port.command(port, frame(batch))
    assert replies(port, 300) == for(i <- 1..300, do: {i, :ok, <<i::32>>})
  end

  test "frames may come in pieces of any size" do
    bytes = IO.iodata_to_binary(for i <- 1..20, do: frame(request(i, :echo, <<i>>)))

    for piece <- [1, 2, 3, 7, 50] do
      port = open()
      for <<part::binary-size(piece) <- bytes>>, do: Port.command(port, part)
      tail = rem(byte_size(bytes), piece)
      Port.command(port, binary_part(bytes, byte_size(bytes) - tail, tail))
      assert replies(port, 20) == for(i <- 1..20, do: {i, :ok, <<i>>})
      Port.close(port)
    end
  end

  test "ids of 64 bits come back" do
    port = open()
    ids = [0, 1, 255, 256, -1, -(2 ** 31), 2 ** 31, 2 ** 40, 2 ** 63 - 1, -(2 ** 63)]
    for id <- ids, do: Port.command(port, frame(request(id, :echo, "x")))
    Port.command(port, frame(request(42, :echo, "x")))
    assert replies(port, 42) == for(id <- ids ++ [42], do: {id, :ok, "x"})
  end

  test "a request whose id can be read is answered, even if nothing else can" do
    whole = request(5, :echo, "hello")

    for cut <- 5..(byte_size(whole) - 1) do
      assert [{5, :error, :bad_frame}, {-77, :ok, "probe"}] =
               outcome(frame(binary_part(whole, 0, cut)))
    end

    assert [{5, :error, :badarg} | _] = outcome(frame(request(5, "echo", "x")))
    assert [{5, :error, :unknown_job} | _] = outcome(frame(request(5, :nothing, "x")))
    assert [{5, :error, :bad_frame} | _] = outcome(frame(<<131, 104, 3, 97, 5, 255>>))
    # Lengths of 4 GiB.
    for tag <- [105, 108, 109, 111, 112, 116, 77] do
      assert [{5, :error, :bad_frame} | _] =
               outcome(frame(<<131, 104, 3, 97, 5, 119, 1, ?x, tag, -1::32, 0::64>>))
    end
  end

  test "without an id it exits with the status for it" do
    for body <- [
          "",
          <<0>>,
          <<131>>,
          <<131, 104>>,
          <<131, 104, 3>>,
          <<131, 104, 3, 97>>,
          <<131, 104, 2, 97, 1, 97, 1>>,
          <<131, 106>>,
          :erlang.term_to_binary({:a, :echo, "x"}),
          :erlang.term_to_binary({2 ** 64, :echo, "x"}),
          :erlang.term_to_binary({1.0, :echo, "x"}),
          :erlang.term_to_binary({1, :echo, :binary.copy("x", 1000)}, [:compressed]),
          :erlang.term_to_binary([1, :echo, "x"])
        ] do
      assert List.last(outcome(frame(body))) == {:exit, @protocol}
    end
  end

  test "requests before the one that cannot be read are answered" do
    assert [{1, :ok, "a"}, {2, :ok, "b"}, {:exit, @protocol}] =
             outcome(frame([request(1, :echo, "a"), request(2, :echo, "b"), <<0>>]))
  end

  test "a frame beyond the limit exits with the status for it" do
    assert List.last(outcome(<<@max_frame + 1::32>>)) == {:exit, @too_large}
    assert List.last(outcome(<<-1::32>>)) == {:exit, @too_large}
  end

  test "wrong arguments exit with the status for it" do
    for args <-
          [["x"], ["--max-frame"], ["--max-frame", "0"], ["--max-frame", "1x"]] ++
            [["--max-frame", "99999999999999999999"], ["--max-frame", "2000000000"]] do
      port = open([], args)
      assert_receive {^port, {:exit_status, @usage}}, 30_000
    end
  end

  test "test jobs need the flag" do
    port = open([], [])
    Port.command(port, frame(request(1, :crash, 0)))
    assert replies(port, 1) == [{1, :error, :unknown_job}]
  end

  test "it ends when its port is closed in the middle of a job" do
    port = open()
    {:os_pid, pid} = Port.info(port, :os_pid)
    Port.command(port, frame(request(1, :echo, "x")))
    replies(port, 1)
    Port.command(port, frame([request(2, :hang, 0), request(3, :echo, "never read")]))
    Port.close(port)
    assert gone?(pid, 1000)
  end

  defp gone?(_pid, 0), do: false

  defp gone?(pid, tries) do
    case System.cmd("ps", ["-o", "stat=", "-p", "#{pid}"], stderr_to_stdout: true) do
      {"Z" <> _, _} -> true
      {_, 1} -> true
      _ -> Process.sleep(10) && gone?(pid, tries - 1)
    end
  end

  describe "never ends by a signal:" do
    setup do
      # Shown with a failure; the same seed gives the same frames.
      seed = :rand.uniform(1_000_000_000)
      :rand.seed(:exsss, seed)
      {:ok, seed: seed}
    end

    test "random bytes in a frame", %{seed: seed} do
      for _ <- 1..150 do
        body = :rand.bytes(:rand.uniform(60))
        documented!(outcome(frame(body)), {seed, body})
      end
    end

    test "random bytes behind a good head", %{seed: seed} do
      for _ <- 1..150 do
        body = [<<131, 104, 3, 97, 5, 119, 4, "echo">>, :rand.bytes(:rand.uniform(40))]
        documented!(outcome(frame(body)), {seed, body})
      end
    end

    test "good terms with a byte changed, taken out or put in", %{seed: seed} do
      for _ <- 1..300 do
        body = mutate(request(5, Enum.random([:echo, :blake2b, :blake2b_file]), term(2)))
        if byte_size(body) <= @max_frame, do: documented!(outcome(frame(body)), {seed, body})
      end
    end

    test "good terms, answered one by one" do
      port = open([], ["--test-jobs"])

      for id <- 1..2000 do
        Port.command(port, frame(request(id, Enum.random([:echo, :blake2b, :nope]), term(5))))
        assert [{^id, outcome, _}] = replies(port, id)
        assert outcome in [:ok, :error]
      end
    end

    test "torn streams", %{seed: seed} do
      # A torn frame may wait for more bytes: as many probes as the largest frame can swallow.
      probe = frame(request(-77, :echo, "probe"))
      probes = List.duplicate(probe, div(@max_frame, IO.iodata_length(probe)) + 2)

      for _ <- 1..200 do
        stream = IO.iodata_to_binary(for i <- 1..5, do: frame(request(i, :echo, "x")))
        torn = mutate(mutate(stream))
        documented!(outcome(torn, probes), {seed, torn})
      end
    end
  end

  defp mutate(bytes) do
    at = :rand.uniform(byte_size(bytes)) - 1
    <<head::binary-size(at), byte, tail::binary>> = bytes

    case :rand.uniform(3) do
      1 -> head <> <<Bitwise.bxor(byte, Bitwise.bsl(1, :rand.uniform(8) - 1))>> <> tail
      2 -> head <> tail
      3 -> head <> <<:rand.uniform(256) - 1, byte>> <> tail
    end
  end

  defp term(0), do: Enum.random([0, -1, 2 ** 70, 1.5, :atom, "", "binary", [], ~c"list", self()])

  defp term(depth) do
    sub = fn -> term(:rand.uniform(depth) - 1) end

    case :rand.uniform(8) do
      1 -> {sub.(), sub.()}
      2 -> [sub.(), sub.() | sub.()]
      3 -> %{sub.() => sub.()}
      4 -> <<:rand.uniform(256)::size(5)>>
      5 -> Enum.random([make_ref(), &is_atom/1, fn -> depth end, -(2 ** 3000)])
      6 -> List.duplicate(term(0), 300) |> List.to_tuple()
      _ -> :rand.bytes(:rand.uniform(300))
    end
  end
end
