/*
 * Jobs: encryption and decryption of a file by libsodium's secretstream (XChaCha20-Poly1305). A
 * unit is a byte.
 *
 * The encrypted file is the stream's header of 24 bytes, then messages of up to 64 KiB, each 17
 * bytes longer than its text; the last one is tagged final, so that a cut file is found out. The
 * output is written beside its place under a name of its own and moved there when it is complete;
 * a run that fails or is stopped leaves nothing.
 */
#include "oh_file.h"
#include "oh_job.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oh_atomic.h"

#define TEXT_BYTES   ((size_t)65536)
#define CIPHER_BYTES (TEXT_BYTES + crypto_secretstream_xchacha20poly1305_ABYTES)
#define HEADER_BYTES crypto_secretstream_xchacha20poly1305_HEADERBYTES
#define TAG_FINAL    crypto_secretstream_xchacha20poly1305_TAG_FINAL
/* A path, and what is put behind it while it is being written. */
#define PATH_BYTES   4096
#define SUFFIX_BYTES 48

enum { FROM, TO, KEY };

typedef struct {
    crypto_secretstream_xchacha20poly1305_state stream;
    oh_file_t from;
    int to;
    bool begun;                           /* from and to are open */
    uint64_t read_bytes, text_bytes;      /* so far */
    char path[PATH_BYTES + SUFFIX_BYTES]; /* of the output while it is not complete; else "" */
    uint8_t in[CIPHER_BYTES], out[CIPHER_BYTES];
} state_t;

/* --- Files --- */

/* Reads the next bytes of the source, or what there is of them, into in: how many; -errno. */
static ssize_t read_next(state_t *s, size_t bytes) {
    struct iovec iov = {.iov_base = s->in, .iov_len = bytes};
    uint64_t done;
    int error_number;
    if (oh_file_readv(&s->from, s->read_bytes, &iov, 1, false, &done, &error_number) != OH_OK)
        return -error_number;
    s->read_bytes += done;
    return (ssize_t)done;
}

static int write_all(int fd, const uint8_t *from, size_t bytes) {
    while (bytes > 0) {
        ssize_t put = write(fd, from, bytes);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put == 0 ? EIO : errno;
        from += put;
        bytes -= (size_t)put;
    }
    return 0;
}

/* Opens both files: 0 or an errno. Nobody else may read the output before it has its place. */
static int open_files(offheap_job_t *job) {
    static _Atomic uint64_t serial;
    state_t *s = job->state;
    int error_number;
    if (job->arg[TO].size >= PATH_BYTES)
        return ENAMETOOLONG;
    if (oh_file_open(&s->from, (const char *)job->arg[FROM].data, OH_FILE_READ, &error_number) !=
        OH_OK)
        return error_number;
    (void)snprintf(s->path, sizeof s->path, "%s.%ld.%llu.part", (const char *)job->arg[TO].data,
                   (long)getpid(), (unsigned long long)oh_fetch_add_relaxed(&serial, 1));
    s->to = open(s->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (s->to >= 0) {
        s->begun = true;
        return 0;
    }
    error_number = errno;
    s->path[0] = '\0';
    (void)oh_file_finish(&s->from);
    return error_number;
}

/* Gives the output its place; 0 or an errno. */
static int publish(offheap_job_t *job) {
    state_t *s = job->state;
    struct stat st;
    if (fstat(s->from.fd, &st) != 0 || fchmod(s->to, st.st_mode & 0777) != 0 || fsync(s->to) != 0 ||
        rename(s->path, (const char *)job->arg[TO].data) != 0)
        return errno;
    s->path[0] = '\0';
    return 0;
}

static void cleanup(void *state) {
    state_t *s = state;
    if (s->path[0] != '\0')
        (void)unlink(s->path);
    if (s->begun) {
        (void)oh_file_finish(&s->from);
        (void)close(s->to);
    }
    sodium_memzero(s, sizeof *s);
}

static offheap_step_t finish(offheap_job_t *job) {
    state_t *s = job->state;
    int error_number = publish(job);
    if (error_number != 0)
        return offheap_fail_errno(job, error_number);
    offheap_result_integer(job, (int64_t)s->text_bytes);
    return OFFHEAP_DONE;
}

/* --- The jobs: {ok, Bytes}, the number of bytes of text --- */

static offheap_step_t encrypt_file(offheap_job_t *job) {
    state_t *s = job->state;
    int error_number = 0;
    if (!s->begun) {
        error_number = open_files(job);
        if (error_number != 0)
            return offheap_fail_errno(job, error_number);
        (void)crypto_secretstream_xchacha20poly1305_init_push(&s->stream, s->out,
                                                              job->arg[KEY].data);
        error_number = write_all(s->to, s->out, HEADER_BYTES);
    }
    while (error_number == 0) {
        ssize_t got = read_next(s, TEXT_BYTES);
        if (got < 0)
            return offheap_fail_errno(job, (int)-got);
        bool is_last = (size_t)got < TEXT_BYTES;
        (void)crypto_secretstream_xchacha20poly1305_push(&s->stream, s->out, NULL, s->in,
                                                         (unsigned long long)got, NULL, 0,
                                                         is_last ? TAG_FINAL : 0);
        error_number =
            write_all(s->to, s->out, (size_t)got + crypto_secretstream_xchacha20poly1305_ABYTES);
        s->text_bytes += (uint64_t)got;
        if (error_number == 0 && is_last)
            return finish(job);
        if (error_number == 0 && !offheap_go_on(job, (uint64_t)got))
            return OFFHEAP_MORE;
    }
    return offheap_fail_errno(job, error_number);
}

/* Reads the header; false: there is none. */
static bool begin_decrypt(offheap_job_t *job) {
    state_t *s = job->state;
    return read_next(s, HEADER_BYTES) == HEADER_BYTES &&
           crypto_secretstream_xchacha20poly1305_init_pull(&s->stream, s->in, job->arg[KEY].data) ==
               0;
}

static offheap_step_t decrypt_file(offheap_job_t *job) {
    state_t *s = job->state;
    if (!s->begun) {
        int error_number = open_files(job);
        if (error_number != 0)
            return offheap_fail_errno(job, error_number);
        if (!begin_decrypt(job))
            return offheap_fail(job, "bad_message");
    }
    for (;;) {
        ssize_t got = read_next(s, CIPHER_BYTES);
        unsigned long long bytes;
        unsigned char tag;
        if (got < 0)
            return offheap_fail_errno(job, (int)-got);
        /* Forged, made with another key, or cut: libsodium refuses what is too short. */
        if (crypto_secretstream_xchacha20poly1305_pull(&s->stream, s->out, &bytes, &tag, s->in,
                                                       (unsigned long long)got, NULL, 0) != 0)
            return offheap_fail(job, "bad_message");
        int error_number = write_all(s->to, s->out, bytes);
        if (error_number != 0)
            return offheap_fail_errno(job, error_number);
        s->text_bytes += bytes;
        if (tag == TAG_FINAL) {
            /* Nothing may come after it. */
            return read_next(s, 1) == 0 ? finish(job) : offheap_fail(job, "bad_message");
        }
        if (!offheap_go_on(job, bytes))
            return OFFHEAP_MORE;
    }
}

static const offheap_param_t params[] = {
    {.name = "from", .type = OFFHEAP_PATH},
    {.name = "to", .type = OFFHEAP_PATH},
    {.name = "key",
     .type = OFFHEAP_BYTES,
     .min = crypto_secretstream_xchacha20poly1305_KEYBYTES,
     .max = crypto_secretstream_xchacha20poly1305_KEYBYTES},
};

static const offheap_job_def_t defs[] = {
    {.name = "encrypt_file",
     .run = encrypt_file,
     .cleanup = cleanup,
     .state_bytes = sizeof(state_t),
     .params = params,
     .param_count = 3,
     .units = oh_job_units_file,
     .ns_per_unit = 2,
     .flags = OFFHEAP_JOB_IO},
    {.name = "decrypt_file",
     .run = decrypt_file,
     .cleanup = cleanup,
     .state_bytes = sizeof(state_t),
     .params = params,
     .param_count = 3,
     .units = oh_job_units_file,
     .ns_per_unit = 2,
     .flags = OFFHEAP_JOB_IO},
};

const offheap_jobs_t oh_job_secretstream = {OFFHEAP_JOB_ABI, sizeof(offheap_job_def_t),
                                            sizeof defs / sizeof defs[0], defs};
