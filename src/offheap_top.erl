%% What mix offheap.top shows of a node, gathered on that node in one call, so that a node which has no
%% Elixir can be looked at too.
%% @private
-module(offheap_top).

-export([snapshot/1]).
-export_type([snapshot/0]).

%% So many of the oldest leases are listed.
-define(LEASES_MAX, 100).

-type store() :: #{name := atom(), type := atom(), size := non_neg_integer(),
                   bytes := non_neg_integer(), owner := binary()}.
-type pool() :: #{name := atom(), oldest_ms := non_neg_integer() | none, atom() => term()}.
-type lease() :: #{pool := atom(), owner := binary(), tag := atom(), age_ms := non_neg_integer(),
                   bytes := pos_integer(), state := writable | frozen}.
-type snapshot() ::
        #{node := node(), otp_release := binary(), time_ms := integer(), uptime_ms := non_neg_integer(),
          memory := #{atom() => non_neg_integer()}, info := map(), stores := [store()],
          pools := [pool()], old_leases := [lease()], old_leases_count := non_neg_integer(),
          older_than_ms := non_neg_integer(), jobs := map()}.

%% Leases of at least this age are listed one by one. As for time, see offheap:info/0 and
%% offheap:leases/1.
-spec snapshot(non_neg_integer()) -> snapshot().
snapshot(OlderThanMs) ->
    #{stores := #{tables := Tables}} = Info = offheap:info(),
    Names = maps:from_list([{offheap_nif:pool_entry(Pool), Name}
                            || {{offheap_pool, Name}, Pool} <- persistent_term:get()]),
    Looked = [{maps:get(offheap_nif:pool_entry(Pool), Names, none), offheap_pool:info(Pool),
               offheap_pool:leases(Pool)}
              || Pool <- offheap:pools()],
    Old = lists:reverse(lists:keysort(1, [{Age, Name, Lease} || {Name, _, Leases} <- Looked,
                                                                #{age_ms := Age} = Lease <- Leases,
                                                                Age >= OlderThanMs])),
    #{node => node(),
      otp_release => list_to_binary(erlang:system_info(otp_release)),
      time_ms => erlang:system_time(millisecond),
      uptime_ms => element(1, erlang:statistics(wall_clock)),
      memory => memory(),
      info => Info,
      stores => stores(Tables),
      pools => [Pool#{name => Name, oldest_ms => oldest(Leases)} || {Name, Pool, Leases} <- Looked],
      old_leases => [lease(Name, Lease) || {_, Name, Lease} <- lists:sublist(Old, ?LEASES_MAX)],
      old_leases_count => length(Old),
      older_than_ms => OlderThanMs,
      jobs => offheap_jobs:stats()}.

%% Nothing where the emulator keeps no account, as with the flag +Mea min.
memory() ->
    try maps:from_list(erlang:memory())
    catch error:notsup -> #{}
    end.

oldest([]) -> none;
oldest(Leases) -> lists:max([Age || #{age_ms := Age} <- Leases]).

lease(Name, #{owner := Owner} = Lease) ->
    (maps:with([tag, age_ms, bytes, state], Lease))#{pool => Name, owner => owner(Owner)}.

%% Of a table without a name nothing else can be asked: its reference may just be going.
stores(Tables) ->
    {Rows, Left} = lists:mapfoldl(fun named/2, Tables, named_tables()),
    Rows ++ [Table#{type => unknown, owner => <<>>} || Table <- Left].

named_tables() ->
    [Items || Name <- offheap_store:all(), (Items = offheap_store:info(Name)) =/= undefined].

%% A named table is among all of them, by its name; a table of that title which has no name may be, too.
named(Items, Tables) ->
    [Name, Type, Size, Words, Owner] =
        [proplists:get_value(Item, Items) || Item <- [name, type, size, memory, owner]],
    Bytes = Words * erlang:system_info(wordsize),
    Same = [{abs(Bytes - Other), Table} || #{name := Title, bytes := Other} = Table <- Tables,
                                           Title =:= Name],
    Row = #{name => Name, type => Type, size => Size, bytes => Bytes, owner => owner(Owner)},
    case lists:sort(Same) of
        [{_, Nearest} | _] -> {Row, lists:delete(Nearest, Tables)};
        [] -> {Row, Tables}
    end.

owner(Pid) when is_pid(Pid) ->
    Named = case node(Pid) =:= node() andalso process_info(Pid, registered_name) of
                {registered_name, Name} -> [" ", atom_to_list(Name)];
                _ -> label(Pid)
            end,
    unicode:characters_to_binary([pid_to_list(Pid), Named]);
owner(_) ->
    <<>>.

%% What a process says it is (proc_lib:set_label/1, OTP 27), or what it was started with.
label(Pid) ->
    Label = case erlang:function_exported(proc_lib, get_label, 1) of
                true -> apply(proc_lib, get_label, [Pid]);
                false -> undefined
            end,
    case Label of
        undefined -> initial_call(process_info(Pid, dictionary));
        _ -> io_lib:format(" ~0tp", [Label])
    end.

initial_call({dictionary, Dictionary}) ->
    case proplists:get_value('$initial_call', Dictionary) of
        {M, F, A} -> io_lib:format(" ~ts:~ts/~b", [M, F, A]);
        _ -> ""
    end;
initial_call(undefined) ->
    " (dead)".
