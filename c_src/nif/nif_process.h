/*
 * nif_process: operating-system processes, as nif_process.c keeps them, for those who must know
 * whether one has ended.
 */
#ifndef NIF_PROCESS_H
#define NIF_PROCESS_H

#include "nif.h"

#include <sys/types.h>

typedef struct {
    pid_t pid;
    int fd; /* a pidfd: refers to this process even after its number is another's; -1: none */
} nif_process_t;

/* True once no thread of it runs any more, waiting for that up to timeout_ms. False also where the
 * system cannot tell. */
bool nif_process_has_ended(const nif_process_t *process, int timeout_ms);

#endif
