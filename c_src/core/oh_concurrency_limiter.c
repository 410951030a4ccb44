#include "oh_concurrency_limiter.h"

oh_status_t oh_concurrency_limiter_init(oh_concurrency_limiter_t *l, uint64_t limit) {
    l->limit = limit;
    oh_store_relaxed(&l->in_use, 0);
    return limit == 0 ? OH_BADARG : OH_OK;
}

bool oh_concurrency_limiter_acquire(oh_concurrency_limiter_t *l) {
    uint64_t in_use = oh_load_relaxed(&l->in_use);
    for (unsigned pauses = 1; in_use < l->limit; oh_backoff(&pauses)) {
        /* P1: pairs with P2, the head of the release sequence that this continues. */
        if (oh_cas_weak_acquire_relaxed(&l->in_use, &in_use, in_use + 1))
            return true;
    }
    return false;
}

bool oh_permit_release(oh_permit_t *permit) {
    if (oh_exchange_acqrel(&permit->held, 0) == 0)
        return false;
    oh_fetch_sub_acqrel(&permit->limiter->in_use, 1); /* P2: pairs with P1 */
    return true;
}

bool oh_concurrency_limiter_valid(const oh_concurrency_limiter_t *l) {
    return l->limit > 0 && oh_concurrency_limiter_in_use(l) <= l->limit;
}
