/*
 * nif_input: bytes to read, whatever term they come in: a binary, a list of binaries (as
 * erlang:iolist_to_iovec/1 gives), a buffer, or a range of one, {Buffer, Offset, Length}. Nothing
 * is copied.
 */
#ifndef NIF_INPUT_H
#define NIF_INPUT_H

#include "nif.h"
#include "nif_buffer.h"

/* On a normal scheduler, the bytes of a list too long to look at there: more than anybody takes. */
#define NIF_INPUT_TOO_MANY SIZE_MAX

typedef struct {
    size_t bytes;       /* in all, or NIF_INPUT_TOO_MANY */
    const void *data;   /* the only piece, if iovec is NULL */
    ErlNifIOVec *iovec; /* ends with the environment it was made with */
    bool is_buffer;     /* entered for reading: cannot be recycled until closed */
    nif_lease_t lease;
} nif_input_t;

/* OH_BADARG for a term that is none of these and for a range beyond what is written, OH_RELEASED,
 * and OH_BUSY if 8191 others are in the buffer. After OH_OK the caller closes it, before the NIF
 * returns. A buffer counts with the bytes written by now; who overwrites them meanwhile makes what
 * is read a mixture, as in a file. */
oh_status_t nif_input_open(ErlNifEnv *env, ERL_NIF_TERM term, nif_input_t *input);
/* The same for what is one run of bytes: no list. */
oh_status_t nif_input_open_piece(ErlNifEnv *env, ERL_NIF_TERM term, nif_input_t *input);
/* The same for length bytes at offset of a buffer. */
oh_status_t nif_input_open_range(ErlNifEnv *env, ERL_NIF_TERM term, uint64_t offset,
                                 uint64_t length, nif_input_t *input);
void nif_input_close(nif_input_t *input);

/* Calls piece with each run of bytes, in order. */
void nif_input_each(const nif_input_t *input,
                    void (*piece)(void *context, const void *data, size_t bytes), void *context);

/* A status as a term, as nif_status; but a released buffer is badarg, as everywhere. */
ERL_NIF_TERM nif_input_status(ErlNifEnv *env, oh_status_t status);

#endif
