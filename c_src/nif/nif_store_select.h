/*
 * nif_store_select: what the files of the store's select family share.
 *
 *   nif_store_select.c         one step of a selection: arguments, keys, the walk, results
 *   nif_store_select_entry.c   what becomes of one entry: matched, taken, deleted, replaced
 *   nif_store_select_bag.c     the same of one that has many objects
 */
#ifndef NIF_STORE_SELECT_H
#define NIF_STORE_SELECT_H

#include "nif_store_cursor.h"

/* What taking up an entry costs, taking a result, and getting a chunk, in units of
 * match_run_t.cost. */
#define STORE_ENTRY_COST  4
#define STORE_RESULT_COST 10
#define STORE_CHUNK_COST  100

/* MODE_OBJECTS takes the objects that MODE_SELECT would match. */
typedef enum { MODE_SELECT, MODE_OBJECTS, MODE_COUNT, MODE_DELETE, MODE_REPLACE } store_mode_t;

/* The objects of a key, or a part of them. */
typedef struct {
    oh_bag_object_t *objects; /* few or many */
    uint32_t count;
    oh_bag_object_t few[OH_CHAIN_MAX];
    oh_bag_object_t *many; /* with scratch and room: NULL until there is a bag */
    oh_entry_t *scratch;
    uint32_t room;
    /* What is left where a walk stopped: the objects from first on, those of key from next on. */
    uint32_t first;
    oh_position_t next;
    ERL_NIF_TERM key; /* if there is a next */
} store_select_bag_t;

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
    store_select_bag_t bag;
} store_select_t;

/* What becomes of a walk at an entry. */
typedef enum {
    GO_ON,
    STOP_MORE,
    STOP_FULL,
    STOP_GENERAL,
    STOP_DIRTY,
    STOP_ENOMEM,
    STOP_CLOSED,
    STOP_BADARG
} store_walk_t;

/* Matches an entry, if there is time for it here, and does with it what the mode says. *taken: it
 * need not be looked at again. */
store_walk_t store_select_entry(store_select_t *q, const oh_entry_t *entry, bool *taken);

/* The same for the objects of an entry of a bag. If it stops the walk, what is left of them must be
 * kept, and the entry need not be looked at again. */
store_walk_t store_select_objects(store_select_t *q, const oh_entry_t *entry);
/* The same for what was kept: {Key, Position}, the objects of a key from a place on, of which 0
 * means all; or {'$_', Object, Copies}. */
store_walk_t store_select_left(store_select_t *q, ERL_NIF_TERM left);
/* Puts what is left before q->keys. The caller is pinned. */
void store_select_keep_left(store_select_t *q);
/* {Key, 0} */
ERL_NIF_TERM store_select_key(ErlNifEnv *env, ERL_NIF_TERM key);
void store_select_bag_close(store_select_bag_t *bag);

/* Matches an object, or makes it, as the mode says. */
static inline match_outcome_t store_select_match(store_select_t *q, const oh_entry_t *object,
                                                 ERL_NIF_TERM *value) {
    if (q->mode == MODE_OBJECTS) {
        *value = store_make_object(q->env, q->store, object);
        return MATCH_YES;
    }
    return q->spec->general ? MATCH_GENERAL : match_run(&q->run, object, value);
}

/* Whether the walk stops here to go on later. */
static inline bool store_walk_is_left(store_walk_t walk) {
    return walk == STOP_MORE || walk == STOP_FULL || walk == STOP_GENERAL;
}

/* For what is not for a normal scheduler: the step ends before it, or goes to a dirty one if it has
 * not yet begun. */
static inline store_walk_t store_select_dirty(const store_select_t *q) {
    return q->taken == 0 ? STOP_DIRTY : STOP_MORE;
}

#endif
