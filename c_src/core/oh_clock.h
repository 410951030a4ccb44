/*
 * oh_clock: a cheap monotonic clock, for ages.
 *
 * It moves in the system's ticks, of 1 to 10 ms, and is read in 5 ns where an exact one takes 24.
 * Any thread; wait-free.
 */
#ifndef OH_CLOCK_H
#define OH_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds since some moment in the past; never goes back. */
static inline uint64_t oh_clock_ms(void) {
    struct timespec now;
#if defined(CLOCK_MONOTONIC_COARSE)
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
#else
    clock_gettime(CLOCK_MONOTONIC, &now);
#endif
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#endif
