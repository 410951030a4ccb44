/*
 * oh_pool: leased blocks of bytes, recycled through caches that threads mostly use without meeting.
 *
 * A buffer (oh_buffer.h) is a node that lives as long as its pool's memory and mostly keeps its
 * block over its leases. When nobody has it, it is in one of two places:
 *
 *   cached  has a block of a class's size, and maybe a handle of the host's (oh_magazines.h)
 *   bare    has neither (a stack)
 *
 * Else it is owned exclusively by the thread that took or finished it, or is out on lease.
 *
 *            take                     oh_buffer_open          release, leave: the finisher
 *   cached ---------> exclusive owner ---------------> leased ------------------> exclusive owner
 *   bare, new node /                                                                  |  put
 *                                          cached <-----------------------------------+
 *                                   or the block is freed and the buffer bare  <------+
 *
 * Sizes are classes, four to a doubling, from 64 bytes to `largest`; what is larger gets a block of
 * its own in whole pages, which is freed and never kept. `footprint` is the bytes of all blocks
 * that exist (leased, frozen, cached); it never passes max_bytes. It changes only when a block is
 * made or freed, so that the usual take and put touch no word that another thread writes. Freeing
 * is O(1): what takes the system long is left to the reaper (oh_reaper.h).
 *
 * Call                      Threads  Memory order           Progress
 * ------------------------  -------  ---------------------  ---------------------------------
 * take, from a cache        any      acquire                lock-free
 * take, a new block         any                             lock-free but for the allocator
 * take_at_cap               any                             as trim; may wait for trimmers, but
 *                                                           not for ever: not on a scheduler
 * put                       any      release, then seq_cst  lock-free; the allocator if closed
 * trim                      any                             as put, for each block
 * close                     any, more than once
 * retire                    once, for a reference           wait-free
 * ref, unref                any      unref: acq_rel         wait-free; the last: as reaper_push
 * next, ref_at              any      acquire                as those of the registry
 * hold, let_go              any      acq_rel                lock-free
 * at, count, stats, see,    any      acquire                wait-free
 * is_enough_for_all
 * valid                     alone
 *
 * R5-A5: close stores `closed`, then empties the caches; put and take read `closed` after they have
 * moved anything (all seq_cst). One of the two sees the other's, so no block is left behind in a
 * closed pool's cache.
 *
 * Who waits in `line` for bytes (the host puts them there) goes before all others: take leaves
 * everything to them. Whether there is enough for another besides, is_enough_for_all tells.
 */
#ifndef OH_POOL_H
#define OH_POOL_H

#include "oh_atomic.h"
#include "oh_block.h"
#include "oh_buffer.h"
#include "oh_common.h"
#include "oh_freelist.h"
#include "oh_line.h"
#include "oh_magazines.h"
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
    uint32_t align;     /* of blocks, OH_BLOCK_ALIGN_MIN..MAX, a power of two */
    bool huge_pages;    /* as oh_block_options_t says */
    bool zero;          /* blocks are all zero when they are leased, and cleared when freed */
    bool shared;        /* as oh_block_options_t says */
    oh_line_host_t line_host;
} oh_pool_options_t;

/* Options that ask for nothing particular. */
#define OH_POOL_OPTIONS ((oh_pool_options_t){.max_bytes = OH_POOL_NO_CAP, .align = OH_CACHE_LINE})

/* Ends a handle that the pool held with a cached buffer; called with no buffer in hand. */
typedef void (*oh_pool_drop_t)(void *handle);

typedef struct {
    /* never changes */
    uint64_t max_bytes;
    uint64_t largest;
    uint32_t class_count;
    bool zero;
    oh_block_options_t block;

    oh_reaper_job_t retirement; /* by retire, then by the last unref */
    oh_pool_drop_t drop;

    oh_registry_entry_t *entry; /* counts the references */
    _Atomic uint64_t handles;   /* the host's, each with a reference; by hold and let_go */
    oh_nodes_t nodes;
    oh_magazines_t magazines;
    _Atomic bool closed;
    oh_line_t line; /* who waits for bytes; by the host */

    /* moved off the usual path only */
    char pad[OH_CACHE_LINE];
    _Atomic uint64_t footprint; /* bytes of all blocks */
    _Atomic uint64_t made;      /* blocks ever made */
    _Atomic uint64_t refused;   /* leases refused for the cap; counted by the host */
    _Atomic uint64_t waited;    /* leases that had to wait; counted by the host */
    _Atomic uint64_t reclaimed; /* leases whose owner was dead; counted by the host */
    _Atomic uint64_t dropped;   /* leases ended by their handle's collection; by the host */
    oh_freelist_t bare;
} oh_pool_t;

typedef struct {
    uint64_t leases; /* begun so far */
    uint64_t leased; /* out now, writable or frozen */
    uint64_t leased_bytes;
    uint64_t frozen; /* frozen or shown by binaries, released ones included */
    uint64_t frozen_bytes;
    uint64_t cached; /* ready for the next lease */
    uint64_t cached_bytes;
} oh_pool_stats_t;

/* A pool with one reference in *out. OH_BADARG for options out of range, OH_ENOMEM. */
oh_status_t oh_pool_new(const oh_pool_options_t *options, oh_pool_t **out);

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
 * OH_EXHAUSTED: the cap is reached, or others wait. OH_ENOMEM. OH_CLOSED. */
oh_status_t oh_pool_take(oh_pool_t *pool, uint64_t size, oh_buffer_t **b, oh_pool_drop_t drop);

/* The same at the cap, and for the one whose turn it is: takes kept blocks of other threads and
 * frees kept ones of other sizes. OH_EXHAUSTED: so many bytes were out, frozen or in the hands of
 * somebody who makes or begins to use them, at one moment of the call. */
oh_status_t oh_pool_take_at_cap(oh_pool_t *pool, uint64_t size, oh_buffer_t **b,
                                oh_pool_drop_t drop);

/* True if the cap has room for a lease of size besides all that is out and all that waiters want:
 * nobody is passed by it then. Looks at all buffers, 3 ns each. Without this check one shortage
 * would make a line for ever: while one waiter wakes up, others would join. */
bool oh_pool_is_enough_for_all(oh_pool_t *pool, uint64_t size);

/* Gives a buffer back that the caller owns exclusively, with its block and handle; the caller must
 * not touch it after. A segment that another process may yet write (oh_shared_mark_late) is freed
 * and not kept. */
void oh_pool_put(oh_pool_t *pool, oh_buffer_t *b, oh_pool_drop_t drop);

/* Frees cached blocks, the largest first, until no more than to_bytes of blocks exist, but only
 * those that were in use last before the time before_ms (of oh_clock_ms; UINT64_MAX: all). Returns
 * how many. A block was in use when a lease of it began, and when oh_pool_see saw it leased. */
uint64_t oh_pool_trim(oh_pool_t *pool, uint64_t to_bytes, uint64_t before_ms, oh_pool_drop_t drop);

/* Notes that the buffer is leased now, for the age that trim goes by. */
static inline void oh_pool_see(oh_buffer_t *b, uint64_t now_ms) {
    oh_store_relaxed(&b->seen_ms, now_ms);
}

/* Bytes of memory that the pool takes, blocks and all. */
uint64_t oh_pool_memory(oh_pool_t *pool);

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

/* True if all caches and buffers agree and their blocks add up to the footprint. No other call may
 * be under way. */
bool oh_pool_valid(oh_pool_t *pool);

#endif
