/*
 * Threads on one buffer that is extended, overwritten, shrunk, frozen and leased anew: whoever is
 * inside sees bytes of its own lease only, below any size that it read, and each lease has one
 * finisher. Bytes are moved as atomic words, because reading what another overwrites is allowed;
 * what TSan checks is the word and the size.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oh_buffer.h"

enum { THREADS = 4, STEPS = 400000, WORDS = 64, OWNER = 7 };

static oh_buffer_t buffer;
static oh_buffer_t *const b = &buffer;
static _Atomic uint64_t block[WORDS];
static _Atomic uint64_t current, finished, opened, shrunk;

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "stress_buffer: line %d: not " #condition "\n", __LINE__);             \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

static uint64_t next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

/* Who is told so owns the buffer, and leases it again. */
static void finish(void) {
    oh_fetch_add_relaxed(&finished, 1);
    oh_fetch_add_relaxed(&opened, 1);
    oh_store_release(&current, oh_buffer_open(b, OWNER, 0, 0, 0));
}

static void leave(oh_buffer_mode_t mode) {
    if (oh_buffer_leave(b, mode))
        finish();
}

static void extend(uint64_t generation) {
    if (oh_buffer_enter(b, generation, OH_BUFFER_EXTEND) != OH_OK)
        return;
    uint64_t size = oh_buffer_size(b);
    if (oh_buffer_fits(b, size, 8)) {
        oh_store_relaxed(&block[size / 8], generation);
        oh_buffer_grow(b, size, size + 8);
        expect(oh_buffer_size(b) == size + 8);
    }
    leave(OH_BUFFER_EXTEND);
}

static void shrink(uint64_t generation, uint64_t random) {
    if (oh_buffer_enter(b, generation, OH_BUFFER_EXTEND) != OH_OK)
        return;
    uint64_t size = oh_buffer_size(b) / 8;
    oh_buffer_resize(b, size == 0 ? 0 : random % size * 8);
    oh_fetch_add_relaxed(&shrunk, 1);
    leave(OH_BUFFER_EXTEND);
}

static void overwrite(uint64_t generation, uint64_t random) {
    oh_buffer_mode_t mode;
    uint64_t at = random % WORDS * 8;
    if (oh_buffer_enter_put(b, generation, at, 8, &mode) != OH_OK)
        return;
    if (mode == OH_BUFFER_OVERWRITE)
        oh_store_relaxed(&block[at / 8], generation);
    leave(mode);
}

static void read_all(uint64_t generation) {
    if (oh_buffer_enter(b, generation, OH_BUFFER_READ) != OH_OK)
        return;
    uint64_t size = oh_buffer_size(b);
    expect(size <= sizeof block);
    for (uint64_t i = 0; i < size / 8; i++)
        expect(oh_load_relaxed(&block[i]) == generation);
    leave(OH_BUFFER_READ);
}

static void freeze(uint64_t generation) {
    oh_status_t status = oh_buffer_freeze(b, generation);
    if (status != OH_OK && status != OH_FROZEN)
        return;
    uint64_t size = oh_buffer_size(b);
    expect(oh_buffer_enter(b, generation, OH_BUFFER_EXTEND) != OH_OK);
    expect(oh_buffer_size(b) == size);
    leave(OH_BUFFER_READ);
}

static void *work(void *arg) {
    uint64_t seed = (uintptr_t)arg + 1;
    for (int i = 0; i < STEPS; i++) {
        uint64_t generation = oh_load_acquire(&current);
        uint64_t random = next_random(&seed);
        uint64_t what = random % 64;
        bool finisher = false;
        if (what == 0) {
            if (oh_buffer_release(b, generation, &finisher) == OH_OK && finisher)
                finish();
        } else if (what == 1) {
            freeze(generation);
        } else if (what < 5) {
            shrink(generation, random >> 6);
        } else if (what < 30) {
            extend(generation);
        } else if (what < 40) {
            overwrite(generation, random >> 6);
        } else {
            read_all(generation);
        }
    }
    return NULL;
}

int main(void) {
    pthread_t thread[THREADS];
    b->block = (char *)block;
    oh_store_relaxed(&b->block_bytes, sizeof block);
    oh_buffer_rewind(b);
    oh_store_relaxed(&opened, 1);
    oh_store_release(&current, oh_buffer_open(b, OWNER, 0, 0, 0));
    for (uintptr_t i = 0; i < THREADS; i++)
        expect(pthread_create(&thread[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        expect(pthread_join(thread[i], NULL) == 0);
    expect(oh_buffer_valid(b));
    expect(oh_buffer_word_busy(oh_buffer_word(b)) == 0);
    expect(oh_load_relaxed(&opened) == oh_load_relaxed(&finished) + 1);
    expect(oh_load_relaxed(&current) == oh_load_relaxed(&opened));
    expect(oh_load_relaxed(&shrunk) > 0);
    puts("stress_buffer: ok");
    return EXIT_SUCCESS;
}
