#include "oh_bag.h"
#include "oh_alloc.h"
#include "oh_reaper.h"
#include "oh_terms.h"

#include <string.h>

/* Objects from which on there is an index: walking so many costs about as much as the index. */
#define INDEX_MIN 32
/* Nodes that a change sweeps. */
#define SWEEP_STEP 8
/* Changes between attempts to move the epoch on: they cost a look at every thread's record. */
#define ADVANCE_EVERY 16
/* What a shelf takes, in objects and in words: moving its terms is spread over many changes. */
#define SHELF_OBJECTS 512
#define SHELF_WORDS   16384

#define NEVER UINT64_MAX

typedef struct oh_bag_node node_t;
typedef struct body body_t;

struct oh_bag_node {
    _Atomic(node_t *) next;
    _Atomic uint64_t born; /* NEVER: given up */
    body_t *body;          /* NULL in the head of the list */
};

/* The node of an object that equals another. */
typedef struct {
    node_t node;
    oh_retired_t retired;
} copy_t;

typedef struct {
    oh_retired_t retired;
    const oh_term_ops_t *ops;
    void *arena;
    uint32_t filled, live; /* terms that were put, and those that are still needed */
    bool sparse;           /* few are: the sweep moves them away */
    uint64_t words;
} shelf_t;

struct body {
    node_t first;
    _Atomic uint64_t died; /* NEVER: it lives */
    union {
        struct {
            body_t *twin;   /* another body with the same hash, in the index */
            shelf_t *shelf; /* of a term; it may move */
            uint32_t hash;
            uint32_t copies; /* living nodes */
            uint32_t linked; /* nodes in the list */
            uint16_t words;  /* of a term, for the shelf; of a cell, itself included */
            uint8_t form;
            bool immediate; /* a value, not a term: readers do not look at the shelf */
        };
        oh_retired_t retired; /* once no node is linked: nobody reads the object then */
    };
    _Atomic oh_word_t object[]; /* the value, a pointer to the box, or the cell itself */
};

_Static_assert(offsetof(body_t, object) == 64, "a body's own fields take one cache line");

struct oh_bag {
    const oh_term_ops_t *ops;
    oh_table_t *index; /* NULL while there are few objects */
    _Atomic uint64_t version;
    node_t head;
    node_t *tail;
    node_t *staged;         /* the node before the first that was added since the commit, or NULL */
    _Atomic uint64_t count; /* living nodes, those not committed included */
    node_t *cursor;         /* the sweep looks at the node after it */
    /* How many nodes ever died, and how many were ever unlinked. */
    uint64_t died, unlinked;
    /* What died up to the version safe, so many nodes, is seen by nobody. Mark is the next safe,
     * once the epoch is OH_EPOCH_GRACE further than mark_epoch. */
    uint64_t safe, safe_died, mark, mark_died, mark_epoch;
    shelf_t *shelf; /* the one that terms are put into, or NULL */
    uint32_t sparse_shelves;
    size_t bytes;
    uint32_t salt;
    oh_retired_t retired;
    oh_reaper_job_t job;
};

/* --- Items and entries --- */

uint32_t oh_item_object_hash(const oh_item_t *item, uint32_t salt) {
    if (item->form == OH_FORM_CELL)
        return oh_hash_words(item->cell->word, item->cell->words, salt);
    if (item->form == OH_FORM_VALUE && item->value_immediate)
        return oh_hash_immediate(item->value, salt);
    return item->value_hash;
}

bool oh_item_is_object(const oh_term_ops_t *ops, const oh_item_t *item, const oh_entry_t *entry) {
    /* What is in a cell can be nowhere else but in a cell. */
    if (item->form == OH_FORM_CELL || entry->cell != NULL)
        return item->form == OH_FORM_CELL && entry->cell != NULL &&
               oh_cell_equal(item->cell, entry->cell);
    bool boxed = item->form == OH_FORM_BOX;
    oh_word_t value = boxed ? item->box->value : item->value;
    return (boxed ? item->box->form : item->form) == entry->form &&
           (value == entry->value || ops->equal(value, entry->value));
}

static void get_object(const body_t *body, oh_entry_t *entry) {
    oh_word_t value = body->form == OH_FORM_CELL
                          ? (oh_word_t)(uintptr_t)body->object
                          : oh_load_acquire(&body->object[0]); /* T1: pairs with T2 */
    oh_form_entry(body->form, OH_WORD_NONE, value, entry);
    entry->value_immediate = body->immediate;
}

/* --- Shelves --- */

static void shelf_free(shelf_t *shelf) {
    shelf->ops->arena_free(shelf->arena);
    oh_free(shelf);
}

static void free_retired_shelf(oh_retired_t *retired) {
    shelf_free(OH_CONTAINER_OF(retired, shelf_t, retired));
}

static size_t shelf_bytes(const shelf_t *shelf) {
    return sizeof *shelf + shelf->ops->arena_bytes + shelf->words * sizeof(oh_word_t);
}

/* After a term of a shelf was dropped, or the shelf is no longer filled: it goes with its last
 * term, which a reader may hold. */
static void shelf_check(oh_bag_t *b, shelf_t *shelf) {
    if (shelf == b->shelf)
        return;
    if (shelf->live == 0) {
        b->sparse_shelves -= shelf->sparse;
        b->bytes -= shelf_bytes(shelf);
        oh_epoch_retire(&shelf->retired, shelf_bytes(shelf), free_retired_shelf);
    } else if (!shelf->sparse && shelf->live * 4 < shelf->filled) {
        shelf->sparse = true;
        b->sparse_shelves++;
    }
}

static shelf_t *shelf_with_room(oh_bag_t *b) {
    shelf_t *old = b->shelf;
    if (old != NULL && old->filled < SHELF_OBJECTS && old->words < SHELF_WORDS)
        return old;
    shelf_t *shelf = oh_zalloc(sizeof *shelf);
    void *arena = shelf == NULL ? NULL : b->ops->arena_new();
    if (arena == NULL) {
        oh_free(shelf);
        return NULL;
    }
    shelf->ops = b->ops;
    shelf->arena = arena;
    b->shelf = shelf;
    b->bytes += shelf_bytes(shelf);
    if (old != NULL)
        shelf_check(b, old);
    return shelf;
}

/* Copies a term to a shelf; OH_WORD_NONE when memory is out. */
static oh_word_t shelf_put(oh_bag_t *b, oh_word_t term, uint32_t words, shelf_t **shelf) {
    *shelf = shelf_with_room(b);
    oh_word_t copy = *shelf == NULL ? OH_WORD_NONE : b->ops->arena_copy((*shelf)->arena, term);
    if (copy != OH_WORD_NONE) {
        (*shelf)->filled++;
        (*shelf)->live++;
        (*shelf)->words += words;
        b->bytes += words * sizeof(oh_word_t);
    }
    return copy;
}

/* Moves a body's term out of a sparse shelf. Without memory it stays. */
static void move_term(oh_bag_t *b, body_t *body) {
    shelf_t *from = body->shelf, *to;
    oh_word_t copy = shelf_put(b, oh_load_relaxed(&body->object[0]), body->words, &to);
    if (copy == OH_WORD_NONE)
        return;
    oh_store_release(&body->object[0], copy); /* T2: pairs with T1 */
    body->shelf = to;
    from->live--;
    shelf_check(b, from);
}

/* --- Bodies and nodes --- */

static oh_box_t *box_of(const body_t *body) {
    return (oh_box_t *)(uintptr_t)oh_load_relaxed(&body->object[0]);
}

static void count_box(oh_bag_t *b, const body_t *body, int by) {
    if (body->form != OH_FORM_BOX)
        return;
    size_t bytes = b->ops->arena_bytes + box_of(body)->words * sizeof(oh_word_t);
    b->bytes += by > 0 ? bytes : -bytes;
}

static size_t body_bytes(const body_t *body) {
    size_t words = body->form == OH_FORM_CELL ? body->words : 1;
    return offsetof(body_t, object) + words * sizeof(oh_word_t);
}

/* A body for the item, in no list; NULL when memory is out. */
static body_t *body_new(oh_bag_t *b, const oh_item_t *item, uint32_t hash) {
    bool is_cell = item->form == OH_FORM_CELL;
    size_t words = is_cell ? oh_cell_size(item->cell) : 1;
    body_t *body = oh_alloc(offsetof(body_t, object) + words * sizeof(oh_word_t));
    if (body == NULL)
        return NULL;
    memset((void *)body, 0, offsetof(body_t, object));
    body->first.body = body;
    oh_store_relaxed(&body->died, NEVER);
    body->hash = hash;
    body->form = (uint8_t)item->form;
    body->immediate = item->form == OH_FORM_VALUE && item->value_immediate;
    body->words = (uint16_t)(is_cell ? words : item->value_words);
    oh_word_t value = item->value;
    if (is_cell) {
        memcpy((void *)body->object, item->cell, words * sizeof(oh_word_t));
        return body;
    }
    if (item->form == OH_FORM_BOX)
        value = (oh_word_t)(uintptr_t)item->box;
    else if (!item->value_immediate)
        value = shelf_put(b, item->value, item->value_words, &body->shelf);
    oh_store_relaxed(&body->object[0], value);
    if (value != OH_WORD_NONE)
        return body;
    oh_free(body);
    return NULL;
}

static void drop_term(oh_bag_t *b, body_t *body) {
    if (body->shelf != NULL) {
        body->shelf->live--;
        shelf_check(b, body->shelf);
    }
}

static void free_retired_body(oh_retired_t *retired) {
    oh_free(OH_CONTAINER_OF(retired, body_t, retired));
}

static void free_retired_copy(oh_retired_t *retired) {
    oh_free(OH_CONTAINER_OF(retired, copy_t, retired));
}

/* Frees an unlinked node, after a grace period: its body with the last one. */
static void retire_node(oh_bag_t *b, node_t *node) {
    body_t *body = node->body;
    bool last = --body->linked == 0;
    if (node != &body->first) {
        b->bytes -= sizeof(copy_t);
        oh_epoch_retire(&OH_CONTAINER_OF(node, copy_t, node)->retired, sizeof(copy_t),
                        free_retired_copy);
    }
    if (!last)
        return;
    size_t bytes = body_bytes(body);
    drop_term(b, body);
    b->bytes -= bytes;
    oh_epoch_retire(&body->retired, bytes, free_retired_body);
}

/* --- Index --- */

static oh_key_t index_key(const oh_bag_t *b, uint32_t hash) {
    oh_word_t word = (oh_word_t)hash << 1 | 1;
    return (oh_key_t){
        .word = word, .hash = oh_hash_immediate(word, oh_table_salt(b->index)), .immediate = true};
}

static body_t *index_first(const oh_bag_t *b, uint32_t hash) {
    oh_entry_t entry;
    oh_key_t key = index_key(b, hash);
    return oh_table_get(b->index, &key, &entry) == OH_OK ? (body_t *)(uintptr_t)entry.value : NULL;
}

static oh_status_t index_put(oh_bag_t *b, oh_write_t *w, body_t *body) {
    oh_item_t item = {.key = w->key,
                      .form = OH_FORM_VALUE,
                      .value = (oh_word_t)(uintptr_t)body,
                      .value_immediate = true};
    return oh_table_put(b->index, w, &item);
}

static oh_status_t index_add(oh_bag_t *b, body_t *body) {
    oh_write_t w;
    oh_key_t key = index_key(b, body->hash);
    oh_status_t status = oh_table_begin(b->index, &w, &key, true);
    if (status != OH_OK)
        return status;
    body->twin = w.found ? (body_t *)(uintptr_t)w.entry.value : NULL;
    status = index_put(b, &w, body);
    oh_table_end(b->index, &w);
    return status;
}

static void index_remove(oh_bag_t *b, body_t *body) {
    oh_write_t w;
    if (b->index == NULL)
        return;
    oh_key_t key = index_key(b, body->hash);
    if (oh_table_begin(b->index, &w, &key, false) != OH_OK)
        return;
    body_t *at = w.found ? (body_t *)(uintptr_t)w.entry.value : NULL;
    if (at == body && body->twin != NULL)
        (void)index_put(b, &w, body->twin); /* in its slot: needs no memory */
    else if (at == body)
        oh_table_remove(b->index, &w);
    for (; at != NULL && at != body; at = at->twin)
        if (at->twin == body)
            at->twin = body->twin;
    oh_table_end(b->index, &w);
}

/* Makes the index, of some tens of bodies. */
static oh_status_t index_make(oh_bag_t *b) {
    b->index = oh_table_new(b->ops, 0, b->salt);
    oh_status_t status = b->index == NULL ? OH_ENOMEM : OH_OK;
    for (node_t *n = oh_load_relaxed(&b->head.next); n != NULL && status == OH_OK;
         n = oh_load_relaxed(&n->next))
        if (n == &n->body->first && n->body->copies > 0)
            status = index_add(b, n->body);
    if (status != OH_OK && b->index != NULL) {
        oh_table_destroy(b->index);
        b->index = NULL;
    }
    return status;
}

/* The living body that equals the item, or NULL. */
static body_t *find_body(const oh_bag_t *b, const oh_item_t *item, uint32_t hash) {
    oh_entry_t entry;
    if (b->index != NULL) {
        for (body_t *body = index_first(b, hash); body != NULL; body = body->twin) {
            get_object(body, &entry);
            if (oh_item_is_object(b->ops, item, &entry))
                return body;
        }
        return NULL;
    }
    for (node_t *n = oh_load_relaxed(&b->head.next); n != NULL; n = oh_load_relaxed(&n->next)) {
        body_t *body = n->body;
        if (n != &body->first || body->copies == 0 || body->hash != hash)
            continue;
        get_object(body, &entry);
        if (oh_item_is_object(b->ops, item, &entry))
            return body;
    }
    return NULL;
}

/* --- The sweep --- */

/* Whether nobody sees the node any more. */
static bool is_gone(const oh_bag_t *b, const node_t *node) {
    return oh_load_relaxed(&node->born) == NEVER || oh_load_relaxed(&node->body->died) <= b->safe;
}

/* Moves the safe version on, if the readers have. */
static void move_safe(oh_bag_t *b) {
    uint64_t version = oh_load_relaxed(&b->version);
    if (oh_epoch_now() >= b->mark_epoch + OH_EPOCH_GRACE) {
        b->safe = b->mark;
        b->safe_died = b->mark_died;
        b->mark = version;
        b->mark_died = b->died;
        b->mark_epoch = oh_epoch_now();
    } else if (version % ADVANCE_EVERY == 0) {
        oh_epoch_advance();
    }
}

static void sweep(oh_bag_t *b) {
    if (b->died > b->unlinked)
        move_safe(b);
    node_t *first = oh_load_relaxed(&b->head.next);
    /* What is taken out in the order in which it came is dead at the beginning. */
    if (b->safe_died > b->unlinked && first != NULL && is_gone(b, first))
        b->cursor = &b->head;
    for (int i = 0; i < SWEEP_STEP && (b->safe_died > b->unlinked || b->sparse_shelves > 0); i++) {
        node_t *node = oh_load_relaxed(&b->cursor->next);
        if (node == NULL) {
            b->cursor = &b->head;
            return;
        }
        body_t *body = node->body;
        if (!is_gone(b, node)) {
            if (node == &body->first && body->copies > 0 && body->shelf != NULL &&
                body->shelf->sparse)
                move_term(b, body);
            b->cursor = node;
            continue;
        }
        if (node == b->tail)
            b->tail = b->cursor;
        oh_store_release(&b->cursor->next, oh_load_relaxed(&node->next)); /* L2: pairs with L1 */
        b->unlinked++;
        retire_node(b, node);
    }
}

/* --- Changes --- */

static node_t *copy_new(oh_bag_t *b, body_t *body) {
    copy_t *copy = oh_alloc(sizeof *copy);
    if (copy == NULL)
        return NULL;
    memset((void *)copy, 0, sizeof *copy);
    copy->node.body = body;
    b->bytes += sizeof *copy;
    return &copy->node;
}

static void count_nodes(oh_bag_t *b, int64_t by) {
    oh_store_relaxed(&b->count, oh_load_relaxed(&b->count) + (uint64_t)by);
}

static void append(oh_bag_t *b, node_t *node) {
    if (b->staged == NULL)
        b->staged = b->tail;
    oh_store_relaxed(&node->born, oh_load_relaxed(&b->version) + 1);
    node->body->copies++;
    node->body->linked++;
    oh_store_release(&b->tail->next, node); /* L2: pairs with L1 */
    b->tail = node;
    count_nodes(b, 1);
}

oh_status_t oh_bag_add(oh_bag_t *b, oh_item_t *item, bool unique) {
    item->box_kept = false;
    uint32_t hash = oh_item_object_hash(item, b->salt);
    if (b->index == NULL && oh_bag_count(b) >= INDEX_MIN && index_make(b) != OH_OK)
        return OH_ENOMEM;
    body_t *body = find_body(b, item, hash);
    if (body != NULL && unique)
        return OH_EXISTS;
    if (body != NULL && body->linked == UINT32_MAX)
        return OH_LIMIT;
    if (body != NULL) {
        node_t *node = copy_new(b, body);
        if (node == NULL)
            return OH_ENOMEM;
        append(b, node);
        return OH_OK;
    }
    body = body_new(b, item, hash);
    if (body == NULL)
        return OH_ENOMEM;
    if (b->index != NULL && index_add(b, body) != OH_OK) {
        drop_term(b, body);
        oh_free(body);
        return OH_ENOMEM;
    }
    b->bytes += body_bytes(body);
    count_box(b, body, 1);
    item->box_kept = item->form == OH_FORM_BOX;
    append(b, &body->first);
    return OH_OK;
}

void oh_bag_commit(oh_bag_t *b) {
    b->staged = NULL;
    oh_store_release(&b->version, oh_load_relaxed(&b->version) + 1); /* B2: pairs with B1 */
    sweep(b);
}

void oh_bag_abort(oh_bag_t *b) {
    if (b->staged == NULL)
        return;
    for (node_t *n = oh_load_relaxed(&b->staged->next); n != NULL; n = oh_load_relaxed(&n->next)) {
        body_t *body = n->body;
        oh_store_relaxed(&n->born, NEVER);
        count_nodes(b, -1);
        b->died++;
        if (--body->copies > 0)
            continue;
        index_remove(b, body);
        count_box(b, body, -1);
    }
    b->staged = NULL;
}

uint64_t oh_bag_remove(oh_bag_t *b, const oh_item_t *item) {
    body_t *body = find_body(b, item, oh_item_object_hash(item, b->salt));
    if (body == NULL)
        return 0;
    uint64_t count = body->copies, version = oh_load_relaxed(&b->version) + 1;
    index_remove(b, body);
    body->copies = 0;
    count_nodes(b, -(int64_t)count);
    b->died += count;
    oh_store_relaxed(&body->died, version);
    oh_store_release(&b->version, version); /* B2: pairs with B1 */
    if (body->form == OH_FORM_BOX) {
        oh_box_t *box = box_of(body);
        count_box(b, body, -1);
        oh_box_retire(box);
    }
    sweep(b);
    return count;
}

/* --- Reading --- */

uint64_t oh_bag_count(const oh_bag_t *b) {
    return oh_load_relaxed(&b->count);
}

size_t oh_bag_bytes(const oh_bag_t *b) {
    return b->bytes;
}

uint64_t oh_bag_version(const oh_bag_t *b) {
    return oh_load_acquire(&b->version); /* B1: pairs with B2 */
}

oh_bag_walk_t oh_bag_begin(const oh_bag_t *b, uint64_t version) {
    return (oh_bag_walk_t){&b->head, version};
}

bool oh_bag_next(oh_bag_walk_t *walk, oh_entry_t *object) {
    while ((walk->at = oh_load_acquire(&walk->at->next)) != NULL) { /* L1: pairs with L2 */
        const body_t *body = walk->at->body;
        /* A list lies anywhere: let the next node come while this one is dealt with. */
        const char *next = (const char *)oh_load_relaxed(&walk->at->next);
        __builtin_prefetch(next);
        __builtin_prefetch(next + OH_CACHE_LINE);
        if (oh_load_relaxed(&walk->at->born) <= walk->version &&
            walk->version < oh_load_relaxed(&body->died)) {
            get_object(body, object);
            return true;
        }
    }
    return false;
}

/* --- Parts, for the writer --- */

bool oh_bag_has(const oh_bag_t *b, const oh_item_t *item) {
    return find_body(b, item, oh_item_object_hash(item, b->salt)) != NULL;
}

static void put_object(const body_t *body, uint32_t place, oh_bag_object_t *object) {
    get_object(body, &object->entry);
    object->place = place;
    object->copies = body->copies;
}

/* All objects of a bag without an index. */
static oh_status_t scan_list(const oh_bag_t *b, oh_bag_object_t *objects, uint32_t room,
                             uint32_t *count) {
    for (node_t *n = oh_load_relaxed(&b->head.next); n != NULL; n = oh_load_relaxed(&n->next)) {
        if (n != &n->body->first || n->body->copies == 0)
            continue;
        if (*count == room)
            return OH_LIMIT;
        put_object(n->body, 0, &objects[(*count)++]);
    }
    return OH_OK;
}

/* Those of the index's entries that are at place from or beyond, in order; their keys become their
 * places. They come almost so: slots ascend with the hash. */
static uint32_t sort_entries(const oh_bag_t *b, oh_entry_t *entries, uint32_t count,
                             uint32_t from) {
    uint32_t kept = 0, salt = oh_table_salt(b->index);
    for (uint32_t i = 0; i < count; i++) {
        oh_entry_t entry = entries[i];
        entry.key = oh_hash_immediate(entry.key, salt);
        if (entry.key < from)
            continue;
        uint32_t at = kept++;
        for (; at > 0 && entries[at - 1].key > entry.key; at--)
            entries[at] = entries[at - 1];
        entries[at] = entry;
    }
    return kept;
}

static void prefetch_body(const body_t *body) {
    __builtin_prefetch(body);
    __builtin_prefetch((const void *)body->object);
}

/* Bodies lie anywhere: let so many come at once. */
#define SCAN_AHEAD 16

oh_status_t oh_bag_scan(oh_bag_t *b, oh_position_t *position, oh_entry_t *scratch,
                        oh_bag_object_t *objects, uint32_t room, uint32_t *count) {
    oh_position_t next = *position;
    uint32_t entries;
    *count = 0;
    if (b->index == NULL) {
        oh_status_t status = *position == 0 ? scan_list(b, objects, room, count) : OH_OK;
        *position = status == OH_OK ? OH_POSITION_END : *position;
        return status;
    }
    oh_status_t status = oh_table_scan(b->index, &next, scratch, room, &entries);
    if (status != OH_OK)
        return status;
    entries = sort_entries(b, scratch, entries, (uint32_t)*position);
    for (uint32_t i = 0; i < entries; i++) {
        if (i + SCAN_AHEAD < entries)
            prefetch_body((const body_t *)(uintptr_t)scratch[i + SCAN_AHEAD].value);
        for (const body_t *body = (const body_t *)(uintptr_t)scratch[i].value; body != NULL;
             body = body->twin) {
            if (*count == room)
                return OH_LIMIT;
            put_object(body, (uint32_t)scratch[i].key, &objects[(*count)++]);
        }
    }
    *position = next;
    return OH_OK;
}

/* --- Life --- */

oh_bag_t *oh_bag_new(const oh_term_ops_t *ops, uint32_t salt) {
    oh_bag_t *b = oh_zalloc(sizeof *b);
    if (b == NULL)
        return NULL;
    b->ops = ops;
    b->salt = salt;
    b->tail = b->cursor = &b->head;
    b->bytes = sizeof *b;
    return b;
}

/* Ends a node whose followers were not yet looked at. */
static void free_node(oh_bag_t *b, node_t *node, bool with_boxes) {
    body_t *body = node->body;
    bool last = --body->linked == 0;
    if (node != &body->first)
        oh_free(OH_CONTAINER_OF(node, copy_t, node));
    if (!last)
        return;
    if (body->shelf != NULL && --body->shelf->live == 0 && body->shelf != b->shelf)
        shelf_free(body->shelf);
    if (with_boxes && body->form == OH_FORM_BOX && body->copies > 0)
        oh_box_free(box_of(body));
    oh_free(body);
}

void oh_bag_free(oh_bag_t *b, bool with_boxes) {
    for (node_t *next, *n = oh_load_relaxed(&b->head.next); n != NULL; n = next) {
        next = oh_load_relaxed(&n->next);
        free_node(b, n, with_boxes);
    }
    if (b->shelf != NULL)
        shelf_free(b->shelf);
    if (b->index != NULL)
        oh_table_destroy(b->index);
    oh_free(b);
}

static void run_free_bag(oh_reaper_job_t *job) {
    oh_bag_free(OH_CONTAINER_OF(job, oh_bag_t, job), true);
}

/* After the grace period. */
static void hand_to_reaper(oh_retired_t *retired) {
    oh_bag_t *b = OH_CONTAINER_OF(retired, oh_bag_t, retired);
    b->job.run = run_free_bag;
    oh_reaper_push(&b->job);
}

void oh_bag_retire(oh_bag_t *b) {
    oh_epoch_retire(&b->retired, b->bytes, hand_to_reaper);
    oh_reaper_hint();
}

/* --- Invariants --- */

static bool valid_body(const oh_bag_t *b, const body_t *body) {
    if (body->copies > body->linked || body->linked == 0)
        return false;
    if (body->copies > 0 && oh_load_relaxed(&body->died) != NEVER)
        return false;
    if (b->index == NULL || body->copies == 0)
        return true;
    const body_t *at = index_first(b, body->hash);
    while (at != NULL && at != body)
        at = at->twin;
    return at == body;
}

bool oh_bag_valid(const oh_bag_t *b) {
    uint64_t living = 0, nodes = 0, last = 0, copies = 0, version = oh_load_relaxed(&b->version);
    const node_t *tail = &b->head;
    for (const node_t *n = oh_load_relaxed(&b->head.next); n != NULL;
         n = oh_load_relaxed(&n->next)) {
        uint64_t born = oh_load_relaxed(&n->born);
        bool given_up = born == NEVER;
        tail = n;
        nodes++;
        living += !given_up && n->body->copies > 0;
        if (n == &n->body->first) {
            copies += n->body->copies;
            if (!valid_body(b, n->body))
                return false;
        }
        if (!given_up && (born < last || born > version + 1))
            return false;
        last = given_up ? last : born;
    }
    return tail == b->tail && living == oh_bag_count(b) && copies == living &&
           nodes == living + b->died - b->unlinked && b->safe <= b->mark && b->mark <= version &&
           (b->index == NULL || oh_table_valid(b->index));
}
