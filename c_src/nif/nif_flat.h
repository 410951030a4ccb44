/*
 * nif_flat: small terms as rows of words, which the store keeps in cells.
 *
 * A word that is an immediate (nif_size.h) stands for itself. A flat key, the same words for equal
 * terms and for no others, is
 *
 *   a binary of up to FLAT_BINARY_BYTES bytes     header, then its bytes, the rest of the last word 0
 *   a tuple of up to FLAT_KEY_ARITY elements,     header, then for each element its word, or for a
 *   each an immediate or such a binary            binary its size and its bytes as above
 *
 * The header tells kind, size or arity, and which elements are binaries. Numbers but small integers
 * are left out: before OTP 27, 0.0 =:= -0.0.
 *
 * A cell holds the key's words, if it is not immediate, then the value's; its tag says what these
 * are:
 *
 *   FLAT_IMMEDIATE   {Key, Value}: one word
 *   FLAT_TUPLE       {Key, Value}, where Value is a tuple of immediates: its elements
 *   FLAT_OBJECT      an object of another shape: its elements, the word at the key's place being the
 *                    key's, or nothing
 */
#ifndef NIF_FLAT_H
#define NIF_FLAT_H

#include "nif.h"
#include "nif_size.h"

#include "../core/oh_cells.h"

#define FLAT_BINARY_BYTES 64
#define FLAT_KEY_ARITY    6
/* What the longest flat key takes, at the most. */
#define FLAT_KEY_WORDS 16
/* Elements of a flat tuple of immediates. */
#define FLAT_ARITY (OH_CELL_WORDS_MAX - FLAT_KEY_WORDS)

typedef enum { FLAT_IMMEDIATE, FLAT_TUPLE, FLAT_OBJECT } flat_kind_t;

/* A cell in the making. */
typedef struct {
    uint32_t tag;
    uint16_t words, key_words;
    oh_word_t word[OH_CELL_WORDS_MAX];
} flat_draft_t;

_Static_assert(sizeof(flat_draft_t) == sizeof(oh_cell_t) + OH_CELL_WORDS_MAX * sizeof(oh_word_t),
               "a draft is a cell");

typedef enum { KEY_IMMEDIATE, KEY_FLAT, KEY_TERM } flat_key_kind_t;

/* What a key is. Of a flat one the words, and how many. Small integers are quicker asked for
 * first: nif_is_small. */
flat_key_kind_t flat_key(ErlNifEnv *env, ERL_NIF_TERM key, oh_word_t words[FLAT_KEY_WORDS],
                         uint16_t *count);

/* The order of two flat keys: that of their terms. */
int flat_compare(const oh_word_t *a, const oh_word_t *b);

/* The key that the words stand for. */
ERL_NIF_TERM flat_make_key(ErlNifEnv *env, const oh_word_t *words);

/* Appends the value of {Key, Value} to a draft that has the key: an immediate, or a tuple's
 * elements. False if they have no flat form. */
void flat_immediate(ERL_NIF_TERM value, flat_draft_t *draft);
bool flat_tuple(ErlNifEnv *env, const ERL_NIF_TERM *element, uint32_t arity, flat_draft_t *draft);

/* The same of an object of another shape. */
bool flat_object(ErlNifEnv *env, const ERL_NIF_TERM *element, uint32_t arity, uint32_t keypos,
                 flat_draft_t *draft);

static inline flat_kind_t flat_kind(const oh_cell_t *cell) {
    return (flat_kind_t)cell->tag;
}

/* The value's words. */
static inline const oh_word_t *flat_value(const oh_cell_t *cell) {
    return cell->word + cell->key_words;
}

static inline uint32_t flat_value_words(const oh_cell_t *cell) {
    return (uint32_t)(cell->words - cell->key_words);
}

/* The value of a pair. */
static inline ERL_NIF_TERM flat_make_value(ErlNifEnv *env, const oh_cell_t *cell) {
    const oh_word_t *value = flat_value(cell);
    if (flat_kind(cell) == FLAT_IMMEDIATE)
        return value[0];
    return enif_make_tuple_from_array(env, value, flat_value_words(cell));
}

#endif
