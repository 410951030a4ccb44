/* oh_buffer: the states, who may enter when, who finishes, and which bytes can be seen. */
#include <string.h>

#include "oh_buffer.h"
#include "suite.h"

enum { CAPACITY = 256, OWNER = 7, TAG = 8 };

static oh_buffer_t buffer;
static oh_buffer_t *const b = &buffer;
static char block[CAPACITY];
static bool finisher;

static void setup(void) {
    memset(&buffer, 0, sizeof buffer);
    memset(block, 'x', sizeof block); /* what an earlier lease left */
    b->block = block;
    oh_store_relaxed(&b->block_bytes, CAPACITY);
    oh_buffer_rewind(b);
    finisher = false;
}

static uint64_t lease(void) {
    uint64_t generation = oh_buffer_open(b, OWNER, TAG, 1000, 0);
    ck_assert(oh_buffer_valid(b));
    return generation;
}

static void write_at(uint64_t generation, uint64_t offset, const char *text) {
    oh_buffer_mode_t mode;
    size_t length = strlen(text);
    ck_assert_int_eq(oh_buffer_enter_put(b, generation, offset, length, &mode), OH_OK);
    ck_assert(oh_buffer_fits(b, offset, length));
    oh_buffer_put(b, offset, text, length);
    if (mode == OH_BUFFER_EXTEND)
        oh_buffer_grow(b, offset, offset + length);
    ck_assert(!oh_buffer_leave(b, mode));
    ck_assert(oh_buffer_valid(b));
}

START_TEST(each_lease_has_its_own_generation) {
    uint64_t first = lease();
    ck_assert_int_eq(oh_buffer_release(b, first, &finisher), OH_OK);
    ck_assert(finisher);
    uint64_t second = lease();
    ck_assert_uint_eq(second, first + 1);
    ck_assert_int_eq(oh_buffer_enter(b, first, OH_BUFFER_READ), OH_RELEASED);
    ck_assert_int_eq(oh_buffer_freeze(b, first), OH_RELEASED);
    finisher = false;
    ck_assert_int_eq(oh_buffer_release(b, first, &finisher), OH_RELEASED);
    ck_assert(!finisher);
    ck_assert_int_eq(oh_buffer_enter(b, second + 1, OH_BUFFER_READ), OH_RELEASED);
    ck_assert_int_eq(oh_buffer_enter(b, second, OH_BUFFER_READ), OH_OK);
    ck_assert(!oh_buffer_leave(b, OH_BUFFER_READ));
}
END_TEST

START_TEST(a_released_buffer_refuses_everything) {
    uint64_t g = lease();
    ck_assert_int_eq(oh_buffer_release(b, g, &finisher), OH_OK);
    for (int mode = OH_BUFFER_READ; mode <= OH_BUFFER_EXTEND; mode++)
        ck_assert_int_eq(oh_buffer_enter(b, g, (oh_buffer_mode_t)mode), OH_RELEASED);
    ck_assert_int_eq(oh_buffer_freeze(b, g), OH_RELEASED);
    ck_assert_int_eq(oh_buffer_release(b, g, &finisher), OH_RELEASED);
    ck_assert(oh_buffer_valid(b));
}
END_TEST

START_TEST(a_frozen_buffer_can_only_be_read) {
    uint64_t g = lease();
    write_at(g, 0, "frozen");
    ck_assert_int_eq(oh_buffer_freeze(b, g), OH_OK);
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_OVERWRITE), OH_FROZEN);
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_EXTEND), OH_FROZEN);
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_READ), OH_OK);
    ck_assert(!oh_buffer_leave(b, OH_BUFFER_READ));
    ck_assert_int_eq(oh_buffer_freeze(b, g), OH_FROZEN);
    ck_assert(!oh_buffer_leave(b, OH_BUFFER_READ));
    ck_assert(!oh_buffer_leave(b, OH_BUFFER_READ));
    ck_assert_int_eq(oh_buffer_release(b, g, &finisher), OH_OK);
    ck_assert(finisher);
}
END_TEST

START_TEST(freezing_waits_for_nobody) {
    uint64_t g = lease();
    for (int mode = OH_BUFFER_READ; mode <= OH_BUFFER_EXTEND; mode++) {
        ck_assert_int_eq(oh_buffer_enter(b, g, (oh_buffer_mode_t)mode), OH_OK);
        ck_assert_int_eq(oh_buffer_freeze(b, g), OH_BUSY);
        ck_assert(!oh_buffer_leave(b, (oh_buffer_mode_t)mode));
    }
    ck_assert_int_eq(oh_buffer_freeze(b, g), OH_OK);
}
END_TEST

START_TEST(one_extends_while_others_read_and_overwrite) {
    uint64_t g = lease();
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_EXTEND), OH_OK);
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_EXTEND), OH_BUSY);
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_READ), OH_OK);
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_OVERWRITE), OH_OK);
    ck_assert(!oh_buffer_leave(b, OH_BUFFER_EXTEND));
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_EXTEND), OH_OK);
    ck_assert_uint_eq(oh_buffer_word_busy(oh_buffer_word(b)), 3);
    ck_assert(!oh_buffer_leave(b, OH_BUFFER_EXTEND));
    ck_assert(!oh_buffer_leave(b, OH_BUFFER_READ));
    ck_assert(!oh_buffer_leave(b, OH_BUFFER_OVERWRITE));
    ck_assert(oh_buffer_valid(b));
}
END_TEST

START_TEST(the_last_to_leave_a_released_buffer_finishes) {
    uint64_t g = lease();
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_EXTEND), OH_OK);
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_READ), OH_OK);
    finisher = true;
    ck_assert_int_eq(oh_buffer_release(b, g, &finisher), OH_OK);
    ck_assert(!finisher);
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_READ), OH_RELEASED);
    ck_assert_int_eq(oh_buffer_release(b, g, &finisher), OH_RELEASED);
    ck_assert(!oh_buffer_leave(b, OH_BUFFER_EXTEND));
    ck_assert(oh_buffer_leave(b, OH_BUFFER_READ));
    ck_assert_uint_eq(lease(), g + 1);
}
END_TEST

START_TEST(too_many_inside_is_busy) {
    uint64_t g = lease();
    for (uint64_t i = 0; i < OH_BUFFER_BUSY_MAX; i++)
        ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_READ), OH_OK);
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_READ), OH_BUSY);
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_EXTEND), OH_BUSY);
    for (uint64_t i = 0; i < OH_BUFFER_BUSY_MAX; i++)
        ck_assert(!oh_buffer_leave(b, OH_BUFFER_READ));
    ck_assert_uint_eq(oh_buffer_word_busy(oh_buffer_word(b)), 0);
}
END_TEST

START_TEST(a_gap_is_zero_and_the_rest_unseen) {
    uint64_t g = lease();
    ck_assert_uint_eq(oh_buffer_size(b), 0);
    write_at(g, 3, "abc");
    ck_assert_uint_eq(oh_buffer_size(b), 6);
    ck_assert_mem_eq(block, "\0\0\0abc", 6);
    write_at(g, 1, "123");
    ck_assert_uint_eq(oh_buffer_size(b), 6);
    write_at(g, 5, "yz");
    ck_assert_uint_eq(oh_buffer_size(b), 7);
    ck_assert_mem_eq(block,
                     "\0"
                     "123"
                     "byz",
                     7);
    ck_assert_int_eq(oh_buffer_release(b, g, &finisher), OH_OK);
    g = lease();
    ck_assert_uint_eq(oh_buffer_size(b), 0);
    write_at(g, 4, "n");
    ck_assert_mem_eq(block, "\0\0\0\0n", 5);
}
END_TEST

static void resize(uint64_t generation, uint64_t size) {
    ck_assert_int_eq(oh_buffer_enter(b, generation, OH_BUFFER_EXTEND), OH_OK);
    oh_buffer_resize(b, size);
    ck_assert(!oh_buffer_leave(b, OH_BUFFER_EXTEND));
    ck_assert(oh_buffer_valid(b));
    ck_assert_uint_eq(oh_buffer_size(b), size);
}

START_TEST(bytes_that_were_given_up_come_back_as_zeros) {
    uint64_t g = lease();
    write_at(g, 0, "0123456789");
    resize(g, 4);
    resize(g, 4);
    ck_assert_mem_eq(block, "0123", 4);
    resize(g, 8);
    ck_assert_mem_eq(block, "0123\0\0\0\0", 8);
    resize(g, 2);
    write_at(g, 5, "x");
    ck_assert_mem_eq(block, "01\0\0\0x", 6);
    resize(g, 0);
    write_at(g, 1, "y");
    ck_assert_uint_eq(oh_buffer_size(b), 2);
    ck_assert_mem_eq(block, "\0y", 2);
    resize(g, CAPACITY);
    for (int i = 2; i < CAPACITY; i++)
        ck_assert_int_eq(block[i], 0);
    resize(g, 0);
    ck_assert_int_eq(oh_buffer_release(b, g, &finisher), OH_OK);
}
END_TEST

START_TEST(size_shrinks_beside_readers_and_overwriters) {
    uint64_t g = lease();
    oh_buffer_mode_t mode;
    write_at(g, 0, "0123456789");
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_READ), OH_OK);
    uint64_t seen = oh_buffer_size(b);
    ck_assert_int_eq(oh_buffer_enter_put(b, g, 6, 2, &mode), OH_OK);
    ck_assert_int_eq(mode, OH_BUFFER_OVERWRITE);
    resize(g, 1);
    ck_assert_mem_eq(oh_buffer_at(b, 0), "0123456789", seen);
    oh_buffer_put(b, 6, "ab", 2);
    ck_assert(!oh_buffer_leave(b, mode));
    ck_assert(!oh_buffer_leave(b, OH_BUFFER_READ));
    /* The overwriter came before the shrink; the next one comes after. */
    ck_assert_uint_eq(oh_buffer_size(b), 1);
    ck_assert_int_eq(oh_buffer_enter_put(b, g, 6, 2, &mode), OH_OK);
    ck_assert_int_eq(mode, OH_BUFFER_EXTEND);
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_EXTEND), OH_BUSY);
    ck_assert(!oh_buffer_leave(b, mode));
    ck_assert_int_eq(oh_buffer_freeze(b, g), OH_OK);
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_EXTEND), OH_FROZEN);
}
END_TEST

static oh_status_t split(uint64_t generation, uint64_t length) {
    oh_status_t status = oh_buffer_begin_split(b, generation);
    if (status != OH_OK)
        return status;
    ck_assert(oh_buffer_valid(b));
    oh_buffer_advance(b, length);
    finisher = oh_buffer_end_split(b);
    ck_assert(oh_buffer_valid(b));
    return OH_OK;
}

START_TEST(a_split_takes_bytes_off_the_front) {
    uint64_t g = lease();
    write_at(g, 0, "headtail");
    ck_assert_int_eq(split(g, 4), OH_OK);
    ck_assert(!finisher);
    ck_assert_uint_eq(oh_buffer_size(b), 4);
    ck_assert_uint_eq(oh_buffer_capacity(b), CAPACITY - 4);
    ck_assert(!oh_buffer_fits(b, CAPACITY - 4, 1));
    write_at(g, 0, "TAIL");
    write_at(g, 4, "more");
    ck_assert_mem_eq(block, "headTAILmore", 12);
    ck_assert_int_eq(split(g, 8), OH_OK);
    ck_assert_uint_eq(oh_buffer_size(b), 0);
    write_at(g, 0, "end");
    ck_assert_mem_eq(block, "headTAILmoreend", 15);
    ck_assert_int_eq(oh_buffer_freeze(b, g), OH_OK);
    ck_assert(!oh_buffer_leave(b, OH_BUFFER_READ));
    ck_assert_int_eq(split(g, 1), OH_FROZEN);
    ck_assert_int_eq(oh_buffer_release(b, g, &finisher), OH_OK);
    ck_assert_int_eq(split(g, 1), OH_RELEASED);
    oh_buffer_rewind(b);
    ck_assert_uint_eq(oh_buffer_capacity(b), CAPACITY);
    g = lease();
    ck_assert_int_eq(split(g + 1, 0), OH_RELEASED);
    ck_assert_int_eq(split(g, 0), OH_OK);
}
END_TEST

START_TEST(who_splits_is_alone) {
    uint64_t g = lease();
    write_at(g, 0, "content");
    for (int mode = OH_BUFFER_READ; mode <= OH_BUFFER_EXTEND; mode++) {
        ck_assert_int_eq(oh_buffer_enter(b, g, (oh_buffer_mode_t)mode), OH_OK);
        ck_assert_int_eq(split(g, 1), OH_BUSY);
        ck_assert(!oh_buffer_leave(b, (oh_buffer_mode_t)mode));
    }
    ck_assert_int_eq(oh_buffer_begin_split(b, g), OH_OK);
    for (int mode = OH_BUFFER_READ; mode <= OH_BUFFER_EXTEND; mode++)
        ck_assert_int_eq(oh_buffer_enter(b, g, (oh_buffer_mode_t)mode), OH_BUSY);
    ck_assert_int_eq(oh_buffer_freeze(b, g), OH_BUSY);
    ck_assert_int_eq(split(g, 1), OH_BUSY);
    ck_assert(!oh_buffer_end_split(b));
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_READ), OH_OK);
    ck_assert(!oh_buffer_leave(b, OH_BUFFER_READ));
}
END_TEST

START_TEST(who_splits_a_released_buffer_finishes) {
    uint64_t g = lease();
    write_at(g, 0, "content");
    ck_assert_int_eq(oh_buffer_begin_split(b, g), OH_OK);
    finisher = true;
    ck_assert_int_eq(oh_buffer_release(b, g, &finisher), OH_OK);
    ck_assert(!finisher);
    ck_assert_int_eq(oh_buffer_enter(b, g, OH_BUFFER_READ), OH_RELEASED);
    ck_assert(oh_buffer_end_split(b));
    ck_assert_uint_eq(oh_buffer_word_busy(oh_buffer_word(b)), 0);
    ck_assert_uint_eq(lease(), g + 1);
}
END_TEST

START_TEST(a_lease_remembers_its_tag_and_time) {
    lease();
    ck_assert_uint_eq(oh_load_relaxed(&b->tag), TAG);
    ck_assert_uint_eq(oh_load_relaxed(&b->since_ms), 1000);
}
END_TEST

START_TEST(whether_bytes_fit_does_not_overflow) {
    lease();
    ck_assert(oh_buffer_fits(b, 0, CAPACITY));
    ck_assert(oh_buffer_fits(b, CAPACITY, 0));
    ck_assert(!oh_buffer_fits(b, 1, CAPACITY));
    ck_assert(!oh_buffer_fits(b, CAPACITY + 1, 0));
    ck_assert(!oh_buffer_fits(b, UINT64_MAX, 2));
    ck_assert(!oh_buffer_fits(b, 2, UINT64_MAX));
    oh_buffer_mode_t mode;
    ck_assert_int_eq(
        oh_buffer_enter_put(b, oh_buffer_word_generation(oh_buffer_word(b)), UINT64_MAX, 2, &mode),
        OH_OK);
    ck_assert_int_eq(mode, OH_BUFFER_EXTEND);
    ck_assert(!oh_buffer_leave(b, mode));
}
END_TEST

START_TEST(generations_run_out_in_good_order) {
    oh_store_relaxed(&b->word, (OH_BUFFER_GENERATION_MAX - 1) << 16);
    ck_assert(!oh_buffer_is_worn(b));
    uint64_t g = lease();
    ck_assert_uint_eq(g, OH_BUFFER_GENERATION_MAX);
    write_at(g, 0, "last");
    ck_assert_int_eq(oh_buffer_release(b, g, &finisher), OH_OK);
    ck_assert(oh_buffer_is_worn(b));
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("buffer");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, each_lease_has_its_own_generation);
    tcase_add_test(tcase, a_released_buffer_refuses_everything);
    tcase_add_test(tcase, a_frozen_buffer_can_only_be_read);
    tcase_add_test(tcase, freezing_waits_for_nobody);
    tcase_add_test(tcase, one_extends_while_others_read_and_overwrite);
    tcase_add_test(tcase, the_last_to_leave_a_released_buffer_finishes);
    tcase_add_test(tcase, too_many_inside_is_busy);
    tcase_add_test(tcase, a_gap_is_zero_and_the_rest_unseen);
    tcase_add_test(tcase, bytes_that_were_given_up_come_back_as_zeros);
    tcase_add_test(tcase, size_shrinks_beside_readers_and_overwriters);
    tcase_add_test(tcase, a_split_takes_bytes_off_the_front);
    tcase_add_test(tcase, who_splits_is_alone);
    tcase_add_test(tcase, who_splits_a_released_buffer_finishes);
    tcase_add_test(tcase, a_lease_remembers_its_tag_and_time);
    tcase_add_test(tcase, whether_bytes_fit_does_not_overflow);
    tcase_add_test(tcase, generations_run_out_in_good_order);
    Suite *suite = suite_create("oh_buffer");
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
