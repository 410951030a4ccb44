%% @doc Pools of recycled memory blocks, from which buffers are leased ({@link offheap_buffer}).
%%
%% A pool keeps the blocks of released buffers, in size classes a fifth to a quarter apart, and
%% leases them again without asking the system for memory. Leasing and releasing take no lock.
%%
%% <ul>
%% <li>`max_bytes' caps all blocks of the pool together: leased ones, frozen ones whose binaries are
%%     still referred to, and those kept for the next lease. At the cap a lease first frees kept
%%     blocks, then takes back what dead processes have leased; if that is not enough, it returns
%%     `{error, exhausted}' and succeeds again as soon as enough has come back.</li>
%% <li>Blocks larger than `largest' are leased all the same, but freed and not kept when they come
%%     back.</li>
%% <li>A lease may also wait for bytes to come back, by the option `timeout' of
%%     {@link offheap_buffer:lease/3}. Who waits is served in the order of coming; meanwhile others
%%     get only what is left beside all that the waiting want, so that small leases cannot starve a
%%     large one.</li>
%% <li>A pool lives as long as some process, message or table holds its handle. Buffers and binaries
%%     made from it live on after it.</li>
%% <li>A pool can have a name: {@link start_link/1} starts a process, for a supervisor, that names
%%     the pool, looks once in a while for leases of dead processes, frees blocks that were idle
%%     for long, and reports refused leases to `telemetry' where that is there. Where a pool is
%%     expected, the name does too. No call goes through that process.</li>
%% </ul>
%%
%% `badarg' is raised for a wrong handle or name, and by {@link offheap_buffer:lease/2} for a pool
%% that was closed.
-module(offheap_pool).

-behaviour(gen_server).

-export([new/0, new/1, info/1, leases/1, leases/2, leases_by_owner/1, trim/1, trim/2, sweep/1,
         close/1]).
-export([start_link/1, child_spec/1, stop/1, get/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-compile({no_auto_import, [get/1]}).
-export_type([pool/0, handle/0, option/0, start_option/0, info/0, lease/0]).

-opaque handle() :: reference().
-type pool() :: handle() | Name :: atom().
-type option() ::
        {max_bytes, non_neg_integer() | infinity} |
        {largest, pos_integer()} |
        {align, 16 | 64 | 4096} |
        {huge_pages, boolean()} |
        {zero, never | on_lease} |
        {shared, boolean()}.
-type start_option() ::
        option() |
        {name, atom()} |
        {sweep_ms, pos_integer() | infinity} |
        {idle_ms, pos_integer() | infinity}.
-type lease() ::
        #{owner := pid(),
          tag := atom(),
          age_ms := non_neg_integer(),
          bytes := pos_integer(),
          size := non_neg_integer(),
          state := writable | frozen}.
-type info() ::
        #{leases := non_neg_integer(),
          recycled := non_neg_integer(),
          leased := non_neg_integer(),
          leased_bytes := non_neg_integer(),
          frozen := non_neg_integer(),
          frozen_bytes := non_neg_integer(),
          cached := non_neg_integer(),
          cached_bytes := non_neg_integer(),
          bytes := non_neg_integer(),
          max_bytes := non_neg_integer() | infinity,
          largest := pos_integer(),
          align := 16 | 64 | 4096,
          huge_pages := boolean(),
          zero := never | on_lease,
          shared := boolean(),
          memory := non_neg_integer(),
          refused := non_neg_integer(),
          waited := non_neg_integer(),
          waiting := non_neg_integer(),
          reclaimed := non_neg_integer(),
          dropped := non_neg_integer(),
          closed := boolean()}.

-define(MAX_BYTES, 256 * 1024 * 1024).
-define(LARGEST, 1024 * 1024).
-define(ALIGN, 64).
-define(SWEEP_MS, 1000).
-define(IDLE_MS, 60000).

%% @equiv new([])
-spec new() -> handle().
new() -> new([]).

%% @doc Makes a pool. Options:
%%
%% <ul>
%% <li>`{max_bytes, non_neg_integer() | infinity}': cap on the bytes of all blocks; default 256
%%     MiB.</li>
%% <li>`{largest, 64..2^30}': the largest block that is kept, rounded up to a size class; default
%%     1 MiB.</li>
%% <li>`{align, 16 | 64 | 4096}': the address of a buffer's first byte is a multiple of this; default
%%     64. What is split off moves it ({@link offheap_buffer:split_to/2}).</li>
%% <li>`{huge_pages, boolean()}': ask the system for transparent huge pages for blocks of 2 MiB and
%%     more, and put them on their boundary; default `false'. Where the system has none, or its
%%     administrator allows none, such blocks have ordinary pages, and nothing else changes.</li>
%% <li>`{zero, never | on_lease}': `on_lease' clears a block that was used before it is leased again,
%%     and before it is freed, so that no bytes are left behind in memory; a lease of more than 1 MiB
%%     then runs on a dirty scheduler. Default `never': nothing needs it, as bytes beyond a buffer's
%%     size are never shown. Bytes of a block that is kept stay there until it is leased or freed:
%%     {@link trim/1} frees it.</li>
%% <li>`{shared, boolean()}': blocks of 64 KiB and more lie in memory that worker programs can map, so
%%     that {@link offheap_jobs:run/3} and {@link offheap_port_pool:call/4} hand buffers to a worker
%%     without a copy through the pipe; default `false'. Each such block takes a file descriptor, of
%%     which all pools together take a quarter at the most; where there is none left, and on systems
%%     without memory files, blocks are ordinary ones, and bytes go through the pipe. Such blocks
%%     have ordinary pages, whatever `huge_pages' says. A new one costs more than an ordinary one:
%%     set `largest' so that blocks are kept.</li>
%% </ul>
%%
%% Raises `badarg' for other options or values.
-spec new([option()]) -> handle().
new(Opts) ->
    #{max_bytes := MaxBytes, largest := Largest, align := Align, huge_pages := HugePages,
      zero := Zero, shared := Shared} =
        options(Opts, #{max_bytes => ?MAX_BYTES, largest => ?LARGEST, align => ?ALIGN,
                        huge_pages => false, zero => never, shared => false}),
    offheap_nif:pool_new(MaxBytes, Largest, align(Align), HugePages, zero(Zero), Shared).

%% The defaults, with what the options say. Each value is checked where it is used.
options([{Key, Value} | Opts], Defaults) when is_map_key(Key, Defaults) ->
    options(Opts, Defaults#{Key := Value});
options([], Options) ->
    Options;
options(_, _) ->
    error(badarg).

align(Align) when Align =:= 16; Align =:= 64; Align =:= 4096 -> Align;
align(_) -> error(badarg).

zero(never) -> false;
zero(on_lease) -> true;
zero(_) -> error(badarg).

%% @doc What the pool holds and has done. Bytes are those of whole blocks.
%%
%% <ul>
%% <li>`leases': leases so far; `recycled': those that took a block that was there.</li>
%% <li>`leased', `leased_bytes': buffers out now, frozen ones included.</li>
%% <li>`frozen', `frozen_bytes': buffers that are frozen, or whose bytes binaries show: frozen ones
%%     or parts split off. Those that are not released count as leased too.</li>
%% <li>`cached', `cached_bytes': blocks kept for the next lease.</li>
%% <li>`bytes': all blocks together, what `max_bytes' caps; `memory': that and the pool's own.</li>
%% <li>`refused': leases that ended in `{error, exhausted}' or `{error, timeout}'; `waited': leases
%%     that had to wait; `waiting': processes that wait now; `reclaimed': leases taken back because
%%     their owner was dead; `dropped': leases that ended because nobody held the buffer any
%%     more.</li>
%% <li>`max_bytes', `largest', `align', `huge_pages', `zero', `shared', `closed'.</li>
%% </ul>
%%
%% Each buffer is looked at atomically; all together they are not one instant. About 5 ns a buffer;
%% on a dirty scheduler from 4096 on.
-spec info(pool()) -> info().
info(Pool) -> offheap_nif:pool_info(get(Pool)).

%% @equiv leases(Pool, [])
-spec leases(pool()) -> [lease()].
leases(Pool) -> leases(Pool, []).

%% @doc The leases that are out, for finding those that were forgotten:
%%
%% <ul>
%% <li>`owner': the process whose death ends the lease; `tag': the atom given to
%%     {@link offheap_buffer:lease/3}, or `undefined';</li>
%% <li>`age_ms': milliseconds since it began, give or take 10;</li>
%% <li>`bytes': of its block; `size': written in it; `state'.</li>
%% </ul>
%%
%% Option: `{older_than_ms, non_neg_integer()}': only leases of at least this age.
%%
%% In no particular order. Each lease is looked at while it is out; all together they are not one
%% instant. Looks at 512 buffers a call of the library, each of which takes 0.1 ms at the most.
-spec leases(pool(), [{older_than_ms, non_neg_integer()}]) -> [lease()].
leases(Pool, Opts) ->
    #{older_than_ms := OlderThanMs} = options(Opts, #{older_than_ms => 0}),
    leases(get(Pool), 0, OlderThanMs, []).

leases(Handle, From, OlderThanMs, Leases) ->
    case offheap_nif:pool_leases(Handle, From, OlderThanMs, Leases) of
        {done, All} -> All;
        {Next, More} -> leases(Handle, Next, OlderThanMs, More)
    end.

%% @doc The leases that are out, summed up for each owner: how many, their bytes, and the age of the
%% oldest. As {@link leases/2}.
-spec leases_by_owner(pool()) ->
          #{pid() => #{leases := pos_integer(),
                       bytes := pos_integer(),
                       oldest_ms := non_neg_integer()}}.
leases_by_owner(Pool) -> lists:foldl(fun add_lease/2, #{}, leases(Pool)).

add_lease(#{owner := Owner, bytes := Bytes, age_ms := AgeMs}, Owners) ->
    case Owners of
        #{Owner := #{leases := Leases, bytes := Sum, oldest_ms := OldestMs}} ->
            Owners#{Owner := #{leases => Leases + 1, bytes => Sum + Bytes,
                               oldest_ms => max(OldestMs, AgeMs)}};
        #{} ->
            Owners#{Owner => #{leases => 1, bytes => Bytes, oldest_ms => AgeMs}}
    end.

%% @equiv trim(Pool, [])
-spec trim(pool()) -> non_neg_integer().
trim(Pool) -> trim(Pool, []).

%% @doc Frees blocks kept for the next lease, the largest first; returns how many. Options:
%%
%% <ul>
%% <li>`{to_bytes, non_neg_integer()}': only until the pool's blocks, leased ones included, have no
%%     more bytes than this; default 0.</li>
%% <li>`{idle_ms, non_neg_integer()}': only blocks that were not in use during the last so many
%%     milliseconds; default 0. A block was in use when a lease of it began, and when
%%     {@link sweep/1} saw it leased: named pools call that by themselves.</li>
%% </ul>
%%
%% Blocks in all threads' caches are reached. Runs on a dirty scheduler.
-spec trim(pool(), [{to_bytes, non_neg_integer()} | {idle_ms, non_neg_integer()}]) ->
          non_neg_integer().
trim(Pool, Opts) ->
    #{to_bytes := ToBytes, idle_ms := IdleMs} = options(Opts, #{to_bytes => 0, idle_ms => 0}),
    offheap_nif:pool_trim(get(Pool), ToBytes, IdleMs).

%% @doc Takes back the leases of dead processes whose buffers others still hold; returns how many.
%% (A dead process's lease that nobody else holds comes back by itself.) On a dirty scheduler from
%% 4096 buffers on.
-spec sweep(pool()) -> non_neg_integer().
sweep(Pool) -> offheap_nif:pool_sweep(get(Pool)).

%% @doc Closes the pool: no more leases, kept blocks are freed. Buffers that are out work on and are
%% freed when they come back. Leases that wait raise `badarg'. Runs on a dirty scheduler.
-spec close(pool()) -> ok.
close(Pool) -> offheap_nif:pool_close(get(Pool)).

%% @doc The handle of a pool: of a name that {@link start_link/1} gave, or the handle itself. Raises
%% `badarg' for an unknown name.
-spec get(pool()) -> handle().
get(Name) when is_atom(Name) -> persistent_term:get({?MODULE, Name});
get(Handle) -> Handle.

%% @doc Starts a process that makes a pool with the options of {@link new/1} and keeps it under a
%% name. Further options:
%%
%% <ul>
%% <li>`{name, atom()}': the pool's name, and the process's; required.</li>
%% <li>`{sweep_ms, pos_integer() | infinity}': how often {@link sweep/1} is called; default
%%     1000.</li>
%% <li>`{idle_ms, pos_integer() | infinity}': blocks kept for a lease that were not in use for so long
%%     are freed, at each sweep; default 60000.</li>
%% </ul>
%%
%% Where telemetry is ({@link offheap_telemetry}), each sweep after which leases were refused since
%% the last one emits the event `[offheap, pool, refused]': at most one in `sweep_ms', and no cost to
%% those who lease.
%%
%% When the process ends the name is free again and the pool is closed. A name costs each lease
%% about 30 ns; {@link get/1} gives the handle to those who care. Starting and stopping a named pool
%% makes every process look whether it holds the old handle: not something to do often.
-spec start_link([start_option()]) -> {ok, pid()} | {error, term()}.
start_link(Opts) ->
    case lists:keyfind(name, 1, Opts) of
        {name, Name} when is_atom(Name), Name =/= undefined ->
            gen_server:start_link({local, Name}, ?MODULE, Opts, []);
        _ ->
            error(badarg)
    end.

%% @doc A child specification for a supervisor.
-spec child_spec([start_option()]) -> supervisor:child_spec().
child_spec(Opts) ->
    #{id => proplists:get_value(name, Opts, ?MODULE), start => {?MODULE, start_link, [Opts]}}.

%% @doc Ends the process of a named pool.
-spec stop(Name :: atom()) -> ok.
stop(Name) -> gen_server:stop(Name).

%% @private
init(Opts) ->
    process_flag(trap_exit, true),
    Own = [name, sweep_ms, idle_ms],
    {OwnOpts, PoolOpts} = lists:partition(fun(Opt) -> lists:member(key(Opt), Own) end, Opts),
    #{name := Name, sweep_ms := SweepMs, idle_ms := IdleMs} =
        options(OwnOpts, #{name => undefined, sweep_ms => ?SWEEP_MS, idle_ms => ?IDLE_MS}),
    is_period(SweepMs) andalso is_period(IdleMs) orelse error(badarg),
    Handle = new(PoolOpts),
    _ = offheap_telemetry:init(),
    persistent_term:put({?MODULE, Name}, Handle),
    sweep_later(SweepMs),
    {ok, #{name => Name, handle => Handle, sweep_ms => SweepMs, idle_ms => IdleMs, refused => 0}}.

key({Key, _}) -> Key;
key(_) -> undefined.

is_period(Ms) -> Ms =:= infinity orelse (is_integer(Ms) andalso Ms > 0).

sweep_later(infinity) -> ok;
sweep_later(SweepMs) -> erlang:send_after(SweepMs, self(), sweep).

%% @private
handle_call(_Request, _From, State) -> {reply, {error, badarg}, State}.

%% @private
handle_cast(_Message, State) -> {noreply, State}.

%% @private
handle_info(sweep, #{handle := Handle, sweep_ms := SweepMs} = State) ->
    _ = offheap_nif:pool_sweep(Handle),
    trim_idle(State),
    Refused = report_refused(State),
    sweep_later(SweepMs),
    {noreply, State#{refused := Refused}};
handle_info(_Message, State) ->
    {noreply, State}.

trim_idle(#{idle_ms := infinity}) -> 0;
trim_idle(#{handle := Handle, idle_ms := IdleMs}) -> offheap_nif:pool_trim(Handle, 0, IdleMs).

report_refused(#{handle := Handle, refused := Refused} = State) ->
    case offheap_nif:pool_refused(Handle) of
        Refused ->
            Refused;
        Now ->
            emit(Now - Refused, State),
            Now
    end.

emit(Count, #{name := Name, handle := Handle}) ->
    #{bytes := Bytes, max_bytes := MaxBytes, waiting := Waiting} = info(Handle),
    offheap_telemetry:execute([offheap, pool, refused],
                              #{count => Count, bytes => Bytes, waiting => Waiting},
                              #{pool => Name, max_bytes => MaxBytes}).

%% @private
terminate(_Reason, #{name := Name, handle := Handle}) ->
    persistent_term:erase({?MODULE, Name}),
    offheap_nif:pool_close(Handle).
