/* Jobs: BLAKE2b (RFC 7693) and SHA-256 (FIPS 180-4) of bytes and of files, by libsodium. A unit is
 * a byte. */
#include "oh_job.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes between two looks at the clock: 15 to 70 us. */
#define CHUNK_BYTES 16384
/* Read at once: large enough that system calls do not show, small enough for the caches. */
#define READ_BYTES ((size_t)65536)

typedef struct {
    union {
        crypto_generichash_state blake2b; /* first: aligned to 64 bytes */
        crypto_hash_sha256_state sha256;
    };
    bool begun;
    bool is_file;
    int fd;           /* of a file that is_file and begun */
    uint64_t done;    /* bytes */
    uint8_t buffer[]; /* READ_BYTES of them, for files */
} state_t;

typedef enum { BLAKE2B, SHA256 } algorithm_t;

/* The places of the arguments. */
enum { INPUT, SIZE, KEY };

static void begin(offheap_job_t *job, algorithm_t algorithm) {
    state_t *s = job->state;
    if (algorithm == BLAKE2B) {
        /* Speaks only of wrong lengths, which the parameters exclude. */
        const offheap_arg_t *key = &job->arg[KEY];
        (void)crypto_generichash_init(&s->blake2b, key->given ? key->data : NULL,
                                      key->given ? key->size : 0, (size_t)job->arg[SIZE].integer);
    } else {
        (void)crypto_hash_sha256_init(&s->sha256);
    }
}

static void update(state_t *s, algorithm_t algorithm, const uint8_t *data, size_t bytes) {
    if (algorithm == BLAKE2B)
        (void)crypto_generichash_update(&s->blake2b, data, bytes);
    else
        (void)crypto_hash_sha256_update(&s->sha256, data, bytes);
    s->done += bytes;
}

static offheap_step_t finish(offheap_job_t *job, algorithm_t algorithm) {
    state_t *s = job->state;
    size_t size = algorithm == BLAKE2B ? (size_t)job->arg[SIZE].integer : crypto_hash_sha256_BYTES;
    uint8_t *digest = offheap_result_bytes(job, size);
    if (digest == NULL)
        return OFFHEAP_FAILED;
    if (algorithm == BLAKE2B)
        (void)crypto_generichash_final(&s->blake2b, digest, size);
    else
        (void)crypto_hash_sha256_final(&s->sha256, digest);
    if (s->is_file)
        offheap_result_integer(job, (int64_t)s->done);
    return OFFHEAP_DONE;
}

/* --- Of bytes --- */

static offheap_step_t hash_bytes(offheap_job_t *job, algorithm_t algorithm) {
    state_t *s = job->state;
    const offheap_arg_t *data = &job->arg[INPUT];
    if (!s->begun)
        begin(job, algorithm);
    s->begun = true;
    while (s->done < data->size) {
        uint64_t left = data->size - s->done;
        uint64_t bytes = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        update(s, algorithm, data->data + s->done, bytes);
        if (s->done < data->size && !offheap_go_on(job, bytes))
            return OFFHEAP_MORE;
    }
    return finish(job, algorithm);
}

static offheap_step_t blake2b(offheap_job_t *job) {
    return hash_bytes(job, BLAKE2B);
}

static offheap_step_t sha256(offheap_job_t *job) {
    return hash_bytes(job, SHA256);
}

/* --- Of files --- */

/* Not to block where a pipe has no writer, it is opened without waiting and then looked at. */
static int open_regular(const char *path) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int error_number = 0;
    if (fstat(fd, &st) != 0)
        error_number = errno;
    else if (!S_ISREG(st.st_mode))
        error_number = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
    if (error_number == 0)
        return fd;
    (void)close(fd);
    return -error_number;
}

static offheap_step_t hash_file(offheap_job_t *job, algorithm_t algorithm) {
    state_t *s = job->state;
    if (!s->begun) {
        int fd = open_regular((const char *)job->arg[INPUT].data);
        if (fd < 0)
            return offheap_fail_errno(job, -fd);
        s->fd = fd;
        s->begun = s->is_file = true;
        begin(job, algorithm);
    }
    for (;;) {
        ssize_t got = read(s->fd, s->buffer, READ_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return offheap_fail_errno(job, errno);
        if (got == 0)
            return finish(job, algorithm);
        update(s, algorithm, s->buffer, (size_t)got);
        if (!offheap_go_on(job, (uint64_t)got))
            return OFFHEAP_MORE;
    }
}

static offheap_step_t blake2b_file(offheap_job_t *job) {
    return hash_file(job, BLAKE2B);
}

static offheap_step_t sha256_file(offheap_job_t *job) {
    return hash_file(job, SHA256);
}

static void close_file(void *state) {
    state_t *s = state;
    if (s->is_file)
        (void)close(s->fd);
}

static uint64_t units_file(const offheap_job_t *job) {
    struct stat st;
    return stat((const char *)job->arg[INPUT].data, &st) == 0 && st.st_size > 0
               ? (uint64_t)st.st_size
               : 1;
}

/* --- The table --- */

#define PARAM_SIZE                                                                                 \
    {                                                                                              \
        .name = "size", .type = OFFHEAP_INTEGER, .min = crypto_generichash_BYTES_MIN,              \
        .max = crypto_generichash_BYTES_MAX, .initial = 32, .optional = true                       \
    }
#define PARAM_KEY                                                                                  \
    {                                                                                              \
        .name = "key", .type = OFFHEAP_BYTES, .min = crypto_generichash_KEYBYTES_MIN,              \
        .max = crypto_generichash_KEYBYTES_MAX, .optional = true                                   \
    }

static const offheap_param_t bytes_params[] = {
    {.name = "data", .type = OFFHEAP_BYTES}, PARAM_SIZE, PARAM_KEY};
static const offheap_param_t file_params[] = {
    {.name = "path", .type = OFFHEAP_PATH}, PARAM_SIZE, PARAM_KEY};

/* SHA-256 has the first parameter alone. */
static const offheap_job_def_t defs[] = {
    {.name = "blake2b",
     .run = blake2b,
     .state_bytes = sizeof(state_t),
     .params = bytes_params,
     .param_count = 3,
     .units = offheap_units_bytes,
     .ns_per_unit = 1},
    {.name = "sha256",
     .run = sha256,
     .state_bytes = sizeof(state_t),
     .params = bytes_params,
     .param_count = 1,
     .units = offheap_units_bytes,
     .ns_per_unit = 4},
    {.name = "blake2b_file",
     .run = blake2b_file,
     .cleanup = close_file,
     .state_bytes = sizeof(state_t) + READ_BYTES,
     .params = file_params,
     .param_count = 3,
     .units = units_file,
     .ns_per_unit = 1,
     .flags = OFFHEAP_JOB_IO},
    {.name = "sha256_file",
     .run = sha256_file,
     .cleanup = close_file,
     .state_bytes = sizeof(state_t) + READ_BYTES,
     .params = file_params,
     .param_count = 1,
     .units = units_file,
     .ns_per_unit = 4,
     .flags = OFFHEAP_JOB_IO},
};

const offheap_jobs_t oh_job_hash = {OFFHEAP_JOB_ABI, sizeof(offheap_job_def_t),
                                    sizeof defs / sizeof defs[0], defs};
