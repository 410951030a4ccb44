#define _GNU_SOURCE
#include "oh_view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

oh_status_t oh_views_init(oh_views_t *views, const char *folder, uint64_t bytes_max) {
    size_t length = strlen(folder);
    memset(views, 0, sizeof *views);
    if (length >= sizeof views->folder)
        return OH_BADARG;
    memcpy(views->folder, folder, length + 1);
    views->bytes_max = bytes_max;
    return OH_OK;
}

static void unmap(oh_views_t *views, oh_view_t *view) {
    (void)munmap(view->data, view->bytes);
    views->bytes -= view->bytes;
    *view = (oh_view_t){0};
}

/* Unmaps the view that was not used for the longest time. False: all are in use. */
static bool evict_one(oh_views_t *views) {
    oh_view_t *oldest = NULL;
    for (int i = 0; i < OH_VIEWS_MAX; i++) {
        oh_view_t *view = &views->view[i];
        if (view->data != NULL && !view->in_use && (oldest == NULL || view->used < oldest->used))
            oldest = view;
    }
    if (oldest == NULL)
        return false;
    unmap(views, oldest);
    return true;
}

static oh_view_t *find(oh_views_t *views, uint64_t id, bool writing) {
    for (int i = 0; i < OH_VIEWS_MAX; i++) {
        oh_view_t *view = &views->view[i];
        if (view->data != NULL && view->id == id && view->writing == writing)
            return view;
    }
    return NULL;
}

static oh_view_t *free_place(oh_views_t *views) {
    do
        for (int i = 0; i < OH_VIEWS_MAX; i++)
            if (views->view[i].data == NULL)
                return &views->view[i];
    while (evict_one(views));
    return NULL;
}

/* --- Opening --- */

/* What was said of the file is true, and its size cannot shrink. */
static bool is_genuine(int fd, const oh_shared_range_t *range) {
    struct stat stat;
#ifdef F_GET_SEALS
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK))
        return false;
#else
    return false;
#endif
    return fstat(fd, &stat) == 0 && (uint64_t)stat.st_ino == range->inode &&
           (uint64_t)stat.st_size == range->bytes;
}

/* Maps the segment; a lack of room for it is met by giving up other views. */
static oh_status_t map(oh_views_t *views, const oh_shared_range_t *range, bool writing,
                       uint8_t **data) {
    char path[sizeof views->folder + 16];
    (void)snprintf(path, sizeof path, "%s/%u", views->folder, (unsigned)range->fd);
    /* Without O_NONBLOCK another file might make this wait. */
    int fd = open(path, (writing ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return OH_NOT_FOUND;
    if (!is_genuine(fd, range)) {
        (void)close(fd);
        return OH_NOT_FOUND;
    }
    void *mapped;
    do
        mapped = mmap(NULL, range->bytes, PROT_READ, MAP_SHARED, fd, 0);
    while (mapped == MAP_FAILED && errno == ENOMEM && evict_one(views));
    (void)close(fd);
    if (mapped == MAP_FAILED)
        return errno == ENOMEM ? OH_ENOMEM : OH_NOT_FOUND;
    *data = mapped;
    return OH_OK;
}

static oh_status_t find_or_map(oh_views_t *views, const oh_shared_range_t *range, bool writing,
                               oh_view_t **out) {
    oh_view_t *view = find(views, range->id, writing);
    if (view != NULL) {
        *out = view;
        return view->inode == range->inode && view->bytes == range->bytes ? OH_OK : OH_NOT_FOUND;
    }
    view = free_place(views);
    if (view == NULL)
        return OH_LIMIT;
    uint8_t *data;
    oh_status_t status = map(views, range, writing, &data);
    if (status != OH_OK)
        return status;
    *view = (oh_view_t){.id = range->id,
                        .inode = range->inode,
                        .bytes = range->bytes,
                        .data = data,
                        .writing = writing};
    views->bytes += range->bytes;
    *out = view;
    return OH_OK;
}

/* Makes the pages of the range writable, besides those that are. */
static bool allow_writing(oh_view_t *view, const oh_shared_range_t *range) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t from = range->offset & ~(page - 1);
    uint64_t to = range->offset + range->length;
    if (view->from < view->to) {
        from = from < view->from ? from : view->from;
        to = to > view->to ? to : view->to;
    }
    if (from == to)
        return true;
    if (mprotect(view->data + from, to - from, PROT_READ | PROT_WRITE) != 0)
        return false;
    view->from = from;
    view->to = to;
    return true;
}

oh_status_t oh_views_open(oh_views_t *views, const oh_shared_range_t *range, bool writing,
                          uint8_t **data) {
    oh_view_t *view;
    if (!oh_shared_range_valid(range))
        return OH_BADARG;
    oh_status_t status = find_or_map(views, range, writing, &view);
    if (status != OH_OK)
        return status;
    if (writing && !allow_writing(view, range))
        return OH_ENOMEM;
    view->used = ++views->clock;
    view->in_use = true;
    *data = view->data + range->offset;
    return OH_OK;
}

/* --- Closing --- */

bool oh_views_close(oh_views_t *views) {
    bool ok = true;
    for (int i = 0; i < OH_VIEWS_MAX; i++) {
        oh_view_t *view = &views->view[i];
        if (view->from < view->to)
            ok = mprotect(view->data + view->from, view->to - view->from, PROT_READ) == 0 && ok;
        view->from = view->to = 0;
        view->in_use = false;
    }
    while (views->bytes > views->bytes_max && evict_one(views))
        ;
    return ok;
}

void oh_views_free(oh_views_t *views) {
    while (evict_one(views))
        ;
}

bool oh_views_valid(const oh_views_t *views) {
    uint64_t bytes = 0;
    for (int i = 0; i < OH_VIEWS_MAX; i++) {
        const oh_view_t *view = &views->view[i];
        if (view->data == NULL && (view->bytes != 0 || view->in_use))
            return false;
        if (view->from > view->to || view->to > view->bytes ||
            (view->from < view->to && !view->in_use))
            return false;
        bytes += view->bytes;
    }
    return bytes == views->bytes;
}
