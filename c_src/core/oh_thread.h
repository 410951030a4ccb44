/*
 * oh_thread: a small number for each thread, by which a structure with several stripes picks one.
 *
 * A thread gets its number, 0, 1, 2 and so on, when it first asks, and keeps it to its end; the
 * number of a thread that ended is not given out again. So the first n threads have n different
 * numbers below n, which is what stripes want: schedulers, the threads that matter, live as long as
 * the emulator. Numbers of later threads must be reduced, so two threads may share a stripe: its
 * cells need atomic read-modify-writes.
 *
 * Call   Threads  Memory order  Progress
 * -----  -------  ------------  ---------
 * index  any      none          wait-free
 */
#ifndef OH_THREAD_H
#define OH_THREAD_H

#include "oh_common.h"

/* The calling thread's number plus one; 0 before it first asked. */
extern _Thread_local uint32_t oh_thread_self OH_TLS_FAST;

/* Gives the calling thread its number. */
uint32_t oh_thread_register(void);

/* The calling thread's number. */
static inline uint32_t oh_thread_index(void) {
    uint32_t self = oh_thread_self;
    return oh_likely(self != 0) ? self - 1 : oh_thread_register();
}

#endif
