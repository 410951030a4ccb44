/* Runs compiled match specifications on entries of a store. */
#include "nif_match.h"

#include <string.h>

/* Terms that scratch may hold before it is cleared. */
#define SCRATCH_MAX 256

/* --- Environments --- */

void match_start(match_run_t *run, const match_spec_t *spec, const store_t *store, ErlNifEnv *env,
                 bool keep) {
    run->spec = spec;
    run->store = store;
    run->env = env;
    run->scratch = NULL;
    run->scratched = 0;
    run->keep = keep;
    run->cost = 0;
}

void match_stop(match_run_t *run) {
    if (run->scratch != NULL)
        enif_free_env(run->scratch);
}

/* Without memory for another environment the caller's holds what does not last, too. */
ErlNifEnv *match_scratch(match_run_t *run) {
    if (run->scratch == NULL)
        run->scratch = enif_alloc_env();
    run->scratched++;
    return oh_likely(run->scratch != NULL) ? run->scratch : run->env;
}

/* --- Entries --- */

/* The elements of a cell's object; those that are not words of their own are absent as yet. */
static void enter_cell(match_run_t *run, const oh_entry_t *entry) {
    const oh_cell_t *cell = entry->cell;
    ERL_NIF_TERM key = cell->key_words > 0 ? OH_WORD_NONE : entry->key;
    run->base[1] = run->element;
    if (flat_kind(cell) != FLAT_OBJECT) {
        run->arity = 2;
        run->element[0] = key;
        run->element[1] = flat_kind(cell) == FLAT_IMMEDIATE ? flat_value(cell)[0] : OH_WORD_NONE;
        return;
    }
    run->arity = flat_value_words(cell);
    if (cell->key_words > 0)
        memcpy(run->element, flat_value(cell), run->arity * sizeof run->element[0]);
    else
        run->base[1] = flat_value(cell);
}

static void enter(match_run_t *run, const oh_entry_t *entry) {
    int arity;
    run->entry = entry;
    run->object = OH_WORD_NONE;
    run->base[0] = run->reg;
    if (entry->cell != NULL) {
        enter_cell(run, entry);
    } else if (entry->form == OH_FORM_VALUE) {
        run->arity = 2;
        run->element[0] = entry->key;
        run->element[1] = entry->value;
        run->base[1] = run->element;
    } else {
        enif_get_tuple(run->env, entry->value, &arity, &run->base[1]);
        run->arity = (uint32_t)arity;
    }
}

/* An element of a cell's object that is flat, as a term of env. */
static ERL_NIF_TERM build_element(match_run_t *run, ErlNifEnv *env, uint32_t index) {
    return index == run->store->keypos - 1 ? store_make_key(env, run->entry)
                                           : flat_make_value(env, run->entry->cell);
}

/* The same to look at. */
static ERL_NIF_TERM make_element(match_run_t *run, uint32_t index) {
    return run->element[index] = build_element(run, match_scratch(run), index);
}

static ERL_NIF_TERM get_object(match_run_t *run) {
    if (run->object == OH_WORD_NONE) {
        if (run->entry->form == OH_FORM_OBJECT)
            run->object = run->entry->value;
        else
            run->object = store_make_object(match_scratch(run), run->store, run->entry);
    }
    return run->object;
}

static inline ERL_NIF_TERM get_operand(match_run_t *run, uint32_t base, uint32_t index) {
    if (base == MATCH_OBJECT)
        return get_object(run);
    ERL_NIF_TERM term = run->base[base][index];
    return oh_likely(term != OH_WORD_NONE) ? term : make_element(run, index);
}

/* --- Heads --- */

static bool match_tuple(match_run_t *run, const match_code_t *code) {
    const ERL_NIF_TERM **to = &run->base[code->to];
    int arity;
    if (code->base == MATCH_OBJECT)
        return run->arity == code->n; /* base 1 is set */
    ERL_NIF_TERM term = run->base[code->base][code->index];
    if (term == OH_WORD_NONE && code->index != run->store->keypos - 1) {
        *to = flat_value(run->entry->cell);
        return flat_value_words(run->entry->cell) == code->n;
    }
    if (term == OH_WORD_NONE)
        term = make_element(run, code->index);
    return enif_get_tuple(run->env, term, &arity, to) && (uint32_t)arity == code->n;
}

static bool match_double(ErlNifEnv *env, ERL_NIF_TERM term, ERL_NIF_TERM pattern) {
    double a, b;
    return enif_get_double(env, term, &a) && enif_get_double(env, pattern, &b) &&
           memcmp(&a, &b, sizeof a) == 0; // NOLINT(*memory-comparison): -0.0 is not 0.0
}

static bool match_map(ErlNifEnv *env, ERL_NIF_TERM term, uint32_t pairs) {
    size_t size;
    return enif_get_map_size(env, term, &size) && size >= pairs;
}

static bool match_head(match_run_t *run, const match_code_t *code) {
    if (code->op == MATCH_TUPLE)
        return match_tuple(run, code);
    ERL_NIF_TERM term = get_operand(run, code->base, code->index);
    switch (code->op) {
    case MATCH_WORD:
        return term == code->term;
    case MATCH_TERM:
        return enif_is_identical(term, code->term);
    case MATCH_DOUBLE:
        return match_double(run->env, term, code->term);
    case MATCH_SAME:
        return enif_is_identical(get_operand(run, code->to, code->n), term);
    case MATCH_LIST:
        return enif_get_list_cell(run->env, term, &run->reg[code->to], &run->reg[code->to + 1]);
    case MATCH_MAP:
        return match_map(run->env, term, code->n);
    default: /* MATCH_KEY */
        return enif_get_map_value(run->env, term, code->term, &run->reg[code->to]);
    }
}

/* --- Values --- */

ERL_NIF_TERM match_term(match_run_t *run, const match_value_t *value) {
    switch (value->where) {
    case VALUE_INTEGER:
        run->scratched++;
        return enif_make_int64(run->out, value->integer);
    case VALUE_DOUBLE:
        run->scratched++;
        return enif_make_double(run->out, value->number);
    default:
        return value->term;
    }
}

ERL_NIF_TERM match_own(match_run_t *run, const match_value_t *value) {
    run->scratched++;
    return value->where == VALUE_TERM ? enif_make_copy(run->out, value->term)
                                      : match_term(run, value);
}

static bool is_true(const match_value_t *value) {
    return value->where <= VALUE_OWN && value->term == nif_atom.true_;
}

static bool is_false(const match_value_t *value) {
    return value->where <= VALUE_OWN && value->term == nif_atom.false_;
}

static void set_own(match_value_t *value, ERL_NIF_TERM term) {
    value->where = VALUE_OWN;
    value->term = term;
}

/* --- Guards and bodies --- */

static void make_tuple(match_run_t *run, match_value_t *first, uint32_t n) {
    ERL_NIF_TERM element[MATCH_STACK];
    for (uint32_t i = 0; i < n; i++)
        element[i] = match_own(run, &first[i]);
    set_own(first, enif_make_tuple_from_array(run->out, element, n));
}

/* Keys that come again are taken one by one: the emulator's bulk call refuses them. */
ERL_NIF_TERM match_make_map(ErlNifEnv *env, ERL_NIF_TERM *keys, ERL_NIF_TERM *values,
                            uint32_t count) {
    ERL_NIF_TERM map;
    if (oh_likely(enif_make_map_from_arrays(env, keys, values, count, &map)))
        return map;
    map = enif_make_new_map(env);
    for (uint32_t i = 0; i < count; i++)
        enif_make_map_put(env, map, keys[i], values[i], &map);
    return map;
}

static void make_map(match_run_t *run, match_value_t *first, uint32_t n) {
    ERL_NIF_TERM element[MATCH_STACK];
    for (uint32_t i = 0; i < n; i++)
        element[i] = match_own(run, &first[i]);
    set_own(first, match_make_map(run->out, element, element + n / 2, n / 2));
}

static void make_cons(match_run_t *run, match_value_t *first) {
    ERL_NIF_TERM head = match_own(run, &first[0]);
    set_own(first, enif_make_list_cell(run->out, head, match_own(run, &first[1])));
}

/* and, or of the n values: all must be boolean. False: they are not. */
static bool combine(match_value_t *first, uint32_t n, bool all) {
    bool result = all;
    for (uint32_t i = 0; i < n; i++) {
        if (!is_true(&first[i]) && !is_false(&first[i]))
            return false;
        result = all ? result && is_true(&first[i]) : result || is_true(&first[i]);
    }
    set_own(first, result ? nif_atom.true_ : nif_atom.false_);
    return true;
}

/* Pushes an operand. What is no term yet is built at once where a body's value is to stay. */
static void push_operand(match_run_t *run, const match_code_t *code, match_value_t *top) {
    bool keeps = run->catches && run->keep;
    if (keeps && code->base == MATCH_OBJECT && run->object == OH_WORD_NONE) {
        set_own(top, store_make_object(run->out, run->store, run->entry));
    } else if (keeps && code->base == 1 && run->base[1][code->index] == OH_WORD_NONE) {
        set_own(top, build_element(run, run->out, code->index));
    } else {
        top->where = VALUE_TERM;
        top->term = get_operand(run, code->base, code->index);
    }
}

/* One instruction that makes a value, or fails. *top: behind the values. */
static match_outcome_t evaluate(match_run_t *run, const match_code_t *code, match_value_t **top) {
    match_value_t *first = *top - code->n;
    *top = first + 1;
    switch (code->op) {
    case MATCH_PUSH:
        push_operand(run, code, first);
        return MATCH_YES;
    case MATCH_CONSTANT:
        first->where = VALUE_TERM;
        first->term = code->term;
        return MATCH_YES;
    case MATCH_CONS:
        make_cons(run, first);
        return MATCH_YES;
    case MATCH_MAKE_TUPLE:
        make_tuple(run, first, code->n);
        return MATCH_YES;
    case MATCH_MAKE_MAP:
        make_map(run, first, code->n);
        return MATCH_YES;
    case MATCH_AND:
    case MATCH_OR:
        return combine(first, code->n, code->op == MATCH_AND) ? MATCH_YES : MATCH_NO;
    default:
        return match_call(run, (match_op_t)code->op, first);
    }
}

/* andalso, orelse: whether the value on top decides. MATCH_NO: it is not boolean, which decides,
 * too. */
static match_outcome_t decide(const match_code_t *code, const match_value_t *value, bool *decided) {
    bool yes = is_true(value), no = is_false(value);
    *decided = code->op == MATCH_ANDALSO ? !yes : !no;
    return yes || no ? MATCH_YES : MATCH_NO;
}

/* A clause's code, from its first instruction on. */
static match_outcome_t run_clause(match_run_t *run, const match_code_t *code, ERL_NIF_TERM *value) {
    match_value_t *top = run->stack;
    run->catches = false;
    for (;; code++) {
        run->cost++;
        if (code->op <= MATCH_SAME) {
            if (!match_head(run, code))
                return MATCH_NO;
            continue;
        }
        if (code->op == MATCH_TRUE) {
            if (!is_true(--top))
                return MATCH_NO;
            continue;
        }
        if (code->op == MATCH_RETURN) {
            *value = run->keep ? match_own(run, top - 1) : match_term(run, top - 1);
            return MATCH_YES;
        }
        if (code->op == MATCH_CATCH) {
            run->catches = true;
            run->out = run->keep ? run->env : NULL;
            continue;
        }
        match_outcome_t outcome;
        if (code->op == MATCH_ANDALSO || code->op == MATCH_ORELSE) {
            bool decided;
            outcome = decide(code, top - 1, &decided);
            if (decided)
                code += code->n;
            else
                top--;
        } else {
            if (run->out == NULL && code->op > MATCH_CONSTANT)
                run->out = match_scratch(run);
            outcome = evaluate(run, code, &top);
        }
        if (oh_unlikely(outcome != MATCH_YES)) {
            if (outcome == MATCH_GENERAL || !run->catches)
                return outcome;
            set_own(top - 1, nif_atom.exit_);
        }
    }
}

match_outcome_t match_run(match_run_t *run, const oh_entry_t *entry, ERL_NIF_TERM *value) {
    const match_spec_t *spec = run->spec;
    if (oh_unlikely(run->scratched > SCRATCH_MAX)) {
        if (run->scratch != NULL)
            enif_clear_env(run->scratch);
        run->scratched = 0;
    }
    enter(run, entry);
    for (uint32_t i = 0; i < spec->count; i++) {
        run->out = NULL;
        match_outcome_t outcome = run_clause(run, spec->code + spec->clauses[i], value);
        if (outcome != MATCH_NO)
            return outcome;
    }
    return MATCH_NO;
}
