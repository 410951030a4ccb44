/* offheap_buffer: leases, their handles, and what does not move bytes. All O(1) but the sweep. */
#include "nif_buffer.h"

#include <string.h>

#include "../core/oh_clock.h"

ErlNifPid nif_buffer_owner_pid(uint64_t word) {
    ErlNifPid pid;
    memcpy(&pid, &word, sizeof pid);
    return pid;
}

void nif_buffer_drop(void *handle) {
    enif_release_resource(handle);
}

/* --- The two destructors --- */

static void give_back(ErlNifEnv *env, oh_pool_t *pool, oh_buffer_t *b) {
    oh_pool_put(pool, b, nif_buffer_drop);
    nif_pool_poke(env, pool);
}

/* The last binary is gone, and the lease was over before: its reference kept P until then. */
static void payload_destroy(ErlNifEnv *env, void *obj) {
    nif_payload_t *payload = obj;
    nif_buffer_t *p = &payload->of;
    if (payload->entry != NULL)
        oh_registry_unref(OH_LIST_FROZEN, payload->entry);
    oh_store_release(&p->buffer->payload, NULL);
    give_back(env, p->pool, p->buffer);
    oh_pool_unref(p->pool);
}

ErlNifResourceTypeInit nif_type_init_payload = {.dtor = payload_destroy, .members = 1};

/* The last term is gone. If its lease was not released, it is now. */
static void buffer_destroy(ErlNifEnv *env, void *obj) {
    nif_buffer_t *h = obj;
    oh_buffer_t *b = h->buffer;
    bool finisher = false;
    /* The word before the handle: if the handle is still this one after, the generation is of a
     * lease of this handle, and a later one makes the release fail. */
    uint64_t word = oh_buffer_word(b);
    if (oh_load_acquire(&b->handle) == h &&
        oh_buffer_release(b, oh_buffer_word_generation(word), &finisher) == OH_OK) {
        oh_fetch_add_relaxed(&h->pool->dropped, 1);
        if (finisher)
            nif_buffer_finish(env, h->pool, b, NULL);
    }
    oh_pool_unref(h->pool);
}

ErlNifResourceTypeInit nif_type_init_buffer = {.dtor = buffer_destroy, .members = 1};

/* --- Leases --- */

void nif_buffer_finish(ErlNifEnv *env, oh_pool_t *pool, oh_buffer_t *b, nif_buffer_t *held) {
    if (held != NULL && oh_load_acquire(&b->handle) == held)
        enif_keep_resource(held);
    else
        oh_store_release(&b->handle, NULL);
    void *payload = oh_load_acquire(&b->payload); /* A6: pairs with R6 */
    if (payload != NULL)
        enif_release_resource(payload);
    else
        give_back(env, pool, b);
}

ERL_NIF_TERM nif_buffer_make(ErlNifEnv *env, oh_pool_t *pool, oh_buffer_t *b, ERL_NIF_TERM tag,
                             uint64_t size) {
    nif_buffer_t *h = oh_load_acquire(&b->handle);
    if (oh_unlikely(h == NULL)) {
        h = enif_alloc_resource(nif_type_buffer, sizeof *h);
        h->pool = pool;
        h->buffer = b;
        oh_pool_ref(pool);
        oh_store_release(&b->handle, h);
    }
    uint64_t generation = oh_buffer_open(b, nif_buffer_self(env), tag, oh_clock_ms(), size);
    ERL_NIF_TERM element[] = {nif_atom.offheap_buffer, enif_make_resource(env, h),
                              enif_make_uint64(env, generation)};
    enif_release_resource(h);
    return enif_make_tuple_from_array(env, element, 3);
}

/* Ends a lease whose owner is dead, for a caller that may hold a term of it. */
static bool reclaim(ErlNifEnv *env, oh_pool_t *pool, oh_buffer_t *b, uint64_t generation,
                    nif_buffer_t *held) {
    bool finisher = false;
    if (oh_buffer_release(b, generation, &finisher) != OH_OK)
        return false;
    oh_fetch_add_relaxed(&pool->reclaimed, 1);
    if (finisher)
        nif_buffer_finish(env, pool, b, held);
    return true;
}

/* Only the owner gives a lease away, and not after its death: an owner that is read again after it
 * was found dead, and is still the same, stays so. */
static bool owner_is_dead(ErlNifEnv *env, oh_buffer_t *b) {
    uint64_t owner = oh_load_acquire(&b->owner);
    ErlNifPid pid = nif_buffer_owner_pid(owner);
    return owner != 0 && !enif_is_process_alive(env, &pid) && oh_load_acquire(&b->owner) == owner;
}

static bool is_owner(ErlNifEnv *env, oh_buffer_t *b) {
    return oh_load_relaxed(&b->owner) == nif_buffer_self(env);
}

/* False for a handle that was detached, with the generation of its buffer's present lease:
 * forged. */
static bool is_genuine(const nif_lease_t *lease) {
    return oh_load_acquire(&lease->buffer->handle) == lease->handle;
}

static bool is_current(const nif_lease_t *lease) {
    uint64_t word = oh_buffer_word(lease->buffer);
    return oh_buffer_word_generation(word) == lease->generation &&
           oh_buffer_word_state(word) != OH_BUFFER_RELEASED && is_genuine(lease);
}

oh_status_t nif_buffer_check(ErlNifEnv *env, const nif_lease_t *lease) {
    if (!is_current(lease))
        return OH_RELEASED;
    if (oh_likely(is_owner(env, lease->buffer)) || !owner_is_dead(env, lease->buffer))
        return OH_OK;
    reclaim(env, lease->pool, lease->buffer, lease->generation, lease->handle);
    return OH_RELEASED;
}

oh_status_t nif_buffer_entered_other(ErlNifEnv *env, const nif_lease_t *lease,
                                     oh_buffer_mode_t mode) {
    oh_buffer_t *b = lease->buffer;
    /* A handle that was detached, with the generation of its buffer's present lease: forged. */
    if (oh_likely(oh_load_acquire(&b->handle) == lease->handle)) {
        if (oh_likely(!owner_is_dead(env, b)))
            return OH_OK;
        reclaim(env, lease->pool, b, lease->generation, lease->handle);
    }
    nif_buffer_leave(lease, mode);
    return OH_RELEASED;
}

uint64_t nif_buffer_sweep(ErlNifEnv *env, oh_pool_t *pool, uint32_t from, uint32_t to) {
    uint64_t count = 0;
    uint64_t now_ms = oh_clock_ms();
    for (uint32_t i = from; i < to; i++) {
        oh_buffer_t *b = oh_pool_at(pool, i);
        /* The word first: if the owner read next is of a later lease, this one is over. */
        uint64_t word = oh_buffer_word(b);
        if (oh_buffer_word_state(word) == OH_BUFFER_RELEASED)
            continue;
        oh_pool_see(b, now_ms);
        if (owner_is_dead(env, b))
            count += reclaim(env, pool, b, oh_buffer_word_generation(word), NULL);
    }
    return count;
}

ERL_NIF_TERM nif_buffer_status(ErlNifEnv *env, oh_status_t status) {
    return status == OH_RELEASED ? enif_make_badarg(env) : nif_status(env, status, 0);
}

/* --- Functions --- */

/* buffer_release(Buffer) */
ERL_NIF_TERM nif_buffer_release(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_lease_t lease;
    if (!nif_buffer_get(env, argv[0], &lease))
        return enif_make_badarg(env);
    bool finisher = false;
    oh_status_t status = nif_buffer_check(env, &lease);
    if (status == OH_OK)
        status = oh_buffer_release(lease.buffer, lease.generation, &finisher);
    if (finisher)
        nif_buffer_finish(env, lease.pool, lease.buffer, lease.handle);
    return nif_status(env, status, 0);
}

/* buffer_size(Buffer) */
ERL_NIF_TERM nif_buffer_size(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_lease_t lease;
    if (!nif_buffer_get(env, argv[0], &lease))
        return enif_make_badarg(env);
    /* Read before the check: if the lease is not over after, it was not before. */
    uint64_t size = oh_buffer_size(lease.buffer);
    oh_status_t status = nif_buffer_check(env, &lease);
    return status == OH_OK ? enif_make_uint64(env, size) : nif_buffer_status(env, status);
}

/* buffer_capacity(Buffer) */
ERL_NIF_TERM nif_buffer_capacity(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_lease_t lease;
    if (!nif_buffer_get(env, argv[0], &lease))
        return enif_make_badarg(env);
    uint64_t capacity = oh_load_acquire(&lease.buffer->capacity);
    oh_status_t status = nif_buffer_check(env, &lease);
    return status == OH_OK ? enif_make_uint64(env, capacity) : nif_buffer_status(env, status);
}

/* buffer_owner(Buffer) */
ERL_NIF_TERM nif_buffer_owner(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_lease_t lease;
    if (!nif_buffer_get(env, argv[0], &lease))
        return enif_make_badarg(env);
    ErlNifPid owner = nif_buffer_owner_pid(oh_load_acquire(&lease.buffer->owner));
    oh_status_t status = nif_buffer_check(env, &lease);
    return status == OH_OK ? enif_make_pid(env, &owner) : nif_buffer_status(env, status);
}

/* buffer_give_away(Buffer, Pid): by the owner, to a local process that is alive. */
ERL_NIF_TERM nif_buffer_give_away(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_lease_t lease;
    ErlNifPid pid;
    if (!nif_buffer_get(env, argv[0], &lease) || !enif_get_local_pid(env, argv[1], &pid) ||
        !enif_is_process_alive(env, &pid))
        return enif_make_badarg(env);
    oh_status_t status = nif_buffer_enter(env, &lease, OH_BUFFER_READ);
    if (status != OH_OK)
        return nif_buffer_status(env, status);
    bool owned = is_owner(env, lease.buffer);
    if (owned) {
        uint64_t owner;
        memcpy(&owner, &pid, sizeof owner);
        oh_store_release(&lease.buffer->owner, owner);
    }
    nif_buffer_leave(&lease, OH_BUFFER_READ);
    return owned ? nif_atom.ok : enif_make_badarg(env);
}

/* buffer_info(Buffer): also of one that was released. */
ERL_NIF_TERM nif_buffer_info(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_lease_t lease;
    if (!nif_buffer_get(env, argv[0], &lease))
        return enif_make_badarg(env);
    ErlNifPid owner = nif_buffer_owner_pid(oh_load_acquire(&lease.buffer->owner));
    uint64_t size = oh_buffer_size(lease.buffer);
    uint64_t capacity = oh_load_acquire(&lease.buffer->capacity);
    uint64_t word = oh_buffer_word(lease.buffer);
    bool is_live = nif_buffer_check(env, &lease) == OH_OK;
    bool is_frozen = oh_buffer_word_state(word) == OH_BUFFER_FROZEN;
    ERL_NIF_TERM keys[] = {nif_atom.state, nif_atom.generation, nif_atom.size, nif_atom.capacity,
                           nif_atom.owner};
    ERL_NIF_TERM values[] = {
        !is_live    ? nif_atom.status_released
        : is_frozen ? nif_atom.status_frozen
                    : nif_atom.writable,
        enif_make_uint64(env, lease.generation),
        enif_make_uint64(env, size),
        enif_make_uint64(env, capacity),
        enif_make_pid(env, &owner),
    };
    ERL_NIF_TERM map;
    enif_make_map_from_arrays(env, keys, values, is_live ? 5 : 2, &map);
    return map;
}
