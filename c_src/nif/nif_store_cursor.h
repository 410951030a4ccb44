/*
 * nif_store_cursor: a walk over a store's entries, some hundred at a time.
 *
 * A walk goes in chunks, each the entries of a part of the table as of one instant. Between chunks
 * it is a position, which can wait in a term; the table may change meanwhile, and each entry that
 * is in it throughout comes exactly once.
 *
 * In a hash table a position is where the hashes stand. A walk that stops within a chunk is held by
 * the keys that are left of it. In a tree a position is the last key, which need not be there any
 * more; the walk has a direction, begins where the keys that are wanted begin and ends where they
 * end.
 */
#ifndef NIF_STORE_CURSOR_H
#define NIF_STORE_CURSOR_H

#include "nif_match.h"

/* Entries of a tree that come without an allocation. */
#define STORE_CURSOR_FEW 128

typedef struct {
    ErlNifEnv *env;
    const store_t *store;
    oh_position_t position; /* of the next chunk, in a hash table */
    bool ended;             /* there is no next chunk */
    oh_entry_t *entries;
    uint32_t count, room;
    /* in a tree */
    ERL_NIF_TERM begun; /* the position that it was opened with */
    ERL_NIF_TERM last;  /* the key behind which it goes on, or OH_WORD_NONE */
    const match_keys_t *keys;
    oh_direction_t direction;
    oh_entry_t few[STORE_CURSOR_FEW];
} store_cursor_t;

/* Begins at a position: 0 or last, the beginning, in a tree for the one direction or the other;
 * what store_cursor_position gave; or done. False: it is none of these. The caller ends it with
 * store_cursor_close. */
bool store_cursor_open(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM position,
                       store_cursor_t *cursor);
void store_cursor_close(store_cursor_t *cursor);

/* Which keys are wanted, and about how many entries at first, or 0: before the first chunk. */
void store_cursor_want(store_cursor_t *cursor, const match_keys_t *keys, uint64_t entries);

/* There is nothing to walk. */
static inline void store_cursor_end(store_cursor_t *cursor) {
    cursor->ended = true;
    cursor->begun = nif_atom.done;
}

static inline bool store_cursor_ended(const store_cursor_t *cursor) {
    return cursor->ended;
}

/* Where the walk goes on: behind the chunk, or in a tree where store_cursor_stop said. */
ERL_NIF_TERM store_cursor_position(const store_cursor_t *cursor);

/* In a tree: the walk stops behind the first so many entries of the chunk. The caller is pinned. */
void store_cursor_stop(store_cursor_t *cursor, uint32_t entries);

/* The next chunk as entries and count, which may be 0. OH_OK, OH_CLOSED, OH_ENOMEM; OH_BUSY: it is
 * for a dirty scheduler. The caller is pinned, and stays so while it uses the entries. Some 10
 * us. */
oh_status_t store_cursor_next(store_cursor_t *cursor);

#endif
