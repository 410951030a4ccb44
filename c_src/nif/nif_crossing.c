/*
 * Crossings: buffers in the hands of a worker program, which maps them (core/oh_shared.h).
 *
 * A crossing enters its buffers as any call does: inputs for reading, one buffer to extend, into
 * which the worker puts its result. While it is inside, nobody else extends that buffer, neither is
 * frozen or split, and a release, by whomever, gives the blocks back only when the crossing leaves.
 *
 *   open --sent--> with a worker --replied--> ended        by the worker's owner
 *     |                 |
 *     +-----------------+--end, or the last reference goes--> ended
 *
 * Blocks go back into use only when the worker can no longer write them: it has replied, which it
 * does after it has given up the right to write (oh_views_close), or the kernel says that it has
 * ended. A crossing that ends otherwise marks the block late: the lease of the buffer is ended, and
 * its segment is freed and not used again.
 *
 * All calls O(1), for up to INPUTS_MAX buffers.
 */
#include "nif_buffer.h"
#include "nif_process.h"

#include "../core/oh_job.h"
#include "../core/oh_shared.h"

#define INPUTS_MAX OFFHEAP_PARAMS_MAX

typedef struct {
    _Atomic bool ended;
    void *process;                 /* that was sent it, referred to; or NULL */
    nif_lease_t input[INPUTS_MAX]; /* entered for reading; the first `inputs` */
    uint32_t inputs;
    nif_lease_t into; /* entered to extend; handle NULL: none */
    uint64_t offset;  /* its size when it was entered */
    uint64_t room;    /* bytes that may be put there */
} nif_crossing_t;

/* --- In and out --- */

/* Keeps the handle too: the term may be gone when the crossing ends. */
static oh_status_t enter(ErlNifEnv *env, const nif_lease_t *lease, oh_buffer_mode_t mode) {
    oh_status_t status = nif_buffer_enter(env, lease, mode);
    if (status == OH_OK)
        enif_keep_resource(lease->handle);
    return status;
}

static void leave(ErlNifEnv *env, nif_lease_t *lease, oh_buffer_mode_t mode) {
    lease->env = env; /* it was entered in another call */
    nif_buffer_leave(lease, mode);
    enif_release_resource(lease->handle);
}

/* Ends the lease of a buffer that a worker may yet write. */
static void give_up(const nif_lease_t *lease) {
    bool finisher = false; /* this one is inside: it finishes when it leaves */
    oh_shared_mark_late(lease->buffer->shared);
    (void)oh_buffer_release(lease->buffer, lease->generation, &finisher);
}

/* Once; whoever comes later does nothing. */
static bool end(nif_crossing_t *c) {
    return !oh_exchange_acqrel(&c->ended, true);
}

static void leave_all(ErlNifEnv *env, nif_crossing_t *c) {
    for (uint32_t i = 0; i < c->inputs; i++)
        leave(env, &c->input[i], OH_BUFFER_READ);
    if (c->into.handle != NULL)
        leave(env, &c->into, OH_BUFFER_EXTEND);
    if (c->process != NULL)
        enif_release_resource(c->process);
}

/* Without a reply. */
static void abandon(ErlNifEnv *env, nif_crossing_t *c) {
    if (!end(c))
        return;
    if (c->into.handle != NULL && c->process != NULL && !nif_process_has_ended(c->process, 0))
        give_up(&c->into);
    leave_all(env, c);
}

static void crossing_destroy(ErlNifEnv *env, void *obj) {
    abandon(env, obj);
}

ErlNifResourceTypeInit nif_type_init_crossing = {.dtor = crossing_destroy, .members = 1};

/* --- Beginning --- */

/* What the worker is told: {Fd, Inode, Id, SegmentBytes, Offset, Length}, of bytes of the buffer,
 * which was entered. */
static ERL_NIF_TERM make_range(ErlNifEnv *env, oh_buffer_t *b, uint64_t offset, uint64_t length) {
    const oh_shared_t *shared = b->shared;
    uint64_t start = (uint64_t)(oh_buffer_at(b, offset) - shared->data);
    ERL_NIF_TERM element[] = {
        enif_make_int(env, shared->fd),    enif_make_uint64(env, shared->inode),
        enif_make_uint64(env, shared->id), enif_make_uint64(env, shared->bytes),
        enif_make_uint64(env, start),      enif_make_uint64(env, length)};
    return enif_make_tuple_from_array(env, element, sizeof element / sizeof element[0]);
}

/* Enters an input; the atom none if the worker cannot map it, or it cannot be entered: who reads it
 * will say why. */
static ERL_NIF_TERM enter_input(ErlNifEnv *env, ERL_NIF_TERM term, nif_crossing_t *c) {
    nif_lease_t lease;
    if (!nif_buffer_get(env, term, &lease) || enter(env, &lease, OH_BUFFER_READ) != OH_OK)
        return nif_atom.none;
    if (lease.buffer->shared == NULL) {
        leave(env, &lease, OH_BUFFER_READ);
        return nif_atom.none;
    }
    c->input[c->inputs++] = lease;
    return make_range(env, lease.buffer, 0, oh_buffer_size(lease.buffer));
}

/* The same for the buffer that takes the result. One of whose block a binary shows a part is none:
 * the page on which that part ends would be writable. */
static ERL_NIF_TERM enter_into(ErlNifEnv *env, ERL_NIF_TERM term, nif_crossing_t *c) {
    nif_lease_t lease;
    if (!nif_buffer_get(env, term, &lease) || enter(env, &lease, OH_BUFFER_EXTEND) != OH_OK)
        return nif_atom.none;
    oh_buffer_t *b = lease.buffer;
    if (b->shared == NULL || oh_load_acquire(&b->payload) != NULL) {
        leave(env, &lease, OH_BUFFER_EXTEND);
        return nif_atom.none;
    }
    oh_shared_mark_exposed(b->shared);
    c->into = lease;
    c->offset = oh_buffer_size(b);
    c->room = oh_buffer_capacity(b) - c->offset;
    return make_range(env, b, c->offset, c->room);
}

/* crossing_new([Input], Into | none) -> {Crossing, [Range | none], Range | none}, with none for
 * each buffer that does not cross. badarg for too many inputs. */
ERL_NIF_TERM nif_crossing_new(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    unsigned count;
    ERL_NIF_TERM list = argv[0], head, range[INPUTS_MAX];
    if (!enif_get_list_length(env, list, &count) || count > INPUTS_MAX)
        return enif_make_badarg(env);
    nif_crossing_t *c = enif_alloc_resource(nif_type_crossing, sizeof *c);
    oh_store_relaxed(&c->ended, false);
    c->process = NULL;
    c->inputs = 0;
    c->into.handle = NULL;
    for (unsigned i = 0; i < count && enif_get_list_cell(env, list, &head, &list); i++)
        range[i] = enter_input(env, head, c);
    ERL_NIF_TERM into = enter_into(env, argv[1], c);
    ERL_NIF_TERM result = enif_make_tuple3(env, enif_make_resource(env, c),
                                           enif_make_list_from_array(env, range, count), into);
    enif_release_resource(c);
    return result;
}

/* --- Going on --- */

static bool get_crossing(ErlNifEnv *env, ERL_NIF_TERM term, nif_crossing_t **c) {
    return enif_get_resource(env, term, nif_type_crossing, (void **)c);
}

/* crossing_sent(Crossing, Process): the worker is about to be told; once, by its owner. */
ERL_NIF_TERM nif_crossing_sent(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_crossing_t *c;
    void *process;
    if (!get_crossing(env, argv[0], &c) || oh_load_acquire(&c->ended) || c->process != NULL ||
        !nif_process_get(env, argv[1], &process))
        return enif_make_badarg(env);
    enif_keep_resource(process);
    c->process = process;
    return nif_atom.ok;
}

/* crossing_replied(Crossing, Written): the worker has answered, and put so many bytes into the
 * buffer for the result, which has grown by them when this returns. false, and nothing is changed,
 * if there is no room for them: the worker lies. By its owner. */
ERL_NIF_TERM nif_crossing_replied(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_crossing_t *c;
    uint64_t written;
    if (!get_crossing(env, argv[0], &c))
        return enif_make_badarg(env);
    if (!nif_get_unsigned(env, argv[1], &written) ||
        written > (c->into.handle == NULL ? 0 : c->room))
        return nif_atom.false_;
    if (end(c)) {
        if (c->into.handle != NULL)
            oh_buffer_grow(c->into.buffer, c->offset, c->offset + written);
        leave_all(env, c);
    }
    return nif_atom.true_;
}

/* crossing_end(Crossing): there will be no reply: it was not sent, or the worker is dead or will
 * be. */
ERL_NIF_TERM nif_crossing_end(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_crossing_t *c;
    if (!get_crossing(env, argv[0], &c))
        return enif_make_badarg(env);
    abandon(env, c);
    return nif_atom.ok;
}

/* --- Looking --- */

/* shared_is_supported() */
ERL_NIF_TERM nif_shared_is_supported(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)env;
    (void)argc;
    (void)argv;
    return oh_shared_is_supported() ? nif_atom.true_ : nif_atom.false_;
}

/* shared_count(): segments of all pools. */
ERL_NIF_TERM nif_shared_count(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    (void)argv;
    return enif_make_uint(env, oh_shared_count());
}

/* buffer_is_shared(Buffer): whether a worker could map it; false also for what is no live buffer.
 */
ERL_NIF_TERM nif_buffer_is_shared(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_lease_t lease;
    if (!nif_buffer_get(env, argv[0], &lease) ||
        nif_buffer_enter(env, &lease, OH_BUFFER_READ) != OH_OK)
        return nif_atom.false_;
    bool is_shared = lease.buffer->shared != NULL;
    nif_buffer_leave(&lease, OH_BUFFER_READ);
    return is_shared ? nif_atom.true_ : nif_atom.false_;
}
