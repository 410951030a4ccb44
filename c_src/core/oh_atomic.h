/*
 * oh_atomic: C11 atomics with the memory order in the name.
 *
 * All shared fields are _Atomic and are touched through these names only, so that each access shows
 * its order and no bare operator (which would be seq_cst) slips in.
 */
#ifndef OH_ATOMIC_H
#define OH_ATOMIC_H

#include <stdatomic.h>

#define oh_load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define oh_load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define oh_load_seqcst(p)  atomic_load_explicit((p), memory_order_seq_cst)

#define oh_store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define oh_store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define oh_store_seqcst(p, v)  atomic_store_explicit((p), (v), memory_order_seq_cst)

#define oh_exchange_acquire(p, v) atomic_exchange_explicit((p), (v), memory_order_acquire)
#define oh_exchange_release(p, v) atomic_exchange_explicit((p), (v), memory_order_release)
#define oh_exchange_acqrel(p, v)  atomic_exchange_explicit((p), (v), memory_order_acq_rel)
#define oh_exchange_seqcst(p, v)  atomic_exchange_explicit((p), (v), memory_order_seq_cst)

#define oh_fetch_add_relaxed(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define oh_fetch_add_acqrel(p, v)  atomic_fetch_add_explicit((p), (v), memory_order_acq_rel)
#define oh_fetch_add_seqcst(p, v)  atomic_fetch_add_explicit((p), (v), memory_order_seq_cst)
#define oh_fetch_sub_relaxed(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define oh_fetch_sub_acqrel(p, v)  atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel)
#define oh_fetch_sub_seqcst(p, v)  atomic_fetch_sub_explicit((p), (v), memory_order_seq_cst)
#define oh_fetch_and_seqcst(p, v)  atomic_fetch_and_explicit((p), (v), memory_order_seq_cst)
#define oh_fetch_or_seqcst(p, v)   atomic_fetch_or_explicit((p), (v), memory_order_seq_cst)
#define oh_fetch_xor_seqcst(p, v)  atomic_fetch_xor_explicit((p), (v), memory_order_seq_cst)

/* Compare-and-swap: order on success named first, relaxed or acquire on failure second. On failure
 * *expected holds what was there. The weak form may fail spuriously: for loops only. */
#define oh_cas_weak_acquire_relaxed(p, expected, desired)                                          \
    atomic_compare_exchange_weak_explicit((p), (expected), (desired), memory_order_acquire,        \
                                          memory_order_relaxed)
#define oh_cas_weak_release_relaxed(p, expected, desired)                                          \
    atomic_compare_exchange_weak_explicit((p), (expected), (desired), memory_order_release,        \
                                          memory_order_relaxed)
#define oh_cas_weak_acqrel_acquire(p, expected, desired)                                           \
    atomic_compare_exchange_weak_explicit((p), (expected), (desired), memory_order_acq_rel,        \
                                          memory_order_acquire)
#define oh_cas_weak_seqcst_acquire(p, expected, desired)                                           \
    atomic_compare_exchange_weak_explicit((p), (expected), (desired), memory_order_seq_cst,        \
                                          memory_order_acquire)
#define oh_cas_acquire_relaxed(p, expected, desired)                                               \
    atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_acquire,      \
                                            memory_order_relaxed)
#define oh_cas_acqrel_acquire(p, expected, desired)                                                \
    atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_acq_rel,      \
                                            memory_order_acquire)
#define oh_cas_seqcst_seqcst(p, expected, desired)                                                 \
    atomic_compare_exchange_strong_explicit((p), (expected), (desired), memory_order_seq_cst,      \
                                            memory_order_seq_cst)

/* A hint to the processor inside a spin loop. */
static inline void oh_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield" ::: "memory");
#endif
}

/* Pauses most of a compare-and-swap loop after one failed attempt. */
#define OH_BACKOFF_MAX 64

/* Waits after a failed compare-and-swap: twice as long as the last time, up to OH_BACKOFF_MAX
 * pauses. *pauses is 1 before the first failure. */
static inline void oh_backoff(unsigned *pauses) {
    for (unsigned i = 0; i < *pauses; i++)
        oh_pause();
    if (*pauses < OH_BACKOFF_MAX)
        *pauses *= 2;
}

#endif
