defmodule Offheap.BinaryTest do
  use ExUnit.Case, async: true
  doctest Offheap.Binary

  import Offheap.Memory
  alias Offheap.{Binary, Buffer, Pool}

  @large 1_000_000

  # Made at run time: constants are not on the process's heap.
  defp large(bytes \\ @large), do: :binary.copy(<<:rand.uniform(255)>>, bytes)

  # A frozen buffer's binary, of `size` bytes in a block of 1 MiB.
  defp frozen(size) do
    {:ok, buffer} = Buffer.lease(Pool.new(), 1_048_576, large(size))
    frozen = Buffer.freeze(buffer)
    Buffer.release(buffer)
    frozen
  end

  defp unaligned(binary, shift, bytes) do
    <<_::size(shift), slice::binary-size(bytes), _::bits>> = binary
    slice
  end

  defp pins(binary), do: Binary.referenced_byte_size(binary)

  # `compact/2` leaves the binary if and only if it refers to what it referred to before.
  defp assert_left(binary, opts \\ []) do
    before = pins(binary)
    compact = Binary.compact(binary, opts)
    assert compact == binary
    assert pins(compact) == before
  end

  defp assert_copied(binary, opts \\ []) do
    compact = Binary.compact(binary, opts)
    assert compact == binary
    assert pins(compact) == byte_size(binary)
  end

  describe "referenced_byte_size/1" do
    test "is that of the parent" do
      whole = large()
      assert pins(whole) == @large
      assert pins(binary_part(whole, 5, 65)) == @large
      assert pins(unaligned(whole, 3, 500)) == @large
    end

    test "is the binary's own where it stands on the heap" do
      assert pins("") == 0
      assert pins(<<1::3>>) == 1
      for size <- 1..64, do: assert(pins(large(size)) == size)
      # Emulators copy parts of up to 64 bytes, some at once, some at the next collection.
      part = binary_part(large(), 5, 20)
      assert pins(part) in [20, @large]
    end

    test "is the block of a frozen buffer" do
      frozen = frozen(200_000)
      assert pins(frozen) == 1_048_576
      assert pins(binary_part(frozen, 0, 65)) == 1_048_576
      assert pins(binary_part(frozen, 199_900, 100)) == 1_048_576
      for shift <- 1..7, do: assert(pins(unaligned(frozen, shift, 100)) == 1_048_576)
      # What OTP says.
      assert :binary.referenced_byte_size(frozen) <= 128
    end

    test "is told right beside many frozen buffers" do
      all = for i <- 1..200, do: frozen(70_000 + i)
      for binary <- all, do: assert(pins(binary) == 1_048_576)
      assert pins(large(100)) == 100
    end

    test "is refused for other terms" do
      for term <- [:a, 1, [], {}, self()] do
        assert_raise ArgumentError, fn -> Binary.referenced_byte_size(term) end
      end
    end
  end

  describe "compact/2" do
    test "copies slices of much larger binaries, and no others" do
      whole = large(10_000)
      assert_copied(binary_part(whole, 10, 65))
      assert_copied(binary_part(whole, 0, 4999))
      assert_left(binary_part(whole, 0, 5000))
      assert_left(whole)
      assert_left("")
      assert_left(large(64))
      # More than twice, but little.
      assert_left(binary_part(large(1000), 0, 100))
    end

    test "takes factor and min_waste_bytes" do
      whole = large(10_000)
      assert_left(binary_part(whole, 0, 1000), factor: 10)
      assert_copied(binary_part(whole, 0, 999), factor: 10)
      assert_copied(binary_part(whole, 0, 6666), factor: 1.5)
      assert_left(binary_part(whole, 0, 6667), factor: 1.5)
      assert_copied(binary_part(whole, 0, 8976), factor: 1)
      assert_left(binary_part(whole, 0, 8977), factor: 1)
      assert_left(binary_part(whole, 0, 100), min_waste_bytes: 9901)
      assert_copied(binary_part(whole, 0, 100), min_waste_bytes: 9900)
      assert_copied(binary_part(large(200), 0, 199), factor: 1, min_waste_bytes: 0)
    end

    test "copies slices of frozen buffers" do
      frozen = frozen(600_000)
      assert_left(frozen)
      assert_copied(frozen, factor: 1)
      assert_copied(binary_part(frozen, 1000, 100))
      for shift <- 1..7, do: assert_copied(unaligned(frozen, shift, 1000))
      # Half the buffer, less than half the block.
      assert_copied(binary_part(frozen, 0, 500_000))
    end

    test "takes bitstrings" do
      whole = large()

      for size <- [521, 800, 801, 7999], shift <- [0, 1, 8, 13] do
        <<_::size(shift), bits::bitstring-size(size), _::bits>> = whole
        assert_copied(bits)
      end

      frozen = frozen(100_000)
      <<_::5, bits::bitstring-size(2001), _::bits>> = frozen
      assert_copied(bits)
      assert_left(<<1::3>>)
    end

    test "gives the memory of a frozen buffer back" do
      pool = Pool.new()
      {:ok, buffer} = Buffer.lease(pool, @large, large())
      slice = binary_part(Buffer.freeze(buffer), 10, 100)
      Buffer.release(buffer)
      assert Pool.info(pool).frozen_bytes >= @large
      compact = Binary.compact(slice)
      collect_until(fn -> Pool.info(pool).frozen_bytes == 0 end)
      assert byte_size(compact) == 100
    end

    test "refuses other terms and options" do
      for term <- [:a, 1, ["binary"], %{}] do
        assert_raise ArgumentError, fn -> Binary.compact(term) end
        assert_raise ArgumentError, fn -> Binary.compact(term, factor: 2) end
      end

      for opts <- [
            [factor: 0.9],
            [factor: :a],
            [min_waste_bytes: -1],
            [min_waste_bytes: 1.0],
            [other: 1],
            [:factor],
            :factor
          ] do
        assert_raise ArgumentError, fn -> Binary.compact("binary", opts) end
        assert_raise ArgumentError, fn -> Binary.compact_term(["binary"], opts) end
      end
    end
  end

  describe "compact_term/2" do
    test "copies deep in terms" do
      whole = large()
      slice = binary_part(whole, 1000, 100)
      key = binary_part(whole, 2000, 100)
      frozen = binary_part(frozen(200_000), 0, 100)
      set = MapSet.new([slice])

      for term <- [
            slice,
            [slice],
            [1, [slice | :improper] | slice],
            {slice, {slice}},
            %{a: slice},
            %{key => %{slice => frozen}},
            {:a, 1.5, frozen, set, %URI{path: slice}},
            Map.new(1..100, &{&1, {slice, &1}})
          ] do
        assert Binary.waste(term).waste > 100_000
        compact = Binary.compact_term(term)
        assert compact == term
        assert Binary.waste(compact).waste == 0
      end
    end

    test "returns the same term if there is nothing to copy" do
      term = {[1, "text", large(100)], %{a: {large(), [<<1::3>>]}}, self(), fn -> 1 end}
      compact = Binary.compact_term(term)
      assert :erts_debug.same(compact, term)
    end

    test "keeps the parts of a term that have nothing to copy" do
      kept = {:kept, Enum.to_list(1..3)}
      [compact, same] = Binary.compact_term([binary_part(large(), 0, 100), kept])
      assert pins(compact) == 100
      assert :erts_debug.same(same, kept)
    end

    test "takes options" do
      term = [binary_part(large(10_000), 0, 1000)]
      assert Binary.waste(Binary.compact_term(term, factor: 10)).waste == 9000
      assert Binary.waste(Binary.compact_term(term, factor: 9)).waste == 0
    end

    test "goes over long lists" do
      whole = large()
      list = for i <- 1..100_000, do: binary_part(whole, i, 65)
      assert Binary.waste(Binary.compact_term(list)).waste == 0
    end
  end

  describe "waste/1 of a term" do
    test "adds up each parent once" do
      a = large()
      b = large(500_000)

      term = %{
        a: [binary_part(a, 100, 100), binary_part(a, 150, 100), binary_part(a, 100, 100)],
        b: {binary_part(b, 0, 250_000), [binary_part(b, 400_000, 100_000)]}
      }

      assert Binary.waste(term) == %{
               bytes: 1_500_000,
               used: 350_150,
               waste: 1_149_850,
               parents: [
                 %{kind: :binary, bytes: @large, used: 150, waste: 999_850, slices: 3},
                 %{kind: :binary, bytes: 500_000, used: 350_000, waste: 150_000, slices: 2}
               ]
             }
    end

    test "tells parents of the same size apart, though they may be neighbours" do
      parents = for _ <- 1..100, do: large(500)
      slices = for parent <- parents, at <- [0, 400], do: binary_part(parent, at, 100)
      %{parents: found, waste: waste} = Binary.waste(slices)
      assert length(found) == 100
      assert Enum.all?(found, &(&1 == hd(found)))
      assert hd(found) == %{kind: :binary, bytes: 500, used: 200, waste: 300, slices: 2}
      assert waste == 100 * 300
    end

    test "knows frozen buffers" do
      frozen = frozen(200_000)

      assert %{parents: [parent], bytes: 1_048_576} =
               Binary.waste([binary_part(frozen, 0, 100), {binary_part(frozen, 500, 100)}])

      assert parent == %{
               kind: :frozen,
               bytes: 1_048_576,
               used: 200,
               waste: 1_048_376,
               slices: 2
             }
    end

    test "takes slices that do not begin at a byte for their parent's" do
      whole = large()

      for shift <- 1..7 do
        slices = [unaligned(whole, shift, 100), binary_part(whole, 1000, 100)]
        assert %{parents: [%{slices: 2, bytes: @large} = parent]} = Binary.waste(slices)
        # Of the first and the last byte it has a part.
        assert parent.used == 201
      end

      <<_::3, all::bits>> = large(144)
      assert %{bytes: 144, used: 144, waste: 0} = Binary.waste(all)
    end

    test "looks into funs" do
      slice = binary_part(large(), 0, 100)
      assert %{waste: 999_900} = Binary.waste([fn -> slice end])
      assert %{waste: 0} = Binary.waste(&:erlang.abs/1)
    end

    test "is nothing where nothing is pinned" do
      for term <- [[], "short", 1, {:a, %{}}, [1 | 2], make_ref(), <<1::3>>, large(64)] do
        assert Binary.waste(term) == %{bytes: 0, used: 0, waste: 0, parents: []}
      end

      whole = large()
      assert %{bytes: @large, used: @large, waste: 0} = Binary.waste(whole)
    end

    test "of binaries that were appended to" do
      appended = Enum.reduce(1..1000, "", fn i, acc -> acc <> <<i::64>> end)
      # Before a collection, emulators of OTP 25 and 26 do not list them.
      assert Binary.waste(appended).used in [0, 8000]
      :erlang.garbage_collect()
      assert %{used: 8000, bytes: bytes} = Binary.waste(appended)
      assert bytes >= 8000
    end
  end

  describe "process_waste/1" do
    test "tells what it pins" do
      test = self()

      pid =
        spawn_link(fn ->
          slice = binary_part(large(), 0, 100)
          frozen = binary_part(frozen(200_000), 0, 100)
          :erlang.garbage_collect()
          send(test, :made)
          receive do: (:end -> {slice, frozen})
        end)

      assert_receive :made
      %{bytes: bytes, parents: parents} = Binary.process_waste(pid)
      assert Enum.any?(parents, &match?(%{kind: :frozen, bytes: 1_048_576}, &1))
      assert Enum.any?(parents, &match?(%{kind: :binary, bytes: @large}, &1))
      assert bytes == parents |> Enum.map(& &1.bytes) |> Enum.sum()
      assert Enum.all?(parents, &(&1.references >= 1))
      assert parents == Enum.sort_by(parents, & &1.bytes, :desc)
      monitor = Process.monitor(pid)
      send(pid, :end)
      assert_receive {:DOWN, ^monitor, _, _, _}
      assert Binary.process_waste(pid) == :undefined
    end

    test "is refused for processes elsewhere and other terms" do
      pid = Offheap.TermGenerator.external_pid(:a@nowhere, 1)
      assert_raise ArgumentError, fn -> Binary.process_waste(pid) end
      assert_raise ArgumentError, fn -> Binary.process_waste(:a) end
      assert Binary.waste({pid, self()}).bytes == 0
    end
  end

  test "frozen buffers come and go while they are looked up" do
    looked_up = frozen(100_000)

    churners =
      for _ <- 1..3 do
        Task.async(fn ->
          pool = Pool.new()

          for _ <- 1..500 do
            {:ok, buffer} = Buffer.lease(pool, 100_000, large(70_000))
            slice = binary_part(Buffer.freeze(buffer), 100, 100)
            Buffer.release(buffer)
            assert pins(slice) == 114_688
          end
        end)
      end

    for _ <- 1..5000, do: assert(pins(looked_up) == 1_048_576)
    Task.await_many(churners, :infinity)
  end
end
