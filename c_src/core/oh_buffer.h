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
 *   WRITABLE --begin_split, if busy is 0--> SPLITTING --end_split--> WRITABLE
 *   WRITABLE, SPLITTING or FROZEN --release, at any time--> RELEASED
 *
 * Who works on the bytes enters first (busy + 1) and leaves after (busy - 1). A release never waits
 * and never pulls the block from under a worker: the state changes at once, nobody can enter any
 * more, and *the finisher* recycles the block: the releaser if nobody was inside, else the last one
 * to leave. Exactly one thread is told that it is the finisher of a generation.
 *
 * A caller shows the generation of its lease with each call. That of an earlier lease never matches
 * again: 2^48 generations, after which the buffer is retired (oh_buffer_is_worn).
 *
 * A split takes bytes off the front, for good: data and capacity begin behind them from then on.
 * Who splits is inside alone (SPLITTING lets nobody in), so that no worker ever holds an address or
 * an offset from before, as long as it looks at size and capacity after it has entered. Nothing
 * that is written later reaches the bytes in front of data.
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
 *                 read   overwrite  extend  freeze  split  release  open, recycle
 *   read          yes    yes        yes     yes     BUSY   yes      no
 *   overwrite     yes    yes        yes     BUSY    BUSY   yes      no
 *   extend        yes    yes        BUSY    BUSY    BUSY   yes      no
 *   freeze        yes    BUSY       BUSY    one     BUSY   yes      no
 *   split         BUSY   BUSY       BUSY    BUSY    BUSY   yes      no
 *   release       yes    yes        yes     yes     yes    one      no
 *
 * (Who grows or resizes is one who extends. freeze is BUSY while readers of the writable buffer are
 * inside too; "one": the second gets FROZEN or RELEASED.) open and everything about the block
 * belong to whoever owns the buffer exclusively: the finisher until it hands the buffer to the
 * pool, and who then takes it from there.
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
#include "oh_magazines.h"
#include "oh_shared.h"

typedef enum {
    OH_BUFFER_RELEASED,
    OH_BUFFER_WRITABLE,
    OH_BUFFER_FROZEN,
    OH_BUFFER_SPLITTING
} oh_buffer_state_t;

/* What one enters for. */
typedef enum {
    OH_BUFFER_READ,      /* writable or frozen */
    OH_BUFFER_OVERWRITE, /* writable; bytes below size only */
    OH_BUFFER_EXTEND     /* writable; one at a time may move size */
} oh_buffer_mode_t;

/* The first cache line is what every call needs; the second what begins and ends a lease. The pool
 * sets what it says; everything else changes only by the calls below. */
typedef struct {
    oh_magazine_node_t node;   /* the pool's */
    _Atomic uint64_t word;     /* generation, state, ext, busy */
    _Atomic uint64_t size;     /* bytes that can be seen in this lease */
    _Atomic uint64_t owner;    /* an opaque word, not 0 while leased */
    _Atomic uint64_t capacity; /* bytes from data on; by the exclusive owner, and by splits */
    char *data;                /* as capacity; behind block by what was split off */
    void *_Atomic handle;      /* the host's, if any; by the exclusive owner */
    void *_Atomic payload;     /* the host's owner of shown bytes, if any; by freeze and splits */

    _Atomic uint64_t tag;         /* an opaque word of this lease */
    _Atomic uint64_t since_ms;    /* when this lease began, by oh_clock_ms */
    _Atomic uint64_t seen_ms;     /* when oh_pool_see last saw it leased */
    char *block;                  /* by the exclusive owner */
    _Atomic uint64_t block_bytes; /* by the exclusive owner */
    uint32_t name;                /* in the pool's nodes; never changes */
    bool blank;                   /* all of block is zero; by the exclusive owner */
    oh_shared_t *shared;          /* the segment that block is, or NULL; as block */
    char pad[OH_CACHE_LINE - 7 * 8];
} oh_buffer_t;

_Static_assert(sizeof(oh_buffer_t) == 2ul * OH_CACHE_LINE, "a buffer is two cache lines");

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

/* Begins a lease: writable, owned by owner, with the size bytes that the caller has put at its
 * beginning. The caller owns the buffer exclusively, it must not be worn, and it has a block; from
 * here on it is no more than anybody else who knows the generation: the lease may be over at once.
 * Returns the lease's generation. */
static inline uint64_t oh_buffer_open(oh_buffer_t *b, uint64_t owner, uint64_t tag, uint64_t now_ms,
                                      uint64_t size) {
    uint64_t generation = oh_buffer_word_generation(oh_load_relaxed(&b->word)) + 1;
    oh_store_relaxed(&b->owner, owner);
    oh_store_relaxed(&b->size, size);
    oh_store_relaxed(&b->tag, tag);
    oh_store_relaxed(&b->since_ms, now_ms);
    b->blank = false;
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
 * over. OH_FROZEN: the mode would change a frozen buffer. OH_BUSY: another is extending or
 * splitting (or 8191 are in). Acquire on success and failure. */
static inline oh_status_t oh_buffer_enter(oh_buffer_t *b, uint64_t generation,
                                          oh_buffer_mode_t mode) {
    uint64_t word = oh_load_relaxed(&b->word);
    uint64_t entered;
    do {
        if (oh_buffer_word_generation(word) != generation ||
            oh_buffer_word_state(word) == OH_BUFFER_RELEASED)
            return OH_RELEASED;
        if (oh_unlikely(oh_buffer_word_state(word) != OH_BUFFER_WRITABLE)) {
            if (oh_buffer_word_state(word) == OH_BUFFER_SPLITTING)
                return OH_BUSY;
            if (mode != OH_BUFFER_READ)
                return OH_FROZEN;
        }
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

/* Enters to split, alone. OH_OK: the caller must end the split. OH_FROZEN, OH_RELEASED; OH_BUSY:
 * others are inside. */
static inline oh_status_t oh_buffer_begin_split(oh_buffer_t *b, uint64_t generation) {
    uint64_t word = oh_load_relaxed(&b->word);
    uint64_t splitting = generation << 16 | (uint64_t)OH_BUFFER_SPLITTING << OH_BUFFER_STATE_SHIFT;
    do {
        if (oh_buffer_word_generation(word) != generation ||
            oh_buffer_word_state(word) == OH_BUFFER_RELEASED)
            return OH_RELEASED;
        if (oh_buffer_word_state(word) == OH_BUFFER_FROZEN)
            return OH_FROZEN;
        if (oh_buffer_word_busy(word) != 0)
            return OH_BUSY;
    } while (!oh_cas_weak_acqrel_acquire(&b->word, &word, splitting + 1)); /* A2, A3 */
    return OH_OK;
}

/* Takes length bytes off the front, by the one who splits; length is at most size. */
static inline void oh_buffer_advance(oh_buffer_t *b, uint64_t length) {
    b->data += length;
    oh_store_relaxed(&b->size, oh_load_relaxed(&b->size) - length);
    oh_store_relaxed(&b->capacity, oh_load_relaxed(&b->capacity) - length);
}

/* Makes the whole block writable again, with size 0: by the one who splits, if no binary shows any
 * of it, or by the exclusive owner. */
static inline void oh_buffer_rewind(oh_buffer_t *b) {
    b->data = b->block;
    oh_store_relaxed(&b->size, 0);
    oh_store_relaxed(&b->capacity, oh_load_relaxed(&b->block_bytes));
}

/* Ends a split. True: the lease was released meanwhile and the caller is the finisher. */
static inline bool oh_buffer_end_split(oh_buffer_t *b) {
    uint64_t word = oh_load_relaxed(&b->word);
    uint64_t left;
    do {
        left = word - 1;
        if (oh_buffer_word_state(word) == OH_BUFFER_SPLITTING)
            left = (left & ~OH_BUFFER_STATE_MASK) | (uint64_t)OH_BUFFER_WRITABLE
                                                        << OH_BUFFER_STATE_SHIFT;
    } while (!oh_cas_weak_acqrel_acquire(&b->word, &word, left)); /* R2, R3 */
    return oh_buffer_word_state(word) == OH_BUFFER_RELEASED;
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

/* Whether length bytes at offset can be seen; never overflows. */
static inline bool oh_buffer_has(oh_buffer_t *b, uint64_t offset, uint64_t length) {
    uint64_t size = oh_buffer_size(b);
    return offset <= size && length <= size - offset;
}

/* True if another process may have the bytes mapped for writing: no binary may show them. The
 * caller has entered. */
static inline bool oh_buffer_is_exposed(oh_buffer_t *b) {
    return oh_shared_is_exposed(b->shared);
}

/* Leaves a mode that does not extend, unless the caller would have to finish the buffer. */
bool oh_buffer_leave_unless_last(oh_buffer_t *b);

/* Enters for putting length bytes at offset: OVERWRITE if they lie below size, else EXTEND; which,
 * is in *mode. Status as enter. */
static inline oh_status_t oh_buffer_enter_put(oh_buffer_t *b, uint64_t generation, uint64_t offset,
                                              uint64_t length, oh_buffer_mode_t *mode) {
    for (;;) {
        *mode = oh_buffer_has(b, offset, length) ? OH_BUFFER_OVERWRITE : OH_BUFFER_EXTEND;
        oh_status_t status = oh_buffer_enter(b, generation, *mode);
        /* What lies below a size that was read inside may be overwritten, even if size shrinks
         * meanwhile. But before entering a split may have made it less, and moved the bytes. If the
         * lease is over besides, nobody will see what the caller puts where. */
        if (status != OH_OK || *mode == OH_BUFFER_EXTEND ||
            oh_likely(oh_buffer_has(b, offset, length)) || !oh_buffer_leave_unless_last(b))
            return status;
    }
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
