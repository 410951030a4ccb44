%% @private Match specifications on a store: what {@link offheap_store} delegates to.
%%
%% The library walks the table and matches, a step of about half a millisecond a call
%% (offheap_nif:store_select/7); this module loops over the steps. Where the library's compiler does not cover the
%% specification, or an object ends its run, the walk gives the next objects themselves, which go through
%% ets:match_spec_run/2, hundreds at once. A write goes on from the object that was matched by compare-and-swap; of
%% a bag it deletes what equals it.
%%
%% Results are consed as they come. So a whole ordered set is walked from the end where the last result is; a chunk
%% from where the first one is, and turned round.
-module(offheap_store_select).

-export([select/2, select/3, select/1, select_reverse/2, select_reverse/3]).
-export([count/2, delete/2, replace/2, repair/2, plan/2]).
-export([match/2, match/3, match_object/2, match_object/3, match_delete/2]).
-export_type([continuation/0, plan/0]).

%% {Store, Compiled, Limit, Position, Left}; of a continuation that came from elsewhere Compiled is a
%% stale reference.
-opaque continuation() :: {offheap_store:store(), Compiled :: reference(), Limit :: pos_integer(),
                           position(), [left()]}.

%% A key that comes before the walk goes on; of a bag with where to go on among its objects, or an object of which
%% so many equal ones are left.
-type left() :: (Key :: term()) | {Key :: term(), non_neg_integer()} | {'$_', tuple(), Copies :: pos_integer()}.

%% Where a walk goes on: nif_store_cursor.h.
-type position() :: non_neg_integer() | [Key :: term()] | last | {Key :: term()} | done.

-type plan() :: {keys, [Key :: term()]}
              | {range, {'>=' | '>', Key :: term()} | unbound, {'=<' | '<', Key :: term()} | unbound,
                 Pattern :: term()}
              | scan.

-define(IS_LIMIT(Limit), is_integer(Limit), Limit > 0, Limit < 1 bsl 59).

%% --- Reads ---

select(Store, MatchSpec) -> all(Store, MatchSpec, last).
select_reverse(Store, MatchSpec) -> all(Store, MatchSpec, 0).

all(Store, MatchSpec, Position) when is_list(MatchSpec) ->
    step(Store, MatchSpec, select, 0, Position, [], []);
all(_Store, _MatchSpec, _Position) ->
    error(badarg).

select(Store, MatchSpec, Limit) -> first(Store, MatchSpec, Limit, 0).
select_reverse(Store, MatchSpec, Limit) -> first(Store, MatchSpec, Limit, last).

first(Store, MatchSpec, Limit, Position) when is_list(MatchSpec), ?IS_LIMIT(Limit) ->
    chunk(Store, MatchSpec, Limit, Position, []);
first(_Store, _MatchSpec, _Limit, _Position) ->
    error(badarg).

select('$end_of_table') ->
    '$end_of_table';
select({Store, Compiled, Limit, Position, Left})
  when is_reference(Compiled), ?IS_LIMIT(Limit), is_list(Left) ->
    chunk(Store, Compiled, Limit, Position, Left);
select(_Continuation) ->
    error(badarg).

match(Store, Pattern) -> select(Store, [{Pattern, [], ['$$']}]).
match(Store, Pattern, Limit) -> select(Store, [{Pattern, [], ['$$']}], Limit).
match_object(Store, Pattern) -> select(Store, [{Pattern, [], ['$_']}]).
match_object(Store, Pattern, Limit) -> select(Store, [{Pattern, [], ['$_']}], Limit).

count(Store, MatchSpec) when is_list(MatchSpec) ->
    step(Store, MatchSpec, count, 0, 0, [], 0);
count(_Store, _MatchSpec) ->
    error(badarg).

chunk(Store, Spec, Limit, Position, Left) ->
    case step(Store, Spec, select, Limit, Position, Left, []) of
        {full, Id, Compiled, 0, Next, Left1, Results} ->
            {lists:reverse(Results), {Id, Compiled, Limit, Next, Left1}};
        [] ->
            '$end_of_table';
        Results ->
            {lists:reverse(Results), '$end_of_table'}
    end.

%% --- Writes ---

delete(Store, MatchSpec) when is_list(MatchSpec) ->
    step(Store, MatchSpec, delete, 0, 0, [], 0);
delete(_Store, _MatchSpec) ->
    error(badarg).

match_delete(Store, Pattern) ->
    _ = delete(Store, [{Pattern, [], [true]}]),
    true.

replace(Store, MatchSpec) ->
    keeps_keys(MatchSpec, keypos(Store)) orelse error(badarg),
    step(Store, MatchSpec, replace, 0, 0, [], 0).

%% --- Steps ---

%% All steps up to the end, or up to a full chunk.
step(Store, Spec, Mode, Limit, Position, Left, Results) ->
    step(Store, Spec, undefined, Mode, Limit, Position, Left, Results).

step(Store, Spec, MS, Mode, Limit, Position, Left, Results) ->
    case offheap_nif:store_select(Store, Spec, Mode, Limit, Position, Left, Results) of
        {more, Id, Compiled, Limit1, Position1, Left1, Results1} ->
            step(Id, Compiled, MS, Mode, Limit1, Position1, Left1, Results1);
        {general, Id, Compiled, Limit1, Position1, Left1, Results1} when MS =:= undefined ->
            MS1 = general(Spec, Compiled, Mode),
            general(Id, Compiled, MS1, Mode, Limit1, Position1, Left1, Results1);
        {general, Id, Compiled, Limit1, Position1, Left1, Results1} ->
            general(Id, Compiled, MS, Mode, Limit1, Position1, Left1, Results1);
        Other ->
            Other
    end.

%% The specification for ets:match_spec_run/2. Of what is to be written, the object matched is needed, too.
general(Spec, Compiled, Mode) ->
    MatchSpec = case is_reference(Spec) of
                    true -> offheap_nif:store_match_source(Compiled);
                    false -> Spec
                end,
    case Mode of
        _ when MatchSpec =:= [] ->
            none;
        _ when Mode =:= select; Mode =:= count ->
            ets:match_spec_compile(MatchSpec);
        _ ->
            _ = ets:match_spec_compile(MatchSpec),
            ets:match_spec_compile([{Head, Guards, [{{'$_', lists:last(Body)}}]}
                                    || {Head, Guards, Body} <- MatchSpec])
    end.

%% Objects that the emulator matches at once.
-define(GENERAL_CHUNK, 500).

general(Store, Compiled, MS, Mode, Limit, Position, Left, Results) ->
    Size = case Limit of
               0 -> ?GENERAL_CHUNK;
               _ -> min(Limit, ?GENERAL_CHUNK)
           end,
    case step(Store, Compiled, '$_', Size, Position, Left, []) of
        {full, _, _, 0, Position1, Left1, Objects} ->
            case run(Store, MS, Mode, Objects, Results) of
                {Found, Results1} when Found =:= Limit, Limit > 0 ->
                    {full, Store, Compiled, 0, Position1, Left1, Results1};
                {Found, Results1} ->
                    step(Store, Compiled, MS, Mode, max(Limit - Found, 0), Position1, Left1, Results1)
            end;
        Objects ->
            {_, Results1} = run(Store, MS, Mode, Objects, Results),
            Results1
    end.

%% Runs the objects, the last one first: how many results there are, and these before the others.
run(Store, MS, Mode, Objects, Results) ->
    Matches = ets:match_spec_run(Objects, MS),
    case Mode of
        select -> {length(Matches), Matches ++ Results};
        count -> {0, Results + length([true || true <- Matches])};
        delete -> {0, delete(Store, MS, [Object || {Object, true} <- Matches], Results)};
        replace -> {0, lists:foldl(fun(Match, N) -> N + swap(Store, MS, Match) end, Results, Matches)}
    end.

delete(Store, MS, Objects, N) ->
    {Type, KeyPos} = shape(Store),
    case Type =:= bag orelse Type =:= duplicate_bag of
        true ->
            %% Each once, whatever equals it.
            Left = [{'$_', Object, 1} || Object <- maps:keys(maps:from_list([{O, []} || O <- Objects]))],
            step(Store, [{'_', [], [true]}], delete, 0, done, Left, N);
        false ->
            lists:foldl(fun(Object, N1) ->
                                case offheap_nif:store_remove(Store, Object) of
                                    true -> N1 + 1;
                                    false -> N1 + again(Store, MS, delete, element(KeyPos, Object))
                                end
                        end, N, Objects)
    end.

swap(Store, MS, {Object, New}) ->
    case offheap_nif:store_replace(Store, Object, New) of
        true -> 1;
        false -> again(Store, MS, replace, element(keypos(Store), Object))
    end.

%% What is there now in the place of an object that was matched is matched.
again(Store, MS, Mode, Key) ->
    {_, Written} = run(Store, MS, Mode, offheap_nif:store_lookup(Store, Key), 0),
    Written.

%% --- select_replace: whether every clause keeps the key, told from its terms as ETS tells it ---

keeps_keys([{Head, _Guards, [Body]} | Clauses], KeyPos) ->
    keeps_key(Head, Body, KeyPos) andalso keeps_keys(Clauses, KeyPos);
keeps_keys([], _KeyPos) ->
    true;
keeps_keys(_, _KeyPos) ->
    false.

keeps_key(_Head, '$_', _KeyPos) ->
    true;
keeps_key(Head, Body, KeyPos) when is_tuple(Head), tuple_size(Head) >= KeyPos ->
    Key = element(KeyPos, Head),
    case Body of
        {const, Object} when is_tuple(Object), tuple_size(Object) >= KeyPos ->
            is_rebuilt(Key, element(KeyPos, Object), true);
        {Object} when is_tuple(Object), tuple_size(Object) >= KeyPos ->
            NewKey = element(KeyPos, Object),
            NewKey =:= {element, KeyPos, '$_'} orelse is_rebuilt(Key, NewKey, false);
        _ ->
            false
    end;
keeps_key(_Head, _Body, _KeyPos) ->
    false.

%% Whether the expression, or with Const the constant, makes what the pattern matched.
is_rebuilt([P | Ps], [E | Es], Const) ->
    is_rebuilt(P, E, Const) andalso is_rebuilt(Ps, Es, Const);
is_rebuilt(Pattern, {Expression}, false) when is_tuple(Pattern), is_tuple(Expression) ->
    tuple_size(Pattern) =:= tuple_size(Expression) andalso
        is_rebuilt(tuple_to_list(Pattern), tuple_to_list(Expression), false);
is_rebuilt(Pattern, {const, Constant}, false) ->
    is_rebuilt(Pattern, Constant, true);
is_rebuilt(Pattern, Expression, true) when is_tuple(Pattern), is_tuple(Expression) ->
    tuple_size(Pattern) =:= tuple_size(Expression) andalso
        is_rebuilt(tuple_to_list(Pattern), tuple_to_list(Expression), true);
is_rebuilt(_Pattern, Expression, _Const) when is_tuple(Expression); is_map(Expression);
                                              Expression =:= '_'; Expression =:= '$$';
                                              Expression =:= '$_' ->
    false;
is_rebuilt(Pattern, Expression, Const) ->
    Pattern =:= Expression andalso not (Const andalso is_variable(Pattern)).

is_variable(Atom) when is_atom(Atom) ->
    case atom_to_list(Atom) of
        "$0" -> true;
        [$$, Digit | Digits] when Digit >= $1, Digit =< $9 ->
            lists:all(fun(D) -> D >= $0 andalso D =< $9 end, Digits);
        _ -> false
    end;
is_variable(_) ->
    false.

%% --- Continuations, plans ---

repair('$end_of_table', _MatchSpec) ->
    '$end_of_table';
repair({Store, Compiled, Limit, Position, Left} = Continuation, MatchSpec)
  when is_reference(Compiled), ?IS_LIMIT(Limit), is_list(Left) ->
    try offheap_nif:store_match_source(Compiled) of
        _ -> Continuation
    catch
        error:badarg ->
            _ = MatchSpec =:= [] orelse ets:match_spec_compile(MatchSpec),
            {Store, offheap_nif:store_match_compile(Store, MatchSpec), Limit, Position, Left}
    end;
repair(_Continuation, _MatchSpec) ->
    error(badarg).

plan(Store, MatchSpec) ->
    {Type, KeyPos} = shape(Store),
    _ = MatchSpec =:= [] orelse ets:match_spec_compile(MatchSpec),
    case offheap_nif:store_match_keys(MatchSpec, KeyPos, Type =:= ordered_set) of
        {keys, Keys} -> {keys, Keys};
        {range, _, _, _} = Range when Type =:= ordered_set -> Range;
        _ -> scan
    end.

keypos(Store) ->
    {_Type, KeyPos} = shape(Store),
    KeyPos.

shape(Store) ->
    case offheap_nif:store_properties(Store) of
        undefined -> error(badarg);
        Properties -> {element(4, Properties), element(5, Properties)}
    end.
