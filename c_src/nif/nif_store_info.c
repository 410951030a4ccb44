/* The store: what a table is and holds; walking over it. */
#include "nif_store.h"

#include "../core/oh_alloc.h"

/* The heir's pid, or none. */
static ERL_NIF_TERM make_heir(ErlNifEnv *env, const store_t *s) {
    ERL_NIF_TERM result = nif_atom.none;
    if (!oh_epoch_pin())
        return result;
    const store_heir_t *heir = oh_load_acquire(&s->heir);
    if (heir != NULL)
        result = enif_make_pid(env, &heir->pid);
    oh_epoch_unpin();
    return result;
}

/* store_properties(Store) -> {Id, Name, Named, Type, KeyPos, Protection, Owner, Heir,
 * ReadConcurrency, WriteConcurrency, DecentralizedCounters, Compressed}, or undefined if there is
 * no such table any more. O(1) */
ERL_NIF_TERM nif_store_properties(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    store_t *s;
    if (!store_find(env, argv[0], &s))
        return enif_is_atom(env, argv[0]) ? nif_atom.undefined : enif_make_badarg(env);
    const ERL_NIF_TERM protection[] = {nif_atom.public_, nif_atom.protected_, nif_atom.private_};
    const ERL_NIF_TERM type[] = {nif_atom.set, nif_atom.ordered_set, nif_atom.bag,
                                 nif_atom.duplicate_bag};
    ERL_NIF_TERM owner = oh_load_acquire(&s->owner), name = oh_load_acquire(&s->named.name);
    if (owner == STORE_NOBODY || name == OH_NAME_NONE)
        return nif_atom.undefined;
    ERL_NIF_TERM result[] = {enif_make_resource(env, s),
                             name,
                             s->has_name ? nif_atom.true_ : nif_atom.false_,
                             type[s->type],
                             enif_make_uint(env, s->keypos),
                             protection[oh_load_relaxed(&s->protection)],
                             owner,
                             make_heir(env, s),
                             s->shown.read_concurrency,
                             s->shown.write_concurrency,
                             s->shown.decentralized_counters,
                             s->shown.compressed};
    return enif_make_tuple_from_array(env, result, sizeof result / sizeof result[0]);
}

/* store_may(Store, read | write) -> true, or why not: type, id, access. What error messages say.
 * O(1) */
ERL_NIF_TERM nif_store_may(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    store_t *s;
    store_access_t access = enif_is_identical(argv[1], nif_atom.read) ? STORE_READ : STORE_WRITE;
    if (!store_find(env, argv[0], &s))
        return enif_is_atom(env, argv[0]) ? nif_atom.id : nif_atom.type;
    if (oh_load_acquire(&s->owner) == STORE_NOBODY)
        return nif_atom.id;
    return store_get(env, argv[0], access, &s) ? nif_atom.true_ : nif_atom.access;
}

/* --- Size --- */

/* Segments that one store_size call looks at: about 100 us beyond the processor's caches. */
#define SIZE_CHUNK 4096

/* store_size(Store, Position) -> the number of objects from Position (begin with 0) to the end, or
 * {Position, Number} up to a position where Erlang goes on; undefined if the table was deleted. */
ERL_NIF_TERM nif_store_size(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    oh_position_t position;
    uint64_t size = 0;
    uint32_t segments = SIZE_CHUNK;
    if (!nif_get_unsigned(env, argv[1], &position) || position >= OH_POSITION_END)
        return enif_make_badarg(env);
    if (!store_find(env, argv[0], &s))
        return enif_is_atom(env, argv[0]) ? nif_atom.undefined : enif_make_badarg(env);
    if (s->tree != NULL) {
        step_t step = store_tree_size(s, &size);
        return step == STEP_OK       ? enif_make_uint64(env, size)
               : step == STEP_BADARG ? nif_atom.undefined
                                     : store_end(env, step, nif_store_size, argc, argv);
    }
    if (!oh_epoch_pin())
        return nif_raise(env, nif_atom.status_system_limit);
    oh_status_t status = oh_table_size(s->table, &position, &segments, &size);
    oh_epoch_unpin();
    if (status != OH_OK)
        return nif_atom.undefined;
    nif_charge(env, segments, (uint64_t)10 * SIZE_CHUNK);
    if (position == OH_POSITION_END)
        return enif_make_uint64(env, size);
    return enif_make_tuple2(env, enif_make_uint64(env, position), enif_make_uint64(env, size));
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
    nif_charge(env, stats->segments, (uint64_t)10 * STATS_CHUNK);
    *next = at < OH_POSITION_END ? enif_make_uint64(env, at) : nif_atom.done;
    return status == OH_OK;
}

/* store_stats(Store, Position) -> {Position | done, Size, Bytes, Segments, Boxes}: sums over a part
 * of the table, or over all of an ordered set. Erlang loops. */
ERL_NIF_TERM nif_store_stats(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    oh_table_stats_t stats = {0};
    ERL_NIF_TERM next = nif_atom.done;
    step_t step = STEP_OK;
    if (!store_find(env, argv[0], &s))
        step = STEP_BADARG;
    else if (s->tree != NULL)
        step = store_count_tree(s, &stats);
    else if (!store_count(env, s, argv[1], &stats, &next))
        step = STEP_BADARG;
    if (step != STEP_OK)
        return store_end(env, step, nif_store_stats, argc, argv);
    return enif_make_tuple5(
        env, next, enif_make_uint64(env, stats.size), enif_make_uint64(env, stats.bytes),
        enif_make_uint64(env, stats.segments), enif_make_uint64(env, stats.boxes));
}

/* The number of objects of the entries; OH_BUSY if it takes long to find out, for a normal
 * scheduler. */
static oh_status_t count_objects(const oh_entry_t *entries, uint32_t count, uint32_t *objects) {
    bool dirty = nif_on_dirty_cpu();
    uint64_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        oh_objects_t walk;
        oh_entry_t object;
        oh_objects_begin(&walk, &entries[i]);
        for (; oh_objects_next(&walk, &object); n++)
            if (!dirty && n > count + STORE_INLINE_READS)
                return OH_BUSY;
    }
    *objects = (uint32_t)n;
    return n > UINT32_MAX ? OH_LIMIT : OH_OK;
}

/* Puts an entry for each object in the place of entries with several. */
static oh_status_t spread_objects(oh_entry_t **entries, uint32_t *count) {
    uint32_t objects, n = 0;
    oh_status_t status = count_objects(*entries, *count, &objects);
    if (status != OH_OK)
        return status;
    oh_entry_t *spread = oh_alloc((objects + 1) * sizeof *spread);
    if (spread == NULL)
        return OH_ENOMEM;
    for (uint32_t i = 0; i < *count; i++) {
        oh_objects_t walk;
        oh_objects_begin(&walk, &(*entries)[i]);
        while (oh_objects_next(&walk, &spread[n]))
            n++;
    }
    oh_free(*entries);
    *entries = spread;
    *count = objects;
    return OH_OK;
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
    if (status == OH_OK && store_is_bag(s))
        status = spread_objects(entries, count);
    return status;
}

step_t store_prepend(ErlNifEnv *env, const store_t *s, const oh_entry_t *entries, uint32_t count,
                     ERL_NIF_TERM *list) {
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
 * segment, up to about a thousand: about 50 us. Begin with 0, or with last: then those of an
 * ordered set are given from the last ones on, so that the list is in order. Erlang loops. */
ERL_NIF_TERM nif_store_scan(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    oh_position_t position;
    if (!store_get(env, argv[0], STORE_READ, &s) || !enif_is_list(env, argv[2]))
        return enif_make_badarg(env);
    if (s->tree != NULL)
        return store_scan_tree(env, s, argc, argv);
    if (enif_is_identical(argv[1], nif_atom.last))
        position = 0;
    else if (!nif_get_unsigned(env, argv[1], &position) || position >= OH_POSITION_END)
        return enif_make_badarg(env);
    if (!oh_epoch_pin())
        return enif_make_badarg(env);
    oh_entry_t *entries;
    uint32_t count;
    oh_status_t status = store_scan_segment(s, &position, &entries, &count);
    ERL_NIF_TERM list = argv[2];
    step_t step = status == OH_ENOMEM ? STEP_ENOMEM
                  : status == OH_BUSY ? STEP_DIRTY
                  : status != OH_OK   ? STEP_BADARG
                                      : STEP_OK;
    if (step == STEP_OK)
        step = store_is_bag(s) ? store_prepend_objects(env, s, entries, count, &list)
                               : store_prepend(env, s, entries, count, &list);
    oh_epoch_unpin();
    oh_free(entries);
    if (step != STEP_OK)
        return store_end(env, step, nif_store_scan, argc, argv);
    nif_charge(env, count, 10000);
    return enif_make_tuple2(
        env, position < OH_POSITION_END ? enif_make_uint64(env, position) : nif_atom.done, list);
}
