/* offheap_hyperloglog: arguments, calls, terms. The largest has 256 KiB, which no call passes over
 * in more than half a millisecond. */
#include "nif.h"
#include "nif_key.h"

#include <string.h>

#include "../core/oh_hyperloglog.h"

#define REGISTERS_PER_MS 500000

typedef struct {
    oh_hyperloglog_t sketch;
    uint32_t salt;
} hyperloglog_t;

static uint64_t memory(const hyperloglog_t *h) {
    return sizeof *h + oh_hyperloglog_registers(&h->sketch);
}

static void hyperloglog_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    oh_registry_ended(OH_KIND_HYPERLOGLOGS, memory(obj));
    oh_hyperloglog_free(&((hyperloglog_t *)obj)->sketch);
}

ErlNifResourceTypeInit nif_type_init_hyperloglog = {.dtor = hyperloglog_destroy, .members = 1};

static bool get_sketch(ErlNifEnv *env, ERL_NIF_TERM term, hyperloglog_t **out) {
    return enif_get_resource(env, term, nif_type_hyperloglog, (void **)out);
}

static void charge(ErlNifEnv *env, const hyperloglog_t *h) {
    nif_charge(env, oh_hyperloglog_registers(&h->sketch), REGISTERS_PER_MS);
}

/* argv: Precision, Salt; bytes may be NULL */
static ERL_NIF_TERM make_sketch(ErlNifEnv *env, const ERL_NIF_TERM argv[],
                                const ErlNifBinary *bytes) {
    unsigned precision, salt;
    if (!enif_get_uint(env, argv[0], &precision) || !enif_get_uint(env, argv[1], &salt))
        return enif_make_badarg(env);
    hyperloglog_t *h = enif_alloc_resource(nif_type_hyperloglog, sizeof *h);
    h->salt = salt;
    oh_status_t status = oh_hyperloglog_init(&h->sketch, precision);
    oh_registry_made(OH_KIND_HYPERLOGLOGS, memory(h));
    if (status == OH_OK && bytes != NULL) {
        charge(env, h);
        status = bytes->size == oh_hyperloglog_registers(&h->sketch)
                     ? oh_hyperloglog_from_bytes(&h->sketch, bytes->data)
                     : OH_BADARG;
    }
    ERL_NIF_TERM result = status == OH_OK
                              ? enif_make_resource(env, h)
                              : nif_status(env, status == OH_ENOMEM ? OH_LIMIT : status, 0);
    enif_release_resource(h);
    return result;
}

/* hyperloglog_new(Precision, Salt) */
ERL_NIF_TERM nif_hyperloglog_new(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    return make_sketch(env, argv, NULL);
}

/* hyperloglog_add(Sketch, Key): whether a register grew */
ERL_NIF_TERM nif_hyperloglog_add(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    hyperloglog_t *h;
    uint64_t hash;
    if (!get_sketch(env, argv[0], &h))
        return enif_make_badarg(env);
    if (!nif_key_hash(env, argv[1], h->salt, &hash))
        return enif_schedule_nif(env, "hyperloglog_add", ERL_NIF_DIRTY_JOB_CPU_BOUND,
                                 nif_hyperloglog_add, argc, argv);
    return oh_hyperloglog_add(&h->sketch, hash) ? nif_atom.true_ : nif_atom.false_;
}

/* hyperloglog_merge(Sketch, Other): ok, or badarg if they differ in precision or salt */
ERL_NIF_TERM nif_hyperloglog_merge(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    hyperloglog_t *h, *other;
    if (!get_sketch(env, argv[0], &h) || !get_sketch(env, argv[1], &other) ||
        h->sketch.precision != other->sketch.precision || h->salt != other->salt)
        return enif_make_badarg(env);
    oh_hyperloglog_merge(&h->sketch, &other->sketch);
    charge(env, h);
    return nif_atom.ok;
}

/* hyperloglog_count(Sketch): a float */
ERL_NIF_TERM nif_hyperloglog_count(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    hyperloglog_t *h;
    if (!get_sketch(env, argv[0], &h))
        return enif_make_badarg(env);
    charge(env, h);
    return enif_make_double(env, oh_hyperloglog_count(&h->sketch));
}

/* hyperloglog_shape(Sketch) -> {Precision, Salt, Memory} */
ERL_NIF_TERM nif_hyperloglog_shape(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    hyperloglog_t *h;
    if (!get_sketch(env, argv[0], &h))
        return enif_make_badarg(env);
    return enif_make_tuple3(
        env, enif_make_uint(env, h->sketch.precision), enif_make_uint(env, h->salt),
        enif_make_uint64(env, sizeof *h + oh_hyperloglog_registers(&h->sketch)));
}

/* hyperloglog_to_binary(Sketch, Header) */
ERL_NIF_TERM nif_hyperloglog_to_binary(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    hyperloglog_t *h;
    ErlNifBinary header, binary;
    if (!get_sketch(env, argv[0], &h) || !enif_inspect_binary(env, argv[1], &header))
        return enif_make_badarg(env);
    if (!enif_alloc_binary(header.size + oh_hyperloglog_registers(&h->sketch), &binary))
        return nif_raise(env, nif_atom.status_system_limit);
    memcpy(binary.data, header.data, header.size);
    oh_hyperloglog_to_bytes(&h->sketch, binary.data + header.size);
    charge(env, h);
    return enif_make_binary(env, &binary);
}

/* hyperloglog_from_binary(Precision, Salt, Binary) */
ERL_NIF_TERM nif_hyperloglog_from_binary(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    ErlNifBinary binary;
    if (!enif_inspect_binary(env, argv[2], &binary))
        return enif_make_badarg(env);
    return make_sketch(env, argv, &binary);
}
