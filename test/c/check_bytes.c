/* oh_bytes: each function against the plainest loop, at every alignment, at the end of an
 * allocation (where ASan sees a byte too many). */
#include <string.h>

#include "oh_bytes.h"
#include "suite.h"

enum { MOST = 700 };

static uint64_t seed = 1;

static uint64_t next_random(void) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed >> 33;
}

/* length bytes of a small alphabet, which end with their allocation; of any alignment. */
static char *random_bytes(uint64_t length, unsigned alphabet, char **block) {
    uint64_t before = next_random() % 64;
    *block = malloc(before + length + (before + length == 0));
    char *bytes = *block + before;
    for (uint64_t i = 0; i < length; i++)
        bytes[i] = (char)(next_random() % alphabet + 100);
    return bytes;
}

static uint64_t naive_find(const char *bytes, uint64_t length, const char *pattern, uint64_t size) {
    for (uint64_t at = 0; at + size <= length; at++)
        if (memcmp(bytes + at, pattern, size) == 0)
            return at;
    return OH_BYTES_NOT_FOUND;
}

START_TEST(finds_what_a_loop_finds) {
    for (int round = 0; round < 30000; round++) {
        char *block, *pattern_block;
        unsigned alphabet = next_random() % 3 == 0 ? 256 : (unsigned)(next_random() % 3 + 1);
        uint64_t length = next_random() % (round % 10 == 0 ? MOST : 70);
        uint64_t size = next_random() % (round % 10 == 1 ? 90 : 20) + 1;
        char *bytes = random_bytes(length, alphabet, &block);
        char *pattern = random_bytes(size, alphabet, &pattern_block);
        if (size <= length && next_random() % 2 == 0)
            memcpy(pattern, bytes + next_random() % (length - size + 1), size);
        ck_assert_uint_eq(oh_bytes_find(bytes, length, pattern, size),
                          naive_find(bytes, length, pattern, size));
        free(pattern_block);
        free(block);
    }
}
END_TEST

START_TEST(finds_at_every_place) {
    char bytes[100];
    for (uint64_t size = 1; size <= 40; size++) {
        for (uint64_t at = 0; at + size <= sizeof bytes; at++) {
            char pattern[40];
            memset(bytes, 'a', sizeof bytes);
            memset(pattern, 'b', sizeof pattern);
            memcpy(bytes + at, pattern, size);
            ck_assert_uint_eq(oh_bytes_find(bytes, sizeof bytes, pattern, size), at);
            ck_assert_uint_eq(oh_bytes_find(bytes, at + size, pattern, size), at);
            ck_assert_uint_eq(oh_bytes_find(bytes, at + size - 1, pattern, size),
                              OH_BYTES_NOT_FOUND);
        }
    }
    ck_assert_uint_eq(oh_bytes_find(bytes, 0, "x", 1), OH_BYTES_NOT_FOUND);
    ck_assert_uint_eq(oh_bytes_find(bytes, 1, "xy", UINT64_MAX), OH_BYTES_NOT_FOUND);
}
END_TEST

START_TEST(compares_as_unsigned_bytes) {
    ck_assert_int_eq(oh_bytes_compare("", "", 0), 0);
    ck_assert_int_eq(oh_bytes_compare(NULL, NULL, 0), 0);
    ck_assert_int_eq(oh_bytes_compare("abc", "abd", 3), -1);
    ck_assert_int_eq(oh_bytes_compare("abc", "abd", 2), 0);
    ck_assert_int_eq(oh_bytes_compare("a\xff", "a\x7f", 2), 1);
    for (int round = 0; round < 5000; round++) {
        char *x_block, *y_block;
        uint64_t length = next_random() % 80, i = 0;
        char *x = random_bytes(length, 256, &x_block), *y = random_bytes(length, 256, &y_block);
        memcpy(y, x, length > 0 ? next_random() % length : 0);
        while (i < length && x[i] == y[i])
            i++;
        int order = i == length ? 0 : (unsigned char)x[i] < (unsigned char)y[i] ? -1 : 1;
        ck_assert_int_eq(oh_bytes_compare(x, y, length), order);
        free(x_block);
        free(y_block);
    }
}
END_TEST

START_TEST(combines_byte_by_byte) {
    for (int round = 0; round < 10000; round++) {
        char *block, *key_block;
        uint64_t length = next_random() % MOST;
        uint64_t size = next_random() % (round % 2 ? 12 : 600) + 1;
        char *bytes = random_bytes(length, 256, &block);
        char *key = random_bytes(size, 256, &key_block);
        char expected[MOST];
        for (uint64_t i = 0; i < length; i++)
            expected[i] = bytes[i] ^ key[i % size];
        oh_bytes_bxor_repeated(bytes, length, key, size);
        ck_assert(length == 0 || memcmp(bytes, expected, length) == 0);
        if (size <= length) {
            oh_bytes_bxor(bytes, key, size);
            for (uint64_t i = 0; i < size; i++)
                ck_assert_int_eq(bytes[i], (char)(expected[i] ^ key[i]));
        }
        free(key_block);
        free(block);
    }
}
END_TEST

START_TEST(bytes_combined_with_themselves_are_zero) {
    char bytes[131];
    memset(bytes, 'x', sizeof bytes);
    oh_bytes_bxor(bytes, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        ck_assert_int_eq(bytes[i], 0);
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("bytes");
    tcase_add_test(tcase, finds_what_a_loop_finds);
    tcase_add_test(tcase, finds_at_every_place);
    tcase_add_test(tcase, compares_as_unsigned_bytes);
    tcase_add_test(tcase, combines_byte_by_byte);
    tcase_add_test(tcase, bytes_combined_with_themselves_are_zero);
    Suite *suite = suite_create("oh_bytes");
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
