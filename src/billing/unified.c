/*
 * The unified view: all current months of an export under one name, by column name, with one type for each column.
 *
 * Tables of the earlier tool have guessed types (costs DOUBLE, accounts BIGINT); the view casts them to what the dictionary says, so
 * that one old month does not turn the exact decimals of all others into doubles.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "billing/columns.h"
#include "billing/names.h"
#include "billing/nested.h"
#include "billing/publish.h"

/* One table of the view and the periods it holds. */
typedef struct unified_table {
    char *name;
    char *period; /* NULL for the one table of all months */
} unified_table;

typedef struct unified {
    unified_table *items;
    size_t n, cap;
} unified;

static void
unified_done(unified *u)
{
    for (size_t i = 0; i < u->n; i++) {
        fo_free(u->items[i].name);
        fo_free(u->items[i].period);
    }
    fo_free(u->items);
}

static finops_code
unified_add(unified *u, const char *table, const char *period, finops_error **err)
{
    for (size_t i = 0; i < u->n; i++)
        if (strcmp(u->items[i].name, table) == 0)
            return FINOPS_OK;
    if (!fo_grow((void **)&u->items, &u->cap, u->n + 1, sizeof(unified_table)))
        return fo_error_oom(err);
    unified_table *t = &u->items[u->n++];
    *t = (unified_table){ .name = fo_strdup(table), .period = period ? fo_strdup(period) : NULL };
    return t->name && (!period || t->period) ? FINOPS_OK : fo_error_oom(err);
}

/* The tables of the export's current months that exist; rows of the earlier tool name none, so theirs follow from the period. */
static finops_code
unified_tables(fo_conn *conn, const fo_bill_target *target, unified *ret, finops_error **err)
{
    const fo_param params[] = { target->vendor, target->export_name, target->schema, target->table_base };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = fo_conn_rows(conn,
                                  "SELECT t.table_name, s.billing_period FROM billing_state.load_state s "
                                  "JOIN information_schema.tables t ON t.table_schema = $3 AND t.table_name = "
                                  "coalesce(s.table_name, $4 || '_' || replace(s.billing_period, '-', '_')) "
                                  "WHERE s.vendor = $1 AND s.export_name = $2 AND s.current_version "
                                  "AND t.table_type = 'BASE TABLE' ORDER BY s.billing_period",
                                  params, FO_COUNT(params), &rows, err);

    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++) {
        const char *table = fo_rows_text(rows, i, 0);
        bool single = fo_streq(table, target->table_base);
        rc = unified_add(ret, table, single ? NULL : fo_rows_text(rows, i, 1), err);
    }
    return rc;
}

/* Whether a column of this type can be had as the dictionary's type by a cast in the view. */
static void
unified_cast(const char *name, const char *type, fo_str *sql)
{
    const fo_column_entry *entry = fo_column_find(name);
    fo_column_kind kind = entry ? entry->kind : FO_COLUMN_TEXT;
    const char *want = fo_column_sql_type(kind);
    bool real = strcmp(type, "DOUBLE") == 0 || strcmp(type, "FLOAT") == 0;
    bool nested = fo_starts(type, "MAP(") || fo_starts(type, "STRUCT(") || fo_ends(type, "[]");
    bool integer = fo_ends(type, "INT") || fo_ends(type, "INTEGER");

    if (strcmp(type, want) == 0 || (nested && kind != FO_COLUMN_DECIMAL && kind != FO_COLUMN_TIMESTAMP)) {
        fo_sql_ident(sql, name);
        return;
    }
    if (kind == FO_COLUMN_DECIMAL && real)
        fo_str_add(sql, "CAST(CAST(");
    else if (kind == FO_COLUMN_MAP || kind == FO_COLUMN_MAP_DECIMAL)
        fo_str_add(sql, "TRY_CAST(TRY_CAST(");
    else if (kind == FO_COLUMN_TEXT && integer && fo_ends(name, "account_id"))
        fo_str_add(sql, "lpad(CAST(");
    else
        fo_str_add(sql, "CAST(");
    fo_sql_ident(sql, name);
    if (kind == FO_COLUMN_DECIMAL && real)
        fo_str_addf(sql, " AS VARCHAR) AS %s)", want);
    else if (kind == FO_COLUMN_MAP || kind == FO_COLUMN_MAP_DECIMAL)
        fo_str_addf(sql, " AS JSON) AS %s)", want);
    else if (kind == FO_COLUMN_TEXT && integer && fo_ends(name, "account_id"))
        fo_str_add(sql, " AS VARCHAR), 12, '0')");
    else
        fo_str_addf(sql, " AS %s)", want);
    fo_str_add(sql, " AS ");
    fo_sql_ident(sql, name);
}

/* "SELECT 'YYYY-MM' AS billing_period, columns…, keys of nested columns… FROM schema.table". */
static finops_code
unified_branch(fo_conn *conn, const fo_bill_target *target, const unified_table *table, const fo_colnames *names, fo_str *sql,
               finops_error **err)
{
    const fo_param params[] = { target->schema, table->name };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(fo_strv_done) fo_strv have = FO_STRV_INIT;
    finops_code rc = fo_conn_rows(conn,
                                  "SELECT column_name, data_type FROM information_schema.columns "
                                  "WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position",
                                  params, FO_COUNT(params), &rows, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_str_add(sql, "SELECT ");
    for (size_t i = 0; i < fo_rows_count(rows); i++) {
        if (!fo_strv_add(&have, fo_rows_text(rows, i, 0)))
            return fo_error_oom(err);
        fo_str_add(sql, i ? ", " : "");
        unified_cast(fo_rows_text(rows, i, 0), fo_rows_text(rows, i, 1), sql);
    }
    if (table->period && !fo_strv_has(&have, "billing_period")) {
        fo_str_add(sql, ", ");
        fo_sql_literal(sql, table->period);
        fo_str_add(sql, " AS billing_period");
    }
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++) {
        const char *type = fo_rows_text(rows, i, 1);
        if (fo_starts(type, "MAP(") || fo_starts(type, "STRUCT("))
            rc = fo_nested_expressions(names, fo_rows_text(rows, i, 0), type, &have, sql, err);
    }
    fo_str_add(sql, " FROM ");
    fo_sql_ident(sql, target->schema);
    fo_str_addc(sql, '.');
    fo_sql_ident(sql, table->name);
    return rc;
}

finops_code
fo_unified_view(fo_conn *conn, const fo_bill_target *target, const fo_colnames *names, finops_error **err)
{
    FO_AUTO(unified_done) unified tables = { 0 };
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_freep) char *view = fo_format("%s_unified", target->table_base);

    assert(conn && target && names);
    if (!view)
        return fo_error_oom(err);
    finops_code rc = unified_tables(conn, target, &tables, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_add(&sql, tables.n ? "CREATE OR REPLACE VIEW " : "DROP VIEW IF EXISTS ");
    fo_sql_ident(&sql, target->schema);
    fo_str_addc(&sql, '.');
    fo_sql_ident(&sql, view);
    for (size_t i = 0; rc == FINOPS_OK && i < tables.n; i++) {
        fo_str_add(&sql, i ? " UNION ALL BY NAME " : " AS ");
        rc = unified_branch(conn, target, &tables.items[i], names, &sql, err);
    }
    if (rc == FINOPS_OK)
        rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_conn_exec(conn, fo_str_z(&sql), err);
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "make the view %s.%s", target->schema, view);
}
