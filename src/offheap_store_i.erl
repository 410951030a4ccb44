%% @private Tables printed for people at a shell.
-module(offheap_store_i).

-export([tables/0, objects/3]).

-define(COLUMNS, " ~-30ts ~-13s ~10s ~10s  ~ts~n").

tables() ->
    io:format(?COLUMNS, ["name", "type", "size", "words", "owner"]),
    io:format(" ~s~n", [lists:duplicate(78, $-)]),
    lists:foreach(fun line/1, lists:sort(offheap_store:all())).

line(Name) ->
    case offheap_store:info(Name) of
        undefined ->
            ok;
        Items ->
            [Type, Size, Memory, Owner] =
                [proplists:get_value(Item, Items) || Item <- [type, size, memory, owner]],
            io:format(?COLUMNS, [atom_to_list(Name), atom_to_list(Type), integer_to_list(Size),
                                 integer_to_list(Memory), owner(Owner)])
    end.

owner(Pid) ->
    case process_info(Pid, registered_name) of
        {registered_name, Name} -> atom_to_list(Name);
        _ -> pid_to_list(Pid)
    end.

%% A table identifier is told from a name.
-dialyzer({no_opaque, objects/5}).
objects(Id, Height, Width) ->
    objects(Id, offheap_store:scan(Id, start), Height - 1, Height - 1, Width).

objects(Id, {[], done}, _Left, _Page, _Width) when is_reference(Id) ->
    ok;
objects(Id, {[], Position}, Left, Page, Width) ->
    objects(Id, offheap_store:scan(Id, Position), Left, Page, Width);
objects(Id, {Objects, Position}, Left, Page, Width) when Left =< 0 ->
    case io:get_line("(c)ontinue (q)uit -->") of
        eof -> ok;
        {error, _} -> ok;
        Line -> answer(unicode:characters_to_list(Line), Id, {Objects, Position}, Page, Width)
    end;
objects(Id, {[Object | Objects], Position}, Left, Page, Width) ->
    Line = lists:flatten(io_lib:format("~tp", [Object])),
    io:format("~ts~n", [string:slice(string:replace(Line, "\n", " ", all), 0, Width)]),
    objects(Id, {Objects, Position}, Left - 1, Page, Width).

answer("q" ++ _, _Id, _Rest, _Page, _Width) -> ok;
answer(_, Id, Rest, Page, Width) -> objects(Id, Rest, max(Page, 1), Page, Width).
