/* offheap_histogram: histograms out of histograms, and their encoding. Readings, as in
 * nif_histogram_read.c. */
#include "nif_histogram.h"

#include "../core/oh_histogram_codec.h"

/* Bytes that import decodes on a normal scheduler: up to 300 us. */
#define IMPORT_BYTES 32768

static ERL_NIF_TERM read_snapshot(ErlNifEnv *env, nif_histogram_t *h, void *context) {
    bool reset = *(const bool *)context;
    nif_histogram_t *snapshot = nif_histogram_alloc(h->saturates);
    oh_status_t status = oh_histogram_init_like(&snapshot->histogram, &h->histogram);
    if (status == OH_OK && reset)
        oh_histogram_take(&h->histogram, &snapshot->histogram);
    else if (status == OH_OK)
        oh_histogram_add(&snapshot->histogram, &h->histogram);
    return nif_histogram_return(env, snapshot, status);
}

/* histogram_snapshot(Histogram) */
ERL_NIF_TERM nif_histogram_snapshot(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    bool reset = false;
    return nif_histogram_reading(env, "histogram_snapshot", nif_histogram_snapshot, argc, argv,
                                 read_snapshot, &reset);
}

/* histogram_snapshot_reset(Histogram) */
ERL_NIF_TERM nif_histogram_snapshot_reset(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    bool reset = true;
    return nif_histogram_reading(env, "histogram_snapshot_reset", nif_histogram_snapshot_reset,
                                 argc, argv, read_snapshot, &reset);
}

/* histogram_merge(Histogram, From) */
ERL_NIF_TERM nif_histogram_merge(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    nif_histogram_t *h, *from;
    if (!nif_histogram_get(env, argv[0], &h) || !nif_histogram_get(env, argv[1], &from))
        return enif_make_badarg(env);
    uint64_t left = nif_histogram_budget();
    oh_status_t status = oh_histogram_begin_both(&h->histogram, &from->histogram, &left);
    if (status != OH_OK)
        return nif_histogram_again(env, status, "histogram_merge", nif_histogram_merge, argc, argv);
    if (oh_histogram_can_add(&h->histogram, &from->histogram))
        oh_histogram_add(&h->histogram, &from->histogram);
    else
        status = OH_BADARG;
    oh_histogram_end(&h->histogram);
    if (h != from)
        oh_histogram_end(&from->histogram);
    nif_histogram_charge(env, left);
    return nif_status(env, status, 0);
}

/* --- The encoding --- */

static ERL_NIF_TERM read_export(ErlNifEnv *env, nif_histogram_t *h, void *context) {
    (void)context;
    size_t bytes;
    ErlNifBinary binary;
    oh_status_t status = oh_histogram_encoded_bytes(&h->histogram, &bytes);
    if (status == OH_OK && !enif_alloc_binary(bytes, &binary))
        status = OH_LIMIT;
    if (status != OH_OK)
        return nif_status(env, status, 0);
    oh_histogram_encode(&h->histogram, binary.data, bytes);
    return enif_make_binary(env, &binary);
}

/* histogram_export(Histogram) */
ERL_NIF_TERM nif_histogram_export(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    return nif_histogram_reading(env, "histogram_export", nif_histogram_export, argc, argv,
                                 read_export, NULL);
}

/* histogram_import(Binary): {ok, Histogram} or {error, Reason}. */
ERL_NIF_TERM nif_histogram_import(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    ErlNifBinary binary;
    if (!enif_inspect_binary(env, argv[0], &binary))
        return enif_make_badarg(env);
    if (binary.size > IMPORT_BYTES && !nif_histogram_unhurried())
        return nif_histogram_again(env, OH_LIMIT, "histogram_import", nif_histogram_import, argc,
                                   argv);
    nif_histogram_t *h = nif_histogram_alloc(true);
    oh_status_t status =
        oh_histogram_decode(&h->histogram, nif_histogram_stripes(), binary.data, binary.size);
    ERL_NIF_TERM result;
    if (status == OH_OK)
        result = nif_ok(env, enif_make_resource(env, h));
    else
        result = nif_error(env, status == OH_BADARG ? nif_atom.malformed : nif_atom.status_enomem);
    enif_release_resource(h);
    return result;
}
