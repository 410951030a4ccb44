/* oh_hyperloglog: registers at their ends, the error of the estimate, merging, bytes. */
#include "oh_hyperloglog.h"
#include "oh_mix.h"
#include "oh_reaper.h"
#include "suite.h"

#include <math.h>
#include <string.h>

static void setup(void) {
    suite_use_allocator();
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
}

static void teardown(void) {
    oh_reaper_stop();
}

static oh_hyperloglog_t make(unsigned precision) {
    oh_hyperloglog_t h;
    ck_assert_int_eq(oh_hyperloglog_init(&h, precision), OH_OK);
    return h;
}

static unsigned reg(const oh_hyperloglog_t *h, uint64_t index) {
    return oh_load_acquire(&h->word[index / 8]) >> index % 8 * 8 & 255;
}

START_TEST(a_new_one_has_counted_nothing) {
    oh_hyperloglog_t h = make((unsigned)_i);
    ck_assert_uint_eq(oh_hyperloglog_registers(&h), (size_t)1 << _i);
    ck_assert_double_eq(oh_hyperloglog_count(&h), 0);
    ck_assert(oh_hyperloglog_valid(&h));
    oh_hyperloglog_free(&h);
}
END_TEST

START_TEST(a_register_keeps_the_longest_run) {
    unsigned p = (unsigned)_i;
    oh_hyperloglog_t h = make(p);
    uint64_t last = oh_hyperloglog_registers(&h) - 1;
    ck_assert(oh_hyperloglog_add(&h, UINT64_MAX));
    ck_assert_uint_eq(reg(&h, last), 1);
    ck_assert(!oh_hyperloglog_add(&h, UINT64_MAX));
    ck_assert(oh_hyperloglog_add(&h, (UINT64_MAX << (64 - p)) + 1));
    ck_assert_uint_eq(reg(&h, last), 64 - p);
    ck_assert(oh_hyperloglog_add(&h, UINT64_MAX << (64 - p)));
    ck_assert_uint_eq(reg(&h, last), 65 - p);
    ck_assert(!oh_hyperloglog_add(&h, UINT64_MAX));
    ck_assert_uint_eq(reg(&h, last), 65 - p);
    ck_assert_uint_eq(reg(&h, last - 1), 0);
    ck_assert(oh_hyperloglog_add(&h, (uint64_t)1 << 63 >> p));
    ck_assert_uint_eq(reg(&h, 0), 1);
    ck_assert_uint_eq(reg(&h, 1), 0);
    ck_assert(oh_hyperloglog_valid(&h));
    oh_hyperloglog_free(&h);
}
END_TEST

/* One estimate: within 4 standard errors. With few registers the error is skewed: it is a factor
 * rather than a difference. */
START_TEST(estimates_are_within_their_error) {
    static const uint64_t counts[] = {1,   2,    5,    10,    50,     100,
                                      500, 1000, 5000, 10000, 100000, 1000000};
    unsigned p = (unsigned)_i;
    double error = 1.04 / sqrt(ldexp(1, (int)p));
    oh_hyperloglog_t h = make(p);
    uint64_t added = 0;
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        for (; added < counts[c]; added++)
            (void)oh_hyperloglog_add(&h, oh_mix(added));
        double n = (double)counts[c], estimate = oh_hyperloglog_count(&h);
        ck_assert_double_le(estimate, n * exp(4 * error) + 0.5);
        ck_assert_double_ge(estimate, n * exp(-4 * error) - 0.5);
    }
    oh_hyperloglog_free(&h);
}
END_TEST

/* The error over 200 sketches of other hashes: its mean near zero, its spread near the theory's. */
START_TEST(the_error_has_no_bias_and_the_spread_of_the_theory) {
    static const uint64_t counts[] = {300, 1000, 2560, 5120, 20000};
    enum { SKETCHES = 200, P = 10 };
    double theory = 1.04 / sqrt(1 << P);
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        double sum = 0, squares = 0, n = (double)counts[c];
        for (uint64_t s = 0; s < SKETCHES; s++) {
            oh_hyperloglog_t h = make(P);
            for (uint64_t i = 0; i < counts[c]; i++)
                (void)oh_hyperloglog_add(&h, oh_mix(s << 32 | i));
            double relative = oh_hyperloglog_count(&h) / n - 1;
            sum += relative;
            squares += relative * relative;
            oh_hyperloglog_free(&h);
        }
        ck_assert_double_le(fabs(sum / SKETCHES), 4 * theory / sqrt(SKETCHES));
        ck_assert_double_le(sqrt(squares / SKETCHES), 1.2 * theory);
        /* Few hashes are counted better than the theory has it. */
        if (counts[c] >= 5120)
            ck_assert_double_ge(sqrt(squares / SKETCHES), 0.8 * theory);
    }
}
END_TEST

START_TEST(full_registers_count_all_hashes_there_are) {
    uint8_t bytes[16];
    oh_hyperloglog_t h = make(4);
    memset(bytes, 61, sizeof bytes);
    ck_assert_int_eq(oh_hyperloglog_from_bytes(&h, bytes), OH_OK);
    ck_assert_double_eq(oh_hyperloglog_count(&h), 0x1p64);
    bytes[15] = 60;
    ck_assert_int_eq(oh_hyperloglog_from_bytes(&h, bytes), OH_OK);
    ck_assert(isfinite(oh_hyperloglog_count(&h)));
    oh_hyperloglog_free(&h);
}
END_TEST

START_TEST(a_merge_is_as_if_all_had_been_added_to_one) {
    oh_hyperloglog_t a = make((unsigned)_i), b = make((unsigned)_i), both = make((unsigned)_i);
    for (uint64_t i = 0; i < 20000; i++) {
        (void)oh_hyperloglog_add(&both, oh_mix(i));
        if (i < 12000)
            (void)oh_hyperloglog_add(&a, oh_mix(i));
        if (i >= 8000)
            (void)oh_hyperloglog_add(&b, oh_mix(i));
    }
    oh_hyperloglog_merge(&a, &b);
    oh_hyperloglog_merge(&a, &a);
    for (uint64_t i = 0; i < oh_hyperloglog_registers(&a); i++)
        if (reg(&a, i) != reg(&both, i))
            ck_abort_msg("register %lu", (unsigned long)i);
    oh_hyperloglog_free(&a);
    oh_hyperloglog_free(&b);
    oh_hyperloglog_free(&both);
}
END_TEST

START_TEST(bytes_are_the_registers_and_come_back) {
    oh_hyperloglog_t a = make((unsigned)_i), b = make((unsigned)_i);
    size_t size = oh_hyperloglog_registers(&a);
    uint8_t *bytes = malloc(size);
    for (uint64_t i = 0; i < 5000; i++)
        (void)oh_hyperloglog_add(&a, oh_mix(i));
    oh_hyperloglog_to_bytes(&a, bytes);
    for (uint64_t i = 0; i < size; i++)
        if (bytes[i] != reg(&a, i))
            ck_abort_msg("register %lu", (unsigned long)i);
    ck_assert_int_eq(oh_hyperloglog_from_bytes(&b, bytes), OH_OK);
    ck_assert_double_eq(oh_hyperloglog_count(&a), oh_hyperloglog_count(&b));
    bytes[size - 1] = (uint8_t)(66 - _i);
    ck_assert_int_eq(oh_hyperloglog_from_bytes(&b, bytes), OH_BADARG);
    bytes[size - 1] = 255;
    ck_assert_int_eq(oh_hyperloglog_from_bytes(&b, bytes), OH_BADARG);
    ck_assert(oh_hyperloglog_valid(&b));
    oh_store_seqcst(&b.word[0], (uint64_t)(66 - _i) << 24);
    ck_assert(!oh_hyperloglog_valid(&b));
    free(bytes);
    oh_hyperloglog_free(&a);
    oh_hyperloglog_free(&b);
}
END_TEST

START_TEST(precisions_outside_the_range_and_memory_that_is_out) {
    oh_hyperloglog_t h;
    ck_assert_int_eq(oh_hyperloglog_init(&h, 3), OH_BADARG);
    ck_assert_int_eq(oh_hyperloglog_init(&h, 19), OH_BADARG);
    ck_assert_int_eq(oh_hyperloglog_init(&h, UINT32_MAX), OH_BADARG);
    long before = suite_blocks;
    suite_allocations_left = 0;
    ck_assert_int_eq(oh_hyperloglog_init(&h, 4), OH_ENOMEM);
    suite_allocations_left = SUITE_NO_LIMIT;
    ck_assert_int_eq(suite_blocks, before);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_hyperloglog");
    TCase *tcase = tcase_create("all");
    int from = OH_HYPERLOGLOG_PRECISION_MIN, to = OH_HYPERLOGLOG_PRECISION_MAX + 1;
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, a_new_one_has_counted_nothing, from, to);
    tcase_add_loop_test(tcase, a_register_keeps_the_longest_run, from, to);
    tcase_add_loop_test(tcase, estimates_are_within_their_error, from, to);
    tcase_add_test(tcase, the_error_has_no_bias_and_the_spread_of_the_theory);
    tcase_add_test(tcase, full_registers_count_all_hashes_there_are);
    tcase_add_loop_test(tcase, a_merge_is_as_if_all_had_been_added_to_one, from, to);
    tcase_add_loop_test(tcase, bytes_are_the_registers_and_come_back, from, to);
    tcase_add_test(tcase, precisions_outside_the_range_and_memory_that_is_out);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
