/* oh_concurrency_limiter: limits at the edges, permits given back once. */
#include "oh_concurrency_limiter.h"
#include "suite.h"

static oh_concurrency_limiter_t make(uint64_t limit) {
    oh_concurrency_limiter_t l;
    ck_assert_int_eq(oh_concurrency_limiter_init(&l, limit), OH_OK);
    return l;
}

START_TEST(a_limit_of_none_is_refused) {
    oh_concurrency_limiter_t l;
    ck_assert_int_eq(oh_concurrency_limiter_init(&l, 0), OH_BADARG);
}
END_TEST

START_TEST(permits_go_out_up_to_the_limit) {
    for (uint64_t limit = 1; limit <= 5; limit++) {
        oh_concurrency_limiter_t l = make(limit);
        for (uint64_t i = 0; i < limit; i++) {
            ck_assert_uint_eq(oh_concurrency_limiter_in_use(&l), i);
            ck_assert(oh_concurrency_limiter_acquire(&l));
            ck_assert(oh_concurrency_limiter_valid(&l));
        }
        ck_assert(!oh_concurrency_limiter_acquire(&l));
        ck_assert_uint_eq(oh_concurrency_limiter_in_use(&l), limit);
    }
}
END_TEST

START_TEST(a_permit_is_given_back_once) {
    oh_concurrency_limiter_t l = make(2);
    oh_permit_t a, b;
    ck_assert(oh_concurrency_limiter_acquire(&l));
    oh_permit_init(&a, &l);
    ck_assert(oh_concurrency_limiter_acquire(&l));
    oh_permit_init(&b, &l);
    ck_assert(oh_permit_release(&a));
    ck_assert(!oh_permit_release(&a));
    ck_assert_uint_eq(oh_concurrency_limiter_in_use(&l), 1);
    ck_assert(oh_concurrency_limiter_acquire(&l));
    /* Not the new one's either. */
    ck_assert(!oh_permit_release(&a));
    ck_assert_uint_eq(oh_concurrency_limiter_in_use(&l), 2);
    ck_assert(oh_permit_release(&b));
    ck_assert(!oh_permit_release(&b));
    ck_assert_uint_eq(oh_concurrency_limiter_in_use(&l), 1);
    ck_assert(oh_concurrency_limiter_valid(&l));
}
END_TEST

START_TEST(the_largest_limit_is_a_limit) {
    oh_concurrency_limiter_t l = make(UINT64_MAX);
    oh_permit_t permit;
    oh_store_relaxed(&l.in_use, UINT64_MAX - 1);
    ck_assert(oh_concurrency_limiter_acquire(&l));
    oh_permit_init(&permit, &l);
    ck_assert(!oh_concurrency_limiter_acquire(&l));
    ck_assert(oh_permit_release(&permit));
    ck_assert_uint_eq(oh_concurrency_limiter_in_use(&l), UINT64_MAX - 1);
}
END_TEST

START_TEST(more_permits_than_the_limit_are_not_valid) {
    oh_concurrency_limiter_t l = make(3);
    oh_store_relaxed(&l.in_use, 4);
    ck_assert(!oh_concurrency_limiter_valid(&l));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_concurrency_limiter");
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, a_limit_of_none_is_refused);
    tcase_add_test(tcase, permits_go_out_up_to_the_limit);
    tcase_add_test(tcase, a_permit_is_given_back_once);
    tcase_add_test(tcase, the_largest_limit_is_a_limit);
    tcase_add_test(tcase, more_permits_than_the_limit_are_not_valid);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
