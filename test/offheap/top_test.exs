defmodule Offheap.TopTest do
  # Not async: it looks at what all processes hold.
  use ExUnit.Case, async: false
  import ExUnit.CaptureIO
  alias Offheap.{Buffer, Pool, Store, Top}

  doctest Offheap.Top

  @ebin Path.expand("ebin", Mix.Project.app_path())

  defp text(snapshot, options \\ []),
    do: snapshot |> Top.render(options) |> IO.iodata_to_binary()

  defp lines(snapshot, options \\ []),
    do: snapshot |> text(options) |> String.split("\n", trim: true)

  # A node as it might be.
  defp sample(changes \\ %{}) do
    sums = %{bytes: 4096, lingering: 1}

    Map.merge(
      %{
        node: :app@host,
        otp_release: "25",
        time_ms: 1_714_572_202_999,
        uptime_ms: 3_600_000,
        memory: %{total: 40_000_000, processes: 9_999, system: 123_456, binary: 0, ets: 1},
        info: %{
          version: ~c"0.1.0",
          bytes: 12_345_678,
          retired_bytes: 7,
          stores: %{bytes: 1_000_000},
          pools: sums,
          atomics: %{count: 1_234, bytes: 56},
          files: %{count: 0, bytes: 0},
          port_pools: [%{names: [self(), :workers], size: 2, running: 1, requests: 3}]
        },
        stores: [
          %{name: :small, type: :set, size: 1, bytes: 640, owner: "<0.1.0> init"},
          %{name: :large, type: :unknown, size: 1_000_000, bytes: 999_360, owner: ""}
        ],
        pools: [pool(:buffers, 4_096), pool(:none, 0)],
        old_leases: [
          %{
            pool: :buffers,
            owner: "<0.2.0>",
            tag: :upload,
            age_ms: 90_000,
            bytes: 4096,
            state: :writable
          }
        ],
        old_leases_count: 1,
        older_than_ms: 60_000,
        jobs: jobs(100)
      },
      changes
    )
  end

  defp pool(name, bytes) do
    %{name: name, leased: 1, leased_bytes: bytes, frozen_bytes: 0, cached_bytes: 0, bytes: bytes}
    |> Map.merge(%{max_bytes: :infinity, refused: 12, oldest_ms: 90_000})
  end

  defp jobs(inline) do
    %{inline: inline, yielding: 0, dirty: 7, port: 0, dirty_in_use: 1, dirty_limit: 3}
    |> Map.merge(%{
      dirty_cpu_queue: 2,
      dirty_io_queue: 4,
      latency_us: %{dirty: %{count: 7, p50: 8, p99: 9.6}}
    })
  end

  describe "render" do
    test "says what and where, and all of memory" do
      assert [
               "offheap 0.1.0 on app@host, OTP 25, up 60 min, 14:03:22 UTC",
               "memory  offheap 12.3 MB: stores 1000.0 kB, pools 4096 B, retired 7 B",
               "        OTP 40.0 MB: processes 9999 B, system 123.4 kB, binary 0 B, ets 1 B",
               "handles atomics 1,234 (56 B)" | _
             ] = lines(sample())
    end

    test "says so where the emulator does not count its memory" do
      assert "        OTP not counted" in lines(sample(%{memory: %{}}))
    end

    test "lists tables, the largest first" do
      assert [title, large, small] =
               sample() |> lines() |> Enum.drop_while(&(not (&1 =~ "STORES"))) |> Enum.take(3)

      assert title =~ ~r/^STORES 2 +type +size +memory +owner$/
      assert large =~ ~r/^:large +1,000,000 +999.3 kB$/
      assert small =~ ~r/^:small +set +1 +640 B +<0.1.0> init$/
    end

    test "lists pools, old leases and workers" do
      text = text(sample())
      assert text =~ ~r/^POOLS 2 \(1 lingering\) /m
      assert text =~ ~r/^:buffers +1 +4096 B +0 B +0 B +4096 B +none +12 +90 s$/m
      assert text =~ ~r/^- +1 +0 B +0 B +0 B +0 B +none +12 +90 s$/m
      assert text =~ ~r/^LEASES over 60 s: 1 /m
      assert text =~ ~r/^:buffers +90 s +4096 B  <0.2.0>, tag :upload, writable$/m
      assert text =~ ~r/^:workers +1 of 2 +3$/m
    end

    test "lists lanes, with jobs a second since another snapshot" do
      text = text(sample())
      assert text =~ ~r/^LANES .* dirty 1 of 3, waiting 2 \(io 4\)$/m
      assert text =~ ~r/^inline +100$/m
      assert text =~ ~r/^dirty +7 +8 +10$/m

      later = sample(%{jobs: jobs(1_100), time_ms: 1_714_572_204_999})
      assert text(later, previous: sample()) =~ ~r/^inline +1,100 +500$/m
    end

    test "leaves out what there is none of" do
      none = sample(%{old_leases: [], old_leases_count: 0, stores: [], pools: []})
      none = put_in(none.info.port_pools, [])
      text = text(put_in(none.info.atomics.count, 0))
      refute text =~ "LEASES"
      refute text =~ "WORKERS"
      assert text =~ "handles none"
      assert text =~ "STORES 0"
    end

    test "keeps to the screen" do
      stores =
        for i <- 1..500,
            do: %{name: :"table_#{i}", type: :set, size: i, bytes: i, owner: "<0.1.0>"}

      snapshot = sample(%{stores: stores})

      for rows <- [1, 5, 10, 15, 24, 40, 100], columns <- [1, 40, 80, 200] do
        lines = snapshot |> text(rows: rows, columns: columns) |> String.split("\n")
        assert length(lines) <= rows + 1
        assert Enum.all?(lines, &(String.length(&1) <= columns))
      end

      # The short lists stay whole, the long one gets what is left.
      text = text(snapshot, rows: 40)
      assert text =~ "STORES 500"
      assert text =~ ":table_500"
      assert text =~ ":workers"
      assert length(Regex.scan(~r/^:table_/m, text)) == 40 - 4 - 1 - 5 - 4 - 1 - 3 - 2 - 2
    end

    test "cuts names that are too long for their column" do
      name = String.to_atom(String.duplicate("n", 200))
      snapshot = sample(%{stores: [%{name: name, type: :set, size: 1, bytes: 1, owner: ""}]})
      assert text(snapshot) =~ ~r/^:n{27}~ set/m
    end
  end

  describe "snapshot" do
    test "finds tables with and without names" do
      Store.new(:top_named, [:named_table, :ordered_set])
      Store.put(:top_named, 1, 2)
      # The same name, but nobody finds it by that.
      unnamed = Store.new(:top_named)

      assert [_, _] = rows = for(%{name: :top_named} = row <- Top.snapshot().stores, do: row)
      assert %{size: 1, owner: owner} = Enum.find(rows, &(&1.type == :ordered_set))
      assert owner =~ inspect(self()) |> String.replace("#PID", "")
      assert %{size: 0, owner: ""} = Enum.find(rows, &(&1.type == :unknown))
      Store.delete(unnamed)
    end

    test "finds pools by their names, and leases that are old enough" do
      start_supervised!({Pool, name: :top_pool})
      Process.register(self(), :top_owner)
      {:ok, buffer} = Buffer.lease(:top_pool, 100, tag: :top)

      old = Top.snapshot(older_than_ms: 0)

      assert [%{pool: :top_pool, bytes: 112, owner: owner}] =
               Enum.filter(old.old_leases, &(&1.tag == :top))

      assert owner =~ "top_owner"
      assert %{leased: 1, oldest_ms: age_ms} = Enum.find(old.pools, &(&1.name == :top_pool))
      assert is_integer(age_ms)

      young = Top.snapshot(older_than_ms: 3_600_000)
      assert young.old_leases == [] and young.old_leases_count == 0
      Buffer.release(buffer)
      assert %{oldest_ms: :none} = Enum.find(Top.snapshot().pools, &(&1.name == :top_pool))
    end

    test "says what an owner is that has no name" do
      start_supervised!({Store, name: :top_owned})
      assert %{owner: owner} = Enum.find(Top.snapshot().stores, &(&1.name == :top_owned))
      assert owner =~ "Offheap.Store.Owner"
    end

    test "of a node that is not there raises" do
      assert_raise ErlangError, ~r/noconnection/, fn -> Top.snapshot(node: :nobody@nowhere) end
    end
  end

  test "handles of one pool have one entry" do
    [pool, other] = for _ <- 1..2, do: Pool.new(largest: 65_536)
    entries = for handle <- Offheap.pools(), do: :offheap_nif.pool_entry(handle)
    assert :offheap_nif.pool_entry(pool) in entries
    assert :offheap_nif.pool_entry(pool) != :offheap_nif.pool_entry(other)
    assert_raise ArgumentError, fn -> :offheap_nif.pool_entry(make_ref()) end
  end

  describe "mix offheap.top" do
    test "shows this node" do
      assert capture_io(fn -> Mix.Tasks.Offheap.Top.run(["--once"]) end) =~ "on nonode@nohost"
    end

    test "says what is wrong with its arguments" do
      assert_raise Mix.Error, ~r/no arguments/, fn ->
        Mix.Tasks.Offheap.Top.run(["--once", "x"])
      end

      assert_raise Mix.Error, ~r/--older-than must not be below 0/, fn ->
        Mix.Tasks.Offheap.Top.run(["--once", "--older-than", "-1"])
      end

      assert_raise OptionParser.ParseError, fn -> Mix.Tasks.Offheap.Top.run(["--nodes", "x"]) end
    end

    # Nodes find each other by a fixed port, so that no epmd is started, and left, for this.
    test "shows another node, which has no Elixir" do
      flags = "-start_epmd false -erl_epmd_port #{free_port()}"
      node = "top_#{System.pid()}@localhost"

      script = """
      offheap_store:new(table_of_another, [named_table]), io:format("ready~n"), receive after infinity -> ok end.
      """

      port =
        Port.open(
          {:spawn_executable, System.find_executable("erl")},
          [
            :binary,
            :exit_status,
            args:
              ~w(-noinput -sname #{node} -setcookie top #{flags} -pa #{@ebin} -eval) ++ [script]
          ]
        )

      assert_receive {^port, {:data, "ready\n"}}

      {output, status} =
        System.cmd("mix", ~w(offheap.top --once --cookie top --node #{node}),
          env: [{"ERL_FLAGS", flags}, {"MIX_ENV", "test"}],
          stderr_to_stdout: true
        )

      {:os_pid, pid} = Port.info(port, :os_pid)
      System.cmd("kill", ["#{pid}"])
      assert_receive {^port, {:exit_status, _}}

      assert status == 0, output
      assert output =~ "on #{node}"
      assert output =~ ":table_of_another"
    end

    defp free_port do
      {:ok, socket} = :gen_tcp.listen(0, [])
      {:ok, port} = :inet.port(socket)
      :gen_tcp.close(socket)
      port
    end
  end
end
