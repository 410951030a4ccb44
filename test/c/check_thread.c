/* oh_thread: a thread keeps its number; each has another; the first n have those below n. */
#include <pthread.h>

#include "oh_thread.h"
#include "suite.h"

enum { THREADS = 16 };

static void *number(void *arg) {
    uint32_t *index = arg;
    *index = oh_thread_index();
    for (int i = 0; i < 100; i++)
        if (oh_thread_index() != *index)
            *index = UINT32_MAX;
    return NULL;
}

/* Each test runs in a process of its own, so numbers begin at 0. */
START_TEST(threads_are_numbered_from_0_in_the_order_of_first_use) {
    ck_assert_uint_eq(oh_thread_self, 0);
    ck_assert_uint_eq(oh_thread_index(), 0);
    ck_assert_uint_eq(oh_thread_index(), 0);
    for (uint32_t i = 1; i < THREADS; i++) {
        pthread_t thread;
        uint32_t index;
        ck_assert_int_eq(pthread_create(&thread, NULL, number, &index), 0);
        pthread_join(thread, NULL);
        ck_assert_uint_eq(index, i);
    }
    ck_assert_uint_eq(oh_thread_index(), 0);
}
END_TEST

START_TEST(threads_at_once_have_different_numbers) {
    pthread_t thread[THREADS];
    uint32_t index[THREADS];
    bool seen[THREADS] = {false};
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, number, &index[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_uint_lt(index[i], THREADS);
        ck_assert(!seen[index[i]]);
        seen[index[i]] = true;
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_thread");
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, threads_are_numbered_from_0_in_the_order_of_first_use);
    tcase_add_test(tcase, threads_at_once_have_different_numbers);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
