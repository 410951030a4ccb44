/* Arguments into C values, and outcomes into terms. */
#include "nif.h"

#include "../core/oh_errno.h"

bool nif_get_bool(ERL_NIF_TERM term, bool *out) {
    *out = enif_is_identical(term, nif_atom.true_);
    return *out || enif_is_identical(term, nif_atom.false_);
}

bool nif_get_float(ErlNifEnv *env, ERL_NIF_TERM term, double *out) {
    ErlNifSInt64 signed_value;
    ErlNifUInt64 unsigned_value;
    if (enif_get_double(env, term, out))
        return true;
    if (enif_get_int64(env, term, &signed_value)) {
        *out = (double)signed_value;
        return true;
    }
    if (!enif_get_uint64(env, term, &unsigned_value))
        return false;
    *out = (double)unsigned_value;
    return true;
}

ERL_NIF_TERM nif_ok(ErlNifEnv *env, ERL_NIF_TERM term) {
    ERL_NIF_TERM elements[] = {nif_atom.ok, term};
    return enif_make_tuple_from_array(env, elements, 2);
}

ERL_NIF_TERM nif_error(ErlNifEnv *env, ERL_NIF_TERM reason) {
    ERL_NIF_TERM elements[] = {nif_atom.error, reason};
    return enif_make_tuple_from_array(env, elements, 2);
}

ERL_NIF_TERM nif_raise(ErlNifEnv *env, ERL_NIF_TERM reason) {
    return enif_raise_exception(env, reason);
}

ERL_NIF_TERM nif_prepend(ErlNifEnv *env, const ERL_NIF_TERM terms[], unsigned count,
                         ERL_NIF_TERM list) {
    /* Made as a whole, a list takes half the time. */
    if (enif_is_empty_list(env, list))
        return enif_make_list_from_array(env, terms, count);
    for (unsigned i = count; i > 0; i--)
        list = enif_make_list_cell(env, terms[i - 1], list);
    return list;
}

ERL_NIF_TERM nif_status_atom(oh_status_t status) {
    switch (status) {
#define OH_STATUS_CASE(upper, lower)                                                               \
    case OH_##upper:                                                                               \
        return nif_atom.status_##lower;
        OH_STATUS_MAP(OH_STATUS_CASE)
#undef OH_STATUS_CASE
    case OH_STATUS_COUNT:
        break;
    }
    return nif_atom.status_badarg;
}

ERL_NIF_TERM nif_status(ErlNifEnv *env, oh_status_t status, int error_number) {
    switch (status) {
    case OH_OK:
        return nif_atom.ok;
    case OH_BADARG:
    case OH_CLOSED:
    case OH_STATUS_COUNT:
        return enif_make_badarg(env);
    case OH_LIMIT:
        return nif_raise(env, nif_atom.status_system_limit);
    case OH_ERRNO:
        return nif_error(env, nif_errno(env, error_number));
    default:
        return nif_error(env, nif_status_atom(status));
    }
}

ERL_NIF_TERM nif_errno(ErlNifEnv *env, int error_number) {
    return enif_make_atom(env, oh_errno_name(error_number));
}

bool nif_charge_percent(ErlNifEnv *env, uint64_t percent) {
    return enif_consume_timeslice(env, percent > 100 ? 100 : (int)percent) != 0;
}
