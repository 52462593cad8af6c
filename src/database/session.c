/* A session: each call of the driver with its arguments checked, its transaction kept in mind and its
 * failures noted. */
#include "database/session.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "database/front_internal.h"

void
finops_session_releasep(finops_session **session)
{
    finops_session_release(*session);
    *session = NULL;
}

static finops_code
no_session(finops_error **err)
{
    return fo_error_set(err, FINOPS_E_ARGUMENT, "no session, or nothing to do in it");
}

/* A connection is looked at before it is used again after anything but a refusal of what was asked. */
static finops_code
note(finops_session *session, finops_code rc)
{
    session->used = true;
    if (rc != FINOPS_OK)
        session->suspect = true;
    return rc;
}

finops_code
finops_session_acquire(finops_database *database, unsigned flags, const finops_call *call,
                       finops_session **ret, finops_error **err)
{
    if (!database || !ret)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a session of no database");
    return fo_pool_acquire(database->pool, flags, call, ret, err);
}

/* Also one that was begun by a statement: the next user would be in it. */
static void
release_transaction(finops_session *session)
{
    if (session->opened && !session->database->driver->rollback)
        session->spent = true;
    else if (session->opened)
        session->in_transaction = true;
    if (session->in_transaction && finops_session_rollback(session, NULL) != FINOPS_OK)
        session->spent = true;
}

void
finops_session_release(finops_session *session)
{
    finops_database *database;

    if (!session)
        return;
    database = session->database;
    fo_call_end(session);
    release_transaction(session);
    fo_record_flush(session);
    if (session->locks || (session->suspect && !fo_front_alive(database, session->conn)))
        session->spent = true;
    fo_session_set_cancel(session, NULL);
    fo_pool_release(database->pool, session);
    fo_front_unref(database);
}

/* Once more on a new connection, when the old one was lost under a statement that only reads. */
static finops_code
execute(finops_session *session, const finops_statement *statement, struct ArrowArrayStream *ret_stream,
        int64_t *ret_changed, finops_error **err)
{
    const finops_database_driver *driver = session->database->driver;
    finops_statement own = *statement;
    finops_error *why = NULL;
    finops_code rc;

    own.call = fo_call_enter(session, statement->call);
    session->used = true; /* it may have run though its connection was lost */
    rc = driver->execute(session->conn, &own, ret_stream, ret_changed, &why);
    if (rc == FINOPS_E_TRANSIENT && fo_front_reconnect(session, own.call)) {
        finops_error_free(FO_TAKE(why));
        rc = driver->execute(session->conn, &own, ret_stream, ret_changed, &why);
    }
    if (rc == FINOPS_OK)
        fo_statement_transaction(statement->sql, &session->opened);
    fo_call_leave(session, rc == FINOPS_OK && ret_stream);
    if (err)
        *err = why;
    else
        finops_error_free(why);
    return rc;
}

static finops_code
execute_recorded(finops_session *session, const finops_statement *statement,
                 struct ArrowArrayStream *ret_stream, int64_t *ret_changed, finops_error **err)
{
    fo_record record;
    int64_t changed = -1;
    finops_code rc = fo_record_statement(session, &record, statement->sql, err);

    record.streams = ret_stream != NULL;
    if (rc == FINOPS_OK)
        rc = note(session, execute(session, statement, ret_stream, &changed, err));
    if (rc == FINOPS_OK && ret_changed)
        *ret_changed = changed;
    return fo_record_end(session, &record, rc, ret_stream ? -1 : changed);
}

finops_code
finops_session_execute(finops_session *session, const finops_statement *statement,
                       struct ArrowArrayStream *ret_stream, int64_t *ret_changed, finops_error **err)
{
    finops_statement own;

    if (!session || !statement || !statement->sql || (!statement->params && statement->n_params))
        return no_session(err);
    own = *statement;
    if (!own.call)
        own.call = fo_session_call(session);
    if (fo_records(session))
        return execute_recorded(session, &own, ret_stream, ret_changed, err);
    return note(session, execute(session, &own, ret_stream, ret_changed, err));
}

static bool
source_valid(const finops_source *source)
{
    return source && (source->stream != NULL) + (source->sql != NULL) + (source->staged != NULL) == 1;
}

/* A source is consumed even when nothing is done with it. */
void
fo_front_source_release(const finops_source *source)
{
    if (source && source->stream && source->stream->release)
        source->stream->release(source->stream);
}

static finops_code
source_check(const finops_session *session, const finops_source *source, finops_error **err)
{
    if (source->sql && !(session->database->capabilities.features & FINOPS_DATABASE_READS_FILES))
        return fo_front_unsupported(session->database, "reading files in its own SQL is", err);
    if (source->staged && !session->database->driver->stage)
        return fo_front_unsupported(session->database, "staging rows is", err);
    return FINOPS_OK;
}

static finops_code
write_rows(finops_session *session, const finops_write *write, const finops_source *source,
           finops_write_result *ret, finops_error **err)
{
    finops_write own = *write;
    finops_code rc;

    own.call = fo_call_enter(session, write->call);
    rc = note(session, session->database->driver->write(session->conn, &own, source, ret, err));
    fo_call_leave(session, false);
    return rc;
}

finops_code
finops_session_write(finops_session *session, const finops_write *write, const finops_source *source,
                     finops_write_result *ret, finops_error **err)
{
    finops_write_result result = { 0 };
    fo_record record;
    finops_write own;
    finops_code rc;

    if (!session || !write || !write->table || !source_valid(source) || source->staged) {
        fo_front_source_release(source);
        return no_session(err);
    }
    rc = source_check(session, source, err);
    if (rc != FINOPS_OK)
        return rc;
    own = *write;
    if (!own.call)
        own.call = fo_session_call(session);
    rc = fo_record_begin(session, &record, "write", err);
    fo_record_object(&record, own.schema, own.table, NULL);
    if (rc == FINOPS_OK)
        rc = write_rows(session, &own, source, &result, err);
    else
        fo_front_source_release(source);
    if (rc == FINOPS_OK && ret)
        *ret = result;
    return fo_record_end(session, &record, rc, result.rows);
}

static finops_code
replace_rows(finops_session *session, const finops_partition *p, const finops_source *source,
             finops_write_result *ret, finops_error **err)
{
    const finops_database_driver *driver = session->database->driver;
    finops_partition own = *p;
    finops_code rc;

    own.call = fo_call_enter(session, p->call);
    if (driver->replace_partition)
        rc = note(session, driver->replace_partition(session->conn, &own, source, ret, err));
    else
        rc = fo_front_replace(session, &own, source, ret, err);
    fo_call_leave(session, false);
    return rc;
}

/* The driver's way, or the general one. The source is consumed. */
static finops_code
replace(finops_session *session, const finops_partition *p, const finops_source *source,
        finops_write_result *ret, finops_error **err)
{
    fo_record record;
    finops_code rc = fo_record_begin(session, &record, "replace", err);

    fo_record_object(&record, p->schema, p->table, p->column ? p->value : NULL);
    if (rc != FINOPS_OK)
        fo_front_source_release(source);
    else
        rc = replace_rows(session, p, source, ret, err);
    return fo_record_end(session, &record, rc, ret->rows);
}

finops_code
finops_session_replace_partition(finops_session *session, const finops_partition *partition,
                                 const finops_source *source, finops_write_result *ret, finops_error **err)
{
    finops_write_result result = { 0 };
    finops_partition own;
    finops_code rc;

    if (!session || !partition || !partition->table || (partition->column && !partition->value) ||
        !source_valid(source)) {
        fo_front_source_release(source);
        return no_session(err);
    }
    rc = source_check(session, source, err);
    if (rc != FINOPS_OK)
        return rc;
    own = *partition;
    if (!own.call)
        own.call = fo_session_call(session);
    rc = replace(session, &own, source, &result, err);
    if (rc == FINOPS_OK && ret)
        *ret = result;
    return rc;
}

finops_code
fo_session_stage(finops_session *session, const finops_partition *partition, const finops_source *source,
                 finops_staged *ret, finops_error **err)
{
    const finops_database_driver *driver = session->database->driver;
    finops_partition own = *partition;
    finops_code rc;

    assert(partition->column && partition->value && source->sql && ret && !session->in_transaction);
    if (!driver->stage)
        return fo_front_unsupported(session->database, "staging rows is", err);
    own.call = fo_call_enter(session, own.call ? own.call : fo_session_call(session));
    rc = note(session, driver->stage(session->conn, &own, source, ret, err));
    fo_call_leave(session, false);
    return rc;
}

void
fo_session_unstage(finops_session *session, finops_staged *staged)
{
    if (staged->where && session->database->driver->unstage)
        session->database->driver->unstage(session->conn, staged);
    fo_free(staged->where);
    *staged = (finops_staged){ 0 };
}

finops_code
finops_session_columns(finops_session *session, const char *schema, const char *table,
                       finops_each_column each, void *arg, finops_error **err)
{
    finops_code rc;

    if (!session || !table || !each)
        return no_session(err);
    (void)fo_call_enter(session, NULL);
    rc = note(session, session->database->driver->columns(session->conn, schema, table, each, arg, err));
    fo_call_leave(session, false);
    return rc;
}

finops_code
finops_session_tables(finops_session *session, const char *schema, finops_each_name each, void *arg,
                      finops_error **err)
{
    finops_code rc;

    if (!session || !each)
        return no_session(err);
    (void)fo_call_enter(session, NULL);
    rc = note(session, session->database->driver->tables(session->conn, schema, each, arg, err));
    fo_call_leave(session, false);
    return rc;
}

/* Beginning changes nothing: a connection that was lost in the pool is replaced. */
static finops_code
begin(finops_session *session, finops_error **err)
{
    const finops_database_driver *driver = session->database->driver;
    finops_error *why = NULL;
    finops_code rc = driver->begin(session->conn, &why);

    if (rc == FINOPS_E_TRANSIENT && fo_front_reconnect(session, fo_session_call(session))) {
        finops_error_free(FO_TAKE(why));
        rc = driver->begin(session->conn, &why);
    }
    if (err)
        *err = why;
    else
        finops_error_free(why);
    return rc;
}

finops_code
finops_session_begin(finops_session *session, finops_error **err)
{
    finops_code rc;

    if (!session)
        return no_session(err);
    if (session->in_transaction)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a transaction is open already");
    if (!session->database->driver->begin)
        return fo_front_unsupported(session->database, "transactions are", err);
    rc = fo_record_ready(session, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = note(session, begin(session, err));
    session->in_transaction = rc == FINOPS_OK;
    session->commit_unknown = false;
    return rc;
}

/* A transaction ends with its commit, whatever comes of it. */
static finops_code
commit(finops_session *session, finops_error **err)
{
    const finops_database_driver *driver = session->database->driver;
    bool unknown = false;
    finops_code rc;

    rc = note(session, driver->commit(session->conn, &unknown, err));
    session->in_transaction = false;
    session->commit_unknown = rc != FINOPS_OK && unknown;
    if (rc == FINOPS_OK)
        return rc;
    if (unknown) {
        session->spent = true;
        rc = fo_error_wrap(err, rc, "commit: its outcome is unknown");
        fo_error_hint(err, "see whether the changes are there before you repeat them");
        return rc;
    }
    if (driver->rollback)
        (void)driver->rollback(session->conn, NULL);
    return rc;
}

finops_code
finops_session_commit(finops_session *session, finops_error **err)
{
    fo_record record;
    finops_code rc;

    if (!session)
        return no_session(err);
    if (!session->in_transaction)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "no transaction is open");
    rc = fo_record_begin(session, &record, "commit", err);
    if (rc == FINOPS_OK)
        rc = commit(session, err);
    return fo_record_end(session, &record, rc, -1);
}

/* Without a transaction there is nothing to take back, which is what the caller wants. */
finops_code
finops_session_rollback(finops_session *session, finops_error **err)
{
    fo_record record;
    finops_code rc;

    if (!session)
        return no_session(err);
    if (!session->in_transaction)
        return FINOPS_OK;
    session->in_transaction = false;
    (void)fo_record_begin(session, &record, "rollback", NULL);
    record.refused = false; /* what is taken back needs no leave */
    rc = note(session, session->database->driver->rollback(session->conn, err));
    if (rc != FINOPS_OK)
        session->spent = true;
    return fo_record_end(session, &record, rc, -1);
}

finops_code
fo_session_exec(finops_session *session, const char *sql, const char *const *params, size_t n,
                int64_t *ret_changed, finops_error **err)
{
    const finops_statement statement = { .sql = sql, .params = params, .n_params = n };

    return finops_session_execute(session, &statement, NULL, ret_changed, err);
}

finops_code
fo_session_rows(finops_session *session, const char *sql, const char *const *params, size_t n, fo_rows **ret,
                finops_error **err)
{
    const finops_statement statement = { .sql = sql, .params = params, .n_params = n, .as_text = true };
    struct ArrowArrayStream stream = { 0 };
    finops_code rc = finops_session_execute(session, &statement, &stream, NULL, err);

    return rc == FINOPS_OK ? note(session, fo_rows_from_stream(&stream, ret, err)) : rc;
}

finops_code
fo_session_stream(finops_session *session, const char *sql, const char *const *params, size_t n,
                  struct ArrowArrayStream *ret, finops_error **err)
{
    const finops_statement statement = { .sql = sql, .params = params, .n_params = n };

    return finops_session_execute(session, &statement, ret, NULL, err);
}

static bool
cancel_requested(void *arg)
{
    return fo_cancelled(arg);
}

void
fo_session_set_cancel(finops_session *session, const fo_cancel *cancel)
{
    /* A finops_call carries a plain pointer; it is only ever read through. */
    union {
        const fo_cancel *in;
        void *out;
    } arg = { .in = cancel };

    session->cancel = cancel;
    session->call = (finops_call){ .cancelled = cancel ? cancel_requested : NULL, .arg = arg.out };
}

const finops_call *
fo_session_call(const finops_session *session)
{
    return session->cancel ? &session->call : NULL;
}

const finops_capabilities *
fo_session_capabilities(const finops_session *session)
{
    return &session->database->capabilities;
}

finops_database *
fo_session_database(const finops_session *session)
{
    return session->database;
}

void *
fo_session_native(const finops_session *session)
{
    return session->conn;
}

const finops_database_driver *
fo_session_driver(const finops_session *session)
{
    return session->database->driver;
}

bool
fo_session_in_transaction(const finops_session *session)
{
    return session->in_transaction;
}

bool
fo_session_commit_unknown(const finops_session *session)
{
    return session->commit_unknown;
}

finops_code
fo_session_lock(finops_session *session, const char *name, const finops_call *call, finops_error **err)
{
    finops_code rc;

    assert(session && name);

    if (!session->database->driver->lock || !session->database->driver->unlock)
        return fo_front_unsupported(session->database, "locks are", err);
    call = fo_call_enter(session, call ? call : fo_session_call(session));
    rc = session->database->driver->lock(session->conn, name, call, err);
    fo_call_leave(session, false);
    if (rc == FINOPS_OK)
        session->locks++;
    return rc == FINOPS_E_BUSY ? rc : note(session, rc);
}

finops_code
fo_session_unlock(finops_session *session, const char *name, finops_error **err)
{
    finops_code rc;

    assert(session && name && session->locks > 0);

    rc = note(session, session->database->driver->unlock(session->conn, name, err));
    if (rc == FINOPS_OK)
        session->locks--;
    return rc;
}
