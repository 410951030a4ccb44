/*
 * nif: the frame that every component's glue stands in.
 *
 * A glue function has one shape: get the arguments, call the core, turn the outcome into a term.
 * What it needs for the first and the last is here. Components are registered by lists:
 *
 *   nif_atoms.h      every atom the library makes
 *   nif_resources.h  every resource type
 *   nif_table.h      every function that Erlang can call, with arity and flags
 */
#ifndef NIF_H
#define NIF_H

#include <erl_nif.h>

#include "../core/oh_common.h"
#include "../core/oh_registry.h"

/* --- Atoms: nif_atom.ok and so on, made at load --- */

typedef struct {
#define ATOM(name)               ERL_NIF_TERM name;
#define ATOM_NAMED(name, string) ERL_NIF_TERM name;
#include "nif_atoms.h"
#undef ATOM
#undef ATOM_NAMED
} nif_atoms_t;

extern nif_atoms_t nif_atom;

/* --- Resource types: nif_type_atomics and so on, opened (or taken over) at load --- */

#define RESOURCE(name, version)                                                                    \
    extern ErlNifResourceType *nif_type_##name;                                                    \
    extern ErlNifResourceTypeInit nif_type_init_##name;
#include "nif_resources.h"
#undef RESOURCE

/* --- Functions: declared here, defined by the components --- */

#define NIF(name, arity, flags)                                                                    \
    ERL_NIF_TERM nif_##name(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);
#include "nif_table.h"
#undef NIF

/* --- Arguments. Each getter returns true and fills in *out, or returns false: badarg. Those of
 * integers stand here because a call of a function that only calls another costs a tenth of the
 * shortest NIFs. --- */

bool nif_get_bool(ERL_NIF_TERM term, bool *out);
/* An integer in -2^63..2^63-1, as a word. */
static inline bool nif_get_signed(ErlNifEnv *env, ERL_NIF_TERM term, uint64_t *out) {
    ErlNifSInt64 value;
    if (!enif_get_int64(env, term, &value))
        return false;
    *out = (uint64_t)value;
    return true;
}
/* An integer in 0..2^64-1. */
static inline bool nif_get_unsigned(ErlNifEnv *env, ERL_NIF_TERM term, uint64_t *out) {
    ErlNifUInt64 value;
    if (!enif_get_uint64(env, term, &value))
        return false;
    *out = value;
    return true;
}
/* An integer in -2^63..2^64-1, modulo 2^64: what OTP's atomics takes as an increment. */
static inline bool nif_get_increment(ErlNifEnv *env, ERL_NIF_TERM term, uint64_t *out) {
    return nif_get_signed(env, term, out) || nif_get_unsigned(env, term, out);
}
/* A float, or an integer of -2^63..2^64-1, which becomes the nearest one. Always finite. */
bool nif_get_float(ErlNifEnv *env, ERL_NIF_TERM term, double *out);

/* --- Results --- */

/* {ok, Term} */
ERL_NIF_TERM nif_ok(ErlNifEnv *env, ERL_NIF_TERM term);
/* {error, Reason} */
ERL_NIF_TERM nif_error(ErlNifEnv *env, ERL_NIF_TERM reason);
/* The list of count terms, followed by those of list. */
ERL_NIF_TERM nif_prepend(ErlNifEnv *env, const ERL_NIF_TERM terms[], unsigned count,
                         ERL_NIF_TERM list);
/* A core status as a term: ok, or {error, Reason} with the status's own name; OH_BADARG and
 * OH_CLOSED raise badarg, OH_LIMIT raises system_limit, OH_ERRNO becomes {error, enoent} and the
 * like from error_number. */
ERL_NIF_TERM nif_status(ErlNifEnv *env, oh_status_t status, int error_number);
/* A status's own name, for {error, Reason}. */
ERL_NIF_TERM nif_status_atom(oh_status_t status);
/* Raises error:Reason. */
ERL_NIF_TERM nif_raise(ErlNifEnv *env, ERL_NIF_TERM reason);
/* errno as the atom that file:open/2 would give: enoent, eacces and so on. */
ERL_NIF_TERM nif_errno(ErlNifEnv *env, int error_number);

/* --- Time --- */

/* True on a normal scheduler thread, where long work must not run. */
static inline bool nif_on_scheduler(void) {
    return enif_thread_type() == ERL_NIF_THR_NORMAL_SCHEDULER;
}

/* True on a dirty CPU scheduler, where size does not matter. */
static inline bool nif_on_dirty_cpu(void) {
    return enif_thread_type() == ERL_NIF_THR_DIRTY_CPU_SCHEDULER;
}

/* Charges the time slice for work of cost units, where units_per_ms of them fill one millisecond.
 * True when the slice is used up and a chunked loop should go on later by enif_schedule_nif. */
bool nif_charge_percent(ErlNifEnv *env, uint64_t percent);
static inline bool nif_charge(ErlNifEnv *env, uint64_t cost, uint64_t units_per_ms) {
    /* Constant units make this a comparison; what is less than a percent is not worth a call. */
    return oh_unlikely(cost >= (units_per_ms + 99) / 100) &&
           nif_charge_percent(env, cost * 100 / units_per_ms);
}

#endif
