/* One leaf of a tree: its pages, and the terms of its entries. */
#include "oh_alloc.h"
#include "oh_tree_internal.h"

/* A page with fewer entries is joined with a neighbour if both have no more than JOIN_MAX. */
#define JOIN_BELOW 16
#define JOIN_MAX   48

/* --- Life --- */

static size_t page_bytes(bool wide) {
    return sizeof(oh_page_t) + (wide ? OH_PAGE_SLOTS * sizeof(uint64_t) : 0);
}

static oh_page_t *page_new(bool wide) {
    return oh_alloc_aligned(page_bytes(wide), OH_CACHE_LINE);
}

/* A page whose words readers may load. */
static oh_page_t *page_of(const oh_leaf_t *s, uint32_t page) {
    return oh_load_acquire(&s->page[page]);
}

static uint32_t count_of(const oh_leaf_t *s, uint32_t page) {
    return oh_load_acquire(&s->count[page]);
}

oh_leaf_t *oh_leaf_new(const oh_term_ops_t *ops, uint64_t generation, bool wide) {
    oh_leaf_t *s = oh_alloc_aligned(sizeof *s, OH_CACHE_LINE);
    oh_page_t *page = page_new(wide);
    if (s == NULL || page == NULL) {
        oh_free_aligned(page);
        oh_free_aligned((void *)s);
        return NULL;
    }
    memset((void *)s, 0, sizeof *s);
    s->ops = ops;
    s->generation = generation;
    s->wide = wide;
    s->allocated = 1;
    oh_store_relaxed(&s->pages, 1);
    oh_store_relaxed(&s->page[0], page);
    return s;
}

static void free_boxes(oh_leaf_t *s) {
    for (uint32_t p = 0; p < oh_load_relaxed(&s->pages); p++)
        for (uint32_t i = 0; i < count_of(s, p); i++) {
            oh_page_t *page = page_of(s, p);
            if ((oh_load_relaxed(&page->meta[i]) & OH_META_FORM) == OH_FORM_BOX)
                oh_box_free(oh_box_of(oh_load_relaxed(&page->slot[i].value)));
        }
}

void oh_leaf_free(oh_leaf_t *s, bool with_boxes) {
    if (with_boxes)
        free_boxes(s);
    for (uint32_t p = 0; p < s->allocated; p++)
        oh_free_aligned((void *)page_of(s, p));
    oh_cells_clear(&s->cells);
    if (s->terms.arena != NULL)
        s->ops->arena_free(s->terms.arena);
    oh_free_aligned((void *)s);
}

static void free_retired_leaf(oh_retired_t *retired) {
    oh_leaf_free(OH_CONTAINER_OF(retired, oh_leaf_t, node.retired), false);
}

static size_t own_bytes(const oh_leaf_t *s) {
    return sizeof *s + s->allocated * (page_bytes(s->wide) + OH_CACHE_LINE) +
           oh_cells_bytes(&s->cells) + oh_terms_arena_bytes(&s->terms, s->ops);
}

void oh_leaf_retire(oh_leaf_t *s) {
    oh_epoch_retire(&s->node.retired, own_bytes(s), free_retired_leaf);
}

size_t oh_leaf_bytes(const oh_leaf_t *s) {
    return own_bytes(s) + oh_terms_box_bytes(&s->terms, s->ops);
}

uint64_t oh_leaf_words(const oh_leaf_t *s) {
    return s->terms.arena_words + oh_cells_used(&s->cells);
}

uint64_t oh_leaf_garbage(const oh_leaf_t *s) {
    return s->terms.dead_words + oh_cells_garbage(&s->cells);
}

/* --- Searching --- */

/* The words of a slot; false if the leaf changed. */
static bool load_slot(const oh_leaf_t *s, uint32_t version, const oh_page_t *page, uint32_t slot,
                      oh_place_t *out) {
    out->meta = oh_load_acquire(&page->meta[slot]);
    out->key = oh_load_acquire(&page->slot[slot].key);
    out->value = oh_load_acquire(&page->slot[slot].value);
    return oh_leaf_still(s, version);
}

/* The order of key and the slot, whose prefixes are equal. The slot's words go to *place. False if
 * the leaf changed. */
static bool compare_slot(const oh_leaf_t *s, uint32_t version, const oh_key_t *key,
                         const oh_page_t *page, uint32_t slot, oh_place_t *place, int *order) {
    oh_key_t there;
    if (!load_slot(s, version, page, slot, place))
        return false;
    if (key->immediate && (place->meta & OH_META_IMM) != 0 && place->key == key->word) {
        *order = 0;
        return true;
    }
    oh_slot_key(place->meta, place->key, place->value, &there);
    *order = oh_key_tie(s->ops, key, &there);
    return true;
}

/* The second word of a slot's prefix. */
static uint64_t order2_of(const oh_leaf_t *s, const oh_page_t *page, uint32_t slot) {
    return s->wide ? oh_load_acquire(&page->order2[slot]) : 0;
}

/* The order of key and the page's first entry; false if the leaf changed. */
static bool compare_first(const oh_leaf_t *s, uint32_t version, const oh_key_t *key, uint32_t p,
                          int *order) {
    oh_place_t place;
    const oh_page_t *page = page_of(s, p);
    uint64_t first = oh_load_acquire(&page->order[0]), first2 = order2_of(s, page, 0);
    if (first == key->order && first2 == key->order2)
        return compare_slot(s, version, key, page, 0, &place, order);
    *order = key->order < first || (key->order == first && key->order2 < first2) ? -1 : 1;
    return true;
}

/* Of the count ascending words from *low on, *low becomes the first that is x, *high the first that
 * is larger. */
static void narrow_down(const _Atomic uint64_t *words, uint32_t *low, uint32_t *high, uint64_t x) {
    uint32_t first = *low + oh_lower_bound(words + *low, *high - *low, x);
    /* Mostly one or none is, or all are. */
    if (first == *high || oh_load_acquire(&words[first]) != x)
        *high = first;
    else if (first + 1 < *high && oh_load_acquire(&words[first + 1]) != x)
        *high = first + 1;
    else if (oh_load_acquire(&words[*high - 1]) != x)
        *high = first + oh_lower_bound(words + first, *high - first, x + 1);
    *low = first;
}

/* The page where key is, if it is anywhere: the last one that begins with a key <= it, or the
 * first. What a page's fence says may be less than what the page begins with now; keys between
 * these may stand at the end of the page before or at the beginning of this one, by their
 * prefix. */
static bool find_page(const oh_leaf_t *s, uint32_t version, const oh_key_t *key, uint32_t *page) {
    uint32_t low = 0, high = oh_load_acquire(&s->pages) - 1;
    narrow_down(s->fence + 1, &low, &high, key->order);
    if (low < high && s->wide)
        narrow_down(s->fence2 + 1, &low, &high, key->order2);
    while (oh_unlikely(low < high)) {
        uint32_t middle = low + (high - low + 1) / 2;
        int order;
        if (!compare_first(s, version, key, middle, &order))
            return false;
        if (order >= 0)
            low = middle;
        else
            high = middle - 1;
    }
    *page = low;
    return true;
}

/* Goes through the entries from place->slot to end, whose prefixes are key's. */
static bool find_tie(const oh_leaf_t *s, uint32_t version, const oh_key_t *key,
                     const oh_page_t *page, uint32_t end, oh_place_t *place) {
    uint32_t low = place->slot, high = end;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order;
        if (!compare_slot(s, version, key, page, middle, place, &order))
            return false;
        if (order == 0) {
            place->slot = middle;
            place->found = true;
            return true;
        }
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    place->slot = low;
    return true;
}

/* In a tree beyond the caches each line of a page misses: let those miss together that a search may
 * touch. */
static void prefetch_page(const oh_leaf_t *s, const oh_page_t *page, uint32_t count) {
    __builtin_prefetch((const void *)page->meta);
    for (uint32_t i = 0; i < count; i += OH_CACHE_LINE / sizeof page->order[0]) {
        __builtin_prefetch((const void *)&page->order[i]);
        if (s->wide)
            __builtin_prefetch((const void *)&page->order2[i]);
    }
}

bool oh_leaf_find(const oh_leaf_t *s, uint32_t version, const oh_key_t *key, oh_place_t *place) {
    if (!find_page(s, version, key, &place->page))
        return false;
    const oh_page_t *page = page_of(s, place->page);
    uint32_t low = 0, high = count_of(s, place->page);
    prefetch_page(s, page, high);
    narrow_down(page->order, &low, &high, key->order);
    if (low < high && s->wide)
        narrow_down(page->order2, &low, &high, key->order2);
    else if (low < high && key->order2 != 0)
        low = high; /* those there have 0 */
    place->slot = low;
    place->found = false;
    if (low < high && !find_tie(s, version, key, page, high, place))
        return false;
    return oh_leaf_still(s, version);
}

/* --- Moving entries: between these two readers look again. --- */

static void begin_move(oh_leaf_t *s) {
    oh_store_relaxed(&s->version, oh_load_relaxed(&s->version) + 1);
}

static void end_move(oh_leaf_t *s) {
    oh_store_release(&s->version, oh_load_relaxed(&s->version) + 1);
}

/* All of a slot, by release (B1). */
static void set_slot(const oh_leaf_t *s, oh_page_t *page, uint32_t i, const oh_key_t *at,
                     uint32_t meta, oh_word_t key, oh_word_t value) {
    oh_store_release(&page->order[i], at->order);
    if (s->wide)
        oh_store_release(&page->order2[i], at->order2);
    oh_store_release(&page->meta[i], (uint8_t)meta);
    oh_store_release(&page->slot[i].key, key);
    oh_store_release(&page->slot[i].value, value);
}

static void copy_slot(const oh_leaf_t *s, oh_page_t *to, uint32_t i, const oh_page_t *from,
                      uint32_t j) {
    oh_store_release(&to->order[i], oh_load_relaxed(&from->order[j]));
    if (s->wide)
        oh_store_release(&to->order2[i], oh_load_relaxed(&from->order2[j]));
    oh_store_release(&to->meta[i], oh_load_relaxed(&from->meta[j]));
    oh_store_release(&to->slot[i].key, oh_load_relaxed(&from->slot[j].key));
    oh_store_release(&to->slot[i].value, oh_load_relaxed(&from->slot[j].value));
}

static void set_fence(oh_leaf_t *s, uint32_t p, uint64_t order, uint64_t order2) {
    oh_store_release(&s->fence[p], order);
    oh_store_release(&s->fence2[p], order2);
}

static void set_count(oh_leaf_t *s, uint32_t page, uint32_t count) {
    oh_store_release(&s->count[page], (uint8_t)count);
}

static void count_in(oh_leaf_t *s, int by) {
    oh_store_relaxed(&s->live, oh_load_relaxed(&s->live) + (uint32_t)by);
    oh_tree_uncount(s);
}

/* Moves index entry j to i. */
static void move_page(oh_leaf_t *s, uint32_t i, uint32_t j) {
    oh_store_release(&s->page[i], oh_load_relaxed(&s->page[j]));
    set_fence(s, i, oh_load_relaxed(&s->fence[j]), oh_load_relaxed(&s->fence2[j]));
    oh_store_release(&s->count[i], oh_load_relaxed(&s->count[j]));
}

bool oh_leaf_reserve(oh_leaf_t *s, uint32_t pages) {
    uint32_t needed = oh_load_relaxed(&s->pages) + pages;
    if (needed > OH_LEAF_PAGES)
        return false;
    while (s->allocated < needed) {
        oh_page_t *page = page_new(s->wide);
        if (page == NULL)
            return false;
        oh_store_release(&s->page[s->allocated++], page);
    }
    return true;
}

/* Splits a full page, which takes one in reserve: half of the entries move to the new page, or none
 * if the next one comes at the end of the leaf, as ascending keys do. */
static void split_page(oh_leaf_t *s, uint32_t p, bool at_end) {
    uint32_t pages = oh_load_relaxed(&s->pages), count = count_of(s, p);
    uint32_t keep = at_end ? count : count / 2;
    oh_page_t *from = page_of(s, p), *to = page_of(s, pages);
    for (uint32_t i = pages; i > p + 1; i--)
        move_page(s, i, i - 1);
    oh_store_release(&s->page[p + 1], to);
    for (uint32_t i = keep; i < count; i++)
        copy_slot(s, to, i - keep, from, i);
    if (!at_end)
        set_fence(s, p + 1, oh_load_relaxed(&to->order[0]), order2_of(s, to, 0));
    set_count(s, p, keep);
    set_count(s, p + 1, count - keep);
    oh_store_release(&s->pages, pages + 1);
}

/* Takes an empty page out of the index, into the reserve. */
static void drop_page(oh_leaf_t *s, uint32_t p) {
    uint32_t last = oh_load_relaxed(&s->pages) - 1;
    oh_page_t *page = page_of(s, p);
    for (uint32_t i = p; i < last; i++)
        move_page(s, i, i + 1);
    oh_store_release(&s->page[last], page);
    oh_store_release(&s->pages, last);
}

/* Joins page p + 1 to page p. */
static void join_pages(oh_leaf_t *s, uint32_t p) {
    uint32_t count = count_of(s, p), more = count_of(s, p + 1);
    oh_page_t *to = page_of(s, p), *from = page_of(s, p + 1);
    for (uint32_t i = 0; i < more; i++)
        copy_slot(s, to, count + i, from, i);
    set_count(s, p, count + more);
    drop_page(s, p + 1);
}

/* After an entry was taken from page p. */
static void shrink_page(oh_leaf_t *s, uint32_t p) {
    uint32_t pages = oh_load_relaxed(&s->pages), count = count_of(s, p);
    if (pages == 1 || count >= JOIN_BELOW)
        return;
    if (count == 0)
        drop_page(s, p);
    else if (p + 1 < pages && count + count_of(s, p + 1) <= JOIN_MAX)
        join_pages(s, p);
    else if (p > 0 && count + count_of(s, p - 1) <= JOIN_MAX)
        join_pages(s, p - 1);
}

/* --- Writing --- */

/* Whether the entry found has the very key of item, in a place where it can stay. */
static bool keeps_key(const oh_write_t *w, const oh_item_t *item) {
    return w->found && !item->rekey && item->form == OH_FORM_VALUE &&
           w->entry.form == OH_FORM_VALUE && w->entry.box == NULL && w->entry.key != OH_WORD_NONE &&
           w->leaf->ops->equal(w->entry.key, item->key.word);
}

static uint32_t make_meta(const oh_item_t *item, bool immediate_key) {
    return oh_meta_size(item->value_words) | (immediate_key ? OH_META_IMM : 0) |
           (uint32_t)item->form;
}

bool oh_leaf_copy_item(const oh_write_t *w, oh_item_t *item, uint32_t tag) {
    oh_leaf_t *s = w->leaf;
    if (item->form == OH_FORM_CELL)
        return oh_terms_put_cell(&s->cells, item);
    if (item->form == OH_FORM_BOX) {
        item->arena_key = item->key.immediate ? item->key.word : item->box->key;
        item->arena_value = (oh_word_t)(uintptr_t)item->box;
        return true;
    }
    bool copies_key = !item->key.immediate;
    item->arena_value = item->value;
    item->arena_key = item->key.word;
    if (copies_key && keeps_key(w, item)) {
        item->arena_key = w->entry.key;
        copies_key = false;
    }
    return oh_terms_put_entry(&s->terms, s->ops, make_meta(item, !copies_key), tag,
                              &item->arena_key, &item->arena_value);
}

void oh_leaf_drop_item(const oh_write_t *w, const oh_item_t *item) {
    if (item->form == OH_FORM_CELL)
        oh_cells_restore(&w->leaf->cells, oh_cell_of(item->arena_value));
}

/* What an entry referred to is no longer needed, but for its key if that stays. */
static void discard(oh_leaf_t *s, uint32_t meta, oh_word_t value, bool key_stays) {
    oh_terms_discard(&s->terms, &s->cells, meta, value);
    if (!key_stays)
        s->terms.dead_words += oh_meta_key_words(meta);
}

/* Replaces an entry: by one store if nothing but the value is another. */
static void replace(oh_leaf_t *s, oh_page_t *page, uint32_t slot, uint32_t meta,
                    const oh_item_t *item) {
    uint32_t old = oh_load_relaxed(&page->meta[slot]);
    oh_word_t key = oh_load_relaxed(&page->slot[slot].key);
    oh_word_t value = oh_load_relaxed(&page->slot[slot].value);
    bool same_key = key == item->arena_key;
    if (same_key && ((old ^ meta) & ~OH_META_SIZE) == 0 && item->form != OH_FORM_BOX) {
        oh_store_release(&page->slot[slot].value, item->arena_value);
        if (old != meta)
            oh_store_release(&page->meta[slot], (uint8_t)meta);
    } else {
        begin_move(s);
        set_slot(s, page, slot, &item->key, meta, item->arena_key, item->arena_value);
        end_move(s);
    }
    discard(s, old, value, same_key);
}

/* Puts an entry into a page, before a slot. */
static void insert(oh_leaf_t *s, uint32_t p, uint32_t slot, uint32_t meta, const oh_item_t *item) {
    uint32_t count = count_of(s, p);
    begin_move(s);
    if (count == OH_PAGE_SLOTS) {
        split_page(s, p, slot == count && p + 1 == oh_load_relaxed(&s->pages));
        count = count_of(s, p);
        if (slot > count || count == OH_PAGE_SLOTS) {
            p++;
            slot -= count;
            count = count_of(s, p);
        }
    }
    oh_page_t *page = page_of(s, p);
    for (uint32_t i = count; i > slot; i--)
        copy_slot(s, page, i, page, i - 1);
    set_slot(s, page, slot, &item->key, meta, item->arena_key, item->arena_value);
    if (count == 0)
        set_fence(s, p, item->key.order, item->key.order2);
    set_count(s, p, count + 1);
    count_in(s, 1);
    end_move(s);
}

void oh_leaf_store_item(const oh_write_t *w, const oh_item_t *item) {
    oh_leaf_t *s = w->leaf;
    uint32_t meta = make_meta(item, item->key.immediate);
    if (item->form == OH_FORM_BOX)
        oh_terms_count_box(&s->terms, item->box, 1);
    if (w->found)
        replace(s, page_of(s, w->page), w->slot, meta, item);
    else
        insert(s, w->page, w->slot, meta, item);
}

void oh_leaf_remove(oh_leaf_t *s, uint32_t p, uint32_t slot) {
    oh_page_t *page = page_of(s, p);
    uint32_t meta = oh_load_relaxed(&page->meta[slot]), count = count_of(s, p);
    oh_word_t value = oh_load_relaxed(&page->slot[slot].value);
    begin_move(s);
    for (uint32_t i = slot; i + 1 < count; i++)
        copy_slot(s, page, i, page, i + 1);
    set_count(s, p, count - 1);
    shrink_page(s, p);
    count_in(s, -1);
    end_move(s);
    discard(s, meta, value, false);
}

/* --- Copying to a new leaf --- */

/* Copies what an entry refers to. False when memory is out. */
static bool copy_entry(oh_leaf_t *to, const oh_leaf_t *from, uint32_t share, uint32_t meta,
                       uint32_t tag, oh_word_t *key, oh_word_t *value) {
    uint32_t form = meta & OH_META_FORM;
    if (form == OH_FORM_BOX) {
        oh_terms_count_box(&to->terms, oh_box_of(*value), 1);
        return true;
    }
    if (form == OH_FORM_CELL) {
        uint32_t live = oh_cells_used(&from->cells) - oh_cells_garbage(&from->cells);
        const oh_cell_t *cell = NULL;
        if (oh_cells_reserve(&to->cells, (uint32_t)((uint64_t)live * share /
                                                    (oh_load_relaxed(&from->live) + 1)) +
                                             live / 16))
            cell = oh_cells_put(&to->cells, oh_cell_of(*value));
        *value = (oh_word_t)(uintptr_t)cell;
        return cell != NULL;
    }
    return oh_terms_put_entry(&to->terms, to->ops, meta, tag, key, value);
}

/* The page for the next entry of a leaf in the making, or NULL when memory is out. */
static oh_page_t *next_page(oh_leaf_t *to, uint32_t fill, const oh_key_t *first) {
    uint32_t last = oh_load_relaxed(&to->pages) - 1;
    if (count_of(to, last) == 0)
        set_fence(to, last, first->order, first->order2);
    if (count_of(to, last) < fill)
        return page_of(to, last);
    if (!oh_leaf_reserve(to, 1))
        return NULL;
    oh_store_relaxed(&to->pages, last + 2);
    set_count(to, last + 1, 0);
    set_fence(to, last + 1, first->order, first->order2);
    return page_of(to, last + 1);
}

bool oh_leaf_append(oh_leaf_t *to, const oh_leaf_t *from, uint32_t first, uint32_t last,
                    uint32_t fill, uint32_t tag) {
    for (uint32_t p = 0, n = 0; n < last; n += count_of(from, p++)) {
        const oh_page_t *page = page_of(from, p);
        uint32_t count = count_of(from, p);
        for (uint32_t i = first > n ? first - n : 0; i < count && n + i < last; i++) {
            oh_key_t at = {.order = oh_load_relaxed(&page->order[i]),
                           .order2 = order2_of(from, page, i)};
            uint32_t meta = oh_load_relaxed(&page->meta[i]);
            oh_word_t key = oh_load_relaxed(&page->slot[i].key);
            oh_word_t value = oh_load_relaxed(&page->slot[i].value);
            oh_page_t *into = next_page(to, fill, &at);
            if (into == NULL || !copy_entry(to, from, last - first, meta, tag, &key, &value))
                return false;
            uint32_t last_page = oh_load_relaxed(&to->pages) - 1;
            uint32_t slot = count_of(to, last_page);
            set_slot(to, into, slot, &at, meta, key, value);
            set_count(to, last_page, slot + 1);
            oh_store_relaxed(&to->live, oh_load_relaxed(&to->live) + 1);
        }
    }
    return true;
}

oh_key_t oh_leaf_key(const oh_leaf_t *s, uint32_t n) {
    uint32_t p = 0;
    for (; n >= count_of(s, p); p++)
        n -= count_of(s, p);
    const oh_page_t *page = page_of(s, p);
    oh_key_t key;
    oh_slot_key(oh_load_relaxed(&page->meta[n]), oh_load_relaxed(&page->slot[n].key),
                oh_load_relaxed(&page->slot[n].value), &key);
    key.order = oh_load_relaxed(&page->order[n]);
    key.order2 = order2_of(s, page, n);
    return key;
}

/* --- Invariants --- */

/* Adds up what the pages hold; false where a page is wrong. */
static bool pages_valid(const oh_leaf_t *s, uint32_t *live, oh_terms_tally_t *tally) {
    uint32_t pages = oh_load_relaxed(&s->pages);
    for (uint32_t p = 0; p < pages; p++) {
        const oh_page_t *page = page_of(s, p);
        uint32_t count = count_of(s, p);
        if (count > OH_PAGE_SLOTS || (count == 0 && pages > 1))
            return false;
        if (p > 0 && oh_load_relaxed(&s->fence[p]) > oh_load_relaxed(&page->order[0]))
            return false;
        *live += count;
        for (uint32_t i = 0; i < count; i++)
            oh_terms_tally(tally, oh_load_relaxed(&page->meta[i]) & OH_META_FORM,
                           oh_load_acquire(&page->slot[i].value));
    }
    return true;
}

bool oh_leaf_valid(const oh_leaf_t *s) {
    uint32_t live = 0, version = oh_load_relaxed(&s->version);
    oh_terms_tally_t tally = {0};
    if ((version & 1) != 0 || oh_load_relaxed(&s->pages) > s->allocated ||
        !pages_valid(s, &live, &tally) || live != oh_load_relaxed(&s->live) ||
        !oh_terms_valid(&s->terms, &s->cells, &tally))
        return false;
    for (uint32_t n = 0; n < live; n++) {
        oh_key_t key = oh_leaf_key(s, n);
        oh_place_t place;
        if (n > 0) {
            oh_key_t before = oh_leaf_key(s, n - 1);
            if (oh_key_compare(s->ops, &before, &key) >= 0)
                return false;
        }
        if (!oh_leaf_find(s, version, &key, &place) || !place.found)
            return false;
    }
    return true;
}
