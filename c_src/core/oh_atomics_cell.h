/*
 * oh_atomics_cell: what can be done with one integer cell, and with a run of them, for any width.
 *
 * A template: included once for each type of cell (so there is no include guard), with
 *
 *   OH_CELL_TYPE              the type of the value, int8_t to uint64_t
 *   OH_CELL_MIN, OH_CELL_MAX  its limits
 *   OH_CELL(name)             the function's name for this type
 *
 * all of which it undefines. Values go in and out as 64-bit words: signed ones with their sign
 * extended. What each function promises stands in oh_atomics.h. On one cell they are inlined where
 * the operation is known, so that the switch goes away.
 */

static inline uint64_t OH_CELL(get)(const void *cell) {
    return (uint64_t)oh_load_acquire((const _Atomic OH_CELL_TYPE *)cell);
}

static inline void OH_CELL(put)(void *cell, uint64_t value) {
    oh_store_seqcst((_Atomic OH_CELL_TYPE *)cell, (OH_CELL_TYPE)value);
}

static inline bool OH_CELL(compare_exchange)(void *cell, uint64_t *expected, uint64_t desired) {
    OH_CELL_TYPE value = (OH_CELL_TYPE)*expected;
    bool stored = oh_cas_seqcst_seqcst((_Atomic OH_CELL_TYPE *)cell, &value, (OH_CELL_TYPE)desired);
    *expected = (uint64_t)value;
    return stored;
}

/* old + increment, kept within the type's limits. */
static inline OH_CELL_TYPE OH_CELL(clamp_sum)(OH_CELL_TYPE old, oh_wide_t increment) {
    oh_wide_t sum = (oh_wide_t)old + increment;
    if (sum < OH_CELL_MIN)
        return OH_CELL_MIN;
    return sum > OH_CELL_MAX ? OH_CELL_MAX : (OH_CELL_TYPE)sum;
}

/* The operations that the processor has not: minimum, maximum, saturating addition. One that would
 * store what is there stores nothing. */
OH_ALWAYS_INLINE void OH_CELL(apply_loop)(_Atomic OH_CELL_TYPE *cell, oh_atomics_op_t op,
                                          oh_wide_t operand, oh_change_t *change) {
    OH_CELL_TYPE value = (OH_CELL_TYPE)operand, old = oh_load_acquire(cell), now;
    for (unsigned pauses = 1;; oh_backoff(&pauses)) {
        if (op == OH_ATOMICS_MIN)
            now = value < old ? value : old;
        else if (op == OH_ATOMICS_MAX)
            now = value > old ? value : old;
        else
            now = OH_CELL(clamp_sum)(old, operand);
        if (now == old || oh_cas_weak_seqcst_acquire(cell, &old, now))
            break;
    }
    change->old = (uint64_t)old;
    change->now = (uint64_t)now;
}

OH_ALWAYS_INLINE bool OH_CELL(apply)(void *cell, oh_atomics_op_t op, oh_wide_t operand,
                                     oh_change_t *change) {
    _Atomic OH_CELL_TYPE *p = cell;
    OH_CELL_TYPE value = (OH_CELL_TYPE)operand, old, now;
    switch (op) {
    case OH_ATOMICS_PUT:
        old = oh_exchange_seqcst(p, value);
        now = value;
        break;
    case OH_ATOMICS_ADD:
        old = oh_fetch_add_seqcst(p, value);
        now = (OH_CELL_TYPE)((uint64_t)old + (uint64_t)value);
        break;
    case OH_ATOMICS_BAND:
        old = oh_fetch_and_seqcst(p, value);
        now = old & value;
        break;
    case OH_ATOMICS_BOR:
        old = oh_fetch_or_seqcst(p, value);
        now = old | value;
        break;
    case OH_ATOMICS_BXOR:
        old = oh_fetch_xor_seqcst(p, value);
        now = old ^ value;
        break;
    default:
        OH_CELL(apply_loop)(p, op, operand, change);
        return true;
    }
    change->old = (uint64_t)old;
    change->now = (uint64_t)now;
    return true;
}

OH_ALWAYS_INLINE bool OH_CELL(add_bounded)(void *cell, oh_wide_t increment, oh_wide_t low,
                                           oh_wide_t high, uint64_t *now) {
    _Atomic OH_CELL_TYPE *p = cell;
    OH_CELL_TYPE old = oh_load_acquire(p);
    for (unsigned pauses = 1;; oh_backoff(&pauses)) {
        oh_wide_t sum = (oh_wide_t)old + increment;
        if (sum < low || sum > high)
            return false;
        if (oh_cas_weak_seqcst_acquire(p, &old, (OH_CELL_TYPE)sum)) {
            *now = (uint64_t)sum;
            return true;
        }
    }
}

/* step: bytes from a cell to the next. */
static inline uint64_t OH_CELL(reduce)(const void *cell, size_t step, uint64_t count,
                                       oh_atomics_reduction_t reduction, uint64_t so_far) {
    const char *p = cell;
    OH_CELL_TYPE best = (OH_CELL_TYPE)so_far;
    switch (reduction) {
    case OH_ATOMICS_SUM:
#pragma GCC unroll 4
        for (uint64_t i = 0; i < count; i++)
            so_far += OH_CELL(get)(p + i * step);
        return so_far;
    case OH_ATOMICS_MINIMUM:
        for (uint64_t i = 0; i < count; i++, p += step) {
            OH_CELL_TYPE value = (OH_CELL_TYPE)OH_CELL(get)(p);
            best = value < best ? value : best;
        }
        break;
    case OH_ATOMICS_MAXIMUM:
        for (uint64_t i = 0; i < count; i++, p += step) {
            OH_CELL_TYPE value = (OH_CELL_TYPE)OH_CELL(get)(p);
            best = value > best ? value : best;
        }
        break;
    }
    return (uint64_t)best;
}

static inline void OH_CELL(fill)(void *cell, size_t step, uint64_t count, uint64_t value) {
    char *p = cell;
    for (uint64_t i = 0; i < count; i++, p += step)
        oh_store_release((_Atomic OH_CELL_TYPE *)p, (OH_CELL_TYPE)value);
}

static inline void OH_CELL(read)(const void *cell, size_t step, uint64_t count,
                                 unsigned char *bytes) {
    const char *p = cell;
    for (uint64_t i = 0; i < count; i++, p += step) {
        OH_CELL_TYPE value = (OH_CELL_TYPE)OH_CELL(get)(p);
        memcpy(bytes + i * sizeof value, &value, sizeof value);
    }
}

static inline void OH_CELL(write)(void *cell, size_t step, uint64_t count,
                                  const unsigned char *bytes) {
    char *p = cell;
    for (uint64_t i = 0; i < count; i++, p += step) {
        OH_CELL_TYPE value;
        memcpy(&value, bytes + i * sizeof value, sizeof value);
        oh_store_release((_Atomic OH_CELL_TYPE *)p, value);
    }
}

static inline uint64_t OH_CELL(merge)(void *cell, size_t step, uint64_t count,
                                      const unsigned char *bytes, bool saturating) {
    char *p = cell;
    oh_change_t change;
    for (uint64_t i = 0; i < count; i++, p += step) {
        OH_CELL_TYPE value;
        memcpy(&value, bytes + i * sizeof value, sizeof value);
        if (saturating)
            OH_CELL(apply)(p, OH_ATOMICS_SATURATING_ADD, (oh_wide_t)value, &change);
        else
            OH_CELL(apply)(p, OH_ATOMICS_ADD, (oh_wide_t)value, &change);
    }
    return count;
}

#undef OH_CELL_TYPE
#undef OH_CELL_MIN
#undef OH_CELL_MAX
#undef OH_CELL
