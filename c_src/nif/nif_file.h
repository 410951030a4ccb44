/* nif_file: the file handle, shared with the glue of buffers. */
#ifndef NIF_FILE_H
#define NIF_FILE_H

#include "nif.h"

#include "../core/oh_file.h"

bool nif_file_get(ErlNifEnv *env, ERL_NIF_TERM term, oh_file_t **file);

#endif
