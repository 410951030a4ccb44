/* oh_bitset: every size around a word, a node and a level; the summary; claims against a model. */
#include "oh_bitset.h"
#include "oh_reaper.h"
#include "suite.h"

#include <string.h>

/* For what is checked a million times: ck_assert writes to a file each time. */
#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("%s", "not " #condition);                                                 \
    } while (0)

/* On both sides of a word, of a node (2048 bits), of two levels (65536) and of three (2^21). */
static const uint64_t sizes[] = {1,    2,    63,   64,    65,    127,   128,     129,     2047,
                                 2048, 2049, 4096, 65535, 65536, 65537, 2097151, 2097152, 2097153};
#define SIZES (sizeof sizes / sizeof sizes[0])

static void setup(void) {
    suite_use_allocator();
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
}

static void teardown(void) {
    oh_reaper_stop();
}

static oh_bitset_t make(uint64_t size) {
    oh_bitset_t b;
    ck_assert_int_eq(oh_bitset_init(&b, size), OH_OK);
    return b;
}

static uint64_t random_state = 88172645463325252u;

/* xorshift64 (G. Marsaglia, "Xorshift RNGs", 2003) */
static uint64_t random_below(uint64_t limit) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % limit;
}

START_TEST(a_new_set_is_clear) {
    oh_bitset_t b = make(sizes[_i]);
    ck_assert_uint_eq(b.size, sizes[_i]);
    ck_assert_uint_eq((uintptr_t)b.word % OH_CACHE_LINE, 0);
    ck_assert(oh_bitset_valid(&b));
    ck_assert_uint_eq(oh_bitset_count(&b, 0, b.size), 0);
    for (uint64_t i = 0; i < b.size; i++)
        expect(!oh_bitset_test(&b, i));
    oh_bitset_free(&b);
}
END_TEST

START_TEST(each_operation_tells_what_was_there_and_changes_one_bit) {
    oh_bitset_t b = make(sizes[_i]);
    uint64_t edges[] = {0, b.size / 2, b.size - 1};
    for (int e = 0; e < 3; e++) {
        uint64_t i = edges[e];
        ck_assert(!oh_bitset_set(&b, i));
        ck_assert(oh_bitset_set(&b, i));
        ck_assert(oh_bitset_test(&b, i));
        ck_assert_uint_eq(oh_bitset_count(&b, 0, b.size), 1);
        ck_assert(oh_bitset_valid(&b));
        ck_assert(oh_bitset_clear(&b, i));
        ck_assert(!oh_bitset_clear(&b, i));
        ck_assert(!oh_bitset_test(&b, i));
        ck_assert(!oh_bitset_flip(&b, i));
        ck_assert_uint_eq(oh_bitset_count(&b, 0, b.size), 1);
        ck_assert(oh_bitset_flip(&b, i));
        ck_assert_uint_eq(oh_bitset_count(&b, 0, b.size), 0);
        ck_assert(oh_bitset_valid(&b));
    }
    oh_bitset_free(&b);
}
END_TEST

static void claim_all(oh_bitset_t *b) {
    uint64_t index;
    for (uint64_t i = 0; i < b->size; i++) {
        expect(oh_bitset_claim(b, &index) == OH_OK && index == i);
    }
    ck_assert_int_eq(oh_bitset_claim(b, &index), OH_EXHAUSTED);
}

START_TEST(claims_come_in_order_until_none_is_clear) {
    oh_bitset_t b = make(sizes[_i]);
    uint64_t index;
    claim_all(&b);
    ck_assert(oh_bitset_valid(&b));
    ck_assert_uint_eq(oh_bitset_count(&b, 0, b.size), b.size);
    for (int i = 0; i < 1000; i++) {
        uint64_t freed = random_below(b.size);
        ck_assert(i % 2 ? oh_bitset_clear(&b, freed) : oh_bitset_flip(&b, freed));
        ck_assert(oh_bitset_valid(&b));
        ck_assert_int_eq(oh_bitset_claim(&b, &index), OH_OK);
        ck_assert_uint_eq(index, freed);
        ck_assert_int_eq(oh_bitset_claim(&b, &index), OH_EXHAUSTED);
        if (b.size > 100000 && i > 10)
            break;
    }
    oh_bitset_free(&b);
}
END_TEST

START_TEST(bits_set_one_by_one_are_not_claimed) {
    oh_bitset_t b = make(sizes[_i]);
    uint64_t index, hole = b.size - 1 - b.size / 3;
    for (uint64_t i = b.size; i-- > 0;)
        if (i != hole)
            expect(i % 2 ? !oh_bitset_set(&b, i) : !oh_bitset_flip(&b, i));
    ck_assert(oh_bitset_valid(&b));
    ck_assert_int_eq(oh_bitset_claim(&b, &index), OH_OK);
    ck_assert_uint_eq(index, hole);
    ck_assert_int_eq(oh_bitset_claim(&b, &index), OH_EXHAUSTED);
    oh_bitset_free(&b);
}
END_TEST

START_TEST(a_full_child_that_is_not_marked_is_passed_and_marked) {
    oh_bitset_t b = make(65537);
    uint64_t index;
    claim_all(&b);
    ck_assert(oh_bitset_clear(&b, 65000));
    oh_bitset_unmark(&b.node[0][0], 3);
    oh_bitset_unmark(&b.node[0][0], 5);
    oh_bitset_unmark(&b.node[1][0], 0);
    oh_bitset_unmark(&b.node[1][0], 2);
    ck_assert(oh_bitset_valid(&b));
    ck_assert_int_eq(oh_bitset_claim(&b, &index), OH_OK);
    ck_assert_uint_eq(index, 65000);
    ck_assert_int_eq(oh_bitset_claim(&b, &index), OH_EXHAUSTED);
    ck_assert(oh_bitset_valid(&b));
    oh_bitset_free(&b);
}
END_TEST

START_TEST(a_proposal_left_behind_is_settled_or_withdrawn) {
    oh_bitset_t b = make(4096);
    uint64_t index, pending = (uint64_t)1 << 37;
    /* As a thread leaves it that stops between proposing to mark word 1 and settling. */
    for (uint64_t i = 0; i < 128; i++)
        oh_bitset_set(&b, i);
    oh_bitset_unmark(&b.node[0][0], 1);
    uint64_t proposal = oh_load_seqcst(&b.node[0][0]) | pending | (uint64_t)1 << 32;
    oh_store_seqcst(&b.node[0][0], proposal);
    ck_assert(oh_bitset_clear(&b, 64));
    ck_assert((oh_load_seqcst(&b.node[0][0]) & pending) == 0);
    ck_assert(!oh_bitset_set(&b, 64));
    oh_bitset_unmark(&b.node[0][0], 0);
    oh_bitset_unmark(&b.node[0][0], 1);
    proposal = oh_load_seqcst(&b.node[0][0]) | pending | (uint64_t)1 << 32;
    oh_store_seqcst(&b.node[0][0], proposal);
    /* A release elsewhere leaves it alone; the claim settles it on its way. */
    ck_assert(!oh_bitset_set(&b, 700));
    ck_assert(oh_bitset_clear(&b, 700));
    ck_assert((oh_load_seqcst(&b.node[0][0]) & pending) != 0);
    ck_assert_int_eq(oh_bitset_claim(&b, &index), OH_OK);
    ck_assert_uint_eq(index, 128);
    ck_assert(oh_bitset_valid(&b));
    oh_bitset_free(&b);
}
END_TEST

START_TEST(random_steps_agree_with_a_model) {
    oh_bitset_t b = make(sizes[_i]);
    uint64_t limit = b.size < 5000 ? b.size : 5000;
    bool *model = calloc(b.size, sizeof *model);
    uint64_t index;
    for (int step = 0; step < 20000; step++) {
        uint64_t i = random_below(limit);
        switch (random_below(5)) {
        case 0:
            expect(oh_bitset_set(&b, i) == model[i]);
            model[i] = true;
            break;
        case 1:
            expect(oh_bitset_clear(&b, i) == model[i]);
            model[i] = false;
            break;
        case 2:
            expect(oh_bitset_flip(&b, i) == model[i]);
            model[i] = !model[i];
            break;
        case 3:
            expect(oh_bitset_test(&b, i) == model[i]);
            break;
        default: {
            uint64_t lowest = 0;
            while (lowest < b.size && model[lowest])
                lowest++;
            oh_status_t status = oh_bitset_claim(&b, &index);
            expect(status == (lowest < b.size ? OH_OK : OH_EXHAUSTED));
            if (status == OH_OK) {
                expect(index == lowest);
                model[lowest] = true;
            }
        }
        }
    }
    ck_assert(oh_bitset_valid(&b));
    free(model);
    oh_bitset_free(&b);
}
END_TEST

START_TEST(counts_keep_to_their_range) {
    oh_bitset_t b = make(300);
    for (uint64_t i = 0; i < 300; i += 3)
        oh_bitset_set(&b, i);
    for (uint64_t from = 0; from <= 300; from++) {
        uint64_t expected = 0;
        for (uint64_t count = 0; from + count <= 300; count++) {
            expect(oh_bitset_count(&b, from, count) == expected);
            expected += (from + count) % 3 == 0;
        }
    }
    oh_bitset_free(&b);
}
END_TEST

/* Fills in random bits, dense or thin or all, by the dice. */
static void scatter(oh_bitset_t *b, uint64_t of_eight) {
    for (uint64_t i = 0; i < b->size; i++)
        if (random_below(8) < of_eight)
            oh_bitset_set(b, i);
}

START_TEST(combining_is_bit_by_bit) {
    uint64_t size = sizes[_i] < 100000 ? sizes[_i] : 70001;
    for (int op = OH_BITSET_UNION; op <= OH_BITSET_DIFFERENCE; op++)
        for (uint64_t density = 1; density <= 8; density += 7) {
            oh_bitset_t a = make(size), b = make(size), result = make(size);
            scatter(&a, 4);
            scatter(&b, density);
            oh_bitset_combine(&result, OH_BITSET_UNION, &a, 0, a.words);
            oh_bitset_combine(&result, (oh_bitset_op_t)op, &b, 0, b.words);
            ck_assert(oh_bitset_valid(&result));
            for (uint64_t i = 0; i < size; i++) {
                bool x = oh_bitset_test(&a, i), y = oh_bitset_test(&b, i);
                expect(oh_bitset_test(&result, i) == (op == OH_BITSET_UNION          ? x || y
                                                      : op == OH_BITSET_INTERSECTION ? x && y
                                                                                     : x && !y));
            }
            oh_bitset_free(&a);
            oh_bitset_free(&b);
            oh_bitset_free(&result);
        }
}
END_TEST

START_TEST(combining_with_itself_changes_nothing_or_clears_all) {
    uint64_t index;
    oh_bitset_t b = make(sizes[_i]);
    claim_all(&b);
    oh_bitset_combine(&b, OH_BITSET_UNION, &b, 0, b.words);
    oh_bitset_combine(&b, OH_BITSET_INTERSECTION, &b, 0, b.words);
    ck_assert_uint_eq(oh_bitset_count(&b, 0, b.size), b.size);
    oh_bitset_combine(&b, OH_BITSET_DIFFERENCE, &b, 0, b.words);
    ck_assert_uint_eq(oh_bitset_count(&b, 0, b.size), 0);
    ck_assert(oh_bitset_valid(&b));
    ck_assert_int_eq(oh_bitset_claim(&b, &index), OH_OK);
    ck_assert_uint_eq(index, 0);
    oh_bitset_free(&b);
}
END_TEST

START_TEST(a_union_that_fills_marks_what_is_full) {
    uint64_t index;
    oh_bitset_t full = make(sizes[_i]), b = make(sizes[_i]);
    claim_all(&full);
    oh_bitset_combine(&b, OH_BITSET_UNION, &full, 0, b.words);
    ck_assert(oh_bitset_valid(&b));
    ck_assert_int_eq(oh_bitset_claim(&b, &index), OH_EXHAUSTED);
    oh_bitset_free(&full);
    oh_bitset_free(&b);
}
END_TEST

START_TEST(bytes_have_the_lowest_bit_first_and_come_back) {
    oh_bitset_t a = make(sizes[_i]), b = make(sizes[_i]);
    size_t size = oh_bitset_bytes(&a);
    uint8_t *bytes = malloc(size);
    scatter(&a, 3);
    memset(bytes, 0xff, size);
    oh_bitset_to_bytes(&a, bytes);
    for (uint64_t i = 0; i < size * 8; i++)
        expect((bytes[i / 8] >> i % 8 & 1) == (i < a.size && oh_bitset_test(&a, i)));
    ck_assert_int_eq(oh_bitset_from_bytes(&b, bytes), OH_OK);
    ck_assert(oh_bitset_valid(&b));
    for (uint64_t i = 0; i < a.size; i++)
        expect(oh_bitset_test(&a, i) == oh_bitset_test(&b, i));
    if (a.size % 8 != 0) {
        bytes[size - 1] |= 0x80;
        ck_assert_int_eq(oh_bitset_from_bytes(&b, bytes), OH_BADARG);
    }
    free(bytes);
    oh_bitset_free(&a);
    oh_bitset_free(&b);
}
END_TEST

START_TEST(sizes_that_make_no_set_are_refused) {
    static const uint64_t wrong[] = {OH_BITSET_SIZE_MAX + 1, (uint64_t)1 << 58, (uint64_t)1 << 63,
                                     UINT64_MAX - 62, UINT64_MAX};
    oh_bitset_t b;
    ck_assert_int_eq(oh_bitset_init(&b, 0), OH_BADARG);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_int_eq(oh_bitset_init(&b, wrong[i]), OH_LIMIT);
}
END_TEST

START_TEST(the_limit_itself_works_or_is_out_of_memory) {
    oh_bitset_t b;
    uint64_t index;
    oh_status_t status = oh_bitset_init(&b, OH_BITSET_SIZE_MAX);
    if (status == OH_OK) {
        ck_assert_uint_eq(b.levels, OH_BITSET_LEVELS_MAX);
        ck_assert(!oh_bitset_set(&b, OH_BITSET_SIZE_MAX - 1));
        ck_assert(!oh_bitset_set(&b, 0));
        ck_assert_int_eq(oh_bitset_claim(&b, &index), OH_OK);
        ck_assert_uint_eq(index, 1);
        oh_bitset_free(&b);
    } else {
        ck_assert_int_eq(status, OH_ENOMEM);
    }
}
END_TEST

START_TEST(memory_that_is_out_is_reported_and_leaves_nothing) {
    oh_bitset_t b;
    long before = suite_blocks;
    suite_allocations_left = 0;
    ck_assert_int_eq(oh_bitset_init(&b, 1), OH_ENOMEM);
    ck_assert_int_eq(oh_bitset_init(&b, 100000), OH_ENOMEM);
    ck_assert_ptr_null((void *)b.word);
    suite_allocations_left = SUITE_NO_LIMIT;
    b = make(100000);
    ck_assert_int_eq(suite_blocks, before + 1);
    oh_bitset_free(&b);
    oh_bitset_free(&b);
    ck_assert_int_eq(suite_blocks, before);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_bitset");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, a_new_set_is_clear, 0, SIZES);
    tcase_add_loop_test(tcase, each_operation_tells_what_was_there_and_changes_one_bit, 0, SIZES);
    tcase_add_loop_test(tcase, claims_come_in_order_until_none_is_clear, 0, SIZES);
    tcase_add_loop_test(tcase, bits_set_one_by_one_are_not_claimed, 0, SIZES);
    tcase_add_test(tcase, a_full_child_that_is_not_marked_is_passed_and_marked);
    tcase_add_test(tcase, a_proposal_left_behind_is_settled_or_withdrawn);
    tcase_add_loop_test(tcase, random_steps_agree_with_a_model, 0, SIZES);
    tcase_add_test(tcase, counts_keep_to_their_range);
    tcase_add_loop_test(tcase, combining_is_bit_by_bit, 0, SIZES);
    tcase_add_loop_test(tcase, combining_with_itself_changes_nothing_or_clears_all, 0, SIZES);
    tcase_add_loop_test(tcase, a_union_that_fills_marks_what_is_full, 0, SIZES);
    tcase_add_loop_test(tcase, bytes_have_the_lowest_bit_first_and_come_back, 0, SIZES);
    tcase_add_test(tcase, sizes_that_make_no_set_are_refused);
    tcase_add_test(tcase, the_limit_itself_works_or_is_out_of_memory);
    tcase_add_test(tcase, memory_that_is_out_is_reported_and_leaves_nothing);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
