defmodule Offheap.Hash do
  @moduledoc """
  BLAKE2b-256 piece by piece.

      iex> state = Offheap.Hash.init()
      iex> Offheap.Hash.update(state, "ab")
      :ok
      iex> Offheap.Hash.update(state, ["c"])
      :ok
      iex> {:ok, digest} = Offheap.Jobs.run(:blake2b, "abc")
      iex> Offheap.Hash.final(state) == digest
      true

  The digest is that of all pieces one after the other. A state may be passed to any process, but
  works for one at a time: a call that meets another one's update gets `{:error, :busy}` and changes
  nothing.

  About 1 ns a byte: pieces of up to 48 KiB are hashed where they are, larger ones on a dirty CPU
  scheduler.
  """

  @type state :: :offheap_hash.state()
  @typedoc "Iodata, or a buffer, whose bytes are read in place."
  @type data :: :offheap_hash.data()
  @type digest :: <<_::256>>

  @doc "A new state: the hash of nothing yet."
  @spec init() :: state()
  defdelegate init(), to: :offheap_hash

  @doc """
  Adds a piece.

  `{:error, :busy}`: another process is in the middle of a call with this state. Raises
  `ArgumentError` for what is no data, for a buffer that was released, and after `final/1`.
  """
  @spec update(state(), data()) :: :ok | {:error, :busy}
  defdelegate update(state, data), to: :offheap_hash

  @doc "The digest. It ends the state."
  @spec final(state()) :: digest() | {:error, :busy}
  defdelegate final(state), to: :offheap_hash
end
