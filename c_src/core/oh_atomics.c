#include "oh_atomics.h"
#include "oh_alloc.h"
#include "oh_reaper.h"

oh_status_t oh_atomics_init(oh_atomics_t *a, uint64_t size) {
    a->size = 0;
    a->cell = NULL;
    if (size == 0)
        return OH_BADARG;
    if (size > OH_ATOMICS_SIZE_MAX)
        return OH_LIMIT;
    a->cell = oh_zalloc_big(size * sizeof(uint64_t));
    if (a->cell == NULL)
        return OH_ENOMEM;
    a->size = size;
    return OH_OK;
}

void oh_atomics_free(oh_atomics_t *a) {
    oh_reaper_free_big((void *)a->cell, oh_atomics_bytes(a));
    a->cell = NULL;
    a->size = 0;
}

uint64_t oh_atomics_sum(const oh_atomics_t *a, uint64_t index, uint64_t count) {
    uint64_t sum = 0;
    for (uint64_t i = index; i < index + count; i++)
        sum += oh_load_acquire(&a->cell[i]);
    return sum;
}
