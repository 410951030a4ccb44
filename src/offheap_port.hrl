%% What the modules of the port pool share. Not for users.

-record(pool, {table :: ets:table(),
               load :: offheap_atomics:atomics_ref(),
               size :: pos_integer(),
               credits :: pos_integer(),
               max_queue :: non_neg_integer(),
               max_frame :: pos_integer(),
               executable :: string(),
               args :: [string()]}).

%% Added to the load of a worker that is not running: callers prefer any other.
-define(LOAD_DOWN, (1 bsl 32)).
