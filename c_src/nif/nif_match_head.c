/*
 * Heads of match specifications as code.
 *
 * The emulator compares the simple elements of a tuple or list before it takes apart the composed
 * ones, the last of these first. That order is kept: it decides which of two floats that are =:=
 * and differ in sign (before OTP 27) a variable stands for.
 */
#include "nif_match.h"

#include <stdlib.h>
#include <string.h>

int match_variable(ErlNifEnv *env, ERL_NIF_TERM term) {
    char name[256];
    if (term == nif_atom.variable_1)
        return 1;
    if (term == nif_atom.variable_2)
        return 2;
    int length = enif_get_atom(env, term, name, sizeof name, ERL_NIF_LATIN1) - 1;
    if (length < 2 || name[0] != '$')
        return MATCH_NO_VARIABLE;
    if (strspn(name + 1, "0123456789") != (size_t)length - 1 || (name[1] == '0' && length > 2))
        return MATCH_NO_VARIABLE;
    return length > 8 ? MATCH_BAD_VARIABLE : atoi(name + 1);
}

bool match_is_ground(match_compiler_t *c, ERL_NIF_TERM term, bool with_floats, uint32_t depth) {
    const ERL_NIF_TERM *element;
    ERL_NIF_TERM head;
    int arity;
    if (depth > MATCH_DEPTH || ++c->work > c->work_limit)
        return false;
    while (enif_get_list_cell(c->env, term, &head, &term))
        if (!match_is_ground(c, head, with_floats, depth + 1))
            return false;
    switch (enif_term_type(c->env, term)) {
    case ERL_NIF_TERM_TYPE_ATOM:
        return term != nif_atom.underscore && match_variable(c->env, term) == MATCH_NO_VARIABLE;
    case ERL_NIF_TERM_TYPE_MAP:
        return false;
    case ERL_NIF_TERM_TYPE_FLOAT:
        return with_floats;
    case ERL_NIF_TERM_TYPE_TUPLE:
        enif_get_tuple(c->env, term, &arity, &element);
        for (int i = 0; i < arity; i++)
            if (!match_is_ground(c, element[i], with_floats, depth + 1))
                return false;
        return true;
    default:
        return true;
    }
}

/* A part of the pattern, and the operand that it is to match. */
typedef struct {
    ERL_NIF_TERM term;
    uint8_t base;
    uint32_t index;
} part_t;

/* Parts yet to be taken apart, the last first. */
typedef struct {
    uint32_t depth;
    part_t part[MATCH_DEPTH];
} parts_t;

static match_code_t *emit(match_compiler_t *c, match_op_t op, part_t part) {
    match_code_t *code = match_emit(c, op);
    if (code != NULL) {
        code->base = part.base;
        code->index = part.index;
        code->term = part.term;
    }
    return code;
}

const match_variable_t *match_find_variable(const match_compiler_t *c, int number) {
    for (uint32_t i = 0; i < c->variables; i++)
        if (c->variable[i].number == number)
            return &c->variable[i];
    return NULL;
}

/* Binds the variable to the part, or compares it with what it is bound to. */
static bool compile_variable(match_compiler_t *c, int number, part_t part) {
    const match_variable_t *bound = match_find_variable(c, number);
    if (bound != NULL) {
        match_code_t *code = emit(c, MATCH_SAME, part);
        if (code == NULL)
            return false;
        code->to = bound->base;
        code->n = bound->index;
        return true;
    }
    if (number == MATCH_BAD_VARIABLE || c->variables == MATCH_VARIABLES)
        return false;
    uint32_t i = c->variables++;
    for (; i > 0 && c->variable[i - 1].number > number; i--)
        c->variable[i] = c->variable[i - 1];
    c->variable[i] = (match_variable_t){number, part.base, part.index};
    return true;
}

static bool compile_atom(match_compiler_t *c, part_t part) {
    if (part.term == nif_atom.underscore)
        return true;
    int number = match_variable(c->env, part.term);
    if (number != MATCH_NO_VARIABLE)
        return compile_variable(c, number, part);
    return emit(c, MATCH_WORD, part) != NULL;
}

/* A simple part becomes code, a composed one is put off. */
static bool compile_part(match_compiler_t *c, parts_t *parts, part_t part) {
    c->work++;
    switch (enif_term_type(c->env, part.term)) {
    case ERL_NIF_TERM_TYPE_ATOM:
        return compile_atom(c, part);
    case ERL_NIF_TERM_TYPE_FLOAT:
        return emit(c, MATCH_DOUBLE, part) != NULL;
    case ERL_NIF_TERM_TYPE_TUPLE:
    case ERL_NIF_TERM_TYPE_LIST:
        if (match_is_ground(c, part.term, false, 0))
            break;
        /* fall through */
    case ERL_NIF_TERM_TYPE_MAP:
        if (parts->depth == MATCH_DEPTH)
            return false;
        parts->part[parts->depth++] = part;
        return true;
    default:
        break;
    }
    match_op_t op = nif_is_immediate(c->env, part.term) ? MATCH_WORD : MATCH_TERM;
    return emit(c, op, part) != NULL;
}

static bool compile_tuple(match_compiler_t *c, parts_t *parts, part_t part) {
    const ERL_NIF_TERM *element;
    int arity;
    enif_get_tuple(c->env, part.term, &arity, &element);
    match_code_t *code = emit(c, MATCH_TUPLE, part);
    if (code == NULL || c->bases == MATCH_BASES)
        return false;
    uint8_t base = (uint8_t)c->bases++;
    code->to = base;
    code->n = (uint32_t)arity;
    for (int i = 0; i < arity; i++)
        if (!compile_part(c, parts, (part_t){element[i], base, (uint32_t)i}))
            return false;
    return true;
}

static bool compile_map(match_compiler_t *c, parts_t *parts, part_t part) {
    ErlNifMapIterator it;
    ERL_NIF_TERM key, value;
    size_t pairs;
    match_code_t *code = emit(c, MATCH_MAP, part);
    if (code == NULL || !enif_get_map_size(c->env, part.term, &pairs) || pairs > MATCH_REGISTERS ||
        !enif_map_iterator_create(c->env, part.term, &it, ERL_NIF_MAP_ITERATOR_FIRST))
        return false;
    code->n = (uint32_t)pairs;
    bool compiled = true;
    for (; compiled && enif_map_iterator_get_pair(c->env, &it, &key, &value);
         enif_map_iterator_next(c->env, &it)) {
        compiled = key != nif_atom.underscore && match_variable(c->env, key) == MATCH_NO_VARIABLE &&
                   c->registers < MATCH_REGISTERS && (code = emit(c, MATCH_KEY, part)) != NULL;
        if (!compiled)
            break;
        code->term = key;
        code->to = (uint8_t)c->registers++;
        compiled = compile_part(c, parts, (part_t){value, 0, code->to});
    }
    enif_map_iterator_destroy(c->env, &it);
    return compiled;
}

/* A list's cells, up to its end or to what stands there. */
static bool compile_list(match_compiler_t *c, parts_t *parts, part_t part) {
    ERL_NIF_TERM head, tail;
    while (enif_get_list_cell(c->env, part.term, &head, &tail)) {
        match_code_t *code = emit(c, MATCH_LIST, part);
        if (code == NULL || c->registers + 2 > MATCH_REGISTERS)
            return false;
        uint32_t to = c->registers;
        code->to = (uint8_t)to;
        c->registers += 2;
        if (!compile_part(c, parts, (part_t){head, 0, to}))
            return false;
        part = (part_t){tail, 0, to + 1};
    }
    if (enif_is_tuple(c->env, part.term))
        return compile_tuple(c, parts, part);
    if (enif_is_map(c->env, part.term))
        return compile_map(c, parts, part);
    return compile_part(c, parts, part);
}

bool match_compile_head(match_compiler_t *c, ERL_NIF_TERM head) {
    parts_t parts = {.depth = 0};
    part_t object = {head, MATCH_OBJECT, 0};
    c->bases = 1;
    c->registers = 0;
    c->variables = 0;
    /* Other heads match no object; the emulator sees to whether their clauses are well formed. */
    if (head == nif_atom.underscore)
        return true;
    int number = match_variable(c->env, head);
    if (number != MATCH_NO_VARIABLE)
        return compile_variable(c, number, object);
    if (!enif_is_tuple(c->env, head) || !compile_tuple(c, &parts, object))
        return false;
    while (parts.depth > 0) {
        part_t part = parts.part[--parts.depth];
        bool compiled = enif_is_tuple(c->env, part.term) ? compile_tuple(c, &parts, part)
                        : enif_is_map(c->env, part.term) ? compile_map(c, &parts, part)
                                                         : compile_list(c, &parts, part);
        if (!compiled)
            return false;
    }
    return true;
}
