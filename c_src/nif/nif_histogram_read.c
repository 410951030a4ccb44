/*
 * offheap_histogram: reading. Each function folds the stripes first. Beyond NIF_HISTOGRAM_CELLS it
 * goes on by a dirty scheduler, where a process that is killed cannot leave a reading unfinished;
 * where another reader or a recorder is in the way, it tries again in its next time slice.
 */
#include "nif_histogram.h"

#include "../core/oh_histogram_stats.h"

/* Quantiles of one call at most. */
#define QUANTILES_MAX 1024
/* Cells that one step of buckets looks at, and list elements that it makes. */
#define BUCKETS_CELLS 4096

uint64_t nif_histogram_budget(void) {
    return nif_histogram_unhurried() ? UINT64_MAX : NIF_HISTOGRAM_CELLS;
}

void nif_histogram_charge(ErlNifEnv *env, uint64_t left) {
    if (!nif_histogram_unhurried())
        nif_charge(env, NIF_HISTOGRAM_CELLS - left, NIF_HISTOGRAM_CELLS_PER_MS);
}

ERL_NIF_TERM nif_histogram_again(ErlNifEnv *env, oh_status_t status, const char *name,
                                 nif_function_t *function, int argc, const ERL_NIF_TERM argv[]) {
    bool dirty = status == OH_LIMIT || nif_histogram_unhurried();
    if (!dirty)
        enif_consume_timeslice(env, 100);
    return enif_schedule_nif(env, name, dirty ? ERL_NIF_DIRTY_JOB_CPU_BOUND : 0, function, argc,
                             argv);
}

ERL_NIF_TERM nif_histogram_reading(ErlNifEnv *env, const char *name, nif_function_t *function,
                                   int argc, const ERL_NIF_TERM argv[], nif_histogram_read_t *read,
                                   void *context) {
    nif_histogram_t *h;
    if (!nif_histogram_get(env, argv[0], &h))
        return enif_make_badarg(env);
    uint64_t left = nif_histogram_budget();
    oh_status_t status = oh_histogram_begin(&h->histogram, &left);
    if (status != OH_OK)
        return nif_histogram_again(env, status, name, function, argc, argv);
    ERL_NIF_TERM result = read(env, h, context);
    oh_histogram_end(&h->histogram);
    nif_histogram_charge(env, left);
    return result;
}

/* --- Terms --- */

/* By the external term format beyond 64 bits: erl_nif.h makes no larger integers. */
static ERL_NIF_TERM make_integer(ErlNifEnv *env, oh_u128_t value) {
    enum { VERSION = 131, SMALL_BIG = 110, BYTES = 16 };
    unsigned char external[4 + BYTES] = {VERSION, SMALL_BIG, BYTES, 0};
    ERL_NIF_TERM term;
    if (value <= UINT64_MAX)
        return enif_make_uint64(env, (uint64_t)value);
    for (int i = 0; i < BYTES; i++)
        external[4 + i] = (unsigned char)(value >> (8 * i));
    if (enif_binary_to_term(env, external, sizeof external, &term, 0) == 0)
        return nif_raise(env, nif_atom.status_system_limit);
    return term;
}

/* --- Statistics --- */

static ERL_NIF_TERM make_count(ErlNifEnv *env, const nif_histogram_t *h) {
    return enif_make_uint64(env, h->histogram.total->count);
}

static ERL_NIF_TERM make_sum(ErlNifEnv *env, const nif_histogram_t *h) {
    const oh_histogram_tally_t *t = h->histogram.total;
    return h->histogram.layout.kind == OH_HISTOGRAM_HDR ? make_integer(env, t->integer)
                                                        : enif_make_double(env, t->real.sum);
}

static ERL_NIF_TERM make_min(ErlNifEnv *env, const nif_histogram_t *h) {
    return nif_histogram_make_value(env, h, h->histogram.total->min);
}

static ERL_NIF_TERM make_max(ErlNifEnv *env, const nif_histogram_t *h) {
    return nif_histogram_make_value(env, h, h->histogram.total->max);
}

static ERL_NIF_TERM make_mean(ErlNifEnv *env, const nif_histogram_t *h) {
    return enif_make_double(env, oh_histogram_mean(&h->histogram));
}

static ERL_NIF_TERM make_stddev(ErlNifEnv *env, const nif_histogram_t *h) {
    return enif_make_double(env, oh_histogram_stddev(&h->histogram));
}

/* What of_empty is false for is undefined while the histogram is empty. */
static const struct {
    size_t atom; /* its place in nif_atom */
    bool of_empty;
    ERL_NIF_TERM (*make)(ErlNifEnv *env, const nif_histogram_t *h);
} statistics[] = {
    {offsetof(nif_atoms_t, count), true, make_count},
    {offsetof(nif_atoms_t, sum), true, make_sum},
    {offsetof(nif_atoms_t, min), false, make_min},
    {offsetof(nif_atoms_t, max), false, make_max},
    {offsetof(nif_atoms_t, mean), false, make_mean},
    {offsetof(nif_atoms_t, stddev), false, make_stddev},
};

#define STATISTICS (sizeof statistics / sizeof statistics[0])

static ERL_NIF_TERM statistic_name(size_t i) {
    return *(const ERL_NIF_TERM *)((const char *)&nif_atom + statistics[i].atom);
}

static ERL_NIF_TERM make_statistic(ErlNifEnv *env, const nif_histogram_t *h, size_t i) {
    return statistics[i].of_empty || !oh_histogram_empty(&h->histogram) ? statistics[i].make(env, h)
                                                                        : nif_atom.undefined;
}

static ERL_NIF_TERM read_statistic(ErlNifEnv *env, nif_histogram_t *h, void *context) {
    return make_statistic(env, h, *(const size_t *)context);
}

/* histogram_statistic(Histogram, Name) */
ERL_NIF_TERM nif_histogram_statistic(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    for (size_t i = 0; i < STATISTICS; i++)
        if (enif_is_identical(argv[1], statistic_name(i)))
            return nif_histogram_reading(env, "histogram_statistic", nif_histogram_statistic, argc,
                                         argv, read_statistic, &i);
    return enif_make_badarg(env);
}

static ERL_NIF_TERM read_summary(ErlNifEnv *env, nif_histogram_t *h, void *context) {
    (void)context;
    ERL_NIF_TERM keys[STATISTICS], values[STATISTICS], map;
    for (size_t i = 0; i < STATISTICS; i++) {
        keys[i] = statistic_name(i);
        values[i] = make_statistic(env, h, i);
    }
    enif_make_map_from_arrays(env, keys, values, STATISTICS, &map);
    return map;
}

/* histogram_summary(Histogram) */
ERL_NIF_TERM nif_histogram_summary(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return nif_histogram_reading(env, "histogram_summary", nif_histogram_summary, argc, argv,
                                 read_summary, NULL);
}

typedef struct {
    unsigned count;
    oh_histogram_quantile_t quantile[QUANTILES_MAX];
} quantiles_t;

static ERL_NIF_TERM read_quantiles(ErlNifEnv *env, nif_histogram_t *h, void *context) {
    quantiles_t *q = context;
    bool empty = oh_histogram_empty(&h->histogram);
    ERL_NIF_TERM list = enif_make_list(env, 0);
    if (!empty)
        oh_histogram_quantiles(&h->histogram, q->quantile, q->count);
    for (unsigned i = q->count; i-- > 0;)
        list = enif_make_list_cell(env,
                                   empty ? nif_atom.undefined
                                         : nif_histogram_make_value(env, h, q->quantile[i].value),
                                   list);
    return list;
}

/* histogram_quantiles(Histogram, Quantiles) */
ERL_NIF_TERM nif_histogram_quantiles(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    quantiles_t q;
    ERL_NIF_TERM head, rest = argv[1];
    for (q.count = 0; enif_get_list_cell(env, rest, &head, &rest); q.count++) {
        double quantile;
        if (q.count == QUANTILES_MAX)
            return nif_status(env, OH_LIMIT, 0);
        if (!nif_get_float(env, head, &quantile) || quantile < 0 || quantile > 1)
            return enif_make_badarg(env);
        q.quantile[q.count].quantile = quantile;
    }
    if (!enif_is_empty_list(env, rest))
        return enif_make_badarg(env);
    return nif_histogram_reading(env, "histogram_quantiles", nif_histogram_quantiles, argc, argv,
                                 read_quantiles, &q);
}

/* --- Cells --- */

/* A cell in front of the list, unless it is an HDR cell that counts nothing. */
static ERL_NIF_TERM prepend_cell(ErlNifEnv *env, const oh_histogram_t *h, uint32_t i,
                                 ERL_NIF_TERM list) {
    const oh_histogram_layout_t *l = &h->layout;
    ERL_NIF_TERM upper;
    if (l->kind == OH_HISTOGRAM_EXPLICIT)
        upper = i < l->cells - 1 ? enif_make_double(env, l->bound[i]) : nif_atom.infinity;
    else if (h->total->cell[i] != 0)
        upper = enif_make_uint64(env, oh_histogram_cell_highest(l, i));
    else
        return list;
    ERL_NIF_TERM count = enif_make_uint64(env, h->total->cell[i]);
    return enif_make_list_cell(env, enif_make_tuple2(env, upper, count), list);
}

typedef struct {
    uint64_t end;
    ERL_NIF_TERM list;
} buckets_t;

/* The last BUCKETS_CELLS of the cells before end. */
static ERL_NIF_TERM read_buckets(ErlNifEnv *env, nif_histogram_t *h, void *context) {
    buckets_t *b = context;
    const oh_histogram_t *histogram = &h->histogram;
    uint32_t first = 0, end = histogram->layout.cells;
    if (histogram->layout.kind == OH_HISTOGRAM_HDR)
        oh_histogram_tally_range(&histogram->layout, histogram->total, &first, &end);
    if (b->end < end)
        end = (uint32_t)b->end;
    uint32_t stop = end > first + BUCKETS_CELLS ? end - BUCKETS_CELLS : first;
    for (uint32_t i = end; i > stop; i--)
        b->list = prepend_cell(env, histogram, i - 1, b->list);
    b->end = stop > first ? stop : 0;
    return nif_atom.ok;
}

/* histogram_buckets(Histogram, End, List): cells before End, in front of List: all, or {Next, List}
 * if some are left. Some 100 us. */
ERL_NIF_TERM nif_histogram_buckets(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    buckets_t b = {.list = argv[2]};
    if (!nif_get_unsigned(env, argv[1], &b.end) || !enif_is_list(env, argv[2]))
        return enif_make_badarg(env);
    ERL_NIF_TERM result = nif_histogram_reading(env, "histogram_buckets", nif_histogram_buckets,
                                                argc, argv, read_buckets, &b);
    if (!enif_is_identical(result, nif_atom.ok))
        return result;
    return b.end == 0 ? b.list : enif_make_tuple2(env, enif_make_uint64(env, b.end), b.list);
}

/* histogram_equivalent(Histogram, Value): {Lowest, Highest}, the values counted together with it.
 */
ERL_NIF_TERM nif_histogram_equivalent(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_histogram_t *h;
    oh_histogram_value_t value;
    if (!nif_histogram_get(env, argv[0], &h) || h->histogram.layout.kind != OH_HISTOGRAM_HDR ||
        !nif_histogram_get_value(env, h, argv[1], &value))
        return enif_make_badarg(env);
    const oh_histogram_layout_t *l = &h->histogram.layout;
    uint32_t index = oh_histogram_index_of_integer(l, value.integer);
    return enif_make_tuple2(env, enif_make_uint64(env, oh_histogram_cell_lowest(l, index)),
                            enif_make_uint64(env, oh_histogram_cell_highest(l, index)));
}

/* --- Info --- */

static ERL_NIF_TERM make_bounds(ErlNifEnv *env, const oh_histogram_layout_t *l) {
    ERL_NIF_TERM list = enif_make_list(env, 0);
    for (uint32_t i = l->cells - 1; i-- > 0;)
        list = enif_make_list_cell(env, enif_make_double(env, l->bound[i]), list);
    return list;
}

/* histogram_info(Histogram): up to 4096 bounds, some 50 us. */
ERL_NIF_TERM nif_histogram_info(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_histogram_t *h;
    if (!nif_histogram_get(env, argv[0], &h))
        return enif_make_badarg(env);
    const oh_histogram_layout_t *l = &h->histogram.layout;
    ERL_NIF_TERM map = enif_make_new_map(env);
    enif_make_map_put(env, map, nif_atom.cells, enif_make_uint(env, l->cells), &map);
    enif_make_map_put(env, map, nif_atom.stripes,
                      enif_make_uint(env, oh_histogram_stripes(&h->histogram)), &map);
    enif_make_map_put(env, map, nif_atom.memory,
                      enif_make_uint64(env, sizeof *h + oh_histogram_bytes(&h->histogram)), &map);
    if (l->kind == OH_HISTOGRAM_EXPLICIT) {
        enif_make_map_put(env, map, nif_atom.buckets, make_bounds(env, l), &map);
        return map;
    }
    enif_make_map_put(env, map, nif_atom.lowest, enif_make_uint64(env, l->lowest), &map);
    enif_make_map_put(env, map, nif_atom.highest, enif_make_uint64(env, l->highest), &map);
    enif_make_map_put(env, map, nif_atom.digits, enif_make_uint(env, l->significant_digits), &map);
    enif_make_map_put(env, map, nif_atom.out_of_range,
                      h->saturates ? nif_atom.saturate : nif_atom.error, &map);
    return map;
}
