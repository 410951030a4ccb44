/*
 * oh_rate_limiter: the generic cell rate algorithm, one 64-bit word a key.
 *
 * A bucket of burst units fills at one unit an interval. Its whole state is the theoretical arrival
 * time (TAT): the time at which it will be full again. A unit moves the TAT on by one interval, and
 * is granted if that leaves it at most a window (burst * interval) ahead of now. (ATM Forum,
 * "Traffic Management Specification 4.0", 1996, 4.4.2, the virtual scheduling algorithm.) Where the
 * TAT is not ahead of now, the bucket is full, however long ago it was.
 *
 * So between any two times a and b at most burst + (b - a) / interval units are granted, in
 * whatever order threads come to the word: of those grants, the first leaves the TAT at a plus its
 * own intervals or later, each other one moves it on by its own, and the last one found it at most
 * a window ahead of b. Refunds and resets give back what they give back.
 *
 * Times are words: signed nanoseconds plus 2^63, so that order is unsigned and the zeros of fresh
 * memory are full buckets at every time. Times reach over OH_TIME_MAX to both sides of zero,
 * windows over OH_WINDOW_MAX: every state fits a word.
 *
 * Call          Threads  Memory order                 Progress
 * ------------  -------  ---------------------------  --------------------------------------------
 * take, refund  any      acq_rel when it stores,      lock-free; a failed attempt means that
 *                        else acquire                 another's succeeded, and backs off
 * peek          any      acquire                      wait-free
 * reset         any      release                      wait-free
 * init, free    one      the caller publishes         as the allocator
 *
 * Each call is one instant for its cell; cells are apart. The oh_rate_ functions are pure: a state
 * that is kept elsewhere, under a lock, goes by the same rules.
 *
 * The caller checks: index < size, cost <= burst, times by oh_rate_time.
 */
#ifndef OH_RATE_LIMITER_H
#define OH_RATE_LIMITER_H

#include "oh_atomic.h"
#include "oh_common.h"

/* Cells a limiter may have at most: 2^40, 8 TiB. */
#define OH_RATE_LIMITER_SIZE_MAX ((uint64_t)1 << 40)
/* The word of 0 ns. */
#define OH_TIME_ZERO ((uint64_t)1 << 63)
/* Signed nanoseconds of -2^62 .. 2^62 - 1 are times: 146 years to either side. */
#define OH_TIME_MAX ((uint64_t)1 << 62)
/* The longest time in which a bucket fills. */
#define OH_WINDOW_MAX ((uint64_t)1 << 62)

/* --- Rates and states --- */

typedef struct {
    uint64_t interval_ns;
    uint64_t burst;
    uint64_t window_ns;  /* burst * interval_ns */
    uint64_t reciprocal; /* of interval_ns, times 2^64, rounded down */
} oh_rate_t;

/* The rate of units each period_ns. An interval is a whole number of nanoseconds, rounded up, so
 * that the rate is never passed. OH_BADARG unless units and burst are positive, units <= period_ns
 * and the window at most OH_WINDOW_MAX. */
oh_status_t oh_rate_init(oh_rate_t *rate, uint64_t units, uint64_t period_ns, uint64_t burst);

/* A full bucket's state. */
#define OH_STATE_FULL ((uint64_t)0)

/* The time of signed nanoseconds, given as a word; false beyond the range. */
static inline bool oh_rate_time(uint64_t now_ns, uint64_t *time) {
    *time = now_ns + OH_TIME_ZERO;
    return now_ns + OH_TIME_MAX < 2 * OH_TIME_MAX;
}

typedef struct {
    bool granted;
    uint64_t state;   /* the bucket's new state, if granted */
    uint64_t time_ns; /* granted: what remains in the bucket; else how long until it would be */
} oh_grant_t;

/* What a bucket in this state answers to a cost at a time. A cost of 0 is granted unless the state
 * lies more than a window ahead, which it does where times run backwards. */
OH_ALWAYS_INLINE oh_grant_t oh_rate_decide(const oh_rate_t *rate, uint64_t state, uint64_t time,
                                           uint64_t cost) {
    /* next may wrap around, when states and times lie far apart; ahead, below 2^64, is right even
     * then, and a next that is granted has not. */
    uint64_t next = (state > time ? state : time) + cost * rate->interval_ns;
    uint64_t ahead = next - time;
    if (ahead <= rate->window_ns)
        return (oh_grant_t){true, next, rate->window_ns - ahead};
    return (oh_grant_t){false, state, ahead - rate->window_ns};
}

/* The state with a cost given back. It may lie before the time at which the cost was taken: the
 * bucket is then full, and no fuller. */
static inline uint64_t oh_rate_refund(const oh_rate_t *rate, uint64_t state, uint64_t cost) {
    uint64_t back = cost * rate->interval_ns;
    return state > back ? state - back : OH_STATE_FULL;
}

/* Whole units in a time of at most a window. Multiplies where the processor would divide, which
 * takes some up to 90 cycles: the product is the quotient or one less. */
static inline uint64_t oh_rate_units(const oh_rate_t *rate, uint64_t time_ns) {
    uint64_t units = (uint64_t)((unsigned __int128)time_ns * rate->reciprocal >> 64);
    return units + (time_ns - units * rate->interval_ns >= rate->interval_ns);
}

/* --- Arrays --- */

typedef struct {
    oh_rate_t rate;
    uint64_t size;          /* cells; never changes */
    _Atomic uint64_t *cell; /* owned; states */
} oh_rate_limiter_t;

/* Fills in *l with size full buckets. OH_BADARG for size 0, OH_LIMIT beyond the maximum, OH_ENOMEM;
 * on an error *l needs no free. O(1) in size for big arrays. */
oh_status_t oh_rate_limiter_init(oh_rate_limiter_t *l, uint64_t size, const oh_rate_t *rate);

/* Ends the limiter. No other call may be under way. */
void oh_rate_limiter_free(oh_rate_limiter_t *l);

/* Bytes the cells take. */
static inline size_t oh_rate_limiter_bytes(const oh_rate_limiter_t *l) {
    return (size_t)l->size * sizeof(uint64_t);
}

/* Takes cost units from a bucket if they are there. */
static inline oh_grant_t oh_rate_limiter_take(oh_rate_limiter_t *l, uint64_t index, uint64_t time,
                                              uint64_t cost) {
    uint64_t state = oh_load_acquire(&l->cell[index]); /* T1: pairs with T2 */
    for (unsigned pauses = 1;; oh_backoff(&pauses)) {
        oh_grant_t grant = oh_rate_decide(&l->rate, state, time, cost);
        if (!grant.granted || cost == 0 ||
            oh_likely(oh_cas_weak_acqrel_acquire(&l->cell[index], &state, grant.state))) /* T2 */
            return grant;
    }
}

/* What take would answer. */
static inline oh_grant_t oh_rate_limiter_peek(const oh_rate_limiter_t *l, uint64_t index,
                                              uint64_t time, uint64_t cost) {
    return oh_rate_decide(&l->rate, oh_load_acquire(&l->cell[index]), time, cost); /* T1 */
}

/* Gives cost units back. */
static inline void oh_rate_limiter_refund(oh_rate_limiter_t *l, uint64_t index, uint64_t cost) {
    uint64_t state = oh_load_acquire(&l->cell[index]); /* T1 */
    for (unsigned pauses = 1;; oh_backoff(&pauses)) {
        uint64_t fuller = oh_rate_refund(&l->rate, state, cost);
        if (oh_likely(oh_cas_weak_acqrel_acquire(&l->cell[index], &state, fuller))) /* T2 */
            return;
    }
}

/* Fills a bucket. */
static inline void oh_rate_limiter_reset(oh_rate_limiter_t *l, uint64_t index) {
    oh_store_release(&l->cell[index], OH_STATE_FULL); /* T2 */
}

/* The limiter's invariants, and that no bucket lies more than a window ahead of time, the latest
 * that a take was given. */
bool oh_rate_limiter_valid(const oh_rate_limiter_t *l, uint64_t time);

#endif
