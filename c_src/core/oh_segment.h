/*
 * oh_segment: a piece of a table, up to a thousand entries with the cells and the arena that hold
 * their terms.
 *
 * Internal to oh_table; the layout and the rules for readers and writers stand in oh_table.h.
 * Functions that change a segment are called with its lock held.
 */
#ifndef OH_SEGMENT_H
#define OH_SEGMENT_H

#include "oh_lock.h"
#include "oh_objects.h"
#include "oh_terms.h"

#include <string.h>

#define OH_GROUP_SLOTS 4

/* Entries beyond which a segment splits. Measured: below 512 the arenas' own size weighs on every
 * entry (2.5 KB / 512 = 5 bytes), above 2048 a rebuild takes longer than 100 us. */
#define OH_SEGMENT_LIVE_MAX 1024
/* Words in cells and arena beyond which a segment is rebuilt or splits: bounds the time a rebuild
 * takes. */
#define OH_SEGMENT_WORDS_MAX 16384
/* The largest term that shares an arena; larger ones get a box. */
#define OH_SEGMENT_TERM_WORDS_MAX 512
/* Directory depth beyond which segments no longer split but grow. */
#define OH_DEPTH_MAX 18

typedef struct {
    _Atomic oh_word_t key;
    _Atomic oh_word_t value;
} oh_slot_t;

typedef struct {
    oh_slot_t slot[OH_GROUP_SLOTS];
} oh_group_t;

typedef uintptr_t oh_segment_ref_t;

struct oh_segment {
    /* Never change after publication. */
    oh_retired_t retired;
    const oh_term_ops_t *ops;
    uint32_t groups; /* by size class: oh_segment_groups */
    uint32_t prefix; /* the top depth bits of the hashes, in place; the others 0 */
    uint8_t depth;
    bool arena_moved; /* the arena lives on in the segment that replaced this one; written once
                         retired */
    bool cells_moved; /* the same of the cells */

    /* Guarded by lock. What each put writes is in the first line. */
    _Alignas(OH_CACHE_LINE) oh_lock_t lock;
    bool replaced;         /* writers look in the directory again */
    uint8_t contention;    /* how often a writer had to wait */
    uint32_t used;         /* slots that are not EMPTY */
    _Atomic uint32_t live; /* read without the lock by stats */
    oh_cells_t cells;
    oh_terms_t terms;
    uint32_t many;         /* entries that are chains or bags */
    _Atomic uint64_t more; /* objects beyond one an entry; read without the lock by stats */
    uint64_t bag_bytes;    /* what its bags take */

    _Alignas(OH_CACHE_LINE) _Atomic uint64_t meta[]; /* one word a group; then the groups */
};

_Static_assert(offsetof(oh_segment_t, cells) / OH_CACHE_LINE ==
                       offsetof(oh_segment_t, lock) / OH_CACHE_LINE &&
                   offsetof(oh_segment_t, cells) % OH_CACHE_LINE + sizeof(oh_cells_t) <=
                       OH_CACHE_LINE,
               "the cells share the lock's line");

/* --- meta: the low byte is oh_terms.h's --- */

#define OH_META_MATCH 0xff08ull /* tag and immediate: what a key is compared with */
#define OH_META_GRAVE 0x0008u   /* form 0: matches nothing, is not empty */

#define OH_META_LANES 0x0001000100010001u

/* The highest bit of each lane that is zero. Exact: no carry crosses lanes. */
static inline uint64_t oh_meta_zero_lanes(uint64_t lanes) {
    uint64_t low = OH_META_LANES * 0x7fffu;
    return ~(((lanes & low) + low) | lanes | low);
}

static inline uint32_t oh_meta_lane(uint64_t meta, uint32_t lane) {
    return (uint32_t)(meta >> (16 * lane)) & 0xffffu;
}

/* --- Size and place: readers find their way without the header, a cache miss less --- */

#define OH_SEGMENT_CLASSES 64

/* Groups of a size class: 1 to 8 one by one, then eight steps a doubling, the last eight classes
 * doubling each. */
static inline uint32_t oh_segment_groups(uint32_t class) {
    if (class < 8)
        return class + 1;
    if (class < 56)
        return (8 + (class & 7)) << ((class >> 3) - 1);
    return 480u << (class - 55);
}

/* The smallest class with so many groups, or the largest. */
static inline uint32_t oh_segment_class(uint32_t groups) {
    uint32_t class = 0;
    while (class < OH_SEGMENT_CLASSES - 1 && oh_segment_groups(class) < groups)
        class ++;
    return class;
}

/* What a key's place in a segment depends on. */
typedef struct {
    uint32_t groups;
    uint32_t depth;
} oh_segment_shape_t;

/*
 * A segment as the directory refers to it: its address with the size class in the low bits, which
 * an address on a cache line leaves free, and the depth in bits 48 to 52, which are 0 in every
 * address that Linux and its kin give to who does not ask for higher ones (x86-64 and arm64; bits
 * 56 and up may hold a memory tag).
 */
#define OH_SEGMENT_DEPTH_SHIFT 48
#define OH_SEGMENT_DEPTH_BITS  ((oh_segment_ref_t)31 << OH_SEGMENT_DEPTH_SHIFT)

static inline oh_segment_ref_t oh_segment_ref(const oh_segment_t *s) {
    return (oh_segment_ref_t)s | oh_segment_class(s->groups) |
           (oh_segment_ref_t)s->depth << OH_SEGMENT_DEPTH_SHIFT;
}

static inline oh_segment_t *oh_segment_of(oh_segment_ref_t ref) {
    return (oh_segment_t *)(ref & ~(OH_SEGMENT_DEPTH_BITS | (OH_SEGMENT_CLASSES - 1)));
}

static inline oh_segment_shape_t oh_segment_ref_shape(oh_segment_ref_t ref) {
    return (oh_segment_shape_t){
        .groups = oh_segment_groups((uint32_t)ref & (OH_SEGMENT_CLASSES - 1)),
        .depth = (uint32_t)(ref >> OH_SEGMENT_DEPTH_SHIFT) & 31,
    };
}

static inline oh_segment_shape_t oh_segment_shape(const oh_segment_t *s) {
    return (oh_segment_shape_t){.groups = s->groups, .depth = s->depth};
}

_Static_assert(OH_DEPTH_MAX <= 31, "the depth has five bits in a reference");
_Static_assert(sizeof(oh_segment_ref_t) == 8, "a reference has room for the depth");
_Static_assert(OH_SEGMENT_CLASSES == OH_CACHE_LINE, "an address on a line has room for the class");
_Static_assert(offsetof(oh_segment_t, meta) % OH_CACHE_LINE == 0, "meta begins a line");

/* The groups stand behind the meta words, on a cache line: so many bytes from the beginning. */
static inline size_t oh_segment_group_offset(uint32_t groups) {
    return offsetof(oh_segment_t, meta) + oh_align_up(groups * sizeof(uint64_t), OH_CACHE_LINE);
}

static inline oh_group_t *oh_segment_group(const oh_segment_t *s, uint32_t groups) {
    return (oh_group_t *)((char *)s + oh_segment_group_offset(groups));
}

/*
 * Where a hash belongs in a segment: its home, the group where probing begins, with 32 bits of
 * fraction. The first depth bits are the same in all of a segment; by the rest, places ascend with
 * the hash. So a traversal by ascending hashes finds the next one near the last (oh_table_walk.c).
 */
static inline uint64_t oh_segment_place(oh_segment_shape_t shape, uint32_t hash) {
    return (uint64_t)(hash << shape.depth) * shape.groups;
}

static inline uint32_t oh_place_home(uint64_t place) {
    return (uint32_t)(place >> 32);
}

/* The tag is the last two bits of the home and the first six of the fraction: it tells the entries
 * of neighbouring homes apart, and those of one home in their order. */
static inline uint32_t oh_place_tag(uint64_t place) {
    return (uint32_t)(place >> 26) & 0xff;
}

static inline uint32_t oh_meta_match(uint64_t place, bool immediate) {
    return oh_place_tag(place) << 8 | (immediate ? OH_META_IMM : 0);
}

static inline oh_slot_t *oh_segment_slot(const oh_segment_t *s, uint32_t slot) {
    return &oh_segment_group(s, s->groups)[slot / OH_GROUP_SLOTS].slot[slot % OH_GROUP_SLOTS];
}

static inline uint32_t oh_segment_meta(const oh_segment_t *s, uint32_t slot) {
    return oh_meta_lane(oh_load_acquire(&s->meta[slot / OH_GROUP_SLOTS]), slot % OH_GROUP_SLOTS);
}

/* Whether the slot's key is key, given the slot's form and value. A cell that is gone has taken its
 * key with it: then the answer is yes, it may have been. */
OH_ALWAYS_INLINE bool oh_segment_key_equal(const oh_segment_t *s, const oh_slot_t *slot,
                                           uint32_t form, oh_word_t value, const oh_key_t *key) {
    if (form == OH_FORM_CELL && !key->immediate) {
        const oh_cell_t *cell = (const oh_cell_t *)(uintptr_t)value;
        if (cell == NULL)
            return true;
        /* A chain or a bag of a key without a flat form has it in the slot. */
        if (key->flat_words > 0 || cell->key_words > 0)
            return cell->key_words == key->flat_words &&
                   memcmp(cell->word, key->flat, key->flat_words * sizeof(oh_word_t)) == 0;
    }
    oh_word_t word = oh_load_acquire(&slot->key);
    if (key->immediate || word == key->word)
        return word == key->word;
    return key->word != OH_WORD_NONE && s->ops->equal(word, key->word);
}

/* In a table beyond the caches each line of a segment misses: let them miss together. */
static inline void oh_segment_prefetch(const oh_segment_t *s, oh_segment_shape_t shape,
                                       uint32_t hash) {
    uint32_t g = oh_place_home(oh_segment_place(shape, hash));
    __builtin_prefetch(s);
    __builtin_prefetch((const void *)&s->meta[g], 1);
    __builtin_prefetch(&oh_segment_group(s, shape.groups)[g], 1);
}

#define OH_SLOT_NONE UINT32_MAX

/*
 * The slot of a key in a segment of this shape, with its entry; or OH_SLOT_NONE. Lock-free: meta is
 * loaded by acquire (M1, pairs with the release M2 that published the slot), then the value by
 * acquire (V1, pairs with V2), which makes the term behind it visible.
 *
 * *dead becomes a slot of the same key whose value is absent, if one was met on the way; dead may
 * be NULL.
 */
OH_ALWAYS_INLINE uint32_t oh_segment_find(const oh_segment_t *s, oh_segment_shape_t shape,
                                          const oh_key_t *key, oh_entry_t *entry, uint32_t *dead) {
    uint32_t groups = shape.groups;
    const oh_group_t *group = oh_segment_group(s, groups);
    uint64_t place = oh_segment_place(shape, key->hash);
    uint32_t g = oh_place_home(place);
    uint64_t match = oh_meta_match(place, key->immediate) * OH_META_LANES;
    /* In a table beyond the caches both lines miss: let them miss together. */
    __builtin_prefetch(&group[g]);
    for (uint32_t n = 0; n < groups; n++) {
        uint64_t meta = oh_load_acquire(&s->meta[g]); /* M1 */
        uint64_t candidates = oh_meta_zero_lanes((meta ^ match) & OH_META_MATCH * OH_META_LANES);
        for (; candidates != 0; candidates &= candidates - 1) {
            uint32_t lane = (uint32_t)__builtin_ctzll(candidates) / 16;
            uint32_t form = oh_meta_lane(meta, lane) & OH_META_FORM;
            const oh_slot_t *slot = &group[g].slot[lane];
            oh_word_t value = oh_load_acquire(&slot->value); /* V1 */
            if (form == 0 || !oh_segment_key_equal(s, slot, form, value, key))
                continue;
            if (value != OH_WORD_NONE) {
                oh_form_entry(form, oh_load_acquire(&slot->key), value, entry);
                return g * OH_GROUP_SLOTS + lane;
            }
            if (dead != NULL && (form != OH_FORM_CELL || key->immediate))
                *dead = g * OH_GROUP_SLOTS + lane;
            /* The entry may have moved to a later slot of this group since meta was loaded. Its old
             * value became 0 after the new slot was published, so V1 makes the new meta visible. */
            uint64_t here = (uint64_t)1 << (16 * lane + 15);
            meta = oh_load_acquire(&s->meta[g]);
            candidates = oh_meta_zero_lanes((meta ^ match) & OH_META_MATCH * OH_META_LANES);
            candidates = (candidates & ~(here - 1)) | here;
        }
        /* Groups fill from the first lane on: an EMPTY last lane ends the sequence. */
        if (meta >> 48 == 0)
            return OH_SLOT_NONE;
        if (++g == groups)
            g = 0;
    }
    return OH_SLOT_NONE;
}

/* Looks key up in w->segment, locked, for writing. */
static inline void oh_segment_look(oh_write_t *w, const oh_key_t *key) {
    w->key = *key;
    w->dead_slot = OH_SLOT_NONE;
    w->slot =
        oh_segment_find(w->segment, oh_segment_shape(w->segment), key, &w->entry, &w->dead_slot);
    w->found = w->slot != OH_SLOT_NONE;
}

/* An empty, unlocked segment for the hashes that begin with the depth top bits of prefix, with room
 * for live entries and a few more. NULL when memory is out. The caller owns it until it is
 * published. */
oh_segment_t *oh_segment_new(const oh_term_ops_t *ops, uint32_t prefix, uint32_t depth,
                             uint32_t live);

/* The same, of the same shape as s. */
oh_segment_t *oh_segment_new_like(const oh_segment_t *s);

/* Frees a segment that was never published, or whose readers are gone. With entries, its boxes too.
 */
void oh_segment_free(oh_segment_t *s, bool with_boxes);

/* Retires a segment that a new one replaced. */
void oh_segment_retire(oh_segment_t *s);

/* The memory of the segment and of the terms in it, as an estimate. */
size_t oh_segment_bytes(const oh_segment_t *s);

/* Slots it may use; one EMPTY always remains, so that probing ends. */
static inline uint32_t oh_segment_capacity(const oh_segment_t *s) {
    return s->groups * OH_GROUP_SLOTS - s->groups * OH_GROUP_SLOTS / 10 - 1;
}

/* Copies item's terms into the segment's arena or cells, as far as storing it at *w needs them
 * there. False when memory is out: nothing is published. tag is for ops->object_key. */
bool oh_segment_copy_item(const oh_write_t *w, oh_item_t *item, uint32_t tag);

/* Gives back what copy_item took, as far as it can be used again: the item is not stored. */
void oh_segment_drop_item(const oh_write_t *w, const oh_item_t *item);

/* Stores what was copied: in the slot at hand if the form is the same, else in a new slot, of which
 * there must be one; the entry found before is made absent. Order: release. */
void oh_segment_store_item(const oh_write_t *w, const oh_item_t *item);

/* --- Objects of entries with many (oh_objects.h). A lane is an object's form and size. --- */

/* Copies the object of an item into the segment's arena or cells. False when memory is out. */
bool oh_segment_copy_object(oh_segment_t *s, const oh_item_t *item, uint32_t *lane,
                            oh_word_t *word);
/* Gives it back, before anybody saw it. */
void oh_segment_drop_object(oh_segment_t *s, uint32_t lane, oh_word_t word);
/* A box goes over to somebody else. */
void oh_segment_give_box(oh_segment_t *s, oh_word_t word);

/* The form and size of the entry found, and its value's word. */
void oh_segment_found_object(const oh_write_t *w, uint32_t *lane, oh_word_t *word);

/* Publishes one object, of which there was none before; or a chain or a bag, in whose place there
 * was what was found at *w, if anything. That is not retired: the caller knows what of it lives on.
 * Of a key that is neither immediate nor flat, key_word is the term in the arena or the box. Order:
 * release (V2). */
void oh_segment_store_object(const oh_write_t *w, uint32_t lane, oh_word_t key_word,
                             oh_word_t word);
void oh_segment_store_many(const oh_write_t *w, oh_word_t key_word, const oh_cell_t *cell);

/* Counts objects beyond one an entry. */
void oh_segment_count_more(oh_segment_t *s, int64_t by);

/* Makes a slot's entry absent. A box is retired. Order: release (V2). The caller is pinned. */
void oh_segment_kill(oh_segment_t *s, uint32_t slot);

/* Of a slot with an entry: the hash of its key, the key as a call would give it, and the arena in
 * which it stands, if it is a term in one. The lock is held. */
uint32_t oh_segment_slot_hash(const oh_segment_t *s, uint32_t slot, uint32_t salt);
oh_key_t oh_segment_slot_key(const oh_segment_t *s, uint32_t slot, uint32_t salt);
void *oh_segment_slot_arena(const oh_segment_t *s, uint32_t slot);

/* The first hash beyond those that belong to s. */
static inline uint64_t oh_segment_end(const oh_segment_t *s) {
    return (uint64_t)s->prefix + ((uint64_t)1 << (32 - s->depth));
}

/* A slot's hash, in the list that a rebuild goes by. */
#define OH_HASH_ABSENT UINT64_MAX

/* The hashes of all slots in order, OH_HASH_ABSENT where no entry is; NULL when memory is out. The
 * caller ends it with oh_free. */
uint64_t *oh_segment_hashes(const oh_segment_t *s, uint32_t salt);

/* How many of them begin with the depth top bits of prefix. */
uint32_t oh_segment_count(const oh_segment_t *s, const uint64_t *hashes, uint32_t prefix,
                          uint32_t depth);

/* What a segment's replacement takes over as it is, because little of it is garbage; the rest is
 * copied. */
typedef struct {
    bool arena, cells;
} oh_segment_move_t;

/* What to move when s is replaced by one segment. */
oh_segment_move_t oh_segment_what_to_move(const oh_segment_t *s);

/* Words in the arena and cells, and how many of them hold nothing that is needed, at least. */
uint64_t oh_segment_words(const oh_segment_t *s);
uint64_t oh_segment_garbage(const oh_segment_t *s);

/*
 * Copies the live entries of from, whose hashes begin with to's prefix, into to, which is not yet
 * published. What moves stays where it is and changes hands (from keeps using it until it is
 * retired); the rest is copied into what is to's own. False when memory is out: to must be freed
 * without boxes. tag is for ops->object_key.
 */
bool oh_segment_fill(oh_segment_t *to, oh_segment_t *from, const uint64_t *hashes,
                     oh_segment_move_t move, uint32_t tag);

/* Copies from, all of whose slots are live, slot by slot into to, which is not yet published and of
 * the same shape. Otherwise as fill. */
bool oh_segment_compact(oh_segment_t *to, const oh_segment_t *from, oh_segment_move_t move,
                        uint32_t tag);

/* After to took over from's place, or failed to: whose the moved parts are. */
void oh_segment_moved(oh_segment_t *to, oh_segment_t *from, oh_segment_move_t move, bool published);

/* The invariants of one segment; its lock is held. */
bool oh_segment_valid(const oh_segment_t *s, uint32_t salt);

#endif
