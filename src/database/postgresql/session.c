/* Transactions, health and locks. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "database/postgresql/table.h"

#define LOCK_PREFIX "finops:" /* the server's locks are one space for all programs */

finops_code
fo_pg_begin(void *conn, finops_error **err)
{
    fo_pg_conn *c = conn;
    finops_code rc = fo_pg_call_begin(c, NULL, err);

    if (rc == FINOPS_OK && fo_pg_in_transaction(c))
        rc = fo_error_set(err, FINOPS_E_ARGUMENT, "a transaction is open already");
    if (rc == FINOPS_OK)
        rc = fo_pg_run(c, c->read_only ? "BEGIN READ ONLY" : "BEGIN", NULL, 0, NULL, err);
    return rc == FINOPS_OK ? FINOPS_OK : fo_error_wrap(err, rc, "postgresql begin");
}

/* What it had others fill and has not taken in is nobody's now. */
static void
transaction_over(fo_pg_conn *c, bool committed)
{
    const bool left = c->staged && !committed;

    c->staged = false;
    if (left && !c->broken && PQstatus(c->pg) == CONNECTION_OK && !fo_pg_in_transaction(c))
        fo_pg_stage_sweep(c);
}

/* COMMIT of a transaction in which a statement failed succeeds, as ROLLBACK. */
static finops_code
commit(fo_pg_conn *c, bool *ret_unknown_outcome, finops_error **err)
{
    FO_AUTO(fo_pg_clearp) PGresult *result = NULL;
    finops_code rc = fo_pg_run(c, "COMMIT", NULL, 0, &result, err);

    if (rc == FINOPS_OK && !fo_streq(PQcmdStatus(result), "COMMIT"))
        rc = fo_error_set(err, FINOPS_E_DATABASE,
                          "a statement of the transaction had failed: all of it was rolled back");
    transaction_over(c, rc == FINOPS_OK);
    if (rc != FINOPS_OK && (c->broken || PQstatus(c->pg) != CONNECTION_OK)) {
        if (ret_unknown_outcome)
            *ret_unknown_outcome = true;
        rc = fo_error_wrap(err, FINOPS_E_TRANSIENT, "whether it was done is not known");
    }
    return rc;
}

finops_code
fo_pg_commit(void *conn, bool *ret_unknown_outcome, finops_error **err)
{
    fo_pg_conn *c = conn;
    finops_code rc = fo_pg_call_begin(c, NULL, err);

    if (rc == FINOPS_OK && !fo_pg_in_transaction(c))
        rc = fo_error_set(err, FINOPS_E_ARGUMENT, "no transaction is open");
    if (rc == FINOPS_OK)
        rc = commit(c, ret_unknown_outcome, err);
    return rc == FINOPS_OK ? FINOPS_OK : fo_error_wrap(err, rc, "postgresql commit");
}

finops_code
fo_pg_rollback(void *conn, finops_error **err)
{
    fo_pg_conn *c = conn;
    finops_code rc = fo_pg_call_begin(c, NULL, err);

    if (rc == FINOPS_OK && !fo_pg_in_transaction(c))
        rc = fo_error_set(err, FINOPS_E_ARGUMENT, "no transaction is open");
    if (rc == FINOPS_OK)
        rc = fo_pg_run(c, "ROLLBACK", NULL, 0, NULL, err);
    if (rc == FINOPS_OK)
        transaction_over(c, false);
    return rc == FINOPS_OK ? FINOPS_OK : fo_error_wrap(err, rc, "postgresql rollback");
}

finops_code
fo_pg_own_begin(fo_pg_conn *c, bool *ret_own, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    *ret_own = !fo_pg_in_transaction(c);
    if (*ret_own)
        rc = fo_pg_run(c, "BEGIN", NULL, 0, NULL, err);
    return rc;
}

finops_code
fo_pg_own_end(fo_pg_conn *c, bool own, finops_code rc, finops_error **err)
{
    if (!own)
        return rc;
    if (rc == FINOPS_OK)
        return commit(c, NULL, err);
    /* The call may be over; the rollback is not a part of it. */
    c->call = (finops_call){ .deadline_us = fo_clock_monotonic() + 5000000 };
    c->stop = FINOPS_OK;
    atomic_store(&c->stop_asked, false);
    if (!c->broken && PQstatus(c->pg) == CONNECTION_OK &&
        fo_pg_run(c, "ROLLBACK", NULL, 0, NULL, NULL) != FINOPS_OK)
        c->broken = true;
    transaction_over(c, false);
    return rc;
}

static finops_code
health_ask(fo_pg_conn *c, finops_health *ret, finops_error **err)
{
    FO_AUTO(fo_pg_clearp) PGresult *result = NULL;
    const int64_t begin = fo_clock_monotonic();
    const char *version = PQparameterStatus(c->pg, "server_version");
    finops_code rc =
        fo_pg_run(c, "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only')", NULL, 0,
                  &result, err);

    if (rc != FINOPS_OK)
        return rc;
    ret->latency_ms = (double)(fo_clock_monotonic() - begin) / 1000;
    (void)snprintf(ret->version, sizeof(ret->version), "PostgreSQL %.*s",
                   version ? (int)strcspn(version, " ") : 0, version ? version : "");
    if (PQgetvalue(result, 0, 0)[0] == 't' || fo_streq(PQgetvalue(result, 0, 1), "on")) {
        ret->state = FINOPS_HEALTH_DEGRADED;
        (void)snprintf(ret->detail, sizeof(ret->detail), "%s",
                       PQgetvalue(result, 0, 0)[0] == 't' ? "a standby: it only reads"
                                                          : "it is set to read only");
    }
    return FINOPS_OK;
}

finops_code
fo_pg_health(void *self, const finops_call *call, finops_health *ret, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_health health = { .state = FINOPS_HEALTH_UP };
    void *conn = NULL;
    finops_code rc = fo_pg_connect(self, 0, call, &conn, &why);

    assert(ret);
    if (rc == FINOPS_OK)
        rc = fo_pg_call_begin(conn, call, &why);
    if (rc == FINOPS_OK)
        rc = health_ask(conn, &health, &why);
    fo_pg_disconnect(conn);
    if (rc == FINOPS_E_MEMORY || rc == FINOPS_E_CANCELLED)
        return fo_error_set(err, rc, "%s", finops_error_text(why));
    if (rc != FINOPS_OK) {
        health.state = FINOPS_HEALTH_DOWN;
        fo_error_brief(why, health.detail, sizeof(health.detail));
    }
    *ret = health;
    return FINOPS_OK;
}

static finops_code
lock_ask(fo_pg_conn *c, const char *sql, const char *name, bool *ret_yes, finops_error **err)
{
    FO_AUTO(fo_freep) char *full = fo_format(LOCK_PREFIX "%s", name);
    FO_AUTO(fo_pg_clearp) PGresult *result = NULL;
    const char *const params[] = { full };
    finops_code rc;

    if (!full)
        return fo_error_oom(err);
    rc = fo_pg_run(c, sql, params, 1, &result, err);
    if (rc == FINOPS_OK)
        *ret_yes = PQntuples(result) == 1 && PQgetvalue(result, 0, 0)[0] == 't';
    return rc;
}

/* Tried first: to wait past the deadline costs the caller's transaction. */
finops_code
fo_pg_lock(void *conn, const char *name, const finops_call *call, finops_error **err)
{
    finops_call trying = call ? *call : (finops_call){ 0 };
    fo_pg_conn *c = conn;
    bool got = false;
    finops_code rc;

    assert(c && name);
    trying.deadline_us = 0;
    rc = fo_pg_call_begin(c, &trying, err);
    if (rc == FINOPS_OK)
        rc = lock_ask(c, "SELECT pg_try_advisory_lock(hashtext($1))", name, &got, err);
    if (rc == FINOPS_OK && !got) {
        rc = fo_pg_call_begin(c, call, err);
        if (rc == FINOPS_OK)
            rc = lock_ask(c, "SELECT 't' FROM (SELECT pg_advisory_lock(hashtext($1))) AS l", name, &got, err);
    }
    if (rc == FINOPS_E_TIMEOUT)
        return fo_error_set(err, FINOPS_E_BUSY, "postgresql lock %s: another process holds it", name);
    return rc == FINOPS_OK ? FINOPS_OK : fo_error_wrap(err, rc, "postgresql lock %s", name);
}

finops_code
fo_pg_unlock(void *conn, const char *name, finops_error **err)
{
    bool held = false;
    finops_code rc;

    assert(conn && name);
    rc = fo_pg_call_begin(conn, NULL, err);
    if (rc == FINOPS_OK)
        rc = lock_ask(conn, "SELECT pg_advisory_unlock(hashtext($1))", name, &held, err);
    if (rc == FINOPS_OK && !held)
        rc = fo_error_set(err, FINOPS_E_ARGUMENT, "it is not held");
    return rc == FINOPS_OK ? FINOPS_OK : fo_error_wrap(err, rc, "postgresql unlock %s", name);
}
