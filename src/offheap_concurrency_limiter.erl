%% @doc Limits on how many may do something at once: permits that are released by their owner's death.
%%
%% <ul>
%% <li>{@link acquire/1} gives a permit if fewer than the limit are out; it does not wait.</li>
%% <li>A permit is given back exactly once: by {@link release/1}, from any process; or when the process that
%%     acquired it ends, however it ends and whoever holds the permit then; or when nobody holds the permit
%%     any more and it is collected. The notice of an end may come a little later than a monitor's `DOWN'
%%     message.</li>
%% <li>The permits that are out never exceed the limit, not for a moment. Who acquires a permit sees what
%%     came before the releases that made room (acquire and release order).</li>
%% <li>A limiter belongs to no process. It lives as long as some process, message, table or permit holds
%%     it.</li>
%% <li>`badarg' is raised for a wrong reference.</li>
%% </ul>
%%
%% All functions take constant time. Acquiring costs a monitor of the caller, some hundred nanoseconds.
-module(offheap_concurrency_limiter).

-export([new/1, acquire/1, release/1, limit/1, in_use/1]).
-export_type([limiter/0, permit/0]).

-opaque limiter() :: reference().
-opaque permit() :: reference().

%% @doc Makes a limiter of `Limit' permits, an integer of 1..2^64-1. Raises `badarg' for others.
-spec new(Limit :: pos_integer()) -> limiter().
new(Limit) -> offheap_nif:concurrency_limiter_new(Limit).

%% @doc A permit that belongs to the caller, or `{error, limit}' if all are out.
-spec acquire(limiter()) -> {ok, permit()} | {error, limit}.
acquire(Limiter) -> offheap_nif:concurrency_limiter_acquire(Limiter).

%% @doc Gives the permit back; `{error, released}' if it was given back before.
-spec release(permit()) -> ok | {error, released}.
release(Permit) -> offheap_nif:concurrency_limiter_release(Permit).

%% @doc How many permits there are.
-spec limit(limiter()) -> pos_integer().
limit(Limiter) -> offheap_nif:concurrency_limiter_limit(Limiter).

%% @doc How many permits are out.
-spec in_use(limiter()) -> non_neg_integer().
in_use(Limiter) -> offheap_nif:concurrency_limiter_in_use(Limiter).
