/*
 * A DuckDB file with a view of every name in the lake, for programs that open a file: they attach the lake as
 * finops_lake, and their statements go on as they are.
 *
 * It is made anew beside the old one and takes its place when it is whole; that it cannot be made is told and
 * fails nothing, for no row is in it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "database/ducklake/lake.h"

#define NAMES "finops_names"

static const char all_sql[] =
    "SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = '" FO_LAKE "' AND NOT internal "
    "UNION ALL SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = '" FO_LAKE
    "' AND NOT internal ORDER BY ALL";

static finops_code
run(fo_conn *conn, fo_str *sql, finops_error **err)
{
    finops_code rc = fo_str_check(sql, err);

    return rc == FINOPS_OK ? fo_conn_exec(conn, fo_str_z(sql), err) : rc;
}

static finops_code
add_name(fo_conn *conn, const char *schema, const char *name, bool first_of_schema, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    if (first_of_schema) {
        fo_str_add(&sql, "CREATE SCHEMA IF NOT EXISTS " NAMES ".");
        fo_sql_ident(&sql, schema);
        fo_str_add(&sql, "; ");
    }
    fo_str_add(&sql, "CREATE VIEW " NAMES ".");
    fo_sql_ident(&sql, schema);
    fo_str_addc(&sql, '.');
    fo_sql_ident(&sql, name);
    fo_str_add(&sql, " AS SELECT * FROM " FO_LAKE ".");
    fo_sql_ident(&sql, schema);
    fo_str_addc(&sql, '.');
    fo_sql_ident(&sql, name);
    return run(conn, &sql, err);
}

static finops_code
add_names(fo_conn *conn, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *all = NULL;
    finops_code rc = fo_conn_rows(conn, all_sql, NULL, 0, &all, err);

    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(all); i++) {
        const char *schema = fo_rows_text(all, i, 0);
        bool first = i == 0 || !fo_streq(schema, fo_rows_text(all, i - 1, 0));

        rc = add_name(conn, schema, fo_rows_text(all, i, 1), first, err);
    }
    return rc;
}

static finops_code
make(fo_conn *conn, const char *file, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    (void)unlink(file);
    fo_str_add(&sql, "ATTACH ");
    fo_sql_literal(&sql, file);
    fo_str_add(&sql, " AS " NAMES);
    finops_code rc = fo_mkdirs_for(file, err);
    if (rc == FINOPS_OK)
        rc = run(conn, &sql, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = add_names(conn, err);
    if (rc == FINOPS_OK)
        return fo_conn_exec(conn, "DETACH " NAMES, err);
    (void)fo_conn_exec(conn, "DETACH " NAMES, NULL);
    return rc;
}

void
fo_lake_write_names(fo_conn *conn, const char *path)
{
    FO_AUTO(fo_freep) char *fresh = fo_format("%s.new.%ld", path, (long)getpid());
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc = fresh ? make(conn, fresh, &why) : fo_error_oom(&why);

    if (rc == FINOPS_OK && rename(fresh, path) != 0)
        rc = fo_error_errno(&why, errno, "put %s in its place", path);
    if (rc == FINOPS_OK)
        return;
    fo_warn("the names in %s are not those of the lake any more: %s", path, finops_error_text(why));
    if (fresh)
        (void)unlink(fresh);
}
