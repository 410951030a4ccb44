/* offheap_atomics: arguments, calls, terms. Every function is O(1) but sum and to_list. */
#include "nif.h"

#include "../core/oh_atomics.h"
#include "../core/oh_alloc.h"

typedef struct {
    oh_atomics_t array;
    bool is_signed;
} atomics_t;

/* Cells that sum reads before it looks at the time slice: about 10 us. */
#define SUM_CHUNK 32768
/* Cells that sum reads in a millisecond, at the least. */
#define SUM_CELLS_PER_MS 2000000
/* Cells that one to_list call turns into list elements: about 50 us. */
#define TO_LIST_CHUNK 4096

static void atomics_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    oh_atomics_free(&((atomics_t *)obj)->array);
}

ErlNifResourceTypeInit nif_type_init_atomics = {.dtor = atomics_destroy, .members = 1};

static bool get_atomics(ErlNifEnv *env, ERL_NIF_TERM term, atomics_t **out) {
    return enif_get_resource(env, term, nif_type_atomics, (void **)out);
}

/* The array and a one-based index, returned zero-based. */
static bool get_cell(ErlNifEnv *env, const ERL_NIF_TERM argv[], atomics_t **a, uint64_t *index) {
    if (!get_atomics(env, argv[0], a) || !nif_get_unsigned(env, argv[1], index))
        return false;
    return (*index)-- - 1 < (*a)->array.size;
}

static bool get_value(ErlNifEnv *env, const atomics_t *a, ERL_NIF_TERM term, uint64_t *out) {
    return a->is_signed ? nif_get_signed(env, term, out) : nif_get_unsigned(env, term, out);
}

static ERL_NIF_TERM make_value(ErlNifEnv *env, const atomics_t *a, uint64_t value) {
    return a->is_signed ? enif_make_int64(env, (ErlNifSInt64)value) : enif_make_uint64(env, value);
}

/* atomics_new(Size, Signed) */
ERL_NIF_TERM nif_atomics_new(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    uint64_t size;
    bool is_signed;
    if (!nif_get_bool(argv[1], &is_signed))
        return enif_make_badarg(env);
    if (!nif_get_unsigned(env, argv[0], &size))
        return enif_make_badarg(env);
    atomics_t *a = enif_alloc_resource(nif_type_atomics, sizeof *a);
    a->is_signed = is_signed;
    oh_status_t status = oh_atomics_init(&a->array, size);
    /* Memory that is not there is the caller's size too large, as atomics:new/2 has it. */
    ERL_NIF_TERM result = status == OH_OK
                              ? enif_make_resource(env, a)
                              : nif_status(env, status == OH_ENOMEM ? OH_LIMIT : status, 0);
    enif_release_resource(a);
    return result;
}

/* atomics_put(Ref, Index, Value) */
ERL_NIF_TERM nif_atomics_put(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    atomics_t *a;
    uint64_t index, value;
    if (!get_cell(env, argv, &a, &index) || !get_value(env, a, argv[2], &value))
        return enif_make_badarg(env);
    oh_atomics_put(&a->array, index, value);
    return nif_atom.ok;
}

/* atomics_get(Ref, Index) */
ERL_NIF_TERM nif_atomics_get(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    atomics_t *a;
    uint64_t index;
    if (!get_cell(env, argv, &a, &index))
        return enif_make_badarg(env);
    return make_value(env, a, oh_atomics_get(&a->array, index));
}

/* atomics_add(Ref, Index, Increment) */
ERL_NIF_TERM nif_atomics_add(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    atomics_t *a;
    uint64_t index, increment;
    if (!get_cell(env, argv, &a, &index) || !nif_get_increment(env, argv[2], &increment))
        return enif_make_badarg(env);
    oh_atomics_add_get(&a->array, index, increment);
    return nif_atom.ok;
}

/* atomics_add_get(Ref, Index, Increment) */
ERL_NIF_TERM nif_atomics_add_get(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    atomics_t *a;
    uint64_t index, increment;
    if (!get_cell(env, argv, &a, &index) || !nif_get_increment(env, argv[2], &increment))
        return enif_make_badarg(env);
    return make_value(env, a, oh_atomics_add_get(&a->array, index, increment));
}

/* atomics_exchange(Ref, Index, Desired) */
ERL_NIF_TERM nif_atomics_exchange(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    atomics_t *a;
    uint64_t index, desired;
    if (!get_cell(env, argv, &a, &index) || !get_value(env, a, argv[2], &desired))
        return enif_make_badarg(env);
    return make_value(env, a, oh_atomics_exchange(&a->array, index, desired));
}

/* atomics_compare_exchange(Ref, Index, Expected, Desired) */
ERL_NIF_TERM nif_atomics_compare_exchange(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    atomics_t *a;
    uint64_t index, expected, desired;
    if (!get_cell(env, argv, &a, &index) || !get_value(env, a, argv[2], &expected) ||
        !get_value(env, a, argv[3], &desired))
        return enif_make_badarg(env);
    if (oh_atomics_compare_exchange(&a->array, index, &expected, desired))
        return nif_atom.ok;
    return make_value(env, a, expected);
}

/* atomics_info(Ref) */
ERL_NIF_TERM nif_atomics_info(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    atomics_t *a;
    if (!get_atomics(env, argv[0], &a))
        return enif_make_badarg(env);
    ERL_NIF_TERM keys[] = {nif_atom.size, nif_atom.max, nif_atom.min, nif_atom.memory};
    ERL_NIF_TERM values[] = {
        enif_make_uint64(env, a->array.size),
        make_value(env, a, a->is_signed ? (uint64_t)INT64_MAX : UINT64_MAX),
        make_value(env, a, a->is_signed ? (uint64_t)INT64_MIN : 0),
        enif_make_uint64(env, sizeof *a + oh_atomics_bytes(&a->array)),
    };
    ERL_NIF_TERM map;
    enif_make_map_from_arrays(env, keys, values, 4, &map);
    return map;
}

/* Continuation of atomics_sum: (Ref, Index, Sum), both as words. */
static ERL_NIF_TERM sum_from(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    atomics_t *a;
    uint64_t index, sum;
    if (!get_atomics(env, argv[0], &a) || !nif_get_unsigned(env, argv[1], &index) ||
        !nif_get_unsigned(env, argv[2], &sum))
        return enif_make_badarg(env);
    while (index < a->array.size) {
        uint64_t left = a->array.size - index;
        uint64_t count = left < SUM_CHUNK ? left : SUM_CHUNK;
        sum += oh_atomics_sum(&a->array, index, count);
        index += count;
        if (nif_charge(env, count, SUM_CELLS_PER_MS) && index < a->array.size) {
            ERL_NIF_TERM next[] = {argv[0], enif_make_uint64(env, index),
                                   enif_make_uint64(env, sum)};
            return enif_schedule_nif(env, "atomics_sum", 0, sum_from, 3, next);
        }
    }
    return make_value(env, a, sum);
}

/* atomics_sum(Ref): yields, so any size is fine. */
ERL_NIF_TERM nif_atomics_sum(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    ERL_NIF_TERM start[] = {argv[0], enif_make_uint(env, 0), enif_make_uint(env, 0)};
    return sum_from(env, 3, start);
}

/* atomics_to_list(Ref, First, Last, Tail): cells First..Last (one-based) before Tail, or badarg for
 * more than TO_LIST_CHUNK cells: Erlang loops. */
ERL_NIF_TERM nif_atomics_to_list(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    atomics_t *a;
    uint64_t first, last;
    if (!get_atomics(env, argv[0], &a) || !nif_get_unsigned(env, argv[1], &first) ||
        !nif_get_unsigned(env, argv[2], &last) || first == 0 || last > a->array.size ||
        (last >= first && last - first >= TO_LIST_CHUNK) || !enif_is_list(env, argv[3]))
        return enif_make_badarg(env);
    ERL_NIF_TERM list = argv[3];
    for (uint64_t i = last; i >= first; i--)
        list = enif_make_list_cell(env, make_value(env, a, oh_atomics_get(&a->array, i - 1)), list);
    nif_charge(env, last + 1 - first, 100000);
    return list;
}
