/*
 * oh_bloom_filter: a set of hashes that may say yes to what it has not, and never no to what it has
 * (B. H. Bloom, "Space/time trade-offs in hash coding with allowable errors", 1970).
 *
 * The positions of a hash come from two halves of it by double hashing, which costs no accuracy
 * worth a second function (A. Kirsch, M. Mitzenmacher, "Less hashing, same performance: building a
 * better Bloom filter", 2006). Caller's hashes must be spread over all 64 bits.
 *
 * Call        Threads  Memory order                             Progress
 * ----------  -------  ---------------------------------------  ---------------------
 * add         any      seq_cst read-modify-write, bit by bit    lock-free
 * member      any      acquire, bit by bit                      wait-free
 * init, free  one      the caller publishes                     as the allocator
 *
 * What add has returned from is a member for every call that begins later. All else is done on
 * bits: the union of two filters with equal bits and hashes, of hashes made alike, is a filter of
 * both.
 */
#ifndef OH_BLOOM_FILTER_H
#define OH_BLOOM_FILTER_H

#include "oh_bitset.h"

/* Positions a hash may have at most. 30 serve a rate of one in 10^9. */
#define OH_BLOOM_FILTER_HASHES_MAX 64

typedef struct {
    oh_bitset_t bits; /* owned */
    uint32_t hashes;  /* positions of a hash */
} oh_bloom_filter_t;

/* Fills in *f with an empty filter. OH_BADARG for no bits, or hashes outside 1..64; OH_LIMIT and
 * OH_ENOMEM as oh_bitset_init. On an error *f needs no free. */
oh_status_t oh_bloom_filter_init(oh_bloom_filter_t *f, uint64_t bits, uint32_t hashes);

/* Ends the filter. No other call may be under way. O(1). */
void oh_bloom_filter_free(oh_bloom_filter_t *f);

/* Adds a hash. True if it may have been there: each of its bits was set. Of calls that add the same
 * hash at once, at least one gets false if it was not. O(hashes). */
bool oh_bloom_filter_add(oh_bloom_filter_t *f, uint64_t hash);

/* Whether the hash may have been added. O(hashes). */
bool oh_bloom_filter_member(const oh_bloom_filter_t *f, uint64_t hash);

#endif
