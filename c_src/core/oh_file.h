/*
 * oh_file: regular files that are read and written at positions, closed once and never under a
 * worker.
 *
 * One word holds the number of workers inside and whether the file was closed. The *finisher* ends
 * the descriptor: whoever brings the word to "closed and nobody inside", which is the closer or the
 * last worker to leave; so that no worker can meet a descriptor that was closed, and perhaps given
 * to another file, meanwhile. close(2) may wait for a disk or a server: the finisher calls
 * oh_file_finish where it may wait, and oh_file_finish_later where not.
 *
 * Call           Threads                            Memory order       Progress
 * -------------  ---------------------------------  -----------------  -------------------------
 * open           one                                caller publishes   blocking (file system)
 * enter          any                                acquire            lock-free
 * leave          any, once for each enter           release, acquire   wait-free
 * close          any; the second is told            acq_rel            lock-free
 * finish         the finisher                                          blocking
 * finish_later   the finisher                                          as oh_reaper_push
 * the others     any, inside                                           blocking, but with nowait
 *
 * Reads and writes of one range at once are as the file system orders them: on most, Linux's ext4
 * and xfs among them, a read may see part of a write.
 *
 * Errors of the system are OH_ERRNO with *error_number set.
 */
#ifndef OH_FILE_H
#define OH_FILE_H

#include <sys/uio.h>

#include "oh_atomic.h"
#include "oh_common.h"

typedef struct {
    int fd;                /* set by open; valid while word is not "closed, nobody inside" */
    _Atomic uint64_t word; /* OH_FILE_CLOSED | workers inside */
} oh_file_t;

#define OH_FILE_CLOSED ((uint64_t)1 << 63)

/* How to open, as the options of Erlang's file:open/2. Without any of READ, WRITE, APPEND and
 * EXCLUSIVE it is READ. */
#define OH_FILE_READ      1u
#define OH_FILE_WRITE     2u  /* creates; without READ or APPEND, empties what is there */
#define OH_FILE_APPEND    4u  /* WRITE, every write at the end, whatever its offset */
#define OH_FILE_EXCLUSIVE 8u  /* WRITE, a new file; EEXIST if there is one */
#define OH_FILE_SYNC      16u /* a write is on the disk when it returns */

/* A file that is not open. */
void oh_file_init(oh_file_t *file);

/* Opens path; never blocks on a pipe or device, and does nothing to them. *error_number is EISDIR
 * for a directory, EINVAL for anything else but a regular file, or what open(2) says; the file
 * stays closed. */
oh_status_t oh_file_open(oh_file_t *file, const char *path, unsigned how, int *error_number);

/* OH_OK: the caller must leave. OH_CLOSED. */
oh_status_t oh_file_enter(oh_file_t *file);
/* True: the caller is the finisher. */
bool oh_file_leave(oh_file_t *file);

/* No worker from now on. OH_OK, and *finisher says whether the caller is the finisher; if not, the
 * last one inside will be. OH_CLOSED if it was closed already. */
oh_status_t oh_file_close(oh_file_t *file, bool *finisher);

/* Ends the descriptor: 0, or an error number by which the system reports that earlier writes were
 * lost. */
int oh_file_finish(oh_file_t *file);
/* The same on the reaper's thread, soon. O(1); file need not live until then. */
void oh_file_finish_later(oh_file_t *file);

/* Reads the range from offset on into the count pieces of iov, in order: *done bytes, less than
 * iov holds only at the end of the file. iov is changed. With nowait it reads only what needs no
 * waiting for a disk; OH_BUSY if that is less than all. After an error or OH_BUSY the pieces hold
 * what was read before. */
oh_status_t oh_file_readv(oh_file_t *file, uint64_t offset, struct iovec *iov, size_t count,
                          bool nowait, uint64_t *done, int *error_number);

/* Writes the count pieces of iov one after the other from offset on: all of them, or *done bytes
 * and an error. iov is changed. */
oh_status_t oh_file_writev(oh_file_t *file, uint64_t offset, struct iovec *iov, size_t count,
                           uint64_t *done, int *error_number);

/* Brings to the disk what was written before: with its times, or without (data_only). */
oh_status_t oh_file_sync(oh_file_t *file, bool data_only, int *error_number);

/* Makes the file size bytes long: cut, or extended with zeros. */
oh_status_t oh_file_truncate(oh_file_t *file, uint64_t size, int *error_number);

/* The file's size now. */
oh_status_t oh_file_size(oh_file_t *file, uint64_t *size, int *error_number);

#endif
