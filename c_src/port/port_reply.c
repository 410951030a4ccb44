#include "port_reply.h"

#include <ei.h>
#include <string.h>

#include "../core/oh_alloc.h"
#include "port_io.h"

/* A binary from this size on goes out without being copied. */
#define LARGE_BYTES ((size_t)16 * 1024)

/* Room for what stands before the parts: tuples, an id, an atom; and for a part that is no binary,
 * or a binary's head. An atom takes up to 255 * 4 bytes. */
#define HEAD_BYTES 128
#define PART_BYTES 1100

/* A tuple of arity: {Id, Outcome, and what comes next. */
static int begin(const port_reply_t *reply, char *buf, int arity, const char *outcome) {
    int index = 0;
    ei_encode_version(buf, &index);
    ei_encode_tuple_header(buf, &index, arity);
    ei_encode_longlong(buf, &index, reply->id);
    ei_encode_atom(buf, &index, outcome);
    return index;
}

static int begin_result(const port_reply_t *reply, char *buf) {
    if (!reply->is_into)
        return begin(reply, buf, 3, "ok");
    int index = begin(reply, buf, 4, "into");
    ei_encode_ulonglong(buf, &index, reply->into_bytes);
    return index;
}

void port_reply_error(const port_reply_t *reply, const char *reason) {
    char buf[HEAD_BYTES + PART_BYTES];
    int index = begin(reply, buf, 3, "error");
    ei_encode_atom(buf, &index, reason);
    port_io_write(buf, (size_t)index);
}

void port_reply_badarg(const port_reply_t *reply, const char *name) {
    char buf[HEAD_BYTES + PART_BYTES];
    int index = begin(reply, buf, 3, "error");
    ei_encode_tuple_header(buf, &index, 2);
    ei_encode_atom(buf, &index, "badarg");
    ei_encode_atom_as(buf, &index, name, ERLANG_UTF8, ERLANG_UTF8);
    port_io_write(buf, (size_t)index);
}

/* The binary's head; its bytes come next. */
static void encode_binary_head(char *buf, int *index, uint64_t bytes) {
    buf[(*index)++] = ERL_BINARY_EXT;
    for (int shift = 24; shift >= 0; shift -= 8)
        buf[(*index)++] = (char)(bytes >> shift);
}

static void encode_part(char *buf, int *index, const oh_result_t *part) {
    switch (part->kind) {
    case OH_RESULT_BYTES:
        encode_binary_head(buf, index, part->size);
        memcpy(buf + *index, part->bytes, part->size);
        *index += (int)part->size;
        break;
    case OH_RESULT_INTEGER:
        ei_encode_longlong(buf, index, part->integer);
        break;
    case OH_RESULT_FLOAT:
        ei_encode_double(buf, index, part->number);
        break;
    case OH_RESULT_ATOM:
        ei_encode_atom(buf, index, part->atom);
        break;
    }
}

/* Bytes that the parts take at the most. */
static uint64_t room_for(const oh_result_t *part, uint32_t count) {
    uint64_t bytes = HEAD_BYTES;
    for (uint32_t i = 0; i < count; i++)
        bytes += PART_BYTES + (part[i].kind == OH_RESULT_BYTES ? part[i].size : 0);
    return bytes;
}

void port_reply_result(const port_reply_t *reply, const oh_result_t *part, uint32_t count) {
    char here[HEAD_BYTES + PART_BYTES * OFFHEAP_RESULTS_MAX + LARGE_BYTES];
    char *buf = here;
    int index;
    if (count == 1 && part->kind == OH_RESULT_BYTES && part->size >= LARGE_BYTES) {
        index = begin_result(reply, buf);
        encode_binary_head(buf, &index, part->size);
        port_io_write_large(buf, (size_t)index, part->bytes, part->size);
        return;
    }
    uint64_t room = room_for(part, count);
    if (room > PORT_REPLY_BYTES_MAX) {
        port_reply_error(reply, "too_large");
        return;
    }
    if (room > sizeof here && (buf = oh_alloc(room)) == NULL) {
        port_reply_error(reply, "enomem");
        return;
    }
    index = begin_result(reply, buf);
    if (count == 0)
        ei_encode_atom(buf, &index, "ok");
    if (count > 1)
        ei_encode_tuple_header(buf, &index, (int)count);
    for (uint32_t i = 0; i < count; i++)
        encode_part(buf, &index, &part[i]);
    port_io_write(buf, (size_t)index);
    if (buf != here)
        oh_free(buf);
}
