/*
 * hash: digests of terms that hold bytes, whole or piece by piece, and of files.
 *
 * On a normal scheduler up to INLINE_BYTES are hashed: 50 us of BLAKE2b, up to 250 of SHA-256.
 * Calls with more move to a dirty CPU scheduler by themselves; those that read files run on a dirty
 * IO scheduler.
 */
#include "nif.h"

#include "../core/oh_atomic.h"
#include "../core/oh_hash.h"
#include "nif_file.h"
#include "nif_input.h"

#define INLINE_BYTES ((size_t)48 * 1024)
#define BYTES_PER_MS ((uint64_t)1000 * 1000)

/* --- Whole --- */

static void hash_piece(void *context, const void *data, size_t bytes) {
    oh_hash_update(context, data, bytes);
}

static ERL_NIF_TERM make_digest(ErlNifEnv *env, oh_hash_t *h) {
    ERL_NIF_TERM digest;
    size_t bytes = h->bytes;
    oh_hash_final(h, enif_make_new_binary(env, bytes, &digest));
    return digest;
}

/* The three arguments that say what is computed: Algorithm, Bytes of the digest, Key. */
static bool get_spec(ErlNifEnv *env, const ERL_NIF_TERM argv[], oh_hash_spec_t *spec) {
    uint64_t bytes;
    ErlNifBinary key;
    if (!nif_get_unsigned(env, argv[1], &bytes) || !enif_inspect_binary(env, argv[2], &key))
        return false;
    *spec = (oh_hash_spec_t){.bytes = bytes, .key = key.data, .key_bytes = key.size};
    if (enif_is_identical(argv[0], nif_atom.blake2b))
        spec->kind = OH_HASH_BLAKE2B;
    else if (enif_is_identical(argv[0], nif_atom.sha256))
        spec->kind = OH_HASH_SHA256;
    else if (enif_is_identical(argv[0], nif_atom.sha512))
        spec->kind = OH_HASH_SHA512;
    else
        return false;
    return true;
}

/* hash_digest(Algorithm, Bytes, Key, Input): bound: INLINE_BYTES, beyond which a dirty scheduler
 * goes on. */
ERL_NIF_TERM nif_hash_digest(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_hash_spec_t spec;
    oh_hash_t h;
    nif_input_t input;
    if (!get_spec(env, argv, &spec))
        return enif_make_badarg(env);
    oh_status_t status = nif_input_open(env, argv[3], &input);
    if (status != OH_OK)
        return nif_input_status(env, status);
    bool is_long = input.bytes > INLINE_BYTES && nif_on_scheduler();
    if (!is_long && (status = oh_hash_init(&h, &spec)) == OH_OK) {
        nif_charge(env, input.bytes, BYTES_PER_MS);
        nif_input_each(&input, hash_piece, &h);
    }
    nif_input_close(&input);
    if (is_long)
        return enif_schedule_nif(env, "hash_digest", ERL_NIF_DIRTY_JOB_CPU_BOUND, nif_hash_digest,
                                 argc, argv);
    return status == OH_OK ? make_digest(env, &h) : nif_status(env, status, 0);
}

/* --- Piece by piece --- */

enum { STATE_IDLE, STATE_BUSY, STATE_DONE };

/* Who moves state from IDLE to BUSY owns the hash until it moves it on. */
typedef struct {
    _Atomic int state;
    unsigned char room[sizeof(oh_hash_t) + 64]; /* the hash, at the first multiple of 64 */
} hash_t;

static void hash_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    (void)obj;
    oh_registry_ended(OH_KIND_HASHES, sizeof(hash_t));
}

ErlNifResourceTypeInit nif_type_init_hash = {.dtor = hash_destroy, .members = 1};

static oh_hash_t *hash_of(hash_t *hash) {
    return (oh_hash_t *)oh_align_up((uintptr_t)hash->room, 64);
}

static bool get_hash(ErlNifEnv *env, ERL_NIF_TERM term, hash_t **out) {
    return enif_get_resource(env, term, nif_type_hash, (void **)out);
}

static oh_status_t hash_claim(hash_t *hash) {
    int state = STATE_IDLE;
    if (oh_cas_acquire_relaxed(&hash->state, &state, STATE_BUSY)) /* A1: pairs with R1 */
        return OH_OK;
    return state == STATE_BUSY ? OH_BUSY : OH_CLOSED;
}

static void hash_yield(hash_t *hash, int state) {
    oh_store_release(&hash->state, state); /* R1 */
}

/* hash_init(Algorithm, Bytes, Key) */
ERL_NIF_TERM nif_hash_init(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_hash_spec_t spec;
    if (!get_spec(env, argv, &spec))
        return enif_make_badarg(env);
    hash_t *hash = enif_alloc_resource(nif_type_hash, sizeof *hash);
    oh_registry_made(OH_KIND_HASHES, sizeof *hash);
    atomic_init(&hash->state, STATE_IDLE);
    oh_status_t status = oh_hash_init(hash_of(hash), &spec);
    ERL_NIF_TERM result =
        status == OH_OK ? enif_make_resource(env, hash) : nif_status(env, status, 0);
    enif_release_resource(hash);
    return result;
}

/* Adds an open input, which is closed. */
static ERL_NIF_TERM finish_update(ErlNifEnv *env, hash_t *hash, nif_input_t *input) {
    oh_status_t status = hash_claim(hash);
    if (status == OH_OK) {
        nif_input_each(input, hash_piece, hash_of(hash));
        hash_yield(hash, STATE_IDLE);
    }
    nif_input_close(input);
    return nif_status(env, status, 0);
}

/* hash_update(State, Input): ok or {error, busy}; bound: INLINE_BYTES, beyond which a dirty
 * scheduler goes on. */
ERL_NIF_TERM nif_hash_update(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    hash_t *hash;
    nif_input_t input;
    if (!get_hash(env, argv[0], &hash))
        return enif_make_badarg(env);
    oh_status_t status = nif_input_open(env, argv[1], &input);
    if (status != OH_OK)
        return nif_input_status(env, status);
    if (input.bytes > INLINE_BYTES && nif_on_scheduler()) {
        nif_input_close(&input);
        return enif_schedule_nif(env, "hash_update", ERL_NIF_DIRTY_JOB_CPU_BOUND, nif_hash_update,
                                 argc, argv);
    }
    nif_charge(env, input.bytes, BYTES_PER_MS);
    return finish_update(env, hash, &input);
}

static bool caller_is_dead(void *context) {
    return !enif_is_current_process_alive(context);
}

/* A file's bytes from offset on, through the whole of a buffer that was entered, into a hash that
 * was claimed. */
static ERL_NIF_TERM update_file(ErlNifEnv *env, hash_t *hash, oh_file_t *file, uint64_t offset,
                                uint64_t length, oh_buffer_t *b) {
    uint64_t capacity = oh_buffer_capacity(b), done = 0;
    int error_number = 0;
    if (oh_file_enter(file) != OH_OK)
        return nif_file_closed(env);
    oh_status_t status =
        oh_hash_update_file(hash_of(hash), file, offset, length, oh_buffer_at(b, 0), capacity,
                            caller_is_dead, env, &done, &error_number);
    nif_file_leave(file);
    oh_buffer_grow(b, 0, done < capacity ? done : capacity);
    if (status == OH_OK)
        return nif_ok(env, enif_make_uint64(env, done));
    /* OH_CLOSED: nobody is left to see it. */
    return status == OH_CLOSED ? nif_error(env, nif_atom.status_closed)
                               : nif_status(env, status, error_number);
}

/* hash_update_file(State, File, FileOffset, Length | infinity, Buffer): {ok, Bytes} or {error,
 * Reason}. Ends early when the caller was killed. */
ERL_NIF_TERM nif_hash_update_file(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    hash_t *hash;
    oh_file_t *file;
    uint64_t offset, length = UINT64_MAX;
    nif_lease_t lease;
    if (!get_hash(env, argv[0], &hash) || !nif_file_get(env, argv[1], &file) ||
        !nif_get_unsigned(env, argv[2], &offset) ||
        (!enif_is_identical(argv[3], nif_atom.infinity) &&
         !nif_get_unsigned(env, argv[3], &length)) ||
        !nif_buffer_get(env, argv[4], &lease))
        return enif_make_badarg(env);
    oh_status_t status = nif_buffer_enter(env, &lease, OH_BUFFER_EXTEND);
    if (status != OH_OK)
        return nif_buffer_status(env, status);
    ERL_NIF_TERM result;
    status = hash_claim(hash);
    if (status == OH_OK) {
        result = update_file(env, hash, file, offset, length, lease.buffer);
        hash_yield(hash, STATE_IDLE);
    } else {
        result = nif_status(env, status, 0);
    }
    nif_buffer_leave(&lease, OH_BUFFER_EXTEND);
    return result;
}

/* hash_final(State): digest or {error, busy}; constant time. */
ERL_NIF_TERM nif_hash_final(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    hash_t *hash;
    if (!get_hash(env, argv[0], &hash))
        return enif_make_badarg(env);
    oh_status_t status = hash_claim(hash);
    if (status != OH_OK)
        return nif_input_status(env, status);
    ERL_NIF_TERM digest = make_digest(env, hash_of(hash));
    hash_yield(hash, STATE_DONE);
    return digest;
}
