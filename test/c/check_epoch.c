/* Epoch reclamation, the reaper and the lock, one thread at a time. */
#include <pthread.h>

#include "oh_epoch.h"
#include "oh_lock.h"
#include "oh_reaper.h"
#include "suite.h"

typedef struct {
    oh_retired_t retired;
    bool *freed;
} object_t;

static void setup(void) {
    suite_use_allocator();
    ck_assert_int_eq(oh_epoch_attach(NULL), OH_OK);
}

static void teardown(void) {
    ck_assert(oh_epoch_valid());
    oh_epoch_destroy();
}

static void free_object(oh_retired_t *retired) {
    object_t *object = OH_CONTAINER_OF(retired, object_t, retired);
    *object->freed = true;
    free(object);
}

static void retire(bool *freed) {
    object_t *object = malloc(sizeof *object);
    *freed = false;
    object->freed = freed;
    ck_assert(oh_epoch_pin());
    oh_epoch_retire(&object->retired, 100, free_object);
    oh_epoch_unpin();
}

START_TEST(frees_after_the_grace_period) {
    bool freed;
    retire(&freed);
    ck_assert_uint_eq(oh_epoch_pending(), 1);
    ck_assert_uint_eq(oh_epoch_stats().pending_bytes, 100);
    for (int i = 0; i < 4 && !freed; i++) {
        oh_epoch_collect(10);
        ck_assert(oh_epoch_valid());
    }
    ck_assert(freed);
    ck_assert_uint_eq(oh_epoch_pending(), 0);
    ck_assert_uint_eq(oh_epoch_stats().pending_bytes, 0);
}
END_TEST

static oh_lock_t step_lock;

/* Stays pinned until the main thread unlocks. */
static void *pinned_thread(void *pinned) {
    oh_epoch_pin();
    oh_store_release((_Atomic bool *)pinned, true);
    oh_lock(&step_lock);
    oh_epoch_unpin();
    oh_unlock(&step_lock);
    return NULL;
}

START_TEST(keeps_what_a_pinned_thread_may_see) {
    bool freed;
    _Atomic bool pinned = false;
    pthread_t thread;
    oh_lock(&step_lock);
    pthread_create(&thread, NULL, pinned_thread, (void *)&pinned);
    while (!oh_load_acquire(&pinned))
        ;
    retire(&freed);
    for (int i = 0; i < 100; i++)
        oh_epoch_collect(10);
    ck_assert(!freed);
    ck_assert(oh_epoch_valid());
    oh_unlock(&step_lock);
    pthread_join(thread, NULL);
    for (int i = 0; i < 5; i++)
        oh_epoch_collect(10);
    ck_assert(freed);
    /* The ended thread's record serves the next thread. */
    uint64_t records = oh_epoch_stats().records;
    oh_store_release(&pinned, false);
    pthread_create(&thread, NULL, pinned_thread, (void *)&pinned);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(oh_epoch_stats().records, records);
}
END_TEST

START_TEST(frees_no_more_than_the_budget) {
    bool freed[10];
    for (int i = 0; i < 10; i++)
        retire(&freed[i]);
    size_t total = 0;
    for (int i = 0; i < 20; i++) {
        size_t now = oh_epoch_collect(3);
        ck_assert_uint_le(now, 3);
        total += now;
    }
    ck_assert_uint_eq(total, 10);
}
END_TEST

START_TEST(pin_reports_that_memory_is_out) {
    suite_allocations_left = 0;
    ck_assert(!oh_epoch_pin());
    suite_allocations_left = SUITE_NO_LIMIT;
    ck_assert(oh_epoch_pin());
    oh_epoch_unpin();
}
END_TEST

typedef struct {
    oh_reaper_job_t job;
    _Atomic int *runs;
} count_job_t;

static void run_count(oh_reaper_job_t *job) {
    count_job_t *self = OH_CONTAINER_OF(job, count_job_t, job);
    oh_fetch_add_acqrel(self->runs, 1);
    free(self);
}

static void push_count(_Atomic int *runs) {
    count_job_t *self = malloc(sizeof *self);
    *self = (count_job_t){.job.run = run_count, .runs = runs};
    oh_reaper_push(&self->job);
}

START_TEST(the_reaper_runs_each_job_once_and_collects) {
    _Atomic int runs = 0;
    bool freed;
    push_count(&runs); /* waits for the start */
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
    for (int i = 0; i < 1000; i++)
        push_count(&runs);
    retire(&freed);
    oh_reaper_hint();
    while (oh_epoch_pending() > 0)
        ;
    oh_reaper_stop();
    ck_assert_int_eq(oh_load_acquire(&runs), 1001);
    ck_assert(freed);
}
END_TEST

/* A job may be pushed just when the thread finds nothing to do. */
START_TEST(stop_runs_what_was_pushed_before) {
    for (int round = 0; round < 20000; round++) {
        _Atomic int runs = 0;
        ck_assert_int_eq(oh_reaper_start(), OH_OK);
        for (int i = round % 50; i > 0; i--)
            oh_pause();
        push_count(&runs);
        oh_reaper_stop();
        if (oh_load_acquire(&runs) != 1)
            ck_abort_msg("round %d", round);
    }
}
END_TEST

START_TEST(big_blocks_are_unmapped_in_the_background) {
    size_t bytes = (size_t)64 << 20;
    char *big = oh_zalloc_big(bytes);
    ck_assert_ptr_nonnull(big);
    big[bytes - 1] = 1;
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
    oh_reaper_free_big(big, bytes);
    oh_reaper_free_big(oh_zalloc_big(100), 100);
    oh_reaper_free_big(NULL, 0);
    oh_reaper_stop();
}
END_TEST

START_TEST(a_lock_tells_of_contention) {
    oh_lock_t lock = {0};
    ck_assert(oh_lock(&lock));
    ck_assert(!oh_trylock(&lock));
    oh_unlock(&lock);
    ck_assert(oh_trylock(&lock));
    oh_unlock(&lock);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("epoch");
    TCase *tests = tcase_create("epoch");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, frees_after_the_grace_period);
    tcase_add_test(tests, keeps_what_a_pinned_thread_may_see);
    tcase_add_test(tests, frees_no_more_than_the_budget);
    tcase_add_test(tests, pin_reports_that_memory_is_out);
    tcase_add_test(tests, the_reaper_runs_each_job_once_and_collects);
    tcase_add_test(tests, stop_runs_what_was_pushed_before);
    tcase_add_test(tests, big_blocks_are_unmapped_in_the_background);
    tcase_add_test(tests, a_lock_tells_of_contention);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
