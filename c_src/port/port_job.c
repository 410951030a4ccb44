#include "port_job.h"

#include <string.h>

#include "../core/oh_alloc.h"
#include "../core/oh_job.h"
#include "port_cancel.h"
#include "port_io.h"
#include "port_shared.h"

/* Replies of jobs that take longer by the guess do not wait for it. */
#define QUICK_NS 100000

#define NO_PART UINT32_MAX

typedef struct {
    oh_run_t run;
    int64_t id;                          /* of the request */
    char *path[OFFHEAP_PARAMS_MAX];      /* with a zero at the end; owned */
    uint8_t *bytes[OFFHEAP_RESULTS_MAX]; /* parts of the result; owned */
    uint32_t count;                      /* of these */
    uint8_t *into;                       /* the VM's buffer for the result; or NULL */
    uint64_t into_room;                  /* bytes of it */
    uint32_t into_part;                  /* that stands there; NO_PART: none yet */
    const char *refusal;                 /* why the VM's memory cannot be had; or NULL */
} port_run_t;

/* --- Arguments --- */

static bool get_path(port_run_t *r, uint32_t index, port_term_t *args, offheap_arg_t *arg) {
    const uint8_t *data;
    size_t bytes;
    if (!port_term_binary(args, &data, &bytes) || memchr(data, 0, bytes) != NULL)
        return false;
    char *path = oh_alloc(bytes + 1);
    if (path == NULL)
        return false;
    memcpy(path, data, bytes);
    path[bytes] = '\0';
    oh_free(r->path[index]); /* of a key that came twice */
    r->path[index] = path;
    arg->data = (const uint8_t *)path;
    arg->size = bytes;
    return true;
}

static bool get_boolean(port_term_t *args, int64_t *out) {
    char name[8];
    if (!port_term_atom(args, name, sizeof name))
        return false;
    *out = strcmp(name, "true") == 0;
    return *out || strcmp(name, "false") == 0;
}

/* A binary, or a part of the VM's memory. */
static bool get_bytes(port_run_t *r, port_term_t *args, offheap_arg_t *arg) {
    size_t bytes;
    oh_shared_range_t range;
    if (port_term_binary(args, &arg->data, &bytes)) {
        arg->size = bytes;
        return true;
    }
    if (!port_shared_get(args, &range))
        return false;
    arg->data = port_shared_open(&range, false, &r->refusal);
    arg->size = range.length;
    return arg->data != NULL;
}

static bool get_arg(port_run_t *r, uint32_t index, port_term_t *args) {
    offheap_arg_t *arg = &r->run.arg[index];
    arg->given = true;
    switch (r->run.def->params[index].type) {
    case OFFHEAP_BYTES:
        return get_bytes(r, args, arg);
    case OFFHEAP_PATH:
        return get_path(r, index, args, arg);
    case OFFHEAP_INTEGER:
        return port_term_integer(args, &arg->integer);
    case OFFHEAP_FLOAT:
        return port_term_float(args, &arg->number);
    case OFFHEAP_BOOLEAN:
        return get_boolean(args, &arg->integer);
    }
    return false;
}

/* The name of the argument that is wrong, or NULL. name has room for an atom. */
static const char *get_named(port_run_t *r, port_term_t *args, int size, char *name) {
    const offheap_job_def_t *def = r->run.def;
    for (; size > 0; size--) {
        if (!port_term_atom(args, name, PORT_TERM_ATOM_BYTES))
            return "badarg";
        uint32_t i = 0;
        while (i < def->param_count && strcmp(name, def->params[i].name) != 0)
            i++;
        if (i == def->param_count || !get_arg(r, i, args))
            return name;
    }
    return NULL;
}

/* Where the result's first bytes go, if the request says so. */
static bool get_into(port_run_t *r, port_term_t *into) {
    oh_shared_range_t range;
    if (into == NULL)
        return true;
    if (!port_shared_get(into, &range))
        return false;
    r->into = port_shared_open(&range, true, &r->refusal);
    r->into_room = range.length;
    return r->into != NULL;
}

static const char *get_args(port_run_t *r, port_term_t *args, char *name) {
    const offheap_job_def_t *def = r->run.def;
    int size;
    if (port_term_map(args, &size)) {
        const char *wrong = get_named(r, args, size, name);
        if (wrong != NULL)
            return wrong;
    } else if (def->param_count > 0 && !get_arg(r, 0, args)) {
        return def->params[0].name;
    }
    uint32_t wrong = oh_run_check_args(&r->run);
    return wrong == OH_RUN_ARGS_OK ? NULL : def->params[wrong].name;
}

/* --- Running --- */

static uint8_t *result_bytes(oh_run_t *run, uint64_t size, const char **reason) {
    port_run_t *r = OH_CONTAINER_OF(run, port_run_t, run);
    if (r->into != NULL && r->into_part == NO_PART) {
        if (size > r->into_room) {
            *reason = "enospc";
            return NULL;
        }
        r->into_part = run->results;
        return r->into;
    }
    uint8_t *bytes = size > PORT_REPLY_BYTES_MAX ? NULL : oh_alloc(size + 1);
    if (bytes == NULL) {
        *reason = size > PORT_REPLY_BYTES_MAX ? "too_large" : "enomem";
        return NULL;
    }
    r->bytes[r->count++] = bytes;
    return bytes;
}

static bool is_cancelled(oh_run_t *run) {
    return port_cancel_poll(OH_CONTAINER_OF(run, port_run_t, run)->id);
}

static const oh_run_host_t host = {.bytes = result_bytes, .stop = is_cancelled};

/* The part that stands in the VM's buffer is its size, for the reply. */
static void say_into(port_run_t *r, port_reply_t *reply) {
    if (r->into_part == NO_PART)
        return;
    oh_result_t *part = &r->run.result[r->into_part];
    reply->is_into = true;
    reply->into_bytes = part->size;
    *part = (oh_result_t){.kind = OH_RESULT_INTEGER, .integer = (int64_t)part->size};
}

static offheap_step_t do_run(port_run_t *r) {
    _Alignas(64) uint8_t room[4096];
    offheap_step_t step = OFFHEAP_FAILED;
    if (oh_run_make_state(&r->run, room, sizeof room))
        step = oh_run_slice(&r->run, 0, false);
    else
        r->run.reason = "enomem";
    oh_run_end(&r->run);
    return step;
}

static void reply_outcome(port_run_t *r, offheap_step_t step, port_reply_t *reply) {
    if (step == OFFHEAP_DONE) {
        say_into(r, reply);
        port_reply_result(reply, r->run.result, r->run.results);
    } else {
        port_reply_error(reply, r->run.stopped ? "cancelled" : r->run.reason);
    }
}

void port_job_run(const char *name, port_term_t *into, port_term_t *args, int bytes, bool test_jobs,
                  port_reply_t *reply) {
    uint32_t index = oh_job_find(name);
    const offheap_job_def_t *def = index == OH_JOB_NONE ? NULL : oh_job_at(index)->def;
    if (def == NULL || ((def->flags & OFFHEAP_JOB_TEST) && !test_jobs)) {
        port_reply_error(reply, "unknown_job");
        return;
    }
    port_run_t r = {.id = reply->id, .into_part = NO_PART};
    char wrong[PORT_TERM_ATOM_BYTES];
    offheap_step_t step = OFFHEAP_FAILED;
    oh_run_init(&r.run, &host, def);
    const char *badarg = get_into(&r, into) ? get_args(&r, args, wrong) : "into";
    if (badarg == NULL) {
        if (bytes > PORT_IO_QUICK_BYTES || (def->flags & OFFHEAP_JOB_TEST) ||
            oh_job_cost_ns(oh_job_at(index), oh_run_units(&r.run)) > QUICK_NS)
            port_io_flush();
        step = do_run(&r);
    }
    port_shared_close(); /* before the VM is told anything */
    if (r.refusal != NULL)
        port_reply_error(reply, r.refusal);
    else if (badarg != NULL)
        port_reply_badarg(reply, badarg);
    else
        reply_outcome(&r, step, reply);
    for (uint32_t i = 0; i < def->param_count; i++)
        oh_free(r.path[i]);
    for (uint32_t i = 0; i < r.count; i++)
        oh_free(r.bytes[i]);
}
