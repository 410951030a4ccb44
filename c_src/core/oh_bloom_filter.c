#include "oh_bloom_filter.h"

#include "oh_mix.h"

oh_status_t oh_bloom_filter_init(oh_bloom_filter_t *f, uint64_t bits, uint32_t hashes) {
    *f = (oh_bloom_filter_t){0};
    if (hashes == 0 || hashes > OH_BLOOM_FILTER_HASHES_MAX)
        return OH_BADARG;
    f->hashes = hashes;
    return oh_bitset_init(&f->bits, bits);
}

void oh_bloom_filter_free(oh_bloom_filter_t *f) {
    oh_bitset_free(&f->bits);
}

/* The distance between a hash's positions: a second hash. Odd, so that no position comes again. */
static uint64_t stride(uint64_t hash) {
    return oh_mix(hash ^ 0x9e3779b97f4a7c15u) | 1;
}

/* The bit that a hash falls on: hash / 2^64 of all, so that any number of bits will do without a
 * division. */
static uint64_t position(const oh_bloom_filter_t *f, uint64_t hash) {
    return (uint64_t)((unsigned __int128)hash * f->bits.size >> 64);
}

bool oh_bloom_filter_add(oh_bloom_filter_t *f, uint64_t hash) {
    uint64_t step = stride(hash);
    bool there = true;
    for (uint32_t i = 0; i < f->hashes; i++, hash += step) {
        uint64_t index = position(f, hash);
        /* Most bits of a filter at work are set: a look spares the write. */
        if (!oh_bitset_test(&f->bits, index) && !oh_bitset_set(&f->bits, index))
            there = false;
    }
    return there;
}

bool oh_bloom_filter_member(const oh_bloom_filter_t *f, uint64_t hash) {
    uint64_t step = stride(hash);
    for (uint32_t i = 0; i < f->hashes; i++, hash += step)
        if (!oh_bitset_test(&f->bits, position(f, hash)))
            return false;
    return true;
}
