%% @doc Mutable byte buffers, leased from a pool ({@link offheap_pool}) and recycled.
%%
%% A buffer is leased, written, read, perhaps frozen into a binary, and released:
%%
%% ```
%%  lease --> writable --freeze--> frozen --release--> released
%%               \-------------------release-------------/
%% '''
%%
%% <ul>
%% <li>It has a capacity, which does not change, and a size: the bytes written so far, from 0 on.
%%     Writing beyond the size fills the gap with zeros, as in a file. Bytes from an earlier lease
%%     are never seen.</li>
%% <li>{@link freeze/1} ends writing and makes a binary without copying (a copy if it is small). No
%%     binary ever changes: the block is used again only when the buffer was released and the last
%%     binary is gone.</li>
%% <li>The process that leased it owns it. When the owner dies the lease ends, for all who hold the
%%     buffer: at once as far as they can tell, and for the pool at the latest when it needs the
%%     memory. Any process that holds the buffer may use and release it.</li>
%% <li>A buffer that nobody holds any more is released when the garbage collector notices. Release
%%     is better: it is prompt and makes the next lease cheap.</li>
%% <li>Several processes may read and write at once. Those that write beyond the size exclude each
%%     other: the second gets `{error, busy}'. Bytes that are read while they are written may be old
%%     and new mixed. A release while others are at work takes effect at once, and the block is
%%     recycled when the last of them is done.</li>
%% </ul>
%%
%% Errors: `badarg' is raised for what is not a buffer, for one that was released or whose owner is
%% dead, and for offsets and lengths that are not integers of 0..2^64-1. `{error, frozen}': it
%% cannot be written any more. `{error, enospc}': the bytes do not fit the capacity; none were
%% written.
%%
%% Up to 1 MiB is copied on the spot, more on a dirty scheduler.
-module(offheap_buffer).

-export([lease/2, lease/3, write/3, append/2, read/1, read/3, size/1, capacity/1, freeze/1, slice/3,
         release/1, owner/1, give_away/2, info/1]).
-export_type([buffer/0, range/0]).

-opaque buffer() :: {offheap_buffer, reference(), pos_integer()}.
%% Bytes of a buffer, as {@link offheap_file} and {@link offheap_hash} take them.
-type range() :: {buffer(), Offset :: non_neg_integer(), Length :: non_neg_integer()}.

%% --- Leasing ---

%% @doc Leases a buffer of at least `Size' bytes' capacity, size 0, owned by the caller.
%%
%% `{error, exhausted}': the pool's cap is reached. `{error, enomem}': the system has no memory.
%% Constant time; at the cap on a dirty scheduler.
-spec lease(offheap_pool:pool(), Size :: non_neg_integer()) ->
          {ok, buffer()} | {error, exhausted | enomem}.
lease(Name, Size) when is_atom(Name) ->
    offheap_nif:pool_lease(offheap_pool:get(Name), Size);
lease(Pool, Size) ->
    offheap_nif:pool_lease(Pool, Size).

%% @doc Leases a buffer with `Data' in it, of at least `Size' bytes' capacity and what `Data' needs.
%% The same as {@link lease/2} and {@link append/2} in one call.
-spec lease(offheap_pool:pool(), Size :: non_neg_integer(), Data :: iodata()) ->
          {ok, buffer()} | {error, exhausted | enomem}.
lease(Name, Size, Data) when is_atom(Name) ->
    lease(offheap_pool:get(Name), Size, Data);
lease(Pool, Size, Data) when is_binary(Data) ->
    offheap_nif:pool_lease(Pool, Size, Data);
lease(Pool, Size, Data) ->
    offheap_nif:pool_lease(Pool, Size, iolist_to_binary(Data)).

%% @doc Ends the lease. `{error, released}': it was over already.
%%
%% Binaries that were made from the buffer stay as they are. Constant time.
-spec release(buffer()) -> ok | {error, released}.
release(Buffer) -> offheap_nif:buffer_release(Buffer).

%% --- Bytes in ---

%% @doc Writes `Data' at `Offset'. A gap between size and offset is filled with zeros.
-spec write(buffer(), Offset :: non_neg_integer(), Data :: iodata()) ->
          ok | {error, enospc | frozen | busy}.
write(Buffer, Offset, Data) when is_binary(Data) ->
    offheap_nif:buffer_write(Buffer, Offset, Data);
write(Buffer, Offset, Data) ->
    offheap_nif:buffer_write(Buffer, Offset, erlang:iolist_to_iovec(Data)).

%% @doc Writes `Data' at the end.
-spec append(buffer(), Data :: iodata()) -> ok | {error, enospc | frozen | busy}.
append(Buffer, Data) when is_binary(Data) ->
    offheap_nif:buffer_append(Buffer, Data);
append(Buffer, Data) ->
    offheap_nif:buffer_append(Buffer, erlang:iolist_to_iovec(Data)).

%% --- Bytes out ---

%% @doc A copy of all bytes written so far. `{error, enomem}' if there is no memory for it.
-spec read(buffer()) -> binary() | {error, enomem}.
read(Buffer) -> offheap_nif:buffer_read(Buffer).

%% @doc A copy of `Length' bytes from `Offset' on. Raises `badarg' where they are not all below the
%% size.
-spec read(buffer(), Offset :: non_neg_integer(), Length :: non_neg_integer()) ->
          binary() | {error, enomem}.
read(Buffer, Offset, Length) -> offheap_nif:buffer_read(Buffer, Offset, Length).

%% @doc Makes the buffer read-only for good, and returns its bytes as a binary.
%%
%% Up to 64 KiB are copied; more are not: the binary shows the buffer's own block, which is used
%% again when the buffer was released and no binary made from it is left. Such a block counts as the
%% pool's until then, and a small part of the binary keeps all of it: `binary:copy/1' what is kept
%% for long.
%%
%% May be called again. `{error, busy}': another process is reading, writing or freezing right now.
-spec freeze(buffer()) -> binary() | {error, busy | enomem}.
freeze(Buffer) -> offheap_nif:buffer_freeze(Buffer).

%% @doc `Length' bytes from `Offset' on of a frozen buffer, as {@link freeze/1} returns them; up to
%% 64 bytes are copied. Raises `badarg' where they are not all below the size, and for a buffer that
%% is not frozen.
-spec slice(buffer(), Offset :: non_neg_integer(), Length :: non_neg_integer()) ->
          binary() | {error, busy | enomem}.
slice(Buffer, Offset, Length) -> offheap_nif:buffer_slice(Buffer, Offset, Length).

%% --- About it ---

%% @doc The number of bytes written so far.
-spec size(buffer()) -> non_neg_integer().
size(Buffer) -> offheap_nif:buffer_size(Buffer).

%% @doc The number of bytes that fit: at least what was asked for.
-spec capacity(buffer()) -> pos_integer().
capacity(Buffer) -> offheap_nif:buffer_capacity(Buffer).

%% @doc The process whose death ends the lease.
-spec owner(buffer()) -> pid().
owner(Buffer) -> offheap_nif:buffer_owner(Buffer).

%% @doc Makes the process `Pid' the owner. As with `ets:give_away/3', `badarg' is raised if the
%% caller is not the owner, or `Pid' not a local process that is alive. Sends no message.
-spec give_away(buffer(), pid()) -> ok.
give_away(Buffer, Pid) -> offheap_nif:buffer_give_away(Buffer, Pid).

%% @doc State and generation, and for a buffer that is not released its size, capacity and owner.
%% Never raises for a released one.
-spec info(buffer()) ->
          #{state := writable | frozen | released,
            generation := non_neg_integer(),
            size => non_neg_integer(),
            capacity => pos_integer(),
            owner => pid()}.
info(Buffer) -> offheap_nif:buffer_info(Buffer).
