/*
 * Included before each C file by `sh test/lint.sh portable`, which compiles for a system that says it
 * is not Linux: what only Linux has is taken out of the C library's headers or may not be named.
 */
#ifndef NOT_LINUX_H
#define NOT_LINUX_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#undef CLOCK_MONOTONIC_COARSE
#undef CLOCK_REALTIME_COARSE
#undef MADV_DONTDUMP
#undef MADV_HUGEPAGE
#undef MADV_POPULATE_WRITE
#undef MAP_POPULATE
#undef O_PATH
#undef O_TMPFILE
#undef PR_SET_PDEATHSIG
#undef RWF_NOWAIT
#undef SYS_futex
#undef SYS_pidfd_open
#undef SYS_pidfd_send_signal

#pragma GCC poison accept4 clock_nanosleep copy_file_range eventfd fallocate fdatasync gettid
#pragma GCC poison memfd_create memrchr pipe2 posix_fadvise posix_fallocate prctl preadv2
#pragma GCC poison pthread_condattr_setclock pthread_setaffinity_np pwritev2 sched_getcpu
#pragma GCC poison sem_timedwait st_mtim syscall

#endif
