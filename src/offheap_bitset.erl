%% @doc Sets of bits in shared memory, each set, cleared, flipped and tested atomically, that also hand out
%% slots: {@link claim/1} sets the lowest clear bit and says which.
%%
%% A set lives as long as some process, message or table holds its reference.
%%
%% <ul>
%% <li>Bits are numbered from zero: bit I is the bit `1 bsl I' of an integer and bit `I rem 8' of byte
%%     `I div 8' of {@link to_binary/1}, and a claimed slot is an offset. (OTP's atomics, and so
%%     {@link offheap_atomics}, are numbered from one, like elements of tuples: the cell of slot I is
%%     I + 1.) A bit is clear at first.</li>
%% <li>{@link set/2}, {@link clear/2}, {@link flip/2}, {@link claim/1} and {@link release/2} are atomic and
%%     full memory barriers (sequentially consistent); {@link test/2} is an acquire load. So what one
%%     holder of a slot did before it released it is seen by the next.</li>
%% <li>What passes over many bits ({@link count/3}, {@link union/2}, {@link to_binary/1} and so on) reads and
%%     writes words of 64 bits, each atomically; all together they are not one instant.</li>
%% <li>`badarg' is raised for a wrong reference, a bit outside the set, sets of different sizes.</li>
%% </ul>
%%
%% Functions on one bit take constant time. The others yield or, where large binaries are made or read, run
%% on a dirty scheduler.
-module(offheap_bitset).

-export([new/1, from_binary/2, size/1, info/1, test/2, set/2, clear/2, flip/2, claim/1, release/2,
         count/1, count/3, union/2, intersection/2, difference/2, to_binary/1]).
-export_type([bitset/0, index/0]).

-opaque bitset() :: reference().
-type index() :: non_neg_integer().

%% The most bits of a set.
-define(SIZE_MAX, (1 bsl 40)).

%% @doc Makes a set of `Size' clear bits.
%%
%% Raises `badarg' for a size that is not a positive integer, and `system_limit' for more bits than memory
%% can hold (at most 2^40). Takes a bit and 1/32 of memory a bit, page by page as they are first written.
-spec new(Size :: pos_integer()) -> bitset().
new(Size) ->
    %% A bignum is no word that the NIF could judge.
    is_integer(Size) andalso Size > ?SIZE_MAX andalso error(system_limit),
    offheap_nif:bitset_new(Size).

%% @doc Makes a set of `Size' bits from what {@link to_binary/1} gave.
%%
%% Raises `badarg' unless the binary has `ceil(Size / 8)' bytes and no bit set beyond the last; and
%% `system_limit' if memory is out.
-spec from_binary(binary(), Size :: pos_integer()) -> bitset().
from_binary(Binary, Size) -> offheap_nif:bitset_from_binary(Binary, Size).

%% @doc The number of bits, set or not.
-spec size(bitset()) -> pos_integer().
size(Set) -> offheap_nif:bitset_size(Set).

%% @doc The number of bits, and the memory in bytes.
-spec info(bitset()) -> #{size := pos_integer(), memory := pos_integer()}.
info(Set) -> #{size => offheap_nif:bitset_size(Set), memory => offheap_nif:bitset_memory(Set)}.

%% @doc Whether the bit is set.
-spec test(bitset(), index()) -> boolean().
test(Set, Index) -> offheap_nif:bitset_test(Set, Index).

%% @doc Sets the bit. Returns whether it was set.
-spec set(bitset(), index()) -> boolean().
set(Set, Index) -> offheap_nif:bitset_set(Set, Index).

%% @doc Clears the bit. Returns whether it was set.
-spec clear(bitset(), index()) -> boolean().
clear(Set, Index) -> offheap_nif:bitset_clear(Set, Index).

%% @doc Clears the bit if it is set, else sets it. Returns whether it was set.
-spec flip(bitset(), index()) -> boolean().
flip(Set, Index) -> offheap_nif:bitset_flip(Set, Index).

%% @doc Sets a clear bit and returns its number, or `full'.
%%
%% It is the lowest clear bit, unless other processes change the set at the same time; in any case no two
%% claims get the same bit without a release between them. `full' is returned only if there was an
%% instant during the call at which each bit was set, or was being cleared by a call that had not returned. So
%% if no more than N processes share N slots, and each holds at most one, none of them is ever refused.
%%
%% Takes some steps down a tree, one for every power of 32 in the size, however full the set is. If others
%% keep taking what it finds, it lets other processes run in between.
-spec claim(bitset()) -> index() | full.
claim(Set) -> offheap_nif:bitset_claim(Set).

%% @doc Clears a bit that was claimed: `ok', or `not_claimed' if it was clear already, which points to a
%% slot that is given back twice.
-spec release(bitset(), index()) -> ok | not_claimed.
release(Set, Index) -> offheap_nif:bitset_release(Set, Index).

%% @doc The number of bits that are set. Not one instant. Yields; about 5 ms for 10^8 bits.
-spec count(bitset()) -> non_neg_integer().
count(Set) -> offheap_nif:bitset_count(Set, 0, offheap_nif:bitset_size(Set)).

%% @doc The same of the `Length' bits from `Index' on. The range must be inside the set; it may be empty.
-spec count(bitset(), index(), Length :: non_neg_integer()) -> non_neg_integer().
count(Set, Index, Length) -> offheap_nif:bitset_count(Set, Index, Length).

%% @doc Sets in `Set' all bits that are set in `Other', which has the same size and may be the same set.
%% Atomic word by word, not one instant. Yields.
-spec union(bitset(), Other :: bitset()) -> ok.
union(Set, Other) -> offheap_nif:bitset_union(Set, Other).

%% @doc Clears in `Set' all bits that are clear in `Other'; else as {@link union/2}.
-spec intersection(bitset(), Other :: bitset()) -> ok.
intersection(Set, Other) -> offheap_nif:bitset_intersection(Set, Other).

%% @doc Clears in `Set' all bits that are set in `Other'; else as {@link union/2}. With itself, it clears
%% all.
-spec difference(bitset(), Other :: bitset()) -> ok.
difference(Set, Other) -> offheap_nif:bitset_difference(Set, Other).

%% @doc All bits as a binary of `ceil(Size / 8)' bytes: bit I is bit `I rem 8', counted from the lowest, of
%% byte `I div 8', and what is left of the last byte is zero. Not one instant. Beyond 64 KiB it is made on
%% a dirty scheduler; raises `system_limit' if memory is out.
-spec to_binary(bitset()) -> binary().
to_binary(Set) -> offheap_nif:bitset_to_binary(Set).
