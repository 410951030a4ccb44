#include "oh_bitset.h"

#include <string.h>

#include "oh_alloc.h"
#include "oh_reaper.h"

/* Children of a node. */
#define FANOUT 32

#define NODE_PENDING       ((uint64_t)1 << 37)
#define NODE_CHILD_SHIFT   32
#define NODE_CHILD_MASK    ((uint64_t)31 << NODE_CHILD_SHIFT)
#define NODE_VERSION       ((uint64_t)1 << 38)
#define NODE_FULL_CHILDREN ((uint64_t)UINT32_MAX)

/* Attempts to mark a child. Giving up leaves a full child unmarked, which the next claim that comes
 * across it makes good. */
#define MARK_ATTEMPTS 16
/* Descents of one claim: some microseconds. */
#define CLAIM_STEPS 256

/* --- Life --- */

/* Bits of the last word that stand for none of the set's. */
static uint64_t padding(const oh_bitset_t *b) {
    return b->size % 64 == 0 ? 0 : UINT64_MAX << b->size % 64;
}

/* Children that the nodes of level speak for. */
static uint64_t children(const oh_bitset_t *b, unsigned level) {
    uint64_t count = b->words;
    for (unsigned i = 0; i < level; i++)
        count = (count + FANOUT - 1) / FANOUT;
    return count;
}

static void lay_out(oh_bitset_t *b) {
    uint64_t count = b->words;
    b->levels = 0;
    b->nodes = 0;
    while (count > 1) {
        count = (count + FANOUT - 1) / FANOUT;
        b->nodes += count;
        b->levels++;
    }
}

/* Sets what stands for nothing: bits behind the last one, children behind the last one. */
static void pad(oh_bitset_t *b) {
    uint64_t count = b->words;
    _Atomic uint64_t *next = b->word + b->words;
    atomic_init(&b->word[b->words - 1], padding(b));
    for (unsigned level = 0; level < b->levels; level++) {
        uint64_t nodes = (count + FANOUT - 1) / FANOUT;
        b->node[level] = next;
        if (count % FANOUT != 0)
            atomic_init(&next[nodes - 1],
                        NODE_FULL_CHILDREN << count % FANOUT & NODE_FULL_CHILDREN);
        next += nodes;
        count = nodes;
    }
}

oh_status_t oh_bitset_init(oh_bitset_t *b, uint64_t size) {
    *b = (oh_bitset_t){0};
    if (size == 0)
        return OH_BADARG;
    if (size > OH_BITSET_SIZE_MAX)
        return OH_LIMIT;
    b->words = (size + 63) / 64;
    lay_out(b);
    b->word = oh_zalloc_big(oh_bitset_memory(b));
    if (b->word == NULL) {
        *b = (oh_bitset_t){0};
        return OH_ENOMEM;
    }
    b->size = size;
    pad(b);
    return OH_OK;
}

void oh_bitset_free(oh_bitset_t *b) {
    oh_reaper_free_big((void *)b->word, oh_bitset_memory(b));
    *b = (oh_bitset_t){0};
}

/* --- Summary --- */

static bool node_is_full(uint64_t node) {
    return (node & NODE_FULL_CHILDREN) == NODE_FULL_CHILDREN;
}

/* Whether child number at of the nodes of level is full. */
static bool child_is_full(const oh_bitset_t *b, unsigned level, uint64_t at) {
    return level == 0 ? oh_load_seqcst(&b->word[at]) == UINT64_MAX
                      : node_is_full(oh_load_seqcst(&b->node[level - 1][at]));
}

/* Decides a proposal, one's own or another thread's: the child is marked if it is full now, and the
 * node has not changed since the proposal was seen. */
static void settle(oh_bitset_t *b, unsigned level, uint64_t at, uint64_t proposal) {
    uint64_t child = (proposal & NODE_CHILD_MASK) >> NODE_CHILD_SHIFT;
    uint64_t settled = proposal & ~NODE_PENDING;
    if (child_is_full(b, level, at * FANOUT + child))
        settled |= (uint64_t)1 << child;
    (void)oh_cas_seqcst_seqcst(&b->node[level][at], &proposal, settled);
}

/* Marks child number at, if it is full. True if that leaves its node full. */
static bool mark_child(oh_bitset_t *b, unsigned level, uint64_t at) {
    uint64_t child = at % FANOUT;
    _Atomic uint64_t *node = &b->node[level][at / FANOUT];
    for (int attempt = 0; attempt < MARK_ATTEMPTS; attempt++) {
        uint64_t seen = oh_load_seqcst(node);
        if (seen >> child & 1)
            return node_is_full(seen);
        if (seen & NODE_PENDING) {
            settle(b, level, at / FANOUT, seen);
            continue;
        }
        if (!child_is_full(b, level, at))
            return false;
        uint64_t proposal = (seen & ~NODE_CHILD_MASK) | child << NODE_CHILD_SHIFT | NODE_PENDING;
        proposal += NODE_VERSION;
        if (oh_cas_seqcst_seqcst(node, &seen, proposal))
            settle(b, level, at / FANOUT, proposal);
    }
    return false;
}

void oh_bitset_mark_full(oh_bitset_t *b, uint64_t word) {
    uint64_t at = word;
    for (unsigned level = 0; level < b->levels && mark_child(b, level, at); level++)
        at /= FANOUT;
}

void oh_bitset_unmark(_Atomic uint64_t *node, unsigned child) {
    uint64_t seen = oh_load_seqcst(node);
    while (oh_bitset_marks(seen, child) &&
           !oh_cas_seqcst_seqcst(node, &seen, seen & ~((uint64_t)1 << child | NODE_PENDING)))
        oh_pause();
}

/* --- Claim --- */

/* Sets the lowest clear bit of the word; false if there is none. */
static bool claim_in_word(oh_bitset_t *b, uint64_t at, uint64_t *index) {
    uint64_t seen = oh_load_seqcst(&b->word[at]);
    while (seen != UINT64_MAX) {
        uint64_t mask = ~seen & (seen + 1);
        seen = oh_fetch_or_seqcst(&b->word[at], mask);
        if (oh_unlikely((seen & mask) != 0))
            continue;
        *index = at * 64 + (uint64_t)__builtin_ctzll(mask);
        if (oh_unlikely((seen | mask) == UINT64_MAX))
            oh_bitset_mark_full(b, at);
        return true;
    }
    return false;
}

oh_status_t oh_bitset_claim(oh_bitset_t *b, uint64_t *index) {
    for (int step = 0; step < CLAIM_STEPS; step++) {
        uint64_t at = 0;
        unsigned level = b->levels;
        while (level > 0) {
            uint64_t open = ~oh_load_seqcst(&b->node[level - 1][at]) & NODE_FULL_CHILDREN;
            if (open == 0)
                break;
            at = at * FANOUT + (uint64_t)__builtin_ctzll(open);
            level--;
        }
        if (level == 0 && claim_in_word(b, at, index))
            return OH_OK;
        if (level == b->levels)
            return OH_EXHAUSTED;
        /* Full, and not marked so: mark it, or this descent ends here again. */
        (void)mark_child(b, level, at);
    }
    return OH_BUSY;
}

/* --- Whole sets --- */

/* How many bits of the word are set: in pairs, fours, bytes, and by the product all bytes. Not the
 * compiler's, which for an x86-64 of no particular make is a call and a table. */
static uint64_t ones(uint64_t word) {
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return word * 0x0101010101010101u >> 56;
}

uint64_t oh_bitset_count(const oh_bitset_t *b, uint64_t index, uint64_t count) {
    if (count == 0)
        return 0;
    uint64_t end = index + count - 1; /* the last one */
    uint64_t at = index / 64, last = end / 64;
    uint64_t first_mask = UINT64_MAX << index % 64, last_mask = UINT64_MAX >> (63 - end % 64);
    if (at == last)
        return ones(oh_load_acquire(&b->word[at]) & first_mask & last_mask);
    uint64_t sum = ones(oh_load_acquire(&b->word[at]) & first_mask);
    while (++at < last)
        sum += ones(oh_load_acquire(&b->word[at]));
    return sum + ones(oh_load_acquire(&b->word[last]) & last_mask);
}

static void add_bits(oh_bitset_t *b, uint64_t at, uint64_t bits) {
    /* A write that changes nothing would only take the cache line from others. */
    if ((bits & ~oh_load_acquire(&b->word[at])) == 0)
        return;
    uint64_t old = oh_fetch_or_seqcst(&b->word[at], bits);
    if ((old | bits) == UINT64_MAX && old != UINT64_MAX)
        oh_bitset_mark_full(b, at);
}

static void remove_bits(oh_bitset_t *b, uint64_t at, uint64_t bits) {
    if ((bits & oh_load_acquire(&b->word[at])) == 0)
        return;
    uint64_t old = oh_fetch_and_seqcst(&b->word[at], ~bits);
    if ((old & bits) != 0)
        oh_bitset_unmark_above(b, at * 64);
}

/* A word without its padding. */
static uint64_t plain_word(const oh_bitset_t *b, uint64_t at) {
    uint64_t word = oh_load_acquire(&b->word[at]);
    return at == b->words - 1 ? word & ~padding(b) : word;
}

void oh_bitset_combine(oh_bitset_t *b, oh_bitset_op_t op, const oh_bitset_t *other, uint64_t first,
                       uint64_t count) {
    for (uint64_t at = first; at < first + count; at++) {
        switch (op) {
        case OH_BITSET_UNION:
            add_bits(b, at, plain_word(other, at));
            break;
        case OH_BITSET_INTERSECTION:
            remove_bits(b, at, ~oh_load_acquire(&other->word[at]));
            break;
        case OH_BITSET_DIFFERENCE:
            remove_bits(b, at, plain_word(other, at));
            break;
        }
    }
}

/* --- Bytes --- */

static void store_le(uint8_t *bytes, uint64_t word, size_t count) {
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)(word >> 8 * i);
}

static uint64_t load_le(const uint8_t *bytes, size_t count) {
    uint64_t word = 0;
    for (size_t i = 0; i < count; i++)
        word |= (uint64_t)bytes[i] << 8 * i;
    return word;
}

void oh_bitset_to_bytes(const oh_bitset_t *b, uint8_t *bytes) {
    uint64_t last = b->words - 1;
    for (uint64_t at = 0; at < last; at++)
        store_le(bytes + at * 8, oh_load_acquire(&b->word[at]), 8);
    store_le(bytes + last * 8, plain_word(b, last), oh_bitset_bytes(b) - last * 8);
}

oh_status_t oh_bitset_from_bytes(oh_bitset_t *b, const uint8_t *bytes) {
    uint64_t last = b->words - 1;
    for (uint64_t at = 0; at < last; at++)
        add_bits(b, at, load_le(bytes + at * 8, 8));
    uint64_t word = load_le(bytes + last * 8, oh_bitset_bytes(b) - last * 8);
    if ((word & padding(b)) != 0)
        return OH_BADARG;
    add_bits(b, last, word);
    return OH_OK;
}

/* --- Check --- */

static bool node_is_valid(const oh_bitset_t *b, unsigned level, uint64_t at, uint64_t count) {
    uint64_t node = oh_load_seqcst(&b->node[level][at]);
    if ((node & NODE_PENDING) != 0)
        return false;
    for (uint64_t child = 0; child < FANOUT; child++) {
        uint64_t number = at * FANOUT + child;
        bool marked = (node >> child & 1) != 0;
        if (number >= count ? !marked : marked && !child_is_full(b, level, number))
            return false;
    }
    return true;
}

bool oh_bitset_valid(const oh_bitset_t *b) {
    if ((~oh_load_seqcst(&b->word[b->words - 1]) & padding(b)) != 0)
        return false;
    for (unsigned level = 0; level < b->levels; level++) {
        uint64_t count = children(b, level);
        for (uint64_t at = 0; at * FANOUT < count; at++)
            if (!node_is_valid(b, level, at, count))
                return false;
    }
    return true;
}
