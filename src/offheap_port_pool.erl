%% @doc A pool of worker programs in C, to which requests are pipelined.
%%
%% A worker is an operating-system process that does jobs one after the other: what it computes holds
%% up no scheduler, and when it crashes nothing else does. A request goes from the caller to the process
%% that owns the least loaded worker, and from there to the worker; no process of the pool's own stands
%% between.
%%
%% <ul>
%% <li>Each request has exactly one outcome. There is no retry unless the request says that it is
%%     idempotent: after `{worker_died, Status}' or `timeout' the job may or may not have been done.</li>
%% <li>A request that is cancelled, whose time is up or whose caller dies is stopped in the worker too. A
%%     job that does not ask whether to go on is killed with its worker after `grace_ms'.</li>
%% <li>What a worker writes to its standard error is logged.</li>
%% <li>A worker has at most `credits' unanswered requests. Beyond that, requests wait in the VM, at most
%%     `max_queue' a worker; then they are refused: `{error, overloaded}'. Requests that wait are dropped
%%     when their caller dies or stops waiting.</li>
%% <li>A worker that dies is restarted, after a growing delay if it keeps dying. Its unanswered requests
%%     get `{error, {worker_died, Status}}', with its exit status: 128 + N after signal N; or `epipe',
%%     `protocol', or `killed' after the grace time.</li>
%% <li>No worker outlives its pool or the VM, whatever it is doing and however the VM ends.</li>
%% </ul>
%%
%% A round trip costs 15 to 70 microseconds, 2 or 3 in a pipeline, and each byte is copied through a pipe
%% (about 2 ns a byte) unless it crosses in shared memory ({@link call/4}). Work of a few microseconds
%% belongs in a NIF.
%%
%% Other reasons for an error: `noproc' (no such pool), `closed' (the pool stopped, or the process that owned
%% the worker is gone), `too_large' (the request exceeds `max_frame'), `unknown_job', `{badarg, Name}' (the
%% job does not take such an argument), `too_deep' (terms nested more than 64 deep), and what the job itself
%% answers, such as `enoent'.
%%
%% The jobs of the worker that comes with Offheap are those of {@link offheap_jobs}.
-module(offheap_port_pool).

-behaviour(supervisor).

-export([start_link/0, start_link/1, child_spec/1, stop/1, default/0]).
-export([call/3, call/4, request/3, request/4, await/1, await/2, cancel/1, info/1]).
-export([max_frame/1, default_executable/0]).
-export([init/1]).
-export_type([pool/0, option/0, options/0, request_option/0, request_options/0, call_options/0, reason/0,
              request_id/0]).

-include("offheap_port.hrl").

-define(DEFAULT, offheap_port_pool).
-define(TIMEOUT_MS, 5000).
-define(MAX_FRAME_MAX, (1 bsl 30)).
%% A binary of so many bytes is copied into its request.
-define(COPIED_BYTES, 1024).

-type pool() :: pid() | atom().
-type option() :: {name, atom()} | {size, 1..1024} | {credits, pos_integer()}
                | {max_queue, non_neg_integer()} | {max_frame, pos_integer()}
                | {max_requests, pos_integer() | infinity} | {grace_ms, timeout()}
                | {memory, pos_integer()} | {cpu, pos_integer()} | {files, pos_integer()}
                | {nice, 0..19} | {sandbox, boolean()} | {shared, boolean()}
                | {executable, file:name_all()} | {args, [string()]}.
-type options() :: [option()] | #{atom() => term()}.
-type request_option() :: {timeout, timeout()} | {idempotent, boolean()}.
-type request_options() :: [request_option()].
-type call_options() :: [request_option() | {into, offheap_buffer:buffer()}].
-type reason() :: overloaded | timeout | cancelled | {worker_died, Status :: 0..255 | atom()} | closed | noproc
                | too_large | unknown_job | {badarg, atom()} | too_deep | bad_frame | atom().
-opaque request_id() :: {reference(), pid()} | {done, {error, reason()}}.

%% @equiv start_link([])
-spec start_link() -> {ok, pid()} | {error, term()}.
start_link() ->
    start_link([]).

%% @doc Starts a pool, linked to the caller.
%%
%% Options, as a list or a map:
%% <ul>
%% <li>`name': registers the pool.</li>
%% <li>`size': workers; default the number of schedulers online.</li>
%% <li>`credits': unanswered requests a worker; default 64.</li>
%% <li>`max_queue': requests that wait in the VM, a worker; default 1024.</li>
%% <li>`max_frame': bytes of the largest request; default 64 MiB, at most 1 GiB.</li>
%% <li>`max_requests': a worker that has been given so many is replaced when it has answered them; default
%%     `infinity'.</li>
%% <li>`grace_ms': how long a worker may go on with a cancelled request before it is killed; default 5000,
%%     or `infinity'.</li>
%% <li>`memory' (bytes), `cpu' (seconds), `files': limits of each worker. What exceeds the first fails with
%%     `enomem'; the second ends the worker (status 137).</li>
%% <li>`nice': 0..19, added to the workers' niceness, so that the VM goes first; default 0.</li>
%% <li>`sandbox': on Linux, takes from the workers the right to start programs, to use the network and to
%%     meddle with other processes or the system; files stay. Default false.</li>
%% <li>`shared': buffers of pools with that option, and large binaries, are handed to the workers in
%%     shared memory, see {@link call/4}; default true. False: all bytes go through the pipes.</li>
%% <li>`executable', `args': another program that speaks the protocol, further arguments for it. The
%%     limits and shared memory are for Offheap's own.</li>
%% </ul>
%% Raises `badarg' for any other option or value.
-spec start_link(options()) -> {ok, pid()} | {error, term()}.
start_link(Options) ->
    Parsed = options(Options),
    case Parsed of
        #{name := Name} -> supervisor:start_link({local, Name}, ?MODULE, Parsed);
        #{} -> supervisor:start_link(?MODULE, Parsed)
    end.

%% @doc A child specification; its id is the pool's name, or this module.
-spec child_spec(options()) -> supervisor:child_spec().
child_spec(Options) ->
    #{id => maps:get(name, to_map(Options), ?MODULE),
      start => {?MODULE, start_link, [Options]},
      type => supervisor}.

%% @doc Stops the pool. Requests without an answer get `{error, closed}'; workers are ended, also in the
%% middle of a job.
-spec stop(pool()) -> ok.
stop(Pool) ->
    gen_server:stop(Pool).

%% @doc The pool that Offheap's own jobs use, named `offheap_port_pool': started now if it is not running,
%% under the offheap application's supervisor, with the options of its environment's `port_pool'.
%%
%% `{error, not_started}' if the offheap application is not running.
-spec default() -> {ok, pool()} | {error, not_started | term()}.
default() ->
    case offheap_port_registry:lookup(?DEFAULT) of
        undefined -> start_default();
        #pool{} -> {ok, ?DEFAULT}
    end.

start_default() ->
    Options = to_map(application:get_env(offheap, port_pool, [])),
    case offheap_sup:ensure_child(child_spec(Options#{name => ?DEFAULT})) of
        ok -> {ok, ?DEFAULT};
        {error, _} = Error -> Error
    end.

%% @equiv call(Pool, Job, Args, 5000)
-spec call(pool(), Job :: atom(), Args :: term()) -> {ok, term()} | {error, reason()}.
call(Pool, Job, Args) ->
    call(Pool, Job, Args, ?TIMEOUT_MS).

%% @doc Has a worker do `Job' and waits for the outcome, at most `Timeout' milliseconds. The pool must be
%% on this node.
%%
%% After `{error, timeout}' no message arrives later, and the worker is told to stop; see `grace_ms'. Instead
%% of a time, options:
%% <ul>
%% <li>`{timeout, Milliseconds | infinity}'; default 5000.</li>
%% <li>`{idempotent, true}': the job may be done twice: if its worker dies, the request goes to the next
%%     one, once.</li>
%% <li>`{into, Buffer}': the bytes that the job gives are appended to the buffer, and the result has their
%%     number instead. `{error, enospc}' if they do not fit.</li>
%% </ul>
%% Where Args or its values are buffers, their bytes are meant. Those of a pool with the option `shared'
%% ({@link offheap_pool:new/1}) are not sent: the worker maps their memory and reads them, or writes
%% its result, in place. Binaries of 64 KiB and more are copied into such memory, at most 64 MiB of them
%% at a time (the offheap application's `port_shared_bytes'; 0 turns it off). What cannot be shared goes
%% through the pipe, which is slower and nothing else: other buffers, and all if the worker cannot open
%% the VM's memory.
%%
%% Until the worker has answered or is dead, also after a timeout, a buffer that it writes is `busy' to
%% all who would extend, freeze or split it; others may read and overwrite what it held before. A release
%% takes effect then. If the process that owns the worker is killed, and its worker may still write,
%% the buffer is released. Binaries never show memory that a worker could write: `freeze' and
%% `slice' of a buffer that had a worker's result copy, whatever its size, in later leases too.
-spec call(pool(), Job :: atom(), Args :: term(), timeout() | call_options()) ->
          {ok, term()} | {error, reason()}.
call(Pool, Job, Args, Options) when is_list(Options) ->
    {Into, Others} = case lists:keytake(into, 1, Options) of
                         {value, {into, Buffer}, Rest} when is_tuple(Buffer) -> {Buffer, Rest};
                         {value, _, _} -> error(badarg);
                         false -> {none, Options}
                     end,
    {Timeout, Retries} = request_options(Others, ?TIMEOUT_MS),
    call(Pool, Job, Args, Into, Timeout, Retries);
call(Pool, Job, Args, Timeout) ->
    call(Pool, Job, Args, none, Timeout, 0).

call(Name, Job, Args, Into, Timeout, Retries) when is_atom(Job) ->
    case offheap_port_registry:lookup(Name) of
        undefined ->
            {error, noproc};
        Pool ->
            case offheap_port_shared:cross(Pool, Args, Into) of
                none -> call_plain(Pool, Job, Args, Into, Timeout, Retries);
                Crossed -> call_shared(Pool, Job, Args, Into, Timeout, Retries, Crossed)
            end
    end;
call(_Name, _Job, _Args, _Into, _Timeout, _Retries) ->
    error(badarg).

call_plain(Pool, Job, Args, Into, Timeout, Retries) ->
    Id = encode(Pool, {Job, offheap_port_shared:plain(Args)}, none, infinity, Retries),
    offheap_port_shared:put_into(Into, await(Id, Timeout)).

%% A worker that cannot map what it is told has not begun: the request goes through the pipe.
call_shared(Pool, Job, Args, Into, Timeout, Retries, {Crossing, Ranges, IntoRange}) ->
    {Request, PipeInto} = case IntoRange of
                              none -> {{Job, Ranges}, Into};
                              _ -> {{Job, IntoRange, Ranges}, none}
                          end,
    Id = encode(Pool, Request, Crossing, infinity, 0),
    case await(Id, Timeout) of
        {error, not_shared} ->
            offheap_port_shared:refused(Pool),
            call_plain(Pool, Job, Args, Into, Timeout, Retries);
        {error, {worker_died, _}} when Retries > 0 ->
            end_if_orphaned(Id, Crossing),
            call_plain(Pool, Job, Args, Into, Timeout, Retries - 1);
        Outcome ->
            end_if_orphaned(Id, Crossing),
            offheap_port_shared:put_into(PipeInto, Outcome)
    end.

%% A worker's owner that is killed leaves the crossing to the garbage collectors, that of this process
%% among them.
end_if_orphaned({done, _}, Crossing) ->
    offheap_nif:crossing_end(Crossing);
end_if_orphaned({_Alias, Owner}, Crossing) ->
    is_process_alive(Owner) orelse offheap_nif:crossing_end(Crossing).

%% @equiv request(Pool, Job, Args, [])
-spec request(pool(), Job :: atom(), Args :: term()) -> request_id().
request(Pool, Job, Args) ->
    send(Pool, Job, Args, infinity, 0).

%% @doc Sends a request and does not wait. The process that sent it, and no other, gets the outcome by
%% {@link await/2} or gives it up by {@link cancel/1}. A request that is refused says so there. If the
%% process dies, the request is cancelled within some tenths of a second.
%%
%% Options are those of {@link call/4}; a timeout counts from now, whether or not somebody awaits.
-spec request(pool(), Job :: atom(), Args :: term(), request_options()) -> request_id().
request(Pool, Job, Args, Options) ->
    case request_options(Options, infinity) of
        {infinity, Retries} ->
            send(Pool, Job, Args, infinity, Retries);
        {Timeout, Retries} ->
            send(Pool, Job, Args, erlang:monotonic_time(millisecond) + Timeout, Retries)
    end.

request_options(Options, Timeout) when is_list(Options) ->
    lists:foldl(fun request_option/2, {Timeout, 0}, Options);
request_options(_, _) ->
    error(badarg).

request_option({timeout, infinity}, {_, Retries}) -> {infinity, Retries};
request_option({timeout, Ms}, {_, Retries}) when is_integer(Ms), Ms >= 0, Ms < 1 bsl 32 -> {Ms, Retries};
request_option({idempotent, true}, {Timeout, _}) -> {Timeout, 1};
request_option({idempotent, false}, {Timeout, _}) -> {Timeout, 0};
request_option(_, _) -> error(badarg).

send(Name, Job, Args, Deadline, Retries) when is_atom(Job) ->
    case offheap_port_registry:lookup(Name) of
        #pool{} = Pool -> encode(Pool, {Job, Args}, none, Deadline, Retries);
        undefined -> {done, {error, noproc}}
    end;
send(_Pool, _Job, _Args, _Deadline, _Retries) ->
    error(badarg).

%% The tuple's head is left off: the owner puts that of {Id, Job, Args} or {Id, Job, Into, Args} in front.
%% Large binaries in Args are not copied, here or on their way to the pipe.
encode(#pool{max_frame = Max} = Pool, Request, Crossing, Deadline, Retries) ->
    Body = body(Request),
    case iolist_size(Body) of
        Bytes when Bytes + 8 =< Max ->
            to_owner(Pool, fun(Alias) ->
                                   #request{caller = self(), alias = Alias, arity = tuple_size(Request) + 1,
                                            crossing = Crossing, body = Body, bytes = Bytes,
                                            deadline = Deadline, retries = Retries}
                           end);
        _ ->
            {done, {error, too_large}}
    end.

%% For what is small anyway, one binary is cheaper than a vector.
body({_Job, Args} = Request) when is_integer(Args); is_binary(Args), byte_size(Args) =< ?COPIED_BYTES ->
    <<131, 104, 2, Body/binary>> = term_to_binary(Request),
    [Body];
body(Request) ->
    [<<131, 104, _Arity, First/binary>> | More] = term_to_iovec(Request),
    [First | More].

to_owner(#pool{table = Table, credits = Credits, max_queue = MaxQueue} = Pool, Request) ->
    {Index, Load} = choose(Pool),
    case Load band (?LOAD_DOWN - 1) < Credits + MaxQueue of
        true ->
            try ets:lookup_element(Table, Index, 2) of
                Owner ->
                    Alias = erlang:alias([reply]),
                    ok = offheap_port_worker:request(Owner, Request(Alias)),
                    {Alias, Owner}
            catch
                error:badarg -> {done, {error, noproc}}
            end;
        false ->
            {done, {error, overloaded}}
    end.

%% The least loaded worker; the search starts at another one each time and ends at the first idle one.
%% The loads are hints: the owner decides.
choose(#pool{size = 1, load = Load}) ->
    {1, offheap_atomics:get(Load, 1)};
choose(#pool{size = Size, load = Load}) ->
    Start = offheap_atomics:add_get(Load, Size + 1, 1) rem Size,
    choose(Load, Size, Start, Size, 0, 1 bsl 62).

choose(_Load, _Size, _At, 0, Best, Least) ->
    {Best, Least};
choose(Load, Size, At, Left, Best, Least) ->
    case offheap_atomics:get(Load, At + 1) of
        0 -> {At + 1, 0};
        N when N < Least -> choose(Load, Size, (At + 1) rem Size, Left - 1, At + 1, N);
        _ -> choose(Load, Size, (At + 1) rem Size, Left - 1, Best, Least)
    end.

%% @equiv await(RequestId, 5000)
-spec await(request_id()) -> {ok, term()} | {error, reason()}.
await(RequestId) ->
    await(RequestId, ?TIMEOUT_MS).

%% @doc The outcome of a request, once. After `{error, timeout}' it has none any more.
-spec await(request_id(), timeout()) -> {ok, term()} | {error, reason()}.
await({done, Outcome}, _Timeout) ->
    Outcome;
await({Alias, Owner}, Timeout) ->
    receive
        {Alias, Outcome} -> Outcome
    after 0 ->
        await_owner(Alias, Owner, Timeout)
    end.

%% The owner is monitored only by who has to wait: of a pipeline few have to, and a monitor costs both
%% processes more than the rest of the way.
await_owner(Alias, Owner, Timeout) ->
    Monitor = erlang:monitor(process, Owner),
    receive
        {Alias, Outcome} ->
            erlang:demonitor(Monitor, [flush]),
            Outcome;
        {'DOWN', Monitor, process, _, Reason} ->
            orphaned(Alias, {error, down(Reason)})
    after Timeout ->
        erlang:demonitor(Monitor, [flush]),
        give_up(Alias, Owner)
    end.

%% The owner is gone: what it answered before has come.
orphaned(Alias, Outcome) ->
    _ = erlang:unalias(Alias),
    receive {Alias, Answer} -> Answer after 0 -> Outcome end.

%% @doc Gives up a request: no message of it arrives, or stays. If it still waited, it is not done; if it
%% is being done, the worker is told to stop, and killed if it has not after the pool's `grace_ms'.
-spec cancel(request_id()) -> ok.
cancel({done, _}) ->
    ok;
cancel({Alias, Owner}) ->
    _ = give_up(Alias, Owner),
    ok.

%% What has not arrived when the alias is taken back never does.
give_up(Alias, Owner) ->
    _ = erlang:unalias(Alias),
    receive
        {Alias, Outcome} -> Outcome
    after 0 ->
        ok = offheap_port_worker:cancel(Owner, Alias),
        {error, timeout}
    end.

down(Reason) when Reason =:= normal; Reason =:= shutdown; Reason =:= noproc -> closed;
down({shutdown, _}) -> closed;
down(Reason) -> {worker_died, reason(Reason)}.

reason(Reason) when is_atom(Reason) -> Reason;
reason(_) -> owner_crashed.

%% @doc The pool's limits, and for each worker its process id in the operating system (`undefined' between
%% death and restart), its requests in flight and waiting, and how often it was restarted
%% and replaced after `max_requests'.
-spec info(pool()) -> {error, noproc} |
          #{size := pos_integer(), credits := pos_integer(), max_queue := non_neg_integer(),
            max_frame := pos_integer(),
            workers := [#{os_pid := pos_integer() | undefined, in_flight := non_neg_integer(),
                          waiting := non_neg_integer(), restarts := non_neg_integer(),
                          recycled := non_neg_integer()}]}.
info(Name) ->
    case offheap_port_registry:lookup(Name) of
        #pool{table = Table} = Pool ->
            Owners = try lists:sort(ets:tab2list(Table)) catch error:badarg -> [] end,
            Infos = [offheap_port_worker:info(Owner, ?TIMEOUT_MS) || {_, Owner} <- Owners],
            #{size => Pool#pool.size, credits => Pool#pool.credits,
              max_queue => Pool#pool.max_queue, max_frame => Pool#pool.max_frame,
              workers => [Info || Info <- Infos, Info =/= undefined]};
        undefined ->
            {error, noproc}
    end.

%% @private
%% Bytes of the largest request; 0 if there is no such pool.
-spec max_frame(pool()) -> non_neg_integer().
max_frame(Name) ->
    case offheap_port_registry:lookup(Name) of
        #pool{max_frame = Max} -> Max;
        undefined -> 0
    end.

%% --- The supervisor ---

%% @private
init(#{size := Size} = Options) ->
    %% An upgrade of this module calls init again, in the same process: the pool stays what it is.
    Pool = case offheap_port_registry:lookup(self()) of
               undefined -> new_pool(Options);
               Running -> Running
           end,
    Names = [self() | [Name || #{name := Name} <- [Options]]],
    Registry = #{id => registry, start => {offheap_port_registry, start_link, [Names, Pool]}},
    Workers = [#{id => Index, start => {offheap_port_worker, start_link, [Pool, Index]}}
               || Index <- lists:seq(1, Size)],
    {ok, {#{strategy => one_for_one, intensity => 10, period => 10}, [Registry | Workers]}}.

new_pool(#{size := Size, credits := Credits, max_queue := MaxQueue, max_frame := MaxFrame,
           max_requests := MaxRequests, grace_ms := Grace, executable := Executable,
           args := Args} = Options) ->
    Shared = shares(Options),
    #pool{table = ets:new(?MODULE, [public, {read_concurrency, true}]),
          load = offheap_atomics:new(Size + 2, []),
          size = Size,
          credits = Credits,
          max_queue = MaxQueue,
          max_frame = MaxFrame,
          max_requests = MaxRequests,
          grace_ms = Grace,
          own = Executable =:= own,
          executable = case Executable of
                           own -> default_executable();
                           Path -> Path
                       end,
          args = ["--max-frame", integer_to_list(MaxFrame) | limits(Executable, Options) ++ Args],
          shared = Shared}.

limits(own, Options) ->
    lists:append([["--" ++ atom_to_list(Name), integer_to_list(Value)]
                  || {Name, Value} <- maps:to_list(Options),
                     lists:member(Name, [memory, cpu, files, nice])])
        ++ ["--sandbox" || #{sandbox := true} <- [Options]]
        ++ [Arg || shares(Options), Arg <- ["--shared", os:getpid()]];
limits(_, _) ->
    [].

shares(#{shared := Shared, executable := own}) -> Shared andalso offheap_nif:shared_is_supported();
shares(_) -> false.

%% --- Options ---

to_map(Options) when is_map(Options) -> Options;
to_map(Options) when is_list(Options) ->
    try maps:from_list(Options) catch error:_ -> error(badarg) end;
to_map(_) -> error(badarg).

options(Options) ->
    Given = to_map(Options),
    Defaults = #{size => erlang:system_info(schedulers_online), credits => 64, max_queue => 1024,
                 max_frame => 64 * 1024 * 1024, max_requests => infinity, grace_ms => 5000, args => [],
                 shared => true},
    All = maps:merge(Defaults, Given),
    lists:all(fun valid/1, maps:to_list(All)) orelse error(badarg),
    case All of
        #{executable := Path} -> All#{executable := path(Path)};
        #{} -> All#{executable => own}
    end.

valid({name, Name}) -> is_atom(Name) andalso Name =/= undefined;
valid({size, N}) -> is_integer(N) andalso N >= 1 andalso N =< 1024;
valid({credits, N}) -> is_integer(N) andalso N >= 1;
valid({max_queue, N}) -> is_integer(N) andalso N >= 0;
valid({max_frame, N}) -> is_integer(N) andalso N >= 64 andalso N =< ?MAX_FRAME_MAX;
valid({max_requests, N}) -> N =:= infinity orelse is_integer(N) andalso N >= 1;
valid({grace_ms, N}) -> N =:= infinity orelse is_integer(N) andalso N >= 0 andalso N < 1 bsl 32;
valid({Limit, N}) when Limit =:= memory; Limit =:= cpu; Limit =:= files ->
    is_integer(N) andalso N >= 1 andalso N < 1 bsl 63;
valid({nice, N}) -> is_integer(N) andalso N >= 0 andalso N =< 19;
valid({sandbox, Sandbox}) -> is_boolean(Sandbox);
valid({shared, Shared}) -> is_boolean(Shared);
valid({executable, Path}) -> is_list(Path) orelse is_binary(Path);
valid({args, Args}) -> is_list(Args) andalso lists:all(fun(A) -> is_list(A) orelse is_binary(A) end, Args);
valid(_) -> false.

path(Path) when is_binary(Path) -> unicode:characters_to_list(Path);
path(Path) -> Path.

%% @private
%% Beside the NIF library.
-spec default_executable() -> file:filename().
default_executable() ->
    filename:join(filename:dirname(offheap_nif:library_path()), "offheap_port").
