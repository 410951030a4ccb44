/*
 * oh_cells: short rows of words, packed in blocks and used again once their readers are gone.
 *
 * A segment of a table keeps here what is small and flat: a cell is written once, published by a
 * pointer, and never changes while a reader may look at it. Replacing a cell takes a new one and
 * retires the old; after the grace period (oh_epoch.h) the old one's place serves the next cell of
 * its size. So overwriting needs no copying collection and no allocator.
 *
 * Memory: blocks of words, filled from their beginning; a ring of retired cells, oldest first,
 * where the next cell looks for a place of its size; and a list of free cells for each size, where
 * those go that the ring could not place. When the ring is full and its oldest may not be used yet,
 * because some reader has not moved on for long, retired cells are left where they are until the
 * segment is rebuilt (oh_cells_garbage counts them).
 *
 * Call                    Threads                                    Progress
 * ----------------------  -----------------------------------------  ----------------------------
 * reserve, clear          one                                        as the allocator
 * put, retire, restore    one at a time (the segment's lock), pinned  bounded; put may allocate
 * reading a cell          any, pinned since before it was retired    wait-free
 *
 * Why reuse is safe. The ring is stamped, a quarter at a time, with the global epoch after the
 * quarter's last cell was retired, by a pinned thread. Its cells are used again when the epoch is
 * OH_EPOCH_GRACE further: the argument of oh_epoch.h, where the stamp stands for the tag. The load
 * of the epoch acquires, so every access of every earlier reader happens before the new cell is
 * written. Stamps have 16 bits: after 65,536 epochs one may look too young again, never too old.
 */
#ifndef OH_CELLS_H
#define OH_CELLS_H

#include "oh_common.h"
#include "oh_epoch.h"

#include <string.h>

typedef uint64_t oh_word_t;

typedef struct {
    uint32_t tag;       /* the caller's; two bits are oh_objects.h's */
    uint16_t words;     /* in all: 1..OH_CELL_WORDS_MAX */
    uint16_t key_words; /* of which the first make the key */
    oh_word_t word[];
} oh_cell_t;

/* No term has this word. */
#define OH_WORD_NONE ((oh_word_t)0)

#define OH_CELL_WORDS_MAX 30

/* What a cell takes, in words. */
static inline uint32_t oh_cell_size(const oh_cell_t *cell) {
    return cell->words + 1u;
}

/* Whether the cells hold the same. */
static inline bool oh_cell_equal(const oh_cell_t *a, const oh_cell_t *b) {
    return a->tag == b->tag && a->words == b->words && a->key_words == b->key_words &&
           memcmp(a->word, b->word, a->words * sizeof(oh_word_t)) == 0;
}

#define OH_CELLS_RING     64
#define OH_CELLS_QUARTERS 4

typedef struct oh_cells_block oh_cells_block_t;
typedef struct oh_cells_spare oh_cells_spare_t;

/* All zero is one without cells. What each put touches is here, to share a line with the lock. */
typedef struct {
    oh_cells_block_t *blocks; /* newest first; only the newest has room */
    oh_cells_spare_t *spare;  /* ring and lists; NULL until a cell is retired */
    oh_cell_t *oldest;        /* in the ring, or NULL: the next cell's place, mostly */
    uint32_t room;            /* words left in the newest block */
    uint32_t used_words;      /* in all blocks */
    uint32_t idle_words;      /* of which in free cells, or lost */
    uint8_t head, count;      /* of the ring: the oldest's place, and how many */
    uint16_t stamp[OH_CELLS_QUARTERS];
} oh_cells_t;

/* Makes room for about so many words of cells, headers included, in one block; for one that has no
 * cells yet. False when memory is out: it is as it was. */
bool oh_cells_reserve(oh_cells_t *c, uint32_t words);

/* Frees all cells; all zero again. Nobody reads any more. */
void oh_cells_clear(oh_cells_t *c);

/* A copy of draft, not yet visible to anybody; NULL when memory is out. */
oh_cell_t *oh_cells_put(oh_cells_t *c, const oh_cell_t *draft);

/* A cell that no shared place points to any more: used again after the grace period. */
void oh_cells_retire(oh_cells_t *c, oh_cell_t *cell);

/* A cell that was never published: used again at once. */
void oh_cells_restore(oh_cells_t *c, oh_cell_t *cell);

/* Words in the blocks that were ever used; and how many of them hold nothing, but for the ring. */
static inline uint32_t oh_cells_used(const oh_cells_t *c) {
    return c->used_words;
}

static inline uint32_t oh_cells_garbage(const oh_cells_t *c) {
    return c->idle_words;
}

/* What it takes from the allocator. */
size_t oh_cells_bytes(const oh_cells_t *c);

/* The invariants, given the words in live cells. The segment's lock is held. */
bool oh_cells_valid(const oh_cells_t *c, uint32_t live_words);

#endif
