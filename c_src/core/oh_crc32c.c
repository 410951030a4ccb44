#include "oh_crc32c.h"

#include <string.h>

#if defined(__AARCH64EL__) && defined(__linux__)
#include <sys/auxv.h>
#endif

/* The polynomial 0x1EDC6F41, reversed: bit 31 is the coefficient of x^0. */
#define POLYNOMIAL 0x82F63B78u

/* Streams of BLOCK bytes that are worked on at once, since the instruction takes one cycle but its
 * result three; SHORT ones for what remains. The three results are put together by the tables
 * below. (V. Gopal and others, "Fast CRC computation for iSCSI polynomial using CRC32
 * instruction", 2011.) */
#define BLOCK ((uint64_t)2048)
#define SHORT ((uint64_t)128)

/* Made when the library is loaded. */
static struct {
    /* bytewise[k][b]: the checksum register after byte b and k zero bytes. */
    uint32_t bytewise[8][256];
    /* The register after BLOCK or SHORT zero bytes, by each of its own four bytes. */
    uint32_t block[4][256];
    uint32_t shorter[4][256];
    bool native;
} tables;

static uint32_t step_byte(uint32_t crc, uint8_t byte) {
    return tables.bytewise[0][(crc ^ byte) & 0xFF] ^ crc >> 8;
}

/* Tables for as many zero bytes. The register is linear: the effect on it is the sum (exclusive or)
 * of the effects on its bits. */
static void make_zeros(uint32_t table[4][256], uint64_t zeros) {
    uint32_t after[32];
    for (unsigned bit = 0; bit < 32; bit++) {
        after[bit] = (uint32_t)1 << bit;
        for (uint64_t i = 0; i < zeros; i++)
            after[bit] = step_byte(after[bit], 0);
    }
    for (unsigned k = 0; k < 4; k++)
        for (unsigned byte = 0; byte < 256; byte++)
            for (unsigned bit = 0; bit < 8; bit++)
                if (byte >> bit & 1)
                    table[k][byte] ^= after[8 * k + bit];
}

static bool has_instructions(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2");
#elif defined(__AARCH64EL__) && defined(__linux__)
    return (getauxval(AT_HWCAP) & (1 << 7)) != 0; /* HWCAP_CRC32 */
#elif defined(__AARCH64EL__) && defined(__APPLE__)
    return true;
#else
    return false;
#endif
}

__attribute__((constructor)) static void make_tables(void) {
    for (unsigned byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1 ? POLYNOMIAL : 0) ^ crc >> 1;
        tables.bytewise[0][byte] = crc;
    }
    for (unsigned k = 1; k < 8; k++)
        for (unsigned byte = 0; byte < 256; byte++)
            tables.bytewise[k][byte] = step_byte(tables.bytewise[k - 1][byte], 0);
    make_zeros(tables.block, BLOCK);
    make_zeros(tables.shorter, SHORT);
    tables.native = has_instructions();
}

bool oh_crc32c_is_native(void) {
    return tables.native;
}

/* Eight bytes at a time, by the tables of each. (M. Kounavis, F. Berry, "A systematic approach to
 * building high performance software-based CRC generators", 2005.) */
uint32_t oh_crc32c_portable(uint32_t previous, const void *bytes, uint64_t length) {
    const uint8_t *at = bytes;
    uint32_t crc = ~previous;
    for (; length >= 8; at += 8, length -= 8) {
        uint32_t low = crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                              (uint32_t)at[3] << 24);
        crc = tables.bytewise[7][low & 0xFF] ^ tables.bytewise[6][low >> 8 & 0xFF] ^
              tables.bytewise[5][low >> 16 & 0xFF] ^ tables.bytewise[4][low >> 24] ^
              tables.bytewise[3][at[4]] ^ tables.bytewise[2][at[5]] ^ tables.bytewise[1][at[6]] ^
              tables.bytewise[0][at[7]];
    }
    for (; length > 0; at++, length--)
        crc = step_byte(crc, *at);
    return ~crc;
}

#if defined(__x86_64__)
#define NATIVE __attribute__((target("sse4.2")))

NATIVE static inline uint32_t native_word(uint32_t crc, const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return (uint32_t)__builtin_ia32_crc32di(crc, word);
}

NATIVE static inline uint32_t native_byte(uint32_t crc, uint8_t byte) {
    return __builtin_ia32_crc32qi(crc, byte);
}
#elif defined(__AARCH64EL__)
#define NATIVE

/* By name, because compilers disagree on how to allow the intrinsics in one function only. */
static inline uint32_t native_word(uint32_t crc, const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
    return crc;
}

static inline uint32_t native_byte(uint32_t crc, uint8_t byte) {
    __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"((uint32_t)byte));
    return crc;
}
#endif

#if defined(NATIVE)
static inline uint32_t after_zeros(uint32_t table[4][256], uint32_t crc) {
    return table[0][crc & 0xFF] ^ table[1][crc >> 8 & 0xFF] ^ table[2][crc >> 16 & 0xFF] ^
           table[3][crc >> 24];
}

/* Three streams of size bytes each. */
NATIVE static inline uint32_t native_streams(uint32_t crc, const uint8_t *at, uint64_t size,
                                             uint32_t zeros[4][256]) {
    uint32_t second = 0, third = 0;
    for (uint64_t i = 0; i < size; i += 8) {
        crc = native_word(crc, at + i);
        second = native_word(second, at + size + i);
        third = native_word(third, at + 2 * size + i);
    }
    crc = after_zeros(zeros, crc) ^ second;
    return after_zeros(zeros, crc) ^ third;
}

NATIVE static uint32_t native(uint32_t previous, const uint8_t *at, uint64_t length) {
    uint32_t crc = ~previous;
    for (; length >= 3 * BLOCK; at += 3 * BLOCK, length -= 3 * BLOCK)
        crc = native_streams(crc, at, BLOCK, tables.block);
    for (; length >= 3 * SHORT; at += 3 * SHORT, length -= 3 * SHORT)
        crc = native_streams(crc, at, SHORT, tables.shorter);
    for (; length >= 8; at += 8, length -= 8)
        crc = native_word(crc, at);
    for (; length > 0; at++, length--)
        crc = native_byte(crc, *at);
    return ~crc;
}
#endif

uint32_t oh_crc32c(uint32_t previous, const void *bytes, uint64_t length) {
#if defined(NATIVE)
    if (oh_likely(tables.native))
        return native(previous, bytes, length);
#endif
    return oh_crc32c_portable(previous, bytes, length);
}
