/*
 * oh_names: which object has a name, looked up without a lock.
 *
 * Names are words, such as atoms: few, and the same for ever. An entry is made for each name when
 * it is first used and stays; its object comes and goes. An index, open addressing at most half
 * full, finds the entry; when that is full one of twice the size takes its place, and the old one
 * stays for those who still look there (all together they take as much as the newest). So a look-up
 * follows pointers that are never freed, and only the object needs a guard: it is held
 * (oh_epoch_hold) until the thread has looked up others, so no call of the finder's has to let it
 * go.
 *
 * Call             Threads  Memory order   Progress
 * ---------------  -------  -------------  -------------------------------------------------------
 * find             any      acquire        lock-free: again only if the name changes hands meanwhile
 * insert, remove,  any      seq_cst        blocking: one at a time
 * rename, sweep
 * list             any      acquire        blocking: in turn with those
 *
 * An object is under one name at a time, and says which: find compares, so that a rename, which has
 * the object under both for a moment, is one store.
 *
 * There is one registry in a process. Like the epochs' domain it outlives a reload of the library
 * (oh_names_attach); its layout is versioned with it.
 */
#ifndef OH_NAMES_H
#define OH_NAMES_H

#include "oh_cells.h"
#include "oh_epoch.h"
#include "oh_freelist.h"
#include "oh_lock.h"

/* Stands inside each object that can have a name. */
typedef struct oh_named {
    _Atomic oh_word_t name; /* OH_NAME_NONE: it has none */
    struct oh_named *next;  /* while it leaves; guarded by the registry's lock */
} oh_named_t;

#define OH_NAME_NONE ((oh_word_t)0)

typedef struct {
    oh_freelist_node_t unused; /* what oh_nodes_t wants first */
    oh_word_t name;
    _Atomic(void *) object; /* an oh_named_t, or NULL */
} oh_name_t;

typedef struct oh_names_index {
    uint32_t shift; /* 64 - log2 of the size */
    uint32_t size;
    struct oh_names_index *older;
    _Atomic(oh_name_t *) entry[];
} oh_names_index_t;

typedef struct {
    _Atomic(oh_names_index_t *) index;
    oh_nodes_t entries; /* oh_name_t, in the order of their first use */
    oh_lock_t lock;
    oh_named_t *leaving; /* taken out, perhaps still held; guarded by lock */
    oh_named_t *leaving_last;
} oh_names_t;

/* Called for an object that left and that nobody holds any more, without a lock. */
typedef void oh_names_release_t(oh_named_t *object);

extern oh_names_t *oh_names;

/* Makes this library use names, or a new registry for NULL. OH_ENOMEM. Before all other calls;
 * again with the same one is allowed. After oh_epoch_attach. */
oh_status_t oh_names_attach(oh_names_t *names);

/* Frees the registry. No other call may be under way; what still leaves is released. Tests only. */
void oh_names_destroy(oh_names_release_t *release);

static inline uint32_t oh_names_slot(const oh_names_index_t *index, oh_word_t name) {
    return (uint32_t)(name * 0x9e3779b97f4a7c15u >> index->shift);
}

/* The entry of name, or NULL. */
static inline oh_name_t *oh_names_entry(const oh_names_t *names, oh_word_t name) {
    const oh_names_index_t *index = oh_load_acquire(&names->index); /* I1: pairs with I2 */
    for (uint32_t i = oh_names_slot(index, name);; i = (i + 1) & (index->size - 1)) {
        oh_name_t *entry = oh_load_acquire(&index->entry[i]); /* E1: pairs with E2 */
        if (entry == NULL || entry->name == name)
            return entry;
    }
}

/* Where a thread holds the object with this name. */
static inline uint32_t oh_names_place(oh_word_t name) {
    return (uint32_t)(name * 0x9e3779b97f4a7c15u >> 32) % OH_EPOCH_HOLDS;
}

/* The same as find, for a name that the calling thread has not asked for lately. */
oh_named_t *oh_names_find_other(oh_word_t name);

/* The object with this name, held by the calling thread; or NULL. Any word but OH_NAME_NONE may be
 * asked for. */
static inline oh_named_t *oh_names_find(oh_word_t name) {
    /* An object that is still held and has the name is the one that the name has. */
    oh_named_t *object = oh_epoch_holding(oh_names_place(name));
    return oh_likely(object != NULL && oh_load_acquire(&object->name) == name)
               ? object
               : oh_names_find_other(name);
}

/* Gives object, which has none, the name. OH_EXISTS, OH_ENOMEM, OH_LIMIT: no change. The registry
 * keeps the object from here on until a sweep calls release for it. */
oh_status_t oh_names_insert(oh_word_t name, oh_named_t *object);

/* Takes its name from the object: free at once for others. A later sweep releases the object. False
 * if it has none, and then nothing follows. */
bool oh_names_remove(oh_named_t *object);

/* Gives object the name instead of the one it has. OH_EXISTS if the name is taken, by the object
 * itself too; OH_NOT_FOUND if the object has none; OH_ENOMEM, OH_LIMIT: no change. */
oh_status_t oh_names_rename(oh_named_t *object, oh_word_t name);

/* Releases some of what left, as far as nobody holds it. To be called after a remove; each looks at
 * more objects than one, so that few wait. */
void oh_names_sweep(oh_names_release_t *release);

/* Puts names in use into list, which has room for count, from *position on (begin with 0), which it
 * moves on. Returns how many; fewer than count at the end. Those of one call are in use at one
 * instant. */
uint32_t oh_names_list(uint32_t *position, oh_word_t *list, uint32_t count);

/* The invariants. Takes the lock. */
bool oh_names_valid(void);

#endif
