%% @private A table as a handle of qlc.
-module(offheap_store_qlc).

-export([table/2]).

table(Table, Options) ->
    {Traverse, Others} = options(Options),
    KeyEquality = case offheap_store:info(Table, type) of
                      undefined -> error(badarg);
                      ordered_set -> '==';
                      _ -> '=:='
                  end,
    {TraverseFun, LookupFun} =
        case Traverse of
            select ->
                {fun(MatchSpec) -> walk(Table, MatchSpec) end, lookup_fun(Table)};
            {select, MatchSpec} ->
                {fun() -> walk(Table, MatchSpec) end, undefined};
            _ ->
                {fun() -> walk(Table, [{'$1', [], ['$1']}]) end, lookup_fun(Table)}
        end,
    qlc:table(TraverseFun, [{info_fun, fun(Tag) -> info(Table, Tag) end},
                            {format_fun, format_fun(Table, Options)},
                            {key_equality, KeyEquality}, {lookup_fun, LookupFun} | Others]).

%% ETS's options; the others are qlc's.
options(Options) when is_list(Options) ->
    Traverse = proplists:get_value(traverse, Options, select),
    Objects = proplists:get_value(n_objects, Options, default),
    (case Traverse of
         {select, _} -> true;
         _ -> lists:member(Traverse, [select, first_next, last_prev])
     end) orelse error(badarg),
    Objects =:= default orelse (is_integer(Objects) andalso Objects > 0) orelse error(badarg),
    {Traverse, [Option || Option <- Options, not is_ours(Option)]};
options(Option) ->
    options([Option]).

is_ours({traverse, _}) -> true;
is_ours({n_objects, _}) -> true;
is_ours(_) -> false.

%% What qlc asks for: a list that ends with a fun for the rest.
walk(Table, MatchSpec) ->
    %% By its reference: the name may go to another table while the query runs.
    walk(offheap_store:info(Table, id), start, ets:match_spec_compile(MatchSpec)).

walk(_Id, done, _Compiled) ->
    [];
walk(Id, Position, Compiled) ->
    {Objects, Next} = offheap_store:scan(Id, Position),
    case ets:match_spec_run(Objects, Compiled) of
        [] -> walk(Id, Next, Compiled); %% qlc takes a function only as a tail
        Found -> Found ++ fun() -> walk(Id, Next, Compiled) end
    end.

lookup_fun(Table) ->
    fun(_Position, Keys) -> lists:flatmap(fun(Key) -> offheap_store:lookup(Table, Key) end, Keys) end.

info(Table, num_of_objects) -> offheap_store:info(Table, size);
info(Table, keypos) -> offheap_store:info(Table, keypos);
info(Table, is_unique_objects) -> offheap_store:info(Table, type) =/= duplicate_bag;
info(Table, is_sorted_key) -> offheap_store:info(Table, type) =:= ordered_set;
info(_Table, _Tag) -> undefined.

%% How qlc:info/1 shows the handle.
format_fun(Table, Options) ->
    fun({all, _Elements, _ElementFun}) ->
            {offheap_store, table, [Table | [Options || Options =/= []]]};
       ({match_spec, MatchSpec}) ->
            {offheap_store, table, [Table, [{traverse, {select, MatchSpec}} | listed(Options)]]};
       ({lookup, _KeyPos, [Value], _Elements, ElementFun}) ->
            io_lib:format("~w:lookup(~w, ~w)", [offheap_store, Table, ElementFun(Value)]);
       ({lookup, _KeyPos, Values, _Elements, ElementFun}) ->
            io_lib:format("lists:flatmap(fun(V) -> ~w:lookup(~w, V) end, ~w)",
                          [offheap_store, Table, [ElementFun(Value) || Value <- Values]])
    end.

listed(Options) when is_list(Options) -> Options;
listed(Option) -> [Option].
