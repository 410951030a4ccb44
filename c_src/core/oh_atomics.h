/*
 * oh_atomics: an array of 64-bit cells, each read and changed atomically.
 *
 * Cells are words; arithmetic wraps modulo 2^64, so signed and unsigned arrays share every
 * function. The caller checks indices: 0 <= index < oh_atomics_size.
 *
 * Call                   Threads  Memory order                Progress
 * ---------------------  -------  --------------------------  ---------
 * get                    any      acquire                     wait-free
 * put                    any      seq_cst store               wait-free
 * add, add_get, exchange any      seq_cst read-modify-write   wait-free on x86-64 and ARMv8.1
 * compare_exchange       any      seq_cst, failure too        wait-free (one attempt, no loop)
 * sum, read              any      acquire, cell by cell       wait-free; not one instant
 * new, free              one      the caller publishes        as the allocator
 *
 * A put or read-modify-write is ordered with every other one (a full barrier, as in OTP's atomics).
 * A get that meets the value of a put sees all that came before the put.
 */
#ifndef OH_ATOMICS_H
#define OH_ATOMICS_H

#include "oh_atomic.h"
#include "oh_common.h"

/* Cells an array may have at most: 2^40, 8 TiB. */
#define OH_ATOMICS_SIZE_MAX ((uint64_t)1 << 40)

typedef struct {
    uint64_t size;          /* cells; never changes */
    _Atomic uint64_t *cell; /* owned; zero at the start */
} oh_atomics_t;

/* Fills in *a with an array of size zeros. OH_BADARG for size 0, OH_LIMIT beyond the maximum,
 * OH_ENOMEM; on an error *a needs no free. O(1) in size for big arrays. */
oh_status_t oh_atomics_init(oh_atomics_t *a, uint64_t size);

/* Ends the array. No other call may be under way. */
void oh_atomics_free(oh_atomics_t *a);

/* Bytes the cells take. */
static inline size_t oh_atomics_bytes(const oh_atomics_t *a) {
    return (size_t)a->size * sizeof(uint64_t);
}

static inline uint64_t oh_atomics_get(const oh_atomics_t *a, uint64_t index) {
    return oh_load_acquire(&a->cell[index]);
}

static inline void oh_atomics_put(oh_atomics_t *a, uint64_t index, uint64_t value) {
    oh_store_seqcst(&a->cell[index], value);
}

/* Returns the new value. */
static inline uint64_t oh_atomics_add_get(oh_atomics_t *a, uint64_t index, uint64_t increment) {
    return oh_fetch_add_seqcst(&a->cell[index], increment) + increment;
}

/* Returns the value that was there. */
static inline uint64_t oh_atomics_exchange(oh_atomics_t *a, uint64_t index, uint64_t desired) {
    return oh_exchange_seqcst(&a->cell[index], desired);
}

/* Stores desired if the cell holds *expected: true. Else *expected becomes what is there: false. */
static inline bool oh_atomics_compare_exchange(oh_atomics_t *a, uint64_t index, uint64_t *expected,
                                               uint64_t desired) {
    return oh_cas_seqcst_seqcst(&a->cell[index], expected, desired);
}

/* The sum, modulo 2^64, of count cells from index on. */
uint64_t oh_atomics_sum(const oh_atomics_t *a, uint64_t index, uint64_t count);

#endif
