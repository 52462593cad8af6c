/* Rows from Arrow streams, batch by batch: what is kept of them is one cell a column, whatever the number of
 * rows. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "cli/render.h"

#define CELL_MAX ((size_t)1 << 30)

typedef struct rows {
    fo_cli *cli;
    struct ArrowArrayStream *stream;
    struct ArrowSchema schema;
    struct ArrowArray batch;
    size_t n;
    fo_value_type **types;
    fo_table_column *columns; /* names are owned */
    fo_cell *cells;
    fo_sink sink;
} rows;

static void
rows_done(rows *r)
{
    fo_sink_done(&r->sink);
    for (size_t i = 0; i < r->n; i++) {
        if (r->types)
            fo_value_type_free(r->types[i]);
        if (r->columns)
            fo_free((void *)(uintptr_t)r->columns[i].name);
        if (r->cells)
            fo_str_done(&r->cells[i].text);
    }
    fo_free(r->types);
    fo_free(r->columns);
    fo_free(r->cells);
    if (r->batch.release)
        r->batch.release(&r->batch);
    if (r->schema.release)
        r->schema.release(&r->schema);
    if (r->stream->release)
        r->stream->release(r->stream);
}

static finops_code
stream_failed(rows *r, finops_error **err)
{
    const char *text = r->stream->get_last_error(r->stream);

    if (fo_cancelled(r->cli->cancel))
        return fo_error_set(err, FINOPS_E_CANCELLED, "stopped while reading rows");
    return fo_error_set(err, FINOPS_E_DATABASE, "read rows: %s",
                        text && *text ? text : "the stream says no more");
}

/* JSON's keys must differ: a second "id" becomes "id_1". Other formats show the names as they are. */
static char *
column_name(const rows *r, size_t column)
{
    const char *name = r->schema.children[column]->name ? r->schema.children[column]->name : "";
    bool json = r->cli->format == FO_FORMAT_JSON || r->cli->format == FO_FORMAT_NDJSON;
    char *made = fo_strdup(name);

    for (unsigned next = 1, i = 0; json && made && i < column;) {
        if (strcmp(r->columns[i].name, made) != 0) {
            i++;
            continue;
        }
        fo_free(made);
        made = fo_format("%s_%u", name, next++);
        i = 0;
    }
    return made;
}

static finops_code
rows_begin(rows *r, finops_error **err)
{
    size_t n;

    if (r->stream->get_schema(r->stream, &r->schema) != 0)
        return stream_failed(r, err);
    n = (size_t)r->schema.n_children;
    r->types = fo_array(n + 1, sizeof(*r->types));
    r->columns = fo_array(n + 1, sizeof(*r->columns));
    r->cells = fo_array(n + 1, sizeof(*r->cells));
    if (!r->types || !r->columns || !r->cells)
        return fo_error_oom(err);
    for (r->n = 0; r->n < n;) {
        size_t i = r->n++;
        finops_code rc = fo_value_type_new(r->schema.children[i], &r->types[i], err);

        if (rc != FINOPS_OK)
            return rc;
        r->cells[i].text = FO_STR_MAX(CELL_MAX);
        r->columns[i].name = column_name(r, i);
        r->columns[i].numeric = fo_value_type_numeric(r->types[i]);
        if (!r->columns[i].name)
            return fo_error_oom(err);
    }
    return fo_sink_begin(&r->sink, r->cli, r->columns, n, FO_TABLE_HOLD, err);
}

static finops_code
batch_print(rows *r, finops_error **err)
{
    bool iso = r->cli->format != FO_FORMAT_TABLE;

    if (r->batch.n_children != r->schema.n_children)
        return fo_error_set(err, FINOPS_E_INTERNAL, "a batch has %lld columns, its schema %lld",
                            (long long)r->batch.n_children, (long long)r->schema.n_children);
    for (int64_t row = 0; row < r->batch.length; row++) {
        finops_code rc;

        for (size_t i = 0; i < r->n; i++) {
            fo_value_cell(r->types[i], r->batch.children[i], r->batch.offset + row, iso, &r->cells[i]);
            if (!fo_str_ok(&r->cells[i].text))
                return fo_str_check(&r->cells[i].text, err);
        }
        rc = fo_sink_row(&r->sink, r->cells, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    return FINOPS_OK;
}

static finops_code
rows_print(rows *r, finops_error **err)
{
    finops_code rc = rows_begin(r, err);

    while (rc == FINOPS_OK) {
        if (fo_cancelled(r->cli->cancel))
            return fo_error_set(err, FINOPS_E_CANCELLED, "stopped while printing rows");
        if (r->stream->get_next(r->stream, &r->batch) != 0)
            return stream_failed(r, err);
        if (!r->batch.release)
            return fo_sink_end(&r->sink, err);
        rc = batch_print(r, err);
        r->batch.release(&r->batch);
        r->batch = (struct ArrowArray){ 0 };
    }
    return rc;
}

finops_code
fo_render_stream(fo_cli *cli, struct ArrowArrayStream *stream, finops_error **err)
{
    rows r = { .cli = cli, .stream = stream };
    finops_code rc;

    assert(cli && stream && stream->release);
    if (cli->format > FO_FORMAT_NDJSON) {
        stream->release(stream);
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "%s does not write parquet or arrow", cli->verb->name);
    }
    rc = rows_print(&r, err);
    rows_done(&r);
    return rc;
}
