/*
 * oh_freelist: lock-free stacks of nodes that are named by index.
 *
 * Two structures. oh_nodes_t is a store of equal nodes that grows and never moves or frees one: a
 * name, 0..count-1, is good as long as the store. oh_freelist_t is a last-in first-out stack of
 * such names (a Treiber stack). A node is on at most one stack at a time; which stack it is on, and
 * who owns it when it is on none, is its user's knowledge.
 *
 * The head of a stack is one word: the name of the top node and a tag that each pop raises. Between
 * a popper's look at the top node's successor and its compare-and-swap, that node may have been
 * popped and pushed again over another successor; the tag is then another one and the swap fails.
 * (It would have to sleep through exactly 2^32 pops to be fooled.) Reading the successor of a node
 * that somebody else has popped meanwhile is harmless because nodes are never freed.
 *
 * Call                 Threads  Memory order on success             Progress
 * -------------------  -------  ----------------------------------  ------------------------------
 * nodes_add            any      acq_rel                             lock-free, but as the allocator
 * nodes_at             any      acquire                             wait-free
 * nodes_count          any      acquire                             wait-free
 * push                 any      seq_cst (R1)                        lock-free
 * pop                  any      acquire (A1), failure too           lock-free
 * is_empty             any      acquire                             wait-free; true at one moment
 * nodes_init, _free,   one
 * freelist_init
 *
 * A1-R1: who pops a node sees all that was done to it before it was pushed.
 */
#ifndef OH_FREELIST_H
#define OH_FREELIST_H

#include "oh_atomic.h"
#include "oh_common.h"

#define OH_FREELIST_NONE UINT32_MAX

/* Stands first in each node. */
typedef struct {
    _Atomic uint32_t next; /* while on a stack: the node below */
} oh_freelist_node_t;

/* Segment k holds 64 << k nodes, so a name tells its segment by its highest bit and growing never
 * moves a node. */
#define OH_NODES_FIRST    64
#define OH_NODES_SEGMENTS 26
/* Nodes that a store may have: 2^32 - 64. */
#define OH_NODES_MAX ((uint32_t)(((uint64_t)OH_NODES_FIRST << OH_NODES_SEGMENTS) - OH_NODES_FIRST))

typedef struct {
    size_t node_bytes;                        /* never changes */
    _Atomic uint32_t count;                   /* names given out */
    char *_Atomic segment[OH_NODES_SEGMENTS]; /* owned; set once, before the first name in it */
} oh_nodes_t;

typedef struct {
    _Atomic uint64_t head; /* tag << 32 | name of the top node */
} oh_freelist_t;

/* An empty store for nodes of node_bytes each, an oh_freelist_node_t first in them. Allocates
 * nothing. */
void oh_nodes_init(oh_nodes_t *nodes, size_t node_bytes);

/* Ends the store and all nodes. No other call may be under way. */
void oh_nodes_free(oh_nodes_t *nodes);

/* A new node, all zero: its name in *name. The caller owns it. OH_ENOMEM; OH_LIMIT when all names
 * are given out. */
oh_status_t oh_nodes_add(oh_nodes_t *nodes, uint32_t *name);

/* Names given out so far. Each smaller name is good for nodes_at. */
static inline uint32_t oh_nodes_count(oh_nodes_t *nodes) {
    return oh_load_acquire(&nodes->count);
}

/* The node of a name that was given out. */
static inline void *oh_nodes_at(oh_nodes_t *nodes, uint32_t name) {
    uint32_t place = name + OH_NODES_FIRST;
    unsigned bit = 31u - (unsigned)__builtin_clz(place);
    char *segment = oh_load_acquire(&nodes->segment[bit - 6]);
    return segment + (size_t)(place - (1u << bit)) * nodes->node_bytes;
}

/* Bytes that the segments take. */
size_t oh_nodes_bytes(oh_nodes_t *nodes);

/* An empty stack. */
static inline void oh_freelist_init(oh_freelist_t *list) {
    oh_store_relaxed(&list->head, (uint64_t)OH_FREELIST_NONE);
}

static inline bool oh_freelist_is_empty(oh_freelist_t *list) {
    return (uint32_t)oh_load_acquire(&list->head) == OH_FREELIST_NONE;
}

/* Puts the node on the stack. The caller must own it, and owns it no more. */
static inline void oh_freelist_push(oh_freelist_t *list, oh_nodes_t *nodes, uint32_t name) {
    oh_freelist_node_t *node = oh_nodes_at(nodes, name);
    uint64_t head = oh_load_relaxed(&list->head);
    uint64_t pushed;
    do {
        oh_store_relaxed(&node->next, (uint32_t)head);
        pushed = (head & ~(uint64_t)UINT32_MAX) | name;
        /* R1: pairs with A1. seq_cst, so that a user may push and then look at a flag which another
         * thread sets before it pops all: one of the two sees the other's. */
    } while (!oh_cas_seqcst_seqcst(&list->head, &head, pushed));
}

/* The name of the node that was on top, which the caller then owns, or OH_FREELIST_NONE. */
static inline uint32_t oh_freelist_pop(oh_freelist_t *list, oh_nodes_t *nodes) {
    /* A1: pairs with R1. seq_cst for the same reason as in push. */
    uint64_t head = oh_load_seqcst(&list->head);
    for (;;) {
        uint32_t name = (uint32_t)head;
        if (name == OH_FREELIST_NONE)
            return OH_FREELIST_NONE;
        oh_freelist_node_t *node = oh_nodes_at(nodes, name);
        /* May be of a later life of the node; then the tag has moved on and the swap fails. */
        uint32_t next = oh_load_relaxed(&node->next);
        uint64_t popped = (((head >> 32) + 1) << 32) | next;
        if (oh_cas_weak_acqrel_acquire(&list->head, &head, popped)) /* A1 */
            return name;
    }
}

/* True if the stack is finite, each name on it was given out, and it holds no more nodes than the
 * store has. *length gets the number of nodes. No push or pop may be under way. */
bool oh_freelist_valid(oh_freelist_t *list, oh_nodes_t *nodes, uint32_t *length);

#endif
