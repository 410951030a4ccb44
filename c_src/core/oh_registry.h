/*
 * oh_registry: what the library holds: how many handles of each kind with how many bytes, and lists
 * of the things that are looked at one by one.
 *
 * Counts. A handle that is made or ends adds to the counts of its kind. Nothing is known of the
 * single handle, so nothing can dangle, and the counts of small things cost next to nothing: each
 * of the first OH_COUNT_OWNED threads has counts of its own, which no other thread writes and which
 * take a load and a store (1 to 2 ns); later threads share stripes by atomic additions. A reader
 * adds up the stripes. The sums are exact when nobody counts meanwhile; else each is as of some
 * moment during the call, and the numbers of handles and bytes need not fit each other.
 *
 * Lists. Pools, stores and frozen blocks are also listed, because what they hold changes all the
 * time and is asked of them. An entry of a list stands in memory that is never freed and holds the
 * number of references to the thing, its body: the entry, not the body, says whether the body is
 * still there. So a walker needs no epoch and no lock, and whoever ends a body waits for nobody:
 *
 *       word: 63        32 31          0
 *            [ generation | references ]     references 0: the entry is free
 *
 *   enter      takes a free entry: values, then word = generation + 1 with one reference
 *   next       raises the references of an entry if they are not 0, and has the body then
 *   unref      lowers them; who reaches 0 gives the entry back and ends the body
 *
 * No body is revived, since 0 is never raised but by enter, whose generation is another one.
 *
 * Why not a registry of all handles: a list costs a shared stack's head for each handle made and
 * freed (some 30 ns, more under contention), where the counts say the same. Why not epochs: they
 * would delay the end of each body, and a pin can fail where a destructor cannot.
 *
 * Call              Threads                Memory order                Progress
 * ----------------  ---------------------  --------------------------  ---------------------------
 * count             any                    relaxed                     wait-free
 * counted           any                    relaxed                     wait-free; some 5 us
 * enter             any                    release (R1)                lock-free, but the allocator
 * ref               who has a reference    relaxed                     wait-free
 * unref             who has a reference    acq_rel (R2, A2)            lock-free
 * next, ref_at      any                    acquire (A1)                lock-free; bounded by budget
 * value, set_value  who has a reference    acquire, release            wait-free
 * find              any                    acquire                     wait-free; bounded by budget
 * attach            one
 * valid             alone
 *
 * A1-R1: who got a reference from a list sees the body as its maker entered it. A2-R2: who ends the
 * body comes after all uses by those that had references.
 *
 * There is one registry in a process: a library loaded over another attaches to the other's.
 * The counts of each copy of the library are its own, since its threads are numbered by it, and
 * stand in the list of counts. All memory but that of very long lists is static, hence nothing here
 * fails at load; it stays mapped as the library does.
 */
#ifndef OH_REGISTRY_H
#define OH_REGISTRY_H

#include "oh_atomic.h"
#include "oh_common.h"
#include "oh_freelist.h"
#include "oh_thread.h"

/* Kinds that are counted. Bytes are those of headers and bodies, as the handles' info tells. */
#define OH_KIND_MAP(_)                                                                             \
    _(ATOMICS, atomics)                                                                            \
    _(COUNTERS, counters)                                                                          \
    _(HISTOGRAMS, histograms)                                                                      \
    _(RATE_LIMITERS, rate_limiters)                                                                \
    _(CONCURRENCY_LIMITERS, concurrency_limiters)                                                  \
    _(ID_GENERATORS, id_generators)                                                                \
    _(BITSETS, bitsets)                                                                            \
    _(BLOOM_FILTERS, bloom_filters)                                                                \
    _(HYPERLOGLOGS, hyperloglogs)                                                                  \
    _(HASHES, hashes)                                                                              \
    _(FILES, files)

typedef enum {
#define OH_KIND_ENUM(upper, lower) OH_KIND_##upper,
    OH_KIND_MAP(OH_KIND_ENUM)
#undef OH_KIND_ENUM
        OH_KINDS
} oh_kind_t;

/* Things that are listed, and what the values of their entries are. */
typedef enum {
    OH_LIST_POOLS,    /* oh_pool_t * */
    OH_LIST_STORES,   /* oh_table_t *, the host's name for it, which may change, 0; or oh_tree_t *,
                     * the same, 1 */
    OH_LIST_LIMITERS, /* oh_table_t * of the keys of a rate limiter, a name */
    OH_LIST_FROZEN,   /* address of a block, its end, the host's object that owns it */
    OH_LISTS
} oh_list_t;

/* --- Counts --- */

/* Threads with a stripe of their own, and stripes that all others share. */
#define OH_COUNT_OWNED  64
#define OH_COUNT_SHARED 16

typedef struct {
    _Atomic uint64_t handles;
    _Atomic uint64_t bytes;
} oh_count_t;

typedef struct {
    _Alignas(OH_CACHE_LINE) oh_count_t kind[OH_KINDS];
} oh_count_stripe_t;

/* The counts of one copy of the library. */
typedef struct oh_counts {
    struct oh_counts *next; /* set before it is published */
    oh_count_stripe_t stripe[OH_COUNT_OWNED + OH_COUNT_SHARED];
} oh_counts_t;

extern oh_counts_t oh_registry_counts;

/* Adds to the handles and the bytes of a kind; what ends adds what its making added, negated. */
static inline void oh_registry_count(oh_kind_t kind, int64_t handles, int64_t bytes) {
    uint32_t thread = oh_thread_index();
    if (oh_likely(thread < OH_COUNT_OWNED)) {
        oh_count_t *count = &oh_registry_counts.stripe[thread].kind[kind];
        oh_store_relaxed(&count->handles, oh_load_relaxed(&count->handles) + (uint64_t)handles);
        oh_store_relaxed(&count->bytes, oh_load_relaxed(&count->bytes) + (uint64_t)bytes);
        return;
    }
    oh_count_t *count =
        &oh_registry_counts.stripe[OH_COUNT_OWNED + thread % OH_COUNT_SHARED].kind[kind];
    oh_fetch_add_relaxed(&count->handles, (uint64_t)handles);
    oh_fetch_add_relaxed(&count->bytes, (uint64_t)bytes);
}

/* A handle of bytes is made; one that was of bytes ends. */
static inline void oh_registry_made(oh_kind_t kind, uint64_t bytes) {
    oh_registry_count(kind, 1, (int64_t)bytes);
}

static inline void oh_registry_ended(oh_kind_t kind, uint64_t bytes) {
    oh_registry_count(kind, -1, -(int64_t)bytes);
}

/* Handles of a kind that there are, and their bytes; 0 for a sum that is caught below it, since a
 * handle's end may be seen before its making. */
void oh_registry_counted(oh_kind_t kind, uint64_t *handles, uint64_t *bytes);

/* --- Lists --- */

#define OH_REGISTRY_VALUES 3

typedef struct {
    _Alignas(OH_CACHE_LINE) oh_freelist_node_t node;
    uint32_t name; /* by enter, before the first reference */
    _Atomic uint64_t word;
    _Atomic uint64_t value[OH_REGISTRY_VALUES];
} oh_registry_entry_t;

typedef struct {
    oh_nodes_t nodes;
    oh_freelist_t free;
} oh_registry_list_t;

typedef struct {
    _Atomic(oh_counts_t *) counts;
    oh_registry_list_t list[OH_LISTS];
} oh_registry_t;

extern oh_registry_t *oh_registry;

/* Makes this library use registry, or its own for NULL, and puts its counts there. Before all other
 * calls; again with the same registry is allowed. */
void oh_registry_attach(oh_registry_t *registry);

/* An entry with one reference, the caller's, in *out, which is set before others can see it: it
 * may be a field of the body. OH_ENOMEM, OH_LIMIT. */
oh_status_t oh_registry_enter(oh_list_t which, const uint64_t value[OH_REGISTRY_VALUES],
                              oh_registry_entry_t **out);

/* One reference more; the caller has one. */
static inline void oh_registry_ref(oh_registry_entry_t *entry) {
    oh_fetch_add_relaxed(&entry->word, 1);
}

/* One reference less. True: it was the last, the entry is free, and the caller ends the body, whose
 * address it has read before. */
bool oh_registry_unref(oh_list_t which, oh_registry_entry_t *entry);

static inline uint64_t oh_registry_value(const oh_registry_entry_t *entry, unsigned index) {
    return oh_load_acquire(&entry->value[index]);
}

/* Replaces a value that is one by itself: not those by which find looks. The caller has a
 * reference. */
static inline void oh_registry_set_value(oh_registry_entry_t *entry, unsigned index,
                                         uint64_t value) {
    oh_store_release(&entry->value[index], value);
}

/* The next entry with references from *name on, with one more for the caller; moves *name behind
 * it. Looks at no more than *budget entries and lowers it by as many. NULL: none found among those;
 * *name is OH_REGISTRY_END if there are no more. An entry that is there throughout a walk is given
 * exactly once; one that ends and is entered again meanwhile may be given again. */
#define OH_REGISTRY_END UINT32_MAX
oh_registry_entry_t *oh_registry_next(oh_list_t which, uint32_t *name, uint32_t *budget);

/* The generation of an entry to which the caller has a reference; and the entry of that name, with
 * one more reference for the caller, if it is still the same one, else NULL. */
static inline uint32_t oh_registry_generation(const oh_registry_entry_t *entry) {
    return (uint32_t)(oh_load_relaxed(&entry->word) >> 32);
}
oh_registry_entry_t *oh_registry_ref_at(oh_list_t which, uint32_t name, uint32_t generation);

/* Looks among the entries from *name on, at most *budget, for one whose values 0 and 1 hold address
 * between them: first <= address < end. True: its values are in value, and *name is its name.
 * False: as for next. One that holds the address throughout the call is found. */
bool oh_registry_find(oh_list_t list, uint64_t address, uint32_t *name, uint32_t *budget,
                      uint64_t value[OH_REGISTRY_VALUES]);

/* True if each entry is either free, without references and on the list of free ones, or has
 * references; and no counts are below 0. No other call may be under way. */
bool oh_registry_valid(void);

#endif
