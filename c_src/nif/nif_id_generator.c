/* offheap_id_generator: arguments, calls, terms. All functions but next_n are O(1); it yields. */
#include "nif.h"

#include "../core/oh_id_generator.h"

/* Ids that next_n makes before it looks at the time slice, some 10 us; they stand on the stack. */
#define CHUNK_IDS  1024
#define IDS_PER_MS 100000

/* The whole generator is a small header: it stands in the resource. */
static void id_generator_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    (void)obj;
    oh_registry_ended(OH_KIND_ID_GENERATORS, sizeof(oh_id_generator_t));
}

ErlNifResourceTypeInit nif_type_init_id_generator = {.dtor = id_generator_destroy, .members = 1};

static bool get_generator(ErlNifEnv *env, ERL_NIF_TERM term, oh_id_generator_t **out) {
    return enif_get_resource(env, term, nif_type_id_generator, (void **)out);
}

static ERL_NIF_TERM make_id(ErlNifEnv *env, const oh_id_generator_t *g, uint64_t slot) {
    return enif_make_uint64(env, oh_id_generator_id(g, slot));
}

/* id_generator_new(Node, EpochMs, NodeBits, SequenceBits, AheadMs) */
ERL_NIF_TERM nif_id_generator_new(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_id_layout_t layout;
    ErlNifSInt64 epoch_ms, ahead_ms;
    if (!nif_get_unsigned(env, argv[0], &layout.node) || !enif_get_int64(env, argv[1], &epoch_ms) ||
        !enif_get_uint(env, argv[2], &layout.node_bits) ||
        !enif_get_uint(env, argv[3], &layout.sequence_bits) ||
        !enif_get_int64(env, argv[4], &ahead_ms))
        return enif_make_badarg(env);
    layout.epoch_ms = epoch_ms;
    layout.ahead_ms = ahead_ms;
    oh_id_generator_t *g = enif_alloc_resource(nif_type_id_generator, sizeof *g);
    oh_registry_made(OH_KIND_ID_GENERATORS, sizeof *g);
    oh_status_t status = oh_id_generator_init(g, &layout);
    ERL_NIF_TERM result = status == OH_OK ? enif_make_resource(env, g) : nif_status(env, status, 0);
    enif_release_resource(g);
    return result;
}

/* Takes count slots at the time that a term tells, or by the system's clock if there is none. */
OH_ALWAYS_INLINE oh_status_t take(ErlNifEnv *env, oh_id_generator_t *g, uint64_t count,
                                  const ERL_NIF_TERM *now, uint64_t *first, int64_t *wait_ms) {
    uint64_t now_ms;
    if (now == NULL)
        return oh_id_generator_take_now(g, count, first, wait_ms);
    if (!nif_get_unsigned(env, *now, &now_ms) || now_ms > OH_ID_TIME_MAX)
        return OH_BADARG;
    return oh_id_generator_take(g, count, (int64_t)now_ms, first, wait_ms);
}

/* {error, {exhausted, WaitMs}}, or badarg. */
static ERL_NIF_TERM make_refusal(ErlNifEnv *env, oh_status_t status, int64_t wait_ms) {
    if (status != OH_EXHAUSTED)
        return nif_status(env, status, 0);
    ERL_NIF_TERM wait = wait_ms == OH_ID_NEVER ? nif_atom.infinity : enif_make_int64(env, wait_ms);
    return nif_error(env, enif_make_tuple2(env, nif_atom.status_exhausted, wait));
}

/* id_generator_next(Ref), id_generator_next(Ref, NowMs) */
ERL_NIF_TERM nif_id_generator_next(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_id_generator_t *g;
    uint64_t slot;
    int64_t wait_ms = OH_ID_NEVER;
    if (!get_generator(env, argv[0], &g))
        return enif_make_badarg(env);
    oh_status_t status = take(env, g, 1, argc == 2 ? &argv[1] : NULL, &slot, &wait_ms);
    return status == OH_OK ? make_id(env, g, slot) : make_refusal(env, status, wait_ms);
}

/* Continuation of id_generator_next_n: (Ref, First, Left, Tail): the ids of Left slots from First
 * on are still to be put before Tail. */
static ERL_NIF_TERM list_ids(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_id_generator_t *g;
    uint64_t first, left;
    if (!get_generator(env, argv[0], &g) || !nif_get_unsigned(env, argv[1], &first) ||
        !nif_get_unsigned(env, argv[2], &left))
        return enif_make_badarg(env);
    ERL_NIF_TERM ids[CHUNK_IDS];
    ERL_NIF_TERM list = argv[3];
    while (left > 0) {
        unsigned count = left < CHUNK_IDS ? (unsigned)left : CHUNK_IDS;
        left -= count;
        for (unsigned i = 0; i < count; i++)
            ids[i] = make_id(env, g, first + left + i);
        list = nif_prepend(env, ids, count, list);
        if (nif_charge(env, count, IDS_PER_MS) && left > 0) {
            ERL_NIF_TERM next[] = {argv[0], argv[1], enif_make_uint64(env, left), list};
            return enif_schedule_nif(env, "id_generator_next_n", 0, list_ids, 4, next);
        }
    }
    return list;
}

/* id_generator_next_n(Ref, N), id_generator_next_n(Ref, N, NowMs): yields. */
ERL_NIF_TERM nif_id_generator_next_n(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_id_generator_t *g;
    uint64_t count, first;
    int64_t wait_ms = OH_ID_NEVER;
    if (!get_generator(env, argv[0], &g) || !nif_get_unsigned(env, argv[1], &count))
        return enif_make_badarg(env);
    oh_status_t status = take(env, g, count, argc == 3 ? &argv[2] : NULL, &first, &wait_ms);
    if (status != OH_OK)
        return make_refusal(env, status, wait_ms);
    ERL_NIF_TERM start[] = {argv[0], enif_make_uint64(env, first), argv[1], enif_make_list(env, 0)};
    return list_ids(env, 4, start);
}

/* id_generator_info(Ref) */
ERL_NIF_TERM nif_id_generator_info(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_id_generator_t *g;
    if (!get_generator(env, argv[0], &g))
        return enif_make_badarg(env);
    const oh_id_layout_t *l = &g->layout;
    ERL_NIF_TERM exhaustion =
        l->ahead_ms == 0
            ? nif_atom.error
            : enif_make_tuple2(env, nif_atom.borrow, enif_make_int64(env, l->ahead_ms));
    ERL_NIF_TERM keys[] = {nif_atom.node,          nif_atom.epoch_ms,   nif_atom.node_bits,
                           nif_atom.sequence_bits, nif_atom.exhaustion, nif_atom.batch_max,
                           nif_atom.memory};
    ERL_NIF_TERM values[] = {
        enif_make_uint64(env, l->node),
        enif_make_int64(env, l->epoch_ms),
        enif_make_uint(env, l->node_bits),
        enif_make_uint(env, l->sequence_bits),
        exhaustion,
        enif_make_uint64(env, oh_id_generator_batch_max(g)),
        enif_make_uint64(env, sizeof *g),
    };
    ERL_NIF_TERM map;
    enif_make_map_from_arrays(env, keys, values, sizeof keys / sizeof keys[0], &map);
    return map;
}
