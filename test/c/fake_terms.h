/*
 * Terms for tests of the table without the BEAM.
 *
 * A word with its lowest bit set is an immediate number. Any other word points to a fake_term_t
 * that stands in an arena; a copy makes a new one. An object's key is its field key. Freed terms
 * are poisoned, so that a reader that comes too late is seen even without ASan.
 */
#ifndef FAKE_TERMS_H
#define FAKE_TERMS_H

#include <stdlib.h>

#include "oh_table.h"

#define FAKE_ALIVE 0xa11feu
#define FAKE_DEAD  0xdeadu

typedef struct fake_term {
    struct fake_term *next; /* in its arena */
    _Atomic uint32_t magic;
    uint64_t number; /* what it is: the key's or value's */
    oh_word_t key;   /* of an object */
    uint64_t check;  /* ~number */
} fake_term_t;

typedef struct {
    fake_term_t *terms;
} fake_arena_t;

/* Terms alive, for leak checks; and how many arena calls succeed before they fail. */
static _Atomic long fake_alive;
static _Atomic long fake_arena_budget = 1L << 40;

static inline oh_word_t fake_number(uint64_t number) {
    return number << 1 | 1;
}

static inline fake_term_t *fake_pointer(oh_word_t word) {
    return (fake_term_t *)(uintptr_t)word;
}

/* The number that a word stands for; aborts on a term that is gone. */
static inline uint64_t fake_value(oh_word_t word) {
    if (word & 1)
        return word >> 1;
    fake_term_t *term = fake_pointer(word);
    if (oh_load_relaxed(&term->magic) != FAKE_ALIVE || term->check != ~term->number)
        abort();
    return term->number;
}

static inline fake_term_t *fake_new(fake_arena_t *arena, uint64_t number, oh_word_t key) {
    fake_term_t *term = malloc(sizeof *term);
    *term = (fake_term_t){arena->terms, FAKE_ALIVE, number, key, ~number};
    arena->terms = term;
    oh_fetch_add_relaxed(&fake_alive, 1);
    return term;
}

/* Of the key's flat form, which is its number. */
static uint32_t fake_hash(void *arena, oh_word_t key, uint32_t salt) {
    (void)arena;
    uint64_t number = fake_value(key);
    return oh_hash_words(&number, 1, salt);
}

/* All keys in one of 8 hashes. */
static uint32_t fake_bad_hash(void *arena, oh_word_t key, uint32_t salt) {
    return fake_hash(arena, fake_number(fake_value(key) % 8), salt);
}

static bool fake_equal(oh_word_t a, oh_word_t b) {
    return (a & 1) == (b & 1) && fake_value(a) == fake_value(b);
}

static void *fake_arena_new(void) {
    if (oh_fetch_sub_relaxed(&fake_arena_budget, 1) <= 0)
        return NULL;
    return calloc(1, sizeof(fake_arena_t));
}

static oh_word_t fake_copy(void *arena, oh_word_t word) {
    if (word & 1)
        return word;
    if (oh_fetch_sub_relaxed(&fake_arena_budget, 1) <= 0)
        return OH_WORD_NONE;
    fake_term_t *from = fake_pointer(word);
    oh_word_t key = from->key == OH_WORD_NONE ? OH_WORD_NONE : fake_copy(arena, from->key);
    return (oh_word_t)(uintptr_t)fake_new(arena, fake_value(word), key);
}

static void fake_arena_free(void *arena) {
    fake_arena_t *a = arena;
    for (fake_term_t *next, *term = a->terms; term != NULL; term = next) {
        next = term->next;
        oh_store_relaxed(&term->magic, FAKE_DEAD);
        oh_fetch_sub_relaxed(&fake_alive, 1);
        free(term);
    }
    free(a);
}

static oh_word_t fake_object_key(void *arena, oh_word_t object, uint32_t tag) {
    (void)arena;
    (void)tag;
    return fake_pointer(object)->key;
}

static uint16_t fake_flat(void *arena, oh_word_t key, oh_word_t *words) {
    (void)arena;
    words[0] = fake_value(key);
    return 1;
}

/* With the bad hash no key has a flat form. */
static uint16_t fake_no_flat(void *arena, oh_word_t key, oh_word_t *words) {
    (void)arena;
    (void)key;
    (void)words;
    return 0;
}

static int fake_compare_exactly(oh_word_t a, oh_word_t b) {
    return fake_value(a) < fake_value(b) ? -1 : fake_value(a) > fake_value(b);
}

/* The number of a key, which may be flat without a word. */
static uint64_t fake_key_number(const oh_key_t *key) {
    return key->word == OH_WORD_NONE ? key->flat[0] : fake_value(key->word);
}

static int fake_compare(const oh_key_t *a, const oh_key_t *b) {
    uint64_t x = fake_key_number(a), y = fake_key_number(b);
    return x < y ? -1 : x > y;
}

#define FAKE_OPS(hash_, flat_)                                                                     \
    {                                                                                              \
        .hash = hash_, .equal = fake_equal, .arena_new = fake_arena_new, .arena_copy = fake_copy,  \
        .arena_free = fake_arena_free, .object_key = fake_object_key, .flat = flat_,               \
        .compare_exactly = fake_compare_exactly, .arena_bytes = 64, .compare = fake_compare        \
    }

static const oh_term_ops_t fake_ops = FAKE_OPS(fake_hash, fake_flat);
static const oh_term_ops_t fake_bad_ops = FAKE_OPS(fake_bad_hash, fake_no_flat);
/* --- A small map of numbers on a table, as a caller's glue would have it --- */

/* How a test writes an entry. */
typedef enum {
    FAKE_IMMEDIATE,
    FAKE_TERM,
    FAKE_OBJECT,
    FAKE_BOX,
    FAKE_CELL,
    FAKE_SHAPES
} fake_shape_t;

/* A draft of a cell has room for a key of one word, the number, and the number again and again. */
typedef struct {
    uint32_t tag;
    uint16_t words, key_words;
    oh_word_t word[OH_CELL_WORDS_MAX];
} fake_draft_t;

_Static_assert(sizeof(fake_draft_t) == sizeof(oh_cell_t) + OH_CELL_WORDS_MAX * sizeof(oh_word_t),
               "a draft is a cell");

static inline oh_key_t fake_key(const oh_table_t *t, const oh_term_ops_t *ops, oh_word_t word) {
    uint32_t salt = oh_table_salt(t);
    if (word & 1)
        return (oh_key_t){.word = word, .hash = oh_hash_immediate(word, salt), .immediate = true};
    oh_key_t key = {.word = word, .hash = ops->hash(NULL, word, salt)};
    if (ops->hash == fake_hash) {
        key.flat_words = 1;
        key.flat = &fake_pointer(word)->number;
    }
    return key;
}

/* Two bits of a tag are the table's, if it is a bag. */
#define FAKE_TAG(number) (~(uint32_t)(number)&0x3fffffffu)

/* Cells of several sizes, told by the number. */
static inline const oh_cell_t *fake_cell(fake_draft_t *draft, const oh_key_t *key,
                                         uint64_t number) {
    draft->tag = FAKE_TAG(number);
    draft->key_words = key->immediate ? 0 : 1;
    draft->words = (uint16_t)(draft->key_words + 1 + number % 5);
    for (uint32_t i = 0; i < draft->words; i++)
        draft->word[i] = number;
    if (!key->immediate)
        draft->word[0] = key->flat[0];
    return (const oh_cell_t *)draft;
}

/* The number of an entry's key and value; aborts where a cell is not what was written. */
static inline uint64_t fake_entry_key(const oh_entry_t *entry) {
    return entry->cell != NULL && entry->cell->key_words > 0 ? entry->cell->word[0]
                                                             : fake_value(entry->key);
}

static inline uint64_t fake_entry_value(const oh_entry_t *entry) {
    const oh_cell_t *cell = entry->cell;
    if (cell == NULL)
        return fake_value(entry->value);
    uint64_t number = cell->word[cell->key_words];
    if (cell->tag != FAKE_TAG(number) || cell->words != cell->key_words + 1 + number % 5)
        abort();
    for (uint32_t i = cell->key_words; i < cell->words; i++)
        if (cell->word[i] != number)
            abort();
    return number;
}

/* An item for a key and number; terms come from scratch, and a cell is made in draft. A key that
 * has no flat form gets no cell. */
static inline oh_item_t fake_item_of(const oh_term_ops_t *ops, fake_arena_t *scratch,
                                     fake_draft_t *draft, oh_key_t item_key, uint64_t number,
                                     fake_shape_t shape) {
    oh_word_t key = item_key.word;
    oh_item_t item = {.key = item_key,
                      .form = shape == FAKE_OBJECT ? OH_FORM_OBJECT : OH_FORM_VALUE,
                      .value_words = shape == FAKE_IMMEDIATE ? 0 : 5,
                      .value_immediate = shape == FAKE_IMMEDIATE};
    if (shape == FAKE_IMMEDIATE) {
        item.value = fake_number(number);
        return item;
    }
    if (shape == FAKE_CELL && (item.key.immediate || item.key.flat_words > 0)) {
        item.form = OH_FORM_CELL;
        item.cell = fake_cell(draft, &item.key, number);
        return item;
    }
    oh_word_t object_key = shape == FAKE_OBJECT ? key : OH_WORD_NONE;
    item.value = (oh_word_t)(uintptr_t)fake_new(scratch, number, object_key);
    if (shape == FAKE_BOX) {
        fake_arena_t *arena = calloc(1, sizeof *arena);
        oh_box_t *box = malloc(sizeof *box);
        *box = (oh_box_t){.ops = ops,
                          .arena = arena,
                          .form = OH_FORM_VALUE,
                          .hash = item.key.hash,
                          .words = 1000};
        box->value = (oh_word_t)(uintptr_t)fake_new(arena, number, OH_WORD_NONE);
        box->key = (key & 1) ? key : (oh_word_t)(uintptr_t)fake_new(arena, fake_value(key), 0);
        item.box = box;
        item.form = OH_FORM_BOX;
    }
    return item;
}

static inline oh_item_t fake_item(const oh_table_t *t, const oh_term_ops_t *ops,
                                  fake_arena_t *scratch, fake_draft_t *draft, oh_word_t key,
                                  uint64_t number, fake_shape_t shape) {
    return fake_item_of(ops, scratch, draft, fake_key(t, ops, key), number, shape);
}

static inline oh_status_t fake_put(oh_table_t *t, const oh_term_ops_t *ops, oh_word_t key,
                                   uint64_t number, fake_shape_t shape) {
    fake_arena_t *scratch = calloc(1, sizeof *scratch);
    fake_draft_t draft;
    oh_item_t item = fake_item(t, ops, scratch, &draft, key, number, shape);
    oh_write_t w;
    oh_epoch_pin();
    oh_status_t status = oh_table_begin(t, &w, &item.key, true);
    if (status == OH_OK) {
        status = oh_table_put(t, &w, &item);
        oh_table_end(t, &w);
    }
    oh_epoch_unpin();
    if (status != OH_OK && item.box != NULL)
        oh_box_free(item.box);
    fake_arena_free(scratch);
    return status;
}

static inline oh_status_t fake_get(oh_table_t *t, const oh_term_ops_t *ops, oh_word_t word,
                                   uint64_t *number) {
    oh_entry_t entry;
    oh_key_t key = fake_key(t, ops, word);
    oh_epoch_pin();
    oh_status_t status = oh_table_get(t, &key, &entry);
    if (status == OH_OK) {
        *number = fake_entry_value(&entry);
        if (fake_entry_key(&entry) != fake_value(word))
            abort();
    }
    oh_epoch_unpin();
    return status;
}

/* True if the key was there. */
static inline bool fake_remove(oh_table_t *t, const oh_term_ops_t *ops, oh_word_t word,
                               uint64_t *number) {
    oh_write_t w;
    oh_key_t key = fake_key(t, ops, word);
    bool found = false;
    oh_epoch_pin();
    if (oh_table_begin(t, &w, &key, false) == OH_OK) {
        found = w.found;
        if (found)
            oh_table_remove(t, &w);
        oh_table_end(t, &w);
        /* What was removed stays readable while this thread is pinned. */
        if (found)
            *number = fake_entry_value(&w.entry);
    }
    oh_epoch_unpin();
    return found;
}

/* Closes and frees the table and all that it retired. The reaper runs. */
static inline void fake_close(oh_table_t *t) {
    oh_epoch_pin();
    oh_table_close(t);
    oh_epoch_unpin();
    oh_table_free(t);
    oh_epoch_drain();
}

#endif
