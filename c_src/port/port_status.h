/*
 * port_status: what the worker program exits with. doc/ports.md and offheap_port_pool name these; a
 * worker that a signal ended is reported by the VM as 128 + the signal's number.
 */
#ifndef PORT_STATUS_H
#define PORT_STATUS_H

enum {
    PORT_EXIT_CLOSED = 0,    /* stdin was closed: the port or the VM is gone */
    PORT_EXIT_USAGE = 2,     /* an argument that the program does not know */
    PORT_EXIT_PROTOCOL = 3,  /* a frame from which not even a request id could be read */
    PORT_EXIT_TOO_LARGE = 4, /* a frame longer than --max-frame */
    PORT_EXIT_IO = 5,        /* reading or writing failed */
    PORT_EXIT_MEMORY = 6,    /* memory is out */
    PORT_EXIT_SETUP = 7 /* a limit or the sandbox cannot be had, no thread for watching stdin, or
                                libsodium did not start */
};

#endif
