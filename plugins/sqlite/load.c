/*
 * Rows in: an Arrow stream into a table, one prepared INSERT for all rows.
 *
 * The table is made or checked first, from the stream's schema; then each column is bound in the way its
 * Arrow format asks for. All of it is one transaction, or one savepoint of the caller's.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sqlite.h"

/* How the table takes a column of the stream. */
enum { ABSENT = 0, SAME, AS_TEXT };

typedef struct load {
    sqlite_conn *c;
    const finops_write *to;
    struct ArrowArrayStream *from;
    struct ArrowSchema schema;
    char *table;  /* as SQLite knows it */
    char *column; /* of each column of the stream: ABSENT, SAME, or AS_TEXT */
    size_t n_columns;
    sqlite3_stmt *insert;
    int64_t rows;
} load;

static finops_code
no_memory(finops_error **err)
{
    return finops_error_new(err, FINOPS_E_MEMORY, "out of memory");
}

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

typedef struct column_check {
    load *l;
    finops_error **err;
    finops_code rc;
} column_check;

static bool
check_column(const finops_column *column, void *arg)
{
    column_check *check = arg;
    load *l = check->l;
    char buf[40];

    l->n_columns++;
    for (int64_t i = 0; i < l->schema.n_children; i++) {
        const struct ArrowSchema *child = l->schema.children[i];
        const char *declared = sqlite_declare(child, buf, sizeof(buf));
        if (sqlite3_stricmp(child->name, column->name) != 0)
            continue;
        l->column[i] = column->type == FINOPS_TYPE_TEXT ? AS_TEXT : SAME;
        if (child->format[0] != 'n' && !fits(column->type, sqlite_type(declared, NULL, NULL)))
            check->rc =
                finops_error_new(check->err, FINOPS_E_DATA, "column %s of %s is %s and cannot hold %s",
                                 column->name, l->table, column->native, declared);
    }
    return check->rc == FINOPS_OK;
}

/* Reads the schema, and how the table compares with it. */
static finops_code
load_describe(load *l, finops_error **err)
{
    column_check check = { .l = l, .err = err };
    finops_code rc;
    char buf[40];
    int errnum = l->from->get_schema(l->from, &l->schema);

    if (errnum)
        return stream_failed(l, errnum, err);
    l->table = sqlite_table_name(l->to->schema, l->to->table);
    l->column = calloc((size_t)l->schema.n_children + 1, 1);
    if (!l->table || !l->column)
        return no_memory(err);
    for (int64_t i = 0; i < l->schema.n_children; i++)
        if (!sqlite_declare(l->schema.children[i], buf, sizeof(buf)))
            return finops_error_new(err, FINOPS_E_UNSUPPORTED,
                                    "column %s: sqlite cannot store the arrow type %s",
                                    l->schema.children[i]->name, l->schema.children[i]->format);
    if (l->schema.n_children == 0)
        return finops_error_new(err, FINOPS_E_DATA, "rows without columns cannot be written to %s", l->table);
    rc = sqlite_columns(l->c, l->to->schema, l->to->table, check_column, &check, err);
    return rc == FINOPS_OK ? check.rc : rc;
}

static finops_code
create_table(load *l, finops_error **err)
{
    sqlite3_str *sql = sqlite3_str_new(l->c->db);
    finops_code rc;
    char buf[40], *text;

    for (int64_t i = 0; i < l->schema.n_children; i++)
        sqlite3_str_appendf(sql, "%s\"%w\" %s", i ? ", " : "", l->schema.children[i]->name,
                            sqlite_declare(l->schema.children[i], buf, sizeof(buf)));
    text = sqlite3_str_finish(sql);
    if (!text)
        return no_memory(err);
    rc = sqlite_run(l->c, err, "CREATE TABLE \"%w\" (%s)", l->table, text);
    sqlite3_free(text);
    return rc;
}

/* Makes the table what the mode wants it to be. */
static finops_code
load_prepare_table(load *l, finops_error **err)
{
    bool exists = l->n_columns > 0;
    finops_code rc = FINOPS_OK;
    char buf[40];

    if (exists && l->to->mode == FINOPS_WRITE_CREATE)
        return finops_error_new(err, FINOPS_E_EXISTS, "table %s exists already", l->table);
    if (!exists && l->to->mode == FINOPS_WRITE_APPEND)
        return finops_error_new(err, FINOPS_E_NOT_FOUND, "table %s does not exist", l->table);
    if (!exists)
        return create_table(l, err);
    for (int64_t i = 0; i < l->schema.n_children && rc == FINOPS_OK; i++) {
        const char *name = l->schema.children[i]->name;
        if (l->column[i] != ABSENT)
            continue;
        if (l->to->mode == FINOPS_WRITE_APPEND)
            return finops_error_new(err, FINOPS_E_DATA, "table %s has no column %s", l->table, name);
        rc = sqlite_run(l->c, err, "ALTER TABLE \"%w\" ADD COLUMN \"%w\" %s", l->table, name,
                        sqlite_declare(l->schema.children[i], buf, sizeof(buf)));
    }
    return rc;
}

static finops_code
load_prepare_insert(load *l, finops_error **err)
{
    sqlite3_str *sql = sqlite3_str_new(l->c->db);
    char *text;
    int rc;

    sqlite3_str_appendf(sql, "INSERT INTO \"%w\" (", l->table);
    for (int64_t i = 0; i < l->schema.n_children; i++)
        sqlite3_str_appendf(sql, "%s\"%w\"", i ? ", " : "", l->schema.children[i]->name);
    sqlite3_str_appendall(sql, ") VALUES (?");
    for (int64_t i = 1; i < l->schema.n_children; i++)
        sqlite3_str_appendall(sql, ",?");
    sqlite3_str_appendchar(sql, 1, ')');
    text = sqlite3_str_finish(sql);
    if (!text)
        return no_memory(err);
    rc = sqlite3_prepare_v2(l->c->db, text, -1, &l->insert, NULL);
    sqlite3_free(text);
    return rc == SQLITE_OK ? FINOPS_OK : sqlite_fail(l->c, l->table, err);
}

/* SQLite would make NULL of NaN. In a column of doubles the text stays, and reads as NaN again. */
static int
bind_double(sqlite3_stmt *q, int at, double value)
{
    return isnan(value) ? sqlite3_bind_text(q, at, "NaN", 3, SQLITE_STATIC)
                        : sqlite3_bind_double(q, at, value);
}

/* Everything that is stored as a text made here. */
static int
bind_printed(sqlite3_stmt *q, int at, const struct ArrowSchema *schema, const struct ArrowArray *a,
             int64_t row)
{
    sqlite3_str *text = sqlite3_str_new(sqlite3_db_handle(q));
    char *z;

    sqlite_print(text, schema, a, row, false);
    sqlite3_str_appendchar(text, 1, '\0'); /* an empty text is no NULL */
    z = sqlite3_str_finish(text);
    return z ? sqlite3_bind_text(q, at, z, -1, sqlite3_free) : SQLITE_NOMEM;
}

/* Texts and bytes are bound where they are: the batch outlives the row. */
static int
bind_bytes(sqlite3_stmt *q, int at, const char *format, const struct ArrowArray *a, int64_t k)
{
    int64_t size = 0;
    const char *data = sqlite_bytes(format, a, k, &size);

    if (format[0] == 'u' || format[0] == 'U')
        return sqlite3_bind_text64(q, at, data, (sqlite3_uint64)size, SQLITE_STATIC, SQLITE_UTF8);
    return sqlite3_bind_blob64(q, at, data, (sqlite3_uint64)size, SQLITE_STATIC);
}

static int
bind_value(sqlite3_stmt *q, int at, const struct ArrowSchema *schema, const struct ArrowArray *a, int64_t row)
{
    int64_t k = a->offset + row;
    char f = schema->format[0];

    if (sqlite_is_null(a, row))
        return sqlite3_bind_null(q, at);
    if (schema->dictionary)
        return bind_value(q, at, schema->dictionary, a->dictionary, sqlite_integer(f, a->buffers[1], k));
    if (strchr("cCsSiIl", f))
        return sqlite3_bind_int64(q, at, sqlite_integer(f, a->buffers[1], k));
    if (f == 'f' || f == 'g')
        return bind_double(q, at, sqlite_double(f, a->buffers[1], k));
    if (f == 'b')
        return sqlite3_bind_int(q, at, ((const uint8_t *)a->buffers[1])[k / 8] >> (k % 8) & 1);
    if (strchr("uUzZw", f))
        return bind_bytes(q, at, schema->format, a, k);
    return bind_printed(q, at, schema, a, row);
}

static finops_code
load_batch(load *l, const struct ArrowArray *batch, finops_error **err)
{
    finops_code rc = sqlite_check(l->c);

    if (rc != FINOPS_OK) {
        l->c->ended = rc;
        return sqlite_fail(l->c, l->table, err);
    }
    for (int64_t row = 0; row < batch->length; row++) {
        for (int64_t i = 0; i < batch->n_children; i++) {
            const struct ArrowSchema *type = l->schema.children[i];
            const struct ArrowArray *a = batch->children[i];
            bool print =
                l->column[i] == AS_TEXT && type->format[0] != 'u' && !sqlite_is_null(a, batch->offset + row);
            if ((print ? bind_printed : bind_value)(l->insert, (int)i + 1, type, a, batch->offset + row) !=
                SQLITE_OK)
                return sqlite_fail(l->c, type->name, err);
        }
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
        l->c->call = (finops_call){ 0 }; /* what ended the call must not end this */
        sqlite_run(l->c, NULL, own ? "ROLLBACK" : "ROLLBACK TO finops_write");
        if (!own)
            sqlite_run(l->c, NULL, "RELEASE finops_write");
    }
    return rc;
}

static double
seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

finops_code
sqlite_write(void *conn, const finops_write *write, const finops_source *source, finops_write_result *ret,
             finops_error **err)
{
    load l = { .c = conn, .to = write, .from = source->stream };
    double began = seconds();
    finops_code rc;

    if (!source->stream)
        return finops_error_new(err, FINOPS_E_UNSUPPORTED, "sqlite does not read files itself");
    sqlite_call_begin(l.c, write->call);
    rc = l.c->read_only ? finops_error_new(err, FINOPS_E_USAGE, "the connection only reads")
                        : load_all(&l, err);
    free(l.column);
    sqlite3_free(l.table);
    if (l.schema.release)
        l.schema.release(&l.schema);
    source->stream->release(source->stream);
    if (rc == FINOPS_OK && ret)
        *ret = (finops_write_result){ .rows = l.rows, .seconds = seconds() - began };
    return rc;
}
