/*
 * offheap_job: a piece of work in C, written once, that runs on any lane of Offheap.Jobs.
 *
 * A job is a function that is called again and again until it says that it is done. Between two
 * calls it may be on another thread. The same function runs
 *
 *   inline    on a normal scheduler, in the caller, when it takes less than about 50 us
 *   yielding  on a normal scheduler, a fraction of a millisecond at a time
 *   dirty     on a dirty scheduler, in one go; stopped when the caller is gone
 *   port      in a worker process of the operating system, in one go; can be cancelled, and killed
 *
 * and need not know which. A library of jobs is a shared object that exports `offheap_jobs`; it
 * includes this header and links nothing of Offheap, Erlang or ei:
 *
 *     #include <offheap_job.h>
 *
 *     typedef struct { uint64_t at, ones; } state_t;
 *
 *     static offheap_step_t count_ones(offheap_job_t *job) {
 *         const offheap_arg_t *data = &job->arg[0];
 *         state_t *s = job->state;
 *         while (s->at < data->size) {
 *             uint64_t end = data->size - s->at < 4096 ? data->size : s->at + 4096;
 *             uint64_t from = s->at;
 *             for (; s->at < end; s->at++)
 *                 s->ones += (uint64_t)__builtin_popcount(data->data[s->at]);
 *             if (!offheap_go_on(job, end - from))
 *                 return OFFHEAP_MORE;
 *         }
 *         offheap_result_integer(job, (int64_t)s->ones);
 *         return OFFHEAP_DONE;
 *     }
 *
 *     static const offheap_param_t params[] = {{.name = "data", .type = OFFHEAP_BYTES}};
 *
 *     static const offheap_job_def_t jobs[] = {{
 *         .name = "count_ones", .run = count_ones, .state_bytes = sizeof(state_t),
 *         .params = params, .param_count = 1, .units = offheap_units_bytes, .ns_per_unit = 1,
 *     }};
 *
 *     OFFHEAP_JOBS(jobs)
 *
 * Rules. A job keeps what it needs between calls in job->state, which may have been moved by then:
 * no pointers from it into it. It does not change its arguments, does not hold a lock or
 * thread-local state from one call to the next, and does not block for long but where it waits for
 * files (then it says OFFHEAP_JOB_IO). It calls offheap_go_on about every 10 to 50 us and returns
 * OFFHEAP_MORE as soon as that says false. It may never be called again after that: whatever it
 * owns besides its state is given back by cleanup, which is always called, once, after the last
 * call of run, on any thread.
 *
 * What runs inline, yielding or dirty is in the VM's process: a crash takes the VM. Jobs that are
 * not trusted run on the port lane alone (OFFHEAP_JOB_PORT_ONLY).
 */
#ifndef OFFHEAP_JOB_H
#define OFFHEAP_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A library made for another version is not loaded. */
#define OFFHEAP_JOB_ABI 1

/* The most parameters a job may have, and parts of its result. */
#define OFFHEAP_PARAMS_MAX  8
#define OFFHEAP_RESULTS_MAX 8

typedef enum {
    OFFHEAP_BYTES,   /* a binary, iodata or a buffer: data, size */
    OFFHEAP_PATH,    /* the same with a zero after the last byte, and none before */
    OFFHEAP_INTEGER, /* integer, min..max */
    OFFHEAP_FLOAT,   /* a float or an integer: number, always finite */
    OFFHEAP_BOOLEAN  /* integer, 0 or 1 */
} offheap_type_t;

/* A parameter. One that is optional and was not given has given == false and the initial value in
 * integer or number, no bytes. */
typedef struct {
    const char *name; /* as the caller writes it, and as errors say it */
    int64_t min, max; /* of an INTEGER; of the size of BYTES and PATH; 0, 0: no bounds */
    int64_t initial;  /* if it is optional */
    offheap_type_t type;
    bool optional;
} offheap_param_t;

typedef struct {
    const uint8_t *data;
    uint64_t size;
    int64_t integer;
    double number;
    bool given;
} offheap_arg_t;

typedef enum {
    OFFHEAP_DONE,  /* the result is what was said by offheap_result_..., or ok */
    OFFHEAP_MORE,  /* call again; only after offheap_go_on said false */
    OFFHEAP_FAILED /* the reason is what was said by offheap_fail... */
} offheap_step_t;

typedef struct offheap_job offheap_job_t;

/* What whoever runs the job does for it. */
typedef struct {
    bool (*go_on)(offheap_job_t *job, uint64_t units);
    uint8_t *(*result_bytes)(offheap_job_t *job, uint64_t size);
    void (*result_shrink)(offheap_job_t *job, uint64_t size);
    void (*result_integer)(offheap_job_t *job, int64_t value);
    void (*result_float)(offheap_job_t *job, double value);
    void (*result_atom)(offheap_job_t *job, const char *name);
    void (*fail)(offheap_job_t *job, const char *reason);
    void (*fail_errno)(offheap_job_t *job, int error_number);
} offheap_host_t;

/* One run of a job. */
struct offheap_job {
    const offheap_host_t *host;
    const offheap_arg_t
        *arg;    /* by the order of params; the pointers may differ from call to call */
    void *state; /* state_bytes, aligned to 64, zero before the first call; NULL if 0. May move */
};

enum {
    OFFHEAP_JOB_IO = 1,        /* waits for files: dirty means a dirty IO scheduler; never inline */
    OFFHEAP_JOB_WHOLE = 2,     /* cannot be cut: never yielding, cannot be stopped while dirty */
    OFFHEAP_JOB_PORT_ONLY = 4, /* only in a worker process */
    OFFHEAP_JOB_TEST = 8       /* only where tests have asked for such jobs */
};

typedef struct {
    const char *name; /* an atom: up to 255 letters, digits, underscores */
    offheap_step_t (*run)(offheap_job_t *job);
    void (*cleanup)(void *state);                /* NULL: nothing to give back */
    uint64_t (*units)(const offheap_job_t *job); /* the work to do, before the first run; NULL: 1.
                                                     With OFFHEAP_JOB_IO it may look at files. */
    const offheap_param_t *params;
    size_t state_bytes;
    uint32_t param_count;
    uint32_t ns_per_unit; /* a first guess; what runs corrects it */
    uint32_t flags;       /* OFFHEAP_JOB_... */
} offheap_job_def_t;

/* What a library exports. */
typedef struct {
    uint32_t abi;      /* OFFHEAP_JOB_ABI */
    uint32_t def_size; /* sizeof(offheap_job_def_t) */
    uint32_t count;
    const offheap_job_def_t *defs;
} offheap_jobs_t;

#define OFFHEAP_JOBS(table)                                                                        \
    __attribute__((visibility("default"))) extern const offheap_jobs_t offheap_jobs;               \
    const offheap_jobs_t offheap_jobs = {OFFHEAP_JOB_ABI, sizeof(offheap_job_def_t),               \
                                         sizeof(table) / sizeof((table)[0]), table};

/* --- For the job to call --- */

/* Says that units of work were done since the last call. False: return OFFHEAP_MORE now. */
static inline bool offheap_go_on(offheap_job_t *job, uint64_t units) {
    return job->host->go_on(job, units);
}

/* A part of the result: a binary of size bytes, for the job to fill in before it is done. NULL when
 * memory is out, or the buffer that was given for the result is too small: the failure is noted,
 * return OFFHEAP_FAILED. The bytes may have been moved by the next call of run. Several parts make
 * a tuple. */
static inline uint8_t *offheap_result_bytes(offheap_job_t *job, uint64_t size) {
    return job->host->result_bytes(job, size);
}
/* Cuts the last part, which must be bytes, to its first size bytes. */
static inline void offheap_result_shrink(offheap_job_t *job, uint64_t size) {
    job->host->result_shrink(job, size);
}
static inline void offheap_result_integer(offheap_job_t *job, int64_t value) {
    job->host->result_integer(job, value);
}
/* A value that is not finite becomes the atom nan, infinity or negative_infinity. */
static inline void offheap_result_float(offheap_job_t *job, double value) {
    job->host->result_float(job, value);
}
/* name: a constant of up to 255 characters. */
static inline void offheap_result_atom(offheap_job_t *job, const char *name) {
    job->host->result_atom(job, name);
}

/* Notes why the job fails: {error, Reason} with a constant for an atom, or with the atom for an
 * errno that the file module has. Ends nothing by itself. */
static inline offheap_step_t offheap_fail(offheap_job_t *job, const char *reason) {
    job->host->fail(job, reason);
    return OFFHEAP_FAILED;
}
static inline offheap_step_t offheap_fail_errno(offheap_job_t *job, int error_number) {
    job->host->fail_errno(job, error_number);
    return OFFHEAP_FAILED;
}

/* For units: the size of the first argument. */
static inline uint64_t offheap_units_bytes(const offheap_job_t *job) {
    return job->arg[0].size;
}

#endif
