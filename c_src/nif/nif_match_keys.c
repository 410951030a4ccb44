/*
 * Which keys a match specification can match: so that it is a look-up where the key is known, and
 * a part of the table where that is in order. What is found here may be more than what matches,
 * never less: the specification itself is still run on each object.
 */
#include "nif_match.h"

#include <stdlib.h>
#include <string.h>

#include "../core/oh_alloc.h"

/* --- The list of keys --- */

static bool add_key(match_keys_t *keys, ERL_NIF_TERM key) {
    if (keys->count == keys->room) {
        uint32_t room = keys->room == 0 ? 4 : 2 * keys->room;
        ERL_NIF_TERM *larger = oh_alloc(room * sizeof *larger);
        if (larger == NULL)
            return false;
        if (keys->count > 0)
            memcpy(larger, keys->keys, keys->count * sizeof *larger);
        oh_free(keys->keys);
        keys->keys = larger;
        keys->room = room;
    }
    keys->keys[keys->count++] = key;
    return true;
}

/* Whole numbers beyond this may be == to more than one integer or float. */
#define EXACT_MAX ((ErlNifSInt64)1 << 53)

/* The keys that are == to term; *known is false if they cannot be listed. */
static bool add_equal_keys(match_compiler_t *c, ERL_NIF_TERM term, match_keys_t *keys,
                           bool *known) {
    ErlNifSInt64 integer;
    double number;
    if (enif_get_double(c->env, term, &number)) {
        *known = number > -(double)EXACT_MAX && number < (double)EXACT_MAX;
        integer = *known ? (ErlNifSInt64)number : 0;
        if (*known && (double)integer != number)
            return add_key(keys, term);
    } else {
        *known =
            enif_get_int64(c->env, term, &integer) && integer > -EXACT_MAX && integer < EXACT_MAX;
    }
    if (*known)
        return add_key(keys, enif_make_int64(c->env, integer)) &&
               add_key(keys, enif_make_double(c->env, (double)integer)) &&
               (integer != 0 || add_key(keys, enif_make_double(c->env, -0.0)));
    return true;
}

/* Whether == to term is =:= to it. */
static bool has_no_number(match_compiler_t *c, ERL_NIF_TERM term, uint32_t depth) {
    const ERL_NIF_TERM *element;
    ERL_NIF_TERM head;
    int arity;
    if (depth > MATCH_DEPTH || ++c->work > c->work_limit)
        return false;
    while (enif_get_list_cell(c->env, term, &head, &term))
        if (!has_no_number(c, head, depth + 1))
            return false;
    if (enif_get_tuple(c->env, term, &arity, &element)) {
        for (int i = 0; i < arity; i++)
            if (!has_no_number(c, element[i], depth + 1))
                return false;
        return true;
    }
    return !enif_is_number(c->env, term) && !enif_is_map(c->env, term);
}

/* --- Guards --- */

static bool is_key(match_compiler_t *c, ERL_NIF_TERM term) {
    const ERL_NIF_TERM *element;
    int arity;
    unsigned position;
    if (enif_is_atom(c->env, term)) {
        int number = match_variable(c->env, term);
        return number >= 0 && number == c->key_variable;
    }
    return enif_get_tuple(c->env, term, &arity, &element) && arity == 3 &&
           element[0] == nif_atom.element && enif_get_uint(c->env, element[1], &position) &&
           position == c->keypos && element[2] == nif_atom.object;
}

/* The value of a constant expression. */
static bool get_constant(match_compiler_t *c, ERL_NIF_TERM term, ERL_NIF_TERM *constant) {
    uint32_t length = c->spec->length;
    c->stack = 0;
    bool is_constant = match_compile_expression(c, term, 0, constant) == EXPRESSION_CONSTANT;
    c->spec->length = length;
    return is_constant;
}

static void tighten(match_bound_t *bound, ERL_NIF_TERM *at, match_bound_t other, ERL_NIF_TERM term,
                    int sign) {
    int order = *bound == MATCH_UNBOUND ? sign : enif_compare(term, *at);
    if (order * sign > 0 || (order == 0 && other == MATCH_EXCLUSIVE)) {
        *bound = other;
        *at = term;
    }
}

static void bound_below(match_keys_t *keys, match_bound_t bound, ERL_NIF_TERM term) {
    tighten(&keys->lower_bound, &keys->lower, bound, term, 1);
}

static void bound_above(match_keys_t *keys, match_bound_t bound, ERL_NIF_TERM term) {
    tighten(&keys->upper_bound, &keys->upper, bound, term, -1);
}

/* The key is == to term. */
static bool equal_guard(match_compiler_t *c, match_keys_t *keys, ERL_NIF_TERM term) {
    bool known = true;
    uint32_t before = keys->count;
    if (keys->reach == MATCH_KEYS)
        return true; /* the first such guard will do */
    bool added = c->spec->by_order || has_no_number(c, term, 0)
                     ? add_key(keys, term)
                     : add_equal_keys(c, term, keys, &known);
    if (known && keys->count > before)
        keys->reach = MATCH_KEYS;
    bound_below(keys, MATCH_INCLUSIVE, term);
    bound_above(keys, MATCH_INCLUSIVE, term);
    return added;
}

/* A comparison of the key and a constant. */
static bool compare_guard(match_compiler_t *c, match_keys_t *keys, ERL_NIF_TERM op,
                          ERL_NIF_TERM constant, bool key_first) {
    bool less = op == nif_atom.lt, less_equal = op == nif_atom.le;
    bool more = op == nif_atom.gt, more_equal = op == nif_atom.ge;
    if (op == nif_atom.eq)
        return equal_guard(c, keys, constant);
    if (op == nif_atom.eq_exact) {
        if (keys->reach == MATCH_KEYS)
            return true;
        keys->reach = MATCH_KEYS;
        return add_key(keys, constant);
    }
    match_bound_t bound = less || more ? MATCH_EXCLUSIVE : MATCH_INCLUSIVE;
    if (key_first ? less || less_equal : more || more_equal)
        bound_above(keys, bound, constant);
    else if (less || less_equal || more || more_equal)
        bound_below(keys, bound, constant);
    return true;
}

/* Whether a guard of three parts compares the key and a constant. */
static bool get_comparison(match_compiler_t *c, const ERL_NIF_TERM guard[3], ERL_NIF_TERM *constant,
                           bool *key_first) {
    *key_first = is_key(c, guard[1]);
    return *key_first ? get_constant(c, guard[2], constant)
                      : is_key(c, guard[2]) && get_constant(c, guard[1], constant);
}

/* What follows for the key from a guard's being true. */
static bool add_guard(match_compiler_t *c, match_keys_t *keys, ERL_NIF_TERM guard, uint32_t depth) {
    const ERL_NIF_TERM *element;
    ERL_NIF_TERM constant;
    bool key_first;
    int arity;
    if (depth > MATCH_DEPTH || !enif_get_tuple(c->env, guard, &arity, &element) || arity < 2)
        return true;
    if (element[0] == nif_atom.and_ || element[0] == nif_atom.andalso) {
        for (int i = 1; i < arity; i++)
            if (!add_guard(c, keys, element[i], depth + 1))
                return false;
        return true;
    }
    if (arity != 3 || !get_comparison(c, element, &constant, &key_first))
        return true;
    return compare_guard(c, keys, element[0], constant, key_first);
}

bool match_is_bound(match_compiler_t *c, ERL_NIF_TERM guard) {
    const ERL_NIF_TERM *element;
    ERL_NIF_TERM constant;
    bool key_first;
    int arity;
    return enif_get_tuple(c->env, guard, &arity, &element) && arity == 3 &&
           (element[0] == nif_atom.lt || element[0] == nif_atom.le || element[0] == nif_atom.gt ||
            element[0] == nif_atom.ge) &&
           get_comparison(c, element, &constant, &key_first);
}

/* --- Clauses --- */

/* What the head says of the key. False: it matches no object. */
static bool add_head(match_compiler_t *c, match_keys_t *keys, ERL_NIF_TERM head, bool *added) {
    const ERL_NIF_TERM *element;
    int arity;
    c->key_variable = MATCH_NO_VARIABLE;
    *added = true;
    if (head == nif_atom.underscore || match_variable(c->env, head) != MATCH_NO_VARIABLE)
        return true;
    if (!enif_get_tuple(c->env, head, &arity, &element) || (unsigned)arity < c->keypos)
        return false;
    ERL_NIF_TERM pattern = element[c->keypos - 1];
    if (match_is_ground(c, pattern, true, 0)) {
        keys->reach = MATCH_KEYS;
        *added = add_key(keys, pattern);
    } else if (enif_is_tuple(c->env, pattern) || enif_is_list(c->env, pattern)) {
        keys->has_prefix = true;
        keys->prefix = pattern;
    } else {
        c->key_variable = match_variable(c->env, pattern);
    }
    return true;
}

static bool add_clause(match_compiler_t *c, const ERL_NIF_TERM clause[3], match_keys_t *keys) {
    ERL_NIF_TERM guards = clause[1], guard;
    bool added;
    if (!add_head(c, keys, clause[0], &added)) {
        keys->reach = MATCH_NOTHING;
        return true;
    }
    while (added && enif_get_list_cell(c->env, guards, &guard, &guards))
        added = add_guard(c, keys, guard, 0);
    if (keys->reach != MATCH_KEYS && (keys->has_prefix || keys->lower_bound != MATCH_UNBOUND ||
                                      keys->upper_bound != MATCH_UNBOUND))
        keys->reach = MATCH_RANGE;
    return added;
}

/* The keys' smallest and largest as bounds. */
static void keys_to_range(match_keys_t *keys) {
    if (keys->reach != MATCH_KEYS)
        return;
    keys->lower = keys->upper = keys->keys[0];
    for (uint32_t i = 1; i < keys->count; i++) {
        if (enif_compare(keys->keys[i], keys->lower) < 0)
            keys->lower = keys->keys[i];
        if (enif_compare(keys->keys[i], keys->upper) > 0)
            keys->upper = keys->keys[i];
    }
    keys->lower_bound = keys->upper_bound = MATCH_INCLUSIVE;
    keys->has_prefix = false;
    keys->reach = MATCH_RANGE;
}

/* Widens a bound so that it holds for the other, too. */
static void widen(match_bound_t *bound, ERL_NIF_TERM *at, match_bound_t other, ERL_NIF_TERM term,
                  int sign) {
    if (*bound == MATCH_UNBOUND || other == MATCH_UNBOUND) {
        *bound = MATCH_UNBOUND;
        return;
    }
    int order = enif_compare(term, *at) * sign;
    if (order < 0 || (order == 0 && other == MATCH_INCLUSIVE)) {
        *bound = other;
        *at = term;
    }
}

/* Makes into what either can match. */
static bool unite(match_keys_t *into, match_keys_t *other) {
    if (other->reach == MATCH_NOTHING || into->reach == MATCH_ALL)
        return true;
    if (into->reach == MATCH_NOTHING || other->reach == MATCH_ALL) {
        ERL_NIF_TERM *keys = into->keys;
        *into = *other;
        other->keys = keys;
        return true;
    }
    if (into->reach == MATCH_KEYS && other->reach == MATCH_KEYS) {
        for (uint32_t i = 0; i < other->count; i++)
            if (!add_key(into, other->keys[i]))
                return false;
        return true;
    }
    keys_to_range(into);
    keys_to_range(other);
    widen(&into->lower_bound, &into->lower, other->lower_bound, other->lower, 1);
    widen(&into->upper_bound, &into->upper, other->upper_bound, other->upper, -1);
    into->has_prefix =
        into->has_prefix && other->has_prefix && enif_is_identical(into->prefix, other->prefix);
    if (!into->has_prefix && into->lower_bound == MATCH_UNBOUND &&
        into->upper_bound == MATCH_UNBOUND)
        into->reach = MATCH_ALL;
    return true;
}

bool match_add_keys(match_compiler_t *c, const ERL_NIF_TERM clause[3]) {
    match_keys_t keys = {.reach = MATCH_ALL};
    bool added = add_clause(c, clause, &keys) && unite(&c->spec->keys, &keys);
    oh_free(keys.keys);
    return added;
}

static int compare_keys(const void *a, const void *b) {
    return enif_compare(*(const ERL_NIF_TERM *)a, *(const ERL_NIF_TERM *)b);
}

/* Of equal keys the first stays. Equal by =:= are equal by ==: after sorting they are neighbours,
 * with 1 and 1.0 perhaps between them. */
void match_end_keys(match_spec_t *spec) {
    match_keys_t *keys = &spec->keys;
    uint32_t kept = 0, run = 0;
    if (keys->reach != MATCH_KEYS || keys->count < 2)
        return;
    qsort(keys->keys, keys->count, sizeof keys->keys[0], compare_keys);
    for (uint32_t i = 0; i < keys->count; i++) {
        ERL_NIF_TERM key = keys->keys[i];
        bool known = false;
        if (kept > 0 && enif_compare(key, keys->keys[run]) != 0)
            run = kept;
        for (uint32_t j = run; j < kept && !known; j++)
            known = spec->by_order || enif_is_identical(key, keys->keys[j]);
        if (!known)
            keys->keys[kept++] = key;
    }
    keys->count = kept;
}
