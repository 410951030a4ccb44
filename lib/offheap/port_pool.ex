defmodule Offheap.PortPool do
  @moduledoc """
  A pool of worker programs in C, to which requests are pipelined.

  A worker is an operating-system process that does jobs one after the other: what it computes holds
  up no scheduler, and when it crashes nothing else does. A request goes from the caller to the
  process that owns the least loaded worker, and from there to the worker; no process of the pool's
  own stands between.

      iex> {:ok, pool} = Offheap.PortPool.start_link(size: 1)
      iex> Offheap.PortPool.call(pool, :echo, "hello")
      {:ok, "hello"}
      iex> requests = for i <- 1..3, do: Offheap.PortPool.request(pool, :echo, <<i>>)
      iex> Enum.map(requests, &Offheap.PortPool.await/1)
      [ok: <<1>>, ok: <<2>>, ok: <<3>>]
      iex> Offheap.PortPool.stop(pool)
      :ok

  In a supervisor: `{Offheap.PortPool, name: MyApp.Workers, size: 4}`.

    * Each request has exactly one outcome. There is no retry unless the request says that it is
      idempotent: after `{:worker_died, status}` or `:timeout` the job may or may not have been done.
    * A request that is cancelled, whose time is up or whose caller dies is stopped in the worker too.
      A job that does not ask whether to go on is killed with its worker after `:grace_ms`.
    * What a worker writes to its standard error is logged.
    * A worker has at most `:credits` unanswered requests. Beyond that, requests wait in the VM, at
      most `:max_queue` a worker; then they are refused: `{:error, :overloaded}`. Requests that wait
      are dropped when their caller dies or stops waiting.
    * A worker that dies is restarted, after a growing delay if it keeps dying. Its unanswered
      requests get `{:error, {:worker_died, status}}`, with its exit status: 128 + n after signal n;
      or `:epipe`, `:protocol`, or `:killed` after the grace time.
    * No worker outlives its pool or the VM, whatever it is doing and however the VM ends.

  Other reasons for an error: `:noproc` (no such pool), `:closed` (the pool stopped, or the process that
  owned the worker is gone), `:too_large` (the request exceeds `:max_frame`), `:unknown_job`,
  `{:badarg, name}` (the job does not take such an argument), `:too_deep` (terms nested more than 64
  deep), and what the job itself answers, such as `:enoent`.

  The jobs of the worker that comes with Offheap are those of `Offheap.Jobs`.

  > #### When not to use it {: .info}
  >
  > A round trip costs 15 to 70 microseconds, 2 or 3 in a pipeline, and each byte is copied through
  > a pipe unless it crosses in shared memory (`call/4`). Work of a few microseconds belongs in a NIF;
  > `Offheap.Jobs` picks.
  """

  @typedoc "A pool on this node, by its process or its name."
  @type pool :: :offheap_port_pool.pool()

  @typedoc "What `request/3` returns; only the process that called it can use it."
  @type request_id :: :offheap_port_pool.request_id()

  @type request_options :: [timeout: timeout(), idempotent: boolean()]
  @type call_options :: :offheap_port_pool.call_options()

  @type outcome :: {:ok, term()} | {:error, :offheap_port_pool.reason()}

  @doc """
  Starts a pool, linked to the caller.

  ## Options

    * `:name` - registers the pool
    * `:size` - workers; default the number of schedulers online
    * `:credits` - unanswered requests a worker; default 64
    * `:max_queue` - requests that wait in the VM, a worker; default 1024
    * `:max_frame` - bytes of the largest request; default 64 MiB, at most 1 GiB
    * `:max_requests` - a worker that has been given so many is replaced when it has answered them;
      default `:infinity`
    * `:grace_ms` - how long a worker may go on with a cancelled request before it is killed; default
      5000, or `:infinity`
    * `:memory` (bytes), `:cpu` (seconds), `:files` - limits of each worker. What exceeds the first fails
      with `:enomem`; the second ends the worker (status 137)
    * `:nice` - 0 to 19, added to the workers' niceness, so that the VM goes first; default 0
    * `:sandbox` - on Linux, takes from the workers the right to start programs, to use the network and
      to meddle with other processes or the system; files stay. Default false
    * `:shared` - buffers of pools with that option, and large binaries, are handed to the workers in
      shared memory, see `call/4`; default true. False: all bytes go through the pipes
    * `:executable`, `:args` - another program that speaks the protocol, further arguments for it. The
      limits and shared memory are for Offheap's own

  As a list or a map. Raises `ArgumentError` for any other option or value.
  """
  @spec start_link(:offheap_port_pool.options()) :: {:ok, pid()} | {:error, term()}
  defdelegate start_link(options \\ []), to: :offheap_port_pool

  @doc "A child specification; its id is the pool's name."
  @spec child_spec(:offheap_port_pool.options()) :: Supervisor.child_spec()
  defdelegate child_spec(options), to: :offheap_port_pool

  @doc """
  Stops the pool. Requests without an answer get `{:error, :closed}`; workers are ended, also in the
  middle of a job.
  """
  @spec stop(pool()) :: :ok
  defdelegate stop(pool), to: :offheap_port_pool

  @doc """
  The pool that Offheap's own jobs use, named `:offheap_port_pool`. It is started now if it is not
  running, under the application's supervisor, with the options of its environment:

      config :offheap, port_pool: [size: 4]

  `{:error, :not_started}` if the `:offheap` application is not running.

      iex> {:ok, pool} = Offheap.PortPool.default()
      iex> Offheap.PortPool.call(pool, :echo, "x")
      {:ok, "x"}
  """
  @spec default() :: {:ok, pool()} | {:error, :not_started | term()}
  defdelegate default(), to: :offheap_port_pool

  @doc """
  Has a worker do `job` and waits for the outcome, at most `timeout` milliseconds.

  After `{:error, :timeout}` no message arrives later, and the worker is told to stop. Instead of a
  time, options:

    * `:timeout` - milliseconds or `:infinity`; default 5000.
    * `:idempotent` - the job may be done twice: if its worker dies, the request goes to the next one,
      once. Default false.
    * `:into` - a buffer, to which the bytes that the job gives are appended; the result has their
      number instead. `{:error, :enospc}` if they do not fit.

  ## Shared memory

  Where the arguments are or have buffers, their bytes are meant. Those of a pool with the option
  `:shared` are not sent: the worker maps their memory and reads them, or writes its result, in place.
  Binaries of 64 KiB and more are copied into such memory, at most 64 MiB of them at a time
  (`config :offheap, port_shared_bytes: ...`; 0 turns it off). What cannot be shared goes through the
  pipe, which is slower and nothing else: other buffers, and all if the worker cannot open the VM's
  memory.

      iex> {:ok, workers} = Offheap.PortPool.start_link(size: 1)
      iex> buffers = Offheap.Pool.new(shared: true)
      iex> {:ok, from} = Offheap.Buffer.lease(buffers, 100_000, String.duplicate("x", 100_000))
      iex> {:ok, into} = Offheap.Buffer.lease(buffers, 100_000)
      iex> Offheap.PortPool.call(workers, :echo, from, into: into)
      {:ok, 100_000}
      iex> Offheap.Buffer.read(into) == Offheap.Buffer.read(from)
      true

  Until the worker has answered or is dead, also after a timeout, a buffer that it writes is `:busy` to
  all who would extend, freeze or split it; others may read and overwrite what it held before. A release
  takes effect then. If the process that owns the worker is killed, and its worker may still write,
  the buffer is released. Binaries never show memory that a worker could write: `Offheap.Buffer.freeze/1`
  and `Offheap.Buffer.slice/3` of a buffer that had a worker's result copy, whatever its size, in later
  leases too.
  """
  @spec call(pool(), job :: atom(), args :: term(), timeout() | call_options()) :: outcome()
  defdelegate call(pool, job, args, options \\ 5000), to: :offheap_port_pool

  @doc """
  Sends a request and does not wait. The process that sent it, and no other, gets the outcome by
  `await/2` or gives it up by `cancel/1`. A request that is refused says so there. If the process dies,
  the request is cancelled within some tenths of a second.

  Options are those of `call/4`; a timeout counts from now, whether or not somebody awaits.
  """
  @spec request(pool(), job :: atom(), args :: term(), request_options()) :: request_id()
  defdelegate request(pool, job, args, options \\ []), to: :offheap_port_pool

  @doc "The outcome of a request, once. After `{:error, :timeout}` it has none any more."
  @spec await(request_id(), timeout()) :: outcome()
  defdelegate await(request_id, timeout \\ 5000), to: :offheap_port_pool

  @doc """
  Gives up a request: no message of it arrives, or stays. If it still waited, it is not done; if it is
  being done, the worker is told to stop, and killed if it has not after the pool's `:grace_ms`.
  """
  @spec cancel(request_id()) :: :ok
  defdelegate cancel(request_id), to: :offheap_port_pool

  @doc """
  The pool's limits, and for each worker its process id in the operating system (`:undefined`
  between death and restart), its requests in flight and waiting, and how often it was restarted,
  and replaced after `:max_requests`.
  """
  @spec info(pool()) :: map() | {:error, :noproc}
  defdelegate info(pool), to: :offheap_port_pool
end
