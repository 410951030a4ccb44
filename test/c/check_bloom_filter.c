/* oh_bloom_filter: never a wrong no, the rate of wrong yeses, shapes at the edges. */
#include "oh_bloom_filter.h"
#include "oh_mix.h"
#include "oh_reaper.h"
#include "suite.h"

static void setup(void) {
    suite_use_allocator();
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
}

static void teardown(void) {
    oh_reaper_stop();
}

static oh_bloom_filter_t make(uint64_t bits, uint32_t hashes) {
    oh_bloom_filter_t f;
    ck_assert_int_eq(oh_bloom_filter_init(&f, bits, hashes), OH_OK);
    return f;
}

static uint64_t members(const oh_bloom_filter_t *f, uint64_t from, uint64_t to) {
    uint64_t count = 0;
    for (uint64_t i = from; i < to; i++)
        count += oh_bloom_filter_member(f, oh_mix(i));
    return count;
}

START_TEST(what_was_added_is_a_member_in_every_shape) {
    static const uint64_t bits[] = {1, 63, 64, 65, 1000, 10007};
    static const uint32_t hashes[] = {1, 2, 7, 30, OH_BLOOM_FILTER_HASHES_MAX};
    for (size_t b = 0; b < sizeof bits / sizeof bits[0]; b++)
        for (size_t h = 0; h < sizeof hashes / sizeof hashes[0]; h++) {
            oh_bloom_filter_t f = make(bits[b], hashes[h]);
            ck_assert_uint_eq(members(&f, 0, 100), 0);
            for (uint64_t i = 0; i < 100; i++) {
                (void)oh_bloom_filter_add(&f, oh_mix(i));
                ck_assert(oh_bloom_filter_add(&f, oh_mix(i)));
            }
            ck_assert_uint_eq(members(&f, 0, 100), 100);
            ck_assert(oh_bitset_valid(&f.bits));
            oh_bloom_filter_free(&f);
        }
}
END_TEST

START_TEST(add_tells_whether_it_was_a_member) {
    oh_bloom_filter_t f = make(3000, 4);
    for (uint64_t i = 0; i < 1000; i++) {
        bool member = oh_bloom_filter_member(&f, oh_mix(i));
        ck_assert(oh_bloom_filter_add(&f, oh_mix(i)) == member);
    }
    oh_bloom_filter_free(&f);
}
END_TEST

START_TEST(a_hash_has_as_many_bits_as_it_should) {
    /* Positions of one hash may fall together: in a million bits that is rare. */
    oh_bloom_filter_t f = make(1000000, 7);
    for (uint64_t i = 0; i < 100; i++)
        (void)oh_bloom_filter_add(&f, oh_mix(i));
    uint64_t ones = oh_bitset_count(&f.bits, 0, f.bits.size);
    ck_assert(ones <= 700 && ones >= 690);
    oh_bloom_filter_free(&f);
}
END_TEST

/* 100,000 keys and the bits and hashes that the textbook gives for a rate; 400,000 others are asked
 * for. Bounds: 4 standard deviations of the binomial law around the rate. */
START_TEST(wrong_yeses_come_at_the_rate_asked_for) {
    static const struct {
        uint64_t bits;
        uint32_t hashes;
        uint64_t low, high;
    } shape[] = {{479253, 3, 39240, 40760}, {958506, 7, 3748, 4252}, {1437759, 10, 320, 480}};
    oh_bloom_filter_t f = make(shape[_i].bits, shape[_i].hashes);
    for (uint64_t i = 0; i < 100000; i++)
        (void)oh_bloom_filter_add(&f, oh_mix(i));
    uint64_t wrong = members(&f, 100000, 500000);
    ck_assert_msg(wrong >= shape[_i].low && wrong <= shape[_i].high, "%lu", (unsigned long)wrong);
    oh_bloom_filter_free(&f);
}
END_TEST

START_TEST(a_union_of_bits_has_the_members_of_both) {
    oh_bloom_filter_t a = make(10000, 5), b = make(10000, 5);
    for (uint64_t i = 0; i < 400; i++)
        (void)oh_bloom_filter_add(i % 2 ? &a : &b, oh_mix(i));
    oh_bitset_combine(&a.bits, OH_BITSET_UNION, &b.bits, 0, a.bits.words);
    ck_assert_uint_eq(members(&a, 0, 400), 400);
    oh_bloom_filter_free(&a);
    oh_bloom_filter_free(&b);
}
END_TEST

START_TEST(shapes_that_make_no_filter_are_refused) {
    oh_bloom_filter_t f;
    ck_assert_int_eq(oh_bloom_filter_init(&f, 0, 1), OH_BADARG);
    ck_assert_int_eq(oh_bloom_filter_init(&f, 64, 0), OH_BADARG);
    ck_assert_int_eq(oh_bloom_filter_init(&f, 64, OH_BLOOM_FILTER_HASHES_MAX + 1), OH_BADARG);
    ck_assert_int_eq(oh_bloom_filter_init(&f, 64, UINT32_MAX), OH_BADARG);
    ck_assert_int_eq(oh_bloom_filter_init(&f, OH_BITSET_SIZE_MAX + 1, 1), OH_LIMIT);
    long before = suite_blocks;
    suite_allocations_left = 0;
    ck_assert_int_eq(oh_bloom_filter_init(&f, 64, 1), OH_ENOMEM);
    suite_allocations_left = SUITE_NO_LIMIT;
    ck_assert_int_eq(suite_blocks, before);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_bloom_filter");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, what_was_added_is_a_member_in_every_shape);
    tcase_add_test(tcase, add_tells_whether_it_was_a_member);
    tcase_add_test(tcase, a_hash_has_as_many_bits_as_it_should);
    tcase_add_loop_test(tcase, wrong_yeses_come_at_the_rate_asked_for, 0, 3);
    tcase_add_test(tcase, a_union_of_bits_has_the_members_of_both);
    tcase_add_test(tcase, shapes_that_make_no_filter_are_refused);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
