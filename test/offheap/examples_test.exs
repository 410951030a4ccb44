defmodule Offheap.ExamplesTest do
  # Not async: jobs are counted for all processes together.
  use ExUnit.Case, async: false

  @examples Path.expand("../../examples", __DIR__)
  @buffer_bytes 4096
  @large_bytes 60_000

  setup_all do
    for name <- ~w(runner histogram tree offheap plain) do
      Code.require_file("inventory/#{name}.ex", @examples)
    end

    Code.require_file("copy_file/copy.ex", @examples)
    :ok
  end

  setup do
    root = Path.join(System.tmp_dir!(), "offheap_examples_#{System.pid()}_#{unique()}")
    File.mkdir_p!(Path.join(root, "sub/empty"))
    on_exit(fn -> File.rm_rf!(root) end)
    %{root: root}
  end

  defp unique, do: System.unique_integer([:positive])

  # Modules that are loaded when the tests run, not when this file is compiled.
  defp ours, do: Module.concat(Inventory, Offheap)
  defp plain, do: Module.concat(Inventory, Plain)
  defp call(module, function, args), do: apply(Module.concat(Inventory, module), function, args)

  defp run(implementation, files) do
    call(Runner, :run, [
      implementation,
      files,
      [workers: 3, buffer_bytes: @buffer_bytes, large_bytes: @large_bytes]
    ])
  end

  defp run_plain(files), do: call(Runner, :run, [plain(), files, [workers: 3]])

  defp write_tree(root) do
    contents = %{
      "empty" => "",
      "sub/empty too" => "",
      "small" => "abc",
      "same" => "abc",
      "sub/same" => "abc",
      "just under the buffer" => bytes(@buffer_bytes - 1),
      "just the buffer" => bytes(@buffer_bytes),
      "just over the buffer" => bytes(@buffer_bytes + 1),
      "two buffers" => bytes(2 * @buffer_bytes),
      "many buffers" => bytes(10 * @buffer_bytes + 17),
      "sub/many buffers" => bytes(10 * @buffer_bytes + 17),
      "a job of its own" => bytes(@large_bytes + 1),
      "sub/backslash \\ and\nnewline" => "odd",
      "sub/grün" => "umlaut"
    }

    for {name, content} <- contents, do: File.write!(Path.join(root, name), content)
    File.ln_s!("small", Path.join(root, "link"))
    File.ln_s!("..", Path.join(root, "sub/circle"))
    File.ln_s!("nowhere", Path.join(root, "dangling"))
    contents
  end

  defp bytes(count), do: for(i <- 1..count, into: <<>>, do: <<rem(i * i, 251)>>)

  test "the inventory is what the tree holds", %{root: root} do
    contents = write_tree(root)
    tree = call(Tree, :walk, [root])
    assert tree.skipped == 3
    assert tree.unreadable == []

    assert Enum.sort(tree.files) ==
             contents |> Map.keys() |> Enum.map(&Path.join(root, &1)) |> Enum.sort()

    found = run(ours(), tree.files)
    assert found.files == map_size(contents)
    assert found.bytes == contents |> Map.values() |> Enum.map(&byte_size/1) |> Enum.sum()
    assert found.duplicates == 4
    assert found.timed == map_size(contents)
    assert found.percentile.(0.5) <= found.percentile.(1.0)
    assert found.unreadable == []

    for {path, digest, size} <- found.entries do
      content = contents[Path.relative_to(path, root)]
      assert size == byte_size(content)
      assert {:ok, digest} == Offheap.Jobs.run(:blake2b, content)
    end

    # Every lease is over, and blocks were used again.
    assert %{leased: 0, closed: false} = found.pool
    assert found.pool.recycled > 0
  end

  test "equals plain OTP's, also with files that cannot be read", %{root: root} do
    write_tree(root)
    tree = call(Tree, :walk, [root])
    # Gone since the walk, and no file at all.
    files = tree.files ++ [Path.join(root, "gone"), Path.join(root, "sub")]
    found = run(ours(), files)

    assert Enum.sort(found.unreadable) ==
             [{Path.join(root, "gone"), :enoent}, {Path.join(root, "sub"), :eisdir}]

    summary = call(Runner, :summary, [found])
    assert summary == call(Runner, :summary, [run_plain(files)])
    assert call(Runner, :fingerprint, [summary]) |> Map.keys() == Map.keys(summary)

    assert Enum.sort(summary.equal) ==
             Enum.sort(
               for names <- [
                     ["empty", "sub/empty too"],
                     ["same", "small", "sub/same"],
                     ["many buffers", "sub/many buffers"]
                   ],
                   do: names |> Enum.map(&Path.join(root, &1)) |> Enum.sort()
             )
  end

  test "a difference is found", %{root: root} do
    write_tree(root)
    tree = call(Tree, :walk, [root])
    before = call(Runner, :summary, [run(ours(), tree.files)])
    File.write!(Path.join(root, "same"), "abd")
    later = call(Runner, :summary, [run_plain(tree.files)])

    assert call(Runner, :differing, [before, later]) |> Enum.sort() == [
             :counted,
             :duplicates,
             :equal
           ]

    assert call(Runner, :differing, [before, before]) == []
  end

  test "names that are not UTF-8 are files like others", %{root: root} do
    if raw_names?(root) do
      tree = call(Tree, :walk, [root])
      assert [odd] = tree.files
      assert odd == root <> "/sub/\xFF\xFE odd"
      found = run(ours(), tree.files)
      assert [{^odd, _digest, 3}] = found.entries
      assert call(Runner, :summary, [found]) == call(Runner, :summary, [run_plain(tree.files)])
      assert call(Runner, :check_sample, [found, 5]) in [{1, []}, :no_b2sum]
    end
  end

  # Some systems refuse such names; there the walk cannot meet one.
  defp raw_names?(root), do: :file.write_file(root <> "/sub/\xFF\xFE odd", "odd") == :ok

  test "digests are those of b2sum", %{root: root} do
    write_tree(root)
    found = run(ours(), call(Tree, :walk, [root]).files)

    assert call(Runner, :check_sample, [found, 100]) in [{found.files, []}, :no_b2sum]

    if System.find_executable("b2sum") do
      [{path, _, size} | _] = found.entries
      wrong = %{found | entries: [{path, <<0::256>>, size}]}
      assert call(Runner, :check_sample, [wrong, 1]) == {1, [path]}
    end
  end

  test "latencies are counted in cells a sixteenth wide" do
    cells = call(Histogram, :cells, [])

    for value <- [0, 1, 2, 15, 16, 17, 999, 1000, 123_456, 1_000_000_007, 3_600_000_000_000] do
      cell = call(Histogram, :cell, [value])
      assert cell in 1..cells
      upper = call(Histogram, :upper, [cell])
      assert upper >= value and upper <= max(value, 1) * 17 / 16 + 1
    end

    assert call(Histogram, :cell, [1_000_000_000_000_000_000]) == cells

    # 98 of about 1 us, one of 1 ms, one of 1 s.
    counts =
      for value <- List.duplicate(1000, 98) ++ [1_000_000, 1_000_000_000],
          reduce: List.duplicate(0, cells) do
        counts -> List.update_at(counts, call(Histogram, :cell, [value]) - 1, &(&1 + 1))
      end

    percentile = fn part -> call(Histogram, :percentile, [counts, part]) end
    assert percentile.(0.5) in 1000..1063
    assert percentile.(0.98) in 1000..1063
    assert percentile.(0.99) in 1_000_000..1_062_500
    assert percentile.(1.0) in 1_000_000_000..1_062_500_000
    assert call(Histogram, :percentile, [List.duplicate(0, cells), 0.5]) == 0
  end

  test "an empty tree has an empty inventory", %{root: root} do
    assert call(Tree, :walk, [root]).files == []
    assert %{files: 0, entries: [], contents: [], unreadable: []} = run(ours(), [])
    missing = Path.join(root, "missing")
    assert call(Tree, :walk, [missing]).unreadable == [{missing, :enoent}]
  end

  describe "copying a file" do
    defp copy(from, to, opts \\ []),
      do: apply(Module.concat(CopyFile, Copy), :copy, [from, to, opts])

    test "through one buffer gives the same bytes and their digest", %{root: root} do
      [from, to] = for name <- ["from", "to"], do: Path.join(root, name)
      pool = Offheap.Pool.new()

      for size <- [0, 1, 4095, 4096, 4097, 100_000], chunk <- [100, 4096, 1_000_000] do
        content = :crypto.strong_rand_bytes(size)
        File.write!(from, content)
        digest = :crypto.hash(:blake2b, content)
        assert copy(from, to, chunk_bytes: chunk, pool: pool) == {:ok, {size, digest}}
        assert File.read!(to) == content
      end

      assert %{leased: 0} = Offheap.Pool.info(pool)
    end

    test "that cannot be says why", %{root: root} do
      [from, to] = for name <- ["from", "to"], do: Path.join(root, name)
      assert copy(from, to) == {:error, :enoent}
      refute File.exists?(to)
      File.write!(from, "abc")
      assert copy(from, root) == {:error, :eisdir}
      assert copy(from, to, pool: Offheap.Pool.new(max_bytes: 0)) == {:error, :exhausted}
    end

    test "is a program that prints what b2sum does", %{root: root} do
      [from, to] = for name <- ["from", "to"], do: Path.join(root, name)
      File.write!(from, bytes(3_000_000))

      assert {output, 0} = program([from, to])

      assert output ==
               "#{Base.encode16(:crypto.hash(:blake2b, bytes(3_000_000)), case: :lower)}  #{to}\n"

      assert File.read!(to) == bytes(3_000_000)

      if System.find_executable("b2sum"), do: assert({^output, 0} = System.cmd("b2sum", [to]))

      assert {output, 1} = program([from <> ".no", to])
      assert output =~ "enoent"
    end

    # As a user runs it, but for mix, which would compile under the tests.
    defp program(args) do
      ebin = Application.app_dir(:offheap, "ebin")

      System.cmd("elixir", ["-pa", ebin, Path.join(@examples, "copy_file.exs") | args],
        stderr_to_stdout: true
      )
    end
  end
end
