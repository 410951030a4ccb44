/*
 * oh_id_generator: unique, rising 63-bit ids of the time, a node's number and a sequence number,
 * after Twitter's Snowflake (2010).
 *
 *     bits    1   the others                     node_bits   sequence_bits
 *           | 0 | milliseconds since the epoch | node      | sequence      |
 *
 * Milliseconds and sequence without the node, in one number, are a slot: (ms << sequence_bits) |
 * sequence. The generator is one word, the first slot not given out yet, and only ever raises it. A
 * call takes slots from there on, or, if the clock is beyond, from the clock's millisecond on. So
 * when the clock goes back, ids go on from the last one's millisecond.
 *
 * How far: slots may be of a millisecond that is later than the clock's by ahead_ms at the most;
 * those left in the millisecond of the last slot given out are always free to take. A call that
 * would need more takes nothing.
 *
 * Call                  Threads  Memory order                 Progress
 * --------------------  -------  ---------------------------  -----------------------------
 * take, take_now        any      acq_rel, acquire on failure  lock-free, backs off
 * id, batch_max         any      reads what never changes     wait-free
 * valid                 any      acquire                      wait-free
 * init                  one      the caller publishes         wait-free
 */
#ifndef OH_ID_GENERATOR_H
#define OH_ID_GENERATOR_H

#include "oh_atomic.h"
#include "oh_common.h"

/* node_bits + sequence_bits at most: leaves 39 bits, 17 years, for the time. */
#define OH_ID_BITS_MAX 24
/* Times are within -2^53..2^53 ms of 1970. */
#define OH_ID_TIME_MAX ((int64_t)1 << 53)
/* A day. */
#define OH_ID_AHEAD_MS_MAX ((int64_t)86400 * 1000)
/* Slots that one call may take, whatever the layout. */
#define OH_ID_BATCH_MAX ((uint64_t)1 << 20)
/* For wait_ms: no time will come. */
#define OH_ID_NEVER (-1)

typedef struct {
    int64_t epoch_ms;       /* since 1970 */
    uint64_t node;          /* below 2^node_bits */
    unsigned node_bits;     /* from 0 */
    unsigned sequence_bits; /* from 1 */
    int64_t ahead_ms;       /* how far ids may run ahead of the clock */
} oh_id_layout_t;

typedef struct {
    oh_id_layout_t layout; /* never changes, as the three that follow from it */
    int64_t ms_max;        /* the last millisecond since the epoch that ids have room for */
    uint64_t slots_end;    /* the slot after its last */
    uint64_t ahead_slots;  /* those of one millisecond and of the ahead_ms after it */
    _Atomic uint64_t next; /* the first slot not given out; 0 at the start */
} oh_id_generator_t;

/* A generator that has given out nothing. OH_BADARG for a layout outside its domain. */
oh_status_t oh_id_generator_init(oh_id_generator_t *g, const oh_id_layout_t *layout);

/* Slots that one call may take: more would never be free at once. */
static inline uint64_t oh_id_generator_batch_max(const oh_id_generator_t *g) {
    return g->ahead_slots < OH_ID_BATCH_MAX ? g->ahead_slots : OH_ID_BATCH_MAX;
}

/*
 * Takes count slots in a row at the time now_ms (since 1970, within OH_ID_TIME_MAX), all or none.
 * OH_OK: *first is the first of them. OH_EXHAUSTED: *wait_ms is after how many milliseconds they
 * would be free if nobody takes any meanwhile, or OH_ID_NEVER: the bits for the time are used up.
 * OH_BADARG: count is not in 1..batch_max.
 */
oh_status_t oh_id_generator_take(oh_id_generator_t *g, uint64_t count, int64_t now_ms,
                                 uint64_t *first, int64_t *wait_ms);

/* The same by the system's clock: at first that of its last tick (1 to 10 ms ago, but a fourth of
 * the price), and to the millisecond before it refuses. */
oh_status_t oh_id_generator_take_now(oh_id_generator_t *g, uint64_t count, uint64_t *first,
                                     int64_t *wait_ms);

/* The id of a slot. */
static inline uint64_t oh_id_generator_id(const oh_id_generator_t *g, uint64_t slot) {
    const oh_id_layout_t *l = &g->layout;
    uint64_t sequence_mask = ((uint64_t)1 << l->sequence_bits) - 1;
    return (slot & ~sequence_mask) << l->node_bits | l->node << l->sequence_bits |
           (slot & sequence_mask);
}

/* The layout is within its domain, and so is the next slot. */
bool oh_id_generator_valid(oh_id_generator_t *g);

#endif
