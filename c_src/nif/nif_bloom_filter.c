/* offheap_bloom_filter: arguments, calls, terms. Keys too large to hash here go on on a dirty
 * scheduler. */
#include "nif.h"
#include "nif_bits.h"
#include "nif_key.h"

#include "../core/oh_bloom_filter.h"

typedef struct {
    oh_bloom_filter_t filter; /* first: nif_bits.c takes the resource for it */
    uint32_t salt;
} bloom_filter_t;

static uint64_t memory(const bloom_filter_t *f) {
    return sizeof *f + oh_bitset_memory(&f->filter.bits);
}

static void bloom_filter_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    oh_registry_ended(OH_KIND_BLOOM_FILTERS, memory(obj));
    oh_bloom_filter_free(&((bloom_filter_t *)obj)->filter);
}

ErlNifResourceTypeInit nif_type_init_bloom_filter = {.dtor = bloom_filter_destroy, .members = 1};

static bool get_filter(ErlNifEnv *env, ERL_NIF_TERM term, bloom_filter_t **out) {
    return enif_get_resource(env, term, nif_type_bloom_filter, (void **)out);
}

/* argv: Bits, Hashes, Salt; bytes may be NULL */
static ERL_NIF_TERM make_filter(ErlNifEnv *env, const ERL_NIF_TERM argv[],
                                const ErlNifBinary *bytes) {
    uint64_t bits;
    unsigned hashes, salt;
    if (!nif_get_unsigned(env, argv[0], &bits) || !enif_get_uint(env, argv[1], &hashes) ||
        !enif_get_uint(env, argv[2], &salt))
        return enif_make_badarg(env);
    if (bytes != NULL && (bits > OH_BITSET_SIZE_MAX || bytes->size != (bits + 7) / 8))
        return enif_make_badarg(env);
    bloom_filter_t *f = enif_alloc_resource(nif_type_bloom_filter, sizeof *f);
    f->salt = salt;
    oh_status_t status = oh_bloom_filter_init(&f->filter, bits, hashes);
    oh_registry_made(OH_KIND_BLOOM_FILTERS, memory(f));
    if (status == OH_OK && bytes != NULL)
        status = oh_bitset_from_bytes(&f->filter.bits, bytes->data);
    ERL_NIF_TERM result = status == OH_OK
                              ? enif_make_resource(env, f)
                              : nif_status(env, status == OH_ENOMEM ? OH_LIMIT : status, 0);
    enif_release_resource(f);
    return result;
}

/* bloom_filter_new(Bits, Hashes, Salt) */
ERL_NIF_TERM nif_bloom_filter_new(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    return make_filter(env, argv, NULL);
}

/* bloom_filter_add(Filter, Key): whether it may have been there */
ERL_NIF_TERM nif_bloom_filter_add(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    bloom_filter_t *f;
    uint64_t hash;
    if (!get_filter(env, argv[0], &f))
        return enif_make_badarg(env);
    if (!nif_key_hash(env, argv[1], f->salt, &hash))
        return enif_schedule_nif(env, "bloom_filter_add", ERL_NIF_DIRTY_JOB_CPU_BOUND,
                                 nif_bloom_filter_add, argc, argv);
    return oh_bloom_filter_add(&f->filter, hash) ? nif_atom.true_ : nif_atom.false_;
}

/* bloom_filter_member(Filter, Key) */
ERL_NIF_TERM nif_bloom_filter_member(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    bloom_filter_t *f;
    uint64_t hash;
    if (!get_filter(env, argv[0], &f))
        return enif_make_badarg(env);
    if (!nif_key_hash(env, argv[1], f->salt, &hash))
        return enif_schedule_nif(env, "bloom_filter_member", ERL_NIF_DIRTY_JOB_CPU_BOUND,
                                 nif_bloom_filter_member, argc, argv);
    return oh_bloom_filter_member(&f->filter, hash) ? nif_atom.true_ : nif_atom.false_;
}

/* bloom_filter_merge(Filter, Other): ok, or badarg if they differ in shape or salt. Yields. */
ERL_NIF_TERM nif_bloom_filter_merge(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    bloom_filter_t *f, *other;
    if (!get_filter(env, argv[0], &f) || !get_filter(env, argv[1], &other) ||
        f->filter.bits.size != other->filter.bits.size ||
        f->filter.hashes != other->filter.hashes || f->salt != other->salt)
        return enif_make_badarg(env);
    return nif_bits_combine(env, argv[0], OH_BITSET_UNION, argv[1]);
}

/* bloom_filter_ones(Filter): the number of bits set. Yields. */
ERL_NIF_TERM nif_bloom_filter_ones(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    bloom_filter_t *f;
    if (!get_filter(env, argv[0], &f))
        return enif_make_badarg(env);
    return nif_bits_count(env, argv[0], 0, f->filter.bits.size);
}

/* bloom_filter_shape(Filter) -> {Bits, Hashes, Salt, Memory} */
ERL_NIF_TERM nif_bloom_filter_shape(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    bloom_filter_t *f;
    if (!get_filter(env, argv[0], &f))
        return enif_make_badarg(env);
    return enif_make_tuple4(env, enif_make_uint64(env, f->filter.bits.size),
                            enif_make_uint(env, f->filter.hashes), enif_make_uint(env, f->salt),
                            enif_make_uint64(env, memory(f)));
}

/* bloom_filter_to_binary(Filter, Header). Large ones on a dirty scheduler. */
ERL_NIF_TERM nif_bloom_filter_to_binary(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    bloom_filter_t *f;
    if (!get_filter(env, argv[0], &f) || !enif_is_binary(env, argv[1]))
        return enif_make_badarg(env);
    return nif_bits_to_binary(env, argv[0], argv[1]);
}

/* (Bits, Hashes, Salt, Binary), on any scheduler */
static ERL_NIF_TERM read_binary(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    ErlNifBinary binary;
    if (!enif_inspect_binary(env, argv[3], &binary))
        return enif_make_badarg(env);
    return make_filter(env, argv, &binary);
}

/* bloom_filter_from_binary(Bits, Hashes, Salt, Binary). Large ones on a dirty scheduler. */
ERL_NIF_TERM nif_bloom_filter_from_binary(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    ErlNifBinary binary;
    if (!enif_inspect_binary(env, argv[3], &binary))
        return enif_make_badarg(env);
    if (binary.size <= BITS_INLINE_BYTES) {
        nif_charge(env, binary.size, BITS_BYTES_PER_MS);
        return read_binary(env, argc, argv);
    }
    return enif_schedule_nif(env, "bloom_filter_from_binary", ERL_NIF_DIRTY_JOB_CPU_BOUND,
                             read_binary, argc, argv);
}
