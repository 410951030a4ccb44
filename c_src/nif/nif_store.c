/* The store: life of a table, walking and info. */
#include "nif_store.h"

#include "../core/oh_alloc.h"

/* --- Life --- */

bool store_is_owner(ErlNifEnv *env, const store_t *s) {
    ErlNifPid self;
    return enif_self(env, &self) != NULL && enif_compare_pids(&self, &s->owner) == 0;
}

static void close_table(oh_table_t *table) {
    if (oh_epoch_pin()) {
        oh_table_close(table);
        oh_epoch_unpin();
    }
}

void store_free_table(oh_table_t *table) {
    if (table == NULL)
        return;
    close_table(table);
    oh_table_free(table);
}

static void store_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    store_free_table(((store_t *)obj)->table);
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

bool store_count(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM position, oh_table_stats_t *stats,
                 ERL_NIF_TERM *next) {
    oh_position_t at;
    if (!nif_get_unsigned(env, position, &at) || at >= OH_POSITION_END || !oh_epoch_pin())
        return false;
    oh_status_t status = oh_table_stats(s->table, &at, STATS_CHUNK, stats);
    oh_epoch_unpin();
    nif_charge(env, stats->segments, 10 * STATS_CHUNK);
    *next = at < OH_POSITION_END ? enif_make_uint64(env, at) : nif_atom.done;
    return status == OH_OK;
}

/* store_stats(Store, Position) -> {Position | done, Size, Bytes, Segments, Boxes}: sums over a part
 * of the table. Erlang loops. */
ERL_NIF_TERM nif_store_stats(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    store_t *s;
    oh_table_stats_t stats = {0};
    ERL_NIF_TERM next;
    if (!enif_get_resource(env, argv[0], nif_type_store, (void **)&s) ||
        !store_count(env, s, argv[1], &stats, &next))
        return enif_make_badarg(env);
    return enif_make_tuple5(
        env, next, enif_make_uint64(env, stats.size), enif_make_uint64(env, stats.bytes),
        enif_make_uint64(env, stats.segments), enif_make_uint64(env, stats.boxes));
}

oh_status_t store_scan_segment(const store_t *s, oh_position_t *position, oh_entry_t **entries,
                               uint32_t *count) {
    oh_status_t status;
    *entries = NULL;
    *count = 0;
    do {
        /* The segment may have grown since it was asked for its size. */
        uint32_t room = oh_table_scan_room(s->table, *position);
        oh_free(*entries);
        *entries = oh_alloc((room + 1) * sizeof **entries);
        status =
            *entries == NULL ? OH_ENOMEM : oh_table_scan(s->table, position, *entries, room, count);
    } while (status == OH_LIMIT);
    return status;
}

/* The entries as a list of objects before tail; STEP_DIRTY if copying them takes too long here. */
static step_t make_objects(ErlNifEnv *env, const store_t *s, const oh_entry_t *entries,
                           uint32_t count, ERL_NIF_TERM *list) {
    uint64_t words = 0;
    for (uint32_t i = 0; i < count; i++)
        words += entries[i].box == NULL ? 0 : entries[i].box->words;
    if (words > STORE_INLINE_WORDS && !nif_on_dirty_cpu())
        return STEP_DIRTY;
    for (uint32_t i = 0; i < count; i++)
        *list = enif_make_list_cell(env, store_make_object(env, s, &entries[i]), *list);
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
    oh_entry_t *entries;
    uint32_t count;
    oh_status_t status = store_scan_segment(s, &position, &entries, &count);
    ERL_NIF_TERM list = argv[2];
    step_t step = status == OH_OK       ? make_objects(env, s, entries, count, &list)
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
