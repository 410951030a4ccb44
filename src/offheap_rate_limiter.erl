%% @doc Rate limiters: buckets of units that fill at a constant rate, one for each of a fixed number of
%% indices ({@link new/2}), or for each key that comes ({@link new_keyed/1}).
%%
%% A bucket holds `burst' units at most and is full at first. {@link take/4} takes units out if they are
%% there and tells how many remain, or else tells in how many milliseconds they will be. A bucket fills at
%% one unit an interval, which is `period_ms / rate', rounded up to whole nanoseconds. (The generic cell
%% rate algorithm: ATM Forum, "Traffic Management Specification 4.0", 1996, 4.4.2, virtual scheduling. A
%% bucket is one 64-bit word: the time at which it will be full.)
%%
%% <ul>
%% <li>Between any two times A and B a bucket gives at most `burst + (B - A) / interval' units, whichever
%%     processes take them; what is given back by {@link refund/3} or {@link reset/2} counts anew.</li>
%% <li>Each call is atomic for its bucket, and buckets are apart. On an array, take and refund are a
%%     compare-and-swap (acquire and release order), which is tried again if another process was faster; a
%%     keyed limiter locks the part of its table that the key belongs to, some hundred neighbours, for less
%%     than a microsecond. Peek takes no lock on either.</li>
%% <li>Time is Erlang's monotonic time in nanoseconds. The caller may give it, `NowNs' of -2^62..2^62-1:
%%     `erlang:monotonic_time(nanosecond)', read once for several calls, or any clock of his own, if all
%%     calls for a bucket go by it. The limiter's own reading costs 20 ns more, and may differ from the
%%     emulator's by 20 microseconds. Times may come out of order: an earlier one sees what was taken at later
%%     ones, and not what has come in since.</li>
%% <li>A cost is an integer of `0..Burst': more could never be granted. A cost of 0 takes nothing.</li>
%% <li>Indices are one-based. Keys are any terms, compared by `=:='.</li>
%% <li>A keyed limiter makes a key's bucket at the key's first take, in the same instant: of two processes
%%     that come first, one takes from what the other left. A key takes the memory of an entry of
%%     {@link offheap_store}, about 25 bytes if it is a small integer or an atom, 70 if it is a short binary
%%     or tuple, until it is pruned: see {@link prune/2}.</li>
%% <li>`badarg' is raised for a wrong reference, an index outside the array, a cost or a time outside its
%%     range, and nothing changes.</li>
%% </ul>
%%
%% A limiter belongs to no process. It lives as long as some process, message or table holds its reference,
%% and any process that does may use it. All functions take constant time but {@link info/1} and
%% {@link prune/1} on keyed limiters, which let other processes run. Keys beyond about 64 KB are handled on
%% a dirty scheduler.
-module(offheap_rate_limiter).

-export([new/2, new_keyed/1, take/2, take/3, take/4, peek/2, peek/3, peek/4, refund/2, refund/3,
         reset/2, prune/1, prune/2, info/1]).
-export_type([limiter/0, option/0, index_or_key/0, cost/0, now_ns/0, answer/0]).

-opaque limiter() :: reference().
-type option() :: {rate, pos_integer()} | {period_ms, pos_integer()} | {burst, pos_integer()}.
-type index_or_key() :: pos_integer() | term().
-type cost() :: non_neg_integer().
-type now_ns() :: integer().
-type answer() :: {ok, Remaining :: non_neg_integer()} | {error, RetryAfterMs :: pos_integer()}.

%% The most buckets of an array.
-define(SIZE_MAX, (1 bsl 40)).

%% @doc Makes a limiter of `Size' full buckets that share one rate.
%%
%% Options: `{rate, Units}', which must be given, in each `{period_ms, Milliseconds}', default 1000;
%% `{burst, Units}', what a bucket holds, default the rate's units. At most 10^6 units a millisecond, and a
%% bucket must fill within 2^62 ns (146 years).
%%
%% Raises `badarg' for other options or values, and `system_limit' for more buckets than memory can hold (at
%% most 2^40). Memory is taken page by page as buckets are first used, 8 bytes each.
-spec new(Size :: pos_integer(), [option()]) -> limiter().
new(Size, Opts) ->
    {Rate, PeriodNs, Burst} = options(Opts, #{period_ms => 1000}),
    %% A bignum is no word that the NIF could judge.
    is_integer(Size) andalso Size > ?SIZE_MAX andalso error(system_limit),
    offheap_nif:rate_limiter_new(Rate, PeriodNs, Burst, Size).

%% @doc Makes a limiter with a bucket for each key, none at first. Options and errors are those of
%% {@link new/2}.
-spec new_keyed([option()]) -> limiter().
new_keyed(Opts) ->
    {Rate, PeriodNs, Burst} = options(Opts, #{period_ms => 1000}),
    offheap_nif:rate_limiter_new_keyed(Rate, PeriodNs, Burst).

options([{Name, Value} | Opts], Map)
  when is_integer(Value), (Name =:= rate orelse Name =:= period_ms orelse Name =:= burst) ->
    options(Opts, Map#{Name => Value});
options([], #{rate := Rate, period_ms := PeriodMs} = Map) ->
    {Rate, PeriodMs * 1000000, maps:get(burst, Map, Rate)};
options(_, _) ->
    error(badarg).

%% @doc Takes one unit, by the limiter's clock.
-spec take(limiter(), index_or_key()) -> answer().
take(Limiter, IndexOrKey) -> offheap_nif:rate_limiter_take(Limiter, IndexOrKey).

%% @doc Takes `Cost' units, by the limiter's clock.
-spec take(limiter(), index_or_key(), cost()) -> answer().
take(Limiter, IndexOrKey, Cost) -> offheap_nif:rate_limiter_take(Limiter, IndexOrKey, Cost).

%% @doc Takes `Cost' units at the time `NowNs': `{ok, Remaining}', with the whole units that remain in the
%% bucket, or `{error, RetryAfterMs}' and no change: after so many milliseconds, rounded up, the cost would
%% be granted if nobody else took before.
-spec take(limiter(), index_or_key(), cost(), now_ns()) -> answer().
take(Limiter, IndexOrKey, Cost, NowNs) ->
    offheap_nif:rate_limiter_take(Limiter, IndexOrKey, Cost, NowNs).

%% @doc What {@link take/2} would answer.
-spec peek(limiter(), index_or_key()) -> answer().
peek(Limiter, IndexOrKey) -> offheap_nif:rate_limiter_peek(Limiter, IndexOrKey).

%% @doc What {@link take/3} would answer. A cost of 0 asks what is in the bucket.
-spec peek(limiter(), index_or_key(), cost()) -> answer().
peek(Limiter, IndexOrKey, Cost) -> offheap_nif:rate_limiter_peek(Limiter, IndexOrKey, Cost).

%% @doc What {@link take/4} would answer. Changes nothing.
-spec peek(limiter(), index_or_key(), cost(), now_ns()) -> answer().
peek(Limiter, IndexOrKey, Cost, NowNs) ->
    offheap_nif:rate_limiter_peek(Limiter, IndexOrKey, Cost, NowNs).

%% @doc Gives one unit back.
-spec refund(limiter(), index_or_key()) -> ok.
refund(Limiter, IndexOrKey) -> offheap_nif:rate_limiter_refund(Limiter, IndexOrKey, 1).

%% @doc Gives `Cost' units back, for what was taken and not used. A bucket never holds more than its burst:
%% what is beyond is lost. It needs no time, since it moves the time at which the bucket is full.
-spec refund(limiter(), index_or_key(), cost()) -> ok.
refund(Limiter, IndexOrKey, Cost) -> offheap_nif:rate_limiter_refund(Limiter, IndexOrKey, Cost).

%% @doc Fills the bucket: its index goes to another user, say. A key's memory is given back.
-spec reset(limiter(), index_or_key()) -> ok.
reset(Limiter, IndexOrKey) -> offheap_nif:rate_limiter_reset(Limiter, IndexOrKey).

%% @doc Removes from a keyed limiter the keys whose buckets are full now, and returns how many they were.
%% See {@link prune/2}.
-spec prune(limiter()) -> non_neg_integer().
prune(Limiter) -> prune(Limiter, erlang:monotonic_time(nanosecond)).

%% @doc Removes from a keyed limiter the keys whose buckets were full two milliseconds before `NowNs', and
%% returns how many they were. `NowNs' must not be later than that of a take that is under way or yet to
%% come: to those, a removed key is what it would be had it stayed.
%%
%% A limiter whose keys keep changing grows until it is pruned: prune it now and then, say once in the time
%% that a bucket takes to fill. About 100 ns a key, in steps of a thousand keys, between which other
%% processes run; other calls are served all the while. Raises `badarg' for an array, which has no keys.
-spec prune(limiter(), now_ns()) -> non_neg_integer().
prune(Limiter, NowNs) -> prune(Limiter, 0, NowNs, 0).

prune(_Limiter, done, _NowNs, Removed) ->
    Removed;
prune(Limiter, Position, NowNs, Removed) ->
    {Next, More} = offheap_nif:rate_limiter_prune(Limiter, Position, NowNs),
    prune(Limiter, Next, NowNs, Removed + More).

%% @doc The number of buckets (of an array, its size; else of keys that the limiter holds), what a bucket
%% holds at most, how long a unit takes to come, the memory in bytes, which for keys is an estimate. Exact
%% if nobody takes meanwhile.
-spec info(limiter()) -> #{size := non_neg_integer(), burst := pos_integer(),
                           interval_ns := pos_integer(), memory := pos_integer()}.
info(Limiter) ->
    {IntervalNs, Burst} = offheap_nif:rate_limiter_rate(Limiter),
    {Size, Bytes} = stats(Limiter, 0, 0, 0),
    #{size => Size, burst => Burst, interval_ns => IntervalNs, memory => Bytes}.

stats(_Limiter, done, Size, Bytes) ->
    {Size, Bytes};
stats(Limiter, Position, Size, Bytes) ->
    {Next, MoreSize, MoreBytes} = offheap_nif:rate_limiter_stats(Limiter, Position),
    stats(Limiter, Next, Size + MoreSize, Bytes + MoreBytes).
