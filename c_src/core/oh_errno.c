#include "oh_errno.h"

#include <errno.h>
#include <stddef.h>

/* strerrorname_np is glibc's alone. */
static const struct {
    int number;
    const char *name;
} names[] = {
    {EACCES, "eacces"}, {EAGAIN, "eagain"},
    {EBADF, "ebadf"},   {EBUSY, "ebusy"},
    {EEXIST, "eexist"}, {EFAULT, "efault"},
    {EFBIG, "efbig"},   {EINTR, "eintr"},
    {EINVAL, "einval"}, {EIO, "eio"},
    {EISDIR, "eisdir"}, {ELOOP, "eloop"},
    {EMFILE, "emfile"}, {ENAMETOOLONG, "enametoolong"},
    {ENFILE, "enfile"}, {ENODEV, "enodev"},
    {ENOENT, "enoent"}, {ENOMEM, "enomem"},
    {ENOSPC, "enospc"}, {ENOTDIR, "enotdir"},
    {ENXIO, "enxio"},   {EOVERFLOW, "eoverflow"},
    {EPERM, "eperm"},   {EPIPE, "epipe"},
    {EROFS, "erofs"},   {ESPIPE, "espipe"},
    {ESTALE, "estale"}, {ETXTBSY, "etxtbsy"},
    {EDQUOT, "edquot"}, {EOPNOTSUPP, "eopnotsupp"},
};

const char *oh_errno_name(int error_number) {
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].number == error_number)
            return names[i].name;
    return "eio";
}
