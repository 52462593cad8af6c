/* Statements: SQL with parameters in, an Arrow stream or a count of rows out. */
#include <errno.h>
#include <nanoarrow/nanoarrow.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "database/adbc/adbc_internal.h"

/* What ended a call is said instead of what the driver makes of it. */
finops_code
fo_adbc_fail_call(adbc_conn *c, AdbcStatusCode status, struct AdbcError *e, const char *what,
                  finops_error **err)
{
    finops_code ended = atomic_load(&c->call.ended);

    if (ended == FINOPS_OK)
        return fo_adbc_fail(status, e, what, err);
    if (e->release)
        e->release(e);
    return fo_error_set(err, ended, "%s: %s", what,
                        ended == FINOPS_E_TIMEOUT ? "the deadline passed" : "cancelled");
}

finops_code
fo_adbc_statement_new(adbc_conn *c, struct AdbcStatement *ret, finops_error **err)
{
    struct AdbcError e = ADBC_ERROR_INIT;
    AdbcStatusCode status;

    *ret = (struct AdbcStatement){ 0 };
    status = c->database->driver.StatementNew(&c->connection, ret, &e);
    ret->private_driver = &c->database->driver;
    return status == ADBC_STATUS_OK ? FINOPS_OK : fo_adbc_fail(status, &e, "make a statement", err);
}

void
fo_adbc_statement_free(adbc_conn *c, struct AdbcStatement *statement)
{
    struct AdbcError e = ADBC_ERROR_INIT;

    if (statement->private_data)
        c->database->driver.StatementRelease(statement, &e);
    if (e.release)
        e.release(&e);
    *statement = (struct AdbcStatement){ 0 };
}

/* An option not every driver has. */
static bool
try_option(adbc_conn *c, struct AdbcStatement *statement, const char *key, const char *value)
{
    struct AdbcError e = ADBC_ERROR_INIT;
    AdbcStatusCode status = c->database->driver.StatementSetOption(statement, key, value, &e);

    if (e.release)
        e.release(&e);
    return status == ADBC_STATUS_OK;
}

/* ---- parameters ---- */

static int
params_schema(const finops_statement *s, struct ArrowSchema *ret)
{
    char name[24];
    int rc;

    ArrowSchemaInit(ret);
    rc = ArrowSchemaSetTypeStruct(ret, (int64_t)s->n_params);
    for (size_t i = 0; i < s->n_params && rc == 0; i++) {
        (void)snprintf(name, sizeof(name), "$%zu", i + 1);
        rc = ArrowSchemaSetType(ret->children[i], NANOARROW_TYPE_STRING);
        if (rc == 0)
            rc = ArrowSchemaSetName(ret->children[i], name);
    }
    return rc;
}

static int
params_row(const finops_statement *s, const struct ArrowSchema *schema, struct ArrowArray *ret)
{
    int rc = ArrowArrayInitFromSchema(ret, schema, NULL);

    if (rc == 0)
        rc = ArrowArrayStartAppending(ret);
    for (size_t i = 0; i < s->n_params && rc == 0; i++)
        rc = s->params[i] ? ArrowArrayAppendString(ret->children[i], ArrowCharView(s->params[i]))
                          : ArrowArrayAppendNull(ret->children[i], 1);
    if (rc == 0)
        rc = ArrowArrayFinishElement(ret);
    return rc == 0 ? ArrowArrayFinishBuildingDefault(ret, NULL) : rc;
}

/* One row of texts, named as the parameters are: SQLite's driver binds by name when it is told to, and would
 * bind in order of appearance. */
static finops_code
bind_params(adbc_conn *c, struct AdbcStatement *statement, const finops_statement *s, finops_error **err)
{
    struct AdbcError e = ADBC_ERROR_INIT;
    struct ArrowSchema schema = { 0 };
    struct ArrowArray row = { 0 };
    AdbcStatusCode status = ADBC_STATUS_OK;
    int rc;

    if (s->n_params == 0)
        return FINOPS_OK;
    if (!c->database->driver.StatementBind)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "the adbc driver has no parameters");
    try_option(c, statement, "adbc.statement.bind_by_name", "true");
    rc = params_schema(s, &schema);
    if (rc == 0)
        rc = params_row(s, &schema, &row);
    if (rc == 0)
        status = c->database->driver.StatementBind(statement, &row, &schema, &e);
    if (row.release)
        row.release(&row);
    if (schema.release)
        schema.release(&schema);
    if (rc)
        return fo_error_oom(err);
    return status == ADBC_STATUS_OK ? FINOPS_OK : fo_adbc_fail(status, &e, "bind parameters", err);
}

/* ---- results ---- */

/* A result on its way out: the driver's stream, watched, and the statement it comes from. */
typedef struct result {
    adbc_conn *c;
    struct AdbcStatement statement;
    struct ArrowArrayStream from;
    bool finished; /* read to its end, or failed */
    char error[512];
} result;

static int
result_failed(result *r, int errnum)
{
    const struct AdbcDriver *v = &r->c->database->driver;
    const char *text = r->from.get_last_error(&r->from);
    AdbcStatusCode status = ADBC_STATUS_OK;
    const struct AdbcError *e = v->ErrorFromArrayStream ? v->ErrorFromArrayStream(&r->from, &status) : NULL;
    finops_code code = e ? fo_adbc_code(status, e) : FINOPS_E_DATABASE;
    finops_code ended = atomic_load(&r->c->call.ended);

    if (ended == FINOPS_OK && errnum == ENOMEM)
        code = FINOPS_E_MEMORY;
    (void)snprintf(r->error, sizeof(r->error), "%s",
                   ended == FINOPS_E_TIMEOUT     ? "the deadline passed"
                   : ended == FINOPS_E_CANCELLED ? "cancelled"
                   : text                        ? text
                                                 : "the driver gives no reason");
    return finops_stream_errno(ended == FINOPS_OK ? code : ended);
}

static int
result_get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *ret)
{
    result *r = stream->private_data;
    int rc = r->from.get_schema(&r->from, ret);

    return rc ? result_failed(r, rc) : 0;
}

static int
result_get_next(struct ArrowArrayStream *stream, struct ArrowArray *ret)
{
    result *r = stream->private_data;
    finops_code over = fo_adbc_call_check(r->c);
    int rc;

    if (over != FINOPS_OK) {
        atomic_store(&r->c->call.ended, over);
        return result_failed(r, ECANCELED);
    }
    *ret = (struct ArrowArray){ 0 };
    fo_adbc_watch_begin(r->c, &r->statement);
    rc = r->from.get_next(&r->from, ret);
    fo_adbc_watch_end(r->c);
    r->finished = rc || !ret->release;
    return rc ? result_failed(r, rc) : 0;
}

static const char *
result_get_last_error(struct ArrowArrayStream *stream)
{
    result *r = stream->private_data;

    return r->error[0] ? r->error : NULL;
}

/* A driver may read the rest of a result before it lets go of it. In a transaction that has to be waited for:
 * to cancel a statement would end that, too. */
static void
result_free(result *r)
{
    if (r->from.release && !r->finished && !r->c->in_transaction) {
        fo_adbc_watch_begin(r->c, &r->statement);
        fo_adbc_cancel(r->c);
        r->from.release(&r->from);
        fo_adbc_watch_end(r->c);
    } else if (r->from.release) {
        r->from.release(&r->from);
    }
    fo_adbc_statement_free(r->c, &r->statement);
    fo_free(r);
}

static void
result_release(struct ArrowArrayStream *stream)
{
    result_free(stream->private_data);
    stream->release = NULL;
}

/* ---- execution ---- */

/* PostgreSQL's driver reads results through COPY, which knows queries only. */
static bool
is_query(const char *sql)
{
    static const char *const words[] = { "select", "with", "values", "table", "(" };

    sql += strspn(sql, " \t\r\n");
    for (size_t i = 0; i < FO_COUNT(words); i++)
        if (strncasecmp(sql, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

static finops_code
statement_prepare(adbc_conn *c, struct AdbcStatement *statement, const finops_statement *s,
                  finops_error **err)
{
    struct AdbcError e = ADBC_ERROR_INIT;
    FO_AUTO(fo_freep) char *sql = NULL;
    AdbcStatusCode status;
    size_t length;
    finops_code rc = fo_adbc_check_sql(s->sql, s->n_params, &length, err);

    if (rc == FINOPS_OK)
        rc = fo_adbc_statement_new(c, statement, err);
    if (rc != FINOPS_OK)
        return rc;
    sql = fo_strndup(s->sql, length); /* a comment or ";" behind it would be in the way of COPY (...) */
    if (!sql) {
        fo_adbc_statement_free(c, statement);
        return fo_error_oom(err);
    }
    if (c->database->dialect == FINOPS_DIALECT_POSTGRESQL && !is_query(s->sql))
        try_option(c, statement, "adbc.postgresql.use_copy", "false");
    if (c->database->dialect == FINOPS_DIALECT_POSTGRESQL) /* of a batch of results; it would be 16 MiB */
        try_option(c, statement, "adbc.postgresql.batch_size_hint_bytes", "1048576");
    status = c->database->driver.StatementSetSqlQuery(statement, sql, &e);
    rc = status == ADBC_STATUS_OK ? bind_params(c, statement, s, err) : fo_adbc_fail(status, &e, "adbc", err);
    if (rc != FINOPS_OK)
        fo_adbc_statement_free(c, statement);
    return rc;
}

static finops_code
result_open(adbc_conn *c, const finops_statement *s, struct ArrowArrayStream *ret, finops_error **err)
{
    struct AdbcError e = ADBC_ERROR_INIT;
    struct ArrowArrayStream stream;
    result *r = fo_zalloc(sizeof(*r));
    AdbcStatusCode status;
    finops_code rc;

    if (!r)
        return fo_error_oom(err);
    r->c = c;
    rc = statement_prepare(c, &r->statement, s, err);
    if (rc == FINOPS_OK) {
        fo_adbc_watch_begin(c, &r->statement);
        status = c->database->driver.StatementExecuteQuery(&r->statement, &r->from, NULL, &e);
        fo_adbc_watch_end(c);
        rc = status == ADBC_STATUS_OK ? FINOPS_OK : fo_adbc_fail_call(c, status, &e, "adbc", err);
    }
    if (rc != FINOPS_OK) {
        result_free(r);
        return rc;
    }
    stream = (struct ArrowArrayStream){ .get_schema = result_get_schema,
                                        .get_next = result_get_next,
                                        .get_last_error = result_get_last_error,
                                        .release = result_release,
                                        .private_data = r };
    if (s->as_text)
        return fo_adbc_convert(&stream, NULL, NULL, ret, err);
    *ret = stream;
    return FINOPS_OK;
}

static finops_code
run(adbc_conn *c, const finops_statement *s, int64_t *ret_changed, finops_error **err)
{
    struct AdbcError e = ADBC_ERROR_INIT;
    struct AdbcStatement statement;
    AdbcStatusCode status;
    int64_t changed = -1;
    finops_code rc = statement_prepare(c, &statement, s, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_adbc_watch_begin(c, &statement);
    status = c->database->driver.StatementExecuteQuery(&statement, NULL, &changed, &e);
    fo_adbc_watch_end(c);
    fo_adbc_statement_free(c, &statement);
    if (status != ADBC_STATUS_OK)
        return fo_adbc_fail_call(c, status, &e, "adbc", err);
    if (ret_changed)
        *ret_changed = changed;
    return FINOPS_OK;
}

finops_code
fo_adbc_run(adbc_conn *c, const char *sql, finops_error **err)
{
    return run(c, &(finops_statement){ .sql = sql }, NULL, err);
}

finops_code
fo_adbc_execute(void *conn, const finops_statement *statement, struct ArrowArrayStream *ret_stream,
                int64_t *ret_changed, finops_error **err)
{
    adbc_conn *c = conn;
    finops_code rc;

    fo_adbc_call_begin(c, statement->call);
    rc = ret_stream ? result_open(c, statement, ret_stream, err) : run(c, statement, ret_changed, err);
    if (rc == FINOPS_OK && ret_stream && ret_changed)
        *ret_changed = -1;
    if (rc != FINOPS_OK && c->in_transaction && c->database->dialect == FINOPS_DIALECT_POSTGRESQL)
        c->broken = true; /* its COMMIT would roll back and say nothing */
    return rc;
}
