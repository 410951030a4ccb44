/*
 * nif_store_cursor: a walk over a store's entries, some hundred at a time.
 *
 * A walk goes in chunks, each the entries of a part of the table as of one instant. Between chunks
 * it is a position, which can wait in a term; the table may change meanwhile, and each entry that
 * is in it throughout comes exactly once. A walk that stops within a chunk is held by the keys
 * that are left of it.
 */
#ifndef NIF_STORE_CURSOR_H
#define NIF_STORE_CURSOR_H

#include "nif_store.h"

typedef struct {
    const store_t *store;
    oh_position_t position; /* of the next chunk */
    oh_entry_t *entries;
    uint32_t count, room;
} store_cursor_t;

/* Begins at a position: 0, what store_cursor_position gave, or done. False: it is none of these.
 * The caller ends it with store_cursor_close. */
bool store_cursor_open(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM position,
                       store_cursor_t *cursor);
void store_cursor_close(store_cursor_t *cursor);

static inline bool store_cursor_ended(const store_cursor_t *cursor) {
    return cursor->position >= OH_POSITION_END;
}

ERL_NIF_TERM store_cursor_position(ErlNifEnv *env, const store_cursor_t *cursor);

/* The next chunk as entries and count, which may be 0. OH_OK, OH_CLOSED, OH_ENOMEM. The caller is
 * pinned, and stays so while it uses the entries. Some 10 us. */
oh_status_t store_cursor_next(store_cursor_t *cursor);

#endif
