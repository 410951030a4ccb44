/* Expressions of guards and bodies as code for a stack, their constants folded. */
#include "nif_match.h"

#include "../core/oh_alloc.h"

typedef struct {
    ERL_NIF_TERM name;
    uint8_t arity, op;
} function_t;

/* The function of that name and arity, or -1. */
static int find_function(ERL_NIF_TERM name, int arity) {
    const function_t functions[] = {
#define MATCH_FUNCTION_ENTRY(name, arity, op) {nif_atom.name, arity, MATCH_##op},
        MATCH_FUNCTIONS(MATCH_FUNCTION_ENTRY)
#undef MATCH_FUNCTION_ENTRY
    };
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (functions[i].name == name && functions[i].arity == arity)
            return functions[i].op;
    return -1;
}

/* --- Emitting: each counts what it does to the stack --- */

static match_code_t *emit_stack(match_compiler_t *c, match_op_t op, uint32_t pops) {
    match_code_t *code = match_emit(c, op);
    c->stack = c->stack - pops + 1;
    return c->stack > MATCH_STACK ? NULL : code;
}

static bool emit_constant(match_compiler_t *c, ERL_NIF_TERM term) {
    match_code_t *code = emit_stack(c, MATCH_CONSTANT, 0);
    if (code != NULL)
        code->term = term;
    return code != NULL;
}

static bool emit_operand(match_compiler_t *c, uint8_t base, uint32_t index) {
    match_code_t *code = emit_stack(c, MATCH_PUSH, 0);
    if (code == NULL)
        return false;
    code->base = base;
    code->index = index;
    return true;
}

/* An operation on the n on top. */
static bool emit_many(match_compiler_t *c, match_op_t op, uint32_t n) {
    match_code_t *code = emit_stack(c, op, n);
    if (code != NULL)
        code->n = n;
    return code != NULL;
}

/* Code that pushes the expression's value, also if it is a constant. */
static bool push(match_compiler_t *c, ERL_NIF_TERM term, uint32_t depth) {
    ERL_NIF_TERM constant = OH_WORD_NONE;
    switch (match_compile_expression(c, term, depth, &constant)) {
    case EXPRESSION_CODE:
        return true;
    case EXPRESSION_CONSTANT:
        return emit_constant(c, constant);
    default:
        return false;
    }
}

/* --- Constructors --- */

/* Pushes the elements. If all are constants, nothing is emitted and folded holds them. */
static match_expression_t push_elements(match_compiler_t *c, const ERL_NIF_TERM *element,
                                        uint32_t arity, uint32_t depth, ERL_NIF_TERM *folded) {
    uint32_t length = c->spec->length, stack = c->stack;
    bool constant = true;
    for (uint32_t i = 0; i < arity; i++) {
        match_expression_t kind = match_compile_expression(c, element[i], depth, &folded[i]);
        if (kind == EXPRESSION_GENERAL ||
            (kind == EXPRESSION_CONSTANT && !emit_constant(c, folded[i])))
            return EXPRESSION_GENERAL;
        constant = constant && kind == EXPRESSION_CONSTANT;
    }
    if (!constant)
        return EXPRESSION_CODE;
    c->spec->length = length;
    c->stack = stack;
    return EXPRESSION_CONSTANT;
}

/* {{...}} */
static match_expression_t compile_tuple(match_compiler_t *c, ERL_NIF_TERM term, uint32_t depth,
                                        ERL_NIF_TERM *constant) {
    const ERL_NIF_TERM *element;
    ERL_NIF_TERM folded[MATCH_STACK];
    int arity;
    enif_get_tuple(c->env, term, &arity, &element);
    if (arity > MATCH_STACK)
        return EXPRESSION_GENERAL;
    match_expression_t kind = push_elements(c, element, (uint32_t)arity, depth, folded);
    if (kind == EXPRESSION_CONSTANT)
        *constant = enif_make_tuple_from_array(c->env, folded, (unsigned)arity);
    else if (kind == EXPRESSION_CODE && !emit_many(c, MATCH_MAKE_TUPLE, (uint32_t)arity))
        return EXPRESSION_GENERAL;
    return kind;
}

static bool is_special(match_compiler_t *c, ERL_NIF_TERM term) {
    return term == nif_atom.object || term == nif_atom.bindings ||
           match_variable(c->env, term) != MATCH_NO_VARIABLE;
}

/* Terms that stand for themselves. */
static bool is_plain(match_compiler_t *c, ERL_NIF_TERM term) {
    switch (enif_term_type(c->env, term)) {
    case ERL_NIF_TERM_TYPE_ATOM:
        return !is_special(c, term);
    case ERL_NIF_TERM_TYPE_LIST:
        return enif_is_empty_list(c->env, term);
    case ERL_NIF_TERM_TYPE_TUPLE:
    case ERL_NIF_TERM_TYPE_MAP:
        return false;
    default:
        return true;
    }
}

/* Lists of plain terms, such as strings, may be longer than the stack is deep. */
static bool is_plain_list(match_compiler_t *c, ERL_NIF_TERM term) {
    ERL_NIF_TERM head;
    while (enif_get_list_cell(c->env, term, &head, &term)) {
        if (++c->work > c->work_limit || !is_plain(c, head))
            return false;
    }
    return is_plain(c, term);
}

static match_expression_t compile_list(match_compiler_t *c, ERL_NIF_TERM term, uint32_t depth,
                                       ERL_NIF_TERM *constant) {
    ERL_NIF_TERM element[MATCH_STACK], folded[MATCH_STACK];
    uint32_t count = 0;
    if (is_plain_list(c, term)) {
        *constant = term;
        return EXPRESSION_CONSTANT;
    }
    while (count < MATCH_STACK - 1 && enif_get_list_cell(c->env, term, &element[count], &term))
        count++;
    element[count] = term; /* of a longer list a rest that is a list: one more level */
    match_expression_t kind = push_elements(c, element, count + 1, depth, folded);
    if (kind == EXPRESSION_CONSTANT) {
        *constant = folded[count];
        while (count > 0)
            *constant = enif_make_list_cell(c->env, folded[--count], *constant);
    } else if (kind == EXPRESSION_CODE) {
        for (; count > 0; count--)
            if (!emit_many(c, MATCH_CONS, 2))
                return EXPRESSION_GENERAL;
    }
    return kind;
}

/* Keys are expressions, as values are. */
static match_expression_t compile_map(match_compiler_t *c, ERL_NIF_TERM term, uint32_t depth,
                                      ERL_NIF_TERM *constant) {
    ERL_NIF_TERM element[MATCH_STACK], folded[MATCH_STACK];
    ErlNifMapIterator it;
    uint32_t count = 0;
    size_t pairs;
    if (!enif_get_map_size(c->env, term, &pairs) || pairs > MATCH_STACK / 2 ||
        !enif_map_iterator_create(c->env, term, &it, ERL_NIF_MAP_ITERATOR_FIRST))
        return EXPRESSION_GENERAL;
    for (; count < pairs; count++) {
        enif_map_iterator_get_pair(c->env, &it, &element[count], &element[count + pairs]);
        enif_map_iterator_next(c->env, &it);
    }
    enif_map_iterator_destroy(c->env, &it);
    match_expression_t kind = push_elements(c, element, 2 * count, depth, folded);
    if (kind == EXPRESSION_CONSTANT)
        *constant = match_make_map(c->env, folded, folded + count, count);
    else if (kind == EXPRESSION_CODE && !emit_many(c, MATCH_MAKE_MAP, 2 * count))
        return EXPRESSION_GENERAL;
    return kind;
}

/* '$$': the variables in the order of their numbers. */
static match_expression_t compile_bindings(match_compiler_t *c) {
    for (uint32_t i = 0; i < c->variables; i++)
        if (!emit_operand(c, c->variable[i].base, c->variable[i].index))
            return EXPRESSION_GENERAL;
    if (!emit_constant(c, enif_make_list(c->env, 0)))
        return EXPRESSION_GENERAL;
    for (uint32_t i = 0; i < c->variables; i++)
        if (!emit_many(c, MATCH_CONS, 2))
            return EXPRESSION_GENERAL;
    return EXPRESSION_CODE;
}

/* --- Calls --- */

/* andalso and orelse of the arguments: the last one's value, unless one before decides. */
static match_expression_t compile_until(match_compiler_t *c, match_op_t op,
                                        const ERL_NIF_TERM *argument, uint32_t count,
                                        uint32_t depth) {
    uint32_t jumps[MATCH_STACK];
    if (count == 0 || count > MATCH_STACK)
        return EXPRESSION_GENERAL;
    for (uint32_t i = 0; i < count; i++) {
        if (!push(c, argument[i], depth))
            return EXPRESSION_GENERAL;
        if (i + 1 == count)
            break;
        jumps[i] = c->spec->length;
        if (match_emit(c, op) == NULL)
            return EXPRESSION_GENERAL;
        c->stack--;
    }
    for (uint32_t i = 0; i + 1 < count; i++)
        c->spec->code[jumps[i]].n = c->spec->length - jumps[i] - 1;
    return EXPRESSION_CODE;
}

static match_expression_t compile_call(match_compiler_t *c, const ERL_NIF_TERM *element, int arity,
                                       uint32_t depth, ERL_NIF_TERM *constant) {
    ERL_NIF_TERM name = element[0];
    uint32_t count = (uint32_t)arity - 1;
    if (name == nif_atom.const_) {
        *constant = element[arity - 1];
        c->work += nif_measure(c->env, *constant, c->work_limit).words;
        return count == 1 ? EXPRESSION_CONSTANT : EXPRESSION_GENERAL;
    }
    if (name == nif_atom.andalso)
        return compile_until(c, MATCH_ANDALSO, element + 1, count, depth);
    if (name == nif_atom.orelse)
        return compile_until(c, MATCH_ORELSE, element + 1, count, depth);
    bool many = name == nif_atom.and_ || name == nif_atom.or_;
    int op = !many ? find_function(name, arity - 1) : name == nif_atom.and_ ? MATCH_AND : MATCH_OR;
    if (op < 0 || (many && count == 0))
        return EXPRESSION_GENERAL;
    for (uint32_t i = 1; i <= count; i++)
        if (!push(c, element[i], depth))
            return EXPRESSION_GENERAL;
    return emit_many(c, (match_op_t)op, count) ? EXPRESSION_CODE : EXPRESSION_GENERAL;
}

static match_expression_t compile_atom(match_compiler_t *c, ERL_NIF_TERM term,
                                       ERL_NIF_TERM *constant) {
    if (term == nif_atom.object)
        return emit_operand(c, MATCH_OBJECT, 0) ? EXPRESSION_CODE : EXPRESSION_GENERAL;
    if (term == nif_atom.bindings)
        return compile_bindings(c);
    int number = match_variable(c->env, term);
    if (number == MATCH_NO_VARIABLE) {
        *constant = term;
        return EXPRESSION_CONSTANT;
    }
    const match_variable_t *variable = match_find_variable(c, number);
    if (variable == NULL || !emit_operand(c, variable->base, variable->index))
        return EXPRESSION_GENERAL;
    return EXPRESSION_CODE;
}

match_expression_t match_compile_expression(match_compiler_t *c, ERL_NIF_TERM term, uint32_t depth,
                                            ERL_NIF_TERM *constant) {
    const ERL_NIF_TERM *element;
    int arity;
    if (depth == MATCH_DEPTH || ++c->work > c->work_limit)
        return EXPRESSION_GENERAL;
    switch (enif_term_type(c->env, term)) {
    case ERL_NIF_TERM_TYPE_ATOM:
        return compile_atom(c, term, constant);
    case ERL_NIF_TERM_TYPE_LIST:
        return compile_list(c, term, depth + 1, constant);
    case ERL_NIF_TERM_TYPE_MAP:
        return compile_map(c, term, depth + 1, constant);
    case ERL_NIF_TERM_TYPE_TUPLE:
        enif_get_tuple(c->env, term, &arity, &element);
        if (arity == 1 && enif_is_tuple(c->env, element[0]))
            return compile_tuple(c, element[0], depth + 1, constant);
        if (arity == 0 || !enif_is_atom(c->env, element[0]))
            return EXPRESSION_GENERAL;
        return compile_call(c, element, arity, depth + 1, constant);
    default:
        *constant = term;
        return EXPRESSION_CONSTANT;
    }
}
