/*
 * hash: BLAKE2b-256 of terms that hold bytes, whole or piece by piece, and of files.
 *
 * On a normal scheduler up to INLINE_BYTES are hashed: about 50 us. Calls with more move to a dirty
 * CPU scheduler by themselves. hash_file runs on a dirty IO scheduler.
 */
#include "nif.h"

#include <string.h>

#include "../core/oh_atomic.h"
#include "../core/oh_hash.h"
#include "nif_input.h"

#define INLINE_BYTES ((size_t)48 * 1024)
#define BYTES_PER_MS ((uint64_t)1000 * 1000)

/* --- Whole --- */

static void hash_piece(void *context, const void *data, size_t bytes) {
    oh_hash_update(context, data, bytes);
}

/* The digest of an open input, which is closed. */
static ERL_NIF_TERM finish_whole(ErlNifEnv *env, nif_input_t *input) {
    oh_hash_t h;
    oh_hash_init(&h);
    nif_input_each(input, hash_piece, &h);
    nif_input_close(input);
    ERL_NIF_TERM digest;
    oh_hash_final(&h, enif_make_new_binary(env, OH_HASH_BYTES, &digest));
    return digest;
}

/* hash_blake2b_dirty(Input): digest; any size. */
ERL_NIF_TERM nif_hash_blake2b_dirty(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_input_t input;
    oh_status_t status = nif_input_open(env, argv[0], &input);
    return status == OH_OK ? finish_whole(env, &input) : nif_input_status(env, status);
}

/* hash_blake2b(Input): digest; bound: INLINE_BYTES, beyond which the dirty twin goes on. */
ERL_NIF_TERM nif_hash_blake2b(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_input_t input;
    oh_status_t status = nif_input_open(env, argv[0], &input);
    if (status != OH_OK)
        return nif_input_status(env, status);
    if (input.bytes > INLINE_BYTES) {
        nif_input_close(&input);
        return enif_schedule_nif(env, "hash_blake2b", ERL_NIF_DIRTY_JOB_CPU_BOUND,
                                 nif_hash_blake2b_dirty, argc, argv);
    }
    nif_charge(env, input.bytes, BYTES_PER_MS);
    return finish_whole(env, &input);
}

/* --- Files --- */

static bool caller_is_dead(void *context) {
    return !enif_is_current_process_alive(context);
}

/* hash_file(Path): {Digest, Bytes} or {error, Reason}. Path is a binary that ends with a zero byte.
 * Ends early when the caller was killed. */
ERL_NIF_TERM nif_hash_file(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    ErlNifBinary path;
    if (!enif_inspect_binary(env, argv[0], &path) || path.size == 0 ||
        path.data[path.size - 1] != '\0')
        return enif_make_badarg(env);
    if (memchr(path.data, 0, path.size - 1) != NULL)
        return enif_make_badarg(env);
    uint8_t digest[OH_HASH_BYTES];
    uint64_t bytes;
    int error_number = 0;
    oh_status_t status =
        oh_hash_file((const char *)path.data, caller_is_dead, env, digest, &bytes, &error_number);
    if (status == OH_CLOSED) /* nobody is left to see it */
        return nif_error(env, nif_atom.status_closed);
    if (status != OH_OK)
        return nif_status(env, status, error_number);
    ERL_NIF_TERM term;
    uint8_t *out = enif_make_new_binary(env, OH_HASH_BYTES, &term);
    memcpy(out, digest, OH_HASH_BYTES);
    return enif_make_tuple2(env, term, enif_make_uint64(env, bytes));
}

/* --- Piece by piece --- */

enum { STATE_IDLE, STATE_BUSY, STATE_DONE };

/* Who moves state from IDLE to BUSY owns the hash until it moves it on. */
typedef struct {
    _Atomic int state;
    unsigned char room[sizeof(oh_hash_t) + 64]; /* the hash, at the first multiple of 64 */
} hash_t;

ErlNifResourceTypeInit nif_type_init_hash = {.members = 0};

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

/* hash_init() */
ERL_NIF_TERM nif_hash_init(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    (void)argv;
    hash_t *hash = enif_alloc_resource(nif_type_hash, sizeof *hash);
    atomic_init(&hash->state, STATE_IDLE);
    oh_hash_init(hash_of(hash));
    ERL_NIF_TERM term = enif_make_resource(env, hash);
    enif_release_resource(hash);
    return term;
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

static ERL_NIF_TERM update_dirty(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    hash_t *hash;
    nif_input_t input;
    if (!get_hash(env, argv[0], &hash))
        return enif_make_badarg(env);
    oh_status_t status = nif_input_open(env, argv[1], &input);
    return status == OH_OK ? finish_update(env, hash, &input) : nif_input_status(env, status);
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
    if (input.bytes > INLINE_BYTES) {
        nif_input_close(&input);
        return enif_schedule_nif(env, "hash_update", ERL_NIF_DIRTY_JOB_CPU_BOUND, update_dirty,
                                 argc, argv);
    }
    nif_charge(env, input.bytes, BYTES_PER_MS);
    return finish_update(env, hash, &input);
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
    ERL_NIF_TERM digest;
    oh_hash_final(hash_of(hash), enif_make_new_binary(env, OH_HASH_BYTES, &digest));
    hash_yield(hash, STATE_DONE);
    return digest;
}
