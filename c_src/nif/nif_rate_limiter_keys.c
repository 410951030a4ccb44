/*
 * Keyed rate limiters: a table of the store's whose values are states, as signed nanoseconds. Those
 * of the emulator's monotonic clock are small integers for 36 years after its start, so a take
 * changes one word in place; others work, and take memory and time.
 *
 * A key that is absent is a full bucket. It is looked up, judged and stored under one lock, so two
 * first callers cannot both find it full.
 */
#include "nif_rate_limiter.h"

#include "../core/oh_alloc.h"

/* Only this file writes values. */
static uint64_t get_state(ErlNifEnv *env, const oh_entry_t *entry) {
    ErlNifSInt64 state_ns = 0;
    enif_get_int64(env, entry->value, &state_ns);
    return (uint64_t)state_ns + OH_TIME_ZERO;
}

/* Stores a state for the key of item, which was made without it. */
static oh_status_t put_state(ErlNifEnv *env, rate_limiter_t *l, oh_write_t *w, oh_item_t *item,
                             uint64_t state) {
    item->value = enif_make_int64(env, (ErlNifSInt64)(state - OH_TIME_ZERO));
    if (item->box != NULL) {
        item->box->value = store_ops.arena_copy(item->box->arena, item->value);
    } else {
        item->value_immediate = nif_is_plain(env, item->value);
        item->value_words = item->value_immediate ? 0 : 2;
    }
    oh_status_t status = oh_table_put(l->keys.table, w, item);
    if (status == OH_OK)
        item->box = NULL; /* the table's now */
    return status;
}

/* What a write does to a key. */
typedef struct {
    const rate_request_t *request;
    bool refunds; /* else takes */
    oh_grant_t grant;
} change_t;

/* With the key's segment locked. */
static oh_status_t change_found(ErlNifEnv *env, rate_limiter_t *l, oh_write_t *w, oh_item_t *item,
                                change_t *change) {
    const oh_rate_t *rate = &l->array.rate;
    uint64_t cost = change->request->cost;
    uint64_t state = w->found ? get_state(env, &w->entry) : OH_STATE_FULL;
    if (change->refunds)
        return w->found ? put_state(env, l, w, item, oh_rate_refund(rate, state, cost)) : OH_OK;
    /* Read under the lock, so that no take is earlier than a prune that went before it. */
    uint64_t time = rate_request_time(change->request);
    change->grant = oh_rate_decide(rate, state, time, cost);
    if (!change->grant.granted || cost == 0)
        return OH_OK;
    return put_state(env, l, w, item, change->grant.state);
}

static step_t change_key(ErlNifEnv *env, rate_limiter_t *l, ERL_NIF_TERM key, change_t *change) {
    oh_item_t item;
    oh_write_t w;
    step_t step = store_pair(env, &l->keys, key, nif_two, &item);
    if (step != STEP_OK)
        return step;
    oh_status_t status = OH_ENOMEM;
    if (oh_epoch_pin()) {
        status = oh_table_begin(l->keys.table, &w, &item.key, true);
        if (status == OH_OK) {
            status = change_found(env, l, &w, &item, change);
            oh_table_end(l->keys.table, &w);
        }
        oh_epoch_unpin();
    }
    store_item_drop(&item);
    return status == OH_OK ? STEP_OK : STEP_ENOMEM;
}

step_t rate_keys_take(ErlNifEnv *env, rate_limiter_t *l, ERL_NIF_TERM key,
                      const rate_request_t *request, oh_grant_t *grant) {
    change_t change = {.request = request};
    step_t step = change_key(env, l, key, &change);
    *grant = change.grant;
    return step;
}

step_t rate_keys_refund(ErlNifEnv *env, rate_limiter_t *l, ERL_NIF_TERM key, uint64_t cost) {
    rate_request_t request = {.cost = cost};
    change_t change = {.request = &request, .refunds = true};
    return change_key(env, l, key, &change);
}

step_t rate_keys_peek(ErlNifEnv *env, const rate_limiter_t *l, ERL_NIF_TERM key,
                      const rate_request_t *request, oh_grant_t *grant) {
    oh_key_t at;
    oh_entry_t entry;
    step_t step = store_key(env, &l->keys, key, &at);
    if (step != STEP_OK)
        return step;
    if (!oh_epoch_pin())
        return STEP_ENOMEM;
    bool found = oh_table_get(l->keys.table, &at, &entry) == OH_OK;
    uint64_t state = found ? get_state(env, &entry) : OH_STATE_FULL;
    oh_epoch_unpin();
    *grant = oh_rate_decide(&l->array.rate, state, rate_request_time(request), request->cost);
    return STEP_OK;
}

/* Removes the key if its state is not later than latest. False when memory is out. The caller is
 * pinned. */
static bool remove_key(ErlNifEnv *env, rate_limiter_t *l, const oh_key_t *key, uint64_t latest,
                       bool *removed) {
    oh_write_t w;
    *removed = false;
    if (oh_table_begin(l->keys.table, &w, key, false) != OH_OK)
        return false;
    if (w.found && get_state(env, &w.entry) <= latest) {
        oh_table_remove(l->keys.table, &w);
        *removed = true;
    }
    oh_table_end(l->keys.table, &w);
    return true;
}

step_t rate_keys_reset(ErlNifEnv *env, rate_limiter_t *l, ERL_NIF_TERM key) {
    oh_key_t at;
    bool removed;
    step_t step = store_key(env, &l->keys, key, &at);
    if (step != STEP_OK)
        return step;
    if (!oh_epoch_pin())
        return STEP_ENOMEM;
    step = remove_key(env, l, &at, UINT64_MAX, &removed) ? STEP_OK : STEP_ENOMEM;
    oh_epoch_unpin();
    return step;
}

/* The key of an entry. What is not in a box, with its hash, is small enough to hash here. */
static oh_key_t key_of(ErlNifEnv *env, const rate_limiter_t *l, const oh_entry_t *entry) {
    uint32_t salt = oh_table_salt(l->keys.table);
    oh_key_t key = {.word = entry->key};
    if (entry->box != NULL) {
        key.hash = entry->box->hash;
    } else {
        key.immediate = nif_is_immediate(env, key.word);
        key.hash = key.immediate ? oh_hash_immediate(key.word, salt) : store_hash(key.word, salt);
    }
    return key;
}

/* Removes those of a segment's entries that are full buckets at time; returns how many. */
static uint32_t prune(ErlNifEnv *env, rate_limiter_t *l, const oh_entry_t *entries, uint32_t count,
                      uint64_t time) {
    uint32_t pruned = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool removed;
        if (get_state(env, &entries[i]) > time)
            continue;
        oh_key_t key = key_of(env, l, &entries[i]);
        pruned += remove_key(env, l, &key, time, &removed) && removed;
    }
    return pruned;
}

/* rate_limiter_prune(Limiter, Position, NowNs) -> {Position | done, Removed}: removes the keys of
 * one segment, up to about a thousand, that are full buckets: about 200 us. Erlang loops. */
ERL_NIF_TERM nif_rate_limiter_prune(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    rate_limiter_t *l;
    oh_position_t position;
    uint64_t now_ns, time;
    oh_entry_t *entries;
    uint32_t count;
    if (!enif_get_resource(env, argv[0], nif_type_rate_limiter, (void **)&l) ||
        l->keys.table == NULL || !nif_get_unsigned(env, argv[1], &position) ||
        position >= OH_POSITION_END || !nif_get_signed(env, argv[2], &now_ns) ||
        !oh_rate_time(now_ns, &time))
        return enif_make_badarg(env);
    /* The clock of a take that comes later may be behind by so much. */
    time -= NIF_CLOCK_ERROR_NS;
    if (!oh_epoch_pin())
        return store_end(env, STEP_ENOMEM, nif_rate_limiter_prune, argc, argv);
    oh_status_t status = store_scan_segment(&l->keys, &position, &entries, &count);
    uint32_t pruned = status == OH_OK ? prune(env, l, entries, count, time) : 0;
    oh_epoch_unpin();
    oh_free(entries);
    if (status != OH_OK)
        return store_end(env, STEP_ENOMEM, nif_rate_limiter_prune, argc, argv);
    nif_charge(env, count, 5000);
    return enif_make_tuple2(
        env, position < OH_POSITION_END ? enif_make_uint64(env, position) : nif_atom.done,
        enif_make_uint(env, pruned));
}
