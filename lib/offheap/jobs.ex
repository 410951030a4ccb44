defmodule Offheap.Jobs do
  @moduledoc """
  Jobs that run where they cost least: in the caller, on a dirty scheduler, or in a worker program.

      iex> {:ok, digest} = Offheap.Jobs.run(:blake2b, "abc")
      iex> Base.encode16(digest, case: :lower)
      "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"
      iex> Offheap.Jobs.run(:blake2b, "abc", lane: :port) == {:ok, digest}
      true

  The job `:blake2b` gives the BLAKE2b digest of 32 bytes; of iodata, of a buffer's bytes (read in
  place) or of a file (with its size). It costs about 1 ns a byte in every lane, so the lane is picked
  by size:

  | lane | data | file | what it costs beside the work |
  |---|---|---|---|
  | `:inline` | up to 48 KiB | never | nothing; holds its scheduler for at most 50 us |
  | `:dirty` | to 8 MiB, buffers of any size, and what cannot cross a pipe | to 8 MiB | 2 to 20 us; holds a dirty CPU scheduler (files: dirty IO), which large garbage collections need too |
  | `:port` | larger | larger | data cross a pipe, which takes nearly twice as long as the hashing; no scheduler is held. A file is opened by the worker: nothing crosses. |

  The port lane uses `Offheap.PortPool.default/0`, which the first job starts. Where the `:offheap`
  application is not running (an escript, say), inline and dirty work as always, large jobs are done
  by dirty, and a job forced to the port lane gets `{:error, :not_started}`.
  """

  @type job :: :blake2b
  @typedoc "Iodata, a buffer, or a file by its path."
  @type data :: :offheap_jobs.data()
  @type lane :: :inline | :dirty | :port
  @type options :: [lane: lane(), timeout: timeout()] | %{optional(:lane | :timeout) => term()}
  @type result :: Offheap.Hash.digest() | {Offheap.Hash.digest(), size :: non_neg_integer()}

  @doc """
  Does the job and returns `{:ok, digest}`, or `{:ok, {digest, size}}` for a file.

  ## Options

    * `:lane` - forces a lane. `:inline` for more than 48 KiB or for a file raises `ArgumentError`: it
      would hold a normal scheduler too long.
    * `:timeout` - milliseconds to wait for a worker; default 60,000. The other lanes take as long as
      the work.

  Errors: what the file system says, such as `{:error, :enoent}`; in the port lane those of
  `Offheap.PortPool`. Raises `ArgumentError` for another job, input or option, and for a buffer that
  was released.

      iex> Offheap.Jobs.run(:blake2b, {:file, "/no/such/file"})
      {:error, :enoent}
  """
  @spec run(job(), data(), options()) :: {:ok, result()} | {:error, term()}
  defdelegate run(job, input, options \\ []), to: :offheap_jobs

  @doc """
  Which lane `run/3` would take, for how many bytes, and why:

    * `:forced` - the option says so;
    * `:small`, `:medium`, `:large` - by size;
    * `:no_port` - large, but the application is not running;
    * `:too_large_for_port` - larger than a request to the worker may be;
    * `:buffer_stays` - a large buffer, whose bytes would have to be copied to cross a pipe.

  ## Example

      iex> Offheap.Jobs.explain(:blake2b, "abc")
      %{lane: :inline, bytes: 3, reason: :small}
  """
  @spec explain(job(), data(), options()) :: %{
          lane: lane(),
          bytes: non_neg_integer(),
          reason: atom()
        }
  defdelegate explain(job, input, options \\ []), to: :offheap_jobs

  @doc "How many jobs each lane was given since the application started."
  @spec stats() :: %{inline: integer(), dirty: integer(), port: integer()}
  defdelegate stats(), to: :offheap_jobs
end
