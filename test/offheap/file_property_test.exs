defmodule Offheap.FilePropertyTest do
  use ExUnit.Case, async: true

  import Offheap.Property
  import :proper_types, only: [binary: 0, integer: 2, list: 1, oneof: 1, elements: 1]

  alias Offheap.{Buffer, Pool}

  @capacity 256

  # A file and two buffers against three binaries: each command has the same outcome on both.
  test "files and buffers are binaries that can be written" do
    path = Path.join(System.tmp_dir!(), "offheap_property_#{System.unique_integer([:positive])}")
    on_exit(fn -> File.rm(path) end)
    pool = Pool.new()
    at = integer(0, 300)
    length = integer(0, 100)
    where = elements([[], [:inline], [:dirty]])
    buffer = elements([:a, :b])
    range = {buffer, integer(0, 200), length}

    commands =
      list(
        oneof([
          {:write, buffer, integer(0, 200), binary()},
          {:pread, at, buffer, integer(0, 200), length, where},
          {:readv, at, list(range), where},
          {:pwrite, at, range, where},
          {:writev, at, list(oneof([range, buffer, binary()])), where},
          {:truncate, at},
          :size
        ])
      )

    check(
      forall(commands, fn commands ->
        {:ok, file} = Offheap.File.open(path, [:write, :read])
        :ok = Offheap.File.truncate(file, 0)
        [a, b] = for _ <- 1..2, do: elem(Buffer.lease(pool, @capacity), 1)
        real = %{file: file, a: a, b: b}

        model =
          Enum.reduce(commands, %{file: "", a: "", b: ""}, fn command, model ->
            {expected, model} = model(command, model)
            assert_same(command, run(command, real), expected)
            assert_same(command, Buffer.read(a), model.a)
            assert_same(command, Buffer.read(b), model.b)
            model
          end)

        assert_same(:file, File.read!(path), model.file)
        :ok = Offheap.File.close(file)
        Buffer.release(a) == :ok and Buffer.release(b) == :ok and Pool.info(pool).leased == 0
      end),
      tests: 300
    )
  end

  defp assert_same(_command, same, same), do: true

  defp assert_same(command, got, expected),
    do: raise("#{inspect(command)}: #{inspect(got)}, expected #{inspect(expected)}")

  # --- What the library does ---

  defp run({:write, buffer, offset, bytes}, real), do: Buffer.write(real[buffer], offset, bytes)

  defp run({:pread, at, buffer, offset, length, where}, real),
    do: Offheap.File.pread(real.file, at, real[buffer], offset, length, where)

  defp run({:readv, at, ranges, where}, real),
    do: Offheap.File.readv(real.file, at, Enum.map(ranges, &piece(&1, real)), where)

  defp run({:pwrite, at, {buffer, offset, length}, where}, real),
    do: badarg(fn -> Offheap.File.pwrite(real.file, at, real[buffer], offset, length, where) end)

  defp run({:writev, at, pieces, where}, real),
    do:
      badarg(fn ->
        Offheap.File.writev(real.file, at, Enum.map(pieces, &piece(&1, real)), where)
      end)

  defp run({:truncate, size}, real), do: Offheap.File.truncate(real.file, size)
  defp run(:size, real), do: Offheap.File.size(real.file)

  defp piece({buffer, offset, length}, real), do: {real[buffer], offset, length}
  defp piece(buffer, real) when is_atom(buffer), do: real[buffer]
  defp piece(bytes, _real), do: bytes

  defp badarg(fun) do
    fun.()
  rescue
    ArgumentError -> :badarg
  end

  # --- What it should do ---

  defp model({:write, buffer, offset, bytes}, model) do
    if offset + byte_size(bytes) <= @capacity,
      do: {:ok, Map.update!(model, buffer, &put(&1, offset, bytes))},
      else: {{:error, :enospc}, model}
  end

  defp model({:pread, at, buffer, offset, length, _}, model),
    do: model({:readv, at, [{buffer, offset, length}], []}, model)

  defp model({:readv, at, ranges, _}, model) do
    wanted = ranges |> Enum.map(&elem(&1, 2)) |> Enum.sum()
    bytes = part(model.file, at, wanted)

    case refusal(ranges, model) do
      nil when bytes == "" and wanted > 0 -> {:eof, model}
      nil -> {{:ok, byte_size(bytes)}, scatter(ranges, bytes, model)}
      reason -> {{:error, reason}, model}
    end
  end

  defp model({:pwrite, at, range, where}, model), do: model({:writev, at, [range], where}, model)

  defp model({:writev, at, pieces, _}, model) do
    bytes = Enum.map(pieces, &bytes(&1, model))

    if :badarg in bytes,
      do: {:badarg, model},
      else: {:ok, Map.update!(model, :file, &put(&1, at, IO.iodata_to_binary(bytes)))}
  end

  defp model({:truncate, size}, model) do
    file = part(model.file, 0, size)
    {:ok, %{model | file: file <> :binary.copy(<<0>>, size - byte_size(file))}}
  end

  defp model(:size, model), do: {{:ok, byte_size(model.file)}, model}

  # The first range that cannot be: one that does not fit, or a second that lies beyond its buffer's size.
  defp refusal(ranges, model) do
    ranges
    |> Enum.reduce_while([], fn {buffer, offset, length}, extended ->
      extends? = length > 0 and offset + length > byte_size(model[buffer])

      cond do
        extends? and buffer in extended -> {:halt, :busy}
        offset + length > @capacity -> {:halt, :enospc}
        extends? -> {:cont, [buffer | extended]}
        true -> {:cont, extended}
      end
    end)
    |> case do
      reason when is_atom(reason) -> reason
      _ -> nil
    end
  end

  defp scatter(_ranges, "", model), do: model

  defp scatter([{buffer, offset, length} | ranges], bytes, model) do
    {head, rest} = split(bytes, length)
    scatter(ranges, rest, Map.update!(model, buffer, &put(&1, offset, head)))
  end

  defp bytes({buffer, offset, length}, model) do
    if offset + length <= byte_size(model[buffer]),
      do: binary_part(model[buffer], offset, length),
      else: :badarg
  end

  defp bytes(buffer, model) when is_atom(buffer), do: model[buffer]
  defp bytes(bytes, _model), do: bytes

  defp part(bytes, at, length) do
    at = min(at, byte_size(bytes))
    binary_part(bytes, at, min(length, byte_size(bytes) - at))
  end

  defp split(bytes, length) do
    length = min(length, byte_size(bytes))
    <<head::binary-size(length), rest::binary>> = bytes
    {head, rest}
  end

  defp put(bytes, _offset, ""), do: bytes

  defp put(bytes, offset, data) do
    gap = :binary.copy(<<0>>, max(0, offset - byte_size(bytes)))

    part(bytes, 0, offset) <>
      gap <> data <> part(bytes, offset + byte_size(data), byte_size(bytes))
  end
end
