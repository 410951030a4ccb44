/* Load, upgrade, unload; the lists of atoms, resource types and functions. */
#include "nif.h"
#include "nif_size.h"

#include <sodium.h>

#include "../core/oh_alloc.h"
#include "../core/oh_epoch.h"
#include "../core/oh_names.h"
#include "../core/oh_reaper.h"
#include "../core/oh_registry.h"

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

/*
 * What one load hands to the next (priv_data), so that old and new code share the memory
 * reclamation, the names of tables and the registry: a handle may be used by both at once. A
 * library whose oh_epoch_domain_t, oh_names_t or oh_registry_t has another layout must raise the
 * version; it then refuses to be loaded over the old one, and the node must be restarted.
 */
#define SHARED_VERSION 3

typedef struct {
    uint32_t version;
    oh_epoch_domain_t *epoch_domain;
    oh_names_t *names;
    oh_registry_t *registry;
} shared_t;

/* What load returns to erlang:load_nif/2, which reports it as "... (N)"; the text for each stands
 * in offheap_nif:why/1. */
enum {
    LOAD_OK = 0,
    LOAD_RESOURCES = 1,
    LOAD_SODIUM = 2,
    LOAD_TERMS = 3,
    LOAD_MEMORY = 4,
    LOAD_SHARED_VERSION = 5
};

static int start(ErlNifEnv *env, shared_t *shared) {
    oh_set_allocator((oh_allocator_t){enif_alloc, enif_free});
    if (sizeof(ERL_NIF_TERM) != sizeof(uint64_t))
        return LOAD_TERMS;
    if (sodium_init() < 0)
        return LOAD_SODIUM;
    if (oh_epoch_attach(shared->epoch_domain) != OH_OK || oh_names_attach(shared->names) != OH_OK ||
        oh_reaper_start() != OH_OK)
        return LOAD_MEMORY;
    shared->epoch_domain = oh_epoch_domain;
    shared->names = oh_names;
    oh_registry_attach(shared->registry);
    shared->registry = oh_registry;
    make_atoms(env);
    if (!nif_size_init())
        return LOAD_TERMS;
    return open_resource_types(env) ? LOAD_OK : LOAD_RESOURCES;
}

static int load(ErlNifEnv *env, void **priv, ERL_NIF_TERM info) {
    (void)info;
    shared_t *shared = enif_alloc(sizeof *shared);
    if (shared == NULL)
        return LOAD_MEMORY;
    *shared = (shared_t){.version = SHARED_VERSION};
    *priv = shared;
    return start(env, shared);
}

/* A new version of the module loads the library again, or a new build of it, while old handles
 * live: the resource types are taken over, so that old handles work with the new code. The old
 * library is linked to stay mapped (-z nodelete), since structures made by it hold pointers to its
 * functions. */
static int upgrade(ErlNifEnv *env, void **priv, void **old_priv, ERL_NIF_TERM info) {
    (void)info;
    shared_t *shared = *old_priv;
    if (shared->version != SHARED_VERSION)
        return LOAD_SHARED_VERSION;
    *priv = shared;
    return start(env, shared);
}

#define DIRTY_CPU ERL_NIF_DIRTY_JOB_CPU_BOUND
#define DIRTY_IO  ERL_NIF_DIRTY_JOB_IO_BOUND

static ErlNifFunc functions[] = {
#define NIF(name, arity, flags) {#name, arity, nif_##name, flags},
#include "nif_table.h"
#undef NIF
};

ERL_NIF_INIT(offheap_nif, functions, load, NULL, upgrade, NULL)
