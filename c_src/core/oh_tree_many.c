/*
 * write_many: several entries as one change.
 *
 * Its leaves are locked from left to right, room and terms are prepared; nothing is visible yet but
 * leaves that were split or rebuilt. Then what the keys held before is published as the tree's
 * `many`, many_sequence becomes odd, the entries are written, many_sequence becomes even: that
 * store is the commit. A reader that meets an odd sequence takes the old entries from `many`, a
 * walker waits; one whose look saw the sequence change looks again.
 */
#include "oh_alloc.h"
#include "oh_tree_internal.h"

/* Items beyond which a leaf with few entries of its own splits among them. */
#define OWN_LIVE_MAX (OH_LEAF_LIVE_MAX / 2)

bool oh_tree_old(const oh_tree_t *t, const oh_key_t *key, oh_entry_t *entry, bool *found) {
    const oh_tree_many_t *many = oh_load_acquire(&t->many);
    size_t low = 0, high = many == NULL ? 0 : many->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct oh_tree_old *item = &many->item[middle];
        int order = oh_key_compare(t->ops, key, &item->key);
        if (order == 0) {
            *entry = item->old;
            *found = item->found;
            return true;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

/* --- The items in order --- */

static void merge(const oh_term_ops_t *ops, oh_item_t **from, size_t middle, size_t end,
                  oh_item_t **to) {
    size_t a = 0, b = middle;
    for (size_t i = 0; i < end; i++) {
        bool left =
            b >= end || (a < middle && oh_key_compare(ops, &from[a]->key, &from[b]->key) <= 0);
        to[i] = left ? from[a++] : from[b++];
    }
}

/* Sorts stably, with room for as many again. What it returns is one of the two. */
static oh_item_t **sort(const oh_term_ops_t *ops, oh_item_t **items, oh_item_t **other,
                        size_t count) {
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t at = 0; at < count; at += 2 * width) {
            size_t end = count - at < 2 * width ? count - at : 2 * width;
            merge(ops, items + at, width < end ? width : end, end, other + at);
        }
        oh_item_t **sorted = other;
        other = items;
        items = sorted;
    }
    return items;
}

/* Of items with the same key the last one stays, at the front; the others go to the end. Returns
 * how many stay. */
static size_t drop_replaced(const oh_term_ops_t *ops, oh_item_t **items, oh_item_t **dropped,
                            size_t count) {
    size_t kept = 0, gone = 0;
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && oh_key_compare(ops, &items[i]->key, &items[i + 1]->key) == 0)
            dropped[gone++] = items[i];
        else
            items[kept++] = items[i];
    }
    memcpy(items + kept, dropped, gone * sizeof *items);
    return kept;
}

/* --- Locking --- */

/* Locks the leaves of the items, in order; false if the tree is closed. *locked is how many items
 * have their leaf. */
static bool lock_all(oh_tree_t *t, oh_item_t **items, size_t count, size_t *locked) {
    oh_leaf_t *s = NULL;
    for (size_t i = 0; i < count; i++) {
        /* What is locked is not replaced, so whoever asks finds it. */
        if (s == NULL || oh_tree_leaf_for(t, &items[i]->key) != s)
            s = oh_tree_lock_leaf(t, &items[i]->key);
        *locked = i;
        if (s == NULL)
            return false;
        items[i]->at.leaf = s;
    }
    *locked = count;
    return true;
}

static void unlock_all(oh_item_t **items, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (i + 1 == count || items[i + 1]->at.leaf != items[i]->at.leaf)
            oh_unlock(&items[i]->at.leaf->lock);
}

/* --- Room --- */

/* The items from first on that belong to the same leaf end here. */
static size_t end_of_leaf(oh_item_t **items, size_t count, size_t first) {
    size_t end = first + 1;
    while (end < count && items[end]->at.leaf == items[first]->at.leaf)
        end++;
    return end;
}

/* Looks the items up; returns how many are new. */
static uint32_t look(oh_item_t **items, size_t first, size_t end) {
    uint32_t new = 0;
    for (size_t i = first; i < end; i++) {
        oh_leaf_look(&items[i]->at, &items[i]->key);
        new += !items[i]->at.found;
    }
    return new;
}

/* How many entries stand before the item. */
static uint32_t number_of(const oh_item_t *item) {
    uint32_t n = item->at.slot;
    for (uint32_t p = 0; p < item->at.page; p++)
        n += oh_load_relaxed(&item->at.leaf->count[p]);
    return n;
}

/* Splits the leaf of the items, among its own entries if these are many, else among the items. A
 * half without items is unlocked. */
static oh_status_t split(oh_tree_t *t, oh_item_t **items, size_t first, size_t end) {
    oh_leaf_t *s = items[first]->at.leaf, *half[2];
    oh_link_t right;
    oh_status_t status;
    if (oh_load_relaxed(&s->live) > OWN_LIVE_MAX) {
        status = oh_tree_split(t, s, oh_tree_middle(s), NULL, NULL, half, &right);
    } else {
        size_t middle = first + (end - first) / 2;
        uint32_t at = number_of(items[middle]);
        oh_key_t last = items[middle - 1]->key;
        if (at > 0) {
            oh_key_t entry = oh_leaf_key(s, at - 1);
            if (oh_key_compare(t->ops, &entry, &last) > 0)
                last = entry;
        }
        status = oh_tree_split(t, s, at, &last, &items[middle]->key, half, &right);
    }
    if (status != OH_OK)
        return status;
    bool used[2] = {false, false};
    for (size_t i = first; i < end; i++) {
        bool is_right = oh_link_reaches(t->ops, &right, &items[i]->key);
        items[i]->at.leaf = half[is_right];
        used[is_right] = true;
    }
    for (int i = 0; i < 2; i++)
        if (!used[i])
            oh_unlock(&half[i]->lock);
    return OH_OK;
}

/* Pages that the new items may open: a full one becomes two halves, or one full and one empty. */
static uint32_t pages_needed(oh_item_t **items, size_t first, size_t end) {
    uint32_t pages = 0;
    for (size_t i = first; i < end;) {
        uint32_t page = items[i]->at.page, new = 0;
        for (; i < end && items[i]->at.page == page; i++)
            new += !items[i]->at.found;
        if (new + oh_load_relaxed(&items[first]->at.leaf->count[page]) > OH_PAGE_SLOTS) {
            uint32_t opened = 2 + new / (OH_PAGE_SLOTS / 2 - 1);
            pages += opened < new ? opened : new;
        }
    }
    return pages;
}

static bool any_too_narrow(oh_item_t **items, size_t first, size_t end) {
    bool narrow = false;
    for (size_t i = first; i < end; i++)
        narrow = narrow || oh_leaf_too_narrow(items[i]->at.leaf, &items[i]->key);
    return narrow;
}

/* Makes room for the items of one leaf that are new; *end becomes where those of the first leaf
 * end, if it must split. */
static oh_status_t make_room(oh_tree_t *t, oh_item_t **items, size_t first, size_t *end) {
    oh_status_t status;
    for (;;) {
        uint32_t new = look(items, first, *end);
        oh_leaf_t *s = items[first]->at.leaf;
        if (oh_load_relaxed(&s->live) + (uint64_t) new <= OH_LEAF_LIVE_MAX || *end - first < 2)
            break;
        if ((status = split(t, items, first, *end)) != OH_OK)
            return status;
        *end = end_of_leaf(items, *end, first);
    }
    bool narrow = any_too_narrow(items, first, *end);
    if (!narrow && oh_leaf_reserve(items[first]->at.leaf, pages_needed(items, first, *end)))
        return OH_OK;
    oh_leaf_t *to = oh_tree_rebuild(t, items[first]->at.leaf, narrow, &status);
    if (to == NULL)
        return status;
    for (size_t i = first; i < *end; i++)
        items[i]->at.leaf = to;
    look(items, first, *end);
    return oh_leaf_reserve(to, pages_needed(items, first, *end)) ? OH_OK : OH_ENOMEM;
}

static oh_status_t make_room_all(oh_tree_t *t, oh_item_t **items, size_t count) {
    for (size_t first = 0, end; first < count; first = end) {
        end = end_of_leaf(items, count, first);
        oh_status_t status = make_room(t, items, first, &end);
        if (status != OH_OK)
            return status;
    }
    return OH_OK;
}

/* --- Preparing --- */

/* Copies the items' terms; fills in what was there before. */
static oh_status_t prepare(const oh_tree_t *t, oh_item_t **items, size_t count,
                           oh_tree_many_t *many) {
    for (size_t i = 0; i < count; i++) {
        oh_item_t *item = items[i];
        if (!oh_leaf_copy_item(&item->at, item, t->tag)) {
            while (i-- > 0)
                oh_leaf_drop_item(&items[i]->at, items[i]);
            return OH_ENOMEM;
        }
        many->item[i] = (struct oh_tree_old){item->key, item->at.entry, item->at.found};
        oh_terms_own_key(&many->item[i].key, item);
    }
    return OH_OK;
}

static bool any_found(oh_item_t **items, size_t count) {
    return look(items, 0, count) < count;
}

static void publish(oh_tree_t *t, oh_item_t **items, size_t count, oh_tree_many_t *many) {
    uint64_t sequence = oh_load_relaxed(&t->many_sequence);
    oh_store_release(&t->many, many);
    oh_store_release(&t->many_sequence, sequence + 1); /* Q2: pairs with Q1 */
    for (size_t i = 0; i < count; i++) {
        /* Those before may have moved its place. */
        oh_leaf_look(&items[i]->at, &items[i]->key);
        oh_leaf_store_item(&items[i]->at, items[i]);
    }
    oh_store_release(&t->many_sequence, sequence + 2); /* Q3, the commit: pairs with Q1 */
    oh_store_release(&t->many, NULL);
}

static void free_retired_many(oh_retired_t *retired) {
    oh_free(OH_CONTAINER_OF(retired, oh_tree_many_t, retired));
}

static oh_status_t write_sorted(oh_tree_t *t, oh_item_t **items, size_t count, bool only_new) {
    size_t bytes = sizeof(oh_tree_many_t) + count * sizeof(struct oh_tree_old);
    oh_tree_many_t *many = oh_alloc(bytes);
    if (many == NULL)
        return OH_ENOMEM;
    many->count = count;
    oh_lock(&t->many_lock);
    oh_status_t status = OH_CLOSED;
    size_t locked;
    if (lock_all(t, items, count, &locked)) {
        if (only_new && any_found(items, count))
            status = OH_EXISTS;
        else if ((status = make_room_all(t, items, count)) == OH_OK &&
                 (status = prepare(t, items, count, many)) == OH_OK)
            publish(t, items, count, many);
    }
    unlock_all(items, locked);
    oh_unlock(&t->many_lock);
    if (status == OH_OK)
        oh_epoch_retire(&many->retired, bytes, free_retired_many);
    else
        oh_free(many);
    oh_reaper_hint();
    return status;
}

oh_status_t oh_tree_write_many(oh_tree_t *t, oh_item_t *items, size_t count, bool only_new) {
    if (count > UINT32_MAX)
        return OH_LIMIT;
    if (count == 0)
        return oh_tree_closed(t) ? OH_CLOSED : OH_OK;
    oh_item_t **pointers = oh_alloc(2 * count * sizeof *pointers);
    if (pointers == NULL)
        return OH_ENOMEM;
    for (size_t i = 0; i < count; i++)
        pointers[i] = &items[i];
    oh_item_t **sorted = sort(t->ops, pointers, pointers + count, count);
    size_t kept =
        drop_replaced(t->ops, sorted, sorted == pointers ? pointers + count : pointers, count);
    oh_status_t status = write_sorted(t, sorted, kept, only_new);
    for (size_t i = kept; status == OH_OK && i < count; i++)
        if (sorted[i]->box != NULL)
            oh_box_free(sorted[i]->box);
    oh_free(pointers);
    return status;
}
