%% @doc Mutable byte buffers, leased from a pool ({@link offheap_pool}) and recycled.
%%
%% A buffer is leased, written, read, perhaps frozen into a binary, and released:
%%
%% ```
%%  lease --> writable --freeze--> frozen --release--> released
%%               \-------------------release-------------/
%%                |
%%                +--split_to--> the rest, writable as before
%% '''
%%
%% <ul>
%% <li>It has a capacity, which only a split changes, and a size: the bytes written so far, from 0 on.
%%     Writing beyond the size fills the gap with zeros, as in a file, and {@link resize/2} truncates.
%%     Bytes from an earlier lease are never seen.</li>
%% <li>{@link split_to/2} takes the first bytes off as a binary, while the rest stays writable.</li>
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
%% Calls that pass over bytes do so on the spot for up to 1 MiB, about 0.2 ms, and on a dirty scheduler
%% for more.
-module(offheap_buffer).

-export([lease/2, lease/3, lease/4, with_lease/3, with_lease/4, with_lease/5, release/1]).
-export([write/3, append/2, read/1, read/3, freeze/1, slice/3, slices/2, split_to/2]).
-export([size/1, capacity/1, owner/1, give_away/2, info/1]).
-export_type([buffer/0, range/0, lease_option/0, lease_error/0]).

%% bytes
-export([put/4, get/3, put_list/4, get_list/4, number_bytes/1, fill/4, copy/5, compare/3, compare/5, 'bxor'/4,
         'bxor'/5, find/3, crc32c/3, crc32c/4, resize/2, reset/1]).
-export_type([number_type/0, value/0]).

-opaque buffer() :: {offheap_buffer, reference(), pos_integer()}.
%% Bytes of a buffer, as {@link offheap_file} and {@link offheap_hash} take them.
-type range() :: {buffer(), Offset :: non_neg_integer(), Length :: non_neg_integer()}.

-type number_type() :: u8 | u16_be | u16_le | u32_be | u32_le | u64_be | u64_le
                     | i8 | i16_be | i16_le | i32_be | i32_le | i64_be | i64_le
                     | f32_be | f32_le | f64_be | f64_le.
%% How numbers are stored: unsigned, signed (two's complement) or float (IEEE 754); bits; most or
%% least significant byte first.
-type value() :: number() | nan | infinity | neg_infinity.
%% The atoms stand for floats that Erlang has no term for.
-type lease_option() :: {tag, atom()} | {timeout, timeout()}.
-type lease_error() :: {error, exhausted | timeout | enomem}.

%% How long a waiting process sleeps before it looks by itself, in milliseconds: for leases of dead
%% owners, of whose end nobody tells.
-define(LOOK_MS, 1000).

%% --- Leasing ---

%% @doc Leases a buffer of at least `Size' bytes' capacity, size 0, owned by the caller.
%%
%% `{error, exhausted}': the pool's cap is reached, or others wait for bytes. `{error, enomem}': the
%% system has no memory. Constant time; at the cap on a dirty scheduler.
-spec lease(offheap_pool:pool(), Size :: non_neg_integer()) -> {ok, buffer()} | lease_error().
lease(Name, Size) when is_atom(Name) ->
    offheap_nif:pool_lease(offheap_pool:get(Name), Size);
lease(Pool, Size) ->
    offheap_nif:pool_lease(Pool, Size).

%% @doc Leases a buffer with `Data' in it, of at least `Size' bytes' capacity and what `Data' needs:
%% the same as {@link lease/2} and {@link append/2} in one call. Or, with a list of options in place
%% of `Data', an empty one, as {@link lease/4}.
-spec lease(offheap_pool:pool(), Size :: non_neg_integer(),
            Data :: iodata() | [lease_option()]) -> {ok, buffer()} | lease_error().
lease(Name, Size, Data) when is_atom(Name) ->
    lease(offheap_pool:get(Name), Size, Data);
lease(Pool, Size, Data) when is_binary(Data) ->
    offheap_nif:pool_lease(Pool, Size, Data);
lease(Pool, Size, [Option | _] = Opts) when is_tuple(Option) ->
    lease(Pool, Size, <<>>, Opts);
lease(Pool, Size, Data) ->
    offheap_nif:pool_lease(Pool, Size, iolist_to_binary(Data)).

%% @doc Leases a buffer with `Data' in it. Options:
%%
%% <ul>
%% <li>`{tag, atom()}': what {@link offheap_pool:leases/2} shows with the lease; default
%%     `undefined'.</li>
%% <li>`{timeout, Ms | infinity}': at the cap, waits for so long in line; default 0. Who waits is
%%     served in the order of coming, and others only from what is left beside that. The process
%%     is woken by a message when bytes come back, and no scheduler waits; no message is left over.
%%     Its garbage is collected first, since that may hold what it waits for. `{error, timeout}' when
%%     it was in vain. More than the cap is `{error, exhausted}' at once.</li>
%% </ul>
-spec lease(offheap_pool:pool(), Size :: non_neg_integer(), Data :: iodata(), [lease_option()]) ->
          {ok, buffer()} | lease_error().
lease(Pool, Size, Data, Opts) ->
    {Tag, Timeout} = lease_options(Opts, undefined, 0),
    Handle = offheap_pool:get(Pool),
    Bytes = iolist_to_binary(Data),
    case Timeout of
        0 -> offheap_nif:pool_lease(Handle, Size, Bytes, Tag);
        _ -> lease_wait(Handle, Size, Bytes, Tag, Timeout)
    end.

lease_options([{tag, Tag} | Opts], _, Timeout) when is_atom(Tag) ->
    lease_options(Opts, Tag, Timeout);
lease_options([{timeout, Timeout} | Opts], Tag, _)
  when Timeout =:= infinity; is_integer(Timeout), Timeout >= 0, Timeout < 1 bsl 32 ->
    lease_options(Opts, Tag, Timeout);
lease_options([], Tag, Timeout) ->
    {Tag, Timeout};
lease_options(_, _, _) ->
    error(badarg).

lease_wait(Pool, Size, Data, Tag, Timeout) ->
    Wake = make_ref(),
    case offheap_nif:pool_lease_wait(Pool, Size, Data, Tag, Wake) of
        {wait, Waiter} ->
            %% The caller itself may hold what it waits for: binaries that it has dropped, and which
            %% emulators from OTP 27 on hardly count when they decide on a collection.
            true = erlang:garbage_collect(),
            Look = fun() -> offheap_nif:pool_lease_again(Pool, Size, Data, Tag, Waiter) end,
            Result = stand_in_line(Waiter, Wake, Look, deadline(Timeout)),
            flush(Wake),
            Result;
        Result ->
            flush(Wake),
            Result
    end.

deadline(infinity) -> infinity;
deadline(Timeout) -> erlang:monotonic_time(millisecond) + Timeout.

left_ms(infinity) -> ?LOOK_MS;
left_ms(Deadline) -> max(0, min(?LOOK_MS, Deadline - erlang:monotonic_time(millisecond))).

%% The message says only that it is worth to look. A look that raises, because the pool was closed,
%% has left the line.
stand_in_line(Waiter, Wake, Look, Deadline) ->
    LeftMs = left_ms(Deadline),
    receive Wake -> ok after LeftMs -> ok end,
    case Look() of
        wait when LeftMs =:= 0 ->
            ok = offheap_nif:pool_lease_leave(Waiter),
            {error, timeout};
        wait ->
            stand_in_line(Waiter, Wake, Look, Deadline);
        Result ->
            Result
    end.

%% Nobody sends any more. At most one message is there: the next comes after the next look.
flush(Wake) ->
    receive Wake -> flush(Wake) after 0 -> ok end.

%% @doc Leases a buffer, calls `Fun' with it and returns what `Fun' returns; releases the buffer in
%% any case. What `Fun' has frozen, split off or read stays.
-spec with_lease(offheap_pool:pool(), Size :: non_neg_integer(), fun((buffer()) -> Result)) ->
          Result | lease_error().
with_lease(Pool, Size, Fun) when is_function(Fun, 1) ->
    with_leased(lease(Pool, Size), Fun).

%% @doc The same with the third argument of {@link lease/3}.
-spec with_lease(offheap_pool:pool(), Size :: non_neg_integer(),
                 Data :: iodata() | [lease_option()], fun((buffer()) -> Result)) ->
          Result | lease_error().
with_lease(Pool, Size, Data, Fun) when is_function(Fun, 1) ->
    with_leased(lease(Pool, Size, Data), Fun).

%% @doc The same with the arguments of {@link lease/4}.
-spec with_lease(offheap_pool:pool(), Size :: non_neg_integer(), Data :: iodata(),
                 [lease_option()], fun((buffer()) -> Result)) ->
          Result | lease_error().
with_lease(Pool, Size, Data, Opts, Fun) when is_function(Fun, 1) ->
    with_leased(lease(Pool, Size, Data, Opts), Fun).

with_leased({ok, Buffer}, Fun) ->
    try
        Fun(Buffer)
    after
        release(Buffer)
    end;
with_leased({error, _} = Error, _Fun) ->
    Error.

%% @doc Ends the lease. `{error, released}': it was over already.
%%
%% Binaries that were made from the buffer stay as they are. Constant time.
-spec release(buffer()) -> ok | {error, released}.
release(Buffer) -> offheap_nif:buffer_release(Buffer).

%% --- Bytes in ---

%% @doc Writes `Data' at `Offset'. A gap between size and offset is filled with zeros.
-spec write(buffer(), Offset :: non_neg_integer(), Data :: iodata()) ->
          ok | {error, enospc | frozen | busy}.
write(Buffer, Offset, Data) -> offheap_nif:buffer_write(Buffer, Offset, Data).

%% @doc Writes `Data' at the end. An iolist is not flattened first.
-spec append(buffer(), Data :: iodata()) -> ok | {error, enospc | frozen | busy}.
append(Buffer, Data) -> offheap_nif:buffer_append(Buffer, Data).

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
%% A block that a worker program was given to write ({@link offheap_port_pool:call/4}) is copied
%% whatever its size, beyond 1 MiB on a dirty scheduler; so are slices, and what is split off.
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

%% @doc Several slices of a frozen buffer in one call, in the order of the list; as {@link slice/3}.
%% Raises `badarg' if any of them is not below the size. More than 2048, or copies of more than 1 MiB
%% together, are made on a dirty scheduler.
-spec slices(buffer(), [{Offset :: non_neg_integer(), Length :: non_neg_integer()}]) ->
          [binary()] | {error, busy | enomem}.
slices(Buffer, Ranges) -> offheap_nif:buffer_slices(Buffer, Ranges).

%% @doc Takes the first `Length' bytes off a writable buffer, as a binary; the rest stays writable.
%% `split_to' of Rust's `BytesMut'.
%%
%% Offsets count from the first byte of the rest from then on, and size and capacity are less by
%% `Length'. Up to 64 KiB are copied; more are not: the binary shows the buffer's block, as with
%% {@link freeze/1}, and from then on all but 64 bytes and less are shown. The block is used by
%% another lease only when the buffer was released and no binary shows any of it. No binary ever
%% changes: what is written later lies behind it. If nothing is left and no binary shows the block,
%% the whole capacity is there again.
%%
%% Raises `badarg' for more than the size. `{error, busy}': another process is reading, writing,
%% splitting or freezing right now. `{error, frozen}'.
-spec split_to(buffer(), Length :: non_neg_integer()) -> binary() | {error, busy | frozen | enomem}.
split_to(Buffer, Length) -> offheap_nif:buffer_split_to(Buffer, Length).

%% --- Numbers ---

%% @doc Writes a number at `Offset', as {@link write/3} writes its bytes. Any offset will do: nothing
%% needs to be aligned.
%%
%% `badarg' is raised for an unknown type and for a value that the type cannot hold: nothing is cut
%% off. A float type takes integers of -2^63..2^64-1 too, rounds to the nearest float it has, takes
%% none that would become infinite by that, and takes the atoms `nan', `infinity' and
%% `neg_infinity'. Constant time. Another process that reads the number meanwhile may see bytes of
%% the old and of the new one.
-spec put(buffer(), Offset :: non_neg_integer(), number_type(), value()) ->
          ok | {error, enospc | frozen | busy}.
put(Buffer, Offset, Type, Value) -> offheap_nif:buffer_put_number(Buffer, Offset, Type, Value).

%% @doc The number at `Offset'. Raises `badarg' where its bytes are not all below the size. Constant
%% time.
%%
%% Bytes that are no number to Erlang, of a float type, are `nan', `infinity' or `neg_infinity'
%% (where a match of `<<F/float>>' fails).
-spec get(buffer(), Offset :: non_neg_integer(), number_type()) -> value().
get(Buffer, Offset, Type) -> offheap_nif:buffer_get_number(Buffer, Offset, Type).

%% @doc Writes numbers one after the other from `Offset' on: all of them, or none if one is wrong or
%% they do not fit. Errors as {@link put/4}.
-spec put_list(buffer(), Offset :: non_neg_integer(), number_type(), [value()]) ->
          ok | {error, enospc | frozen | busy}.
put_list(Buffer, Offset, Type, Values) ->
    offheap_nif:buffer_put_numbers(Buffer, Offset, Type, Values).

%% @doc The list of the `Count' numbers from `Offset' on. As {@link get/3}.
-spec get_list(buffer(), Offset :: non_neg_integer(), number_type(),
               Count :: non_neg_integer()) -> [value()].
get_list(Buffer, Offset, Type, Count) ->
    offheap_nif:buffer_get_numbers(Buffer, Offset, Type, Count).

%% @doc How many bytes a number of the type takes.
-spec number_bytes(number_type()) -> 1 | 2 | 4 | 8.
number_bytes(Type) when Type =:= u8; Type =:= i8 -> 1;
number_bytes(Type) when Type =:= u16_be; Type =:= u16_le; Type =:= i16_be; Type =:= i16_le -> 2;
number_bytes(Type) when Type =:= u32_be; Type =:= u32_le; Type =:= i32_be; Type =:= i32_le -> 4;
number_bytes(Type) when Type =:= u64_be; Type =:= u64_le; Type =:= i64_be; Type =:= i64_le -> 8;
number_bytes(Type) when Type =:= f32_be; Type =:= f32_le -> 4;
number_bytes(Type) when Type =:= f64_be; Type =:= f64_le -> 8;
number_bytes(_) -> error(badarg).

%% --- Bytes in place ---

%% @doc Writes `Length' times the byte `Byte' at `Offset'. As {@link write/3}.
-spec fill(buffer(), Offset :: non_neg_integer(), Length :: non_neg_integer(), byte()) ->
          ok | {error, enospc | frozen | busy}.
fill(Buffer, Offset, Length, Byte) -> offheap_nif:buffer_fill(Buffer, Offset, Length, Byte).

%% @doc Writes `Length' bytes of `From', from `FromOffset' on, into `To' at `ToOffset', as
%% {@link write/3} does.
%%
%% `From' and `To' may be the same buffer, and the ranges may overlap: `To' then holds what was in
%% `From' before. Raises `badarg' where the bytes of `From' are not all below its size.
-spec copy(From :: buffer(), FromOffset :: non_neg_integer(), Length :: non_neg_integer(),
           To :: buffer(), ToOffset :: non_neg_integer()) ->
          ok | {error, enospc | frozen | busy}.
copy(From, FromOffset, Length, To, ToOffset) ->
    offheap_nif:buffer_copy_bytes(From, FromOffset, Length, To, ToOffset).

%% @doc Replaces each of `Length' bytes from `Offset' on by its exclusive or with a byte of `Key', a
%% binary that is repeated as often as needed: its first byte meets the one at `Offset'. What RFC
%% 6455 does with the payload of a WebSocket frame.
%%
%% Raises `badarg' where the bytes are not all below the size, and for an empty key.
-spec 'bxor'(buffer(), Offset :: non_neg_integer(), Length :: non_neg_integer(), Key :: binary()) ->
          ok | {error, frozen | busy}.
'bxor'(Buffer, Offset, Length, Key) -> offheap_nif:buffer_bxor(Buffer, Offset, Length, Key).

%% @doc The same with `Length' bytes of the buffer `Other', from `OtherOffset' on.
%%
%% `Other' may be `Buffer'; the ranges may be the same, but where they overlap otherwise `badarg' is
%% raised.
-spec 'bxor'(buffer(), Offset :: non_neg_integer(), Length :: non_neg_integer(),
             Other :: buffer(), OtherOffset :: non_neg_integer()) ->
          ok | {error, frozen | busy}.
'bxor'(Buffer, Offset, Length, Other, OtherOffset) ->
    offheap_nif:buffer_bxor(Buffer, Offset, Length, Other, OtherOffset).

%% @doc How the bytes from `Offset' on compare with those of `Binary', as many as it has: by the
%% first that differs. Raises `badarg' where they are not all below the size.
%%
%% The time taken tells where the first difference is: this is not for secrets.
-spec compare(buffer(), Offset :: non_neg_integer(), binary()) -> lt | eq | gt.
compare(Buffer, Offset, Binary) -> offheap_nif:buffer_compare(Buffer, Offset, Binary).

%% @doc How `Length' bytes from `Offset' on compare with as many of `Other' from `OtherOffset' on.
-spec compare(buffer(), Offset :: non_neg_integer(), Length :: non_neg_integer(),
              Other :: buffer(), OtherOffset :: non_neg_integer()) -> lt | eq | gt.
compare(Buffer, Offset, Length, Other, OtherOffset) ->
    offheap_nif:buffer_compare(Buffer, Offset, Length, Other, OtherOffset).

%% @doc Where `Pattern' first occurs at `Offset' or after it: the offset of its first byte in the
%% buffer. As with `binary:match/2', it must not be empty. Raises `badarg' where `Offset' is beyond
%% the size.
%%
%% Takes well below a nanosecond a byte; in bytes that nearly match everywhere up to 5, and then the
%% search goes on on a dirty scheduler after 0.3 ms.
-spec find(buffer(), Offset :: non_neg_integer(), Pattern :: binary()) ->
          non_neg_integer() | nomatch.
find(Buffer, Offset, Pattern) -> offheap_nif:buffer_find(Buffer, Offset, Pattern).

%% @doc The CRC-32C (Castagnoli) checksum of `Length' bytes from `Offset' on: that of iSCSI (RFC
%% 3720), SCTP, Kafka and ext4, not that of `erlang:crc32/1'. Raises `badarg' where they are not all
%% below the size.
-spec crc32c(buffer(), Offset :: non_neg_integer(), Length :: non_neg_integer()) ->
          0..16#FFFFFFFF.
crc32c(Buffer, Offset, Length) -> offheap_nif:buffer_crc32c(Buffer, Offset, Length).

%% @doc The checksum of the bytes that gave `Previous', followed by these.
-spec crc32c(buffer(), Offset :: non_neg_integer(), Length :: non_neg_integer(),
             Previous :: 0..16#FFFFFFFF) -> 0..16#FFFFFFFF.
crc32c(Buffer, Offset, Length, Previous) ->
    offheap_nif:buffer_crc32c(Buffer, Offset, Length, Previous).

%% @doc Makes the size `Size', within the capacity: new bytes are zero, and bytes beyond it are given
%% up for good.
%%
%% Who reads or overwrites meanwhile does so as if it had come before; where bytes are written again
%% over those that were given up, it may meet old and new ones mixed. `{error, busy}': another
%% process is writing beyond the size.
-spec resize(buffer(), Size :: non_neg_integer()) -> ok | {error, enospc | frozen | busy}.
resize(Buffer, Size) -> offheap_nif:buffer_resize(Buffer, Size).

%% @doc Makes the size 0, to use the lease again. The same as `resize(Buffer, 0)'.
-spec reset(buffer()) -> ok | {error, frozen | busy}.
reset(Buffer) -> offheap_nif:buffer_resize(Buffer, 0).

%% --- About it ---

%% @doc The number of bytes written so far.
-spec size(buffer()) -> non_neg_integer().
size(Buffer) -> offheap_nif:buffer_size(Buffer).

%% @doc The number of bytes that fit: at least what was asked for, less what was split off.
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
