defmodule Offheap.BufferBytesTest do
  use ExUnit.Case, async: true

  import Bitwise, only: [<<<: 2]

  alias Offheap.{Buffer, Pool}

  @mib 1_048_576

  setup do
    %{pool: Pool.new(max_bytes: :infinity)}
  end

  defp lease(pool, size, data \\ "") do
    {:ok, buffer} = Buffer.lease(pool, size, data)
    buffer
  end

  # {type, its bytes of a value, its least and greatest value}
  defp integer_types do
    for bits <- [8, 16, 32, 64], order <- [:be, :le], bits > 8 or order == :be do
      suffix = if bits == 8, do: "", else: "_#{order}"
      encode = fn value -> encode(value, bits, order) end
      half = 2 ** (bits - 1)

      [
        {:"u#{bits}#{suffix}", encode, 0, 2 * half - 1},
        {:"i#{bits}#{suffix}", encode, -half, half - 1}
      ]
    end
    |> List.flatten()
  end

  defp encode(value, bits, :be), do: <<value::size(bits)-big>>
  defp encode(value, bits, :le), do: <<value::size(bits)-little>>

  defp float_types do
    [
      {:f32_be, &<<&1::float-32-big>>, <<0xFFC00000::32-big>>, <<0x7F800000::32-big>>},
      {:f32_le, &<<&1::float-32-little>>, <<0xFFC00000::32-little>>, <<0x7F800000::32-little>>},
      {:f64_be, &<<&1::float-64-big>>, <<0xFFF8 <<< 48::64-big>>, <<0x7FF0 <<< 48::64-big>>},
      {:f64_le, &<<&1::float-64-little>>, <<0xFFF8 <<< 48::64-little>>,
       <<0x7FF0 <<< 48::64-little>>}
    ]
  end

  defp refused(fun) do
    fun.()
    false
  rescue
    ArgumentError -> true
  end

  describe "integers" do
    test "are the bytes that the bit syntax makes, at any offset", %{pool: pool} do
      for {type, encode, low, high} <- integer_types(), offset <- 0..9 do
        for value <- [low, low + 1, 0, 1, 77, high - 1, high] do
          buffer = lease(pool, 64, "0123456789")
          bytes = encode.(value)
          assert Buffer.put(buffer, offset, type, value) == :ok
          assert Buffer.read(buffer, offset, byte_size(bytes)) == bytes
          assert Buffer.read(buffer, 0, offset) == binary_part("0123456789", 0, offset)
          assert Buffer.size(buffer) == max(10, offset + byte_size(bytes))
          assert Buffer.get(buffer, offset, type) == value
          Buffer.release(buffer)
        end
      end
    end

    test "that the type cannot hold are refused, and change nothing", %{pool: pool} do
      buffer = lease(pool, 64, "untouched")

      for {type, _encode, low, high} <- integer_types(),
          value <- [low - 1, high + 1, -(2 ** 64), 2 ** 64, 2 ** 70, 1.0, :nan, nil, "1", [1]] do
        assert refused(fn -> Buffer.put(buffer, 0, type, value) end)
        assert refused(fn -> Buffer.put_list(buffer, 0, type, [low, high, value]) end)
      end

      assert Buffer.read(buffer) == "untouched"
    end
  end

  describe "floats" do
    test "are the bytes that the bit syntax makes", %{pool: pool} do
      buffer = lease(pool, 64)

      for {type, encode, _nan, _infinity} <- float_types(),
          value <- [0.0, -0.0, 0.1, -1.5, 65_504.0, 1.0e-40, 3.4e38, 7, -(2 ** 63), 2 ** 64 - 1] do
        bytes = encode.(value)
        assert Buffer.put(buffer, 3, type, value) == :ok
        assert Buffer.read(buffer, 3, byte_size(bytes)) == bytes
        assert encode.(Buffer.get(buffer, 3, type)) == bytes
        assert is_float(Buffer.get(buffer, 3, type))
      end
    end

    test "that are none to Erlang are atoms", %{pool: pool} do
      buffer = lease(pool, 64)

      for {type, _encode, nan, infinity} <- float_types() do
        Buffer.write(buffer, 0, nan)
        assert Buffer.get(buffer, 0, type) == :nan
        Buffer.write(buffer, 0, infinity)
        assert Buffer.get(buffer, 0, type) == :infinity
        assert Buffer.put_list(buffer, 0, type, [:neg_infinity, :infinity, :nan, 1]) == :ok
        assert Buffer.get_list(buffer, 0, type, 4) == [:neg_infinity, :infinity, :nan, 1.0]
        assert Buffer.read(buffer, byte_size(nan), byte_size(nan)) == infinity
      end
    end

    test "that the type cannot hold are refused", %{pool: pool} do
      buffer = lease(pool, 64, "untouched")

      for {type, _, _, _} <- float_types(),
          value <- [2 ** 64, -(2 ** 63) - 1, :inf, nil, "1.0"] do
        assert refused(fn -> Buffer.put(buffer, 0, type, value) end)
      end

      for type <- [:f32_be, :f32_le], value <- [3.5e38, -3.5e38, 1.0e308] do
        assert refused(fn -> Buffer.put(buffer, 0, type, value) end)
      end

      assert Buffer.read(buffer) == "untouched"
    end
  end

  describe "numbers" do
    test "are read below the size only, and written as bytes are", %{pool: pool} do
      buffer = lease(pool, 64, "12345678")
      assert Buffer.get(buffer, 4, :u32_be) == 0x35363738
      assert refused(fn -> Buffer.get(buffer, 5, :u32_be) end)
      assert refused(fn -> Buffer.get_list(buffer, 0, :u32_be, 3) end)
      assert Buffer.put(buffer, 12, :u8, 1) == :ok
      assert Buffer.read(buffer) == <<"12345678", 0, 0, 0, 0, 1>>
      capacity = Buffer.capacity(buffer)
      assert Buffer.put(buffer, capacity - 8, :u64_le, 1) == :ok
      assert Buffer.put(buffer, capacity - 7, :u64_le, 1) == {:error, :enospc}

      assert Buffer.put_list(buffer, capacity - 7, :u8, [1, 2, 3, 4, 5, 6, 7, 8]) ==
               {:error, :enospc}

      assert Buffer.get(buffer, capacity - 8, :u64_le) == 1
      Buffer.freeze(buffer)
      assert Buffer.put(buffer, 0, :u8, 1) == {:error, :frozen}
      assert Buffer.put_list(buffer, 0, :u8, [1]) == {:error, :frozen}
      assert Buffer.get(buffer, 0, :u8) == ?1
    end

    test "come in lists of any length", %{pool: pool} do
      for count <- [0, 1, 255, 256, 257, 8192, 8193, 100_000] do
        values = Enum.map(1..count//1, &((&1 * 0x9E3779B97F4A7C15) |> rem(2 ** 64)))
        buffer = lease(pool, 8 * count + 1)
        assert Buffer.put_list(buffer, 1, :u64_le, values) == :ok
        assert Buffer.size(buffer) == if(count == 0, do: 0, else: 8 * count + 1)
        if count == 0, do: Buffer.resize(buffer, 1)
        assert Buffer.get_list(buffer, 1, :u64_le, count) == values
        assert Buffer.read(buffer) == for(v <- values, into: <<0>>, do: <<v::64-little>>)
        assert refused(fn -> Buffer.get_list(buffer, 1, :u64_le, count + 1) end)
      end
    end

    test "of a list that is wrong anywhere are not written", %{pool: pool} do
      good = List.duplicate(7, 10_000)
      buffer = lease(pool, 20_000, "untouched")

      for list <- [good ++ [256], good ++ [:x], [1 | 2], good ++ :x, :x, "bytes", %{}] do
        assert refused(fn -> Buffer.put_list(buffer, 0, :u8, list) end)
      end

      assert Buffer.put_list(buffer, 11_000, :u8, good) == {:error, :enospc}
      assert Buffer.read(buffer) == "untouched"
    end
  end

  describe "ranges" do
    test "are filled, below the size and beyond it", %{pool: pool} do
      buffer = lease(pool, 64, "abcdef")
      assert Buffer.fill(buffer, 1, 2, 0) == :ok
      assert Buffer.read(buffer) == <<"a", 0, 0, "def">>
      assert Buffer.fill(buffer, 8, 2, 255) == :ok
      assert Buffer.read(buffer) == <<"a", 0, 0, "def", 0, 0, 255, 255>>
      assert Buffer.fill(buffer, 20, 0, 1) == :ok
      assert Buffer.size(buffer) == 10
      assert Buffer.fill(buffer, 0, Buffer.capacity(buffer) + 1, 1) == {:error, :enospc}
      assert Buffer.fill(buffer, 2 ** 64 - 1, 2 ** 64 - 1, 1) == {:error, :enospc}
    end

    test "are copied as if by way of a binary", %{pool: pool} do
      bytes = :crypto.strong_rand_bytes(300)
      from = lease(pool, 300, bytes)

      for offset <- [0, 1, 100], length <- [0, 1, 63, 200], at <- [0, 1, 50, 99, 101, 250, 310] do
        part = binary_part(bytes, offset, length)
        to = lease(pool, 600, bytes)
        same = lease(pool, 600, bytes)
        expected = lease(pool, 600, bytes)
        assert Buffer.copy(from, offset, length, to, at) == :ok
        assert Buffer.copy(same, offset, length, same, at) == :ok
        assert Buffer.write(expected, at, part) == :ok
        assert Buffer.read(to) == Buffer.read(expected)
        assert Buffer.read(same) == Buffer.read(expected)
        Enum.each([to, same, expected], &Buffer.release/1)
      end

      assert Buffer.read(from) == bytes
      assert refused(fn -> Buffer.copy(from, 1, 300, from, 0) end)
      assert refused(fn -> Buffer.copy(from, 301, 0, from, 0) end)
      assert Buffer.copy(from, 0, 300, from, 100) == {:error, :enospc}
      Buffer.freeze(from)
      to = lease(pool, 300)
      assert Buffer.copy(from, 0, 10, to, 0) == :ok
      assert Buffer.copy(to, 0, 10, from, 0) == {:error, :frozen}
    end

    test "are compared by their first unequal byte", %{pool: pool} do
      a = lease(pool, 64, "..abc")
      b = lease(pool, 64, <<"abd", 255>>)
      assert Buffer.compare(a, 2, "abc") == :eq
      assert Buffer.compare(a, 2, "ab") == :eq
      assert Buffer.compare(a, 2, "") == :eq
      assert Buffer.compare(a, 2, "abb") == :gt
      assert Buffer.compare(a, 2, <<255>>) == :lt
      assert Buffer.compare(a, 2, 3, b, 0) == :lt
      assert Buffer.compare(b, 0, 3, a, 2) == :gt
      assert Buffer.compare(a, 2, 2, b, 0) == :eq
      assert Buffer.compare(a, 0, 1, a, 1) == :eq
      assert Buffer.compare(a, 5, 0, b, 4) == :eq
      assert refused(fn -> Buffer.compare(a, 3, "abc") end)
      assert refused(fn -> Buffer.compare(a, 2, 3, b, 2) end)
      assert refused(fn -> Buffer.compare(a, 3, 3, b, 0) end)
    end

    test "are searched as :binary.match does", %{pool: pool} do
      text = :binary.copy("abracadabra, ", 50) <> "simsalabim" <> <<0, 255, 0>>
      buffer = lease(pool, 1000, text)

      for pattern <- [
            "a",
            "ab",
            "abra",
            "simsalabim",
            "bra, abracadabra, s",
            <<0>>,
            <<255, 0>>,
            "xyz"
          ],
          offset <- [0, 1, 500, 650, 652, byte_size(text)] do
        scope = {offset, byte_size(text) - offset}

        expected =
          case :binary.match(text, pattern, scope: scope) do
            {at, _} -> at
            :nomatch -> :nomatch
          end

        assert Buffer.find(buffer, offset, pattern) == expected
      end

      assert Buffer.find(buffer, 0, text) == 0
      assert Buffer.find(buffer, 0, text <> "x") == :nomatch
      assert refused(fn -> Buffer.find(buffer, byte_size(text) + 1, "a") end)
      assert refused(fn -> Buffer.find(buffer, 0, "") end)
    end

    # A pattern that nearly matches everywhere takes a scheduler too long; chunks of 64 KiB meet.
    test "are searched to the end, however long it takes", %{pool: pool} do
      for size <- [65_535, 65_536, 65_537, 131_072, 200_000, @mib, @mib + 1] do
        buffer = lease(pool, size)
        Buffer.fill(buffer, 0, size, ?a)

        for pattern <- [
              "b",
              "ba",
              "aab",
              :binary.copy("a", 300) <> "b",
              :binary.copy("a", 10_000) <> "b"
            ],
            end_ <- [size, 131_072, 65_536 + 150, 65_537, 65_536, 65_535],
            at = end_ - byte_size(pattern),
            end_ <= size do
          Buffer.write(buffer, at, pattern)
          assert Buffer.find(buffer, 0, pattern) == at
          assert Buffer.find(buffer, at, pattern) == at
          assert Buffer.find(buffer, at + 1, pattern) == :nomatch
          Buffer.fill(buffer, at, byte_size(pattern), ?a)
          assert Buffer.find(buffer, 0, pattern) == :nomatch
        end

        Buffer.release(buffer)
      end
    end

    test "are combined with keys and with other buffers", %{pool: pool} do
      bytes = :crypto.strong_rand_bytes(1000)

      for size <- [1, 2, 3, 4, 5, 8, 63, 255, 256, 300, 1000, 2000],
          {offset, length} <- [{0, 1000}, {7, 333}] do
        key = :crypto.strong_rand_bytes(size)
        repeated = binary_part(:binary.copy(key, div(length, size) + 1), 0, length)
        <<head::binary-size(offset), middle::binary-size(length), tail::binary>> = bytes
        expected = head <> :crypto.exor(middle, repeated) <> tail
        buffer = lease(pool, 1000, bytes)
        other = lease(pool, 1010, "0123456789" <> repeated)
        assert Buffer.bxor(buffer, offset, length, key) == :ok
        assert Buffer.read(buffer) == expected
        assert Buffer.bxor(buffer, offset, length, other, 10) == :ok
        assert Buffer.read(buffer) == bytes
        Enum.each([buffer, other], &Buffer.release/1)
      end

      buffer = lease(pool, 1000, bytes)
      assert Buffer.bxor(buffer, 0, 500, buffer, 500) == :ok
      assert Buffer.bxor(buffer, 500, 500, buffer, 500) == :ok
      <<first::binary-size(500), second::binary-size(500)>> = bytes
      assert Buffer.read(buffer) == :crypto.exor(first, second) <> <<0::4000>>
      assert refused(fn -> Buffer.bxor(buffer, 0, 500, buffer, 499) end)
      assert refused(fn -> Buffer.bxor(buffer, 1, 500, buffer, 0) end)
      assert refused(fn -> Buffer.bxor(buffer, 0, 1001, "key") end)
      assert refused(fn -> Buffer.bxor(buffer, 0, 10, "") end)
      assert Buffer.bxor(buffer, 0, 0, "key") == :ok
      Buffer.freeze(buffer)
      assert Buffer.bxor(buffer, 0, 10, "key") == {:error, :frozen}
      assert Buffer.bxor(buffer, 0, 10, buffer, 0) == {:error, :frozen}
    end

    # The second set of values is of the examples in RFC 3720, B.4.
    test "have the CRC-32C that others compute", %{pool: pool} do
      for {crc, bytes} <- [
            {0, ""},
            {0xE3069283, "123456789"},
            {0x8A9136AA, <<0::256>>},
            {0x62A8AB43, :binary.copy(<<255>>, 32)},
            {0x46DD794E, Enum.into(0..31, <<>>, &<<&1>>)}
          ] do
        size = byte_size(bytes)
        buffer = lease(pool, 64, bytes)
        assert Buffer.crc32c(buffer, 0, size) == crc

        for part <- 0..size do
          first = Buffer.crc32c(buffer, 0, part)
          assert Buffer.crc32c(buffer, part, size - part, first) == crc
        end

        assert refused(fn -> Buffer.crc32c(buffer, 0, size + 1) end)
      end
    end

    test "of many megabytes are worked on as well", %{pool: pool} do
      bytes = :crypto.strong_rand_bytes(3 * @mib)
      size = byte_size(bytes)
      a = lease(pool, 2 * size, bytes)
      b = lease(pool, size)
      assert Buffer.copy(a, 0, size, b, 0) == :ok
      assert Buffer.compare(a, 0, size, b, 0) == :eq
      assert Buffer.compare(a, 0, bytes) == :eq
      assert Buffer.find(a, 0, binary_part(bytes, size - 20, 20)) == size - 20
      assert Buffer.find(a, 0, binary_part(bytes, size - 5, 5) <> "?") == :nomatch
      assert Buffer.bxor(a, 0, size, "mask") == :ok
      assert Buffer.read(a) == :crypto.exor(bytes, :binary.copy("mask", div(size, 4)))
      assert Buffer.bxor(a, 0, size, b, 0) == :ok
      assert Buffer.read(a) == :binary.copy("mask", div(size, 4))
      assert Buffer.copy(a, 1, size - 1, a, 0) == :ok
      assert Buffer.read(a, 0, 8) == "askmaskm"
      assert Buffer.fill(a, size, size, ?f) == :ok
      assert Buffer.read(a, size, size) == :binary.copy("f", size)
      assert Buffer.crc32c(a, size, size) == crc_in_parts(a, size, size, 0)
      assert Buffer.resize(a, 0) == :ok
      assert Buffer.resize(a, size) == :ok
      assert Buffer.read(a) == :binary.copy(<<0>>, size)

      # A gap takes time, however little is written after it.
      for write <- [
            &Buffer.put(&1, size - 1, :u8, ?x),
            &Buffer.put_list(&1, size - 1, :u8, [?x]),
            &Buffer.write(&1, size - 1, "x"),
            &Buffer.write(&1, size - 1, ["x"]),
            &Buffer.fill(&1, size - 1, 1, ?x)
          ] do
        assert Buffer.fill(a, 0, size, 1) == :ok
        assert Buffer.resize(a, 1) == :ok
        assert write.(a) == :ok
        assert Buffer.read(a) == <<1>> <> :binary.copy(<<0>>, size - 2) <> "x"
      end

      assert refused(fn -> Buffer.crc32c(a, 1, size) end)
      assert refused(fn -> Buffer.bxor(a, 1, size, "key") end)
      assert refused(fn -> Buffer.copy(a, 1, size, b, 0) end)
      assert refused(fn -> Buffer.compare(a, 1, size, b, 0) end)
      assert Buffer.fill(a, size, 2 * size, 1) == {:error, :enospc}
      assert Buffer.resize(a, Buffer.capacity(a) + 1) == {:error, :enospc}
    end

    defp crc_in_parts(_buffer, _offset, 0, crc), do: crc

    defp crc_in_parts(buffer, offset, left, crc) do
      length = min(left, 100_003)

      crc_in_parts(
        buffer,
        offset + length,
        left - length,
        Buffer.crc32c(buffer, offset, length, crc)
      )
    end
  end

  describe "the size" do
    test "can be set within the capacity", %{pool: pool} do
      Buffer.release(lease(pool, 1000, :binary.copy("old", 333)))
      buffer = lease(pool, 1000, "0123456789")
      assert Pool.info(pool).recycled == 1
      assert Buffer.resize(buffer, 4) == :ok
      assert Buffer.read(buffer) == "0123"
      assert refused(fn -> Buffer.read(buffer, 4, 1) end)
      assert refused(fn -> Buffer.get(buffer, 3, :u16_be) end)
      assert Buffer.resize(buffer, 6) == :ok
      assert Buffer.read(buffer) == <<"0123", 0, 0>>
      assert Buffer.append(buffer, "x") == :ok
      assert Buffer.resize(buffer, 2) == :ok
      assert Buffer.write(buffer, 4, "y") == :ok
      assert Buffer.read(buffer) == <<"01", 0, 0, "y">>
      assert Buffer.reset(buffer) == :ok
      assert Buffer.read(buffer) == ""
      capacity = Buffer.capacity(buffer)
      assert Buffer.resize(buffer, capacity + 1) == {:error, :enospc}
      assert Buffer.resize(buffer, 2 ** 64 - 1) == {:error, :enospc}
      assert Buffer.resize(buffer, capacity) == :ok
      assert Buffer.read(buffer) == :binary.copy(<<0>>, capacity)
      Buffer.freeze(buffer)
      assert Buffer.resize(buffer, 0) == {:error, :frozen}
      assert Buffer.reset(buffer) == {:error, :frozen}
    end
  end

  describe "iodata" do
    test "of any shape goes in", %{pool: pool} do
      parts = for i <- 1..3000, do: [i |> rem(256), "part", [[] | "tail"], <<i::128>>]
      left = Enum.reduce(parts, [], &[&2, &1])
      right = List.foldr(parts, [], &[&1 | &2])
      deep = Enum.reduce(1..200_000, "core", fn _, inner -> [inner] end)
      bits = <<1::1, "sub-binary at a bit", 0::7>>
      <<_::1, odd::binary-size(19), _::bitstring>> = bits

      for data <- [
            left,
            right,
            parts,
            deep,
            [deep, deep],
            [odd],
            [[[]]],
            [?a | odd],
            ~c"charlist"
          ] do
        bytes = IO.iodata_to_binary(data)
        size = byte_size(bytes)
        buffer = lease(pool, 2 * size + 7, "head")
        assert Buffer.append(buffer, data) == :ok
        assert Buffer.read(buffer) == "head" <> bytes
        assert Buffer.write(buffer, 2, data) == :ok
        assert Buffer.write(buffer, size + 7, data) == :ok
        gap = if size == 0, do: "", else: <<0>>
        tail = if size == 0, do: "ad", else: <<>>
        expected = "he" <> bytes <> tail

        if size > 0 do
          old = binary_part("head" <> bytes, size + 2, 2)
          assert Buffer.read(buffer) == expected <> old <> gap <> <<0, 0>> <> bytes
        else
          assert Buffer.read(buffer) == expected
        end
      end
    end

    test "that is wrong anywhere, or too much, leaves all as it was", %{pool: pool} do
      many = List.duplicate("part", 10_000)
      buffer = lease(pool, 50_000, "untouched")

      for data <- [many ++ [:x], [many, [256]], [many | 1], [many, <<1::3>>], [-1], [[[nil]]]] do
        assert refused(fn -> Buffer.append(buffer, data) end)
        assert refused(fn -> Buffer.write(buffer, 0, data) end)
        assert refused(fn -> Buffer.write(buffer, 20, data) end)
      end

      for data <- [[many, many], [:binary.copy("x", 2 * @mib)], List.duplicate(many, 1000)] do
        assert Buffer.append(buffer, data) == {:error, :enospc}
        assert Buffer.write(buffer, 0, data) == {:error, :enospc}
        assert Buffer.write(buffer, 20, data) == {:error, :enospc}
        assert Buffer.write(buffer, 2 ** 64 - 1, data) == {:error, :enospc}
      end

      assert Buffer.read(buffer) == "untouched"
      Buffer.freeze(buffer)
      assert Buffer.append(buffer, ["x"]) == {:error, :frozen}
      assert Buffer.write(buffer, 0, ["x"]) == {:error, :frozen}
    end
  end

  # Every call on a buffer that holds "0123456789", with good arguments.
  defp calls(other) do
    [
      put: {&Buffer.put/4, [0, :u8, 1]},
      get: {&Buffer.get/3, [0, :u8]},
      put_list: {&Buffer.put_list/4, [0, :u8, [1]]},
      get_list: {&Buffer.get_list/4, [0, :u8, 1]},
      fill: {&Buffer.fill/4, [0, 1, 0]},
      copy_from: {&Buffer.copy/5, [0, 1, other, 0]},
      copy_to: {&Buffer.copy(&4, &2, &3, &1, &5), [0, 1, other, 0]},
      compare: {&Buffer.compare/3, [0, "0"]},
      compare_buffer: {&Buffer.compare/5, [0, 1, other, 0]},
      compare_with: {&Buffer.compare(&4, &2, &3, &1, &5), [0, 1, other, 0]},
      bxor: {&Buffer.bxor/4, [0, 1, "k"]},
      bxor_buffer: {&Buffer.bxor/5, [0, 1, other, 0]},
      bxor_with: {&Buffer.bxor(&4, &2, &3, &1, &5), [0, 1, other, 0]},
      find: {&Buffer.find/3, [0, "0"]},
      crc32c: {&Buffer.crc32c/3, [0, 1]},
      crc32c_on: {&Buffer.crc32c/4, [0, 1, 0]},
      resize: {&Buffer.resize/2, [10]},
      reset: {&Buffer.reset/1, []}
    ]
  end

  describe "bad input" do
    test "is refused in every argument, and changes nothing", %{pool: pool} do
      other = lease(pool, 100, "0123456789")
      buffer = lease(pool, 100, "0123456789")

      wrong = [
        -1,
        2 ** 64,
        2 ** 100,
        1.5,
        :atom,
        nil,
        {},
        %{},
        make_ref(),
        pool,
        self(),
        <<1::1>>,
        [?x | :y]
      ]

      for {name, {fun, args}} <- calls(other),
          index <- 0..(length(args) - 1)//1,
          term <- wrong do
        changed = List.replace_at(args, index, term)

        assert refused(fn -> apply(fun, [buffer | changed]) end),
               "#{name} took #{inspect(changed)}"
      end

      assert Buffer.read(buffer) == "0123456789"
      assert Buffer.read(other) == "0123456789"
    end

    test "of any offset and length is served or refused", %{pool: pool} do
      other = lease(pool, 100, "0123456789")
      buffer = lease(pool, 100, "0123456789")

      for far <- [11, 2 ** 20, 2 ** 32, 2 ** 61, 2 ** 63 - 1, 2 ** 63, 2 ** 64 - 8, 2 ** 64 - 1] do
        assert refused(fn -> Buffer.get(buffer, far, :u8) end)
        assert refused(fn -> Buffer.get(buffer, far, :u64_le) end)

        for type <- [:u8, :u16_le, :u64_le] do
          assert refused(fn -> Buffer.get_list(buffer, 0, type, far) end)
          assert refused(fn -> Buffer.get_list(buffer, far, type, far) end)
        end

        assert refused(fn -> Buffer.find(buffer, far, "0") end)

        for {offset, length} <- [{far, 1}, {1, far}, {far, far}] do
          assert refused(fn -> Buffer.crc32c(buffer, offset, length) end)
          assert refused(fn -> Buffer.bxor(buffer, offset, length, "key") end)
          assert refused(fn -> Buffer.bxor(buffer, offset, length, other, 0) end)
          assert refused(fn -> Buffer.bxor(buffer, 0, length, other, offset) end)
          assert refused(fn -> Buffer.copy(buffer, offset, length, other, 0) end)
          assert refused(fn -> Buffer.compare(buffer, offset, length, other, 0) end)
          assert refused(fn -> Buffer.compare(buffer, 0, length, other, offset) end)
        end

        if far > 200 do
          assert Buffer.fill(buffer, far, far, 0) == {:error, :enospc}
          assert Buffer.fill(buffer, far, 0, 0) == {:error, :enospc}
          assert Buffer.put(buffer, far, :u64_be, 0) == {:error, :enospc}
          assert Buffer.put_list(buffer, far, :u64_be, [0]) == {:error, :enospc}
          assert Buffer.copy(buffer, 0, 1, other, far) == {:error, :enospc}
        end
      end

      assert Buffer.read(buffer) == "0123456789"
      assert Buffer.read(other) == "0123456789"
    end

    test "of released buffers, dead owners' and what is none is refused", %{pool: pool} do
      other = lease(pool, 100, "0123456789")
      test = self()

      for {name, {fun, args}} <- calls(other) do
        released = lease(pool, 100, "0123456789")
        Buffer.release(released)

        {pid, monitor} =
          spawn_monitor(fn -> send(test, {:dead, lease(pool, 100, "0123456789")}) end)

        assert_receive {:dead, dead}
        assert_receive {:DOWN, ^monitor, _, ^pid, :normal}
        {_, ref, generation} = other

        for buffer <- [
              released,
              dead,
              nil,
              pool,
              ref,
              make_ref(),
              {:offheap_buffer, ref, generation + 1}
            ] do
          assert refused(fn -> apply(fun, [buffer | args]) end), "#{name} took #{inspect(buffer)}"
        end
      end

      assert Buffer.read(other) == "0123456789"
      assert Pool.info(pool).leased == 1
    end
  end

  describe "processes at once" do
    # Each buffer holds one byte throughout. Copies go both ways; each byte that is seen is one of the
    # two, and nobody waits for another.
    test "copy between two buffers both ways", %{pool: pool} do
      a = lease(pool, 10_000, :binary.copy("a", 10_000))
      b = lease(pool, 10_000, :binary.copy("b", 10_000))

      tasks =
        for {from, to} <- [{a, b}, {b, a}, {a, a}] do
          Task.async(fn ->
            for i <- 1..3000 do
              length = rem(i * 37, 5000)
              :ok = Buffer.copy(from, rem(i, 5000), length, to, rem(i * 7, 5000))
            end
          end)
        end

      Task.await_many(tasks, 30_000)

      for buffer <- [a, b] do
        assert Buffer.size(buffer) == 10_000
        assert Buffer.read(buffer) |> String.replace(["a", "b"], "") == ""
      end
    end

    # A copy sees bytes of the lease it was asked for only, and the pool gets all blocks back.
    test "copy from and into buffers that are released under them", %{pool: pool} do
      test = self()

      workers =
        for _ <- 1..2 do
          spawn_link(fn ->
            mine = lease(pool, 20_000)

            loop = fn loop ->
              receive do
                {:buffers, x, y, byte} ->
                  try do
                    :ok = Buffer.copy(x, 0, 16_000, mine, 0)
                    bytes = Buffer.read(mine)
                    if bytes != :binary.copy(<<byte>>, 16_000), do: exit(:torn)
                    Buffer.copy(mine, 0, 16_000, y, 0)
                    Buffer.copy(x, 0, 16_000, y, 0)
                    Buffer.bxor(y, 0, 16_000, x, 0)
                  rescue
                    ArgumentError -> :released
                  end

                  loop.(loop)

                :stop ->
                  Buffer.release(mine)
                  send(test, {:stopped, self()})
              end
            end

            loop.(loop)
          end)
        end

      for i <- 1..3000 do
        byte = rem(i, 250)
        x = lease(pool, 20_000, :binary.copy(<<byte>>, 16_000))
        y = lease(pool, 20_000)
        Enum.each(workers, &send(&1, {:buffers, x, y, byte}))
        if rem(i, 3) == 0, do: :erlang.yield()
        assert Buffer.release(x) == :ok
        assert Buffer.release(y) == :ok
      end

      for worker <- workers do
        send(worker, :stop)
        assert_receive {:stopped, ^worker}, 30_000
      end

      assert Pool.info(pool).leased == 0
    end

    # The size moves up and down under readers; whatever they read is of this lease.
    test "read while others extend and shrink", %{pool: pool} do
      Buffer.release(lease(pool, 4000, :binary.copy("old", 1333)))
      buffer = lease(pool, 4000)

      readers =
        for _ <- 1..2 do
          Task.async(fn ->
            for _ <- 1..5000 do
              bytes = Buffer.read(buffer)
              true = bytes == :binary.copy("n", byte_size(bytes))
            end
          end)
        end

      for i <- 1..5000 do
        case Buffer.append(buffer, :binary.copy("n", rem(i, 97))) do
          :ok -> :ok
          {:error, :enospc} -> :ok = Buffer.resize(buffer, rem(i, 1000))
        end
      end

      Task.await_many(readers, 30_000)
    end
  end
end
