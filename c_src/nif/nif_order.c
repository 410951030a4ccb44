#include "nif_order.h"
#include "nif_flat.h"

#define TYPE_BITS  4
#define ARITY_BITS 8
#define PAIRS_BITS 16
#define ATOM_BYTES 256
#define EXACT      0x1p53 /* from here on two integers may have one double */

/* In the order of terms. */
enum { NUMBER, ATOM_, REFERENCE, FUN, PORT, PID, TUPLE, MAP, NIL, LIST, BITS };

/* A row of bits in the making. */
typedef struct {
    uint64_t word[2];
    unsigned used; /* bits; of the rest, all are 0 */
    bool ended;    /* nothing more may follow */
    bool failed;   /* memory was out */
    /* Of a pattern: which parts may be any term; whether one ended the row. */
    bool (*is_free)(ErlNifEnv *env, ERL_NIF_TERM part);
    bool open;
} row_t;

#define ROW_BITS 128

/* In the place of flat_words: flat points to a gap. */
#define GAP UINT16_MAX

/* Appends the last `bits` (1 to 64) bits of a value, as many of them as fit, the first ones
 * first. */
static void put(row_t *row, uint64_t value, unsigned bits) {
    if (row->ended)
        return;
    uint64_t top = value << (64 - bits);
    unsigned at = row->used % 64;
    row->word[row->used / 64] |= top >> at;
    if (row->used < 64 && at > 0)
        row->word[1] |= top << (64 - at);
    row->used += bits;
    row->ended = row->used >= ROW_BITS;
}

static void end(row_t *row) {
    row->ended = true;
}

static void put_bytes(row_t *row, const unsigned char *bytes, size_t size) {
    for (size_t i = 0; i < size && !row->ended; i++)
        put(row, bytes[i], 8);
}

/* The text of an atom, which has no byte above 0xf4. */
static void put_text(row_t *row, const unsigned char *bytes, size_t size) {
    for (size_t i = 0; i < size && !row->ended; i++)
        put(row, bytes[i] + 1u, 8);
    put(row, 0, 8);
}

static double clamp(double number) {
    return number > 0x1p64 ? 0x1p64 : number < -0x1p63 ? -0x1p63 : number;
}

static double as_double(ErlNifEnv *env, ERL_NIF_TERM term) {
    ErlNifSInt64 small;
    ErlNifUInt64 positive;
    double number;
    if (enif_get_int64(env, term, &small))
        return (double)small;
    if (enif_get_uint64(env, term, &positive))
        return (double)positive;
    if (enif_get_double(env, term, &number))
        return clamp(number);
    return enif_compare(term, nif_one) > 0 ? 0x1p64 : -0x1p63;
}

static void put_number(row_t *row, double number) {
    put(row, nif_order_double(number), 64);
    if (number >= EXACT || number <= -EXACT)
        end(row);
}

/* The text or bytes in the external format, behind its header. */
static void put_external(ErlNifEnv *env, ERL_NIF_TERM term, row_t *row) {
    ErlNifBinary ext;
    if (!enif_term_to_binary(env, term, &ext)) {
        row->failed = true;
        return;
    }
    /* SMALL_ATOM_UTF8_EXT 119, size 1; ATOM_UTF8_EXT 118, size 2; BIT_BINARY_EXT 77, size 4, bits
     * 1 */
    size_t header = ext.data[1] == 119 ? 3 : ext.data[1] == 118 ? 4 : 7;
    if (header < 7)
        put_text(row, ext.data + header, ext.size - header);
    else
        put_bytes(row, ext.data + header, ext.size - header);
    enif_release_binary(&ext);
}

static void put_atom(ErlNifEnv *env, ERL_NIF_TERM term, row_t *row) {
    char text[ATOM_BYTES];
    int length = enif_get_atom(env, term, text, sizeof text, ERL_NIF_LATIN1);
    if (length == 0) {
        put_external(env, term, row);
        return;
    }
    for (int i = 0; i < length - 1 && !row->ended; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x80) {
            put(row, (0xc0u | c >> 6) + 1u, 8);
            c = 0x80 | (c & 0x3f);
        }
        put(row, c + 1u, 8);
    }
    put(row, 0, 8);
}

static void put_bitstring(ErlNifEnv *env, ERL_NIF_TERM term, row_t *row) {
    ErlNifBinary bin;
    if (enif_inspect_binary(env, term, &bin))
        put_bytes(row, bin.data, bin.size);
    else
        put_external(env, term, row);
    end(row);
}

static void put_term(ErlNifEnv *env, ERL_NIF_TERM term, row_t *row);

static void put_tuple(ErlNifEnv *env, ERL_NIF_TERM term, row_t *row) {
    const ERL_NIF_TERM *element;
    int arity, most = (1 << ARITY_BITS) - 1;
    enif_get_tuple(env, term, &arity, &element);
    put(row, (uint64_t)(arity < most ? arity : most), ARITY_BITS);
    if (arity >= most)
        end(row);
    for (int i = 0; i < arity && !row->ended; i++)
        put_term(env, element[i], row);
}

static void put_map(ErlNifEnv *env, ERL_NIF_TERM term, row_t *row) {
    size_t pairs;
    enif_get_map_size(env, term, &pairs);
    put(row, pairs < UINT16_MAX ? pairs : UINT16_MAX, PAIRS_BITS);
    end(row);
}

static void put_list(ErlNifEnv *env, ERL_NIF_TERM term, row_t *row) {
    ERL_NIF_TERM head, tail;
    enif_get_list_cell(env, term, &head, &tail);
    put_term(env, head, row);
    if (!row->ended)
        put_term(env, tail, row);
}

static int type_of(ErlNifEnv *env, ERL_NIF_TERM term) {
    switch (enif_term_type(env, term)) {
    case ERL_NIF_TERM_TYPE_INTEGER:
    case ERL_NIF_TERM_TYPE_FLOAT:
        return NUMBER;
    case ERL_NIF_TERM_TYPE_ATOM:
        return ATOM_;
    case ERL_NIF_TERM_TYPE_REFERENCE:
        return REFERENCE;
    case ERL_NIF_TERM_TYPE_FUN:
        return FUN;
    case ERL_NIF_TERM_TYPE_PORT:
        return PORT;
    case ERL_NIF_TERM_TYPE_PID:
        return PID;
    case ERL_NIF_TERM_TYPE_TUPLE:
        return TUPLE;
    case ERL_NIF_TERM_TYPE_MAP:
        return MAP;
    case ERL_NIF_TERM_TYPE_LIST:
        return enif_is_empty_list(env, term) ? NIL : LIST;
    default:
        return BITS;
    }
}

/* Nests no deeper than the row has room for types. */
static void put_term(ErlNifEnv *env, ERL_NIF_TERM term, row_t *row) {
    if (row->is_free != NULL && row->is_free(env, term)) {
        row->open = true;
        end(row);
        return;
    }
    int type = type_of(env, term);
    put(row, (uint64_t)type, TYPE_BITS);
    switch (type) {
    case NUMBER:
        put_number(row, as_double(env, term));
        return;
    case ATOM_:
        put_atom(env, term, row);
        return;
    case TUPLE:
        put_tuple(env, term, row);
        return;
    case MAP:
        put_map(env, term, row);
        return;
    case NIL:
        return;
    case LIST:
        put_list(env, term, row);
        return;
    case BITS:
        put_bitstring(env, term, row);
        return;
    default:
        end(row);
    }
}

static void set_prefix(const row_t *row, oh_key_t *key) {
    key->order = row->word[0];
    key->order2 = row->word[1] < UINT64_MAX ? row->word[1] : UINT64_MAX - 1;
}

bool nif_order(ErlNifEnv *env, ERL_NIF_TERM term, oh_key_t *key) {
    row_t row = {.used = 0};
    put_term(env, term, &row);
    set_prefix(&row, key);
    return !row.failed;
}

/* What is free may begin with any bits, unless nothing comes there. */
bool nif_order_pattern(ErlNifEnv *env, ERL_NIF_TERM pattern,
                       bool (*is_free)(ErlNifEnv *env, ERL_NIF_TERM part), bool behind,
                       oh_key_t *key) {
    row_t row = {.used = 0, .is_free = is_free};
    put_term(env, pattern, &row);
    if (behind && row.open && row.used < ROW_BITS) {
        uint64_t rest = UINT64_MAX >> row.used % 64;
        row.word[row.used / 64] |= rest;
        if (row.used < 64)
            row.word[1] = UINT64_MAX;
    }
    set_prefix(&row, key);
    return !row.failed;
}

void nif_order_set_gap(oh_key_t *key, const nif_order_gap_t *gap) {
    key->word = OH_WORD_NONE;
    key->immediate = false;
    key->flat_words = GAP;
    key->flat = (const oh_word_t *)(const void *)gap;
}

/* One is flat without a word, the other is not flat: their elements may still be equal numbers. */
static int compare_as_terms(const oh_key_t *a, const oh_key_t *b) {
    ErlNifEnv *env = enif_alloc_env();
    ERL_NIF_TERM x = a->word == OH_WORD_NONE ? flat_make_key(env, a->flat) : a->word;
    ERL_NIF_TERM y = b->word == OH_WORD_NONE ? flat_make_key(env, b->flat) : b->word;
    int order = enif_compare(x, y);
    enif_free_env(env);
    return order;
}

/* The order of a gap and a key. */
static int compare_gap(const oh_key_t *at, const oh_key_t *key) {
    const nif_order_gap_t *gap = (const nif_order_gap_t *)(const void *)at->flat;
    ERL_NIF_TERM term = key->word == OH_WORD_NONE ? flat_make_key(gap->env, key->flat) : key->word;
    int place = gap->place(gap->env, gap->range, term);
    return (gap->behind ? place <= 0 : place < 0) ? 1 : -1;
}

int nif_order_compare(const oh_key_t *a, const oh_key_t *b) {
    if (oh_unlikely(a->flat_words == GAP))
        return compare_gap(a, b);
    if (oh_unlikely(b->flat_words == GAP))
        return -compare_gap(b, a);
    if (a->flat_words > 0 && b->flat_words > 0)
        return flat_compare(a->flat, b->flat);
    if (a->word != OH_WORD_NONE && b->word != OH_WORD_NONE)
        return enif_compare(a->word, b->word);
    return compare_as_terms(a, b);
}
