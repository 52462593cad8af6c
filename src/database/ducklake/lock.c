/*
 * Locks by name between processes and machines that share a catalog: advisory ones of its PostgreSQL, over a
 * connection of their own, or ranges of a file beside one in SQLite. They end with the process that holds
 * them. A catalog in a DuckDB file needs none: one process has it open.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/mem.h"
#include "database/ducklake/lock_internal.h"

#define PAUSE_NS 50000000L  /* between two tries at a file */
#define SERVER_WAIT "250ms" /* in the server's queue, before it is asked whether to go on */
#define NUMBER_TEXT 24
#define FILE_US INT64_C(3600000000)  /* patience with who holds a file's lock, and may have been stopped */
#define CATALOG_US INT64_C(30000000) /* patience with another that makes the lake */

static void
lock_free(fo_lake_lock *lock)
{
    if (!lock)
        return;
    PQfinish(lock->server);
    if (lock->fd >= 0)
        close(lock->fd);
    fo_free(lock->name);
    fo_free(lock);
}

/* The number that stands for a name, the same everywhere. */
static finops_code
lock_number(const char *name, uint64_t *ret, finops_error **err)
{
    unsigned char digest[FO_SHA256_BYTES];
    size_t n = 0;
    finops_code rc = fo_digest(FO_SHA256, name, strlen(name), digest, &n, err);

    *ret = 0;
    for (size_t i = 0; rc == FINOPS_OK && i < 7; i++) /* positive, also as an offset */
        *ret = *ret << 8 | digest[i];
    return rc;
}

static finops_code
connect_server(fo_lake_lock *lock, const char *address, finops_error **err)
{
    static const char *const names[] = { "keepalives_idle", "tcp_user_timeout", "dbname", NULL };
    const char *const values[] = { "20", "30000", address, NULL };

    if (lock->server && PQstatus(lock->server) == CONNECTION_OK)
        return FINOPS_OK;
    PQfinish(lock->server);
    lock->server = PQconnectdbParams(names, values, 1);
    if (PQstatus(lock->server) == CONNECTION_OK) {
        PQclear(PQexec(lock->server, "SET lock_timeout = '" SERVER_WAIT "'"));
        return FINOPS_OK;
    }
    return fo_error_set(err, FINOPS_E_TRANSIENT, "connect to the catalog for its locks: %s",
                        PQerrorMessage(lock->server));
}

/* *ret_held: nobody else has it. Who waits stands in the server's queue for a moment, the first comes first.
 */
static finops_code
try_server(fo_lake_lock *lock, const char *address, uint64_t number, bool wait, bool *ret_held,
           finops_error **err)
{
    char text[NUMBER_TEXT];
    const char *const params[] = { text };
    const char *sql =
        wait ? "SELECT pg_advisory_lock($1::bigint), true" : "SELECT NULL, pg_try_advisory_lock($1::bigint)";
    finops_code rc = connect_server(lock, address, err);
    PGresult *result;
    const char *state;
    bool ok;

    if (rc != FINOPS_OK)
        return rc;
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    result = PQexecParams(lock->server, sql, 1, NULL, params, NULL, NULL, 0);
    ok = PQresultStatus(result) == PGRES_TUPLES_OK;
    *ret_held = ok && strcmp(PQgetvalue(result, 0, 1), "t") == 0;
    state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    ok = ok || (state && strcmp(state, "55P03") == 0); /* still somebody else's */
    PQclear(result);
    return ok ? FINOPS_OK
              : fo_error_set(err, FINOPS_E_TRANSIENT, "lock in the catalog: %s",
                             PQerrorMessage(lock->server));
}

static finops_code
try_file(fo_lake_lock *lock, const char *address, uint64_t number, bool *ret_held, finops_error **err)
{
    FO_AUTO(fo_freep) char *path = fo_format("%s.lock", address);
    struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)number, .l_len = 1 };

    if (!path)
        return fo_error_oom(err);
    if (lock->fd < 0)
        lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock->fd < 0)
        return fo_error_errno(err, errno, "open %s", path);
    *ret_held = fcntl(lock->fd, F_OFD_SETLK, &range) == 0;
    if (!*ret_held && errno != EAGAIN && errno != EACCES)
        return fo_error_errno(err, errno, "lock %s", path);
    return FINOPS_OK;
}

/* Until the call is over. */
static finops_code
wait_for(const fo_lake_plan *plan, fo_lake_lock *lock, const finops_call *call, finops_error **err)
{
    static const struct timespec pause = { .tv_nsec = PAUSE_NS };
    bool file = plan->catalog == FO_LAKE_SQLITE, held = false;
    int64_t limit = fo_clock_monotonic() + FILE_US;
    uint64_t number;
    finops_code rc = lock_number(lock->name, &number, err);

    for (bool wait = false; rc == FINOPS_OK; wait = true) {
        rc = file ? try_file(lock, plan->address, number, &held, err)
                  : try_server(lock, plan->address, number, wait, &held, err);
        if (rc != FINOPS_OK || held)
            break;
        if (call && call->cancelled && call->cancelled(call->arg))
            return fo_error_set(err, FINOPS_E_CANCELLED, "stopped while waiting for the lock %s", lock->name);
        if ((call && call->deadline_us && fo_clock_monotonic() >= call->deadline_us) ||
            (file && fo_clock_monotonic() >= limit))
            return fo_error_set(err, FINOPS_E_BUSY, "another process holds the lock %s", lock->name);
        if (file)
            (void)nanosleep(&pause, NULL);
        else
            fo_lake_end_silent(lock->server, number, plan->claim_timeout);
    }
    return rc;
}

static fo_lake_lock **
lock_find(fo_lake *lake, const void *conn, const char *name)
{
    fo_lake_lock **at = &lake->locks;

    while (*at && !((*at)->conn == conn && (!name || fo_streq((*at)->name, name))))
        at = &(*at)->next;
    return at;
}

/* One that is taken for the first time. Takes `server`, which may be NULL. */
static finops_code
lock_new(const fo_lake_plan *plan, const char *name, PGconn *server, const finops_call *call,
         fo_lake_lock **ret, finops_error **err)
{
    fo_lake_lock *lock = fo_zalloc(sizeof(*lock));
    finops_code rc;

    if (!lock) {
        PQfinish(server);
        return fo_error_oom(err);
    }
    *lock = (fo_lake_lock){ .name = fo_strdup(name), .depth = 1, .server = server, .fd = -1 };
    rc = lock->name ? wait_for(plan, lock, call, err) : fo_error_oom(err);
    if (rc == FINOPS_OK)
        *ret = lock;
    else
        lock_free(lock);
    return rc;
}

finops_code
fo_lake_catalog_lock(const fo_lake_plan *plan, fo_lake_lock **ret, finops_error **err)
{
    const finops_call call = { .deadline_us = fo_clock_monotonic() + CATALOG_US };

    return lock_new(plan, "finops catalog", NULL, &call, ret, err);
}

void
fo_lake_catalog_unlock(fo_lake_lock *lock)
{
    lock_free(lock);
}

static finops_code
lock_add(fo_lake *lake, const void *conn, const char *name, const finops_call *call, finops_error **err)
{
    fo_lake_lock *lock = NULL;
    PGconn *server;
    finops_code rc;

    (void)pthread_mutex_lock(&lake->locks_lock);
    server = FO_TAKE(lake->spare);
    (void)pthread_mutex_unlock(&lake->locks_lock);
    rc = lock_new(&lake->plan, name, server, call, &lock, err);
    if (rc != FINOPS_OK)
        return rc;
    lock->conn = conn;
    (void)pthread_mutex_lock(&lake->locks_lock);
    if (lock->server)
        rc = fo_lake_keep_alive(lake, err);
    if (rc == FINOPS_OK) {
        lock->next = lake->locks;
        lake->locks = FO_TAKE(lock);
    }
    (void)pthread_mutex_unlock(&lake->locks_lock);
    lock_free(lock);
    return rc;
}

/* First among the connections of this process, then among all. */
finops_code
fo_lake_lock_take(void *conn, const char *name, const finops_call *call, finops_error **err)
{
    fo_lake *lake = (fo_lake *)((fo_duckdb_link *)conn)->database;
    fo_lake_lock *held = NULL;
    finops_code rc = fo_duckdb_lock(conn, name, call, err);

    if (rc != FINOPS_OK || lake->plan.catalog == FO_LAKE_DUCKDB)
        return rc;
    (void)pthread_mutex_lock(&lake->locks_lock);
    held = *lock_find(lake, conn, name);
    if (held)
        held->depth++;
    (void)pthread_mutex_unlock(&lake->locks_lock);
    if (!held)
        rc = lock_add(lake, conn, name, call, err);
    if (rc != FINOPS_OK)
        (void)fo_duckdb_unlock(conn, name, NULL);
    return rc;
}

/* Many locks are held for one statement: a connection that is free again serves the next one. */
static void
lock_keep_server(fo_lake *lake, fo_lake_lock *lock)
{
    PGresult *result;
    bool ok;

    if (!lock->server || lake->spare)
        return;
    result = PQexec(lock->server, "SELECT pg_advisory_unlock_all()");
    ok = PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    if (ok)
        lake->spare = FO_TAKE(lock->server);
}

/* name NULL: all of the connection. */
static void
lock_release(fo_lake *lake, const void *conn, const char *name)
{
    fo_lake_lock **at, *gone;

    (void)pthread_mutex_lock(&lake->locks_lock);
    while (*(at = lock_find(lake, conn, name))) {
        gone = *at;
        if (name && --gone->depth > 0)
            break;
        *at = gone->next;
        lock_keep_server(lake, gone);
        lock_free(gone);
        if (name)
            break;
    }
    (void)pthread_mutex_unlock(&lake->locks_lock);
}

finops_code
fo_lake_lock_release(void *conn, const char *name, finops_error **err)
{
    lock_release((fo_lake *)((fo_duckdb_link *)conn)->database, conn, name);
    return fo_duckdb_unlock(conn, name, err);
}

void
fo_lake_disconnect(void *conn)
{
    if (conn)
        lock_release((fo_lake *)((fo_duckdb_link *)conn)->database, conn, NULL);
    fo_duckdb_disconnect(conn);
}
