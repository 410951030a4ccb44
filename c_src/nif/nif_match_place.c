/*
 * Where the keys that a match specification can match lie in the order of terms: so a tree is
 * walked from the first of them to the last.
 */
#include "nif_match.h"

/* Beyond this part of the pattern keys are free. */
#define PLACE_FREE 2

/* Maps match larger ones. */
static bool is_free(ErlNifEnv *env, ERL_NIF_TERM pattern) {
    return enif_is_map(env, pattern) || pattern == nif_atom.underscore ||
           match_variable(env, pattern) != MATCH_NO_VARIABLE;
}

static int sign(int order) {
    return order < 0 ? -1 : order > 0;
}

/* Where key stands to what the pattern matches: as the order of terms has it, up to the first
 * variable. */
static int place_in_pattern(ErlNifEnv *env, ERL_NIF_TERM pattern, ERL_NIF_TERM key,
                            uint32_t depth) {
    const ERL_NIF_TERM *part, *element;
    ERL_NIF_TERM first, head;
    int arity, size;
    if (depth > MATCH_DEPTH || is_free(env, pattern))
        return PLACE_FREE;
    while (enif_get_list_cell(env, pattern, &first, &pattern)) {
        if (!enif_get_list_cell(env, key, &head, &key))
            /* Any list that is not empty stands as this one does to what is none. */
            return sign(enif_compare(key, enif_make_list_cell(env, nif_one, nif_one)));
        int place = place_in_pattern(env, first, head, depth + 1);
        if (place != 0)
            return place;
        if (!enif_is_list(env, pattern))
            return place_in_pattern(env, pattern, key, depth + 1);
    }
    if (!enif_get_tuple(env, pattern, &arity, &part) ||
        !enif_get_tuple(env, key, &size, &element) || arity != size)
        return sign(enif_compare(key, pattern));
    for (int i = 0; i < arity; i++) {
        int place = place_in_pattern(env, part[i], element[i], depth + 1);
        if (place != 0)
            return place;
    }
    return 0;
}

int match_place(ErlNifEnv *env, const match_keys_t *keys, ERL_NIF_TERM key) {
    if (keys->lower_bound != MATCH_UNBOUND) {
        int order = enif_compare(key, keys->lower);
        if (order < 0 || (order == 0 && keys->lower_bound == MATCH_EXCLUSIVE))
            return -1;
    }
    if (keys->upper_bound != MATCH_UNBOUND) {
        int order = enif_compare(key, keys->upper);
        if (order > 0 || (order == 0 && keys->upper_bound == MATCH_EXCLUSIVE))
            return 1;
    }
    int place = keys->has_prefix ? place_in_pattern(env, keys->prefix, key, 0) : 0;
    return place == PLACE_FREE ? 0 : place;
}

/* --- Gaps --- */

static int place_in_range(ErlNifEnv *env, const void *range, ERL_NIF_TERM key) {
    return match_place(env, range, key);
}

static bool is_before(const oh_key_t *a, const oh_key_t *b) {
    return a->order != b->order ? a->order < b->order : a->order2 < b->order2;
}

/* Whether comparing keys with the bound takes too long here. */
static bool is_long(ErlNifEnv *env, match_bound_t bound, ERL_NIF_TERM term) {
    if (bound == MATCH_UNBOUND || nif_on_dirty_cpu())
        return false;
    nif_size_t size = nif_measure(env, term, STORE_INLINE_WORDS);
    return !size.complete || size.binary_bytes > STORE_INLINE_KEY_BYTES;
}

step_t match_gap(ErlNifEnv *env, const match_keys_t *keys, bool behind, nif_order_gap_t *gap,
                 oh_key_t *key, bool *bounded) {
    match_bound_t bound = behind ? keys->upper_bound : keys->lower_bound;
    oh_key_t pattern;
    *bounded = bound != MATCH_UNBOUND || keys->has_prefix;
    if (is_long(env, keys->lower_bound, keys->lower) ||
        is_long(env, keys->upper_bound, keys->upper))
        return STEP_DIRTY;
    if (bound != MATCH_UNBOUND && !nif_order(env, behind ? keys->upper : keys->lower, key))
        return STEP_ENOMEM;
    if (keys->has_prefix && !nif_order_pattern(env, keys->prefix, is_free, behind, &pattern))
        return STEP_ENOMEM;
    /* The narrower of the two. */
    if (keys->has_prefix &&
        (bound == MATCH_UNBOUND || (behind ? is_before(&pattern, key) : is_before(key, &pattern))))
        *key = pattern;
    *gap = (nif_order_gap_t){.env = env, .place = place_in_range, .range = keys, .behind = behind};
    nif_order_set_gap(key, gap);
    return STEP_OK;
}
