/* oh_cells: what is put is there, places are used again after the grace period and not before. */
#include "oh_cells.h"
#include "suite.h"

typedef struct {
    uint32_t tag;
    uint16_t words, key_words;
    oh_word_t word[OH_CELL_WORDS_MAX];
} draft_t;

static void setup(void) {
    suite_use_allocator();
    ck_assert_int_eq(oh_epoch_attach(NULL), OH_OK);
    ck_assert(oh_epoch_pin());
    oh_epoch_unpin();
}

static void teardown(void) {
    oh_epoch_destroy();
    ck_assert_int_eq(suite_blocks, 0);
}

static oh_cell_t *put(oh_cells_t *c, uint16_t words, uint64_t number) {
    draft_t draft = {.tag = (uint32_t)number, .words = words};
    for (uint16_t i = 0; i < words; i++)
        draft.word[i] = number + i;
    return oh_cells_put(c, (const oh_cell_t *)&draft);
}

static void check_cell(const oh_cell_t *cell, uint16_t words, uint64_t number) {
    ck_assert_uint_eq(cell->tag, (uint32_t)number);
    ck_assert_uint_eq(cell->words, words);
    for (uint16_t i = 0; i < words; i++)
        ck_assert_uint_eq(cell->word[i], number + i);
}

static void pass_grace(void) {
    for (int i = 0; i < OH_EPOCH_GRACE; i++)
        oh_epoch_advance();
}

START_TEST(cells_of_all_sizes_hold_what_was_put) {
    enum { COUNT = 2000 };
    static oh_cell_t *cell[COUNT];
    oh_cells_t cells = {0}, *c = &cells;
    uint32_t live = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        cell[i] = put(c, (uint16_t)(1 + i % OH_CELL_WORDS_MAX), 1000 * i);
        live += oh_cell_size(cell[i]);
    }
    for (uint32_t i = 0; i < COUNT; i++)
        check_cell(cell[i], (uint16_t)(1 + i % OH_CELL_WORDS_MAX), 1000 * i);
    ck_assert(oh_cells_valid(c, live));
    ck_assert_uint_ge(oh_cells_bytes(c), live * sizeof(oh_word_t));
    ck_assert_uint_ge(oh_cells_used(c), live);
    oh_cells_clear(c);
}
END_TEST

START_TEST(what_was_not_published_is_used_again_at_once) {
    oh_cells_t cells = {0}, *c = &cells;
    oh_cell_t *first = put(c, 3, 1);
    oh_cells_restore(c, first);
    ck_assert_ptr_eq(put(c, 3, 2), first);
    check_cell(first, 3, 2);
    oh_cells_clear(c);
}
END_TEST

/* A pinned reader sees the cells it may have found unchanged, however many are retired after. */
START_TEST(a_retired_cell_stays_while_a_reader_is_pinned) {
    oh_cells_t cells = {0}, *c = &cells;
    ck_assert(oh_epoch_pin());
    oh_cell_t *seen = put(c, 4, 7);
    oh_cells_retire(c, seen);
    uint32_t live = 0;
    for (uint64_t i = 0; i < 500; i++) {
        oh_cells_retire(c, put(c, 4, 100 + i));
        check_cell(seen, 4, 7);
        ck_assert(oh_cells_valid(c, live));
    }
    oh_epoch_unpin();
    oh_cells_clear(c);
}
END_TEST

START_TEST(overwriting_uses_places_again) {
    oh_cells_t cells = {0}, *c = &cells;
    oh_cell_t *last = NULL;
    for (uint64_t i = 0; i < 100000; i++) {
        ck_assert(oh_epoch_pin());
        oh_cell_t *cell = put(c, 3, i);
        if (last != NULL)
            oh_cells_retire(c, last);
        last = cell;
        oh_epoch_unpin();
    }
    ck_assert_uint_lt(oh_cells_used(c), 1000);
    ck_assert(oh_cells_valid(c, oh_cell_size(last)));
    oh_cells_clear(c);
}
END_TEST

/* A full ring that nobody may use yet: what more is retired is left, and counts as garbage. */
START_TEST(a_reader_that_does_not_move_on_costs_memory_and_nothing_else) {
    oh_cells_t cells = {0}, *c = &cells;
    ck_assert(oh_epoch_pin());
    for (uint64_t i = 0; i < 1000; i++)
        oh_cells_retire(c, put(c, 2, i));
    ck_assert_uint_eq(oh_cells_garbage(c), oh_cells_used(c) - 3 * OH_CELLS_RING);
    ck_assert(oh_cells_valid(c, 0));
    oh_epoch_unpin();
    pass_grace();
    uint32_t used = oh_cells_used(c);
    for (uint64_t i = 0; i < 64; i++)
        oh_cells_retire(c, put(c, 2, i));
    ck_assert_uint_le(oh_cells_used(c), used + 3 * 64);
    oh_cells_clear(c);
}
END_TEST

START_TEST(memory_that_is_out_is_reported) {
    oh_cells_t cells = {0}, *c = &cells;
    suite_allocations_left = 0;
    ck_assert(!oh_cells_reserve(c, 100));
    ck_assert_ptr_null(put(c, 5, 1));
    ck_assert(oh_cells_valid(c, 0));
    suite_allocations_left = 1;
    oh_cell_t *cell, *last = NULL;
    uint32_t live = 0;
    for (uint64_t i = 0; (cell = put(c, 5, i)) != NULL; i++, live += 6)
        last = cell;
    ck_assert_uint_gt(live, 0);
    ck_assert(oh_epoch_pin());
    oh_cells_retire(c, last); /* no memory for the ring either */
    oh_epoch_unpin();
    ck_assert(oh_cells_valid(c, live - 6));
    suite_allocations_left = SUITE_NO_LIMIT;
    ck_assert_ptr_nonnull(put(c, 5, 1));
    ck_assert(oh_cells_valid(c, live));
    oh_cells_clear(c);
    ck_assert(oh_cells_valid(c, 0));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_cells");
    TCase *tests = tcase_create("cells");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, cells_of_all_sizes_hold_what_was_put);
    tcase_add_test(tests, what_was_not_published_is_used_again_at_once);
    tcase_add_test(tests, a_retired_cell_stays_while_a_reader_is_pinned);
    tcase_add_test(tests, overwriting_uses_places_again);
    tcase_add_test(tests, a_reader_that_does_not_move_on_costs_memory_and_nothing_else);
    tcase_add_test(tests, memory_that_is_out_is_reported);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
