#include "port_io.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../core/oh_frame.h"
#include "port_status.h"

/* A frame being collected goes out when it holds this much: what a pipe takes at once. */
#define COLLECT_BYTES ((size_t)64 * 1024)

static struct {
    oh_frame_reader_t in;
    oh_frame_reader_t ahead; /* what came while the body that in gave out was in use */
    bool is_ahead;           /* all that follows stands in ahead, and in holds nothing more */
    size_t shown;            /* how far ahead was shown by port_io_poll */
    uint8_t out[OH_FRAME_HEADER_BYTES + COLLECT_BYTES]; /* header, then the terms */
    size_t out_bytes;                                   /* of terms */
} io;

static void make_reader(oh_frame_reader_t *reader, uint32_t max_frame) {
    switch (oh_frame_reader_init(reader, max_frame)) {
    case OH_OK:
        return;
    case OH_ENOMEM:
        _exit(PORT_EXIT_MEMORY);
    default:
        _exit(PORT_EXIT_USAGE);
    }
}

void port_io_init(uint32_t max_frame) {
    make_reader(&io.in, max_frame);
    make_reader(&io.ahead, max_frame);
}

/* Bytes from stdin, at least one. */
static size_t read_some(uint8_t *where, size_t bytes) {
    for (;;) {
        ssize_t got = read(STDIN_FILENO, where, bytes);
        if (got > 0)
            return (size_t)got;
        if (got == 0)
            _exit(PORT_EXIT_CLOSED);
        if (errno != EINTR)
            _exit(PORT_EXIT_IO);
    }
}

void port_io_poll(void (*seen)(const uint8_t *body, size_t bytes)) {
    if (!io.is_ahead) {
        if (oh_frame_move(&io.ahead, &io.in) != OH_OK)
            return;
        io.is_ahead = true;
        io.shown = 0;
    }
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    uint8_t *where;
    size_t room;
    if (poll(&in, 1, 0) == 1 && (in.revents & POLLIN) &&
        oh_frame_room(&io.ahead, &where, &room) == OH_OK)
        oh_frame_fill(&io.ahead, read_some(where, room));
    const uint8_t *body;
    size_t bytes;
    while (oh_frame_peek(&io.ahead, &io.shown, &body, &bytes) == OH_OK)
        seen(body, bytes);
}

void port_io_read(const uint8_t **body, size_t *bytes) {
    if (io.is_ahead) {
        oh_frame_reader_t used = io.in;
        io.in = io.ahead;
        io.ahead = used;
        io.is_ahead = false;
    }
    for (;;) {
        oh_status_t status = oh_frame_next(&io.in, body, bytes);
        if (status == OH_OK)
            return;
        port_io_flush();
        uint8_t *where;
        size_t room;
        if (status == OH_NOT_FOUND)
            status = oh_frame_room(&io.in, &where, &room);
        if (status == OH_LIMIT)
            _exit(PORT_EXIT_TOO_LARGE);
        if (status != OH_OK)
            _exit(PORT_EXIT_MEMORY);
        oh_frame_fill(&io.in, read_some(where, room));
    }
}

/* Writes all of count pieces. */
static void write_all(struct iovec *piece, int count) {
    while (count > 0) {
        ssize_t put = writev(STDOUT_FILENO, piece, count);
        if (put < 0) {
            if (errno == EINTR)
                continue;
            _exit(errno == EPIPE ? PORT_EXIT_CLOSED : PORT_EXIT_IO);
        }
        size_t done = (size_t)put;
        while (count > 0 && done >= piece->iov_len) {
            done -= piece->iov_len;
            piece++;
            count--;
        }
        if (count > 0) {
            piece->iov_base = (uint8_t *)piece->iov_base + done;
            piece->iov_len -= done;
        }
    }
}

void port_io_flush(void) {
    if (io.out_bytes == 0)
        return;
    oh_frame_header(io.out, (uint32_t)io.out_bytes);
    struct iovec piece = {io.out, OH_FRAME_HEADER_BYTES + io.out_bytes};
    io.out_bytes = 0;
    write_all(&piece, 1);
}

void port_io_write(const void *data, size_t bytes) {
    if (bytes > COLLECT_BYTES - io.out_bytes)
        port_io_flush();
    if (bytes > COLLECT_BYTES) {
        port_io_write_large(data, bytes, NULL, 0);
        return;
    }
    memcpy(io.out + OH_FRAME_HEADER_BYTES + io.out_bytes, data, bytes);
    io.out_bytes += bytes;
}

void port_io_write_large(const void *head, size_t head_bytes, const void *data, size_t bytes) {
    port_io_flush();
    uint8_t header[OH_FRAME_HEADER_BYTES];
    oh_frame_header(header, (uint32_t)(head_bytes + bytes));
    struct iovec pieces[] = {
        {header, sizeof header}, {(void *)head, head_bytes}, {(void *)data, bytes}};
    write_all(pieces, 3);
}
