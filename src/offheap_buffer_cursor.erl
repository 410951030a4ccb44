%% @doc A buffer ({@link offheap_buffer}) and a position in it, to read or write one thing after the
%% other.
%%
%% A cursor is a value: each function returns the cursor that comes after, and the one given stays as
%% it is. Several cursors may be at work on one buffer, each where it is. The bytes themselves are the
%% buffer's, and change for all.
%%
%% ```
%%  {ok, C1} = offheap_buffer_cursor:put(offheap_buffer_cursor:new(Buffer), u16_be, 3),
%%  {ok, C2} = offheap_buffer_cursor:write(C1, <<"abc">>),
%%  {Length, C3} = offheap_buffer_cursor:get(offheap_buffer_cursor:seek(C2, 0), u16_be),
%%  {<<"abc">>, _} = offheap_buffer_cursor:read(C3, Length).
%% '''
%%
%% The functions do what those of the same name in {@link offheap_buffer} do, with the position for
%% the offset, and raise and return the same errors: `badarg' for reading past the size, which
%% {@link remaining/1} tells before.
-module(offheap_buffer_cursor).

-export([new/1, new/2, position/1, remaining/1, seek/2, skip/2]).
-export([get/2, get_list/3, read/2, put/3, put_list/3, write/2]).
-export_type([cursor/0]).

%% Also what Elixir's struct Offheap.Buffer.Cursor is.
-type cursor() :: #{buffer := offheap_buffer:buffer(),
                    position := non_neg_integer(),
                    '__struct__' => module()}.
-type written() :: {ok, cursor()} | {error, enospc | frozen | busy}.

%% @equiv new(Buffer, 0)
-spec new(offheap_buffer:buffer()) -> cursor().
new(Buffer) -> new(Buffer, 0).

%% @doc A cursor at `Position', which may be beyond the size. Raises `badarg' for what is no buffer,
%% or was released.
-spec new(offheap_buffer:buffer(), Position :: non_neg_integer()) -> cursor().
new(Buffer, Position) when is_integer(Position), Position >= 0 ->
    _ = offheap_nif:buffer_size(Buffer),
    #{buffer => Buffer, position => Position};
new(_, _) ->
    error(badarg).

%% @doc The offset at which the cursor is.
-spec position(cursor()) -> non_neg_integer().
position(#{position := Position}) -> Position.

%% @doc How many bytes there are from the position to the size; 0 if it is beyond the size.
-spec remaining(cursor()) -> non_neg_integer().
remaining(#{buffer := Buffer, position := Position}) ->
    max(0, offheap_nif:buffer_size(Buffer) - Position).

%% @doc The cursor at `Position'.
-spec seek(cursor(), Position :: non_neg_integer()) -> cursor().
seek(Cursor, Position) when is_integer(Position), Position >= 0 ->
    Cursor#{position := Position};
seek(_, _) ->
    error(badarg).

%% @doc The cursor `Count' bytes further on, or back if that is negative.
-spec skip(cursor(), Count :: integer()) -> cursor().
skip(#{position := Position} = Cursor, Count) when is_integer(Count) ->
    seek(Cursor, Position + Count);
skip(_, _) ->
    error(badarg).

%% --- Reading ---

%% @doc The number at the position, and the cursor after it.
-spec get(cursor(), offheap_buffer:number_type()) -> {offheap_buffer:value(), cursor()}.
get(#{buffer := Buffer, position := Position} = Cursor, Type) ->
    Value = offheap_nif:buffer_get_number(Buffer, Position, Type),
    {Value, Cursor#{position := Position + offheap_buffer:number_bytes(Type)}}.

%% @doc The `Count' numbers from the position on, and the cursor after them.
-spec get_list(cursor(), offheap_buffer:number_type(), Count :: non_neg_integer()) ->
          {[offheap_buffer:value()], cursor()}.
get_list(#{buffer := Buffer, position := Position} = Cursor, Type, Count) ->
    Values = offheap_nif:buffer_get_numbers(Buffer, Position, Type, Count),
    {Values, after_list(Cursor, Type, Count)}.

%% @doc A copy of the `Length' bytes from the position on, and the cursor after them.
-spec read(cursor(), Length :: non_neg_integer()) -> {binary(), cursor()} | {error, enomem}.
read(#{buffer := Buffer, position := Position} = Cursor, Length) ->
    case offheap_nif:buffer_read(Buffer, Position, Length) of
        Bytes when is_binary(Bytes) -> {Bytes, Cursor#{position := Position + Length}};
        {error, _} = Error -> Error
    end.

%% --- Writing ---

%% @doc Writes a number at the position.
-spec put(cursor(), offheap_buffer:number_type(), offheap_buffer:value()) -> written().
put(#{buffer := Buffer, position := Position} = Cursor, Type, Value) ->
    case offheap_nif:buffer_put_number(Buffer, Position, Type, Value) of
        ok -> {ok, Cursor#{position := Position + offheap_buffer:number_bytes(Type)}};
        Error -> Error
    end.

%% @doc Writes numbers from the position on.
-spec put_list(cursor(), offheap_buffer:number_type(), [offheap_buffer:value()]) -> written().
put_list(#{buffer := Buffer, position := Position} = Cursor, Type, Values) ->
    case offheap_nif:buffer_put_numbers(Buffer, Position, Type, Values) of
        ok -> {ok, after_list(Cursor, Type, length(Values))};
        Error -> Error
    end.

%% @doc Writes `Data' at the position.
-spec write(cursor(), Data :: iodata()) -> written().
write(#{buffer := Buffer, position := Position} = Cursor, Data) ->
    case offheap_nif:buffer_write(Buffer, Position, Data) of
        ok -> {ok, Cursor#{position := Position + iolist_size(Data)}};
        Error -> Error
    end.

after_list(#{position := Position} = Cursor, Type, Count) ->
    Cursor#{position := Position + Count * offheap_buffer:number_bytes(Type)}.
