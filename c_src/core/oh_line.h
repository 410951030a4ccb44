/*
 * oh_line: a line of waiters, first come first served, who sleep until there may be something for
 * the first of them.
 *
 * Who may have made something available pokes the line, in any thread and without waiting for
 * anybody. The first waiter is then called, once; it looks itself whether there is enough. If not,
 * it stays first and is called again at the next poke. So what becomes available is never promised
 * to a waiter that has died, and nobody passes the first.
 *
 *   join --> ... --> first --poke: called--> ready: looks --enough--> leave: the next one is called
 *                      ^---------------------not enough--------'
 *
 * No call is lost: `ready` takes note that the waiter looks from now on, so a later poke calls it
 * again; and a waiter joins before it looks for the last time.
 *
 * Call     Threads                          Order    Progress
 * -------  -------------------------------  -------  ----------------------------------------------
 * waiting  any                              seq_cst  wait-free
 * poke     any                              seq_cst  never waits; at times does what another thread
 *                                                    that holds the lock would have to
 * abandon  any, destructors included        seq_cst  as poke
 * join,    the waiter; not in a destructor  seq_cst  blocking: a lock for less than a microsecond
 * ready,
 * leave
 * init     one
 *
 * W1-W2: a waiter joins (W1), then looks; a giver gives, then reads `waiting` (W2); all seq_cst.
 * One of the two sees the other's.
 *
 * doc/models/line.pml tries all interleavings of two waiters and givers.
 *
 * The lock guards the links. A poke only tries it: if it is held, the holder serves in the poker's
 * place when it unlocks (P1-P2 in oh_line.c).
 */
#ifndef OH_LINE_H
#define OH_LINE_H

#include "oh_atomic.h"
#include "oh_common.h"
#include "oh_lock.h"

/* Stands in what the host knows of a waiter. */
typedef struct oh_waiter {
    uint64_t wanted;            /* of what is waited for; set before it joins */
    struct oh_waiter *previous; /* guarded by the lock */
    struct oh_waiter *next;
    bool called;                 /* since it last looked */
    struct oh_waiter *abandoned; /* the next one that was abandoned */
} oh_waiter_t;

typedef struct {
    /* Both under the lock; context is what the caller of the line's function gave. */
    void (*call)(oh_waiter_t *waiter, void *context); /* tells it that it may look */
    void (*end)(oh_waiter_t *waiter);                 /* ends one that was abandoned */
} oh_line_host_t;

typedef struct {
    oh_line_host_t host;
    _Atomic uint32_t waiting;
    _Atomic uint64_t wanted; /* by all of them */
    _Atomic uint32_t poked;  /* 0 or 1 */
    oh_lock_t lock;
    oh_waiter_t *first; /* guarded by the lock */
    oh_waiter_t *last;
    _Atomic(oh_waiter_t *) abandoned;
} oh_line_t;

/* An empty line, before others see it. */
void oh_line_init(oh_line_t *line, oh_line_host_t host);

/* Waiters, at one moment. */
static inline uint32_t oh_line_waiting(oh_line_t *line) {
    return oh_load_seqcst(&line->waiting); /* W2: pairs with W1 */
}

/* What all waiters want together, at one moment. */
static inline uint64_t oh_line_wanted(oh_line_t *line) {
    return oh_load_relaxed(&line->wanted);
}

/* Puts the waiter, which the caller owns, at the end. It must look after that. */
void oh_line_join(oh_line_t *line, oh_waiter_t *waiter, void *context);

/* True if the waiter is first and may look. It is called again after the next poke. */
bool oh_line_ready(oh_line_t *line, oh_waiter_t *waiter, void *context);

/* Takes the waiter out; it is called no more, and the first one is. The caller owns it again. */
void oh_line_leave(oh_line_t *line, oh_waiter_t *waiter, void *context);

/* The same where nobody may wait: the line ends the waiter, now or soon. */
void oh_line_abandon(oh_line_t *line, oh_waiter_t *waiter, void *context);

/* Calls the first waiter, unless it was called and has not looked yet. */
void oh_line_poke(oh_line_t *line, void *context);

/* True if links and count agree. No call may be under way. */
bool oh_line_valid(oh_line_t *line);

#endif
