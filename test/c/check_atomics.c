/* oh_atomics: arithmetic at the edges, sizes at the edges, memory that is not there. */
#include "oh_atomics.h"
#include "oh_reaper.h"
#include "suite.h"

static void setup(void) {
    suite_use_allocator();
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
}

static void teardown(void) {
    oh_reaper_stop();
}

static oh_atomics_t make(uint64_t size) {
    oh_atomics_t a;
    ck_assert_int_eq(oh_atomics_init(&a, size), OH_OK);
    return a;
}

START_TEST(a_new_array_holds_zeros) {
    static const uint64_t sizes[] = {1, 2, 7, 8, 9, 1000, 32767, 32768, 32769, 1000000};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        oh_atomics_t a = make(sizes[s]);
        ck_assert_uint_eq(a.size, sizes[s]);
        ck_assert_uint_eq(oh_atomics_bytes(&a), sizes[s] * 8);
        ck_assert_uint_eq((uintptr_t)a.cell % OH_CACHE_LINE, 0);
        for (uint64_t i = 0; i < sizes[s]; i++)
            ck_assert_uint_eq(oh_atomics_get(&a, i), 0);
        ck_assert_uint_eq(oh_atomics_sum(&a, 0, sizes[s]), 0);
        oh_atomics_free(&a);
    }
}
END_TEST

START_TEST(cells_are_apart) {
    oh_atomics_t a = make(3);
    oh_atomics_put(&a, 1, UINT64_MAX);
    ck_assert_uint_eq(oh_atomics_get(&a, 0), 0);
    ck_assert_uint_eq(oh_atomics_get(&a, 1), UINT64_MAX);
    ck_assert_uint_eq(oh_atomics_get(&a, 2), 0);
    ck_assert_uint_eq(oh_atomics_add_get(&a, 1, 1), 0);
    ck_assert_uint_eq(oh_atomics_get(&a, 2), 0);
    oh_atomics_free(&a);
}
END_TEST

START_TEST(add_wraps_at_both_ends_of_the_word) {
    oh_atomics_t a = make(1);
    oh_atomics_put(&a, 0, INT64_MAX);
    ck_assert_uint_eq(oh_atomics_add_get(&a, 0, 1), (uint64_t)1 << 63);
    ck_assert_uint_eq(oh_atomics_add_get(&a, 0, (uint64_t)-1), INT64_MAX);
    oh_atomics_put(&a, 0, UINT64_MAX);
    ck_assert_uint_eq(oh_atomics_add_get(&a, 0, 1), 0);
    ck_assert_uint_eq(oh_atomics_add_get(&a, 0, (uint64_t)-1), UINT64_MAX);
    ck_assert_uint_eq(oh_atomics_add_get(&a, 0, (uint64_t)INT64_MIN), INT64_MAX);
    oh_atomics_free(&a);
}
END_TEST

START_TEST(exchange_tells_what_was_there) {
    oh_atomics_t a = make(1);
    ck_assert_uint_eq(oh_atomics_exchange(&a, 0, 5), 0);
    ck_assert_uint_eq(oh_atomics_exchange(&a, 0, UINT64_MAX), 5);
    ck_assert_uint_eq(oh_atomics_get(&a, 0), UINT64_MAX);
    oh_atomics_free(&a);
}
END_TEST

START_TEST(compare_exchange_stores_or_tells) {
    oh_atomics_t a = make(1);
    uint64_t expected = 0;
    ck_assert(oh_atomics_compare_exchange(&a, 0, &expected, 7));
    ck_assert_uint_eq(expected, 0);
    ck_assert(!oh_atomics_compare_exchange(&a, 0, &expected, 8));
    ck_assert_uint_eq(expected, 7);
    ck_assert_uint_eq(oh_atomics_get(&a, 0), 7);
    oh_atomics_free(&a);
}
END_TEST

START_TEST(a_sum_wraps_and_keeps_to_its_range) {
    oh_atomics_t a = make(4);
    oh_atomics_put(&a, 0, 100);
    oh_atomics_put(&a, 1, UINT64_MAX);
    oh_atomics_put(&a, 2, 3);
    oh_atomics_put(&a, 3, 1000);
    ck_assert_uint_eq(oh_atomics_sum(&a, 1, 2), 2);
    ck_assert_uint_eq(oh_atomics_sum(&a, 0, 4), 1102);
    ck_assert_uint_eq(oh_atomics_sum(&a, 4, 0), 0);
    oh_atomics_free(&a);
}
END_TEST

START_TEST(no_cells_are_no_array) {
    oh_atomics_t a;
    ck_assert_int_eq(oh_atomics_init(&a, 0), OH_BADARG);
}
END_TEST

START_TEST(more_cells_than_the_limit_are_refused) {
    static const uint64_t sizes[] = {OH_ATOMICS_SIZE_MAX + 1, (uint64_t)1 << 60, (uint64_t)1 << 61,
                                     ((uint64_t)1 << 61) + 1, (uint64_t)1 << 63, UINT64_MAX};
    oh_atomics_t a;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        ck_assert_int_eq(oh_atomics_init(&a, sizes[i]), OH_LIMIT);
}
END_TEST

START_TEST(the_limit_itself_works_or_is_out_of_memory) {
    oh_atomics_t a;
    oh_status_t status = oh_atomics_init(&a, OH_ATOMICS_SIZE_MAX);
    if (status == OH_OK) {
        ck_assert_uint_eq(oh_atomics_add_get(&a, 0, 1), 1);
        ck_assert_uint_eq(oh_atomics_add_get(&a, OH_ATOMICS_SIZE_MAX - 1, 2), 2);
        oh_atomics_free(&a);
    } else {
        ck_assert_int_eq(status, OH_ENOMEM);
    }
}
END_TEST

START_TEST(memory_that_is_out_is_reported_and_leaves_nothing) {
    oh_atomics_t a;
    long before = suite_blocks;
    suite_allocations_left = 0;
    ck_assert_int_eq(oh_atomics_init(&a, 1), OH_ENOMEM);
    ck_assert_int_eq(oh_atomics_init(&a, 1000), OH_ENOMEM);
    suite_allocations_left = SUITE_NO_LIMIT;
    ck_assert_int_eq(suite_blocks, before);
    a = make(1000);
    ck_assert_int_eq(suite_blocks, before + 1);
    oh_atomics_free(&a);
    ck_assert_int_eq(suite_blocks, before);
}
END_TEST

START_TEST(a_freed_array_is_empty) {
    oh_atomics_t a = make(10);
    oh_atomics_free(&a);
    ck_assert_ptr_null((void *)a.cell);
    ck_assert_uint_eq(a.size, 0);
    oh_atomics_free(&a);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_atomics");
    TCase *tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_new_array_holds_zeros);
    tcase_add_test(tcase, cells_are_apart);
    tcase_add_test(tcase, add_wraps_at_both_ends_of_the_word);
    tcase_add_test(tcase, exchange_tells_what_was_there);
    tcase_add_test(tcase, compare_exchange_stores_or_tells);
    tcase_add_test(tcase, a_sum_wraps_and_keeps_to_its_range);
    tcase_add_test(tcase, no_cells_are_no_array);
    tcase_add_test(tcase, more_cells_than_the_limit_are_refused);
    tcase_add_test(tcase, the_limit_itself_works_or_is_out_of_memory);
    tcase_add_test(tcase, memory_that_is_out_is_reported_and_leaves_nothing);
    tcase_add_test(tcase, a_freed_array_is_empty);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
