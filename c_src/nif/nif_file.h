/* nif_file: the file handle, shared by the glue of files and of hashes. */
#ifndef NIF_FILE_H
#define NIF_FILE_H

#include "nif.h"

#include "../core/oh_file.h"

bool nif_file_get(ErlNifEnv *env, ERL_NIF_TERM term, oh_file_t **file);

/* Leaves a file, and ends its descriptor if that is the caller's to do: on the reaper's thread
 * where it is on a normal scheduler. */
void nif_file_leave(oh_file_t *file);

#endif
