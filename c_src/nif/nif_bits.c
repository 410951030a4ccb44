#include "nif_bits.h"

#include <string.h>

#include "../core/oh_bloom_filter.h"

/* Bits that are counted, and words that are combined, before a look at the time slice: 50 us. */
#define COUNT_CHUNK          ((uint64_t)1 << 20)
#define COUNT_BITS_PER_MS    ((uint64_t)16 << 20)
#define COMBINE_CHUNK        ((uint64_t)4096)
#define COMBINE_WORDS_PER_MS 64000

static bool get_bits(ErlNifEnv *env, ERL_NIF_TERM term, oh_bitset_t **out) {
    oh_bloom_filter_t *filter;
    if (enif_get_resource(env, term, nif_type_bitset, (void **)out))
        return true;
    if (!enif_get_resource(env, term, nif_type_bloom_filter, (void **)&filter))
        return false;
    *out = &filter->bits;
    return true;
}

/* Continuation: (Set, Index, Left, Sum) */
static ERL_NIF_TERM count_from(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_bitset_t *bits;
    uint64_t index, left, sum;
    if (!get_bits(env, argv[0], &bits) || !nif_get_unsigned(env, argv[1], &index) ||
        !nif_get_unsigned(env, argv[2], &left) || !nif_get_unsigned(env, argv[3], &sum))
        return enif_make_badarg(env);
    while (left > 0) {
        uint64_t count = left < COUNT_CHUNK ? left : COUNT_CHUNK;
        sum += oh_bitset_count(bits, index, count);
        index += count;
        left -= count;
        if (nif_charge(env, count, COUNT_BITS_PER_MS) && left > 0) {
            ERL_NIF_TERM next[] = {argv[0], enif_make_uint64(env, index),
                                   enif_make_uint64(env, left), enif_make_uint64(env, sum)};
            return enif_schedule_nif(env, "bits_count", 0, count_from, 4, next);
        }
    }
    return enif_make_uint64(env, sum);
}

ERL_NIF_TERM nif_bits_count(ErlNifEnv *env, ERL_NIF_TERM set, uint64_t index, uint64_t count) {
    ERL_NIF_TERM start[] = {set, enif_make_uint64(env, index), enif_make_uint64(env, count),
                            enif_make_uint(env, 0)};
    return count_from(env, 4, start);
}

/* Continuation: (Set, Operation, Other, Word) */
static ERL_NIF_TERM combine_from(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_bitset_t *bits, *other;
    unsigned op;
    uint64_t word;
    if (!get_bits(env, argv[0], &bits) || !enif_get_uint(env, argv[1], &op) ||
        !get_bits(env, argv[2], &other) || !nif_get_unsigned(env, argv[3], &word))
        return enif_make_badarg(env);
    while (word < bits->words) {
        uint64_t left = bits->words - word;
        uint64_t count = left < COMBINE_CHUNK ? left : COMBINE_CHUNK;
        oh_bitset_combine(bits, (oh_bitset_op_t)op, other, word, count);
        word += count;
        if (nif_charge(env, count, COMBINE_WORDS_PER_MS) && word < bits->words) {
            ERL_NIF_TERM next[] = {argv[0], argv[1], argv[2], enif_make_uint64(env, word)};
            return enif_schedule_nif(env, "bits_combine", 0, combine_from, 4, next);
        }
    }
    return nif_atom.ok;
}

ERL_NIF_TERM nif_bits_combine(ErlNifEnv *env, ERL_NIF_TERM set, oh_bitset_op_t op,
                              ERL_NIF_TERM other) {
    ERL_NIF_TERM start[] = {set, enif_make_uint(env, op), other, enif_make_uint(env, 0)};
    return combine_from(env, 4, start);
}

/* (Set, Header), on any scheduler */
static ERL_NIF_TERM write_binary(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    oh_bitset_t *bits;
    ErlNifBinary header, binary;
    if (!get_bits(env, argv[0], &bits) || !enif_inspect_binary(env, argv[1], &header))
        return enif_make_badarg(env);
    if (!enif_alloc_binary(header.size + oh_bitset_bytes(bits), &binary))
        return nif_raise(env, nif_atom.status_system_limit);
    memcpy(binary.data, header.data, header.size);
    oh_bitset_to_bytes(bits, binary.data + header.size);
    return enif_make_binary(env, &binary);
}

ERL_NIF_TERM nif_bits_to_binary(ErlNifEnv *env, ERL_NIF_TERM set, ERL_NIF_TERM header) {
    oh_bitset_t *bits;
    ERL_NIF_TERM args[] = {set, header};
    if (!get_bits(env, set, &bits))
        return enif_make_badarg(env);
    if (oh_bitset_bytes(bits) <= BITS_INLINE_BYTES) {
        nif_charge(env, oh_bitset_bytes(bits), BITS_BYTES_PER_MS);
        return write_binary(env, 2, args);
    }
    return enif_schedule_nif(env, "bits_to_binary", ERL_NIF_DIRTY_JOB_CPU_BOUND, write_binary, 2,
                             args);
}
