/*
 * What tables there are. The catalogs of PostgreSQL and SQLite are read with SQL: the driver of the one does
 * not tell digits and nullability, that of the other fails when any view is broken. Every other database is
 * asked through AdbcConnectionGetObjects.
 */
#include <nanoarrow/nanoarrow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "database/adbc/adbc_internal.h"
#include "database/adbc/driver.h"

#define MAX_CELLS 8

/* ---- rows of a query of ours ---- */

static bool
row_cells(const struct ArrowArrayView *batch, int64_t row, fo_str *store, const char **cells)
{
    size_t at[MAX_CELLS];

    fo_str_clear(store);
    for (int64_t i = 0; i < batch->n_children; i++) {
        struct ArrowStringView text = ArrowArrayViewGetStringUnsafe(batch->children[i], row);
        at[i] = store->len;
        fo_str_addn(store, text.data, (size_t)text.size_bytes);
        fo_str_addc(store, '\0');
    }
    for (int64_t i = 0; i < batch->n_children && fo_str_ok(store); i++)
        cells[i] = ArrowArrayViewIsNull(batch->children[i], row) ? NULL : fo_str_z(store) + at[i];
    return fo_str_ok(store);
}

static finops_code
each_of_batch(struct ArrowArrayView *view, const struct ArrowArray *batch, adbc_each_row each, void *arg,
              bool *ret_more, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str store = FO_STR_INIT;
    const char *cells[MAX_CELLS] = { NULL };

    if (ArrowArrayViewSetArray(view, batch, NULL) != 0 || view->n_children > MAX_CELLS)
        return fo_error_set(err, FINOPS_E_DATABASE, "a result that is none");
    for (int64_t row = 0; row < batch->length && *ret_more; row++) {
        if (!row_cells(view, row, &store, cells))
            return fo_error_oom(err);
        *ret_more = each(cells, arg);
    }
    return FINOPS_OK;
}

static finops_code
stream_failed(struct ArrowArrayStream *stream, int errnum, finops_error **err)
{
    const char *why = stream->get_last_error(stream);

    return fo_error_set(err, finops_stream_code(errnum), "read the catalog: %s",
                        why ? why : "no reason given");
}

/* Every batch of a stream, through one view. */
static finops_code
each_batch(struct ArrowArrayStream *stream,
           finops_code (*each)(struct ArrowArrayView *view, const struct ArrowArray *batch, void *arg,
                               bool *ret_more, finops_error **err),
           void *arg, finops_error **err)
{
    struct ArrowSchema schema = { 0 };
    struct ArrowArrayView view;
    finops_code rc = FINOPS_OK;
    bool more = true;
    int errnum = stream->get_schema(stream, &schema);

    if (errnum)
        return stream_failed(stream, errnum, err);
    if (ArrowArrayViewInitFromSchema(&view, &schema, NULL) != 0)
        rc = fo_error_oom(err);
    while (rc == FINOPS_OK && more) {
        struct ArrowArray batch = { 0 };
        errnum = stream->get_next(stream, &batch);
        if (errnum)
            rc = stream_failed(stream, errnum, err);
        if (errnum || !batch.release)
            break;
        rc = each(&view, &batch, arg, &more, err);
        batch.release(&batch);
    }
    ArrowArrayViewReset(&view);
    schema.release(&schema);
    return rc;
}

typedef struct row_reader {
    adbc_each_row each;
    void *arg;
} row_reader;

static finops_code
read_rows(struct ArrowArrayView *view, const struct ArrowArray *batch, void *arg, bool *ret_more,
          finops_error **err)
{
    row_reader *reader = arg;

    return each_of_batch(view, batch, reader->each, reader->arg, ret_more, err);
}

finops_code
fo_adbc_query(adbc_conn *c, const char *sql, const char *const *params, size_t n_params, adbc_each_row each,
              void *arg, finops_error **err)
{
    const finops_call call = c->call.call; /* of the write that asks */
    const finops_statement statement = {
        .sql = sql, .params = params, .n_params = n_params, .as_text = true, .call = &call
    };
    row_reader reader = { each, arg };
    struct ArrowArrayStream stream;
    finops_code rc = fo_adbc_execute(c, &statement, &stream, NULL, err);

    if (rc != FINOPS_OK)
        return rc;
    rc = each_batch(&stream, read_rows, &reader, err);
    stream.release(&stream);
    return rc;
}

/* ---- AdbcConnectionGetObjects ---- */

/* Where its published layout has what is wanted. */
enum {
    CATALOG_SCHEMAS = 1,
    SCHEMA_NAME = 0,
    SCHEMA_TABLES = 1,
    TABLE_NAME = 0,
    TABLE_TYPE = 1,
    TABLE_COLUMNS = 2
};
enum { COLUMN_NAME = 0, COLUMN_TYPE_NAME = 4, COLUMN_SIZE = 5, COLUMN_DIGITS = 6, COLUMN_NULLABLE = 8 };

typedef struct found {
    char *schema, *name;
    bool is_view;
} found;

/* What is looked for and what was found. `column` set: the columns of one table, told as they come. */
typedef struct walker {
    const adbc_database *d;
    const char *schema, *table;
    finops_each_column column;
    void *arg;
    found *found;
    size_t n, cap;
    bool failed;
} walker;

static char *
text_at(const struct ArrowArrayView *view, int64_t row)
{
    struct ArrowStringView text = ArrowArrayViewGetStringUnsafe(view, row);

    return ArrowArrayViewIsNull(view, row) ? fo_strdup("") : fo_strndup(text.data, (size_t)text.size_bytes);
}

static bool
walk_columns(walker *w, const struct ArrowArrayView *columns, int64_t from, int64_t end)
{
    const struct ArrowArrayView *c = columns->children[0];
    bool more = true;

    for (int64_t row = from; row < end && more; row++) {
        FO_AUTO(fo_freep) char *name = text_at(c->children[COLUMN_NAME], row);
        FO_AUTO(fo_freep) char *native = text_at(c->children[COLUMN_TYPE_NAME], row);
        finops_column column = { .name = name, .native = native };
        if (!name || !native) {
            w->failed = true;
            return false;
        }
        column.type = fo_adbc_type_of(native, &column.precision, &column.scale);
        column.nullable = ArrowArrayViewIsNull(c->children[COLUMN_NULLABLE], row) ||
                          ArrowArrayViewGetIntUnsafe(c->children[COLUMN_NULLABLE], row) != 0;
        if (column.type == FINOPS_TYPE_DECIMAL && !column.precision &&
            !ArrowArrayViewIsNull(c->children[COLUMN_SIZE], row)) {
            column.precision = (int)ArrowArrayViewGetIntUnsafe(c->children[COLUMN_SIZE], row);
            column.scale = (int)ArrowArrayViewGetIntUnsafe(c->children[COLUMN_DIGITS], row);
        }
        more = w->column(&column, w->arg);
    }
    return more;
}

static bool
is_system(const char *schema)
{
    return strcmp(schema, "information_schema") == 0 || fo_starts(schema, "pg_");
}

/* A table of a listing. Where there are no schemas, "a__b" is b of a. */
static bool
add_found(walker *w, const char *schema, const char *name, bool is_view)
{
    const char *split = w->d->ingest_schema ? NULL : strstr(name, "__");
    size_t n = w->schema ? strlen(w->schema) : 0;
    found *f;

    if (w->schema && w->schema[0] && !w->d->ingest_schema) /* a schema may have "__" in its own name */
        split = fo_starts(name, w->schema) && fo_starts(name + n, "__") ? name + n : NULL;
    if (split == name)
        split = NULL;
    if (is_system(schema) || (!w->d->ingest_schema && fo_starts(name, "sqlite_")))
        return true;
    if (!fo_grow((void **)&w->found, &w->cap, w->n + 1, sizeof(*w->found)))
        return false;
    f = &w->found[w->n++];
    *f = (found){ split ? fo_strndup(name, (size_t)(split - name))
                        : fo_strdup(w->d->ingest_schema ? schema : ""),
                  fo_strdup(split ? split + 2 : name), is_view };
    return f->schema && f->name;
}

static bool
is_wanted(const walker *w, const char *schema, const char *name)
{
    const char *rest = name;

    if (w->d->ingest_schema)
        return strcmp(name, w->table) == 0 && (!w->schema || !w->schema[0] || strcmp(schema, w->schema) == 0);
    if (w->schema && w->schema[0]) {
        size_t n = strlen(w->schema);
        if (strncasecmp(name, w->schema, n) != 0 || !fo_starts(name + n, "__"))
            return false;
        rest = name + n + 2;
    }
    return strcasecmp(rest, w->table) == 0;
}

static bool
walk_tables(walker *w, const char *schema, const struct ArrowArrayView *tables, int64_t from, int64_t end)
{
    const struct ArrowArrayView *t = tables->children[0];

    for (int64_t row = from; row < end; row++) {
        FO_AUTO(fo_freep) char *name = text_at(t->children[TABLE_NAME], row);
        FO_AUTO(fo_freep) char *type = text_at(t->children[TABLE_TYPE], row);
        const struct ArrowArrayView *columns = t->children[TABLE_COLUMNS];
        if (!name || !type || (!w->column && !add_found(w, schema, name, strcasestr(type, "view") != NULL))) {
            w->failed = true;
            return false;
        }
        if (w->column && is_wanted(w, schema, name) &&
            !walk_columns(w, columns, ArrowArrayViewListChildOffset(columns, row),
                          ArrowArrayViewListChildOffset(columns, row + 1)))
            return false;
    }
    return true;
}

static finops_code
walk(struct ArrowArrayView *view, const struct ArrowArray *batch, void *arg, bool *ret_more,
     finops_error **err)
{
    walker *w = arg;
    const struct ArrowArrayView *schemas, *s;

    if (ArrowArrayViewSetArray(view, batch, NULL) != 0 || view->n_children < 2)
        return fo_error_set(err, FINOPS_E_DATABASE, "the adbc driver lists its tables in an unknown form");
    schemas = view->children[CATALOG_SCHEMAS];
    s = schemas->children[0];
    for (int64_t row = 0; row < batch->length && *ret_more; row++) {
        int64_t end = ArrowArrayViewListChildOffset(schemas, row + 1);
        for (int64_t i = ArrowArrayViewListChildOffset(schemas, row); i < end && *ret_more; i++) {
            FO_AUTO(fo_freep) char *name = text_at(s->children[SCHEMA_NAME], i);
            const struct ArrowArrayView *tables = s->children[SCHEMA_TABLES];
            *ret_more = name && walk_tables(w, name, tables, ArrowArrayViewListChildOffset(tables, i),
                                            ArrowArrayViewListChildOffset(tables, i + 1));
            w->failed = w->failed || !name;
        }
    }
    return w->failed ? fo_error_oom(err) : FINOPS_OK;
}

static finops_code
get_objects(adbc_conn *c, walker *w, finops_error **err)
{
    const struct AdbcDriver *v = &c->database->driver;
    struct AdbcError e = ADBC_ERROR_INIT;
    struct ArrowArrayStream stream = { 0 };
    AdbcStatusCode status;
    finops_code rc;

    if (!v->ConnectionGetObjects)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "the adbc driver does not list tables");
    status = v->ConnectionGetObjects(&c->connection,
                                     w->column ? ADBC_OBJECT_DEPTH_COLUMNS : ADBC_OBJECT_DEPTH_TABLES, NULL,
                                     NULL, NULL, NULL, NULL, &stream, &e);
    if (status != ADBC_STATUS_OK)
        return fo_adbc_fail_call(c, status, &e, "read the catalog", err);
    rc = each_batch(&stream, walk, w, err);
    stream.release(&stream);
    return rc;
}

/* ---- health ---- */

static bool
keep_version(const char *const *cells, void *arg)
{
    finops_health *h = arg;

    (void)snprintf(h->version, sizeof(h->version), "%s", cells[0] ? cells[0] : "");
    return false;
}

finops_code
fo_adbc_health(void *self, const finops_call *call, finops_health *ret, finops_error **err)
{
    const adbc_database *d = self;
    finops_health h = { .state = FINOPS_HEALTH_UP };
    const char *sql = d->dialect == FINOPS_DIALECT_POSTGRESQL
                          ? "SELECT 'PostgreSQL ' || current_setting('server_version')"
                      : d->sqlite                           ? "SELECT 'SQLite ' || sqlite_version()"
                      : d->dialect == FINOPS_DIALECT_DUCKDB ? "SELECT 'DuckDB ' || version()"
                                                            : "SELECT 'unknown'";
    struct timespec began, ended;
    void *conn = NULL;
    finops_code rc;

    clock_gettime(CLOCK_MONOTONIC, &began);
    rc = fo_adbc_driver.connect(self, 0, call, &conn, err);
    if (rc == FINOPS_OK)
        rc = fo_adbc_query(conn, sql, NULL, 0, keep_version, &h, err);
    fo_adbc_driver.disconnect(conn);
    if (rc != FINOPS_OK)
        return rc;
    clock_gettime(CLOCK_MONOTONIC, &ended);
    h.latency_ms =
        (double)(ended.tv_sec - began.tv_sec) * 1e3 + (double)(ended.tv_nsec - began.tv_nsec) / 1e6;
    *ret = h;
    return FINOPS_OK;
}

/* ---- columns ---- */

typedef struct column_reader {
    finops_each_column each;
    void *arg;
} column_reader;

static bool
tell_column(const char *const *cells, void *arg)
{
    column_reader *reader = arg;
    finops_column column = { .name = cells[0], .native = cells[1], .nullable = cells[2][0] == 't' };

    column.type = fo_adbc_type_of(cells[1], &column.precision, &column.scale);
    return reader->each(&column, reader->arg);
}

finops_code
fo_adbc_columns(void *conn, const char *schema, const char *table, finops_each_column each, void *arg,
                finops_error **err)
{
    static const char sql[] =
        "SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), NOT a.attnotnull"
        " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class r ON r.oid = a.attrelid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace"
        " WHERE n.nspname = coalesce(nullif($1, ''), current_schema()) AND r.relname = $2"
        " AND r.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY "
        "a.attnum";
    static const char sqlite[] =
        "SELECT name, type, CASE \"notnull\" WHEN 0 THEN 't' ELSE 'f' END FROM pragma_table_info("
        "CASE $1 WHEN '' THEN $2 ELSE $1 || '__' || $2 END)";
    adbc_conn *c = conn;
    const char *const params[] = { schema ? schema : "", table };
    column_reader reader = { each, arg };
    walker w = { .d = c->database, .schema = schema, .table = table, .column = each, .arg = arg };

    if (c->database->dialect == FINOPS_DIALECT_POSTGRESQL)
        return fo_adbc_query(c, sql, params, 2, tell_column, &reader, err);
    if (c->database->sqlite)
        return fo_adbc_query(c, sqlite, params, 2, tell_column, &reader, err);
    return get_objects(c, &w, err);
}

/* ---- tables ---- */

static int
by_schema_and_name(const void *a, const void *b)
{
    const found *x = a, *y = b;
    int by_schema = strcmp(x->schema, y->schema);

    return by_schema ? by_schema : strcmp(x->name, y->name);
}

typedef struct name_reader {
    finops_each_name each;
    void *arg;
} name_reader;

static bool
tell_name(const char *const *cells, void *arg)
{
    name_reader *reader = arg;

    return reader->each(cells[0], cells[1], cells[2][0] == 't', reader->arg);
}

static finops_code
list_by_objects(adbc_conn *c, const char *schema, finops_each_name each, void *arg, finops_error **err)
{
    walker w = { .d = c->database, .schema = schema };
    finops_code rc = get_objects(c, &w, err);
    bool more = true;

    if (rc == FINOPS_OK && w.n)
        qsort(w.found, w.n, sizeof(*w.found), by_schema_and_name);
    for (size_t i = 0; i < w.n; i++) {
        const found *f = &w.found[i];
        if (rc == FINOPS_OK && more && (!schema || strcmp(f->schema, schema) == 0))
            more = each(f->schema, f->name, f->is_view, arg);
        fo_free(w.found[i].schema);
        fo_free(w.found[i].name);
    }
    fo_free(w.found);
    return rc;
}

finops_code
fo_adbc_tables(void *conn, const char *schema, finops_each_name each, void *arg, finops_error **err)
{
    static const char sql[] =
        "SELECT n.nspname::text, r.relname::text, r.relkind IN ('v', 'm')"
        " FROM pg_catalog.pg_class r JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace"
        " WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT r.relispartition"
        " AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'"
        " AND ($1::text IS NULL OR n.nspname = $1)"
        " ORDER BY n.nspname COLLATE \"C\", r.relname COLLATE \"C\"";
    static const char sqlite[] = /* "a__b" is b of schema a; a name without is of schema "" */
        "SELECT CASE WHEN at > 1 THEN substr(name, 1, at - 1) ELSE '' END AS s,"
        " CASE WHEN at > 1 THEN substr(name, at + 2) ELSE name END AS n, CASE type WHEN 'view' THEN 't' ELSE "
        "'f' END"
        " FROM (SELECT name, type, CASE WHEN $1 IS NULL THEN instr(name, '__')"
        "         WHEN substr(name, 1, length($1) + 2) = $1 || '__' THEN length($1) + 1 END AS at"
        "       FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE "
        "'\\')"
        " WHERE at IS NOT NULL ORDER BY s, n";
    adbc_conn *c = conn;
    name_reader reader = { each, arg };

    fo_adbc_call_begin(c, NULL);
    if (c->database->dialect == FINOPS_DIALECT_POSTGRESQL)
        return fo_adbc_query(c, sql, &schema, 1, tell_name, &reader, err);
    if (c->database->sqlite)
        return fo_adbc_query(c, sqlite, &schema, 1, tell_name, &reader, err);
    return list_by_objects(c, schema, each, arg, err);
}
