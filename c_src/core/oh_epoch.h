/*
 * oh_epoch: epoch-based reclamation, so that readers follow pointers without a lock.
 *
 * A reader pins the epoch, follows pointers, copies what it needs, unpins. A writer takes an object
 * out of every shared place and then retires it; it is freed once every thread that was pinned at
 * that moment has unpinned. After K. Fraser, "Practical lock-freedom" (2004), with one global epoch
 * and a record a thread.
 *
 * Call      Threads                   Progress
 * --------  ------------------------  -----------------------------------------------------
 * pin       any, not nested           wait-free, but a thread's first, which makes its record
 * unpin     the thread that pinned    wait-free
 * retire    any, pinned               lock-free
 * collect   any, pinned or not        non-blocking: one collects at a time, others return at once
 * hold      any, pinned or not        lock-free: again only if the pointer changes meanwhile
 * held      any, pinned or not        wait-free, in the number of threads
 * advance   any, pinned or not        as collect
 * drain     one, nobody pinned        blocking: tests and shutdown only
 *
 * There is one domain in a process. It outlives a reload of the library: the new code attaches to
 * the domain of the old (oh_epoch_attach). The layout of its structures is therefore versioned.
 *
 * Why it is safe. Let an object be retired with tag T, the global epoch that the pinned retirer
 * loaded.
 *
 *   1. A pinned thread holds the epoch down: advance (A2) reads every record by a read-modify-write
 * and passes only if each pinned record shows the current epoch. So while the retirer is pinned the
 *      global epoch is at most T + 1.
 *   2. Pin (P1) and scan (A2) are both read-modify-writes of the record's state, so one comes
 * first. If the pin comes first, the scan sees it. If the scan comes first, the pin reads what the
 * scan wrote and synchronises with it: all that the scanning thread knew, in particular every
 * unlink before the object's retirement, is visible to the reads after the pin, which cannot reach
 * the object.
 *   3. The advance from T + 2 to T + 3 scans after the retirer unpinned (1), hence after the
 * unlink. By 2, each thread it finds pinned at T + 2 cannot reach the object (its pin loaded the
 * epoch by acquire from an advance that came after the unlink), and no thread is pinned below.
 *   4. Collect frees objects with T + 3 <= global epoch. Unpin is a release (U1) that the scan
 * acquires (A2), so every access of every reader happens before the free.
 *
 * A pin costs 2.3 ns here (one exchange). A plain store with membarrier(2) on the writer's side
 * would cost 0.5 ns, is Linux's alone, and takes an interrupt to every core at each advance: not
 * worth 1.8 ns of a 30 ns call.
 *
 * Holding. A pin ends with the call that took it; a hold lasts until the same thread holds
 * something else at the same place, so nobody needs to end it: for objects that are few and small,
 * and found in places from which no call has a way back. (Hazard pointers: M. Michael, 2004,
 * without the end.) Who took an object out of its shared place by a seq_cst store (H3) and finds it
 * held by nobody (H2) knows that nobody uses it: a thread that holds it stored that (H1) before it
 * found it still in its place (H4), and all four are seq_cst. What a thread holds it may look at
 * before anything else, which is what makes the usual case cheap: it finds there what it wants
 * again.
 */
#ifndef OH_EPOCH_H
#define OH_EPOCH_H

#include "oh_atomic.h"
#include "oh_common.h"

/* Stands inside each object that is retired. The object's owner fills in nothing: retire does. */
typedef struct oh_retired {
    struct oh_retired *next;
    void (*free)(struct oh_retired *self); /* bounded work; must not pin or retire */
    uint64_t epoch;
    size_t bytes;
} oh_retired_t;

/* Objects that a thread holds at once. */
#define OH_EPOCH_HOLDS 4

/* A thread's record, alone in its cache line. */
typedef struct oh_epoch_record {
    _Atomic uint64_t state; /* 0: not pinned; else epoch << 1 | 1 */
    _Atomic bool in_use;    /* false once its thread ended: another thread may take it */
    struct oh_epoch_record *next;
    _Atomic(void *) held[OH_EPOCH_HOLDS];
} oh_epoch_record_t;

_Static_assert(sizeof(oh_epoch_record_t) <= OH_CACHE_LINE, "a record is one cache line");

typedef struct oh_epoch_domain oh_epoch_domain_t;

/* What was retired at an epoch may be freed, or used again, when the epoch is this much further. */
#define OH_EPOCH_GRACE 3

typedef struct {
    uint64_t epoch;
    uint64_t records;       /* thread records, those of ended threads included */
    uint64_t pending;       /* retired and not yet freed */
    uint64_t pending_bytes; /* what they said they hold */
} oh_epoch_stats_t;

extern _Thread_local oh_epoch_record_t *oh_epoch_self OH_TLS_FAST;
extern oh_epoch_domain_t *oh_epoch_domain;

/* Makes this library use domain, or a new one for NULL. OH_ENOMEM. Before all other calls; again
 * with the same domain is allowed. */
oh_status_t oh_epoch_attach(oh_epoch_domain_t *domain);

/* The library's code goes away while the domain stays: threads that end later do not call into it.
 */
void oh_epoch_detach(void);

/* Frees the domain, records included; all that is retired is freed first. Tests only. */
void oh_epoch_destroy(void);

/* Finds or makes the calling thread's record; NULL when memory is out. */
oh_epoch_record_t *oh_epoch_register(void);

/* The global epoch, alone in the domain's first line. */
static inline _Atomic uint64_t *oh_epoch_global(void) {
    return (_Atomic uint64_t *)(void *)oh_epoch_domain;
}

/* The epoch now. Order: acquire. */
static inline uint64_t oh_epoch_now(void) {
    return oh_load_acquire(oh_epoch_global());
}

/* Pins the calling thread: until unpin, nothing that it can reach by acquire loads is freed. False
 * when the thread's record could not be allocated. Order: acquire and release. */
static inline bool oh_epoch_pin(void) {
    oh_epoch_record_t *self = oh_epoch_self;
    if (oh_unlikely(self == NULL) && (self = oh_epoch_register()) == NULL)
        return false;
    uint64_t epoch = oh_epoch_now();
    oh_exchange_acqrel(&self->state, epoch << 1 | 1); /* P1: pairs with A2 */
    return true;
}

/* Order: release. */
static inline void oh_epoch_unpin(void) {
    oh_store_release(&oh_epoch_self->state, 0); /* U1: pairs with A2 */
}

/* The object that *from points to, NULL included, kept by oh_epoch_held until the calling thread
 * holds something else at the same place, one of OH_EPOCH_HOLDS. NULL also when the thread's record
 * could not be allocated. Order: acquire. */
void *oh_epoch_hold(_Atomic(void *) *from, uint32_t place);

/* What the calling thread holds there, or NULL. */
static inline void *oh_epoch_holding(uint32_t place) {
    const oh_epoch_record_t *self = oh_epoch_self;
    return oh_likely(self != NULL) ? oh_load_relaxed(&self->held[place]) : NULL;
}

/* Whether a thread holds the object, which the caller has taken out of every place that somebody
 * may hold it from, by a seq_cst store. False lasts. */
bool oh_epoch_held(const void *object);

/* Hands over an object that no shared place points to any more: free(object) runs on some thread,
 * after every thread pinned now has unpinned. bytes is for the statistics. The caller is pinned,
 * and may use the object until it unpins. */
void oh_epoch_retire(oh_retired_t *object, size_t bytes, void (*free)(oh_retired_t *self));

/* Tries to advance the epoch and frees at most budget objects. Returns how many it freed. */
size_t oh_epoch_collect(size_t budget);

/* Moves the epoch on by one if all pinned threads have seen it, for who reuses memory by the epoch
 * without retiring it here. May free a few objects on the way. Any thread, pinned or not;
 * non-blocking. */
void oh_epoch_advance(void);

/* Frees everything retired. The caller knows that no thread is pinned. */
void oh_epoch_drain(void);

/* Objects retired and not yet freed. */
uint64_t oh_epoch_pending(void);

/* The domain as it is now, field by field. */
oh_epoch_stats_t oh_epoch_stats(void);

/* The invariants: no record pinned beyond the global epoch, none more than the argument above
 * allows behind it, nothing on the ready list too young. Any thread, any time. */
bool oh_epoch_valid(void);

#endif
