/*
 * The objects of a selection from a table of type bag or duplicate_bag.
 *
 * Objects come in groups: those of one place in the key's bag (oh_bag.h), mostly one, or all of a
 * key that has few. Between groups a walk is held by the key and the place that comes next. One
 * that stops within a group is held by the objects that are left of it, each with how many equal
 * ones are left.
 */
#include "nif_store_index.h"
#include "nif_store_select.h"

#include <string.h>

#include "../core/oh_alloc.h"

/* Equal objects that are taken at once: a walk may stop between them. */
#define COPIES_MAX 2000
/* Objects of a part of a bag, mostly; the array grows if they are more. */
#define PART_ROOM 1280

/* --- One object --- */

/* Deletes all that equal the object. Whether it is what was matched does not matter: what equals it
 * matches, too. */
static store_walk_t delete_equal(store_select_t *q, oh_bag_object_t *object) {
    flat_draft_t draft;
    oh_item_t item;
    oh_write_t w;
    uint64_t deleted = 0;
    ERL_NIF_TERM term = store_make_object(match_scratch(&q->run), q->store, &object->entry);
    step_t step = store_object(q->env, q->store, term, &draft, &item);
    if (step != STEP_OK)
        return step == STEP_DIRTY ? store_select_dirty(q) : STOP_ENOMEM;
    oh_status_t status = oh_table_begin(q->store->table, &w, &item.key, false);
    if (status == OH_OK) {
        status = oh_table_remove_object(q->store->table, &w, &item, &deleted);
        oh_table_end(q->store->table, &w);
    }
    store_item_drop(&item);
    q->count += deleted;
    object->copies = 0;
    return status == OH_OK ? GO_ON : status == OH_CLOSED ? STOP_CLOSED : STOP_ENOMEM;
}

/* As many results as are wanted and equal objects there are. */
static store_walk_t give(store_select_t *q, oh_bag_object_t *object, ERL_NIF_TERM value) {
    uint64_t n = object->copies < COPIES_MAX ? object->copies : COPIES_MAX;
    bool limited = q->limit > 0;
    if (limited && q->limit < n)
        n = q->limit;
    for (uint64_t i = 0; i < n; i++)
        q->results = enif_make_list_cell(q->env, value, q->results);
    object->copies -= n;
    q->limit -= limited ? n : 0;
    q->run.cost += n * STORE_RESULT_COST;
    if (limited && q->limit == 0)
        return STOP_FULL;
    return object->copies > 0 ? STOP_MORE : GO_ON;
}

/* Matches an object and does with it what the mode says; object->copies becomes how many are
 * left. */
static store_walk_t take_object(store_select_t *q, oh_bag_object_t *object) {
    ERL_NIF_TERM value;
    match_outcome_t outcome = store_select_match(q, &object->entry, &value);
    store_walk_t walk = GO_ON;
    if (outcome == MATCH_GENERAL)
        return STOP_GENERAL;
    q->run.cost += STORE_ENTRY_COST;
    if (object->entry.box != NULL)
        q->run.cost += object->entry.box->words / (outcome == MATCH_YES ? 1 : 8);
    if (outcome == MATCH_YES && q->mode <= MODE_OBJECTS)
        walk = give(q, object, value);
    else if (outcome == MATCH_YES && value == nif_atom.true_ && q->mode == MODE_DELETE)
        walk = delete_equal(q, object);
    else if (outcome == MATCH_YES && value == nif_atom.true_)
        q->count += object->copies;
    if (walk == GO_ON)
        object->copies = 0;
    q->taken += walk != STOP_DIRTY;
    return walk;
}

/* --- Groups --- */

static uint32_t group_end(const store_select_bag_t *bag, uint32_t from) {
    uint32_t to = from + 1;
    while (to < bag->count && bag->objects[to].place == bag->objects[from].place)
        to++;
    return to;
}

/* Whether a group is too large for here. */
static bool is_large(const store_select_bag_t *bag, uint32_t from, uint32_t to) {
    uint64_t words = 0;
    for (uint32_t i = from; i < to; i++)
        words += bag->objects[i].entry.box == NULL ? 0 : bag->objects[i].entry.box->words;
    return words > STORE_INLINE_WORDS && !nif_on_dirty_cpu();
}

/* Takes the objects, of a part of which the first begins at a position. What is left stands in
 * *bag. */
static store_walk_t take_objects(store_select_t *q, oh_position_t begin) {
    store_select_bag_t *bag = &q->bag;
    for (uint32_t from = 0, to; from < bag->count; from = to) {
        oh_position_t here = from == 0 ? begin : bag->objects[from].place;
        store_walk_t walk = q->run.cost > q->cost_max ? STOP_MORE : GO_ON;
        to = group_end(bag, from);
        if (walk == GO_ON && is_large(bag, from, to))
            walk = store_select_dirty(q);
        if (walk != GO_ON && here < OH_POSITION_END) {
            bag->count = 0;
            bag->next = here;
            return walk;
        }
        for (uint32_t i = from; i < to; i++) {
            if (i + 8 < bag->count && bag->objects[i + 8].entry.cell == NULL)
                __builtin_prefetch((const void *)bag->objects[i + 8].entry.value);
            if (walk == GO_ON)
                walk = take_object(q, &bag->objects[i]);
            if (walk == GO_ON)
                continue;
            bag->next = to < bag->count ? bag->objects[to].place : bag->next;
            bag->first = i;
            bag->count = to;
            return walk;
        }
    }
    bag->count = 0;
    return GO_ON;
}

/* --- Keys --- */

/* The next part of a key's bag as bag->objects. */
static oh_status_t get_part(store_select_t *q, const oh_key_t *key, oh_position_t *position) {
    store_select_bag_t *bag = &q->bag;
    oh_status_t status = OH_LIMIT;
    while (status == OH_LIMIT) {
        if (bag->room > 0)
            status = oh_table_scan_objects(q->store->table, key, position, bag->scratch, bag->many,
                                           bag->room, &bag->count);
        if (status != OH_LIMIT)
            continue;
        uint32_t room = bag->room == 0 ? PART_ROOM : 2 * bag->room;
        store_select_bag_close(bag);
        bag->many = oh_alloc(room * sizeof *bag->many);
        bag->scratch = oh_alloc(room * sizeof *bag->scratch);
        bag->room = room;
        if (bag->many == NULL || bag->scratch == NULL)
            return OH_ENOMEM;
    }
    bag->objects = bag->many;
    return status;
}

/* The objects of a key with a bag, from a position on. */
static store_walk_t take_bag(store_select_t *q, ERL_NIF_TERM term, oh_position_t position) {
    store_select_bag_t *bag = &q->bag;
    oh_word_t flat[FLAT_KEY_WORDS];
    oh_key_t key;
    bag->key = term;
    bag->next = position;
    bag->count = 0;
    step_t step = store_key(q->env, q->store, term, flat, &key);
    if (step != STEP_OK)
        return step == STEP_DIRTY ? store_select_dirty(q) : STOP_ENOMEM;
    while (bag->next < OH_POSITION_END) {
        position = bag->next;
        if (q->run.cost > q->cost_max)
            return STOP_MORE;
        oh_status_t status = get_part(q, &key, &bag->next);
        if (status == OH_NOT_FOUND)
            bag->next = OH_POSITION_END;
        if (status != OH_OK)
            return status == OH_NOT_FOUND ? GO_ON : status == OH_CLOSED ? STOP_CLOSED : STOP_ENOMEM;
        q->run.cost += STORE_CHUNK_COST + 4 * (uint64_t)bag->count;
        store_walk_t walk = take_objects(q, position);
        if (walk != GO_ON)
            return walk;
    }
    return GO_ON;
}

store_walk_t store_select_objects(store_select_t *q, const oh_entry_t *entry) {
    store_select_bag_t *bag = &q->bag;
    oh_objects_t objects;
    if (oh_entry_is_bag(entry))
        return take_bag(q, store_make_key(q->env, entry), 0);
    bag->objects = bag->few;
    bag->first = bag->count = 0;
    bag->next = OH_POSITION_END;
    oh_objects_begin(&objects, entry);
    while (oh_objects_next(&objects, &bag->few[bag->count].entry)) {
        bag->few[bag->count].place = 0;
        bag->few[bag->count++].copies = 1;
    }
    store_walk_t walk = take_objects(q, 0);
    if (walk != GO_ON && bag->next < OH_POSITION_END)
        bag->key = store_make_key(q->env, entry);
    return walk;
}

/* An object that was left, if it is still there. */
static store_walk_t take_left(store_select_t *q, ERL_NIF_TERM object, ErlNifUInt64 copies) {
    store_select_bag_t *bag = &q->bag;
    const ERL_NIF_TERM *element;
    flat_draft_t draft;
    oh_item_t item;
    int arity;
    step_t step = store_object(q->env, q->store, object, &draft, &item);
    bag->objects = bag->few;
    bag->few[0] =
        (oh_bag_object_t){.entry = {.form = OH_FORM_OBJECT, .value = object}, .copies = copies};
    bag->first = 0;
    bag->count = 1;
    bag->next = OH_POSITION_END;
    if (step != STEP_OK)
        return step == STEP_DIRTY    ? store_select_dirty(q)
               : step == STEP_BADARG ? STOP_BADARG
                                     : STOP_ENOMEM;
    enif_get_tuple(q->env, object, &arity, &element);
    bag->few[0].entry.key = element[q->store->keypos - 1];
    oh_status_t status = oh_table_find_object(q->store->table, &item);
    store_item_drop(&item);
    if (status == OH_OK)
        return take_objects(q, OH_POSITION_END);
    return status == OH_NOT_FOUND ? GO_ON : STOP_CLOSED;
}

store_walk_t store_select_left(store_select_t *q, ERL_NIF_TERM left) {
    const ERL_NIF_TERM *element;
    ErlNifUInt64 number;
    oh_word_t flat[FLAT_KEY_WORDS];
    oh_entry_t entry;
    oh_key_t key;
    int arity;
    if (!enif_get_tuple(q->env, left, &arity, &element) || arity < 2 ||
        !nif_get_unsigned(q->env, element[arity - 1], &number))
        return STOP_BADARG;
    if (arity == 3 && number > 0 && element[0] == nif_atom.object)
        return take_left(q, element[1], number);
    if (arity != 2 || number >= OH_POSITION_END)
        return STOP_BADARG;
    if (number > 0)
        return take_bag(q, element[0], number);
    q->bag.key = element[0];
    q->bag.next = q->bag.count = 0;
    step_t step = store_key(q->env, q->store, element[0], flat, &key);
    if (step != STEP_OK)
        return step == STEP_DIRTY ? store_select_dirty(q) : STOP_ENOMEM;
    oh_status_t status = oh_table_get_objects(q->store->table, &key, &entry);
    if (status == OH_OK)
        return store_select_objects(q, &entry);
    return status == OH_NOT_FOUND ? GO_ON : STOP_CLOSED;
}

ERL_NIF_TERM store_select_key(ErlNifEnv *env, ERL_NIF_TERM key) {
    return enif_make_tuple2(env, key, enif_make_uint(env, 0));
}

void store_select_keep_left(store_select_t *q) {
    store_select_bag_t *bag = &q->bag;
    ErlNifEnv *env = q->env;
    if (bag->next < OH_POSITION_END)
        q->keys = enif_make_list_cell(
            env, enif_make_tuple2(env, bag->key, enif_make_uint64(env, bag->next)), q->keys);
    for (uint32_t i = bag->count; i > bag->first; i--) {
        const oh_bag_object_t *object = &bag->objects[i - 1];
        if (object->copies > 0)
            q->keys = enif_make_list_cell(
                env,
                enif_make_tuple3(env, nif_atom.object,
                                 store_make_object(env, q->store, &object->entry),
                                 enif_make_uint64(env, object->copies)),
                q->keys);
    }
}

void store_select_bag_close(store_select_bag_t *bag) {
    oh_free(bag->many);
    oh_free(bag->scratch);
    bag->many = NULL;
    bag->scratch = NULL;
    bag->room = 0;
}
