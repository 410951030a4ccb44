/* Match specifications: clauses as code, and the life of the result. */
#include "nif_match.h"

#include <string.h>

#include "../core/oh_alloc.h"

/* Terms of a specification that are compiled where the caller is: about 100 us. */
#define INLINE_WORK 2000

static void free_code(match_spec_t *spec) {
    if (spec->code != spec->few_code)
        oh_free(spec->code);
}

match_code_t *match_emit(match_compiler_t *c, match_op_t op) {
    match_spec_t *spec = c->spec;
    if (spec->length == c->code_room) {
        uint32_t room = 2 * c->code_room;
        match_code_t *code = oh_alloc(room * sizeof *code);
        if (code == NULL) {
            c->enomem = true;
            return NULL;
        }
        memcpy(code, spec->code, spec->length * sizeof *code);
        free_code(spec);
        spec->code = code;
        c->code_room = room;
    }
    match_code_t *code = &spec->code[spec->length++];
    *code = (match_code_t){.op = (uint8_t)op};
    return code;
}

/* Whether nothing but what a guard asks for is run. */
static bool is_sure(match_compiler_t *c, ERL_NIF_TERM guard) {
    const match_spec_t *spec = c->spec;
    return spec->by_order && spec->count == 1 && spec->keys.reach == MATCH_RANGE &&
           match_is_bound(c, guard);
}

static bool compile_guards(match_compiler_t *c, ERL_NIF_TERM guards) {
    ERL_NIF_TERM guard, constant;
    while (enif_get_list_cell(c->env, guards, &guard, &guards)) {
        uint32_t length = c->spec->length;
        match_expression_t kind = match_compile_expression(c, guard, 0, &constant);
        if (kind == EXPRESSION_GENERAL)
            return false;
        c->stack = 0;
        if (kind == EXPRESSION_CODE && is_sure(c, guard)) {
            c->spec->length = length;
            continue;
        }
        match_code_t *code = match_emit(c, kind == EXPRESSION_CODE ? MATCH_TRUE : MATCH_CONSTANT);
        if (code == NULL)
            return false;
        if (kind == EXPRESSION_CONSTANT) {
            code->term = constant;
            if (match_emit(c, MATCH_TRUE) == NULL)
                return false;
        }
    }
    return enif_is_empty_list(c->env, guards);
}

/* The last expression's value counts; those before it have no effect, but may be malformed. */
static bool compile_body(match_compiler_t *c, ERL_NIF_TERM body) {
    ERL_NIF_TERM expression, constant;
    if (enif_is_empty_list(c->env, body) || match_emit(c, MATCH_CATCH) == NULL)
        return false;
    uint32_t length = c->spec->length;
    while (enif_get_list_cell(c->env, body, &expression, &body)) {
        c->spec->length = length;
        c->stack = 0;
        match_expression_t kind = match_compile_expression(c, expression, 0, &constant);
        if (kind == EXPRESSION_GENERAL)
            return false;
        if (kind == EXPRESSION_CONSTANT) {
            match_code_t *code = match_emit(c, MATCH_CONSTANT);
            if (code == NULL)
                return false;
            code->term = constant;
        }
    }
    return enif_is_empty_list(c->env, body) && match_emit(c, MATCH_RETURN) != NULL;
}

static bool compile_clause(match_compiler_t *c, const ERL_NIF_TERM clause[3]) {
    uint32_t begin = c->spec->length;
    c->stack = 0;
    bool compiled = match_compile_head(c, clause[0]);
    c->enomem = c->enomem || !match_add_keys(c, clause);
    return compiled && compile_guards(c, clause[1]) && compile_body(c, clause[2]) &&
           c->spec->length - begin <= MATCH_CODE;
}

/* The clauses one by one; those behind one that is not for here are still looked at for their
 * keys. */
static void compile_clauses(match_compiler_t *c, ERL_NIF_TERM list) {
    match_spec_t *spec = c->spec;
    const ERL_NIF_TERM *clause;
    ERL_NIF_TERM head;
    int arity;
    for (uint32_t i = 0; enif_get_list_cell(c->env, list, &head, &list); i++) {
        if (!enif_get_tuple(c->env, head, &arity, &clause) || arity != 3) {
            spec->general = true;
            spec->keys.reach = MATCH_ALL;
            return;
        }
        spec->clauses[i] = spec->length;
        bool compiled = compile_clause(c, clause);
        spec->general = spec->general || !compiled;
        if (c->enomem || c->work > c->work_limit)
            return;
    }
    spec->clauses[spec->count] = spec->length;
    match_end_keys(spec);
}

step_t match_compile(ErlNifEnv *env, ERL_NIF_TERM term, uint32_t keypos, bool by_order,
                     match_spec_t *spec) {
    match_compiler_t c;
    unsigned count;
    c.env = env;
    c.spec = spec;
    c.code_room = MATCH_FEW_CODE;
    c.work = 0;
    c.work_limit = nif_on_dirty_cpu() ? UINT64_MAX : INLINE_WORK;
    c.enomem = false;
    c.keypos = keypos;
    spec->general = false;
    spec->by_order = by_order;
    spec->count = 0;
    spec->length = 0;
    spec->clauses = spec->few_clauses;
    spec->code = spec->few_code;
    spec->keys = (match_keys_t){.reach = MATCH_NOTHING};
    if (!enif_get_list_length(env, term, &count)) {
        spec->general = true;
        spec->keys.reach = MATCH_ALL;
        return STEP_OK;
    }
    if (count > c.work_limit)
        return STEP_DIRTY;
    spec->count = count;
    if (count > MATCH_FEW_CLAUSES)
        spec->clauses = oh_alloc((count + 1) * sizeof *spec->clauses);
    if (spec->clauses == NULL)
        return STEP_ENOMEM;
    compile_clauses(&c, term);
    step_t step = c.enomem ? STEP_ENOMEM : c.work > c.work_limit ? STEP_DIRTY : STEP_OK;
    if (step != STEP_OK)
        match_free(spec);
    return step;
}

void match_free(match_spec_t *spec) {
    if (spec->clauses != spec->few_clauses)
        oh_free(spec->clauses);
    free_code(spec);
    oh_free(spec->keys.keys);
}
