#include "oh_alloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static oh_allocator_t oh_allocator = {malloc, free};

void oh_set_allocator(oh_allocator_t allocator) {
    oh_allocator = allocator;
}

void *oh_alloc(size_t bytes) {
    return oh_allocator.alloc(bytes);
}

void *oh_zalloc(size_t bytes) {
    void *ptr = oh_alloc(bytes);
    if (ptr != NULL)
        memset(ptr, 0, bytes);
    return ptr;
}

void oh_free(void *ptr) {
    if (ptr != NULL)
        oh_allocator.free(ptr);
}

/* The pointer that the allocator gave stands in the word before the aligned block. */
void *oh_alloc_aligned(size_t bytes, size_t align) {
    if (bytes > SIZE_MAX - align - sizeof(void *))
        return NULL;
    char *raw = oh_alloc(bytes + align + sizeof(void *));
    if (raw == NULL)
        return NULL;
    char *ptr = (char *)oh_align_up((uintptr_t)raw + sizeof(void *), align);
    memcpy(ptr - sizeof(void *), &raw, sizeof(void *));
    return ptr;
}

void oh_free_aligned(void *ptr) {
    if (ptr == NULL)
        return;
    char *raw;
    memcpy(&raw, (char *)ptr - sizeof(void *), sizeof(void *));
    oh_free(raw);
}

void *oh_zalloc_big(size_t bytes) {
    if (bytes >= OH_ALLOC_MAP_BYTES) {
        void *ptr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return ptr == MAP_FAILED ? NULL : ptr;
    }
    void *ptr = oh_alloc_aligned(bytes, OH_CACHE_LINE);
    if (ptr != NULL)
        memset(ptr, 0, bytes);
    return ptr;
}

void oh_free_big(void *ptr, size_t bytes) {
    if (ptr == NULL)
        return;
    if (bytes >= OH_ALLOC_MAP_BYTES)
        munmap(ptr, bytes);
    else
        oh_free_aligned(ptr);
}
