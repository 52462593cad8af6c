/*
 * Views in the place of the tables of months, where all months are in one table.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "billing/names.h"
#include "billing/publish.h"
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
    const fo_rows *months; /* that are current */
    fo_strv views;         /* of months that are not */
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
        if (fo_streq(fo_rows_text(s->months, i, 0), period))
            return true;
    s->failed = !fo_strv_add(&s->views, name);
    return !s->failed;
}

static finops_code
drop_stale(fo_database *db, const fo_bill_target *target, finops_error **err)
{
    const fo_param params[] = { target->vendor, target->export_name };
    FO_AUTO(fo_rows_freep) fo_rows *months = NULL;
    stale s = { .base = target->table_base };
    finops_code rc =
        fo_database_query(db,
                          "SELECT billing_period FROM billing_state.load_state WHERE vendor = $1 "
                          "AND export_name = $2 AND current_version",
                          params, FO_COUNT(params), &months, err);

    s.months = months;
    if (rc == FINOPS_OK)
        rc = finops_session_tables(fo_database_session(db), target->schema, note_stale, &s, err);
    if (rc == FINOPS_OK && s.failed)
        rc = fo_error_oom(err);
    for (size_t i = 0; rc == FINOPS_OK && i < s.views.n; i++) {
        FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

        fo_str_add(&sql, "DROP VIEW ");
        add_qualified(&sql, target->schema, s.views.items[i]);
        rc = fo_str_check(&sql, err);
        if (rc == FINOPS_OK)
            rc = fo_database_exec(db, fo_str_z(&sql), NULL, 0, NULL, err);
    }
    fo_strv_done(&s.views);
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
        rc = drop_stale(database, target, err);
    if (rc == FINOPS_OK)
        rc = fo_common_views(database, target, err);
    fo_database_unlock(database, VIEWS_LOCK);
    return rc;
}
