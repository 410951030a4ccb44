%% The one stub module of the one shared library. API modules (offheap_atomics and so on) delegate
%% straight to it; nobody else should call it: arguments are checked, but the shapes may change.
-module(offheap_nif).

-export([library_path/0]).

%% atomics
-export([atomics_new/2, atomics_put/3, atomics_get/2, atomics_add/3, atomics_add_get/3,
         atomics_exchange/3, atomics_compare_exchange/4, atomics_info/1, atomics_sum/1,
         atomics_to_list/4]).

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
            "3: not a 64-bit emulator"
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
