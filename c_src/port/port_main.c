/*
 * The worker: reads requests from stdin, does them one after the other, writes replies to stdout.
 *
 *     offheap_port [--max-frame BYTES] [--stderr PATH] [--load LIBRARY]... [--memory BYTES]
 *                  [--cpu SECONDS] [--files COUNT] [--nice STEPS] [--sandbox] [--shared VM_PID]
 *                  [--test-jobs]
 *
 * Frames are those of {packet, 4}; what stands in them, port_request.h says. If a request has no id
 * that can be read, there is nobody to answer: exit status 3. All statuses stand in port_status.h.
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
#include "port_guard.h"
#include "port_io.h"
#include "port_limits.h"
#include "port_request.h"
#include "port_shared.h"
#include "port_status.h"

#define MAX_FRAME_DEFAULT ((uint32_t)64 * 1024 * 1024)

typedef struct {
    uint32_t max_frame;
    bool test_jobs;
    uint64_t vm_pid; /* 0: it shares no memory */
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
    if (strcmp(name, "--shared") == 0)
        return get_number(text, 1, INT64_MAX, &options->vm_pid);
    return false;
}

/* A pipe that the VM reads, and that is never waited for. If it cannot be opened, the standard
 * error stays the VM's own. */
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

int main(int argc, char *argv[]) {
    options_t options = {.max_frame = MAX_FRAME_DEFAULT};
    if (!parse_options(argc, argv, &options))
        return PORT_EXIT_USAGE;
    if (sodium_init() < 0 || !port_limits_apply(&options.limits) || !port_guard_start())
        return PORT_EXIT_SETUP;
    (void)ei_init();
    port_io_init(options.max_frame);
    if (options.vm_pid != 0)
        port_shared_init(options.vm_pid, options.limits.memory_bytes);
    for (;;) {
        const uint8_t *body;
        size_t bytes;
        port_io_read(&body, &bytes);
        if (!port_request_frame(body, bytes, options.test_jobs)) {
            /* Requests before this one were done: their replies are due. */
            port_io_flush();
            return PORT_EXIT_PROTOCOL;
        }
    }
}
