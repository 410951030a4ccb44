#include "oh_registry.h"

#define ENTRY_BYTES     sizeof(oh_registry_entry_t)
#define REFERENCES_MASK ((uint64_t)UINT32_MAX)
#define GENERATION_ONE  ((uint64_t)1 << 32)

oh_counts_t oh_registry_counts;

/* The first entries of each list stand here: few nodes ever need more, and an empty list needs no
 * memory that could be missing. */
static oh_registry_entry_t first[OH_LISTS][OH_NODES_FIRST];

#define EMPTY_LIST(list)                                                                           \
    {                                                                                              \
        .nodes = {.node_bytes = ENTRY_BYTES, .segment = {(char *)first[list]}},                    \
        .free = {OH_FREELIST_NONE},                                                                \
    }

static oh_registry_t own = {
    .counts = &oh_registry_counts,
    .list = {EMPTY_LIST(OH_LIST_POOLS), EMPTY_LIST(OH_LIST_STORES), EMPTY_LIST(OH_LIST_LIMITERS),
             EMPTY_LIST(OH_LIST_FROZEN)},
};

oh_registry_t *oh_registry = &own;

/* Whether this library's counts are in the registry's list of them. */
static bool is_attached(oh_registry_t *registry) {
    oh_counts_t *counts = oh_load_acquire(&registry->counts);
    while (counts != NULL && counts != &oh_registry_counts)
        counts = counts->next;
    return counts != NULL;
}

void oh_registry_attach(oh_registry_t *registry) {
    if (registry == NULL || is_attached(registry))
        return;
    oh_registry = registry;
    oh_registry_counts.next = oh_load_relaxed(&registry->counts);
    while (!oh_cas_weak_release_relaxed(&registry->counts, &oh_registry_counts.next,
                                        &oh_registry_counts)) /* C2: pairs with C1 */
        ;
}

void oh_registry_counted(oh_kind_t kind, uint64_t *handles, uint64_t *bytes) {
    uint64_t handle_sum = 0, byte_sum = 0;
    oh_counts_t *counts = oh_load_acquire(&oh_registry->counts); /* C1 */
    for (; counts != NULL; counts = counts->next) {
        for (unsigned i = 0; i < OH_COUNT_OWNED + OH_COUNT_SHARED; i++) {
            oh_count_t *count = &counts->stripe[i].kind[kind];
            handle_sum += oh_load_relaxed(&count->handles);
            byte_sum += oh_load_relaxed(&count->bytes);
        }
    }
    *handles = (int64_t)handle_sum < 0 ? 0 : handle_sum;
    *bytes = (int64_t)byte_sum < 0 ? 0 : byte_sum;
}

/* --- Lists --- */

static oh_registry_entry_t *entry_at(oh_registry_list_t *list, uint32_t name) {
    return oh_nodes_at(&list->nodes, name);
}

oh_status_t oh_registry_enter(oh_list_t which, const uint64_t value[OH_REGISTRY_VALUES],
                              oh_registry_entry_t **out) {
    oh_registry_list_t *list = &oh_registry->list[which];
    uint32_t name = oh_freelist_pop(&list->free, &list->nodes);
    if (name == OH_FREELIST_NONE) {
        oh_status_t status = oh_nodes_add(&list->nodes, &name);
        if (status != OH_OK)
            return status;
    }
    oh_registry_entry_t *entry = entry_at(list, name);
    entry->name = name;
    /* F2: pairs with F1. Each a release, so that find, which looks without a reference and reads
     * one of these, then also sees that the references went to 0 before. */
    for (unsigned i = 0; i < OH_REGISTRY_VALUES; i++)
        oh_store_release(&entry->value[i], value[i]);
    *out = entry;
    uint64_t word = (oh_load_relaxed(&entry->word) & ~REFERENCES_MASK) + GENERATION_ONE;
    oh_store_release(&entry->word, word | 1); /* R1: pairs with A1 */
    return OH_OK;
}

bool oh_registry_unref(oh_list_t which, oh_registry_entry_t *entry) {
    oh_registry_list_t *list = &oh_registry->list[which];
    uint64_t word = oh_fetch_sub_acqrel(&entry->word, 1); /* R2, A2 */
    if ((word & REFERENCES_MASK) != 1)
        return false;
    oh_freelist_push(&list->free, &list->nodes, entry->name);
    return true;
}

/* A reference, unless there is none, or generation is not the entry's. */
static bool try_ref(oh_registry_entry_t *entry, const uint32_t *generation) {
    uint64_t word = oh_load_relaxed(&entry->word);
    do {
        if ((word & REFERENCES_MASK) == 0 || (generation != NULL && word >> 32 != *generation))
            return false;
    } while (!oh_cas_weak_acqrel_acquire(&entry->word, &word, word + 1)); /* A1 */
    return true;
}

oh_registry_entry_t *oh_registry_next(oh_list_t which, uint32_t *name, uint32_t *budget) {
    oh_registry_list_t *list = &oh_registry->list[which];
    uint32_t count = oh_nodes_count(&list->nodes);
    for (; *name<count && * budget> 0; --*budget) {
        oh_registry_entry_t *entry = entry_at(list, (*name)++);
        if (try_ref(entry, NULL))
            return entry;
    }
    if (*name >= count)
        *name = OH_REGISTRY_END;
    return NULL;
}

oh_registry_entry_t *oh_registry_ref_at(oh_list_t which, uint32_t name, uint32_t generation) {
    oh_registry_list_t *list = &oh_registry->list[which];
    if (name >= oh_nodes_count(&list->nodes))
        return NULL;
    oh_registry_entry_t *entry = entry_at(list, name);
    return try_ref(entry, &generation) ? entry : NULL;
}

/* The values of an entry as of one instant at which it had references; false if there was none. */
static bool read_values(oh_registry_entry_t *entry, uint64_t value[OH_REGISTRY_VALUES]) {
    uint64_t word = oh_load_acquire(&entry->word);
    if ((word & REFERENCES_MASK) == 0)
        return false;
    for (unsigned i = 0; i < OH_REGISTRY_VALUES; i++)
        value[i] = oh_load_acquire(&entry->value[i]); /* F1: pairs with F2 */
    uint64_t after = oh_load_relaxed(&entry->word);
    return (after & REFERENCES_MASK) != 0 && after >> 32 == word >> 32;
}

bool oh_registry_find(oh_list_t which, uint64_t address, uint32_t *name, uint32_t *budget,
                      uint64_t value[OH_REGISTRY_VALUES]) {
    oh_registry_list_t *list = &oh_registry->list[which];
    uint32_t count = oh_nodes_count(&list->nodes);
    for (; *name<count && * budget> 0; ++*name, --*budget)
        if (read_values(entry_at(list, *name), value) && value[0] <= address && address < value[1])
            return true;
    if (*name >= count)
        *name = OH_REGISTRY_END;
    return false;
}

/* --- Invariants --- */

static bool list_valid(oh_registry_list_t *list) {
    uint32_t length, count = oh_nodes_count(&list->nodes), unused = 0;
    if (!oh_freelist_valid(&list->free, &list->nodes, &length))
        return false;
    for (uint32_t name = 0; name < count; name++) {
        oh_registry_entry_t *entry = entry_at(list, name);
        if (entry->name != name)
            return false;
        unused += (oh_load_acquire(&entry->word) & REFERENCES_MASK) == 0;
    }
    uint32_t name = (uint32_t)oh_load_acquire(&list->free.head);
    for (uint32_t i = 0; i < length; i++) {
        oh_registry_entry_t *entry = entry_at(list, name);
        if ((oh_load_acquire(&entry->word) & REFERENCES_MASK) != 0)
            return false;
        name = oh_load_relaxed(&entry->node.next);
    }
    return unused == length;
}

bool oh_registry_valid(void) {
    for (unsigned kind = 0; kind < OH_KINDS; kind++) {
        uint64_t handles = 0, bytes = 0;
        for (oh_counts_t *c = oh_load_acquire(&oh_registry->counts); c != NULL; c = c->next)
            for (unsigned i = 0; i < OH_COUNT_OWNED + OH_COUNT_SHARED; i++) {
                handles += oh_load_relaxed(&c->stripe[i].kind[kind].handles);
                bytes += oh_load_relaxed(&c->stripe[i].kind[kind].bytes);
            }
        if ((int64_t)handles < 0 || (int64_t)bytes < 0)
            return false;
    }
    for (unsigned i = 0; i < OH_LISTS; i++)
        if (!list_valid(&oh_registry->list[i]))
            return false;
    return true;
}
