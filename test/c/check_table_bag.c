/* Tables with many objects a key: one thread against a model, every form of key and object, lists,
 * memory running out. */
#include "fake_terms.h"
#include "oh_objects.h"
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
    oh_epoch_drain();
    ck_assert_int_eq(fake_alive, 0);
    oh_epoch_destroy();
}

static uint64_t random_state = 42;

static uint32_t random_below(uint32_t n) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % n;
}

/* --- The model --- */

#define KEYS    12
#define OBJECTS 4000

static uint64_t model[KEYS][OBJECTS];
static uint32_t model_count[KEYS];

static bool model_has(uint32_t key, uint64_t number) {
    for (uint32_t i = 0; i < model_count[key]; i++)
        if (model[key][i] == number)
            return true;
    return false;
}

static void model_add(uint32_t key, uint64_t number, bool unique) {
    if (!unique || !model_has(key, number))
        model[key][model_count[key]++] = number;
}

static uint32_t model_delete(uint32_t key, uint64_t number) {
    uint32_t kept = 0, count = model_count[key];
    for (uint32_t i = 0; i < count; i++)
        if (model[key][i] != number)
            model[key][kept++] = model[key][i];
    model_count[key] = kept;
    return count - kept;
}

/* --- The table under test --- */

typedef struct {
    const oh_term_ops_t *ops;
    bool unique;
    oh_table_t *t;
    fake_arena_t *scratch;
} bag_test_t;

static bag_test_t bag_test(const oh_term_ops_t *ops, bool unique) {
    return (bag_test_t){
        ops, unique, oh_table_new_typed(ops, 0, 7, unique ? OH_TABLE_BAG : OH_TABLE_DUPLICATE_BAG),
        calloc(1, sizeof(fake_arena_t))};
}

static void end(bag_test_t *b) {
    fake_arena_free(b->scratch);
    fake_close(b->t);
}

static oh_word_t key_word(bag_test_t *b, uint32_t key) {
    return key % 2 == 0 ? fake_number(key)
                        : (oh_word_t)(uintptr_t)fake_new(b->scratch, key, OH_WORD_NONE);
}

/* The number says what form the object has, as far as its key allows. */
static oh_item_t item_of(bag_test_t *b, fake_draft_t *draft, uint32_t key, uint64_t number) {
    fake_shape_t shape = (fake_shape_t)(number % FAKE_SHAPES);
    bool flat = key % 2 == 0 || b->ops == &fake_ops;
    if (key % 2 != 0 && (shape == FAKE_IMMEDIATE || shape == FAKE_TERM))
        shape = FAKE_OBJECT;
    if (!flat && shape == FAKE_CELL)
        shape = FAKE_OBJECT;
    oh_item_t item = fake_item(b->t, b->ops, b->scratch, draft, key_word(b, key), number, shape);
    if (item.form != OH_FORM_CELL && !item.value_immediate)
        item.value_hash = b->ops->hash(NULL, item.box != NULL ? item.box->value : item.value,
                                       oh_table_salt(b->t));
    return item;
}

static void drop_item(oh_item_t *item, oh_status_t status) {
    if (item->box != NULL && !(status == OH_OK && item->box_kept))
        oh_box_free(item->box);
}

static oh_status_t add(bag_test_t *b, uint32_t key, uint64_t number) {
    fake_draft_t draft;
    oh_write_t w;
    oh_item_t item = item_of(b, &draft, key, number);
    oh_epoch_pin();
    oh_status_t status = oh_table_begin(b->t, &w, &item.key, true);
    if (status == OH_OK) {
        status = oh_table_add(b->t, &w, &item);
        oh_table_end(b->t, &w);
    }
    oh_epoch_unpin();
    drop_item(&item, status);
    return status;
}

static oh_status_t remove_object(bag_test_t *b, uint32_t key, uint64_t number, uint64_t *count) {
    fake_draft_t draft;
    oh_write_t w;
    oh_item_t item = item_of(b, &draft, key, number);
    oh_epoch_pin();
    oh_status_t status = oh_table_begin(b->t, &w, &item.key, false);
    if (status == OH_OK) {
        status = oh_table_remove_object(b->t, &w, &item, count);
        oh_table_end(b->t, &w);
    }
    oh_epoch_unpin();
    drop_item(&item, OH_NOT_FOUND);
    return status;
}

static void check_objects(const oh_entry_t *entry, uint32_t key) {
    oh_objects_t objects;
    oh_entry_t object;
    uint32_t i = 0;
    oh_objects_begin(&objects, entry);
    for (; oh_objects_next(&objects, &object); i++) {
        ck_assert_uint_lt(i, model_count[key]);
        ck_assert_uint_eq(fake_entry_value(&object), model[key][i]);
    }
    ck_assert_uint_eq(i, model_count[key]);
}

static void check_key(bag_test_t *b, uint32_t key) {
    oh_entry_t entry;
    oh_key_t k = fake_key(b->t, b->ops, key_word(b, key));
    oh_epoch_pin();
    oh_status_t status = oh_table_get_objects(b->t, &k, &entry);
    ck_assert_int_eq(status, model_count[key] > 0 ? OH_OK : OH_NOT_FOUND);
    if (status == OH_OK)
        check_objects(&entry, key);
    oh_epoch_unpin();
}

/* A scan of a key's objects that stops anywhere and goes on from there gives each of them once. */
static void check_scan(bag_test_t *b, uint32_t key) {
    static uint32_t seen[OBJECTS];
    static oh_entry_t scratch[OBJECTS];
    static oh_bag_object_t objects[OBJECTS];
    oh_key_t k = fake_key(b->t, b->ops, key_word(b, key));
    oh_position_t position = 0;
    uint32_t total = 0, count;
    memset(seen, 0, sizeof seen);
    oh_epoch_pin();
    while (position < OH_POSITION_END) {
        uint32_t room = random_below(8) == 0 ? random_below(20) : OBJECTS;
        oh_status_t status =
            oh_table_scan_objects(b->t, &k, &position, scratch, objects, room, &count);
        if (status == OH_NOT_FOUND)
            break;
        if (status == OH_LIMIT)
            continue;
        ck_assert_int_eq(status, OH_OK);
        uint32_t stop = random_below(4) == 0 ? random_below(count + 1) : count;
        for (uint32_t i = 0; i < count; i++) {
            ck_assert(i == 0 || objects[i - 1].place <= objects[i].place);
            if (i > 0 && i >= stop && objects[i].place > objects[i - 1].place) {
                position = objects[i].place;
                break;
            }
            seen[fake_entry_value(&objects[i].entry)] += (uint32_t)objects[i].copies;
            total += (uint32_t)objects[i].copies;
        }
    }
    oh_epoch_unpin();
    ck_assert(total == model_count[key] || total == 0);
    ck_assert(total > 0 || model_count[key] <= OH_CHAIN_MAX);
    for (uint32_t i = 0; total > 0 && i < model_count[key]; i++)
        ck_assert_uint_gt(seen[model[key][i]]--, 0);
}

static void check_find(bag_test_t *b, uint32_t key, uint64_t number) {
    fake_draft_t draft;
    oh_item_t item = item_of(b, &draft, key, number);
    oh_epoch_pin();
    ck_assert_int_eq(oh_table_find_object(b->t, &item),
                     model_has(key, number) ? OH_OK : OH_NOT_FOUND);
    oh_epoch_unpin();
    drop_item(&item, OH_NOT_FOUND);
}

static void check_all(bag_test_t *b) {
    oh_table_stats_t stats = {0};
    oh_position_t position = 0;
    uint64_t size = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        check_key(b, key);
        check_scan(b, key);
        check_find(b, key, random_below(30));
        size += model_count[key];
    }
    oh_epoch_pin();
    ck_assert(oh_table_valid(b->t));
    ck_assert_int_eq(oh_table_stats(b->t, &position, UINT32_MAX, &stats), OH_OK);
    ck_assert_uint_eq(stats.size, size);
    oh_epoch_unpin();
    fake_arena_free(b->scratch);
    b->scratch = calloc(1, sizeof(fake_arena_t));
}

static void remove_key(bag_test_t *b, uint32_t key) {
    oh_write_t w;
    oh_key_t k = fake_key(b->t, b->ops, key_word(b, key));
    oh_epoch_pin();
    ck_assert_int_eq(oh_table_begin(b->t, &w, &k, false), OH_OK);
    ck_assert_int_eq(w.found, model_count[key] > 0);
    if (w.found) {
        oh_entry_set_version(&w.entry);
        oh_table_remove(b->t, &w);
    }
    oh_table_end(b->t, &w);
    /* What was removed stays readable while this thread is pinned. */
    if (w.found)
        check_objects(&w.entry, key);
    oh_epoch_unpin();
    model_count[key] = 0;
}

/* A list of objects of all keys, some of them again and again. */
static void write_many(bag_test_t *b, uint32_t count, bool only_new) {
    oh_item_t items[64];
    fake_draft_t drafts[64];
    uint32_t keys[64];
    uint64_t numbers[64];
    bool exists = false;
    for (uint32_t i = 0; i < count; i++) {
        keys[i] = random_below(random_below(2) ? 2 : KEYS);
        numbers[i] = random_below(30);
        items[i] = item_of(b, &drafts[i], keys[i], numbers[i]);
        exists |= model_count[keys[i]] > 0;
    }
    oh_epoch_pin();
    oh_status_t status = oh_table_write_many(b->t, items, count, only_new);
    oh_epoch_unpin();
    ck_assert_int_eq(status, only_new && exists ? OH_EXISTS : OH_OK);
    for (uint32_t i = 0; i < count; i++)
        if (status == OH_OK)
            model_add(keys[i], numbers[i], b->unique);
        else if (items[i].box != NULL)
            oh_box_free(items[i].box);
}

static void step(bag_test_t *b, uint32_t numbers) {
    uint32_t key = random_below(KEYS);
    uint64_t number = random_below(key < 4 ? numbers : 10), count = 0;
    switch (random_below(20)) {
    case 0:
        if (random_below(4) == 0)
            remove_key(b, key);
        break;
    case 1:
        write_many(b, 1 + random_below(60), random_below(2) == 0);
        break;
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
        ck_assert_int_eq(remove_object(b, key, number, &count), OH_OK);
        ck_assert_uint_eq(count, model_delete(key, number));
        break;
    case 8:
        if (random_below(50) == 0) {
            oh_epoch_pin();
            ck_assert_int_eq(oh_table_clear(b->t), OH_OK);
            oh_epoch_unpin();
            memset(model_count, 0, sizeof model_count);
        }
        break;
    default:
        ck_assert_int_eq(add(b, key, number), OH_OK);
        model_add(key, number, b->unique);
    }
    check_key(b, key);
    for (uint32_t k = 0; k < KEYS; k++)
        if (model_count[k] > OBJECTS - 200)
            remove_key(b, k);
}

static void run_model(const oh_term_ops_t *ops, bool unique, uint32_t numbers, uint32_t steps) {
    bag_test_t b = bag_test(ops, unique);
    memset(model_count, 0, sizeof model_count);
    for (uint32_t i = 0; i < steps; i++) {
        step(&b, numbers);
        if (i % 200 == 0)
            check_all(&b);
    }
    check_all(&b);
    end(&b);
}

START_TEST(agrees_with_a_model) {
    run_model(&fake_ops, true, 12, 4000);
    run_model(&fake_ops, true, 300, 20000);
    run_model(&fake_ops, false, 12, 4000);
    run_model(&fake_ops, false, 300, 20000);
}
END_TEST

START_TEST(agrees_with_a_model_when_keys_have_no_flat_form) {
    run_model(&fake_bad_ops, true, 12, 4000);
    run_model(&fake_bad_ops, true, 300, 10000);
    run_model(&fake_bad_ops, false, 30, 10000);
}
END_TEST

/* Other entries come and go, so that the segments with the chains and bags are rebuilt and
 * split. */
START_TEST(chains_and_bags_outlive_rebuilding) {
    bag_test_t b = bag_test(&fake_ops, true);
    memset(model_count, 0, sizeof model_count);
    for (uint32_t key = 0; key < KEYS; key++)
        for (uint64_t number = 0; number < (key < 6 ? 6 : 60); number++) {
            ck_assert_int_eq(add(&b, key, number), OH_OK);
            model_add(key, number, true);
        }
    uint64_t count;
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t key = KEYS; key < 4000; key++)
            for (uint32_t n = 0; n <= key % 3; n++)
                ck_assert_int_eq(add(&b, key, key + n), OH_OK);
        for (uint32_t key = 0; key < KEYS; key++)
            check_key(&b, key);
        oh_epoch_pin();
        ck_assert(oh_table_valid(b.t));
        oh_epoch_unpin();
        for (uint32_t key = KEYS; key < 4000; key++)
            for (uint32_t n = 0; n <= key % 3; n++) {
                ck_assert_int_eq(remove_object(&b, key, key + n, &count), OH_OK);
                ck_assert_uint_eq(count, 1);
            }
        check_all(&b);
    }
    end(&b);
}
END_TEST

/* Each walk gives the keys, and their objects. */
START_TEST(walks_give_all_objects) {
    bag_test_t b = bag_test(&fake_ops, false);
    memset(model_count, 0, sizeof model_count);
    for (uint32_t key = 0; key < KEYS; key++)
        for (uint64_t number = 0; number < 3 * key + 1; number++) {
            ck_assert_int_eq(add(&b, key, number), OH_OK);
            model_add(key, number, false);
        }
    oh_epoch_pin();
    oh_entry_t entry, entries[64];
    oh_key_t after = {0};
    uint32_t seen = 0, count;
    oh_status_t status = oh_table_next(b.t, NULL, true, &entry);
    for (; status == OH_OK; status = oh_table_next(b.t, &after, true, &entry), seen++) {
        uint32_t key = (uint32_t)fake_entry_key(&entry);
        check_objects(&entry, key);
        after = fake_key(b.t, b.ops, key_word(&b, key));
    }
    ck_assert_uint_eq(seen, KEYS);
    oh_position_t position = 0;
    ck_assert_int_eq(oh_table_scan(b.t, &position, entries, 64, &count), OH_OK);
    ck_assert_uint_eq(count, KEYS);
    for (uint32_t i = 0; i < count; i++)
        check_objects(&entries[i], (uint32_t)fake_entry_key(&entries[i]));
    oh_epoch_unpin();
    end(&b);
}
END_TEST

/* Whatever allocation fails, the table stays whole and keeps what it had. */
START_TEST(survives_memory_running_out) {
    for (long budget = 0; budget < 120; budget++) {
        bag_test_t b = bag_test(budget % 2 == 0 ? &fake_ops : &fake_bad_ops, budget % 3 == 0);
        memset(model_count, 0, sizeof model_count);
        for (uint64_t i = 0; i < 7 * KEYS; i++) {
            ck_assert_int_eq(add(&b, i % KEYS, i), OH_OK);
            model_add(i % KEYS, i, b.unique);
        }
        suite_allocations_left = budget;
        fake_arena_budget = budget * 2;
        for (uint64_t i = 0; i < 300; i++) {
            uint32_t key = i % 5 == 0 ? random_below(KEYS) : i / 100;
            uint64_t number = random_below(100), count = 0;
            if (i % 4 != 0) {
                oh_status_t status = add(&b, key, number);
                ck_assert(status == OH_OK || status == OH_ENOMEM);
                if (status == OH_OK)
                    model_add(key, number, b.unique);
            } else if (remove_object(&b, key, number, &count) == OH_OK) {
                ck_assert_uint_eq(count, model_delete(key, number));
            }
        }
        oh_item_t items[40];
        fake_draft_t drafts[40];
        for (uint32_t i = 0; i < 40; i++)
            items[i] = item_of(&b, &drafts[i], i % 3, 200 + i);
        oh_epoch_pin();
        oh_status_t status = oh_table_write_many(b.t, items, 40, false);
        oh_epoch_unpin();
        for (uint32_t i = 0; i < 40; i++)
            if (status == OH_OK)
                model_add(i < 40
                              ? (uint32_t)(fake_entry_key(&(oh_entry_t){.key = items[i].key.word}))
                              : 0,
                          200 + items[i].order, b.unique);
            else if (items[i].box != NULL)
                oh_box_free(items[i].box);
        suite_allocations_left = SUITE_NO_LIMIT;
        fake_arena_budget = 1L << 40;
        check_all(&b);
        end(&b);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("table_bag");
    TCase *tests = tcase_create("bag");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, agrees_with_a_model);
    tcase_add_test(tests, agrees_with_a_model_when_keys_have_no_flat_form);
    tcase_add_test(tests, chains_and_bags_outlive_rebuilding);
    tcase_add_test(tests, walks_give_all_objects);
    tcase_add_test(tests, survives_memory_running_out);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
