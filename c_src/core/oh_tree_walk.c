/* Walking a tree in order, counting, and its invariants. */
#include "oh_tree_internal.h"

/* Entries that a walk collects without the lock: more take so long that a writer is likely to come
 * between. */
#define OPTIMISTIC_ROOM 128
/* Leaves that a step passes, empty but for the last, and looks at again before it believes them. */
#define PASSED_MAX 16

/* --- Paths --- */

/* The way down to a leaf. */
typedef struct {
    struct {
        const oh_inner_t *inner;
        uint32_t index;
    } step[OH_TREE_LEVELS];
    uint32_t depth;
} path_t;

/* Goes down from node to the leaf for key, or to the first or last leaf for NULL. */
static oh_leaf_t *descend(const oh_tree_t *t, path_t *path, oh_node_t *node, const oh_key_t *key,
                          oh_direction_t direction) {
    while (node->level > 0) {
        const oh_inner_t *inner = oh_inner_of(node);
        uint32_t i = key != NULL               ? oh_inner_index(t->ops, inner, key)
                     : direction == OH_WALK_UP ? 0
                                               : inner->count - 1;
        path->step[path->depth].inner = inner;
        path->step[path->depth++].index = i;
        node = oh_load_acquire(&inner->child[i]); /* C1: pairs with C2 */
    }
    return oh_leaf_of(node);
}

/* The next leaf in the direction, or NULL. */
static oh_leaf_t *next_leaf(const oh_tree_t *t, path_t *path, oh_direction_t direction) {
    while (path->depth > 0) {
        uint32_t i = path->step[path->depth - 1].index;
        const oh_inner_t *inner = path->step[path->depth - 1].inner;
        i += direction == OH_WALK_UP ? 1 : UINT32_MAX;
        if (i < inner->count) {
            path->step[path->depth - 1].index = i;
            return descend(t, path, oh_load_acquire(&inner->child[i]), NULL, direction);
        }
        path->depth--;
    }
    return NULL;
}

/* --- Collecting entries of one leaf --- */

/* What stands in a slot, of which the rest of the entry is made when it is believed. */
static void load_raw(const oh_page_t *page, uint32_t slot, oh_entry_t *entry) {
    uint32_t meta = oh_load_acquire(&page->meta[slot]);
    entry->form = (oh_form_t)(meta & OH_META_FORM);
    entry->key = oh_load_acquire(&page->slot[slot].key);
    entry->value = oh_load_acquire(&page->slot[slot].value);
}

static uint32_t collect_up(const oh_leaf_t *s, uint32_t p, uint32_t slot, oh_entry_t *entries,
                           uint32_t room) {
    uint32_t n = 0;
    for (; n < room && p < oh_load_acquire(&s->pages); p++, slot = 0) {
        const oh_page_t *page = oh_load_acquire(&s->page[p]);
        for (; n < room && slot < oh_load_acquire(&s->count[p]); slot++)
            load_raw(page, slot, &entries[n++]);
    }
    return n;
}

/* From the slot before on. */
static uint32_t collect_down(const oh_leaf_t *s, uint32_t p, uint32_t slot, oh_entry_t *entries,
                             uint32_t room) {
    uint32_t n = 0;
    for (;;) {
        const oh_page_t *page = oh_load_acquire(&s->page[p]);
        for (; n < room && slot > 0; slot--)
            load_raw(page, slot - 1, &entries[n++]);
        if (n == room || p == 0)
            return n;
        p--;
        slot = oh_load_acquire(&s->count[p]);
    }
}

/* Entries as of version, from the key's place on or from the leaf's end. False: it moved. */
static bool collect(const oh_leaf_t *s, uint32_t version, const oh_key_t *from, bool inclusive,
                    oh_direction_t direction, oh_entry_t *entries, uint32_t room, uint32_t *count) {
    oh_place_t place = {0};
    bool up = direction == OH_WALK_UP;
    if (from != NULL) {
        if (!oh_leaf_find(s, version, from, &place))
            return false;
        if (place.found && inclusive != up)
            place.slot++; /* up and beyond it, or down and with it */
    } else if (!up) {
        place.page = oh_load_acquire(&s->pages) - 1;
        place.slot = oh_load_acquire(&s->count[place.page]);
    }
    *count = up ? collect_up(s, place.page, place.slot, entries, room)
                : collect_down(s, place.page, place.slot, entries, room);
    return oh_leaf_still(s, version);
}

/* The same as of some instant; returns the version then. */
static uint32_t collect_stable(oh_leaf_t *s, const oh_key_t *from, bool inclusive,
                               oh_direction_t direction, oh_entry_t *entries, uint32_t room,
                               uint32_t *count) {
    unsigned pauses = 1;
    uint32_t version;
    for (int tries = room <= OPTIMISTIC_ROOM ? 0 : OH_TREE_TRIES; tries < OH_TREE_TRIES; tries++) {
        version = oh_load_acquire(&s->version);
        if ((version & 1) == 0 &&
            collect(s, version, from, inclusive, direction, entries, room, count))
            return version;
        oh_backoff(&pauses);
    }
    oh_lock(&s->lock);
    version = oh_load_relaxed(&s->version);
    collect(s, version, from, inclusive, direction, entries, room, count);
    oh_unlock(&s->lock);
    return version;
}

/* --- Walking --- */

typedef struct {
    const oh_leaf_t *leaf[PASSED_MAX];
    uint32_t version[PASSED_MAX];
    uint32_t count;
} passed_t;

/* Whether the leaves that gave nothing would still do so (B4). */
static bool still_passed(const passed_t *passed) {
    for (uint32_t i = 0; i < passed->count; i++)
        if (oh_load_acquire(&passed->leaf[i]->replaced) ||
            oh_load_acquire(&passed->leaf[i]->version) != passed->version[i])
            return false;
    return true;
}

static oh_status_t walk_once(oh_tree_t *t, const oh_key_t *from, bool inclusive,
                             oh_direction_t direction, oh_entry_t *entries, uint32_t room,
                             uint32_t *count) {
    path_t path = {.depth = 0};
    passed_t passed = {.count = 0};
    oh_node_t *root = oh_load_acquire(&t->root); /* R1: pairs with R2 */
    if (root == NULL)
        return OH_CLOSED;
    oh_leaf_t *s = descend(t, &path, root, from, direction);
    for (;;) {
        uint32_t version = collect_stable(s, from, inclusive, direction, entries, room, count);
        if (*count > 0)
            break;
        if (passed.count == PASSED_MAX) {
            if (!still_passed(&passed))
                return OH_BUSY;
            passed.count = 0;
        }
        passed.leaf[passed.count] = s;
        passed.version[passed.count++] = version;
        s = next_leaf(t, &path, direction);
        if (s == NULL)
            break;
        from = NULL;
        if (oh_load_acquire(&s->replaced))
            return OH_BUSY; /* its first entries may have come after the leaf before was read */
    }
    /* The leaf that gave entries must have been the neighbour, too. */
    if (passed.count > 0 &&
        ((s != NULL && oh_load_acquire(&s->replaced)) || !still_passed(&passed)))
        return OH_BUSY;
    return OH_OK;
}

oh_status_t oh_tree_walk(oh_tree_t *t, const oh_key_t *from, bool inclusive,
                         oh_direction_t direction, oh_entry_t *entries, uint32_t room,
                         uint32_t *count) {
    oh_status_t status = OH_BUSY;
    while (status == OH_BUSY) {
        uint64_t sequence = oh_load_acquire(&t->many_sequence); /* Q1: pairs with Q2 and Q3 */
        *count = 0;
        if ((sequence & 1) != 0) {
            oh_tree_wait_many(t);
            continue;
        }
        status = walk_once(t, from, inclusive, direction, entries, room, count);
        if (oh_load_acquire(&t->many_sequence) != sequence)
            status = OH_BUSY;
    }
    for (uint32_t i = 0; i < *count; i++)
        oh_form_entry(entries[i].form, entries[i].key, entries[i].value, &entries[i]);
    return status;
}

/* --- Counting --- */

/* The entries below node, or false if that takes more than *budget leaves. */
static bool count_below(oh_tree_t *t, oh_node_t *node, uint64_t *budget, uint64_t *sum) {
    if (node->level == 0) {
        oh_leaf_t *s = oh_leaf_of(node);
        if (*budget == 0)
            return false;
        --*budget;
        /* Under the lock: a writer that comes later sees that its parent remembers something. */
        oh_lock(&s->lock);
        *sum += oh_load_relaxed(&s->live);
        oh_unlock(&s->lock);
        return true;
    }
    oh_inner_t *inner = oh_inner_of(node);
    uint64_t below = oh_load_relaxed(&inner->sum);
    if (below >= OH_SUM_TICKET) {
        uint64_t ticket = OH_SUM_TICKET | oh_fetch_add_relaxed(&t->tickets, 1);
        oh_store_relaxed(&inner->sum, ticket);
        below = 0;
        for (uint32_t i = 0; i < inner->count; i++)
            if (!count_below(t, oh_load_acquire(&inner->child[i]), budget, &below))
                return false;
        /* Whoever changed a count meanwhile, or counts too, has put another word there. */
        oh_cas_acquire_relaxed(&inner->sum, &ticket, below);
    }
    *sum += below;
    return true;
}

oh_status_t oh_tree_rank(oh_tree_t *t, const oh_key_t *key, uint64_t budget, uint64_t *rank) {
    oh_node_t *node = oh_load_acquire(&t->root); /* R1: pairs with R2 */
    *rank = 0;
    if (node == NULL)
        return OH_CLOSED;
    while (node->level > 0) {
        const oh_inner_t *inner = oh_inner_of(node);
        uint32_t index = oh_inner_index(t->ops, inner, key);
        for (uint32_t i = 0; i < index; i++)
            if (!count_below(t, oh_load_acquire(&inner->child[i]), &budget, rank))
                return OH_BUSY;
        node = oh_load_acquire(&inner->child[index]);
    }
    oh_leaf_t *s = oh_leaf_of(node);
    oh_place_t place;
    oh_lock(&s->lock);
    oh_leaf_find(s, oh_load_relaxed(&s->version), key, &place);
    for (uint32_t p = 0; p < place.page; p++)
        *rank += oh_load_relaxed(&s->count[p]);
    *rank += place.slot;
    oh_unlock(&s->lock);
    return OH_OK;
}

oh_status_t oh_tree_size(oh_tree_t *t, uint64_t budget, uint64_t *size) {
    oh_node_t *root = oh_load_acquire(&t->root); /* R1: pairs with R2 */
    *size = 0;
    if (root == NULL)
        return OH_CLOSED;
    return count_below(t, root, &budget, size) ? OH_OK : OH_BUSY;
}

/* Entry number n of a leaf; false if it has no more than n, which are taken off n. */
static bool nth_of_leaf(oh_leaf_t *s, uint64_t *n, oh_entry_t *entry) {
    bool found = false;
    oh_lock(&s->lock);
    for (uint32_t p = 0; !found && p < oh_load_relaxed(&s->pages); p++) {
        uint32_t count = oh_load_relaxed(&s->count[p]);
        found = *n < count;
        if (found)
            load_raw(oh_load_relaxed(&s->page[p]), (uint32_t)*n, entry);
        else
            *n -= count;
    }
    oh_unlock(&s->lock);
    if (found)
        oh_form_entry(entry->form, entry->key, entry->value, entry);
    return found;
}

oh_status_t oh_tree_nth(oh_tree_t *t, uint64_t n, uint64_t budget, oh_entry_t *entry) {
    oh_node_t *node = oh_load_acquire(&t->root); /* R1: pairs with R2 */
    path_t path = {.depth = 0};
    if (node == NULL)
        return OH_CLOSED;
    while (node->level > 0) {
        const oh_inner_t *inner = oh_inner_of(node);
        uint32_t i = 0;
        for (; i + 1 < inner->count; i++) {
            uint64_t below = 0;
            if (!count_below(t, oh_load_acquire(&inner->child[i]), &budget, &below))
                return OH_BUSY;
            if (n < below)
                break;
            n -= below;
        }
        path.step[path.depth].inner = inner;
        path.step[path.depth++].index = i;
        node = oh_load_acquire(&inner->child[i]);
    }
    /* Counts may have changed since: then the entry stands a little further. */
    oh_leaf_t *s = oh_leaf_of(node);
    while (s != NULL && !nth_of_leaf(s, &n, entry))
        s = next_leaf(t, &path, OH_WALK_UP);
    return s == NULL ? OH_NOT_FOUND : OH_OK;
}

oh_status_t oh_tree_stats(oh_tree_t *t, uint64_t budget, oh_table_stats_t *stats) {
    path_t path = {.depth = 0};
    oh_node_t *root = oh_load_acquire(&t->root); /* R1: pairs with R2 */
    if (root == NULL)
        return OH_CLOSED;
    stats->bytes += sizeof *t;
    for (oh_leaf_t *s = descend(t, &path, root, NULL, OH_WALK_UP); s != NULL;
         s = next_leaf(t, &path, OH_WALK_UP)) {
        if (budget-- == 0)
            return OH_BUSY;
        /* The inner nodes on the way to a leaf that is the first child are counted there. */
        for (uint32_t d = path.depth; d > 0 && path.step[d - 1].index == 0; d--)
            stats->bytes += sizeof(oh_inner_t);
        oh_lock(&s->lock);
        stats->size += oh_load_relaxed(&s->live);
        stats->bytes += oh_leaf_bytes(s);
        stats->segments++;
        stats->boxes += s->terms.boxes;
        oh_unlock(&s->lock);
    }
    return OH_OK;
}

/* --- Invariants --- */

/* The keys of a leaf lie within its separators; NULL: none. */
static bool within(const oh_leaf_t *s, const oh_link_t *low, const oh_link_t *high) {
    uint32_t live = oh_load_relaxed(&s->live);
    if (live == 0)
        return true;
    oh_key_t first = oh_leaf_key(s, 0), last = oh_leaf_key(s, live - 1);
    return (low == NULL || oh_link_reaches(s->ops, low, &first)) &&
           (high == NULL || !oh_link_reaches(s->ops, high, &last));
}

static bool node_valid(const oh_tree_t *t, oh_node_t *node, const oh_link_t *low,
                       const oh_link_t *high, uint64_t *sum) {
    if (node->level == 0) {
        oh_leaf_t *s = oh_leaf_of(node);
        oh_lock(&s->lock);
        bool valid = !oh_load_relaxed(&s->replaced) && within(s, low, high) && oh_leaf_valid(s) &&
                     s->generation == oh_load_relaxed(&t->generation);
        *sum += oh_load_relaxed(&s->live);
        oh_unlock(&s->lock);
        return valid;
    }
    oh_inner_t *inner = oh_inner_of(node);
    uint64_t below = 0;
    if (inner->count == 0 || inner->count > OH_INNER_CHILDREN)
        return false;
    for (uint32_t i = 0; i < inner->count; i++) {
        oh_node_t *child = oh_load_acquire(&inner->child[i]);
        oh_link_t begin = {NULL, inner->order[i], inner->order2[i], inner->bound[i]}, end;
        if (i + 1 < inner->count)
            end = (oh_link_t){NULL, inner->order[i + 1], inner->order2[i + 1], inner->bound[i + 1]};
        if (child->level + 1 != node->level || oh_load_acquire(&child->parent) != inner ||
            !node_valid(t, child, i == 0 ? low : &begin, i + 1 < inner->count ? &end : high,
                        &below))
            return false;
    }
    *sum += below;
    uint64_t remembered = oh_load_relaxed(&inner->sum);
    return remembered >= OH_SUM_TICKET || remembered == below;
}

bool oh_tree_valid(oh_tree_t *t) {
    uint64_t sum = 0;
    oh_node_t *root = oh_load_acquire(&t->root);
    return root == NULL ||
           (oh_load_acquire(&root->parent) == NULL && node_valid(t, root, NULL, NULL, &sum));
}
