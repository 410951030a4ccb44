#include "oh_histogram_layout.h"
#include "oh_alloc.h"

#include <math.h>
#include <string.h>

#define DIGITS_MAX 5
/* Bits of a value, the sign left out. */
#define VALUE_BITS 63

static uint32_t log2_floor(uint64_t x) {
    return 63 - (uint32_t)__builtin_clzll(x);
}

oh_status_t oh_histogram_layout_init_hdr(oh_histogram_layout_t *l, uint64_t lowest,
                                         uint64_t highest, uint32_t significant_digits) {
    *l = (oh_histogram_layout_t){.kind = OH_HISTOGRAM_HDR};
    if (highest > OH_HISTOGRAM_HIGHEST_MAX)
        return OH_LIMIT;
    if (lowest < 1 || lowest > highest / 2 || significant_digits < 1 ||
        significant_digits > DIGITS_MAX)
        return OH_BADARG;
    /* The first power of two that still tells single units apart ends at or above 2 * 10^digits. */
    uint64_t units = 2;
    for (uint32_t i = 0; i < significant_digits; i++)
        units *= 10;
    uint32_t unit_magnitude = log2_floor(lowest);
    uint32_t half_magnitude = log2_floor(units - 1);
    /* HdrHistogram's own bound. */
    if (unit_magnitude + half_magnitude > VALUE_BITS - 2)
        return OH_BADARG;
    l->significant_digits = significant_digits;
    l->unit_magnitude = unit_magnitude;
    l->half_magnitude = half_magnitude;
    l->first_magnitude = unit_magnitude + half_magnitude;
    l->unit_mask = (((uint64_t)2 << half_magnitude) - 1) << unit_magnitude;
    l->lowest = lowest;
    l->highest = highest;
    l->cells = ((oh_histogram_index_of_integer(l, highest) >> half_magnitude) + 1)
               << half_magnitude;
    /* Values below the first power's middle have cells of their own even if none reaches it. */
    if (l->cells < (uint32_t)2 << half_magnitude)
        l->cells = (uint32_t)2 << half_magnitude;
    return OH_OK;
}

oh_status_t oh_histogram_layout_init_explicit(oh_histogram_layout_t *l, const double *bound,
                                              uint32_t count) {
    *l = (oh_histogram_layout_t){.kind = OH_HISTOGRAM_EXPLICIT};
    if (count == 0)
        return OH_BADARG;
    if (count > OH_HISTOGRAM_BOUNDS_MAX)
        return OH_LIMIT;
    for (uint32_t i = 0; i < count; i++)
        if (!isfinite(bound[i]) || (i > 0 && bound[i] <= bound[i - 1]))
            return OH_BADARG;
    l->bound = oh_alloc(count * sizeof *bound);
    if (l->bound == NULL)
        return OH_ENOMEM;
    memcpy(l->bound, bound, count * sizeof *bound);
    l->cells = count + 1;
    l->centre = bound[count / 2];
    return OH_OK;
}

oh_status_t oh_histogram_layout_copy(oh_histogram_layout_t *l, const oh_histogram_layout_t *from) {
    if (from->kind == OH_HISTOGRAM_EXPLICIT)
        return oh_histogram_layout_init_explicit(l, from->bound, from->cells - 1);
    *l = *from;
    return OH_OK;
}

void oh_histogram_layout_free(oh_histogram_layout_t *l) {
    oh_free(l->bound);
    l->bound = NULL;
}

bool oh_histogram_layout_compatible(const oh_histogram_layout_t *a,
                                    const oh_histogram_layout_t *b) {
    if (a->kind != b->kind)
        return false;
    if (a->kind == OH_HISTOGRAM_HDR)
        return a->unit_magnitude == b->unit_magnitude && a->half_magnitude == b->half_magnitude;
    return a->cells == b->cells &&
           memcmp(a->bound, b->bound, (a->cells - 1) * sizeof *a->bound) == 0;
}

/* How far to the left the index's low bits stand in the cell's values, less the unit. */
static uint32_t cell_power(const oh_histogram_layout_t *l, uint32_t index) {
    uint32_t row = index >> l->half_magnitude;
    return row == 0 ? 0 : row - 1;
}

/* One less than the number of values in the cell. */
static uint64_t cell_span(const oh_histogram_layout_t *l, uint32_t index) {
    return ((uint64_t)1 << (cell_power(l, index) + l->unit_magnitude)) - 1;
}

uint64_t oh_histogram_cell_lowest(const oh_histogram_layout_t *l, uint32_t index) {
    uint32_t power = cell_power(l, index);
    return (uint64_t)(index - (power << l->half_magnitude)) << (power + l->unit_magnitude);
}

uint64_t oh_histogram_cell_highest(const oh_histogram_layout_t *l, uint32_t index) {
    return oh_histogram_cell_lowest(l, index) + cell_span(l, index);
}

uint64_t oh_histogram_cell_middle(const oh_histogram_layout_t *l, uint32_t index) {
    return oh_histogram_cell_lowest(l, index) + (cell_span(l, index) + 1) / 2;
}
