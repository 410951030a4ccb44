/* oh_histogram_codec: bytes written out by hand, round trips, and bytes that are nothing. */
#include "oh_histogram_codec.h"
#include "oh_reaper.h"
#include "suite.h"

#include <string.h>

#define HEADER_BYTES 40

static uint64_t seed;

static void setup(void) {
    suite_use_allocator();
    seed = 42;
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
}

static void teardown(void) {
    oh_reaper_stop();
}

static uint64_t random_word(void) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    uint64_t word = seed ^ seed >> 29;
    return word >> (seed >> 58);
}

static oh_histogram_t hdr(uint64_t lowest, uint64_t highest, uint32_t digits) {
    oh_histogram_layout_t l;
    oh_histogram_t h;
    ck_assert_int_eq(oh_histogram_layout_init_hdr(&l, lowest, highest, digits), OH_OK);
    ck_assert_int_eq(oh_histogram_init(&h, l, 2), OH_OK);
    return h;
}

static void record(oh_histogram_t *h, uint64_t value, uint64_t n) {
    ck_assert_int_eq(oh_histogram_record_integer(h, value, n), OH_OK);
}

/* The encoding, which the caller frees. */
static uint8_t *encode(oh_histogram_t *h, size_t *bytes) {
    uint64_t budget = UINT64_MAX;
    ck_assert_int_eq(oh_histogram_begin(h, &budget), OH_OK);
    ck_assert_int_eq(oh_histogram_encoded_bytes(h, bytes), OH_OK);
    uint8_t *data = malloc(*bytes);
    oh_histogram_encode(h, data, *bytes);
    oh_histogram_end(h);
    return data;
}

/* Decodes a copy that ends where its memory ends, for the sanitizer to see. */
static oh_status_t decode(oh_histogram_t *h, const uint8_t *data, size_t bytes) {
    uint8_t *copy = malloc(bytes + !bytes);
    memcpy(copy, data, bytes);
    oh_status_t status = oh_histogram_decode(h, 2, copy, bytes);
    free(copy);
    return status;
}

/* A histogram of 2 digits up to 1000000: cells 0..255 are single values, then 128 cells a power of
 * two. The payload: 0 once: cell 0; 1 three times: cell 1; then cells 2..9 empty (-8); 10 64 times;
 * cell 11 empty (0); 12 once; then 13..383 empty (-371); 512..515 8192 times: cell 384. ZigZag: n
 * is 2n, -n is 2n - 1; seven bits a byte, the low ones first. */
static const uint8_t known[] = {
    0x1c, 0x84, 0x93, 0x13,                         /* cookie */
    0x00, 0x00, 0x00, 0x0d,                         /* 13 bytes of payload */
    0x00, 0x00, 0x00, 0x00,                         /* offset */
    0x00, 0x00, 0x00, 0x02,                         /* digits */
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, /* lowest */
    0x00, 0x00, 0x00, 0x00, 0x00, 0x0f, 0x42, 0x40, /* highest */
    0x3f, 0xf0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* 1.0 */
    0x02,                                           /* 1 -> 2 */
    0x06,                                           /* 3 -> 6 */
    0x0f,                                           /* -8 -> 15 */
    0x80, 0x01,                                     /* 64 -> 128 = 0 + 1 * 2^7 */
    0x00,                                           /* 0 */
    0x02,                                           /* 1 -> 2 */
    0xe5, 0x05,                                     /* -371 -> 741 = 101 + 5 * 2^7 */
    0x80, 0x80, 0x01,                               /* 8192 -> 16384 = 0 + 0 * 2^7 + 1 * 2^14 */
    0x02,                                           /* 1 -> 2: cell 385, 516..519 */
};

START_TEST(the_encoding_is_the_one_written_by_hand) {
    oh_histogram_t h = hdr(1, 1000000, 2);
    size_t bytes;
    record(&h, 0, 1);
    record(&h, 1, 3);
    record(&h, 10, 64);
    record(&h, 12, 1);
    record(&h, 512, 8000);
    record(&h, 515, 192);
    record(&h, 518, 1);
    uint8_t *data = encode(&h, &bytes);
    ck_assert_uint_eq(bytes, sizeof known);
    ck_assert_mem_eq(data, known, sizeof known);
    free(data);
    oh_histogram_free(&h);
}
END_TEST

START_TEST(what_was_written_by_hand_is_decoded) {
    oh_histogram_t h;
    ck_assert_int_eq(decode(&h, known, sizeof known), OH_OK);
    ck_assert(oh_histogram_valid(&h));
    ck_assert_uint_eq(h.layout.lowest, 1);
    ck_assert_uint_eq(h.layout.highest, 1000000);
    ck_assert_uint_eq(h.layout.significant_digits, 2);
    ck_assert_uint_eq(h.total->count, 1 + 3 + 64 + 1 + 8192 + 1);
    ck_assert_uint_eq(h.total->cell[1], 3);
    ck_assert_uint_eq(h.total->cell[384], 8192);
    ck_assert_uint_eq(h.total->min.integer, 0);
    ck_assert_uint_eq(h.total->max.integer, 519);
    ck_assert(h.total->integer == 3 + 640 + 12 + 8192 * 514 + 518);
    oh_histogram_free(&h);
}
END_TEST

START_TEST(every_count_comes_back) {
    oh_histogram_t h = hdr(1, INT64_MAX, 1), copy;
    size_t bytes;
    for (unsigned bits = 0; bits < 63; bits++)
        record(&h, (uint64_t)1 << bits, (uint64_t)1 << (bits < 62 ? bits : 61));
    uint8_t *data = encode(&h, &bytes);
    ck_assert_int_eq(decode(&copy, data, bytes), OH_OK);
    ck_assert(oh_histogram_valid(&copy));
    ck_assert_uint_eq(copy.total->count, h.total->count);
    ck_assert_mem_eq(copy.total->cell, h.total->cell, h.layout.cells * sizeof *h.total->cell);
    free(data);
    oh_histogram_free(&copy);
    oh_histogram_free(&h);
}
END_TEST

START_TEST(the_largest_count_takes_nine_bytes) {
    oh_histogram_t h = hdr(1, 1000, 1), copy;
    size_t bytes;
    record(&h, 0, INT64_MAX);
    uint8_t *data = encode(&h, &bytes);
    /* 2^64 - 2: eight bytes with seven bits each, the lowest bit 0, and eight bits in the ninth. */
    static const uint8_t payload[] = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    ck_assert_uint_eq(bytes, HEADER_BYTES + sizeof payload);
    ck_assert_mem_eq(data + HEADER_BYTES, payload, sizeof payload);
    ck_assert_int_eq(decode(&copy, data, bytes), OH_OK);
    ck_assert_uint_eq(copy.total->cell[0], INT64_MAX);
    free(data);
    oh_histogram_free(&copy);
    record(&h, 0, 1);
    uint64_t budget = UINT64_MAX;
    ck_assert_int_eq(oh_histogram_begin(&h, &budget), OH_OK);
    ck_assert_int_eq(oh_histogram_encoded_bytes(&h, &bytes), OH_LIMIT);
    ck_assert_uint_eq(bytes, 0);
    oh_histogram_free(&h);
}
END_TEST

START_TEST(random_histograms_come_back) {
    for (int round = 0; round < 200; round++) {
        uint64_t lowest = 1 + random_word() % 1000;
        oh_histogram_t h = hdr(lowest, 2 * lowest + (random_word() >> 2), 1 + round % 3), copy;
        size_t bytes;
        for (uint64_t i = random_word() % 200; i > 0; i--)
            record(&h, random_word() % (h.layout.highest + 1), 1 + (random_word() >> 16));
        uint8_t *data = encode(&h, &bytes);
        ck_assert_int_eq(decode(&copy, data, bytes), OH_OK);
        ck_assert(oh_histogram_valid(&copy));
        ck_assert_uint_eq(copy.layout.cells, h.layout.cells);
        ck_assert_mem_eq(copy.total->cell, h.total->cell, h.layout.cells * sizeof *h.total->cell);
        free(data);
        oh_histogram_free(&copy);
        oh_histogram_free(&h);
    }
}
END_TEST

START_TEST(an_explicit_histogram_has_no_encoding) {
    oh_histogram_layout_t l;
    oh_histogram_t h;
    size_t bytes = 1;
    ck_assert_int_eq(oh_histogram_layout_init_explicit(&l, (double[]){1}, 1), OH_OK);
    ck_assert_int_eq(oh_histogram_init(&h, l, 2), OH_OK);
    ck_assert_int_eq(oh_histogram_encoded_bytes(&h, &bytes), OH_BADARG);
    ck_assert_uint_eq(bytes, 0);
    oh_histogram_free(&h);
}
END_TEST

START_TEST(what_is_cut_short_is_refused) {
    oh_histogram_t h;
    for (size_t bytes = 0; bytes < sizeof known; bytes++)
        ck_assert_int_eq(decode(&h, known, bytes), OH_BADARG);
    /* With a length that says so, what is there counts; within a number it is refused. */
    uint8_t data[sizeof known];
    memcpy(data, known, sizeof known);
    for (uint8_t payload = 0; payload < sizeof known - HEADER_BYTES; payload++) {
        data[7] = payload;
        bool within = payload == 4 || payload == 8 || payload == 10 || payload == 11;
        oh_status_t status = decode(&h, data, HEADER_BYTES + payload);
        ck_assert_int_eq(status, within ? OH_BADARG : OH_OK);
        if (status == OH_OK) {
            ck_assert(oh_histogram_valid(&h));
            oh_histogram_free(&h);
        }
    }
}
END_TEST

/* known with its payload replaced. */
static oh_status_t decode_payload(const uint8_t *payload, uint8_t bytes) {
    uint8_t data[HEADER_BYTES + 64];
    oh_histogram_t h;
    memcpy(data, known, HEADER_BYTES);
    memcpy(data + HEADER_BYTES, payload, bytes);
    data[7] = bytes;
    oh_status_t status = decode(&h, data, HEADER_BYTES + bytes);
    if (status == OH_OK) {
        ck_assert(oh_histogram_valid(&h));
        oh_histogram_free(&h);
    }
    return status;
}

START_TEST(cells_and_counts_beyond_the_end_are_refused) {
    /* 1792 cells: -1792 is 3583 = 127 + 27 * 2^7, -1793 is 3585, -1791 is 3581. */
    ck_assert_int_eq(decode_payload((uint8_t[]){0xff, 0x1b}, 2), OH_OK);
    ck_assert_int_eq(decode_payload((uint8_t[]){0xff, 0x1b, 0x02}, 3), OH_BADARG);
    ck_assert_int_eq(decode_payload((uint8_t[]){0xff, 0x1b, 0x00}, 3), OH_BADARG);
    ck_assert_int_eq(decode_payload((uint8_t[]){0x81, 0x1c}, 2), OH_BADARG);
    ck_assert_int_eq(decode_payload((uint8_t[]){0xfd, 0x1b, 0x02}, 3), OH_OK);
    ck_assert_int_eq(decode_payload((uint8_t[]){0xfd, 0x1b, 0x02, 0x02}, 4), OH_BADARG);
    /* -2^63, and 2^63 - 1 with one more. */
    static const uint8_t most[] = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    ck_assert_int_eq(
        decode_payload((uint8_t[]){0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 9),
        OH_BADARG);
    ck_assert_int_eq(decode_payload(most, 9), OH_OK);
    ck_assert_int_eq(decode_payload(most, 10), OH_BADARG);
    ck_assert_int_eq(suite_blocks, 0);
}
END_TEST

START_TEST(headers_that_are_wrong_are_refused) {
    static const struct {
        uint8_t at, byte;
    } wrong[] = {
        {0, 0x1d}, {3, 0x03}, {3, 0x14},  {4, 0x80}, {7, 0x0c},  {7, 0x0e},  {11, 1},    {12, 0xff},
        {15, 0},   {15, 6},   {16, 0x80}, {23, 0},   {24, 0x80}, {32, 0xbf}, {33, 0xf8}, {39, 0x01},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint8_t data[sizeof known];
        oh_histogram_t h;
        memcpy(data, known, sizeof known);
        data[wrong[i].at] = wrong[i].byte;
        ck_assert_int_eq(decode(&h, data, sizeof data), OH_BADARG);
    }
    ck_assert_int_eq(suite_blocks, 0);
}
END_TEST

START_TEST(any_bytes_are_decoded_or_refused) {
    uint8_t data[sizeof known];
    oh_histogram_t h;
    int decoded = 0;
    for (int round = 0; round < 20000; round++) {
        size_t bytes = sizeof known;
        memcpy(data, known, sizeof known);
        for (uint64_t i = 1 + random_word() % 3; i > 0; i--)
            data[(random_word() & 1 ? HEADER_BYTES : 0) +
                 random_word() % (sizeof known - HEADER_BYTES)] = (uint8_t)random_word();
        if (random_word() % 4 == 0)
            bytes = random_word() % sizeof known;
        if (decode(&h, data, bytes) == OH_OK) {
            ck_assert(h.layout.cells > 100000 || oh_histogram_valid(&h));
            oh_histogram_free(&h);
            decoded++;
        }
    }
    ck_assert_int_gt(decoded, 100);
    ck_assert_int_eq(suite_blocks, 0);
}
END_TEST

START_TEST(memory_that_is_out_is_reported_and_leaves_nothing) {
    oh_histogram_t h;
    for (long left = 0; left < 2; left++) {
        suite_allocations_left = left;
        ck_assert_int_eq(decode(&h, known, sizeof known), OH_ENOMEM);
        ck_assert_int_eq(suite_blocks, 0);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_histogram_codec");
    TCase *tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, the_encoding_is_the_one_written_by_hand);
    tcase_add_test(tcase, what_was_written_by_hand_is_decoded);
    tcase_add_test(tcase, every_count_comes_back);
    tcase_add_test(tcase, the_largest_count_takes_nine_bytes);
    tcase_add_test(tcase, random_histograms_come_back);
    tcase_add_test(tcase, an_explicit_histogram_has_no_encoding);
    tcase_add_test(tcase, what_is_cut_short_is_refused);
    tcase_add_test(tcase, cells_and_counts_beyond_the_end_are_refused);
    tcase_add_test(tcase, headers_that_are_wrong_are_refused);
    tcase_add_test(tcase, any_bytes_are_decoded_or_refused);
    tcase_add_test(tcase, memory_that_is_out_is_reported_and_leaves_nothing);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
