/*
 * Threads on one histogram: recorders, readers that take everything away, and merges both ways.
 * Each reading is consistent in itself, none shares a recording with another, and together they
 * have all. There are fewer stripes than threads at first, so that recorders meet in them, and more
 * later.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "oh_histogram.h"
#include "oh_histogram_stats.h"
#include "oh_reaper.h"

enum { RECORDERS = 3, READERS = 2, STEPS = 100000, VALUES = 200 };

/* Cells of single values, so that the cells tell the sum. */
static oh_histogram_t shared, left, right;
static _Atomic int recording;

/* What the readers took: count and sum of each value's cell. */
static uint64_t taken_count[READERS];
static uint64_t taken_sum[READERS];

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "stress_histogram: line %d: not %s\n", __LINE__, #condition);          \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

static void make(oh_histogram_t *h, uint32_t stripes) {
    oh_histogram_layout_t l;
    expect(oh_histogram_layout_init_hdr(&l, 1, 100000, 2) == OH_OK);
    expect(oh_histogram_init(h, l, stripes) == OH_OK);
}

static void begin(oh_histogram_t *h) {
    for (;;) {
        uint64_t budget = UINT64_MAX;
        oh_status_t status = oh_histogram_begin(h, &budget);
        if (status == OH_OK)
            return;
        expect(status == OH_BUSY);
    }
}

/* What the cells of a histogram in a reading say; its sum and count must say the same. */
static uint64_t check_reading(const oh_histogram_t *h) {
    uint64_t count = 0, sum = 0, lowest = UINT64_MAX, highest = 0;
    for (uint32_t i = 0; i < h->layout.cells; i++) {
        uint64_t n = h->total->cell[i];
        expect(n == 0 || i < VALUES);
        count += n;
        sum += n * i;
        if (n > 0 && i < lowest)
            lowest = i;
        if (n > 0)
            highest = i;
    }
    expect(count == h->total->count);
    expect(sum == (uint64_t)h->total->integer);
    expect(lowest == h->total->min.integer && highest == h->total->max.integer);
    return sum;
}

static void *recorder(void *arg) {
    uint64_t seed = (uintptr_t)arg + 1;
    for (int i = 0; i < STEPS; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        expect(oh_histogram_record_integer(&shared, (seed >> 33) % VALUES, 1) == OH_OK);
    }
    oh_fetch_sub_acqrel(&recording, 1);
    return NULL;
}

static void *reader(void *arg) {
    uintptr_t me = (uintptr_t)arg - RECORDERS;
    bool last;
    do {
        last = oh_load_acquire(&recording) == 0;
        oh_histogram_t taken;
        begin(&shared);
        expect(oh_histogram_init_like(&taken, &shared) == OH_OK);
        oh_histogram_take(&shared, &taken);
        oh_histogram_end(&shared);
        taken_sum[me] += check_reading(&taken);
        taken_count[me] += taken.total->count;
        oh_histogram_free(&taken);
    } while (!last);
    return NULL;
}

/* Reads without taking: counts only grow. */
static void *watcher(void *arg) {
    uint64_t before = 0;
    (void)arg;
    while (oh_load_acquire(&recording) > 0) {
        begin(&shared);
        check_reading(&shared);
        expect(shared.total->count >= before);
        before = shared.total->count;
        oh_histogram_end(&shared);
    }
    return NULL;
}

/* Pours left into right and right into left at once. */
static void *merger(void *arg) {
    bool odd = (uintptr_t)arg & 1;
    for (int i = 0; i < 20; i++) {
        oh_histogram_t *to = odd ? &left : &right, *from = odd ? &right : &left;
        uint64_t budget = UINT64_MAX;
        while (oh_histogram_begin_both(to, from, &budget) != OH_OK)
            oh_pause();
        oh_histogram_add(to, from);
        oh_histogram_end(to);
        oh_histogram_end(from);
    }
    return NULL;
}

static void run(void *(**functions)(void *), size_t count) {
    pthread_t thread[RECORDERS + READERS];
    for (size_t i = 0; i < count; i++)
        expect(pthread_create(&thread[i], NULL, functions[i], (void *)(uintptr_t)i) == 0);
    for (size_t i = 0; i < count; i++)
        pthread_join(thread[i], NULL);
}

static uint64_t sum_of_all(void) {
    uint64_t sum = 0;
    for (uint64_t me = 0; me < RECORDERS; me++) {
        uint64_t seed = me + 1;
        for (int i = 0; i < STEPS; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            sum += (seed >> 33) % VALUES;
        }
    }
    return sum;
}

int main(void) {
    expect(oh_reaper_start() == OH_OK);
    uint64_t expected = sum_of_all();
    for (uint32_t stripes = 1; stripes <= 8; stripes *= 2) {
        make(&shared, stripes);
        oh_store_relaxed(&recording, RECORDERS);
        for (int i = 0; i < READERS; i++)
            taken_count[i] = taken_sum[i] = 0;
        run((void *(*[])(void *)){recorder, recorder, recorder, reader, reader},
            RECORDERS + READERS);
        uint64_t count = 0, sum = 0;
        for (int i = 0; i < READERS; i++) {
            count += taken_count[i];
            sum += taken_sum[i];
        }
        expect(count == (uint64_t)RECORDERS * STEPS);
        expect(sum == expected);
        expect(oh_histogram_valid(&shared));

        oh_store_relaxed(&recording, RECORDERS);
        run((void *(*[])(void *)){recorder, recorder, recorder, watcher}, RECORDERS + 1);
        begin(&shared);
        expect(check_reading(&shared) == expected);
        oh_histogram_end(&shared);
        expect(oh_histogram_stripes(&shared) <= stripes);
        oh_histogram_free(&shared);
    }

    make(&left, 2);
    make(&right, 2);
    expect(oh_histogram_record_integer(&left, 5, 1) == OH_OK);
    run((void *(*[])(void *)){merger, merger, merger, merger}, 4);
    expect(oh_histogram_valid(&left) && oh_histogram_valid(&right));
    expect(left.total->integer == (oh_u128_t)5 * left.total->count);
    expect(right.total->integer == (oh_u128_t)5 * right.total->count);
    oh_histogram_free(&left);
    oh_histogram_free(&right);
    oh_reaper_stop();
    printf("stress_histogram: ok\n");
    return EXIT_SUCCESS;
}
