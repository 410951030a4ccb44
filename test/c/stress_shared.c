/* Segments under threads: each makes some, writes its own mark all over, marks and frees them,
 * while the reaper's thread ends them. No two have the same id or the same memory, and none is
 * left. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oh_shared.h"

#define THREADS 4
#define ROUNDS  300
#define BYTES   ((uint64_t)64 * 1024)

static uint64_t ids[THREADS][ROUNDS];
static _Atomic long wrong;

static void *run(void *arg) {
    uint64_t thread = (uint64_t)(uintptr_t)arg;
    for (int i = 0; i < ROUNDS; i++) {
        oh_shared_t *shared = oh_shared_new(BYTES);
        if (shared == NULL) { /* others have them all just now */
            ids[thread][i] = 0;
            continue;
        }
        ids[thread][i] = shared->id;
        memset(shared->data, (int)thread + 1, BYTES);
        oh_shared_mark_exposed(shared);
        for (uint64_t at = 0; at < BYTES; at += 4096)
            if (shared->data[at] != (char)(thread + 1))
                oh_fetch_add_relaxed(&wrong, 1);
        oh_shared_free(shared);
    }
    return NULL;
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int main(void) {
    pthread_t thread[THREADS];
    if (oh_reaper_start() != OH_OK)
        return EXIT_FAILURE;
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, run, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    oh_reaper_stop();
    uint64_t *all = &ids[0][0];
    size_t count = (size_t)THREADS * ROUNDS, made = 0;
    qsort(all, count, sizeof *all, compare);
    for (size_t i = 0; i < count; i++) {
        made += all[i] != 0;
        if (i > 0 && all[i] != 0 && all[i] == all[i - 1])
            oh_fetch_add_relaxed(&wrong, 1);
    }
    printf("%zu segments, %ld wrong, %u left\n", made, oh_load_relaxed(&wrong), oh_shared_count());
    return oh_load_relaxed(&wrong) == 0 && made > 0 && oh_shared_count() == 0 ? EXIT_SUCCESS
                                                                              : EXIT_FAILURE;
}
