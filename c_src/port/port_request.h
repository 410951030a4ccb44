/*
 * port_request: the requests of a frame, done and answered.
 *
 * A frame holds one or more requests back to back, each an external term {Id, Job, Args} or
 * {Id, Job, Into, Args}: Id an integer of 64 bits, Job an atom, Into the part of the VM's memory
 * that takes the first bytes of the result; or one cancellation (port_cancel.h). Each request gets
 * one reply, {Id, ok, Result} or {Id, error, Reason}, in the order of the requests; or, if bytes
 * were put where Into says, {Id, into, Bytes, Result}, with their number in their place. Replies
 * may share frames.
 *
 *   unknown_job     no such job
 *   cancelled       {cancel, Id} came, in a frame of its own, before the job was done
 *   badarg          Job is no atom
 *   {badarg, Name}  the job does not take such an argument
 *   not_shared      the VM's memory cannot be mapped here: the job was not begun
 *   too_deep        nested beyond PORT_TERM_DEPTH_MAX
 *   bad_frame       the request is torn, or followed by something that is none; what came after it
 *                   in the frame was dropped; reading goes on with the next frame
 *   enoent ...      as the file module has them
 */
#ifndef PORT_REQUEST_H
#define PORT_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does the requests of a frame's body. False: no id can be read from what should be a request, so
 * there is nobody to answer. */
bool port_request_frame(const uint8_t *body, size_t bytes, bool test_jobs);

#endif
