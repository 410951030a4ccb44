/*
 * nif_iodata: the bytes of an iolist or binary, without flattening it first.
 *
 * Everything erlang:iolist_to_binary/1 takes, however deep it is nested. One pass copies and
 * counts; where nothing may be copied before all is known to be good, one with no room comes first.
 */
#ifndef NIF_IODATA_H
#define NIF_IODATA_H

#include "nif.h"

typedef enum {
    NIF_IODATA_OK,
    NIF_IODATA_BAD,   /* no iodata */
    NIF_IODATA_LONG,  /* too long for a normal scheduler: go on on a dirty one, from the start */
    NIF_IODATA_ENOMEM /* no memory to remember how it is nested */
} nif_iodata_result_t;

typedef struct {
    char *to;        /* where bytes are copied, as long as they fit: */
    uint64_t room;   /* bytes; with 0, they are counted only */
    uint64_t length; /* out: of all */
    uint64_t parts;  /* out: bytes, binaries and lists */
} nif_iodata_t;

/* Walks the term. On a normal scheduler at most NIF_IODATA_PARTS parts and bytes_max bytes, which
 * takes about 0.3 ms. If length is more than room, what was copied is a part of it. */
nif_iodata_result_t nif_iodata_walk(ErlNifEnv *env, ERL_NIF_TERM term, uint64_t bytes_max,
                                    nif_iodata_t *data);

#define NIF_IODATA_PARTS        ((uint64_t)8192)
#define NIF_IODATA_PARTS_PER_MS 30000

#endif
