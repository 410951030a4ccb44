%% The owner of one worker program: one process between callers and a port.
%%
%% Callers send requests straight here and wait on an alias that is also a monitor of this process; so
%% each request has exactly one outcome whatever dies: the reply that this process sends to the alias
%% (which ends the monitor), or the monitor's 'DOWN'. A caller that stopped waiting took the alias back;
%% what is sent to it then goes nowhere.
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

-export([start_link/2, request/4, cancel/2, info/2]).
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

-record(waiting, {caller :: reference(), request :: iolist(), bytes :: pos_integer()}).

-record(state,
        {parent :: pid(),
         index :: pos_integer(),
         pool :: #pool{},
         port :: port() | undefined,       % undefined: between death and restart
         next_id = ?FIRST_ID :: pos_integer(),
         in_flight = #{} :: #{pos_integer() => reference()},
         waiting = #{} :: #{reference() => #waiting{}}, % by alias
         callers = #{} :: #{reference() => reference()}, % monitor of a waiting caller -> alias
         order = queue:new() :: queue:queue(reference()), % aliases; those not in waiting are skipped
         places = 0 :: non_neg_integer(),  % length of order
         batch = [] :: iolist(),           % the frame being collected, newest first
         batch_bytes = 0 :: non_neg_integer(),
         frames = queue:new() :: queue:queue({iolist(), non_neg_integer()}), % refused by a busy port
         delay_ms = 0 :: non_neg_integer(), % before the next restart
         restarts = 0 :: non_neg_integer(),
         load = -1 :: integer()}).         % as published

-spec start_link(#pool{}, pos_integer()) -> {ok, pid()} | {error, term()}.
start_link(Pool, Index) ->
    proc_lib:start_link(?MODULE, init, [self(), Pool, Index]).

%% Sends a request: the encoding of its job and arguments, as they stand in a tuple.
-spec request(pid(), reference(), iolist(), pos_integer()) -> ok.
request(Owner, Alias, Request, Bytes) ->
    Owner ! {oh_request, self(), Alias, Request, Bytes},
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
    try open(#state{parent = Parent, index = Index, pool = Pool}) of
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
    loop(publish(send_frames(close_batch(admit(S))))).

handle({oh_request, Pid, Alias, Request, Bytes}, S) ->
    request(Pid, Alias, Request, Bytes, S);
handle({Port, {data, Data}}, #state{port = Port} = S) ->
    replies(Data, S);
handle({oh_cancel, Alias}, S) ->
    forget(Alias, S);
handle({'DOWN', Monitor, process, _, _}, #state{callers = Callers} = S) ->
    case Callers of
        #{Monitor := Alias} -> forget(Alias, S);
        #{} -> S
    end;
handle({Port, {exit_status, Status}}, #state{port = Port} = S) ->
    died(Status, S);
handle({'EXIT', Port, Reason}, #state{port = Port} = S) ->
    %% A write met a closed pipe: the port went before an exit status could come.
    died(Reason, S);
handle({timeout, _, restart}, #state{port = undefined} = S) ->
    restart(S);
handle({'EXIT', Parent, Reason}, #state{parent = Parent} = S) ->
    terminate(Reason, S);
handle({oh_info, Alias}, S) ->
    Alias ! {Alias, describe(S)},
    S;
handle(_Late, S) ->
    %% From a port that was replaced, or from nobody that is known.
    S.

%% --- Requests ---

request(Pid, Alias, Request, Bytes, #state{waiting = Waiting, pool = Pool} = S) ->
    case has_credit(S) andalso map_size(Waiting) =:= 0 of
        true ->
            assign(Alias, Request, Bytes, S);
        false when map_size(Waiting) < Pool#pool.max_queue ->
            Monitor = erlang:monitor(process, Pid),
            W = #waiting{caller = Monitor, request = Request, bytes = Bytes},
            S#state{waiting = Waiting#{Alias => W},
                    callers = (S#state.callers)#{Monitor => Alias},
                    order = queue:in(Alias, S#state.order),
                    places = S#state.places + 1};
        false ->
            reply(Alias, {error, overloaded}),
            S
    end.

has_credit(#state{port = undefined}) -> false;
has_credit(#state{in_flight = InFlight, pool = #pool{credits = Credits}}) ->
    map_size(InFlight) < Credits.

%% Waiting requests for which there is a credit.
admit(#state{waiting = Waiting, order = Order} = S) when map_size(Waiting) > 0 ->
    case has_credit(S) of
        true ->
            {{value, Alias}, Rest} = queue:out(Order),
            Out = S#state{order = Rest, places = S#state.places - 1},
            case Waiting of
                #{Alias := #waiting{request = Request, bytes = Bytes}} ->
                    admit(assign(Alias, Request, Bytes, forget(Alias, Out)));
                #{} ->
                    admit(Out)
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
        {#waiting{caller = Monitor}, Rest} ->
            erlang:demonitor(Monitor, [flush]),
            sweep(S#state{waiting = Rest, callers = maps:remove(Monitor, Callers)});
        error ->
            S
    end.

sweep(#state{waiting = Waiting, places = Places, order = Order} = S)
  when Places > 2 * map_size(Waiting) + 64 ->
    S#state{order = queue:filter(fun(Alias) -> is_map_key(Alias, Waiting) end, Order),
            places = map_size(Waiting)};
sweep(S) ->
    S.

assign(Alias, Request, Bytes, #state{next_id = Id, in_flight = InFlight} = S0) ->
    S = S0#state{next_id = next_id(Id, InFlight), in_flight = InFlight#{Id => Alias}},
    %% VERSION, SMALL_TUPLE of 3, INTEGER, then the job and the arguments.
    Term = [<<131, 104, 3, 98, Id:32>> | Request],
    add(Term, Bytes + 8, S).

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

terms(<<>>, S) ->
    S;
terms(Data, S) ->
    try binary_to_term(Data, [used]) of
        {{Id, ok, Result}, Used} ->
            next_term(Data, Used, answer(Id, {ok, Result}, S));
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

next_term(Data, Used, #state{port = Port} = S) when Port =/= undefined ->
    case Data of
        <<_:Used/binary>> -> S;
        <<_:Used/binary, Rest/binary>> -> terms(Rest, S)
    end;
next_term(_Data, _Used, S) ->
    S.

answer(Id, Outcome, #state{in_flight = InFlight} = S) ->
    case maps:take(Id, InFlight) of
        {Alias, Rest} ->
            reply(Alias, Outcome),
            S#state{in_flight = Rest, delay_ms = 0};
        error ->
            protocol_error(S)
    end.

reply(Alias, Outcome) ->
    Alias ! {Alias, Outcome}.

%% The worker answers what was not asked, or sends what is no reply: it cannot be trusted to answer the
%% rest.
protocol_error(#state{port = undefined} = S) ->
    S;
protocol_error(#state{port = Port} = S) ->
    close(Port),
    died(protocol, S).

%% --- Life and death of the program ---

open(#state{pool = #pool{executable = Executable, args = Args}} = S) ->
    Libraries = case offheap_port_pool:default_executable() of
                    Executable -> lists:append([["--load", Path] || Path <- offheap_jobs:libraries()]);
                    _ -> []
                end,
    Port = open_port({spawn_executable, Executable},
                     [{packet, 4}, binary, exit_status, use_stdio, hide, {args, Args ++ Libraries}]),
    S#state{port = Port}.

%% Requests in flight end here, once each: nobody knows how far the worker came. Those waiting go to
%% the next one; but if the worker died with nothing to do, it is the program that fails, and they must
%% not wait for it for ever.
died(Status, #state{in_flight = InFlight, delay_ms = Delay} = S0) ->
    Outcome = {error, {worker_died, Status}},
    _ = [reply(Alias, Outcome) || Alias <- maps:values(InFlight)],
    S1 = S0#state{port = undefined, in_flight = #{}, batch = [], batch_bytes = 0,
                  frames = queue:new(), restarts = S0#state.restarts + 1},
    S = case map_size(InFlight) of
            0 -> fail_waiting(Outcome, S1);
            _ -> S1
        end,
    case Delay of
        0 -> restart(S);
        _ -> restart_later(S)
    end.

fail_waiting(Outcome, #state{waiting = Waiting} = S) ->
    _ = [reply(Alias, Outcome) || Alias <- maps:keys(Waiting)],
    _ = [erlang:demonitor(M, [flush]) || #waiting{caller = M} <- maps:values(Waiting)],
    S#state{waiting = #{}, callers = #{}, order = queue:new(), places = 0}.

%% At once the first time; then, until a worker has answered something, after a delay that doubles.
restart(#state{delay_ms = Delay} = S) ->
    try
        (open(S))#state{delay_ms = max(Delay, ?DELAY_MIN_MS)}
    catch
        error:Reason ->
            restart_later(fail_waiting({error, {worker_died, Reason}},
                                       S#state{delay_ms = max(Delay, ?DELAY_MIN_MS)}))
    end.

restart_later(#state{delay_ms = Delay} = S) ->
    _ = erlang:start_timer(Delay, self(), restart),
    S#state{delay_ms = min(2 * Delay, ?DELAY_MAX_MS)}.

-spec terminate(term(), #state{}) -> no_return().
terminate(Reason, #state{port = Port}) ->
    %% The hang-up of its stdin ends the worker, also in the middle of a job.
    Port =:= undefined orelse close(Port),
    exit(Reason).

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

describe(#state{port = Port, in_flight = InFlight, waiting = Waiting, restarts = Restarts}) ->
    OsPid = case Port =/= undefined andalso erlang:port_info(Port, os_pid) of
                {os_pid, Pid} -> Pid;
                _ -> undefined
            end,
    #{os_pid => OsPid, in_flight => map_size(InFlight), waiting => map_size(Waiting),
      restarts => Restarts}.

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
