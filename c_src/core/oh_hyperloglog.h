/*
 * oh_hyperloglog: how many distinct hashes were added, give or take 1.04 / sqrt(2^precision), in
 * 2^precision bytes (P. Flajolet, E. Fusy, O. Gandouet, F. Meunier, "HyperLogLog: the analysis of a
 * near-optimal cardinality estimation algorithm", 2007).
 *
 * The first precision bits of a hash choose a register, which keeps the longest run of zeros that
 * the others began with, plus one. Registers have a byte each, eight to a word. Caller's hashes
 * must be spread over all 64 bits.
 *
 * Call              Threads  Memory order                                    Progress
 * ----------------  -------  ----------------------------------------------  ---------
 * add               any      acquire; seq_cst if a register grows            lock-free
 * merge             any      the same, word by word; not one instant         lock-free
 * count, to_bytes   any      acquire, word by word; not one instant          wait-free
 * init, free,       one      the caller publishes                            as the
 * from_bytes                                                                 allocator
 *
 * Registers only grow, so a compare-and-swap loop ends after at most 8 * 61 failures.
 */
#ifndef OH_HYPERLOGLOG_H
#define OH_HYPERLOGLOG_H

#include "oh_atomic.h"
#include "oh_common.h"

#define OH_HYPERLOGLOG_PRECISION_MIN 4
#define OH_HYPERLOGLOG_PRECISION_MAX 18

typedef struct {
    unsigned precision;
    _Atomic uint64_t
        *word; /* owned; register i is byte i % 8, counted from the lowest, of word i / 8 */
} oh_hyperloglog_t;

/* Fills in *h with nothing counted. OH_BADARG for a precision outside 4..18; OH_ENOMEM. On an error
 * *h needs no free. */
oh_status_t oh_hyperloglog_init(oh_hyperloglog_t *h, unsigned precision);

/* Ends it. No other call may be under way. O(1). */
void oh_hyperloglog_free(oh_hyperloglog_t *h);

/* Registers, which is also what to_bytes writes in bytes. */
static inline size_t oh_hyperloglog_registers(const oh_hyperloglog_t *h) {
    return (size_t)1 << h->precision;
}

/* Adds a hash. True if a register grew, which the same hash never does twice. O(1) */
bool oh_hyperloglog_add(oh_hyperloglog_t *h, uint64_t hash);

/* Makes h count what other did, too. Equal precisions. About 0.3 ms for the largest. */
void oh_hyperloglog_merge(oh_hyperloglog_t *h, const oh_hyperloglog_t *other);

/* The estimated number of distinct hashes, by the improved raw estimator, which needs no table and
 * no switch between ranges (O. Ertl, "New cardinality estimation algorithms for HyperLogLog
 * sketches", 2017, algorithm 6). About 0.3 ms for the largest. */
double oh_hyperloglog_count(const oh_hyperloglog_t *h);

/* Writes register i as byte i. */
void oh_hyperloglog_to_bytes(const oh_hyperloglog_t *h, uint8_t *bytes);

/* The same the other way, into a fresh one that no other thread has. OH_BADARG for a byte that no
 * register can hold: *h then holds part of them. */
oh_status_t oh_hyperloglog_from_bytes(oh_hyperloglog_t *h, const uint8_t *bytes);

/* Whether each register holds what it can. */
bool oh_hyperloglog_valid(const oh_hyperloglog_t *h);

#endif
