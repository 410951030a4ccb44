#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* preadv2 */
#endif
#include "oh_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

void oh_file_init(oh_file_t *file) {
    file->fd = -1;
    oh_store_relaxed(&file->word, OH_FILE_CLOSED);
}

oh_status_t oh_file_open(oh_file_t *file, const char *path, int *error_number) {
    int fd;
    do {
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        *error_number = errno;
        return OH_ERRNO;
    }
    struct stat st;
    if (fstat(fd, &st) != 0)
        *error_number = errno;
    else if (S_ISREG(st.st_mode)) {
        file->fd = fd;
        oh_store_release(&file->word, 0);
        return OH_OK;
    } else
        *error_number = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
    close(fd);
    return OH_ERRNO;
}

oh_status_t oh_file_enter(oh_file_t *file) {
    uint64_t word = oh_load_relaxed(&file->word);
    do {
        if (word & OH_FILE_CLOSED)
            return OH_CLOSED;
    } while (!oh_cas_weak_acqrel_acquire(&file->word, &word, word + 1));
    return OH_OK;
}

void oh_file_leave(oh_file_t *file) {
    if (oh_fetch_sub_acqrel(&file->word, 1) == (OH_FILE_CLOSED | 1))
        close(file->fd);
}

oh_status_t oh_file_close(oh_file_t *file) {
    uint64_t word = oh_load_relaxed(&file->word);
    do {
        if (word & OH_FILE_CLOSED)
            return OH_CLOSED;
    } while (!oh_cas_weak_acqrel_acquire(&file->word, &word, word | OH_FILE_CLOSED));
    if (word == 0)
        close(file->fd);
    return OH_OK;
}

/* One system call. EAGAIN where the kernel or file system cannot tell whether it would wait. */
static ssize_t read_once(int fd, void *bytes, size_t length, off_t offset, bool nowait) {
    if (!nowait)
        return pread(fd, bytes, length, offset);
#ifdef RWF_NOWAIT
    struct iovec iov = {.iov_base = bytes, .iov_len = length};
    ssize_t n = preadv2(fd, &iov, 1, offset, RWF_NOWAIT);
    if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL))
        errno = EAGAIN;
    return n;
#else
    errno = EAGAIN;
    return -1;
#endif
}

oh_status_t oh_file_read(oh_file_t *file, uint64_t offset, void *bytes, uint64_t length,
                         bool nowait, uint64_t *count, int *error_number) {
    *count = 0;
    if (offset > INT64_MAX || length > INT64_MAX - offset) {
        *error_number = EINVAL;
        return OH_ERRNO;
    }
    while (*count < length) {
        ssize_t n = read_once(file->fd, (char *)bytes + *count, length - *count,
                              (off_t)(offset + *count), nowait);
        if (n == 0)
            break;
        if (n > 0) {
            *count += (uint64_t)n;
        } else if (errno == EAGAIN && nowait) {
            return OH_BUSY;
        } else if (errno != EINTR) {
            *error_number = errno;
            return OH_ERRNO;
        }
    }
    return OH_OK;
}

oh_status_t oh_file_size(oh_file_t *file, uint64_t *size, int *error_number) {
    struct stat st;
    if (fstat(file->fd, &st) != 0) {
        *error_number = errno;
        return OH_ERRNO;
    }
    *size = (uint64_t)st.st_size;
    return OH_OK;
}
