/*
 * port_term: a bounds-checked reader of external terms.
 *
 * ei's decoders check nothing: they trust every tag and length in the buffer. So each term is first
 * measured (port_term_measure), which compares every tag and every length in it, however deep, with
 * the bytes that are there; only terms that passed are handed to ei_decode_*. (The inside of funs
 * is passed over by their own length: never decode one.) The measuring does not recurse, so no
 * nesting can exhaust the stack.
 */
#ifndef PORT_TERM_H
#define PORT_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Terms nested deeper than this are refused; a job that recurses over its arguments may rely on it.
 */
#define PORT_TERM_DEPTH_MAX 64

/* Room for any atom and a zero. */
#define PORT_TERM_ATOM_BYTES (255 * 4 + 1)

/* A place in a buffer. Between calls 0 <= index <= end, and end fits ei's int. */
typedef struct {
    const char *buf;
    int index;
    int end;
} port_term_t;

typedef enum {
    PORT_TERM_OK,
    PORT_TERM_TORN, /* an unknown tag, or a length beyond the end: where the term ends is unknown */
    PORT_TERM_TOO_DEEP /* well formed, but nested beyond PORT_TERM_DEPTH_MAX */
} port_term_status_t;

/* The number of bytes of the term at data (without the version byte), if every part of it lies
 * within bytes. *size is set unless PORT_TERM_TORN. Linear in the term's size. */
port_term_status_t port_term_measure(const uint8_t *data, size_t bytes, size_t *size);

/*
 * The getters below read one term and move on past it, or return false and stay. They are for
 * measured terms only; end of the term counts as false.
 */

/* The arity of a tuple; its elements come next. */
bool port_term_tuple(port_term_t *t, int *arity);
/* The number of pairs of a map; its keys and values come next. */
bool port_term_map(port_term_t *t, int *size);
/* A float, or an integer that fits 64 bits. */
bool port_term_float(port_term_t *t, double *out);
/* An integer that fits 64 bits. */
bool port_term_integer(port_term_t *t, int64_t *out);
/* An atom, as a string in UTF-8. */
bool port_term_atom(port_term_t *t, char *out, size_t out_bytes);
/* Any term: moves on past it. */
bool port_term_skip(port_term_t *t);
/* The bytes of a binary, in place: they hold as long as the buffer. */
bool port_term_binary(port_term_t *t, const uint8_t **data, size_t *bytes);

/* The integer at the start of what may not be a whole term: the first element of a tuple of three
 * or four, read without trust. It is how an id is found in a torn request. */
bool port_term_torn_id(const uint8_t *data, size_t bytes, int64_t *id);

#endif
