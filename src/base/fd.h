/* Closing a descriptor by scope. */
#ifndef FO_BASE_FD_H
#define FO_BASE_FD_H

#include <errno.h>
#include <unistd.h>

/* For FO_AUTO on an int that is -1 while nothing is open. Keeps errno. */
static inline void
fo_fd_closep(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    errno = saved;
}

/* Hands a descriptor over: its value is returned and the variable becomes -1. Keeps errno. */
static inline int
fo_fd_take(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

#endif
