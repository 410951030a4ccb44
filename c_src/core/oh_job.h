/*
 * oh_job: the table of jobs, and one run of a job on whatever lane.
 *
 * What a job is, c_src/include/offheap_job.h says. Here is what its hosts share, the NIF library
 * and the worker program: finding a job by name, the checks of its arguments, calling it slice by
 * slice, keeping its result, and the measurement from which the next run's cost is guessed.
 *
 * The table only grows: OH_JOBS_MAX places, written once each. Built-in jobs come first; a library
 * adds its own. A name is taken by whoever comes first.
 *
 * Call                  Threads                  Memory order               Progress
 * --------------------  -----------------------  ------------------------- ------------------------
 * find, at, count       any                      acquire (A1)               wait-free
 * add                   any, one at a time       release (R1)               a lock among adders
 * load                  any, one at a time                                  blocking (file system)
 * cost, learned         any                      relaxed                    wait-free, lock-free
 * run_*                 one at a time for a run                             as the job
 *
 * A1-R1: who sees a count sees the jobs below it.
 */
#ifndef OH_JOB_H
#define OH_JOB_H

#include "../include/offheap_job.h"
#include "oh_atomic.h"
#include "oh_common.h"

#define OH_JOBS_MAX 256

/* --- The table --- */

typedef struct {
    const offheap_job_def_t *def; /* never changes once the job is there */
    _Atomic uint64_t ps_per_unit; /* what a unit takes, in picoseconds; learned from runs */
} oh_job_t;

/* Names given out so far: jobs 0..count-1. */
uint32_t oh_job_count(void);
oh_job_t *oh_job_at(uint32_t index);
uint32_t oh_job_index(const oh_job_t *job);

/* The job's index, or OH_JOB_NONE. */
#define OH_JOB_NONE UINT32_MAX
uint32_t oh_job_find(const char *name);

/* Adds the jobs of a table; a job whose name is there already is OH_EXISTS and nothing is added.
 * OH_BADARG: the table is of another version, or a definition makes no sense. OH_LIMIT. */
oh_status_t oh_job_add(const offheap_jobs_t *jobs);

/* Opens the shared object at path, which must be absolute, and adds its jobs. It stays loaded for
 * good; a second load of the same is OH_OK. OH_NOT_FOUND: it cannot be opened, or has no jobs;
 * OH_BADARG: the path or the jobs. *why then says more, until this thread's next call of the
 * dynamic loader. */
oh_status_t oh_job_load(const char *path, const char **why);

/* For units of the built-in jobs: the size of the file whose path is the first argument, 1 if it
 * cannot be looked at. */
uint64_t oh_job_units_file(const offheap_job_t *job);

/* The built-in jobs are there from the first call on. */
extern const offheap_jobs_t oh_job_hash, oh_job_argon2id, oh_job_secretstream, oh_job_test;

/* How long so many units will take, in nanoseconds. */
uint64_t oh_job_cost_ns(oh_job_t *job, uint64_t units);

/* So many units took so long: moves the guess an eighth of the way there, less for runs of under a
 * microsecond. */
void oh_job_learned(oh_job_t *job, uint64_t units, uint64_t ns);

/* --- One run --- */

typedef enum {
    OH_RESULT_BYTES,
    OH_RESULT_INTEGER,
    OH_RESULT_FLOAT,
    OH_RESULT_ATOM
} oh_result_kind_t;

typedef struct {
    oh_result_kind_t kind;
    uint64_t size;
    union {
        uint8_t *bytes;
        int64_t integer;
        double number;
        const char *atom;
    };
} oh_result_t;

typedef struct oh_run oh_run_t;

/* What differs from host to host. */
typedef struct {
    /* Memory for a part of the result: owned by the host. NULL: none, or none that large. */
    uint8_t *(*bytes)(oh_run_t *run, uint64_t size, const char **reason);
    /* Whether the run is to stop: asked about every 100 us. NULL: never. */
    bool (*stop)(oh_run_t *run);
} oh_run_host_t;

struct oh_run {
    offheap_job_t job; /* what the job sees */
    const oh_run_host_t *host;
    const offheap_job_def_t *def;
    offheap_arg_t arg[OFFHEAP_PARAMS_MAX];
    oh_result_t result[OFFHEAP_RESULTS_MAX];
    uint32_t results;
    bool begun;            /* the job was called: it is to clean up */
    bool stopped;          /* host->stop said so */
    const char *reason;    /* why it failed; or NULL */
    uint64_t units;        /* done so far */
    uint64_t ns;           /* spent so far */
    bool state_in_room;    /* the state's memory is the caller's */
    uint64_t slice_ns;     /* 0: no end */
    uint64_t begun_ns;     /* of the slice; 0: its clock has not been looked at */
    uint64_t slice_end_ns; /* UINT64_MAX: no end */
    uint64_t next_stop_ns;
};

/* A run, without arguments and without memory for its state. */
void oh_run_init(oh_run_t *run, const oh_run_host_t *host, const offheap_job_def_t *def);

/* Completes the arguments, of which the host has set data, size, integer, number and given: those
 * not given get their initial values. The index of the first that is missing or out of bounds, or
 * OH_RUN_ARGS_OK. */
#define OH_RUN_ARGS_OK UINT32_MAX
uint32_t oh_run_check_args(oh_run_t *run);

/* What it will have to do. */
uint64_t oh_run_units(const oh_run_t *run);

/* Calls the job once, for slice_ns at the most (0: to the end). OFFHEAP_MORE: call again, unless
 * run->stopped. OFFHEAP_FAILED: run->reason says why. If it is not timed, the clock is looked at
 * only when the job asks whether to go on: for what is short by the guess. */
offheap_step_t oh_run_slice(oh_run_t *run, uint64_t slice_ns, bool timed);

/* Gets the memory for the job's state, in room, aligned to 64, if it fits there; false when there
 * is none. Before the first slice. */
bool oh_run_make_state(oh_run_t *run, void *room, size_t room_bytes);

/* Moves the state out of room, for the run to outlive it; false when memory is out. */
bool oh_run_keep_state(oh_run_t *run);

/* Ends the run: the job gives back what it owns, if it was called, and the state's memory goes.
 * Once, whatever happened. */
void oh_run_end(oh_run_t *run);

#endif
