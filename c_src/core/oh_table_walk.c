/*
 * Traversal key by key, in the order of (hash, key).
 *
 * The order depends on the keys alone: not on slots, segments or what was inserted when. So
 * whatever grows, splits, shrinks or is rebuilt meanwhile, a traversal meets each entry that is
 * there throughout once, and goes on from a key that is gone. Equal hashes, one pair in four
 * billion, are told apart by the keys themselves.
 *
 * Within a segment places ascend with the hash (oh_segment_place). So the successor of a hash is
 * one of its own home's entries, else of the next home's that has any. A home's entries stand
 * between it and the end of the run of full groups that it lies in, a few groups; they are told
 * from their neighbours by their tags, and come in the order of these: one or two hashes are
 * computed to find the least.
 */
#include "oh_segment.h"
#include "oh_table_internal.h"

/* Segments that one call looks at; a table whose entries were deleted may have many empty ones.
 * About
 * 200 us. */
#define STEP_SEGMENTS 4096
/* A directory entry stands for so many slots, as a power of two. */
#define SLOT_BITS 8

/* --- The order of keys with the same hash: immediates, flat keys, other terms --- */

typedef struct {
    enum { IS_IMMEDIATE, IS_FLAT, IS_TERM } kind;
    oh_word_t word;
    uint32_t flat_words;
    const oh_word_t *flat;
    oh_word_t buffer[OH_CELL_WORDS_MAX];
} rank_t;

static void rank_key(const oh_key_t *key, rank_t *r) {
    r->kind = key->immediate ? IS_IMMEDIATE : key->flat_words > 0 ? IS_FLAT : IS_TERM;
    r->word = key->word;
    r->flat_words = key->flat_words;
    r->flat = key->flat;
}

static void rank_slot(const oh_segment_t *s, uint32_t slot, uint32_t salt, rank_t *r) {
    oh_key_t key = oh_segment_slot_key(s, slot, salt);
    if (!key.immediate && key.flat_words == 0) {
        key.flat_words = s->ops->flat(oh_segment_slot_arena(s, slot), key.word, r->buffer);
        key.flat = r->buffer;
    }
    rank_key(&key, r);
}

static int compare_ranks(const oh_segment_t *s, const rank_t *a, const rank_t *b) {
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind == IS_IMMEDIATE)
        return a->word < b->word ? -1 : a->word > b->word;
    if (a->kind == IS_TERM)
        return s->ops->compare_exactly(a->word, b->word);
    if (a->flat_words != b->flat_words)
        return a->flat_words < b->flat_words ? -1 : 1;
    return memcmp(a->flat, b->flat, a->flat_words * sizeof *a->flat);
}

static int compare_slot_to_key(const oh_segment_t *s, uint32_t slot, uint32_t salt,
                               const oh_key_t *key) {
    rank_t a, b;
    rank_slot(s, slot, salt, &a);
    rank_key(key, &b);
    return compare_ranks(s, &a, &b);
}

static int compare_slots(const oh_segment_t *s, uint32_t slot, uint32_t other, uint32_t salt) {
    rank_t a, b;
    rank_slot(s, slot, salt, &a);
    rank_slot(s, other, salt, &b);
    return compare_ranks(s, &a, &b);
}

/* --- Successors --- */

/* The least entry that a search has met. */
typedef struct {
    uint32_t slot; /* or OH_SLOT_NONE */
    uint32_t hash;
    uint32_t tag;
} least_t;

/* What a search looks for: the least hash from here on and, of those that equal it, the least key
 * after the given one, which may be NULL. */
typedef struct {
    const oh_segment_t *s; /* locked */
    uint32_t salt;
    uint32_t from;
    const oh_key_t *after;
} search_t;

/* Takes the slot into account: its tag is that of an entry of this home. */
static void consider(const search_t *search, uint32_t home, uint32_t slot, uint32_t tag,
                     least_t *least) {
    const oh_segment_t *s = search->s;
    bool met = least->slot != OH_SLOT_NONE;
    const oh_slot_t *at = oh_segment_slot(s, slot);
    oh_word_t value = oh_load_relaxed(&at->value);
    uint32_t meta = oh_segment_meta(s, slot);
    if (value == OH_WORD_NONE || (met && tag > least->tag))
        return;
    /* The key itself is met most of the time. */
    if (search->after != NULL && ((meta & OH_META_IMM) != 0) == search->after->immediate &&
        oh_segment_key_equal(s, at, meta & OH_META_FORM, value, search->after))
        return;
    uint32_t hash = oh_segment_slot_hash(s, slot, search->salt);
    if (hash < search->from || (met && hash > least->hash) ||
        oh_place_home(oh_segment_place(oh_segment_shape(s), hash)) != home)
        return;
    if (hash == search->from && search->after != NULL &&
        compare_slot_to_key(s, slot, search->salt, search->after) <= 0)
        return;
    if (met && hash == least->hash && compare_slots(s, slot, least->slot, search->salt) >= 0)
        return;
    *least = (least_t){slot, hash, tag};
}

#define HOME_BITS 0xc000ull /* the home's part of the tag, in meta */

/* The least of a home's entries with this tag or a later one. */
static least_t least_of_home(const search_t *search, uint32_t home, uint32_t tag) {
    const oh_segment_t *s = search->s;
    least_t least = {.slot = OH_SLOT_NONE};
    uint64_t match = (uint64_t)(home & 3) << 14;
    for (uint32_t n = 0, g = home; n < s->groups; n++, g = g + 1 == s->groups ? 0 : g + 1) {
        uint64_t meta = oh_load_relaxed(&s->meta[g]);
        uint64_t lanes =
            oh_meta_zero_lanes((meta ^ match * OH_META_LANES) & HOME_BITS * OH_META_LANES);
        for (; lanes != 0; lanes &= lanes - 1) {
            uint32_t lane = (uint32_t)__builtin_ctzll(lanes) / 16;
            uint32_t word = oh_meta_lane(meta, lane);
            if ((word & OH_META_FORM) != 0 && word >> 8 >= tag)
                consider(search, home, g * OH_GROUP_SLOTS + lane, word >> 8, &least);
        }
        if (meta >> 48 == 0)
            break;
    }
    return least;
}

static least_t successor(const search_t *search) {
    const oh_segment_t *s = search->s;
    least_t least = {.slot = OH_SLOT_NONE};
    uint64_t place = oh_segment_place(oh_segment_shape(s), search->from);
    uint32_t home = oh_place_home(place), tag = oh_place_tag(place);
    for (; home < s->groups && least.slot == OH_SLOT_NONE; home++, tag = 0)
        least = least_of_home(search, home, tag);
    return least;
}

static void get_entry(const oh_segment_t *s, uint32_t slot, oh_entry_t *entry) {
    const oh_slot_t *at = oh_segment_slot(s, slot);
    oh_form_entry(oh_segment_meta(s, slot) & OH_META_FORM, oh_load_relaxed(&at->key),
                  oh_load_relaxed(&at->value), entry);
    if (s->many > 0)
        oh_entry_set_version(entry);
}

oh_status_t oh_table_next(oh_table_t *t, const oh_key_t *after, bool patient, oh_entry_t *entry) {
    uint32_t from = after == NULL ? 0 : after->hash;
    for (uint32_t n = 0; patient || n < STEP_SEGMENTS; n++) {
        oh_segment_t *s = oh_table_lock_segment(t, from);
        if (s == NULL)
            return OH_CLOSED;
        least_t next = successor(&(search_t){s, t->salt, from, after});
        if (next.slot != OH_SLOT_NONE)
            get_entry(s, next.slot, entry);
        uint64_t end = oh_segment_end(s);
        oh_unlock(&s->lock);
        if (next.slot != OH_SLOT_NONE)
            return OH_OK;
        if (end == OH_POSITION_END)
            return OH_NOT_FOUND;
        from = (uint32_t)end;
        after = NULL;
    }
    return OH_BUSY;
}

/* --- Slots --- */

/* The bits in reverse order. */
static uint32_t reversed(uint32_t bits) {
    uint32_t result = 0;
    for (int i = 0; i < 32; i++, bits >>= 1)
        result = result << 1 | (bits & 1);
    return result;
}

oh_status_t oh_table_slot(oh_table_t *t, uint64_t index, oh_entry_t *entries, uint32_t room,
                          uint32_t *count) {
    const oh_directory_t *d = oh_load_acquire(&t->directory); /* D1: pairs with D2 */
    if (d == NULL)
        return OH_CLOSED;
    uint32_t bits = d->depth + SLOT_BITS, n = 0;
    if (index >= (uint64_t)1 << bits)
        return index == (uint64_t)1 << bits ? OH_NOT_FOUND : OH_BADARG;
    /* Reversed, so that when the table doubles, what a slot held goes to it and to a later one. */
    uint32_t from = reversed((uint32_t)index);
    uint64_t end = (uint64_t)from + ((uint64_t)1 << (32 - bits));
    oh_segment_t *s = oh_table_lock_segment(t, from);
    if (s == NULL)
        return OH_CLOSED;
    oh_key_t last, *after = NULL;
    for (;;) {
        least_t next = successor(&(search_t){s, t->salt, from, after});
        if (next.slot == OH_SLOT_NONE || next.hash >= end || n == room) {
            oh_unlock(&s->lock);
            *count = n;
            return next.slot != OH_SLOT_NONE && next.hash < end ? OH_LIMIT : OH_OK;
        }
        get_entry(s, next.slot, &entries[n++]);
        last = oh_segment_slot_key(s, next.slot, t->salt);
        after = &last;
        from = next.hash;
    }
}
