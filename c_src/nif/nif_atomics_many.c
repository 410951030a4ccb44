/*
 * offheap_atomics: several cells in one call, given as a list. Lists of any length: long ones are
 * walked a chunk at a time.
 */
#include "nif_atomics.h"

/* Items taken from a list at a time: about 10 us. */
#define CHUNK 256
/* Items that are checked or applied in a millisecond, at the least: with other processors at the
 * same cells. */
#define ITEMS_PER_MS 10000

typedef enum { PUT_MANY, ADD_MANY, UPDATE_MANY } many_t;

/* Atoms are compared by their words, which nif_size_init makes sure of. */
static inline bool get_op(ERL_NIF_TERM term, oh_atomics_op_t *op) {
    if (term == nif_atom.add)
        *op = OH_ATOMICS_ADD;
    else if (term == nif_atom.max)
        *op = OH_ATOMICS_MAX;
    else if (term == nif_atom.min)
        *op = OH_ATOMICS_MIN;
    else if (term == nif_atom.put)
        *op = OH_ATOMICS_PUT;
    else if (term == nif_atom.saturating_add)
        *op = OH_ATOMICS_SATURATING_ADD;
    else if (term == nif_atom.bor)
        *op = OH_ATOMICS_BOR;
    else if (term == nif_atom.band)
        *op = OH_ATOMICS_BAND;
    else if (term == nif_atom.bxor)
        *op = OH_ATOMICS_BXOR;
    else
        return false;
    return true;
}

/* {Index, Value}, {Index, Increment} or {Index, Operation, Operand} */
OH_ALWAYS_INLINE bool get_item(ErlNifEnv *env, const oh_atomics_t *a, many_t what,
                               ERL_NIF_TERM term, oh_atomics_item_t *item) {
    const ERL_NIF_TERM *element;
    int arity;
    if (!enif_get_tuple(env, term, &arity, &element) || arity != (what == UPDATE_MANY ? 3 : 2) ||
        !nif_atomics_get_index(env, a, element[0], &item->index))
        return false;
    if (what == UPDATE_MANY) {
        if (!get_op(element[1], &item->op))
            return false;
    } else {
        item->op = what == PUT_MANY ? OH_ATOMICS_PUT : OH_ATOMICS_ADD;
    }
    return nif_atomics_get_operand(env, a, item->op, element[arity - 1], &item->operand);
}

/* Takes up to CHUNK items from the front of *list. False if one is wrong or the list is improper.
 */
OH_ALWAYS_INLINE bool get_items(ErlNifEnv *env, const oh_atomics_t *a, many_t what,
                                ERL_NIF_TERM *list, oh_atomics_item_t *items, size_t *count) {
    ERL_NIF_TERM head;
    *count = 0;
    while (*count < CHUNK && enif_get_list_cell(env, *list, &head, list))
        if (!get_item(env, a, what, head, &items[(*count)++]))
            return false;
    return enif_is_list(env, *list);
}

/* Continuation of many for lists of more than a chunk: (Ref, List, Rest, What, Checked). Rest is
 * what is yet to be checked, then what is yet to be applied. */
static ERL_NIF_TERM many_from(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_atomics_t *a;
    oh_atomics_item_t items[CHUNK];
    ERL_NIF_TERM rest = argv[2];
    unsigned what;
    bool checked;
    size_t count;
    if (!nif_atomics_get_array(env, argv[0], &a) || !enif_get_uint(env, argv[3], &what) ||
        !nif_get_bool(argv[4], &checked))
        return enif_make_badarg(env);
    while (!checked || !enif_is_empty_list(env, rest)) {
        if (!get_items(env, a, (many_t)what, &rest, items, &count))
            return enif_make_badarg(env);
        if (checked && oh_atomics_apply_many(a, items, count) < count)
            return nif_atomics_badarith(env);
        if (!checked && enif_is_empty_list(env, rest)) {
            checked = true;
            rest = argv[1];
        }
        if (nif_charge(env, count, ITEMS_PER_MS)) {
            ERL_NIF_TERM next[] = {argv[0], argv[1], rest, argv[3],
                                   checked ? nif_atom.true_ : nif_atom.false_};
            return enif_schedule_nif(env, "atomics_many", 0, many_from, 5, next);
        }
    }
    return nif_atom.ok;
}

/* (Ref, Items): ok. Every item is checked before the first is applied. */
OH_ALWAYS_INLINE ERL_NIF_TERM many(ErlNifEnv *env, const ERL_NIF_TERM argv[], many_t what) {
    oh_atomics_t *a;
    oh_atomics_item_t items[CHUNK];
    ERL_NIF_TERM rest = argv[1];
    size_t count;
    if (!nif_atomics_get_array(env, argv[0], &a) || !get_items(env, a, what, &rest, items, &count))
        return enif_make_badarg(env);
    if (!enif_is_empty_list(env, rest)) {
        ERL_NIF_TERM next[] = {argv[0], argv[1], rest, enif_make_uint(env, what), nif_atom.false_};
        return many_from(env, 5, next);
    }
    if (oh_atomics_apply_many(a, items, count) < count)
        return nif_atomics_badarith(env);
    nif_charge(env, count, ITEMS_PER_MS);
    return nif_atom.ok;
}

/* atomics_put_many(Ref, [{Index, Value}]) */
ERL_NIF_TERM nif_atomics_put_many(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    return many(env, argv, PUT_MANY);
}

/* atomics_add_many(Ref, [{Index, Increment}]) */
ERL_NIF_TERM nif_atomics_add_many(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    return many(env, argv, ADD_MANY);
}

/* atomics_update_many(Ref, [{Index, Operation, Operand}]) */
ERL_NIF_TERM nif_atomics_update_many(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    return many(env, argv, UPDATE_MANY);
}

/* atomics_get_many(Ref, Indices): the values; or, of more than a chunk of indices, the first values
 * and the rest of the indices, {Values, Rest}: Erlang loops. */
ERL_NIF_TERM nif_atomics_get_many(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_atomics_t *a;
    ERL_NIF_TERM values[CHUNK], head, rest = argv[1];
    unsigned count = 0;
    if (!nif_atomics_get_array(env, argv[0], &a))
        return enif_make_badarg(env);
    while (count < CHUNK && enif_get_list_cell(env, rest, &head, &rest)) {
        uint64_t index;
        if (!nif_atomics_get_index(env, a, head, &index))
            return enif_make_badarg(env);
        values[count++] = nif_atomics_make_value(env, a, oh_atomics_get(a, index));
    }
    if (!enif_is_list(env, rest))
        return enif_make_badarg(env);
    nif_charge(env, count, ITEMS_PER_MS);
    ERL_NIF_TERM list = enif_make_list_from_array(env, values, count);
    return enif_is_empty_list(env, rest) ? list : enif_make_tuple2(env, list, rest);
}
