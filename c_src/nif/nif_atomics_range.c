/*
 * offheap_atomics: ranges of cells. Reducing and filling yield; lists are made a chunk a call;
 * binaries of some size are made and taken on a dirty scheduler.
 */
#include "nif_atomics.h"

#include <math.h>

/* Cells that one call turns into list elements: about 50 us. Also in offheap_atomics.erl. */
#define LIST_CHUNK 4096
/* List elements made in a millisecond, at the least. */
#define ELEMENTS_PER_MS 50000
/* Bytes of cells, padding included, that are walked before a look at the time slice: about 50 us.
 */
#define CHUNK_BYTES ((uint64_t)256 * 1024)
/* Bytes that are read and stored in a millisecond, at the least: where pages are touched for the
 * first time. */
#define READ_BYTES_PER_MS ((uint64_t)4 * 1000 * 1000)
#define FILL_BYTES_PER_MS ((uint64_t)2 * 1000 * 1000)
/* The cost of a snapshot that is taken on a normal scheduler, at the most: about 0.1 ms. */
#define INLINE_BYTES ((uint64_t)512 * 1024)
/* Bytes that are loaded or merged on a normal scheduler, at the most: of padded cells of 8 bits,
 * 1 MiB of memory. Also in offheap_atomics.erl. */
#define LOAD_BYTES ((size_t)16 * 1024)

/* A one-based first cell, returned zero-based, and a number of cells from there, which may be 0. */
static bool get_range(ErlNifEnv *env, const oh_atomics_t *a, ERL_NIF_TERM first, ERL_NIF_TERM count,
                      uint64_t *index, uint64_t *cells) {
    uint64_t one_based;
    if (!nif_get_unsigned(env, first, &one_based) || !nif_get_unsigned(env, count, cells))
        return false;
    *index = one_based - 1;
    return *index <= a->size && *cells <= a->size - *index;
}

/* (Ref), for all cells, or (Ref, First, Count, ...). */
static bool get_cells(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[], oh_atomics_t **a,
                      uint64_t *index, uint64_t *count) {
    if (!nif_atomics_get_array(env, argv[0], a))
        return false;
    *index = 0;
    *count = (*a)->size;
    return argc < 3 || get_range(env, *a, argv[1], argv[2], index, count);
}

/* The bytes that walking count cells costs: a narrow cell takes as long as a word. */
static uint64_t cost_of(const oh_atomics_t *a, uint64_t count) {
    return count << (a->shift > 3 ? a->shift : 3);
}

/* The cells to walk before the next look at the time slice, out of count. */
static uint64_t chunk_of(const oh_atomics_t *a, uint64_t count) {
    uint64_t most = CHUNK_BYTES / cost_of(a, 1);
    return count < most ? count : most;
}

/* --- Sums, minima, maxima --- */

static ERL_NIF_TERM reduce_next(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);

static ERL_NIF_TERM reduce_from(ErlNifEnv *env, ERL_NIF_TERM ref, const oh_atomics_t *a,
                                uint64_t index, uint64_t count, oh_atomics_reduction_t reduction,
                                uint64_t so_far) {
    while (count > 0) {
        uint64_t cells = chunk_of(a, count);
        so_far = oh_atomics_reduce(a, index, cells, reduction, so_far);
        index += cells;
        count -= cells;
        if (nif_charge(env, cost_of(a, cells), READ_BYTES_PER_MS) && count > 0) {
            ERL_NIF_TERM next[] = {ref, enif_make_uint64(env, index), enif_make_uint64(env, count),
                                   enif_make_uint(env, reduction), enif_make_uint64(env, so_far)};
            return enif_schedule_nif(env, "atomics_reduce", 0, reduce_next, 5, next);
        }
    }
    if (a->kind == OH_ATOMICS_FLOAT && !isfinite(oh_double_of_word(so_far)))
        return nif_atomics_badarith(env);
    return nif_atomics_make_value(env, a, so_far);
}

/* Continuation: (Ref, Index, Count, Reduction, SoFar), the numbers as words. */
static ERL_NIF_TERM reduce_next(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_atomics_t *a;
    uint64_t index, count, so_far;
    unsigned reduction;
    if (!nif_atomics_get_array(env, argv[0], &a) || !nif_get_unsigned(env, argv[1], &index) ||
        !nif_get_unsigned(env, argv[2], &count) || !enif_get_uint(env, argv[3], &reduction) ||
        !nif_get_unsigned(env, argv[4], &so_far))
        return enif_make_badarg(env);
    return reduce_from(env, argv[0], a, index, count, (oh_atomics_reduction_t)reduction, so_far);
}

/* A minimum starts with the first cell: no cells have none. */
static ERL_NIF_TERM reduce(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[],
                           oh_atomics_reduction_t reduction) {
    oh_atomics_t *a;
    uint64_t index, count, so_far = 0;
    if (!get_cells(env, argc, argv, &a, &index, &count) ||
        (count == 0 && reduction != OH_ATOMICS_SUM))
        return enif_make_badarg(env);
    if (reduction != OH_ATOMICS_SUM)
        so_far = oh_atomics_get(a, index);
    return reduce_from(env, argv[0], a, index, count, reduction, so_far);
}

/* atomics_sum(Ref), atomics_sum(Ref, First, Count): yields, so any size is fine; and so the next.
 */
ERL_NIF_TERM nif_atomics_sum(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return reduce(env, argc, argv, OH_ATOMICS_SUM);
}

/* atomics_minimum(Ref), atomics_minimum(Ref, First, Count) */
ERL_NIF_TERM nif_atomics_minimum(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return reduce(env, argc, argv, OH_ATOMICS_MINIMUM);
}

/* atomics_maximum(Ref), atomics_maximum(Ref, First, Count) */
ERL_NIF_TERM nif_atomics_maximum(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return reduce(env, argc, argv, OH_ATOMICS_MAXIMUM);
}

/* --- Filling --- */

static ERL_NIF_TERM fill_next(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);

static ERL_NIF_TERM fill_from(ErlNifEnv *env, ERL_NIF_TERM ref, oh_atomics_t *a, uint64_t index,
                              uint64_t count, uint64_t value) {
    while (count > 0) {
        uint64_t cells = chunk_of(a, count);
        oh_atomics_fill(a, index, cells, value);
        index += cells;
        count -= cells;
        if (nif_charge(env, cost_of(a, cells), FILL_BYTES_PER_MS) && count > 0) {
            ERL_NIF_TERM next[] = {ref, enif_make_uint64(env, index), enif_make_uint64(env, count),
                                   enif_make_uint64(env, value)};
            return enif_schedule_nif(env, "atomics_fill", 0, fill_next, 4, next);
        }
    }
    return nif_atom.ok;
}

/* Continuation: (Ref, Index, Count, Value), the numbers as words. */
static ERL_NIF_TERM fill_next(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_atomics_t *a;
    uint64_t index, count, value;
    if (!nif_atomics_get_array(env, argv[0], &a) || !nif_get_unsigned(env, argv[1], &index) ||
        !nif_get_unsigned(env, argv[2], &count) || !nif_get_unsigned(env, argv[3], &value))
        return enif_make_badarg(env);
    return fill_from(env, argv[0], a, index, count, value);
}

/* atomics_fill(Ref, Value), atomics_fill(Ref, First, Count, Value): yields. */
ERL_NIF_TERM nif_atomics_fill(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_atomics_t *a;
    uint64_t index, count, value;
    if (!get_cells(env, argc, argv, &a, &index, &count) ||
        !nif_atomics_get_value(env, a, argv[argc - 1], &value))
        return enif_make_badarg(env);
    return fill_from(env, argv[0], a, index, count, value);
}

/* --- Lists --- */

/* First and Last, one-based, of at most LIST_CHUNK cells (none if Last is before First), and the
 * list before which the cells' values go. */
static bool get_list_args(ErlNifEnv *env, const oh_atomics_t *a, ERL_NIF_TERM first_term,
                          ERL_NIF_TERM last_term, ERL_NIF_TERM tail, uint64_t *first,
                          uint64_t *last) {
    return nif_get_unsigned(env, first_term, first) && nif_get_unsigned(env, last_term, last) &&
           *first > 0 && *last <= a->size && (*last < *first || *last - *first < LIST_CHUNK) &&
           enif_is_list(env, tail);
}

/* atomics_to_list(Ref, First, Last, Tail): badarg for more than LIST_CHUNK cells: Erlang loops. */
ERL_NIF_TERM nif_atomics_to_list(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_atomics_t *a;
    uint64_t first, last;
    if (!nif_atomics_get_array(env, argv[0], &a) ||
        !get_list_args(env, a, argv[1], argv[2], argv[3], &first, &last))
        return enif_make_badarg(env);
    ERL_NIF_TERM list = argv[3];
    for (uint64_t i = last; i >= first; i--)
        list = enif_make_list_cell(env, nif_atomics_make_value(env, a, oh_atomics_get(a, i - 1)),
                                   list);
    nif_charge(env, last + 1 - first, ELEMENTS_PER_MS);
    return list;
}

/* atomics_exchange_all(Ref, First, Last, Value, Tail): what was in the cells; as atomics_to_list.
 * All arguments are checked before the first exchange. */
ERL_NIF_TERM nif_atomics_exchange_all(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_atomics_t *a;
    uint64_t first, last, value;
    if (!nif_atomics_get_array(env, argv[0], &a) ||
        !get_list_args(env, a, argv[1], argv[2], argv[4], &first, &last) ||
        !nif_atomics_get_value(env, a, argv[3], &value))
        return enif_make_badarg(env);
    ERL_NIF_TERM list = argv[4];
    for (uint64_t i = last; i >= first; i--)
        list = enif_make_list_cell(
            env, nif_atomics_make_value(env, a, oh_atomics_exchange(a, i - 1, value)), list);
    nif_charge(env, last + 1 - first, ELEMENTS_PER_MS);
    return list;
}

/* --- Binaries --- */

/* snapshot_dirty: any size; and where the memory is not there, system_limit. */
static ERL_NIF_TERM snapshot_dirty(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_atomics_t *a;
    uint64_t index, count;
    ErlNifBinary binary;
    if (!get_cells(env, argc, argv, &a, &index, &count))
        return enif_make_badarg(env);
    if (!enif_alloc_binary(count * oh_atomics_cell_bytes(a), &binary))
        return nif_status(env, OH_LIMIT, 0);
    oh_atomics_read(a, index, count, binary.data);
    return enif_make_binary(env, &binary);
}

/* atomics_snapshot(Ref), atomics_snapshot(Ref, First, Count): bound: INLINE_BYTES, beyond which a
 * dirty scheduler goes on. */
ERL_NIF_TERM nif_atomics_snapshot(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_atomics_t *a;
    uint64_t index, count;
    ERL_NIF_TERM term;
    if (!get_cells(env, argc, argv, &a, &index, &count))
        return enif_make_badarg(env);
    if (cost_of(a, count) > INLINE_BYTES)
        return enif_schedule_nif(env, "atomics_snapshot", ERL_NIF_DIRTY_JOB_CPU_BOUND,
                                 snapshot_dirty, argc, argv);
    unsigned char *bytes = enif_make_new_binary(env, count * oh_atomics_cell_bytes(a), &term);
    oh_atomics_read(a, index, count, bytes);
    nif_charge(env, cost_of(a, count), FILL_BYTES_PER_MS);
    return term;
}

/* (Ref, Binary), of the size of all cells, or (Ref, First, Binary): the cells that a binary of at
 * most bytes_max bytes is for. False: badarg, before anything is changed. */
static bool get_load_args(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[], size_t bytes_max,
                          oh_atomics_t **a, uint64_t *index, uint64_t *count,
                          ErlNifBinary *binary) {
    uint64_t first = 1;
    if (!nif_atomics_get_array(env, argv[0], a) ||
        (argc == 3 && !nif_get_unsigned(env, argv[1], &first)) ||
        !enif_inspect_binary(env, argv[argc - 1], binary) || binary->size > bytes_max)
        return false;
    *index = first - 1;
    *count = binary->size / oh_atomics_cell_bytes(*a);
    return binary->size % oh_atomics_cell_bytes(*a) == 0 && *index <= (*a)->size &&
           *count <= (*a)->size - *index && (argc == 3 || *count == (*a)->size) &&
           oh_atomics_loadable(*a, *count, binary->data);
}

static ERL_NIF_TERM load(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[], size_t bytes_max) {
    oh_atomics_t *a;
    uint64_t index, count;
    ErlNifBinary binary;
    if (!get_load_args(env, argc, argv, bytes_max, &a, &index, &count, &binary))
        return enif_make_badarg(env);
    oh_atomics_load(a, index, count, binary.data);
    return nif_atom.ok;
}

static ERL_NIF_TERM merge(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[], size_t bytes_max) {
    oh_atomics_t *a;
    uint64_t index, count;
    ErlNifBinary binary;
    if (!get_load_args(env, argc, argv, bytes_max, &a, &index, &count, &binary))
        return enif_make_badarg(env);
    if (oh_atomics_merge(a, index, count, binary.data) < count)
        return nif_atomics_badarith(env);
    return nif_atom.ok;
}

/* atomics_load(Ref, Binary), atomics_load(Ref, First, Binary): bound: LOAD_BYTES; Erlang takes the
 * dirty twin for more. */
ERL_NIF_TERM nif_atomics_load(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return load(env, argc, argv, LOAD_BYTES);
}

/* atomics_load_dirty: the same, any size. */
ERL_NIF_TERM nif_atomics_load_dirty(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return load(env, argc, argv, SIZE_MAX);
}

/* atomics_merge(Ref, Binary), atomics_merge(Ref, First, Binary): as atomics_load. */
ERL_NIF_TERM nif_atomics_merge(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return merge(env, argc, argv, LOAD_BYTES);
}

/* atomics_merge_dirty: the same, any size. */
ERL_NIF_TERM nif_atomics_merge_dirty(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return merge(env, argc, argv, SIZE_MAX);
}
