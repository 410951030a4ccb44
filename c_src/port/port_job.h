/*
 * port_job: runs the core's jobs (oh_job.h) in the worker: external terms into arguments, the
 * result into a reply.
 */
#ifndef PORT_JOB_H
#define PORT_JOB_H

#include <stdbool.h>

#include "port_reply.h"
#include "port_term.h"

/* Does the job and replies. args is one measured term, nested at most PORT_TERM_DEPTH_MAX deep: a
 * map of arguments by name, or the first argument alone; bytes of arguments may stand in the VM's
 * memory (port_shared.h). into: another such term, the part of it that takes the first bytes of the
 * result; or NULL. bytes is the size of the request. */
void port_job_run(const char *name, port_term_t *into, port_term_t *args, int bytes, bool test_jobs,
                  port_reply_t *reply);

#endif
