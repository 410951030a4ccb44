/*
 * oh_pool: leased blocks of bytes, recycled through lock-free stacks, one for each size class.
 *
 * A buffer (oh_buffer.h) is a node that lives as long as its pool's memory and mostly keeps its
 * block over its leases. When nobody has it, it stands on one of two kinds of stacks:
 *
 *   cached[class]  has a block of the class's size, and maybe a handle of the host's
 *   bare           has neither
 *
 * Else it is owned exclusively by the thread that popped or finished it, or is out on lease.
 *
 *            take                     oh_buffer_open          release, leave: the finisher
 *   cached ---------> exclusive owner ---------------> leased ------------------> exclusive owner
 *   bare, new node /                                                                  |  put
 *                                   cached[class] <-----------------------------------+
 *                                   or the block is freed and the buffer bare  <------+
 *
 * Sizes are classes, four to a doubling, from 64 bytes to `largest`; what is larger gets a block of
 * its own in whole pages, which is freed and never kept. `footprint` is the bytes of all blocks
 * that exist (leased, frozen, cached); it never passes max_bytes. It changes only when a block is
 * made or freed, so that the usual take and put touch one shared word, the stack's head. Freeing is
 * O(1): what takes the system long is left to the reaper (oh_reaper.h).
 *
 * Call                      Threads  Memory order           Progress
 * ------------------------  -------  ---------------------  ---------------------------------
 * take, from a stack        any      acquire                lock-free
 * take, a new block         any                             lock-free but for the allocator
 * put                       any      release, then seq_cst  lock-free; the allocator if closed
 * trim, evict               any                             as put, for each block
 * close                     any, more than once
 * retire                    once, for a reference           wait-free
 * ref, unref                any      unref: acq_rel         wait-free; the last: as reaper_push
 * next, ref_at              any      acquire                as those of the registry
 * hold, let_go              any      acq_rel                lock-free
 * at, count, stats          any      acquire                wait-free
 * valid                     alone
 *
 * R5-A5: close stores `closed`, then empties the stacks; put pushes, then reads `closed` (all
 * seq_cst). One of the two sees the other's, so no block is left behind on a closed pool's stack.
 */
#ifndef OH_POOL_H
#define OH_POOL_H

#include "oh_atomic.h"
#include "oh_buffer.h"
#include "oh_common.h"
#include "oh_freelist.h"
#include "oh_reaper.h"
#include "oh_registry.h"

#define OH_POOL_SMALLEST    ((uint64_t)64)
#define OH_POOL_LARGEST_MAX ((uint64_t)1 << 30)
/* Steps a doubling is divided into, as a power of two. */
#define OH_POOL_STEP_BITS 2
#define OH_POOL_CLASSES   (((30 - 6) << OH_POOL_STEP_BITS) + 1)
/* What max_bytes means when there is no cap, and the most a block may have. */
#define OH_POOL_NO_CAP    UINT64_MAX
#define OH_POOL_BLOCK_MAX ((uint64_t)1 << 46)

typedef struct {
    uint64_t max_bytes; /* cap on footprint, OH_POOL_NO_CAP for none */
    uint64_t largest;   /* 64..2^30: the largest class, rounded up to a class */
} oh_pool_options_t;

/* Ends a handle that the pool held with a cached buffer; called with no buffer in hand. */
typedef void (*oh_pool_drop_t)(void *handle);

typedef struct {
    oh_freelist_t list;
    char pad[OH_CACHE_LINE - sizeof(oh_freelist_t)];
} oh_pool_list_t;

typedef struct {
    /* never changes */
    uint64_t max_bytes;
    uint64_t largest;
    uint32_t class_count;

    oh_reaper_job_t retirement; /* by retire, then by the last unref */
    oh_pool_drop_t drop;

    oh_registry_entry_t *entry; /* counts the references */
    _Atomic uint64_t handles;   /* the host's, each with a reference; by hold and let_go */
    _Atomic bool closed;
    oh_nodes_t nodes;

    /* moved off the usual path only */
    char pad[OH_CACHE_LINE];
    _Atomic uint64_t footprint; /* bytes of all blocks */
    _Atomic uint64_t made;      /* blocks ever made */
    _Atomic uint64_t refused;   /* leases refused for the cap; counted by the host */
    _Atomic uint64_t reclaimed; /* leases whose owner was dead; counted by the host */
    _Atomic uint64_t dropped;   /* leases ended by their handle's collection; by the host */
    oh_pool_list_t bare;
    oh_pool_list_t cached[OH_POOL_CLASSES];
} oh_pool_t;

typedef struct {
    uint64_t leases; /* begun so far */
    uint64_t leased; /* out now, writable or frozen */
    uint64_t leased_bytes;
    uint64_t frozen; /* of these and of the released: frozen bytes still referred to */
    uint64_t frozen_bytes;
    uint64_t cached; /* ready for the next lease */
    uint64_t cached_bytes;
} oh_pool_stats_t;

/* A pool with one reference in *pool. OH_BADARG for options out of range, OH_ENOMEM. */
oh_status_t oh_pool_new(const oh_pool_options_t *options, oh_pool_t **pool);

/* One more reference; the caller must have one. The registry gives others: oh_pool_next. */
void oh_pool_ref(oh_pool_t *pool);

/* One reference less. After the last one the reaper frees the pool, all buffers and their blocks;
 * none may be in use. O(1): for destructors. */
void oh_pool_unref(oh_pool_t *pool);

/* The next pool in the registry, with a reference for the caller: see oh_registry_next. Pools are
 * listed as long as anything refers to them, leases and frozen bytes included. */
oh_pool_t *oh_pool_next(uint32_t *name, uint32_t *budget);

/* The pool of an entry with a reference, or NULL: see oh_registry_ref_at. */
oh_pool_t *oh_pool_ref_at(uint32_t name, uint32_t generation);

/* The host's handles of a pool, of which oh_pool_new makes the first. hold: one more, for whoever
 * has a reference; false if there is none left, which is for good. let_go: one less; true for the
 * last, after which the caller retires the pool. */
bool oh_pool_hold(oh_pool_t *pool);
bool oh_pool_let_go(oh_pool_t *pool);

/* No lease from now on; cached blocks and handles are freed, those out when they come back. */
void oh_pool_close(oh_pool_t *pool, oh_pool_drop_t drop);

/* Closes the pool and ends one reference on the reaper's thread, soon: for a destructor, which has
 * no time to free all that is cached. Once for a pool. */
void oh_pool_retire(oh_pool_t *pool, oh_pool_drop_t drop);

static inline bool oh_pool_is_closed(oh_pool_t *pool) {
    return oh_load_seqcst(&pool->closed); /* A5 */
}

/* The class for size bytes, size <= largest; and the bytes of a class. */
uint32_t oh_pool_class(uint64_t size);
uint64_t oh_pool_class_bytes(uint32_t class);

/* The bytes of the block that a lease of size gets at the least; OH_POOL_NO_CAP if there can be
 * none. */
uint64_t oh_pool_block_bytes(const oh_pool_t *pool, uint64_t size);

/* A buffer of at least size bytes in *b, RELEASED, for the caller to own exclusively;
 * oh_buffer_open makes it a lease. A size above the cap is OH_LIMIT: no patience helps.
 * OH_EXHAUSTED: the cap is reached; evict may help. OH_ENOMEM. OH_CLOSED. */
oh_status_t oh_pool_take(oh_pool_t *pool, uint64_t size, oh_buffer_t **b);

/* Gives a buffer back that the caller owns exclusively, with its block and handle; the caller must
 * not touch it after. */
void oh_pool_put(oh_pool_t *pool, oh_buffer_t *b, oh_pool_drop_t drop);

/* Frees cached blocks, the largest first, until bytes more fit under the cap. True if they do. */
bool oh_pool_evict(oh_pool_t *pool, uint64_t bytes, oh_pool_drop_t drop);

/* Frees at most count cached blocks; returns how many. */
uint64_t oh_pool_trim(oh_pool_t *pool, uint64_t count, oh_pool_drop_t drop);

/* All buffers ever made, by name 0..count-1: for looking at their words, sizes and owners. */
static inline uint32_t oh_pool_count(oh_pool_t *pool) {
    return oh_nodes_count(&pool->nodes);
}

static inline oh_buffer_t *oh_pool_at(oh_pool_t *pool, uint32_t name) {
    return oh_nodes_at(&pool->nodes, name);
}

/* Adds buffers from..to-1 to *stats. Each is looked at atomically; together they are not one
 * instant. */
void oh_pool_stats(oh_pool_t *pool, uint32_t from, uint32_t to, oh_pool_stats_t *stats);

/* True if all stacks and buffers agree and their blocks add up to the footprint. No other call may
 * be under way. */
bool oh_pool_valid(oh_pool_t *pool);

#endif
