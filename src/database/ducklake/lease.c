/*
 * Locks in the server of a catalog are leases: a process that holds one says every few moments that it is
 * alive, on the connection that the lock belongs to, and the server keeps the time. One that was stopped, or
 * that the network lost, says nothing; who waits for its lock ends its sessions, all of them: it may have
 * been stopped in the middle of a commit. When it goes on, its transaction is gone.
 */
#include <ctype.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "database/ducklake/lock_internal.h"

#define PER_LEASE 4 /* signs of life in one */
#define NAME_PREFIX "finops:"
#define HOST_MAX 36 /* of the 63 characters that the server keeps */
#define NUMBER_TEXT 24

/* What the sessions of this process are called in the server: no other process has the name. */
static void
session_name(char *buf, size_t size)
{
    char host[HOST_MAX] = "";

    (void)gethostname(host, sizeof(host) - 1);
    for (char *c = host; *c; c++)
        if (!isalnum((unsigned char)*c))
            *c = '-';
    (void)snprintf(buf, size, NAME_PREFIX "%s:%ld:%06llx", host, (long)getpid(),
                   (unsigned long long)fo_clock_now() & 0xffffff);
}

char *
fo_lake_named_address(const char *address)
{
    char name[64];

    if (strstr(address, "application_name="))
        return fo_strdup(address);
    session_name(name, sizeof(name));
    return fo_format("%s%capplication_name=%s", address, strchr(address, '?') ? '&' : '?', name);
}

static const char end_sql[] =
    "WITH holder AS (SELECT a.pid, a.application_name, a.datid, extract(epoch FROM clock_timestamp() - "
    "a.state_change)::bigint AS silent FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) "
    "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid::bigint = $1::bigint >> 32 "
    "AND l.objid::bigint = $1::bigint & 4294967295 AND l.database = a.datid AND a.datname = "
    "current_database() AND a.pid <> pg_backend_pid() AND a.state_change < clock_timestamp() - $2::bigint * "
    "interval '1 second') "
    "SELECT h.application_name, h.silent, count(pg_terminate_backend(o.pid)) FROM holder AS h JOIN "
    "pg_stat_activity AS o ON o.pid = h.pid OR (o.datid = h.datid AND o.application_name = "
    "h.application_name AND starts_with(h.application_name, '" NAME_PREFIX "')) GROUP BY 1, 2";

void
fo_lake_end_silent(PGconn *server, uint64_t number, int64_t seconds)
{
    char text[NUMBER_TEXT], limit[NUMBER_TEXT];
    const char *const params[] = { text, limit };
    PGresult *result;

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    (void)snprintf(limit, sizeof(limit), "%lld", (long long)seconds);
    result = PQexecParams(server, end_sql, FO_COUNT(params), NULL, params, NULL, NULL, 0);
    for (int i = 0; i < PQntuples(result); i++)
        fo_warn("%s gave no sign of life for %s seconds; its claim is taken over", PQgetvalue(result, i, 0),
                PQgetvalue(result, i, 1));
    PQclear(result); /* who may not end it waits on */
}

static void
say(fo_lake *lake)
{
    for (fo_lake_lock *lock = lake->locks; lock; lock = lock->next)
        if (lock->server)
            PQclear(PQexec(lock->server, "SELECT 1"));
}

static void *
keep_saying(void *arg)
{
    fo_lake *lake = arg;
    int64_t pause_ns = lake->plan.claim_timeout * 1000000000 / PER_LEASE;

    (void)pthread_mutex_lock(&lake->locks_lock);
    while (!lake->ending) {
        struct timespec until;

        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += pause_ns / 1000000000;
        until.tv_nsec += pause_ns % 1000000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        if (pthread_cond_timedwait(&lake->wake, &lake->locks_lock, &until) != 0 && !lake->ending)
            say(lake);
    }
    (void)pthread_mutex_unlock(&lake->locks_lock);
    return NULL;
}

finops_code
fo_lake_keep_alive(fo_lake *lake, finops_error **err)
{
    int failed;

    if (lake->beats)
        return FINOPS_OK;
    failed = pthread_create(&lake->beat, NULL, keep_saying, lake);
    lake->beats = failed == 0;
    return failed ? fo_error_errno(err, failed, "start a thread that keeps locks alive") : FINOPS_OK;
}

void
fo_lake_locks_init(fo_lake *lake)
{
    (void)pthread_mutex_init(&lake->locks_lock, NULL);
    (void)pthread_cond_init(&lake->wake, NULL);
}

void
fo_lake_locks_done(fo_lake *lake)
{
    (void)pthread_mutex_lock(&lake->locks_lock);
    lake->ending = true;
    (void)pthread_cond_signal(&lake->wake);
    (void)pthread_mutex_unlock(&lake->locks_lock);
    if (lake->beats)
        (void)pthread_join(lake->beat, NULL);
    PQfinish(lake->spare);
    (void)pthread_cond_destroy(&lake->wake);
    (void)pthread_mutex_destroy(&lake->locks_lock);
}
