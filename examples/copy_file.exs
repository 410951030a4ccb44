# Copies a file through one buffer of 1 MiB, however large it is, and prints its BLAKE2b as b2sum does.
#
#     mix run examples/copy_file.exs FROM TO

Code.require_file("copy_file/copy.ex", __DIR__)

case System.argv() do
  [from, to] ->
    case CopyFile.Copy.copy(from, to) do
      {:ok, {_size, digest}} ->
        IO.puts("#{Base.encode16(digest, case: :lower)}  #{to}")

      {:error, reason} ->
        IO.puts(:stderr, "copy_file: #{from} to #{to}: #{inspect(reason)}")
        exit({:shutdown, 1})
    end

  _ ->
    IO.puts(:stderr, "usage: mix run examples/copy_file.exs FROM TO")
    exit({:shutdown, 1})
end
