/*
 * nif_clock: the emulator's monotonic clock, at the price of the operating system's.
 *
 * enif_monotonic_time (which is erlang:monotonic_time/0) was measured at 60 ns, the clock it is
 * derived from at 27. The two run alike but while the emulator follows a system clock that was set:
 * then its own goes up to 1 % faster or slower. So each thread reads both about once a millisecond
 * and adds what the operating system's has gone since.
 *
 * Times of two threads may so differ by up to 20 us (1 % of a millisecond, and what passes between
 * two readings), where the emulator's own never do; by up to a millisecond, if the emulator was
 * started without time correction and holds its clock because the system's was set back.
 */
#ifndef NIF_CLOCK_H
#define NIF_CLOCK_H

#include "nif.h"

/* About erlang:monotonic_time(nanosecond). On a scheduler thread of any kind. */
ErlNifTime nif_clock_ns(void);

#endif
