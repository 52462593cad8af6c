/*
 * Connections over which nothing comes any more, though nobody closed them: a firewall forgot them, a proxy
 * hangs, a cable is out. From outside they look like a server that works for long.
 *
 * TCP's own means (keepalives, tcp_user_timeout) do not see what lies behind a proxy, so after a while of
 * silence the server is asked over another connection what the backend does. One that works is waited for.
 * One that has nothing to do, or waits for us as we wait for it, has lost us; it is ended, so that its locks
 * go and its transaction is over before anybody tries again.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "database/postgresql/postgresql_internal.h"

#define LOOK_US 10000000       /* one look may take so long */
#define SECOND_LOOK_US 1000000 /* what was on its way at the first has come until then */
#define LOOKS 2                /* that must agree */
#define MINE "FROM pg_stat_activity WHERE pid = $1::int AND backend_start = $2::timestamptz"

typedef enum sight {
    SIGHT_WORKS,  /* or it cannot be told */
    SIGHT_WAITS,  /* for us */
    SIGHT_GONE,   /* the backend is no more */
    SIGHT_NOTHING /* the server is not reachable */
} sight;

/* `pg_backend_pid` as a pooler's connection has another than the one it told us: that is none of ours. */
void
fo_pg_backend_know(fo_pg_conn *c, const PGresult *row)
{
    unsigned long long pid = 0;

    c->pid[0] = c->since[0] = '\0';
    if (PQntuples(row) != 1 || !fo_parse_u64(PQgetvalue(row, 0, 0), &pid) ||
        pid != (unsigned long long)PQbackendPID(c->pg))
        return;
    (void)snprintf(c->pid, sizeof(c->pid), "%s", PQgetvalue(row, 0, 0));
    (void)snprintf(c->since, sizeof(c->since), "%s", PQgetvalue(row, 0, 1));
}

void
fo_pg_backend_lost(fo_pg_conn *c)
{
    fo_pg_database *db = c->database;
    fo_pg_lost *slot;

    if (!c->pid[0] || c->looks)
        return;
    (void)pthread_mutex_lock(&db->mutex);
    slot = &db->lost[db->n_lost++ % PG_LOST_MAX];
    memcpy(slot->pid, c->pid, sizeof(slot->pid));
    memcpy(slot->since, c->since, sizeof(slot->since));
    (void)pthread_mutex_unlock(&db->mutex);
    c->pid[0] = '\0';
}

/* Only ours: a process that has the number now began at another time. */
static void
end_backend(fo_pg_conn *c, const char *pid, const char *since)
{
    const char *const params[] = { pid, since };

    fo_debug("postgresql: ending the lost backend %s", pid);
    (void)fo_pg_run(c, "SELECT pg_terminate_backend(pid) " MINE, params, 2, NULL, NULL);
}

void
fo_pg_lost_end(fo_pg_conn *c)
{
    fo_pg_database *db = c->database;
    fo_pg_lost lost[PG_LOST_MAX];
    size_t n;

    (void)pthread_mutex_lock(&db->mutex);
    n = db->n_lost < PG_LOST_MAX ? db->n_lost : PG_LOST_MAX;
    memcpy(lost, db->lost, n * sizeof(*lost));
    db->n_lost = 0;
    (void)pthread_mutex_unlock(&db->mutex);
    for (size_t i = 0; i < n && !c->broken; i++)
        end_backend(c, lost[i].pid, lost[i].since);
}

static bool
caller_stopped(void *arg)
{
    return fo_pg_call_check(arg, NULL) != FINOPS_OK;
}

static sight
ask_about(fo_pg_conn *looker, const fo_pg_conn *c)
{
    const char *const params[] = { c->pid, c->since };
    FO_AUTO(fo_pg_clearp) PGresult *row = NULL;
    finops_code rc =
        fo_pg_run(looker, "SELECT coalesce(state, ''), coalesce(wait_event_type, '') = 'Client' " MINE,
                  params, 2, &row, NULL);

    if (rc != FINOPS_OK)
        return looker->broken ? SIGHT_NOTHING : SIGHT_WORKS;
    if (PQntuples(row) == 0)
        return SIGHT_GONE;
    if (fo_starts(PQgetvalue(row, 0, 0), "idle"))
        return SIGHT_WAITS;
    return fo_streq(PQgetvalue(row, 0, 0), "active") && PQgetvalue(row, 0, 1)[0] == 't' ? SIGHT_WAITS
                                                                                        : SIGHT_WORKS;
}

/* A server that refuses one more connection is there. */
static sight
sight_of(finops_code rc, const finops_error *why)
{
    const char *text = finops_error_text(why);

    if (rc == FINOPS_E_TIMEOUT)
        return SIGHT_NOTHING;
    return rc == FINOPS_E_TRANSIENT && !strstr(text, "too many c") && !strstr(text, "connection slots")
               ? SIGHT_NOTHING
               : SIGHT_WORKS;
}

static sight
look(fo_pg_conn *c, bool end_it)
{
    const finops_call call = { .deadline_us = fo_clock_monotonic() + LOOK_US,
                               .cancelled = caller_stopped,
                               .arg = c };
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    void *looker = NULL;
    sight seen;
    finops_code rc = fo_pg_connect_looker(c->database, &call, &looker, &why);

    if (rc == FINOPS_OK)
        rc = fo_pg_call_begin(looker, &call, &why);
    seen = rc == FINOPS_OK ? ask_about(looker, c) : sight_of(rc, why);
    if (seen == SIGHT_WAITS && end_it)
        end_backend(looker, c->pid, c->since);
    fo_pg_disconnect(looker);
    return seen;
}

finops_code
fo_pg_stall_check(fo_pg_conn *c, finops_error **err)
{
    static const char *const words[] = {
        [SIGHT_WORKS] = "",
        [SIGHT_WAITS] = "the connection is lost: the server waits for us as we wait for it",
        [SIGHT_GONE] = "the connection is lost: the server has ended it",
        [SIGHT_NOTHING] = "the connection is lost: the server does not answer",
    };
    const sight seen = look(c, c->strange + 1 >= LOOKS);

    if (fo_pg_call_check(c, NULL) != FINOPS_OK)
        return FINOPS_OK; /* which ends the wait in its own way */
    c->strange = seen == SIGHT_WORKS ? 0 : c->strange + 1;
    c->look_us = fo_clock_monotonic() + (seen == SIGHT_WORKS ? c->database->stall_us : SECOND_LOOK_US);
    if (c->strange < LOOKS)
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_TRANSIENT, "%s", words[seen]);
}
