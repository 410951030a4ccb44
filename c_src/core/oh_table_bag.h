/*
 * oh_table_bag: a change of one key's objects, prepared and then published by one store.
 *
 * Internal to oh_table. All calls: the segment of *w is locked, the caller pinned.
 */
#ifndef OH_TABLE_BAG_H
#define OH_TABLE_BAG_H

#include "oh_objects.h"
#include "oh_segment.h"
#include "oh_table_internal.h"

/* The objects of a key as they are to be: up to OH_CHAIN_MAX here, or in a bag. */
typedef struct {
    oh_table_t *t;
    oh_write_t w;
    uint32_t count; /* of objects here; the first old_count are the entry's */
    uint32_t old_count;
    uint32_t lane[OH_CHAIN_MAX];
    oh_word_t word[OH_CHAIN_MAX];
    oh_bag_t *bag; /* NULL: they are here */
    bool bag_is_new;
    uint32_t given;     /* of a new bag: a bit for each object here whose box it took */
    uint64_t bag_count; /* of an old bag: objects and bytes, before */
    size_t bag_bytes;
    /* Once prepared */
    const oh_cell_t *cell; /* a chain or a new bag; NULL: one object, or an old bag */
    oh_word_t key_word;
    bool key_copied;
} oh_edit_t;

/* Begins with what was found at *w. */
void oh_edit_begin(oh_edit_t *e, oh_table_t *t, const oh_write_t *w);

/* Adds an object; item->box_kept: its box is used. OH_EXISTS: it is there, and should be only once.
 * OH_ENOMEM, OH_LIMIT: no change. */
oh_status_t oh_edit_add(oh_edit_t *e, oh_item_t *item);

/* Makes ready what commit publishes. OH_ENOMEM: abort. */
oh_status_t oh_edit_prepare(oh_edit_t *e);

/* Publishes. Cannot fail. There must be an EMPTY slot. */
void oh_edit_commit(oh_edit_t *e);

/* Undoes everything; boxes are the caller's again. */
void oh_edit_abort(oh_edit_t *e);

/* Makes key, whose words are the caller's, refer to words that live while this thread is pinned.
 * After prepare. */
void oh_edit_own_key(const oh_edit_t *e, oh_key_t *key);

#endif
