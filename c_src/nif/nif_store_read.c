/*
 * The store's lock-free reads. Each takes one look-up and a copy of what it returns; O(1) but for
 * the copy. Keys and objects beyond STORE_INLINE_WORDS are handled on a dirty scheduler.
 */
#include "nif_store.h"
#include "nif_store_index.h"

typedef enum { FOUND, ABSENT, ENDED } look_t;

/* Looks argv[1] up in *store, argv[0]. FOUND and ABSENT leave the caller pinned; ENDED has the
 * call's result. */
static look_t look_up(ErlNifEnv *env, store_fun_t *fun, int argc, const ERL_NIF_TERM argv[],
                      store_t **store, oh_entry_t *entry, ERL_NIF_TERM *result) {
    store_t *s;
    oh_key_t key;
    oh_word_t flat[FLAT_KEY_WORDS];
    step_t step = STEP_BADARG;
    if (!store_get(env, argv[0], STORE_READ, &s) ||
        (step = store_key(env, s, argv[1], flat, &key)) != STEP_OK || !oh_epoch_pin()) {
        *result = store_end(env, step, fun, argc, argv);
        return ENDED;
    }
    *store = s;
    oh_status_t status = store_index_get(s, &key, entry);
    if (oh_likely(status == OH_OK)) {
        if (oh_likely(entry->box == NULL || entry->box->words <= STORE_INLINE_WORDS ||
                      nif_on_dirty_cpu()))
            return FOUND;
        step = STEP_DIRTY;
    } else if (status == OH_NOT_FOUND) {
        return ABSENT;
    } else {
        step = STEP_BADARG;
    }
    oh_epoch_unpin();
    *result = store_end(env, step, fun, argc, argv);
    return ENDED;
}

/* store_lookup(Store, Key) -> [Object] */
ERL_NIF_TERM nif_store_lookup(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    oh_entry_t entry;
    ERL_NIF_TERM result;
    look_t look = look_up(env, nif_store_lookup, argc, argv, &s, &entry, &result);
    if (look == ENDED)
        return result;
    step_t step = STEP_OK;
    if (look == ABSENT)
        result = enif_make_list(env, 0);
    else if (oh_likely(!store_is_bag(s)))
        result = enif_make_list1(env, store_make_object(env, s, &entry));
    else
        step = store_make_objects(env, s, &entry, &result);
    oh_epoch_unpin();
    return oh_likely(step == STEP_OK) ? result : store_end(env, step, nif_store_lookup, argc, argv);
}

/* store_member(Store, Key) */
ERL_NIF_TERM nif_store_member(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    oh_entry_t entry;
    ERL_NIF_TERM result;
    look_t look = look_up(env, nif_store_member, argc, argv, &s, &entry, &result);
    if (look == ENDED)
        return result;
    oh_epoch_unpin();
    return look == FOUND ? nif_atom.true_ : nif_atom.false_;
}

/* The element at position of a cell's object, or false. */
static bool make_cell_element(ErlNifEnv *env, const store_t *s, const oh_entry_t *entry,
                              uint32_t position, ERL_NIF_TERM *result) {
    const oh_cell_t *cell = entry->cell;
    bool is_pair = flat_kind(cell) != FLAT_OBJECT;
    if (position == s->keypos)
        *result = store_make_key(env, entry);
    else if (is_pair && position == 2)
        *result = flat_make_value(env, cell);
    else if (!is_pair && position <= flat_value_words(cell))
        *result = flat_value(cell)[position - 1];
    else
        return false;
    return true;
}

bool store_make_element(ErlNifEnv *env, const store_t *s, const oh_entry_t *entry,
                        ERL_NIF_TERM position, ERL_NIF_TERM *result) {
    unsigned pos = 2;
    if (position != nif_two && (!enif_get_uint(env, position, &pos) || pos == 0))
        return false;
    if (entry->cell != NULL)
        return make_cell_element(env, s, entry, pos, result);
    if (entry->form == OH_FORM_VALUE) {
        if (pos <= 2)
            *result = enif_make_copy(env, pos == 1 ? entry->key : entry->value);
        return pos <= 2;
    }
    const ERL_NIF_TERM *element;
    int arity;
    if (!enif_get_tuple(env, entry->value, &arity, &element) || pos > (unsigned)arity)
        return false;
    *result = enif_make_copy(env, element[pos - 1]);
    return true;
}

static ERL_NIF_TERM lookup_element(ErlNifEnv *env, store_fun_t *fun, int argc,
                                   const ERL_NIF_TERM argv[], const ERL_NIF_TERM *otherwise) {
    store_t *s;
    oh_entry_t entry;
    ERL_NIF_TERM result;
    look_t look = look_up(env, fun, argc, argv, &s, &entry, &result);
    if (look == ENDED)
        return result;
    bool made = false;
    step_t step = STEP_BADARG;
    if (look == FOUND && oh_unlikely(store_is_bag(s))) {
        step = store_make_elements(env, s, &entry, argv[2], &result);
        made = step == STEP_OK;
    } else if (look == FOUND) {
        made = store_make_element(env, s, &entry, argv[2], &result);
    } else if (otherwise != NULL) {
        result = *otherwise;
        made = true;
    }
    oh_epoch_unpin();
    return made ? result : store_end(env, step, fun, argc, argv);
}

/* store_lookup_element(Store, Key, Position) */
ERL_NIF_TERM nif_store_lookup_element(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return lookup_element(env, nif_store_lookup_element, argc, argv, NULL);
}

/* store_lookup_element_or(Store, Key, Position, Default) */
ERL_NIF_TERM nif_store_lookup_element_or(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    int position;
    if (!enif_get_int(env, argv[2], &position) || position < 1)
        return enif_make_badarg(env);
    return lookup_element(env, nif_store_lookup_element_or, argc, argv, &argv[3]);
}

/* The value of a {Key, Value} object; false for objects of another shape, and in bags. */
static bool make_value(ErlNifEnv *env, const store_t *s, const oh_entry_t *entry,
                       ERL_NIF_TERM *result) {
    if (oh_unlikely(store_is_bag(s)))
        return false;
    if (entry->cell != NULL && flat_kind(entry->cell) != FLAT_OBJECT) {
        *result = flat_make_value(env, entry->cell);
        return true;
    }
    if (entry->form != OH_FORM_VALUE)
        return false;
    *result = enif_make_copy(env, entry->value);
    return true;
}

/* store_get(Store, Key, Default) */
ERL_NIF_TERM nif_store_get(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    oh_entry_t entry;
    ERL_NIF_TERM result;
    look_t look = look_up(env, nif_store_get, argc, argv, &s, &entry, &result);
    if (look == ENDED)
        return result;
    bool made = look == ABSENT || make_value(env, s, &entry, &result);
    oh_epoch_unpin();
    if (!made)
        return enif_make_badarg(env);
    return look == ABSENT ? argv[2] : result;
}

/* store_fetch(Store, Key) -> {ok, Value} | error */
ERL_NIF_TERM nif_store_fetch(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    oh_entry_t entry;
    ERL_NIF_TERM result;
    look_t look = look_up(env, nif_store_fetch, argc, argv, &s, &entry, &result);
    if (look == ENDED)
        return result;
    bool made = look == ABSENT || make_value(env, s, &entry, &result);
    oh_epoch_unpin();
    if (!made)
        return enif_make_badarg(env);
    return look == ABSENT ? nif_atom.error : nif_ok(env, result);
}
