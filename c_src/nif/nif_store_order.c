/*
 * What only ordered sets can: steps from key to key, ranges, ranks; and walking and counting them.
 *
 * A step takes one or two look-ups, some 100 ns, and a copy of what it returns. Ranks are exact if
 * nobody writes meanwhile; the first after a write counts up to 4,096 leaves, some four million
 * objects, where the caller is, more on a dirty scheduler. Keys and objects beyond
 * STORE_INLINE_WORDS are handled on a dirty scheduler.
 */
#include "nif_store.h"
#include "nif_store_index.h"

/* Leaves counted one by one where the caller is: about 200 us. */
#define COUNT_BUDGET 4096
/* The same where each leaf's memory is added up. */
#define STATS_BUDGET 1024
/* Objects that one call gives. */
#define RANGE_MAX 512

static uint64_t budget(uint64_t here) {
    return nif_on_dirty_cpu() ? UINT64_MAX : here;
}

/* What a core status other than OH_OK and OH_NOT_FOUND comes to. */
static step_t step_of(oh_status_t status) {
    return status == OH_BUSY ? STEP_DIRTY : status == OH_ENOMEM ? STEP_ENOMEM : STEP_BADARG;
}

static bool is_large(const oh_entry_t *entry) {
    return entry->box != NULL && entry->box->words > STORE_INLINE_WORDS && !nif_on_dirty_cpu();
}

/* The ordered set behind term, for reading. */
static bool get_tree(ErlNifEnv *env, ERL_NIF_TERM term, store_t **s) {
    return store_get(env, term, STORE_READ, s) && (*s)->tree != NULL;
}

/* --- Steps --- */

typedef enum { GIVE_KEY, GIVE_BOTH } give_t;

/* The key, or {Key, [Object]}. */
static ERL_NIF_TERM make_step(ErlNifEnv *env, const store_t *s, const oh_entry_t *entry,
                              give_t give) {
    ERL_NIF_TERM key = store_make_key(env, entry);
    if (give == GIVE_KEY)
        return key;
    return enif_make_tuple2(env, key, enif_make_list1(env, store_make_object(env, s, entry)));
}

/* The entry beyond argv[1], or at the end of the store argv[0] if there is no such argument. */
static ERL_NIF_TERM step(ErlNifEnv *env, store_fun_t *fun, int argc, const ERL_NIF_TERM argv[],
                         oh_direction_t direction, give_t give) {
    store_t *s;
    oh_key_t key;
    oh_word_t flat[FLAT_KEY_WORDS];
    oh_entry_t entry;
    uint32_t count;
    step_t ended = STEP_BADARG;
    if (!store_get(env, argv[0], STORE_READ, &s))
        return enif_make_badarg(env);
    if (s->tree == NULL) /* which has one direction only */
        return store_step(env, s, fun, argc, argv, give == GIVE_BOTH);
    if ((argc > 1 && (ended = store_key(env, s, argv[1], flat, &key)) != STEP_OK) ||
        !oh_epoch_pin())
        return store_end(env, ended, fun, argc, argv);
    ERL_NIF_TERM result = nif_atom.end_of_table;
    oh_status_t status =
        oh_tree_walk(s->tree, argc > 1 ? &key : NULL, false, direction, &entry, 1, &count);
    ended = status != OH_OK                 ? step_of(status)
            : count > 0 && is_large(&entry) ? STEP_DIRTY
                                            : STEP_OK;
    if (ended == STEP_OK && count > 0)
        result = make_step(env, s, &entry, give);
    oh_epoch_unpin();
    return ended == STEP_OK ? result : store_end(env, ended, fun, argc, argv);
}

/* store_first(Store) -> Key | '$end_of_table', and so on. */
ERL_NIF_TERM nif_store_first(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return step(env, nif_store_first, argc, argv, OH_WALK_UP, GIVE_KEY);
}

ERL_NIF_TERM nif_store_last(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return step(env, nif_store_last, argc, argv, OH_WALK_DOWN, GIVE_KEY);
}

ERL_NIF_TERM nif_store_next(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return step(env, nif_store_next, argc, argv, OH_WALK_UP, GIVE_KEY);
}

ERL_NIF_TERM nif_store_prev(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return step(env, nif_store_prev, argc, argv, OH_WALK_DOWN, GIVE_KEY);
}

/* store_first_lookup(Store) -> {Key, [Object]} | '$end_of_table', and so on. */
ERL_NIF_TERM nif_store_first_lookup(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return step(env, nif_store_first_lookup, argc, argv, OH_WALK_UP, GIVE_BOTH);
}

ERL_NIF_TERM nif_store_last_lookup(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return step(env, nif_store_last_lookup, argc, argv, OH_WALK_DOWN, GIVE_BOTH);
}

ERL_NIF_TERM nif_store_next_lookup(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return step(env, nif_store_next_lookup, argc, argv, OH_WALK_UP, GIVE_BOTH);
}

ERL_NIF_TERM nif_store_prev_lookup(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return step(env, nif_store_prev_lookup, argc, argv, OH_WALK_DOWN, GIVE_BOTH);
}

/* --- Ranks --- */

/* store_rank(Store, Key) -> how many objects have smaller keys. */
ERL_NIF_TERM nif_store_rank(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    oh_key_t key;
    oh_word_t flat[FLAT_KEY_WORDS];
    uint64_t rank;
    step_t ended = STEP_BADARG;
    if (!get_tree(env, argv[0], &s) ||
        (ended = store_key(env, s, argv[1], flat, &key)) != STEP_OK || !oh_epoch_pin())
        return store_end(env, ended, nif_store_rank, argc, argv);
    oh_status_t status = oh_tree_rank(s->tree, &key, budget(COUNT_BUDGET), &rank);
    oh_epoch_unpin();
    if (status != OH_OK)
        return store_end(env, step_of(status), nif_store_rank, argc, argv);
    return enif_make_uint64(env, rank);
}

/* store_nth(Store, N) -> [Object]: the one with N smaller ones. */
ERL_NIF_TERM nif_store_nth(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    oh_entry_t entry;
    uint64_t n;
    if (!get_tree(env, argv[0], &s) || !nif_get_unsigned(env, argv[1], &n) || !oh_epoch_pin())
        return enif_make_badarg(env);
    ERL_NIF_TERM result = enif_make_list(env, 0);
    oh_status_t status = oh_tree_nth(s->tree, n, budget(COUNT_BUDGET), &entry);
    step_t ended = status == OH_NOT_FOUND ? STEP_OK
                   : status != OH_OK      ? step_of(status)
                   : is_large(&entry)     ? STEP_DIRTY
                                          : STEP_OK;
    if (status == OH_OK && ended == STEP_OK)
        result = enif_make_list1(env, store_make_object(env, s, &entry));
    oh_epoch_unpin();
    return ended == STEP_OK ? result : store_end(env, ended, nif_store_nth, argc, argv);
}

/* --- Ranges --- */

/* Where a range begins, and what else store_range was asked for. */
typedef struct {
    oh_key_t from, to;
    oh_word_t from_flat[FLAT_KEY_WORDS], to_flat[FLAT_KEY_WORDS];
    uint64_t nth;
    bool by_rank, inclusive, bounded;
    uint32_t limit;
} range_t;

/* From: {rank, N}, {from, Key} or {after, Key} as two arguments; To: [Key] or []. */
static step_t get_range(ErlNifEnv *env, const store_t *s, const ERL_NIF_TERM argv[], range_t *r) {
    ERL_NIF_TERM to, tail;
    step_t ended = STEP_OK;
    r->by_rank = enif_is_identical(argv[1], nif_atom.rank);
    r->inclusive = r->by_rank || enif_is_identical(argv[1], nif_atom.from);
    r->bounded = enif_get_list_cell(env, argv[3], &to, &tail);
    if ((!r->inclusive && !enif_is_identical(argv[1], nif_atom.after_)) ||
        !enif_get_uint(env, argv[4], &r->limit) || r->limit > RANGE_MAX ||
        (r->by_rank && !nif_get_unsigned(env, argv[2], &r->nth)))
        return STEP_BADARG;
    if (!r->by_rank)
        ended = store_key(env, s, argv[2], r->from_flat, &r->from);
    if (ended == STEP_OK && r->bounded)
        ended = store_key(env, s, to, r->to_flat, &r->to);
    return ended;
}

/* The key of an entry, for going on from it. */
static step_t key_of(ErlNifEnv *env, const store_t *s, const oh_entry_t *entry,
                     oh_word_t flat[FLAT_KEY_WORDS], oh_key_t *key) {
    return store_key(env, s, store_make_key(env, entry), flat, key);
}

/* How many of the ascending entries do not lie beyond to. */
static uint32_t count_up_to(ErlNifEnv *env, const oh_entry_t *entries, uint32_t count,
                            const oh_key_t *to) {
    uint32_t low = 0;
    while (low < count) {
        uint32_t middle = low + (count - low) / 2;
        oh_key_t key;
        store_stored_key(env, &entries[middle], &key);
        if (nif_order_compare(&key, to) <= 0)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

/* Collects the range's entries. */
static step_t collect(ErlNifEnv *env, const store_t *s, range_t *r, oh_entry_t *entries,
                      uint32_t *count) {
    *count = 0;
    if (r->limit == 0)
        return oh_tree_closed(s->tree) ? STEP_BADARG : STEP_OK;
    if (r->by_rank) {
        oh_status_t status = oh_tree_nth(s->tree, r->nth, budget(COUNT_BUDGET), entries);
        if (status == OH_NOT_FOUND)
            return STEP_OK;
        step_t ended =
            status == OH_OK ? key_of(env, s, entries, r->from_flat, &r->from) : step_of(status);
        if (ended != STEP_OK)
            return ended;
    }
    while (*count < r->limit) {
        uint32_t more;
        oh_status_t status = oh_tree_walk(s->tree, &r->from, r->inclusive, OH_WALK_UP,
                                          entries + *count, r->limit - *count, &more);
        if (status != OH_OK)
            return step_of(status);
        uint32_t taken = r->bounded ? count_up_to(env, entries + *count, more, &r->to) : more;
        *count += taken;
        if (taken < more || more == 0 || *count == r->limit)
            break;
        /* The leaf's end. */
        step_t ended = key_of(env, s, &entries[*count - 1], r->from_flat, &r->from);
        if (ended != STEP_OK)
            return ended;
        r->inclusive = false;
    }
    return STEP_OK;
}

static void reverse(oh_entry_t *entries, uint32_t count) {
    for (uint32_t i = 0; i < count / 2; i++) {
        oh_entry_t entry = entries[i];
        entries[i] = entries[count - 1 - i];
        entries[count - 1 - i] = entry;
    }
}

/* store_range(Store, rank | from | after, Number | Key, [] | [To], Limit) -> [Object], ascending:
 * fewer than Limit if there are no more. */
ERL_NIF_TERM nif_store_range(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    range_t r;
    oh_entry_t entries[RANGE_MAX];
    uint32_t count = 0;
    step_t ended = STEP_BADARG;
    if (!get_tree(env, argv[0], &s) || (ended = get_range(env, s, argv, &r)) != STEP_OK ||
        !oh_epoch_pin())
        return store_end(env, ended, nif_store_range, argc, argv);
    ERL_NIF_TERM list = enif_make_list(env, 0);
    ended = collect(env, s, &r, entries, &count);
    if (ended == STEP_OK) {
        reverse(entries, count);
        ended = store_prepend(env, s, entries, count, &list);
    }
    oh_epoch_unpin();
    if (ended != STEP_OK)
        return store_end(env, ended, nif_store_range, argc, argv);
    nif_charge(env, count, 10000);
    return list;
}

/* --- The whole --- */

/* Where a scan stands: 0, at the beginning; [Key], beyond that key; last, at the end; {Key}, before
 * that key. */
static step_t get_position(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM term,
                           oh_word_t flat[FLAT_KEY_WORDS], oh_key_t *from, bool *begun,
                           oh_direction_t *direction) {
    const ERL_NIF_TERM *element;
    ERL_NIF_TERM head, tail;
    int arity;
    unsigned zero;
    *begun = true;
    *direction = OH_WALK_UP;
    if (enif_get_list_cell(env, term, &head, &tail))
        return store_key(env, s, head, flat, from);
    *direction = OH_WALK_DOWN;
    if (enif_get_tuple(env, term, &arity, &element) && arity == 1)
        return store_key(env, s, element[0], flat, from);
    *begun = false;
    if (enif_is_identical(term, nif_atom.last))
        return STEP_OK;
    *direction = OH_WALK_UP;
    return enif_get_uint(env, term, &zero) && zero == 0 ? STEP_OK : STEP_BADARG;
}

ERL_NIF_TERM store_scan_tree(ErlNifEnv *env, store_t *s, int argc, const ERL_NIF_TERM argv[]) {
    oh_key_t from;
    oh_word_t flat[FLAT_KEY_WORDS];
    oh_entry_t entries[RANGE_MAX];
    oh_direction_t direction;
    uint32_t count;
    bool begun;
    step_t ended = get_position(env, s, argv[1], flat, &from, &begun, &direction);
    if (ended != STEP_OK || !oh_epoch_pin())
        return store_end(env, ended, nif_store_scan, argc, argv);
    ERL_NIF_TERM list = argv[2], next = nif_atom.done;
    oh_status_t status =
        oh_tree_walk(s->tree, begun ? &from : NULL, false, direction, entries, RANGE_MAX, &count);
    if (status == OH_OK && count > 0) {
        next = store_make_key(env, &entries[count - 1]);
        next = direction == OH_WALK_UP ? enif_make_list1(env, next) : enif_make_tuple1(env, next);
    }
    if (status == OH_OK && direction == OH_WALK_UP)
        reverse(entries, count);
    ended = status == OH_OK ? store_prepend(env, s, entries, count, &list) : step_of(status);
    oh_epoch_unpin();
    if (ended != STEP_OK)
        return store_end(env, ended, nif_store_scan, argc, argv);
    nif_charge(env, count, 10000);
    return enif_make_tuple2(env, next, list);
}

step_t store_count_tree(const store_t *s, oh_table_stats_t *stats) {
    if (!oh_epoch_pin())
        return STEP_ENOMEM;
    oh_status_t status = oh_tree_stats(s->tree, budget(STATS_BUDGET), stats);
    oh_epoch_unpin();
    return status == OH_OK ? STEP_OK : step_of(status);
}

step_t store_tree_size(const store_t *s, uint64_t *size) {
    if (!oh_epoch_pin())
        return STEP_ENOMEM;
    oh_status_t status = oh_tree_size(s->tree, budget(COUNT_BUDGET), size);
    oh_epoch_unpin();
    return status == OH_OK ? STEP_OK : step_of(status);
}
