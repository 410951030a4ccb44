#include "oh_segment.h"
#include "oh_alloc.h"

#include <string.h>

static uint32_t make_meta(uint64_t place, bool immediate, oh_form_t form, uint32_t value_words) {
    return oh_meta_match(place, immediate) | oh_meta_size(value_words) | (uint32_t)form;
}

/* Only the lock's holder writes meta, so load and store suffice. */
static void set_meta(oh_segment_t *s, uint32_t slot, uint32_t meta) {
    _Atomic uint64_t *word = &s->meta[slot / OH_GROUP_SLOTS];
    uint32_t shift = 16 * (slot % OH_GROUP_SLOTS);
    uint64_t others = oh_load_relaxed(word) & ~((uint64_t)0xffff << shift);
    oh_store_release(word, others | (uint64_t)meta << shift); /* M2: pairs with M1 */
}

/* --- Life --- */

static size_t layout_bytes(uint32_t groups) {
    return oh_segment_group_offset(groups) + groups * sizeof(oh_group_t);
}

/* Groups for live entries and some to come: an eighth more than what fits at nine tenths full. */
static uint32_t groups_for(uint32_t live) {
    uint32_t slots = live + live / 4 + live / 16 + 2;
    return oh_segment_groups(oh_segment_class((slots + OH_GROUP_SLOTS - 1) / OH_GROUP_SLOTS));
}

static oh_segment_t *new_with_groups(const oh_term_ops_t *ops, uint32_t prefix, uint32_t depth,
                                     uint32_t groups) {
    size_t bytes = layout_bytes(groups);
    oh_segment_t *s = oh_alloc_aligned(bytes, OH_CACHE_LINE);
    if (s != NULL && ((oh_segment_ref_t)s & OH_SEGMENT_DEPTH_BITS) != 0) {
        oh_free_aligned(s); /* beyond what a reference can name */
        s = NULL;
    }
    if (s == NULL)
        return NULL;
    memset((void *)s, 0, bytes);
    s->ops = ops;
    s->groups = groups;
    s->prefix = prefix;
    s->depth = (uint8_t)depth;
    return s;
}

oh_segment_t *oh_segment_new(const oh_term_ops_t *ops, uint32_t prefix, uint32_t depth,
                             uint32_t live) {
    return new_with_groups(ops, prefix, depth, groups_for(live));
}

oh_segment_t *oh_segment_new_like(const oh_segment_t *s) {
    return new_with_groups(s->ops, s->prefix, s->depth, s->groups);
}

/* What goes with the segment when it is freed. */
static size_t own_bytes(const oh_segment_t *s) {
    size_t bytes = layout_bytes(s->groups);
    if (!s->arena_moved)
        bytes += oh_terms_arena_bytes(&s->terms, s->ops);
    if (!s->cells_moved)
        bytes += oh_cells_bytes(&s->cells);
    return bytes;
}

size_t oh_segment_bytes(const oh_segment_t *s) {
    return own_bytes(s) + OH_CACHE_LINE + s->bag_bytes + oh_terms_box_bytes(&s->terms, s->ops);
}

/* A chain's boxes, or a bag. */
static void free_many(const oh_cell_t *cell) {
    if ((cell->tag & OH_CELL_BAG) != 0) {
        oh_bag_free(oh_cell_bag(cell), true);
        return;
    }
    for (uint32_t i = 0; i < oh_chain_count(cell); i++)
        if ((oh_chain_lane(cell, i) & OH_META_FORM) == OH_FORM_BOX)
            oh_box_free(oh_box_of(oh_chain_word(cell, i)));
}

void oh_segment_free(oh_segment_t *s, bool with_boxes) {
    for (uint32_t slot = 0; with_boxes && slot < s->groups * OH_GROUP_SLOTS; slot++) {
        oh_word_t value = oh_load_relaxed(&oh_segment_slot(s, slot)->value);
        uint32_t form = oh_segment_meta(s, slot) & OH_META_FORM;
        if (value == OH_WORD_NONE)
            continue;
        if (form == OH_FORM_BOX)
            oh_box_free(oh_box_of(value));
        else if (s->many > 0 && form == OH_FORM_CELL &&
                 (oh_cell_of(value)->tag & OH_CELL_MANY) != 0)
            free_many(oh_cell_of(value));
    }
    if (s->terms.arena != NULL && !s->arena_moved)
        s->ops->arena_free(s->terms.arena);
    if (!s->cells_moved)
        oh_cells_clear(&s->cells);
    oh_free_aligned((void *)s);
}

static void free_retired_segment(oh_retired_t *retired) {
    oh_segment_free(OH_CONTAINER_OF(retired, oh_segment_t, retired), false);
}

void oh_segment_retire(oh_segment_t *s) {
    oh_epoch_retire(&s->retired, own_bytes(s), free_retired_segment);
}

uint64_t oh_segment_words(const oh_segment_t *s) {
    return s->terms.arena_words + oh_cells_used(&s->cells);
}

uint64_t oh_segment_garbage(const oh_segment_t *s) {
    return s->terms.dead_words + oh_cells_garbage(&s->cells);
}

/* --- Entries --- */

static void count_in(oh_segment_t *s, int by) {
    oh_store_relaxed(&s->live, oh_load_relaxed(&s->live) + (uint32_t)by);
}

/* Publishes the words in the first EMPTY slot of key's probe sequence, which comes after every slot
 * that the key has had. There must be one. */
static void claim(oh_segment_t *s, const oh_key_t *key, oh_form_t form, oh_word_t key_word,
                  oh_word_t value, uint32_t value_words) {
    oh_group_t *group = oh_segment_group(s, s->groups);
    uint64_t place = oh_segment_place(oh_segment_shape(s), key->hash);
    uint32_t g = oh_place_home(place);
    for (;; g = g + 1 == s->groups ? 0 : g + 1) {
        uint64_t meta = oh_load_relaxed(&s->meta[g]);
        for (uint32_t lane = 0; lane < OH_GROUP_SLOTS; lane++) {
            if (oh_meta_lane(meta, lane) != 0)
                continue;
            oh_slot_t *slot = &group[g].slot[lane];
            oh_store_relaxed(&slot->key, key_word);
            oh_store_release(&slot->value, value); /* V2: pairs with V1 */
            set_meta(s, g * OH_GROUP_SLOTS + lane,
                     make_meta(place, key->immediate, form, value_words));
            s->used++;
            count_in(s, 1);
            if (form == OH_FORM_BOX)
                oh_terms_count_box(&s->terms, oh_box_of(value), 1);
            return;
        }
    }
}

/* Replaces the value in a slot of the same form. */
static void replace(oh_segment_t *s, uint32_t slot, oh_word_t value, uint32_t value_words) {
    uint32_t meta = oh_segment_meta(s, slot);
    uint32_t sized = (meta & ~OH_META_SIZE) | oh_meta_size(value_words);
    oh_word_t old = oh_load_relaxed(&oh_segment_slot(s, slot)->value);
    oh_store_release(&oh_segment_slot(s, slot)->value, value); /* V2: pairs with V1 */
    if (old == OH_WORD_NONE) {
        count_in(s, 1);
        s->terms.dead_words -= oh_meta_key_words(meta); /* needed again */
    } else {
        oh_terms_discard(&s->terms, &s->cells, meta, old);
    }
    if (sized != meta)
        set_meta(s, slot, sized);
}

/* The slot that an item of this form can go to as it is, or OH_SLOT_NONE. An entry that is there
 * keeps its slot or moves to a later one; never to an earlier, which a reader may have passed. */
static uint32_t reusable_slot(const oh_write_t *w, oh_form_t form) {
    uint32_t slot = w->found ? w->slot : w->dead_slot;
    if (slot == OH_SLOT_NONE || form == OH_FORM_BOX)
        return OH_SLOT_NONE;
    return (oh_segment_meta(w->segment, slot) & OH_META_FORM) == (uint32_t)form ? slot
                                                                                : OH_SLOT_NONE;
}

void oh_segment_drop_item(const oh_write_t *w, const oh_item_t *item) {
    if (item->form == OH_FORM_CELL)
        oh_cells_restore(&w->segment->cells, oh_cell_of(item->arena_value));
}

bool oh_segment_copy_item(const oh_write_t *w, oh_item_t *item, uint32_t tag) {
    oh_segment_t *s = w->segment;
    if (item->form == OH_FORM_CELL)
        return oh_terms_put_cell(&s->cells, item);
    if (item->form == OH_FORM_BOX) {
        item->arena_key = item->box->key;
        item->arena_value = (oh_word_t)(uintptr_t)item->box;
        return true;
    }
    uint32_t reused = reusable_slot(w, item->form);
    bool copies_key = !item->key.immediate &&
                      (reused == OH_SLOT_NONE || (item->rekey && item->form == OH_FORM_VALUE));
    item->arena_value = item->value;
    item->arena_key = copies_key || reused == OH_SLOT_NONE
                          ? item->key.word
                          : oh_load_relaxed(&oh_segment_slot(s, reused)->key);
    uint32_t meta = oh_meta_size(item->value_words) | (copies_key ? 0 : OH_META_IMM) | item->form;
    return oh_terms_put_entry(&s->terms, s->ops, meta, tag, &item->arena_key, &item->arena_value);
}

void oh_segment_store_item(const oh_write_t *w, const oh_item_t *item) {
    oh_segment_t *s = w->segment;
    uint32_t slot = reusable_slot(w, item->form);
    if (slot != OH_SLOT_NONE) {
        /* A reader may pair the old key with the new value: the keys are equal. */
        if (item->rekey) {
            oh_store_release(&oh_segment_slot(s, slot)->key, item->arena_key);
            s->terms.dead_words += oh_meta_key_words(oh_segment_meta(s, slot));
        }
        replace(s, slot, item->arena_value, item->value_words);
        return;
    }
    claim(s, &item->key, item->form, item->arena_key, item->arena_value, item->value_words);
    if (w->found)
        oh_segment_kill(s, w->slot);
}

/* Retires what a chain or a bag holds. */
static void retire_many(oh_segment_t *s, const oh_cell_t *cell) {
    s->many--;
    if ((cell->tag & OH_CELL_BAG) != 0) {
        oh_bag_t *bag = oh_cell_bag(cell);
        oh_segment_count_more(s, 1 - (int64_t)oh_bag_count(bag));
        s->bag_bytes -= oh_bag_bytes(bag);
        oh_bag_retire(bag);
        return;
    }
    oh_segment_count_more(s, 1 - (int64_t)oh_chain_count(cell));
    for (uint32_t i = 0; i < oh_chain_count(cell); i++)
        oh_terms_discard(&s->terms, &s->cells, oh_chain_lane(cell, i), oh_chain_word(cell, i));
}

void oh_segment_kill(oh_segment_t *s, uint32_t slot) {
    uint32_t meta = oh_segment_meta(s, slot), form = meta & OH_META_FORM;
    oh_word_t value = oh_load_relaxed(&oh_segment_slot(s, slot)->value);
    oh_store_release(&oh_segment_slot(s, slot)->value, OH_WORD_NONE); /* V2: pairs with V1 */
    count_in(s, -1);
    /* Where the key goes with the value, nobody who comes later may compare with it. */
    if (form == OH_FORM_BOX || (form == OH_FORM_CELL && (meta & OH_META_IMM) == 0))
        set_meta(s, slot, OH_META_GRAVE);
    if (form == OH_FORM_CELL && s->many > 0 && (oh_cell_of(value)->tag & OH_CELL_MANY) != 0)
        retire_many(s, oh_cell_of(value));
    oh_terms_discard(&s->terms, &s->cells, meta, value);
    s->terms.dead_words += oh_meta_key_words(meta);
}

/* --- Objects of entries with many --- */

bool oh_segment_copy_object(oh_segment_t *s, const oh_item_t *item, uint32_t *lane,
                            oh_word_t *word) {
    *lane = (uint32_t)item->form | oh_meta_size(item->value_words);
    *word = item->value;
    if (item->form == OH_FORM_CELL) {
        *word = (oh_word_t)(uintptr_t)oh_cells_put(&s->cells, item->cell);
    } else if (item->form == OH_FORM_BOX) {
        *word = (oh_word_t)(uintptr_t)item->box;
        oh_terms_count_box(&s->terms, item->box, 1);
    } else if (!item->value_immediate) {
        *word = oh_terms_put(&s->terms, s->ops, item->value, oh_meta_words(*lane));
    }
    return *word != OH_WORD_NONE;
}

void oh_segment_drop_object(oh_segment_t *s, uint32_t lane, oh_word_t word) {
    uint32_t form = lane & OH_META_FORM;
    if (form == OH_FORM_CELL)
        oh_cells_restore(&s->cells, oh_cell_of(word));
    else if (form == OH_FORM_BOX)
        oh_terms_count_box(&s->terms, oh_box_of(word), -1);
    else
        s->terms.dead_words += oh_meta_words(lane);
}

void oh_segment_give_box(oh_segment_t *s, oh_word_t word) {
    oh_terms_count_box(&s->terms, oh_box_of(word), -1);
}

void oh_segment_found_object(const oh_write_t *w, uint32_t *lane, oh_word_t *word) {
    *lane = oh_segment_meta(w->segment, w->slot) & (OH_META_FORM | OH_META_SIZE);
    *word = oh_load_relaxed(&oh_segment_slot(w->segment, w->slot)->value);
}

void oh_segment_count_more(oh_segment_t *s, int64_t by) {
    oh_store_relaxed(&s->more, oh_load_relaxed(&s->more) + (uint64_t)by);
}

/* Whether the key was there in this form before, and can be so again. Immediate keys stay in their
 * slots.
 */
static bool has_dead_slot(const oh_write_t *w, uint32_t form) {
    return !w->found && w->dead_slot != OH_SLOT_NONE && w->key.immediate &&
           (oh_segment_meta(w->segment, w->dead_slot) & OH_META_FORM) == form;
}

void oh_segment_store_object(const oh_write_t *w, uint32_t lane, oh_word_t key_word,
                             oh_word_t word) {
    uint32_t form = lane & OH_META_FORM;
    if (form == OH_FORM_BOX)
        oh_terms_count_box(&w->segment->terms, oh_box_of(word), -1); /* claim counts it again */
    else if (has_dead_slot(w, form)) {
        replace(w->segment, w->dead_slot, word, oh_meta_words(lane));
        return;
    }
    claim(w->segment, &w->key, (oh_form_t)(lane & OH_META_FORM), key_word, word,
          oh_meta_words(lane));
}

void oh_segment_store_many(const oh_write_t *w, oh_word_t key_word, const oh_cell_t *cell) {
    oh_segment_t *s = w->segment;
    oh_word_t value = (oh_word_t)(uintptr_t)cell;
    uint32_t meta = w->found ? oh_segment_meta(s, w->slot) : 0;
    if ((meta & OH_META_FORM) == OH_FORM_CELL &&
        (w->key.immediate || w->key.flat_words > 0 ||
         oh_load_relaxed(&oh_segment_slot(s, w->slot)->key) == key_word)) {
        oh_store_release(&oh_segment_slot(s, w->slot)->value, value); /* V2: pairs with V1 */
        return;
    }
    if (has_dead_slot(w, OH_FORM_CELL)) {
        replace(s, w->dead_slot, value, 0);
        return;
    }
    claim(s, &w->key, OH_FORM_CELL, key_word, value, 0);
    if (!w->found)
        return;
    /* The new slot comes later in the probe sequence and is there: now the old one may go. */
    oh_store_release(&oh_segment_slot(s, w->slot)->value, OH_WORD_NONE); /* V2: pairs with V1 */
    count_in(s, -1);
    if (!w->key.immediate)
        set_meta(s, w->slot, OH_META_GRAVE);
}

/* --- Rebuilding --- */

oh_segment_move_t oh_segment_what_to_move(const oh_segment_t *s) {
    oh_segment_move_t move = {
        .arena = s->terms.dead_words * 4 <= s->terms.arena_words,
        .cells = oh_cells_garbage(&s->cells) * 4 <= oh_cells_used(&s->cells),
    };
    /* A chain is a cell that refers to terms. */
    if (s->many > 0)
        move.arena = move.cells = move.arena && move.cells;
    return move;
}

/* A chain as it is to be in to, with its objects. */
static const oh_cell_t *copy_chain(oh_segment_t *to, const oh_cell_t *chain) {
    struct {
        uint32_t tag;
        uint16_t words, key_words;
        oh_word_t word[OH_CELL_WORDS_MAX];
    } draft;
    memcpy(&draft, chain, oh_cell_size(chain) * sizeof(oh_word_t));
    for (uint32_t i = 0; i < oh_chain_count(chain); i++) {
        uint32_t lane = oh_chain_lane(chain, i), form = lane & OH_META_FORM;
        oh_word_t *word = &draft.word[draft.key_words + 1 + i];
        if (form == OH_FORM_CELL) {
            *word = (oh_word_t)(uintptr_t)oh_cells_put(&to->cells, oh_cell_of(*word));
        } else if (form != OH_FORM_BOX && oh_meta_words(lane) > 0) {
            *word = oh_terms_put(&to->terms, to->ops, *word, oh_meta_words(lane));
        }
        if (*word == OH_WORD_NONE)
            return NULL;
    }
    return oh_cells_put(&to->cells, (const oh_cell_t *)(const void *)&draft);
}

/* Counts a cell that to took over from from, if it is a chain or a bag. */
static void count_many(oh_segment_t *to, const oh_cell_t *cell) {
    if ((cell->tag & OH_CELL_MANY) == 0)
        return;
    bool is_bag = (cell->tag & OH_CELL_BAG) != 0;
    to->many++;
    oh_segment_count_more(
        to, (int64_t)(is_bag ? oh_bag_count(oh_cell_bag(cell)) : oh_chain_count(cell)) - 1);
    if (is_bag)
        to->bag_bytes += oh_bag_bytes(oh_cell_bag(cell));
    for (uint32_t i = 0; !is_bag && i < oh_chain_count(cell); i++)
        if ((oh_chain_lane(cell, i) & OH_META_FORM) == OH_FORM_BOX)
            oh_terms_count_box(&to->terms, oh_box_of(oh_chain_word(cell, i)), 1);
}

/* A cell, or a chain with what it refers to, as it is to be in to. NULL when memory is out. */
static const oh_cell_t *copy_one_cell(oh_segment_t *to, const oh_cell_t *cell) {
    return (cell->tag & OH_CELL_CHAIN) != 0 ? copy_chain(to, cell) : oh_cells_put(&to->cells, cell);
}

/* Copies what an entry of from's refers to, as far as it does not move. False when memory is
 * out. */
static bool copy_entry(oh_segment_t *to, const oh_segment_t *from, uint32_t meta,
                       oh_segment_move_t move, uint32_t tag, oh_word_t *key, oh_word_t *value) {
    uint32_t form = meta & OH_META_FORM;
    const oh_cell_t *cell = form == OH_FORM_CELL ? oh_cell_of(*value) : NULL;
    if (cell != NULL && from->many > 0)
        count_many(to, cell);
    if (form == OH_FORM_BOX || (cell != NULL ? move.cells : move.arena) || *value == OH_WORD_NONE)
        return true;
    if (cell == NULL)
        return oh_terms_put_entry(&to->terms, to->ops, meta, tag, key, value);
    /* The key of a chain or a bag that has no flat form. */
    if ((meta & OH_META_IMM) == 0 && cell->key_words == 0 &&
        (*key = oh_terms_put_key(&to->terms, to->ops, *key)) == OH_WORD_NONE)
        return false;
    /* A split's halves are about equal; what is too much is an eighth of it. */
    uint32_t live = oh_cells_used(&from->cells) - oh_cells_garbage(&from->cells);
    uint32_t expected = to->depth == from->depth ? live + live / 8 : live / 2 + live / 16;
    const oh_cell_t *copy = oh_cells_reserve(&to->cells, expected) ? copy_one_cell(to, cell) : NULL;
    *value = (oh_word_t)(uintptr_t)copy;
    return copy != NULL;
}

static void take_moved(oh_segment_t *to, const oh_segment_t *from, oh_segment_move_t move) {
    if (move.arena) {
        to->terms.arena = from->terms.arena;
        to->terms.arena_words = from->terms.arena_words;
        to->terms.dead_words = from->terms.dead_words;
    }
    if (move.cells)
        to->cells = from->cells;
}

void oh_segment_moved(oh_segment_t *to, oh_segment_t *from, oh_segment_move_t move,
                      bool published) {
    if (published) {
        from->arena_moved = move.arena;
        from->cells_moved = move.cells;
    } else {
        to->arena_moved = move.arena;
        to->cells_moved = move.cells;
    }
}

uint32_t oh_segment_slot_hash(const oh_segment_t *s, uint32_t slot, uint32_t salt) {
    uint32_t meta = oh_segment_meta(s, slot);
    oh_word_t key = oh_load_relaxed(&oh_segment_slot(s, slot)->key);
    oh_word_t value = oh_load_relaxed(&oh_segment_slot(s, slot)->value);
    if ((meta & OH_META_IMM) != 0)
        return oh_hash_immediate(key, salt);
    if ((meta & OH_META_FORM) == OH_FORM_BOX)
        return oh_box_of(value)->hash;
    if ((meta & OH_META_FORM) == OH_FORM_CELL && oh_cell_of(value)->key_words > 0)
        return oh_hash_words(oh_cell_of(value)->word, oh_cell_of(value)->key_words, salt);
    return s->ops->hash(s->terms.arena, key, salt);
}

oh_key_t oh_segment_slot_key(const oh_segment_t *s, uint32_t slot, uint32_t salt) {
    uint32_t meta = oh_segment_meta(s, slot);
    oh_word_t value = oh_load_relaxed(&oh_segment_slot(s, slot)->value);
    oh_key_t key = {.word = oh_load_relaxed(&oh_segment_slot(s, slot)->key),
                    .hash = oh_segment_slot_hash(s, slot, salt),
                    .immediate = (meta & OH_META_IMM) != 0};
    if ((meta & OH_META_FORM) == OH_FORM_CELL) {
        key.flat_words = oh_cell_of(value)->key_words;
        key.flat = oh_cell_of(value)->word;
    }
    return key;
}

void *oh_segment_slot_arena(const oh_segment_t *s, uint32_t slot) {
    if ((oh_segment_meta(s, slot) & OH_META_FORM) != OH_FORM_BOX)
        return s->terms.arena;
    return oh_box_of(oh_load_relaxed(&oh_segment_slot(s, slot)->value))->arena;
}

uint64_t *oh_segment_hashes(const oh_segment_t *s, uint32_t salt) {
    uint32_t slots = s->groups * OH_GROUP_SLOTS;
    uint64_t *hashes = oh_alloc(slots * sizeof *hashes);
    if (hashes == NULL)
        return NULL;
    for (uint32_t i = 0; i < slots; i++) {
        bool there = oh_load_relaxed(&oh_segment_slot(s, i)->value) != OH_WORD_NONE;
        hashes[i] = there ? oh_segment_slot_hash(s, i, salt) : OH_HASH_ABSENT;
    }
    return hashes;
}

/* Absent slots match no prefix, their hash having more than 32 bits. */
static bool in_range(uint64_t hash, uint32_t prefix, uint32_t depth) {
    return (hash ^ prefix) >> (32 - depth) == 0;
}

uint32_t oh_segment_count(const oh_segment_t *s, const uint64_t *hashes, uint32_t prefix,
                          uint32_t depth) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->groups * OH_GROUP_SLOTS; i++)
        count += in_range(hashes[i], prefix, depth);
    return count;
}

/* Copies the i-th slot's entry to the same place of a segment of the same shape. */
static bool copy_slot(oh_segment_t *to, const oh_segment_t *from, uint32_t i,
                      oh_segment_move_t move, uint32_t tag) {
    uint32_t meta = oh_segment_meta(from, i);
    oh_word_t key = oh_load_relaxed(&oh_segment_slot(from, i)->key);
    oh_word_t value = oh_load_relaxed(&oh_segment_slot(from, i)->value);
    if (meta == 0)
        return true;
    if (!copy_entry(to, from, meta, move, tag, &key, &value))
        return false;
    oh_store_relaxed(&oh_segment_slot(to, i)->key, key);
    oh_store_relaxed(&oh_segment_slot(to, i)->value, value);
    return true;
}

bool oh_segment_compact(oh_segment_t *to, const oh_segment_t *from, oh_segment_move_t move,
                        uint32_t tag) {
    for (uint32_t i = 0; i < from->groups * OH_GROUP_SLOTS; i++)
        if (!copy_slot(to, from, i, move, tag))
            return false;
    for (uint32_t g = 0; g < from->groups; g++)
        oh_store_relaxed(&to->meta[g], oh_load_relaxed(&from->meta[g]));
    to->used = from->used;
    oh_store_relaxed(&to->live, oh_load_relaxed(&from->live));
    /* Those of chains were counted as these were copied. */
    to->terms.boxes = from->terms.boxes;
    to->terms.box_words = from->terms.box_words;
    take_moved(to, from, move);
    return true;
}

bool oh_segment_fill(oh_segment_t *to, oh_segment_t *from, const uint64_t *hashes,
                     oh_segment_move_t move, uint32_t tag) {
    for (uint32_t i = 0; i < from->groups * OH_GROUP_SLOTS; i++) {
        if (!in_range(hashes[i], to->prefix, to->depth))
            continue;
        uint32_t meta = oh_segment_meta(from, i);
        oh_form_t form = (oh_form_t)(meta & OH_META_FORM);
        oh_word_t key = oh_load_relaxed(&oh_segment_slot(from, i)->key);
        oh_word_t value = oh_load_relaxed(&oh_segment_slot(from, i)->value);
        if (!copy_entry(to, from, meta, move, tag, &key, &value))
            return false;
        oh_key_t at = {
            .word = key, .hash = (uint32_t)hashes[i], .immediate = (meta & OH_META_IMM) != 0};
        claim(to, &at, form, key, value, oh_meta_words(meta));
    }
    take_moved(to, from, move);
    return true;
}

/* --- Invariants --- */

/* What the entries' storage comes to. */
typedef struct {
    oh_terms_tally_t terms;
    uint32_t many;
    uint64_t more, bag_bytes;
} tally_t;

/* Adds an entry of a segment; false if its chain or bag is not as it should be. */
static bool tally_entry(tally_t *tally, uint32_t form, oh_word_t value) {
    oh_terms_tally(&tally->terms, form, value);
    const oh_cell_t *cell = form == OH_FORM_CELL ? oh_cell_of(value) : NULL;
    if (cell == NULL || (cell->tag & OH_CELL_MANY) == 0)
        return true;
    tally->many++;
    if ((cell->tag & OH_CELL_BAG) != 0) {
        const oh_bag_t *bag = oh_cell_bag(cell);
        tally->more += oh_bag_count(bag) - 1;
        tally->bag_bytes += oh_bag_bytes(bag);
        return oh_bag_count(bag) > 0 && oh_bag_valid(bag);
    }
    tally->more += oh_chain_count(cell) - 1;
    for (uint32_t i = 0; i < oh_chain_count(cell); i++)
        oh_terms_tally(&tally->terms, oh_chain_lane(cell, i) & OH_META_FORM,
                       oh_chain_word(cell, i));
    return oh_chain_count(cell) >= 1 && oh_chain_count(cell) <= OH_CHAIN_MAX;
}

bool oh_segment_valid(const oh_segment_t *s, uint32_t salt) {
    uint32_t used = 0, live = 0;
    tally_t tally = {0};
    for (uint32_t i = 0; i < s->groups * OH_GROUP_SLOTS; i++) {
        uint32_t meta = oh_segment_meta(s, i), form = meta & OH_META_FORM;
        oh_word_t value = oh_load_acquire(&oh_segment_slot(s, i)->value);
        used += meta != 0;
        /* A group fills from its first lane on. */
        if (meta != 0 && i % OH_GROUP_SLOTS > 0 && oh_segment_meta(s, i - 1) == 0)
            return false;
        if (form == 0 && value != OH_WORD_NONE)
            return false;
        if (value == OH_WORD_NONE)
            continue;
        live++;
        oh_key_t key = oh_segment_slot_key(s, i, salt);
        if (!tally_entry(&tally, form, value))
            return false;
        if (form == OH_FORM_CELL && (oh_cell_of(value)->tag & OH_CELL_MANY) == 0 &&
            key.immediate != (key.flat_words == 0))
            return false;
        oh_entry_t entry;
        if (!in_range(key.hash, s->prefix, s->depth) ||
            oh_segment_find(s, oh_segment_shape(s), &key, &entry, NULL) != i)
            return false;
    }
    return used == s->used && live == oh_load_relaxed(&s->live) && tally.many == s->many &&
           tally.more == oh_load_relaxed(&s->more) && tally.bag_bytes == s->bag_bytes &&
           used < s->groups * OH_GROUP_SLOTS &&
           s->terms.dead_words <=
               s->terms.arena_words + (uint64_t)used * OH_SEGMENT_TERM_WORDS_MAX &&
           oh_terms_valid(&s->terms, &s->cells, &tally.terms);
}
