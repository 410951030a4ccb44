%% @doc Jobs that run where they cost least: in the caller, on a dirty scheduler, or in a worker program.
%%
%% ```
%% {ok, Digest} = offheap_jobs:run(blake2b, <<"abc">>).
%% {ok, {Digest, Size}} = offheap_jobs:run(blake2b, {file, "/etc/hostname"}).
%% '''
%% The job `blake2b' gives the BLAKE2b digest of 32 bytes; of iodata, of a buffer's bytes (read in place)
%% or of a file (with its size). It costs about 1 ns a byte in every lane, so the lane is picked by size:
%%
%% <table border="1">
%% <tr><th>lane</th><th>data</th><th>file</th><th>what it costs beside the work</th></tr>
%% <tr><td>`inline'</td><td>up to 48 KiB</td><td>never</td><td>nothing; holds its scheduler for at most 50 us</td></tr>
%% <tr><td>`dirty'</td><td>to 8 MiB, buffers of any size, and what cannot cross a pipe</td><td>to 8 MiB</td>
%%     <td>2 to 20 us; holds a dirty CPU scheduler (files: dirty IO), which large garbage collections
%%     need too</td></tr>
%% <tr><td>`port'</td><td>larger</td><td>larger</td><td>data cross a pipe, which takes nearly twice as long
%%     as the hashing; no scheduler is held. A file is opened by the worker: nothing crosses.</td></tr>
%% </table>
%%
%% The port lane uses {@link offheap_port_pool:default/0}, which the first job starts. Where the offheap
%% application is not running (an escript, say), inline and dirty work as always, large jobs are done by
%% dirty, and a job forced to the port lane gets `{error, not_started}'.
-module(offheap_jobs).

-export([run/2, run/3, explain/2, explain/3, stats/0]).
-export([init/0]).
-export_type([job/0, data/0, lane/0, option/0, options/0, explanation/0]).

-include_lib("kernel/include/file.hrl").

%% Data up to this size is hashed in the caller: about 50 us.
-define(INLINE_BYTES, 49152).
%% From here on a worker: 8 ms, beyond which a dirty scheduler is missed by others.
-define(DIRTY_BYTES, 8388608).
%% What a request carries beside the data, generously.
-define(REQUEST_BYTES, 256).

-define(STATS, offheap_jobs_stats).
-define(TIMEOUT_MS, 60000).

-type job() :: blake2b.
-type data() :: offheap_hash:data() | {file, file:name_all()}.
-type lane() :: inline | dirty | port.
-type option() :: {lane, lane()} | {timeout, timeout()}.
-type options() :: [option()] | #{lane => lane(), timeout => timeout()}.
-type explanation() :: #{lane := lane(), bytes := non_neg_integer(),
                         reason := forced | small | medium | large | no_port | too_large_for_port
                                 | buffer_stays}.

%% @equiv run(Job, Input, [])
-spec run(job(), data()) -> {ok, term()} | {error, term()}.
run(Job, Input) ->
    run(Job, Input, []).

%% @doc Does the job and returns `{ok, Digest}', or `{ok, {Digest, Size}}' for a file.
%%
%% Options, as a list or a map:
%% <ul>
%% <li>`{lane, Lane}' forces a lane. `inline' for more than 48 KiB or for a file raises `badarg': it
%%     would hold a normal scheduler too long.</li>
%% <li>`{timeout, Milliseconds}': how long to wait for a worker; default 60000. The other lanes take as
%%     long as the work.</li>
%% </ul>
%% Errors: what the file system says, such as `{error, enoent}'; in the port lane those of
%% {@link offheap_port_pool}. Raises `badarg' for another job, input or option, and for a buffer that was
%% released.
-spec run(job(), data(), options()) ->
          {ok, offheap_hash:digest() | {offheap_hash:digest(), Size :: non_neg_integer()}}
        | {error, term()}.
run(blake2b, Input, []) when is_binary(Input), byte_size(Input) =< ?INLINE_BYTES ->
    count(inline),
    {ok, offheap_nif:hash_blake2b(Input)};
run(Job, Input, Options) ->
    {Prepared, #{lane := Lane}, Timeout} = plan(Job, Input, Options),
    count(Lane),
    work(Lane, Prepared, Timeout).

%% @equiv explain(Job, Input, [])
-spec explain(job(), data()) -> explanation().
explain(Job, Input) ->
    explain(Job, Input, []).

%% @doc Which lane {@link run/3} would take, for how many bytes, and why:
%% <ul>
%% <li>`forced': the option says so; `small', `medium', `large': by size;</li>
%% <li>`no_port': large, but the offheap application is not running;</li>
%% <li>`too_large_for_port': larger than a request to the worker may be;</li>
%% <li>`buffer_stays': a large buffer, whose bytes would have to be copied to cross a pipe.</li>
%% </ul>
-spec explain(job(), data(), options()) -> explanation().
explain(Job, Input, Options) ->
    {_, Explanation, _} = plan(Job, Input, Options),
    Explanation.

%% @doc How many jobs each lane was given since the application started.
-spec stats() -> #{inline := non_neg_integer(), dirty := non_neg_integer(),
                   port := non_neg_integer()}.
stats() ->
    Counts = counts(),
    maps:from_list([{Lane, offheap_atomics:get(Counts, cell(Lane))}
                    || Lane <- [inline, dirty, port]]).

%% @private
%% Called as the application starts. Counts survive its restart.
-spec init() -> ok.
init() ->
    _ = counts(),
    ok.

%% --- Planning ---

plan(blake2b, Input, Options) ->
    {Forced, Timeout} = options(Options),
    {Prepared, Bytes} = prepare(Input),
    {Lane, Reason} = lane(Forced, kind(Prepared), Bytes),
    {Prepared, #{lane => Lane, bytes => Bytes, reason => Reason}, Timeout};
plan(_, _, _) ->
    error(badarg).

prepare({file, Name}) ->
    Path = path(Name),
    {{file, Path}, file_size(Path)};
prepare(Data) when is_binary(Data) ->
    {Data, byte_size(Data)};
prepare(Data) when is_list(Data) ->
    Pieces = erlang:iolist_to_iovec(Data),
    {Pieces, iolist_size(Pieces)};
prepare(Buffer) ->
    {Buffer, offheap_nif:buffer_size(Buffer)}.

kind({file, _}) -> file;
kind(Data) when is_tuple(Data) -> buffer;
kind(_) -> data.

lane(inline, Kind, Bytes) when Kind =/= file, Bytes =< ?INLINE_BYTES -> {inline, forced};
lane(inline, _, _) -> error(badarg);
lane(undefined, Kind, Bytes) when Kind =/= file, Bytes =< ?INLINE_BYTES -> {inline, small};
lane(undefined, buffer, Bytes) when Bytes > ?DIRTY_BYTES -> {dirty, buffer_stays};
lane(undefined, _, Bytes) when Bytes =< ?DIRTY_BYTES -> {dirty, medium};
lane(undefined, Kind, Bytes) -> large(Kind, Bytes);
lane(Forced, _, _) -> {Forced, forced}.

large(Kind, Bytes) ->
    case offheap_port_pool:default() of
        {ok, Pool} ->
            case Kind =:= file orelse Bytes + ?REQUEST_BYTES =< offheap_port_pool:max_frame(Pool) of
                true -> {port, large};
                false -> {dirty, too_large_for_port}
            end;
        {error, _} ->
            {dirty, no_port}
    end.

%% The worker's folder need not be this emulator's, so the path is made absolute here.
path(Name) when is_binary(Name); is_list(Name) ->
    Encoded = case filename:absname(Name) of
                  Binary when is_binary(Binary) -> Binary;
                  List -> unicode:characters_to_binary(List, unicode, file:native_name_encoding())
              end,
    case is_binary(Encoded) andalso binary:match(Encoded, <<0>>) =:= nomatch of
        true -> Encoded;
        false -> error(badarg)
    end;
path(_) ->
    error(badarg).

%% Only a hint for the lane: the file is opened later. What cannot be looked at gets its error there.
file_size(Path) ->
    case file:read_file_info(Path, [raw]) of
        {ok, #file_info{size = Size}} when is_integer(Size) -> Size;
        _ -> 0
    end.

options(Options) when is_list(Options) ->
    lists:foldl(fun option/2, {undefined, ?TIMEOUT_MS}, Options);
options(Options) when is_map(Options) ->
    options(maps:to_list(Options));
options(_) ->
    error(badarg).

option({lane, Lane}, {_, Timeout}) when Lane =:= inline; Lane =:= dirty; Lane =:= port ->
    {Lane, Timeout};
option({timeout, infinity}, {Lane, _}) ->
    {Lane, infinity};
option({timeout, Ms}, {Lane, _}) when is_integer(Ms), Ms >= 0, Ms < 1 bsl 32 ->
    {Lane, Ms};
option(_, _) ->
    error(badarg).

%% --- Doing ---

work(inline, Data, _Timeout) ->
    outcome(offheap_nif:hash_blake2b(Data));
work(dirty, {file, Path}, _Timeout) ->
    outcome(offheap_nif:hash_file(<<Path/binary, 0>>));
work(dirty, Data, _Timeout) ->
    outcome(offheap_nif:hash_blake2b_dirty(Data));
work(port, Input, Timeout) ->
    case offheap_port_pool:default() of
        {ok, Pool} -> port(Pool, Input, Timeout);
        {error, _} = Error -> Error
    end.

port(Pool, {file, Path}, Timeout) ->
    offheap_port_pool:call(Pool, blake2b_file, Path, Timeout);
port(Pool, Data, Timeout) when is_tuple(Data) ->
    offheap_port_pool:call(Pool, blake2b, offheap_nif:buffer_read(Data), Timeout);
port(Pool, Data, Timeout) ->
    offheap_port_pool:call(Pool, blake2b, iolist_to_binary(Data), Timeout).

outcome({error, _} = Error) -> Error;
outcome(Result) -> {ok, Result}.

%% --- Counting ---

cell(inline) -> 1;
cell(dirty) -> 2;
cell(port) -> 3.

count(Lane) ->
    offheap_atomics:add(counts(), cell(Lane), 1).

counts() ->
    case persistent_term:get(?STATS, undefined) of
        undefined -> new_counts();
        Counts -> Counts
    end.

%% Without the application the first job comes here; the lock lets one of several make the counts.
new_counts() ->
    global:trans({?STATS, self()},
                 fun() ->
                         case persistent_term:get(?STATS, undefined) of
                             undefined ->
                                 Counts = offheap_atomics:new(3, []),
                                 persistent_term:put(?STATS, Counts),
                                 Counts;
                             Counts ->
                                 Counts
                         end
                 end,
                 [node()]).
