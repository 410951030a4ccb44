/* The bag: one thread against a model, every form, versions, sweeping, memory running out. */
#include "fake_terms.h"
#include "oh_bag.h"
#include "oh_reaper.h"
#include "suite.h"

#include <string.h>

static void setup(void) {
    suite_use_allocator();
    ck_assert_int_eq(oh_epoch_attach(NULL), OH_OK);
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
    ck_assert(oh_epoch_pin()); /* has its record before memory runs out */
}

static void teardown(void) {
    oh_epoch_unpin();
    oh_epoch_drain();
    oh_reaper_stop();
    oh_epoch_drain();
    ck_assert_int_eq(fake_alive, 0);
    oh_epoch_destroy();
    ck_assert_int_eq(suite_blocks, 0);
}

/* Lets the epoch move on, as calls that end and begin do. */
static void repin(void) {
    oh_epoch_unpin();
    oh_epoch_collect(SIZE_MAX);
    ck_assert(oh_epoch_pin());
}

static uint64_t random_state = 42;

static uint32_t random_below(uint32_t n) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % n;
}

/* An object that stands for a number; which form it has, the number says. */
static oh_item_t make_item(fake_arena_t *scratch, fake_draft_t *draft, uint64_t number) {
    static oh_key_t key = {.word = 3, .immediate = true};
    oh_item_t item = {.key = key, .form = OH_FORM_VALUE};
    switch (number % FAKE_SHAPES) {
    case FAKE_IMMEDIATE:
        item.value = fake_number(number);
        item.value_immediate = true;
        break;
    case FAKE_CELL:
        item.form = OH_FORM_CELL;
        item.cell = fake_cell(draft, &key, number);
        break;
    case FAKE_BOX: {
        fake_arena_t *arena = calloc(1, sizeof *arena);
        oh_box_t *box = malloc(sizeof *box);
        oh_fetch_add_relaxed(&suite_blocks, 1); /* the bag frees it */
        *box = (oh_box_t){.ops = &fake_ops, .arena = arena, .form = OH_FORM_VALUE, .words = 1000};
        box->value = (oh_word_t)(uintptr_t)fake_new(arena, number, OH_WORD_NONE);
        item.form = OH_FORM_BOX;
        item.box = box;
        item.value_hash = fake_hash(NULL, box->value, 7);
        break;
    }
    default:
        if (number % FAKE_SHAPES == FAKE_OBJECT)
            item.form = OH_FORM_OBJECT;
        item.value = (oh_word_t)(uintptr_t)fake_new(scratch, number, OH_WORD_NONE);
        item.value_words = 5;
        item.value_hash = fake_hash(NULL, item.value, 7);
    }
    return item;
}

static oh_status_t add(oh_bag_t *b, uint64_t number, bool unique) {
    fake_draft_t draft;
    fake_arena_t *scratch = calloc(1, sizeof *scratch);
    oh_item_t item = make_item(scratch, &draft, number);
    oh_status_t status = oh_bag_add(b, &item, unique);
    if (item.form == OH_FORM_BOX && !(status == OH_OK && item.box_kept))
        oh_box_free(item.box);
    fake_arena_free(scratch);
    return status;
}

static uint64_t delete (oh_bag_t *b, uint64_t number) {
    fake_draft_t draft;
    fake_arena_t *scratch = calloc(1, sizeof *scratch);
    oh_item_t item = make_item(scratch, &draft, number);
    uint64_t count = oh_bag_remove(b, &item);
    if (item.form == OH_FORM_BOX)
        oh_box_free(item.box);
    fake_arena_free(scratch);
    return count;
}

/* --- The model: an array in the order of insertion --- */

#define MODEL_MAX 30000
static uint64_t model[MODEL_MAX];
static uint32_t model_count;

static bool model_has(uint64_t number) {
    for (uint32_t i = 0; i < model_count; i++)
        if (model[i] == number)
            return true;
    return false;
}

static uint32_t model_delete(uint64_t number) {
    uint32_t kept = 0, count = model_count;
    for (uint32_t i = 0; i < model_count; i++)
        if (model[i] != number)
            model[kept++] = model[i];
    model_count = kept;
    return count - kept;
}

static void check_against_model(const oh_bag_t *b, uint64_t version) {
    oh_bag_walk_t walk = oh_bag_begin(b, version);
    oh_entry_t entry;
    uint32_t i = 0;
    for (; oh_bag_next(&walk, &entry); i++) {
        ck_assert_uint_lt(i, model_count);
        ck_assert_uint_eq(fake_entry_value(&entry), model[i]);
    }
    ck_assert_uint_eq(i, model_count);
}

static void run_model(bool unique, uint32_t numbers, uint32_t steps, uint32_t adds) {
    oh_bag_t *b = oh_bag_new(&fake_ops, 7);
    model_count = 0;
    for (uint32_t step = 0; step < steps; step++) {
        uint64_t number = random_below(numbers);
        if (random_below(10) < adds && model_count < MODEL_MAX) {
            bool there = unique && model_has(number);
            ck_assert_int_eq(add(b, number, unique), there ? OH_EXISTS : OH_OK);
            if (!there)
                model[model_count++] = number;
            oh_bag_commit(b);
        } else {
            ck_assert_uint_eq(delete (b, number), model_delete(number));
        }
        ck_assert_uint_eq(oh_bag_count(b), model_count);
        if (step % 16 == 0)
            repin();
        if (step % 512 == 0 || steps < 2000) {
            check_against_model(b, oh_bag_version(b));
            ck_assert(oh_bag_valid(b));
        }
    }
    oh_bag_free(b, true);
}

START_TEST(agrees_with_a_model) {
    run_model(true, 20, 1500, 6);
    run_model(true, 2000, 40000, 6);
    run_model(false, 20, 1500, 6);
    run_model(false, 300, 20000, 8);
}
END_TEST

/* What was read at a version is there while its reader is pinned, whatever goes meanwhile. */
START_TEST(a_version_stays_as_it_was) {
    oh_bag_t *b = oh_bag_new(&fake_ops, 7);
    model_count = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        ck_assert_int_eq(add(b, i, true), OH_OK);
        oh_bag_commit(b);
        model[model_count++] = i;
    }
    uint64_t version = oh_bag_version(b);
    for (uint64_t i = 0; i < 1000; i++) {
        ck_assert_uint_eq(delete (b, i), 1);
        ck_assert_int_eq(add(b, 5000 + i, true), OH_OK);
        oh_bag_commit(b);
        if (i % 100 == 0)
            check_against_model(b, version);
    }
    check_against_model(b, version);
    for (uint32_t i = 0; i < 1000; i++)
        model[i] = 5000 + i;
    check_against_model(b, oh_bag_version(b));
    ck_assert(oh_bag_valid(b));
    oh_bag_free(b, true);
}
END_TEST

START_TEST(what_is_not_committed_is_not_there) {
    oh_bag_t *b = oh_bag_new(&fake_ops, 7);
    model_count = 0;
    for (uint64_t round = 0; round < 4; round++) {
        for (uint64_t i = 0; i < 100; i++)
            ck_assert_int_eq(add(b, i, false), OH_OK);
        check_against_model(b, oh_bag_version(b));
        ck_assert_uint_eq(oh_bag_count(b), model_count + 100);
        if (round % 2 == 0) {
            /* The boxes are the caller's again: here they end with those that were committed. */
            oh_bag_walk_t walk = oh_bag_begin(b, oh_bag_version(b) + 1);
            oh_entry_t entry;
            oh_box_t *boxes[100];
            uint32_t count = 0, skip = model_count;
            while (oh_bag_next(&walk, &entry))
                if (skip > 0)
                    skip--;
                else if (entry.box != NULL && round == 0)
                    boxes[count++] = (oh_box_t *)(uintptr_t)entry.box;
            oh_bag_abort(b);
            for (uint32_t i = 0; i < count; i++)
                oh_box_free(boxes[i]);
        } else {
            oh_bag_commit(b);
            for (uint64_t i = 0; i < 100; i++)
                model[model_count++] = i;
        }
        ck_assert(oh_bag_valid(b));
        ck_assert_uint_eq(oh_bag_count(b), model_count);
        check_against_model(b, oh_bag_version(b));
        repin();
    }
    ck_assert_uint_eq(delete (b, 4), 2);
    oh_bag_free(b, true);
}
END_TEST

/* A queue of 1000 objects through which 100,000 pass takes what 1000 take. */
START_TEST(what_is_dead_does_not_pile_up) {
    oh_bag_t *b = oh_bag_new(&fake_ops, 7);
    size_t full = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        ck_assert_int_eq(add(b, i, true), OH_OK);
        oh_bag_commit(b);
        if (i >= 1000) {
            /* From the beginning, or from anywhere. */
            uint64_t other = i < 50000 ? i - 1000 : i - random_below(1000);
            (void)delete (b, other);
        }
        if (i == 1000)
            full = oh_bag_bytes(b);
        if (i % 16 == 0)
            repin();
    }
    for (uint64_t i = 0; i < 100000; i++)
        if (oh_bag_count(b) > 1000)
            (void)delete (b, i);
    ck_assert(oh_bag_valid(b));
    ck_assert_uint_lt(oh_bag_bytes(b), 3 * full);
    oh_bag_retire(b);
}
END_TEST

START_TEST(memory_that_is_out_changes_nothing) {
    for (long budget = 0; budget < 140; budget++) {
        model_count = 0;
        suite_allocations_left = budget;
        fake_arena_budget = budget;
        oh_bag_t *b = oh_bag_new(&fake_ops, 7);
        for (uint64_t i = 0; b != NULL && i < 60; i++) {
            uint64_t number = i % 45;
            if (number % FAKE_SHAPES == FAKE_BOX)
                continue;
            oh_status_t status = add(b, number, false);
            ck_assert(status == OH_OK || status == OH_ENOMEM);
            if (status == OH_OK)
                model[model_count++] = number;
            oh_bag_commit(b);
            ck_assert(oh_bag_valid(b));
            check_against_model(b, oh_bag_version(b));
        }
        for (uint64_t i = 0; b != NULL && i < 60; i += 7)
            if (i % FAKE_SHAPES != FAKE_BOX)
                ck_assert_uint_eq(delete (b, i), model_delete(i));
        suite_allocations_left = SUITE_NO_LIMIT;
        fake_arena_budget = 1L << 40;
        if (b != NULL) {
            ck_assert(oh_bag_valid(b));
            check_against_model(b, oh_bag_version(b));
            oh_bag_free(b, true);
        }
        repin();
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("bag");
    TCase *tests = tcase_create("bag");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, agrees_with_a_model);
    tcase_add_test(tests, a_version_stays_as_it_was);
    tcase_add_test(tests, what_is_not_committed_is_not_there);
    tcase_add_test(tests, what_is_dead_does_not_pile_up);
    tcase_add_test(tests, memory_that_is_out_changes_nothing);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
