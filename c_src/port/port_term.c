#include "port_term.h"

#include <ei.h>
#include <math.h>
#include <string.h>

/* Reading with a limit: each take_* returns false rather than pass the end. */
typedef struct {
    const uint8_t *at;
    size_t left;
} cursor_t;

static bool take(cursor_t *c, uint64_t bytes) {
    if (bytes > c->left)
        return false;
    c->at += bytes;
    c->left -= bytes;
    return true;
}

/* A big-endian number of width bytes. */
static bool take_number(cursor_t *c, int width, uint64_t *out) {
    const uint8_t *at = c->at;
    if (!take(c, (uint64_t)width))
        return false;
    uint64_t value = 0;
    for (int i = 0; i < width; i++)
        value = value << 8 | at[i];
    *out = value;
    return true;
}

/* A length of width bytes, then extra bytes, then as many bytes as the length says. */
static bool take_sized(cursor_t *c, int width, uint64_t extra) {
    uint64_t length;
    return take_number(c, width, &length) && take(c, extra) && take(c, length);
}

static bool take_atom(cursor_t *c) {
    uint64_t tag, length;
    if (!take_number(c, 1, &tag))
        return false;
    switch (tag) {
    case ERL_ATOM_EXT:
    case ERL_ATOM_UTF8_EXT:
        /* ei's buffers hold 255 characters; an atom is never longer. */
        return take_number(c, 2, &length) && length < MAXATOMLEN_UTF8 && take(c, length);
    case ERL_SMALL_ATOM_EXT:
    case ERL_SMALL_ATOM_UTF8_EXT:
        return take_sized(c, 1, 0);
    default:
        return false;
    }
}

/* Tags that hold an atom and then a fixed number of bytes: pids, ports. */
static bool take_atom_and(cursor_t *c, uint64_t bytes) {
    return take_atom(c) && take(c, bytes);
}

/* A reference: how many words, the node, the creation, the words. */
static bool take_reference(cursor_t *c, uint64_t creation_bytes) {
    uint64_t words;
    return take_number(c, 2, &words) && take_atom_and(c, creation_bytes + 4 * words);
}

/* module, function, arity: two atoms and a small integer. */
static bool take_export(cursor_t *c) {
    uint64_t tag;
    // NOLINTNEXTLINE(misc-redundant-expression): each takes one
    return take_atom(c) && take_atom(c) && take_number(c, 1, &tag) &&
           tag == ERL_SMALL_INTEGER_EXT && take(c, 1);
}

/* A fun's size field counts itself. What is inside is not looked at, here or by any getter. */
static bool take_fun(cursor_t *c) {
    uint64_t size;
    return take_number(c, 4, &size) && size >= 4 && take(c, size - 4);
}

/* How many terms follow inside the one whose tag was just read: elements, pairs, tail. */
static bool take_container(cursor_t *c, uint8_t tag, uint64_t *inside) {
    if (!take_number(c, tag == ERL_SMALL_TUPLE_EXT ? 1 : 4, inside))
        return false;
    if (tag == ERL_LIST_EXT)
        *inside += 1;
    else if (tag == ERL_MAP_EXT)
        *inside *= 2;
    return true;
}

static bool is_container(uint8_t tag) {
    return tag == ERL_SMALL_TUPLE_EXT || tag == ERL_LARGE_TUPLE_EXT || tag == ERL_LIST_EXT ||
           tag == ERL_MAP_EXT;
}

static bool take_leaf(cursor_t *c, uint8_t tag) {
    switch (tag) {
    case ERL_SMALL_INTEGER_EXT:
        return take(c, 1);
    case ERL_INTEGER_EXT:
        return take(c, 4);
    case ERL_FLOAT_EXT:
        return take(c, 31);
    case NEW_FLOAT_EXT:
        return take(c, 8);
    case ERL_NIL_EXT:
        return true;
    case ERL_STRING_EXT:
        return take_sized(c, 2, 0);
    case ERL_BINARY_EXT:
        return take_sized(c, 4, 0);
    case ERL_BIT_BINARY_EXT:
        return take_sized(c, 4, 1);
    case ERL_SMALL_BIG_EXT:
        return take_sized(c, 1, 1);
    case ERL_LARGE_BIG_EXT:
        return take_sized(c, 4, 1);
    case ERL_PID_EXT:
        return take_atom_and(c, 9);
    case ERL_NEW_PID_EXT:
        return take_atom_and(c, 12);
    case ERL_PORT_EXT:
        return take_atom_and(c, 5);
    case ERL_NEW_PORT_EXT:
        return take_atom_and(c, 8);
    case ERL_V4_PORT_EXT:
        return take_atom_and(c, 12);
    case ERL_NEW_REFERENCE_EXT:
        return take_reference(c, 1);
    case ERL_NEWER_REFERENCE_EXT:
        return take_reference(c, 4);
    case ERL_EXPORT_EXT:
        return take_export(c);
    case ERL_NEW_FUN_EXT:
        return take_fun(c);
    default: /* an atom, or a tag that is none */
        c->at--;
        c->left++;
        return take_atom(c);
    }
}

/* The walk keeps how many terms are still to come: in all, and for as many levels as it has room
 * for. Every term takes at least one byte, so a count beyond the bytes left is a lie found at once.
 */
port_term_status_t port_term_measure(const uint8_t *data, size_t bytes, size_t *size) {
    cursor_t c = {data, bytes};
    uint64_t coming = 1;
    uint64_t level[PORT_TERM_DEPTH_MAX];
    int depth = 0;
    bool too_deep = false;
    while (coming > 0) {
        uint64_t tag, inside = 0;
        if (coming > c.left || !take_number(&c, 1, &tag))
            return PORT_TERM_TORN;
        coming--;
        if (is_container((uint8_t)tag)) {
            if (!take_container(&c, (uint8_t)tag, &inside))
                return PORT_TERM_TORN;
            coming += inside;
        } else if (!take_leaf(&c, (uint8_t)tag)) {
            return PORT_TERM_TORN;
        }
        if (too_deep)
            continue;
        /* This term was one of its level's; levels that are complete end with it. */
        if (depth > 0)
            level[depth - 1]--;
        if (inside > 0) {
            too_deep = depth == PORT_TERM_DEPTH_MAX;
            if (!too_deep)
                level[depth++] = inside;
        }
        while (!too_deep && depth > 0 && level[depth - 1] == 0)
            depth--;
    }
    *size = bytes - c.left;
    return too_deep ? PORT_TERM_TOO_DEEP : PORT_TERM_OK;
}

/* The tag and ei's size of the next term. */
static bool peek(const port_term_t *t, int *type, int *size) {
    return t->index < t->end && ei_get_type(t->buf, &t->index, type, size) == 0;
}

bool port_term_tuple(port_term_t *t, int *arity) {
    int type, size;
    return peek(t, &type, &size) && (type == ERL_SMALL_TUPLE_EXT || type == ERL_LARGE_TUPLE_EXT) &&
           ei_decode_tuple_header(t->buf, &t->index, arity) == 0;
}

bool port_term_map(port_term_t *t, int *size) {
    int type, pairs;
    return peek(t, &type, &pairs) && type == ERL_MAP_EXT &&
           ei_decode_map_header(t->buf, &t->index, size) == 0;
}

bool port_term_float(port_term_t *t, double *out) {
    int type, size;
    int64_t integer;
    if (port_term_integer(t, &integer)) {
        *out = (double)integer;
        return true;
    }
    return peek(t, &type, &size) && (type == NEW_FLOAT_EXT || type == ERL_FLOAT_EXT) &&
           ei_decode_double(t->buf, &t->index, out) == 0 && isfinite(*out);
}

bool port_term_integer(port_term_t *t, int64_t *out) {
    int type, size;
    long long value;
    if (!peek(t, &type, &size) || ei_decode_longlong(t->buf, &t->index, &value) != 0)
        return false;
    *out = value;
    return true;
}

bool port_term_atom(port_term_t *t, char *out, size_t out_bytes) {
    int type, size;
    return peek(t, &type, &size) && type == ERL_ATOM_EXT &&
           ei_decode_atom_as(t->buf, &t->index, out, (int)out_bytes, ERLANG_UTF8, NULL, NULL) == 0;
}

/* ei_decode_binary would copy. */
bool port_term_binary(port_term_t *t, const uint8_t **data, size_t *bytes) {
    int type, size;
    if (!peek(t, &type, &size) || type != ERL_BINARY_EXT)
        return false;
    *data = (const uint8_t *)t->buf + t->index + 5;
    *bytes = (size_t)size;
    t->index += 5 + size;
    return true;
}

bool port_term_skip(port_term_t *t) {
    size_t size;
    if (t->index >= t->end || port_term_measure((const uint8_t *)t->buf + t->index,
                                                (size_t)(t->end - t->index), &size) != PORT_TERM_OK)
        return false;
    t->index += (int)size;
    return true;
}

bool port_term_torn_id(const uint8_t *data, size_t bytes, int64_t *id) {
    cursor_t c = {data, bytes};
    uint64_t tag, arity;
    if (!take_number(&c, 1, &tag) || tag != ERL_SMALL_TUPLE_EXT || !take_number(&c, 1, &arity) ||
        arity < 3 || arity > 4)
        return false;
    size_t size;
    if (port_term_measure(c.at, c.left, &size) != PORT_TERM_OK || size > 16)
        return false;
    port_term_t t = {(const char *)c.at, 0, (int)size};
    return port_term_integer(&t, id);
}
