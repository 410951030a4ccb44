/*
 * oh_concurrency_limiter: at most a limit of permits at once, each given back exactly once.
 *
 * The limiter is a count. acquire raises it by compare-and-swap, only from below the limit, so it
 * never passes the limit, not for a moment either. A permit is a word that is 1 from acquire on.
 * Its holder, its owner's death and its collection may all want to give it back, at one time: each
 * exchanges the word for 0, one of them gets the 1, and that one lowers the count. So there is one
 * lowering for each raising, and none before it, since a permit is made after its acquire.
 *
 * Call          Threads  Memory order                             Progress
 * ------------  -------  ---------------------------------------  --------------------------------
 * acquire       any      acquire on success, relaxed on failure   lock-free; a failed attempt means
 *                                                                 that another's succeeded
 * release       any      acq_rel                                  wait-free on x86-64 and ARMv8.1
 * in_use        any      relaxed                                  wait-free
 * the inits     one      the caller publishes
 *
 * Who acquires sees what came before the releases that made room.
 *
 * A permit refers to its limiter: the caller keeps that until the permit is released, and a
 * permit's memory until nobody can call release.
 */
#ifndef OH_CONCURRENCY_LIMITER_H
#define OH_CONCURRENCY_LIMITER_H

#include "oh_atomic.h"
#include "oh_common.h"

typedef struct {
    uint64_t limit;          /* never changes */
    _Atomic uint64_t in_use; /* 0 .. limit */
} oh_concurrency_limiter_t;

typedef struct {
    oh_concurrency_limiter_t *limiter;
    _Atomic uint32_t held; /* 1: not yet given back */
} oh_permit_t;

/* OH_BADARG for a limit of 0. */
oh_status_t oh_concurrency_limiter_init(oh_concurrency_limiter_t *l, uint64_t limit);

/* Raises the count; false at the limit. True: the caller must make one permit. */
bool oh_concurrency_limiter_acquire(oh_concurrency_limiter_t *l);

/* The permit of an acquire that succeeded. The caller publishes it. */
static inline void oh_permit_init(oh_permit_t *permit, oh_concurrency_limiter_t *l) {
    permit->limiter = l;
    oh_store_relaxed(&permit->held, 1);
}

/* Gives a permit back; false if it was given back before. */
bool oh_permit_release(oh_permit_t *permit);

/* Permits that are out. */
static inline uint64_t oh_concurrency_limiter_in_use(const oh_concurrency_limiter_t *l) {
    return oh_load_relaxed(&l->in_use);
}

/* The invariants of a limiter. Any thread. */
bool oh_concurrency_limiter_valid(const oh_concurrency_limiter_t *l);

#endif
