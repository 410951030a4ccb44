%% The one stub module of the one shared library. API modules (offheap_atomics and so on) delegate
%% straight to it; nobody else should call it: arguments are checked, but the shapes may change.
-module(offheap_nif).

-export([library_path/0]).

%% atomics
-export([atomics_new/2, atomics_put/3, atomics_get/2, atomics_add/3, atomics_add_get/3,
         atomics_exchange/3, atomics_compare_exchange/4, atomics_info/1, atomics_sum/1,
         atomics_to_list/4]).

%% hash
-export([hash_blake2b/1, hash_blake2b_dirty/1, hash_file/1, hash_init/0, hash_update/2,
         hash_final/1]).

%% pools, buffers, files
-export([pool_new/2, pool_lease/2, pool_lease/3, pool_sweep/1, pool_info/1, pool_trim/1,
         pool_close/1]).
-export([buffer_write/3, buffer_append/2, buffer_read/1, buffer_read/3, buffer_pread/6,
         buffer_freeze/1, buffer_slice/3, buffer_release/1, buffer_size/1, buffer_capacity/1,
         buffer_owner/1, buffer_give_away/2, buffer_info/1]).
-export([file_open/1, file_size/1, file_close/1]).

%% store
-export([store_new/4, store_delete/1, store_properties/1, store_stats/2, store_scan/3]).
-export([store_lookup/2, store_member/2, store_lookup_element/3, store_lookup_element_or/4,
         store_get/3, store_fetch/2]).
-export([store_insert/2, store_insert_new/2, store_put/3, store_delete_key/2, store_take/2,
         store_update_counter/3, store_replace/3]).

-on_load(init/0).

%% Where the library is looked for: the application's priv folder, or beside the ebin folder that this
%% module was loaded from (an escript's or a build's layout that the code server does not know).
-spec library_path() -> file:filename().
library_path() ->
    Priv = case code:priv_dir(offheap) of
               {error, bad_name} ->
                   filename:join([filename:dirname(filename:dirname(code:which(?MODULE))), "priv"]);
               Dir ->
                   Dir
           end,
    filename:join(Priv, "offheap_nif").

init() ->
    Path = application:get_env(offheap, nif_library, library_path()),
    case erlang:load_nif(Path, 0) of
        ok ->
            ok;
        {error, {load_failed, Text}} ->
            {error, {load_failed, lists:flatten(Text), why(Path)}};
        {error, _} = Error ->
            Error
    end.

%% The first thing to check, in words.
why(Path) ->
    case filelib:is_regular(Path ++ ".so") of
        false ->
            "no " ++ Path ++ ".so: the native build did not run; run mix compile or make";
        true ->
            "libsodium (Debian: libsodium23) must be installed on the machine that runs; library "
            "unloaded with error 1: a resource type could not be opened, 2: libsodium did not start, "
            "3: an emulator of another kind than supported, 4: out of memory or threads, 5: the "
            "loaded library is of a version that this one cannot replace while running"
    end.

-define(STUB, erlang:nif_error(offheap_nif_not_loaded)).

atomics_new(_Size, _Signed) -> ?STUB.
atomics_put(_Ref, _Index, _Value) -> ?STUB.
atomics_get(_Ref, _Index) -> ?STUB.
atomics_add(_Ref, _Index, _Increment) -> ?STUB.
atomics_add_get(_Ref, _Index, _Increment) -> ?STUB.
atomics_exchange(_Ref, _Index, _Desired) -> ?STUB.
atomics_compare_exchange(_Ref, _Index, _Expected, _Desired) -> ?STUB.
atomics_info(_Ref) -> ?STUB.
atomics_sum(_Ref) -> ?STUB.
atomics_to_list(_Ref, _First, _Last, _Tail) -> ?STUB.

hash_blake2b(_Input) -> ?STUB.
hash_blake2b_dirty(_Input) -> ?STUB.
hash_file(_Path) -> ?STUB.
hash_init() -> ?STUB.
hash_update(_State, _Input) -> ?STUB.
hash_final(_State) -> ?STUB.

pool_new(_MaxBytes, _Largest) -> ?STUB.
pool_lease(_Pool, _Size) -> ?STUB.
pool_lease(_Pool, _Size, _Bytes) -> ?STUB.
pool_sweep(_Pool) -> ?STUB.
pool_info(_Pool) -> ?STUB.
pool_trim(_Pool) -> ?STUB.
pool_close(_Pool) -> ?STUB.

buffer_write(_Buffer, _Offset, _Data) -> ?STUB.
buffer_append(_Buffer, _Data) -> ?STUB.
buffer_read(_Buffer) -> ?STUB.
buffer_read(_Buffer, _Offset, _Length) -> ?STUB.
buffer_pread(_Buffer, _Offset, _File, _FileOffset, _Length, _Mode) -> ?STUB.
buffer_freeze(_Buffer) -> ?STUB.
buffer_slice(_Buffer, _Offset, _Length) -> ?STUB.
buffer_release(_Buffer) -> ?STUB.
buffer_size(_Buffer) -> ?STUB.
buffer_capacity(_Buffer) -> ?STUB.
buffer_owner(_Buffer) -> ?STUB.
buffer_give_away(_Buffer, _Pid) -> ?STUB.
buffer_info(_Buffer) -> ?STUB.

file_open(_Path) -> ?STUB.
file_size(_File) -> ?STUB.
file_close(_File) -> ?STUB.

store_new(_Name, _KeyPos, _Protection, _Salt) -> ?STUB.
store_delete(_Store) -> ?STUB.
store_properties(_Store) -> ?STUB.
store_stats(_Store, _Position) -> ?STUB.
store_scan(_Store, _Position, _Tail) -> ?STUB.
store_lookup(_Store, _Key) -> ?STUB.
store_member(_Store, _Key) -> ?STUB.
store_lookup_element(_Store, _Key, _Position) -> ?STUB.
store_lookup_element_or(_Store, _Key, _Position, _Default) -> ?STUB.
store_get(_Store, _Key, _Default) -> ?STUB.
store_fetch(_Store, _Key) -> ?STUB.
store_insert(_Store, _Objects) -> ?STUB.
store_insert_new(_Store, _Objects) -> ?STUB.
store_put(_Store, _Key, _Value) -> ?STUB.
store_delete_key(_Store, _Key) -> ?STUB.
store_take(_Store, _Key) -> ?STUB.
store_update_counter(_Store, _Key, _Operation) -> ?STUB.
store_replace(_Store, _Old, _New) -> ?STUB.
