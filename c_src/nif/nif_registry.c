/* What the library holds: counts, the lists of tables and of frozen blocks. Each call is bounded;
 * Erlang loops over a cursor, an entry's name, where there may be many. */
#include "nif_store_index.h"

#include "../core/oh_epoch.h"

/* Entries that one call looks at: about 20 us, or 100 us where each becomes a term. */
#define FIND_BUDGET  8192
#define LIST_BUDGET  512
#define ENTRY_PER_MS ((uint64_t)200000)

/* registry_counts() -> {#{Kind => {Handles, Bytes}}, RetiredBytes}: some 50 us at the most. */
ERL_NIF_TERM nif_registry_counts(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    (void)argv;
    ERL_NIF_TERM values[OH_KINDS], map;
    ERL_NIF_TERM keys[] = {
#define KIND_KEY(upper, lower) nif_atom.kind_##lower,
        OH_KIND_MAP(KIND_KEY)
#undef KIND_KEY
    };
    for (unsigned kind = 0; kind < OH_KINDS; kind++) {
        uint64_t handles, bytes;
        oh_registry_counted((oh_kind_t)kind, &handles, &bytes);
        values[kind] =
            enif_make_tuple2(env, enif_make_uint64(env, handles), enif_make_uint64(env, bytes));
    }
    enif_make_map_from_arrays(env, keys, values, OH_KINDS, &map);
    return enif_make_tuple2(env, map, enif_make_uint64(env, oh_epoch_stats().pending_bytes));
}

/* stores or rate_limiters */
static bool get_list(ERL_NIF_TERM term, oh_list_t *list) {
    *list = enif_is_identical(term, nif_atom.stores) ? OH_LIST_STORES : OH_LIST_LIMITERS;
    return *list == OH_LIST_STORES || enif_is_identical(term, nif_atom.kind_rate_limiters);
}

static ERL_NIF_TERM next_name(ErlNifEnv *env, uint32_t name) {
    return name == OH_REGISTRY_END ? nif_atom.done : enif_make_uint(env, name);
}

/* registry_list(stores | rate_limiters, Name) -> {Name | done, [{Name, Generation, Title}]}: the
 * tables from the entry Name on. Title is the store's name. */
ERL_NIF_TERM nif_registry_list(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_list_t list;
    unsigned name;
    if (!get_list(argv[0], &list) || !enif_get_uint(env, argv[1], &name))
        return enif_make_badarg(env);
    uint32_t budget = LIST_BUDGET;
    ERL_NIF_TERM terms = enif_make_list(env, 0);
    for (oh_registry_entry_t *e; (e = oh_registry_next(list, &name, &budget)) != NULL;) {
        ERL_NIF_TERM item = enif_make_tuple3(env, enif_make_uint(env, e->name),
                                             enif_make_uint(env, oh_registry_generation(e)),
                                             oh_registry_value(e, 1));
        store_unref(list, e);
        terms = enif_make_list_cell(env, item, terms);
    }
    nif_charge(env, LIST_BUDGET - budget, ENTRY_PER_MS / 10);
    return enif_make_tuple2(env, next_name(env, name), terms);
}

/* registry_stats(stores | rate_limiters, Name, Generation, Position) -> {Position | done, Size,
 * Bytes}: sums over a part of the table of that entry, about 100 us; or gone. */
ERL_NIF_TERM nif_registry_stats(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_list_t list;
    unsigned name, generation;
    if (!get_list(argv[0], &list) || !enif_get_uint(env, argv[1], &name) ||
        !enif_get_uint(env, argv[2], &generation))
        return enif_make_badarg(env);
    oh_registry_entry_t *entry = oh_registry_ref_at(list, name, generation);
    if (entry == NULL)
        return nif_atom.gone;
    store_t s = store_listed(entry);
    oh_table_stats_t stats = {0};
    ERL_NIF_TERM next = nif_atom.done;
    step_t step = STEP_BADARG;
    if (s.tree != NULL)
        step = store_count_tree(&s, &stats);
    else if (store_count(env, &s, argv[3], &stats, &next))
        step = STEP_OK;
    store_unref(list, entry);
    if (step == STEP_DIRTY)
        return store_end(env, step, nif_registry_stats, argc, argv);
    return step != STEP_OK ? nif_atom.gone
                           : enif_make_tuple3(env, next, enif_make_uint64(env, stats.size),
                                              enif_make_uint64(env, stats.bytes));
}

/* registry_frozen(Name, Tail) -> {Name | done, [{Address, Bytes, Object}] ++ Tail}: the blocks of
 * frozen buffers that binaries show, from the entry Name on. */
ERL_NIF_TERM nif_registry_frozen(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    unsigned name;
    if (!enif_get_uint(env, argv[0], &name) || !enif_is_list(env, argv[1]))
        return enif_make_badarg(env);
    uint32_t budget = LIST_BUDGET;
    ERL_NIF_TERM terms = argv[1];
    for (oh_registry_entry_t *e; (e = oh_registry_next(OH_LIST_FROZEN, &name, &budget)) != NULL;) {
        uint64_t start = oh_registry_value(e, 0), end = oh_registry_value(e, 1);
        ERL_NIF_TERM item =
            enif_make_tuple3(env, enif_make_uint64(env, start), enif_make_uint64(env, end - start),
                             enif_make_uint64(env, oh_registry_value(e, 2)));
        oh_registry_unref(OH_LIST_FROZEN, e);
        terms = enif_make_list_cell(env, item, terms);
    }
    nif_charge(env, LIST_BUDGET - budget, ENTRY_PER_MS / 10);
    return enif_make_tuple2(env, next_name(env, name), terms);
}

/* Continuation of registry_find: (Binary, Name) */
static ERL_NIF_TERM find_from(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    ErlNifBinary binary;
    unsigned name;
    uint64_t value[OH_REGISTRY_VALUES];
    if (!enif_inspect_binary(env, argv[0], &binary) || !enif_get_uint(env, argv[1], &name))
        return enif_make_badarg(env);
    do {
        uint32_t budget = FIND_BUDGET;
        if (oh_registry_find(OH_LIST_FROZEN, (uintptr_t)binary.data, &name, &budget, value))
            return enif_make_uint64(env, value[1] - value[0]);
        if (nif_charge(env, FIND_BUDGET - budget, 2 * ENTRY_PER_MS) && name != OH_REGISTRY_END) {
            ERL_NIF_TERM next[] = {argv[0], enif_make_uint(env, name)};
            return enif_schedule_nif(env, "registry_find", 0, find_from, 2, next);
        }
    } while (name != OH_REGISTRY_END);
    return nif_atom.none;
}

/* registry_find(Binary) -> bytes of the frozen buffer's block that the binary shows a part of, or
 * none. The binary should be short: one that does not begin at a byte is copied. Yields. */
ERL_NIF_TERM nif_registry_find(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    ERL_NIF_TERM start[] = {argv[0], enif_make_uint(env, 0)};
    return find_from(env, 2, start);
}

/* binary_address(Binary): where its bytes are. The binary should be short, too. */
ERL_NIF_TERM nif_binary_address(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    ErlNifBinary binary;
    if (!enif_inspect_binary(env, argv[0], &binary))
        return enif_make_badarg(env);
    return enif_make_uint64(env, (uintptr_t)binary.data);
}
