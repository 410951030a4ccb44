/*
 * Two guards, each for what the other cannot see:
 *
 * The watcher thread waits for stdin to be hung up: the VM closed the port, or died (kill -9 closes
 * its pipes too). It ends the program by _exit, whatever the main thread is doing. It asks poll for
 * no event: POLLHUP comes unasked, also while unread requests are in the pipe, and data does not
 * wake it. It says nothing as long as some other process holds the pipe's write end open (a child
 * that the VM forked at the wrong moment).
 *
 * PR_SET_PDEATHSIG (Linux) needs no pipe: the kernel kills this process when the thread that forked
 * it ends. That is the only thread of erl_child_setup, the VM's helper that forks all port
 * programs, and which itself ends as soon as its socket to the VM closes. If it ended between fork
 * and prctl, no signal comes: the parent has then changed, which is checked after.
 */
#include "port_guard.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "port_status.h"

static void *watch(void *unused) {
    (void)unused;
    struct pollfd in = {.fd = STDIN_FILENO, .events = 0};
    for (;;) {
        int ready = poll(&in, 1, -1);
        if (ready > 0 && (in.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
            _exit(PORT_EXIT_CLOSED);
        if (ready < 0 && errno != EINTR && errno != EAGAIN)
            _exit(PORT_EXIT_IO);
    }
    return NULL;
}

static void die_with_parent(void) {
#ifdef __linux__
    pid_t parent = getppid();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(PORT_EXIT_CLOSED);
#endif
}

bool port_guard_start(void) {
    die_with_parent();
    /* A write to a VM that is gone gives EPIPE, not a signal. */
    (void)signal(SIGPIPE, SIG_IGN);
    pthread_attr_t attr;
    pthread_t thread;
    if (pthread_attr_init(&attr) != 0)
        return false;
    (void)pthread_attr_setstacksize(&attr, (size_t)64 * 1024);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    bool ok = pthread_create(&thread, &attr, watch, NULL) == 0;
    (void)pthread_attr_destroy(&attr);
    return ok;
}
