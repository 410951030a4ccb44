/* Jobs: echo, for measuring; and those that go wrong on purpose, for tests. */
#include "oh_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* echo: the same bytes */
static offheap_step_t echo(offheap_job_t *job) {
    const offheap_arg_t *data = &job->arg[0];
    uint8_t *out = offheap_result_bytes(job, data->size);
    if (out == NULL)
        return OFFHEAP_FAILED;
    if (data->size > 0)
        memcpy(out, data->data, data->size);
    return OFFHEAP_DONE;
}

/* parts: the size of the bytes, then the bytes */
static offheap_step_t parts(offheap_job_t *job) {
    offheap_result_integer(job, (int64_t)job->arg[0].size);
    return echo(job);
}

static offheap_step_t crash(offheap_job_t *job) {
    (void)job;
    abort();
}

/* Neither ends nor asks. */
static offheap_step_t hang(offheap_job_t *job) {
    volatile bool forever = true;
    while (forever)
        pause();
    (void)job;
    return OFFHEAP_DONE;
}

/* spin: computes for so many milliseconds, and asks every 20 us or so. */
typedef struct {
    uint64_t done_us;
} spin_t;

static offheap_step_t spin(offheap_job_t *job) {
    spin_t *s = job->state;
    uint64_t end_us = (uint64_t)job->arg[0].integer * 1000;
    while (s->done_us < end_us) {
        struct timespec from, now;
        clock_gettime(CLOCK_MONOTONIC, &from);
        do
            clock_gettime(CLOCK_MONOTONIC, &now);
        while ((now.tv_sec - from.tv_sec) * 1000000000 + now.tv_nsec - from.tv_nsec < 20000);
        s->done_us += 20;
        if (!offheap_go_on(job, 20))
            return OFFHEAP_MORE;
    }
    return OFFHEAP_DONE;
}

static uint64_t spin_units(const offheap_job_t *job) {
    return (uint64_t)job->arg[0].integer * 1000;
}

/* sleep: does nothing for so many milliseconds, and never asks. */
static offheap_step_t sleep_ms(offheap_job_t *job) {
    int64_t ms = job->arg[0].integer;
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
    return OFFHEAP_DONE;
}

/* complain: writes its text to the standard error */
static offheap_step_t complain(offheap_job_t *job) {
    const offheap_arg_t *text = &job->arg[0];
    ssize_t put = write(STDERR_FILENO, text->data, text->size);
    offheap_result_integer(job, put);
    return OFFHEAP_DONE;
}

/* probe: what the process may do and has: {true or false, true or false, niceness}: may it start a
 * program, may it make a socket? */
static offheap_step_t probe(offheap_job_t *job) {
    char *const argv[] = {"/no/such/program", NULL};
    (void)execv(argv[0], argv);
    offheap_result_atom(job, errno == EPERM ? "false" : "true");
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    offheap_result_atom(job, fd >= 0 ? "true" : "false");
    if (fd >= 0)
        (void)close(fd);
    offheap_result_integer(job, getpriority(PRIO_PROCESS, 0));
    return OFFHEAP_DONE;
}

/* burn: computes for ever, and never asks. */
static offheap_step_t burn(offheap_job_t *job) {
    volatile bool forever = true;
    while (forever)
        continue;
    (void)job;
    return OFFHEAP_DONE;
}

/* eat: takes memory, a MiB at a time, and uses it; gives it back by cleanup. */
#define EAT_BYTES ((size_t)1 << 20)

typedef struct eaten {
    struct eaten *next;
} eaten_t;

typedef struct {
    eaten_t *eaten;
    int64_t mib;
} eat_t;

static offheap_step_t eat(offheap_job_t *job) {
    eat_t *s = job->state;
    while (s->mib < job->arg[0].integer) {
        eaten_t *more = malloc(EAT_BYTES);
        if (more == NULL)
            return offheap_fail(job, "enomem");
        memset(more, 1, EAT_BYTES);
        more->next = s->eaten;
        s->eaten = more;
        s->mib++;
        if (!offheap_go_on(job, 1))
            return OFFHEAP_MORE;
    }
    offheap_result_integer(job, s->mib);
    return OFFHEAP_DONE;
}

static void give_back(void *state) {
    eat_t *s = state;
    while (s->eaten != NULL) {
        eaten_t *next = s->eaten->next;
        free(s->eaten);
        s->eaten = next;
    }
}

static const offheap_param_t echo_params[] = {{.name = "data", .type = OFFHEAP_BYTES}};
static const offheap_param_t ms_params[] = {
    {.name = "ms", .type = OFFHEAP_INTEGER, .min = 0, .max = 3600000}};
static const offheap_param_t eat_params[] = {
    {.name = "mib", .type = OFFHEAP_INTEGER, .min = 0, .max = 1 << 20}};

static const offheap_job_def_t defs[] = {
    {.name = "echo",
     .run = echo,
     .params = echo_params,
     .param_count = 1,
     .units = offheap_units_bytes,
     .ns_per_unit = 1},
    {.name = "parts",
     .run = parts,
     .params = echo_params,
     .param_count = 1,
     .units = offheap_units_bytes,
     .ns_per_unit = 1,
     .flags = OFFHEAP_JOB_TEST},
    {.name = "crash", .run = crash, .flags = OFFHEAP_JOB_TEST | OFFHEAP_JOB_PORT_ONLY},
    {.name = "hang", .run = hang, .flags = OFFHEAP_JOB_TEST | OFFHEAP_JOB_PORT_ONLY},
    {.name = "burn", .run = burn, .flags = OFFHEAP_JOB_TEST | OFFHEAP_JOB_PORT_ONLY},
    {.name = "probe", .run = probe, .flags = OFFHEAP_JOB_TEST | OFFHEAP_JOB_PORT_ONLY},
    {.name = "complain",
     .run = complain,
     .params = echo_params,
     .param_count = 1,
     .flags = OFFHEAP_JOB_TEST | OFFHEAP_JOB_PORT_ONLY},
    {.name = "sleep",
     .run = sleep_ms,
     .params = ms_params,
     .param_count = 1,
     .ns_per_unit = 1000000,
     .flags = OFFHEAP_JOB_TEST | OFFHEAP_JOB_WHOLE},
    {.name = "spin",
     .run = spin,
     .state_bytes = sizeof(spin_t),
     .params = ms_params,
     .param_count = 1,
     .units = spin_units,
     .ns_per_unit = 1000,
     .flags = OFFHEAP_JOB_TEST},
    {.name = "eat",
     .run = eat,
     .cleanup = give_back,
     .state_bytes = sizeof(eat_t),
     .params = eat_params,
     .param_count = 1,
     .ns_per_unit = 300000,
     .flags = OFFHEAP_JOB_TEST},
};

const offheap_jobs_t oh_job_test = {OFFHEAP_JOB_ABI, sizeof(offheap_job_def_t),
                                    sizeof defs / sizeof defs[0], defs};
