/* Epochs and the lock under threads: readers follow a pointer that a writer replaces and retires.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "oh_alloc.h"
#include "oh_epoch.h"
#include "oh_lock.h"
#include "oh_reaper.h"

#define READERS 3
#define WRITERS 2
#define WRITES  20000

typedef struct {
    oh_retired_t retired;
    uint64_t a, b; /* b is ~a while the object lives */
} object_t;

static _Atomic(object_t *) shared;
static _Atomic bool done;
static _Atomic long alive;
static _Atomic long wrong;
static oh_lock_t lock;
static uint64_t guarded; /* by lock */

static object_t *object_new(uint64_t a) {
    object_t *object = malloc(sizeof *object);
    object->a = a;
    object->b = ~a;
    oh_fetch_add_relaxed(&alive, 1);
    return object;
}

static void object_free(oh_retired_t *retired) {
    object_t *object = OH_CONTAINER_OF(retired, object_t, retired);
    object->b = object->a;
    oh_fetch_sub_relaxed(&alive, 1);
    free(object);
}

static void *reader(void *arg) {
    (void)arg;
    while (!oh_load_acquire(&done)) {
        oh_epoch_pin();
        object_t *object = oh_load_acquire(&shared);
        if (object->b != ~object->a)
            oh_fetch_add_relaxed(&wrong, 1);
        oh_epoch_unpin();
        if (!oh_epoch_valid())
            oh_fetch_add_relaxed(&wrong, 1);
    }
    return NULL;
}

static void *writer(void *arg) {
    (void)arg;
    for (uint64_t i = 0; i < WRITES; i++) {
        object_t *fresh = object_new(i);
        oh_epoch_pin();
        object_t *old = oh_exchange_acqrel(&shared, fresh);
        oh_epoch_retire(&old->retired, sizeof *old, object_free);
        oh_epoch_unpin();
        oh_epoch_collect(4);
        oh_lock(&lock);
        guarded++;
        oh_unlock(&lock);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[READERS + WRITERS];
    if (oh_epoch_attach(NULL) != OH_OK || oh_reaper_start() != OH_OK)
        return 1;
    oh_store_release(&shared, object_new(0));
    for (int i = 0; i < READERS + WRITERS; i++)
        pthread_create(&threads[i], NULL, i < READERS ? reader : writer, NULL);
    for (int i = READERS; i < READERS + WRITERS; i++)
        pthread_join(threads[i], NULL);
    oh_store_release(&done, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    oh_epoch_drain();
    oh_reaper_stop();
    long left = oh_load_relaxed(&alive), bad = oh_load_relaxed(&wrong);
    free(oh_load_relaxed(&shared));
    oh_epoch_destroy();
    printf("stress_epoch: %ld wrong, %ld left of %d, %llu counted\n", bad, left, WRITERS * WRITES,
           (unsigned long long)guarded);
    return bad != 0 || left != 1 || guarded != WRITERS * WRITES;
}
