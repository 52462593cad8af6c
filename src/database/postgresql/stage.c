/*
 * A table that is filled before the transaction takes it in.
 *
 * Other connections do not see what a transaction has made, so such a table is made and committed by one of
 * them. Until the transaction ends it holds an advisory lock of the table's name: a table whose lock is free
 * belongs to nobody any more, and whoever imports next drops it.
 */
#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "database/postgresql/table.h"

#define LONG_ROWS 16384 /* what one connection has copied before others are connected */
#define STAGE_LOCK "hashtextextended('finops stage:' || $1, 0)"

/* Who makes tables where, and what the transaction sees of others. */
#define WHO_SQL                                                                                              \
    "SELECT coalesce(current_schema(), ''), current_user, current_setting('default_tablespace'), "           \
    "current_setting('transaction_isolation') = 'read committed' AND "                                       \
    "current_setting('transaction_read_only') = 'off'"

static bool
same_session(const PGresult *a, const PGresult *b)
{
    for (int i = 0; i < 4; i++)
        if (!fo_streq(PQgetvalue(a, 0, i), PQgetvalue(b, 0, i)))
            return false;
    return true;
}

static void
helpers_close(fo_pg_copy *copy)
{
    while (copy->n_helpers > 0)
        fo_pg_disconnect(copy->helpers[--copy->n_helpers]);
}

static bool
main_stopped(void *arg)
{
    return fo_pg_call_check(arg, NULL) != FINOPS_OK;
}

static finops_code
helper_open(fo_pg_conn *c, fo_pg_conn **ret)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    const finops_call call = { .deadline_us = c->call.deadline_us, .cancelled = main_stopped, .arg = c };
    void *conn = NULL;
    finops_code rc = fo_pg_connect(c->database, 0, &call, &conn, &why);

    if (rc == FINOPS_OK)
        rc = fo_pg_call_begin(conn, &call, &why);
    if (rc != FINOPS_OK) {
        fo_debug("postgresql: one connection less to copy with: %s", finops_error_text(why));
        fo_pg_disconnect(conn);
        return rc;
    }
    *ret = conn;
    return FINOPS_OK;
}

/* As many as can be had: what the server refuses, the others do. */
static void
helpers_open(fo_pg_copy *copy)
{
    const size_t want = copy->conn->database->copy_connections - 1;

    while (copy->n_helpers < want && helper_open(copy->conn, &copy->helpers[copy->n_helpers]) == FINOPS_OK)
        copy->n_helpers++;
}

/* The lock comes before the table, so that there is no moment at which it is nobody's. */
static finops_code
claim(fo_pg_conn *c, const char *name, finops_error **err)
{
    const char *const params[] = { name };

    c->staged = true;
    return fo_pg_run(c, "SELECT pg_advisory_xact_lock(" STAGE_LOCK ")", params, 1, NULL, err);
}

/* Not for long when the caller's transaction has a lock on the schema: this one would wait for itself. */
static finops_code
make(fo_pg_conn *helper, const char *sql)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc = fo_pg_run(helper, "SET lock_timeout TO '1s'", NULL, 0, NULL, &why);

    if (rc == FINOPS_OK)
        rc = fo_pg_run(helper, sql, NULL, 0, NULL, &why);
    if (rc == FINOPS_OK)
        rc = fo_pg_run(helper, "RESET lock_timeout", NULL, 0, NULL, &why);
    if (rc != FINOPS_OK)
        fo_debug("postgresql: copying over one connection: %s", finops_error_text(why));
    return rc;
}

/* True: the table is there, for all to see. False with FINOPS_OK: to be made in the transaction. */
static finops_code
stage(fo_pg_copy *copy, const char *name, const char *sql, bool *ret_staged, finops_error **err)
{
    FO_AUTO(fo_pg_clearp) PGresult *mine = NULL;
    FO_AUTO(fo_pg_clearp) PGresult *theirs = NULL;
    finops_code rc = fo_pg_run(copy->conn, WHO_SQL, NULL, 0, &mine, err);

    *ret_staged = false;
    if (rc != FINOPS_OK || PQgetvalue(mine, 0, 3)[0] != 't')
        return rc;
    helpers_open(copy);
    if (copy->n_helpers == 0)
        return FINOPS_OK;
    if (fo_pg_run(copy->helpers[0], WHO_SQL, NULL, 0, &theirs, NULL) == FINOPS_OK &&
        same_session(mine, theirs)) {
        rc = claim(copy->conn, name, err);
        *ret_staged = rc == FINOPS_OK && make(copy->helpers[0], sql) == FINOPS_OK;
    }
    if (!*ret_staged)
        helpers_close(copy);
    return rc;
}

bool
fo_pg_stage_wanted(fo_pg_copy *copy)
{
    return copy->conn->database->copy_connections > 1 && !copy->conn->read_only &&
           fo_pg_ahead_is_long(copy->ahead, LONG_ROWS);
}

finops_code
fo_pg_stage_make(fo_pg_copy *copy, const char *name, const char *sql, finops_error **err)
{
    bool staged = false;
    finops_code rc = FINOPS_OK;

    assert(copy && name && sql && fo_pg_in_transaction(copy->conn));
    if (fo_pg_stage_wanted(copy))
        rc = stage(copy, name, sql, &staged, err);
    return rc != FINOPS_OK || staged ? rc : fo_pg_run(copy->conn, sql, NULL, 0, NULL, err);
}

/* Tables that are ours to drop. Those of open transactions are among them. */
static finops_code
leftovers(fo_pg_conn *c, PGresult **ret, finops_error **err)
{
    return fo_pg_run(c,
                     "SELECT format('DROP TABLE %I.%I', n.nspname, c.relname), c.relname FROM pg_class c "
                     "JOIN pg_namespace n ON n.oid = c.relnamespace "
                     "WHERE " PG_IS_STAGE " AND pg_has_role(c.relowner, 'USAGE')",
                     NULL, 0, ret, err);
}

/* Where the lock is free nobody renames the table meanwhile: its transaction is over. */
static void
drop_one(fo_pg_conn *c, const char *sql, const char *name)
{
    FO_AUTO(fo_pg_clearp) PGresult *got = NULL;
    const char *const params[] = { name };
    finops_code rc = fo_pg_run(c, "BEGIN", NULL, 0, NULL, NULL);

    if (rc == FINOPS_OK)
        rc = fo_pg_run(c, "SET LOCAL lock_timeout TO '1s'", NULL, 0, NULL, NULL);
    if (rc == FINOPS_OK)
        rc = fo_pg_run(c, "SELECT pg_try_advisory_xact_lock(" STAGE_LOCK ")", params, 1, &got, NULL);
    if (rc == FINOPS_OK && PQgetvalue(got, 0, 0)[0] == 't')
        rc = fo_pg_run(c, sql, NULL, 0, NULL, NULL);
    (void)fo_pg_run(c, rc == FINOPS_OK ? "COMMIT" : "ROLLBACK", NULL, 0, NULL, NULL);
}

void
fo_pg_stage_sweep(fo_pg_conn *c)
{
    FO_AUTO(fo_pg_clearp) PGresult *tables = NULL;

    assert(c && !fo_pg_in_transaction(c));
    if (leftovers(c, &tables, NULL) != FINOPS_OK)
        return;
    for (int i = 0; i < PQntuples(tables); i++)
        drop_one(c, PQgetvalue(tables, i, 0), PQgetvalue(tables, i, 1));
}

/* Not in the transaction, which would keep the locks of what it drops and take it back with everything else.
 */
finops_code
fo_pg_stage_sweep_beside(fo_pg_conn *c, finops_error **err)
{
    FO_AUTO(fo_pg_clearp) PGresult *tables = NULL;
    fo_pg_conn *beside = NULL;
    finops_code rc = fo_pg_call_check(c, err);

    assert(fo_pg_in_transaction(c));
    if (rc != FINOPS_OK || c->read_only || PQtransactionStatus(c->pg) != PQTRANS_INTRANS)
        return rc;
    rc = leftovers(c, &tables, err);
    if (rc != FINOPS_OK || PQntuples(tables) == 0 || helper_open(c, &beside) != FINOPS_OK)
        return rc;
    fo_pg_stage_sweep(beside);
    fo_pg_disconnect(beside);
    return FINOPS_OK;
}
