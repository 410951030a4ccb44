%% @doc Arrays of 64-bit integers in shared memory, each cell read and changed atomically.
%%
%% The functions, their errors and their arithmetic are those of OTP's {@link //erts/atomics. atomics};
%% {@link sum/1} and {@link to_list/1} are beyond it. An array lives as long as some process, message
%% or table holds its reference.
%%
%% <ul>
%% <li>Indices are one-based. A cell is zero at first.</li>
%% <li>Values are integers of -2^63..2^63-1 (signed) or 0..2^64-1 (unsigned). Arithmetic wraps around
%%     at these limits.</li>
%% <li>Every write is atomic and a full memory barrier (sequentially consistent). {@link get/2} is an
%%     acquire load: who reads a value also sees all that its writer did before.</li>
%% <li>`badarg' is raised for a wrong reference, an index outside the array, a value outside its range.</li>
%% </ul>
%%
%% All functions take constant time but {@link sum/1} and {@link to_list/1}, which yield.
-module(offheap_atomics).

-export([new/2, put/3, get/2, add/3, add_get/3, sub/3, sub_get/3, exchange/3, compare_exchange/4,
         info/1, sum/1, to_list/1]).
-export_type([atomics_ref/0]).

-opaque atomics_ref() :: reference().

%% The most cells of an array.
-define(SIZE_MAX, (1 bsl 40)).
%% The most cells that one call of the NIF turns into a list.
-define(TO_LIST_CHUNK, 4096).

%% @doc Makes an array of `Arity' zeros. Options: `{signed, boolean()}', default `true'.
%%
%% Raises `badarg' for an arity that is not a positive integer or for an unknown option, and
%% `system_limit' for more cells than memory can hold (at most 2^40).
-spec new(Arity :: pos_integer(), Opts :: [{signed, boolean()}]) -> atomics_ref().
new(Arity, Opts) ->
    Signed = signed(Opts, true),
    %% A bignum is no word that the NIF could judge.
    is_integer(Arity) andalso Arity > ?SIZE_MAX andalso error(system_limit),
    offheap_nif:atomics_new(Arity, Signed).

signed([{signed, Signed} | Opts], _) when is_boolean(Signed) -> signed(Opts, Signed);
signed([], Signed) -> Signed;
signed(_, _) -> error(badarg).

%% @doc Sets the cell to `Value'.
-spec put(atomics_ref(), Index :: pos_integer(), Value :: integer()) -> ok.
put(Ref, Index, Value) -> offheap_nif:atomics_put(Ref, Index, Value).

%% @doc The cell's value.
-spec get(atomics_ref(), Index :: pos_integer()) -> integer().
get(Ref, Index) -> offheap_nif:atomics_get(Ref, Index).

%% @doc Adds `Increment', an integer of -2^63..2^64-1.
-spec add(atomics_ref(), Index :: pos_integer(), Increment :: integer()) -> ok.
add(Ref, Index, Increment) -> offheap_nif:atomics_add(Ref, Index, Increment).

%% @doc Adds `Increment' and returns the new value.
-spec add_get(atomics_ref(), Index :: pos_integer(), Increment :: integer()) -> integer().
add_get(Ref, Index, Increment) -> offheap_nif:atomics_add_get(Ref, Index, Increment).

%% @doc Subtracts `Decrement', an integer of -(2^64-1)..2^63.
-spec sub(atomics_ref(), Index :: pos_integer(), Decrement :: integer()) -> ok.
sub(Ref, Index, Decrement) -> offheap_nif:atomics_add(Ref, Index, -Decrement).

%% @doc Subtracts `Decrement' and returns the new value.
-spec sub_get(atomics_ref(), Index :: pos_integer(), Decrement :: integer()) -> integer().
sub_get(Ref, Index, Decrement) -> offheap_nif:atomics_add_get(Ref, Index, -Decrement).

%% @doc Sets the cell to `Desired' and returns the value that was there.
-spec exchange(atomics_ref(), Index :: pos_integer(), Desired :: integer()) -> integer().
exchange(Ref, Index, Desired) -> offheap_nif:atomics_exchange(Ref, Index, Desired).

%% @doc Sets the cell to `Desired' if it holds `Expected', and returns `ok'; else returns what it holds.
-spec compare_exchange(atomics_ref(), Index :: pos_integer(), Expected :: integer(),
                       Desired :: integer()) -> ok | integer().
compare_exchange(Ref, Index, Expected, Desired) ->
    offheap_nif:atomics_compare_exchange(Ref, Index, Expected, Desired).

%% @doc The number of cells, the largest and smallest value they can hold, the memory in bytes.
-spec info(atomics_ref()) ->
          #{size := pos_integer(), max := integer(), min := integer(), memory := pos_integer()}.
info(Ref) -> offheap_nif:atomics_info(Ref).

%% @doc The sum of all cells, wrapped around as {@link add/3} would. Each cell is read atomically; all
%% together they are not one instant. About 0.3 ns a cell; yields.
-spec sum(atomics_ref()) -> integer().
sum(Ref) -> offheap_nif:atomics_sum(Ref).

%% @doc All cells in order. Each is read atomically; all together they are not one instant.
-spec to_list(atomics_ref()) -> [integer(), ...].
to_list(Ref) ->
    #{size := Size} = offheap_nif:atomics_info(Ref),
    to_list(Ref, Size, []).

to_list(_Ref, 0, Tail) ->
    Tail;
to_list(Ref, Last, Tail) ->
    First = max(1, Last - ?TO_LIST_CHUNK + 1),
    to_list(Ref, First - 1, offheap_nif:atomics_to_list(Ref, First, Last, Tail)).
