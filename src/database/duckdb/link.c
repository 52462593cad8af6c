/* Links: a connection's way to the rows, wherever they come from. */
#include "database/duckdb/instance.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/mem.h"
#include "database/duckdb/instance_internal.h"

#define REMOTE_ATTEMPTS 5

static void
link_free(fo_link *link)
{
    fo_free(link->path);
    fo_free(link);
}

/* The folder has to be there before it can be told whether links lead to it. */
static finops_code
link_settle_path(fo_link *link, finops_error **err)
{
    finops_code rc = fo_mkdirs_for(link->path, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_free(FO_TAKE(link->path));
    return fo_instance_path(link->settings->database_path, &link->path, err);
}

finops_code
fo_link_open(const fo_duckdb_settings *settings, const fo_instance_plan *plan, fo_instance *memory,
             bool read_only, const finops_call *call, fo_link **ret, finops_error **err)
{
    fo_link *link = fo_zalloc(sizeof(*link));
    finops_code rc = FINOPS_OK;

    assert(settings && ret);
    if (!link)
        return fo_error_oom(err);
    link->settings = settings;
    link->plan = plan;
    link->read_only = read_only;
    link->depth = 1; /* nobody detaches it before it is whole */
    if (memory) {
        (void)pthread_mutex_lock(&fo_instances_lock);
        fo_link_join(link, memory);
        (void)pthread_mutex_unlock(&fo_instances_lock);
    } else {
        rc = fo_instance_path(settings->database_path, &link->path, err);
    }
    if (rc == FINOPS_OK && !memory && !read_only)
        rc = link_settle_path(link, err);
    if (rc == FINOPS_OK)
        rc = fo_link_attach(link, call, err);
    if (rc != FINOPS_OK) {
        link_free(link);
        return rc;
    }
    fo_link_end(link);
    *ret = link;
    return FINOPS_OK;
}

void
fo_link_close(fo_link *link)
{
    if (!link)
        return;
    (void)pthread_mutex_lock(&fo_instances_lock);
    fo_link_detach(link);
    (void)pthread_mutex_unlock(&fo_instances_lock);
    link_free(link);
}

void
fo_link_closep(fo_link **link)
{
    fo_link_close(*link);
    *link = NULL;
}

fo_engine *
fo_link_engine(const fo_link *link)
{
    return link->read_only ? NULL : link->instance->engine;
}

fo_conn *
fo_link_conn(const fo_link *link)
{
    return link->read_only ? NULL : link->conn;
}

finops_code
fo_link_begin(fo_link *link, const finops_call *call, fo_conn **ret, finops_error **err)
{
    finops_code rc = FINOPS_OK;
    bool attached;

    (void)pthread_mutex_lock(&fo_instances_lock);
    attached = link->instance != NULL;
    if (link->depth == 0)
        atomic_store(&link->stop.requested, 0);
    if (link->depth++ == 0 && attached && link->read_only)
        link->instance->busy++;
    (void)pthread_mutex_unlock(&fo_instances_lock);
    if (!attached)
        rc = fo_link_attach(link, call, err);
    if (rc != FINOPS_OK) {
        fo_link_end(link);
        return rc;
    }
    if (link->conn)
        fo_conn_set_call(link->conn, call);
    *ret = link->conn;
    return FINOPS_OK;
}

void
fo_link_end(fo_link *link)
{
    assert(link->depth > 0);
    if (link->conn) /* without the lock: it waits for functions of the call, which may want it */
        fo_conn_set_call(link->conn, NULL);
    (void)pthread_mutex_lock(&fo_instances_lock);
    if (--link->depth == 0 && link->instance && link->read_only) {
        link->instance->busy--;
        fo_instance_settle(link->instance);
    }
    (void)pthread_mutex_unlock(&fo_instances_lock);
}

void
fo_link_cancel(fo_link *link)
{
    (void)pthread_mutex_lock(&fo_instances_lock);
    if (link->depth > 0 && link->conn)
        fo_conn_cancel(link->conn);
    else if (link->depth > 0)
        fo_cancel_request(&link->stop);
    (void)pthread_mutex_unlock(&fo_instances_lock);
}

/* A reader holds on to its connection while its transaction lasts. */
static finops_code
reader_transaction(fo_link *link, bool begin, const char *sql, finops_error **err)
{
    fo_conn *conn;
    finops_code rc;

    if (!begin) {
        rc = fo_conn_exec(link->conn, sql, err);
        link->transaction = false;
        fo_link_end(link);
        return rc;
    }
    rc = fo_link_begin(link, NULL, &conn, err);
    if (rc != FINOPS_OK)
        return rc;
    if (conn)
        rc = fo_conn_exec(conn, "BEGIN TRANSACTION READ ONLY", err);
    else
        rc =
            fo_error_set(err, FINOPS_E_UNSUPPORTED, "transactions on a database that another process writes");
    link->transaction = rc == FINOPS_OK;
    if (rc != FINOPS_OK)
        fo_link_end(link);
    return rc;
}

finops_code
fo_link_transaction(fo_link *link, const char *sql, finops_error **err)
{
    bool begin = fo_streq(sql, "BEGIN");
    fo_conn *conn;
    finops_code rc;

    assert(link && sql);
    if (link->read_only)
        return reader_transaction(link, begin, sql, err);
    rc = fo_link_begin(link, NULL, &conn, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = fo_conn_exec(conn, sql, err);
    if (rc != FINOPS_OK && !begin)
        (void)fo_conn_exec(conn, "ROLLBACK", NULL);
    fo_link_end(link);
    return rc;
}

/* Rows on their way: the engine's stream, and what is undone when it is released. */
typedef struct rows {
    struct ArrowArrayStream inner;
    fo_link *link;
    bool transaction;
} rows;

static int
rows_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    rows *r = self->private_data;

    return r->inner.get_schema(&r->inner, out);
}

static int
rows_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    rows *r = self->private_data;

    return r->inner.get_next(&r->inner, out);
}

static const char *
rows_last_error(struct ArrowArrayStream *self)
{
    rows *r = self->private_data;

    return r->inner.get_last_error(&r->inner);
}

static void
rows_done(rows *r)
{
    if (r->inner.release)
        r->inner.release(&r->inner);
    if (r->transaction)
        (void)fo_conn_exec(r->link->conn, "ROLLBACK", NULL);
    fo_link_end(r->link);
    fo_free(r);
}

static void
rows_release(struct ArrowArrayStream *self)
{
    rows_done(self->private_data);
    *self = (struct ArrowArrayStream){ 0 };
}

/* EXPLAIN, which is text already, is no part of a SELECT. */
static bool
is_explain(const char *sql)
{
    sql += strspn(sql, " \t\r\n(");
    return strncasecmp(sql, "explain", sizeof("explain") - 1) == 0;
}

/* The statement as it is sent: each column as text where that is asked for. */
static finops_code
rows_statement(fo_conn *conn, const finops_statement *statement, fo_str *ret, finops_error **err)
{
    bool select = !is_explain(statement->sql);
    finops_code rc = FINOPS_OK;

    if (statement->as_text && conn)
        rc = fo_conn_selects(conn, statement->sql, statement->params, statement->n_params, &select, err);
    if (rc == FINOPS_OK && statement->as_text && select)
        return fo_rows_sql(statement->sql, ret, err);
    if (rc == FINOPS_OK) {
        fo_str_add(ret, statement->sql);
        rc = fo_str_check(ret, err);
    }
    return rc;
}

/* A reader's statement, whatever it hides, writes no table: the engine may have been opened to write. */
static finops_code
rows_guard(rows *r, fo_conn *conn, const char *sql, finops_error **err)
{
    fo_link *link = r->link;
    finops_code rc;

    if (!link->read_only)
        return FINOPS_OK;
    rc = fo_read_only_check(conn, sql, err);
    if (rc == FINOPS_OK && !link->instance->read_only && !link->transaction) {
        rc = fo_conn_exec(conn, "BEGIN TRANSACTION READ ONLY", err);
        r->transaction = rc == FINOPS_OK;
    }
    return rc;
}

static finops_code
rows_here(rows *r, fo_conn *conn, const finops_statement *statement, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc = rows_guard(r, conn, statement->sql, err);

    if (rc == FINOPS_OK)
        rc = rows_statement(conn, statement, &sql, err);
    if (rc != FINOPS_OK)
        return rc;
    return fo_conn_stream(conn, fo_str_z(&sql), statement->params, statement->n_params, &r->inner, err);
}

/*
 * A writer that ends just now closes the door in a reader's face; its file is free a moment later. *ret_conn
 * is set when it is this process's then.
 */
static finops_code
rows_there(rows *r, const finops_statement *statement, fo_conn **ret_conn, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    fo_link *link = r->link;
    finops_code rc = rows_statement(NULL, statement, &sql, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_remote_query query = { fo_str_z(&sql), statement->params, statement->n_params, statement->call,
                              &link->stop };
    rc = fo_remote_run(link->path, &query, &r->inner, &why);
    if (rc == FINOPS_E_TRANSIENT || (rc == FINOPS_E_NOT_FOUND && !fo_remote_reachable(link->path))) {
        rc = fo_link_attach(link, statement->call, err);
        *ret_conn = link->conn;
        if (rc == FINOPS_OK && link->conn)
            fo_conn_set_call(link->conn, statement->call);
    } else if (rc != FINOPS_OK && err) {
        *err = FO_TAKE(why);
    }
    return rc;
}

static finops_code
rows_open(rows *r, fo_conn *conn, const finops_statement *statement, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (unsigned i = 0; rc == FINOPS_OK && !conn && i < REMOTE_ATTEMPTS; i++) {
        rc = rows_there(r, statement, &conn, err);
        if (rc == FINOPS_OK && r->inner.release)
            return rc;
    }
    if (rc == FINOPS_OK && !conn)
        return fo_error_set(err, FINOPS_E_BUSY, "the process that writes %s does not answer", r->link->path);
    return rc == FINOPS_OK ? rows_here(r, conn, statement, err) : rc;
}

finops_code
fo_link_stream(fo_link *link, const finops_statement *statement, struct ArrowArrayStream *ret,
               finops_error **err)
{
    rows *r = fo_zalloc(sizeof(*r));
    fo_conn *conn;
    finops_code rc = r ? FINOPS_OK : fo_error_oom(err);

    assert(link && statement && statement->sql && ret);
    if (rc == FINOPS_OK)
        rc = fo_link_begin(link, statement->call, &conn, err);
    if (rc != FINOPS_OK) {
        fo_free(r);
        return rc;
    }
    r->link = link;
    rc = rows_open(r, conn, statement, err);
    if (rc != FINOPS_OK) {
        rows_done(r);
        return rc;
    }
    *ret = (struct ArrowArrayStream){ rows_schema, rows_next, rows_last_error, rows_release, r };
    return FINOPS_OK;
}

finops_code
fo_link_rows(fo_link *link, const char *sql, fo_rows **ret, finops_error **err)
{
    finops_statement statement = { .sql = sql, .as_text = true };
    struct ArrowArrayStream stream = { 0 };
    finops_code rc = fo_link_stream(link, &statement, &stream, err);

    return rc == FINOPS_OK ? fo_rows_from_stream(&stream, ret, err) : rc;
}

finops_code
fo_link_keep(fo_link *link, const char *const *statements, size_t n, finops_error **err)
{
    fo_instance *instance = link->instance;
    bool ok = true;

    assert(!link->read_only && instance);
    (void)pthread_mutex_lock(&fo_instances_lock);
    for (size_t i = 0; ok && i < n; i++)
        ok = fo_strv_has(&instance->keep, statements[i]) || fo_strv_add(&instance->keep, statements[i]);
    (void)pthread_mutex_unlock(&fo_instances_lock);
    return ok ? FINOPS_OK : fo_error_oom(err);
}
