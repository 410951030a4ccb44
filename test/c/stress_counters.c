/*
 * Threads on one array of counters: no add is lost, whoever takes; a counter that is only
 * incremented is never read lower than before; a put leaves the value of one of those that put.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "oh_counters.h"

/* More threads than stripes, so that some share a stripe. */
enum { ADDERS = 4, STRIPES = 2, STEPS = 200000, COUNTERS = 9 };

static oh_counters_t counters;
static _Atomic int adding;
static uint64_t taken[2][COUNTERS];

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "stress_counters: line %d: not " #condition "\n", __LINE__);           \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

static void *adder(void *arg) {
    (void)arg;
    for (uint64_t i = 0; i < STEPS; i++)
        oh_counters_add(&counters, i % COUNTERS, i);
    oh_fetch_sub_acqrel(&adding, 1);
    return NULL;
}

static void *taker(void *arg) {
    uint64_t *sums = taken[(uintptr_t)arg % 2];
    while (oh_load_acquire(&adding) > 0)
        for (uint64_t i = 0; i < COUNTERS; i++)
            sums[i] += oh_counters_take(&counters, i);
    return NULL;
}

static void *reader(void *arg) {
    uint64_t last[COUNTERS] = {0}, values[COUNTERS], last_sum = 0;
    (void)arg;
    while (oh_load_acquire(&adding) > 0) {
        oh_counters_read(&counters, 0, COUNTERS, values);
        for (uint64_t i = 0; i < COUNTERS; i++) {
            expect(values[i] >= last[i]);
            last[i] = oh_counters_get(&counters, i);
            expect(last[i] >= values[i]);
        }
        uint64_t sum = oh_counters_sum(&counters, 0, COUNTERS);
        expect(sum >= last_sum);
        last_sum = sum;
    }
    return NULL;
}

static void *putter(void *arg) {
    for (uint64_t i = 0; i < STEPS; i++)
        oh_counters_put(&counters, i % COUNTERS, (uintptr_t)arg + 1);
    return NULL;
}

typedef void *function_t(void *);

static void run(function_t *const *functions, size_t count) {
    pthread_t thread[ADDERS + 2];
    oh_store_relaxed(&adding, ADDERS);
    for (size_t i = 0; i < count; i++)
        expect(pthread_create(&thread[i], NULL, functions[i], (void *)(uintptr_t)i) == 0);
    for (size_t i = 0; i < count; i++)
        pthread_join(thread[i], NULL);
    expect(oh_counters_valid(&counters));
}

/* What each counter got from all adders. */
static uint64_t added_to(uint64_t counter) {
    uint64_t sum = 0;
    for (uint64_t i = counter; i < STEPS; i += COUNTERS)
        sum += i;
    return sum * ADDERS;
}

int main(void) {
    expect(oh_counters_init(&counters, COUNTERS, STRIPES) == OH_OK);

    run((function_t *[]){adder, adder, adder, adder, reader, reader}, ADDERS + 2);
    for (uint64_t i = 0; i < COUNTERS; i++)
        expect(oh_counters_take(&counters, i) == added_to(i));

    run((function_t *[]){adder, adder, adder, adder, taker, taker}, ADDERS + 2);
    for (uint64_t i = 0; i < COUNTERS; i++)
        expect(taken[0][i] + taken[1][i] + oh_counters_get(&counters, i) == added_to(i));

    run((function_t *[]){putter, putter, putter}, 3);
    for (uint64_t i = 0; i < COUNTERS; i++)
        expect(oh_counters_get(&counters, i) >= 1 && oh_counters_get(&counters, i) <= 3);

    oh_counters_free(&counters);
    printf("stress_counters: ok\n");
    return EXIT_SUCCESS;
}
