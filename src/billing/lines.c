/* The loaded bills as one relation of lines. */
#include "billing/lines.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "billing/columns.h"
#include "billing/lines_internal.h"
#include "billing/names.h"
#include "database/statement.h"

static void
view_done(fo_lines_view *view)
{
    fo_free(view->schema);
    fo_free(view->name);
    fo_strv_done(&view->columns);
    fo_strv_done(&view->types);
}

void
fo_lines_done(fo_lines *lines)
{
    fo_free(lines->sql);
    fo_free(lines->first_period);
    fo_free(lines->last_period);
    *lines = (fo_lines){ 0 };
}

finops_code
fo_lines_state_extended(fo_database *database, bool *ret, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = fo_database_rows(
        database,
        "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'billing_state' "
        "AND table_name = 'load_state' AND column_name = 'table_name'",
        &rows, err);

    if (rc == FINOPS_OK)
        *ret = fo_rows_int(rows, 0, 0) > 0;
    return rc;
}

finops_code
fo_lines_schema_of(fo_database *database, const char *dataset, const char *name, char **ret,
                   finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    fo_str_add(&sql, "SELECT table_schema FROM information_schema.tables WHERE table_name = ");
    fo_sql_literal(&sql, name);
    fo_str_add(&sql, " ORDER BY table_schema = ");
    fo_sql_literal(&sql, dataset);
    fo_str_add(&sql, " DESC, table_schema LIMIT 1");
    finops_code rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_rows(database, fo_str_z(&sql), &rows, err);
    if (rc != FINOPS_OK || fo_rows_count(rows) == 0)
        return rc;
    *ret = fo_strdup(fo_rows_text(rows, 0, 0));
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

/* Exports with a current month: name, base of the tables (NULL: not recorded), first and last month. */
static finops_code
lines_exports(fo_database *database, const char *export_name, fo_rows **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    bool has = false, extended = false;
    finops_code rc = fo_database_has(database, "billing_state", "load_state", &has, err);

    if (rc == FINOPS_OK && has)
        rc = fo_lines_state_extended(database, &extended, err);
    if (rc == FINOPS_OK && has) {
        fo_str_addf(&sql,
                    "SELECT export_name, max(%s), min(billing_period), max(billing_period) FROM "
                    "billing_state.load_state "
                    "WHERE current_version",
                    extended
                        ? "regexp_replace(table_name, '_' || replace(billing_period, '-', '_') || '$', '')"
                        : "NULL::VARCHAR");
        if (export_name) {
            fo_str_add(&sql, " AND export_name = ");
            fo_sql_literal(&sql, export_name);
        }
        fo_str_add(&sql, " GROUP BY export_name ORDER BY export_name");
        rc = fo_str_check(&sql, err);
        if (rc == FINOPS_OK)
            rc = fo_database_rows(database, fo_str_z(&sql), ret, err);
    }
    if (rc != FINOPS_OK || (has && fo_rows_count(*ret) > 0))
        return rc;
    if (export_name) {
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "no month of export %s is loaded", export_name);
        fo_error_hint(err, "'finops aws show-state' shows what is loaded");
        return rc;
    }
    rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "no bill is loaded yet");
    fo_error_hint(err, "load some with 'finops aws import-cur'");
    return rc;
}

static finops_code
view_open(fo_database *database, const char *dataset, const char *export_name, const char *base,
          fo_lines_view *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str made = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = base ? FINOPS_OK : fo_bill_table_base(export_name, &made, err);

    if (rc != FINOPS_OK)
        return rc;
    ret->export_name = export_name;
    ret->name = fo_format("%s_unified", base ? base : fo_str_z(&made));
    if (!ret->name)
        return fo_error_oom(err);
    rc = fo_lines_schema_of(database, dataset, ret->name, &ret->schema, err);
    if (rc == FINOPS_OK && !ret->schema) {
        /* A server shows nobody what is not theirs to read. */
        bool server = fo_database_can(database, FINOPS_DATABASE_SERVER);

        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "the view %s.%s of export %s is not there%s", dataset,
                          ret->name, export_name, server ? ", or may not be read by this user" : "");
        fo_error_hint(err,
                      "%sit is made again with the next month that is loaded: finops aws import-cur "
                      "--export-name %s --force",
                      server ? "its owner can GRANT SELECT on it; if it is gone, " : "", export_name);
    }
    if (rc != FINOPS_OK)
        return rc;
    fo_str_add(&sql, "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = ");
    fo_sql_literal(&sql, ret->schema);
    fo_str_add(&sql, " AND table_name = ");
    fo_sql_literal(&sql, ret->name);
    fo_str_add(&sql, " ORDER BY ordinal_position");
    rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_rows(database, fo_str_z(&sql), &rows, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++)
        if (!fo_strv_add(&ret->columns, fo_rows_text(rows, i, 0)) ||
            !fo_strv_add(&ret->types, fo_rows_text(rows, i, 1)))
            rc = fo_error_oom(err);
    return rc;
}

/*
 * Adds the column as the dictionary wants it; false when it is so already. Only views made by the earlier
 * tool, with its guessed types, need this: ours are typed.
 */
static bool
view_retype(const char *column, const char *type, fo_str *sql)
{
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;
    const fo_column_entry *entry = fo_column_find(column);
    fo_column_kind kind = entry ? entry->kind : FO_COLUMN_TEXT;
    bool done = true;

    fo_sql_ident(&name, column);
    if (kind == FO_COLUMN_DECIMAL && !fo_starts(type, "DECIMAL("))
        fo_str_addf(sql, "TRY_CAST(nullif(CAST(%s AS VARCHAR), '') AS DECIMAL(38,18)) AS %s", fo_str_z(&name),
                    fo_str_z(&name));
    else if (kind == FO_COLUMN_TIMESTAMP && !fo_streq(type, "TIMESTAMP"))
        fo_str_addf(sql, "TRY_CAST(%s AS TIMESTAMP) AS %s", fo_str_z(&name), fo_str_z(&name));
    else if (fo_ends(column, "account_id") && (fo_ends(type, "INT") || fo_streq(type, "INTEGER")))
        fo_str_addf(sql, "lpad(CAST(%s AS VARCHAR), 12, '0') AS %s", fo_str_z(&name), fo_str_z(&name));
    else if (kind == FO_COLUMN_TEXT &&
             (fo_ends(type, "INT") || fo_streq(type, "INTEGER") || fo_streq(type, "DOUBLE")))
        fo_str_addf(sql, "CAST(%s AS VARCHAR) AS %s", fo_str_z(&name), fo_str_z(&name));
    else
        done = false;
    sql->failed |= name.failed;
    return done;
}

static void
view_relation(const fo_lines_view *view, bool retype, fo_str *sql)
{
    bool any = false;

    fo_str_add(sql, "(SELECT *");
    for (size_t i = 0; retype && i < view->columns.n; i++) {
        FO_AUTO(fo_str_done) fo_str one = FO_STR_INIT;
        if (!view_retype(view->columns.items[i], view->types.items[i], &one))
            continue;
        fo_str_addf(sql, "%s%s", any ? ", " : " REPLACE (", fo_str_z(&one));
        sql->failed |= one.failed;
        any = true;
    }
    fo_str_add(sql, any ? ") FROM " : " FROM ");
    fo_sql_ident(sql, view->schema);
    fo_str_addc(sql, '.');
    fo_sql_ident(sql, view->name);
    fo_str_add(sql, ") AS bill");
}

/* The first of two columns that the view has, `length` characters of "2026-05-01 00:00:00", or NULL. */
static void
view_time(const fo_cost_columns *columns, const char *cur, const char *focus, int length, const char *name,
          fo_str *sql)
{
    const char *column = fo_cost_has(columns, cur) ? cur : fo_cost_has(columns, focus) ? focus : NULL;

    if (column)
        fo_str_addf(sql, "substr(CAST(%s AS VARCHAR), 1, %d) AS %s, ", column, length, name);
    else
        fo_str_addf(sql, "CAST(NULL AS VARCHAR) AS %s, ", name);
}

static void
view_dimensions(const fo_cost_columns *columns, fo_str *sql)
{
    static const struct {
        fo_dimension dimension;
        const char *name;
    } dimensions[] = {
        { FO_DIMENSION_PAYER, "payer" },           { FO_DIMENSION_ACCOUNT, "account" },
        { FO_DIMENSION_SERVICE, "service" },       { FO_DIMENSION_REGION, "region" },
        { FO_DIMENSION_USAGE_TYPE, "usage_type" }, { FO_DIMENSION_LINE_ITEM_TYPE, "line_item_type" },
        { FO_DIMENSION_CURRENCY, "currency" },
    };

    for (size_t i = 0; i < FO_COUNT(dimensions); i++) {
        fo_cost_dimension(columns, dimensions[i].dimension, sql);
        fo_str_addf(sql, " AS %s, ", dimensions[i].name);
    }
}

/* The lines of one export. `tag` is an expression. */
static void
view_select(const fo_lines_view *view, fo_cost_model cost, const char *tag, bool retype, fo_str *sql)
{
    const fo_cost_columns columns = { .names = &view->columns };

    fo_str_add(sql, "SELECT ");
    fo_sql_literal(sql, view->export_name);
    fo_str_add(sql, " AS export_name, ");
    if (fo_cost_has(&columns, "billing_period"))
        fo_str_add(sql, "billing_period AS period, ");
    else
        view_time(&columns, "bill_billing_period_start_date", "billing_period_start", 7, "period", sql);
    view_time(&columns, "line_item_usage_start_date", "charge_period_start", 10, "day", sql);
    view_dimensions(&columns, sql);
    fo_str_addf(sql, "%s AS tag, CAST(", tag);
    fo_cost_amount(&columns, cost, sql);
    fo_str_add(sql, " AS DECIMAL(38,18)) AS cost FROM ");
    view_relation(view, retype, sql);
}

static finops_code
lines_add(fo_database *database, const fo_lines_options *o, const char *export_name, const char *base,
          fo_str *sql, bool *tag_found, fo_strv *keys, finops_error **err)
{
    FO_AUTO(view_done) fo_lines_view view = { 0 };
    FO_AUTO(fo_str_done) fo_str tag = FO_STR_INIT;
    bool found = false;
    finops_code rc = view_open(database, o->dataset, export_name, base, &view, err);

    if (rc == FINOPS_OK && o->tag_key)
        rc = fo_lines_tag(database, &view, o->tag_key, &tag, &found, keys, err);
    else
        fo_str_add(&tag, "CAST(NULL AS VARCHAR)");
    if (rc == FINOPS_OK)
        rc = fo_str_check(&tag, err);
    if (rc != FINOPS_OK)
        return rc;
    *tag_found |= found;
    fo_str_add(sql, sql->len ? " UNION ALL " : "");
    view_select(&view, o->cost, fo_str_z(&tag), fo_database_dialect(database) == FINOPS_DIALECT_DUCKDB, sql);
    return fo_str_check(sql, err);
}

static finops_code
lines_periods(const fo_rows *exports, fo_lines *lines, finops_error **err)
{
    const char *first = fo_rows_text(exports, 0, 2), *last = fo_rows_text(exports, 0, 3);

    for (size_t i = 1; i < fo_rows_count(exports); i++) {
        if (strcmp(fo_rows_text(exports, i, 2), first) < 0)
            first = fo_rows_text(exports, i, 2);
        if (strcmp(fo_rows_text(exports, i, 3), last) > 0)
            last = fo_rows_text(exports, i, 3);
    }
    lines->first_period = fo_strdup(first);
    lines->last_period = fo_strdup(last);
    return lines->first_period && lines->last_period ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_lines_open(fo_database *database, const fo_lines_options *options, fo_lines *ret, finops_error **err)
{
    FO_AUTO(fo_lines_done) fo_lines lines = { 0 };
    FO_AUTO(fo_rows_freep) fo_rows *exports = NULL;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_strv_done) fo_strv keys = FO_STRV_INIT;
    bool tag_found = false;

    assert(database && options && options->dataset && ret);
    finops_code rc = lines_exports(database, options->export_name, &exports, err);
    if (rc == FINOPS_OK)
        rc = lines_periods(exports, &lines, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(exports); i++)
        rc = lines_add(database, options, fo_rows_text(exports, i, 0), fo_rows_text(exports, i, 1), &sql,
                       &tag_found, &keys, err);
    if (rc == FINOPS_OK && options->tag_key && !tag_found)
        rc = fo_lines_tag_unknown(options->tag_key, &keys, err);
    if (rc != FINOPS_OK)
        return rc;
    lines.n_exports = fo_rows_count(exports);
    lines.sql = fo_str_take(&sql);
    if (!lines.sql)
        return fo_error_oom(err);
    *ret = lines;
    lines = (fo_lines){ 0 };
    return FINOPS_OK;
}

finops_code
fo_lines_overlaps(fo_database *database, const fo_lines *lines, const char *from, const char *to,
                  fo_strv *ret_warnings, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    if (lines->n_exports < 2)
        return FINOPS_OK;
    fo_str_addf(&sql,
                "WITH lines AS NOT MATERIALIZED (%s), months AS (SELECT payer, period, "
                "string_agg(DISTINCT export_name, ', ' ORDER BY export_name) AS exports, count(DISTINCT "
                "export_name) AS n FROM lines "
                "WHERE payer IS NOT NULL AND period BETWEEN ",
                lines->sql);
    fo_sql_literal(&sql, from);
    fo_str_add(&sql, " AND ");
    fo_sql_literal(&sql, to);
    fo_str_add(&sql, " GROUP BY payer, period) SELECT payer, exports, string_agg(period, ', ' ORDER BY "
                     "period) FROM months "
                     "WHERE n > 1 GROUP BY payer, exports ORDER BY payer, exports");
    finops_code rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_rows(database, fo_str_z(&sql), &rows, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++) {
        char *text = fo_format("the bill of account %s for %s is in the exports %s and is counted once for "
                               "each: choose one with "
                               "--export-name",
                               fo_rows_text(rows, i, 0), fo_rows_text(rows, i, 2), fo_rows_text(rows, i, 1));
        if (!text || !fo_strv_take(ret_warnings, text))
            rc = fo_error_oom(err);
    }
    return rc;
}
