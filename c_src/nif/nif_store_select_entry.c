/* The entries of a selection, one by one. */
#include "nif_store_index.h"
#include "nif_store_select.h"

static bool same_entry(const oh_entry_t *a, const oh_entry_t *b) {
    return a->key == b->key && a->value == b->value && a->form == b->form && a->box == b->box &&
           a->cell == b->cell;
}

/* Deletes the entry, or replaces it by the object, if it is still what was matched. GO_ON if that
 * was done or it is gone; else *changed, and *entry is what is there now. */
static store_walk_t write_entry(store_select_t *q, oh_entry_t *entry, ERL_NIF_TERM object,
                                bool *changed) {
    flat_draft_t draft;
    oh_item_t item;
    oh_write_t w;
    bool replace = q->mode == MODE_REPLACE;
    step_t step = replace
                      ? store_object(q->env, q->store, object, &draft, &item)
                      : store_key(q->env, q->store, store_make_key(match_scratch(&q->run), entry),
                                  draft.word, &item.key);
    *changed = false;
    if (step != STEP_OK)
        return step == STEP_ENOMEM ? STOP_ENOMEM : STOP_GENERAL;
    oh_status_t status = store_index_begin(q->store, &w, &item.key, replace);
    if (status == OH_OK) {
        bool same = w.found && same_entry(&w.entry, entry);
        if (same && !replace)
            store_index_remove(q->store, &w);
        else if (same && (status = store_index_put(q->store, &w, &item)) == OH_OK)
            item.box = NULL; /* the table's now */
        q->count += same && status == OH_OK;
        *changed = w.found && !same;
        *entry = w.found ? w.entry : *entry;
        store_index_end(q->store, &w);
    }
    if (replace)
        store_item_drop(&item);
    return status == OH_OK ? GO_ON : status == OH_CLOSED ? STOP_CLOSED : STOP_ENOMEM;
}

/* Tries of an entry that others keep changing. */
#define WRITE_TRIES 16

/* Matches an entry and does with it what the mode says. */
static store_walk_t take_entry(store_select_t *q, oh_entry_t entry) {
    ERL_NIF_TERM value;
    bool changed = true;
    for (int tries = 0; changed; tries++) {
        match_outcome_t outcome = store_select_match(q, &entry, &value);
        if (outcome == MATCH_GENERAL || tries == WRITE_TRIES)
            return STOP_GENERAL;
        if (outcome == MATCH_NO ||
            ((q->mode == MODE_COUNT || q->mode == MODE_DELETE) && value != nif_atom.true_))
            return GO_ON;
        q->run.cost += STORE_RESULT_COST + (entry.box == NULL ? 0 : entry.box->words);
        if (q->mode >= MODE_DELETE) {
            store_walk_t walk = write_entry(q, &entry, value, &changed);
            if (walk != GO_ON)
                return walk;
        } else {
            changed = false;
            q->count++;
            if (q->mode <= MODE_OBJECTS)
                q->results = enif_make_list_cell(q->env, value, q->results);
        }
    }
    return q->limit > 0 && --q->limit == 0 ? STOP_FULL : GO_ON;
}

/* Whether there is time for an entry here. */
static store_walk_t check_entry(store_select_t *q, const oh_entry_t *entry) {
    if (q->run.cost > q->cost_max)
        return STOP_MORE;
    if (entry->box != NULL) {
        if (entry->box->words > STORE_INLINE_WORDS && !nif_on_dirty_cpu())
            return store_select_dirty(q);
        q->run.cost += entry->box->words / 8;
    }
    q->run.cost += STORE_ENTRY_COST;
    q->taken++;
    return GO_ON;
}

store_walk_t store_select_entry(store_select_t *q, const oh_entry_t *entry, bool *taken) {
    store_walk_t walk = check_entry(q, entry);
    if (walk == GO_ON)
        walk = take_entry(q, *entry);
    *taken = walk == GO_ON || walk == STOP_FULL;
    return walk;
}
