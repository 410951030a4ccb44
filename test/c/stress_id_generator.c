/*
 * Threads on one generator, by clocks that differ: no slot is taken twice, a thread's slots rise,
 * and what was taken by all is what the generator says.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "oh_id_generator.h"

enum { THREADS = 4, STEPS = 100000, BATCH_MAX = 5 };

static oh_id_generator_t generator;
/* One byte a slot: who takes it counts it. */
static _Atomic unsigned char *times_taken;
static uint64_t taken[THREADS];
static uint64_t slots;

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "stress_id_generator: line %d: not " #condition "\n", __LINE__);       \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

static void *taker(void *arg) {
    uintptr_t me = (uintptr_t)arg;
    uint64_t next = 0, first, seed = me;
    int64_t now = 0, wait_ms;
    for (int i = 0; i < STEPS; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t count = 1 + (seed >> 33) % BATCH_MAX;
        /* Forward by one at times, and for this call alone back. */
        now += i % 8 == 0;
        int64_t at = i % 100 == 0 && now > 50 ? now - 50 : now;
        oh_status_t status = oh_id_generator_take(&generator, count, at, &first, &wait_ms);
        if (status == OH_EXHAUSTED) {
            expect(wait_ms > 0);
            now += wait_ms;
            continue;
        }
        expect(status == OH_OK);
        expect(first >= next);
        next = first + count;
        expect(next <= slots);
        for (uint64_t slot = first; slot < next; slot++)
            expect(oh_fetch_add_relaxed(&times_taken[slot], 1) == 0);
        taken[me] += count;
    }
    return NULL;
}

int main(void) {
    const oh_id_layout_t layout = {.sequence_bits = 4, .ahead_ms = 2};
    pthread_t thread[THREADS];
    /* Each call may raise its thread's clock by a few milliseconds, and all follow the first. */
    slots = (uint64_t)THREADS * STEPS * 64;
    times_taken = calloc(slots, 1);
    expect(times_taken != NULL);
    expect(oh_id_generator_init(&generator, &layout) == OH_OK);
    for (uintptr_t i = 0; i < THREADS; i++)
        expect(pthread_create(&thread[i], NULL, taker, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    expect(oh_id_generator_valid(&generator));
    uint64_t all = 0, counted = 0;
    for (int i = 0; i < THREADS; i++)
        all += taken[i];
    for (uint64_t slot = 0; slot < slots; slot++)
        counted += oh_load_relaxed(&times_taken[slot]);
    expect(all == counted);
    expect(all >= (uint64_t)THREADS * STEPS / 2);
    free((void *)times_taken);
    printf("stress_id_generator: ok\n");
    return EXIT_SUCCESS;
}
