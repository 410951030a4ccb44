/* offheap_buffer: filling, copying, comparing, searching, combining, checksums, and the size. Each
 * takes time linear in the bytes: up to NIF_BUFFER_INLINE_BYTES on the spot, which is about 0.2 ms,
 * more on a dirty scheduler. */
#include "nif_buffer_range.h"

#include <string.h>

#include "../core/oh_bytes.h"
#include "../core/oh_crc32c.h"

/* Searching takes up to 5 ns a byte in bytes that nearly match everywhere, but mostly a fiftieth of
 * that. So the clock is looked at after each chunk, which takes 0.3 ms at the most. Preparing a
 * long pattern takes time too: it makes no chunks. */
#define FIND_CHUNK       ((uint64_t)64 << 10)
#define FIND_PATTERN_MAX ((uint64_t)4 << 10)
#define FIND_MAX_US      300

/* buffer_fill(Buffer, Offset, Length, Byte) */
ERL_NIF_TERM nif_buffer_fill(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_range_t to;
    uint64_t byte;
    ERL_NIF_TERM refusal;
    if (!nif_range_get(env, argv, &to) || !nif_get_unsigned(env, argv[3], &byte) || byte > 255)
        return enif_make_badarg(env);
    if (!nif_range_begin_put(env, &to, &NIF_CALL(buffer_fill), &refusal))
        return refusal;
    memset(nif_range_bytes(&to), (int)byte, to.length);
    return nif_range_end_put(env, &to);
}

/* buffer_copy_bytes(From, FromOffset, Length, To, ToOffset): From may be To, and the ranges
 * overlap. Both are entered, and entering never waits, so two calls the other way round cannot wait
 * for each other. */
ERL_NIF_TERM nif_buffer_copy_bytes(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_range_t from, to;
    ERL_NIF_TERM result;
    if (!nif_range_get(env, argv, &from) || !nif_buffer_get(env, argv[3], &to.lease) ||
        !nif_get_unsigned(env, argv[4], &to.offset))
        return enif_make_badarg(env);
    to.length = from.length;
    if (!nif_range_begin(env, &from, OH_BUFFER_READ, &result))
        return result;
    if (nif_range_begin_put(env, &to, &NIF_CALL(buffer_copy_bytes), &result)) {
        memmove(nif_range_bytes(&to), nif_range_bytes(&from), to.length);
        result = nif_range_end_put(env, &to);
    }
    nif_range_leave(&from);
    return result;
}

/* --- Two runs of bytes --- */

/* The second buffer of (Buffer, Offset, Length, Other, OtherOffset), whose first is `range`. */
static bool get_other(ErlNifEnv *env, const ERL_NIF_TERM argv[], const nif_range_t *range,
                      nif_range_t *other) {
    other->length = range->length;
    return nif_buffer_get(env, argv[3], &other->lease) &&
           nif_get_unsigned(env, argv[4], &other->offset);
}

static ERL_NIF_TERM make_order(int order) {
    return order == 0 ? nif_atom.is_eq : order < 0 ? nif_atom.is_lt : nif_atom.is_gt;
}

static ERL_NIF_TERM compare_with_binary(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_range_t range;
    ErlNifBinary binary;
    ERL_NIF_TERM refusal;
    if (!nif_buffer_get(env, argv[0], &range.lease) ||
        !nif_get_unsigned(env, argv[1], &range.offset) ||
        !enif_inspect_binary(env, argv[2], &binary))
        return enif_make_badarg(env);
    range.length = binary.size;
    if (nif_buffer_is_long(range.length))
        return nif_go_dirty(env, &NIF_CALL(buffer_compare));
    if (!nif_range_begin(env, &range, OH_BUFFER_READ, &refusal))
        return refusal;
    int order = oh_bytes_compare(nif_range_bytes(&range), (const char *)binary.data, range.length);
    nif_range_end(env, &range);
    return make_order(order);
}

/* buffer_compare(Buffer, Offset, Binary),
 * buffer_compare(Buffer, Offset, Length, Other, OtherOffset): lt, eq or gt */
ERL_NIF_TERM nif_buffer_compare(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_range_t range, other;
    ERL_NIF_TERM result;
    if (argc == 3)
        return compare_with_binary(env, argc, argv);
    if (!nif_range_get(env, argv, &range) || !get_other(env, argv, &range, &other))
        return enif_make_badarg(env);
    if (nif_buffer_is_long(range.length))
        return nif_go_dirty(env, &NIF_CALL(buffer_compare));
    if (!nif_range_begin(env, &range, OH_BUFFER_READ, &result))
        return result;
    if (nif_range_begin(env, &other, OH_BUFFER_READ, &result)) {
        result = make_order(
            oh_bytes_compare(nif_range_bytes(&range), nif_range_bytes(&other), range.length));
        nif_range_leave(&other);
    }
    nif_range_end(env, &range);
    return result;
}

static ERL_NIF_TERM bxor_with_key(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_range_t range;
    ErlNifBinary key;
    ERL_NIF_TERM refusal;
    if (!nif_range_get(env, argv, &range) || !enif_inspect_binary(env, argv[3], &key) ||
        key.size == 0)
        return enif_make_badarg(env);
    if (nif_buffer_is_long(range.length))
        return nif_go_dirty(env, &NIF_CALL(buffer_bxor));
    if (!nif_range_begin(env, &range, OH_BUFFER_OVERWRITE, &refusal))
        return refusal;
    oh_bytes_bxor_repeated(nif_range_bytes(&range), range.length, (const char *)key.data, key.size);
    nif_range_end(env, &range);
    return nif_atom.ok;
}

/* True if the ranges share bytes, but are not the same. */
static bool overlap(const nif_range_t *a, const nif_range_t *b) {
    uint64_t distance = a->offset < b->offset ? b->offset - a->offset : a->offset - b->offset;
    return a->lease.buffer == b->lease.buffer && distance > 0 && distance < a->length;
}

/* buffer_bxor(Buffer, Offset, Length, Key),
 * buffer_bxor(Buffer, Offset, Length, Other, OtherOffset) */
ERL_NIF_TERM nif_buffer_bxor(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_range_t range, other;
    ERL_NIF_TERM result = nif_atom.ok;
    if (argc == 4)
        return bxor_with_key(env, argc, argv);
    if (!nif_range_get(env, argv, &range) || !get_other(env, argv, &range, &other) ||
        overlap(&range, &other))
        return enif_make_badarg(env);
    if (nif_buffer_is_long(range.length))
        return nif_go_dirty(env, &NIF_CALL(buffer_bxor));
    if (!nif_range_begin(env, &other, OH_BUFFER_READ, &result))
        return result;
    if (nif_range_begin(env, &range, OH_BUFFER_OVERWRITE, &result)) {
        oh_bytes_bxor(nif_range_bytes(&range), nif_range_bytes(&other), range.length);
        nif_range_end(env, &range);
    }
    nif_range_leave(&other);
    return result;
}

/* --- Looking through them --- */

/* Searches the range. False: it would take a normal scheduler too long. */
static bool find(const nif_range_t *range, const ErlNifBinary *pattern, uint64_t *found) {
    bool here = nif_on_scheduler() && range->length > FIND_CHUNK;
    if (here && (range->length > NIF_BUFFER_INLINE_BYTES || pattern->size > FIND_PATTERN_MAX))
        return false;
    uint64_t chunk = here ? FIND_CHUNK : range->length;
    ErlNifTime start = here ? enif_monotonic_time(ERL_NIF_USEC) : 0;
    for (uint64_t at = 0;; at += chunk) {
        /* A chunk is so many places where the pattern may begin. */
        uint64_t left = range->length - at, window = chunk + pattern->size - 1;
        bool last = left <= window;
        *found = oh_bytes_find(nif_range_bytes(range) + at, last ? left : window,
                               (const char *)pattern->data, pattern->size);
        if (*found != OH_BYTES_NOT_FOUND)
            *found += range->offset + at;
        if (last || *found != OH_BYTES_NOT_FOUND)
            return true;
        if (enif_monotonic_time(ERL_NIF_USEC) - start > FIND_MAX_US)
            return false;
    }
}

/* buffer_find(Buffer, Offset, Pattern): where, or nomatch */
ERL_NIF_TERM nif_buffer_find(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_range_t range = {.length = 0};
    ErlNifBinary pattern;
    ERL_NIF_TERM refusal;
    uint64_t found;
    if (!nif_buffer_get(env, argv[0], &range.lease) ||
        !nif_get_unsigned(env, argv[1], &range.offset) ||
        !enif_inspect_binary(env, argv[2], &pattern) || pattern.size == 0)
        return enif_make_badarg(env);
    if (!nif_range_begin(env, &range, OH_BUFFER_READ, &refusal))
        return refusal;
    /* The size may have shrunk since: nothing is there then. */
    uint64_t size = oh_buffer_size(range.lease.buffer);
    range.length = size < range.offset ? 0 : size - range.offset;
    if (!find(&range, &pattern, &found)) {
        nif_range_leave(&range);
        return nif_go_dirty(env, &NIF_CALL(buffer_find));
    }
    nif_range_end(env, &range);
    return found == OH_BYTES_NOT_FOUND ? nif_atom.nomatch : enif_make_uint64(env, found);
}

/* buffer_crc32c(Buffer, Offset, Length), buffer_crc32c(Buffer, Offset, Length, Previous) */
ERL_NIF_TERM nif_buffer_crc32c(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_range_t range;
    uint64_t previous = 0;
    ERL_NIF_TERM refusal;
    if (!nif_range_get(env, argv, &range) ||
        (argc == 4 && !nif_get_unsigned(env, argv[3], &previous)) || previous > UINT32_MAX)
        return enif_make_badarg(env);
    if (nif_buffer_is_long(range.length))
        return nif_go_dirty(env, &NIF_CALL(buffer_crc32c));
    if (!nif_range_begin(env, &range, OH_BUFFER_READ, &refusal))
        return refusal;
    uint32_t crc = oh_crc32c((uint32_t)previous, nif_range_bytes(&range), range.length);
    nif_range_end(env, &range);
    return enif_make_uint(env, crc);
}

/* --- The size --- */

/* buffer_resize(Buffer, Size) */
ERL_NIF_TERM nif_buffer_resize(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_range_t range;
    uint64_t size;
    ERL_NIF_TERM result = nif_atom.ok;
    if (!nif_buffer_get(env, argv[0], &range.lease) || !nif_get_unsigned(env, argv[1], &size))
        return enif_make_badarg(env);
    if (!nif_range_begin_append(env, &range, &result))
        return result;
    range.length = size > range.offset ? size - range.offset : 0;
    if (!oh_buffer_fits(range.lease.buffer, 0, size))
        result = nif_error(env, nif_atom.enospc);
    else if (nif_buffer_is_long(range.length))
        result = nif_go_dirty(env, &NIF_CALL(buffer_resize));
    else
        oh_buffer_resize(range.lease.buffer, size);
    nif_range_leave(&range);
    if (range.length <= NIF_BUFFER_INLINE_BYTES)
        nif_charge(env, range.length, NIF_BUFFER_BYTES_PER_MS);
    return result;
}
