#include "oh_counters.h"
#include "oh_alloc.h"
#include "oh_reaper.h"

#include <string.h>

#define CELLS_PER_LINE (OH_CACHE_LINE / sizeof(uint64_t))

_Static_assert((OH_COUNTERS_STRIPES_MAX & (OH_COUNTERS_STRIPES_MAX - 1)) == 0,
               "rounding up to a power of two stays within the maximum");

/* The smallest power of two that is not below x, for x of 1..2^63. */
static uint64_t power_of_two(uint64_t x) {
    uint64_t power = 1;
    while (power < x)
        power <<= 1;
    return power;
}

oh_status_t oh_counters_init(oh_counters_t *c, uint64_t size, uint64_t stripes) {
    *c = (oh_counters_t){0};
    if (size == 0 || stripes == 0)
        return OH_BADARG;
    if (size > OH_COUNTERS_CELLS_MAX || stripes > OH_COUNTERS_STRIPES_MAX)
        return OH_LIMIT;
    stripes = power_of_two(stripes);
    uint64_t stripe_cells = oh_align_up(size, CELLS_PER_LINE);
    if (stripe_cells > OH_COUNTERS_CELLS_MAX / stripes)
        return OH_LIMIT;
    c->cell = oh_zalloc_big(stripes * stripe_cells * sizeof(uint64_t));
    if (c->cell == NULL)
        return OH_ENOMEM;
    c->size = size;
    c->stripe_mask = stripes - 1;
    c->stripe_cells = stripe_cells;
    return OH_OK;
}

void oh_counters_free(oh_counters_t *c) {
    oh_reaper_free_big((void *)c->cell, oh_counters_bytes(c));
    *c = (oh_counters_t){0};
}

/* The cells of a stripe from a counter's on. */
static _Atomic uint64_t *cells_of(const oh_counters_t *c, uint64_t stripe, uint64_t index) {
    return &c->cell[stripe * c->stripe_cells + index];
}

void oh_counters_put(oh_counters_t *c, uint64_t index, uint64_t value) {
    oh_store_seqcst(cells_of(c, 0, index), value);
    for (uint64_t s = 1; s <= c->stripe_mask; s++) {
        _Atomic uint64_t *cell = cells_of(c, s, index);
        if (oh_load_acquire(cell) != 0)
            oh_store_seqcst(cell, 0);
    }
}

/* Four sums, since in one each addition would wait for that before it: 0.15 ns a cell, not 0.4. */
static uint64_t sum_cells(const _Atomic uint64_t *cell, uint64_t count) {
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (; count >= 4; count -= 4, cell += 4) {
        a += oh_load_acquire(&cell[0]);
        b += oh_load_acquire(&cell[1]);
        c += oh_load_acquire(&cell[2]);
        d += oh_load_acquire(&cell[3]);
    }
    for (; count > 0; count--, cell++)
        a += oh_load_acquire(cell);
    return a + b + c + d;
}

uint64_t oh_counters_sum(const oh_counters_t *c, uint64_t index, uint64_t count) {
    uint64_t sum = 0;
    for (uint64_t s = 0; s <= c->stripe_mask; s++)
        sum += sum_cells(cells_of(c, s, index), count);
    return sum;
}

static char *put_word(char *to, uint64_t word) {
    memcpy(to, &word, sizeof word);
    return to + sizeof word;
}

/* Four counters at a time, for the same reason. */
void oh_counters_read(const oh_counters_t *c, uint64_t index, uint64_t count, void *values) {
    /* Copies, which no store to values can change. */
    const uint64_t stripe_mask = c->stripe_mask, stripe_cells = c->stripe_cells;
    const uint64_t end = index + count;
    const _Atomic uint64_t *cell = &c->cell[index];
    char *to = values;
    for (; end - index >= 4; index += 4, cell += 4) {
        const _Atomic uint64_t *four = cell;
        uint64_t v0 = oh_load_acquire(&four[0]), v1 = oh_load_acquire(&four[1]);
        uint64_t v2 = oh_load_acquire(&four[2]), v3 = oh_load_acquire(&four[3]);
        for (uint64_t left = stripe_mask; left > 0; left--) {
            four += stripe_cells;
            v0 += oh_load_acquire(&four[0]);
            v1 += oh_load_acquire(&four[1]);
            v2 += oh_load_acquire(&four[2]);
            v3 += oh_load_acquire(&four[3]);
        }
        to = put_word(put_word(put_word(put_word(to, v0), v1), v2), v3);
    }
    for (; index < end; index++)
        to = put_word(to, oh_counters_get(c, index));
}

/* A cell that is 0 has nothing to give: its line stays shared with those who read it. */
static uint64_t take_cell(_Atomic uint64_t *cell) {
    return oh_load_acquire(cell) == 0 ? 0 : oh_exchange_seqcst(cell, 0);
}

uint64_t oh_counters_take(oh_counters_t *c, uint64_t index) {
    uint64_t sum = 0;
    for (uint64_t s = 0; s <= c->stripe_mask; s++)
        sum += take_cell(cells_of(c, s, index));
    return sum;
}

bool oh_counters_valid(const oh_counters_t *c) {
    uint64_t stripes = oh_counters_stripes(c);
    if (c->size == 0 || c->cell == NULL || (stripes & c->stripe_mask) != 0 ||
        stripes > OH_COUNTERS_STRIPES_MAX || c->stripe_cells % CELLS_PER_LINE != 0 ||
        c->stripe_cells < c->size || c->stripe_cells - c->size >= CELLS_PER_LINE ||
        (uintptr_t)c->cell % OH_CACHE_LINE != 0)
        return false;
    for (uint64_t s = 0; s < stripes; s++)
        for (uint64_t i = c->size; i < c->stripe_cells; i++)
            if (oh_load_acquire(cells_of(c, s, i)) != 0)
                return false;
    return true;
}
