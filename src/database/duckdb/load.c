/* Rows into tables: from an Arrow stream, or from a SELECT of the engine's own. */
#include "database/duckdb/load.h"

#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/scan.h"

void
fo_load_init(fo_load *l, fo_duckdb_link *c, const char *schema, const char *name)
{
    *l = (fo_load){ .c = c,
                    .schema = schema ? schema : "main",
                    .name = name,
                    .table = FO_STR_INIT,
                    .select = FO_STR_INIT,
                    .begin = fo_clock_monotonic() };
    fo_sql_ident(&l->table, l->schema);
    fo_str_addc(&l->table, '.');
    fo_sql_ident(&l->table, l->name);
}

/* What gives the scan's rows. */
static void
load_select(fo_load *l)
{
    const char *before = " REPLACE (";

    fo_str_add(&l->select, "SELECT *");
    for (int64_t i = 0; l->no_arrays && i < l->rows.n_children; i++) {
        const struct ArrowSchema *column = l->rows.children[i];

        if (!fo_starts(column->format, "+w:") || !column->name)
            continue;
        fo_str_addf(&l->select, "%s[x FOR x IN ", before);
        fo_sql_ident(&l->select, column->name);
        fo_str_add(&l->select, "] AS ");
        fo_sql_ident(&l->select, column->name);
        before = ", ";
    }
    if (*before == ',')
        fo_str_addc(&l->select, ')');
    fo_str_addf(&l->select, " FROM %s", fo_scan_relation(l->scan));
}

/* Takes the stream. */
static finops_code
load_scan(fo_load *l, struct ArrowArrayStream *stream, finops_error **err)
{
    int errnum = stream->get_schema(stream, &l->rows);
    finops_code rc = errnum ? fo_stream_error(stream, errnum, err) : fo_duckdb_names_differ(&l->rows, err);

    if (errnum)
        l->rows.release = NULL;
    if (rc != FINOPS_OK) {
        stream->release(stream);
        return rc;
    }
    rc = fo_scan_open(fo_duckdb_engine(l->c), stream, &l->scan, err);
    if (rc == FINOPS_OK)
        load_select(l);
    return rc;
}

finops_code
fo_load_begin(fo_load *l, const finops_source *source, const finops_call *call, finops_error **err)
{
    finops_code rc = fo_duckdb_begin_call(l->c, call, &l->conn, err);

    if (rc != FINOPS_OK) {
        if (source->stream)
            source->stream->release(source->stream);
        return rc;
    }
    if (source->stream)
        rc = load_scan(l, source->stream, err);
    else
        fo_str_addn(&l->select, source->sql, fo_sql_end(source->sql));
    if (rc == FINOPS_OK)
        rc = fo_str_check(&l->select, err);
    if (rc == FINOPS_OK)
        rc = fo_str_check(&l->table, err);
    return rc;
}

finops_code
fo_load_transaction(fo_load *l, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (!l->c->transaction) {
        rc = fo_conn_exec(l->conn, "BEGIN", err);
        l->own = rc == FINOPS_OK;
    }
    return rc;
}

finops_code
fo_load_end(fo_load *l, finops_code rc, int64_t rows, finops_write_result *ret, finops_error **err)
{
    if (l->scan)
        rc = fo_scan_error(l->scan, rc, err);
    if (rc == FINOPS_OK && l->own)
        rc = fo_conn_exec(l->conn, "COMMIT", err);
    if (rc != FINOPS_OK && l->own)
        (void)fo_conn_exec(l->conn, "ROLLBACK", NULL);
    if (l->conn)
        fo_link_end(l->c->link);
    if (rc == FINOPS_OK && ret)
        *ret =
            (finops_write_result){ .rows = rows, .seconds = (double)(fo_clock_monotonic() - l->begin) / 1e6 };
    fo_scan_close(l->scan);
    if (l->rows.release)
        l->rows.release(&l->rows);
    fo_str_done(&l->table);
    fo_str_done(&l->select);
    return rc;
}

finops_code
fo_load_run(fo_load *l, const char *before, const char *between, bool rows, int64_t *ret_rows,
            finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc;

    fo_str_add(&sql, before);
    fo_str_add(&sql, fo_str_z(&l->table));
    fo_str_add(&sql, between);
    if (rows)
        fo_str_add(&sql, fo_str_z(&l->select));
    rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_conn_bind_exec(l->conn, fo_str_z(&sql), NULL, 0, ret_rows, err) : rc;
}

finops_code
fo_load_schema(fo_load *l, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc;

    fo_str_add(&sql, "CREATE SCHEMA IF NOT EXISTS ");
    fo_sql_ident(&sql, l->schema);
    rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_conn_exec(l->conn, fo_str_z(&sql), err) : rc;
}

finops_code
fo_load_create(fo_load *l, int64_t *ret_rows, finops_error **err)
{
    finops_code rc = fo_load_schema(l, err);

    return rc == FINOPS_OK ? fo_load_run(l, "CREATE TABLE ", " AS ", true, ret_rows, err) : rc;
}

/* "schema_name = … AND table_name = …" of the catalog's functions. */
static void
add_where(const fo_load *l, fo_str *sql)
{
    fo_str_add(sql, "database_name = current_database() AND lower(schema_name) = lower(");
    fo_sql_literal(sql, l->schema);
    fo_str_add(sql, ") AND lower(table_name) = lower(");
    fo_sql_literal(sql, l->name);
    fo_str_addc(sql, ')');
}

finops_code
fo_load_append(fo_load *l, int64_t *ret_rows, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str where = FO_STR_INIT;
    finops_code rc = FINOPS_OK;

    if (l->rows.release) {
        add_where(l, &where);
        rc = fo_str_check(&where, err);
        if (rc == FINOPS_OK)
            rc = fo_duckdb_fits(l->conn, fo_str_z(&where), &l->rows, err);
    }
    return rc == FINOPS_OK ? fo_load_run(l, "INSERT INTO ", " BY NAME ", true, ret_rows, err) : rc;
}

finops_code
fo_load_exists(fo_load *l, bool *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc;

    fo_str_add(&sql, "SELECT count(*) FROM duckdb_tables() WHERE ");
    add_where(l, &sql);
    rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_conn_rows(l->conn, fo_str_z(&sql), NULL, 0, &rows, err);
    if (rc == FINOPS_OK)
        *ret = fo_rows_int(rows, 0, 0) > 0;
    return rc;
}

finops_code
fo_load_missing(fo_load *l, fo_rows **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc;

    fo_str_addf(&sql,
                "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM (%s)) WHERE lower(column_name) "
                "NOT IN (SELECT lower(column_name) FROM duckdb_columns() WHERE ",
                fo_str_z(&l->select));
    add_where(l, &sql);
    fo_str_addc(&sql, ')');
    rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_conn_rows(l->conn, fo_str_z(&sql), NULL, 0, ret, err) : rc;
}

finops_code
fo_load_widen(fo_load *l, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *missing = NULL;
    finops_code rc = fo_load_missing(l, &missing, err);

    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(missing); i++) {
        FO_AUTO(fo_str_done) fo_str column = FO_STR_INIT;

        fo_str_add(&column, " ADD COLUMN ");
        fo_sql_ident(&column, fo_rows_text(missing, i, 0));
        fo_str_addf(&column, " %s", fo_rows_text(missing, i, 1));
        rc = fo_str_check(&column, err);
        if (rc == FINOPS_OK)
            rc = fo_load_run(l, "ALTER TABLE ", fo_str_z(&column), false, NULL, err);
    }
    return rc;
}

static finops_code
load_write(fo_load *l, finops_write_mode mode, int64_t *ret_rows, finops_error **err)
{
    bool exists = mode == FINOPS_WRITE_APPEND;
    finops_code rc = FINOPS_OK;

    if (mode == FINOPS_WRITE_WIDEN)
        rc = fo_load_exists(l, &exists, err);
    if (rc == FINOPS_OK && !exists)
        return fo_load_create(l, ret_rows, err);
    if (rc == FINOPS_OK && mode == FINOPS_WRITE_WIDEN)
        rc = fo_load_widen(l, err);
    return rc == FINOPS_OK ? fo_load_append(l, ret_rows, err) : rc;
}

finops_code
fo_duckdb_write(void *conn, const finops_write *write, const finops_source *source, finops_write_result *ret,
                finops_error **err)
{
    fo_load l;
    int64_t rows = 0;
    finops_code rc;

    assert(conn && write && write->table && source && (source->stream || source->sql));
    fo_load_init(&l, conn, write->schema, write->table);
    rc = fo_load_begin(&l, source, write->call, err);
    if (rc == FINOPS_OK)
        rc = fo_load_transaction(&l, err);
    if (rc == FINOPS_OK)
        rc = load_write(&l, write->mode, &rows, err);
    return fo_load_end(&l, rc, rows, ret, err);
}

/* All rows: the table is made anew. */
static finops_code
replace_table(fo_load *l, int64_t *ret_rows, finops_error **err)
{
    finops_code rc = fo_load_run(l, "DROP TABLE IF EXISTS ", "", false, NULL, err);

    return rc == FINOPS_OK ? fo_load_create(l, ret_rows, err) : rc;
}

finops_code
fo_load_delete(fo_load *l, const finops_partition *partition, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str where = FO_STR_INIT;
    finops_code rc;

    fo_str_add(&where, " WHERE ");
    fo_sql_ident(&where, partition->column);
    fo_str_add(&where, partition->value ? " = " : " IS ");
    fo_sql_literal(&where, partition->value);
    rc = fo_str_check(&where, err);
    return rc == FINOPS_OK ? fo_load_run(l, "DELETE FROM ", fo_str_z(&where), false, NULL, err) : rc;
}

static finops_code
replace_rows(fo_load *l, const finops_partition *partition, int64_t *ret_rows, finops_error **err)
{
    finops_code rc = fo_load_widen(l, err);

    if (rc == FINOPS_OK)
        rc = fo_load_delete(l, partition, err);
    return rc == FINOPS_OK ? fo_load_append(l, ret_rows, err) : rc;
}

/* Nobody sees the new rows before the commit, and no view holds on to the old table: the swap comes last. */
static finops_code
replace_any(fo_load *l, const finops_partition *partition, int64_t *ret_rows, finops_error **err)
{
    bool exists = false;
    finops_code rc = partition->column ? fo_load_exists(l, &exists, err) : FINOPS_OK;

    if (rc == FINOPS_OK)
        rc = exists ? replace_rows(l, partition, ret_rows, err) : replace_table(l, ret_rows, err);
    if (rc == FINOPS_OK && partition->before_swap)
        rc = partition->before_swap(partition->arg, err);
    return rc;
}

finops_code
fo_duckdb_replace(void *conn, const finops_partition *partition, const finops_source *source,
                  finops_write_result *ret, finops_error **err)
{
    fo_load l;
    int64_t rows = 0;
    finops_code rc;

    assert(conn && partition && partition->table && source && (source->stream || source->sql));
    fo_load_init(&l, conn, partition->schema, partition->table);
    rc = fo_load_begin(&l, source, partition->call, err);
    if (rc == FINOPS_OK)
        rc = fo_load_transaction(&l, err);
    if (rc == FINOPS_OK)
        rc = replace_any(&l, partition, &rows, err);
    return fo_load_end(&l, rc, rows, ret, err);
}
