/*
 * port_shared: arguments and results that stand in the VM's memory (core/oh_shared.h) instead of in
 * frames.
 *
 * A part of it is told as {Fd, Inode, Id, SegmentBytes, Offset, Length}, all integers. What is read
 * here is checked as oh_view.h says: a request can make this program map no file but a sealed
 * memory file of the VM, and touch no byte outside it.
 */
#ifndef PORT_SHARED_H
#define PORT_SHARED_H

#include "../core/oh_shared.h"
#include "port_term.h"

/* Where the VM's descriptors are: the process that --shared names. Without this call, or if it
 * fails, nothing can be mapped. memory_bytes: what this process may have; 0: no limit. */
void port_shared_init(uint64_t vm_pid, uint64_t memory_bytes);

/* A part that a request names; false, and t stays: it is no such tuple, or makes no sense. */
bool port_shared_get(port_term_t *t, oh_shared_range_t *range);

/* Its bytes, until port_shared_close. NULL, and in *reason why not: not_shared (it cannot be had
 * here; the VM is to send bytes), enomem. */
uint8_t *port_shared_open(const oh_shared_range_t *range, bool writing, const char **reason);

/* Before the reply: from here on nothing writes there. Ends the program if that cannot be had. */
void port_shared_close(void);

#endif
