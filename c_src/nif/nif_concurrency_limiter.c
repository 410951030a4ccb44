/* offheap_concurrency_limiter: permits as resources that their owner's death releases. Every
 * function is O(1). */
#include "nif.h"

#include "../core/oh_concurrency_limiter.h"

/* Limiter and permit are resources; a permit keeps its limiter's. */
typedef struct {
    oh_permit_t permit;
    ErlNifMonitor owner; /* while the permit is held */
} permit_t;

static void permit_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    permit_t *p = obj;
    oh_permit_release(&p->permit);
    enif_release_resource(p->permit.limiter);
}

static void permit_owner_down(ErlNifEnv *env, void *obj, ErlNifPid *pid, ErlNifMonitor *monitor) {
    (void)env;
    (void)pid;
    (void)monitor;
    oh_permit_release(&((permit_t *)obj)->permit);
}

static void concurrency_limiter_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    (void)obj;
    oh_registry_ended(OH_KIND_CONCURRENCY_LIMITERS, sizeof(oh_concurrency_limiter_t));
}

ErlNifResourceTypeInit nif_type_init_concurrency_limiter = {.dtor = concurrency_limiter_destroy,
                                                            .members = 1};
ErlNifResourceTypeInit nif_type_init_permit = {
    .dtor = permit_destroy, .down = permit_owner_down, .members = 3};

static bool get_limiter(ErlNifEnv *env, ERL_NIF_TERM term, oh_concurrency_limiter_t **l) {
    return enif_get_resource(env, term, nif_type_concurrency_limiter, (void **)l);
}

/* concurrency_limiter_new(Limit) */
ERL_NIF_TERM nif_concurrency_limiter_new(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    uint64_t limit;
    if (!nif_get_unsigned(env, argv[0], &limit))
        return enif_make_badarg(env);
    oh_concurrency_limiter_t *l = enif_alloc_resource(nif_type_concurrency_limiter, sizeof *l);
    oh_registry_made(OH_KIND_CONCURRENCY_LIMITERS, sizeof *l);
    oh_status_t status = oh_concurrency_limiter_init(l, limit);
    ERL_NIF_TERM result = status == OH_OK ? enif_make_resource(env, l) : nif_status(env, status, 0);
    enif_release_resource(l);
    return result;
}

/* concurrency_limiter_acquire(Limiter) -> {ok, Permit} | {error, limit} */
ERL_NIF_TERM nif_concurrency_limiter_acquire(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_concurrency_limiter_t *l;
    ErlNifPid self;
    if (!get_limiter(env, argv[0], &l))
        return enif_make_badarg(env);
    if (!oh_concurrency_limiter_acquire(l))
        return nif_error(env, nif_atom.limit);
    permit_t *p = enif_alloc_resource(nif_type_permit, sizeof *p);
    oh_permit_init(&p->permit, l);
    enif_keep_resource(l);
    ERL_NIF_TERM term = enif_make_resource(env, p);
    /* Without a monitor the caller is being killed, and will not get the term. */
    if (enif_monitor_process(env, p, enif_self(env, &self), &p->owner) != 0)
        oh_permit_release(&p->permit);
    enif_release_resource(p);
    return nif_ok(env, term);
}

/* concurrency_limiter_release(Permit) -> ok | {error, released} */
ERL_NIF_TERM nif_concurrency_limiter_release(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    permit_t *p;
    if (!enif_get_resource(env, argv[0], nif_type_permit, (void **)&p))
        return enif_make_badarg(env);
    if (!oh_permit_release(&p->permit))
        return nif_status(env, OH_RELEASED, 0);
    enif_demonitor_process(env, p, &p->owner);
    return nif_atom.ok;
}

/* concurrency_limiter_limit(Limiter) */
ERL_NIF_TERM nif_concurrency_limiter_limit(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_concurrency_limiter_t *l;
    if (!get_limiter(env, argv[0], &l))
        return enif_make_badarg(env);
    return enif_make_uint64(env, l->limit);
}

/* concurrency_limiter_in_use(Limiter) */
ERL_NIF_TERM nif_concurrency_limiter_in_use(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_concurrency_limiter_t *l;
    if (!get_limiter(env, argv[0], &l))
        return enif_make_badarg(env);
    return enif_make_uint64(env, oh_concurrency_limiter_in_use(l));
}
