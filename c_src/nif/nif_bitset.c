/* offheap_bitset: arguments, calls, terms. Every function is O(1) but those that pass over all
 * bits. */
#include "nif.h"
#include "nif_bits.h"

static uint64_t memory(const oh_bitset_t *b) {
    return sizeof *b + oh_bitset_memory(b);
}

static void bitset_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    oh_registry_ended(OH_KIND_BITSETS, memory(obj));
    oh_bitset_free(obj);
}

ErlNifResourceTypeInit nif_type_init_bitset = {.dtor = bitset_destroy, .members = 1};

static bool get_bitset(ErlNifEnv *env, ERL_NIF_TERM term, oh_bitset_t **out) {
    return enif_get_resource(env, term, nif_type_bitset, (void **)out);
}

static bool get_bit(ErlNifEnv *env, const ERL_NIF_TERM argv[], oh_bitset_t **b, uint64_t *index) {
    return get_bitset(env, argv[0], b) && nif_get_unsigned(env, argv[1], index) &&
           *index < (*b)->size;
}

static ERL_NIF_TERM make_bool(bool value) {
    return value ? nif_atom.true_ : nif_atom.false_;
}

/* A set of size bits, holding bytes unless that is NULL. */
static ERL_NIF_TERM make_bitset(ErlNifEnv *env, uint64_t size, const ErlNifBinary *bytes) {
    oh_bitset_t *b = enif_alloc_resource(nif_type_bitset, sizeof *b);
    oh_status_t status = oh_bitset_init(b, size);
    oh_registry_made(OH_KIND_BITSETS, memory(b));
    if (status == OH_OK && bytes != NULL)
        status = oh_bitset_from_bytes(b, bytes->data);
    /* Memory that is not there is the caller's size too large, as atomics:new/2 has it. */
    ERL_NIF_TERM result = status == OH_OK
                              ? enif_make_resource(env, b)
                              : nif_status(env, status == OH_ENOMEM ? OH_LIMIT : status, 0);
    enif_release_resource(b);
    return result;
}

/* bitset_new(Size) */
ERL_NIF_TERM nif_bitset_new(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    uint64_t size;
    if (!nif_get_unsigned(env, argv[0], &size))
        return enif_make_badarg(env);
    return make_bitset(env, size, NULL);
}

/* bitset_size(Set) */
ERL_NIF_TERM nif_bitset_size(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_bitset_t *b;
    if (!get_bitset(env, argv[0], &b))
        return enif_make_badarg(env);
    return enif_make_uint64(env, b->size);
}

/* bitset_memory(Set) */
ERL_NIF_TERM nif_bitset_memory(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_bitset_t *b;
    if (!get_bitset(env, argv[0], &b))
        return enif_make_badarg(env);
    return enif_make_uint64(env, memory(b));
}

/* bitset_test(Set, Index) */
ERL_NIF_TERM nif_bitset_test(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_bitset_t *b;
    uint64_t index;
    if (!get_bit(env, argv, &b, &index))
        return enif_make_badarg(env);
    return make_bool(oh_bitset_test(b, index));
}

/* bitset_set(Set, Index) */
ERL_NIF_TERM nif_bitset_set(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_bitset_t *b;
    uint64_t index;
    if (!get_bit(env, argv, &b, &index))
        return enif_make_badarg(env);
    return make_bool(oh_bitset_set(b, index));
}

/* bitset_clear(Set, Index) */
ERL_NIF_TERM nif_bitset_clear(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_bitset_t *b;
    uint64_t index;
    if (!get_bit(env, argv, &b, &index))
        return enif_make_badarg(env);
    return make_bool(oh_bitset_clear(b, index));
}

/* bitset_flip(Set, Index) */
ERL_NIF_TERM nif_bitset_flip(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_bitset_t *b;
    uint64_t index;
    if (!get_bit(env, argv, &b, &index))
        return enif_make_badarg(env);
    return make_bool(oh_bitset_flip(b, index));
}

/* bitset_claim(Set): the bit, or full. Goes on later if others keep changing what it finds. */
ERL_NIF_TERM nif_bitset_claim(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_bitset_t *b;
    uint64_t index;
    if (!get_bitset(env, argv[0], &b))
        return enif_make_badarg(env);
    switch (oh_bitset_claim(b, &index)) {
    case OH_OK:
        return enif_make_uint64(env, index);
    case OH_BUSY:
        return enif_schedule_nif(env, "bitset_claim", 0, nif_bitset_claim, argc, argv);
    default:
        return nif_atom.full;
    }
}

/* bitset_release(Set, Index): ok or not_claimed */
ERL_NIF_TERM nif_bitset_release(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_bitset_t *b;
    uint64_t index;
    if (!get_bit(env, argv, &b, &index))
        return enif_make_badarg(env);
    return oh_bitset_clear(b, index) ? nif_atom.ok : nif_atom.not_claimed;
}

/* bitset_count(Set, Index, Length). Yields. */
ERL_NIF_TERM nif_bitset_count(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_bitset_t *b;
    uint64_t index, length;
    if (!get_bitset(env, argv[0], &b) || !nif_get_unsigned(env, argv[1], &index) ||
        !nif_get_unsigned(env, argv[2], &length) || index > b->size || length > b->size - index)
        return enif_make_badarg(env);
    return nif_bits_count(env, argv[0], index, length);
}

static ERL_NIF_TERM combine(ErlNifEnv *env, const ERL_NIF_TERM argv[], oh_bitset_op_t op) {
    oh_bitset_t *b, *other;
    if (!get_bitset(env, argv[0], &b) || !get_bitset(env, argv[1], &other) ||
        b->size != other->size)
        return enif_make_badarg(env);
    return nif_bits_combine(env, argv[0], op, argv[1]);
}

/* bitset_union(Set, Other). Yields. */
ERL_NIF_TERM nif_bitset_union(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    return combine(env, argv, OH_BITSET_UNION);
}

/* bitset_intersection(Set, Other). Yields. */
ERL_NIF_TERM nif_bitset_intersection(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    return combine(env, argv, OH_BITSET_INTERSECTION);
}

/* bitset_difference(Set, Other). Yields. */
ERL_NIF_TERM nif_bitset_difference(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    return combine(env, argv, OH_BITSET_DIFFERENCE);
}

/* bitset_to_binary(Set). Large sets on a dirty scheduler. */
ERL_NIF_TERM nif_bitset_to_binary(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_bitset_t *b;
    ERL_NIF_TERM no_header;
    if (!get_bitset(env, argv[0], &b))
        return enif_make_badarg(env);
    (void)enif_make_new_binary(env, 0, &no_header);
    return nif_bits_to_binary(env, argv[0], no_header);
}

/* (Binary, Size), on any scheduler */
static ERL_NIF_TERM read_binary(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    ErlNifBinary binary;
    uint64_t size;
    if (!enif_inspect_binary(env, argv[0], &binary) || !nif_get_unsigned(env, argv[1], &size) ||
        size > OH_BITSET_SIZE_MAX || binary.size != (size + 7) / 8)
        return enif_make_badarg(env);
    return make_bitset(env, size, &binary);
}

/* bitset_from_binary(Binary, Size). Large sets on a dirty scheduler. */
ERL_NIF_TERM nif_bitset_from_binary(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    ErlNifBinary binary;
    if (!enif_inspect_binary(env, argv[0], &binary))
        return enif_make_badarg(env);
    if (binary.size <= BITS_INLINE_BYTES) {
        nif_charge(env, binary.size, BITS_BYTES_PER_MS);
        return read_binary(env, argc, argv);
    }
    return enif_schedule_nif(env, "bitset_from_binary", ERL_NIF_DIRTY_JOB_CPU_BOUND, read_binary,
                             argc, argv);
}
