%% @private Match specifications on a store: what {@link offheap_store} delegates to.
%%
%% The library walks the table and matches, a step of about half a millisecond a call
%% (offheap_nif:store_select/7); this module loops over the steps. What the library's compiler does not cover, it
%% hands back as keys: their objects are looked up and run through ets:match_spec_run/2, all of a chunk at
%% once. A write goes on from the object that was matched by compare-and-swap.
%%
%% Results are consed as they come. So a whole ordered set is walked from the end where the last result is; a chunk
%% from where the first one is, and turned round.
-module(offheap_store_select).

-export([select/2, select/3, select/1, select_reverse/2, select_reverse/3]).
-export([count/2, delete/2, replace/2, repair/2, plan/2]).
-export([match/2, match/3, match_object/2, match_object/3, match_delete/2]).
-export_type([continuation/0, plan/0]).

%% {Store, Compiled, Limit, Position, Keys}; of a continuation that came from elsewhere Compiled is a
%% stale reference.
-opaque continuation() :: offheap_store_select_bag:continuation()
                        | {offheap_store:store(), Compiled :: reference(), Limit :: pos_integer(),
                           position(), Keys :: [term()]}.

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
    run(Store, MatchSpec, select, Position, []);
all(_Store, _MatchSpec, _Position) ->
    error(badarg).

select(Store, MatchSpec, Limit) -> first(Store, MatchSpec, Limit, 0).
select_reverse(Store, MatchSpec, Limit) -> first(Store, MatchSpec, Limit, last).

first(Store, MatchSpec, Limit, Position) when is_list(MatchSpec), ?IS_LIMIT(Limit) ->
    case offheap_store_select_bag:is_bag(Store) of
        true -> offheap_store_select_bag:select(Store, MatchSpec, Limit);
        false -> chunk(Store, MatchSpec, Limit, Position, [])
    end;
first(_Store, _MatchSpec, _Limit, _Position) ->
    error(badarg).

select('$end_of_table') ->
    '$end_of_table';
select({bag, _, _, _, _, _} = Continuation) ->
    offheap_store_select_bag:select(Continuation);
select({Store, Compiled, Limit, Position, Keys})
  when is_reference(Compiled), ?IS_LIMIT(Limit), is_list(Keys) ->
    chunk(Store, Compiled, Limit, Position, Keys);
select(_Continuation) ->
    error(badarg).

match(Store, Pattern) -> select(Store, [{Pattern, [], ['$$']}]).
match(Store, Pattern, Limit) -> select(Store, [{Pattern, [], ['$$']}], Limit).
match_object(Store, Pattern) -> select(Store, [{Pattern, [], ['$_']}]).
match_object(Store, Pattern, Limit) -> select(Store, [{Pattern, [], ['$_']}], Limit).

count(Store, MatchSpec) when is_list(MatchSpec) ->
    run(Store, MatchSpec, count, 0, 0);
count(_Store, _MatchSpec) ->
    error(badarg).

chunk(Store, Spec, Limit, Position, Keys) ->
    case step(Store, Spec, select, Limit, Position, Keys, []) of
        {full, Id, Compiled, 0, Next, Left, Results} ->
            {lists:reverse(Results), {Id, Compiled, Limit, Next, Left}};
        [] ->
            '$end_of_table';
        Results ->
            {lists:reverse(Results), '$end_of_table'}
    end.

%% --- Writes ---

delete(Store, MatchSpec) when is_list(MatchSpec) ->
    run(Store, MatchSpec, delete, 0, 0);
delete(_Store, _MatchSpec) ->
    error(badarg).

match_delete(Store, Pattern) ->
    _ = delete(Store, [{Pattern, [], [true]}]),
    true.

replace(Store, MatchSpec) ->
    KeyPos = keypos(Store),
    case keeps_keys(MatchSpec, KeyPos) andalso not offheap_store_select_bag:is_bag(Store) of
        true -> step(Store, MatchSpec, replace, 0, 0, [], 0);
        false -> error(badarg)
    end.

run(Store, MatchSpec, Mode, Position, Results) ->
    case offheap_store_select_bag:is_bag(Store) of
        true -> offheap_store_select_bag:run(Store, MatchSpec, Mode, Results);
        false -> step(Store, MatchSpec, Mode, 0, Position, [], Results)
    end.

%% --- Steps ---

%% All steps up to the end, or up to a full chunk.
step(Store, Spec, Mode, Limit, Position, Keys, Results) ->
    case offheap_nif:store_select(Store, Spec, Mode, Limit, Position, Keys, Results) of
        {more, Id, Compiled, Limit1, Position1, Keys1, Results1} ->
            step(Id, Compiled, Mode, Limit1, Position1, Keys1, Results1);
        {general, Id, Compiled, Limit1, Position1, Keys1, Results1} ->
            MS = general(Spec, Compiled, Mode),
            general(Id, Compiled, MS, Mode, Limit1, Position1, Keys1, Results1);
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

%% Objects to look up at once.
-define(GENERAL_CHUNK, 500).

general(Store, Compiled, MS, Mode, Limit, Position, [], Results) ->
    case offheap_nif:store_select(Store, Compiled, Mode, Limit, Position, [], Results) of
        {more, _, _, Limit1, Position1, Keys1, Results1} ->
            step(Store, Compiled, Mode, Limit1, Position1, Keys1, Results1);
        {general, _, _, Limit1, Position1, Keys1, Results1} ->
            general(Store, Compiled, MS, Mode, Limit1, Position1, Keys1, Results1);
        Other ->
            Other
    end;
general(Store, Compiled, MS, Mode, Limit, Position, Keys, Results) ->
    Size = case Limit of
               0 -> ?GENERAL_CHUNK;
               _ -> min(Limit, ?GENERAL_CHUNK)
           end,
    {Some, Left} = split(Size, Keys, []),
    {Found, Results1} = run_keys(Store, MS, Mode, Some, Results),
    case Limit of
        0 ->
            general(Store, Compiled, MS, Mode, 0, Position, Left, Results1);
        Found when Position =:= done, Left =:= [] ->
            Results1;
        Found ->
            {Next, Rest} = behind(Position, Some, Left),
            {full, Store, Compiled, 0, Next, Rest, Results1};
        _ ->
            general(Store, Compiled, MS, Mode, Limit - Found, Position, Left, Results1)
    end.

split(N, [Key | Keys], Some) when N > 0 -> split(N - 1, Keys, [Key | Some]);
split(_, Keys, Some) -> {Some, Keys}.

%% Where a walk that has the keys Left before it goes on: in an ordered set behind the last one that was run.
behind([_], [Key | _], _Left) -> {[Key], []};
behind({_}, [Key | _], _Left) -> {{Key}, []};
behind(Position, _Some, Left) -> {Position, Left}.

%% Runs the objects of the keys, the last one first: how many matched, and the results with those before.
run_keys(Store, MS, Mode, Keys, Results) ->
    Objects = [Object || Key <- Keys, Object <- offheap_nif:store_lookup(Store, Key)],
    Matches = ets:match_spec_run(Objects, MS),
    case Mode of
        select ->
            {length(Matches), Matches ++ Results};
        count ->
            {0, Results + length([true || true <- Matches])};
        _ ->
            {0, lists:foldl(fun(Match, N) -> N + write(Store, MS, Mode, Match) end, Results, Matches)}
    end.

%% Writes what a match asks for, if the object is still what was matched; else what is there now is
%% matched.
write(Store, MS, delete, {Object, true}) ->
    write(Store, MS, delete, Object, offheap_nif:store_remove(Store, Object));
write(_Store, _MS, delete, _) ->
    0;
write(Store, MS, replace, {Object, New}) ->
    write(Store, MS, replace, Object, offheap_nif:store_replace(Store, Object, New)).

write(_Store, _MS, _Mode, _Object, true) ->
    1;
write(Store, MS, Mode, Object, false) ->
    KeyPos = keypos(Store),
    {_, Written} = run_keys(Store, MS, Mode, [element(KeyPos, Object)], 0),
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
repair({bag, _, _, _, _, _} = Continuation, _MatchSpec) ->
    Continuation;
repair({Store, Compiled, Limit, Position, Keys} = Continuation, MatchSpec)
  when is_reference(Compiled), ?IS_LIMIT(Limit), is_list(Keys) ->
    try offheap_nif:store_match_source(Compiled) of
        _ -> Continuation
    catch
        error:badarg ->
            _ = MatchSpec =:= [] orelse ets:match_spec_compile(MatchSpec),
            {Store, offheap_nif:store_match_compile(Store, MatchSpec), Limit, Position, Keys}
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
