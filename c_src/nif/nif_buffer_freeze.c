/* offheap_buffer: binaries that show a buffer's bytes: of a frozen one, and split off a writable
 * one. All O(1) but for copies of what is small. */
#include "nif_buffer.h"

/* Bytes up to this size are copied into ordinary binaries, if no binary shows the block yet; see
 * doc/buffers.md for the measurement. */
#define FREEZE_COPY_BYTES ((uint64_t)64 << 10)
/* Up to this size they are copied anyway: into a binary on the process's heap that pins nothing. */
#define SLICE_COPY_BYTES ((uint64_t)64)
/* Slices made on the spot: about 0.3 ms, if all are copied. */
#define SLICES_INLINE      2048
#define SLICE_INLINE_BYTES ((uint64_t)1 << 20)

/* --- The payload --- */

/* Makes P, by who froze the buffer or splits it. */
static void make_payload(const nif_lease_t *lease) {
    oh_buffer_t *b = lease->buffer;
    nif_payload_t *p = enif_alloc_resource(nif_type_payload, sizeof *p);
    *p = (nif_payload_t){.of = {.pool = lease->pool, .buffer = b}};
    oh_pool_ref(lease->pool);
    uint64_t start = (uintptr_t)b->block;
    const uint64_t value[OH_REGISTRY_VALUES] = {start, start + oh_load_relaxed(&b->block_bytes),
                                                (uintptr_t)p};
    if (oh_registry_enter(OH_LIST_FROZEN, value, &p->entry) != OH_OK)
        p->entry = NULL;
    oh_store_release(&b->payload, p); /* R6: pairs with A6 */
}

/* Bytes that P owns, as a binary. Emulators from OTP 27 on do not count these bytes when they
 * decide on a collection: let the process at least run for less long. */
static ERL_NIF_TERM show(ErlNifEnv *env, oh_buffer_t *b, void *payload, uint64_t offset,
                         uint64_t length) {
    nif_charge(env, length, 4 * NIF_BUFFER_BYTES_PER_MS);
    return enif_make_resource_binary(env, payload, oh_buffer_at(b, offset), length);
}

/* Bytes that another process may have mapped for writing are not shown but copied, whatever their
 * number: a binary must never change. */
static bool is_to_copy(oh_buffer_t *b) {
    return oh_unlikely(oh_buffer_is_exposed(b));
}

/* True where that takes too long for a normal scheduler. */
static bool is_long_copy(oh_buffer_t *b, uint64_t length) {
    return is_to_copy(b) && length > NIF_BUFFER_INLINE_BYTES && nif_on_scheduler();
}

/* --- Freezing --- */

/* The bytes of a frozen buffer, inside: a copy if they are few, else what P owns. Who froze it
 * makes P; for another that comes between freezing and that, P is not there yet. */
static ERL_NIF_TERM frozen_bytes(const nif_lease_t *lease, uint64_t offset, uint64_t length) {
    oh_buffer_t *b = lease->buffer;
    void *payload = oh_load_acquire(&b->payload); /* A6: pairs with R6 */
    if (length <= SLICE_COPY_BYTES || is_to_copy(b) ||
        (payload == NULL && oh_buffer_size(b) <= FREEZE_COPY_BYTES))
        return nif_buffer_copy(lease->env, b, offset, length);
    if (payload == NULL)
        return nif_error(lease->env, nif_atom.status_busy);
    return show(lease->env, b, payload, offset, length);
}

/* buffer_freeze(Buffer): O(1), or a copy of at most FREEZE_COPY_BYTES, or of an exposed block. */
ERL_NIF_TERM nif_buffer_freeze(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_lease_t lease;
    if (!nif_buffer_get(env, argv[0], &lease))
        return enif_make_badarg(env);
    oh_buffer_t *b = lease.buffer;
    oh_status_t status = nif_buffer_check(env, &lease);
    if (status == OH_OK)
        status = oh_buffer_freeze(b, lease.generation);
    bool first = status == OH_OK;
    status = nif_buffer_entered(env, &lease, OH_BUFFER_READ, status == OH_FROZEN ? OH_OK : status);
    if (status != OH_OK)
        return nif_buffer_status(env, status);
    uint64_t size = oh_buffer_size(b);
    if (first && size > FREEZE_COPY_BYTES && !is_to_copy(b) && oh_load_relaxed(&b->payload) == NULL)
        make_payload(&lease);
    ERL_NIF_TERM result = is_long_copy(b, size)
                              ? enif_schedule_nif(env, "buffer_freeze", ERL_NIF_DIRTY_JOB_CPU_BOUND,
                                                  nif_buffer_freeze, argc, argv)
                              : frozen_bytes(&lease, 0, size);
    nif_buffer_leave(&lease, OH_BUFFER_READ);
    return result;
}

/* --- Slices --- */

/* Enters a frozen buffer; else a term to return, in *result. */
static bool enter_frozen(const nif_lease_t *lease, ERL_NIF_TERM *result) {
    ErlNifEnv *env = lease->env;
    oh_status_t status = nif_buffer_enter(env, lease, OH_BUFFER_READ);
    if (status != OH_OK) {
        *result = nif_buffer_status(env, status);
        return false;
    }
    /* Of a released one nobody can tell any more; it is badarg too. */
    if (oh_buffer_word_state(oh_buffer_word(lease->buffer)) == OH_BUFFER_FROZEN)
        return true;
    nif_buffer_leave(lease, OH_BUFFER_READ);
    *result = enif_make_badarg(env);
    return false;
}

/* buffer_slice(Buffer, Offset, Length): of a frozen buffer; as freeze. */
ERL_NIF_TERM nif_buffer_slice(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_lease_t lease;
    uint64_t offset, length;
    ERL_NIF_TERM result;
    if (!nif_buffer_get(env, argv[0], &lease) || !nif_get_unsigned(env, argv[1], &offset) ||
        !nif_get_unsigned(env, argv[2], &length))
        return enif_make_badarg(env);
    if (!enter_frozen(&lease, &result))
        return result;
    if (!oh_buffer_has(lease.buffer, offset, length))
        result = enif_make_badarg(env);
    else if (is_long_copy(lease.buffer, length))
        result = enif_schedule_nif(env, "buffer_slice", ERL_NIF_DIRTY_JOB_CPU_BOUND,
                                   nif_buffer_slice, argc, argv);
    else
        result = frozen_bytes(&lease, offset, length);
    nif_buffer_leave(&lease, OH_BUFFER_READ);
    return result;
}

/* What a list [{Offset, Length}] asks for; false: something else, or not below size. */
static bool get_ranges(ErlNifEnv *env, ERL_NIF_TERM list, oh_buffer_t *b, uint64_t *bytes,
                       unsigned *count) {
    ERL_NIF_TERM head;
    const ERL_NIF_TERM *element;
    int arity;
    uint64_t offset, length;
    *bytes = 0;
    for (*count = 0; enif_get_list_cell(env, list, &head, &list); ++*count) {
        if (*count == SLICES_INLINE && nif_on_scheduler())
            return true; /* the rest on a dirty scheduler */
        if (!enif_get_tuple(env, head, &arity, &element) || arity != 2 ||
            !nif_get_unsigned(env, element[0], &offset) ||
            !nif_get_unsigned(env, element[1], &length) || !oh_buffer_has(b, offset, length))
            return false;
        *bytes += length;
    }
    return enif_is_empty_list(env, list);
}

/* All slices, in order; the term of the first that cannot be had, instead. */
static ERL_NIF_TERM make_slices(const nif_lease_t *lease, ERL_NIF_TERM list) {
    ErlNifEnv *env = lease->env;
    ERL_NIF_TERM head, reversed = enif_make_list(env, 0), result;
    const ERL_NIF_TERM *element;
    int arity;
    uint64_t offset, length;
    while (enif_get_list_cell(env, list, &head, &list) &&
           enif_get_tuple(env, head, &arity, &element) &&
           nif_get_unsigned(env, element[0], &offset) &&
           nif_get_unsigned(env, element[1], &length)) {
        ERL_NIF_TERM slice = frozen_bytes(lease, offset, length);
        if (!enif_is_binary(env, slice))
            return slice;
        reversed = enif_make_list_cell(env, slice, reversed);
    }
    enif_make_reverse_list(env, reversed, &result);
    return result;
}

/* buffer_slices(Buffer, [{Offset, Length}]): many on a dirty scheduler, and much to copy. */
ERL_NIF_TERM nif_buffer_slices(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_lease_t lease;
    uint64_t bytes;
    unsigned count;
    ERL_NIF_TERM result;
    if (!nif_buffer_get(env, argv[0], &lease))
        return enif_make_badarg(env);
    if (!enter_frozen(&lease, &result))
        return result;
    if (!get_ranges(env, argv[1], lease.buffer, &bytes, &count))
        result = enif_make_badarg(env);
    else if (nif_on_scheduler() &&
             (count == SLICES_INLINE ||
              (bytes > SLICE_INLINE_BYTES && oh_load_acquire(&lease.buffer->payload) == NULL)))
        result = enif_schedule_nif(env, "buffer_slices", ERL_NIF_DIRTY_JOB_CPU_BOUND,
                                   nif_buffer_slices, argc, argv);
    else
        result = make_slices(&lease, argv[1]);
    nif_buffer_leave(&lease, OH_BUFFER_READ);
    return result;
}

/* --- Splitting --- */

/* Enters to split, as nif_buffer_enter does for the other modes. */
static oh_status_t begin_split(const nif_lease_t *lease) {
    oh_status_t status = nif_buffer_check(lease->env, lease);
    return status == OH_OK ? oh_buffer_begin_split(lease->buffer, lease->generation) : status;
}

/* The first length bytes, by the one who splits, who advances if it is a binary. */
static ERL_NIF_TERM prefix(const nif_lease_t *lease, uint64_t length) {
    oh_buffer_t *b = lease->buffer;
    void *payload = oh_load_acquire(&b->payload); /* A6 */
    if (length <= (payload == NULL ? FREEZE_COPY_BYTES : SLICE_COPY_BYTES) || is_to_copy(b))
        return nif_buffer_copy(lease->env, b, 0, length);
    if (payload == NULL)
        make_payload(lease);
    return show(lease->env, b, oh_load_relaxed(&b->payload), 0, length);
}

/* buffer_split_to(Buffer, Length): as freeze. */
ERL_NIF_TERM nif_buffer_split_to(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_lease_t lease;
    uint64_t length;
    if (!nif_buffer_get(env, argv[0], &lease) || !nif_get_unsigned(env, argv[1], &length))
        return enif_make_badarg(env);
    oh_status_t status = begin_split(&lease);
    if (status != OH_OK)
        return nif_buffer_status(env, status);
    oh_buffer_t *b = lease.buffer;
    ERL_NIF_TERM result;
    if (!oh_buffer_has(b, 0, length)) {
        result = enif_make_badarg(env);
    } else if (is_long_copy(b, length)) {
        result = enif_schedule_nif(env, "buffer_split_to", ERL_NIF_DIRTY_JOB_CPU_BOUND,
                                   nif_buffer_split_to, argc, argv);
    } else {
        result = prefix(&lease, length);
        if (enif_is_binary(env, result))
            oh_buffer_advance(b, length);
        /* Nothing is left, and no binary shows any of the block: all of it is free again. */
        if (oh_buffer_size(b) == 0 && oh_load_relaxed(&b->payload) == NULL)
            oh_buffer_rewind(b);
    }
    if (oh_unlikely(oh_buffer_end_split(b)))
        nif_buffer_finish(env, lease.pool, b, lease.handle);
    return result;
}
