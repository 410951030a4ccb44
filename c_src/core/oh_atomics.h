/*
 * oh_atomics: an array of cells, each read and changed atomically.
 *
 * A cell is an integer of 8, 16, 32 or 64 bits, signed or unsigned, or a double. Cells stand side
 * by side (packed) or each on its own cache line (padded). Values go in and out as 64-bit words:
 * integers with their sign extended, doubles as their bits. Integer arithmetic wraps around at the
 * limits of the cell or saturates there. A double is always finite: what would make it infinite is
 * refused.
 *
 * The caller checks indices, 0 <= index < size, ranges, index + count <= size, and values: a word
 * is one that a cell of this array can hold, and a double's is finite.
 *
 * Call                    Threads  Memory order                        Progress
 * ----------------------  -------  ----------------------------------  -----------------------
 * get                     any      acquire                             wait-free
 * put                     any      seq_cst store                       wait-free
 * exchange; apply: PUT,   any      seq_cst read-modify-write           wait-free on x86-64 and
 *   ADD of integers                                                      ARMv8.1
 * apply: the others       any      the same; an acquire load where     lock-free, with back-off
 *                                    MIN, MAX or SATURATING_ADD finds
 *                                    nothing to change, or ADD is
 *                                    refused
 * add_bounded             any      the same; refused: an acquire load  lock-free, with back-off
 * compare_exchange        any      seq_cst, failure too                wait-free (one attempt)
 * reduce, read            any      acquire, cell by cell               wait-free; not one instant
 * fill, load              any      release, cell by cell               wait-free; not one instant
 * apply_many, merge       any      as apply, one by one                as apply; not one instant
 * init, free, valid       one      the caller publishes                as the allocator
 *
 * A put or read-modify-write is ordered with every other one (a full barrier, as in OTP's atomics).
 * A get that meets the value of a put sees all that came before the put.
 */
#ifndef OH_ATOMICS_H
#define OH_ATOMICS_H

#include <string.h>

#include "oh_atomic.h"
#include "oh_common.h"

/* Cells an array may have at most: 2^40; 8 TiB of 64-bit cells side by side. */
#define OH_ATOMICS_SIZE_MAX ((uint64_t)1 << 40)

typedef enum { OH_ATOMICS_SIGNED, OH_ATOMICS_UNSIGNED, OH_ATOMICS_FLOAT } oh_atomics_kind_t;

typedef struct {
    oh_atomics_kind_t kind;
    uint64_t bits;   /* 8, 16, 32 or 64; of doubles 64 */
    bool saturating; /* arithmetic stops at the limits instead of wrapping or being refused */
    bool padded;     /* each cell on a cache line of its own */
} oh_atomics_options_t;

typedef struct {
    uint64_t size;       /* cells; nothing in this struct ever changes */
    unsigned char *cell; /* owned; zero at the start; aligned to a cache line */
    uint8_t shift;       /* log2 of the bytes from a cell to the next */
    uint8_t type;        /* the functions for a cell: index into the table in oh_atomics.c */
    uint8_t kind;        /* oh_atomics_kind_t */
    uint8_t bits;
    bool words;    /* cells are 64 bits wide */
    bool wrapping; /* cells are 64-bit integers and ADD wraps: the quickest path */
    bool saturating;
    bool padded;
} oh_atomics_t;

/* An operand: a value, or what is to be added to an integer, -2^63..2^64-1. A double's bits are in
 * the lower word. */
__extension__ typedef __int128 oh_wide_t;

typedef enum {
    OH_ATOMICS_PUT, /* the new value is the operand */
    OH_ATOMICS_ADD, /* of a saturating array: SATURATING_ADD */
    OH_ATOMICS_SATURATING_ADD,
    OH_ATOMICS_MIN, /* the lesser of the old value and the operand */
    OH_ATOMICS_MAX,
    OH_ATOMICS_BAND, /* not of doubles, nor the next two */
    OH_ATOMICS_BOR,
    OH_ATOMICS_BXOR
} oh_atomics_op_t;

/* The value before and after. */
typedef struct {
    uint64_t old, now;
} oh_change_t;

typedef struct {
    oh_wide_t operand;
    uint64_t index;
    oh_atomics_op_t op;
} oh_atomics_item_t;

typedef enum { OH_ATOMICS_SUM, OH_ATOMICS_MINIMUM, OH_ATOMICS_MAXIMUM } oh_atomics_reduction_t;

/* Words of 64 bits, whose operations are inlined. */
#define OH_CELL(name) oh_i64_##name
#define OH_CELL_TYPE  int64_t
#define OH_CELL_MIN   INT64_MIN
#define OH_CELL_MAX   INT64_MAX
#include "oh_atomics_cell.h"
#define OH_CELL(name) oh_u64_##name
#define OH_CELL_TYPE  uint64_t
#define OH_CELL_MIN   0
#define OH_CELL_MAX   UINT64_MAX
#include "oh_atomics_cell.h"

static inline uint64_t oh_word_of_double(double value) {
    uint64_t word;
    memcpy(&word, &value, sizeof word);
    return word;
}

static inline double oh_double_of_word(uint64_t word) {
    double value;
    memcpy(&value, &word, sizeof value);
    return value;
}

/* Fills in *a with an array of size zeros. OH_BADARG for size 0 and for options that no array has,
 * OH_LIMIT beyond the maximum, OH_ENOMEM; on an error *a needs no free. O(1) in size for big
 * arrays.
 */
oh_status_t oh_atomics_init(oh_atomics_t *a, uint64_t size, const oh_atomics_options_t *options);

/* Ends the array. No other call may be under way. */
void oh_atomics_free(oh_atomics_t *a);

/* True if the array is sound: its fields agree and its doubles are finite. */
bool oh_atomics_valid(const oh_atomics_t *a);

/* Bytes that all cells take, padding included. */
static inline size_t oh_atomics_bytes(const oh_atomics_t *a) {
    return (size_t)a->size << a->shift;
}

/* Bytes of one cell in what read gives and load takes. */
static inline size_t oh_atomics_cell_bytes(const oh_atomics_t *a) {
    return a->bits / 8;
}

/* The least and the greatest value that a cell can hold. */
uint64_t oh_atomics_least(const oh_atomics_t *a);
uint64_t oh_atomics_greatest(const oh_atomics_t *a);

/* --- One cell. The functions named _any are for cells that are not the quick path's. --- */

static inline void *oh_atomics_cell(const oh_atomics_t *a, uint64_t index) {
    return a->cell + (index << a->shift);
}

/* As without _any, for every type of cell. */
uint64_t oh_atomics_get_any(const oh_atomics_t *a, uint64_t index);
void oh_atomics_put_any(oh_atomics_t *a, uint64_t index, uint64_t value);
bool oh_atomics_compare_exchange_any(oh_atomics_t *a, uint64_t index, uint64_t *expected,
                                     uint64_t desired);
bool oh_atomics_apply_any(oh_atomics_t *a, uint64_t index, oh_atomics_op_t op, oh_wide_t operand,
                          oh_change_t *change);

static inline uint64_t oh_atomics_get(const oh_atomics_t *a, uint64_t index) {
    if (oh_likely(a->words))
        return oh_u64_get(oh_atomics_cell(a, index));
    return oh_atomics_get_any(a, index);
}

static inline void oh_atomics_put(oh_atomics_t *a, uint64_t index, uint64_t value) {
    if (oh_likely(a->words))
        oh_u64_put(oh_atomics_cell(a, index), value);
    else
        oh_atomics_put_any(a, index, value);
}

/* Stores desired if the cell holds *expected, bit for bit: true. Else *expected becomes what is
 * there: false. */
static inline bool oh_atomics_compare_exchange(oh_atomics_t *a, uint64_t index, uint64_t *expected,
                                               uint64_t desired) {
    if (oh_likely(a->words))
        return oh_u64_compare_exchange(oh_atomics_cell(a, index), expected, desired);
    return oh_atomics_compare_exchange_any(a, index, expected, desired);
}

/* Does op. False if the result would be a double that is not finite: nothing changed. Of two
 * doubles that compare equal (0.0 and -0.0) MIN and MAX keep the old one. */
OH_ALWAYS_INLINE bool oh_atomics_apply(oh_atomics_t *a, uint64_t index, oh_atomics_op_t op,
                                       oh_wide_t operand, oh_change_t *change) {
    if (oh_likely(a->wrapping)) {
        void *cell = oh_atomics_cell(a, index);
        if (op >= OH_ATOMICS_SATURATING_ADD && op <= OH_ATOMICS_MAX && a->kind != OH_ATOMICS_SIGNED)
            return oh_u64_apply(cell, op, operand, change);
        return oh_i64_apply(cell, op, operand, change);
    }
    return oh_atomics_apply_any(a, index, op, operand, change);
}

/* Returns the value that was there. */
static inline uint64_t oh_atomics_exchange(oh_atomics_t *a, uint64_t index, uint64_t desired) {
    if (oh_likely(a->words))
        return oh_exchange_seqcst((_Atomic uint64_t *)oh_atomics_cell(a, index), desired);
    oh_change_t change;
    oh_atomics_apply_any(a, index, OH_ATOMICS_PUT, (oh_wide_t)desired, &change);
    return change.old;
}

/* As without _any, for every type of cell. */
bool oh_atomics_add_bounded_any(oh_atomics_t *a, uint64_t index, oh_wide_t increment, oh_wide_t low,
                                oh_wide_t high, uint64_t *now);

/* Adds, if the exact sum (of doubles: the rounded one) is in low..high, which are values that a
 * cell can hold: true, and *now is the sum. Else false: nothing changed. */
static inline bool oh_atomics_add_bounded(oh_atomics_t *a, uint64_t index, oh_wide_t increment,
                                          oh_wide_t low, oh_wide_t high, uint64_t *now) {
    if (oh_likely(a->words && a->kind == OH_ATOMICS_SIGNED))
        return oh_i64_add_bounded(oh_atomics_cell(a, index), increment, low, high, now);
    return oh_atomics_add_bounded_any(a, index, increment, low, high, now);
}

/* True if x is greater than y, both values of cells of this array. */
static inline bool oh_atomics_greater(const oh_atomics_t *a, oh_wide_t x, oh_wide_t y) {
    if (oh_unlikely(a->kind == OH_ATOMICS_FLOAT))
        return oh_double_of_word((uint64_t)x) > oh_double_of_word((uint64_t)y);
    return x > y;
}

/* Applies the items in order, up to the first that oh_atomics_apply refuses: returns how many were
 * done. */
size_t oh_atomics_apply_many(oh_atomics_t *a, const oh_atomics_item_t *items, size_t count);

/* --- Ranges: count cells from index on --- */

/* Takes cells into so_far: a sum (of integers modulo 2^64, of doubles left to right, where it may
 * become infinite), a minimum or a maximum. */
uint64_t oh_atomics_reduce(const oh_atomics_t *a, uint64_t index, uint64_t count,
                           oh_atomics_reduction_t reduction, uint64_t so_far);

/* Sets count cells from index on. */
void oh_atomics_fill(oh_atomics_t *a, uint64_t index, uint64_t count, uint64_t value);

/* Copies cells out to count * oh_atomics_cell_bytes bytes, in the machine's byte order, without
 * padding; and in from them. The bytes need not be aligned. */
void oh_atomics_read(const oh_atomics_t *a, uint64_t index, uint64_t count, unsigned char *bytes);
void oh_atomics_load(oh_atomics_t *a, uint64_t index, uint64_t count, const unsigned char *bytes);

/* Adds what load would store, in order, up to the first sum that oh_atomics_apply refuses: returns
 * how many were added. */
uint64_t oh_atomics_merge(oh_atomics_t *a, uint64_t index, uint64_t count,
                          const unsigned char *bytes);

/* True if load and merge may take count cells from the bytes: any integers, and doubles that are
 * finite. */
bool oh_atomics_loadable(const oh_atomics_t *a, uint64_t count, const unsigned char *bytes);

#endif
