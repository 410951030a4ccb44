/*
 * What a store of type bag or duplicate_bag does beyond a set: lists of objects as results, objects
 * deleted one by one. Results of more than STORE_INLINE_READS objects are made on a dirty
 * scheduler.
 */
#include "nif_store.h"
#include "nif_store_index.h"

#include <string.h>

#include "../core/oh_alloc.h"

/* --- Lists of what there is to an entry --- */

/* Terms in the order in which they come. */
typedef struct {
    ERL_NIF_TERM *term;
    size_t count, room;
    ERL_NIF_TERM few[16];
} terms_t;

static void terms_init(terms_t *terms) {
    terms->term = terms->few;
    terms->count = 0;
    terms->room = sizeof terms->few / sizeof terms->few[0];
}

static void terms_end(terms_t *terms) {
    if (terms->term != terms->few)
        oh_free(terms->term);
}

static bool terms_add(terms_t *terms, ERL_NIF_TERM term) {
    if (terms->count == terms->room) {
        ERL_NIF_TERM *more = oh_alloc(4 * terms->room * sizeof *more);
        if (more == NULL)
            return false;
        memcpy(more, terms->term, terms->count * sizeof *more);
        terms_end(terms);
        terms->term = more;
        terms->room *= 4;
    }
    terms->term[terms->count++] = term;
    return true;
}

/* What is made of an object: itself, or the element at a position. */
static step_t make_part(ErlNifEnv *env, const store_t *s, const oh_entry_t *object,
                        const ERL_NIF_TERM *position, terms_t *terms) {
    ERL_NIF_TERM part;
    if (position == NULL)
        part = store_make_object(env, s, object);
    else if (!store_make_element(env, s, object, *position, &part))
        return STEP_BADARG;
    return terms_add(terms, part) ? STEP_OK : STEP_ENOMEM;
}

/* Adds what is made of an entry's objects. *words counts those in boxes. */
static step_t make_parts(ErlNifEnv *env, const store_t *s, const oh_entry_t *entry,
                         const ERL_NIF_TERM *position, uint64_t *words, terms_t *terms) {
    oh_objects_t objects;
    oh_entry_t object;
    step_t step = STEP_OK;
    bool dirty = nif_on_dirty_cpu();
    if (!dirty && oh_entry_is_bag(entry) &&
        oh_bag_count(oh_cell_bag(entry->cell)) > STORE_INLINE_READS)
        return STEP_DIRTY;
    oh_objects_begin(&objects, entry);
    while (step == STEP_OK && oh_objects_next(&objects, &object)) {
        *words += object.box == NULL ? 0 : object.box->words;
        if (!dirty && (*words > STORE_INLINE_WORDS || terms->count == STORE_INLINE_READS))
            step = STEP_DIRTY;
        else
            step = make_part(env, s, &object, position, terms);
    }
    return step;
}

static step_t prepend(ErlNifEnv *env, const store_t *s, const oh_entry_t *entries, uint32_t count,
                      const ERL_NIF_TERM *position, ERL_NIF_TERM *list) {
    terms_t terms;
    uint64_t words = 0;
    step_t step = STEP_OK;
    terms_init(&terms);
    for (uint32_t i = 0; step == STEP_OK && i < count; i++)
        step = make_parts(env, s, &entries[i], position, &words, &terms);
    if (step == STEP_OK)
        *list = nif_prepend(env, terms.term, (unsigned)terms.count, *list);
    if (terms.count > 100)
        nif_charge(env, terms.count, 20000);
    terms_end(&terms);
    return step;
}

step_t store_make_objects(ErlNifEnv *env, const store_t *s, const oh_entry_t *entry,
                          ERL_NIF_TERM *list) {
    *list = enif_make_list(env, 0);
    return prepend(env, s, entry, 1, NULL, list);
}

step_t store_make_elements(ErlNifEnv *env, const store_t *s, const oh_entry_t *entry,
                           ERL_NIF_TERM position, ERL_NIF_TERM *list) {
    *list = enif_make_list(env, 0);
    return prepend(env, s, entry, 1, &position, list);
}

step_t store_prepend_objects(ErlNifEnv *env, const store_t *s, const oh_entry_t *entries,
                             uint32_t count, ERL_NIF_TERM *list) {
    return prepend(env, s, entries, count, NULL, list);
}

/* --- delete_object, remove --- */

/* Removes the object from what was found under its key. */
static oh_status_t remove_found(ErlNifEnv *env, store_t *s, oh_write_t *w, ERL_NIF_TERM object,
                                const oh_item_t *item, bool *removed) {
    uint64_t count = 0;
    if (store_is_bag(s)) {
        oh_status_t status = oh_table_remove_object(s->table, w, item, &count);
        *removed = count > 0;
        return status;
    }
    *removed = w->found && store_is_object(env, s, &w->entry, object, item);
    if (*removed)
        store_index_remove(s, w);
    return OH_OK;
}

/* Removes the object argv[1] from the store argv[0], if it is there. */
static step_t remove_object(ErlNifEnv *env, const ERL_NIF_TERM argv[], bool *removed) {
    store_t *s;
    oh_item_t item;
    flat_draft_t draft;
    oh_write_t w;
    step_t step = STEP_BADARG;
    *removed = false;
    if (!store_get(env, argv[0], STORE_WRITE, &s) ||
        (step = store_object(env, s, argv[1], &draft, &item)) != STEP_OK)
        return step;
    oh_status_t status = OH_ENOMEM;
    if (oh_epoch_pin()) {
        status = store_index_begin(s, &w, &item.key, false);
        if (status == OH_OK) {
            status = remove_found(env, s, &w, argv[1], &item, removed);
            store_index_end(s, &w);
        }
        oh_epoch_unpin();
    }
    store_item_drop(&item);
    return status == OH_OK ? STEP_OK : status == OH_CLOSED ? STEP_BADARG : STEP_ENOMEM;
}

/* store_delete_object(Store, Object) -> true */
ERL_NIF_TERM nif_store_delete_object(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    bool removed;
    step_t step = remove_object(env, argv, &removed);
    return step == STEP_OK ? nif_atom.true_
                           : store_end(env, step, nif_store_delete_object, argc, argv);
}

/* store_remove(Store, Object) -> boolean(): whether it was there. */
ERL_NIF_TERM nif_store_remove(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    bool removed;
    step_t step = remove_object(env, argv, &removed);
    if (step != STEP_OK)
        return store_end(env, step, nif_store_remove, argc, argv);
    return removed ? nif_atom.true_ : nif_atom.false_;
}

/* store_delete_all_objects(Store) -> true. O(1): the objects are freed by the reaper. */
ERL_NIF_TERM nif_store_delete_all_objects(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    if (!store_get(env, argv[0], STORE_WRITE, &s) || !oh_epoch_pin())
        return enif_make_badarg(env);
    oh_status_t status = store_index_clear(s);
    oh_epoch_unpin();
    if (status == OH_OK)
        return nif_atom.true_;
    return store_end(env, status == OH_CLOSED ? STEP_BADARG : STEP_ENOMEM,
                     nif_store_delete_all_objects, argc, argv);
}
