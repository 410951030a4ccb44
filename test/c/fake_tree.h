/* A small ordered map of numbers on a tree, with the terms of fake_terms.h. */
#ifndef FAKE_TREE_H
#define FAKE_TREE_H

#include "fake_terms.h"
#include "oh_tree.h"

/* Keys that share a prefix: divided by this, their numbers are one. */
static uint64_t fake_tie = 3;
/* So many of the numbers that make share the first word of the prefix; 1: the second is always
 * 0. */
static uint64_t fake_words = 8;

static inline oh_key_t fake_tree_key(oh_word_t word) {
    uint64_t prefix = fake_value(word) / fake_tie;
    oh_key_t key = {.word = word,
                    .order = prefix / fake_words,
                    .order2 = prefix % fake_words,
                    .immediate = word & 1};
    if ((word & 1) == 0 && fake_value(word) % 4 == 1) {
        key.flat_words = 1;
        key.flat = &fake_pointer(word)->number;
    }
    return key;
}

static inline oh_item_t fake_tree_item(fake_arena_t *scratch, fake_draft_t *draft, oh_word_t key,
                                       uint64_t number, fake_shape_t shape) {
    return fake_item_of(&fake_ops, scratch, draft, fake_tree_key(key), number, shape);
}

static inline oh_status_t fake_tree_put(oh_tree_t *t, oh_word_t key, uint64_t number,
                                        fake_shape_t shape) {
    fake_arena_t *scratch = calloc(1, sizeof *scratch);
    fake_draft_t draft;
    oh_item_t item = fake_tree_item(scratch, &draft, key, number, shape);
    oh_write_t w;
    oh_epoch_pin();
    oh_status_t status = oh_tree_begin(t, &w, &item.key, true);
    if (status == OH_OK) {
        status = oh_tree_put(t, &w, &item);
        oh_tree_end(t, &w);
    }
    oh_epoch_unpin();
    if (status != OH_OK && item.box != NULL)
        oh_box_free(item.box);
    fake_arena_free(scratch);
    return status;
}

static inline oh_status_t fake_tree_get(oh_tree_t *t, oh_word_t word, uint64_t *number) {
    oh_entry_t entry;
    oh_key_t key = fake_tree_key(word);
    oh_epoch_pin();
    oh_status_t status = oh_tree_get(t, &key, &entry);
    if (status == OH_OK) {
        *number = fake_entry_value(&entry);
        if (fake_entry_key(&entry) != fake_value(word))
            abort();
    }
    oh_epoch_unpin();
    return status;
}

/* True if the key was there. */
static inline bool fake_tree_remove(oh_tree_t *t, oh_word_t word, uint64_t *number) {
    oh_write_t w;
    oh_key_t key = fake_tree_key(word);
    bool found = false;
    oh_epoch_pin();
    if (oh_tree_begin(t, &w, &key, false) == OH_OK) {
        found = w.found;
        if (found)
            oh_tree_remove(t, &w);
        oh_tree_end(t, &w);
        /* What was removed stays readable while this thread is pinned. */
        if (found)
            *number = fake_entry_value(&w.entry);
    }
    oh_epoch_unpin();
    return found;
}

/* Closes and frees the tree and all that it retired. The reaper runs. */
static inline void fake_tree_close(oh_tree_t *t) {
    oh_epoch_pin();
    oh_tree_close(t);
    oh_epoch_unpin();
    oh_tree_free(t);
    oh_epoch_drain();
}

#endif
