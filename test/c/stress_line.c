/*
 * Threads wait in one line for units of a resource, as processes do for bytes: each sleeps until it
 * is called, looks, takes several units or sleeps on. Some give up, some are abandoned. In the end
 * nobody sleeps: a lost call would make this hang. Nobody takes units while others wait.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "oh_alloc.h"
#include "oh_line.h"

enum { THREADS = 4, ROUNDS = 20000, UNITS = 4 };

typedef struct {
    oh_waiter_t waiter;
    pthread_mutex_t *mutex;
    pthread_cond_t *wake;
    bool *called;
} sleeper_t;

static oh_line_t line;
static _Atomic uint64_t units, ended, abandoned;

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "stress_line: line %d: not " #condition "\n", __LINE__);               \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

static void call(oh_waiter_t *waiter, void *context) {
    sleeper_t *sleeper = OH_CONTAINER_OF(waiter, sleeper_t, waiter);
    (void)context;
    pthread_mutex_lock(sleeper->mutex);
    *sleeper->called = true;
    pthread_cond_signal(sleeper->wake);
    pthread_mutex_unlock(sleeper->mutex);
}

static void end(oh_waiter_t *waiter) {
    oh_fetch_add_relaxed(&ended, 1);
    oh_free(OH_CONTAINER_OF(waiter, sleeper_t, waiter));
}

static uint64_t next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static bool take(uint64_t count) {
    uint64_t there = oh_load_relaxed(&units);
    do {
        if (there < count)
            return false;
    } while (!oh_cas_weak_acqrel_acquire(&units, &there, there - count));
    return true;
}

static void give(uint64_t count) {
    oh_fetch_add_seqcst(&units, count);
    if (oh_line_waiting(&line) > 0)
        oh_line_poke(&line, NULL);
}

/* True if it got what it wanted; else it gave up, or was abandoned and is gone. */
static bool wait_for(sleeper_t *sleeper, uint64_t count, unsigned fate) {
    sleeper->waiter.wanted = count;
    oh_line_join(&line, &sleeper->waiter, NULL);
    for (;;) {
        if (oh_line_ready(&line, &sleeper->waiter, NULL) && take(count)) {
            oh_line_leave(&line, &sleeper->waiter, NULL);
            return true;
        }
        if (fate == 1) {
            oh_line_leave(&line, &sleeper->waiter, NULL);
            return false;
        }
        if (fate == 2) {
            oh_fetch_add_relaxed(&abandoned, 1);
            oh_line_abandon(&line, &sleeper->waiter, NULL);
            return false;
        }
        pthread_mutex_lock(sleeper->mutex);
        while (!*sleeper->called)
            pthread_cond_wait(sleeper->wake, sleeper->mutex);
        *sleeper->called = false;
        pthread_mutex_unlock(sleeper->mutex);
    }
}

static void *worker(void *arg) {
    uint64_t seed = (uintptr_t)arg + 1;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
    bool called = false;
    sleeper_t own = {.mutex = &mutex, .wake = &wake, .called = &called};
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t count = next_random(&seed) % UNITS + 1;
        unsigned fate = (unsigned)(next_random(&seed) % 8);
        sleeper_t *sleeper = &own;
        if (fate == 2) {
            sleeper = oh_alloc(sizeof *sleeper);
            *sleeper = own;
        }
        bool got = oh_line_waiting(&line) == 0 && take(count);
        if (got ? fate == 2 : fate == 2 && (got = wait_for(sleeper, count, fate)))
            oh_free(sleeper);
        else if (!got && fate != 2)
            got = wait_for(sleeper, count, fate);
        if (got)
            give(count);
        /* A call that came after the last look is of no use to the next round, nor does it harm. */
    }
    /* Abandoned ones of this thread may still be called: they must be gone before mutex is. */
    oh_line_poke(&line, NULL);
    while (oh_load_relaxed(&ended) < oh_load_relaxed(&abandoned))
        oh_line_poke(&line, NULL);
    return NULL;
}

int main(void) {
    pthread_t thread[THREADS];
    oh_line_init(&line, (oh_line_host_t){call, end});
    oh_store_relaxed(&units, UNITS);
    for (uintptr_t i = 0; i < THREADS; i++)
        expect(pthread_create(&thread[i], NULL, worker, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        expect(pthread_join(thread[i], NULL) == 0);
    expect(oh_line_valid(&line));
    expect(oh_line_waiting(&line) == 0);
    expect(oh_load_relaxed(&units) == UNITS);
    expect(oh_load_relaxed(&ended) == oh_load_relaxed(&abandoned));
    puts("stress_line: ok");
    return EXIT_SUCCESS;
}
