/* The store: terms for the core, life of a table, walking and info. */
#include "nif_store.h"

#include <string.h>

#include "../core/oh_alloc.h"

/* --- Terms as the core's words --- */

uint32_t store_hash(oh_word_t key, uint32_t salt) {
    ErlNifUInt64 hash = enif_hash(ERL_NIF_INTERNAL_HASH, key, salt);
    /* The table goes by the top bits first: spread what the emulator's hash has. */
    return (uint32_t)(hash ^ hash >> 32) * 0x9e3779b1u;
}

static bool term_equal(oh_word_t a, oh_word_t b) {
    return enif_is_identical(a, b) != 0;
}

static void *arena_new(void) {
    return enif_alloc_env();
}

static oh_word_t arena_copy(void *arena, oh_word_t term) {
    return enif_make_copy(arena, term);
}

static void arena_free(void *arena) {
    enif_free_env(arena);
}

static oh_word_t object_key(void *arena, oh_word_t object, uint32_t keypos) {
    const ERL_NIF_TERM *element;
    int arity;
    return enif_get_tuple(arena, object, &arity, &element) ? element[keypos - 1] : OH_WORD_NONE;
}

/* An environment was measured at 864 bytes and its first heap fragment at 1,680. */
const oh_term_ops_t store_ops = {
    .hash = store_hash,
    .equal = term_equal,
    .arena_new = arena_new,
    .arena_copy = arena_copy,
    .arena_free = arena_free,
    .object_key = object_key,
    .arena_bytes = 2544,
};

/* --- Arguments --- */

bool store_is_dirty(void) {
    return enif_thread_type() == ERL_NIF_THR_DIRTY_CPU_SCHEDULER;
}

bool store_is_owner(ErlNifEnv *env, const store_t *s) {
    ErlNifPid self;
    return enif_self(env, &self) != NULL && enif_compare_pids(&self, &s->owner) == 0;
}

step_t store_measure_key(ErlNifEnv *env, const store_t *s, oh_key_t *key, nif_size_t *size) {
    bool dirty = store_is_dirty();
    *size = nif_measure(env, key->word, dirty ? UINT64_MAX : STORE_INLINE_WORDS);
    if (!dirty && (!size->complete || size->binary_bytes > STORE_INLINE_KEY_BYTES))
        return STEP_DIRTY;
    key->hash = store_hash(key->word, oh_table_salt(s->table));
    return STEP_OK;
}

/* Puts item's terms into an environment of their own. */
static step_t make_box(oh_item_t *item, uint64_t words, uint32_t keypos) {
    oh_box_t *box = oh_alloc(sizeof *box);
    void *arena = box == NULL ? NULL : arena_new();
    if (arena == NULL) {
        oh_free(box);
        return STEP_ENOMEM;
    }
    *box = (oh_box_t){.ops = &store_ops,
                      .arena = arena,
                      .value = arena_copy(arena, item->value),
                      .form = item->form,
                      .hash = item->key.hash,
                      .words = words};
    box->key = item->form == OH_FORM_OBJECT ? object_key(arena, box->value, keypos)
                                            : arena_copy(arena, item->key.word);
    item->box = box;
    item->form = OH_FORM_BOX;
    return STEP_OK;
}

/* Completes an item whose key, form and value are set. */
static step_t size_item(ErlNifEnv *env, const store_t *s, oh_item_t *item, const nif_size_t *key) {
    nif_size_t value = {.complete = true};
    item->box = NULL;
    item->rekey = key->has_float || !key->complete;
    item->value_immediate = nif_is_immediate(env, item->value);
    if (!item->value_immediate) {
        bool dirty = store_is_dirty();
        value = nif_measure(env, item->value, dirty ? UINT64_MAX : STORE_INLINE_WORDS);
        if (!value.complete && !dirty)
            return STEP_DIRTY;
    }
    uint64_t words = value.words + key->words;
    if (words > STORE_SHARED_WORDS || value.heavy_binary || key->heavy_binary || !value.complete)
        return make_box(item, words, s->keypos);
    item->value_words = (uint32_t)value.words;
    return STEP_OK;
}

step_t store_pair(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM key, ERL_NIF_TERM value,
                  oh_item_t *item) {
    nif_size_t size = {.complete = true};
    item->form = OH_FORM_VALUE;
    item->value = value;
    item->key.word = key;
    item->key.immediate = nif_is_immediate(env, key);
    if (item->key.immediate) {
        item->key.hash = oh_hash_immediate(key, oh_table_salt(s->table));
    } else if (nif_is_surely_small(env, key)) {
        item->key.hash = store_hash(key, oh_table_salt(s->table));
    } else {
        step_t step = store_measure_key(env, s, &item->key, &size);
        if (step != STEP_OK)
            return step;
    }
    return size_item(env, s, item, &size);
}

step_t store_object(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM object, oh_item_t *item) {
    const ERL_NIF_TERM *element;
    int arity;
    if (!enif_get_tuple(env, object, &arity, &element) || (uint32_t)arity < s->keypos)
        return STEP_BADARG;
    if (arity == 2 && s->keypos == 1)
        return store_pair(env, s, element[0], element[1], item);
    step_t step = store_key(env, s, element[s->keypos - 1], &item->key);
    if (step != STEP_OK)
        return step;
    item->form = OH_FORM_OBJECT;
    item->value = object;
    nif_size_t none = {.complete = true};
    return size_item(env, s, item, &none);
}

void store_item_drop(oh_item_t *item) {
    if (item->box != NULL)
        oh_box_free(item->box);
    item->box = NULL;
}

/* --- Results --- */

ERL_NIF_TERM store_make_object(ErlNifEnv *env, const oh_entry_t *entry) {
    ERL_NIF_TERM value = enif_make_copy(env, entry->value);
    if (entry->form == OH_FORM_OBJECT)
        return value;
    return enif_make_tuple2(env, enif_make_copy(env, entry->key), value);
}

ERL_NIF_TERM store_end(ErlNifEnv *env, step_t step, store_fun_t *fun, int argc,
                       const ERL_NIF_TERM argv[]) {
    switch (step) {
    case STEP_DIRTY:
        return enif_schedule_nif(env, "store", ERL_NIF_DIRTY_JOB_CPU_BOUND, fun, argc, argv);
    case STEP_ENOMEM:
        return nif_raise(env, nif_atom.status_system_limit);
    default:
        return enif_make_badarg(env);
    }
}

/* --- Life --- */

static void close_table(oh_table_t *table) {
    if (oh_epoch_pin()) {
        oh_table_close(table);
        oh_epoch_unpin();
    }
}

static void store_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    store_t *s = obj;
    if (s->table == NULL)
        return;
    close_table(s->table);
    oh_table_free(s->table);
}

/* The owner died. O(1): the entries are freed by the reaper. */
static void store_owner_down(ErlNifEnv *env, void *obj, ErlNifPid *pid, ErlNifMonitor *monitor) {
    (void)env;
    (void)pid;
    (void)monitor;
    close_table(((store_t *)obj)->table);
}

ErlNifResourceTypeInit nif_type_init_store = {
    .dtor = store_destroy, .down = store_owner_down, .members = 3};

static bool get_protection(ERL_NIF_TERM term, store_protection_t *out) {
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

/* store_new(Name, KeyPos, Protection, Salt). O(1) */
ERL_NIF_TERM nif_store_new(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    unsigned keypos, salt;
    store_protection_t protection;
    if (!enif_is_atom(env, argv[0]) || !enif_get_uint(env, argv[1], &keypos) || keypos == 0 ||
        !get_protection(argv[2], &protection) || !enif_get_uint(env, argv[3], &salt))
        return enif_make_badarg(env);
    oh_table_t *table = oh_table_new(&store_ops, keypos, salt);
    if (table == NULL)
        return nif_raise(env, nif_atom.status_system_limit);
    store_t *s = enif_alloc_resource(nif_type_store, sizeof *s);
    *s = (store_t){.table = table, .keypos = keypos, .protection = protection, .name = argv[0]};
    enif_self(env, &s->owner);
    ERL_NIF_TERM result = enif_make_resource(env, s);
    if (enif_monitor_process(env, s, &s->owner, NULL) != 0)
        close_table(table); /* the caller is being killed */
    enif_release_resource(s);
    return result;
}

/* store_delete(Store). O(1): the entries are freed by the reaper. */
ERL_NIF_TERM nif_store_delete(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    store_t *s;
    if (!store_get(env, argv[0], STORE_WRITE, &s) || !oh_epoch_pin())
        return enif_make_badarg(env);
    bool closed = oh_table_close(s->table);
    oh_epoch_unpin();
    return closed ? nif_atom.true_ : enif_make_badarg(env);
}

/* store_properties(Store) -> {Name, KeyPos, Protection, Owner}. O(1) */
ERL_NIF_TERM nif_store_properties(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    store_t *s;
    if (!enif_get_resource(env, argv[0], nif_type_store, (void **)&s))
        return enif_make_badarg(env);
    ERL_NIF_TERM protection[] = {nif_atom.public_, nif_atom.protected_, nif_atom.private_};
    return enif_make_tuple4(env, s->name, enif_make_uint(env, s->keypos), protection[s->protection],
                            enif_make_pid(env, &s->owner));
}

/* --- Walking --- */

/* Segments that one store_stats call looks at: about 100 us. */
#define STATS_CHUNK 1024

/* store_stats(Store, Position) -> {Position | done, Size, Bytes, Segments, Boxes}: sums over a part
 * of the table. Erlang loops. */
ERL_NIF_TERM nif_store_stats(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    store_t *s;
    oh_position_t position;
    if (!enif_get_resource(env, argv[0], nif_type_store, (void **)&s) ||
        !nif_get_unsigned(env, argv[1], &position) || position >= OH_POSITION_END ||
        !oh_epoch_pin())
        return enif_make_badarg(env);
    oh_table_stats_t stats = {0};
    oh_status_t status = oh_table_stats(s->table, &position, STATS_CHUNK, &stats);
    oh_epoch_unpin();
    if (status != OH_OK)
        return nif_status(env, status, 0);
    nif_charge(env, stats.segments, 10 * STATS_CHUNK);
    return enif_make_tuple5(
        env, position < OH_POSITION_END ? enif_make_uint64(env, position) : nif_atom.done,
        enif_make_uint64(env, stats.size), enif_make_uint64(env, stats.bytes),
        enif_make_uint64(env, stats.segments), enif_make_uint64(env, stats.boxes));
}

/* The entries as a list of objects before tail; STEP_DIRTY if copying them takes too long here. */
static step_t make_objects(ErlNifEnv *env, const oh_entry_t *entries, uint32_t count,
                           ERL_NIF_TERM *list) {
    uint64_t words = 0;
    for (uint32_t i = 0; i < count; i++)
        words += entries[i].box == NULL ? 0 : entries[i].box->words;
    if (words > STORE_INLINE_WORDS && !store_is_dirty())
        return STEP_DIRTY;
    for (uint32_t i = 0; i < count; i++)
        *list = enif_make_list_cell(env, store_make_object(env, &entries[i]), *list);
    return STEP_OK;
}

/* store_scan(Store, Position, Tail) -> {Position | done, Objects ++ Tail}: the objects of one
 * segment, up to about a thousand: about 50 us. Erlang loops. */
ERL_NIF_TERM nif_store_scan(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    oh_position_t position;
    if (!store_get(env, argv[0], STORE_READ, &s) || !nif_get_unsigned(env, argv[1], &position) ||
        position >= OH_POSITION_END || !enif_is_list(env, argv[2]) || !oh_epoch_pin())
        return enif_make_badarg(env);
    oh_entry_t *entries = NULL;
    uint32_t count = 0;
    oh_status_t status;
    do {
        /* The segment may have grown since it was asked for its size. */
        uint32_t room = oh_table_scan_room(s->table, position);
        oh_free(entries);
        entries = oh_alloc((room + 1) * sizeof *entries);
        status =
            entries == NULL ? OH_ENOMEM : oh_table_scan(s->table, &position, entries, room, &count);
    } while (status == OH_LIMIT);
    ERL_NIF_TERM list = argv[2];
    step_t step = status == OH_OK       ? make_objects(env, entries, count, &list)
                  : status == OH_ENOMEM ? STEP_ENOMEM
                                        : STEP_BADARG;
    oh_epoch_unpin();
    oh_free(entries);
    if (step != STEP_OK)
        return store_end(env, step, nif_store_scan, argc, argv);
    nif_charge(env, count, 10000);
    return enif_make_tuple2(
        env, position < OH_POSITION_END ? enif_make_uint64(env, position) : nif_atom.done, list);
}
