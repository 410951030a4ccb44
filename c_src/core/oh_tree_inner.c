/*
 * Inner nodes of a tree: putting leaves in the place of leaves.
 *
 * structure_lock makes it one at a time. A node whose children stay as many gets a pointer stored;
 * else it is copied, or split, or joined with a neighbour, and so on upwards until one store
 * publishes everything. Until that store nothing that readers can reach has changed.
 */
#include "oh_alloc.h"
#include "oh_tree_internal.h"

/* An inner node with fewer children is joined with a neighbour if both have no more than
 * JOIN_MAX. */
#define JOIN_BELOW 16
#define JOIN_MAX   48

/* --- Bounds --- */

bool oh_bound_new(const oh_term_ops_t *ops, const oh_key_t *before, const oh_key_t *key,
                  oh_bound_t **bound) {
    *bound = NULL;
    if (before->order < key->order || (before->order == key->order && before->order2 < key->order2))
        return true;
    oh_bound_t *b = oh_alloc(sizeof *b + key->flat_words * sizeof(oh_word_t));
    if (b == NULL)
        return false;
    *b = (oh_bound_t){.ops = ops, .key = *key};
    if (key->flat_words > 0) {
        memcpy(b->flat, key->flat, key->flat_words * sizeof(oh_word_t));
        b->key.flat = b->flat;
        b->key.word = OH_WORD_NONE;
    } else if (!key->immediate) {
        if ((b->arena = ops->arena_new()) == NULL ||
            (b->key.word = ops->arena_copy(b->arena, key->word)) == OH_WORD_NONE) {
            oh_bound_free(b);
            return false;
        }
    }
    *bound = b;
    return true;
}

void oh_bound_free(oh_bound_t *bound) {
    if (bound != NULL && bound->arena != NULL)
        bound->ops->arena_free(bound->arena);
    oh_free(bound);
}

static void free_retired_bound(oh_retired_t *retired) {
    oh_bound_free(OH_CONTAINER_OF(retired, oh_bound_t, retired));
}

/* --- Nodes --- */

void oh_node_free(oh_node_t *node) {
    if (node->level == 0) {
        oh_leaf_free(oh_leaf_of(node), true);
        return;
    }
    oh_inner_t *inner = oh_inner_of(node);
    for (uint32_t i = 0; i < inner->count; i++) {
        if (i > 0)
            oh_bound_free(inner->bound[i]);
        oh_node_free(oh_load_acquire(&inner->child[i]));
    }
    oh_free(inner);
}

static void free_retired_inner(oh_retired_t *retired) {
    oh_free(OH_CONTAINER_OF(retired, oh_inner_t, node.retired));
}

static oh_inner_t *inner_new(const oh_link_t *links, uint32_t count) {
    oh_inner_t *inner = oh_zalloc(sizeof *inner);
    if (inner == NULL)
        return NULL;
    inner->node.level = links[0].node->level + 1;
    inner->count = count;
    oh_store_relaxed(&inner->sum, OH_SUM_NONE);
    for (uint32_t i = 0; i < count; i++) {
        inner->order[i] = links[i].order;
        inner->order2[i] = links[i].order2;
        inner->bound[i] = links[i].bound;
        oh_store_relaxed(&inner->child[i], links[i].node);
    }
    return inner;
}

static uint32_t index_of(const oh_inner_t *inner, const oh_node_t *child) {
    uint32_t i = 0;
    while (i + 1 < inner->count && oh_load_relaxed(&inner->child[i]) != child)
        i++;
    return i;
}

/* --- Replacing --- */

/* What a replacement has come to, level by level. */
typedef struct {
    oh_inner_t *created[2 * OH_TREE_LEVELS], *removed[2 * OH_TREE_LEVELS];
    uint32_t created_count, removed_count;
    oh_bound_t *unneeded; /* the separator between two leaves that become one */
    /* What is to be published: these, in the place of old_count children of inner from index on. */
    oh_inner_t *inner; /* NULL: as the root */
    uint32_t index, old_count;
    oh_link_t link[2];
    uint32_t link_count;
} change_t;

static oh_link_t link_of(const oh_inner_t *inner, uint32_t i) {
    return (oh_link_t){oh_load_relaxed(&inner->child[i]), inner->order[i], inner->order2[i],
                       inner->bound[i]};
}

/* inner's links to its children but for those that the change replaces, and the new ones. The first
 * takes the separator of what it replaces. */
static uint32_t changed_links(const change_t *c, const oh_inner_t *inner, oh_link_t *links) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < inner->count; i++) {
        if (i > c->index && i < c->index + c->old_count)
            continue;
        oh_link_t link = link_of(inner, i);
        if (i == c->index)
            link.node = c->link[0].node;
        links[n++] = link;
        if (i == c->index && c->link_count == 2)
            links[n++] = c->link[1];
    }
    return n;
}

/* The inner node beside inner, if it has few enough children; *index becomes that of the left
 * one. */
static oh_inner_t *small_neighbour(const oh_inner_t *parent, uint32_t *index, uint32_t count) {
    for (int side = -1; side <= 1; side += 2) {
        uint32_t i = *index + (uint32_t)side;
        if (i >= parent->count)
            continue;
        oh_inner_t *other = oh_inner_of(oh_load_relaxed(&parent->child[i]));
        if (other->count + count > JOIN_MAX)
            continue;
        if (side < 0)
            *index = i;
        return other;
    }
    return NULL;
}

/* Puts other's links before or after the count ones; between stands the separator of the right one
 * of the two, which is the parent's. */
static uint32_t join_links(oh_link_t *links, uint32_t count, const oh_inner_t *other,
                           bool other_is_left, const oh_inner_t *parent, uint32_t left_index) {
    uint32_t at = other_is_left ? 0 : count;
    if (other_is_left)
        memmove(links + other->count, links, count * sizeof *links);
    for (uint32_t i = 0; i < other->count; i++)
        links[at + i] = link_of(other, i);
    oh_link_t *right = &links[other_is_left ? other->count : count];
    oh_node_t *node = right->node; // NOLINT(*uninitialized.Assign): no inner node is empty
    *right = link_of(parent, left_index + 1);
    right->node = node;
    return count + other->count;
}

/* Makes one or two inner nodes of the links; they are what is to be published next. */
static bool make_inner(change_t *c, const oh_link_t *links, uint32_t count, uint32_t first) {
    c->link_count = 0;
    for (uint32_t at = 0; at < count; at += first, first = count - first) {
        oh_inner_t *inner = inner_new(links + at, first);
        if (inner == NULL)
            return false;
        c->created[c->created_count++] = inner;
        c->link[c->link_count++] = links[at];
        c->link[c->link_count - 1].node = &inner->node;
    }
    return true;
}

/* Goes up one level: makes what takes the place of c->inner. */
static bool climb(change_t *c) {
    oh_link_t links[2 * OH_INNER_CHILDREN];
    oh_inner_t *inner = c->inner, *parent = oh_load_relaxed(&inner->node.parent);
    uint32_t index = parent == NULL ? 0 : index_of(parent, &inner->node), old_count = 1;
    bool at_end = c->index + c->old_count == inner->count;
    uint32_t count = changed_links(c, inner, links);
    c->removed[c->removed_count++] = inner;
    c->inner = parent;
    if (parent == NULL && count == 1) {
        c->link[0] = links[0]; /* the root had but one child left */
        return true;
    }
    if (parent != NULL && count < JOIN_BELOW) {
        uint32_t left = index;
        oh_inner_t *other = small_neighbour(parent, &left, count);
        if (other != NULL) {
            count = join_links(links, count, other, left < index, parent, left);
            c->removed[c->removed_count++] = other;
            old_count = 2;
            index = left;
        }
    }
    c->index = index;
    c->old_count = old_count;
    uint32_t first = count <= OH_INNER_CHILDREN ? count : at_end ? count - 8 : count / 2;
    return make_inner(c, links, count, first);
}

/* Makes all that is new, up to the place where one store publishes it. */
static bool prepare(change_t *c) {
    while (c->inner != NULL && !(c->old_count == 1 && c->link_count == 1))
        if (!climb(c))
            return false;
    if (c->inner == NULL && c->link_count == 2)
        return make_inner(c, c->link, 2, 2);
    return true;
}

static void set_parents(const change_t *c) {
    for (uint32_t i = 0; i < c->created_count; i++) {
        oh_inner_t *inner = c->created[i];
        for (uint32_t j = 0; j < inner->count; j++) {
            oh_node_t *child = oh_load_relaxed(&inner->child[j]);
            oh_store_release(&child->parent, inner);
        }
    }
    oh_store_release(&c->link[0].node->parent, c->inner);
}

/* Parents first: a writer that changes a count under a node that is published knows the way up.
 * Sums above are forgotten afterwards: below, nothing is remembered yet, so a writer that looked
 * there stopped. */
static void publish(oh_tree_t *t, const change_t *c) {
    set_parents(c);
    if (c->inner == NULL)
        oh_store_release(&t->root, c->link[0].node); /* R2: pairs with R1 */
    else
        oh_store_release(&c->inner->child[c->index], c->link[0].node); /* C2: pairs with C1 */
    for (oh_inner_t *inner = c->inner; inner != NULL; inner = oh_load_relaxed(&inner->node.parent))
        oh_store_relaxed(&inner->sum, OH_SUM_NONE);
    for (uint32_t i = 0; i < c->removed_count; i++)
        oh_epoch_retire(&c->removed[i]->node.retired, sizeof(oh_inner_t), free_retired_inner);
    if (c->unneeded != NULL)
        oh_epoch_retire(&c->unneeded->retired, sizeof(oh_bound_t), free_retired_bound);
}

/* Whether two leaves have one parent still; then their separator goes. */
static bool are_side_by_side(change_t *c, oh_leaf_t *const old[2]) {
    if (c->inner == NULL || c->index + 1 >= c->inner->count ||
        oh_load_relaxed(&c->inner->child[c->index + 1]) != &old[1]->node)
        return false;
    c->unneeded = c->inner->bound[c->index + 1];
    return true;
}

oh_status_t oh_tree_replace(oh_tree_t *t, oh_leaf_t *const old[], uint32_t old_count,
                            const oh_link_t *new_links, uint32_t new_count) {
    change_t c = {.old_count = old_count, .link_count = new_count};
    oh_status_t status = OH_CLOSED;
    memcpy(c.link, new_links, new_count * sizeof *new_links);
    oh_lock(&t->structure_lock);
    if (oh_load_relaxed(&t->root) != NULL &&
        oh_load_relaxed(&t->generation) == old[0]->generation) {
        c.inner = oh_load_relaxed(&old[0]->node.parent);
        if (c.inner != NULL)
            c.index = index_of(c.inner, &old[0]->node);
        if (old_count == 2 && !are_side_by_side(&c, old))
            status = OH_BUSY;
        else
            status = prepare(&c) ? OH_OK : OH_ENOMEM;
    }
    if (status == OH_OK) {
        for (uint32_t i = 0; i < old_count; i++)
            oh_store_release(&old[i]->replaced, true); /* before anybody can write to the new */
        publish(t, &c);
    } else {
        for (uint32_t i = 0; i < c.created_count; i++)
            oh_free(c.created[i]);
    }
    oh_unlock(&t->structure_lock);
    return status;
}

oh_leaf_t *oh_tree_sibling(oh_tree_t *t, const oh_leaf_t *s, bool left) {
    oh_leaf_t *sibling = NULL;
    oh_lock(&t->structure_lock);
    oh_inner_t *parent = oh_load_relaxed(&s->node.parent);
    if (parent != NULL) {
        uint32_t i = index_of(parent, &s->node) + (left ? UINT32_MAX : 1);
        if (i < parent->count)
            sibling = oh_leaf_of(oh_load_acquire(&parent->child[i]));
    }
    oh_unlock(&t->structure_lock);
    return sibling;
}
