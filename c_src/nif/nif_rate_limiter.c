/* offheap_rate_limiter: life, calls, arrays. All O(1), but stats of a keyed limiter. */
#include "nif_rate_limiter.h"

#include <sodium.h>

/* What does not change: without the keys' table. */
static uint64_t memory(const rate_limiter_t *l) {
    return sizeof *l + oh_rate_limiter_bytes(&l->array);
}

static void rate_limiter_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    rate_limiter_t *l = obj;
    oh_registry_ended(OH_KIND_RATE_LIMITERS, memory(l));
    oh_rate_limiter_free(&l->array);
    store_free_index(&l->keys, OH_LIST_LIMITERS);
}

ErlNifResourceTypeInit nif_type_init_rate_limiter = {.dtor = rate_limiter_destroy, .members = 1};

static bool get_limiter(ErlNifEnv *env, ERL_NIF_TERM term, rate_limiter_t **l) {
    return enif_get_resource(env, term, nif_type_rate_limiter, (void **)l);
}

/* --- Making --- */

/* argv: Rate, PeriodNs, Burst */
static bool get_rate(ErlNifEnv *env, const ERL_NIF_TERM argv[], oh_rate_t *rate) {
    uint64_t units, period_ns, burst;
    return nif_get_unsigned(env, argv[0], &units) && nif_get_unsigned(env, argv[1], &period_ns) &&
           nif_get_unsigned(env, argv[2], &burst) &&
           oh_rate_init(rate, units, period_ns, burst) == OH_OK;
}

/* The limiter's term; the caller's own reference goes. */
static ERL_NIF_TERM make_limiter(ErlNifEnv *env, rate_limiter_t *l, oh_status_t status) {
    oh_registry_made(OH_KIND_RATE_LIMITERS, memory(l));
    /* Memory that is not there is the caller's size too large, as for atomics. */
    ERL_NIF_TERM result = status == OH_OK
                              ? enif_make_resource(env, l)
                              : nif_status(env, status == OH_ENOMEM ? OH_LIMIT : status, 0);
    enif_release_resource(l);
    return result;
}

/* rate_limiter_new(Rate, PeriodNs, Burst, Size) */
ERL_NIF_TERM nif_rate_limiter_new(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    uint64_t size;
    oh_rate_t rate;
    if (!get_rate(env, argv, &rate) || !nif_get_unsigned(env, argv[3], &size))
        return enif_make_badarg(env);
    rate_limiter_t *l = enif_alloc_resource(nif_type_rate_limiter, sizeof *l);
    l->keys = (store_t){.table = NULL};
    return make_limiter(env, l, oh_rate_limiter_init(&l->array, size, &rate));
}

/* rate_limiter_new_keyed(Rate, PeriodNs, Burst) */
ERL_NIF_TERM nif_rate_limiter_new_keyed(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_rate_t rate;
    if (!get_rate(env, argv, &rate))
        return enif_make_badarg(env);
    rate_limiter_t *l = enif_alloc_resource(nif_type_rate_limiter, sizeof *l);
    l->array = (oh_rate_limiter_t){.rate = rate};
    /* Keys may be chosen by attackers: they must not know which collide. */
    l->keys = (store_t){.keypos = 1};
    return make_limiter(
        env, l,
        store_new_index(&l->keys, OH_LIST_LIMITERS, nif_atom.undefined, randombytes_random()));
}

/* --- Calls --- */

/* A cost that the bucket can hold. */
OH_ALWAYS_INLINE bool get_cost(ErlNifEnv *env, const rate_limiter_t *l, ERL_NIF_TERM term,
                               uint64_t *cost) {
    if (term == nif_one) {
        *cost = 1;
        return true;
    }
    return nif_get_unsigned(env, term, cost) && *cost <= l->array.rate.burst;
}

/* The arguments of take and peek: Limiter, IndexOrKey, Cost (1 if absent), NowNs (the clock's). */
OH_ALWAYS_INLINE bool get_request(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[],
                                  rate_limiter_t **l, rate_request_t *request) {
    uint64_t now_ns;
    request->cost = 1;
    request->has_time = argc == 4;
    return get_limiter(env, argv[0], l) &&
           (argc == 2 || get_cost(env, *l, argv[2], &request->cost)) &&
           (argc < 4 ||
            (nif_get_signed(env, argv[3], &now_ns) && oh_rate_time(now_ns, &request->time)));
}

/* A one-based index of the array's, returned zero-based. A keyed limiter has none. */
static bool get_index(ErlNifEnv *env, const rate_limiter_t *l, ERL_NIF_TERM term, uint64_t *index) {
    return nif_get_unsigned(env, term, index) && (*index)-- - 1 < l->array.size;
}

/* {ok, Remaining} or {error, RetryAfterMs}, rounded up. */
OH_ALWAYS_INLINE ERL_NIF_TERM make_grant(ErlNifEnv *env, const rate_limiter_t *l,
                                         const oh_grant_t *grant) {
    if (oh_likely(grant->granted))
        return nif_ok(env, enif_make_uint64(env, oh_rate_units(&l->array.rate, grant->time_ns)));
    uint64_t retry_after_ms = grant->time_ns / 1000000 + (grant->time_ns % 1000000 != 0);
    return nif_error(env, enif_make_uint64(env, retry_after_ms));
}

/* take and peek. */
OH_ALWAYS_INLINE ERL_NIF_TERM answer(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[],
                                     store_fun_t *fun, bool takes) {
    rate_limiter_t *l;
    rate_request_t request;
    uint64_t index;
    oh_grant_t grant;
    if (!get_request(env, argc, argv, &l, &request))
        return enif_make_badarg(env);
    if (l->keys.table != NULL) {
        step_t step = takes ? rate_keys_take(env, l, argv[1], &request, &grant)
                            : rate_keys_peek(env, l, argv[1], &request, &grant);
        return step == STEP_OK ? make_grant(env, l, &grant) : store_end(env, step, fun, argc, argv);
    }
    if (!get_index(env, l, argv[1], &index))
        return enif_make_badarg(env);
    uint64_t time = rate_request_time(&request);
    grant = takes ? oh_rate_limiter_take(&l->array, index, time, request.cost)
                  : oh_rate_limiter_peek(&l->array, index, time, request.cost);
    return make_grant(env, l, &grant);
}

/* rate_limiter_take(Limiter, IndexOrKey[, Cost[, NowNs]]) */
ERL_NIF_TERM nif_rate_limiter_take(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return answer(env, argc, argv, nif_rate_limiter_take, true);
}

/* rate_limiter_peek(Limiter, IndexOrKey[, Cost[, NowNs]]) */
ERL_NIF_TERM nif_rate_limiter_peek(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return answer(env, argc, argv, nif_rate_limiter_peek, false);
}

/* rate_limiter_refund(Limiter, IndexOrKey, Cost) */
ERL_NIF_TERM nif_rate_limiter_refund(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    rate_limiter_t *l;
    rate_request_t request;
    uint64_t index;
    if (!get_request(env, argc, argv, &l, &request))
        return enif_make_badarg(env);
    if (l->keys.table != NULL) {
        step_t step = rate_keys_refund(env, l, argv[1], request.cost);
        return step == STEP_OK ? nif_atom.ok
                               : store_end(env, step, nif_rate_limiter_refund, argc, argv);
    }
    if (!get_index(env, l, argv[1], &index))
        return enif_make_badarg(env);
    oh_rate_limiter_refund(&l->array, index, request.cost);
    return nif_atom.ok;
}

/* rate_limiter_reset(Limiter, IndexOrKey) */
ERL_NIF_TERM nif_rate_limiter_reset(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    rate_limiter_t *l;
    uint64_t index;
    if (!get_limiter(env, argv[0], &l))
        return enif_make_badarg(env);
    if (l->keys.table != NULL) {
        step_t step = rate_keys_reset(env, l, argv[1]);
        return step == STEP_OK ? nif_atom.ok
                               : store_end(env, step, nif_rate_limiter_reset, argc, argv);
    }
    if (!get_index(env, l, argv[1], &index))
        return enif_make_badarg(env);
    oh_rate_limiter_reset(&l->array, index);
    return nif_atom.ok;
}

/* --- Info --- */

/* rate_limiter_rate(Limiter) -> {IntervalNs, Burst} */
ERL_NIF_TERM nif_rate_limiter_rate(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    rate_limiter_t *l;
    if (!get_limiter(env, argv[0], &l))
        return enif_make_badarg(env);
    return enif_make_tuple2(env, enif_make_uint64(env, l->array.rate.interval_ns),
                            enif_make_uint64(env, l->array.rate.burst));
}

/* rate_limiter_stats(Limiter, Position) -> {Position | done, Size, Bytes}: buckets and memory of an
 * array, or of a part of a keyed limiter: about 100 us. Erlang loops. */
ERL_NIF_TERM nif_rate_limiter_stats(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    rate_limiter_t *l;
    if (!get_limiter(env, argv[0], &l))
        return enif_make_badarg(env);
    oh_table_stats_t stats = {.size = l->array.size, .bytes = oh_rate_limiter_bytes(&l->array)};
    ERL_NIF_TERM next = nif_atom.done;
    if (l->keys.table != NULL && !store_count(env, &l->keys, argv[1], &stats, &next))
        return enif_make_badarg(env);
    return enif_make_tuple3(env, next, enif_make_uint64(env, stats.size),
                            enif_make_uint64(env, stats.bytes));
}
