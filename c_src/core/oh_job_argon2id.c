/* Jobs: Argon2id (RFC 9106) of passwords, hashing and verifying, by libsodium. A unit is a pass
 * over a KiB of memory. libsodium does one hash in one go, so these cannot be cut. */
#include "oh_job.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { PASSWORD, OPSLIMIT, MEMLIMIT };

static uint64_t hash_units(const offheap_job_t *job) {
    return (uint64_t)job->arg[OPSLIMIT].integer * (uint64_t)job->arg[MEMLIMIT].integer / 1024;
}

/* -> the hash as a string that holds all that verifying needs: "$argon2id$v=19$m=..." */
static offheap_step_t hash(offheap_job_t *job) {
    const offheap_arg_t *password = &job->arg[PASSWORD];
    uint8_t *out = offheap_result_bytes(job, crypto_pwhash_argon2id_STRBYTES);
    if (out == NULL)
        return OFFHEAP_FAILED;
    /* Fails only for want of memory. */
    if (crypto_pwhash_argon2id_str((char *)out, (const char *)password->data, password->size,
                                   (unsigned long long)job->arg[OPSLIMIT].integer,
                                   (size_t)job->arg[MEMLIMIT].integer) != 0)
        return offheap_fail(job, "enomem");
    offheap_result_shrink(job, strnlen((char *)out, crypto_pwhash_argon2id_STRBYTES));
    return OFFHEAP_DONE;
}

/* The memory in KiB and the passes that a hash says it was made with. */
static bool get_costs(const offheap_arg_t *hash, unsigned *memory_kib, unsigned *passes) {
    char text[crypto_pwhash_argon2id_STRBYTES];
    if (hash->size >= sizeof text)
        return false;
    memcpy(text, hash->data, hash->size);
    text[hash->size] = '\0';
    return sscanf(text, "$argon2id$v=19$m=%u,t=%u,", memory_kib, passes) == 2;
}

static uint64_t verify_units(const offheap_job_t *job) {
    unsigned memory_kib, passes;
    return get_costs(&job->arg[1], &memory_kib, &passes) ? (uint64_t)memory_kib * passes : 1;
}

/* -> true or false */
static offheap_step_t verify(offheap_job_t *job) {
    const offheap_arg_t *password = &job->arg[PASSWORD];
    char text[crypto_pwhash_argon2id_STRBYTES] = {0};
    unsigned memory_kib, passes;
    if (!get_costs(&job->arg[1], &memory_kib, &passes))
        return offheap_fail(job, "bad_hash");
    memcpy(text, job->arg[1].data, job->arg[1].size);
    errno = 0;
    bool is_right =
        crypto_pwhash_argon2id_str_verify(text, (const char *)password->data, password->size) == 0;
    if (!is_right && errno == ENOMEM)
        return offheap_fail(job, "enomem");
    offheap_result_atom(job, is_right ? "true" : "false");
    return OFFHEAP_DONE;
}

static const offheap_param_t hash_params[] = {
    {.name = "password", .type = OFFHEAP_BYTES, .min = 0, .max = UINT32_MAX},
    {.name = "opslimit",
     .type = OFFHEAP_INTEGER,
     .min = crypto_pwhash_argon2id_OPSLIMIT_MIN,
     .max = UINT32_MAX,
     .initial = crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE,
     .optional = true},
    {.name = "memlimit",
     .type = OFFHEAP_INTEGER,
     .min = crypto_pwhash_argon2id_MEMLIMIT_MIN,
     .max = (int64_t)1 << 41,
     .initial = crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE,
     .optional = true},
};

static const offheap_param_t verify_params[] = {
    {.name = "password", .type = OFFHEAP_BYTES, .min = 0, .max = UINT32_MAX},
    {.name = "hash", .type = OFFHEAP_BYTES, .min = 1, .max = crypto_pwhash_argon2id_STRBYTES - 1},
};

static const offheap_job_def_t defs[] = {
    {.name = "argon2id",
     .run = hash,
     .params = hash_params,
     .param_count = 3,
     .units = hash_units,
     .ns_per_unit = 370,
     .flags = OFFHEAP_JOB_WHOLE},
    {.name = "argon2id_verify",
     .run = verify,
     .params = verify_params,
     .param_count = 2,
     .units = verify_units,
     .ns_per_unit = 370,
     .flags = OFFHEAP_JOB_WHOLE},
};

const offheap_jobs_t oh_job_argon2id = {OFFHEAP_JOB_ABI, sizeof(offheap_job_def_t),
                                        sizeof defs / sizeof defs[0], defs};
