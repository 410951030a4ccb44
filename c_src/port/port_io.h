/*
 * port_io: frames in from stdin, frames out to stdout.
 *
 * A frame holds one or more requests, or replies, back to back; so a burst of small ones costs one
 * system call and, in the VM, one message. Only the main thread calls here. Reading and writing
 * block; what cannot go on ends the program with one of the statuses of port_status.h.
 *
 * Why it cannot deadlock: the worker reads a frame, works, writes, and while it writes it does not
 * read. The VM never waits for it: its end of both pipes is non-blocking, its port driver reads
 * replies whenever there are any, whether or not requests are waiting to be written, and hands them
 * to the owner process as messages, without waiting for that process either. So a blocked write
 * here always gets room, after which reading goes on. The requests that the VM holds back meanwhile
 * are bounded by the pool's credits, and so are the messages that the owner holds.
 */
#ifndef PORT_IO_H
#define PORT_IO_H

#include <stddef.h>
#include <stdint.h>

/* Requests smaller than this, of jobs that are quick, take tens of microseconds at most: their
 * replies may wait for each other. */
#define PORT_IO_QUICK_BYTES 16384

/* max_frame bounds incoming frames. Ends the program if memory is out. */
void port_io_init(uint32_t max_frame);

/* The next frame; replies that were held back go out before this waits for bytes. The body holds
 * until the next call. Ends the program when stdin is closed. */
void port_io_read(const uint8_t **body, size_t *bytes);

/* Takes in what has arrived meanwhile, without waiting, and shows each whole frame among it to
 * seen, once; port_io_read gives it out later all the same. For a job that is at work: what the
 * current body points to stays good. A frame beyond the limit, or a lack of memory, is left to
 * port_io_read.
 */
void port_io_poll(void (*seen)(const uint8_t *body, size_t bytes));

/* Adds a whole encoded term to the frame that is being collected; it goes out when port_io_read
 * would wait, when it has grown large, or at port_io_flush. */
void port_io_write(const void *data, size_t bytes);

/* The same for a term in two pieces, of which the second is large: it goes out at once in a frame
 * of its own, without being copied. */
void port_io_write_large(const void *head, size_t head_bytes, const void *data, size_t bytes);

/* Sends what was collected. Called before a job that may take long, so that finished requests need
 * not wait for it, nor die with it. */
void port_io_flush(void);

#endif
