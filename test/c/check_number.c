/* oh_number: which numbers fit, and that they come back from the bytes that each order asks for. */
#include <string.h>

#include "oh_number.h"
#include "suite.h"

static const oh_number_type_t integer_types[] = {
    {OH_NUMBER_UNSIGNED, 1, false}, {OH_NUMBER_UNSIGNED, 2, false}, {OH_NUMBER_UNSIGNED, 4, false},
    {OH_NUMBER_UNSIGNED, 8, false}, {OH_NUMBER_UNSIGNED, 2, true},  {OH_NUMBER_UNSIGNED, 4, true},
    {OH_NUMBER_UNSIGNED, 8, true},  {OH_NUMBER_SIGNED, 1, false},   {OH_NUMBER_SIGNED, 2, false},
    {OH_NUMBER_SIGNED, 4, false},   {OH_NUMBER_SIGNED, 8, false},   {OH_NUMBER_SIGNED, 2, true},
    {OH_NUMBER_SIGNED, 4, true},    {OH_NUMBER_SIGNED, 8, true},
};

enum { INTEGER_TYPES = sizeof integer_types / sizeof *integer_types };

static oh_number_type_t type(oh_number_kind_t kind, uint8_t size, bool swapped) {
    return (oh_number_type_t){kind, size, swapped};
}

static bool fits(oh_number_kind_t kind, uint8_t size, uint64_t word) {
    return oh_number_fits(type(kind, size, false), word);
}

START_TEST(integers_fit_their_range_only) {
    for (uint8_t size = 1; size < 8; size *= 2) {
        uint64_t half = (uint64_t)1 << (8 * size - 1);
        ck_assert(fits(OH_NUMBER_UNSIGNED, size, 0));
        ck_assert(fits(OH_NUMBER_UNSIGNED, size, 2 * half - 1));
        ck_assert(!fits(OH_NUMBER_UNSIGNED, size, 2 * half));
        ck_assert(!fits(OH_NUMBER_UNSIGNED, size, UINT64_MAX));
        ck_assert(fits(OH_NUMBER_SIGNED, size, 0));
        ck_assert(fits(OH_NUMBER_SIGNED, size, half - 1));
        ck_assert(!fits(OH_NUMBER_SIGNED, size, half));
        ck_assert(fits(OH_NUMBER_SIGNED, size, -half));
        ck_assert(!fits(OH_NUMBER_SIGNED, size, -half - 1));
        ck_assert(!fits(OH_NUMBER_SIGNED, size, (uint64_t)INT64_MIN));
        ck_assert(!fits(OH_NUMBER_SIGNED, size, (uint64_t)INT64_MAX));
    }
    ck_assert(fits(OH_NUMBER_UNSIGNED, 8, UINT64_MAX));
    ck_assert(fits(OH_NUMBER_SIGNED, 8, UINT64_MAX));
    ck_assert(fits(OH_NUMBER_SIGNED, 8, (uint64_t)INT64_MIN));
}
END_TEST

START_TEST(floats_fit_if_they_do_not_become_infinite) {
    double largest = 3.4028234663852886e38; /* of 32 bits */
    ck_assert(fits(OH_NUMBER_FLOAT, 4, oh_number_word(largest)));
    ck_assert(fits(OH_NUMBER_FLOAT, 4, oh_number_word(-largest)));
    ck_assert(fits(OH_NUMBER_FLOAT, 4, oh_number_word(1e-300)));
    ck_assert(!fits(OH_NUMBER_FLOAT, 4, oh_number_word(3.5e38)));
    ck_assert(!fits(OH_NUMBER_FLOAT, 4, oh_number_word(-1e300)));
    ck_assert(fits(OH_NUMBER_FLOAT, 4, oh_number_word(INFINITY)));
    ck_assert(fits(OH_NUMBER_FLOAT, 4, oh_number_word(NAN)));
    ck_assert(fits(OH_NUMBER_FLOAT, 8, oh_number_word(1e300)));
}
END_TEST

START_TEST(bytes_are_in_the_order_of_the_type) {
    uint8_t bytes[9] = {0};
    const uint8_t big[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF};
    oh_number_store(type(OH_NUMBER_UNSIGNED, 8, OH_NUMBER_BIG), bytes + 1, 0x0123456789ABCDEF);
    ck_assert_mem_eq(bytes + 1, big, 8);
    oh_number_store(type(OH_NUMBER_UNSIGNED, 8, !OH_NUMBER_BIG), bytes + 1, 0xEFCDAB8967452301);
    ck_assert_mem_eq(bytes + 1, big, 8);
    oh_number_store(type(OH_NUMBER_SIGNED, 4, OH_NUMBER_BIG), bytes + 1, (uint64_t)-2);
    ck_assert_mem_eq(bytes + 1, "\xff\xff\xff\xfe", 4);
    oh_number_store(type(OH_NUMBER_SIGNED, 2, !OH_NUMBER_BIG), bytes + 1, (uint64_t)-2);
    ck_assert_mem_eq(bytes + 1, "\xfe\xff", 2);
    oh_number_store(type(OH_NUMBER_FLOAT, 4, OH_NUMBER_BIG), bytes + 1, oh_number_word(-1.5));
    ck_assert_mem_eq(bytes + 1, "\xbf\xc0\0\0", 4);
    oh_number_store(type(OH_NUMBER_FLOAT, 8, !OH_NUMBER_BIG), bytes + 1, oh_number_word(-1.5));
    ck_assert_mem_eq(bytes + 1, "\0\0\0\0\0\0\xf8\xbf", 8);
}
END_TEST

START_TEST(integers_come_back_at_any_alignment) {
    uint64_t seed = 1;
    for (int i = 0; i < INTEGER_TYPES; i++) {
        oh_number_type_t t = integer_types[i];
        for (int round = 0; round < 4000; round++) {
            char *block = malloc(8 + t.size), *at = block + round % 8;
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint64_t word = seed >> (64 - 8 * t.size);
            if (t.kind == OH_NUMBER_SIGNED)
                word = (uint64_t)((int64_t)seed >> (64 - 8 * t.size));
            ck_assert(oh_number_fits(t, word));
            oh_number_store(t, at, word);
            ck_assert_uint_eq(oh_number_load(t, at), word);
            free(block);
        }
    }
}
END_TEST

START_TEST(floats_come_back) {
    const double values[] = {0.0, -0.0, 1.5, -2.25, 65504.0, 0x1p-149, 0x1.fffffep127, INFINITY};
    char bytes[12];
    for (int swapped = 0; swapped < 2; swapped++) {
        for (int size = 4; size <= 8; size += 4) {
            oh_number_type_t t = type(OH_NUMBER_FLOAT, (uint8_t)size, swapped);
            for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
                oh_number_store(t, bytes + 3, oh_number_word(values[i]));
                ck_assert_uint_eq(oh_number_load(t, bytes + 3), oh_number_word(values[i]));
            }
            oh_number_store(t, bytes + 3, oh_number_word(NAN));
            ck_assert(isnan(oh_number_double(oh_number_load(t, bytes + 3))));
        }
    }
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("number");
    tcase_add_test(tcase, integers_fit_their_range_only);
    tcase_add_test(tcase, floats_fit_if_they_do_not_become_infinite);
    tcase_add_test(tcase, bytes_are_in_the_order_of_the_type);
    tcase_add_test(tcase, integers_come_back_at_any_alignment);
    tcase_add_test(tcase, floats_come_back);
    Suite *suite = suite_create("oh_number");
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
