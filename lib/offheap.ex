defmodule Offheap do
  @moduledoc """
  Structures outside the Erlang heap, in C, for Erlang and Elixir on the BEAM.

  | part | modules | what it is | take something else when |
  |---|---|---|---|
  | atomics | `Offheap.Atomics` | arrays of integers or floats with every compound operation in one call | single adds are all you need: `:atomics` is compiled into the emulator |
  | counters | `Offheap.Counter` | striped counters, read and drained all at once | you never read more than a few: `:counters` adds as fast |
  | histograms | `Offheap.Histogram` | quantiles, Prometheus buckets, exports | a few counters of your own answer the question |
  | limiters | `Offheap.RateLimiter`, `Offheap.ConcurrencyLimiter` | GCRA rate limits and permits that go with their owner | permits are given back whatever happens: a bare counter is quicker |
  | bit sets | `Offheap.Bitset`, `Offheap.BloomFilter`, `Offheap.HyperLogLog` | slots, membership and distinct counts | keys differ only in a pid or reference inside them: few bits tell those apart |
  | ids | `Offheap.IdGenerator` | Snowflake ids | uniqueness within one run is enough: `System.unique_integer/0` |
  | buffers | `Offheap.Pool`, `Offheap.Buffer` | leased, mutable, recycled blocks of bytes, frozen to binaries without a copy | data are small or live short: fresh binaries are cheap |
  | files, hashes | `Offheap.File`, `Offheap.Hash` | files read into buffers and written from them, digests of both in place | you read a file once and keep it as a binary: `File.read/1`; SHA-2 of binaries: `:crypto` |
  | store | `Offheap.Store` | ETS's vocabulary with reads that take no lock | values are large and read whole, or one process alone uses the table: ETS copies such values faster |
  | jobs | `Offheap.Jobs` | work that runs inline, on a dirty scheduler or in a worker program, picked by cost | what you compute takes less than a microsecond |
  | ports | `Offheap.PortPool` | supervised worker programs with pipelined requests | a crash cannot happen and the work is short: a NIF needs no round trip |

  Each Elixir module has an Erlang twin: `Offheap.Atomics` is `:offheap_atomics`, and so on.

  ## What every part keeps

    * No call holds a normal scheduler longer than about a millisecond, whatever the size of its input.
    * Nothing that a caller passes can crash the emulator: what is wrong raises `ArgumentError` or
      returns a documented error.
    * Handles may be sent to any process, and what they refer to is freed with the last of them.

  Only `Offheap.PortPool` and the port lane of `Offheap.Jobs` need the `:offheap` application to be
  running; the rest works as soon as the modules are loaded.
  """
end
