/*
 * oh_errno: the names of the operating system's errors, as Erlang's file module writes them.
 *
 * Wait-free, any thread.
 */
#ifndef OH_ERRNO_H
#define OH_ERRNO_H

/* "enoent" for ENOENT, and so on for what files, memory and pipes give; "eio" for the rest. The
 * string is static. */
const char *oh_errno_name(int error_number);

#endif
