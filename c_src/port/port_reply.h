/*
 * port_reply: {Id, ok, Result} and {Id, error, Reason}, encoded by ei and handed to port_io.
 *
 * A job answers by exactly one call of these; the dispatcher answers for a job that did not.
 */
#ifndef PORT_REPLY_H
#define PORT_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t id;
    bool sent;
} port_reply_t;

/* {Id, error, Reason}, Reason an atom. */
void port_reply_error(port_reply_t *reply, const char *reason);
/* {Id, ok, Binary}; not copied if it is large. */
void port_reply_binary(port_reply_t *reply, const void *data, size_t bytes);
/* {Id, ok, {Binary, Integer}}, Binary of at most 256 bytes. */
void port_reply_binary_size(port_reply_t *reply, const void *data, size_t bytes, uint64_t size);
/* {Id, ok, ok} */
void port_reply_ok(port_reply_t *reply);

#endif
