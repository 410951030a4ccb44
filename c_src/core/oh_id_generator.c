#include "oh_id_generator.h"

#include <time.h>

#if defined(CLOCK_REALTIME_COARSE)
#define CLOCK_OF_LAST_TICK CLOCK_REALTIME_COARSE
#else
#define CLOCK_OF_LAST_TICK CLOCK_REALTIME
#endif

static bool layout_valid(const oh_id_layout_t *l) {
    return l->epoch_ms >= 0 && l->epoch_ms <= OH_ID_TIME_MAX && l->sequence_bits >= 1 &&
           l->sequence_bits <= OH_ID_BITS_MAX &&
           l->node_bits <= OH_ID_BITS_MAX - l->sequence_bits && l->node >> l->node_bits == 0 &&
           l->ahead_ms >= 0 && l->ahead_ms <= OH_ID_AHEAD_MS_MAX;
}

/* The first slot of a millisecond since the epoch. Those before the epoch have none. */
static uint64_t slot_of(const oh_id_generator_t *g, int64_t ms) {
    return ms < 0 ? 0 : (uint64_t)ms << g->layout.sequence_bits;
}

static int64_t ms_of(const oh_id_generator_t *g, uint64_t slot) {
    return (int64_t)(slot >> g->layout.sequence_bits);
}

/* The first millisecond of which no slot before this one is. */
static int64_t ms_from(const oh_id_generator_t *g, uint64_t slot) {
    return slot == 0 ? 0 : ms_of(g, slot - 1) + 1;
}

oh_status_t oh_id_generator_init(oh_id_generator_t *g, const oh_id_layout_t *layout) {
    if (!layout_valid(layout))
        return OH_BADARG;
    g->layout = *layout;
    g->ms_max = INT64_MAX >> (layout->node_bits + layout->sequence_bits);
    g->slots_end = slot_of(g, g->ms_max + 1);
    g->ahead_slots = slot_of(g, layout->ahead_ms + 1);
    oh_store_relaxed(&g->next, 0);
    return OH_OK;
}

/* How long after now count slots from first on, which are not free at now, are free. Either the
 * clock comes within ahead_ms of the last of them, or it passes the millisecond of the last slot
 * given out: then its own and the ahead_ms that follow are free as a whole, enough for any batch.
 */
static int64_t wait_for(const oh_id_generator_t *g, uint64_t first, int64_t now, uint64_t count) {
    if (now > g->ms_max || first + count > g->slots_end)
        return OH_ID_NEVER;
    int64_t within = ms_of(g, first + count - 1) - g->layout.ahead_ms;
    int64_t passed = ms_from(g, first);
    return (within < passed ? within : passed) - now;
}

/* True if the slots below end are free to take at now. */
OH_ALWAYS_INLINE bool is_free(const oh_id_generator_t *g, uint64_t next, uint64_t end, int64_t now,
                              uint64_t now_slot) {
    if (oh_unlikely(now > g->ms_max || end > g->slots_end))
        return false;
    if (oh_likely(now >= 0 && end <= now_slot + g->ahead_slots))
        return true;
    /* Before the epoch, or of the last slot's millisecond. */
    return end <= slot_of(g, now + g->layout.ahead_ms + 1) || end <= slot_of(g, ms_from(g, next));
}

OH_ALWAYS_INLINE oh_status_t take(oh_id_generator_t *g, uint64_t count, int64_t now_ms,
                                  uint64_t *first, int64_t *wait_ms) {
    int64_t now = now_ms - g->layout.epoch_ms;
    uint64_t now_slot = slot_of(g, now);
    uint64_t next = oh_load_relaxed(&g->next);
    for (unsigned pauses = 1;; oh_backoff(&pauses)) {
        *first = next > now_slot ? next : now_slot;
        if (!is_free(g, next, *first + count, now, now_slot)) {
            *wait_ms = wait_for(g, *first, now, count);
            return OH_EXHAUSTED;
        }
        if (oh_likely(oh_cas_weak_acqrel_acquire(&g->next, &next, *first + count)))
            return OH_OK;
    }
}

oh_status_t oh_id_generator_take(oh_id_generator_t *g, uint64_t count, int64_t now_ms,
                                 uint64_t *first, int64_t *wait_ms) {
    if (count < 1 || count > oh_id_generator_batch_max(g))
        return OH_BADARG;
    return take(g, count, now_ms, first, wait_ms);
}

static int64_t clock_ms(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

oh_status_t oh_id_generator_take_now(oh_id_generator_t *g, uint64_t count, uint64_t *first,
                                     int64_t *wait_ms) {
    if (count < 1 || count > oh_id_generator_batch_max(g))
        return OH_BADARG;
    oh_status_t status = take(g, count, clock_ms(CLOCK_OF_LAST_TICK), first, wait_ms);
    if (oh_unlikely(status == OH_EXHAUSTED))
        status = oh_id_generator_take(g, count, clock_ms(CLOCK_REALTIME), first, wait_ms);
    return status;
}

bool oh_id_generator_valid(oh_id_generator_t *g) {
    return layout_valid(&g->layout) && oh_load_acquire(&g->next) <= g->slots_end;
}
