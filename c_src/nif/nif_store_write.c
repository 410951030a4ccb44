/*
 * The store's writes. Each locks one segment for the time of a look-up and a copy of at most
 * STORE_SHARED_WORDS words; larger terms are copied before, into an environment of their own. Terms
 * beyond STORE_INLINE_WORDS and lists beyond STORE_INLINE_OBJECTS are handled on a dirty scheduler.
 * Those that depend on what is there are in nif_store_update.c.
 */
#include "nif_store.h"
#include "nif_store_index.h"

#include "../core/oh_alloc.h"

/* Adds one prepared item to those of its key. */
static step_t add_object(store_t *s, oh_write_t *w, oh_item_t *item) {
    if (oh_table_add(s->table, w, item) != OH_OK)
        return STEP_ENOMEM;
    if (item->box_kept)
        item->box = NULL; /* the table's now */
    return STEP_OK;
}

/* Writes one prepared item; *existed tells whether its key was there. */
static step_t write_item(store_t *s, oh_item_t *item, bool only_new, bool *existed) {
    oh_write_t w;
    step_t step = STEP_OK;
    if (!oh_epoch_pin())
        return STEP_ENOMEM;
    oh_status_t status = store_index_begin(s, &w, &item->key, true);
    if (status == OH_OK) {
        *existed = w.found;
        bool writes = !(only_new && w.found);
        if (writes && oh_unlikely(store_is_bag(s)))
            step = add_object(s, &w, item);
        else if (writes && store_index_put(s, &w, item) != OH_OK)
            step = STEP_ENOMEM;
        else if (writes)
            item->box = NULL; /* the table's now */
        store_index_end(s, &w);
    } else {
        step = status == OH_CLOSED ? STEP_BADARG : STEP_ENOMEM;
    }
    oh_epoch_unpin();
    store_item_drop(item);
    return step;
}

/* --- insert --- */

/* Keeps what the item refers to in the draft, of which there is one for all items, in rows. */
static bool keep_draft(oh_cells_t *rows, flat_draft_t *draft, oh_item_t *item) {
    if (item->form != OH_FORM_CELL && item->key.flat_words == 0)
        return true;
    if (item->form != OH_FORM_CELL)
        draft->words = draft->key_words;
    const oh_cell_t *kept = oh_cells_put(rows, (const oh_cell_t *)draft);
    if (kept == NULL)
        return false;
    item->key.flat = kept->word;
    item->cell = kept;
    return true;
}

/* The list's objects as items, or a step that ends the call. */
static step_t get_items(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM list, unsigned count,
                        oh_cells_t *rows, oh_item_t *items) {
    ERL_NIF_TERM head;
    flat_draft_t draft;
    for (unsigned i = 0; i < count; i++) {
        enif_get_list_cell(env, list, &head, &list);
        step_t step = store_object(env, s, head, &draft, &items[i]);
        if (step == STEP_OK && !keep_draft(rows, &draft, &items[i])) {
            store_item_drop(&items[i]);
            step = STEP_ENOMEM;
        }
        if (step == STEP_OK)
            continue;
        while (i > 0)
            store_item_drop(&items[--i]);
        return step;
    }
    return STEP_OK;
}

static step_t write_items(store_t *s, oh_item_t *items, unsigned count, bool only_new,
                          bool *existed) {
    if (!oh_epoch_pin())
        return STEP_ENOMEM;
    oh_status_t status = store_index_write_many(s, items, count, only_new);
    oh_epoch_unpin();
    for (unsigned i = 0; status != OH_OK && i < count; i++)
        store_item_drop(&items[i]);
    *existed = status == OH_EXISTS;
    return status == OH_OK || status == OH_EXISTS ? STEP_OK
           : status == OH_CLOSED                  ? STEP_BADARG
                                                  : STEP_ENOMEM;
}

static step_t insert_list(ErlNifEnv *env, store_t *s, ERL_NIF_TERM list, bool only_new,
                          bool *existed) {
    unsigned count;
    if (!enif_get_list_length(env, list, &count))
        return STEP_BADARG;
    if (count == 0)
        return store_index_closed(s) ? STEP_BADARG : STEP_OK;
    if (count > STORE_INLINE_OBJECTS && !nif_on_dirty_cpu())
        return STEP_DIRTY;
    oh_item_t *items = oh_alloc(count * sizeof *items);
    oh_cells_t rows = {0};
    step_t step = items == NULL ? STEP_ENOMEM : get_items(env, s, list, count, &rows, items);
    if (step == STEP_OK && count == 1)
        step = write_item(s, items, only_new, existed);
    else if (step == STEP_OK)
        step = write_items(s, items, count, only_new, existed);
    oh_cells_clear(&rows);
    oh_free(items);
    nif_charge(env, count, 3000);
    return step;
}

static step_t insert(ErlNifEnv *env, const ERL_NIF_TERM argv[], bool only_new, bool *existed) {
    store_t *s;
    oh_item_t item;
    flat_draft_t draft;
    *existed = false;
    if (!store_get(env, argv[0], STORE_WRITE, &s))
        return STEP_BADARG;
    step_t step = store_object(env, s, argv[1], &draft, &item);
    if (oh_likely(step == STEP_OK))
        return write_item(s, &item, only_new, existed);
    if (step == STEP_BADARG && enif_is_list(env, argv[1]))
        return insert_list(env, s, argv[1], only_new, existed);
    return step;
}

/* The end of a call whose Erlang side raises the badarg, to say why: it gets the arguments back. A
 * try around these calls, the most frequent writes, costs them 5 ns, looking at what they return
 * less than 2. */
static ERL_NIF_TERM end_or_refuse(ErlNifEnv *env, step_t step, store_fun_t *fun, int argc,
                                  const ERL_NIF_TERM argv[]) {
    return step == STEP_BADARG ? enif_make_list_from_array(env, argv, (unsigned)argc)
                               : store_end(env, step, fun, argc, argv);
}

/* store_insert(Store, Object | [Object]) -> true, or the arguments if they are bad */
ERL_NIF_TERM nif_store_insert(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    bool existed;
    step_t step = insert(env, argv, false, &existed);
    return step == STEP_OK ? nif_atom.true_
                           : end_or_refuse(env, step, nif_store_insert, argc, argv);
}

/* store_insert_new(Store, Object | [Object]) */
ERL_NIF_TERM nif_store_insert_new(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    bool existed;
    step_t step = insert(env, argv, true, &existed);
    if (step != STEP_OK)
        return store_end(env, step, nif_store_insert_new, argc, argv);
    return existed ? nif_atom.false_ : nif_atom.true_;
}

/* store_put(Store, Key, Value): insert {Key, Value} without the tuple -> ok, or the arguments if
 * they are bad. */
ERL_NIF_TERM nif_store_put(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    oh_item_t item;
    flat_draft_t draft;
    bool existed;
    step_t step = STEP_BADARG;
    if (store_get(env, argv[0], STORE_WRITE, &s) && s->keypos == 1 && !store_is_bag(s) &&
        (step = store_pair(env, s, argv[1], argv[2], &draft, &item)) == STEP_OK)
        step = write_item(s, &item, false, &existed);
    return step == STEP_OK ? nif_atom.ok : end_or_refuse(env, step, nif_store_put, argc, argv);
}

/* --- delete, take --- */

step_t store_begin_write(ErlNifEnv *env, const ERL_NIF_TERM argv[], bool room, store_t **s,
                         flat_draft_t *draft, oh_write_t *w) {
    oh_key_t key;
    if (!store_get(env, argv[0], STORE_WRITE, s))
        return STEP_BADARG;
    step_t step = store_key(env, *s, argv[1], draft->word, &key);
    if (step != STEP_OK)
        return step;
    if (!oh_epoch_pin())
        return STEP_ENOMEM;
    oh_status_t status = store_index_begin(*s, w, &key, room);
    if (status == OH_OK)
        return STEP_OK;
    oh_epoch_unpin();
    return status == OH_CLOSED ? STEP_BADARG : STEP_ENOMEM;
}

void store_end_write(store_t *s, oh_write_t *w) {
    store_index_end(s, w);
    oh_epoch_unpin();
}

/* store_delete_key(Store, Key) */
ERL_NIF_TERM nif_store_delete_key(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    flat_draft_t draft;
    oh_write_t w;
    step_t step = store_begin_write(env, argv, false, &s, &draft, &w);
    if (step != STEP_OK)
        return store_end(env, step, nif_store_delete_key, argc, argv);
    if (w.found)
        store_index_remove(s, &w);
    store_end_write(s, &w);
    return nif_atom.true_;
}

/* Whether what is found, under the lock, takes long to copy. */
static bool is_large(const oh_entry_t *entry, const store_t *s) {
    if (!store_is_bag(s))
        return entry->box != NULL && entry->box->words > STORE_INLINE_WORDS;
    return oh_objects_are_many(entry, STORE_INLINE_READS, STORE_INLINE_WORDS);
}

/* store_take(Store, Key) -> [Object] */
ERL_NIF_TERM nif_store_take(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    flat_draft_t draft;
    oh_write_t w;
    step_t step = store_begin_write(env, argv, false, &s, &draft, &w);
    if (step != STEP_OK)
        return store_end(env, step, nif_store_take, argc, argv);
    ERL_NIF_TERM result = enif_make_list(env, 0);
    if (w.found && store_is_bag(s))
        oh_entry_set_version(&w.entry);
    if (w.found && !nif_on_dirty_cpu() && is_large(&w.entry, s)) {
        store_end_write(s, &w);
        return store_end(env, STEP_DIRTY, nif_store_take, argc, argv);
    }
    if (w.found)
        store_index_remove(s, &w);
    store_index_end(s, &w);
    /* Copied without the lock: the epoch keeps what was removed. */
    if (w.found)
        (void)store_make_objects(env, s, &w.entry, &result);
    oh_epoch_unpin();
    return result;
}
