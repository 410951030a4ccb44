#include "oh_names.h"
#include "oh_alloc.h"

/* Entries that the first index has room for, twice. */
#define FIRST_SIZE 32
/* Objects that one sweep looks at: some microseconds. */
#define SWEEP_BUDGET 16

oh_names_t *oh_names;

static oh_names_index_t *index_new(uint32_t size) {
    oh_names_index_t *index = oh_zalloc(sizeof *index + size * sizeof index->entry[0]);
    if (index == NULL)
        return NULL;
    index->size = size;
    index->shift = 64 - (uint32_t)__builtin_ctz(size);
    return index;
}

oh_status_t oh_names_attach(oh_names_t *names) {
    if (oh_names != NULL)
        return OH_OK;
    if (names == NULL) {
        names = oh_zalloc(sizeof *names);
        oh_names_index_t *index = names == NULL ? NULL : index_new(FIRST_SIZE);
        if (index == NULL) {
            oh_free(names);
            return OH_ENOMEM;
        }
        oh_nodes_init(&names->entries, sizeof(oh_name_t));
        oh_store_release(&names->index, index);
    }
    oh_names = names;
    return OH_OK;
}

void oh_names_destroy(oh_names_release_t *release) {
    oh_names_t *names = oh_names;
    oh_names = NULL;
    for (oh_named_t *next, *object = names->leaving; object != NULL; object = next) {
        next = object->next;
        release(object);
    }
    oh_names_index_t *index = oh_load_relaxed(&names->index);
    while (index != NULL) {
        oh_names_index_t *older = index->older;
        oh_free(index);
        index = older;
    }
    oh_nodes_free(&names->entries);
    oh_free(names);
}

/* --- Entries. The lock is held. --- */

static void index_put(oh_names_index_t *index, oh_name_t *entry) {
    uint32_t i = oh_names_slot(index, entry->name);
    while (oh_load_relaxed(&index->entry[i]) != NULL)
        i = (i + 1) & (index->size - 1);
    oh_store_release(&index->entry[i], entry); /* E2: pairs with E1 */
}

/* Sees to it that the index has room for one more. */
static bool index_room(oh_names_t *names) {
    oh_names_index_t *index = oh_load_relaxed(&names->index);
    uint32_t count = oh_nodes_count(&names->entries);
    if (count < index->size / 2)
        return true;
    oh_names_index_t *larger = index_new(index->size * 2);
    if (larger == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++)
        index_put(larger, oh_nodes_at(&names->entries, i));
    larger->older = index;
    oh_store_release(&names->index, larger); /* I2: pairs with I1 */
    return true;
}

/* The entry of name, made if there is none. */
static oh_status_t need_entry(oh_names_t *names, oh_word_t name, oh_name_t **entry) {
    uint32_t n;
    *entry = oh_names_entry(names, name);
    if (*entry != NULL)
        return OH_OK;
    if (!index_room(names))
        return OH_ENOMEM;
    oh_status_t status = oh_nodes_add(&names->entries, &n);
    if (status != OH_OK)
        return status;
    *entry = oh_nodes_at(&names->entries, n);
    (*entry)->name = name;
    index_put(oh_load_relaxed(&names->index), *entry);
    return OH_OK;
}

oh_status_t oh_names_insert(oh_word_t name, oh_named_t *object) {
    oh_names_t *names = oh_names;
    oh_name_t *entry;
    oh_lock(&names->lock);
    oh_status_t status = need_entry(names, name, &entry);
    if (status == OH_OK && oh_load_relaxed(&entry->object) != NULL)
        status = OH_EXISTS;
    if (status == OH_OK) {
        oh_store_relaxed(&object->name, name);
        oh_store_seqcst(&entry->object, object);
    }
    oh_unlock(&names->lock);
    return status;
}

/* Takes the object from its name. The entry is looked at, because the name may be one of a registry
 * that was left with a library that was unloaded. */
static void vacate(oh_names_t *names, oh_word_t name, oh_named_t *object) {
    oh_name_t *entry = oh_names_entry(names, name);
    if (entry != NULL && oh_load_relaxed(&entry->object) == object)
        oh_store_seqcst(&entry->object, NULL); /* H3 of oh_epoch.h */
}

oh_status_t oh_names_rename(oh_named_t *object, oh_word_t name) {
    oh_names_t *names = oh_names;
    oh_name_t *entry;
    oh_lock(&names->lock);
    oh_word_t old = oh_load_relaxed(&object->name);
    oh_status_t status = old == OH_NAME_NONE ? OH_NOT_FOUND : need_entry(names, name, &entry);
    if (status == OH_OK && oh_load_relaxed(&entry->object) != NULL)
        status = OH_EXISTS;
    if (status == OH_OK) {
        oh_store_seqcst(&entry->object, object);
        oh_store_release(&object->name, name); /* from here on it is found by the new name */
        vacate(names, old, object);
    }
    oh_unlock(&names->lock);
    return status;
}

/* --- Leaving --- */

static void leave(oh_names_t *names, oh_named_t *object) {
    object->next = NULL;
    if (names->leaving == NULL)
        names->leaving = object;
    else
        names->leaving_last->next = object;
    names->leaving_last = object;
}

/* Takes out of those that leave some that nobody holds. The lock is held. */
static oh_named_t *left(oh_names_t *names) {
    oh_named_t *gone = NULL;
    for (uint32_t i = 0, n = SWEEP_BUDGET; i < n && names->leaving != NULL; i++) {
        oh_named_t *object = names->leaving;
        names->leaving = object->next;
        if (oh_epoch_held(object)) {
            leave(names, object);
        } else {
            object->next = gone;
            gone = object;
        }
    }
    return gone;
}

bool oh_names_remove(oh_named_t *object) {
    oh_names_t *names = oh_names;
    oh_lock(&names->lock);
    oh_word_t name = oh_load_relaxed(&object->name);
    if (name != OH_NAME_NONE) {
        vacate(names, name, object);
        oh_store_release(&object->name, OH_NAME_NONE);
        leave(names, object);
    }
    oh_unlock(&names->lock);
    return name != OH_NAME_NONE;
}

void oh_names_sweep(oh_names_release_t *release) {
    oh_lock(&oh_names->lock);
    oh_named_t *gone = left(oh_names);
    oh_unlock(&oh_names->lock);
    while (gone != NULL) {
        oh_named_t *next = gone->next;
        release(gone);
        gone = next;
    }
}

/* --- Looking --- */

oh_named_t *oh_names_find_other(oh_word_t name) {
    oh_name_t *entry = oh_names_entry(oh_names, name);
    if (entry == NULL)
        return NULL;
    oh_named_t *object = oh_epoch_hold(&entry->object, oh_names_place(name));
    return object != NULL && oh_load_acquire(&object->name) == name ? object : NULL;
}

uint32_t oh_names_list(uint32_t *position, oh_word_t *list, uint32_t count) {
    oh_names_t *names = oh_names;
    uint32_t n = 0;
    oh_lock(&names->lock);
    for (; n < count && *position < oh_nodes_count(&names->entries); ++*position) {
        oh_name_t *entry = oh_nodes_at(&names->entries, *position);
        if (oh_load_relaxed(&entry->object) != NULL)
            list[n++] = entry->name;
    }
    oh_unlock(&names->lock);
    return n;
}

bool oh_names_valid(void) {
    oh_names_t *names = oh_names;
    bool valid = true;
    oh_lock(&names->lock);
    uint32_t count = oh_nodes_count(&names->entries);
    const oh_names_index_t *index = oh_load_relaxed(&names->index);
    for (uint32_t i = 0; valid && i < count; i++) {
        oh_name_t *entry = oh_nodes_at(&names->entries, i);
        oh_named_t *object = oh_load_relaxed(&entry->object);
        valid = oh_names_entry(names, entry->name) == entry &&
                (object == NULL || oh_load_relaxed(&object->name) == entry->name);
    }
    for (oh_named_t *object = names->leaving; valid && object != NULL; object = object->next)
        valid = oh_load_relaxed(&object->name) == OH_NAME_NONE &&
                (object->next != NULL || names->leaving_last == object);
    valid = valid && count <= index->size / 2;
    oh_unlock(&names->lock);
    return valid;
}
