/*
 * Threads on one limiter: the limit is never passed, permits that several threads give back at once
 * are given back once, and who acquires sees what came before the release that made room.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "oh_concurrency_limiter.h"

enum { THREADS = 4, LIMIT = 3, TURNS = 50000, PERMITS = 20000 };

static oh_concurrency_limiter_t limiter;

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "stress_concurrency_limiter: line %d: not " #condition "\n",           \
                    __LINE__);                                                                     \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

static _Atomic uint64_t holders;

static void *holder(void *arg) {
    (void)arg;
    for (int i = 0; i < TURNS; i++) {
        oh_permit_t permit;
        if (!oh_concurrency_limiter_acquire(&limiter))
            continue;
        oh_permit_init(&permit, &limiter);
        expect(oh_fetch_add_relaxed(&holders, 1) < LIMIT);
        expect(oh_concurrency_limiter_valid(&limiter));
        oh_fetch_sub_relaxed(&holders, 1);
        expect(oh_permit_release(&permit));
    }
    return NULL;
}

/* Thread 0 acquires; all give back each permit, as a holder, a dead owner and a destructor would.
 */
static oh_permit_t permits[PERMITS];
static _Atomic uint64_t published;
static uint64_t released[THREADS];

static void *releaser(void *arg) {
    uintptr_t me = (uintptr_t)arg;
    for (uint64_t i = 0; i < PERMITS; i++) {
        if (me == 0) {
            while (!oh_concurrency_limiter_acquire(&limiter))
                oh_pause();
            oh_permit_init(&permits[i], &limiter);
            oh_store_release(&published, i + 1);
        }
        while (oh_load_acquire(&published) <= i)
            oh_pause();
        released[me] += oh_permit_release(&permits[i]);
    }
    return NULL;
}

/* A limit of one is a lock: TSan sees a race if it does not order. */
static uint64_t payload;

static void *locker(void *arg) {
    (void)arg;
    for (int i = 0; i < TURNS / 5;) {
        oh_permit_t permit;
        if (!oh_concurrency_limiter_acquire(&limiter))
            continue;
        oh_permit_init(&permit, &limiter);
        payload++;
        oh_permit_release(&permit);
        i++;
    }
    return NULL;
}

static void run(void *(*function)(void *), uint64_t limit) {
    pthread_t thread[THREADS];
    expect(oh_concurrency_limiter_init(&limiter, limit) == OH_OK);
    for (size_t i = 0; i < THREADS; i++)
        expect(pthread_create(&thread[i], NULL, function, (void *)(uintptr_t)i) == 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    expect(oh_concurrency_limiter_in_use(&limiter) == 0);
}

int main(void) {
    run(holder, LIMIT);

    run(releaser, 2);
    uint64_t sum = 0;
    for (int i = 0; i < THREADS; i++)
        sum += released[i];
    expect(sum == PERMITS);

    run(locker, 1);
    expect(payload == (uint64_t)THREADS * (TURNS / 5));

    printf("stress_concurrency_limiter: ok\n");
    return EXIT_SUCCESS;
}
