#include "nif_clock.h"

#include <time.h>

/* How long one reading of the emulator's clock serves. */
#define SERVES_NS 1000000
/* The two clocks were read at one time if the second reading of the operating system's is no later
 * than this: the thread was not interrupted between them. */
#define PAIR_NS 10000

typedef struct {
    uint64_t os_ns;
    ErlNifTime emulator_ns; /* at os_ns */
} clock_pair_t;

static _Thread_local clock_pair_t OH_TLS_FAST last;

static uint64_t os_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static ErlNifTime read_both(uint64_t os_ns) {
    ErlNifTime emulator_ns = enif_monotonic_time(ERL_NIF_NSEC);
    if (os_clock_ns() - os_ns <= PAIR_NS)
        last = (clock_pair_t){os_ns, emulator_ns};
    return emulator_ns;
}

ErlNifTime nif_clock_ns(void) {
    uint64_t os_ns = os_clock_ns();
    uint64_t passed_ns = os_ns - last.os_ns;
    if (oh_unlikely(passed_ns >= SERVES_NS))
        return read_both(os_ns);
    return last.emulator_ns + (ErlNifTime)passed_ns;
}
