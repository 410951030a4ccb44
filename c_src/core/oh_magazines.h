/*
 * oh_magazines: a cache of nodes in classes, which threads mostly use without meeting.
 *
 * After Bonwick and Adams, "Magazines and Vmem" (USENIX 2001): each thread has a magazine of a few
 * rounds for each class, and the threads share a depot of whole magazines. A full one goes to the
 * depot by half, an empty one is filled from there by as much, so that a thread meets the others
 * once in 8 puts or takes at the most often, and not at all while it puts and takes in turns.
 *
 *   thread 0  [class 0: 15 slots] [class 1: 15 slots] ...      made when the thread first puts
 *   thread 1  [class 0: 15 slots] ...
 *   depot     class 0: stacks of chains of up to 8 nodes   class 1: ...
 *
 * Unlike there, what lies in a magazine can be had by all: a cap on the nodes' memory must never
 * refuse one thread because of what another, which sleeps or has ended, keeps. So each slot is an
 * atomic word, and a node goes in and out by exchange: whoever gets a name out of a slot owns the
 * node, and a name put where another had put one meanwhile gives that one back to the putter. That
 * a magazine has one thread is so what makes it fast, not what makes it right; two threads may
 * share one. An exchange on a cache line that no other processor uses costs 2 ns; where processors
 * meet on it, 50 and more.
 *
 * `top` of a magazine says where its thread looks first, no more: slots below may be empty because
 * somebody stole, and one above may be full because two threads share it.
 *
 * Call         Threads  Order             Progress
 * -----------  -------  ----------------  -------------------------------------------------------
 * put          any      release, seq_cst  lock-free; at the thread's first put as the allocator
 * take         any      acquire           lock-free
 * steal        any      acquire           lock-free; looks at all threads' magazines of the class
 * sift         any      acquire, release  lock-free; one at a time for a class is enough
 * is_empty     any      seq_cst           wait-free
 * bytes        any      acquire           wait-free
 * init, free,  one
 * valid
 *
 * A1-R1: who takes a node sees all that was done to it before it was put.
 *
 * R5: pairs with the A5 of its user. A put is seq_cst, so that a user may put and then look at a
 * flag which another thread sets before it steals all: one of the two sees the other's.
 *
 * Nodes on their way between depot and magazines, or in a sift's hands, are nowhere to be stolen.
 * Each way is counted at its beginning and at its end, so that is_empty can tell "nothing there"
 * from "nothing there just now": no way was under way when it began to look, and none began until
 * it had looked everywhere. (A put that goes where it has looked already comes after that moment; a
 * take makes emptier.)
 */
#ifndef OH_MAGAZINES_H
#define OH_MAGAZINES_H

#include "oh_atomic.h"
#include "oh_common.h"
#include "oh_freelist.h"
#include "oh_thread.h"

/* Stands first in each node. */
typedef struct {
    oh_freelist_node_t node; /* first of a chain: the chain below in the depot */
    _Atomic uint32_t chain;  /* the next node of the chain, or OH_FREELIST_NONE */
} oh_magazine_node_t;

#define OH_MAGAZINE_SLOTS   15
#define OH_MAGAZINE_CHAIN   8
#define OH_MAGAZINE_THREADS 256 /* those of later threads are shared */

/* One cache line. */
typedef struct {
    _Atomic uint32_t top;                     /* slots that may be full, but see above */
    _Atomic uint32_t slot[OH_MAGAZINE_SLOTS]; /* name + 1; 0: empty */
} oh_magazine_t;

_Static_assert(sizeof(oh_magazine_t) == OH_CACHE_LINE, "a magazine is one cache line");

/* Two stacks: a sift moves what it keeps from one to the other. */
typedef struct {
    oh_freelist_t chains[2];
    _Atomic uint32_t front; /* the one to push to, and to look at first */
    char pad[OH_CACHE_LINE - 2 * sizeof(oh_freelist_t) - sizeof(uint32_t)];
} oh_depot_t;

typedef struct {
    oh_nodes_t *nodes; /* borrowed */
    uint32_t class_count;
    oh_depot_t *depot;                                /* owned: one for each class */
    _Atomic(oh_magazine_t *) of[OH_MAGAZINE_THREADS]; /* owned: class_count each, or NULL */
    _Atomic uint32_t places;                          /* beyond these there is no magazine */
    char pad[OH_CACHE_LINE];
    _Atomic uint64_t begun; /* ways between depot and magazines */
    _Atomic uint64_t ended;
} oh_magazines_t;

/* What a sift asks about a node, which it owns meanwhile. True: the node is the callee's from here
 * on; false: it stays in the cache. Must not put or take. */
typedef bool (*oh_magazines_pick_t)(void *context, uint32_t name);

/* Empty, for classes 0..class_count-1. OH_ENOMEM. */
oh_status_t oh_magazines_init(oh_magazines_t *m, oh_nodes_t *nodes, uint32_t class_count);

/* Ends the cache; the nodes in it are forgotten. No other call may be under way. */
void oh_magazines_free(oh_magazines_t *m);

/* What put and take do where the thread's magazine does not serve. */
void oh_magazines_put_slow(oh_magazines_t *m, uint32_t class, uint32_t name);
uint32_t oh_magazines_take_slow(oh_magazines_t *m, uint32_t class);
/* Gives a name that was found in a slot to the depot. */
void oh_magazines_displace(oh_magazines_t *m, uint32_t class, uint32_t name);

/* The magazines at the thread's place, or NULL. */
static inline oh_magazine_t *oh_magazines_own(oh_magazines_t *m) {
    return oh_load_acquire(&m->of[oh_thread_index() % OH_MAGAZINE_THREADS]); /* A7 */
}

/* The name that was in the slot, whose node the caller then owns, or OH_FREELIST_NONE. */
static inline uint32_t oh_magazine_empty(oh_magazine_t *magazine, uint32_t i) {
    if (oh_load_relaxed(&magazine->slot[i]) == 0)
        return OH_FREELIST_NONE;
    return oh_exchange_seqcst(&magazine->slot[i], 0) - 1; /* A1: pairs with R1 */
}

/* Puts a name into a slot that should be empty. What is in it, because two threads share the
 * magazine, goes to the depot. */
static inline void oh_magazine_fill(oh_magazines_t *m, uint32_t class, oh_magazine_t *magazine,
                                    uint32_t i, uint32_t name) {
    uint32_t there = oh_exchange_seqcst(&magazine->slot[i], name + 1); /* R1, R5 */
    if (oh_unlikely(there != 0))
        oh_magazines_displace(m, class, there - 1);
}

/* Puts the node, which the caller must own, and owns no more. */
static inline void oh_magazines_put(oh_magazines_t *m, uint32_t class, uint32_t name) {
    oh_magazine_t *magazine = oh_magazines_own(m);
    uint32_t top;
    if (oh_unlikely(magazine == NULL) ||
        oh_unlikely((top = oh_load_relaxed(&magazine[class].top)) >= OH_MAGAZINE_SLOTS)) {
        oh_magazines_put_slow(m, class, name);
        return;
    }
    oh_store_relaxed(&magazine[class].top, top + 1);
    oh_magazine_fill(m, class, &magazine[class], top, name);
}

/* A node of the class from the thread's magazine or the depot, which the caller then owns, or
 * OH_FREELIST_NONE. */
static inline uint32_t oh_magazines_take(oh_magazines_t *m, uint32_t class) {
    oh_magazine_t *magazine = oh_magazines_own(m);
    uint32_t top;
    if (oh_unlikely(magazine == NULL) ||
        oh_unlikely((top = oh_load_relaxed(&magazine[class].top)) == 0))
        return oh_magazines_take_slow(m, class);
    oh_store_relaxed(&magazine[class].top, top - 1);
    uint32_t name = oh_magazine_empty(&magazine[class], top - 1);
    return oh_likely(name != OH_FREELIST_NONE) ? name : oh_magazines_take_slow(m, class);
}

/* The same from anywhere, other threads' magazines included. */
uint32_t oh_magazines_steal(oh_magazines_t *m, uint32_t class);

/* Shows each node of the class that is and stays cached to pick; those that come meanwhile perhaps,
 * perhaps twice. */
void oh_magazines_sift(oh_magazines_t *m, uint32_t class, oh_magazines_pick_t pick, void *context);

/* Ways begun so far. */
static inline uint64_t oh_magazines_moves(oh_magazines_t *m) {
    return oh_load_seqcst(&m->begun);
}

/* True if so many have ended too, and no other has begun. */
static inline bool oh_magazines_is_settled(oh_magazines_t *m, uint64_t moves) {
    return oh_load_seqcst(&m->ended) == moves && oh_load_seqcst(&m->begun) == moves;
}

/* True if there was a moment during the call when no node was in the cache or on its way. */
bool oh_magazines_is_empty(oh_magazines_t *m);

/* A user that takes nodes away and brings something else for them counts that as a way too. */
static inline void oh_magazines_begin_way(oh_magazines_t *m) {
    oh_fetch_add_seqcst(&m->begun, 1);
}

static inline void oh_magazines_end_way(oh_magazines_t *m) {
    oh_fetch_add_seqcst(&m->ended, 1);
}

/* Bytes that depot and magazines take. */
size_t oh_magazines_bytes(oh_magazines_t *m);

/* True if each node is in the cache at most once and each chain is short. seen is an array of a
 * zeroed class + 1 for each node, which gets those of the nodes in the cache. No other call may be
 * under way. */
bool oh_magazines_valid(oh_magazines_t *m, uint32_t *seen);

#endif
