/*
 * nif_buffer: what the glue of the pool, of buffers and of files shares.
 *
 * Three resource types. `pool` is the user's reference to a pool. `buffer`, the handle H, is what a
 * lease term {offheap_buffer, Ref, Generation} refers to. `payload`, P, owns frozen and split off
 * bytes that binaries show: binaries come only from P, and what changes bytes takes only H. H, P
 * and the pool's reference each hold one reference to the core's pool, which is how binaries
 * outlive buffer and pool.
 *
 * References to H, and why none is used after its end:
 *
 *  1. While a lease is out the pool holds no reference to H: terms do. When the last term is
 *     collected, H's destructor releases the lease; nothing leaks.
 *  2. While the buffer is cached with its H, the pool holds one reference. A new lease turns it
 *     into the term's (make, then release).
 *  3. It is taken only by the finisher of a lease (oh_buffer.h: there is exactly one), and only if
 *     the finisher has a term of this very H among its arguments, so that H cannot end meanwhile. A
 *     finisher that has none (a sweep, the destructor itself, the caller with a forged generation
 *     and another H) detaches H from the buffer instead: H then dies with its terms, which are all
 *     stale.
 *  4. The destructor acts only if the buffer still points to its own H and the state word lets it
 *     win the release; else somebody has detached it, or is about to, without looking into H.
 *  5. Frozen bytes: the buffer's finisher drops the reference to P that freezing took, and P's
 *     destructor (after the last binary) gives the buffer to the pool. So a buffer is handed out
 *     again only when no lease, no worker inside and no binary is left.
 *
 * Stale terms keep the memory of their H (about 100 bytes), whose buffer field stays good because
 * it holds the core's pool, whose buffers never move or end.
 */
#ifndef NIF_BUFFER_H
#define NIF_BUFFER_H

#include "nif.h"

#include <string.h>

#include "../core/oh_buffer.h"
#include "../core/oh_pool.h"

/* H, and the most of P. */
typedef struct {
    oh_pool_t *pool;
    oh_buffer_t *buffer;
} nif_buffer_t;

/* P, and where the registry has its block: NULL if memory for that was out. */
typedef struct {
    nif_buffer_t of;
    oh_registry_entry_t *entry;
} nif_payload_t;

/* The user's reference to a pool. */
typedef struct {
    oh_pool_t *body; /* with a reference */
    bool holds;      /* false: made by a listing when no handle was left */
} nif_pool_t;

/* A lease term taken apart. */
typedef struct {
    ErlNifEnv *env;
    oh_pool_t *pool;
    nif_buffer_t *handle;
    oh_buffer_t *buffer;
    uint64_t generation;
} nif_lease_t;

/* Bytes that may be copied on a normal scheduler: about 0.2 ms; more goes to a dirty one. */
#define NIF_BUFFER_INLINE_BYTES ((uint64_t)1 << 20)
/* Bytes copied in a millisecond, at the least. */
#define NIF_BUFFER_BYTES_PER_MS ((uint64_t)4 << 20)

_Static_assert(sizeof(ErlNifPid) == sizeof(uint64_t), "a pid is one word");

/* The calling process, as the owner word of a buffer. */
static inline uint64_t nif_buffer_self(ErlNifEnv *env) {
    ErlNifPid pid;
    uint64_t word;
    enif_self(env, &pid);
    memcpy(&word, &pid, sizeof word);
    return word;
}

/* And back. */
ErlNifPid nif_buffer_owner_pid(uint64_t word);

/* Gives back the reference to H that the pool held; an oh_pool_drop_t. */
void nif_buffer_drop(void *handle);

/* The body of a pool's reference; false: it is none. */
bool nif_pool_get(ErlNifEnv *env, ERL_NIF_TERM term, oh_pool_t **pool);

/* Calls who waits for bytes of the pool, after some came back. */
static inline void nif_pool_poke(ErlNifEnv *env, oh_pool_t *pool) {
    if (oh_unlikely(oh_line_waiting(&pool->line) > 0))
        oh_line_poke(&pool->line, env);
}

/* The line's host: waiters get messages. */
extern const oh_line_host_t nif_pool_line_host;

/* What the finisher of a lease does. held: the H that it has among its arguments, or NULL. */
void nif_buffer_finish(ErlNifEnv *env, oh_pool_t *pool, oh_buffer_t *buffer, nif_buffer_t *held);

/* Begins a lease on a buffer that the caller owns exclusively, and at whose beginning it has put
 * size bytes; the term for it. tag: an atom. On a dirty scheduler the process may be dead, and the
 * lease swept up and the buffer another's, before this returns. */
ERL_NIF_TERM nif_buffer_make(ErlNifEnv *env, oh_pool_t *pool, oh_buffer_t *buffer, ERL_NIF_TERM tag,
                             uint64_t size);

/* Takes a lease term apart; false: it is none. Atoms are compared by their words, which
 * nif_size_init makes sure of. */
static inline bool nif_buffer_get(ErlNifEnv *env, ERL_NIF_TERM term, nif_lease_t *lease) {
    const ERL_NIF_TERM *element;
    int arity;
    if (!enif_get_tuple(env, term, &arity, &element) || arity != 3 ||
        element[0] != nif_atom.offheap_buffer ||
        !enif_get_resource(env, element[1], nif_type_buffer, (void **)&lease->handle) ||
        !nif_get_unsigned(env, element[2], &lease->generation))
        return false;
    lease->env = env;
    lease->pool = lease->handle->pool;
    lease->buffer = lease->handle->buffer;
    return true;
}

/* OH_RELEASED if the lease is over, which it also is, from now on, if its owner is dead. */
oh_status_t nif_buffer_check(ErlNifEnv *env, const nif_lease_t *lease);

/* oh_buffer_enter and oh_buffer_leave, and what belongs to them. nif_buffer_entered turns the
 * status of a core's enter call into that of this one: it leaves again if the term is forged or the
 * owner dead. */
static inline void nif_buffer_leave(const nif_lease_t *lease, oh_buffer_mode_t mode) {
    if (oh_unlikely(oh_buffer_leave(lease->buffer, mode)))
        nif_buffer_finish(lease->env, lease->pool, lease->buffer, lease->handle);
}

/* nif_buffer_entered for one who entered and is not the owner, or has a forged term. */
oh_status_t nif_buffer_entered_other(ErlNifEnv *env, const nif_lease_t *lease,
                                     oh_buffer_mode_t mode);

static inline oh_status_t nif_buffer_entered(ErlNifEnv *env, const nif_lease_t *lease,
                                             oh_buffer_mode_t mode, oh_status_t status) {
    oh_buffer_t *b = lease->buffer;
    if (oh_unlikely(status != OH_OK))
        return status;
    if (oh_likely(oh_load_acquire(&b->handle) == lease->handle &&
                  oh_load_relaxed(&b->owner) == nif_buffer_self(env)))
        return OH_OK;
    return nif_buffer_entered_other(env, lease, mode);
}

static inline oh_status_t nif_buffer_enter(ErlNifEnv *env, const nif_lease_t *lease,
                                           oh_buffer_mode_t mode) {
    return nif_buffer_entered(env, lease, mode,
                              oh_buffer_enter(lease->buffer, lease->generation, mode));
}

/* Releases leases of dead owners among the buffers from..to-1; how many. */
uint64_t nif_buffer_sweep(ErlNifEnv *env, oh_pool_t *pool, uint32_t from, uint32_t to);

/* A status as a term: as nif_status, but OH_RELEASED is badarg: use after release. */
ERL_NIF_TERM nif_buffer_status(ErlNifEnv *env, oh_status_t status);

/* length bytes at offset as a new binary, or {error, enomem}. The caller has entered. */
ERL_NIF_TERM nif_buffer_copy(ErlNifEnv *env, oh_buffer_t *buffer, uint64_t offset, uint64_t length);

#endif
