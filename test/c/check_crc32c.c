/* oh_crc32c: known checksums, both ways against a bitwise loop, and in parts. */
#include <stdio.h>
#include <string.h>

#include "oh_crc32c.h"
#include "suite.h"

enum { MOST = 20000 };

static uint64_t seed = 1;

static uint64_t next_random(void) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed >> 33;
}

static uint32_t bitwise(uint32_t crc, const uint8_t *bytes, uint64_t length) {
    crc = ~crc;
    for (uint64_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
    }
    return ~crc;
}

static void expect(uint32_t crc, const void *bytes, uint64_t length) {
    ck_assert_uint_eq(oh_crc32c(0, bytes, length), crc);
    ck_assert_uint_eq(oh_crc32c_portable(0, bytes, length), crc);
    ck_assert_uint_eq(bitwise(0, bytes, length), crc);
}

/* RFC 3720, B.4, and the check value of the catalogues. */
START_TEST(gives_the_published_values) {
    uint8_t bytes[32];
    expect(0, "", 0);
    expect(0xE3069283, "123456789", 9);
    memset(bytes, 0, sizeof bytes);
    expect(0x8A9136AA, bytes, sizeof bytes);
    memset(bytes, 0xFF, sizeof bytes);
    expect(0x62A8AB43, bytes, sizeof bytes);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    expect(0x46DD794E, bytes, sizeof bytes);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = 31 - i;
    expect(0x113FDB5C, bytes, sizeof bytes);
}
END_TEST

START_TEST(any_length_at_any_alignment) {
    for (int round = 0; round < 3000; round++) {
        uint64_t before = next_random() % 16;
        uint64_t length = next_random() % (round % 20 == 0 ? MOST : 900);
        uint8_t *block = malloc(before + length + 1), *bytes = block + before;
        uint32_t previous = (uint32_t)next_random();
        for (uint64_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)next_random();
        block = realloc(block, before + length + (before + length == 0)); /* no byte to spare */
        bytes = block + before;
        uint32_t crc = bitwise(previous, bytes, length);
        ck_assert_uint_eq(oh_crc32c(previous, bytes, length), crc);
        ck_assert_uint_eq(oh_crc32c_portable(previous, bytes, length), crc);
        uint64_t part = length == 0 ? 0 : next_random() % length;
        ck_assert_uint_eq(oh_crc32c(oh_crc32c(previous, bytes, part), bytes + part, length - part),
                          crc);
        free(block);
    }
}
END_TEST

START_TEST(around_the_lengths_of_streams) {
    static uint8_t bytes[6 * 2048 + 3 * 128 + 32];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)next_random();
    for (uint64_t base = 0; base <= 12288; base += 384)
        for (uint64_t more = 0; more < 18 && base + more <= sizeof bytes; more++)
            expect(bitwise(0, bytes, base + more), bytes, base + more);
}
END_TEST

int main(void) {
    printf("oh_crc32c: by %s\n", oh_crc32c_is_native() ? "instructions" : "tables");
    TCase *tcase = tcase_create("crc32c");
    tcase_add_test(tcase, gives_the_published_values);
    tcase_add_test(tcase, any_length_at_any_alignment);
    tcase_add_test(tcase, around_the_lengths_of_streams);
    Suite *suite = suite_create("oh_crc32c");
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
