/*
 * oh_view: another process's segments (oh_shared.h), mapped here.
 *
 * Mapping a segment costs a look into /proc and, page by page, more than copying it. So views stay
 * mapped from use to use. One for writing is writable only from open to close, and afterwards for
 * reading only: who writes through an old address then gets a signal, and no byte changes that
 * belongs to somebody else by now. One that was opened for reading can never be written: its
 * descriptor could not.
 *
 * What another process says is believed in nothing: the range must lie in its segment, the file
 * must have the inode and the size that were said, and be sealed against shrinking, so that no page
 * of a view can go away.
 *
 * One thread at a time for a set of views. Opening blocks for a few system calls the first time;
 * closing takes time in proportion to the pages that were opened for writing.
 */
#ifndef OH_VIEW_H
#define OH_VIEW_H

#include "oh_common.h"
#include "oh_shared.h"

/* Views that stay, and those of one job besides: its arguments and its result. */
#define OH_VIEWS_MAX 32

typedef struct {
    uint64_t id, inode, bytes; /* of the segment */
    uint8_t *data;             /* NULL: this place is free */
    uint64_t used;             /* when it was opened last */
    uint64_t from, to;         /* of the part that is writable now; from == to: none */
    bool writing;              /* it was opened for writing */
    bool in_use;
} oh_view_t;

typedef struct {
    char folder[64];    /* where descriptors of the other process are */
    uint64_t bytes_max; /* of views that are kept */
    uint64_t bytes;     /* of all views */
    uint64_t clock;
    oh_view_t view[OH_VIEWS_MAX];
} oh_views_t;

/* No views yet. folder: /proc/<pid>/fd. OH_BADARG: its name is too long. */
oh_status_t oh_views_init(oh_views_t *views, const char *folder, uint64_t bytes_max);

/* The bytes of a range, in *data until oh_views_close: for reading, or for reading and writing.
 * OH_BADARG: the range makes no sense. OH_NOT_FOUND: the segment cannot be had, or is another one.
 * OH_ENOMEM: there is no room to map it. OH_LIMIT: too many at a time. */
oh_status_t oh_views_open(oh_views_t *views, const oh_shared_range_t *range, bool writing,
                          uint8_t **data);

/* Ends the use of all that is open: nothing is writable any more. Views beyond bytes_max are
 * unmapped, the oldest first. False: the system did not do it; the process must not go on. */
bool oh_views_close(oh_views_t *views);

/* Unmaps all; none may be open. */
void oh_views_free(oh_views_t *views);

/* The fields agree with each other. */
bool oh_views_valid(const oh_views_t *views);

#endif
