/*
 * nif_histogram: what the glue of histograms shares.
 */
#ifndef NIF_HISTOGRAM_H
#define NIF_HISTOGRAM_H

#include "nif.h"

#include "../core/oh_histogram.h"

typedef struct {
    oh_histogram_t histogram;
    bool saturates; /* HDR: values out of range count as the nearest one in it */
} nif_histogram_t;

/* Cells that a call looks at on a normal scheduler: some 50 us, and up to 350 us where memory is
 * touched for the first time. More are a dirty scheduler's. */
#define NIF_HISTOGRAM_CELLS 32768
/* Cells looked at in a millisecond, at the least. */
#define NIF_HISTOGRAM_CELLS_PER_MS 100000

static inline bool nif_histogram_get(ErlNifEnv *env, ERL_NIF_TERM term, nif_histogram_t **out) {
    return enif_get_resource(env, term, nif_type_histogram, (void **)out);
}

/* An integer out of the range of a HDR histogram, as the one in it that it counts for; false if the
 * histogram refuses it, and for all other terms. */
bool nif_histogram_get_outside(ErlNifEnv *env, const nif_histogram_t *h, ERL_NIF_TERM term,
                               uint64_t *out);

/* A value to record: HDR an integer, explicit a number. */
static inline bool nif_histogram_get_value(ErlNifEnv *env, const nif_histogram_t *h,
                                           ERL_NIF_TERM term, oh_histogram_value_t *out) {
    ErlNifUInt64 integer;
    if (h->histogram.layout.kind == OH_HISTOGRAM_EXPLICIT)
        return nif_get_float(env, term, &out->real);
    if (oh_likely(enif_get_uint64(env, term, &integer) && integer <= h->histogram.layout.highest)) {
        out->integer = integer;
        return true;
    }
    return nif_histogram_get_outside(env, h, term, &out->integer);
}

/* A resource that holds no histogram yet: the destructor may run on it. Never NULL; the caller
 * releases it. */
nif_histogram_t *nif_histogram_alloc(bool saturates);
/* The resource's term, or what status says: memory that is not there is the caller's size too
 * large, as atomics:new/2 has it. Releases the resource. */
ERL_NIF_TERM nif_histogram_return(ErlNifEnv *env, nif_histogram_t *h, oh_status_t status);

/* Stripes for as many threads as can record at once, and one for a reader. */
uint32_t nif_histogram_stripes(void);

/* --- Readings --- */

typedef ERL_NIF_TERM nif_function_t(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);
typedef ERL_NIF_TERM nif_histogram_read_t(ErlNifEnv *env, nif_histogram_t *h, void *context);

/* True where a call may take its time, and nobody can kill its process meanwhile. */
static inline bool nif_histogram_unhurried(void) {
    return !nif_on_scheduler();
}

/* The cells that a reading may look at, on this thread. */
uint64_t nif_histogram_budget(void);
/* Charges the time slice for what a reading took of its budget. */
void nif_histogram_charge(ErlNifEnv *env, uint64_t left);

/* The call of function once more, since begin refused with status: by a dirty scheduler for
 * OH_LIMIT, else in the process's next time slice. */
ERL_NIF_TERM nif_histogram_again(ErlNifEnv *env, oh_status_t status, const char *name,
                                 nif_function_t *function, int argc, const ERL_NIF_TERM argv[]);

/* Calls read in a reading of the histogram argv[0]; function, whose name is given, is the caller,
 * for another try. */
ERL_NIF_TERM nif_histogram_reading(ErlNifEnv *env, const char *name, nif_function_t *function,
                                   int argc, const ERL_NIF_TERM argv[], nif_histogram_read_t *read,
                                   void *context);

/* HDR: an integer, explicit: a float. */
static inline ERL_NIF_TERM nif_histogram_make_value(ErlNifEnv *env, const nif_histogram_t *h,
                                                    oh_histogram_value_t value) {
    return h->histogram.layout.kind == OH_HISTOGRAM_HDR ? enif_make_uint64(env, value.integer)
                                                        : enif_make_double(env, value.real);
}

#endif
