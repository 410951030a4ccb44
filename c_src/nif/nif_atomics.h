/*
 * nif_atomics: what the glue of atomics shares: arguments, and values as terms.
 *
 *   nif_atomics.c        arrays; operations on one cell
 *   nif_atomics_many.c   lists of cells
 *   nif_atomics_range.c  ranges of cells: sums, lists, binaries
 */
#ifndef NIF_ATOMICS_H
#define NIF_ATOMICS_H

#include "nif.h"

#include "../core/oh_atomics.h"

/* The resource nif_type_atomics is the array's header. */
static inline bool nif_atomics_get_array(ErlNifEnv *env, ERL_NIF_TERM term, oh_atomics_t **a) {
    return enif_get_resource(env, term, nif_type_atomics, (void **)a);
}

/* A one-based index, returned zero-based. */
static inline bool nif_atomics_get_index(ErlNifEnv *env, const oh_atomics_t *a, ERL_NIF_TERM term,
                                         uint64_t *index) {
    ErlNifUInt64 one_based;
    if (!enif_get_uint64(env, term, &one_based))
        return false;
    *index = one_based - 1;
    return *index < a->size;
}

/* nif_atomics_get_value for what is no 64-bit integer. */
bool nif_atomics_get_value_any(ErlNifEnv *env, const oh_atomics_t *a, ERL_NIF_TERM term,
                               uint64_t *out);

/* A value that a cell can hold, as a word. */
static inline bool nif_atomics_get_value(ErlNifEnv *env, const oh_atomics_t *a, ERL_NIF_TERM term,
                                         uint64_t *out) {
    if (oh_likely(a->words && a->kind == OH_ATOMICS_SIGNED)) {
        ErlNifSInt64 value;
        if (!enif_get_int64(env, term, &value))
            return false;
        *out = (uint64_t)value;
        return true;
    }
    if (oh_likely(a->words && a->kind == OH_ATOMICS_UNSIGNED)) {
        ErlNifUInt64 value;
        if (!enif_get_uint64(env, term, &value))
            return false;
        *out = value;
        return true;
    }
    return nif_atomics_get_value_any(env, a, term, out);
}

/* What is added: to an integer -2^63..2^64-1, to a float a float. */
static inline bool nif_atomics_get_increment(ErlNifEnv *env, const oh_atomics_t *a,
                                             ERL_NIF_TERM term, oh_wide_t *out) {
    ErlNifSInt64 value;
    ErlNifUInt64 large;
    double number;
    if (oh_unlikely(a->kind == OH_ATOMICS_FLOAT)) {
        if (!nif_get_float(env, term, &number))
            return false;
        *out = (oh_wide_t)oh_word_of_double(number);
    } else if (oh_likely(enif_get_int64(env, term, &value))) {
        *out = value;
    } else if (enif_get_uint64(env, term, &large)) {
        *out = large;
    } else {
        return false;
    }
    return true;
}

/* A value as the operand that it is: with its sign, if it is an integer. */
static inline oh_wide_t nif_atomics_widen(const oh_atomics_t *a, uint64_t value) {
    return a->kind == OH_ATOMICS_SIGNED ? (oh_wide_t)(int64_t)value : (oh_wide_t)value;
}

/* The operand of op. */
static inline bool nif_atomics_get_operand(ErlNifEnv *env, const oh_atomics_t *a,
                                           oh_atomics_op_t op, ERL_NIF_TERM term, oh_wide_t *out) {
    uint64_t value;
    if (op == OH_ATOMICS_ADD || op == OH_ATOMICS_SATURATING_ADD)
        return nif_atomics_get_increment(env, a, term, out);
    if (op >= OH_ATOMICS_BAND && a->kind == OH_ATOMICS_FLOAT)
        return false;
    if (!nif_atomics_get_value(env, a, term, &value))
        return false;
    *out = nif_atomics_widen(a, value);
    return true;
}

static inline ERL_NIF_TERM nif_atomics_make_value(ErlNifEnv *env, const oh_atomics_t *a,
                                                  uint64_t value) {
    if (oh_likely(a->kind == OH_ATOMICS_SIGNED))
        return enif_make_int64(env, (ErlNifSInt64)value);
    if (a->kind == OH_ATOMICS_UNSIGNED)
        return enif_make_uint64(env, value);
    return enif_make_double(env, oh_double_of_word(value));
}

/* Raises badarith: a float would not be finite. */
static inline ERL_NIF_TERM nif_atomics_badarith(ErlNifEnv *env) {
    return nif_raise(env, nif_atom.badarith);
}

#endif
