%% @doc HyperLogLog in shared memory: about how many different terms were added, in a fixed number of bytes.
%%
%% <ul>
%% <li>With precision P it has 2^P registers of a byte, and a standard error of 1.04 / sqrt(2^P): 26 % for
%%     4, 0.81 % for 14 (the default, 16 KiB), 0.2 % for 18. Two of three estimates are within one standard
%%     error, 19 of 20 within two. Small numbers are nearly exact.</li>
%% <li>Keys are any terms, told apart as by `=:='. Any process that holds the reference may add.</li>
%% <li>An {@link add/2} is atomic: it raises one register. {@link count/1}, {@link merge/2} and
%%     {@link to_binary/1} see each register atomically, all together not at one instant.</li>
%% <li>The hash does not depend on the node, the machine or the release, so sketches may be stored, sent and
%%     merged elsewhere. Exceptions are keys that themselves mean something else elsewhere (local pids,
%%     references, ports, funs), and `-0.0', which from OTP 27 on is not `0.0'.</li>
%% <li>Integers of 64 bits, floats, binaries, pids, references and ports have 64 bits of hash, others 54. Terms
%%     with maps have 32: beyond about a hundred millions they are undercounted. Terms that differ only in a
%%     pid, reference or port inside them have 18: do not add those, but what is inside, or their external
%%     format.</li>
%% <li>`badarg' is raised for a wrong reference, wrong options, sketches of different precision or salt.</li>
%% </ul>
%%
%% P. Flajolet, E. Fusy, O. Gandouet, F. Meunier, "HyperLogLog: the analysis of a near-optimal cardinality
%% estimation algorithm", 2007; the estimate by the improved raw estimator of O. Ertl, "New cardinality
%% estimation algorithms for HyperLogLog sketches", 2017.
-module(offheap_hyperloglog).

-export([new/0, new/1, add/2, count/1, merge/2, to_binary/1, from_binary/1, info/1]).
-export_type([hyperloglog/0, option/0]).

-opaque hyperloglog() :: reference().
-type option() :: {precision, 4..18} | {salt, 0..16#ffffffff}.

-define(MAGIC, "OHHL").
-define(VERSION, 1).

%% @equiv new([])
-spec new() -> hyperloglog().
new() -> new([]).

%% @doc Makes a sketch with nothing counted. Options: `{precision, 4..18}', default 14; `{salt, Salt}',
%% default 0. Raises `badarg' for others, and `system_limit' if memory is out.
-spec new([option()]) -> hyperloglog().
new(Options) ->
    {Precision, Salt} = options(Options, 14, 0),
    offheap_nif:hyperloglog_new(Precision, Salt).

options([{precision, Precision} | Options], _, Salt)
  when is_integer(Precision), Precision >= 4, Precision =< 18 ->
    options(Options, Precision, Salt);
options([{salt, Salt} | Options], Precision, _)
  when is_integer(Salt), Salt >= 0, Salt =< 16#ffffffff ->
    options(Options, Precision, Salt);
options([], Precision, Salt) ->
    {Precision, Salt};
options(_, _, _) ->
    error(badarg).

%% @doc Adds a key. Returns whether that changed the sketch: `false' for a key that was added before, and
%% for most new ones as well.
%%
%% Constant time, but for the hash of the key. Keys beyond about 32 KiB are hashed on a dirty scheduler.
-spec add(hyperloglog(), Key :: term()) -> boolean().
add(Sketch, Key) -> offheap_nif:hyperloglog_add(Sketch, Key).

%% @doc The estimated number of different keys. Up to half a millisecond with the largest precision.
-spec count(hyperloglog()) -> non_neg_integer().
count(Sketch) -> round(offheap_nif:hyperloglog_count(Sketch)).

%% @doc Makes `Sketch' count all that was added to `Other', too. Both must have the same precision and salt.
%% Up to half a millisecond with the largest precision.
-spec merge(hyperloglog(), Other :: hyperloglog()) -> ok.
merge(Sketch, Other) -> offheap_nif:hyperloglog_merge(Sketch, Other).

%% @doc The sketch as a binary that {@link from_binary/1} takes, on any node: a header and a byte for each
%% register. Raises `system_limit' if memory is out.
-spec to_binary(hyperloglog()) -> binary().
to_binary(Sketch) ->
    {Precision, Salt, _Memory} = offheap_nif:hyperloglog_shape(Sketch),
    offheap_nif:hyperloglog_to_binary(Sketch, <<?MAGIC, ?VERSION, Precision, Salt:32/little>>).

%% @doc Makes a sketch of what {@link to_binary/1} gave. Raises `badarg' for anything else.
-spec from_binary(binary()) -> hyperloglog().
from_binary(<<?MAGIC, ?VERSION, Precision, Salt:32/little, Registers/binary>>) ->
    offheap_nif:hyperloglog_from_binary(Precision, Salt, Registers);
from_binary(_) ->
    error(badarg).

%% @doc The precision, the salt, the memory in bytes.
-spec info(hyperloglog()) ->
          #{precision := 4..18, salt := 0..16#ffffffff, memory := pos_integer()}.
info(Sketch) ->
    {Precision, Salt, Memory} = offheap_nif:hyperloglog_shape(Sketch),
    #{precision => Precision, salt => Salt, memory => Memory}.
