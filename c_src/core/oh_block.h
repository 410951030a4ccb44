/*
 * oh_block: the memory that a pool leases, block by block.
 *
 * Blocks from OH_ALLOC_MAP_BYTES on are pages straight from the system, others come from the
 * injected allocator. Both calls: any thread; as the allocator behind them. Freeing is O(1): what
 * takes longer is left to the reaper (oh_reaper.h).
 */
#ifndef OH_BLOCK_H
#define OH_BLOCK_H

#include "oh_common.h"
#include "oh_shared.h"

/* From this size on a block may get huge pages. */
#define OH_BLOCK_HUGE_BYTES ((uint64_t)2 << 20)
/* Alignments: powers of two from 16 to a page. */
#define OH_BLOCK_ALIGN_MIN 16
#define OH_BLOCK_ALIGN_MAX 4096

typedef struct {
    uint32_t align;  /* of the first byte */
    bool huge_pages; /* ask for them where a block is large enough */
    bool clear;      /* no byte of a freed block is left behind in memory */
    bool shared;     /* blocks from OH_SHARED_BYTES_MIN on are segments, if there are any */
} oh_block_options_t;

/* A block of bytes, or NULL. *blank: it is all zero. *shared: the segment that it is, or NULL. The
 * caller owns both.
 *
 * Huge pages are asked for by madvise(2), with the block on their boundary. A system that has none,
 * or whose administrator forbids them, gives ordinary ones; nothing else changes. */
char *oh_block_new(const oh_block_options_t *options, uint64_t bytes, bool *blank,
                   oh_shared_t **shared);

/* Frees the block; bytes and options as it was made with, and the segment that it is. */
void oh_block_free(const oh_block_options_t *options, char *block, uint64_t bytes,
                   oh_shared_t *shared);

#endif
