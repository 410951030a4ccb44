%% @doc Regular files that are read into buffers and written from them ({@link offheap_buffer}), at
%% positions, without a binary in between.
%%
%% ```
%% {ok, File} = offheap_file:open("data", [read, write]),
%% ok = offheap_file:pwrite(File, 0, <<"some bytes">>),
%% {ok, 10} = offheap_file:pread(File, 0, Buffer, append, 4096),
%% ok = offheap_file:pwrite(File, 100, Buffer, 0, 10),
%% ok = offheap_file:close(File).
%% '''
%%
%% <ul>
%% <li>A file has no current position. Any process that holds it may use it, several at once.</li>
%% <li>It is closed by {@link close/1}, or when nobody holds it any more. Who closes it while others
%%     read or write lets them finish first; so does who releases a buffer, or the death of its
%%     owner. After that calls with the file return `{error, einval}', as those of `file' do.</li>
%% <li>Reading beyond a buffer's size extends it, as {@link offheap_buffer:write/3} does, and is one
%%     process's at a time: the second gets `{error, busy}'. Reads and writes of the same bytes at
%%     the same time may mix them.</li>
%% <li>Where it runs: reads take what the system has in its page cache on the spot; what must come
%%     from the disk, and all writes, run on a dirty I/O scheduler. The option `dirty' has reads
%%     always go there; `inline' has reads and writes always done on the spot, which saves a change
%%     of thread (1 to 20 us), but holds up a normal scheduler as long as the disk takes, if it has to
%%     be asked: for files known to be in memory. More than 1 MiB, or more than 1,024 pieces, always
%%     go to a dirty I/O scheduler.</li>
%% <li>Errors are the file system's, as in `file'. `badarg' is raised for what is no file, buffer,
%%     data or option, for a buffer that was released, and for offsets and lengths that are not
%%     integers of 0..2^64-1. After a failed read, bytes below the buffer's size may have been
%%     overwritten.</li>
%% </ul>
-module(offheap_file).

-export([open/1, open/2, close/1, size/1, truncate/2, sync/1, datasync/1]).
-export([pread/5, pread/6, readv/3, readv/4]).
-export([pwrite/3, pwrite/4, pwrite/5, pwrite/6, writev/3, writev/4]).
-export_type([file/0, mode/0, option/0, data/0, write_error/0]).

-opaque file() :: reference().
-type mode() :: read | write | append | exclusive | sync.
-type option() :: inline | dirty.
-type data() :: iodata() | offheap_buffer:buffer() | offheap_buffer:range().
%% `{Written, Reason}': the error came after so many bytes.
-type write_error() ::
        {error, busy | enomem | file:posix() | {Written :: pos_integer(), file:posix()}}.

%% @equiv open(Path, [read])
-spec open(file:name_all()) -> {ok, file()} | {error, file:posix()}.
open(Path) -> open(Path, [read]).

%% @doc Opens a regular file, with the modes of `file:open/2':
%%
%% <ul>
%% <li>`read'; the default if there is no other.</li>
%% <li>`write': the file is created if it is not there. Without `read' it is emptied.</li>
%% <li>`append': as `write', but nothing is emptied, and all writes go to the end of the file,
%%     whatever their offset.</li>
%% <li>`exclusive': as `write', but a file that is there is `{error, eexist}'.</li>
%% <li>`sync': a write returns when it is on the disk.</li>
%% </ul>
%%
%% Errors are those of `file:open/2': `eisdir' for a directory; and `einval' for what is not a
%% regular file, which is neither waited for nor changed. Runs on a dirty I/O scheduler.
-spec open(file:name_all(), [mode()]) -> {ok, file()} | {error, file:posix()}.
open(Path, Modes) when is_binary(Path) ->
    offheap_nif:file_open(Path, Modes);
open(Path, Modes) ->
    case unicode:characters_to_binary(filename:flatten(Path), unicode,
                                      file:native_name_encoding()) of
        Binary when is_binary(Binary) -> offheap_nif:file_open(Binary, Modes);
        _ -> error(badarg)
    end.

%% @doc Closes the file; what is under way ends first, on its own. `{error, einval}': it was closed
%% already. Another error: the system lost earlier writes; the file is closed all the same. On a
%% dirty I/O scheduler.
-spec close(file()) -> ok | {error, file:posix()}.
close(File) -> offheap_nif:file_close(File).

%% @doc The file's size at this moment. On a dirty I/O scheduler.
-spec size(file()) -> {ok, non_neg_integer()} | {error, file:posix()}.
size(File) -> offheap_nif:file_size(File).

%% @doc Makes the file `Size' bytes long: cuts it, or adds zeros. On a dirty I/O scheduler.
-spec truncate(file(), Size :: non_neg_integer()) -> ok | {error, file:posix()}.
truncate(File, Size) -> offheap_nif:file_truncate(File, Size).

%% @doc Returns when what was written is on the disk. On a dirty I/O scheduler.
-spec sync(file()) -> ok | {error, file:posix()}.
sync(File) -> offheap_nif:file_sync(File).

%% @doc As {@link sync/1}, without what is not needed to read the bytes again, such as times.
-spec datasync(file()) -> ok | {error, file:posix()}.
datasync(File) -> offheap_nif:file_datasync(File).

%% --- Reading ---

%% @equiv pread(File, FileOffset, Buffer, Offset, Length, [])
-spec pread(file(), FileOffset :: non_neg_integer(), offheap_buffer:buffer(),
            Offset :: non_neg_integer() | append, Length :: non_neg_integer()) ->
          {ok, non_neg_integer()} | eof | {error, enospc | frozen | busy | file:posix()}.
pread(File, FileOffset, Buffer, Offset, Length) ->
    offheap_nif:file_pread(File, FileOffset, Buffer, Offset, Length, auto).

%% @doc Reads `Length' bytes of the file from `FileOffset' on, or as many as there are, into the
%% buffer at `Offset' (`append': at its end). Returns how many, or `eof' if there are none.
%% `{error, enospc}': `Length' bytes do not fit the buffer; nothing was read.
-spec pread(file(), FileOffset :: non_neg_integer(), offheap_buffer:buffer(),
            Offset :: non_neg_integer() | append, Length :: non_neg_integer(), [option()]) ->
          {ok, non_neg_integer()} | eof | {error, enospc | frozen | busy | file:posix()}.
pread(File, FileOffset, Buffer, Offset, Length, Options) ->
    offheap_nif:file_pread(File, FileOffset, Buffer, Offset, Length, where(Options, auto)).

%% @equiv readv(File, FileOffset, Ranges, [])
-spec readv(file(), FileOffset :: non_neg_integer(), [offheap_buffer:range()]) ->
          {ok, non_neg_integer()} | eof | {error, enospc | frozen | busy | enomem | file:posix()}.
readv(File, FileOffset, Ranges) ->
    offheap_nif:file_readv(File, FileOffset, Ranges, auto).

%% @doc Reads the file from `FileOffset' on into ranges of buffers, `{Buffer, Offset, Length}', one
%% after the other. Returns how many bytes, less than the ranges have only at the end of the file.
%%
%% All ranges must fit their buffers, or nothing is read. A buffer may occur more than once; but
%% only one of its ranges may lie beyond its size, else it is `{error, busy}'.
-spec readv(file(), FileOffset :: non_neg_integer(), [offheap_buffer:range()], [option()]) ->
          {ok, non_neg_integer()} | eof | {error, enospc | frozen | busy | enomem | file:posix()}.
readv(File, FileOffset, Ranges, Options) ->
    offheap_nif:file_readv(File, FileOffset, Ranges, where(Options, auto)).

%% --- Writing ---

%% @equiv pwrite(File, FileOffset, Data, [])
-spec pwrite(file(), FileOffset :: non_neg_integer(), data()) -> ok | write_error().
pwrite(File, FileOffset, Data) ->
    offheap_nif:file_writev(File, FileOffset, pieces(Data), dirty).

%% @doc Writes data to the file at `FileOffset': iodata, what is written of a buffer, or a range of
%% it. All of it, or an error, which says how much was written if it is not nothing. A range must
%% lie below the buffer's size (else `badarg'). What lies between the file's end and `FileOffset'
%% becomes zeros.
-spec pwrite(file(), FileOffset :: non_neg_integer(), data(), [option()]) -> ok | write_error().
pwrite(File, FileOffset, Data, Options) ->
    offheap_nif:file_writev(File, FileOffset, pieces(Data), where(Options, dirty)).

%% @equiv pwrite(File, FileOffset, Buffer, Offset, Length, [])
-spec pwrite(file(), FileOffset :: non_neg_integer(), offheap_buffer:buffer(),
             Offset :: non_neg_integer(), Length :: non_neg_integer()) -> ok | write_error().
pwrite(File, FileOffset, Buffer, Offset, Length) ->
    offheap_nif:file_pwrite(File, FileOffset, Buffer, Offset, Length, dirty).

%% @doc Writes `Length' bytes at `Offset' of a buffer, as {@link pwrite/4} of the range does.
-spec pwrite(file(), FileOffset :: non_neg_integer(), offheap_buffer:buffer(),
             Offset :: non_neg_integer(), Length :: non_neg_integer(), [option()]) ->
          ok | write_error().
pwrite(File, FileOffset, Buffer, Offset, Length, Options) ->
    offheap_nif:file_pwrite(File, FileOffset, Buffer, Offset, Length, where(Options, dirty)).

%% @equiv writev(File, FileOffset, Pieces, [])
-spec writev(file(), FileOffset :: non_neg_integer(),
             [binary() | offheap_buffer:buffer() | offheap_buffer:range()]) -> ok | write_error().
writev(File, FileOffset, Pieces) ->
    offheap_nif:file_writev(File, FileOffset, Pieces, dirty).

%% @doc Writes pieces one after the other to the file at `FileOffset': binaries, what is written of
%% buffers, and ranges of them, in any mixture and number. All of them, or an error, as {@link
%% pwrite/4}.
-spec writev(file(), FileOffset :: non_neg_integer(),
             [binary() | offheap_buffer:buffer() | offheap_buffer:range()], [option()]) ->
          ok | write_error().
writev(File, FileOffset, Pieces, Options) ->
    offheap_nif:file_writev(File, FileOffset, Pieces, where(Options, dirty)).

pieces(Data) when is_list(Data) -> erlang:iolist_to_iovec(Data);
pieces(Data) -> [Data].

where([inline | Options], _) -> where(Options, inline);
where([dirty | Options], _) -> where(Options, dirty);
where([], Mode) -> Mode;
where(_, _) -> error(badarg).
