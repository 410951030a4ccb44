/* The store: life of a table, its name. */
#include "nif_store.h"
#include "nif_store_index.h"

#include <string.h>

/* --- Life --- */

void store_close_index(const store_t *s) {
    if (oh_epoch_pin()) {
        store_index_close(s);
        oh_epoch_unpin();
    }
}

/* Ends what a store stands on, which nobody uses any more. */
static void free_index(const store_t *s) {
    store_close_index(s);
    store_index_free(s);
}

oh_status_t store_new_index(store_t *s, oh_list_t list, ERL_NIF_TERM name, uint32_t salt) {
    bool ordered = s->type == STORE_ORDERED_SET;
    s->entry = NULL;
    const oh_table_type_t type = s->type == STORE_BAG             ? OH_TABLE_BAG
                                 : s->type == STORE_DUPLICATE_BAG ? OH_TABLE_DUPLICATE_BAG
                                                                  : OH_TABLE_SET;
    s->table = ordered ? NULL : oh_table_new_typed(&store_ops, s->keypos, salt, type);
    s->tree = ordered ? oh_tree_new(&store_ops, s->keypos) : NULL;
    if (s->table == NULL && s->tree == NULL)
        return OH_ENOMEM;
    const uint64_t value[OH_REGISTRY_VALUES] = {ordered ? (uintptr_t)s->tree : (uintptr_t)s->table,
                                                name, ordered};
    if (oh_registry_enter(list, value, &s->entry) == OH_OK)
        return OH_OK;
    free_index(s);
    s->table = NULL;
    s->tree = NULL;
    return OH_ENOMEM;
}

void store_unref(oh_list_t list, oh_registry_entry_t *entry) {
    store_t s = store_listed(entry);
    if (oh_registry_unref(list, entry))
        free_index(&s);
}
void store_free_index(store_t *s, oh_list_t list) {
    if (s->entry != NULL)
        store_unref(list, s->entry);
}

static void store_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    store_t *s = obj;
    store_free_index(s, OH_LIST_STORES);
    store_free_heir(oh_load_relaxed(&s->heir));
    store_fixes_end(&s->fixes);
}

ErlNifResourceTypeInit nif_type_init_store = {
    .dtor = store_destroy, .down = store_owner_down, .members = 3};

bool store_get_protection(ERL_NIF_TERM term, store_protection_t *out) {
    if (enif_is_identical(term, nif_atom.public_))
        *out = STORE_PUBLIC;
    else if (enif_is_identical(term, nif_atom.protected_))
        *out = STORE_PROTECTED;
    else if (enif_is_identical(term, nif_atom.private_))
        *out = STORE_PRIVATE;
    else
        return false;
    return true;
}

static bool get_type(ERL_NIF_TERM term, store_type_t *out) {
    if (enif_is_identical(term, nif_atom.set))
        *out = STORE_SET;
    else if (enif_is_identical(term, nif_atom.ordered_set))
        *out = STORE_ORDERED_SET;
    else if (enif_is_identical(term, nif_atom.bag))
        *out = STORE_BAG;
    else if (enif_is_identical(term, nif_atom.duplicate_bag))
        *out = STORE_DUPLICATE_BAG;
    else
        return false;
    return true;
}

/* What new/2's options come to: {Type, Protection, KeyPos, Named, Shown...}. */
static bool get_options(ErlNifEnv *env, ERL_NIF_TERM options, store_t *s) {
    const ERL_NIF_TERM *element;
    int arity;
    store_protection_t protection;
    if (!enif_get_tuple(env, options, &arity, &element) || arity != 8 ||
        !get_type(element[0], &s->type) || !store_get_protection(element[1], &protection) ||
        !enif_get_uint(env, element[2], &s->keypos) || s->keypos == 0 ||
        !nif_get_bool(element[3], &s->has_name))
        return false;
    oh_store_relaxed(&s->protection, protection);
    for (int i = 4; i < 8; i++)
        if (!enif_is_atom(env, element[i]))
            return false;
    s->shown = (store_shown_t){.read_concurrency = element[4],
                               .write_concurrency = element[5],
                               .decentralized_counters = element[6],
                               .compressed = element[7]};
    return true;
}

/* Publishes the new table under its name, which keeps it from here on. */
static oh_status_t take_name(store_t *s, ERL_NIF_TERM name) {
    enif_keep_resource(s);
    oh_status_t status = oh_names_insert(name, &s->named);
    if (status != OH_OK)
        enif_release_resource(s);
    return status;
}

/* store_new(Name, Options, none | {Heir, Data}, Salt): the reference, or the name. O(1) */
ERL_NIF_TERM nif_store_new(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t start = {0};
    store_heir_t *heir;
    unsigned salt;
    if (!enif_is_atom(env, argv[0]) || !get_options(env, argv[1], &start) ||
        !enif_get_uint(env, argv[3], &salt))
        return enif_make_badarg(env);
    if (store_new_index(&start, OH_LIST_STORES, argv[0], salt) != OH_OK)
        return nif_raise(env, nif_atom.status_system_limit);
    store_t *s = enif_alloc_resource(nif_type_store, sizeof *s);
    memcpy(s, &start, sizeof *s);
    if (!s->has_name)
        oh_store_relaxed(&s->named.name, argv[0]);
    ERL_NIF_TERM result = s->has_name ? argv[0] : enif_make_resource(env, s);
    oh_status_t status = OH_OK;
    step_t step = store_make_heir(env, s, argv[2], &heir);
    if (step == STEP_OK && store_begin_life(env, s, heir) && s->has_name)
        status = take_name(s, argv[0]);
    if (status != OH_OK)
        store_end_life(env, s, STORE_NOBODY);
    enif_release_resource(s);
    if (status != OH_OK)
        return status == OH_EXISTS ? enif_make_badarg(env)
                                   : nif_raise(env, nif_atom.status_system_limit);
    return step == STEP_OK ? result : store_end(env, step, nif_store_new, argc, argv);
}

/* store_delete(Store). O(1): the entries are freed by the reaper. */
ERL_NIF_TERM nif_store_delete(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    store_t *s;
    if (!store_get(env, argv[0], STORE_WRITE, &s) || !store_end_life(env, s, STORE_NOBODY))
        return enif_make_badarg(env);
    return nif_atom.true_;
}

/* --- Names --- */

/* store_rename(Store, Name): the reference, or the new name. O(1) */
ERL_NIF_TERM nif_store_rename(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    store_t *s;
    if (!enif_is_atom(env, argv[1]) || !store_get(env, argv[0], STORE_WRITE, &s) ||
        oh_load_acquire(&s->owner) == STORE_NOBODY)
        return enif_make_badarg(env);
    if (!s->has_name) {
        oh_store_release(&s->named.name, argv[1]);
        oh_registry_set_value(s->entry, 1, argv[1]);
        return argv[0];
    }
    oh_status_t status = oh_names_rename(&s->named, argv[1]);
    if (status == OH_ENOMEM || status == OH_LIMIT)
        return nif_raise(env, nif_atom.status_system_limit);
    if (status != OH_OK)
        return enif_make_badarg(env);
    oh_registry_set_value(s->entry, 1, argv[1]);
    return argv[1];
}

/* store_whereis(Name): the reference of the named table, or undefined. O(1) */
ERL_NIF_TERM nif_store_whereis(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    store_t *s;
    if (!enif_is_atom(env, argv[0]))
        return enif_make_badarg(env);
    return store_by_name(argv[0], &s) ? enif_make_resource(env, s) : nif_atom.undefined;
}

/* Names that one store_names call gives: about 20 us. */
#define NAMES_CHUNK 1000

/* store_names(Position, Tail) -> {Position | done, Names ++ Tail}. Erlang loops. */
ERL_NIF_TERM nif_store_names(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    unsigned position;
    oh_word_t names[NAMES_CHUNK];
    if (!enif_get_uint(env, argv[0], &position) || !enif_is_list(env, argv[1]))
        return enif_make_badarg(env);
    uint32_t at = position, count = oh_names_list(&at, names, NAMES_CHUNK);
    ERL_NIF_TERM list = nif_prepend(env, names, count, argv[1]);
    nif_charge(env, count, (uint64_t)50 * NAMES_CHUNK);
    return enif_make_tuple2(env, count == NAMES_CHUNK ? enif_make_uint(env, at) : nif_atom.done,
                            list);
}
