/*
 * Views in the place of the tables of months, where all months are in one table.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "billing/names.h"
#include "billing/publish.h"
#include "billing/renames.h"
#include "database/statement.h"

#define VIEWS_LOCK "finops views"

/* "schema"."name" */
static void
add_qualified(fo_str *sql, const char *schema, const char *name)
{
    fo_sql_ident(sql, schema);
    fo_str_addc(sql, '.');
    fo_sql_ident(sql, name);
}

/* The columns that the month's own table would have. */
static finops_code
add_columns(fo_database *db, const fo_bill_target *target, fo_str *sql, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv columns = FO_STRV_INIT;
    bool first = true;
    finops_code rc;

    if (fo_database_dialect(db) == FINOPS_DIALECT_DUCKDB) { /* follows the table when that gets columns */
        fo_str_add(sql, "* EXCLUDE (billing_period)");
        return FINOPS_OK;
    }
    rc = fo_database_columns(db, target->schema, target->table_base, &columns, NULL, err);
    for (size_t i = 0; rc == FINOPS_OK && i < columns.n; i++) {
        if (fo_streq(columns.items[i], "billing_period"))
            continue;
        fo_str_add(sql, first ? "" : ", ");
        fo_sql_ident(sql, columns.items[i]);
        first = false;
    }
    return rc;
}

finops_code
fo_month_view(fo_database *database, const fo_bill_target *target, const char *period, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str view = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    bool there = false;

    assert(database && target && period);
    finops_code rc = fo_bill_table_name(target->table_base, period, &view, err);
    if (rc == FINOPS_OK)
        rc = fo_database_has(database, target->schema, fo_str_z(&view), &there, err);
    if (rc != FINOPS_OK || there)
        return rc;
    fo_str_add(&sql, "CREATE VIEW ");
    add_qualified(&sql, target->schema, fo_str_z(&view));
    fo_str_add(&sql, " AS SELECT ");
    rc = add_columns(database, target, &sql, err);
    fo_str_add(&sql, " FROM ");
    add_qualified(&sql, target->schema, target->table_base);
    fo_str_add(&sql, " WHERE billing_period = ");
    fo_sql_literal(&sql, period);
    if (rc == FINOPS_OK)
        rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_exec(database, fo_str_z(&sql), NULL, 0, NULL, err);
    return rc == FINOPS_OK ? rc
                           : fo_error_wrap(err, rc, "make the view %s.%s", target->schema, fo_str_z(&view));
}

/* What is looked for among the views of the schema. */
typedef struct stale {
    const char *base;
    const fo_rows *months; /* that are current, or that an import has in hand; and which of the two */
    fo_strv there;         /* months that have a view */
    fo_strv views;         /* of months that are neither */
    bool failed;
} stale;

/* "acme_2024_11" -> "2024-11"; false for names that are no month's of this base. */
static bool
period_of(const char *base, const char *name, char ret[8])
{
    size_t n = strlen(base);
    const char *at = name + n + 1;

    if (strlen(name) != n + 8 || strncmp(name, base, n) != 0 || name[n] != '_' || at[4] != '_')
        return false;
    for (int i = 0; i < 7; i++)
        if (i != 4 && !fo_is_digit(at[i]))
            return false;
    memcpy(ret, at, 8);
    ret[4] = '-';
    return true;
}

static bool
note_stale(const char *schema, const char *name, bool is_view, void *arg)
{
    stale *s = arg;
    char period[8];

    (void)schema;
    if (!is_view || !period_of(s->base, name, period))
        return true;
    for (size_t i = 0; i < fo_rows_count(s->months); i++)
        if (fo_streq(fo_rows_text(s->months, i, 0), period)) {
            s->failed = !fo_strv_add(&s->there, period);
            return !s->failed;
        }
    s->failed = !fo_strv_add(&s->views, name);
    return !s->failed;
}

static finops_code
drop_views(fo_database *db, const fo_bill_target *target, const stale *s, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < s->views.n; i++) {
        FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

        fo_str_add(&sql, "DROP VIEW ");
        add_qualified(&sql, target->schema, s->views.items[i]);
        rc = fo_str_check(&sql, err);
        if (rc == FINOPS_OK)
            rc = fo_database_exec(db, fo_str_z(&sql), NULL, 0, NULL, err);
    }
    return rc;
}

static finops_code
make_missing(fo_database *db, const fo_bill_target *target, const stale *s, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(s->months); i++) {
        const char *period = fo_rows_text(s->months, i, 0);

        if (fo_rows_int(s->months, i, 1) && !fo_strv_has(&s->there, period))
            rc = fo_month_view(db, target, period, err);
    }
    return rc;
}

/* A view for each month, and none without one. Importers of several months work side by side. */
static finops_code
settle_months(fo_database *db, const fo_bill_target *target, finops_error **err)
{
    const fo_param params[] = { target->vendor, target->export_name };
    FO_AUTO(fo_rows_freep) fo_rows *months = NULL;
    stale s = { .base = target->table_base };
    finops_code rc =
        fo_database_query(db,
                          "SELECT billing_period, max(CASE WHEN current_version THEN 1 ELSE 0 END) FROM "
                          "billing_state.load_state WHERE vendor = $1 AND export_name = $2 AND "
                          "(current_version OR (NOT load_completed AND error_message IS NULL)) GROUP BY 1",
                          params, FO_COUNT(params), &months, err);

    s.months = months;
    if (rc == FINOPS_OK)
        rc = finops_session_tables(fo_database_session(db), target->schema, note_stale, &s, err);
    if (rc == FINOPS_OK && s.failed)
        rc = fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = drop_views(db, target, &s, err);
    if (rc == FINOPS_OK)
        rc = make_missing(db, target, &s, err);
    fo_strv_done(&s.there);
    fo_strv_done(&s.views);
    return rc;
}

static finops_code
read_views(fo_database *db, const fo_bill_target *target, fo_rows **ret, finops_error **err)
{
    const fo_param params[] = { target->schema, target->table_base };

    return fo_database_query(db,
                             "SELECT view_name, sql FROM duckdb_views() WHERE database_name = "
                             "current_database() AND schema_name = $1 AND starts_with(view_name, $2 || '_')",
                             params, FO_COUNT(params), ret, err);
}

/* Adds the columns of a month's view, where some were renamed; nothing where the table has none of them. */
static finops_code
add_renamed(fo_database *db, const fo_bill_target *target, const fo_colnames *names, fo_str *sql,
            finops_error **err)
{
    FO_AUTO(fo_view_columns_done) fo_view_columns columns = { 0 };
    FO_AUTO(fo_strv_done) fo_strv have = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv types = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv renamed = FO_STRV_INIT;
    finops_code rc = fo_database_columns(db, target->schema, target->table_base, &have, &types, err);

    for (size_t i = 0; rc == FINOPS_OK && i < have.n; i++) {
        FO_AUTO(fo_str_done) fo_str column = FO_STR_INIT;

        fo_sql_ident(&column, have.items[i]);
        rc = fo_view_column_add(&columns, have.items[i], fo_str_z(&column), types.items[i], err);
    }
    if (rc == FINOPS_OK)
        rc = fo_renames_apply(names, FINOPS_DIALECT_DUCKDB, &columns, &renamed, err);
    if (rc != FINOPS_OK || renamed.n == 0)
        return rc;
    fo_str_add(sql, "* EXCLUDE (billing_period");
    for (size_t i = 0; i < have.n; i++) {
        if (!fo_strv_has(&renamed, have.items[i]))
            continue;
        fo_str_add(sql, ", ");
        fo_sql_ident(sql, have.items[i]);
    }
    fo_str_addc(sql, ')');
    for (size_t i = 0; i < columns.names.n; i++) {
        if (!fo_strv_has(&renamed, columns.names.items[i]))
            continue;
        fo_str_addf(sql, ", %s AS ", columns.expressions.items[i]);
        fo_sql_ident(sql, columns.names.items[i]);
    }
    return fo_str_check(sql, err);
}

static finops_code
rename_in_view(fo_database *db, const fo_bill_target *target, const char *view, const char *period,
               const char *columns, const char *alias, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_str_add(&sql, "CREATE OR REPLACE VIEW ");
    add_qualified(&sql, target->schema, view);
    fo_str_addf(&sql, " AS SELECT %s FROM ", columns);
    add_qualified(&sql, target->schema, target->table_base);
    fo_str_addf(&sql, " AS %s WHERE billing_period = ", alias);
    fo_sql_literal(&sql, period);
    finops_code rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_exec(db, fo_str_z(&sql), NULL, 0, NULL, err) : rc;
}

/* Each view made is a state of the lake: an alias says which columns were renamed in it, so that only those
 * that differ are made anew. */
static finops_code
rename_in_views(fo_database *db, const fo_bill_target *target, const fo_colnames *names, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *views = NULL;
    FO_AUTO(fo_str_done) fo_str columns = FO_STR_INIT;
    const char *from, *to;
    char hex[FO_SHA256_HEX], alias[24], period[8];
    finops_code rc = FINOPS_OK;

    if (!fo_colnames_renamed(names, 0, &from, &to) || fo_database_dialect(db) != FINOPS_DIALECT_DUCKDB)
        return FINOPS_OK;
    rc = add_renamed(db, target, names, &columns, err);
    if (rc == FINOPS_OK && columns.len > 0)
        rc = fo_sha256_hex(fo_str_z(&columns), columns.len, hex, err);
    if (rc != FINOPS_OK || columns.len == 0)
        return rc;
    (void)snprintf(alias, sizeof(alias), "renamed_%.12s", hex);
    rc = read_views(db, target, &views, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(views); i++) {
        const char *view = fo_rows_text(views, i, 0);

        if (period_of(target->table_base, view, period) && !strstr(fo_rows_text(views, i, 1), alias))
            rc = rename_in_view(db, target, view, period, fo_str_z(&columns), alias, err);
    }
    return rc;
}

/* One at a time: importers of other exports make views of the same names. */
finops_code
fo_views_settle(fo_database *database, const fo_bill_target *target, const fo_colnames *names,
                finops_error **err)
{
    finops_code rc = fo_database_lock(database, VIEWS_LOCK, 0, err);

    if (rc != FINOPS_OK)
        return rc;
    rc = fo_unified_view(database, target, names, err);
    if (rc == FINOPS_OK)
        rc = settle_months(database, target, err);
    if (rc == FINOPS_OK)
        rc = rename_in_views(database, target, names, err);
    if (rc == FINOPS_OK)
        rc = fo_common_views(database, target, err);
    fo_database_unlock(database, VIEWS_LOCK);
    return rc;
}
