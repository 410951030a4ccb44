/* offheap_buffer: what moves bytes into and out of buffers. Up to NIF_BUFFER_INLINE_BYTES are
 * copied on the spot, more on a dirty scheduler. */
#include "nif_buffer.h"

#include <string.h>

/* A frozen buffer up to this size is copied into ordinary binaries; see doc/buffers.md for the
 * measurement. */
#define FREEZE_COPY_BYTES ((uint64_t)64 << 10)
/* A slice up to this size is copied: it becomes a binary on the process's heap and pins nothing. */
#define SLICE_COPY_BYTES ((uint64_t)64)

ERL_NIF_TERM nif_buffer_copy(ErlNifEnv *env, oh_buffer_t *b, uint64_t offset, uint64_t length) {
    if (length <= 64) {
        ERL_NIF_TERM term;
        unsigned char *bytes = enif_make_new_binary(env, length, &term);
        if (length > 0)
            memcpy(bytes, b->data + offset, length);
        return term;
    }
    ErlNifBinary binary;
    if (!enif_alloc_binary(length, &binary))
        return nif_error(env, nif_atom.status_enomem);
    memcpy(binary.data, b->data + offset, length);
    nif_charge(env, length, NIF_BUFFER_BYTES_PER_MS);
    return enif_make_binary(env, &binary);
}

/* --- Reading --- */

/* buffer_read(Buffer), buffer_read(Buffer, Offset, Length): a copy. */
ERL_NIF_TERM nif_buffer_read(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_lease_t lease;
    uint64_t offset = 0, length = 0;
    if (!nif_buffer_get(env, argv[0], &lease) ||
        (argc == 3 &&
         (!nif_get_unsigned(env, argv[1], &offset) || !nif_get_unsigned(env, argv[2], &length))))
        return enif_make_badarg(env);
    oh_status_t status = nif_buffer_enter(env, &lease, OH_BUFFER_READ);
    if (status != OH_OK)
        return nif_buffer_status(env, status);
    uint64_t size = oh_buffer_size(lease.buffer);
    if (argc == 1)
        length = size;
    ERL_NIF_TERM result;
    if (offset > size || length > size - offset)
        result = enif_make_badarg(env);
    else if (length > NIF_BUFFER_INLINE_BYTES && nif_on_scheduler())
        result = enif_schedule_nif(env, "buffer_read", ERL_NIF_DIRTY_JOB_CPU_BOUND, nif_buffer_read,
                                   argc, argv);
    else
        result = nif_buffer_copy(env, lease.buffer, offset, length);
    nif_buffer_leave(&lease, OH_BUFFER_READ);
    return result;
}

/* --- Freezing --- */

/* The bytes of a frozen buffer, inside: a copy if they are few, else what P owns. Who froze it
 * makes P; for another that comes between freezing and that, P is not there yet. */
static ERL_NIF_TERM frozen_bytes(ErlNifEnv *env, const nif_lease_t *lease, uint64_t offset,
                                 uint64_t length) {
    oh_buffer_t *b = lease->buffer;
    if (oh_buffer_size(b) <= FREEZE_COPY_BYTES || length <= SLICE_COPY_BYTES)
        return nif_buffer_copy(env, b, offset, length);
    void *payload = oh_load_acquire(&b->payload); /* A6: pairs with R6 */
    if (payload == NULL)
        return nif_error(env, nif_atom.status_busy);
    /* Emulators from OTP 27 on do not count these bytes when they decide on a collection: let the
     * process at least run for less long. */
    nif_charge(env, length, 4 * NIF_BUFFER_BYTES_PER_MS);
    return enif_make_resource_binary(env, payload, b->data + offset, length);
}

static void make_payload(const nif_lease_t *lease) {
    nif_payload_t *p = enif_alloc_resource(nif_type_payload, sizeof *p);
    *p = (nif_payload_t){.of = *lease->handle};
    oh_pool_ref(p->of.pool);
    uint64_t start = (uintptr_t)lease->buffer->data;
    const uint64_t value[OH_REGISTRY_VALUES] = {start, start + oh_buffer_capacity(lease->buffer),
                                                (uintptr_t)p};
    if (oh_registry_enter(OH_LIST_FROZEN, value, &p->entry) != OH_OK)
        p->entry = NULL;
    oh_store_release(&lease->buffer->payload, p); /* R6: pairs with A6 */
}

/* buffer_freeze(Buffer): O(1), or a copy of at most FREEZE_COPY_BYTES. */
ERL_NIF_TERM nif_buffer_freeze(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_lease_t lease;
    if (!nif_buffer_get(env, argv[0], &lease))
        return enif_make_badarg(env);
    oh_status_t status = nif_buffer_check(env, &lease);
    if (status == OH_OK)
        status = oh_buffer_freeze(lease.buffer, lease.generation);
    bool first = status == OH_OK;
    status = nif_buffer_entered(env, &lease, OH_BUFFER_READ, status == OH_FROZEN ? OH_OK : status);
    if (status != OH_OK)
        return nif_buffer_status(env, status);
    uint64_t size = oh_buffer_size(lease.buffer);
    if (first && size > FREEZE_COPY_BYTES)
        make_payload(&lease);
    ERL_NIF_TERM result = frozen_bytes(env, &lease, 0, size);
    nif_buffer_leave(&lease, OH_BUFFER_READ);
    return result;
}

/* buffer_slice(Buffer, Offset, Length): of a frozen buffer; as freeze. */
ERL_NIF_TERM nif_buffer_slice(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_lease_t lease;
    uint64_t offset, length;
    if (!nif_buffer_get(env, argv[0], &lease) || !nif_get_unsigned(env, argv[1], &offset) ||
        !nif_get_unsigned(env, argv[2], &length))
        return enif_make_badarg(env);
    oh_status_t status = nif_buffer_enter(env, &lease, OH_BUFFER_READ);
    if (status != OH_OK)
        return nif_buffer_status(env, status);
    uint64_t size = oh_buffer_size(lease.buffer);
    ERL_NIF_TERM result;
    if (oh_buffer_word_state(oh_buffer_word(lease.buffer)) == OH_BUFFER_WRITABLE || offset > size ||
        length > size - offset)
        result = enif_make_badarg(env);
    else
        result = frozen_bytes(env, &lease, offset, length);
    nif_buffer_leave(&lease, OH_BUFFER_READ);
    return result;
}
