/* Statements on the user's database. */
#include "database/statement.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

finops_code
fo_database_exec(fo_database *database, const char *sql, const fo_param *params, size_t n,
                 int64_t *ret_changed, finops_error **err)
{
    return fo_conn_bind_exec(fo_database_conn(database), sql, params, n, ret_changed, err);
}

finops_code
fo_database_script(fo_database *database, const char *sql, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (const char *at = sql, *end; rc == FINOPS_OK && *at; at = end) {
        const char *semicolon = strstr(at, ";\n");
        end = semicolon ? semicolon + 2 : at + strlen(at);
        FO_AUTO(fo_freep) char *one = fo_strndup(at, semicolon ? (size_t)(semicolon - at) : strlen(at));
        if (!one)
            return fo_error_oom(err);
        rc = fo_database_exec(database, one, NULL, 0, NULL, err);
    }
    return rc;
}

finops_code
fo_database_query(fo_database *database, const char *sql, const fo_param *params, size_t n, fo_rows **ret,
                  finops_error **err)
{
    return fo_conn_rows(fo_database_conn(database), sql, params, n, ret, err);
}

finops_code
fo_database_begin(fo_database *database, finops_error **err)
{
    return fo_database_exec(database, "BEGIN", NULL, 0, NULL, err);
}

finops_code
fo_database_commit(fo_database *database, finops_error **err)
{
    return fo_database_exec(database, "COMMIT", NULL, 0, NULL, err);
}

void
fo_database_rollback(fo_database *database)
{
    const fo_cancel *cancel = fo_database_cancel(database);

    fo_database_set_cancel(database, NULL);
    fo_database_exec(database, "ROLLBACK", NULL, 0, NULL, NULL);
    fo_database_set_cancel(database, cancel);
}

void
fo_database_capabilities(fo_database *database, finops_capabilities *ret)
{
    (void)database;
    *ret =
        (finops_capabilities){ .features = FINOPS_DATABASE_TRANSACTIONS | FINOPS_DATABASE_DDL_IN_TRANSACTION |
                                           FINOPS_DATABASE_READS_FILES | FINOPS_DATABASE_NESTED |
                                           FINOPS_DATABASE_SCHEMAS | FINOPS_DATABASE_EXACT_DECIMALS,
                               .dialect = FINOPS_DIALECT_DUCKDB,
                               .max_precision = 38,
                               .quote = '"' };
}

bool
fo_database_can(fo_database *database, uint64_t features)
{
    finops_capabilities can;

    fo_database_capabilities(database, &can);
    return (can.features & features) == features;
}

finops_dialect
fo_database_dialect(fo_database *database)
{
    finops_capabilities can;

    fo_database_capabilities(database, &can);
    return can.dialect;
}

finops_code
fo_database_columns(fo_database *database, const char *schema, const char *table, fo_strv *ret_names,
                    fo_strv *ret_types, finops_error **err)
{
    const fo_param params[] = { schema, table };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = fo_database_query(
        database,
        "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = current_database() "
        "AND schema_name = $1 AND table_name = $2 ORDER BY column_index",
        params, FO_COUNT(params), &rows, err);

    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++)
        if (!fo_strv_add(ret_names, fo_rows_text(rows, i, 0)) ||
            (ret_types && !fo_strv_add(ret_types, fo_rows_text(rows, i, 1))))
            rc = fo_error_oom(err);
    return rc;
}

static void
table_name(const finops_partition *p, fo_str *sql)
{
    fo_sql_ident(sql, p->schema);
    fo_str_addc(sql, '.');
    fo_sql_ident(sql, p->table);
}

static finops_code
table_run(fo_database *database, const char *before, const finops_partition *p, const char *after,
          finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_str_add(&sql, before);
    table_name(p, &sql);
    fo_str_add(&sql, after);
    finops_code rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_exec(database, fo_str_z(&sql), NULL, 0, NULL, err) : rc;
}

/* Columns the one table lacks are added; it keeps those a month has not. */
static finops_code
table_widen(fo_database *database, const finops_partition *p, const fo_strv *have, const char *rows_sql,
            finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *want = NULL;

    fo_str_addf(&sql, "SELECT column_name, column_type FROM (DESCRIBE %s)", rows_sql);
    finops_code rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_query(database, fo_str_z(&sql), NULL, 0, &want, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(want); i++) {
        if (fo_strv_has(have, fo_rows_text(want, i, 0)))
            continue;
        fo_str_clear(&sql);
        fo_str_add(&sql, " ADD COLUMN ");
        fo_sql_ident(&sql, fo_rows_text(want, i, 0));
        fo_str_addf(&sql, " %s", fo_rows_text(want, i, 1));
        rc = fo_str_check(&sql, err);
        if (rc == FINOPS_OK)
            rc = table_run(database, "ALTER TABLE ", p, fo_str_z(&sql), err);
    }
    return rc;
}

finops_code
fo_database_replace(fo_database *database, const finops_partition *p, const finops_source *source,
                    finops_write_result *ret, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv have = FO_STRV_INIT;
    FO_AUTO(fo_str_done) fo_str rest = FO_STR_INIT;
    finops_code rc = FINOPS_OK;

    (void)ret;
    assert(source->sql);
    if (p->column)
        rc = fo_database_columns(database, p->schema, p->table, &have, NULL, err);
    if (rc == FINOPS_OK && have.n > 0)
        rc = table_widen(database, p, &have, source->sql, err);
    if (have.n > 0) {
        fo_str_addf(&rest, " WHERE %s = ", p->column);
        fo_sql_literal(&rest, p->value);
    }
    if (rc == FINOPS_OK && have.n > 0)
        rc = table_run(database, "DELETE FROM ", p, fo_str_z(&rest), err);
    fo_str_clear(&rest);
    fo_str_add(&rest, have.n ? " BY NAME " : " AS ");
    fo_str_add(&rest, source->sql);
    if (rc == FINOPS_OK)
        rc = fo_str_check(&rest, err);
    return rc == FINOPS_OK ? table_run(database, have.n ? "INSERT INTO " : "CREATE OR REPLACE TABLE ", p,
                                       fo_str_z(&rest), err)
                           : rc;
}

void
fo_database_set_cancel(fo_database *database, const fo_cancel *cancel)
{
    fo_conn_set_cancel(fo_database_conn(database), cancel);
}

const fo_cancel *
fo_database_cancel(const fo_database *database)
{
    (void)database;
    return NULL;
}
