/*
 * oh_histogram: counts of values by cell, with the sum, the lowest and the highest of them.
 *
 * A tally is one set of cells with the sums that belong to it. A histogram has one tally in which
 * everything ends up, the total, and a stripe for each thread that records: a tally that one thread
 * at a time holds. Recording takes a stripe by one exchange, counts with plain stores and lets go.
 * Who finds its stripe held takes another, so nobody waits: there are more stripes than threads
 * that record. Stripes are made when first needed.
 *
 *   histogram -> total                        guarded by reading
 *             -> stripe[0] stripe[1] ...      each guarded by its own held
 *
 * A reading first folds: it takes the stripes one after the other, adds each to the total and
 * empties it. Since a recording is wholly in one stripe, and a stripe is emptied while nobody else
 * holds it, cells, sum, lowest and highest always tell of the same recordings: a recording is in a
 * reading whole, or not at all, and of readings that take the total away in exactly one.
 *
 * Stripes are folded in turn, so a reading is not one instant: it has every recording that ended
 * before the reading began, none that begins after its end, and of those meanwhile some.
 *
 * The alternative, a hot and a cold half that readers swap (as in Prometheus's Go client), takes
 * four locked operations a recording and shares their cache lines between all threads; this takes
 * one, on a line that is mostly the thread's own.
 *
 * Call            Threads                       Order            Progress
 * --------------  ----------------------------  ---------------  ------------------------------
 * record, enter   any                           acquire, release lock-free; does not wait for a
 *                                                                thread that is stopped meanwhile,
 *                                                                while there are more stripes than
 *                                                                threads in record and begin; may
 *                                                                allocate
 * begin,          any                           acquire          non-blocking: OH_BUSY instead of
 * begin_both                                                     waiting for another reader, or
 *                                                                long for a thread stopped inside
 *                                                                a recording
 * leave           the one that entered          release          wait-free
 * take, add, end  the one that began            release          wait-free
 * init, free      one                           the caller publishes
 *
 * Counts are words and wrap around beyond 2^64 - 1; integer sums have 128 bits; sums of doubles
 * stay finite (they end at the largest double).
 */
#ifndef OH_HISTOGRAM_H
#define OH_HISTOGRAM_H

#include "oh_atomic.h"
#include "oh_common.h"
#include "oh_histogram_layout.h"
#include "oh_thread.h"

__extension__ typedef unsigned __int128 oh_u128_t;

/* Stripes that a histogram may have at most. */
#define OH_HISTOGRAM_STRIPES_MAX 4096

typedef struct {
    _Atomic bool held;        /* stripes only: guards all that follows */
    uint64_t count;           /* total only: the sum of the cells */
    oh_histogram_value_t min; /* above max while the tally is empty */
    oh_histogram_value_t max;
    union {
        oh_u128_t integer; /* HDR: the sum of the values */
        struct {
            double sum;
            double squares; /* of the distances to the layout's centre, summed */
        } real;
    };
    uint64_t cell[];
} oh_histogram_tally_t;

typedef struct {
    oh_histogram_layout_t layout;
    uint32_t stripe_mask; /* stripes less one; they are a power of two */
    _Atomic(oh_histogram_tally_t *) *stripe;
    char apart[OH_CACHE_LINE];   /* what readers write is not on a line that recorders read */
    _Atomic bool reading;        /* guards total */
    oh_histogram_tally_t *total; /* the words behind it belong to who began */
} oh_histogram_t;

/* Fills in *h with an empty histogram of the layout, which becomes its own, error or not. stripes
 * is rounded up to a power of two: with one more than there are threads that record at once, record
 * is lock-free. OH_ENOMEM; OH_LIMIT for too many stripes; on an error *h needs no free. */
oh_status_t oh_histogram_init(oh_histogram_t *h, oh_histogram_layout_t layout, uint32_t stripes);

/* The same, with the layout and the stripes of another histogram. */
oh_status_t oh_histogram_init_like(oh_histogram_t *h, const oh_histogram_t *like);

/* Ends the histogram. No other call may be under way. O(stripes). */
void oh_histogram_free(oh_histogram_t *h);

/* Takes a free stripe when the thread's own is not there or held. NULL when memory is out. */
oh_histogram_tally_t *oh_histogram_enter_any(oh_histogram_t *h);

/* Takes a stripe. The caller soon leaves it. */
OH_ALWAYS_INLINE oh_histogram_tally_t *oh_histogram_enter(oh_histogram_t *h) {
    uint32_t thread = oh_thread_self; /* nothing depends on it but speed */
    oh_histogram_tally_t *t = oh_load_acquire(&h->stripe[thread & h->stripe_mask]);  /* T2 */
    if (oh_likely(thread != 0 && t != NULL && !oh_exchange_acquire(&t->held, true))) /* H1 */
        return t;
    return oh_histogram_enter_any(h);
}

/* Gives the entered stripe back. */
OH_ALWAYS_INLINE void oh_histogram_leave(oh_histogram_tally_t *t) {
    oh_store_release(&t->held, false); /* H2: pairs with H1 */
}

/* Counts value, which is at most the layout's highest, n > 0 times in the stripe that the caller
 * has entered. HDR only. */
OH_ALWAYS_INLINE void oh_histogram_count_integer(const oh_histogram_t *h, oh_histogram_tally_t *t,
                                                 uint64_t value, uint64_t n) {
    t->cell[oh_histogram_index_of_integer(&h->layout, value)] += n;
    t->integer += (oh_u128_t)value * n;
    if (value < t->min.integer)
        t->min.integer = value;
    if (value > t->max.integer)
        t->max.integer = value;
}

/* Counts a finite value n > 0 times. Explicit layouts only. */
OH_ALWAYS_INLINE void oh_histogram_count_real(const oh_histogram_t *h, oh_histogram_tally_t *t,
                                              double value, uint64_t n) {
    double distance = value - h->layout.centre;
    t->cell[oh_histogram_index_of_real(&h->layout, value)] += n;
    t->real.sum += value * (double)n;
    t->real.squares += distance * distance * (double)n;
    if (value < t->min.real)
        t->min.real = value;
    if (value > t->max.real)
        t->max.real = value;
}

/* The same for whichever kind h is. */
OH_ALWAYS_INLINE void oh_histogram_count(const oh_histogram_t *h, oh_histogram_tally_t *t,
                                         oh_histogram_value_t value, uint64_t n) {
    if (h->layout.kind == OH_HISTOGRAM_HDR)
        oh_histogram_count_integer(h, t, value.integer, n);
    else
        oh_histogram_count_real(h, t, value.real, n);
}

/* Counts a value n > 0 times: an integer of at most the layout's highest (HDR), a finite double
 * (explicit). OH_ENOMEM when a stripe was needed and memory is out. */
OH_ALWAYS_INLINE oh_status_t oh_histogram_record_integer(oh_histogram_t *h, uint64_t value,
                                                         uint64_t n) {
    oh_histogram_tally_t *t = oh_histogram_enter(h);
    if (oh_unlikely(t == NULL))
        return OH_ENOMEM;
    oh_histogram_count_integer(h, t, value, n);
    oh_histogram_leave(t);
    return OH_OK;
}

/* The same for explicit layouts: a finite value. */
OH_ALWAYS_INLINE oh_status_t oh_histogram_record_real(oh_histogram_t *h, double value, uint64_t n) {
    oh_histogram_tally_t *t = oh_histogram_enter(h);
    if (oh_unlikely(t == NULL))
        return OH_ENOMEM;
    oh_histogram_count_real(h, t, value, n);
    oh_histogram_leave(t);
    return OH_OK;
}

/* The same for whichever kind h is. */
OH_ALWAYS_INLINE oh_status_t oh_histogram_record(oh_histogram_t *h, oh_histogram_value_t value,
                                                 uint64_t n) {
    return h->layout.kind == OH_HISTOGRAM_HDR ? oh_histogram_record_integer(h, value.integer, n)
                                              : oh_histogram_record_real(h, value.real, n);
}

/* Begins a reading: after OH_OK h->total has every recording that ended before the call, and is the
 * caller's to read and change until oh_histogram_end.
 *
 * *budget is the number of cells that the caller allows to be looked at, once, with those between
 * the lowest and the highest value of the total; what is left is stored there. OH_LIMIT when that
 * is not enough, OH_BUSY when a reader or a recorder is in the way: try again. Then part of the
 * stripes may be folded already, which is no loss, and no end is due. */
oh_status_t oh_histogram_begin(oh_histogram_t *h, uint64_t *budget);
void oh_histogram_end(oh_histogram_t *h);

/* Begins a reading of both, in an order that does not lock two callers out; a and b may be the
 * same. Statuses as above. oh_histogram_end is due for each, once if they are the same. */
oh_status_t oh_histogram_begin_both(oh_histogram_t *a, oh_histogram_t *b, uint64_t *budget);

/* In a reading of h: moves all it has counted to into, an empty histogram made by init_like that
 * nobody else knows. */
void oh_histogram_take(oh_histogram_t *h, oh_histogram_t *into);

/* In a reading of both: adds what from has counted to h. The layouts are compatible, and from's
 * highest value is one that h can count. h and from may be the same. */
void oh_histogram_add(oh_histogram_t *h, const oh_histogram_t *from);

/* Whether from may be added to h, in a reading of both. */
bool oh_histogram_can_add(const oh_histogram_t *h, const oh_histogram_t *from);

static inline bool oh_histogram_tally_empty(const oh_histogram_layout_t *l,
                                            const oh_histogram_tally_t *t) {
    return l->kind == OH_HISTOGRAM_HDR ? t->min.integer > t->max.integer
                                       : t->min.real > t->max.real;
}

/* The cells that can differ from 0, as *first <= i < *end. */
void oh_histogram_tally_range(const oh_histogram_layout_t *l, const oh_histogram_tally_t *t,
                              uint32_t *first, uint32_t *end);

/* Stripes made by now, and the bytes that the histogram takes with them. */
uint32_t oh_histogram_stripes(const oh_histogram_t *h);
uint64_t oh_histogram_bytes(const oh_histogram_t *h);

/* The invariants: no stripe held, nothing counted outside the range of the lowest and the highest
 * value, which are counted themselves; the total's count is the sum of its cells; bounds ascend.
 * No other call may be under way. */
bool oh_histogram_valid(const oh_histogram_t *h);

#endif
