/*
 * oh_counters: an array of 64-bit counters, each kept as the sum of several cells, so that threads
 * that add to the same counter do not contend for its cache line.
 *
 * The cells stand in stripes. A stripe holds one cell of every counter, one after the other, and
 * fills whole cache lines:
 *
 *     stripe 0   | c0 c1 c2 c3 c4 c5 c6 c7 | c8 c9 -- -- -- -- -- -- |
 *     stripe 1   | c0 c1 c2 c3 c4 c5 c6 c7 | c8 c9 -- -- -- -- -- -- |
 *
 * A thread adds to the stripe of its number (oh_thread), modulo the stripes: no line is shared
 * while there are as many stripes as threads. Reading all counters is a walk over each stripe from
 * end to end. The idea is that of D. Lea's LongAdder (java.util.concurrent.atomic, 2011).
 *
 * Values are words; arithmetic wraps modulo 2^64. The caller checks indices: 0 <= index < size.
 *
 * Call            Threads  Memory order                      Progress
 * --------------  -------  --------------------------------  ---------------------------------
 * add             any      seq_cst read-modify-write         wait-free on x86-64 and ARMv8.1
 * get, sum, read  any      acquire, cell by cell             wait-free, in cells read
 * put             any      seq_cst stores, cell by cell      wait-free, in stripes
 * take            any      seq_cst exchanges, cell by cell   wait-free, in cells taken
 * valid           any      acquire                           wait-free
 * init, free      one      the caller publishes              as the allocator
 *
 * With one stripe a counter is one cell: get, put and add each happen at one instant. With more:
 *
 *   - get adds up cells that it reads one after the other. No add that ended before is missed, none
 *     that begins later is counted; of those under way at the time any may be. So it is exact when
 *     nobody writes, and with only increments never below a value read before.
 *   - put sets the first cell to the value and the others to 0, in the order of the stripes. An add
 *     under way at the same time is wiped out or counted on top, whole either way. After several
 *     puts at once the counter holds the value of one of them. A get under way may mix cells of
 *     before and after.
 *   - take exchanges each cell for 0 and adds up what it got, so each add is part of exactly one
 *     take's result or still there to be read. A put under way may undo a part of it: puts set.
 */
#ifndef OH_COUNTERS_H
#define OH_COUNTERS_H

#include "oh_atomic.h"
#include "oh_common.h"
#include "oh_thread.h"

/* Cells that all stripes may have together: 2^40, 8 TiB. */
#define OH_COUNTERS_CELLS_MAX ((uint64_t)1 << 40)
/* Stripes at most: a get of that many reads 1024 lines, some 100 us when all are elsewhere. */
#define OH_COUNTERS_STRIPES_MAX 1024

typedef struct {
    uint64_t size;          /* counters; never changes, as the other two */
    uint64_t stripe_mask;   /* stripes - 1; their number is a power of two */
    uint64_t stripe_cells;  /* from a stripe to the next: size in whole cache lines */
    _Atomic uint64_t *cell; /* owned; zero at the start */
} oh_counters_t;

/* Fills in *c with size zeros in stripes stripes, rounded up to a power of two. OH_BADARG for 0 of
 * either, OH_LIMIT beyond the maxima, OH_ENOMEM; on an error *c needs no free. O(1) in size for big
 * arrays. */
oh_status_t oh_counters_init(oh_counters_t *c, uint64_t size, uint64_t stripes);

/* Ends the array. No other call may be under way. */
void oh_counters_free(oh_counters_t *c);

static inline uint64_t oh_counters_stripes(const oh_counters_t *c) {
    return c->stripe_mask + 1;
}

/* Bytes the cells take. */
static inline size_t oh_counters_bytes(const oh_counters_t *c) {
    return (size_t)(oh_counters_stripes(c) * c->stripe_cells) * sizeof(uint64_t);
}

static inline void oh_counters_add(oh_counters_t *c, uint64_t index, uint64_t increment) {
    uint64_t stripe = oh_thread_index() & c->stripe_mask;
    oh_fetch_add_seqcst(&c->cell[stripe * c->stripe_cells + index], increment);
}

static inline uint64_t oh_counters_get(const oh_counters_t *c, uint64_t index) {
    const _Atomic uint64_t *cell = &c->cell[index];
    uint64_t sum = oh_load_acquire(cell);
    for (uint64_t left = c->stripe_mask; left > 0; left--) {
        cell += c->stripe_cells;
        sum += oh_load_acquire(cell);
    }
    return sum;
}

/* Sets a counter: its first stripe to value, then each other one to 0. Additions under way count or
 * not. */
void oh_counters_put(oh_counters_t *c, uint64_t index, uint64_t value);

/* The sum of count counters from index on. */
uint64_t oh_counters_sum(const oh_counters_t *c, uint64_t index, uint64_t count);

/* The values of count counters from index on, as 64-bit words to values, which need not be aligned.
 */
void oh_counters_read(const oh_counters_t *c, uint64_t index, uint64_t count, void *values);

/* The counter's value, and it begins anew at 0. */
uint64_t oh_counters_take(oh_counters_t *c, uint64_t index);

/* The shape is right and nothing was written between the stripes. */
bool oh_counters_valid(const oh_counters_t *c);

#endif
