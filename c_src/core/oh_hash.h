/*
 * oh_hash: BLAKE2b (RFC 7693), SHA-256 and SHA-512 (FIPS 180-4), by libsodium.
 *
 * BLAKE2b and SHA-512 take 1 to 3 ns a byte, SHA-256 up to 5. A state belongs to one thread at a
 * time; different states are independent. No call here locks or allocates.
 * libsodium must have been started (sodium_init).
 */
#ifndef OH_HASH_H
#define OH_HASH_H

#include <sodium.h>

#include "oh_common.h"
#include "oh_file.h"

typedef enum { OH_HASH_BLAKE2B, OH_HASH_SHA256, OH_HASH_SHA512 } oh_hash_kind_t;

#define OH_HASH_BYTES_MIN     16 /* of a digest of BLAKE2b */
#define OH_HASH_BYTES_MAX     64 /* of any digest */
#define OH_HASH_KEY_BYTES_MIN 16
#define OH_HASH_KEY_BYTES_MAX 64

/* What is to be computed. SHA-256 has 32 bytes, SHA-512 has 64, and neither a key. */
typedef struct {
    oh_hash_kind_t kind;
    size_t bytes; /* of the digest */
    const uint8_t *key;
    size_t key_bytes; /* 0: no key */
} oh_hash_spec_t;

/* Aligned to 64 bytes, as libsodium asks: not for memory that is aligned to less. */
typedef struct {
    union {
        crypto_generichash_state blake2b;
        crypto_hash_sha256_state sha256;
        crypto_hash_sha512_state sha512;
    } as;
    oh_hash_kind_t kind;
    size_t bytes;
} oh_hash_t;

/* OH_BADARG for lengths that the kind has not. The key is not needed after. */
oh_status_t oh_hash_init(oh_hash_t *h, const oh_hash_spec_t *spec);
void oh_hash_update(oh_hash_t *h, const void *data, size_t bytes);
/* Writes the digest of spec.bytes and clears the state, which ends it. */
void oh_hash_final(oh_hash_t *h, uint8_t *digest);

/* Asked between two reads of a file: true ends the hashing with OH_CLOSED. May be NULL. */
typedef bool (*oh_hash_stop_t)(void *context);

/*
 * Updates with up to length bytes of a file from offset on, less only at its end: *done of them.
 * They pass through the chunk_bytes of chunk, which then holds the last ones read; OH_BADARG for 0.
 * The caller is inside the file. Blocks. OH_ERRNO with *error_number, or OH_CLOSED if stop said so:
 * the state has taken in *done bytes.
 */
oh_status_t oh_hash_update_file(oh_hash_t *h, oh_file_t *file, uint64_t offset, uint64_t length,
                                void *chunk, size_t chunk_bytes, oh_hash_stop_t stop, void *context,
                                uint64_t *done, int *error_number);

#endif
