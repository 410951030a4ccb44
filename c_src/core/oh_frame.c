#include "oh_frame.h"

#include <string.h>

#include "oh_alloc.h"

static uint32_t body_bytes(const uint8_t *header) {
    return (uint32_t)header[0] << 24 | (uint32_t)header[1] << 16 | (uint32_t)header[2] << 8 |
           (uint32_t)header[3];
}

void oh_frame_header(uint8_t header[OH_FRAME_HEADER_BYTES], uint32_t bytes) {
    header[0] = (uint8_t)(bytes >> 24);
    header[1] = (uint8_t)(bytes >> 16);
    header[2] = (uint8_t)(bytes >> 8);
    header[3] = (uint8_t)bytes;
}

oh_status_t oh_frame_reader_init(oh_frame_reader_t *r, uint32_t body_bytes_max) {
    if (body_bytes_max == 0 || body_bytes_max > OH_FRAME_BODY_BYTES_MAX)
        return OH_BADARG;
    uint8_t *buffer = oh_alloc(OH_FRAME_BUFFER_BYTES);
    if (buffer == NULL)
        return OH_ENOMEM;
    *r = (oh_frame_reader_t){
        .buffer = buffer, .capacity = OH_FRAME_BUFFER_BYTES, .body_bytes_max = body_bytes_max};
    return OH_OK;
}

void oh_frame_reader_free(oh_frame_reader_t *r) {
    oh_free(r->buffer);
    *r = (oh_frame_reader_t){0};
}

/* Moves the bytes not given out to the front of a buffer of capacity bytes. */
static oh_status_t resize(oh_frame_reader_t *r, size_t capacity) {
    uint8_t *buffer = oh_alloc(capacity);
    if (buffer == NULL)
        return OH_ENOMEM;
    memcpy(buffer, r->buffer + r->start, r->end - r->start);
    oh_free(r->buffer);
    r->buffer = buffer;
    r->capacity = capacity;
    r->end -= r->start;
    r->start = 0;
    return OH_OK;
}

oh_status_t oh_frame_room(oh_frame_reader_t *r, uint8_t **where, size_t *bytes) {
    size_t held = r->end - r->start;
    size_t need = OH_FRAME_HEADER_BYTES;
    if (held >= OH_FRAME_HEADER_BYTES) {
        uint32_t body = body_bytes(r->buffer + r->start);
        if (body > r->body_bytes_max)
            return OH_LIMIT;
        need += body;
    }
    /* A whole frame is there already, and is not what the caller waits for: by halves, so that what
     * is looked at ahead (peek) is not copied again for every few bytes. */
    if (need < held + 1)
        need = held + (held / 2 > OH_FRAME_BUFFER_BYTES ? held / 2 : OH_FRAME_BUFFER_BYTES);
    size_t capacity = need > OH_FRAME_BUFFER_BYTES ? need : OH_FRAME_BUFFER_BYTES;
    if (capacity > r->capacity) {
        oh_status_t status = resize(r, capacity);
        if (status != OH_OK)
            return status;
    } else if (held == 0) {
        r->start = r->end = 0;
        /* Gives the memory of a large frame back; if that fails, the large buffer does too. */
        if (r->capacity > OH_FRAME_BUFFER_BYTES)
            (void)resize(r, OH_FRAME_BUFFER_BYTES);
    } else if (r->capacity - r->start < need) {
        memmove(r->buffer, r->buffer + r->start, held);
        r->start = 0;
        r->end = held;
    }
    *where = r->buffer + r->end;
    *bytes = r->capacity - r->end;
    return OH_OK;
}

void oh_frame_fill(oh_frame_reader_t *r, size_t bytes) {
    r->end += bytes;
}

oh_status_t oh_frame_peek(const oh_frame_reader_t *r, size_t *at, const uint8_t **body,
                          size_t *bytes) {
    size_t held = r->end - r->start - *at;
    if (held < OH_FRAME_HEADER_BYTES)
        return OH_NOT_FOUND;
    const uint8_t *frame = r->buffer + r->start + *at;
    uint32_t size = body_bytes(frame);
    if (size > r->body_bytes_max)
        return OH_LIMIT;
    if (held - OH_FRAME_HEADER_BYTES < size)
        return OH_NOT_FOUND;
    *body = frame + OH_FRAME_HEADER_BYTES;
    *bytes = size;
    *at += OH_FRAME_HEADER_BYTES + (size_t)size;
    return OH_OK;
}

oh_status_t oh_frame_next(oh_frame_reader_t *r, const uint8_t **body, size_t *bytes) {
    size_t taken = 0;
    oh_status_t status = oh_frame_peek(r, &taken, body, bytes);
    r->start += taken;
    return status;
}

oh_status_t oh_frame_move(oh_frame_reader_t *to, oh_frame_reader_t *from) {
    size_t held = from->end - from->start;
    to->start = to->end = 0;
    if (held > to->capacity) {
        oh_status_t status = resize(to, held);
        if (status != OH_OK)
            return status;
    }
    memcpy(to->buffer, from->buffer + from->start, held);
    to->end = held;
    from->start = from->end;
    return OH_OK;
}

bool oh_frame_reader_valid(const oh_frame_reader_t *r) {
    return r->buffer != NULL && r->start <= r->end && r->end <= r->capacity &&
           r->capacity >= OH_FRAME_BUFFER_BYTES && r->body_bytes_max > 0 &&
           r->body_bytes_max <= OH_FRAME_BODY_BYTES_MAX;
}
