/* offheap_buffer: numbers in bytes, one or a list of them. Bytes are put when all values are known
 * to be good. */
#include "nif_buffer_range.h"

#include <math.h>

#include "../core/oh_number.h"

/* Values of a list that are handled on the spot, about 0.2 ms; more on a dirty scheduler. */
#define LIST_INLINE   ((uint64_t)8192)
#define VALUES_PER_MS 40000
/* Values made into terms at a time. */
#define CHUNK 512

/* --- Arguments and results --- */

#define TYPES(_)                                                                                   \
    _(u8, UNSIGNED, 1, false)                                                                      \
    _(i8, SIGNED, 1, false)                                                                        \
    _(u32_be, UNSIGNED, 4, OH_NUMBER_BIG)                                                          \
    _(u32_le, UNSIGNED, 4, !OH_NUMBER_BIG)                                                         \
    _(u64_be, UNSIGNED, 8, OH_NUMBER_BIG)                                                          \
    _(u64_le, UNSIGNED, 8, !OH_NUMBER_BIG)                                                         \
    _(u16_be, UNSIGNED, 2, OH_NUMBER_BIG)                                                          \
    _(u16_le, UNSIGNED, 2, !OH_NUMBER_BIG)                                                         \
    _(i32_be, SIGNED, 4, OH_NUMBER_BIG)                                                            \
    _(i32_le, SIGNED, 4, !OH_NUMBER_BIG)                                                           \
    _(i64_be, SIGNED, 8, OH_NUMBER_BIG)                                                            \
    _(i64_le, SIGNED, 8, !OH_NUMBER_BIG)                                                           \
    _(i16_be, SIGNED, 2, OH_NUMBER_BIG)                                                            \
    _(i16_le, SIGNED, 2, !OH_NUMBER_BIG)                                                           \
    _(f64_be, FLOAT, 8, OH_NUMBER_BIG)                                                             \
    _(f64_le, FLOAT, 8, !OH_NUMBER_BIG)                                                            \
    _(f32_be, FLOAT, 4, OH_NUMBER_BIG)                                                             \
    _(f32_le, FLOAT, 4, !OH_NUMBER_BIG)

/* Atoms are compared by their words, which nif_size_init makes sure of. */
static inline bool get_type(ERL_NIF_TERM term, oh_number_type_t *type) {
#define TYPE_CASE(name, kind, size, swapped)                                                       \
    if (term == nif_atom.name) {                                                                   \
        *type = (oh_number_type_t){OH_NUMBER_##kind, size, swapped};                               \
        return true;                                                                               \
    }
    TYPES(TYPE_CASE)
#undef TYPE_CASE
    return false;
}

/* A float, an integer of -2^63..2^64-1, or the atom of what is no number to Erlang. */
static bool get_float(ErlNifEnv *env, ERL_NIF_TERM term, double *value) {
    if (nif_get_float(env, term, value))
        return true;
    if (term == nif_atom.nan)
        *value = NAN;
    else if (term == nif_atom.infinity)
        *value = INFINITY;
    else if (term == nif_atom.neg_infinity)
        *value = -INFINITY;
    else
        return false;
    return true;
}

/* A value that the type can hold. */
static inline bool get_value(ErlNifEnv *env, ERL_NIF_TERM term, oh_number_type_t type,
                             uint64_t *word) {
    double value;
    if (type.kind == OH_NUMBER_UNSIGNED) {
        if (!nif_get_unsigned(env, term, word))
            return false;
    } else if (type.kind == OH_NUMBER_SIGNED) {
        if (!nif_get_signed(env, term, word))
            return false;
    } else {
        if (!get_float(env, term, &value))
            return false;
        *word = oh_number_word(value);
    }
    return oh_number_fits(type, *word);
}

static ERL_NIF_TERM make_float(ErlNifEnv *env, double value) {
    if (oh_likely(isfinite(value)))
        return enif_make_double(env, value);
    if (isnan(value))
        return nif_atom.nan;
    return value > 0 ? nif_atom.infinity : nif_atom.neg_infinity;
}

static inline ERL_NIF_TERM make_value(ErlNifEnv *env, oh_number_type_t type, uint64_t word) {
    if (type.kind == OH_NUMBER_UNSIGNED)
        return enif_make_uint64(env, word);
    if (type.kind == OH_NUMBER_SIGNED)
        return enif_make_int64(env, (ErlNifSInt64)word);
    return make_float(env, oh_number_double(word));
}

/* --- One value. O(1) --- */

/* buffer_put_number(Buffer, Offset, Type, Value) */
ERL_NIF_TERM nif_buffer_put_number(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_range_t range;
    oh_number_type_t type;
    uint64_t word;
    ERL_NIF_TERM refusal;
    if (!nif_buffer_get(env, argv[0], &range.lease) ||
        !nif_get_unsigned(env, argv[1], &range.offset) || !get_type(argv[2], &type) ||
        !get_value(env, argv[3], type, &word))
        return enif_make_badarg(env);
    range.length = type.size;
    if (!nif_range_begin_put(env, &range, &NIF_CALL(buffer_put_number), &refusal))
        return refusal;
    oh_number_store(type, nif_range_bytes(&range), word);
    return nif_range_end_put(env, &range);
}

/* buffer_get_number(Buffer, Offset, Type) */
ERL_NIF_TERM nif_buffer_get_number(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_range_t range;
    oh_number_type_t type;
    ERL_NIF_TERM refusal;
    if (!nif_buffer_get(env, argv[0], &range.lease) ||
        !nif_get_unsigned(env, argv[1], &range.offset) || !get_type(argv[2], &type))
        return enif_make_badarg(env);
    range.length = type.size;
    if (!nif_range_begin(env, &range, OH_BUFFER_READ, &refusal))
        return refusal;
    uint64_t word = oh_number_load(type, nif_range_bytes(&range));
    nif_range_leave(&range);
    return make_value(env, type, word);
}

/* --- Lists of values --- */

/* How many values, all of which the type can hold; false: it is no list of such. Stops on a
 * scheduler when there are too many for it. */
static bool count_values(ErlNifEnv *env, ERL_NIF_TERM list, oh_number_type_t type,
                         uint64_t *count) {
    ERL_NIF_TERM head;
    uint64_t word;
    bool here = nif_on_scheduler();
    *count = 0;
    while (enif_get_list_cell(env, list, &head, &list)) {
        if (!get_value(env, head, type, &word))
            return false;
        if (++*count > LIST_INLINE && here)
            return true;
    }
    return enif_is_empty_list(env, list);
}

/* buffer_put_numbers(Buffer, Offset, Type, Values) */
ERL_NIF_TERM nif_buffer_put_numbers(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_range_t range;
    oh_number_type_t type;
    uint64_t count, word;
    ERL_NIF_TERM refusal, head, list = argv[3];
    if (!nif_buffer_get(env, argv[0], &range.lease) ||
        !nif_get_unsigned(env, argv[1], &range.offset) || !get_type(argv[2], &type) ||
        !count_values(env, list, type, &count))
        return enif_make_badarg(env);
    if (count > LIST_INLINE && nif_on_scheduler())
        return nif_go_dirty(env, &NIF_CALL(buffer_put_numbers));
    range.length = count * type.size;
    if (!nif_range_begin_put(env, &range, &NIF_CALL(buffer_put_numbers), &refusal))
        return refusal;
    char *at = nif_range_bytes(&range);
    for (; enif_get_list_cell(env, list, &head, &list) && get_value(env, head, type, &word);
         at += type.size)
        oh_number_store(type, at, word);
    nif_charge(env, count, VALUES_PER_MS);
    return nif_range_end_put(env, &range);
}

/* buffer_get_numbers(Buffer, Offset, Type, Count) */
ERL_NIF_TERM nif_buffer_get_numbers(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_range_t range;
    oh_number_type_t type;
    uint64_t count;
    ERL_NIF_TERM refusal, values[CHUNK];
    if (!nif_buffer_get(env, argv[0], &range.lease) ||
        !nif_get_unsigned(env, argv[1], &range.offset) || !get_type(argv[2], &type) ||
        !nif_get_unsigned(env, argv[3], &count) || count > UINT64_MAX / type.size)
        return enif_make_badarg(env);
    if (count > LIST_INLINE && nif_on_scheduler())
        return nif_go_dirty(env, &NIF_CALL(buffer_get_numbers));
    range.length = count * type.size;
    if (!nif_range_begin(env, &range, OH_BUFFER_READ, &refusal))
        return refusal;
    nif_charge(env, count, VALUES_PER_MS);
    /* From the end, as lists are built; the last chunk is the one that is not full. */
    ERL_NIF_TERM list = enif_make_list(env, 0);
    while (count > 0) {
        unsigned chunk = (unsigned)((count - 1) % CHUNK) + 1;
        count -= chunk;
        const char *at = nif_range_bytes(&range) + count * type.size;
        for (unsigned i = 0; i < chunk; i++)
            values[i] = make_value(env, type, oh_number_load(type, at + (size_t)i * type.size));
        list = nif_prepend(env, values, chunk, list);
    }
    nif_range_leave(&range);
    return list;
}
