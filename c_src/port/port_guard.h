/*
 * port_guard: no worker outlives its VM or its port, even in the middle of a job.
 */
#ifndef PORT_GUARD_H
#define PORT_GUARD_H

#include <stdbool.h>

/* Before any other thread is made. False if no thread could be made. */
bool port_guard_start(void);

#endif
