/*
 * oh_frame: length-prefixed frames over a byte stream, as Erlang's {packet, 4} has them.
 *
 * A frame is four bytes of length, most significant first, then that many bytes of body. A reader
 * is fed bytes in whatever pieces they arrive and gives out whole bodies; it does no I/O of its
 * own:
 *
 *     oh_frame_room(&r, &where, &bytes);   read up to bytes bytes into where
 *     oh_frame_fill(&r, got);
 *     while (oh_frame_next(&r, &body, &size) == OH_OK)
 *         use body[0 .. size - 1]
 *
 *     buffer   | bodies given out | whole and partial frames | room        |
 *              0                  start                      end           capacity
 *
 * A body points into the buffer and holds until the next oh_frame_room. The length of a frame is
 * compared with the limit before anything is allocated for it, so that a peer's four bytes never
 * make this side take gigabytes.
 *
 * Call   Threads                       Progress
 * -----  ----------------------------  ----------------
 * all    one at a time for each reader  as the allocator
 */
#ifndef OH_FRAME_H
#define OH_FRAME_H

#include "oh_common.h"

#define OH_FRAME_HEADER_BYTES 4

/* The largest limit: indices into a body fit an int, which ei asks for. */
#define OH_FRAME_BODY_BYTES_MAX ((uint32_t)1 << 30)

/* The buffer when frames are small; it shrinks back to this after a large one. */
#define OH_FRAME_BUFFER_BYTES ((size_t)64 * 1024)

typedef struct {
    uint8_t *buffer;         /* owned */
    size_t capacity;         /* bytes of buffer */
    size_t start;            /* of the first byte not given out */
    size_t end;              /* behind the last byte filled in */
    uint32_t body_bytes_max; /* never changes */
} oh_frame_reader_t;

/* Makes *r an empty reader. OH_BADARG for a limit of 0 or beyond OH_FRAME_BODY_BYTES_MAX,
 * OH_ENOMEM; on an error *r needs no free. */
oh_status_t oh_frame_reader_init(oh_frame_reader_t *r, uint32_t body_bytes_max);

/* Ends the reader and the bodies it gave out. */
void oh_frame_reader_free(oh_frame_reader_t *r);

/* Where the next bytes go, and how many fit (at least one). Room for the whole of a frame whose
 * length is known is made at once. Bodies given out before end here. OH_LIMIT if the frame is
 * longer than the limit, OH_ENOMEM; then nothing changed. */
oh_status_t oh_frame_room(oh_frame_reader_t *r, uint8_t **where, size_t *bytes);

/* bytes bytes were put where oh_frame_room said; not more than it said. */
void oh_frame_fill(oh_frame_reader_t *r, size_t bytes);

/* The next whole body. OH_NOT_FOUND: more bytes are needed; OH_LIMIT: the frame is longer than the
 * limit, and the stream cannot be read on. */
oh_status_t oh_frame_next(oh_frame_reader_t *r, const uint8_t **body, size_t *bytes);

/* Looks at a whole body without giving it out: *at is 0 for the next one, and is moved on to the
 * one after it. Bodies end here when bytes are filled in or given out. OH_NOT_FOUND: no whole frame
 * there; OH_LIMIT as next. */
oh_status_t oh_frame_peek(const oh_frame_reader_t *r, size_t *at, const uint8_t **body,
                          size_t *bytes);

/* Moves all bytes not given out to to, which holds none; bodies that from gave out stay good.
 * OH_ENOMEM: nothing was moved. */
oh_status_t oh_frame_move(oh_frame_reader_t *to, oh_frame_reader_t *from);

/* Writes the header of a frame whose body has bytes bytes. */
void oh_frame_header(uint8_t header[OH_FRAME_HEADER_BYTES], uint32_t bytes);

/* The reader's fields agree with each other. */
bool oh_frame_reader_valid(const oh_frame_reader_t *r);

#endif
