/*
 * oh_file: regular files for reading at positions, closed once and never under a reader.
 *
 * One word holds the number of readers inside and whether the file was closed. close(2) is called
 * by whoever brings it to "closed and nobody inside": the closer, or the last reader to leave; so
 * that no reader can meet a descriptor that was closed, and perhaps given to another file,
 * meanwhile.
 *
 * Call         Threads                    Memory order          Progress
 * -----------  -------------------------  --------------------  --------------------------------
 * open         one                        the caller publishes  blocking (file system)
 * enter        any                        acquire               lock-free
 * leave        any, once for each enter   release, acquire      wait-free but for close(2)
 * close        any; the second is told    acq_rel               wait-free but for close(2)
 * read, size   any, inside                                      blocking; read: not with nowait
 */
#ifndef OH_FILE_H
#define OH_FILE_H

#include "oh_atomic.h"
#include "oh_common.h"

typedef struct {
    int fd;                /* set by open; valid while word is not "closed, 0 readers" */
    _Atomic uint64_t word; /* OH_FILE_CLOSED | readers inside */
} oh_file_t;

#define OH_FILE_CLOSED ((uint64_t)1 << 63)

/* A file that is not open. */
void oh_file_init(oh_file_t *file);

/* Opens path for reading; never blocks on a pipe or device. OH_ERRNO: *error_number is EISDIR for a
 * directory, EINVAL for anything else but a regular file, or what open(2) says; the file stays
 * closed. */
oh_status_t oh_file_open(oh_file_t *file, const char *path, int *error_number);

/* OH_OK: the caller must leave. OH_CLOSED. */
oh_status_t oh_file_enter(oh_file_t *file);
void oh_file_leave(oh_file_t *file);

/* No reader from now on. OH_CLOSED if it was closed already. */
oh_status_t oh_file_close(oh_file_t *file);

/* Reads up to length bytes at offset, inside: *count of them, less only at the end of the file.
 * OH_ERRNO: *error_number. With nowait it reads only what needs no waiting for a disk; OH_BUSY if
 * that is less than all. */
oh_status_t oh_file_read(oh_file_t *file, uint64_t offset, void *bytes, uint64_t length,
                         bool nowait, uint64_t *count, int *error_number);

/* The file's size now, inside. OH_ERRNO. */
oh_status_t oh_file_size(oh_file_t *file, uint64_t *size, int *error_number);

#endif
