#include "oh_pool.h"

#include "oh_alloc.h"

/* --- Size classes: class 0 is 64 bytes; a doubling from there is cut into 4 equal steps --- */

#define STEPS         (1u << OH_POOL_STEP_BITS)
#define SMALLEST_BITS 6
#define PAGE_BYTES    ((uint64_t)4096)

uint32_t oh_pool_class(uint64_t size) {
    if (size <= OH_POOL_SMALLEST)
        return 0;
    uint64_t last = size - 1;
    unsigned bit = 63u - (unsigned)__builtin_clzll(last);
    unsigned step = (unsigned)(last >> (bit - OH_POOL_STEP_BITS)) & (STEPS - 1);
    return (bit - SMALLEST_BITS) * STEPS + step + 1;
}

uint64_t oh_pool_class_bytes(uint32_t class) {
    if (class == 0)
        return OH_POOL_SMALLEST;
    unsigned doubling = (class - 1) / STEPS;
    unsigned step = (class - 1) % STEPS;
    return ((OH_POOL_SMALLEST / STEPS) << doubling) * (STEPS + 1 + step);
}

uint64_t oh_pool_block_bytes(const oh_pool_t *pool, uint64_t size) {
    if (size <= pool->largest)
        return oh_pool_class_bytes(oh_pool_class(size));
    if (size > OH_POOL_BLOCK_MAX)
        return OH_POOL_NO_CAP;
    return (size + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

/* --- Blocks --- */

static char *block_alloc(uint64_t bytes) {
    /* Pages straight from the system where they are many: they are not touched before use. */
    return bytes >= OH_ALLOC_MAP_BYTES ? oh_zalloc_big(bytes)
                                       : oh_alloc_aligned(bytes, OH_CACHE_LINE);
}

static void block_free(char *data, uint64_t bytes) {
    if (bytes >= OH_ALLOC_MAP_BYTES)
        oh_reaper_free_big(data, bytes);
    else
        oh_free_aligned(data);
}

/* Takes bytes of the cap, if there are as many left. */
static bool reserve(oh_pool_t *pool, uint64_t bytes) {
    uint64_t footprint = oh_load_relaxed(&pool->footprint);
    do {
        if (bytes > pool->max_bytes || footprint > pool->max_bytes - bytes)
            return false;
    } while (!oh_cas_weak_acqrel_acquire(&pool->footprint, &footprint, footprint + bytes));
    return true;
}

static void unreserve(oh_pool_t *pool, uint64_t bytes) {
    oh_fetch_sub_acqrel(&pool->footprint, bytes);
}

static oh_buffer_t *pop(oh_pool_t *pool, oh_pool_list_t *from) {
    uint32_t name = oh_freelist_pop(&from->list, &pool->nodes);
    return name == OH_FREELIST_NONE ? NULL : oh_pool_at(pool, name);
}

static void push(oh_pool_t *pool, oh_pool_list_t *to, oh_buffer_t *b) {
    oh_freelist_push(&to->list, &pool->nodes, b->name);
}

/* Frees the block of a buffer that the caller owns exclusively, and lets the bare buffer go. */
static void strip(oh_pool_t *pool, oh_buffer_t *b, oh_pool_drop_t drop) {
    void *handle = oh_exchange_acqrel(&b->handle, NULL);
    uint64_t bytes = oh_buffer_capacity(b);
    block_free(b->data, bytes);
    b->data = NULL;
    oh_store_relaxed(&b->capacity, 0);
    unreserve(pool, bytes);
    /* A worn buffer is on no stack ever again: its 64 bytes go with the pool. */
    if (!oh_buffer_is_worn(b))
        push(pool, &pool->bare, b);
    if (handle != NULL)
        drop(handle);
}

/* --- The pool --- */

oh_status_t oh_pool_new(const oh_pool_options_t *options, oh_pool_t **out) {
    if (options->largest < OH_POOL_SMALLEST || options->largest > OH_POOL_LARGEST_MAX)
        return OH_BADARG;
    oh_pool_t *pool = oh_alloc_aligned(sizeof *pool, OH_CACHE_LINE);
    if (pool == NULL)
        return OH_ENOMEM;
    pool->max_bytes = options->max_bytes;
    uint32_t class = oh_pool_class(options->largest);
    pool->largest = oh_pool_class_bytes(class);
    pool->class_count = class + 1;
    oh_store_relaxed(&pool->handles, 1);
    oh_store_relaxed(&pool->closed, false);
    oh_nodes_init(&pool->nodes, sizeof(oh_buffer_t));
    oh_store_relaxed(&pool->footprint, 0);
    oh_store_relaxed(&pool->made, 0);
    oh_store_relaxed(&pool->refused, 0);
    oh_store_relaxed(&pool->reclaimed, 0);
    oh_store_relaxed(&pool->dropped, 0);
    oh_freelist_init(&pool->bare.list);
    for (uint32_t i = 0; i < OH_POOL_CLASSES; i++)
        oh_freelist_init(&pool->cached[i].list);
    const uint64_t value[OH_REGISTRY_VALUES] = {(uintptr_t)pool};
    if (oh_registry_enter(OH_LIST_POOLS, value, &pool->entry) != OH_OK) {
        oh_free_aligned(pool);
        return OH_ENOMEM;
    }
    *out = pool;
    return OH_OK;
}

void oh_pool_ref(oh_pool_t *pool) {
    oh_registry_ref(pool->entry);
}

static void run_free(oh_reaper_job_t *job) {
    oh_pool_t *pool = OH_CONTAINER_OF(job, oh_pool_t, retirement);
    uint32_t count = oh_pool_count(pool);
    for (uint32_t i = 0; i < count; i++) {
        oh_buffer_t *b = oh_pool_at(pool, i);
        if (b->data != NULL)
            block_free(b->data, oh_buffer_capacity(b));
    }
    oh_nodes_free(&pool->nodes);
    oh_free_aligned(pool);
}

void oh_pool_unref(oh_pool_t *pool) {
    if (!oh_registry_unref(OH_LIST_POOLS, pool->entry))
        return;
    /* A retirement has its reference until it ends: the job is free. */
    pool->retirement.run = run_free;
    oh_reaper_push(&pool->retirement);
}

static oh_pool_t *pool_of(oh_registry_entry_t *entry) {
    return entry == NULL ? NULL : (oh_pool_t *)(uintptr_t)oh_registry_value(entry, 0);
}

oh_pool_t *oh_pool_next(uint32_t *name, uint32_t *budget) {
    return pool_of(oh_registry_next(OH_LIST_POOLS, name, budget));
}

oh_pool_t *oh_pool_ref_at(uint32_t name, uint32_t generation) {
    return pool_of(oh_registry_ref_at(OH_LIST_POOLS, name, generation));
}

bool oh_pool_hold(oh_pool_t *pool) {
    uint64_t handles = oh_load_relaxed(&pool->handles);
    do {
        if (handles == 0)
            return false;
    } while (!oh_cas_weak_acqrel_acquire(&pool->handles, &handles, handles + 1));
    return true;
}

bool oh_pool_let_go(oh_pool_t *pool) {
    return oh_fetch_sub_acqrel(&pool->handles, 1) == 1;
}

void oh_pool_close(oh_pool_t *pool, oh_pool_drop_t drop) {
    oh_store_seqcst(&pool->closed, true); /* R5: pairs with A5 */
    oh_pool_trim(pool, UINT64_MAX, drop);
}

static void run_retirement(oh_reaper_job_t *job) {
    oh_pool_t *pool = OH_CONTAINER_OF(job, oh_pool_t, retirement);
    oh_pool_trim(pool, UINT64_MAX, pool->drop);
    oh_pool_unref(pool);
}

void oh_pool_retire(oh_pool_t *pool, oh_pool_drop_t drop) {
    oh_store_seqcst(&pool->closed, true); /* R5: pairs with A5 */
    pool->drop = drop;
    pool->retirement.run = run_retirement;
    oh_reaper_push(&pool->retirement);
}

/* A bare buffer or a new one gets a block of bytes, which were reserved. */
static oh_status_t make(oh_pool_t *pool, uint64_t bytes, oh_buffer_t **out) {
    char *data = block_alloc(bytes);
    if (data == NULL)
        return OH_ENOMEM;
    oh_buffer_t *b = pop(pool, &pool->bare);
    if (b == NULL) {
        uint32_t name;
        oh_status_t status = oh_nodes_add(&pool->nodes, &name);
        if (status != OH_OK) {
            block_free(data, bytes);
            return status == OH_LIMIT ? OH_EXHAUSTED : status;
        }
        b = oh_pool_at(pool, name);
        b->name = name;
    }
    b->data = data;
    oh_store_relaxed(&b->capacity, bytes);
    oh_fetch_add_relaxed(&pool->made, 1);
    *out = b;
    return OH_OK;
}

oh_status_t oh_pool_take(oh_pool_t *pool, uint64_t size, oh_buffer_t **b) {
    if (oh_unlikely(oh_load_relaxed(&pool->closed)))
        return OH_CLOSED;
    if (oh_likely(size <= pool->largest)) {
        uint32_t class = oh_pool_class(size);
        *b = pop(pool, &pool->cached[class]);
        /* Rather one that is up to a doubling too large than a new one. */
        for (uint32_t i = class + 1; *b == NULL && i < class + STEPS && i < pool->class_count; i++)
            *b = pop(pool, &pool->cached[i]);
        if (oh_likely(*b != NULL))
            return OH_OK;
    }
    uint64_t bytes = oh_pool_block_bytes(pool, size);
    if (bytes == OH_POOL_NO_CAP)
        return pool->max_bytes == OH_POOL_NO_CAP ? OH_ENOMEM : OH_LIMIT;
    if (bytes > pool->max_bytes)
        return OH_LIMIT;
    if (!reserve(pool, bytes))
        return OH_EXHAUSTED;
    oh_status_t status = make(pool, bytes, b);
    if (status != OH_OK)
        unreserve(pool, bytes);
    return status;
}

void oh_pool_put(oh_pool_t *pool, oh_buffer_t *b, oh_pool_drop_t drop) {
    uint64_t bytes = oh_buffer_capacity(b);
    if (oh_unlikely(bytes > pool->largest || oh_buffer_is_worn(b))) {
        strip(pool, b, drop);
        return;
    }
    push(pool, &pool->cached[oh_pool_class(bytes)], b);
    if (oh_unlikely(oh_pool_is_closed(pool)))
        oh_pool_trim(pool, UINT64_MAX, drop);
}

static bool has_room(oh_pool_t *pool, uint64_t bytes) {
    return bytes <= pool->max_bytes && oh_load_relaxed(&pool->footprint) <= pool->max_bytes - bytes;
}

/* The next cached block to free, of the largest class there is. *class is where to look first, and
 * is moved on; begin with class_count. */
static oh_buffer_t *victim(oh_pool_t *pool, uint32_t *class) {
    for (; *class > 0; --*class) {
        oh_buffer_t *b = pop(pool, &pool->cached[*class - 1]);
        if (b != NULL)
            return b;
    }
    return NULL;
}

bool oh_pool_evict(oh_pool_t *pool, uint64_t bytes, oh_pool_drop_t drop) {
    uint32_t class = pool->class_count;
    while (!has_room(pool, bytes)) {
        oh_buffer_t *b = victim(pool, &class);
        if (b == NULL)
            return false;
        strip(pool, b, drop);
    }
    return true;
}

uint64_t oh_pool_trim(oh_pool_t *pool, uint64_t count, oh_pool_drop_t drop) {
    uint32_t class = pool->class_count;
    uint64_t done = 0;
    while (done < count) {
        oh_buffer_t *b = victim(pool, &class);
        if (b == NULL)
            break;
        strip(pool, b, drop);
        done++;
    }
    return done;
}

/* --- Looking at it --- */

void oh_pool_stats(oh_pool_t *pool, uint32_t from, uint32_t to, oh_pool_stats_t *stats) {
    for (uint32_t i = from; i < to; i++) {
        oh_buffer_t *b = oh_pool_at(pool, i);
        uint64_t word = oh_buffer_word(b);
        uint64_t bytes = oh_buffer_capacity(b);
        bool has_payload = oh_load_acquire(&b->payload) != NULL;
        stats->leases += oh_buffer_word_generation(word);
        if (oh_buffer_word_state(word) == OH_BUFFER_FROZEN || has_payload) {
            stats->frozen++;
            stats->frozen_bytes += bytes;
        }
        if (oh_buffer_word_state(word) != OH_BUFFER_RELEASED) {
            stats->leased++;
            stats->leased_bytes += bytes;
        } else if (!has_payload && oh_buffer_word_busy(word) == 0 && bytes > 0 &&
                   bytes <= pool->largest) {
            stats->cached++;
            stats->cached_bytes += bytes;
        }
    }
}

/* Checks one stack: all buffers RELEASED, with blocks of bytes (0: bare). */
static bool list_valid(oh_pool_t *pool, oh_pool_list_t *list, uint64_t bytes) {
    uint32_t length;
    if (!oh_freelist_valid(&list->list, &pool->nodes, &length))
        return false;
    uint32_t name = (uint32_t)oh_load_acquire(&list->list.head);
    for (; length > 0; length--) {
        oh_buffer_t *b = oh_pool_at(pool, name);
        uint64_t word = oh_buffer_word(b);
        if (oh_buffer_word_state(word) != OH_BUFFER_RELEASED || oh_buffer_word_busy(word) != 0 ||
            oh_load_relaxed(&b->payload) != NULL || b->name != name || !oh_buffer_valid(b) ||
            oh_buffer_capacity(b) != bytes)
            return false;
        name = oh_load_relaxed(&b->node.next);
    }
    return true;
}

bool oh_pool_valid(oh_pool_t *pool) {
    uint64_t bytes = 0;
    uint32_t count = oh_pool_count(pool);
    for (uint32_t i = 0; i < count; i++) {
        oh_buffer_t *b = oh_pool_at(pool, i);
        if (!oh_buffer_valid(b))
            return false;
        bytes += oh_buffer_capacity(b);
    }
    uint64_t footprint = oh_load_relaxed(&pool->footprint);
    if (bytes != footprint || footprint > pool->max_bytes)
        return false;
    if (!list_valid(pool, &pool->bare, 0))
        return false;
    for (uint32_t i = 0; i < pool->class_count; i++)
        if (!list_valid(pool, &pool->cached[i], oh_pool_class_bytes(i)))
            return false;
    return true;
}
