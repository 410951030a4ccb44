%% What the modules of the port pool share. Not for users.

-record(pool, {table :: ets:table(),
               load :: offheap_atomics:atomics_ref(),
               size :: pos_integer(),
               credits :: pos_integer(),
               max_queue :: non_neg_integer(),
               max_frame :: pos_integer(),
               max_requests :: pos_integer() | infinity,
               grace_ms :: timeout(),
               own :: boolean(),          % the program that comes with Offheap
               executable :: string(),
               args :: [string() | binary()],
               shared :: boolean()}).     % offers its workers segments

%% A request on its way: what the worker is sent, how many bytes it is, when its time is up, and how
%% often it may be sent again.
-record(request, {caller :: pid(),
                  alias :: reference(),
                  arity = 3 :: 3 | 4,      % of the tuple, without whose head the body is
                  crossing = none :: reference() | none, % of buffers that the worker maps
                  body :: iolist() | sent, % dropped when it is sent and may not be sent again
                  bytes :: pos_integer(),
                  deadline :: integer() | infinity, % erlang:monotonic_time(millisecond)
                  retries :: non_neg_integer()}).

%% Added to the load of a worker that is not running: callers prefer any other.
-define(LOAD_DOWN, (1 bsl 32)).
