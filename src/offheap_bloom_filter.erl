%% @doc Bloom filters in shared memory: sets of terms that may wrongly say yes, at a rate that is chosen, and
%% never wrongly no, in a few bits a term.
%%
%% <ul>
%% <li>Keys are any terms, told apart as by `=:='. Any process that holds the reference may add and ask.</li>
%% <li>An {@link add/2} that has returned is seen by every {@link member/2} that begins later. Bits are set
%%     one by one, each atomically.</li>
%% <li>With as many keys as the capacity, the share of other keys taken for members is the rate asked for,
%%     or a little above it (about 1 part in 20 for filters of few bits). Beyond the capacity the rate
%%     grows.</li>
%% <li>The hash does not depend on the node, the machine or the release, so a filter may be stored and
%%     sent ({@link to_binary/1}). Exceptions are keys that themselves mean something else elsewhere (local
%%     pids, references, ports, funs), and `-0.0', which from OTP 27 on is not `0.0'.</li>
%% <li>Integers of 64 bits, floats, binaries, pids, references and ports have 64 bits of hash, others 54. Terms
%%     with maps have 32: no rate below keys / 2^32 is kept. Terms that differ only in a pid, reference or
%%     port inside them have 18: do not add those, but what is inside, or their external format.</li>
%% <li>A salt that outsiders do not know keeps them from choosing binaries that collide. Other keys are not
%%     protected, for their hash is not a secret function.</li>
%% <li>`badarg' is raised for a wrong reference, wrong options, filters of different shape.</li>
%% </ul>
%%
%% The positions of a key come from one hash by double hashing (A. Kirsch, M. Mitzenmacher, "Less hashing,
%% same performance: building a better Bloom filter", 2006).
-module(offheap_bloom_filter).

-export([new/1, new/2, add/2, member/2, merge/2, count/1, false_positive_rate/1, to_binary/1,
         from_binary/1, info/1]).
-export_type([bloom_filter/0, option/0]).

-opaque bloom_filter() :: reference().
-type option() :: {false_positive_rate, float()} | {salt, 0..16#ffffffff}.

%% The most bits of a filter.
-define(BITS_MAX, (1 bsl 40)).
-define(MAGIC, "OHBF").
-define(VERSION, 1).

%% @equiv new(Capacity, [])
-spec new(Capacity :: pos_integer()) -> bloom_filter().
new(Capacity) -> new(Capacity, []).

%% @doc Makes an empty filter for `Capacity' keys.
%%
%% Options: `{false_positive_rate, Rate}', 1.0e-9 to 0.5, default 0.01; `{salt, Salt}', default 0. Takes
%% `Capacity * -ln(Rate) / ln(2)^2' bits, which is 9.6 a key for 0.01 and 4.8 more for each tenth of it, and
%% 1/32 of that again. Raises `badarg' for other values, and `system_limit' for more bits than memory can
%% hold (at most 2^40).
-spec new(Capacity :: pos_integer(), [option()]) -> bloom_filter().
new(Capacity, Options) when is_integer(Capacity), Capacity > 0 ->
    {Rate, Salt} = options(Options, 0.01, 0),
    Capacity > ?BITS_MAX andalso error(system_limit),
    %% M. Mitzenmacher, E. Upfal, "Probability and Computing", 2005, section 5.5.3
    Ln2 = math:log(2),
    Bits = max(64, ceil(-Capacity * math:log(Rate) / (Ln2 * Ln2))),
    Hashes = max(1, round(-math:log(Rate) / Ln2)),
    offheap_nif:bloom_filter_new(Bits, Hashes, Salt);
new(_Capacity, _Options) ->
    error(badarg).

options([{false_positive_rate, Rate} | Options], _, Salt)
  when is_float(Rate), Rate >= 1.0e-9, Rate =< 0.5 ->
    options(Options, Rate, Salt);
options([{salt, Salt} | Options], Rate, _)
  when is_integer(Salt), Salt >= 0, Salt =< 16#ffffffff ->
    options(Options, Rate, Salt);
options([], Rate, Salt) ->
    {Rate, Salt};
options(_, _, _) ->
    error(badarg).

%% @doc Adds a key. Returns whether it may have been there already; `false' means it surely was not. Of
%% processes that add the same new key at once, at least one gets `false'.
%%
%% Constant time, but for the hash of the key. Keys beyond about 32 KiB are hashed on a dirty scheduler.
-spec add(bloom_filter(), Key :: term()) -> boolean().
add(Filter, Key) -> offheap_nif:bloom_filter_add(Filter, Key).

%% @doc Whether the key may have been added; `false' means it surely was not. Time as {@link add/2}.
-spec member(bloom_filter(), Key :: term()) -> boolean().
member(Filter, Key) -> offheap_nif:bloom_filter_member(Filter, Key).

%% @doc Adds to `Filter' all that was added to `Other'. Both must be made with the same capacity, rate and
%% salt. Atomic word by word, not one instant. Yields.
-spec merge(bloom_filter(), Other :: bloom_filter()) -> ok.
merge(Filter, Other) -> offheap_nif:bloom_filter_merge(Filter, Other).

%% @doc About how many different keys were added, by the number of bits set (S. J. Swamidass, P. Baldi,
%% "Mathematical correction for fingerprint similarity measures to improve chemical retrieval", 2007). Off
%% by a few parts in a thousand for filters of 10,000 keys, less for larger ones; of a filter whose bits
%% are all set it is a lower bound. Yields.
-spec count(bloom_filter()) -> non_neg_integer().
count(Filter) ->
    {Bits, Hashes, _Salt, _Memory} = offheap_nif:bloom_filter_shape(Filter),
    Clear = max(1, Bits - offheap_nif:bloom_filter_ones(Filter)),
    round(-Bits / Hashes * math:log(Clear / Bits)).

%% @doc The share of keys never added that would be taken for members now. Yields.
-spec false_positive_rate(bloom_filter()) -> float().
false_positive_rate(Filter) ->
    {Bits, Hashes, _Salt, _Memory} = offheap_nif:bloom_filter_shape(Filter),
    math:pow(offheap_nif:bloom_filter_ones(Filter) / Bits, Hashes).

%% @doc The filter as a binary that {@link from_binary/1} takes, on any node: a header and all bits. Not one
%% instant. Beyond 64 KiB it is made on a dirty scheduler; raises `system_limit' if memory is out.
-spec to_binary(bloom_filter()) -> binary().
to_binary(Filter) ->
    {Bits, Hashes, Salt, _Memory} = offheap_nif:bloom_filter_shape(Filter),
    Header = <<?MAGIC, ?VERSION, Hashes, Salt:32/little, Bits:64/little>>,
    offheap_nif:bloom_filter_to_binary(Filter, Header).

%% @doc Makes a filter of what {@link to_binary/1} gave. Raises `badarg' for anything else.
-spec from_binary(binary()) -> bloom_filter().
from_binary(<<?MAGIC, ?VERSION, Hashes, Salt:32/little, Bits:64/little, Binary/binary>>) ->
    offheap_nif:bloom_filter_from_binary(Bits, Hashes, Salt, Binary);
from_binary(_) ->
    error(badarg).

%% @doc The number of bits, how many of them a key has, the salt, the memory in bytes.
-spec info(bloom_filter()) ->
          #{bits := pos_integer(), hashes := 1..64, salt := 0..16#ffffffff, memory := pos_integer()}.
info(Filter) ->
    {Bits, Hashes, Salt, Memory} = offheap_nif:bloom_filter_shape(Filter),
    #{bits => Bits, hashes => Hashes, salt => Salt, memory => Memory}.
