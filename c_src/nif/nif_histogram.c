/* offheap_histogram: making and recording. Every function takes constant time but record_many,
 * which yields, and new_explicit, whose list has a limit. */
#include "nif_histogram.h"

/* Values of a list that are got before they are recorded together, on the stack. */
#define MANY_CHUNK 256
/* Values between looks at the time slice. */
#define MANY_BATCH ((uint64_t)16 * MANY_CHUNK)
/* Values got or recorded in a millisecond, at the least. */
#define MANY_PER_MS 100000

static void histogram_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    oh_histogram_free(&((nif_histogram_t *)obj)->histogram);
    oh_registry_count(OH_KIND_HISTOGRAMS, 0, -(int64_t)sizeof(nif_histogram_t));
}

ErlNifResourceTypeInit nif_type_init_histogram = {.dtor = histogram_destroy, .members = 1};

bool nif_histogram_get_outside(ErlNifEnv *env, const nif_histogram_t *h, ERL_NIF_TERM term,
                               uint64_t *out) {
    if (!h->saturates || enif_term_type(env, term) != ERL_NIF_TERM_TYPE_INTEGER)
        return false;
    *out = enif_compare(term, enif_make_int(env, 0)) < 0 ? 0 : h->histogram.layout.highest;
    return true;
}

nif_histogram_t *nif_histogram_alloc(bool saturates) {
    nif_histogram_t *h = enif_alloc_resource(nif_type_histogram, sizeof *h);
    *h = (nif_histogram_t){.saturates = saturates};
    oh_registry_count(OH_KIND_HISTOGRAMS, 0, sizeof *h); /* the core counts the rest */
    return h;
}

ERL_NIF_TERM nif_histogram_return(ErlNifEnv *env, nif_histogram_t *h, oh_status_t status) {
    ERL_NIF_TERM result = status == OH_OK
                              ? enif_make_resource(env, h)
                              : nif_status(env, status == OH_ENOMEM ? OH_LIMIT : status, 0);
    enif_release_resource(h);
    return result;
}

uint32_t nif_histogram_stripes(void) {
    ErlNifSysInfo info;
    enif_system_info(&info, sizeof info);
    return (uint32_t)info.scheduler_threads + 1;
}

/* --- Making --- */

/* histogram_new_hdr(Lowest, Highest, SignificantDigits, Saturates) */
ERL_NIF_TERM nif_histogram_new_hdr(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    uint64_t lowest, highest, digits;
    bool saturates;
    oh_histogram_layout_t layout;
    if (!nif_get_unsigned(env, argv[0], &lowest) || !nif_get_unsigned(env, argv[1], &highest) ||
        !nif_get_unsigned(env, argv[2], &digits) || digits > UINT32_MAX ||
        !nif_get_bool(argv[3], &saturates))
        return enif_make_badarg(env);
    oh_status_t status = oh_histogram_layout_init_hdr(&layout, lowest, highest, (uint32_t)digits);
    if (status != OH_OK)
        return nif_status(env, status, 0);
    nif_histogram_t *h = nif_histogram_alloc(saturates);
    return nif_histogram_return(env, h,
                                oh_histogram_init(&h->histogram, layout, nif_histogram_stripes()));
}

/* The numbers of a list into an array of capacity; false for what is no such list. *count is their
 * number, or capacity + 1 for more. */
static bool get_bounds(ErlNifEnv *env, ERL_NIF_TERM list, double *bound, unsigned capacity,
                       unsigned *count) {
    ERL_NIF_TERM head;
    for (*count = 0; enif_get_list_cell(env, list, &head, &list); (*count)++) {
        if (*count == capacity) {
            (*count)++;
            return true;
        }
        if (!nif_get_float(env, head, &bound[*count]))
            return false;
    }
    return enif_is_empty_list(env, list);
}

/* histogram_new_explicit(Bounds): up to 4096 of them, some 50 us. */
ERL_NIF_TERM nif_histogram_new_explicit(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    double bound[OH_HISTOGRAM_BOUNDS_MAX];
    unsigned count;
    oh_histogram_layout_t layout;
    if (!get_bounds(env, argv[0], bound, OH_HISTOGRAM_BOUNDS_MAX, &count))
        return enif_make_badarg(env);
    oh_status_t status = oh_histogram_layout_init_explicit(&layout, bound, count);
    if (status != OH_OK)
        return nif_status(env, status == OH_ENOMEM ? OH_LIMIT : status, 0);
    nif_histogram_t *h = nif_histogram_alloc(false);
    return nif_histogram_return(env, h,
                                oh_histogram_init(&h->histogram, layout, nif_histogram_stripes()));
}

/* is_histogram(Term) */
ERL_NIF_TERM nif_is_histogram(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_histogram_t *h;
    return nif_histogram_get(env, argv[0], &h) ? nif_atom.true_ : nif_atom.false_;
}

/* --- Recording --- */

static ERL_NIF_TERM record(ErlNifEnv *env, nif_histogram_t *h, oh_histogram_value_t value,
                           uint64_t n) {
    oh_status_t status = oh_histogram_record(&h->histogram, value, n);
    return oh_likely(status == OH_OK) ? nif_atom.ok : nif_status(env, status, 0);
}

/* histogram_record(Histogram, Value) */
ERL_NIF_TERM nif_histogram_record(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_histogram_t *h;
    oh_histogram_value_t value;
    ErlNifUInt64 integer;
    if (oh_unlikely(!nif_histogram_get(env, argv[0], &h)))
        return enif_make_badarg(env);
    /* The usual case, with nothing in its way. */
    if (oh_likely(h->histogram.layout.kind == OH_HISTOGRAM_HDR &&
                  enif_get_uint64(env, argv[1], &integer) &&
                  integer <= h->histogram.layout.highest &&
                  oh_histogram_record_integer(&h->histogram, integer, 1) == OH_OK))
        return nif_atom.ok;
    if (!nif_histogram_get_value(env, h, argv[1], &value))
        return enif_make_badarg(env);
    return record(env, h, value, 1);
}

/* histogram_record_n(Histogram, Value, N) */
ERL_NIF_TERM nif_histogram_record_n(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_histogram_t *h;
    oh_histogram_value_t value;
    uint64_t n;
    if (!nif_histogram_get(env, argv[0], &h) || !nif_histogram_get_value(env, h, argv[1], &value) ||
        !nif_get_unsigned(env, argv[2], &n) || n > INT64_MAX)
        return enif_make_badarg(env);
    return n == 0 ? nif_atom.ok : record(env, h, value, n);
}

/* Up to MANY_CHUNK values off the list's head, which moves on; false if one is none, or if the list
 * ends in something else than []. */
static bool get_values(ErlNifEnv *env, const nif_histogram_t *h, ERL_NIF_TERM *list,
                       oh_histogram_value_t *value, unsigned *count) {
    ERL_NIF_TERM head;
    for (*count = 0; *count < MANY_CHUNK; (*count)++) {
        if (!enif_get_list_cell(env, *list, &head, list))
            return enif_is_empty_list(env, *list);
        if (!nif_histogram_get_value(env, h, head, &value[*count]))
            return false;
    }
    return true;
}

static oh_status_t record_values(oh_histogram_t *h, const oh_histogram_value_t *value,
                                 unsigned count) {
    oh_histogram_tally_t *t = oh_histogram_enter(h);
    if (t == NULL)
        return OH_ENOMEM;
    for (unsigned i = 0; i < count; i++)
        oh_histogram_count(h, t, value[i], 1);
    oh_histogram_leave(t);
    return OH_OK;
}

/* Continuation of record_many: (Histogram, List, Rest). While List is not empty, Rest is what is
 * left to check of it; then Rest, of which all are values, is what is left to record. */
static ERL_NIF_TERM many_rest(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_histogram_t *h;
    ERL_NIF_TERM list = argv[1], rest = argv[2];
    oh_histogram_value_t value[MANY_CHUNK];
    unsigned count, since_charge = 0;
    if (!nif_histogram_get(env, argv[0], &h))
        return enif_make_badarg(env);
    for (;;) {
        if (enif_is_empty_list(env, rest)) {
            rest = list;
            list = enif_make_list(env, 0);
        }
        if (!get_values(env, h, &rest, value, &count))
            return enif_make_badarg(env);
        if (enif_is_empty_list(env, list)) {
            oh_status_t status = record_values(&h->histogram, value, count);
            if (status != OH_OK || enif_is_empty_list(env, rest))
                return nif_status(env, status, 0);
        }
        since_charge += count;
        if (since_charge >= MANY_BATCH) {
            since_charge = 0;
            if (nif_charge(env, MANY_BATCH, MANY_PER_MS)) {
                ERL_NIF_TERM next[] = {argv[0], list, rest};
                return enif_schedule_nif(env, "histogram_record_many", 0, many_rest, argc, next);
            }
        }
    }
}

/* histogram_record_many(Histogram, List): all, or none if one is no value. Yields. */
ERL_NIF_TERM nif_histogram_record_many(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_histogram_t *h;
    ERL_NIF_TERM rest = argv[1];
    oh_histogram_value_t value[MANY_CHUNK];
    unsigned count;
    if (!nif_histogram_get(env, argv[0], &h) || !get_values(env, h, &rest, value, &count))
        return enif_make_badarg(env);
    if (enif_is_empty_list(env, rest))
        return nif_status(env, record_values(&h->histogram, value, count), 0);
    ERL_NIF_TERM start[] = {argv[0], argv[1], rest};
    return many_rest(env, 3, start);
}

/* histogram_start(Histogram): the monotonic time in nanoseconds. */
ERL_NIF_TERM nif_histogram_start(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_histogram_t *h;
    if (!nif_histogram_get(env, argv[0], &h))
        return enif_make_badarg(env);
    return enif_make_int64(env, enif_monotonic_time(ERL_NIF_NSEC));
}

/* histogram_stop(Histogram, Start, UnitNs): records the time since then, in units of so many
 * nanoseconds: whole ones (HDR) or with the fraction (explicit). 0 stands for the usual unit,
 * nanoseconds (HDR) or seconds (explicit). */
ERL_NIF_TERM nif_histogram_stop(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_histogram_t *h;
    uint64_t start, unit_ns;
    oh_histogram_value_t value;
    ErlNifTime now = enif_monotonic_time(ERL_NIF_NSEC);
    if (!nif_histogram_get(env, argv[0], &h) || !nif_get_signed(env, argv[1], &start) ||
        !nif_get_unsigned(env, argv[2], &unit_ns) || (ErlNifTime)start > now)
        return enif_make_badarg(env);
    const oh_histogram_layout_t *l = &h->histogram.layout;
    uint64_t elapsed_ns = (uint64_t)now - start;
    if (l->kind == OH_HISTOGRAM_EXPLICIT) {
        value.real = (double)elapsed_ns / (unit_ns == 0 ? 1e9 : (double)unit_ns);
        return record(env, h, value, 1);
    }
    value.integer = unit_ns > 1 ? elapsed_ns / unit_ns : elapsed_ns;
    if (value.integer > l->highest) {
        if (!h->saturates)
            return enif_make_badarg(env);
        value.integer = l->highest;
    }
    return record(env, h, value, 1);
}
