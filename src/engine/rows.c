/* Small results, whole in memory, as text. */
#include "engine/engine_internal.h"

#include <assert.h>
#include <nanoarrow/nanoarrow.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct fo_rows {
    fo_strv names;
    fo_strv cells; /* row by row; NULL cells are NULL */
    size_t n_rows;
};

/* A stream while it is collected. */
typedef struct collector {
    struct ArrowArrayStream *stream;
    struct ArrowSchema schema;
    struct ArrowArrayView view;
    struct ArrowArray batch;
    fo_rows *rows;
} collector;

void
fo_rows_free(fo_rows *rows)
{
    if (!rows)
        return;
    fo_strv_done(&rows->names);
    fo_strv_done(&rows->cells);
    fo_free(rows);
}

void
fo_rows_freep(fo_rows **rows)
{
    fo_rows_free(*rows);
    *rows = NULL;
}

static void
collector_done(collector *c)
{
    if (c->batch.release)
        c->batch.release(&c->batch);
    ArrowArrayViewReset(&c->view);
    if (c->schema.release)
        c->schema.release(&c->schema);
    if (c->stream->release)
        c->stream->release(c->stream);
    fo_rows_free(c->rows);
}

static bool
is_text(enum ArrowType type)
{
    return type == NANOARROW_TYPE_STRING || type == NANOARROW_TYPE_LARGE_STRING ||
           type == NANOARROW_TYPE_STRING_VIEW;
}

static bool
is_whole(enum ArrowType type)
{
    return type == NANOARROW_TYPE_INT64 || type == NANOARROW_TYPE_INT32 || type == NANOARROW_TYPE_INT16 ||
           type == NANOARROW_TYPE_INT8 || type == NANOARROW_TYPE_UINT8 || type == NANOARROW_TYPE_UINT16 ||
           type == NANOARROW_TYPE_UINT32;
}

static finops_code
collect_names(collector *c, finops_error **err)
{
    int errnum = c->stream->get_schema(c->stream, &c->schema);

    if (errnum)
        return fo_stream_error(c->stream, errnum, err);
    if (ArrowArrayViewInitFromSchema(&c->view, &c->schema, NULL) != NANOARROW_OK)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "the rows have a type that cannot be shown as text");
    for (int64_t i = 0; i < c->schema.n_children; i++) {
        const char *name = c->schema.children[i]->name;
        enum ArrowType type = c->view.children[i]->storage_type;

        if (!is_text(type) && !is_whole(type))
            return fo_error_set(err, FINOPS_E_UNSUPPORTED, "column %s is not text", name ? name : "");
        if (!fo_strv_add(&c->rows->names, name ? name : ""))
            return fo_error_oom(err);
    }
    return FINOPS_OK;
}

/* NULL: no memory. */
static char *
cell_text(const struct ArrowArrayView *column, int64_t row)
{
    struct ArrowStringView text;

    if (is_whole(column->storage_type))
        return fo_format("%lld", (long long)ArrowArrayViewGetIntUnsafe(column, row));
    text = ArrowArrayViewGetStringUnsafe(column, row);
    return text.size_bytes ? fo_strndup(text.data, (size_t)text.size_bytes) : fo_strdup("");
}

static bool
cells_room(fo_strv *cells)
{
    return fo_grow((void **)&cells->items, &cells->cap, cells->n + 1, sizeof(*cells->items));
}

static bool
add_cell(fo_strv *cells, const struct ArrowArrayView *column, int64_t row)
{
    char *text;

    if (!cells_room(cells))
        return false;
    if (ArrowArrayViewIsNull(column, row)) {
        cells->items[cells->n++] = NULL;
        return true;
    }
    text = cell_text(column, row);
    if (text)
        cells->items[cells->n++] = text;
    return text != NULL;
}

static finops_code
collect_batch(collector *c, finops_error **err)
{
    struct ArrowError why;

    if (ArrowArrayViewSetArray(&c->view, &c->batch, &why) != NANOARROW_OK)
        return fo_error_set(err, FINOPS_E_DATA, "rows that break the Arrow format: %s", why.message);
    for (int64_t row = 0; row < c->batch.length; row++)
        for (int64_t i = 0; i < c->schema.n_children; i++)
            if (!add_cell(&c->rows->cells, c->view.children[i], row))
                return fo_error_oom(err);
    c->rows->n_rows += (size_t)c->batch.length;
    c->batch.release(&c->batch);
    return FINOPS_OK;
}

static finops_code
collect(collector *c, finops_error **err)
{
    finops_code rc;
    int errnum;

    c->rows = fo_zalloc(sizeof(*c->rows));
    if (!c->rows)
        return fo_error_oom(err);
    rc = collect_names(c, err);
    while (rc == FINOPS_OK) {
        errnum = c->stream->get_next(c->stream, &c->batch);
        if (errnum)
            return fo_stream_error(c->stream, errnum, err);
        if (!c->batch.release)
            break;
        rc = collect_batch(c, err);
    }
    return rc;
}

finops_code
fo_rows_from_stream(struct ArrowArrayStream *stream, fo_rows **ret, finops_error **err)
{
    FO_AUTO(collector_done) collector c = { .stream = stream };
    finops_code rc;

    assert(stream && stream->release && ret);
    rc = collect(&c, err);
    if (rc == FINOPS_OK)
        *ret = FO_TAKE(c.rows);
    return rc;
}

finops_code
fo_rows_sql(const char *sql, fo_str *ret, finops_error **err)
{
    assert(sql && ret);
    fo_str_add(ret, "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (");
    fo_str_addn(ret, sql, fo_sql_end(sql));
    fo_str_addc(ret, ')');
    return fo_str_check(ret, err);
}

/*
 * Only a SELECT can be a part of another. Prepared as it is first: messages then show the statement its
 * author wrote.
 */
finops_code
fo_conn_selects(fo_conn *conn, const char *sql, const fo_param *params, size_t n, bool *ret,
                finops_error **err)
{
    duckdb_prepared_statement stmt = NULL;
    finops_code rc = fo_conn_prepare(conn, sql, params, n, &stmt, err);

    if (rc != FINOPS_OK)
        return rc;
    *ret = duckdb_prepared_statement_type(stmt) == DUCKDB_STATEMENT_TYPE_SELECT;
    duckdb_destroy_prepare(&stmt);
    return FINOPS_OK;
}

finops_code
fo_conn_rows(fo_conn *conn, const char *sql, const fo_param *params, size_t n, fo_rows **ret,
             finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    struct ArrowArrayStream stream = { 0 };
    bool select = false;
    finops_code rc;

    assert(conn && sql && ret);
    rc = fo_conn_selects(conn, sql, params, n, &select, err);
    if (rc == FINOPS_OK && select)
        rc = fo_rows_sql(sql, &text, err);
    if (rc == FINOPS_OK)
        rc = fo_conn_stream(conn, select ? fo_str_z(&text) : sql, params, n, &stream, err);
    return rc == FINOPS_OK ? fo_rows_from_stream(&stream, ret, err) : rc;
}

fo_rows *
fo_rows_new(size_t columns)
{
    FO_AUTO(fo_rows_freep) fo_rows *rows = fo_zalloc(sizeof(*rows));

    for (size_t i = 0; rows && i < columns; i++)
        if (!fo_strv_add(&rows->names, ""))
            return NULL;
    return FO_TAKE(rows);
}

bool
fo_rows_add(fo_rows *rows, const char *const *cells)
{
    assert(rows && cells);
    for (size_t i = 0; i < rows->names.n; i++) {
        FO_AUTO(fo_freep) char *copy = cells[i] ? fo_strdup(cells[i]) : NULL;

        if ((cells[i] && !copy) || !cells_room(&rows->cells))
            return false;
        rows->cells.items[rows->cells.n++] = FO_TAKE(copy);
    }
    rows->n_rows++;
    return true;
}

size_t
fo_rows_count(const fo_rows *rows)
{
    assert(rows);
    return rows->n_rows;
}

size_t
fo_rows_columns(const fo_rows *rows)
{
    assert(rows);
    return rows->names.n;
}

const char *
fo_rows_name(const fo_rows *rows, size_t column)
{
    assert(rows && column < rows->names.n);
    return rows->names.items[column];
}

const char *
fo_rows_text(const fo_rows *rows, size_t row, size_t column)
{
    assert(rows && row < rows->n_rows && column < rows->names.n);
    return rows->cells.items[row * rows->names.n + column];
}

int64_t
fo_rows_int(const fo_rows *rows, size_t row, size_t column)
{
    const char *text = fo_rows_text(rows, row, column);

    return text ? strtoll(text, NULL, 10) : 0;
}
