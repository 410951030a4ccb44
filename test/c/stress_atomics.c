/*
 * Threads on one array: no add is lost, of integers of any width, of floats, saturating and
 * bounded; compare-and-swap has one winner a step, exchange loses no token, draining no increment;
 * bits and extremes are kept; and who reads a value that was put or filled in also sees what its
 * writer did before.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "oh_alloc.h"
#include "oh_atomics.h"

enum { THREADS = 4, STEPS = 100000, CELLS = 8, ROUNDS = 2000 };

static oh_atomics_t array;
static uint64_t wins[THREADS];
static uint64_t tokens[THREADS];

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "stress_atomics: line %d: not %s\n", __LINE__, #condition);            \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

static oh_change_t apply(uint64_t index, oh_atomics_op_t op, oh_wide_t operand) {
    oh_change_t change;
    expect(oh_atomics_apply(&array, index, op, operand, &change));
    return change;
}

static oh_wide_t wide(double value) {
    return (oh_wide_t)oh_word_of_double(value);
}

static uint64_t sum(uint64_t index, uint64_t count) {
    return oh_atomics_reduce(&array, index, count, OH_ATOMICS_SUM, 0);
}

/* Cell 0: plain adds. Cells 1..: adds that wrap around 2^64. */
static void *adder(void *arg) {
    uint64_t seed = (uintptr_t)arg + 1;
    for (int i = 0; i < STEPS; i++) {
        apply(0, OH_ATOMICS_ADD, 1);
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t cell = 1 + (seed >> 33) % (CELLS - 1);
        apply(cell, OH_ATOMICS_ADD, (oh_wide_t)1 << 62);
        apply(cell, OH_ATOMICS_ADD, -((oh_wide_t)1 << 62));
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
        uint64_t now = sum(0, 1);
        expect(now >= last);
        last = now;
    }
    return NULL;
}

/* Half of each thread's additions are taken back, so that a cell of any width ends where it should;
 * neighbours are apart. */
static void *neighbour(void *arg) {
    uintptr_t me = (uintptr_t)arg;
    for (int i = 0; i < STEPS; i++) {
        apply(me, OH_ATOMICS_ADD, 3);
        apply(THREADS, OH_ATOMICS_ADD, i % 2 == 0 ? 5 : -5);
        apply(me, OH_ATOMICS_ADD, -3);
        apply(me, OH_ATOMICS_SATURATING_ADD, 0);
    }
    apply(me, OH_ATOMICS_ADD, (oh_wide_t)me + 1);
    return NULL;
}

/* Cell 0: a sum of quarters, which is exact. Cell 1: a sum at its limit. Cells 2, 3: extremes. */
static void *float_adder(void *arg) {
    uintptr_t me = (uintptr_t)arg;
    for (int i = 0; i < STEPS; i++) {
        oh_change_t change;
        apply(0, OH_ATOMICS_ADD, wide(0.25));
        expect(!oh_atomics_apply(&array, 1, OH_ATOMICS_ADD, wide(1e308), &change));
        double value = (double)(i * THREADS + (int)me);
        apply(2, OH_ATOMICS_MAX, wide(value));
        apply(3, OH_ATOMICS_MIN, wide(-value));
    }
    return NULL;
}

/* Cell 0 is bounded, cell 1 saturates, cells 2, 3 hold extremes, 4 to 6 bits. */
static uint64_t granted[THREADS];

static void *bounder(void *arg) {
    uintptr_t me = (uintptr_t)arg;
    uint64_t now, bit = (uint64_t)1 << me;
    for (int i = 0; i < STEPS; i++) {
        granted[me] += oh_atomics_add_bounded(&array, 0, 1, 0, 1000, &now);
        expect(oh_atomics_get(&array, 0) <= 1000);
        if (i % 3 == 0)
            granted[me] -= oh_atomics_add_bounded(&array, 0, -1, 0, 1000, &now);
        apply(1, OH_ATOMICS_SATURATING_ADD, (oh_wide_t)1 << 60);
        apply(2, OH_ATOMICS_MAX, i * THREADS + (int)me);
        apply(3, OH_ATOMICS_MIN, -(i * THREADS + (int)me));
        /* Nobody else touches this thread's bit. */
        expect((apply(4, OH_ATOMICS_BOR, bit).old & bit) == 0);
        expect((apply(4, OH_ATOMICS_BAND, ~(oh_wide_t)bit).old & bit) != 0);
        expect((apply(5, OH_ATOMICS_BXOR, bit).old & bit) == (i % 2 == 0 ? 0 : bit));
    }
    apply(6, OH_ATOMICS_BOR, bit);
    return NULL;
}

/* Adds to all cells of an array that is being drained. */
static void *feeder(void *arg) {
    (void)arg;
    for (int i = 0; i < STEPS; i++)
        apply((uint64_t)i % CELLS, OH_ATOMICS_ADD, 1);
    return NULL;
}

/* As feeder: one to each cell at a time. */
static void *merger(void *arg) {
    static const uint64_t ones[CELLS] = {1, 1, 1, 1, 1, 1, 1, 1};
    (void)arg;
    for (int i = 0; i < STEPS / CELLS; i++)
        oh_atomics_merge(&array, 0, CELLS, (const unsigned char *)ones);
    return NULL;
}

static uint64_t drained;

static void *drainer(void *arg) {
    (void)arg;
    for (int i = 0; i < STEPS / 10; i++)
        for (uint64_t cell = 0; cell < CELLS; cell++)
            drained += oh_atomics_exchange(&array, cell, 0);
    return NULL;
}

/* As publisher, but by fill and load. */
static void *filler(void *arg) {
    (void)arg;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        payload = round * 3;
        if (round % 2 == 0)
            oh_atomics_fill(&array, 2, 3, round);
        else
            oh_atomics_load(&array, 4, 1, (const unsigned char *)&round);
        while (oh_atomics_get(&array, 1) != round)
            oh_pause();
    }
    return NULL;
}

static void *reader(void *arg) {
    (void)arg;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        uint64_t seen = 0;
        while (seen != round)
            oh_atomics_read(&array, 4, 1, (unsigned char *)&seen);
        expect(payload == round * 3);
        oh_atomics_put(&array, 1, round);
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

static void fresh(oh_atomics_options_t options) {
    oh_atomics_free(&array);
    expect(oh_atomics_init(&array, CELLS, &options) == OH_OK);
}

static const oh_atomics_options_t plain = {.kind = OH_ATOMICS_SIGNED, .bits = 64};

static void stress_words(void) {
    fresh(plain);
    run((void *(*[])(void *)){adder, adder, adder, adder, summer}, THREADS + 1);
    expect(oh_atomics_get(&array, 0) == (uint64_t)THREADS * STEPS);
    expect(sum(1, CELLS - 1) == 0);

    fresh(plain);
    run((void *(*[])(void *)){swapper, swapper, swapper, swapper}, THREADS);
    uint64_t won = 0;
    for (int i = 0; i < THREADS; i++)
        won += wins[i];
    expect(won == oh_atomics_get(&array, 0));

    fresh(plain);
    run((void *(*[])(void *)){exchanger, exchanger, exchanger, exchanger}, THREADS);
    uint64_t taken = oh_atomics_get(&array, 0);
    for (int i = 0; i < THREADS; i++)
        taken += tokens[i];
    expect(taken == (uint64_t)THREADS * STEPS * (STEPS + 1) / 2);

    fresh(plain);
    run((void *(*[])(void *)){bounder, bounder, bounder, bounder}, THREADS);
    uint64_t kept = 0, last = (uint64_t)STEPS * THREADS - 1;
    for (int i = 0; i < THREADS; i++)
        kept += granted[i];
    expect(kept == oh_atomics_get(&array, 0));
    expect(oh_atomics_get(&array, 1) == INT64_MAX);
    expect(oh_atomics_get(&array, 2) == last);
    expect(oh_atomics_get(&array, 3) == -last);
    expect(oh_atomics_get(&array, 4) == 0 && oh_atomics_get(&array, 5) == 0);
    expect(oh_atomics_get(&array, 6) == (1u << THREADS) - 1);

    fresh(plain);
    run((void *(*[])(void *)){feeder, feeder, merger, drainer}, THREADS);
    expect(drained + sum(0, CELLS) == (uint64_t)(THREADS - 1) * STEPS);
}

static void stress_narrow(void) {
    for (unsigned kind = OH_ATOMICS_SIGNED; kind <= OH_ATOMICS_UNSIGNED; kind++)
        for (uint64_t bits = 8; bits <= 64; bits *= 2) {
            fresh((oh_atomics_options_t){.kind = (oh_atomics_kind_t)kind, .bits = bits});
            run((void *(*[])(void *)){neighbour, neighbour, neighbour, neighbour}, THREADS);
            for (uint64_t i = 0; i < CELLS; i++)
                expect(oh_atomics_get(&array, i) == (i < THREADS ? i + 1 : 0));
        }
}

static void stress_floats(void) {
    fresh((oh_atomics_options_t){.kind = OH_ATOMICS_FLOAT, .bits = 64, .padded = true});
    oh_atomics_put(&array, 1, oh_word_of_double(1.5e308));
    run((void *(*[])(void *)){float_adder, float_adder, float_adder, float_adder}, THREADS);
    double last = (double)STEPS * THREADS - 1;
    double wanted[] = {0.25 * STEPS * THREADS, 1.5e308, last, -last};
    for (uint64_t i = 0; i < 4; i++)
        expect(oh_double_of_word(oh_atomics_get(&array, i)) == wanted[i]);
    expect(oh_atomics_valid(&array));
}

static void stress_order(void) {
    fresh(plain);
    run((void *(*[])(void *)){publisher, subscriber}, 2);
    fresh(plain);
    run((void *(*[])(void *)){filler, reader}, 2);
}

int main(void) {
    expect(oh_atomics_init(&array, CELLS, &plain) == OH_OK);
    stress_words();
    stress_narrow();
    stress_floats();
    stress_order();
    oh_atomics_free(&array);
    printf("stress_atomics: ok\n");
    return EXIT_SUCCESS;
}
