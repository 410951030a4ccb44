/*
 * oh_number: integers and floats as bytes, of 8 to 64 bits, in either byte order, at any address.
 *
 * In memory a number is a 64-bit word: an unsigned integer as it is, a signed one in two's
 * complement, a float as the bits of a double. Pure functions, constant time.
 */
#ifndef OH_NUMBER_H
#define OH_NUMBER_H

#include "oh_common.h"

#include <math.h>
#include <string.h>

typedef enum { OH_NUMBER_UNSIGNED, OH_NUMBER_SIGNED, OH_NUMBER_FLOAT } oh_number_kind_t;

typedef struct {
    uint8_t kind; /* oh_number_kind_t */
    uint8_t size; /* 1, 2, 4 or 8 bytes; floats: 4 or 8 */
    bool swapped; /* not in the machine's order */
} oh_number_type_t;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define OH_NUMBER_BIG false
#else
#define OH_NUMBER_BIG true
#endif

static inline double oh_number_double(uint64_t word) {
    double value;
    memcpy(&value, &word, sizeof value);
    return value;
}

static inline uint64_t oh_number_word(double value) {
    uint64_t word;
    memcpy(&word, &value, sizeof word);
    return word;
}

/* True if the type can hold the word: an integer in its range, a float that is none too large; not
 * a number and the infinities fit every float type. */
static inline bool oh_number_fits(oh_number_type_t type, uint64_t word) {
    unsigned unused = 64 - 8 * type.size;
    if (type.kind == OH_NUMBER_UNSIGNED)
        return word <= UINT64_MAX >> unused;
    if (type.kind == OH_NUMBER_SIGNED)
        return (word + ((uint64_t)1 << (63 - unused))) <= UINT64_MAX >> unused;
    double value = oh_number_double(word);
    return type.size == 8 || !isfinite(value) || isfinite((float)value);
}

/* The size bytes at address at, as an unsigned integer. */
OH_ALWAYS_INLINE uint64_t oh_number_load_bits(oh_number_type_t type, const void *at) {
    uint16_t bits16;
    uint32_t bits32;
    uint64_t bits64;
    switch (type.size) {
    case 1:
        return *(const uint8_t *)at;
    case 2:
        memcpy(&bits16, at, 2);
        return type.swapped ? __builtin_bswap16(bits16) : bits16;
    case 4:
        memcpy(&bits32, at, 4);
        return type.swapped ? __builtin_bswap32(bits32) : bits32;
    default:
        memcpy(&bits64, at, 8);
        return type.swapped ? __builtin_bswap64(bits64) : bits64;
    }
}

/* The number at address at. */
OH_ALWAYS_INLINE uint64_t oh_number_load(oh_number_type_t type, const void *at) {
    uint64_t bits = oh_number_load_bits(type, at);
    if (type.kind == OH_NUMBER_SIGNED) {
        uint64_t sign = (uint64_t)1 << (8 * type.size - 1);
        return (bits ^ sign) - sign;
    }
    if (type.kind == OH_NUMBER_FLOAT && type.size == 4) {
        uint32_t bits32 = (uint32_t)bits;
        float value;
        memcpy(&value, &bits32, 4);
        return oh_number_word(value);
    }
    return bits;
}

/* Stores a number that fits at address at. */
OH_ALWAYS_INLINE void oh_number_store(oh_number_type_t type, void *at, uint64_t word) {
    if (type.kind == OH_NUMBER_FLOAT && type.size == 4) {
        float value = (float)oh_number_double(word);
        uint32_t bits;
        memcpy(&bits, &value, 4);
        word = bits;
    }
    uint16_t bits16 = (uint16_t)word;
    uint32_t bits32 = (uint32_t)word;
    switch (type.size) {
    case 1:
        *(uint8_t *)at = (uint8_t)word;
        return;
    case 2:
        bits16 = type.swapped ? __builtin_bswap16(bits16) : bits16;
        memcpy(at, &bits16, 2);
        return;
    case 4:
        bits32 = type.swapped ? __builtin_bswap32(bits32) : bits32;
        memcpy(at, &bits32, 4);
        return;
    default:
        word = type.swapped ? __builtin_bswap64(word) : word;
        memcpy(at, &word, 8);
        return;
    }
}

#endif
