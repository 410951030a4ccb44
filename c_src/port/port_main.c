/*
 * The worker: reads requests from stdin, does them one after the other, writes replies to stdout.
 *
 *     offheap_port [--max-frame BYTES] [--stderr PATH] [--load LIBRARY]... [--memory BYTES] [--cpu SECONDS]
 *                  [--files COUNT] [--nice STEPS] [--sandbox] [--test-jobs]
 *
 * Frames are those of {packet, 4}. A frame holds one or more requests back to back, each an
 * external term {Id, Job, Args}: Id an integer of 64 bits, Job an atom. Each gets one reply {Id,
 * ok, Result} or {Id, error, Reason}, in the order of the requests; replies may share frames too.
 *
 *   unknown_job   no such job
 *   cancelled     {cancel, Id} came, in a frame of its own, before the job was done
 *   badarg        Job is no atom
 *   {badarg, Name}  the job does not take such an argument
 *   too_deep      nested beyond PORT_TERM_DEPTH_MAX
 *   bad_frame     the request is torn or followed by something that is none; what came after it in
 *                 the frame was dropped; reading goes on with the next frame
 *   enoent ...    as the file module has them
 *
 * If no id can be read from what should be a request, there is nobody to answer: exit status 3. All
 * statuses stand in port_status.h.
 */
#include <ei.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../core/oh_frame.h"
#include "../core/oh_job.h"
#include "port_cancel.h"
#include "port_guard.h"
#include "port_io.h"
#include "port_job.h"
#include "port_limits.h"
#include "port_reply.h"
#include "port_status.h"
#include "port_term.h"

#define MAX_FRAME_DEFAULT ((uint32_t)64 * 1024 * 1024)

#define VERSION_BYTE 131

typedef struct {
    uint32_t max_frame;
    bool test_jobs;
    port_limits_t limits;
} options_t;

static bool get_number(const char *text, uint64_t least, uint64_t most, uint64_t *out) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    *out = value;
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && value >= least &&
           value <= most;
}

/* An option and the number that it has. */
static bool get_option(const char *name, const char *text, options_t *options) {
    uint64_t value;
    if (strcmp(name, "--max-frame") == 0) {
        bool ok = get_number(text, 1, OH_FRAME_BODY_BYTES_MAX, &value);
        options->max_frame = (uint32_t)value;
        return ok;
    }
    if (strcmp(name, "--memory") == 0)
        return get_number(text, 1, INT64_MAX, &options->limits.memory_bytes);
    if (strcmp(name, "--cpu") == 0)
        return get_number(text, 1, INT64_MAX, &options->limits.cpu_seconds);
    if (strcmp(name, "--files") == 0)
        return get_number(text, 1, INT64_MAX, &options->limits.files);
    if (strcmp(name, "--nice") == 0) {
        bool ok = get_number(text, 0, 19, &value);
        options->limits.nice = (int)value;
        return ok;
    }
    return false;
}

/* A pipe that the VM reads, and that is never waited for. If it cannot be opened, the standard error
 * stays the VM's own. */
static void open_stderr(const char *path) {
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)dup2(fd, STDERR_FILENO);
    (void)close(fd);
}

/* A library that cannot be loaded here makes its jobs unknown, not the worker useless. */
static void load_library(const char *path) {
    const char *why;
    if (oh_job_load(path, &why) != OH_OK)
        (void)fprintf(stderr, "offheap_port: %s: %s\n", path, why);
}

static bool parse_options(int argc, char *argv[], options_t *options) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--test-jobs") == 0)
            options->test_jobs = true;
        else if (strcmp(argv[i], "--sandbox") == 0)
            options->limits.sandbox = true;
        else if (i + 1 == argc)
            return false;
        else if (strcmp(argv[i], "--stderr") == 0)
            open_stderr(argv[++i]);
        else if (strcmp(argv[i], "--load") == 0)
            load_library(argv[++i]);
        else if (get_option(argv[i], argv[i + 1], options))
            i++;
        else
            return false;
    }
    return true;
}

/* Does the request in t, which was measured. False: it is not a request with an id. */
static bool do_request(port_term_t *t, bool too_deep, bool test_jobs) {
    int arity, size = t->end - t->index;
    port_reply_t reply = {0};
    char name[PORT_TERM_ATOM_BYTES];
    if (!port_term_tuple(t, &arity) || arity != 3 || !port_term_integer(t, &reply.id))
        return false;
    if (port_cancel_is_seen(reply.id)) {
        port_reply_error(&reply, "cancelled");
        return true;
    }
    if (too_deep) {
        port_reply_error(&reply, "too_deep");
        return true;
    }
    if (!port_term_atom(t, name, sizeof name)) {
        port_reply_error(&reply, "badarg");
        return true;
    }
    port_job_run(name, t, size, test_jobs, &reply);
    return true;
}

/* All requests of a frame, or as many as can be read. */
static void do_frame(const uint8_t *body, size_t bytes, bool test_jobs) {
    int64_t cancelled;
    if (bytes == 0)
        _exit(PORT_EXIT_PROTOCOL);
    if (port_cancel_parse(body, bytes, &cancelled)) {
        port_cancel_forget(cancelled);
        return;
    }
    while (bytes > 0) {
        if (body[0] != VERSION_BYTE)
            goto protocol;
        body++;
        bytes--;
        size_t size;
        port_term_status_t status = port_term_measure(body, bytes, &size);
        if (status == PORT_TERM_TORN) {
            port_reply_t reply = {0};
            if (!port_term_torn_id(body, bytes, &reply.id))
                goto protocol;
            port_reply_error(&reply, "bad_frame");
            return;
        }
        port_term_t t = {(const char *)body, 0, (int)size};
        if (!do_request(&t, status == PORT_TERM_TOO_DEEP, test_jobs))
            goto protocol;
        body += size;
        bytes -= size;
    }
    return;
protocol:
    /* Requests before this one were done: their replies are due. */
    port_io_flush();
    _exit(PORT_EXIT_PROTOCOL);
}

int main(int argc, char *argv[]) {
    options_t options = {.max_frame = MAX_FRAME_DEFAULT};
    if (!parse_options(argc, argv, &options))
        return PORT_EXIT_USAGE;
    if (sodium_init() < 0 || !port_limits_apply(&options.limits) || !port_guard_start())
        return PORT_EXIT_SETUP;
    (void)ei_init();
    port_io_init(options.max_frame);
    for (;;) {
        const uint8_t *body;
        size_t bytes;
        port_io_read(&body, &bytes);
        do_frame(body, bytes, options.test_jobs);
    }
}
