#include "oh_histogram_codec.h"

#include <string.h>

#define COOKIE       0x1c849313u
#define HEADER_BYTES 40
/* Bytes of a number at most; the last has no continuation bit. */
#define LEB_BYTES 9

/* --- Numbers --- */

/* Where numbers are written, or only counted while out is NULL. */
typedef struct {
    uint8_t *out;
    size_t bytes;
} writer_t;

static void put_byte(writer_t *w, uint8_t byte) {
    if (w->out != NULL)
        w->out[w->bytes] = byte;
    w->bytes++;
}

static void put_big_endian(writer_t *w, uint64_t value, unsigned bytes) {
    while (bytes-- > 0)
        put_byte(w, (uint8_t)(value >> (8 * bytes)));
}

static uint64_t get_big_endian(const uint8_t *data, unsigned bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | data[i];
    return value;
}

static void put_zigzag(writer_t *w, int64_t number) {
    uint64_t rest = (uint64_t)number << 1 ^ (uint64_t)(number >> 63);
    for (unsigned i = 1; i < LEB_BYTES && rest >= 0x80; i++) {
        put_byte(w, (uint8_t)(rest | 0x80));
        rest >>= 7;
    }
    put_byte(w, (uint8_t)rest);
}

/* Reads a number and moves *data on; false when the bytes end within it. */
static bool get_zigzag(const uint8_t **data, const uint8_t *end, int64_t *number) {
    uint64_t value = 0;
    for (unsigned i = 0;; i++) {
        if (*data == end)
            return false;
        uint8_t byte = *(*data)++;
        if (i == LEB_BYTES - 1) {
            value |= (uint64_t)byte << (7 * i);
            break;
        }
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80)
            break;
    }
    *number = (int64_t)(value >> 1 ^ -(value & 1));
    return true;
}

static uint64_t bits_of(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* --- Encoding --- */

static void put_zeros(writer_t *w, uint32_t zeros) {
    if (zeros > 1)
        put_zigzag(w, -(int64_t)zeros);
    else if (zeros == 1)
        put_zigzag(w, 0);
}

/* False for a count that has no encoding. */
static bool put_counts(writer_t *w, const oh_histogram_t *h) {
    const oh_histogram_tally_t *t = h->total;
    uint32_t first, end;
    oh_histogram_tally_range(&h->layout, t, &first, &end);
    uint32_t zeros = first;
    for (uint32_t i = first; i < end; i++) {
        if (t->cell[i] == 0) {
            zeros++;
            continue;
        }
        if (t->cell[i] > INT64_MAX)
            return false;
        put_zeros(w, zeros);
        put_zigzag(w, (int64_t)t->cell[i]);
        zeros = 0;
    }
    return true;
}

oh_status_t oh_histogram_encoded_bytes(const oh_histogram_t *h, size_t *bytes) {
    writer_t w = {.bytes = HEADER_BYTES};
    *bytes = 0;
    if (h->layout.kind != OH_HISTOGRAM_HDR)
        return OH_BADARG;
    if (!put_counts(&w, h))
        return OH_LIMIT;
    *bytes = w.bytes;
    return OH_OK;
}

void oh_histogram_encode(const oh_histogram_t *h, uint8_t *out, size_t bytes) {
    writer_t w = {.out = out};
    put_big_endian(&w, COOKIE, 4);
    put_big_endian(&w, bytes - HEADER_BYTES, 4);
    put_big_endian(&w, 0, 4);
    put_big_endian(&w, h->layout.significant_digits, 4);
    put_big_endian(&w, h->layout.lowest, 8);
    put_big_endian(&w, h->layout.highest, 8);
    put_big_endian(&w, bits_of(1.0), 8);
    put_counts(&w, h);
}

/* --- Decoding --- */

/* The layout, if the header is whole and tells of one. */
static bool get_header(const uint8_t *data, size_t bytes, oh_histogram_layout_t *layout) {
    return bytes >= HEADER_BYTES && get_big_endian(data, 4) == COOKIE &&
           get_big_endian(data + 4, 4) == bytes - HEADER_BYTES &&
           get_big_endian(data + 8, 4) == 0 && get_big_endian(data + 32, 8) == bits_of(1.0) &&
           oh_histogram_layout_init_hdr(layout, get_big_endian(data + 16, 8),
                                        get_big_endian(data + 24, 8),
                                        (uint32_t)get_big_endian(data + 12, 4)) == OH_OK;
}

static void count_cell(oh_histogram_t *h, uint32_t index, uint64_t count) {
    oh_histogram_tally_t *t = h->total;
    uint64_t lowest = oh_histogram_cell_lowest(&h->layout, index);
    if (oh_histogram_tally_empty(&h->layout, t))
        t->min.integer = lowest;
    t->max.integer = oh_histogram_cell_highest(&h->layout, index);
    t->cell[index] = count;
    t->count += count;
    t->integer += (oh_u128_t)oh_histogram_cell_middle(&h->layout, index) * count;
}

static bool get_counts(const uint8_t *data, const uint8_t *end, oh_histogram_t *h) {
    uint32_t index = 0;
    while (data < end) {
        int64_t number;
        uint32_t left = h->layout.cells - index;
        if (!get_zigzag(&data, end, &number) || left == 0)
            return false;
        if (number < 0) {
            if (number < -(int64_t)left)
                return false;
            index += (uint32_t)-number;
            continue;
        }
        if ((uint64_t)number > (uint64_t)INT64_MAX - h->total->count)
            return false;
        if (number > 0)
            count_cell(h, index, (uint64_t)number);
        index++;
    }
    return true;
}

oh_status_t oh_histogram_decode(oh_histogram_t *h, uint32_t stripes, const uint8_t *data,
                                size_t bytes) {
    oh_histogram_layout_t layout;
    if (!get_header(data, bytes, &layout))
        return OH_BADARG;
    oh_status_t status = oh_histogram_init(h, layout, stripes);
    if (status != OH_OK)
        return status;
    if (!get_counts(data + HEADER_BYTES, data + bytes, h)) {
        oh_histogram_free(h);
        return OH_BADARG;
    }
    return OH_OK;
}
