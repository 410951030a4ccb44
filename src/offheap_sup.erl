%% The top supervisor. It starts empty: what runs processes is started by the first use that needs it,
%% so that an application which only wants atomics or tables pays for no process but this one.
%% @private
-module(offheap_sup).

-behaviour(supervisor).

-export([start_link/0, ensure_child/1, label/1]).
-export([init/1]).

start_link() ->
    supervisor:start_link({local, ?MODULE}, ?MODULE, []).

%% Starts the child, unless it runs already. {error, not_started} if the offheap application does not.
-spec ensure_child(supervisor:child_spec()) -> ok | {error, not_started | term()}.
ensure_child(#{id := Id} = Spec) ->
    try supervisor:start_child(?MODULE, Spec) of
        {ok, _Pid} -> ok;
        {error, {already_started, _Pid}} -> ok;
        {error, already_present} -> restart(Id);
        {error, Reason} -> {error, Reason}
    catch
        exit:{Gone, _} when Gone =:= noproc; Gone =:= shutdown; Gone =:= normal ->
            {error, not_started}
    end.

%% A child that was stopped by hand.
restart(Id) ->
    case supervisor:restart_child(?MODULE, Id) of
        {ok, _Pid} -> ok;
        {error, Running} when Running =:= running; Running =:= restarting -> ok;
        {error, Reason} -> {error, Reason}
    end.

%% What observer and shells show of the calling process, where the emulator has such labels (OTP 27).
-spec label(term()) -> ok.
label(Label) ->
    case erlang:function_exported(proc_lib, set_label, 1) of
        true -> apply(proc_lib, set_label, [Label]);
        false -> ok
    end.

init([]) ->
    {ok, {#{strategy => one_for_one, intensity => 5, period => 10}, []}}.
