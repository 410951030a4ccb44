#include "oh_epoch.h"
#include "oh_alloc.h"

#include <pthread.h>

/* Objects wait in the list of their tag's epoch, modulo this. Retirers use the lists of the current
 * and the previous epoch; collect takes the list of three epochs ago. */
#define LIMBO_LISTS 4
/* Objects that advance frees at the most. */
#define ADVANCE_BUDGET 8

struct oh_epoch_domain {
    _Alignas(OH_CACHE_LINE) _Atomic uint64_t epoch; /* first: oh_epoch_global */
    _Alignas(OH_CACHE_LINE) _Atomic(oh_epoch_record_t *) records;
    _Alignas(OH_CACHE_LINE) _Atomic(oh_retired_t *) limbo[LIMBO_LISTS];
    _Atomic uint64_t pending;
    _Atomic uint64_t pending_bytes;
    _Alignas(OH_CACHE_LINE) _Atomic bool collecting; /* guards ready */
    oh_retired_t *ready;                             /* old enough, to be freed in steps */
};

_Static_assert(offsetof(oh_epoch_domain_t, epoch) == 0, "oh_epoch_global reads the first word");

oh_epoch_domain_t *oh_epoch_domain;
_Thread_local oh_epoch_record_t *oh_epoch_self OH_TLS_FAST;

/* Gives a record back when its thread ends. */
static pthread_key_t record_key;
static bool record_key_made;

static void record_release(void *record) {
    oh_epoch_record_t *r = record;
    oh_epoch_self = NULL;
    for (uint32_t i = 0; i < OH_EPOCH_HOLDS; i++)
        oh_store_release(&r->held[i], NULL);
    oh_store_release(&r->in_use, false); /* R2: pairs with C2 */
}

oh_status_t oh_epoch_attach(oh_epoch_domain_t *domain) {
    if (!record_key_made) {
        if (pthread_key_create(&record_key, record_release) != 0)
            return OH_ENOMEM;
        record_key_made = true;
    }
    if (oh_epoch_domain != NULL)
        return OH_OK;
    if (domain == NULL) {
        domain = oh_alloc_aligned(sizeof *domain, OH_CACHE_LINE);
        if (domain == NULL)
            return OH_ENOMEM;
        *domain = (oh_epoch_domain_t){.epoch = OH_EPOCH_GRACE};
    }
    oh_epoch_domain = domain;
    return OH_OK;
}

void oh_epoch_detach(void) {
    if (record_key_made)
        pthread_key_delete(record_key);
    record_key_made = false;
    oh_epoch_domain = NULL;
}

void oh_epoch_destroy(void) {
    oh_epoch_domain_t *domain = oh_epoch_domain;
    oh_epoch_drain();
    oh_epoch_detach();
    oh_epoch_self = NULL;
    for (oh_epoch_record_t *next, *record = oh_load_acquire(&domain->records); record != NULL;
         record = next) {
        next = record->next;
        oh_free_aligned(record);
    }
    oh_free_aligned(domain);
}

oh_epoch_record_t *oh_epoch_register(void) {
    oh_epoch_domain_t *domain = oh_epoch_domain;
    oh_epoch_record_t *record;
    for (record = oh_load_acquire(&domain->records); record != NULL; record = record->next) {
        bool in_use = false;
        if (!oh_load_relaxed(&record->in_use) &&
            oh_cas_acquire_relaxed(&record->in_use, &in_use, true)) /* C2: pairs with R2 */
            goto found;
    }
    record = oh_alloc_aligned(oh_align_up(sizeof *record, OH_CACHE_LINE), OH_CACHE_LINE);
    if (record == NULL)
        return NULL;
    *record = (oh_epoch_record_t){.in_use = true};
    record->next = oh_load_relaxed(&domain->records);
    while (!oh_cas_weak_release_relaxed(&domain->records, &record->next, record))
        ;
found:
    oh_epoch_self = record;
    /* Without the key the record is merely never given back. */
    if (record_key_made)
        pthread_setspecific(record_key, record);
    return record;
}

void *oh_epoch_hold(_Atomic(void *) *from, uint32_t place) {
    oh_epoch_record_t *self = oh_epoch_self;
    if (self == NULL && (self = oh_epoch_register()) == NULL)
        return NULL;
    for (;;) {
        void *object = oh_load_seqcst(from);         /* H4: pairs with the H3 of its user */
        oh_store_seqcst(&self->held[place], object); /* H1: pairs with H2 */
        if (oh_load_seqcst(from) == object)          /* H4 */
            return object;
    }
}

bool oh_epoch_held(const void *object) {
    oh_epoch_record_t *record = oh_load_acquire(&oh_epoch_domain->records);
    for (; record != NULL; record = record->next)
        for (uint32_t i = 0; i < OH_EPOCH_HOLDS; i++)
            if (oh_load_seqcst(&record->held[i]) == object) /* H2: pairs with H1 */
                return true;
    return false;
}

/* Puts the object on its epoch's list. */
static void limbo_push(oh_epoch_domain_t *domain, oh_retired_t *object) {
    _Atomic(oh_retired_t *) *list = &domain->limbo[object->epoch % LIMBO_LISTS];
    object->next = oh_load_relaxed(list);
    while (!oh_cas_weak_release_relaxed(list, &object->next, object)) /* L1: pairs with L2 */
        ;
}

void oh_epoch_retire(oh_retired_t *object, size_t bytes, void (*free)(oh_retired_t *self)) {
    oh_epoch_domain_t *domain = oh_epoch_domain;
    object->free = free;
    object->bytes = bytes;
    object->epoch = oh_load_acquire(&domain->epoch);
    oh_fetch_add_seqcst(&domain->pending, 1); /* before a look whether the reaper sleeps */
    oh_fetch_add_relaxed(&domain->pending_bytes, bytes);
    limbo_push(domain, object);
}

/* Moves the epoch on if every pinned thread has seen the current one. Caller holds collecting, so
 * the epoch changes nowhere else. */
static bool advance(oh_epoch_domain_t *domain) {
    uint64_t epoch = oh_load_acquire(&domain->epoch);
    for (oh_epoch_record_t *r = oh_load_acquire(&domain->records); r != NULL; r = r->next) {
        uint64_t state = oh_fetch_add_acqrel(&r->state, 0); /* A2: pairs with P1 and U1 */
        if (state != 0 && state >> 1 != epoch)
            return false;
    }
    oh_store_release(&domain->epoch, epoch + 1);
    return true;
}

/* Takes the list whose objects are now old enough. */
static void refill(oh_epoch_domain_t *domain) {
    if (!advance(domain))
        return;
    uint64_t oldest = oh_load_relaxed(&domain->epoch) - OH_EPOCH_GRACE;
    domain->ready =
        oh_exchange_acquire(&domain->limbo[oldest % LIMBO_LISTS], NULL); /* L2: pairs with L1 */
}

static size_t collect_locked(oh_epoch_domain_t *domain, size_t budget) {
    size_t freed = 0;
    if (domain->ready == NULL)
        refill(domain);
    uint64_t epoch = oh_load_relaxed(&domain->epoch);
    while (domain->ready != NULL && freed < budget) {
        oh_retired_t *object = domain->ready;
        domain->ready = object->next;
        /* A retirer that loaded its tag just before the last advance may have pushed late. */
        if (object->epoch + OH_EPOCH_GRACE > epoch) {
            limbo_push(domain, object);
            continue;
        }
        oh_fetch_sub_relaxed(&domain->pending_bytes, object->bytes);
        oh_fetch_sub_relaxed(&domain->pending, 1);
        object->free(object);
        freed++;
    }
    return freed;
}

size_t oh_epoch_collect(size_t budget) {
    oh_epoch_domain_t *domain = oh_epoch_domain;
    if (oh_load_relaxed(&domain->pending) == 0 || oh_load_relaxed(&domain->collecting))
        return 0;
    if (oh_exchange_acquire(&domain->collecting, true)) /* G1: pairs with G2 */
        return 0;
    size_t freed = collect_locked(domain, budget);
    oh_store_release(&domain->collecting, false); /* G2: pairs with G1 */
    return freed;
}

void oh_epoch_advance(void) {
    oh_epoch_domain_t *domain = oh_epoch_domain;
    if (oh_load_relaxed(&domain->collecting) ||
        oh_exchange_acquire(&domain->collecting, true)) /* G1: pairs with G2 */
        return;
    /* While objects are ready, the list that the next advance would make ready must wait. */
    collect_locked(domain, ADVANCE_BUDGET);
    oh_store_release(&domain->collecting, false); /* G2: pairs with G1 */
}

void oh_epoch_drain(void) {
    while (oh_epoch_pending() > 0)
        oh_epoch_collect(SIZE_MAX);
}

uint64_t oh_epoch_pending(void) {
    return oh_load_seqcst(&oh_epoch_domain->pending);
}

oh_epoch_stats_t oh_epoch_stats(void) {
    oh_epoch_domain_t *domain = oh_epoch_domain;
    oh_epoch_stats_t stats = {
        .epoch = oh_load_relaxed(&domain->epoch),
        .pending = oh_load_relaxed(&domain->pending),
        .pending_bytes = oh_load_relaxed(&domain->pending_bytes),
    };
    for (oh_epoch_record_t *r = oh_load_acquire(&domain->records); r != NULL; r = r->next)
        stats.records++;
    return stats;
}

bool oh_epoch_valid(void) {
    oh_epoch_domain_t *domain = oh_epoch_domain;
    for (oh_epoch_record_t *r = oh_load_acquire(&domain->records); r != NULL; r = r->next) {
        uint64_t state = oh_load_acquire(&r->state);
        /* The epoch only grows, so loading it after the state bounds the state from above. */
        if (state != 0 && state >> 1 > oh_load_acquire(&domain->epoch))
            return false;
    }
    if (oh_exchange_acquire(&domain->collecting, true))
        return true;
    bool valid = true;
    uint64_t epoch = oh_load_relaxed(&domain->epoch);
    for (oh_retired_t *object = domain->ready; object != NULL; object = object->next)
        valid = valid && object->epoch <= epoch;
    oh_store_release(&domain->collecting, false);
    return valid;
}
