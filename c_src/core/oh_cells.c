#include "oh_cells.h"
#include "oh_alloc.h"

/* Cells in a quarter of the ring. */
#define QUARTER (OH_CELLS_RING / OH_CELLS_QUARTERS)
/* A new block has an eighth of what is there, within these bounds, in words. */
#define BLOCK_MIN 64
#define BLOCK_MAX 1024

struct oh_cells_block {
    oh_cells_block_t *next;
    uint32_t words;
    oh_word_t word[];
};

struct oh_cells_spare {
    oh_cell_t *ring[OH_CELLS_RING];
    oh_cell_t *free[OH_CELL_WORDS_MAX + 1]; /* by words; linked by their first word */
};

static bool add_block(oh_cells_t *c, uint32_t words) {
    oh_cells_block_t *block = oh_alloc(sizeof *block + words * sizeof(oh_word_t));
    if (block == NULL)
        return false;
    /* What is left of the block before is lost: less than a cell. */
    c->used_words += c->room;
    c->idle_words += c->room;
    block->next = c->blocks;
    block->words = words;
    c->blocks = block;
    c->room = words;
    return true;
}

bool oh_cells_reserve(oh_cells_t *c, uint32_t words) {
    return c->blocks != NULL || add_block(c, words < BLOCK_MIN ? BLOCK_MIN : words);
}

void oh_cells_clear(oh_cells_t *c) {
    for (oh_cells_block_t *next, *block = c->blocks; block != NULL; block = next) {
        next = block->next;
        oh_free(block);
    }
    oh_free(c->spare);
    *c = (oh_cells_t){0};
}

/* --- Places for new cells --- */

static void push_free(oh_cells_t *c, oh_cell_t *cell) {
    cell->word[0] = (oh_word_t)(uintptr_t)c->spare->free[cell->words];
    c->spare->free[cell->words] = cell;
    c->idle_words += oh_cell_size(cell);
}

static oh_cell_t *pop_free(oh_cells_t *c, uint32_t words) {
    oh_cell_t *cell = c->spare->free[words];
    if (cell != NULL) {
        c->spare->free[words] = (oh_cell_t *)(uintptr_t)cell->word[0];
        c->idle_words -= oh_cell_size(cell);
    }
    return cell;
}

/* Whether the ring's oldest cell may be used again. */
static bool oldest_is_free(const oh_cells_t *c) {
    uint32_t quarter = c->head / QUARTER;
    /* A quarter has its stamp when its last cell has come. */
    if (c->head + c->count < (quarter + 1) * QUARTER)
        return false;
    return (uint16_t)((uint16_t)oh_epoch_now() - c->stamp[quarter]) >= OH_EPOCH_GRACE;
}

static oh_cell_t *pop_ring(oh_cells_t *c) {
    oh_cell_t *cell = c->oldest;
    c->head = (uint8_t)((c->head + 1) % OH_CELLS_RING);
    c->oldest = --c->count > 0 ? c->spare->ring[c->head] : NULL;
    return cell;
}

/* A used place, or NULL. The ring's oldest mostly fits: a table's cells are mostly of one size. */
static oh_cell_t *take_spare(oh_cells_t *c, uint32_t words) {
    if (c->spare == NULL)
        return NULL;
    if (oldest_is_free(c)) {
        oh_cell_t *cell = pop_ring(c);
        if (cell->words == words)
            return cell;
        push_free(c, cell);
    }
    return pop_free(c, words);
}

static uint32_t all_words(const oh_cells_t *c) {
    return c->used_words + c->room;
}

static oh_cell_t *take_from_block(oh_cells_t *c, uint32_t size) {
    if (c->room < size) {
        uint32_t more = all_words(c) / 8;
        if (!add_block(c, more < BLOCK_MIN ? BLOCK_MIN : more > BLOCK_MAX ? BLOCK_MAX : more))
            return NULL;
    }
    oh_word_t *at = &c->blocks->word[c->blocks->words - c->room];
    c->room -= size;
    c->used_words += size;
    return (oh_cell_t *)(void *)at;
}

/* A few words: a call of memcpy takes longer. */
static void copy_words(oh_word_t *to, const oh_word_t *from, uint32_t count) {
    for (; count >= 4; count -= 4, to += 4, from += 4)
        memcpy(to, from, 4 * sizeof *to);
    for (; count > 0; count--, to++, from++)
        memcpy(to, from, sizeof *to);
}

oh_cell_t *oh_cells_put(oh_cells_t *c, const oh_cell_t *draft) {
    uint32_t size = oh_cell_size(draft);
    oh_cell_t *cell = take_spare(c, draft->words);
    if (cell == NULL && (cell = take_from_block(c, size)) == NULL)
        return NULL;
    copy_words((oh_word_t *)(void *)cell, (const oh_word_t *)(const void *)draft, size);
    return cell;
}

/* --- Cells that are no longer needed --- */

static bool has_spare(oh_cells_t *c) {
    return c->spare != NULL || (c->spare = oh_zalloc(sizeof *c->spare)) != NULL;
}

void oh_cells_restore(oh_cells_t *c, oh_cell_t *cell) {
    if (has_spare(c))
        push_free(c, cell);
    else
        c->idle_words += oh_cell_size(cell);
}

/* Stamps a quarter, and sees to it that the epoch goes on by one in the time of a quarter: then the
 * ring's oldest is free when the ring is full. Where other segments move the epoch, it does not. */
static void end_quarter(oh_cells_t *c, uint32_t quarter) {
    uint16_t last = c->stamp[(quarter + OH_CELLS_QUARTERS - 1) % OH_CELLS_QUARTERS];
    uint16_t now = (uint16_t)oh_epoch_now();
    c->stamp[quarter] = now;
    if ((uint16_t)(now - last) < 2)
        oh_epoch_advance();
}

void oh_cells_retire(oh_cells_t *c, oh_cell_t *cell) {
    if (!has_spare(c)) {
        c->idle_words += oh_cell_size(cell);
        return;
    }
    if (c->count == OH_CELLS_RING) {
        if (!oldest_is_free(c)) {
            oh_epoch_advance();
            c->idle_words += oh_cell_size(cell);
            return;
        }
        push_free(c, pop_ring(c));
    }
    uint32_t at = (c->head + c->count) % OH_CELLS_RING;
    c->spare->ring[at] = cell;
    if (c->count++ == 0)
        c->oldest = cell;
    if ((at + 1) % QUARTER == 0)
        end_quarter(c, at / QUARTER);
}

size_t oh_cells_bytes(const oh_cells_t *c) {
    size_t bytes = c->spare != NULL ? sizeof *c->spare : 0;
    for (const oh_cells_block_t *block = c->blocks; block != NULL; block = block->next)
        bytes += sizeof *block + block->words * sizeof(oh_word_t);
    return bytes;
}

bool oh_cells_valid(const oh_cells_t *c, uint32_t live_words) {
    uint32_t words = 0, free = 0, ring = 0;
    for (const oh_cells_block_t *block = c->blocks; block != NULL; block = block->next)
        words += block->words;
    for (uint32_t n = 0; c->spare != NULL && n <= OH_CELL_WORDS_MAX; n++)
        for (const oh_cell_t *cell = c->spare->free[n]; cell != NULL;
             cell = (const oh_cell_t *)(uintptr_t)cell->word[0]) {
            if (cell->words != n)
                return false;
            free += oh_cell_size(cell);
        }
    if (c->spare == NULL && c->count > 0)
        return false;
    for (uint32_t i = 0; i < c->count; i++)
        ring += oh_cell_size(c->spare->ring[(c->head + i) % OH_CELLS_RING]);
    if (c->oldest != (c->count > 0 ? c->spare->ring[c->head] : NULL))
        return false;
    return words == all_words(c) && free <= c->idle_words && c->count <= OH_CELLS_RING &&
           live_words + ring + c->idle_words == c->used_words;
}
