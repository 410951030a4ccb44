#include "nif_flat.h"

#include <string.h>

/* Header of a key: kind, then bytes or arity, then for each element whether it is a binary. */
enum { KEY_BINARY = 1, KEY_TUPLE = 2 };

#define WORDS_FOR(bytes) (((bytes) + sizeof(oh_word_t) - 1) / sizeof(oh_word_t))

static oh_word_t make_header(uint32_t kind, uint32_t size, uint32_t binaries) {
    return (oh_word_t)binaries << 32 | size << 8 | kind;
}

static uint32_t header_size(oh_word_t header) {
    return (uint32_t)header >> 8;
}

static bool header_is_binary(oh_word_t header, uint32_t element) {
    return (header >> 32 >> element & 1) != 0;
}

/* The bytes, the last word filled up with zeros; how many words. */
static uint32_t put_bytes(oh_word_t *words, const ErlNifBinary *bin) {
    uint32_t count = (uint32_t)WORDS_FOR(bin->size);
    if (count > 0) {
        words[count - 1] = 0;
        memcpy(words, bin->data, bin->size);
    }
    return count;
}

static bool get_binary(ErlNifEnv *env, ERL_NIF_TERM term, ErlNifBinary *bin) {
    return enif_inspect_binary(env, term, bin) && bin->size <= FLAT_BINARY_BYTES;
}

static uint16_t flat_tuple_key(ErlNifEnv *env, const ERL_NIF_TERM *element, uint32_t arity,
                               oh_word_t words[FLAT_KEY_WORDS]) {
    uint32_t count = 1, binaries = 0;
    ErlNifBinary bin;
    if (arity > FLAT_KEY_ARITY)
        return 0;
    for (uint32_t i = 0; i < arity; i++) {
        if (count >= FLAT_KEY_WORDS)
            return 0;
        if (nif_is_plain(env, element[i])) {
            words[count++] = element[i];
        } else if (get_binary(env, element[i], &bin)) {
            if (count + 1 + WORDS_FOR(bin.size) > FLAT_KEY_WORDS)
                return 0;
            binaries |= 1u << i;
            words[count++] = bin.size;
            count += put_bytes(words + count, &bin);
        } else if (nif_is_immediate_other(env, element[i])) {
            words[count++] = element[i];
        } else {
            return 0;
        }
    }
    words[0] = make_header(KEY_TUPLE, arity, binaries);
    return (uint16_t)count;
}

flat_key_kind_t flat_key(ErlNifEnv *env, ERL_NIF_TERM key, oh_word_t words[FLAT_KEY_WORDS],
                         uint16_t *count) {
    const ERL_NIF_TERM *element;
    ErlNifBinary bin;
    int arity;
    *count = 0;
    if (enif_get_tuple(env, key, &arity, &element)) {
        *count = flat_tuple_key(env, element, (uint32_t)arity, words);
        return *count > 0 ? KEY_FLAT : KEY_TERM;
    }
    if (nif_is_plain(env, key))
        return KEY_IMMEDIATE;
    if (get_binary(env, key, &bin)) {
        words[0] = make_header(KEY_BINARY, (uint32_t)bin.size, 0);
        *count = (uint16_t)(1 + put_bytes(words + 1, &bin));
        return KEY_FLAT;
    }
    return nif_is_immediate_other(env, key) ? KEY_IMMEDIATE : KEY_TERM;
}

static int compare_bytes(const oh_word_t *a, uint64_t a_size, const oh_word_t *b, uint64_t b_size) {
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    if (order != 0)
        return order;
    return a_size < b_size ? -1 : a_size > b_size;
}

int flat_compare(const oh_word_t *a, const oh_word_t *b) {
    oh_word_t x = *a++, y = *b++;
    if ((x & 0xff) != (y & 0xff))
        return (x & 0xff) == KEY_TUPLE ? -1 : 1; /* tuples come before binaries */
    if ((x & 0xff) == KEY_BINARY)
        return compare_bytes(a, header_size(x), b, header_size(y));
    if (header_size(x) != header_size(y))
        return header_size(x) < header_size(y) ? -1 : 1;
    for (uint32_t i = 0; i < header_size(x); i++) {
        bool a_binary = header_is_binary(x, i), b_binary = header_is_binary(y, i);
        if (a_binary != b_binary)
            return b_binary ? -1 : 1; /* every immediate comes before them */
        oh_word_t v = *a++, w = *b++;
        int order = 0;
        if (a_binary) {
            order = compare_bytes(a, v, b, w);
            a += WORDS_FOR(v);
            b += WORDS_FOR(w);
        } else if (v != w) {
            order = enif_compare(v, w);
        }
        if (order != 0)
            return order;
    }
    return 0;
}

static ERL_NIF_TERM make_binary(ErlNifEnv *env, const oh_word_t *words, size_t bytes) {
    ERL_NIF_TERM term;
    memcpy(enif_make_new_binary(env, bytes, &term), words, bytes);
    return term;
}

ERL_NIF_TERM flat_make_key(ErlNifEnv *env, const oh_word_t *words) {
    oh_word_t header = words[0];
    uint32_t size = header_size(header);
    if ((header & 0xff) == KEY_BINARY)
        return make_binary(env, words + 1, size);
    ERL_NIF_TERM element[FLAT_KEY_ARITY];
    words++;
    for (uint32_t i = 0; i < size; i++) {
        oh_word_t word = *words++;
        if (header_is_binary(header, i)) {
            element[i] = make_binary(env, words, word);
            words += WORDS_FOR(word);
        } else {
            element[i] = word;
        }
    }
    return enif_make_tuple_from_array(env, element, size);
}

void flat_immediate(ERL_NIF_TERM value, flat_draft_t *draft) {
    draft->word[draft->key_words] = value;
    draft->tag = FLAT_IMMEDIATE;
    draft->words = draft->key_words + 1;
}

bool flat_tuple(ErlNifEnv *env, const ERL_NIF_TERM *element, uint32_t arity, flat_draft_t *draft) {
    oh_word_t *words = draft->word + draft->key_words;
    /* A cell has one word at the least, and {} needs none. */
    if (arity > FLAT_ARITY || arity == 0)
        return false;
    for (uint32_t i = 0; i < arity; i++) {
        if (!nif_is_immediate(env, element[i]))
            return false;
        words[i] = element[i];
    }
    draft->tag = FLAT_TUPLE;
    draft->words = (uint16_t)(draft->key_words + arity);
    return true;
}

bool flat_object(ErlNifEnv *env, const ERL_NIF_TERM *element, uint32_t arity, uint32_t keypos,
                 flat_draft_t *draft) {
    oh_word_t *words = draft->word + draft->key_words;
    if (arity > FLAT_ARITY)
        return false;
    for (uint32_t i = 0; i < arity; i++) {
        if (i + 1 == keypos)
            words[i] = draft->key_words > 0 ? OH_WORD_NONE : element[i];
        else if (nif_is_immediate(env, element[i]))
            words[i] = element[i];
        else
            return false;
    }
    draft->tag = FLAT_OBJECT;
    draft->words = (uint16_t)(draft->key_words + arity);
    return true;
}
