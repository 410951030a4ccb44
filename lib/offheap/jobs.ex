defmodule Offheap.Jobs do
  @moduledoc """
  Jobs in C that run where they cost least: in the caller, a slice at a time, on a dirty scheduler, or in
  a worker program; by what they will cost and by how busy the dirty schedulers are.

      iex> {:ok, digest} = Offheap.Jobs.run(:blake2b, "abc")
      iex> Base.encode16(digest, case: :lower)
      "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"
      iex> Offheap.Jobs.run(:blake2b, "abc", lane: :port) == {:ok, digest}
      true

  | lane | for | what it costs beside the work |
  |---|---|---|
  | `:inline` | up to 50 us | nothing; holds its scheduler that long |
  | `:yielding` | up to 5 ms, and longer where a pipe would cost more than the work | 0.3 us for each 0.2 ms; shares its scheduler like Elixir code |
  | `:dirty` | longer, while fewer than a limit are at work and none waits for a dirty scheduler; files up to 8 ms | 2 to 20 us; holds a dirty scheduler, which large garbage collections need too |
  | `:port` | the rest, and what must not run in the VM | 15 us and, for a byte, 2 ns, or 0.2 in shared memory; no scheduler is held. A file is opened by the worker |

  A job that cannot be cut is never yielding; one that works on files is never inline or yielding. What a
  job will cost is guessed from what it did before (`calibrate/0`). A job whose caller dies stops within
  0.1 ms (dirty) or at its next slice; one that cannot be cut runs to its end.

  The port lane uses `Offheap.PortPool.default/0`, which the first job starts. Where the `:offheap`
  application is not running (an escript, say), there is no port lane: dirty does its work. The limit is
  all dirty CPU schedulers but one, or the application environment's `:dirty_limit`.

  ## Jobs

  Arguments are a map by name, or the first one alone. Bytes may be a binary, iodata or a buffer, which is
  read in place.

    * `:blake2b` of `:data`; `:size` of the digest, 16 to 64 bytes, 32 if not given; `:key` of 16 to 64
      bytes. `:sha256` of `:data`.
    * `:blake2b_file`, `:sha256_file` of `:path`, and as above: `{digest, bytes}`.
    * `:argon2id` of `:password`, with `:opslimit` (2 if not given) and `:memlimit` in bytes (64 MiB): a
      string for `:argon2id_verify` of `:password` and `:hash`, which gives a boolean. Cannot be cut.
    * `:encrypt_file`, `:decrypt_file` `:from` a path `:to` another by a `:key` of 32 bytes: the number of
      bytes of text. The output appears when it is complete, or not at all: `{:error, :bad_message}` for
      another key, and for a file that was changed or cut.
    * `:echo` of `:data`: the same.

  Others come from a library of one's own, see `load/1`.

  In the port lane bytes go through a pipe, but for buffers of a pool with the option `:shared`, which
  the worker reads and fills in place, and large binaries, which are copied into such memory: see
  `Offheap.PortPool.call/4` for what becomes of a buffer while a worker has it.
  """

  @type job :: :offheap_jobs.job()
  @typedoc "The first argument, or all by name."
  @type input :: :offheap_jobs.input()
  @type lane :: :offheap_jobs.lane()
  @type options ::
          [lane: lane(), into: Offheap.Buffer.t(), timeout: timeout()]
          | %{optional(:lane | :into | :timeout) => term()}
  @type outcome :: {:ok, term()} | {:error, term()}
  @type async :: :offheap_jobs.async()

  @doc """
  Does the job and returns its outcome.

  ## Options

    * `:into` - a buffer, to which the bytes that the job gives are appended; the result has their number
      instead. `{:error, :enospc}` if they do not fit.
    * `:lane` - forces a lane. Raises `ArgumentError` for one that cannot be: `:inline` beyond 50 us,
      `:yielding` for a job that cannot be cut or works on files, any but `:port` for a job that must not
      run in the VM.
    * `:timeout` - milliseconds to wait for a worker; default 60,000. The other lanes take as long as
      the work; `async/3` and `await/2` wait a given time on every lane.

  Errors: `{:badarg, name}` for an argument that is missing, of the wrong type or out of bounds, or not
  the job's; `:unknown_job`; what the job says, such as `:enoent`; in the port lane those of
  `Offheap.PortPool`. Raises `ArgumentError` for a job that is no atom and for wrong options.

      iex> Offheap.Jobs.run(:blake2b_file, "/no/such/file")
      {:error, :enoent}
      iex> Offheap.Jobs.run(:blake2b, %{data: "abc", size: 1000})
      {:error, {:badarg, :size}}
      iex> {:ok, hash} = Offheap.Jobs.run(:argon2id, %{password: "secret", opslimit: 1, memlimit: 8192})
      iex> Offheap.Jobs.run(:argon2id_verify, %{password: "secret", hash: hash})
      {:ok, true}
      iex> {:ok, buffer} = Offheap.Buffer.lease(Offheap.Pool.new(), 64)
      iex> Offheap.Jobs.run(:echo, "hello", into: buffer)
      {:ok, 5}
      iex> Offheap.Buffer.read(buffer)
      "hello"
  """
  @spec run(job(), input(), options()) :: outcome()
  defdelegate run(job, input, options \\ []), to: :offheap_jobs

  @doc """
  Runs the job in a process of its own, linked to the caller, who gets the outcome by `await/2` and no
  other way, or gives it up by `cancel/1`.

      iex> job = Offheap.Jobs.async(:sha256, "abc")
      iex> {:ok, <<0xBA, 0x78, _::binary>>} = Offheap.Jobs.await(job)
  """
  @spec async(job(), input(), options()) :: async()
  defdelegate async(job, input, options \\ []), to: :offheap_jobs

  @doc """
  The outcome, once. After `{:error, :timeout}` the job is cancelled. What `run/3` would raise is raised
  here.
  """
  @spec await(async(), timeout()) :: outcome()
  defdelegate await(async, timeout \\ 5000), to: :offheap_jobs

  @doc """
  Stops the job: at its next slice, within 0.1 ms on a dirty scheduler, at once while it waits for a
  worker. Its outcome never arrives. One that cannot be cut runs to its end, for nobody.

      iex> Offheap.Jobs.cancel(Offheap.Jobs.async(:sha256, "abc"))
      :ok
  """
  @spec cancel(async()) :: :ok
  defdelegate cancel(async), to: :offheap_jobs

  @doc """
  The outcomes of the job for each of `inputs`, in order, with `:max_concurrency` of them under way
  (default: twice the schedulers); the other options are those of `run/3`.

      iex> Offheap.Jobs.stream(:blake2b, ["a", "b"]) |> Enum.map(fn {:ok, digest} -> byte_size(digest) end)
      [32, 32]
  """
  @spec stream(job(), Enumerable.t(), keyword()) :: Enumerable.t()
  def stream(job, inputs, options \\ []) do
    {concurrency, options} =
      Keyword.pop(options, :max_concurrency, 2 * System.schedulers_online())

    inputs
    |> Task.async_stream(&run(job, &1, options), max_concurrency: concurrency, timeout: :infinity)
    |> Stream.map(fn {:ok, outcome} -> outcome end)
  end

  @doc """
  Which lane `run/3` would take now, how long the job will take, and why there:

    * `:forced` - the option says so;
    * `:short` - inline; `:medium` - a slice at a time; `:free` - a dirty scheduler is to spare; `:files`
      - a short job of files;
    * `:busy` - a worker, because the dirty schedulers have enough to do, or the files are large;
      `:untrusted` - a worker, because the job must not run in the VM;
    * `:cheaper_here` - the dirty schedulers are busy, but bringing the bytes to a worker would cost as
      much as the work;
    * `:buffer_stays`, `:too_large_for_port`, `:no_port` - not a worker, because the bytes stand in a
      buffer, are more than a request may have, or the application is not running.

  ## Example

      iex> %{lane: :inline, reason: :short, cost_ns: ns} = Offheap.Jobs.explain(:blake2b, "abc")
      iex> ns < 50_000
      true
  """
  @spec explain(job(), input(), options()) ::
          %{lane: lane(), cost_ns: non_neg_integer(), reason: atom()} | {:error, term()}
  defdelegate explain(job, input, options \\ []), to: :offheap_jobs

  @doc """
  The jobs there are: their parameters with types, what is special about them (`:io`, `:whole`,
  `:port_only`), and what a unit of their work takes by now, in nanoseconds.

      iex> Offheap.Jobs.list().sha256.params
      [data: :bytes]
  """
  @spec list() :: %{
          job() => %{params: [{atom(), atom()}], flags: [atom()], ns_per_unit: float()}
        }
  defdelegate list(), to: :offheap_jobs

  @doc """
  Adds the jobs of a library, a shared object made with `c_src/include/offheap_job.h`, for good. Workers
  that start from now on have them too. Loading the same library again does nothing.

    * `{:error, :exists}` - one of its jobs' names is taken.
    * `{:error, {:not_found, text}}` - the system cannot open it, or it has no jobs.
    * `{:error, {:badarg, text}}` - it was made for another version of the header.
    * `{:error, :system_limit}` - more than 256 jobs.

  The library becomes part of the VM: load only what is trusted.

      iex> {:error, {:not_found, _}} = Offheap.Jobs.load("/no/such/library.so")
  """
  @spec load(Path.t()) ::
          :ok | {:error, :exists | :system_limit | {:not_found | :badarg, charlist()}}
  defdelegate load(path), to: :offheap_jobs

  @doc """
  Measures the built-in jobs on this machine: about half a second on a dirty scheduler. Without it the
  guesses begin with typical figures, and what runs corrects them by up to an eighth each time.
  """
  @spec calibrate() :: :ok
  defdelegate calibrate(), to: :offheap_jobs

  @doc """
  What the lanes did since the application started, and how things stand:

    * `:inline`, `:yielding`, `:dirty`, `:port` - jobs they were given;
    * `:dirty_in_use`, `:dirty_limit` - dirty CPU schedulers held by jobs that chose them, and how many
      may be;
    * `:dirty_cpu_queue`, `:dirty_io_queue` - whoever waits for one, jobs or not;
    * `:in_flight` - jobs under way by lane, those of callers that died among them until they stop:
      `:yielding` (that have given their process up once), `:dirty_cpu`, `:dirty_io`; `:port`, requests
      that `Offheap.PortPool.default/0` has not answered;
    * `:utilisation` - how busy the schedulers were, 0.0 to 1.0, on average by kind (`:normal`,
      `:dirty_cpu`, `:dirty_io`), since this process called here before, or since they are measured.
      `:undefined` unless a process has them measured by `:erlang.system_flag(:scheduler_wall_time, true)`,
      which costs a little at each switch between processes;
    * `:latency_us` - by lane but inline, how long callers waited: `:count`, `:p50`, `:p99`, `:max`.

  The figures are read one after the other, not in one instant. For each job's see the events of
  `Offheap.Telemetry`.
  """
  @spec stats() :: %{atom() => integer() | map() | :undefined}
  defdelegate stats(), to: :offheap_jobs
end
