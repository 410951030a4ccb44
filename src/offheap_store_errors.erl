%% @private Why calls of offheap_store fail, for shells and loggers (EEP 54): `info/2' is called when a call
%% has failed, `format_error/2' when somebody prints the error.
-module(offheap_store_errors).

-export([info/2, format_error/2]).

%% What erlang:error/3 takes. The cause is what is found now: for a table that others change it may be
%% another than it was.
-spec info(Function :: atom(), Args :: [term()]) -> [{error_info, map()}].
info(Function, Args) ->
    [{error_info, #{module => ?MODULE, cause => cause(Function, Args)}}].

cause(new, [Name, _Options]) ->
    case is_atom(Name) andalso offheap_nif:store_whereis(Name) =/= undefined of
        true -> already_exists;
        false -> none
    end;
cause(whereis, _Args) ->
    none;
cause(info, [Table | _]) ->
    case offheap_nif:store_may(Table, read) of
        type -> type;
        _ -> none
    end;
cause(Function, [Table | _] = Args) ->
    case offheap_nif:store_may(Table, access(Function)) of
        true -> detail(Function, Args);
        Why -> Why
    end.

access(Function) ->
    case lists:member(Function, [lookup, lookup_element, member, tab2list, get, fetch, scan, table,
                                 select, select_reverse, select_count, select_plan, match,
                                 match_object, first, last, next, prev, first_lookup, last_lookup,
                                 next_lookup, prev_lookup, slot, safe_fixtable, rank, nth, slice, range]) of
        true -> read;
        false -> write
    end.

%% The table is right; the rest is as erl_stdlib_errors wants it for functions of ETS's.
detail(lookup_element, [Table, Key | _]) ->
    present(Table, Key);
detail(update_counter, [Table, Key, Operation | Default]) ->
    case present(Table, Key) of
        badkey when Default =:= [] -> badkey;
        _ -> operation(Table, Key, Operation, Default)
    end;
detail(give_away, [Table, Pid | _]) ->
    case offheap_store:info(Table, owner) of
        Owner when Owner =/= self() -> not_owner;
        Owner when Owner =:= Pid -> owner;
        _ -> none
    end;
detail(put, [Table | _]) ->
    case offheap_store:info(Table, keypos) of
        1 -> none;
        _ -> keypos
    end;
detail(_Function, _Args) ->
    none.

present(Table, Key) ->
    case offheap_nif:store_member(Table, Key) of
        true -> none;
        false -> badkey
    end.

operation(Table, Key, Operation, Default) ->
    KeyPos = offheap_store:info(Table, keypos),
    Size = case offheap_nif:store_lookup(Table, Key) of
               [Object | _] -> tuple_size(Object);
               [] when is_tuple(hd(Default)) -> tuple_size(hd(Default));
               [] -> infinity
           end,
    Positions = [case Op of
                     _ when is_integer(Op) -> KeyPos + 1;
                     _ when is_tuple(Op), tuple_size(Op) >= 2 -> element(1, Op);
                     _ -> none
                 end || Op <- listed(Operation)],
    Wrong = [case Position of
                 KeyPos -> keypos;
                 _ -> position
             end || Position <- Positions, is_integer(Position),
                    Position =:= KeyPos orelse Position < 1 orelse Position > Size],
    case Wrong of
        [] -> none;
        [First | _] -> First
    end.

listed(Operations) when is_list(Operations), length(Operations) >= 0 -> Operations;
listed(Operations) when is_list(Operations) -> [];
listed(Operation) -> [Operation].

%% The words for ETS's functions are those of the OTP that runs.
-spec format_error(term(), erlang:stacktrace()) ->
          #{pos_integer() | general | reason => unicode:chardata()}.
format_error(Reason, [{_Module, Function, Args, Info} | Rest]) when is_list(Args) ->
    #{cause := Cause} = proplists:get_value(error_info, Info, #{cause => none}),
    Table = case Cause of
                type -> #{1 => <<"not an atom or a table identifier">>};
                id -> #{1 => <<"the table identifier does not refer to an existing table">>};
                access -> #{1 => <<"the table identifier refers to a table with insufficient "
                                   "access rights">>};
                _ -> #{}
            end,
    case own(Function, Args, Cause) of
        ets -> erl_stdlib_errors:format_error(Reason, [{ets, Function, Args, Info} | Rest]);
        Own -> maps:merge(Own, Table)
    end;
format_error(_Reason, _Stacktrace) ->
    #{}.

%% The words for functions that ETS has not.
own(put, _Args, keypos) ->
    #{1 => <<"the key of the table's objects is not the first of two elements">>};
own(get, _Args, none) ->
    #{2 => <<"the key of an object that is not of two elements">>};
own(fetch, _Args, none) ->
    #{2 => <<"the key of an object that is not of two elements">>};
own(replace, _Args, none) ->
    #{general => <<"both objects must be tuples with the same key">>};
own(remove, _Args, none) ->
    #{2 => <<"not an object: a tuple with a key">>};
own(scan, _Args, none) ->
    #{2 => <<"not a position">>};
own(Function, _Args, none) when Function =:= rank; Function =:= nth; Function =:= slice;
                                Function =:= range ->
    #{general => <<"the table must be an ordered set, and a number not negative">>};
own(Function, _Args, _Cause) ->
    case lists:member(Function, [put, get, fetch, replace, remove, scan, rank, nth, slice, range]) of
        true -> #{};
        false -> ets
    end.
