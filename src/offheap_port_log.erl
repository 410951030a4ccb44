%% What the log says of workers: what happened, what it meant for requests, and what to do about it.
%% @private
-module(offheap_port_log).

-export([died/4, not_started/4]).

-define(DOMAIN, #{domain => [offheap, port_pool]}).

%% The worker of this number died, with so many requests in flight. Pool is its supervisor.
-spec died(pid(), pos_integer(), Status :: term(), non_neg_integer()) -> ok.
died(Pool, Index, Status, InFlight) ->
    logger:warning("offheap: worker ~b of ~tp died (~tp: ~ts). Requests in flight: ~b; they get "
                   "{error, {worker_died, ~tp}} unless they are idempotent. It is started again. ~ts",
                   [Index, name(Pool), Status, meaning(Status), InFlight, Status, advice(Status)], ?DOMAIN).

%% Its program cannot be started, and will be tried again.
-spec not_started(pid(), pos_integer(), string(), Reason :: term()) -> ok.
not_started(Pool, Index, Executable, Reason) ->
    logger:error("offheap: worker ~b of ~tp cannot be started (~tp); requests that wait get {error, "
                 "{worker_died, ~tp}}, and it is tried again. Look whether ~ts is there and may be "
                 "executed, and whether the system has processes and files left",
                 [Index, name(Pool), Reason, Reason, Executable], ?DOMAIN).

name(Pool) ->
    case process_info(Pool, registered_name) of
        {registered_name, Name} -> Name;
        _ -> Pool
    end.

meaning(0) -> "its input was closed";
meaning(2) -> "an argument that the program does not know";
meaning(3) -> "a request without an id";
meaning(4) -> "a frame longer than max_frame";
meaning(5) -> "reading or writing failed";
meaning(6) -> "memory is out";
meaning(7) -> "it could not start";
meaning(killed) -> "it went on with a cancelled request beyond grace_ms";
meaning(protocol) -> "it sent what is no reply";
meaning(epipe) -> "it closed the pipe";
meaning(137) -> "killed";
meaning(Status) when is_integer(Status), Status > 128 -> io_lib:format("signal ~b", [Status - 128]);
meaning(_) -> "its program ended".

advice(6) ->
    "Raise the pool's memory limit, or give it less at a time";
advice(137) ->
    "If it was not killed by hand, it passed the pool's cpu limit, or the system was out of memory";
advice(killed) ->
    "The job should ask more often whether to go on, or grace_ms be longer";
advice(Status) when Status =:= 132; Status =:= 134; Status =:= 135; Status =:= 136; Status =:= 139 ->
    "A job crashed, or the sandbox forbade it something: find out which by sending its requests alone, one "
        "worker with credits 1, and run that job under a sanitizer";
advice(Status) when Status =:= 2; Status =:= 7; Status =:= protocol ->
    "Look whether the pool's executable and args are right, and of the same version as Offheap";
advice(_) ->
    "What it wrote to its standard error stands in this log".
