/*
 * oh_mix: spreads what a 64-bit word holds over all its bits. One to one.
 *
 * The constants are variant 13 of D. Stafford, "Better bit mixing", 2011, as in SplitMix64
 * (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014).
 */
#ifndef OH_MIX_H
#define OH_MIX_H

#include "oh_common.h"

static inline uint64_t oh_mix(uint64_t word) {
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9u;
    word = (word ^ word >> 27) * 0x94d049bb133111ebu;
    return word ^ word >> 31;
}

#endif
