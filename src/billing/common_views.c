/*
 * Names that span exports, in a lake: billing_unified over all of them, billing_<YYYY>_<MM> of a month, and
 * <schema>_<payer>_<YYYY>_<MM> of a month and the account that pays it.
 *
 * Each view that is made is a state of the lake, so that only what is missing is made.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "billing/cost.h"
#include "billing/names.h"
#include "billing/publish.h"
#include "database/statement.h"

#define BASE "billing"
#define UNIFIED BASE "_unified"
#define MARK "all_bills" /* alias that says a view is ours */

/* Columns of the rows below. */
enum { MONTH_TABLE, MONTH_PERIOD, MONTH_PAYERS };
enum { VIEW_NAME, VIEW_SQL };

typedef struct common {
    fo_database *db;
    const char *schema;
    fo_rows *months; /* current ones of the vendor */
    fo_rows *views;  /* that there are, whose names could be ours */
    fo_strv wanted;
    fo_strv columns; /* of billing_unified, once a payer was looked for */
} common;

static void
common_done(common *c)
{
    fo_rows_free(c->months);
    fo_rows_free(c->views);
    fo_strv_done(&c->wanted);
    fo_strv_done(&c->columns);
}

static void
qualified(const common *c, const char *before, const char *name, fo_str *sql)
{
    fo_str_add(sql, before);
    fo_sql_ident(sql, c->schema);
    fo_str_addc(sql, '.');
    fo_sql_ident(sql, name);
}

/* Whoever loaded months of another export and has not made its view yet comes here after that. */
static finops_code
read_all(common *c, const char *vendor, finops_error **err)
{
    const fo_param params[] = { vendor, c->schema }, schema[] = { c->schema };
    finops_code rc = fo_database_query(
        c->db,
        "SELECT table_name, billing_period, coalesce(payer_account_id, '') FROM billing_state.load_state "
        "WHERE vendor = $1 AND current_version AND table_name || '_unified' IN (SELECT view_name FROM "
        "duckdb_views() WHERE database_name = current_database() AND schema_name = $2) ORDER BY table_name, "
        "billing_period",
        params, FO_COUNT(params), &c->months, err);

    if (rc == FINOPS_OK)
        rc = fo_database_query(c->db,
                               "SELECT view_name, sql FROM duckdb_views() WHERE database_name = "
                               "current_database() AND schema_name = $1 AND (starts_with(view_name, '" BASE
                               "_') OR starts_with(view_name, $1 || '_'))",
                               schema, FO_COUNT(schema), &c->views, err);
    return rc;
}

/* What there is under the name; NULL: nothing. */
static const char *
view_sql(const common *c, const char *name)
{
    for (size_t i = 0; i < fo_rows_count(c->views); i++)
        if (fo_streq(fo_rows_text(c->views, i, VIEW_NAME), name))
            return fo_rows_text(c->views, i, VIEW_SQL);
    return NULL;
}

static bool
is_first_of_table(const common *c, size_t i)
{
    return i == 0 ||
           !fo_streq(fo_rows_text(c->months, i, MONTH_TABLE), fo_rows_text(c->months, i - 1, MONTH_TABLE));
}

/* An export may have the name itself. */
static bool
is_taken(const common *c)
{
    for (size_t i = 0; i < fo_rows_count(c->months); i++)
        if (fo_streq(fo_rows_text(c->months, i, MONTH_TABLE), BASE))
            return true;
    return false;
}

/* Says which tables the view is over: an alias that only they give. */
static finops_code
alias_of_tables(const common *c, char ret[32], finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str all = FO_STR_INIT;
    char hex[FO_SHA256_HEX];

    for (size_t i = 0; i < fo_rows_count(c->months); i++)
        if (is_first_of_table(c, i))
            fo_str_addf(&all, "%s\n", fo_rows_text(c->months, i, MONTH_TABLE));
    finops_code rc = fo_str_check(&all, err);
    if (rc == FINOPS_OK)
        rc = fo_sha256_hex(fo_str_z(&all), all.len, hex, err);
    if (rc == FINOPS_OK)
        (void)snprintf(ret, 32, MARK "_%.12s", hex);
    return rc;
}

static finops_code
make_unified(common *c, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    const char *between = " AS SELECT * FROM (", *had = view_sql(c, UNIFIED);
    char alias[32];
    finops_code rc = alias_of_tables(c, alias, err);

    if (rc == FINOPS_OK && !fo_strv_add(&c->wanted, UNIFIED))
        rc = fo_error_oom(err);
    if (rc != FINOPS_OK || (had && strstr(had, alias)))
        return rc;
    qualified(c, "CREATE OR REPLACE VIEW ", UNIFIED, &sql);
    for (size_t i = 0; i < fo_rows_count(c->months); i++) {
        if (!is_first_of_table(c, i))
            continue;
        FO_AUTO(fo_freep) char *view = fo_format("%s_unified", fo_rows_text(c->months, i, MONTH_TABLE));
        if (!view)
            return fo_error_oom(err);
        fo_str_addf(&sql, "%sSELECT * FROM ", between);
        qualified(c, "", view, &sql);
        between = " UNION ALL BY NAME ";
    }
    fo_str_addf(&sql, ") AS %s", alias);
    rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_exec(c->db, fo_str_z(&sql), NULL, 0, NULL, err) : rc;
}

static finops_code
add_payer(common *c, const char *payer, fo_str *sql, finops_error **err)
{
    const fo_cost_columns columns = { .names = &c->columns };
    finops_code rc = FINOPS_OK;

    if (c->columns.n == 0)
        rc = fo_database_columns(c->db, c->schema, UNIFIED, &c->columns, NULL, err);
    fo_str_add(sql, " AND ");
    fo_cost_dimension(&columns, FO_DIMENSION_PAYER, sql);
    fo_str_add(sql, " = ");
    fo_sql_literal(sql, payer);
    return rc;
}

/* The view of a month; payer NULL: of all. */
static finops_code
make_month(common *c, const char *base, const char *period, const char *payer, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc = fo_bill_table_name(base, period, &name, err);

    if (rc == FINOPS_OK && !fo_strv_has(&c->wanted, fo_str_z(&name)) &&
        !fo_strv_add(&c->wanted, fo_str_z(&name)))
        rc = fo_error_oom(err);
    if (rc != FINOPS_OK || view_sql(c, fo_str_z(&name)))
        return rc;
    qualified(c, "CREATE VIEW IF NOT EXISTS ", fo_str_z(&name), &sql);
    qualified(c, " AS SELECT * EXCLUDE (billing_period) FROM ", UNIFIED, &sql);
    fo_str_add(&sql, " AS " MARK " WHERE billing_period = ");
    fo_sql_literal(&sql, period);
    if (payer)
        rc = add_payer(c, payer, &sql, err);
    if (rc == FINOPS_OK)
        rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_exec(c->db, fo_str_z(&sql), NULL, 0, NULL, err) : rc;
}

/* payers: "111122223333,444455556666". */
static finops_code
make_payers(common *c, const char *period, const char *payers, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t n; rc == FINOPS_OK && *payers; payers += n + (payers[n] == ',')) {
        n = strcspn(payers, ",");
        FO_AUTO(fo_freep) char *payer = fo_strndup(payers, n);
        FO_AUTO(fo_freep) char *base = payer ? fo_format("%s_%s", c->schema, payer) : NULL;
        rc = base ? make_month(c, base, period, payer, err) : fo_error_oom(err);
    }
    return rc;
}

static finops_code
make_months(common *c, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(c->months); i++) {
        const char *period = fo_rows_text(c->months, i, MONTH_PERIOD);

        rc = make_month(c, BASE, period, NULL, err);
        if (rc == FINOPS_OK)
            rc = make_payers(c, period, fo_rows_text(c->months, i, MONTH_PAYERS), err);
    }
    return rc;
}

/* Ours that nobody wants any more. */
static finops_code
drop_others(common *c, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(c->views); i++) {
        FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
        const char *name = fo_rows_text(c->views, i, VIEW_NAME);

        if (fo_strv_has(&c->wanted, name) || !strstr(fo_rows_text(c->views, i, VIEW_SQL), " " MARK))
            continue;
        qualified(c, "DROP VIEW IF EXISTS ", name, &sql);
        rc = fo_str_check(&sql, err);
        if (rc == FINOPS_OK)
            rc = fo_database_exec(c->db, fo_str_z(&sql), NULL, 0, NULL, err);
    }
    return rc;
}

finops_code
fo_common_views(fo_database *database, const fo_bill_target *target, finops_error **err)
{
    FO_AUTO(common_done) common c = { .db = database, .schema = target->schema };

    assert(database && target);
    finops_code rc = read_all(&c, target->vendor, err);
    if (rc == FINOPS_OK && fo_rows_count(c.months) > 0 && !is_taken(&c)) {
        rc = make_unified(&c, err);
        if (rc == FINOPS_OK)
            rc = make_months(&c, err);
    }
    if (rc == FINOPS_OK)
        rc = drop_others(&c, err);
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "make the views over all exports");
}
