/*
 * The worker: reads requests from stdin, does them one after the other, writes replies to stdout.
 *
 *     offheap_port [--max-frame BYTES] [--test-jobs] [--load LIBRARY]...
 *
 * Frames are those of {packet, 4}. A frame holds one or more requests back to back, each an
 * external term {Id, Job, Args}: Id an integer of 64 bits, Job an atom. Each gets one reply {Id,
 * ok, Result} or {Id, error, Reason}, in the order of the requests; replies may share frames too.
 *
 *   unknown_job   no such job
 *   badarg        Job is no atom
 *   {badarg, Name}  the job does not take such an argument
 *   too_deep      nested beyond PORT_TERM_DEPTH_MAX
 *   bad_frame     the request is torn or followed by something that is none; what came after it in
 * the frame was dropped. Reading goes on with the next frame. enoent ...    as the file module has
 * them
 *
 * If no id can be read from what should be a request, there is nobody to answer: exit status 3. All
 * statuses stand in port_status.h.
 */
#include <ei.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../core/oh_frame.h"
#include "../core/oh_job.h"
#include "port_guard.h"
#include "port_io.h"
#include "port_job.h"
#include "port_reply.h"
#include "port_status.h"
#include "port_term.h"

#define MAX_FRAME_DEFAULT ((uint32_t)64 * 1024 * 1024)

#define VERSION_BYTE 131

typedef struct {
    uint32_t max_frame;
    bool test_jobs;
} options_t;

static bool parse_options(int argc, char *argv[], options_t *options) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--test-jobs") == 0) {
            options->test_jobs = true;
        } else if (strcmp(argv[i], "--max-frame") == 0 && i + 1 < argc) {
            char *end;
            errno = 0;
            unsigned long bytes = strtoul(argv[++i], &end, 10);
            if (errno != 0 || *end != '\0' || bytes == 0 || bytes > OH_FRAME_BODY_BYTES_MAX)
                return false;
            options->max_frame = (uint32_t)bytes;
        } else if (strcmp(argv[i], "--load") == 0 && i + 1 < argc) {
            /* A library that cannot be loaded here makes its jobs unknown, not the worker useless. */
            const char *why;
            if (oh_job_load(argv[++i], &why) != OH_OK)
                (void)fprintf(stderr, "offheap_port: %s: %s\n", argv[i], why);
        } else {
            return false;
        }
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
    if (bytes == 0)
        _exit(PORT_EXIT_PROTOCOL);
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
    options_t options = {.max_frame = MAX_FRAME_DEFAULT, .test_jobs = false};
    if (!parse_options(argc, argv, &options))
        return PORT_EXIT_USAGE;
    if (!port_guard_start() || sodium_init() < 0)
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
