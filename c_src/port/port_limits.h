/*
 * port_limits: what the worker gives up before its first job, for itself and for good.
 *
 *   memory_bytes   RLIMIT_AS: allocations beyond it fail, which jobs report as enomem
 *   cpu_seconds    RLIMIT_CPU: the kernel kills it (SIGKILL: status 137)
 *   files          RLIMIT_NOFILE
 *   nice           added to its niceness: the VM's threads go first
 *   sandbox        seccomp (Linux): system calls that start programs, open sockets, trace or signal
 *                  other processes, or change the system fail with EPERM. It may read and write
 *                  files: jobs do.
 *
 * Always: no core dumps of what may be secrets, and PR_SET_NO_NEW_PRIVS (Linux).
 */
#ifndef PORT_LIMITS_H
#define PORT_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

/* 0: as it is. */
typedef struct {
    uint64_t memory_bytes, cpu_seconds, files;
    int nice;
    bool sandbox;
} port_limits_t;

/* False if one of them cannot be had; where the system has no seccomp, a sandbox cannot. Threads
 * that were made before keep to the limits, but not to the sandbox: it must come first. */
bool port_limits_apply(const port_limits_t *limits);

#endif
