%% @doc BLAKE2b-256 piece by piece.
%%
%% ```
%% State = offheap_hash:init(),
%% ok = offheap_hash:update(State, <<"ab">>),
%% ok = offheap_hash:update(State, [<<"c">>]),
%% Digest = offheap_hash:final(State).
%% '''
%% The digest is that of all pieces one after the other ({@link offheap_jobs:run/3} does one piece in one
%% call). A state may be passed to any process, but works for one at a time: a call that meets another
%% one's update gets `{error, busy}' and changes nothing.
%%
%% About 1 ns a byte: pieces of up to 48 KiB are hashed where they are, larger ones on a dirty CPU
%% scheduler.
-module(offheap_hash).

-export([init/0, update/2, final/1]).
-export_type([state/0, data/0, digest/0]).

-opaque state() :: reference().
-type data() :: iodata() | offheap_buffer:buffer().
-type digest() :: <<_:256>>.

%% @doc A new state: the hash of nothing yet.
-spec init() -> state().
init() -> offheap_nif:hash_init().

%% @doc Adds a piece: iodata, or the bytes of a buffer, which are read in place.
%%
%% `{error, busy}': another process is in the middle of a call with this state. Raises `badarg' for what
%% is neither, for a buffer that was released, and after {@link final/1}.
-spec update(state(), data()) -> ok | {error, busy}.
update(State, Data) ->
    offheap_nif:hash_update(State, pieces(Data)).

pieces(List) when is_list(List) -> erlang:iolist_to_iovec(List);
pieces(Data) -> Data.

%% @doc The digest. It ends the state.
-spec final(state()) -> digest() | {error, busy}.
final(State) -> offheap_nif:hash_final(State).
