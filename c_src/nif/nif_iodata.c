#include "nif_iodata.h"

#include <string.h>

#include "../core/oh_alloc.h"

/* Lists one inside the other that need no memory: [Old, New], as a loop builds it, is as deep as it
 * is long. */
enum { DEPTH = 128 };

typedef struct {
    ErlNifEnv *env;
    char *to;
    uint64_t room, length, parts;
    uint64_t parts_max, bytes_max;
    ERL_NIF_TERM *rest; /* what is left of the lists that one is inside, innermost last */
    size_t depth;
    size_t capacity;
    ERL_NIF_TERM first[DEPTH];
} walk_t;

static bool push(walk_t *walk, ERL_NIF_TERM list) {
    if (oh_unlikely(walk->depth == walk->capacity)) {
        ERL_NIF_TERM *more = oh_alloc(2 * walk->capacity * sizeof *more);
        if (more == NULL)
            return false;
        memcpy(more, walk->rest, walk->depth * sizeof *more);
        if (walk->rest != walk->first)
            oh_free(walk->rest);
        walk->rest = more;
        walk->capacity *= 2;
    }
    walk->rest[walk->depth++] = list;
    return true;
}

/* Copies bytes if they fit, and counts them. */
static inline void put(walk_t *walk, const void *bytes, uint64_t length) {
    if (walk->length <= walk->room && length <= walk->room - walk->length && length > 0)
        memcpy(walk->to + walk->length, bytes, length);
    walk->length += length;
}

static inline bool put_binary(walk_t *walk, ERL_NIF_TERM term) {
    ErlNifBinary binary;
    if (!enif_inspect_binary(walk->env, term, &binary))
        return false;
    put(walk, binary.data, binary.size);
    return true;
}

static inline bool put_byte(walk_t *walk, ERL_NIF_TERM term) {
    unsigned value;
    if (!enif_get_uint(walk->env, term, &value) || value > 255)
        return false;
    unsigned char byte = (unsigned char)value;
    put(walk, &byte, 1);
    return true;
}

static inline bool is_long(const walk_t *walk) {
    return walk->parts > walk->parts_max || walk->length > walk->bytes_max;
}

/* Walks a list to its end. Of a list inside it the end is its own, if nothing comes after. */
static nif_iodata_result_t walk_list(walk_t *walk, ERL_NIF_TERM list) {
    ERL_NIF_TERM head;
    while (enif_get_list_cell(walk->env, list, &head, &list)) {
        walk->parts++;
        if (oh_unlikely(is_long(walk)))
            return NIF_IODATA_LONG;
        if (put_binary(walk, head) || put_byte(walk, head))
            continue;
        if (!enif_is_list(walk->env, head))
            return NIF_IODATA_BAD;
        if (!enif_is_empty_list(walk->env, list) && !push(walk, list))
            return NIF_IODATA_ENOMEM;
        list = head;
    }
    return enif_is_empty_list(walk->env, list) || put_binary(walk, list) ? NIF_IODATA_OK
                                                                         : NIF_IODATA_BAD;
}

nif_iodata_result_t nif_iodata_walk(ErlNifEnv *env, ERL_NIF_TERM term, uint64_t bytes_max,
                                    nif_iodata_t *data) {
    walk_t walk;
    nif_iodata_result_t result;
    bool here = nif_on_scheduler();
    walk.env = env;
    walk.parts_max = here ? NIF_IODATA_PARTS : UINT64_MAX;
    walk.bytes_max = here ? bytes_max : UINT64_MAX;
    walk.to = data->to;
    walk.room = data->room < walk.bytes_max ? data->room : walk.bytes_max;
    walk.length = walk.parts = 0;
    walk.rest = walk.first;
    walk.depth = 0;
    walk.capacity = DEPTH;
    while ((result = walk_list(&walk, term)) == NIF_IODATA_OK && walk.depth > 0)
        term = walk.rest[--walk.depth];
    if (walk.rest != walk.first)
        oh_free(walk.rest);
    data->length = walk.length;
    data->parts = walk.parts;
    return result == NIF_IODATA_OK && is_long(&walk) ? NIF_IODATA_LONG : result;
}
