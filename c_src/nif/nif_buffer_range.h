/*
 * nif_buffer_range: entering a buffer for a range of its bytes, and leaving it. What is common to
 * all that put bytes or work on bytes that are there.
 *
 * Nothing is held over a return to the emulator: who begins ends, before the NIF returns.
 */
#ifndef NIF_BUFFER_RANGE_H
#define NIF_BUFFER_RANGE_H

#include "nif_buffer.h"

/* True if a call over length bytes is to go on on a dirty scheduler. */
static inline bool nif_buffer_is_long(uint64_t length) {
    return oh_unlikely(length > NIF_BUFFER_INLINE_BYTES) && nif_on_scheduler();
}

/* The NIF that is running, to go on as a whole on a dirty scheduler: what it then returns. */
typedef struct {
    const char *name;
    ERL_NIF_TERM (*function)(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);
    int argc;
    const ERL_NIF_TERM *argv;
} nif_call_t;

#define NIF_CALL(name) ((nif_call_t){#name, nif_##name, argc, argv})

static inline ERL_NIF_TERM nif_go_dirty(ErlNifEnv *env, const nif_call_t *call) {
    return enif_schedule_nif(env, call->name, ERL_NIF_DIRTY_JOB_CPU_BOUND, call->function,
                             call->argc, call->argv);
}

/* A buffer argument, and where in it. */
typedef struct {
    nif_lease_t lease;
    uint64_t offset;
    uint64_t length;
    oh_buffer_mode_t mode;
} nif_range_t;

/* Buffer, offset and length from three arguments in a row. */
static inline bool nif_range_get(ErlNifEnv *env, const ERL_NIF_TERM argv[], nif_range_t *range) {
    return nif_buffer_get(env, argv[0], &range->lease) &&
           nif_get_unsigned(env, argv[1], &range->offset) &&
           nif_get_unsigned(env, argv[2], &range->length);
}

static inline char *nif_range_bytes(const nif_range_t *range) {
    return oh_buffer_at(range->lease.buffer, range->offset);
}

static inline void nif_range_leave(const nif_range_t *range) {
    nif_buffer_leave(&range->lease, range->mode);
}

/* Enters for bytes that are there, to read or overwrite. False: *refusal is to be returned: badarg
 * if they are not all below the size; and nothing is to be left. */
static inline bool nif_range_begin(ErlNifEnv *env, nif_range_t *range, oh_buffer_mode_t mode,
                                   ERL_NIF_TERM *refusal) {
    range->mode = mode;
    oh_status_t status = nif_buffer_enter(env, &range->lease, mode);
    if (oh_unlikely(status != OH_OK)) {
        *refusal = nif_buffer_status(env, status);
        return false;
    }
    uint64_t size = oh_buffer_size(range->lease.buffer);
    if (oh_likely(range->offset <= size && range->length <= size - range->offset))
        return true;
    nif_range_leave(range);
    *refusal = enif_make_badarg(env);
    return false;
}

static inline void nif_range_end(ErlNifEnv *env, const nif_range_t *range) {
    nif_range_leave(range);
    nif_charge(env, range->length, NIF_BUFFER_BYTES_PER_MS);
}

/* Enters for putting bytes, below the size or beyond it. False: *refusal is to be returned, and
 * nothing is to be left: {error, enospc} if they do not fit, or the call on a dirty scheduler if
 * they, with the gap that is to be filled with zeros, are many. */
static inline bool nif_range_begin_put(ErlNifEnv *env, nif_range_t *range, const nif_call_t *call,
                                       ERL_NIF_TERM *refusal) {
    oh_buffer_t *b = range->lease.buffer;
    oh_status_t status =
        oh_buffer_enter_put(b, range->lease.generation, range->length == 0 ? 0 : range->offset,
                            range->length, &range->mode);
    status = nif_buffer_entered(env, &range->lease, range->mode, status);
    if (oh_unlikely(status != OH_OK)) {
        *refusal = nif_buffer_status(env, status);
        return false;
    }
    if (oh_likely(oh_buffer_fits(b, range->offset, range->length))) {
        uint64_t size = oh_buffer_size(b), gap = range->offset > size ? range->offset - size : 0;
        if (oh_likely(!nif_buffer_is_long(gap + range->length)))
            return true;
        *refusal = nif_go_dirty(env, call);
    } else {
        *refusal = nif_error(env, nif_atom.enospc);
    }
    nif_range_leave(range);
    return false;
}

/* Enters for putting bytes at the end; offset and length are the caller's to set before the end,
 * and whether they fit its to see. */
static inline bool nif_range_begin_append(ErlNifEnv *env, nif_range_t *range,
                                          ERL_NIF_TERM *refusal) {
    range->mode = OH_BUFFER_EXTEND;
    oh_status_t status = nif_buffer_enter(env, &range->lease, range->mode);
    if (oh_unlikely(status != OH_OK)) {
        *refusal = nif_buffer_status(env, status);
        return false;
    }
    range->offset = oh_buffer_size(range->lease.buffer);
    return true;
}

/* After the bytes were put: makes them seen. ok. */
static inline ERL_NIF_TERM nif_range_end_put(ErlNifEnv *env, const nif_range_t *range) {
    if (range->mode == OH_BUFFER_EXTEND && range->length > 0) {
        oh_buffer_t *b = range->lease.buffer;
        uint64_t size = oh_buffer_size(b);
        oh_buffer_grow(b, range->offset, range->offset + range->length);
        if (range->offset > size)
            nif_charge(env, range->offset - size, NIF_BUFFER_BYTES_PER_MS);
    }
    nif_range_end(env, range);
    return nif_atom.ok;
}

#endif
