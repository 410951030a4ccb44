/* Jobs: which there are, and adding those of a library. */
#include "nif_job.h"

#include <string.h>

/* Whether jobs for tests are to be had. */
static _Atomic bool has_test_jobs;

bool nif_job_is_allowed(const oh_job_t *job) {
    return !(job->def->flags & OFFHEAP_JOB_TEST) || oh_load_relaxed(&has_test_jobs);
}

ERL_NIF_TERM nif_job_flags(ErlNifEnv *env, const offheap_job_def_t *def) {
    uint32_t flags = def->flags;
    ERL_NIF_TERM list = enif_make_list(env, 0);
    if (flags & OFFHEAP_JOB_IO)
        list = enif_make_list_cell(env, nif_atom.io, list);
    if (flags & OFFHEAP_JOB_WHOLE)
        list = enif_make_list_cell(env, nif_atom.whole, list);
    if (flags & OFFHEAP_JOB_PORT_ONLY)
        list = enif_make_list_cell(env, nif_atom.port_only, list);
    return list;
}

static ERL_NIF_TERM make_params(ErlNifEnv *env, const oh_job_t *job) {
    ERL_NIF_TERM types[] = {nif_atom.bytes, nif_atom.path, nif_atom.integer, nif_atom.float_,
                            nif_atom.boolean};
    ERL_NIF_TERM params = enif_make_list(env, 0);
    for (uint32_t i = job->def->param_count; i > 0; i--)
        params = enif_make_list_cell(env,
                                     enif_make_tuple2(env, nif_job_param(env, job, i - 1),
                                                      types[job->def->params[i - 1].type]),
                                     params);
    return params;
}

static ERL_NIF_TERM make_info(ErlNifEnv *env, oh_job_t *job) {
    double ns = (double)oh_load_relaxed(&job->ps_per_unit) / 1000;
    return enif_make_tuple4(env, enif_make_atom(env, job->def->name), make_params(env, job),
                            nif_job_flags(env, job->def), enif_make_double(env, ns));
}

/* job_list() -> [{Job, [{Param, Type}], Flags, NsPerUnit}], without those for tests */
ERL_NIF_TERM nif_job_list(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    (void)argv;
    ERL_NIF_TERM list = enif_make_list(env, 0);
    for (uint32_t i = oh_job_count(); i > 0; i--) {
        oh_job_t *job = oh_job_at(i - 1);
        if (nif_job_is_allowed(job))
            list = enif_make_list_cell(env, make_info(env, job), list);
    }
    return list;
}

/* job_params(Job) -> [{Param, Type}] or undefined */
ERL_NIF_TERM nif_job_params(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_job_t *job = nif_job_get(env, argv[0]);
    return job == NULL ? nif_atom.undefined : make_params(env, job);
}

/* job_load(Path): adds the jobs of a library. Path is a binary that ends with a zero byte. */
ERL_NIF_TERM nif_job_load(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    ErlNifBinary path;
    const char *why = "";
    if (!enif_inspect_binary(env, argv[0], &path) || path.size == 0 ||
        memchr(path.data, 0, path.size) != path.data + path.size - 1)
        return enif_make_badarg(env);
    oh_status_t status = oh_job_load((const char *)path.data, &why);
    if (status == OH_OK || status == OH_EXISTS || status == OH_LIMIT)
        return status == OH_OK ? nif_atom.ok : nif_error(env, nif_status_atom(status));
    return nif_error(env, enif_make_tuple2(env, nif_status_atom(status),
                                           enif_make_string(env, why, ERL_NIF_LATIN1)));
}

/* job_allow_test_jobs(): from now on, for good. */
ERL_NIF_TERM nif_job_allow_test_jobs(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)env;
    (void)argc;
    (void)argv;
    oh_store_relaxed(&has_test_jobs, true);
    return nif_atom.ok;
}
