/*
 * port_jobs: what the worker can do, as a table from names to functions.
 */
#ifndef PORT_JOBS_H
#define PORT_JOBS_H

#include <stdbool.h>

#include "port_reply.h"
#include "port_term.h"

/* Does one job: reads its argument from args (one measured term, nested at most
 * PORT_TERM_DEPTH_MAX deep) and replies. Returning without a reply means: bad argument. */
typedef void (*port_job_run_t)(port_term_t *args, port_reply_t *reply);

typedef struct {
    const char *name;
    port_job_run_t run;
    bool slow; /* may take long whatever the size of its argument, or end the worker */
    bool test; /* only with --test-jobs */
} port_job_t;

/* The job of that name, or NULL. */
const port_job_t *port_job_find(const char *name, bool test_jobs);

#endif
