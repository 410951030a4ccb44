/*
 * oh_common: what every core file needs.
 *
 * The core is plain C11 and knows nothing of Erlang: no erl_nif.h, no ei.h. Erlang terms reach it
 * as opaque 64-bit words.
 */
#ifndef OH_COMMON_H
#define OH_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OH_CACHE_LINE 64

#define OH_ALWAYS_INLINE static inline __attribute__((always_inline))

#define oh_likely(x)   __builtin_expect(!!(x), 1)
#define oh_unlikely(x) __builtin_expect(!!(x), 0)

/*
 * The outcome of a core call. One list: the glue turns each into a term in one place
 * (nif_status.c), the port worker into an error atom of the same name.
 */
#define OH_STATUS_MAP(_)                                                                           \
    _(OK, ok)               /* done */                                                             \
    _(BADARG, badarg)       /* the caller's argument is outside the documented domain */           \
    _(ENOMEM, enomem)       /* memory is out; nothing changed */                                   \
    _(LIMIT, system_limit)  /* a documented limit is passed; nothing changed */                    \
    _(NOT_FOUND, not_found) /* no such entry */                                                    \
    _(EXISTS, exists)       /* there already; nothing changed */                                   \
    _(CLOSED, closed)       /* the structure was closed or deleted */                              \
    _(RELEASED, released)   /* the buffer was released */                                          \
    _(FROZEN, frozen)       /* the buffer was frozen */                                            \
    _(BUSY, busy)           /* an operation of another process is under way */                     \
    _(EXHAUSTED, exhausted) /* the pool's cap is reached */                                        \
    _(ERRNO, errno_)        /* the operating system refused: see errno */

typedef enum {
#define OH_STATUS_ENUM(upper, lower) OH_##upper,
    OH_STATUS_MAP(OH_STATUS_ENUM)
#undef OH_STATUS_ENUM
        OH_STATUS_COUNT
} oh_status_t;

/* A thread-local word that is read without a call, also in a library that is loaded late: glibc
 * keeps room for a few of them. */
#if defined(__GLIBC__)
#define OH_TLS_FAST __attribute__((tls_model("initial-exec")))
#else
#define OH_TLS_FAST
#endif

#define OH_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* x rounded up to a multiple of align, a power of two. */
static inline size_t oh_align_up(size_t x, size_t align) {
    return (x + align - 1) & ~(align - 1);
}

#endif
