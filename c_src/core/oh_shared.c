#define _GNU_SOURCE
#include "oh_shared.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include "oh_alloc.h"

/* Segments take one descriptor in so many, and never more than so many. */
#define DESCRIPTOR_SHARE 4
#define SEGMENTS_MAX     4096

#if defined(__linux__) && defined(F_ADD_SEALS) && defined(MFD_ALLOW_SEALING) &&                    \
    defined(SYS_pidfd_open)
#define HAS_SHARED
#endif

static _Atomic uint32_t segments;

uint32_t oh_shared_count(void) {
    return oh_load_relaxed(&segments);
}

bool oh_shared_range_valid(const oh_shared_range_t *range) {
    return range->fd <= INT32_MAX && range->bytes > 0 && range->bytes <= OH_SHARED_BYTES_MAX &&
           range->offset <= range->bytes && range->length <= range->bytes - range->offset;
}

#ifdef HAS_SHARED

static _Atomic uint64_t next_id;

/* Where the system promises no more memory than it has (vm.overcommit_memory is 2), it promises
 * none for the pages of memory files, and a touch for which there is none left is a SIGBUS. */
static bool is_strict(void) {
    char mode = '2';
    int fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false; /* nor could a worker find a segment by /proc */
    bool is_read = read(fd, &mode, 1) == 1;
    (void)close(fd);
    return is_read && mode == '2';
}

static bool try_support(void) {
    if (is_strict())
        return false;
    int memory = memfd_create("offheap", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int process = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (memory >= 0)
        (void)close(memory);
    if (process >= 0)
        (void)close(process);
    return memory >= 0 && process >= 0;
}

bool oh_shared_is_supported(void) {
    static _Atomic int known; /* 0: not yet; 1: yes; -1: no */
    int answer = oh_load_relaxed(&known);
    if (answer == 0) {
        answer = try_support() ? 1 : -1;
        oh_store_relaxed(&known, answer);
    }
    return answer > 0;
}

/* A file beyond the limit would be a signal. */
static bool is_allowed(uint64_t bytes) {
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && bytes <= limit.rlim_cur;
}

/* A place for one more segment, if descriptors are left for others. */
static bool reserve(void) {
    struct rlimit limit;
    uint64_t most = 0;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        most = limit.rlim_cur / DESCRIPTOR_SHARE;
    if (most > SEGMENTS_MAX)
        most = SEGMENTS_MAX;
    uint32_t count = oh_load_relaxed(&segments);
    do {
        if (count >= most)
            return false;
    } while (!oh_cas_weak_acqrel_acquire(&segments, &count, count + 1));
    return true;
}

/* Ids go up from the time of the first one: those of a library that is loaded after this one, into
 * the same process, are others. */
static uint64_t make_id(void) {
    if (oh_load_relaxed(&next_id) == 0) {
        struct timespec now;
        uint64_t none = 0;
        clock_gettime(CLOCK_MONOTONIC, &now);
        (void)oh_cas_acqrel_acquire(&next_id, &none,
                                    (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
    }
    return oh_fetch_add_relaxed(&next_id, 1);
}

/* A descriptor of a sealed file of bytes, or -1. */
static int make_file(uint64_t bytes, uint64_t *inode) {
    struct stat stat;
    int fd = memfd_create("offheap", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)bytes) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0 ||
        fstat(fd, &stat) != 0) {
        (void)close(fd);
        return -1;
    }
    *inode = (uint64_t)stat.st_ino;
    return fd;
}

oh_shared_t *oh_shared_new(uint64_t bytes) {
    if (bytes == 0 || bytes > OH_SHARED_BYTES_MAX || !oh_shared_is_supported() ||
        !is_allowed(bytes) || !reserve())
        return NULL;
    uint64_t inode;
    oh_shared_t *shared = oh_zalloc(sizeof *shared);
    int fd = shared == NULL ? -1 : make_file(bytes, &inode);
    void *data = fd < 0 ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
        if (fd >= 0)
            (void)close(fd);
        oh_free(shared);
        oh_fetch_sub_relaxed(&segments, 1);
        return NULL;
    }
    shared->data = data;
    shared->bytes = bytes;
    shared->id = make_id();
    shared->inode = inode;
    shared->fd = fd;
    shared->counted = &segments;
    return shared;
}

static void run_free(oh_reaper_job_t *job) {
    oh_shared_t *shared = OH_CONTAINER_OF(job, oh_shared_t, job);
    (void)fallocate(shared->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                    (off_t)shared->bytes);
    (void)munmap(shared->data, shared->bytes);
    (void)close(shared->fd);
    oh_fetch_sub_relaxed(shared->counted, 1);
    oh_free(shared);
}

void oh_shared_free(oh_shared_t *shared) {
    if (shared == NULL)
        return;
    shared->job.run = run_free;
    oh_reaper_push(&shared->job);
}

#else

bool oh_shared_is_supported(void) {
    return false;
}

oh_shared_t *oh_shared_new(uint64_t bytes) {
    (void)bytes;
    return NULL;
}

void oh_shared_free(oh_shared_t *shared) {
    (void)shared;
}

#endif
