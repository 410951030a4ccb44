/* offheap_pool: pools, and leases from them. */
#include "nif_buffer.h"

#include "../core/oh_buffer.h"

typedef struct {
    oh_pool_t *body; /* with a reference */
    bool holds;      /* false: made by a listing when no handle was left */
} pool_t;

/* Buffers that info and sweep look at on a normal scheduler: about 0.2 ms at the most. */
#define LOOK_INLINE 4096

/* Cached blocks go soon; leased and frozen ones when they come back. */
static void pool_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    pool_t *resource = obj;
    if (resource->holds && oh_pool_let_go(resource->body))
        oh_pool_retire(resource->body, nif_buffer_drop);
    else
        oh_pool_unref(resource->body);
}

ErlNifResourceTypeInit nif_type_init_pool = {.dtor = pool_destroy, .members = 1};

static bool get_pool(ErlNifEnv *env, ERL_NIF_TERM term, oh_pool_t **pool) {
    pool_t *resource;
    if (!enif_get_resource(env, term, nif_type_pool, (void **)&resource))
        return false;
    *pool = resource->body;
    return true;
}

/* Takes the caller's reference to the pool. */
static ERL_NIF_TERM make_handle(ErlNifEnv *env, oh_pool_t *body, bool holds) {
    pool_t *resource = enif_alloc_resource(nif_type_pool, sizeof *resource);
    resource->body = body;
    resource->holds = holds;
    ERL_NIF_TERM result = enif_make_resource(env, resource);
    enif_release_resource(resource);
    return result;
}

/* pool_new(MaxBytes | infinity, Largest) */
ERL_NIF_TERM nif_pool_new(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_pool_options_t options = {.max_bytes = OH_POOL_NO_CAP};
    if (!enif_is_identical(argv[0], nif_atom.infinity) &&
        !nif_get_unsigned(env, argv[0], &options.max_bytes))
        return enif_make_badarg(env);
    if (!nif_get_unsigned(env, argv[1], &options.largest))
        return enif_make_badarg(env);
    oh_pool_t *body;
    oh_status_t status = oh_pool_new(&options, &body);
    if (status != OH_OK)
        return nif_status(env, status == OH_ENOMEM ? OH_LIMIT : status, 0);
    return make_handle(env, body, true);
}

/* --- Leasing --- */

/* A lease with its first bytes in it, or {error, Reason}. */
static ERL_NIF_TERM lease_result(ErlNifEnv *env, oh_pool_t *pool, oh_status_t status,
                                 oh_buffer_t *b, const ErlNifBinary *data) {
    if (oh_unlikely(status != OH_OK)) {
        if (status == OH_EXHAUSTED || status == OH_LIMIT) {
            oh_fetch_add_relaxed(&pool->refused, 1);
            status = OH_EXHAUSTED;
        }
        return nif_status(env, status, 0);
    }
    ERL_NIF_TERM term = nif_buffer_make(env, pool, b);
    if (data != NULL && data->size > 0) {
        /* Nobody else has the term yet: no need to enter. */
        oh_buffer_put(b, 0, data->data, data->size);
        oh_buffer_grow(b, 0, data->size);
        nif_charge(env, data->size, NIF_BUFFER_BYTES_PER_MS);
    }
    ERL_NIF_TERM ok[] = {nif_atom.ok, term};
    return enif_make_tuple_from_array(env, ok, 2);
}

/* Pool, size and first bytes, if any. */
static bool get_lease_args(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[], oh_pool_t **pool,
                           uint64_t *size, ErlNifBinary *data) {
    if (!get_pool(env, argv[0], pool) || !nif_get_unsigned(env, argv[1], size))
        return false;
    if (argc == 2)
        return true;
    if (!enif_inspect_binary(env, argv[2], data))
        return false;
    if (data->size > *size)
        *size = data->size;
    return true;
}

/* At the cap: frees cached blocks, then ends leases of dead owners. On a dirty scheduler. */
static ERL_NIF_TERM lease_at_cap(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_pool_t *pool;
    uint64_t size;
    ErlNifBinary data;
    oh_buffer_t *b = NULL;
    if (!get_lease_args(env, argc, argv, &pool, &size, &data))
        return enif_make_badarg(env);
    uint64_t bytes = oh_pool_block_bytes(pool, size);
    if (!oh_pool_evict(pool, bytes, nif_buffer_drop)) {
        nif_buffer_sweep(env, pool, 0, oh_pool_count(pool));
        oh_pool_evict(pool, bytes, nif_buffer_drop);
    }
    oh_status_t status = oh_pool_take(pool, size, &b);
    return lease_result(env, pool, status, b, argc == 3 ? &data : NULL);
}

/* pool_lease(Pool, Size), pool_lease(Pool, Size, Binary): O(1) but for the copy. */
ERL_NIF_TERM nif_pool_lease(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_pool_t *pool;
    uint64_t size;
    ErlNifBinary data;
    oh_buffer_t *b = NULL;
    if (!get_lease_args(env, argc, argv, &pool, &size, &data))
        return enif_make_badarg(env);
    if (argc == 3 && oh_unlikely(data.size > NIF_BUFFER_INLINE_BYTES) && nif_on_scheduler())
        return enif_schedule_nif(env, "pool_lease", ERL_NIF_DIRTY_JOB_CPU_BOUND, nif_pool_lease,
                                 argc, argv);
    oh_status_t status = oh_pool_take(pool, size, &b);
    if (oh_unlikely(status == OH_EXHAUSTED))
        return enif_schedule_nif(env, "pool_lease", ERL_NIF_DIRTY_JOB_CPU_BOUND, lease_at_cap, argc,
                                 argv);
    return lease_result(env, pool, status, b, argc == 3 ? &data : NULL);
}

/* --- Looking at it, tending it --- */

/* pool_sweep(Pool): ends the leases of dead owners; how many. */
ERL_NIF_TERM nif_pool_sweep(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_pool_t *pool;
    if (!get_pool(env, argv[0], &pool))
        return enif_make_badarg(env);
    uint32_t count = oh_pool_count(pool);
    if (count > LOOK_INLINE && nif_on_scheduler())
        return enif_schedule_nif(env, "pool_sweep", ERL_NIF_DIRTY_JOB_CPU_BOUND, nif_pool_sweep,
                                 argc, argv);
    return enif_make_uint64(env, nif_buffer_sweep(env, pool, 0, count));
}

/* The pool of an entry, argv: Name, Generation, with a reference; NULL if it is gone. */
static bool get_listed(ErlNifEnv *env, const ERL_NIF_TERM argv[], oh_pool_t **pool) {
    unsigned name, generation;
    if (!enif_get_uint(env, argv[0], &name) || !enif_get_uint(env, argv[1], &generation))
        return false;
    *pool = oh_pool_ref_at(name, generation);
    return true;
}

/* What a pool holds; on a dirty scheduler by the same call, pool_info, again. */
static ERL_NIF_TERM info(ErlNifEnv *env, oh_pool_t *pool, int argc, const ERL_NIF_TERM argv[]) {
    uint32_t count = oh_pool_count(pool);
    if (count > LOOK_INLINE && nif_on_scheduler())
        return enif_schedule_nif(env, "pool_info", ERL_NIF_DIRTY_JOB_CPU_BOUND, nif_pool_info, argc,
                                 argv);
    oh_pool_stats_t stats = {0};
    oh_pool_stats(pool, 0, count, &stats);
    uint64_t made = oh_load_relaxed(&pool->made);
    struct {
        ERL_NIF_TERM key;
        uint64_t value;
    } entries[] = {
        {nif_atom.leases, stats.leases},
        {nif_atom.recycled, stats.leases > made ? stats.leases - made : 0},
        {nif_atom.leased, stats.leased},
        {nif_atom.leased_bytes, stats.leased_bytes},
        {nif_atom.status_frozen, stats.frozen},
        {nif_atom.frozen_bytes, stats.frozen_bytes},
        {nif_atom.cached, stats.cached},
        {nif_atom.cached_bytes, stats.cached_bytes},
        {nif_atom.bytes, oh_load_relaxed(&pool->footprint)},
        {nif_atom.refused, oh_load_relaxed(&pool->refused)},
        {nif_atom.reclaimed, oh_load_relaxed(&pool->reclaimed)},
        {nif_atom.dropped, oh_load_relaxed(&pool->dropped)},
        {nif_atom.largest, pool->largest},
        {nif_atom.memory,
         oh_load_relaxed(&pool->footprint) + sizeof *pool + oh_nodes_bytes(&pool->nodes)},
    };
    enum { ENTRIES = sizeof entries / sizeof entries[0] };
    ERL_NIF_TERM keys[ENTRIES + 2], values[ENTRIES + 2], map;
    for (size_t i = 0; i < ENTRIES; i++) {
        keys[i] = entries[i].key;
        values[i] = enif_make_uint64(env, entries[i].value);
    }
    keys[ENTRIES] = nif_atom.max_bytes;
    values[ENTRIES] = pool->max_bytes == OH_POOL_NO_CAP ? nif_atom.infinity
                                                        : enif_make_uint64(env, pool->max_bytes);
    keys[ENTRIES + 1] = nif_atom.status_closed;
    values[ENTRIES + 1] = oh_pool_is_closed(pool) ? nif_atom.true_ : nif_atom.false_;
    enif_make_map_from_arrays(env, keys, values, ENTRIES + 2, &map);
    return map;
}

/* pool_info(Pool); pool_info(Name, Generation) -> the same of the pool of an entry of the registry,
 * or gone: no handle is made, so that who looks all the time keeps no pool. */
ERL_NIF_TERM nif_pool_info(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_pool_t *pool;
    if (argc == 1)
        return get_pool(env, argv[0], &pool) ? info(env, pool, argc, argv) : enif_make_badarg(env);
    if (!get_listed(env, argv, &pool))
        return enif_make_badarg(env);
    if (pool == NULL)
        return nif_atom.gone;
    ERL_NIF_TERM result = info(env, pool, argc, argv);
    oh_pool_unref(pool);
    return result;
}

/* --- Those that there are --- */

/* Entries of the registry that one call looks at: about 50 us. */
#define LIST_BUDGET 512

/* pool_list(Name) -> {Name | done, [{Name, Generation, Held}]}: the pools in the registry from the
 * entry Name on; Held is false if nobody has a handle any more, but a lease or a binary is left.
 * Erlang loops. */
ERL_NIF_TERM nif_pool_list(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    unsigned name;
    if (!enif_get_uint(env, argv[0], &name))
        return enif_make_badarg(env);
    uint32_t budget = LIST_BUDGET;
    ERL_NIF_TERM list = enif_make_list(env, 0);
    for (oh_pool_t *pool; (pool = oh_pool_next(&name, &budget)) != NULL;) {
        ERL_NIF_TERM item = enif_make_tuple3(
            env, enif_make_uint(env, pool->entry->name),
            enif_make_uint(env, oh_registry_generation(pool->entry)),
            oh_load_acquire(&pool->handles) > 0 ? nif_atom.true_ : nif_atom.false_);
        oh_pool_unref(pool);
        list = enif_make_list_cell(env, item, list);
    }
    nif_charge(env, LIST_BUDGET - budget, 20 * LIST_BUDGET);
    return enif_make_tuple2(
        env, name == OH_REGISTRY_END ? nif_atom.done : enif_make_uint(env, name), list);
}

/* pool_at(Name, Generation) -> a handle of the pool of that entry, or gone. It is as good as any
 * other if somebody has one; else the pool is closed, and the handle is for looking. */
ERL_NIF_TERM nif_pool_at(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_pool_t *pool;
    if (!get_listed(env, argv, &pool))
        return enif_make_badarg(env);
    return pool == NULL ? nif_atom.gone : make_handle(env, pool, oh_pool_hold(pool));
}

/* pool_trim(Pool): on a dirty scheduler. */
ERL_NIF_TERM nif_pool_trim(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_pool_t *pool;
    if (!get_pool(env, argv[0], &pool))
        return enif_make_badarg(env);
    return enif_make_uint64(env, oh_pool_trim(pool, UINT64_MAX, nif_buffer_drop));
}

/* pool_close(Pool): on a dirty scheduler. */
ERL_NIF_TERM nif_pool_close(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_pool_t *pool;
    if (!get_pool(env, argv[0], &pool))
        return enif_make_badarg(env);
    oh_pool_close(pool, nif_buffer_drop);
    return nif_atom.ok;
}
