/*
 * oh_shared: memory that another process may map too, for bytes that need not go through a pipe.
 *
 * A segment is a memory file (memfd_create(2)) of its own: sealed against shrinking and growing, so
 * that nobody can pull a page from under who maps it (that would be SIGBUS), and mapped here for
 * reading and writing. It has no name in any file system; who is to map it is told the number of
 * its descriptor, opens it as /proc/<pid>/fd/<n> (oh_view.h) and compares inode and size.
 *
 * Two marks, which stay as long as the segment:
 *
 *   exposed   another process was given it for writing. No binary may show its bytes: that process
 *             may still map it, and a seal against writing would keep this one from reusing it.
 *   late      another process was given it for writing and has neither answered nor ended: it may
 *             write at any time. It must not be used for anything else, ever.
 *
 * Call               Threads                    Memory order     Progress
 * -----------------  -------------------------  ---------------  ------------------------------
 * new                any                                         blocking: a few system calls
 * free               one                                         as reaper_push: O(1)
 * mark, is_exposed,  who has the block, any     release/acquire  wait-free
 * is_late
 * is_supported,      any                        relaxed          wait-free; is_supported the first
 * count                                                          time a few system calls
 *
 * Freeing gives the pages back at once, whoever maps them still (a hole is punched): a mapping that
 * lingers elsewhere costs address space and reads zeros.
 */
#ifndef OH_SHARED_H
#define OH_SHARED_H

#include "oh_atomic.h"
#include "oh_common.h"
#include "oh_reaper.h"

/* Below this size bytes are sooner through a pipe, and a segment takes whole pages. */
#define OH_SHARED_BYTES_MIN ((uint64_t)64 * 1024)
#define OH_SHARED_BYTES_MAX ((uint64_t)1 << 46)

typedef struct {
    oh_reaper_job_t job; /* of its end */
    char *data;          /* never changes, as all that follows but the marks */
    uint64_t bytes;
    uint64_t id; /* no other segment's, ever, in this process */
    uint64_t inode;
    int fd;
    _Atomic uint32_t *counted; /* where: another library may free what this one made */
    _Atomic bool exposed;
    _Atomic bool late;
} oh_shared_t;

/* A part of a segment, as one process tells it another. */
typedef struct {
    uint64_t fd, inode, id, bytes; /* the segment */
    uint64_t offset, length;       /* the part */
} oh_shared_range_t;

/* True if offset and length lie in a segment of so many bytes, and nothing overflows. What comes
 * from another process must be looked at so before it is used. */
bool oh_shared_range_valid(const oh_shared_range_t *range);

/* True if this system has memory files with seals, and descriptors of processes, by which their end
 * can be seen (Linux 5.3), and does not account memory strictly (vm.overcommit_memory 2): touching
 * a page that was never promised would be SIGBUS. */
bool oh_shared_is_supported(void);

/* A segment of bytes, a multiple of the page, all zero; or NULL: not supported, out of memory or of
 * descriptors, larger than files may be (RLIMIT_FSIZE). Segments take no more than a quarter of the
 * descriptors that the process may have. The caller owns it. */
oh_shared_t *oh_shared_new(uint64_t bytes);

/* Ends it, on the reaper's thread. NULL is allowed. */
void oh_shared_free(oh_shared_t *shared);

/* The marks. They are set before the other process can know the segment, or while the block cannot
 * be recycled: A1-R1. */
static inline void oh_shared_mark_exposed(oh_shared_t *shared) {
    oh_store_release(&shared->exposed, true); /* R1 */
}

static inline bool oh_shared_is_exposed(oh_shared_t *shared) {
    return shared != NULL && oh_load_acquire(&shared->exposed); /* A1 */
}

static inline void oh_shared_mark_late(oh_shared_t *shared) {
    oh_store_release(&shared->late, true); /* R1 */
}

static inline bool oh_shared_is_late(oh_shared_t *shared) {
    return shared != NULL && oh_load_acquire(&shared->late); /* A1 */
}

/* Segments that exist. */
uint32_t oh_shared_count(void);

#endif
