/* Traversal key by key: every entry once, whatever changes meanwhile; slots. */
#include "fake_terms.h"
#include "oh_reaper.h"
#include "suite.h"

#include <string.h>

static void setup(void) {
    suite_use_allocator();
    ck_assert_int_eq(oh_epoch_attach(NULL), OH_OK);
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
    ck_assert(oh_epoch_pin()); /* has its record before memory runs out */
    oh_epoch_unpin();
}

static void teardown(void) {
    oh_epoch_drain();
    oh_reaper_stop();
    ck_assert_int_eq(fake_alive, 0);
    oh_epoch_destroy();
}

#define KEYS 20000

static uint8_t seen[4 * KEYS];

/* Every other key is a term, made in *term. */
static oh_word_t key_word(fake_term_t *term, uint64_t key) {
    if (key % 2 == 0)
        return fake_number(key);
    *term = (fake_term_t){.magic = FAKE_ALIVE, .number = key, .check = ~key};
    return (oh_word_t)(uintptr_t)term;
}

static void put(oh_table_t *t, const oh_term_ops_t *ops, uint64_t key) {
    fake_term_t term;
    ck_assert_int_eq(fake_put(t, ops, key_word(&term, key), key, key % FAKE_SHAPES), OH_OK);
}

static void delete (oh_table_t *t, const oh_term_ops_t *ops, uint64_t key) {
    fake_term_t term;
    uint64_t number;
    ck_assert(fake_remove(t, ops, key_word(&term, key), &number));
}

/* The key after *key, or the first; false at the end. */
static bool next(oh_table_t *t, const oh_term_ops_t *ops, uint64_t *key, bool first) {
    fake_term_t term;
    oh_key_t after;
    oh_entry_t entry;
    oh_epoch_pin();
    after = fake_key(t, ops, key_word(&term, *key));
    oh_status_t status = oh_table_next(t, first ? NULL : &after, true, &entry);
    if (status == OH_OK) {
        *key = fake_entry_key(&entry);
        ck_assert_uint_eq(fake_entry_value(&entry), *key);
    }
    oh_epoch_unpin();
    ck_assert(status == OH_OK || status == OH_NOT_FOUND);
    return status == OH_OK;
}

static void walk_meets_all(const oh_term_ops_t *ops, uint64_t keys) {
    oh_table_t *t = oh_table_new(ops, 0, 3);
    uint64_t key = 0, count = 0;
    ck_assert(!next(t, ops, &key, true));
    ck_assert(!next(t, ops, &key, false));
    for (uint64_t i = 0; i < keys; i++)
        put(t, ops, i);
    memset(seen, 0, sizeof seen);
    for (bool more = next(t, ops, &key, true); more; more = next(t, ops, &key, false), count++)
        ck_assert_uint_eq(seen[key]++, 0);
    ck_assert_uint_eq(count, keys);
    fake_close(t);
}

START_TEST(a_walk_meets_each_key_once) {
    walk_meets_all(&fake_ops, 1);
    walk_meets_all(&fake_ops, 7);
    walk_meets_all(&fake_ops, KEYS);
}
END_TEST

/* Hundreds of keys of one hash: their order is that of the keys themselves. */
START_TEST(keys_of_one_hash_are_met_once) {
    walk_meets_all(&fake_bad_ops, 400);
}
END_TEST

/* The key that was met is deleted each time, with others, and new ones come. */
static void walk_under_changes(const oh_term_ops_t *ops, uint64_t keys, bool grow) {
    oh_table_t *t = oh_table_new(ops, 0, 5);
    uint64_t key = 0, more = keys;
    for (uint64_t i = 0; i < keys; i++)
        put(t, ops, i);
    memset(seen, 0, sizeof seen);
    for (bool found = next(t, ops, &key, true); found; found = next(t, ops, &key, false)) {
        ck_assert_uint_eq(seen[key]++, 0);
        if (key < keys)
            delete (t, ops, key);
        for (int i = 0; grow && i < 2 && more < 3 * keys; i++)
            put(t, ops, more++);
    }
    for (uint64_t i = 0; i < keys; i++)
        ck_assert_uint_eq(seen[i], 1);
    ck_assert(oh_table_valid(t));
    fake_close(t);
}

START_TEST(a_walk_goes_on_from_deleted_keys) {
    walk_under_changes(&fake_ops, KEYS, false);
    walk_under_changes(&fake_bad_ops, 300, false);
}
END_TEST

START_TEST(a_walk_stays_whole_while_the_table_grows) {
    walk_under_changes(&fake_ops, KEYS, true);
    walk_under_changes(&fake_bad_ops, 300, true);
}
END_TEST

/* Segments that were emptied stay: who is not patient is told. */
START_TEST(many_empty_segments_are_passed_in_steps) {
    oh_table_t *t = oh_table_new(&fake_ops, 0, 5);
    const oh_entry_t none = {0};
    oh_entry_t entry = none;
    for (uint64_t i = 0; i < KEYS; i++)
        put(t, &fake_ops, i);
    for (uint64_t i = 0; i < KEYS; i++)
        delete (t, &fake_ops, i);
    oh_epoch_pin();
    ck_assert_int_eq(oh_table_next(t, NULL, false, &entry), OH_NOT_FOUND);
    ck_assert(oh_table_close(t));
    ck_assert_int_eq(oh_table_next(t, NULL, true, &entry), OH_CLOSED);
    uint32_t count;
    ck_assert_int_eq(oh_table_slot(t, 0, &entry, 1, &count), OH_CLOSED);
    oh_epoch_unpin();
    oh_table_free(t);
    oh_epoch_drain();
}
END_TEST

static void slots_hold_all(uint64_t keys) {
    oh_table_t *t = oh_table_new(&fake_ops, 0, 5);
    oh_entry_t entries[64], one;
    uint32_t count;
    uint64_t index = 0;
    oh_status_t status;
    for (uint64_t i = 0; i < keys; i++)
        put(t, &fake_ops, i);
    memset(seen, 0, sizeof seen);
    oh_epoch_pin();
    while ((status = oh_table_slot(t, index++, entries, 64, &count)) == OH_OK) {
        for (uint32_t i = 0; i < count; i++)
            ck_assert_uint_eq(seen[fake_entry_key(&entries[i])]++, 0);
        if (count > 1)
            ck_assert_int_eq(oh_table_slot(t, index - 1, &one, 1, &count), OH_LIMIT);
    }
    ck_assert_int_eq(status, OH_NOT_FOUND);
    ck_assert_int_eq(oh_table_slot(t, index, entries, 64, &count), OH_BADARG);
    ck_assert_int_eq(oh_table_slot(t, UINT64_MAX, entries, 64, &count), OH_BADARG);
    oh_epoch_unpin();
    for (uint64_t i = 0; i < keys; i++)
        ck_assert_uint_eq(seen[i], 1);
    fake_close(t);
}

START_TEST(the_slots_hold_each_entry_once) {
    slots_hold_all(0);
    slots_hold_all(10);
    slots_hold_all(KEYS);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("table_walk");
    TCase *tests = tcase_create("walk");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_walk_meets_each_key_once);
    tcase_add_test(tests, keys_of_one_hash_are_met_once);
    tcase_add_test(tests, a_walk_goes_on_from_deleted_keys);
    tcase_add_test(tests, a_walk_stays_whole_while_the_table_grows);
    tcase_add_test(tests, many_empty_segments_are_passed_in_steps);
    tcase_add_test(tests, the_slots_hold_each_entry_once);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
