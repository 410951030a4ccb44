defmodule Offheap.BufferTest do
  use ExUnit.Case, async: true

  alias Offheap.{Buffer, Pool}

  doctest Offheap.Buffer

  setup do
    %{pool: Pool.new()}
  end

  defp lease(pool, size, data \\ "") do
    {:ok, buffer} = Buffer.lease(pool, size, data)
    buffer
  end

  defp ended(fun) do
    {pid, monitor} = spawn_monitor(fun)
    assert_receive {:DOWN, ^monitor, _, ^pid, :normal}, 5000
    pid
  end

  # Every call that takes a buffer, with arguments that fit a buffer holding "content".
  defp calls do
    [
      write: &Buffer.write(&1, 0, "x"),
      write_list: &Buffer.write(&1, 0, ["x", "y"]),
      append: &Buffer.append(&1, "x"),
      read: &Buffer.read/1,
      read_part: &Buffer.read(&1, 0, 1),
      size: &Buffer.size/1,
      capacity: &Buffer.capacity/1,
      owner: &Buffer.owner/1,
      give_away: &Buffer.give_away(&1, self()),
      freeze: &Buffer.freeze/1,
      slice: &Buffer.slice(&1, 0, 1),
      slices: &Buffer.slices(&1, [{0, 1}]),
      split_to: &Buffer.split_to(&1, 1)
    ]
  end

  defp assert_refused(buffer, calls) do
    for {name, call} <- calls do
      try do
        flunk("#{name} returned #{inspect(call.(buffer))}")
      rescue
        ArgumentError -> :ok
      end
    end
  end

  describe "after release" do
    test "every use is an error", %{pool: pool} do
      buffer = lease(pool, 100, "content")
      assert Buffer.release(buffer) == :ok
      assert_refused(buffer, calls())
      assert Buffer.release(buffer) == {:error, :released}
      assert %{state: :released} = Buffer.info(buffer)
    end

    test "the next lease of the same block is another buffer", %{pool: pool} do
      old = lease(pool, 100, "old content")
      :ok = Buffer.release(old)
      new = lease(pool, 100, "new")
      assert {:offheap_buffer, ref, generation} = new
      assert {:offheap_buffer, ^ref, older} = old
      assert generation == older + 1
      assert_refused(old, calls())
      assert Buffer.release(old) == {:error, :released}
      assert Buffer.read(new) == "new"
      assert Buffer.release(new) == :ok
    end

    test "what an earlier lease wrote is never seen", %{pool: pool} do
      :ok = Buffer.release(lease(pool, 1024, :binary.copy("secret", 170)))
      buffer = lease(pool, 1024)
      assert Pool.info(pool).recycled == 1
      assert Buffer.read(buffer) == ""
      assert_raise ArgumentError, fn -> Buffer.read(buffer, 0, 1) end
      :ok = Buffer.write(buffer, 1000, "end")
      assert Buffer.read(buffer) == <<0::8000, "end">>
      assert Buffer.freeze(buffer) == <<0::8000, "end">>
    end
  end

  describe "what is no buffer" do
    test "is refused everywhere", %{pool: pool} do
      {:offheap_buffer, ref, generation} = lease(pool, 100)
      {:ok, file} = Offheap.File.open("mix.exs")

      wrong = [
        nil,
        make_ref(),
        ref,
        pool,
        file,
        Offheap.Atomics.new(1),
        {:offheap_buffer, make_ref(), 1},
        {:offheap_buffer, pool, generation},
        {:offheap_buffer, file, generation},
        {:offheap_buffer, Offheap.Atomics.new(1), 1},
        {:offheap_buffer, ref, generation + 1},
        {:offheap_buffer, ref, 0},
        {:offheap_buffer, ref, -1},
        {:offheap_buffer, ref, 2 ** 48 + generation},
        {:offheap_buffer, ref, 2 ** 64 + generation},
        {:offheap_buffer, ref, generation * 1.0},
        {:offheap_buffer, ref},
        {:other, ref, generation},
        {:offheap_buffer, ref, generation, generation}
      ]

      for term <- wrong, do: assert_refused(term, calls())
    end

    test "a binary made from a buffer is not a handle for it", %{pool: pool} do
      buffer = {_, _, generation} = lease(pool, 0, :binary.copy("x", 100_000))
      binary = Buffer.freeze(buffer)
      assert_refused({:offheap_buffer, binary, generation}, calls())

      assert_refused(
        {:offheap_buffer, :erlang.binary_part(binary, 5, 90_000), generation},
        calls()
      )
    end

    test "a guessed generation of a detached handle does no harm" do
      pool = Pool.new()
      {:offheap_buffer, old, generation} = buffer = lease(pool, 100)
      :ok = Buffer.release(buffer)
      # The block goes and takes its handle along; the next lease has another one.
      assert Pool.trim(pool) == 1
      {:offheap_buffer, new, later} = buffer = lease(pool, 100, "content")
      assert new != old
      assert later > generation
      assert_refused({:offheap_buffer, old, later}, calls())
      assert Buffer.release({:offheap_buffer, old, later}) == {:error, :released}
      assert Buffer.read(buffer) == "content"
      assert Buffer.release(buffer) == :ok
    end
  end

  describe "offsets and lengths" do
    test "of any magnitude are served or refused", %{pool: pool} do
      buffer = lease(pool, 1000, "0123456789")
      capacity = Buffer.capacity(buffer)

      for offset <- [capacity, capacity + 1, 2 ** 32, 2 ** 60, 2 ** 63, 2 ** 64 - 1] do
        assert Buffer.write(buffer, offset, "x") == {:error, :enospc}
        assert_raise ArgumentError, fn -> Buffer.read(buffer, offset, 1) end
        assert_raise ArgumentError, fn -> Buffer.read(buffer, 1, offset) end
        assert_raise ArgumentError, fn -> Buffer.read(buffer, offset, offset) end
      end

      for offset <- [-1, 2 ** 64, 2 ** 70, 1.0, :end, nil] do
        assert_raise ArgumentError, fn -> Buffer.write(buffer, offset, "x") end
        assert_raise ArgumentError, fn -> Buffer.read(buffer, offset, 1) end
        assert_raise ArgumentError, fn -> Buffer.read(buffer, 1, offset) end
      end

      assert Buffer.append(buffer, :binary.copy("x", capacity)) == {:error, :enospc}
      assert Buffer.read(buffer) == "0123456789"
      assert Buffer.append(buffer, :binary.copy("x", capacity - 10)) == :ok
      assert Buffer.append(buffer, "x") == {:error, :enospc}
      assert Buffer.size(buffer) == capacity
    end

    test "of zero are fine", %{pool: pool} do
      buffer = lease(pool, 0)
      capacity = Buffer.capacity(buffer)
      assert Buffer.read(buffer) == ""
      assert Buffer.read(buffer, 0, 0) == ""
      assert Buffer.append(buffer, "") == :ok
      assert Buffer.append(buffer, []) == :ok
      assert Buffer.write(buffer, capacity, "") == :ok
      assert Buffer.write(buffer, capacity + 1, "") == {:error, :enospc}
      assert Buffer.size(buffer) == 0
      assert Buffer.freeze(buffer) == ""
      assert Buffer.slice(buffer, 0, 0) == ""
    end
  end

  describe "data" do
    test "may be any iodata", %{pool: pool} do
      deep = Enum.reduce(1..1000, [], fn i, acc -> [acc, rem(i, 256), "bytes", [[]]] end)
      expected = IO.iodata_to_binary(deep)
      buffer = lease(pool, 10_000)
      assert Buffer.append(buffer, deep) == :ok
      assert Buffer.write(buffer, 3, deep) == :ok
      assert Buffer.read(buffer) == binary_part(expected, 0, 3) <> expected
      big = [:binary.copy("a", 300), [:binary.copy("b", 300) | "tail"]]
      assert Buffer.write(buffer, 0, big) == :ok
      assert Buffer.read(buffer, 0, 604) == IO.iodata_to_binary(big)
    end

    test "that is none is refused and nothing is written", %{pool: pool} do
      buffer = lease(pool, 100, "untouched")

      for data <- [:atom, 1, ["ok", :atom], [256], ["a" | :b], %{}, <<1::1>>, ["a", <<1::7>>]] do
        assert_raise ArgumentError, fn -> Buffer.append(buffer, data) end
        assert_raise ArgumentError, fn -> Buffer.write(buffer, 0, data) end
        assert_raise ArgumentError, fn -> Buffer.lease(pool, 100, data) end
      end

      assert Buffer.read(buffer) == "untouched"
    end

    test "of many megabytes goes in and out whole" do
      pool = Pool.new(max_bytes: :infinity)
      bytes = :crypto.strong_rand_bytes(5_000_000)
      buffer = lease(pool, 20_000_000, bytes)
      assert Buffer.append(buffer, bytes) == :ok
      assert Buffer.append(buffer, [bytes, "end"]) == :ok
      assert Buffer.append(buffer, List.duplicate(<<7>>, 100_000)) == :ok
      assert Buffer.append(buffer, for(_ <- 1..10_000, do: :binary.copy(<<8>>, 70))) == :ok
      tail = :binary.copy(<<7>>, 100_000) <> :binary.copy(<<8>>, 700_000)
      assert Buffer.size(buffer) == 15_000_003 + byte_size(tail)
      assert Buffer.read(buffer) == bytes <> bytes <> bytes <> "end" <> tail
      assert Buffer.freeze(buffer) == bytes <> bytes <> bytes <> "end" <> tail
    end
  end

  describe "freezing" do
    for size <- [0, 1, 64, 65, 65_536, 65_537, 1_000_000, 3_000_000] do
      test "#{size} bytes gives a binary that never changes" do
        pool = Pool.new()
        bytes = :crypto.strong_rand_bytes(unquote(size))
        buffer = lease(pool, unquote(size), bytes)
        binary = Buffer.freeze(buffer)
        part = binary_part(binary, div(unquote(size), 3), div(unquote(size), 2))
        assert binary == bytes
        assert Buffer.freeze(buffer) == bytes
        assert Buffer.read(buffer) == bytes
        assert Buffer.info(buffer).state == :frozen
        assert Buffer.write(buffer, 0, "x") == {:error, :frozen}
        assert Buffer.append(buffer, "x") == {:error, :frozen}
        :ok = Buffer.release(buffer)
        other = :binary.copy(<<0xEE>>, unquote(size))

        for _ <- 1..50 do
          assert Buffer.release(lease(pool, unquote(size), other)) == :ok
        end

        assert binary == bytes
        assert part == binary_part(bytes, div(unquote(size), 3), div(unquote(size), 2))
      end
    end

    test "slices are parts of the frozen bytes", %{pool: pool} do
      bytes = :crypto.strong_rand_bytes(200_000)
      large = lease(pool, 0, bytes)
      small = lease(pool, 0, binary_part(bytes, 0, 1000))

      for buffer <- [small, large] do
        assert_raise ArgumentError, fn -> Buffer.slice(buffer, 0, 1) end
        Buffer.freeze(buffer)
        size = Buffer.size(buffer)

        for {offset, length} <- [{0, size}, {0, 0}, {size, 0}, {10, 64}, {11, 65}, {size - 1, 1}] do
          assert Buffer.slice(buffer, offset, length) == binary_part(bytes, offset, length)
        end

        for {offset, length} <- [{0, size + 1}, {size, 1}, {size + 1, 0}, {2 ** 64 - 1, 2}] do
          assert_raise ArgumentError, fn -> Buffer.slice(buffer, offset, length) end
        end
      end
    end

    test "a slice outlives buffer and pool" do
      test = self()
      bytes = :crypto.strong_rand_bytes(200_000)

      ended(fn ->
        buffer = lease(Pool.new(), 0, bytes)
        Buffer.freeze(buffer)
        send(test, Buffer.slice(buffer, 50, 150_000))
        Buffer.release(buffer)
      end)

      assert_receive slice
      :erlang.garbage_collect()
      assert slice == binary_part(bytes, 50, 150_000)
    end

    test "binaries survive the collection of the buffer that was not released", %{pool: pool} do
      bytes = :crypto.strong_rand_bytes(100_000)
      test = self()
      ended(fn -> send(test, Buffer.freeze(lease(pool, 0, bytes))) end)
      assert_receive binary
      for _ <- 1..20, do: Buffer.release(lease(pool, 0, :binary.copy("z", 100_000)))
      assert binary == bytes
    end
  end

  describe "the owner" do
    test "is who leased, or was given it", %{pool: pool} do
      buffer = lease(pool, 100, "content")
      test = self()
      assert Buffer.owner(buffer) == test
      task = Task.async(fn -> receive do: (:stop -> Buffer.read(buffer)) end)
      assert Buffer.give_away(buffer, task.pid) == :ok
      assert Buffer.owner(buffer) == task.pid
      assert_raise ArgumentError, fn -> Buffer.give_away(buffer, test) end
      assert Buffer.read(buffer) == "content"
      send(task.pid, :stop)
      assert Task.await(task) == "content"
    end

    test "is a process that is alive", %{pool: pool} do
      buffer = lease(pool, 100)
      dead = ended(fn -> :ok end)

      for wrong <- [dead, :name, make_ref(), nil] do
        assert_raise ArgumentError, fn -> Buffer.give_away(buffer, wrong) end
      end

      assert Buffer.owner(buffer) == self()
    end

    test "takes the lease along when it dies, whoever still holds the buffer", %{pool: pool} do
      test = self()

      for {name, call} <- calls() do
        ended(fn -> send(test, {name, lease(pool, 100, "content")}) end)
        assert_receive {^name, buffer}
        assert_refused(buffer, [{name, call}])
        assert Buffer.release(buffer) == {:error, :released}
      end

      ended(fn -> send(test, lease(pool, 100, "content")) end)
      assert_receive buffer
      assert Buffer.release(buffer) == {:error, :released}
      assert Pool.info(pool).leased == 0
      assert Pool.info(pool).reclaimed == length(calls()) + 1
    end

    test "that dies after giving the buffer away takes nothing along", %{pool: pool} do
      test = self()

      ended(fn ->
        buffer = lease(pool, 100, "content")
        :ok = Buffer.give_away(buffer, test)
        send(test, buffer)
      end)

      assert_receive buffer
      assert Pool.sweep(pool) == 0
      assert Buffer.read(buffer) == "content"
    end
  end

  describe "processes at once" do
    test "release once, whoever is first", %{pool: pool} do
      for _ <- 1..300 do
        buffer = lease(pool, 100)

        results =
          1..4
          |> Enum.map(fn _ -> Task.async(fn -> Buffer.release(buffer) end) end)
          |> Task.await_many()

        assert Enum.sort(results) == [:ok | List.duplicate({:error, :released}, 3)]
      end

      assert %{leased: 0, leases: 300} = Pool.info(pool)
    end

    # Each lease is filled with one byte. A reader sees that byte only, or an error: never the byte of
    # another lease of the same block.
    test "never see another lease's bytes while buffers are released under them", %{pool: pool} do
      readers =
        for _ <- 1..3 do
          spawn_link(fn ->
            read = fn read, counts ->
              receive do
                {:buffer, buffer, byte} ->
                  size = byte * 100

                  seen =
                    try do
                      case {Buffer.read(buffer), Buffer.append(buffer, <<byte>>)} do
                        {"", _} -> true
                        {bytes, _} -> :binary.copy(<<byte>>, byte_size(bytes)) == bytes
                      end
                    rescue
                      ArgumentError -> :released
                    end

                  if seen == false, do: exit({:torn, size})
                  read.(read, Map.update(counts, seen, 1, &(&1 + 1)))

                {:stop, from} ->
                  send(from, {:done, self(), counts})
              end
            end

            read.(read, %{})
          end)
        end

      for i <- 1..20_000 do
        byte = rem(i, 40) + 1
        buffer = lease(pool, 8000)
        Enum.each(readers, &send(&1, {:buffer, buffer, byte}))
        :ok = Buffer.append(buffer, :binary.copy(<<byte>>, byte * 100)) |> busy_is_ok()
        if rem(i, 3) == 0, do: :erlang.yield()
        if rem(i, 5) == 0, do: Buffer.freeze(buffer)
        assert Buffer.release(buffer) == :ok
      end

      for reader <- readers do
        send(reader, {:stop, self()})
        assert_receive {:done, ^reader, _counts}, 30_000
      end

      assert %{leased: 0} = Pool.info(pool)
    end

    defp busy_is_ok({:error, :busy}), do: :ok
    defp busy_is_ok(other), do: other

    test "read and freeze large buffers that others release", %{pool: pool} do
      test = self()

      for i <- 1..200 do
        byte = rem(i, 250) + 1
        bytes = :binary.copy(<<byte>>, 150_000)
        buffer = lease(pool, 0, bytes)

        for call <- [&Buffer.freeze/1, &Buffer.read/1, &Buffer.slice(&1, 10, 149_000)] do
          spawn_link(fn ->
            result =
              try do
                call.(buffer)
              rescue
                ArgumentError -> :refused
              end

            # What came out stays as it is while the block is leased to others.
            send(test, {:result, byte, result})
          end)
        end

        if rem(i, 2) == 0, do: :erlang.yield()
        assert Buffer.release(buffer) == :ok
      end

      results = for _ <- 1..600, do: assert_receive({:result, _, _}, 10_000)

      for {:result, byte, binary} <- results, is_binary(binary) do
        assert binary == :binary.copy(<<byte>>, byte_size(binary))
      end
    end
  end

  test "with_lease releases whatever happens", %{pool: pool} do
    assert Buffer.with_lease(pool, 10, &Buffer.capacity/1) == 64
    assert_raise RuntimeError, fn -> Buffer.with_lease(pool, 10, fn _ -> raise "no" end) end
    assert catch_throw(Buffer.with_lease(pool, 10, fn _ -> throw(:ball) end)) == :ball
    assert Buffer.with_lease(pool, 10, &Buffer.release/1) == :ok
    assert Buffer.with_lease(pool, 0, ["io", ~c"data"], &Buffer.read/1) == "iodata"
    assert Buffer.with_lease(pool, 100, [tag: :t, timeout: 5], &Buffer.size/1) == 0

    assert Buffer.with_lease(pool, 100, "abc", [tag: :t], fn buffer ->
             [%{tag: :t}] = Pool.leases(pool)
             Buffer.read(buffer)
           end) == "abc"

    assert_raise FunctionClauseError, fn -> Buffer.with_lease(pool, 1, fn -> :ok end) end
    assert Pool.info(pool).leased == 0
    assert Buffer.with_lease(Pool.new(max_bytes: 0), 10, fn _ -> :ok end) == {:error, :exhausted}
  end
end
