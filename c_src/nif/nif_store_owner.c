/*
 * The store: owners, heirs, the end of a table.
 *
 * owner, monitor and heir change together under the table's lock, which is a leaf: nothing of the
 * emulator is called with it, since the callbacks come from a process that is exiting, with what
 * the emulator has locked. So a monitor is made first, then the change is tried, then what turned
 * out to be for nothing is undone. Whoever makes a process the owner looks afterwards whether it is
 * alive: its end may have come between the monitor and the change, and then nobody else would take
 * notice.
 *
 * All calls here are O(1) but for copying the data that goes with a table.
 */
#include "nif_store.h"

#include "../core/oh_alloc.h"
#include "../core/oh_reaper.h"

bool store_is_owner(ErlNifEnv *env, const store_t *s) {
    ErlNifPid self;
    return enif_self(env, &self) != NULL && enif_make_pid(env, &self) == oh_load_relaxed(&s->owner);
}

/* --- Heirs --- */

void store_free_heir(store_heir_t *heir) {
    if (heir == NULL)
        return;
    enif_free_env(heir->env);
    oh_free(heir);
}

static void free_retired_heir(oh_retired_t *retired) {
    store_free_heir(OH_CONTAINER_OF(retired, store_heir_t, retired));
}

/* Ends an heir that is the table's no more; others may be reading it. */
static void drop_heir(ErlNifEnv *env, store_t *s, store_heir_t *heir) {
    if (heir == NULL)
        return;
    enif_demonitor_process(env, s, &heir->monitor);
    if (!oh_epoch_pin())
        return; /* without memory for this thread's record the heir stays */
    oh_epoch_retire(&heir->retired, sizeof *heir, free_retired_heir);
    oh_epoch_unpin();
    oh_reaper_hint();
}

step_t store_make_heir(ErlNifEnv *env, store_t *s, ERL_NIF_TERM option, store_heir_t **heir) {
    const ERL_NIF_TERM *element;
    int arity;
    ErlNifPid pid;
    *heir = NULL;
    if (enif_is_identical(option, nif_atom.none))
        return STEP_OK;
    if (!enif_get_tuple(env, option, &arity, &element) || arity != 2 ||
        !enif_get_local_pid(env, element[0], &pid))
        return STEP_BADARG;
    store_heir_t *h = oh_alloc(sizeof *h);
    ErlNifEnv *own = h == NULL ? NULL : enif_alloc_env();
    if (own == NULL) {
        oh_free(h);
        return STEP_ENOMEM;
    }
    *h = (store_heir_t){.pid = pid, .env = own, .data = enif_make_copy(own, element[1])};
    if (enif_monitor_process(env, s, &h->pid, &h->monitor) == 0)
        *heir = h;
    else
        store_free_heir(h);
    return STEP_OK;
}

/* --- The end --- */

static void release_named(oh_named_t *named) {
    enif_release_resource(OH_CONTAINER_OF(named, store_t, named));
}

bool store_end_life(ErlNifEnv *env, store_t *s, ERL_NIF_TERM owner) {
    oh_lock(&s->lock);
    ERL_NIF_TERM last = oh_load_relaxed(&s->owner);
    bool ends = last != STORE_NOBODY && (owner == STORE_NOBODY || owner == last);
    store_heir_t *heir = NULL;
    ErlNifMonitor monitor = s->monitor;
    if (ends) {
        /* Who finds no table by the name any more may make one of it. */
        if (s->has_name)
            oh_names_remove(&s->named);
        oh_store_release(&s->owner, STORE_NOBODY);
        heir = oh_exchange_acqrel(&s->heir, NULL);
    }
    oh_unlock(&s->lock);
    if (!ends)
        return false;
    if (s->has_name)
        oh_names_sweep(release_named);
    store_close_index(s);
    enif_demonitor_process(env, s, &monitor);
    drop_heir(env, s, heir);
    return true;
}

/* --- Changes of owner --- */

static void send_transfer(ErlNifEnv *env, store_t *s, const ErlNifPid *to, ERL_NIF_TERM from,
                          ERL_NIF_TERM data) {
    ERL_NIF_TERM table = s->has_name ? oh_load_acquire(&s->named.name) : enif_make_resource(env, s);
    enif_send(env, to, NULL, enif_make_tuple4(env, nif_atom.ets_transfer, table, from, data));
}

/* Makes to, whom monitor watches, the owner instead of from, if that is it and heir still the heir.
 * Returns whether; and in *monitor the one to be ended then: the last owner's, or the new one. */
static bool change_owner(store_t *s, ERL_NIF_TERM from, ERL_NIF_TERM to, const store_heir_t *heir,
                         ErlNifMonitor *monitor) {
    oh_lock(&s->lock);
    bool changes =
        oh_load_relaxed(&s->owner) == from && (heir == NULL || oh_load_relaxed(&s->heir) == heir);
    if (changes) {
        ErlNifMonitor last = s->monitor;
        s->monitor = *monitor;
        *monitor = last;
        oh_store_seqcst(&s->owner, to);
    }
    oh_unlock(&s->lock);
    return changes;
}

/* The heir, if the table is dead's and there is one to inherit it; *owned tells the former. */
static store_heir_t *living_heir(ErlNifEnv *env, store_t *s, ERL_NIF_TERM dead, bool *owned) {
    oh_lock(&s->lock);
    store_heir_t *heir = oh_load_relaxed(&s->heir);
    *owned = oh_load_relaxed(&s->owner) == dead;
    if (heir != NULL && (heir->dead || enif_make_pid(env, &heir->pid) == dead))
        heir = NULL;
    oh_unlock(&s->lock);
    return heir;
}

/* Notes that the heir is dead, if this monitor watched it: another process may get its pid. */
static void note_heir_down(store_t *s, const ErlNifMonitor *monitor) {
    oh_lock(&s->lock);
    store_heir_t *heir = oh_load_relaxed(&s->heir);
    if (heir != NULL && enif_compare_monitors(&heir->monitor, monitor) == 0)
        heir->dead = true;
    oh_unlock(&s->lock);
}

/* dead has died: if the table is its own, the heir gets it, or it ends. The caller is pinned. */
static void owner_died(ErlNifEnv *env, store_t *s, ERL_NIF_TERM dead, bool *ends) {
    for (;;) {
        bool owned;
        ErlNifMonitor monitor;
        store_heir_t *heir = living_heir(env, s, dead, &owned);
        *ends = owned && heir == NULL;
        if (!owned || heir == NULL)
            return;
        ERL_NIF_TERM pid = enif_make_pid(env, &heir->pid);
        if (enif_monitor_process(env, s, &heir->pid, &monitor) != 0) {
            note_heir_down(s, &heir->monitor);
            continue;
        }
        bool changed = change_owner(s, dead, pid, heir, &monitor);
        enif_demonitor_process(env, s, &monitor);
        if (!changed)
            continue;
        send_transfer(env, s, &heir->pid, dead, enif_make_copy(env, heir->data));
        if (enif_is_process_alive(env, &heir->pid))
            return;
        dead = pid;
    }
}

/* The same for one who is not pinned. */
static void bury(ErlNifEnv *env, store_t *s, ERL_NIF_TERM dead) {
    bool ends = true;
    if (oh_epoch_pin()) {
        owner_died(env, s, dead, &ends);
        oh_epoch_unpin();
    }
    if (ends)
        store_end_life(env, s, dead);
}

void store_owner_down(ErlNifEnv *env, void *obj, ErlNifPid *pid, ErlNifMonitor *monitor) {
    store_t *s = obj;
    note_heir_down(s, monitor);
    bury(env, s, enif_make_pid(env, pid));
}

bool store_begin_life(ErlNifEnv *env, store_t *s, store_heir_t *heir) {
    ErlNifPid self;
    enif_self(env, &self);
    oh_store_relaxed(&s->heir, heir);
    oh_store_relaxed(&s->owner, enif_make_pid(env, &self));
    if (enif_monitor_process(env, s, &self, &s->monitor) == 0)
        return true;
    store_end_life(env, s, STORE_NOBODY);
    return false;
}

/* store_give_away(Store, Pid, Data) -> true */
ERL_NIF_TERM nif_store_give_away(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    store_t *s;
    ErlNifPid self, pid;
    ErlNifMonitor monitor;
    if (!store_get(env, argv[0], STORE_WRITE, &s) || !store_is_owner(env, s) ||
        !enif_get_local_pid(env, argv[1], &pid))
        return enif_make_badarg(env);
    ERL_NIF_TERM from = enif_make_pid(env, enif_self(env, &self));
    if (argv[1] == from || enif_monitor_process(env, s, &pid, &monitor) != 0)
        return enif_make_badarg(env);
    bool changed = change_owner(s, from, argv[1], NULL, &monitor);
    enif_demonitor_process(env, s, &monitor);
    if (!changed) /* deleted meanwhile */
        return enif_make_badarg(env);
    send_transfer(env, s, &pid, from, argv[2]);
    if (!enif_is_process_alive(env, &pid))
        bury(env, s, argv[1]);
    return nif_atom.true_;
}

/* store_setopts(Store, none | {Pid, Data} | undefined, Protection | undefined) -> true; undefined:
 * as it is. */
ERL_NIF_TERM nif_store_setopts(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    store_t *s;
    store_protection_t protection = STORE_PUBLIC;
    store_heir_t *heir = NULL;
    bool sets_heir = !enif_is_identical(argv[1], nif_atom.undefined);
    bool protects = !enif_is_identical(argv[2], nif_atom.undefined);
    if (!store_get(env, argv[0], STORE_WRITE, &s) || !store_is_owner(env, s) ||
        (protects && !store_get_protection(argv[2], &protection)))
        return enif_make_badarg(env);
    step_t step = sets_heir ? store_make_heir(env, s, argv[1], &heir) : STEP_OK;
    if (step != STEP_OK)
        return store_end(env, step, nif_store_setopts, argc, argv);
    oh_lock(&s->lock);
    bool deleted = oh_load_relaxed(&s->owner) == STORE_NOBODY;
    if (!deleted && protects)
        oh_store_release(&s->protection, protection);
    if (!deleted && sets_heir)
        heir = oh_exchange_acqrel(&s->heir, heir);
    oh_unlock(&s->lock);
    drop_heir(env, s, heir);
    return deleted ? enif_make_badarg(env) : nif_atom.true_;
}
