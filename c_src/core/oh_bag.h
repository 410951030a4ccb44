/*
 * oh_bag: the objects of one key, in the order of their insertion, however many.
 *
 * What a table keeps for a key with more objects than a cell can name (oh_objects.h). Adding an
 * object and taking one out cost the same however many there are; a reader walks a snapshot without
 * a lock.
 *
 * Structure
 *
 *   list      a node for each object, oldest first, linked forwards
 *   body      what equal objects share: the object, and when it died. The first node is part of it, so that
 *             an object that is there once takes one block
 *   index     from some tens of objects on: a table from an object's hash to the bodies that have it
 *   shelf     an arena that holds the terms of some hundred bodies that are not flat
 *
 * Versions. The writer numbers its changes. A node is born with one, a body dies with one;
 * publishing the number by a release (B2) is the change's linearization point. A reader takes the
 * number by an acquire (B1), walks the list, and sees the nodes with born <= number < died: the
 * objects as of one instant, whatever is added or removed meanwhile. So a change of many objects is
 * one change, too.
 *
 * Reclamation. A dead node must stay in the list while a reader walks with an older number. Now and
 * then the writer notes the number and the epoch; when the epoch is OH_EPOCH_GRACE further, every
 * reader that is pinned now was pinned after the number was published (oh_epoch.h), so it has that
 * number or a later one: nodes that died up to it are seen by nobody. They are unlinked, and freed
 * after another grace period, since a reader may stand on one: it reads next, born and died there,
 * which stay as they are. What follows an unlinked node by its next is what followed when it was
 * unlinked; what is added later is younger than the number of whoever stands there.
 *
 * Unlinking is the sweep's: each change moves it on by a few nodes, so that nothing is ever walked
 * at once, and at most a quarter of the list is dead for longer than its readers need. The sweep
 * also moves terms out of shelves of which less than a quarter is needed.
 *
 * Call                        Threads                                   Progress
 * --------------------------  ----------------------------------------  ----------------------
 * add, commit, abort, remove  one at a time (the segment's lock), pinned  bounded; add may allocate
 * scan, has                   as add                                    bounded by the room
 * version, begin, next        any, pinned since before version          wait-free a step
 * count                       any                                       wait-free
 * bytes                       as the writer                             wait-free
 * retire                      one, pinned; nobody can reach the bag     O(1)
 * free                        one; nobody reads                         O(n): on the reaper's thread
 */
#ifndef OH_BAG_H
#define OH_BAG_H

#include "oh_table.h"

typedef struct oh_bag oh_bag_t;

/* An empty bag; NULL when memory is out. salt is for the hashes of objects. */
oh_bag_t *oh_bag_new(const oh_term_ops_t *ops, uint32_t salt);

/* Frees a bag that nobody reads; with its boxes or without. O(n). */
void oh_bag_free(oh_bag_t *b, bool with_boxes);

/* Hands a bag that nobody can reach any more to the reaper, after the grace period. */
void oh_bag_retire(oh_bag_t *b);

/* Adds an object, which nobody sees before the commit. With unique, OH_EXISTS and no change if an
 * equal one is there. item->box_kept says whether the bag uses the box, which is its own from the
 * commit on. OH_ENOMEM, OH_LIMIT (2^32 equal objects): no change. */
oh_status_t oh_bag_add(oh_bag_t *b, oh_item_t *item, bool unique);

/* All that was added since the last commit becomes visible, as one change. Order: release. */
void oh_bag_commit(oh_bag_t *b);

/* Gives up what was added since the last commit; its boxes are no longer the bag's. */
void oh_bag_abort(oh_bag_t *b);

/* Removes all objects that equal the item's, as one change. Returns how many. Nothing may have been
 * added since the last commit. Order: release. */
uint64_t oh_bag_remove(oh_bag_t *b, const oh_item_t *item);

/* Objects, exactly for the writer; any thread may ask. And about how many bytes they take. */
uint64_t oh_bag_count(const oh_bag_t *b);
size_t oh_bag_bytes(const oh_bag_t *b);

/* The number of the last change. Order: acquire. */
uint64_t oh_bag_version(const oh_bag_t *b);

/* A walk over the objects as of a version. */
typedef struct {
    const struct oh_bag_node *at;
    uint64_t version;
} oh_bag_walk_t;

oh_bag_walk_t oh_bag_begin(const oh_bag_t *b, uint64_t version);
/* The next object; its key only if it is part of it. False at the end. */
bool oh_bag_next(oh_bag_walk_t *walk, oh_entry_t *object);

/* An object, how many equal ones there are, and its place among the others. */
typedef struct {
    oh_entry_t entry; /* its key only if it is part of it */
    uint32_t place;
    uint64_t copies;
} oh_bag_object_t;

/*
 * Copies a part of the objects, each once however many equal ones there are: those at *position
 * and beyond, by ascending places, and moves *position on. Places depend on the objects alone, so a
 * scan that stopped in the midst of a part goes on, later, from the place of what comes next, and
 * each object that is there throughout comes once. A bag that never had some tens of objects is
 * given as a whole, all at place 0, and nothing of it beyond. OH_LIMIT: they are more than room.
 * scratch has room entries. Some 30 us for a thousand objects. The writer calls; nothing may have
 * been added since the last commit.
 */
oh_status_t oh_bag_scan(oh_bag_t *b, oh_position_t *position, oh_entry_t *scratch,
                        oh_bag_object_t *objects, uint32_t room, uint32_t *count);

/* Whether an object equals the item's. The writer calls. */
bool oh_bag_has(const oh_bag_t *b, const oh_item_t *item);

/* The hash of an item's object, and whether an entry holds it. */
uint32_t oh_item_object_hash(const oh_item_t *item, uint32_t salt);
bool oh_item_is_object(const oh_term_ops_t *ops, const oh_item_t *item, const oh_entry_t *entry);

/* The invariants. The writer calls. */
bool oh_bag_valid(const oh_bag_t *b);

#endif
