/*
 * Threads on one set: no bit is claimed twice, a claim does not fail while one bit more than the
 * other threads can hold is there, no set, clear or flip is lost, and what the holder of a slot
 * wrote is seen by its next one.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "oh_alloc.h"
#include "oh_bitset.h"

enum { THREADS = 4, STEPS = 60000, SLOTS_MAX = 70000 };

static oh_bitset_t set;
static oh_bitset_t other;

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "stress_bitset: line %d: not " #condition "\n", __LINE__);             \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

/* Plain: TSan sees a race if two threads hold a slot at once, or if release and claim do not order
 * what they guard. */
static uint64_t held_by[SLOTS_MAX];

static uint64_t claim(oh_bitset_t *b) {
    uint64_t index;
    oh_status_t status;
    do
        status = oh_bitset_claim(b, &index);
    while (status == OH_BUSY);
    expect(status == OH_OK); /* each thread holds at most one, and there is one for each */
    return index;
}

/* As many slots are clear as threads, spread by main: whoever wants one must get one. */
static void *worker(void *arg) {
    uint64_t me = (uintptr_t)arg + 1;
    for (int i = 0; i < STEPS; i++) {
        uint64_t slot = claim(&set);
        expect(held_by[slot] == 0);
        held_by[slot] = me;
        expect(oh_bitset_test(&set, slot));
        held_by[slot] = 0;
        expect(oh_bitset_clear(&set, slot));
    }
    return NULL;
}

/* Each thread flips, sets and clears bits of its own, which share words with those of the others.
 */
static void *own_bits(void *arg) {
    uint64_t me = (uintptr_t)arg, seed = me + 1;
    bool model[64] = {false};
    for (int i = 0; i < STEPS; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t mine = seed >> 58, bit = mine * THREADS + me;
        bool old = model[mine];
        switch (seed >> 32 & 3) {
        case 0:
            expect(oh_bitset_set(&set, bit) == old);
            model[mine] = true;
            break;
        case 1:
            expect(oh_bitset_clear(&set, bit) == old);
            model[mine] = false;
            break;
        case 2:
            expect(oh_bitset_flip(&set, bit) == old);
            model[mine] = !old;
            break;
        default:
            expect(oh_bitset_test(&set, bit) == old);
        }
    }
    for (uint64_t mine = 0; mine < 64; mine++)
        expect(oh_bitset_test(&set, mine * THREADS + me) == model[mine]);
    return NULL;
}

static uint64_t changes[THREADS];

/* All on the same bits: of each bit, as many sets as clears change it, but for the last. */
static void *same_bits(void *arg) {
    uintptr_t me = (uintptr_t)arg;
    uint64_t seed = me + 1;
    for (int i = 0; i < STEPS; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t bit = (seed >> 40) % 100;
        if (seed >> 33 & 1)
            changes[me] += !oh_bitset_set(&set, bit);
        else
            changes[me] -= oh_bitset_clear(&set, bit);
    }
    return NULL;
}

static void *flipper(void *arg) {
    (void)arg;
    for (uint64_t i = 0; i < STEPS; i++)
        oh_bitset_flip(&set, i % 130);
    return NULL;
}

/* Whole sets come and go beside claims and releases: the summary must hold. */
static void *combiner(void *arg) {
    (void)arg;
    for (int i = 0; i < STEPS / 100; i++) {
        oh_bitset_combine(&set, OH_BITSET_UNION, &other, 0, set.words);
        oh_bitset_combine(&set, i % 2 ? OH_BITSET_DIFFERENCE : OH_BITSET_INTERSECTION, &other, 0,
                          set.words);
    }
    return NULL;
}

static void *claimer(void *arg) {
    (void)arg;
    uint64_t index;
    for (int i = 0; i < STEPS; i++)
        if (oh_bitset_claim(&set, &index) == OH_OK && i % 3 != 0)
            oh_bitset_clear(&set, index);
    return NULL;
}

static void run(void *(**functions)(void *), size_t count) {
    pthread_t thread[THREADS];
    for (size_t i = 0; i < count; i++)
        expect(pthread_create(&thread[i], NULL, functions[i], (void *)(uintptr_t)i) == 0);
    for (size_t i = 0; i < count; i++)
        pthread_join(thread[i], NULL);
    expect(oh_bitset_valid(&set));
}

static void fresh(uint64_t size) {
    oh_bitset_free(&set);
    expect(oh_bitset_init(&set, size) == OH_OK);
}

/* Slots at the given distance are left clear, all others are taken. */
static void nearly_full(uint64_t size, uint64_t distance) {
    fresh(size);
    for (uint64_t i = 0; i < size; i++)
        if (i % distance != 0 || i / distance >= THREADS)
            oh_bitset_set(&set, i);
    expect(oh_bitset_count(&set, 0, size) == size - THREADS);
}

int main(void) {
    static const struct {
        uint64_t size, distance;
    } shapes[] = {{4, 1},      {64, 10},    {65, 16},       {2048, 64},
                  {2100, 690}, {65536, 64}, {65536, 16384}, {70000, 17000}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        nearly_full(shapes[i].size, shapes[i].distance);
        run((void *(*[])(void *)){worker, worker, worker, worker}, THREADS);
        expect(oh_bitset_count(&set, 0, set.size) == set.size - THREADS);
    }

    fresh(64 * THREADS);
    run((void *(*[])(void *)){own_bits, own_bits, own_bits, own_bits}, THREADS);

    fresh(100);
    run((void *(*[])(void *)){same_bits, same_bits, same_bits, same_bits}, THREADS);
    uint64_t left = 0;
    for (int i = 0; i < THREADS; i++)
        left += changes[i];
    expect(oh_bitset_count(&set, 0, 100) == left);

    /* An even number of flips of each bit in all. */
    fresh(130);
    run((void *(*[])(void *)){flipper, flipper, flipper, flipper}, THREADS);
    expect(oh_bitset_count(&set, 0, 130) == 0);

    fresh(2100);
    expect(oh_bitset_init(&other, 2100) == OH_OK);
    for (uint64_t i = 0; i < 2100; i++)
        if (i % 700 != 3)
            oh_bitset_set(&other, i);
    run((void *(*[])(void *)){combiner, claimer, claimer, combiner}, THREADS);

    oh_bitset_free(&set);
    oh_bitset_free(&other);
    printf("stress_bitset: ok\n");
    return EXIT_SUCCESS;
}
