/* The provider's side of a reconciliation: the files of a month, read again. */
#include "base/mem.h"
#include "billing/import_internal.h"
#include "billing/ledger.h"
#include "billing/reconcile_internal.h"
#include "database/state.h"

void
fo_reconcile_sums_sql(const fo_cost_columns *columns, const char *from, fo_str *sql)
{
    fo_str_add(
        sql, "SELECT coalesce(currency, '') AS currency, CAST(sum(row_count) AS BIGINT) AS n, "
             "CAST(sum(unblended) AS DECIMAL(38,18)) AS unblended, CAST(sum(net) AS DECIMAL(38,18)) AS net, "
             "CAST(sum(amortized) AS DECIMAL(38,18)) AS amortized FROM (");
    fo_ledger_select(columns, from, sql);
    fo_str_add(sql, ") AS sums GROUP BY 1 ORDER BY 1");
}

/* The names that the export's headers have in the database, so that a header means the same column here. */
static finops_code
files_names(reconcile *r, const char *export_name, fo_colnames **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    fo_str_add(&sql,
               "SELECT header, column_name FROM billing_state.column_names WHERE vendor = '" FO_VENDOR_AWS
               "' AND export_name = ");
    fo_sql_literal(&sql, export_name);
    finops_code rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_rows(r->database, fo_str_z(&sql), &rows, err);
    return rc == FINOPS_OK ? fo_colnames_from_rows(rows, FO_VENDOR_AWS, export_name, ret, err) : rc;
}

static finops_code
files_sum(reconcile *r, fo_files *files, const fo_bill_schema *schema, const char *sql, fo_rows **ret,
          finops_error **err)
{
    FO_AUTO(fo_bill_job_done) fo_bill_job job = { 0 };
    finops_code rc = fo_bill_job_begin(r->conn, schema, files, r->options->cancel, &job, err);

    if (rc != FINOPS_OK)
        return rc;
    rc = fo_conn_rows(r->conn, sql, NULL, 0, ret, err);
    return fo_bill_job_end(r->conn, schema, files, rc, err);
}

finops_code
fo_reconcile_files(reconcile *r, const char *export_name, const reconcile_delivery *d, fo_rows **ret,
                   finops_error **err)
{
    FO_AUTO(fo_colnames_freep) fo_colnames *names = NULL;
    FO_AUTO(fo_strv_done) fo_strv addresses = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv columns = FO_STRV_INIT;
    FO_AUTO(fo_freep) fo_bill_file *list = NULL;
    FO_AUTO(fo_bill_schema_done) fo_bill_schema schema = { 0 };
    FO_AUTO(fo_str_done) fo_str select = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    const fo_manifest *m = d->delivery->manifest;
    const fo_cost_columns cost = { .names = &columns };
    finops_code rc = files_names(r, export_name, &names, err);

    if (rc == FINOPS_OK)
        rc = fo_delivery_files(d->delivery, d->source, &addresses, &list, err);
    if (rc == FINOPS_OK)
        rc = fo_bill_schema_read(r->conn, d->files, list, m->keys.n, m->parquet, names, &schema, err);
    for (size_t i = 0; rc == FINOPS_OK && i < schema.n_columns; i++)
        if (!fo_strv_add(&columns, schema.columns[i].name))
            rc = fo_error_oom(err);
    fo_str_add(&select, "(");
    if (rc == FINOPS_OK)
        rc = fo_bill_schema_select(&schema, &select, err);
    fo_str_add(&select, ") AS files");
    if (rc == FINOPS_OK)
        fo_reconcile_sums_sql(&cost, fo_str_z(&select), &sql);
    if (rc == FINOPS_OK)
        rc = select.failed ? fo_error_oom(err) : fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = files_sum(r, d->files, &schema, fo_str_z(&sql), ret, err);
    fo_files_forget(d->files);
    return rc;
}
