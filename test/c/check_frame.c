/* oh_frame: bodies come out whole however the bytes come in; limits hold before memory is taken. */
#include <string.h>

#include "oh_frame.h"
#include "suite.h"

#define LIMIT ((uint32_t)1 << 20)

static void setup(void) {
    suite_use_allocator();
}

static oh_frame_reader_t make(uint32_t limit) {
    oh_frame_reader_t r;
    ck_assert_int_eq(oh_frame_reader_init(&r, limit), OH_OK);
    ck_assert(oh_frame_reader_valid(&r));
    return r;
}

/* Fills in up to bytes bytes from data; how many there was room for. */
static size_t feed(oh_frame_reader_t *r, const uint8_t *data, size_t bytes) {
    uint8_t *where;
    size_t room;
    if (oh_frame_room(r, &where, &room) != OH_OK || room == 0)
        ck_abort_msg("no room");
    size_t take = bytes < room ? bytes : room;
    memcpy(where, data, take);
    oh_frame_fill(r, take);
    if (!oh_frame_reader_valid(r))
        ck_abort_msg("not valid");
    return take;
}

/* The frame whose body has size bytes, all of value. */
static size_t put_frame(uint8_t *out, uint32_t size, uint8_t value) {
    oh_frame_header(out, size);
    memset(out + OH_FRAME_HEADER_BYTES, value, size);
    return OH_FRAME_HEADER_BYTES + size;
}

START_TEST(header_is_big_endian) {
    uint8_t header[OH_FRAME_HEADER_BYTES];
    oh_frame_header(header, 0x01020304);
    ck_assert_mem_eq(header, "\1\2\3\4", 4);
    oh_frame_header(header, 0);
    ck_assert_mem_eq(header, "\0\0\0\0", 4);
}
END_TEST

START_TEST(frames_come_out_whole_whatever_the_pieces) {
    static const uint32_t sizes[] = {0,     1,     3,      4, 5, 255,   65531,
                                     65532, 65533, 200000, 7, 0, LIMIT, 1};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    uint8_t *stream = malloc(2 * LIMIT);
    size_t total = 0;
    for (int i = 0; i < COUNT; i++)
        total += put_frame(stream + total, sizes[i], (uint8_t)(i + 1));
    static const size_t pieces[] = {1, 3, 5, 4096, 65536, 1000000, 10000000};
    for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
        oh_frame_reader_t r = make(LIMIT);
        size_t fed = 0;
        int seen = 0;
        while (fed < total) {
            size_t piece = total - fed < pieces[p] ? total - fed : pieces[p];
            fed += feed(&r, stream + fed, piece);
            const uint8_t *body;
            size_t bytes;
            while (oh_frame_next(&r, &body, &bytes) == OH_OK) {
                ck_assert_uint_eq(bytes, sizes[seen]);
                seen++;
                size_t right = 0;
                while (right < bytes && body[right] == seen)
                    right++;
                ck_assert_uint_eq(right, bytes);
            }
        }
        ck_assert_int_eq(seen, COUNT);
        oh_frame_reader_free(&r);
    }
    free(stream);
    ck_assert_int_eq(suite_blocks, 0);
}
END_TEST

START_TEST(many_frames_in_one_piece_come_out_in_order) {
    uint8_t stream[300];
    size_t total = 0;
    for (uint8_t i = 0; i < 50; i++)
        total += put_frame(stream + total, 1, i);
    oh_frame_reader_t r = make(16);
    ck_assert_uint_eq(feed(&r, stream, total), total);
    for (uint8_t i = 0; i < 50; i++) {
        const uint8_t *body;
        size_t bytes;
        ck_assert_int_eq(oh_frame_next(&r, &body, &bytes), OH_OK);
        ck_assert_uint_eq(bytes, 1);
        ck_assert_uint_eq(body[0], i);
    }
    const uint8_t *body;
    size_t bytes;
    ck_assert_int_eq(oh_frame_next(&r, &body, &bytes), OH_NOT_FOUND);
    oh_frame_reader_free(&r);
}
END_TEST

START_TEST(what_is_looked_at_ahead_comes_out_later_all_the_same) {
    enum { COUNT = 300, SIZE = 1000 };
    uint8_t *stream = malloc((size_t)COUNT * (SIZE + OH_FRAME_HEADER_BYTES));
    size_t total = 0, fed = 0, at = 0, bytes;
    for (int i = 0; i < COUNT; i++)
        total += put_frame(stream + total, SIZE, (uint8_t)i);
    oh_frame_reader_t in = make(SIZE), ahead = make(SIZE);
    const uint8_t *body, *held;
    /* One body is in use, and the next frame begun, when what follows goes elsewhere. */
    fed += feed(&in, stream, SIZE + OH_FRAME_HEADER_BYTES + 10);
    ck_assert_int_eq(oh_frame_next(&in, &held, &bytes), OH_OK);
    suite_allocations_left = 0;
    ck_assert_int_eq(oh_frame_move(&ahead, &in), OH_OK);
    suite_allocations_left = SUITE_NO_LIMIT;
    ck_assert_int_eq(oh_frame_next(&in, &body, &bytes), OH_NOT_FOUND);
    int seen = 1, feeds = 0;
    while (fed < total) {
        fed += feed(&ahead, stream + fed, total - fed);
        feeds++;
        while (oh_frame_peek(&ahead, &at, &body, &bytes) == OH_OK) {
            ck_assert_uint_eq(bytes, SIZE);
            ck_assert_uint_eq(body[0], (uint8_t)seen++);
        }
    }
    ck_assert_int_eq(seen, COUNT);
    ck_assert_int_le(feeds, 12); /* the room grows by halves */
    ck_assert_uint_eq(held[SIZE - 1], 0);
    for (seen = 1; oh_frame_next(&ahead, &body, &bytes) == OH_OK; seen++)
        ck_assert_uint_eq(body[SIZE - 1], (uint8_t)seen);
    ck_assert_int_eq(seen, COUNT);
    oh_frame_reader_free(&in);
    oh_frame_reader_free(&ahead);
    free(stream);
}
END_TEST

START_TEST(what_does_not_fit_is_moved_or_stays) {
    oh_frame_reader_t from = make(LIMIT), to = make(LIMIT);
    uint8_t *frame = malloc(300000 + OH_FRAME_HEADER_BYTES);
    size_t total = put_frame(frame, 300000, 7), at = 0, bytes;
    for (size_t fed = 0; fed < total;)
        fed += feed(&from, frame + fed, total - fed);
    suite_allocations_left = 0;
    ck_assert_int_eq(oh_frame_move(&to, &from), OH_ENOMEM);
    suite_allocations_left = SUITE_NO_LIMIT;
    const uint8_t *body;
    ck_assert_int_eq(oh_frame_peek(&from, &at, &body, &bytes), OH_OK);
    ck_assert_int_eq(oh_frame_move(&to, &from), OH_OK);
    ck_assert(oh_frame_reader_valid(&to));
    ck_assert_int_eq(oh_frame_next(&from, &body, &bytes), OH_NOT_FOUND);
    ck_assert_int_eq(oh_frame_next(&to, &body, &bytes), OH_OK);
    ck_assert_uint_eq(bytes, 300000);
    ck_assert_uint_eq(body[299999], 7);
    oh_frame_reader_free(&from);
    oh_frame_reader_free(&to);
    free(frame);
}
END_TEST

START_TEST(a_frame_beyond_the_limit_takes_no_memory) {
    static const uint32_t sizes[] = {LIMIT + 1, 0x7fffffff, 0x80000000, 0xffffffff};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        oh_frame_reader_t r = make(LIMIT);
        uint8_t header[OH_FRAME_HEADER_BYTES];
        oh_frame_header(header, sizes[i]);
        feed(&r, header, sizeof header);
        const uint8_t *body;
        uint8_t *where;
        size_t bytes;
        ck_assert_int_eq(oh_frame_next(&r, &body, &bytes), OH_LIMIT);
        ck_assert_int_eq(oh_frame_room(&r, &where, &bytes), OH_LIMIT);
        ck_assert_uint_le(suite_largest, OH_FRAME_BUFFER_BYTES);
        oh_frame_reader_free(&r);
    }
}
END_TEST

START_TEST(limits_outside_the_range_are_refused) {
    oh_frame_reader_t r;
    ck_assert_int_eq(oh_frame_reader_init(&r, 0), OH_BADARG);
    ck_assert_int_eq(oh_frame_reader_init(&r, OH_FRAME_BODY_BYTES_MAX + 1), OH_BADARG);
    ck_assert_int_eq(oh_frame_reader_init(&r, OH_FRAME_BODY_BYTES_MAX), OH_OK);
    oh_frame_reader_free(&r);
    ck_assert_int_eq(suite_blocks, 0);
}
END_TEST

START_TEST(without_memory_nothing_is_lost) {
    suite_allocations_left = 0;
    oh_frame_reader_t r;
    ck_assert_int_eq(oh_frame_reader_init(&r, LIMIT), OH_ENOMEM);
    suite_allocations_left = SUITE_NO_LIMIT;
    r = make(LIMIT);
    uint8_t *stream = malloc(300000);
    size_t total = put_frame(stream, 200000, 42), fed = feed(&r, stream, 100);
    suite_allocations_left = 0;
    uint8_t *where;
    size_t room;
    ck_assert_int_eq(oh_frame_room(&r, &where, &room), OH_ENOMEM);
    ck_assert(oh_frame_reader_valid(&r));
    suite_allocations_left = SUITE_NO_LIMIT;
    while (fed < total)
        fed += feed(&r, stream + fed, total - fed);
    const uint8_t *body;
    size_t bytes;
    ck_assert_int_eq(oh_frame_next(&r, &body, &bytes), OH_OK);
    ck_assert_uint_eq(bytes, 200000);
    ck_assert_mem_eq(body, stream + OH_FRAME_HEADER_BYTES, bytes);
    oh_frame_reader_free(&r);
    free(stream);
}
END_TEST

START_TEST(the_memory_of_a_large_frame_is_given_back) {
    oh_frame_reader_t r = make(LIMIT);
    uint8_t *stream = malloc(LIMIT + 16);
    size_t total = put_frame(stream, LIMIT, 1), fed = 0;
    while (fed < total)
        fed += feed(&r, stream + fed, total - fed);
    ck_assert_uint_gt(r.capacity, LIMIT);
    const uint8_t *body;
    size_t bytes;
    ck_assert_int_eq(oh_frame_next(&r, &body, &bytes), OH_OK);
    feed(&r, stream, 4);
    ck_assert_uint_eq(r.capacity, OH_FRAME_BUFFER_BYTES);
    oh_frame_reader_free(&r);
    free(stream);
    ck_assert_int_eq(suite_blocks, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_frame");
    TCase *tc = tcase_create("frame");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, header_is_big_endian);
    tcase_add_test(tc, frames_come_out_whole_whatever_the_pieces);
    tcase_add_test(tc, many_frames_in_one_piece_come_out_in_order);
    tcase_add_test(tc, what_is_looked_at_ahead_comes_out_later_all_the_same);
    tcase_add_test(tc, what_does_not_fit_is_moved_or_stays);
    tcase_add_test(tc, a_frame_beyond_the_limit_takes_no_memory);
    tcase_add_test(tc, limits_outside_the_range_are_refused);
    tcase_add_test(tc, without_memory_nothing_is_lost);
    tcase_add_test(tc, the_memory_of_a_large_frame_is_given_back);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
