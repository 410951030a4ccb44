/*
 * The store's select family: one step of a selection, some 0.5 ms, after which Erlang goes on.
 *
 * store_select(Store, MatchSpec | Compiled, Mode, Limit, Position, Keys, Results) first looks up
 * the keys, then goes on with the walk from the position. Results are a list, or a count where
 * Mode is not select. It returns the results when the walk is at its end, or
 *
 *   {Why, Store, Compiled, Limit, Position, Keys, Results}
 *
 * where Why is more (the time is up), full (Limit results were found), or general: the emulator
 * must match the objects of Keys before the walk goes on.
 */
#include "nif_match.h"
#include "nif_store_cursor.h"

#include "../core/oh_alloc.h"

/* Units of match_run_t.cost that a step may take: about 0.5 ms. */
#define STEP_COST   100000
#define COST_PER_MS (2 * STEP_COST)
/* The same on a dirty scheduler, where it takes a step to get to. */
#define STEP_COST_DIRTY (20 * STEP_COST)
/* What taking up an entry costs, and taking a result, in the same units. */
#define ENTRY_COST  4
#define RESULT_COST 10
/* Looking a key up. */
#define KEY_COST 20

typedef enum { MODE_SELECT, MODE_COUNT, MODE_DELETE, MODE_REPLACE } store_mode_t;

/* A selection's step. */
typedef struct {
    ErlNifEnv *env;
    const ERL_NIF_TERM *argv;
    store_t *store;
    const match_spec_t *spec; /* own or a resource's */
    match_spec_t own;
    store_mode_t mode;
    ErlNifUInt64 limit; /* results that are still wanted, 0: all */
    uint64_t cost_max;
    store_cursor_t cursor;
    ERL_NIF_TERM keys; /* that are to be looked up first */
    uint32_t key;      /* if they are spec's: which is next */
    bool spec_keys;
    ERL_NIF_TERM results;
    ErlNifUInt64 count;
    uint32_t taken; /* entries, by this step */
    match_run_t run;
} select_t;

/* What becomes of a walk at an entry. */
typedef enum {
    GO_ON,
    STOP_MORE,
    STOP_FULL,
    STOP_GENERAL,
    STOP_DIRTY,
    STOP_ENOMEM,
    STOP_CLOSED
} walk_t;

/* --- Arguments --- */

static bool get_mode(ERL_NIF_TERM term, store_mode_t *mode) {
    const ERL_NIF_TERM atoms[] = {nif_atom.select, nif_atom.count, nif_atom.delete_,
                                  nif_atom.replace};
    for (int i = 0; i < 4; i++) {
        *mode = (store_mode_t)i;
        if (enif_is_identical(term, atoms[i]))
            return true;
    }
    return false;
}

/* The specification: compiled before, or now. */
static step_t get_spec(select_t *q) {
    if ((q->spec = match_get(q->env, q->argv[1])) != NULL)
        return STEP_OK;
    q->spec = &q->own;
    step_t step = match_compile(q->env, q->argv[1], q->store->keypos, false, &q->own);
    if (step == STEP_OK && q->own.keys.reach <= MATCH_KEYS) {
        q->spec_keys = true;
        q->cursor.position = OH_POSITION_END;
    }
    return step;
}

static step_t begin(select_t *q) {
    ErlNifEnv *env = q->env;
    bool dirty = nif_on_dirty_cpu();
    if (!get_mode(q->argv[2], &q->mode) ||
        !store_get(env, q->argv[0], q->mode <= MODE_COUNT ? STORE_READ : STORE_WRITE, &q->store) ||
        q->store->tree != NULL || /* whose order a selection would have to keep */
        !nif_get_unsigned(env, q->argv[3], &q->limit) ||
        !store_cursor_open(env, q->store, q->argv[4], &q->cursor) || !enif_is_list(env, q->argv[5]))
        return STEP_BADARG;
    q->keys = q->argv[5];
    q->results = q->argv[6];
    if (q->mode == MODE_SELECT ? !enif_is_list(env, q->results)
                               : !nif_get_unsigned(env, q->results, &q->count))
        return STEP_BADARG;
    q->cost_max = dirty ? STEP_COST_DIRTY : STEP_COST;
    return get_spec(q);
}

/* --- Entries --- */

static bool same_entry(const oh_entry_t *a, const oh_entry_t *b) {
    return a->key == b->key && a->value == b->value && a->form == b->form && a->box == b->box &&
           a->cell == b->cell;
}

/* Deletes the entry, or replaces it by the object, if it is still what was matched. GO_ON if that
 * was done or it is gone; else *changed, and *entry is what is there now. */
static walk_t write_entry(select_t *q, oh_entry_t *entry, ERL_NIF_TERM object, bool *changed) {
    oh_table_t *table = q->store->table;
    flat_draft_t draft;
    oh_item_t item;
    oh_write_t w;
    bool replace = q->mode == MODE_REPLACE;
    step_t step = replace
                      ? store_object(q->env, q->store, object, &draft, &item)
                      : store_key(q->env, q->store, store_make_key(match_scratch(&q->run), entry),
                                  draft.word, &item.key);
    *changed = false;
    if (step != STEP_OK)
        return step == STEP_ENOMEM ? STOP_ENOMEM : STOP_GENERAL;
    oh_status_t status = oh_table_begin(table, &w, &item.key, replace);
    if (status == OH_OK) {
        bool same = w.found && same_entry(&w.entry, entry);
        if (same && !replace)
            oh_table_remove(table, &w);
        else if (same && (status = oh_table_put(table, &w, &item)) == OH_OK)
            item.box = NULL; /* the table's now */
        q->count += same && status == OH_OK;
        *changed = w.found && !same;
        *entry = w.found ? w.entry : *entry;
        oh_table_end(table, &w);
    }
    if (replace)
        store_item_drop(&item);
    return status == OH_OK ? GO_ON : status == OH_CLOSED ? STOP_CLOSED : STOP_ENOMEM;
}

/* Tries of an entry that others keep changing. */
#define WRITE_TRIES 16

/* Matches an entry and does with it what the mode says. */
static walk_t take_entry(select_t *q, oh_entry_t entry) {
    ERL_NIF_TERM value;
    bool changed = true;
    for (int tries = 0; changed; tries++) {
        match_outcome_t outcome = match_run(&q->run, &entry, &value);
        if (outcome == MATCH_GENERAL || tries == WRITE_TRIES)
            return STOP_GENERAL;
        if (outcome == MATCH_NO ||
            (q->mode != MODE_SELECT && q->mode != MODE_REPLACE && value != nif_atom.true_))
            return GO_ON;
        q->run.cost += RESULT_COST + (entry.box == NULL ? 0 : entry.box->words);
        if (q->mode >= MODE_DELETE) {
            walk_t walk = write_entry(q, &entry, value, &changed);
            if (walk != GO_ON)
                return walk;
        } else {
            changed = false;
            q->count++;
            if (q->mode == MODE_SELECT)
                q->results = enif_make_list_cell(q->env, value, q->results);
        }
    }
    return q->limit > 0 && --q->limit == 0 ? STOP_FULL : GO_ON;
}

/* Whether there is time for an entry here. */
static walk_t check_entry(select_t *q, const oh_entry_t *entry) {
    if (q->run.cost > q->cost_max)
        return STOP_MORE;
    if (q->spec->general)
        return STOP_GENERAL;
    if (entry->box != NULL) {
        if (entry->box->words > STORE_INLINE_WORDS && !nif_on_dirty_cpu())
            return q->taken == 0 ? STOP_DIRTY : STOP_MORE;
        q->run.cost += entry->box->words / 8;
    }
    q->run.cost += ENTRY_COST;
    q->taken++;
    return GO_ON;
}

/* Puts the keys of the entries from i on before those that are left. */
static void keep_entries(select_t *q, uint32_t from) {
    for (uint32_t i = q->cursor.count; i > from; i--)
        q->keys =
            enif_make_list_cell(q->env, store_make_key(q->env, &q->cursor.entries[i - 1]), q->keys);
}

/* One chunk of the walk. */
static walk_t take_chunk(select_t *q) {
    if (q->run.cost > q->cost_max)
        return STOP_MORE;
    oh_status_t status = store_cursor_next(&q->cursor);
    if (status != OH_OK)
        return status == OH_CLOSED ? STOP_CLOSED : STOP_ENOMEM;
    q->run.cost += 100;
    for (uint32_t i = 0; i < q->cursor.count; i++) {
        const oh_entry_t *entry = &q->cursor.entries[i];
        if (i + 4 < q->cursor.count)
            __builtin_prefetch(entry[4].cell != NULL ? (const void *)entry[4].cell
                                                     : (const void *)entry[4].value);
        walk_t walk = check_entry(q, entry);
        bool taken = walk == GO_ON;
        if (taken)
            walk = take_entry(q, *entry);
        if (walk != GO_ON) {
            keep_entries(q, i + (taken && walk == STOP_FULL));
            return walk;
        }
    }
    return GO_ON;
}

/* --- Keys --- */

static bool next_key(select_t *q, ERL_NIF_TERM *key, ERL_NIF_TERM *rest) {
    if (q->spec_keys) {
        if (q->key == q->spec->keys.count)
            return false;
        *key = q->spec->keys.keys[q->key];
        return true;
    }
    return enif_get_list_cell(q->env, q->keys, key, rest);
}

static walk_t take_key(select_t *q, ERL_NIF_TERM term) {
    oh_word_t flat[FLAT_KEY_WORDS];
    oh_entry_t entry;
    oh_key_t key;
    if (store_key(q->env, q->store, term, flat, &key) == STEP_DIRTY)
        return q->taken == 0 ? STOP_DIRTY : STOP_MORE;
    oh_status_t status = oh_table_get(q->store->table, &key, &entry);
    if (status != OH_OK)
        return status == OH_CLOSED ? STOP_CLOSED : GO_ON;
    walk_t walk = check_entry(q, &entry);
    return walk == GO_ON ? take_entry(q, entry) : walk;
}

/* Keys that are left of spec's, as a list. */
static void keep_keys(select_t *q) {
    const match_keys_t *keys = &q->spec->keys;
    if (!q->spec_keys)
        return;
    q->keys = enif_make_list_from_array(q->env, keys->keys + q->key, keys->count - q->key);
    q->spec_keys = false;
}

static walk_t take_keys(select_t *q) {
    ERL_NIF_TERM key, rest = q->keys;
    while (next_key(q, &key, &rest)) {
        walk_t walk = q->run.cost > q->cost_max ? STOP_MORE : take_key(q, key);
        if (walk == GO_ON || walk == STOP_FULL) {
            q->run.cost += KEY_COST;
            q->key++;
            q->keys = rest;
        }
        if (walk != GO_ON) {
            keep_keys(q);
            return walk;
        }
    }
    q->spec_keys = false;
    return GO_ON;
}

/* --- A step --- */

static ERL_NIF_TERM results(select_t *q) {
    return q->mode == MODE_SELECT ? q->results : enif_make_uint64(q->env, q->count);
}

static ERL_NIF_TERM end(select_t *q, walk_t walk, store_fun_t *fun, int argc) {
    ERL_NIF_TERM spec;
    if (walk == GO_ON || (walk == STOP_FULL && store_cursor_ended(&q->cursor) &&
                          enif_is_empty_list(q->env, q->keys)))
        return results(q);
    if (walk == STOP_DIRTY)
        return store_end(q->env, STEP_DIRTY, fun, argc, q->argv);
    if (walk == STOP_CLOSED)
        return store_end(q->env, STEP_BADARG, fun, argc, q->argv);
    spec = q->argv[1];
    if (walk == STOP_ENOMEM ||
        (q->spec == &q->own && !match_make(q->env, q->argv[1], q->store->keypos, &spec)))
        return store_end(q->env, STEP_ENOMEM, fun, argc, q->argv);
    ERL_NIF_TERM why = walk == STOP_MORE   ? nif_atom.more
                       : walk == STOP_FULL ? nif_atom.full
                                           : nif_atom.general;
    return enif_make_tuple7(q->env, why, enif_make_resource(q->env, q->store), spec,
                            enif_make_uint64(q->env, q->limit),
                            store_cursor_position(q->env, &q->cursor), q->keys, results(q));
}

static ERL_NIF_TERM select_step(select_t *q, store_fun_t *fun, int argc) {
    match_start(&q->run, q->spec, q->store, q->env,
                q->mode == MODE_SELECT || q->mode == MODE_REPLACE);
    walk_t walk = oh_table_closed(q->store->table) ? STOP_CLOSED : GO_ON;
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
    select_t q;
    q.env = env;
    q.argv = argv;
    q.spec = NULL;
    q.spec_keys = false;
    q.key = 0;
    q.taken = 0;
    q.count = 0;
    q.cursor.entries = NULL;
    step_t step = begin(&q);
    ERL_NIF_TERM result = step == STEP_OK ? select_step(&q, nif_store_select, argc)
                                          : store_end(env, step, nif_store_select, argc, argv);
    store_cursor_close(&q.cursor);
    if (step == STEP_OK && q.spec == &q.own)
        match_free(&q.own);
    return result;
}
