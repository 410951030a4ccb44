#include "oh_tree.h"
#include "oh_alloc.h"
#include "oh_tree_internal.h"

/* Waits for one leaf's lock that make it split for its writers' sake. */
#define CONTENTION_SPLIT 16
/* Entries up to which contention does not split. */
#define CONTENTION_LIVE_MIN 16
/* Words in cells and arena beyond which a leaf is rebuilt or splits: bounds the time that takes. */
#define LEAF_WORDS_MAX 16384
/* Dead words that a leaf may keep in any case: a rebuild costs an environment. */
#define GARBAGE_WORDS 2048
/* A leaf that shrinks looks for a neighbour to join from so many entries on, and may with one if
 * both have no more than JOIN_MAX. */
#define JOIN_FROM 256
#define JOIN_MAX  512
/* Entries to a page of a new leaf: some are to come between them, or none where they ascend. */
#define PAGE_FILL 48
/* Retired objects that a writer frees after its own retirement. */
#define COLLECT_BUDGET 3

/* --- Life --- */

oh_tree_t *oh_tree_new(const oh_term_ops_t *ops, uint32_t tag) {
    oh_tree_t *t = oh_alloc_aligned(sizeof *t, OH_CACHE_LINE);
    oh_leaf_t *s = oh_leaf_new(ops, 0, false);
    if (t == NULL || s == NULL) {
        if (s != NULL)
            oh_leaf_free(s, false);
        oh_free_aligned((void *)t);
        return NULL;
    }
    memset((void *)t, 0, sizeof *t);
    t->ops = ops;
    t->tag = tag;
    oh_store_release(&t->root, &s->node);
    return t;
}

static void run_free_nodes(oh_reaper_job_t *job) {
    oh_node_free(OH_CONTAINER_OF(job, oh_node_t, job));
}

/* After the grace period: nobody is in a call that began before. */
static void hand_to_reaper(oh_retired_t *retired) {
    oh_node_t *root = OH_CONTAINER_OF(retired, oh_node_t, retired);
    root->job.run = run_free_nodes;
    oh_reaper_push(&root->job);
}

/* Puts another root in the place of all that is there. */
static oh_node_t *exchange_root(oh_tree_t *t, oh_node_t *root) {
    oh_lock(&t->structure_lock);
    oh_node_t *old = oh_load_relaxed(&t->root);
    if (old != NULL) {
        oh_store_relaxed(&t->generation, oh_load_relaxed(&t->generation) + 1);
        oh_store_release(&t->root, root); /* R2: pairs with R1 */
    }
    oh_unlock(&t->structure_lock);
    if (old != NULL) {
        oh_epoch_retire(&old->retired, sizeof(oh_leaf_t), hand_to_reaper);
        oh_reaper_hint();
    }
    return old;
}

bool oh_tree_close(oh_tree_t *t) {
    return exchange_root(t, NULL) != NULL;
}

oh_status_t oh_tree_clear(oh_tree_t *t) {
    /* A list that is being written is written before. */
    oh_lock(&t->many_lock);
    oh_leaf_t *s = oh_leaf_new(t->ops, oh_load_relaxed(&t->generation) + 1, false);
    oh_status_t status = s == NULL                            ? OH_ENOMEM
                         : exchange_root(t, &s->node) == NULL ? OH_CLOSED
                                                              : OH_OK;
    oh_unlock(&t->many_lock);
    if (status == OH_CLOSED)
        oh_leaf_free(s, false);
    return status;
}

bool oh_tree_closed(const oh_tree_t *t) {
    return oh_load_acquire(&t->root) == NULL;
}

void oh_tree_free(oh_tree_t *t) {
    oh_free_aligned((void *)t);
}

/* --- Reading --- */

oh_leaf_t *oh_tree_leaf_for(const oh_tree_t *t, const oh_key_t *key) {
    oh_node_t *node = oh_load_acquire(&t->root); /* R1: pairs with R2 */
    if (node == NULL)
        return NULL;
    /* By the root's level: that of a leaf would be one more line to load. */
    for (uint32_t level = node->level; level > 0; level--) {
        const oh_inner_t *inner = oh_inner_of(node);
        uint32_t i = oh_inner_index(t->ops, inner, key);
        node = oh_load_acquire(&inner->child[i]); /* C1: pairs with C2 */
    }
    oh_leaf_prefetch(oh_leaf_of(node));
    return oh_leaf_of(node);
}

/* Finds key in s as of one instant. */
static void find_stable(oh_leaf_t *s, const oh_key_t *key, oh_place_t *place) {
    unsigned pauses = 1;
    for (int tries = 0; tries < OH_TREE_TRIES; tries++) {
        uint32_t version = oh_load_acquire(&s->version);
        if (oh_likely((version & 1) == 0) && oh_likely(oh_leaf_find(s, version, key, place)))
            return;
        oh_backoff(&pauses);
    }
    oh_lock(&s->lock);
    oh_leaf_find(s, oh_load_relaxed(&s->version), key, place);
    oh_unlock(&s->lock);
}

oh_status_t oh_tree_get(oh_tree_t *t, const oh_key_t *key, oh_entry_t *entry) {
    for (;;) {
        /* Even: no write_many is publishing. Unchanged after the look-up: none has begun or ended
         * meanwhile, so what was found is not half of one. */
        uint64_t sequence = oh_load_acquire(&t->many_sequence); /* Q1: pairs with Q2 and Q3 */
        bool found;
        if (oh_unlikely(sequence & 1) && oh_tree_old(t, key, entry, &found)) {
            if (oh_load_acquire(&t->many_sequence) != sequence)
                continue;
            return found ? OH_OK : OH_NOT_FOUND;
        }
        oh_place_t place;
        oh_leaf_t *s = oh_tree_leaf_for(t, key);
        if (oh_unlikely(s == NULL))
            return OH_CLOSED;
        find_stable(s, key, &place);
        /* Words that write_many stored were loaded by acquire, so this load sees Q2 at least. */
        if (oh_unlikely(oh_load_acquire(&t->many_sequence) != sequence))
            continue;
        if (!place.found)
            return OH_NOT_FOUND;
        oh_form_entry(place.meta & OH_META_FORM, place.key, place.value, entry);
        return OH_OK;
    }
}

/* --- Replacing leaves --- */

/* A leaf with the entries first to last - 1 of s, wide if s is or wide says so; locked, since it
 * will be published so. */
static oh_leaf_t *copy_of(const oh_tree_t *t, const oh_leaf_t *s, uint32_t first, uint32_t last,
                          uint32_t fill, bool wide) {
    oh_leaf_t *to = oh_leaf_new(s->ops, s->generation, wide || s->wide);
    if (to == NULL)
        return NULL;
    if (!oh_leaf_append(to, s, first, last, fill, t->tag)) {
        oh_leaf_free(to, false);
        return NULL;
    }
    oh_lock(&to->lock);
    return to;
}

oh_leaf_t *oh_tree_rebuild(oh_tree_t *t, oh_leaf_t *s, bool wide, oh_status_t *status) {
    oh_leaf_t *to = copy_of(t, s, 0, oh_load_relaxed(&s->live), PAGE_FILL, wide);
    *status = OH_ENOMEM;
    if (to == NULL)
        return NULL;
    oh_link_t link = {.node = &to->node};
    *status = oh_tree_replace(t, &s, 1, &link, 1);
    if (*status != OH_OK) {
        oh_leaf_free(to, false);
        return NULL;
    }
    to->contention = s->contention;
    oh_unlock(&s->lock);
    oh_leaf_retire(s);
    return to;
}

uint32_t oh_tree_middle(const oh_leaf_t *s) {
    uint32_t live = oh_load_relaxed(&s->live), middle = live / 2;
    oh_key_t before = oh_leaf_key(s, middle - 1);
    /* Where prefixes differ, they alone are the separator. */
    for (uint32_t at = middle; at < live && at < middle + live / 8; at++) {
        oh_key_t key = oh_leaf_key(s, at);
        if (key.order != before.order || key.order2 != before.order2)
            return at;
    }
    return middle;
}

oh_status_t oh_tree_split(oh_tree_t *t, oh_leaf_t *s, uint32_t at, const oh_key_t *before,
                          const oh_key_t *begin, oh_leaf_t *half[2], oh_link_t *right) {
    uint32_t live = oh_load_relaxed(&s->live);
    oh_key_t own_before, own_begin;
    if (begin == NULL) {
        own_begin = oh_leaf_key(s, at);
        begin = &own_begin;
    }
    if (before == NULL) {
        own_before = at == 0 ? *begin : oh_leaf_key(s, at - 1);
        before = &own_before;
    }
    oh_link_t link[2] = {{0}, {.order = begin->order, .order2 = begin->order2}};
    oh_status_t status = OH_ENOMEM;
    half[0] = copy_of(t, s, 0, at, at == live ? OH_PAGE_SLOTS : PAGE_FILL, false);
    half[1] = copy_of(t, s, at, live, PAGE_FILL, begin->order2 != 0);
    if (half[0] != NULL && half[1] != NULL && oh_bound_new(s->ops, before, begin, &link[1].bound)) {
        link[0].node = &half[0]->node;
        link[1].node = &half[1]->node;
        status = oh_tree_replace(t, &s, 1, link, 2);
    }
    if (status == OH_OK) {
        *right = link[1];
        oh_unlock(&s->lock);
        oh_leaf_retire(s);
        return OH_OK;
    }
    oh_bound_free(link[1].bound);
    for (int i = 0; i < 2; i++)
        if (half[i] != NULL)
            oh_leaf_free(half[i], false);
    return status;
}

/* Joins s and its neighbour, both locked, to one leaf, which is returned locked. They are unlocked
 * and retired. NULL if that failed. */
static oh_leaf_t *join(oh_tree_t *t, oh_leaf_t *s, oh_leaf_t *other, bool other_is_left) {
    oh_leaf_t *old[2] = {other_is_left ? other : s, other_is_left ? s : other};
    oh_leaf_t *to = copy_of(t, old[0], 0, oh_load_relaxed(&old[0]->live), PAGE_FILL, old[1]->wide);
    if (to == NULL)
        return NULL;
    oh_link_t link = {.node = &to->node};
    if (!oh_leaf_append(to, old[1], 0, oh_load_relaxed(&old[1]->live), PAGE_FILL, t->tag) ||
        oh_tree_replace(t, old, 2, &link, 1) != OH_OK) {
        oh_leaf_free(to, false);
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        oh_unlock(&old[i]->lock);
        oh_leaf_retire(old[i]);
    }
    return to;
}

/* Whether two leaves should be one. An empty one always goes. */
static bool should_join(const oh_leaf_t *a, const oh_leaf_t *b) {
    uint32_t x = oh_load_relaxed(&a->live), y = oh_load_relaxed(&b->live);
    return x == 0 || y == 0 ||
           (x + y <= JOIN_MAX && oh_leaf_words(a) + oh_leaf_words(b) <= LEAF_WORDS_MAX);
}

/* Joins s, locked, to a neighbour that can be locked at once. What it became, locked, or NULL. */
static oh_leaf_t *join_neighbour(oh_tree_t *t, oh_leaf_t *s, bool left) {
    oh_leaf_t *other = oh_tree_sibling(t, s, left), *to = NULL;
    if (other == NULL || !oh_trylock(&other->lock))
        return NULL;
    if (!oh_load_relaxed(&other->replaced) && should_join(s, other))
        to = join(t, s, other, left);
    if (to == NULL)
        oh_unlock(&other->lock);
    return to;
}

/* s, locked, has become smaller: joins it to a neighbour, or frees what it no longer needs. Returns
 * what took its place, or s, locked. */
static oh_leaf_t *shrink(oh_tree_t *t, oh_leaf_t *s) {
    oh_status_t status;
    oh_leaf_t *to = join_neighbour(t, s, false);
    if (to == NULL)
        to = join_neighbour(t, s, true);
    if (to == NULL && (oh_leaf_garbage(s) * 2 > oh_leaf_words(s) ||
                       s->allocated > 2 * oh_load_relaxed(&s->pages)))
        to = oh_tree_rebuild(t, s, false, &status);
    return to == NULL ? s : to;
}

/* --- Making room --- */

typedef enum { KEEP, REBUILD, SPLIT } action_t;

/* Contention alone splits leaves while they are few. */
static bool has_few_leaves(const oh_tree_t *t) {
    const oh_node_t *root = oh_load_acquire(&t->root);
    return root != NULL && root->level <= 1;
}

/* What is to be done before an entry is put at *w, if that can be done. */
static action_t needed_action(const oh_tree_t *t, const oh_write_t *w) {
    const oh_leaf_t *s = w->leaf;
    uint32_t live = oh_load_relaxed(&s->live);
    uint64_t words = oh_leaf_words(s), dead = oh_leaf_garbage(s);
    bool full = live >= OH_LEAF_LIVE_MAX && !w->found;
    bool garbage = dead > GARBAGE_WORDS && dead * 2 > words;
    bool crowded = words > LEAF_WORDS_MAX && live > 1;
    bool contended =
        s->contention >= CONTENTION_SPLIT && live >= CONTENTION_LIVE_MIN && has_few_leaves(t);
    bool scattered = oh_load_relaxed(&s->pages) == OH_LEAF_PAGES;
    bool narrow = oh_leaf_too_narrow(s, &w->key);
    if (oh_likely(!full && !garbage && !crowded && !contended && !scattered && !narrow))
        return KEEP;
    if (narrow)
        return REBUILD;
    bool mostly_live = dead * 4 <= words;
    if (full || contended || (crowded && mostly_live))
        return SPLIT;
    return REBUILD;
}

/* Splits w->leaf for the sake of key, whose half w gets. */
static oh_status_t split_for(oh_tree_t *t, oh_write_t *w, const oh_key_t *key) {
    oh_leaf_t *s = w->leaf, *half[2];
    uint32_t live = oh_load_relaxed(&s->live), last = oh_load_relaxed(&s->pages) - 1;
    bool at_end = !w->found && w->page == last && w->slot == oh_load_relaxed(&s->count[last]) &&
                  live >= OH_LEAF_LIVE_MAX;
    oh_link_t right;
    oh_status_t status = at_end ? oh_tree_split(t, s, live, NULL, key, half, &right)
                                : oh_tree_split(t, s, oh_tree_middle(s), NULL, NULL, half, &right);
    if (status != OH_OK)
        return status;
    bool is_right = oh_link_reaches(t->ops, &right, key);
    w->leaf = half[is_right];
    oh_unlock(&half[!is_right]->lock);
    return OH_OK;
}

/* Makes room for one more entry at *w. On an error nothing is locked any more; OH_BUSY: what is
 * locked is not of this tree any more. */
static oh_status_t make_room(oh_tree_t *t, oh_write_t *w, const oh_key_t *key) {
    action_t action = needed_action(t, w);
    oh_status_t status = OH_OK;
    if (oh_unlikely(action != KEEP)) {
        if (action == SPLIT) {
            status = split_for(t, w, key);
        } else {
            oh_leaf_t *to = oh_tree_rebuild(t, w->leaf, key->order2 != 0, &status);
            if (to != NULL)
                w->leaf = to;
        }
        if (status == OH_CLOSED) {
            oh_unlock(&w->leaf->lock);
            return OH_BUSY;
        }
        /* Without memory the leaf still serves while it has pages. */
        w->retired = status == OH_OK;
        oh_leaf_look(w, key);
    }
    if (w->found || (!oh_leaf_too_narrow(w->leaf, key) &&
                     (oh_load_relaxed(&w->leaf->count[w->page]) < OH_PAGE_SLOTS ||
                      oh_leaf_reserve(w->leaf, 1))))
        return OH_OK;
    oh_unlock(&w->leaf->lock);
    return OH_ENOMEM;
}

/* --- Writing --- */

oh_leaf_t *oh_tree_lock_leaf(oh_tree_t *t, const oh_key_t *key) {
    for (;;) {
        oh_leaf_t *s = oh_tree_leaf_for(t, key);
        if (s == NULL)
            return NULL;
        if (oh_unlikely(!oh_lock(&s->lock)) && s->contention < UINT8_MAX)
            s->contention++;
        if (oh_likely(!oh_load_relaxed(&s->replaced)))
            return s;
        oh_unlock(&s->lock);
    }
}

oh_status_t oh_tree_begin(oh_tree_t *t, oh_write_t *w, const oh_key_t *key, bool room) {
    oh_status_t status;
    w->retired = false;
    do {
        w->leaf = oh_tree_lock_leaf(t, key);
        if (w->leaf == NULL)
            return OH_CLOSED;
        oh_leaf_look(w, key);
        status = room ? make_room(t, w, key) : OH_OK;
    } while (status == OH_BUSY);
    return status;
}

oh_status_t oh_tree_put(oh_tree_t *t, oh_write_t *w, oh_item_t *item) {
    if (!oh_leaf_copy_item(w, item, t->tag))
        return OH_ENOMEM;
    oh_leaf_store_item(w, item);
    w->retired |= w->found && w->entry.box != NULL;
    return OH_OK;
}

void oh_tree_remove(oh_tree_t *t, oh_write_t *w) {
    w->retired |= w->entry.box != NULL;
    oh_leaf_remove(w->leaf, w->page, w->slot);
    uint32_t live = oh_load_relaxed(&w->leaf->live);
    /* Now and then, not each time. */
    if (live <= JOIN_FROM && (live & (live - 1)) == 0) {
        oh_leaf_t *to = shrink(t, w->leaf);
        w->retired |= to != w->leaf;
        w->leaf = to;
    }
}

void oh_tree_end(oh_tree_t *t, oh_write_t *w) {
    (void)t;
    oh_unlock(&w->leaf->lock);
    if (oh_unlikely(w->retired)) {
        oh_epoch_collect(COLLECT_BUDGET);
        oh_reaper_hint();
    }
}
