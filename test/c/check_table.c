/* The table: one thread against a model, every form, collisions, memory running out, walking. */
#include "fake_terms.h"
#include "oh_reaper.h"
#include "oh_segment.h"
#include "suite.h"

static void setup(void) {
    suite_use_allocator();
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

/* A key: an immediate, or for odd numbers a term that must be made. */
static oh_word_t key_word(fake_arena_t *scratch, uint64_t number) {
    return number % 2 == 0 ? fake_number(number)
                           : (oh_word_t)(uintptr_t)fake_new(scratch, number, OH_WORD_NONE);
}

#define MODEL_KEYS 3000

/* The size, counted at once and in steps of 3 segments. */
static void check_size(oh_table_t *t, uint64_t expected) {
    for (uint32_t step = 3; step != 0; step = step == 3 ? UINT32_MAX : 0) {
        oh_position_t position = 0;
        uint64_t size = 0;
        while (position < OH_POSITION_END) {
            uint32_t segments = step;
            ck_assert_int_eq(oh_table_size(t, &position, &segments, &size), OH_OK);
            ck_assert_uint_ge(segments, 1);
            ck_assert_uint_le(segments, step);
        }
        ck_assert_uint_eq(size, expected);
    }
}

/* Runs steps random operations against an array; 0 in the model is absent. */
static void run_model(const oh_term_ops_t *ops, uint32_t keys, uint32_t steps) {
    static uint64_t model[MODEL_KEYS];
    oh_table_t *t = oh_table_new(ops, 0, 7);
    fake_arena_t *scratch = calloc(1, sizeof *scratch);
    for (uint32_t i = 0; i < keys; i++)
        model[i] = 0;
    for (uint32_t step = 1; step <= steps; step++) {
        uint32_t k = random_below(keys);
        uint64_t number = 0;
        oh_word_t word = key_word(scratch, k);
        switch (random_below(4)) {
        case 0:
        case 1:
            ck_assert_int_eq(fake_put(t, ops, word, step, random_below(FAKE_SHAPES)), OH_OK);
            model[k] = step;
            break;
        case 2:
            ck_assert_int_eq(fake_remove(t, ops, word, &number), model[k] != 0);
            ck_assert_uint_eq(number, model[k]);
            model[k] = 0;
            break;
        default:
            ck_assert_int_eq(fake_get(t, ops, word, &number), model[k] ? OH_OK : OH_NOT_FOUND);
            ck_assert_uint_eq(number, model[k]);
        }
        if (step % 5000 == 0) {
            ck_assert(oh_table_valid(t));
            ck_assert(oh_epoch_valid());
            fake_arena_free(scratch);
            scratch = calloc(1, sizeof *scratch);
        }
    }
    oh_table_stats_t stats = {0};
    oh_position_t position = 0;
    uint64_t size = 0;
    for (uint32_t i = 0; i < keys; i++)
        size += model[i] != 0;
    ck_assert_int_eq(oh_table_stats(t, &position, UINT32_MAX, &stats), OH_OK);
    ck_assert_uint_eq(stats.size, size);
    check_size(t, size);
    fake_arena_free(scratch);
    fake_close(t);
}

START_TEST(agrees_with_a_model) {
    run_model(&fake_ops, 20, 20000);
    run_model(&fake_ops, MODEL_KEYS, 200000);
}
END_TEST

START_TEST(agrees_with_a_model_when_hashes_collide) {
    run_model(&fake_bad_ops, 400, 60000);
}
END_TEST

START_TEST(grows_and_shrinks) {
    oh_table_t *t = oh_table_new(&fake_ops, 0, 1);
    oh_table_stats_t full = {0}, empty = {0};
    oh_position_t position = 0;
    uint64_t number;
    for (uint64_t i = 0; i < 100000; i++)
        ck_assert_int_eq(fake_put(t, &fake_ops, fake_number(i), i + 1, i % FAKE_SHAPES), OH_OK);
    ck_assert(oh_table_valid(t));
    for (uint64_t i = 0; i < 100000; i++) {
        ck_assert_int_eq(fake_get(t, &fake_ops, fake_number(i), &number), OH_OK);
        ck_assert_uint_eq(number, i + 1);
    }
    oh_epoch_pin();
    oh_table_stats(t, &position, UINT32_MAX, &full);
    oh_epoch_unpin();
    ck_assert_uint_eq(full.size, 100000);
    ck_assert_uint_gt(full.segments, 90);
    ck_assert_uint_eq(full.boxes, 100000 / FAKE_SHAPES);
    for (uint64_t i = 0; i < 100000; i++)
        ck_assert(fake_remove(t, &fake_ops, fake_number(i), &number));
    ck_assert(oh_table_valid(t));
    position = 0;
    oh_epoch_pin();
    oh_table_stats(t, &position, UINT32_MAX, &empty);
    oh_epoch_unpin();
    ck_assert_uint_eq(empty.size, 0);
    ck_assert_uint_lt(empty.bytes * 10, full.bytes);
    fake_close(t);
}
END_TEST

START_TEST(overwriting_does_not_pile_up_garbage) {
    oh_table_t *t = oh_table_new(&fake_ops, 0, 1);
    for (uint64_t i = 0; i < 100000; i++)
        fake_put(t, &fake_ops, fake_number(i % 10), i, FAKE_TERM);
    oh_epoch_collect(SIZE_MAX);
    ck_assert_int_lt(fake_alive, 3000);
    fake_close(t);
}
END_TEST

static oh_table_stats_t stats_of(oh_table_t *t) {
    oh_table_stats_t stats = {0};
    oh_position_t position = 0;
    oh_epoch_pin();
    ck_assert_int_eq(oh_table_stats(t, &position, UINT32_MAX, &stats), OH_OK);
    oh_epoch_unpin();
    return stats;
}

/* Ten keys at a time, which stand in the arena while their values are immediate. */
START_TEST(keys_that_come_and_go_do_not_pile_up) {
    oh_table_t *t = oh_table_new(&fake_ops, 0, 1);
    fake_arena_t *scratch = calloc(1, sizeof *scratch);
    uint64_t number;
    for (uint64_t i = 0; i < 50000; i++) {
        oh_word_t key = (oh_word_t)(uintptr_t)fake_new(scratch, i, OH_WORD_NONE);
        fake_put(t, &fake_ops, key, i, FAKE_IMMEDIATE);
        /* Back in its own slot, and out again. */
        ck_assert(fake_remove(t, &fake_ops, key, &number));
        fake_put(t, &fake_ops, key, i, FAKE_IMMEDIATE);
        if (i < 10)
            continue;
        key = (oh_word_t)(uintptr_t)fake_new(scratch, i - 10, OH_WORD_NONE);
        ck_assert(fake_remove(t, &fake_ops, key, &number));
    }
    fake_arena_free(scratch);
    ck_assert(oh_table_valid(t));
    ck_assert_uint_eq(stats_of(t).size, 10);
    ck_assert_uint_le(stats_of(t).segments, 2);
    oh_epoch_collect(SIZE_MAX);
    ck_assert_int_lt(fake_alive, 3000);
    fake_close(t);
}
END_TEST

/* An equal key that looks different takes the old one's place each time. */
START_TEST(keys_that_are_replaced_do_not_pile_up) {
    oh_table_t *t = oh_table_new(&fake_ops, 0, 1);
    for (uint64_t i = 0; i < 50000; i++) {
        fake_arena_t *scratch = calloc(1, sizeof *scratch);
        oh_word_t key = (oh_word_t)(uintptr_t)fake_new(scratch, i % 10, OH_WORD_NONE);
        oh_item_t item = fake_item(t, &fake_ops, scratch, NULL, key, i, FAKE_IMMEDIATE);
        oh_write_t w;
        item.rekey = true;
        oh_epoch_pin();
        ck_assert_int_eq(oh_table_begin(t, &w, &item.key, true), OH_OK);
        ck_assert_int_eq(oh_table_put(t, &w, &item), OH_OK);
        oh_table_end(t, &w);
        oh_epoch_unpin();
        fake_arena_free(scratch);
    }
    ck_assert(oh_table_valid(t));
    ck_assert_uint_eq(stats_of(t).size, 10);
    ck_assert_uint_le(stats_of(t).segments, 2);
    oh_epoch_collect(SIZE_MAX);
    ck_assert_int_lt(fake_alive, 3000);
    fake_close(t);
}
END_TEST

/* Every entry once, also if the table doubles between the steps. */
START_TEST(a_walk_gives_each_entry_once) {
    enum { ENTRIES = 20000 };
    static uint8_t seen[ENTRIES];
    oh_table_t *t = oh_table_new(&fake_ops, 0, 3);
    for (uint64_t i = 0; i < ENTRIES; i++)
        fake_put(t, &fake_ops, fake_number(i), i, i % FAKE_SHAPES);
    uint64_t more = ENTRIES;
    for (oh_position_t position = 0; position < OH_POSITION_END;) {
        oh_epoch_pin();
        uint32_t count, room = oh_table_scan_room(t, position);
        oh_entry_t *entries = malloc(room * sizeof *entries);
        ck_assert_int_eq(oh_table_scan(t, &position, entries, room, &count), OH_OK);
        for (uint32_t i = 0; i < count; i++)
            if (fake_entry_key(&entries[i]) < ENTRIES)
                seen[fake_entry_key(&entries[i])]++;
        oh_epoch_unpin();
        free(entries);
        for (int i = 0; i < 2000; i++, more++)
            fake_put(t, &fake_ops, fake_number(more), more, FAKE_TERM);
    }
    for (int i = 0; i < ENTRIES; i++)
        ck_assert_uint_eq(seen[i], 1);
    fake_close(t);
}
END_TEST

START_TEST(write_many_writes_all_or_nothing) {
    enum { ITEMS = 3000 };
    static oh_item_t items[ITEMS];
    static fake_draft_t drafts[ITEMS];
    oh_table_t *t = oh_table_new(&fake_ops, 0, 5);
    fake_arena_t *scratch = calloc(1, sizeof *scratch);
    uint64_t number;
    oh_epoch_pin();
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < ITEMS; i++)
            items[i] = fake_item(t, &fake_ops, scratch, &drafts[i], key_word(scratch, i / 2),
                                 10 * i + round, (i + round) % FAKE_SHAPES);
        ck_assert_int_eq(oh_table_write_many(t, items, ITEMS, false), OH_OK);
        oh_epoch_unpin();
        ck_assert(oh_table_valid(t));
        /* Of two items with one key the later one counts. */
        for (uint64_t i = 0; i < ITEMS / 2; i++) {
            ck_assert_int_eq(fake_get(t, &fake_ops, key_word(scratch, i), &number), OH_OK);
            ck_assert_uint_eq(number, 10 * (2 * i + 1) + round);
        }
        oh_epoch_pin();
    }
    items[0] = fake_item(t, &fake_ops, scratch, NULL, fake_number(1000000), 1, FAKE_BOX);
    items[1] = fake_item(t, &fake_ops, scratch, NULL, fake_number(2), 1, FAKE_TERM);
    ck_assert_int_eq(oh_table_write_many(t, items, 2, true), OH_EXISTS);
    for (int i = 0; i < 2; i++)
        if (items[i].box != NULL)
            oh_box_free(items[i].box);
    oh_epoch_unpin();
    ck_assert_int_eq(fake_get(t, &fake_ops, fake_number(1000000), &number), OH_NOT_FOUND);
    fake_arena_free(scratch);
    fake_close(t);
}
END_TEST

/* Whatever allocation fails, the table stays whole and keeps what it had. */
START_TEST(survives_memory_running_out) {
    for (long budget = 0; budget < 60; budget++) {
        oh_table_t *t = oh_table_new(&fake_ops, 0, 9);
        uint64_t number, stored = 0;
        suite_allocations_left = budget;
        fake_arena_budget = budget * 7;
        for (uint64_t i = 0; i < 300; i++) {
            oh_status_t status = fake_put(t, &fake_ops, fake_number(i), i, i % FAKE_SHAPES);
            ck_assert(status == OH_OK || status == OH_ENOMEM);
            stored += status == OH_OK;
        }
        suite_allocations_left = SUITE_NO_LIMIT;
        fake_arena_budget = 1L << 40;
        ck_assert(oh_table_valid(t));
        uint64_t found = 0;
        for (uint64_t i = 0; i < 300; i++)
            found += fake_get(t, &fake_ops, fake_number(i), &number) == OH_OK;
        ck_assert_uint_eq(found, stored);
        fake_close(t);
    }
}
END_TEST

START_TEST(a_closed_table_refuses_everything) {
    oh_table_t *t = oh_table_new(&fake_ops, 0, 1);
    uint64_t number;
    fake_put(t, &fake_ops, fake_number(1), 1, FAKE_BOX);
    oh_epoch_pin();
    ck_assert(!oh_table_closed(t));
    ck_assert(oh_table_close(t));
    ck_assert(!oh_table_close(t));
    ck_assert(oh_table_closed(t));
    oh_epoch_unpin();
    ck_assert_int_eq(fake_get(t, &fake_ops, fake_number(1), &number), OH_CLOSED);
    ck_assert_int_eq(fake_put(t, &fake_ops, fake_number(1), 1, FAKE_BOX), OH_CLOSED);
    oh_table_free(t);
}
END_TEST

/* Again and again, also without memory for an empty directory. */
START_TEST(a_cleared_table_is_empty_and_open) {
    oh_table_t *t = oh_table_new(&fake_ops, 0, 1);
    uint64_t number;
    for (uint64_t round = 0; round < 4; round++) {
        for (uint64_t i = 0; i < 5000; i++)
            ck_assert_int_eq(fake_put(t, &fake_ops, fake_number(i), i, i % FAKE_SHAPES), OH_OK);
        ck_assert(oh_epoch_pin());
        for (suite_allocations_left = 0; suite_allocations_left < 2; suite_allocations_left++) {
            long left = suite_allocations_left;
            ck_assert_int_eq(oh_table_clear(t), OH_ENOMEM);
            suite_allocations_left = left;
        }
        suite_allocations_left = SUITE_NO_LIMIT;
        ck_assert_int_eq(oh_table_clear(t), OH_OK);
        oh_epoch_unpin();
        ck_assert_uint_eq(stats_of(t).size, 0);
        ck_assert_uint_eq(stats_of(t).segments, 1);
        ck_assert_int_eq(fake_get(t, &fake_ops, fake_number(1), &number), OH_NOT_FOUND);
        ck_assert(oh_table_valid(t));
    }
    ck_assert(oh_epoch_pin());
    ck_assert(oh_table_close(t));
    ck_assert_int_eq(oh_table_clear(t), OH_CLOSED);
    oh_epoch_unpin();
    oh_table_free(t);
}
END_TEST

START_TEST(new_fails_cleanly_without_memory) {
    for (long budget = 0; budget < 3; budget++) {
        suite_allocations_left = budget;
        ck_assert_ptr_null(oh_table_new(&fake_ops, 0, 1));
    }
    suite_allocations_left = SUITE_NO_LIMIT;
}
END_TEST

int main(void) {
    Suite *suite = suite_create("table");
    TCase *tests = tcase_create("table");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, agrees_with_a_model);
    tcase_add_test(tests, agrees_with_a_model_when_hashes_collide);
    tcase_add_test(tests, grows_and_shrinks);
    tcase_add_test(tests, overwriting_does_not_pile_up_garbage);
    tcase_add_test(tests, keys_that_come_and_go_do_not_pile_up);
    tcase_add_test(tests, keys_that_are_replaced_do_not_pile_up);
    tcase_add_test(tests, a_walk_gives_each_entry_once);
    tcase_add_test(tests, write_many_writes_all_or_nothing);
    tcase_add_test(tests, survives_memory_running_out);
    tcase_add_test(tests, a_closed_table_refuses_everything);
    tcase_add_test(tests, a_cleared_table_is_empty_and_open);
    tcase_add_test(tests, new_fails_cleanly_without_memory);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
