/* oh_pool: classes, recycling, the cap, closing, handles, memory that is not there. */
#include <string.h>
#include <sys/resource.h>

#include "oh_pool.h"
#include "oh_reaper.h"
#include "suite.h"

static int dropped; /* handles dropped */

static void drop(void *handle) {
    (void)handle;
    dropped++;
}

static oh_pool_t *pool;
static uint64_t now_ms = 1000;

static void setup(void) {
    suite_use_allocator();
    dropped = 0;
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
}

static void teardown(void) {
    suite_allocations_left = SUITE_NO_LIMIT;
    if (pool != NULL) {
        oh_pool_close(pool, drop);
        oh_pool_unref(pool);
        pool = NULL;
    }
    oh_reaper_stop();
    ck_assert_int_eq(suite_blocks, 0);
}

static void make(uint64_t max_bytes, uint64_t largest) {
    oh_pool_options_t options = OH_POOL_OPTIONS;
    options.max_bytes = max_bytes;
    options.largest = largest;
    ck_assert_int_eq(oh_pool_new(&options, &pool), OH_OK);
    ck_assert(oh_pool_valid(pool));
}

static oh_status_t take(uint64_t size, oh_buffer_t **b) {
    return oh_pool_take(pool, size, b, drop);
}

static oh_status_t take_at_cap(uint64_t size, oh_buffer_t **b) {
    return oh_pool_take_at_cap(pool, size, b, drop);
}

static uint64_t trim(void) {
    return oh_pool_trim(pool, 0, UINT64_MAX, drop);
}

static uint64_t footprint(void) {
    return oh_load_relaxed(&pool->footprint);
}

static oh_buffer_t *lease(uint64_t size) {
    oh_buffer_t *b = NULL;
    ck_assert_int_eq(take(size, &b), OH_OK);
    ck_assert_uint_ge(oh_buffer_capacity(b), size);
    ck_assert_uint_eq((uintptr_t)b->data % OH_CACHE_LINE, 0);
    oh_buffer_open(b, 1, 0, now_ms, 0);
    ck_assert(oh_pool_valid(pool));
    return b;
}

static void end(oh_buffer_t *b) {
    bool finisher = false;
    uint64_t generation = oh_buffer_word_generation(oh_buffer_word(b));
    ck_assert_int_eq(oh_buffer_release(b, generation, &finisher), OH_OK);
    ck_assert(finisher);
    oh_pool_put(pool, b, drop);
    ck_assert(oh_pool_valid(pool));
}

static oh_pool_stats_t stats(void) {
    oh_pool_stats_t s = {0};
    oh_pool_stats(pool, 0, oh_pool_count(pool), &s);
    return s;
}

START_TEST(classes_are_the_smallest_that_fit) {
    ck_assert_uint_eq(oh_pool_class_bytes(0), 64);
    for (uint64_t size = 0; size <= 70000; size++) {
        uint32_t class = oh_pool_class(size);
        ck_assert_uint_ge(oh_pool_class_bytes(class), size);
        if (class > 0)
            ck_assert_uint_lt(oh_pool_class_bytes(class - 1), size);
    }
    for (uint32_t class = 0; class < OH_POOL_CLASSES; class ++)
        ck_assert_uint_eq(oh_pool_class(oh_pool_class_bytes(class)), class);
    for (uint32_t class = 1; class < OH_POOL_CLASSES; class ++)
        ck_assert_uint_le(oh_pool_class_bytes(class) * 4, oh_pool_class_bytes(class - 1) * 5);
    ck_assert_uint_eq(oh_pool_class_bytes(OH_POOL_CLASSES - 1), OH_POOL_LARGEST_MAX);
}
END_TEST

START_TEST(options_out_of_range_are_refused) {
    oh_pool_options_t options = OH_POOL_OPTIONS;
    options.largest = 63;
    ck_assert_int_eq(oh_pool_new(&options, &pool), OH_BADARG);
    options.largest = OH_POOL_LARGEST_MAX + 1;
    ck_assert_int_eq(oh_pool_new(&options, &pool), OH_BADARG);
    options.largest = UINT64_MAX;
    ck_assert_int_eq(oh_pool_new(&options, &pool), OH_BADARG);
    ck_assert_ptr_null(pool);
    make(1000, OH_POOL_LARGEST_MAX);
}
END_TEST

START_TEST(a_released_block_is_leased_again) {
    make(OH_POOL_NO_CAP, 1 << 20);
    oh_buffer_t *first = lease(1000);
    char *data = first->data;
    end(first);
    ck_assert_uint_eq(stats().cached_bytes, 1024);
    for (int i = 0; i < 100; i++) {
        oh_buffer_t *b = lease(900 + i); /* of this class, or the one below */
        ck_assert_ptr_eq(b, first);
        ck_assert_ptr_eq(b->data, data);
        end(b);
    }
    ck_assert_uint_eq(oh_load_relaxed(&pool->made), 1);
    ck_assert_uint_eq(stats().leases, 101);
}
END_TEST

START_TEST(a_block_up_to_a_doubling_larger_will_do) {
    make(OH_POOL_NO_CAP, 1 << 20);
    end(lease(1024));
    oh_buffer_t *b = lease(640);
    ck_assert_uint_eq(oh_buffer_capacity(b), 1024);
    end(b);
    b = lease(512);
    ck_assert_uint_eq(oh_buffer_capacity(b), 512);
    end(b);
}
END_TEST

START_TEST(what_is_above_the_largest_class_is_not_kept) {
    make(OH_POOL_NO_CAP, 4096);
    oh_buffer_t *b = lease(4097);
    ck_assert_uint_eq(oh_buffer_capacity(b), 8192);
    end(b);
    ck_assert_uint_eq(footprint(), 0);
    b = lease(100 << 20);
    end(b);
    ck_assert_uint_eq(footprint(), 0);
    ck_assert_uint_eq(oh_pool_count(pool), 1);
    end(lease(4096));
    ck_assert_uint_eq(footprint(), 4096);
}
END_TEST

START_TEST(the_cap_refuses_and_recovers) {
    make(10 * 1024, 4096);
    oh_buffer_t *leased[10], *b;
    for (int i = 0; i < 10; i++)
        leased[i] = lease(1024);
    ck_assert_int_eq(take(64, &b), OH_EXHAUSTED);
    ck_assert_int_eq(take_at_cap(64, &b), OH_EXHAUSTED);
    end(leased[9]);
    ck_assert_int_eq(take(64, &b), OH_EXHAUSTED);
    ck_assert_int_eq(take_at_cap(64, &leased[9]), OH_OK);
    oh_buffer_open(leased[9], 1, 0, now_ms, 0);
    ck_assert_uint_eq(footprint(), 9 * 1024 + 64);
    ck_assert_int_eq(take(10 * 1024 + 1, &b), OH_LIMIT);
    ck_assert_int_eq(take_at_cap(10 * 1024 + 1, &b), OH_LIMIT);
    for (int i = 0; i < 10; i++)
        end(leased[i]);
    ck_assert_int_eq(take_at_cap(8 * 1024, &b), OH_OK);
    ck_assert_uint_le(footprint(), 10 * 1024);
    oh_buffer_open(b, 1, 0, now_ms, 0);
    end(b);
}
END_TEST

START_TEST(absurd_sizes_are_refused) {
    static const uint64_t sizes[] = {OH_POOL_BLOCK_MAX + 1, (uint64_t)1 << 60, UINT64_MAX - 1,
                                     UINT64_MAX};
    oh_buffer_t *b;
    make(OH_POOL_NO_CAP, 4096);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        ck_assert_int_eq(take(sizes[i], &b), OH_ENOMEM);
    oh_pool_close(pool, drop);
    oh_pool_unref(pool);
    make(1 << 20, 4096);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        ck_assert_int_eq(take(sizes[i], &b), OH_LIMIT);
    ck_assert_uint_eq(footprint(), 0);
}
END_TEST

START_TEST(a_pool_without_bytes_leases_nothing) {
    oh_buffer_t *b;
    make(0, 4096);
    ck_assert_int_eq(take(0, &b), OH_LIMIT);
    ck_assert_int_eq(take_at_cap(0, &b), OH_LIMIT);
}
END_TEST

START_TEST(trimming_goes_by_age_and_target) {
    make(OH_POOL_NO_CAP, 1 << 20);
    oh_buffer_t *old[40], *young[40];
    for (int i = 0; i < 40; i++)
        old[i] = lease(1000);
    now_ms = 5000;
    for (int i = 0; i < 40; i++)
        young[i] = lease(1000);
    for (int i = 0; i < 40; i++) {
        end(old[i]);
        end(young[i]);
    }
    ck_assert_uint_eq(oh_pool_trim(pool, 0, 1000, drop), 0);
    ck_assert_uint_eq(oh_pool_trim(pool, 70 * 1024, 5000, drop), 10);
    ck_assert(oh_pool_valid(pool));
    ck_assert_uint_eq(footprint(), 70 * 1024);
    ck_assert_uint_eq(oh_pool_trim(pool, 0, 5000, drop), 30);
    ck_assert_uint_eq(stats().cached, 40);
    oh_pool_see(young[0], 7000);
    ck_assert_uint_eq(oh_pool_trim(pool, 0, 7000, drop), 39);
    ck_assert_uint_eq(stats().cached, 1);
    ck_assert(oh_pool_valid(pool));
    end(lease(100000));
    ck_assert_uint_eq(oh_pool_trim(pool, 1024, UINT64_MAX, drop), 1); /* the largest first */
    ck_assert_uint_eq(footprint(), 1024);
    now_ms = 1000;
}
END_TEST

START_TEST(blocks_are_aligned_as_asked) {
    static const uint32_t aligns[] = {16, 64, 4096}, wrong[] = {0, 8, 24, 8192};
    oh_pool_options_t options = OH_POOL_OPTIONS;
    options.largest = 4 << 20;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        options.align = wrong[i];
        ck_assert_int_eq(oh_pool_new(&options, &pool), OH_BADARG);
    }
    for (size_t i = 0; i < 2 * sizeof aligns / sizeof aligns[0]; i++) {
        options.align = aligns[i / 2];
        options.huge_pages = i % 2;
        ck_assert_int_eq(oh_pool_new(&options, &pool), OH_OK);
        for (uint64_t size = 1; size <= (4 << 20); size = size * 3 + 1) {
            oh_buffer_t *b = NULL;
            ck_assert_int_eq(take(size, &b), OH_OK);
            ck_assert_uint_eq((uintptr_t)b->data % options.align, 0);
            if (options.huge_pages && oh_buffer_capacity(b) >= OH_BLOCK_HUGE_BYTES)
                ck_assert_uint_eq((uintptr_t)b->data % OH_BLOCK_HUGE_BYTES, 0);
            memset(b->data, 1, oh_buffer_capacity(b));
            oh_buffer_open(b, 1, 0, now_ms, 0);
            end(b);
        }
        oh_pool_close(pool, drop);
        oh_pool_unref(pool);
        pool = NULL;
    }
}
END_TEST

static bool all_zero(const oh_buffer_t *b) {
    for (uint64_t i = 0; i < oh_load_relaxed(&b->block_bytes); i++)
        if (b->block[i] != 0)
            return false;
    return true;
}

START_TEST(a_zeroing_pool_leases_zeros) {
    static const uint64_t sizes[] = {64, 5000, 300000, 3 << 20};
    oh_pool_options_t options = OH_POOL_OPTIONS;
    options.largest = 1 << 20;
    options.zero = true;
    ck_assert_int_eq(oh_pool_new(&options, &pool), OH_OK);
    for (int i = 0; i < 40; i++) {
        oh_buffer_t *b = NULL;
        ck_assert_int_eq(i % 8 < 4 ? take(sizes[i % 4], &b) : take_at_cap(sizes[i % 4], &b), OH_OK);
        ck_assert(all_zero(b));
        oh_buffer_open(b, 1, 0, now_ms, 0);
        memset(b->data, 1, oh_buffer_capacity(b));
        end(b);
    }
    ck_assert_uint_eq(trim(), 3);
    ck_assert_uint_eq(footprint(), 0);
}
END_TEST

static void call(oh_waiter_t *waiter, void *context) {
    (void)context;
    (void)waiter;
}

static void forget(oh_waiter_t *waiter) {
    (void)waiter;
}

START_TEST(nobody_passes_who_waits) {
    oh_pool_options_t options = OH_POOL_OPTIONS;
    options.max_bytes = 4096;
    options.largest = 4096;
    options.line_host = (oh_line_host_t){call, forget};
    ck_assert_int_eq(oh_pool_new(&options, &pool), OH_OK);
    oh_buffer_t *b = lease(64), *other;
    oh_waiter_t waiter = {.wanted = 2048};
    ck_assert(oh_pool_is_enough_for_all(pool, 3584));
    ck_assert(!oh_pool_is_enough_for_all(pool, 3585));
    oh_line_join(&pool->line, &waiter, NULL);
    ck_assert(oh_pool_is_enough_for_all(pool, 1792));
    ck_assert(!oh_pool_is_enough_for_all(pool, 2048)); /* 64 bytes are out */
    ck_assert(!oh_pool_is_enough_for_all(pool, 5000));
    ck_assert_int_eq(take(64, &other), OH_EXHAUSTED);
    ck_assert_int_eq(take(5000, &other), OH_LIMIT);
    ck_assert_int_eq(take_at_cap(4096, &other), OH_EXHAUSTED);
    end(b);
    ck_assert(oh_pool_is_enough_for_all(pool, 2048)); /* they are cached */
    ck_assert_int_eq(take(64, &other), OH_EXHAUSTED);
    ck_assert_int_eq(take_at_cap(4096, &other), OH_OK);
    oh_line_leave(&pool->line, &waiter, NULL);
    oh_buffer_open(other, 1, 0, now_ms, 0);
    end(other);
    end(lease(64 * 60));
}
END_TEST

START_TEST(a_closed_pool_leases_nothing_and_keeps_nothing) {
    make(OH_POOL_NO_CAP, 1 << 20);
    oh_buffer_t *out = lease(100);
    end(lease(200));
    ck_assert_uint_gt(footprint(), 128);
    oh_pool_close(pool, drop);
    ck_assert_uint_eq(footprint(), oh_buffer_capacity(out));
    oh_buffer_t *b;
    ck_assert_int_eq(take(100, &b), OH_CLOSED);
    end(out);
    ck_assert_uint_eq(footprint(), 0);
    oh_pool_close(pool, drop);
}
END_TEST

START_TEST(handles_stay_with_cached_buffers_and_are_dropped_with_their_block) {
    static int handle;
    make(OH_POOL_NO_CAP, 4096);
    oh_buffer_t *b = lease(100);
    oh_store_relaxed(&b->handle, &handle);
    end(b);
    ck_assert_int_eq(dropped, 0);
    ck_assert_ptr_eq(oh_load_relaxed(&lease(100)->handle), &handle);
    end(b);
    ck_assert_uint_eq(trim(), 1);
    ck_assert_int_eq(dropped, 1);
    b = lease(100);
    ck_assert_ptr_null(oh_load_relaxed(&b->handle));
    oh_store_relaxed(&b->handle, &handle);
    oh_pool_close(pool, drop);
    end(b);
    ck_assert_int_eq(dropped, 2);
}
END_TEST

START_TEST(a_worn_buffer_is_retired) {
    make(OH_POOL_NO_CAP, 4096);
    oh_buffer_t *b = NULL;
    ck_assert_int_eq(take(100, &b), OH_OK);
    oh_store_relaxed(&b->word, (OH_BUFFER_GENERATION_MAX - 1) << 16);
    oh_buffer_open(b, 1, 0, now_ms, 0);
    end(b);
    ck_assert_uint_eq(footprint(), 0);
    ck_assert_ptr_ne(lease(100), b);
}
END_TEST

START_TEST(a_retired_pool_ends_on_the_reapers_thread) {
    make(OH_POOL_NO_CAP, 1 << 20);
    oh_pool_ref(pool);
    oh_buffer_t *b = lease(1000);
    end(lease(1 << 20));
    end(lease(1000));
    oh_pool_retire(pool, drop);
    end(b);
    oh_reaper_stop();
    ck_assert_uint_eq(footprint(), 0);
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
}
END_TEST

START_TEST(stats_add_up) {
    make(OH_POOL_NO_CAP, 4096);
    oh_buffer_t *a = lease(64), *b = lease(128), *c = lease(256);
    ck_assert_int_eq(oh_buffer_freeze(b, 1), OH_OK);
    ck_assert(!oh_buffer_leave(b, OH_BUFFER_READ));
    end(c);
    oh_pool_stats_t s = stats();
    ck_assert_uint_eq(s.leases, 3);
    ck_assert_uint_eq(s.leased, 2);
    ck_assert_uint_eq(s.leased_bytes, 64 + 128);
    ck_assert_uint_eq(s.frozen, 1);
    ck_assert_uint_eq(s.frozen_bytes, 128);
    ck_assert_uint_eq(s.cached, 1);
    ck_assert_uint_eq(s.cached_bytes, 256);
    end(a);
    end(b);
    ck_assert_uint_eq(stats().leased, 0);
}
END_TEST

/* The pools in the registry, with how often *wanted is among them. */
static uint32_t listed(const oh_pool_t *wanted, uint32_t *found) {
    uint32_t name = 0, count = 0;
    *found = 0;
    while (name != OH_REGISTRY_END) {
        uint32_t budget = 1;
        oh_pool_t *p = oh_pool_next(&name, &budget);
        if (p == NULL)
            continue;
        count++;
        *found += p == wanted;
        oh_pool_unref(p);
    }
    return count;
}

START_TEST(the_registry_lists_a_pool_while_it_is_referred_to) {
    uint32_t found;
    ck_assert_uint_eq(listed(NULL, &found), 0);
    make(OH_POOL_NO_CAP, 4096);
    uint32_t name = pool->entry->name, generation = oh_registry_generation(pool->entry);
    ck_assert_uint_eq(listed(pool, &found), 1);
    ck_assert_uint_eq(found, 1);
    ck_assert_ptr_eq(oh_pool_ref_at(name, generation), pool);
    oh_pool_close(pool, drop);
    oh_pool_unref(pool);
    ck_assert_uint_eq(listed(pool, &found), 1);
    oh_pool_unref(pool);
    pool = NULL;
    ck_assert_uint_eq(listed(NULL, &found), 0);
    ck_assert_ptr_null(oh_pool_ref_at(name, generation));
    ck_assert(oh_registry_valid());
}
END_TEST

START_TEST(a_pool_without_handles_never_gets_one_again) {
    make(OH_POOL_NO_CAP, 4096);
    ck_assert(oh_pool_hold(pool));
    ck_assert(!oh_pool_let_go(pool));
    ck_assert(oh_pool_let_go(pool));
    ck_assert(!oh_pool_hold(pool));
    ck_assert(!oh_pool_hold(pool));
}
END_TEST

/* Each allocation in turn fails; the pool stays whole. */
START_TEST(no_memory_changes_nothing) {
    oh_pool_options_t options = OH_POOL_OPTIONS;
    options.largest = 4096;
    suite_allocations_left = 0;
    ck_assert_int_eq(oh_pool_new(&options, &pool), OH_ENOMEM);
    ck_assert_ptr_null(pool);
    suite_allocations_left = 1; /* the pool, and not its depot */
    ck_assert_int_eq(oh_pool_new(&options, &pool), OH_ENOMEM);
    ck_assert_ptr_null(pool);
    suite_allocations_left = SUITE_NO_LIMIT;
    make(OH_POOL_NO_CAP, 4096);
    oh_buffer_t *b = NULL;
    for (long fail_at = 0; fail_at < 2; fail_at++) {
        suite_allocations_left = fail_at; /* the block, then the buffer */
        ck_assert_int_eq(take(100, &b), OH_ENOMEM);
        ck_assert(oh_pool_valid(pool));
        ck_assert_uint_eq(footprint(), 0);
    }
    suite_allocations_left = 2;
    b = lease(100);
    end(b); /* no memory for the thread's magazines: into the depot */
    ck_assert_ptr_eq(lease(100), b);
    suite_allocations_left = SUITE_NO_LIMIT;
    end(b);
    suite_allocations_left = 0;
    ck_assert_ptr_eq(lease(100), b); /* recycling needs no memory */
    end(b);
}
END_TEST

/* Leases and releases at random against a model of the bytes that are out. */
START_TEST(a_random_life_stays_valid) {
    enum { SLOTS = 64 };
    oh_buffer_t *out[SLOTS] = {0};
    uint64_t seed = (uint64_t)_i + 1;
    make(512 * 1024, 16384);
    for (int step = 0; step < 5000; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t slot = (seed >> 33) % SLOTS;
        uint64_t size = (seed >> 40) % 20000;
        if (out[slot] != NULL) {
            end(out[slot]);
            out[slot] = NULL;
        } else if (take(size, &out[slot]) == OH_OK) {
            ck_assert_uint_ge(oh_buffer_capacity(out[slot]), size);
            oh_buffer_open(out[slot], 1, 0, now_ms, 0);
        } else {
            out[slot] = NULL;
            if (take_at_cap(size, &out[slot]) == OH_OK)
                oh_buffer_open(out[slot], 1, 0, now_ms, 0);
            else
                out[slot] = NULL;
        }
        ck_assert(oh_pool_valid(pool));
        uint64_t bytes = 0;
        for (int i = 0; i < SLOTS; i++)
            bytes += out[i] == NULL ? 0 : oh_buffer_capacity(out[i]);
        ck_assert_uint_eq(stats().leased_bytes, bytes);
        ck_assert_uint_eq(stats().leased_bytes + stats().cached_bytes, footprint());
    }
    for (int i = 0; i < SLOTS; i++)
        if (out[i] != NULL)
            end(out[i]);
}
END_TEST

static void make_shared(uint64_t max_bytes) {
    oh_pool_options_t options = OH_POOL_OPTIONS;
    options.max_bytes = max_bytes;
    options.largest = 1 << 20;
    options.shared = true;
    ck_assert_int_eq(oh_pool_new(&options, &pool), OH_OK);
}

START_TEST(blocks_of_a_shared_pool_are_segments_from_a_size_on) {
    make_shared(OH_POOL_NO_CAP);
    oh_buffer_t *small = lease(OH_SHARED_BYTES_MIN / 2), *b = lease(OH_SHARED_BYTES_MIN);
    ck_assert_ptr_null(small->shared);
    ck_assert_ptr_nonnull(b->shared);
    ck_assert_ptr_eq(b->shared->data, b->block);
    oh_shared_t *shared = b->shared;
    end(small);
    end(b);
    b = lease(OH_SHARED_BYTES_MIN);
    ck_assert_ptr_eq(b->shared, shared);
    end(b);
    ck_assert_uint_eq(oh_shared_count(), 1);
    trim();
    oh_reaper_stop();
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
    ck_assert_uint_eq(oh_shared_count(), 0);
}
END_TEST

START_TEST(a_segment_that_may_yet_be_written_is_not_leased_again) {
    make_shared(OH_POOL_NO_CAP);
    oh_buffer_t *b = lease(100000);
    uint64_t id = b->shared->id;
    oh_shared_mark_exposed(b->shared);
    ck_assert(oh_buffer_is_exposed(b));
    end(b);
    b = lease(100000);
    ck_assert_uint_eq(b->shared->id, id); /* exposed alone does not matter here */
    oh_shared_mark_late(b->shared);
    end(b);
    ck_assert_uint_eq(stats().cached, 0);
    ck_assert_uint_eq(footprint(), 0);
    b = lease(100000);
    ck_assert_uint_ne(b->shared->id, id);
    ck_assert(!oh_buffer_is_exposed(b));
    end(b);
}
END_TEST

START_TEST(without_descriptors_blocks_are_ordinary_ones) {
    struct rlimit limit, none;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 3;
    make_shared(OH_POOL_NO_CAP);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    oh_buffer_t *b = lease(100000);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_ptr_null(b->shared);
    ck_assert(!oh_buffer_is_exposed(b));
    end(b);
}
END_TEST

START_TEST(the_end_of_a_shared_pool_ends_its_segments) {
    make_shared(1 << 20);
    oh_buffer_t *b = lease(100000);
    end(lease(200000));
    ck_assert_uint_eq(oh_shared_count(), 2);
    end(b);
    oh_pool_close(pool, drop);
    oh_pool_unref(pool);
    pool = NULL;
    oh_reaper_stop();
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
    ck_assert_uint_eq(oh_shared_count(), 0);
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("pool");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, classes_are_the_smallest_that_fit);
    tcase_add_test(tcase, options_out_of_range_are_refused);
    tcase_add_test(tcase, a_released_block_is_leased_again);
    tcase_add_test(tcase, a_block_up_to_a_doubling_larger_will_do);
    tcase_add_test(tcase, what_is_above_the_largest_class_is_not_kept);
    tcase_add_test(tcase, the_cap_refuses_and_recovers);
    tcase_add_test(tcase, absurd_sizes_are_refused);
    tcase_add_test(tcase, a_pool_without_bytes_leases_nothing);
    tcase_add_test(tcase, trimming_goes_by_age_and_target);
    tcase_add_test(tcase, blocks_are_aligned_as_asked);
    tcase_add_test(tcase, a_zeroing_pool_leases_zeros);
    tcase_add_test(tcase, nobody_passes_who_waits);
    tcase_add_test(tcase, a_closed_pool_leases_nothing_and_keeps_nothing);
    tcase_add_test(tcase, handles_stay_with_cached_buffers_and_are_dropped_with_their_block);
    tcase_add_test(tcase, a_worn_buffer_is_retired);
    tcase_add_test(tcase, a_retired_pool_ends_on_the_reapers_thread);
    tcase_add_test(tcase, stats_add_up);
    tcase_add_test(tcase, the_registry_lists_a_pool_while_it_is_referred_to);
    tcase_add_test(tcase, a_pool_without_handles_never_gets_one_again);
    tcase_add_test(tcase, blocks_of_a_shared_pool_are_segments_from_a_size_on);
    tcase_add_test(tcase, a_segment_that_may_yet_be_written_is_not_leased_again);
    tcase_add_test(tcase, without_descriptors_blocks_are_ordinary_ones);
    tcase_add_test(tcase, the_end_of_a_shared_pool_ends_its_segments);
    tcase_add_test(tcase, no_memory_changes_nothing);
    tcase_add_loop_test(tcase, a_random_life_stays_valid, 0, 4);
    Suite *suite = suite_create("oh_pool");
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
