/*
 * paths: the hot paths of the core, each run many times for callgrind to count their instructions.
 * compare.sh beside this file runs it. Prints a line for each, "operations name", in the order of
 * callgrind's dumps. The loop's own few instructions count; so do malloc's where a path allocates.
 */
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/callgrind.h>

#include "fake_terms.h"
#include "fake_tree.h"
#include "oh_atomics.h"
#include "oh_bitset.h"
#include "oh_bloom_filter.h"
#include "oh_buffer.h"
#include "oh_bytes.h"
#include "oh_concurrency_limiter.h"
#include "oh_counters.h"
#include "oh_crc32c.h"
#include "oh_histogram.h"
#include "oh_hyperloglog.h"
#include "oh_id_generator.h"
#include "oh_mix.h"
#include "oh_pool.h"
#include "oh_rate_limiter.h"

/* Entries of a table or tree. */
#define ENTRIES 10000

static void must(bool ok) {
    if (!ok)
        abort();
}

/* 0..ENTRIES-1 in no order. */
static uint64_t spread(uint64_t i) {
    return (i * 0x9e3779b1u & 0xfffffff) % ENTRIES;
}

/* --- Atomics and what stands on them --- */

static oh_atomics_t atomics;

static void atomics_setup(void) {
    must(oh_atomics_init(&atomics, 1000, &(oh_atomics_options_t){.bits = 64}) == OH_OK);
}

static void atomics_add(uint64_t n) {
    oh_change_t change;
    for (uint64_t i = 0; i < n; i++)
        must(oh_atomics_apply(&atomics, i % 1000, OH_ATOMICS_ADD, 1, &change));
}

static void atomics_max(uint64_t n) {
    oh_change_t change;
    for (uint64_t i = 0; i < n; i++)
        must(oh_atomics_apply(&atomics, i % 1000, OH_ATOMICS_MAX, (oh_wide_t)i, &change));
}

static void atomics_sum(uint64_t n) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += oh_atomics_reduce(&atomics, 0, 1000, OH_ATOMICS_SUM, 0);
    must(sum != 1);
}

static oh_counters_t counters;

static void counters_setup(void) {
    must(oh_counters_init(&counters, 1000, 4) == OH_OK);
}

static void counters_add(uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        oh_counters_add(&counters, i % 1000, 1);
}

static oh_histogram_t histogram;

static void histogram_setup(void) {
    oh_histogram_layout_t layout;
    must(oh_histogram_layout_init_hdr(&layout, 1, 3600000000000, 3) == OH_OK);
    must(oh_histogram_init(&histogram, layout, 4) == OH_OK);
}

static void histogram_record(uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        must(oh_histogram_record_integer(&histogram, i * 7919 & 0xffffff, 1) == OH_OK);
}

static oh_rate_limiter_t limiter;

static void rate_limiter_setup(void) {
    oh_rate_t rate;
    must(oh_rate_init(&rate, 1, 1, (uint64_t)1 << 50) == OH_OK);
    must(oh_rate_limiter_init(&limiter, 1000, &rate) == OH_OK);
}

static void rate_limiter_take(uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        must(oh_rate_limiter_take(&limiter, i % 1000, OH_TIME_ZERO + i, 1).granted);
}

static oh_concurrency_limiter_t permits;

static void concurrency_limiter_setup(void) {
    must(oh_concurrency_limiter_init(&permits, 10) == OH_OK);
}

static void permit_acquire_release(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        oh_permit_t permit;
        must(oh_concurrency_limiter_acquire(&permits));
        oh_permit_init(&permit, &permits);
        must(oh_permit_release(&permit));
    }
}

static oh_bitset_t bitset;

/* Half of it is taken. */
static void bitset_setup(void) {
    must(oh_bitset_init(&bitset, 100000) == OH_OK);
    for (uint64_t i = 0; i < 50000; i++)
        oh_bitset_set(&bitset, i);
}

static void bitset_claim_clear(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        uint64_t index;
        must(oh_bitset_claim(&bitset, &index) == OH_OK);
        must(oh_bitset_clear(&bitset, index));
    }
}

static oh_bloom_filter_t bloom;

static void bloom_filter_setup(void) {
    must(oh_bloom_filter_init(&bloom, 1 << 20, 7) == OH_OK);
}

static void bloom_filter_add(uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        (void)oh_bloom_filter_add(&bloom, oh_mix(i));
}

static oh_hyperloglog_t sketch;

static void hyperloglog_setup(void) {
    must(oh_hyperloglog_init(&sketch, 14) == OH_OK);
}

static void hyperloglog_add(uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        (void)oh_hyperloglog_add(&sketch, oh_mix(i));
}

static oh_id_generator_t generator;

static void id_generator_setup(void) {
    must(oh_id_generator_init(
             &generator,
             &(oh_id_layout_t){.node_bits = 2, .sequence_bits = 20, .ahead_ms = 1000}) == OH_OK);
}

static void id_generator_take(uint64_t n) {
    uint64_t slot, ids = 0;
    int64_t wait_ms;
    for (uint64_t i = 0; i < n; i++) {
        must(oh_id_generator_take(&generator, 1, 1800000000000, &slot, &wait_ms) == OH_OK);
        ids ^= oh_id_generator_id(&generator, slot);
    }
    must(ids != 1);
}

/* --- Buffers --- */

static oh_pool_t *pool;
static oh_buffer_t *held;
static char bytes[4096], more[4096];

static void drop(void *handle) {
    (void)handle;
}

static oh_buffer_t *lease(void) {
    oh_buffer_t *b;
    must(oh_pool_take(pool, sizeof bytes, &b, drop) == OH_OK);
    oh_buffer_open(b, 1, 0, 1, 0);
    return b;
}

static void pool_setup(void) {
    oh_pool_options_t options = OH_POOL_OPTIONS;
    options.largest = 1 << 20;
    must(oh_pool_new(&options, &pool) == OH_OK);
    held = lease();
}

static void pool_lease_release(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        oh_buffer_t *b = lease();
        bool finisher = false;
        uint64_t generation = oh_buffer_word_generation(oh_buffer_word(b));
        must(oh_buffer_release(b, generation, &finisher) == OH_OK && finisher);
        oh_pool_put(pool, b, drop);
    }
}

static void buffer_write(uint64_t n) {
    uint64_t generation = oh_buffer_word_generation(oh_buffer_word(held));
    for (uint64_t i = 0; i < n; i++) {
        oh_buffer_mode_t mode;
        must(oh_buffer_enter_put(held, generation, 0, 64, &mode) == OH_OK);
        oh_buffer_put(held, 0, bytes, 64);
        must(!oh_buffer_leave(held, mode));
    }
}

static void crc32c(uint64_t n) {
    uint32_t crc = 0;
    for (uint64_t i = 0; i < n; i++)
        crc = oh_crc32c(crc, bytes, sizeof bytes);
    must(crc != 1);
}

static void bytes_find(uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        must(oh_bytes_find(bytes, sizeof bytes, "\r\n", 2) > sizeof bytes);
}

static void bytes_bxor(uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        oh_bytes_bxor(more, bytes, sizeof bytes);
}

/* --- The store: immediate keys; values are immediate, or in cells of a few words --- */

static oh_table_t *table;
static oh_tree_t *tree;
static fake_draft_t draft;

static void table_put(uint64_t key, uint64_t value, fake_shape_t shape) {
    oh_write_t w;
    oh_item_t item = fake_item(table, &fake_ops, NULL, &draft, fake_number(key), value, shape);
    oh_epoch_pin();
    must(oh_table_begin(table, &w, &item.key, true) == OH_OK);
    must(oh_table_put(table, &w, &item) == OH_OK);
    oh_table_end(table, &w);
    oh_epoch_unpin();
}

static void table_setup(void) {
    table = oh_table_new(&fake_ops, 0, 12345);
    must(table != NULL);
    for (uint64_t i = 0; i < ENTRIES; i++)
        table_put(i, i, FAKE_CELL);
}

static void table_get(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        oh_entry_t entry;
        oh_key_t key = fake_key(table, &fake_ops, fake_number(spread(i)));
        oh_epoch_pin();
        must(oh_table_get(table, &key, &entry) == OH_OK);
        oh_epoch_unpin();
    }
}

static void table_put_cell(uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        table_put(spread(i), i, FAKE_CELL);
}

static void table_put_immediate(uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        table_put(spread(i), i, FAKE_IMMEDIATE);
}

static void table_put_remove(uint64_t n) {
    uint64_t number;
    for (uint64_t i = 0; i < n; i++) {
        table_put(ENTRIES + spread(i), i, FAKE_CELL);
        must(fake_remove(table, &fake_ops, fake_number(ENTRIES + spread(i)), &number));
    }
}

static void tree_put(uint64_t key, uint64_t value) {
    oh_write_t w;
    oh_item_t item = fake_tree_item(NULL, &draft, fake_number(key), value, FAKE_CELL);
    oh_epoch_pin();
    must(oh_tree_begin(tree, &w, &item.key, true) == OH_OK);
    must(oh_tree_put(tree, &w, &item) == OH_OK);
    oh_tree_end(tree, &w);
    oh_epoch_unpin();
}

static void tree_setup(void) {
    fake_tie = 1;
    fake_words = 1;
    tree = oh_tree_new(&fake_ops, 0);
    must(tree != NULL);
    for (uint64_t i = 0; i < ENTRIES; i++)
        tree_put(i * 7919 % ENTRIES, i);
}

static void tree_get(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        oh_entry_t entry;
        oh_key_t key = fake_tree_key(fake_number(spread(i)));
        oh_epoch_pin();
        must(oh_tree_get(tree, &key, &entry) == OH_OK);
        oh_epoch_unpin();
    }
}

static void tree_next(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        oh_entry_t entry;
        uint32_t count;
        oh_key_t key = fake_tree_key(fake_number(spread(i)));
        oh_epoch_pin();
        must(oh_tree_walk(tree, &key, false, OH_WALK_UP, &entry, 1, &count) == OH_OK);
        oh_epoch_unpin();
    }
}

static void tree_put_cell(uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        tree_put(spread(i), i);
}

static void tree_put_remove(uint64_t n) {
    uint64_t number;
    for (uint64_t i = 0; i < n; i++) {
        tree_put(ENTRIES + spread(i), i);
        must(fake_tree_remove(tree, fake_number(ENTRIES + spread(i)), &number));
    }
}

/* --- */

typedef struct {
    const char *name;
    void (*setup)(void); /* NULL: as the one before */
    void (*run)(uint64_t n);
    uint64_t n;
} path_t;

static const path_t paths[] = {
    {"atomics: add", atomics_setup, atomics_add, 10000},
    {"atomics: max", NULL, atomics_max, 10000},
    {"atomics: sum of 1000", NULL, atomics_sum, 100},
    {"counters: add", counters_setup, counters_add, 10000},
    {"histogram: record", histogram_setup, histogram_record, 10000},
    {"rate_limiter: take", rate_limiter_setup, rate_limiter_take, 10000},
    {"concurrency_limiter: acquire, release", concurrency_limiter_setup, permit_acquire_release,
     10000},
    {"bitset: claim, clear", bitset_setup, bitset_claim_clear, 10000},
    {"bloom_filter: add what is there", bloom_filter_setup, bloom_filter_add, 10000},
    {"hyperloglog: add, no change", hyperloglog_setup, hyperloglog_add, 10000},
    {"id_generator: take", id_generator_setup, id_generator_take, 10000},
    {"pool: lease, release", pool_setup, pool_lease_release, 10000},
    {"buffer: write of 64 bytes", NULL, buffer_write, 10000},
    {"crc32c: 4 KiB", NULL, crc32c, 100},
    {"bytes: find in 4 KiB", NULL, bytes_find, 100},
    {"bytes: bxor of 4 KiB", NULL, bytes_bxor, 100},
    {"table: get", table_setup, table_get, 20000},
    {"table: put, replace a cell", NULL, table_put_cell, 20000},
    {"table: put, remove", NULL, table_put_remove, 20000},
    {"table: put, replace a word", NULL, table_put_immediate, 20000},
    {"tree: get", tree_setup, tree_get, 20000},
    {"tree: next", NULL, tree_next, 20000},
    {"tree: put, replace a cell", NULL, tree_put_cell, 20000},
    {"tree: put, remove", NULL, tree_put_remove, 20000},
};

int main(void) {
    must(oh_epoch_attach(NULL) == OH_OK);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const path_t *path = &paths[i];
        if (path->setup != NULL)
            path->setup();
        path->run(path->n);
        CALLGRIND_TOGGLE_COLLECT;
        path->run(path->n);
        CALLGRIND_TOGGLE_COLLECT;
        CALLGRIND_DUMP_STATS;
        printf("%llu %s\n", (unsigned long long)path->n, path->name);
    }
    return EXIT_SUCCESS;
}
