/*
 * nif_size: how large a term is, with a bound on the time spent finding out.
 *
 * The API of erl_nif.h has no size of a term, so it is walked. Sizes are in words as the emulator's
 * documentation gives them; they decide where a term is stored and on which scheduler it is copied,
 * so being off by a few words does no harm.
 */
#ifndef NIF_SIZE_H
#define NIF_SIZE_H

#include "nif.h"

typedef struct {
    uint64_t words; /* what a copy takes in an environment; 0: immediate */
    uint64_t
        binary_bytes;  /* bytes in binaries, shared ones included: what hashing the term reads */
    bool heavy_binary; /* holds binaries that should be freed with the term, not later */
    bool has_float;    /* before OTP 27, 0.0 =:= -0.0 */
    bool complete;     /* false: larger than the limit, or of unknown size */
} nif_size_t;

/* Small integers have 60 bits: the efficiency guide, "Memory". */
#define NIF_SMALL_MAX (((ErlNifSInt64)1 << 59) - 1)
#define NIF_SMALL_MIN (-((ErlNifSInt64)1 << 59))

static inline bool nif_is_small(ErlNifEnv *env, ERL_NIF_TERM term) {
    ErlNifSInt64 value;
    return enif_get_int64(env, term, &value) && value >= NIF_SMALL_MIN && value <= NIF_SMALL_MAX;
}

/* A small integer or an atom. */
static inline bool nif_is_plain(ErlNifEnv *env, ERL_NIF_TERM term) {
    ErlNifSInt64 value;
    if (enif_get_int64(env, term, &value))
        return value >= NIF_SMALL_MIN && value <= NIF_SMALL_MAX;
    return enif_is_atom(env, term) != 0;
}

/* The rest of nif_is_immediate: local pids and the empty list. */
bool nif_is_immediate_other(ErlNifEnv *env, ERL_NIF_TERM term);

/* True for terms whose word is all there is to them, in every environment: small integers, atoms,
 * local pids and the empty list. O(1), and quick for what keys mostly are. */
static inline bool nif_is_immediate(ErlNifEnv *env, ERL_NIF_TERM term) {
    return nif_is_plain(env, term) || nif_is_immediate_other(env, term);
}

/* The integers 1 and 2: the cost and the position that are asked for most. */
extern ERL_NIF_TERM nif_one, nif_two;

/* Whether 0.0 =/= -0.0, as from OTP 27 on. */
extern bool nif_zeros_differ;

/* True for terms that are surely small: tuples of a few integers, atoms, references and short
 * binaries. Quicker than measuring; false says nothing. */
bool nif_is_surely_small(ErlNifEnv *env, ERL_NIF_TERM term);

/* Walks the term until it is known or limit words are passed. A normal scheduler gives a limit. On
 * a dirty one, limit UINT64_MAX measures everything, funs and huge integers too, whose size only
 * their external format tells. */
nif_size_t nif_measure(ErlNifEnv *env, ERL_NIF_TERM term, uint64_t limit);

/* Makes the integers that measuring compares with, and checks that small integers, atoms and the
 * empty list are the same word everywhere; false if this emulator has it otherwise. Called at load.
 */
bool nif_size_init(void);

#endif
