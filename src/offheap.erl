%% @doc What the toolkit holds: every kind of handle, and what can be looked at one by one.
%%
%% The tools of OTP see little of it (doc/memory.md): frozen buffers are shown with the 64 bytes of
%% their handles, and what has pages of its own is not in `erlang:memory/0'.
%%
%% No function here waits for a process. Each call of the library is bounded to some 100 microseconds,
%% but that a pool with more than 4096 buffers is looked at on a dirty scheduler; the time of all calls
%% grows with the number of pools and their buffers, and of stores and their segments. The figures are
%% looked at one after the other: together they are not one instant.
-module(offheap).

-export([info/0, pools/0, leases/0, leases/1]).
-export_type([info/0, count/0]).

-type count() :: #{count := non_neg_integer(), bytes := non_neg_integer()}.
-type info() ::
        #{version := string() | undefined,
          atomics := count(), counters := count(), histograms := count(),
          rate_limiters := count(), concurrency_limiters := count(), id_generators := count(),
          bitsets := count(), bloom_filters := count(), hyperloglogs := count(),
          hashes := count(), files := count(),
          stores := #{count := non_neg_integer(), bytes := non_neg_integer(),
                      size := non_neg_integer(),
                      tables := [#{name := atom(), size := non_neg_integer(),
                                   bytes := non_neg_integer()}]},
          pools := #{count := non_neg_integer(), lingering := non_neg_integer(),
                     bytes := non_neg_integer(),
                     leased := non_neg_integer(), leased_bytes := non_neg_integer(),
                     frozen := non_neg_integer(), frozen_bytes := non_neg_integer(),
                     cached := non_neg_integer(), cached_bytes := non_neg_integer()},
          port_pools := [#{names := [atom() | pid()], size := pos_integer(),
                           running := non_neg_integer(), requests := non_neg_integer()}],
          retired_bytes := non_neg_integer(),
          bytes := non_neg_integer()}.

-define(POOL_SUMS, [leased, leased_bytes, frozen, frozen_bytes, cached, cached_bytes]).

%% @doc What the toolkit holds now.
%%
%% <ul>
%% <li>For each kind of handle `count', how many there are, and `bytes', the memory that they take
%%     with what hangs off them, as `memory' in their own `info/1'. A handle counts until its
%%     destructor has run, soon after the collection of its last reference. Memory that is mapped
%%     but was never touched counts too.</li>
%% <li>`stores': their number, memory and entries; `tables' says the same of each.</li>
%% <li>`pools': `count', those that somebody has a handle of; `lingering', those that nobody has a
%%     handle of any more, but a buffer or a binary is left; `bytes', their memory; and the sums of
%%     what {@link offheap_pool:info/1} says: buffers leased, frozen and cached, and their bytes.
%%     A frozen buffer that is still leased counts as both.</li>
%% <li>`port_pools': each on this node that runs, by all its names, the number of its workers, how
%%     many of them run, and the requests that they have not answered.</li>
%% <li>`retired_bytes': what stores have taken out and readers may still see; freed in the
%%     background.</li>
%% <li>`bytes': all of these; not what worker programs take.</li>
%% </ul>
-spec info() -> info().
info() ->
    {Counts, Retired} = offheap_nif:registry_counts(),
    Kinds = maps:map(fun(_, {Count, Bytes}) -> #{count => Count, bytes => Bytes} end, Counts),
    Stores = stores(),
    Pools = pool_sums(),
    #{rate_limiters := #{bytes := Fixed} = Limiters} = Kinds,
    Keys = lists:sum([Bytes || #{bytes := Bytes} <- tables(rate_limiters)]),
    Held = Kinds#{rate_limiters := Limiters#{bytes := Fixed + Keys},
                  stores => Stores, pools => Pools},
    Bytes = lists:sum([B || #{bytes := B} <- maps:values(Held)]) + Retired,
    Held#{version => version(), port_pools => port_pools(), retired_bytes => Retired,
          bytes => Bytes}.

%% @doc A handle of each pool that somebody has a handle of, closed ones included; in no order. It is
%% as good as any other handle: the pool lives as long as it is held.
-spec pools() -> [offheap_pool:handle()].
pools() ->
    [Pool || {Name, Generation, true} <- pool_entries(0, []),
             (Pool = offheap_nif:pool_at(Name, Generation)) =/= gone].

%% @equiv leases([])
-spec leases() -> [offheap_pool:lease()].
leases() -> leases([]).

%% @doc The leases of all pools that somebody has a handle of, as {@link offheap_pool:leases/2} gives
%% them, with its options: who holds what, and for how long.
-spec leases([{older_than_ms, non_neg_integer()}]) -> [offheap_pool:lease()].
leases(Options) ->
    lists:append([offheap_pool:leases(Pool, Options) || Pool <- pools()]).

version() ->
    case application:get_key(offheap, vsn) of
        {ok, Version} -> Version;
        undefined -> undefined
    end.

%% --- Stores, and the keys of rate limiters ---

stores() ->
    Tables = tables(stores),
    #{count => length(Tables),
      bytes => lists:sum([Bytes || #{bytes := Bytes} <- Tables]),
      size => lists:sum([Size || #{size := Size} <- Tables]),
      tables => Tables}.

tables(Kind) ->
    [Table || Entry <- table_entries(Kind, 0, []), (Table = table(Kind, Entry)) =/= gone].

table_entries(_Kind, done, Entries) ->
    Entries;
table_entries(Kind, Name, Entries) ->
    {Next, More} = offheap_nif:registry_list(Kind, Name),
    table_entries(Kind, Next, More ++ Entries).

table(Kind, {Name, Generation, Title}) ->
    table(Kind, Name, Generation, 0, #{name => Title, size => 0, bytes => 0}).

table(_Kind, _Name, _Generation, done, Table) ->
    Table;
table(Kind, Name, Generation, Position, #{size := Size, bytes := Bytes} = Table) ->
    case offheap_nif:registry_stats(Kind, Name, Generation, Position) of
        {Next, MoreSize, MoreBytes} ->
            Sums = Table#{size := Size + MoreSize, bytes := Bytes + MoreBytes},
            table(Kind, Name, Generation, Next, Sums);
        gone ->
            gone
    end.

%% --- Pools ---

pool_entries(done, Entries) ->
    Entries;
pool_entries(Name, Entries) ->
    {Next, More} = offheap_nif:pool_list(Name),
    pool_entries(Next, More ++ Entries).

pool_sums() ->
    None = maps:from_list([{Key, 0} || Key <- [count, lingering, bytes | ?POOL_SUMS]]),
    lists:foldl(fun add_pool/2, None, pool_entries(0, [])).

add_pool({Name, Generation, Held}, #{bytes := Bytes} = Sums) ->
    case offheap_nif:pool_info(Name, Generation) of
        #{memory := Memory} = Info ->
            Key = case Held of true -> count; false -> lingering end,
            Added = maps:map(fun(K, N) -> N + maps:get(K, Info) end, maps:with(?POOL_SUMS, Sums)),
            maps:merge(Sums#{bytes := Bytes + Memory, Key := maps:get(Key, Sums) + 1}, Added);
        gone ->
            Sums
    end.

%% --- Port pools: what their callers see, too ---

port_pools() ->
    [port_pool(Pool) || Pool <- offheap_port_registry:all()].

port_pool({Names, Size, Loads}) ->
    #{names => Names,
      size => Size,
      running => length([up || {up, _} <- Loads]),
      requests => lists:sum([Requests || {_, Requests} <- Loads])}.
