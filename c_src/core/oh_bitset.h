/*
 * oh_bitset: a fixed number of bits, each set, cleared, flipped and tested atomically, that also
 * hands out the lowest clear bit (a slot allocator) without a scan.
 *
 * Call                     Threads  Memory order                          Progress
 * -----------------------  -------  ------------------------------------  ----------------------
 * test                     any      acquire                               wait-free
 * set, clear, flip         any      seq_cst read-modify-write of a word   lock-free
 * claim                    any      seq_cst                               lock-free, bounded steps
 * count, to_bytes          any      acquire, word by word; not one        wait-free
 *                                   instant
 * combine                  any      seq_cst read-modify-write, word by    lock-free
 *                                   word; not one instant
 * init, free, from_bytes   one      the caller publishes                  as the allocator
 *
 * The caller checks indices: 0 <= index < size.
 *
 * Layout: words of 64 bits, and above them a tree of summary nodes. A node speaks for 32 children
 * (words, or nodes of the level below); the topmost level has one node, the root. A set of up to 64
 * bits is its only word and has no nodes.
 *
 *     node: | version (26) | pending (1) | proposed child (5) | full children (32) |
 *
 * Bits and children beyond the last stand set from the start, so that "full" is all ones
 * everywhere.
 *
 * What the summary promises (argued in doc/bitset.md): a child is marked full only while each bit
 * below it is set, or is being cleared by a call that has not returned. The converse is a hint: a
 * full child may be unmarked until a claim comes across it. Hence a claim that reads the root full
 * has seen, at that one instant, no bit clear but those of calls under way.
 */
#ifndef OH_BITSET_H
#define OH_BITSET_H

#include "oh_atomic.h"
#include "oh_common.h"

/* Bits a set may have at most: 2^40, 128 GiB. */
#define OH_BITSET_SIZE_MAX ((uint64_t)1 << 40)
/* 64 * 32^7 >= 2^40 */
#define OH_BITSET_LEVELS_MAX 7

typedef struct {
    uint64_t size;                                /* bits; never changes */
    uint64_t words;                               /* ceil(size / 64) */
    uint64_t nodes;                               /* of all levels */
    unsigned levels;                              /* of nodes */
    _Atomic uint64_t *word;                       /* owned: the words, then the nodes */
    _Atomic uint64_t *node[OH_BITSET_LEVELS_MAX]; /* level by level, lowest first; into word */
} oh_bitset_t;

typedef enum { OH_BITSET_UNION, OH_BITSET_INTERSECTION, OH_BITSET_DIFFERENCE } oh_bitset_op_t;

/* Fills in *b with a set of size clear bits. OH_BADARG for size 0, OH_LIMIT beyond the maximum,
 * OH_ENOMEM; on an error *b needs no free. O(1) in size for big sets. */
oh_status_t oh_bitset_init(oh_bitset_t *b, uint64_t size);

/* Ends the set. No other call may be under way. O(1). */
void oh_bitset_free(oh_bitset_t *b);

/* Bytes that words and nodes take. */
static inline size_t oh_bitset_memory(const oh_bitset_t *b) {
    return (size_t)(b->words + b->nodes) * sizeof(uint64_t);
}

/* Marks a word that was seen full, and what becomes full above it. */
void oh_bitset_mark_full(oh_bitset_t *b, uint64_t word);
/* Clears the mark of one child of a node, or the proposal to set it. */
void oh_bitset_unmark(_Atomic uint64_t *node, unsigned child);

/* True if the node has child marked full, or proposed to be. */
static inline bool oh_bitset_marks(uint64_t node, unsigned child) {
    return (node >> child & 1) != 0 || (node >> 32 & 63) == (32 | child);
}

/* Comes after a bit of the word that holds index was cleared: sees to it that no node above has the
 * word marked full. Bottom up: the argument for the summary rests on that order. */
static inline void oh_bitset_unmark_above(oh_bitset_t *b, uint64_t index) {
    uint64_t at = index >> 6;
    for (unsigned level = 0; level < b->levels; level++) {
        unsigned child = at & 31;
        at >>= 5;
        if (oh_unlikely(oh_bitset_marks(oh_load_seqcst(&b->node[level][at]), child)))
            oh_bitset_unmark(&b->node[level][at], child);
    }
}

static inline uint64_t oh_bitset_mask(uint64_t index) {
    return (uint64_t)1 << (index & 63);
}

/* Whether the bit is set. */
static inline bool oh_bitset_test(const oh_bitset_t *b, uint64_t index) {
    return (oh_load_acquire(&b->word[index >> 6]) & oh_bitset_mask(index)) != 0;
}

/* Sets the bit; whether it was set. */
static inline bool oh_bitset_set(oh_bitset_t *b, uint64_t index) {
    uint64_t mask = oh_bitset_mask(index);
    uint64_t old = oh_fetch_or_seqcst(&b->word[index >> 6], mask);
    if (oh_unlikely((old | mask) == UINT64_MAX) && old != UINT64_MAX)
        oh_bitset_mark_full(b, index >> 6);
    return (old & mask) != 0;
}

/* Clears the bit; whether it was set. */
static inline bool oh_bitset_clear(oh_bitset_t *b, uint64_t index) {
    uint64_t mask = oh_bitset_mask(index);
    uint64_t old = oh_fetch_and_seqcst(&b->word[index >> 6], ~mask);
    if ((old & mask) == 0)
        return false;
    oh_bitset_unmark_above(b, index);
    return true;
}

/* Changes the bit; whether it was set. */
static inline bool oh_bitset_flip(oh_bitset_t *b, uint64_t index) {
    uint64_t mask = oh_bitset_mask(index);
    uint64_t old = oh_fetch_xor_seqcst(&b->word[index >> 6], mask);
    if ((old & mask) != 0)
        oh_bitset_unmark_above(b, index);
    else if (oh_unlikely((old | mask) == UINT64_MAX))
        oh_bitset_mark_full(b, index >> 6);
    return (old & mask) != 0;
}

/*
 * Sets a clear bit and tells which: no two calls get the same one unless it was cleared between
 * them. It is the lowest clear bit if nobody else changes the set meanwhile. OH_EXHAUSTED if at one
 * instant of the call each bit was set, or was being cleared by a call that had not returned.
 * OH_BUSY after a bounded number of steps in which other threads changed what was found: call
 * again.
 */
oh_status_t oh_bitset_claim(oh_bitset_t *b, uint64_t *index);

/* How many of count bits from index on are set. index + count <= size. */
uint64_t oh_bitset_count(const oh_bitset_t *b, uint64_t index, uint64_t count);

/* Changes count words of b from word first on: union adds other's bits, intersection keeps only
 * other's, difference removes other's. The sets are of the same size, and may be the same. */
void oh_bitset_combine(oh_bitset_t *b, oh_bitset_op_t op, const oh_bitset_t *other, uint64_t first,
                       uint64_t count);

/* Bytes that to_bytes writes: ceil(size / 8). */
static inline size_t oh_bitset_bytes(const oh_bitset_t *b) {
    return (size_t)((b->size + 7) / 8);
}

/* Writes bit i as bit i % 8, counted from the lowest, of byte i / 8; what is left of the last byte
 * is zero. */
void oh_bitset_to_bytes(const oh_bitset_t *b, uint8_t *bytes);

/* The same the other way, into a fresh set that no other thread has. OH_BADARG if bits beyond the
 * last are set: the set then holds part of it. */
oh_status_t oh_bitset_from_bytes(oh_bitset_t *b, const uint8_t *bytes);

/* Whether all that must hold between calls does. No call that writes may be under way. */
bool oh_bitset_valid(const oh_bitset_t *b);

#endif
