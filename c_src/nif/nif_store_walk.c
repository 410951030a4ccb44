/*
 * Traversal of a hash table key by key, and slot by slot. (Ordered sets: nif_store_order.c.)
 *
 * A step locks one segment for the time of a look at a few groups of it; keys without a flat form
 * are hashed for that, a dozen or so. What is large, and steps over thousands of empty segments,
 * run on a dirty scheduler.
 */
#include "nif_store.h"

#include "../core/oh_alloc.h"

ERL_NIF_TERM store_step(ErlNifEnv *env, const store_t *s, store_fun_t *fun, int argc,
                        const ERL_NIF_TERM argv[], bool with_objects) {
    oh_key_t key;
    oh_word_t flat[FLAT_KEY_WORDS];
    oh_entry_t entry;
    step_t step = STEP_BADARG;
    if ((argc > 1 && (step = store_key(env, s, argv[1], flat, &key)) != STEP_OK) || !oh_epoch_pin())
        return store_end(env, step, fun, argc, argv);
    bool dirty = nif_on_dirty_cpu();
    oh_status_t status = oh_table_next(s->table, argc > 1 ? &key : NULL, dirty, &entry);
    ERL_NIF_TERM result = nif_atom.end_of_table;
    step = status == OH_CLOSED ? STEP_BADARG : status == OH_BUSY ? STEP_DIRTY : STEP_OK;
    if (status == OH_OK && entry.box != NULL && entry.box->words > STORE_INLINE_WORDS && !dirty)
        step = STEP_DIRTY;
    else if (status == OH_OK)
        result = store_make_key(env, &entry);
    if (status == OH_OK && step == STEP_OK && with_objects) {
        ERL_NIF_TERM objects;
        step = store_make_objects(env, s, &entry, &objects);
        if (step == STEP_OK)
            result = enif_make_tuple2(env, result, objects);
    }
    oh_epoch_unpin();
    return step == STEP_OK ? result : store_end(env, step, fun, argc, argv);
}

/* --- Slots --- */

#define SLOT_ROOM 64

/* The slot's entries, in few or in memory of their own. */
static oh_status_t get_slot(const store_t *s, uint64_t index, oh_entry_t few[SLOT_ROOM],
                            oh_entry_t **entries, uint32_t *count) {
    uint32_t room = SLOT_ROOM;
    *entries = few;
    for (;;) {
        oh_status_t status = oh_table_slot(s->table, index, *entries, room, count);
        if (status != OH_LIMIT)
            return status;
        if (*entries != few)
            oh_free(*entries);
        room *= 8;
        *entries = oh_alloc(room * sizeof **entries);
        if (*entries == NULL)
            return OH_ENOMEM;
    }
}

/* store_slot(Store, Index) -> [Object] | '$end_of_table' */
ERL_NIF_TERM nif_store_slot(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    uint64_t index;
    oh_entry_t few[SLOT_ROOM], *entries;
    uint32_t count;
    if (!store_get(env, argv[0], STORE_READ, &s) || s->tree != NULL ||
        !nif_get_unsigned(env, argv[1], &index) || !oh_epoch_pin())
        return enif_make_badarg(env);
    oh_status_t status = get_slot(s, index, few, &entries, &count);
    ERL_NIF_TERM result = enif_make_list(env, 0);
    step_t step = STEP_OK;
    if (status == OH_OK)
        step = store_prepend_objects(env, s, entries, count, &result);
    oh_epoch_unpin();
    if (entries != few)
        oh_free(entries);
    if (status == OH_NOT_FOUND)
        return nif_atom.end_of_table;
    if (status != OH_OK)
        step = status == OH_ENOMEM ? STEP_ENOMEM : STEP_BADARG;
    return step == STEP_OK ? result : store_end(env, step, nif_store_slot, argc, argv);
}
