#include "port_limits.h"

#include <errno.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#if defined(__x86_64__) || defined(__aarch64__)
#define HAS_SECCOMP
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#endif
#endif

static bool set_limit(int resource, uint64_t value) {
    struct rlimit limit = {(rlim_t)value, (rlim_t)value};
    return value == 0 || setrlimit(resource, &limit) == 0;
}

static bool forbid_core_dumps(void) {
    struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_CORE, &none) == 0;
}

#ifdef HAS_SECCOMP

#ifdef __x86_64__
#define THIS_ARCH AUDIT_ARCH_X86_64
/* System calls of the x32 table have this bit, and would pass a list of numbers. */
#define FOREIGN_BIT 0x40000000u
#else
#define THIS_ARCH   AUDIT_ARCH_AARCH64
#define FOREIGN_BIT 0x80000000u
#endif

/* The list of what is refused, by two instructions each. */
#define REFUSE(name)                                                                               \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1),                                         \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

static bool enter_sandbox(void) {
    static struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FOREIGN_BIT, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        /* other programs */
        REFUSE(execve), REFUSE(execveat),
        /* other processes */
        REFUSE(ptrace), REFUSE(process_vm_readv), REFUSE(process_vm_writev), REFUSE(kill),
        REFUSE(tkill), REFUSE(pidfd_send_signal), REFUSE(pidfd_getfd), REFUSE(kcmp),
        /* the network */
        REFUSE(socket), REFUSE(connect), REFUSE(bind), REFUSE(listen), REFUSE(accept),
        REFUSE(accept4),
        /* the system */
        REFUSE(mount), REFUSE(umount2), REFUSE(pivot_root), REFUSE(chroot), REFUSE(setns),
        REFUSE(unshare), REFUSE(bpf), REFUSE(perf_event_open), REFUSE(init_module),
        REFUSE(finit_module), REFUSE(delete_module), REFUSE(kexec_load), REFUSE(reboot),
        REFUSE(swapon), REFUSE(swapoff), REFUSE(sethostname), REFUSE(setdomainname),
        REFUSE(settimeofday), REFUSE(clock_settime), REFUSE(keyctl), REFUSE(add_key),
        REFUSE(request_key), REFUSE(userfaultfd),
        /* identity */
        REFUSE(setuid), REFUSE(setgid), REFUSE(setreuid), REFUSE(setregid), REFUSE(setresuid),
        REFUSE(setresgid), REFUSE(setgroups), REFUSE(capset),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

#else

static bool enter_sandbox(void) {
    return false;
}

#endif

static bool give_up_privileges(void) {
#ifdef __linux__
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
#else
    return true;
#endif
}

static bool be_nice(int by) {
    errno = 0;
    return by == 0 || nice(by) != -1 || errno == 0;
}

bool port_limits_apply(const port_limits_t *limits) {
    return forbid_core_dumps() && give_up_privileges() &&
           set_limit(RLIMIT_AS, limits->memory_bytes) &&
           set_limit(RLIMIT_CPU, limits->cpu_seconds) && set_limit(RLIMIT_NOFILE, limits->files) &&
           be_nice(limits->nice) && (!limits->sandbox || enter_sandbox());
}
