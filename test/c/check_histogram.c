/* oh_histogram, its layout and its statistics: cells at the edges, sums that overflow, readings
 * that meet recordings, memory that is not there. */
#include "oh_histogram.h"
#include "oh_histogram_stats.h"
#include "oh_reaper.h"
#include "suite.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static uint64_t seed;

static void setup(void) {
    suite_use_allocator();
    seed = 42;
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
}

static void teardown(void) {
    oh_reaper_stop();
}

/* A random word of a random number of bits. */
static uint64_t random_word(void) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    uint64_t word = seed ^ seed >> 29;
    return word >> (seed >> 58);
}

static oh_histogram_layout_t hdr_layout(uint64_t lowest, uint64_t highest, uint32_t digits) {
    oh_histogram_layout_t l;
    ck_assert_int_eq(oh_histogram_layout_init_hdr(&l, lowest, highest, digits), OH_OK);
    return l;
}

static oh_histogram_t hdr(uint64_t lowest, uint64_t highest, uint32_t digits) {
    oh_histogram_t h;
    ck_assert_int_eq(oh_histogram_init(&h, hdr_layout(lowest, highest, digits), 3), OH_OK);
    return h;
}

static oh_histogram_t explicit_of(const double *bound, uint32_t count) {
    oh_histogram_t h;
    oh_histogram_layout_t l;
    ck_assert_int_eq(oh_histogram_layout_init_explicit(&l, bound, count), OH_OK);
    ck_assert_int_eq(oh_histogram_init(&h, l, 3), OH_OK);
    return h;
}

static void record(oh_histogram_t *h, uint64_t value, uint64_t n) {
    ck_assert_int_eq(oh_histogram_record(h, (oh_histogram_value_t){.integer = value}, n), OH_OK);
    ck_assert(oh_histogram_valid(h));
}

static void record_real(oh_histogram_t *h, double value, uint64_t n) {
    ck_assert_int_eq(oh_histogram_record(h, (oh_histogram_value_t){.real = value}, n), OH_OK);
    ck_assert(oh_histogram_valid(h));
}

/* Folds. */
static void fold(oh_histogram_t *h) {
    uint64_t budget = UINT64_MAX;
    ck_assert_int_eq(oh_histogram_begin(h, &budget), OH_OK);
    oh_histogram_end(h);
    ck_assert(oh_histogram_valid(h));
}

static oh_histogram_value_t quantile(const oh_histogram_t *h, double q) {
    oh_histogram_quantile_t quantile = {.quantile = q};
    oh_histogram_quantiles(h, &quantile, 1);
    return quantile.value;
}

/* --- Layouts --- */

/* The numbers of cells are HdrHistogram's. */
START_TEST(hdr_cells_are_as_many_as_in_hdrhistogram) {
    static const struct {
        uint64_t lowest, highest;
        uint32_t digits, cells;
    } known[] = {
        {1, 3600000000, 3, 23552},    {1, 3600000000000, 3, 33792},
        {1000, 3600000000, 3, 14336}, {1, 2, 1, 32},
        {1, INT64_MAX, 1, 960},       {1, INT64_MAX, 5, 6160384},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        oh_histogram_layout_t l = hdr_layout(known[i].lowest, known[i].highest, known[i].digits);
        ck_assert_uint_eq(l.cells, known[i].cells);
    }
}
END_TEST

START_TEST(hdr_cells_follow_each_other_without_gaps) {
    static const uint64_t lowest[] = {1, 2, 1000, 1023, 1024};
    for (uint32_t digits = 1; digits <= 3; digits++) {
        for (size_t i = 0; i < COUNT(lowest); i++) {
            oh_histogram_layout_t l = hdr_layout(lowest[i], INT64_MAX, digits);
            uint64_t next = 0;
            for (uint32_t cell = 0; cell < l.cells; cell++) {
                uint64_t low = oh_histogram_cell_lowest(&l, cell);
                uint64_t high = oh_histogram_cell_highest(&l, cell);
                uint64_t middle = oh_histogram_cell_middle(&l, cell);
                ck_assert_uint_eq(low, next);
                ck_assert(low <= middle && middle <= high);
                ck_assert_uint_eq(oh_histogram_index_of_integer(&l, low), cell);
                ck_assert_uint_eq(oh_histogram_index_of_integer(&l, high), cell);
                next = high + 1;
            }
            ck_assert_uint_eq(next, (uint64_t)1 << 63);
        }
    }
}
END_TEST

START_TEST(hdr_cells_keep_the_digits_promised) {
    double unit = 1;
    for (uint32_t digits = 1; digits <= 5; digits++) {
        oh_histogram_layout_t l = hdr_layout(1, INT64_MAX, digits);
        unit /= 10;
        for (int i = 0; i < 100000; i++) {
            uint64_t value = random_word() & INT64_MAX;
            uint32_t cell = oh_histogram_index_of_integer(&l, value);
            uint64_t high = oh_histogram_cell_highest(&l, cell);
            ck_assert(cell < l.cells);
            ck_assert(oh_histogram_cell_lowest(&l, cell) <= value && value <= high);
            ck_assert((double)(high - value) <= (double)value * unit);
        }
    }
}
END_TEST

START_TEST(hdr_layouts_that_make_no_sense_are_refused) {
    static const struct {
        uint64_t lowest, highest;
        uint32_t digits;
        oh_status_t status;
    } wrong[] = {
        {0, 100, 3, OH_BADARG},
        {1, 1, 3, OH_BADARG},
        {1, 0, 3, OH_BADARG},
        {51, 101, 3, OH_BADARG},
        {1, 100, 0, OH_BADARG},
        {1, 100, 6, OH_BADARG},
        {1, 100, UINT32_MAX, OH_BADARG},
        {UINT64_MAX, INT64_MAX, 3, OH_BADARG},
        {(uint64_t)1 << 61, INT64_MAX, 1, OH_BADARG},
        {1, (uint64_t)1 << 63, 3, OH_LIMIT},
        {1, UINT64_MAX, 3, OH_LIMIT},
    };
    oh_histogram_layout_t l;
    for (size_t i = 0; i < COUNT(wrong); i++)
        ck_assert_int_eq(
            oh_histogram_layout_init_hdr(&l, wrong[i].lowest, wrong[i].highest, wrong[i].digits),
            wrong[i].status);
    ck_assert_int_eq(oh_histogram_layout_init_hdr(&l, (uint64_t)1 << 57, INT64_MAX, 1), OH_OK);
    ck_assert_int_eq(oh_histogram_layout_init_hdr(&l, (uint64_t)1 << 58, INT64_MAX, 1), OH_BADARG);
}
END_TEST

START_TEST(an_explicit_cell_is_that_of_the_first_bound_not_below) {
    double bound[100];
    for (uint32_t count = 1; count <= COUNT(bound); count++) {
        oh_histogram_layout_t l;
        for (uint32_t i = 0; i < count; i++)
            bound[i] = ((double)i - count / 3.0) * 1.5;
        ck_assert_int_eq(oh_histogram_layout_init_explicit(&l, bound, count), OH_OK);
        ck_assert_uint_eq(l.cells, count + 1);
        for (double value = -200; value < 200; value += 0.25) {
            uint32_t cell = 0;
            while (cell < count && bound[cell] < value)
                cell++;
            ck_assert_uint_eq(oh_histogram_index_of_real(&l, value), cell);
        }
        ck_assert_uint_eq(oh_histogram_index_of_real(&l, DBL_MAX), count);
        ck_assert_uint_eq(oh_histogram_index_of_real(&l, -DBL_MAX), 0);
        oh_histogram_layout_free(&l);
    }
}
END_TEST

START_TEST(bounds_that_make_no_sense_are_refused) {
    static double many[OH_HISTOGRAM_BOUNDS_MAX + 1];
    oh_histogram_layout_t l;
    for (size_t i = 0; i < COUNT(many); i++)
        many[i] = (double)i;
    ck_assert_int_eq(oh_histogram_layout_init_explicit(&l, many, 0), OH_BADARG);
    ck_assert_int_eq(oh_histogram_layout_init_explicit(&l, many, COUNT(many)), OH_LIMIT);
    ck_assert_int_eq(oh_histogram_layout_init_explicit(&l, (double[]){1, 1}, 2), OH_BADARG);
    ck_assert_int_eq(oh_histogram_layout_init_explicit(&l, (double[]){2, 1}, 2), OH_BADARG);
    ck_assert_int_eq(oh_histogram_layout_init_explicit(&l, (double[]){1, INFINITY}, 2), OH_BADARG);
    ck_assert_int_eq(oh_histogram_layout_init_explicit(&l, (double[]){NAN}, 1), OH_BADARG);
    ck_assert_int_eq(suite_blocks, 0);
    ck_assert_int_eq(oh_histogram_layout_init_explicit(&l, many, OH_HISTOGRAM_BOUNDS_MAX), OH_OK);
    oh_histogram_layout_free(&l);
}
END_TEST

START_TEST(layouts_are_compatible_where_cells_mean_the_same) {
    oh_histogram_layout_t a = hdr_layout(1000, 1000000, 3), b = hdr_layout(1023, 9000000, 3);
    oh_histogram_layout_t c = hdr_layout(1024, 1000000, 3), d = hdr_layout(1000, 1000000, 2);
    oh_histogram_layout_t e, f, g;
    ck_assert(oh_histogram_layout_compatible(&a, &b));
    ck_assert(!oh_histogram_layout_compatible(&a, &c));
    ck_assert(!oh_histogram_layout_compatible(&a, &d));
    oh_histogram_layout_init_explicit(&e, (double[]){1, 2}, 2);
    oh_histogram_layout_init_explicit(&f, (double[]){1, 3}, 2);
    oh_histogram_layout_init_explicit(&g, (double[]){1, 2, 3}, 3);
    ck_assert(oh_histogram_layout_compatible(&e, &e));
    ck_assert(!oh_histogram_layout_compatible(&e, &f));
    ck_assert(!oh_histogram_layout_compatible(&e, &g));
    ck_assert(!oh_histogram_layout_compatible(&a, &e));
    oh_histogram_layout_free(&e);
    oh_histogram_layout_free(&f);
    oh_histogram_layout_free(&g);
}
END_TEST

/* --- Counting --- */

START_TEST(values_at_the_edges_of_a_histogram_count) {
    oh_histogram_t h = hdr(1, INT64_MAX, 3);
    static const uint64_t values[] = {0,
                                      1,
                                      2047,
                                      2048,
                                      ((uint64_t)1 << 59) - 1,
                                      (uint64_t)1 << 59,
                                      ((uint64_t)1 << 59) + 1,
                                      INT64_MAX - 1,
                                      INT64_MAX};
    oh_u128_t sum = 0;
    for (size_t i = 0; i < COUNT(values); i++) {
        record(&h, values[i], 1);
        sum += values[i];
    }
    fold(&h);
    ck_assert_uint_eq(h.total->count, COUNT(values));
    ck_assert(h.total->integer == sum);
    ck_assert_uint_eq(h.total->min.integer, 0);
    ck_assert_uint_eq(h.total->max.integer, INT64_MAX);
    ck_assert_uint_eq(quantile(&h, 0).integer, 0);
    ck_assert_uint_eq(quantile(&h, 1).integer, INT64_MAX);
    oh_histogram_free(&h);
    ck_assert_int_eq(suite_blocks, 0);
}
END_TEST

START_TEST(sums_and_counts_of_many_keep_or_wrap) {
    oh_histogram_t h = hdr(1, INT64_MAX, 1);
    record(&h, INT64_MAX, INT64_MAX);
    fold(&h);
    ck_assert_uint_eq(h.total->count, INT64_MAX);
    ck_assert(h.total->integer == (oh_u128_t)INT64_MAX * INT64_MAX);
    record(&h, 0, INT64_MAX);
    record(&h, 0, 2);
    fold(&h);
    ck_assert_uint_eq(h.total->count, 0);
    ck_assert(oh_histogram_empty(&h));
    oh_histogram_free(&h);
}
END_TEST

START_TEST(sums_of_reals_stay_finite) {
    oh_histogram_t h = explicit_of((double[]){-1, 0, 1}, 3);
    record_real(&h, DBL_MAX, 1000);
    record_real(&h, DBL_MAX, 1);
    record_real(&h, -DBL_MAX, INT64_MAX);
    fold(&h);
    ck_assert(isfinite(h.total->real.sum) && isfinite(h.total->real.squares));
    ck_assert(isfinite(oh_histogram_mean(&h)) && isfinite(oh_histogram_stddev(&h)));
    ck_assert(h.total->min.real == -DBL_MAX && h.total->max.real == DBL_MAX);
    ck_assert_uint_eq(h.total->cell[0], INT64_MAX);
    ck_assert_uint_eq(h.total->cell[3], 1001);
    oh_histogram_free(&h);
}
END_TEST

START_TEST(a_histogram_of_reals_knows_its_values) {
    oh_histogram_t h = explicit_of((double[]){1, 10, 100}, 3);
    static const double values[] = {2, 4, 4, 4, 5, 5, 7, 9};
    for (size_t i = 0; i < COUNT(values); i++)
        record_real(&h, values[i], 1);
    fold(&h);
    ck_assert(oh_histogram_mean(&h) == 5);
    ck_assert(fabs(oh_histogram_stddev(&h) - 2) < 1e-12);
    /* All in the cell up to 10, but none above 9. */
    ck_assert(quantile(&h, 0.5).real == 9 && quantile(&h, 0).real == 2);
    record_real(&h, 1000, 1);
    fold(&h);
    ck_assert(quantile(&h, 0.5).real == 10 && quantile(&h, 0.99).real == 1000);
    oh_histogram_free(&h);
}
END_TEST

START_TEST(equal_reals_far_from_the_bounds_have_no_deviation) {
    oh_histogram_t h = explicit_of((double[]){1, 2}, 2);
    record_real(&h, 1e9 + 0.1, 1000);
    fold(&h);
    double stddev = oh_histogram_stddev(&h);
    ck_assert(stddev >= 0 && stddev < 1e9 * 1e-7);
    oh_histogram_free(&h);
}
END_TEST

START_TEST(quantiles_are_those_of_their_rank) {
    oh_histogram_t h = hdr(1, 1000000, 3);
    for (uint64_t i = 1; i <= 1000; i++)
        record(&h, i, 1);
    fold(&h);
    static const struct {
        double quantile;
        uint64_t value;
    } known[] = {{1, 1000},      {0.07, 70},        {0, 1},         {0.5, 500},
                 {0.999, 999},   {0.9990001, 1000}, {0.0000001, 1}, {0.001, 1},
                 {0.0010001, 2}, {0.29, 290},       {0.57, 570},    {0.58, 580}};
    oh_histogram_quantile_t quantile[COUNT(known)];
    for (size_t i = 0; i < COUNT(known); i++)
        quantile[i].quantile = known[i].quantile;
    oh_histogram_quantiles(&h, quantile, COUNT(known));
    for (size_t i = 0; i < COUNT(known); i++)
        ck_assert_uint_eq(quantile[i].value.integer, known[i].value);
    oh_histogram_free(&h);
}
END_TEST

/* --- Readings --- */

START_TEST(taking_all_leaves_nothing_and_loses_nothing) {
    oh_histogram_t h = hdr(1, 1000000, 2), taken;
    record(&h, 5, 3);
    record(&h, 999999, 1);
    uint64_t budget = UINT64_MAX;
    ck_assert_int_eq(oh_histogram_begin(&h, &budget), OH_OK);
    ck_assert_int_eq(oh_histogram_init_like(&taken, &h), OH_OK);
    oh_histogram_take(&h, &taken);
    oh_histogram_end(&h);
    ck_assert(oh_histogram_valid(&h) && oh_histogram_valid(&taken));
    ck_assert(oh_histogram_empty(&h));
    ck_assert_uint_eq(taken.total->count, 4);
    record(&taken, 6, 1);
    record(&h, 7, 1);
    fold(&taken);
    fold(&h);
    ck_assert_uint_eq(taken.total->count, 5);
    ck_assert_uint_eq(h.total->count, 1);
    ck_assert_uint_eq(h.total->min.integer, 7);
    oh_histogram_free(&h);
    oh_histogram_free(&taken);
    ck_assert_int_eq(suite_blocks, 0);
}
END_TEST

START_TEST(parts_added_up_are_the_whole) {
    oh_histogram_t whole = hdr(1, INT64_MAX, 2), sum = hdr(1, INT64_MAX, 2);
    for (int part = 0; part < 10; part++) {
        oh_histogram_t h = hdr(1, INT64_MAX, 2);
        for (int i = 0; i < 100; i++) {
            uint64_t value = random_word() & INT64_MAX;
            record(&h, value, 1);
            record(&whole, value, 1);
        }
        uint64_t budget = UINT64_MAX;
        ck_assert_int_eq(oh_histogram_begin_both(&sum, &h, &budget), OH_OK);
        ck_assert(oh_histogram_can_add(&sum, &h));
        oh_histogram_add(&sum, &h);
        oh_histogram_end(&h);
        oh_histogram_end(&sum);
        ck_assert(oh_histogram_valid(&sum));
        oh_histogram_free(&h);
    }
    fold(&whole);
    ck_assert_uint_eq(sum.total->count, whole.total->count);
    ck_assert(sum.total->integer == whole.total->integer);
    ck_assert_uint_eq(sum.total->min.integer, whole.total->min.integer);
    ck_assert_uint_eq(sum.total->max.integer, whole.total->max.integer);
    ck_assert_int_eq(
        memcmp(sum.total->cell, whole.total->cell, whole.layout.cells * sizeof *whole.total->cell),
        0);
    ck_assert(oh_histogram_stddev(&sum) == oh_histogram_stddev(&whole));
    oh_histogram_free(&sum);
    oh_histogram_free(&whole);
}
END_TEST

START_TEST(a_histogram_added_to_itself_doubles) {
    oh_histogram_t h = hdr(1, 1000, 2);
    record(&h, 10, 1);
    record(&h, 500, 2);
    uint64_t budget = UINT64_MAX;
    ck_assert_int_eq(oh_histogram_begin_both(&h, &h, &budget), OH_OK);
    oh_histogram_add(&h, &h);
    oh_histogram_end(&h);
    ck_assert(oh_histogram_valid(&h));
    ck_assert_uint_eq(h.total->count, 6);
    ck_assert(h.total->integer == 2020);
    oh_histogram_free(&h);
}
END_TEST

START_TEST(what_has_no_cell_is_not_added) {
    oh_histogram_t small = hdr(1, 1000, 2), large = hdr(1, INT64_MAX, 2);
    ck_assert(oh_histogram_can_add(&small, &large));
    record(&large, 1000, 1);
    fold(&large);
    ck_assert(oh_histogram_can_add(&small, &large));
    ck_assert(oh_histogram_can_add(&large, &small));
    record(&large, 5000, 1);
    fold(&large);
    ck_assert(!oh_histogram_can_add(&small, &large));
    oh_histogram_free(&small);
    oh_histogram_free(&large);
}
END_TEST

START_TEST(a_second_reader_is_told_to_wait) {
    oh_histogram_t a = hdr(1, 1000, 2), b = hdr(1, 1000, 2);
    uint64_t budget = UINT64_MAX;
    ck_assert_int_eq(oh_histogram_begin(&a, &budget), OH_OK);
    ck_assert_int_eq(oh_histogram_begin(&a, &budget), OH_BUSY);
    ck_assert_int_eq(oh_histogram_begin_both(&a, &b, &budget), OH_BUSY);
    ck_assert_int_eq(oh_histogram_begin_both(&b, &a, &budget), OH_BUSY);
    /* Neither attempt kept the other one. */
    ck_assert_int_eq(oh_histogram_begin(&b, &budget), OH_OK);
    oh_histogram_end(&b);
    oh_histogram_end(&a);
    ck_assert_int_eq(oh_histogram_begin_both(&b, &a, &budget), OH_OK);
    oh_histogram_end(&b);
    oh_histogram_end(&a);
    oh_histogram_free(&a);
    oh_histogram_free(&b);
}
END_TEST

START_TEST(a_reader_does_not_wait_long_for_a_recorder) {
    oh_histogram_t h = hdr(1, 1000, 2);
    oh_histogram_tally_t *inside = oh_histogram_enter(&h);
    ck_assert_ptr_nonnull(inside);
    ck_assert(!oh_histogram_valid(&h));
    uint64_t budget = UINT64_MAX;
    ck_assert_int_eq(oh_histogram_begin(&h, &budget), OH_BUSY);
    oh_histogram_count_integer(&h, inside, 8, 1);
    oh_histogram_leave(inside);
    fold(&h);
    ck_assert_uint_eq(h.total->count, 1);
    oh_histogram_free(&h);
}
END_TEST

START_TEST(a_recorder_whose_stripe_is_held_takes_another) {
    oh_histogram_t h = hdr(1, 1000, 2);
    oh_histogram_tally_t *inside = oh_histogram_enter(&h);
    ck_assert_uint_eq(oh_histogram_stripes(&h), 1);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(oh_histogram_record(&h, (oh_histogram_value_t){.integer = 9}, 1), OH_OK);
    /* One more stripe, and no more than one. */
    ck_assert_uint_eq(oh_histogram_stripes(&h), 2);
    oh_histogram_count_integer(&h, inside, 8, 1);
    oh_histogram_leave(inside);
    fold(&h);
    ck_assert_uint_eq(h.total->count, 11);
    ck_assert(h.total->integer == 98);
    oh_histogram_free(&h);
}
END_TEST

START_TEST(a_reading_beyond_the_budget_is_refused_and_loses_nothing) {
    oh_histogram_t h = hdr(1, 1000000, 3);
    record(&h, 100, 1);
    record(&h, 199, 1);
    uint64_t budget = 99;
    ck_assert_int_eq(oh_histogram_begin(&h, &budget), OH_LIMIT);
    ck_assert(oh_histogram_valid(&h));
    budget = 100;
    ck_assert_int_eq(oh_histogram_begin(&h, &budget), OH_LIMIT);
    ck_assert(oh_histogram_valid(&h));
    /* The stripe is folded by now: only the total is left to look at. */
    budget = 100;
    ck_assert_int_eq(oh_histogram_begin(&h, &budget), OH_OK);
    ck_assert_uint_eq(budget, 0);
    ck_assert_uint_eq(h.total->count, 2);
    oh_histogram_end(&h);
    oh_histogram_free(&h);
}
END_TEST

/* --- Memory --- */

START_TEST(memory_that_is_out_is_reported_and_leaves_nothing) {
    static const double bound[] = {1, 2};
    for (long left = 0; left < 3; left++) {
        oh_histogram_t h;
        oh_histogram_layout_t l;
        oh_status_t status;
        suite_allocations_left = left;
        status = oh_histogram_layout_init_explicit(&l, bound, 2);
        if (status == OH_OK)
            status = oh_histogram_init(&h, l, 3);
        ck_assert_int_eq(status, OH_ENOMEM);
        ck_assert_int_eq(suite_blocks, 0);
    }
    suite_allocations_left = SUITE_NO_LIMIT;
    oh_histogram_t h = explicit_of(bound, 2), copy;
    for (long left = 0; left < 3; left++) {
        suite_allocations_left = left;
        long before = suite_blocks;
        ck_assert_int_eq(oh_histogram_init_like(&copy, &h), OH_ENOMEM);
        ck_assert_int_eq(suite_blocks, before);
    }
    suite_allocations_left = 0;
    ck_assert_int_eq(oh_histogram_record(&h, (oh_histogram_value_t){.real = 1}, 1), OH_ENOMEM);
    ck_assert(oh_histogram_valid(&h));
    suite_allocations_left = SUITE_NO_LIMIT;
    record_real(&h, 1, 1);
    oh_histogram_free(&h);
    ck_assert_int_eq(suite_blocks, 0);
}
END_TEST

START_TEST(a_recorder_without_memory_for_a_stripe_takes_a_free_one) {
    oh_histogram_t h = hdr(1, 1000, 2);
    record(&h, 1, 1);
    oh_histogram_tally_t *inside = oh_histogram_enter(&h);
    oh_histogram_tally_t *second = oh_histogram_enter(&h);
    ck_assert_ptr_ne(inside, second);
    oh_histogram_leave(second);
    suite_allocations_left = 0;
    ck_assert_ptr_eq(oh_histogram_enter(&h), second);
    ck_assert_ptr_null(oh_histogram_enter(&h));
    suite_allocations_left = SUITE_NO_LIMIT;
    oh_histogram_leave(second);
    oh_histogram_leave(inside);
    oh_histogram_free(&h);
}
END_TEST

START_TEST(stripes_have_a_limit) {
    oh_histogram_t h;
    ck_assert_int_eq(oh_histogram_init(&h, hdr_layout(1, 1000, 2), OH_HISTOGRAM_STRIPES_MAX + 1),
                     OH_LIMIT);
    ck_assert_int_eq(oh_histogram_init(&h, hdr_layout(1, 1000, 2), 0), OH_OK);
    record(&h, 1, 1);
    oh_histogram_free(&h);
    ck_assert_int_eq(oh_histogram_init(&h, hdr_layout(1, 1000, 2), OH_HISTOGRAM_STRIPES_MAX),
                     OH_OK);
    ck_assert_uint_eq(h.stripe_mask + 1, OH_HISTOGRAM_STRIPES_MAX);
    oh_histogram_free(&h);
}
END_TEST

START_TEST(bytes_are_those_of_what_is_there) {
    oh_histogram_t h = hdr(1, 3600000000000, 3);
    uint64_t before = oh_histogram_bytes(&h);
    ck_assert(before >= 33792 * 8 && before < 33792 * 8 + 1000);
    record(&h, 1, 1);
    ck_assert(oh_histogram_bytes(&h) >= 2 * 33792 * 8);
    oh_histogram_free(&h);
    oh_histogram_free(&h);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_histogram");
    TCase *tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, hdr_cells_are_as_many_as_in_hdrhistogram);
    tcase_add_test(tcase, hdr_cells_follow_each_other_without_gaps);
    tcase_add_test(tcase, hdr_cells_keep_the_digits_promised);
    tcase_add_test(tcase, hdr_layouts_that_make_no_sense_are_refused);
    tcase_add_test(tcase, an_explicit_cell_is_that_of_the_first_bound_not_below);
    tcase_add_test(tcase, bounds_that_make_no_sense_are_refused);
    tcase_add_test(tcase, layouts_are_compatible_where_cells_mean_the_same);
    tcase_add_test(tcase, values_at_the_edges_of_a_histogram_count);
    tcase_add_test(tcase, sums_and_counts_of_many_keep_or_wrap);
    tcase_add_test(tcase, sums_of_reals_stay_finite);
    tcase_add_test(tcase, a_histogram_of_reals_knows_its_values);
    tcase_add_test(tcase, equal_reals_far_from_the_bounds_have_no_deviation);
    tcase_add_test(tcase, quantiles_are_those_of_their_rank);
    tcase_add_test(tcase, taking_all_leaves_nothing_and_loses_nothing);
    tcase_add_test(tcase, parts_added_up_are_the_whole);
    tcase_add_test(tcase, a_histogram_added_to_itself_doubles);
    tcase_add_test(tcase, what_has_no_cell_is_not_added);
    tcase_add_test(tcase, a_second_reader_is_told_to_wait);
    tcase_add_test(tcase, a_reader_does_not_wait_long_for_a_recorder);
    tcase_add_test(tcase, a_recorder_whose_stripe_is_held_takes_another);
    tcase_add_test(tcase, a_reading_beyond_the_budget_is_refused_and_loses_nothing);
    tcase_add_test(tcase, memory_that_is_out_is_reported_and_leaves_nothing);
    tcase_add_test(tcase, a_recorder_without_memory_for_a_stripe_takes_a_free_one);
    tcase_add_test(tcase, stripes_have_a_limit);
    tcase_add_test(tcase, bytes_are_those_of_what_is_there);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
