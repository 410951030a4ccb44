%% The one stub module of the one shared library. API modules (offheap_atomics and so on) delegate
%% straight to it; nobody else should call it: arguments are checked, but the shapes may change.
%% @private
-module(offheap_nif).

-export([library_path/0]).

%% atomics
-export([atomics_new/5, atomics_size/1, atomics_info/1, atomics_put/3, atomics_get/2,
         atomics_exchange/3, atomics_compare_exchange/4, atomics_add_bounded/5]).
-export([atomics_add/3, atomics_add_get/3, atomics_fetch_add/3]).
-export([atomics_saturating_add/3, atomics_saturating_add_get/3, atomics_fetch_saturating_add/3]).
-export([atomics_min/3, atomics_min_get/3, atomics_fetch_min/3]).
-export([atomics_max/3, atomics_max_get/3, atomics_fetch_max/3]).
-export([atomics_band/3, atomics_band_get/3, atomics_fetch_band/3]).
-export([atomics_bor/3, atomics_bor_get/3, atomics_fetch_bor/3]).
-export([atomics_bxor/3, atomics_bxor_get/3, atomics_fetch_bxor/3]).
-export([atomics_get_many/2, atomics_put_many/2, atomics_add_many/2, atomics_update_many/2]).
-export([atomics_sum/1, atomics_sum/3, atomics_minimum/1, atomics_minimum/3, atomics_maximum/1,
         atomics_maximum/3, atomics_fill/2, atomics_fill/4, atomics_to_list/4,
         atomics_exchange_all/5, atomics_snapshot/1, atomics_snapshot/3, atomics_load/2,
         atomics_load/3, atomics_load_dirty/2, atomics_load_dirty/3,
         atomics_merge/2, atomics_merge/3, atomics_merge_dirty/2, atomics_merge_dirty/3]).

%% hash
-export([hash_digest/4, hash_init/3, hash_update/2, hash_update_file/5, hash_final/1]).

%% pools, buffers, files
-export([pool_new/6, pool_lease/2, pool_lease/3, pool_lease/4, pool_lease_wait/5,
         pool_lease_again/5, pool_lease_leave/1, pool_leases/4, pool_sweep/1, pool_info/1,
         pool_refused/1, pool_trim/3, pool_close/1]).
-export([buffer_write/3, buffer_append/2, buffer_read/1, buffer_read/3,
         buffer_freeze/1, buffer_slice/3, buffer_slices/2, buffer_split_to/2, buffer_release/1,
         buffer_size/1, buffer_capacity/1, buffer_owner/1, buffer_give_away/2, buffer_info/1]).
-export([file_open/2, file_close/1, file_size/1, file_truncate/2, file_sync/1, file_datasync/1,
         file_pread/6, file_pwrite/6, file_readv/4, file_writev/4]).

%% the registry
-export([registry_counts/0, registry_list/2, registry_stats/4, registry_frozen/2, registry_find/1,
         binary_address/1, pool_list/1, pool_at/2, pool_entry/1, pool_info/2]).

%% bytes of buffers
-export([buffer_put_number/4, buffer_get_number/3, buffer_put_numbers/4, buffer_get_numbers/4,
         buffer_fill/4, buffer_copy_bytes/5, buffer_compare/3, buffer_compare/5, buffer_bxor/4,
         buffer_bxor/5, buffer_find/3, buffer_crc32c/3, buffer_crc32c/4, buffer_resize/2]).

%% store
-export([store_new/4, store_delete/1, store_rename/2, store_whereis/1, store_names/2,
         store_give_away/3, store_setopts/3, store_properties/1, store_may/2, store_size/2,
         store_remove/2,
         store_stats/2, store_scan/3]).
-export([store_lookup/2, store_member/2, store_lookup_element/3, store_lookup_element_or/4,
         store_get/3, store_fetch/2]).
-export([store_insert/2, store_insert_new/2, store_put/3, store_delete_key/2, store_take/2,
         store_update_counter/3, store_replace/3]).
%% store: traversal, bags
-export([store_slot/2, store_delete_object/2, store_delete_all_objects/1, store_update_element/3,
         store_safe_fixtable/3, store_fixed/1]).

%% ordered sets
-export([store_first/1, store_last/1, store_next/2, store_prev/2, store_first_lookup/1,
         store_last_lookup/1, store_next_lookup/2, store_prev_lookup/2, store_rank/2, store_nth/2,
         store_range/5]).

%% counters
-export([counters_new/2, counters_get/2, counters_add/3, counters_put/3, counters_sum_reset/2,
         counters_size/1, counters_info/1, counters_sum/1, counters_to_list/1,
         counters_to_list_reset/1, counters_to_binary/2]).

%% id generators
-export([id_generator_new/5, id_generator_next/1, id_generator_next/2, id_generator_next_n/2,
         id_generator_next_n/3, id_generator_info/1]).

%% rate limiters, concurrency limiters
-export([rate_limiter_new/4, rate_limiter_new_keyed/3, rate_limiter_take/2, rate_limiter_take/3,
         rate_limiter_take/4, rate_limiter_peek/2, rate_limiter_peek/3, rate_limiter_peek/4,
         rate_limiter_refund/3, rate_limiter_reset/2, rate_limiter_rate/1, rate_limiter_stats/2,
         rate_limiter_prune/3]).
-export([concurrency_limiter_new/1, concurrency_limiter_acquire/1, concurrency_limiter_release/1,
         concurrency_limiter_limit/1, concurrency_limiter_in_use/1]).

%% jobs
-export([job_inline/4, job_cost/3, job_params/1, job_yield/3, job_dirty/3, job_dirty_io/3, job_list/0, job_load/1,
         job_allow_test_jobs/0, job_under_way/0]).
-export([process_open/1, process_kill/1, pipe_open/0, pipe_read/1]).
%% shared memory between the VM and worker programs
-export([process_await/2, shared_is_supported/0, shared_count/0, buffer_is_shared/1, pool_lease_now/2,
         crossing_new/2, crossing_sent/2, crossing_replied/2, crossing_end/1]).

%% histograms
-export([histogram_new_hdr/4, histogram_new_explicit/1, is_histogram/1]).
-export([histogram_record/2, histogram_record_n/3, histogram_record_many/2, histogram_start/1,
         histogram_stop/3]).
-export([histogram_statistic/2, histogram_summary/1, histogram_quantiles/2, histogram_snapshot/1,
         histogram_snapshot_reset/1, histogram_merge/2, histogram_buckets/3, histogram_equivalent/2,
         histogram_export/1, histogram_import/1, histogram_info/1]).

%% bit sets, Bloom filters, HyperLogLog
-export([bitset_new/1, bitset_size/1, bitset_memory/1, bitset_test/2, bitset_set/2,
         bitset_clear/2, bitset_flip/2, bitset_claim/1, bitset_release/2, bitset_count/3,
         bitset_union/2, bitset_intersection/2, bitset_difference/2, bitset_to_binary/1,
         bitset_from_binary/2]).
-export([bloom_filter_new/3, bloom_filter_add/2, bloom_filter_member/2, bloom_filter_merge/2,
         bloom_filter_ones/1, bloom_filter_shape/1, bloom_filter_to_binary/2,
         bloom_filter_from_binary/4]).
-export([hyperloglog_new/2, hyperloglog_add/2, hyperloglog_merge/2, hyperloglog_count/1,
         hyperloglog_shape/1, hyperloglog_to_binary/2, hyperloglog_from_binary/3]).

%% match specifications
-export([store_select/7, store_match_compile/2, store_match_source/1,
         store_match_keys/3, store_match_place/4]).

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

atomics_new(_Size, _Kind, _Bits, _Saturating, _Padded) -> ?STUB.
atomics_size(_Ref) -> ?STUB.
atomics_info(_Ref) -> ?STUB.
atomics_put(_Ref, _Index, _Value) -> ?STUB.
atomics_get(_Ref, _Index) -> ?STUB.
atomics_exchange(_Ref, _Index, _Desired) -> ?STUB.
atomics_compare_exchange(_Ref, _Index, _Expected, _Desired) -> ?STUB.
atomics_add_bounded(_Ref, _Index, _Increment, _Low, _High) -> ?STUB.
atomics_add(_Ref, _Index, _Operand) -> ?STUB.
atomics_add_get(_Ref, _Index, _Operand) -> ?STUB.
atomics_fetch_add(_Ref, _Index, _Operand) -> ?STUB.
atomics_saturating_add(_Ref, _Index, _Operand) -> ?STUB.
atomics_saturating_add_get(_Ref, _Index, _Operand) -> ?STUB.
atomics_fetch_saturating_add(_Ref, _Index, _Operand) -> ?STUB.
atomics_min(_Ref, _Index, _Operand) -> ?STUB.
atomics_min_get(_Ref, _Index, _Operand) -> ?STUB.
atomics_fetch_min(_Ref, _Index, _Operand) -> ?STUB.
atomics_max(_Ref, _Index, _Operand) -> ?STUB.
atomics_max_get(_Ref, _Index, _Operand) -> ?STUB.
atomics_fetch_max(_Ref, _Index, _Operand) -> ?STUB.
atomics_band(_Ref, _Index, _Operand) -> ?STUB.
atomics_band_get(_Ref, _Index, _Operand) -> ?STUB.
atomics_fetch_band(_Ref, _Index, _Operand) -> ?STUB.
atomics_bor(_Ref, _Index, _Operand) -> ?STUB.
atomics_bor_get(_Ref, _Index, _Operand) -> ?STUB.
atomics_fetch_bor(_Ref, _Index, _Operand) -> ?STUB.
atomics_bxor(_Ref, _Index, _Operand) -> ?STUB.
atomics_bxor_get(_Ref, _Index, _Operand) -> ?STUB.
atomics_fetch_bxor(_Ref, _Index, _Operand) -> ?STUB.
atomics_get_many(_Ref, _Indices) -> ?STUB.
atomics_put_many(_Ref, _Items) -> ?STUB.
atomics_add_many(_Ref, _Items) -> ?STUB.
atomics_update_many(_Ref, _Items) -> ?STUB.
atomics_sum(_Ref) -> ?STUB.
atomics_sum(_Ref, _First, _Count) -> ?STUB.
atomics_minimum(_Ref) -> ?STUB.
atomics_minimum(_Ref, _First, _Count) -> ?STUB.
atomics_maximum(_Ref) -> ?STUB.
atomics_maximum(_Ref, _First, _Count) -> ?STUB.
atomics_fill(_Ref, _Value) -> ?STUB.
atomics_fill(_Ref, _First, _Count, _Value) -> ?STUB.
atomics_to_list(_Ref, _First, _Last, _Tail) -> ?STUB.
atomics_exchange_all(_Ref, _First, _Last, _Value, _Tail) -> ?STUB.
atomics_snapshot(_Ref) -> ?STUB.
atomics_snapshot(_Ref, _First, _Count) -> ?STUB.
atomics_load(_Ref, _Binary) -> ?STUB.
atomics_load(_Ref, _First, _Binary) -> ?STUB.
atomics_load_dirty(_Ref, _Binary) -> ?STUB.
atomics_load_dirty(_Ref, _First, _Binary) -> ?STUB.
atomics_merge(_Ref, _Binary) -> ?STUB.
atomics_merge(_Ref, _First, _Binary) -> ?STUB.
atomics_merge_dirty(_Ref, _Binary) -> ?STUB.
atomics_merge_dirty(_Ref, _First, _Binary) -> ?STUB.

hash_digest(_Algorithm, _Bytes, _Key, _Input) -> ?STUB.
hash_init(_Algorithm, _Bytes, _Key) -> ?STUB.
hash_update(_State, _Input) -> ?STUB.
hash_update_file(_State, _File, _FileOffset, _Length, _Buffer) -> ?STUB.
hash_final(_State) -> ?STUB.

pool_new(_MaxBytes, _Largest, _Align, _HugePages, _Zero, _Shared) -> ?STUB.
pool_lease(_Pool, _Size) -> ?STUB.
pool_lease(_Pool, _Size, _Bytes) -> ?STUB.
pool_lease(_Pool, _Size, _Bytes, _Tag) -> ?STUB.
pool_lease_wait(_Pool, _Size, _Bytes, _Tag, _Message) -> ?STUB.
pool_lease_again(_Pool, _Size, _Bytes, _Tag, _Waiter) -> ?STUB.
pool_lease_leave(_Waiter) -> ?STUB.
pool_leases(_Pool, _From, _OlderThanMs, _List) -> ?STUB.
pool_refused(_Pool) -> ?STUB.
pool_sweep(_Pool) -> ?STUB.
pool_info(_Pool) -> ?STUB.
pool_trim(_Pool, _ToBytes, _IdleMs) -> ?STUB.
pool_close(_Pool) -> ?STUB.

buffer_write(_Buffer, _Offset, _Data) -> ?STUB.
buffer_append(_Buffer, _Data) -> ?STUB.
buffer_read(_Buffer) -> ?STUB.
buffer_read(_Buffer, _Offset, _Length) -> ?STUB.
buffer_freeze(_Buffer) -> ?STUB.
buffer_slice(_Buffer, _Offset, _Length) -> ?STUB.
buffer_slices(_Buffer, _Ranges) -> ?STUB.
buffer_split_to(_Buffer, _Length) -> ?STUB.
buffer_release(_Buffer) -> ?STUB.
buffer_size(_Buffer) -> ?STUB.
buffer_capacity(_Buffer) -> ?STUB.
buffer_owner(_Buffer) -> ?STUB.
buffer_give_away(_Buffer, _Pid) -> ?STUB.
buffer_info(_Buffer) -> ?STUB.

file_open(_Path, _Options) -> ?STUB.

buffer_put_number(_Buffer, _Offset, _Type, _Value) -> ?STUB.
buffer_get_number(_Buffer, _Offset, _Type) -> ?STUB.
buffer_put_numbers(_Buffer, _Offset, _Type, _Values) -> ?STUB.
buffer_get_numbers(_Buffer, _Offset, _Type, _Count) -> ?STUB.
buffer_fill(_Buffer, _Offset, _Length, _Byte) -> ?STUB.
buffer_copy_bytes(_From, _FromOffset, _Length, _To, _ToOffset) -> ?STUB.
buffer_compare(_Buffer, _Offset, _Binary) -> ?STUB.
buffer_compare(_Buffer, _Offset, _Length, _Other, _OtherOffset) -> ?STUB.
buffer_bxor(_Buffer, _Offset, _Length, _Key) -> ?STUB.
buffer_bxor(_Buffer, _Offset, _Length, _Other, _OtherOffset) -> ?STUB.
buffer_find(_Buffer, _Offset, _Pattern) -> ?STUB.
buffer_crc32c(_Buffer, _Offset, _Length) -> ?STUB.
buffer_crc32c(_Buffer, _Offset, _Length, _Previous) -> ?STUB.
buffer_resize(_Buffer, _Size) -> ?STUB.
file_close(_File) -> ?STUB.
file_size(_File) -> ?STUB.
file_truncate(_File, _Size) -> ?STUB.
file_sync(_File) -> ?STUB.
file_datasync(_File) -> ?STUB.
file_pread(_File, _FileOffset, _Buffer, _Offset, _Length, _Mode) -> ?STUB.
file_pwrite(_File, _FileOffset, _Buffer, _Offset, _Length, _Mode) -> ?STUB.
file_readv(_File, _FileOffset, _Ranges, _Mode) -> ?STUB.
file_writev(_File, _FileOffset, _Pieces, _Mode) -> ?STUB.

registry_counts() -> ?STUB.
registry_list(_Kind, _Name) -> ?STUB.
registry_stats(_Kind, _Name, _Generation, _Position) -> ?STUB.
registry_frozen(_Name, _Tail) -> ?STUB.
registry_find(_Binary) -> ?STUB.
binary_address(_Binary) -> ?STUB.
pool_list(_Name) -> ?STUB.
pool_at(_Name, _Generation) -> ?STUB.
pool_entry(_Pool) -> ?STUB.
pool_info(_Name, _Generation) -> ?STUB.

store_new(_Name, _Options, _Heir, _Salt) -> ?STUB.
store_delete(_Store) -> ?STUB.
store_rename(_Store, _Name) -> ?STUB.
store_whereis(_Name) -> ?STUB.
store_names(_Position, _Tail) -> ?STUB.
store_give_away(_Store, _Pid, _Data) -> ?STUB.
store_setopts(_Store, _Heir, _Protection) -> ?STUB.
store_properties(_Store) -> ?STUB.
store_may(_Store, _Access) -> ?STUB.
store_size(_Store, _Position) -> ?STUB.
store_remove(_Store, _Object) -> ?STUB.
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
store_slot(_Store, _Index) -> ?STUB.
store_delete_object(_Store, _Object) -> ?STUB.
store_delete_all_objects(_Store) -> ?STUB.
store_update_element(_Store, _Key, _Elements) -> ?STUB.
store_safe_fixtable(_Store, _Fix, _Now) -> ?STUB.
store_fixed(_Store) -> ?STUB.

%% ordered sets
store_first(_Store) -> ?STUB.
store_last(_Store) -> ?STUB.
store_next(_Store, _Key) -> ?STUB.
store_prev(_Store, _Key) -> ?STUB.
store_first_lookup(_Store) -> ?STUB.
store_last_lookup(_Store) -> ?STUB.
store_next_lookup(_Store, _Key) -> ?STUB.
store_prev_lookup(_Store, _Key) -> ?STUB.
store_rank(_Store, _Key) -> ?STUB.
store_nth(_Store, _N) -> ?STUB.
store_range(_Store, _From, _KeyOrRank, _To, _Limit) -> ?STUB.

counters_new(_Size, _Stripes) -> ?STUB.
counters_get(_Ref, _Index) -> ?STUB.
counters_add(_Ref, _Index, _Increment) -> ?STUB.
counters_put(_Ref, _Index, _Value) -> ?STUB.
counters_sum_reset(_Ref, _Index) -> ?STUB.
counters_size(_Ref) -> ?STUB.
counters_info(_Ref) -> ?STUB.
counters_sum(_Ref) -> ?STUB.
counters_to_list(_Ref) -> ?STUB.
counters_to_list_reset(_Ref) -> ?STUB.
counters_to_binary(_Ref, _First) -> ?STUB.

id_generator_new(_Node, _EpochMs, _NodeBits, _SequenceBits, _AheadMs) -> ?STUB.
id_generator_next(_Ref) -> ?STUB.
id_generator_next(_Ref, _NowMs) -> ?STUB.
id_generator_next_n(_Ref, _N) -> ?STUB.
id_generator_next_n(_Ref, _N, _NowMs) -> ?STUB.
id_generator_info(_Ref) -> ?STUB.

rate_limiter_new(_Rate, _PeriodNs, _Burst, _Size) -> ?STUB.
rate_limiter_new_keyed(_Rate, _PeriodNs, _Burst) -> ?STUB.
rate_limiter_take(_Limiter, _IndexOrKey) -> ?STUB.
rate_limiter_take(_Limiter, _IndexOrKey, _Cost) -> ?STUB.
rate_limiter_take(_Limiter, _IndexOrKey, _Cost, _NowNs) -> ?STUB.
rate_limiter_peek(_Limiter, _IndexOrKey) -> ?STUB.
rate_limiter_peek(_Limiter, _IndexOrKey, _Cost) -> ?STUB.
rate_limiter_peek(_Limiter, _IndexOrKey, _Cost, _NowNs) -> ?STUB.
rate_limiter_refund(_Limiter, _IndexOrKey, _Cost) -> ?STUB.
rate_limiter_reset(_Limiter, _IndexOrKey) -> ?STUB.
rate_limiter_rate(_Limiter) -> ?STUB.
rate_limiter_stats(_Limiter, _Position) -> ?STUB.
rate_limiter_prune(_Limiter, _Position, _NowNs) -> ?STUB.

concurrency_limiter_new(_Limit) -> ?STUB.
concurrency_limiter_acquire(_Limiter) -> ?STUB.
concurrency_limiter_release(_Permit) -> ?STUB.
concurrency_limiter_limit(_Limiter) -> ?STUB.
concurrency_limiter_in_use(_Limiter) -> ?STUB.

histogram_new_hdr(_Lowest, _Highest, _Digits, _Saturates) -> ?STUB.
histogram_new_explicit(_Bounds) -> ?STUB.
is_histogram(_Term) -> ?STUB.
histogram_record(_Histogram, _Value) -> ?STUB.
histogram_record_n(_Histogram, _Value, _N) -> ?STUB.
histogram_record_many(_Histogram, _Values) -> ?STUB.
histogram_start(_Histogram) -> ?STUB.
histogram_stop(_Histogram, _Start, _UnitNs) -> ?STUB.
histogram_statistic(_Histogram, _Name) -> ?STUB.
histogram_summary(_Histogram) -> ?STUB.
histogram_quantiles(_Histogram, _Quantiles) -> ?STUB.
histogram_snapshot(_Histogram) -> ?STUB.
histogram_snapshot_reset(_Histogram) -> ?STUB.
histogram_merge(_Histogram, _From) -> ?STUB.
histogram_buckets(_Histogram, _End, _Tail) -> ?STUB.
histogram_equivalent(_Histogram, _Value) -> ?STUB.
histogram_export(_Histogram) -> ?STUB.
histogram_import(_Binary) -> ?STUB.
histogram_info(_Histogram) -> ?STUB.

bitset_new(_Size) -> ?STUB.
bitset_size(_Set) -> ?STUB.
bitset_memory(_Set) -> ?STUB.
bitset_test(_Set, _Index) -> ?STUB.
bitset_set(_Set, _Index) -> ?STUB.
bitset_clear(_Set, _Index) -> ?STUB.
bitset_flip(_Set, _Index) -> ?STUB.
bitset_claim(_Set) -> ?STUB.
bitset_release(_Set, _Index) -> ?STUB.
bitset_count(_Set, _Index, _Length) -> ?STUB.
bitset_union(_Set, _Other) -> ?STUB.
bitset_intersection(_Set, _Other) -> ?STUB.
bitset_difference(_Set, _Other) -> ?STUB.
bitset_to_binary(_Set) -> ?STUB.
bitset_from_binary(_Binary, _Size) -> ?STUB.

bloom_filter_new(_Bits, _Hashes, _Salt) -> ?STUB.
bloom_filter_add(_Filter, _Key) -> ?STUB.
bloom_filter_member(_Filter, _Key) -> ?STUB.
bloom_filter_merge(_Filter, _Other) -> ?STUB.
bloom_filter_ones(_Filter) -> ?STUB.
bloom_filter_shape(_Filter) -> ?STUB.
bloom_filter_to_binary(_Filter, _Header) -> ?STUB.
bloom_filter_from_binary(_Bits, _Hashes, _Salt, _Binary) -> ?STUB.

hyperloglog_new(_Precision, _Salt) -> ?STUB.
hyperloglog_add(_Sketch, _Key) -> ?STUB.
hyperloglog_merge(_Sketch, _Other) -> ?STUB.
hyperloglog_count(_Sketch) -> ?STUB.
hyperloglog_shape(_Sketch) -> ?STUB.
hyperloglog_to_binary(_Sketch, _Header) -> ?STUB.
hyperloglog_from_binary(_Precision, _Salt, _Binary) -> ?STUB.

job_inline(_Job, _Args, _Into, _InlineNs) -> ?STUB.
job_cost(_Job, _Args, _Into) -> ?STUB.
job_params(_Job) -> ?STUB.
job_yield(_Job, _Args, _Into) -> ?STUB.
job_dirty(_Job, _Args, _Into) -> ?STUB.
job_dirty_io(_Job, _Args, _Into) -> ?STUB.
job_list() -> ?STUB.
job_load(_Path) -> ?STUB.
job_allow_test_jobs() -> ?STUB.
job_under_way() -> ?STUB.
process_open(_OsPid) -> ?STUB.
process_kill(_Process) -> ?STUB.
pipe_open() -> ?STUB.
pipe_read(_Pipe) -> ?STUB.
%% shared memory between the VM and worker programs
process_await(_Process, _TimeoutMs) -> ?STUB.
shared_is_supported() -> ?STUB.
shared_count() -> ?STUB.
buffer_is_shared(_Buffer) -> ?STUB.
pool_lease_now(_Pool, _Size) -> ?STUB.
crossing_new(_Inputs, _Into) -> ?STUB.
crossing_sent(_Crossing, _Process) -> ?STUB.
crossing_replied(_Crossing, _Written) -> ?STUB.
crossing_end(_Crossing) -> ?STUB.

store_select(_Store, _MatchSpec, _Mode, _Limit, _Position, _Keys, _Results) -> ?STUB.
store_match_compile(_Store, _MatchSpec) -> ?STUB.
store_match_source(_Compiled) -> ?STUB.
store_match_keys(_MatchSpec, _KeyPos, _ByOrder) -> ?STUB.
store_match_place(_MatchSpec, _KeyPos, _ByOrder, _Key) -> ?STUB.
