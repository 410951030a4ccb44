/* offheap_file: opening, closing, and what moves no bytes. All of it may wait for a disk or a
 * server, so all of it runs on dirty I/O schedulers. */
#include "nif_file.h"

#include <string.h>

/* Longest path in bytes; longer ones are refused as the system would, without a copy. */
#define PATH_BYTES_MAX 4096

/* No worker is inside: one would hold a term. */
static void file_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    oh_registry_ended(OH_KIND_FILES, sizeof(oh_file_t));
    bool finisher = false;
    if (oh_file_close(obj, &finisher) == OH_OK && finisher)
        oh_file_finish_later(obj);
}

ErlNifResourceTypeInit nif_type_init_file = {.dtor = file_destroy, .members = 1};

bool nif_file_get(ErlNifEnv *env, ERL_NIF_TERM term, oh_file_t **file) {
    return enif_get_resource(env, term, nif_type_file, (void **)file);
}

void nif_file_leave(oh_file_t *file) {
    if (oh_likely(!oh_file_leave(file)))
        return;
    if (nif_on_scheduler())
        oh_file_finish_later(file);
    else
        (void)oh_file_finish(file);
}

/* A file of the list's options. */
static bool get_how(ErlNifEnv *env, ERL_NIF_TERM list, unsigned *how) {
    const struct {
        ERL_NIF_TERM atom;
        unsigned flag;
    } options[] = {
        {nif_atom.read, OH_FILE_READ},     {nif_atom.write, OH_FILE_WRITE},
        {nif_atom.append, OH_FILE_APPEND}, {nif_atom.exclusive, OH_FILE_EXCLUSIVE},
        {nif_atom.sync, OH_FILE_SYNC},
    };
    enum { OPTIONS = sizeof options / sizeof options[0] };
    ERL_NIF_TERM head;
    for (*how = 0; enif_get_list_cell(env, list, &head, &list);) {
        size_t i = 0;
        while (i < OPTIONS && !enif_is_identical(head, options[i].atom))
            i++;
        if (i == OPTIONS)
            return false;
        *how |= options[i].flag;
    }
    return enif_is_empty_list(env, list);
}

/* file_open(Path, Options): Path is a binary in the file system's own encoding. */
ERL_NIF_TERM nif_file_open(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    ErlNifBinary path;
    char name[PATH_BYTES_MAX];
    unsigned how;
    if (!enif_inspect_binary(env, argv[0], &path) || !get_how(env, argv[1], &how) ||
        (path.size > 0 && memchr(path.data, 0, path.size) != NULL))
        return enif_make_badarg(env);
    if (path.size >= sizeof name)
        return nif_error(env, enif_make_atom(env, "enametoolong"));
    memcpy(name, path.data, path.size);
    name[path.size] = 0;
    oh_file_t *file = enif_alloc_resource(nif_type_file, sizeof *file);
    oh_file_init(file);
    oh_registry_made(OH_KIND_FILES, sizeof *file);
    int error_number = 0;
    oh_status_t status = oh_file_open(file, name, how, &error_number);
    ERL_NIF_TERM result = status == OH_OK ? nif_ok(env, enif_make_resource(env, file))
                                          : nif_status(env, status, error_number);
    enif_release_resource(file);
    return result;
}

/* file_close(File): ok, or what the system says of earlier writes. */
ERL_NIF_TERM nif_file_close(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_file_t *file;
    bool finisher = false;
    if (!nif_file_get(env, argv[0], &file))
        return enif_make_badarg(env);
    if (oh_file_close(file, &finisher) != OH_OK)
        return nif_file_closed(env);
    int error_number = finisher ? oh_file_finish(file) : 0;
    return nif_status(env, error_number == 0 ? OH_OK : OH_ERRNO, error_number);
}

/* Enters the file of the first argument; false: *refusal is what to return. */
static bool enter(ErlNifEnv *env, const ERL_NIF_TERM argv[], oh_file_t **file,
                  ERL_NIF_TERM *refusal) {
    if (!nif_file_get(env, argv[0], file)) {
        *refusal = enif_make_badarg(env);
        return false;
    }
    *refusal = nif_file_closed(env);
    return oh_file_enter(*file) == OH_OK;
}

/* file_size(File) */
ERL_NIF_TERM nif_file_size(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_file_t *file;
    ERL_NIF_TERM refusal;
    uint64_t size;
    int error_number = 0;
    if (!enter(env, argv, &file, &refusal))
        return refusal;
    oh_status_t status = oh_file_size(file, &size, &error_number);
    nif_file_leave(file);
    return status == OH_OK ? nif_ok(env, enif_make_uint64(env, size))
                           : nif_status(env, status, error_number);
}

/* file_truncate(File, Size) */
ERL_NIF_TERM nif_file_truncate(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_file_t *file;
    ERL_NIF_TERM refusal;
    uint64_t size;
    int error_number = 0;
    if (!nif_get_unsigned(env, argv[1], &size))
        return enif_make_badarg(env);
    if (!enter(env, argv, &file, &refusal))
        return refusal;
    oh_status_t status = oh_file_truncate(file, size, &error_number);
    nif_file_leave(file);
    return nif_status(env, status, error_number);
}

static ERL_NIF_TERM sync_file(ErlNifEnv *env, const ERL_NIF_TERM argv[], bool data_only) {
    oh_file_t *file;
    ERL_NIF_TERM refusal;
    int error_number = 0;
    if (!enter(env, argv, &file, &refusal))
        return refusal;
    oh_status_t status = oh_file_sync(file, data_only, &error_number);
    nif_file_leave(file);
    return nif_status(env, status, error_number);
}

/* file_sync(File), file_datasync(File) */
ERL_NIF_TERM nif_file_sync(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    return sync_file(env, argv, false);
}

ERL_NIF_TERM nif_file_datasync(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    return sync_file(env, argv, true);
}
