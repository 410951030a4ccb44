/*
 * write_many: several entries as one change.
 *
 * Its segments are locked in the order of their hashes, room and terms are prepared; nothing is
 * visible yet. Then what the keys held before is published as the table's `many`, many_sequence
 * becomes odd, the slots are written, many_sequence becomes even: that store is the commit. A
 * reader that meets an odd sequence takes the old entries from `many`; one whose look-up saw the
 * sequence change looks again.
 */
#include "oh_alloc.h"
#include "oh_segment.h"
#include "oh_table_bag.h"
#include "oh_table_internal.h"

#include <stdlib.h>
#include <string.h>

/* Keys of calls, or of the record below: what has no flat form or no term is not to be compared by
 * it. */
static bool same_key(const oh_table_t *t, const oh_key_t *a, const oh_key_t *b) {
    if (a->hash != b->hash || a->immediate != b->immediate)
        return false;
    if (a->immediate)
        return a->word == b->word;
    if (a->flat_words > 0 && b->flat_words > 0)
        return a->flat_words == b->flat_words &&
               memcmp(a->flat, b->flat, a->flat_words * sizeof *a->flat) == 0;
    return a->word != OH_WORD_NONE && b->word != OH_WORD_NONE && t->ops->equal(a->word, b->word);
}

bool oh_many_old(const oh_table_t *t, const oh_key_t *key, oh_entry_t *entry, bool *found) {
    const oh_many_t *many = oh_load_acquire(&t->many);
    const oh_directory_t *d = oh_load_acquire(&t->directory); /* D1: pairs with D2 */
    /* Once the table is cleared, what the keys held before is not for who looks into it now. */
    if (many == NULL || d == NULL || d->generation != many->generation)
        return false;
    size_t low = 0, high = many->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (many->item[middle].key.hash < key->hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < many->count && many->item[low].key.hash == key->hash; low++) {
        const struct oh_many_old *item = &many->item[low];
        if (same_key(t, &item->key, key)) {
            *entry = item->old;
            *found = item->found;
            return true;
        }
    }
    return false;
}

static int by_hash(const void *a, const void *b) {
    const oh_item_t *x = a, *y = b;
    if (x->key.hash != y->key.hash)
        return x->key.hash < y->key.hash ? -1 : 1;
    return x->order > y->order ? -1 : x->order < y->order;
}

/* Sorts the items by hash, moves those that a later item of the same key replaces to the end, and
 * returns how many remain. */
static size_t sort_items(const oh_table_t *t, oh_item_t *items, size_t count) {
    for (size_t i = 0; i < count; i++)
        items[i].order = (uint32_t)i;
    qsort(items, count, sizeof *items, by_hash);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        /* Equal hashes stand together, the last item of the list first. */
        bool earlier = false;
        for (size_t j = kept; j > 0 && items[j - 1].key.hash == items[i].key.hash && !earlier; j--)
            earlier = same_key(t, &items[j - 1].key, &items[i].key);
        if (earlier)
            continue;
        oh_item_t item = items[i];
        items[i] = items[kept];
        items[kept++] = item;
    }
    return kept;
}

/* Whether items i and i + 1 lie in different segments. */
static bool last_of_segment(const oh_item_t *items, size_t count, size_t i) {
    return i + 1 == count || items[i].at.segment != items[i + 1].at.segment;
}

static void unlock_all(oh_item_t *items, size_t locked) {
    for (size_t i = 0; i < locked; i++)
        if (last_of_segment(items, locked, i))
            oh_unlock(&items[i].at.segment->lock);
}

/* False if the table is closed. */
static bool get_generation(const oh_table_t *t, uint32_t *generation) {
    const oh_directory_t *d = oh_load_acquire(&t->directory); /* D1: pairs with D2 */
    if (d != NULL)
        *generation = d->generation;
    return d != NULL;
}

/* Locks every item's segment, ascending. Returns how many items got theirs. */
static size_t lock_all(oh_table_t *t, oh_item_t *items, size_t count) {
    for (size_t i = 0; i < count; i++) {
        oh_segment_t *last = i > 0 ? items[i - 1].at.segment : NULL;
        bool same = last != NULL && (last->depth == 0 ||
                                     (items[i].key.hash ^ last->prefix) >> (32 - last->depth) == 0);
        items[i].at.segment = same ? last : oh_table_lock_segment(t, items[i].key.hash);
        if (items[i].at.segment == NULL)
            return i;
    }
    return count;
}

/* Slots that the items from first to last need: one a key, which in a bag may have many. Where keys
 * of one hash stand mixed, some count twice. */
static uint32_t slots_for(const oh_table_t *t, const oh_item_t *items, size_t first, size_t last) {
    uint32_t slots = 1;
    for (size_t i = first + 1; i <= last; i++)
        slots += !same_key(t, &items[i - 1].key, &items[i].key);
    return slots;
}

/* Makes room for the items of each segment. */
static oh_status_t make_room_all(oh_table_t *t, oh_item_t *items, size_t count) {
    oh_status_t status = OH_OK;
    for (size_t i = 0, first = 0; i < count; i++) {
        if (!last_of_segment(items, count, i))
            continue;
        oh_segment_t *s = items[i].at.segment;
        uint32_t more = slots_for(t, items, first, i);
        if (s->used + more > oh_segment_capacity(s)) {
            s = oh_table_rebuild(t, s, more, &status);
            if (s == NULL)
                return status;
            for (size_t j = first; j <= i; j++)
                items[j].at.segment = s;
        }
        first = i + 1;
    }
    return OH_OK;
}

/* Locks every item's segment, all of one generation, and makes room. On an error nothing is
 * locked. */
static oh_status_t lock_roomy(oh_table_t *t, oh_item_t *items, size_t count, uint32_t *generation) {
    for (;;) {
        oh_status_t status = OH_CLOSED;
        size_t locked = 0;
        if (get_generation(t, generation) && (locked = lock_all(t, items, count)) == count) {
            uint32_t now;
            status = !get_generation(t, &now) ? OH_CLOSED
                     : now != *generation     ? OH_BUSY
                                              : make_room_all(t, items, count);
            if (status == OH_OK)
                return OH_OK;
        }
        unlock_all(items, locked);
        if (status != OH_BUSY)
            return status;
    }
}

/* Looks the items up and copies their terms; fills in what was there before. */
static oh_status_t prepare(oh_table_t *t, oh_item_t *items, size_t count, bool only_new,
                           oh_many_t *many) {
    for (size_t i = 0; i < count; i++) {
        oh_segment_look(&items[i].at, &items[i].key);
        if (items[i].at.found && only_new)
            return OH_EXISTS;
    }
    for (size_t i = 0; i < count; i++) {
        if (!oh_segment_copy_item(&items[i].at, &items[i], t->tag)) {
            while (i > 0) {
                i--;
                oh_segment_drop_item(&items[i].at, &items[i]);
            }
            return OH_ENOMEM;
        }
        many->item[i] = (struct oh_many_old){items[i].key, items[i].at.entry, items[i].at.found};
        oh_terms_own_key(&many->item[i].key, &items[i]);
    }
    return OH_OK;
}

/* --- Tables with many objects a key: an edit for each key --- */

static int by_hash_in_order(const void *a, const void *b) {
    const oh_item_t *x = a, *y = b;
    if (x->key.hash != y->key.hash)
        return x->key.hash < y->key.hash ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static void sort_in_order(oh_item_t *items, size_t count) {
    for (size_t i = 0; i < count; i++)
        items[i].order = (uint32_t)i;
    qsort(items, count, sizeof *items, by_hash_in_order);
}

/* The edit of the item's key, begun now or by an item before. Equal hashes stand together. */
static oh_edit_t *edit_of(oh_table_t *t, oh_item_t *item, oh_edit_t *edits, size_t *count) {
    for (size_t j = *count; j > 0 && edits[j - 1].w.key.hash == item->key.hash; j--)
        if (same_key(t, &edits[j - 1].w.key, &item->key))
            return &edits[j - 1];
    oh_segment_look(&item->at, &item->key);
    if (item->at.found)
        oh_entry_set_version(&item->at.entry);
    oh_edit_begin(&edits[*count], t, &item->at);
    return &edits[(*count)++];
}

/* Prepares the edits and fills in what was there before. On an error nothing remains. */
static oh_status_t prepare_edits(oh_table_t *t, oh_item_t *items, size_t count, bool only_new,
                                 oh_edit_t *edits, oh_many_t *many) {
    oh_status_t status = OH_OK;
    size_t n = 0;
    for (size_t i = 0; i < count && status == OH_OK; i++) {
        oh_edit_t *e = edit_of(t, &items[i], edits, &n);
        if (only_new && e->w.found)
            status = OH_EXISTS;
        else if ((status = oh_edit_add(e, &items[i])) == OH_EXISTS)
            status = OH_OK;
    }
    for (size_t j = 0; j < n && status == OH_OK; j++) {
        status = oh_edit_prepare(&edits[j]);
        many->item[j] = (struct oh_many_old){edits[j].w.key, edits[j].w.entry, edits[j].w.found};
        oh_edit_own_key(&edits[j], &many->item[j].key);
    }
    many->count = n;
    for (size_t j = 0; j < n && status != OH_OK; j++)
        oh_edit_abort(&edits[j]);
    return status;
}

static void free_retired_many(oh_retired_t *retired) {
    oh_free(OH_CONTAINER_OF(retired, oh_many_t, retired));
}

oh_status_t oh_table_write_many(oh_table_t *t, oh_item_t *items, size_t count, bool only_new) {
    if (count > UINT32_MAX)
        return OH_LIMIT;
    bool bag = t->type != OH_TABLE_SET;
    size_t all = count;
    if (bag)
        sort_in_order(items, count);
    else
        count = sort_items(t, items, all);
    size_t bytes = sizeof(oh_many_t) + count * sizeof(struct oh_many_old);
    oh_many_t *many = oh_alloc(bytes);
    oh_edit_t *edits = bag ? oh_alloc(count * sizeof *edits) : NULL;
    if (many == NULL || (bag && edits == NULL)) {
        oh_free(many);
        oh_free(edits);
        return OH_ENOMEM;
    }
    many->count = count;

    oh_lock(&t->many_lock);
    oh_status_t status = lock_roomy(t, items, count, &many->generation);
    size_t locked = status == OH_OK ? count : 0;
    if (status == OH_OK)
        status = bag ? prepare_edits(t, items, count, only_new, edits, many)
                     : prepare(t, items, count, only_new, many);
    if (status == OH_OK) {
        uint64_t sequence = oh_load_relaxed(&t->many_sequence);
        oh_store_release(&t->many, many);
        oh_store_release(&t->many_sequence, sequence + 1); /* Q2: pairs with Q1 */
        for (size_t i = 0; bag && i < many->count; i++)
            oh_edit_commit(&edits[i]);
        for (size_t i = 0; !bag && i < count; i++)
            oh_segment_store_item(&items[i].at, &items[i]);
        oh_store_release(&t->many_sequence, sequence + 2); /* Q3, the commit: pairs with Q1 */
        oh_store_release(&t->many, NULL);
    }
    unlock_all(items, locked);
    oh_unlock(&t->many_lock);
    oh_free(edits);
    if (status == OH_OK) {
        for (size_t i = bag ? 0 : count; i < all; i++)
            if (items[i].box != NULL && !(bag && items[i].box_kept))
                oh_box_free(items[i].box);
        oh_epoch_retire(&many->retired, bytes, free_retired_many);
        oh_reaper_hint();
    } else {
        oh_free(many);
    }
    return status;
}
