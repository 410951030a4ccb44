%% The application's callback. Nothing in it needs Elixir, so that rebar3 projects start it as they are.
%% @private
-module(offheap_app).

-behaviour(application).

-export([start/2, stop/1]).

start(_Type, _Args) ->
    ok = offheap_jobs:init(),
    _ = offheap_telemetry:init(),
    offheap_sup:start_link().

stop(_State) ->
    ok.
