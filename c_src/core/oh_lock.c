#include "oh_lock.h"

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include <sched.h>
#endif

/* Tries before sleeping; a critical section is shorter than these. */
#define SPINS 100

#ifdef __linux__
static void sleep_while(_Atomic uint32_t *word, uint32_t value) {
    syscall(SYS_futex, (void *)word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void oh_lock_wake(oh_lock_t *lock) {
    syscall(SYS_futex, (void *)&lock->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
#else
static void sleep_while(_Atomic uint32_t *word, uint32_t value) {
    (void)word;
    (void)value;
    sched_yield();
}

void oh_lock_wake(oh_lock_t *lock) {
    (void)lock;
}
#endif

void oh_lock_wait(oh_lock_t *lock) {
    for (int i = 0; i < SPINS; i++) {
        oh_pause();
        if (oh_load_relaxed(&lock->state) == 0 && oh_trylock(lock))
            return;
    }
    /* Taken as 2, since others may sleep too: the unlock then wakes one, perhaps for nothing. */
    while (oh_exchange_acquire(&lock->state, 2) != 0) /* K1 */
        sleep_while(&lock->state, 2);
}
