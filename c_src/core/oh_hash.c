#include "oh_hash.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oh_alloc.h"

/* Large enough that the system calls do not show, small enough for the second-level cache. */
#define READ_BYTES ((size_t)128 * 1024)

/* The return values of crypto_generichash speak only of wrong lengths of key and digest, which are
 * constants here. */
void oh_hash_init(oh_hash_t *h) {
    (void)crypto_generichash_init(h, NULL, 0, OH_HASH_BYTES);
}

void oh_hash_update(oh_hash_t *h, const void *data, size_t bytes) {
    if (bytes > 0)
        (void)crypto_generichash_update(h, data, bytes);
}

void oh_hash_final(oh_hash_t *h, uint8_t digest[OH_HASH_BYTES]) {
    (void)crypto_generichash_final(h, digest, OH_HASH_BYTES);
    sodium_memzero(h, sizeof *h);
}

void oh_hash_bytes(const void *data, size_t bytes, uint8_t digest[OH_HASH_BYTES]) {
    static const uint8_t nothing;
    (void)crypto_generichash(digest, OH_HASH_BYTES, bytes > 0 ? data : &nothing, bytes, NULL, 0);
}

/* An open regular file's descriptor, or -1 and errno. Not to block where a pipe has no writer, it
 * is opened without waiting and then looked at. */
static int open_regular(const char *path) {
    int fd;
    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return -1;
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return fd;
    int error_number = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
    (void)close(fd);
    errno = error_number;
    return -1;
}

static oh_status_t hash_descriptor(int fd, uint8_t *buffer, oh_hash_t *h, oh_hash_stop_t stop,
                                   void *context, uint64_t *bytes, int *error_number) {
    uint64_t total = 0;
    for (;;) {
        if (stop != NULL && stop(context))
            return OH_CLOSED;
        ssize_t got = read(fd, buffer, READ_BYTES);
        if (got == 0)
            break;
        if (got > 0) {
            oh_hash_update(h, buffer, (size_t)got);
            total += (uint64_t)got;
        } else if (errno != EINTR) {
            *error_number = errno;
            return OH_ERRNO;
        }
    }
    *bytes = total;
    return OH_OK;
}

oh_status_t oh_hash_file(const char *path, oh_hash_stop_t stop, void *context,
                         uint8_t digest[OH_HASH_BYTES], uint64_t *bytes, int *error_number) {
    oh_status_t status = OH_ENOMEM;
    uint8_t *buffer = oh_alloc(READ_BYTES);
    if (buffer == NULL)
        return status;
    int fd = open_regular(path);
    if (fd < 0) {
        *error_number = errno;
        status = OH_ERRNO;
        goto free_buffer;
    }
#ifdef POSIX_FADV_SEQUENTIAL
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
#endif
    oh_hash_t h;
    oh_hash_init(&h);
    status = hash_descriptor(fd, buffer, &h, stop, context, bytes, error_number);
    if (status == OH_OK)
        oh_hash_final(&h, digest);
    (void)close(fd);
free_buffer:
    oh_free(buffer);
    return status;
}
