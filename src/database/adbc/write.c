/*
 * Rows in: ADBC's bulk ingest into a table that is there.
 *
 * Tables are made here and not by the driver, which would choose types without digits and lengths. The driver
 * of PostgreSQL sends binary values and does not look at what the table has (an int32 for a bigint is
 * refused, or worse), so the stream is given the table's types first.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "database/adbc/adbc_internal.h"
#include "database/adbc/driver.h"

/* One column of the table. */
typedef struct known {
    char *name, *native;
    finops_column_type type;
    int precision, scale;
} known;

typedef struct load {
    adbc_conn *c;
    const finops_write *to;
    struct ArrowSchema schema; /* of the rows */
    known *known;
    size_t n_known, cap_known;
    adbc_target *targets;
    adbc_feed feed;
    bool failed; /* no memory while columns were listed */
} load;

static bool
keep_column(const finops_column *column, void *arg)
{
    load *l = arg;
    known *k;

    if (!fo_grow((void **)&l->known, &l->cap_known, l->n_known + 1, sizeof(*l->known))) {
        l->failed = true;
        return false;
    }
    k = &l->known[l->n_known++];
    *k = (known){ fo_strdup(column->name), fo_strdup(column->native ? column->native : ""), column->type,
                  column->precision, column->scale };
    l->failed = !k->name || !k->native;
    return !l->failed;
}

static const known *
find_column(const load *l, const char *name)
{
    bool generic = l->c->database->dialect != FINOPS_DIALECT_POSTGRESQL;

    for (size_t i = 0; i < l->n_known; i++)
        if ((generic ? strcasecmp : strcmp)(l->known[i].name, name) == 0)
            return &l->known[i];
    return NULL;
}

/* ---- the table ---- */

static void
add_column(fo_str *sql, const load *l, const struct ArrowSchema *column)
{
    fo_adbc_add_ident(sql, column->name);
    fo_str_addc(sql, ' ');
    fo_adbc_add_type(sql, l->c->database, column);
}

static finops_code
run_text(adbc_conn *c, fo_str *sql, finops_error **err)
{
    finops_code rc = fo_str_check(sql, err);

    return rc == FINOPS_OK ? fo_adbc_run(c, fo_str_z(sql), err) : rc;
}

static finops_code
create_table(load *l, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    bool unlogged = l->to->unlogged && l->c->database->dialect == FINOPS_DIALECT_POSTGRESQL;

    fo_str_add(&sql, unlogged ? "CREATE UNLOGGED TABLE " : "CREATE TABLE ");
    fo_adbc_add_table(&sql, l->c->database, l->to->schema, l->to->table);
    for (int64_t i = 0; i < l->schema.n_children; i++) {
        fo_str_add(&sql, i ? ", " : " (");
        add_column(&sql, l, l->schema.children[i]);
    }
    fo_str_addc(&sql, ')');
    return run_text(l->c, &sql, err);
}

static finops_code
widen_table(load *l, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (int64_t i = 0; i < l->schema.n_children && rc == FINOPS_OK; i++) {
        FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
        if (find_column(l, l->schema.children[i]->name))
            continue;
        if (l->to->mode == FINOPS_WRITE_APPEND)
            return fo_error_set(err, FINOPS_E_DATA, "table %s has no column %s", l->to->table,
                                l->schema.children[i]->name);
        fo_str_add(&sql, "ALTER TABLE ");
        fo_adbc_add_table(&sql, l->c->database, l->to->schema, l->to->table);
        fo_str_add(&sql, " ADD COLUMN ");
        add_column(&sql, l, l->schema.children[i]);
        rc = run_text(l->c, &sql, err);
    }
    return rc;
}

static finops_code
list_columns(load *l, finops_error **err)
{
    finops_code rc;

    for (size_t i = 0; i < l->n_known; i++) {
        fo_free(l->known[i].name);
        fo_free(l->known[i].native);
    }
    l->n_known = 0;
    rc = fo_adbc_columns(l->c, l->to->schema, l->to->table, keep_column, l, err);
    return rc == FINOPS_OK && l->failed ? fo_error_oom(err) : rc;
}

/* Makes the table what the mode wants it to be, and knows its columns then. */
static finops_code
prepare_table(load *l, finops_error **err)
{
    finops_code rc = list_columns(l, err);
    size_t before = l->n_known;

    if (rc != FINOPS_OK)
        return rc;
    if (before && l->to->mode == FINOPS_WRITE_CREATE)
        return fo_error_set(err, FINOPS_E_EXISTS, "table %s exists already", l->to->table);
    if (!before && l->to->mode == FINOPS_WRITE_APPEND)
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "table %s does not exist", l->to->table);
    rc = before ? widen_table(l, err) : create_table(l, err);
    if (rc == FINOPS_OK && l->to->mode != FINOPS_WRITE_APPEND)
        rc = list_columns(l, err);
    return rc;
}

/* ---- what the columns have to become ---- */

static const char *
value_format(const struct ArrowSchema *schema)
{
    return schema->dictionary ? schema->dictionary->format : schema->format;
}

static bool
is_integer(const char *f)
{
    return strlen(f) == 1 && strchr("cCsSiIlL", f[0]);
}

static bool
is_text(const char *f)
{
    return strcmp(f, "u") == 0 || strcmp(f, "U") == 0;
}

/* An integer of exactly the size the server expects. */
static bool
integer_target(const char *f, bool dictionary, const char *native, adbc_target *ret)
{
    bool small = strcasecmp(native, "smallint") == 0, wide = strcasecmp(native, "bigint") == 0;

    if (!is_integer(f))
        return false;
    *ret = small ? ADBC_INT16 : wide ? ADBC_INT64 : ADBC_INT32;
    if (!dictionary && f[0] == (small ? 's' : wide ? 'l' : 'i'))
        *ret = ADBC_KEEP;
    return true;
}

/* The server would round without a word. */
static bool
decimal_fits(const known *k, const char *f)
{
    int precision, scale;

    return sscanf(f, "d:%4d,%4d", &precision, &scale) == 2 && (k->precision == 0 || scale <= k->scale);
}

/* For a server that takes values as they are. */
static bool
exact_target(const known *k, const struct ArrowSchema *column, adbc_target *ret)
{
    const char *f = value_format(column);

    *ret = ADBC_KEEP;
    switch (k->type) {
    case FINOPS_TYPE_INT:
        return integer_target(f, column->dictionary != NULL, k->native, ret);
    case FINOPS_TYPE_DOUBLE:
        if (strcasecmp(k->native, "real") == 0)
            return f[0] == 'f';
        *ret = f[0] == 'g' ? ADBC_KEEP : ADBC_DOUBLE;
        return f[0] == 'f' || f[0] == 'g' || is_integer(f);
    case FINOPS_TYPE_DECIMAL:
        *ret = f[0] == 'd' ? ADBC_KEEP : ADBC_DECIMAL;
        return f[0] == 'd' ? decimal_fits(k, f) : is_integer(f);
    case FINOPS_TYPE_TEXT:
        *ret = is_text(f) ? ADBC_KEEP : ADBC_TEXT;
        return true;
    case FINOPS_TYPE_JSON:
        *ret = ADBC_JSON;
        return is_text(f) || f[0] == '+';
    case FINOPS_TYPE_BOOL:
        return f[0] == 'b';
    case FINOPS_TYPE_BYTES:
        return f[0] == 'z' || f[0] == 'Z' || f[0] == 'w';
    case FINOPS_TYPE_DATE:
        *ret = fo_starts(f, "tdm") ? ADBC_DATE : ADBC_KEEP;
        return fo_starts(f, "td");
    case FINOPS_TYPE_TIMESTAMP:
    case FINOPS_TYPE_TIMESTAMP_TZ:
        return fo_starts(f, "ts");
    default:
        return false;
    }
}

/* For a driver that casts: what Arrow types it may not know become those it does. */
static bool
loose_target(const adbc_database *d, const known *k, const struct ArrowSchema *column, adbc_target *ret)
{
    const char *f = value_format(column);
    bool number = is_integer(f) || f[0] == 'f' || f[0] == 'g' || f[0] == 'd' || f[0] == 'b';

    *ret = ADBC_KEEP;
    if (f[0] == 'L' && k->type == FINOPS_TYPE_INT)
        *ret = ADBC_INT64;
    else if (f[0] == '+' || fo_starts(f, "tt") || f[0] == 'n' || (d->sqlite && f[0] == 't') ||
             (d->dialect == FINOPS_DIALECT_GENERIC && (f[0] == 'd' || f[0] == 'L')) ||
             (k->type == FINOPS_TYPE_TEXT && !is_text(f)))
        *ret = ADBC_TEXT;
    else if (fo_starts(f, "tdm"))
        *ret = ADBC_DATE;
    else if (column->dictionary && is_integer(f))
        *ret = ADBC_INT64;
    else if (d->sqlite && (f[0] == 'f' || f[0] == 'g'))
        *ret = ADBC_NUMBERS;
    if (k->type == FINOPS_TYPE_INT || k->type == FINOPS_TYPE_BOOL)
        return is_integer(f) || f[0] == 'b' || f[0] == 'n';
    if (k->type == FINOPS_TYPE_DOUBLE || k->type == FINOPS_TYPE_DECIMAL)
        return number || f[0] == 'n';
    return true;
}

static finops_code
choose_target(load *l, const struct ArrowSchema *column, adbc_target *ret, finops_error **err)
{
    const adbc_database *d = l->c->database;
    const known *k = find_column(l, column->name);
    bool ok;

    if (!fo_adbc_printable(column))
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "column %s: adbc does not store the arrow type %s",
                            column->name, column->format);
    if (!k)
        return fo_error_set(err, FINOPS_E_DATA, "table %s has no column %s", l->to->table, column->name);
    ok = d->dialect == FINOPS_DIALECT_POSTGRESQL ? exact_target(k, column, ret)
                                                 : loose_target(d, k, column, ret);
    if (!ok)
        return fo_error_set(err, FINOPS_E_DATA, "column %s of %s is %s and cannot hold the arrow type %s",
                            column->name, l->to->table, k->native, column->format);
    if (*ret == ADBC_KEEP && column->dictionary && !is_text(column->dictionary->format))
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "column %s: adbc does not store a dictionary of %s",
                            column->name, column->dictionary->format);
    return FINOPS_OK;
}

static finops_code
choose_targets(load *l, finops_error **err)
{
    bool by_place = l->c->database->dialect == FINOPS_DIALECT_DUCKDB; /* that driver does not look at names */
    finops_code rc = FINOPS_OK;

    l->targets = fo_zalloc(((size_t)l->schema.n_children + 1) * sizeof(*l->targets));
    if (!l->targets)
        return fo_error_oom(err);
    for (int64_t i = 0; i < l->schema.n_children && rc == FINOPS_OK; i++)
        rc = choose_target(l, l->schema.children[i], &l->targets[i], err);
    for (size_t i = 0; by_place && i < l->n_known && rc == FINOPS_OK; i++)
        if ((int64_t)i >= l->schema.n_children ||
            strcasecmp(l->known[i].name, l->schema.children[i]->name) != 0)
            rc =
                fo_error_set(err, FINOPS_E_UNSUPPORTED,
                             "the rows for %s have not its columns in its order, as the adbc driver needs it",
                             l->to->table);
    return rc;
}

/* ---- ingestion ---- */

static AdbcStatusCode
set_ingest(load *l, struct AdbcStatement *statement, struct AdbcError *e)
{
    const adbc_database *d = l->c->database;
    const char *schema = l->to->schema && l->to->schema[0] ? l->to->schema : NULL;
    FO_AUTO(fo_freep)
    char *table =
        schema && !d->ingest_schema ? fo_format("%s__%s", schema, l->to->table) : fo_strdup(l->to->table);
    AdbcStatusCode status = ADBC_STATUS_INTERNAL;

    if (table)
        status = d->driver.StatementSetOption(statement, ADBC_INGEST_OPTION_TARGET_TABLE, table, e);
    if (status == ADBC_STATUS_OK && schema && d->ingest_schema)
        status = d->driver.StatementSetOption(statement, d->ingest_schema, schema, e);
    if (status == ADBC_STATUS_OK)
        status = d->driver.StatementSetOption(statement, ADBC_INGEST_OPTION_MODE,
                                              ADBC_INGEST_OPTION_MODE_APPEND, e);
    return status;
}

static finops_code
ingest_failed(load *l, AdbcStatusCode status, struct AdbcError *e, finops_error **err)
{
    if (l->feed.failed == FINOPS_OK)
        return fo_adbc_fail_call(l->c, status, e, l->to->table, err);
    if (e->release)
        e->release(e);
    return fo_error_set(err, l->feed.failed, "%s: %s", l->to->table, l->feed.error);
}

/* Takes the stream. */
static finops_code
ingest(load *l, struct ArrowArrayStream *rows, finops_error **err)
{
    const struct AdbcDriver *v = &l->c->database->driver;
    struct AdbcError e = ADBC_ERROR_INIT;
    struct AdbcStatement statement;
    struct ArrowArrayStream stream;
    AdbcStatusCode status;
    finops_code rc = fo_adbc_convert(rows, FO_TAKE(l->targets), &l->feed, &stream, err);

    if (rc != FINOPS_OK)
        return rc;
    rc = fo_adbc_statement_new(l->c, &statement, err);
    if (rc == FINOPS_OK) {
        status = set_ingest(l, &statement, &e);
        if (status == ADBC_STATUS_OK)
            status = v->StatementBindStream(&statement, &stream, &e);
        if (status == ADBC_STATUS_OK) {
            fo_adbc_watch_begin(l->c, &statement);
            status = v->StatementExecuteQuery(&statement, NULL, NULL, &e);
            fo_adbc_watch_end(l->c);
        }
        if (status != ADBC_STATUS_OK || l->feed.failed != FINOPS_OK)
            rc = ingest_failed(l, status, &e, err);
        fo_adbc_statement_free(l->c, &statement);
    }
    if (stream.release)
        stream.release(&stream);
    return rc;
}

static finops_code
load_rows(load *l, struct ArrowArrayStream *rows, finops_error **err)
{
    finops_code rc = prepare_table(l, err);

    if (rc == FINOPS_OK)
        rc = choose_targets(l, err);
    return rc == FINOPS_OK ? ingest(l, rows, err) : rc;
}

/* All rows or none: in a transaction, or a savepoint of the caller's. */
static finops_code
load_all(load *l, struct ArrowArrayStream *rows, finops_error **err)
{
    adbc_conn *c = l->c;
    bool own = !c->in_transaction, save = !own && c->database->dialect != FINOPS_DIALECT_DUCKDB;
    finops_code rc = own    ? fo_adbc_driver.begin(c, err)
                     : save ? fo_adbc_run(c, "SAVEPOINT finops_write", err)
                            : FINOPS_OK;

    if (rc != FINOPS_OK)
        return rc;
    fo_adbc_call_begin(c, l->to->call);
    rc = load_rows(l, rows, err);
    if (rc == FINOPS_OK)
        rc = own    ? fo_adbc_driver.commit(c, NULL, err)
             : save ? fo_adbc_run(c, "RELEASE SAVEPOINT finops_write", err)
                    : FINOPS_OK;
    if (rc == FINOPS_OK)
        return rc;
    fo_adbc_call_begin(c, NULL); /* what ended the call must not end this */
    if (own) {
        if (c->in_transaction)
            (void)!fo_adbc_driver.rollback(c, NULL);
    } else if (!save || fo_adbc_run(c, "ROLLBACK TO SAVEPOINT finops_write", NULL) != FINOPS_OK ||
               fo_adbc_run(c, "RELEASE SAVEPOINT finops_write", NULL) != FINOPS_OK) {
        c->broken = true;
    }
    return rc;
}

static double
seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
load_done(load *l)
{
    for (size_t i = 0; i < l->n_known; i++) {
        fo_free(l->known[i].name);
        fo_free(l->known[i].native);
    }
    fo_free(l->known);
    fo_free(l->targets);
    if (l->schema.release)
        l->schema.release(&l->schema);
}

finops_code
fo_adbc_write(void *conn, const finops_write *write, const finops_source *source, finops_write_result *ret,
              finops_error **err)
{
    load l = { .c = conn, .to = write, .feed.c = conn };
    struct ArrowArrayStream *rows = source->stream;
    double began = seconds();
    finops_code rc;
    int errnum;

    if (!rows)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "adbc does not read files itself");
    errnum = rows->get_schema(rows, &l.schema);
    if (errnum) {
        const char *why = rows->get_last_error(rows);
        rc = fo_error_set(err, finops_stream_code(errnum), "%s: %s", write->table,
                          why ? why : "no reason given");
    } else if (!l.c->database->driver.StatementBindStream) {
        rc = fo_error_set(err, FINOPS_E_UNSUPPORTED, "the adbc driver does not ingest");
    } else {
        rc = load_all(&l, rows, err);
    }
    if (rows->release)
        rows->release(rows);
    if (rc == FINOPS_OK && ret)
        *ret = (finops_write_result){ .rows = l.feed.rows, .seconds = seconds() - began };
    load_done(&l);
    return rc;
}
