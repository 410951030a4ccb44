/*
 * safe_fixtable: who has fixed a store. Traversals need no fixing here; what is kept is what info/2
 * shows.
 *
 * A list of processes with their counts, under a lock that is held for a walk over it. Processes
 * that ended are taken out by whoever meets them, which needs no monitor.
 */
#include "nif_store.h"
#include "nif_store_index.h"

#include "../core/oh_alloc.h"

struct store_fixer {
    store_fixer_t *next;
    ErlNifPid pid;
    uint64_t count;
};

void store_fixes_end(store_fixes_t *fixes) {
    for (store_fixer_t *next, *f = fixes->first; f != NULL; f = next) {
        next = f->next;
        oh_free(f);
    }
}

static void unlink_fixer(store_fixer_t **at) {
    store_fixer_t *gone = *at;
    *at = gone->next;
    oh_free(gone);
}

/* The place of the process's fixer, or of the end. */
static store_fixer_t **find_fixer(store_fixes_t *fixes, const ErlNifPid *pid) {
    store_fixer_t **at = &fixes->first;
    while (*at != NULL && enif_compare_pids(&(*at)->pid, pid) != 0)
        at = &(*at)->next;
    return at;
}

/* False when memory is out. */
static bool fix(ErlNifEnv *env, store_fixes_t *fixes, const ErlNifPid *self, ErlNifSInt64 now) {
    store_fixer_t *f = *find_fixer(fixes, self);
    if (f != NULL) {
        f->count++;
        return true;
    }
    f = oh_alloc(sizeof *f);
    if (f == NULL)
        return false;
    /* If all that fixed it are gone, it is fixed from now on. */
    while (fixes->first != NULL && !enif_is_process_alive(env, &fixes->first->pid))
        unlink_fixer(&fixes->first);
    if (fixes->first == NULL)
        fixes->since = now;
    *f = (store_fixer_t){.next = fixes->first, .pid = *self, .count = 1};
    fixes->first = f;
    return true;
}

static void unfix(store_fixes_t *fixes, const ErlNifPid *self) {
    store_fixer_t **at = find_fixer(fixes, self);
    if (*at != NULL && --(*at)->count == 0)
        unlink_fixer(at);
}

/* store_safe_fixtable(Store, Fix, Now) -> true. O(processes that have fixed it) */
ERL_NIF_TERM nif_store_safe_fixtable(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    bool on, done = true;
    ErlNifSInt64 now;
    ErlNifPid self;
    if (!store_get(env, argv[0], STORE_READ, &s) || !nif_get_bool(argv[1], &on) ||
        !enif_get_int64(env, argv[2], &now) || enif_self(env, &self) == NULL ||
        store_index_closed(s))
        return enif_make_badarg(env);
    oh_lock(&s->fixes.lock);
    if (on)
        done = fix(env, &s->fixes, &self, now);
    else
        unfix(&s->fixes, &self);
    oh_unlock(&s->fixes.lock);
    return done ? nif_atom.true_ : store_end(env, STEP_ENOMEM, nif_store_safe_fixtable, argc, argv);
}

/* store_fixed(Store) -> {Since, [{Pid, Count}]} | false. O(processes that have fixed it) */
ERL_NIF_TERM nif_store_fixed(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    store_t *s;
    ERL_NIF_TERM list = enif_make_list(env, 0);
    if (!enif_get_resource(env, argv[0], nif_type_store, (void **)&s))
        return enif_make_badarg(env);
    oh_lock(&s->fixes.lock);
    store_fixer_t **at = &s->fixes.first;
    while (*at != NULL) {
        if (!enif_is_process_alive(env, &(*at)->pid)) {
            unlink_fixer(at);
            continue;
        }
        list = enif_make_list_cell(env,
                                   enif_make_tuple2(env, enif_make_pid(env, &(*at)->pid),
                                                    enif_make_uint64(env, (*at)->count)),
                                   list);
        at = &(*at)->next;
    }
    ERL_NIF_TERM since = enif_make_int64(env, s->fixes.since);
    oh_unlock(&s->fixes.lock);
    return enif_is_empty_list(env, list) ? nif_atom.false_ : enif_make_tuple2(env, since, list);
}
