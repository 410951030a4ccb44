%% @private Tables from and to files, dets tables and functions. The file format is that of ets:tab2file/3:
%% a disk_log of a tuple with what the table is, the objects, and for extended information a last list.
-module(offheap_store_file).

-export([write/3, read/2, from_dets/2, to_dets/2, init/2]).

-define(MAJOR_VERSION, 1).
-define(MINOR_VERSION, 0).
%% Terms that are read at once.
-define(CHUNK, 100).

%% --- Writing ---

write(Table, File, Options) ->
    try
        {Extended, Sync} = write_options(Options, none, false),
        Id = existing(Table),
        _ = file:delete(File),
        case file:read_file_info(File) of
            {error, enoent} -> ok;
            _ -> throw(eaccess)
        end,
        Log = open([{file, File}], fun(Reason) -> throw(Reason) end),
        Written = try
                      write_table(Log, Id, Extended),
                      Sync andalso ok(disk_log:sync(Log)),
                      true
                  catch
                      error:badarg -> {partial, badtab}
                  after
                      _ = disk_log:close(Log)
                  end,
        Written =:= true orelse throw(Written),
        ok
    catch
        throw:{partial, Why} ->
            _ = file:delete(File),
            {error, Why};
        throw:Why ->
            {error, Why}
    end.

existing(Table) ->
    try offheap_store:info(Table, id) of
        undefined -> throw(badtab);
        Id -> Id
    catch
        error:badarg -> throw(badtab)
    end.

write_options([{sync, Sync} | Options], Extended, _) when is_boolean(Sync) ->
    write_options(Options, Extended, Sync);
write_options([{extended_info, List} | Options], none, Sync) ->
    write_options(Options, extended(List), Sync);
write_options([], none, Sync) ->
    {[], Sync};
write_options([], Extended, Sync) ->
    {Extended, Sync};
write_options([Other | _], _, _) ->
    throw({unknown_option, Other});
write_options(Malformed, _, _) ->
    throw({malformed_option, Malformed}).

extended([]) -> [];
extended([Item | List]) when Item =:= object_count; Item =:= md5sum ->
    [Item | lists:delete(Item, extended(List))];
extended([Other | _]) -> throw({unknown_option, [{extended_info, [Other]}]});
extended(Malformed) -> throw({malformed_option, Malformed}).

write_table(Log, Id, Extended) ->
    Info = case offheap_store:info(Id) of
               undefined -> throw({partial, badtab});
               Items -> Items
           end,
    Head = list_to_tuple(Info ++ [{major_version, ?MAJOR_VERSION},
                                  {minor_version, ?MINOR_VERSION}, {extended_info, Extended}]),
    Md5 = case lists:member(md5sum, Extended) of
              true -> erlang:md5_init();
              false -> none
          end,
    {Count, Md5Last} = write_objects(Log, Id, start, 0, log(Log, [Head], Md5)),
    Last = [{count, Count} || lists:member(object_count, Extended)] ++
        [{md5, erlang:md5_final(Md5Last)} || Md5Last =/= none],
    Last =/= [] andalso log(Log, [['$end_of_table', Last]], none),
    ok.

write_objects(_Log, _Id, done, Count, Md5) ->
    {Count, Md5};
write_objects(Log, Id, Position, Count, Md5) ->
    {Objects, Next} = offheap_store:scan(Id, Position),
    write_objects(Log, Id, Next, Count + length(Objects), log(Log, Objects, Md5)).

%% Writes the terms; returns the checksum that they bring it to.
log(Log, Terms, Md5) ->
    Binaries = [term_to_binary(Term) || Term <- Terms],
    ok(disk_log:blog_terms(Log, Binaries)),
    case Md5 of
        none -> none;
        _ -> erlang:md5_update(Md5, Binaries)
    end.

ok(ok) -> ok;
ok({error, Reason}) -> throw({partial, Reason}).

open(Options, Failed) ->
    Name = make_ref(),
    case disk_log:open([{name, Name} | Options]) of
        {ok, Name} -> Name;
        {repaired, Name, _, _} -> Name;
        {error, Reason} -> Failed(Reason)
    end.

%% --- Reading ---

read(File, Options) ->
    try
        Verify = verify_option(Options, false),
        Log = open([{file, File}, {mode, read_only}], fun(Reason) -> throw({read_error, Reason}) end),
        try
            read_table(Log, Verify)
        after
            _ = disk_log:close(Log)
        end
    catch
        throw:Why -> {error, Why}
    end.

verify_option([{verify, Verify} | Options], Before) when is_boolean(Verify) ->
    verify_option(Options, Verify orelse Before);
verify_option([], Verify) -> Verify;
verify_option([Other | _], _) -> throw({unknown_option, Other});
verify_option(Malformed, _) -> throw({malformed_option, Malformed}).

read_table(Log, Verify) ->
    {Continuation, Bytes, Info} = read_head(Log, Verify),
    case Info of
        #{major_version := Major} when Major > ?MAJOR_VERSION ->
            throw({unsupported_file_version, {Major, maps:get(minor_version, Info, 0)}});
        #{} -> ok
    end,
    Extended = case Verify of
                   true -> maps:get(extended_info, Info, []);
                   false -> []
               end,
    Md5 = case lists:member(md5sum, Extended) of
              true -> erlang:md5_update(erlang:md5_init(), Bytes);
              false -> none
          end,
    Table = new(Info),
    try
        Read = read_objects(Log, Continuation, Table, Verify, 0, Md5, none),
        Verify andalso verify(Read, Extended, Info),
        {ok, Table}
    catch
        Class:Reason:Stacktrace ->
            offheap_store:delete(Table),
            erlang:raise(Class, Reason, Stacktrace)
    end.

read_head(Log, Verify) ->
    case chunk(Log, start, 1, Verify) of
        {Continuation, [Bytes]} ->
            Info = maps:from_list(pairs(decode(Bytes))),
            [throw(badfile) || Item <- [name, type, protection, named_table, keypos, size],
                               not is_map_key(Item, Info)],
            {Continuation, Bytes, Info};
        _ ->
            throw(badfile)
    end.

pairs(Head) when is_tuple(Head) -> [Pair || {_, _} = Pair <- tuple_to_list(Head)];
pairs(_) -> throw(badfile).

new(#{name := Name, type := Type, protection := Protection, keypos := KeyPos} = Info) ->
    Options = [Type, Protection, {keypos, KeyPos}] ++
        [named_table || maps:get(named_table, Info)] ++
        [compressed || maps:get(compressed, Info, false)] ++
        [{Option, maps:get(Option, Info)} || Option <- [write_concurrency, read_concurrency],
                                             is_map_key(Option, Info)],
    try
        offheap_store:new(Name, Options)
    catch
        error:_ -> throw(cannot_create_table)
    end.

%% Returns {number of objects, checksum, the last list's pairs or none}.
read_objects(Log, Continuation, Table, Verify, Count, Md5, Last) ->
    case chunk(Log, Continuation, ?CHUNK, Verify) of
        eof ->
            {Count, Md5, Last};
        {Next, Chunk} ->
            {Terms, Bytes, Last1} = split(Chunk, [], [], Last),
            insert(Table, Terms),
            Md5Next = case Md5 of
                          none -> none;
                          _ -> erlang:md5_update(Md5, Bytes)
                      end,
            read_objects(Log, Next, Table, Verify, Count + length(Terms), Md5Next, Last1)
    end.

split([Bytes | Chunk], Terms, Read, Last) ->
    case decode(Bytes) of
        ['$end_of_table', Pairs] -> split(Chunk, Terms, Read, Pairs);
        Term -> split(Chunk, [Term | Terms], [Bytes | Read], Last)
    end;
split([], Terms, Read, Last) ->
    {lists:reverse(Terms), lists:reverse(Read), Last}.

insert(Table, Terms) ->
    try
        offheap_store:insert(Table, Terms)
    catch
        error:badarg -> throw(badfile)
    end.

decode(Bytes) ->
    try
        binary_to_term(Bytes)
    catch
        error:badarg -> throw(badfile)
    end.

chunk(Log, Continuation, Count, Verify) ->
    case disk_log:bchunk(Log, Continuation, Count) of
        {error, Reason} -> throw({read_error, Reason});
        eof -> eof;
        {_Next, _Bytes, Bad} when Bad > 0, Verify -> throw(badfile);
        {Next, Bytes, _Bad} -> {Next, Bytes};
        {Next, Bytes} -> {Next, Bytes}
    end.

verify({Count, Md5, Last}, Extended, Info) ->
    Wanted = case Last of
                 none when Extended =/= [] -> throw(badfile);
                 none -> #{};
                 _ -> maps:from_list(Last)
             end,
    Md5 =:= none orelse erlang:md5_final(Md5) =:= maps:get(md5, Wanted, none)
        orelse throw(checksum_error),
    Number = case lists:member(object_count, Extended) of
                 true -> maps:get(count, Wanted, none);
                 false when Md5 =/= none -> Count;
                 false -> maps:get(size, Info)
             end,
    Number =:= Count orelse throw(invalid_object_count).

%% --- Dets, functions ---

from_dets(Table, Dets) ->
    dets:safe_fixtable(Dets, true),
    try
        insert_dets(Table, dets:match_object(Dets, '_', ?CHUNK), [Table, Dets])
    after
        dets:safe_fixtable(Dets, false)
    end.

insert_dets(_Table, '$end_of_table', _Args) ->
    true;
insert_dets(_Table, {error, Reason}, Args) ->
    error(Reason, Args);
insert_dets(Table, {Objects, Continuation}, Args) ->
    offheap_store:insert(Table, Objects),
    insert_dets(Table, dets:match_object(Continuation), Args).

to_dets(Table, Dets) ->
    case dets:init_table(Dets, reader(offheap_store:info(Table, id), start)) of
        ok -> Dets;
        {error, Reason} -> error(Reason, [Table, Dets])
    end.

%% The objects as dets:init_table/2 asks for them.
reader(Id, Position) ->
    fun(read) when Position =:= done ->
            end_of_input;
       (read) ->
            {Objects, Next} = offheap_store:scan(Id, Position),
            {Objects, reader(Id, Next)};
       (close) ->
            ok
    end.

init(Table, Fun) ->
    offheap_store:delete_all_objects(Table),
    init_next(Table, Fun(read)).

init_next(_Table, end_of_input) ->
    true;
init_next(Table, {Objects, Fun}) when is_list(Objects), is_function(Fun) ->
    try
        [offheap_store:insert(Table, Object) || Object <- Objects]
    catch
        error:Reason:Stacktrace ->
            catch Fun(close),
            exit({Reason, Stacktrace})
    end,
    init_next(Table, Fun(read));
init_next(_Table, Error) ->
    exit(Error).
