#include "oh_histogram_stats.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static int by_quantile(const void *a, const void *b) {
    const oh_histogram_quantile_t *x = a, *y = b;
    return (x->quantile > y->quantile) - (x->quantile < y->quantile);
}

static int by_place(const void *a, const void *b) {
    const oh_histogram_quantile_t *x = a, *y = b;
    return (x->place > y->place) - (x->place < y->place);
}

/* 1..count. The quantile is taken a little lower, so that 0.07 * 100 is 7 and not the
 * 7.000000000000001 whose ceiling is 8. */
static uint64_t rank(double quantile, uint64_t count) {
    double rank = ceil(nextafter(quantile, 0) * (double)count);
    if (rank < 1)
        return 1;
    return rank >= (double)count ? count : (uint64_t)rank;
}

/* What a value counted by the cell is taken for. */
static oh_histogram_value_t representative(const oh_histogram_t *h, uint32_t index) {
    const oh_histogram_layout_t *l = &h->layout;
    oh_histogram_value_t value = h->total->max;
    if (l->kind == OH_HISTOGRAM_HDR) {
        uint64_t highest = oh_histogram_cell_highest(l, index);
        if (highest < value.integer)
            value.integer = highest;
    } else if (index < l->cells - 1 && l->bound[index] < value.real) {
        value.real = l->bound[index];
    }
    return value;
}

void oh_histogram_quantiles(const oh_histogram_t *h, oh_histogram_quantile_t *quantile,
                            uint32_t count) {
    const oh_histogram_tally_t *t = h->total;
    uint32_t next, end;
    uint64_t passed = 0;
    for (uint32_t i = 0; i < count; i++)
        quantile[i].place = i;
    qsort(quantile, count, sizeof *quantile, by_quantile);
    oh_histogram_tally_range(&h->layout, t, &next, &end);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t wanted = rank(quantile[i].quantile, t->count);
        while (passed < wanted && next < end)
            passed += t->cell[next++];
        if (quantile[i].quantile <= 0)
            quantile[i].value = t->min;
        else if (quantile[i].quantile >= 1)
            quantile[i].value = t->max;
        else
            quantile[i].value = representative(h, next - 1);
    }
    qsort(quantile, count, sizeof *quantile, by_place);
}

double oh_histogram_mean(const oh_histogram_t *h) {
    const oh_histogram_tally_t *t = h->total;
    double sum = h->layout.kind == OH_HISTOGRAM_HDR ? (double)t->integer : t->real.sum;
    return sum / (double)t->count;
}

static double stddev_of_middles(const oh_histogram_t *h) {
    const oh_histogram_tally_t *t = h->total;
    uint32_t first, end;
    double sum = 0, squares = 0;
    oh_histogram_tally_range(&h->layout, t, &first, &end);
    for (uint32_t i = first; i < end; i++)
        if (t->cell[i] != 0)
            sum += (double)oh_histogram_cell_middle(&h->layout, i) * (double)t->cell[i];
    double mean = sum / (double)t->count;
    for (uint32_t i = first; i < end; i++) {
        if (t->cell[i] != 0) {
            double distance = (double)oh_histogram_cell_middle(&h->layout, i) - mean;
            squares += distance * distance * (double)t->cell[i];
        }
    }
    return sqrt(squares / (double)t->count);
}

double oh_histogram_stddev(const oh_histogram_t *h) {
    const oh_histogram_tally_t *t = h->total;
    if (h->layout.kind == OH_HISTOGRAM_HDR)
        return stddev_of_middles(h);
    double mean_distance = oh_histogram_mean(h) - h->layout.centre;
    double variance = t->real.squares / (double)t->count - mean_distance * mean_distance;
    /* Rounding may leave a little less than nothing. */
    return variance > 0 ? sqrt(fmin(variance, DBL_MAX)) : 0;
}
