/*
 * nif_process: operating-system processes, as nif_process.c keeps them, for those who must know
 * whether one has ended. A process is referred to by enif_keep_resource.
 */
#ifndef NIF_PROCESS_H
#define NIF_PROCESS_H

#include "nif.h"

/* The process of a handle; false: it is none. */
bool nif_process_get(ErlNifEnv *env, ERL_NIF_TERM term, void **process);

/* True once no thread of it runs any more, waiting for that up to timeout_ms. False also where the
 * system cannot tell. */
bool nif_process_has_ended(const void *process, int timeout_ms);

#endif
