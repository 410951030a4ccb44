/*
 * nif_key: a 64-bit hash of any term, the same on every node and in every release of OTP, as
 * filters and sketches need that are stored or sent.
 *
 * Integers of 64 bits and floats are mixed, and binaries go through SipHash-2-4 with the salt as
 * its key. Of most else only erlang:phash2/1 is as portable, but it has 27 bits: it is taken of the
 * term and of [Salt | Term], which makes 54. Terms with maps have 32, since the emulator hashes the
 * pairs of a map from a state of their own.
 *
 * Pids, references and ports, of which phash2 looks at the first word only, go through the
 * emulator's internal hash: 64 bits, but the same within one emulator only, as what they stand for.
 * Inside other terms they have what phash2 sees of them: 18 bits of a reference.
 */
#ifndef NIF_KEY_H
#define NIF_KEY_H

#include "nif.h"

/* The hash of term; or false if that might take long and this is a normal scheduler: go on on a
 * dirty one. Bound: about 100 us. */
bool nif_key_hash(ErlNifEnv *env, ERL_NIF_TERM term, uint32_t salt, uint64_t *hash);

#endif
