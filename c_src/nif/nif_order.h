/*
 * nif_order: the order of terms, as the operators < and == have it, with a prefix of 128 bits that
 * tells it mostly without asking the emulator.
 *
 * The prefix is a row of bits: four for the type (number < atom < reference < fun < port < pid <
 * tuple
 * < map < nil < list < bit string), then for
 *
 *   a number       the bits of the nearest double, turned so that they ascend. Beyond 2^64 and below
 *                  -2^63 all are one
 *   an atom        its text in UTF-8, each byte one more, and 0
 *   a tuple        its arity, eight bits, then its elements, one after the other
 *   a list         its head, then its tail
 *   a bit string   its bytes
 *   a map          how many pairs it has, sixteen bits
 *
 * What follows an element counts only if the element is told whole: after numbers from 2^53 on, bit
 * strings, maps, and types of which the emulator alone knows the order, comes nothing but zeros.
 * prefix(A) < prefix(B) implies A < B; terms that are == have the same.
 */
#ifndef NIF_ORDER_H
#define NIF_ORDER_H

#include "nif.h"

#include "../core/oh_table.h"

#include <string.h>

/* The 64 bits of a number's prefix that follow its type. */
static inline uint64_t nif_order_double(double number) {
    uint64_t bits;
    number += 0.0; /* 0.0 for -0.0 */
    memcpy(&bits, &number, sizeof bits);
    return (bits >> 63) != 0 ? ~bits : bits | (uint64_t)1 << 63;
}

/* The prefix of a small integer. */
static inline void nif_order_small(int64_t value, oh_key_t *key) {
    uint64_t bits = nif_order_double((double)value);
    key->order = bits >> 4;
    key->order2 = bits << 60;
}

/* Gives key the prefix of a term: O(1), but for bit strings that are no binaries, and atoms that
 * are not Latin-1, whose text only their external format shows. False when memory is out. */
bool nif_order(ErlNifEnv *env, ERL_NIF_TERM term, oh_key_t *key);

/* The order of two keys of the store, whose prefixes are equal; see oh_term_ops_t. */
int nif_order_compare(const oh_key_t *a, const oh_key_t *b);

/*
 * A gap stands where a key does, for seeking in a tree: between the keys, before the first or
 * behind the last of those that lie in a range. It is equal to none.
 */
typedef struct {
    ErlNifEnv *env; /* where keys that are no terms become terms, a dozen or so a search */
    /* Whether a key is before (-1), in (0) or behind (1) the range; ascends with the key. */
    int (*place)(ErlNifEnv *env, const void *range, ERL_NIF_TERM key);
    const void *range;
    bool behind;
} nif_order_gap_t;

/* Makes key, whose prefix is set, stand for a gap: keys before the gap must have no larger prefix,
 * keys behind it no smaller one. */
void nif_order_set_gap(oh_key_t *key, const nif_order_gap_t *gap);

/* Gives key a prefix for the gap before, or behind, the terms that match a pattern: a term with
 * parts that is_free says may be any term. False when memory is out. */
bool nif_order_pattern(ErlNifEnv *env, ERL_NIF_TERM pattern,
                       bool (*is_free)(ErlNifEnv *env, ERL_NIF_TERM part), bool behind,
                       oh_key_t *key);

#endif
