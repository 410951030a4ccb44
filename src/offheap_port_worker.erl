%% The owner of one worker program: one process between callers and a port.
%%
%% Callers send requests straight here and wait on an alias, and on a monitor of this process; so each
%% request has exactly one outcome whatever dies: the reply that this process sends to the alias (which
%% ends it), or the monitor's 'DOWN'. A caller that stopped waiting took the alias back; what is sent to
%% it then goes nowhere.
%%
%%   requests -> in_flight (at most `credits', their bytes on the way to the worker)
%%            -> waiting   (at most `max_queue'; dropped when the caller dies or gives up)
%%            -> {error, overloaded}
%%
%% The process takes what its mailbox holds before it writes, so that a burst becomes one frame, one
%% system call. It never waits for the port: a busy port refuses the frame (`nosuspend'), which is kept.
%% A port is busy only while bytes of earlier requests have not reached the worker; these requests are in
%% flight, so a reply or the worker's death will come, and each of them makes this process try again. (A
%% short timeout stands behind this argument.)
%% @private
-module(offheap_port_worker).

-export([start_link/2, request/2, cancel/2, info/2]).
-export([init/3, system_continue/3, system_terminate/4, system_code_change/4, system_get_state/1]).

-include("offheap_port.hrl").

%% A frame takes requests up to this many bytes; a larger request has a frame of its own.
-define(FRAME_BYTES, 65536).
%% Messages taken before replies and requests are passed on.
-define(BATCH, 128).
%% From this size on, the reference to a request or reply is dropped at once.
-define(LARGE_BYTES, 1048576).
%% Request ids: ei writes all of these as INTEGER_EXT.
-define(FIRST_ID, 256).
-define(LAST_ID, 134217727).
-define(DELAY_MIN_MS, 10).
-define(DELAY_MAX_MS, 5000).
-define(BUSY_RETRY_MS, 10).
%% How often requests that stay in flight are looked at: is their caller alive?
-define(LOOK_MS, 100).
%% How long the end of a worker that was killed is waited for.
-define(END_MS, 2000).
%% Lines of a worker's standard error that are logged at a time; more are counted.
-define(LINES, 100).

%% In flight.
-record(flight, {request :: #request{},
                 looked = false :: boolean(),     % it was there when callers were looked at
                 cancelled = false :: boolean()}).

-record(state,
        {parent :: pid(),
         index :: pos_integer(),
         pool :: #pool{},
         port :: port() | undefined,       % undefined: between death and restart
         process :: reference() | undefined, % for killing it
         next_id = ?FIRST_ID :: pos_integer(),
         in_flight = #{} :: #{pos_integer() => #flight{}},
         looking = false :: boolean(),     % a look at callers is due
         waiting = #{} :: #{reference() => {#request{}, reference()}}, % by alias; the caller's monitor
         callers = #{} :: #{reference() => reference()}, % monitor of a waiting caller -> alias
         order = queue:new() :: queue:queue(reference()), % aliases; those not in waiting are skipped
         places = 0 :: non_neg_integer(),  % length of order
         batch = [] :: iolist(),           % the frame being collected, newest first
         batch_bytes = 0 :: non_neg_integer(),
         frames = queue:new() :: queue:queue({iolist(), non_neg_integer()}), % refused by a busy port
         delay_ms = 0 :: non_neg_integer(), % before the next restart
         served = 0 :: non_neg_integer(),   % requests that this worker was given
         restarts = 0 :: non_neg_integer(),
         recycled = 0 :: non_neg_integer(),
         stderr :: {reference(), string()} | undefined, % a pipe, and its path for the worker
         line = <<>> :: binary(),           % of the standard error, not yet ended
         load = -1 :: integer()}).          % as published

-spec start_link(#pool{}, pos_integer()) -> {ok, pid()} | {error, term()}.
start_link(Pool, Index) ->
    proc_lib:start_link(?MODULE, init, [self(), Pool, Index]).

-spec request(pid(), #request{}) -> ok.
request(Owner, Request) ->
    Owner ! {oh_request, Request},
    ok.

%% The caller has stopped waiting.
-spec cancel(pid(), reference()) -> ok.
cancel(Owner, Alias) ->
    Owner ! {oh_cancel, Alias},
    ok.

-spec info(pid(), timeout()) -> map() | undefined.
info(Owner, Timeout) ->
    Ref = erlang:monitor(process, Owner, [{alias, reply_demonitor}]),
    Owner ! {oh_info, Ref},
    receive
        {Ref, Info} -> Info;
        {'DOWN', Ref, process, _, _} -> undefined
    after Timeout ->
        erlang:demonitor(Ref, [flush]),
        receive {Ref, Info} -> Info after 0 -> undefined end
    end.

init(Parent, Pool, Index) ->
    process_flag(trap_exit, true),
    offheap_sup:label({?MODULE, Index}),
    S0 = #state{parent = Parent, index = Index, pool = Pool, stderr = open_stderr(Pool)},
    try open(S0) of
        S ->
            offheap_port_registry:enter(Pool, Index, self()),
            proc_lib:init_ack(Parent, {ok, self()}),
            loop(publish(S))
    catch
        error:Reason ->
            proc_lib:init_ack(Parent, {error, {Reason, Pool#pool.executable}})
    end.

%% --- The loop: wait, take what is there, pass it on ---

loop(#state{frames = Frames} = S) ->
    Timeout = case queue:is_empty(Frames) of
                  true -> infinity;
                  false -> ?BUSY_RETRY_MS
              end,
    receive
        {system, From, Request} -> system(From, Request, S);
        Message -> drain(?BATCH, handle(Message, S))
    after Timeout ->
        pass_on(S)
    end.

drain(0, S) ->
    pass_on(S);
drain(N, S) ->
    receive
        {system, From, Request} -> system(From, Request, S);
        Message -> drain(N - 1, handle(Message, S))
    after 0 ->
        pass_on(S)
    end.

system(From, Request, #state{parent = Parent} = S) ->
    sys:handle_system_msg(Request, From, Parent, ?MODULE, [], S).

pass_on(S) ->
    loop(publish(look_later(send_frames(close_batch(admit(S)))))).

handle({oh_request, Request}, S) ->
    request_in(Request, S);
handle({Port, {data, Data}}, #state{port = Port} = S) ->
    replies(Data, S);
handle({oh_cancel, Alias}, S) ->
    cancel_in(Alias, S);
handle({'DOWN', Monitor, process, _, _}, #state{callers = Callers} = S) ->
    case Callers of
        #{Monitor := Alias} -> drop(Alias, S);
        #{} -> S
    end;
handle({Port, {exit_status, Status}}, #state{port = Port} = S) ->
    died(Status, S);
handle({'EXIT', Port, Reason}, #state{port = Port} = S) ->
    %% A write met a closed pipe: the port went before an exit status could come, or the program closed
    %% the pipe and lives on.
    kill(S),
    died(Reason, S);
handle({timeout, _, look}, S) ->
    look(S#state{looking = false});
handle({timeout, _, {deadline, Alias}}, S) ->
    expired(Alias, S);
handle({timeout, _, {grace, Port, Id}}, #state{port = Port} = S) ->
    grace_is_over(Id, S);
handle({timeout, _, restart}, #state{port = undefined} = S) ->
    restart(S);
handle({select, Pipe, undefined, ready_input}, #state{stderr = {Pipe, _}} = S) ->
    log_stderr(S);
handle({'EXIT', Parent, Reason}, #state{parent = Parent} = S) ->
    terminate(Reason, S);
handle({oh_info, Alias}, S) ->
    Alias ! {Alias, describe(S)},
    S;
handle(_Late, S) ->
    %% From a port that was replaced, or from nobody that is known.
    S.

%% --- Requests ---

request_in(#request{alias = Alias} = Request, #state{waiting = Waiting, pool = Pool} = S) ->
    case has_credit(S) andalso map_size(Waiting) =:= 0 of
        true ->
            start_deadline(Request),
            assign(Request, S);
        false when map_size(Waiting) < Pool#pool.max_queue ->
            start_deadline(Request),
            wait(Request, queue:in(Alias, S#state.order), S);
        false ->
            end_crossing(Request),
            reply(Alias, {error, overloaded}),
            S
    end.

start_deadline(#request{deadline = infinity}) ->
    ok;
start_deadline(#request{deadline = Deadline, alias = Alias}) ->
    _ = erlang:start_timer(Deadline, self(), {deadline, Alias}, [{abs, true}]),
    ok.

wait(#request{caller = Pid, alias = Alias} = Request, Order, S) ->
    Monitor = erlang:monitor(process, Pid),
    S#state{waiting = (S#state.waiting)#{Alias => {Request, Monitor}},
            callers = (S#state.callers)#{Monitor => Alias},
            order = Order,
            places = S#state.places + 1}.

%% A worker that has had its share gets no more, and is replaced when it has answered all.
has_credit(#state{port = undefined}) -> false;
has_credit(#state{served = Served, pool = #pool{max_requests = Max}}) when Served >= Max -> false;
has_credit(#state{in_flight = InFlight, pool = #pool{credits = Credits}}) ->
    map_size(InFlight) < Credits.

%% Waiting requests for which there is a credit.
admit(#state{waiting = Waiting, order = Order} = S) when map_size(Waiting) > 0 ->
    case has_credit(S) of
        true ->
            {{value, Alias}, Rest} = queue:out(Order),
            Out = S#state{order = Rest, places = S#state.places - 1},
            case Waiting of
                #{Alias := {Request, _}} -> admit(assign(Request, forget(Alias, Out)));
                #{} -> admit(Out)
            end;
        false ->
            S
    end;
admit(S) ->
    S.

%% Takes a request out of those waiting, if it is there. Its place in the order stays behind; the
%% places are swept when most of them are empty, so that they cannot pile up behind a stuck worker.
forget(Alias, #state{waiting = Waiting, callers = Callers} = S) ->
    case maps:take(Alias, Waiting) of
        {{_, Monitor}, Rest} ->
            erlang:demonitor(Monitor, [flush]),
            sweep(S#state{waiting = Rest, callers = maps:remove(Monitor, Callers)});
        error ->
            S
    end.

%% The same for good.
drop(Alias, #state{waiting = Waiting} = S) ->
    case Waiting of
        #{Alias := {Request, _}} -> end_crossing(Request);
        #{} -> ok
    end,
    forget(Alias, S).

sweep(#state{waiting = Waiting, places = Places, order = Order} = S)
  when Places > 2 * map_size(Waiting) + 64 ->
    S#state{order = queue:filter(fun(Alias) -> is_map_key(Alias, Waiting) end, Order),
            places = map_size(Waiting)};
sweep(S) ->
    S.

assign(#request{arity = Arity, body = Body, bytes = Bytes, retries = Retries, crossing = Crossing} = Request,
       #state{next_id = Id, in_flight = InFlight, process = Process} = S0) ->
    _ = Crossing =:= none orelse Process =:= undefined
        orelse offheap_nif:crossing_sent(Crossing, Process),
    Kept = case Retries of
               0 -> Request#request{body = sent};
               _ -> Request
           end,
    S = S0#state{next_id = next_id(Id, InFlight), served = S0#state.served + 1,
                 in_flight = InFlight#{Id => #flight{request = Kept}}},
    %% VERSION, SMALL_TUPLE, INTEGER, then the job and the arguments.
    add([<<131, 104, Arity, 98, Id:32>> | Body], Bytes + 8, S).

%% --- Requests that nobody waits for any more ---

cancel_in(Alias, #state{waiting = Waiting} = S) when is_map_key(Alias, Waiting) ->
    drop(Alias, S);
cancel_in(Alias, #state{in_flight = InFlight} = S) ->
    case [Id || {Id, #flight{request = #request{alias = A}}} <- maps:to_list(InFlight), A =:= Alias] of
        [Id] -> cancel_flight(Id, S);
        [] -> S
    end.

%% The time is up: the outcome, now, whatever the worker says later.
expired(Alias, #state{waiting = Waiting} = S) ->
    reply(Alias, {error, timeout}),
    case is_map_key(Alias, Waiting) of
        true -> drop(Alias, S);
        false -> cancel_in(Alias, S)
    end.

%% The worker is told in a frame of its own, which it finds also while it works. If it has not answered
%% after the grace time, it is killed. A program that is not Offheap's own is told nothing: it answers
%% sometime, for nobody.
cancel_flight(Id, #state{in_flight = InFlight, pool = #pool{own = true, grace_ms = Grace}} = S) ->
    case InFlight of
        #{Id := #flight{cancelled = false} = Flight} ->
            _ = Grace =:= infinity
                orelse erlang:start_timer(Grace, self(), {grace, S#state.port, Id}),
            Cancel = term_to_binary({cancel, Id}),
            Out = close_batch(S),
            Out#state{in_flight = InFlight#{Id := Flight#flight{cancelled = true}},
                      frames = queue:in({Cancel, byte_size(Cancel)}, Out#state.frames)};
        #{} ->
            S
    end;
cancel_flight(_Id, S) ->
    S.

grace_is_over(Id, #state{in_flight = InFlight} = S) when is_map_key(Id, InFlight) ->
    kill(S),
    died(killed, S);
grace_is_over(_Id, S) ->
    S.

%% A caller may die while its request is in flight. Those of short requests are never asked: only what is
%% in flight at two looks has its caller looked at.
look_later(#state{looking = false, in_flight = InFlight} = S) when map_size(InFlight) > 0 ->
    _ = erlang:start_timer(?LOOK_MS, self(), look),
    S#state{looking = true};
look_later(S) ->
    S.

look(#state{in_flight = InFlight} = S) ->
    Gone = [Id || {Id, #flight{looked = true, cancelled = false, request = #request{caller = Pid}}}
                      <- maps:to_list(InFlight), not is_process_alive(Pid)],
    Looked = maps:map(fun(_, Flight) -> Flight#flight{looked = true} end, InFlight),
    lists:foldl(fun cancel_flight/2, S#state{in_flight = Looked}, Gone).

next_id(Id, _) when Id < ?LAST_ID -> Id + 1;
next_id(_, _) -> ?FIRST_ID.

add(Term, Bytes, #state{batch = Batch, batch_bytes = Sum, pool = Pool} = S)
  when Sum + Bytes =< ?FRAME_BYTES, Sum + Bytes =< Pool#pool.max_frame ->
    S#state{batch = [Batch | Term], batch_bytes = Sum + Bytes};
add(Term, Bytes, S) ->
    (close_batch(S))#state{batch = Term, batch_bytes = Bytes}.

close_batch(#state{batch_bytes = 0} = S) ->
    S;
close_batch(#state{batch = Batch, batch_bytes = Bytes, frames = Frames} = S) ->
    S#state{batch = [], batch_bytes = 0, frames = queue:in({Batch, Bytes}, Frames)}.

send_frames(#state{port = undefined} = S) ->
    S;
send_frames(#state{port = Port, frames = Frames} = S) ->
    case queue:peek(Frames) of
        empty ->
            S;
        {value, {Frame, Bytes}} ->
            %% A closed port raises badarg; its exit status or 'EXIT' is in the mailbox.
            case catch port_command(Port, Frame, [nosuspend]) of
                true ->
                    Sent = S#state{frames = queue:drop(Frames)},
                    send_frames(drop_references(Bytes, Sent));
                _ ->
                    S
            end
    end.

%% --- Replies ---

%% A frame holds one or more terms. A large binary is not copied out of its frame, which holds little
%% else.
replies(<<131, 104, 3, 98, Id:32, Rest/binary>> = Data, S) when byte_size(Data) > ?FRAME_BYTES ->
    case large(Rest) of
        {ok, Binary} -> drop_references(byte_size(Data), answer(Id, {ok, Binary}, S));
        error -> terms(Data, S)
    end;
replies(Data, S) ->
    terms(Data, S).

large(<<119, 2, "ok", 109, Size:32, Binary:Size/binary>>) -> {ok, Binary};
large(<<100, 2:16, "ok", 109, Size:32, Binary:Size/binary>>) -> {ok, Binary};
large(_) -> error.

%% {Id, ok, Binary}, the most frequent, is taken without binary_to_term, which looks its atom up in a table
%% that all schedulers lock. A copy: it must not hold its whole frame.
terms(<<131, 104, 3, 98, Id:32, 119, 2, "ok", 109, Size:32, Binary:Size/binary, Rest/binary>>, S) ->
    rest(Rest, answer(Id, {ok, binary:copy(Binary)}, S));
terms(<<131, 104, 3, 98, Id:32, 100, 2:16, "ok", 109, Size:32, Binary:Size/binary, Rest/binary>>, S) ->
    rest(Rest, answer(Id, {ok, binary:copy(Binary)}, S));
terms(<<>>, S) ->
    S;
terms(Data, S) ->
    try binary_to_term(Data, [used]) of
        {{Id, ok, Result}, Used} ->
            next_term(Data, Used, answer(Id, {ok, Result}, S));
        {{Id, into, Bytes, Result}, Used} ->
            next_term(Data, Used, answer(Id, {ok, Result}, Bytes, S));
        {{Id, error, bad_frame}, _Used} ->
            %% It dropped what came after, and nobody knows what that was.
            protocol_error(answer(Id, {error, bad_frame}, S));
        {{Id, error, Reason}, Used} ->
            next_term(Data, Used, answer(Id, {error, Reason}, S));
        _ ->
            protocol_error(S)
    catch
        error:badarg -> protocol_error(S)
    end.

next_term(Data, Used, S) ->
    <<_:Used/binary, Rest/binary>> = Data,
    rest(Rest, S).

%% Unless the worker was given up.
rest(_Rest, #state{port = undefined} = S) -> S;
rest(Rest, S) -> terms(Rest, S).

answer(Id, Outcome, S) ->
    answer(Id, Outcome, 0, S).

%% Into: bytes that the worker says it put into the buffer for the result.
answer(Id, Outcome, Into, #state{in_flight = InFlight} = S) ->
    case InFlight of
        #{Id := #flight{request = #request{alias = Alias, crossing = Crossing}}} ->
            case crossed(Crossing, Into) of
                true ->
                    reply(Alias, Outcome),
                    recycle(S#state{in_flight = maps:remove(Id, InFlight), delay_ms = 0});
                false ->
                    protocol_error(S)
            end;
        #{} ->
            protocol_error(S)
    end.

%% The worker has answered and writes no more: its buffers are given back, before the caller knows.
crossed(none, Into) -> Into =:= 0;
crossed(Crossing, Into) -> offheap_nif:crossing_replied(Crossing, Into).

%% There will be no answer.
end_crossing(#request{crossing = none}) -> ok;
end_crossing(#request{crossing = Crossing}) -> offheap_nif:crossing_end(Crossing).

%% The same for all that are in flight, whose worker is dead or was killed: once it has ended for
%% certain, so that their buffers may be used again.
end_crossings(#state{in_flight = InFlight, process = Process}) ->
    case [Request || #flight{request = #request{crossing = C} = Request} <- maps:values(InFlight), C =/= none] of
        [] ->
            ok;
        Requests ->
            _ = Process =:= undefined orelse
                begin
                    offheap_nif:process_kill(Process),
                    offheap_nif:process_await(Process, ?END_MS)
                end,
            lists:foreach(fun end_crossing/1, Requests)
    end.

%% A worker that has had its share and answered all is replaced.
recycle(#state{served = Served, in_flight = InFlight, port = Port, pool = #pool{max_requests = Max}} = S)
  when Served >= Max, map_size(InFlight) =:= 0, Port =/= undefined ->
    kill(S),
    restart((down(S))#state{recycled = S#state.recycled + 1});
recycle(S) ->
    S.

reply(Alias, Outcome) ->
    Alias ! {Alias, Outcome}.

%% The worker answers what was not asked, or sends what is no reply: it cannot be trusted to answer the
%% rest.
protocol_error(#state{port = undefined} = S) ->
    S;
protocol_error(S) ->
    kill(S),
    died(protocol, S).

%% --- Life and death of the program ---

open(#state{pool = #pool{executable = Executable, args = Args, own = Own}, stderr = Stderr} = S) ->
    Further = case Own of
                  true -> lists:append([["--load", Path] || Path <- offheap_jobs:libraries()]);
                  false -> []
              end,
    Errors = case Stderr of
                 {_, Path} -> ["--stderr", Path];
                 undefined -> []
             end,
    Port = open_port({spawn_executable, Executable},
                     [{packet, 4}, binary, exit_status, use_stdio, hide,
                      {args, Args ++ Errors ++ Further}]),
    Process = case erlang:port_info(Port, os_pid) of
                  {os_pid, OsPid} -> offheap_nif:process_open(OsPid);
                  undefined -> undefined
              end,
    S#state{port = Port, process = Process, served = 0}.

down(S) ->
    S#state{port = undefined, process = undefined, in_flight = #{}, batch = [], batch_bytes = 0,
            frames = queue:new()}.

%% Requests in flight end here, once each: nobody knows how far the worker came; but those that may be
%% done twice go to the next one, before those that wait. If the worker died with nothing to do, it is the
%% program that fails, and the waiting must not wait for it for ever.
died(Status, #state{in_flight = InFlight, delay_ms = Delay} = S0) ->
    Outcome = {error, {worker_died, Status}},
    end_crossings(S0),
    Flights = [Flight || {_, Flight} <- lists:sort(maps:to_list(InFlight))],
    {Again, Ended} = lists:partition(fun is_to_retry/1, Flights),
    _ = [reply(Alias, Outcome) || #flight{request = #request{alias = Alias}} <- Ended],
    S1 = (down(S0))#state{restarts = S0#state.restarts + 1},
    S = case map_size(InFlight) of
            0 -> fail_waiting(Outcome, S1);
            _ -> lists:foldr(fun retry/2, S1, Again)
        end,
    offheap_port_log:died(S#state.parent, S#state.index, Status, map_size(InFlight)),
    case Delay of
        0 -> restart(S);
        _ -> restart_later(S)
    end.

is_to_retry(#flight{cancelled = Cancelled, request = #request{retries = Retries}}) ->
    Retries > 0 andalso not Cancelled.

retry(#flight{request = #request{alias = Alias, retries = Retries} = Request}, S) ->
    wait(Request#request{retries = Retries - 1}, queue:in_r(Alias, S#state.order), S).

fail_waiting(Outcome, #state{waiting = Waiting} = S) ->
    _ = [end_crossing(Request) || {Request, _} <- maps:values(Waiting)],
    _ = [reply(Alias, Outcome) || Alias <- maps:keys(Waiting)],
    _ = [erlang:demonitor(Monitor, [flush]) || {_, Monitor} <- maps:values(Waiting)],
    S#state{waiting = #{}, callers = #{}, order = queue:new(), places = 0}.

%% At once the first time; then, until a worker has answered something, after a delay that doubles.
restart(#state{delay_ms = Delay} = S) ->
    %% A process that makes little garbage collects rarely: the last worker's handle is a descriptor.
    erlang:garbage_collect(),
    try
        (open(S))#state{delay_ms = max(Delay, ?DELAY_MIN_MS)}
    catch
        error:Reason ->
            offheap_port_log:not_started(S#state.parent, S#state.index,
                                         (S#state.pool)#pool.executable, Reason),
            restart_later(fail_waiting({error, {worker_died, Reason}},
                                       S#state{delay_ms = max(Delay, ?DELAY_MIN_MS)}))
    end.

restart_later(#state{delay_ms = Delay} = S) ->
    _ = erlang:start_timer(Delay, self(), restart),
    S#state{delay_ms = min(2 * Delay, ?DELAY_MAX_MS)}.

-spec terminate(term(), #state{}) -> no_return().
terminate(Reason, #state{port = Port, waiting = Waiting} = S) ->
    Port =:= undefined orelse kill(S),
    end_crossings(S),
    _ = [end_crossing(Request) || {Request, _} <- maps:values(Waiting)],
    exit(Reason).

%% The hang-up of its stdin ends the worker, also in the middle of a job; the signal, also one that is
%% stopped, or another program that does not care.
kill(#state{port = Port, process = Process}) ->
    close(Port),
    Process =:= undefined orelse offheap_nif:process_kill(Process),
    ok.

close(Port) ->
    catch port_close(Port),
    receive {'EXIT', Port, _} -> ok after 0 -> ok end.

%% --- The rest ---

publish(#state{port = Port, in_flight = InFlight, waiting = Waiting, load = Published} = S) ->
    Pending = map_size(InFlight) + map_size(Waiting),
    Load = case Port of
               undefined -> Pending + ?LOAD_DOWN;
               _ -> Pending
           end,
    case Load of
        Published ->
            S;
        _ ->
            offheap_atomics:put((S#state.pool)#pool.load, S#state.index, Load),
            S#state{load = Load}
    end.

%% --- The worker's standard error ---

open_stderr(#pool{own = true}) ->
    case offheap_nif:pipe_open() of
        {ok, Pipe, Path} ->
            again = offheap_nif:pipe_read(Pipe),
            {Pipe, Path};
        {error, _} ->
            undefined
    end;
open_stderr(_) ->
    undefined.

log_stderr(#state{stderr = {Pipe, _}, line = Line} = S) ->
    {Text, Dropped} = read_stderr(Pipe, Line, ?LINES * 80),
    Lines = binary:split(Text, <<"\n">>, [global]),
    _ = [log("offheap: worker ~b: ~ts", [S#state.index, One]) || One <- lists:droplast(Lines), One =/= <<>>],
    Dropped > 0 andalso log("offheap: worker ~b: ~b more bytes", [S#state.index, Dropped]),
    S#state{line = lists:last(Lines)}.

%% What there is, up to so many bytes; of the rest, how many.
read_stderr(Pipe, Text, Max) ->
    case offheap_nif:pipe_read(Pipe) of
        again -> {Text, 0};
        More when byte_size(Text) < Max -> read_stderr(Pipe, <<Text/binary, More/binary>>, Max);
        More ->
            {_, Dropped} = read_stderr(Pipe, Text, 0),
            {Text, Dropped + byte_size(More)}
    end.

log(Format, Args) ->
    logger:warning(Format, Args, #{domain => [offheap, port_pool]}).

describe(#state{port = Port, in_flight = InFlight, waiting = Waiting, restarts = Restarts,
                recycled = Recycled}) ->
    OsPid = case Port =/= undefined andalso erlang:port_info(Port, os_pid) of
                {os_pid, Pid} -> Pid;
                _ -> undefined
            end,
    #{os_pid => OsPid, in_flight => map_size(InFlight), waiting => map_size(Waiting),
      restarts => Restarts, recycled => Recycled}.

%% Nothing else lets go of a large binary soon: a process that makes little garbage collects rarely.
drop_references(Bytes, S) when Bytes < ?LARGE_BYTES ->
    S;
drop_references(_Bytes, S) ->
    erlang:garbage_collect(),
    S.

system_continue(_Parent, _Debug, S) -> pass_on(S).

-spec system_terminate(term(), pid(), [sys:dbg_opt()], #state{}) -> no_return().
system_terminate(Reason, _Parent, _Debug, S) -> terminate(Reason, S).

system_get_state(S) -> {ok, S}.

system_code_change(S, _Module, _OldVsn, _Extra) -> {ok, S}.
