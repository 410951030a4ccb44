%% @doc Histograms in shared memory: values counted by bucket, with their sum, recorded by any number of
%% processes in one call of some 20 ns each.
%%
%% Two kinds:
%%
%% <ul>
%% <li><em>HDR</em> (`new([{highest, H}, {digits, D}])') counts integers of 0 to `highest' in log-linear
%%     buckets, after G. Tene's HdrHistogram: what a bucket counts differs by less than one unit of the
%%     last of `digits' significant digits. For latencies of every size.</li>
%% <li><em>Explicit</em> (`new([{buckets, Bounds}])') counts numbers, as floats, in the buckets between
%%     the given bounds, each with its upper bound, as Prometheus does; what is above the last bound is
%%     counted too.</li>
%% </ul>
%%
%% <strong>What a reading tells.</strong> Count, sum, lowest, highest and buckets of one reading always
%% belong to the same recordings: each is in it whole or not at all, and of readings by {@link
%% snapshot_reset/1} in exactly one. A reading has every recording that ended before it began, and none
%% that begins after it ended. It is not one instant: of what is recorded meanwhile by several processes,
%% a later one may be in it and an earlier one not. To ask several questions of the same recordings, take
%% a {@link snapshot/1}: a histogram of its own, and ask that.
%%
%% A recording is an acquire and a release of the stripe of memory it goes to; do not synchronise by it.
%% Counts are of 64 bits and wrap around beyond 2^64 - 1; sums of integers have 128 bits; sums of floats
%% end at the largest float.
%%
%% <strong>Time.</strong> {@link record/2}, {@link record_n/3} and {@link measure/2} take constant time
%% (explicit: the logarithm of the number of bounds) and never wait for another process. Readings take
%% about 2 ns for each bucket between the lowest and the highest value, in each of the sets below; with
%% more than 32,768 of them they run on a dirty scheduler. One process reads a histogram at a time:
%% others try again when they are next scheduled.
%%
%% <strong>Memory.</strong> 8 bytes a bucket, in one set of them for the whole and one more for each
%% scheduler that records (rarely for one more); large sets take pages of memory only where values fall.
%% {@link info/1} tells. A histogram, a snapshot too, lives as long as some process, message or table
%% holds its reference: a process that takes many snapshots and makes no other garbage holds them until
%% it collects.
%%
%% `badarg' is raised for a wrong reference and for a value that cannot be counted.
-module(offheap_histogram).

-export([new/0, new/1, exponential_buckets/3, linear_buckets/3, is_histogram/1]).
-export([record/2, record_n/3, record_many/2, measure/2, measure/3]).
-export([count/1, sum/1, min/1, max/1, mean/1, stddev/1, summary/1, quantiles/2, buckets/1,
         equivalent_range/2, info/1]).
-export([snapshot/1, snapshot_reset/1, merge/2, export/1, import/1, to_prometheus/2,
         to_prometheus/3]).
-export_type([histogram/0, option/0, unit/0, text_option/0]).

-opaque histogram() :: reference().
-type option() :: {lowest, pos_integer()} | {highest, pos_integer()} | {digits, 1..5} |
                  {out_of_range, saturate | error} | {buckets, [number(), ...]}.
-type unit() :: nanosecond | microsecond | millisecond | second.
-type text_option() :: {help, unicode:chardata()} |
                       {labels, [{Name :: atom() | unicode:chardata(), label()}] |
                                #{atom() | unicode:chardata() => label()}} |
                       {buckets, [number(), ...]} | {divisor, number()} | {header, boolean()}.
-type label() :: atom() | number() | unicode:chardata().

%% An hour in nanoseconds.
-define(HIGHEST, 3600000000000).
-define(HIGHEST_MAX, 16#7fffffffffffffff).
%% The most bounds of a histogram.
-define(BOUNDS_MAX, 4096).

%% @doc A histogram for latencies in nanoseconds: HDR, up to an hour, 3 significant digits.
-spec new() -> histogram().
new() -> new([]).

%% @doc Makes an empty histogram. Options of the HDR kind:
%%
%% <ul>
%% <li>`{highest, H}': the highest value that is counted as it is, up to 2^63 - 1. Default: an hour in
%%     nanoseconds.</li>
%% <li>`{lowest, L}': values that differ by less may share a bucket; 1 to `highest' div 2. Default 1.
%%     A larger one saves memory.</li>
%% <li>`{digits, D}': significant digits that buckets tell apart, 1 to 5. Default 3. One more makes
%%     about ten times as many buckets: 33,792 by default, 6,160,384 at most.</li>
%% <li>`{out_of_range, saturate | error}': integers below 0 or above `highest' are counted as 0 or
%%     `highest' (default), also in the sum; or raise `badarg'.</li>
%% </ul>
%%
%% Option of the explicit kind: `{buckets, Bounds}', up to 4096 numbers in strictly ascending order (see
%% {@link exponential_buckets/3}).
%%
%% Raises `badarg' for options that make no sense, and `system_limit' for a `highest' beyond 2^63 - 1,
%% too many bounds, or memory that is not there.
-spec new([option()]) -> histogram().
new([{buckets, Bounds}]) ->
    offheap_nif:histogram_new_explicit(Bounds);
new(Options) ->
    #{lowest := Lowest, highest := Highest, digits := Digits, out_of_range := OutOfRange} =
        options(Options, #{lowest => 1, highest => ?HIGHEST, digits => 3, out_of_range => saturate}),
    %% A bignum is no word that the NIF could judge.
    is_integer(Highest) andalso Highest > ?HIGHEST_MAX andalso error(system_limit),
    offheap_nif:histogram_new_hdr(Lowest, Highest, Digits, saturates(OutOfRange)).

options([{Key, Value} | Rest], Known) when is_map_key(Key, Known) ->
    options(Rest, Known#{Key := Value});
options([], Known) ->
    Known;
options(_, _) ->
    error(badarg).

saturates(saturate) -> true;
saturates(error) -> false;
saturates(_) -> error(badarg).

%% @doc `Count' bounds, the first `Start', each `Factor' times the one before.
%% Raises `badarg' unless `Start' is above 0, `Factor' above 1 and all are floats' size.
-spec exponential_buckets(Start :: number(), Factor :: number(), Count :: pos_integer()) ->
          [float(), ...].
exponential_buckets(Start, Factor, Count)
  when is_number(Start), Start > 0, is_number(Factor), Factor > 1 ->
    series(Start, fun(Bound) -> Bound * Factor end, Count);
exponential_buckets(_, _, _) ->
    error(badarg).

%% @doc `Count' bounds, the first `Start', each `Width' above the one before.
%% Raises `badarg' unless `Width' is above 0 and all are floats' size.
-spec linear_buckets(Start :: number(), Width :: number(), Count :: pos_integer()) -> [float(), ...].
linear_buckets(Start, Width, Count) when is_number(Start), is_number(Width), Width > 0 ->
    series(Start, fun(Bound) -> Bound + Width end, Count);
linear_buckets(_, _, _) ->
    error(badarg).

series(Start, Next, Count) when is_integer(Count), Count > 0 ->
    Count > ?BOUNDS_MAX andalso error(system_limit),
    try
        series_(float(Start), Next, Count)
    catch
        error:badarith -> error(badarg)
    end;
series(_, _, _) ->
    error(badarg).

series_(Bound, _Next, 1) -> [Bound];
series_(Bound, Next, Count) -> [Bound | series_(Next(Bound), Next, Count - 1)].

%% @doc Whether the term is the reference of a histogram.
-spec is_histogram(term()) -> boolean().
is_histogram(Term) -> offheap_nif:is_histogram(Term).

%% @doc Counts a value: HDR an integer, explicit a number (an integer of -2^63..2^64-1 or a float).
%%
%% `{error, enomem}': it is the scheduler's first value and memory is out; nothing is counted.
-spec record(histogram(), Value :: number()) -> ok | {error, enomem}.
record(Histogram, Value) -> offheap_nif:histogram_record(Histogram, Value).

%% @doc Counts a value `N' times, 0..2^63-1.
-spec record_n(histogram(), Value :: number(), N :: non_neg_integer()) -> ok | {error, enomem}.
record_n(Histogram, Value, N) -> offheap_nif:histogram_record_n(Histogram, Value, N).

%% @doc Counts each value of a list; if one cannot be counted, `badarg' is raised and none is.
%%
%% Each is counted by itself: a reading meanwhile may have a part of them. Yields in long lists.
-spec record_many(histogram(), [number()]) -> ok | {error, enomem}.
record_many(Histogram, Values) -> offheap_nif:histogram_record_many(Histogram, Values).

%% @doc Calls `Fun' and records how long it took, by the monotonic clock: HDR in nanoseconds, explicit in
%% seconds. Returns what `Fun' returned. Nothing is recorded if it raises.
-spec measure(histogram(), fun(() -> Result)) -> Result.
measure(Histogram, Fun) -> measure_ns(Histogram, Fun, 0).

%% @doc The same in `Unit': HDR whole ones, explicit with the fraction.
%%
%% Where the time is out of range and the histogram made with `{out_of_range, error}', `badarg' is raised
%% after the call.
-spec measure(histogram(), fun(() -> Result), unit()) -> Result.
measure(Histogram, Fun, Unit) -> measure_ns(Histogram, Fun, unit_ns(Unit)).

measure_ns(Histogram, Fun, UnitNs) when is_function(Fun, 0) ->
    Start = offheap_nif:histogram_start(Histogram),
    Result = Fun(),
    _ = offheap_nif:histogram_stop(Histogram, Start, UnitNs),
    Result;
measure_ns(_, _, _) ->
    error(badarg).

unit_ns(nanosecond) -> 1;
unit_ns(microsecond) -> 1000;
unit_ns(millisecond) -> 1000000;
unit_ns(second) -> 1000000000;
unit_ns(_) -> error(badarg).

%% @doc How many values were recorded: always the sum of the buckets.
-spec count(histogram()) -> non_neg_integer().
count(Histogram) -> offheap_nif:histogram_statistic(Histogram, count).

%% @doc The sum of the values recorded. HDR: exact. Explicit: a float, rounded as additions are.
-spec sum(histogram()) -> number().
sum(Histogram) -> offheap_nif:histogram_statistic(Histogram, sum).

%% @doc The lowest value recorded, exact; `undefined' for an empty histogram.
-spec min(histogram()) -> number() | undefined.
min(Histogram) -> offheap_nif:histogram_statistic(Histogram, min).

%% @doc The highest value recorded, exact; `undefined' for an empty histogram.
-spec max(histogram()) -> number() | undefined.
max(Histogram) -> offheap_nif:histogram_statistic(Histogram, max).

%% @doc The sum by the count; `undefined' for an empty histogram.
-spec mean(histogram()) -> float() | undefined.
mean(Histogram) -> offheap_nif:histogram_statistic(Histogram, mean).

%% @doc The standard deviation of the values recorded (of all, not of a sample); `undefined' for an empty
%% histogram. HDR: of the middles of the buckets, as HdrHistogram computes it. Explicit: from the sum of
%% the squares, which is kept around the middle bound: exact but for rounding, of which there is more the
%% further the values are from there against their deviation.
-spec stddev(histogram()) -> float() | undefined.
stddev(Histogram) -> offheap_nif:histogram_statistic(Histogram, stddev).

%% @doc Count, sum, lowest, highest, mean and standard deviation in one reading.
-spec summary(histogram()) ->
          #{count := non_neg_integer(), sum := number(), min := number() | undefined,
            max := number() | undefined, mean := float() | undefined, stddev := float() | undefined}.
summary(Histogram) -> offheap_nif:histogram_summary(Histogram).

%% @doc The values of up to 1024 quantiles of 0..1, in any order, in one reading.
%%
%% The value of quantile `Q' is that of rank `ceil(Q * Count)' of the values in ascending order, taken as
%% the highest value of its bucket, as HdrHistogram does, or as the highest recorded where that is lower.
%% So it is never below the true one, and HDR above it by less than a unit of the last significant digit.
%% Quantile 0 is the lowest value recorded, 1 the highest, both exact. `undefined' for each quantile of an
%% empty histogram. Raises `system_limit' for more quantiles.
-spec quantiles(histogram(), [number()]) -> [number() | undefined].
quantiles(Histogram, Quantiles) -> offheap_nif:histogram_quantiles(Histogram, Quantiles).

%% @doc The buckets in ascending order, each with the highest value it counts and how many values it has
%% (not cumulative). HDR: those that have any. Explicit: all, the last with `infinity'.
-spec buckets(histogram()) -> [{Upper :: number() | infinity, Count :: non_neg_integer()}].
buckets(Histogram) ->
    %% The steps below are a reading each: of a copy that nobody else knows they are one.
    buckets(offheap_nif:histogram_snapshot(Histogram), ?HIGHEST_MAX, []).

buckets(Snapshot, End, Tail) ->
    case offheap_nif:histogram_buckets(Snapshot, End, Tail) of
        {Next, Buckets} -> buckets(Snapshot, Next, Buckets);
        Buckets -> Buckets
    end.

%% @doc The lowest and the highest of the values that a HDR histogram counts in the bucket of `Value'.
-spec equivalent_range(histogram(), Value :: integer()) ->
          {Lowest :: non_neg_integer(), Highest :: non_neg_integer()}.
equivalent_range(Histogram, Value) -> offheap_nif:histogram_equivalent(Histogram, Value).

%% @doc How the histogram was made, and: the number of buckets (`cells'), how many sets of them there are
%% for schedulers by now (`stripes'), and the memory of all in bytes, of which pages that no value fell in
%% are not taken.
-spec info(histogram()) ->
          #{cells := pos_integer(), stripes := non_neg_integer(), memory := pos_integer(),
            lowest => pos_integer(), highest => pos_integer(), digits => 1..5,
            out_of_range => saturate | error, buckets => [float(), ...]}.
info(Histogram) -> offheap_nif:histogram_info(Histogram).

%% @doc A histogram of its own with all that was recorded. Raises `system_limit' when memory is out.
-spec snapshot(histogram()) -> histogram().
snapshot(Histogram) -> offheap_nif:histogram_snapshot(Histogram).

%% @doc The same, and empties this one: each recording is in exactly one such snapshot, or left.
-spec snapshot_reset(histogram()) -> histogram().
snapshot_reset(Histogram) -> offheap_nif:histogram_snapshot_reset(Histogram).

%% @doc Adds to `Histogram' all that `From' has recorded; `From' keeps it.
%%
%% Both must have the same buckets (HDR: the same digits, and the same `lowest' or one in the same power of
%% two), and HDR must have a bucket for the highest value of `From': else `badarg' is raised. A histogram
%% merged into itself counts twice.
-spec merge(histogram(), From :: histogram()) -> ok.
merge(Histogram, From) -> offheap_nif:histogram_merge(Histogram, From).

%% @doc A HDR histogram in the encoding V2 of HdrHistogram, not compressed. It has the buckets and how they
%% were made, but no sum, lowest and highest value. Raises `badarg' for an explicit histogram, and
%% `system_limit' for a count beyond 2^63 - 1 or memory that is not there.
-spec export(histogram()) -> binary().
export(Histogram) -> offheap_nif:histogram_export(Histogram).

%% @doc Makes a histogram of what {@link export/1} or another HdrHistogram encoded. Values out of range
%% saturate. Sum and mean are those of the buckets' middles, lowest and highest value the ends of the first
%% and the last bucket: all within the significant digits.
%%
%% `{error, malformed}' for a binary that is nothing of the kind, was cut short or has bytes too many, and
%% for what has no integers: an offset, or a ratio other than 1.0.
-spec import(binary()) -> {ok, histogram()} | {error, malformed | enomem}.
import(Binary) -> offheap_nif:histogram_import(Binary).

%% @equiv to_prometheus(Histogram, Name, [])
-spec to_prometheus(histogram(), Name :: atom() | unicode:chardata()) -> binary().
to_prometheus(Histogram, Name) -> to_prometheus(Histogram, Name, []).

%% @doc The histogram in the text format of Prometheus: `# TYPE', a cumulative `_bucket' for each bound and
%% for `+Inf', `_sum', `_count', all of one reading. Options:
%%
%% <ul>
%% <li>`{help, Text}': a line `# HELP' before.</li>
%% <li>`{labels, Labels}': a list or map of names and values. Values may be any text, atom or number.</li>
%% <li>`{divisor, Number}': what bounds and sum are divided by: 1000000000 shows nanoseconds as the seconds
%%     that are usual in Prometheus. Default 1.</li>
%% <li>`{buckets, Bounds}', HDR only: the bounds to show, as divided, in ascending order. Values that share a
%%     bucket with a bound count as not above it. Default: the powers of two less one, which are exact.</li>
%% <li>`{header, false}': no `# TYPE' and `# HELP', for the second and further histograms of a name.</li>
%% </ul>
%%
%% Raises `badarg' for names that Prometheus does not allow.
-spec to_prometheus(histogram(), Name :: atom() | unicode:chardata(), [text_option()]) -> binary().
to_prometheus(Histogram, Name, Options) ->
    offheap_histogram_text:prometheus(snapshot(Histogram), Name, Options).
