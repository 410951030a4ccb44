/* oh_rate_limiter: rates and times at their edges, against the algorithm in 128 bits; arrays. */
#include "oh_rate_limiter.h"
#include "oh_reaper.h"
#include "suite.h"

#define SECOND 1000000000u

static void setup(void) {
    suite_use_allocator();
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
}

static void teardown(void) {
    oh_reaper_stop();
}

static oh_rate_t rate_of(uint64_t units, uint64_t period_ns, uint64_t burst) {
    oh_rate_t rate;
    ck_assert_int_eq(oh_rate_init(&rate, units, period_ns, burst), OH_OK);
    return rate;
}

static oh_rate_limiter_t make(uint64_t size, uint64_t units, uint64_t burst) {
    oh_rate_limiter_t l;
    oh_rate_t rate = rate_of(units, SECOND, burst);
    ck_assert_int_eq(oh_rate_limiter_init(&l, size, &rate), OH_OK);
    return l;
}

static uint64_t time_of(int64_t now_ns) {
    uint64_t time;
    ck_assert(oh_rate_time((uint64_t)now_ns, &time));
    return time;
}

static void assert_granted(oh_grant_t grant, uint64_t left_ns) {
    ck_assert(grant.granted);
    ck_assert_uint_eq(grant.time_ns, left_ns);
}

static void assert_denied(oh_grant_t grant, uint64_t wait_ns) {
    ck_assert(!grant.granted);
    ck_assert_uint_eq(grant.time_ns, wait_ns);
}

START_TEST(intervals_are_rounded_up) {
    ck_assert_uint_eq(rate_of(3, SECOND, 1).interval_ns, 333333334);
    ck_assert_uint_eq(rate_of(1000, SECOND, 1).interval_ns, 1000000);
    ck_assert_uint_eq(rate_of(SECOND, SECOND, 1).interval_ns, 1);
    ck_assert_uint_eq(rate_of(SECOND - 1, SECOND, 1).interval_ns, 2);
    ck_assert_uint_eq(rate_of(UINT64_MAX, UINT64_MAX, 1).interval_ns, 1);
    ck_assert_uint_eq(rate_of(3, SECOND, 3).window_ns, 1000000002);
}
END_TEST

START_TEST(rates_outside_the_domain_are_refused) {
    oh_rate_t rate;
    ck_assert_int_eq(oh_rate_init(&rate, 0, SECOND, 1), OH_BADARG);
    ck_assert_int_eq(oh_rate_init(&rate, 1, 0, 1), OH_BADARG);
    ck_assert_int_eq(oh_rate_init(&rate, 1, SECOND, 0), OH_BADARG);
    ck_assert_int_eq(oh_rate_init(&rate, SECOND + 1, SECOND, 1), OH_BADARG);
    ck_assert_int_eq(oh_rate_init(&rate, UINT64_MAX, SECOND, 1), OH_BADARG);
    ck_assert_int_eq(oh_rate_init(&rate, 1, OH_WINDOW_MAX + 1, 1), OH_BADARG);
    ck_assert_int_eq(oh_rate_init(&rate, 1, UINT64_MAX, 1), OH_BADARG);
    ck_assert_int_eq(oh_rate_init(&rate, 1, 1, OH_WINDOW_MAX + 1), OH_BADARG);
    ck_assert_int_eq(oh_rate_init(&rate, 1, 2, OH_WINDOW_MAX / 2 + 1), OH_BADARG);
    ck_assert_int_eq(oh_rate_init(&rate, 1, SECOND, UINT64_MAX), OH_BADARG);
    ck_assert_int_eq(oh_rate_init(&rate, 1, OH_WINDOW_MAX, 1), OH_OK);
    ck_assert_int_eq(oh_rate_init(&rate, 1, 1, OH_WINDOW_MAX), OH_OK);
    ck_assert_int_eq(oh_rate_init(&rate, 1, 2, OH_WINDOW_MAX / 2), OH_OK);
}
END_TEST

START_TEST(times_are_of_63_bits) {
    static const int64_t in[] = {-((int64_t)1 << 62), -((int64_t)1 << 59),   -1, 0, 1,
                                 (int64_t)1 << 59,    ((int64_t)1 << 62) - 1};
    static const int64_t out[] = {INT64_MIN, -((int64_t)1 << 62) - 1, (int64_t)1 << 62, INT64_MAX};
    uint64_t last = 0, time;
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++) {
        ck_assert(oh_rate_time((uint64_t)in[i], &time));
        ck_assert_uint_gt(time, last);
        last = time;
    }
    for (size_t i = 0; i < sizeof out / sizeof out[0]; i++)
        ck_assert(!oh_rate_time((uint64_t)out[i], &time));
}
END_TEST

START_TEST(units_are_the_quotient) {
    static const uint64_t intervals[] = {1,
                                         2,
                                         3,
                                         5,
                                         7,
                                         1000,
                                         333333334,
                                         1u << 31,
                                         SECOND,
                                         (uint64_t)1 << 61,
                                         OH_WINDOW_MAX - 1,
                                         OH_WINDOW_MAX};
    for (size_t i = 0; i < sizeof intervals / sizeof intervals[0]; i++) {
        uint64_t interval = intervals[i];
        oh_rate_t rate = rate_of(1, interval, OH_WINDOW_MAX / interval);
        for (unsigned bits = 0; bits <= 62; bits++) {
            for (int64_t off = -2; off <= 2; off++) {
                uint64_t time = ((uint64_t)1 << bits) + (uint64_t)off;
                uint64_t multiple = time / interval * interval;
                if (time > OH_WINDOW_MAX)
                    continue;
                ck_assert_uint_eq(oh_rate_units(&rate, time), time / interval);
                ck_assert_uint_eq(oh_rate_units(&rate, multiple), multiple / interval);
            }
        }
        ck_assert_uint_eq(oh_rate_units(&rate, rate.window_ns), rate.burst);
        ck_assert_uint_eq(oh_rate_units(&rate, rate.window_ns - 1), rate.burst - 1);
    }
}
END_TEST

/* States and times at all corners, decided in 128 bits. */
START_TEST(a_decision_is_right_wherever_states_and_times_lie) {
    static const int64_t times[] = {-((int64_t)1 << 62),    -((int64_t)1 << 59) - 1, -1, 0, 1,
                                    ((int64_t)1 << 59) + 1, ((int64_t)1 << 62) - 1};
    const oh_rate_t rates[] = {rate_of(1, 1, 1), rate_of(1, 1, OH_WINDOW_MAX),
                               rate_of(1, OH_WINDOW_MAX, 1), rate_of(1, SECOND, 10)};
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        const oh_rate_t *rate = &rates[r];
        const uint64_t costs[] = {0, 1, rate->burst / 2, rate->burst};
        for (size_t c = 0; c < 4; c++)
            for (size_t i = 0; i < 7; i++)
                for (size_t j = 0; j < 7; j++)
                    for (int64_t used = -1; used <= 1; used++) {
                        /* The state left by a time at which the bucket was emptied, or nearly. */
                        uint64_t time = time_of(times[j]), cost = costs[c];
                        uint64_t state = time_of(times[i]) + rate->window_ns -
                                         (uint64_t)(used < 1) -
                                         (uint64_t)(used < 0 ? rate->window_ns / 2 : 0);
                        __int128 next = (__int128)(state > time ? state : time) +
                                        (__int128)cost * rate->interval_ns;
                        __int128 ahead = next - time;
                        oh_grant_t grant = oh_rate_decide(rate, state, time, cost);
                        ck_assert_int_eq(grant.granted, ahead <= rate->window_ns);
                        if (grant.granted) {
                            ck_assert(next <= UINT64_MAX && grant.state == (uint64_t)next);
                            ck_assert(grant.time_ns == (uint64_t)(rate->window_ns - ahead));
                        } else {
                            ck_assert(grant.state == state);
                            ck_assert(grant.time_ns == (uint64_t)(ahead - rate->window_ns));
                        }
                    }
    }
}
END_TEST

START_TEST(a_bucket_empties_and_fills) {
    oh_rate_limiter_t l = make(3, 10, 5);
    uint64_t interval = l.rate.interval_ns;
    static const int64_t starts[] = {0, -((int64_t)1 << 59), -((int64_t)1 << 62),
                                     ((int64_t)1 << 62) - 10 * (int64_t)SECOND};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        uint64_t now = time_of(starts[i]);
        oh_rate_limiter_reset(&l, 1);
        for (uint64_t n = 1; n <= 5; n++)
            assert_granted(oh_rate_limiter_take(&l, 1, now, 1), (5 - n) * interval);
        assert_denied(oh_rate_limiter_take(&l, 1, now, 1), interval);
        assert_denied(oh_rate_limiter_take(&l, 1, now + 1, 2), 2 * interval - 1);
        assert_denied(oh_rate_limiter_take(&l, 1, now + interval - 1, 1), 1);
        assert_granted(oh_rate_limiter_take(&l, 1, now + interval, 1), 0);
        assert_granted(oh_rate_limiter_take(&l, 1, now + 6 * interval, 5), 0);
        assert_granted(oh_rate_limiter_take(&l, 1, now + 50 * interval, 2), 3 * interval);
        ck_assert(oh_rate_limiter_valid(&l, now + 50 * interval));
        /* The neighbours are full. */
        ck_assert_uint_eq(oh_load_relaxed(&l.cell[0]), OH_STATE_FULL);
        ck_assert_uint_eq(oh_load_relaxed(&l.cell[2]), OH_STATE_FULL);
    }
    oh_rate_limiter_free(&l);
}
END_TEST

START_TEST(a_cost_of_nothing_and_a_peek_change_nothing) {
    oh_rate_limiter_t l = make(1, 10, 5);
    uint64_t now = time_of(0), interval = l.rate.interval_ns;
    assert_granted(oh_rate_limiter_take(&l, 0, now, 0), 5 * interval);
    assert_granted(oh_rate_limiter_peek(&l, 0, now, 5), 0);
    ck_assert_uint_eq(oh_load_relaxed(&l.cell[0]), OH_STATE_FULL);
    assert_granted(oh_rate_limiter_take(&l, 0, now, 3), 2 * interval);
    assert_granted(oh_rate_limiter_take(&l, 0, now, 0), 2 * interval);
    assert_denied(oh_rate_limiter_peek(&l, 0, now, 3), interval);
    assert_granted(oh_rate_limiter_peek(&l, 0, now, 2), 0);
    ck_assert_uint_eq(oh_load_relaxed(&l.cell[0]), now + 3 * interval);
    oh_rate_limiter_free(&l);
}
END_TEST

START_TEST(a_refund_fills_and_never_overfills) {
    oh_rate_limiter_t l = make(1, 10, 5);
    uint64_t now = time_of(-((int64_t)1 << 62)), interval = l.rate.interval_ns;
    oh_rate_limiter_refund(&l, 0, 5);
    ck_assert_uint_eq(oh_load_relaxed(&l.cell[0]), OH_STATE_FULL);
    oh_rate_limiter_take(&l, 0, now, 5);
    oh_rate_limiter_refund(&l, 0, 2);
    assert_granted(oh_rate_limiter_peek(&l, 0, now, 0), 2 * interval);
    oh_rate_limiter_refund(&l, 0, 5);
    assert_granted(oh_rate_limiter_peek(&l, 0, now, 0), 5 * interval);
    assert_granted(oh_rate_limiter_take(&l, 0, now, 5), 0);
    oh_rate_limiter_free(&l);

    /* The widest bucket, given back twice from the earliest time. */
    oh_rate_t rate = rate_of(1, 1, OH_WINDOW_MAX);
    ck_assert_int_eq(oh_rate_limiter_init(&l, 1, &rate), OH_OK);
    assert_granted(oh_rate_limiter_take(&l, 0, now, OH_WINDOW_MAX), 0);
    for (int i = 0; i < 3; i++)
        oh_rate_limiter_refund(&l, 0, OH_WINDOW_MAX);
    ck_assert_uint_eq(oh_load_relaxed(&l.cell[0]), OH_STATE_FULL);
    oh_rate_limiter_free(&l);
}
END_TEST

START_TEST(an_earlier_time_sees_what_later_ones_took) {
    oh_rate_limiter_t l = make(1, 10, 5);
    uint64_t now = time_of(0), interval = l.rate.interval_ns;
    assert_granted(oh_rate_limiter_take(&l, 0, now + 10 * interval, 5), 0);
    assert_denied(oh_rate_limiter_take(&l, 0, now, 1), 11 * interval);
    assert_denied(oh_rate_limiter_take(&l, 0, now, 0), 10 * interval);
    ck_assert(!oh_rate_limiter_valid(&l, now));
    ck_assert(oh_rate_limiter_valid(&l, now + 10 * interval));
    oh_rate_limiter_free(&l);
}
END_TEST

START_TEST(a_new_array_is_full_to_its_ends) {
    static const uint64_t sizes[] = {1, 2, 1000, 32767, 32768, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        oh_rate_limiter_t l = make(sizes[i], 10, 5);
        ck_assert_uint_eq(oh_rate_limiter_bytes(&l), 8 * sizes[i]);
        ck_assert(oh_rate_limiter_valid(&l, 0));
        assert_granted(oh_rate_limiter_take(&l, 0, time_of(0), 5), 0);
        if (sizes[i] > 1)
            assert_granted(oh_rate_limiter_take(&l, sizes[i] - 1, time_of(0), 5), 0);
        oh_rate_limiter_free(&l);
        ck_assert_ptr_null((void *)l.cell);
        oh_rate_limiter_free(&l);
    }
}
END_TEST

START_TEST(sizes_outside_the_limit_are_refused) {
    static const uint64_t sizes[] = {OH_RATE_LIMITER_SIZE_MAX + 1, (uint64_t)1 << 61,
                                     ((uint64_t)1 << 61) + 1, UINT64_MAX};
    oh_rate_t rate = rate_of(1, 1, 1);
    oh_rate_limiter_t l;
    ck_assert_int_eq(oh_rate_limiter_init(&l, 0, &rate), OH_BADARG);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        ck_assert_int_eq(oh_rate_limiter_init(&l, sizes[i], &rate), OH_LIMIT);
}
END_TEST

START_TEST(memory_that_is_out_is_reported_and_leaves_nothing) {
    oh_rate_t rate = rate_of(1, 1, 1);
    oh_rate_limiter_t l;
    long before = suite_blocks;
    suite_allocations_left = 0;
    ck_assert_int_eq(oh_rate_limiter_init(&l, 1000, &rate), OH_ENOMEM);
    suite_allocations_left = SUITE_NO_LIMIT;
    ck_assert_int_eq(suite_blocks, before);
    ck_assert_int_eq(oh_rate_limiter_init(&l, 1000, &rate), OH_OK);
    ck_assert_int_eq(suite_blocks, before + 1);
    oh_rate_limiter_free(&l);
    ck_assert_int_eq(suite_blocks, before);
}
END_TEST

START_TEST(what_is_out_of_order_is_not_valid) {
    oh_rate_limiter_t l = make(2, 10, 5);
    oh_store_relaxed(&l.cell[1], time_of(0) + l.rate.window_ns + 1);
    ck_assert(!oh_rate_limiter_valid(&l, time_of(0)));
    oh_rate_limiter_reset(&l, 1);
    ck_assert(oh_rate_limiter_valid(&l, time_of(0)));
    l.rate.window_ns++;
    ck_assert(!oh_rate_limiter_valid(&l, time_of(0)));
    oh_rate_limiter_free(&l);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_rate_limiter");
    TCase *tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, intervals_are_rounded_up);
    tcase_add_test(tcase, rates_outside_the_domain_are_refused);
    tcase_add_test(tcase, times_are_of_63_bits);
    tcase_add_test(tcase, units_are_the_quotient);
    tcase_add_test(tcase, a_decision_is_right_wherever_states_and_times_lie);
    tcase_add_test(tcase, a_bucket_empties_and_fills);
    tcase_add_test(tcase, a_cost_of_nothing_and_a_peek_change_nothing);
    tcase_add_test(tcase, a_refund_fills_and_never_overfills);
    tcase_add_test(tcase, an_earlier_time_sees_what_later_ones_took);
    tcase_add_test(tcase, a_new_array_is_full_to_its_ends);
    tcase_add_test(tcase, sizes_outside_the_limit_are_refused);
    tcase_add_test(tcase, memory_that_is_out_is_reported_and_leaves_nothing);
    tcase_add_test(tcase, what_is_out_of_order_is_not_valid);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
