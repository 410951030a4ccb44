/*
 * The store's writes that depend on what is there: counters, and compare-and-swap of an object.
 * Each locks one segment, as those in nif_store_write.c.
 */
#include "nif_store.h"
#include "nif_store_index.h"

#include <string.h>

/* --- update_counter --- */

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

/* The cell with one element changed, in the draft; false if the element is the key or no integer
 * that stays flat. */
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
    if (s->tree != NULL)
        store_stored_key(env, &w->entry, &item.key);
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
    return store_index_put(s, w, &item) == OH_OK;
}

/* store_update_counter(Store, Key, Operation) -> Integer | general: the usual case, one operation
 * on integers of 64 bits in an entry that is there. Everything else, errors included, is general:
 * Erlang does it by lookup and replace. */
ERL_NIF_TERM nif_store_update_counter(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    flat_draft_t draft;
    oh_write_t w;
    counter_op_t op;
    step_t step = store_begin_write(env, argv, true, &s, &draft, &w);
    if (step != STEP_OK)
        return store_end(env, step, nif_store_update_counter, argc, argv);
    ERL_NIF_TERM result;
    bool done = !store_is_bag(s) && w.found && get_counter_op(env, s, argv[2], &op) &&
                count_entry(env, s, &w, &op, &result);
    store_end_write(s, &w);
    return done ? result : nif_atom.general;
}

/* --- update_element --- */

/* {Position, Value}, where the value is immediate. */
static bool get_element(ErlNifEnv *env, ERL_NIF_TERM term, unsigned *position,
                        ERL_NIF_TERM *value) {
    const ERL_NIF_TERM *element;
    int arity;
    if (!enif_get_tuple(env, term, &arity, &element) || arity != 2 ||
        !enif_get_uint(env, element[0], position))
        return false;
    *value = element[1];
    return nif_is_immediate(env, *value);
}

/* Sets the element in a flat draft of an object; false if that is not for here. */
static bool set_element(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM term, flat_draft_t *draft) {
    unsigned position;
    ERL_NIF_TERM value;
    if (!get_element(env, term, &position, &value) || position == 0 || position == s->keypos)
        return false;
    uint32_t index = draft->tag == FLAT_OBJECT ? position - 1 : position - 2;
    if (draft->tag == FLAT_TUPLE || index >= (uint32_t)(draft->words - draft->key_words))
        return false;
    draft->word[draft->key_words + index] = value;
    return true;
}

/* One {Position, Value}, or a list of them. */
static bool set_elements(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM terms,
                         flat_draft_t *draft) {
    ERL_NIF_TERM head;
    if (!enif_is_list(env, terms))
        return set_element(env, s, terms, draft);
    unsigned count = 0;
    while (enif_get_list_cell(env, terms, &head, &terms))
        if (++count > FLAT_ARITY || !set_element(env, s, head, draft))
            return false;
    return enif_is_empty_list(env, terms) != 0;
}

/* Changes the entry found. False if that is not for here. */
static bool update_entry(ErlNifEnv *env, store_t *s, oh_write_t *w, ERL_NIF_TERM elements) {
    oh_item_t item = {.key = w->key, .form = w->entry.form};
    flat_draft_t draft;
    unsigned position;
    if (s->tree != NULL)
        store_stored_key(env, &w->entry, &item.key);
    if (w->entry.form == OH_FORM_CELL) {
        memcpy(&draft, w->entry.cell, oh_cell_size(w->entry.cell) * sizeof(oh_word_t));
        if (!set_elements(env, s, elements, &draft))
            return false;
        item.cell = (const oh_cell_t *)&draft;
    } else {
        if (w->entry.form != OH_FORM_VALUE || w->entry.box != NULL ||
            !get_element(env, elements, &position, &item.value) || position != 2)
            return false;
        item.value_immediate = true;
    }
    return store_index_put(s, w, &item) == OH_OK;
}

/* store_update_element(Store, Key, {Position, Value} | [{Position, Value}]) -> boolean() | general:
 * the usual case, immediates in an object that is there and flat; false: there is none. Everything
 * else, errors included, is general: Erlang does it by lookup and replace. */
ERL_NIF_TERM nif_store_update_element(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    flat_draft_t draft;
    oh_write_t w;
    if (store_get(env, argv[0], STORE_WRITE, &s) && store_is_bag(s))
        return enif_make_badarg(env);
    step_t step = store_begin_write(env, argv, true, &s, &draft, &w);
    if (step != STEP_OK)
        return store_end(env, step, nif_store_update_element, argc, argv);
    bool found = w.found, done = found && update_entry(env, s, &w, argv[2]);
    store_end_write(s, &w);
    return !found ? nif_atom.false_ : done ? nif_atom.true_ : nif_atom.general;
}

/* --- replace --- */

bool store_is_object(ErlNifEnv *env, const store_t *s, const oh_entry_t *entry, ERL_NIF_TERM object,
                     const oh_item_t *item) {
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
    if (!store_get(env, argv[0], STORE_WRITE, &s) || store_is_bag(s) ||
        (step = store_object(env, s, argv[1], &old_draft, &old)) != STEP_OK)
        return store_end(env, step, nif_store_replace, argc, argv);
    store_item_drop(&old);
    step = store_object(env, s, argv[2], &draft, &item);
    if (step != STEP_OK)
        return store_end(env, step, nif_store_replace, argc, argv);
    bool replaced = false;
    oh_status_t status = OH_BADARG;
    if (enif_is_identical(old.key.word, item.key.word) && oh_epoch_pin()) {
        status = store_index_begin(s, &w, &item.key, true);
        if (status == OH_OK) {
            replaced = w.found && store_is_object(env, s, &w.entry, argv[1], &old);
            if (replaced && (status = store_index_put(s, &w, &item)) == OH_OK)
                item.box = NULL;
            store_index_end(s, &w);
        }
        oh_epoch_unpin();
    }
    store_item_drop(&item);
    if (status != OH_OK)
        return store_end(env, status == OH_ENOMEM ? STEP_ENOMEM : STEP_BADARG, nif_store_replace,
                         argc, argv);
    return replaced ? nif_atom.true_ : nif_atom.false_;
}
