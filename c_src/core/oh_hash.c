#include "oh_hash.h"

/* What libsodium's calls return speaks of wrong lengths only, which are checked. */

static bool is_spec(const oh_hash_spec_t *spec) {
    switch (spec->kind) {
    case OH_HASH_BLAKE2B:
        return spec->bytes >= OH_HASH_BYTES_MIN && spec->bytes <= OH_HASH_BYTES_MAX &&
               (spec->key_bytes == 0 || (spec->key_bytes >= OH_HASH_KEY_BYTES_MIN &&
                                         spec->key_bytes <= OH_HASH_KEY_BYTES_MAX));
    case OH_HASH_SHA256:
        return spec->bytes == crypto_hash_sha256_BYTES && spec->key_bytes == 0;
    case OH_HASH_SHA512:
        return spec->bytes == crypto_hash_sha512_BYTES && spec->key_bytes == 0;
    }
    return false;
}

oh_status_t oh_hash_init(oh_hash_t *h, const oh_hash_spec_t *spec) {
    if (!is_spec(spec))
        return OH_BADARG;
    h->kind = spec->kind;
    h->bytes = spec->bytes;
    switch (h->kind) {
    case OH_HASH_BLAKE2B:
        (void)crypto_generichash_init(&h->as.blake2b, spec->key_bytes > 0 ? spec->key : NULL,
                                      spec->key_bytes, spec->bytes);
        break;
    case OH_HASH_SHA256:
        (void)crypto_hash_sha256_init(&h->as.sha256);
        break;
    case OH_HASH_SHA512:
        (void)crypto_hash_sha512_init(&h->as.sha512);
        break;
    }
    return OH_OK;
}

void oh_hash_update(oh_hash_t *h, const void *data, size_t bytes) {
    if (bytes == 0)
        return;
    switch (h->kind) {
    case OH_HASH_BLAKE2B:
        (void)crypto_generichash_update(&h->as.blake2b, data, bytes);
        break;
    case OH_HASH_SHA256:
        (void)crypto_hash_sha256_update(&h->as.sha256, data, bytes);
        break;
    case OH_HASH_SHA512:
        (void)crypto_hash_sha512_update(&h->as.sha512, data, bytes);
        break;
    }
}

void oh_hash_final(oh_hash_t *h, uint8_t *digest) {
    switch (h->kind) {
    case OH_HASH_BLAKE2B:
        (void)crypto_generichash_final(&h->as.blake2b, digest, h->bytes);
        break;
    case OH_HASH_SHA256:
        (void)crypto_hash_sha256_final(&h->as.sha256, digest);
        break;
    case OH_HASH_SHA512:
        (void)crypto_hash_sha512_final(&h->as.sha512, digest);
        break;
    }
    sodium_memzero(h, sizeof *h);
}

oh_status_t oh_hash_update_file(oh_hash_t *h, oh_file_t *file, uint64_t offset, uint64_t length,
                                void *chunk, size_t chunk_bytes, oh_hash_stop_t stop, void *context,
                                uint64_t *done, int *error_number) {
    *done = 0;
    if (chunk_bytes == 0)
        return OH_BADARG;
    while (*done < length) {
        if (stop != NULL && stop(context))
            return OH_CLOSED;
        uint64_t left = length - *done, got;
        size_t wanted = left < chunk_bytes ? (size_t)left : chunk_bytes;
        struct iovec iov = {.iov_base = chunk, .iov_len = wanted};
        oh_status_t status =
            oh_file_readv(file, offset + *done, &iov, 1, false, &got, error_number);
        oh_hash_update(h, chunk, (size_t)got);
        *done += got;
        if (status != OH_OK)
            return status;
        if (got < wanted)
            break;
    }
    return OH_OK;
}
