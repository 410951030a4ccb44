/* oh_atomics: arithmetic at the edges against a model, cells that are apart in every layout, sizes
 * at the edges, memory that is not there. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "oh_atomics.h"
#include "oh_reaper.h"
#include "suite.h"

static void setup(void) {
    suite_use_allocator();
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
}

static void teardown(void) {
    oh_reaper_stop();
}

static const oh_atomics_options_t plain = {.kind = OH_ATOMICS_SIGNED, .bits = 64};

static oh_atomics_t make_with(uint64_t size, const oh_atomics_options_t *options) {
    oh_atomics_t a;
    ck_assert_int_eq(oh_atomics_init(&a, size, options), OH_OK);
    ck_assert(oh_atomics_valid(&a));
    return a;
}

static oh_atomics_t make(uint64_t size) {
    return make_with(size, &plain);
}

/* Ends the array, which is sound. */
static void end(oh_atomics_t *a) {
    ck_assert(oh_atomics_valid(a));
    oh_atomics_free(a);
}

/* Calls test for every array that there is. */
static void each_options(void (*test)(const oh_atomics_options_t *options)) {
    static const uint64_t bits[] = {8, 16, 32, 64};
    for (unsigned kind = OH_ATOMICS_SIGNED; kind <= OH_ATOMICS_FLOAT; kind++)
        for (size_t b = kind == OH_ATOMICS_FLOAT ? 3 : 0; b < 4; b++)
            for (unsigned flags = 0; flags < 4; flags++) {
                oh_atomics_options_t options = {(oh_atomics_kind_t)kind, bits[b], (flags & 1) != 0,
                                                (flags & 2) != 0};
                test(&options);
            }
}

static uint64_t word(double value) {
    return oh_word_of_double(value);
}

/* --- 64-bit cells --- */

START_TEST(a_new_array_holds_zeros) {
    static const uint64_t sizes[] = {1, 2, 7, 8, 9, 1000, 32767, 32768, 32769, 1000000};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        oh_atomics_t a = make(sizes[s]);
        ck_assert_uint_eq(a.size, sizes[s]);
        ck_assert_uint_eq(oh_atomics_bytes(&a), sizes[s] * 8);
        ck_assert_uint_eq((uintptr_t)a.cell % OH_CACHE_LINE, 0);
        bool zeros = true;
        for (uint64_t i = 0; i < sizes[s]; i++)
            zeros = zeros && oh_atomics_get(&a, i) == 0;
        ck_assert(zeros);
        ck_assert_uint_eq(oh_atomics_reduce(&a, 0, sizes[s], OH_ATOMICS_SUM, 0), 0);
        end(&a);
    }
}
END_TEST

static uint64_t add_get(oh_atomics_t *a, uint64_t index, uint64_t increment) {
    oh_change_t change;
    ck_assert(oh_atomics_apply(a, index, OH_ATOMICS_ADD, (oh_wide_t)increment, &change));
    ck_assert_uint_eq(change.now, change.old + increment);
    return change.now;
}

START_TEST(cells_are_apart) {
    oh_atomics_t a = make(3);
    oh_atomics_put(&a, 1, UINT64_MAX);
    ck_assert_uint_eq(oh_atomics_get(&a, 0), 0);
    ck_assert_uint_eq(oh_atomics_get(&a, 1), UINT64_MAX);
    ck_assert_uint_eq(oh_atomics_get(&a, 2), 0);
    ck_assert_uint_eq(add_get(&a, 1, 1), 0);
    ck_assert_uint_eq(oh_atomics_get(&a, 2), 0);
    end(&a);
}
END_TEST

START_TEST(add_wraps_at_both_ends_of_the_word) {
    oh_atomics_t a = make(1);
    oh_atomics_put(&a, 0, INT64_MAX);
    ck_assert_uint_eq(add_get(&a, 0, 1), (uint64_t)1 << 63);
    ck_assert_uint_eq(add_get(&a, 0, (uint64_t)-1), INT64_MAX);
    oh_atomics_put(&a, 0, UINT64_MAX);
    ck_assert_uint_eq(add_get(&a, 0, 1), 0);
    ck_assert_uint_eq(add_get(&a, 0, (uint64_t)-1), UINT64_MAX);
    ck_assert_uint_eq(add_get(&a, 0, (uint64_t)INT64_MIN), INT64_MAX);
    end(&a);
}
END_TEST

START_TEST(exchange_tells_what_was_there) {
    oh_atomics_t a = make(1);
    ck_assert_uint_eq(oh_atomics_exchange(&a, 0, 5), 0);
    ck_assert_uint_eq(oh_atomics_exchange(&a, 0, UINT64_MAX), 5);
    ck_assert_uint_eq(oh_atomics_get(&a, 0), UINT64_MAX);
    end(&a);
}
END_TEST

START_TEST(compare_exchange_stores_or_tells) {
    oh_atomics_t a = make(1);
    uint64_t expected = 0;
    ck_assert(oh_atomics_compare_exchange(&a, 0, &expected, 7));
    ck_assert_uint_eq(expected, 0);
    ck_assert(!oh_atomics_compare_exchange(&a, 0, &expected, 8));
    ck_assert_uint_eq(expected, 7);
    ck_assert_uint_eq(oh_atomics_get(&a, 0), 7);
    end(&a);
}
END_TEST

/* --- Every kind of cell --- */

/* Operations against a model in 128 bits, for all pairs of a value and an operand at the edges. */

static oh_wide_t least_of(const oh_atomics_options_t *options) {
    return options->kind == OH_ATOMICS_SIGNED ? -((oh_wide_t)1 << (options->bits - 1)) : 0;
}

static oh_wide_t greatest_of(const oh_atomics_options_t *options) {
    return ((oh_wide_t)1 << (options->bits - (options->kind == OH_ATOMICS_SIGNED))) - 1;
}

static size_t edges_of(const oh_atomics_options_t *options, oh_wide_t *edges) {
    oh_wide_t least = least_of(options), greatest = greatest_of(options);
    oh_wide_t middle = (oh_wide_t)1 << (options->bits / 2);
    oh_wide_t all[] = {least,
                       least + 1,
                       least + 2,
                       -middle - 1,
                       -middle,
                       -1,
                       0,
                       1,
                       2,
                       middle - 1,
                       middle,
                       middle + 1,
                       greatest / 2,
                       greatest - 2,
                       greatest - 1,
                       greatest,
                       5,
                       0x55};
    size_t count = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i] >= least && all[i] <= greatest)
            edges[count++] = all[i];
    return count;
}

static oh_wide_t model_wrap(const oh_atomics_options_t *options, oh_wide_t value) {
    oh_wide_t range = (oh_wide_t)1 << options->bits;
    value &= range - 1;
    if (options->kind == OH_ATOMICS_SIGNED && value >= range / 2)
        value -= range;
    return value;
}

static oh_wide_t model(const oh_atomics_options_t *options, oh_atomics_op_t op, oh_wide_t old,
                       oh_wide_t operand) {
    oh_wide_t sum = old + operand;
    switch (op) {
    case OH_ATOMICS_PUT:
        return operand;
    case OH_ATOMICS_ADD:
        if (!options->saturating)
            return model_wrap(options, sum);
        /* falls through */
    case OH_ATOMICS_SATURATING_ADD:
        if (sum < least_of(options))
            return least_of(options);
        return sum > greatest_of(options) ? greatest_of(options) : sum;
    case OH_ATOMICS_MIN:
        return old < operand ? old : operand;
    case OH_ATOMICS_MAX:
        return old > operand ? old : operand;
    case OH_ATOMICS_BAND:
        return old & operand;
    case OH_ATOMICS_BOR:
        return old | operand;
    default:
        return old ^ operand;
    }
}

static void check_apply(oh_atomics_t *a, const oh_atomics_options_t *options, oh_atomics_op_t op,
                        oh_wide_t old, oh_wide_t operand) {
    oh_change_t change;
    oh_wide_t now = model(options, op, old, operand);
    oh_atomics_put(a, 1, (uint64_t)old);
    bool done = oh_atomics_apply(a, 1, op, operand, &change);
    /* One assertion: each is a message to the runner, and there are many. */
    ck_assert(done && change.old == (uint64_t)old && change.now == (uint64_t)now &&
              oh_atomics_get(a, 1) == (uint64_t)now && oh_atomics_get(a, 0) == 0 &&
              oh_atomics_get(a, 2) == 0);
}

static void check_operations(const oh_atomics_options_t *options) {
    static const oh_wide_t increments[] = {INT64_MIN, INT64_MAX, UINT64_MAX, -300, 300, 70000};
    oh_wide_t edges[32];
    if (options->kind == OH_ATOMICS_FLOAT)
        return;
    oh_atomics_t a = make_with(3, options);
    size_t count = edges_of(options, edges);
    for (unsigned op = OH_ATOMICS_PUT; op <= OH_ATOMICS_BXOR; op++)
        for (size_t i = 0; i < count; i++) {
            for (size_t j = 0; j < count; j++)
                check_apply(&a, options, (oh_atomics_op_t)op, edges[i], edges[j]);
            /* What is added may be wider than the cell. */
            for (size_t j = 0; op == OH_ATOMICS_ADD && j < 6; j++) {
                check_apply(&a, options, OH_ATOMICS_ADD, edges[i], increments[j]);
                check_apply(&a, options, OH_ATOMICS_SATURATING_ADD, edges[i], increments[j]);
            }
        }
    end(&a);
}

START_TEST(operations_on_integers_are_those_of_the_model) {
    each_options(check_operations);
}
END_TEST

static void check_access(const oh_atomics_options_t *options) {
    oh_atomics_t a = make_with(3, options);
    bool is_float = options->kind == OH_ATOMICS_FLOAT;
    uint64_t least = oh_atomics_least(&a), greatest = oh_atomics_greatest(&a);
    uint64_t values[] = {0, is_float ? word(1.5) : 1, least, greatest};
    for (size_t i = 0; i < 4; i++) {
        uint64_t expected = is_float ? word(7.0) : 7;
        oh_atomics_put(&a, 1, values[i]);
        ck_assert_uint_eq(oh_atomics_get(&a, 1), values[i]);
        ck_assert(!oh_atomics_compare_exchange(&a, 1, &expected, 0));
        ck_assert_uint_eq(expected, values[i]);
        ck_assert(oh_atomics_compare_exchange(&a, 1, &expected, greatest));
        ck_assert_uint_eq(oh_atomics_exchange(&a, 1, least), greatest);
        ck_assert_uint_eq(oh_atomics_exchange(&a, 1, values[i]), least);
        ck_assert_uint_eq(oh_atomics_get(&a, 1), values[i]);
        ck_assert_uint_eq(oh_atomics_get(&a, 0), 0);
        ck_assert_uint_eq(oh_atomics_get(&a, 2), 0);
    }
    ck_assert_uint_eq(oh_atomics_bytes(&a), 3 * (options->padded ? 64 : options->bits / 8));
    ck_assert_uint_eq(oh_atomics_cell_bytes(&a), options->bits / 8);
    end(&a);
}

START_TEST(values_at_the_edges_come_back_from_every_kind_of_cell) {
    each_options(check_access);
}
END_TEST

static void check_bounded(const oh_atomics_options_t *options) {
    oh_wide_t edges[32], low, high;
    uint64_t now;
    if (options->kind == OH_ATOMICS_FLOAT)
        return;
    oh_atomics_t a = make_with(1, options);
    size_t count = edges_of(options, edges);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            bool right = true;
            for (size_t k = 0; k < count; k++) {
                low = edges[k] < 0 ? edges[k] : 0;
                high = edges[k] < 0 ? 0 : edges[k];
                oh_wide_t sum = edges[i] + edges[j];
                bool fits = sum >= low && sum <= high;
                oh_atomics_put(&a, 0, (uint64_t)edges[i]);
                bool added = oh_atomics_add_bounded(&a, 0, edges[j], low, high, &now);
                right = right && added == fits && (!fits || now == (uint64_t)sum) &&
                        oh_atomics_get(&a, 0) == (uint64_t)(fits ? sum : edges[i]);
            }
            ck_assert(right);
        }
    end(&a);
}

START_TEST(a_bounded_add_is_exact_or_changes_nothing) {
    each_options(check_bounded);
}
END_TEST

/* --- Floats --- */

static const oh_atomics_options_t floats = {.kind = OH_ATOMICS_FLOAT, .bits = 64};

static bool float_op(oh_atomics_t *a, oh_atomics_op_t op, double operand, double *now) {
    oh_change_t change;
    bool done = oh_atomics_apply(a, 0, op, (oh_wide_t)word(operand), &change);
    *now = oh_double_of_word(oh_atomics_get(a, 0));
    if (done)
        ck_assert_uint_eq(change.now, word(*now));
    return done;
}

START_TEST(floats_add_and_compare_as_doubles) {
    oh_atomics_t a = make_with(1, &floats);
    double now;
    ck_assert(float_op(&a, OH_ATOMICS_ADD, 0.5, &now) && now == 0.5);
    ck_assert(float_op(&a, OH_ATOMICS_ADD, -2.25, &now) && now == -1.75);
    ck_assert(float_op(&a, OH_ATOMICS_MAX, -3.0, &now) && now == -1.75);
    ck_assert(float_op(&a, OH_ATOMICS_MAX, 1e300, &now) && now == 1e300);
    ck_assert(float_op(&a, OH_ATOMICS_MIN, 2e300, &now) && now == 1e300);
    ck_assert(float_op(&a, OH_ATOMICS_MIN, -5e-324, &now) && now == -5e-324);
    ck_assert(float_op(&a, OH_ATOMICS_PUT, 0.0, &now) && !signbit(now));
    /* Equal, so the old one stays. */
    ck_assert(float_op(&a, OH_ATOMICS_MIN, -0.0, &now) && !signbit(now));
    ck_assert(float_op(&a, OH_ATOMICS_PUT, -0.0, &now) && signbit(now));
    ck_assert(float_op(&a, OH_ATOMICS_MAX, 0.0, &now) && signbit(now));
    uint64_t expected = word(0.0);
    ck_assert(!oh_atomics_compare_exchange(&a, 0, &expected, word(1.0)));
    ck_assert_uint_eq(expected, word(-0.0));
    ck_assert(oh_atomics_compare_exchange(&a, 0, &expected, word(1.0)));
    end(&a);
}
END_TEST

START_TEST(a_float_stays_finite) {
    oh_atomics_t a = make_with(1, &floats);
    double now;
    ck_assert(float_op(&a, OH_ATOMICS_PUT, DBL_MAX, &now));
    ck_assert(!float_op(&a, OH_ATOMICS_ADD, DBL_MAX, &now) && now == DBL_MAX);
    ck_assert(!float_op(&a, OH_ATOMICS_ADD, DBL_MAX / (1ull << 53), &now) && now == DBL_MAX);
    ck_assert(float_op(&a, OH_ATOMICS_ADD, 1.0, &now) && now == DBL_MAX);
    ck_assert(float_op(&a, OH_ATOMICS_SATURATING_ADD, DBL_MAX, &now) && now == DBL_MAX);
    ck_assert(float_op(&a, OH_ATOMICS_PUT, -DBL_MAX, &now));
    ck_assert(!float_op(&a, OH_ATOMICS_ADD, -DBL_MAX, &now) && now == -DBL_MAX);
    ck_assert(float_op(&a, OH_ATOMICS_SATURATING_ADD, -1e308, &now) && now == -DBL_MAX);
    ck_assert(float_op(&a, OH_ATOMICS_SATURATING_ADD, DBL_MAX, &now) && now == 0.0);
    end(&a);

    oh_atomics_options_t saturating = floats;
    saturating.saturating = true;
    a = make_with(1, &saturating);
    ck_assert(float_op(&a, OH_ATOMICS_ADD, DBL_MAX, &now));
    ck_assert(float_op(&a, OH_ATOMICS_ADD, DBL_MAX, &now) && now == DBL_MAX);
    end(&a);
}
END_TEST

START_TEST(a_bounded_float_add_changes_nothing_beyond_its_bounds) {
    oh_atomics_t a = make_with(1, &floats);
    uint64_t now = 0;
    ck_assert(oh_atomics_add_bounded(&a, 0, (oh_wide_t)word(0.75), (oh_wide_t)word(-1.0),
                                     (oh_wide_t)word(1.0), &now));
    ck_assert_uint_eq(now, word(0.75));
    ck_assert(!oh_atomics_add_bounded(&a, 0, (oh_wide_t)word(0.75), (oh_wide_t)word(-1.0),
                                      (oh_wide_t)word(1.0), &now));
    ck_assert(!oh_atomics_add_bounded(&a, 0, (oh_wide_t)word(-2.0), (oh_wide_t)word(-1.0),
                                      (oh_wide_t)word(1.0), &now));
    oh_atomics_put(&a, 0, word(DBL_MAX));
    ck_assert(!oh_atomics_add_bounded(&a, 0, (oh_wide_t)word(DBL_MAX), (oh_wide_t)word(-DBL_MAX),
                                      (oh_wide_t)word(DBL_MAX), &now));
    ck_assert_uint_eq(oh_atomics_get(&a, 0), word(DBL_MAX));
    ck_assert(oh_atomics_greater(&a, (oh_wide_t)word(1.0), (oh_wide_t)word(-1.0)));
    ck_assert(!oh_atomics_greater(&a, (oh_wide_t)word(-1.0), (oh_wide_t)word(1.0)));
    end(&a);
}
END_TEST

/* --- Several cells --- */

START_TEST(items_are_applied_in_order_up_to_the_first_that_is_refused) {
    oh_atomics_t a = make_with(2, &floats);
    oh_atomics_item_t items[] = {
        {(oh_wide_t)word(1.0), 0, OH_ATOMICS_ADD},
        {(oh_wide_t)word(DBL_MAX), 1, OH_ATOMICS_PUT},
        {(oh_wide_t)word(3.0), 0, OH_ATOMICS_MAX},
        {(oh_wide_t)word(2.0), 0, OH_ATOMICS_ADD},
        {(oh_wide_t)word(DBL_MAX), 1, OH_ATOMICS_ADD},
        {(oh_wide_t)word(9.0), 0, OH_ATOMICS_PUT},
    };
    ck_assert_uint_eq(oh_atomics_apply_many(&a, items, 0), 0);
    ck_assert_uint_eq(oh_atomics_apply_many(&a, items, 4), 4);
    ck_assert_uint_eq(oh_atomics_get(&a, 0), word(5.0));
    ck_assert_uint_eq(oh_atomics_apply_many(&a, items, 6), 4);
    ck_assert_uint_eq(oh_atomics_get(&a, 0), word(8.0));
    end(&a);
}
END_TEST

/* Cells hold value(i). */
static uint64_t value(const oh_atomics_t *a, uint64_t i) {
    int64_t number = (int64_t)((i * 37) % 100);
    if (a->kind == OH_ATOMICS_FLOAT)
        return word((double)number / 4 - 10);
    return a->kind == OH_ATOMICS_SIGNED ? (uint64_t)(number - 50) : (uint64_t)number;
}

static void check_ranges(const oh_atomics_options_t *options) {
    enum { SIZE = 67, FIRST = 3, COUNT = 61 };
    oh_atomics_t a = make_with(SIZE, options), b = make_with(SIZE, options);
    oh_wide_t least = 0, greatest = 0, each;
    double sum = 0;
    for (uint64_t i = 0; i < SIZE; i++)
        oh_atomics_put(&a, i, value(&a, i));
    for (uint64_t i = FIRST; i < FIRST + COUNT; i++) {
        each = options->kind == OH_ATOMICS_FLOAT ? (oh_wide_t)(4 * oh_double_of_word(value(&a, i)))
                                                 : (oh_wide_t)(int64_t)value(&a, i);
        sum += (double)each;
        least = i == FIRST || each < least ? each : least;
        greatest = i == FIRST || each > greatest ? each : greatest;
    }
    uint64_t seed = oh_atomics_get(&a, FIRST);
    uint64_t got[] = {oh_atomics_reduce(&a, FIRST, COUNT, OH_ATOMICS_SUM, 0),
                      oh_atomics_reduce(&a, FIRST, COUNT, OH_ATOMICS_MINIMUM, seed),
                      oh_atomics_reduce(&a, FIRST, COUNT, OH_ATOMICS_MAXIMUM, seed)};
    double wanted[] = {sum, (double)least, (double)greatest};
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(got[i], options->kind == OH_ATOMICS_FLOAT ? word(wanted[i] / 4)
                                                                    : (uint64_t)(int64_t)wanted[i]);
    ck_assert_uint_eq(oh_atomics_reduce(&a, SIZE, 0, OH_ATOMICS_SUM, seed), seed);

    /* Out to bytes that are not aligned, and into another array. */
    unsigned char bytes[SIZE * 8 + 2] = {0};
    size_t end_of = 1 + COUNT * oh_atomics_cell_bytes(&a);
    bytes[end_of] = 0xa5;
    oh_atomics_read(&a, FIRST, COUNT, bytes + 1);
    ck_assert_uint_eq(bytes[end_of], 0xa5);
    ck_assert(oh_atomics_loadable(&b, COUNT, bytes + 1));
    oh_atomics_load(&b, FIRST, COUNT, bytes + 1);
    for (uint64_t i = 0; i < SIZE; i++)
        ck_assert_uint_eq(oh_atomics_get(&b, i),
                          i >= FIRST && i < FIRST + COUNT ? value(&a, i) : 0);

    /* Added: twice what was there. */
    ck_assert_uint_eq(oh_atomics_merge(&b, FIRST, COUNT, bytes + 1), COUNT);
    for (uint64_t i = 0; i < SIZE; i++) {
        uint64_t once = i >= FIRST && i < FIRST + COUNT ? value(&a, i) : 0, twice;
        if (options->kind == OH_ATOMICS_FLOAT)
            twice = word(2 * oh_double_of_word(once));
        else
            twice = (uint64_t)model(options, OH_ATOMICS_ADD, (int64_t)once, (int64_t)once);
        ck_assert_uint_eq(oh_atomics_get(&b, i), twice);
    }
    oh_atomics_load(&b, FIRST, COUNT, bytes + 1);

    oh_atomics_fill(&b, 2, 2, oh_atomics_greatest(&b));
    oh_atomics_fill(&b, 9, 0, oh_atomics_least(&b));
    for (uint64_t i = 0; i < 5; i++)
        ck_assert_uint_eq(oh_atomics_get(&b, i), i == 2 || i == 3 ? oh_atomics_greatest(&b)
                                                 : i == 4         ? value(&a, 4)
                                                                  : 0);
    end(&a);
    end(&b);
}

START_TEST(ranges_keep_to_their_cells) {
    each_options(check_ranges);
}
END_TEST

START_TEST(a_sum_wraps) {
    oh_atomics_t a = make(4);
    oh_atomics_put(&a, 0, 100);
    oh_atomics_put(&a, 1, UINT64_MAX);
    oh_atomics_put(&a, 2, 3);
    ck_assert_uint_eq(oh_atomics_reduce(&a, 1, 2, OH_ATOMICS_SUM, 0), 2);
    ck_assert_uint_eq(oh_atomics_reduce(&a, 0, 4, OH_ATOMICS_SUM, 1000), 1102);
    end(&a);
}
END_TEST

START_TEST(a_merge_ends_at_the_first_sum_that_is_not_finite) {
    oh_atomics_t a = make_with(3, &floats);
    double doubles[] = {1.0, DBL_MAX, 1.0};
    unsigned char bytes[sizeof doubles];
    memcpy(bytes, doubles, sizeof bytes);
    oh_atomics_put(&a, 1, word(DBL_MAX));
    ck_assert_uint_eq(oh_atomics_merge(&a, 0, 3, bytes), 1);
    ck_assert_uint_eq(oh_atomics_get(&a, 0), word(1.0));
    ck_assert_uint_eq(oh_atomics_get(&a, 1), word(DBL_MAX));
    ck_assert_uint_eq(oh_atomics_get(&a, 2), 0);
    end(&a);
}
END_TEST

START_TEST(bytes_with_a_float_that_is_not_finite_are_refused) {
    oh_atomics_t a = make_with(3, &floats), b = make(3);
    double bad[] = {INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < 3; i++) {
        double doubles[] = {1.0, 2.0, 3.0};
        unsigned char bytes[sizeof doubles];
        doubles[i] = bad[i];
        memcpy(bytes, doubles, sizeof bytes);
        ck_assert(!oh_atomics_loadable(&a, 3, bytes));
        ck_assert(oh_atomics_loadable(&a, i, bytes));
        ck_assert(oh_atomics_loadable(&b, 3, bytes));
    }
    end(&a);
    end(&b);
}
END_TEST

START_TEST(an_array_with_an_infinite_float_is_not_sound) {
    oh_atomics_t a = make_with(2, &floats);
    oh_atomics_put(&a, 1, word(INFINITY));
    ck_assert(!oh_atomics_valid(&a));
    oh_atomics_free(&a);
}
END_TEST

/* --- Sizes and memory --- */

START_TEST(options_that_no_array_has_are_refused) {
    static const oh_atomics_options_t options[] = {
        {.kind = OH_ATOMICS_FLOAT, .bits = 32},   {.kind = OH_ATOMICS_FLOAT, .bits = 8},
        {.kind = OH_ATOMICS_SIGNED, .bits = 0},   {.kind = OH_ATOMICS_SIGNED, .bits = 24},
        {.kind = OH_ATOMICS_SIGNED, .bits = 128}, {.kind = OH_ATOMICS_UNSIGNED, .bits = UINT64_MAX},
    };
    oh_atomics_t a;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        ck_assert_int_eq(oh_atomics_init(&a, 1, &options[i]), OH_BADARG);
        ck_assert(!oh_atomics_valid(&a));
    }
}
END_TEST

START_TEST(no_cells_are_no_array) {
    oh_atomics_t a;
    ck_assert_int_eq(oh_atomics_init(&a, 0, &plain), OH_BADARG);
}
END_TEST

START_TEST(more_cells_than_the_limit_are_refused) {
    static const uint64_t sizes[] = {OH_ATOMICS_SIZE_MAX + 1, (uint64_t)1 << 60, (uint64_t)1 << 61,
                                     ((uint64_t)1 << 61) + 1, (uint64_t)1 << 63, UINT64_MAX};
    oh_atomics_t a;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        ck_assert_int_eq(oh_atomics_init(&a, sizes[i], &plain), OH_LIMIT);
}
END_TEST

START_TEST(the_limit_itself_works_or_is_out_of_memory) {
    oh_atomics_t a;
    oh_status_t status = oh_atomics_init(&a, OH_ATOMICS_SIZE_MAX, &plain);
    if (status == OH_OK) {
        ck_assert_uint_eq(add_get(&a, 0, 1), 1);
        ck_assert_uint_eq(add_get(&a, OH_ATOMICS_SIZE_MAX - 1, 2), 2);
        oh_atomics_free(&a);
    } else {
        ck_assert_int_eq(status, OH_ENOMEM);
    }
}
END_TEST

START_TEST(memory_that_is_out_is_reported_and_leaves_nothing) {
    oh_atomics_t a;
    long before = suite_blocks;
    suite_allocations_left = 0;
    ck_assert_int_eq(oh_atomics_init(&a, 1, &plain), OH_ENOMEM);
    ck_assert_int_eq(oh_atomics_init(&a, 1000, &plain), OH_ENOMEM);
    suite_allocations_left = SUITE_NO_LIMIT;
    ck_assert_int_eq(suite_blocks, before);
    a = make(1000);
    ck_assert_int_eq(suite_blocks, before + 1);
    oh_atomics_free(&a);
    ck_assert_int_eq(suite_blocks, before);
}
END_TEST

START_TEST(a_freed_array_is_empty) {
    oh_atomics_t a = make(10);
    oh_atomics_free(&a);
    ck_assert_ptr_null(a.cell);
    ck_assert_uint_eq(a.size, 0);
    ck_assert(!oh_atomics_valid(&a));
    oh_atomics_free(&a);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_atomics");
    TCase *tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_new_array_holds_zeros);
    tcase_add_test(tcase, cells_are_apart);
    tcase_add_test(tcase, add_wraps_at_both_ends_of_the_word);
    tcase_add_test(tcase, exchange_tells_what_was_there);
    tcase_add_test(tcase, compare_exchange_stores_or_tells);
    tcase_add_test(tcase, operations_on_integers_are_those_of_the_model);
    tcase_add_test(tcase, values_at_the_edges_come_back_from_every_kind_of_cell);
    tcase_add_test(tcase, a_bounded_add_is_exact_or_changes_nothing);
    tcase_add_test(tcase, floats_add_and_compare_as_doubles);
    tcase_add_test(tcase, a_float_stays_finite);
    tcase_add_test(tcase, a_bounded_float_add_changes_nothing_beyond_its_bounds);
    tcase_add_test(tcase, items_are_applied_in_order_up_to_the_first_that_is_refused);
    tcase_add_test(tcase, ranges_keep_to_their_cells);
    tcase_add_test(tcase, a_sum_wraps);
    tcase_add_test(tcase, a_merge_ends_at_the_first_sum_that_is_not_finite);
    tcase_add_test(tcase, bytes_with_a_float_that_is_not_finite_are_refused);
    tcase_add_test(tcase, an_array_with_an_infinite_float_is_not_sound);
    tcase_add_test(tcase, options_that_no_array_has_are_refused);
    tcase_add_test(tcase, no_cells_are_no_array);
    tcase_add_test(tcase, more_cells_than_the_limit_are_refused);
    tcase_add_test(tcase, the_limit_itself_works_or_is_out_of_memory);
    tcase_add_test(tcase, memory_that_is_out_is_reported_and_leaves_nothing);
    tcase_add_test(tcase, a_freed_array_is_empty);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
