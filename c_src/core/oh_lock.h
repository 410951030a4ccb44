/*
 * oh_lock: a mutex of four bytes, for critical sections of a microsecond.
 *
 * Call     Threads              Order     Progress
 * -------  -------------------  -------- ----------------------------------------------------------
 * lock     any                  acquire   blocking: spins for about a microsecond, then sleeps
 * trylock  any                  acquire   wait-free
 * unlock   the one that locked  release   wait-free
 *
 * On Linux a waiter sleeps in futex(2) (U. Drepper, "Futexes are tricky", mutex 2); elsewhere it
 * gives up the processor and tries again. pthread_mutex_t has 40 bytes, and one stands in each
 * segment of a table.
 */
#ifndef OH_LOCK_H
#define OH_LOCK_H

#include "oh_atomic.h"
#include "oh_common.h"

typedef struct {
    _Atomic uint32_t state; /* 0 free, 1 held, 2 held and perhaps waited for */
} oh_lock_t;

/* Waits until the lock is free and takes it. */
void oh_lock_wait(oh_lock_t *lock);
/* Wakes one waiter. */
void oh_lock_wake(oh_lock_t *lock);

static inline bool oh_trylock(oh_lock_t *lock) {
    uint32_t free = 0;
    return oh_cas_acquire_relaxed(&lock->state, &free, 1); /* K1: pairs with K2 */
}

/* True when the lock was free at once: false tells of contention. */
static inline bool oh_lock(oh_lock_t *lock) {
    if (oh_likely(oh_trylock(lock)))
        return true;
    oh_lock_wait(lock);
    return false;
}

static inline void oh_unlock(oh_lock_t *lock) {
    if (oh_unlikely(oh_exchange_release(&lock->state, 0) == 2)) /* K2: pairs with K1 */
        oh_lock_wake(lock);
}

#endif
