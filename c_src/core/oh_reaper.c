#include "oh_reaper.h"
#include "oh_alloc.h"
#include "oh_atomic.h"
#include "oh_epoch.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* How long retired memory may lie before the reaper looks after it. */
#define TICK_NS 20000000L
/* Objects freed in one go before the collector's place is offered to others. */
#define COLLECT_BATCH 16

static struct {
    _Atomic(oh_reaper_job_t *) jobs; /* newest first */
    _Atomic bool awake;    /* false: the thread sleeps, or is about to, without a time-out */
    pthread_mutex_t mutex; /* guards the sleep, users and stopping */
    pthread_cond_t wake;
    pthread_t thread;
    unsigned users;
    bool stopping;
} reaper = {.mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/* Runs what was pushed, oldest first. True if there was anything. */
static bool run_jobs(void) {
    oh_reaper_job_t *newest = oh_exchange_acqrel(&reaper.jobs, NULL); /* J2: pairs with J1 */
    oh_reaper_job_t *oldest = NULL;
    while (newest != NULL) {
        oh_reaper_job_t *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    bool any = oldest != NULL;
    while (oldest != NULL) {
        oh_reaper_job_t *next = oldest->next;
        oldest->run(oldest);
        oldest = next;
    }
    return any;
}

static bool epochs_pending(void) {
    return oh_epoch_domain != NULL && oh_epoch_pending() > 0;
}

/* Sleeps: for a tick while retired memory waits for readers, else until somebody wakes it. */
static void rest(void) {
    bool pending = epochs_pending();
    pthread_mutex_lock(&reaper.mutex);
    if (pending) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += TICK_NS;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000L;
        }
        if (!reaper.stopping && oh_load_seqcst(&reaper.jobs) == NULL)
            pthread_cond_timedwait(&reaper.wake, &reaper.mutex, &until);
    } else {
        oh_store_seqcst(&reaper.awake, false); /* W1: before the checks; pairs with W2 */
        while (!reaper.stopping && oh_load_seqcst(&reaper.jobs) == NULL &&
               !oh_load_seqcst(&reaper.awake) && !epochs_pending())
            pthread_cond_wait(&reaper.wake, &reaper.mutex);
        oh_store_seqcst(&reaper.awake, true);
    }
    pthread_mutex_unlock(&reaper.mutex);
}

static void *reaper_main(void *arg) {
    (void)arg;
    for (;;) {
        /* Looked at before the jobs: what was pushed before the stop is run. */
        pthread_mutex_lock(&reaper.mutex);
        bool stopping = reaper.stopping;
        pthread_mutex_unlock(&reaper.mutex);
        bool worked = run_jobs();
        if (oh_epoch_domain != NULL && oh_epoch_collect(COLLECT_BATCH) > 0)
            worked = true;
        if (worked)
            continue;
        if (stopping)
            return NULL;
        rest();
    }
}

oh_status_t oh_reaper_start(void) {
    oh_status_t status = OH_OK;
    pthread_mutex_lock(&reaper.mutex);
    if (reaper.users == 0) {
        reaper.stopping = false;
        oh_store_seqcst(&reaper.awake, true);
        if (pthread_create(&reaper.thread, NULL, reaper_main, NULL) != 0)
            status = OH_ENOMEM;
    }
    if (status == OH_OK)
        reaper.users++;
    pthread_mutex_unlock(&reaper.mutex);
    return status;
}

void oh_reaper_stop(void) {
    pthread_mutex_lock(&reaper.mutex);
    bool last = reaper.users > 0 && --reaper.users == 0;
    if (last) {
        reaper.stopping = true;
        pthread_cond_signal(&reaper.wake);
    }
    pthread_mutex_unlock(&reaper.mutex);
    if (last)
        pthread_join(reaper.thread, NULL);
}

/* Wakes the thread if it sleeps without a time-out. */
static void wake(void) {
    if (!oh_load_seqcst(&reaper.awake) && /* W2: pairs with W1 */
        !oh_exchange_seqcst(&reaper.awake, true)) {
        pthread_mutex_lock(&reaper.mutex);
        pthread_cond_signal(&reaper.wake);
        pthread_mutex_unlock(&reaper.mutex);
    }
}

void oh_reaper_push(oh_reaper_job_t *job) {
    job->next = oh_load_relaxed(&reaper.jobs);
    while (!oh_cas_seqcst_seqcst(&reaper.jobs, &job->next, job)) /* J1: pairs with J2 */
        ;
    wake();
}

void oh_reaper_hint(void) {
    wake();
}

typedef struct {
    oh_reaper_job_t job;
    size_t bytes;
} free_big_t;

static void run_free_big(oh_reaper_job_t *job) {
    oh_free_big(job, OH_CONTAINER_OF(job, free_big_t, job)->bytes);
}

void oh_reaper_free_big(void *ptr, size_t bytes) {
    if (ptr == NULL || bytes < OH_ALLOC_MAP_BYTES) {
        oh_free_big(ptr, bytes);
        return;
    }
    free_big_t *self = ptr;
    self->job.run = run_free_big;
    self->bytes = bytes;
    oh_reaper_push(&self->job);
}
