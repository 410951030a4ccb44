#include "oh_freelist.h"

#include "oh_alloc.h"

static size_t segment_bytes(const oh_nodes_t *nodes, unsigned k) {
    return ((size_t)OH_NODES_FIRST << k) * nodes->node_bytes;
}

void oh_nodes_init(oh_nodes_t *nodes, size_t node_bytes) {
    nodes->node_bytes = node_bytes;
    oh_store_relaxed(&nodes->count, 0);
    for (unsigned k = 0; k < OH_NODES_SEGMENTS; k++)
        oh_store_relaxed(&nodes->segment[k], NULL);
}

void oh_nodes_free(oh_nodes_t *nodes) {
    for (unsigned k = 0; k < OH_NODES_SEGMENTS; k++) {
        oh_free_big(oh_load_relaxed(&nodes->segment[k]), segment_bytes(nodes, k));
        oh_store_relaxed(&nodes->segment[k], NULL);
    }
    oh_store_relaxed(&nodes->count, 0);
}

/* Sees to it that segment k is there. Of two threads that allocate it, the slower frees its own. */
static bool have_segment(oh_nodes_t *nodes, unsigned k) {
    if (oh_load_acquire(&nodes->segment[k]) != NULL)
        return true;
    char *segment = oh_zalloc_big(segment_bytes(nodes, k));
    if (segment == NULL)
        return false;
    char *expected = NULL;
    if (!oh_cas_acqrel_acquire(&nodes->segment[k], &expected, segment))
        oh_free_big(segment, segment_bytes(nodes, k));
    return true;
}

oh_status_t oh_nodes_add(oh_nodes_t *nodes, uint32_t *name) {
    uint32_t next = oh_load_acquire(&nodes->count);
    for (;;) {
        if (next >= OH_NODES_MAX)
            return OH_LIMIT;
        unsigned bit = 31u - (unsigned)__builtin_clz(next + OH_NODES_FIRST);
        if (!have_segment(nodes, bit - 6))
            return OH_ENOMEM;
        /* The segment is there before a name in it is: nodes_at needs no check. */
        if (oh_cas_weak_acqrel_acquire(&nodes->count, &next, next + 1)) {
            *name = next;
            return OH_OK;
        }
    }
}

size_t oh_nodes_bytes(oh_nodes_t *nodes) {
    size_t bytes = 0;
    for (unsigned k = 0; k < OH_NODES_SEGMENTS; k++)
        if (oh_load_acquire(&nodes->segment[k]) != NULL)
            bytes += segment_bytes(nodes, k);
    return bytes;
}

bool oh_freelist_valid(oh_freelist_t *list, oh_nodes_t *nodes, uint32_t *length) {
    uint32_t count = oh_nodes_count(nodes);
    uint32_t seen = 0;
    uint32_t name = (uint32_t)oh_load_acquire(&list->head);
    while (name != OH_FREELIST_NONE) {
        if (name >= count || seen++ >= count)
            return false;
        oh_freelist_node_t *node = oh_nodes_at(nodes, name);
        name = oh_load_relaxed(&node->next);
    }
    *length = seen;
    return true;
}
