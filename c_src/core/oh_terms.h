/*
 * oh_terms: how a segment of a table and a leaf of a tree hold their entries' terms.
 *
 * Internal to both (oh_segment.h, oh_tree_internal.h). Terms that are not flat stand in an arena,
 * large ones in boxes; here are the account of these, and what an entry's meta says of its terms.
 * Everything that changes an account is called with the segment's or leaf's lock held, or before
 * that is published.
 */
#ifndef OH_TERMS_H
#define OH_TERMS_H

#include "oh_table.h"

/* --- The low byte of an entry's meta: what and how large its terms are --- */

#define OH_META_FORM 0x07u
#define OH_META_IMM  0x08u /* the key is immediate */
#define OH_META_SIZE 0xf0u /* the value's size class; only for the account of garbage */

/* Sizes of values in words, as four bits of meta remember them: exact for the usual tuples. */
static const uint16_t oh_meta_class_words[16] = {0,  2,  3,  4,  5,  6,   8,   10,
                                                 12, 16, 24, 32, 64, 128, 256, 512};

/* Keys leave no note of their size; those that are not immediate are usually a small tuple or
 * binary. */
#define OH_META_KEY_WORDS 6

/* Of a value of so many words: its size class, in place. */
static inline uint32_t oh_meta_size(uint32_t words) {
    uint32_t class = 0;
    while (class < 15 && oh_meta_class_words[class] < words)
        class ++;
    return class << 4;
}

/* The words of a value, rounded up; 0: it is immediate, or elsewhere. What comes into an arena and
 * what dies in it are rounded alike. */
static inline uint32_t oh_meta_words(uint32_t meta) {
    return oh_meta_class_words[(meta & OH_META_SIZE) >> 4];
}

/* What the key takes in the arena besides the value: objects, boxes and cells have theirs in
 * them. */
static inline uint32_t oh_meta_key_words(uint32_t meta) {
    return (meta & OH_META_IMM) == 0 && (meta & OH_META_FORM) == OH_FORM_VALUE ? OH_META_KEY_WORDS
                                                                               : 0;
}

static inline oh_box_t *oh_box_of(oh_word_t value) {
    return (oh_box_t *)(uintptr_t)value;
}

static inline oh_cell_t *oh_cell_of(oh_word_t value) {
    return (oh_cell_t *)(uintptr_t)value;
}

/* What the words of an entry of this form stand for. */
OH_ALWAYS_INLINE void oh_form_entry(uint32_t form, oh_word_t key, oh_word_t value,
                                    oh_entry_t *entry) {
    if (form == OH_FORM_BOX) {
        const oh_box_t *box = oh_box_of(value);
        *entry = (oh_entry_t){.key = box->key, .value = box->value, .form = box->form, .box = box};
    } else if (form == OH_FORM_CELL) {
        *entry = (oh_entry_t){.key = key, .form = OH_FORM_CELL, .cell = oh_cell_of(value)};
    } else {
        *entry = (oh_entry_t){.key = key, .value = value, .form = (oh_form_t)form};
    }
}

/* --- Arena and boxes --- */

typedef struct {
    void *arena;          /* NULL until a term needs it */
    uint64_t arena_words; /* what was ever copied into it */
    uint64_t dead_words;  /* of which nobody needs any more, at least */
    uint64_t box_words;
    uint32_t boxes;
} oh_terms_t;

/* The memory of the arena and of the boxes. */
size_t oh_terms_arena_bytes(const oh_terms_t *terms, const oh_term_ops_t *ops);
size_t oh_terms_box_bytes(const oh_terms_t *terms, const oh_term_ops_t *ops);

/* Enters a box in the accounts, or strikes it out: by is 1 or -1. */
void oh_terms_count_box(oh_terms_t *terms, const oh_box_t *box, int by);

/* Frees a box after the grace period: nothing leads to it any more. The caller is pinned. */
void oh_box_retire(oh_box_t *box);

/* Nothing leads any more to what an entry's value, or a bag's object, referred to: it goes after
 * the grace period, or counts as dead. Its key in the arena is the caller's to count. The caller is
 * pinned. */
static inline void oh_terms_discard(oh_terms_t *terms, oh_cells_t *cells, uint32_t meta,
                                    oh_word_t value) {
    uint32_t form = meta & OH_META_FORM;
    if (form == OH_FORM_CELL) {
        oh_cells_retire(cells, oh_cell_of(value));
    } else if (form == OH_FORM_BOX) {
        oh_terms_count_box(terms, oh_box_of(value), -1);
        oh_box_retire(oh_box_of(value));
    } else {
        terms->dead_words += oh_meta_words(meta);
    }
}

/* A copy of the term in the arena; OH_WORD_NONE when memory is out. Words are as rounded. */
oh_word_t oh_terms_put(oh_terms_t *terms, const oh_term_ops_t *ops, oh_word_t term, uint32_t words);
oh_word_t oh_terms_put_key(oh_terms_t *terms, const oh_term_ops_t *ops, oh_word_t key);

/* As oh_terms_put_entry, of an entry that has a term to copy. */
bool oh_terms_copy_entry(oh_terms_t *terms, const oh_term_ops_t *ops, uint32_t meta, uint32_t tag,
                         oh_word_t *key, oh_word_t *value);

/* Copies the terms of an entry of form VALUE or OBJECT to the arena, those that are not immediate:
 * *key and *value become the copies. The key of an object is found in the copy by ops->object_key,
 * which is given tag. False when memory is out. */
static inline bool oh_terms_put_entry(oh_terms_t *terms, const oh_term_ops_t *ops, uint32_t meta,
                                      uint32_t tag, oh_word_t *key, oh_word_t *value) {
    bool key_comes = (meta & OH_META_IMM) == 0 && (meta & OH_META_FORM) != OH_FORM_OBJECT;
    if (oh_meta_words(meta) == 0 && !key_comes)
        return true;
    return oh_terms_copy_entry(terms, ops, meta, tag, key, value);
}

/* The item's cell, copied; a cell begins with the key, if that is not immediate. False when memory
 * is out. */
bool oh_terms_put_cell(oh_cells_t *cells, oh_item_t *item);

/* Of an item's key, which is the caller's term and words: makes it those that were copied. Pinned
 * readers may meet these as long as they are pinned. */
void oh_terms_own_key(oh_key_t *key, const oh_item_t *item);

/* --- Invariants --- */

/* What the entries' storage comes to. */
typedef struct {
    uint32_t boxes, cell_words;
    uint64_t box_words;
} oh_terms_tally_t;

/* Adds what the value holds. */
void oh_terms_tally(oh_terms_tally_t *tally, uint32_t form, oh_word_t value);

/* Whether that is what the accounts say. */
bool oh_terms_valid(const oh_terms_t *terms, const oh_cells_t *cells,
                    const oh_terms_tally_t *tally);

#endif
