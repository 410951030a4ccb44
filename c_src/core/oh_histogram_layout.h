/*
 * oh_histogram_layout: which cell of a histogram counts a value, and which values a cell counts.
 *
 * Two kinds. HDR cells are log-linear, after G. Tene's HdrHistogram: each power of two of the range
 * is cut into equal steps, as many as make every step narrower than the last significant digit
 * asked for. Explicit cells lie between bounds that the caller chose, as in Prometheus: cell i
 * counts what is above bound i - 1 and at most bound i; the last one what is above all bounds.
 *
 * HDR values are integers of 0..highest, explicit ones finite doubles.
 *
 *   value (14 bits shown)    0 0 0 1 x x x x x x x x x x     digits 3: steps of 2^10 a power of two
 *   index                    [ power of two ][ its top bits ]
 *
 * A layout never changes once made: every function is for any thread, and takes constant time but
 * for index_of_real, which searches the bounds, and init and free.
 */
#ifndef OH_HISTOGRAM_LAYOUT_H
#define OH_HISTOGRAM_LAYOUT_H

#include "oh_common.h"

/* Bounds that an explicit layout may have at most. */
#define OH_HISTOGRAM_BOUNDS_MAX 4096
/* The highest value that an HDR layout can be made for. */
#define OH_HISTOGRAM_HIGHEST_MAX ((uint64_t)INT64_MAX)

typedef enum { OH_HISTOGRAM_HDR, OH_HISTOGRAM_EXPLICIT } oh_histogram_kind_t;

/* An HDR value, or an explicit one. */
typedef union {
    uint64_t integer;
    double real;
} oh_histogram_value_t;

typedef struct {
    oh_histogram_kind_t kind;
    uint32_t cells;
    /* HDR */
    uint32_t significant_digits; /* 1..5 */
    uint32_t unit_magnitude;     /* floor(log2(lowest)): values below 2^this share a cell */
    uint32_t half_magnitude;     /* log2 of the steps in a power of two */
    uint32_t first_magnitude; /* the top bit of the values of the first two rows: the sum of both */
    uint64_t unit_mask;       /* the values of the first two powers, in which steps are equal */
    uint64_t lowest;
    uint64_t highest;
    /* Explicit */
    double *bound; /* cells - 1 of them, ascending; owned */
    double centre; /* squares are summed around it: a bound from the middle */
} oh_histogram_layout_t;

/* HDR: values that differ by less than lowest may share a cell; 1 <= lowest, 2 * lowest <= highest,
 * 1..5 digits, else OH_BADARG. OH_BADARG too where lowest and digits together leave no room in 63
 * bits. OH_LIMIT for a highest above OH_HISTOGRAM_HIGHEST_MAX. */
oh_status_t oh_histogram_layout_init_hdr(oh_histogram_layout_t *l, uint64_t lowest,
                                         uint64_t highest, uint32_t significant_digits);

/* Explicit: count bounds, copied. OH_BADARG unless they are finite and strictly ascending and there
 * is at least one; OH_LIMIT for more than OH_HISTOGRAM_BOUNDS_MAX; OH_ENOMEM. */
oh_status_t oh_histogram_layout_init_explicit(oh_histogram_layout_t *l, const double *bound,
                                              uint32_t count);

/* A layout of its own like another. OH_ENOMEM. */
oh_status_t oh_histogram_layout_copy(oh_histogram_layout_t *l, const oh_histogram_layout_t *from);

/* Frees what the layout holds, not the layout. */
void oh_histogram_layout_free(oh_histogram_layout_t *l);

/* Whether the cells of both that have the same index count the same values. HDR layouts may differ
 * in their highest value. */
bool oh_histogram_layout_compatible(const oh_histogram_layout_t *a, const oh_histogram_layout_t *b);

/* The cell of value, which is at most the layout's highest. */
static inline uint32_t oh_histogram_index_of_integer(const oh_histogram_layout_t *l,
                                                     uint64_t value) {
    uint32_t magnitude = 63 ^ (uint32_t)__builtin_clzll(value | l->unit_mask);
    uint32_t power = magnitude - l->first_magnitude;
    return (power << l->half_magnitude) + (uint32_t)(value >> (power + l->unit_magnitude));
}

/* The cell of value: that of the first bound which is not below it. */
static inline uint32_t oh_histogram_index_of_real(const oh_histogram_layout_t *l, double value) {
    const double *base = l->bound;
    uint32_t count = l->cells - 1;
    while (count > 1) {
        uint32_t half = count / 2;
        base = base[half - 1] < value ? base + half : base;
        count -= half;
    }
    return (uint32_t)(base - l->bound) + (*base < value);
}

static inline uint32_t oh_histogram_index(const oh_histogram_layout_t *l,
                                          oh_histogram_value_t value) {
    return l->kind == OH_HISTOGRAM_HDR ? oh_histogram_index_of_integer(l, value.integer)
                                       : oh_histogram_index_of_real(l, value.real);
}

/* The values that an HDR cell counts, from the lowest to the highest of them, and the middle that
 * HdrHistogram takes for them in means and deviations. */
uint64_t oh_histogram_cell_lowest(const oh_histogram_layout_t *l, uint32_t index);
uint64_t oh_histogram_cell_highest(const oh_histogram_layout_t *l, uint32_t index);
uint64_t oh_histogram_cell_middle(const oh_histogram_layout_t *l, uint32_t index);

#endif
