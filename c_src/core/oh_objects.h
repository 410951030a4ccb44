/*
 * oh_objects: what an entry of a table with many objects a key holds.
 *
 *   one object    an ordinary entry, of whatever form
 *   a chain       up to OH_CHAIN_MAX objects: a cell of the key's words, if the key is flat, a word of
 *                 lanes, and a word for each object, oldest first
 *   a bag         more: a cell of the key's words and a pointer to an oh_bag_t
 *
 * The cells' tags say which. The lanes are eight bytes, each as the lower half of a slot's meta: an
 * object's form and size; its word is what a slot's value would be. A chain never changes: a change
 * makes a new one, and the slot's value, one word, says which is valid. So a reader needs no more
 * than for one object.
 *
 * Objects with a key that is not immediate hold it themselves: their forms are CELL, OBJECT and
 * BOX.
 */
#ifndef OH_OBJECTS_H
#define OH_OBJECTS_H

#include "oh_bag.h"
#include "oh_table.h"

#define OH_CHAIN_MAX 8

/* Bits of a cell's tag that are not the caller's. */
#define OH_CELL_CHAIN 0x80000000u
#define OH_CELL_BAG   0x40000000u
#define OH_CELL_MANY  (OH_CELL_CHAIN | OH_CELL_BAG)

/* --- Chains --- */

static inline uint32_t oh_chain_count(const oh_cell_t *chain) {
    return (uint32_t)(chain->words - chain->key_words - 1);
}

static inline uint32_t oh_chain_lane(const oh_cell_t *chain, uint32_t i) {
    return (uint32_t)(chain->word[chain->key_words] >> (8 * i)) & 0xff;
}

static inline oh_word_t oh_chain_word(const oh_cell_t *chain, uint32_t i) {
    return chain->word[chain->key_words + 1 + i];
}

/* --- Bags --- */

static inline oh_bag_t *oh_cell_bag(const oh_cell_t *cell) {
    return (oh_bag_t *)(uintptr_t)cell->word[cell->key_words];
}

/* --- Any entry --- */

static inline bool oh_entry_is_chain(const oh_entry_t *entry) {
    return entry->cell != NULL && (entry->cell->tag & OH_CELL_CHAIN) != 0;
}

static inline bool oh_entry_is_bag(const oh_entry_t *entry) {
    return entry->cell != NULL && (entry->cell->tag & OH_CELL_BAG) != 0;
}

/* An entry that holds a bag has its version in place of a value: which objects of it are meant. */
static inline void oh_entry_set_version(oh_entry_t *entry) {
    if (oh_entry_is_bag(entry))
        entry->value = oh_bag_version(oh_cell_bag(entry->cell));
}

/* The objects of an entry, in the order of their insertion; of a bag those of the entry's version.
 * The caller is pinned since before it got the entry. */
typedef struct {
    oh_entry_t entry;
    oh_bag_walk_t walk;
    uint32_t next;
} oh_objects_t;

void oh_objects_begin(oh_objects_t *objects, const oh_entry_t *entry);
/* False at the end: *object is as it was. */
bool oh_objects_next(oh_objects_t *objects, oh_entry_t *object);

/* A part of the objects of key from *position on, as of one instant: oh_bag_scan, of which this has
 * the order of places. OH_NOT_FOUND: the key has no bag; OH_LIMIT; OH_CLOSED. Holds the segment's
 * lock as long as the scan takes. The caller is pinned, and stays so while it uses the objects. */
oh_status_t oh_table_scan_objects(oh_table_t *t, const oh_key_t *key, oh_position_t *position,
                                  oh_entry_t *scratch, oh_bag_object_t *objects, uint32_t room,
                                  uint32_t *count);

/* Whether the item's object is there: OH_OK, OH_NOT_FOUND, OH_CLOSED. Waits for the segment's
 * writer. */
oh_status_t oh_table_find_object(oh_table_t *t, const oh_item_t *item);

/* Whether an entry that was found under its segment's lock, still held, has more objects than
 * count, or more words than box_words in boxes. O(count). */
bool oh_objects_are_many(const oh_entry_t *entry, uint64_t count, uint64_t box_words);

#endif
