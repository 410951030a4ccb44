#include "port_reply.h"

#include <ei.h>
#include <string.h>

#include "port_io.h"

/* A binary from this size on goes out without being copied. */
#define LARGE_BYTES ((size_t)16 * 1024)

/* Room for everything but a binary: a tuple, an id, two atoms of at most 32 letters, a size. */
#define HEAD_BYTES         128
#define SMALL_BINARY_BYTES 256

/* {Id, Outcome, and what comes next. */
static int begin(port_reply_t *reply, char *buf, const char *outcome) {
    int index = 0;
    reply->sent = true;
    ei_encode_version(buf, &index);
    ei_encode_tuple_header(buf, &index, 3);
    ei_encode_longlong(buf, &index, reply->id);
    ei_encode_atom(buf, &index, outcome);
    return index;
}

void port_reply_error(port_reply_t *reply, const char *reason) {
    char buf[HEAD_BYTES];
    int index = begin(reply, buf, "error");
    ei_encode_atom(buf, &index, reason);
    port_io_write(buf, (size_t)index);
}

void port_reply_ok(port_reply_t *reply) {
    char buf[HEAD_BYTES];
    int index = begin(reply, buf, "ok");
    ei_encode_atom(buf, &index, "ok");
    port_io_write(buf, (size_t)index);
}

void port_reply_binary(port_reply_t *reply, const void *data, size_t bytes) {
    char buf[HEAD_BYTES + LARGE_BYTES];
    int index = begin(reply, buf, "ok");
    if (bytes < LARGE_BYTES) {
        ei_encode_binary(buf, &index, data, (long)bytes);
        port_io_write(buf, (size_t)index);
        return;
    }
    buf[index++] = ERL_BINARY_EXT;
    for (int shift = 24; shift >= 0; shift -= 8)
        buf[index++] = (char)(bytes >> shift);
    port_io_write_large(buf, (size_t)index, data, bytes);
}

void port_reply_binary_size(port_reply_t *reply, const void *data, size_t bytes, uint64_t size) {
    char buf[HEAD_BYTES + SMALL_BINARY_BYTES];
    int index = begin(reply, buf, "ok");
    ei_encode_tuple_header(buf, &index, 2);
    ei_encode_binary(buf, &index, data, (long)bytes);
    ei_encode_ulonglong(buf, &index, size);
    port_io_write(buf, (size_t)index);
}
