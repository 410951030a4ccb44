%% @doc Arrays of numbers in shared memory, each cell read and changed atomically.
%%
%% {@link new/2} with no option makes an array as OTP's {@link //erts/atomics. atomics} does, and
%% the functions of that module are here with its errors and its arithmetic. Beyond it: cells of 8,
%% 16 and 32 bits and floats; saturating arithmetic; minimum, maximum and bitwise operations;
%% functions that return the old value; many cells in one call. An array lives as long as some
%% process, message or table holds its reference.
%%
%% == Values ==
%%
%% <ul>
%% <li>Indices are one-based. A cell is zero at first.</li>
%% <li>Integers have 64 bits or what the option `bits' says: -2^(Bits-1)..2^(Bits-1)-1 (signed) or
%%     0..2^Bits-1 (unsigned). Arithmetic wraps around at these limits or, with `{overflow,
%%     saturate}', stops there.</li>
%% <li>What is added is any integer of -2^63..2^64-1, however wide the cell. All other operands are
%%     values that the cell can hold.</li>
%% <li>Floats are doubles and always finite: an addition whose result is not raises `badarith' and
%%     changes nothing or, with `{overflow, saturate}', gives the largest finite float of its sign.
%%     Integers of -2^63..2^64-1 are accepted where a float is expected.</li>
%% <li>`badarg' is raised for a wrong reference, an index or a range outside the array, a value that
%%     a cell cannot hold, a bitwise operation on floats.</li>
%% </ul>
%%
%% == Names ==
%%
%% An operation `X' returns `ok', `X_get' the new value and `fetch_X' the old one, where X is add,
%% sub, saturating_add, min, max, band, bor or bxor. A range is its first cell and how many follow
%% from there, with 1 =&lt; First =&lt; Size + 1 and 0 =&lt; Count =&lt; Size + 1 - First.
%%
%% == Memory order ==
%%
%% <ul>
%% <li>Each function of one index is one instant: no other process sees a cell half changed, or
%%     misses a change between the old value and the new.</li>
%% <li>Each write is a full memory barrier (sequentially consistent), as in OTP's module. Those of
%%     {@link fill/2}, {@link fill/4}, {@link load/2} and {@link load/3} are release stores: who
%%     reads such a value also sees what its writer did before, but they are not ordered with later
%%     reads of the writer.</li>
%% <li>Each read is an acquire load: who reads a value also sees all that its writer did before. A
%%     minimum, maximum or saturating addition that finds nothing to change, and an {@link
%%     add_bounded/5} that is refused, are such reads.</li>
%% <li>Functions of several cells treat each cell as above, one after the other: all together they
%%     are not one instant, and other processes may see some cells changed and others not yet.</li>
%% </ul>
%%
%% == Time ==
%%
%% Functions of one index take constant time; on floats, and for min, max, saturating and bounded
%% additions, bitwise ones that return a value, a few attempts more (with back-off) if other
%% processes change the cell at the same moment. Functions of several cells take time in proportion
%% and let other processes run in between, however many cells there are; only binaries of some size
%% are made and loaded in one go, on a dirty scheduler.
-module(offheap_atomics).

%% OTP's functions.
-export([new/2, put/3, get/2, add/3, add_get/3, sub/3, sub_get/3, exchange/3, compare_exchange/4,
         info/1]).
%% One cell.
-export([size/1, fetch_add/3, fetch_sub/3, saturating_add/3, saturating_add_get/3,
         fetch_saturating_add/3, min/3, min_get/3, fetch_min/3, max/3, max_get/3, fetch_max/3,
         'band'/3, band_get/3, fetch_band/3, 'bor'/3, bor_get/3, fetch_bor/3, 'bxor'/3, bxor_get/3,
         fetch_bxor/3, add_bounded/5]).
%% Several cells.
-export([get_many/2, put_many/2, add_many/2, update_many/2, fill/2, fill/4, sum/1, sum/3, minimum/1,
         minimum/3, maximum/1, maximum/3, to_list/1, to_list/3, exchange_all/2, exchange_all/4,
         snapshot/1, snapshot/3, load/2, load/3, merge/2, merge/3]).
-export_type([atomics_ref/0, option/0, index/0, operation/0]).

-opaque atomics_ref() :: reference().
-type option() :: {signed, boolean()}
                | {type, integer | float}
                | {bits, 8 | 16 | 32 | 64}
                | {overflow, wrap | raise | saturate}
                | {layout, packed | padded}.
-type index() :: pos_integer().
-type operation() :: put | add | saturating_add | min | max | 'band' | 'bor' | 'bxor'.

%% The most cells of an array.
-define(SIZE_MAX, (1 bsl 40)).
%% The most cells that one call of the NIF turns into a list.
-define(LIST_CHUNK, 4096).
%% The most bytes that are loaded or merged on a normal scheduler.
-define(LOAD_BYTES, 16384).

%% --- Arrays ---

%% @doc Makes an array of `Size' zeros. Options:
%%
%% <ul>
%% <li>`{type, integer | float}': default `integer'.</li>
%% <li>`{signed, boolean()}': whether integers have a sign. Default `true'.</li>
%% <li>`{bits, 8 | 16 | 32 | 64}': how wide an integer is. Default 64.</li>
%% <li>`{overflow, wrap | saturate}' of integers, `{overflow, raise | saturate}' of floats: what
%%     additions do that pass the limits of a cell. Defaults `wrap' and `raise'.</li>
%% <li>`{layout, packed | padded}': cells side by side, or each on a cache line of its own (64
%%     bytes), so that processes that write to different cells do not slow each other down. Default
%%     `packed'.</li>
%% </ul>
%%
%% Of an option given twice the last one counts. Raises `badarg' for a size that is not a positive
%% integer, for an unknown option, for options that do not go together (`signed', `wrap' or `bits'
%% other than 64 with floats; `raise' with integers), and `system_limit' for more cells than memory
%% can hold (at most 2^40). Memory is taken page by page as cells are first written, so a big array
%% is made in constant time.
-spec new(Size :: pos_integer(), [option()]) -> atomics_ref().
new(Size, Opts) ->
    {Kind, Bits, Saturating, Padded} = layout(options(Opts, #{})),
    %% A bignum is no word that the NIF could judge.
    is_integer(Size) andalso Size > ?SIZE_MAX andalso error(system_limit),
    offheap_nif:atomics_new(Size, Kind, Bits, Saturating, Padded).

options([{Key, Value} | Opts], Map) ->
    is_option(Key, Value) orelse error(badarg),
    options(Opts, Map#{Key => Value});
options([], Map) ->
    Map;
options(_, _) ->
    error(badarg).

is_option(signed, Value) -> is_boolean(Value);
is_option(type, Value) -> Value =:= integer orelse Value =:= float;
is_option(bits, Value) -> lists:member(Value, [8, 16, 32, 64]);
is_option(overflow, Value) -> lists:member(Value, [wrap, raise, saturate]);
is_option(layout, Value) -> Value =:= packed orelse Value =:= padded;
is_option(_, _) -> false.

layout(#{type := float, signed := _}) -> error(badarg);
layout(#{type := float, bits := Bits}) when Bits =/= 64 -> error(badarg);
layout(#{type := float, overflow := wrap}) -> error(badarg);
layout(#{type := float} = Map) -> {float, 64, saturating(Map), padded(Map)};
layout(#{overflow := raise}) -> error(badarg);
layout(Map) -> {sign(Map), maps:get(bits, Map, 64), saturating(Map), padded(Map)}.

sign(#{signed := false}) -> unsigned;
sign(_) -> signed.

saturating(Map) -> maps:get(overflow, Map, wrap) =:= saturate.

padded(Map) -> maps:get(layout, Map, packed) =:= padded.

%% @doc The number of cells.
-spec size(atomics_ref()) -> pos_integer().
size(Ref) -> offheap_nif:atomics_size(Ref).

%% @doc The number of cells, the largest and smallest value they can hold, the memory in bytes, and
%% what the array was made with.
-spec info(atomics_ref()) ->
          #{size := pos_integer(), max := number(), min := number(), memory := pos_integer(),
            type := integer | float, bits := 8 | 16 | 32 | 64, overflow := wrap | raise | saturate,
            layout := packed | padded}.
info(Ref) -> offheap_nif:atomics_info(Ref).

%% --- One cell ---

%% @doc Sets the cell to `Value'.
-spec put(atomics_ref(), index(), Value :: number()) -> ok.
put(Ref, Index, Value) -> offheap_nif:atomics_put(Ref, Index, Value).

%% @doc The cell's value. An acquire load.
-spec get(atomics_ref(), index()) -> number().
get(Ref, Index) -> offheap_nif:atomics_get(Ref, Index).

%% @doc Sets the cell to `Desired' and returns the value that was there.
-spec exchange(atomics_ref(), index(), Desired :: number()) -> number().
exchange(Ref, Index, Desired) -> offheap_nif:atomics_exchange(Ref, Index, Desired).

%% @doc Sets the cell to `Desired' if it holds `Expected', and returns `ok'; else returns what it
%% holds.
%%
%% Floats are compared bit by bit: `0.0' is not `-0.0'. A full barrier in both cases.
-spec compare_exchange(atomics_ref(), index(), Expected :: number(), Desired :: number()) ->
          ok | number().
compare_exchange(Ref, Index, Expected, Desired) ->
    offheap_nif:atomics_compare_exchange(Ref, Index, Expected, Desired).

%% @doc Adds `Increment': to an integer an integer of -2^63..2^64-1, to a float a float.
-spec add(atomics_ref(), index(), Increment :: number()) -> ok.
add(Ref, Index, Increment) -> offheap_nif:atomics_add(Ref, Index, Increment).

%% @doc As {@link add/3}; returns the new value.
-spec add_get(atomics_ref(), index(), Increment :: number()) -> number().
add_get(Ref, Index, Increment) -> offheap_nif:atomics_add_get(Ref, Index, Increment).

%% @doc As {@link add/3}; returns the old value.
-spec fetch_add(atomics_ref(), index(), Increment :: number()) -> number().
fetch_add(Ref, Index, Increment) -> offheap_nif:atomics_fetch_add(Ref, Index, Increment).

%% @doc Subtracts `Decrement': from an integer an integer of -(2^64-1)..2^63, from a float a float.
-spec sub(atomics_ref(), index(), Decrement :: number()) -> ok.
sub(Ref, Index, Decrement) -> offheap_nif:atomics_add(Ref, Index, -Decrement).

%% @doc As {@link sub/3}; returns the new value.
-spec sub_get(atomics_ref(), index(), Decrement :: number()) -> number().
sub_get(Ref, Index, Decrement) -> offheap_nif:atomics_add_get(Ref, Index, -Decrement).

%% @doc As {@link sub/3}; returns the old value.
-spec fetch_sub(atomics_ref(), index(), Decrement :: number()) -> number().
fetch_sub(Ref, Index, Decrement) -> offheap_nif:atomics_fetch_add(Ref, Index, -Decrement).

%% @doc Adds as {@link add/3}, but stops at the largest and the smallest value that the cell can
%% hold, whatever the array's option `overflow'. A negative `Increment' subtracts.
-spec saturating_add(atomics_ref(), index(), Increment :: number()) -> ok.
saturating_add(Ref, Index, Increment) -> offheap_nif:atomics_saturating_add(Ref, Index, Increment).

%% @doc As {@link saturating_add/3}; returns the new value.
-spec saturating_add_get(atomics_ref(), index(), Increment :: number()) -> number().
saturating_add_get(Ref, Index, Increment) ->
    offheap_nif:atomics_saturating_add_get(Ref, Index, Increment).

%% @doc As {@link saturating_add/3}; returns the old value.
-spec fetch_saturating_add(atomics_ref(), index(), Increment :: number()) -> number().
fetch_saturating_add(Ref, Index, Increment) ->
    offheap_nif:atomics_fetch_saturating_add(Ref, Index, Increment).

%% @doc Adds `Increment' if the sum is in `Low..High': `{ok, New}'. Else `{error, limit}', and
%% nothing changes.
%%
%% The sum is exact: it does not wrap around, whatever the array's option `overflow'; of floats it
%% is rounded. A negative `Increment' subtracts. `Low' and `High' are values that the cell can hold;
%% `badarg' if `Low' is greater.
-spec add_bounded(atomics_ref(), index(), Increment :: number(), Low :: number(),
                  High :: number()) -> {ok, New :: number()} | {error, limit}.
add_bounded(Ref, Index, Increment, Low, High) ->
    offheap_nif:atomics_add_bounded(Ref, Index, Increment, Low, High).

%% @doc Sets the cell to `Value' if that is less.
-spec min(atomics_ref(), index(), Value :: number()) -> ok.
min(Ref, Index, Value) -> offheap_nif:atomics_min(Ref, Index, Value).

%% @doc As {@link min/3}; returns the new value.
-spec min_get(atomics_ref(), index(), Value :: number()) -> number().
min_get(Ref, Index, Value) -> offheap_nif:atomics_min_get(Ref, Index, Value).

%% @doc As {@link min/3}; returns the old value.
-spec fetch_min(atomics_ref(), index(), Value :: number()) -> number().
fetch_min(Ref, Index, Value) -> offheap_nif:atomics_fetch_min(Ref, Index, Value).

%% @doc Sets the cell to `Value' if that is greater.
-spec max(atomics_ref(), index(), Value :: number()) -> ok.
max(Ref, Index, Value) -> offheap_nif:atomics_max(Ref, Index, Value).

%% @doc As {@link max/3}; returns the new value.
-spec max_get(atomics_ref(), index(), Value :: number()) -> number().
max_get(Ref, Index, Value) -> offheap_nif:atomics_max_get(Ref, Index, Value).

%% @doc As {@link max/3}; returns the old value.
-spec fetch_max(atomics_ref(), index(), Value :: number()) -> number().
fetch_max(Ref, Index, Value) -> offheap_nif:atomics_fetch_max(Ref, Index, Value).

%% @doc Keeps the bits that are also set in `Mask', a value that the cell can hold. `badarg' on
%% floats.
-spec 'band'(atomics_ref(), index(), Mask :: integer()) -> ok.
'band'(Ref, Index, Mask) -> offheap_nif:atomics_band(Ref, Index, Mask).

%% @doc As {@link band/3}; returns the new value.
-spec band_get(atomics_ref(), index(), Mask :: integer()) -> integer().
band_get(Ref, Index, Mask) -> offheap_nif:atomics_band_get(Ref, Index, Mask).

%% @doc As {@link band/3}; returns the old value.
-spec fetch_band(atomics_ref(), index(), Mask :: integer()) -> integer().
fetch_band(Ref, Index, Mask) -> offheap_nif:atomics_fetch_band(Ref, Index, Mask).

%% @doc Sets the bits that are set in `Mask', a value that the cell can hold. `badarg' on floats.
-spec 'bor'(atomics_ref(), index(), Mask :: integer()) -> ok.
'bor'(Ref, Index, Mask) -> offheap_nif:atomics_bor(Ref, Index, Mask).

%% @doc As {@link bor/3}; returns the new value.
-spec bor_get(atomics_ref(), index(), Mask :: integer()) -> integer().
bor_get(Ref, Index, Mask) -> offheap_nif:atomics_bor_get(Ref, Index, Mask).

%% @doc As {@link bor/3}; returns the old value.
-spec fetch_bor(atomics_ref(), index(), Mask :: integer()) -> integer().
fetch_bor(Ref, Index, Mask) -> offheap_nif:atomics_fetch_bor(Ref, Index, Mask).

%% @doc Flips the bits that are set in `Mask', a value that the cell can hold. `badarg' on floats.
-spec 'bxor'(atomics_ref(), index(), Mask :: integer()) -> ok.
'bxor'(Ref, Index, Mask) -> offheap_nif:atomics_bxor(Ref, Index, Mask).

%% @doc As {@link bxor/3}; returns the new value.
-spec bxor_get(atomics_ref(), index(), Mask :: integer()) -> integer().
bxor_get(Ref, Index, Mask) -> offheap_nif:atomics_bxor_get(Ref, Index, Mask).

%% @doc As {@link bxor/3}; returns the old value.
-spec fetch_bxor(atomics_ref(), index(), Mask :: integer()) -> integer().
fetch_bxor(Ref, Index, Mask) -> offheap_nif:atomics_fetch_bxor(Ref, Index, Mask).

%% --- Several cells ---

%% @doc The values of these cells, in this order.
-spec get_many(atomics_ref(), [index()]) -> [number()].
get_many(Ref, Indices) ->
    case offheap_nif:atomics_get_many(Ref, Indices) of
        {Values, Rest} -> Values ++ get_many(Ref, Rest);
        Values -> Values
    end.

%% @doc {@link put/3} of each item, in order. All items are checked before the first one is stored,
%% so that `badarg' changes nothing.
-spec put_many(atomics_ref(), [{index(), Value :: number()}]) -> ok.
put_many(Ref, Items) -> offheap_nif:atomics_put_many(Ref, Items).

%% @doc {@link add/3} of each item, in order. All items are checked before the first one is added,
%% so that `badarg' changes nothing. Where a float would not be finite, `badarith' is raised when
%% the items before it have been added.
-spec add_many(atomics_ref(), [{index(), Increment :: number()}]) -> ok.
add_many(Ref, Items) -> offheap_nif:atomics_add_many(Ref, Items).

%% @doc Does the operation of each item, in order. An index may be there more than once.
%%
%% All items are checked before the first one is done, so that `badarg' changes nothing. Where a
%% float would not be finite, `badarith' is raised when the items before it have been done. A list
%% that is not done yet when the process is killed is done in part.
-spec update_many(atomics_ref(), [{index(), operation(), Operand :: number()}]) -> ok.
update_many(Ref, Items) -> offheap_nif:atomics_update_many(Ref, Items).

%% @doc Sets all cells to `Value', by release stores.
-spec fill(atomics_ref(), Value :: number()) -> ok.
fill(Ref, Value) -> offheap_nif:atomics_fill(Ref, Value).

%% @doc Sets `Count' cells from `First' on to `Value', by release stores.
-spec fill(atomics_ref(), First :: index(), Count :: non_neg_integer(), Value :: number()) -> ok.
fill(Ref, First, Count, Value) -> offheap_nif:atomics_fill(Ref, First, Count, Value).

%% @doc The sum of all cells, as {@link sum/3}.
-spec sum(atomics_ref()) -> number().
sum(Ref) -> offheap_nif:atomics_sum(Ref).

%% @doc The sum of `Count' cells from `First' on; 0 of none.
%%
%% Integers, of whatever width, are added with 64 bits and wrap around there: signed or unsigned, as
%% the cells are. Floats are added from left to right; `badarith' if the sum is not finite. About
%% 0.3 ns a cell, of floats 1 ns.
-spec sum(atomics_ref(), First :: index(), Count :: non_neg_integer()) -> number().
sum(Ref, First, Count) -> offheap_nif:atomics_sum(Ref, First, Count).

%% @doc The least value of all cells.
-spec minimum(atomics_ref()) -> number().
minimum(Ref) -> offheap_nif:atomics_minimum(Ref).

%% @doc The least value of `Count' cells from `First' on; `badarg' of none.
-spec minimum(atomics_ref(), First :: index(), Count :: pos_integer()) -> number().
minimum(Ref, First, Count) -> offheap_nif:atomics_minimum(Ref, First, Count).

%% @doc The greatest value of all cells.
-spec maximum(atomics_ref()) -> number().
maximum(Ref) -> offheap_nif:atomics_maximum(Ref).

%% @doc The greatest value of `Count' cells from `First' on; `badarg' of none.
-spec maximum(atomics_ref(), First :: index(), Count :: pos_integer()) -> number().
maximum(Ref, First, Count) -> offheap_nif:atomics_maximum(Ref, First, Count).

%% @doc All cells in order.
-spec to_list(atomics_ref()) -> [number(), ...].
to_list(Ref) -> to_list(Ref, 1, offheap_nif:atomics_size(Ref)).

%% @doc `Count' cells from `First' on, in order.
-spec to_list(atomics_ref(), First :: index(), Count :: non_neg_integer()) -> [number()].
to_list(Ref, First, Count) ->
    list(fun(From, To, Tail) -> offheap_nif:atomics_to_list(Ref, From, To, Tail) end,
         First, last(Ref, First, Count)).

%% @doc Sets all cells to `Value' and returns what was in them, as {@link exchange_all/4}.
-spec exchange_all(atomics_ref(), Value :: number()) -> [number(), ...].
exchange_all(Ref, Value) -> exchange_all(Ref, 1, offheap_nif:atomics_size(Ref), Value).

%% @doc Sets `Count' cells from `First' on to `Value' and returns what was in them, in order.
%%
%% Each cell is exchanged atomically, so that draining counters with a `Value' of 0 loses no
%% increment: what is added before the exchange is in the list, what is added after it is in the
%% cell. Goes from the last cell to the first, 4096 cells at a time. Arguments are checked before
%% the first exchange; what a process has taken out when it is killed goes with it.
-spec exchange_all(atomics_ref(), First :: index(), Count :: non_neg_integer(),
                   Value :: number()) -> [number()].
exchange_all(Ref, First, Count, Value) ->
    list(fun(From, To, Tail) -> offheap_nif:atomics_exchange_all(Ref, From, To, Value, Tail) end,
         First, last(Ref, First, Count)).

%% The last cell of a range that is in the array.
last(Ref, First, Count) ->
    is_integer(First) andalso is_integer(Count) andalso First >= 1 andalso Count >= 0 andalso
        First + Count - 1 =< offheap_nif:atomics_size(Ref) orelse error(badarg),
    First + Count - 1.

%% Chunk(From, To, Tail) puts the values of a chunk before the list of those after it.
list(Chunk, First, Last) -> list(Chunk, First, Last, []).

list(Chunk, First, Last, Tail) when Last - First < ?LIST_CHUNK ->
    Chunk(First, Last, Tail);
list(Chunk, First, Last, Tail) ->
    From = Last - ?LIST_CHUNK + 1,
    list(Chunk, First, From - 1, Chunk(From, Last, Tail)).

%% @doc All cells as a binary: integers and floats of the cells' own width in the machine's byte
%% order, side by side in any layout. {@link load/2} takes it back.
%%
%% Each cell is read atomically; all together they are not one instant. More than about 64 K cells
%% (8 K padded ones) are read on a dirty scheduler. `system_limit' where memory cannot hold the
%% binary.
-spec snapshot(atomics_ref()) -> binary().
snapshot(Ref) -> offheap_nif:atomics_snapshot(Ref).

%% @doc `Count' cells from `First' on as a binary, as {@link snapshot/1}.
-spec snapshot(atomics_ref(), First :: index(), Count :: non_neg_integer()) -> binary().
snapshot(Ref, First, Count) -> offheap_nif:atomics_snapshot(Ref, First, Count).

%% @doc Sets all cells from a binary as {@link snapshot/1} makes it of an array of the same size,
%% type and width, as {@link load/3}.
-spec load(atomics_ref(), binary()) -> ok.
load(Ref, Binary) when byte_size(Binary) > ?LOAD_BYTES ->
    offheap_nif:atomics_load_dirty(Ref, Binary);
load(Ref, Binary) ->
    offheap_nif:atomics_load(Ref, Binary).

%% @doc Sets cells from `First' on from a binary, by release stores.
%%
%% Raises `badarg', and changes nothing, if the binary is not whole cells or passes the array's end,
%% or if one of its floats is infinite or no number. More than 16 KiB are loaded on a dirty
%% scheduler.
-spec load(atomics_ref(), First :: index(), binary()) -> ok.
load(Ref, First, Binary) when byte_size(Binary) > ?LOAD_BYTES ->
    offheap_nif:atomics_load_dirty(Ref, First, Binary);
load(Ref, First, Binary) ->
    offheap_nif:atomics_load(Ref, First, Binary).

%% @doc Adds to all cells what a binary holds that {@link snapshot/1} made of an array of the same
%% size, type and width, as {@link merge/3}.
-spec merge(atomics_ref(), binary()) -> ok.
merge(Ref, Binary) when byte_size(Binary) > ?LOAD_BYTES ->
    offheap_nif:atomics_merge_dirty(Ref, Binary);
merge(Ref, Binary) ->
    offheap_nif:atomics_merge(Ref, Binary).

%% @doc Adds the numbers of a binary to cells from `First' on, in order: {@link add/3} of each.
%%
%% The quickest way to add to many cells: 2 ns for each. Raises `badarg', and changes nothing, where
%% {@link load/3} does. Where a float would not be finite, `badarith' is raised when the cells before
%% it have been added to. More than 16 KiB are merged on a dirty scheduler.
-spec merge(atomics_ref(), First :: index(), binary()) -> ok.
merge(Ref, First, Binary) when byte_size(Binary) > ?LOAD_BYTES ->
    offheap_nif:atomics_merge_dirty(Ref, First, Binary);
merge(Ref, First, Binary) ->
    offheap_nif:atomics_merge(Ref, First, Binary).
