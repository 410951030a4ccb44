/*
 * oh_buffer: the state of one leased, mutable, recycled block of bytes.
 *
 * A buffer's life is a row of leases, told apart by generation. One word holds all that decides who
 * may do what, and is changed by compare-and-swap only:
 *
 *       63            16 15 14  13   12             0
 *      +----------------+-----+---+----------------+
 *      |   generation   |state|ext|  busy          |
 *      +----------------+-----+---+----------------+
 *
 *   RELEASED --open: generation + 1--> WRITABLE --freeze, if busy is 0--> FROZEN
 *   WRITABLE or FROZEN --release, at any time--> RELEASED
 *
 * Who works on the bytes enters first (busy + 1) and leaves after (busy - 1). A release never waits
 * and never pulls the block from under a worker: the state changes at once, nobody can enter any
 * more, and *the finisher* recycles the block: the releaser if nobody was inside, else the last one
 * to leave. Exactly one thread is told that it is the finisher of a generation.
 *
 * A caller shows the generation of its lease with each call. That of an earlier lease never matches
 * again: 2^48 generations, after which the buffer is retired (oh_buffer_is_worn).
 *
 * Size is the number of bytes that can be seen, in each lease from 0 on; bytes from there to
 * capacity hold what an earlier lease left and are never shown. Size moves only by the one who
 * entered to extend (the ext bit): it fills bytes beyond size first and moves size after, so that
 * others can read and overwrite below size meanwhile and never see a byte that was not written.
 * Overwriting and reading the same bytes at the same time mixes old and new bytes, as in a file.
 *
 * Size may also shrink (oh_buffer_resize), beside readers and overwriters, as a file is truncated
 * beside them. What makes that safe is that all the bytes below *any* size of a lease were written
 * in that lease, and stay so: no byte becomes unwritten, and the block stays until all have left.
 * So whoever read a size, before entering or inside, may go on with it after a shrink:
 *
 *  - a reader gets bytes of this lease, as if it had come before the shrink; where somebody extends
 *    again over what was given up, old and new bytes are mixed, as with overwriting;
 *  - an overwriter that found its place below size comes before the shrink, and what it wrote
 *    beyond the new size is given up with the rest; if somebody extends again meanwhile, its bytes
 *    and those (or the zeros of a gap) are mixed, as with two overwriters;
 *  - who comes after the shrink, in program order or told by a message, reads the new size (R4).
 *
 * What must not move under one is size while extending (the ext bit) and while frozen (who freezes
 * is alone).
 *
 * Calls that may run at once on one buffer, and what they exclude:
 *
 *                 read   overwrite  extend  freeze  release  open, recycle
 *   read          yes    yes        yes     yes     yes      no
 *   overwrite     yes    yes        yes     BUSY    yes      no
 *   extend        yes    yes        BUSY    BUSY    yes      no
 *   freeze        yes    BUSY       BUSY    one     yes      no
 *   release       yes    yes        yes     yes     one      no
 *
 * (Who grows or resizes is one who extends. freeze is BUSY while readers of the writable buffer are
 * inside too; "one": the second gets FROZEN or RELEASED.) open and everything about the block belong to whoever owns the buffer
 * exclusively: the finisher until it hands the buffer to the pool, and who then takes it from
 * there.
 *
 * Memory orders. A2-R2: what a worker did happens before the finisher recycles (leave releases,
 * leave and release acquire). A3-R3: what open wrote is seen by who enters (open stores with
 * release, enter acquires). A4-R4: bytes below a size that was read are there (grow releases, size
 * acquires). All calls are lock-free; leave and the readers of fields are wait-free.
 */
#ifndef OH_BUFFER_H
#define OH_BUFFER_H

#include "oh_atomic.h"
#include "oh_common.h"
#include "oh_freelist.h"

typedef enum { OH_BUFFER_RELEASED, OH_BUFFER_WRITABLE, OH_BUFFER_FROZEN } oh_buffer_state_t;

/* What one enters for. */
typedef enum {
    OH_BUFFER_READ,      /* writable or frozen */
    OH_BUFFER_OVERWRITE, /* writable; bytes below size only */
    OH_BUFFER_EXTEND     /* writable; one at a time may move size */
} oh_buffer_mode_t;

/* One cache line. The pool sets what it says; everything else changes only by the calls below. */
typedef struct {
    oh_freelist_node_t node;
    uint32_t name;             /* in the pool's nodes; never changes */
    _Atomic uint64_t word;     /* generation, state, ext, busy */
    _Atomic uint64_t size;     /* bytes that can be seen in this lease */
    _Atomic uint64_t owner;    /* an opaque word, not 0 while leased */
    _Atomic uint64_t capacity; /* bytes of the block; by the exclusive owner */
    char *data;                /* the block; by the exclusive owner */
    void *_Atomic handle;      /* the host's, if any; by the exclusive owner */
    void *_Atomic payload;     /* the host's owner of frozen bytes, if any; by the first freezer */
} oh_buffer_t;

_Static_assert(sizeof(oh_buffer_t) == OH_CACHE_LINE, "a buffer is one cache line");

#define OH_BUFFER_BUSY_BITS      13
#define OH_BUFFER_BUSY_MAX       (((uint64_t)1 << OH_BUFFER_BUSY_BITS) - 1)
#define OH_BUFFER_EXTEND_BIT     ((uint64_t)1 << 13)
#define OH_BUFFER_STATE_SHIFT    14
#define OH_BUFFER_STATE_MASK     ((uint64_t)3 << OH_BUFFER_STATE_SHIFT)
#define OH_BUFFER_GENERATION_MAX (((uint64_t)1 << 48) - 1)

static inline uint64_t oh_buffer_word_generation(uint64_t word) {
    return word >> 16;
}

static inline oh_buffer_state_t oh_buffer_word_state(uint64_t word) {
    return (oh_buffer_state_t)((word & OH_BUFFER_STATE_MASK) >> OH_BUFFER_STATE_SHIFT);
}

static inline uint64_t oh_buffer_word_busy(uint64_t word) {
    return word & OH_BUFFER_BUSY_MAX;
}

/* The word at one moment; acquire. */
static inline uint64_t oh_buffer_word(oh_buffer_t *b) {
    return oh_load_acquire(&b->word);
}

/* Begins a lease: writable, size 0, owned by owner. The caller owns the buffer exclusively, it must
 * not be worn, and it has a block. Returns the lease's generation. */
static inline uint64_t oh_buffer_open(oh_buffer_t *b, uint64_t owner) {
    uint64_t generation = oh_buffer_word_generation(oh_load_relaxed(&b->word)) + 1;
    oh_store_relaxed(&b->owner, owner);
    oh_store_relaxed(&b->size, 0);
    /* A plain store: in state RELEASED nobody else changes the word. */
    oh_store_release(&b->word, /* R3: pairs with A3 */
                     generation << 16 | (uint64_t)OH_BUFFER_WRITABLE << OH_BUFFER_STATE_SHIFT);
    return generation;
}

/* True when the buffer has no generation left. It must not be opened again. */
static inline bool oh_buffer_is_worn(oh_buffer_t *b) {
    return oh_buffer_word_generation(oh_load_relaxed(&b->word)) >= OH_BUFFER_GENERATION_MAX;
}

/* Enters. OH_OK: the caller must leave in the same mode. OH_RELEASED: the generation's lease is
 * over. OH_FROZEN: the mode would change a frozen buffer. OH_BUSY: another is extending (or 8191
 * are in). Acquire on success and failure. */
static inline oh_status_t oh_buffer_enter(oh_buffer_t *b, uint64_t generation,
                                          oh_buffer_mode_t mode) {
    uint64_t word = oh_load_relaxed(&b->word);
    uint64_t entered;
    do {
        if (oh_buffer_word_generation(word) != generation ||
            oh_buffer_word_state(word) == OH_BUFFER_RELEASED)
            return OH_RELEASED;
        if (mode != OH_BUFFER_READ && oh_buffer_word_state(word) == OH_BUFFER_FROZEN)
            return OH_FROZEN;
        if (oh_buffer_word_busy(word) == OH_BUFFER_BUSY_MAX)
            return OH_BUSY;
        entered = word + 1;
        if (mode == OH_BUFFER_EXTEND) {
            if (word & OH_BUFFER_EXTEND_BIT)
                return OH_BUSY;
            entered |= OH_BUFFER_EXTEND_BIT;
        }
    } while (!oh_cas_weak_acqrel_acquire(&b->word, &word, entered)); /* A3: pairs with R3 */
    return OH_OK;
}

/* Leaves. True: the lease was released meanwhile and the caller is the finisher. */
static inline bool oh_buffer_leave(oh_buffer_t *b, oh_buffer_mode_t mode) {
    uint64_t minus = 1 + (mode == OH_BUFFER_EXTEND ? OH_BUFFER_EXTEND_BIT : 0);
    uint64_t word = oh_fetch_sub_acqrel(&b->word, minus); /* R2 and A2 */
    return oh_buffer_word_state(word) == OH_BUFFER_RELEASED && oh_buffer_word_busy(word) == 1;
}

/* Freezes and enters for reading in one step. OH_OK: the caller froze it. OH_FROZEN: somebody had.
 * In both cases the caller must leave (OH_BUFFER_READ). OH_BUSY: others are inside. OH_RELEASED. */
static inline oh_status_t oh_buffer_freeze(oh_buffer_t *b, uint64_t generation) {
    uint64_t word = oh_load_relaxed(&b->word);
    for (;;) {
        if (oh_buffer_word_generation(word) != generation ||
            oh_buffer_word_state(word) == OH_BUFFER_RELEASED)
            return OH_RELEASED;
        if (oh_buffer_word_state(word) == OH_BUFFER_FROZEN) {
            oh_status_t status = oh_buffer_enter(b, generation, OH_BUFFER_READ);
            return status == OH_OK ? OH_FROZEN : status;
        }
        if (oh_buffer_word_busy(word) != 0)
            return OH_BUSY;
        uint64_t frozen = (word & ~OH_BUFFER_STATE_MASK) | (uint64_t)OH_BUFFER_FROZEN
                                                               << OH_BUFFER_STATE_SHIFT;
        if (oh_cas_weak_acqrel_acquire(&b->word, &word, frozen + 1)) /* A2, A3 */
            return OH_OK;
    }
}

/* Ends the generation's lease. OH_OK, and *finisher says whether the caller is to recycle the
 * block; if not, the last one inside will be told to. OH_RELEASED: it was over already. */
static inline oh_status_t oh_buffer_release(oh_buffer_t *b, uint64_t generation, bool *finisher) {
    uint64_t word = oh_load_relaxed(&b->word);
    do {
        if (oh_buffer_word_generation(word) != generation ||
            oh_buffer_word_state(word) == OH_BUFFER_RELEASED)
            return OH_RELEASED;
        /* RELEASED is 0. A2: pairs with the R2 of those that left. */
    } while (!oh_cas_weak_acqrel_acquire(&b->word, &word, word & ~OH_BUFFER_STATE_MASK));
    *finisher = oh_buffer_word_busy(word) == 0;
    return OH_OK;
}

/* Bytes that can be seen. */
static inline uint64_t oh_buffer_size(oh_buffer_t *b) {
    return oh_load_acquire(&b->size); /* A4: pairs with R4 */
}

static inline uint64_t oh_buffer_capacity(oh_buffer_t *b) {
    return oh_load_relaxed(&b->capacity);
}

/* True if length bytes at offset fit the capacity; never overflows. */
static inline bool oh_buffer_fits(oh_buffer_t *b, uint64_t offset, uint64_t length) {
    uint64_t capacity = oh_buffer_capacity(b);
    return offset <= capacity && length <= capacity - offset;
}

/* The byte at offset. The caller has entered, and keeps to what fits. */
static inline char *oh_buffer_at(oh_buffer_t *b, uint64_t offset) {
    return b->data + offset;
}

/* Enters for putting length bytes at offset: OVERWRITE if they lie below size, else EXTEND; which,
 * is in *mode. Status as enter. */
static inline oh_status_t oh_buffer_enter_put(oh_buffer_t *b, uint64_t generation, uint64_t offset,
                                              uint64_t length, oh_buffer_mode_t *mode) {
    /* Who knows the generation reads its size or that of a later one, and then cannot enter. What
     * lies below a size of this lease may be overwritten, even if size shrinks before entering. */
    uint64_t size = oh_buffer_size(b);
    *mode = offset <= size && length <= size - offset ? OH_BUFFER_OVERWRITE : OH_BUFFER_EXTEND;
    return oh_buffer_enter(b, generation, *mode);
}

/* Copies bytes in, which must fit. The caller has entered to extend, or overwrites below size.
 * Bytes beyond size stay unseen until oh_buffer_grow. */
void oh_buffer_put(oh_buffer_t *b, uint64_t offset, const void *bytes, size_t length);

/* Makes size at least end, bytes between the old size and offset zero: the caller has put bytes at
 * offset..end and entered to extend (or end is not beyond size: nothing to do). */
void oh_buffer_grow(oh_buffer_t *b, uint64_t offset, uint64_t end);

/* Makes size what is given, which must fit: new bytes are zero, and those beyond it are seen no
 * more. The caller has entered to extend. */
void oh_buffer_resize(oh_buffer_t *b, uint64_t size);

/* True if the fields agree with each other. No call may be under way. */
bool oh_buffer_valid(oh_buffer_t *b);

#endif
