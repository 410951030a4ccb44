/*
 * Threads on one array: no add is lost, compare-and-swap has one winner a step, exchange loses no
 * token, and who reads a put value also sees what its writer did before.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "oh_alloc.h"
#include "oh_atomics.h"

enum { THREADS = 4, STEPS = 200000, CELLS = 8, ROUNDS = 2000 };

static oh_atomics_t array;
static uint64_t wins[THREADS];
static uint64_t tokens[THREADS];

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "stress_atomics: line %d: not " #condition "\n", __LINE__);            \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

/* Cell 0: plain adds. Cells 1..: adds that wrap around 2^64. */
static void *adder(void *arg) {
    uint64_t seed = (uintptr_t)arg + 1;
    for (int i = 0; i < STEPS; i++) {
        oh_atomics_add_get(&array, 0, 1);
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t cell = 1 + (seed >> 33) % (CELLS - 1);
        oh_atomics_add_get(&array, cell, (uint64_t)1 << 62);
        oh_atomics_add_get(&array, cell, -((uint64_t)1 << 62));
    }
    return NULL;
}

static void *swapper(void *arg) {
    uintptr_t me = (uintptr_t)arg;
    for (uint64_t i = 0; i < STEPS; i++) {
        uint64_t expected = i;
        wins[me] += oh_atomics_compare_exchange(&array, 0, &expected, i + 1);
    }
    return NULL;
}

/* Each thread puts tokens in and counts those it takes out: none is lost, none is seen twice. */
static void *exchanger(void *arg) {
    uintptr_t me = (uintptr_t)arg;
    for (uint64_t i = 1; i <= STEPS; i++)
        tokens[me] += oh_atomics_exchange(&array, 0, i);
    return NULL;
}

/* A plain variable handed over by a cell: TSan sees a race if put and get do not order it. */
static uint64_t payload;

static void *publisher(void *arg) {
    (void)arg;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        payload = round * 3;
        oh_atomics_put(&array, 0, round);
        while (oh_atomics_get(&array, 1) != round)
            oh_pause();
    }
    return NULL;
}

static void *subscriber(void *arg) {
    (void)arg;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        while (oh_atomics_get(&array, 0) != round)
            oh_pause();
        expect(payload == round * 3);
        oh_atomics_put(&array, 1, round);
    }
    return NULL;
}

static void *summer(void *arg) {
    uint64_t last = 0;
    (void)arg;
    for (int i = 0; i < STEPS / 10; i++) {
        uint64_t sum = oh_atomics_sum(&array, 0, 1);
        expect(sum >= last);
        last = sum;
    }
    return NULL;
}

static void run(void *(**functions)(void *), size_t count) {
    pthread_t thread[THREADS + 1];
    for (size_t i = 0; i < count; i++)
        expect(pthread_create(&thread[i], NULL, functions[i], (void *)(uintptr_t)i) == 0);
    for (size_t i = 0; i < count; i++)
        pthread_join(thread[i], NULL);
}

static void fresh(void) {
    for (uint64_t i = 0; i < CELLS; i++)
        oh_atomics_put(&array, i, 0);
}

int main(void) {
    expect(oh_atomics_init(&array, CELLS) == OH_OK);

    run((void *(*[])(void *)){adder, adder, adder, adder, summer}, THREADS + 1);
    expect(oh_atomics_get(&array, 0) == (uint64_t)THREADS * STEPS);
    expect(oh_atomics_sum(&array, 1, CELLS - 1) == 0);

    fresh();
    run((void *(*[])(void *)){swapper, swapper, swapper, swapper}, THREADS);
    uint64_t won = 0;
    for (int i = 0; i < THREADS; i++)
        won += wins[i];
    expect(won == oh_atomics_get(&array, 0));

    fresh();
    run((void *(*[])(void *)){exchanger, exchanger, exchanger, exchanger}, THREADS);
    uint64_t taken = oh_atomics_get(&array, 0);
    for (int i = 0; i < THREADS; i++)
        taken += tokens[i];
    expect(taken == (uint64_t)THREADS * STEPS * (STEPS + 1) / 2);

    fresh();
    run((void *(*[])(void *)){publisher, subscriber}, 2);

    oh_atomics_free(&array);
    printf("stress_atomics: ok\n");
    return EXIT_SUCCESS;
}
