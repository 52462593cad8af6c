/* What changed between two versions of a month. */
#include "billing/diff.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "billing/lines.h"

void
fo_diff_done(fo_diff *diff)
{
    fo_free(diff->export_name);
    fo_free(diff->from);
    fo_free(diff->to);
    fo_rows_free(diff->rows);
    fo_rows_free(diff->totals);
    *diff = (fo_diff){ 0 };
}

/* A version of the month in load_state. */
enum { VERSION_EXPORT, VERSION_ID, VERSION_CURRENT, VERSION_COMPLETED, VERSION_LEDGER };

/* Completed versions of the period, newest first: export, version, current, completed, has a ledger. */
static finops_code
diff_versions(fo_database *database, const fo_diff_options *o, fo_rows **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    bool has = false, extended = false;
    finops_code rc = fo_database_has(database, "billing_state", "load_state", &has, err);

    if (rc == FINOPS_OK && has)
        rc = fo_lines_state_extended(database, &extended, err);
    if (rc == FINOPS_OK && !has) {
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "no bill is loaded yet");
        fo_error_hint(err, "load some with 'finops aws import-cur'");
    } else if (rc == FINOPS_OK && !extended) {
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND,
                          "the database was made by the earlier tool, which kept no ledger");
        fo_error_hint(err, "'finops aws import-cur' keeps one for every month it loads");
    }
    if (rc != FINOPS_OK)
        return rc;
    /* A version that is loaded again counts as complete until its new load is: the old rows are there all the
     * time. */
    fo_str_add(
        &sql,
        "SELECT export_name, version_id, current_version, coalesce(completed_timestamp, load_timestamp), "
        "row_count = 0 OR EXISTS (SELECT 1 FROM billing_state.ledger l WHERE l.vendor = s.vendor AND "
        "l.export_name = "
        "s.export_name AND "
        "l.billing_period = s.billing_period AND l.version_id = s.version_id) FROM billing_state.load_state "
        "s "
        "WHERE (completed_timestamp IS NOT NULL OR load_completed) AND billing_period = ");
    fo_sql_literal(&sql, o->period);
    if (o->export_name) {
        fo_str_add(&sql, " AND export_name = ");
        fo_sql_literal(&sql, o->export_name);
    }
    fo_str_add(&sql, " ORDER BY export_name, 4 DESC, version_id DESC");
    rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_rows(database, fo_str_z(&sql), ret, err) : rc;
}

static bool
version_is(const fo_rows *versions, size_t i, int column)
{
    return fo_streq(fo_rows_text(versions, i, (size_t)column), "true");
}

/* All rows must be of one export. */
static finops_code
diff_export(const fo_rows *versions, const fo_diff_options *o, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str names = FO_STR_INIT;
    const char *last = NULL;
    size_t n = 0;

    for (size_t i = 0; i < fo_rows_count(versions); i++) {
        const char *name = fo_rows_text(versions, i, VERSION_EXPORT);
        if (fo_streq(name, last))
            continue;
        fo_str_addf(&names, "%s%s", n++ ? ", " : "", name);
        last = name;
    }
    if (n == 1)
        return fo_str_check(&names, err);
    if (n == 0) {
        finops_code rc = o->export_name
                             ? fo_error_set(err, FINOPS_E_NOT_FOUND, "%s of export %s is not loaded",
                                            o->period, o->export_name)
                             : fo_error_set(err, FINOPS_E_NOT_FOUND, "%s is not loaded", o->period);
        fo_error_hint(err, "'finops aws show-state' shows what is loaded");
        return rc;
    }
    finops_code rc = fo_error_set(err, FINOPS_E_USAGE, "%s is loaded from several exports: %s", o->period,
                                  fo_str_z(&names));
    fo_error_hint(err, "choose one with --export-name");
    return rc;
}

/* The row of the version that is meant; a whole name goes before a beginning. */
static finops_code
diff_find(const fo_rows *versions, const fo_diff_options *o, const char *flag, const char *text, size_t *ret,
          finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str names = FO_STR_INIT;
    size_t found = 0, n = 0;

    for (size_t i = 0; i < fo_rows_count(versions); i++) {
        const char *id = fo_rows_text(versions, i, VERSION_ID);
        if (fo_streq(id, text)) {
            *ret = i;
            return FINOPS_OK;
        }
        n += fo_starts(id, text);
        found = fo_starts(id, text) ? i : found;
        fo_str_addf(&names, "%s%s", i ? ", " : "", id);
    }
    if (n == 1) {
        *ret = found;
        return FINOPS_OK;
    }
    finops_code rc =
        n ? fo_error_set(err, FINOPS_E_USAGE, "--%s %s fits %zu versions of %s", flag, text, n, o->period)
          : fo_error_set(err, FINOPS_E_NOT_FOUND, "--%s %s: no complete version of %s is called that", flag,
                         text, o->period);
    if (fo_str_ok(&names))
        fo_error_hint(err, "there are: %s", fo_str_z(&names));
    return rc;
}

static finops_code
diff_default_from(const fo_rows *versions, const fo_diff_options *o, size_t to, size_t *ret,
                  finops_error **err)
{
    for (size_t i = 0; i < fo_rows_count(versions); i++) {
        if (i == to || !version_is(versions, i, VERSION_LEDGER))
            continue;
        *ret = i;
        return FINOPS_OK;
    }
    finops_code rc = fo_error_set(
        err, FINOPS_E_NOT_FOUND, "%s of %s has one version only, %s: there is nothing to compare it with",
        o->period, fo_rows_text(versions, to, VERSION_EXPORT), fo_rows_text(versions, to, VERSION_ID));
    fo_error_hint(err,
                  "a month gets a second version when the provider delivers it again and it is imported");
    return rc;
}

/* The current version, else the newest. */
static size_t
diff_default_to(const fo_rows *versions)
{
    for (size_t i = 0; i < fo_rows_count(versions); i++)
        if (version_is(versions, i, VERSION_CURRENT))
            return i;
    return 0;
}

static finops_code
diff_choose(const fo_rows *versions, const fo_diff_options *o, size_t *ret_from, size_t *ret_to,
            finops_error **err)
{
    size_t ends[2] = { 0, diff_default_to(versions) };
    finops_code rc = FINOPS_OK;

    if (o->to)
        rc = diff_find(versions, o, "to", o->to, &ends[1], err);
    if (rc == FINOPS_OK && o->from)
        rc = diff_find(versions, o, "from", o->from, &ends[0], err);
    else if (rc == FINOPS_OK)
        rc = diff_default_from(versions, o, ends[1], &ends[0], err);
    for (size_t i = 0; rc == FINOPS_OK && i < FO_COUNT(ends); i++) {
        if (version_is(versions, ends[i], VERSION_LEDGER))
            continue;
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND,
                          "version %s of %s has no ledger: the earlier tool loaded it",
                          fo_rows_text(versions, ends[i], VERSION_ID), o->period);
        fo_error_hint(err, "load the month again with --force to have one from now on");
    }
    if (rc == FINOPS_OK && ends[0] == ends[1])
        rc = fo_error_set(err, FINOPS_E_USAGE, "--from and --to are the same version, %s",
                          fo_rows_text(versions, ends[0], VERSION_ID));
    *ret_from = ends[0];
    *ret_to = ends[1];
    return rc;
}

/* The ledger's sums of one version: as the old ones, with NULL for the new, or the other way round. */
static void
diff_side(const fo_diff *diff, const char *period, bool old, const char *amount, fo_str *sql)
{
    fo_str_add(sql, "SELECT account_id, service, line_item_type, currency, ");
    if (old)
        fo_str_addf(sql,
                    "%s AS old, CAST(NULL AS DECIMAL(38,18)) AS new, row_count AS old_rows, 0 AS new_rows",
                    amount);
    else
        fo_str_addf(sql,
                    "CAST(NULL AS DECIMAL(38,18)) AS old, %s AS new, 0 AS old_rows, row_count AS new_rows",
                    amount);
    fo_str_add(sql, " FROM billing_state.ledger WHERE billing_period = ");
    fo_sql_literal(sql, period);
    fo_str_add(sql, " AND export_name = ");
    fo_sql_literal(sql, diff->export_name);
    fo_str_add(sql, " AND version_id = ");
    fo_sql_literal(sql, old ? diff->from : diff->to);
}

static void
diff_pairs(const fo_diff *diff, const fo_diff_options *o, fo_str *sql)
{
    static const char *const amounts[] = {
        [FO_COST_UNBLENDED] = "unblended", [FO_COST_NET] = "net", [FO_COST_AMORTIZED] = "amortized"
    };

    fo_str_add(sql, "WITH sides AS (");
    diff_side(diff, o->period, true, amounts[o->cost], sql);
    fo_str_add(sql, " UNION ALL ");
    diff_side(diff, o->period, false, amounts[o->cost], sql);
    fo_str_add(sql,
               "), pairs AS (SELECT account_id, service, line_item_type, currency, sum(old) AS old, sum(new) "
               "AS new, "
               "coalesce(sum(new), 0) - coalesce(sum(old), 0) AS change, CAST(sum(old_rows) AS BIGINT) AS "
               "old_rows, CAST(sum(new_rows) AS BIGINT) AS new_rows FROM sides GROUP BY account_id, service, "
               "line_item_type, currency) ");
}

static finops_code
diff_query(fo_database *database, const fo_diff *diff, const fo_diff_options *o, const char *rest,
           fo_rows **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    diff_pairs(diff, o, &sql);
    fo_str_add(&sql, rest);
    finops_code rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_rows(database, fo_str_z(&sql), ret, err) : rc;
}

finops_code
fo_diff_run(fo_database *database, const fo_diff_options *options, fo_diff *ret, finops_error **err)
{
    FO_AUTO(fo_diff_done) fo_diff diff = { 0 };
    FO_AUTO(fo_rows_freep) fo_rows *versions = NULL;
    size_t from = 0, to = 0;

    assert(database && options && options->period && ret);
    finops_code rc = diff_versions(database, options, &versions, err);
    if (rc == FINOPS_OK)
        rc = diff_export(versions, options, err);
    if (rc == FINOPS_OK)
        rc = diff_choose(versions, options, &from, &to, err);
    if (rc != FINOPS_OK)
        return rc;
    diff.export_name = fo_strdup(fo_rows_text(versions, to, VERSION_EXPORT));
    diff.from = fo_strdup(fo_rows_text(versions, from, VERSION_ID));
    diff.to = fo_strdup(fo_rows_text(versions, to, VERSION_ID));
    if (!diff.export_name || !diff.from || !diff.to)
        return fo_error_oom(err);
    rc = diff_query(
        database, &diff, options,
        "SELECT * FROM pairs WHERE change <> 0 OR old_rows <> new_rows ORDER BY abs(change) DESC, "
        "abs(new_rows - old_rows) DESC, account_id NULLS LAST, service NULLS LAST, line_item_type, currency",
        &diff.rows, err);
    if (rc == FINOPS_OK)
        rc = diff_query(database, &diff, options,
                        "SELECT currency, coalesce(sum(old), 0), coalesce(sum(new), 0), sum(change), "
                        "CAST(sum(old_rows) AS BIGINT), "
                        "CAST(sum(new_rows) AS BIGINT) FROM pairs GROUP BY currency ORDER BY currency",
                        &diff.totals, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret = diff;
    diff = (fo_diff){ 0 };
    return FINOPS_OK;
}
