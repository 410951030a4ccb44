%% Where callers find a pool's workers. One of these runs in each pool, first started and last stopped;
%% callers never talk to it: they read a persistent term, an array of atomics and a table.
%%
%%   persistent term   {offheap_port_pool, Pid or Name} -> #pool{}, written at start, erased at the end
%%   load              a cell a worker: requests it has not answered, written by the worker's owner;
%%                     one more cell counts calls, so that equally loaded workers take turns
%%   table             {Index, Owner's pid}, written by the owners
%% @private
-module(offheap_port_registry).

-behaviour(gen_server).

-export([start_link/2, lookup/1, enter/3, all/0, pending/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-include("offheap_port.hrl").

-define(KEY(Name), {offheap_port_pool, Name}).
%% Under this key stands the process that wrote the other.
-define(WRITER(Name), {offheap_port_registry, Name}).

-spec start_link([pid() | atom()], #pool{}) -> {ok, pid()}.
start_link(Names, Pool) ->
    gen_server:start_link(?MODULE, {Names, Pool}, []).

-spec lookup(pid() | atom()) -> #pool{} | undefined.
lookup(Name) ->
    persistent_term:get(?KEY(Name), undefined).

%% Each pool that runs: its names, the number of its workers, and of each whether it runs and how many
%% requests it has not answered.
-spec all() -> [{[pid() | atom()], pos_integer(), [{up | down, non_neg_integer()}]}].
all() ->
    Found = [{Pool, Name} || {?KEY(Name), #pool{} = Pool} <- persistent_term:get()],
    Pools = maps:groups_from_list(fun({#pool{table = Table}, _}) -> Table end, Found),
    [{[Name || {_, Name} <- Group], Size, loads(Pool)}
     || [{#pool{size = Size} = Pool, _} | _] = Group <- maps:values(Pools)].

%% Requests that the pool's workers have not answered; 0 if there is no such pool.
-spec pending(pid() | atom()) -> non_neg_integer().
pending(Name) ->
    case lookup(Name) of
        #pool{} = Pool -> lists:sum([N || {_, N} <- loads(Pool)]);
        undefined -> 0
    end.

loads(#pool{size = Size, load = Load}) ->
    Loads = [offheap_atomics:get(Load, Index) || Index <- lists:seq(1, Size)],
    [{case N band ?LOAD_DOWN of 0 -> up; _ -> down end, N band (?LOAD_DOWN - 1)} || N <- Loads].

%% Says which process owns worker Index from now on.
-spec enter(#pool{}, pos_integer(), pid()) -> ok.
enter(#pool{table = Table}, Index, Owner) ->
    true = ets:insert(Table, {Index, Owner}),
    ok.

init({Names, Pool}) ->
    process_flag(trap_exit, true),
    offheap_sup:label({?MODULE, lists:last(Names)}),
    %% A pool that was killed may be restarted before its old registry is through with terminate/2, which
    %% would then erase what is written here.
    _ = [await_end(persistent_term:get(?WRITER(Name), undefined)) || Name <- Names],
    _ = [persistent_term:put(?WRITER(Name), self()) || Name <- Names],
    _ = [persistent_term:put(?KEY(Name), Pool) || Name <- Names],
    {ok, Names}.

await_end(undefined) ->
    ok;
await_end(Writer) ->
    Monitor = monitor(process, Writer),
    receive {'DOWN', Monitor, process, Writer, _} -> ok end.

handle_call(_Request, _From, Names) -> {reply, {error, badarg}, Names}.

handle_cast(_Request, Names) -> {noreply, Names}.

handle_info(_Info, Names) -> {noreply, Names}.

terminate(_Reason, Names) ->
    _ = [persistent_term:erase(?KEY(Name)) || Name <- Names],
    _ = [persistent_term:erase(?WRITER(Name)) || Name <- Names],
    ok.
