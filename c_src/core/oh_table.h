/*
 * oh_table: a hash table of opaque terms with lock-free reads, that grows without stopping.
 *
 * Terms are 64-bit words. What they mean, the caller's oh_term_ops_t knows: how two keys compare,
 * how a term is copied into an arena. An "immediate" is a term whose word is all there is to it.
 *
 * Layout
 *
 *   directory   2^depth pointers, found by the top bits of the hash; several may point to one segment
 *   segment     up to OH_SEGMENT_LIVE_MAX entries whose hashes share the segment's prefix, with cells and
 *               an arena of its own that hold their terms; open addressing in groups of 4 slots
 *   group       4 x 16 bits of meta (one word) and 4 slots of {key, value} (one cache line)
 *
 *   meta of a slot    15       8 7      4     3      2  0
 *                    [ tag of 8 | size 4 | imm key | form ]     0: never used
 *
 *   form 1 VALUE    value is the value word
 *   form 2 OBJECT   value is a whole object of which the key is a part
 *   form 3 BOX      value is a pointer to an oh_box_t: key and value in an arena of their own
 *   form 4 CELL     value is a pointer to an oh_cell_t: flat words; the key is the slot's, if it is
 *                   immediate, else it stands in the cell. Of a key with several objects the cell
 *                   names these: oh_objects.h
 *   form 0, rest 8  a grave: a slot that will not be used again
 *
 * A slot belongs to one key for as long as its segment lives, so a reader that matched the key may
 * load the value a moment later. The value word alone says whether the entry is there: 0 is absent.
 * One store inserts, replaces or deletes, and is the operation's linearization point. An entry that
 * changes its form moves to a later slot: the new slot is published, then the old one's value
 * becomes 0; a reader that finds 0 goes on probing.
 *
 * Slots and arenas only fill up; cells are used again. When something is used up, the segment is
 * rebuilt: its live entries go to a new segment (or to two: a split, or after shrinking to a
 * smaller one), the directory is pointed to it, the old one is retired by the epoch. So growth,
 * compaction and shrinking are one operation, on one segment, of some ten microseconds, whatever
 * the size of the table. (Extendible hashing: Fagin and others, 1979.) Segments also split when
 * writers contend for one.
 *
 * Who may do what at once
 *
 *                get   write, same segment   elsewhere   write_many   scan, next   clear, close
 *   get          yes   yes                   yes         yes          yes          yes
 *   write        yes   waits                 yes         waits        waits        yes
 *   write_many   yes   waits                 yes         waits        waits        yes
 *
 * get is wait-free but for rebuilds, which cannot touch it, and write_many, whose commit makes it
 * look again. A writer holds one segment's lock for the length of its operation: microseconds. Lock
 * order: many_lock, then segments by ascending hash prefix, then those of a bag's index, then
 * directory_lock.
 *
 * Everybody is pinned (oh_epoch_pin) from before the call until the last use of a word or box that
 * it returned; the words stay readable until then, also after the entry was replaced or the table
 * closed.
 */
#ifndef OH_TABLE_H
#define OH_TABLE_H

#include "oh_atomic.h"
#include "oh_cells.h"
#include "oh_common.h"
#include "oh_epoch.h"

struct oh_key;

/* What the table needs to know of terms. Any thread may call; arenas one thread at a time. */
typedef struct {
    /* key is not immediate, and stands in arena */
    uint32_t (*hash)(void *arena, oh_word_t key, uint32_t salt);
    bool (*equal)(oh_word_t a, oh_word_t b);
    void *(*arena_new)(void); /* NULL when memory is out */
    /* The copy's word, or OH_WORD_NONE. Terms already in the arena stay where they are. */
    oh_word_t (*arena_copy)(void *arena, oh_word_t term);
    void (*arena_free)(void *arena);
    /* The key of an object, with the table's tag. */
    oh_word_t (*object_key)(void *arena, oh_word_t object, uint32_t tag);
    /* The flat form of a key that is not immediate: how many words, 0 if it has none. */
    uint16_t (*flat)(void *arena, oh_word_t key, oh_word_t words[OH_CELL_WORDS_MAX]);
    /* A total order of terms without a flat form; 0 where equal is true, and only there. */
    int (*compare_exactly)(oh_word_t a, oh_word_t b);
    size_t arena_bytes; /* what an arena takes besides its terms, about */
    /* For oh_tree: the order of two keys of which one may be flat without a word, below, at or
     * above 0. Never asked of equal words. */
    int (*compare)(const struct oh_key *a, const struct oh_key *b);
} oh_term_ops_t;

typedef enum { OH_FORM_VALUE = 1, OH_FORM_OBJECT = 2, OH_FORM_BOX = 3, OH_FORM_CELL = 4 } oh_form_t;

/* An entry of its own: too large for a shared arena, or holding large binaries. The caller
 * allocates with oh_alloc and fills in all but retired; put and write_many take it over when they
 * succeed. */
typedef struct {
    oh_retired_t retired;
    const oh_term_ops_t *ops;
    void *arena;
    oh_word_t key;
    oh_word_t value;
    oh_form_t form; /* VALUE or OBJECT */
    uint32_t hash;
    uint64_t words; /* the size of key and value */
} oh_box_t;

/* Frees a box that no table has. */
void oh_box_free(oh_box_t *box);

/* What get and scan give. */
typedef struct {
    oh_word_t key;
    oh_word_t value;
    oh_form_t form;        /* VALUE, OBJECT or CELL */
    bool value_immediate;  /* if true, it is; of a bag's objects only */
    const oh_box_t *box;   /* or NULL */
    const oh_cell_t *cell; /* of a CELL; then value is nothing, and key only if it is immediate */
} oh_entry_t;

typedef struct oh_table oh_table_t;
typedef struct oh_segment oh_segment_t;
typedef struct oh_leaf oh_leaf_t;

/*
 * A key as the calls take it. One that is not immediate may also have a flat form, words that are
 * the same for equal keys and for no others; then ops->hash must be oh_hash_words of them.
 */
typedef struct oh_key {
    oh_word_t word;
    union {
        uint32_t hash; /* oh_table: oh_hash_immediate or ops->hash, with oh_table_salt */
        struct {
            uint64_t order, order2; /* oh_tree: the order prefix */
        };
    };
    bool immediate;
    uint16_t flat_words;   /* 0: no flat form */
    const oh_word_t *flat; /* the caller's, as long as the call runs */
} oh_key_t;

/* The hash of an immediate: equal immediates are equal words. A folded product, as in wyhash; who
 * does not know the salt cannot choose words that collide. */
static inline uint32_t oh_hash_immediate(oh_word_t word, uint32_t salt) {
    uint64_t secret = salt * 0xa0761d6478bd642fu + 0xe7037ed1a0b428dbu;
    unsigned __int128 product =
        (unsigned __int128)(word ^ secret) * (0x8ebc6af09c88c6e3u ^ secret << 1);
    return (uint32_t)((uint64_t)(product >> 64) ^ (uint64_t)product) ^
           (uint32_t)((uint64_t)product >> 32);
}

/* The hash of a flat key. Who does not know the salt cannot choose words that collide. */
static inline uint32_t oh_hash_words(const oh_word_t *words, uint32_t count, uint32_t salt) {
    uint64_t secret = salt * 0xa0761d6478bd642fu + 0xe7037ed1a0b428dbu;
    uint64_t hash = secret ^ count;
    for (uint32_t i = 0; i < count; i++) {
        unsigned __int128 product =
            (unsigned __int128)(words[i] ^ hash) * (0x8ebc6af09c88c6e3u ^ secret << 1);
        hash = (uint64_t)(product >> 64) ^ (uint64_t)product ^ secret;
    }
    return (uint32_t)hash ^ (uint32_t)(hash >> 32);
}

/* An empty table; NULL when memory is out. tag is handed to ops->object_key; salt should be random,
 * so that nobody can choose keys that collide. */
oh_table_t *oh_table_new(const oh_term_ops_t *ops, uint32_t tag, uint32_t salt);

/* A set has one object a key. A bag has several, each once; a duplicate bag has equal ones, too.
 * What their entries hold, oh_objects.h says; get_objects, add and remove_object are for them. */
typedef enum { OH_TABLE_SET, OH_TABLE_BAG, OH_TABLE_DUPLICATE_BAG } oh_table_type_t;

/* As oh_table_new, of any type. */
oh_table_t *oh_table_new_typed(const oh_term_ops_t *ops, uint32_t tag, uint32_t salt,
                               oh_table_type_t type);

/* Takes all entries away at once, for good: all later calls find the table closed. The entries'
 * memory is freed in the background. Any thread, also while others are in calls. False if closed
 * before. O(1). The caller is pinned. */
bool oh_table_close(oh_table_t *t);

/* Takes all entries away at once; the table stays open. Calls that are under way come before it or
 * after it, each as a whole. The entries' memory is freed in the background. Any thread. OH_CLOSED,
 * OH_ENOMEM: no change. O(1). The caller is pinned. */
oh_status_t oh_table_clear(oh_table_t *t);

/* Frees a table with all that it holds, at once. No other call may be under way, and none may come;
 * nobody reads anything of it any more. O(n). */
void oh_table_destroy(oh_table_t *t);

/* Frees a closed table. No other call may be under way, and none may come. */
void oh_table_free(oh_table_t *t);

/* Whether the table was closed. Any thread; not pinned. */
bool oh_table_closed(const oh_table_t *t);

static inline uint32_t oh_table_salt(const oh_table_t *t) {
    return *(const uint32_t *)(const void *)t; /* its first field, which never changes */
}

/* OH_OK and the entry, OH_NOT_FOUND or OH_CLOSED. Order: acquire; everything that came before the
 * entry's insertion is visible. */
oh_status_t oh_table_get(const oh_table_t *t, const oh_key_t *key, oh_entry_t *entry);

/* The same for tables with many objects a key: an entry that holds a bag has its version, as of the
 * same instant. */
oh_status_t oh_table_get_objects(const oh_table_t *t, const oh_key_t *key, oh_entry_t *entry);

/* --- Writing: begin, look, put or remove at most once, end. --- */

typedef struct {
    oh_key_t key;
    bool found;
    oh_entry_t entry; /* if found */
    /* the table's own */
    union {
        oh_segment_t *segment;
        oh_leaf_t *leaf; /* oh_tree */
    };
    uint32_t slot; /* of the entry, if found */
    union {
        uint32_t dead_slot; /* of the same key, absent, or UINT32_MAX */
        uint32_t page;      /* oh_tree: where slot is */
    };
    bool retired;
} oh_write_t;

/* What is to be written. The words are the caller's: the table copies the terms. */
typedef struct {
    oh_key_t key;
    oh_form_t form;
    oh_word_t value; /* the value or the object */
    bool value_immediate;
    uint32_t value_words;  /* what the value or object takes in an arena, 0 if immediate */
    oh_box_t *box;         /* for BOX; the table's once it is written */
    const oh_cell_t *cell; /* for CELL; begins with the key's flat form, if it is not immediate */
    bool rekey;            /* equal keys may look different: an entry takes the new key too */
    /* for tables with many objects a key: see oh_table_new_bag */
    uint32_t
        value_hash; /* ops->hash of the value or object, if it is neither immediate nor in a cell */
    bool box_kept;  /* set by the table: the box is in it */
    /* the table's own */
    oh_word_t arena_key, arena_value;
    uint32_t order;
    oh_write_t at;
} oh_item_t;

/* Locks key's segment and looks the key up. With room, makes sure that one put will find a slot,
 * which may rebuild the segment. OH_OK: the caller must end. OH_CLOSED and OH_ENOMEM: nothing is
 * locked, nothing changed. */
oh_status_t oh_table_begin(oh_table_t *t, oh_write_t *w, const oh_key_t *key, bool room);

/* Inserts or replaces, after begin with room and item's key. OH_ENOMEM: nothing changed. Order:
 * release. */
oh_status_t oh_table_put(oh_table_t *t, oh_write_t *w, oh_item_t *item);

/* In a bag, after begin with room: adds an object to those of its key, unless the table is no
 * duplicate bag and has it. item->box_kept says whether the table took the box. OH_ENOMEM,
 * OH_LIMIT: no change. Order: release. */
oh_status_t oh_table_add(oh_table_t *t, oh_write_t *w, oh_item_t *item);

/* In a bag: removes all objects that equal the item's; *count says how many. OH_ENOMEM: no change.
 * Order: release. */
oh_status_t oh_table_remove_object(oh_table_t *t, oh_write_t *w, const oh_item_t *item,
                                   uint64_t *count);

/* Removes the entry found, with all its objects. Its words stay readable while the caller is
 * pinned. Order: release. */
void oh_table_remove(oh_table_t *t, oh_write_t *w);

/* Unlocks, and frees a little of what was retired. */
void oh_table_end(oh_table_t *t, oh_write_t *w);

/* Inserts or replaces the items as one change: no reader sees some of them and not the others. Of
 * items with the same key the last one counts; in bags all do, in their order. Reorders the array.
 * With only_new, OH_EXISTS and no change if one of the keys is there. OH_CLOSED, OH_ENOMEM,
 * OH_LIMIT (2^32 items): no change. When OH_OK, all boxes are the table's, those of items that did
 * not count included. Cost: about a put each; other writers of the touched segments wait
 * meanwhile. */
oh_status_t oh_table_write_many(oh_table_t *t, oh_item_t *items, size_t count, bool only_new);

/* --- Walking --- */

/* Where a walk stands: the hash prefix that comes next. Start with 0. */
typedef uint64_t oh_position_t;
#define OH_POSITION_END ((oh_position_t)1 << 32)

/* The most entries that one scan step can give now; entries must have room for that many. */
uint32_t oh_table_scan_room(const oh_table_t *t, oh_position_t position);

/* Copies the entries of the segment at *position, as of one instant, and moves *position on. Each
 * entry that is in the table throughout a walk is given exactly once, whatever grows or shrinks
 * meanwhile. OH_OK with *count, OH_LIMIT if the segment needs more than room, OH_CLOSED. */
oh_status_t oh_table_scan(oh_table_t *t, oh_position_t *position, oh_entry_t *entries,
                          uint32_t room, uint32_t *count);

/* Adds to *size the entries of segments from *position on, at most *segments of them, and moves
 * *position on; *segments becomes how many. Takes no lock. Exact if nobody writes; beside writers
 * each segment counts as of the moment it is looked at. OH_CLOSED. */
oh_status_t oh_table_size(const oh_table_t *t, oh_position_t *position, uint32_t *segments,
                          uint64_t *size);

typedef struct {
    uint64_t size;  /* entries */
    uint64_t bytes; /* memory, about: segments exactly, arenas by the words they took */
    uint64_t segments;
    uint64_t boxes;
} oh_table_stats_t;

/* The entry whose key comes after the given one in the table's own order, which depends on nothing
 * but the keys; NULL: the first. The key need not be there, so a traversal goes on whatever is
 * deleted, and meets each entry that is in the table throughout exactly once. OH_NOT_FOUND at the
 * end; OH_BUSY, unless patient, when too many empty segments lie in between (200 us); OH_CLOSED.
 * Waits for a segment's writer.
 */
oh_status_t oh_table_next(oh_table_t *t, const oh_key_t *after, bool patient, oh_entry_t *entry);

/* Copies the entries of the index-th slot, a small part of the table: four entries, on average, in
 * a large one. OH_LIMIT if there are more than room; OH_NOT_FOUND if index is the number of slots,
 * OH_BADARG beyond; OH_CLOSED. When the directory doubles there are twice as many slots: an entry
 * stays in its slot or goes to a later one. */
oh_status_t oh_table_slot(oh_table_t *t, uint64_t index, oh_entry_t *entries, uint32_t room,
                          uint32_t *count);

/* Adds to *stats what count segments from *position on hold. Exact if nobody writes. */
oh_status_t oh_table_stats(const oh_table_t *t, oh_position_t *position, uint32_t count,
                           oh_table_stats_t *stats);

/* The invariants of all segments and the directory; takes each segment's lock in turn. The caller
 * is pinned, or alone. */
bool oh_table_valid(oh_table_t *t);

#endif
