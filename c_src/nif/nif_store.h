/*
 * nif_store: what the files of the store's glue share.
 *
 * A call on a normal scheduler handles terms up to STORE_INLINE_WORDS; with larger ones, or with
 * terms whose size cannot be told in bounded time, the same function runs again on a dirty CPU
 * scheduler.
 */
#ifndef NIF_STORE_H
#define NIF_STORE_H

#include "nif.h"
#include "nif_flat.h"
#include "nif_order.h"
#include "nif_size.h"

#include "../core/oh_lock.h"
#include "../core/oh_names.h"
#include "../core/oh_objects.h"
#include "../core/oh_table.h"
#include "../core/oh_tree.h"

/* Terms up to this many words are copied, hashed and compared where the caller is: about 50 us. */
#define STORE_INLINE_WORDS 8192
/* The same for the bytes of binaries in keys, which are hashed and compared byte by byte. */
#define STORE_INLINE_KEY_BYTES 65536
/* Terms up to this many words share an arena; larger ones get an environment of their own. */
#define STORE_SHARED_WORDS 512
/* Objects in one list that are inserted where the caller is. */
#define STORE_INLINE_OBJECTS 500
/* Objects that are read, copied or walked in one call where the caller is: some 200 us. */
#define STORE_INLINE_READS 4000

typedef enum { STORE_SET, STORE_ORDERED_SET, STORE_BAG, STORE_DUPLICATE_BAG } store_type_t;
typedef enum { STORE_PUBLIC, STORE_PROTECTED, STORE_PRIVATE } store_protection_t;

/* Options that change nothing but what info shows: the terms to show. */
typedef struct {
    ERL_NIF_TERM read_concurrency, write_concurrency, decentralized_counters, compressed;
} store_shown_t;

/* Who inherits a table. Never changes once it is a table's, but for dead. */
typedef struct {
    oh_retired_t retired;
    ErlNifPid pid;
    ErlNifMonitor monitor;
    ErlNifEnv *env; /* that of data */
    ERL_NIF_TERM data;
    bool dead; /* guarded by the table's lock */
} store_heir_t;

typedef struct store_fixer store_fixer_t;

/* Who has fixed the table: nif_store_fix.c. */
typedef struct {
    oh_lock_t lock; /* guards the rest */
    store_fixer_t *first;
    ErlNifSInt64 since; /* Erlang's monotonic time, native */
} store_fixes_t;

/*
 * A table's resource. Its life, who owns it and who inherits it: nif_store_owner.c.
 *
 * A named table is kept by the registry of names, so it needs no reference anywhere; an unnamed one
 * goes when its last reference is collected.
 */
typedef struct {
    oh_table_t *table;          /* one of the two: see nif_store_index.h */
    oh_tree_t *tree;            /* of an ordered set */
    oh_registry_entry_t *entry; /* what it is in the registry; or NULL, as the two */
    oh_named_t named;
    uint32_t keypos; /* one-based */
    store_type_t type;
    bool has_name; /* named_table; else named.name is unused */
    store_shown_t shown;
    _Atomic uint32_t protection;  /* store_protection_t; written under lock */
    _Atomic ERL_NIF_TERM owner;   /* a pid; STORE_NOBODY once deleted; written under lock */
    _Atomic ERL_NIF_TERM name;    /* an atom: what info shows; written under lock */
    oh_lock_t lock;               /* a leaf: nothing is called with it but the core's names */
    ErlNifMonitor monitor;        /* of the owner; guarded by lock */
    _Atomic(store_heir_t *) heir; /* or NULL; written under lock; read pinned */
    store_fixes_t fixes;
} store_t;

/* Whether a key may have several objects. */
static inline bool store_is_bag(const store_t *s) {
    return s->type >= STORE_BAG;
}

#define STORE_NOBODY ((ERL_NIF_TERM)0)

typedef enum { STORE_READ, STORE_WRITE } store_access_t;

typedef ERL_NIF_TERM store_fun_t(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);

/* What a step of a call came to. */
typedef enum {
    STEP_OK,
    STEP_BADARG,
    STEP_ENOMEM,
    STEP_DIRTY /* too large for this scheduler */
} step_t;

extern const oh_term_ops_t store_ops;

/* Whether the caller owns the table. */
bool store_is_owner(ErlNifEnv *env, const store_t *s);

/* The table that term names. It stays until the calling thread has looked up others
 * (oh_names.h). */
static inline bool store_by_name(ERL_NIF_TERM term, store_t **s) {
    oh_named_t *named = oh_names_find(term);
    if (named == NULL)
        return false;
    *s = OH_CONTAINER_OF(named, store_t, named);
    return true;
}

/* The table behind term, a reference or a name, whoever asks. */
static inline bool store_find(ErlNifEnv *env, ERL_NIF_TERM term, store_t **s) {
    return oh_likely(enif_get_resource(env, term, nif_type_store, (void **)s)) ||
           store_by_name(term, s);
}

/* The table behind term, a reference or a name, if the caller may access it so. */
static inline bool store_get(ErlNifEnv *env, ERL_NIF_TERM term, store_access_t access,
                             store_t **s) {
    if (oh_unlikely(!store_find(env, term, s)))
        return false;
    uint32_t protection = oh_load_relaxed(&(*s)->protection);
    return oh_likely(protection == STORE_PUBLIC ||
                     (protection == STORE_PROTECTED && access == STORE_READ)) ||
           store_is_owner(env, *s);
}

/* The size of a key without a flat form, and its hash or order unless it is too large for here. */
step_t store_measure_key(ErlNifEnv *env, const store_t *s, oh_key_t *key, nif_size_t *size);

/* store_flat_key for a tree. */
flat_key_kind_t store_flat_order_key(ErlNifEnv *env, oh_key_t *key, oh_word_t flat[FLAT_KEY_WORDS]);

/* Completes a key, whose word is set, as far as it is immediate or flat; the words of a flat one
 * are put into flat. */
static inline flat_key_kind_t store_flat_key(ErlNifEnv *env, const store_t *s, oh_key_t *key,
                                             oh_word_t flat[FLAT_KEY_WORDS]) {
    if (oh_unlikely(s->tree != NULL))
        return store_flat_order_key(env, key, flat);
    uint32_t salt = oh_table_salt(s->table);
    flat_key_kind_t kind = KEY_IMMEDIATE;
    key->flat_words = 0;
    key->flat = flat;
    if (!nif_is_small(env, key->word))
        kind = flat_key(env, key->word, flat, &key->flat_words);
    key->immediate = kind == KEY_IMMEDIATE;
    if (kind == KEY_IMMEDIATE)
        key->hash = oh_hash_immediate(key->word, salt);
    else if (kind == KEY_FLAT)
        key->hash = oh_hash_words(flat, key->flat_words, salt);
    return kind;
}

/* The key as the core takes it; its flat form, if it has one, is put into flat. */
static inline step_t store_key(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM term,
                               oh_word_t flat[FLAT_KEY_WORDS], oh_key_t *key) {
    nif_size_t size;
    key->word = term;
    if (oh_likely(store_flat_key(env, s, key, flat) != KEY_TERM))
        return STEP_OK;
    return store_measure_key(env, s, key, &size);
}

/* An object (a tuple) or a pair as an item; with a box, filled in, if it is large. The item refers
 * to the draft. */
step_t store_object(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM object, flat_draft_t *draft,
                    oh_item_t *item);
step_t store_pair(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM key, ERL_NIF_TERM value,
                  flat_draft_t *draft, oh_item_t *item);
/* Frees the box of an item that was not written. */
void store_item_drop(oh_item_t *item);

/* Whether the entry, not of a bag, is this object, of which item was made. */
bool store_is_object(ErlNifEnv *env, const store_t *s, const oh_entry_t *entry, ERL_NIF_TERM object,
                     const oh_item_t *item);

/* The objects of an entry, of any type of table, as a list, or an element of each. STEP_DIRTY: they
 * are too many or too large for here; STEP_BADARG: one lacks the element. */
step_t store_make_objects(ErlNifEnv *env, const store_t *s, const oh_entry_t *entry,
                          ERL_NIF_TERM *list);
step_t store_make_elements(ErlNifEnv *env, const store_t *s, const oh_entry_t *entry,
                           ERL_NIF_TERM position, ERL_NIF_TERM *list);

/* The objects of some entries before those of list. Of one key they stay in their order. */
step_t store_prepend_objects(ErlNifEnv *env, const store_t *s, const oh_entry_t *entries,
                             uint32_t count, ERL_NIF_TERM *list);

/* A step from key to key of a store that is no ordered set: to the entry after argv[1], or to the
 * first if there is no such argument. Its key, or with_objects {Key, [Object]}; '$end_of_table'. */
ERL_NIF_TERM store_step(ErlNifEnv *env, const store_t *s, store_fun_t *fun, int argc,
                        const ERL_NIF_TERM argv[], bool with_objects);

/* The element at position of an object, or false. */
bool store_make_element(ErlNifEnv *env, const store_t *s, const oh_entry_t *entry,
                        ERL_NIF_TERM position, ERL_NIF_TERM *result);

/* The entry's key. */
ERL_NIF_TERM store_make_key(ErlNifEnv *env, const oh_entry_t *entry);
/* The entry's object, its value or an element of it, copied for the caller. */
ERL_NIF_TERM store_make_object(ErlNifEnv *env, const store_t *s, const oh_entry_t *entry);

/* The entries of the segment at *position, one for each object, to be ended with oh_free also after
 * an error; moves *position on. OH_BUSY: they are too many for a normal scheduler. The caller is
 * pinned. */
oh_status_t store_scan_segment(const store_t *s, oh_position_t *position, oh_entry_t **entries,
                               uint32_t *count);

/* Adds to *stats what a part of the table from position on holds: about 100 us. *next is the next
 * part's position, or done. False: badarg. */
bool store_count(ErlNifEnv *env, const store_t *s, ERL_NIF_TERM position, oh_table_stats_t *stats,
                 ERL_NIF_TERM *next);

/* The same of an ordered set, as a whole: for a scheduler's time, or any number of objects on a
 * dirty one. STEP_DIRTY if it has more than are counted here; STEP_BADARG if it was deleted. */
step_t store_count_tree(const store_t *s, oh_table_stats_t *stats);
/* How many objects it has; as above. */
step_t store_tree_size(const store_t *s, uint64_t *size);

/* store_scan of an ordered set. */
ERL_NIF_TERM store_scan_tree(ErlNifEnv *env, store_t *s, int argc, const ERL_NIF_TERM argv[]);

/* The objects of entries, the first one last, before *list; STEP_DIRTY if copying them takes too
 * long here. */
step_t store_prepend(ErlNifEnv *env, const store_t *s, const oh_entry_t *entries, uint32_t count,
                     ERL_NIF_TERM *list);

/* The key of an entry of an ordered set, given an equal one. */
void store_stored_key(ErlNifEnv *env, const oh_entry_t *entry, oh_key_t *key);

/* A new table or tree for s, as its type says, in the list of the registry under a name, an atom.
 * OH_ENOMEM: then s has none. */
oh_status_t store_new_index(store_t *s, oh_list_t list, ERL_NIF_TERM name, uint32_t salt);
/* Ends s's reference to what it stands on, if it has one. For destructors: O(1). */
void store_free_index(store_t *s, oh_list_t list);
/* Ends a reference to what the registry lists. The last one closes it, if it is not closed, and
 * frees it. O(1). */
void store_unref(oh_list_t list, oh_registry_entry_t *entry);
/* Ends what nif_store_fix.c keeps of a table. */
void store_fixes_end(store_fixes_t *fixes);
/* Closes it: its entries are gone at once, and freed in the background. O(1) */
void store_close_index(const store_t *s);

/* The resource type's callbacks that are about owners. */
void store_owner_down(ErlNifEnv *env, void *obj, ErlNifPid *pid, ErlNifMonitor *monitor);
/* Makes the caller the new table's owner, heir (NULL allowed) its heir. False if the caller is
 * being killed, and the table is deleted. */
bool store_begin_life(ErlNifEnv *env, store_t *s, store_heir_t *heir);
/* Ends the table for good, unless somebody else did: its name is free, then its entries are gone.
 * owner: only if that is the owner; STORE_NOBODY: whoever is. */
bool store_end_life(ErlNifEnv *env, store_t *s, ERL_NIF_TERM owner);
/* The heir that the option {heir, Pid, Data} means, as {Pid, Data}; none: NULL, as for a pid that
 * is dead. STEP_BADARG, STEP_ENOMEM. */
step_t store_make_heir(ErlNifEnv *env, store_t *s, ERL_NIF_TERM option, store_heir_t **heir);
void store_free_heir(store_heir_t *heir);
bool store_get_protection(ERL_NIF_TERM term, store_protection_t *out);

/* Begins a write of the entry with the key argv[1] in the store argv[0]. STEP_OK leaves the caller
 * pinned and the segment locked; the key's flat form, if it has one, is put into the draft. */
step_t store_begin_write(ErlNifEnv *env, const ERL_NIF_TERM argv[], bool room, store_t **s,
                         flat_draft_t *draft, oh_write_t *w);
/* Ends it: unlocks, unpins. */
void store_end_write(store_t *s, oh_write_t *w);

/* The term that ends a call: badarg, {error, enomem}, or the same call again on a dirty scheduler.
 */
ERL_NIF_TERM store_end(ErlNifEnv *env, step_t step, store_fun_t *fun, int argc,
                       const ERL_NIF_TERM argv[]);

#endif
