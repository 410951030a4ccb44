/*
 * port_cancel: requests that the VM no longer wants.
 *
 * {cancel, Id} comes in a frame of its own, behind the request's. While a job runs, what arrives is
 * looked through (port_io_poll), so that one is known before its turn: the job at work is stopped,
 * one that still waits in the pipe is not begun. Each is answered {Id, error, cancelled}, so that
 * every request has one reply. A cancellation whose request was answered before is dropped.
 *
 * Ids are remembered from when they are seen ahead until their own frame is read; there are never
 * more than requests in flight. The main thread alone calls here.
 */
#ifndef PORT_CANCEL_H
#define PORT_CANCEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The id, if the body is a cancellation. */
bool port_cancel_parse(const uint8_t *body, size_t bytes, int64_t *id);

/* Looks through what has arrived; whether the request is cancelled. */
bool port_cancel_poll(int64_t id);

/* Whether the request, whose turn it is, was seen cancelled. */
bool port_cancel_is_seen(int64_t id);

/* The cancellation's own frame is read: it is over. */
void port_cancel_forget(int64_t id);

#endif
