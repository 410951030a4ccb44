#include "oh_job.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "oh_alloc.h"
#include "oh_errno.h"

/* How often a host is asked whether the run is to stop. */
#define STOP_NS 100000
/* Runs shorter than this say more about their beginning and their end than about the job. */
#define LEARN_NS 20000

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- The table --- */

static struct {
    pthread_mutex_t mutex; /* among those that add */
    pthread_once_t once;
    _Atomic uint32_t count;
    oh_job_t job[OH_JOBS_MAX];
} table = {.mutex = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

static bool is_name(const char *name) {
    size_t length = name == NULL ? 0 : strlen(name);
    return length > 0 && length <= 255 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
               length;
}

static bool is_def(const offheap_job_def_t *def) {
    if (!is_name(def->name) || def->run == NULL || def->param_count > OFFHEAP_PARAMS_MAX)
        return false;
    for (uint32_t i = 0; i < def->param_count; i++) {
        const offheap_param_t *param = &def->params[i];
        if (!is_name(param->name) || param->min > param->max || param->type > OFFHEAP_BOOLEAN)
            return false;
    }
    return true;
}

static uint32_t find(const char *name, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(table.job[i].def->name, name) == 0)
            return i;
    return OH_JOB_NONE;
}

/* By who holds the mutex, or alone. */
static oh_status_t add(const offheap_jobs_t *jobs) {
    uint32_t count = oh_load_relaxed(&table.count);
    if (jobs->abi != OFFHEAP_JOB_ABI || jobs->def_size != sizeof(offheap_job_def_t))
        return OH_BADARG;
    if (jobs->count > OH_JOBS_MAX - count)
        return OH_LIMIT;
    for (uint32_t i = 0; i < jobs->count; i++) {
        if (!is_def(&jobs->defs[i]))
            return OH_BADARG;
        if (find(jobs->defs[i].name, count) != OH_JOB_NONE)
            return OH_EXISTS;
    }
    for (uint32_t i = 0; i < jobs->count; i++) {
        table.job[count + i].def = &jobs->defs[i];
        oh_store_relaxed(&table.job[count + i].ps_per_unit,
                         (uint64_t)jobs->defs[i].ns_per_unit * 1000);
    }
    oh_store_release(&table.count, count + jobs->count); /* R1: pairs with A1 */
    return OH_OK;
}

static void add_built_in(void) {
    (void)add(&oh_job_hash);
    (void)add(&oh_job_argon2id);
    (void)add(&oh_job_secretstream);
    (void)add(&oh_job_test);
}

uint32_t oh_job_count(void) {
    pthread_once(&table.once, add_built_in);
    return oh_load_acquire(&table.count); /* A1: pairs with R1 */
}

oh_job_t *oh_job_at(uint32_t index) {
    return &table.job[index];
}

uint32_t oh_job_index(const oh_job_t *job) {
    return (uint32_t)(job - table.job);
}

uint32_t oh_job_find(const char *name) {
    return find(name, oh_job_count());
}

oh_status_t oh_job_add(const offheap_jobs_t *jobs) {
    (void)oh_job_count();
    pthread_mutex_lock(&table.mutex);
    oh_status_t status = add(jobs);
    pthread_mutex_unlock(&table.mutex);
    return status;
}

/* Whether all jobs of the table are there, as they stand in it. */
static bool is_added(const offheap_jobs_t *jobs) {
    uint32_t count = oh_job_count();
    for (uint32_t i = 0; i < jobs->count; i++) {
        uint32_t index = find(jobs->defs[i].name, count);
        if (index == OH_JOB_NONE || table.job[index].def != &jobs->defs[i])
            return false;
    }
    return true;
}

oh_status_t oh_job_load(const char *path, const char **why) {
    *why = "not an absolute path";
    if (path[0] != '/')
        return OH_BADARG;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        *why = dlerror();
        return OH_NOT_FOUND;
    }
    const offheap_jobs_t *jobs = dlsym(library, "offheap_jobs");
    if (jobs == NULL) {
        /* Not what dlerror says: dlclose frees that. */
        *why = "it has no symbol offheap_jobs";
        dlclose(library);
        return OH_NOT_FOUND;
    }
    *why = "made for another version, or a job's definition is not valid";
    oh_status_t status = oh_job_add(jobs);
    if (status == OH_EXISTS && is_added(jobs))
        status = OH_OK;
    /* Of a library that gave jobs, a reference is kept for good. */
    if (status != OH_OK)
        dlclose(library);
    return status;
}

uint64_t oh_job_units_file(const offheap_job_t *job) {
    struct stat st;
    bool is_known = stat((const char *)job->arg[0].data, &st) == 0 && st.st_size > 0;
    return is_known ? (uint64_t)st.st_size : 1;
}

uint64_t oh_job_cost_ns(oh_job_t *job, uint64_t units) {
    double ps = (double)oh_load_relaxed(&job->ps_per_unit) * (double)units;
    return ps >= 1e21 ? (uint64_t)1000000000000000000u : (uint64_t)(ps / 1000);
}

void oh_job_learned(oh_job_t *job, uint64_t units, uint64_t ns) {
    if (units == 0 || ns < LEARN_NS)
        return;
    /* One run may have met a cold disk or a busy machine: whatever it says moves the guess by an
     * eighth of a factor of two at the most. */
    double guess = (double)oh_load_relaxed(&job->ps_per_unit);
    double seen = fmin(fmax((double)ns * 1000 / (double)units, guess / 2), guess * 2);
    /* Of two runs that end at once one may be lost. */
    oh_store_relaxed(&job->ps_per_unit, (uint64_t)fmax(1, guess + (seen - guess) / 8));
}

/* --- What the job calls --- */

static oh_run_t *run_of(offheap_job_t *job) {
    return OH_CONTAINER_OF(job, oh_run_t, job);
}

static void begin_slice(oh_run_t *run, uint64_t now) {
    run->begun_ns = now;
    run->slice_end_ns = run->slice_ns == 0 ? UINT64_MAX : now + run->slice_ns;
    run->next_stop_ns = now + STOP_NS;
}

static bool go_on(offheap_job_t *job, uint64_t units) {
    oh_run_t *run = run_of(job);
    run->units += units;
    if (run->slice_ns == 0 && run->host->stop == NULL)
        return true;
    uint64_t now = now_ns();
    if (run->begun_ns == 0) /* what came before took less than the job may take between two calls */
        begin_slice(run, now);
    if (now >= run->slice_end_ns)
        return false;
    if (run->host->stop != NULL && now >= run->next_stop_ns) {
        run->next_stop_ns = now + STOP_NS;
        run->stopped = run->host->stop(run);
    }
    return !run->stopped;
}

/* The next part; beyond the last one there is room for, the last again. */
static oh_result_t *next_result(oh_run_t *run, oh_result_kind_t kind) {
    if (run->results < OFFHEAP_RESULTS_MAX)
        run->results++;
    oh_result_t *result = &run->result[run->results - 1];
    result->kind = kind;
    return result;
}

static uint8_t *result_bytes(offheap_job_t *job, uint64_t size) {
    oh_run_t *run = run_of(job);
    if (run->results == OFFHEAP_RESULTS_MAX) {
        run->reason = "too_many_results";
        return NULL;
    }
    uint8_t *bytes = run->host->bytes(run, size, &run->reason);
    if (bytes != NULL) {
        oh_result_t *result = next_result(run, OH_RESULT_BYTES);
        result->bytes = bytes;
        result->size = size;
    }
    return bytes;
}

static void result_shrink(offheap_job_t *job, uint64_t size) {
    oh_run_t *run = run_of(job);
    oh_result_t *last = run->results == 0 ? NULL : &run->result[run->results - 1];
    if (last != NULL && last->kind == OH_RESULT_BYTES && size < last->size)
        last->size = size;
}

static void result_integer(offheap_job_t *job, int64_t value) {
    next_result(run_of(job), OH_RESULT_INTEGER)->integer = value;
}

static void result_atom(offheap_job_t *job, const char *name) {
    next_result(run_of(job), OH_RESULT_ATOM)->atom = name;
}

static void result_float(offheap_job_t *job, double value) {
    if (isfinite(value))
        next_result(run_of(job), OH_RESULT_FLOAT)->number = value;
    else
        result_atom(job, isnan(value) ? "nan" : value > 0 ? "infinity" : "negative_infinity");
}

static void fail(offheap_job_t *job, const char *reason) {
    run_of(job)->reason = reason;
}

static void fail_errno(offheap_job_t *job, int error_number) {
    run_of(job)->reason = oh_errno_name(error_number);
}

static const offheap_host_t host = {go_on,        result_bytes, result_shrink, result_integer,
                                    result_float, result_atom,  fail,          fail_errno};

/* --- One run --- */

void oh_run_init(oh_run_t *run, const oh_run_host_t *run_host, const offheap_job_def_t *def) {
    memset(run, 0, sizeof *run);
    run->job.host = &host;
    run->host = run_host;
    run->def = def;
}

bool oh_run_make_state(oh_run_t *run, void *room, size_t room_bytes) {
    size_t bytes = run->def->state_bytes;
    run->state_in_room = bytes <= room_bytes;
    if (bytes == 0)
        return true;
    run->job.state = run->state_in_room ? memset(room, 0, bytes) : oh_zalloc_big(bytes);
    return run->job.state != NULL;
}

bool oh_run_keep_state(oh_run_t *run) {
    if (run->job.state == NULL || !run->state_in_room)
        return true;
    void *kept = oh_zalloc_big(run->def->state_bytes);
    if (kept == NULL)
        return false;
    run->job.state = memcpy(kept, run->job.state, run->def->state_bytes);
    run->state_in_room = false;
    return true;
}

static bool in_bounds(const offheap_param_t *param, const offheap_arg_t *arg) {
    if (param->min == 0 && param->max == 0)
        return true;
    switch (param->type) {
    case OFFHEAP_INTEGER:
        return arg->integer >= param->min && arg->integer <= param->max;
    case OFFHEAP_BYTES:
    case OFFHEAP_PATH:
        return arg->size <= INT64_MAX && (int64_t)arg->size >= param->min &&
               (int64_t)arg->size <= param->max;
    default:
        return true;
    }
}

uint32_t oh_run_check_args(oh_run_t *run) {
    for (uint32_t i = 0; i < run->def->param_count; i++) {
        const offheap_param_t *param = &run->def->params[i];
        offheap_arg_t *arg = &run->arg[i];
        if (arg->given) {
            if (!in_bounds(param, arg))
                return i;
        } else if (param->optional) {
            *arg = (offheap_arg_t){.integer = param->initial, .number = (double)param->initial};
        } else {
            return i;
        }
    }
    return OH_RUN_ARGS_OK;
}

uint64_t oh_run_units(const oh_run_t *run) {
    offheap_job_t job = run->job;
    job.arg = run->arg;
    return run->def->units == NULL ? 1 : run->def->units(&job);
}

offheap_step_t oh_run_slice(oh_run_t *run, uint64_t slice_ns, bool timed) {
    offheap_step_t step;
    run->slice_ns = slice_ns;
    run->begun_ns = 0;
    if (timed)
        begin_slice(run, now_ns());
    run->job.arg = run->arg; /* the run may have been moved */
    run->begun = true;
    do {
        step = run->def->run(&run->job);
        /* A job may say MORE without having been asked to. */
    } while (step == OFFHEAP_MORE && slice_ns == 0 && go_on(&run->job, 0));
    if (run->begun_ns != 0)
        run->ns += now_ns() - run->begun_ns;
    if (step == OFFHEAP_FAILED && run->reason == NULL)
        run->reason = "failed";
    return step;
}

void oh_run_end(oh_run_t *run) {
    if (run->begun && run->def->cleanup != NULL)
        run->def->cleanup(run->job.state);
    if (!run->state_in_room)
        oh_free_big(run->job.state, run->def->state_bytes);
    run->job.state = NULL;
}
