/*
 * oh_tree_internal: the parts of a tree, and searching them. The layout and the rules for readers
 * and writers stand in oh_tree.h.
 *
 *   oh_tree.c         life of a tree, get, begin, put, remove, end, making room
 *   oh_tree_leaf.c    one leaf: pages and the terms of its entries
 *   oh_tree_inner.c   inner nodes: putting leaves in the place of leaves
 *   oh_tree_walk.c    walking, counting, invariants
 *   oh_tree_many.c    write_many
 */
#ifndef OH_TREE_INTERNAL_H
#define OH_TREE_INTERNAL_H

#include "oh_lock.h"
#include "oh_reaper.h"
#include "oh_terms.h"
#include "oh_tree.h"

#include <string.h>

/* Levels of inner nodes at most: a node has at least two children, mostly 32. */
#define OH_TREE_LEVELS 24

typedef struct oh_inner oh_inner_t;

/* What inner nodes and leaves begin with. */
typedef struct {
    oh_retired_t retired;
    oh_reaper_job_t job;          /* of the root, once the entries were taken away */
    _Atomic(oh_inner_t *) parent; /* NULL: the root; written under structure_lock */
    uint32_t level;               /* 0: a leaf */
} oh_node_t;

/* A separator's key, where the prefix does not tell all. */
typedef struct {
    oh_retired_t retired;
    const oh_term_ops_t *ops;
    void *arena; /* NULL: immediate or flat */
    oh_key_t key;
    oh_word_t flat[];
} oh_bound_t;

/* A node with the separator before it: below it are keys >= the separator. Without a bound, keys
 * whose prefix is >= order. */
typedef struct {
    oh_node_t *node;
    uint64_t order, order2;
    oh_bound_t *bound;
} oh_link_t;

/* The sum of an inner node: a number of entries, or nothing, or a ticket, which has the top bit, of
 * one who counts. */
#define OH_SUM_NONE   UINT64_MAX
#define OH_SUM_TICKET ((uint64_t)1 << 63)

struct oh_inner {
    oh_node_t node;
    uint32_t count;
    _Atomic uint64_t sum;
    uint64_t order[OH_INNER_CHILDREN]; /* the first separator is not looked at */
    uint64_t order2[OH_INNER_CHILDREN];
    oh_bound_t *bound[OH_INNER_CHILDREN];
    _Atomic(oh_node_t *) child[OH_INNER_CHILDREN];
};

typedef struct {
    _Atomic oh_word_t key;   /* nothing if it stands in a cell */
    _Atomic oh_word_t value; /* a term, an oh_box_t or an oh_cell_t */
} oh_page_slot_t;

typedef struct {
    _Atomic uint64_t order[OH_PAGE_SLOTS];
    oh_page_slot_t slot[OH_PAGE_SLOTS];
    _Atomic uint8_t meta[OH_PAGE_SLOTS]; /* form, whether the key is immediate, size class */
    _Atomic uint64_t order2[];           /* OH_PAGE_SLOTS in a wide leaf, else none */
} oh_page_t;

struct oh_leaf {
    /* Never change after publication. */
    oh_node_t node;
    const oh_term_ops_t *ops;
    uint64_t generation; /* of the tree's entries: see clear */
    bool wide;           /* else order2 of all keys is 0, and stands nowhere */

    /* Guarded by lock. What each put writes is in the first line, what readers look at in the
     * second. */
    _Alignas(OH_CACHE_LINE) oh_lock_t lock;
    uint8_t contention; /* how often a writer had to wait */
    oh_cells_t cells;

    _Alignas(OH_CACHE_LINE) _Atomic uint32_t version; /* odd while entries move */
    _Atomic uint32_t pages; /* of which all but the only one hold entries */
    _Atomic uint32_t live;
    _Atomic bool replaced;
    uint32_t allocated; /* pages, those from `pages` on in reserve */
    oh_terms_t terms;

    _Alignas(OH_CACHE_LINE) _Atomic uint8_t count[OH_LEAF_PAGES];
    /* Keys with smaller prefixes stand before the page. */
    _Atomic uint64_t fence[OH_LEAF_PAGES];
    _Atomic uint64_t fence2[OH_LEAF_PAGES];
    _Atomic(oh_page_t *) page[OH_LEAF_PAGES];
};

_Static_assert(offsetof(oh_leaf_t, version) - offsetof(oh_leaf_t, lock) == OH_CACHE_LINE,
               "what puts write has a line");

/* What readers look up while write_many publishes: what its keys held before. */
typedef struct {
    oh_retired_t retired;
    size_t count;
    struct oh_tree_old {
        oh_key_t key;
        oh_entry_t old;
        bool found;
    } item[]; /* in order */
} oh_tree_many_t;

struct oh_tree {
    /* Read by every call, written seldom. */
    const oh_term_ops_t *ops;
    uint32_t tag;
    _Atomic(oh_node_t *) root;      /* NULL: closed; written under structure_lock */
    _Atomic uint64_t many_sequence; /* odd while write_many publishes */
    _Atomic(oh_tree_many_t *) many; /* set while many_sequence is odd */
    _Atomic uint64_t generation;    /* how often cleared; written under structure_lock */

    _Alignas(OH_CACHE_LINE) oh_lock_t structure_lock;
    oh_lock_t many_lock; /* one write_many at a time */
    _Atomic uint64_t tickets;
};

static inline oh_inner_t *oh_inner_of(oh_node_t *node) {
    return (oh_inner_t *)node;
}

static inline oh_leaf_t *oh_leaf_of(oh_node_t *node) {
    return (oh_leaf_t *)node;
}

/* --- Comparing --- */

static inline bool oh_key_same_flat(const oh_key_t *a, const oh_key_t *b) {
    return a->flat_words > 0 && a->flat_words == b->flat_words &&
           memcmp(a->flat, b->flat, a->flat_words * sizeof(oh_word_t)) == 0;
}

/* The order of two keys with equal prefixes. */
static inline int oh_key_tie(const oh_term_ops_t *ops, const oh_key_t *a, const oh_key_t *b) {
    if (a->word == b->word && a->word != OH_WORD_NONE)
        return 0;
    if (oh_key_same_flat(a, b))
        return 0;
    return ops->compare(a, b);
}

static inline int oh_key_compare(const oh_term_ops_t *ops, const oh_key_t *a, const oh_key_t *b) {
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    if (a->order2 != b->order2)
        return a->order2 < b->order2 ? -1 : 1;
    return oh_key_tie(ops, a, b);
}

/* The first of count ascending words that is >= x, or count. No branch to mispredict. Order:
 * acquire. */
OH_ALWAYS_INLINE uint32_t oh_lower_bound(const _Atomic uint64_t *words, uint32_t count,
                                         uint64_t x) {
    const _Atomic uint64_t *base = words;
    if (count == 0)
        return 0;
    while (count > 1) {
        uint32_t half = count / 2;
        base = oh_load_acquire(&base[half - 1]) < x ? base + half : base;
        count -= half;
    }
    return (uint32_t)(base - words) + (oh_load_acquire(base) < x);
}

/* --- Inner nodes --- */

/* How many of count ascending words are < x, or <= x, which is below UINT64_MAX. */
OH_ALWAYS_INLINE uint32_t oh_count_below(const uint64_t *words, uint32_t count, uint64_t x,
                                         bool or_equal) {
    const uint64_t *base = words;
    if (count == 0)
        return 0;
    while (count > 1) {
        uint32_t half = count / 2;
        base = base[half - 1] < x + or_equal ? base + half : base;
        count -= half;
    }
    return (uint32_t)(base - words) + (*base < x + or_equal);
}

/* The child where key is, if it is anywhere: the last one whose separator is <= key, or the
 * first. */
static inline uint32_t oh_inner_index(const oh_term_ops_t *ops, const oh_inner_t *inner,
                                      const oh_key_t *key) {
    const uint64_t *order2 = inner->order2 + 1;
    uint32_t high = oh_count_below(inner->order + 1, inner->count - 1, key->order, true);
    if (oh_likely(high == 0 || inner->order[high] != key->order))
        return high;
    /* Those with key's first word, then with the second, too. */
    uint32_t low = oh_count_below(inner->order + 1, high, key->order, false);
    high = low + oh_count_below(order2 + low, high - low, key->order2, true);
    if (high == low || inner->order2[high] != key->order2 || inner->bound[high] == NULL)
        return high;
    low += oh_count_below(order2 + low, high - low, key->order2, false);
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        const oh_bound_t *bound = inner->bound[middle];
        if (bound == NULL || oh_key_tie(ops, key, &bound->key) >= 0)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* Whether key belongs to the link's node or beyond, not before it. */
static inline bool oh_link_reaches(const oh_term_ops_t *ops, const oh_link_t *link,
                                   const oh_key_t *key) {
    if (key->order != link->order)
        return key->order > link->order;
    if (key->order2 != link->order2)
        return key->order2 > link->order2;
    return link->bound == NULL || oh_key_tie(ops, key, &link->bound->key) >= 0;
}

/* A bound for key, if the prefix of the key before it is the same: else NULL is what is needed.
 * False when memory is out. */
bool oh_bound_new(const oh_term_ops_t *ops, const oh_key_t *before, const oh_key_t *key,
                  oh_bound_t **bound);
void oh_bound_free(oh_bound_t *bound);

/*
 * Puts new_count (1 to 2) leaves in the place of old_count (1 to 2) locked ones that have the same
 * parent and stand side by side from old[0] on. The new ones' links have the separators before
 * them, but for the first, which takes the old one's. OH_ENOMEM; OH_CLOSED if the entries were
 * taken away; OH_BUSY if two old ones have no longer one parent: nothing changed, and the bounds
 * are still the caller's. Retires what is no longer needed above the
 * leaves, but not them; they are marked as replaced.
 */
oh_status_t oh_tree_replace(oh_tree_t *t, oh_leaf_t *const old[], uint32_t old_count,
                            const oh_link_t *new_links, uint32_t new_count);

/* The leaf on the left or right of s under the same parent, or NULL. Who locks it must look whether
 * it was replaced. */
oh_leaf_t *oh_tree_sibling(oh_tree_t *t, const oh_leaf_t *s, bool left);

/* Frees a node and all below; nobody reads any more. */
void oh_node_free(oh_node_t *node);

/* An entry came or went in s, locked: the nodes above forget their sums. */
static inline void oh_tree_uncount(const oh_leaf_t *s) {
    for (oh_inner_t *inner = oh_load_acquire(&s->node.parent);
         inner != NULL && oh_load_relaxed(&inner->sum) != OH_SUM_NONE;
         inner = oh_load_acquire(&inner->node.parent))
        oh_store_relaxed(&inner->sum, OH_SUM_NONE);
}

/* --- Leaves --- */

/* Where a key is in a leaf, or would be: before that slot, which may be the page's count. */
typedef struct {
    uint32_t page, slot;
    bool found;
    uint32_t meta; /* of the entry found, with its words */
    oh_word_t key, value;
} oh_place_t;

/* True if nothing moved since the version, an even one, was loaded. Loads that came before are
 * acquire, so this one comes after them. */
static inline bool oh_leaf_still(const oh_leaf_t *s, uint32_t version) {
    return oh_load_relaxed(&s->version) == version; /* see (B1) in oh_tree.h */
}

/* The key of a slot's words, for comparing; without its prefix. */
static inline void oh_slot_key(uint32_t meta, oh_word_t key, oh_word_t value, oh_key_t *out) {
    out->word = key;
    out->immediate = (meta & OH_META_IMM) != 0;
    out->flat_words = 0;
    out->flat = NULL;
    if ((meta & OH_META_FORM) == OH_FORM_CELL && !out->immediate) {
        const oh_cell_t *cell = oh_cell_of(value);
        out->flat_words = cell->key_words;
        out->flat = cell->word;
    }
}

/* Finds key's place as of version. False: entries moved meanwhile, and *place is nothing. A writer
 * that has the lock gives the leaf's own version. */
bool oh_leaf_find(const oh_leaf_t *s, uint32_t version, const oh_key_t *key, oh_place_t *place);

/* In a tree beyond the caches each line of a leaf misses: let those miss together that a search
 * will touch, of a leaf with about as many pages as most have. */
static inline void oh_leaf_prefetch(const oh_leaf_t *s) {
    enum { PAGES = 24 };
    __builtin_prefetch((const void *)&s->version);
    __builtin_prefetch((const void *)s->count);
    for (uint32_t i = 0; i < PAGES; i += OH_CACHE_LINE / sizeof s->fence[0]) {
        __builtin_prefetch((const void *)&s->fence[i]);
        __builtin_prefetch((const void *)&s->page[i]);
    }
}

oh_leaf_t *oh_leaf_new(const oh_term_ops_t *ops, uint64_t generation, bool wide);
/* Frees a leaf that was never published, or whose readers are gone. With entries, its boxes too. */
void oh_leaf_free(oh_leaf_t *s, bool with_boxes);
/* Retires a leaf that was replaced. */
void oh_leaf_retire(oh_leaf_t *s);
size_t oh_leaf_bytes(const oh_leaf_t *s);

/* --- The rest is called with the lock held. --- */

/* Looks key up for writing. */
static inline void oh_leaf_look(oh_write_t *w, const oh_key_t *key) {
    oh_place_t place;
    oh_leaf_find(w->leaf, oh_load_relaxed(&w->leaf->version), key, &place);
    w->key = *key;
    w->found = place.found;
    w->page = place.page;
    w->slot = place.slot;
    if (place.found)
        oh_form_entry(place.meta & OH_META_FORM, place.key, place.value, &w->entry);
}

/* Whether an entry with the key, which is not there, has no place for all of its prefix. */
static inline bool oh_leaf_too_narrow(const oh_leaf_t *s, const oh_key_t *key) {
    return oh_unlikely(key->order2 != 0) && !s->wide;
}

/* Has pages in reserve, so that so many more can be opened. False when memory is out or the leaf's
 * index would be full. */
bool oh_leaf_reserve(oh_leaf_t *s, uint32_t pages);

/* Copies item's terms into the leaf's arena or cells, as far as storing it at *w needs them there.
 * False when memory is out: nothing is published. tag is for ops->object_key. */
bool oh_leaf_copy_item(const oh_write_t *w, oh_item_t *item, uint32_t tag);
/* Gives back what copy_item took, as far as it can be used again: the item is not stored. */
void oh_leaf_drop_item(const oh_write_t *w, const oh_item_t *item);
/* Stores what was copied: where the entry found is, or in a new slot there; if its page is full,
 * one must be in reserve. Order: release. */
void oh_leaf_store_item(const oh_write_t *w, const oh_item_t *item);
/* Takes the entry out. A box is retired. */
void oh_leaf_remove(oh_leaf_t *s, uint32_t page, uint32_t slot);

/* Words in the arena and cells, and how many of them hold nothing that is needed, at least. */
uint64_t oh_leaf_words(const oh_leaf_t *s);
uint64_t oh_leaf_garbage(const oh_leaf_t *s);

/* Appends copies of from's entries number first to last - 1 to a leaf that is not yet published,
 * fill to a page. False when memory is out: to must be freed without boxes. */
bool oh_leaf_append(oh_leaf_t *to, const oh_leaf_t *from, uint32_t first, uint32_t last,
                    uint32_t fill, uint32_t tag);

/* The key of entry number n, with its words where the leaf has them. */
oh_key_t oh_leaf_key(const oh_leaf_t *s, uint32_t n);

/* The invariants of one leaf. */
bool oh_leaf_valid(const oh_leaf_t *s);

/* --- The tree --- */

/* The leaf for key (NULL: the first one), locked; NULL if the tree is closed. */
oh_leaf_t *oh_tree_lock_leaf(oh_tree_t *t, const oh_key_t *key);

/* The leaf for key as it is now, perhaps replaced the next moment; NULL if the tree is closed. */
oh_leaf_t *oh_tree_leaf_for(const oh_tree_t *t, const oh_key_t *key);

/* Splits s, locked, before its entry number at: keys from begin on go to the right half, keys up to
 * before to the left. NULL for begin means that entry, for before the one before it. Both halves
 * are returned locked, and *right tells which keys belong to the right one; s is unlocked and
 * retired. On an error nothing changed. */
oh_status_t oh_tree_split(oh_tree_t *t, oh_leaf_t *s, uint32_t at, const oh_key_t *before,
                          const oh_key_t *begin, oh_leaf_t *half[2], oh_link_t *right);

/* A good place to split in the middle. */
uint32_t oh_tree_middle(const oh_leaf_t *s);

/* Replaces s, locked, by a copy without garbage, wide if s is or wide says so, which is returned
 * locked; s is unlocked and retired. NULL on an error, when nothing changed. */
oh_leaf_t *oh_tree_rebuild(oh_tree_t *t, oh_leaf_t *s, bool wide, oh_status_t *status);

/* While write_many publishes: true if key is one of its keys, then *found and *entry are what the
 * key held before. */
bool oh_tree_old(const oh_tree_t *t, const oh_key_t *key, oh_entry_t *entry, bool *found);

/* Waits until write_many has published. */
static inline void oh_tree_wait_many(oh_tree_t *t) {
    oh_lock(&t->many_lock);
    oh_unlock(&t->many_lock);
}

#endif
