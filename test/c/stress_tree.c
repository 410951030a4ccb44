/*
 * The tree under threads: readers, writers on all keys, writers of many entries at once, walkers in
 * both directions, those who count; growth from one leaf to many and back.
 *
 * Stable keys are never removed: each read and each walk must find them, in order, with numbers
 * that were written for them. Pairs are written by write_many, both halves with the same number: a
 * reader that goes back and forth between them must never see the numbers go backwards. When all is
 * quiet, ranks are exact.
 */
#include "fake_stress.h"
#include "fake_tree.h"

#define STABLE   1500
#define STRIDE   10 /* stable keys are its multiples; others come and go between them */
#define ALL      (STABLE * STRIDE)
#define ROUNDS   5
#define PAIR     (ALL + 1000u)
#define PAIR_GAP 700u
#define READERS  2
#define CHURNERS 2

static oh_tree_t *tree;

static void put(uint64_t key, uint64_t number, fake_shape_t shape) {
    fake_term_t term;
    expect(fake_tree_put(tree, key_word(&term, key), number, shape) == OH_OK);
}

static void read_stable(uint64_t key) {
    fake_term_t term;
    uint64_t number = 0;
    expect(fake_tree_get(tree, key_word(&term, key), &number) == OH_OK);
    expect(is_number_for(key, number));
}

/* Both halves are written as one change: what is read later is never older. */
static void read_pair(void) {
    uint64_t number = 0, last = 0;
    if (fake_tree_get(tree, fake_number(PAIR), &last) != OH_OK)
        return;
    for (uint64_t i = 1; i < 4; i++) {
        expect(fake_tree_get(tree, fake_number(PAIR + i % 2 * PAIR_GAP), &number) == OH_OK);
        expect(number >= last);
        last = number;
    }
}

/* The neighbours of a key that may be there or not are no further than the next stable keys. */
static void read_neighbours(uint64_t number) {
    fake_term_t term;
    oh_key_t key = fake_tree_key(key_word(&term, number));
    oh_entry_t entry;
    uint32_t count;
    oh_epoch_pin();
    expect(oh_tree_walk(tree, &key, false, OH_WALK_UP, &entry, 1, &count) == OH_OK && count == 1);
    uint64_t next = fake_entry_key(&entry);
    expect(next > number && next <= (number / STRIDE + 1) * STRIDE);
    expect(oh_tree_walk(tree, &key, true, OH_WALK_DOWN, &entry, 1, &count) == OH_OK && count == 1);
    uint64_t last = fake_entry_key(&entry);
    expect(last <= number && last >= number / STRIDE * STRIDE);
    oh_epoch_unpin();
}

static void *reader(void *arg) {
    uint64_t key = (uint64_t)(uintptr_t)arg;
    while (!oh_load_acquire(&done)) {
        key = (key * 2654435761u + 1) % (ALL - STRIDE);
        read_stable(key / STRIDE * STRIDE);
        read_neighbours(key);
        read_pair();
    }
    return NULL;
}

/* Fills the gaps between the stable keys, and empties them in another order. */
static void *churner(void *arg) {
    uint64_t id = (uint64_t)(uintptr_t)arg, number = 0;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        for (uint64_t i = 0; i < ALL; i++) {
            uint64_t key = round % 2 == 0 ? i : i * 7919 % ALL;
            if (key % 2 != id)
                continue;
            put(key, number_for(key, round), (key + round) % FAKE_SHAPES);
            if (key % STRIDE == 0)
                put(key, number_for(key, round), (key + round) % FAKE_SHAPES);
        }
        for (uint64_t i = 0; i < ALL; i++) {
            uint64_t key = round % 2 == 0 ? i * 7919 % ALL : i;
            fake_term_t term;
            if (key % 2 != id || key % STRIDE == 0)
                continue;
            expect(fake_tree_remove(tree, key_word(&term, key), &number));
            expect(number == number_for(key, round));
        }
    }
    return NULL;
}

static void *pair_writer(void *arg) {
    (void)arg;
    for (uint64_t round = 1; !oh_load_acquire(&done); round++) {
        fake_arena_t *scratch = calloc(1, sizeof *scratch);
        fake_draft_t drafts[4];
        oh_item_t items[4];
        for (uint64_t i = 0; i < 4; i++)
            items[i] =
                fake_tree_item(scratch, &drafts[i], fake_number(PAIR + i % 2 * PAIR_GAP + i / 2),
                               round, (round + i) % FAKE_SHAPES);
        oh_epoch_pin();
        expect(oh_tree_write_many(tree, items, 4, false) == OH_OK);
        oh_epoch_unpin();
        fake_arena_free(scratch);
    }
    return NULL;
}

/* Every stable key, strictly in order, in chunks of several sizes. */
static void walk(oh_direction_t direction, uint32_t room) {
    oh_entry_t entries[512];
    fake_term_t term;
    oh_key_t from;
    bool begun = false, up = direction == OH_WALK_UP;
    uint64_t last = 0, seen = 0;
    for (uint32_t count = 1; count > 0;) {
        oh_epoch_pin();
        expect(oh_tree_walk(tree, begun ? &from : NULL, false, direction, entries, room, &count) ==
               OH_OK);
        for (uint32_t i = 0; i < count; i++) {
            uint64_t key = fake_entry_key(&entries[i]);
            expect(!begun || (up ? key > last : key < last));
            expect(key >= PAIR || is_number_for(key, fake_entry_value(&entries[i])));
            seen += key < ALL && key % STRIDE == 0;
            last = key;
            begun = true;
        }
        oh_epoch_unpin();
        if (begun)
            from = fake_tree_key(key_word(&term, last));
    }
    expect(seen == STABLE);
}

static void *walker(void *arg) {
    (void)arg;
    for (uint32_t round = 0; !oh_load_acquire(&done); round++) {
        walk(OH_WALK_UP, round % 3 == 0 ? 512 : 100);
        walk(OH_WALK_DOWN, round % 3 == 1 ? 512 : 33);
    }
    return NULL;
}

/* Between the ranks of two keys are at least the stable ones and at most all. */
static void *counter(void *arg) {
    (void)arg;
    while (!oh_load_acquire(&done)) {
        oh_key_t low = fake_tree_key(fake_number(100)), high = fake_tree_key(fake_number(ALL));
        uint64_t below = 0, rank = 0;
        oh_entry_t entry;
        oh_epoch_pin();
        expect(oh_tree_rank(tree, &low, UINT64_MAX, &below) == OH_OK);
        expect(below >= 100 / STRIDE && below <= 100);
        expect(oh_tree_rank(tree, &high, UINT64_MAX, &rank) == OH_OK && rank <= ALL);
        expect(oh_tree_nth(tree, 5, UINT64_MAX, &entry) == OH_OK);
        expect(fake_entry_key(&entry) >= 5 && fake_entry_key(&entry) <= 5 * STRIDE);
        oh_epoch_unpin();
    }
    return NULL;
}

static void expect_exact_ranks(void) {
    for (uint64_t i = 0; i < STABLE; i++) {
        fake_term_t term;
        oh_key_t key = fake_tree_key(key_word(&term, i * STRIDE));
        uint64_t rank = 0;
        expect(oh_tree_rank(tree, &key, UINT64_MAX, &rank) == OH_OK && rank == i);
    }
}

int main(void) {
    if (oh_epoch_attach(NULL) != OH_OK || oh_reaper_start() != OH_OK)
        return 1;
    tree = oh_tree_new(&fake_ops, 0);
    for (uint64_t i = 0; i < STABLE; i++)
        put(i * STRIDE, number_for(i * STRIDE, 0), i % FAKE_SHAPES);
    start(churner, CHURNERS);
    start(reader, READERS);
    start(pair_writer, 1);
    start(walker, 1);
    start(counter, 1);
    finish(CHURNERS);
    oh_epoch_pin();
    bool valid = oh_tree_valid(tree);
    expect_exact_ranks();
    valid = valid && oh_tree_valid(tree);
    oh_epoch_unpin();
    fake_tree_close(tree);
    return report("stress_tree", valid);
}
