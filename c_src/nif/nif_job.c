/*
 * Jobs on the VM's own lanes. A call on a normal scheduler does up to INLINE_NS of work by the
 * guess, and gives up its place after SLICE_NS by the clock, whatever the guess was.
 */
#include "nif_job.h"

#include <string.h>

#include "../core/oh_alloc.h"

/* One slice of a job that yields. */
#define SLICE_NS  ((uint64_t)200 * 1000)
#define NS_PER_MS ((uint64_t)1000 * 1000)
/* Up to here the clock would cost more than it tells. */
#define SHORT_NS ((uint64_t)5 * 1000)

/* A run that yields; job NULL once it was ended. */
static void run_destroy(ErlNifEnv *env, void *obj) {
    nif_run_t *r = obj;
    r->env = env;
    if (r->job != NULL)
        nif_job_end(r);
}

ErlNifResourceTypeInit nif_type_init_run = {.dtor = run_destroy, .members = 1};

/* --- What it came to --- */

static ERL_NIF_TERM make_binary(ErlNifEnv *env, ErlNifBinary *binary) {
    ERL_NIF_TERM term = enif_make_binary(env, binary);
    binary->data = NULL;
    return term;
}

static ERL_NIF_TERM make_bytes(ErlNifEnv *env, nif_run_t *r, uint32_t part) {
    const oh_result_t *result = &r->run.result[part];
    ErlNifBinary *binary = &r->binary[part];
    if (part == r->into_part) {
        oh_buffer_grow(r->into.buffer, r->into_offset, r->into_offset + result->size);
        return enif_make_uint64(env, result->size);
    }
    if (binary->data == NULL) {
        ERL_NIF_TERM term;
        unsigned char *bytes = enif_make_new_binary(env, result->size, &term);
        if (result->size > 0)
            memcpy(bytes, result->bytes, result->size);
        return term;
    }
    if (result->size < binary->size && !enif_realloc_binary(binary, result->size))
        return enif_make_sub_binary(env, make_binary(env, binary), 0, result->size);
    return make_binary(env, binary);
}

static ERL_NIF_TERM make_part(ErlNifEnv *env, nif_run_t *r, uint32_t part) {
    const oh_result_t *result = &r->run.result[part];
    switch (result->kind) {
    case OH_RESULT_BYTES:
        return make_bytes(env, r, part);
    case OH_RESULT_INTEGER:
        return enif_make_int64(env, result->integer);
    case OH_RESULT_FLOAT:
        return enif_make_double(env, result->number);
    case OH_RESULT_ATOM:
        return enif_make_atom(env, result->atom);
    }
    return nif_atom.ok;
}

static void leave(ErlNifEnv *env, nif_lease_t *lease, oh_buffer_mode_t mode) {
    if (lease->handle == NULL)
        return;
    lease->env = env; /* it was entered in another call */
    nif_buffer_leave(lease, mode);
    enif_release_resource(lease->handle);
    lease->handle = NULL;
}

/* Runs under way, by lane; exact also when callers die, since a run ends later than its caller. */
static _Atomic uint64_t under_way[LANE_COUNT];

void nif_job_enter_lane(nif_run_t *r, nif_lane_t lane) {
    r->lane = lane;
    oh_fetch_add_relaxed(&under_way[lane], 1);
}

/* job_under_way() -> {Yielding, DirtyCpu, DirtyIo}: runs at this moment. */
ERL_NIF_TERM nif_job_under_way(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    (void)argv;
    ERL_NIF_TERM count[LANE_COUNT];
    for (int lane = 0; lane < LANE_COUNT; lane++)
        count[lane] = enif_make_uint64(env, oh_load_relaxed(&under_way[lane]));
    return enif_make_tuple3(env, count[LANE_YIELDING], count[LANE_DIRTY_CPU], count[LANE_DIRTY_IO]);
}

void nif_job_end(nif_run_t *r) {
    oh_run_end(&r->run);
    if (r->lane != LANE_NONE)
        oh_fetch_sub_relaxed(&under_way[r->lane], 1);
    for (uint32_t i = 0; i < r->job->def->param_count; i++)
        leave(r->env, &r->input[i], OH_BUFFER_READ);
    leave(r->env, &r->into, OH_BUFFER_EXTEND);
    for (uint32_t i = 0; i < r->run.results; i++)
        if (r->run.result[i].kind == OH_RESULT_BYTES && r->binary[i].data != NULL)
            enif_release_binary(&r->binary[i]);
    r->job = NULL;
}

/* What a run came to: {ok, Result} or {error, Reason}. */
static ERL_NIF_TERM make_outcome(ErlNifEnv *env, nif_run_t *r, offheap_step_t step) {
    if (step != OFFHEAP_DONE)
        return nif_error(env,
                         r->run.stopped ? nif_atom.cancelled : enif_make_atom(env, r->run.reason));
    oh_job_learned(r->job, r->units, r->run.ns);
    ERL_NIF_TERM part[OFFHEAP_RESULTS_MAX];
    for (uint32_t i = 0; i < r->run.results; i++)
        part[i] = make_part(env, r, i);
    return nif_ok(env, r->run.results == 0 ? nif_atom.ok
                       : r->run.results == 1
                           ? part[0]
                           : enif_make_tuple_from_array(env, part, r->run.results));
}

/* The same, and ends the run. */
static ERL_NIF_TERM finish(ErlNifEnv *env, nif_run_t *r, offheap_step_t step) {
    ERL_NIF_TERM outcome = make_outcome(env, r, step);
    nif_job_end(r);
    return outcome;
}

/* A run that did not begin, as a term. */
static ERL_NIF_TERM refuse(ErlNifEnv *env, run_status_t status, ERL_NIF_TERM term) {
    switch (status) {
    case RUN_BADARG:
        return nif_error(env, enif_make_tuple2(env, nif_atom.status_badarg, term));
    case RUN_ERROR:
        return nif_error(env, term);
    default:
        return enif_make_badarg(env);
    }
}

/* Begins a run of the job that argv[0] names; argv[1] are the arguments, argv[2] the buffer for the
 * result. False: *refusal is to be returned. */
static bool begin(ErlNifEnv *env, const ERL_NIF_TERM argv[], nif_run_here_t *here,
                  ERL_NIF_TERM *refusal) {
    oh_job_t *job = nif_job_get(env, argv[0]);
    ERL_NIF_TERM term = 0;
    if (job == NULL || !nif_job_is_allowed(job)) {
        *refusal = enif_is_atom(env, argv[0]) ? nif_error(env, nif_atom.unknown_job)
                                              : enif_make_badarg(env);
        return false;
    }
    run_status_t status = nif_job_begin(env, here, job, argv[1], argv[2], &term);
    if (status != RUN_OK)
        *refusal = refuse(env, status, term);
    return status == RUN_OK;
}

/* The same for a lane where jobs with one of these flags cannot run: badarg. */
static bool begin_without(ErlNifEnv *env, const ERL_NIF_TERM argv[], uint32_t flags,
                          nif_run_here_t *here, ERL_NIF_TERM *refusal) {
    if (!begin(env, argv, here, refusal))
        return false;
    if (!(here->r.job->def->flags & flags))
        return true;
    nif_job_end(&here->r);
    *refusal = enif_make_badarg(env);
    return false;
}

/* --- Yielding --- */

/* The run's next slice: argv is {Run, Args}. */
static ERL_NIF_TERM go_on(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_run_t *r;
    ERL_NIF_TERM term;
    if (!enif_get_resource(env, argv[0], nif_type_run, (void **)&r) || r->job == NULL ||
        nif_job_args(env, r, argv[1], &term) != RUN_OK)
        return enif_make_badarg(env);
    uint64_t before = r->run.ns;
    offheap_step_t step = oh_run_slice(&r->run, SLICE_NS, true);
    nif_charge(env, r->run.ns - before, NS_PER_MS);
    if (step == OFFHEAP_MORE && !r->run.stopped)
        return enif_schedule_nif(env, "job_yield", 0, go_on, argc, argv);
    return finish(env, r, step);
}

/* Moves a run that is not done into a resource, to go on later. */
static ERL_NIF_TERM yield(ErlNifEnv *env, nif_run_t *r, ERL_NIF_TERM args) {
    if (!oh_run_keep_state(&r->run)) {
        nif_job_end(r);
        return nif_error(env, nif_atom.status_enomem);
    }
    nif_job_enter_lane(r, LANE_YIELDING);
    nif_run_t *kept = enif_alloc_resource(nif_type_run, sizeof *kept);
    memcpy(kept, r, sizeof *kept);
    /* Parts of a result that stood in r stand in kept now. */
    for (uint32_t i = 0; i < kept->run.results; i++)
        if (kept->run.result[i].kind == OH_RESULT_BYTES && kept->run.result[i].bytes == r->small[i])
            kept->run.result[i].bytes = kept->small[i];
    ERL_NIF_TERM argv[] = {enif_make_resource(env, kept), args};
    enif_release_resource(kept);
    return enif_schedule_nif(env, "job_yield", 0, go_on, 2, argv);
}

/* If it is short by the guess, without a look at the clock. */
static ERL_NIF_TERM first_slice(ErlNifEnv *env, nif_run_t *r, ERL_NIF_TERM args, bool timed) {
    offheap_step_t step = oh_run_slice(&r->run, SLICE_NS, timed);
    nif_charge(env, r->run.ns, NS_PER_MS);
    if (step == OFFHEAP_MORE && !r->run.stopped)
        return yield(env, r, args);
    return finish(env, r, step);
}

/* job_yield(Job, Args, Into): a slice at a time. badarg for a job that cannot be cut. */
ERL_NIF_TERM nif_job_yield(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_run_here_t here;
    ERL_NIF_TERM refusal;
    uint32_t flags = OFFHEAP_JOB_IO | OFFHEAP_JOB_WHOLE | OFFHEAP_JOB_PORT_ONLY;
    if (!begin_without(env, argv, flags, &here, &refusal))
        return refusal;
    return first_slice(env, &here.r, argv[1], true);
}

/* {lane, CostNs, Flags, Bytes}: what the choice of a lane asks for. Bytes is the size of what would
 * have to cross to a worker; buffers are told apart by offheap_jobs. */
static ERL_NIF_TERM make_cost(ErlNifEnv *env, const nif_run_t *r) {
    const offheap_job_def_t *def = r->job->def;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < def->param_count; i++)
        bytes += r->run.arg[i].size;
    return enif_make_tuple4(env, nif_atom.lane,
                            enif_make_uint64(env, oh_job_cost_ns(r->job, r->units)),
                            nif_job_flags(env, def), enif_make_uint64(env, bytes));
}

/* What a job of files will take, a look at the files says: not on a normal scheduler. */
static bool is_to_move(ErlNifEnv *env, ERL_NIF_TERM name) {
    oh_job_t *job = nif_job_get(env, name);
    return job != NULL && (job->def->flags & OFFHEAP_JOB_IO) && nif_on_scheduler();
}

/* job_inline(Job, Args, Into, InlineNs): does the job here, if it will take up to so long by the
 * guess: its outcome. Else {lane, CostNs, Flags, Bytes}. */
ERL_NIF_TERM nif_job_inline(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_run_here_t here;
    nif_run_t *r = &here.r;
    ERL_NIF_TERM refusal;
    uint64_t inline_ns;
    if (!nif_get_unsigned(env, argv[3], &inline_ns))
        return enif_make_badarg(env);
    if (is_to_move(env, argv[0]))
        return enif_schedule_nif(env, "job_inline", ERL_NIF_DIRTY_JOB_IO_BOUND, nif_job_inline,
                                 argc, argv);
    if (!begin(env, argv, &here, &refusal))
        return refusal;
    uint64_t cost_ns = oh_job_cost_ns(r->job, r->units);
    if (cost_ns <= inline_ns && !(r->job->def->flags & (OFFHEAP_JOB_IO | OFFHEAP_JOB_PORT_ONLY)))
        return first_slice(env, r, argv[1], cost_ns > SHORT_NS);
    ERL_NIF_TERM cost = make_cost(env, r);
    nif_job_end(r);
    return cost;
}

/* job_cost(Job, Args, Into) -> {lane, CostNs, Flags, Bytes} or {error, Reason}, and does nothing.
 */
ERL_NIF_TERM nif_job_cost(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_run_here_t here;
    ERL_NIF_TERM refusal;
    if (is_to_move(env, argv[0]))
        return enif_schedule_nif(env, "job_cost", ERL_NIF_DIRTY_JOB_IO_BOUND, nif_job_cost, argc,
                                 argv);
    if (!begin(env, argv, &here, &refusal))
        return refusal;
    ERL_NIF_TERM cost = make_cost(env, &here.r);
    nif_job_end(&here.r);
    return cost;
}

/* --- Dirty --- */

static ERL_NIF_TERM run_whole(ErlNifEnv *env, const ERL_NIF_TERM argv[], nif_lane_t lane) {
    nif_run_here_t here;
    ERL_NIF_TERM refusal;
    if (!begin_without(env, argv, OFFHEAP_JOB_PORT_ONLY, &here, &refusal))
        return refusal;
    nif_job_enter_lane(&here.r, lane);
    return finish(env, &here.r, oh_run_slice(&here.r.run, 0, true));
}

/* job_dirty(Job, Args, Into), on a dirty CPU scheduler. */
ERL_NIF_TERM nif_job_dirty(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    return run_whole(env, argv, LANE_DIRTY_CPU);
}

/* job_dirty_io(Job, Args, Into), on a dirty IO scheduler. */
ERL_NIF_TERM nif_job_dirty_io(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    return run_whole(env, argv, LANE_DIRTY_IO);
}
