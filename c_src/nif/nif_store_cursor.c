#include "nif_store_cursor.h"

#include "../core/oh_alloc.h"

/* Entries of a tree in a chunk: at first, and at most. */
#define FIRST_MIN 16
#define ROOM_MAX  512

/* --- Positions --- */

/* 0, [Key], last or {Key}: upwards from the beginning, beyond a key; downwards so. */
static bool get_tree_position(ErlNifEnv *env, ERL_NIF_TERM position, store_cursor_t *cursor) {
    const ERL_NIF_TERM *element;
    ERL_NIF_TERM tail;
    int arity;
    unsigned zero;
    if (enif_get_list_cell(env, position, &cursor->last, &tail))
        return enif_is_empty_list(env, tail);
    if (enif_get_uint(env, position, &zero) && zero == 0)
        return true;
    cursor->direction = OH_WALK_DOWN;
    if (enif_is_identical(position, nif_atom.last))
        return true;
    if (!enif_get_tuple(env, position, &arity, &element) || arity != 1)
        return false;
    cursor->last = element[0];
    return true;
}

bool store_cursor_open(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM position,
                       store_cursor_t *cursor) {
    cursor->env = env;
    cursor->store = s;
    cursor->position = 0;
    cursor->entries = NULL;
    cursor->count = cursor->room = 0;
    cursor->begun = position;
    cursor->last = OH_WORD_NONE;
    cursor->keys = NULL;
    cursor->direction = OH_WALK_UP;
    cursor->ended = enif_is_identical(position, nif_atom.done);
    if (cursor->ended)
        return true;
    if (s->tree != NULL)
        return get_tree_position(env, position, cursor);
    return enif_is_identical(position, nif_atom.last) ||
           (nif_get_unsigned(env, position, &cursor->position) &&
            cursor->position < OH_POSITION_END);
}

void store_cursor_close(store_cursor_t *cursor) {
    if (cursor->entries != cursor->few)
        oh_free(cursor->entries);
}

void store_cursor_want(store_cursor_t *cursor, const match_keys_t *keys, uint64_t entries) {
    if (cursor->store->tree == NULL)
        return;
    cursor->keys = keys;
    cursor->entries = cursor->few;
    cursor->room = entries == 0 || entries > STORE_CURSOR_FEW ? STORE_CURSOR_FEW
                   : entries < FIRST_MIN                      ? FIRST_MIN
                                                              : (uint32_t)entries;
}

ERL_NIF_TERM store_cursor_position(const store_cursor_t *cursor) {
    ErlNifEnv *env = cursor->env;
    if (cursor->store->tree == NULL)
        return cursor->ended ? nif_atom.done : enif_make_uint64(env, cursor->position);
    if (cursor->last == OH_WORD_NONE)
        return cursor->begun;
    return cursor->direction == OH_WALK_UP ? enif_make_list1(env, cursor->last)
                                           : enif_make_tuple1(env, cursor->last);
}

void store_cursor_stop(store_cursor_t *cursor, uint32_t entries) {
    if (entries > 0)
        cursor->last = store_make_key(cursor->env, &cursor->entries[entries - 1]);
}

/* --- Chunks --- */

static oh_status_t next_of_table(store_cursor_t *cursor) {
    for (;;) {
        /* The segment may grow after it was asked for its size. */
        uint32_t room = oh_table_scan_room(cursor->store->table, cursor->position);
        if (room > cursor->room || cursor->entries == NULL) {
            oh_free(cursor->entries);
            cursor->entries = oh_alloc((room + 1) * sizeof *cursor->entries);
            cursor->room = room;
        }
        if (cursor->entries == NULL)
            return OH_ENOMEM;
        oh_status_t status = oh_table_scan(cursor->store->table, &cursor->position, cursor->entries,
                                           cursor->room, &cursor->count);
        if (status != OH_LIMIT) {
            cursor->ended = cursor->position >= OH_POSITION_END;
            return status;
        }
    }
}

/* Whether an entry lies beyond what is wanted. */
static bool is_beyond(const store_cursor_t *cursor, uint32_t i) {
    const oh_entry_t *entry = &cursor->entries[i];
    bool flat = entry->cell != NULL && entry->cell->key_words > 0;
    ERL_NIF_TERM key = flat ? store_make_key(cursor->env, entry) : entry->key;
    int place = match_place(cursor->env, cursor->keys, key);
    return cursor->direction == OH_WALK_UP ? place > 0 : place < 0;
}

/* Cuts off what lies beyond. */
static void trim(store_cursor_t *cursor) {
    uint32_t low = 0, high = cursor->count - 1;
    if (cursor->keys->reach != MATCH_RANGE || !is_beyond(cursor, high))
        return;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (is_beyond(cursor, middle))
            high = middle;
        else
            low = middle + 1;
    }
    cursor->count = low;
    cursor->ended = true;
}

/* Larger chunks when small ones were not enough. */
static void grow(store_cursor_t *cursor) {
    if (cursor->entries != cursor->few)
        return;
    cursor->room = STORE_CURSOR_FEW;
    oh_entry_t *entries = oh_alloc(ROOM_MAX * sizeof *entries);
    if (entries != NULL) {
        cursor->entries = entries;
        cursor->room = ROOM_MAX;
    }
}

static oh_status_t next_of_tree(store_cursor_t *cursor) {
    oh_key_t from;
    oh_word_t flat[FLAT_KEY_WORDS];
    nif_order_gap_t gap;
    bool bounded = true;
    step_t step = STEP_OK;
    if (cursor->count > 0) {
        store_cursor_stop(cursor, cursor->count);
        grow(cursor);
    }
    cursor->count = 0;
    if (cursor->last != OH_WORD_NONE)
        step = store_key(cursor->env, cursor->store, cursor->last, flat, &from);
    else if (cursor->keys->reach == MATCH_RANGE)
        step = match_gap(cursor->env, cursor->keys, cursor->direction == OH_WALK_DOWN, &gap, &from,
                         &bounded);
    else
        bounded = false;
    if (step != STEP_OK)
        return step == STEP_DIRTY ? OH_BUSY : OH_ENOMEM;
    oh_status_t status =
        oh_tree_walk(cursor->store->tree, bounded ? &from : NULL, false, cursor->direction,
                     cursor->entries, cursor->room, &cursor->count);
    if (status == OH_OK && cursor->count > 0)
        trim(cursor);
    else
        cursor->ended = true;
    return status;
}

oh_status_t store_cursor_next(store_cursor_t *cursor) {
    return cursor->store->tree == NULL ? next_of_table(cursor) : next_of_tree(cursor);
}
