#include "oh_line.h"

void oh_line_init(oh_line_t *line, oh_line_host_t host) {
    line->host = host;
    oh_store_relaxed(&line->waiting, 0);
    oh_store_relaxed(&line->wanted, 0);
    oh_store_relaxed(&line->poked, 0);
    oh_store_relaxed(&line->lock.state, 0);
    line->first = line->last = NULL;
    oh_store_relaxed(&line->abandoned, NULL);
}

static void unlink_waiter(oh_line_t *line, oh_waiter_t *waiter) {
    *(waiter->previous == NULL ? &line->first : &waiter->previous->next) = waiter->next;
    *(waiter->next == NULL ? &line->last : &waiter->next->previous) = waiter->previous;
    oh_fetch_sub_relaxed(&line->wanted, waiter->wanted);
    oh_fetch_sub_seqcst(&line->waiting, 1);
}

static void end_abandoned(oh_line_t *line) {
    oh_waiter_t *waiter = oh_exchange_acqrel(&line->abandoned, NULL); /* B2: pairs with B1 */
    while (waiter != NULL) {
        oh_waiter_t *next = waiter->abandoned;
        unlink_waiter(line, waiter);
        line->host.end(waiter);
        waiter = next;
    }
}

/* What pokes and leaves ask for. Under the lock. */
static void serve(oh_line_t *line, void *context) {
    end_abandoned(line);
    oh_waiter_t *first = line->first;
    if (first != NULL && !first->called) {
        first->called = true;
        line->host.call(first, context);
    }
}

/* P1-P2: a poker sets `poked` and then tries the lock; a holder unlocks and then looks at `poked`,
 * both by a read-modify-write. In the order of these on `poked`, either the holder's comes second:
 * then it sees the poke. Or the poker's does: then the unlock happens before the poker tries, which
 * can only fail because of a later holder, to whom the same applies. `poked` is cleared under the
 * lock only, before serving. */
static bool is_poked(oh_line_t *line) {
    return oh_fetch_or_seqcst(&line->poked, 0) != 0; /* P2 */
}

static void serve_pokes(oh_line_t *line, void *context) {
    while (is_poked(line) && oh_trylock(&line->lock)) {
        oh_exchange_seqcst(&line->poked, 0);
        serve(line, context);
        oh_unlock(&line->lock);
    }
}

void oh_line_poke(oh_line_t *line, void *context) {
    oh_exchange_seqcst(&line->poked, 1); /* P1 */
    serve_pokes(line, context);
}

void oh_line_join(oh_line_t *line, oh_waiter_t *waiter, void *context) {
    oh_lock(&line->lock);
    waiter->called = false;
    waiter->next = NULL;
    waiter->previous = line->last;
    *(line->last == NULL ? &line->first : &line->last->next) = waiter;
    line->last = waiter;
    oh_fetch_add_relaxed(&line->wanted, waiter->wanted);
    oh_fetch_add_seqcst(&line->waiting, 1); /* W1: pairs with W2 */
    oh_unlock(&line->lock);
    serve_pokes(line, context);
}

bool oh_line_ready(oh_line_t *line, oh_waiter_t *waiter, void *context) {
    oh_lock(&line->lock);
    end_abandoned(line);
    bool is_first = line->first == waiter;
    if (is_first)
        waiter->called = false;
    oh_unlock(&line->lock);
    serve_pokes(line, context);
    return is_first;
}

void oh_line_leave(oh_line_t *line, oh_waiter_t *waiter, void *context) {
    oh_lock(&line->lock);
    unlink_waiter(line, waiter);
    serve(line, context);
    oh_unlock(&line->lock);
    serve_pokes(line, context);
}

void oh_line_abandon(oh_line_t *line, oh_waiter_t *waiter, void *context) {
    oh_waiter_t *top = oh_load_relaxed(&line->abandoned);
    do {
        waiter->abandoned = top;
    } while (!oh_cas_weak_acqrel_acquire(&line->abandoned, &top, waiter)); /* B1 */
    oh_line_poke(line, context);
}

bool oh_line_valid(oh_line_t *line) {
    uint32_t count = 0;
    uint64_t wanted = 0;
    oh_waiter_t *last = NULL;
    for (oh_waiter_t *waiter = line->first; waiter != NULL; waiter = waiter->next) {
        if (waiter->previous != last)
            return false;
        last = waiter;
        wanted += waiter->wanted;
        count++;
    }
    return line->last == last && count == oh_load_relaxed(&line->waiting) &&
           wanted == oh_line_wanted(line) && oh_load_relaxed(&line->abandoned) == NULL &&
           oh_load_relaxed(&line->lock.state) == 0;
}
