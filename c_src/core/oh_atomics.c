#include "oh_atomics.h"
#include "oh_alloc.h"
#include "oh_reaper.h"

#include <float.h>
#include <math.h>

/* --- Integers of fewer bits --- */

#define OH_CELL(name) i8_##name
#define OH_CELL_TYPE  int8_t
#define OH_CELL_MIN   INT8_MIN
#define OH_CELL_MAX   INT8_MAX
#include "oh_atomics_cell.h"
#define OH_CELL(name) i16_##name
#define OH_CELL_TYPE  int16_t
#define OH_CELL_MIN   INT16_MIN
#define OH_CELL_MAX   INT16_MAX
#include "oh_atomics_cell.h"
#define OH_CELL(name) i32_##name
#define OH_CELL_TYPE  int32_t
#define OH_CELL_MIN   INT32_MIN
#define OH_CELL_MAX   INT32_MAX
#include "oh_atomics_cell.h"
#define OH_CELL(name) u8_##name
#define OH_CELL_TYPE  uint8_t
#define OH_CELL_MIN   0
#define OH_CELL_MAX   UINT8_MAX
#include "oh_atomics_cell.h"
#define OH_CELL(name) u16_##name
#define OH_CELL_TYPE  uint16_t
#define OH_CELL_MIN   0
#define OH_CELL_MAX   UINT16_MAX
#include "oh_atomics_cell.h"
#define OH_CELL(name) u32_##name
#define OH_CELL_TYPE  uint32_t
#define OH_CELL_MIN   0
#define OH_CELL_MAX   UINT32_MAX
#include "oh_atomics_cell.h"

/* --- Doubles: words that are got, put, compared, filled and copied as unsigned ones --- */

/* was + increment; where that is not finite, the greatest double of its sign. */
static double clamp_sum(double was, double increment) {
    double sum = was + increment;
    if (isfinite(sum))
        return sum;
    return sum < 0 ? -DBL_MAX : DBL_MAX;
}

static double f64_result(double was, oh_atomics_op_t op, double operand) {
    switch (op) {
    case OH_ATOMICS_PUT:
        return operand;
    case OH_ATOMICS_ADD:
        return was + operand;
    case OH_ATOMICS_SATURATING_ADD:
        return clamp_sum(was, operand);
    case OH_ATOMICS_MIN:
        return operand < was ? operand : was;
    default: /* MAX: bitwise operations of doubles are refused by the caller */
        return operand > was ? operand : was;
    }
}

/* True if the operation stores even what is there already. */
static bool always_stores(oh_atomics_op_t op) {
    return op == OH_ATOMICS_PUT || op == OH_ATOMICS_ADD;
}

static bool f64_apply(void *cell, oh_atomics_op_t op, oh_wide_t operand, oh_change_t *change) {
    _Atomic uint64_t *p = cell;
    uint64_t old = oh_load_acquire(p), now;
    for (unsigned pauses = 1;; oh_backoff(&pauses)) {
        double result =
            f64_result(oh_double_of_word(old), op, oh_double_of_word((uint64_t)operand));
        if (!isfinite(result))
            return false;
        now = oh_word_of_double(result);
        if ((now == old && !always_stores(op)) || oh_cas_weak_seqcst_acquire(p, &old, now))
            break;
    }
    change->old = old;
    change->now = now;
    return true;
}

static bool f64_add_bounded(void *cell, oh_wide_t increment, oh_wide_t low, oh_wide_t high,
                            uint64_t *now) {
    _Atomic uint64_t *p = cell;
    uint64_t old = oh_load_acquire(p);
    for (unsigned pauses = 1;; oh_backoff(&pauses)) {
        double sum = oh_double_of_word(old) + oh_double_of_word((uint64_t)increment);
        if (sum < oh_double_of_word((uint64_t)low) || sum > oh_double_of_word((uint64_t)high))
            return false;
        *now = oh_word_of_double(sum);
        if (oh_cas_weak_seqcst_acquire(p, &old, *now))
            return true;
    }
}

static uint64_t f64_reduce(const void *cell, size_t step, uint64_t count,
                           oh_atomics_reduction_t reduction, uint64_t so_far) {
    const char *p = cell;
    double result = oh_double_of_word(so_far);
    for (uint64_t i = 0; i < count; i++, p += step) {
        double value = oh_double_of_word(oh_u64_get(p));
        if (reduction == OH_ATOMICS_SUM)
            result += value;
        else if (reduction == OH_ATOMICS_MINIMUM)
            result = value < result ? value : result;
        else
            result = value > result ? value : result;
    }
    return oh_word_of_double(result);
}

static uint64_t f64_merge(void *cell, size_t step, uint64_t count, const unsigned char *bytes,
                          bool saturating) {
    oh_atomics_op_t op = saturating ? OH_ATOMICS_SATURATING_ADD : OH_ATOMICS_ADD;
    char *p = cell;
    oh_change_t change;
    for (uint64_t i = 0; i < count; i++, p += step) {
        uint64_t value;
        memcpy(&value, bytes + i * sizeof value, sizeof value);
        if (!f64_apply(p, op, (oh_wide_t)value, &change))
            return i;
    }
    return count;
}

/* --- The types of cells --- */

typedef struct {
    uint64_t least, greatest;
    uint64_t (*get)(const void *cell);
    void (*put)(void *cell, uint64_t value);
    bool (*compare_exchange)(void *cell, uint64_t *expected, uint64_t desired);
    bool (*apply)(void *cell, oh_atomics_op_t op, oh_wide_t operand, oh_change_t *change);
    bool (*add_bounded)(void *cell, oh_wide_t increment, oh_wide_t low, oh_wide_t high,
                        uint64_t *now);
    uint64_t (*reduce)(const void *cell, size_t step, uint64_t count,
                       oh_atomics_reduction_t reduction, uint64_t so_far);
    void (*fill)(void *cell, size_t step, uint64_t count, uint64_t value);
    void (*read)(const void *cell, size_t step, uint64_t count, unsigned char *bytes);
    void (*write)(void *cell, size_t step, uint64_t count, const unsigned char *bytes);
    uint64_t (*merge)(void *cell, size_t step, uint64_t count, const unsigned char *bytes,
                      bool saturating);
} type_t;

/* clang-format off */
#define INTEGER(name, least, greatest)                                                             \
    {(uint64_t)(least), (uint64_t)(greatest), name##_get, name##_put, name##_compare_exchange,     \
     name##_apply, name##_add_bounded, name##_reduce, name##_fill, name##_read, name##_write,      \
     name##_merge}

/* By type_of. */
static const type_t types[] = {
    INTEGER(i8, INT8_MIN, INT8_MAX),
    INTEGER(i16, INT16_MIN, INT16_MAX),
    INTEGER(i32, INT32_MIN, INT32_MAX),
    INTEGER(oh_i64, INT64_MIN, INT64_MAX),
    INTEGER(u8, 0, UINT8_MAX),
    INTEGER(u16, 0, UINT16_MAX),
    INTEGER(u32, 0, UINT32_MAX),
    INTEGER(oh_u64, 0, UINT64_MAX),
    /* The bits of -DBL_MAX and DBL_MAX. */
    {UINT64_C(0xffefffffffffffff), UINT64_C(0x7fefffffffffffff), oh_u64_get, oh_u64_put,
     oh_u64_compare_exchange, f64_apply, f64_add_bounded, f64_reduce, oh_u64_fill, oh_u64_read,
     oh_u64_write, f64_merge},
};
/* clang-format on */

/* log2 of the bytes of a cell, or -1. */
static int log2_bytes(uint64_t bits) {
    switch (bits) {
    case 8:
        return 0;
    case 16:
        return 1;
    case 32:
        return 2;
    case 64:
        return 3;
    default:
        return -1;
    }
}

static unsigned type_of(oh_atomics_kind_t kind, unsigned log2) {
    return kind == OH_ATOMICS_FLOAT ? 8 : 4 * (unsigned)kind + log2;
}

_Static_assert(OH_ATOMICS_SIGNED == 0 && OH_ATOMICS_UNSIGNED == 1, "type_of counts on it");
_Static_assert(OH_CACHE_LINE == 64, "the shift of padded cells");
#define PADDED_SHIFT 6

static const type_t *type(const oh_atomics_t *a) {
    return &types[a->type];
}

static size_t step(const oh_atomics_t *a) {
    return (size_t)1 << a->shift;
}

oh_status_t oh_atomics_init(oh_atomics_t *a, uint64_t size, const oh_atomics_options_t *options) {
    int log2 = log2_bytes(options->bits);
    bool is_float = options->kind == OH_ATOMICS_FLOAT;
    *a = (oh_atomics_t){0};
    if (size == 0 || log2 < 0 || (is_float && options->bits != 64))
        return OH_BADARG;
    if (size > OH_ATOMICS_SIZE_MAX)
        return OH_LIMIT;
    a->shift = options->padded ? PADDED_SHIFT : (uint8_t)log2;
    a->cell = oh_zalloc_big((size_t)size << a->shift);
    if (a->cell == NULL)
        return OH_ENOMEM;
    a->size = size;
    a->type = (uint8_t)type_of(options->kind, (unsigned)log2);
    a->kind = (uint8_t)options->kind;
    a->bits = (uint8_t)options->bits;
    a->words = options->bits == 64;
    a->wrapping = a->words && !is_float && !options->saturating;
    a->saturating = options->saturating;
    a->padded = options->padded;
    return OH_OK;
}

void oh_atomics_free(oh_atomics_t *a) {
    oh_reaper_free_big(a->cell, oh_atomics_bytes(a));
    a->cell = NULL;
    a->size = 0;
}

bool oh_atomics_valid(const oh_atomics_t *a) {
    int log2 = log2_bytes(a->bits);
    bool is_float = a->kind == OH_ATOMICS_FLOAT;
    if (a->size == 0 || a->size > OH_ATOMICS_SIZE_MAX || a->cell == NULL || log2 < 0 ||
        (uintptr_t)a->cell % OH_CACHE_LINE != 0 || (is_float && a->bits != 64) ||
        a->shift != (a->padded ? PADDED_SHIFT : log2) ||
        a->type != type_of((oh_atomics_kind_t)a->kind, (unsigned)log2) ||
        a->words != (a->bits == 64) || a->wrapping != (a->words && !is_float && !a->saturating))
        return false;
    for (uint64_t i = 0; is_float && i < a->size; i++)
        if (!isfinite(oh_double_of_word(oh_atomics_get(a, i))))
            return false;
    return true;
}

uint64_t oh_atomics_least(const oh_atomics_t *a) {
    return type(a)->least;
}

uint64_t oh_atomics_greatest(const oh_atomics_t *a) {
    return type(a)->greatest;
}

/* --- One cell --- */

uint64_t oh_atomics_get_any(const oh_atomics_t *a, uint64_t index) {
    return type(a)->get(oh_atomics_cell(a, index));
}

void oh_atomics_put_any(oh_atomics_t *a, uint64_t index, uint64_t value) {
    type(a)->put(oh_atomics_cell(a, index), value);
}

bool oh_atomics_compare_exchange_any(oh_atomics_t *a, uint64_t index, uint64_t *expected,
                                     uint64_t desired) {
    return type(a)->compare_exchange(oh_atomics_cell(a, index), expected, desired);
}

bool oh_atomics_apply_any(oh_atomics_t *a, uint64_t index, oh_atomics_op_t op, oh_wide_t operand,
                          oh_change_t *change) {
    if (op == OH_ATOMICS_ADD && a->saturating)
        op = OH_ATOMICS_SATURATING_ADD;
    return type(a)->apply(oh_atomics_cell(a, index), op, operand, change);
}

bool oh_atomics_add_bounded_any(oh_atomics_t *a, uint64_t index, oh_wide_t increment, oh_wide_t low,
                                oh_wide_t high, uint64_t *now) {
    return type(a)->add_bounded(oh_atomics_cell(a, index), increment, low, high, now);
}

size_t oh_atomics_apply_many(oh_atomics_t *a, const oh_atomics_item_t *items, size_t count) {
    oh_change_t change;
    for (size_t i = 0; i < count; i++)
        if (!oh_atomics_apply(a, items[i].index, items[i].op, items[i].operand, &change))
            return i;
    return count;
}

/* --- Ranges --- */

uint64_t oh_atomics_reduce(const oh_atomics_t *a, uint64_t index, uint64_t count,
                           oh_atomics_reduction_t reduction, uint64_t so_far) {
    return type(a)->reduce(oh_atomics_cell(a, index), step(a), count, reduction, so_far);
}

void oh_atomics_fill(oh_atomics_t *a, uint64_t index, uint64_t count, uint64_t value) {
    type(a)->fill(oh_atomics_cell(a, index), step(a), count, value);
}

void oh_atomics_read(const oh_atomics_t *a, uint64_t index, uint64_t count, unsigned char *bytes) {
    type(a)->read(oh_atomics_cell(a, index), step(a), count, bytes);
}

void oh_atomics_load(oh_atomics_t *a, uint64_t index, uint64_t count, const unsigned char *bytes) {
    type(a)->write(oh_atomics_cell(a, index), step(a), count, bytes);
}

uint64_t oh_atomics_merge(oh_atomics_t *a, uint64_t index, uint64_t count,
                          const unsigned char *bytes) {
    return type(a)->merge(oh_atomics_cell(a, index), step(a), count, bytes, a->saturating);
}

bool oh_atomics_loadable(const oh_atomics_t *a, uint64_t count, const unsigned char *bytes) {
    for (uint64_t i = 0; a->kind == OH_ATOMICS_FLOAT && i < count; i++) {
        double value;
        memcpy(&value, bytes + i * sizeof value, sizeof value);
        if (!isfinite(value))
            return false;
    }
    return true;
}
