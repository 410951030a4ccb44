/* Compiled match specifications as terms, and what they say of keys. */
#include "nif_match.h"

typedef struct {
    match_spec_t spec;
    ErlNifEnv *env; /* of the terms that spec refers to; NULL if there is none */
    ERL_NIF_TERM source;
} compiled_t;

static void match_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    compiled_t *compiled = obj;
    if (compiled->env == NULL)
        return;
    match_free(&compiled->spec);
    enif_free_env(compiled->env);
}

ErlNifResourceTypeInit nif_type_init_match = {.dtor = match_destroy, .members = 1};

static step_t make(ErlNifEnv *env, ERL_NIF_TERM term, const store_t *store, ERL_NIF_TERM *result) {
    compiled_t *compiled = enif_alloc_resource(nif_type_match, sizeof *compiled);
    step_t step = STEP_ENOMEM;
    *result = enif_make_resource(env, compiled);
    compiled->env = enif_alloc_env();
    if (compiled->env != NULL) {
        compiled->source = enif_make_copy(compiled->env, term);
        step = match_compile(compiled->env, compiled->source, store->keypos, store->tree != NULL,
                             &compiled->spec);
        if (step != STEP_OK) {
            enif_free_env(compiled->env);
            compiled->env = NULL;
        }
    }
    enif_release_resource(compiled);
    return step;
}

bool match_make(ErlNifEnv *env, ERL_NIF_TERM term, const store_t *store, ERL_NIF_TERM *result) {
    return make(env, term, store, result) == STEP_OK;
}

const match_spec_t *match_get(ErlNifEnv *env, ERL_NIF_TERM term) {
    compiled_t *compiled;
    return enif_get_resource(env, term, nif_type_match, (void **)&compiled) ? &compiled->spec
                                                                            : NULL;
}

/* store_match_compile(Store, MatchSpec) -> Compiled. In proportion to the specification, beyond
 * 2,000 terms on a dirty scheduler. */
ERL_NIF_TERM nif_store_match_compile(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    ERL_NIF_TERM result;
    step_t step = STEP_BADARG;
    if (enif_get_resource(env, argv[0], nif_type_store, (void **)&s))
        step = make(env, argv[1], s, &result);
    return step == STEP_OK ? result : store_end(env, step, nif_store_match_compile, argc, argv);
}

/* store_match_source(Compiled) -> MatchSpec. In proportion to its size. */
ERL_NIF_TERM nif_store_match_source(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    compiled_t *compiled;
    (void)argc;
    if (!enif_get_resource(env, argv[0], nif_type_match, (void **)&compiled))
        return enif_make_badarg(env);
    return enif_make_copy(env, compiled->source);
}

/* {Operator, Term}, or unbound. */
static ERL_NIF_TERM make_bound(ErlNifEnv *env, match_bound_t bound, ERL_NIF_TERM term,
                               ERL_NIF_TERM inclusive, ERL_NIF_TERM exclusive) {
    if (bound == MATCH_UNBOUND)
        return nif_atom.unbound;
    return enif_make_tuple2(env, bound == MATCH_INCLUSIVE ? inclusive : exclusive, term);
}

static ERL_NIF_TERM make_keys(ErlNifEnv *env, const match_keys_t *keys) {
    switch (keys->reach) {
    case MATCH_NOTHING:
        return enif_make_tuple2(env, nif_atom.keys, enif_make_list(env, 0));
    case MATCH_KEYS:
        return enif_make_tuple2(env, nif_atom.keys,
                                enif_make_list_from_array(env, keys->keys, keys->count));
    case MATCH_RANGE:
        return enif_make_tuple4(
            env, nif_atom.range,
            make_bound(env, keys->lower_bound, keys->lower, nif_atom.ge, nif_atom.gt),
            make_bound(env, keys->upper_bound, keys->upper, nif_atom.le, nif_atom.lt),
            keys->has_prefix ? keys->prefix : nif_atom.underscore);
    default:
        return nif_atom.all;
    }
}

static step_t compile(ErlNifEnv *env, const ERL_NIF_TERM argv[], match_spec_t *spec) {
    unsigned keypos;
    bool by_order;
    if (!enif_get_uint(env, argv[1], &keypos) || keypos == 0 || !nif_get_bool(argv[2], &by_order))
        return STEP_BADARG;
    return match_compile(env, argv[0], keypos, by_order, spec);
}

/* store_match_keys(MatchSpec, KeyPos, ByOrder) -> {keys, Keys} | {range, Lower, Upper, Pattern} |
 * all: which keys can match, where keys are compared by == or =:=. Time as store_match_compile. */
ERL_NIF_TERM nif_store_match_keys(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    match_spec_t spec;
    step_t step = compile(env, argv, &spec);
    if (step != STEP_OK)
        return store_end(env, step, nif_store_match_keys, argc, argv);
    ERL_NIF_TERM result = make_keys(env, &spec.keys);
    match_free(&spec);
    return result;
}

/* store_match_place(MatchSpec, KeyPos, ByOrder, Key) -> -1 | 0 | 1: whether the key is before,
 * among or behind those that can match, where these are a range. Time as store_match_compile. */
ERL_NIF_TERM nif_store_match_place(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    match_spec_t spec;
    step_t step = compile(env, argv, &spec);
    if (step != STEP_OK)
        return store_end(env, step, nif_store_match_place, argc, argv);
    int place = match_place(env, &spec.keys, argv[3]);
    match_free(&spec);
    return enif_make_int(env, place);
}
