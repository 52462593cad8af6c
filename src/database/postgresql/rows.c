/*
 * Results as Arrow streams: row by row from the server, in batches of bounded size.
 *
 * A numeric column without a declared precision is decimal(38,18) when every value of the first batch fits
 * exactly, text when one does not.
 */
#include "database/postgresql/rows_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "finops/sys/plugin.h"

#define BATCH_ROWS 4096
#define BATCH_BYTES (4 << 20)
#define ANY_PRECISION 38
#define ANY_SCALE 18

typedef struct fo_pg_stream {
    fo_pg_conn *conn;
    fo_pg_cell *cells; /* one a column: how its texts become values */
    int n;
    struct ArrowSchema schema;
    struct ArrowArray first; /* read ahead, to know the schema */
    PGresult *pending;       /* a row that was read and belongs to the next batch */
    int64_t rows;
    bool in_transaction; /* of the caller */
    bool done;
    finops_error *error;
} fo_pg_stream;

/* Reads what is left, so that the connection is free. Stopping it would spoil the caller's transaction. */
static void
finish(fo_pg_stream *s)
{
    fo_pg_conn *c = s->conn;
    const finops_call call = c->call;

    PQclear(s->pending);
    s->pending = NULL;
    if (!s->done && !c->broken) {
        if (!s->in_transaction)
            fo_pg_cancel(c);
        c->call.deadline_us = s->in_transaction ? 0 : call.deadline_us;
        fo_pg_drain(c);
        c->call = call;
    }
    s->done = true;
    c->streaming = false;
}

static void
stream_free(fo_pg_stream *s)
{
    if (!s)
        return;
    if (s->conn)
        finish(s);
    if (s->first.release)
        s->first.release(&s->first);
    if (s->schema.release)
        s->schema.release(&s->schema);
    fo_free(s->cells);
    finops_error_free(s->error);
    fo_free(s);
}

static void
stream_freep(fo_pg_stream **s)
{
    stream_free(*s);
    *s = NULL;
}

/* The next row, or NULL at the end. */
static finops_code
next_row(fo_pg_stream *s, PGresult **ret, finops_error **err)
{
    FO_AUTO(fo_pg_clearp) PGresult *result = FO_TAKE(s->pending);
    finops_code rc = FINOPS_OK;

    if (!result)
        rc = fo_pg_next(s->conn, &result, err);
    if (rc != FINOPS_OK)
        return rc;
    if (result && PQresultStatus(result) == PGRES_SINGLE_TUPLE) {
        if (s->conn->stop == FINOPS_OK) {
            *ret = FO_TAKE(result);
            return FINOPS_OK;
        }
        return next_row(s, ret, err); /* rows that come after the request to stop */
    }
    s->done = true;
    if (result && PQresultStatus(result) == PGRES_TUPLES_OK) {
        fo_pg_drain(s->conn);
        return FINOPS_OK;
    }
    rc = fo_pg_error(s->conn, result, err);
    fo_pg_drain(s->conn);
    return rc;
}

static finops_code
add_row(fo_pg_stream *s, const PGresult *row, struct ArrowArray *batch, int64_t *bytes, finops_error **err)
{
    for (int i = 0; i < s->n; i++) {
        const bool null = PQgetisnull(row, 0, i);
        const size_t n = null ? 0 : (size_t)PQgetlength(row, 0, i);
        finops_code rc;

        *bytes += (int64_t)n + 16;
        if (null)
            rc = ArrowArrayAppendNull(batch->children[i], 1) == NANOARROW_OK ? FINOPS_OK : fo_error_oom(err);
        else
            rc = fo_pg_cell_add(&s->cells[i], batch->children[i], PQgetvalue(row, 0, i), n, err);
        if (rc != FINOPS_OK)
            return rc == FINOPS_E_MEMORY ? rc
                                         : fo_error_wrap(err, rc, "row %lld, column %s",
                                                         (long long)s->rows + 1, PQfname(row, i));
    }
    if (ArrowArrayFinishElement(batch) != NANOARROW_OK)
        return fo_error_oom(err);
    s->rows++;
    return FINOPS_OK;
}

static finops_code
fill(fo_pg_stream *s, struct ArrowArray *batch, finops_error **err)
{
    int64_t bytes = 0;

    while (batch->length < BATCH_ROWS && bytes < BATCH_BYTES) {
        FO_AUTO(fo_pg_clearp) PGresult *row = NULL;
        finops_code rc = next_row(s, &row, err);

        if (rc == FINOPS_OK && row)
            rc = add_row(s, row, batch, &bytes, err);
        if (rc != FINOPS_OK)
            return rc;
        if (!row)
            break;
    }
    return FINOPS_OK;
}

/* *ret is left as it is when there are no more rows. */
static finops_code
next_batch(fo_pg_stream *s, struct ArrowArray *ret, finops_error **err)
{
    struct ArrowArray batch = { 0 };
    finops_code rc = FINOPS_OK;

    if (s->done)
        return FINOPS_OK;
    if (ArrowArrayInitFromSchema(&batch, &s->schema, NULL) != NANOARROW_OK ||
        ArrowArrayStartAppending(&batch) != NANOARROW_OK)
        rc = fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = fill(s, &batch, err);
    if (rc == FINOPS_OK && ArrowArrayFinishBuildingDefault(&batch, NULL) != NANOARROW_OK)
        rc = fo_error_oom(err);
    if (rc == FINOPS_OK && batch.length > 0)
        ArrowArrayMove(&batch, ret);
    if (batch.release)
        batch.release(&batch);
    return rc;
}

/* The column of texts as decimals; false when one does not fit. */
static bool
as_decimals(const struct ArrowSchema *type, const struct ArrowArray *texts, struct ArrowArray *ret)
{
    struct ArrowArrayView view;
    bool fits = ArrowArrayInitFromSchema(ret, type, NULL) == NANOARROW_OK &&
                ArrowArrayStartAppending(ret) == NANOARROW_OK;

    ArrowArrayViewInitFromType(&view, NANOARROW_TYPE_STRING);
    fits = fits && ArrowArrayViewSetArray(&view, texts, NULL) == NANOARROW_OK;
    for (int64_t i = 0; fits && i < texts->length; i++) {
        struct ArrowStringView text = ArrowArrayViewGetStringUnsafe(&view, i);

        if (ArrowArrayViewIsNull(&view, i))
            fits = ArrowArrayAppendNull(ret, 1) == NANOARROW_OK;
        else
            fits = fo_pg_decimal_add(ret, text.data, (size_t)text.size_bytes, ANY_PRECISION, ANY_SCALE) == 0;
    }
    fits = fits && ArrowArrayFinishBuildingDefault(ret, NULL) == NANOARROW_OK;
    ArrowArrayViewReset(&view);
    return fits;
}

/* Settles the columns that were text until their values were seen. */
static finops_code
settle(fo_pg_stream *s, finops_error **err)
{
    for (int i = 0; i < s->n; i++) {
        struct ArrowSchema type = { 0 };
        struct ArrowArray values = { 0 };

        if (s->cells[i].kind != PG_CELL_ANY_DECIMAL)
            continue;
        s->cells[i].kind = PG_CELL_TEXT;
        ArrowSchemaInit(&type);
        if (ArrowSchemaSetTypeDecimal(&type, NANOARROW_TYPE_DECIMAL128, ANY_PRECISION, ANY_SCALE) ||
            ArrowSchemaSetName(&type, s->schema.children[i]->name)) {
            ArrowSchemaRelease(&type);
            return fo_error_oom(err);
        }
        if (!s->first.release || as_decimals(&type, s->first.children[i], &values)) {
            s->cells[i] =
                (fo_pg_cell){ .kind = PG_CELL_DECIMAL, .precision = ANY_PRECISION, .scale = ANY_SCALE };
            ArrowSchemaRelease(s->schema.children[i]);
            ArrowSchemaMove(&type, s->schema.children[i]);
            if (s->first.release) {
                ArrowArrayRelease(s->first.children[i]);
                ArrowArrayMove(&values, s->first.children[i]);
            }
        }
        if (values.release)
            values.release(&values);
        if (type.release)
            type.release(&type);
    }
    return FINOPS_OK;
}

static finops_code
schema_of(fo_pg_stream *s, const PGresult *result, bool as_text, finops_error **err)
{
    s->n = PQnfields(result);
    s->cells = fo_array((size_t)s->n + 1, sizeof(*s->cells));
    ArrowSchemaInit(&s->schema);
    if (!s->cells || ArrowSchemaSetTypeStruct(&s->schema, s->n) != NANOARROW_OK)
        return fo_error_oom(err);
    for (int i = 0; i < s->n; i++) {
        s->cells[i] = fo_pg_cell_of(PQftype(result, i), PQfmod(result, i));
        if (as_text)
            s->cells[i].kind = s->cells[i].kind == PG_CELL_BOOL ? PG_CELL_BOOL_TEXT : PG_CELL_TEXT;
        if (fo_pg_cell_schema(&s->cells[i], s->schema.children[i]) != 0 ||
            ArrowSchemaSetName(s->schema.children[i], PQfname(result, i)) != NANOARROW_OK)
            return fo_error_oom(err);
    }
    return FINOPS_OK;
}

/* The first result tells the columns; it is a row, the end of none, or of a statement without rows. */
static finops_code
stream_start(fo_pg_stream *s, const finops_statement *statement, int64_t *ret_changed, finops_error **err)
{
    finops_code rc;

    (void)PQsetSingleRowMode(s->conn->pg);
    rc = fo_pg_next(s->conn, &s->pending, err);
    if (rc != FINOPS_OK)
        return rc;
    switch (PQresultStatus(s->pending)) {
    case PGRES_SINGLE_TUPLE:
        break;
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        *ret_changed = fo_pg_changed(s->pending);
        s->done = true;
        break;
    default:
        s->done = true;
        rc = fo_pg_copy_refuse(s->conn, s->pending, err);
        if (rc == FINOPS_OK)
            rc = fo_pg_error(s->conn, s->pending, err);
        fo_pg_drain(s->conn);
        return rc;
    }
    rc = schema_of(s, s->pending, statement->as_text, err);
    if (s->done) {
        PQclear(s->pending);
        s->pending = NULL;
        fo_pg_drain(s->conn);
    }
    if (rc == FINOPS_OK)
        rc = next_batch(s, &s->first, err);
    return rc == FINOPS_OK ? settle(s, err) : rc;
}

static int
stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *ret)
{
    fo_pg_stream *s = stream->private_data;

    return ArrowSchemaDeepCopy(&s->schema, ret) == NANOARROW_OK ? 0 : ENOMEM;
}

static int
stream_next(struct ArrowArrayStream *stream, struct ArrowArray *ret)
{
    fo_pg_stream *s = stream->private_data;
    finops_code rc;

    ret->release = NULL;
    if (s->error)
        return finops_stream_errno(finops_error_code(s->error));
    if (s->first.release) {
        ArrowArrayMove(&s->first, ret);
        return 0;
    }
    rc = next_batch(s, ret, &s->error);
    if (rc == FINOPS_OK)
        return 0;
    rc = fo_error_wrap(&s->error, rc, "postgresql execute");
    finish(s);
    return finops_stream_errno(rc);
}

static const char *
stream_last_error(struct ArrowArrayStream *stream)
{
    fo_pg_stream *s = stream->private_data;

    return s->error ? finops_error_text(s->error) : NULL;
}

static void
stream_release(struct ArrowArrayStream *stream)
{
    stream_free(stream->private_data);
    stream->private_data = NULL;
    stream->release = NULL;
}

static finops_code
execute_stream(fo_pg_conn *c, const finops_statement *statement, struct ArrowArrayStream *ret_stream,
               int64_t *ret_changed, finops_error **err)
{
    FO_AUTO(stream_freep) fo_pg_stream *s = fo_zalloc(sizeof(*s));
    finops_code rc;

    if (!s)
        return fo_error_oom(err);
    s->in_transaction = fo_pg_in_transaction(c);
    rc = fo_pg_send(c, statement->sql, statement->params, statement->n_params, err);
    if (rc != FINOPS_OK)
        return rc;
    s->conn = c;
    rc = stream_start(s, statement, ret_changed, err);
    if (rc != FINOPS_OK)
        return rc;
    c->streaming = true;
    *ret_stream = (struct ArrowArrayStream){ .get_schema = stream_schema,
                                             .get_next = stream_next,
                                             .get_last_error = stream_last_error,
                                             .release = stream_release,
                                             .private_data = FO_TAKE(s) };
    return FINOPS_OK;
}

static finops_code
execute_only(fo_pg_conn *c, const finops_statement *statement, int64_t *ret_changed, finops_error **err)
{
    FO_AUTO(fo_pg_clearp) PGresult *result = NULL;
    finops_code rc = fo_pg_run(c, statement->sql, statement->params, statement->n_params, &result, err);

    if (rc == FINOPS_OK)
        *ret_changed = fo_pg_changed(result);
    return rc;
}

finops_code
fo_pg_execute(void *conn, const finops_statement *statement, struct ArrowArrayStream *ret_stream,
              int64_t *ret_changed, finops_error **err)
{
    fo_pg_conn *c = conn;
    const bool in_transaction = fo_pg_in_transaction(c);
    int64_t changed = -1;
    finops_code rc;

    assert(c && statement && statement->sql);
    rc = fo_pg_call_begin(c, statement->call, err);
    if (rc == FINOPS_OK)
        rc = fo_pg_keep_read_only(c, err);
    if (rc == FINOPS_OK)
        rc = ret_stream ? execute_stream(c, statement, ret_stream, &changed, err)
                        : execute_only(c, statement, &changed, err);
    if (rc == FINOPS_OK && c->read_only && !c->streaming && !in_transaction && fo_pg_in_transaction(c)) {
        (void)fo_pg_run(c, "ROLLBACK", NULL, 0, NULL, NULL);
        rc = fo_error_set(err, FINOPS_E_USAGE,
                          "a connection that only reads begins no transaction by statement");
    }
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc, "postgresql execute");
    if (ret_changed)
        *ret_changed = changed;
    return FINOPS_OK;
}
