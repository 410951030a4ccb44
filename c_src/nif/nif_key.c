#include "nif_key.h"
#include "nif_size.h"

#include <sodium.h>
#include <string.h>

#include "../core/oh_mix.h"

/* Terms up to this many words, with binaries of up to this many bytes, are hashed where the caller
 * is: about 100 us. */
#define INLINE_WORDS 4096
#define INLINE_BYTES 32768
#define BYTES_PER_MS 400000
/* Keeps floats apart from the integers of the same bits, whatever the salt. */
#define FLOAT ((uint64_t)1 << 33)

static bool hash_binary(ErlNifEnv *env, const ErlNifBinary *bin, uint32_t salt, uint64_t *hash) {
    if (bin->size <= INLINE_BYTES)
        nif_charge(env, bin->size, BYTES_PER_MS);
    else if (!nif_on_dirty_cpu())
        return false;
    uint8_t key[crypto_shorthash_KEYBYTES] = {(uint8_t)salt, (uint8_t)(salt >> 8),
                                              (uint8_t)(salt >> 16), (uint8_t)(salt >> 24)};
    uint8_t digest[crypto_shorthash_BYTES];
    crypto_shorthash(digest, bin->data, bin->size, key);
    *hash = 0;
    for (unsigned i = 0; i < sizeof digest; i++)
        *hash |= (uint64_t)digest[i] << 8 * i;
    return true;
}

/* By its bits: phash2 is the same for 0.0 and -0.0 even where these are two terms. */
static uint64_t hash_float(double number, uint32_t salt) {
    uint64_t bits;
    if (number == 0.0 && !nif_zeros_differ)
        number = 0.0;
    memcpy(&bits, &number, sizeof bits);
    return oh_mix(bits ^ oh_mix((uint64_t)salt + FLOAT));
}

static uint64_t hash_identifier(ERL_NIF_TERM term, uint32_t salt) {
    uint64_t low = (uint32_t)enif_hash(ERL_NIF_INTERNAL_HASH, term, salt);
    return oh_mix((uint64_t)enif_hash(ERL_NIF_INTERNAL_HASH, term, ~salt) << 32 ^ low);
}

static bool hash_other(ErlNifEnv *env, ERL_NIF_TERM term, uint32_t salt, uint64_t *hash) {
    if (!nif_is_surely_small(env, term) && !nif_on_dirty_cpu()) {
        nif_size_t size = nif_measure(env, term, INLINE_WORDS);
        if (!size.complete || size.binary_bytes > INLINE_BYTES)
            return false;
        nif_charge(env, size.words * sizeof(ERL_NIF_TERM) + size.binary_bytes, BYTES_PER_MS);
    }
    ERL_NIF_TERM salted = enif_make_list_cell(env, enif_make_uint(env, salt), term);
    *hash = oh_mix(enif_hash(ERL_NIF_PHASH2, term, 0) << 27 | enif_hash(ERL_NIF_PHASH2, salted, 0));
    return true;
}

bool nif_key_hash(ErlNifEnv *env, ERL_NIF_TERM term, uint32_t salt, uint64_t *hash) {
    ErlNifSInt64 integer;
    ErlNifBinary bin;
    double number;
    if (enif_get_int64(env, term, &integer)) {
        *hash = oh_mix((uint64_t)integer ^ oh_mix(salt + 1));
        return true;
    }
    if (enif_get_double(env, term, &number)) {
        *hash = hash_float(number, salt);
        return true;
    }
    if (enif_inspect_binary(env, term, &bin))
        return hash_binary(env, &bin, salt, hash);
    switch (enif_term_type(env, term)) {
    case ERL_NIF_TERM_TYPE_PID:
    case ERL_NIF_TERM_TYPE_REFERENCE:
    case ERL_NIF_TERM_TYPE_PORT:
        *hash = hash_identifier(term, salt);
        return true;
    default:
        return hash_other(env, term, salt, hash);
    }
}
