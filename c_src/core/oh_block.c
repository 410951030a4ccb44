#include "oh_block.h"

#include <string.h>
#include <sys/mman.h>

#include "oh_alloc.h"
#include "oh_reaper.h"

/* Pages on a boundary of huge ones: more are mapped than needed, and the ends given back. */
static char *map_huge(uint64_t bytes) {
    char *mapped = oh_zalloc_big(bytes + OH_BLOCK_HUGE_BYTES);
    if (mapped == NULL)
        return NULL;
    char *block = (char *)oh_align_up((uintptr_t)mapped, OH_BLOCK_HUGE_BYTES);
    size_t before = (size_t)(block - mapped);
    if (before > 0)
        munmap(mapped, before);
    munmap(block + bytes, OH_BLOCK_HUGE_BYTES - before);
#if defined(MADV_HUGEPAGE)
    madvise(block, bytes, MADV_HUGEPAGE);
#endif
    return block;
}

char *oh_block_new(const oh_block_options_t *options, uint64_t bytes, bool *blank,
                   oh_shared_t **shared) {
    *shared = NULL;
    if (options->shared && bytes >= OH_SHARED_BYTES_MIN)
        *shared = oh_shared_new(bytes);
    if (*shared != NULL) {
        *blank = true;
        return (*shared)->data;
    }
    *blank = bytes >= OH_ALLOC_MAP_BYTES;
    if (options->huge_pages && bytes >= OH_BLOCK_HUGE_BYTES)
        return map_huge(bytes);
    return *blank ? oh_zalloc_big(bytes) : oh_alloc_aligned(bytes, options->align);
}

/* A block to be cleared and freed; lies in it. */
typedef struct {
    oh_reaper_job_t job;
    uint64_t bytes;
} clearance_t;

static void run_clearance(oh_reaper_job_t *job) {
    clearance_t *self = OH_CONTAINER_OF(job, clearance_t, job);
    memset(self, 0, self->bytes);
    /* The compiler must not take the block for dead before it is freed. */
    __asm__ __volatile__("" : : "r"(self) : "memory");
    oh_free_aligned(self);
}

void oh_block_free(const oh_block_options_t *options, char *block, uint64_t bytes,
                   oh_shared_t *shared) {
    if (shared != NULL) {
        oh_shared_free(shared);
    } else if (block == NULL || bytes >= OH_ALLOC_MAP_BYTES) {
        oh_reaper_free_big(block, bytes); /* the system clears pages before it gives them away */
    } else if (options->clear) {
        clearance_t *self = (clearance_t *)block;
        self->bytes = bytes;
        self->job.run = run_clearance;
        oh_reaper_push(&self->job);
    } else {
        oh_free_aligned(block);
    }
}
