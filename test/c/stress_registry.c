/*
 * Threads that enter and end bodies, walk the list and look addresses up, all at once: a walker
 * never meets a body that ended, each body ends once, no lookup mixes the values of two entries, an
 * entry that stays is always found, and the counts come out exact.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "oh_alloc.h"
#include "oh_registry.h"

enum { WRITERS = 3, READERS = 2, STEPS = 300000, HELD = 200, FROZEN = 4, STAYING = 8 };

/* An ended body is poisoned and freed: a walker that has one without a reference is a race. */
typedef struct {
    oh_registry_entry_t *entry;
    uint64_t alive; /* plain: TSan sees who reads it without a reference */
} body_t;

static _Atomic uint64_t made, ended;
static _Atomic bool done;

#define ALIVE    UINT64_C(0xa11fe)
#define LENGTH   UINT64_C(4096)
#define MIX      UINT64_C(0x5555555555555555)
#define STAYS(i) (UINT64_MAX - (i + 1) * 2 * LENGTH)

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "stress_registry: line %d: not " #condition "\n", __LINE__);           \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

static uint64_t next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static void let_go(body_t *body) {
    if (!oh_registry_unref(OH_LIST_POOLS, body->entry))
        return;
    expect(body->alive == ALIVE);
    body->alive = 0;
    free(body);
    oh_fetch_add_relaxed(&ended, 1);
}

static body_t *make(void) {
    body_t *body = malloc(sizeof *body);
    body->alive = ALIVE;
    const uint64_t value[OH_REGISTRY_VALUES] = {(uintptr_t)body};
    expect(oh_registry_enter(OH_LIST_POOLS, value, &body->entry) == OH_OK);
    oh_fetch_add_relaxed(&made, 1);
    return body;
}

/* Blocks at random places, which a lookup checks: end = start + LENGTH, third = start ^ MIX. */
static oh_registry_entry_t *freeze(uint64_t start) {
    oh_registry_entry_t *entry;
    const uint64_t value[OH_REGISTRY_VALUES] = {start, start + LENGTH, start ^ MIX};
    expect(oh_registry_enter(OH_LIST_FROZEN, value, &entry) == OH_OK);
    return entry;
}

static void *writer(void *arg) {
    uint64_t seed = (uintptr_t)arg + 1;
    body_t *body[HELD] = {0};
    oh_registry_entry_t *frozen[FROZEN] = {0};
    for (int i = 0; i < STEPS; i++) {
        size_t at = next_random(&seed) % HELD;
        if (body[at] == NULL) {
            oh_registry_made(OH_KIND_ATOMICS, at);
            body[at] = make();
        } else {
            oh_registry_ended(OH_KIND_ATOMICS, at);
            let_go(body[at]);
            body[at] = NULL;
        }
        at = next_random(&seed) % FROZEN;
        if (frozen[at] == NULL) {
            frozen[at] = freeze(LENGTH * (1 + next_random(&seed) % 1000));
        } else {
            expect(oh_registry_unref(OH_LIST_FROZEN, frozen[at]));
            frozen[at] = NULL;
        }
    }
    for (size_t at = 0; at < HELD; at++) {
        if (body[at] != NULL) {
            oh_registry_ended(OH_KIND_ATOMICS, at);
            let_go(body[at]);
        }
    }
    for (size_t at = 0; at < FROZEN; at++)
        if (frozen[at] != NULL)
            expect(oh_registry_unref(OH_LIST_FROZEN, frozen[at]));
    return NULL;
}

static void walk(uint64_t *seed) {
    uint32_t name = 0;
    while (name != OH_REGISTRY_END) {
        uint32_t budget = 1 + next_random(seed) % 100;
        for (oh_registry_entry_t *e;
             (e = oh_registry_next(OH_LIST_POOLS, &name, &budget)) != NULL;) {
            body_t *body = (body_t *)(uintptr_t)oh_registry_value(e, 0);
            expect(body->alive == ALIVE && body->entry == e);
            let_go(body);
        }
    }
}

/* The blocks that stay are looked up: what is found is they, or a block that is whole. */
static void look_up(uint64_t *seed) {
    uint64_t value[OH_REGISTRY_VALUES];
    bool stays = next_random(seed) % 2 == 0;
    uint64_t address =
        (stays ? STAYS(next_random(seed) % STAYING) : LENGTH * (1 + next_random(seed) % 1000)) +
        next_random(seed) % LENGTH;
    bool found = false;
    for (uint32_t name = 0; !found && name != OH_REGISTRY_END;) {
        uint32_t budget = 50;
        found = oh_registry_find(OH_LIST_FROZEN, address, &name, &budget, value);
    }
    expect(found || !stays);
    if (found)
        expect(value[0] <= address && value[1] == value[0] + LENGTH &&
               value[2] == (value[0] ^ MIX));
}

static void *reader(void *arg) {
    uint64_t seed = (uintptr_t)arg + 100, handles, bytes;
    while (!oh_load_acquire(&done)) {
        walk(&seed);
        for (int i = 0; i < 1000; i++)
            look_up(&seed);
        oh_registry_counted(OH_KIND_ATOMICS, &handles, &bytes);
        expect(handles <= WRITERS * HELD);
    }
    return NULL;
}

int main(void) {
    pthread_t writers[WRITERS], readers[READERS];
    oh_registry_entry_t *staying[STAYING];
    uint64_t handles, bytes;
    for (uintptr_t i = 0; i < STAYING; i++)
        staying[i] = freeze(STAYS(i));
    for (uintptr_t i = 0; i < WRITERS; i++)
        pthread_create(&writers[i], NULL, writer, (void *)i);
    for (uintptr_t i = 0; i < READERS; i++)
        pthread_create(&readers[i], NULL, reader, (void *)i);
    for (uintptr_t i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    oh_store_release(&done, true);
    for (uintptr_t i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    for (uintptr_t i = 0; i < STAYING; i++)
        expect(oh_registry_unref(OH_LIST_FROZEN, staying[i]));
    expect(oh_registry_valid());
    expect(oh_load_relaxed(&made) == oh_load_relaxed(&ended));
    oh_registry_counted(OH_KIND_ATOMICS, &handles, &bytes);
    expect(handles == 0 && bytes == 0);
    printf("stress_registry: %lu bodies\n", (unsigned long)oh_load_relaxed(&made));
    return EXIT_SUCCESS;
}
