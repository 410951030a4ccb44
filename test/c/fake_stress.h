/*
 * What the stresses of table, tree and bag share: workers that do their rounds, others that go on
 * until these have ended, and the account of what they saw wrong.
 */
#ifndef FAKE_STRESS_H
#define FAKE_STRESS_H

#include <pthread.h>
#include <stdio.h>

#include "fake_terms.h"
#include "oh_reaper.h"

static _Atomic bool done;
static _Atomic long wrong;
static pthread_t stress_threads[16];
static int stress_count;

static void expect(bool condition) {
    if (!condition)
        oh_fetch_add_relaxed(&wrong, 1);
}

/* The number written for a key ends in the key. */
static inline uint64_t number_for(uint64_t key, uint64_t round) {
    return round * 10000000 + key;
}

static inline bool is_number_for(uint64_t key, uint64_t number) {
    return number % 10000000 == key;
}

/* Every third key is a term, made in *term. */
static inline oh_word_t key_word(fake_term_t *term, uint64_t key) {
    if (key % 3 != 0)
        return fake_number(key);
    *term = (fake_term_t){.magic = FAKE_ALIVE, .number = key, .check = ~key};
    return (oh_word_t)(uintptr_t)term;
}

static void start(void *(*run)(void *), int threads) {
    for (int i = 0; i < threads; i++)
        pthread_create(&stress_threads[stress_count++], NULL, run, (void *)(uintptr_t)i);
}

/* Waits for the workers, who were started first, then ends the others. */
static void finish(int workers) {
    for (int i = 0; i < workers; i++)
        pthread_join(stress_threads[i], NULL);
    oh_store_release(&done, true);
    for (int i = workers; i < stress_count; i++)
        pthread_join(stress_threads[i], NULL);
}

/* Once all is closed: the status for main to return. */
static int report(const char *name, bool valid) {
    oh_reaper_stop();
    oh_epoch_drain();
    long left = oh_load_relaxed(&fake_alive), bad = oh_load_relaxed(&wrong);
    oh_epoch_destroy();
    printf("%s: %ld wrong, %ld terms left, valid %d\n", name, bad, left, valid);
    return bad != 0 || left != 0 || !valid;
}

#endif
