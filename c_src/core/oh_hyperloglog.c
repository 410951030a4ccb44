#include "oh_hyperloglog.h"

#include <math.h>

#include "oh_alloc.h"
#include "oh_reaper.h"

/* Registers in a word. */
#define PER_WORD 8
/* A bit in each register that no value reaches. */
#define TOP_BITS 0x8080808080808080u
#define LOW_BITS 0x0101010101010101u

static uint64_t words(const oh_hyperloglog_t *h) {
    return oh_hyperloglog_registers(h) / PER_WORD;
}

/* What a register holds at most. */
static unsigned rank_max(const oh_hyperloglog_t *h) {
    return 65 - h->precision;
}

oh_status_t oh_hyperloglog_init(oh_hyperloglog_t *h, unsigned precision) {
    *h = (oh_hyperloglog_t){0};
    if (precision < OH_HYPERLOGLOG_PRECISION_MIN || precision > OH_HYPERLOGLOG_PRECISION_MAX)
        return OH_BADARG;
    h->word = oh_zalloc_big((size_t)1 << precision);
    if (h->word == NULL)
        return OH_ENOMEM;
    h->precision = precision;
    return OH_OK;
}

void oh_hyperloglog_free(oh_hyperloglog_t *h) {
    oh_reaper_free_big((void *)h->word, oh_hyperloglog_registers(h));
    *h = (oh_hyperloglog_t){0};
}

/* The larger of each pair of bytes, all below 128. */
static uint64_t max_bytes(uint64_t x, uint64_t y) {
    uint64_t not_less = (((x | TOP_BITS) - y) & TOP_BITS) >> 7; /* 1 in each byte where x >= y */
    uint64_t mask = not_less * 255;
    return (x & mask) | (y & ~mask);
}

/* Lets the registers of a word grow to those given. True if one did. */
static bool grow(_Atomic uint64_t *word, uint64_t registers) {
    uint64_t seen = oh_load_acquire(word);
    for (;;) {
        uint64_t grown = max_bytes(seen, registers);
        if (grown == seen)
            return false;
        if (oh_cas_seqcst_seqcst(word, &seen, grown))
            return true;
    }
}

bool oh_hyperloglog_add(oh_hyperloglog_t *h, uint64_t hash) {
    uint64_t index = hash >> (64 - h->precision);
    /* The bit behind the hash's last ends the run. */
    uint64_t rest = hash << h->precision | (uint64_t)1 << (h->precision - 1);
    uint64_t rank = (uint64_t)__builtin_clzll(rest) + 1;
    return grow(&h->word[index / PER_WORD], rank << index % PER_WORD * 8);
}

void oh_hyperloglog_merge(oh_hyperloglog_t *h, const oh_hyperloglog_t *other) {
    for (uint64_t i = 0; i < words(h); i++)
        grow(&h->word[i], oh_load_acquire(&other->word[i]));
}

/* --- Estimation: Ertl 2017, section 3 --- */

static double sigma(double x) {
    double y = 1, z = x, before;
    if (x == 1)
        return INFINITY;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z != before);
    return z;
}

static double tau(double x) {
    double y = 1, z = 1 - x, before;
    if (x == 0 || x == 1)
        return 0;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z != before);
    return z / 3;
}

double oh_hyperloglog_count(const oh_hyperloglog_t *h) {
    uint32_t with_rank[256] = {0};
    double registers = (double)oh_hyperloglog_registers(h);
    unsigned top = rank_max(h);
    for (uint64_t i = 0; i < words(h); i++) {
        uint64_t word = oh_load_acquire(&h->word[i]);
        for (unsigned byte = 0; byte < PER_WORD; byte++)
            with_rank[word >> byte * 8 & 255]++;
    }
    double z = registers * tau(1 - with_rank[top] / registers);
    for (unsigned rank = top - 1; rank >= 1; rank--)
        z = 0.5 * (z + with_rank[rank]);
    z += registers * sigma(with_rank[0] / registers);
    /* 1 / (2 ln 2). With every register at its end the estimate has none; there are 2^64
     * hashes. */
    return fmin(0.72134752044448170368 * registers * registers / z, 0x1p64);
}

/* --- Bytes --- */

void oh_hyperloglog_to_bytes(const oh_hyperloglog_t *h, uint8_t *bytes) {
    for (uint64_t i = 0; i < words(h); i++) {
        uint64_t word = oh_load_acquire(&h->word[i]);
        for (unsigned byte = 0; byte < PER_WORD; byte++)
            bytes[i * PER_WORD + byte] = (uint8_t)(word >> byte * 8);
    }
}

oh_status_t oh_hyperloglog_from_bytes(oh_hyperloglog_t *h, const uint8_t *bytes) {
    for (uint64_t i = 0; i < words(h); i++) {
        uint64_t word = 0;
        for (unsigned byte = 0; byte < PER_WORD; byte++) {
            if (bytes[i * PER_WORD + byte] > rank_max(h))
                return OH_BADARG;
            word |= (uint64_t)bytes[i * PER_WORD + byte] << byte * 8;
        }
        oh_store_seqcst(&h->word[i], word);
    }
    return OH_OK;
}

bool oh_hyperloglog_valid(const oh_hyperloglog_t *h) {
    for (uint64_t i = 0; i < words(h); i++) {
        uint64_t word = oh_load_acquire(&h->word[i]);
        if (max_bytes(word & ~TOP_BITS, LOW_BITS * rank_max(h)) != LOW_BITS * rank_max(h) ||
            (word & TOP_BITS) != 0)
            return false;
    }
    return true;
}
