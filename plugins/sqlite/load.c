/*
 * Rows in: an Arrow stream into a table, one prepared INSERT for all rows.
 *
 * The table is made or checked first, from the stream's schema; then each value is bound in the way its
 * Arrow format asks for. All of it is one transaction, or one savepoint of the caller's.
 */
#include <stdlib.h>

#include "sqlite.h"

/* How the table takes a column of the stream. */
enum { ABSENT = 0, SAME, AS_TEXT };

typedef struct load {
    sqlite_conn *c;
    const finops_write *to;
    struct ArrowArrayStream *from;
    struct ArrowSchema schema;
    char *table; /* as SQLite knows it */
    char *how;   /* of each column of the stream */
    bool exists;
    sqlite3_stmt *insert;
    int64_t rows;
    finops_code rc; /* of check_column */
    finops_error **err;
} load;

/* What the stream says of its failure. */
static finops_code
stream_failed(load *l, int errnum, finops_error **err)
{
    const char *why = l->from->get_last_error(l->from);

    return finops_error_new(err, finops_stream_code(errnum), "read the rows to be written: %s",
                            why ? why : "no reason given");
}

/* Whether values declared `from` keep their digits in a column of another type. A text keeps everything. */
static bool
fits(finops_column_type column, finops_column_type from)
{
    return column == from || column == FINOPS_TYPE_TEXT || column == FINOPS_TYPE_OTHER ||
           (from == FINOPS_TYPE_INT && (column == FINOPS_TYPE_DECIMAL || column == FINOPS_TYPE_DOUBLE)) ||
           (from == FINOPS_TYPE_TEXT && column == FINOPS_TYPE_JSON) ||
           (from == FINOPS_TYPE_TIMESTAMP && column == FINOPS_TYPE_TIMESTAMP_TZ);
}

/* A column of the table: finds those of the stream that go there. */
static bool
check_column(const finops_column *column, void *arg)
{
    load *l = arg;
    int digits[2];
    char buf[40];

    l->exists = true;
    for (int64_t i = 0; i < l->schema.n_children && l->rc == FINOPS_OK; i++) {
        const struct ArrowSchema *child = l->schema.children[i];
        const char *declared = sqlite_declare(child, buf, sizeof(buf));
        if (sqlite3_stricmp(child->name, column->name) != 0)
            continue;
        l->how[i] = column->type == FINOPS_TYPE_TEXT ? AS_TEXT : SAME;
        if (child->format[0] != 'n' && !fits(column->type, sqlite_type(declared, digits)))
            l->rc = finops_error_new(l->err, FINOPS_E_DATA, "column %s of %s is %s and cannot hold %s",
                                     column->name, l->table, column->native, declared);
    }
    return l->rc == FINOPS_OK;
}

/* Reads the schema, and how the table compares with it. */
static finops_code
load_describe(load *l, finops_error **err)
{
    int errnum = l->from->get_schema(l->from, &l->schema);
    finops_code rc;
    char buf[40];

    if (errnum)
        return stream_failed(l, errnum, err);
    l->table = sqlite_table_name(l->to->schema, l->to->table);
    l->how = calloc((size_t)l->schema.n_children + 1, 1);
    if (!l->table || !l->how)
        return sqlite_no_memory(err);
    for (int64_t i = 0; i < l->schema.n_children; i++)
        if (!sqlite_declare(l->schema.children[i], buf, sizeof(buf)))
            return finops_error_new(err, FINOPS_E_UNSUPPORTED,
                                    "column %s: sqlite cannot store the arrow type %s",
                                    l->schema.children[i]->name, l->schema.children[i]->format);
    if (l->schema.n_children == 0)
        return finops_error_new(err, FINOPS_E_DATA, "rows without columns cannot be written to %s", l->table);
    rc = sqlite_columns(l->c, l->to->schema, l->to->table, check_column, l, err);
    return rc == FINOPS_OK ? l->rc : rc;
}

/* Makes the table what the mode wants it to be: made with its first column, given those it lacks. */
static finops_code
load_prepare_table(load *l, finops_error **err)
{
    finops_code rc = FINOPS_OK;
    char buf[40];

    if (l->exists && l->to->mode == FINOPS_WRITE_CREATE)
        return finops_error_new(err, FINOPS_E_EXISTS, "table %s exists already", l->table);
    if (!l->exists && l->to->mode == FINOPS_WRITE_APPEND)
        return finops_error_new(err, FINOPS_E_NOT_FOUND, "table %s does not exist", l->table);
    for (int64_t i = 0; i < l->schema.n_children && rc == FINOPS_OK; i++) {
        const char *name = l->schema.children[i]->name;
        if (l->how[i] != ABSENT)
            continue;
        if (l->to->mode == FINOPS_WRITE_APPEND)
            return finops_error_new(err, FINOPS_E_DATA, "table %s has no column %s", l->table, name);
        rc = sqlite_run(l->c, err,
                        l->exists ? "ALTER TABLE \"%w\" ADD COLUMN \"%w\" %s"
                                  : "CREATE TABLE \"%w\" (\"%w\" %s)",
                        l->table, name, sqlite_declare(l->schema.children[i], buf, sizeof(buf)));
        l->exists = true;
    }
    return rc;
}

static finops_code
load_prepare_insert(load *l, finops_error **err)
{
    sqlite3_str *names = sqlite3_str_new(l->c->db), *marks = sqlite3_str_new(l->c->db);
    char *sql, *columns, *values;
    int rc = SQLITE_NOMEM;

    for (int64_t i = 0; i < l->schema.n_children; i++) {
        sqlite3_str_appendf(names, "%s\"%w\"", i ? ", " : "", l->schema.children[i]->name);
        sqlite3_str_appendall(marks, i ? ", ?" : "?");
    }
    columns = sqlite3_str_finish(names);
    values = sqlite3_str_finish(marks);
    sql = sqlite3_mprintf("INSERT INTO \"%w\" (%s) VALUES (%s)", l->table, columns, values);
    if (columns && values && sql)
        rc = sqlite3_prepare_v2(l->c->db, sql, -1, &l->insert, NULL);
    sqlite3_free(columns);
    sqlite3_free(values);
    sqlite3_free(sql);
    return rc == SQLITE_OK      ? FINOPS_OK
           : rc == SQLITE_NOMEM ? sqlite_no_memory(err)
                                : sqlite_fail(l->c, l->table, err);
}

static finops_code
load_batch(load *l, const struct ArrowArray *batch, finops_error **err)
{
    if (!sqlite_goes_on(l->c))
        return sqlite_fail(l->c, l->table, err);
    for (int64_t row = batch->offset; row < batch->offset + batch->length; row++) {
        for (int64_t i = 0; i < batch->n_children; i++)
            if (sqlite_bind(l->insert, (int)i + 1, l->schema.children[i], batch->children[i], row,
                            l->how[i] == AS_TEXT) != SQLITE_OK)
                return sqlite_fail(l->c, l->schema.children[i]->name, err);
        sqlite3_step(l->insert);
        if (sqlite3_reset(l->insert) != SQLITE_OK)
            return sqlite_fail(l->c, l->table, err);
    }
    l->rows += batch->length;
    if (l->c->call.progress)
        l->c->call.progress(-1, l->rows, l->c->call.arg);
    return FINOPS_OK;
}

static finops_code
load_rows(load *l, finops_error **err)
{
    for (;;) {
        struct ArrowArray batch = { 0 };
        finops_code rc;
        int errnum = l->from->get_next(l->from, &batch);
        if (errnum)
            return stream_failed(l, errnum, err);
        if (!batch.release)
            return FINOPS_OK;
        rc = load_batch(l, &batch, err);
        sqlite3_clear_bindings(l->insert); /* they point into the batch */
        batch.release(&batch);
        if (rc != FINOPS_OK)
            return rc;
    }
}

static finops_code
load_all(load *l, finops_error **err)
{
    bool own = sqlite3_get_autocommit(l->c->db) != 0;
    finops_code rc = sqlite_run(l->c, err, own ? "BEGIN IMMEDIATE" : "SAVEPOINT finops_write");

    if (rc != FINOPS_OK)
        return rc;
    rc = load_describe(l, err);
    if (rc == FINOPS_OK)
        rc = load_prepare_table(l, err);
    if (rc == FINOPS_OK)
        rc = load_prepare_insert(l, err);
    if (rc == FINOPS_OK)
        rc = load_rows(l, err);
    sqlite3_finalize(l->insert); /* an open statement would keep the transaction open */
    if (rc == FINOPS_OK)
        rc = sqlite_run(l->c, err, own ? "COMMIT" : "RELEASE finops_write");
    if (rc != FINOPS_OK) {
        sqlite_call_begin(l->c, NULL); /* what ended the call must not end this */
        sqlite_run(l->c, NULL, own ? "ROLLBACK" : "ROLLBACK TO finops_write; RELEASE finops_write");
    }
    return rc;
}

finops_code
sqlite_write(void *conn, const finops_write *write, const finops_source *source, finops_write_result *ret,
             finops_error **err)
{
    load l = { .c = conn, .to = write, .from = source->stream, .err = err };
    int64_t began = sqlite_now_us();
    finops_code rc;

    sqlite_call_begin(l.c, write->call);
    rc = l.c->read_only ? finops_error_new(err, FINOPS_E_USAGE, "the connection only reads")
                        : load_all(&l, err);
    free(l.how);
    sqlite3_free(l.table);
    if (l.schema.release)
        l.schema.release(&l.schema);
    source->stream->release(source->stream);
    if (rc == FINOPS_OK && ret)
        *ret = (finops_write_result){ .rows = l.rows, .seconds = (double)(sqlite_now_us() - began) / 1e6 };
    return rc;
}
