/*
 * oh_reaper: one background thread that does what no scheduler should wait for.
 *
 * Unmapping gigabytes and freeing a table of millions of entries take milliseconds; destructors and
 * 'down' callbacks run on schedulers and may take microseconds. They push a job here. The thread
 * also frees what the epochs have retired when nobody else writes, so that memory does not linger
 * after the last write.
 *
 * Call   Threads                         Progress
 * -----  ------------------------------  --------------------------------------------------------
 * push   any, destructors included       lock-free; at most one system call, which does not block
 * start  one                             blocking
 * stop   one                             blocking: finishes the jobs at hand
 *
 * A job that is pushed while no reaper runs waits for the next start.
 */
#ifndef OH_REAPER_H
#define OH_REAPER_H

#include "oh_common.h"

typedef struct oh_reaper_job {
    struct oh_reaper_job *next;
    void (*run)(struct oh_reaper_job *self); /* owns self; any duration; may push and retire */
} oh_reaper_job_t;

/* Starts the thread, or counts one more user of the running one. OH_ENOMEM when there is no thread
 * to be had. */
oh_status_t oh_reaper_start(void);
/* Ends the thread when its last user stops. */
void oh_reaper_stop(void);

/* Runs job->run(job) on the reaper's thread, soon. The job is the reaper's from here on. */
void oh_reaper_push(oh_reaper_job_t *job);

/* Tells the reaper that the epochs hold something to free. Cheap enough for every retirement. */
void oh_reaper_hint(void);

/* Ends what oh_zalloc_big gave: a small block at once, a big one on the reaper's thread, since
 * unmapping takes time in proportion to its pages. O(1) for the caller. */
void oh_reaper_free_big(void *ptr, size_t bytes);

#endif
