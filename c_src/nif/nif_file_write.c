/* offheap_file: what writes to files, from buffers and binaries. Where it runs is told in
 * nif_file_io.c; auto is dirty. */
#include "nif_file.h"
#include "nif_input.h"

#include "../core/oh_alloc.h"

/* ok, {error, Reason} if nothing was written, {error, {Written, Reason}} if a part was. */
static ERL_NIF_TERM write_result(ErlNifEnv *env, oh_status_t status, uint64_t done,
                                 int error_number) {
    if (status != OH_ERRNO || done == 0)
        return nif_status(env, status, error_number);
    return nif_error(
        env, enif_make_tuple2(env, enif_make_uint64(env, done), nif_errno(env, error_number)));
}

/* Writes inputs that are open. */
static ERL_NIF_TERM write_inputs(ErlNifEnv *env, oh_file_t *file, uint64_t file_offset,
                                 const nif_input_t *inputs, struct iovec *iov, size_t count) {
    uint64_t done = 0;
    int error_number = 0;
    if (oh_file_enter(file) != OH_OK)
        return nif_file_closed(env);
    for (size_t i = 0; i < count; i++)
        iov[i] = (struct iovec){.iov_base = (void *)inputs[i].data, .iov_len = inputs[i].bytes};
    oh_status_t status = oh_file_writev(file, file_offset, iov, count, &done, &error_number);
    nif_file_leave(file);
    nif_charge(env, done, NIF_BUFFER_BYTES_PER_MS);
    return write_result(env, status, done, error_number);
}

/* file_pwrite(File, FileOffset, Buffer, Offset, Length, Mode): auto is dirty. */
ERL_NIF_TERM nif_file_pwrite(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_file_t *file;
    uint64_t file_offset, offset, length;
    nif_file_mode_t mode;
    nif_input_t input;
    struct iovec iov;
    if (!nif_file_get(env, argv[0], &file) || !nif_get_unsigned(env, argv[1], &file_offset) ||
        !nif_get_unsigned(env, argv[3], &offset) || !nif_get_unsigned(env, argv[4], &length) ||
        !nif_file_get_mode(argv[5], &mode))
        return enif_make_badarg(env);
    if (nif_on_scheduler() && (mode != NIF_FILE_INLINE || length > NIF_BUFFER_INLINE_BYTES))
        return nif_file_go_dirty(env, "file_pwrite", nif_file_pwrite, argc, argv);
    oh_status_t status = nif_input_open_range(env, argv[2], offset, length, &input);
    if (status != OH_OK)
        return nif_input_status(env, status);
    ERL_NIF_TERM result = write_inputs(env, file, file_offset, &input, &iov, 1);
    nif_input_close(&input);
    return result;
}

static void close_inputs(nif_input_t *inputs, size_t count) {
    while (count > 0)
        nif_input_close(&inputs[--count]);
}

/* Opens the count pieces of a list, or none; their bytes. */
static oh_status_t open_inputs(ErlNifEnv *env, ERL_NIF_TERM list, nif_input_t *inputs, size_t count,
                               uint64_t *bytes) {
    ERL_NIF_TERM head;
    *bytes = 0;
    for (size_t i = 0; i < count && enif_get_list_cell(env, list, &head, &list); i++) {
        oh_status_t status = nif_input_open_piece(env, head, &inputs[i]);
        if (status != OH_OK) {
            close_inputs(inputs, i);
            return status;
        }
        *bytes += inputs[i].bytes; /* no overflow where it matters, with the few pieces there */
    }
    return OH_OK;
}

/* file_writev(File, FileOffset, [Binary | Buffer | {Buffer, Offset, Length}], Mode): auto is
 * dirty. */
ERL_NIF_TERM nif_file_writev(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    oh_file_t *file;
    uint64_t file_offset, bytes;
    nif_file_mode_t mode;
    size_t count;
    bool here = nif_on_scheduler();
    if (!nif_file_get(env, argv[0], &file) || !nif_get_unsigned(env, argv[1], &file_offset) ||
        !nif_file_get_mode(argv[3], &mode))
        return enif_make_badarg(env);
    if (here && mode != NIF_FILE_INLINE)
        return nif_file_go_dirty(env, "file_writev", nif_file_writev, argc, argv);
    if (!nif_file_get_count(env, argv[2], &count))
        return enif_make_badarg(env);
    if (here && count > NIF_FILE_PIECES_INLINE)
        return nif_file_go_dirty(env, "file_writev", nif_file_writev, argc, argv);
    nif_input_t *inputs = oh_alloc(count * (sizeof *inputs + sizeof(struct iovec)) + 1);
    if (inputs == NULL)
        return nif_status(env, OH_ENOMEM, 0);
    ERL_NIF_TERM result;
    oh_status_t status = open_inputs(env, argv[2], inputs, count, &bytes);
    if (status != OH_OK) {
        result = nif_input_status(env, status);
    } else {
        result = here && bytes > NIF_BUFFER_INLINE_BYTES
                     ? nif_file_go_dirty(env, "file_writev", nif_file_writev, argc, argv)
                     : write_inputs(env, file, file_offset, inputs,
                                    (struct iovec *)(inputs + count), count);
        close_inputs(inputs, count);
    }
    oh_free(inputs);
    return result;
}
