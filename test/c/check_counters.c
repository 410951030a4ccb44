/* oh_counters: values over one and many stripes, arithmetic at the edges, shapes at the edges,
 * memory that is not there. */
#include <pthread.h>
#include <string.h>

#include "oh_counters.h"
#include "oh_reaper.h"
#include "suite.h"

static void setup(void) {
    suite_use_allocator();
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
}

static void teardown(void) {
    oh_reaper_stop();
}

static oh_counters_t make(uint64_t size, uint64_t stripes) {
    oh_counters_t c;
    ck_assert_int_eq(oh_counters_init(&c, size, stripes), OH_OK);
    ck_assert(oh_counters_valid(&c));
    return c;
}

static void end(oh_counters_t *c) {
    ck_assert(oh_counters_valid(c));
    oh_counters_free(c);
}

typedef struct {
    oh_counters_t *c;
    uint64_t index;
    uint64_t increment;
} add_t;

static void *add(void *arg) {
    add_t *a = arg;
    oh_counters_add(a->c, a->index, a->increment);
    return NULL;
}

/* Adds from a new thread, so that the increment goes to the next stripe. */
static void add_elsewhere(oh_counters_t *c, uint64_t index, uint64_t increment) {
    pthread_t thread;
    add_t a = {c, index, increment};
    ck_assert_int_eq(pthread_create(&thread, NULL, add, &a), 0);
    pthread_join(thread, NULL);
}

/* The stripes that hold something of a counter. */
static uint64_t stripes_in_use(const oh_counters_t *c, uint64_t index) {
    uint64_t used = 0;
    for (uint64_t s = 0; s < oh_counters_stripes(c); s++)
        used += oh_load_relaxed(&c->cell[s * c->stripe_cells + index]) != 0;
    return used;
}

START_TEST(new_counters_are_zero_in_any_shape) {
    static const uint64_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 1000, 32768, 32769, 100000};
    static const uint64_t stripes[] = {1, 2, 3, 4, 5, 16, 1000, 1024};
    static const uint64_t rounded[] = {1, 2, 4, 4, 8, 16, 1024, 1024};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t j = 0; j < sizeof stripes / sizeof stripes[0]; j++) {
            oh_counters_t c = make(sizes[i], stripes[j]);
            ck_assert_uint_eq(c.size, sizes[i]);
            ck_assert_uint_eq(oh_counters_stripes(&c), rounded[j]);
            ck_assert_uint_eq(oh_counters_bytes(&c), rounded[j] * ((sizes[i] + 7) / 8) * 64);
            ck_assert_uint_eq(oh_counters_get(&c, 0), 0);
            ck_assert_uint_eq(oh_counters_get(&c, sizes[i] - 1), 0);
            ck_assert_uint_eq(oh_counters_sum(&c, 0, sizes[i]), 0);
            end(&c);
        }
    }
}
END_TEST

START_TEST(threads_add_to_stripes_of_their_own) {
    oh_counters_t c = make(3, 4);
    oh_counters_add(&c, 1, 1);
    for (int i = 0; i < 3; i++)
        add_elsewhere(&c, 1, 1);
    ck_assert_uint_eq(stripes_in_use(&c, 1), 4);
    ck_assert_uint_eq(oh_counters_get(&c, 1), 4);
    for (int i = 0; i < 10; i++)
        add_elsewhere(&c, 1, 1);
    ck_assert_uint_eq(oh_counters_get(&c, 1), 14);
    ck_assert_uint_eq(oh_counters_get(&c, 0), 0);
    ck_assert_uint_eq(oh_counters_get(&c, 2), 0);
    end(&c);
}
END_TEST

START_TEST(add_wraps_at_both_ends_of_the_word) {
    oh_counters_t c = make(1, 2);
    oh_counters_put(&c, 0, INT64_MAX);
    add_elsewhere(&c, 0, 1);
    ck_assert_uint_eq(oh_counters_get(&c, 0), (uint64_t)1 << 63);
    add_elsewhere(&c, 0, (uint64_t)-1);
    ck_assert_uint_eq(oh_counters_get(&c, 0), INT64_MAX);
    oh_counters_put(&c, 0, UINT64_MAX);
    add_elsewhere(&c, 0, 2);
    ck_assert_uint_eq(oh_counters_get(&c, 0), 1);
    end(&c);
}
END_TEST

START_TEST(put_sets_whatever_the_stripes_hold) {
    oh_counters_t c = make(2, 4);
    for (int i = 0; i < 5; i++)
        add_elsewhere(&c, 1, 7);
    oh_counters_put(&c, 1, 3);
    ck_assert_uint_eq(oh_counters_get(&c, 1), 3);
    ck_assert_uint_eq(stripes_in_use(&c, 1), 1);
    oh_counters_put(&c, 1, 0);
    ck_assert_uint_eq(stripes_in_use(&c, 1), 0);
    ck_assert_uint_eq(oh_counters_get(&c, 0), 0);
    end(&c);
}
END_TEST

START_TEST(take_leaves_zero) {
    oh_counters_t c = make(2, 4);
    ck_assert_uint_eq(oh_counters_take(&c, 0), 0);
    for (uint64_t i = 1; i <= 5; i++)
        add_elsewhere(&c, 0, i);
    oh_counters_add(&c, 1, 100);
    ck_assert_uint_eq(oh_counters_take(&c, 0), 15);
    ck_assert_uint_eq(stripes_in_use(&c, 0), 0);
    ck_assert_uint_eq(oh_counters_take(&c, 0), 0);
    ck_assert_uint_eq(oh_counters_take(&c, 1), 100);
    end(&c);
}
END_TEST

/* Each range of each small shape, by each of the three ways to read. */
START_TEST(ranges_are_read_and_summed_as_each_counter_is) {
    enum { SIZE = 21 };
    for (uint64_t stripes = 1; stripes <= 8; stripes *= 2) {
        oh_counters_t c = make(SIZE, stripes);
        for (uint64_t i = 0; i < SIZE; i++)
            for (uint64_t s = 0; s < stripes; s++)
                oh_store_relaxed(&c.cell[s * c.stripe_cells + i], (i + 1) * 1000 + s);
        for (uint64_t from = 0; from <= SIZE; from++) {
            for (uint64_t count = 0; count <= SIZE - from; count++) {
                /* One byte on: values need not be aligned. */
                unsigned char bytes[1 + (SIZE + 1) * sizeof(uint64_t)];
                memset(bytes, 0xAA, sizeof bytes);
                oh_counters_read(&c, from, count, bytes + 1);
                uint64_t sum = 0, value;
                for (uint64_t i = 0; i < count; i++) {
                    memcpy(&value, bytes + 1 + i * sizeof value, sizeof value);
                    ck_assert_uint_eq(value, oh_counters_get(&c, from + i));
                    sum += value;
                }
                memcpy(&value, bytes + 1 + count * sizeof value, sizeof value);
                ck_assert_uint_eq(value, 0xAAAAAAAAAAAAAAAA);
                ck_assert_uint_eq(oh_counters_sum(&c, from, count), sum);
            }
        }
        ck_assert_uint_eq(oh_counters_get(&c, 20), stripes * 21000 + stripes * (stripes - 1) / 2);
        end(&c);
    }
}
END_TEST

START_TEST(what_was_written_between_stripes_is_found) {
    oh_counters_t c = make(9, 2);
    oh_store_relaxed(&c.cell[c.stripe_cells + 9], 1);
    ck_assert(!oh_counters_valid(&c));
    oh_store_relaxed(&c.cell[c.stripe_cells + 9], 0);
    end(&c);
}
END_TEST

START_TEST(no_counters_and_no_stripes_are_refused) {
    oh_counters_t c;
    ck_assert_int_eq(oh_counters_init(&c, 0, 1), OH_BADARG);
    ck_assert_int_eq(oh_counters_init(&c, 1, 0), OH_BADARG);
    ck_assert_int_eq(oh_counters_init(&c, 0, 0), OH_BADARG);
}
END_TEST

START_TEST(more_than_the_limits_are_refused) {
    static const uint64_t sizes[] = {
        OH_COUNTERS_CELLS_MAX + 1, (uint64_t)1 << 60, (uint64_t)1 << 61,
        (uint64_t)1 << 63,         UINT64_MAX - 6,    UINT64_MAX};
    static const uint64_t stripes[] = {1, 2, 1024};
    oh_counters_t c;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t j = 0; j < sizeof stripes / sizeof stripes[0]; j++)
            ck_assert_int_eq(oh_counters_init(&c, sizes[i], stripes[j]), OH_LIMIT);
    ck_assert_int_eq(oh_counters_init(&c, OH_COUNTERS_CELLS_MAX / 1024 + 1, 1024), OH_LIMIT);
    ck_assert_int_eq(oh_counters_init(&c, OH_COUNTERS_CELLS_MAX / 2 + 1, 2), OH_LIMIT);
    ck_assert_int_eq(oh_counters_init(&c, 1, OH_COUNTERS_STRIPES_MAX + 1), OH_LIMIT);
    ck_assert_int_eq(oh_counters_init(&c, 1, UINT64_MAX), OH_LIMIT);
}
END_TEST

START_TEST(the_limit_itself_works_or_is_out_of_memory) {
    oh_counters_t c;
    oh_status_t status = oh_counters_init(&c, OH_COUNTERS_CELLS_MAX / 4, 4);
    if (status == OH_OK) {
        for (int i = 0; i < 4; i++)
            add_elsewhere(&c, c.size - 1, 1);
        ck_assert_uint_eq(oh_counters_get(&c, c.size - 1), 4);
        end(&c);
    } else {
        ck_assert_int_eq(status, OH_ENOMEM);
    }
}
END_TEST

START_TEST(memory_that_is_out_is_reported_and_leaves_nothing) {
    oh_counters_t c;
    long before = suite_blocks;
    suite_allocations_left = 0;
    ck_assert_int_eq(oh_counters_init(&c, 1, 1), OH_ENOMEM);
    ck_assert_int_eq(oh_counters_init(&c, 1000, 4), OH_ENOMEM);
    oh_counters_free(&c);
    suite_allocations_left = SUITE_NO_LIMIT;
    ck_assert_int_eq(suite_blocks, before);
    c = make(1000, 4);
    ck_assert_int_eq(suite_blocks, before + 1);
    end(&c);
    ck_assert_int_eq(suite_blocks, before);
    oh_counters_free(&c);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_counters");
    TCase *tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, new_counters_are_zero_in_any_shape);
    tcase_add_test(tcase, threads_add_to_stripes_of_their_own);
    tcase_add_test(tcase, add_wraps_at_both_ends_of_the_word);
    tcase_add_test(tcase, put_sets_whatever_the_stripes_hold);
    tcase_add_test(tcase, take_leaves_zero);
    tcase_add_test(tcase, ranges_are_read_and_summed_as_each_counter_is);
    tcase_add_test(tcase, what_was_written_between_stripes_is_found);
    tcase_add_test(tcase, no_counters_and_no_stripes_are_refused);
    tcase_add_test(tcase, more_than_the_limits_are_refused);
    tcase_add_test(tcase, the_limit_itself_works_or_is_out_of_memory);
    tcase_add_test(tcase, memory_that_is_out_is_reported_and_leaves_nothing);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
