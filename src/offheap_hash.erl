%% @doc Digests of iodata, of buffers' bytes where they are ({@link offheap_buffer}) and of files, by
%% libsodium: BLAKE2b, SHA-256, SHA-512.
%%
%% ```
%% Digest = offheap_hash:digest({blake2b, 64}, <<"abc">>),
%%
%% State = offheap_hash:init(sha256),
%% ok = offheap_hash:update(State, <<"ab">>),
%% ok = offheap_hash:update(State, {Buffer, 0, 1}),
%% Digest256 = offheap_hash:final(State),
%%
%% {ok, {_, _Size}} = offheap_hash:file(blake2b, "/etc/hostname", Pool).
%% '''
%% `blake2b' has 32 bytes, `{blake2b, Bytes}' so many of 16..64, and `{blake2b, Bytes, Key}' also a key
%% of 16..64 bytes, which makes it a code that only who knows the key can compute. `sha256' has 32
%% bytes, `sha512' 64.
%%
%% The digest of a state is that of all pieces one after the other. A state may be passed to any
%% process, but works for one at a time: a call that meets another one's update gets `{error, busy}'
%% and changes nothing.
%%
%% BLAKE2b takes about 1 ns a byte, SHA-512 2, SHA-256 up to 5 (OTP's `crypto' is faster at SHA-2 where
%% the processor has instructions for it, but needs binaries). Up to 48 KiB are hashed where they are,
%% more on a dirty CPU scheduler.
%%
%% `badarg' is raised for another algorithm, for what is no data, for a range beyond what is written of
%% its buffer, for a buffer that was released, and for a state after {@link final/1}.
-module(offheap_hash).

-export([digest/2, init/0, init/1, update/2, update_file/5, final/1, file/3, file/4]).
-export_type([algorithm/0, state/0, data/0, digest/0]).

-opaque state() :: reference().
-type algorithm() :: blake2b | {blake2b, Bytes :: 16..64} | {blake2b, Bytes :: 16..64, Key :: binary()}
                   | sha256 | sha512.
-type data() :: iodata() | offheap_buffer:buffer() | offheap_buffer:range().
-type digest() :: binary().

%% Fits the second-level cache, and the system calls do not show.
-define(CHUNK_BYTES, 131072).

%% @doc The digest of one piece: iodata, what is written of a buffer, or a range of it. ({@link
%% offheap_jobs:run/3} does the same in a worker program where it takes long.)
%%
%% `{error, busy}': 8191 other calls are working on the buffer.
-spec digest(algorithm(), data()) -> digest() | {error, busy}.
digest(Algorithm, Data) ->
    {Name, Bytes, Key} = spec(Algorithm),
    offheap_nif:hash_digest(Name, Bytes, Key, pieces(Data)).

%% @equiv init(blake2b)
-spec init() -> state().
init() -> init(blake2b).

%% @doc A new state: the hash of nothing yet.
-spec init(algorithm()) -> state().
init(Algorithm) ->
    {Name, Bytes, Key} = spec(Algorithm),
    offheap_nif:hash_init(Name, Bytes, Key).

%% @doc Adds a piece: iodata, what is written of a buffer, or a range of it.
%%
%% `{error, busy}': another process is in the middle of a call with this state.
-spec update(state(), data()) -> ok | {error, busy}.
update(State, Data) ->
    offheap_nif:hash_update(State, pieces(Data)).

%% @doc Adds `Length' bytes of a file from `FileOffset' on, or as many as there are; returns how many.
%% They pass through the buffer, as many at a time as it has capacity: no other memory is used, and
%% the buffer holds the last of them after. The whole runs on a dirty I/O scheduler, and ends early if
%% the caller is killed.
%%
%% `{error, busy}': another process is in the middle of a call with this state, or extending the
%% buffer; nothing was added. After an error of the file system (`einval': the file was closed) the
%% state has taken in what was read before.
-spec update_file(state(), offheap_file:file(), FileOffset :: non_neg_integer(),
                  Length :: non_neg_integer() | infinity, offheap_buffer:buffer()) ->
          {ok, non_neg_integer()} | {error, busy | frozen | file:posix()}.
update_file(State, File, FileOffset, Length, Buffer) ->
    offheap_nif:hash_update_file(State, File, FileOffset, Length, Buffer).

%% @doc The digest. It ends the state.
-spec final(state()) -> digest() | {error, busy}.
final(State) -> offheap_nif:hash_final(State).

%% @equiv file(Algorithm, PathOrFile, Pool, 131072)
-spec file(algorithm(), file:name_all() | offheap_file:file(), offheap_pool:pool()) ->
          {ok, {digest(), Size :: non_neg_integer()}}
        | {error, exhausted | enomem | file:posix()}.
file(Algorithm, PathOrFile, Pool) ->
    file(Algorithm, PathOrFile, Pool, ?CHUNK_BYTES).

%% @doc The digest of a file, from its first byte on, and its size: by its path, or of one that is
%% open. It is read through one buffer of `ChunkBytes', leased from the pool: no other memory is used,
%% however large the file is. Runs as {@link update_file/5}.
-spec file(algorithm(), file:name_all() | offheap_file:file(), offheap_pool:pool(),
           ChunkBytes :: pos_integer()) ->
          {ok, {digest(), Size :: non_neg_integer()}}
        | {error, exhausted | enomem | file:posix()}.
file(Algorithm, Path, Pool, ChunkBytes) when is_binary(Path); is_list(Path); is_atom(Path) ->
    case offheap_file:open(Path) of
        {ok, File} ->
            try
                open_file(Algorithm, File, Pool, ChunkBytes)
            after
                offheap_file:close(File)
            end;
        {error, _} = Error ->
            Error
    end;
file(Algorithm, File, Pool, ChunkBytes) ->
    open_file(Algorithm, File, Pool, ChunkBytes).

open_file(Algorithm, File, Pool, ChunkBytes) ->
    State = init(Algorithm),
    case offheap_buffer:lease(Pool, ChunkBytes) of
        {ok, Buffer} ->
            try offheap_nif:hash_update_file(State, File, 0, infinity, Buffer) of
                {ok, Size} -> {ok, {final(State), Size}};
                {error, _} = Error -> Error
            after
                offheap_buffer:release(Buffer)
            end;
        {error, _} = Error ->
            Error
    end.

spec(blake2b) -> {blake2b, 32, <<>>};
spec({blake2b, Bytes}) -> {blake2b, Bytes, <<>>};
spec({blake2b, Bytes, Key}) when byte_size(Key) > 0 -> {blake2b, Bytes, Key};
spec(sha256) -> {sha256, 32, <<>>};
spec(sha512) -> {sha512, 64, <<>>};
spec(_) -> error(badarg).

pieces(List) when is_list(List) -> erlang:iolist_to_iovec(List);
pieces(Data) -> Data.
