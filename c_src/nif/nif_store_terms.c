/* The store's terms: for the core as keys, items and operations, for the caller as results. */
#include "nif_store.h"

#include <string.h>

#include "../core/oh_alloc.h"

/* --- Terms as the core's words --- */

/* The hash of a key without a flat form. */
static uint32_t term_hash(oh_word_t key, uint32_t salt) {
    ErlNifUInt64 hash = enif_hash(ERL_NIF_INTERNAL_HASH, key, salt);
    /* The table goes by the top bits first: spread what the emulator's hash has. */
    return (uint32_t)(hash ^ hash >> 32) * 0x9e3779b1u;
}

static uint32_t arena_hash(void *arena, oh_word_t key, uint32_t salt) {
    oh_word_t flat[FLAT_KEY_WORDS];
    uint16_t words;
    return flat_key(arena, key, flat, &words) == KEY_FLAT ? oh_hash_words(flat, words, salt)
                                                          : term_hash(key, salt);
}

static bool term_equal(oh_word_t a, oh_word_t b) {
    return enif_is_identical(a, b) != 0;
}

static void *arena_new(void) {
    return enif_alloc_env();
}

static oh_word_t arena_copy(void *arena, oh_word_t term) {
    return enif_make_copy(arena, term);
}

static void arena_free(void *arena) {
    enif_free_env(arena);
}

static oh_word_t object_key(void *arena, oh_word_t object, uint32_t keypos) {
    const ERL_NIF_TERM *element;
    int arity;
    return enif_get_tuple(arena, object, &arity, &element) ? element[keypos - 1] : OH_WORD_NONE;
}

static uint16_t arena_flat(void *arena, oh_word_t key, oh_word_t words[OH_CELL_WORDS_MAX]) {
    uint16_t count;
    return flat_key(arena, key, words, &count) == KEY_FLAT ? count : 0;
}

/* Terms that are not identical but compare as equal, as {1} and {1.0}, are told apart by their
 * hashes. */
static int term_compare(oh_word_t a, oh_word_t b) {
    int order = enif_compare(a, b);
    if (order != 0 || term_equal(a, b))
        return order;
    for (ErlNifUInt64 salt = 0;; salt++) {
        ErlNifUInt64 x = enif_hash(ERL_NIF_INTERNAL_HASH, a, salt);
        ErlNifUInt64 y = enif_hash(ERL_NIF_INTERNAL_HASH, b, salt);
        if (x != y || salt == 8)
            return x < y ? -1 : x > y;
    }
}

/* An environment was measured at 864 bytes and its first heap fragment at 1,680. */
const oh_term_ops_t store_ops = {
    .hash = arena_hash,
    .equal = term_equal,
    .arena_new = arena_new,
    .arena_copy = arena_copy,
    .arena_free = arena_free,
    .object_key = object_key,
    .flat = arena_flat,
    .compare_exactly = term_compare,
    .arena_bytes = 2544,
    .compare = nif_order_compare,
};

/* --- Arguments --- */

step_t store_measure_key(ErlNifEnv *env, const store_t *s, oh_key_t *key, nif_size_t *size) {
    bool dirty = nif_on_dirty_cpu();
    *size = nif_measure(env, key->word, dirty ? UINT64_MAX : STORE_INLINE_WORDS);
    if (!dirty && (!size->complete || size->binary_bytes > STORE_INLINE_KEY_BYTES))
        return STEP_DIRTY;
    if (s->tree == NULL)
        key->hash = term_hash(key->word, oh_table_salt(s->table));
    else if (!nif_order(env, key->word, key))
        return STEP_ENOMEM;
    return STEP_OK;
}

flat_key_kind_t store_flat_order_key(ErlNifEnv *env, oh_key_t *key,
                                     oh_word_t flat[FLAT_KEY_WORDS]) {
    ErlNifSInt64 value;
    key->flat_words = 0;
    key->flat = flat;
    key->immediate = false;
    if (enif_get_int64(env, key->word, &value) && value >= NIF_SMALL_MIN &&
        value <= NIF_SMALL_MAX) {
        key->immediate = true;
        nif_order_small(value, key);
        return KEY_IMMEDIATE;
    }
    flat_key_kind_t kind = flat_key(env, key->word, flat, &key->flat_words);
    /* Without memory for the prefix it is a case for store_measure_key, which says so. */
    if (kind != KEY_TERM && !nif_order(env, key->word, key)) {
        key->flat_words = 0;
        kind = KEY_TERM;
    }
    key->immediate = kind == KEY_IMMEDIATE;
    return kind;
}

void store_stored_key(ErlNifEnv *env, const oh_entry_t *entry, oh_key_t *key) {
    key->word = entry->key;
    key->flat_words = 0;
    if (entry->cell != NULL && entry->cell->key_words > 0) {
        key->word = OH_WORD_NONE;
        key->flat_words = entry->cell->key_words;
        key->flat = entry->cell->word;
        key->immediate = false;
    } else {
        key->immediate = nif_is_immediate(env, entry->key);
    }
}

/* Puts item's terms into an environment of their own. */
static step_t make_box(oh_item_t *item, uint64_t words, uint32_t keypos) {
    oh_box_t *box = oh_alloc(sizeof *box);
    void *arena = box == NULL ? NULL : arena_new();
    if (arena == NULL) {
        oh_free(box);
        return STEP_ENOMEM;
    }
    *box = (oh_box_t){.ops = &store_ops,
                      .arena = arena,
                      .value = arena_copy(arena, item->value),
                      .form = item->form,
                      .hash = item->key.hash,
                      .words = words};
    box->key = item->form == OH_FORM_OBJECT ? object_key(arena, box->value, keypos)
                                            : arena_copy(arena, item->key.word);
    item->box = box;
    item->form = OH_FORM_BOX;
    return STEP_OK;
}

/* An item with its key; flat forms are put into the draft. Without a flat form, *size is the
 * key's. */
static step_t item_key(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM key, flat_draft_t *draft,
                       oh_item_t *item, nif_size_t *size) {
    /* Field by field: a whole item takes longer to clear than the rest of this call. */
    item->key.word = key;
    item->value_words = 0;
    item->value_immediate = false;
    item->box = NULL;
    item->rekey = false;
    *size = (nif_size_t){.complete = true};
    flat_key_kind_t kind = store_flat_key(env, s, &item->key, draft->word);
    draft->key_words = item->key.flat_words;
    if (kind != KEY_TERM)
        return STEP_OK;
    step_t step = store_measure_key(env, s, &item->key, size);
    item->rekey = size->has_float || !size->complete;
    return step;
}

/* Makes the item a cell. */
static step_t to_cell(oh_item_t *item, const flat_draft_t *draft) {
    item->form = OH_FORM_CELL;
    item->cell = (const oh_cell_t *)draft;
    return STEP_OK;
}

/* Completes an item whose key, form and value are set: for an arena, or in a box. */
static step_t size_item(ErlNifEnv *env, const store_t *s, oh_item_t *item, const nif_size_t *key) {
    nif_size_t value = {.complete = true};
    if (!item->value_immediate) {
        bool dirty = nif_on_dirty_cpu();
        value = nif_measure(env, item->value, dirty ? UINT64_MAX : STORE_INLINE_WORDS);
        if (!value.complete && !dirty)
            return STEP_DIRTY;
    }
    uint64_t words = value.words + (item->form == OH_FORM_OBJECT ? 0 : key->words);
    /* Objects of a bag are hashed, byte by byte. */
    if (store_is_bag(s) && value.binary_bytes > STORE_INLINE_KEY_BYTES && !nif_on_dirty_cpu())
        return STEP_DIRTY;
    if (words > STORE_SHARED_WORDS || value.heavy_binary || key->heavy_binary || !value.complete)
        return make_box(item, words, s->keypos);
    item->value_words = (uint32_t)value.words;
    return STEP_OK;
}

/* Whether the key may stand in a cell. */
static bool has_flat_key(const oh_item_t *item) {
    return item->key.immediate || item->key.flat_words > 0;
}

step_t store_pair(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM key, ERL_NIF_TERM value,
                  flat_draft_t *draft, oh_item_t *item) {
    const ERL_NIF_TERM *element;
    int arity;
    nif_size_t size;
    step_t step = item_key(env, s, key, draft, item, &size);
    if (step != STEP_OK)
        return step;
    item->form = OH_FORM_VALUE;
    item->value = value;
    if (enif_get_tuple(env, value, &arity, &element)) {
        if (has_flat_key(item) && flat_tuple(env, element, (uint32_t)arity, draft))
            return to_cell(item, draft);
        return size_item(env, s, item, &size);
    }
    item->value_immediate = nif_is_immediate(env, value);
    if (!item->value_immediate || !has_flat_key(item))
        return size_item(env, s, item, &size);
    if (item->key.immediate)
        return STEP_OK;
    flat_immediate(value, draft);
    return to_cell(item, draft);
}

/* Sizes an object of a bag that is in no cell, and hashes it. */
static step_t size_and_hash(ErlNifEnv *env, const store_t *s, oh_item_t *item,
                            const nif_size_t *key) {
    step_t step = size_item(env, s, item, key);
    /* As the core sees it: a word that is no term of its own, a port's, say. */
    if (step == STEP_OK && item->form != OH_FORM_BOX && item->value_words == 0)
        item->value_immediate = true;
    if (step == STEP_OK && !item->value_immediate)
        item->value_hash =
            item->form == OH_FORM_BOX
                ? arena_hash(item->box->arena, item->box->value, oh_table_salt(s->table))
                : arena_hash(env, item->value, oh_table_salt(s->table));
    return step;
}

/* An object of a bag: with a key that is not immediate, it has the key in it (oh_objects.h). */
static step_t bag_object(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM object,
                         const ERL_NIF_TERM *element, uint32_t arity, flat_draft_t *draft,
                         oh_item_t *item) {
    nif_size_t size;
    const ERL_NIF_TERM *part;
    int parts;
    bool is_pair = arity == 2 && s->keypos == 1;
    step_t step = item_key(env, s, element[s->keypos - 1], draft, item, &size);
    if (step != STEP_OK)
        return step;
    item->box_kept = false;
    item->form = OH_FORM_OBJECT;
    item->value = object;
    if (!is_pair) {
        if (has_flat_key(item) && flat_object(env, element, arity, s->keypos, draft))
            return to_cell(item, draft);
        return size_and_hash(env, s, item, &size);
    }
    if (has_flat_key(item) && enif_get_tuple(env, element[1], &parts, &part) &&
        flat_tuple(env, part, (uint32_t)parts, draft))
        return to_cell(item, draft);
    bool immediate = nif_is_immediate(env, element[1]);
    if (immediate && item->key.flat_words > 0) {
        flat_immediate(element[1], draft);
        return to_cell(item, draft);
    }
    if (item->key.immediate) {
        item->form = OH_FORM_VALUE;
        item->value = element[1];
        item->value_immediate = immediate;
        if (immediate)
            return STEP_OK;
    }
    return size_and_hash(env, s, item, &size);
}

step_t store_object(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM object, flat_draft_t *draft,
                    oh_item_t *item) {
    const ERL_NIF_TERM *element;
    int arity;
    nif_size_t size;
    if (!enif_get_tuple(env, object, &arity, &element) || (uint32_t)arity < s->keypos)
        return STEP_BADARG;
    if (oh_unlikely(store_is_bag(s)))
        return bag_object(env, s, object, element, (uint32_t)arity, draft, item);
    if (arity == 2 && s->keypos == 1)
        return store_pair(env, s, element[0], element[1], draft, item);
    step_t step = item_key(env, s, element[s->keypos - 1], draft, item, &size);
    if (step != STEP_OK)
        return step;
    item->form = OH_FORM_OBJECT;
    item->value = object;
    if (has_flat_key(item) && flat_object(env, element, (uint32_t)arity, s->keypos, draft))
        return to_cell(item, draft);
    return size_item(env, s, item, &size);
}

void store_item_drop(oh_item_t *item) {
    if (item->box != NULL)
        oh_box_free(item->box);
    item->box = NULL;
}

/* --- Results --- */

ERL_NIF_TERM store_make_key(ErlNifEnv *env, const oh_entry_t *entry) {
    if (entry->cell == NULL)
        return enif_make_copy(env, entry->key);
    if (entry->cell->key_words > 0)
        return flat_make_key(env, entry->cell->word);
    /* Of a chain or a bag it may be any term. */
    return (entry->cell->tag & OH_CELL_MANY) != 0 ? enif_make_copy(env, entry->key) : entry->key;
}

static ERL_NIF_TERM make_cell_object(ErlNifEnv *env, const store_t *s, const oh_entry_t *entry) {
    const oh_cell_t *cell = entry->cell;
    if (flat_kind(cell) != FLAT_OBJECT)
        return enif_make_tuple2(env, store_make_key(env, entry), flat_make_value(env, cell));
    if (cell->key_words == 0)
        return flat_make_value(env, cell);
    ERL_NIF_TERM element[FLAT_ARITY];
    uint32_t arity = flat_value_words(cell);
    memcpy(element, flat_value(cell), arity * sizeof element[0]);
    element[s->keypos - 1] = store_make_key(env, entry);
    return enif_make_tuple_from_array(env, element, arity);
}

ERL_NIF_TERM store_make_object(ErlNifEnv *env, const store_t *s, const oh_entry_t *entry) {
    if (entry->cell != NULL)
        return make_cell_object(env, s, entry);
    ERL_NIF_TERM value = entry->value_immediate ? entry->value : enif_make_copy(env, entry->value);
    if (entry->form == OH_FORM_OBJECT)
        return value;
    /* A bag's pairs have immediate keys, but for those in boxes. */
    bool immediate = store_is_bag(s) && entry->box == NULL;
    return enif_make_tuple2(env, immediate ? entry->key : enif_make_copy(env, entry->key), value);
}

ERL_NIF_TERM store_end(ErlNifEnv *env, step_t step, store_fun_t *fun, int argc,
                       const ERL_NIF_TERM argv[]) {
    switch (step) {
    case STEP_DIRTY:
        return enif_schedule_nif(env, "store", ERL_NIF_DIRTY_JOB_CPU_BOUND, fun, argc, argv);
    case STEP_ENOMEM:
        return nif_raise(env, nif_atom.status_system_limit);
    default:
        return enif_make_badarg(env);
    }
}
