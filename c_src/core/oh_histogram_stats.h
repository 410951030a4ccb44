/*
 * oh_histogram_stats: what the cells tell about the values.
 *
 * Every function is called in a reading of the histogram (oh_histogram_begin), or on one that
 * nobody else knows, and reads its total; the time is in proportion to the cells between its lowest
 * and its highest value. None changes anything.
 */
#ifndef OH_HISTOGRAM_STATS_H
#define OH_HISTOGRAM_STATS_H

#include "oh_histogram.h"

/* A quantile asked for, and the answer. */
typedef struct {
    double quantile; /* 0..1 */
    uint32_t place;  /* for quantiles to find the order again */
    oh_histogram_value_t value;
} oh_histogram_quantile_t;

/* Nothing counted; or a count that wrapped around to 0, which has no quantiles and no mean either.
 */
static inline bool oh_histogram_empty(const oh_histogram_t *h) {
    return h->total->count == 0;
}

/* Fills in the values of count quantiles, in any order, of a histogram that is not empty. The value
 * of quantile q is that of rank ceil(q * count) in ascending order, taken as the highest that its
 * cell counts (as HdrHistogram does), but never as more than the highest value recorded. Quantile 0
 * is the lowest value recorded, 1 the highest. */
void oh_histogram_quantiles(const oh_histogram_t *h, oh_histogram_quantile_t *quantile,
                            uint32_t count);

/* Sum by count, of a histogram that is not empty. */
double oh_histogram_mean(const oh_histogram_t *h);

/* The standard deviation of all values (not of a sample), of a histogram that is not empty. HDR: of
 * the cells' middles, as HdrHistogram has it. Explicit: from the squares' sum, which is kept around
 * the middle bound so that few digits cancel out. */
double oh_histogram_stddev(const oh_histogram_t *h);

#endif
