/*
 * Threads on one pool: no block is out twice, what a lease wrote is what it reads, a released
 * buffer has one finisher, and in the end every byte is accounted for. TSan sees a race if
 * recycling does not order one lease's plain writes before the next one's.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oh_alloc.h"
#include "oh_clock.h"
#include "oh_pool.h"
#include "oh_reaper.h"

enum { THREADS = 4, STEPS = 150000, SHARED = 4, HELD = 8 };

static oh_pool_t *pool;
static _Atomic uint64_t finished, leases, stacked;
static _Atomic int running; /* threads that lease for themselves */

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "stress_pool: line %d: not " #condition "\n", __LINE__);               \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

static void drop(void *handle) {
    (void)handle;
}

static uint64_t next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static void end(oh_buffer_t *b, uint64_t generation) {
    bool finisher = false;
    expect(oh_buffer_release(b, generation, &finisher) == OH_OK);
    expect(finisher);
    oh_fetch_add_relaxed(&finished, 1);
    oh_pool_put(pool, b, drop);
}

/* Each thread leases, fills and releases for itself, under a cap that is hit all the time. */
static void *private_leases(void *arg) {
    uint64_t seed = (uintptr_t)arg + 1;
    oh_buffer_t *held[HELD] = {0};
    uint64_t generation[HELD];
    char mark[HELD];
    for (int i = 0; i < STEPS; i++) {
        size_t slot = next_random(&seed) % HELD;
        oh_buffer_t *b = held[slot];
        if (b != NULL) {
            uint64_t size = oh_buffer_size(b);
            expect(size == 0 || (b->data[0] == mark[slot] && b->data[size - 1] == mark[slot]));
            end(b, generation[slot]);
            held[slot] = NULL;
            continue;
        }
        uint64_t size = next_random(&seed) % 3000;
        oh_status_t status = oh_pool_take(pool, size, &b, drop);
        if (status == OH_EXHAUSTED)
            status = oh_pool_take_at_cap(pool, size, &b, drop);
        if (status == OH_EXHAUSTED)
            continue;
        expect(status == OH_OK);
        oh_fetch_add_relaxed(&leases, 1);
        generation[slot] = oh_buffer_open(b, 1, 0, oh_clock_ms(), 0);
        expect(oh_buffer_enter(b, generation[slot], OH_BUFFER_EXTEND) == OH_OK);
        mark[slot] = (char)next_random(&seed);
        memset(b->data, mark[slot], size);
        oh_buffer_grow(b, 0, size);
        expect(!oh_buffer_leave(b, OH_BUFFER_EXTEND));
        held[slot] = b;
    }
    for (int i = 0; i < HELD; i++)
        if (held[i] != NULL)
            end(held[i], generation[i]);
    oh_fetch_sub_relaxed(&running, 1);
    return NULL;
}

/* A few leases that all threads know: generation << 32 | name of the buffer. */
static _Atomic uint64_t shared[SHARED];

static void finish(oh_buffer_t *b) {
    oh_fetch_add_relaxed(&finished, 1);
    oh_pool_put(pool, b, drop);
}

static void leave(oh_buffer_t *b, oh_buffer_mode_t mode) {
    if (oh_buffer_leave(b, mode))
        finish(b);
}

/* Enters to put at the end, by offset: a split may come between the look at size and that. */
static void overwrite(oh_buffer_t *b, uint64_t generation) {
    oh_buffer_mode_t mode;
    uint64_t offset = oh_buffer_size(b);
    if (oh_buffer_enter_put(b, generation, offset, 0, &mode) != OH_OK)
        return;
    uint64_t word = oh_buffer_word(b);
    expect(mode == OH_BUFFER_EXTEND || offset <= oh_buffer_size(b) ||
           oh_buffer_word_state(word) == OH_BUFFER_RELEASED);
    leave(b, mode);
}

static void renew(size_t place) {
    oh_buffer_t *b;
    if (oh_pool_take(pool, 128, &b, drop) != OH_OK)
        return;
    uint64_t generation = oh_buffer_open(b, 1, 0, oh_clock_ms(), 0);
    oh_fetch_add_relaxed(&leases, 1);
    uint64_t old = oh_exchange_acqrel(&shared[place], generation << 32 | b->name);
    bool finisher = false;
    oh_buffer_t *previous = oh_pool_at(pool, (uint32_t)old);
    if (old != 0 && oh_buffer_release(previous, old >> 32, &finisher) == OH_OK && finisher)
        finish(previous);
}

/* Uses race with releases by others, of the same lease and of later ones on the same buffer. Only
 * who extends writes here; readers look below size. */
static void *shared_leases(void *arg) {
    uint64_t seed = (uintptr_t)arg + 100;
    for (int i = 0; i < STEPS; i++) {
        size_t place = next_random(&seed) % SHARED;
        uint64_t lease = oh_load_acquire(&shared[place]);
        unsigned what = next_random(&seed) % 9;
        if (lease == 0 || what == 0) {
            renew(place);
            continue;
        }
        oh_buffer_t *b = oh_pool_at(pool, (uint32_t)lease);
        uint64_t generation = lease >> 32;
        if (what == 1) {
            bool finisher = false;
            if (oh_buffer_release(b, generation, &finisher) == OH_OK && finisher)
                finish(b);
        } else if (what == 2) {
            oh_status_t status = oh_buffer_freeze(b, generation);
            if (status == OH_OK || status == OH_FROZEN)
                leave(b, OH_BUFFER_READ);
        } else if (what < 5) {
            if (oh_buffer_enter(b, generation, OH_BUFFER_EXTEND) == OH_OK) {
                uint64_t size = oh_buffer_size(b);
                if (oh_buffer_fits(b, size, 8)) {
                    memcpy(b->data + size, &generation, 8);
                    oh_buffer_grow(b, size, size + 8);
                }
                leave(b, OH_BUFFER_EXTEND);
            }
        } else if (what == 5) {
            if (oh_buffer_begin_split(b, generation) == OH_OK) {
                oh_buffer_advance(b, oh_buffer_size(b) / 16 * 8);
                if (oh_buffer_end_split(b))
                    finish(b);
            }
        } else if (what == 6) {
            overwrite(b, generation);
        } else if (oh_buffer_enter(b, generation, OH_BUFFER_READ) == OH_OK) {
            uint64_t size = oh_buffer_size(b);
            for (uint64_t at = 0; at < size; at += 8)
                expect(memcmp(b->data + at, &generation, 8) == 0);
            leave(b, OH_BUFFER_READ);
        }
    }
    return NULL;
}

/* Takes blocks of all ages away while others lease. */
static void *trimmer(void *arg) {
    uint64_t seed = (uintptr_t)arg + 300;
    while (oh_load_relaxed(&running) > 0) {
        uint64_t before_ms = next_random(&seed) % 2 ? UINT64_MAX : oh_clock_ms() - 1;
        oh_pool_trim(pool, next_random(&seed) % (8 * 1024), before_ms, drop);
        sched_yield();
    }
    return NULL;
}

/* Puts race with close: nothing stays behind. */
static void *until_closed(void *arg) {
    uint64_t seed = (uintptr_t)arg + 200;
    for (;;) {
        oh_buffer_t *b;
        oh_status_t status = oh_pool_take(pool, next_random(&seed) % 500, &b, drop);
        if (status == OH_CLOSED)
            return NULL;
        expect(status == OH_OK);
        end(b, oh_buffer_open(b, 1, 0, oh_clock_ms(), 0));
    }
}

static void *closer(void *arg) {
    (void)arg;
    while (oh_load_relaxed(&finished) < 2000)
        oh_pause();
    oh_pool_close(pool, drop);
    return NULL;
}

/* Bare stacks: each name is on one stack or in one thread's hand. */
typedef struct {
    oh_freelist_node_t node;
    uint32_t owner; /* plain: TSan checks that the stack orders it */
} item_t;

static oh_nodes_t nodes;
static oh_freelist_t lists[2];

static void *stacker(void *arg) {
    uint32_t me = (uint32_t)(uintptr_t)arg + 1;
    uint64_t seed = me;
    for (int i = 0; i < STEPS; i++) {
        uint32_t name = oh_freelist_pop(&lists[next_random(&seed) % 2], &nodes);
        if (name == OH_FREELIST_NONE) {
            if (oh_nodes_count(&nodes) > 200)
                continue;
            expect(oh_nodes_add(&nodes, &name) == OH_OK);
            oh_fetch_add_relaxed(&stacked, 1);
        }
        item_t *item = oh_nodes_at(&nodes, name);
        expect(item->owner == 0);
        item->owner = me;
        expect(item->owner == me);
        item->owner = 0;
        oh_freelist_push(&lists[next_random(&seed) % 2], &nodes, name);
    }
    return NULL;
}

static void run(void *(*body)(void *), void *(*one_more)(void *)) {
    pthread_t thread[THREADS + 1];
    int count = THREADS;
    for (uintptr_t i = 0; i < THREADS; i++)
        expect(pthread_create(&thread[i], NULL, body, (void *)i) == 0);
    if (one_more != NULL)
        expect(pthread_create(&thread[count++], NULL, one_more, NULL) == 0);
    for (int i = 0; i < count; i++)
        expect(pthread_join(thread[i], NULL) == 0);
}

static void make(uint64_t max_bytes) {
    oh_pool_options_t options = OH_POOL_OPTIONS;
    options.max_bytes = max_bytes;
    options.largest = 2048;
    expect(oh_pool_new(&options, &pool) == OH_OK);
    oh_store_relaxed(&finished, 0);
    oh_store_relaxed(&leases, 0);
}

/* Threads lease and release in turns, one block each of a cap that has room for just as many: none
 * may ever be refused, wherever the blocks are cached or on their way. */
static void *within_cap(void *arg) {
    uint64_t seed = (uintptr_t)arg + 400;
    for (int i = 0; i < STEPS / 30; i++) {
        oh_buffer_t *b;
        uint64_t size = next_random(&seed) % 2 ? 1024 : 64;
        oh_status_t status = oh_pool_take(pool, size, &b, drop);
        if (status == OH_EXHAUSTED)
            status = oh_pool_take_at_cap(pool, size, &b, drop);
        expect(status == OH_OK);
        end(b, oh_buffer_open(b, 1, 0, oh_clock_ms(), 0));
    }
    oh_fetch_sub_relaxed(&running, 1);
    return NULL;
}

/* Nothing is out; all that was made is cached or gone. */
static void account(void) {
    oh_pool_stats_t stats = {0};
    expect(oh_pool_valid(pool));
    oh_pool_stats(pool, 0, oh_pool_count(pool), &stats);
    expect(stats.leased == 0);
    expect(stats.cached_bytes == oh_load_relaxed(&pool->footprint));
    expect(oh_load_relaxed(&leases) == 0 || stats.leases == oh_load_relaxed(&leases));
    expect(oh_load_relaxed(&leases) == 0 || oh_load_relaxed(&finished) == oh_load_relaxed(&leases));
    oh_pool_close(pool, drop);
    expect(oh_load_relaxed(&pool->footprint) == 0);
    expect(oh_pool_valid(pool));
    oh_pool_unref(pool);
}

static void cap_is_exact(void) {
    make(THREADS * 1024);
    oh_store_relaxed(&running, THREADS);
    run(within_cap, trimmer);
    account();
}

static void stack_stress(void) {
    uint32_t length[2];
    oh_nodes_init(&nodes, sizeof(item_t));
    oh_freelist_init(&lists[0]);
    oh_freelist_init(&lists[1]);
    run(stacker, NULL);
    expect(oh_freelist_valid(&lists[0], &nodes, &length[0]));
    expect(oh_freelist_valid(&lists[1], &nodes, &length[1]));
    expect(length[0] + length[1] == oh_load_relaxed(&stacked));
    oh_nodes_free(&nodes);
}

int main(void) {
    expect(oh_reaper_start() == OH_OK);
    stack_stress();

    make(32 * 1024);
    oh_store_relaxed(&running, THREADS);
    run(private_leases, trimmer);
    account();

    cap_is_exact();

    make(OH_POOL_NO_CAP);
    run(shared_leases, NULL);
    for (int i = 0; i < SHARED; i++) {
        uint64_t lease = oh_load_relaxed(&shared[i]);
        bool finisher = false;
        if (lease != 0 &&
            oh_buffer_release(oh_pool_at(pool, (uint32_t)lease), lease >> 32, &finisher) == OH_OK) {
            oh_fetch_add_relaxed(&finished, 1);
            oh_pool_put(pool, oh_pool_at(pool, (uint32_t)lease), drop);
        }
    }
    account();

    make(OH_POOL_NO_CAP);
    run(until_closed, closer);
    oh_store_relaxed(&leases, 0);
    account();
    oh_reaper_stop();
    puts("stress_pool: ok");
    return EXIT_SUCCESS;
}
