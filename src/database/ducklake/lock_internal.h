/* Shared by lock.c and lease.c only. */
#ifndef FO_DATABASE_DUCKLAKE_LOCK_INTERNAL_H
#define FO_DATABASE_DUCKLAKE_LOCK_INTERNAL_H

#include <libpq-fe.h>

#include "database/ducklake/lake.h"

/* One lock that a connection holds; `depth` times. */
struct fo_lake_lock {
    const void *conn;
    char *name;
    unsigned depth;
    PGconn *server; /* NULL: a file's */
    int fd;         /* -1 */
    fo_lake_lock *next;
};

/* Ends all sessions of the process that holds the lock, when it was silent for so long. */
void fo_lake_end_silent(PGconn *server, uint64_t number, int64_t seconds);
/* The locks of the lake are kept alive from now on. With locks_lock held. */
finops_code fo_lake_keep_alive(fo_lake *lake, finops_error **err);

#endif
