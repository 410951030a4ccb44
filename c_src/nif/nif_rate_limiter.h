/*
 * nif_rate_limiter: what the two kinds of rate limiters share.
 *
 * An array has its buckets in cells and is called with an index. A keyed limiter has them in a
 * table of the store's, key to state, and is called with any term. Both answer the same calls.
 */
#ifndef NIF_RATE_LIMITER_H
#define NIF_RATE_LIMITER_H

#include "nif_clock.h"
#include "nif_store.h"

#include "../core/oh_rate_limiter.h"

typedef struct {
    oh_rate_limiter_t array; /* its rate for both kinds; no cells if keyed */
    store_t keys;            /* its table NULL unless keyed */
} rate_limiter_t;

/* What a call asks for. */
typedef struct {
    uint64_t cost;
    uint64_t time;
    bool has_time; /* else the clock's */
} rate_request_t;

static inline uint64_t rate_request_time(const rate_request_t *request) {
    if (request->has_time)
        return request->time;
    uint64_t time;
    oh_rate_time((uint64_t)nif_clock_ns(), &time);
    return time;
}

/* --- The calls on a keyed limiter, in nif_rate_limiter_keys.c --- */

/* STEP_OK fills in *grant. O(1); one lock for a microsecond, where the clock is read if need be. */
step_t rate_keys_take(ErlNifEnv *env, rate_limiter_t *l, ERL_NIF_TERM key,
                      const rate_request_t *request, oh_grant_t *grant);
/* The same without a lock, and without a change. */
step_t rate_keys_peek(ErlNifEnv *env, const rate_limiter_t *l, ERL_NIF_TERM key,
                      const rate_request_t *request, oh_grant_t *grant);
step_t rate_keys_refund(ErlNifEnv *env, rate_limiter_t *l, ERL_NIF_TERM key, uint64_t cost);
step_t rate_keys_reset(ErlNifEnv *env, rate_limiter_t *l, ERL_NIF_TERM key);

#endif
