/*
 * offheap_file: what reads files into buffers, and what it shares with nif_file_write.c.
 *
 * Each call enters the buffers and then the file, moves bytes, and leaves all of them on every
 * path. Entering never waits, so no order of buffers can deadlock; and who is inside keeps block
 * and descriptor, whoever releases, closes or dies meanwhile.
 *
 * Where it runs: mode dirty, a dirty I/O scheduler; inline, here; auto (reads only), here for what
 * the page cache has, else there. More than NIF_BUFFER_INLINE_BYTES, gaps that are filled with
 * zeros included, and more pieces than NIF_FILE_PIECES_INLINE, always run there. So a call takes at
 * most about 0.3 ms here, unless inline meets a slow disk.
 */
#include "nif_buffer_range.h"
#include "nif_file.h"

#include "../core/oh_alloc.h"

bool nif_file_get_mode(ERL_NIF_TERM term, nif_file_mode_t *mode) {
    *mode = enif_is_identical(term, nif_atom.auto_)     ? NIF_FILE_AUTO
            : enif_is_identical(term, nif_atom.inline_) ? NIF_FILE_INLINE
                                                        : NIF_FILE_DIRTY;
    return *mode != NIF_FILE_DIRTY || enif_is_identical(term, nif_atom.dirty);
}

bool nif_file_get_count(ErlNifEnv *env, ERL_NIF_TERM list, size_t *count) {
    ERL_NIF_TERM head;
    bool here = nif_on_scheduler();
    for (*count = 0; enif_get_list_cell(env, list, &head, &list); ++*count)
        if (here && *count > NIF_FILE_PIECES_INLINE)
            return true;
    return enif_is_empty_list(env, list);
}

ERL_NIF_TERM nif_file_go_dirty(ErlNifEnv *env, const char *name,
                               ERL_NIF_TERM (*function)(ErlNifEnv *, int, const ERL_NIF_TERM[]),
                               int argc, const ERL_NIF_TERM argv[]) {
    return enif_schedule_nif(env, name, ERL_NIF_DIRTY_JOB_IO_BOUND, function, argc, argv);
}

ERL_NIF_TERM nif_file_closed(ErlNifEnv *env) {
    return nif_error(env, nif_atom.einval);
}

/* --- Reading into buffers --- */

/* A range of a buffer that is read into. */
typedef struct {
    nif_lease_t lease;
    oh_buffer_mode_t mode; /* once entered */
    bool at_end;           /* offset is the size */
    uint64_t offset;
    uint64_t length;
} target_t;

static oh_status_t enter_target(ErlNifEnv *env, target_t *t) {
    oh_buffer_t *b = t->lease.buffer;
    oh_status_t status;
    if (t->at_end) {
        t->mode = OH_BUFFER_EXTEND;
        status = oh_buffer_enter(b, t->lease.generation, t->mode);
    } else {
        status = oh_buffer_enter_put(b, t->lease.generation, t->length == 0 ? 0 : t->offset,
                                     t->length, &t->mode);
    }
    status = nif_buffer_entered(env, &t->lease, t->mode, status);
    if (status == OH_OK && t->at_end)
        t->offset = oh_buffer_size(b);
    return status;
}

static bool target_fits(const target_t *t) {
    return oh_buffer_fits(t->lease.buffer, t->offset, t->length);
}

/* The bytes to read and the gap before them, which is filled with zeros. */
static uint64_t target_work(const target_t *t) {
    uint64_t size = oh_buffer_size(t->lease.buffer);
    return t->length + (t->offset > size ? t->offset - size : 0);
}

static struct iovec target_bytes(const target_t *t) {
    return (struct iovec){.iov_base = oh_buffer_at(t->lease.buffer, t->offset),
                          .iov_len = t->length};
}

/* count bytes from the target's offset on are there now. */
static void grow_target(const target_t *t, uint64_t count) {
    if (t->mode == OH_BUFFER_EXTEND && count > 0)
        oh_buffer_grow(t->lease.buffer, t->offset, t->offset + count);
}

static void leave_targets(const target_t *targets, size_t count) {
    while (count > 0) {
        count--;
        nif_buffer_leave(&targets[count].lease, targets[count].mode);
    }
}

/* Enters all targets, or none. Each must fit its buffer: else OH_LIMIT. *work is the bytes that are
 * written at most. */
static oh_status_t enter_targets(ErlNifEnv *env, target_t *targets, size_t count, uint64_t *work) {
    *work = 0;
    for (size_t i = 0; i < count; i++) {
        oh_status_t status = enter_target(env, &targets[i]);
        size_t entered = status == OH_OK ? i + 1 : i;
        if (status == OH_OK && !target_fits(&targets[i]))
            status = OH_LIMIT;
        if (status != OH_OK) {
            leave_targets(targets, entered);
            return status;
        }
        *work += target_work(&targets[i]);
    }
    return OH_OK;
}

/* Reads into targets that were entered, and moves their sizes. OH_BUSY: not without waiting for
 * the disk. */
static oh_status_t read_entered(oh_file_t *file, uint64_t file_offset, const target_t *targets,
                                struct iovec *iov, size_t count, bool nowait, uint64_t *done,
                                int *error_number) {
    for (size_t i = 0; i < count; i++)
        iov[i] = target_bytes(&targets[i]);
    oh_status_t status = oh_file_readv(file, file_offset, iov, count, nowait, done, error_number);
    uint64_t left = status == OH_OK ? *done : 0;
    for (size_t i = 0; i < count && left > 0; i++) {
        uint64_t got = targets[i].length < left ? targets[i].length : left;
        grow_target(&targets[i], got);
        left -= got;
    }
    return status;
}

/* Reads into count targets of so many bytes in all: {ok, Count}, eof or {error, Reason}. *again
 * is set instead if that takes long here, or with nowait if not all can be read without waiting for
 * the disk. */
static ERL_NIF_TERM read_targets(ErlNifEnv *env, oh_file_t *file, uint64_t file_offset,
                                 target_t *targets, struct iovec *iov, size_t count, uint64_t bytes,
                                 bool nowait, bool *again) {
    uint64_t done, work;
    int error_number = 0;
    oh_status_t status = enter_targets(env, targets, count, &work);
    if (oh_unlikely(status != OH_OK))
        return status == OH_LIMIT ? nif_error(env, nif_atom.enospc)
                                  : nif_buffer_status(env, status);
    *again = nif_buffer_is_long(work);
    if (oh_unlikely(*again || oh_file_enter(file) != OH_OK)) {
        leave_targets(targets, count);
        return *again ? 0 : nif_file_closed(env);
    }
    status = read_entered(file, file_offset, targets, iov, count, nowait, &done, &error_number);
    nif_file_leave(file);
    leave_targets(targets, count);
    nif_charge(env, done, NIF_BUFFER_BYTES_PER_MS);
    *again = status == OH_BUSY;
    if (status != OH_OK)
        return nif_status(env, status, error_number);
    return done == 0 && bytes > 0 ? nif_atom.eof : nif_ok(env, enif_make_uint64(env, done));
}

/* file_pread(File, FileOffset, Buffer, Offset | append, Length, Mode) */
ERL_NIF_TERM nif_file_pread(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_file_t *file;
    uint64_t file_offset;
    nif_file_mode_t mode;
    target_t t = {.at_end = enif_is_identical(argv[3], nif_atom.append)};
    struct iovec iov;
    bool here = nif_on_scheduler();
    if (!nif_file_get(env, argv[0], &file) || !nif_get_unsigned(env, argv[1], &file_offset) ||
        !nif_buffer_get(env, argv[2], &t.lease) ||
        (!t.at_end && !nif_get_unsigned(env, argv[3], &t.offset)) ||
        !nif_get_unsigned(env, argv[4], &t.length) || !nif_file_get_mode(argv[5], &mode))
        return enif_make_badarg(env);
    bool again = here && (mode == NIF_FILE_DIRTY || t.length > NIF_BUFFER_INLINE_BYTES);
    ERL_NIF_TERM result = 0;
    if (!again)
        result = read_targets(env, file, file_offset, &t, &iov, 1, t.length,
                              here && mode == NIF_FILE_AUTO, &again);
    return again ? nif_file_go_dirty(env, "file_pread", nif_file_pread, argc, argv) : result;
}

/* {Buffer, Offset, Length} */
static bool get_target(ErlNifEnv *env, ERL_NIF_TERM term, target_t *t) {
    const ERL_NIF_TERM *element;
    int arity;
    *t = (target_t){0};
    return enif_get_tuple(env, term, &arity, &element) && arity == 3 &&
           nif_buffer_get(env, element[0], &t->lease) &&
           nif_get_unsigned(env, element[1], &t->offset) &&
           nif_get_unsigned(env, element[2], &t->length);
}

/* The count targets of a list, and their bytes or what is more than there can be; false: not what
 * it should be. */
static bool get_targets(ErlNifEnv *env, ERL_NIF_TERM list, target_t *targets, size_t count,
                        uint64_t *bytes) {
    ERL_NIF_TERM head;
    *bytes = 0;
    for (size_t i = 0; i < count && enif_get_list_cell(env, list, &head, &list); i++) {
        if (!get_target(env, head, &targets[i]))
            return false;
        if (__builtin_add_overflow(*bytes, targets[i].length, bytes))
            *bytes = UINT64_MAX - targets[i].length;
    }
    return true;
}

/* file_readv(File, FileOffset, [{Buffer, Offset, Length}], Mode) */
ERL_NIF_TERM nif_file_readv(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_file_t *file;
    uint64_t file_offset, bytes;
    nif_file_mode_t mode;
    size_t count;
    bool here = nif_on_scheduler(), again = false;
    if (!nif_file_get(env, argv[0], &file) || !nif_get_unsigned(env, argv[1], &file_offset) ||
        !nif_file_get_mode(argv[3], &mode) || !nif_file_get_count(env, argv[2], &count))
        return enif_make_badarg(env);
    if (here && (mode == NIF_FILE_DIRTY || count > NIF_FILE_PIECES_INLINE))
        return nif_file_go_dirty(env, "file_readv", nif_file_readv, argc, argv);
    target_t *targets = oh_alloc(count * (sizeof *targets + sizeof(struct iovec)) + 1);
    if (targets == NULL)
        return nif_status(env, OH_ENOMEM, 0);
    struct iovec *iov = (struct iovec *)(targets + count);
    ERL_NIF_TERM result = 0;
    if (!get_targets(env, argv[2], targets, count, &bytes))
        result = enif_make_badarg(env);
    else if (here && bytes > NIF_BUFFER_INLINE_BYTES)
        again = true;
    else
        result = read_targets(env, file, file_offset, targets, iov, count, bytes,
                              here && mode == NIF_FILE_AUTO, &again);
    oh_free(targets);
    return again ? nif_file_go_dirty(env, "file_readv", nif_file_readv, argc, argv) : result;
}
