#include "port_shared.h"

#include <stdio.h>
#include <unistd.h>

#include "../core/oh_view.h"
#include "port_status.h"

/* Views that stay mapped take no more than this, nor than a share of what the process may have. */
#define KEPT_BYTES_MAX ((uint64_t)64 * 1024 * 1024)
#define MEMORY_SHARE   8

#define FIELDS 6

static oh_views_t views;
static bool is_on;

void port_shared_init(uint64_t vm_pid, uint64_t memory_bytes) {
    char folder[64];
    uint64_t kept = memory_bytes == 0 || memory_bytes / MEMORY_SHARE > KEPT_BYTES_MAX
                        ? KEPT_BYTES_MAX
                        : memory_bytes / MEMORY_SHARE;
    (void)snprintf(folder, sizeof folder, "/proc/%llu/fd", (unsigned long long)vm_pid);
    is_on = oh_views_init(&views, folder, kept) == OH_OK;
}

bool port_shared_get(port_term_t *t, oh_shared_range_t *range) {
    port_term_t at = *t;
    int arity;
    int64_t field[FIELDS];
    if (!port_term_tuple(&at, &arity) || arity != FIELDS)
        return false;
    for (int i = 0; i < FIELDS; i++)
        if (!port_term_integer(&at, &field[i]) || field[i] < 0)
            return false;
    *range = (oh_shared_range_t){.fd = (uint64_t)field[0],
                                 .inode = (uint64_t)field[1],
                                 .id = (uint64_t)field[2],
                                 .bytes = (uint64_t)field[3],
                                 .offset = (uint64_t)field[4],
                                 .length = (uint64_t)field[5]};
    if (!oh_shared_range_valid(range))
        return false;
    *t = at;
    return true;
}

uint8_t *port_shared_open(const oh_shared_range_t *range, bool writing, const char **reason) {
    uint8_t *data = NULL;
    oh_status_t status = is_on ? oh_views_open(&views, range, writing, &data) : OH_NOT_FOUND;
    if (status == OH_OK)
        return data;
    *reason = status == OH_ENOMEM ? "enomem" : "not_shared";
    return NULL;
}

void port_shared_close(void) {
    if (is_on && !oh_views_close(&views))
        _exit(PORT_EXIT_MEMORY);
}
