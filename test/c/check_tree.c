/* The tree: one thread against a model, every form, ties, memory running out, walking, counting. */
#include "fake_tree.h"
#include "oh_reaper.h"
#include "suite.h"

static void setup(void) {
    suite_use_allocator();
    fake_tie = 3;
    fake_words = 8;
    ck_assert_int_eq(oh_epoch_attach(NULL), OH_OK);
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
    ck_assert(oh_epoch_pin()); /* has its record before memory runs out */
    oh_epoch_unpin();
}

/* Ends everything and checks that no term is left. */
static void teardown(void) {
    oh_epoch_drain();
    oh_reaper_stop();
    ck_assert_int_eq(fake_alive, 0);
    oh_epoch_destroy();
}

static uint64_t random_state = 42;

static uint32_t random_below(uint32_t n) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % n;
}

/* A key: an immediate, or for odd numbers, and now and then for even ones too, a term that must be
 * made. */
static oh_word_t key_word(fake_arena_t *scratch, uint64_t number) {
    return number % 2 == 0 && random_below(8) > 0
               ? fake_number(number)
               : (oh_word_t)(uintptr_t)fake_new(scratch, number, OH_WORD_NONE);
}

#define MODEL_KEYS 6000
static uint64_t model[MODEL_KEYS]; /* 0: absent */

static void expect_valid(oh_tree_t *t) {
    oh_epoch_pin();
    ck_assert(oh_tree_valid(t));
    oh_epoch_unpin();
    ck_assert(oh_epoch_valid());
}

/* Walks in chunks of room and compares with the model. */
static void expect_walk(oh_tree_t *t, uint32_t keys, uint32_t room, oh_direction_t direction) {
    oh_entry_t entries[2000];
    fake_arena_t *scratch = calloc(1, sizeof *scratch);
    oh_key_t from;
    bool up = direction == OH_WALK_UP;
    uint32_t count, at = up ? 0 : keys;
    for (bool begun = false;; begun = true) {
        oh_epoch_pin();
        ck_assert_int_eq(
            oh_tree_walk(t, begun ? &from : NULL, false, direction, entries, room, &count), OH_OK);
        ck_assert_uint_le(count, room);
        uint64_t last = 0;
        for (uint32_t i = 0; i < count; i++) {
            last = fake_entry_key(&entries[i]);
            while (up && at < last)
                ck_assert_uint_eq(model[at++], 0);
            while (!up && at > last + 1)
                ck_assert_uint_eq(model[--at], 0);
            ck_assert_uint_eq(model[last], fake_entry_value(&entries[i]));
            at = (uint32_t)(up ? last + 1 : last);
        }
        oh_epoch_unpin();
        if (count == 0)
            break;
        from = fake_tree_key(key_word(scratch, last));
    }
    while (up && at < keys)
        ck_assert_uint_eq(model[at++], 0);
    while (!up && at > 0)
        ck_assert_uint_eq(model[--at], 0);
    fake_arena_free(scratch);
}

/* Every neighbour, rank and number, of keys that are there or not. */
static void expect_order(oh_tree_t *t, uint32_t keys) {
    uint64_t smaller = 0, n;
    uint32_t last = UINT32_MAX, count;
    oh_entry_t entry;
    fake_arena_t *scratch = calloc(1, sizeof *scratch);
    oh_epoch_pin();
    for (uint32_t k = 0; k < keys; k++) {
        oh_key_t key = fake_tree_key(key_word(scratch, k));
        ck_assert_int_eq(oh_tree_rank(t, &key, UINT64_MAX, &n), OH_OK);
        ck_assert_uint_eq(n, smaller);
        ck_assert_int_eq(oh_tree_walk(t, &key, false, OH_WALK_DOWN, &entry, 1, &count), OH_OK);
        ck_assert_uint_eq(count, last != UINT32_MAX);
        if (count > 0)
            ck_assert_uint_eq(fake_entry_key(&entry), last);
        ck_assert_int_eq(oh_tree_walk(t, &key, true, OH_WALK_UP, &entry, 1, &count), OH_OK);
        if (model[k] != 0) {
            ck_assert_uint_eq(fake_entry_key(&entry), k);
            ck_assert_int_eq(oh_tree_walk(t, &key, true, OH_WALK_DOWN, &entry, 1, &count), OH_OK);
            ck_assert_uint_eq(fake_entry_key(&entry), k);
            ck_assert_int_eq(oh_tree_nth(t, smaller, UINT64_MAX, &entry), OH_OK);
            ck_assert_uint_eq(fake_entry_key(&entry), k);
            ck_assert_uint_eq(fake_entry_value(&entry), model[k]);
            smaller++;
            last = k;
        }
    }
    ck_assert_int_eq(oh_tree_nth(t, smaller, UINT64_MAX, &entry), OH_NOT_FOUND);
    ck_assert_int_eq(oh_tree_size(t, UINT64_MAX, &n), OH_OK);
    ck_assert_uint_eq(n, smaller);
    oh_epoch_unpin();
    fake_arena_free(scratch);
}

static oh_table_stats_t stats_of(oh_tree_t *t) {
    oh_table_stats_t stats = {0};
    oh_epoch_pin();
    ck_assert_int_eq(oh_tree_stats(t, UINT64_MAX, &stats), OH_OK);
    oh_epoch_unpin();
    return stats;
}

/* Runs steps random operations against the model; of four writes, `puts` insert. */
static void run_model(oh_tree_t *t, uint32_t keys, uint32_t steps, uint32_t puts) {
    fake_arena_t *scratch = calloc(1, sizeof *scratch);
    for (uint32_t step = 1; step <= steps; step++) {
        uint32_t k = random_below(keys);
        uint64_t number = 0;
        oh_word_t word = key_word(scratch, k);
        if (random_below(4) == 0) {
            ck_assert_int_eq(fake_tree_get(t, word, &number), model[k] ? OH_OK : OH_NOT_FOUND);
            ck_assert_uint_eq(number, model[k]);
        } else if (random_below(4) < puts) {
            ck_assert_int_eq(fake_tree_put(t, word, step, random_below(FAKE_SHAPES)), OH_OK);
            model[k] = step;
        } else {
            ck_assert_int_eq(fake_tree_remove(t, word, &number), model[k] != 0);
            ck_assert_uint_eq(number, model[k]);
            model[k] = 0;
        }
        if (step % 5000 == 0) {
            expect_valid(t);
            fake_arena_free(scratch);
            scratch = calloc(1, sizeof *scratch);
        }
    }
    uint64_t size = 0;
    for (uint32_t i = 0; i < keys; i++)
        size += model[i] != 0;
    ck_assert_uint_eq(stats_of(t).size, size);
    expect_valid(t);
    fake_arena_free(scratch);
}

static oh_tree_t *new_tree(void) {
    memset(model, 0, sizeof model);
    return oh_tree_new(&fake_ops, 0);
}

START_TEST(agrees_with_a_model) {
    static const uint64_t ties[] = {1, 3, 100, 1000000, 1, 1, 40};
    static const uint64_t words[] = {1, 1, 1, 1, 8, 1000000, 50};
    for (uint32_t i = 0; i < 7; i++) {
        fake_tie = ties[i];
        fake_words = words[i];
        oh_tree_t *t = new_tree();
        run_model(t, 20, 5000, 2);
        run_model(t, MODEL_KEYS, 40000, 3);
        expect_order(t, MODEL_KEYS);
        expect_walk(t, MODEL_KEYS, 1, OH_WALK_UP);
        expect_walk(t, MODEL_KEYS, 100, OH_WALK_DOWN);
        expect_walk(t, MODEL_KEYS, 2000, OH_WALK_UP);
        run_model(t, MODEL_KEYS, 60000, 1);
        expect_order(t, MODEL_KEYS);
        expect_walk(t, MODEL_KEYS, 7, OH_WALK_DOWN);
        fake_tree_close(t);
    }
}
END_TEST

/* In this order the i-th of n keys comes. */
static uint64_t nth_key(int order, uint64_t i, uint64_t n) {
    return order == 0 ? i : order == 1 ? n - 1 - i : i * 7919 % n;
}

START_TEST(grows_and_shrinks) {
    enum { KEYS = 100000 };
    for (int order = 0; order < 3; order++) {
        oh_tree_t *t = new_tree();
        uint64_t number, rank;
        for (uint64_t i = 0; i < KEYS; i++)
            ck_assert_int_eq(
                fake_tree_put(t, fake_number(nth_key(order, i, KEYS)), i + 1, i % FAKE_SHAPES),
                OH_OK);
        expect_valid(t);
        oh_table_stats_t full = stats_of(t);
        ck_assert_uint_eq(full.size, KEYS);
        ck_assert_uint_gt(full.segments, 90);
        ck_assert_uint_eq(full.boxes, KEYS / FAKE_SHAPES);
        oh_key_t end = fake_tree_key(fake_number(KEYS));
        oh_epoch_pin();
        ck_assert_int_eq(oh_tree_rank(t, &end, 3, &rank), OH_BUSY);
        ck_assert_int_eq(oh_tree_rank(t, &end, UINT64_MAX, &rank), OH_OK);
        ck_assert_uint_eq(rank, KEYS);
        /* Now remembered, but below the last inner node. */
        ck_assert_int_eq(oh_tree_rank(t, &end, OH_INNER_CHILDREN, &rank), OH_OK);
        ck_assert_uint_eq(rank, KEYS);
        oh_epoch_unpin();
        for (uint64_t i = 0; i < KEYS; i++)
            ck_assert(fake_tree_remove(t, fake_number(nth_key(2 - order, i, KEYS)), &number));
        expect_valid(t);
        oh_table_stats_t empty = stats_of(t);
        ck_assert_uint_eq(empty.size, 0);
        ck_assert_uint_lt(empty.segments, 4);
        ck_assert_uint_lt(empty.bytes * 100, full.bytes);
        fake_tree_close(t);
    }
}
END_TEST

/* Ascending keys fill leaves and pages: less memory than keys in no order take. */
START_TEST(ascending_keys_fill_their_leaves) {
    uint64_t bytes[3];
    fake_words = 1;
    for (int order = 0; order < 3; order += 2) {
        oh_tree_t *t = new_tree();
        for (uint64_t i = 0; i < 50000; i++)
            fake_tree_put(t, fake_number(nth_key(order, i, 50000)), i, FAKE_IMMEDIATE);
        bytes[order] = stats_of(t).bytes;
        fake_tree_close(t);
    }
    ck_assert_uint_lt(bytes[0], 50000 * 30);
    ck_assert_uint_lt(bytes[2], 50000 * 50);
}
END_TEST

START_TEST(overwriting_does_not_pile_up_garbage) {
    for (fake_shape_t shape = 0; shape < FAKE_SHAPES; shape++) {
        oh_tree_t *t = new_tree();
        fake_arena_t *scratch = calloc(1, sizeof *scratch);
        oh_word_t key[2];
        for (int i = 0; i < 2; i++)
            key[i] = (oh_word_t)(uintptr_t)fake_new(scratch, (uint64_t)i, OH_WORD_NONE);
        for (uint64_t i = 0; i < 20000; i++) {
            fake_tree_put(t, fake_number(2 + i % 10), i, shape);
            fake_tree_put(t, key[i % 2], i, shape);
        }
        oh_epoch_collect(SIZE_MAX);
        ck_assert_int_lt(fake_alive, 5000);
        ck_assert_uint_lt(stats_of(t).bytes, 150000);
        fake_arena_free(scratch);
        fake_tree_close(t);
    }
}
END_TEST

/* Ten keys at a time, further and further up, as in a queue. */
START_TEST(keys_that_come_and_go_do_not_pile_up) {
    oh_tree_t *t = new_tree();
    uint64_t number;
    for (uint64_t i = 0; i < 50000; i++) {
        fake_tree_put(t, fake_number(i), i, i % FAKE_SHAPES);
        if (i >= 10)
            ck_assert(fake_tree_remove(t, fake_number(i - 10), &number));
    }
    expect_valid(t);
    ck_assert_uint_eq(stats_of(t).size, 10);
    ck_assert_uint_le(stats_of(t).segments, 2);
    oh_epoch_collect(SIZE_MAX);
    ck_assert_int_lt(fake_alive, 5000);
    fake_tree_close(t);
}
END_TEST

/* What is equal but looks different takes the other's place, key included. */
START_TEST(an_entry_takes_the_key_it_was_written_with) {
    oh_tree_t *t = new_tree();
    fake_arena_t *scratch = calloc(1, sizeof *scratch);
    oh_word_t term = (oh_word_t)(uintptr_t)fake_new(scratch, 4, OH_WORD_NONE);
    oh_key_t key = fake_tree_key(term);
    oh_entry_t entry;
    for (fake_shape_t shape = 0; shape < FAKE_SHAPES; shape++) {
        fake_tree_put(t, fake_number(4), 1, shape);
        oh_epoch_pin();
        ck_assert_int_eq(oh_tree_get(t, &key, &entry), OH_OK);
        ck_assert_uint_eq(entry.key, fake_number(4));
        oh_epoch_unpin();
        fake_tree_put(t, term, 2, shape);
        oh_epoch_pin();
        ck_assert_int_eq(oh_tree_get(t, &key, &entry), OH_OK);
        ck_assert_uint_ne(entry.key, fake_number(4));
        ck_assert_uint_eq(fake_value(entry.key), 4);
        oh_epoch_unpin();
        ck_assert_uint_eq(stats_of(t).size, 1);
        expect_valid(t);
    }
    fake_arena_free(scratch);
    fake_tree_close(t);
}
END_TEST

START_TEST(write_many_writes_all_or_nothing) {
    enum { ITEMS = 6000 };
    static oh_item_t items[ITEMS];
    static fake_draft_t drafts[ITEMS];
    static const uint64_t ties[] = {1, 3, 1000000};
    for (uint32_t tie = 0; tie < 3; tie++) {
        fake_tie = ties[tie];
        fake_words = 1 + 7 * (tie % 2);
        oh_tree_t *t = new_tree();
        fake_arena_t *scratch = calloc(1, sizeof *scratch);
        for (uint64_t round = 0; round < 12; round++) {
            uint32_t count = round % 3 == 0 ? ITEMS : 1 + random_below(300);
            /* All over, or close together. */
            uint32_t base = round % 2 == 0 ? 0 : random_below(MODEL_KEYS - 300);
            uint32_t range = round % 2 == 0 ? MODEL_KEYS : 300;
            for (uint32_t i = 0; i < count; i++) {
                uint32_t k = base + random_below(range);
                model[k] = round * ITEMS + i + 1;
                items[i] = fake_tree_item(scratch, &drafts[i], key_word(scratch, k), model[k],
                                          random_below(FAKE_SHAPES));
            }
            oh_epoch_pin();
            ck_assert_int_eq(oh_tree_write_many(t, items, count, false), OH_OK);
            oh_epoch_unpin();
            expect_valid(t);
            expect_walk(t, MODEL_KEYS, 1000, OH_WALK_UP);
            run_model(t, MODEL_KEYS, 2000, 1);
        }
        for (uint64_t i = 0; i < 3; i++)
            items[i] = fake_tree_item(scratch, &drafts[i], fake_number(1000000 + i), 1, FAKE_BOX);
        oh_epoch_pin();
        ck_assert_int_eq(oh_tree_write_many(t, items, 2, true), OH_OK);
        items[0] = fake_tree_item(scratch, &drafts[0], fake_number(1000000), 1, FAKE_BOX);
        items[1] = fake_tree_item(scratch, &drafts[1], fake_number(1000004), 1, FAKE_TERM);
        ck_assert_int_eq(oh_tree_write_many(t, items, 3, true), OH_EXISTS);
        oh_box_free(items[0].box);
        oh_box_free(items[2].box);
        oh_epoch_unpin();
        fake_arena_free(scratch);
        fake_tree_close(t);
    }
}
END_TEST

START_TEST(clear_takes_all_at_once) {
    oh_tree_t *t = new_tree();
    uint64_t number;
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < 5000; i++)
            fake_tree_put(t, fake_number(i), i + 1, i % FAKE_SHAPES);
        oh_write_t w;
        oh_key_t key = fake_tree_key(fake_number(7));
        oh_epoch_pin();
        /* A writer that is under way writes before. */
        ck_assert_int_eq(oh_tree_begin(t, &w, &key, false), OH_OK);
        ck_assert_int_eq(oh_tree_clear(t), OH_OK);
        for (int i = 0; i < 300; i++) {
            oh_tree_remove(t, &w);
            oh_tree_end(t, &w);
            if (i < 299)
                ck_assert_int_eq(oh_tree_begin(t, &w, &key, false), OH_OK);
            if (!w.found)
                break;
        }
        oh_tree_end(t, &w);
        oh_epoch_unpin();
        ck_assert_uint_eq(stats_of(t).size, 0);
        ck_assert_int_eq(fake_tree_get(t, fake_number(7), &number), OH_NOT_FOUND);
        expect_valid(t);
    }
    oh_epoch_drain();
    fake_tree_close(t);
}
END_TEST

/* Whatever allocation fails, the tree stays whole and keeps what it had. */
START_TEST(survives_memory_running_out) {
    for (long budget = 0; budget < 120; budget++) {
        oh_tree_t *t = new_tree();
        uint64_t number, stored = 0, found = 0;
        fake_tie = 1 + (uint64_t)budget % 5 * 100;
        fake_words = budget % 3 == 0 ? 1 : 3000;
        for (uint64_t i = 0; i < 4000; i += 2)
            if (budget % 2 == 0)
                stored += fake_tree_put(t, fake_number(i), i, i % FAKE_SHAPES) == OH_OK;
        suite_allocations_left = budget;
        fake_arena_budget = budget * 7;
        for (uint64_t i = 1; i < 4000; i += 2) {
            oh_status_t status = fake_tree_put(t, fake_number(i), i, i % FAKE_SHAPES);
            ck_assert(status == OH_OK || status == OH_ENOMEM);
            stored += status == OH_OK;
        }
        expect_valid(t);
        suite_allocations_left = budget / 4;
        for (uint64_t i = 0; i < 4000; i += 3)
            stored -= fake_tree_remove(t, fake_number(i), &number);
        suite_allocations_left = SUITE_NO_LIMIT;
        fake_arena_budget = 1L << 40;
        expect_valid(t);
        for (uint64_t i = 0; i < 4000; i++)
            found += fake_tree_get(t, fake_number(i), &number) == OH_OK;
        ck_assert_uint_eq(found, stored);
        fake_tree_close(t);
    }
}
END_TEST

START_TEST(write_many_survives_memory_running_out) {
    enum { ITEMS = 1500 };
    static oh_item_t items[ITEMS];
    static fake_draft_t drafts[ITEMS];
    for (long budget = 0; budget < 80; budget++) {
        oh_tree_t *t = new_tree();
        fake_arena_t *scratch = calloc(1, sizeof *scratch);
        uint64_t number;
        for (uint64_t i = 0; i < 1500; i++)
            fake_tree_put(t, fake_number(2 * i), 1, i % FAKE_SHAPES);
        for (uint64_t i = 0; i < ITEMS; i++)
            items[i] = fake_tree_item(scratch, &drafts[i], fake_number(3 * i), 2, i % FAKE_SHAPES);
        suite_allocations_left = budget;
        oh_epoch_pin();
        oh_status_t status = oh_tree_write_many(t, items, ITEMS, false);
        suite_allocations_left = SUITE_NO_LIMIT;
        oh_epoch_unpin();
        ck_assert(status == OH_OK || status == OH_ENOMEM);
        expect_valid(t);
        for (uint64_t i = 0; i < ITEMS; i++) {
            bool even = 3 * i % 2 == 0 && 3 * i < 3000;
            oh_status_t got = fake_tree_get(t, fake_number(3 * i), &number);
            ck_assert_int_eq(got, status == OH_OK || even ? OH_OK : OH_NOT_FOUND);
            if (got == OH_OK)
                ck_assert_uint_eq(number, status == OH_OK ? 2 : 1);
            if (status != OH_OK && items[i].box != NULL)
                oh_box_free(items[i].box);
        }
        /* What was split in vain serves as before. */
        for (uint64_t i = 0; i < 3000; i++)
            fake_tree_put(t, fake_number(i), 3, i % FAKE_SHAPES);
        for (uint64_t i = 0; i < 3000; i++)
            ck_assert(fake_tree_remove(t, fake_number(i), &number));
        expect_valid(t);
        fake_arena_free(scratch);
        fake_tree_close(t);
    }
}
END_TEST

START_TEST(a_closed_tree_refuses_everything) {
    oh_tree_t *t = new_tree();
    uint64_t number;
    uint32_t count;
    oh_entry_t entry;
    oh_table_stats_t stats = {0};
    oh_key_t key = fake_tree_key(fake_number(1));
    fake_tree_put(t, fake_number(1), 1, FAKE_BOX);
    oh_epoch_pin();
    ck_assert(!oh_tree_closed(t));
    ck_assert(oh_tree_close(t));
    ck_assert(!oh_tree_close(t));
    ck_assert(oh_tree_closed(t));
    ck_assert_int_eq(oh_tree_clear(t), OH_CLOSED);
    ck_assert_int_eq(oh_tree_walk(t, NULL, false, OH_WALK_UP, &entry, 1, &count), OH_CLOSED);
    ck_assert_int_eq(oh_tree_rank(t, &key, 1, &number), OH_CLOSED);
    ck_assert_int_eq(oh_tree_nth(t, 0, 1, &entry), OH_CLOSED);
    ck_assert_int_eq(oh_tree_size(t, 1, &number), OH_CLOSED);
    ck_assert_int_eq(oh_tree_stats(t, 1, &stats), OH_CLOSED);
    ck_assert_int_eq(oh_tree_write_many(t, NULL, 0, false), OH_CLOSED);
    ck_assert(oh_tree_valid(t));
    oh_epoch_unpin();
    ck_assert_int_eq(fake_tree_get(t, fake_number(1), &number), OH_CLOSED);
    ck_assert_int_eq(fake_tree_put(t, fake_number(1), 1, FAKE_BOX), OH_CLOSED);
    oh_tree_free(t);
}
END_TEST

START_TEST(new_fails_cleanly_without_memory) {
    for (long budget = 0; budget < 3; budget++) {
        suite_allocations_left = budget;
        ck_assert_ptr_null(oh_tree_new(&fake_ops, 0));
    }
    suite_allocations_left = SUITE_NO_LIMIT;
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tree");
    TCase *tests = tcase_create("tree");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, agrees_with_a_model);
    tcase_add_test(tests, grows_and_shrinks);
    tcase_add_test(tests, ascending_keys_fill_their_leaves);
    tcase_add_test(tests, overwriting_does_not_pile_up_garbage);
    tcase_add_test(tests, keys_that_come_and_go_do_not_pile_up);
    tcase_add_test(tests, an_entry_takes_the_key_it_was_written_with);
    tcase_add_test(tests, write_many_writes_all_or_nothing);
    tcase_add_test(tests, clear_takes_all_at_once);
    tcase_add_test(tests, survives_memory_running_out);
    tcase_add_test(tests, write_many_survives_memory_running_out);
    tcase_add_test(tests, a_closed_tree_refuses_everything);
    tcase_add_test(tests, new_fails_cleanly_without_memory);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
