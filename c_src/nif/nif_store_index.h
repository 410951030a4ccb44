/*
 * nif_store_index: the one place that tells a store on a hash table from one on a tree. Each call
 * is oh_table's or oh_tree's of the same name.
 */
#ifndef NIF_STORE_INDEX_H
#define NIF_STORE_INDEX_H

#include "nif_store.h"

/* What the registry lists, as a store that has nothing else. The caller has a reference. */
static inline store_t store_listed(oh_registry_entry_t *entry) {
    void *index = (void *)(uintptr_t)oh_registry_value(entry, 0);
    if (oh_registry_value(entry, 2) != 0)
        return (store_t){.tree = index, .type = STORE_ORDERED_SET};
    return (store_t){.table = index};
}

static inline oh_status_t store_index_get(const store_t *s, const oh_key_t *key,
                                          oh_entry_t *entry) {
    if (oh_unlikely(s->tree != NULL))
        return oh_tree_get(s->tree, key, entry);
    return oh_likely(!store_is_bag(s)) ? oh_table_get(s->table, key, entry)
                                       : oh_table_get_objects(s->table, key, entry);
}

static inline oh_status_t store_index_begin(const store_t *s, oh_write_t *w, const oh_key_t *key,
                                            bool room) {
    return oh_likely(s->tree == NULL) ? oh_table_begin(s->table, w, key, room)
                                      : oh_tree_begin(s->tree, w, key, room);
}

static inline oh_status_t store_index_put(const store_t *s, oh_write_t *w, oh_item_t *item) {
    return oh_likely(s->tree == NULL) ? oh_table_put(s->table, w, item)
                                      : oh_tree_put(s->tree, w, item);
}

static inline void store_index_remove(const store_t *s, oh_write_t *w) {
    if (oh_likely(s->tree == NULL))
        oh_table_remove(s->table, w);
    else
        oh_tree_remove(s->tree, w);
}

static inline void store_index_end(const store_t *s, oh_write_t *w) {
    if (oh_likely(s->tree == NULL))
        oh_table_end(s->table, w);
    else
        oh_tree_end(s->tree, w);
}

static inline oh_status_t store_index_write_many(const store_t *s, oh_item_t *items, size_t count,
                                                 bool only_new) {
    return s->tree == NULL ? oh_table_write_many(s->table, items, count, only_new)
                           : oh_tree_write_many(s->tree, items, count, only_new);
}

static inline bool store_index_closed(const store_t *s) {
    return s->tree == NULL ? oh_table_closed(s->table) : oh_tree_closed(s->tree);
}

/* The caller is pinned. */
static inline oh_status_t store_index_clear(const store_t *s) {
    return s->tree == NULL ? oh_table_clear(s->table) : oh_tree_clear(s->tree);
}

/* True if it was open. The caller is pinned. */
static inline bool store_index_close(const store_t *s) {
    return s->tree == NULL ? oh_table_close(s->table) : oh_tree_close(s->tree);
}

/* A closed one. */
static inline void store_index_free(const store_t *s) {
    if (s->tree == NULL)
        oh_table_free(s->table);
    else
        oh_tree_free(s->tree);
}

#endif
