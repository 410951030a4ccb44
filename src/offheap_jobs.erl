%% @doc Jobs in C that run where they cost least: in the caller, a slice at a time, on a dirty scheduler,
%% or in a worker program; by what they will cost and by how busy the dirty schedulers are.
%%
%% ```
%% {ok, Digest} = offheap_jobs:run(blake2b, <<"abc">>).
%% {ok, {Digest, Size}} = offheap_jobs:run(blake2b_file, <<"/etc/hostname">>).
%% {ok, Hash} = offheap_jobs:run(argon2id, #{password => <<"secret">>, opslimit => 3}).
%% '''
%% Arguments are a map by name, or the first one alone. Bytes may be a binary, iodata or a buffer, which
%% is read in place.
%%
%% Lanes, what they are for, and what they cost beside the work:
%% <ul>
%% <li>`inline': up to 50 us. Costs nothing; holds its scheduler that long.</li>
%% <li>`yielding': up to 5 ms, and longer where a pipe would cost more than the work. Costs 0.3 us for each
%%     0.2 ms; shares its scheduler like Erlang code.</li>
%% <li>`dirty': longer, while fewer than a limit are at work and none waits for a dirty scheduler; files up
%%     to 8 ms. Costs 2 to 20 us; holds a dirty scheduler, which large garbage collections need too.</li>
%% <li>`port': the rest, and what must not run in the VM. Costs 15 us and, for a byte, 2 ns, or
%%     0.2 in shared memory ({@link offheap_port_pool:call/4}); no scheduler is held. A file is opened by
%%     the worker.</li>
%% </ul>
%%
%% A job that cannot be cut is never yielding; one that works on files is never inline or yielding. What
%% a job will cost is guessed from what it did before, see {@link calibrate/0}. A job whose caller dies
%% stops within 0.1 ms (dirty) or at its next slice; one that cannot be cut runs to its end.
%%
%% The port lane uses {@link offheap_port_pool:default/0}, which the first job starts. Where the offheap
%% application is not running (an escript, say), there is no port lane: dirty does its work.
-module(offheap_jobs).

-export([run/2, run/3, async/2, async/3, await/1, await/2, cancel/1, explain/2, explain/3]).
-export([list/0, load/1, calibrate/0, stats/0]).
-export([init/0, libraries/0]).
-export_type([job/0, input/0, lane/0, option/0, options/0, outcome/0, explanation/0, async/0]).

%% Up to here a job runs in its caller, to here a slice at a time.
-define(INLINE_NS, 50000).
-define(YIELD_NS, 5000000).
%% Up to here a job of files holds a dirty IO scheduler.
-define(DIRTY_IO_NS, 8000000).
%% What a byte costs the VM on its way to a worker and what the worker reads.
-define(CROSSING_NS, 2).
%% What a request carries beside the bytes, generously.
-define(REQUEST_BYTES, 4096).
-define(TIMEOUT_MS, 60000).

-define(STATE, offheap_jobs_state).
-define(LIBRARIES, offheap_jobs_libraries).
%% In the dictionary of a process that asks for statistics.
-define(SAMPLE, '$offheap_jobs_sample').

%% Counts by lane, in this order; then the lanes' histograms.
-define(LANES, [inline, yielding, dirty, port]).

-record(state, {counts :: offheap_atomics:atomics_ref(),
                limiter :: offheap_concurrency_limiter:limiter() | none,
                limit :: non_neg_integer(),
                latency :: #{lane() => offheap_histogram:histogram()}}).

-type job() :: atom().
-type input() :: term() | #{atom() => term()}.
-type lane() :: inline | yielding | dirty | port.
-type option() :: {lane, lane()} | {into, offheap_buffer:buffer()} | {timeout, timeout()}.
-type options() :: [option()] | #{lane => lane(), into => offheap_buffer:buffer(),
                                  timeout => timeout()}.
-type outcome() :: {ok, term()} | {error, term()}.
-type explanation() :: #{lane := lane(), cost_ns := non_neg_integer(),
                         reason := forced | short | medium | free | files | busy | untrusted
                                 | no_port | too_large_for_port | buffer_stays | cheaper_here}.
-opaque async() :: {reference(), pid(), reference()}.

%% --- Running ---

%% @equiv run(Job, Input, [])
-spec run(job(), input()) -> outcome().
run(Job, Input) ->
    run(Job, Input, []).

%% @doc Does the job and returns its outcome.
%%
%% Options, as a list or a map:
%% <ul>
%% <li>`{into, Buffer}': the bytes that the job gives are appended to the buffer, and the result has their
%%     number instead. `{error, enospc}' if they do not fit.</li>
%% <li>`{lane, Lane}' forces a lane. Raises `badarg' for one that cannot be: `inline' beyond 50 us,
%%     `yielding' for a job that cannot be cut or works on files, any but `port' for a job that must not
%%     run in the VM.</li>
%% <li>`{timeout, Milliseconds}': how long to wait for a worker; default 60000. The other lanes take as
%%     long as the work; {@link async/3} and {@link await/2} wait a given time on every lane.</li>
%% </ul>
%% Errors: `{badarg, Name}' for an argument that is missing, of the wrong type or out of bounds, or not
%% the job's; `unknown_job'; what the job says, such as `enoent'; in the port lane those of
%% {@link offheap_port_pool}. Raises `badarg' for a job that is no atom and for wrong options.
-spec run(job(), input(), options()) -> outcome().
run(Job, Input, []) when is_binary(Input) ->
    case offheap_nif:job_inline(Job, Input, none, ?INLINE_NS) of
        {lane, CostNs, Flags, Bytes} ->
            go(Job, Input, {auto, none, ?TIMEOUT_MS}, {CostNs, Flags, Bytes});
        Outcome ->
            count(inline),
            Outcome
    end;
run(Job, Input, Options) ->
    {Lane, Into, _} = Opts = options(Options),
    Prepared = prepare(Job, Input),
    Here = Lane =:= auto orelse Lane =:= inline,
    Done = case Here of
               true -> offheap_nif:job_inline(Job, Prepared, Into, ?INLINE_NS);
               false -> offheap_nif:job_cost(Job, Prepared, none)
           end,
    case Done of
        {lane, _, _, _} when Lane =:= inline -> error(badarg);
        {lane, CostNs, Flags, Bytes} -> go(Job, Prepared, Opts, {CostNs, Flags, Bytes});
        Outcome -> Here andalso count(inline), Outcome
    end.

go(Job, Input, {Forced, Into, Timeout}, {CostNs, Flags, _} = Cost) ->
    {Lane, Reason, Permit} = choose(Forced, Input, Cost),
    count(Lane),
    About = #{job => Job, lane => Lane, reason => Reason},
    Begun = erlang:monotonic_time(),
    Outcome = try
                  event(start, #{cost_ns => CostNs, system_time => erlang:system_time()}, About),
                  work(Lane, Job, Input, Into, Timeout, Flags)
              after
                  give_back(Permit)
              end,
    Duration = erlang:monotonic_time() - Begun,
    record(Lane, Duration),
    event(stop, #{cost_ns => CostNs, duration => Duration}, About#{outcome => element(1, Outcome)}),
    Outcome.

event(What, Measurements, About) ->
    offheap_telemetry:execute([offheap, job, What], Measurements, About).

work(yielding, Job, Input, Into, _Timeout, _Flags) ->
    offheap_nif:job_yield(Job, flatten(Input), Into);
work(dirty, Job, Input, Into, _Timeout, Flags) ->
    case lists:member(io, Flags) of
        true -> offheap_nif:job_dirty_io(Job, Input, Into);
        false -> offheap_nif:job_dirty(Job, Input, Into)
    end;
work(port, Job, Input, Into, Timeout, _Flags) ->
    case offheap_port_pool:default() of
        {ok, Pool} ->
            Options = [{into, Into} || Into =/= none] ++ [{timeout, Timeout}],
            offheap_port_pool:call(Pool, Job, crossing(Job, Input), Options);
        {error, _} = Error ->
            Error
    end.

%% --- Choosing ---

%% The lane, why, and the permit to give back.
choose(auto, Input, {CostNs, Flags, Bytes}) ->
    case {lists:member(port_only, Flags), lists:member(io, Flags), lists:member(whole, Flags)} of
        {true, _, _} -> {port, untrusted, none};
        {_, true, _} when CostNs =< ?DIRTY_IO_NS -> {dirty, files, none};
        {_, true, _} -> to_port(Input, Bytes, dirty);
        {_, _, false} when CostNs =< ?YIELD_NS -> {yielding, medium, none};
        {_, _, Whole} -> long(Input, CostNs, Bytes, Whole)
    end;
choose(Lane, _Input, _Cost) ->
    {Lane, forced, none}.

%% A dirty scheduler if one is to spare; else a worker, unless a slice at a time is cheaper.
long(Input, CostNs, Bytes, Whole) ->
    case permit() of
        none when not Whole, CostNs < 2 * ?CROSSING_NS * Bytes -> {yielding, cheaper_here, none};
        none when Whole -> to_port(Input, Bytes, dirty);
        none -> to_port(Input, Bytes, yielding);
        Permit -> {dirty, free, Permit}
    end.

%% To a worker; what cannot go there takes the lane Else.
to_port(Input, Bytes, Else) ->
    case offheap_port_shared:stays(Input) of
        true ->
            {Else, buffer_stays, none};
        false ->
            case offheap_port_pool:default() of
                {ok, Pool} ->
                    case Bytes + ?REQUEST_BYTES =< offheap_port_pool:max_frame(Pool) of
                        true -> {port, busy, none};
                        false -> {Else, too_large_for_port, none}
                    end;
                {error, _} ->
                    {Else, no_port, none}
            end
    end.

%% Leave to hold a dirty CPU scheduler: none if so many have it already, or if somebody waits.
permit() ->
    case state() of
        #state{limiter = none} ->
            none;
        #state{limiter = Limiter} ->
            case dirty_cpu_queue() =:= 0 andalso offheap_nif:concurrency_limiter_acquire(Limiter) of
                {ok, Permit} -> Permit;
                _ -> none
            end
    end.

give_back(none) -> ok;
give_back(Permit) -> offheap_nif:concurrency_limiter_release(Permit).

dirty_cpu_queue() ->
    [_DirtyIo, DirtyCpu | _] = lists:reverse(erlang:statistics(run_queue_lengths_all)),
    DirtyCpu.

%% @equiv explain(Job, Input, [])
-spec explain(job(), input()) -> explanation() | {error, term()}.
explain(Job, Input) ->
    explain(Job, Input, []).

%% @doc Which lane {@link run/3} would take now, how long the job will take, and why there:
%% <ul>
%% <li>`forced': the option says so;</li>
%% <li>`short': inline; `medium': a slice at a time; `free': a dirty scheduler is to spare; `files': a
%%     short job of files;</li>
%% <li>`busy': a worker, because the dirty schedulers have enough to do, or the files are large;
%%     `untrusted': a worker, because the job must not run in the VM;</li>
%% <li>`cheaper_here': the dirty schedulers are busy, but bringing the bytes to a worker would cost as
%%     much as the work;</li>
%% <li>`buffer_stays', `too_large_for_port', `no_port': not a worker, because the bytes stand in a buffer
%%     that cannot be shared, are more than a request may have, or the offheap application is not running.</li>
%% </ul>
-spec explain(job(), input(), options()) -> explanation() | {error, term()}.
explain(Job, Input, Options) ->
    {Forced, _Into, _} = options(Options),
    Prepared = prepare(Job, Input),
    case offheap_nif:job_cost(Job, Prepared, none) of
        {lane, CostNs, Flags, Bytes} ->
            {Lane, Reason} = explain_lane(Forced, Prepared, {CostNs, Flags, Bytes}),
            #{lane => Lane, cost_ns => CostNs, reason => Reason};
        Error ->
            Error
    end.

explain_lane(auto, Input, {CostNs, Flags, _} = Cost) ->
    case CostNs =< ?INLINE_NS andalso not lists:member(io, Flags)
         andalso not lists:member(port_only, Flags) of
        true ->
            {inline, short};
        false ->
            {Lane, Reason, Permit} = choose(auto, Input, Cost),
            give_back(Permit),
            {Lane, Reason}
    end;
explain_lane(Forced, _Input, _Cost) ->
    {Forced, forced}.

%% --- Arguments ---

%% Paths as binaries; the rest is looked at in C.
prepare(Job, Input) when is_map(Input) ->
    case offheap_nif:job_params(Job) of
        undefined -> Input;
        Params -> maps:map(fun(Name, Value) -> path(lists:member({Name, path}, Params), Value) end, Input)
    end;
prepare(Job, Input) when is_list(Input) ->
    case offheap_nif:job_params(Job) of
        [{_, path} | _] -> path(true, Input);
        _ -> Input
    end;
prepare(_Job, Input) ->
    Input.

path(true, Name) when is_list(Name) ->
    case unicode:characters_to_binary(Name, unicode, file:native_name_encoding()) of
        Path when is_binary(Path) -> Path;
        _ -> Name
    end;
path(_, Value) ->
    Value.

%% Iodata is looked at again in each slice: not piece by piece.
flatten(Input) when is_list(Input) -> iolist_to_binary(Input);
flatten(Input) when is_map(Input) ->
    maps:map(fun(_, Value) when is_list(Value) -> iolist_to_binary(Value);
                (_, Value) -> Value
             end, Input);
flatten(Input) -> Input.

%% What a worker is sent: no iodata, and paths that do not depend on its folder.
crossing(Job, Input) when is_map(Input) ->
    Params = case offheap_nif:job_params(Job) of
                 undefined -> [];
                 List -> List
             end,
    maps:map(fun(Name, Value) -> crossing_value(lists:member({Name, path}, Params), Value) end, Input);
crossing(Job, Input) ->
    IsPath = case offheap_nif:job_params(Job) of
                 [{_, path} | _] -> true;
                 _ -> false
             end,
    crossing_value(IsPath, Input).

crossing_value(true, Path) when is_binary(Path) -> filename:absname(Path);
crossing_value(_, Value) when is_list(Value) ->
    try iolist_to_binary(Value) catch error:badarg -> Value end;
crossing_value(_, Value) -> Value.

options([]) -> {auto, none, ?TIMEOUT_MS};
options(Options) when is_list(Options) -> lists:foldl(fun option/2, options([]), Options);
options(Options) when is_map(Options) -> options(maps:to_list(Options));
options(_) -> error(badarg).

option({lane, Lane}, {_, Into, Timeout})
  when Lane =:= inline; Lane =:= yielding; Lane =:= dirty; Lane =:= port ->
    {Lane, Into, Timeout};
option({into, Into}, {Lane, _, Timeout}) when is_tuple(Into) -> {Lane, Into, Timeout};
option({timeout, infinity}, {Lane, Into, _}) -> {Lane, Into, infinity};
option({timeout, Ms}, {Lane, Into, _}) when is_integer(Ms), Ms >= 0, Ms < 1 bsl 32 ->
    {Lane, Into, Ms};
option(_, _) -> error(badarg).

%% --- Beside the caller ---

%% @equiv async(Job, Input, [])
-spec async(job(), input()) -> async().
async(Job, Input) ->
    async(Job, Input, []).

%% @doc Runs the job in a process of its own, linked to the caller, who gets the outcome by
%% {@link await/2} and no other way, or gives it up by {@link cancel/1}.
-spec async(job(), input(), options()) -> async().
async(Job, Input, Options) when is_atom(Job) ->
    _ = options(Options),
    Alias = erlang:alias([reply]),
    Run = fun() -> Alias ! {Alias, guarded(Job, Input, Options)} end,
    {Pid, Monitor} = spawn_opt(Run, [link, monitor]),
    {Alias, Pid, Monitor};
async(_, _, _) ->
    error(badarg).

guarded(Job, Input, Options) ->
    try
        {outcome, run(Job, Input, Options)}
    catch
        error:Reason:Stack -> {raise, Reason, Stack}
    end.

%% @equiv await(Async, 5000)
-spec await(async()) -> outcome().
await(Async) ->
    await(Async, 5000).

%% @doc The outcome, once. After `{error, timeout}' the job is cancelled. What {@link run/3} would raise
%% is raised here.
-spec await(async(), timeout()) -> outcome().
await({Alias, Pid, Monitor} = Async, Timeout) ->
    receive
        {Alias, {outcome, Outcome}} ->
            done(Pid, Monitor),
            Outcome;
        {Alias, {raise, Reason, Stack}} ->
            done(Pid, Monitor),
            erlang:raise(error, Reason, Stack);
        {'DOWN', Monitor, process, Pid, Reason} ->
            _ = erlang:unalias(Alias),
            {error, {exit, Reason}}
    after Timeout ->
        cancel(Async),
        {error, timeout}
    end.

done(Pid, Monitor) ->
    unlink(Pid),
    erlang:demonitor(Monitor, [flush]).

%% @doc Stops the job: at its next slice, within 0.1 ms on a dirty scheduler, at once while it waits for
%% a worker. Its outcome never arrives. One that cannot be cut runs to its end, for nobody.
-spec cancel(async()) -> ok.
cancel({Alias, Pid, Monitor}) ->
    _ = erlang:unalias(Alias),
    done(Pid, Monitor),
    exit(Pid, kill),
    receive {Alias, _} -> ok after 0 -> ok end.

%% --- The jobs there are ---

%% @doc The jobs: their parameters with types, what is special about them, and what a unit of their work
%% takes by now, in nanoseconds. A unit is a byte, or what the job's documentation says.
-spec list() -> #{job() => #{params := [{atom(), bytes | path | integer | float | boolean}],
                             flags := [io | whole | port_only],
                             ns_per_unit := float()}}.
list() ->
    maps:from_list([{Job, #{params => Params, flags => Flags, ns_per_unit => Ns}}
                    || {Job, Params, Flags, Ns} <- offheap_nif:job_list()]).

%% @doc Adds the jobs of a library, a shared object made with `offheap_job.h', for good. Workers that start
%% from now on have them too. Loading the same library again does nothing.
%%
%% `{error, exists}': one of its jobs' names is taken. `{error, system_limit}': more than 256 jobs.
%% `{error, {not_found, Text}}': the system cannot open it, or it has no jobs; `{error, {badarg, Text}}':
%% it was made for another version of the header. The library becomes part of the VM: load only what is
%% trusted.
-spec load(file:name_all()) -> ok | {error, exists | system_limit | {not_found | badarg, string()}}.
load(Name) when is_binary(Name); is_list(Name) ->
    Path = filename:absname(path(true, Name)),
    case offheap_nif:job_load(<<Path/binary, 0>>) of
        ok ->
            Libraries = libraries(),
            lists:member(Path, Libraries)
                orelse persistent_term:put(?LIBRARIES, Libraries ++ [Path]),
            ok;
        Error ->
            Error
    end;
load(_) ->
    error(badarg).

%% @private
%% What workers are to load.
-spec libraries() -> [binary()].
libraries() ->
    persistent_term:get(?LIBRARIES, []).

%% @doc Measures the built-in jobs on this machine: about half a second on a dirty scheduler. Without it
%% the guesses begin with typical figures, and what runs corrects them by up to an eighth each time.
-spec calibrate() -> ok.
calibrate() ->
    MiB = binary:copy(<<7>>, 1048576),
    Samples = [{blake2b, MiB, 24}, {sha256, MiB, 24},
               {argon2id, #{password => <<"calibration">>, opslimit => 1, memlimit => 8388608}, 24}],
    _ = [offheap_nif:job_dirty(Job, Input, none)
         || {Job, Input, Times} <- Samples, _ <- lists:seq(1, Times)],
    ok.

%% --- Counting ---

%% @doc What the lanes did since the application started, and how things stand:
%% <ul>
%% <li>`inline', `yielding', `dirty', `port': jobs they were given;</li>
%% <li>`dirty_in_use', `dirty_limit': dirty CPU schedulers held by jobs that chose them, and how many may
%%     be;</li>
%% <li>`dirty_cpu_queue', `dirty_io_queue': whoever waits for one, jobs or not;</li>
%% <li>`in_flight': jobs under way by lane, those of callers that died among them until they stop:
%%     `yielding' (that have given their process up once), `dirty_cpu', `dirty_io'; `port', requests that
%%     {@link offheap_port_pool:default/0} has not answered;</li>
%% <li>`utilisation': how busy the schedulers were, 0.0..1.0, on average by kind (`normal', `dirty_cpu',
%%     `dirty_io'), since this process called here before, or since they are measured. `undefined' unless
%%     a process has them measured by `erlang:system_flag(scheduler_wall_time, true)', which costs a little
%%     at each switch between processes;</li>
%% <li>`latency_us': by lane but inline, how long callers waited: `count', `p50', `p99', `max'.</li>
%% </ul>
%% The figures are read one after the other, not in one instant.
-spec stats() ->
          #{inline := non_neg_integer(), yielding := non_neg_integer(), dirty := non_neg_integer(),
            port := non_neg_integer(), dirty_in_use := non_neg_integer(),
            dirty_limit := non_neg_integer(), dirty_cpu_queue := non_neg_integer(),
            dirty_io_queue := non_neg_integer(),
            in_flight := #{yielding | dirty_cpu | dirty_io | port => non_neg_integer()},
            utilisation := #{normal | dirty_cpu | dirty_io => float()} | undefined,
            latency_us := #{lane() => #{count | p50 | p99 | max => number()}}}.
stats() ->
    #state{counts = Counts, limiter = Limiter, limit = Limit, latency = Latency} = state(),
    [Io, Cpu | _] = lists:reverse(erlang:statistics(run_queue_lengths_all)),
    Lanes = maps:from_list([{Lane, offheap_atomics:get(Counts, cell(Lane))} || Lane <- ?LANES]),
    Lanes#{dirty_in_use => case Limiter of
                               none -> 0;
                               _ -> offheap_concurrency_limiter:in_use(Limiter)
                           end,
           dirty_limit => Limit, dirty_cpu_queue => Cpu, dirty_io_queue => Io,
           in_flight => in_flight(), utilisation => utilisation(),
           latency_us => maps:map(fun(_, Histogram) -> summary(Histogram) end, Latency)}.

in_flight() ->
    {Yielding, DirtyCpu, DirtyIo} = offheap_nif:job_under_way(),
    #{yielding => Yielding, dirty_cpu => DirtyCpu, dirty_io => DirtyIo,
      port => offheap_port_registry:pending(offheap_port_pool)}.

%% What was busy, of all, since the sample that this process took before.
utilisation() ->
    case erlang:statistics(scheduler_wall_time_all) of
        undefined ->
            _ = erase(?SAMPLE),
            undefined;
        Times ->
            Sample = lists:foldl(fun add_time/2, #{normal => {0, 0}, dirty_cpu => {0, 0}, dirty_io => {0, 0}},
                                 Times),
            Before = case put(?SAMPLE, Sample) of
                         undefined -> #{};
                         Earlier -> Earlier
                     end,
            maps:map(fun(Kind, Time) -> share(Time, maps:get(Kind, Before, {0, 0})) end, Sample)
    end.

%% The numbers of schedulers: normal ones first, then those of dirty CPU work, then of dirty IO.
add_time({Number, Active, Total}, Sums) ->
    Normal = erlang:system_info(schedulers),
    Dirty = Normal + erlang:system_info(dirty_cpu_schedulers),
    Kind = if
               Number =< Normal -> normal;
               Number =< Dirty -> dirty_cpu;
               true -> dirty_io
           end,
    #{Kind := {SumActive, SumTotal}} = Sums,
    Sums#{Kind := {SumActive + Active, SumTotal + Total}}.

%% The counters began again if measuring was off meanwhile.
share({Active, Total}, {ActiveBefore, TotalBefore}) when Active >= ActiveBefore, Total > TotalBefore ->
    min(1.0, (Active - ActiveBefore) / (Total - TotalBefore));
share({Active, Total}, _Before) ->
    Active / max(1, Total).

summary(Histogram) ->
    case offheap_histogram:count(Histogram) of
        0 ->
            #{count => 0};
        Count ->
            [P50, P99, Max] = offheap_histogram:quantiles(Histogram, [0.5, 0.99, 1.0]),
            #{count => Count, p50 => P50, p99 => P99, max => Max}
    end.

cell(inline) -> 1;
cell(yielding) -> 2;
cell(dirty) -> 3;
cell(port) -> 4.

count(Lane) ->
    #state{counts = Counts} = state(),
    offheap_nif:atomics_add(Counts, cell(Lane), 1).

record(Lane, Native) ->
    #state{latency = #{Lane := Histogram}} = state(),
    offheap_histogram:record(Histogram, erlang:convert_time_unit(Native, native, microsecond)).

%% @private
%% Called as the application starts. What was counted survives its restart.
-spec init() -> ok.
init() ->
    _ = state(),
    ok.

state() ->
    case persistent_term:get(?STATE, undefined) of
        undefined -> new_state();
        State -> State
    end.

%% Without the application the first job comes here; the lock lets one of several make it.
new_state() ->
    global:trans({?STATE, self()},
                 fun() ->
                         case persistent_term:get(?STATE, undefined) of
                             undefined ->
                                 State = make_state(dirty_limit()),
                                 persistent_term:put(?STATE, State),
                                 State;
                             State ->
                                 State
                         end
                 end,
                 [node()]).

make_state(Limit) ->
    #state{counts = offheap_atomics:new(length(?LANES), []),
           limiter = case Limit of
                         0 -> none;
                         _ -> offheap_concurrency_limiter:new(Limit)
                     end,
           limit = Limit,
           latency = maps:from_list([{Lane, offheap_histogram:new([{highest, 3600000000}])}
                                     || Lane <- tl(?LANES)])}.

%% All dirty CPU schedulers but one, which stays for the VM's own.
dirty_limit() ->
    case application:get_env(offheap, dirty_limit) of
        {ok, Limit} when is_integer(Limit), Limit >= 0 -> Limit;
        undefined -> erlang:system_info(dirty_cpu_schedulers_online) - 1
    end.
