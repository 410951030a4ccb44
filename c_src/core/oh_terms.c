#include "oh_terms.h"
#include "oh_alloc.h"

/* --- Boxes --- */

void oh_box_free(oh_box_t *box) {
    box->ops->arena_free(box->arena);
    oh_free(box);
}

static void free_retired_box(oh_retired_t *retired) {
    oh_box_free(OH_CONTAINER_OF(retired, oh_box_t, retired));
}

void oh_box_retire(oh_box_t *box) {
    oh_epoch_retire(&box->retired, box->ops->arena_bytes + box->words * sizeof(oh_word_t),
                    free_retired_box);
}

void oh_terms_count_box(oh_terms_t *terms, const oh_box_t *box, int by) {
    terms->boxes += (uint32_t)by;
    terms->box_words += by > 0 ? box->words : -box->words;
}

size_t oh_terms_box_bytes(const oh_terms_t *terms, const oh_term_ops_t *ops) {
    return terms->boxes * (ops->arena_bytes + sizeof(oh_box_t)) +
           terms->box_words * sizeof(oh_word_t);
}

/* --- The arena --- */

size_t oh_terms_arena_bytes(const oh_terms_t *terms, const oh_term_ops_t *ops) {
    return terms->arena == NULL ? 0 : ops->arena_bytes + terms->arena_words * sizeof(oh_word_t);
}

oh_word_t oh_terms_put(oh_terms_t *terms, const oh_term_ops_t *ops, oh_word_t term,
                       uint32_t words) {
    if (terms->arena == NULL && (terms->arena = ops->arena_new()) == NULL)
        return OH_WORD_NONE;
    terms->arena_words += words;
    return ops->arena_copy(terms->arena, term);
}

oh_word_t oh_terms_put_key(oh_terms_t *terms, const oh_term_ops_t *ops, oh_word_t key) {
    return oh_terms_put(terms, ops, key, OH_META_KEY_WORDS);
}

bool oh_terms_copy_entry(oh_terms_t *terms, const oh_term_ops_t *ops, uint32_t meta, uint32_t tag,
                         oh_word_t *key, oh_word_t *value) {
    uint32_t words = oh_meta_words(meta);
    bool is_object = (meta & OH_META_FORM) == OH_FORM_OBJECT;
    if (words > 0 && (*value = oh_terms_put(terms, ops, *value, words)) == OH_WORD_NONE)
        return false;
    if ((meta & OH_META_IMM) != 0 || (is_object && words == 0))
        return true;
    *key =
        is_object ? ops->object_key(terms->arena, *value, tag) : oh_terms_put_key(terms, ops, *key);
    return *key != OH_WORD_NONE;
}

bool oh_terms_put_cell(oh_cells_t *cells, oh_item_t *item) {
    const oh_cell_t *cell = oh_cells_put(cells, item->cell);
    item->arena_key = item->key.immediate ? item->key.word : OH_WORD_NONE;
    item->arena_value = (oh_word_t)(uintptr_t)cell;
    return cell != NULL;
}

void oh_terms_own_key(oh_key_t *key, const oh_item_t *item) {
    key->word = item->arena_key;
    if (item->form == OH_FORM_CELL)
        key->flat = oh_cell_of(item->arena_value)->word;
    else
        key->flat_words = 0;
}

/* --- Invariants --- */

void oh_terms_tally(oh_terms_tally_t *tally, uint32_t form, oh_word_t value) {
    if (form == OH_FORM_BOX) {
        tally->boxes++;
        tally->box_words += oh_box_of(value)->words;
    } else if (form == OH_FORM_CELL) {
        tally->cell_words += oh_cell_size(oh_cell_of(value));
    }
}

bool oh_terms_valid(const oh_terms_t *terms, const oh_cells_t *cells,
                    const oh_terms_tally_t *tally) {
    return tally->boxes == terms->boxes && tally->box_words == terms->box_words &&
           oh_cells_valid(cells, tally->cell_words);
}
