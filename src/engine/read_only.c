/* Statements that only read. */
#include "engine/engine_internal.h"

#include <string.h>

/* EXPLAIN ANALYZE runs what it explains, and the engine does not tell what that is. Nobody misses the word in
 * a plan. */
static bool
statement_may_run(duckdb_statement_type type, const char *sql)
{
    if (type == DUCKDB_STATEMENT_TYPE_SELECT)
        return true;
    return type == DUCKDB_STATEMENT_TYPE_EXPLAIN && !strcasestr(sql, "analyze") &&
           !strcasestr(sql, "analyse");
}

/* The kind of the one statement that sql is. */
static finops_code
statement_type(fo_conn *conn, const char *sql, duckdb_statement_type *ret, finops_error **err)
{
    duckdb_extracted_statements statements = NULL;
    duckdb_prepared_statement prepared = NULL;
    finops_code rc = FINOPS_OK;
    idx_t n = duckdb_extract_statements(fo_conn_native(conn), sql, &statements);

    if (n == 0) {
        const char *why = duckdb_extract_statements_error(statements);
        rc = fo_error_set(err, FINOPS_E_USAGE, "%s", why ? why : "there is no statement to run");
    } else if (n > 1) {
        rc = fo_error_set(err, FINOPS_E_USAGE, "%llu statements where one is run at a time",
                          (unsigned long long)n);
    } else if (duckdb_prepare_extracted_statement(fo_conn_native(conn), statements, 0, &prepared) ==
               DuckDBError) {
        rc = fo_engine_error(err, DUCKDB_ERROR_INVALID, duckdb_prepare_error(prepared));
    } else {
        *ret = duckdb_prepared_statement_type(prepared);
    }
    duckdb_destroy_prepare(&prepared);
    duckdb_destroy_extracted(&statements);
    return rc;
}

finops_code
fo_read_only_check(fo_conn *conn, const char *sql, finops_error **err)
{
    duckdb_statement_type type = DUCKDB_STATEMENT_TYPE_INVALID;
    finops_code rc = statement_type(conn, sql, &type, err);

    if (rc == FINOPS_OK && !statement_may_run(type, sql)) {
        rc = fo_error_set(err, FINOPS_E_USAGE, "the statement does more than read");
        fo_error_hint(err, "queries are read-only; finops query --write allows changes");
    }
    return rc;
}
