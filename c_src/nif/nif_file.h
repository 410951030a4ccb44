/* nif_file: what the glue of files and of hashes shares. */
#ifndef NIF_FILE_H
#define NIF_FILE_H

#include "nif.h"

#include "../core/oh_file.h"

bool nif_file_get(ErlNifEnv *env, ERL_NIF_TERM term, oh_file_t **file);

/* Leaves a file, and ends its descriptor if that is the caller's to do: on the reaper's thread
 * where it is on a normal scheduler. */
void nif_file_leave(oh_file_t *file);

/* Where a call runs. */
typedef enum { NIF_FILE_AUTO, NIF_FILE_INLINE, NIF_FILE_DIRTY } nif_file_mode_t;

bool nif_file_get_mode(ERL_NIF_TERM term, nif_file_mode_t *mode);

/* Pieces in a list that are handled on a normal scheduler: about 0.05 ms. */
#define NIF_FILE_PIECES_INLINE 1024

/* The length of a list, or false: it is none. On a normal scheduler not many more are counted than
 * NIF_FILE_PIECES_INLINE. */
bool nif_file_get_count(ErlNifEnv *env, ERL_NIF_TERM list, size_t *count);

/* Goes on with function on a dirty I/O scheduler. */
ERL_NIF_TERM nif_file_go_dirty(ErlNifEnv *env, const char *name,
                               ERL_NIF_TERM (*function)(ErlNifEnv *, int, const ERL_NIF_TERM[]),
                               int argc, const ERL_NIF_TERM argv[]);

/* What calls return with a file that was closed: {error, einval}, as file:pread/3 does. */
ERL_NIF_TERM nif_file_closed(ErlNifEnv *env);

#endif
