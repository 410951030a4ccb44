#include "nif_size.h"

#include <string.h>

#include "../core/oh_alloc.h"

/* Binaries up to this size stand on the heap, larger ones are shared. */
#define HEAP_BINARY_BYTES 64
/* Shared binaries above this many bytes should go when their entry goes. */
#define HEAVY_BINARY_BYTES 4096
#define WORD_BYTES         sizeof(ERL_NIF_TERM)

/* Integers within +-2^1024 are no more than 18 words; compare decides by length alone. */
static ERL_NIF_TERM big_max, big_min;
static ErlNifEnv *big_env;
ERL_NIF_TERM nif_one, nif_two;
bool nif_zeros_differ;

/* True if a copy of the term is the term. */
static bool copies_to_itself(ERL_NIF_TERM term) {
    return enif_make_copy(big_env, term) == term;
}

bool nif_size_init(void) {
    /* 2^1024 in the external format: SMALL_BIG_EXT, 129 bytes, sign, little-endian. */
    unsigned char ext[4 + 129] = {131, 110, 129, 0};
    ext[sizeof ext - 1] = 1;
    if (big_env != NULL)
        return true;
    big_env = enif_alloc_env();
    if (big_env == NULL || !enif_binary_to_term(big_env, ext, sizeof ext, &big_max, 0))
        return false;
    nif_one = enif_make_int(big_env, 1);
    nif_two = enif_make_int(big_env, 2);
    nif_zeros_differ =
        !enif_is_identical(enif_make_double(big_env, 0.0), enif_make_double(big_env, -0.0));
    ext[3] = 1;
    if (!enif_binary_to_term(big_env, ext, sizeof ext, &big_min, 0))
        return false;
    /* What nif_is_immediate takes for granted, asked of the emulator at hand. */
    return copies_to_itself(enif_make_int64(big_env, NIF_SMALL_MAX)) &&
           copies_to_itself(enif_make_int64(big_env, NIF_SMALL_MIN)) &&
           copies_to_itself(nif_atom.ok) && copies_to_itself(enif_make_list(big_env, 0));
}

bool nif_is_immediate_other(ErlNifEnv *env, ERL_NIF_TERM term) {
    ErlNifPid pid;
    switch (enif_term_type(env, term)) {
    case ERL_NIF_TERM_TYPE_PID:
        return enif_get_local_pid(env, term, &pid) != 0;
    case ERL_NIF_TERM_TYPE_LIST:
        return enif_is_empty_list(env, term) != 0;
    default:
        return false;
    }
}

static bool is_small_element(ErlNifEnv *env, ERL_NIF_TERM term) {
    ErlNifBinary bin;
    if (nif_is_plain(env, term))
        return true;
    switch (enif_term_type(env, term)) {
    case ERL_NIF_TERM_TYPE_BITSTRING:
        return enif_inspect_binary(env, term, &bin) && bin.size <= HEAVY_BINARY_BYTES;
    case ERL_NIF_TERM_TYPE_REFERENCE:
    case ERL_NIF_TERM_TYPE_PID:
    case ERL_NIF_TERM_TYPE_PORT:
        return true;
    default:
        return false;
    }
}

bool nif_is_surely_small(ErlNifEnv *env, ERL_NIF_TERM term) {
    const ERL_NIF_TERM *element;
    int arity;
    if (!enif_get_tuple(env, term, &arity, &element))
        return is_small_element(env, term);
    if (arity > 6)
        return false;
    for (int i = 0; i < arity; i++)
        if (!is_small_element(env, element[i]))
            return false;
    return true;
}

/* Terms yet to be walked: no recursion, since terms nest as deep as memory allows. */
typedef struct {
    ErlNifEnv *env;
    nif_size_t size;
    uint64_t limit;
    ERL_NIF_TERM *stack;
    size_t depth, room;
    ERL_NIF_TERM first[128];
} walk_t;

static bool push(walk_t *w, ERL_NIF_TERM term) {
    if (nif_is_plain(w->env, term))
        return true;
    if (w->depth == w->room) {
        ERL_NIF_TERM *larger = oh_alloc(2 * w->room * sizeof *larger);
        if (larger == NULL)
            return false;
        memcpy(larger, w->stack, w->depth * sizeof *larger);
        if (w->stack != w->first)
            oh_free(w->stack);
        w->stack = larger;
        w->room *= 2;
    }
    w->stack[w->depth++] = term;
    return true;
}

/* The size by the external format: for the types that show it nowhere else. Dirty schedulers only.
 */
static bool measure_external(walk_t *w, ERL_NIF_TERM term) {
    ErlNifBinary bin;
    if (w->limit != UINT64_MAX || !enif_term_to_binary(w->env, term, &bin))
        return false;
    w->size.words += bin.size / WORD_BYTES + 8;
    w->size.binary_bytes += bin.size;
    enif_release_binary(&bin);
    return true;
}

static bool measure_integer(walk_t *w, ERL_NIF_TERM term) {
    ErlNifSInt64 value;
    ErlNifUInt64 positive;
    if (enif_get_int64(w->env, term, &value) || enif_get_uint64(w->env, term, &positive)) {
        w->size.words += 2;
        return true;
    }
    if (enif_compare(term, big_max) > 0 || enif_compare(term, big_min) < 0)
        return measure_external(w, term);
    w->size.words += 18;
    return true;
}

static bool measure_bitstring(walk_t *w, ERL_NIF_TERM term) {
    ErlNifBinary bin;
    if (!enif_inspect_binary(w->env, term, &bin)) {
        /* Not whole bytes: no function tells how many bits, so it gets an environment of its own.
         */
        w->size.heavy_binary = true;
        return measure_external(w, term);
    }
    w->size.binary_bytes += bin.size;
    if (bin.size <= HEAVY_BINARY_BYTES) {
        w->size.words += 3 + bin.size / WORD_BYTES;
    } else {
        w->size.words += 6;
        w->size.heavy_binary = true;
    }
    return true;
}

static bool measure_list(walk_t *w, ERL_NIF_TERM term) {
    ERL_NIF_TERM head, tail = term;
    while (enif_get_list_cell(w->env, tail, &head, &tail)) {
        w->size.words += 2;
        if (w->size.words > w->limit || !push(w, head))
            return false;
    }
    return enif_is_empty_list(w->env, tail) || push(w, tail);
}

static bool measure_map(walk_t *w, ERL_NIF_TERM term) {
    ErlNifMapIterator it;
    size_t pairs;
    enif_get_map_size(w->env, term, &pairs);
    /* Up to 32 pairs are two tuples; beyond, a tree of 16-way nodes. */
    w->size.words += pairs <= 32 ? 5 + 2 * pairs : 4 * pairs;
    if (w->size.words > w->limit ||
        !enif_map_iterator_create(w->env, term, &it, ERL_NIF_MAP_ITERATOR_FIRST))
        return false;
    ERL_NIF_TERM key, value;
    bool pushed = true;
    for (; pushed && enif_map_iterator_get_pair(w->env, &it, &key, &value);
         enif_map_iterator_next(w->env, &it))
        pushed = push(w, key) && push(w, value);
    enif_map_iterator_destroy(w->env, &it);
    return pushed;
}

static bool measure_tuple(walk_t *w, ERL_NIF_TERM term) {
    const ERL_NIF_TERM *element;
    int arity;
    enif_get_tuple(w->env, term, &arity, &element);
    w->size.words += (uint64_t)arity + 1;
    if (w->size.words > w->limit)
        return false;
    for (int i = 0; i < arity; i++)
        if (!push(w, element[i]))
            return false;
    return true;
}

static bool measure_one(walk_t *w, ERL_NIF_TERM term) {
    switch (enif_term_type(w->env, term)) {
    case ERL_NIF_TERM_TYPE_TUPLE:
        return measure_tuple(w, term);
    case ERL_NIF_TERM_TYPE_LIST:
        return measure_list(w, term);
    case ERL_NIF_TERM_TYPE_MAP:
        return measure_map(w, term);
    case ERL_NIF_TERM_TYPE_BITSTRING:
        return measure_bitstring(w, term);
    case ERL_NIF_TERM_TYPE_INTEGER:
        return measure_integer(w, term);
    case ERL_NIF_TERM_TYPE_FUN:
        return measure_external(w, term);
    case ERL_NIF_TERM_TYPE_FLOAT:
        w->size.words += 2;
        w->size.has_float = true;
        return true;
    case ERL_NIF_TERM_TYPE_PID:
        w->size.words += nif_is_immediate_other(w->env, term) ? 0 : 6;
        return true;
    default: /* references, ports */
        w->size.words += 6;
        return true;
    }
}

nif_size_t nif_measure(ErlNifEnv *env, ERL_NIF_TERM term, uint64_t limit) {
    walk_t w;
    w.env = env;
    w.limit = limit;
    w.size = (nif_size_t){0};
    w.stack = w.first;
    w.depth = 0;
    w.room = sizeof w.first / sizeof w.first[0];
    bool known = push(&w, term);
    while (known && w.depth > 0)
        known = measure_one(&w, w.stack[--w.depth]) && w.size.words <= w.limit;
    w.size.complete = known;
    if (w.stack != w.first)
        oh_free(w.stack);
    return w.size;
}
