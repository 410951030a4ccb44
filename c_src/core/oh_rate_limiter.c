#include "oh_rate_limiter.h"
#include "oh_alloc.h"
#include "oh_reaper.h"

oh_status_t oh_rate_init(oh_rate_t *rate, uint64_t units, uint64_t period_ns, uint64_t burst) {
    if (units == 0 || burst == 0 || units > period_ns)
        return OH_BADARG;
    uint64_t interval = period_ns / units + (period_ns % units != 0);
    if (burst > OH_WINDOW_MAX / interval)
        return OH_BADARG;
    *rate = (oh_rate_t){.interval_ns = interval,
                        .burst = burst,
                        .window_ns = burst * interval,
                        .reciprocal = UINT64_MAX / interval};
    return OH_OK;
}

oh_status_t oh_rate_limiter_init(oh_rate_limiter_t *l, uint64_t size, const oh_rate_t *rate) {
    l->rate = *rate;
    l->size = 0;
    l->cell = NULL;
    if (size == 0)
        return OH_BADARG;
    if (size > OH_RATE_LIMITER_SIZE_MAX)
        return OH_LIMIT;
    l->cell = oh_zalloc_big(size * sizeof(uint64_t));
    if (l->cell == NULL)
        return OH_ENOMEM;
    l->size = size;
    return OH_OK;
}

void oh_rate_limiter_free(oh_rate_limiter_t *l) {
    oh_reaper_free_big((void *)l->cell, oh_rate_limiter_bytes(l));
    l->cell = NULL;
    l->size = 0;
}

bool oh_rate_limiter_valid(const oh_rate_limiter_t *l, uint64_t time) {
    const oh_rate_t *rate = &l->rate;
    if (rate->interval_ns == 0 || rate->burst == 0 ||
        rate->burst > OH_WINDOW_MAX / rate->interval_ns ||
        rate->window_ns != rate->burst * rate->interval_ns || (l->size == 0) != (l->cell == NULL))
        return false;
    for (uint64_t i = 0; i < l->size; i++) {
        uint64_t state = oh_load_acquire(&l->cell[i]);
        if (state > time && state - time > rate->window_ns)
            return false;
    }
    return true;
}
