/* Names under threads: some look names up and use what they find, others give names to new objects,
 * take them away, rename. What is found is alive, and is the object that has the name. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "oh_names.h"

#define READERS 3
#define WRITERS 2
#define ROUNDS  20000
#define NAMES   6

typedef struct {
    oh_named_t named;
    uint64_t a, b; /* b is ~a while the object lives */
} object_t;

static _Atomic bool done;
static _Atomic long alive;
static _Atomic long wrong;
static _Atomic long found;

static void release(oh_named_t *named) {
    object_t *object = OH_CONTAINER_OF(named, object_t, named);
    object->b = object->a;
    oh_fetch_sub_relaxed(&alive, 1);
    free(object);
}

static void *reader(void *arg) {
    uint64_t n = (uint64_t)(uintptr_t)arg;
    while (!oh_load_acquire(&done)) {
        n = n * 6364136223846793005u + 1442695040888963407u;
        oh_named_t *named = oh_names_find(1 + (n >> 33) % (NAMES * 2));
        if (named == NULL)
            continue;
        const object_t *object = OH_CONTAINER_OF(named, object_t, named);
        oh_fetch_add_relaxed(&found, 1);
        if (object->b != ~object->a)
            oh_fetch_add_relaxed(&wrong, 1);
    }
    return NULL;
}

/* Each writer has names of its own, but renames to those of the other meet. */
static void *writer(void *arg) {
    oh_word_t first = 1 + (oh_word_t)(uintptr_t)arg * NAMES;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        object_t *object = calloc(1, sizeof *object);
        object->a = i;
        object->b = ~i;
        oh_fetch_add_relaxed(&alive, 1);
        if (oh_names_insert(first + i % NAMES, &object->named) == OH_OK) {
            oh_names_rename(&object->named, 1 + (i * 7) % (NAMES * 2));
            if (!oh_names_remove(&object->named))
                oh_fetch_add_relaxed(&wrong, 1);
            oh_names_sweep(release);
        } else {
            release(&object->named);
        }
        if (i % 1000 == 0 && !oh_names_valid())
            oh_fetch_add_relaxed(&wrong, 1);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[READERS + WRITERS];
    if (oh_epoch_attach(NULL) != OH_OK || oh_names_attach(NULL) != OH_OK)
        return 1;
    for (int i = 0; i < READERS + WRITERS; i++) {
        void *arg = (void *)(uintptr_t)(i < READERS ? i : i - READERS);
        pthread_create(&threads[i], NULL, i < READERS ? reader : writer, arg);
    }
    for (int i = READERS; i < READERS + WRITERS; i++)
        pthread_join(threads[i], NULL);
    oh_store_release(&done, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    bool valid = oh_names_valid();
    oh_names_destroy(release);
    oh_epoch_destroy();
    long left = oh_load_relaxed(&alive), bad = oh_load_relaxed(&wrong);
    printf("stress_names: %ld wrong, %ld left of %d, %ld found\n", bad, left, WRITERS * ROUNDS,
           oh_load_relaxed(&found));
    return valid && bad == 0 && left == 0 ? 0 : 1;
}
