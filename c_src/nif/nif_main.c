/* Load, upgrade, unload; the lists of atoms, resource types and functions. */
#include "nif.h"

#include <sodium.h>

#include "../core/oh_alloc.h"

nif_atoms_t nif_atom;

#define RESOURCE(name, version) ErlNifResourceType *nif_type_##name;
#include "nif_resources.h"
#undef RESOURCE

static void make_atoms(ErlNifEnv *env) {
#define ATOM(name)               nif_atom.name = enif_make_atom(env, #name);
#define ATOM_NAMED(name, string) nif_atom.name = enif_make_atom(env, string);
#include "nif_atoms.h"
#undef ATOM
#undef ATOM_NAMED
}

static bool open_resource_types(ErlNifEnv *env) {
    ErlNifResourceFlags flags = ERL_NIF_RT_CREATE | ERL_NIF_RT_TAKEOVER;
#define RESOURCE(name, version)                                                                    \
    nif_type_##name =                                                                              \
        enif_init_resource_type(env, #name "_v" #version, &nif_type_init_##name, flags, NULL);     \
    if (nif_type_##name == NULL)                                                                   \
        return false;
#include "nif_resources.h"
#undef RESOURCE
    return true;
}

/* What load returns to erlang:load_nif/2, which reports it as {load_failed, "... (N)"}; the text for
 * each stands in offheap_nif:init/0. */
enum { LOAD_OK = 0, LOAD_RESOURCES = 1, LOAD_SODIUM = 2, LOAD_TERMS = 3 };

static int load(ErlNifEnv *env, void **priv, ERL_NIF_TERM info) {
    (void)priv;
    (void)info;
    oh_set_allocator((oh_allocator_t){enif_alloc, enif_free});
    if (sizeof(ERL_NIF_TERM) != sizeof(uint64_t))
        return LOAD_TERMS;
    if (sodium_init() < 0)
        return LOAD_SODIUM;
    make_atoms(env);
    return open_resource_types(env) ? LOAD_OK : LOAD_RESOURCES;
}

/* A new version of the module loads the library again (or a new build of it) while old handles live:
 * the resource types are taken over, so that old handles work with the new code. */
static int upgrade(ErlNifEnv *env, void **priv, void **old_priv, ERL_NIF_TERM info) {
    *priv = *old_priv;
    return load(env, priv, info);
}

static void unload(ErlNifEnv *env, void *priv) {
    (void)env;
    (void)priv;
}

#define DIRTY_CPU ERL_NIF_DIRTY_JOB_CPU_BOUND
#define DIRTY_IO  ERL_NIF_DIRTY_JOB_IO_BOUND

static ErlNifFunc functions[] = {
#define NIF(name, arity, flags) {#name, arity, nif_##name, flags},
#include "nif_table.h"
#undef NIF
};

ERL_NIF_INIT(offheap_nif, functions, load, NULL, upgrade, unload)
