%% @doc Unique, rising integers of the time, a node's number and a sequence number, in the manner of
%% Twitter's Snowflake (2010), made without a process or a lock.
%%
%% An id is a positive integer below 2^63. From the highest bit down:
%%
%% <pre>
%%     milliseconds since the epoch | node | sequence
%% </pre>
%%
%% By default the epoch is 2024-01-01T00:00:00Z (1704067200000), `node_bits' is 8 and `sequence_bits' is
%% 10: 256 nodes of 1,024 ids a millisecond. These ids stay below 2^59, so they are small integers that
%% take no memory of their own in a term, until September 2093. Snowflake's and Discord's layout is
%% `{node_bits, 10}, {sequence_bits, 12}': its ids become big integers 4 years after the epoch.
%%
%% <ul>
%% <li>No generator gives an id twice, and each id is larger than all that it gave before: a process that
%%     got an id, or a message from one that got it, will only get larger ones.</li>
%% <li>Two generators give different ids if their nodes differ. Give each node of a cluster a number of
%%     its own, and make one generator a node.</li>
%% <li>A generator knows nothing of an earlier one of the same node: after a restart the clock must be
%%     beyond the last id's time.</li>
%% <li>The time is that of the operating system's clock at its last tick, 1 to 10 ms ago (4 ms on most
%%     systems), which takes a fourth of the time to read; it is read exactly before a call is refused.
%%     When the clock goes back, ids go on from the time of the last one.</li>
%% <li>When the sequence numbers of a millisecond are used up, the option `exhaustion' decides: with
%%     `error', the call returns `{error, {exhausted, WaitMs}}'; with `{borrow, MaxMs}' it takes the
%%     numbers of the milliseconds that follow, as long as they are at most `MaxMs' beyond the clock, and
%%     then returns that. A call that is refused takes nothing. `WaitMs' is after how many milliseconds of
%%     the clock the call would succeed if nobody else made any; `infinity' if the bits for the time are
%%     used up.</li>
%% <li>A clock that was set back is waited for in the same way: numbers left in the last id's millisecond
%%     are given out, then `exhaustion' decides.</li>
%% <li>`badarg' is raised for a wrong reference or argument.</li>
%% </ul>
%%
%% All functions take constant time but {@link next_n/2}, which yields.
-module(offheap_id_generator).

-export([new/1, new/2, next/1, next/2, next_n/2, next_n/3, decode/2, info/1]).
-export_type([generator/0, id/0, option/0, layout/0, exhausted/0]).

-opaque generator() :: reference().

-type id() :: 0..16#7FFFFFFFFFFFFFFF.

-type option() :: {epoch_ms, non_neg_integer()}
                | {node_bits, 0..23}
                | {sequence_bits, 1..24}
                | {exhaustion, error | borrow | {borrow, MaxMs :: 0..86400000}}.

-type layout() :: [option()].

-type exhausted() :: {error, {exhausted, WaitMs :: pos_integer() | infinity}}.

-define(DEFAULTS,
        #{epoch_ms => 1704067200000, node_bits => 8, sequence_bits => 10, exhaustion => error}).

%% @equiv new(Node, [])
-spec new(Node :: non_neg_integer()) -> generator().
new(Node) -> new(Node, []).

%% @doc Makes a generator for the node of this number. Options:
%%
%% <dl>
%% <dt>`{epoch_ms, Ms}'</dt><dd>The time that ids count from, in milliseconds since 1970, 0..2^53.
%%     Default 1704067200000.</dd>
%% <dt>`{node_bits, Bits}'</dt><dd>Default 8. `Node' must be within 0..2^Bits-1.</dd>
%% <dt>`{sequence_bits, Bits}'</dt><dd>At least 1; default 10. With `node_bits' at most 24, which leaves
%%     39 bits or 17 years for the time.</dd>
%% <dt>`{exhaustion, error | borrow | {borrow, MaxMs}}'</dt><dd>Default `error'. `borrow' is
%%     `{borrow, 1000}'; `MaxMs' is at most 86400000, a day. A node that stops and starts again within
%%     `MaxMs' may give ids again that it borrowed.</dd>
%% </dl>
%%
%% Of an option that is given twice the last counts. Raises `badarg' for what is none of these.
-spec new(Node :: non_neg_integer(), [option()]) -> generator().
new(Node, Opts) ->
    #{epoch_ms := EpochMs, node_bits := NodeBits, sequence_bits := SequenceBits,
      exhaustion := Exhaustion} = options(Opts, ?DEFAULTS),
    offheap_nif:id_generator_new(Node, EpochMs, NodeBits, SequenceBits, ahead_ms(Exhaustion)).

options([{Key, Value} | Opts], Options) when is_map_key(Key, Options) ->
    options(Opts, Options#{Key := Value});
options([], Options) -> Options;
options(_, _) -> error(badarg).

ahead_ms(error) -> 0;
ahead_ms(borrow) -> 1000;
ahead_ms({borrow, MaxMs}) -> MaxMs;
ahead_ms(_) -> error(badarg).

%% @doc The next id.
-spec next(generator()) -> id() | exhausted().
next(Ref) -> offheap_nif:id_generator_next(Ref).

%% @doc The next id if the clock were at `NowMs', milliseconds since 1970, 0..2^53: the clock is not read.
%% For tests, and for callers that have the time at hand.
-spec next(generator(), NowMs :: non_neg_integer()) -> id() | exhausted().
next(Ref, NowMs) -> offheap_nif:id_generator_next(Ref, NowMs).

%% @doc The next `N' ids as a list, smallest first, taken at one instant: no other call's id is among
%% them. All or none: when they are refused, none is lost. `N' is at most 2^20 and at most what the
%% layout can give at once, 2^sequence_bits * (1 + MaxMs): {@link info/1} tells it as `batch_max'. About
%% 5 ns an id; yields.
-spec next_n(generator(), N :: pos_integer()) -> [id(), ...] | exhausted().
next_n(Ref, N) -> offheap_nif:id_generator_next_n(Ref, N).

%% @doc The next `N' ids if the clock were at `NowMs', as in {@link next/2}.
-spec next_n(generator(), N :: pos_integer(), NowMs :: non_neg_integer()) ->
          [id(), ...] | exhausted().
next_n(Ref, N, NowMs) -> offheap_nif:id_generator_next_n(Ref, N, NowMs).

%% @doc The parts of an id: its time in milliseconds since 1970, its node, its sequence number. The
%% layout is that of a generator, or given by the options of {@link new/2}.
-spec decode(generator() | layout(), id()) ->
          #{timestamp_ms := non_neg_integer(), node := non_neg_integer(),
            sequence := non_neg_integer()}.
decode(RefOrLayout, Id) when is_integer(Id), Id >= 0, Id < 1 bsl 63 ->
    {EpochMs, NodeBits, SequenceBits} = decode_layout(RefOrLayout),
    TimeBits = 63 - NodeBits - SequenceBits,
    <<0:1, Ms:TimeBits, Node:NodeBits, Sequence:SequenceBits>> = <<Id:64>>,
    #{timestamp_ms => EpochMs + Ms, node => Node, sequence => Sequence};
decode(_RefOrLayout, _Id) ->
    error(badarg).

decode_layout(Opts) when is_list(Opts) ->
    %% Judged as a generator's is.
    decode_layout(new(0, Opts));
decode_layout(Ref) ->
    #{epoch_ms := EpochMs, node_bits := NodeBits, sequence_bits := SequenceBits} = info(Ref),
    {EpochMs, NodeBits, SequenceBits}.

%% @doc The node and the options; the most ids of one {@link next_n/2}; the memory in bytes.
-spec info(generator()) ->
          #{node := non_neg_integer(), epoch_ms := non_neg_integer(), node_bits := non_neg_integer(),
            sequence_bits := pos_integer(), exhaustion := error | {borrow, pos_integer()},
            batch_max := pos_integer(), memory := pos_integer()}.
info(Ref) -> offheap_nif:id_generator_info(Ref).
