%% Bytes that cross to a worker by shared memory instead of its pipe; see doc/ports.md.
%%
%% What can cross: buffers whose block is a segment (pools with the option `shared'), and binaries of
%% ?COPY_BYTES and more, which are copied into such a buffer: one copy in memory costs less than two
%% through a pipe. The request then has ranges of segments in place of bytes, and a crossing
%% (nif_crossing.c) holds the buffers until the worker has answered or is dead. Whatever cannot cross
%% goes through the pipe.
%% @private
-module(offheap_port_shared).

-export([is_on/1, refused/1, cross/3, plain/1, put_into/2, stays/1]).

-include("offheap_port.hrl").

%% From here on the copy of a binary costs less than the pipe.
-define(COPY_BYTES, 65536).
%% Bytes copied in one call on a normal scheduler.
-define(CHUNK_BYTES, 524288).
%% The pool that binaries are copied into, one for all port pools, and its cap.
-define(COPIES, offheap_port_shared).
-define(COPIES_BYTES, (64 * 1024 * 1024)).
%% No job has more parameters.
-define(VALUES_MAX, 8).
%% How long a pool whose worker could not map a segment keeps to its pipes.
-define(REFUSED_MS, 10000).

%% Whether the pool's workers are offered segments now.
-spec is_on(#pool{}) -> boolean().
is_on(#pool{shared = false}) ->
    false;
is_on(#pool{load = Load, size = Size}) ->
    case offheap_nif:atomics_get(Load, Size + 2) of
        0 -> true;
        UntilMs -> erlang:monotonic_time(millisecond) >= UntilMs
    end.

%% A worker cannot map what it was told.
-spec refused(#pool{}) -> ok.
refused(#pool{load = Load, size = Size}) ->
    offheap_atomics:put(Load, Size + 2, erlang:monotonic_time(millisecond) + ?REFUSED_MS).

%% Whether Args has a buffer that cannot cross: then the work is for a lane in the VM.
-spec stays(term()) -> boolean().
stays(Args) ->
    lists:any(fun(Value) -> is_buffer(Value) andalso not offheap_nif:buffer_is_shared(Value) end,
              values(Args)).

%% The request with ranges in place of what crosses: the crossing, the arguments, and the range for the
%% result or none; or none, if nothing crosses.
-spec cross(#pool{}, Args :: term(), Into :: term()) -> {reference(), term(), tuple() | none} | none.
cross(Pool, Args, Into) ->
    Values = values(Args),
    case (Into =/= none orelse lists:any(fun may_cross/1, Values)) andalso length(Values) =< ?VALUES_MAX
         andalso is_on(Pool) of
        true -> cross(Args, Values, Into, lists:unzip([lend(Value) || Value <- Values]));
        false -> none
    end.

cross(Args, Values, Into, {Lent, Copies}) ->
    {Crossing, Ranges, IntoRange} =
        offheap_nif:crossing_new([Buffer || Buffer <- Lent, Buffer =/= none], Into),
    %% The crossing has them now.
    _ = [offheap_nif:buffer_release(Copy) || Copy <- Copies, Copy =/= none],
    case IntoRange =:= none andalso lists:all(fun(Range) -> Range =:= none end, Ranges) of
        true -> none;
        false -> {Crossing, rebuild(Args, replace(Values, Lent, Ranges)), IntoRange}
    end.

%% The buffer to cross in a value's place, and the same again if it is a copy.
lend(Value) when is_binary(Value), byte_size(Value) >= ?COPY_BYTES ->
    case copy(Value) of
        {ok, Copy} -> {Copy, Copy};
        {error, _} -> {none, none}
    end;
lend(Value) ->
    case is_buffer(Value) of
        true -> {Value, none};
        false -> {none, none}
    end.

copy(Binary) ->
    case copies() of
        none ->
            {error, not_shared};
        Pool ->
            case offheap_nif:pool_lease_now(Pool, byte_size(Binary)) of
                {ok, Copy} -> fill(Copy, Binary, 0);
                {error, _} = Error -> Error
            end
    end.

fill(Copy, Binary, At) when At < byte_size(Binary) ->
    Length = min(?CHUNK_BYTES, byte_size(Binary) - At),
    ok = offheap_nif:buffer_append(Copy, binary_part(Binary, At, Length)),
    fill(Copy, Binary, At + Length);
fill(Copy, _Binary, _At) ->
    {ok, Copy}.

%% Started when it is first needed, under the application's supervisor; without it there are no copies.
copies() ->
    case persistent_term:get({offheap_pool, ?COPIES}, none) of
        none -> start_copies(application:get_env(offheap, port_shared_bytes, ?COPIES_BYTES));
        Pool -> Pool
    end.

start_copies(0) ->
    none;
start_copies(Bytes) ->
    Options = [{name, ?COPIES}, {shared, true}, {max_bytes, Bytes}, {largest, 1 bsl 30}],
    case offheap_nif:shared_is_supported() andalso offheap_sup:ensure_child(offheap_pool:child_spec(Options)) of
        ok -> offheap_pool:get(?COPIES);
        _ -> none
    end.

%% --- Arguments: a map by name, or the first one alone ---

values(Args) when is_map(Args) -> maps:values(Args);
values(Args) -> [Args].

may_cross(Value) when is_binary(Value) -> byte_size(Value) >= ?COPY_BYTES;
may_cross(Value) -> is_buffer(Value).

is_buffer({offheap_buffer, _, _}) -> true;
is_buffer(_) -> false.

rebuild(Args, Values) when is_map(Args) -> maps:from_list(lists:zip(maps:keys(Args), Values));
rebuild(_Args, [Value]) -> Value.

%% Lent has a buffer or none for each value, Ranges a range or none for each buffer.
replace([Value | Values], [none | Lent], Ranges) ->
    [Value | replace(Values, Lent, Ranges)];
replace([Value | Values], [_ | Lent], [none | Ranges]) ->
    [plain_value(Value) | replace(Values, Lent, Ranges)];
replace([_ | Values], [_ | Lent], [Range | Ranges]) ->
    [Range | replace(Values, Lent, Ranges)];
replace([], [], []) ->
    [].

%% --- Through the pipe ---

%% Arguments with the bytes of buffers in their place.
-spec plain(term()) -> term().
plain(Args) when is_map(Args) -> maps:map(fun(_, Value) -> plain_value(Value) end, Args);
plain(Args) -> plain_value(Args).

plain_value(Value) ->
    case is_buffer(Value) of
        true -> offheap_nif:buffer_read(Value);
        false -> Value
    end.

%% The first bytes that came from a worker, into the buffer.
-spec put_into(term() | none, {ok, term()} | {error, term()}) -> {ok, term()} | {error, term()}.
put_into(none, Outcome) ->
    Outcome;
put_into(Into, {ok, Bytes}) when is_binary(Bytes) ->
    put_bytes(Into, Bytes, byte_size(Bytes));
put_into(Into, {ok, Parts}) when is_tuple(Parts) ->
    case lists:splitwith(fun(Part) -> not is_binary(Part) end, tuple_to_list(Parts)) of
        {_, []} -> {ok, Parts};
        {Before, [Bytes | After]} ->
            put_bytes(Into, Bytes, list_to_tuple(Before ++ [byte_size(Bytes) | After]))
    end;
put_into(_Into, Outcome) ->
    Outcome.

put_bytes(Into, Bytes, Result) ->
    case offheap_nif:buffer_append(Into, Bytes) of
        ok -> {ok, Result};
        {error, _} = Error -> Error
    end.
