/* The functions of guards and bodies that are no arithmetic: comparisons, types, parts of terms. */
#include "nif_match.h"

static match_outcome_t set_boolean(match_value_t *result, bool value) {
    result->where = VALUE_OWN;
    result->term = value ? nif_atom.true_ : nif_atom.false_;
    return MATCH_YES;
}

static match_outcome_t set_term(match_value_t *result, ERL_NIF_TERM term) {
    result->where = VALUE_TERM;
    result->term = term;
    return MATCH_YES;
}

static match_outcome_t set_integer(match_value_t *result, size_t value) {
    result->where = VALUE_INTEGER;
    result->integer = (ErlNifSInt64)value;
    return MATCH_YES;
}

/* An integer of 64 bits. */
static bool get_integer(match_run_t *run, const match_value_t *value, ErlNifSInt64 *integer) {
    if (value->where == VALUE_INTEGER) {
        *integer = value->integer;
        return true;
    }
    return value->where != VALUE_DOUBLE && enif_get_int64(run->env, value->term, integer);
}

static match_outcome_t compare(match_run_t *run, match_op_t op, match_value_t *argument) {
    ErlNifSInt64 a, b;
    int order;
    if (get_integer(run, &argument[0], &a) && get_integer(run, &argument[1], &b)) {
        order = a < b ? -1 : a > b;
    } else {
        ERL_NIF_TERM left = match_term(run, &argument[0]), right = match_term(run, &argument[1]);
        if (op == MATCH_EQ_EXACT || op == MATCH_NE_EXACT)
            order = !enif_is_identical(left, right);
        else
            order = enif_compare(left, right);
    }
    switch (op) {
    case MATCH_EQ_EXACT:
    case MATCH_EQ:
        return set_boolean(argument, order == 0);
    case MATCH_NE_EXACT:
    case MATCH_NE:
        return set_boolean(argument, order != 0);
    case MATCH_LT:
        return set_boolean(argument, order < 0);
    case MATCH_LE:
        return set_boolean(argument, order <= 0);
    case MATCH_GT:
        return set_boolean(argument, order > 0);
    default:
        return set_boolean(argument, order >= 0);
    }
}

static bool is_boolean(const match_value_t *value, bool *boolean) {
    *boolean = value->where <= VALUE_OWN && value->term == nif_atom.true_;
    return *boolean || (value->where <= VALUE_OWN && value->term == nif_atom.false_);
}

static match_outcome_t negate(match_value_t *argument) {
    bool a;
    return is_boolean(&argument[0], &a) ? set_boolean(argument, !a) : MATCH_NO;
}

static match_outcome_t exclusive_or(match_value_t *argument) {
    bool a, b;
    if (!is_boolean(&argument[0], &a) || !is_boolean(&argument[1], &b))
        return MATCH_NO;
    return set_boolean(argument, a != b);
}

static match_outcome_t test_type(match_run_t *run, match_op_t op, match_value_t *argument) {
    ERL_NIF_TERM term = match_term(run, argument);
    ErlNifTermType type = enif_term_type(run->env, term);
    switch (op) {
    case MATCH_IS_ATOM:
        return set_boolean(argument, type == ERL_NIF_TERM_TYPE_ATOM);
    case MATCH_IS_INTEGER:
        return set_boolean(argument, type == ERL_NIF_TERM_TYPE_INTEGER);
    case MATCH_IS_FLOAT:
        return set_boolean(argument, type == ERL_NIF_TERM_TYPE_FLOAT);
    case MATCH_IS_NUMBER:
        return set_boolean(argument,
                           type == ERL_NIF_TERM_TYPE_INTEGER || type == ERL_NIF_TERM_TYPE_FLOAT);
    case MATCH_IS_BINARY:
        return set_boolean(argument, enif_is_binary(run->env, term));
    case MATCH_IS_LIST:
        return set_boolean(argument, type == ERL_NIF_TERM_TYPE_LIST);
    case MATCH_IS_TUPLE:
        return set_boolean(argument, type == ERL_NIF_TERM_TYPE_TUPLE);
    case MATCH_IS_MAP:
        return set_boolean(argument, type == ERL_NIF_TERM_TYPE_MAP);
    case MATCH_IS_PID:
        return set_boolean(argument, type == ERL_NIF_TERM_TYPE_PID);
    case MATCH_IS_PORT:
        return set_boolean(argument, type == ERL_NIF_TERM_TYPE_PORT);
    case MATCH_IS_REFERENCE:
        return set_boolean(argument, type == ERL_NIF_TERM_TYPE_REFERENCE);
    default:
        return set_boolean(argument, type == ERL_NIF_TERM_TYPE_FUN);
    }
}

static match_outcome_t is_record(match_run_t *run, match_value_t *argument) {
    const ERL_NIF_TERM *element;
    ErlNifSInt64 size;
    int arity;
    ERL_NIF_TERM tag = match_term(run, &argument[1]);
    if (!enif_is_atom(run->env, tag))
        return MATCH_NO;
    /* An atom for a size fails up to OTP 27, and makes this false in OTP 29: the emulator says. */
    if (!get_integer(run, &argument[2], &size) || size < NIF_SMALL_MIN || size > NIF_SMALL_MAX)
        return MATCH_GENERAL;
    if (!enif_get_tuple(run->env, match_term(run, argument), &arity, &element) || arity != size)
        return set_boolean(argument, false);
    /* The emulator looks at the first element of {}, too. */
    return arity == 0 ? MATCH_GENERAL : set_boolean(argument, enif_is_identical(element[0], tag));
}

static match_outcome_t get_element(match_run_t *run, match_value_t *argument) {
    const ERL_NIF_TERM *element;
    ErlNifSInt64 position;
    int arity;
    if (!get_integer(run, &argument[0], &position) ||
        !enif_get_tuple(run->env, match_term(run, &argument[1]), &arity, &element) ||
        position < 1 || position > arity)
        return MATCH_NO;
    return set_term(argument, element[position - 1]);
}

static match_outcome_t get_map_value(match_run_t *run, match_op_t op, match_value_t *argument) {
    ERL_NIF_TERM map = match_term(run, &argument[1]), value;
    if (!enif_is_map(run->env, map))
        return MATCH_NO;
    bool there = enif_get_map_value(run->env, map, match_term(run, &argument[0]), &value);
    if (op == MATCH_IS_MAP_KEY)
        return set_boolean(argument, there);
    return there ? set_term(argument, value) : MATCH_NO;
}

static match_outcome_t get_part(match_run_t *run, match_op_t op, match_value_t *argument) {
    ERL_NIF_TERM head, tail;
    if (!enif_get_list_cell(run->env, match_term(run, argument), &head, &tail))
        return MATCH_NO;
    return set_term(argument, op == MATCH_HD ? head : tail);
}

static match_outcome_t get_size(match_run_t *run, match_op_t op, match_value_t *argument) {
    ERL_NIF_TERM term = match_term(run, argument);
    const ERL_NIF_TERM *element;
    ErlNifBinary bin;
    unsigned length;
    size_t size;
    int arity;
    switch (op) {
    case MATCH_LENGTH:
        if (!enif_get_list_length(run->env, term, &length))
            return MATCH_NO;
        run->cost += length / 4;
        return set_integer(argument, length);
    case MATCH_MAP_SIZE:
        return enif_get_map_size(run->env, term, &size) ? set_integer(argument, size) : MATCH_NO;
    case MATCH_SIZE:
        if (enif_get_tuple(run->env, term, &arity, &element))
            return set_integer(argument, (size_t)arity);
        break;
    default:
        break;
    }
    if (enif_inspect_binary(run->env, term, &bin))
        return set_integer(argument, op == MATCH_BIT_SIZE ? 8 * bin.size : bin.size);
    /* No function tells how many bits there are, if they are not whole bytes. */
    return enif_term_type(run->env, term) == ERL_NIF_TERM_TYPE_BITSTRING ? MATCH_GENERAL : MATCH_NO;
}

static match_outcome_t get_self(match_run_t *run, match_value_t *result) {
    ErlNifPid self;
    return set_term(result, enif_make_pid(run->env, enif_self(run->env, &self)));
}

match_outcome_t match_call(match_run_t *run, match_op_t op, match_value_t *arguments) {
    if (op <= MATCH_GE)
        return compare(run, op, arguments);
    if (op >= MATCH_IS_ATOM && op <= MATCH_IS_FUNCTION)
        return test_type(run, op, arguments);
    if (op >= MATCH_ADD && op <= MATCH_FLOAT)
        return match_arithmetic(run, op, arguments);
    switch (op) {
    case MATCH_NOT:
        return negate(arguments);
    case MATCH_XOR:
        return exclusive_or(arguments);
    case MATCH_IS_RECORD:
        return is_record(run, arguments);
    case MATCH_IS_MAP_KEY:
    case MATCH_MAP_GET:
        return get_map_value(run, op, arguments);
    case MATCH_ELEMENT:
        return get_element(run, arguments);
    case MATCH_HD:
    case MATCH_TL:
        return get_part(run, op, arguments);
    case MATCH_SELF:
        return get_self(run, arguments);
    default:
        return get_size(run, op, arguments);
    }
}
