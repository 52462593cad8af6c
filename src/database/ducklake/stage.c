/*
 * A month as a file of the lake before it is part of it. Writers of a lake take turns, as statement.h tells
 * why, and writing a month takes minutes: so it is written without the turn, where the table's files are and
 * as they are cut, and the transaction only takes the file in. What is not taken in is a file that no state
 * knows, for `lake cleanup`.
 *
 * Not for encrypted lakes, whose catalog has the key of each file it wrote, nor for tables that are cut
 * otherwise than by billing period: those are written in the transaction.
 */
#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "database/duckdb/load.h"
#include "database/ducklake/lake.h"

#define CATALOG "__ducklake_metadata_" FO_LAKE "."

/* Where the table's files are, as the lake knows it; none when it is cut in several ways, or not by the
 * column itself, or when files are encrypted. */
static const char place_sql[] =
    "WITH option AS (FROM " FO_LAKE ".options() WHERE scope = 'GLOBAL'), "
    "cut AS (SELECT max(s.path) AS schema_path, max(t.path) AS table_path FROM " CATALOG "ducklake_table t "
    "JOIN " CATALOG "ducklake_schema s ON s.schema_id = t.schema_id AND s.end_snapshot IS NULL "
    "JOIN " CATALOG "ducklake_partition_info i ON i.table_id = t.table_id AND i.end_snapshot IS NULL "
    "JOIN " CATALOG
    "ducklake_partition_column p ON p.partition_id = i.partition_id AND p.table_id = t.table_id "
    "JOIN " CATALOG "ducklake_column c ON c.table_id = t.table_id AND c.column_id = p.column_id AND "
    "c.end_snapshot IS NULL "
    "WHERE t.end_snapshot IS NULL AND s.path_is_relative AND t.path_is_relative AND "
    "lower(s.schema_name) = lower($1) AND lower(t.table_name) = lower($2) "
    "HAVING count(*) = 1 AND bool_and(p.transform = 'identity' AND lower(c.column_name) = lower($3))) "
    "SELECT (SELECT value FROM option WHERE option_name = 'data_path'), schema_path, table_path, uuid() FROM "
    "cut "
    "WHERE NOT EXISTS (SELECT 1 FROM option WHERE option_name = 'encrypted' AND value = 'true')";

/* What may stand in the name of a folder as it is. */
static bool
is_plain(const char *value)
{
    for (const char *c = value; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
            return false;
    return *value != '\0';
}

static finops_code
place(fo_load *l, const finops_partition *partition, char **ret, finops_error **err)
{
    const char *const params[] = { l->schema, l->name, partition->column };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = fo_conn_rows(l->conn, place_sql, params, FO_COUNT(params), &rows, err);
    const char *data = rc == FINOPS_OK && fo_rows_count(rows) == 1 ? fo_rows_text(rows, 0, 0) : NULL;

    if (rc != FINOPS_OK)
        return rc;
    if (!data || !(*data == '/' || fo_lake_is_remote(data)) || !fo_ends(data, "/") ||
        !is_plain(partition->value))
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "not cut by %s", partition->column);
    *ret = fo_format("%s%s%s%s=%s/ducklake-%s.parquet", data, fo_rows_text(rows, 0, 1),
                     fo_rows_text(rows, 0, 2), partition->column, partition->value, fo_rows_text(rows, 0, 3));
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

/* The columns that both have, in the table's types, as an INSERT would cast them. */
static finops_code
add_columns(fo_load *l, const char *cut_by, fo_str *sql, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str ask = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *columns = NULL;
    const char *const params[] = { l->schema, l->name, cut_by };

    fo_str_addf(
        &ask,
        "SELECT c.column_name, c.data_type FROM duckdb_columns() AS c JOIN (DESCRIBE SELECT * FROM (%s)) AS "
        "d "
        "ON lower(d.column_name) = lower(c.column_name) WHERE c.database_name = current_database() AND "
        "lower(c.schema_name) = lower($1) AND lower(c.table_name) = lower($2) AND lower(c.column_name) <> "
        "lower($3) ORDER BY c.column_index",
        fo_str_z(&l->select));
    finops_code rc = fo_str_check(&ask, err);
    if (rc == FINOPS_OK)
        rc = fo_conn_rows(l->conn, fo_str_z(&ask), params, FO_COUNT(params), &columns, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(columns); i++) {
        fo_str_add(sql, i ? ", CAST(" : "CAST(");
        fo_sql_ident(sql, fo_rows_text(columns, i, 0));
        fo_str_addf(sql, " AS %s) AS ", fo_rows_text(columns, i, 1));
        fo_sql_ident(sql, fo_rows_text(columns, i, 0));
    }
    return rc;
}

static finops_code
write_file(fo_load *l, const finops_partition *partition, const char *file, int64_t *ret_rows,
           finops_error **err)
{
    const fo_lake_plan *plan = &((const fo_lake *)l->c->database)->plan;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc = fo_lake_is_remote(file) ? FINOPS_OK : fo_mkdirs_for(file, err);

    fo_str_add(&sql, "COPY (SELECT ");
    if (rc == FINOPS_OK)
        rc = add_columns(l, partition->column, &sql, err);
    fo_str_addf(&sql, " FROM (%s) AS staged) TO ", fo_str_z(&l->select));
    fo_sql_literal(&sql, file);
    fo_str_add(&sql, " (FORMAT parquet, COMPRESSION ");
    fo_sql_literal(&sql, plan->compression);
    fo_str_addf(&sql, ", ROW_GROUP_SIZE %lld)", (long long)plan->chunk_size);
    if (rc == FINOPS_OK)
        rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_conn_bind_exec(l->conn, fo_str_z(&sql), NULL, 0, ret_rows, err) : rc;
}

finops_code
fo_lake_stage(void *conn, const finops_partition *partition, const finops_source *source, finops_staged *ret,
              finops_error **err)
{
    FO_AUTO(fo_freep) char *file = NULL;
    const fo_lake *lake = (const fo_lake *)((const fo_duckdb_link *)conn)->database;
    fo_load l;
    int64_t rows = 0;
    finops_code rc;

    assert(conn && partition && partition->column && partition->value && source && source->sql && ret);
    fo_load_init(&l, conn, partition->schema, partition->table);
    rc = fo_load_begin(&l, source, partition->call, err);
    if (rc == FINOPS_OK)
        rc = fo_lake_remote_tell(lake->plan.remote, l.conn, partition->call, err);
    if (rc == FINOPS_OK)
        rc = place(&l, partition, &file, err);
    if (rc == FINOPS_OK)
        rc = write_file(&l, partition, file, &rows, err);
    rc = fo_load_end(&l, rc, rows, NULL, err);
    if (rc == FINOPS_OK)
        *ret = (finops_staged){ .where = FO_TAKE(file), .rows = rows };
    else if (file)
        fo_lake_unstage(conn, &(finops_staged){ .where = file });
    return rc;
}

void
fo_lake_unstage(void *conn, const finops_staged *staged)
{
    (void)conn;
    if (!fo_lake_is_remote(staged->where))
        (void)unlink(staged->where);
}

finops_code
fo_lake_take_staged(fo_conn *conn, const finops_partition *partition, const finops_staged *staged,
                    finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_str_add(&sql, "CALL ducklake_add_data_files(current_database(), ");
    fo_sql_literal(&sql, partition->table);
    fo_str_add(&sql, ", ");
    fo_sql_literal(&sql, staged->where);
    fo_str_add(&sql, ", schema => ");
    fo_sql_literal(&sql, partition->schema ? partition->schema : "main");
    fo_str_add(&sql, ", hive_partitioning => true, allow_missing => true)");
    finops_code rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_conn_exec(conn, fo_str_z(&sql), err) : rc;
}
