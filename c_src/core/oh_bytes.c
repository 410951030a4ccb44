#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* memmem */
#endif

#include "oh_bytes.h"

#include <string.h>

/* Vectors of the compiler's, which become what the processor has: SSE2 or NEON at the least. */
typedef uint64_t vector_t __attribute__((vector_size(32)));
typedef uint8_t block_t __attribute__((vector_size(16)));

/* A key shorter than this is repeated to at least this length first, so that short keys take long
 * strides. */
#define STRIDE 256

/* Patterns from this length on are left to memmem, which skips by the length of the pattern. */
#define LONG_PATTERN 16

/* A first byte is rare if it was met in vain less often than this: some at the start, and then one
 * in so many bytes, which is what a call of memchr costs. */
#define MISSES         2
#define BYTES_PER_MISS 256

static bool is_zero(block_t block) {
    uint64_t half[2];
    memcpy(half, &block, sizeof half);
    return (half[0] | half[1]) == 0;
}

/* Where a pattern of 2 bytes or more is in bytes, its first byte among those of at..places-1; or
 * places. Blocks in which its first and last byte nowhere stand at their distance are passed by.
 * (W. Mula, "SIMD-friendly algorithms for substring searching", 2016.) */
static uint64_t find_by_blocks(const char *bytes, uint64_t at, uint64_t places, const char *pattern,
                               size_t length) {
    const block_t first = (block_t){0} + (uint8_t)pattern[0];
    const block_t last = (block_t){0} + (uint8_t)pattern[length - 1];
    while (at < places) {
        uint64_t end = places;
        if (places - at >= sizeof(block_t)) {
            block_t x, y;
            memcpy(&x, bytes + at, sizeof x);
            memcpy(&y, bytes + at + length - 1, sizeof y);
            end = at + sizeof(block_t);
            if (oh_likely(is_zero((block_t)(x == first) & (block_t)(y == last)))) {
                at = end;
                continue;
            }
        }
        for (; at < end; at++)
            if (bytes[at] == pattern[0] && memcmp(bytes + at, pattern, length) == 0)
                return at;
    }
    return places;
}

/* The same. Where the first byte is rare, memchr is quicker than blocks: it has the processor's
 * widest registers. */
static uint64_t find_short(const char *bytes, uint64_t places, const char *pattern, size_t length) {
    uint64_t at = 0;
    for (uint64_t misses = 0; misses <= MISSES + at / BYTES_PER_MISS; misses++) {
        const char *found = memchr(bytes + at, (unsigned char)pattern[0], places - at);
        if (found == NULL)
            return places;
        at = (uint64_t)(found - bytes);
        if (memcmp(found, pattern, length) == 0)
            return at;
        if (++at == places)
            return places;
    }
    return find_by_blocks(bytes, at, places, pattern, length);
}

uint64_t oh_bytes_find(const char *bytes, uint64_t length, const char *pattern,
                       uint64_t pattern_length) {
    if (pattern_length > length)
        return OH_BYTES_NOT_FOUND;
    if (pattern_length > 1 && pattern_length < LONG_PATTERN) {
        uint64_t places = length - pattern_length + 1;
        uint64_t at = find_short(bytes, places, pattern, pattern_length);
        return at == places ? OH_BYTES_NOT_FOUND : at;
    }
    const char *found = pattern_length == 1 ? memchr(bytes, (unsigned char)pattern[0], length)
                                            : memmem(bytes, length, pattern, pattern_length);
    return found == NULL ? OH_BYTES_NOT_FOUND : (uint64_t)(found - bytes);
}

int oh_bytes_compare(const char *a, const char *b, uint64_t length) {
    int order = length == 0 ? 0 : memcmp(a, b, length);
    return (order > 0) - (order < 0);
}

void oh_bytes_bxor(char *bytes, const char *other, uint64_t length) {
    uint64_t at = 0;
    for (; length - at >= sizeof(vector_t); at += sizeof(vector_t)) {
        vector_t x, y;
        memcpy(&x, bytes + at, sizeof x);
        memcpy(&y, other + at, sizeof y);
        x ^= y;
        memcpy(bytes + at, &x, sizeof x);
    }
    for (; at < length; at++)
        bytes[at] ^= other[at];
}

/* Repeats a key shorter than STRIDE to STRIDE bytes or more, or to `enough`; the length it then
 * has.
 */
static uint64_t repeat(char repeated[2 * STRIDE], const char *key, uint64_t key_length,
                       uint64_t enough) {
    if (8 % key_length == 0) {
        char word[8];
        for (unsigned i = 0; i < 8; i++)
            word[i] = key[i % key_length];
        for (unsigned i = 0; i < STRIDE; i += 8)
            memcpy(repeated + i, word, 8);
        return STRIDE;
    }
    memcpy(repeated, key, key_length);
    for (; key_length < STRIDE && key_length < enough; key_length *= 2)
        memcpy(repeated + key_length, repeated, key_length);
    return key_length;
}

void oh_bytes_bxor_repeated(char *bytes, uint64_t length, const char *key, uint64_t key_length) {
    char repeated[2 * STRIDE];
    if (key_length < STRIDE && key_length < length) {
        key_length = repeat(repeated, key, key_length, length);
        key = repeated;
    }
    while (length > key_length) {
        oh_bytes_bxor(bytes, key, key_length);
        bytes += key_length;
        length -= key_length;
    }
    oh_bytes_bxor(bytes, key, length);
}
