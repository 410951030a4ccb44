defmodule Inventory.Tree do
  @moduledoc """
  The regular files below a folder.

  Symbolic links are not followed, so no file is met twice and no walk runs in circles; links and
  special files are only counted. Paths are binaries in the file system's own bytes: a name need not
  be valid UTF-8 to be opened.
  """

  defstruct files: [], skipped: 0, unreadable: []

  @type t :: %__MODULE__{
          files: [binary()],
          skipped: non_neg_integer(),
          unreadable: [{binary(), reason :: term()}]
        }

  @spec walk(Path.t()) :: t()
  def walk(path), do: visit(path |> Path.expand() |> bytes(), %__MODULE__{})

  defp visit(path, tree) do
    case :file.read_link_info(path, [:raw]) do
      {:ok, info} -> visit(File.Stat.from_record(info).type, path, tree)
      {:error, reason} -> %{tree | unreadable: [{path, reason} | tree.unreadable]}
    end
  end

  defp visit(:regular, path, tree), do: %{tree | files: [path | tree.files]}

  defp visit(:directory, path, tree) do
    # Not File.ls/1, which leaves out names that are not valid in the system's encoding.
    case :file.list_dir_all(path) do
      {:ok, names} -> Enum.reduce(names, tree, &visit(Path.join(path, bytes(&1)), &2))
      {:error, reason} -> %{tree | unreadable: [{path, reason} | tree.unreadable]}
    end
  end

  defp visit(_link_or_special, _path, tree), do: %{tree | skipped: tree.skipped + 1}

  defp bytes(name) when is_binary(name), do: name

  defp bytes(name),
    do: :unicode.characters_to_binary(name, :unicode, :file.native_name_encoding())
end
