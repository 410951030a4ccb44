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
%% <li>A pool lives as long as some process, message or table holds its handle. Buffers and binaries
%%     made from it live on after it.</li>
%% <li>A pool can have a name: {@link start_link/1} starts a process, for a supervisor, that names
%%     the pool and looks once in a while for leases of dead processes. Where a pool is expected,
%%     the name does too. No call goes through that process.</li>
%% </ul>
%%
%% `badarg' is raised for a wrong handle or name, and by {@link offheap_buffer:lease/2} for a pool
%% that was closed.
-module(offheap_pool).

-behaviour(gen_server).

-export([new/0, new/1, info/1, trim/1, sweep/1, close/1]).
-export([start_link/1, child_spec/1, stop/1, get/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
-compile({no_auto_import, [get/1]}).
-export_type([pool/0, handle/0, option/0, start_option/0, info/0]).

-opaque handle() :: reference().
-type pool() :: handle() | Name :: atom().
-type option() ::
        {max_bytes, non_neg_integer() | infinity} |
        {largest, pos_integer()}.
-type start_option() ::
        option() |
        {name, atom()} |
        {sweep_ms, pos_integer() | infinity}.
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
          memory := non_neg_integer(),
          refused := non_neg_integer(),
          reclaimed := non_neg_integer(),
          dropped := non_neg_integer(),
          closed := boolean()}.

-define(MAX_BYTES, 256 * 1024 * 1024).
-define(LARGEST, 1024 * 1024).
-define(SWEEP_MS, 1000).

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
%% </ul>
%%
%% Raises `badarg' for other options or values.
-spec new([option()]) -> handle().
new(Opts) -> new(Opts, ?MAX_BYTES, ?LARGEST).

new([{max_bytes, MaxBytes} | Opts], _, Largest) -> new(Opts, MaxBytes, Largest);
new([{largest, Largest} | Opts], MaxBytes, _) -> new(Opts, MaxBytes, Largest);
new([], MaxBytes, Largest) -> offheap_nif:pool_new(MaxBytes, Largest);
new(_, _, _) -> error(badarg).

%% @doc What the pool holds and has done. Bytes are those of whole blocks.
%%
%% <ul>
%% <li>`leases': leases so far; `recycled': those that took a block that was there.</li>
%% <li>`leased', `leased_bytes': buffers out now, frozen ones included.</li>
%% <li>`frozen', `frozen_bytes': frozen buffers that are not released or whose binaries are referred
%%     to.</li>
%% <li>`cached', `cached_bytes': blocks kept for the next lease.</li>
%% <li>`bytes': all blocks together, what `max_bytes' caps; `memory': that and the pool's own.</li>
%% <li>`refused': leases that ended in `{error, exhausted}'; `reclaimed': leases taken back because
%%     their owner was dead; `dropped': leases that ended because nobody held the buffer any
%%     more.</li>
%% <li>`max_bytes', `largest', `closed'.</li>
%% </ul>
%%
%% Each buffer is looked at atomically; all together they are not one instant. About 5 ns a buffer;
%% on a dirty scheduler from 4096 on.
-spec info(pool()) -> info().
info(Pool) -> offheap_nif:pool_info(get(Pool)).

%% @doc Frees all blocks kept for the next lease; returns how many. Runs on a dirty scheduler.
-spec trim(pool()) -> non_neg_integer().
trim(Pool) -> offheap_nif:pool_trim(get(Pool)).

%% @doc Takes back the leases of dead processes whose buffers others still hold; returns how many.
%% (A dead process's lease that nobody else holds comes back by itself.) On a dirty scheduler from
%% 4096 buffers on.
-spec sweep(pool()) -> non_neg_integer().
sweep(Pool) -> offheap_nif:pool_sweep(get(Pool)).

%% @doc Closes the pool: no more leases, kept blocks are freed. Buffers that are out work on and are
%% freed when they come back. Runs on a dirty scheduler.
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
%% </ul>
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
    {Own, Rest} = lists:partition(fun(Opt) -> lists:member(key(Opt), [name, sweep_ms]) end, Opts),
    Name = proplists:get_value(name, Own),
    SweepMs = proplists:get_value(sweep_ms, Own, ?SWEEP_MS),
    SweepMs =:= infinity orelse (is_integer(SweepMs) andalso SweepMs > 0) orelse error(badarg),
    Handle = new(Rest),
    persistent_term:put({?MODULE, Name}, Handle),
    sweep_later(SweepMs),
    {ok, {Name, Handle, SweepMs}}.

key({Key, _}) -> Key;
key(_) -> undefined.

sweep_later(infinity) -> ok;
sweep_later(SweepMs) -> erlang:send_after(SweepMs, self(), sweep).

%% @private
handle_call(_Request, _From, State) -> {reply, {error, badarg}, State}.

%% @private
handle_cast(_Message, State) -> {noreply, State}.

%% @private
handle_info(sweep, {_, Handle, SweepMs} = State) ->
    offheap_nif:pool_sweep(Handle),
    sweep_later(SweepMs),
    {noreply, State};
handle_info(_Message, State) ->
    {noreply, State}.

%% @private
terminate(_Reason, {Name, Handle, _}) ->
    persistent_term:erase({?MODULE, Name}),
    offheap_nif:pool_close(Handle).
