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

-export([start_link/2, lookup/1, enter/3]).
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

%% Says which process owns worker Index from now on.
-spec enter(#pool{}, pos_integer(), pid()) -> ok.
enter(#pool{table = Table}, Index, Owner) ->
    true = ets:insert(Table, {Index, Owner}),
    ok.

init({Names, Pool}) ->
    process_flag(trap_exit, true),
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
