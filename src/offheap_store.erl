%% @doc Tables of Erlang terms outside the process heaps, with ETS's names and semantics and lock-free
%% reads.
%%
%% A table of type `set' or `ordered_set' has one object a key, of type `bag' several, each once, of type
%% `duplicate_bag' equal ones, too; in both, the objects of a key stay in the order of their insertion. Keys are
%% compared by `=:=', in an ordered set by `=='; objects by `=:='. Objects are tuples; `keypos' says which
%% element is the key. Functions, return values and errors are those of {@link //stdlib/ets. ets}.
%%
%% <ul>
%% <li>Reads ({@link lookup/2}, {@link lookup_element/3}, {@link member/2}, {@link get/3}, {@link fetch/2})
%%     take no lock and never wait for a writer.</li>
%% <li>A write locks the part of the table that its key belongs to, some hundred neighbours, for about a
%%     microsecond. Each write is atomic and isolated; inserting a list is one change.</li>
%% <li>A table grows and shrinks in steps of some ten microseconds, whatever its size.</li>
%% <li>No call holds a scheduler for long: terms beyond about 64 KB, lists beyond 500 objects, and reads of
%%     more than 4,000 objects of a key are handled on a dirty scheduler.</li>
%% <li>A table belongs to the process that made it, may be given away ({@link give_away/3}) or inherited
%%     (`{heir, Pid, Data}'), and goes when its owner ends without an heir, as in ETS. `protected' (the
%%     default) lets others read, `private' does not. The notice of the owner's end may come a little
%%     later than a monitor's `DOWN' message.</li>
%% <li>Every function takes a table's reference, or its name if it was made with `named_table'. A table
%%     without a name also goes when nobody holds its reference any more. One that holds its own reference
%%     goes only by {@link delete/1} or with its owner.</li>
%% <li>`badarg' is raised for a wrong or deleted table, a missing right, or an object that is not a tuple
%%     of at least `keypos' elements. As with ETS, shells and loggers say which argument was wrong.</li>
%% </ul>
-module(offheap_store).

%% life, names, owners, what a table is
-export([new/2, delete/1, rename/2, whereis/1, all/0, give_away/3, setopts/2, info/1, info/2]).
%% objects
-export([delete/2, insert/2, insert_new/2, lookup/2, lookup_element/3, lookup_element/4, member/2,
         take/2, update_counter/3, update_counter/4, tab2list/1]).
-export([slot/2, safe_fixtable/2, foldl/3, foldr/3, delete_object/2, delete_all_objects/1,
         update_element/3, update_element/4]).
-export([put/3, get/2, get/3, fetch/2, replace/3, remove/2, scan/2]).
%% files, dets, queries, looking by hand
-export([tab2file/2, tab2file/3, file2tab/1, file2tab/2, tabfile_info/1, from_dets/2, to_dets/2,
         init_table/2, table/1, table/2, i/0, i/1, i/2, i/3]).
%% ordered sets
-export([first/1, last/1, next/2, prev/2, first_lookup/1, last_lookup/1, next_lookup/2, prev_lookup/2,
         rank/2, nth/2, slice/3, range/3, range/4]).
-export_type([store/0, tab/0, tid/0, table/0, table_type/0, table_access/0, option/0, update_op/0,
              position/0]).

%% Match specifications
-export([select/1, select/2, select/3, select_reverse/1, select_reverse/2, select_reverse/3,
         select_count/2, select_delete/2, select_replace/2, match/1, match/2, match/3, match_object/1,
         match_object/2, match_object/3, match_delete/2, select_plan/2, repair_continuation/2,
         is_compiled_ms/1, match_spec_compile/1, match_spec_run/2, test_ms/2, fun2ms/1]).
-export_type([match_spec/0, match_pattern/0, continuation/0]).

-opaque tid() :: reference().
-type table() :: atom() | tid().
-type tab() :: table().
-type store() :: table().
-type table_type() :: set | ordered_set | bag | duplicate_bag.
-type table_access() :: public | protected | private.
-type option() :: table_type() | table_access() | named_table | {keypos, pos_integer()}
                | {heir, Pid :: pid(), HeirData :: term()} | {heir, none}
                | {read_concurrency, boolean()} | {write_concurrency, boolean() | auto}
                | {decentralized_counters, boolean()} | compressed.
-type match_pattern() :: atom() | tuple().
-type match_spec() :: [{match_pattern(), Guards :: [term()], Body :: [term()]}].
-type continuation() :: offheap_store_select:continuation().
-type update_op() :: {Position :: pos_integer(), Increment :: integer()}
                   | {Position :: pos_integer(), Increment :: integer(), Threshold :: integer(),
                      SetValue :: integer()}.
-opaque position() :: non_neg_integer() | [Key :: term()].

%% Ends a `try': says why the call failed, as ETS does (EEP 54). Elsewhere nothing is done for it: the
%% `try' costs a call 2 ns.
-define(EXPLAINED(Args), error:badarg -> ?REFUSED(Args)).
%% The same where the native function gives the arguments back instead of raising.
-define(REFUSED(Args),
        erlang:error(badarg, Args, offheap_store_errors:info(?FUNCTION_NAME, Args))).

%% --- Life, names, owners ---

%% @doc Makes an empty table that belongs to the caller. Returns its name if it is a `named_table', else
%% its reference.
%%
%% Options, as for `ets:new/2':
%% <ul>
%% <li>`set' (default), `ordered_set', `bag' or `duplicate_bag'.</li>
%% <li>`public', `protected' (default) or `private'.</li>
%% <li>`named_table': the table goes by its name and needs no reference anywhere. `badarg' if the name is
%%     taken.</li>
%% <li>`{keypos, Position}': which element of an object is its key. Default 1.</li>
%% <li>`{heir, Pid, Data}': when the owner ends, the local process `Pid' becomes the owner and gets the
%%     message `{'ETS-TRANSFER', Table, FromPid, Data}'. `{heir, none}' is the default.</li>
%% <li>`{read_concurrency, _}', `{write_concurrency, _}', `{decentralized_counters, _}' and `compressed'
%%     are what {@link info/1} shows and change nothing: every table reads without locks and locks finely
%%     for writing.</li>
%% </ul>
-spec new(Name :: atom(), [option()]) -> table().
new(Name, Options) ->
    try
        {Taken, Heir} = options(Options),
        offheap_nif:store_new(Name, Taken, Heir, erlang:phash2({make_ref(), Name}, 1 bsl 32))
    catch
        ?EXPLAINED([Name, Options])
    end.

-record(options, {type = set, protection = protected, keypos = 1, named = false, read = false,
                  write = false, counters = false, wanted_counters = default, compressed = false,
                  heir = none}).

%% What store_new takes. Of contradicting options the same one wins as in ETS: `set' and `protected' do
%% not undo others. A private table shows no concurrency.
options(Options) ->
    #options{protection = Protection} = O = options(Options, #options{}),
    Shared = Protection =/= private,
    Write = case Shared of
                true -> O#options.write;
                false -> false
            end,
    Counters = case O#options.wanted_counters of
                   default -> O#options.counters;
                   Wanted -> Wanted
               end,
    {{O#options.type, Protection, O#options.keypos, O#options.named,
      O#options.read andalso Shared, Write, Counters andalso Write =/= false,
      O#options.compressed}, O#options.heir}.

options([Option | Options], O) ->
    options(Options, option(Option, O));
options([], O) ->
    O;
options(_, _) ->
    error(badarg).

option(set, O) -> O;
option(ordered_set, O) -> O#options{type = ordered_set, counters = true};
option(bag, O) -> O#options{type = bag};
option(duplicate_bag, O) -> O#options{type = duplicate_bag};
option(public, O) -> O#options{protection = public};
option(protected, O) -> O;
option(private, O) -> O#options{protection = private};
option(named_table, O) -> O#options{named = true};
option(compressed, O) -> O#options{compressed = true};
option({keypos, KeyPos}, O) when is_integer(KeyPos), KeyPos > 0, KeyPos < 1 bsl 59 ->
    %% No tuple has more than 2^24 elements.
    O#options{keypos = min(KeyPos, 16#ffffffff)};
option({heir, none}, O) ->
    O#options{heir = none};
option({heir, Pid, Data}, O) when is_pid(Pid), node(Pid) =:= node() ->
    O#options{heir = {Pid, Data}};
option({read_concurrency, Flag}, O) when is_boolean(Flag) ->
    O#options{read = Flag};
option({write_concurrency, auto}, O) ->
    O#options{write = auto, counters = true};
option({write_concurrency, true}, #options{type = ordered_set} = O) ->
    O#options{write = true};
option({write_concurrency, true}, O) ->
    O#options{write = true, counters = false};
option({write_concurrency, false}, O) ->
    O#options{write = false};
option({decentralized_counters, Flag}, O) when is_boolean(Flag) ->
    O#options{wanted_counters = Flag};
option(_, _) ->
    error(badarg).

%% @doc Deletes the table. Takes constant time: its memory is freed in the background. Its name may be
%% used again at once.
-spec delete(table()) -> true.
delete(Table) ->
    try offheap_nif:store_delete(Table) catch ?EXPLAINED([Table]) end.

%% @doc Gives a named table another name, which must be free, and returns it. Of a table that goes by its
%% reference, which is returned, only the name that {@link info/1} shows changes. At one instant the
%% table goes by the new name and not by the old. O(1).
-spec rename(table(), Name :: atom()) -> table().
rename(Table, Name) ->
    try offheap_nif:store_rename(Table, Name) catch ?EXPLAINED([Table, Name]) end.

%% @doc The reference of the named table, by which a look-up takes some ns less; `undefined' if there is
%% none. It stays that table's: when the name goes to another, the reference does not. O(1).
-spec whereis(Name :: atom()) -> tid() | undefined.
whereis(Name) ->
    try offheap_nif:store_whereis(Name) catch ?EXPLAINED([Name]) end.

%% @doc The names of all named tables. Unlike ETS's, this list has no tables without a name: those go when
%% nobody holds their reference, so nobody else can be given one.
-spec all() -> [atom()].
all() -> all(0, []).

all(done, Names) ->
    Names;
all(Position, Names) ->
    {Next, More} = offheap_nif:store_names(Position, Names),
    all(Next, More).

%% @doc Makes `Pid', a local process that is alive, the owner; only the owner may. `Pid' gets the message
%% `{'ETS-TRANSFER', Table, FromPid, GiftData}'. From then on the table lives and dies with it. O(1), but
%% for the copy of the data.
-spec give_away(table(), Pid :: pid(), GiftData :: term()) -> true.
give_away(Table, Pid, GiftData) ->
    try
        offheap_nif:store_give_away(Table, Pid, GiftData)
    catch
        ?EXPLAINED([Table, Pid, GiftData])
    end.

%% @doc Changes who inherits the table or who may access it; only the owner may. Other processes' calls that
%% are under way when the protection changes are finished by the old one. O(1), but for the copy of the
%% data.
-spec setopts(table(), Option | [Option]) -> true
              when Option :: {heir, pid(), HeirData :: term()} | {heir, none}
                           | {protection, table_access()}.
setopts(Table, Options) ->
    try
        {Heir, Protection} = setopts(listed(Options), undefined, undefined),
        offheap_nif:store_setopts(Table, Heir, Protection)
    catch
        ?EXPLAINED([Table, Options])
    end.

setopts([{heir, none} | Options], undefined, Protection) ->
    setopts(Options, none, Protection);
setopts([{heir, Pid, Data} | Options], undefined, Protection) when is_pid(Pid) ->
    setopts(Options, {Pid, Data}, Protection);
setopts([{protection, Protection} | Options], Heir, undefined)
  when Protection =:= public; Protection =:= protected; Protection =:= private ->
    setopts(Options, Heir, Protection);
setopts([], Heir, Protection) ->
    {Heir, Protection};
setopts(_, _, _) ->
    error(badarg).

listed(Options) when is_tuple(Options) -> [Options];
listed(Options) -> Options.

%% @doc What the table is and holds, as ETS tells it; `undefined' if there is no such table.
%%
%% `size' is exact when nobody writes; beside writers, what they do meanwhile may be in it or not. It takes
%% less than a microsecond for 50,000 objects and some 5 to 50 for a million, as the processor's caches have
%% them or not. `memory', in words, is about right (what the emulator needs for its environments is
%% estimated) and takes ten times as long.
-spec info(table()) -> [{Item :: atom(), term()}] | undefined.
info(Table) ->
    try properties(Table) of
        undefined ->
            undefined;
        #{id := Id} = Properties ->
            case stats(Id) of
                undefined ->
                    undefined;
                {Size, Bytes, _, _} ->
                    Items = Properties#{size => Size, memory => words(Bytes), node => node()},
                    [{Item, maps:get(Item, Items)} || Item <- items()]
            end
    catch
        ?EXPLAINED([Table])
    end.

%% In ETS's order.
items() ->
    [id, decentralized_counters, read_concurrency, write_concurrency, compressed, memory, owner, heir,
     name, size, node, named_table, type, keypos, protection].

%% @doc One item of {@link info/1}; also `segments', the parts that the table consists of, and
%% `large_objects', those with an environment of their own; and `fixed', `safe_fixed_monotonic_time' and
%% `safe_fixed': see {@link safe_fixtable/2}. `badarg' for an unknown item.
-spec info(table(), Item :: atom()) -> term() | undefined.
info(Table, size) ->
    try size(Table, 0, 0) catch ?EXPLAINED([Table, size]) end;
info(Table, Item) ->
    try info(Item, Table, properties(Table)) catch ?EXPLAINED([Table, Item]) end.

info(_Item, _Table, undefined) ->
    undefined;
info(node, _Table, _Properties) ->
    node();
info(Item, _Table, #{id := Id})
  when Item =:= fixed; Item =:= safe_fixed_monotonic_time; Item =:= safe_fixed ->
    fixed(Item, offheap_nif:store_fixed(Id));
info(Item, _Table, #{id := Id}) when Item =:= memory; Item =:= segments; Item =:= large_objects ->
    case stats(Id) of
        undefined -> undefined;
        {_, Bytes, _, _} when Item =:= memory -> words(Bytes);
        {_, _, Segments, _} when Item =:= segments -> Segments;
        {_, _, _, Boxes} -> Boxes
    end;
info(Item, _Table, Properties) ->
    case Properties of
        #{Item := Value} -> Value;
        #{} -> error(badarg)
    end.

properties(Table) ->
    case offheap_nif:store_properties(Table) of
        undefined ->
            undefined;
        {Id, Name, Named, Type, KeyPos, Protection, Owner, Heir, Read, Write, Counters, Compressed} ->
            #{id => Id, name => Name, named_table => Named, type => Type, keypos => KeyPos,
              protection => Protection, owner => Owner, heir => Heir, read_concurrency => Read,
              write_concurrency => Write, decentralized_counters => Counters,
              compressed => Compressed}
    end.

words(Bytes) -> Bytes div erlang:system_info(wordsize).

size(Table, Position, Sum) ->
    case offheap_nif:store_size(Table, Position) of
        Size when is_integer(Size) -> Sum + Size;
        {Next, Size} -> size(Table, Next, Sum + Size);
        undefined -> undefined
    end.

%% The sums over all parts of the table; exact if nobody writes.
stats(Id) ->
    try
        stats(Id, 0, {0, 0, 0, 0})
    catch
        error:badarg -> undefined
    end.

stats(_Id, done, Sums) ->
    Sums;
stats(Id, Position, {Size, Bytes, Segments, Boxes}) ->
    {Next, Size1, Bytes1, Segments1, Boxes1} = offheap_nif:store_stats(Id, Position),
    stats(Id, Next, {Size + Size1, Bytes + Bytes1, Segments + Segments1, Boxes + Boxes1}).

%% The table's reference, for calls that take several steps: a name may go to another table meanwhile.
id(Table) when is_atom(Table) ->
    case offheap_nif:store_whereis(Table) of
        undefined -> error(badarg);
        Id -> Id
    end;
id(Table) ->
    Table.

%% --- Objects ---

%% @doc Deletes the objects with key `Key', if there are any, all at once. Takes constant time.
-spec delete(store(), Key :: term()) -> true.
delete(Store, Key) ->
    try offheap_nif:store_delete_key(Store, Key) catch ?EXPLAINED([Store, Key]) end.

%% @doc Inserts an object, or a list of objects as one atomic and isolated change: no reader sees some of
%% them and not the others. An object replaces the one with the same key; in a bag it joins those with the
%% same key, in a `bag' only if no equal one is there. Takes constant time an object, however many the key has.
-spec insert(store(), Object | [Object]) -> true when Object :: tuple().
insert(Store, Objects) ->
    case offheap_nif:store_insert(Store, Objects) of
        true -> true;
        Refused -> ?REFUSED(Refused)
    end.

%% @doc The same, only if none of the keys is in the table: else `false' and no change.
-spec insert_new(store(), Object | [Object]) -> boolean() when Object :: tuple().
insert_new(Store, Objects) ->
    try offheap_nif:store_insert_new(Store, Objects) catch ?EXPLAINED([Store, Objects]) end.

%% @doc The objects with key `Key', in a list, in the order of their insertion: of a set at most one. All are
%% as of the same instant.
-spec lookup(store(), Key :: term()) -> [tuple()].
lookup(Store, Key) ->
    try offheap_nif:store_lookup(Store, Key) catch ?EXPLAINED([Store, Key]) end.

%% @doc The element at `Position' of the object with key `Key', in a bag the list of those of all its objects;
%% only this element is copied. Raises `badarg' if there is no such object or element.
-spec lookup_element(store(), Key :: term(), Position :: pos_integer()) -> term().
lookup_element(Store, Key, Position) ->
    try
        offheap_nif:store_lookup_element(Store, Key, Position)
    catch
        ?EXPLAINED([Store, Key, Position])
    end.

%% @doc The same, with a value for a key that is not there.
-spec lookup_element(store(), Key :: term(), Position :: pos_integer(), Default :: term()) -> term().
lookup_element(Store, Key, Position, Default) ->
    try
        offheap_nif:store_lookup_element_or(Store, Key, Position, Default)
    catch
        ?EXPLAINED([Store, Key, Position, Default])
    end.

%% @doc Whether there is an object with key `Key'.
-spec member(store(), Key :: term()) -> boolean().
member(Store, Key) ->
    try offheap_nif:store_member(Store, Key) catch ?EXPLAINED([Store, Key]) end.

%% @doc Deletes the objects with key `Key' and returns them in a list.
-spec take(store(), Key :: term()) -> [tuple()].
take(Store, Key) ->
    try offheap_nif:store_take(Store, Key) catch ?EXPLAINED([Store, Key]) end.

%% @doc Adds to integers of the object with key `Key', atomically, and returns the new value, or the list of
%% new values for a list of operations. `Increment' alone means the element after the key. If an operation
%% with a threshold passes it, upwards or for a negative increment downwards, the element becomes
%% `SetValue'. Raises `badarg', and changes nothing, if there is no such object, an element is not an
%% integer or is the key, or for a bag.
-spec update_counter(store(), Key :: term(), Increment :: integer() | update_op() | [update_op()]) ->
          integer() | [integer()].
update_counter(Store, Key, Operation) ->
    try
        case offheap_nif:store_update_counter(Store, Key, Operation) of
            general -> count(Store, Key, Operation, none);
            Value -> Value
        end
    catch
        ?EXPLAINED([Store, Key, Operation])
    end.

%% @doc The same; a key that is not there begins as `Default', an object whose key is replaced by `Key'.
-spec update_counter(store(), Key :: term(), Increment :: integer() | update_op() | [update_op()],
                     Default :: tuple()) -> integer() | [integer()].
update_counter(Store, Key, Operation, Default) ->
    try
        is_tuple(Default) orelse error(badarg),
        case offheap_nif:store_update_counter(Store, Key, Operation) of
            general -> count(Store, Key, Operation, {default, Default});
            Value -> Value
        end
    catch
        ?EXPLAINED([Store, Key, Operation, Default])
    end.

%% Lists, integers beyond 64 bits, defaults and errors: computed here, stored by compare-and-swap.
count(Table, Key, Operation, Default) ->
    Store = id(Table),
    KeyPos = set_keypos(Store),
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

keypos(Store) ->
    case properties(Store) of
        #{keypos := KeyPos} -> KeyPos;
        undefined -> error(badarg)
    end.

%% The key's place, in a table with one object a key.
set_keypos(Store) ->
    case properties(Store) of
        #{type := Type, keypos := KeyPos} when Type =:= set; Type =:= ordered_set -> KeyPos;
        _ -> error(badarg)
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
    case object_or_default(Store, Key, KeyPos, Default) of
        none -> error(badarg);
        Object -> Object
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

%% @doc All objects, in no order, or in that of an ordered set's keys. Every object that is in the table
%% throughout the call is in the list exactly once, whatever else is inserted or deleted meanwhile.
-spec tab2list(store()) -> [tuple()].
tab2list(Store) ->
    try tab2list(id(Store), last, []) catch ?EXPLAINED([Store]) end.

tab2list(_Store, done, Objects) ->
    Objects;
tab2list(Store, Position, Objects) ->
    {Next, More} = offheap_nif:store_scan(Store, Position, Objects),
    tab2list(Store, Next, More).

%% @doc The same as {@link delete_object/2}, but returns whether the object was there: compare-and-delete.
-spec remove(table(), Object :: tuple()) -> boolean().
remove(Store, Object) ->
    try offheap_nif:store_remove(Store, Object) catch ?EXPLAINED([Store, Object]) end.

%% @doc The objects of one part of the table, up to about a thousand, and where to go on. Begin with
%% `start'. A walk gives every object that is in the table throughout exactly once, whatever else is
%% inserted, deleted or grows meanwhile, and holds nothing between its steps: it may be given up, and needs
%% no `safe_fixtable'. An ordered set is walked in order. About 50 us a step.
-spec scan(table(), start | position()) -> {[tuple()], position() | done}.
scan(Store, start) ->
    scan(Store, 0);
scan(Store, Position) ->
    try
        {Next, Objects} = offheap_nif:store_scan(Store, Position, []),
        {Objects, Next}
    catch
        ?EXPLAINED([Store, Position])
    end.

%% @doc Stores `{Key, Value}'. Only for sets with `keypos' 1.
-spec put(store(), Key :: term(), Value :: term()) -> ok.
put(Store, Key, Value) ->
    case offheap_nif:store_put(Store, Key, Value) of
        ok -> ok;
        Refused -> ?REFUSED(Refused)
    end.

%% @doc The value stored for `Key', or `undefined'.
-spec get(store(), Key :: term()) -> Value :: term() | undefined.
get(Store, Key) ->
    try offheap_nif:store_get(Store, Key, undefined) catch ?EXPLAINED([Store, Key]) end.

%% @doc The value stored for `Key', or `Default'. Raises `badarg' if the object is not of two elements, or for
%% a bag.
-spec get(store(), Key :: term(), Default) -> Value :: term() | Default.
get(Store, Key, Default) ->
    try offheap_nif:store_get(Store, Key, Default) catch ?EXPLAINED([Store, Key, Default]) end.

%% @doc `{ok, Value}' or `error'.
-spec fetch(store(), Key :: term()) -> {ok, Value :: term()} | error.
fetch(Store, Key) ->
    try offheap_nif:store_fetch(Store, Key) catch ?EXPLAINED([Store, Key]) end.

%% @doc Replaces the object `Old' by `New', which must have the same key, if it is what the table holds
%% (`=:='): compare-and-swap. Returns whether it did. Only for sets.
-spec replace(store(), Old :: tuple(), New :: tuple()) -> boolean().
replace(Store, Old, New) ->
    try offheap_nif:store_replace(Store, Old, New) catch ?EXPLAINED([Store, Old, New]) end.

%% --- Traversal ---

%% Objects that one call of the library gives; tests of chunks go by it.
-define(CHUNK, 500).

%% @doc The first key, or `` '$end_of_table' '': of an ordered set the smallest one, elsewhere in an order that
%% only the table knows.
%%
%% A loop of `first/1' and {@link next/2} meets each key that is in the table throughout exactly once, in
%% order, whatever is inserted and deleted meanwhile and however the table grows; keys that come or go
%% meanwhile are met once or not at all. No {@link safe_fixtable/2} is needed. A step takes constant time,
%% in an ordered set that of a look-up.
-spec first(table()) -> Key :: term() | '$end_of_table'.
first(Store) ->
    try offheap_nif:store_first(Store) catch ?EXPLAINED([Store]) end.

%% @doc The largest key, or `` '$end_of_table' ''. A table without an order of keys is traversed in one direction
%% only, as in ETS: of it, this is {@link first/1}, and {@link prev/2} is {@link next/2}.
-spec last(table()) -> Key :: term() | '$end_of_table'.
last(Store) ->
    try offheap_nif:store_last(Store) catch ?EXPLAINED([Store]) end.

%% @doc The key after `Key', which need not be in the table (any more), or `` '$end_of_table' ''. ETS raises
%% `badarg' for such a key, unless the table is ordered or fixed.
-spec next(table(), Key :: term()) -> Next :: term() | '$end_of_table'.
next(Store, Key) ->
    try offheap_nif:store_next(Store, Key) catch ?EXPLAINED([Store, Key]) end.

%% @doc The key before `Key', which need not be in the table, or `` '$end_of_table' ''.
-spec prev(table(), Key :: term()) -> Prev :: term() | '$end_of_table'.
prev(Store, Key) ->
    try offheap_nif:store_prev(Store, Key) catch ?EXPLAINED([Store, Key]) end.

%% @doc As {@link first/1}, with the key's objects in a list, all as of one instant.
-spec first_lookup(table()) -> {Key :: term(), [tuple()]} | '$end_of_table'.
first_lookup(Store) ->
    try offheap_nif:store_first_lookup(Store) catch ?EXPLAINED([Store]) end.

%% @doc As {@link last/1}, with the key's objects.
-spec last_lookup(table()) -> {Key :: term(), [tuple()]} | '$end_of_table'.
last_lookup(Store) ->
    try offheap_nif:store_last_lookup(Store) catch ?EXPLAINED([Store]) end.

%% @doc As {@link next/2}, with the objects of the key it comes to.
-spec next_lookup(table(), Key :: term()) -> {Next :: term(), [tuple()]} | '$end_of_table'.
next_lookup(Store, Key) ->
    try offheap_nif:store_next_lookup(Store, Key) catch ?EXPLAINED([Store, Key]) end.

%% @doc As {@link prev/2}, with the objects of the key it comes to.
-spec prev_lookup(table(), Key :: term()) -> {Prev :: term(), [tuple()]} | '$end_of_table'.
prev_lookup(Store, Key) ->
    try offheap_nif:store_prev_lookup(Store, Key) catch ?EXPLAINED([Store, Key]) end.

%% @doc The objects of the `Index'-th slot, from 0 on: a few keys of the table. `'$end_of_table'' for the
%% number of slots; `badarg' beyond. When the table grows to twice as many slots, an object stays where it
%% is or goes to a later slot, so who goes through the slots upwards misses nothing and may meet an object
%% twice. The slots of an ordered set are its objects, in order.
-spec slot(store(), Index :: non_neg_integer()) -> [tuple()] | '$end_of_table'.
slot(Store, Index) ->
    try
        case properties(Store) of
            #{id := Id, type := ordered_set} -> ordered_slot(Id, Index);
            _ -> offheap_nif:store_slot(Store, Index)
        end
    catch
        ?EXPLAINED([Store, Index])
    end.

ordered_slot(Store, Index) ->
    case offheap_nif:store_nth(Store, Index) of
        [] ->
            Index =:= size(Store, 0, 0) orelse error(badarg),
            '$end_of_table';
        Objects ->
            Objects
    end.

%% @doc Notes that the caller has fixed the table, or has it no longer. Traversals are safe without, so this
%% changes nothing but what {@link info/2} shows: `fixed', a boolean; `safe_fixed_monotonic_time', `false' or
%% since when the table has been fixed, in native time units, and by which processes how often. A process's
%% fixes end with it.
-spec safe_fixtable(store(), Fix :: boolean()) -> true.
safe_fixtable(Store, Fix) ->
    try
        offheap_nif:store_safe_fixtable(Store, Fix, erlang:monotonic_time())
    catch
        ?EXPLAINED([Store, Fix])
    end.

fixed(fixed, Fixed) ->
    Fixed =/= false;
fixed(_, false) ->
    false;
fixed(safe_fixed_monotonic_time, Fixed) ->
    Fixed;
fixed(safe_fixed, {Since, Processes}) ->
    Time = erlang:convert_time_unit(Since + erlang:time_offset(), native, microsecond),
    Seconds = Time div 1000000,
    {{Seconds div 1000000, Seconds rem 1000000, Time rem 1000000}, Processes}.

%% @doc Calls `Fun(Object, Acc)' for every object: of an ordered set in order, elsewhere in no order but that of
%% insertion among objects of one key. Every object that is in the table throughout the call is given exactly once.
-spec foldl(fun((Object :: tuple(), Acc) -> Acc), Acc, store()) -> Acc when Acc :: term().
foldl(Fun, Acc, Store) -> fold(fun lists:foldl/3, Fun, Acc, id(Store), 0).

%% @doc The same from the last object of an ordered set on. A table without an order of keys has one direction
%% only.
-spec foldr(fun((Object :: tuple(), Acc) -> Acc), Acc, store()) -> Acc when Acc :: term().
foldr(Fun, Acc, Store) -> fold(fun lists:foldr/3, Fun, Acc, id(Store), last).

fold(_Fold, _Fun, Acc, _Store, done) ->
    Acc;
fold(Fold, Fun, Acc, Store, Position) ->
    {Next, Objects} = offheap_nif:store_scan(Store, Position, []),
    fold(Fold, Fun, Fold(Fun, Acc, Objects), Store, Next).

%% --- Objects and elements ---

%% @doc Deletes the object, if it is in the table as a whole: another one with the same key stays. From a
%% `duplicate_bag', all that equal it. Takes constant time, however many objects the key has.
-spec delete_object(store(), Object :: tuple()) -> true.
delete_object(Store, Object) ->
    try offheap_nif:store_delete_object(Store, Object) catch ?EXPLAINED([Store, Object]) end.

%% @doc Deletes all objects, atomically and isolated. Takes constant time: their memory is freed in the
%% background.
-spec delete_all_objects(store()) -> true.
delete_all_objects(Store) ->
    try offheap_nif:store_delete_all_objects(Store) catch ?EXPLAINED([Store]) end.

%% @doc Sets elements of the object with key `Key', all at once. `false' if there is none. Raises `badarg', and
%% changes nothing, if an element is not there or is the key, or for a bag.
-spec update_element(store(), Key :: term(), Element | [Element]) -> boolean()
              when Element :: {Position :: pos_integer(), Value :: term()}.
update_element(Store, Key, Elements) ->
    try
        case offheap_nif:store_update_element(Store, Key, Elements) of
            general -> set_elements(Store, Key, Elements, none);
            Done -> Done
        end
    catch
        ?EXPLAINED([Store, Key, Elements])
    end.

%% @doc The same; a key that is not there begins as `Default', an object whose key is replaced by `Key'. (ETS
%% has it from OTP 27 on.)
-spec update_element(store(), Key :: term(), Element | [Element], Default :: tuple()) -> true
              when Element :: {Position :: pos_integer(), Value :: term()}.
update_element(Store, Key, Elements, Default) ->
    try
        is_tuple(Default) orelse error(badarg),
        case offheap_nif:store_update_element(Store, Key, Elements) of
            true -> true;
            _ -> set_elements(Store, Key, Elements, {default, Default})
        end
    catch
        ?EXPLAINED([Store, Key, Elements, Default])
    end.

set_elements(Table, Key, Elements, Default) ->
    Store = id(Table),
    List = case is_tuple(Elements) of
               true -> [Elements];
               false -> Elements
           end,
    set_elements(Store, Key, set_keypos(Store), List, Default).

%% What the emulator must do: computed here, stored by compare-and-swap.
set_elements(Store, Key, KeyPos, Elements, Default) ->
    case object_or_default(Store, Key, KeyPos, Default) of
        none ->
            false;
        {Present, Object} ->
            New = set_elements(Elements, Object, KeyPos),
            Stored = case Present of
                         true -> offheap_nif:store_replace(Store, Object, New);
                         false -> offheap_nif:store_insert_new(Store, New)
                     end,
            Stored orelse set_elements(Store, Key, KeyPos, Elements, Default)
    end.

set_elements([{Position, Value} | Elements], Object, KeyPos)
  when is_integer(Position), Position > 0, Position =/= KeyPos, Position =< tuple_size(Object) ->
    set_elements(Elements, setelement(Position, Object, Value), KeyPos);
set_elements([], Object, _KeyPos) ->
    Object;
set_elements(_, _Object, _KeyPos) ->
    error(badarg).

%% The object that is there, or the default with the key; none if there is neither.
object_or_default(Store, Key, KeyPos, Default) ->
    case {offheap_nif:store_lookup(Store, Key), Default} of
        {[Object], _} -> {true, Object};
        {[], none} -> none;
        {[], {default, Tuple}} when tuple_size(Tuple) >= KeyPos ->
            {false, setelement(KeyPos, Tuple, Key)};
        _ -> error(badarg)
    end.

%% --- Ordered sets: `badarg' for a table of another type ---

%% @doc How many objects have keys smaller than `Key', which need not be in the table: the position of its
%% object in order, counted from 0. Exact if nobody writes meanwhile. Takes about a microsecond in a million
%% objects. The first in a table that was filled counts each thousand objects: 25 us for a million.
-spec rank(table(), Key :: term()) -> non_neg_integer().
rank(Store, Key) ->
    try offheap_nif:store_rank(Store, Key) catch ?EXPLAINED([Store, Key]) end.

%% @doc The object at position `N' in order, counted from 0, in a list; an empty list beyond the end. As
%% exact as {@link rank/2}.
-spec nth(table(), N :: non_neg_integer()) -> [tuple()].
nth(Store, N) ->
    try offheap_nif:store_nth(Store, N) catch ?EXPLAINED([Store, N]) end.

%% @doc Up to `Count' objects in order, from position `Start' on, counted from 0. The start is as exact as
%% {@link rank/2}; from there on it is a {@link range/4}.
-spec slice(table(), Start :: non_neg_integer(), Count :: non_neg_integer()) -> [tuple()].
slice(Store, Start, Count) ->
    try chunks(id(Store), rank, Start, [], limit(Count)) catch ?EXPLAINED([Store, Start, Count]) end.

%% @doc All objects with `From =< Key =< To', in order.
-spec range(table(), From :: term(), To :: term()) -> [tuple()].
range(Store, From, To) ->
    try chunks(id(Store), from, From, [To], infinity) catch ?EXPLAINED([Store, From, To]) end.

%% @doc The first of them, up to `Limit'. Objects that are there throughout the call are given exactly
%% once; up to some hundred neighbours are given as of one instant.
-spec range(table(), From :: term(), To :: term(), Limit :: non_neg_integer()) -> [tuple()].
range(Store, From, To, Limit) ->
    try
        chunks(id(Store), from, From, [To], limit(Limit))
    catch
        ?EXPLAINED([Store, From, To, Limit])
    end.

limit(Limit) when is_integer(Limit), Limit >= 0 -> Limit;
limit(_) -> error(badarg).

%% Atoms are larger than integers: infinity, too.
chunks(Store, Mode, From, To, Limit) when Limit =< ?CHUNK ->
    offheap_nif:store_range(Store, Mode, From, To, Limit);
chunks(Store, Mode, From, To, Limit) ->
    Objects = offheap_nif:store_range(Store, Mode, From, To, ?CHUNK),
    case length(Objects) of
        ?CHUNK ->
            Key = element(keypos(Store), lists:last(Objects)),
            Rest = if Limit =:= infinity -> infinity; true -> Limit - ?CHUNK end,
            Objects ++ chunks(Store, 'after', Key, To, Rest);
        _ ->
            Objects
    end.

%% --- Files, dets, queries, looking by hand ---

%% @doc The same as {@link tab2file/3} without options.
-spec tab2file(table(), file:name()) -> ok | {error, Reason :: term()}.
tab2file(Table, File) -> tab2file(Table, File, []).

%% @doc Writes the table to a file, in ETS's format: `ets:file2tab/1' reads it, too.
%%
%% `{extended_info, [object_count | md5sum]}' adds what `{verify, true}' checks when the file is read;
%% `{sync, true}' returns when the file is on the disk. Beside writers, the file has every object that was
%% in the table throughout. Takes about a microsecond an object.
-spec tab2file(table(), file:name(), [Option]) -> ok | {error, Reason :: term()}
              when Option :: {extended_info, [object_count | md5sum]} | {sync, boolean()}.
tab2file(Table, File, Options) -> offheap_store_file:write(Table, File, Options).

%% @doc The same as {@link file2tab/2} without options.
-spec file2tab(file:name()) -> {ok, table()} | {error, Reason :: term()}.
file2tab(File) -> file2tab(File, []).

%% @doc Makes a table of a file that {@link tab2file/2} or `ets:tab2file/2' wrote: its name, type,
%% protection and key position are the written one's. `{verify, true}' returns an error, and makes no
%% table, if the file is not as it was written, as far as it says how: by a checksum, the number of
%% objects, or else the table's size then.
-spec file2tab(file:name(), [{verify, boolean()}]) -> {ok, table()} | {error, Reason :: term()}.
file2tab(File, Options) -> offheap_store_file:read(File, Options).

%% @doc What the head of such a file says of the table in it.
-spec tabfile_info(file:name()) -> {ok, [{Item :: atom(), term()}]} | {error, Reason :: term()}.
tabfile_info(File) -> ets:tabfile_info(File).

%% @doc Inserts all objects of an open dets table.
-spec from_dets(table(), dets:tab_name()) -> true.
from_dets(Table, Dets) -> offheap_store_file:from_dets(Table, Dets).

%% @doc Replaces all objects of an open dets table by those of the table.
-spec to_dets(table(), dets:tab_name()) -> dets:tab_name().
to_dets(Table, Dets) -> offheap_store_file:to_dets(Table, Dets).

%% @doc Empties the table, then calls `InitFun(read)' again and again for objects: it returns
%% `{Objects, NextInitFun}' or `end_of_input'. For anything else, and when the objects are refused, the
%% call exits; for the latter `InitFun(close)' is called before.
-spec init_table(table(), InitFun) -> true
              when InitFun :: fun((read | close) -> end_of_input | {[tuple()], InitFun} | term()).
init_table(Table, InitFun) -> offheap_store_file:init(Table, InitFun).

%% @doc The same as {@link table/2} without options.
-spec table(table()) -> qlc:query_handle().
table(Table) -> table(Table, []).

%% @doc A handle for `qlc': a query over it looks keys up where it asks for `=:=' of the key, and gives the
%% rest of its conditions as a match specification to the walk. `{traverse, {select, MatchSpec}}' puts a
%% match specification before the query. `{n_objects, _}' and the other ways to traverse are taken as ETS
%% takes them. The walk is that of {@link scan/2} and fixes nothing.
-spec table(table(), Option | [Option]) -> qlc:query_handle()
              when Option :: {n_objects, default | pos_integer()}
                           | {traverse, first_next | last_prev | select
                                        | {select, ets:match_spec()}}.
table(Table, Options) ->
    try offheap_store_qlc:table(Table, Options) catch ?EXPLAINED([Table, Options]) end.

%% @doc Prints a line for each named table.
-spec i() -> ok.
i() -> offheap_store_i:tables().

%% @doc The same as {@link i/3} with lines of 80 characters and 40 of them a page.
-spec i(table()) -> ok.
i(Table) -> i(Table, 40).

%% @doc The same as {@link i/3} with lines of 80 characters.
-spec i(table(), pos_integer()) -> ok.
i(Table, Height) -> i(Table, Height, 80).

%% @doc Prints the objects, one a line, page by page.
-spec i(table(), Height :: pos_integer(), Width :: pos_integer()) -> ok.
i(Table, Height, Width) -> offheap_store_i:objects(id(Table), Height, Width).


%% --- Match specifications ---

%% @doc What the bodies of `MatchSpec' make of the objects that match: of an ordered set in the order of their
%% keys, elsewhere in no order.
%%
%% A match specification is what ETS takes, and means the same. Where its clauses give the key (in the head, or
%% by a `=:=' or `==' of the key and a constant that every match must pass), the objects are looked up. In an
%% ordered set a walk begins and ends where such comparisons (`<', `=<', `>', `>=') and the beginning of the head's
%% key, up to its first variable, say: ``[{{{user, 7, '_'}, '$1'}, [], ['$1']}]'' walks the objects of user 7 alone.
%% {@link select_plan/2} tells. Else the whole table is walked: every object that is in it throughout the call
%% is matched exactly once, each as of one instant, whatever is inserted, deleted or split meanwhile. Only what
%% the bodies return is copied.
%%
%% A step of the walk takes about half a millisecond; other processes run in between. Raises `badarg' for a
%% malformed specification, `system_limit' for one that nests too deep, `badarg' if the table is deleted
%% during the call.
-spec select(store(), match_spec()) -> [term()].
select(Store, MatchSpec) ->
    try offheap_store_select:select(Store, MatchSpec) catch ?EXPLAINED([Store, MatchSpec]) end.

%% @doc The same in chunks of `Limit' results: `{Results, Continuation}', with fewer only at the end, where
%% the continuation is `'$end_of_table''; this alone if nothing is left. No objects that are deleted between
%% chunks are in later ones. An ordered set's chunks are in order, and go on behind the last key they got to,
%% whether it is still there or not.
-spec select(store(), match_spec(), Limit :: pos_integer()) ->
          {[term()], continuation() | '$end_of_table'} | '$end_of_table'.
select(Store, MatchSpec, Limit) ->
    try offheap_store_select:select(Store, MatchSpec, Limit) catch ?EXPLAINED([Store, MatchSpec, Limit]) end.

%% @doc The next chunk. A continuation is good for any process that may read the table, and may be used again;
%% one that left this node, or the external term format, must pass {@link repair_continuation/2}.
-spec select(continuation() | '$end_of_table') ->
          {[term()], continuation() | '$end_of_table'} | '$end_of_table'.
select(Continuation) -> offheap_store_select:select(Continuation).

%% @doc As {@link select/2}, of an ordered set in descending order.
-spec select_reverse(store(), match_spec()) -> [term()].
select_reverse(Store, MatchSpec) ->
    try offheap_store_select:select_reverse(Store, MatchSpec) catch ?EXPLAINED([Store, MatchSpec]) end.

%% @doc As {@link select/3}, of an ordered set from its end.
-spec select_reverse(store(), match_spec(), Limit :: pos_integer()) ->
          {[term()], continuation() | '$end_of_table'} | '$end_of_table'.
select_reverse(Store, MatchSpec, Limit) ->
    try offheap_store_select:select_reverse(Store, MatchSpec, Limit)
    catch ?EXPLAINED([Store, MatchSpec, Limit]) end.

%% @doc As {@link select/1}: a continuation knows its direction.
-spec select_reverse(continuation() | '$end_of_table') ->
          {[term()], continuation() | '$end_of_table'} | '$end_of_table'.
select_reverse(Continuation) -> offheap_store_select:select(Continuation).

%% @doc How many objects match with a body whose value is `true'. Walks as {@link select/2}.
-spec select_count(store(), match_spec()) -> non_neg_integer().
select_count(Store, MatchSpec) ->
    try offheap_store_select:count(Store, MatchSpec) catch ?EXPLAINED([Store, MatchSpec]) end.

%% @doc Deletes the objects that match with a body whose value is `true'; how many. Walks as {@link select/2}.
%% In a duplicate bag, equal objects go at once, and each counts.
%% Each object is matched and deleted in one instant: one that is changed meanwhile is matched again. The call as
%% a whole is not atomic.
-spec select_delete(store(), match_spec()) -> non_neg_integer().
select_delete(Store, MatchSpec) ->
    try offheap_store_select:delete(Store, MatchSpec) catch ?EXPLAINED([Store, MatchSpec]) end.

%% @doc Replaces each object that matches by what the body makes of it; how many. Each object is matched and
%% replaced in one instant. Raises `badarg' unless it can be told from the specification that every body is one
%% tuple with the key of the object that was matched: `'$_'', `{{Element, ...}}' with the head's key in the
%% key's place or `{element, KeyPos, '$_'}' there, or a constant object; and for bags.
-spec select_replace(store(), match_spec()) -> non_neg_integer().
select_replace(Store, MatchSpec) ->
    try offheap_store_select:replace(Store, MatchSpec) catch ?EXPLAINED([Store, MatchSpec]) end.

%% @doc The variables' values, in a list for each object that matches the pattern.
-spec match(store(), match_pattern()) -> [[term()]].
match(Store, Pattern) ->
    try offheap_store_select:match(Store, Pattern) catch ?EXPLAINED([Store, Pattern]) end.

%% @doc The same in chunks, as {@link select/3}.
-spec match(store(), match_pattern(), Limit :: pos_integer()) ->
          {[[term()]], continuation() | '$end_of_table'} | '$end_of_table'.
match(Store, Pattern, Limit) ->
    try offheap_store_select:match(Store, Pattern, Limit) catch ?EXPLAINED([Store, Pattern, Limit]) end.

%% @doc The next chunk.
-spec match(continuation() | '$end_of_table') ->
          {[[term()]], continuation() | '$end_of_table'} | '$end_of_table'.
match(Continuation) -> offheap_store_select:select(Continuation).

%% @doc The objects that match the pattern.
-spec match_object(store(), match_pattern()) -> [tuple()].
match_object(Store, Pattern) ->
    try offheap_store_select:match_object(Store, Pattern) catch ?EXPLAINED([Store, Pattern]) end.

%% @doc The same in chunks, as {@link select/3}.
-spec match_object(store(), match_pattern(), Limit :: pos_integer()) ->
          {[tuple()], continuation() | '$end_of_table'} | '$end_of_table'.
match_object(Store, Pattern, Limit) ->
    try offheap_store_select:match_object(Store, Pattern, Limit) catch ?EXPLAINED([Store, Pattern, Limit]) end.

%% @doc The next chunk.
-spec match_object(continuation() | '$end_of_table') ->
          {[tuple()], continuation() | '$end_of_table'} | '$end_of_table'.
match_object(Continuation) -> offheap_store_select:select(Continuation).

%% @doc Deletes the objects that match the pattern, as {@link select_delete/2}.
-spec match_delete(store(), match_pattern()) -> true.
match_delete(Store, Pattern) ->
    try offheap_store_select:match_delete(Store, Pattern) catch ?EXPLAINED([Store, Pattern]) end.

%% @doc How {@link select/2} and its like find the objects of `MatchSpec': `{keys, Keys}', by looking up these
%% keys; `scan', by walking the whole table; in an ordered set `{range, Lower, Upper, Pattern}', by walking from the
%% first key that is not below `Lower', ``{'>', Key}'', ``{'>=', Key}'' or `unbound', and may match `Pattern'
%% (`` '_' '': any), to the last that is not above `Upper', ``{'<', Key}'', ``{'=<', Key}'' or `unbound', and may
%% match. Of the pattern what comes before its first variable counts, the rest is matched object by object.
-spec select_plan(store(), match_spec()) -> offheap_store_select:plan().
select_plan(Store, MatchSpec) ->
    try offheap_store_select:plan(Store, MatchSpec) catch ?EXPLAINED([Store, MatchSpec]) end.

%% @doc A continuation that works after it was in the external term format, given the specification it was made
%% with.
-spec repair_continuation(continuation() | '$end_of_table', match_spec()) ->
          continuation() | '$end_of_table'.
repair_continuation(Continuation, MatchSpec) ->
    offheap_store_select:repair(Continuation, MatchSpec).

%% @doc As {@link ets:is_compiled_ms/1}.
-spec is_compiled_ms(term()) -> boolean().
is_compiled_ms(Term) -> ets:is_compiled_ms(Term).

%% @doc As {@link ets:match_spec_compile/1}: for {@link match_spec_run/2}. What selections compile is their
%% own.
-spec match_spec_compile(match_spec()) -> ets:compiled_match_spec().
match_spec_compile(MatchSpec) -> ets:match_spec_compile(MatchSpec).

%% @doc As {@link ets:match_spec_run/2}.
-spec match_spec_run([term()], ets:compiled_match_spec()) -> [term()].
match_spec_run(List, Compiled) -> ets:match_spec_run(List, Compiled).

%% @doc As {@link ets:test_ms/2}.
-spec test_ms(tuple(), match_spec()) ->
          {ok, term()} | {error, [{warning | error, string()}]}.
test_ms(Tuple, MatchSpec) -> ets:test_ms(Tuple, MatchSpec).

%% @doc As {@link ets:fun2ms/1}, in a shell. A module includes `stdlib/include/ms_transform.hrl' and calls
%% `ets:fun2ms/1', which is what that transforms.
-spec fun2ms(function()) -> match_spec().
fun2ms(Fun) -> ets:fun2ms(Fun).
