%% @doc Counters that several processes add to at once without waiting for each other.
%%
%% The functions, their errors and their arithmetic are those of OTP's {@link //erts/counters. counters};
%% {@link sum_reset/2}, {@link sum/1}, {@link to_list/1}, {@link to_list_reset/1}, {@link to_binary/1},
%% {@link size/1} and the choice of stripes are beyond it. An array of counters lives as long as some
%% process, message or table holds its reference.
%%
%% With the option `write_concurrency' or `{stripes, N}' each counter is kept as the sum of several
%% cells, one in each stripe, and a scheduler adds to the stripe that is its own. A stripe fills whole
%% cache lines. With `atomics', the default as in OTP, a counter is one cell.
%%
%% <ul>
%% <li>Indices are one-based. A counter is zero at first.</li>
%% <li>Values are integers of -2^63..2^63-1. Arithmetic wraps around at these limits.</li>
%% <li>Every {@link add/3} and {@link sub/3} is atomic and a full memory barrier (sequentially
%%     consistent). None is ever lost.</li>
%% <li>{@link get/2} of one cell is an acquire load: who reads a value also sees all that its writer did
%%     before. Of several stripes it adds up cells read one after the other: no add that happened before
%%     is missed; of those that other processes make meanwhile, any may be counted. So it is exact when
%%     nobody writes. What the `atomics' kind promises and this one does not: of two adds to the same
%%     counter, one after the other, a read under way may see only the second.</li>
%% <li>{@link put/3} of several stripes sets one cell to the value and the others to zero, one after the
%%     other. An add by another process meanwhile is either wiped out or counted on top; of several puts
%%     at once, one's value stays; a read meanwhile may mix cells of before and after. It does not
%%     scale.</li>
%% <li>`badarg' is raised for a wrong reference, an index outside the array, a value outside its range;
%%     {@link sub/3} raises `badarith' for what is no number.</li>
%% </ul>
%%
%% {@link add/3} takes constant time; {@link get/2}, {@link put/3} and {@link sum_reset/2} time in
%% proportion to the stripes, some 100 us for 1,024 of them at the worst; what reads all counters yields.
%%
%% The idea is that of D. Lea's LongAdder (java.util.concurrent.atomic, 2011), as is the name of
%% `sum_reset'.
-module(offheap_counters).

-export([new/2, get/2, add/3, sub/3, put/3, info/1]).
-export([size/1, sum/1, sum_reset/2, to_list/1, to_list_reset/1, to_binary/1]).
-export_type([counters_ref/0]).

-opaque counters_ref() :: reference().

-define(CELLS_MAX, (1 bsl 40)).

%% @doc Makes an array of `Size' zeros. Options, of which at most one may be given:
%%
%% <dl>
%% <dt>`atomics'</dt><dd>One cell a counter. The default.</dd>
%% <dt>`write_concurrency'</dt><dd>A stripe for each scheduler thread of the emulator.</dd>
%% <dt>`{stripes, N}'</dt><dd>`N' stripes, 1..1024. Fewer than schedulers take less memory and are read
%%     faster; schedulers then share some.</dd>
%% </dl>
%%
%% The number of stripes is rounded up to a power of two; {@link info/1} tells it. Each takes 8 bytes a
%% counter, rounded up to 64.
%%
%% Raises `badarg' for a size that is not a positive integer or for other options, and `system_limit'
%% for more counters than memory can hold (at most 2^40 cells in all stripes).
-spec new(Size :: pos_integer(), Opts :: [atomics | write_concurrency | {stripes, 1..1024}]) ->
          counters_ref().
new(Size, Opts) ->
    Stripes = stripes(Opts),
    %% A bignum is no word that the NIF could judge.
    is_integer(Size) andalso Size > ?CELLS_MAX andalso error(system_limit),
    offheap_nif:counters_new(Size, Stripes).

%% 0 stands for as many as there are schedulers.
stripes([]) -> 1;
stripes([atomics]) -> 1;
stripes([write_concurrency]) -> 0;
stripes([{stripes, N}]) when is_integer(N), N >= 1, N =< 1024 -> N;
stripes(_) -> error(badarg).

%% @doc The counter's value.
-spec get(counters_ref(), Index :: pos_integer()) -> integer().
get(Ref, Index) -> offheap_nif:counters_get(Ref, Index).

%% @doc Adds `Increment', an integer of -2^63..2^64-1.
-spec add(counters_ref(), Index :: pos_integer(), Increment :: integer()) -> ok.
add(Ref, Index, Increment) -> offheap_nif:counters_add(Ref, Index, Increment).

%% @doc Subtracts `Decrement', an integer of -(2^64-1)..2^63.
-spec sub(counters_ref(), Index :: pos_integer(), Decrement :: integer()) -> ok.
sub(Ref, Index, Decrement) -> offheap_nif:counters_add(Ref, Index, -Decrement).

%% @doc Sets the counter to `Value'. Above it is said what that means while others add.
-spec put(counters_ref(), Index :: pos_integer(), Value :: integer()) -> ok.
put(Ref, Index, Value) -> offheap_nif:counters_put(Ref, Index, Value).

%% @doc The number of counters, the stripes in which they are kept, the memory in bytes.
-spec info(counters_ref()) ->
          #{size := pos_integer(), stripes := pos_integer(), memory := pos_integer()}.
info(Ref) -> offheap_nif:counters_info(Ref).

%% @doc The number of counters.
-spec size(counters_ref()) -> pos_integer().
size(Ref) -> offheap_nif:counters_size(Ref).

%% @doc The sum of all counters, wrapped around as {@link add/3} would. Each cell is read atomically; all
%% together they are not one instant. Under a nanosecond a cell; yields.
-spec sum(counters_ref()) -> integer().
sum(Ref) -> offheap_nif:counters_sum(Ref).

%% @doc Takes what the counter holds and leaves zero: returns its value. Each cell is exchanged for zero,
%% so that each add is part of exactly one result, or still in the counter: the results of all
%% `sum_reset's and what is left at the end make up all that was added. (A {@link put/3} at the same time
%% sets cells and is no add.)
-spec sum_reset(counters_ref(), Index :: pos_integer()) -> integer().
sum_reset(Ref, Index) -> offheap_nif:counters_sum_reset(Ref, Index).

%% @doc All counters in order. Each cell is read atomically; all together they are not one instant.
%% Yields.
-spec to_list(counters_ref()) -> [integer(), ...].
to_list(Ref) -> offheap_nif:counters_to_list(Ref).

%% @doc Takes what all counters hold, each as by {@link sum_reset/2}, and returns it in order; all
%% together they are not one instant. Yields: what a process has taken is lost with it when it is killed
%% meanwhile.
-spec to_list_reset(counters_ref()) -> [integer(), ...].
to_list_reset(Ref) -> offheap_nif:counters_to_list_reset(Ref).

%% @doc All counters in order, each as 64 bits signed in the machine's byte order: counter `I' is
%% `binary:part(Binary, 8 * (I - 1), 8)', to be matched by `<<Value:64/signed-native>>'. The fastest way
%% to read many, under a nanosecond a cell. Each cell is read atomically; all together they are not one
%% instant. Works in chunks that let other processes run.
-spec to_binary(counters_ref()) -> binary().
to_binary(Ref) ->
    Chunk = offheap_nif:counters_to_binary(Ref, 1),
    to_binary(Ref, 1 + byte_size(Chunk) div 8, Chunk).

to_binary(Ref, First, Done) ->
    case offheap_nif:counters_to_binary(Ref, First) of
        <<>> -> iolist_to_binary(Done);
        Chunk -> to_binary(Ref, First + byte_size(Chunk) div 8, [Done, Chunk])
    end.
