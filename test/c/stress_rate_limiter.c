/*
 * Threads on one bucket: what is granted is exactly what was there, no window of the grants' times
 * holds more than the rate allows, refunds are lost nowhere, and who takes what another gave back
 * sees what that one did before.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "oh_alloc.h"
#include "oh_rate_limiter.h"

enum { THREADS = 4, TURNS = 100000, BURST = 50, INTERVAL_NS = 7, TICKS = 40000, COST_MAX = 3 };

static oh_rate_limiter_t limiter;
static _Atomic uint64_t clock_word;

typedef struct {
    uint64_t time, cost;
} taken_t;

static taken_t taken[THREADS][TURNS];
static size_t taken_count[THREADS];
static uint64_t units[THREADS];

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "stress_rate_limiter: line %d: not " #condition "\n", __LINE__);       \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

/* Takes one unit at a time until there is none. */
static void *emptier(void *arg) {
    uintptr_t me = (uintptr_t)arg;
    units[me] = 0;
    while (oh_rate_limiter_take(&limiter, 0, OH_TIME_ZERO, 1).granted)
        units[me]++;
    return NULL;
}

/* Takes costs of 1 to COST_MAX while the clock goes on, slower than they want. */
static void *taker(void *arg) {
    uintptr_t me = (uintptr_t)arg;
    uint64_t time;
    for (size_t i = 0; (time = oh_load_relaxed(&clock_word)) < OH_TIME_ZERO + TICKS; i++) {
        uint64_t cost = 1 + i % COST_MAX;
        oh_rate_limiter_peek(&limiter, 0, time, cost);
        if (oh_rate_limiter_take(&limiter, 0, time, cost).granted && taken_count[me] < TURNS)
            taken[me][taken_count[me]++] = (taken_t){time, cost};
        if (i % 5 == 0)
            oh_fetch_add_relaxed(&clock_word, 1);
    }
    return NULL;
}

/* Takes and gives back all but one unit of every tenth take. */
static void *refunder(void *arg) {
    uintptr_t me = (uintptr_t)arg;
    units[me] = 0;
    for (int i = 0; i < TURNS; i++) {
        uint64_t cost = 1 + (uint64_t)i % COST_MAX;
        if (!oh_rate_limiter_take(&limiter, 0, OH_TIME_ZERO, cost).granted)
            continue;
        uint64_t kept = i % 10000 == 0 ? 1 : 0;
        units[me] += kept;
        oh_rate_limiter_refund(&limiter, 0, cost - kept);
    }
    return NULL;
}

/* A bucket of one unit, taken and given back, is a lock: TSan sees a race if it does not order. */
static uint64_t payload;

static void *locker(void *arg) {
    (void)arg;
    for (int i = 0; i < TURNS / 10;) {
        if (!oh_rate_limiter_take(&limiter, 1, OH_TIME_ZERO, BURST).granted)
            continue;
        payload++;
        oh_rate_limiter_refund(&limiter, 1, BURST);
        i++;
    }
    return NULL;
}

static void run(void *(*function)(void *)) {
    pthread_t thread[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        expect(pthread_create(&thread[i], NULL, function, (void *)(uintptr_t)i) == 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

static uint64_t units_sum(void) {
    uint64_t sum = 0;
    for (int i = 0; i < THREADS; i++)
        sum += units[i];
    return sum;
}

static int by_time(const void *a, const void *b) {
    uint64_t x = ((const taken_t *)a)->time, y = ((const taken_t *)b)->time;
    return x < y ? -1 : x > y;
}

/*
 * In the order of times, with S(i) the time that the first i grants take, every window i .. j must
 * have S(j + 1) - S(i) <= window + t(j) - t(i). So S(i) - t(i) at its least is enough to know.
 */
static void expect_no_window_over_the_rate(void) {
    static taken_t all[THREADS * TURNS];
    size_t count = 0;
    for (int i = 0; i < THREADS; i++)
        for (size_t j = 0; j < taken_count[i]; j++)
            all[count++] = taken[i][j];
    qsort(all, count, sizeof all[0], by_time);
    int64_t sum = 0, least = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        int64_t time = (int64_t)(all[i].time - OH_TIME_ZERO);
        least = sum - time < least ? sum - time : least;
        sum += (int64_t)(all[i].cost * INTERVAL_NS);
        expect(sum - time - least <= BURST * INTERVAL_NS);
    }
    /* Since the bucket was never full after its first take, at time zero, its state tells the sum.
     */
    expect(oh_load_relaxed(&limiter.cell[0]) == OH_TIME_ZERO + (uint64_t)sum);
    expect(sum > TICKS);
}

int main(void) {
    oh_rate_t rate;
    expect(oh_rate_init(&rate, 1, INTERVAL_NS, BURST) == OH_OK);
    expect(oh_rate_limiter_init(&limiter, 2, &rate) == OH_OK);

    for (int i = 0; i < 200; i++) {
        oh_rate_limiter_reset(&limiter, 0);
        run(emptier);
        expect(units_sum() == BURST);
    }

    oh_rate_limiter_reset(&limiter, 0);
    oh_store_relaxed(&clock_word, OH_TIME_ZERO);
    expect(oh_rate_limiter_take(&limiter, 0, OH_TIME_ZERO, 1).granted);
    taken[0][taken_count[0]++] = (taken_t){OH_TIME_ZERO, 1};
    run(taker);
    expect(oh_rate_limiter_valid(&limiter, oh_load_relaxed(&clock_word)));
    expect_no_window_over_the_rate();

    oh_rate_limiter_reset(&limiter, 0);
    run(refunder);
    expect(oh_rate_limiter_peek(&limiter, 0, OH_TIME_ZERO, 0).time_ns ==
           (BURST - units_sum()) * INTERVAL_NS);

    run(locker);
    expect(payload == (uint64_t)THREADS * (TURNS / 10));

    oh_rate_limiter_free(&limiter);
    printf("stress_rate_limiter: ok\n");
    return EXIT_SUCCESS;
}
