%% @doc Slices that pin memory: finding them, and copying them.
%%
%% A binary that was cut out of another refers to the whole of it: 20 bytes taken from a message of 1
%% MiB, and kept in a table, keep the megabyte. OTP tells the size of what an ordinary binary refers to
%% by `binary:referenced_byte_size/1'. Of slices of frozen buffers ({@link offheap_buffer:freeze/1}) it
%% says 64 bytes, whatever they pin; the functions here know these buffers, too.
%%
%% {@link compact/1} copies a binary that pins much more than it is; {@link compact_term/1} does so all
%% over a term. {@link waste/1} says what a term or a process pins.
%%
%% What memory a binary pins is the whole block: of an ordinary binary all its bytes, of a frozen buffer
%% its capacity. If others refer to it as well, a copy frees nothing until they let go.
-module(offheap_binary).

-export([referenced_byte_size/1, compact/1, compact/2, compact_term/1, compact_term/2, waste/1,
         process_waste/1]).
-compile({inline, [compact/3, pins/3, ordinary/2]}).
-export_type([option/0, waste/0, parent/0, process_waste/0]).

-type option() :: {factor, number()} | {min_waste_bytes, non_neg_integer()}.
-type parent() ::
        #{kind := binary | frozen | unknown,
          bytes := non_neg_integer(), used := non_neg_integer(), waste := non_neg_integer(),
          slices := pos_integer()}.
-type waste() ::
        #{bytes := non_neg_integer(), used := non_neg_integer(), waste := non_neg_integer(),
          parents := [parent()]}.
-type process_waste() ::
        #{bytes := non_neg_integer(),
          parents := [#{kind := binary | frozen, bytes := non_neg_integer(),
                        references := pos_integer()}]}.

%% A slice is copied if it pins more than so many times its size, and so many bytes more.
-define(FACTOR, 2).
-define(MIN_WASTE, 1024).
%% A frozen buffer's binary is shown with so many bytes: those of the emulator's header and of the
%% resource, 64 in OTP 25 to 29.
-define(HEADER_MIN_BYTES, 48).
-define(RESOURCE_BYTES, 128).
%% Bytes of a binary that are enough to tell where it is: a larger one, if it does not begin at a byte
%% of its parent, would be copied for that. More than 64, which would be copied to the heap.
-define(HEAD_BYTES, 128).
%% An emulator's header before the bytes of a binary is no larger.
-define(HEADER_BYTES, 64).

%% @doc The bytes of memory that the binary pins: as `binary:referenced_byte_size/1', and right for
%% slices of frozen buffers. Never less than `byte_size/1'.
%%
%% Some 40 ns; where OTP tells 48 to 128 bytes, which it does of frozen buffers, about 200 ns more and
%% 3 to 5 ns for each frozen buffer that there is. Yields.
-spec referenced_byte_size(bitstring()) -> non_neg_integer().
referenced_byte_size(Bin) ->
    case binary:referenced_byte_size(Bin) of
        Bytes when Bytes >= ?HEADER_MIN_BYTES, Bytes =< ?RESOURCE_BYTES ->
            case find(Bin, Bytes) of
                none -> ordinary(Bin, Bytes);
                Block -> Block
            end;
        Bytes ->
            ordinary(Bin, Bytes)
    end.

%% OTP 27 tells the size of a binary on the process's heap in bits.
ordinary(Bin, Bytes) when Bytes =:= bit_size(Bin), Bytes =< 512 -> byte_size(Bin);
ordinary(Bin, Bytes) -> max(Bytes, byte_size(Bin)).

%% The block of the frozen buffer that a binary shows, which is one if it is larger than what is
%% shown of it.
find(Bin, Bytes) ->
    case offheap_nif:registry_find(head(Bin, 0)) of
        none when Bytes < byte_size(Bin) -> find_shifted(Bin, 1);
        Found -> Found
    end.

%% A binary that does not begin at a byte of its parent: one of its parts does.
find_shifted(_Bin, 8) ->
    none;
find_shifted(Bin, Shift) ->
    case offheap_nif:registry_find(head(Bin, Shift)) of
        none -> find_shifted(Bin, Shift + 1);
        Block -> Block
    end.

head(Bin, Shift) ->
    Bytes = max(0, min(?HEAD_BYTES, (bit_size(Bin) - Shift) div 8)),
    case Bin of
        <<_:Shift/bits, Head:Bytes/binary, _/bits>> -> Head;
        _ -> <<>>
    end.

%% @equiv compact(Bin, [])
-spec compact(Bin) -> Bin when Bin :: bitstring().
compact(Bin) when is_bitstring(Bin) -> compact(Bin, ?FACTOR, ?MIN_WASTE);
compact(_) -> error(badarg).

%% @doc A copy of the binary if it pins much more memory than it has bytes, else the binary itself.
%%
%% <ul>
%% <li>`{factor, number()}': it is copied if it pins more than so many times its size; at least 1,
%%     default 2;</li>
%% <li>`{min_waste_bytes, non_neg_integer()}': and at least so many bytes more; default 1024.</li>
%% </ul>
%%
%% Of the copy, what it pins is its size (of a bitstring, rounded up to bytes).
-spec compact(Bin, [option()]) -> Bin when Bin :: bitstring().
compact(Bin, Opts) when is_bitstring(Bin) ->
    {Factor, Min} = options(Opts),
    compact(Bin, Factor, Min);
compact(_, _) ->
    error(badarg).

compact(Bin, Factor, Min) ->
    case pins(Bin, Factor, Min) of
        true -> copy(Bin);
        false -> Bin
    end.

pins(Bin, Factor, Min) ->
    Size = byte_size(Bin),
    Bytes = referenced_byte_size(Bin),
    Bytes > Factor * Size andalso Bytes - Size >= Min.

%% binary:referenced_byte_size/1 takes bit strings, though its spec says binaries.
-dialyzer({no_match, copy/1}).
copy(Bin) when is_binary(Bin) ->
    binary:copy(Bin);
copy(Bits) ->
    Size = bit_size(Bits),
    Padding = 8 - Size rem 8,
    <<Copy:Size/bits, _/bits>> = binary:copy(<<Bits/bits, 0:Padding>>),
    Copy.

options(Opts) -> options(Opts, ?FACTOR, ?MIN_WASTE).

options([{factor, Factor} | Opts], _, Min) when is_number(Factor), Factor >= 1 ->
    options(Opts, Factor, Min);
options([{min_waste_bytes, Min} | Opts], Factor, _) when is_integer(Min), Min >= 0 ->
    options(Opts, Factor, Min);
options([], Factor, Min) ->
    {Factor, Min};
options(_, _, _) ->
    error(badarg).

%% @equiv compact_term(Term, [])
-spec compact_term(Term) -> Term when Term :: term().
compact_term(Term) -> compact_term(Term, []).

%% @doc The term with each binary in it as {@link compact/2} makes it: those in lists, tuples and maps,
%% keys included. What has nothing to copy is the same term, not a copy. Funs are left as they are.
%%
%% Each slice is looked at alone: a term that consists of many small slices of one parent, which use
%% most of it, is copied too, and takes about as much memory afterwards. {@link waste/1} tells.
%%
%% Takes time and memory by the number of parts; a part that the term refers to twice counts twice, as
%% when the term is sent to a process.
-spec compact_term(Term, [option()]) -> Term when Term :: term().
compact_term(Term, Opts) ->
    {Factor, Min} = options(Opts),
    case changed(Term, Factor, Min) of
        same -> Term;
        {new, Compact} -> Compact
    end.

changed(Bin, Factor, Min) when is_bitstring(Bin) ->
    case pins(Bin, Factor, Min) of
        true -> {new, copy(Bin)};
        false -> same
    end;
changed([Head | Tail], Factor, Min) ->
    case {changed(Head, Factor, Min), changed(Tail, Factor, Min)} of
        {same, same} -> same;
        {NewHead, NewTail} -> {new, [either(NewHead, Head) | either(NewTail, Tail)]}
    end;
changed(Tuple, Factor, Min) when is_tuple(Tuple) ->
    case changed(tuple_to_list(Tuple), Factor, Min) of
        same -> same;
        {new, List} -> {new, list_to_tuple(List)}
    end;
changed(Map, Factor, Min) when is_map(Map) ->
    case changed(maps:to_list(Map), Factor, Min) of
        same -> same;
        {new, List} -> {new, maps:from_list(List)}
    end;
changed(_, _, _) ->
    same.

either(same, Term) -> Term;
either({new, Term}, _) -> Term.

%% @doc What memory the binaries in a term pin, and how much of it they use.
%%
%% `bytes' is the memory of all binaries that parts of the term refer to, each once; `used' the bytes of
%% it that the term shows; `waste' the rest. `parents' tells it of each binary, the greatest waste first;
%% `slices' is how many parts of the term refer to it. The kind is `frozen' for a buffer's block;
%% `unknown' for what could not be told apart from others, as constants in code: such are reported for
%% each slice that pins more than it is. Binaries on the process's heap do not count. Lists, tuples,
%% maps and what funs enclose are looked into; as for time, see {@link compact_term/2}.
%%
%% Which binaries are the same is told by `process_info(self(), binary)', which lists all that the
%% process refers to at once. Not for use all the time.
-spec waste(term()) -> waste().
waste(Term) ->
    Slices = slices(Term, []),
    Parents = lists:sort(ordinary_parents() ++ frozen_parents()),
    {Found, Lost} = find_parents(Slices, Parents, 0, []),
    report(unite(lists:sort(Found), unknown(Lost))).

%% @doc What memory a local process pins; `undefined' if it does not run.
%%
%% `bytes' is that of all binaries to which the process refers, each once; `parents', the largest first,
%% says it of each, and the number of `references' that the process has. From outside it cannot be seen
%% how much of a binary is used: {@link waste/1} tells, called by the process itself.
%%
%% Takes a signal to the process and back, as `process_info(Pid, binary)', which lists all references at
%% once. Not for use all the time. Raises `badarg' for other terms.
-spec process_waste(pid()) -> process_waste() | undefined.
process_waste(Pid) ->
    case process_info(Pid, binary) of
        {binary, References} -> owned(References);
        undefined -> undefined
    end.

%% --- A term's ---

slices(Bin, Slices) when is_bitstring(Bin) -> [Bin | Slices];
slices([Head | Tail], Slices) -> slices(Tail, slices(Head, Slices));
slices(Tuple, Slices) when is_tuple(Tuple) -> slices(tuple_to_list(Tuple), Slices);
slices(Map, Slices) when is_map(Map) -> maps:fold(fun slices/3, Slices, Map);
slices(Fun, Slices) when is_function(Fun) ->
    {env, Enclosed} = erlang:fun_info(Fun, env),
    slices(Enclosed, Slices);
slices(_, Slices) -> Slices.

slices(Key, Value, Slices) -> slices(Value, slices(Key, Slices)).

%% {Begin, End, Bytes, Kind}. The identity of a binary is the address of its header; its bytes
%% follow. That is no promise of OTP's, and nothing but this report rests on it.
ordinary_parents() ->
    {binary, References} = process_info(self(), binary),
    [{Id, Id + ?HEADER_BYTES + Bytes, Bytes, binary} || {Id, Bytes, _} <- lists:usort(References)].

frozen_parents() ->
    [{Begin, Begin + Bytes, Bytes, frozen} || {Begin, Bytes, _} <- frozen(0, [])].

frozen(done, Blocks) ->
    Blocks;
frozen(Name, Blocks) ->
    {Next, More} = offheap_nif:registry_frozen(Name, Blocks),
    frozen(Next, More).

%% The slices that have a parent, as {Parent, Begin, End}, and those that have none. What is not found
%% is tried again with the next bit as its first: it may not begin at a byte.
find_parents(Slices, _Parents, Shift, Found) when Slices =:= []; Shift =:= 8 ->
    {Found, Slices};
find_parents(Slices, Parents, Shift, Found) ->
    %% By address alone: equal ones would have their bytes compared.
    Placed = lists:keysort(1, [place(Bin, Shift) || Bin <- Slices]),
    {More, Lost} = merge(Placed, Parents, none, Found, []),
    find_parents(Lost, Parents, Shift + 1, More).

%% The bytes of the parent that a slice touches, in whole or in part.
place(Bin, 0) ->
    Address = offheap_nif:binary_address(head(Bin, 0)),
    {Address, Address + byte_size(Bin), Bin};
place(Bin, Shift) ->
    Address = offheap_nif:binary_address(head(Bin, Shift)),
    {Address - 1, Address + max(0, bit_size(Bin) - Shift + 7) div 8, Bin}.

%% Both are in order; the parent of a slice is the last that begins before it, if it does not end before
%% the slice does.
merge([], _Parents, _Last, Found, Lost) ->
    {Found, Lost};
merge([{Begin, _, _} | _] = Slices, [{ParentBegin, _, _, _} = Parent | Parents], _, Found, Lost)
  when ParentBegin =< Begin ->
    merge(Slices, Parents, Parent, Found, Lost);
merge([{Begin, End, _} | Slices], Parents, {_, ParentEnd, _, _} = Last, Found, Lost)
  when End =< ParentEnd ->
    merge(Slices, Parents, Last, [{Last, Begin, End} | Found], Lost);
merge([{_, _, Bin} | Slices], Parents, Last, Found, Lost) ->
    merge(Slices, Parents, Last, Found, [Bin | Lost]).

%% On the heap, or constants, or cut out of constants.
unknown(Lost) ->
    [{unknown, Bytes, byte_size(Bin), 1}
     || Bin <- Lost, (Bytes = referenced_byte_size(Bin)) > byte_size(Bin)].

%% {Kind, Bytes, Used, Count} of each parent. Bytes that several slices show are used once.
unite([], Groups) ->
    Groups;
unite([{{_, _, Bytes, Kind} = Parent, Begin, End} | Found], Groups) ->
    {Used, Count, Rest} = uses(Parent, Found, End, End - Begin, 1),
    unite(Rest, [{Kind, Bytes, Used, Count} | Groups]).

uses(Parent, [{Parent, Begin, End} | Found], Last, Used, Count) ->
    uses(Parent, Found, max(Last, End), Used + max(0, End - max(Last, Begin)), Count + 1);
uses(_Parent, Found, _Last, Used, Count) ->
    {Used, Count, Found}.

report(Groups) ->
    Parents = [#{kind => Kind, bytes => Bytes, used => Used, waste => Bytes - Used, slices => Count}
               || {Kind, Bytes, Used, Count} <- Groups],
    Bytes = lists:sum([B || {_, B, _, _} <- Groups]),
    Used = lists:sum([U || {_, _, U, _} <- Groups]),
    #{bytes => Bytes, used => Used, waste => Bytes - Used, parents => largest(waste, Parents)}.

largest(Key, Maps) ->
    [Map || {_, Map} <- lists:sort(fun({A, _}, {B, _}) -> A >= B end,
                                   [{maps:get(Key, Map), Map} || Map <- Maps])].

%% --- A process's ---

owned(References) ->
    Counts = lists:foldl(fun({Id, Bytes, _}, Acc) ->
                                 maps:update_with({Id, Bytes}, fun(N) -> N + 1 end, 1, Acc)
                         end, #{}, References),
    Objects = lists:sort([{Object, Bytes} || {_, Bytes, Object} <- frozen(0, [])]),
    Parents = owners(lists:sort(maps:to_list(Counts)), Objects),
    #{bytes => lists:sum([Bytes || #{bytes := Bytes} <- Parents]),
      parents => largest(bytes, Parents)}.

%% A frozen buffer is shown as a small binary; the object that owns its block follows the header.
owners([], _Objects) ->
    [];
owners([{{Id, _}, _} | _] = Binaries, [{Object, _} | Objects]) when Object < Id ->
    owners(Binaries, Objects);
owners([{{Id, Bytes}, Count} | Binaries], [{Object, Block} | Objects])
  when Bytes =< ?RESOURCE_BYTES, Object - Id < ?RESOURCE_BYTES ->
    [#{kind => frozen, bytes => Block, references => Count} | owners(Binaries, Objects)];
owners([{{_, Bytes}, Count} | Binaries], Objects) ->
    [#{kind => binary, bytes => Bytes, references => Count} | owners(Binaries, Objects)].
