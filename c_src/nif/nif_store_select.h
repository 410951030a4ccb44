/*
 * nif_store_select: what the files of the store's select family share.
 *
 *   nif_store_select.c         one step of a selection: arguments, keys, the walk, results
 *   nif_store_select_entry.c   what becomes of one entry: matched, taken, deleted, replaced
 */
#ifndef NIF_STORE_SELECT_H
#define NIF_STORE_SELECT_H

#include "nif_store_cursor.h"

/* What taking up an entry costs, and taking a result, in units of match_run_t.cost. */
#define STORE_ENTRY_COST  4
#define STORE_RESULT_COST 10

typedef enum { MODE_SELECT, MODE_COUNT, MODE_DELETE, MODE_REPLACE } store_mode_t;

/* A selection's step. */
typedef struct {
    ErlNifEnv *env;
    const ERL_NIF_TERM *argv;
    store_t *store;
    const match_spec_t *spec; /* own or a resource's */
    match_spec_t own;
    store_mode_t mode;
    ErlNifUInt64 limit; /* results that are still wanted, 0: all */
    uint64_t cost_max;
    store_cursor_t cursor;
    ERL_NIF_TERM keys; /* that are to be looked up first */
    uint32_t key;      /* if they are spec's: how many were */
    bool spec_keys;
    ERL_NIF_TERM results;
    ErlNifUInt64 count;
    uint32_t taken; /* entries, by this step */
    match_run_t run;
} store_select_t;

/* What becomes of a walk at an entry. */
typedef enum {
    GO_ON,
    STOP_MORE,
    STOP_FULL,
    STOP_GENERAL,
    STOP_DIRTY,
    STOP_ENOMEM,
    STOP_CLOSED
} store_walk_t;

/* Matches an entry, if there is time for it here, and does with it what the mode says. *taken: it
 * need not be looked at again. */
store_walk_t store_select_entry(store_select_t *q, const oh_entry_t *entry, bool *taken);

/* For what is not for a normal scheduler: the step ends before it, or goes to a dirty one if it has
 * not yet begun. */
static inline store_walk_t store_select_dirty(const store_select_t *q) {
    return q->taken == 0 ? STOP_DIRTY : STOP_MORE;
}

#endif
