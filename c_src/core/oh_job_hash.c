/* Jobs: hashes (oh_hash.h) of bytes and of files. A unit is a byte. */
#include "oh_hash.h"
#include "oh_job.h"

/* Bytes between two looks at the clock: 15 to 70 us. */
#define CHUNK_BYTES 16384
/* Read at once: large enough that system calls do not show, small enough for the caches. */
#define READ_BYTES ((size_t)65536)

typedef struct {
    oh_hash_t hash; /* first: aligned to 64 bytes */
    bool begun;
    uint64_t done; /* bytes */
    /* Of files: open when begun. */
    oh_file_t file;
    uint8_t buffer[]; /* READ_BYTES of them */
} state_t;

/* The places of the arguments. SHA-256 has the first alone. */
enum { INPUT, SIZE, KEY };

static void begin(offheap_job_t *job, oh_hash_kind_t kind) {
    state_t *s = job->state;
    oh_hash_spec_t spec = {.kind = kind, .bytes = crypto_hash_sha256_BYTES};
    if (kind == OH_HASH_BLAKE2B) {
        spec.bytes = (size_t)job->arg[SIZE].integer;
        spec.key = job->arg[KEY].data;
        spec.key_bytes = job->arg[KEY].size;
    }
    /* Speaks only of wrong lengths, which the parameters exclude. */
    (void)oh_hash_init(&s->hash, &spec);
    s->begun = true;
}

static offheap_step_t finish(offheap_job_t *job) {
    state_t *s = job->state;
    uint8_t *digest = offheap_result_bytes(job, s->hash.bytes);
    if (digest == NULL)
        return OFFHEAP_FAILED;
    oh_hash_final(&s->hash, digest);
    return OFFHEAP_DONE;
}

/* --- Of bytes --- */

static offheap_step_t hash_bytes(offheap_job_t *job, oh_hash_kind_t kind) {
    state_t *s = job->state;
    const offheap_arg_t *data = &job->arg[INPUT];
    if (!s->begun)
        begin(job, kind);
    while (s->done < data->size) {
        uint64_t left = data->size - s->done;
        uint64_t bytes = left < CHUNK_BYTES ? left : CHUNK_BYTES;
        oh_hash_update(&s->hash, data->data + s->done, bytes);
        s->done += bytes;
        if (s->done < data->size && !offheap_go_on(job, bytes))
            return OFFHEAP_MORE;
    }
    return finish(job);
}

static offheap_step_t blake2b(offheap_job_t *job) {
    return hash_bytes(job, OH_HASH_BLAKE2B);
}

static offheap_step_t sha256(offheap_job_t *job) {
    return hash_bytes(job, OH_HASH_SHA256);
}

/* --- Of files: the digest and how many bytes it is of --- */

static offheap_step_t hash_file(offheap_job_t *job, oh_hash_kind_t kind) {
    state_t *s = job->state;
    int error_number;
    if (!s->begun) {
        if (oh_file_open(&s->file, (const char *)job->arg[INPUT].data, OH_FILE_READ,
                         &error_number) != OH_OK)
            return offheap_fail_errno(job, error_number);
        begin(job, kind);
    }
    for (;;) {
        uint64_t got;
        oh_status_t status = oh_hash_update_file(&s->hash, &s->file, s->done, READ_BYTES, s->buffer,
                                                 READ_BYTES, NULL, NULL, &got, &error_number);
        s->done += got;
        if (status != OH_OK)
            return offheap_fail_errno(job, error_number);
        if (got < READ_BYTES)
            break;
        if (!offheap_go_on(job, got))
            return OFFHEAP_MORE;
    }
    offheap_step_t step = finish(job);
    if (step == OFFHEAP_DONE)
        offheap_result_integer(job, (int64_t)s->done);
    return step;
}

static offheap_step_t blake2b_file(offheap_job_t *job) {
    return hash_file(job, OH_HASH_BLAKE2B);
}

static offheap_step_t sha256_file(offheap_job_t *job) {
    return hash_file(job, OH_HASH_SHA256);
}

static void close_file(void *state) {
    state_t *s = state;
    if (s->begun)
        (void)oh_file_finish(&s->file);
}

/* --- The table --- */

#define PARAM_SIZE                                                                                 \
    {                                                                                              \
        .name = "size", .type = OFFHEAP_INTEGER, .min = OH_HASH_BYTES_MIN,                         \
        .max = OH_HASH_BYTES_MAX, .initial = 32, .optional = true                                  \
    }
#define PARAM_KEY                                                                                  \
    {                                                                                              \
        .name = "key", .type = OFFHEAP_BYTES, .min = OH_HASH_KEY_BYTES_MIN,                        \
        .max = OH_HASH_KEY_BYTES_MAX, .optional = true                                             \
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
     .units = oh_job_units_file,
     .ns_per_unit = 1,
     .flags = OFFHEAP_JOB_IO},
    {.name = "sha256_file",
     .run = sha256_file,
     .cleanup = close_file,
     .state_bytes = sizeof(state_t) + READ_BYTES,
     .params = file_params,
     .param_count = 1,
     .units = oh_job_units_file,
     .ns_per_unit = 4,
     .flags = OFFHEAP_JOB_IO},
};

const offheap_jobs_t oh_job_hash = {OFFHEAP_JOB_ABI, sizeof(offheap_job_def_t),
                                    sizeof defs / sizeof defs[0], defs};
