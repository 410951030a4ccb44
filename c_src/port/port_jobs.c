#include "port_jobs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../core/oh_alloc.h"
#include "../core/oh_errno.h"
#include "../core/oh_hash.h"

/* echo: Binary -> the same */
static void job_echo(port_term_t *args, port_reply_t *reply) {
    const uint8_t *data;
    size_t bytes;
    if (port_term_binary(args, &data, &bytes))
        port_reply_binary(reply, data, bytes);
}

/* blake2b: Binary -> digest of 32 bytes */
static void job_blake2b(port_term_t *args, port_reply_t *reply) {
    const uint8_t *data;
    size_t bytes;
    if (!port_term_binary(args, &data, &bytes))
        return;
    uint8_t digest[OH_HASH_BYTES];
    oh_hash_bytes(data, bytes, digest);
    port_reply_binary(reply, digest, sizeof digest);
}

/* A path as a C string, owned by the caller; NULL after replying with why not. */
static char *take_path(port_term_t *args, port_reply_t *reply) {
    const uint8_t *data;
    size_t bytes;
    if (!port_term_binary(args, &data, &bytes) || memchr(data, 0, bytes) != NULL)
        return NULL;
    char *path = oh_alloc(bytes + 1);
    if (path == NULL) {
        port_reply_error(reply, "enomem");
        return NULL;
    }
    memcpy(path, data, bytes);
    path[bytes] = '\0';
    return path;
}

/* blake2b_file: path, a binary -> {digest, bytes read} */
static void job_blake2b_file(port_term_t *args, port_reply_t *reply) {
    char *path = take_path(args, reply);
    if (path == NULL)
        return;
    uint8_t digest[OH_HASH_BYTES];
    uint64_t bytes;
    int error_number = 0;
    oh_status_t status = oh_hash_file(path, NULL, NULL, digest, &bytes, &error_number);
    if (status == OH_OK)
        port_reply_binary_size(reply, digest, sizeof digest, bytes);
    else
        port_reply_error(reply, status == OH_ENOMEM ? "enomem" : oh_errno_name(error_number));
    oh_free(path);
}

/* --- For tests --- */

static void job_crash(port_term_t *args, port_reply_t *reply) {
    (void)args;
    (void)reply;
    abort();
}

static void job_hang(port_term_t *args, port_reply_t *reply) {
    (void)args;
    (void)reply;
    for (;;)
        pause();
}

/* sleep: milliseconds -> ok */
static void job_sleep(port_term_t *args, port_reply_t *reply) {
    int64_t ms;
    if (!port_term_integer(args, &ms) || ms < 0 || ms > 3600 * 1000)
        return;
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
    port_reply_ok(reply);
}

static const port_job_t jobs[] = {
    {"echo", job_echo, .slow = false, .test = false},
    {"blake2b", job_blake2b, .slow = false, .test = false},
    {"blake2b_file", job_blake2b_file, .slow = true, .test = false},
    {"crash", job_crash, .slow = true, .test = true},
    {"hang", job_hang, .slow = true, .test = true},
    {"sleep", job_sleep, .slow = true, .test = true},
};

const port_job_t *port_job_find(const char *name, bool test_jobs) {
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++)
        if (strcmp(jobs[i].name, name) == 0)
            return jobs[i].test && !test_jobs ? NULL : &jobs[i];
    return NULL;
}
