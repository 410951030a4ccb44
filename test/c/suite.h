/*
 * suite: what the Check suites share: the runner's end, and an allocator that counts its blocks and
 * fails on demand.
 */
#ifndef SUITE_H
#define SUITE_H

#include <check.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

#include "oh_alloc.h"
#include "oh_atomic.h"

#define SUITE_NO_LIMIT LONG_MAX

/* Allocations alive. The reaper's thread frees too. */
static _Atomic long suite_blocks;
/* The largest allocation asked for, in bytes. */
static size_t suite_largest;
/* Allocations that still succeed. */
static long suite_allocations_left = SUITE_NO_LIMIT;

static void *suite_alloc(size_t bytes) {
    if (suite_allocations_left <= 0)
        return NULL;
    if (suite_allocations_left != SUITE_NO_LIMIT)
        suite_allocations_left--;
    oh_fetch_add_relaxed(&suite_blocks, 1);
    if (bytes > suite_largest)
        suite_largest = bytes;
    return malloc(bytes);
}

static void suite_free(void *ptr) {
    ck_assert_ptr_nonnull(ptr);
    oh_fetch_sub_relaxed(&suite_blocks, 1);
    free(ptr);
}

/* Makes the core allocate here, without a limit. */
static inline void suite_use_allocator(void) {
    oh_store_relaxed(&suite_blocks, 0);
    suite_largest = 0;
    suite_allocations_left = SUITE_NO_LIMIT;
    oh_set_allocator((oh_allocator_t){suite_alloc, suite_free});
}

/* Runs the suite; what main returns. */
static inline int suite_run(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
