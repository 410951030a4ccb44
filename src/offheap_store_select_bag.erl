%% @private Match specifications on bags: what {@link offheap_store_select} leaves to this module.
%%
%% A selection of a set stops within a part of the table and is held by the keys that are left of it; of a bag
%% each key may have any number of objects. So the objects of a part, or of the keys that the specification
%% gives, are run through ets:match_spec_run/2, and what a chunk does not take of the results stands in
%% the continuation.
-module(offheap_store_select_bag).

-export([is_bag/1, run/4, select/3, select/1]).
-export_type([continuation/0]).

%% What is left: results that were found, then the source from where it stands.
-type source() :: {keys, [Key :: term()]} | {position, non_neg_integer() | done}.
-type continuation() :: {bag, offheap_store:table(), ets:match_spec(), Limit :: pos_integer(),
                           Results :: [term()], source()}.

-spec is_bag(offheap_store:table()) -> boolean().
is_bag(Table) ->
    case offheap_nif:store_properties(Table) of
        undefined -> error(badarg);
        Properties -> lists:member(element(4, Properties), [bag, duplicate_bag])
    end.

-spec run(offheap_store:table(), ets:match_spec(), select | count | delete, term()) -> term().
run(Table, MatchSpec, Mode, Results) ->
    Store = id(Table, Mode),
    all(Store, compile(MatchSpec, Mode), Mode, Results, source(Store, MatchSpec)).

all(Store, Compiled, Mode, Results, Source) ->
    case objects(Store, Source) of
        done ->
            Results;
        {Objects, Next} ->
            Matches = match(Objects, Compiled),
            all(Store, Compiled, Mode, take(Store, Mode, Matches, Results), Next)
    end.

take(_Store, select, Matches, Results) ->
    lists:reverse(Matches, Results);
take(_Store, count, Matches, Count) ->
    Count + length([true || true <- Matches]);
%% Equal objects of a duplicate bag go at once, and each counts.
take(Store, delete, Matches, Count) ->
    Doomed = maps:groups_from_list(fun(Object) -> Object end, [O || {O, true} <- Matches]),
    maps:fold(fun(Object, Equal, N) ->
                      case offheap_nif:store_remove(Store, Object) of
                          true -> N + length(Equal);
                          false -> N
                      end
              end, Count, Doomed).

%% --- Chunks ---

-spec select(offheap_store:table(), ets:match_spec(), pos_integer()) ->
          {[term()], continuation() | '$end_of_table'} | '$end_of_table'.
select(Table, MatchSpec, Limit) ->
    Store = id(Table, select),
    select({bag, Store, MatchSpec, Limit, [], source(Store, MatchSpec)}).

-spec select(continuation()) -> {[term()], continuation() | '$end_of_table'} | '$end_of_table'.
select({bag, Store, MatchSpec, Limit, Left, Source}) ->
    chunk(Store, MatchSpec, compile(MatchSpec, select), Limit, Left, Source).

chunk(Store, MatchSpec, Compiled, Limit, Left, Source) ->
    case length(Left) >= Limit andalso lists:split(Limit, Left) of
        {Results, Rest} ->
            {Results, {bag, Store, MatchSpec, Limit, Rest, Source}};
        false ->
            case objects(Store, Source) of
                done when Left =:= [] ->
                    '$end_of_table';
                done ->
                    {Left, '$end_of_table'};
                {Objects, Next} ->
                    chunk(Store, MatchSpec, Compiled, Limit, Left ++ match(Objects, Compiled), Next)
            end
    end.

%% --- Objects ---

source(Store, MatchSpec) ->
    KeyPos = element(5, offheap_nif:store_properties(Store)),
    case offheap_nif:store_match_keys(MatchSpec, KeyPos, false) of
        {keys, Keys} -> {keys, Keys};
        _ -> {position, 0}
    end.

objects(_Store, {keys, []}) ->
    done;
objects(Store, {keys, [Key | Keys]}) ->
    {offheap_nif:store_lookup(Store, Key), {keys, Keys}};
objects(_Store, {position, done}) ->
    done;
objects(Store, {position, Position}) ->
    {Next, Objects} = offheap_nif:store_scan(Store, Position, []),
    {Objects, {position, Next}}.

match(_Objects, none) -> [];
match(Objects, Compiled) -> ets:match_spec_run(Objects, Compiled).

%% Of what is to be deleted, the object is needed, too.
compile([], _Mode) ->
    none;
compile(MatchSpec, delete) ->
    _ = ets:match_spec_compile(MatchSpec),
    ets:match_spec_compile([{Head, Guards, [{{'$_', lists:last(Body)}}]}
                            || {Head, Guards, Body} <- MatchSpec]);
compile(MatchSpec, _Mode) ->
    ets:match_spec_compile(MatchSpec).

%% The table's reference, if the caller may do this.
id(Table, Mode) ->
    Access = case Mode of
                 delete -> write;
                 _ -> read
             end,
    case {offheap_nif:store_may(Table, Access), offheap_nif:store_properties(Table)} of
        {true, Properties} when is_tuple(Properties) -> element(1, Properties);
        _ -> error(badarg)
    end.
