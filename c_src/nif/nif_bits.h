/*
 * nif_bits: what the glue of bit sets and of Bloom filters shares: calls that pass over all bits.
 * They take the term, not the set, because they go on later where a set is large.
 */
#ifndef NIF_BITS_H
#define NIF_BITS_H

#include "nif.h"

#include "../core/oh_bitset.h"

/* Sets up to this many bytes are copied where the caller is: about 50 us. */
#define BITS_INLINE_BYTES 65536
#define BITS_BYTES_PER_MS 1000000

/* How many bits are set of those of a range that is known to be in the set. Yields. */
ERL_NIF_TERM nif_bits_count(ErlNifEnv *env, ERL_NIF_TERM set, uint64_t index, uint64_t count);

/* Changes set by other, which is known to be of the same size: ok. Yields. */
ERL_NIF_TERM nif_bits_combine(ErlNifEnv *env, ERL_NIF_TERM set, oh_bitset_op_t op,
                              ERL_NIF_TERM other);

/* The bits as a binary, after those of the binary header. Large ones on a dirty scheduler. */
ERL_NIF_TERM nif_bits_to_binary(ErlNifEnv *env, ERL_NIF_TERM set, ERL_NIF_TERM header);

#endif
