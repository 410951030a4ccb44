#include "oh_pool.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

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

/* --- Bytes and buffers --- */

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

static oh_buffer_t *named(oh_pool_t *pool, uint32_t name) {
    return name == OH_FREELIST_NONE ? NULL : oh_pool_at(pool, name);
}

/* Frees the block of a buffer that the caller owns exclusively, and lets the bare buffer go. */
static void strip(oh_pool_t *pool, oh_buffer_t *b, oh_pool_drop_t drop) {
    void *handle = oh_exchange_acqrel(&b->handle, NULL);
    uint64_t bytes = oh_load_relaxed(&b->block_bytes);
    oh_block_free(&pool->block, b->block, bytes, b->shared);
    b->block = NULL;
    b->shared = NULL;
    oh_store_relaxed(&b->block_bytes, 0);
    oh_buffer_rewind(b);
    unreserve(pool, bytes);
    /* A worn buffer is on no stack ever again: its 128 bytes go with the pool. */
    if (!oh_buffer_is_worn(b))
        oh_freelist_push(&pool->bare, &pool->nodes, b->name);
    if (handle != NULL)
        drop(handle);
}

/* --- The pool --- */

static bool options_are_valid(const oh_pool_options_t *o) {
    return o->largest >= OH_POOL_SMALLEST && o->largest <= OH_POOL_LARGEST_MAX &&
           o->align >= OH_BLOCK_ALIGN_MIN && o->align <= OH_BLOCK_ALIGN_MAX &&
           (o->align & (o->align - 1)) == 0;
}

oh_status_t oh_pool_new(const oh_pool_options_t *options, oh_pool_t **out) {
    if (!options_are_valid(options))
        return OH_BADARG;
    oh_pool_t *pool = oh_alloc_aligned(sizeof *pool, OH_CACHE_LINE);
    if (pool == NULL)
        return OH_ENOMEM;
    pool->max_bytes = options->max_bytes;
    uint32_t class = oh_pool_class(options->largest);
    pool->largest = oh_pool_class_bytes(class);
    pool->class_count = class + 1;
    pool->zero = options->zero;
    pool->block = (oh_block_options_t){.align = options->align,
                                       .huge_pages = options->huge_pages,
                                       .clear = options->zero,
                                       .shared = options->shared};
    oh_nodes_init(&pool->nodes, sizeof(oh_buffer_t));
    oh_status_t status = oh_magazines_init(&pool->magazines, &pool->nodes, pool->class_count);
    if (status != OH_OK) {
        oh_free_aligned(pool);
        return status;
    }
    oh_line_init(&pool->line, options->line_host);
    oh_store_relaxed(&pool->handles, 1);
    oh_store_relaxed(&pool->closed, false);
    oh_store_relaxed(&pool->footprint, 0);
    oh_store_relaxed(&pool->made, 0);
    oh_store_relaxed(&pool->refused, 0);
    oh_store_relaxed(&pool->waited, 0);
    oh_store_relaxed(&pool->reclaimed, 0);
    oh_store_relaxed(&pool->dropped, 0);
    oh_freelist_init(&pool->bare);
    const uint64_t value[OH_REGISTRY_VALUES] = {(uintptr_t)pool};
    if (oh_registry_enter(OH_LIST_POOLS, value, &pool->entry) != OH_OK) {
        oh_magazines_free(&pool->magazines);
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
        oh_block_free(&pool->block, b->block, oh_load_relaxed(&b->block_bytes), b->shared);
    }
    oh_magazines_free(&pool->magazines);
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

static void trim_all(oh_pool_t *pool, oh_pool_drop_t drop) {
    oh_pool_trim(pool, 0, UINT64_MAX, drop);
}

void oh_pool_close(oh_pool_t *pool, oh_pool_drop_t drop) {
    oh_store_seqcst(&pool->closed, true); /* R5: pairs with A5 */
    trim_all(pool, drop);
}

static void run_retirement(oh_reaper_job_t *job) {
    oh_pool_t *pool = OH_CONTAINER_OF(job, oh_pool_t, retirement);
    trim_all(pool, pool->drop);
    oh_pool_unref(pool);
}

void oh_pool_retire(oh_pool_t *pool, oh_pool_drop_t drop) {
    oh_store_seqcst(&pool->closed, true); /* R5: pairs with A5 */
    pool->drop = drop;
    pool->retirement.run = run_retirement;
    oh_reaper_push(&pool->retirement);
}

/* --- Taking --- */

/* A bare buffer or a new one gets a block of bytes, which were reserved. */
static oh_status_t make(oh_pool_t *pool, uint64_t bytes, oh_buffer_t **out) {
    bool blank;
    oh_shared_t *shared;
    char *block = oh_block_new(&pool->block, bytes, &blank, &shared);
    if (block == NULL)
        return OH_ENOMEM;
    oh_buffer_t *b = named(pool, oh_freelist_pop(&pool->bare, &pool->nodes));
    if (b == NULL) {
        uint32_t name;
        oh_status_t status = oh_nodes_add(&pool->nodes, &name);
        if (status != OH_OK) {
            oh_block_free(&pool->block, block, bytes, shared);
            return status == OH_LIMIT ? OH_EXHAUSTED : status;
        }
        b = oh_pool_at(pool, name);
        b->name = name;
    }
    b->block = block;
    b->blank = blank;
    b->shared = shared;
    oh_store_relaxed(&b->block_bytes, bytes);
    oh_buffer_rewind(b);
    oh_fetch_add_relaxed(&pool->made, 1);
    *out = b;
    return OH_OK;
}

/* A cached buffer, from somewhere, of a class up to a doubling above class. */
static oh_buffer_t *take_larger(oh_pool_t *pool, uint32_t class,
                                uint32_t (*from)(oh_magazines_t *, uint32_t)) {
    uint32_t name = OH_FREELIST_NONE;
    for (uint32_t i = class + 1;
         name == OH_FREELIST_NONE && i < class + STEPS && i < pool->class_count; i++)
        name = from(&pool->magazines, i);
    return named(pool, name);
}

/* A cached buffer for size; rather a larger one than none. */
static oh_buffer_t *take_cached(oh_pool_t *pool, uint64_t size) {
    if (size > pool->largest)
        return NULL;
    uint32_t class = oh_pool_class(size);
    uint32_t name = oh_magazines_take(&pool->magazines, class);
    return oh_likely(name != OH_FREELIST_NONE) ? oh_pool_at(pool, name)
                                               : take_larger(pool, class, oh_magazines_take);
}

static oh_buffer_t *steal_cached(oh_pool_t *pool, uint64_t size) {
    if (size > pool->largest)
        return NULL;
    uint32_t class = oh_pool_class(size);
    uint32_t name = oh_magazines_steal(&pool->magazines, class);
    return name != OH_FREELIST_NONE ? oh_pool_at(pool, name)
                                    : take_larger(pool, class, oh_magazines_steal);
}

static oh_status_t take_new(oh_pool_t *pool, uint64_t size, oh_buffer_t **b) {
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

/* What is left to do with a buffer that was taken. */
static oh_status_t taken(oh_pool_t *pool, oh_buffer_t *b, oh_pool_drop_t drop) {
    if (oh_unlikely(oh_pool_is_closed(pool))) { /* A5: pairs with R5 */
        oh_pool_put(pool, b, drop);
        return OH_CLOSED;
    }
    if (oh_unlikely(pool->zero) && !b->blank) {
        memset(b->block, 0, oh_load_relaxed(&b->block_bytes));
        b->blank = true;
    }
    return OH_OK;
}

oh_status_t oh_pool_take(oh_pool_t *pool, uint64_t size, oh_buffer_t **b, oh_pool_drop_t drop) {
    if (oh_unlikely(oh_pool_is_closed(pool)))
        return OH_CLOSED;
    if (oh_unlikely(oh_line_waiting(&pool->line) > 0))
        return oh_pool_block_bytes(pool, size) > pool->max_bytes ? OH_LIMIT : OH_EXHAUSTED;
    *b = take_cached(pool, size);
    if (oh_unlikely(*b == NULL)) {
        oh_status_t status = take_new(pool, size, b);
        if (status != OH_OK)
            return status;
    }
    return taken(pool, *b, drop);
}

/* --- Giving back, freeing --- */

void oh_pool_put(oh_pool_t *pool, oh_buffer_t *b, oh_pool_drop_t drop) {
    uint64_t bytes = oh_load_relaxed(&b->block_bytes);
    if (oh_unlikely(bytes > pool->largest || oh_buffer_is_worn(b) ||
                    oh_shared_is_late(b->shared))) {
        strip(pool, b, drop);
        return;
    }
    oh_buffer_rewind(b);
    oh_magazines_put(&pool->magazines, oh_pool_class(bytes), b->name);
    if (oh_unlikely(oh_pool_is_closed(pool)))
        trim_all(pool, drop);
}

static bool has_room(oh_pool_t *pool, uint64_t bytes) {
    return bytes <= pool->max_bytes && oh_load_relaxed(&pool->footprint) <= pool->max_bytes - bytes;
}

/* Frees a cached block of the largest class there is. *class is where to look first, and is moved
 * on; begin with class_count. False: there is none. */
static bool evict_one(oh_pool_t *pool, uint32_t *class, oh_pool_drop_t drop) {
    for (; *class > 0; --*class) {
        oh_magazines_begin_way(&pool->magazines);
        oh_buffer_t *b = named(pool, oh_magazines_steal(&pool->magazines, *class - 1));
        if (b != NULL)
            strip(pool, b, drop);
        oh_magazines_end_way(&pool->magazines);
        if (b != NULL)
            return true;
    }
    return false;
}

/* Frees cached blocks, the largest first, until bytes more fit under the cap. */
static void evict(oh_pool_t *pool, uint64_t bytes, oh_pool_drop_t drop) {
    uint32_t class = pool->class_count;
    while (!has_room(pool, bytes) && evict_one(pool, &class, drop))
        ;
}

static oh_status_t try_at_cap(oh_pool_t *pool, uint64_t size, oh_buffer_t **b,
                              oh_pool_drop_t drop) {
    *b = steal_cached(pool, size);
    if (*b != NULL)
        return OH_OK;
    evict(pool, oh_pool_block_bytes(pool, size), drop);
    return take_new(pool, size, b);
}

/* Attempts at the cap while others carry blocks to and fro; the thread yields between them. */
#define CAP_TRIES 1000

oh_status_t oh_pool_take_at_cap(oh_pool_t *pool, uint64_t size, oh_buffer_t **b,
                                oh_pool_drop_t drop) {
    oh_status_t status = OH_EXHAUSTED;
    bool last = false;
    for (int i = 0; i < CAP_TRIES && status == OH_EXHAUSTED && !oh_pool_is_closed(pool); i++) {
        status = try_at_cap(pool, size, b, drop);
        if (status == OH_OK)
            return taken(pool, *b, drop);
        if (last)
            break;
        /* If nothing was cached after the attempt, the next one decides. */
        last = oh_magazines_is_empty(&pool->magazines);
        if (!last)
            sched_yield();
    }
    if (!oh_pool_is_closed(pool))
        return status;
    trim_all(pool, drop); /* what was in this one's hands when the pool was closed */
    return OH_CLOSED;
}

/* True if the block can be had by evicting it, or is in the hands of who does that. */
static bool is_cached(oh_buffer_t *b) {
    uint64_t word = oh_buffer_word(b);
    return oh_buffer_word_state(word) == OH_BUFFER_RELEASED && oh_buffer_word_busy(word) == 0 &&
           oh_load_acquire(&b->payload) == NULL;
}

bool oh_pool_is_enough_for_all(oh_pool_t *pool, uint64_t size) {
    uint64_t bytes = oh_pool_block_bytes(pool, size);
    uint64_t wanted = oh_line_wanted(&pool->line);
    if (bytes > pool->max_bytes || wanted > pool->max_bytes - bytes)
        return false;
    uint64_t left = pool->max_bytes - bytes - wanted;
    uint32_t count = oh_pool_count(pool);
    for (uint32_t i = 0; i < count; i++) {
        oh_buffer_t *b = oh_pool_at(pool, i);
        uint64_t out = is_cached(b) ? 0 : oh_load_relaxed(&b->block_bytes);
        if (out > left)
            return false;
        left -= out;
    }
    return true;
}

typedef struct {
    oh_pool_t *pool;
    oh_pool_drop_t drop;
    uint64_t to_bytes;
    uint64_t before_ms;
    uint64_t freed;
} trim_t;

/* Of oh_magazines_pick_t. */
static bool trim_one(void *context, uint32_t name) {
    trim_t *trim = context;
    oh_buffer_t *b = oh_pool_at(trim->pool, name);
    if (oh_load_relaxed(&trim->pool->footprint) <= trim->to_bytes ||
        oh_load_relaxed(&b->since_ms) >= trim->before_ms ||
        oh_load_relaxed(&b->seen_ms) >= trim->before_ms)
        return false;
    strip(trim->pool, b, trim->drop);
    trim->freed++;
    return true;
}

/* No more than there are buffers, should others put as fast as this frees. */
static uint64_t trim_largest(oh_pool_t *pool, uint64_t to_bytes, oh_pool_drop_t drop) {
    uint32_t class = pool->class_count;
    uint64_t freed = 0;
    uint32_t count = oh_pool_count(pool);
    while (freed < count && oh_load_relaxed(&pool->footprint) > to_bytes &&
           evict_one(pool, &class, drop))
        freed++;
    return freed;
}

static uint64_t trim_idle(oh_pool_t *pool, uint64_t to_bytes, uint64_t before_ms,
                          oh_pool_drop_t drop) {
    trim_t trim = {pool, drop, to_bytes, before_ms, 0};
    for (uint32_t class = pool->class_count; class > 0; class --)
        if (oh_load_relaxed(&pool->footprint) > to_bytes)
            oh_magazines_sift(&pool->magazines, class - 1, trim_one, &trim);
    return trim.freed;
}

uint64_t oh_pool_trim(oh_pool_t *pool, uint64_t to_bytes, uint64_t before_ms, oh_pool_drop_t drop) {
    uint64_t freed = before_ms == UINT64_MAX ? trim_largest(pool, to_bytes, drop)
                                             : trim_idle(pool, to_bytes, before_ms, drop);
    /* What was in this one's hands when the pool was closed. */
    if (oh_unlikely(oh_pool_is_closed(pool)))
        freed += trim_largest(pool, 0, drop);
    return freed;
}

/* --- Looking at it --- */

void oh_pool_stats(oh_pool_t *pool, uint32_t from, uint32_t to, oh_pool_stats_t *stats) {
    for (uint32_t i = from; i < to; i++) {
        oh_buffer_t *b = oh_pool_at(pool, i);
        uint64_t word = oh_buffer_word(b);
        uint64_t bytes = oh_load_relaxed(&b->block_bytes);
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

uint64_t oh_pool_memory(oh_pool_t *pool) {
    return oh_load_relaxed(&pool->footprint) + sizeof *pool + oh_nodes_bytes(&pool->nodes) +
           oh_magazines_bytes(&pool->magazines);
}

/* Marks the bare buffers in seen, as oh_magazines_valid does those that are cached. */
static bool bare_valid(oh_pool_t *pool, uint32_t *seen) {
    uint32_t length;
    if (!oh_freelist_valid(&pool->bare, &pool->nodes, &length))
        return false;
    uint32_t name = (uint32_t)oh_load_acquire(&pool->bare.head);
    for (; length > 0; length--) {
        if (seen[name] != 0)
            return false;
        seen[name] = UINT32_MAX;
        name = oh_load_relaxed(&oh_pool_at(pool, name)->node.node.next);
    }
    return true;
}

/* One buffer against the place where it was seen: 0, none; class + 1; or UINT32_MAX, bare. */
static bool buffer_valid(oh_pool_t *pool, uint32_t name, uint32_t seen) {
    oh_buffer_t *b = oh_pool_at(pool, name);
    uint64_t word = oh_buffer_word(b);
    uint64_t bytes = oh_load_relaxed(&b->block_bytes);
    if (!oh_buffer_valid(b) || b->name != name)
        return false;
    if (seen == 0)
        return true;
    if (oh_buffer_word_state(word) != OH_BUFFER_RELEASED || oh_buffer_word_busy(word) != 0 ||
        oh_load_relaxed(&b->payload) != NULL || b->data != b->block)
        return false;
    return bytes == (seen == UINT32_MAX ? 0 : oh_pool_class_bytes(seen - 1));
}

bool oh_pool_valid(oh_pool_t *pool) {
    uint64_t bytes = 0;
    uint32_t count = oh_pool_count(pool);
    uint32_t *seen = calloc(count + 1, sizeof *seen);
    bool valid = seen != NULL && oh_magazines_valid(&pool->magazines, seen) &&
                 bare_valid(pool, seen) && oh_line_valid(&pool->line);
    for (uint32_t i = 0; valid && i < count; i++) {
        valid = buffer_valid(pool, i, seen[i]);
        bytes += oh_load_relaxed(&oh_pool_at(pool, i)->block_bytes);
    }
    free(seen);
    uint64_t footprint = oh_load_relaxed(&pool->footprint);
    return valid && bytes == footprint && footprint <= pool->max_bytes;
}
