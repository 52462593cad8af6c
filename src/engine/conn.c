/* Connections: statements that give no rows, and preparing those that do. */
#include "engine/engine_internal.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

/* Nothing may print progress but the program. Measuring it costs small statements a fifth of their time. */
static const char measure_on[] = "SET enable_progress_bar = true; SET enable_progress_bar_print = false; "
                                 "SET progress_bar_time = 0";

static finops_code
go_home(fo_conn *conn, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc;

    fo_str_add(&sql, "USE ");
    fo_sql_ident(&sql, conn->engine->home);
    rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_conn_exec(conn, fo_str_z(&sql), err) : rc;
}

static idx_t
take_id(duckdb_client_context context)
{
    idx_t id = duckdb_client_context_get_connection_id(context);

    duckdb_destroy_client_context(&context);
    return id;
}

static void
enlist(fo_conn *conn)
{
    duckdb_client_context context;

    duckdb_connection_get_client_context(conn->native, &context);
    conn->id = take_id(context);
    (void)pthread_mutex_lock(&conn->engine->conns_lock);
    conn->next = conn->engine->conns;
    conn->engine->conns = conn;
    (void)pthread_mutex_unlock(&conn->engine->conns_lock);
}

/* One that was never enlisted is not found. */
static void
delist(fo_conn *conn)
{
    fo_conn **at = &conn->engine->conns;

    (void)pthread_mutex_lock(&conn->engine->conns_lock);
    while (*at && *at != conn)
        at = &(*at)->next;
    if (*at)
        *at = conn->next;
    (void)pthread_mutex_unlock(&conn->engine->conns_lock);
}

fo_conn *
fo_conn_of(fo_engine *engine, duckdb_client_context context)
{
    idx_t id = take_id(context);
    fo_conn *conn;

    (void)pthread_mutex_lock(&engine->conns_lock);
    for (conn = engine->conns; conn && conn->id != id;)
        conn = conn->next;
    (void)pthread_mutex_unlock(&engine->conns_lock);
    return conn;
}

finops_code
fo_conn_open(fo_engine *engine, fo_conn **ret, finops_error **err)
{
    FO_AUTO(fo_conn_closep) fo_conn *conn = NULL;
    finops_code rc = FINOPS_OK;

    assert(engine && ret);
    conn = fo_zalloc(sizeof(*conn));
    if (!conn)
        return fo_error_oom(err);
    conn->engine = engine;
    fo_watch_init(conn);
    conn->csv = fo_csv_state_new();
    conn->keys = fo_keys_state_new();
    if (!conn->csv || !conn->keys)
        return fo_error_oom(err);
    if (duckdb_connect(engine->db, &conn->native) != DuckDBSuccess)
        return fo_error_set(err, FINOPS_E_DATABASE, "the engine refuses a connection");
    enlist(conn);
    if (engine->home)
        rc = go_home(conn, err);
    if (rc == FINOPS_OK)
        *ret = FO_TAKE(conn);
    return rc;
}

void
fo_conn_close(fo_conn *conn)
{
    if (!conn)
        return;
    fo_watch_done(conn);
    duckdb_disconnect(&conn->native);
    delist(conn);
    fo_csv_state_free(conn->csv);
    fo_keys_state_free(conn->keys);
    fo_free(conn);
}

void
fo_conn_closep(fo_conn **conn)
{
    fo_conn_close(*conn);
    *conn = NULL;
}

finops_code
fo_conn_measure_progress(fo_conn *conn, finops_error **err)
{
    return fo_conn_exec(conn, measure_on, err);
}

double
fo_conn_progress(fo_conn *conn)
{
    duckdb_query_progress_type progress;

    assert(conn);
    progress = duckdb_query_progress(conn->native);
    if (progress.percentage < 0)
        return -1;
    return progress.percentage >= 100 ? 1 : progress.percentage / 100;
}

fo_engine *
fo_conn_engine(const fo_conn *conn)
{
    assert(conn);
    return conn->engine;
}

duckdb_connection
fo_conn_native(fo_conn *conn)
{
    assert(conn);
    return conn->native;
}

static bool
is_word(const char *sql, const char *word)
{
    return strncasecmp(sql, word, strlen(word)) == 0;
}

/*
 * What was begun must be undone by the one who stops, too. A commit that has begun is not stopped: a stop
 * that came while it tidies up would be told as the failure of what others can see already.
 */
static finops_code
exec_begin(fo_conn *conn, const char *sql, bool *ret_watched, finops_error **err)
{
    finops_code rc;

    *ret_watched = false;
    if (is_word(sql, "rollback"))
        return FINOPS_OK;
    rc = fo_watch_begin(conn, err);
    if (rc == FINOPS_OK && is_word(sql, "commit"))
        fo_watch_end(conn);
    else
        *ret_watched = rc == FINOPS_OK;
    return rc;
}

finops_code
fo_conn_exec(fo_conn *conn, const char *sql, finops_error **err)
{
    duckdb_result result = { 0 };
    finops_code rc;
    bool watched;

    assert(conn && sql);
    rc = exec_begin(conn, sql, &watched, err);
    if (rc != FINOPS_OK)
        return rc;
    if (duckdb_query(conn->native, sql, &result) != DuckDBSuccess)
        rc = fo_engine_error_result(err, &result);
    duckdb_destroy_result(&result);
    if (watched) {
        rc = fo_watch_outcome(conn, rc, err);
        fo_watch_end(conn);
    }
    return rc;
}

static finops_code
bind(duckdb_prepared_statement stmt, const fo_param *params, size_t n, finops_error **err)
{
    if (duckdb_nparams(stmt) != n)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "the statement takes %zu parameters, %zu are given",
                            (size_t)duckdb_nparams(stmt), n);
    for (size_t i = 0; i < n; i++) {
        duckdb_state state =
            params[i] ? duckdb_bind_varchar(stmt, i + 1, params[i]) : duckdb_bind_null(stmt, i + 1);

        if (state != DuckDBSuccess)
            return fo_error_set(err, FINOPS_E_DATA, "parameter %zu is no UTF-8 text", i + 1);
    }
    return FINOPS_OK;
}

finops_code
fo_conn_prepare(fo_conn *conn, const char *sql, const fo_param *params, size_t n,
                duckdb_prepared_statement *ret, finops_error **err)
{
    duckdb_prepared_statement stmt = NULL;
    finops_code rc;

    assert(conn && sql && (params || n == 0) && ret);
    if (duckdb_prepare(conn->native, sql, &stmt) == DuckDBSuccess)
        rc = bind(stmt, params, n, err);
    else
        rc = fo_engine_error(err, DUCKDB_ERROR_INVALID, duckdb_prepare_error(stmt));
    if (rc == FINOPS_OK)
        *ret = stmt;
    else
        duckdb_destroy_prepare(&stmt);
    return rc;
}

/* CREATE TABLE … AS tells its rows as a result of one number. */
static int64_t
rows_changed(duckdb_result *result)
{
    int64_t n = (int64_t)duckdb_rows_changed(result);
    duckdb_data_chunk chunk;

    if (duckdb_result_statement_type(*result) != DUCKDB_STATEMENT_TYPE_CREATE ||
        duckdb_column_count(result) != 1 || duckdb_column_type(result, 0) != DUCKDB_TYPE_BIGINT)
        return n;
    chunk = duckdb_fetch_chunk(*result);
    if (chunk && duckdb_data_chunk_get_size(chunk) == 1)
        n = *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    duckdb_destroy_data_chunk(&chunk);
    return n;
}

finops_code
fo_conn_bind_exec(fo_conn *conn, const char *sql, const fo_param *params, size_t n, int64_t *ret_changed,
                  finops_error **err)
{
    duckdb_prepared_statement stmt = NULL;
    duckdb_result result = { 0 };
    finops_code rc;
    bool watched;

    assert(conn && sql);
    rc = exec_begin(conn, sql, &watched, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = fo_conn_prepare(conn, sql, params, n, &stmt, err);
    if (rc == FINOPS_OK) {
        if (duckdb_execute_prepared(stmt, &result) != DuckDBSuccess)
            rc = fo_engine_error_result(err, &result);
        else if (ret_changed)
            *ret_changed = rows_changed(&result);
        duckdb_destroy_result(&result);
        duckdb_destroy_prepare(&stmt);
    }
    if (watched) {
        rc = fo_watch_outcome(conn, rc, err);
        fo_watch_end(conn);
    }
    return rc;
}
