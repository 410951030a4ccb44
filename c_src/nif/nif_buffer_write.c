/* offheap_buffer: iodata into buffers. Up to NIF_BUFFER_INLINE_BYTES in NIF_IODATA_PARTS parts are
 * copied on the spot, more on a dirty scheduler. */
#include "nif_buffer_range.h"
#include "nif_iodata.h"

/* What to return for data that was not walked to its end. */
static ERL_NIF_TERM not_walked(ErlNifEnv *env, nif_iodata_result_t walked, const nif_call_t *call) {
    if (walked == NIF_IODATA_LONG)
        return nif_go_dirty(env, call);
    return walked == NIF_IODATA_BAD ? enif_make_badarg(env)
                                    : nif_error(env, nif_atom.status_enomem);
}

/* Puts iodata at range's offset, which is not below the size; entered to extend. One pass: what is
 * beyond the size is seen only when the size is moved, if all was good. */
static ERL_NIF_TERM put_beyond(ErlNifEnv *env, nif_range_t *range, ERL_NIF_TERM term,
                               const nif_call_t *call) {
    oh_buffer_t *b = range->lease.buffer;
    nif_iodata_t data = {0};
    nif_iodata_result_t walked = NIF_IODATA_LONG;
    if (oh_buffer_fits(b, range->offset, 0)) {
        data.to = nif_range_bytes(range);
        data.room = oh_buffer_capacity(b) - range->offset;
    }
    /* A long gap takes time, too; where nothing fits, none is filled. */
    if (data.to == NULL || !nif_buffer_is_long(range->offset - oh_buffer_size(b)))
        walked = nif_iodata_walk(env, term, NIF_BUFFER_INLINE_BYTES, &data);
    range->length = data.length;
    if (walked == NIF_IODATA_OK && oh_buffer_fits(b, range->offset, range->length)) {
        nif_charge(env, data.parts, NIF_IODATA_PARTS_PER_MS);
        return nif_range_end_put(env, range);
    }
    nif_range_leave(range);
    return walked == NIF_IODATA_OK ? nif_error(env, nif_atom.enospc)
                                   : not_walked(env, walked, call);
}

/* Puts iodata at any offset: bytes that are there may be overwritten only when all is known to be
 * good, so it is walked twice. */
static ERL_NIF_TERM put_within(ErlNifEnv *env, nif_range_t *range, ERL_NIF_TERM term,
                               const nif_call_t *call) {
    nif_iodata_t data = {0};
    ERL_NIF_TERM refusal;
    nif_iodata_result_t walked = nif_iodata_walk(env, term, NIF_BUFFER_INLINE_BYTES, &data);
    if (walked != NIF_IODATA_OK)
        return not_walked(env, walked, call);
    range->length = data.room = data.length;
    if (!nif_range_begin_put(env, range, call, &refusal))
        return refusal;
    data.to = nif_range_bytes(range);
    nif_iodata_walk(env, term, NIF_BUFFER_INLINE_BYTES, &data);
    nif_charge(env, data.parts, NIF_IODATA_PARTS_PER_MS);
    return nif_range_end_put(env, range);
}

/* Puts iodata at range's offset. */
static ERL_NIF_TERM put_iodata(ErlNifEnv *env, nif_range_t *range, ERL_NIF_TERM term,
                               const nif_call_t *call) {
    uint64_t offset = range->offset;
    ERL_NIF_TERM refusal;
    if (offset >= oh_buffer_size(range->lease.buffer)) {
        if (!nif_range_begin_append(env, range, &refusal))
            return refusal;
        bool beyond = offset >= range->offset;
        range->offset = offset;
        if (beyond)
            return put_beyond(env, range, term, call);
        nif_range_leave(range); /* another has extended meanwhile */
    }
    return put_within(env, range, term, call);
}

/* buffer_write(Buffer, Offset, Iodata) */
ERL_NIF_TERM nif_buffer_write(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_range_t range;
    ErlNifBinary binary;
    ERL_NIF_TERM refusal;
    if (!nif_buffer_get(env, argv[0], &range.lease) ||
        !nif_get_unsigned(env, argv[1], &range.offset))
        return enif_make_badarg(env);
    if (oh_unlikely(!enif_inspect_binary(env, argv[2], &binary)))
        return put_iodata(env, &range, argv[2], &NIF_CALL(buffer_write));
    range.length = binary.size;
    if (!nif_range_begin_put(env, &range, &NIF_CALL(buffer_write), &refusal))
        return refusal;
    oh_buffer_put(range.lease.buffer, range.offset, binary.data, binary.size);
    return nif_range_end_put(env, &range);
}

/* buffer_append(Buffer, Iodata) */
ERL_NIF_TERM nif_buffer_append(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_range_t range;
    ErlNifBinary binary;
    ERL_NIF_TERM result;
    if (!nif_buffer_get(env, argv[0], &range.lease))
        return enif_make_badarg(env);
    bool is_binary = enif_inspect_binary(env, argv[1], &binary);
    if (!nif_range_begin_append(env, &range, &result))
        return result;
    if (oh_unlikely(!is_binary))
        return put_beyond(env, &range, argv[1], &NIF_CALL(buffer_append));
    range.length = binary.size;
    if (oh_unlikely(!oh_buffer_fits(range.lease.buffer, range.offset, range.length))) {
        result = nif_error(env, nif_atom.enospc);
    } else if (oh_likely(!nif_buffer_is_long(range.length))) {
        oh_buffer_put(range.lease.buffer, range.offset, binary.data, binary.size);
        return nif_range_end_put(env, &range);
    } else {
        result = nif_go_dirty(env, &NIF_CALL(buffer_append));
    }
    nif_range_leave(&range);
    return result;
}
