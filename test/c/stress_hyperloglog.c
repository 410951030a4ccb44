/*
 * Threads on one sketch, beside merges and counts: its registers end as if one thread had added
 * all, each growth of a register is told to one, and counts never go down.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "oh_alloc.h"
#include "oh_hyperloglog.h"
#include "oh_mix.h"

enum { THREADS = 4, HASHES = 100000, PRECISION = 6 };

static oh_hyperloglog_t sketch, alone, other;

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "stress_hyperloglog: line %d: not " #condition "\n", __LINE__);        \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

static uint64_t growths[THREADS];

/* All threads add the same hashes in another order. */
static void *adder(void *arg) {
    uintptr_t me = (uintptr_t)arg;
    for (uint64_t i = 0; i < HASHES; i++)
        growths[me] += oh_hyperloglog_add(&sketch, oh_mix((i + me * (HASHES / THREADS)) % HASHES));
    return NULL;
}

static void *merger(void *arg) {
    (void)arg;
    double last = 0;
    for (int i = 0; i < 1000; i++) {
        oh_hyperloglog_merge(&sketch, &other);
        double count = oh_hyperloglog_count(&sketch);
        expect(count >= last);
        last = count;
    }
    return NULL;
}

static uint64_t sum_of_registers(const oh_hyperloglog_t *h) {
    uint8_t bytes[1 << PRECISION];
    uint64_t sum = 0;
    oh_hyperloglog_to_bytes(h, bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        sum += bytes[i];
    return sum;
}

static void run(bool merging) {
    pthread_t thread[THREADS + 1];
    expect(oh_hyperloglog_init(&sketch, PRECISION) == OH_OK);
    for (uintptr_t i = 0; i < THREADS + (merging ? 1 : 0); i++)
        expect(pthread_create(&thread[i], NULL, i < THREADS ? adder : merger, (void *)i) == 0);
    for (int i = 0; i < THREADS + (merging ? 1 : 0); i++)
        pthread_join(thread[i], NULL);
    expect(oh_hyperloglog_valid(&sketch));
    expect(sum_of_registers(&sketch) == sum_of_registers(&alone));
    expect(oh_hyperloglog_count(&sketch) == oh_hyperloglog_count(&alone));
}

int main(void) {
    uint64_t told = 0;
    expect(oh_hyperloglog_init(&alone, PRECISION) == OH_OK);
    expect(oh_hyperloglog_init(&other, PRECISION) == OH_OK);
    for (uint64_t i = 0; i < HASHES; i++) {
        (void)oh_hyperloglog_add(&alone, oh_mix(i));
        if (i % 3 == 0)
            (void)oh_hyperloglog_add(&other, oh_mix(i));
    }
    run(false);
    /* Each told growth is a step up by one or more. */
    for (int i = 0; i < THREADS; i++)
        told += growths[i];
    expect(told >= 1 << PRECISION && told <= sum_of_registers(&sketch));
    oh_hyperloglog_free(&sketch);
    run(true);
    oh_hyperloglog_free(&sketch);
    oh_hyperloglog_free(&alone);
    oh_hyperloglog_free(&other);
    printf("stress_hyperloglog: ok\n");
    return EXIT_SUCCESS;
}
