/* offheap_pool: making, tending and looking at pools; nif_pool_lease.c leases from them. */
#include "nif_buffer.h"

#include "../core/oh_clock.h"

/* Buffers that info and sweep look at on a normal scheduler: about 0.2 ms at the most. */
#define LOOK_INLINE 4096
/* Buffers that one call of leases looks at: about 0.1 ms if all are leased. */
#define LEASES_CHUNK 512

/* Cached blocks go soon; leased and frozen ones when they come back. */
static void pool_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    nif_pool_t *resource = obj;
    if (resource->holds && oh_pool_let_go(resource->body))
        oh_pool_retire(resource->body, nif_buffer_drop);
    else
        oh_pool_unref(resource->body);
}

ErlNifResourceTypeInit nif_type_init_pool = {.dtor = pool_destroy, .members = 1};

bool nif_pool_get(ErlNifEnv *env, ERL_NIF_TERM term, oh_pool_t **pool) {
    nif_pool_t *resource;
    if (!enif_get_resource(env, term, nif_type_pool, (void **)&resource))
        return false;
    *pool = resource->body;
    return true;
}

/* Takes the caller's reference to the pool. */
static ERL_NIF_TERM make_handle(ErlNifEnv *env, oh_pool_t *body, bool holds) {
    nif_pool_t *resource = enif_alloc_resource(nif_type_pool, sizeof *resource);
    resource->body = body;
    resource->holds = holds;
    ERL_NIF_TERM result = enif_make_resource(env, resource);
    enif_release_resource(resource);
    return result;
}

static bool get_options(ErlNifEnv *env, const ERL_NIF_TERM argv[], oh_pool_options_t *options) {
    unsigned align;
    if (!enif_is_identical(argv[0], nif_atom.infinity) &&
        !nif_get_unsigned(env, argv[0], &options->max_bytes))
        return false;
    if (!nif_get_unsigned(env, argv[1], &options->largest) ||
        !enif_get_uint(env, argv[2], &align) || !nif_get_bool(argv[3], &options->huge_pages) ||
        !nif_get_bool(argv[4], &options->zero) || !nif_get_bool(argv[5], &options->shared))
        return false;
    options->align = align;
    return true;
}

/* pool_new(MaxBytes | infinity, Largest, Align, HugePages, Zero, Shared) */
ERL_NIF_TERM nif_pool_new(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_pool_options_t options = OH_POOL_OPTIONS;
    options.line_host = nif_pool_line_host;
    if (!get_options(env, argv, &options))
        return enif_make_badarg(env);
    oh_pool_t *body;
    oh_status_t status = oh_pool_new(&options, &body);
    if (status != OH_OK)
        return nif_status(env, status == OH_ENOMEM ? OH_LIMIT : status, 0);
    return make_handle(env, body, true);
}

/* --- Looking at it, tending it --- */

/* pool_sweep(Pool): ends the leases of dead owners; how many. */
ERL_NIF_TERM nif_pool_sweep(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_pool_t *pool;
    if (!nif_pool_get(env, argv[0], &pool))
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

static ERL_NIF_TERM boolean(bool value) {
    return value ? nif_atom.true_ : nif_atom.false_;
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
        {nif_atom.waited, oh_load_relaxed(&pool->waited)},
        {nif_atom.waiting, oh_line_waiting(&pool->line)},
        {nif_atom.reclaimed, oh_load_relaxed(&pool->reclaimed)},
        {nif_atom.dropped, oh_load_relaxed(&pool->dropped)},
        {nif_atom.largest, pool->largest},
        {nif_atom.align, pool->block.align},
        {nif_atom.memory, oh_pool_memory(pool)},
    };
    struct {
        ERL_NIF_TERM key, value;
    } others[] = {
        {nif_atom.max_bytes, pool->max_bytes == OH_POOL_NO_CAP
                                 ? nif_atom.infinity
                                 : enif_make_uint64(env, pool->max_bytes)},
        {nif_atom.huge_pages, boolean(pool->block.huge_pages)},
        {nif_atom.zero, pool->zero ? nif_atom.on_lease : nif_atom.never},
        {nif_atom.shared, boolean(pool->block.shared)},
        {nif_atom.status_closed, boolean(oh_pool_is_closed(pool))},
    };
    enum {
        ENTRIES = sizeof entries / sizeof entries[0],
        OTHERS = sizeof others / sizeof others[0]
    };
    ERL_NIF_TERM keys[ENTRIES + OTHERS], values[ENTRIES + OTHERS], map;
    for (size_t i = 0; i < ENTRIES; i++) {
        keys[i] = entries[i].key;
        values[i] = enif_make_uint64(env, entries[i].value);
    }
    for (size_t i = 0; i < OTHERS; i++) {
        keys[ENTRIES + i] = others[i].key;
        values[ENTRIES + i] = others[i].value;
    }
    enif_make_map_from_arrays(env, keys, values, ENTRIES + OTHERS, &map);
    return map;
}

/* pool_info(Pool); pool_info(Name, Generation) -> the same of the pool of an entry of the registry,
 * or gone: no handle is made, so that who looks all the time keeps no pool. */
ERL_NIF_TERM nif_pool_info(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_pool_t *pool;
    if (argc == 1)
        return nif_pool_get(env, argv[0], &pool) ? info(env, pool, argc, argv)
                                                 : enif_make_badarg(env);
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
    nif_charge(env, LIST_BUDGET - budget, (uint64_t)20 * LIST_BUDGET);
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

/* pool_entry(Pool) -> {Name, Generation}: its entry in the registry. Two handles are of one pool if
 * their entries are equal. */
ERL_NIF_TERM nif_pool_entry(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_pool_t *pool;
    if (!nif_pool_get(env, argv[0], &pool))
        return enif_make_badarg(env);
    return enif_make_tuple2(env, enif_make_uint(env, pool->entry->name),
                            enif_make_uint(env, oh_registry_generation(pool->entry)));
}

/* One lease as a map; false: there is none, or it ended while it was looked at, or is younger. */
static bool describe_lease(ErlNifEnv *env, oh_buffer_t *b, uint64_t now_ms, uint64_t older_ms,
                           ERL_NIF_TERM *map) {
    uint64_t word = oh_buffer_word(b);
    oh_buffer_state_t state = oh_buffer_word_state(word);
    uint64_t since_ms = oh_load_relaxed(&b->since_ms);
    uint64_t age_ms = now_ms > since_ms ? now_ms - since_ms : 0;
    if (state == OH_BUFFER_RELEASED || age_ms < older_ms)
        return false;
    ErlNifPid owner = nif_buffer_owner_pid(oh_load_acquire(&b->owner));
    ERL_NIF_TERM keys[] = {nif_atom.owner, nif_atom.tag,  nif_atom.age_ms,
                           nif_atom.bytes, nif_atom.size, nif_atom.state};
    ERL_NIF_TERM values[] = {
        enif_make_pid(env, &owner),
        oh_load_relaxed(&b->tag),
        enif_make_uint64(env, age_ms),
        enif_make_uint64(env, oh_load_acquire(&b->block_bytes)),
        enif_make_uint64(env, oh_buffer_size(b)),
        state == OH_BUFFER_FROZEN ? nif_atom.status_frozen : nif_atom.writable,
    };
    enif_make_map_from_arrays(env, keys, values, sizeof keys / sizeof keys[0], map);
    uint64_t after = oh_buffer_word(b);
    return oh_buffer_word_generation(after) == oh_buffer_word_generation(word) &&
           oh_buffer_word_state(after) != OH_BUFFER_RELEASED;
}

/* pool_leases(Pool, From, OlderThanMs, List) -> {Next | done, [Lease | List]}: those among the next
 * LEASES_CHUNK buffers. */
ERL_NIF_TERM nif_pool_leases(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_pool_t *pool;
    unsigned from;
    uint64_t older_ms;
    ERL_NIF_TERM list = argv[3], map;
    if (!nif_pool_get(env, argv[0], &pool) || !enif_get_uint(env, argv[1], &from) ||
        !nif_get_unsigned(env, argv[2], &older_ms) || !enif_is_list(env, list))
        return enif_make_badarg(env);
    uint32_t count = oh_pool_count(pool);
    uint32_t to = from < count && count - from > LEASES_CHUNK ? from + LEASES_CHUNK : count;
    uint64_t now_ms = oh_clock_ms();
    for (uint32_t i = from; i < to; i++) {
        oh_buffer_t *b = oh_pool_at(pool, i);
        if (describe_lease(env, b, now_ms, older_ms, &map))
            list = enif_make_list_cell(env, map, list);
    }
    nif_charge(env, 1, 10);
    return enif_make_tuple2(env, to < count ? enif_make_uint(env, to) : nif_atom.done, list);
}

/* pool_refused(Pool): leases refused so far. */
ERL_NIF_TERM nif_pool_refused(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_pool_t *pool;
    if (!nif_pool_get(env, argv[0], &pool))
        return enif_make_badarg(env);
    return enif_make_uint64(env, oh_load_relaxed(&pool->refused));
}

/* pool_trim(Pool, ToBytes, IdleMs): on a dirty scheduler. */
ERL_NIF_TERM nif_pool_trim(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_pool_t *pool;
    uint64_t to_bytes, idle_ms;
    if (!nif_pool_get(env, argv[0], &pool) || !nif_get_unsigned(env, argv[1], &to_bytes) ||
        !nif_get_unsigned(env, argv[2], &idle_ms))
        return enif_make_badarg(env);
    uint64_t now_ms = oh_clock_ms();
    uint64_t before_ms = idle_ms == 0 ? UINT64_MAX : now_ms > idle_ms ? now_ms - idle_ms : 0;
    uint64_t freed = oh_pool_trim(pool, to_bytes, before_ms, nif_buffer_drop);
    nif_pool_poke(env, pool);
    return enif_make_uint64(env, freed);
}

/* pool_close(Pool): on a dirty scheduler. */
ERL_NIF_TERM nif_pool_close(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_pool_t *pool;
    if (!nif_pool_get(env, argv[0], &pool))
        return enif_make_badarg(env);
    oh_pool_close(pool, nif_buffer_drop);
    nif_pool_poke(env, pool);
    return nif_atom.ok;
}
