/* Files that buffers read from. Opening and closing run on dirty I/O schedulers. */
#include "nif_file.h"

#include <string.h>

/* Longest path in bytes; longer ones are refused as the system would, without a copy. */
#define PATH_BYTES_MAX 4096

/* No reader is inside: one would hold a term. */
static void file_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    oh_file_close(obj);
}

ErlNifResourceTypeInit nif_type_init_file = {.dtor = file_destroy, .members = 1};

bool nif_file_get(ErlNifEnv *env, ERL_NIF_TERM term, oh_file_t **file) {
    return enif_get_resource(env, term, nif_type_file, (void **)file);
}

/* file_open(Path): Path is a binary in the file system's own encoding. */
ERL_NIF_TERM nif_file_open(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    ErlNifBinary path;
    char name[PATH_BYTES_MAX];
    if (!enif_inspect_binary(env, argv[0], &path) ||
        (path.size > 0 && memchr(path.data, 0, path.size) != NULL))
        return enif_make_badarg(env);
    if (path.size >= sizeof name)
        return nif_error(env, enif_make_atom(env, "enametoolong"));
    memcpy(name, path.data, path.size);
    name[path.size] = 0;
    oh_file_t *file = enif_alloc_resource(nif_type_file, sizeof *file);
    oh_file_init(file);
    int error_number = 0;
    oh_status_t status = oh_file_open(file, name, &error_number);
    ERL_NIF_TERM result = status == OH_OK ? nif_ok(env, enif_make_resource(env, file))
                                          : nif_status(env, status, error_number);
    enif_release_resource(file);
    return result;
}

/* file_size(File): fstat(2), a few hundred nanoseconds. */
ERL_NIF_TERM nif_file_size(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_file_t *file;
    if (!nif_file_get(env, argv[0], &file))
        return enif_make_badarg(env);
    if (oh_file_enter(file) != OH_OK)
        return nif_error(env, nif_atom.einval);
    uint64_t size;
    int error_number = 0;
    oh_status_t status = oh_file_size(file, &size, &error_number);
    oh_file_leave(file);
    return status == OH_OK ? nif_ok(env, enif_make_uint64(env, size))
                           : nif_status(env, status, error_number);
}

/* file_close(File) */
ERL_NIF_TERM nif_file_close(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_file_t *file;
    if (!nif_file_get(env, argv[0], &file))
        return enif_make_badarg(env);
    return oh_file_close(file) == OH_OK ? nif_atom.ok : nif_error(env, nif_atom.einval);
}
