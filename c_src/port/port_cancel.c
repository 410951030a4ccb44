#include "port_cancel.h"

#include <ei.h>
#include <string.h>

#include "../core/oh_alloc.h"
#include "port_io.h"
#include "port_status.h"
#include "port_term.h"

#include <unistd.h>

#define VERSION_BYTE 131

static struct {
    int64_t *id;
    size_t count, room;
} seen;

bool port_cancel_parse(const uint8_t *body, size_t bytes, int64_t *id) {
    size_t size;
    int arity;
    char name[PORT_TERM_ATOM_BYTES];
    if (bytes < 2 || body[0] != VERSION_BYTE || body[1] != ERL_SMALL_TUPLE_EXT || bytes > 64 ||
        port_term_measure(body + 1, bytes - 1, &size) != PORT_TERM_OK || size != bytes - 1)
        return false;
    port_term_t t = {(const char *)body + 1, 0, (int)size};
    return port_term_tuple(&t, &arity) && arity == 2 && port_term_atom(&t, name, sizeof name) &&
           strcmp(name, "cancel") == 0 && port_term_integer(&t, id);
}

static void remember(const uint8_t *body, size_t bytes) {
    int64_t id;
    if (!port_cancel_parse(body, bytes, &id))
        return;
    if (seen.count == seen.room) {
        size_t room = seen.room == 0 ? 16 : 2 * seen.room;
        int64_t *more = oh_alloc(room * sizeof *more);
        if (more == NULL)
            _exit(PORT_EXIT_MEMORY);
        if (seen.count > 0)
            memcpy(more, seen.id, seen.count * sizeof *more);
        oh_free(seen.id);
        seen.id = more;
        seen.room = room;
    }
    seen.id[seen.count++] = id;
}

bool port_cancel_is_seen(int64_t id) {
    for (size_t i = 0; i < seen.count; i++)
        if (seen.id[i] == id)
            return true;
    return false;
}

bool port_cancel_poll(int64_t id) {
    port_io_poll(remember);
    return port_cancel_is_seen(id);
}

void port_cancel_forget(int64_t id) {
    for (size_t i = 0; i < seen.count; i++)
        if (seen.id[i] == id) {
            seen.id[i] = seen.id[--seen.count];
            return;
        }
}
