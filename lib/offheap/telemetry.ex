defmodule Offheap.Telemetry do
  @moduledoc """
  Events for `:telemetry`, which cost nothing where it is not loaded.

  Offheap does not depend on telemetry. Whether a module of that name can be loaded is found out once,
  when the application starts or the first event comes; without it, an event costs 10 to 20 ns and goes
  nowhere.

  | event | by | measurements | metadata |
  |---|---|---|---|
  | `[:offheap, :memory]` | `measure/0` | `:bytes`, all that the toolkit holds; `:pool_bytes`, `:leased_bytes`, `:frozen_bytes`, `:cached_bytes` of all pools; `:store_bytes`, `:store_entries` of all stores; `:other_bytes`, the rest | none |
  | `[:offheap, :pool, :refused]` | the process of a named pool, at most once a sweep | `:count`, leases refused since the last event; `:bytes`, of the pool's blocks; `:waiting`, processes that wait for bytes | `:pool`, its name; `:max_bytes` |

  | `[:offheap, :jobs]` | `measure/0` | the counts of `Offheap.Jobs.stats/0`; `:in_flight`, the sum of its | none |
  | `[:offheap, :job, :start]` | who runs a job on any lane but inline | `:cost_ns`, the guess by which the lane was chosen; `:system_time`, native | `:job`, `:lane`, `:reason` (`Offheap.Jobs.explain/3`) |
  | `[:offheap, :job, :stop]` | the same | `:cost_ns`; `:duration`, how long the caller waited, native | the same, and `:outcome`, `:ok` or `:error` |

  An inline job takes as long as an event would: it emits none, and is counted by `Offheap.Jobs.stats/0`. A
  caller that is killed, or forces a lane that cannot be, emits no stop.

  A poller emits those of `measure/0` every ten seconds:

      {:telemetry_poller, measurements: [{Offheap.Telemetry, :measure, []}], period: 10_000}
  """

  @doc """
  Looks once more whether telemetry can be loaded; returns whether it can.

  Where the `:offheap` application starts before telemetry is in the code path, this makes up for it.
  """
  @spec init() :: boolean()
  defdelegate init(), to: :offheap_telemetry

  @doc """
  The events that Offheap emits, for `:telemetry.attach_many/4`.

      iex> [:offheap, :memory] in Offheap.Telemetry.events()
      true
  """
  @spec events() :: [[atom(), ...]]
  defdelegate events(), to: :offheap_telemetry

  @doc """
  Emits an event, if telemetry is there. Handlers run in the caller.

      iex> Offheap.Telemetry.execute([:my_app, :done], %{count: 1})
      :ok
  """
  @spec execute([atom(), ...], map(), map()) :: :ok
  def execute(event, measurements, metadata \\ %{}),
    do: :offheap_telemetry.execute(event, measurements, metadata)

  @doc """
  Emits `[:offheap, :memory]` from `Offheap.info/0`, and `[:offheap, :jobs]` from
  `Offheap.Jobs.stats/0`; these are not asked if telemetry is not there.

      iex> Offheap.Telemetry.measure()
      :ok
  """
  @spec measure() :: :ok
  defdelegate measure(), to: :offheap_telemetry
end
