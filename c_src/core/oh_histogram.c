#include "oh_histogram.h"
#include "oh_alloc.h"
#include "oh_reaper.h"
#include "oh_registry.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Looks at held stripes that one begin allows itself: 20 to 100 us. */
#define SPINS 2000

static size_t tally_bytes(const oh_histogram_layout_t *l) {
    return sizeof(oh_histogram_tally_t) + (size_t)l->cells * sizeof(uint64_t);
}

static void clear_sums(const oh_histogram_layout_t *l, oh_histogram_tally_t *t) {
    t->count = 0;
    if (l->kind == OH_HISTOGRAM_HDR) {
        t->integer = 0;
        t->min.integer = UINT64_MAX;
        t->max.integer = 0;
    } else {
        t->real.sum = 0;
        t->real.squares = 0;
        t->min.real = INFINITY;
        t->max.real = -INFINITY;
    }
}

static oh_histogram_tally_t *tally_new(const oh_histogram_layout_t *l) {
    oh_histogram_tally_t *t = oh_zalloc_big(tally_bytes(l));
    if (t != NULL)
        clear_sums(l, t);
    return t;
}

static void tally_free(const oh_histogram_layout_t *l, oh_histogram_tally_t *t) {
    oh_reaper_free_big(t, tally_bytes(l));
}

oh_status_t oh_histogram_init(oh_histogram_t *h, oh_histogram_layout_t layout, uint32_t stripes) {
    oh_status_t status = OH_ENOMEM;
    *h = (oh_histogram_t){.layout = layout};
    if (stripes > OH_HISTOGRAM_STRIPES_MAX) {
        status = OH_LIMIT;
        goto fail;
    }
    while (h->stripe_mask + 1 < stripes)
        h->stripe_mask = h->stripe_mask * 2 + 1;
    h->stripe = oh_zalloc((h->stripe_mask + 1) * sizeof *h->stripe);
    if (h->stripe == NULL)
        goto fail;
    h->total = tally_new(&h->layout);
    if (h->total == NULL)
        goto fail;
    oh_registry_made(OH_KIND_HISTOGRAMS, oh_histogram_bytes(h));
    return OH_OK;
fail:
    oh_histogram_free(h);
    return status;
}

oh_status_t oh_histogram_init_like(oh_histogram_t *h, const oh_histogram_t *like) {
    oh_histogram_layout_t layout;
    if (oh_histogram_layout_copy(&layout, &like->layout) != OH_OK) {
        *h = (oh_histogram_t){0};
        return OH_ENOMEM;
    }
    return oh_histogram_init(h, layout, like->stripe_mask + 1);
}

void oh_histogram_free(oh_histogram_t *h) {
    if (h->total != NULL)
        oh_registry_ended(OH_KIND_HISTOGRAMS, oh_histogram_bytes(h));
    for (uint32_t i = 0; h->stripe != NULL && i <= h->stripe_mask; i++) {
        oh_histogram_tally_t *t = oh_load_acquire(&h->stripe[i]);
        if (t != NULL)
            tally_free(&h->layout, t);
    }
    if (h->total != NULL)
        tally_free(&h->layout, h->total);
    oh_free((void *)h->stripe);
    oh_histogram_layout_free(&h->layout);
    *h = (oh_histogram_t){0};
}

/* Takes the stripe if nobody holds it. A look comes first: an exchange would take the cache line
 * away from the holder. */
static bool try_hold(oh_histogram_tally_t *t) {
    return !oh_load_relaxed(&t->held) && !oh_exchange_acquire(&t->held, true); /* H1 */
}

/* Makes the stripe of an empty slot, held. NULL when memory is out or another made one. */
static oh_histogram_tally_t *stripe_new(oh_histogram_t *h, _Atomic(oh_histogram_tally_t *) *slot,
                                        bool *out_of_memory) {
    oh_histogram_tally_t *none = NULL;
    oh_histogram_tally_t *t = tally_new(&h->layout);
    *out_of_memory = t == NULL;
    if (t == NULL)
        return NULL;
    oh_store_relaxed(&t->held, true);
    if (oh_cas_acqrel_acquire(slot, &none, t)) { /* T1: pairs with T2 */
        oh_registry_count(OH_KIND_HISTOGRAMS, 0, (int64_t)tally_bytes(&h->layout));
        return t;
    }
    tally_free(&h->layout, t);
    return NULL;
}

/* One round: the thread's own stripe, made if it is not there; else a free one; else a new one in
 * whatever slot is empty. */
static oh_histogram_tally_t *enter_round(oh_histogram_t *h, uint32_t home, bool *out_of_memory) {
    oh_histogram_tally_t *t = NULL;
    if (oh_load_acquire(&h->stripe[home]) == NULL)
        t = stripe_new(h, &h->stripe[home], out_of_memory);
    for (uint32_t i = 0; t == NULL && i <= h->stripe_mask; i++) {
        oh_histogram_tally_t *other =
            oh_load_acquire(&h->stripe[(home + i) & h->stripe_mask]); /* T2 */
        if (other != NULL && try_hold(other))
            t = other;
    }
    for (uint32_t i = 1; t == NULL && i <= h->stripe_mask; i++) {
        _Atomic(oh_histogram_tally_t *) *slot = &h->stripe[(home + i) & h->stripe_mask];
        if (oh_load_acquire(slot) == NULL)
            t = stripe_new(h, slot, out_of_memory);
    }
    return t;
}

oh_histogram_tally_t *oh_histogram_enter_any(oh_histogram_t *h) {
    if (oh_thread_self == 0)
        oh_thread_register();
    for (;;) {
        bool out_of_memory = false;
        oh_histogram_tally_t *t = enter_round(h, oh_thread_self & h->stripe_mask, &out_of_memory);
        if (t != NULL || out_of_memory)
            return t;
        /* Every stripe was held when it was looked at, so others have got on meanwhile. */
        oh_pause();
    }
}

void oh_histogram_tally_range(const oh_histogram_layout_t *l, const oh_histogram_tally_t *t,
                              uint32_t *first, uint32_t *end) {
    *first = *end = 0;
    if (!oh_histogram_tally_empty(l, t)) {
        *first = oh_histogram_index(l, t->min);
        *end = oh_histogram_index(l, t->max) + 1;
    }
}

static uint32_t tally_width(const oh_histogram_layout_t *l, const oh_histogram_tally_t *t) {
    uint32_t first, end;
    oh_histogram_tally_range(l, t, &first, &end);
    return end - first;
}

/* a + b as far as doubles reach. Sums that left them in both directions, a NaN, end anywhere. */
static double add_finite(double a, double b) {
    a = fmax(fmin(a, DBL_MAX), -DBL_MAX);
    b = fmax(fmin(b, DBL_MAX), -DBL_MAX);
    return fmax(fmin(a + b, DBL_MAX), -DBL_MAX);
}

/* Adds the sums that belong to count cells' values. */
static void add_sums(const oh_histogram_layout_t *l, oh_histogram_tally_t *t,
                     const oh_histogram_tally_t *from, uint64_t count) {
    t->count += count;
    if (l->kind == OH_HISTOGRAM_HDR) {
        t->integer += from->integer;
        if (from->min.integer < t->min.integer)
            t->min.integer = from->min.integer;
        if (from->max.integer > t->max.integer)
            t->max.integer = from->max.integer;
    } else {
        t->real.sum = add_finite(t->real.sum, from->real.sum);
        t->real.squares = add_finite(t->real.squares, from->real.squares);
        t->min.real = fmin(from->min.real, t->min.real);
        t->max.real = fmax(from->max.real, t->max.real);
    }
}

/* Adds from to the total t; both may be the same. Here and below, only cells that count something
 * are written: memory that was never written is no page of its own. */
static void tally_add(const oh_histogram_layout_t *l, oh_histogram_tally_t *t,
                      const oh_histogram_tally_t *from) {
    uint32_t first, end;
    uint64_t count = 0;
    oh_histogram_tally_range(l, from, &first, &end);
    for (uint32_t i = first; i < end; i++) {
        uint64_t n = from->cell[i];
        if (n != 0) {
            count += n;
            t->cell[i] += n;
        }
    }
    add_sums(l, t, from, count);
}

/* The same, and empties from, which is another tally. */
static void tally_move(const oh_histogram_layout_t *l, oh_histogram_tally_t *t,
                       oh_histogram_tally_t *from) {
    uint32_t first, end;
    uint64_t count = 0;
    oh_histogram_tally_range(l, from, &first, &end);
    for (uint32_t i = first; i < end; i++) {
        uint64_t n = from->cell[i];
        if (n != 0) {
            count += n;
            t->cell[i] += n;
            from->cell[i] = 0;
        }
    }
    add_sums(l, t, from, count);
    clear_sums(l, from);
}

static bool hold_patiently(oh_histogram_tally_t *t, uint32_t *spins) {
    while (!try_hold(t)) {
        if (*spins == 0)
            return false;
        (*spins)--;
        oh_pause();
    }
    return true;
}

/* Adds every stripe to the total. */
static oh_status_t fold(oh_histogram_t *h, uint64_t *budget) {
    uint32_t spins = SPINS;
    for (uint32_t i = 0; i <= h->stripe_mask; i++) {
        oh_histogram_tally_t *t = oh_load_acquire(&h->stripe[i]); /* T2: pairs with T1 */
        if (t == NULL)
            continue;
        if (!hold_patiently(t, &spins))
            return OH_BUSY;
        uint32_t width = tally_width(&h->layout, t);
        bool affordable = width <= *budget;
        if (affordable && width > 0) {
            *budget -= width;
            tally_move(&h->layout, h->total, t);
        }
        oh_histogram_leave(t);
        if (!affordable)
            return OH_LIMIT;
    }
    uint32_t width = tally_width(&h->layout, h->total);
    if (width > *budget)
        return OH_LIMIT;
    *budget -= width;
    return OH_OK;
}

oh_status_t oh_histogram_begin(oh_histogram_t *h, uint64_t *budget) {
    if (oh_load_relaxed(&h->reading) || oh_exchange_acquire(&h->reading, true)) /* G1 */
        return OH_BUSY;
    oh_status_t status = fold(h, budget);
    if (status != OH_OK)
        oh_histogram_end(h);
    return status;
}

void oh_histogram_end(oh_histogram_t *h) {
    oh_store_release(&h->reading, false); /* G2: pairs with G1 */
}

oh_status_t oh_histogram_begin_both(oh_histogram_t *a, oh_histogram_t *b, uint64_t *budget) {
    /* Always the lower address first: of two callers with the same pair, one gets both. */
    oh_histogram_t *first = (uintptr_t)a < (uintptr_t)b ? a : b;
    oh_histogram_t *second = first == a ? b : a;
    oh_status_t status = oh_histogram_begin(first, budget);
    if (status != OH_OK || first == second)
        return status;
    status = oh_histogram_begin(second, budget);
    if (status != OH_OK)
        oh_histogram_end(first);
    return status;
}

void oh_histogram_take(oh_histogram_t *h, oh_histogram_t *into) {
    oh_histogram_tally_t *taken = h->total;
    h->total = into->total;
    into->total = taken;
}

bool oh_histogram_can_add(const oh_histogram_t *h, const oh_histogram_t *from) {
    if (!oh_histogram_layout_compatible(&h->layout, &from->layout))
        return false;
    return h->layout.kind == OH_HISTOGRAM_EXPLICIT ||
           oh_histogram_tally_empty(&from->layout, from->total) ||
           oh_histogram_index_of_integer(&from->layout, from->total->max.integer) < h->layout.cells;
}

void oh_histogram_add(oh_histogram_t *h, const oh_histogram_t *from) {
    tally_add(&h->layout, h->total, from->total);
}

uint32_t oh_histogram_stripes(const oh_histogram_t *h) {
    uint32_t stripes = 0;
    for (uint32_t i = 0; i <= h->stripe_mask; i++)
        stripes += oh_load_acquire(&h->stripe[i]) != NULL;
    return stripes;
}

uint64_t oh_histogram_bytes(const oh_histogram_t *h) {
    uint64_t bytes = (uint64_t)(oh_histogram_stripes(h) + 1) * tally_bytes(&h->layout);
    bytes += (h->stripe_mask + 1) * sizeof *h->stripe;
    if (h->layout.bound != NULL)
        bytes += (h->layout.cells - 1) * sizeof *h->layout.bound;
    return bytes;
}

static bool tally_valid(const oh_histogram_layout_t *l, const oh_histogram_tally_t *t,
                        bool is_total) {
    uint32_t first, end;
    uint64_t count = 0;
    oh_histogram_tally_range(l, t, &first, &end);
    for (uint32_t i = 0; i < l->cells; i++) {
        if ((i < first || i >= end) && t->cell[i] != 0)
            return false;
        count += t->cell[i];
    }
    if (first < end && (t->cell[first] == 0 || t->cell[end - 1] == 0))
        return false;
    return end <= l->cells && (!is_total || count == t->count);
}

bool oh_histogram_valid(const oh_histogram_t *h) {
    const oh_histogram_layout_t *l = &h->layout;
    for (uint32_t i = 1; l->kind == OH_HISTOGRAM_EXPLICIT && i < l->cells - 1; i++)
        if (l->bound[i] <= l->bound[i - 1])
            return false;
    for (uint32_t i = 0; i <= h->stripe_mask; i++) {
        const oh_histogram_tally_t *t = oh_load_acquire(&h->stripe[i]);
        if (t != NULL && (oh_load_acquire(&t->held) || !tally_valid(l, t, false)))
            return false;
    }
    return !oh_load_acquire(&h->reading) && tally_valid(l, h->total, true);
}
