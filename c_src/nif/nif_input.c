#include "nif_input.h"

#include <limits.h>

/* Binaries of a list that are looked at on a normal scheduler: about 0.05 ms. */
#define PIECES_INLINE 1024

/* Enters a buffer, for all that is written. */
static oh_status_t open_buffer(ErlNifEnv *env, ERL_NIF_TERM term, nif_input_t *input) {
    *input = (nif_input_t){0};
    if (!nif_buffer_get(env, term, &input->lease))
        return OH_BADARG;
    oh_status_t status = nif_buffer_enter(env, &input->lease, OH_BUFFER_READ);
    if (status != OH_OK)
        return status;
    input->is_buffer = true;
    input->bytes = oh_buffer_size(input->lease.buffer);
    input->data = oh_buffer_at(input->lease.buffer, 0);
    return OH_OK;
}

oh_status_t nif_input_open_range(ErlNifEnv *env, ERL_NIF_TERM term, uint64_t offset,
                                 uint64_t length, nif_input_t *input) {
    oh_status_t status = open_buffer(env, term, input);
    if (status != OH_OK)
        return status;
    if (offset > input->bytes || length > input->bytes - offset) {
        nif_input_close(input);
        return OH_BADARG;
    }
    input->bytes = length;
    input->data = (const char *)input->data + offset;
    return OH_OK;
}

/* A buffer, or {Buffer, Offset, Length}. */
static oh_status_t open_tuple(ErlNifEnv *env, ERL_NIF_TERM term, nif_input_t *input) {
    const ERL_NIF_TERM *element;
    int arity;
    uint64_t offset, length;
    if (!enif_get_tuple(env, term, &arity, &element))
        return OH_BADARG;
    if (arity != 3 || !enif_is_tuple(env, element[0]))
        return open_buffer(env, term, input);
    if (!nif_get_unsigned(env, element[1], &offset) || !nif_get_unsigned(env, element[2], &length))
        return OH_BADARG;
    return nif_input_open_range(env, element[0], offset, length, input);
}

static oh_status_t open_list(ErlNifEnv *env, ERL_NIF_TERM term, nif_input_t *input) {
    ERL_NIF_TERM tail;
    bool here = nif_on_scheduler();
    if (!enif_inspect_iovec(env, here ? PIECES_INLINE : INT_MAX, term, &tail, &input->iovec))
        return OH_BADARG;
    input->bytes = input->iovec->size;
    if (enif_is_empty_list(env, tail))
        return OH_OK;
    if (!here || !enif_is_list(env, tail))
        return OH_BADARG;
    input->bytes = NIF_INPUT_TOO_MANY;
    return OH_OK;
}

oh_status_t nif_input_open_piece(ErlNifEnv *env, ERL_NIF_TERM term, nif_input_t *input) {
    ErlNifBinary binary;
    *input = (nif_input_t){0};
    if (!enif_inspect_binary(env, term, &binary))
        return open_tuple(env, term, input);
    input->bytes = binary.size;
    input->data = binary.data;
    return OH_OK;
}

oh_status_t nif_input_open(ErlNifEnv *env, ERL_NIF_TERM term, nif_input_t *input) {
    if (!enif_is_list(env, term))
        return nif_input_open_piece(env, term, input);
    *input = (nif_input_t){0};
    return open_list(env, term, input);
}

void nif_input_close(nif_input_t *input) {
    if (input->is_buffer)
        nif_buffer_leave(&input->lease, OH_BUFFER_READ);
    input->is_buffer = false;
}

void nif_input_each(const nif_input_t *input,
                    void (*piece)(void *context, const void *data, size_t bytes), void *context) {
    if (input->iovec == NULL) {
        piece(context, input->data, input->bytes);
        return;
    }
    for (int i = 0; i < input->iovec->iovcnt; i++)
        piece(context, input->iovec->iov[i].iov_base, input->iovec->iov[i].iov_len);
}

ERL_NIF_TERM nif_input_status(ErlNifEnv *env, oh_status_t status) {
    return nif_status(env, status == OH_RELEASED ? OH_BADARG : status, 0);
}
