/* Results as Arrow streams: one chunk of the engine is one batch, fetched when the reader asks for it. */
#include "engine/engine_internal.h"

#include <assert.h>

#include "base/mem.h"
#include "finops/sys/plugin.h"

typedef struct stream {
    fo_conn *conn;
    duckdb_prepared_statement stmt;
    duckdb_result result;
    duckdb_arrow_options options;
    bool watched;
    bool ended;          /* asked again, the engine would call it a failure */
    finops_error *error; /* the last failure */
} stream;

static void
stream_free(stream *s)
{
    if (!s)
        return;
    duckdb_destroy_arrow_options(&s->options);
    duckdb_destroy_result(&s->result);
    duckdb_destroy_prepare(&s->stmt);
    if (s->watched)
        fo_watch_end(s->conn);
    finops_error_free(s->error);
    fo_free(s);
}

static void
stream_freep(stream **s)
{
    stream_free(*s);
}

/* The place of the next failure's error; the last one is forgotten. */
static finops_error **
stream_err(stream *s)
{
    finops_error_free(FO_TAKE(s->error));
    return &s->error;
}

static int
stream_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    stream *s = self->private_data;
    finops_error **err = stream_err(s);
    idx_t n = duckdb_column_count(&s->result);
    duckdb_logical_type *types = fo_array(n, sizeof(*types));
    const char **names = fo_array(n, sizeof(*names));
    finops_code rc = FINOPS_OK;

    *out = (struct ArrowSchema){ 0 };
    if (types && names) {
        for (idx_t i = 0; i < n; i++) {
            types[i] = duckdb_column_logical_type(&s->result, i);
            names[i] = duckdb_column_name(&s->result, i);
        }
        rc = fo_engine_error_data(err, duckdb_to_arrow_schema(s->options, types, names, n, out));
        for (idx_t i = 0; i < n; i++)
            duckdb_destroy_logical_type(&types[i]);
    } else {
        rc = fo_error_oom(err);
    }
    fo_free(types);
    fo_free(names);
    return rc == FINOPS_OK ? 0 : finops_stream_errno(rc);
}

static int
stream_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    stream *s = self->private_data;
    finops_error **err = stream_err(s);
    duckdb_data_chunk chunk;
    finops_code rc = FINOPS_OK;

    *out = (struct ArrowArray){ 0 };
    if (s->ended)
        return 0;
    /* The engine goes on giving what it has buffered. */
    rc = fo_watch_check(s->conn, err);
    if (rc != FINOPS_OK)
        return finops_stream_errno(rc);
    chunk = duckdb_fetch_chunk(s->result);
    if (chunk)
        rc = fo_engine_error_data(err, duckdb_data_chunk_to_arrow(s->options, chunk, out));
    else if (duckdb_result_error(&s->result))
        rc = fo_engine_error_result(err, &s->result);
    rc = fo_watch_outcome(s->conn, rc, err);
    s->ended = !chunk && rc == FINOPS_OK;
    duckdb_destroy_data_chunk(&chunk);
    return rc == FINOPS_OK ? 0 : finops_stream_errno(rc);
}

static const char *
stream_last_error(struct ArrowArrayStream *self)
{
    const stream *s = self->private_data;

    return s->error ? finops_error_text(s->error) : NULL;
}

static void
stream_release(struct ArrowArrayStream *self)
{
    stream_free(self->private_data);
    *self = (struct ArrowArrayStream){ 0 };
}

finops_code
fo_conn_stream(fo_conn *conn, const char *sql, const fo_param *params, size_t n, struct ArrowArrayStream *ret,
               finops_error **err)
{
    FO_AUTO(stream_freep) stream *s = NULL;
    finops_code rc;

    assert(conn && sql && ret);
    s = fo_zalloc(sizeof(*s));
    if (!s)
        return fo_error_oom(err);
    s->conn = conn;
    rc = fo_watch_begin(conn, err);
    if (rc != FINOPS_OK)
        return rc;
    s->watched = true;
    rc = fo_conn_prepare(conn, sql, params, n, &s->stmt, err);
    if (rc == FINOPS_OK && duckdb_execute_prepared_streaming(s->stmt, &s->result) != DuckDBSuccess)
        rc = fo_engine_error_result(err, &s->result);
    if (rc != FINOPS_OK)
        return fo_watch_outcome(conn, rc, err);
    s->options = duckdb_result_get_arrow_options(&s->result);
    *ret = (struct ArrowArrayStream){ stream_schema, stream_next, stream_last_error, stream_release,
                                      FO_TAKE(s) };
    return FINOPS_OK;
}
