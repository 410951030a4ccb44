/*
 * For the owners of worker programs: a handle to an operating-system process that can be killed
 * without ever hitting another one, and a pipe for what a program says on its standard error.
 *
 * All calls but process_await are a few system calls that do not block.
 */
#define _GNU_SOURCE
#include "nif_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include "../core/oh_atomic.h"

/* --- Processes --- */

typedef struct {
    pid_t pid;
    int fd; /* a pidfd: refers to this process even after its number is another's; -1: none */
} process_t;

static void process_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    process_t *p = obj;
    if (p->fd >= 0)
        (void)close(p->fd);
}

static void kill_process(const process_t *p) {
#if defined(__linux__) && defined(SYS_pidfd_send_signal)
    if (p->fd >= 0) {
        (void)syscall(SYS_pidfd_send_signal, p->fd, SIGKILL, NULL, 0);
        return;
    }
#endif
    (void)kill(p->pid, SIGKILL);
}

/* The owner was killed. Its port closes only when what is queued for the program is written, which
 * one that reads no more keeps from happening. */
static void process_down(ErlNifEnv *env, void *obj, ErlNifPid *pid, ErlNifMonitor *monitor) {
    (void)env;
    (void)pid;
    (void)monitor;
    kill_process(obj);
}

ErlNifResourceTypeInit nif_type_init_process = {
    .dtor = process_destroy, .down = process_down, .members = 3};

static int open_pidfd(pid_t pid) {
#if defined(__linux__) && defined(SYS_pidfd_open)
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    return -1;
#endif
}

/* process_open(OsPid): a handle. The process should have been started just now by the caller, with
 * whom it is killed; where there are no pidfds it is not, since its number may be another's. */
ERL_NIF_TERM nif_process_open(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    int pid;
    if (!enif_get_int(env, argv[0], &pid) || pid <= 1)
        return enif_make_badarg(env);
    process_t *p = enif_alloc_resource(nif_type_process, sizeof *p);
    *p = (process_t){.pid = pid, .fd = open_pidfd(pid)};
    ERL_NIF_TERM term = enif_make_resource(env, p);
    ErlNifPid self;
    if (p->fd >= 0 && enif_monitor_process(env, p, enif_self(env, &self), NULL) != 0)
        kill_process(p);
    enif_release_resource(p);
    return term;
}

/* process_kill(Process): SIGKILL; nothing if it has ended. */
ERL_NIF_TERM nif_process_kill(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    process_t *p;
    if (!enif_get_resource(env, argv[0], nif_type_process, (void **)&p))
        return enif_make_badarg(env);
    kill_process(p);
    return nif_atom.ok;
}

bool nif_process_get(ErlNifEnv *env, ERL_NIF_TERM term, void **process) {
    return enif_get_resource(env, term, nif_type_process, process);
}

/* The kernel makes a pidfd readable when the last thread of the process has ended. */
bool nif_process_has_ended(const void *process, int timeout_ms) {
    struct pollfd end = {.fd = ((const process_t *)process)->fd, .events = POLLIN};
    int ready;
    if (end.fd < 0)
        return false;
    do
        ready = poll(&end, 1, timeout_ms);
    while (ready < 0 && errno == EINTR);
    return ready == 1 && (end.revents & POLLIN) != 0;
}

/* process_await(Process, TimeoutMs): whether it has ended, after so many milliseconds at the most;
 * for one that was killed. On a dirty scheduler. */
ERL_NIF_TERM nif_process_await(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    void *process;
    int timeout_ms;
    if (!nif_process_get(env, argv[0], &process) || !enif_get_int(env, argv[1], &timeout_ms) ||
        timeout_ms < 0)
        return enif_make_badarg(env);
    return nif_process_has_ended(process, timeout_ms) ? nif_atom.true_ : nif_atom.false_;
}

/* --- Pipes --- */

/* Bytes that one read takes. */
#define READ_BYTES 8192

typedef struct {
    int in, out;          /* -1: closed */
    _Atomic bool watched; /* the emulator has in, and closes it */
} nif_pipe_t;

static void close_pipe(nif_pipe_t *p) {
    if (p->in >= 0)
        (void)close(p->in);
    if (p->out >= 0)
        (void)close(p->out);
    p->in = p->out = -1;
}

/* The emulator no longer looks at in: now it may be closed. */
static void pipe_stop(ErlNifEnv *env, void *obj, ErlNifEvent event, int is_direct_call) {
    (void)env;
    (void)event;
    (void)is_direct_call;
    close_pipe(obj);
}

static void pipe_down(ErlNifEnv *env, void *obj, ErlNifPid *pid, ErlNifMonitor *monitor) {
    (void)pid;
    (void)monitor;
    nif_pipe_t *p = obj;
    if (oh_exchange_acqrel(&p->watched, false))
        (void)enif_select(env, p->in, ERL_NIF_SELECT_STOP, p, NULL, nif_atom.undefined);
}

/* While the emulator has in, it holds a reference: the owner's end has come before. */
static void pipe_destroy(ErlNifEnv *env, void *obj) {
    (void)env;
    close_pipe(obj);
}

ErlNifResourceTypeInit nif_type_init_pipe = {
    .dtor = pipe_destroy, .stop = pipe_stop, .down = pipe_down, .members = 3};

/* pipe_open() -> {ok, Pipe, Path} or {error, Reason}: a program of the same user that opens Path
 * writes into the pipe, also after it was closed and opened again. The pipe goes with the caller.
 * {error, enotsup} where the system has no such paths. */
ERL_NIF_TERM nif_pipe_open(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    (void)argv;
#ifdef __linux__
    int ends[2];
    char path[64];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return nif_error(env, nif_errno(env, errno));
    (void)snprintf(path, sizeof path, "/proc/%ld/fd/%d", (long)getpid(), ends[1]);
    nif_pipe_t *p = enif_alloc_resource(nif_type_pipe, sizeof *p);
    p->in = ends[0];
    p->out = ends[1];
    oh_store_relaxed(&p->watched, false);
    ERL_NIF_TERM result = enif_make_tuple3(env, nif_atom.ok, enif_make_resource(env, p),
                                           enif_make_string(env, path, ERL_NIF_LATIN1));
    ErlNifPid self;
    if (enif_monitor_process(env, p, enif_self(env, &self), NULL) != 0)
        result = nif_error(env, nif_errno(env, ESRCH));
    enif_release_resource(p);
    return result;
#else
    return nif_error(env, nif_errno(env, ENOTSUP));
#endif
}

/* pipe_read(Pipe) -> Bytes, or again: {select, Pipe, undefined, ready_input} comes to the caller
 * when there are some. By the process that opened it. */
ERL_NIF_TERM nif_pipe_read(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]) {
    (void)argc;
    nif_pipe_t *p;
    char bytes[READ_BYTES];
    if (!enif_get_resource(env, argv[0], nif_type_pipe, (void **)&p) || p->in < 0)
        return enif_make_badarg(env);
    ssize_t got;
    do
        got = read(p->in, bytes, sizeof bytes);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        ERL_NIF_TERM term;
        memcpy(enif_make_new_binary(env, (size_t)got, &term), bytes, (size_t)got);
        return term;
    }
    oh_store_release(&p->watched, true);
    if (enif_select(env, p->in, ERL_NIF_SELECT_READ, p, NULL, nif_atom.undefined) < 0)
        return enif_make_badarg(env);
    return nif_atom.again;
}
