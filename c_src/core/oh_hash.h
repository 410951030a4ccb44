/*
 * oh_hash: BLAKE2b with a digest of 256 bits (RFC 7693, no key), by libsodium.
 *
 * One implementation for every lane: the NIF library and the worker program link this file.
 *
 * About 1 ns a byte. A state belongs to one thread at a time; different states are independent. No
 * call here locks or allocates, but for oh_hash_file. libsodium must have been started
 * (sodium_init).
 */
#ifndef OH_HASH_H
#define OH_HASH_H

#include <sodium.h>

#include "oh_common.h"

#define OH_HASH_BYTES 32

/* Aligned to 64 bytes, as libsodium asks: not for memory that is aligned to less. */
typedef crypto_generichash_state oh_hash_t;

void oh_hash_init(oh_hash_t *h);
void oh_hash_update(oh_hash_t *h, const void *data, size_t bytes);
/* Writes the digest and clears the state, which ends it. */
void oh_hash_final(oh_hash_t *h, uint8_t digest[OH_HASH_BYTES]);

/* The digest of one piece of memory. */
void oh_hash_bytes(const void *data, size_t bytes, uint8_t digest[OH_HASH_BYTES]);

/* Asked between two reads of a file: true ends the hashing with OH_CLOSED. */
typedef bool (*oh_hash_stop_t)(void *context);

/*
 * The digest of a regular file's contents, and how many bytes were read. stop may be NULL. Blocks.
 * OH_ERRNO with *error_number set if the file cannot be opened or read (EISDIR for a folder, EINVAL
 * for a pipe, socket or device, whose end might never come); OH_ENOMEM; OH_CLOSED if stop said so.
 * On an error digest and *bytes are unchanged.
 */
oh_status_t oh_hash_file(const char *path, oh_hash_stop_t stop, void *context,
                         uint8_t digest[OH_HASH_BYTES], uint64_t *bytes, int *error_number);

#endif
