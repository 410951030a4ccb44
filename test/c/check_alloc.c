/* oh_alloc: alignment, zeroes, overflow, and what happens when the allocator says no. */
#include <string.h>

#include "oh_alloc.h"
#include "suite.h"

static void setup(void) {
    suite_use_allocator();
}

static void teardown(void) {
    ck_assert_int_eq(suite_blocks, 0);
}

static bool all_zero(const unsigned char *p, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (p[i] != 0)
            return false;
    return true;
}

START_TEST(alloc_gives_and_takes_from_the_injected_allocator) {
    void *p = oh_alloc(100);
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(suite_blocks, 1);
    oh_free(p);
    ck_assert_int_eq(suite_blocks, 0);
}
END_TEST

START_TEST(zalloc_clears) {
    for (size_t bytes = 1; bytes < 5000; bytes = bytes * 3 + 1) {
        /* What was freed dirty is likely to come back. */
        void *dirty = oh_alloc(bytes);
        memset(dirty, 0xff, bytes);
        oh_free(dirty);
        unsigned char *p = oh_zalloc(bytes);
        ck_assert(all_zero(p, bytes));
        oh_free(p);
    }
}
END_TEST

START_TEST(null_may_be_freed) {
    oh_free(NULL);
    oh_free_aligned(NULL);
    oh_free_big(NULL, 0);
    oh_free_big(NULL, OH_ALLOC_MAP_BYTES);
}
END_TEST

START_TEST(aligned_blocks_are_aligned_and_whole) {
    for (size_t align = sizeof(void *); align <= 4096; align *= 2) {
        void *held[16];
        for (size_t i = 0; i < 16; i++) {
            size_t bytes = i * 13 + 1;
            held[i] = oh_alloc_aligned(bytes, align);
            ck_assert_ptr_nonnull(held[i]);
            ck_assert_uint_eq((uintptr_t)held[i] % align, 0);
            memset(held[i], 0xff, bytes); /* its first and last byte are ours: ASan watches */
        }
        ck_assert_int_eq(suite_blocks, 16);
        for (size_t i = 0; i < 16; i++)
            oh_free_aligned(held[i]);
        ck_assert_int_eq(suite_blocks, 0);
    }
}
END_TEST

START_TEST(aligned_sizes_that_overflow_are_refused) {
    ck_assert_ptr_null(oh_alloc_aligned(SIZE_MAX, 64));
    ck_assert_ptr_null(oh_alloc_aligned(SIZE_MAX - 64, 64));
    ck_assert_ptr_null(oh_alloc_aligned(SIZE_MAX - 64 - sizeof(void *) + 1, 64));
    ck_assert_int_eq(suite_blocks, 0);
}
END_TEST

START_TEST(big_blocks_are_zero_and_on_a_cache_line) {
    static const size_t sizes[] = {1,
                                   8,
                                   4096,
                                   OH_ALLOC_MAP_BYTES - 1,
                                   OH_ALLOC_MAP_BYTES,
                                   OH_ALLOC_MAP_BYTES + 1,
                                   (size_t)3 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *p = oh_zalloc_big(sizes[i]);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % OH_CACHE_LINE, 0);
        ck_assert(all_zero(p, sizes[i]));
        memset(p, 0xff, sizes[i]);
        oh_free_big(p, sizes[i]);
    }
}
END_TEST

START_TEST(big_blocks_come_from_the_system_at_the_threshold) {
    void *mapped = oh_zalloc_big(OH_ALLOC_MAP_BYTES);
    ck_assert_int_eq(suite_blocks, 0);
    void *small = oh_zalloc_big(OH_ALLOC_MAP_BYTES - 1);
    ck_assert_int_eq(suite_blocks, 1);
    oh_free_big(mapped, OH_ALLOC_MAP_BYTES);
    oh_free_big(small, OH_ALLOC_MAP_BYTES - 1);
}
END_TEST

START_TEST(sizes_beyond_the_address_space_are_refused) {
    ck_assert_ptr_null(oh_zalloc_big((size_t)1 << 62));
    ck_assert_ptr_null(oh_zalloc_big(SIZE_MAX - 4096));
}
END_TEST

START_TEST(every_call_reports_an_allocator_that_has_nothing) {
    suite_allocations_left = 0;
    ck_assert_ptr_null(oh_alloc(1));
    ck_assert_ptr_null(oh_zalloc(1));
    ck_assert_ptr_null(oh_alloc_aligned(1, 64));
    ck_assert_ptr_null(oh_zalloc_big(1));
    ck_assert_ptr_null(oh_zalloc_big(OH_ALLOC_MAP_BYTES - 1));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_alloc");
    TCase *tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, alloc_gives_and_takes_from_the_injected_allocator);
    tcase_add_test(tcase, zalloc_clears);
    tcase_add_test(tcase, null_may_be_freed);
    tcase_add_test(tcase, aligned_blocks_are_aligned_and_whole);
    tcase_add_test(tcase, aligned_sizes_that_overflow_are_refused);
    tcase_add_test(tcase, big_blocks_are_zero_and_on_a_cache_line);
    tcase_add_test(tcase, big_blocks_come_from_the_system_at_the_threshold);
    tcase_add_test(tcase, sizes_beyond_the_address_space_are_refused);
    tcase_add_test(tcase, every_call_reports_an_allocator_that_has_nothing);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
