/*
 * oh_alloc: the memory the core stands on.
 *
 * Two sources. Small blocks come from an allocator that the host injects (the NIF gives enif_alloc,
 * so that erlang:memory/0 counts them; the tests give one that fails on demand). Big zeroed blocks
 * come from the operating system, which hands out zero pages lazily: allocating 1 GiB takes
 * microseconds, where clearing it would hold a scheduler for 100 ms.
 *
 * Call            Threads   Progress
 * --------------  --------  ----------------------------------------------
 * set_allocator   one, before any other call
 * the others      any       as the allocator behind them
 */
#ifndef OH_ALLOC_H
#define OH_ALLOC_H

#include "oh_common.h"

typedef struct {
    void *(*alloc)(size_t bytes); /* NULL when memory is out; aligned for any scalar */
    void (*free)(void *ptr);      /* never called with NULL */
} oh_allocator_t;

/* From this many bytes on, oh_zalloc_big takes pages from the operating system. */
#define OH_ALLOC_MAP_BYTES ((size_t)256 * 1024)

/* Replaces malloc and free. Must come before the first allocation. */
void oh_set_allocator(oh_allocator_t allocator);

/* bytes of uninitialised memory, or NULL. The caller owns it and ends it with oh_free. */
void *oh_alloc(size_t bytes);
/* The same, zeroed. */
void *oh_zalloc(size_t bytes);
/* Ends what oh_alloc and oh_zalloc gave. NULL is allowed. */
void oh_free(void *ptr);

/* bytes aligned to align (a power of two up to 4096), uninitialised, or NULL. The caller owns it
 * and ends it with oh_free_aligned. */
void *oh_alloc_aligned(size_t bytes, size_t align);
void oh_free_aligned(void *ptr);

/* bytes of zeroed memory aligned to a cache line, or NULL; O(1) for big sizes. The caller owns it
 * and ends it with oh_free_big and the same size. Giving big blocks back unmaps them, which takes
 * time in proportion to the pages touched: not where a scheduler waits. */
void *oh_zalloc_big(size_t bytes);
void oh_free_big(void *ptr, size_t bytes);

#endif
