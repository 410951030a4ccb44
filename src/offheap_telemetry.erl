%% @doc Events for `telemetry', which costs nothing where it is not loaded.
%%
%% Offheap does not depend on telemetry. Whether a module of that name can be loaded is found out once,
%% when the application starts or the first event comes, and kept in a persistent term: without it, an
%% event costs 10 to 20 ns and goes nowhere. {@link init/0} looks again.
%%
%% Events:
%%
%% <ul>
%% <li>`[offheap, memory]', by {@link measure/0}. Measurements: `bytes', all that the toolkit holds;
%%     `pool_bytes', `leased_bytes', `frozen_bytes', `cached_bytes' of all pools; `store_bytes' and
%%     `store_entries' of all stores; `other_bytes', the rest. Metadata: `#{}'.</li>
%% <li>`[offheap, pool, refused]', by the process of a named pool, at most once in its `sweep_ms': leases
%%     were refused. Measurements: `count', how many since the last event; `bytes', what the pool's blocks
%%     take; `waiting', processes that wait for some. Metadata: `pool', its name; `max_bytes'.</li>
%% <li>`[offheap, job, start]', `[offheap, job, stop]', by who runs a job on any lane but inline, where an
%%     event would cost as much as the job ({@link offheap_jobs:stats/0} counts these). Measurements:
%%     `cost_ns', the guess by which the lane was chosen; `system_time' at the start; `duration' at the
%%     stop, how long the caller waited; both in native units. Metadata: `job', `lane', `reason'
%%     ({@link offheap_jobs:explain/3}), at the stop also `outcome', `ok' or `error'. A caller that is killed,
%%     or forces a lane that cannot be, emits no stop.</li>
%% <li>`[offheap, jobs]', by {@link measure/0}. Measurements: the counts of {@link offheap_jobs:stats/0}, and
%%     `in_flight', the sum of its. Metadata: `#{}'.</li>
%% </ul>
%%
%% A poller emits those of {@link measure/0} every ten seconds:
%% <pre>telemetry_poller:start_link([{measurements, [{offheap_telemetry, measure, []}]},
%%                              {period, 10000}])</pre>
-module(offheap_telemetry).

-export([init/0, events/0, execute/2, execute/3, measure/0]).

-type event() :: [atom(), ...].
-type measurements() :: #{atom() => number()}.
-type metadata() :: #{atom() => term()}.
-export_type([event/0, measurements/0, metadata/0]).

%% @doc Looks whether telemetry can be loaded; returns whether it can.
-spec init() -> boolean().
init() ->
    Loaded = case code:ensure_loaded(telemetry) of
                 {module, telemetry} -> erlang:function_exported(telemetry, execute, 3);
                 {error, _} -> false
             end,
    %% Atoms: to replace one makes no process look for it.
    ok = persistent_term:put(?MODULE, Loaded),
    Loaded.

%% @doc The events that Offheap emits, for `telemetry:attach_many/4'.
-spec events() -> [event()].
events() ->
    [[offheap, memory], [offheap, pool, refused], [offheap, jobs],
     [offheap, job, start], [offheap, job, stop]].

%% @equiv execute(Event, Measurements, #{})
-spec execute(event(), measurements()) -> ok.
execute(Event, Measurements) -> execute(Event, Measurements, #{}).

%% @doc Emits an event, if telemetry is there. Handlers run in the caller.
-spec execute(event(), measurements(), metadata()) -> ok.
execute(Event, Measurements, Metadata) ->
    case enabled() of
        true -> apply(telemetry, execute, [Event, Measurements, Metadata]);
        false -> ok
    end.

%% @doc Emits `[offheap, memory]' from {@link offheap:info/0}, and `[offheap, jobs]' from {@link
%% offheap_jobs:stats/0}; these are not asked if telemetry is not there.
-spec measure() -> ok.
measure() ->
    case enabled() of
        true ->
            execute([offheap, memory], memory(offheap:info())),
            execute([offheap, jobs], jobs(offheap_jobs:stats()));
        false ->
            ok
    end.

enabled() ->
    case persistent_term:get(?MODULE, undefined) of
        undefined -> init();
        Loaded -> Loaded
    end.

memory(#{bytes := Bytes, pools := #{bytes := PoolBytes} = Pools,
         stores := #{bytes := StoreBytes, size := Entries}}) ->
    Sums = maps:with([leased_bytes, frozen_bytes, cached_bytes], Pools),
    Sums#{bytes => Bytes, pool_bytes => PoolBytes, store_bytes => StoreBytes,
          store_entries => Entries, other_bytes => Bytes - PoolBytes - StoreBytes}.

jobs(#{in_flight := InFlight} = Stats) ->
    Counts = maps:filter(fun(_, Value) -> is_integer(Value) end, Stats),
    Counts#{in_flight => lists:sum(maps:values(InFlight))}.
