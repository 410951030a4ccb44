/* offheap_atomics: arrays, and operations on one cell. Every function is O(1). */
#include "nif_atomics.h"

static uint64_t memory(const oh_atomics_t *a) {
    return sizeof *a + oh_atomics_bytes(a);
}

static void atomics_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    oh_registry_ended(OH_KIND_ATOMICS, memory(obj));
    oh_atomics_free(obj);
}

ErlNifResourceTypeInit nif_type_init_atomics = {.dtor = atomics_destroy, .members = 1};

/* --- Arguments --- */

/* The array and an index in it. */
static inline bool get_cell(ErlNifEnv *env, const ERL_NIF_TERM argv[], oh_atomics_t **a,
                            uint64_t *index) {
    return nif_atomics_get_array(env, argv[0], a) && nif_atomics_get_index(env, *a, argv[1], index);
}

bool nif_atomics_get_value_any(ErlNifEnv *env, const oh_atomics_t *a, ERL_NIF_TERM term,
                               uint64_t *out) {
    double number;
    switch (a->kind) {
    case OH_ATOMICS_SIGNED:
        return nif_get_signed(env, term, out) && (int64_t)*out >= (int64_t)oh_atomics_least(a) &&
               (int64_t)*out <= (int64_t)oh_atomics_greatest(a);
    case OH_ATOMICS_UNSIGNED:
        return nif_get_unsigned(env, term, out) && *out <= oh_atomics_greatest(a);
    default:
        if (!nif_get_float(env, term, &number))
            return false;
        *out = oh_word_of_double(number);
        return true;
    }
}

/* --- Arrays --- */

static bool get_kind(ERL_NIF_TERM term, oh_atomics_kind_t *kind) {
    if (enif_is_identical(term, nif_atom.signed_))
        *kind = OH_ATOMICS_SIGNED;
    else if (enif_is_identical(term, nif_atom.unsigned_))
        *kind = OH_ATOMICS_UNSIGNED;
    else if (enif_is_identical(term, nif_atom.float_))
        *kind = OH_ATOMICS_FLOAT;
    else
        return false;
    return true;
}

/* atomics_new(Size, signed | unsigned | float, Bits, Saturating, Padded) */
ERL_NIF_TERM nif_atomics_new(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    uint64_t size;
    oh_atomics_options_t options;
    if (!nif_get_unsigned(env, argv[0], &size) || !get_kind(argv[1], &options.kind) ||
        !nif_get_unsigned(env, argv[2], &options.bits) ||
        !nif_get_bool(argv[3], &options.saturating) || !nif_get_bool(argv[4], &options.padded))
        return enif_make_badarg(env);
    oh_atomics_t *a = enif_alloc_resource(nif_type_atomics, sizeof *a);
    oh_status_t status = oh_atomics_init(a, size, &options);
    oh_registry_made(OH_KIND_ATOMICS, memory(a));
    /* Memory that is not there is the caller's size too large, as atomics:new/2 has it. */
    ERL_NIF_TERM result = status == OH_OK
                              ? enif_make_resource(env, a)
                              : nif_status(env, status == OH_ENOMEM ? OH_LIMIT : status, 0);
    enif_release_resource(a);
    return result;
}

/* atomics_size(Ref) */
ERL_NIF_TERM nif_atomics_size(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_atomics_t *a;
    if (!nif_atomics_get_array(env, argv[0], &a))
        return enif_make_badarg(env);
    return enif_make_uint64(env, a->size);
}

static ERL_NIF_TERM overflow(const oh_atomics_t *a) {
    if (a->saturating)
        return nif_atom.saturate;
    return a->kind == OH_ATOMICS_FLOAT ? nif_atom.raise : nif_atom.wrap;
}

/* atomics_info(Ref) */
ERL_NIF_TERM nif_atomics_info(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_atomics_t *a;
    if (!nif_atomics_get_array(env, argv[0], &a))
        return enif_make_badarg(env);
    ERL_NIF_TERM keys[] = {nif_atom.size, nif_atom.max,  nif_atom.min,      nif_atom.memory,
                           nif_atom.type, nif_atom.bits, nif_atom.overflow, nif_atom.layout};
    ERL_NIF_TERM values[] = {
        enif_make_uint64(env, a->size),
        nif_atomics_make_value(env, a, oh_atomics_greatest(a)),
        nif_atomics_make_value(env, a, oh_atomics_least(a)),
        enif_make_uint64(env, memory(a)),
        a->kind == OH_ATOMICS_FLOAT ? nif_atom.float_ : nif_atom.integer,
        enif_make_uint(env, a->bits),
        overflow(a),
        a->padded ? nif_atom.padded : nif_atom.packed,
    };
    ERL_NIF_TERM map;
    enif_make_map_from_arrays(env, keys, values, sizeof keys / sizeof keys[0], &map);
    return map;
}

/* --- One cell --- */

/* atomics_put(Ref, Index, Value) */
ERL_NIF_TERM nif_atomics_put(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_atomics_t *a;
    uint64_t index, value;
    if (!get_cell(env, argv, &a, &index) || !nif_atomics_get_value(env, a, argv[2], &value))
        return enif_make_badarg(env);
    oh_atomics_put(a, index, value);
    return nif_atom.ok;
}

/* atomics_get(Ref, Index) */
ERL_NIF_TERM nif_atomics_get(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_atomics_t *a;
    uint64_t index;
    if (!get_cell(env, argv, &a, &index))
        return enif_make_badarg(env);
    return nif_atomics_make_value(env, a, oh_atomics_get(a, index));
}

/* atomics_exchange(Ref, Index, Desired) */
ERL_NIF_TERM nif_atomics_exchange(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_atomics_t *a;
    uint64_t index, desired;
    if (!get_cell(env, argv, &a, &index) || !nif_atomics_get_value(env, a, argv[2], &desired))
        return enif_make_badarg(env);
    return nif_atomics_make_value(env, a, oh_atomics_exchange(a, index, desired));
}

/* atomics_compare_exchange(Ref, Index, Expected, Desired) */
ERL_NIF_TERM nif_atomics_compare_exchange(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_atomics_t *a;
    uint64_t index, expected, desired;
    if (!get_cell(env, argv, &a, &index) || !nif_atomics_get_value(env, a, argv[2], &expected) ||
        !nif_atomics_get_value(env, a, argv[3], &desired))
        return enif_make_badarg(env);
    if (oh_atomics_compare_exchange(a, index, &expected, desired))
        return nif_atom.ok;
    return nif_atomics_make_value(env, a, expected);
}

/* atomics_add_bounded(Ref, Index, Increment, Low, High): {ok, New} or {error, limit} */
ERL_NIF_TERM nif_atomics_add_bounded(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_atomics_t *a;
    uint64_t index, now;
    oh_wide_t increment, low, high;
    if (!get_cell(env, argv, &a, &index) ||
        !nif_atomics_get_operand(env, a, OH_ATOMICS_ADD, argv[2], &increment) ||
        !nif_atomics_get_operand(env, a, OH_ATOMICS_PUT, argv[3], &low) ||
        !nif_atomics_get_operand(env, a, OH_ATOMICS_PUT, argv[4], &high) ||
        oh_atomics_greater(a, low, high))
        return enif_make_badarg(env);
    if (oh_atomics_add_bounded(a, index, increment, low, high, &now))
        return nif_ok(env, nif_atomics_make_value(env, a, now));
    return nif_error(env, nif_atom.limit);
}

typedef enum { RETURN_OK, RETURN_NEW, RETURN_OLD } return_t;

/* (Ref, Index, Operand). Where op and result are known, all of it is inlined. */
OH_ALWAYS_INLINE ERL_NIF_TERM apply(ErlNifEnv *env, const ERL_NIF_TERM argv[], oh_atomics_op_t op,
                                    return_t result) {
    oh_atomics_t *a;
    uint64_t index;
    oh_wide_t operand;
    oh_change_t change;
    if (!get_cell(env, argv, &a, &index) || !nif_atomics_get_operand(env, a, op, argv[2], &operand))
        return enif_make_badarg(env);
    if (oh_unlikely(!oh_atomics_apply(a, index, op, operand, &change)))
        return nif_atomics_badarith(env);
    if (result == RETURN_OK)
        return nif_atom.ok;
    return nif_atomics_make_value(env, a, result == RETURN_NEW ? change.now : change.old);
}

#define APPLY(name, op, result)                                                                    \
    ERL_NIF_TERM nif_atomics_##name(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {         \
        (void)argc;                                                                                \
        return apply(env, argv, op, result);                                                       \
    }
#define OPERATION(name, op)                                                                        \
    APPLY(name, op, RETURN_OK)                                                                     \
    APPLY(name##_get, op, RETURN_NEW)                                                              \
    APPLY(fetch_##name, op, RETURN_OLD)

OPERATION(add, OH_ATOMICS_ADD)
OPERATION(saturating_add, OH_ATOMICS_SATURATING_ADD)
OPERATION(min, OH_ATOMICS_MIN)
OPERATION(max, OH_ATOMICS_MAX)
OPERATION(band, OH_ATOMICS_BAND)
OPERATION(bor, OH_ATOMICS_BOR)
OPERATION(bxor, OH_ATOMICS_BXOR)
