/* offheap_buffer: what copies bytes out of buffers: up to NIF_BUFFER_INLINE_BYTES on the spot, more
 * on a dirty scheduler. */
#include "nif_buffer.h"

#include <string.h>

ERL_NIF_TERM nif_buffer_copy(ErlNifEnv *env, oh_buffer_t *b, uint64_t offset, uint64_t length) {
    if (length <= 64) {
        ERL_NIF_TERM term;
        unsigned char *bytes = enif_make_new_binary(env, length, &term);
        if (length > 0)
            memcpy(bytes, oh_buffer_at(b, offset), length);
        return term;
    }
    ErlNifBinary binary;
    if (!enif_alloc_binary(length, &binary))
        return nif_error(env, nif_atom.status_enomem);
    memcpy(binary.data, oh_buffer_at(b, offset), length);
    nif_charge(env, length, NIF_BUFFER_BYTES_PER_MS);
    return enif_make_binary(env, &binary);
}

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
