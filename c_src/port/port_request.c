#include "port_request.h"

#include "port_cancel.h"
#include "port_job.h"
#include "port_reply.h"
#include "port_term.h"

#define VERSION_BYTE 131

/* Does the request in t, which was measured. False: it is not a request with an id. */
static bool do_request(port_term_t *t, bool too_deep, bool test_jobs) {
    int arity, size = t->end - t->index;
    port_reply_t reply = {0};
    char name[PORT_TERM_ATOM_BYTES];
    if (!port_term_tuple(t, &arity) || arity < 3 || arity > 4 || !port_term_integer(t, &reply.id))
        return false;
    if (port_cancel_is_seen(reply.id)) {
        port_reply_error(&reply, "cancelled");
        return true;
    }
    if (too_deep) {
        port_reply_error(&reply, "too_deep");
        return true;
    }
    if (!port_term_atom(t, name, sizeof name)) {
        port_reply_error(&reply, "badarg");
        return true;
    }
    port_term_t into = *t;
    if (arity == 4 && !port_term_skip(t)) {
        port_reply_error(&reply, "badarg");
        return true;
    }
    port_job_run(name, arity == 4 ? &into : NULL, t, size, test_jobs, &reply);
    return true;
}

bool port_request_frame(const uint8_t *body, size_t bytes, bool test_jobs) {
    int64_t cancelled;
    if (bytes == 0)
        return false;
    if (port_cancel_parse(body, bytes, &cancelled)) {
        port_cancel_forget(cancelled);
        return true;
    }
    while (bytes > 0) {
        if (body[0] != VERSION_BYTE)
            return false;
        body++;
        bytes--;
        size_t size;
        port_term_status_t status = port_term_measure(body, bytes, &size);
        if (status == PORT_TERM_TORN) {
            port_reply_t reply = {0};
            if (!port_term_torn_id(body, bytes, &reply.id))
                return false;
            port_reply_error(&reply, "bad_frame");
            return true;
        }
        port_term_t t = {(const char *)body, 0, (int)size};
        if (!do_request(&t, status == PORT_TERM_TOO_DEEP, test_jobs))
            return false;
        body += size;
        bytes -= size;
    }
    return true;
}
