/* offheap_counters: arguments, calls, terms. Calls on one counter read or write one cell in each
 * stripe (add: one cell in all). */
#include "nif.h"

#include "../core/oh_counters.h"

/* Cells that a chunked call works on before it looks at the time slice: some 300 us at the worst,
 * when each is exchanged and its line is another processor's. */
#define CHUNK_CELLS 16384
/* Counters that one chunk turns into terms, which stand on the stack. */
#define CHUNK_COUNTERS 1024
/* Counters in one binary of to_binary, at the most. */
#define BINARY_COUNTERS 16384
/* What a millisecond has room for, at the least: cells to read, cells to exchange, and list
 * elements in the same unit. */
#define CELLS_PER_MS       1000000
#define CELLS_PER_EXCHANGE 20
#define CELLS_PER_ELEMENT  10

static uint64_t memory(const oh_counters_t *c) {
    return sizeof *c + oh_counters_bytes(c);
}

static void counters_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    oh_registry_ended(OH_KIND_COUNTERS, memory(obj));
    oh_counters_free(obj);
}

ErlNifResourceTypeInit nif_type_init_counters = {.dtor = counters_destroy, .members = 1};

OH_ALWAYS_INLINE bool get_counters(ErlNifEnv *env, ERL_NIF_TERM term, oh_counters_t **out) {
    return enif_get_resource(env, term, nif_type_counters, (void **)out);
}

/* The array and a one-based index, returned zero-based. */
OH_ALWAYS_INLINE bool get_counter(ErlNifEnv *env, const ERL_NIF_TERM argv[], oh_counters_t **c,
                                  uint64_t *index) {
    if (!get_counters(env, argv[0], c) || !nif_get_unsigned(env, argv[1], index))
        return false;
    return (*index)-- - 1 < (*c)->size;
}

static ERL_NIF_TERM make_value(ErlNifEnv *env, uint64_t value) {
    return enif_make_int64(env, (ErlNifSInt64)value);
}

/* Counters to work on at once: those of CHUNK_CELLS cells, but at most max. */
static uint64_t chunk_counters(const oh_counters_t *c, uint64_t max) {
    uint64_t counters = CHUNK_CELLS / oh_counters_stripes(c);
    return counters < max ? counters : max;
}

/* counters_new(Size, Stripes): Stripes 0 for one a scheduler. */
ERL_NIF_TERM nif_counters_new(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    uint64_t size, stripes;
    if (!nif_get_unsigned(env, argv[0], &size) || !nif_get_unsigned(env, argv[1], &stripes))
        return enif_make_badarg(env);
    if (stripes == 0) {
        ErlNifSysInfo info;
        enif_system_info(&info, sizeof info);
        stripes = info.scheduler_threads < OH_COUNTERS_STRIPES_MAX
                      ? (uint64_t)info.scheduler_threads
                      : OH_COUNTERS_STRIPES_MAX;
    }
    oh_counters_t *c = enif_alloc_resource(nif_type_counters, sizeof *c);
    oh_status_t status = oh_counters_init(c, size, stripes);
    oh_registry_made(OH_KIND_COUNTERS, memory(c));
    /* Memory that is not there is the caller's size too large, as counters:new/2 has it. */
    ERL_NIF_TERM result = status == OH_OK
                              ? enif_make_resource(env, c)
                              : nif_status(env, status == OH_ENOMEM ? OH_LIMIT : status, 0);
    enif_release_resource(c);
    return result;
}

/* counters_get(Ref, Index) */
ERL_NIF_TERM nif_counters_get(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_counters_t *c;
    uint64_t index;
    if (!get_counter(env, argv, &c, &index))
        return enif_make_badarg(env);
    return make_value(env, oh_counters_get(c, index));
}

/* counters_add(Ref, Index, Increment) */
ERL_NIF_TERM nif_counters_add(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_counters_t *c;
    uint64_t index, increment;
    if (!get_counter(env, argv, &c, &index) || !nif_get_increment(env, argv[2], &increment))
        return enif_make_badarg(env);
    oh_counters_add(c, index, increment);
    return nif_atom.ok;
}

/* counters_put(Ref, Index, Value) */
ERL_NIF_TERM nif_counters_put(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_counters_t *c;
    uint64_t index, value;
    if (!get_counter(env, argv, &c, &index) || !nif_get_signed(env, argv[2], &value))
        return enif_make_badarg(env);
    oh_counters_put(c, index, value);
    return nif_atom.ok;
}

/* counters_sum_reset(Ref, Index) */
ERL_NIF_TERM nif_counters_sum_reset(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_counters_t *c;
    uint64_t index;
    if (!get_counter(env, argv, &c, &index))
        return enif_make_badarg(env);
    return make_value(env, oh_counters_take(c, index));
}

/* counters_size(Ref) */
ERL_NIF_TERM nif_counters_size(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_counters_t *c;
    if (!get_counters(env, argv[0], &c))
        return enif_make_badarg(env);
    return enif_make_uint64(env, c->size);
}

/* counters_info(Ref) */
ERL_NIF_TERM nif_counters_info(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_counters_t *c;
    if (!get_counters(env, argv[0], &c))
        return enif_make_badarg(env);
    ERL_NIF_TERM keys[] = {nif_atom.size, nif_atom.stripes, nif_atom.memory};
    ERL_NIF_TERM values[] = {
        enif_make_uint64(env, c->size),
        enif_make_uint64(env, oh_counters_stripes(c)),
        enif_make_uint64(env, memory(c)),
    };
    ERL_NIF_TERM map;
    enif_make_map_from_arrays(env, keys, values, 3, &map);
    return map;
}

/* Continuation of counters_sum: (Ref, Index, Sum), both as words. */
static ERL_NIF_TERM sum_from(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_counters_t *c;
    uint64_t index, sum;
    if (!get_counters(env, argv[0], &c) || !nif_get_unsigned(env, argv[1], &index) ||
        !nif_get_unsigned(env, argv[2], &sum))
        return enif_make_badarg(env);
    uint64_t chunk = chunk_counters(c, CHUNK_CELLS);
    while (index < c->size) {
        uint64_t left = c->size - index;
        uint64_t count = left < chunk ? left : chunk;
        sum += oh_counters_sum(c, index, count);
        index += count;
        if (nif_charge(env, count * oh_counters_stripes(c), CELLS_PER_MS) && index < c->size) {
            ERL_NIF_TERM next[] = {argv[0], enif_make_uint64(env, index),
                                   enif_make_uint64(env, sum)};
            return enif_schedule_nif(env, "counters_sum", 0, sum_from, 3, next);
        }
    }
    return make_value(env, sum);
}

/* counters_sum(Ref): yields, so any size is fine. */
ERL_NIF_TERM nif_counters_sum(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    ERL_NIF_TERM start[] = {argv[0], enif_make_uint(env, 0), enif_make_uint(env, 0)};
    return sum_from(env, 3, start);
}

/* Continuation of counters_to_list: (Ref, Reset, Left, Tail): the first Left counters are still to
 * be put before Tail. */
static ERL_NIF_TERM to_list_from(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_counters_t *c;
    bool reset;
    uint64_t left;
    ERL_NIF_TERM terms[CHUNK_COUNTERS];
    if (!get_counters(env, argv[0], &c) || !nif_get_bool(argv[1], &reset) ||
        !nif_get_unsigned(env, argv[2], &left))
        return enif_make_badarg(env);
    uint64_t chunk = chunk_counters(c, CHUNK_COUNTERS);
    uint64_t cost = CELLS_PER_ELEMENT + oh_counters_stripes(c) * (reset ? CELLS_PER_EXCHANGE : 1);
    ERL_NIF_TERM list = argv[3];
    while (left > 0) {
        uint64_t count = left < chunk ? left : chunk;
        left -= count;
        for (uint64_t i = 0; i < count; i++)
            terms[i] = make_value(env, reset ? oh_counters_take(c, left + i)
                                             : oh_counters_get(c, left + i));
        list = nif_prepend(env, terms, (unsigned)count, list);
        if (nif_charge(env, count * cost, CELLS_PER_MS) && left > 0) {
            ERL_NIF_TERM next[] = {argv[0], argv[1], enif_make_uint64(env, left), list};
            return enif_schedule_nif(env, "counters_to_list", 0, to_list_from, 4, next);
        }
    }
    return list;
}

static ERL_NIF_TERM to_list(ErlNifEnv *env, ERL_NIF_TERM ref, ERL_NIF_TERM reset) {
    oh_counters_t *c;
    if (!get_counters(env, ref, &c))
        return enif_make_badarg(env);
    ERL_NIF_TERM start[] = {ref, reset, enif_make_uint64(env, c->size), enif_make_list(env, 0)};
    return to_list_from(env, 4, start);
}

/* counters_to_list(Ref): yields, so any size is fine. */
ERL_NIF_TERM nif_counters_to_list(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    return to_list(env, argv[0], nif_atom.false_);
}

/* counters_to_list_reset(Ref): the same. */
ERL_NIF_TERM nif_counters_to_list_reset(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    return to_list(env, argv[0], nif_atom.true_);
}

/* counters_to_binary(Ref, First): counters from the one-based First on, 64 bits each in the
 * machine's order, as many as one call may read; none if First is beyond the last. Erlang loops. */
ERL_NIF_TERM nif_counters_to_binary(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_counters_t *c;
    uint64_t first;
    if (!get_counters(env, argv[0], &c) || !nif_get_unsigned(env, argv[1], &first) || first == 0)
        return enif_make_badarg(env);
    uint64_t chunk = chunk_counters(c, BINARY_COUNTERS);
    uint64_t left = first > c->size ? 0 : c->size - (first - 1);
    uint64_t count = left < chunk ? left : chunk;
    ERL_NIF_TERM binary;
    unsigned char *bytes = enif_make_new_binary(env, count * sizeof(uint64_t), &binary);
    oh_counters_read(c, first - 1, count, bytes);
    nif_charge(env, count * oh_counters_stripes(c), CELLS_PER_MS);
    return binary;
}
