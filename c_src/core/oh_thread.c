#include "oh_thread.h"
#include "oh_atomic.h"

_Thread_local uint32_t oh_thread_self OH_TLS_FAST;

static _Atomic uint32_t threads;

uint32_t oh_thread_register(void) {
    uint32_t index = oh_fetch_add_relaxed(&threads, 1);
    oh_thread_self = index + 1;
    return index;
}
