#include "oh_cells.h"
#include "oh_alloc.h"

/* Cells in a batch. Two of these are the most that overwriting keeps beside the live ones. */
#define BATCH 64
/* Retired cells between attempts to move the epoch on, while a batch waits for it: three of them
 * are needed before the young batch is full. */
#define ADVANCE_EVERY 16
/* A new block has an eighth of what is there, within these bounds, in words. */
#define BLOCK_MIN 64
#define BLOCK_MAX 1024

typedef struct block {
    struct block *next;
    uint32_t words;
    oh_word_t word[];
} block_t;

typedef struct {
    uint64_t epoch; /* when the last cell came in; of an old batch */
    uint32_t count;
    oh_cell_t *cell[BATCH];
} batch_t;

struct oh_cells {
    block_t *blocks;     /* newest first; only the newest has room */
    uint32_t room;       /* words left in the newest */
    uint32_t used_words; /* in all blocks */
    uint32_t live_words;
    uint32_t block_words;                   /* of all blocks, used or not */
    oh_cell_t *free[OH_CELL_WORDS_MAX + 1]; /* by words; linked by their first word */
    batch_t *young, *old;                   /* NULL until a cell is retired */
};

static bool add_block(oh_cells_t *c, uint32_t words) {
    block_t *block = oh_alloc(sizeof *block + words * sizeof(oh_word_t));
    if (block == NULL)
        return false;
    /* What is left of the block before is lost: less than a cell. */
    c->used_words += c->room;
    block->next = c->blocks;
    block->words = words;
    c->blocks = block;
    c->room = words;
    c->block_words += words;
    return true;
}

oh_cells_t *oh_cells_new(uint32_t words) {
    oh_cells_t *c = oh_zalloc(sizeof *c);
    if (c == NULL)
        return NULL;
    if (!add_block(c, words < BLOCK_MIN ? BLOCK_MIN : words)) {
        oh_free(c);
        return NULL;
    }
    return c;
}

void oh_cells_free(oh_cells_t *c) {
    for (block_t *next, *block = c->blocks; block != NULL; block = next) {
        next = block->next;
        oh_free(block);
    }
    oh_free(c->young);
    oh_free(c->old);
    oh_free(c);
}

static void push_free(oh_cells_t *c, oh_cell_t *cell) {
    cell->word[0] = (oh_word_t)(uintptr_t)c->free[cell->words];
    c->free[cell->words] = cell;
}

static oh_cell_t *pop_free(oh_cells_t *c, uint32_t words) {
    oh_cell_t *cell = c->free[words];
    if (cell != NULL)
        c->free[words] = (oh_cell_t *)(uintptr_t)cell->word[0];
    return cell;
}

static oh_cell_t *take_from_block(oh_cells_t *c, uint32_t size) {
    if (c->room < size) {
        uint32_t more = c->block_words / 8;
        more = more < BLOCK_MIN ? BLOCK_MIN : more > BLOCK_MAX ? BLOCK_MAX : more;
        if (!add_block(c, more))
            return NULL;
    }
    oh_word_t *at = &c->blocks->word[c->blocks->words - c->room];
    c->room -= size;
    c->used_words += size;
    return (oh_cell_t *)(void *)at;
}

oh_cell_t *oh_cells_put(oh_cells_t *c, const oh_cell_t *draft) {
    uint32_t size = oh_cell_size(draft);
    oh_cell_t *cell = pop_free(c, draft->words);
    if (cell == NULL && (cell = take_from_block(c, size)) == NULL)
        return NULL;
    c->live_words += size;
    memcpy(cell, draft, size * sizeof(oh_word_t));
    return cell;
}

void oh_cells_restore(oh_cells_t *c, oh_cell_t *cell) {
    c->live_words -= oh_cell_size(cell);
    push_free(c, cell);
}

/* Frees the old batch if its grace period is over. */
static bool recycle(oh_cells_t *c) {
    batch_t *old = c->old;
    if (old->count > 0 && old->epoch + OH_EPOCH_GRACE > oh_epoch_now())
        return false;
    while (old->count > 0)
        push_free(c, old->cell[--old->count]);
    return true;
}

static bool make_batches(oh_cells_t *c) {
    c->young = oh_zalloc(sizeof *c->young);
    c->old = oh_zalloc(sizeof *c->old);
    if (c->young != NULL && c->old != NULL)
        return true;
    oh_free(c->young);
    oh_free(c->old);
    c->young = c->old = NULL;
    return false;
}

void oh_cells_retire(oh_cells_t *c, oh_cell_t *cell) {
    c->live_words -= oh_cell_size(cell);
    if (c->young == NULL && !make_batches(c))
        return;
    if (c->young->count == BATCH) {
        if (!recycle(c))
            return;
        batch_t *full = c->young;
        full->epoch = oh_epoch_now();
        c->young = c->old;
        c->old = full;
    }
    c->young->cell[c->young->count++] = cell;
    if (c->young->count % ADVANCE_EVERY == 0 && !recycle(c))
        oh_epoch_advance();
}

uint32_t oh_cells_used(const oh_cells_t *c) {
    return c->used_words;
}

uint32_t oh_cells_garbage(const oh_cells_t *c) {
    return c->used_words - c->live_words;
}

size_t oh_cells_bytes(const oh_cells_t *c) {
    size_t bytes = sizeof *c + (c->young != NULL ? 2 * sizeof *c->young : 0);
    for (const block_t *block = c->blocks; block != NULL; block = block->next)
        bytes += sizeof *block + block->words * sizeof(oh_word_t);
    return bytes;
}

bool oh_cells_valid(const oh_cells_t *c, uint32_t live_words) {
    uint32_t words = 0, dead = 0;
    for (const block_t *block = c->blocks; block != NULL; block = block->next)
        words += block->words;
    for (uint32_t n = 0; n <= OH_CELL_WORDS_MAX; n++)
        for (const oh_cell_t *cell = c->free[n]; cell != NULL;
             cell = (const oh_cell_t *)(uintptr_t)cell->word[0]) {
            if (cell->words != n)
                return false;
            dead += oh_cell_size(cell);
        }
    for (const batch_t *batch = c->young; batch != NULL; batch = batch == c->old ? NULL : c->old)
        for (uint32_t i = 0; i < batch->count; i++)
            dead += oh_cell_size(batch->cell[i]);
    return live_words == c->live_words && words == c->block_words &&
           c->used_words + c->room == words && c->live_words + dead <= c->used_words;
}
