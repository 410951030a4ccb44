/*
 * The store's select family: one step of a selection, some 0.5 ms, after which Erlang goes on.
 *
 * store_select(Store, MatchSpec | Compiled, Mode, Limit, Position, Keys, Results) first looks up
 * the keys (of a bag: what store_select_left takes), then goes on with the walk from the position
 * (nif_store_cursor.h). Results are a list, the last one first, or a count where Mode is not
 * select. In an ordered set they come in the order of the walk. It returns the results when the
 * walk is at its end, or
 *
 *   {Why, Store, Compiled, Limit, Position, Keys, Results}
 *
 * where Why is more (the time is up), full (Limit results were found), or general: the emulator
 * must match some objects before the walk goes on. The mode '$_' gives these, instead of what the
 * bodies make of them.
 */
#include "nif_store_index.h"
#include "nif_store_select.h"

/* Units of match_run_t.cost that a step may take: about 0.5 ms. */
#define STEP_COST   100000
#define COST_PER_MS ((uint64_t)2 * STEP_COST)
/* The same on a dirty scheduler, where it takes a step to get to. */
#define STEP_COST_DIRTY (20 * STEP_COST)
/* What looking a key up costs, in the same units. */
#define KEY_COST 20

/* --- Arguments --- */

static bool get_mode(ERL_NIF_TERM term, store_mode_t *mode) {
    const ERL_NIF_TERM atoms[] = {nif_atom.select, nif_atom.object, nif_atom.count,
                                  nif_atom.delete_, nif_atom.replace};
    for (int i = 0; i < 5; i++) {
        *mode = (store_mode_t)i;
        if (enif_is_identical(term, atoms[i]))
            return true;
    }
    return false;
}

/* The specification: compiled before, or now. */
static step_t get_spec(store_select_t *q) {
    if ((q->spec = match_get(q->env, q->argv[1])) != NULL)
        return STEP_OK;
    q->spec = &q->own;
    step_t step =
        match_compile(q->env, q->argv[1], q->store->keypos, q->store->tree != NULL, &q->own);
    if (step == STEP_OK && q->own.keys.reach <= MATCH_KEYS) {
        q->spec_keys = true;
        store_cursor_end(&q->cursor);
    }
    return step;
}

/* What the end of a step looks at, however far the step came. */
static void init(store_select_t *q, ErlNifEnv *env, const ERL_NIF_TERM argv[]) {
    q->env = env;
    q->argv = argv;
    q->spec = NULL;
    q->spec_keys = false;
    q->key = 0;
    q->taken = 0;
    q->count = 0;
    q->cursor.entries = NULL;
    q->bag.many = NULL;
    q->bag.scratch = NULL;
    q->bag.room = 0;
}

static step_t begin(store_select_t *q, ErlNifEnv *env, const ERL_NIF_TERM argv[]) {
    bool dirty = nif_on_dirty_cpu();
    init(q, env, argv);
    if (!get_mode(q->argv[2], &q->mode) ||
        !store_get(env, q->argv[0], q->mode <= MODE_COUNT ? STORE_READ : STORE_WRITE, &q->store) ||
        (q->mode == MODE_REPLACE && store_is_bag(q->store)) ||
        !nif_get_unsigned(env, q->argv[3], &q->limit) ||
        !store_cursor_open(env, q->store, q->argv[4], &q->cursor) || !enif_is_list(env, q->argv[5]))
        return STEP_BADARG;
    q->keys = q->argv[5];
    q->results = q->argv[6];
    if (q->mode <= MODE_OBJECTS ? !enif_is_list(env, q->results)
                                : !nif_get_unsigned(env, q->results, &q->count))
        return STEP_BADARG;
    q->cost_max = dirty ? STEP_COST_DIRTY : STEP_COST;
    step_t step = get_spec(q);
    if (step == STEP_OK)
        store_cursor_want(&q->cursor, &q->spec->keys, q->limit);
    return step;
}

/* --- The walk --- */

/* A key as it stands among those that are left. */
static ERL_NIF_TERM make_left(const store_select_t *q, ERL_NIF_TERM key) {
    return store_is_bag(q->store) ? store_select_key(q->env, key) : key;
}

/* Keeps what is left of the chunk from an entry on: where to go on, or the keys. */
static void keep_entries(store_select_t *q, uint32_t from) {
    store_cursor_t *cursor = &q->cursor;
    if (q->store->tree != NULL) {
        store_cursor_stop(cursor, from);
        return;
    }
    for (uint32_t i = cursor->count; i > from; i--) {
        ERL_NIF_TERM key = store_make_key(q->env, &cursor->entries[i - 1]);
        q->keys = enif_make_list_cell(q->env, make_left(q, key), q->keys);
    }
}

/* An entry of a chunk; if the walk stops, what is left is kept. */
static store_walk_t take_next(store_select_t *q, uint32_t i) {
    const oh_entry_t *entry = &q->cursor.entries[i];
    bool taken = true, is_bag = store_is_bag(q->store);
    store_walk_t walk =
        is_bag ? store_select_objects(q, entry) : store_select_entry(q, entry, &taken);
    if (store_walk_is_left(walk)) {
        keep_entries(q, i + taken);
        if (is_bag)
            store_select_keep_left(q);
    }
    return walk;
}

/* One chunk of the walk. */
static store_walk_t take_chunk(store_select_t *q) {
    if (q->run.cost > q->cost_max)
        return STOP_MORE;
    oh_status_t status = store_cursor_next(&q->cursor);
    if (status != OH_OK)
        return status == OH_CLOSED ? STOP_CLOSED
               : status == OH_BUSY ? store_select_dirty(q)
                                   : STOP_ENOMEM;
    q->run.cost += STORE_CHUNK_COST;
    for (uint32_t i = 0; i < q->cursor.count; i++) {
        const oh_entry_t *entry = &q->cursor.entries[i];
        if (i + 4 < q->cursor.count)
            __builtin_prefetch(entry[4].cell != NULL ? (const void *)entry[4].cell
                                                     : (const void *)entry[4].value);
        store_walk_t walk = take_next(q, i);
        if (walk != GO_ON)
            return walk;
    }
    return GO_ON;
}

/* --- Keys --- */

/* The i-th of spec's keys, in the order of the walk. */
static ERL_NIF_TERM spec_key(const store_select_t *q, uint32_t i) {
    const match_keys_t *keys = &q->spec->keys;
    return keys->keys[q->cursor.direction == OH_WALK_UP ? i : keys->count - 1 - i];
}

static bool next_key(const store_select_t *q, ERL_NIF_TERM *key, ERL_NIF_TERM *rest) {
    if (!q->spec_keys)
        return enif_get_list_cell(q->env, q->keys, key, rest);
    if (q->key == q->spec->keys.count)
        return false;
    *key = spec_key(q, q->key);
    return true;
}

/* *taken: the key need not be looked up again. */
static store_walk_t take_key(store_select_t *q, ERL_NIF_TERM term, bool *taken) {
    oh_word_t flat[FLAT_KEY_WORDS];
    oh_entry_t entry;
    oh_key_t key;
    step_t step = store_key(q->env, q->store, term, flat, &key);
    *taken = false;
    if (step != STEP_OK)
        return step == STEP_DIRTY ? store_select_dirty(q) : STOP_ENOMEM;
    oh_status_t status = store_index_get(q->store, &key, &entry);
    *taken = status != OH_OK;
    if (status != OH_OK)
        return status == OH_CLOSED ? STOP_CLOSED : GO_ON;
    return store_select_entry(q, &entry, taken);
}

/* Keys that are left of spec's, as a list. */
static void keep_keys(store_select_t *q) {
    if (!q->spec_keys)
        return;
    q->keys = enif_make_list(q->env, 0);
    for (uint32_t i = q->spec->keys.count; i > q->key; i--)
        q->keys = enif_make_list_cell(q->env, make_left(q, spec_key(q, i - 1)), q->keys);
    q->spec_keys = false;
}

/* The next key; *taken as take_key. */
static store_walk_t take_next_key(store_select_t *q, ERL_NIF_TERM key, bool *taken) {
    *taken = false;
    if (q->run.cost > q->cost_max)
        return STOP_MORE;
    if (!store_is_bag(q->store))
        return take_key(q, key, taken);
    *taken = true;
    return store_select_left(q, q->spec_keys ? make_left(q, key) : key);
}

static store_walk_t take_keys(store_select_t *q) {
    ERL_NIF_TERM key, rest = q->keys;
    while (next_key(q, &key, &rest)) {
        bool taken;
        store_walk_t walk = take_next_key(q, key, &taken);
        if (taken) {
            q->run.cost += KEY_COST;
            q->key++;
            q->keys = rest;
        }
        if (walk != GO_ON) {
            keep_keys(q);
            if (store_walk_is_left(walk) && taken && store_is_bag(q->store))
                store_select_keep_left(q);
            return walk;
        }
    }
    q->spec_keys = false;
    return GO_ON;
}

/* --- A step --- */

static ERL_NIF_TERM results(store_select_t *q) {
    return q->mode <= MODE_OBJECTS ? q->results : enif_make_uint64(q->env, q->count);
}

/* Whether nothing is left. In an ordered set, as in ETS, that turns out behind a full chunk, unless
 * one key was looked up. */
static bool is_end(const store_select_t *q) {
    const match_keys_t *keys = &q->spec->keys;
    return store_cursor_ended(&q->cursor) && enif_is_empty_list(q->env, q->keys) &&
           (q->store->tree == NULL || (keys->reach == MATCH_KEYS && keys->count == 1));
}

static ERL_NIF_TERM end(store_select_t *q, store_walk_t walk, store_fun_t *fun, int argc) {
    ERL_NIF_TERM spec;
    if (walk == GO_ON || (walk == STOP_FULL && is_end(q)))
        return results(q);
    if (walk == STOP_DIRTY)
        return store_end(q->env, STEP_DIRTY, fun, argc, q->argv);
    if (walk == STOP_CLOSED || walk == STOP_BADARG)
        return store_end(q->env, STEP_BADARG, fun, argc, q->argv);
    spec = q->argv[1];
    if (walk == STOP_ENOMEM ||
        (q->spec == &q->own && !match_make(q->env, q->argv[1], q->store, &spec)))
        return store_end(q->env, STEP_ENOMEM, fun, argc, q->argv);
    ERL_NIF_TERM why = walk == STOP_MORE   ? nif_atom.more
                       : walk == STOP_FULL ? nif_atom.full
                                           : nif_atom.general;
    return enif_make_tuple7(q->env, why, enif_make_resource(q->env, q->store), spec,
                            enif_make_uint64(q->env, q->limit), store_cursor_position(&q->cursor),
                            q->keys, results(q));
}

static ERL_NIF_TERM select_step(store_select_t *q, store_fun_t *fun, int argc) {
    match_start(&q->run, q->spec, q->store, q->env,
                q->mode == MODE_SELECT || q->mode == MODE_REPLACE);
    store_walk_t walk = store_index_closed(q->store) ? STOP_CLOSED : GO_ON;
    if (walk == GO_ON && !oh_epoch_pin())
        walk = STOP_ENOMEM;
    else if (walk == GO_ON && q->spec->general && q->spec == &q->own) {
        /* First the emulator is asked whether it is well formed. */
        keep_keys(q);
        oh_epoch_unpin();
        walk = STOP_GENERAL;
    } else if (walk == GO_ON) {
        walk = take_keys(q);
        while (walk == GO_ON && !store_cursor_ended(&q->cursor))
            walk = take_chunk(q);
        oh_epoch_unpin();
    }
    ERL_NIF_TERM result = end(q, walk, fun, argc);
    match_stop(&q->run);
    nif_charge(q->env, q->run.cost, COST_PER_MS);
    return result;
}

/* store_select(Store, MatchSpec | Compiled, Mode, Limit, Position, Keys, Results) */
ERL_NIF_TERM nif_store_select(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_select_t q;
    step_t step = begin(&q, env, argv);
    ERL_NIF_TERM result = step == STEP_OK ? select_step(&q, nif_store_select, argc)
                                          : store_end(env, step, nif_store_select, argc, argv);
    store_cursor_close(&q.cursor);
    store_select_bag_close(&q.bag);
    if (step == STEP_OK && q.spec == &q.own)
        match_free(&q.own);
    return result;
}
