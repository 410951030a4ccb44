/*
 * Threads on one filter: what one added is a member for all as soon as they hear of it, and of
 * those who add a new hash at once at least one is told that it was not there.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "oh_alloc.h"
#include "oh_bloom_filter.h"
#include "oh_mix.h"

enum { THREADS = 4, HASHES = 30000 };

static oh_bloom_filter_t filter;
/* Hashes 0.. that thread i has added so far. */
static _Atomic uint64_t added[THREADS];
static _Atomic uint32_t told_new[HASHES];

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "stress_bloom_filter: line %d: not " #condition "\n", __LINE__);       \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

static void *adder(void *arg) {
    uintptr_t me = (uintptr_t)arg, next = (me + 1) % THREADS;
    for (uint64_t i = 0; i < HASHES; i++) {
        if (!oh_bloom_filter_add(&filter, oh_mix(i)))
            oh_fetch_add_relaxed(&told_new[i], 1);
        oh_store_relaxed(&added[me], i + 1);
        uint64_t others = oh_load_relaxed(&added[next]);
        expect(others == 0 || oh_bloom_filter_member(&filter, oh_mix(others - 1)));
    }
    return NULL;
}

int main(void) {
    pthread_t thread[THREADS];
    /* So large that, by the expected 0.02 wrong yeses in all, each hash is new to somebody. */
    expect(oh_bloom_filter_init(&filter, 3000000, 10) == OH_OK);
    for (uintptr_t i = 0; i < THREADS; i++)
        expect(pthread_create(&thread[i], NULL, adder, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (uint64_t i = 0; i < HASHES; i++) {
        expect(oh_load_relaxed(&told_new[i]) >= 1);
        expect(oh_bloom_filter_member(&filter, oh_mix(i)));
    }
    expect(oh_bitset_valid(&filter.bits));
    oh_bloom_filter_free(&filter);
    printf("stress_bloom_filter: ok\n");
    return EXIT_SUCCESS;
}
