/*
 * port_reply: {Id, ok, Result} and {Id, error, Reason}, encoded by ei and handed to port_io.
 *
 * Each request is answered by exactly one call of these.
 */
#ifndef PORT_REPLY_H
#define PORT_REPLY_H

#include "../core/oh_job.h"

/* The most bytes that a part of a result may have: a frame has to hold it. */
#define PORT_REPLY_BYTES_MAX ((uint64_t)1 << 30)

typedef struct {
    int64_t id;
    bool is_into;        /* a part of the result stands in the VM's buffer: */
    uint64_t into_bytes; /* so many bytes */
} port_reply_t;

/* {Id, error, Reason}, Reason an atom. */
void port_reply_error(const port_reply_t *reply, const char *reason);
/* {Id, error, {badarg, Name}} */
void port_reply_badarg(const port_reply_t *reply, const char *name);
/* {Id, ok, Result}: ok for no parts, the part for one, a tuple for more. One large binary alone is
 * not copied. With a part in the VM's buffer: {Id, into, IntoBytes, Result}. */
void port_reply_result(const port_reply_t *reply, const oh_result_t *part, uint32_t count);

#endif
