#include "oh_table_bag.h"
#include "oh_bag.h"

#include <string.h>

/* A chain or a bag's cell in the making: all that a cell may have. */
typedef struct {
    uint32_t tag;
    uint16_t words, key_words;
    oh_word_t word[OH_CELL_WORDS_MAX];
} draft_t;

_Static_assert(16 + 1 + OH_CHAIN_MAX <= OH_CELL_WORDS_MAX, "a flat key and a chain fit in a cell");

/* --- Objects of an entry --- */

/* An object of a chain or of a slot, as an entry. */
static void object_entry(uint32_t lane, oh_word_t key, oh_word_t word, oh_entry_t *entry) {
    oh_form_entry(lane & OH_META_FORM, key, word, entry);
    entry->value_immediate = (lane & OH_META_FORM) == OH_FORM_VALUE && oh_meta_words(lane) == 0;
}

void oh_objects_begin(oh_objects_t *objects, const oh_entry_t *entry) {
    objects->entry = *entry;
    objects->next = 0;
    if (oh_entry_is_bag(entry))
        objects->walk = oh_bag_begin(oh_cell_bag(entry->cell), entry->value);
}

bool oh_objects_next(oh_objects_t *objects, oh_entry_t *object) {
    const oh_entry_t *entry = &objects->entry;
    if (oh_entry_is_bag(entry)) {
        if (!oh_bag_next(&objects->walk, object))
            return false;
        if (object->box == NULL)
            object->key = entry->key;
        return true;
    }
    uint32_t i = objects->next++;
    bool chain = oh_entry_is_chain(entry);
    if (i >= (chain ? oh_chain_count(entry->cell) : 1))
        return false;
    if (!chain) {
        *object = *entry;
        return true;
    }
    object_entry(oh_chain_lane(entry->cell, i), entry->key, oh_chain_word(entry->cell, i), object);
    return true;
}

bool oh_objects_are_many(const oh_entry_t *entry, uint64_t count, uint64_t box_words) {
    oh_objects_t objects;
    oh_entry_t object;
    uint64_t words = 0;
    if (oh_entry_is_bag(entry) && oh_bag_count(oh_cell_bag(entry->cell)) > count)
        return true;
    oh_objects_begin(&objects, entry);
    while (oh_objects_next(&objects, &object))
        words += object.box != NULL ? object.box->words : 0;
    return words > box_words;
}

oh_status_t oh_table_scan_objects(oh_table_t *t, const oh_key_t *key, oh_position_t *position,
                                  oh_entry_t *scratch, oh_bag_object_t *objects, uint32_t room,
                                  uint32_t *count) {
    oh_write_t w;
    oh_status_t status = oh_table_begin(t, &w, key, false);
    if (status != OH_OK)
        return status;
    status = OH_NOT_FOUND;
    if (w.found && oh_entry_is_bag(&w.entry)) {
        status = oh_bag_scan(oh_cell_bag(w.entry.cell), position, scratch, objects, room, count);
        for (uint32_t i = 0; status == OH_OK && i < *count; i++)
            if (objects[i].entry.box == NULL)
                objects[i].entry.key = w.entry.key;
    }
    oh_table_end(t, &w);
    return status;
}

/* --- Edits --- */

void oh_edit_begin(oh_edit_t *e, oh_table_t *t, const oh_write_t *w) {
    e->t = t;
    e->w = *w;
    e->count = 0;
    e->bag = NULL;
    e->bag_is_new = false;
    e->given = 0;
    e->cell = NULL;
    e->key_word = w->key.word;
    e->key_copied = false;
    if (w->found && oh_entry_is_bag(&w->entry)) {
        e->bag = oh_cell_bag(w->entry.cell);
        e->bag_count = oh_bag_count(e->bag);
        e->bag_bytes = oh_bag_bytes(e->bag);
    } else if (w->found && oh_entry_is_chain(&w->entry)) {
        for (; e->count < oh_chain_count(w->entry.cell); e->count++) {
            e->lane[e->count] = oh_chain_lane(w->entry.cell, e->count);
            e->word[e->count] = oh_chain_word(w->entry.cell, e->count);
        }
    } else if (w->found) {
        oh_segment_found_object(w, &e->lane[0], &e->word[0]);
        e->count = 1;
    }
    e->old_count = e->count;
}

/* Whether one of the objects here is the item's. */
static bool has_object(const oh_edit_t *e, const oh_item_t *item, uint32_t i) {
    oh_entry_t entry;
    object_entry(e->lane[i], OH_WORD_NONE, e->word[i], &entry);
    return oh_item_is_object(e->t->ops, item, &entry);
}

/* The item that an object here would be, for the bag that copies it. */
static void object_item(const oh_edit_t *e, uint32_t i, oh_item_t *item) {
    const oh_segment_t *s = e->w.segment;
    oh_entry_t entry;
    object_entry(e->lane[i], OH_WORD_NONE, e->word[i], &entry);
    *item = (oh_item_t){.form = (oh_form_t)(e->lane[i] & OH_META_FORM),
                        .value = e->word[i],
                        .cell = entry.cell,
                        .box = (oh_box_t *)(uintptr_t)entry.box,
                        .value_words = oh_meta_words(e->lane[i])};
    item->value_immediate = item->form == OH_FORM_VALUE && item->value_words == 0;
    if (item->form == OH_FORM_BOX)
        item->value_hash = s->ops->hash(entry.box->arena, entry.value, oh_table_salt(e->t));
    else if (item->form != OH_FORM_CELL && !item->value_immediate)
        item->value_hash = s->ops->hash(s->terms.arena, item->value, oh_table_salt(e->t));
}

/* Puts the objects here, of which there are as many as a chain has, into a new bag. */
static oh_status_t make_bag(oh_edit_t *e) {
    oh_bag_t *bag = oh_bag_new(e->t->ops, oh_table_salt(e->t));
    oh_status_t status = bag == NULL ? OH_ENOMEM : OH_OK;
    for (uint32_t i = 0; i < e->count && status == OH_OK; i++) {
        oh_item_t item;
        object_item(e, i, &item);
        status = oh_bag_add(bag, &item, false);
        e->given |= (uint32_t)item.box_kept << i;
    }
    if (status != OH_OK && bag != NULL)
        oh_bag_free(bag, false);
    if (status != OH_OK)
        return status;
    e->bag = bag;
    e->bag_is_new = true;
    return OH_OK;
}

oh_status_t oh_edit_add(oh_edit_t *e, oh_item_t *item) {
    bool unique = e->t->type == OH_TABLE_BAG;
    item->box_kept = false;
    if (e->bag == NULL) {
        for (uint32_t i = 0; unique && i < e->count; i++)
            if (has_object(e, item, i))
                return OH_EXISTS;
        if (e->count < OH_CHAIN_MAX) {
            if (!oh_segment_copy_object(e->w.segment, item, &e->lane[e->count], &e->word[e->count]))
                return OH_ENOMEM;
            e->count++;
            item->box_kept = item->form == OH_FORM_BOX;
            return OH_OK;
        }
        oh_status_t status = make_bag(e);
        if (status != OH_OK)
            return status;
    }
    return oh_bag_add(e->bag, item, unique);
}

/* The key that goes into the slot of a chain or a bag. A key without a flat form must not be part
 * of an object that may go before the others do, but for terms in the arena, which stay as long as
 * it does. */
static bool prepare_key(oh_edit_t *e) {
    const oh_key_t *key = &e->w.key;
    oh_segment_t *s = e->w.segment;
    if (key->immediate)
        return true;
    e->key_word = OH_WORD_NONE;
    if (key->flat_words > 0)
        return true;
    if (e->w.found && e->w.entry.box == NULL) {
        e->key_word = oh_load_relaxed(&oh_segment_slot(s, e->w.slot)->key);
        return true;
    }
    e->key_word = oh_terms_put_key(&s->terms, s->ops, key->word);
    return e->key_word != OH_WORD_NONE;
}

static void put_key(const oh_edit_t *e, draft_t *draft) {
    const oh_key_t *key = &e->w.key;
    draft->key_words = key->immediate ? 0 : key->flat_words;
    if (draft->key_words > 0)
        memcpy(draft->word, key->flat, draft->key_words * sizeof(oh_word_t));
}

static const oh_cell_t *make_chain(oh_edit_t *e) {
    draft_t draft = {.tag = OH_CELL_CHAIN};
    put_key(e, &draft);
    oh_word_t *word = draft.word + draft.key_words;
    *word++ = 0;
    for (uint32_t i = 0; i < e->count; i++) {
        draft.word[draft.key_words] |= (oh_word_t)e->lane[i] << (8 * i);
        *word++ = e->word[i];
    }
    draft.words = (uint16_t)(draft.key_words + 1 + e->count);
    return oh_cells_put(&e->w.segment->cells, (const oh_cell_t *)(const void *)&draft);
}

static const oh_cell_t *make_bag_cell(oh_edit_t *e) {
    draft_t draft = {.tag = OH_CELL_BAG};
    put_key(e, &draft);
    draft.word[draft.key_words] = (oh_word_t)(uintptr_t)e->bag;
    draft.words = draft.key_words + 1;
    return oh_cells_put(&e->w.segment->cells, (const oh_cell_t *)(const void *)&draft);
}

/* The word for the slot's key of a single object. */
static oh_word_t single_key(const oh_edit_t *e) {
    const oh_segment_t *s = e->w.segment;
    switch (e->lane[0] & OH_META_FORM) {
    case OH_FORM_CELL:
        return e->w.key.immediate ? e->w.key.word : OH_WORD_NONE;
    case OH_FORM_BOX:
        return ((const oh_box_t *)(uintptr_t)e->word[0])->key;
    case OH_FORM_OBJECT:
        return e->w.key.immediate ? e->w.key.word
                                  : s->ops->object_key(s->terms.arena, e->word[0], e->t->tag);
    default:
        return e->w.key.word; /* immediate: oh_objects.h */
    }
}

/* One object, of a key that had none. */
static bool is_single(const oh_edit_t *e) {
    return e->bag == NULL && e->count == 1 && !e->w.found;
}

oh_status_t oh_edit_prepare(oh_edit_t *e) {
    if (is_single(e)) {
        e->key_word = single_key(e);
        return OH_OK;
    }
    if (e->bag != NULL ? !e->bag_is_new : e->count == e->old_count)
        return OH_OK;
    if (!prepare_key(e))
        return OH_ENOMEM;
    e->cell = e->bag != NULL ? make_bag_cell(e) : make_chain(e);
    return e->cell == NULL ? OH_ENOMEM : OH_OK;
}

/* Retires the cell of the chain that was there. */
static void retire_old_chain(oh_edit_t *e) {
    if (e->w.found && oh_entry_is_chain(&e->w.entry))
        oh_cells_retire(&e->w.segment->cells, (oh_cell_t *)(uintptr_t)e->w.entry.cell);
}

static void commit_old_bag(oh_edit_t *e) {
    oh_segment_t *s = e->w.segment;
    oh_bag_commit(e->bag);
    oh_segment_count_more(s, (int64_t)(oh_bag_count(e->bag) - e->bag_count));
    s->bag_bytes += oh_bag_bytes(e->bag) - e->bag_bytes;
}

void oh_edit_commit(oh_edit_t *e) {
    oh_segment_t *s = e->w.segment;
    if (is_single(e)) {
        oh_segment_store_object(&e->w, e->lane[0], e->key_word, e->word[0]);
        return;
    }
    if (e->bag != NULL && !e->bag_is_new) {
        commit_old_bag(e);
        return;
    }
    if (e->cell == NULL)
        return;
    bool was_many = e->w.found && (oh_entry_is_chain(&e->w.entry));
    uint64_t old_more = was_many ? e->old_count - 1 : 0, more = e->count - 1;
    if (e->bag != NULL) {
        oh_bag_commit(e->bag);
        more = oh_bag_count(e->bag) - 1;
        s->bag_bytes += oh_bag_bytes(e->bag);
    }
    oh_segment_store_many(&e->w, e->key_word, e->cell);
    s->many += !was_many;
    oh_segment_count_more(s, (int64_t)(more - old_more));
    retire_old_chain(e);
    /* The bag has copies, and the boxes but for those of objects that equal others. */
    for (uint32_t i = 0; e->bag != NULL && i < e->count; i++)
        if ((e->given >> i & 1) != 0)
            oh_segment_give_box(s, e->word[i]);
        else
            oh_terms_discard(&s->terms, &s->cells, e->lane[i], e->word[i]);
}

void oh_edit_abort(oh_edit_t *e) {
    oh_segment_t *s = e->w.segment;
    if (e->cell != NULL)
        oh_cells_restore(&s->cells, (oh_cell_t *)(uintptr_t)e->cell);
    for (uint32_t i = e->old_count; i < e->count; i++)
        oh_segment_drop_object(s, e->lane[i], e->word[i]);
    if (e->bag == NULL)
        return;
    if (e->bag_is_new) {
        oh_bag_free(e->bag, false);
        return;
    }
    oh_bag_abort(e->bag);
    s->bag_bytes += oh_bag_bytes(e->bag) - e->bag_bytes;
}

void oh_edit_own_key(const oh_edit_t *e, oh_key_t *key) {
    const oh_cell_t *cell = e->cell;
    if (key->immediate)
        return;
    key->word =
        e->w.found ? oh_load_relaxed(&oh_segment_slot(e->w.segment, e->w.slot)->key) : e->key_word;
    if (key->flat_words == 0)
        return;
    if (cell == NULL && is_single(e) && (e->lane[0] & OH_META_FORM) == OH_FORM_CELL)
        cell = (const oh_cell_t *)(uintptr_t)e->word[0];
    else if (cell == NULL && e->w.found)
        cell = e->w.entry.cell;
    if (cell != NULL)
        key->flat = cell->word;
    else
        key->flat_words = 0; /* a single object that is not flat has its key as a term */
}

/* --- Single changes --- */

oh_status_t oh_table_find_object(oh_table_t *t, const oh_item_t *item) {
    oh_write_t w;
    oh_edit_t e;
    bool found = false;
    oh_status_t status = oh_table_begin(t, &w, &item->key, false);
    if (status != OH_OK)
        return status;
    oh_edit_begin(&e, t, &w);
    if (e.bag != NULL)
        found = oh_bag_has(e.bag, item);
    for (uint32_t i = 0; i < e.count && !found; i++)
        found = has_object(&e, item, i);
    oh_table_end(t, &w);
    return found ? OH_OK : OH_NOT_FOUND;
}

oh_status_t oh_table_add(oh_table_t *t, oh_write_t *w, oh_item_t *item) {
    oh_edit_t e;
    oh_edit_begin(&e, t, w);
    oh_status_t status = oh_edit_add(&e, item);
    if (status == OH_EXISTS)
        return OH_OK;
    if (status == OH_OK)
        status = oh_edit_prepare(&e);
    if (status == OH_OK) {
        oh_edit_commit(&e);
    } else {
        oh_edit_abort(&e);
        item->box_kept = false;
    }
    w->retired |= e.bag != NULL;
    return status;
}

/* A bag's objects; the entry goes with the last. */
static uint64_t remove_from_bag(oh_table_t *t, oh_write_t *w, const oh_item_t *item) {
    oh_segment_t *s = w->segment;
    oh_bag_t *bag = oh_cell_bag(w->entry.cell);
    size_t bytes = oh_bag_bytes(bag);
    uint64_t count = oh_bag_remove(bag, item);
    oh_segment_count_more(s, -(int64_t)count);
    s->bag_bytes += oh_bag_bytes(bag) - bytes;
    if (oh_bag_count(bag) == 0)
        oh_table_remove(t, w);
    return count;
}

oh_status_t oh_table_remove_object(oh_table_t *t, oh_write_t *w, const oh_item_t *item,
                                   uint64_t *count) {
    oh_segment_t *s = w->segment;
    oh_edit_t e;
    uint32_t gone[OH_CHAIN_MAX], kept = 0;
    *count = 0;
    if (!w->found)
        return OH_OK;
    w->retired |= s->terms.boxes > 0 || oh_entry_is_bag(&w->entry);
    if (oh_entry_is_bag(&w->entry)) {
        *count = remove_from_bag(t, w, item);
        return OH_OK;
    }
    oh_edit_begin(&e, t, w);
    for (uint32_t i = 0; i < e.old_count; i++)
        if (has_object(&e, item, i))
            gone[(*count)++] = i;
    if (*count == 0)
        return OH_OK;
    if (*count == e.old_count) {
        oh_table_remove(t, w);
        return OH_OK;
    }
    oh_edit_t rest = e;
    for (uint32_t i = 0, g = 0; i < e.old_count; i++) {
        if (g < *count && gone[g] == i) {
            g++;
            continue;
        }
        rest.lane[kept] = e.lane[i];
        rest.word[kept++] = e.word[i];
    }
    rest.count = kept;
    if (oh_edit_prepare(&rest) != OH_OK) {
        *count = 0;
        return OH_ENOMEM;
    }
    oh_segment_store_many(&rest.w, rest.key_word, rest.cell);
    oh_segment_count_more(s, -(int64_t)*count);
    retire_old_chain(&rest);
    for (uint32_t g = 0; g < *count; g++)
        oh_terms_discard(&s->terms, &s->cells, e.lane[gone[g]], e.word[gone[g]]);
    return OH_OK;
}
