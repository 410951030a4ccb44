/*
 * nif_job: what the files of the jobs' glue share: one run of a job in the VM.
 *
 * A run that is done in one call stands on the stack. One that yields is moved into a resource,
 * whose destructor ends it when the caller died. Terms are looked at anew in each call, since a
 * garbage collection between two calls may move them; buffers stay entered until the run ends, and
 * their handles referred to.
 */
#ifndef NIF_JOB_H
#define NIF_JOB_H

#include "nif.h"
#include "nif_buffer.h"

#include "../core/oh_job.h"

/* Parts of a result up to this size become binaries on the caller's heap. */
#define NIF_JOB_SMALL_BYTES 64
#define NIF_JOB_NO_PART     UINT32_MAX

/* Where a run is counted as under way. */
typedef enum {
    LANE_NONE, /* it is not: a run that is done in one short call */
    LANE_YIELDING,
    LANE_DIRTY_CPU,
    LANE_DIRTY_IO,
    LANE_COUNT
} nif_lane_t;

typedef struct {
    oh_run_t run;
    oh_job_t *job; /* NULL once it was ended */
    nif_lane_t lane;
    uint64_t units;   /* as estimated before the first call */
    ErlNifEnv *env;   /* of the call under way */
    nif_lease_t into; /* entered to extend; handle NULL: none */
    uint64_t into_offset;
    uint32_t into_part;                       /* that stands there; NIF_JOB_NO_PART: none yet */
    nif_lease_t input[OFFHEAP_PARAMS_MAX];    /* entered for reading; handle NULL: none */
    ErlNifBinary binary[OFFHEAP_RESULTS_MAX]; /* of a part that is large; else data NULL */
    uint8_t small[OFFHEAP_RESULTS_MAX][NIF_JOB_SMALL_BYTES];
} nif_run_t;

/* A run and room for a state, on the stack of a call. */
typedef struct {
    nif_run_t r;
    _Alignas(64) uint8_t room[1024];
} nif_run_here_t;

typedef enum {
    RUN_OK,
    RUN_BADARG, /* of the argument that *term says */
    RUN_ERROR,  /* the reason is *term */
    RUN_RAISE   /* badarg is raised: no buffer */
} run_status_t;

/* The job that term names, an atom; NULL if there is none. */
oh_job_t *nif_job_get(ErlNifEnv *env, ERL_NIF_TERM name);

/* Whether it may run here: those for tests only after nif_job_allow_test_jobs. */
bool nif_job_is_allowed(const oh_job_t *job);

/* What is special about a job, as a list of io, whole, port_only. */
ERL_NIF_TERM nif_job_flags(ErlNifEnv *env, const offheap_job_def_t *def);

/* Its parameter's name. */
ERL_NIF_TERM nif_job_param(ErlNifEnv *env, const oh_job_t *job, uint32_t index);

/* Begins a run with arguments, a map by name or the first one alone
 * (what a job without parameters is given does not matter), and the buffer for the result,
 * or the atom none. RUN_OK: the caller ends it by nif_job_end. */
run_status_t nif_job_begin(ErlNifEnv *env, nif_run_here_t *here, oh_job_t *job, ERL_NIF_TERM args,
                           ERL_NIF_TERM into, ERL_NIF_TERM *term);

/* Points the arguments of a run at the terms, which are those it began with. */
run_status_t nif_job_args(ErlNifEnv *env, nif_run_t *r, ERL_NIF_TERM args, ERL_NIF_TERM *term);

/* Counts the run as under way on a lane, until it ends. Once at the most. */
void nif_job_enter_lane(nif_run_t *r, nif_lane_t lane);

/* Ends a run: gives back what it holds. */
void nif_job_end(nif_run_t *r);

#endif
