/*
 * The store's writes. Each locks one segment for the time of a look-up and a copy of at most
 * STORE_SHARED_WORDS words; larger terms are copied before, into an environment of their own. Terms
 * beyond STORE_INLINE_WORDS and lists beyond STORE_INLINE_OBJECTS are handled on a dirty scheduler.
 */
#include "nif_store.h"

#include <string.h>

#include "../core/oh_alloc.h"

/* Writes one prepared item; *existed tells whether its key was there. */
static step_t write_item(store_t *s, oh_item_t *item, bool only_new, bool *existed) {
    oh_write_t w;
    step_t step = STEP_OK;
    if (!oh_epoch_pin())
        return STEP_ENOMEM;
    oh_status_t status = oh_table_begin(s->table, &w, &item->key, true);
    if (status == OH_OK) {
        *existed = w.found;
        bool writes = !(only_new && w.found);
        if (writes && oh_table_put(s->table, &w, item) != OH_OK)
            step = STEP_ENOMEM;
        else if (writes)
            item->box = NULL; /* the table's now */
        oh_table_end(s->table, &w);
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
    oh_status_t status = oh_table_write_many(s->table, items, count, only_new);
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
        return oh_table_closed(s->table) ? STEP_BADARG : STEP_OK;
    if (count > STORE_INLINE_OBJECTS && !store_is_dirty())
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

/* store_insert(Store, Object | [Object]) */
ERL_NIF_TERM nif_store_insert(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    bool existed;
    step_t step = insert(env, argv, false, &existed);
    return step == STEP_OK ? nif_atom.true_ : store_end(env, step, nif_store_insert, argc, argv);
}

/* store_insert_new(Store, Object | [Object]) */
ERL_NIF_TERM nif_store_insert_new(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    bool existed;
    step_t step = insert(env, argv, true, &existed);
    if (step != STEP_OK)
        return store_end(env, step, nif_store_insert_new, argc, argv);
    return existed ? nif_atom.false_ : nif_atom.true_;
}

/* store_put(Store, Key, Value): insert {Key, Value} without the tuple. */
ERL_NIF_TERM nif_store_put(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    oh_item_t item;
    flat_draft_t draft;
    bool existed;
    if (!store_get(env, argv[0], STORE_WRITE, &s) || s->keypos != 1)
        return enif_make_badarg(env);
    step_t step = store_pair(env, s, argv[1], argv[2], &draft, &item);
    if (step == STEP_OK)
        step = write_item(s, &item, false, &existed);
    return step == STEP_OK ? nif_atom.ok : store_end(env, step, nif_store_put, argc, argv);
}

/* --- delete, take --- */

/* Begins a write of an existing entry, whose key's flat form is put into the draft: OH_OK leaves the caller pinned and the segment locked. */
static step_t begin(ErlNifEnv *env, const ERL_NIF_TERM argv[], bool room, store_t **s,
                    flat_draft_t *draft, oh_write_t *w) {
    oh_key_t key;
    if (!store_get(env, argv[0], STORE_WRITE, s))
        return STEP_BADARG;
    step_t step = store_key(env, *s, argv[1], draft->word, &key);
    if (step != STEP_OK)
        return step;
    if (!oh_epoch_pin())
        return STEP_ENOMEM;
    oh_status_t status = oh_table_begin((*s)->table, w, &key, room);
    if (status == OH_OK)
        return STEP_OK;
    oh_epoch_unpin();
    return status == OH_CLOSED ? STEP_BADARG : STEP_ENOMEM;
}

static void end(store_t *s, oh_write_t *w) {
    oh_table_end(s->table, w);
    oh_epoch_unpin();
}

/* store_delete_key(Store, Key) */
ERL_NIF_TERM nif_store_delete_key(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    flat_draft_t draft;
    oh_write_t w;
    step_t step = begin(env, argv, false, &s, &draft, &w);
    if (step != STEP_OK)
        return store_end(env, step, nif_store_delete_key, argc, argv);
    if (w.found)
        oh_table_remove(s->table, &w);
    end(s, &w);
    return nif_atom.true_;
}

/* store_take(Store, Key) -> [Object] */
ERL_NIF_TERM nif_store_take(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    flat_draft_t draft;
    oh_write_t w;
    step_t step = begin(env, argv, false, &s, &draft, &w);
    if (step != STEP_OK)
        return store_end(env, step, nif_store_take, argc, argv);
    ERL_NIF_TERM result = enif_make_list(env, 0);
    bool large = w.found && w.entry.box != NULL && w.entry.box->words > STORE_INLINE_WORDS;
    if (large && !store_is_dirty()) {
        end(s, &w);
        return store_end(env, STEP_DIRTY, nif_store_take, argc, argv);
    }
    if (w.found)
        oh_table_remove(s->table, &w);
    oh_table_end(s->table, &w);
    /* Copied without the lock: the epoch keeps what was removed. */
    if (w.found)
        result = enif_make_list1(env, store_make_object(env, s, &w.entry));
    oh_epoch_unpin();
    return result;
}

/* --- update_counter, replace --- */

typedef struct {
    unsigned position;
    ErlNifSInt64 increment;
    bool bounded;
    ErlNifSInt64 threshold, reset;
} counter_op_t;

/* Increment | {Position, Increment} | {Position, Increment, Threshold, SetValue}, all of 64 bits.
 */
static bool get_counter_op(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM term, counter_op_t *op) {
    const ERL_NIF_TERM *element;
    int arity;
    op->bounded = false;
    op->position = s->keypos + 1;
    if (enif_get_int64(env, term, &op->increment))
        return true;
    if (!enif_get_tuple(env, term, &arity, &element) || (arity != 2 && arity != 4) ||
        !enif_get_uint(env, element[0], &op->position) ||
        !enif_get_int64(env, element[1], &op->increment))
        return false;
    op->bounded = arity == 4;
    return arity == 2 || (enif_get_int64(env, element[2], &op->threshold) &&
                          enif_get_int64(env, element[3], &op->reset));
}

/* The counter's next value; false beyond 64 bits. */
static bool count(const counter_op_t *op, ErlNifSInt64 old, ErlNifSInt64 *next) {
    if (__builtin_add_overflow(old, op->increment, next))
        return false;
    if (op->bounded && (op->increment < 0 ? *next < op->threshold : *next > op->threshold))
        *next = op->reset;
    return true;
}

/* The object of an entry of form OBJECT with one element changed, in the caller's environment. */
static bool change_element(ErlNifEnv *env, const oh_entry_t *entry, const counter_op_t *op,
                           ERL_NIF_TERM *value, ERL_NIF_TERM *object) {
    const ERL_NIF_TERM *element;
    ERL_NIF_TERM changed[STORE_SHARED_WORDS];
    ErlNifSInt64 next;
    int arity;
    enif_get_tuple(env, entry->value, &arity, &element);
    if (op->position == 0 || op->position > (unsigned)arity ||
        !enif_get_int64(env, element[op->position - 1], &next) || !count(op, next, &next))
        return false;
    *value = enif_make_int64(env, next);
    for (int i = 0; i < arity; i++)
        changed[i] = enif_make_copy(env, element[i]);
    changed[op->position - 1] = *value;
    *object = enif_make_tuple_from_array(env, changed, (unsigned)arity);
    return true;
}

/* The cell with one element changed, in the draft; false if the element is the key or no integer that
 * stays flat. */
static bool change_cell(ErlNifEnv *env, const oh_cell_t *cell, const counter_op_t *op,
                        flat_draft_t *draft, ERL_NIF_TERM *value) {
    bool is_pair = flat_kind(cell) != FLAT_OBJECT;
    uint32_t index = is_pair ? 0 : op->position - 1;
    ErlNifSInt64 next;
    if (flat_kind(cell) == FLAT_TUPLE || (is_pair && op->position != 2) ||
        index >= flat_value_words(cell) || !enif_get_int64(env, flat_value(cell)[index], &next) ||
        !count(op, next, &next))
        return false;
    *value = enif_make_int64(env, next);
    memcpy(draft, cell, oh_cell_size(cell) * sizeof(oh_word_t));
    draft->word[draft->key_words + index] = *value;
    return nif_is_immediate(env, *value);
}

/* Changes the counter of the entry found. False if that is not for here. */
static bool count_entry(ErlNifEnv *env, store_t *s, oh_write_t *w, const counter_op_t *op,
                        ERL_NIF_TERM *result) {
    oh_item_t item = {.key = w->key, .form = w->entry.form};
    flat_draft_t draft;
    ErlNifSInt64 next;
    if (w->entry.box != NULL || op->position == s->keypos)
        return false;
    if (w->entry.form == OH_FORM_CELL) {
        if (!change_cell(env, w->entry.cell, op, &draft, result))
            return false;
        item.cell = (const oh_cell_t *)&draft;
    } else if (w->entry.form == OH_FORM_VALUE) {
        if (op->position != 2 || !enif_get_int64(env, w->entry.value, &next) ||
            !count(op, next, &next))
            return false;
        *result = item.value = enif_make_int64(env, next);
        item.value_immediate = nif_is_immediate(env, item.value);
        item.value_words = item.value_immediate ? 0 : 2;
    } else {
        if (!change_element(env, &w->entry, op, result, &item.value))
            return false;
        nif_size_t size = nif_measure(env, item.value, STORE_INLINE_WORDS);
        if (size.words > STORE_SHARED_WORDS)
            return false;
        item.value_words = (uint32_t)size.words;
    }
    return oh_table_put(s->table, w, &item) == OH_OK;
}

/* store_update_counter(Store, Key, Operation) -> Integer | general: the usual case, one operation
 * on integers of 64 bits in an entry that is there. Everything else, errors included, is general:
 * Erlang does it by lookup and replace. */
ERL_NIF_TERM nif_store_update_counter(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    flat_draft_t draft;
    oh_write_t w;
    counter_op_t op;
    step_t step = begin(env, argv, true, &s, &draft, &w);
    if (step != STEP_OK)
        return store_end(env, step, nif_store_update_counter, argc, argv);
    ERL_NIF_TERM result;
    bool done =
        w.found && get_counter_op(env, s, argv[2], &op) && count_entry(env, s, &w, &op, &result);
    end(s, &w);
    return done ? result : nif_atom.general;
}

/* Whether the entry is this object, of which item was made. */
static bool is_object(ErlNifEnv *env, const store_t *s, const oh_entry_t *entry,
                      ERL_NIF_TERM object, const oh_item_t *item) {
    const ERL_NIF_TERM *element;
    int arity;
    /* What is in a cell can be nowhere else but in a cell. */
    if (entry->cell != NULL)
        return item->form == OH_FORM_CELL && oh_cell_equal(entry->cell, item->cell);
    if (entry->form == OH_FORM_OBJECT)
        return enif_is_identical(entry->value, object);
    return enif_get_tuple(env, object, &arity, &element) && arity == 2 && s->keypos == 1 &&
           enif_is_identical(entry->key, element[0]) && enif_is_identical(entry->value, element[1]);
}

/* store_replace(Store, Old, New) -> boolean(): compare-and-swap of a whole object; both must have
 * the same key. */
ERL_NIF_TERM nif_store_replace(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    oh_item_t old, item;
    flat_draft_t old_draft, draft;
    oh_write_t w;
    step_t step = STEP_BADARG;
    if (!store_get(env, argv[0], STORE_WRITE, &s) ||
        (step = store_object(env, s, argv[1], &old_draft, &old)) != STEP_OK)
        return store_end(env, step, nif_store_replace, argc, argv);
    store_item_drop(&old);
    step = store_object(env, s, argv[2], &draft, &item);
    if (step != STEP_OK)
        return store_end(env, step, nif_store_replace, argc, argv);
    bool replaced = false;
    oh_status_t status = OH_BADARG;
    if (enif_is_identical(old.key.word, item.key.word) && oh_epoch_pin()) {
        status = oh_table_begin(s->table, &w, &item.key, true);
        if (status == OH_OK) {
            replaced = w.found && is_object(env, s, &w.entry, argv[1], &old);
            if (replaced && (status = oh_table_put(s->table, &w, &item)) == OH_OK)
                item.box = NULL;
            oh_table_end(s->table, &w);
        }
        oh_epoch_unpin();
    }
    store_item_drop(&item);
    if (status != OH_OK)
        return store_end(env, status == OH_ENOMEM ? STEP_ENOMEM : STEP_BADARG, nif_store_replace,
                         argc, argv);
    return replaced ? nif_atom.true_ : nif_atom.false_;
}
