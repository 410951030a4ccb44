#include "oh_magazines.h"

#include <string.h>

#include "oh_alloc.h"

#define NONE OH_FREELIST_NONE
/* Slots of a full magazine that are not unloaded. */
#define KEPT (OH_MAGAZINE_SLOTS - OH_MAGAZINE_CHAIN)

static oh_magazine_node_t *at(oh_magazines_t *m, uint32_t name) {
    return oh_nodes_at(m->nodes, name);
}

static size_t thread_bytes(const oh_magazines_t *m) {
    return m->class_count * sizeof(oh_magazine_t);
}

oh_status_t oh_magazines_init(oh_magazines_t *m, oh_nodes_t *nodes, uint32_t class_count) {
    m->nodes = nodes;
    m->class_count = class_count;
    m->depot = oh_alloc_aligned(class_count * sizeof(oh_depot_t), OH_CACHE_LINE);
    if (m->depot == NULL)
        return OH_ENOMEM;
    for (uint32_t i = 0; i < class_count; i++) {
        oh_freelist_init(&m->depot[i].chains[0]);
        oh_freelist_init(&m->depot[i].chains[1]);
        oh_store_relaxed(&m->depot[i].front, 0);
    }
    for (uint32_t i = 0; i < OH_MAGAZINE_THREADS; i++)
        oh_store_relaxed(&m->of[i], NULL);
    oh_store_relaxed(&m->places, 0);
    oh_store_relaxed(&m->begun, 0);
    oh_store_relaxed(&m->ended, 0);
    return OH_OK;
}

void oh_magazines_free(oh_magazines_t *m) {
    for (uint32_t i = 0; i < OH_MAGAZINE_THREADS; i++)
        oh_free_aligned(oh_load_relaxed(&m->of[i]));
    oh_free_aligned(m->depot);
}

size_t oh_magazines_bytes(oh_magazines_t *m) {
    size_t bytes = m->class_count * sizeof(oh_depot_t);
    for (uint32_t i = 0; i < OH_MAGAZINE_THREADS; i++)
        if (oh_load_acquire(&m->of[i]) != NULL)
            bytes += thread_bytes(m);
    return bytes;
}

/* The magazines at place i, or NULL. */
static oh_magazine_t *magazines_of(oh_magazines_t *m, uint32_t i) {
    return oh_load_acquire(&m->of[i]); /* A7: pairs with R7 */
}

static uint32_t places(oh_magazines_t *m) {
    return oh_load_seqcst(&m->places);
}

/* --- The depot: stacks of chains --- */

static void push_chain(oh_magazines_t *m, oh_depot_t *depot, uint32_t first) {
    oh_freelist_push(&depot->chains[oh_load_acquire(&depot->front) & 1], m->nodes, first);
}

static uint32_t pop_chain(oh_magazines_t *m, oh_depot_t *depot) {
    uint32_t front = oh_load_acquire(&depot->front) & 1;
    uint32_t first = oh_freelist_pop(&depot->chains[front], m->nodes);
    return first != NONE ? first : oh_freelist_pop(&depot->chains[front ^ 1], m->nodes);
}

void oh_magazines_displace(oh_magazines_t *m, uint32_t class, uint32_t name) {
    oh_store_relaxed(&at(m, name)->chain, NONE);
    push_chain(m, &m->depot[class], name);
}

/* The rest of a chain whose first node the caller owns, and whose rest thus too. */
static uint32_t rest_of(oh_magazines_t *m, uint32_t first) {
    return oh_load_relaxed(&at(m, first)->chain);
}

/* --- Magazines --- */

static uint32_t own_place(void) {
    return oh_thread_index() % OH_MAGAZINE_THREADS;
}

/* The thread's magazines, made if there are none; NULL if there is no memory. */
static oh_magazine_t *make_own(oh_magazines_t *m) {
    oh_magazine_t *made = oh_alloc_aligned(thread_bytes(m), OH_CACHE_LINE);
    if (made == NULL)
        return NULL;
    memset(made, 0, thread_bytes(m));
    /* Who looks at all places must not miss what is put into this one. */
    uint32_t place = own_place();
    uint32_t count = oh_load_relaxed(&m->places);
    while (count <= place && !oh_cas_seqcst_seqcst(&m->places, &count, place + 1))
        ;
    oh_magazine_t *there = NULL;
    if (oh_cas_acqrel_acquire(&m->of[place], &there, made)) /* R7 */
        return made;
    oh_free_aligned(made);
    return there;
}

/* Makes room in a full magazine: the upper slots go to the depot as one chain, from where they come
 * back as one. */
static void unload(oh_magazines_t *m, uint32_t class, oh_magazine_t *magazine) {
    uint32_t first = NONE;
    oh_magazines_begin_way(m);
    for (uint32_t i = KEPT; i < OH_MAGAZINE_SLOTS; i++) {
        uint32_t name = oh_magazine_empty(magazine, i);
        if (name == NONE)
            continue;
        oh_store_relaxed(&at(m, name)->chain, first);
        first = name;
    }
    if (first != NONE)
        push_chain(m, &m->depot[class], first);
    oh_store_relaxed(&magazine->top, KEPT);
    oh_magazines_end_way(m);
}

void oh_magazines_put_slow(oh_magazines_t *m, uint32_t class, uint32_t name) {
    oh_magazine_t *magazine = oh_magazines_own(m);
    if (magazine == NULL && (magazine = make_own(m)) == NULL) {
        oh_magazines_displace(m, class, name);
        return;
    }
    magazine += class;
    if (oh_load_relaxed(&magazine->top) >= OH_MAGAZINE_SLOTS)
        unload(m, class, magazine);
    /* Who shares the magazine may have filled it meanwhile. */
    uint32_t top = oh_load_relaxed(&magazine->top) % OH_MAGAZINE_SLOTS;
    oh_store_relaxed(&magazine->top, top + 1);
    oh_magazine_fill(m, class, magazine, top, name);
}

static bool is_bare(oh_depot_t *depot) {
    return oh_freelist_is_empty(&depot->chains[0]) && oh_freelist_is_empty(&depot->chains[1]);
}

/* A chain from the depot: its first node is the caller's, the rest goes into the magazine. */
static uint32_t load(oh_magazines_t *m, uint32_t class, oh_magazine_t *magazine) {
    oh_depot_t *depot = &m->depot[class];
    if (is_bare(depot))
        return NONE;
    oh_magazines_begin_way(m);
    uint32_t first = pop_chain(m, depot);
    if (first != NONE) {
        uint32_t top = 0;
        for (uint32_t name = rest_of(m, first), next; name != NONE; name = next) {
            next = rest_of(m, name);
            oh_magazine_fill(m, class, magazine, top++, name);
        }
        oh_store_relaxed(&magazine->top, top);
    }
    oh_magazines_end_way(m);
    return first;
}

/* Pops a chain and gives its rest back. */
static uint32_t pop_single(oh_magazines_t *m, uint32_t class) {
    oh_depot_t *depot = &m->depot[class];
    if (is_bare(depot))
        return NONE;
    oh_magazines_begin_way(m);
    uint32_t first = pop_chain(m, depot);
    if (first != NONE && rest_of(m, first) != NONE)
        push_chain(m, depot, rest_of(m, first));
    oh_magazines_end_way(m);
    return first;
}

uint32_t oh_magazines_take_slow(oh_magazines_t *m, uint32_t class) {
    oh_magazine_t *magazine = oh_magazines_own(m);
    if (magazine == NULL)
        return pop_single(m, class);
    magazine += class;
    for (uint32_t top = oh_load_relaxed(&magazine->top); top > 0;) {
        uint32_t name = oh_magazine_empty(magazine, --top);
        oh_store_relaxed(&magazine->top, top);
        if (name != NONE)
            return name;
    }
    return load(m, class, magazine);
}

uint32_t oh_magazines_steal(oh_magazines_t *m, uint32_t class) {
    uint32_t name = pop_single(m, class);
    for (uint32_t i = 0; name == NONE && i < places(m); i++) {
        oh_magazine_t *magazine = magazines_of(m, i);
        if (magazine == NULL)
            continue;
        for (uint32_t k = 0; name == NONE && k < OH_MAGAZINE_SLOTS; k++)
            name = oh_magazine_empty(&magazine[class], k);
    }
    return name;
}

static bool holds_nothing(oh_magazines_t *m) {
    for (uint32_t class = 0; class < m->class_count; class ++)
        if (!is_bare(&m->depot[class]))
            return false;
    for (uint32_t i = 0; i < places(m); i++) {
        oh_magazine_t *magazine = magazines_of(m, i);
        for (uint32_t k = 0; magazine != NULL && k < m->class_count * OH_MAGAZINE_SLOTS; k++)
            if (oh_load_seqcst(&magazine[k / OH_MAGAZINE_SLOTS].slot[k % OH_MAGAZINE_SLOTS]) != 0)
                return false;
    }
    return true;
}

bool oh_magazines_is_empty(oh_magazines_t *m) {
    uint64_t moves = oh_magazines_moves(m);
    return oh_magazines_is_settled(m, moves) && holds_nothing(m) &&
           oh_magazines_is_settled(m, moves);
}

/* --- Sifting --- */

/* A chain without those that were picked; NONE if that were all. */
static uint32_t sift_chain(oh_magazines_t *m, uint32_t first, oh_magazines_pick_t pick,
                           void *context) {
    uint32_t kept = NONE;
    for (uint32_t name = first, next; name != NONE; name = next) {
        next = rest_of(m, name);
        if (pick(context, name))
            continue;
        oh_store_relaxed(&at(m, name)->chain, kept);
        kept = name;
    }
    return kept;
}

/* Moves the front stack, sifted, over to the back one, which then is the front one. No more chains
 * than there are nodes, should others push as fast as this pops. */
static void sift_depot(oh_magazines_t *m, oh_depot_t *depot, oh_magazines_pick_t pick,
                       void *context) {
    uint32_t front = oh_load_acquire(&depot->front) & 1;
    for (uint32_t left = oh_nodes_count(m->nodes); left > 0; left--) {
        oh_magazines_begin_way(m);
        uint32_t first = oh_freelist_pop(&depot->chains[front], m->nodes);
        uint32_t kept = first == NONE ? NONE : sift_chain(m, first, pick, context);
        if (kept != NONE)
            oh_freelist_push(&depot->chains[front ^ 1], m->nodes, kept);
        oh_magazines_end_way(m);
        if (first == NONE)
            break;
    }
    oh_store_release(&depot->front, front ^ 1);
}

void oh_magazines_sift(oh_magazines_t *m, uint32_t class, oh_magazines_pick_t pick, void *context) {
    sift_depot(m, &m->depot[class], pick, context);
    for (uint32_t i = 0; i < places(m); i++) {
        oh_magazine_t *magazine = magazines_of(m, i);
        if (magazine == NULL)
            continue;
        magazine += class;
        for (uint32_t k = 0; k < OH_MAGAZINE_SLOTS; k++) {
            if (oh_load_relaxed(&magazine->slot[k]) == 0)
                continue;
            oh_magazines_begin_way(m);
            uint32_t name = oh_magazine_empty(magazine, k);
            if (name != NONE && !pick(context, name))
                oh_magazine_fill(m, class, magazine, k, name);
            oh_magazines_end_way(m);
        }
    }
}

/* --- Checking --- */

static bool mark(oh_magazines_t *m, uint32_t class, uint32_t name, uint32_t *seen) {
    if (name >= oh_nodes_count(m->nodes) || seen[name] != 0)
        return false;
    seen[name] = class + 1;
    return true;
}

static bool depot_valid(oh_magazines_t *m, uint32_t class, uint32_t *seen) {
    for (int side = 0; side < 2; side++) {
        oh_freelist_t *chains = &m->depot[class].chains[side];
        uint32_t length;
        if (!oh_freelist_valid(chains, m->nodes, &length))
            return false;
        uint32_t first = (uint32_t)oh_load_acquire(&chains->head);
        for (; length > 0; length--) {
            uint32_t count = 0;
            for (uint32_t name = first; name != NONE; name = rest_of(m, name))
                if (++count > OH_MAGAZINE_CHAIN || !mark(m, class, name, seen))
                    return false;
            first = oh_load_relaxed(&at(m, first)->node.next);
        }
    }
    return true;
}

bool oh_magazines_valid(oh_magazines_t *m, uint32_t *seen) {
    for (uint32_t class = 0; class < m->class_count; class ++) {
        if (!depot_valid(m, class, seen))
            return false;
        for (uint32_t i = 0; i < places(m); i++) {
            oh_magazine_t *magazine = magazines_of(m, i);
            if (magazine == NULL)
                continue;
            if (oh_load_relaxed(&magazine[class].top) > OH_MAGAZINE_SLOTS)
                return false;
            for (uint32_t k = 0; k < OH_MAGAZINE_SLOTS; k++) {
                uint32_t name = oh_load_relaxed(&magazine[class].slot[k]);
                if (name != 0 && !mark(m, class, name - 1, seen))
                    return false;
            }
        }
    }
    return oh_magazines_is_settled(m, oh_magazines_moves(m));
}
