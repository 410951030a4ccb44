/* Jobs: from names to jobs, and from terms to arguments. */
#include "nif_job.h"

#include <string.h>

/* Atoms of names, made when they are first asked for: making one again gives the same word. */
static _Atomic ERL_NIF_TERM job_atom[OH_JOBS_MAX];
static _Atomic ERL_NIF_TERM param_atom[OH_JOBS_MAX][OFFHEAP_PARAMS_MAX];

static ERL_NIF_TERM make_atom_once(ErlNifEnv *env, _Atomic ERL_NIF_TERM *cache, const char *name) {
    ERL_NIF_TERM atom = oh_load_relaxed(cache);
    if (oh_unlikely(atom == 0)) {
        atom = enif_make_atom(env, name);
        oh_store_relaxed(cache, atom);
    }
    return atom;
}

oh_job_t *nif_job_get(ErlNifEnv *env, ERL_NIF_TERM name) {
    uint32_t count = oh_job_count();
    for (uint32_t i = 0; i < count; i++) {
        oh_job_t *job = oh_job_at(i);
        if (enif_is_identical(name, make_atom_once(env, &job_atom[i], job->def->name)))
            return job;
    }
    return NULL;
}

ERL_NIF_TERM nif_job_param(ErlNifEnv *env, const oh_job_t *job, uint32_t index) {
    return make_atom_once(env, &param_atom[oh_job_index(job)][index], job->def->params[index].name);
}

/* --- One argument --- */

/* Keeps the handle too: the term may be gone when the run ends. */
static oh_status_t enter(ErlNifEnv *env, nif_lease_t *lease, oh_buffer_mode_t mode) {
    oh_status_t status = nif_buffer_enter(env, lease, mode);
    if (status == OH_OK)
        enif_keep_resource(lease->handle);
    else
        lease->handle = NULL;
    return status;
}

static bool get_buffer(ErlNifEnv *env, ERL_NIF_TERM term, nif_lease_t *lease, offheap_arg_t *arg) {
    nif_lease_t given;
    if (!nif_buffer_get(env, term, &given))
        return false;
    if (lease->handle == NULL) {
        if (enter(env, &given, OH_BUFFER_READ) != OH_OK)
            return false;
        *lease = given;
    }
    /* What it held as the run began: a size only grows meanwhile. */
    if (arg->data == NULL)
        arg->size = oh_buffer_size(lease->buffer);
    arg->data = (const uint8_t *)lease->buffer->data;
    return true;
}

static bool get_bytes(ErlNifEnv *env, ERL_NIF_TERM term, nif_lease_t *lease, offheap_arg_t *arg) {
    ErlNifBinary binary;
    if (enif_is_tuple(env, term))
        return get_buffer(env, term, lease, arg);
    if (!enif_inspect_iolist_as_binary(env, term, &binary))
        return false;
    arg->data = binary.data;
    arg->size = binary.size;
    return true;
}

static bool get_path(ErlNifEnv *env, ERL_NIF_TERM term, offheap_arg_t *arg) {
    ErlNifBinary binary;
    ERL_NIF_TERM with_zero = enif_make_list2(env, term, enif_make_int(env, 0));
    if (!(enif_is_binary(env, term) || enif_is_list(env, term)) ||
        !enif_inspect_iolist_as_binary(env, with_zero, &binary) ||
        memchr(binary.data, 0, binary.size) != binary.data + binary.size - 1)
        return false;
    arg->data = binary.data;
    arg->size = binary.size - 1;
    return true;
}

static bool get_arg(ErlNifEnv *env, ERL_NIF_TERM term, const offheap_param_t *param,
                    nif_lease_t *lease, offheap_arg_t *arg) {
    ErlNifSInt64 integer;
    bool boolean;
    arg->given = true;
    switch (param->type) {
    case OFFHEAP_BYTES:
        return get_bytes(env, term, lease, arg);
    case OFFHEAP_PATH:
        return get_path(env, term, arg);
    case OFFHEAP_INTEGER:
        if (!enif_get_int64(env, term, &integer))
            return false;
        arg->integer = integer;
        return true;
    case OFFHEAP_FLOAT:
        return nif_get_float(env, term, &arg->number);
    case OFFHEAP_BOOLEAN:
        if (!nif_get_bool(term, &boolean))
            return false;
        arg->integer = boolean;
        return true;
    }
    return false;
}

/* --- All arguments --- */

/* A name in the map that is no parameter's. */
static ERL_NIF_TERM unknown_name(ErlNifEnv *env, const oh_job_t *job, ERL_NIF_TERM map) {
    ErlNifMapIterator at;
    ERL_NIF_TERM key = nif_atom.status_badarg, value;
    enif_map_iterator_create(env, map, &at, ERL_NIF_MAP_ITERATOR_FIRST);
    for (; enif_map_iterator_get_pair(env, &at, &key, &value); enif_map_iterator_next(env, &at)) {
        uint32_t i = 0;
        while (i < job->def->param_count && !enif_is_identical(key, nif_job_param(env, job, i)))
            i++;
        if (i == job->def->param_count)
            break;
    }
    enif_map_iterator_destroy(env, &at);
    return key;
}

static run_status_t get_named(ErlNifEnv *env, nif_run_t *r, ERL_NIF_TERM map, size_t size,
                              ERL_NIF_TERM *term) {
    const offheap_job_def_t *def = r->job->def;
    size_t found = 0;
    for (uint32_t i = 0; i < def->param_count; i++) {
        ERL_NIF_TERM value, name = nif_job_param(env, r->job, i);
        if (!enif_get_map_value(env, map, name, &value))
            continue;
        found++;
        if (!get_arg(env, value, &def->params[i], &r->input[i], &r->run.arg[i])) {
            *term = name;
            return RUN_BADARG;
        }
    }
    if (found == size)
        return RUN_OK;
    *term = unknown_name(env, r->job, map);
    return RUN_BADARG;
}

run_status_t nif_job_args(ErlNifEnv *env, nif_run_t *r, ERL_NIF_TERM args, ERL_NIF_TERM *term) {
    const offheap_job_def_t *def = r->job->def;
    size_t size;
    r->env = env;
    if (enif_get_map_size(env, args, &size)) {
        run_status_t status = get_named(env, r, args, size, term);
        if (status != RUN_OK)
            return status;
    } else if (def->param_count > 0 &&
               !get_arg(env, args, &def->params[0], &r->input[0], &r->run.arg[0])) {
        *term = nif_job_param(env, r->job, 0);
        return RUN_BADARG;
    }
    uint32_t wrong = oh_run_check_args(&r->run);
    if (wrong == OH_RUN_ARGS_OK)
        return RUN_OK;
    *term = nif_job_param(env, r->job, wrong);
    return RUN_BADARG;
}

/* --- Where the result goes --- */

static uint8_t *result_bytes(oh_run_t *run, uint64_t size, const char **reason) {
    nif_run_t *r = OH_CONTAINER_OF(run, nif_run_t, run);
    ErlNifBinary *binary = &r->binary[run->results];
    binary->data = NULL;
    if (r->into.handle != NULL && r->into_part == NIF_JOB_NO_PART) {
        oh_buffer_t *b = r->into.buffer;
        if (!oh_buffer_fits(b, r->into_offset, size)) {
            *reason = "enospc";
            return NULL;
        }
        r->into_part = run->results;
        return (uint8_t *)b->data + r->into_offset;
    }
    if (size <= NIF_JOB_SMALL_BYTES)
        return r->small[run->results];
    if (size > SIZE_MAX || !enif_alloc_binary(size, binary)) {
        binary->data = NULL;
        *reason = "enomem";
        return NULL;
    }
    return binary->data;
}

static bool caller_is_dead(oh_run_t *run) {
    return !enif_is_current_process_alive(OH_CONTAINER_OF(run, nif_run_t, run)->env);
}

static const oh_run_host_t host = {.bytes = result_bytes, .stop = caller_is_dead};

static run_status_t get_into(ErlNifEnv *env, nif_run_t *r, ERL_NIF_TERM into, ERL_NIF_TERM *term) {
    nif_lease_t lease;
    if (enif_is_identical(into, nif_atom.none))
        return RUN_OK;
    if (!nif_buffer_get(env, into, &lease))
        return RUN_RAISE;
    oh_status_t status = enter(env, &lease, OH_BUFFER_EXTEND);
    if (status == OH_RELEASED)
        return RUN_RAISE;
    if (status != OH_OK) {
        *term = nif_status_atom(status);
        return RUN_ERROR;
    }
    r->into = lease;
    r->into_offset = oh_buffer_size(lease.buffer);
    return RUN_OK;
}

run_status_t nif_job_begin(ErlNifEnv *env, nif_run_here_t *here, oh_job_t *job, ERL_NIF_TERM args,
                           ERL_NIF_TERM into, ERL_NIF_TERM *term) {
    nif_run_t *r = &here->r;
    r->job = job;
    r->lane = LANE_NONE;
    r->into.handle = NULL;
    r->into_part = NIF_JOB_NO_PART;
    for (uint32_t i = 0; i < job->def->param_count; i++)
        r->input[i].handle = NULL;
    oh_run_init(&r->run, &host, job->def);
    run_status_t status = nif_job_args(env, r, args, term);
    if (status == RUN_OK)
        status = get_into(env, r, into, term);
    if (status == RUN_OK && !oh_run_make_state(&r->run, here->room, sizeof here->room)) {
        *term = nif_atom.status_enomem;
        status = RUN_ERROR;
    }
    if (status == RUN_OK)
        r->units = oh_run_units(&r->run);
    else
        nif_job_end(r);
    return status;
}
