/* Do files, manifest, table and ledger of each month agree? */
#include "billing/reconcile.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/mem.h"
#include "billing/import_internal.h"
#include "billing/lines.h"
#include "billing/names.h"
#include "billing/reconcile_internal.h"
#include "database/state.h"

const char *
fo_reconcile_verdict_name(fo_reconcile_verdict verdict)
{
    static const char *const names[] = { [FO_RECONCILE_AGREES] = "agrees",
                                         [FO_RECONCILE_NO_LEDGER] = "no ledger",
                                         [FO_RECONCILE_DRIFT] = "drift" };

    return names[verdict];
}

void
fo_reconciliation_done(fo_reconciliation *r)
{
    for (size_t i = 0; i < r->n; i++) {
        fo_free(r->items[i].export_name);
        fo_free(r->items[i].period);
        fo_free(r->items[i].version_id);
        fo_free(r->items[i].totals);
        fo_str_done(&r->items[i].detail);
    }
    fo_free(r->items);
    *r = (fo_reconciliation){ 0 };
}

static void
reconcile_done(reconcile *r)
{
    fo_rows_free(r->state);
    fo_rows_free(r->known);
    fo_rows_free(r->pruned);
    fo_free(r->seen);
    fo_conn_close(r->conn);
    fo_engine_close(r->engine);
    fo_database_close(r->database);
    fo_reconciliation_done(&r->result);
}

finops_code
fo_reconcile_add(reconcile *r, const char *export_name, const char *period, const char *version_id,
                 fo_reconciled **ret, finops_error **err)
{
    fo_reconciliation *all = &r->result;

    if (!fo_grow((void **)&all->items, &all->cap, all->n + 1, sizeof(*all->items)))
        return fo_error_oom(err);
    fo_reconciled *item = &all->items[all->n++];
    *item = (fo_reconciled){ .export_name = fo_strdup(export_name),
                             .period = fo_strdup(period),
                             .version_id = version_id ? fo_strdup(version_id) : NULL,
                             .files = "not read",
                             .manifest = "not read",
                             .table = "",
                             .ledger = "",
                             .detail = FO_STR_INIT };
    if (!item->export_name || !item->period || (version_id && !item->version_id))
        return fo_error_oom(err);
    *ret = item;
    return FINOPS_OK;
}

/* ---- sums ---- */

static const char *const sum_names[] = { "currency", "rows", "unblended", "net", "amortized" };

/* Index of a currency's row, or the count. */
static size_t
sums_find(const fo_rows *rows, const char *currency)
{
    size_t i = 0;

    while (i < fo_rows_count(rows) && !fo_streq(fo_rows_text(rows, i, 0), currency))
        i++;
    return i;
}

static void
sums_compare(const fo_rows *a, size_t i, const char *name_a, const fo_rows *b, size_t j, const char *name_b,
             fo_str *detail)
{
    const char *currency = i < fo_rows_count(a) ? fo_rows_text(a, i, 0) : fo_rows_text(b, j, 0);

    for (size_t c = 1; c < FO_COUNT(sum_names); c++) {
        const char *x = i < fo_rows_count(a) ? fo_rows_text(a, i, c) : "none";
        const char *y = j < fo_rows_count(b) ? fo_rows_text(b, j, c) : "none";
        if (!fo_streq(x, y))
            fo_str_addf(detail, "%s%s%s%s: %s in the %s, %s in the %s", detail->len ? "; " : "", currency,
                        *currency ? " " : "", sum_names[c], x ? x : "none", name_a, y ? y : "none", name_b);
    }
}

bool
fo_reconcile_same(const fo_rows *a, const char *name_a, const fo_rows *b, const char *name_b, fo_str *detail)
{
    size_t before = detail->len;

    for (size_t i = 0; i < fo_rows_count(a); i++)
        sums_compare(a, i, name_a, b, sums_find(b, fo_rows_text(a, i, 0)), name_b, detail);
    for (size_t j = 0; j < fo_rows_count(b); j++)
        if (sums_find(a, fo_rows_text(b, j, 0)) == fo_rows_count(a))
            sums_compare(a, fo_rows_count(a), name_a, b, j, name_b, detail);
    return detail->len == before && !detail->failed;
}

static void
month_differs(fo_reconciled *item, const char **place, const char *word)
{
    *place = word;
    item->verdict = FO_RECONCILE_DRIFT;
}

static void
month_say(fo_reconciled *item, const char *text)
{
    fo_str_addf(&item->detail, "%s%s", item->detail.len ? "; " : "", text);
}

/* ---- ledger and table ---- */

static finops_code
ledger_sums(reconcile *r, size_t i, fo_rows **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_str_add(
        &sql,
        "SELECT coalesce(currency, ''), CAST(sum(row_count) AS BIGINT), CAST(sum(unblended) AS "
        "DECIMAL(38,18)), "
        "CAST(sum(net) AS DECIMAL(38,18)), CAST(sum(amortized) AS DECIMAL(38,18)) FROM billing_state.ledger "
        "WHERE vendor = '" FO_VENDOR_AWS "' AND export_name = ");
    fo_sql_literal(&sql, fo_rows_text(r->state, i, STATE_EXPORT));
    fo_str_add(&sql, " AND billing_period = ");
    fo_sql_literal(&sql, fo_rows_text(r->state, i, STATE_PERIOD));
    fo_str_add(&sql, " AND version_id = ");
    fo_sql_literal(&sql, fo_rows_text(r->state, i, STATE_VERSION));
    fo_str_add(&sql, " GROUP BY 1 ORDER BY 1");
    finops_code rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_rows(r->database, fo_str_z(&sql), ret, err) : rc;
}

static finops_code
ledger_totals(const fo_rows *ledger, fo_reconciled *item, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str totals = FO_STR_INIT;

    for (size_t i = 0; i < fo_rows_count(ledger); i++) {
        const char *currency = fo_rows_text(ledger, i, 0);
        const char *cost = fo_rows_text(ledger, i, 2);
        char text[FO_DECIMAL_TEXT];
        fo_decimal v;
        item->rows += fo_rows_int(ledger, i, 1);
        if (cost && fo_decimal_parse(cost, strlen(cost), &v) == FO_DECIMAL_EXACT)
            cost = fo_decimal_format(v, text); /* without the zeros at its end */
        fo_str_addf(&totals, "%s%s%s%s", i ? ", " : "", cost, *currency ? " " : "", currency);
    }
    item->totals = fo_str_take(&totals);
    return item->totals ? FINOPS_OK : fo_error_oom(err);
}

/* The columns of the month's table. None: there is no such table. */
static finops_code
table_columns(reconcile *r, const char *schema, const char *table, fo_strv *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    fo_str_add(&sql, "SELECT column_name FROM information_schema.columns WHERE table_schema = ");
    fo_sql_literal(&sql, schema);
    fo_str_add(&sql, " AND table_name = ");
    fo_sql_literal(&sql, table);
    fo_str_add(&sql, " ORDER BY ordinal_position");
    finops_code rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_rows(r->database, fo_str_z(&sql), &rows, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++)
        if (!fo_strv_add(ret, fo_rows_text(rows, i, 0)))
            rc = fo_error_oom(err);
    return rc;
}

/* A table that is not named after the month is the one of all months. */
static bool
table_is_single(const char *table, const char *period)
{
    size_t n = strlen(table);

    return n < 8 || strncmp(table + n - 7, period, 4) != 0 || strcmp(table + n - 2, period + 5) != 0;
}

static finops_code
table_sums(reconcile *r, size_t i, fo_rows **ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *schema = NULL;
    FO_AUTO(fo_strv_done) fo_strv columns = FO_STRV_INIT;
    FO_AUTO(fo_str_done) fo_str from = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    const char *table = fo_rows_text(r->state, i, STATE_TABLE),
               *period = fo_rows_text(r->state, i, STATE_PERIOD);
    const fo_cost_columns cost = { .names = &columns };
    finops_code rc =
        fo_lines_schema_of(r->database, r->options->settings->aws.dataset_name, table, &schema, err);

    if (rc == FINOPS_OK && schema)
        rc = table_columns(r, schema, table, &columns, err);
    if (rc != FINOPS_OK || !schema)
        return rc;
    fo_sql_ident(&from, schema);
    fo_str_addc(&from, '.');
    fo_sql_ident(&from, table);
    if (table_is_single(table, period)) {
        fo_str_add(&from, " WHERE billing_period = ");
        fo_sql_literal(&from, period);
    }
    fo_reconcile_sums_sql(&cost, fo_str_z(&from), &sql);
    rc = from.failed ? fo_error_oom(err) : fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_rows(r->database, fo_str_z(&sql), ret, err) : rc;
}

/* Table and load state against the ledger. */
static finops_code
month_database(reconcile *r, size_t i, const fo_rows *ledger, fo_reconciled *item, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *table = NULL;
    int64_t recorded = fo_rows_int(r->state, i, STATE_ROWS);
    finops_code rc = table_sums(r, i, &table, err);

    if (rc != FINOPS_OK)
        return rc;
    item->ledger = item->table = "agree";
    if (recorded > 0 && fo_rows_count(ledger) == 0) {
        month_differs(item, &item->ledger, "missing");
        month_say(item, "the ledger has no rows for the version");
    } else if (recorded != item->rows) {
        month_differs(item, &item->ledger, "differs");
        fo_str_addf(&item->detail, "rows: %" PRId64 " in the load state, %" PRId64 " in the ledger", recorded,
                    item->rows);
    }
    if (!table) {
        month_differs(item, &item->table, "missing");
        month_say(item, "the table is not there");
    } else if (!fo_reconcile_same(table, "table", ledger, "ledger", &item->detail)) {
        month_differs(item, &item->table, "differs");
    }
    return fo_str_check(&item->detail, err);
}

/* ---- manifest and files ---- */

static finops_code
month_files(reconcile *r, const reconcile_delivery *d, const fo_rows *ledger, fo_reconciled *item,
            finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    FO_AUTO(fo_rows_freep) fo_rows *files = NULL;

    if (r->options->progress)
        r->options->progress(item->export_name, item->period, r->options->arg);
    finops_code rc = fo_reconcile_files(r, item->export_name, d, &files, &why);
    if (rc == FINOPS_E_CANCELLED || rc == FINOPS_E_MEMORY) {
        if (err)
            *err = FO_TAKE(why);
        return rc;
    }
    item->files = "agree";
    if (rc != FINOPS_OK) {
        month_differs(item, &item->files, "unreadable");
        month_say(item, finops_error_text(why));
    } else if (!fo_reconcile_same(files, "files", ledger, "ledger", &item->detail)) {
        month_differs(item, &item->files, "differ");
    }
    return fo_str_check(&item->detail, err);
}

static finops_code
month_delivery(reconcile *r, const reconcile_delivery *d, const fo_rows *ledger, fo_reconciled *item,
               finops_error **err)
{
    const fo_manifest *m = d->delivery->manifest;

    item->manifest = "agree";
    if (!m) {
        month_differs(item, &item->manifest, "unusable");
        month_say(item, finops_error_text(d->delivery->error));
        return fo_str_check(&item->detail, err);
    }
    if (fo_streq(m->version_id, item->version_id))
        return month_files(r, d, ledger, item, err);
    month_differs(item, &item->manifest, "other version");
    item->files = "other version";
    fo_str_addf(&item->detail, "%sthe manifest names version %s: run 'finops aws import-cur'",
                item->detail.len ? "; " : "", m->version_id);
    return fo_str_check(&item->detail, err);
}

finops_code
fo_reconcile_month(reconcile *r, size_t i, const reconcile_delivery *d, const char *why_not,
                   finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *ledger = NULL;
    fo_reconciled *item = NULL;

    r->seen[i] = true;
    finops_code rc =
        fo_reconcile_add(r, fo_rows_text(r->state, i, STATE_EXPORT), fo_rows_text(r->state, i, STATE_PERIOD),
                         fo_rows_text(r->state, i, STATE_VERSION), &item, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!fo_rows_text(r->state, i, STATE_COMPLETED)) {
        item->verdict = FO_RECONCILE_NO_LEDGER;
        item->rows = fo_rows_int(r->state, i, STATE_ROWS);
        item->table = item->ledger = "no ledger";
        month_say(item, "loaded by the earlier tool; --force loads it again with a ledger");
        return fo_str_check(&item->detail, err);
    }
    rc = ledger_sums(r, i, &ledger, err);
    if (rc == FINOPS_OK)
        rc = ledger_totals(ledger, item, err);
    if (rc == FINOPS_OK)
        rc = month_database(r, i, ledger, item, err);
    if (rc == FINOPS_OK && d)
        rc = month_delivery(r, d, ledger, item, err);
    if (rc == FINOPS_OK && !d)
        item->manifest = why_not;
    return rc;
}

/* ---- what is loaded, and what is delivered ---- */

static finops_code
reconcile_query(reconcile *r, const char *head, const char *tail, bool by_export, fo_rows **ret,
                finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    const char *name = r->options->settings->aws.export_name;

    fo_str_add(&sql, head);
    if (r->options->period && by_export) {
        fo_str_add(&sql, " AND billing_period = ");
        fo_sql_literal(&sql, r->options->period);
    }
    if (name) { /* also the one kept apart from another of its name */
        fo_str_add(&sql, " AND (export_name = ");
        fo_sql_literal(&sql, name);
        fo_str_add(&sql, " OR (starts_with(export_name, ");
        fo_sql_literal(&sql, name);
        fo_str_add(&sql, " || '_') AND length(export_name) = length(");
        fo_sql_literal(&sql, name);
        fo_str_add(&sql, ") + 7 AND translate(right(export_name, 6), '0123456789abcdef', '') = ''))");
    }
    fo_str_add(&sql, tail);
    finops_code rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_rows(r->database, fo_str_z(&sql), ret, err) : rc;
}

static finops_code
reconcile_read_state(reconcile *r, finops_error **err)
{
    bool has = false, extended = false, pruned = false;
    finops_code rc = fo_database_has(r->database, "billing_state", "load_state", &has, err);

    if (rc == FINOPS_OK && !has) {
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "no bill is loaded yet");
        fo_error_hint(err, "load some with 'finops aws import-cur'");
    }
    if (rc == FINOPS_OK)
        rc = fo_lines_state_extended(r->database, &extended, err);
    if (rc == FINOPS_OK)
        rc = reconcile_query(
            r,
            extended
                ? "SELECT export_name, billing_period, version_id, row_count, table_name, source_uri, "
                  "completed_timestamp FROM billing_state.load_state WHERE vendor = 'aws' AND current_version"
                : "SELECT export_name, billing_period, version_id, row_count, NULL::VARCHAR, NULL::VARCHAR, "
                  "NULL::VARCHAR FROM billing_state.load_state WHERE vendor = 'aws' AND current_version",
            " ORDER BY export_name, billing_period", true, &r->state, err);
    if (rc == FINOPS_OK)
        rc = reconcile_query(
            r,
            extended ? "SELECT export_name, source_uri, min(billing_period) FROM billing_state.load_state "
                       "WHERE vendor = 'aws'"
                     : "SELECT export_name, NULL::VARCHAR, min(billing_period) FROM billing_state.load_state "
                       "WHERE vendor = 'aws'",
            " GROUP BY 1, 2 ORDER BY 1, 2", false, &r->known, err);
    if (rc == FINOPS_OK)
        rc = fo_database_has(r->database, "billing_state", "retention", &pruned, err);
    if (rc == FINOPS_OK && pruned)
        rc = reconcile_query(
            r, "SELECT export_name, keep_from FROM billing_state.retention WHERE vendor = 'aws'", "", false,
            &r->pruned, err);
    if (rc != FINOPS_OK)
        return rc;
    r->seen = fo_array(fo_rows_count(r->state) + 1, sizeof(bool));
    return r->seen ? FINOPS_OK : fo_error_oom(err);
}

/* The row of the state that is this export of this source. A row of the earlier tool names no source: its
 * name decides. */
static bool
reconcile_is(const fo_rows *rows, size_t i, size_t source_column, const fo_export *e)
{
    const char *source = fo_rows_text(rows, i, source_column);

    return source ? fo_streq(source, e->source_uri) : fo_streq(fo_rows_text(rows, i, 0), e->name);
}

/* A month that is delivered and not loaded is drift, but not one that was pruned or comes before all that was
 * ever wanted. */
static finops_code
reconcile_missing(reconcile *r, const fo_export *e, const fo_delivery *d, finops_error **err)
{
    fo_reconciled *item = NULL;
    size_t i = 0;

    while (i < fo_rows_count(r->known) && !reconcile_is(r->known, i, 1, e))
        i++;
    if (i == fo_rows_count(r->known) || strcmp(d->period, fo_rows_text(r->known, i, 2)) < 0)
        return FINOPS_OK;
    const char *name = fo_rows_text(r->known, i, 0);
    for (size_t k = 0; k < (r->pruned ? fo_rows_count(r->pruned) : 0); k++)
        if (fo_streq(fo_rows_text(r->pruned, k, 0), name) &&
            strcmp(d->period, fo_rows_text(r->pruned, k, 1)) < 0)
            return FINOPS_OK;
    finops_code rc = fo_reconcile_add(r, name, d->period, NULL, &item, err);
    if (rc != FINOPS_OK)
        return rc;
    month_differs(item, &item->table, "not loaded");
    item->manifest = d->manifest ? "delivered" : "unusable";
    month_say(item, d->manifest ? "the month is delivered and not loaded: run 'finops aws import-cur'"
                                : finops_error_text(d->error));
    return fo_str_check(&item->detail, err);
}

static finops_code
reconcile_export(reconcile *r, fo_files *files, const fo_bill_source *source, const fo_export *e,
                 finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t k = 0; rc == FINOPS_OK && k < e->n_deliveries; k++) {
        const reconcile_delivery d = { .files = files, .source = source, .delivery = &e->deliveries[k] };
        bool found = false;
        if (fo_cancelled(r->options->cancel))
            return fo_error_set(err, FINOPS_E_CANCELLED, "stopped before %s %s", e->name, d.delivery->period);
        for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(r->state); i++) {
            if (r->seen[i] || !fo_streq(fo_rows_text(r->state, i, STATE_PERIOD), d.delivery->period) ||
                !reconcile_is(r->state, i, STATE_SOURCE, e))
                continue;
            found = true;
            rc = fo_reconcile_month(r, i, &d, NULL, err);
        }
        if (rc == FINOPS_OK && !found)
            rc = reconcile_missing(r, e, d.delivery, err);
    }
    return rc;
}

static finops_code
reconcile_source(reconcile *r, const fo_aws_settings *settings, finops_error **err)
{
    FO_AUTO(fo_files_closep) fo_files *files = NULL;
    FO_AUTO(fo_bill_source_done) fo_bill_source source = { 0 };
    FO_AUTO(fo_exports_done) fo_exports exports = { 0 };
    FO_AUTO(fo_freep) char *period = r->options->period ? fo_strdup(r->options->period) : NULL;
    fo_aws_settings aws = *settings;
    const fo_files_options how = { .aws = &aws,
                                   .network = &r->options->settings->network,
                                   .places = r->options->places,
                                   .cancel = r->options->cancel };
    finops_code rc = fo_bill_source_parse(&aws, &source, err);

    if (r->options->period && !period)
        return fo_error_oom(err);
    if (period)
        aws.start_date = aws.end_date = period;
    if (rc == FINOPS_OK)
        rc = fo_files_open(r->engine, &how, &files, err);
    if (rc == FINOPS_OK)
        rc = fo_exports_discover(files, &aws, true, r->options->cancel, &exports, err);
    for (size_t i = 0; rc == FINOPS_OK && i < exports.n; i++)
        rc = reconcile_export(r, files, &source, &exports.items[i], err);
    return rc;
}

static finops_code
reconcile_sources(reconcile *r, finops_error **err)
{
    const fo_settings *s = r->options->settings;
    finops_code rc = FINOPS_OK;

    if (s->n_exports == 0 && (!s->aws.bucket || !*s->aws.bucket)) {
        if (r->options->warning)
            r->options->warning("no bucket or folder is named: files and manifests are not read",
                                r->options->arg);
        return rc;
    }
    if (s->n_exports == 0)
        return reconcile_source(r, &s->aws, err);
    for (size_t i = 0; rc == FINOPS_OK && i < s->n_exports; i++)
        if (!s->aws.export_name || fo_streq(s->aws.export_name, s->exports[i].export_name))
            rc = reconcile_source(r, &s->exports[i], err);
    return rc;
}

static int
reconciled_order(const void *a, const void *b)
{
    const fo_reconciled *x = a, *y = b;
    int by_name = strcmp(x->export_name, y->export_name);

    return by_name ? by_name : strcmp(x->period, y->period);
}

static finops_code
reconcile_open(reconcile *r, finops_error **err)
{
    const fo_settings *s = r->options->settings;
    const fo_engine_options memory = { .memory_limit = s->duckdb.memory_limit,
                                       .threads = (unsigned)s->duckdb.threads };
    finops_code rc = fo_database_open_reader(s, r->options->cancel, &r->database, err);

    if (rc == FINOPS_OK)
        rc = reconcile_read_state(r, err);
    if (rc == FINOPS_OK)
        rc = fo_engine_open(&memory, &r->engine, err);
    if (rc == FINOPS_OK)
        rc = fo_conn_open(r->engine, &r->conn, err);
    if (rc == FINOPS_OK)
        fo_conn_set_cancel(r->conn, r->options->cancel);
    return rc;
}

/* "file:<export>" is what `import-cur --file` leaves; folders are "file:///…". */
static bool
reconcile_is_bare(const char *source)
{
    return source && fo_starts(source, "file:") && !fo_starts(source, "file://");
}

finops_code
fo_reconcile_run(const fo_reconcile_options *options, fo_reconciliation *ret, finops_error **err)
{
    FO_AUTO(reconcile_done) reconcile r = { .options = options };

    assert(options && options->settings && ret);
    finops_code rc = reconcile_open(&r, err);
    if (rc == FINOPS_OK)
        rc = reconcile_sources(&r, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(r.state); i++) {
        const char *source = fo_rows_text(r.state, i, STATE_SOURCE);
        if (!r.seen[i])
            rc = fo_reconcile_month(&r, i, NULL, reconcile_is_bare(source) ? "none" : "not found", err);
    }
    if (rc != FINOPS_OK)
        return rc;
    if (r.result.n > 0)
        qsort(r.result.items, r.result.n, sizeof(*r.result.items), reconciled_order);
    for (size_t i = 0; i < r.result.n; i++)
        r.result.drift += r.result.items[i].verdict == FO_RECONCILE_DRIFT;
    *ret = r.result;
    r.result = (fo_reconciliation){ 0 };
    return FINOPS_OK;
}
