/*
 * oh_tree: an ordered table of opaque terms with lock-free reads, that grows without stopping.
 *
 * Terms, keys, items and entries are those of oh_table.h; instead of a hash, a key has an order
 * prefix: two words, both below UINT64_MAX, such that prefix(a) < prefix(b) implies a < b ("poor
 * man's normalized key": Graefe, Modern B-tree techniques, 2011). Keys with equal prefixes are the
 * same if they are the same immediate or have the same flat words; else ops->compare tells. Keys
 * that compare equal are one key, also if they look different (1 and 1.0); writing an entry writes
 * its key, too.
 *
 * Layout: a B+tree of three kinds of parts
 *
 *   inner node   up to OH_INNER_CHILDREN children and the separators between them. Never changes once
 *                published, but for its children's pointers
 *   leaf         up to about OH_LEAF_LIVE_MAX entries in order, with a lock, a version, and cells and an
 *                arena of its own that hold the entries' terms; its entries stand in pages
 *   page         up to OH_PAGE_SLOTS entries in order: their prefixes, side by side, and their words.
 *                The leaf has an index of its pages: the prefix each begins with. While the second
 * word
 *                of all prefixes in a leaf is 0, it is not stored; the leaf becomes wide when one
 * is not
 *
 * A leaf is to the tree what a segment is to oh_table: the unit of locking, growth and collection.
 * When it is full, mostly garbage or contended, its live entries are copied to a new one, or to
 * two, or together with a neighbour's to one; the parent is pointed to it, the old one is retired
 * by the epoch: some ten microseconds, whatever the size of the tree. Where children come or go, a
 * new inner node takes the old one's place, again by one store, in the node above. So of the tree
 * above the leaves readers see each part as it was at some time since they began, without looking
 * twice.
 *
 * Within a leaf entries move, when others come or go before them. There reads are optimistic (Leis,
 * Scheibner, Kemper, Neumann: The ART of practical synchronization, 2016): the leaf's version is
 * odd while entries move and another one afterwards. A reader loads the version, searches, and
 * believes what it loaded if the version is still the same; before it follows a pointer it asks,
 * too. A replaced value of the same form is one store and leaves the version alone.
 *
 * Why a read is right. (B1) A reader's loads in a leaf are acquire, a writer's stores release, and
 * the writer made the version odd before them: who loads one of its stores also loads the odd
 * version, or a later one, when it asks again. So an unchanged even version means that all loads
 * came from before the change, or all from after it. (B2) Words so loaded stay readable while the
 * reader is pinned: cells, arenas and boxes go by the epoch; pages are freed with their leaf and
 * until then used again only as pages. (B3) A leaf that was replaced no longer changes. Who still
 * reads it found its way to it before it was replaced: the read counts as of that moment. Writers,
 * who have the lock, see `replaced` and begin again. (B4) Two leaves side by side in a chain of
 * inner nodes, however old, are neighbours for as long as neither is replaced: what comes between
 * two leaves comes from splitting one of them. So a walk that ends one leaf and goes on in the next
 * asks, at last, whether the first one still has its version and place.
 *
 * Who may do what at once
 *
 *                  get   write, same leaf   write, elsewhere   write_many   walk, rank, nth   clear, close
 *   get            yes   yes                yes                yes          yes               yes
 *   write          yes   waits              yes                waits        see below         yes
 *   write_many     yes   waits              yes                waits        waits             waits
 *   walk ...       yes   yes                yes                waits        yes               yes
 *
 * get and walk are lock-free but for a writer that stands still in the midst of moving entries, and
 * take the leaf's lock when they have looked in vain OH_TREE_TRIES times; large walks take it at
 * once. A writer holds one leaf's lock for the length of its operation: microseconds. rank, nth and
 * stats take the lock of each leaf that they count, one after the other. Lock order: many_lock,
 * then leaves from left to right (from right to left only by trylock), then structure_lock.
 *
 * Counting. An inner node remembers the sum of what its leaves hold, once somebody has asked, until
 * an entry comes or goes below it. Writers only look whether their parent remembers anything, a
 * line that seldom changes; the first that changes a count makes it forget, and all above. Ranks
 * are exact as of one instant if nobody writes meanwhile.
 *
 * Everybody is pinned (oh_epoch_pin) from before the call until the last use of a word or box that
 * it returned; the words stay readable until then, also after the entry was replaced or the tree
 * closed.
 */
#ifndef OH_TREE_H
#define OH_TREE_H

#include "oh_table.h"

#define OH_PAGE_SLOTS     64
#define OH_LEAF_PAGES     64
#define OH_INNER_CHILDREN 64
/* Entries beyond which a leaf splits; as OH_SEGMENT_LIVE_MAX. */
#define OH_LEAF_LIVE_MAX 1024
/* Optimistic looks before a reader takes the lock. */
#define OH_TREE_TRIES 64

typedef struct oh_tree oh_tree_t;

/* An empty tree; NULL when memory is out. tag is handed to ops->object_key. */
oh_tree_t *oh_tree_new(const oh_term_ops_t *ops, uint32_t tag);

/* Takes all entries away at once, for good: all later calls find the tree closed. The entries'
 * memory is freed in the background. Any thread, also while others are in calls. False if closed
 * before. O(1). The caller is pinned. */
bool oh_tree_close(oh_tree_t *t);

/* Takes all entries away at once. Their memory is freed in the background. Waits for a write_many
 * under way. OH_CLOSED, OH_ENOMEM. O(1). The caller is pinned. */
oh_status_t oh_tree_clear(oh_tree_t *t);

/* Frees a closed tree. No other call may be under way, and none may come. */
void oh_tree_free(oh_tree_t *t);

/* Whether the tree was closed. Any thread; not pinned. */
bool oh_tree_closed(const oh_tree_t *t);

/* OH_OK and the entry, OH_NOT_FOUND or OH_CLOSED. Order: acquire; everything that came before the
 * entry's insertion is visible. */
oh_status_t oh_tree_get(oh_tree_t *t, const oh_key_t *key, oh_entry_t *entry);

/* --- Writing: begin, look, put or remove at most once, end. As oh_table's. --- */

/* Locks key's leaf and looks the key up. With room, makes sure that one put will find a place,
 * which may rebuild the leaf. OH_OK: the caller must end. OH_CLOSED and OH_ENOMEM: nothing is
 * locked, nothing changed. */
oh_status_t oh_tree_begin(oh_tree_t *t, oh_write_t *w, const oh_key_t *key, bool room);

/* Inserts or replaces, after begin with room and item's key; an equal key that is there is
 * replaced, too. OH_ENOMEM: nothing changed. Order: release. */
oh_status_t oh_tree_put(oh_tree_t *t, oh_write_t *w, oh_item_t *item);

/* Removes the entry found. Its words stay readable while the caller is pinned. Order: release. */
void oh_tree_remove(oh_tree_t *t, oh_write_t *w);

/* Unlocks, and frees a little of what was retired. */
void oh_tree_end(oh_tree_t *t, oh_write_t *w);

/* Inserts or replaces the items as one change: no get or walk sees some of them and not the others.
 * Of items with the same key the last one counts. Reorders the array. With only_new, OH_EXISTS and
 * no change if one of the keys is there. OH_CLOSED, OH_ENOMEM, OH_LIMIT (2^32 items): no change.
 * When OH_OK, all boxes are the tree's, those of items that did not count included. Cost: about a
 * put each; other writers of the touched leaves wait meanwhile. */
oh_status_t oh_tree_write_many(oh_tree_t *t, oh_item_t *items, size_t count, bool only_new);

/* --- Order --- */

typedef enum { OH_WALK_UP, OH_WALK_DOWN } oh_direction_t;

/*
 * Copies up to room entries in order, upwards or downwards: those beyond from, or from it on if
 * inclusive; from NULL means from the end. The key need not be there. OH_OK and *count: fewer than
 * room does not mean that there are no more, only 0 does. OH_CLOSED, OH_ENOMEM.
 *
 * What one call gives is in the tree at one instant, with nothing between. A walk that goes on by
 * the last key it got gives each entry that is there throughout exactly once, in order, whatever
 * comes and goes meanwhile.
 */
oh_status_t oh_tree_walk(oh_tree_t *t, const oh_key_t *from, bool inclusive,
                         oh_direction_t direction, oh_entry_t *entries, uint32_t room,
                         uint32_t *count);

/* How many entries have smaller keys than key. Counts at most budget leaves one by one: OH_BUSY if
 * that was not enough; what was counted is remembered until entries come or go. OH_CLOSED. */
oh_status_t oh_tree_rank(oh_tree_t *t, const oh_key_t *key, uint64_t budget, uint64_t *rank);

/* How many entries there are. As rank. */
oh_status_t oh_tree_size(oh_tree_t *t, uint64_t budget, uint64_t *size);

/* The entry with so many smaller ones. OH_NOT_FOUND, OH_CLOSED, OH_BUSY as rank. */
oh_status_t oh_tree_nth(oh_tree_t *t, uint64_t n, uint64_t budget, oh_entry_t *entry);

/* Adds to *stats what the tree holds; segments are leaves. Visits each leaf: OH_BUSY if there are
 * more than budget. Exact if nobody writes. OH_CLOSED. */
oh_status_t oh_tree_stats(oh_tree_t *t, uint64_t budget, oh_table_stats_t *stats);

/* The invariants of all nodes; takes each leaf's lock in turn. The caller is pinned; nothing else
 * writes. */
bool oh_tree_valid(oh_tree_t *t);

#endif
