/*
 * Arithmetic in guards and bodies, on integers of 64 bits and floats. What goes beyond is left to
 * the emulator, as are the signs of zeros, which its versions treat differently.
 */
#include "nif_match.h"

#include <math.h>

/* What a value is to arithmetic. */
typedef enum { INTEGER, DOUBLE, LARGE, NONE } kind_t;

typedef struct {
    ErlNifSInt64 integer;
    double number;
} number_t;

static kind_t get_number(match_run_t *run, const match_value_t *value, number_t *out) {
    if (value->where == VALUE_INTEGER || value->where == VALUE_DOUBLE) {
        out->integer = value->integer;
        out->number = value->number;
        return value->where == VALUE_INTEGER ? INTEGER : DOUBLE;
    }
    if (enif_get_int64(run->env, value->term, &out->integer))
        return INTEGER;
    if (enif_get_double(run->env, value->term, &out->number))
        return DOUBLE;
    return enif_is_number(run->env, value->term) ? LARGE : NONE;
}

static match_outcome_t set_integer(match_value_t *result, ErlNifSInt64 value) {
    result->where = VALUE_INTEGER;
    result->integer = value;
    return MATCH_YES;
}

/* Results that are not finite are errors. */
static match_outcome_t set_double(match_value_t *result, double value) {
    if (!isfinite(value))
        return MATCH_NO;
    result->where = VALUE_DOUBLE;
    result->number = value;
    return MATCH_YES;
}

/* value shifted to the left by so many bits, or for a negative number to the right. */
static match_outcome_t shift(match_value_t *result, ErlNifSInt64 value, ErlNifSInt64 bits) {
    if (bits <= 0)
        return set_integer(result, bits <= -63 ? value >> 63 : value >> -bits);
    if (value == 0)
        return set_integer(result, 0);
    if (bits >= 63 || value > INT64_MAX >> bits || value < INT64_MIN >> bits)
        return MATCH_GENERAL;
    return set_integer(result, value * ((ErlNifSInt64)1 << bits));
}

static match_outcome_t shift_either_way(match_value_t *result, match_op_t op, ErlNifSInt64 value,
                                        ErlNifSInt64 bits) {
    if (op == MATCH_BSL)
        return shift(result, value, bits);
    return bits == INT64_MIN ? MATCH_GENERAL : shift(result, value, -bits);
}

static match_outcome_t divide(match_value_t *result, match_op_t op, ErlNifSInt64 a,
                              ErlNifSInt64 b) {
    if (b == 0)
        return MATCH_NO;
    if (b == -1)
        return a == INT64_MIN ? MATCH_GENERAL : set_integer(result, op == MATCH_DIV ? -a : 0);
    return set_integer(result, op == MATCH_DIV ? a / b : a % b);
}

static match_outcome_t integers(match_value_t *result, match_op_t op, ErlNifSInt64 a,
                                ErlNifSInt64 b) {
    ErlNifSInt64 value = 0;
    bool overflow = false;
    switch (op) {
    case MATCH_ADD:
        overflow = __builtin_add_overflow(a, b, &value);
        break;
    case MATCH_SUBTRACT:
        overflow = __builtin_sub_overflow(a, b, &value);
        break;
    case MATCH_MULTIPLY:
        overflow = __builtin_mul_overflow(a, b, &value);
        break;
    case MATCH_BAND:
        value = a & b;
        break;
    case MATCH_BOR:
        value = a | b;
        break;
    case MATCH_BXOR:
        value = a ^ b;
        break;
    case MATCH_DIV:
    case MATCH_REM:
        return divide(result, op, a, b);
    default:
        return shift_either_way(result, op, a, b);
    }
    return overflow ? MATCH_GENERAL : set_integer(result, value);
}

static match_outcome_t doubles(match_value_t *result, match_op_t op, double a, double b) {
    switch (op) {
    case MATCH_ADD:
        return set_double(result, a + b);
    case MATCH_SUBTRACT:
        return set_double(result, a - b);
    case MATCH_MULTIPLY:
        return set_double(result, a * b);
    case MATCH_DIVIDE:
        return b == 0 ? MATCH_NO : set_double(result, a / b);
    default: /* of integers only */
        return MATCH_NO;
    }
}

static match_outcome_t binary(match_run_t *run, match_op_t op, match_value_t *argument) {
    number_t a, b;
    kind_t left = get_number(run, &argument[0], &a), right = get_number(run, &argument[1], &b);
    if (left == NONE || right == NONE)
        return MATCH_NO;
    if (left == LARGE || right == LARGE)
        return MATCH_GENERAL;
    if (left == INTEGER && right == INTEGER && op != MATCH_DIVIDE)
        return integers(argument, op, a.integer, b.integer);
    return doubles(argument, op, left == INTEGER ? (double)a.integer : a.number,
                   right == INTEGER ? (double)b.integer : b.number);
}

static match_outcome_t unary_integer(match_value_t *result, match_op_t op, ErlNifSInt64 a) {
    switch (op) {
    case MATCH_FLOAT:
        return set_double(result, (double)a);
    case MATCH_BNOT:
        return set_integer(result, ~a);
    case MATCH_MINUS:
    case MATCH_ABS:
        if (a == INT64_MIN)
            return MATCH_GENERAL;
        return set_integer(result, op == MATCH_MINUS || a < 0 ? -a : a);
    default:
        return set_integer(result, a);
    }
}

/* Floats below this round to integers of 64 bits. */
#define ROUND_MAX 4611686018427387904.0

static match_outcome_t unary_double(match_value_t *result, match_op_t op, double a) {
    switch (op) {
    case MATCH_BNOT:
        return MATCH_NO;
    case MATCH_MINUS:
    case MATCH_ABS:
        if (a == 0)
            return MATCH_GENERAL;
        return set_double(result, op == MATCH_MINUS ? -a : fabs(a));
    case MATCH_ROUND:
    case MATCH_TRUNC:
        if (fabs(a) >= ROUND_MAX)
            return MATCH_GENERAL;
        return set_integer(result, (ErlNifSInt64)(op == MATCH_ROUND ? round(a) : trunc(a)));
    default:
        return set_double(result, a);
    }
}

match_outcome_t match_arithmetic(match_run_t *run, match_op_t op, match_value_t *arguments) {
    number_t a;
    if (op < MATCH_BNOT)
        return binary(run, op, arguments);
    switch (get_number(run, arguments, &a)) {
    case INTEGER:
        return unary_integer(arguments, op, a.integer);
    case DOUBLE:
        return unary_double(arguments, op, a.number);
    case LARGE:
        return MATCH_GENERAL;
    default:
        return MATCH_NO;
    }
}
