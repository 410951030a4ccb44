/* Fuzz: any bytes in any pieces through the frame reader, some of them looked at ahead. The bodies that
 * come out must be those that the bytes say. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../../c_src/core/oh_frame.h"

#define LIMIT 70000

static void require(bool holds) {
    if (!holds)
        abort();
}

/* The next body by the plainest of readings; false: none, or one beyond the limit. */
static bool plain_next(const uint8_t *data, size_t size, size_t *at, const uint8_t **body,
                       size_t *bytes) {
    if (size - *at < 4)
        return false;
    const uint8_t *h = data + *at;
    size_t length = (size_t)h[0] << 24 | (size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3];
    if (length > LIMIT || size - *at - 4 < length)
        return false;
    *body = h + 4;
    *bytes = length;
    *at += 4 + length;
    return true;
}

/* The first byte of the input says how the rest is cut: pieces up to its square. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    size_t step = (size_t)data[0] * data[0] + 1;
    data++;
    size--;
    oh_frame_reader_t reader[2];
    require(oh_frame_reader_init(&reader[0], LIMIT) == OH_OK);
    require(oh_frame_reader_init(&reader[1], LIMIT) == OH_OK);
    int in = 0;
    size_t plain_at = 0, fed = 0;
    oh_status_t status = OH_NOT_FOUND;
    while (fed < size) {
        uint8_t *where;
        size_t room;
        status = oh_frame_room(&reader[in], &where, &room);
        if (status != OH_OK)
            break;
        size_t piece = size - fed < step ? size - fed : step;
        piece = piece < room ? piece : room;
        memcpy(where, data + fed, piece);
        oh_frame_fill(&reader[in], piece);
        fed += piece;
        require(oh_frame_reader_valid(&reader[in]));
        if (fed % 3 == 0) {
            require(oh_frame_move(&reader[1 - in], &reader[in]) == OH_OK);
            in = 1 - in;
            continue;
        }
        const uint8_t *body, *expected, *peeked;
        size_t bytes, expected_bytes, peeked_bytes, at = 0;
        for (;;) {
            at = 0;
            oh_status_t peek = oh_frame_peek(&reader[in], &at, &peeked, &peeked_bytes);
            status = oh_frame_next(&reader[in], &body, &bytes);
            require(peek == status);
            if (status != OH_OK)
                break;
            require(peeked == body && peeked_bytes == bytes);
            require(plain_next(data, size, &plain_at, &expected, &expected_bytes));
            require(bytes == expected_bytes && memcmp(body, expected, bytes) == 0);
        }
        if (status == OH_LIMIT)
            break;
    }
    oh_frame_reader_free(&reader[0]);
    oh_frame_reader_free(&reader[1]);
    return 0;
}
