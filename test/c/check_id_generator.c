/* oh_id_generator: the layout bit by bit, the order of ids as the clock stands, goes and goes back,
 * what is free and when, the ends of the bits. */
#include <time.h>

#include "oh_id_generator.h"
#include "suite.h"

enum { EPOCH = 1000000, DAY = 86400000 };

static oh_id_generator_t make(unsigned node_bits, unsigned sequence_bits, int64_t ahead_ms) {
    oh_id_generator_t g;
    oh_id_layout_t layout = {.epoch_ms = EPOCH,
                             .node = ((uint64_t)1 << node_bits) - 1,
                             .node_bits = node_bits,
                             .sequence_bits = sequence_bits,
                             .ahead_ms = ahead_ms};
    ck_assert_int_eq(oh_id_generator_init(&g, &layout), OH_OK);
    ck_assert(oh_id_generator_valid(&g));
    return g;
}

/* The first slot of count taken at a time after the epoch. */
static uint64_t take(oh_id_generator_t *g, uint64_t count, int64_t now) {
    uint64_t first;
    int64_t wait_ms;
    ck_assert_int_eq(oh_id_generator_take(g, count, EPOCH + now, &first, &wait_ms), OH_OK);
    ck_assert(oh_id_generator_valid(g));
    return first;
}

/* After how long count slots, refused at a time after the epoch, would be free. Nothing is taken.
 */
static int64_t refused(oh_id_generator_t *g, uint64_t count, int64_t now) {
    uint64_t first, before = oh_load_relaxed(&g->next);
    int64_t wait_ms;
    ck_assert_int_eq(oh_id_generator_take(g, count, EPOCH + now, &first, &wait_ms), OH_EXHAUSTED);
    ck_assert_uint_eq(oh_load_relaxed(&g->next), before);
    return wait_ms;
}

START_TEST(an_id_is_time_then_node_then_sequence) {
    oh_id_generator_t g = make(8, 10, 0);
    g.layout.node = 0xA5;
    uint64_t slot = (uint64_t)0x12345 << 10 | 0x3F1;
    ck_assert_uint_eq(oh_id_generator_id(&g, slot),
                      (uint64_t)0x12345 << 18 | (uint64_t)0xA5 << 10 | 0x3F1);
    ck_assert_uint_eq(oh_id_generator_id(&g, 0), (uint64_t)0xA5 << 10);
    g = make(0, 24, 0);
    ck_assert_uint_eq(oh_id_generator_id(&g, INT64_MAX), INT64_MAX);
    g = make(23, 1, 0);
    ck_assert_uint_eq(oh_id_generator_id(&g, g.slots_end - 1), INT64_MAX);
}
END_TEST

START_TEST(layouts_outside_their_domain_are_refused) {
    static const oh_id_layout_t bad[] = {
        {.epoch_ms = -1, .sequence_bits = 10},
        {.epoch_ms = OH_ID_TIME_MAX + 1, .sequence_bits = 10},
        {.sequence_bits = 0},
        {.sequence_bits = 0, .node_bits = 10},
        {.sequence_bits = 25},
        {.sequence_bits = 24, .node_bits = 1},
        {.sequence_bits = 1, .node_bits = 24},
        {.sequence_bits = UINT32_MAX, .node_bits = 2},
        {.sequence_bits = 2, .node_bits = UINT32_MAX},
        {.sequence_bits = 10, .node = 1},
        {.sequence_bits = 10, .node_bits = 8, .node = 256},
        {.sequence_bits = 10, .node_bits = 8, .node = UINT64_MAX},
        {.sequence_bits = 10, .ahead_ms = -1},
        {.sequence_bits = 10, .ahead_ms = OH_ID_AHEAD_MS_MAX + 1},
    };
    oh_id_generator_t g;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(oh_id_generator_init(&g, &bad[i]), OH_BADARG);
    oh_id_layout_t good = {.epoch_ms = OH_ID_TIME_MAX,
                           .node = 255,
                           .node_bits = 8,
                           .sequence_bits = 16,
                           .ahead_ms = OH_ID_AHEAD_MS_MAX};
    ck_assert_int_eq(oh_id_generator_init(&g, &good), OH_OK);
    ck_assert(oh_id_generator_valid(&g));
}
END_TEST

START_TEST(ids_follow_the_clock_and_fill_its_millisecond) {
    oh_id_generator_t g = make(8, 2, 0);
    ck_assert_uint_eq(take(&g, 1, 5), 20);
    ck_assert_uint_eq(take(&g, 1, 5), 21);
    ck_assert_uint_eq(take(&g, 2, 5), 22);
    ck_assert_int_eq(refused(&g, 1, 5), 1);
    ck_assert_uint_eq(take(&g, 1, 6), 24);
    ck_assert_uint_eq(take(&g, 1, 100), 400);
}
END_TEST

START_TEST(ids_go_on_when_the_clock_goes_back) {
    oh_id_generator_t g = make(8, 2, 0);
    ck_assert_uint_eq(take(&g, 1, 50), 200);
    ck_assert_uint_eq(take(&g, 1, 49), 201);
    ck_assert_uint_eq(take(&g, 1, 0), 202);
    ck_assert_uint_eq(take(&g, 1, -100), 203);
    ck_assert_int_eq(refused(&g, 1, 10), 41);
    ck_assert_int_eq(refused(&g, 1, -100), 151);
    ck_assert_int_eq(refused(&g, 1, 50), 1);
    ck_assert_uint_eq(take(&g, 1, 51), 204);
}
END_TEST

START_TEST(borrowing_runs_ahead_of_the_clock_as_far_as_allowed) {
    oh_id_generator_t g = make(8, 2, 3);
    /* Milliseconds 5 to 8. */
    for (uint64_t i = 0; i < 16; i++)
        ck_assert_uint_eq(take(&g, 1, 5), 20 + i);
    ck_assert_int_eq(refused(&g, 1, 5), 1);
    ck_assert_uint_eq(take(&g, 4, 6), 36);
    ck_assert_int_eq(refused(&g, 1, 6), 1);
    /* The clock went back: ids are 9 ahead and wait for it. */
    ck_assert_int_eq(refused(&g, 1, 0), 7);
    ck_assert_int_eq(refused(&g, 1, 6), 1);
    ck_assert_uint_eq(take(&g, 1, 7), 40);
    /* What is left in the last one's millisecond may be taken. */
    ck_assert_uint_eq(take(&g, 1, 0), 41);
    ck_assert_int_eq(refused(&g, 3, 0), 8);
    ck_assert_uint_eq(take(&g, 2, 0), 42);
    ck_assert_int_eq(refused(&g, 1, 0), 8);
    ck_assert_uint_eq(take(&g, 1, 20), 80);
}
END_TEST

START_TEST(a_batch_is_taken_whole_or_not_at_all) {
    oh_id_generator_t g = make(8, 2, 0);
    uint64_t first;
    int64_t wait_ms;
    ck_assert_uint_eq(oh_id_generator_batch_max(&g), 4);
    ck_assert_uint_eq(take(&g, 4, 1), 4);
    ck_assert_uint_eq(take(&g, 1, 2), 8);
    ck_assert_int_eq(refused(&g, 4, 2), 1);
    ck_assert_uint_eq(take(&g, 3, 2), 9);
    static const uint64_t bad[] = {0, 5, OH_ID_BATCH_MAX + 1, (uint64_t)1 << 63, UINT64_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(oh_id_generator_take(&g, bad[i], EPOCH + 9, &first, &wait_ms), OH_BADARG);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_int_eq(oh_id_generator_take_now(&g, bad[i], &first, &wait_ms), OH_BADARG);
    g = make(0, 20, 1);
    ck_assert_uint_eq(oh_id_generator_batch_max(&g), OH_ID_BATCH_MAX);
    ck_assert_uint_eq(take(&g, OH_ID_BATCH_MAX, 0), 0);
    ck_assert_uint_eq(take(&g, OH_ID_BATCH_MAX, 0), OH_ID_BATCH_MAX);
    ck_assert_int_eq(refused(&g, OH_ID_BATCH_MAX, 0), 1);
}
END_TEST

START_TEST(before_the_epoch_nothing_is_free_but_what_may_be_borrowed) {
    oh_id_generator_t g = make(8, 2, 0);
    ck_assert_int_eq(refused(&g, 1, -1), 1);
    ck_assert_int_eq(refused(&g, 4, -1000), 1000);
    ck_assert_int_eq(refused(&g, 1, -OH_ID_TIME_MAX), OH_ID_TIME_MAX);
    ck_assert_uint_eq(take(&g, 1, 0), 0);
    g = make(8, 2, 10);
    ck_assert_int_eq(refused(&g, 1, -11), 1);
    ck_assert_uint_eq(take(&g, 4, -10), 0);
    ck_assert_int_eq(refused(&g, 1, -10), 1);
    ck_assert_int_eq(refused(&g, 5, -10), 2);
    ck_assert_uint_eq(take(&g, 40, 0), 4);
}
END_TEST

START_TEST(the_last_bits_of_the_time_are_used_and_no_more) {
    static const struct {
        unsigned node_bits, sequence_bits;
    } shapes[] = {{8, 10}, {0, 24}, {12, 12}, {23, 1}, {0, 12}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (int64_t ahead_ms = 0; ahead_ms <= DAY; ahead_ms += DAY) {
            oh_id_generator_t g = make(shapes[i].node_bits, shapes[i].sequence_bits, ahead_ms);
            int64_t end = (int64_t)1 << (63 - shapes[i].node_bits - shapes[i].sequence_bits);
            uint64_t all = (uint64_t)1 << shapes[i].sequence_bits;
            ck_assert_int_eq(refused(&g, 1, end), OH_ID_NEVER);
            /* Shifted to a slot it would be 2^64 where there are no node bits. */
            ck_assert_int_eq(refused(&g, 1, 2 * end), OH_ID_NEVER);
            ck_assert_uint_eq(take(&g, 1, end - 2), g.slots_end - 2 * all);
            ck_assert_uint_eq(take(&g, 1, end - 1), g.slots_end - all);
            oh_store_relaxed(&g.next, g.slots_end - 1);
            ck_assert_int_eq(refused(&g, 2, end - 1), OH_ID_NEVER);
            ck_assert_uint_eq(take(&g, 1, end - 1), g.slots_end - 1);
            ck_assert_uint_eq(oh_id_generator_id(&g, g.slots_end - 1), INT64_MAX);
            ck_assert_int_eq(refused(&g, 1, end - 1), OH_ID_NEVER);
            ck_assert_int_eq(refused(&g, 1, 0), OH_ID_NEVER);
            ck_assert_int_eq(refused(&g, 1, OH_ID_TIME_MAX - EPOCH), OH_ID_NEVER);
        }
    }
}
END_TEST

static uint64_t random_word(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

/* The clock wanders; after each refusal: not free a millisecond before the wait is over, free then.
 */
START_TEST(a_refusal_tells_exactly_how_long_to_wait) {
    uint64_t seed = 1, refusals = 0;
    for (int64_t ahead_ms = 0; ahead_ms <= 5; ahead_ms++) {
        oh_id_generator_t g = make(3, 3, ahead_ms);
        int64_t now = -10;
        for (int i = 0; i < 4000; i++) {
            uint64_t count = 1 + random_word(&seed) % oh_id_generator_batch_max(&g);
            uint64_t first, before = oh_load_relaxed(&g.next);
            int64_t wait_ms;
            now += (int64_t)(random_word(&seed) % 9) - 4;
            if (oh_id_generator_take(&g, count, EPOCH + now, &first, &wait_ms) == OH_OK) {
                ck_assert_uint_ge(first, before);
                ck_assert_uint_eq(oh_load_relaxed(&g.next), first + count);
                continue;
            }
            refusals++;
            ck_assert_int_gt(wait_ms, 0);
            if (wait_ms > 1)
                refused(&g, count, now + wait_ms - 1);
            take(&g, count, now + wait_ms);
        }
    }
    ck_assert_uint_gt(refusals, 1000);
}
END_TEST

START_TEST(the_system_s_clock_is_read) {
    oh_id_layout_t layout = {.epoch_ms = 0, .sequence_bits = 1};
    oh_id_generator_t g;
    ck_assert_int_eq(oh_id_generator_init(&g, &layout), OH_OK);
    uint64_t first, last = 0, taken = 0, refusals = 0;
    int64_t wait_ms;
    time_t from = time(NULL);
    /* Two a millisecond: refused soon, then served as the clock goes on. */
    while (taken < 50) {
        oh_status_t status = oh_id_generator_take_now(&g, 1, &first, &wait_ms);
        if (status == OH_OK) {
            ck_assert_uint_gt(first, last);
            last = first;
            taken++;
        } else {
            ck_assert_int_eq(status, OH_EXHAUSTED);
            ck_assert_int_ge(wait_ms, 1);
            refusals++;
        }
    }
    ck_assert_uint_gt(refusals, 0);
    ck_assert_uint_ge(last >> 1, (uint64_t)from * 1000);
    ck_assert_uint_le(last >> 1, (uint64_t)(time(NULL) + 1) * 1000);
}
END_TEST

START_TEST(a_slot_beyond_the_end_is_found) {
    oh_id_generator_t g = make(8, 10, 0);
    oh_store_relaxed(&g.next, g.slots_end);
    ck_assert(oh_id_generator_valid(&g));
    oh_store_relaxed(&g.next, g.slots_end + 1);
    ck_assert(!oh_id_generator_valid(&g));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_id_generator");
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, an_id_is_time_then_node_then_sequence);
    tcase_add_test(tcase, layouts_outside_their_domain_are_refused);
    tcase_add_test(tcase, ids_follow_the_clock_and_fill_its_millisecond);
    tcase_add_test(tcase, ids_go_on_when_the_clock_goes_back);
    tcase_add_test(tcase, borrowing_runs_ahead_of_the_clock_as_far_as_allowed);
    tcase_add_test(tcase, a_batch_is_taken_whole_or_not_at_all);
    tcase_add_test(tcase, before_the_epoch_nothing_is_free_but_what_may_be_borrowed);
    tcase_add_test(tcase, the_last_bits_of_the_time_are_used_and_no_more);
    tcase_add_test(tcase, a_refusal_tells_exactly_how_long_to_wait);
    tcase_add_test(tcase, the_system_s_clock_is_read);
    tcase_add_test(tcase, a_slot_beyond_the_end_is_found);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
