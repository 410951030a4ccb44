#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* preadv2 */
#endif
#include "oh_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "oh_alloc.h"
#include "oh_reaper.h"

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

/* --- Opening and closing --- */

void oh_file_init(oh_file_t *file) {
    file->fd = -1;
    oh_store_relaxed(&file->word, OH_FILE_CLOSED);
}

static int open_flags(unsigned how) {
    int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    bool writes = how & (OH_FILE_WRITE | OH_FILE_APPEND | OH_FILE_EXCLUSIVE);
    if (!writes)
        return flags | O_RDONLY;
    flags |= O_CREAT | ((how & OH_FILE_READ) ? O_RDWR : O_WRONLY);
    if (how & OH_FILE_APPEND)
        flags |= O_APPEND;
    if (how & OH_FILE_EXCLUSIVE)
        flags |= O_EXCL;
    return (how & OH_FILE_SYNC) ? flags | O_SYNC : flags;
}

/* What is left to do with a descriptor before it is given out; 0, or why not. Emptied here and not
 * by O_TRUNC: only now it is known to be a regular file. */
static int prepare(int fd, unsigned how) {
    struct stat st;
    if (fstat(fd, &st) != 0)
        return errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
    if (how & OH_FILE_WRITE && !(how & (OH_FILE_READ | OH_FILE_APPEND)) && st.st_size > 0 &&
        ftruncate(fd, 0) != 0)
        return errno;
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ? errno : 0;
}

oh_status_t oh_file_open(oh_file_t *file, const char *path, unsigned how, int *error_number) {
    int fd;
    do
        fd = open(path, open_flags(how), 0666);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        /* A socket, or a pipe that nobody reads. */
        *error_number = errno == ENXIO ? EINVAL : errno;
        return OH_ERRNO;
    }
    *error_number = prepare(fd, how);
    if (*error_number != 0) {
        (void)close(fd);
        return OH_ERRNO;
    }
    file->fd = fd;
    oh_store_release(&file->word, 0);
    return OH_OK;
}

oh_status_t oh_file_enter(oh_file_t *file) {
    uint64_t word = oh_load_relaxed(&file->word);
    do {
        if (word & OH_FILE_CLOSED)
            return OH_CLOSED;
    } while (!oh_cas_weak_acqrel_acquire(&file->word, &word, word + 1));
    return OH_OK;
}

bool oh_file_leave(oh_file_t *file) {
    return oh_fetch_sub_acqrel(&file->word, 1) == (OH_FILE_CLOSED | 1);
}

oh_status_t oh_file_close(oh_file_t *file, bool *finisher) {
    uint64_t word = oh_load_relaxed(&file->word);
    do {
        if (word & OH_FILE_CLOSED)
            return OH_CLOSED;
    } while (!oh_cas_weak_acqrel_acquire(&file->word, &word, word | OH_FILE_CLOSED));
    *finisher = word == 0;
    return OH_OK;
}

int oh_file_finish(oh_file_t *file) {
    /* Never again after EINTR: the descriptor is gone by then, on Linux. */
    return close(file->fd) == 0 || errno == EINTR ? 0 : errno;
}

typedef struct {
    oh_reaper_job_t job;
    int fd;
} closing_t;

static void run_closing(oh_reaper_job_t *job) {
    closing_t *closing = OH_CONTAINER_OF(job, closing_t, job);
    (void)close(closing->fd);
    oh_free(closing);
}

void oh_file_finish_later(oh_file_t *file) {
    closing_t *closing = oh_alloc(sizeof *closing);
    if (closing == NULL) {
        (void)oh_file_finish(file);
        return;
    }
    *closing = (closing_t){.job.run = run_closing, .fd = file->fd};
    oh_reaper_push(&closing->job);
}

/* --- Bytes --- */

/* One system call each: bytes done, or -1 and errno. */
typedef ssize_t (*transfer_t)(int fd, const struct iovec *iov, int count, off_t offset);

static ssize_t read_waiting(int fd, const struct iovec *iov, int count, off_t offset) {
    return count == 1 ? pread(fd, iov->iov_base, iov->iov_len, offset)
                      : preadv(fd, iov, count, offset);
}

/* EAGAIN also where the kernel or file system cannot tell whether it would wait. */
static ssize_t read_nowait(int fd, const struct iovec *iov, int count, off_t offset) {
#ifdef RWF_NOWAIT
    ssize_t n = preadv2(fd, iov, count, offset, RWF_NOWAIT);
    if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL))
        errno = EAGAIN;
    return n;
#else
    (void)fd, (void)iov, (void)count, (void)offset;
    errno = EAGAIN;
    return -1;
#endif
}

static ssize_t write_waiting(int fd, const struct iovec *iov, int count, off_t offset) {
    ssize_t n = count == 1 ? pwrite(fd, iov->iov_base, iov->iov_len, offset)
                           : pwritev(fd, iov, count, offset);
    if (n != 0)
        return n;
    errno = EIO; /* nothing done and no reason given: it might never end */
    return -1;
}

/* True if offset and all that lies behind it is a place in a file. */
static bool is_place(uint64_t offset, const struct iovec *iov, size_t count) {
    uint64_t left = INT64_MAX;
    if (offset > left)
        return false;
    left -= offset;
    for (size_t i = 0; i < count; i++) {
        if (iov[i].iov_len > left)
            return false;
        left -= iov[i].iov_len;
    }
    return true;
}

/* Cuts bytes off the front, and pieces without bytes. */
static void advance(struct iovec **iov, size_t *count, size_t bytes) {
    while (*count > 0 && (*iov)->iov_len <= bytes) {
        bytes -= (*iov)->iov_len;
        ++*iov;
        --*count;
    }
    if (*count > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + bytes;
        (*iov)->iov_len -= bytes;
    }
}

/* Goes on until all is done, at the end of the file, or at an error. */
static oh_status_t transfer(transfer_t once, int fd, uint64_t offset, struct iovec *iov,
                            size_t count, uint64_t *done, int *error_number) {
    *done = 0;
    *error_number = EINVAL;
    if (!is_place(offset, iov, count))
        return OH_ERRNO;
    advance(&iov, &count, 0);
    while (count > 0) {
        int few = count < IOV_MAX ? (int)count : IOV_MAX;
        ssize_t n = once(fd, iov, few, (off_t)(offset + *done));
        if (n == 0)
            break;
        if (n > 0) {
            *done += (uint64_t)n;
            advance(&iov, &count, (size_t)n);
        } else if (errno != EINTR) {
            *error_number = errno;
            return OH_ERRNO;
        }
    }
    return OH_OK;
}

oh_status_t oh_file_readv(oh_file_t *file, uint64_t offset, struct iovec *iov, size_t count,
                          bool nowait, uint64_t *done, int *error_number) {
    oh_status_t status = transfer(nowait ? read_nowait : read_waiting, file->fd, offset, iov, count,
                                  done, error_number);
    return status == OH_ERRNO && *error_number == EAGAIN && nowait ? OH_BUSY : status;
}

oh_status_t oh_file_writev(oh_file_t *file, uint64_t offset, struct iovec *iov, size_t count,
                           uint64_t *done, int *error_number) {
    return transfer(write_waiting, file->fd, offset, iov, count, done, error_number);
}

/* --- The rest --- */

/* A system call's return value as a status. */
static oh_status_t outcome(int result, int *error_number) {
    if (result == 0)
        return OH_OK;
    *error_number = errno;
    return OH_ERRNO;
}

static int sync_once(int fd, bool data_only) {
#if defined(__APPLE__)
    (void)data_only;
    return fsync(fd);
#else
    return data_only ? fdatasync(fd) : fsync(fd);
#endif
}

oh_status_t oh_file_sync(oh_file_t *file, bool data_only, int *error_number) {
    int result;
    do
        result = sync_once(file->fd, data_only);
    while (result != 0 && errno == EINTR);
    return outcome(result, error_number);
}

oh_status_t oh_file_truncate(oh_file_t *file, uint64_t size, int *error_number) {
    int result;
    if (size > INT64_MAX) {
        *error_number = EINVAL;
        return OH_ERRNO;
    }
    do
        result = ftruncate(file->fd, (off_t)size);
    while (result != 0 && errno == EINTR);
    return outcome(result, error_number);
}

oh_status_t oh_file_size(oh_file_t *file, uint64_t *size, int *error_number) {
    struct stat st;
    oh_status_t status = outcome(fstat(file->fd, &st), error_number);
    if (status == OH_OK)
        *size = (uint64_t)st.st_size;
    return status;
}
