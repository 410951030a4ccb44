/* offheap_pool, offheap_buffer: leasing, at once or after waiting in line. O(1) but for the copy of
 * the first bytes; what is not runs on a dirty scheduler. */
#include "nif_buffer.h"

#include "../core/oh_alloc.h"

typedef struct {
    oh_pool_t *pool;
    uint64_t size;
    ErlNifBinary data; /* the first bytes */
    ERL_NIF_TERM tag;
} lease_args_t;

/* Pool, Size, then perhaps Data and Tag. */
static bool get_args(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[], lease_args_t *args) {
    if (!nif_pool_get(env, argv[0], &args->pool) || !nif_get_unsigned(env, argv[1], &args->size))
        return false;
    args->data.size = 0;
    args->tag = nif_atom.undefined;
    if (argc > 2) {
        if (!enif_inspect_binary(env, argv[2], &args->data))
            return false;
        if (args->data.size > args->size)
            args->size = args->data.size;
    }
    if (argc > 3)
        args->tag = argv[3];
    return argc <= 3 || enif_is_atom(env, argv[3]);
}

/* True where copying or clearing takes too long for a normal scheduler. */
static bool is_long(const lease_args_t *args) {
    return oh_unlikely(args->data.size > NIF_BUFFER_INLINE_BYTES ||
                       (args->pool->zero && args->size > NIF_BUFFER_INLINE_BYTES)) &&
           nif_on_scheduler();
}

/* A lease term with its first bytes in it, which are put before anybody can end the lease. */
static ERL_NIF_TERM begin_lease(ErlNifEnv *env, const lease_args_t *args, oh_buffer_t *b) {
    if (args->data.size > 0) {
        oh_buffer_put(b, 0, args->data.data, args->data.size);
        nif_charge(env, args->data.size, NIF_BUFFER_BYTES_PER_MS);
    }
    return nif_buffer_make(env, args->pool, b, args->tag, args->data.size);
}

static ERL_NIF_TERM refuse(ErlNifEnv *env, oh_pool_t *pool, oh_status_t status) {
    if (status == OH_EXHAUSTED || status == OH_LIMIT) {
        oh_fetch_add_relaxed(&pool->refused, 1);
        status = OH_EXHAUSTED;
    }
    return nif_status(env, status, 0);
}

/* {ok, Lease} or {error, Reason}. */
static ERL_NIF_TERM outcome(ErlNifEnv *env, const lease_args_t *args, oh_status_t status,
                            oh_buffer_t *b) {
    if (oh_unlikely(status != OH_OK))
        return refuse(env, args->pool, status);
    ERL_NIF_TERM ok[] = {nif_atom.ok, begin_lease(env, args, b)};
    return enif_make_tuple_from_array(env, ok, 2);
}

/* At the cap, on a dirty scheduler: takes what is kept, or else what dead owners have. For one that
 * need not wait. */
static oh_status_t take_at_cap(ErlNifEnv *env, const lease_args_t *args, oh_buffer_t **b) {
    oh_pool_t *pool = args->pool;
    oh_status_t status = oh_pool_take_at_cap(pool, args->size, b, nif_buffer_drop);
    if (status == OH_EXHAUSTED && nif_buffer_sweep(env, pool, 0, oh_pool_count(pool)) > 0)
        status = oh_pool_take_at_cap(pool, args->size, b, nif_buffer_drop);
    return status;
}

/* The same for one who has to let those go first who wait. */
static oh_status_t take_behind_line(ErlNifEnv *env, const lease_args_t *args, oh_buffer_t **b) {
    oh_pool_t *pool = args->pool;
    if (oh_line_waiting(&pool->line) > 0 && !oh_pool_is_enough_for_all(pool, args->size))
        return oh_pool_block_bytes(pool, args->size) > pool->max_bytes ? OH_LIMIT : OH_EXHAUSTED;
    return take_at_cap(env, args, b);
}

static ERL_NIF_TERM lease_at_cap(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    lease_args_t args;
    oh_buffer_t *b = NULL;
    if (!get_args(env, argc, argv, &args))
        return enif_make_badarg(env);
    oh_status_t status = take_behind_line(env, &args, &b);
    return outcome(env, &args, status, b);
}

/* pool_lease(Pool, Size), pool_lease(Pool, Size, Data), pool_lease(Pool, Size, Data, Tag) */
ERL_NIF_TERM nif_pool_lease(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    lease_args_t args;
    oh_buffer_t *b = NULL;
    if (!get_args(env, argc, argv, &args))
        return enif_make_badarg(env);
    if (is_long(&args))
        return enif_schedule_nif(env, "pool_lease", ERL_NIF_DIRTY_JOB_CPU_BOUND, nif_pool_lease,
                                 argc, argv);
    oh_status_t status = oh_pool_take(args.pool, args.size, &b, nif_buffer_drop);
    if (oh_unlikely(status == OH_EXHAUSTED))
        return enif_schedule_nif(env, "pool_lease", ERL_NIF_DIRTY_JOB_CPU_BOUND, lease_at_cap, argc,
                                 argv);
    return outcome(env, &args, status, b);
}

/* pool_lease_now(Pool, Size): as pool_lease, but {error, exhausted} where that would look further,
 * on a dirty scheduler. */
ERL_NIF_TERM nif_pool_lease_now(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    lease_args_t args;
    oh_buffer_t *b = NULL;
    if (!get_args(env, argc, argv, &args))
        return enif_make_badarg(env);
    oh_status_t status = OH_EXHAUSTED;
    if (!is_long(&args))
        status = oh_pool_take(args.pool, args.size, &b, nif_buffer_drop);
    return outcome(env, &args, status, b);
}

/* --- Waiting --- */

/* What the line knows of a waiter. */
typedef struct {
    oh_waiter_t waiter;
    ErlNifPid pid;
    ErlNifEnv *env;
    ERL_NIF_TERM message; /* in env */
} waiting_t;

/* What the waiting process holds. If it dies, the destructor leaves the line for it. */
typedef struct {
    oh_pool_t *pool;
    uint64_t process;
    waiting_t *waiting; /* NULL: has left */
} nif_waiter_t;

static void end_waiting(oh_waiter_t *waiter) {
    waiting_t *w = OH_CONTAINER_OF(waiter, waiting_t, waiter);
    enif_free_env(w->env);
    oh_free(w);
}

/* To a process that is dead meanwhile nothing is sent. */
static void call_waiter(oh_waiter_t *waiter, void *context) {
    waiting_t *w = OH_CONTAINER_OF(waiter, waiting_t, waiter);
    enif_send(context, &w->pid, NULL, w->message);
}

const oh_line_host_t nif_pool_line_host = {call_waiter, end_waiting};

static void waiter_destroy(ErlNifEnv *env, void *obj) {
    nif_waiter_t *self = obj;
    if (self->waiting != NULL)
        oh_line_abandon(&self->pool->line, &self->waiting->waiter, env);
    oh_pool_unref(self->pool);
}

ErlNifResourceTypeInit nif_type_init_waiter = {.dtor = waiter_destroy, .members = 1};

/* The calling process joins the line; it is called by the message. NULL: no memory. */
static nif_waiter_t *join(ErlNifEnv *env, const lease_args_t *args, ERL_NIF_TERM message) {
    oh_pool_t *pool = args->pool;
    waiting_t *w = oh_alloc(sizeof *w);
    if (w == NULL)
        return NULL;
    w->waiter.wanted = oh_pool_block_bytes(pool, args->size);
    enif_self(env, &w->pid);
    w->env = enif_alloc_env();
    w->message = enif_make_copy(w->env, message);
    nif_waiter_t *self = enif_alloc_resource(nif_type_waiter, sizeof *self);
    self->pool = pool;
    self->process = nif_buffer_self(env);
    self->waiting = w;
    oh_pool_ref(pool);
    oh_fetch_add_relaxed(&pool->waited, 1);
    oh_line_join(&pool->line, &w->waiter, env);
    return self;
}

static void leave(ErlNifEnv *env, nif_waiter_t *self) {
    waiting_t *w = self->waiting;
    self->waiting = NULL;
    oh_line_leave(&self->pool->line, &w->waiter, env);
    end_waiting(&w->waiter);
}

/* A look, by the waiter: the outcome, after which it has left the line; false: wait on. */
static bool look(ErlNifEnv *env, nif_waiter_t *self, const lease_args_t *args,
                 ERL_NIF_TERM *result) {
    oh_buffer_t *b = NULL;
    oh_status_t status = OH_CLOSED;
    if (!oh_pool_is_closed(args->pool)) {
        if (!oh_line_ready(&args->pool->line, &self->waiting->waiter, env))
            return false;
        status = take_at_cap(env, args, &b);
        if (status == OH_EXHAUSTED)
            return false;
    }
    leave(env, self);
    *result = outcome(env, args, status, b);
    return true;
}

static ERL_NIF_TERM wait_at_cap(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    lease_args_t args;
    oh_buffer_t *b = NULL;
    if (!get_args(env, argc - 1, argv, &args))
        return enif_make_badarg(env);
    oh_status_t status = take_behind_line(env, &args, &b);
    if (status != OH_EXHAUSTED)
        return outcome(env, &args, status, b);
    nif_waiter_t *self = join(env, &args, argv[argc - 1]);
    if (self == NULL)
        return nif_status(env, OH_ENOMEM, 0);
    ERL_NIF_TERM result;
    if (!look(env, self, &args, &result))
        result = enif_make_tuple2(env, nif_atom.wait, enif_make_resource(env, self));
    enif_release_resource(self);
    return result;
}

/* pool_lease_wait(Pool, Size, Data, Tag, Message) -> as pool_lease, or {wait, Waiter}: the
 * caller stands in line, and is sent Message when it is worth to look again. */
ERL_NIF_TERM nif_pool_lease_wait(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    lease_args_t args;
    oh_buffer_t *b = NULL;
    if (!get_args(env, argc - 1, argv, &args))
        return enif_make_badarg(env);
    oh_status_t status = OH_EXHAUSTED;
    if (!is_long(&args))
        status = oh_pool_take(args.pool, args.size, &b, nif_buffer_drop);
    if (status == OH_EXHAUSTED)
        return enif_schedule_nif(env, "pool_lease_wait", ERL_NIF_DIRTY_JOB_CPU_BOUND, wait_at_cap,
                                 argc, argv);
    return outcome(env, &args, status, b);
}

/* The waiter, of the calling process, which has not left. */
static bool get_waiter(ErlNifEnv *env, ERL_NIF_TERM term, nif_waiter_t **self) {
    return enif_get_resource(env, term, nif_type_waiter, (void **)self) &&
           (*self)->process == nif_buffer_self(env) && (*self)->waiting != NULL;
}

/* pool_lease_again(Pool, Size, Data, Tag, Waiter) -> as pool_lease, or wait: not yet. On a
 * dirty scheduler. */
ERL_NIF_TERM nif_pool_lease_again(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    lease_args_t args;
    nif_waiter_t *self;
    ERL_NIF_TERM result;
    if (!get_args(env, argc - 1, argv, &args) || !get_waiter(env, argv[argc - 1], &self) ||
        self->pool != args.pool)
        return enif_make_badarg(env);
    return look(env, self, &args, &result) ? result : nif_atom.wait;
}

/* pool_lease_leave(Waiter): gives up. No message is sent from then on. */
ERL_NIF_TERM nif_pool_lease_leave(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_waiter_t *self;
    if (!get_waiter(env, argv[0], &self))
        return enif_make_badarg(env);
    oh_fetch_add_relaxed(&self->pool->refused, 1);
    leave(env, self);
    return nif_atom.ok;
}
