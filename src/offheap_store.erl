%% @doc Tables of Erlang terms outside the process heaps, with ETS's names and semantics and lock-free
%% reads.
%%
%% A table of type `set': one object a key, keys compared by `=:='. Objects are tuples; `keypos' says which
%% element is the key. Functions, return values and errors are those of {@link //stdlib/ets. ets}.
%%
%% <ul>
%% <li>Reads ({@link lookup/2}, {@link lookup_element/3}, {@link member/2}, {@link get/3}, {@link fetch/2})
%%     take no lock and never wait for a writer.</li>
%% <li>A write locks the part of the table that its key belongs to, some hundred neighbours, for about a
%%     microsecond. Each write is atomic and isolated; inserting a list is one change.</li>
%% <li>A table grows and shrinks in steps of some ten microseconds, whatever its size.</li>
%% <li>No call holds a scheduler for long: terms beyond about 64 KB, and lists beyond 500 objects, are
%%     handled on a dirty scheduler.</li>
%% <li>A table belongs to the process that made it and goes when that process ends, as in ETS. `protected'
%%     (the default) lets others read, `private' does not. The notice of the owner's end may come a little
%%     later than a monitor's `DOWN' message.</li>
%% <li>A table is a reference. It also goes when nobody holds its reference any more. A table that holds
%%     its own reference goes only by {@link delete/1} or with its owner.</li>
%% <li>`badarg' is raised for a wrong or deleted table, a missing right, or an object that is not a tuple
%%     of at least `keypos' elements.</li>
%% </ul>
-module(offheap_store).

-export([new/2, delete/1, delete/2, insert/2, insert_new/2, lookup/2, lookup_element/3,
         lookup_element/4, member/2, take/2, update_counter/3, update_counter/4, tab2list/1, info/1,
         info/2]).
-export([put/3, get/2, get/3, fetch/2, replace/3]).
-export_type([store/0, option/0, update_op/0]).

-opaque store() :: reference().
-type option() :: set | public | protected | private | {keypos, pos_integer()}
                | {read_concurrency, boolean()} | {write_concurrency, boolean() | auto}
                | {decentralized_counters, boolean()}.
-type update_op() :: {Position :: pos_integer(), Increment :: integer()}
                   | {Position :: pos_integer(), Increment :: integer(), Threshold :: integer(),
                      SetValue :: integer()}.

%% @doc Makes an empty table that belongs to the caller.
%%
%% Options: `set'; `public', `protected' (default) or `private'; `{keypos, Position}', default 1. The
%% concurrency options of ETS are accepted and change nothing: every table reads without locks and locks
%% finely for writing. Other options raise `badarg'.
-spec new(Name :: atom(), [option()]) -> store().
new(Name, Options) ->
    {KeyPos, Protection} = options(Options, 1, protected),
    offheap_nif:store_new(Name, KeyPos, Protection, erlang:phash2({make_ref(), Name}, 1 bsl 32)).

options([set | Options], KeyPos, Protection) ->
    options(Options, KeyPos, Protection);
options([Protection | Options], KeyPos, _)
  when Protection =:= public; Protection =:= protected; Protection =:= private ->
    options(Options, KeyPos, Protection);
options([{keypos, KeyPos} | Options], _, Protection)
  when is_integer(KeyPos), KeyPos > 0, KeyPos < 1 bsl 59 ->
    %% No tuple has more than 2^24 elements.
    options(Options, min(KeyPos, 16#ffffffff), Protection);
options([{read_concurrency, Flag} | Options], KeyPos, Protection) when is_boolean(Flag) ->
    options(Options, KeyPos, Protection);
options([{write_concurrency, Flag} | Options], KeyPos, Protection)
  when is_boolean(Flag); Flag =:= auto ->
    options(Options, KeyPos, Protection);
options([{decentralized_counters, Flag} | Options], KeyPos, Protection) when is_boolean(Flag) ->
    options(Options, KeyPos, Protection);
options([], KeyPos, Protection) ->
    {KeyPos, Protection};
options(_, _, _) ->
    error(badarg).

%% @doc Deletes the table. Takes constant time: its memory is freed in the background.
-spec delete(store()) -> true.
delete(Store) -> offheap_nif:store_delete(Store).

%% @doc Deletes the object with key `Key', if there is one.
-spec delete(store(), Key :: term()) -> true.
delete(Store, Key) -> offheap_nif:store_delete_key(Store, Key).

%% @doc Inserts an object, or a list of objects as one atomic and isolated change: no reader sees some of
%% them and not the others. An object replaces the one with the same key.
-spec insert(store(), Object | [Object]) -> true when Object :: tuple().
insert(Store, Objects) -> offheap_nif:store_insert(Store, Objects).

%% @doc The same, only if none of the keys is in the table: else `false' and no change.
-spec insert_new(store(), Object | [Object]) -> boolean() when Object :: tuple().
insert_new(Store, Objects) -> offheap_nif:store_insert_new(Store, Objects).

%% @doc The object with key `Key', in a list, or an empty list.
-spec lookup(store(), Key :: term()) -> [tuple()].
lookup(Store, Key) -> offheap_nif:store_lookup(Store, Key).

%% @doc The element at `Position' of the object with key `Key'; only this element is copied. Raises `badarg'
%% if there is no such object or element.
-spec lookup_element(store(), Key :: term(), Position :: pos_integer()) -> term().
lookup_element(Store, Key, Position) -> offheap_nif:store_lookup_element(Store, Key, Position).

%% @doc The same, with a value for a key that is not there.
-spec lookup_element(store(), Key :: term(), Position :: pos_integer(), Default :: term()) -> term().
lookup_element(Store, Key, Position, Default) ->
    offheap_nif:store_lookup_element_or(Store, Key, Position, Default).

%% @doc Whether there is an object with key `Key'.
-spec member(store(), Key :: term()) -> boolean().
member(Store, Key) -> offheap_nif:store_member(Store, Key).

%% @doc Deletes the object with key `Key' and returns it in a list.
-spec take(store(), Key :: term()) -> [tuple()].
take(Store, Key) -> offheap_nif:store_take(Store, Key).

%% @doc Adds to integers of the object with key `Key', atomically, and returns the new value, or the list of
%% new values for a list of operations. `Increment' alone means the element after the key. If an operation
%% with a threshold passes it, upwards or for a negative increment downwards, the element becomes
%% `SetValue'. Raises `badarg', and changes nothing, if there is no such object, an element is not an
%% integer or is the key.
-spec update_counter(store(), Key :: term(), Increment :: integer() | update_op() | [update_op()]) ->
          integer() | [integer()].
update_counter(Store, Key, Operation) ->
    case offheap_nif:store_update_counter(Store, Key, Operation) of
        general -> count(Store, Key, Operation, none);
        Value -> Value
    end.

%% @doc The same; a key that is not there begins as `Default', an object whose key is replaced by `Key'.
-spec update_counter(store(), Key :: term(), Increment :: integer() | update_op() | [update_op()],
                     Default :: tuple()) -> integer() | [integer()].
update_counter(Store, Key, Operation, Default) when is_tuple(Default) ->
    case offheap_nif:store_update_counter(Store, Key, Operation) of
        general -> count(Store, Key, Operation, {default, Default});
        Value -> Value
    end;
update_counter(_Store, _Key, _Operation, _Default) ->
    error(badarg).

%% Lists, integers beyond 64 bits, defaults and errors: computed here, stored by compare-and-swap.
count(Store, Key, Operation, Default) ->
    {_, KeyPos, _, _} = offheap_nif:store_properties(Store),
    Operations = case Operation of
                     Increment when is_integer(Increment) -> [{KeyPos + 1, Increment}];
                     Tuple when is_tuple(Tuple) -> [Tuple];
                     List -> List
                 end,
    Values = count_loop(Store, Key, KeyPos, Operations, Default),
    case is_integer(Operation) orelse is_tuple(Operation) of
        true -> hd(Values);
        false -> Values
    end.

count_loop(Store, Key, KeyPos, Operations, Default) ->
    {Present, Object} = counter_object(Store, Key, KeyPos, Default),
    verify(Operations, Object, KeyPos),
    {New, Values} = apply_counts(Operations, Object, []),
    Stored = case Present of
                 true -> offheap_nif:store_replace(Store, Object, New);
                 false -> offheap_nif:store_insert_new(Store, New)
             end,
    case Stored of
        true -> Values;
        false -> count_loop(Store, Key, KeyPos, Operations, Default)
    end.

counter_object(Store, Key, KeyPos, Default) ->
    case offheap_nif:store_lookup(Store, Key) of
        [Object] ->
            {true, Object};
        [] ->
            case Default of
                {default, Tuple} when tuple_size(Tuple) >= KeyPos ->
                    {false, setelement(KeyPos, Tuple, Key)};
                _ ->
                    error(badarg)
            end
    end.

%% All operations are checked against the object as it is before any is done.
verify([Operation | Operations], Object, KeyPos) ->
    case Operation of
        {Position, Increment} when is_integer(Increment) ->
            verify_position(Position, Object, KeyPos);
        {Position, Increment, Threshold, SetValue}
          when is_integer(Increment), is_integer(Threshold), is_integer(SetValue) ->
            verify_position(Position, Object, KeyPos);
        _ ->
            error(badarg)
    end,
    verify(Operations, Object, KeyPos);
verify([], _Object, _KeyPos) ->
    ok;
verify(_, _Object, _KeyPos) ->
    error(badarg).

verify_position(Position, Object, KeyPos)
  when is_integer(Position), Position > 0, Position =/= KeyPos, Position =< tuple_size(Object),
       is_integer(element(Position, Object)) ->
    ok;
verify_position(_, _, _) ->
    error(badarg).

apply_counts([Operation | Operations], Object, Values) ->
    Position = element(1, Operation),
    Sum = element(Position, Object) + element(2, Operation),
    Value = case Operation of
                {_, Increment, Threshold, SetValue} when Increment < 0, Sum < Threshold -> SetValue;
                {_, Increment, Threshold, SetValue} when Increment >= 0, Sum > Threshold -> SetValue;
                _ -> Sum
            end,
    apply_counts(Operations, setelement(Position, Object, Value), [Value | Values]);
apply_counts([], Object, Values) ->
    {Object, lists:reverse(Values)}.

%% @doc All objects, in no order. Every object that is in the table throughout the call is in the list
%% exactly once, whatever else is inserted or deleted meanwhile.
-spec tab2list(store()) -> [tuple()].
tab2list(Store) -> tab2list(Store, 0, []).

tab2list(_Store, done, Objects) ->
    Objects;
tab2list(Store, Position, Objects) ->
    {Next, More} = offheap_nif:store_scan(Store, Position, Objects),
    tab2list(Store, Next, More).

%% @doc What the table is and holds, or `undefined' if it was deleted. `memory' is in words, as in ETS; it
%% is about right: what the emulator needs for its environments is estimated.
-spec info(store()) -> [{Item :: atom(), term()}] | undefined.
info(Store) ->
    case stats(Store) of
        undefined ->
            undefined;
        {Size, Bytes, Segments, Boxes} ->
            {Name, KeyPos, Protection, Owner} = offheap_nif:store_properties(Store),
            [{id, Store}, {name, Name}, {type, set}, {size, Size},
             {memory, Bytes div erlang:system_info(wordsize)}, {keypos, KeyPos},
             {protection, Protection}, {owner, Owner}, {node, node()}, {named_table, false},
             {read_concurrency, true}, {write_concurrency, auto}, {segments, Segments},
             {large_objects, Boxes}]
    end.

%% @doc One item of {@link info/1}. An unknown item raises `badarg'.
-spec info(store(), Item :: atom()) -> term() | undefined.
info(Store, Item) ->
    case info(Store) of
        undefined ->
            undefined;
        Items ->
            case lists:keyfind(Item, 1, Items) of
                {Item, Value} -> Value;
                false -> error(badarg)
            end
    end.

%% The sums over all parts of the table; exact if nobody writes.
stats(Store) ->
    _ = offheap_nif:store_properties(Store),
    try
        stats(Store, 0, {0, 0, 0, 0})
    catch
        error:badarg -> undefined
    end.

stats(_Store, done, Sums) ->
    Sums;
stats(Store, Position, {Size, Bytes, Segments, Boxes}) ->
    {Next, Size1, Bytes1, Segments1, Boxes1} = offheap_nif:store_stats(Store, Position),
    stats(Store, Next, {Size + Size1, Bytes + Bytes1, Segments + Segments1, Boxes + Boxes1}).

%% @doc Stores `{Key, Value}'. Only for tables with `keypos' 1.
-spec put(store(), Key :: term(), Value :: term()) -> ok.
put(Store, Key, Value) -> offheap_nif:store_put(Store, Key, Value).

%% @doc The value stored for `Key', or `undefined'.
-spec get(store(), Key :: term()) -> Value :: term() | undefined.
get(Store, Key) -> offheap_nif:store_get(Store, Key, undefined).

%% @doc The value stored for `Key', or `Default'. Raises `badarg' if the object is not of two elements.
-spec get(store(), Key :: term(), Default) -> Value :: term() | Default.
get(Store, Key, Default) -> offheap_nif:store_get(Store, Key, Default).

%% @doc `{ok, Value}' or `error'.
-spec fetch(store(), Key :: term()) -> {ok, Value :: term()} | error.
fetch(Store, Key) -> offheap_nif:store_fetch(Store, Key).

%% @doc Replaces the object `Old' by `New', which must have the same key, if it is what the table holds
%% (`=:='): compare-and-swap. Returns whether it did.
-spec replace(store(), Old :: tuple(), New :: tuple()) -> boolean().
replace(Store, Old, New) -> offheap_nif:store_replace(Store, Old, New).
