/*
 * Keyed rate limiters: a table of the store's, from keys to states.
 *
 * A state is a word that the table keeps as it is, as it does with immediate terms; nobody else
 * reads this table. A key that is absent is a full bucket, and a full bucket's state is not stored:
 * it is the word that the table takes for nothing. A key is looked up, judged and stored under one
 * lock, so two first callers cannot both find its bucket full.
 */
#include "nif_rate_limiter.h"

#include "../core/oh_alloc.h"

_Static_assert(OH_STATE_FULL == OH_WORD_NONE, "a full bucket is an absent key");

/* Prune leaves buckets alone that have not been full for so long: more than the clocks of two
 * threads ever differ. */
#define PRUNE_MARGIN_NS 2000000

static uint64_t get_state(const oh_entry_t *entry) {
    return entry->cell == NULL ? entry->value : flat_value(entry->cell)[0];
}

/* Puts a state into an item that was made of a key and any immediate. */
static void set_state(oh_item_t *item, flat_draft_t *draft, uint64_t state) {
    if (item->box != NULL)
        item->box->value = state;
    else if (item->form == OH_FORM_CELL)
        draft->word[draft->key_words] = state;
    else
        item->value = state;
}

/* What a write does to a key. */
typedef struct {
    const rate_request_t *request;
    bool refunds; /* else takes */
    oh_grant_t grant;
} change_t;

/* The state that the change leaves, given the one that is there. */
static uint64_t changed_state(const oh_rate_t *rate, uint64_t state, change_t *change) {
    const rate_request_t *request = change->request;
    if (change->refunds)
        return oh_rate_refund(rate, state, request->cost);
    /* Read under the lock: no take is earlier than a prune that went before it. */
    change->grant = oh_rate_decide(rate, state, rate_request_time(request), request->cost);
    return change->grant.granted && request->cost > 0 ? change->grant.state : state;
}

static step_t change_key(ErlNifEnv *env, rate_limiter_t *l, ERL_NIF_TERM key, change_t *change) {
    oh_item_t item;
    flat_draft_t draft;
    oh_write_t w;
    step_t step = store_pair(env, &l->keys, key, nif_one, &draft, &item);
    if (step != STEP_OK)
        return step;
    item.rekey = false; /* nobody sees which of two equal keys is kept */
    oh_status_t status = OH_ENOMEM;
    if (oh_epoch_pin()) {
        status = oh_table_begin(l->keys.table, &w, &item.key, true);
        if (status == OH_OK) {
            uint64_t state = w.found ? get_state(&w.entry) : OH_STATE_FULL;
            uint64_t next = changed_state(&l->array.rate, state, change);
            set_state(&item, &draft, next);
            if (next == OH_STATE_FULL && w.found)
                oh_table_remove(l->keys.table, &w);
            else if (next != state && (status = oh_table_put(l->keys.table, &w, &item)) == OH_OK)
                item.box = NULL; /* the table's now */
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
    oh_word_t flat[FLAT_KEY_WORDS];
    oh_key_t at;
    oh_entry_t entry;
    step_t step = store_key(env, &l->keys, key, flat, &at);
    if (step != STEP_OK)
        return step;
    if (!oh_epoch_pin())
        return STEP_ENOMEM;
    bool found = oh_table_get(l->keys.table, &at, &entry) == OH_OK;
    uint64_t state = found ? get_state(&entry) : OH_STATE_FULL;
    oh_epoch_unpin();
    *grant = oh_rate_decide(&l->array.rate, state, rate_request_time(request), request->cost);
    return STEP_OK;
}

/* Removes the key if its state is not later than latest; *removed tells. OH_ENOMEM if it cannot be
 * told. The caller is pinned. */
static oh_status_t remove_key(rate_limiter_t *l, const oh_key_t *key, uint64_t latest,
                              bool *removed) {
    oh_write_t w;
    oh_status_t status = oh_table_begin(l->keys.table, &w, key, false);
    *removed = status == OH_OK && w.found && get_state(&w.entry) <= latest;
    if (*removed)
        oh_table_remove(l->keys.table, &w);
    if (status == OH_OK)
        oh_table_end(l->keys.table, &w);
    return status;
}

step_t rate_keys_reset(ErlNifEnv *env, rate_limiter_t *l, ERL_NIF_TERM key) {
    oh_word_t flat[FLAT_KEY_WORDS];
    oh_key_t at;
    bool removed;
    step_t step = store_key(env, &l->keys, key, flat, &at);
    if (step != STEP_OK)
        return step;
    if (!oh_epoch_pin())
        return STEP_ENOMEM;
    oh_status_t status = remove_key(l, &at, UINT64_MAX, &removed);
    oh_epoch_unpin();
    return status == OH_OK ? STEP_OK : STEP_ENOMEM;
}

/* The key of an entry, valid as long as that. What is not in a box, with its hash, is small enough
 * to be hashed on any scheduler. */
static oh_key_t key_of(ErlNifEnv *env, const rate_limiter_t *l, const oh_entry_t *entry) {
    uint32_t salt = oh_table_salt(l->keys.table);
    oh_key_t key = {.word = entry->key};
    if (entry->cell != NULL) {
        key.word = OH_WORD_NONE;
        key.flat = entry->cell->word;
        key.flat_words = entry->cell->key_words;
        key.hash = oh_hash_words(key.flat, key.flat_words, salt);
    } else if (entry->box != NULL) {
        key.hash = entry->box->hash;
    } else if (nif_is_immediate(env, key.word)) {
        key.immediate = true;
        key.hash = oh_hash_immediate(key.word, salt);
    } else {
        key.hash = store_ops.hash(env, key.word, salt);
    }
    return key;
}

/* Removes those of a segment's entries that are full buckets at time; returns how many. */
static uint32_t prune(ErlNifEnv *env, rate_limiter_t *l, const oh_entry_t *entries, uint32_t count,
                      uint64_t time) {
    uint32_t pruned = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool removed;
        if (get_state(&entries[i]) > time)
            continue;
        oh_key_t key = key_of(env, l, &entries[i]);
        remove_key(l, &key, time, &removed);
        pruned += removed;
    }
    return pruned;
}

/* rate_limiter_prune(Limiter, Position, NowNs) -> {Position | done, Removed}: removes the keys of
 * one segment, up to about a thousand, that are full buckets: about 100 us. Erlang loops. */
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
    if (!oh_epoch_pin())
        return store_end(env, STEP_ENOMEM, nif_rate_limiter_prune, argc, argv);
    oh_status_t status = store_scan_segment(&l->keys, &position, &entries, &count);
    uint32_t pruned = status == OH_OK ? prune(env, l, entries, count, time - PRUNE_MARGIN_NS) : 0;
    oh_epoch_unpin();
    oh_free(entries);
    if (status != OH_OK)
        return store_end(env, STEP_ENOMEM, nif_rate_limiter_prune, argc, argv);
    nif_charge(env, count, 5000);
    return enif_make_tuple2(
        env, position < OH_POSITION_END ? enif_make_uint64(env, position) : nif_atom.done,
        enif_make_uint(env, pruned));
}
